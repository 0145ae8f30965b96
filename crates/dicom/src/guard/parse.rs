//! The walker itself.

use super::dataset::{DataSet, Element, Value, Vr};
use super::source::Source;
use crate::Finding;
use crate::finding::note;
use crate::text::Charset;
use dicom_core::Tag;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_dictionary_std::{StandardDataDictionary, tags};

/// Deepest nesting of sequences that is followed.
pub(crate) const MAX_DEPTH: usize = 64;
/// Most elements and items of one file that are looked at.
pub(crate) const MAX_ELEMENTS: usize = 8_000_000;
const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);
/// Undefined length.
const UNDEFINED: u32 = u32::MAX;

/// Why walking had to stop.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A length reaches beyond the end of the file.
    #[error("truncated: element {tag} at byte {at} declares {need} bytes, {left} are left")]
    Truncated {
        /// The element.
        tag: Tag,
        /// Byte position of the element.
        at: u64,
        /// Declared length.
        need: u64,
        /// Bytes left in the file.
        left: u64,
    },
    /// The file ends within an element header or before a sequence is closed.
    #[error("truncated: the file ends at byte {0} inside an element or an open sequence")]
    Ends(u64),
    /// A length reaches beyond the enclosing item.
    #[error("element {tag} at byte {at} is longer ({need} bytes) than its item ({left} bytes left)")]
    Overrun {
        /// The element.
        tag: Tag,
        /// Byte position of the element.
        at: u64,
        /// Declared length.
        need: u64,
        /// Bytes left in the item.
        left: u64,
    },
    /// The two letters are no value representation and the element makes no sense in implicit VR.
    #[error("element {tag} at byte {at} has no known value representation")]
    BadVr {
        /// The element.
        tag: Tag,
        /// Byte position of the element.
        at: u64,
    },
    /// A delimiter or item is not where it may be.
    #[error("unexpected tag {tag} at byte {at} inside a sequence")]
    BadItem {
        /// The tag found.
        tag: Tag,
        /// Byte position.
        at: u64,
    },
    /// Sequences nested deeper than 64.
    #[error("sequences are nested deeper than 64 levels")]
    TooDeep,
    /// More elements than the bound.
    #[error("more than {MAX_ELEMENTS} elements")]
    TooMany,
    /// A deflated data set cannot be inflated within the bounds.
    #[error("deflated data set: {0}")]
    Inflate(String),
    /// The file cannot be read.
    #[error("{0}")]
    Io(String),
}

impl Fault {
    /// True when the file ends too early, as after an interrupted copy.
    pub fn is_truncation(&self) -> bool {
        matches!(self, Self::Truncated { .. } | Self::Ends(_))
    }
}

/// How elements are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Coding {
    pub(crate) explicit: bool,
    pub(crate) big: bool,
}

impl Coding {
    pub(crate) const IMPLICIT: Self = Self { explicit: false, big: false };
    pub(crate) const EXPLICIT: Self = Self { explicit: true, big: false };
    pub(crate) const BIG: Self = Self { explicit: true, big: true };
}

/// What to do with an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// Pass over it.
    Skip,
    /// Keep the value, or the items if it is a sequence.
    Keep,
    /// Keep the items; if the coding does not say so, it still is a sequence.
    Sequence,
}

/// Decides by nesting depth and tag.
pub(crate) type Policy = fn(usize, Tag) -> Want;

/// Keeps everything.
pub(crate) fn keep_all(_depth: usize, _tag: Tag) -> Want {
    Want::Keep
}

/// Where pixel data lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PixelPlace {
    /// The element: Pixel Data, Float Pixel Data or Double Float Pixel Data.
    pub tag: Tag,
    /// Position of the value; for encapsulated data of the first item.
    pub offset: u64,
    /// Bytes of the value that exist (native).
    pub length: u64,
    /// Bytes of the value that are declared (native).
    pub declared: u64,
    /// Whether the data are in fragments.
    pub encapsulated: bool,
    /// Position and length of the fragments, without the offset table.
    pub fragments: Vec<(u64, u32)>,
    /// Basic offset table.
    pub offset_table: Vec<u32>,
    /// Whether the last fragment or the closing delimiter is missing.
    pub cut: bool,
}

