//! From what linking found to the course type of the stages.

use super::names::CourseName;
use crate::course::{
    Course, CourseFile, DoseObject, Finding, ImageObject, Level, LinkKind, OtherObject, PlanObject, StructureSetObject,
};
use rtpipeline_dicom::link::{Facts, LinkedCourse, LinkedImage, LinkedStructureSet, NoteLevel, Rung};
use rtpipeline_engine::RootedPath;
use std::collections::BTreeMap;

/// A course in the types of the stages, its objects in an order that does not depend on file names.
pub(super) fn course(facts: &[Facts], linked: &LinkedCourse, name: &CourseName) -> Course {
    let (images, image_ids) = images(facts, linked);
    let mut course = Course {
        patient_id: linked.patient_id.clone(),
        course_id: name.course_id.clone(),
        patient_dir: name.patient_dir.clone(),
        course_key: linked.key.clone(),
        images,
        structure_sets: structure_sets(facts, linked, &image_ids),
        plans: plans(facts, linked),
        doses: doses(facts, linked),
        others: linked.others.iter().filter_map(|&i| other(&facts[i])).collect(),
        findings: linked.notes.iter().map(|n| finding(n.level, n)).collect(),
    };
    course.structure_sets.sort_by(|a, b| sort_key(&a.file, &a.date).cmp(&sort_key(&b.file, &b.date)));
    course.plans.sort_by(|a, b| sort_key(&a.file, &a.date).cmp(&sort_key(&b.file, &b.date)));
    course.doses.sort_by(|a, b| sort_key(&a.file, "").cmp(&sort_key(&b.file, "")));
    course.others.sort_by(|a, b| sort_key(&a.file, &a.modality).cmp(&sort_key(&b.file, &b.modality)));
    choose_structure_sets(&mut course);
    course
}

fn sort_key<'a>(file: &'a CourseFile, date: &'a str) -> (&'a str, &'a str, &'a RootedPath) {
    (date, &file.sop_instance_uid, &file.path)
}

fn file(f: &Facts) -> Option<CourseFile> {
    let path = RootedPath::new("in", f.path.clone()).ok()?;
    Some(CourseFile { path, sop_instance_uid: f.sop_instance_uid.clone() })
}

fn finding(level: NoteLevel, n: &rtpipeline_dicom::link::Note) -> Finding {
    let level = match level {
        NoteLevel::Error => Level::Error,
        NoteLevel::Caution => Level::Caution,
        NoteLevel::Note => Level::Note,
    };
    Finding::new(level, &n.code, n.what.clone(), n.meaning.clone()).about(n.subject.clone())
}

fn kind(rung: Rung) -> LinkKind {
    match rung {
        Rung::SopInstance => LinkKind::SopInstance,
        Rung::Series => LinkKind::Series,
        Rung::FrameOfReference => LinkKind::FrameOfReference,
        Rung::Study => LinkKind::Study,
        Rung::None => LinkKind::None,
    }
}

fn own_or_study_date(f: &Facts) -> String {
    if f.date.is_empty() { f.study_date.clone() } else { f.date.clone() }
}

/// Images (planning first, then by kind, date and UID) and the id of each linked image.
fn images(facts: &[Facts], linked: &LinkedCourse) -> (Vec<ImageObject>, Vec<String>) {
    let least = |i: &LinkedImage, of: &dyn Fn(&Facts) -> &str| {
        i.files.iter().map(|&f| of(&facts[f])).filter(|t| !t.is_empty()).min().unwrap_or("").to_owned()
    };
    let mut order: Vec<usize> = (0..linked.images.len()).collect();
    order.sort_by_key(|&n| {
        let i = &linked.images[n];
        let date = least(i, &|f| if f.date.is_empty() { &f.study_date } else { &f.date });
        (
            !i.planning,
            i.modality,
            date,
            least(i, &|f| &f.series_uid),
            least(i, &|f| &f.sop_instance_uid),
            i.files.clone(),
        )
    });
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let mut ids = vec![String::new(); linked.images.len()];
    let mut out = Vec::new();
    for n in order {
        let i = &linked.images[n];
        let number = numbers.entry(i.modality).or_default();
        *number += 1;
        ids[n] = format!("{}{number}", i.modality);
        let mut files: Vec<CourseFile> = i.files.iter().filter_map(|&f| file(&facts[f])).collect();
        files.sort_by(|a, b| sort_key(a, "").cmp(&sort_key(b, "")));
        out.push(ImageObject {
            id: ids[n].clone(),
            modality: i.modality.to_owned(),
            series_uid: least(i, &|f| &f.series_uid),
            study_uid: least(i, &|f| &f.study_uid),
            frame_of_reference_uid: least(i, &|f| f.frames.first().map_or("", String::as_str)),
            description: least(i, &|f| &f.description),
            date: least(i, &|f| if f.date.is_empty() { &f.study_date } else { &f.date }),
            files,
            planning: i.planning,
            nifti: None,
            grid: None,
            unit: String::new(),
            missing_slices: i.missing,
        });
    }
    (out, ids)
}

