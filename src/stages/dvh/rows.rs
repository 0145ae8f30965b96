//! Rows of `dvh_metrics`: the original's columns, ours beside them.

use crate::course::{CourseManifest, DvhArtefact, ResolvedDose, Structure};
use crate::records::{DvhMetricsRow, Span, Texts};
use rtpipeline_geometry::PlaneStack;
use rtpipeline_geometry::dvh::Dvh;

/// What identifies a row.
pub(super) struct Key<'a> {
    pub(super) patient_id: &'a str,
    pub(super) course_id: &'a str,
    pub(super) structure: &'a Structure,
    pub(super) manifest: &'a CourseManifest,
}

fn base(key: &Key<'_>, dose: Option<&ResolvedDose>) -> DvhMetricsRow {
    let s = key.structure;
    let course = &key.manifest.course;
    let set = s
        .structure_set_uid
        .as_ref()
        .and_then(|uid| course.structure_sets.iter().find(|x| x.file.sop_instance_uid == *uid));
    let referenced: Texts = course.plans.iter().filter_map(|p| p.structure_set_uid.clone()).collect();
    let mut r = DvhMetricsRow {
        patient_id: key.patient_id.to_owned(),
        course_id: key.course_id.to_owned(),
        roi_number: Some(i64::from(s.number)),
        roi_name: Some(s.name.clone()),
        roi_original_name: Some(s.original_name.clone()),
        segmentation_source: Some(s.source.clone()),
        structure_cropped: Some(s.cropped),
        structure_partial: Some(!s.missing_parts.is_empty()),
        rtstruct_sop_instance_uid: s.structure_set_uid.clone(),
        rtstruct_path: Some(s.shape.file().to_string()),
        rtstruct_resolution: set.map(|x| if x.referenced_by_plan { "referenced_by_plan" } else { "chosen" }.to_owned()),
        rtstruct_resolution_reason: set.map(|x| x.reason.clone()),
        plan_rtstruct_uids: referenced,
        dose_resolution: Some(key.manifest.dose_resolution.clone()),
        dose_resolution_reason: Some(key.manifest.dose_resolution_reason.clone()),
        ..DvhMetricsRow::default()
    };
    let Some(d) = dose else { return r };
    let objects: Vec<_> =
        d.components.iter().filter_map(|c| course.doses.iter().find(|x| x.file.path == c.file.path)).collect();
    r.dose_id = Some(d.id.clone());
    r.dose_label = Some(d.label.clone());
    r.dose_resolution = Some(d.resolution.clone());
    r.dose_resolution_reason = Some(d.reason.clone());
    r.dose_type = objects.first().map(|o| o.dose_type.clone());
    r.dose_summation_type = match objects.as_slice() {
        [one] => Some(one.summation.clone()),
        _ => Some("derived sum".to_owned()),
    };
    if let [one] = d.components.as_slice() {
        r.dose_sop_instance_uid = Some(one.file.sop_instance_uid.clone()).filter(|u| !u.is_empty());
    }
    r.source_dose_sop_instance_uids = d.components.iter().map(|c| c.file.sop_instance_uid.clone()).collect();
    r.source_dose_summation_types = objects.iter().map(|o| o.summation.clone()).collect();
    r.source_plan_sop_instance_uids = d.plan_uids.iter().cloned().collect();
    r.rx_source = d.prescription.as_ref().map(|p| p.source.clone());
    r.rx_dose_gy = d.prescription.as_ref().map(|p| p.total_gy);
    r.rx_available = Some(d.prescription.is_some());
    r
}

/// Frame of reference of the structure's coordinates, empty when unknown.
pub(super) fn structure_frame(m: &CourseManifest, s: &Structure) -> String {
    let set = s.structure_set_uid.as_ref();
    let by_set = set.and_then(|uid| m.course.structure_sets.iter().find(|x| x.file.sop_instance_uid == *uid));
    let by_image = s.image_id.as_ref().and_then(|id| m.course.images.iter().find(|i| i.id == *id));
    by_set
        .map(|x| x.frame_of_reference_uid.clone())
        .or_else(|| by_image.map(|i| i.frame_of_reference_uid.clone()))
        .unwrap_or_default()
}

