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

/// A decimal string of at most 16 bytes: at most `decimals` decimals, trailing zeros removed.
pub fn decimal(v: f64, decimals: usize) -> Option<String> {
    if !v.is_finite() {
        return None;
    }
    let mut t = format!("{v:.decimals$}");
    if t.contains('.') {
        t.truncate(t.trim_end_matches('0').trim_end_matches('.').len());
    }
    if t == "-0" {
        t = "0".into();
    }
    (t.len() <= 16).then_some(t)
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
        assert_eq!(precise(1.4e-5).as_deref(), Some("0.000014"));
    }

    proptest! {
        #[test]
        fn precise_fits_and_is_close(v in prop::num::f64::NORMAL) {
            let t = precise(v).unwrap();
            prop_assert!(t.len() <= 16, "{}", t);
            let back: f64 = t.parse().unwrap();
            prop_assert!(((back - v) / v).abs() < 1e-7, "{} {}", v, t);
        }
    }
}
