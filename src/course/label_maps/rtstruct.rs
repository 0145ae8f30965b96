//! Masks as a DICOM structure set on the slices of an image.

use super::LabelCensus;
use crate::course::{ImageObject, Structure};
use rtpipeline_dicom::write::{SourceImages, StructureSetSpec, StructureSpec, WriteError, write_structure_set};
use rtpipeline_engine::{OutputFile, RootedPath, UnitContext, UnitError};
use rtpipeline_geometry::outline::{OutlineOptions, outline_label};
use rtpipeline_geometry::{Contour, Volume};
use std::collections::BTreeMap;

/// One structure to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct RtRoi {
    /// ROI Name.
    pub name: String,
    /// ROI Display Color.
    pub color: Option<[u8; 3]>,
    /// RT ROI Interpreted Type, may be empty.
    pub interpreted_type: String,
    /// ROI Generation Algorithm: `AUTOMATIC`, `SEMIAUTOMATIC`, `MANUAL` or empty.
    pub algorithm: &'static str,
    /// Closed contours in patient coordinates.
    pub contours: Vec<Contour>,
}

/// A structure set to be written; ROI numbers follow the order.
#[derive(Clone, Debug)]
pub struct RtStructRequest<'a> {
    /// The image whose slices are referred to.
    pub image: &'a ImageObject,
    /// Structure Set Label, at most 16 characters.
    pub label: &'a str,
    /// Series Description.
    pub description: &'a str,
    /// Patient ID of the course. Where the images bear another (a pseudonymised run), nothing that identifies the patient
    /// is taken from them.
    pub patient_id: &'a str,
    /// The structures.
    pub rois: Vec<RtRoi>,
}

/// Outlines of structures of one label map, each traced inside its bounding box.
pub fn rois_of_labels(
    labels: &Volume<u32>,
    counts: &BTreeMap<u32, LabelCensus>,
    structures: &[Structure],
) -> Vec<RtRoi> {
    let grid = &labels.grid;
    structures
        .iter()
        .filter_map(|s| {
            let crate::course::Shape::Label { value, .. } = &s.shape else { return None };
            let c = counts.get(value)?;
            let start = c.bounds.map(|b| b[0]);
            let dims = c.bounds.map(|b| b[1] - b[0] + 1);
            let mut window = Vec::with_capacity(dims.iter().product());
            for k in start[2]..start[2] + dims[2] {
                for j in start[1]..start[1] + dims[1] {
                    let row = (k * grid.dims[1] + j) * grid.dims[0] + start[0];
                    window.extend_from_slice(&labels.values()[row..row + dims[0]]);
                }
            }
            let window = Volume::from_vec(grid.window(start, dims), window);
            Some(RtRoi {
                name: s.name.clone(),
                color: s.color,
                interpreted_type: s.interpreted_type.clone(),
                algorithm: "AUTOMATIC",
                contours: outline_label(&window, *value, &OutlineOptions::default()),
            })
        })
        .collect()
}

/// Writes a structure set with UIDs of its own, which follow from its content.
///
/// # Errors
/// `Data` when the images cannot be referred to (no frame of reference, unreadable headers).
pub fn rtstruct_output(
    cx: &UnitContext,
    role: &str,
    to: RootedPath,
    request: &RtStructRequest<'_>,
) -> Result<OutputFile, UnitError> {
    let files = request.image.files.iter().map(|f| cx.resolve(&f.path)).collect::<Result<Vec<_>, _>>()?;
    let mut images = SourceImages::read(&files).map_err(|e| UnitError::data(e.to_string()))?;
    if images.patient_id != request.patient_id {
        images.patient_name = request.patient_id.to_owned();
        images.patient_id = request.patient_id.to_owned();
        for field in [
            &mut images.patient_birth_date,
            &mut images.study_id,
            &mut images.accession_number,
            &mut images.referring_physician,
        ] {
            field.clear();
        }
    }
    let structures: Vec<StructureSpec> = request
        .rois
        .iter()
        .map(|r| StructureSpec {
            name: r.name.clone(),
            contours: r.contours.clone(),
            color: r.color.unwrap_or_else(|| color_of(&r.name)),
            interpreted_type: r.interpreted_type.clone(),
            algorithm: r.algorithm.to_owned(),
            number: None,
        })
        .collect();
    let (path, file) = cx.output(role, to)?;
    let spec = StructureSetSpec {
        label: request.label,
        description: request.description,
        date: "",
        time: "",
        series_number: 1,
        images: &images,
        structures: &structures,
    };
    match write_structure_set(&path, &spec) {
        Ok(_) => Ok(file),
        Err(WriteError::Io { source, .. }) => Err(source.into()),
        Err(e @ WriteError::Invalid { .. }) => {
            Err(UnitError::data(e.to_string().replace(&*path.to_string_lossy(), &file.to.to_string())))
        }
    }
}

/// A colour that depends on the name only.
fn color_of(name: &str) -> [u8; 3] {
    // FNV-1a, 32 bit.
    let hash = name.bytes().fold(0x811c_9dc5_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
    let [a, b, c, _] = hash.to_le_bytes();
    [a, b, c].map(|v| 64 + v / 4 * 3)
}
