//! The structures of a course, whatever made them.

use super::Finding;
use rtpipeline_engine::RootedPath;
use serde::{Deserialize, Serialize};

/// Begin of the reason in [`Catalogue::not_made`] for a structure of which nothing is there: a template made for another
/// part of the body, which is no fault of the course.
pub const NO_SOURCE: &str = "none of its sources is in the course";

/// Words for `Segmentation_Source` (contracts §4).
pub mod source {
    /// Drawn or imported by people: an RTSTRUCT of the input.
    pub const MANUAL: &str = "Manual";
    /// The embedded classical segmentation.
    pub const CLASSICAL: &str = "AutoClassical";
    /// Built from the custom-structure file.
    pub const CUSTOM: &str = "Custom";

    /// TotalSegmentator, by task.
    pub fn totalsegmentator(task: &str) -> String {
        format!("AutoTotalSegmentator:{task}")
    }

    /// A custom nnU-Net model, by name.
    pub fn custom_model(name: &str) -> String {
        format!("CustomModel:{name}")
    }
}

/// Whether a name is that of a target volume: GTV, CTV, ITV, PTV and what follows (ICRU 83).
pub fn is_target_name(name: &str) -> bool {
    let n = name.to_ascii_uppercase();
    ["PTV", "CTV", "GTV", "ITV"].iter().any(|t| n.starts_with(t))
}

/// Where the geometry of a structure is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Shape {
    /// Contours of an RTSTRUCT.
    Contours {
        /// The RTSTRUCT.
        file: RootedPath,
        /// ROI number in it.
        roi_number: i32,
    },
    /// A value of a label map (NIfTI) on the grid of `image_id`.
    Label {
        /// The label map.
        file: RootedPath,
        /// The value.
        value: u32,
    },
}

impl Shape {
    /// The file that holds the geometry.
    pub fn file(&self) -> &RootedPath {
        match self {
            Self::Contours { file, .. } | Self::Label { file, .. } => file,
        }
    }
}

/// One structure from one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Structure {
    /// Number, unique within its source (`ROI_Number`).
    pub number: i32,
    /// Name as shown; two of one name in one source are told apart by number.
    pub name: String,
    /// Name in the file that it comes from.
    pub original_name: String,
    /// `Segmentation_Source`, see [`source`].
    pub source: String,
    /// Its geometry.
    pub shape: Shape,
    /// Image series (`ImageObject::id`) that it was drawn on, if known.
    pub image_id: Option<String>,
    /// SOP Instance UID of the RTSTRUCT it comes from, if any.
    pub structure_set_uid: Option<String>,
    /// ROI Display Color, RGB.
    pub color: Option<[u8; 3]>,
    /// RT ROI Interpreted Type, as in the file.
    pub interpreted_type: String,
    /// Touches a face of the image (clipped by the field of view).
    pub cropped: bool,
    /// Parts that were asked for and missing when it was built.
    pub missing_parts: Vec<String>,
    /// Closed planar contours, 0 for an ROI without any; `None` for masks.
    pub contour_count: Option<u32>,
}

/// Structures made by one stage, or all of a course.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// In order of source, then number.
    pub structures: Vec<Structure>,
    /// Structures that were asked for and could not be made: name and reason.
    pub not_made: Vec<(String, String)>,
    /// What the maker has to say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}
