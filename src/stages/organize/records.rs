//! Treatment records to rows of `fractions`: one row per day, plan and fraction.

use super::objects::Objects;
use crate::course::Course;
use crate::records::{FractionRow, Texts};
use rtpipeline_dicom::rtplan::TreatmentRecord;
use rtpipeline_engine::RootedPath;
use std::collections::BTreeMap;

type Record<'a> = (&'a RootedPath, &'a TreatmentRecord);

/// Rows of the treatment records, by date; records of one day, plan and fraction are merged. What is a record, its SOP
/// class says, never its name.
pub(super) fn rows(course: &Course, objects: &Objects) -> Vec<FractionRow> {
    let mut days: BTreeMap<(Option<String>, Option<String>, Option<i64>), Vec<Record<'_>>> = BTreeMap::new();
    for (file, r) in &objects.records {
        let key = (r.date.clone(), r.referenced_plans.first().cloned(), r.fraction_number);
        days.entry(key).or_default().push((&file.path, r));
    }
    days.into_iter().map(|((date, plan, fraction), group)| row(course, date, plan, fraction, group)).collect()
}

fn row(
    course: &Course,
    date: Option<String>,
    plan: Option<String>,
    fraction: Option<i64>,
    mut group: Vec<Record<'_>>,
) -> FractionRow {
    group.sort_by(|a, b| (&a.1.time, &a.1.sop_instance_uid, a.0).cmp(&(&b.1.time, &b.1.sop_instance_uid, b.0)));
    let sum = |of: &dyn Fn(&TreatmentRecord) -> Option<f64>| {
        let all: Vec<f64> = group.iter().filter_map(|(_, r)| of(r)).collect();
        (!all.is_empty()).then(|| all.iter().sum())
    };
    let joined = |of: &dyn Fn(&TreatmentRecord) -> Vec<String>| {
        let mut all: Vec<String> = group.iter().flat_map(|(_, r)| of(r)).collect();
        all.sort();
        all.dedup();
        (!all.is_empty()).then(|| all.join("; "))
    };
    FractionRow {
        treatment_date: date,
        treatment_time: group.iter().filter_map(|(_, r)| r.time.clone()).min(),
        treatment_time_end: group.iter().filter_map(|(_, r)| r.time_end.clone().or_else(|| r.time.clone())).max(),
        plan_sop: plan,
        fraction_number: fraction,
        treatment_machine: joined(&|r| r.machine.iter().cloned().collect()),
        source_path: group.first().map(|(p, _)| p.to_string()),
        source_paths_all: group.iter().map(|(p, _)| p.to_string()).collect(),
        sop_instance_uid: group.first().map(|(_, r)| r.sop_instance_uid.clone()),
        sop_instance_uids_all: group.iter().map(|(_, r)| r.sop_instance_uid.clone()).collect(),
        delivered_dose: sum(&|r| r.delivered_dose_gy),
        beam_meterset: sum(&|r| r.delivered_meterset),
        records_merged: Some(group.len() as i64),
        component_times: group.iter().filter_map(|(_, r)| r.time.clone()).collect::<Texts>(),
        verification_status: joined(&|r| r.verification_status.clone()),
        termination_status: joined(&|r| r.termination_status.clone()),
        patient_id: course.patient_id.clone(),
        course_id: course.course_id.clone(),
    }
}
