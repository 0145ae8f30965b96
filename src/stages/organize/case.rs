//! `case_metadata`: one row per course, with the keys of the original and the right attributes behind them.

use super::objects::Objects;
use super::plans::{beam_geometry, beam_info, dose_grid, dose_references, metersets, technique, total_meterset};
use super::resolve::Resolution;
use crate::course::{Catalogue, Course, CourseFile, CoursePaths};
use crate::records::{CaseMetadataRow, FractionRow, JsonText, Row, Texts};
use rtpipeline_dicom::attributes::{Attributes, CtFacts, PatientFacts, read_attributes};
use rtpipeline_dicom::rtplan::Plan;
use rtpipeline_engine::{UnitContext, UnitError};
use serde_json::{Value, json};

/// What the row is made of.
pub(super) struct Case<'a> {
    pub(super) course: &'a Course,
    pub(super) paths: &'a CoursePaths,
    pub(super) objects: &'a Objects,
    pub(super) resolution: &'a Resolution,
    pub(super) catalogue: &'a Catalogue,
    pub(super) fractions: &'a [FractionRow],
    /// Root objects that were put in place.
    pub(super) plan: Option<usize>,
    pub(super) dose: Option<usize>,
    pub(super) set: Option<usize>,
    /// Course-relative names of `RP.dcm`, `RD.dcm`, `RS.dcm` that exist.
    pub(super) root: [Option<&'static str>; 3],
    pub(super) has_dicom: bool,
}

/// The attributes of a file; `None` when it cannot be read (that failure is told where the file is used).
fn read(cx: &UnitContext, file: Option<&CourseFile>) -> Result<Option<Attributes>, UnitError> {
    let Some(file) = file else { return Ok(None) };
    Ok(read_attributes(&cx.resolve(&file.path)?).ok())
}

