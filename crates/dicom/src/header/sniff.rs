//! What a file is, from its bytes.

use super::build::{header, policy};
use super::{Header, ObjectKind, Sniff};
use crate::finding::note;
use crate::guard::{Opened, open_header, open_header_bytes};
use crate::pixels;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Looks at a file by its content. Never fails: what cannot be read becomes [`Sniff::Unreadable`] with the reason.
pub fn sniff(path: &Path) -> Sniff {
    let unreadable = |e: std::io::Error| Sniff::Unreadable { reason: format!("cannot be read: {e}"), header: None };
    let mut file = match File::open(path) {
        Ok(f) => f,
        Err(e) => return unreadable(e),
    };
    let len = match file.metadata() {
        Ok(m) => m.len(),
        Err(e) => return unreadable(e),
    };
    let mut head = [0u8; 512];
    let mut got = 0;
    while got < head.len() {
        match file.read(&mut head[got..]) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return unreadable(e),
        }
    }
    if let Some(s) = foreign(&head[..got]) {
        return s;
    }
    if let Err(e) = file.seek(SeekFrom::Start(0)) {
        return unreadable(e);
    }
    decide(open_header(file, len, policy), &head[..got])
}

/// Looks at the bytes of a file.
pub fn sniff_bytes(bytes: &[u8]) -> Sniff {
    let head = &bytes[..bytes.len().min(512)];
    foreign(head).unwrap_or_else(|| decide(open_header_bytes(bytes, policy), head))
}

/// Files of other kinds that have a signature. A DICOM magic wins: preambles may hold the header of a TIFF or a program.
fn foreign(head: &[u8]) -> Option<Sniff> {
    let not = |r: &str| Some(Sniff::NotDicom { reason: r.to_owned() });
    let archive = |k: &str| Some(Sniff::Archive { kind: k.to_owned() });
    if head.is_empty() {
        return not("the file is empty");
    }
    if head.get(128..132) == Some(b"DICM") || head.starts_with(b"DICM") {
        return None;
    }
    if head.get(257..262) == Some(b"ustar") {
        return archive("tar");
    }
    match head {
        [b'P', b'K', 3 | 5 | 7, 4 | 6 | 8, ..] => archive("zip"),
        [0x1F, 0x8B, ..] if gzipped_nifti(head) => not("a compressed NIfTI image"),
        [0x1F, 0x8B, ..] => archive("gzip"),
        [b'7', b'z', 0xBC, 0xAF, ..] => archive("7z"),
        [b'R', b'a', b'r', b'!', ..] => archive("rar"),
        [0x28, 0xB5, 0x2F, 0xFD, ..] => archive("zstd"),
        [0xFD, b'7', b'z', b'X', b'Z', ..] => archive("xz"),
        [b'B', b'Z', b'h', ..] => archive("bzip2"),
        [0x89, b'P', b'N', b'G', ..] => not("a PNG picture"),
        [0xFF, 0xD8, 0xFF, ..] => not("a JPEG picture"),
        [b'G', b'I', b'F', b'8', ..] => not("a GIF picture"),
        [b'%', b'P', b'D', b'F', ..] => not("a PDF document"),
        [0x00, 0x05, 0x16, 0x07, ..] => not("an AppleDouble side file of macOS"),
        [0xD0, 0xCF, 0x11, 0xE0, ..] => not("an OLE file (such as Thumbs.db)"),
        [0x5C, 0x01, 0x00, 0x00, ..] => not("a NIfTI image"),
        [b'N', b'R', b'R', b'D', ..] => not("an NRRD image"),
        [0x89, b'H', b'D', b'F', ..] => not("an HDF5 file"),
        [b'M', b'Z', ..] => not("a Windows program"),
        [0x7F, b'E', b'L', b'F', ..] => not("a Linux program"),
        _ => None,
    }
}

/// Whether the compressed bytes begin with the header size of NIfTI-1 (348) or NIfTI-2 (540).
fn gzipped_nifti(head: &[u8]) -> bool {
    let mut first = [0u8; 4];
    let read = flate2::read::GzDecoder::new(head).read_exact(&mut first).is_ok();
    read && matches!(i32::from_le_bytes(first), 348 | 540)
}

