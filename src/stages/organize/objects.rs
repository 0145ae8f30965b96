//! Reading the RT objects of a course once, for resolution, tables and metadata.

use super::resolve::{DoseInfo, PlanInfo, Signature};
use crate::course::{Course, CourseFile, Finding, Level, Prescription};
use rtpipeline_dicom::link::Class;
use rtpipeline_dicom::rtdose::{Dose, DoseUnits, read_dose};
use rtpipeline_dicom::rtplan::{Plan, TreatmentRecord, read_plan, read_treatment_record};
use rtpipeline_dicom::rtstruct::{StructureSet, read_structure_set};
use rtpipeline_dicom::{Finding as Remark, ReadError};
use rtpipeline_engine::{PartFailure, UnitContext, UnitError};
use rtpipeline_geometry::DoseGrid;
use std::collections::BTreeSet;

/// What a dose grid is, without its values.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct GridFacts {
    /// Columns, rows, planes.
    pub(super) size: [usize; 3],
    /// Distance of columns, of rows, and of planes (mean), mm.
    pub(super) spacing: [f64; 3],
    /// Position of the first point, mm.
    pub(super) origin: [f64; 3],
    /// Positions of the planes, mm.
    pub(super) offsets: Vec<f64>,
    /// Smallest, largest and mean value in the file's units.
    pub(super) range: [f64; 3],
    /// Dose Grid Scaling.
    pub(super) scaling: Option<f64>,
}

/// RT objects in the order of the course; `None` where the file could not be read.
#[derive(Default)]
pub(super) struct Objects {
    pub(super) plans: Vec<Option<Plan>>,
    pub(super) doses: Vec<DoseInfo>,
    pub(super) grids: Vec<Option<GridFacts>>,
    pub(super) sets: Vec<Option<StructureSet>>,
    pub(super) records: Vec<(CourseFile, TreatmentRecord)>,
    pub(super) failures: Vec<PartFailure>,
    /// What the readers had to overlook.
    pub(super) findings: Vec<Finding>,
}

impl Objects {
    /// Reads plans, doses, used structure sets and treatment records; what cannot be read becomes a failure.
    pub(super) fn read(cx: &UnitContext, course: &Course) -> Result<Self, UnitError> {
        let mut out = Self::default();
        for p in &course.plans {
            let read = read_plan(&cx.resolve(&p.file.path)?);
            let plan = out.keep(&format!("plan {}", p.file.path.rel()), &p.file, read, |x| &x.findings);
            out.plans.push(plan);
        }
        for s in &course.structure_sets {
            let read = read_structure_set(&cx.resolve(&s.file.path)?);
            let set = out.keep(&format!("structure set {}", s.file.path.rel()), &s.file, read, |x| &x.findings);
            for roi in set.iter().flat_map(|x| &x.rois) {
                let about = format!("{} {}", s.file.path.rel(), roi.name);
                out.findings.extend(roi.findings.iter().filter_map(|r| finding(r, &about)));
            }
            out.sets.push(set);
        }
        for o in course.others.iter().filter(|o| Class::of(&o.sop_class_uid) == Class::Record) {
            let read = read_treatment_record(&cx.resolve(&o.file.path)?);
            if let Some(r) =
                out.keep(&format!("treatment record {}", o.file.path.rel()), &o.file, read, |x| &x.findings)
            {
                out.records.push((o.file.clone(), r));
            }
        }
        let here: BTreeSet<&str> = course.plans.iter().map(|p| p.file.sop_instance_uid.as_str()).collect();
        for d in &course.doses {
            let read = read_dose(&cx.resolve(&d.file.path)?);
            let reason = read.as_ref().err().map(|e| plain(&d.file, e));
            let dose = out.keep(&format!("dose {}", d.file.path.rel()), &d.file, read, |x| &x.findings);
            let grid = dose.as_ref().and_then(|x| x.grid.as_ref()).filter(|g| !g.values.is_empty());
            out.grids.push(dose.as_ref().zip(grid).map(|(x, g)| grid_facts(x, g)));
            out.doses.push(DoseInfo {
                file: d.file.clone(),
                summation: d.summation.trim().to_ascii_uppercase(),
                units: d.units.clone(),
                dose_type: d.dose_type.trim().to_ascii_uppercase(),
                frame: d.frame_of_reference_uid.clone(),
                plans: d.plan_uids.clone(),
                plans_here: d.plan_uids.iter().all(|u| here.contains(u.as_str())),
                groups: dose.as_ref().map_or_else(Vec::new, |x| x.referenced_fraction_groups.clone()),
                beams: dose.as_ref().map_or_else(Vec::new, |x| x.referenced_beams.clone()),
                max: out.grids.last().and_then(Option::as_ref).map_or(f64::NAN, |g| g.range[1]),
                signature: grid.map(signature).unwrap_or_default(),
                problem: problem(dose.as_ref(), reason),
            });
        }
        Ok(out)
    }