pub(crate) struct Parser<'s, S: Source> {
    pub(crate) src: &'s mut S,
    pub(crate) findings: Vec<Finding>,
    pub(crate) pixels: Option<PixelPlace>,
    pub(crate) policy: Policy,
    /// Longest value that is kept; longer ones are passed over with a finding.
    pub(crate) max_value: usize,
    count: usize,
}

pub(crate) struct Head {
    pub(crate) tag: Tag,
    pub(crate) vr: Vr,
    pub(crate) len: u32,
    pub(crate) value_at: u64,
}

fn dictionary_vr(tag: Tag) -> Option<Vr> {
    use dicom_core::VR;
    let e = StandardDataDictionary.by_tag(tag)?;
    let vr: VR = e.vr().relaxed();
    let s = vr.to_string();
    <[u8; 2]>::try_from(s.as_bytes()).ok().map(Vr)
}

fn is_pixel_data(tag: Tag) -> bool {
    tag == tags::PIXEL_DATA || tag == tags::FLOAT_PIXEL_DATA || tag == tags::DOUBLE_FLOAT_PIXEL_DATA
}

impl<'s, S: Source> Parser<'s, S> {
    pub(crate) fn new(src: &'s mut S, policy: Policy, max_value: usize) -> Self {
        Self { src, findings: Vec::new(), pixels: None, policy, max_value, count: 0 }
    }

    fn tag_at(&mut self, at: u64, big: bool) -> Result<Tag, Fault> {
        let b = self.src.read(at, 4)?;
        let (g, e) = ([b[0], b[1]], [b[2], b[3]]);
        Ok(if big {
            Tag(u16::from_be_bytes(g), u16::from_be_bytes(e))
        } else {
            Tag(u16::from_le_bytes(g), u16::from_le_bytes(e))
        })
    }

    /// Reads an element header at `at`; nothing beyond `end` is looked at.
    pub(crate) fn head(&mut self, at: u64, end: u64, c: Coding) -> Result<Head, Fault> {
        if end.saturating_sub(at) < 8 {
            return Err(Fault::Ends(end));
        }
        let tag = self.tag_at(at, c.big)?;
        let mut rest = [0u8; 4];
        rest.copy_from_slice(self.src.read(at + 4, 4)?);
        let u32_of = |b: [u8; 4]| if c.big { u32::from_be_bytes(b) } else { u32::from_le_bytes(b) };
        let implicit = |vr| Head { tag, vr, len: u32_of(rest), value_at: at + 8 };
        if tag.0 == 0xFFFE {
            return Ok(implicit(Vr::NONE));
        }
        if !c.explicit {
            return Ok(implicit(Vr::NONE));
        }
        let vr = Vr([rest[0], rest[1]]);
        let short = if c.big { u16::from_be_bytes([rest[2], rest[3]]) } else { u16::from_le_bytes([rest[2], rest[3]]) };
        let short_head = |vr| Head { tag, vr, len: u32::from(short), value_at: at + 8 };
        if vr.is_short() {
            return Ok(short_head(vr));
        }
        let letters = vr.0.iter().all(u8::is_ascii_uppercase);
        if vr.is_long() || (letters && rest[2] == 0 && rest[3] == 0) {
            if end - at < 12 {
                return Err(Fault::Ends(end));
            }
            let mut l = [0u8; 4];
            l.copy_from_slice(self.src.read(at + 8, 4)?);
            if !vr.is_known() {
                let vr_text = String::from_utf8_lossy(&vr.0).into_owned();
                note(&mut self.findings, "unknown_vr", format!("element {tag} has the unknown VR {vr_text}"));
            }
            let vr = if vr.is_known() { vr } else { Vr::UN };
            return Ok(Head { tag, vr, len: u32_of(l), value_at: at + 12 });
        }
        let left = end - at - 8;
        if letters && u64::from(short) <= left {
            note(&mut self.findings, "unknown_vr", format!("element {tag} has an unknown VR; its length was believed"));
            return Ok(short_head(Vr::UN));
        }
        // Two blanks or NULs in the place of the VR, the rest as in explicit VR.
        if matches!(&vr.0, b"  " | b"\0\0") && u64::from(short) <= left && u64::from(u32_of(rest)) > left {
            note(&mut self.findings, "unknown_vr", format!("element {tag} has a blank VR; its length was believed"));
            return Ok(short_head(Vr::UN));
        }
        // Some writers slip implicit elements into an explicit data set.
        if !letters && u64::from(u32_of(rest)) <= left && tag.0 != 0 {
            note(&mut self.findings, "implicit_element", format!("element {tag} is written without a VR"));
            return Ok(implicit(Vr::NONE));
        }
        Err(Fault::BadVr { tag, at })
    }