/// What the first bytes of a file without DICOM elements look like.
fn describe(head: &[u8], reason: String) -> String {
    let dicm = head.get(128..132) == Some(b"DICM") || head.starts_with(b"DICM");
    if dicm {
        return reason;
    }
    if head.iter().all(|&b| b == 0) {
        return "only zero bytes at the beginning".into();
    }
    let lower = head.to_ascii_lowercase();
    let start = lower.iter().position(|b| !b.is_ascii_whitespace()).unwrap_or(0);
    if lower[start..].starts_with(b"<!doctype html") || lower[start..].starts_with(b"<html") {
        return "a web page".into();
    }
    if lower[start..].starts_with(b"<?xml") {
        return "an XML file".into();
    }
    let texty = match std::str::from_utf8(head) {
        Ok(t) => !t.chars().any(|c| c.is_control() && !c.is_whitespace()),
        Err(e) => e.error_len().is_none() && e.valid_up_to() + 4 > head.len() && !head.contains(&0),
    };
    if texty { "a text file".into() } else { reason }
}

fn decide(opened: Result<Opened, String>, head: &[u8]) -> Sniff {
    let o = match opened {
        Ok(o) => o,
        Err(reason) => return Sniff::NotDicom { reason: describe(head, reason) },
    };
    let mut h = header(&o);
    let dicom_dir = o.meta.code(dicom_dictionary_std::tags::MEDIA_STORAGE_SOP_CLASS_UID);
    if h.kind() == ObjectKind::DicomDir || dicom_dir.is_some_and(|u| ObjectKind::of(&u) == ObjectKind::DicomDir) {
        return Sniff::DicomDir;
    }
    let something = !o.data.elements.is_empty() || !h.sop_class_uid.is_empty();
    let unreadable = |reason: String, h: Header| Sniff::Unreadable { reason, header: something.then(|| Box::new(h)) };
    if let Some(f) = &o.fault {
        return unreadable(f.to_string(), h);
    }
    if h.sop_class_uid.is_empty() {
        return unreadable("no SOP Class UID: what the object is cannot be told".into(), h);
    }
    if h.sop_instance_uid.is_empty() {
        return unreadable("no SOP Instance UID: the object cannot be told from others".into(), h);
    }
    let kind = h.kind();
    if kind == ObjectKind::RtSecondGeneration {
        return Sniff::Unsupported { reason: "a second-generation RT object".into(), header: Box::new(h) };
    }
    if let Some(reason) = pixel_fault(&o, &h) {
        return unreadable(reason, h);
    }
    let needs_pixels = kind.is_volume_image() || kind == ObjectKind::RtDose;
    if needs_pixels {
        let image = h.image.as_ref();
        if image.is_none_or(|i| !i.has_pixels) {
            note(&mut h.findings, "no_pixel_data", "the object holds no pixel data");
        } else if image.is_some_and(|i| i.encapsulated) && !pixels::can_decode(&h.transfer_syntax) {
            let reason = format!(
                "unsupported transfer syntax {} ({})",
                h.transfer_syntax,
                pixels::syntax_name(&h.transfer_syntax)
            );
            return Sniff::Unsupported { reason, header: Box::new(h) };
        }
    }
    Sniff::Dicom { header: Box::new(h) }
}

/// Compares the pixel data with rows × columns × frames.
fn pixel_fault(o: &Opened, h: &Header) -> Option<String> {
    let (p, i) = (o.pixels.as_ref()?, h.image.as_ref()?);
    if p.encapsulated {
        return p
            .cut
            .then(|| format!("truncated: the compressed pixel data end early, after {} fragments", p.fragments.len()));
    }
    if p.cut {
        return Some(format!("truncated: pixel data declare {} bytes, {} are there", p.declared, p.length));
    }
    if p.length == 0 {
        return None;
    }
    let expected = pixels::native_bytes(
        i.rows,
        i.columns,
        i.frames,
        i.samples_per_pixel,
        i.bits_allocated,
        i.photometric.as_deref(),
    )?;
    (p.length < expected).then(|| {
        format!(
            "pixel data hold {} bytes, {} rows × {} columns × {} frames need {expected}",
            p.length, i.rows, i.columns, i.frames
        )
    })
}
