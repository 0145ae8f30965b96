//! From a file to its data set: preamble, meta information, coding, deflate.

use super::dataset::{DataSet, Vr};
use super::parse::{Coding, Fault, Head, Parser, PixelPlace, Policy, keep_all};
use super::source::{FileSource, MemSource, Source};
use crate::Finding;
use crate::finding::note;
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Longest inflated data set.
const MAX_INFLATED: u64 = 4 << 30;
/// Inflated size that needs no plausible ratio.
const FREE_INFLATED: u64 = 64 << 20;
/// Largest plausible ratio of inflated to deflated size beyond [`FREE_INFLATED`].
const MAX_RATIO: u64 = 200;
/// Longest value kept when a whole object is read.
const MAX_VALUE: usize = 1 << 30;

/// Why a file is not a readable DICOM object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The bytes are something else.
    #[error("{path}: not DICOM: {reason}")]
    NotDicom {
        /// The file.
        path: PathBuf,
        /// What was found instead.
        reason: String,
    },
    /// The bytes are DICOM but damaged.
    #[error("{path}: {fault}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where and how.
        fault: Fault,
    },
    /// The file cannot be opened or read.
    #[error("{path}: {message}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's message.
        message: String,
    },
}

/// Pixel data of an object, still encoded.
#[derive(Clone, Debug, PartialEq)]
pub struct PixelData {
    /// Where they lie in [`Object::body`].
    pub place: PixelPlace,
}

/// What the walker found in a file.
pub(crate) struct Opened {
    /// Elements of group 0002.
    pub(crate) meta: DataSet,
    /// Elements of the data set, as far as they were wanted and readable.
    pub(crate) data: DataSet,
    /// Transfer syntax by which the data set was read.
    pub(crate) transfer_syntax: String,
    /// Whether the data set is big endian.
    pub(crate) big_endian: bool,
    pub(crate) pixels: Option<PixelPlace>,
    pub(crate) findings: Vec<Finding>,
    /// The fault that ended the walk, if any.
    pub(crate) fault: Option<Fault>,
    /// The inflated data set of a deflated file; positions in `pixels` refer to it.
    pub(crate) inflated: Option<Vec<u8>>,
}

/// A whole DICOM object in memory, except that pixel data stay encoded in [`Object::body`].
#[derive(Clone, Debug)]
pub struct Object {
    /// The file it came from.
    pub path: PathBuf,
    /// File meta information (group 0002), empty if the file has none.
    pub meta: DataSet,
    /// The data set.
    pub data: DataSet,
    /// Transfer syntax by which it was read: as declared or, if that is missing or wrong, as found.
    pub transfer_syntax: String,
    /// Whether the data set is big endian (binary element values are already turned).
    pub big_endian: bool,
    /// Pixel data.
    pub pixels: Option<PixelData>,
    /// Remarks on the coding.
    pub findings: Vec<Finding>,
    /// The bytes of the file, or of the inflated data set.
    pub body: Vec<u8>,
}

impl Object {
    /// Reads a whole object; a damaged one is an error that says where.
    pub fn read(path: &Path) -> Result<Self, OpenError> {
        let bytes = std::fs::read(path).map_err(|e| OpenError::Io { path: path.to_owned(), message: e.to_string() })?;
        Self::from_bytes(path, bytes)
    }

    /// Reads a whole object from the bytes of a file; `path` serves messages only.
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self, OpenError> {
        let mut src = MemSource(&bytes);
        let opened = open(&mut src, keep_all, MAX_VALUE)
            .map_err(|reason| OpenError::NotDicom { path: path.to_owned(), reason })?;
        if let Some(fault) = opened.fault {
            return Err(OpenError::Damaged { path: path.to_owned(), fault });
        }
        Ok(Self {
            path: path.to_owned(),
            meta: opened.meta,
            data: opened.data,
            transfer_syntax: opened.transfer_syntax,
            big_endian: opened.big_endian,
            pixels: opened.pixels.map(|place| PixelData { place }),
            findings: opened.findings,
            body: opened.inflated.unwrap_or(bytes),
        })
    }

    /// The SOP Class UID of the data set, else of the meta information, else empty.
    pub fn sop_class_uid(&self) -> String {
        self.data
            .code(tags::SOP_CLASS_UID)
            .or_else(|| self.meta.code(tags::MEDIA_STORAGE_SOP_CLASS_UID))
            .unwrap_or_default()
    }

    /// The SOP Instance UID of the data set, else of the meta information, else empty.
    pub fn sop_instance_uid(&self) -> String {
        self.data
            .code(tags::SOP_INSTANCE_UID)
            .or_else(|| self.meta.code(tags::MEDIA_STORAGE_SOP_INSTANCE_UID))
            .unwrap_or_default()
    }
}

/// Opens a file and keeps the elements that `policy` wants, reading only the parts of the file that hold them.
/// The error is the reason why it is not DICOM.
pub(crate) fn open_header(file: File, len: u64, policy: Policy) -> Result<Opened, String> {
    let mut src = FileSource::new(file, len);
    open(&mut src, policy, 1 << 20)
}

