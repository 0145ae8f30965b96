//! From elements to bytes and files.

use super::{WriteError, Written};
use crate::guard::{DataSet, Element, Value, Vr};
use crate::uid;
use dicom_core::Tag;
use dicom_dictionary_std::tags as t;
use std::io::Write;
use std::path::Path;

/// Implicit VR little endian.
pub(super) const IMPLICIT: &str = "1.2.840.10008.1.2";
/// Explicit VR little endian.
pub(super) const EXPLICIT: &str = "1.2.840.10008.1.2.1";

/// A data set under construction.
#[derive(Clone, Debug, Default)]
pub(super) struct Build {
    pub(super) data: DataSet,
}

impl Build {
    fn push(&mut self, tag: Tag, vr: [u8; 2], bytes: Vec<u8>) {
        self.data.elements.retain(|e| e.tag != tag);
        self.data.elements.push(Element { tag, vr: Vr(vr), value: Value::Bytes(bytes) });
    }
    /// A text element, cut to what its value representation allows.
    pub(super) fn text(&mut self, tag: Tag, vr: &[u8; 2], v: &str) -> &mut Self {
        let most = match vr {
            b"SH" | b"CS" | b"AE" => 16,
            b"LO" | b"PN" => 64,
            _ => usize::MAX,
        };
        let cut = |v: &str| v.chars().filter(|c| !c.is_control()).take(most).collect::<String>();
        let v: Vec<String> = v.split('\\').map(cut).collect();
        self.push(tag, *vr, v.join("\\").into_bytes());
        self
    }
    /// A text of one value: backslashes, which divide values, become slashes.
    pub(super) fn one(&mut self, tag: Tag, vr: &[u8; 2], v: &str) -> &mut Self {
        self.text(tag, vr, &v.replace('\\', "/"))
    }
    pub(super) fn uid(&mut self, tag: Tag, v: &str) -> &mut Self {
        self.push(tag, *b"UI", v.as_bytes().to_vec());
        self
    }
    pub(super) fn raw(&mut self, tag: Tag, vr: &[u8; 2], v: Vec<u8>) -> &mut Self {
        self.push(tag, *vr, v);
        self
    }
    pub(super) fn u16(&mut self, tag: Tag, v: u16) -> &mut Self {
        self.push(tag, *b"US", v.to_le_bytes().to_vec());
        self
    }
    pub(super) fn int(&mut self, tag: Tag, v: i64) -> &mut Self {
        self.push(tag, *b"IS", v.to_string().into_bytes());
        self
    }
    /// Decimal strings with as many digits as fit.
    pub(super) fn decimals(&mut self, tag: Tag, v: &[f64]) -> Result<&mut Self, String> {
        let texts: Option<Vec<String>> = v.iter().map(|x| super::precise(*x)).collect();
        let texts = texts.ok_or_else(|| format!("a value of {tag} is not finite"))?;
        self.push(tag, *b"DS", texts.join("\\").into_bytes());
        Ok(self)
    }
    pub(super) fn items(&mut self, tag: Tag, items: Vec<Build>) -> &mut Self {
        self.data.elements.retain(|e| e.tag != tag);
        let items = items.into_iter().map(|b| b.data).collect();
        self.data.elements.push(Element { tag, vr: Vr::SQ, value: Value::Items(items) });
        self
    }
}

/// Padded to even length.
fn padded(e: &Element, b: &[u8]) -> Vec<u8> {
    let mut v = b.to_vec();
    if v.len() % 2 == 1 {
        v.push(if matches!(&e.vr.0, b"UI" | b"OB" | b"UN") { 0 } else { b' ' });
    }
    v
}

