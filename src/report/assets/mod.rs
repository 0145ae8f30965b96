//! Encoders: volumes, contours, dose grids and curves → small blocks for the page.
//!
//! All results are plain serde data; all encoders are deterministic for any number of threads.

mod body;
mod build;
mod contours;
mod curves;
mod dose;
mod image;
mod key;
mod outline;
mod pack;

pub use build::{AssetInput, build_assets};
pub use contours::{ContourBlock, ContourNote, encode_contours};
pub use curves::{CurveBlock, DvhSeries, encode_curves};
pub(crate) use curves::{DecodedCurve, at as curves_at, decode_curves};
pub use dose::{DoseBlock, DoseInput, encode_dose};
pub use image::{ImageBlock, ImageKind, ImageOptions, Rung, Window, encode_image};
pub(crate) use key::DOSE_RAMP;
pub use key::{KeyPicture, KeyPictureInput, key_pictures};
pub use outline::outlines_of_mask;
pub(crate) use pack::deflate_base64;
#[cfg(test)]
pub(crate) use pack::inflate_base64;

use rtpipeline_geometry::Vec3;
use serde::{Deserialize, Serialize};

/// Everything of one course that must be drawn from pixels and points. Saved as one JSON file by the stage that makes
/// it and embedded by [`render_course`](super::render_course).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CourseAssets {
    /// All structures, in the order in which lists show them; contours and curves refer to them by `id`.
    pub structures: Vec<StructureInfo>,
    /// Image series; the first is the planning image, on whose grid the contours lie.
    pub images: Vec<ImageBlock>,
    /// Contours on the first image.
    pub contours: Option<ContourBlock>,
    /// Dose grids; the first is the one that the tables use.
    pub doses: Vec<DoseBlock>,
    /// Dose-volume histograms of the first dose.
    pub curves: Option<CurveBlock>,
    /// Pictures for print and for pages without script.
    pub key_pictures: Vec<KeyPicture>,
}

/// What a structure is called, where it comes from and how it is drawn.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StructureInfo {
    /// Unique within the course; any text (for instance source and ROI number).
    pub id: String,
    /// ROI name as found.
    pub name: String,
    /// `Segmentation_Source` of the tables: `Manual`, `AutoTotalSegmentator:<task>`, `Custom`, …
    pub source: String,
    /// The list in which the viewer shows it.
    pub group: StructureGroup,
    /// ROIDisplayColor; without one a stable colour is made from the name.
    pub color: Option<[u8; 3]>,
    /// Volume, cc.
    pub volume_cc: Option<f64>,
    /// The loops are outlines of a mask, because the contours' planes are not parallel to the slices.
    pub outline_of_mask: bool,
}

impl StructureInfo {
    /// Line style by source.
    pub(crate) fn style(&self) -> LineStyle {
        LineStyle::of_source(&self.source)
    }
}

/// Solid for manual, dashed for automatic, dotted for custom structures and models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineStyle {
    Solid,
    Dashed,
    Dotted,
}

impl LineStyle {
    pub(crate) fn of_source(source: &str) -> Self {
        if source.starts_with("Auto") {
            Self::Dashed
        } else if source.starts_with("Custom") {
            Self::Dotted
        } else {
            Self::Solid
        }
    }
}

/// Lists of the viewer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StructureGroup {
    /// GTV, CTV, PTV, ITV, treated volume.
    Target,
    /// Organ at risk, drawn by a person.
    Organ,
    /// Everything else drawn by a person: body, supports, helpers.
    #[default]
    Other,
    /// Made by a program.
    Automatic,
}

impl StructureGroup {
    /// The list for a structure, from its RT ROI Interpreted Type (3006,00A4), its name and its source. Names count
    /// only where the type is empty, because many systems leave it so.
    pub fn of(interpreted_type: &str, name: &str, source: &str) -> Self {
        if source.starts_with("Auto") || source.starts_with("CustomModel") {
            return Self::Automatic;
        }
        let upper = name.trim_start_matches(|c: char| !c.is_alphanumeric()).to_uppercase();
        match interpreted_type.trim().to_uppercase().as_str() {
            "PTV" | "CTV" | "GTV" | "ITV" | "TREATED_VOLUME" | "IRRAD_VOLUME" => Self::Target,
            "ORGAN" | "AVOIDANCE" => Self::Organ,
            "" if ["PTV", "CTV", "GTV", "ITV", "IGTV"].iter().any(|p| upper.starts_with(p)) => Self::Target,
            "" if ["BODY", "EXTERNAL", "COUCH", "SKIN", "Z_", "RING"].iter().any(|p| upper.starts_with(p)) => {
                Self::Other
            }
            "" => Self::Organ,
            _ => Self::Other,
        }
    }
}

/// One structure to be drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StructureContours {
    /// Name, source, colour.
    pub info: StructureInfo,
    /// Closed planar loops, mm LPS; the first point is not repeated. Several loops of one plane are filled even-odd.
    pub loops: Vec<Vec<Vec3>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_follow_type_then_name() {
        assert_eq!(StructureGroup::of("PTV", "Boost", "Manual"), StructureGroup::Target);
        assert_eq!(StructureGroup::of("", "ptv_60", "Manual"), StructureGroup::Target);
        assert_eq!(StructureGroup::of("ORGAN", "PTV helper", "Manual"), StructureGroup::Organ);
        assert_eq!(StructureGroup::of("EXTERNAL", "Patient", "Manual"), StructureGroup::Other);
        assert_eq!(StructureGroup::of("", "Heart", "AutoTotalSegmentator:total"), StructureGroup::Automatic);
        assert_eq!(StructureGroup::of("", "Heart", "Custom"), StructureGroup::Organ);
    }
}