/// The row, and its JSON form in which lists and tables are nested.
pub(super) fn build(cx: &UnitContext, case: &Case<'_>) -> Result<(Row, Value), UnitError> {
    let course = case.course;
    let image = course.images.iter().find(|i| i.planning).or_else(|| course.images.iter().find(|i| i.modality == "CT"));
    let ct = image.filter(|i| i.modality == "CT");
    let plan_file = case.plan.and_then(|i| course.plans.get(i)).map(|p| &p.file);
    let sources = [
        read(cx, plan_file)?,
        read(cx, case.set.and_then(|i| course.structure_sets.get(i)).map(|s| &s.file))?,
        read(cx, image.and_then(|i| i.files.first()))?,
        read(cx, case.dose.and_then(|i| course.doses.get(i)).map(|d| &d.file))?,
        read(cx, course.images.first().and_then(|i| i.files.first()))?,
    ];
    // What is said of the person may be in any of the objects; the plan's word counts first.
    let persons: Vec<PatientFacts> = sources.iter().flatten().map(PatientFacts::of).collect();
    let person = |of: fn(&PatientFacts) -> &Option<String>| persons.iter().find_map(|p| of(p).clone());
    let measure = |of: fn(&PatientFacts) -> Option<f64>| persons.iter().filter_map(of).find(|v| *v > 0.0);
    let scan = ct.and(sources[2].as_ref()).map(CtFacts::of).unwrap_or_default();
    let plan = case.plan.and_then(|i| case.objects.plans.get(i)).and_then(Option::as_ref);
    let head = case.resolution.doses.first();
    // Without a resolved dose the plan's prescription is that of the course only when there is one plan.
    let alone = plan.filter(|_| head.is_none() && course.plans.len() == 1);
    let rx = head.and_then(|d| d.prescription.clone()).or_else(|| alone.and_then(super::objects::prescription));
    let out = |rel: &str| case.paths.file(rel).to_string();
    let weight = measure(|p| p.weight_kg);
    let height = measure(|p| p.height_m);
    let birth = person(|p| &p.birth_date);
    let nested = plan.map(dose_references);
    let structures: Vec<&str> = case.catalogue.structures.iter().map(|s| s.name.as_str()).collect();
    let counts = counts(case.catalogue);
    let dose = case.dose.and_then(|i| course.doses.get(i));
    let related: Vec<String> = course.others.iter().map(|o| o.file.path.to_string()).collect();
    let nifti = |i: &crate::course::ImageObject| i.nifti.as_ref().map(ToString::to_string);
    let spacing = ct.and_then(|i| i.grid.as_ref()).map(rtpipeline_geometry::Grid::spacing);
    let lacks = lacks(case);
    let row = CaseMetadataRow {
        patient_id: course.patient_id.clone(),
        course_key: Some(course.course_key.clone()),
        course_id: course.course_id.clone(),
        rp_path: case.root[0].map(out),
        rd_path: case.root[1].map(out),
        rs_path: case.root[2].map(out),
        ct_dir: ct.filter(|_| case.has_dicom).map(|i| out(if i.id == "CT1" { "DICOM/CT" } else { "DICOM" })),
        primary_nifti: image.and_then(nifti),
        nifti_files: course.images.iter().filter_map(nifti).collect(),
        dicom_related_count: Some(related.len() as i64),
        dicom_related_files: related.into_iter().collect(),
        plan_sop_uid: plan_file.map(|f| f.sop_instance_uid.clone()),
        dose_sop_uid: dose.map(|d| d.file.sop_instance_uid.clone()),
        source_plan_uids: course.plans.iter().map(|p| p.file.sop_instance_uid.clone()).collect(),
        source_dose_uids: course.doses.iter().map(|d| d.file.sop_instance_uid.clone()).collect(),
        ct_study_uid: ct.map(|i| i.study_uid.clone()),
        plan_name: plan.and_then(|p| p.label.clone()),
        plan_date: plan.and_then(|p| p.date.clone()),
        plan_time: plan.and_then(|p| p.time.clone()),
        plan_intent: plan.and_then(|p| p.intent.clone()),
        approval: plan.and_then(|p| p.approval_status.clone()),
        approval_status_date: plan.and_then(|p| p.review_date.clone()),
        approval_status_time: plan.and_then(|p| p.review_time.clone()),
        review_date: plan.and_then(|p| p.review_date.clone()),
        review_time: plan.and_then(|p| p.review_time.clone()),
        reviewer_name: plan.and_then(|p| p.reviewer.clone()),
        planned_fractions: rx
            .as_ref()
            .and_then(|r| r.fractions)
            .map(i64::from)
            .or_else(|| alone.and_then(Plan::fractions)),
        total_prescription_gy: rx.as_ref().map(|r| r.total_gy),
        prescriptions: JsonText(nested.as_ref().map_or(Value::Null, |n| n.0.clone())),
        prescriptions_by_roi: JsonText(nested.map_or(Value::Null, |n| n.1)),
        beams_count: plan.map(|p| p.beams.iter().filter(|b| b.treats()).count() as i64),
        beam_energies: plan.map_or_else(Texts::default, energies),
        treatment_machine: plan.map(|p| p.machines.join("; ")).filter(|m| !m.is_empty()),
        beam_info: JsonText(plan.map_or(Value::Null, beam_info)),
        beam_geometry: JsonText(plan.map_or(Value::Null, beam_geometry)),
        technique_inferred: plan.map(|p| technique(p).to_owned()),
        total_meterset: plan.and_then(total_meterset),
        meterset_by_beam: JsonText(plan.map_or(Value::Null, |p| {
            let all: serde_json::Map<String, Value> = metersets(p)
                .into_iter()
                .map(|(n, m)| (n.map_or_else(|| "?".to_owned(), |n| n.to_string()), json!(m)))
                .collect();
            if all.is_empty() { Value::Null } else { Value::Object(all) }
        })),
        course_start_date: case.fractions.iter().filter_map(|f| f.treatment_date.clone()).min(),
        course_end_date: case.fractions.iter().filter_map(|f| f.treatment_date.clone()).max(),
        fractions_count: (!case.fractions.is_empty()).then_some(case.fractions.len() as i64),
        dose_units: dose.map(|d| d.units.clone()).filter(|u| !u.is_empty()),
        dose_type: dose.map(|d| d.dose_type.clone()).filter(|u| !u.is_empty()),
        dose_grid: JsonText(case.dose.map_or(Value::Null, |i| dose_grid(course, case.objects, i))),
        dose_resolution: Some(case.resolution.word.clone()),
        dose_resolution_reason: Some(case.resolution.reason.clone()),
        ct_manufacturer: scan.manufacturer,
        ct_model: scan.model,
        ct_institution: scan.institution,
        ct_kvp: scan.kvp,
        ct_convolution_kernel: scan.convolution_kernel,
        ct_reconstruction_algorithm: scan.reconstruction_algorithm,
        ct_slice_thickness: scan.slice_thickness,
        ct_slice_increment: spacing.map(|s| s[2]),
        ct_tube_current: scan.tube_current_ma,
        ct_pitch_factor: scan.pitch_factor,
        ct_rotation_time: scan.rotation_time_s,
        ct_matrix_size: scan.rows.zip(scan.columns).map(|(r, c)| format!("{r}x{c}")),
        ct_field_of_view: scan.field_of_view_mm,
        ct_pixel_spacing: scan.pixel_spacing.map(|[r, c]| format!("{r}\\{c}")),
        ct_contrast_agent: scan.contrast_agent,
        ct_contrast_flow_rate: scan.contrast_flow_rate,
        ct_contrast_total_volume: scan.contrast_total_volume,
        ct_contrast_phase: scan.contrast_route,
        patient_name: person(|p| &p.name),
        patient_sex: person(|p| &p.sex),
        patient_age_at_plan: plan.and_then(|p| p.date.as_deref()).and_then(|d| age(birth.as_deref()?, d)),
        patient_birth_date: birth,
        patient_weight: weight,
        patient_height: height,
        patient_bmi: weight.zip(height).map(|(w, h)| w / (h * h)),
        physicians_of_record: person(|p| &p.physicians_of_record),
        referring_physician: person(|p| &p.referring_physician),
        performing_physician: person(|p| &p.performing_physician),
        operators_name: person(|p| &p.operators_name),
        structures: structures.iter().copied().collect(),
        roi_count: Some(structures.len() as i64),
        ptv_count: Some(counts[0]),
        ctv_count: Some(counts[1]),
        oar_count: Some(counts[2]),
        status: Some(if lacks.is_empty() { "ok".to_owned() } else { format!("no {}", lacks.join(", ")) }),
        ..CaseMetadataRow::default()
    };
    let json = nested_form(&row);
    Ok((row.to_map(), json))
}