/// The same for the bytes of a file.
pub(crate) fn open_header_bytes(bytes: &[u8], policy: Policy) -> Result<Opened, String> {
    open(&mut MemSource(bytes), policy, 1 << 20)
}

/// The coding that a transfer syntax states for the data set.
fn coding_of(ts: &str) -> Coding {
    match ts {
        "1.2.840.10008.1.2" | "1.2.840.113619.5.2" => Coding::IMPLICIT,
        "1.2.840.10008.1.2.2" => Coding::BIG,
        _ => Coding::EXPLICIT,
    }
}

fn syntax_of(c: Coding) -> &'static str {
    match (c.explicit, c.big) {
        (false, _) => "1.2.840.10008.1.2",
        (true, false) => "1.2.840.10008.1.2.1",
        (true, true) => "1.2.840.10008.1.2.2",
    }
}

pub(crate) fn open<S: Source>(src: &mut S, policy: Policy, max_value: usize) -> Result<Opened, String> {
    let len = src.len();
    if len < 8 {
        return Err(if len == 0 { "the file is empty".into() } else { format!("only {len} bytes") });
    }
    let magic = |src: &mut S, at: u64| -> bool { at + 4 <= len && src.read(at, 4).is_ok_and(|b| b == b"DICM") };
    let mut findings = Vec::new();
    let start = if magic(src, 128) {
        132
    } else if magic(src, 0) {
        note(&mut findings, "no_preamble", "the file begins with DICM, without the 128-byte preamble");
        4
    } else {
        note(&mut findings, "no_preamble", "the file has neither preamble nor DICM");
        0
    };
    if start > 0 && start == len {
        return Err("DICM and nothing after it".into());
    }
    let mut parser = Parser::new(src, policy, max_value);
    let mut meta = DataSet::default();
    let (body, meta_fault) = read_meta(&mut parser, start, &mut meta);
    findings.append(&mut parser.findings);
    let declared = meta.code(tags::TRANSFER_SYNTAX_UID);
    let opened = |data, ts: String, big, pixels, findings, fault, inflated| Opened {
        meta: meta.clone(),
        data,
        transfer_syntax: ts,
        big_endian: big,
        pixels,
        findings,
        fault,
        inflated,
    };
    if let Some(f) = meta_fault {
        let ts = declared.clone().unwrap_or_default();
        return Ok(opened(DataSet::default(), ts, false, None, findings, Some(f), None));
    }
    if body >= len {
        if meta.elements.is_empty() {
            return Err("no DICOM elements".into());
        }
        let ts = declared.clone().unwrap_or_default();
        return Ok(opened(DataSet::default(), ts, false, None, findings, Some(Fault::Ends(len)), None));
    }
    if declared.as_deref() == Some("1.2.840.10008.1.2.1.99") {
        let ts = declared.clone().unwrap_or_default();
        let n = (len - body) as usize;
        let packed = match parser.src.read(body, n) {
            Ok(b) => b,
            Err(f) => return Ok(opened(DataSet::default(), ts, false, None, findings, Some(f), None)),
        };
        match inflate(packed, &mut findings) {
            Ok(bytes) => {
                let mut mem = MemSource(&bytes);
                let mut p = Parser::new(&mut mem, policy, max_value);
                let mut data = DataSet::default();
                let fault = p.top(0, Coding::EXPLICIT, &mut data).err();
                findings.append(&mut p.findings);
                let pixels = p.pixels.take();
                return Ok(opened(data, ts, false, pixels, findings, fault, Some(bytes)));
            }
            Err(f) => return Ok(opened(DataSet::default(), ts, false, None, findings, Some(f), None)),
        }
    }
    let strict = start == 0 && meta.elements.is_empty();
    let stated = declared.as_deref().map(coding_of);
    let mut order: Vec<Coding> = Vec::with_capacity(4);
    if let Some(c) = stated {
        order.push(c);
        order.push(if c.explicit { Coding::IMPLICIT } else { Coding::EXPLICIT });
    }
    for c in [Coding::EXPLICIT, Coding::IMPLICIT, Coding::BIG] {
        if !order.contains(&c) {
            order.push(c);
        }
    }
    let Some(&coding) = order.iter().find(|&&c| plausible(&mut parser, body, c, strict)) else {
        return if strict {
            Err("no DICM and no DICOM elements at the beginning".into())
        } else if meta.elements.is_empty() {
            Err("DICM is there, but no DICOM elements follow it".into())
        } else {
            let ts = declared.clone().unwrap_or_default();
            let fault = Fault::BadVr { tag: Tag(0, 0), at: body };
            Ok(opened(DataSet::default(), ts, false, None, findings, Some(fault), None))
        };
    };
    if stated.is_some_and(|s| s != coding) {
        let text = format!(
            "the data set is not coded as its transfer syntax {} says; it was read as {}",
            declared.as_deref().unwrap_or(""),
            syntax_of(coding)
        );
        note(&mut findings, "wrong_transfer_syntax", text);
    }
    if declared.is_none() {
        if start > 0 {
            note(&mut findings, "no_transfer_syntax", "the transfer syntax is not stated; it was found by trial");
        } else if meta.elements.is_empty() {
            note(&mut findings, "no_meta", "the file has no meta information; the coding was found by trial");
        }
    }
    let ts = match (&declared, stated) {
        (Some(d), Some(s)) if s == coding => d.clone(),
        // An encapsulated syntax with an implicit data set: the codec still holds.
        (Some(d), _) if crate::pixels::is_encapsulated_syntax(d) => d.clone(),
        _ => syntax_of(coding).to_owned(),
    };
    parser.findings.clear();
    let mut data = DataSet::default();
    let fault = parser.top(body, coding, &mut data).err();
    findings.append(&mut parser.findings);
    let pixels = parser.pixels.take();
    Ok(opened(data, ts, coding.big, pixels, findings, fault, None))
}