/// Rows for a structure that has no value, one per dose (one when there is no dose).
pub(super) fn without_value<'d>(
    key: &Key<'_>,
    doses: impl Iterator<Item = &'d ResolvedDose>,
    status: &str,
    reason: &str,
    result: &mut DvhArtefact,
) {
    let mut rows: Vec<DvhMetricsRow> = doses.map(|d| base(key, Some(d))).collect();
    if rows.is_empty() {
        rows.push(base(key, None));
    }
    for mut r in rows {
        r.status = Some(status.to_owned());
        r.reason = Some(reason.to_owned());
        result.rows.push(r.to_map());
    }
}

/// A row for a structure of a course without a dose.
pub(super) fn volume_only(key: &Key<'_>, stack: &PlaneStack, reason: &str) -> DvhMetricsRow {
    DvhMetricsRow {
        volume: Some(stack.volume_cc()),
        status: Some("no_dose".to_owned()),
        reason: Some(reason.to_owned()),
        ..base(key, None)
    }
}

/// All metrics of one structure under one dose.
pub(super) fn metrics(key: &Key<'_>, d: &ResolvedDose, stack: &PlaneStack, h: &Dvh) -> DvhMetricsRow {
    let rx = d.prescription.as_ref().map(|p| p.total_gy).filter(|v| *v > 0.0);
    let relative = |v: Option<f64>| v.zip(rx).map(|(v, rx)| 100.0 * v / rx);
    let at = |x: f64| h.dose_at_percent(x);
    let (d2, d50, d95, d98) = (at(2.0), at(50.0), at(95.0), at(98.0));
    let width = d2.zip(d98).map(|(a, b)| a - b);
    let spread = h.max.zip(h.min).map(|(a, b)| a - b);
    let has_dose = h.max.is_some();
    let cc = |gy: f64| has_dose.then(|| h.volume_at_dose_cc(gy));
    let percent = |gy: f64| h.volume_at_dose_percent(gy).filter(|_| has_dose);
    let level = |p: f64| rx.map(|rx| rx * p / 100.0);
    let flags = h.flags.iter().filter_map(|f| serde_json::to_value(f).ok()?.as_str().map(str::to_owned)).collect();
    DvhMetricsRow {
        mean: h.mean,
        max: h.max,
        min: h.min,
        d95,
        d98,
        d2,
        d50,
        hi: width.zip(d50).filter(|(_, m)| *m > 0.0).map(|(w, m)| w / m),
        spread,
        d1cc: h.dose_at_cc(1.0),
        d01cc: h.dose_at_cc(0.1),
        mean_pct: relative(h.mean),
        max_pct: relative(h.max),
        min_pct: relative(h.min),
        d95_pct: relative(d95),
        d98_pct: relative(d98),
        d2_pct: relative(d2),
        d50_pct: relative(d50),
        hi_pct: relative(width),
        spread_pct: relative(spread),
        volume: Some(h.volume_cc),
        integral_dose: h.integral_dose_gycc(),
        v95rx_cc: level(95.0).and_then(cc),
        v95rx_pct: level(95.0).and_then(percent),
        v100rx_cc: level(100.0).and_then(cc),
        v100rx_pct: level(100.0).and_then(percent),
        v_cc: Span::from_fn(|gy| cc(gy as f64)),
        v_pct: Span::from_fn(|gy| percent(gy as f64)),
        v_cc_high: Span::from_fn(|gy| cc(gy as f64)),
        v_pct_high: Span::from_fn(|gy| percent(gy as f64)),
        d2cc: h.dose_at_cc(2.0),
        d003cc: h.dose_at_cc(0.03),
        coverage: Some(100.0 * h.covered_fraction),
        dose_voxels: Some(h.dose_voxels as f64),
        dvh_method: Some(format!(
            "slabs of contour planes, half a spacing at ends, {}, trilinear dose, {} samples",
            match stack.rule {
                rtpipeline_geometry::FillRule::EvenOdd => "even-odd",
                rtpipeline_geometry::FillRule::Union => "union",
            },
            h.samples
        )),
        sampling_pitch_mm: Some(h.pitch_mm),
        flags,
        status: Some(if has_dose { "ok" } else { "outside_dose_grid" }.to_owned()),
        reason: (!has_dose).then(|| "the structure lies wholly outside the dose grid".to_owned()),
        ..base(key, Some(d))
    }
}