    fn bump(&mut self) -> Result<(), Fault> {
        self.count += 1;
        if self.count > MAX_ELEMENTS { Err(Fault::TooMany) } else { Ok(()) }
    }

    /// Walks the top level from `at` to the end of the source. What was read before a fault stays in `out`.
    pub(crate) fn top(&mut self, at: u64, c: Coding, out: &mut DataSet) -> Result<(), Fault> {
        let end = self.src.len();
        let mut at = at;
        while at < end {
            if let Some(place) = &self.pixels {
                // Behind the pixel data only whole elements of a higher tag count; anything else is a tail.
                let after = place.tag;
                let higher = self.head(at, end, c).is_ok_and(|h| h.tag > after && h.tag.0 != 0xFFFE);
                let next = if higher { self.element(at, end, c, 0, out).ok() } else { None };
                match next {
                    Some(next) => at = next,
                    None => {
                        let text = format!("{} bytes after the pixel data are no DICOM elements: ignored", end - at);
                        note(&mut self.findings, "trailing_bytes", text);
                        return Ok(());
                    }
                }
                continue;
            }
            if self.all_zero(at, end)? {
                note(&mut self.findings, "trailing_bytes", format!("{} zero bytes at the end are ignored", end - at));
                return Ok(());
            }
            at = self.element(at, end, c, 0, out)?;
        }
        Ok(())
    }

    fn all_zero(&mut self, at: u64, end: u64) -> Result<bool, Fault> {
        let mut at = at;
        while at < end {
            let n = (end - at).min(4096) as usize;
            if self.src.read(at, n.min(4))?.iter().any(|&b| b != 0) || self.src.read(at, n)?.iter().any(|&b| b != 0) {
                return Ok(false);
            }
            at += n as u64;
        }
        Ok(true)
    }

    /// Reads the elements of an item up to its delimiter or `end`; returns the position behind it.
    fn item(
        &mut self,
        at: u64,
        end: u64,
        open: bool,
        c: Coding,
        depth: usize,
        out: &mut DataSet,
    ) -> Result<u64, Fault> {
        let mut at = at;
        loop {
            if at >= end {
                return if open && at >= self.src.len() { Err(Fault::Ends(at)) } else { Ok(at) };
            }
            if end - at < 8 {
                return if open { Err(Fault::Ends(end)) } else { Ok(end) };
            }
            let tag = self.tag_at(at, c.big)?;
            if tag == ITEM_END {
                return Ok(at + 8);
            }
            if tag == SEQUENCE_END && open {
                note(
                    &mut self.findings,
                    "missing_delimiter",
                    format!("an item ends without its delimiter at byte {at}"),
                );
                return Ok(at);
            }
            at = self.element(at, end, c, depth, out)?;
        }
    }

