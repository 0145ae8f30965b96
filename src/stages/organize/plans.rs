//! Rows of plans and doses, and what case metadata say of a plan.

use super::objects::{GridFacts, Objects, prescription};
use super::resolve::Resolution;
use super::structures::link_word;
use crate::course::{Course, DoseObject, ImageObject, PlanObject};
use crate::records::{DoseRow, PlanRow};
use rtpipeline_dicom::rtplan::{Beam, Plan};
use serde_json::{Map, Value, json};

fn text(t: &str) -> Option<String> {
    (!t.is_empty()).then(|| t.to_owned())
}

/// Image of the course on which a plan was made: that of its structure set, else the planning image.
fn image_of<'a>(course: &'a Course, plan: &PlanObject) -> Option<&'a ImageObject> {
    let set = course.structure_sets.iter().find(|s| Some(&s.file.sop_instance_uid) == plan.structure_set_uid.as_ref());
    let id = set.and_then(|s| s.image_id.as_ref());
    course.images.iter().find(|i| Some(&i.id) == id).or_else(|| course.images.iter().find(|i| i.planning))
}

/// Row of the table `plans`.
pub(super) fn plan_row(course: &Course, object: &PlanObject, plan: Option<&Plan>, resolution: &Resolution) -> PlanRow {
    let image = image_of(course, object);
    let rx = plan.and_then(prescription);
    let behind = resolution.doses.first().is_some_and(|d| d.plan_uids.contains(&object.file.sop_instance_uid));
    let reason = match (plan, behind) {
        (None, _) => "it cannot be read",
        (_, true) => "the dose of the course is its dose, or holds it",
        (_, false) => "the dose of the course does not rest on it",
    };
    PlanRow {
        file_path: Some(object.file.path.to_string()),
        plan_name: text(&object.label),
        plan_date: text(&object.date),
        reference_dose_name: plan.and_then(|p| p.dose_references.first()).and_then(|d| d.description.clone()),
        approval: text(&object.approval),
        ct_series: image.and_then(|i| text(&i.series_uid)),
        ct_study: image.and_then(|i| text(&i.study_uid)),
        patient_id: course.patient_id.clone(),
        patient_dob: None,
        patient_gender: None,
        course_id: course.course_id.clone(),
        plan_sop_instance_uid: text(&object.file.sop_instance_uid),
        modality: Some("RTPLAN".to_owned()),
        plan_intent: text(&object.intent),
        plan_geometry: plan.and_then(|p| p.geometry.clone()),
        technique: plan.map_or_else(|| text(&object.technique), |p| Some(technique(p).to_owned())),
        fractions: plan.and_then(Plan::fractions),
        prescription: rx.as_ref().map(|r| r.total_gy),
        rx_source: rx.map(|r| r.source),
        beams: plan.map(|p| p.beams.iter().filter(|b| b.treats()).count() as i64),
        meterset: plan.and_then(total_meterset),
        machine: plan.and_then(|p| text(&p.machines.join("; "))),
        structure_set_uid: object.structure_set_uid.clone(),
        structure_set_link: Some(link_word(object.structure_set_link).to_owned()),
        used: Some(behind),
        reason: Some(reason.to_owned()),
    }
}

/// Row of the table `doses`.
pub(super) fn dose_row(course: &Course, object: &DoseObject, grid: Option<&GridFacts>) -> DoseRow {
    let image = course.images.iter().find(|i| i.planning);
    let gy = object.units.trim().eq_ignore_ascii_case("GY");
    DoseRow {
        file_path: Some(object.file.path.to_string()),
        ct_series: image.and_then(|i| text(&i.series_uid)),
        ct_study: image.and_then(|i| text(&i.study_uid)),
        plan_id: object.plan_uids.iter().cloned().collect(),
        patient_id: course.patient_id.clone(),
        course_id: course.course_id.clone(),
        dose_sop_instance_uid: text(&object.file.sop_instance_uid),
        plan_link: Some(link_word(object.plan_link).to_owned()),
        dose_summation_type: text(&object.summation),
        dose_units: text(&object.units),
        dose_type: text(&object.dose_type),
        frame_of_reference_uid: text(&object.frame_of_reference_uid),
        grid_size: grid.map(|g| format!("{}x{}x{}", g.size[0], g.size[1], g.size[2])),
        grid_spacing: grid.map(|g| g.spacing.map(super::short).join(" x ")),
        max_dose: grid.filter(|_| gy).map(|g| g.range[1]),
        used: Some(object.used),
        reason: text(&object.reason),
    }
}

/// Technique as the control points show it.
pub(super) fn technique(plan: &Plan) -> &'static str {
    let mut beams = plan.beams.iter().filter(|b| b.treats()).peekable();
    if plan.is_brachy {
        "BRACHY"
    } else if plan.is_ion {
        "ION"
    } else if beams.peek().is_none() {
        "UNKNOWN"
    } else if beams.any(Beam::is_arc) {
        "VMAT/ARC"
    } else {
        "STATIC/IMRT"
    }
}

