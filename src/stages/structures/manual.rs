//! The catalogue of the structure sets that came in.

use crate::course::{Catalogue, CourseManifest, Finding, Level, Shape, Structure, source};
use rtpipeline_dicom::rtstruct::{Roi, read_structure_set};
use rtpipeline_engine::{RootedPath, UnitContext, UnitError};

/// Structures of the structure sets in use, each under the numbers and names of its file.
pub(super) fn manual(cx: &UnitContext, manifest: &CourseManifest) -> Result<Catalogue, UnitError> {
    let mut out = Catalogue::default();
    for object in manifest.course.structure_sets.iter().filter(|s| s.used) {
        let set = match read_structure_set(&cx.resolve(&object.file.path)?) {
            Ok(set) => set,
            Err(e) => {
                out.findings.push(
                    Finding::new(
                        Level::Error,
                        "structures.not_read",
                        format!("The structure set {} cannot be read: {e}.", object.label),
                        "None of its structures is used.",
                    )
                    .about(object.label.clone()),
                );
                continue;
            }
        };
        for roi in set.rois {
            match structure(&roi, &object.file.path, object.image_id.clone(), &set.sop_instance_uid) {
                Ok(s) => out.structures.push(s),
                Err(reason) => out.not_made.push((roi.name, reason)),
            }
        }
    }
    Ok(out)
}

/// A structure of the catalogue from an ROI of a structure set, or why it cannot be one.
pub(crate) fn structure(
    roi: &Roi,
    file: &RootedPath,
    image_id: Option<String>,
    structure_set_uid: &str,
) -> Result<Structure, String> {
    let number = i32::try_from(roi.number).map_err(|_| format!("its number {} does not fit 32 bits", roi.number))?;
    let closed = roi.contours.iter().filter(|c| c.kind.is_closed()).count();
    Ok(Structure {
        number,
        name: roi.name.clone(),
        original_name: roi.original_name.clone(),
        source: source::MANUAL.to_owned(),
        shape: Shape::Contours { file: file.clone(), roi_number: number },
        image_id,
        structure_set_uid: Some(structure_set_uid.to_owned()).filter(|u| !u.is_empty()),
        color: roi.color,
        interpreted_type: roi.interpreted_type.clone().unwrap_or_default(),
        cropped: false,
        missing_parts: Vec::new(),
        contour_count: Some(u32::try_from(closed).unwrap_or(u32::MAX)),
    })
}