/// Reads group 0002 from `at`; returns the position of the data set. The group length is not believed.
fn read_meta<S: Source>(p: &mut Parser<'_, S>, at: u64, meta: &mut DataSet) -> (u64, Option<Fault>) {
    let end = p.src.len();
    let mut at = at;
    let mut coding = None;
    while end - at >= 8 {
        let Ok(b) = p.src.read(at, 6) else { return (at, None) };
        let (le, be) = (u16::from_le_bytes([b[0], b[1]]), u16::from_be_bytes([b[0], b[1]]));
        if le != 2 && be != 2 {
            break;
        }
        let explicit = Vr([b[4], b[5]]).is_known();
        let c = *coding.get_or_insert(Coding { explicit, big: be == 2 && le != 2 });
        let Head { tag, vr, len, value_at } = match p.head(at, end, c) {
            Ok(h) => h,
            Err(f) => return (at, Some(f)),
        };
        let left = end - value_at;
        if u64::from(len) > left {
            return (at, Some(Fault::Truncated { tag, at, need: u64::from(len), left }));
        }
        if tag.1 != 0 && len <= 1 << 16 {
            match p.src.read(value_at, len as usize) {
                Ok(b) => {
                    let value = super::Value::Bytes(b.to_vec());
                    meta.elements.push(super::Element { tag, vr, value });
                }
                Err(f) => return (at, Some(f)),
            }
        }
        at = value_at + u64::from(len);
        if at >= end {
            break;
        }
    }
    if coding.is_some_and(|c| !c.explicit) {
        note(&mut p.findings, "implicit_meta", "the meta information is written in implicit VR");
    }
    (at, None)
}

/// Whether up to four elements at `at` make sense in this coding. `strict` holds for files without any signature.
fn plausible<S: Source>(p: &mut Parser<'_, S>, at: u64, c: Coding, strict: bool) -> bool {
    let end = p.src.len();
    let mut at = at;
    let mut last = None;
    let mut seen = 0;
    while seen < 4 && at < end {
        let Ok(h) = p.head(at, end, c) else { return seen > 1 && !strict };
        let ordered = last.is_none_or(|l| h.tag > l);
        // Data sets begin in group 0008 (0004 for directories); headers of old exports may lack it.
        let first_ok = last.is_some() || if strict { h.tag.0 == 8 } else { h.tag.0 != 0 && h.tag.0 != 0xFFFE };
        if !ordered || !first_ok || (strict && h.tag.0 > 0x7FE0) {
            return seen > 1 && !strict;
        }
        if c.explicit && h.vr == Vr::NONE {
            return false;
        }
        if h.len == u32::MAX {
            return true;
        }
        if u64::from(h.len) > end - h.value_at {
            // A cut file fails here too, but not in its first elements.
            return seen > 1;
        }
        if !c.explicit {
            let looks_explicit = h.len > 0xFFFF && Vr([h.len as u8, (h.len >> 8) as u8]).is_known();
            if looks_explicit {
                return false;
            }
        }
        last = Some(h.tag);
        at = h.value_at + u64::from(h.len);
        seen += 1;
    }
    seen > if strict { 1 } else { 0 }
}

/// Inflates a deflated data set with caps on size and ratio.
fn inflate(packed: &[u8], findings: &mut Vec<Finding>) -> Result<Vec<u8>, Fault> {
    let cap = MAX_INFLATED.min(FREE_INFLATED.max(MAX_RATIO * packed.len() as u64));
    let mut raw = Vec::new();
    let r = flate2::read::DeflateDecoder::new(packed).take(cap + 1).read_to_end(&mut raw);
    if let Err(e) = r {
        let mut zlib = Vec::new();
        if flate2::read::ZlibDecoder::new(packed).take(cap + 1).read_to_end(&mut zlib).is_ok() && !zlib.is_empty() {
            note(findings, "zlib_header", "the deflated data set has a zlib header");
            raw = zlib;
        } else if raw.is_empty() {
            return Err(Fault::Inflate(e.to_string()));
        } else {
            note(findings, "deflate_cut", format!("the deflated data set is damaged after {} bytes: {e}", raw.len()));
        }
    }
    if raw.len() as u64 > cap {
        return Err(Fault::Inflate(format!("grows beyond {cap} bytes from {} bytes", packed.len())));
    }
    Ok(raw)
}