/// The same keys with lists and nested values as such.
fn nested_form(row: &CaseMetadataRow) -> Value {
    let mut map = row.to_map();
    for (key, value) in [
        ("prescriptions", &row.prescriptions),
        ("prescriptions_by_roi", &row.prescriptions_by_roi),
        ("beam_info", &row.beam_info),
        ("beam_geometry", &row.beam_geometry),
        ("meterset_by_beam", &row.meterset_by_beam),
        ("dose_grid", &row.dose_grid),
    ] {
        map.insert(key.to_owned(), value.0.clone());
    }
    for (key, value) in [
        ("nifti_files", &row.nifti_files),
        ("dicom_related_files", &row.dicom_related_files),
        ("source_plan_uids", &row.source_plan_uids),
        ("source_dose_uids", &row.source_dose_uids),
        ("beam_energies", &row.beam_energies),
        ("structures", &row.structures),
    ] {
        map.insert(key.to_owned(), json!(value.0));
    }
    Value::Object(map)
}

fn energies(plan: &Plan) -> Texts {
    let mut all: Vec<f64> = plan.beams.iter().filter(|b| b.treats()).flat_map(|b| b.energies.iter().copied()).collect();
    all.sort_by(f64::total_cmp);
    all.dedup();
    all.iter().map(ToString::to_string).collect()
}

/// PTVs, CTVs and organs at risk: by interpreted type, else by the beginning of the name.
fn counts(catalogue: &Catalogue) -> [i64; 3] {
    let mut out = [0; 3];
    for s in &catalogue.structures {
        let name = s.name.trim().to_uppercase();
        let kind = s.interpreted_type.trim().to_uppercase();
        let target = ["GTV", "ITV", "BODY", "EXTERNAL", "COUCH", "TABLE", "SUPPORT", "RING", "DOSE_REGION"];
        if kind == "PTV" || name.starts_with("PTV") {
            out[0] += 1;
        } else if kind == "CTV" || name.starts_with("CTV") {
            out[1] += 1;
        } else if kind == "ORGAN"
            || kind == "AVOIDANCE"
            || (kind.is_empty() && !target.iter().any(|t| name.starts_with(t)) && s.contour_count.unwrap_or(1) > 0)
        {
            out[2] += 1;
        }
    }
    out
}

fn lacks(case: &Case<'_>) -> Vec<&'static str> {
    let c = case.course;
    [
        (c.images.iter().all(|i| i.nifti.is_none()), "image"),
        (case.catalogue.structures.is_empty(), "structures"),
        (c.plans.is_empty(), "plan"),
        (case.resolution.doses.is_empty(), "dose"),
    ]
    .into_iter()
    .filter_map(|(lacking, what)| lacking.then_some(what))
    .collect()
}

/// Age in years, to two decimals.
fn age(birth: &str, at: &str) -> Option<f64> {
    let parts = |t: &str| -> Option<[f64; 3]> {
        let t: String = t.chars().filter(char::is_ascii_digit).collect();
        Some([t.get(..4)?.parse().ok()?, t.get(4..6)?.parse().ok()?, t.get(6..8)?.parse().ok()?])
    };
    let years = |[y, m, d]: [f64; 3]| y + (m - 1.0) / 12.0 + (d - 1.0) / 365.25;
    let a = years(parts(at)?) - years(parts(birth)?);
    (0.0..130.0).contains(&a).then(|| (a * 100.0).round() / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_in_years() {
        assert_eq!(age("19600115", "20240115"), Some(64.0));
        assert_eq!(age("19600715", "20240115"), Some(63.5));
        assert_eq!(age("", "20240115"), None);
        assert_eq!(age("20300101", "20240115"), None);
    }
}
