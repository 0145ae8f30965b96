//! The element tree that the guard yields.

use crate::text::{self, Charset};
use dicom_core::Tag;

/// A value representation as its two letters; [`Vr::NONE`] where the coding does not state it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Vr(pub [u8; 2]);

impl Vr {
    /// Not stated (implicit VR and unknown to the dictionary).
    pub const NONE: Self = Self(*b"??");
    /// Sequence of items.
    pub const SQ: Self = Self(*b"SQ");
    /// Unknown.
    pub const UN: Self = Self(*b"UN");

    /// Whether the value representation is one of the standard's.
    pub fn is_known(self) -> bool {
        self.is_long() || self.is_short()
    }
    /// Whether the length field in explicit VR has 32 bits.
    pub fn is_long(self) -> bool {
        matches!(
            &self.0,
            b"OB" | b"OD" | b"OF" | b"OL" | b"OV" | b"OW" | b"SQ" | b"SV" | b"UC" | b"UN" | b"UR" | b"UT" | b"UV"
        )
    }
    /// Whether the length field in explicit VR has 16 bits.
    pub fn is_short(self) -> bool {
        matches!(
            &self.0,
            b"AE"
                | b"AS"
                | b"AT"
                | b"CS"
                | b"DA"
                | b"DS"
                | b"DT"
                | b"FD"
                | b"FL"
                | b"IS"
                | b"LO"
                | b"LT"
                | b"PN"
                | b"SH"
                | b"SL"
                | b"SS"
                | b"ST"
                | b"TM"
                | b"UI"
                | b"UL"
                | b"US"
        )
    }
    /// Bytes of one number in a binary value representation, 1 for all others.
    pub fn word(self) -> usize {
        match &self.0 {
            b"US" | b"SS" | b"OW" | b"AT" => 2,
            b"UL" | b"SL" | b"FL" | b"OF" | b"OL" => 4,
            b"FD" | b"OD" | b"OV" | b"SV" | b"UV" => 8,
            _ => 1,
        }
    }
}

/// The value of an element.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// The bytes as stored, binary numbers turned to little endian.
    Bytes(Vec<u8>),
    /// The items of a sequence.
    Items(Vec<DataSet>),
}

/// One data element.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// Its tag.
    pub tag: Tag,
    /// Its value representation.
    pub vr: Vr,
    /// Its value.
    pub value: Value,
}

/// Elements of one level in the order of the file, with the character set that holds for them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DataSet {
    /// The elements.
    pub elements: Vec<Element>,
    /// Character set declared here or inherited from the enclosing data set.
    pub charset: Charset,
}

impl DataSet {
    /// The element with this tag.
    pub fn get(&self, tag: Tag) -> Option<&Element> {
        self.elements.iter().find(|e| e.tag == tag)
    }

    /// Raw bytes of an element; `None` if it is absent or a sequence.
    pub fn bytes(&self, tag: Tag) -> Option<&[u8]> {
        match &self.get(tag)?.value {
            Value::Bytes(b) => Some(b),
            Value::Items(_) => None,
        }
    }

    /// Items of a sequence; empty if it is absent.
    pub fn items(&self, tag: Tag) -> &[DataSet] {
        match self.get(tag).map(|e| &e.value) {
            Some(Value::Items(i)) => i,
            _ => &[],
        }
    }

    /// First item of a sequence.
    pub fn item(&self, tag: Tag) -> Option<&DataSet> {
        self.items(tag).first()
    }

    /// Text in the data set's character set, padding removed; `None` if absent or blank.
    pub fn text(&self, tag: Tag) -> Option<String> {
        let t = text::decode(self.bytes(tag)?, &self.charset).text;
        let t = text::trim(&t);
        (!t.is_empty()).then(|| t.to_owned())
    }

    /// The values of a text element, split at backslashes.
    pub fn texts(&self, tag: Tag) -> Vec<String> {
        self.text(tag).map(|t| t.split('\\').map(|v| text::trim(v).to_owned()).collect()).unwrap_or_default()
    }

