//! Label maps on disk: written in the smallest type, checked against their image, described as structures.
//!
//! Shared by the stages that make or change masks.

mod census;
pub mod registry;
mod rtstruct;

pub use census::{LabelCensus, census};
pub use rtstruct::{RtRoi, RtStructRequest, rois_of_labels, rtstruct_output};

use super::{Shape, Structure};
use rtpipeline_engine::{FailureKind, OutputFile, RootedPath, UnitContext, UnitError};
use rtpipeline_geometry::{Grid, Volume};
use rtpipeline_volume_io::{VolumeFile, nifti_bytes};
use std::collections::BTreeMap;
use std::path::Path;

/// One label value and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelName {
    /// The value, not 0.
    pub value: u32,
    /// Name of the structure.
    pub name: String,
    /// Display colour, if one is given.
    pub color: Option<[u8; 3]>,
    /// RT ROI Interpreted Type.
    pub interpreted_type: &'static str,
}

/// Writes a label map as `u8`, or `u16` when it holds labels over 255.
///
/// # Errors
/// When a label does not fit 16 bits or the file cannot be written.
pub fn write_label_map(
    cx: &UnitContext,
    role: &str,
    to: RootedPath,
    labels: &Volume<u32>,
    description: &str,
) -> Result<OutputFile, UnitError> {
    let largest = labels.values().iter().copied().max().unwrap_or(0);
    let bytes = if u8::try_from(largest).is_ok() {
        nifti_bytes(&labels.map(|&v| v as u8), description, true)
    } else if u16::try_from(largest).is_ok() {
        nifti_bytes(&labels.map(|&v| v as u16), description, true)
    } else {
        return Err(UnitError::bug(format!("label {largest} of {to} does not fit 16 bits")));
    };
    let bytes = bytes.map_err(|reason| UnitError::data(format!("{to} cannot be written: {reason}")))?;
    cx.write(role, to, &bytes)
}

/// Reads a label map that a program made and checks that it lies on the image's grid (within 1e-3 mm).
///
/// # Errors
/// `Program`, with a sentence that names the program.
pub fn read_program_labels(path: &Path, grid: &Grid, program: &str) -> Result<(Volume<u32>, VolumeFile), UnitError> {
    let fail = |what: String| {
        UnitError::new(FailureKind::Program, format!("{program} ended without an error, but {what}"))
            .hint("look at the log of the unit")
    };
    if !path.is_file() {
        return Err(fail(format!("its label map {} is missing", file_name(path))));
    }
    let file = rtpipeline_volume_io::read(path)
        .map_err(|e| fail(format!("its label map {} cannot be read: {e}", file_name(path))))?;
    let labels = rtpipeline_volume_io::read_labels(path)
        .map_err(|e| fail(format!("its label map {} holds no labels: {e}", file_name(path))))?;
    if !labels.grid.same_as(grid, 1e-3) {
        return Err(fail(format!(
            "its label map has {:?} voxels at {:?} mm and the image has {:?} at {:?} mm",
            labels.grid.dims, labels.grid.origin, grid.dims, grid.origin
        )));
    }
    // The image's grid, so that all files of the course agree to the last bit.
    Ok((Volume { grid: grid.clone(), data: labels.data }, file))
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Name of a file without folders and without `.nii` or `.nii.gz`.
pub fn stem(path: &RootedPath) -> String {
    let name = path.rel().rsplit('/').next().unwrap_or_default();
    let name = name.strip_suffix(".gz").unwrap_or(name);
    name.strip_suffix(".nii").unwrap_or(name).to_owned()
}

/// The structures of a label map; labels without a voxel are left out.
pub fn structures_of(
    counts: &BTreeMap<u32, LabelCensus>,
    names: &[LabelName],
    file: &RootedPath,
    source: &str,
    image_id: &str,
    number_offset: i32,
) -> Vec<Structure> {
    names
        .iter()
        .filter_map(|n| {
            let c = counts.get(&n.value)?;
            Some(Structure {
                number: number_offset + n.value as i32,
                name: n.name.clone(),
                original_name: n.name.clone(),
                source: source.to_owned(),
                shape: Shape::Label { file: file.clone(), value: n.value },
                image_id: Some(image_id.to_owned()),
                structure_set_uid: None,
                color: n.color,
                interpreted_type: n.interpreted_type.to_owned(),
                cropped: c.touches_face,
                missing_parts: Vec::new(),
                contour_count: None,
            })
        })
        .collect()
}