    /// Reads one element and returns the position behind it.
    fn element(&mut self, at: u64, end: u64, c: Coding, depth: usize, out: &mut DataSet) -> Result<u64, Fault> {
        self.bump()?;
        let h = self.head(at, end, c)?;
        if h.tag.0 == 0xFFFE {
            if depth == 0 && (h.len == 0 || h.len == UNDEFINED) {
                note(&mut self.findings, "stray_delimiter", format!("a stray delimiter at byte {at} is ignored"));
                return Ok(h.value_at);
            }
            return Err(Fault::BadItem { tag: h.tag, at });
        }
        if is_pixel_data(h.tag) && depth == 0 && self.pixels.is_none() {
            return self.pixel_data(&h);
        }
        let left = end - h.value_at;
        let open = h.len == UNDEFINED;
        if !open && u64::from(h.len) > left {
            let need = u64::from(h.len);
            let file_left = self.src.len() - h.value_at;
            return Err(if need > file_left {
                Fault::Truncated { tag: h.tag, at, need, left: file_left }
            } else {
                Fault::Overrun { tag: h.tag, at, need, left }
            });
        }
        if is_pixel_data(h.tag) {
            return if open { self.skip_fragments(h.value_at, end) } else { Ok(h.value_at + u64::from(h.len)) };
        }
        let want = (self.policy)(depth, h.tag);
        let mut vr = h.vr;
        if (vr == Vr::NONE || vr == Vr::UN) && want != Want::Skip && !open {
            vr = dictionary_vr(h.tag).unwrap_or(vr);
        }
        let value_end = if open { end } else { h.value_at + u64::from(h.len) };
        if open || vr == Vr::SQ || (want == Want::Sequence && !h.vr.is_short()) {
            if want == Want::Skip && !open {
                return Ok(value_end);
            }
            // A sequence written as UN holds implicit items (correction proposal 246).
            let inner = if h.vr == Vr::UN { self.un_coding(h.value_at, value_end, c)? } else { c };
            let mut items = Vec::new();
            let r = self.sequence(h.value_at, value_end, open, inner, depth + 1, &out.charset, want, &mut items);
            if want != Want::Skip {
                out.elements.push(Element { tag: h.tag, vr: Vr::SQ, value: Value::Items(items) });
            }
            return match r {
                Ok(next) => Ok(if open { next } else { value_end }),
                // Inside a sequence of known length an error costs only the rest of that sequence.
                Err(e) if !open && !matches!(e, Fault::TooDeep | Fault::TooMany | Fault::Io(_)) => {
                    note(&mut self.findings, "bad_sequence", format!("sequence {} is damaged: {e}", h.tag));
                    Ok(value_end)
                }
                Err(e) => Err(e),
            };
        }
        if want == Want::Skip || h.tag.1 == 0 {
            return Ok(value_end);
        }
        if h.len as usize > self.max_value {
            note(
                &mut self.findings,
                "long_value",
                format!("element {} has {} bytes and was passed over", h.tag, h.len),
            );
            return Ok(value_end);
        }
        let mut bytes = self.src.read(h.value_at, h.len as usize)?.to_vec();
        if c.big {
            for w in bytes.chunks_exact_mut(vr.word()) {
                w.reverse();
            }
        }
        if h.tag == tags::SPECIFIC_CHARACTER_SET {
            out.charset = Charset::from_element(&bytes);
        }
        out.elements.push(Element { tag: h.tag, vr, value: Value::Bytes(bytes) });
        Ok(value_end)
    }

    fn un_coding(&mut self, at: u64, end: u64, outer: Coding) -> Result<Coding, Fault> {
        let first = at + 8;
        if end.saturating_sub(first) < 8 {
            return Ok(Coding::IMPLICIT);
        }
        let b = self.src.read(first + 4, 4)?;
        let vr = Vr([b[0], b[1]]);
        Ok(if vr.is_known() { Coding { explicit: true, big: outer.big } } else { Coding::IMPLICIT })
    }

    fn sequence(
        &mut self,
        at: u64,
        end: u64,
        open: bool,
        c: Coding,
        depth: usize,
        charset: &Charset,
        want: Want,
        items: &mut Vec<DataSet>,
    ) -> Result<u64, Fault> {
        if depth > MAX_DEPTH {
            return Err(Fault::TooDeep);
        }
        let saved = self.policy;
        if want == Want::Skip {
            self.policy = |_, _| Want::Skip;
        }
        let r = self.items(at, end, open, c, depth, charset, want, items);
        self.policy = saved;
        r
    }

