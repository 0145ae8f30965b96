//! Rows of the table `structures`.

use super::StructuresTask;
use super::custom::{Counts, MapCounts};
use crate::course::label_maps::registry::tg263_of;
use crate::course::{Catalogue, CourseManifest, Finding, Geometry, ImageObject, Level, Shape, Structure, source};
use crate::records::StructureRow;
use rtpipeline_engine::UnitError;
use rtpipeline_geometry::{Grid, PlaneStack};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// One row per structure, and one per structure that could not be made. Manual structures that reach the edge of their
/// image are marked in the catalogue.
pub(super) fn rows(
    task: &StructuresTask,
    manifest: &CourseManifest,
    catalogue: &mut Catalogue,
    geometry: &mut Geometry<'_>,
    counts: &mut Counts,
    not_made: &[(String, String, String)],
) -> Result<Vec<Map<String, Value>>, UnitError> {
    let mut out = Vec::new();
    for s in &mut catalogue.structures {
        let image = s.image_id.as_ref().and_then(|id| manifest.course.images.iter().find(|i| i.id == *id));
        let mut row = base(task, manifest, s, image);
        match &s.shape {
            Shape::Contours { .. } => match geometry.stack(s) {
                Ok(Some(stack)) => {
                    contour_values(&mut row, s, &stack, image.and_then(|i| i.grid.as_ref()));
                    for f in &stack.findings {
                        let code = format!("contours.{}", f.code());
                        let what = format!("{}: {}", s.name, f.text());
                        let finding = Finding::new(Level::Note, &code, what, f.meaning()).about(s.name.clone());
                        catalogue.findings.push(finding);
                    }
                }
                Ok(None) => no_volume(&mut row, "no_closed_contour", "The ROI has no closed planar contour."),
                Err(error) => no_volume(&mut row, "not_usable", &error.message),
            },
            Shape::Label { file, value } => {
                if !counts.contains_key(file) {
                    let found = MapCounts::new(geometry.label_map(file)?);
                    counts.insert(file.clone(), found);
                }
                let map = counts.get(file);
                match map.and_then(|m| Some((m, m.labels.get(value)?))) {
                    Some((map, c)) => {
                        row.status = Some("ok".into());
                        row.volume_cc = Some(c.volume_cc(map.voxel_mm3));
                        row.plane_count = i64::try_from(c.planes()).ok();
                        row.plane_spacing_mm = Some(map.plane_spacing);
                        let [x, y, z] = c.centroid;
                        (row.centroid_x, row.centroid_y, row.centroid_z) = (Some(x), Some(y), Some(z));
                    }
                    None => no_volume(&mut row, "empty", "The label map holds no voxel of this structure."),
                }
            }
        }
        row.structure_cropped = Some(s.cropped);
        let mut flags: BTreeSet<String> = row.flags.0.iter().cloned().collect();
        if s.cropped {
            flags.insert("cropped".into());
        }
        if !s.missing_parts.is_empty() {
            flags.insert("partial".into());
        }
        row.flags = flags.into_iter().collect();
        out.push(row.to_map());
    }
    for (maker, name, reason) in not_made {
        let row = StructureRow {
            patient_id: task.patient_id.clone(),
            course_id: task.course_id.clone(),
            segmentation_source: Some(maker.clone()),
            roi_name: Some(name.clone()),
            status: Some("not_made".into()),
            reason: Some(reason.clone()),
            ..StructureRow::default()
        };
        out.push(row.to_map());
    }
    Ok(out)
}

fn no_volume(row: &mut StructureRow, status: &str, reason: &str) {
    row.status = Some(status.to_owned());
    row.reason = Some(reason.to_owned());
}

fn base(task: &StructuresTask, manifest: &CourseManifest, s: &Structure, image: Option<&ImageObject>) -> StructureRow {
    let set = s
        .structure_set_uid
        .as_ref()
        .and_then(|uid| manifest.course.structure_sets.iter().find(|x| x.file.sop_instance_uid == *uid));
    let frame = set
        .map(|x| x.frame_of_reference_uid.clone())
        .or_else(|| image.map(|i| i.frame_of_reference_uid.clone()))
        .filter(|f| !f.is_empty());
    StructureRow {
        patient_id: task.patient_id.clone(),
        course_id: task.course_id.clone(),
        segmentation_source: Some(s.source.clone()),
        roi_number: Some(i64::from(s.number)),
        roi_name: Some(s.name.clone()),
        roi_original_name: Some(s.original_name.clone()),
        tg263_name: tg263_of(&s.name).map(str::to_owned),
        interpreted_type: Some(s.interpreted_type.clone()).filter(|t| !t.is_empty()),
        generation_algorithm: match s.source.as_str() {
            source::MANUAL => None,
            source::CUSTOM => Some("SEMIAUTOMATIC".into()),
            _ => Some("AUTOMATIC".into()),
        },
        color: s.color.map(|[r, g, b]| format!("#{r:02X}{g:02X}{b:02X}")),
        contour_count: s.contour_count.map(i64::from),
        structure_partial: Some(!s.missing_parts.is_empty()),
        missing_parts: s.missing_parts.iter().cloned().collect(),
        rtstruct_sop_instance_uid: s.structure_set_uid.clone(),
        structure_path: Some(s.shape.file().to_string()),
        image_id: s.image_id.clone(),
        image_series_uid: image.map(|i| i.series_uid.clone()).filter(|u| !u.is_empty()),
        frame_of_reference_uid: frame,
        ..StructureRow::default()
    }
}

fn contour_values(row: &mut StructureRow, s: &mut Structure, stack: &PlaneStack, grid: Option<&Grid>) {
    row.status = Some("ok".into());
    row.volume_cc = Some(stack.volume_cc());
    row.plane_count = i64::try_from(stack.planes.len()).ok();
    row.plane_spacing_mm = Some(stack.spacing);
    let (first, last) = (stack.planes.first().map(|p| p.position), stack.planes.last().map(|p| p.position));
    if let (Some(a), Some(b)) = (first, last)
        && stack.spacing > 0.0
    {
        let expected = ((b - a) / stack.spacing).round() as i64 + 1;
        row.missing_planes = Some((expected - stack.planes.len() as i64).max(0));
    }
    let points: usize = stack.planes.iter().flat_map(|p| &p.loops).map(Vec::len).sum();
    row.point_count = i64::try_from(points).ok();
    let [x, y, z] = stack.centroid();
    (row.centroid_x, row.centroid_y, row.centroid_z) = (Some(x), Some(y), Some(z));
    row.flags = stack.findings.iter().map(|f| f.code().to_owned()).collect();
    if let Some(grid) = grid {
        s.cropped = reaches_face(stack, grid);
    }
}

/// A contour lies in the first or last slice of the image, or reaches the centre of its outermost rows or columns.
fn reaches_face(stack: &PlaneStack, grid: &Grid) -> bool {
    let last = grid.dims.map(|d| d as f64 - 1.0);
    stack.planes.iter().any(|p| {
        p.loops.iter().flatten().any(|q| {
            let at = grid.index(stack.frame.world([q[0], q[1], p.position]));
            (0..3).any(|a| at[a] <= 0.01 || at[a] >= last[a] - 0.01)
        })
    })
}