    /// A code string, UID, date or time: the first value, as ASCII with padding removed; `None` if absent or blank.
    pub fn code(&self, tag: Tag) -> Option<String> {
        let t = String::from_utf8_lossy(self.bytes(tag)?);
        let t = text::trim(t.split('\\').next().unwrap_or(""));
        (!t.is_empty()).then(|| t.to_owned())
    }

    /// The values of a decimal or integer string; unreadable ones are `None`.
    pub fn numbers(&self, tag: Tag) -> Vec<Option<f64>> {
        match self.get(tag) {
            Some(Element { vr, value: Value::Bytes(b), .. }) => {
                if let Some(v) = binary_numbers(*vr, b) {
                    return v.into_iter().map(Some).collect();
                }
                let t = String::from_utf8_lossy(b);
                if text::trim(&t).is_empty() {
                    return Vec::new();
                }
                t.split('\\').map(|v| text::parse_ds(v).ok()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The first value of a decimal or integer string, or of a binary float.
    pub fn number(&self, tag: Tag) -> Option<f64> {
        self.numbers(tag).first().copied().flatten()
    }

    /// `N` numbers, all readable; `None` otherwise.
    pub fn vector<const N: usize>(&self, tag: Tag) -> Option<[f64; N]> {
        let v = self.numbers(tag);
        if v.len() != N {
            return None;
        }
        let v: Option<Vec<f64>> = v.into_iter().collect();
        v?.try_into().ok()
    }

    /// The first value of an integer string (decimals allowed if integral), or of a binary integer.
    pub fn int(&self, tag: Tag) -> Option<i64> {
        let e = self.get(tag)?;
        let Value::Bytes(b) = &e.value else { return None };
        if let Some(v) = binary_numbers(e.vr, b) {
            return v.first().filter(|v| v.fract() == 0.0).map(|v| *v as i64);
        }
        text::parse_is(String::from_utf8_lossy(b).split('\\').next().unwrap_or("")).ok()
    }

    /// An unsigned 16-bit number (US), whatever value representation the file states.
    pub fn u16(&self, tag: Tag) -> Option<u16> {
        match self.bytes(tag)? {
            [a, b, ..] => Some(u16::from_le_bytes([*a, *b])),
            _ => None,
        }
    }

    /// A 64-bit float (FD).
    pub fn f64(&self, tag: Tag) -> Option<f64> {
        self.f64s(tag).first().copied()
    }

    /// 64-bit floats (FD).
    pub fn f64s(&self, tag: Tag) -> Vec<f64> {
        self.bytes(tag)
            .map(|b| b.as_chunks::<8>().0.iter().map(|c| f64::from_le_bytes(*c)).collect())
            .unwrap_or_default()
    }

    /// A 32-bit float (FL).
    pub fn f32(&self, tag: Tag) -> Option<f32> {
        self.bytes(tag)?.first_chunk::<4>().map(|c| f32::from_le_bytes(*c))
    }

    /// Number of elements here and below.
    pub fn total(&self) -> usize {
        self.elements
            .iter()
            .map(|e| match &e.value {
                Value::Bytes(_) => 1,
                Value::Items(i) => 1 + i.iter().map(DataSet::total).sum::<usize>(),
            })
            .sum()
    }
}

fn binary_numbers(vr: Vr, b: &[u8]) -> Option<Vec<f64>> {
    Some(match &vr.0 {
        b"US" => b.as_chunks::<2>().0.iter().map(|c| f64::from(u16::from_le_bytes(*c))).collect(),
        b"SS" => b.as_chunks::<2>().0.iter().map(|c| f64::from(i16::from_le_bytes(*c))).collect(),
        b"UL" => b.as_chunks::<4>().0.iter().map(|c| f64::from(u32::from_le_bytes(*c))).collect(),
        b"SL" => b.as_chunks::<4>().0.iter().map(|c| f64::from(i32::from_le_bytes(*c))).collect(),
        b"FL" => b.as_chunks::<4>().0.iter().map(|c| f64::from(f32::from_le_bytes(*c))).collect(),
        b"FD" => b.as_chunks::<8>().0.iter().map(|c| f64::from_le_bytes(*c)).collect(),
        _ => return None,
    })
}
