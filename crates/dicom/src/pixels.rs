//! Decoding of pixel data, frame by frame.

mod jpeg12;

use crate::guard::Object;
use dicom_dictionary_std::tags as t;
use dicom_encoding::adapters::{PixelDataObject, RawPixelData};
use dicom_encoding::transfer_syntax::TransferSyntaxIndex;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use std::borrow::Cow;
use std::panic::AssertUnwindSafe;

/// Why pixel data cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PixelError {
    #[error("no pixel data")]
    None,
    #[error("unsupported transfer syntax {0}")]
    Syntax(String),
    #[error("{0}")]
    Bad(String),
}

const NATIVE: [&str; 5] =
    ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", "1.2.840.113619.5.2"];
const DEFLATED_FRAMES: &str = "1.2.840.10008.1.2.8.1";
const RLE: &str = "1.2.840.10008.1.2.5";

/// Whether a transfer syntax encapsulates pixel data.
pub(crate) fn is_encapsulated_syntax(uid: &str) -> bool {
    !NATIVE.contains(&uid)
        && (uid == DEFLATED_FRAMES || TransferSyntaxRegistry.get(uid).is_some_and(|ts| ts.is_encapsulated_pixel_data()))
}

/// Whether pixel data of a transfer syntax can be decoded.
pub(crate) fn can_decode(uid: &str) -> bool {
    NATIVE.contains(&uid)
        || uid == DEFLATED_FRAMES
        || TransferSyntaxRegistry.get(uid).is_some_and(|ts| ts.pixel_data_reader().is_some())
}

/// The name of a transfer syntax for messages.
pub(crate) fn syntax_name(uid: &str) -> String {
    TransferSyntaxRegistry.get(uid).map_or_else(|| "unknown".to_owned(), |ts| ts.name().to_owned())
}

/// Bytes of native pixel data; `None` where the header does not tell.
pub(crate) fn native_bytes(
    rows: u32,
    columns: u32,
    frames: u32,
    samples: u16,
    bits: u16,
    photometric: Option<&str>,
) -> Option<u64> {
    if rows == 0 || columns == 0 || bits == 0 {
        return None;
    }
    let pixels = u64::from(rows).checked_mul(u64::from(columns))?.checked_mul(u64::from(frames))?;
    let samples = if photometric == Some("YBR_FULL_422") { 2 } else { u64::from(samples.max(1)) };
    let bits = pixels.checked_mul(samples)?.checked_mul(u64::from(bits))?;
    Some(bits.div_ceil(8))
}

/// How stored values are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) frames: usize,
    pub(crate) samples: usize,
    pub(crate) allocated: u16,
    pub(crate) stored: u16,
    pub(crate) high: u16,
    pub(crate) signed: bool,
}

impl Layout {
    pub(crate) fn of(o: &Object) -> Result<Self, PixelError> {
        let d = &o.data;
        let need = |tag, name: &str| d.u16(tag).ok_or_else(|| PixelError::Bad(format!("{name} is missing")));
        let allocated = need(t::BITS_ALLOCATED, "Bits Allocated")?;
        let stored = d.u16(t::BITS_STORED).filter(|&b| b > 0 && b <= allocated).unwrap_or(allocated);
        let l = Self {
            rows: need(t::ROWS, "Rows")?.into(),
            columns: need(t::COLUMNS, "Columns")?.into(),
            frames: d.int(t::NUMBER_OF_FRAMES).and_then(|f| usize::try_from(f).ok()).filter(|&f| f > 0).unwrap_or(1),
            samples: usize::from(d.u16(t::SAMPLES_PER_PIXEL).unwrap_or(1).max(1)),
            allocated,
            stored,
            high: d.u16(t::HIGH_BIT).filter(|&h| h < allocated && h + 1 >= stored).unwrap_or(stored - 1),
            signed: d.u16(t::PIXEL_REPRESENTATION) == Some(1),
        };
        if l.rows == 0 || l.columns == 0 {
            return Err(PixelError::Bad("Rows or Columns is 0".into()));
        }
        Ok(l)
    }

    fn frame_pixels(&self) -> usize {
        self.rows * self.columns * self.samples
    }
}

/// One frame shown to a codec of dicom-rs as an object of its own.
struct OneFrame<'a> {
    ts: &'a str,
    layout: Layout,
    photometric: Option<String>,
    fragment: Cow<'a, [u8]>,
}

