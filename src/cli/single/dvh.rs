//! `dvh`: metrics and curves of one structure set under one dose.

use super::super::args::DvhArgs;
use super::super::exit::{Exit, Failure};
use super::show::{aligned, check_table_name, number, save};
use crate::course::{
    Course, CourseFile, CourseManifest, DoseComponent, DoseObject, DvhArtefact, LinkKind, PlanObject, Prescription,
    ResolvedDose, StructureSetObject, contour_stack, curve_points, curve_row,
};
use crate::records::{self, Row};
use crate::stages::dvh::{Case, CourseDose, structure_rows};
use crate::stages::structures::manual::structure;
use crate::ui::Printer;
use rayon::prelude::*;
use rtpipeline_dicom::rtdose::{Dose, read_dose};
use rtpipeline_dicom::rtplan::{Plan, read_plan};
use rtpipeline_dicom::rtstruct::{StructureSet, read_structure_set};
use rtpipeline_engine::{RootedPath, UnitError};
use std::path::Path;

/// `rtpipeline dvh`.
pub(in crate::cli) fn dvh(args: &DvhArgs) -> Result<Exit, Failure> {
    if let Some(out) = &args.out {
        check_table_name(out, &["csv", "parquet", "xlsx"])?;
    }
    if let Some(curves) = &args.curves {
        check_table_name(curves, &["csv", "parquet"])?;
    }
    let stdout = |p: &Option<std::path::PathBuf>| p.as_ref().is_some_and(|p| p.as_os_str() == "-");
    if stdout(&args.out) && stdout(&args.curves) {
        return Err(
            Failure::usage("--out and --curves cannot both be standard output").hint("give one of them a file name")
        );
    }
    let settings = super::super::run::load(&args.sources, &[])?.settings.dvh;
    let set = read_structure_set(&args.rtstruct)
        .map_err(|e| Failure::input(e.to_string()).hint("the first argument is the RT structure set"))?;
    let dose = read_dose(&args.rtdose)
        .map_err(|e| Failure::input(e.to_string()).hint("the second argument is the RT dose"))?;
    let grid = dose.gy_grid().map_err(|e| Failure::input(e.to_string()))?.clone();
    let plan = args.plan.as_deref().map(read_plan).transpose().map_err(|e| {
        Failure::input(e.to_string()).hint("--plan takes the RT plan whose prescription relative metrics refer to")
    })?;
    let printer = Printer::default();
    remarks(&printer, &set, &dose, plan.as_ref());
    let manifest = manifest(args, &set, &dose, plan.as_ref())?;
    let case = Case { patient_id: &set.patient_id, course_id: "single", manifest: &manifest, settings: &settings };
    let result = rows(&case, &set, &manifest, &dose, &grid);
    for f in &result.findings {
        let named = f.subject.is_empty() || f.what.contains(&f.subject);
        let about = if named { String::new() } else { format!("{}: ", f.subject) };
        printer.warn(&format!("{about}{} {}", f.what, f.meaning));
    }
    if let Some(curves) = &args.curves {
        let points: Vec<Row> =
            result.curves.iter().flat_map(|c| curve_points(&curve_row(case.patient_id, case.course_id, c))).collect();
        save(curves, &records::dvh_curves(), points)?;
    }
    match &args.out {
        Some(out) => {
            let count = result.rows.len();
            save(out, &records::dvh_metrics(), result.rows)?;
            if !stdout(&args.out) {
                printer.status("Wrote", &format!("{count} rows to {}", out.display()));
            }
        }
        None if stdout(&args.curves) => {}
        None => {
            super::super::print_bytes(table(&result.rows, manifest.resolved_doses.first()).as_bytes())?;
        }
    }
    Ok(Exit::Done)
}

/// Rows of all structures, in the order of the file; structures side by side, each by itself.
fn rows(
    case: &Case<'_>,
    set: &StructureSet,
    manifest: &CourseManifest,
    dose: &Dose,
    grid: &rtpipeline_geometry::DoseGrid,
) -> DvhArtefact {
    let file = &manifest.course.structure_sets[0].file.path;
    let doses: Vec<CourseDose<'_>> = manifest
        .resolved_doses
        .iter()
        .map(|d| CourseDose { dose: d, grid: Ok(grid.clone()), own: Some(dose.clone()) })
        .collect();
    let options = case.stack_options();
    let parts: Vec<DvhArtefact> = set
        .rois
        .par_iter()
        .map(|roi| {
            let mut part = DvhArtefact::default();
            match structure(roi, file, None, &set.sop_instance_uid) {
                Ok(s) => {
                    let stack = contour_stack(&roi.contours, &options).map_err(|e| UnitError::data(e.to_string()));
                    structure_rows(case, &s, stack, &doses, &mut part);
                }
                Err(reason) => part.findings.push(
                    crate::course::Finding::new(
                        crate::course::Level::Error,
                        "structures.not_read",
                        format!("The structure cannot be used: {reason}."),
                        "It has no row.",
                    )
                    .about(roi.name.clone()),
                ),
            }
            part
        })
        .collect();
    let mut all = DvhArtefact::default();
    for p in parts {
        all.rows.extend(p.rows);
        all.curves.extend(p.curves);
        all.findings.extend(p.findings);
    }
    all
}

/// What the objects say about each other that the numbers depend on.
fn remarks(printer: &Printer, set: &StructureSet, dose: &Dose, plan: Option<&Plan>) {
    for f in &dose.findings {
        printer.warn(&format!("dose: {}", f.text));
    }
    for f in &set.findings {
        printer.warn(&format!("structure set: {}", f.text));
    }
    if let Some(p) = plan {
        if !dose.referenced_plans.is_empty() && !dose.referenced_plans.contains(&p.sop_instance_uid) {
            printer.warn("the dose refers to another plan than the one given; its prescription is used all the same");
        }
        if p.prescription().is_none() {
            printer.warn("the plan states no prescription; relative metrics are empty");
        }
    }
    if set.patient_id != dose.patient_id {
        printer.warn("structure set and dose have different Patient IDs");
    }
}