    fn keep<T>(
        &mut self,
        part: &str,
        file: &CourseFile,
        read: Result<T, ReadError>,
        remarks: impl Fn(&T) -> &[Remark],
    ) -> Option<T> {
        match read {
            Ok(v) => {
                self.findings.extend(remarks(&v).iter().filter_map(|r| finding(r, file.path.rel())));
                Some(v)
            }
            Err(e) => {
                let error = UnitError::data(plain(file, &e)).hint("export the file again, or leave it out");
                self.failures.push(PartFailure { part: part.to_owned(), error });
                None
            }
        }
    }

    /// What resolution needs of the plans, in the order of the course; plans that could not be read are left out.
    pub(super) fn plan_infos(&self, course: &Course) -> Vec<PlanInfo> {
        let any_records = !self.records.is_empty();
        course
            .plans
            .iter()
            .zip(&self.plans)
            .filter_map(|(p, plan)| {
                plan.as_ref().map(|plan| {
                    let sessions: BTreeSet<(Option<String>, Option<i64>)> = self
                        .records
                        .iter()
                        .filter(|(_, r)| r.referenced_plans.contains(&p.file.sop_instance_uid))
                        .map(|(_, r)| (r.date.clone(), r.fraction_number))
                        .collect();
                    let text =
                        [&plan.label, &plan.name, &plan.description].into_iter().flatten().cloned().collect::<Vec<_>>();
                    PlanInfo {
                        uid: p.file.sop_instance_uid.clone(),
                        label: p.label.clone(),
                        text: text.join(" "),
                        date: p.date.clone(),
                        approval: p.approval.trim().to_owned(),
                        groups: groups(plan),
                        rx: prescription(plan),
                        brachy: plan.is_brachy,
                        ion: plan.is_ion,
                        delivered: any_records.then_some(sessions.len()),
                    }
                })
            })
            .collect()
    }
}

/// Remarks that other findings of the course say better.
const SAID_ELSEWHERE: [&str; 5] =
    ["degenerate_contour", "dose_units", "implausible_dose", "no_contours", "no_dose_grid"];
/// Remarks after which something of the file is missing.
const LOSSES: [&str; 8] = [
    "bad_coordinate",
    "bad_dvh",
    "bad_number",
    "bad_sequence",
    "contour_without_data",
    "long_value",
    "missing_delimiter",
    "no_roi_number",
];

/// A remark of a reader as a finding of the course.
fn finding(r: &Remark, subject: &str) -> Option<Finding> {
    if SAID_ELSEWHERE.contains(&r.code.as_str()) {
        return None;
    }
    let (level, meaning) = if LOSSES.contains(&r.code.as_str()) {
        (Level::Caution, "That part of the file could not be read: what it held is missing from the numbers.")
    } else {
        (Level::Note, "The file was read all the same.")
    };
    Some(Finding::new(level, &format!("file.{}", r.code), sentence(&r.text), meaning).about(subject))
}