impl PixelDataObject for OneFrame<'_> {
    fn transfer_syntax_uid(&self) -> &str {
        self.ts
    }
    fn rows(&self) -> Option<u16> {
        u16::try_from(self.layout.rows).ok()
    }
    fn cols(&self) -> Option<u16> {
        u16::try_from(self.layout.columns).ok()
    }
    fn samples_per_pixel(&self) -> Option<u16> {
        u16::try_from(self.layout.samples).ok()
    }
    fn bits_allocated(&self) -> Option<u16> {
        Some(self.layout.allocated)
    }
    fn bits_stored(&self) -> Option<u16> {
        Some(self.layout.stored)
    }
    fn photometric_interpretation(&self) -> Option<&str> {
        self.photometric.as_deref()
    }
    fn number_of_frames(&self) -> Option<u32> {
        Some(1)
    }
    fn number_of_fragments(&self) -> Option<u32> {
        Some(1)
    }
    fn fragment(&self, fragment: usize) -> Option<Cow<'_, [u8]>> {
        (fragment == 0).then(|| Cow::Borrowed(&*self.fragment))
    }
    fn offset_table(&self) -> Option<Cow<'_, [u32]>> {
        None
    }
    fn raw_pixel_data(&self) -> Option<RawPixelData> {
        Some(RawPixelData { fragments: vec![self.fragment.to_vec()].into(), offset_table: Vec::new().into() })
    }
}

/// The stored bytes of one frame, little endian, samples of a pixel together.
pub(crate) fn frame_bytes<'o>(o: &'o Object, l: &Layout, frame: usize) -> Result<Cow<'o, [u8]>, PixelError> {
    let place = &o.pixels.as_ref().ok_or(PixelError::None)?.place;
    if frame >= l.frames {
        return Err(PixelError::Bad(format!("frame {} of {}", frame + 1, l.frames)));
    }
    let bits = l.frame_pixels() * usize::from(l.allocated);
    if !place.encapsulated {
        if !bits.is_multiple_of(8) || l.allocated == 1 {
            return Err(PixelError::Bad("single-bit pixel data".into()));
        }
        let n = bits / 8;
        let start = n.checked_mul(frame).ok_or(PixelError::None)?;
        if (start + n) as u64 > place.length {
            return Err(PixelError::Bad(format!(
                "pixel data end early: {} bytes for {} frames of {n}",
                place.length, l.frames
            )));
        }
        let at = place.offset as usize + start;
        let raw = o.body.get(at..at + n).ok_or(PixelError::None)?;
        let swap = o.big_endian || o.transfer_syntax == "1.2.840.113619.5.2";
        if swap && l.allocated > 8 {
            // 8-bit data coded OW in big endian are swapped too, but nobody writes doses or CT that way.
            let mut v = raw.to_vec();
            for w in v.chunks_exact_mut(usize::from(l.allocated / 8)) {
                w.reverse();
            }
            return Ok(Cow::Owned(v));
        }
        return Ok(Cow::Borrowed(raw));
    }
    let fragment = frame_fragment(o, l, frame)?;
    if o.transfer_syntax == DEFLATED_FRAMES {
        return inflate_frame(&fragment, bits.div_ceil(8)).map(Cow::Owned);
    }
    if o.transfer_syntax == RLE {
        return rle_frame(&fragment, l).map(Cow::Owned);
    }
    check_codestream(&fragment, l)?;
    if l.samples == 1 && l.allocated == 16 && jpeg12::is(&fragment) {
        return jpeg12::decode(&fragment, l.rows, l.columns)
            .map(Cow::Owned)
            .map_err(|e| PixelError::Bad(format!("frame {} cannot be decompressed: {e}", frame + 1)));
    }
    let ts =
        TransferSyntaxRegistry.get(&o.transfer_syntax).ok_or_else(|| PixelError::Syntax(o.transfer_syntax.clone()))?;
    let reader = ts.pixel_data_reader().ok_or_else(|| PixelError::Syntax(o.transfer_syntax.clone()))?;
    let one = OneFrame {
        ts: &o.transfer_syntax,
        layout: *l,
        photometric: o.data.code(t::PHOTOMETRIC_INTERPRETATION),
        fragment,
    };
    let mut out = Vec::new();
    // A codec that panics on damaged data costs only this frame.
    let r = std::panic::catch_unwind(AssertUnwindSafe(|| reader.decode_frame(&one, 0, &mut out)));
    match r {
        Ok(Ok(())) => {}
        Ok(Err(e)) => return Err(PixelError::Bad(format!("frame {} cannot be decompressed: {e}", frame + 1))),
        Err(_) => return Err(PixelError::Bad(format!("frame {} cannot be decompressed", frame + 1))),
    }
    let n = bits.div_ceil(8);
    if out.len() < n {
        return Err(PixelError::Bad(format!(
            "frame {} has {} bytes after decompression, {n} are needed",
            frame + 1,
            out.len()
        )));
    }
    out.truncate(n);
    Ok(Cow::Owned(out))
}

