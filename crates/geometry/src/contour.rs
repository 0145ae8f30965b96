//! Contours as a structure set holds them.

use crate::Vec3;
use serde::{Deserialize, Serialize};

/// What a contour describes: the defined terms of Contour Geometric Type (3006,0042), DICOM PS3.3 C.8.8.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ContourKind {
    /// `CLOSED_PLANAR`: a closed loop that bounds an area of one plane.
    ClosedPlanar,
    /// `CLOSEDPLANAR_XOR`: like [`ContourKind::ClosedPlanar`], always combined by exclusive or.
    #[serde(rename = "CLOSEDPLANAR_XOR")]
    ClosedPlanarXor,
    /// `OPEN_PLANAR`: a curve in one plane.
    OpenPlanar,
    /// `OPEN_NONPLANAR`: a curve in space, for example a catheter.
    OpenNonplanar,
    /// `POINT`: a single point.
    Point,
}

impl ContourKind {
    /// The kind for a DICOM keyword; surrounding blanks and lower case are accepted, `None` for unknown terms.
    pub fn from_keyword(keyword: &str) -> Option<Self> {
        Some(match keyword.trim().to_ascii_uppercase().as_str() {
            "CLOSED_PLANAR" => Self::ClosedPlanar,
            "CLOSEDPLANAR_XOR" | "CLOSED_PLANAR_XOR" => Self::ClosedPlanarXor,
            "OPEN_PLANAR" => Self::OpenPlanar,
            "OPEN_NONPLANAR" => Self::OpenNonplanar,
            "POINT" => Self::Point,
            _ => return None,
        })
    }

    /// The DICOM keyword.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::ClosedPlanar => "CLOSED_PLANAR",
            Self::ClosedPlanarXor => "CLOSEDPLANAR_XOR",
            Self::OpenPlanar => "OPEN_PLANAR",
            Self::OpenNonplanar => "OPEN_NONPLANAR",
            Self::Point => "POINT",
        }
    }

    /// True for the kinds that bound an area.
    pub fn is_closed(self) -> bool {
        matches!(self, Self::ClosedPlanar | Self::ClosedPlanarXor)
    }
}

/// One contour: its kind and its points in patient coordinates, mm LPS.
#[derive(Clone, Debug, PartialEq)]
pub struct Contour {
    /// What the points describe.
    pub kind: ContourKind,
    /// The points in drawing order; a closed contour does not repeat its first point (a repeat is tolerated).
    pub points: Vec<Vec3>,
}

impl Contour {
    /// A closed planar contour.
    pub fn closed(points: Vec<Vec3>) -> Self {
        Self { kind: ContourKind::ClosedPlanar, points }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_round_trip() {
        for kind in [
            ContourKind::ClosedPlanar,
            ContourKind::ClosedPlanarXor,
            ContourKind::OpenPlanar,
            ContourKind::OpenNonplanar,
            ContourKind::Point,
        ] {
            assert_eq!(ContourKind::from_keyword(kind.keyword()), Some(kind));
        }
        assert_eq!(ContourKind::from_keyword(" point "), Some(ContourKind::Point));
        assert_eq!(ContourKind::from_keyword("BLOB"), None);
    }
}
