//! What was noticed while contours became a stack.

use serde::{Deserialize, Serialize};

/// Stable codes of [`ContourFinding`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingCode {
    /// Contours with coordinates that are not numbers were left out.
    NotFinite,
    /// Contours with fewer than three distinct points were left out.
    TooFewPoints,
    /// Contours that enclose no area were left out.
    ZeroArea,
    /// Points and open curves bound no volume.
    OpenContour,
    /// Repeats of the same loop on one plane were removed.
    DuplicateLoop,
    /// The contour planes are not parallel to the image slices.
    NotImagePlane,
    /// Loops overlap, nest or cross so that even-odd filling and union differ by more than 0.1 % of the area.
    RuleDisagreement,
    /// Loops of one plane overlap without one containing the other.
    PartialOverlap,
    /// A loop crosses itself.
    SelfCrossing,
    /// The structure lies on one plane; its thickness is assumed.
    SinglePlane,
    /// A gap between planes is wider than the bridging limit; both sides are closed.
    PlaneGap,
    /// Plane spacing varies.
    UnevenSpacing,
    /// Contours are drawn on fewer planes than the image has slices.
    SparsePlanes,
}

impl FindingCode {
    /// The code as it stands in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFinite => "not_finite",
            Self::TooFewPoints => "too_few_points",
            Self::ZeroArea => "zero_area",
            Self::OpenContour => "open_contour",
            Self::DuplicateLoop => "duplicate_loop",
            Self::NotImagePlane => "not_image_plane",
            Self::RuleDisagreement => "rule_disagreement",
            Self::PartialOverlap => "partial_overlap",
            Self::SelfCrossing => "self_crossing",
            Self::SinglePlane => "single_plane",
            Self::PlaneGap => "plane_gap",
            Self::UnevenSpacing => "uneven_spacing",
            Self::SparsePlanes => "sparse_planes",
        }
    }
}

/// One finding about the contours of a structure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContourFinding {
    /// Stable code.
    pub code: FindingCode,
    /// How many contours, planes or gaps it concerns.
    pub count: usize,
    /// A sentence for people.
    pub text: String,
}

impl ContourFinding {
    /// The stable code as text.
    pub fn code(&self) -> &'static str {
        self.code.as_str()
    }

    /// What was found.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it means for the numbers.
    pub fn meaning(&self) -> &'static str {
        match self.code {
            FindingCode::NotFinite | FindingCode::TooFewPoints | FindingCode::ZeroArea => {
                "The rest of the structure is used; its volume may be too small."
            }
            FindingCode::OpenContour => "They do not count towards volume and dose.",
            FindingCode::DuplicateLoop => "Counted twice under the even-odd rule they would have cancelled each other.",
            FindingCode::NotImagePlane => "Volume and dose are exact; masks on the image are sampled by point tests.",
            FindingCode::RuleDisagreement => {
                "Nested contours are read as holes; a system that fills by union reports a larger volume."
            }
            FindingCode::PartialOverlap => "The overlap is left out under the even-odd rule and counts under union.",
            FindingCode::SelfCrossing => "Areas that are enclosed twice do not count.",
            FindingCode::SinglePlane => "The volume is proportional to the assumed thickness.",
            FindingCode::PlaneGap => {
                "The parts are taken as separate pieces, each closed half a spacing beyond its end."
            }
            FindingCode::UnevenSpacing => "Every plane reaches half-way to its neighbours.",
            FindingCode::SparsePlanes => "Every plane stands for the slices between; the shape there is not known.",
        }
    }
}

/// Why contours cannot become a stack.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum StackError {
    /// No closed contour with an area; `given` contours were offered.
    #[error("no closed contour with an area among {given} contours")]
    Empty {
        /// Contours that were offered.
        given: usize,
    },
    /// A closed contour does not lie in a plane of the stack.
    #[error(
        "contour {contour} leaves the plane of the structure by {residual_mm:.3} mm (allowed {allowed_mm} mm); \
         the structure is refused because its volume is not defined"
    )]
    NonPlanar {
        /// Index of the contour in the input.
        contour: usize,
        /// Largest distance of a point from the contour's mean plane, mm.
        residual_mm: f64,
        /// The tolerance, mm.
        allowed_mm: f64,
    },
    /// Coordinates are beyond any patient.
    #[error("contour {contour} has a coordinate of {value_mm} mm, beyond the limit of {limit_mm} mm")]
    OutOfRange {
        /// Index of the contour in the input.
        contour: usize,
        /// The coordinate, mm.
        value_mm: f64,
        /// The limit, mm.
        limit_mm: f64,
    },
    /// An option makes no sense.
    #[error("option `{option}` is {value}, expected {expected}")]
    BadOption {
        /// Name of the option.
        option: &'static str,
        /// Its value.
        value: f64,
        /// What would be accepted.
        expected: &'static str,
    },
}
