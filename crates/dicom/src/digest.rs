//! A digest of an object's content that does not depend on how it is encoded.

use crate::guard::{DataSet, Element, Object, OpenError, Value};
use crate::pixels::{self, Layout, frame_bytes};
use blake3::Hasher;
use std::path::Path;

/// Transfer syntaxes whose decoded pixels are exactly the original ones.
const LOSSLESS: [&str; 6] = [
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.201",
    "1.2.840.10008.1.2.8.1",
];

/// Digest (64 hexadecimal digits) of all elements of the data set and the decoded pixels: equal for copies of an object in
/// different transfer syntaxes, provided that the compression is lossless and can be decoded. Meta information, group
/// lengths and padding do not count.
pub fn content_digest(path: &Path) -> Result<String, OpenError> {
    Ok(digest(&Object::read(path)?))
}

/// The same for an object in memory.
pub fn digest(o: &Object) -> String {
    let mut h = Hasher::new();
    data_set(&mut h, &o.data);
    pixel_data(&mut h, o);
    h.finalize().to_hex().to_string()
}

/// Digest of the decoded pixels alone; `None` without pixel data.
pub fn pixel_digest(o: &Object) -> Option<String> {
    o.pixels.as_ref()?;
    let mut h = Hasher::new();
    pixel_data(&mut h, o);
    Some(h.finalize().to_hex().to_string())
}

fn chunk(h: &mut Hasher, b: &[u8]) {
    h.update(&(b.len() as u64).to_le_bytes());
    h.update(b);
}

fn data_set(h: &mut Hasher, d: &DataSet) {
    let mut elements: Vec<&Element> =
        d.elements.iter().filter(|e| e.tag.1 != 0 && !(e.tag.0 == 0xFFFC && e.tag.1 == 0xFFFC)).collect();
    elements.sort_by_key(|e| e.tag);
    h.update(&(elements.len() as u64).to_le_bytes());
    for e in elements {
        h.update(&e.tag.0.to_le_bytes());
        h.update(&e.tag.1.to_le_bytes());
        match &e.value {
            Value::Bytes(b) => {
                // Padding to even length is no content. Numbers of known kind keep all their bytes.
                let numeric = e.vr.word() > 1 && e.tag.0 % 2 == 0;
                let end =
                    if numeric { b.len() } else { b.iter().rposition(|c| !matches!(c, 0 | b' ')).map_or(0, |p| p + 1) };
                chunk(h, &b[..end]);
            }
            Value::Items(items) => {
                h.update(b"SQ");
                h.update(&(items.len() as u64).to_le_bytes());
                for i in items {
                    data_set(h, i);
                }
            }
        }
    }
}

fn pixel_data(h: &mut Hasher, o: &Object) {
    let Some(p) = o.pixels.as_ref().map(|p| &p.place) else { return };
    let decodable =
        !p.encapsulated || (LOSSLESS.contains(&o.transfer_syntax.as_str()) && pixels::can_decode(&o.transfer_syntax));
    if decodable && let Ok(layout) = Layout::of(o) {
        let frames: Result<Vec<_>, _> = (0..layout.frames).map(|f| frame_bytes(o, &layout, f)).collect();
        if let Ok(frames) = frames {
            for f in &frames {
                chunk(h, f);
            }
            return;
        }
    }
    h.update(o.transfer_syntax.as_bytes());
    let parts = if p.encapsulated {
        p.fragments.clone()
    } else {
        vec![(p.offset, u32::try_from(p.length).unwrap_or(u32::MAX))]
    };
    for (at, len) in parts {
        if let Some(b) = o.body.get(at as usize..at as usize + len as usize) {
            chunk(h, b);
        }
    }
}