fn inflate_frame(fragment: &[u8], need: usize) -> Result<Vec<u8>, PixelError> {
    use std::io::Read;
    let mut out = Vec::new();
    flate2::read::DeflateDecoder::new(fragment)
        .take(need as u64 + 1)
        .read_to_end(&mut out)
        .map_err(|e| PixelError::Bad(format!("deflated frame: {e}")))?;
    if out.len() < need {
        return Err(PixelError::Bad(format!("a deflated frame has {} bytes, {need} are needed", out.len())));
    }
    out.truncate(need);
    Ok(out)
}

/// RLE Lossless (PS3.5 annex G) for any number of bytes per sample; the codec of dicom-rs knows 8 and 16 bits only.
fn rle_frame(b: &[u8], l: &Layout) -> Result<Vec<u8>, PixelError> {
    let bad = |what: &str| PixelError::Bad(format!("RLE: {what}"));
    let word = |i: usize| b.get(i * 4..i * 4 + 4).map(|c| u32::from_le_bytes([c[0], c[1], c[2], c[3]]) as usize);
    let bytes = usize::from(l.allocated / 8);
    let segments = l.samples * bytes;
    if !l.allocated.is_multiple_of(8) || word(0) != Some(segments) || segments > 15 {
        return Err(bad("the number of segments does not fit the pixels"));
    }
    let pixels = l.rows * l.columns;
    let mut out = vec![0u8; pixels * segments];
    for s in 0..segments {
        let start = word(s + 1).ok_or_else(|| bad("header cut"))?;
        let end = if s + 1 < segments { word(s + 2).ok_or_else(|| bad("header cut"))? } else { b.len() };
        let part = b.get(start..end).ok_or_else(|| bad("a segment lies outside the fragment"))?;
        // Segments run from the most significant byte of the first sample.
        let place = (s / bytes) * bytes + (bytes - 1 - s % bytes);
        let (mut at, mut n) = (0, 0);
        while n < pixels {
            let control = *part.get(at).ok_or_else(|| bad("a segment ends early"))? as i8;
            at += 1;
            let count = match control {
                0.. => control as usize + 1,
                -128 => continue,
                _ => usize::from(control.unsigned_abs()) + 1,
            };
            for k in 0..count.min(pixels - n) {
                let v = part.get(if control >= 0 { at + k } else { at }).ok_or_else(|| bad("a segment ends early"))?;
                out[(n + k) * segments + place] = *v;
            }
            n += count;
            at += if control >= 0 { count } else { 1 };
        }
    }
    Ok(out)
}

/// The compressed bytes of one frame, joined from its fragments.
fn frame_fragment<'o>(o: &'o Object, l: &Layout, frame: usize) -> Result<Cow<'o, [u8]>, PixelError> {
    let place = &o.pixels.as_ref().ok_or(PixelError::None)?.place;
    let parts = &place.fragments;
    let bytes = |i: usize| -> Result<&'o [u8], PixelError> {
        let (at, len) = parts.get(i).copied().ok_or_else(|| PixelError::Bad("a fragment is missing".into()))?;
        o.body.get(at as usize..at as usize + len as usize).ok_or(PixelError::None)
    };
    let join = |range: std::ops::Range<usize>| -> Result<Cow<'o, [u8]>, PixelError> {
        if range.len() == 1 {
            return Ok(Cow::Borrowed(bytes(range.start)?));
        }
        let mut v = Vec::new();
        for i in range {
            v.extend_from_slice(bytes(i)?);
        }
        Ok(Cow::Owned(v))
    };
    if parts.is_empty() {
        return Err(PixelError::None);
    }
    if l.frames == 1 {
        return join(0..parts.len());
    }
    if parts.len() == l.frames {
        return join(frame..frame + 1);
    }
    let starts: Vec<usize> = if place.offset_table.len() == l.frames {
        let base = parts[0].0 - 8;
        place
            .offset_table
            .iter()
            .map(|&off| parts.iter().position(|p| p.0 - 8 - base == u64::from(off)))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| PixelError::Bad("the offset table does not fit the fragments".into()))?
    } else {
        // Without a table a frame begins where a code stream begins.
        (0..parts.len())
            .filter(|&i| bytes(i).is_ok_and(|b| b.starts_with(&[0xFF, 0xD8]) || b.starts_with(&[0xFF, 0x4F])))
            .collect()
    };
    if starts.len() != l.frames {
        return Err(PixelError::Bad(format!("{} fragments cannot be divided into {} frames", parts.len(), l.frames)));
    }
    let end = starts.get(frame + 1).copied().unwrap_or(parts.len());
    if end <= starts[frame] {
        return Err(PixelError::Bad("the offset table is out of order".into()));
    }
    join(starts[frame]..end)
}

