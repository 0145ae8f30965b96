//! Writing of DICOM objects: structure sets, doses, plans and images.
//!
//! Objects are conformant to PS3.3 as checked by dciodvfy, their UIDs are derived from their content, nothing depends on
//! the clock, and files appear whole (written aside, then renamed).

mod encode;
mod image;
mod rtdose;
mod rtplan;
mod rtstruct;
mod source;

pub use image::{ImageKind, ImageSpec, write_image_series};
pub use rtdose::{DoseSpec, write_dose};
pub use rtplan::{BeamSpec, PlanSpec, write_plan};
pub use rtstruct::{StructureSetSpec, StructureSpec, write_structure_set};
pub use source::{SourceImage, SourceImages};

use std::path::PathBuf;

/// An object that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The file.
    pub path: PathBuf,
    /// SOP Instance UID.
    pub sop_instance_uid: String,
    /// Series Instance UID.
    pub series_uid: String,
}

/// Why an object cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The file system refused.
    #[error("{path}: cannot be written: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// What was asked for is no valid object.
    #[error("{path}: cannot be written: {what}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// A decimal string of at most 16 bytes: at most `decimals` decimals, trailing zeros removed. `None` if the value is not
/// finite or needs more bytes.
pub fn decimal(v: f64, decimals: usize) -> Option<String> {
    let mut t = String::new();
    push_decimal(&mut t, v, decimals).then_some(t)
}

/// Appends [`decimal`] to a text; `false`, with nothing appended, if the value cannot be written. Structure sets hold
/// millions of coordinates: no text of its own is made for each.
fn push_decimal(out: &mut String, v: f64, decimals: usize) -> bool {
    // 16 bytes hold fewer digits than the integers up to 2^53, below which rounding is exact enough.
    let scaled = match i32::try_from(decimals) {
        Ok(d) if d <= 15 => (v * 10f64.powi(d)).round(),
        _ => return false,
    };
    if !scaled.is_finite() || scaled.abs() >= 9e15 {
        return false;
    }
    let negative = scaled < 0.0;
    let mut rest = scaled.abs() as u64;
    let (mut digits, mut at, mut written) = ([0u8; 20], 20, 0);
    let mut significant = false;
    while rest > 0 || written <= decimals {
        let d = (rest % 10) as u8;
        rest /= 10;
        if written == decimals && significant {
            at -= 1;
            digits[at] = b'.';
        }
        // Zeros at the end of the fraction are left out.
        significant |= d != 0;
        if significant || written >= decimals {
            at -= 1;
            digits[at] = b'0' + d;
        }
        written += 1;
    }
    if negative {
        at -= 1;
        digits[at] = b'-';
    }
    if 20 - at > 16 {
        return false;
    }
    out.extend(digits[at..].iter().map(|&b| char::from(b)));
    true
}

/// A decimal string of at most 16 bytes with as many digits as fit.
pub fn precise(v: f64) -> Option<String> {
    if !v.is_finite() {
        return None;
    }
    let short = format!("{v}");
    if short.len() <= 16 {
        return Some(short);
    }
    let error = |t: &String| (t.parse::<f64>().unwrap_or(f64::INFINITY) - v).abs();
    (0..=15)
        .rev()
        .flat_map(|d| [format!("{v:.d$}"), format!("{v:.d$e}")])
        .filter(|t| t.len() <= 16)
        .min_by(|a, b| error(a).total_cmp(&error(b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals() {
        assert_eq!(decimal(-123.456789, 4).as_deref(), Some("-123.4568"));
        assert_eq!(decimal(-0.00001, 4).as_deref(), Some("0"));
        assert_eq!(decimal(10.0, 4).as_deref(), Some("10"));
        assert_eq!(decimal(f64::NAN, 4), None);
        assert_eq!(decimal(0.05, 4).as_deref(), Some("0.05"));
        assert_eq!(decimal(-1000.5, 0).as_deref(), Some("-1001"));
        assert_eq!(decimal(120.0, 2).as_deref(), Some("120"));
        assert_eq!(decimal(-12_345_678_901.25, 4).as_deref(), Some("-12345678901.25"));
        assert_eq!(decimal(-123_456_789_012.255, 4), None, "more than 16 bytes");
        assert_eq!(precise(1.4e-5).as_deref(), Some("0.000014"));
    }

    proptest! {
        #[test]
        fn decimals_are_those_of_the_formatter(v in -1e6..1e6f64) {
            let t = decimal(v, 4).unwrap();
            let back: f64 = t.parse().unwrap();
            // Half of the last decimal and the rounding of a double of this size.
            prop_assert!((back - v).abs() <= 5e-5 + 1e-9, "{} {}", v, t);
            prop_assert!(t == format!("{back}") && t.len() <= 16, "{} is not the shortest form", t);
        }

        #[test]
        fn precise_fits_and_is_close(v in prop::num::f64::NORMAL) {
            let t = precise(v).unwrap();
            prop_assert!(t.len() <= 16, "{}", t);
            let back: f64 = t.parse().unwrap();
            prop_assert!(((back - v) / v).abs() < 1e-7, "{} {}", v, t);
        }
    }
}
