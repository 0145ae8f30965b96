//! What the dvh stage leaves for pages and quality control.

use super::Finding;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `metadata/dvh.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DvhArtefact {
    /// Rows of `dvh_metrics`.
    pub rows: Vec<Map<String, Value>>,
    /// One curve per structure and dose.
    pub curves: Vec<DvhCurve>,
    /// What the stage had to say.
    pub findings: Vec<Finding>,
}

/// A cumulative DVH.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DvhCurve {
    /// Resolved dose ([`super::ResolvedDose::id`]).
    pub dose_id: String,
    /// Number within the source.
    pub roi_number: i32,
    /// Name.
    pub roi_name: String,
    /// `Segmentation_Source`.
    pub source: String,
    /// Volume that has a dose, cm³ (100 % of the curve).
    pub volume_cc: f64,
    /// Step of the dose axis, Gy; the first point is at 0 Gy.
    pub step_gy: f64,
    /// Volume that receives at least the dose, % of `volume_cc`.
    pub volume_percent: Vec<f64>,
}

/// The curve as it stands in a unit record: one row with an array, which [`curve_points`] unfolds into table rows.
pub fn curve_row(patient_id: &str, course_id: &str, c: &DvhCurve) -> Map<String, Value> {
    let mut row = Map::new();
    row.insert("patient_id".into(), patient_id.into());
    row.insert("course_id".into(), course_id.into());
    row.insert("dose_id".into(), c.dose_id.clone().into());
    row.insert("ROI_Number".into(), c.roi_number.into());
    row.insert("ROI_Name".into(), c.roi_name.clone().into());
    row.insert("Segmentation_Source".into(), c.source.clone().into());
    row.insert("volume_with_dose_cm3".into(), c.volume_cc.into());
    row.insert("step_gy".into(), c.step_gy.into());
    row.insert("volume_percent".into(), c.volume_percent.clone().into());
    row
}

/// Rows of the table `dvh_curves` from a folded row.
pub fn curve_points(folded: &Map<String, Value>) -> Vec<Map<String, Value>> {
    let step = folded.get("step_gy").and_then(Value::as_f64).unwrap_or_default();
    let volume = folded.get("volume_with_dose_cm3").and_then(Value::as_f64).unwrap_or_default();
    let Some(Value::Array(points)) = folded.get("volume_percent") else { return Vec::new() };
    let key: Map<String, Value> = folded
        .iter()
        .filter(|(k, _)| !["step_gy", "volume_percent", "volume_with_dose_cm3"].contains(&k.as_str()))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    points
        .iter()
        .enumerate()
        .map(|(n, p)| {
            let mut row = key.clone();
            let percent = p.as_f64().unwrap_or_default();
            row.insert("dose_gy".into(), (n as f64 * step).into());
            row.insert("volume (%)".into(), percent.into());
            row.insert("volume (cm³)".into(), (percent * volume / 100.0).into());
            row
        })
        .collect()
}