/// Sizes in a JPEG or JPEG 2000 header must be those of the object, so that no codec allocates by a forged size.
fn check_codestream(b: &[u8], l: &Layout) -> Result<(), PixelError> {
    let size = if b.starts_with(&[0xFF, 0x4F, 0xFF, 0x51]) {
        j2k_siz(b).map(|s| (s.height, s.width))
    } else if b.starts_with(&[0xFF, 0xD8]) {
        jpeg_size(b)
    } else {
        return Ok(());
    };
    match size {
        Some((h, w)) if h == l.rows && w == l.columns => Ok(()),
        Some((h, w)) => Err(PixelError::Bad(format!(
            "the compressed picture is {h} × {w}, the object says {} × {}",
            l.rows, l.columns
        ))),
        None => Err(PixelError::Bad("the compressed picture has no readable size".into())),
    }
}

/// Facts of a JPEG 2000 code stream header.
pub(crate) struct Siz {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) signed: bool,
}

fn j2k_siz(b: &[u8]) -> Option<Siz> {
    let u32_at = |i: usize| b.get(i..i + 4).map(|c| u32::from_be_bytes([c[0], c[1], c[2], c[3]]) as usize);
    let (x, y, x0, y0) = (u32_at(8)?, u32_at(12)?, u32_at(16)?, u32_at(20)?);
    Some(Siz { width: x.checked_sub(x0)?, height: y.checked_sub(y0)?, signed: b.get(42)? & 0x80 != 0 })
}

/// Whether the first JPEG 2000 code stream says signed; `None` for other syntaxes.
pub(crate) fn j2k_signed(o: &Object) -> Option<bool> {
    let (at, len) = *o.pixels.as_ref()?.place.fragments.first()?;
    let b = o.body.get(at as usize..at as usize + len as usize)?;
    b.starts_with(&[0xFF, 0x4F, 0xFF, 0x51]).then(|| j2k_siz(b)).flatten().map(|s| s.signed)
}

fn jpeg_size(b: &[u8]) -> Option<(usize, usize)> {
    let mut at = 2;
    while at + 9 < b.len() {
        if b[at] != 0xFF {
            return None;
        }
        let m = b[at + 1];
        if m == 0xFF {
            at += 1;
            continue;
        }
        let len = usize::from(u16::from_be_bytes([b[at + 2], b[at + 3]]));
        let frame = matches!(m, 0xC0..=0xCF) && !matches!(m, 0xC4 | 0xC8 | 0xCC);
        if frame || m == 0xF7 {
            let h = usize::from(u16::from_be_bytes([b[at + 5], b[at + 6]]));
            let w = usize::from(u16::from_be_bytes([b[at + 7], b[at + 8]]));
            return Some((h, w));
        }
        at += 2 + len;
    }
    None
}

/// Calls `f` with every stored value of one frame, masked and sign-extended.
pub(crate) fn each_value(bytes: &[u8], l: &Layout, mut f: impl FnMut(i64)) -> Result<(), PixelError> {
    let shift = l.high + 1 - l.stored;
    let mask: u64 = if l.stored >= 64 { u64::MAX } else { (1 << l.stored) - 1 };
    let sign: u64 = 1 << (l.stored - 1);
    let one = |raw: u64| -> i64 {
        let v = (raw >> shift) & mask;
        if l.signed && v & sign != 0 { (v | !mask) as i64 } else { v as i64 }
    };
    match l.allocated {
        8 => bytes.iter().for_each(|&b| f(one(u64::from(b)))),
        16 => bytes.as_chunks::<2>().0.iter().for_each(|c| f(one(u64::from(u16::from_le_bytes(*c))))),
        32 => bytes.as_chunks::<4>().0.iter().for_each(|c| f(one(u64::from(u32::from_le_bytes(*c))))),
        n => return Err(PixelError::Bad(format!("{n} bits allocated are not supported"))),
    }
    Ok(())
}