/// The case as a course of three objects, which the rows are made from.
fn manifest(args: &DvhArgs, set: &StructureSet, dose: &Dose, plan: Option<&Plan>) -> Result<CourseManifest, Failure> {
    let text = |t: &Option<String>| t.clone().unwrap_or_default();
    let plan_file = args.plan.as_deref().zip(plan).map(|(p, x)| file(p, &x.sop_instance_uid)).transpose()?;
    let resolved = ResolvedDose {
        id: "dose".to_owned(),
        label: plan.and_then(|p| p.label.clone()).unwrap_or_else(|| "Dose".to_owned()),
        resolution: if plan.is_some() { "plan_dose" } else { "single_unlinked_dose" }.to_owned(),
        reason: "Given on the command line.".to_owned(),
        components: vec![DoseComponent { file: file(&args.rtdose, &dose.sop_instance_uid)?, weight: 1.0 }],
        plan_uids: plan.map_or_else(|| dose.referenced_plans.clone(), |p| vec![p.sop_instance_uid.clone()]),
        frame_of_reference_uid: dose.frame_of_reference_uid.clone(),
        prescription: plan.and_then(Prescription::of_plan),
    };
    let course = Course {
        patient_id: set.patient_id.clone(),
        course_id: "single".to_owned(),
        structure_sets: vec![StructureSetObject {
            file: file(&args.rtstruct, &set.sop_instance_uid)?,
            label: text(&set.label),
            date: text(&set.date),
            frame_of_reference_uid: set.frames_of_reference.first().cloned().unwrap_or_default(),
            image_id: None,
            image_link: LinkKind::None,
            referenced_by_plan: plan.is_some_and(|p| p.referenced_structure_sets.contains(&set.sop_instance_uid)),
            used: true,
            reason: "given on the command line".to_owned(),
        }],
        plans: plan_file
            .zip(plan)
            .map(|(file, p)| PlanObject {
                file,
                label: text(&p.label),
                date: text(&p.date),
                approval: text(&p.approval_status),
                intent: text(&p.intent),
                structure_set_uid: p.referenced_structure_sets.first().cloned(),
                structure_set_link: LinkKind::None,
                technique: if p.is_brachy {
                    "brachy"
                } else if p.is_ion {
                    "ion"
                } else {
                    "photon"
                }
                .to_owned(),
            })
            .into_iter()
            .collect(),
        doses: vec![DoseObject {
            file: file(&args.rtdose, &dose.sop_instance_uid)?,
            summation: text(&dose.summation_type),
            units: "GY".to_owned(),
            dose_type: text(&dose.dose_type),
            frame_of_reference_uid: dose.frame_of_reference_uid.clone(),
            plan_uids: dose.referenced_plans.clone(),
            plan_link: LinkKind::None,
            used: true,
            reason: "given on the command line".to_owned(),
        }],
        ..Course::default()
    };
    Ok(CourseManifest {
        dose_resolution: resolved.resolution.clone(),
        dose_resolution_reason: resolved.reason.clone(),
        resolved_doses: vec![resolved],
        course,
        ..CourseManifest::default()
    })
}

/// The file by its name alone: rows hold no absolute path.
fn file(path: &Path, uid: &str) -> Result<CourseFile, Failure> {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let path = RootedPath::new("in", name).map_err(|e| Failure::usage(e.to_string()))?;
    Ok(CourseFile { path, sop_instance_uid: uid.to_owned() })
}

/// Headline metrics for reading.
fn table(rows: &[Row], dose: Option<&ResolvedDose>) -> String {
    let rx = dose.and_then(|d| d.prescription.as_ref());
    let mut columns = vec![
        ("cm³", "Volume (cm³)", 3),
        ("Dmean", "DmeanGy", 3),
        ("Dmin", "DminGy", 3),
        ("Dmax", "DmaxGy", 3),
        ("D98", "D98Gy", 3),
        ("D95", "D95Gy", 3),
        ("D50", "D50Gy", 3),
        ("D2", "D2Gy", 3),
        ("D0.03cc", "D0.03ccGy", 3),
        ("D2cc", "D2ccGy", 3),
    ];
    if rx.is_some() {
        columns.push(("D95 %Rx", "D95%", 1));
        columns.push(("V95%Rx %", "V95%Rx (%)", 1));
    }
    columns.push(("covered %", "dose_coverage (%)", 1));
    let mut heads = vec![("number", true), ("structure", false)];
    heads.extend(columns.iter().map(|c| (c.0, true)));
    heads.push(("status", false));
    let words = |r: &Row, key: &str| r.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
    let line = |r: &Row| {
        let mut cells = vec![r.get("ROI_Number").map(ToString::to_string).unwrap_or_default(), words(r, "ROI_Name")];
        cells.extend(columns.iter().map(|c| number(r.get(c.1).and_then(serde_json::Value::as_f64), c.2)));
        let reason = words(r, "Reason");
        cells.push(if reason.is_empty() { words(r, "Status") } else { format!("{}: {reason}", words(r, "Status")) });
        cells
    };
    let mut text = match rx {
        Some(p) => format!("doses in Gy; prescription {} Gy ({})\n", p.total_gy, p.source),
        None => "doses in Gy\n".to_owned(),
    };
    text.push_str(&aligned(&heads, &rows.iter().map(line).collect::<Vec<_>>()));
    text
}