fn structure_sets(facts: &[Facts], linked: &LinkedCourse, image_ids: &[String]) -> Vec<StructureSetObject> {
    let one = |s: &LinkedStructureSet| {
        let f = &facts[s.file];
        Some(StructureSetObject {
            file: file(f)?,
            label: f.label.clone(),
            date: own_or_study_date(f),
            frame_of_reference_uid: f.frames.first().cloned().unwrap_or_default(),
            image_id: s.image.and_then(|i| image_ids.get(i).cloned()),
            image_link: kind(s.rung),
            referenced_by_plan: s.of_plan,
            used: false,
            // The approval is kept here until the choice is made.
            reason: f.approval.clone(),
        })
    };
    linked.structure_sets.iter().filter_map(one).collect()
}

/// Structure sets that plans were made on are used; for every other image (or frame, where there is no image) the one that
/// is approved, then the latest.
fn choose_structure_sets(course: &mut Course) {
    let place =
        |s: &StructureSetObject| (s.image_id.clone(), s.image_id.is_none().then(|| s.frame_of_reference_uid.clone()));
    let of_plans: Vec<_> = course.structure_sets.iter().filter(|s| s.referenced_by_plan).map(place).collect();
    let mut best: BTreeMap<_, (bool, String, String)> = BTreeMap::new();
    for s in &course.structure_sets {
        let rank = (s.reason.eq_ignore_ascii_case("APPROVED"), s.date.clone(), s.file.sop_instance_uid.clone());
        let at = best.entry(place(s)).or_insert_with(|| rank.clone());
        if rank > *at {
            *at = rank;
        }
    }
    let mut left = Vec::new();
    for s in &mut course.structure_sets {
        let here = place(s);
        let rank = (s.reason.eq_ignore_ascii_case("APPROVED"), s.date.clone(), s.file.sop_instance_uid.clone());
        let alternatives = rank != best[&here];
        (s.used, s.reason) = if s.referenced_by_plan {
            (true, "a plan of the course was made on it".to_owned())
        } else if of_plans.contains(&here) {
            (false, "the plan was made on another structure set of the same image".to_owned())
        } else if alternatives {
            (false, "another structure set of the same image is approved or later".to_owned())
        } else {
            (true, "the only one, or the approved or latest one, of its image".to_owned())
        };
        if !s.used {
            left.push((s.file.path.rel().to_owned(), s.reason.clone()));
        }
    }
    for (path, reason) in left {
        course.findings.push(
            Finding::new(
                Level::Note,
                "structures.set_not_used",
                format!("A structure set is not used: {reason}."),
                "Its structures are in no table of the course.",
            )
            .about(path),
        );
    }
}

fn plans(facts: &[Facts], linked: &LinkedCourse) -> Vec<PlanObject> {
    let one = |p: &rtpipeline_dicom::link::LinkedPlan| {
        let f = &facts[p.file];
        let set = p.structure_set.and_then(|s| linked.structure_sets.get(s)).map(|s| &facts[s.file]);
        Some(PlanObject {
            file: file(f)?,
            label: f.label.clone(),
            date: own_or_study_date(f),
            approval: f.approval.clone(),
            intent: f.intent.clone(),
            structure_set_uid: set
                .map(|s| s.sop_instance_uid.clone())
                .or_else(|| f.refs.structure_sets.first().cloned()),
            structure_set_link: kind(p.rung),
            technique: p.technique.word().to_owned(),
        })
    };
    linked.plans.iter().filter_map(one).collect()
}

fn doses(facts: &[Facts], linked: &LinkedCourse) -> Vec<DoseObject> {
    let one = |d: &rtpipeline_dicom::link::LinkedDose| {
        let f = &facts[d.file];
        let dose = f.dose.clone().unwrap_or_default();
        let mut plan_uids: Vec<String> = d
            .plans
            .iter()
            .filter_map(|&p| linked.plans.get(p))
            .map(|p| facts[p.file].sop_instance_uid.clone())
            .collect();
        // Plans that it names and that are not here stay visible.
        plan_uids.extend(f.refs.plans.iter().filter(|_| d.rung == Rung::SopInstance).cloned());
        plan_uids.sort();
        plan_uids.dedup();
        Some(DoseObject {
            file: file(f)?,
            summation: dose.summation,
            units: dose.units,
            dose_type: dose.dose_type,
            frame_of_reference_uid: f.frames.first().cloned().unwrap_or_default(),
            plan_uids,
            plan_link: kind(d.rung),
            used: false,
            reason: String::new(),
        })
    };
    linked.doses.iter().filter_map(one).collect()
}

fn other(f: &Facts) -> Option<OtherObject> {
    Some(OtherObject { file: file(f)?, modality: f.modality.clone(), sop_class_uid: f.sop_class_uid.clone() })
}