/// The text with a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |c| format!("{}{}.", c.to_uppercase(), letters.as_str()))
}

fn groups(plan: &Plan) -> Vec<(Option<i64>, Option<u32>, Vec<i64>)> {
    let treats =
        |n: i64| plan.beams.iter().find(|b| b.number == Some(n)).is_none_or(rtpipeline_dicom::rtplan::Beam::treats);
    plan.fraction_groups
        .iter()
        .map(|g| {
            let beams = g.beams.iter().filter_map(|b| b.number).filter(|&n| treats(n)).collect();
            (g.number, g.fractions_planned.and_then(|n| u32::try_from(n).ok()), beams)
        })
        .collect()
}

/// The prescription of a plan, in the type of the course.
pub(super) fn prescription(plan: &Plan) -> Option<Prescription> {
    Prescription::of_plan(plan)
}

/// The reader's message with the path as it is in the input folder.
fn plain(file: &CourseFile, error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    match text.split_once(file.path.rel()) {
        Some((_, rest)) => format!("{}{rest}", file.path.rel()),
        None => format!("{}: {text}", file.path.rel()),
    }
}

fn problem(dose: Option<&Dose>, unreadable: Option<String>) -> Option<String> {
    let Some(dose) = dose else { return Some(unreadable.unwrap_or_else(|| "it cannot be read".to_owned())) };
    let summation = dose.summation_type.as_deref().unwrap_or("").trim().to_ascii_uppercase();
    if dose.grid.as_ref().is_none_or(|g| g.values.is_empty()) {
        return Some("it has no dose grid".to_owned());
    }
    match dose.units {
        DoseUnits::Relative => return Some("its units are RELATIVE and no reference dose is stated".to_owned()),
        DoseUnits::Unknown => return Some("it does not state its units".to_owned()),
        DoseUnits::Gy => {}
    }
    if dose.dose_type.as_deref().is_some_and(|t| t.trim().eq_ignore_ascii_case("ERROR")) {
        return Some("it is a dose difference (Dose Type ERROR)".to_owned());
    }
    let known = ["", "PLAN", "MULTI_PLAN", "PLAN_SUM", "FRACTION", "FRACTION_SESSION", "BEAM", "BRACHY"];
    (!known.contains(&summation.as_str()))
        .then(|| format!("its Dose Summation Type {summation} is no dose of a plan, a fraction or a beam"))
}

fn norm(v: [f64; 3]) -> f64 {
    v.iter().map(|c| c * c).sum::<f64>().sqrt()
}

fn grid_facts(dose: &Dose, g: &DoseGrid) -> GridFacts {
    let (planes, rows, columns) = g.values.dim();
    let n = g.values.len() as f64;
    let (low, high, sum) = g
        .values
        .iter()
        .map(|&v| f64::from(v))
        .fold((f64::INFINITY, f64::NEG_INFINITY, 0.0), |(l, h, s), v| (l.min(v), h.max(v), s + v));
    let step = match (g.offsets.first(), g.offsets.last()) {
        (Some(a), Some(b)) if g.offsets.len() > 1 => (b - a) / (g.offsets.len() - 1) as f64,
        _ => 0.0,
    };
    GridFacts {
        size: [columns, rows, planes],
        spacing: [norm(g.row_step), norm(g.col_step), step],
        origin: g.origin,
        offsets: g.offsets.clone(),
        range: [low, high, sum / n],
        scaling: dose.scaling,
    }
}

fn signature(g: &DoseGrid) -> Signature {
    let (planes, rows, columns) = g.values.dim();
    let mut geometry = vec![planes as f64, rows as f64, columns as f64];
    geometry.extend(g.origin.iter().chain(&g.row_step).chain(&g.col_step).chain(&g.normal).chain(&g.offsets));
    let every = (g.values.len() / 4096).max(1);
    Signature { geometry, samples: g.values.iter().step_by(every).map(|&v| f64::from(v)).collect() }
}