fn data_set(out: &mut Vec<u8>, d: &DataSet, explicit: bool) -> Result<(), String> {
    let mut elements: Vec<&Element> = d.elements.iter().collect();
    elements.sort_by_key(|e| e.tag);
    for e in elements {
        let value = match &e.value {
            Value::Bytes(b) => padded(e, b),
            Value::Items(items) => {
                let mut v = Vec::new();
                for i in items {
                    let mut inner = Vec::new();
                    data_set(&mut inner, i, explicit)?;
                    v.extend_from_slice(&[0xFE, 0xFF, 0x00, 0xE0]);
                    v.extend_from_slice(&length(inner.len())?.to_le_bytes());
                    v.append(&mut inner);
                }
                v
            }
        };
        out.extend_from_slice(&e.tag.0.to_le_bytes());
        out.extend_from_slice(&e.tag.1.to_le_bytes());
        let n = length(value.len())?;
        if !explicit {
            out.extend_from_slice(&n.to_le_bytes());
        } else if e.vr.is_long() {
            out.extend_from_slice(&e.vr.0);
            out.extend_from_slice(&[0, 0]);
            out.extend_from_slice(&n.to_le_bytes());
        } else {
            out.extend_from_slice(&e.vr.0);
            let n =
                u16::try_from(n).map_err(|_| format!("element {} has {n} bytes, too long for explicit VR", e.tag))?;
            out.extend_from_slice(&n.to_le_bytes());
        }
        out.extend_from_slice(&value);
    }
    Ok(())
}

fn length(n: usize) -> Result<u32, String> {
    u32::try_from(n).ok().filter(|n| *n < u32::MAX).ok_or_else(|| format!("an element of {n} bytes"))
}

/// Digest of a data set, from which UIDs are derived.
pub(super) fn hash(b: &Build) -> Result<String, String> {
    let mut v = Vec::new();
    data_set(&mut v, &b.data, false)?;
    Ok(blake3::hash(&v).to_hex().to_string())
}

/// Derives the SOP Instance UID from the content (unless it is set), encodes and writes the file.
pub(super) fn finish(path: &Path, class: &str, syntax: &str, mut b: Build) -> Result<Written, WriteError> {
    let invalid = |what: String| WriteError::Invalid { path: path.to_owned(), what };
    b.uid(t::SOP_CLASS_UID, class);
    let sop_instance_uid = match b.data.code(t::SOP_INSTANCE_UID) {
        Some(u) => u,
        None => {
            let u = uid::derived(&["instance", class, &hash(&b).map_err(invalid)?]);
            b.uid(t::SOP_INSTANCE_UID, &u);
            u
        }
    };
    let series_uid = b.data.code(t::SERIES_INSTANCE_UID).unwrap_or_default();
    let mut meta = Build::default();
    meta.raw(t::FILE_META_INFORMATION_VERSION, b"OB", vec![0, 1])
        .uid(t::MEDIA_STORAGE_SOP_CLASS_UID, class)
        .uid(t::MEDIA_STORAGE_SOP_INSTANCE_UID, &sop_instance_uid)
        .uid(t::TRANSFER_SYNTAX_UID, syntax)
        .uid(t::IMPLEMENTATION_CLASS_UID, &uid::derived(&["implementation", "rtpipeline"]))
        .text(t::IMPLEMENTATION_VERSION_NAME, b"SH", "RTPIPELINE");
    let mut meta_bytes = Vec::new();
    data_set(&mut meta_bytes, &meta.data, true).map_err(invalid)?;
    let mut out = vec![0u8; 128];
    out.extend_from_slice(b"DICM");
    out.extend_from_slice(&[2, 0, 0, 0, b'U', b'L', 4, 0]);
    out.extend_from_slice(&length(meta_bytes.len()).map_err(invalid)?.to_le_bytes());
    out.append(&mut meta_bytes);
    data_set(&mut out, &b.data, syntax != IMPLICIT).map_err(invalid)?;
    let io = |source: std::io::Error| WriteError::Io { path: path.to_owned(), source };
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir).map_err(io)?;
    let mut tmp = tempfile::NamedTempFile::new_in(dir).map_err(io)?;
    tmp.write_all(&out).map_err(io)?;
    tmp.as_file().sync_data().map_err(io)?;
    tmp.persist(path).map_err(|e| io(e.error))?;
    Ok(Written { path: path.to_owned(), sop_instance_uid, series_uid })
}