/// Metersets of the treating beams for one fraction, from the fraction groups.
pub(super) fn metersets(plan: &Plan) -> Vec<(Option<i64>, f64)> {
    let treats =
        |n: Option<i64>| plan.beams.iter().find(|b| b.number.is_some() && b.number == n).is_none_or(Beam::treats);
    let beams = plan.fraction_groups.iter().flat_map(|g| &g.beams);
    beams.filter(|b| treats(b.number)).filter_map(|b| Some((b.number, b.meterset?))).collect()
}

/// Sum of [`metersets`].
pub(super) fn total_meterset(plan: &Plan) -> Option<f64> {
    let all = metersets(plan);
    (!all.is_empty()).then(|| all.iter().map(|m| m.1).sum())
}

/// `beam_info` of the original.
pub(super) fn beam_info(plan: &Plan) -> Value {
    let all = metersets(plan);
    let one = |b: &Beam| {
        let meterset = all.iter().find(|m| m.0.is_some() && m.0 == b.number).map(|m| m.1);
        json!({
            "BeamNumber": b.number, "BeamName": b.name, "BeamType": b.beam_type, "RadiationType": b.radiation_type,
            "NominalBeamEnergy": b.energies.first(), "NumberOfControlPoints": b.control_points,
            "GantrySpan": b.gantry_span, "IsArc": b.is_arc(), "BeamMeterset": meterset,
        })
    };
    if plan.beams.is_empty() { Value::Null } else { plan.beams.iter().filter(|b| b.treats()).map(one).collect() }
}

/// `beam_geometry` of the original: statistics of gantry, collimator and couch angles.
pub(super) fn beam_geometry(plan: &Plan) -> Value {
    let of = |angles: &dyn Fn(&Beam) -> &Vec<f64>| -> Value {
        let all: Vec<f64> = plan.beams.iter().filter(|b| b.treats()).flat_map(|b| angles(b).iter().copied()).collect();
        if all.is_empty() {
            return Value::Null;
        }
        let n = all.len() as f64;
        let mean = all.iter().sum::<f64>() / n;
        let std = (all.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / n).sqrt();
        let mut unique = all.clone();
        unique.sort_by(f64::total_cmp);
        unique.dedup();
        json!({ "mean": mean, "std": std, "min": unique.first(), "max": unique.last(), "unique": unique.len() })
    };
    if plan.beams.is_empty() {
        return Value::Null;
    }
    json!({
        "gantry": of(&|b| &b.gantry_angles), "collimator": of(&|b| &b.collimator_angles),
        "couch": of(&|b| &b.couch_angles), "technique_inferred": technique(plan),
    })
}

/// Every dose reference, and those that name a structure.
pub(super) fn dose_references(plan: &Plan) -> (Value, Value) {
    let one = |d: &rtpipeline_dicom::rtplan::DoseReference| {
        let mut m = Map::new();
        m.insert("number".into(), json!(d.number));
        m.insert("type".into(), json!(d.dose_type));
        m.insert("structure_type".into(), json!(d.structure_type));
        m.insert("description".into(), json!(d.description));
        m.insert("roi_number".into(), json!(d.roi_number));
        m.insert("target_prescription_gy".into(), json!(d.target_prescription));
        m.insert("target_minimum_gy".into(), json!(d.target_minimum));
        m.insert("target_maximum_gy".into(), json!(d.target_maximum));
        m.insert("organ_maximum_gy".into(), json!(d.organ_maximum));
        m.retain(|_, v| !v.is_null());
        Value::Object(m)
    };
    let list = |all: Vec<Value>| if all.is_empty() { Value::Null } else { Value::Array(all) };
    (
        list(plan.dose_references.iter().map(one).collect()),
        list(plan.dose_references.iter().filter(|d| d.roi_number.is_some()).map(one).collect()),
    )
}

/// `dose_grid` of the original.
pub(super) fn dose_grid(course: &Course, objects: &Objects, at: usize) -> Value {
    let (Some(d), Some(Some(g))) = (course.doses.get(at), objects.grids.get(at)) else { return Value::Null };
    json!({
        "DoseSummationType": d.summation, "Rows": g.size[1], "Columns": g.size[0], "NumberOfFrames": g.size[2],
        "PixelSpacing": [g.spacing[1], g.spacing[0]], "ImagePositionPatient": g.origin,
        "GridFrameOffsetVector": g.offsets, "DoseGridScaling": g.scaling,
        "DoseStats": { "minGy": g.range[0], "maxGy": g.range[1], "meanGy": g.range[2] },
    })
}
