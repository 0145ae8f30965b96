//! The manual structures of a course and the rows of its structure sets.

use super::objects::Objects;
use crate::course::Level;
use crate::course::{Catalogue, Course, Finding, LinkKind, Shape, Structure, StructureSetObject, source};
use crate::records::{StructureSetRow, Texts};
use rtpipeline_dicom::rtstruct::{Roi, StructureSet};
use std::collections::BTreeSet;

/// Every ROI of every used structure set. Numbers are those of the file; where a second structure set uses a number again,
/// its structure gets the next free one, so that numbers are unique among the manual structures.
pub(super) fn catalogue(course: &Course, objects: &Objects) -> (Catalogue, Vec<Finding>) {
    let mut out = Catalogue::default();
    let mut findings = Vec::new();
    let mut taken = BTreeSet::new();
    // Sets of plans first, then those of the planning image: their numbers stay as they are.
    let mut sets: Vec<(&StructureSetObject, &StructureSet)> = used(course, objects).collect();
    let planning =
        |s: &StructureSetObject| course.images.iter().any(|i| i.planning && Some(&i.id) == s.image_id.as_ref());
    sets.sort_by_key(|(s, _)| (!s.referenced_by_plan, !planning(s)));
    for (object, set) in sets {
        for roi in &set.rois {
            let closed = roi.contours.iter().filter(|c| c.kind.is_closed() && c.points.len() >= 3).count();
            let Ok(in_file) = i32::try_from(roi.number) else {
                out.not_made.push((roi.name.clone(), format!("its ROI Number {} is out of range", roi.number)));
                continue;
            };
            let mut number = in_file;
            while !taken.insert(number) {
                number = taken.last().map_or(1, |m| m.saturating_add(1)).max(1);
            }
            if closed == 0 {
                findings.push(without_area(roi));
            }
            out.structures.push(Structure {
                number,
                name: roi.name.clone(),
                original_name: roi.original_name.clone(),
                source: source::MANUAL.to_owned(),
                shape: Shape::Contours { file: object.file.path.clone(), roi_number: in_file },
                image_id: object.image_id.clone(),
                structure_set_uid: Some(object.file.sop_instance_uid.clone()),
                color: roi.color,
                interpreted_type: roi.interpreted_type.clone().unwrap_or_default(),
                cropped: false,
                missing_parts: Vec::new(),
                contour_count: u32::try_from(closed).ok(),
            });
        }
    }
    out.structures.sort_by_key(|s| s.number);
    (out, findings)
}

/// Used structure sets that could be read.
pub(super) fn used<'a>(
    course: &'a Course,
    objects: &'a Objects,
) -> impl Iterator<Item = (&'a StructureSetObject, &'a StructureSet)> {
    course
        .structure_sets
        .iter()
        .zip(&objects.sets)
        .filter(|(s, _)| s.used)
        .filter_map(|(s, set)| Some((s, set.as_ref()?)))
}

fn without_area(roi: &Roi) -> Finding {
    let kinds: BTreeSet<&str> = roi.contours.iter().map(|c| c.kind.keyword()).collect();
    let what = if kinds.is_empty() {
        "The structure has no contours.".to_owned()
    } else {
        format!("The structure bounds no area; it is of {}.", kinds.into_iter().collect::<Vec<_>>().join(" and "))
    };
    Finding::new(Level::Note, "structures.no_area", what, "It has neither volume nor dose-volume values.")
        .about(&roi.name)
}

/// Row of the table `structure_sets`.
pub(super) fn row(course: &Course, object: &StructureSetObject, set: Option<&StructureSet>) -> StructureSetRow {
    let text = |t: &str| (!t.is_empty()).then(|| t.to_owned());
    let image = object.image_id.as_ref().and_then(|id| course.images.iter().find(|i| i.id == *id));
    StructureSetRow {
        file_path: Some(object.file.path.to_string()),
        ct_series: image.and_then(|i| text(&i.series_uid)),
        ct_study: image.and_then(|i| text(&i.study_uid)),
        approval: set.and_then(|s| s.approval_status.clone()),
        patient_id: course.patient_id.clone(),
        available_structures: set.map_or_else(Texts::default, |s| s.rois.iter().map(|r| r.name.clone()).collect()),
        course_id: course.course_id.clone(),
        rtstruct_sop_instance_uid: text(&object.file.sop_instance_uid),
        label: text(&object.label),
        date: text(&object.date),
        frame_of_reference_uid: text(&object.frame_of_reference_uid),
        image_id: object.image_id.clone(),
        image_link: Some(link_word(object.image_link).to_owned()),
        referenced_by_plan: Some(object.referenced_by_plan),
        used: Some(object.used && set.is_some()),
        reason: Some(if set.is_none() { "it cannot be read".to_owned() } else { object.reason.clone() }),
    }
}

/// How a link was found, as tables name it.
pub(super) fn link_word(kind: LinkKind) -> &'static str {
    match kind {
        LinkKind::SopInstance => "sop_instance",
        LinkKind::Series => "series",
        LinkKind::FrameOfReference => "frame_of_reference",
        LinkKind::Study => "study",
        LinkKind::None => "none",
    }
}