    fn items(
        &mut self,
        at: u64,
        end: u64,
        open: bool,
        c: Coding,
        depth: usize,
        charset: &Charset,
        want: Want,
        items: &mut Vec<DataSet>,
    ) -> Result<u64, Fault> {
        let mut at = at;
        loop {
            if at >= end || end - at < 8 {
                return if !open {
                    Ok(end)
                } else if end >= self.src.len() {
                    Err(Fault::Ends(end))
                } else {
                    note(
                        &mut self.findings,
                        "missing_delimiter",
                        "a sequence ends with its item, without its delimiter",
                    );
                    Ok(end)
                };
            }
            self.bump()?;
            let h = self.head(at, end, c)?;
            if h.tag == SEQUENCE_END {
                return Ok(h.value_at);
            }
            if h.tag == ITEM_END && h.len == 0 {
                note(&mut self.findings, "stray_delimiter", format!("a stray delimiter at byte {at} is ignored"));
                at = h.value_at;
                continue;
            }
            if h.tag != ITEM {
                if open && h.tag.0 != 0xFFFE && !items.is_empty() {
                    note(&mut self.findings, "missing_delimiter", format!("a sequence is not closed before byte {at}"));
                    return Ok(at);
                }
                return Err(Fault::BadItem { tag: h.tag, at });
            }
            let item_open = h.len == UNDEFINED;
            let left = end - h.value_at;
            if !item_open && u64::from(h.len) > left {
                let need = u64::from(h.len);
                return Err(if need > self.src.len() - h.value_at {
                    Fault::Truncated { tag: h.tag, at, need, left: self.src.len() - h.value_at }
                } else {
                    Fault::Overrun { tag: h.tag, at, need, left }
                });
            }
            let item_end = if item_open { end } else { h.value_at + u64::from(h.len) };
            if want == Want::Skip && !item_open {
                at = item_end;
                continue;
            }
            let mut ds = DataSet { elements: Vec::new(), charset: charset.clone() };
            let r = self.item(h.value_at, item_end, item_open, c, depth, &mut ds);
            if want != Want::Skip {
                items.push(ds);
            }
            let next = r?;
            at = if item_open { next } else { item_end };
        }
    }

    fn skip_fragments(&mut self, at: u64, end: u64) -> Result<u64, Fault> {
        let mut at = at;
        loop {
            self.bump()?;
            let h = self.head(at, end, Coding::IMPLICIT)?;
            if h.tag == SEQUENCE_END {
                return Ok(h.value_at);
            }
            if h.tag != ITEM || u64::from(h.len) > end - h.value_at {
                return Err(Fault::BadItem { tag: h.tag, at });
            }
            at = h.value_at + u64::from(h.len);
        }
    }

    fn pixel_data(&mut self, h: &Head) -> Result<u64, Fault> {
        let end = self.src.len();
        let mut place = PixelPlace {
            tag: h.tag,
            offset: h.value_at,
            length: 0,
            declared: 0,
            encapsulated: h.len == UNDEFINED,
            fragments: Vec::new(),
            offset_table: Vec::new(),
            cut: false,
        };
        if !place.encapsulated {
            place.declared = u64::from(h.len);
            place.length = place.declared.min(end - h.value_at);
            place.cut = place.length < place.declared;
            let next = h.value_at + place.length;
            self.pixels = Some(place);
            return Ok(next);
        }
        let mut at = h.value_at;
        let mut first = true;
        loop {
            self.bump()?;
            if end.saturating_sub(at) < 8 {
                place.cut = true;
                at = end;
                break;
            }
            let i = self.head(at, end, Coding::IMPLICIT)?;
            if i.tag == SEQUENCE_END {
                at = i.value_at;
                break;
            }
            let len = u64::from(i.len).min(end - i.value_at);
            if i.tag != ITEM {
                place.cut = true;
                break;
            }
            if first {
                first = false;
                // Fits any honest table: one entry per frame.
                if len <= 16 * 1024 * 1024 {
                    let table = self.src.read(i.value_at, len as usize)?;
                    place.offset_table = table.as_chunks::<4>().0.iter().map(|c| u32::from_le_bytes(*c)).collect();
                }
            } else {
                place.fragments.push((i.value_at, len as u32));
            }
            at = i.value_at + len;
            if len < u64::from(i.len) {
                place.cut = true;
                break;
            }
        }
        self.pixels = Some(place);
        Ok(at)
    }
}
