//! Tables of dose-volume histograms.

use super::super::row::{Field, Span, Texts, row};
use super::super::table::{Column, ColumnKind, Forms, Row};
use std::borrow::Cow;

row! {
    /// One row per course, dose, structure and source.
    pub DvhMetricsRow: "dvh_metrics",
        key ["patient_id", "course_id", "dose_id", "Segmentation_Source", "ROI_Number", "ROI_Name"], Forms::ALL;
    mean: Option<f64> = "DmeanGy", "Gy", "Mean dose.", "volume-weighted mean over the part inside the dose grid";
    max: Option<f64> = "DmaxGy", "Gy", "Highest dose.", "of the interpolated dose, not of bins";
    min: Option<f64> = "DminGy", "Gy", "Lowest dose.", "of the interpolated dose, not of bins";
    d95: Option<f64> = "D95Gy", "Gy", "Least dose to the hottest 95 % of the volume.", "sup{d: V(d) >= 95 %}";
    d98: Option<f64> = "D98Gy", "Gy", "Least dose to the hottest 98 % of the volume (near-minimum).", "ICRU 83";
    d2: Option<f64> = "D2Gy", "Gy", "Least dose to the hottest 2 % of the volume (near-maximum).", "ICRU 83";
    d50: Option<f64> = "D50Gy", "Gy", "Median dose.", "ICRU 83";
    hi: Option<f64> = "HI", "", "Homogeneity index.", "(D2 - D98) / D50, ICRU 83";
    spread: Option<f64> = "SpreadGy", "Gy", "Highest less lowest dose.", "Dmax - Dmin";
    d1cc: Option<f64> = "D1ccGy", "Gy", "Least dose to the hottest 1 cm³; empty for smaller structures.", "sup{d: V(d) >= 1 cm³}";
    d01cc: Option<f64> = "D0.1ccGy", "Gy", "Least dose to the hottest 0.1 cm³; empty for smaller structures.", "sup{d: V(d) >= 0.1 cm³}";
    mean_pct: Option<f64> = "Dmean%", "% of prescription", "Mean dose in % of the prescription.", "DmeanGy / rx_dose_gy";
    max_pct: Option<f64> = "Dmax%", "% of prescription", "Highest dose in % of the prescription.", "DmaxGy / rx_dose_gy";
    min_pct: Option<f64> = "Dmin%", "% of prescription", "Lowest dose in % of the prescription.", "DminGy / rx_dose_gy";
    d95_pct: Option<f64> = "D95%", "% of prescription", "D95Gy in % of the prescription.", "D95Gy / rx_dose_gy";
    d98_pct: Option<f64> = "D98%", "% of prescription", "D98Gy in % of the prescription.", "D98Gy / rx_dose_gy";
    d2_pct: Option<f64> = "D2%", "% of prescription", "D2Gy in % of the prescription.", "D2Gy / rx_dose_gy";
    d50_pct: Option<f64> = "D50%", "% of prescription", "D50Gy in % of the prescription.", "D50Gy / rx_dose_gy";
    hi_pct: Option<f64> = "HI%", "% of prescription", "Homogeneity relative to the prescription.", "(D2Gy - D98Gy) / rx_dose_gy";
    spread_pct: Option<f64> = "Spread%", "% of prescription", "SpreadGy in % of the prescription.", "SpreadGy / rx_dose_gy";
    volume: Option<f64> = "Volume (cm³)", "cm³", "Volume of the whole structure, inside the dose grid or not.", "contours";
    integral_dose: Option<f64> = "IntegralDose_Gycm3", "Gy·cm³", "Integral dose.", "mean dose times volume with dose";
    v95rx_cc: Option<f64> = "V95%Rx (cm³)", "cm³", "Volume with at least 95 % of the prescription.", "V(0.95 rx)";
    v95rx_pct: Option<f64> = "V95%Rx (%)", "%", "Part of the volume with at least 95 % of the prescription.", "V(0.95 rx)";
    v100rx_cc: Option<f64> = "V100%Rx (cm³)", "cm³", "Volume with at least the prescription.", "V(rx)";
    v100rx_pct: Option<f64> = "V100%Rx (%)", "%", "Part of the volume with at least the prescription.", "V(rx)";
    v_cc: Span<1, 60> = "V{}Gy (cm³)", "cm³", "Volume with at least {} Gy; 0 above Dmax.", "V(d), cumulative";
    v_pct: Span<1, 60> = "V{}Gy (%)", "%", "Part of the volume with dose that gets at least {} Gy; 0 above Dmax.", "V(d), cumulative";
    roi_number: Option<i64> = "ROI_Number", "", "Number of the structure in its structure set.", "(3006,0022)";
    roi_name: Option<String> = "ROI_Name", "", "Name of the structure.", "(3006,0026), or name of the model's label";
    roi_original_name: Option<String> = "ROI_OriginalName", "", "Name as it is in the file.", "(3006,0026)";
    segmentation_source: Option<String> = "Segmentation_Source", "", "Who made the structure: Manual, AutoTotalSegmentator:<task>, AutoClassical, CustomModel:<name>, Custom.", "the original's PlanRTSTRUCT is Manual with rtstruct_resolution referenced_by_plan; Merged does not occur; AutoRTS is split by maker";
    structure_cropped: Option<bool> = "structure_cropped", "", "The structure touches the edge of its image, so that part of it may be missing.", "mask against image faces";
    rtstruct_sop_instance_uid: Option<String> = "rtstruct_sop_instance_uid", "", "Structure set the structure is from.", "(0008,0018)";
    rtstruct_path: Option<String> = "rtstruct_path", "", "Its file, below a named root.", "";
    rx_source: Option<String> = "rx_source", "", "Where the prescription is from; empty without one.", "dose reference, fraction group";
    dose_resolution: Option<String> = "dose_resolution", "", "How the dose was chosen: plan_dose, multi_plan_dose, beam_doses_summed, fraction_doses_summed, plan_doses_summed, brachy_dose, single_unlinked_dose, unresolved.", "the original's single_dose is plan_dose, PLAN_SUM_used is multi_plan_dose, beam_doses_summed_to_plan is beam_doses_summed, primary_boost_summed is plan_doses_summed, ambiguous_no_sum, separate_courses_no_sum, separate_regions_no_sum and replan_itt_first are unresolved";
    dose_resolution_reason: Option<String> = "dose_resolution_reason", "", "Why, in words.", "";
    dose_sop_instance_uid: Option<String> = "dose_sop_instance_uid", "", "Dose object, when the dose is a single one.", "(0008,0018)";
    dose_summation_type: Option<String> = "dose_summation_type", "", "What the dose sums over; `derived sum` when it was summed here.", "(3004,000A)";
    source_dose_sop_instance_uids: Texts = "source_dose_sop_instance_uids", "", "Dose objects used.", "(0008,0018)";
    source_dose_summation_types: Texts = "source_dose_summation_types", "", "Their summation types.", "(3004,000A)";
    source_plan_sop_instance_uids: Texts = "source_plan_sop_instance_uids", "", "Plans of these doses.", "(300C,0002)";
    rtstruct_resolution: Option<String> = "rtstruct_resolution", "", "How the structure set was chosen.", "";
    rtstruct_resolution_reason: Option<String> = "rtstruct_resolution_reason", "", "Why, in words.", "";
    plan_rtstruct_uids: Texts = "plan_referenced_rtstruct_sop_instance_uids", "", "Structure sets that the course's plans refer to.", "(300C,0060)";
    patient_id: String = "patient_id", "", "Patient ID, or its pseudonym.", "(0010,0020)";
    course_id: String = "course_id", "", "Course: year and month of its first plan, with a suffix when needed.", "";
    status: Option<String> = "Status", "", "ok, or why there are no values: no_dose, outside_dose_grid, no_contours, failed.", "";
    reason: Option<String> = "Reason", "", "Explanation of the status, in words.", "";
    dose_id: Option<String> = "dose_id", "", "Name of the dose within the course.", "";
    dose_label: Option<String> = "dose_label", "", "Dose in words.", "plan label";
    dose_type: Option<String> = "dose_type", "", "PHYSICAL or EFFECTIVE.", "(3004,0004)";
    rx_dose_gy: Option<f64> = "rx_dose_gy", "Gy", "Prescription that the relative columns refer to.", "see rx_source";
    rx_available: Option<bool> = "rx_relative_metrics_available", "", "Whether there is a prescription.", "";
    d2cc: Option<f64> = "D2ccGy", "Gy", "Least dose to the hottest 2 cm³; empty for smaller structures.", "sup{d: V(d) >= 2 cm³}";
    d003cc: Option<f64> = "D0.03ccGy", "Gy", "Least dose to the hottest 0.03 cm³; empty for smaller structures.", "sup{d: V(d) >= 0.03 cm³}";
    coverage: Option<f64> = "dose_coverage (%)", "%", "Part of the structure that lies inside the dose grid.", "dose metrics are over this part";
    v_cc_high: Span<61, 150> = "V{}Gy (cm³)", "cm³", "Volume with at least {} Gy; 0 above Dmax.", "V(d), cumulative";
    v_pct_high: Span<61, 150> = "V{}Gy (%)", "%", "Part of the volume with dose that gets at least {} Gy; 0 above Dmax.", "V(d), cumulative";
    structure_partial: Option<bool> = "structure_partial", "", "Derived from parts of which some were missing.", "";
    dose_voxels: Option<f64> = "dose_voxels", "", "Size of the structure in voxels of the dose grid; few make all metrics uncertain.", "volume / voxel volume";
    dvh_profile: Option<String> = "dvh_profile", "", "Rules of the main columns: reference or comparable.", "setting dvh.profile";
    dvh_method: Option<String> = "dvh_method", "", "Voxel rule, interpolation, ends and fill rule that were used.", "";
    sampling_pitch_mm: Option<f64> = "sampling_pitch_mm", "mm", "Distance of the dose samples.", "";
    own_volume: Option<f64> = "tps_Volume (cm³)", "cm³", "Volume by the planning system's own DVH.", "(3004,0050) of the dose";
    own_mean: Option<f64> = "tps_DmeanGy", "Gy", "Mean dose by the planning system's own DVH.", "(3004,0050), bins at their middle";
    own_max: Option<f64> = "tps_DmaxGy", "Gy", "Highest dose by the planning system's own DVH.", "(3004,0050), upper edge of the last bin with volume";
    flags: Texts = "flags", "", "Codes of what is unusual about this row.", "";
    comparable: Headline<0> = "comparable", "", "Headline metrics by the rules `comparable`.", "";
    reference: Headline<1> = "reference", "", "Headline metrics by the rules `reference`.", "";
}

/// Headline metrics of the profile that the main columns do not follow; its name is the suffix of the columns. `P` is 0 for
/// `comparable` and 1 for `reference`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Headline<const P: usize> {
    /// Volume, cm³.
    pub volume: Option<f64>,
    /// Mean dose, Gy.
    pub mean: Option<f64>,
    /// Highest dose, Gy.
    pub max: Option<f64>,
    /// D98, Gy.
    pub d98: Option<f64>,
    /// D95, Gy.
    pub d95: Option<f64>,
    /// D50, Gy.
    pub d50: Option<f64>,
    /// D2, Gy.
    pub d2: Option<f64>,
    /// Dose to 0.03 cm³, Gy.
    pub d003cc: Option<f64>,
}

/// The columns that are given for both profiles, with their units.
pub const HEADLINE_COLUMNS: [(&str, &str); 8] = [
    ("Volume (cm³)", "cm³"),
    ("DmeanGy", "Gy"),
    ("DmaxGy", "Gy"),
    ("D98Gy", "Gy"),
    ("D95Gy", "Gy"),
    ("D50Gy", "Gy"),
    ("D2Gy", "Gy"),
    ("D0.03ccGy", "Gy"),
];

impl<const P: usize> Field for Headline<P> {
    fn columns(name: &'static str, _: &'static str, _: &'static str, _: &'static str) -> Vec<Column> {
        let column = |(base, unit): &(&'static str, &'static str)| Column {
            name: Cow::Owned(format!("{base} {name}")),
            kind: ColumnKind::Float,
            unit: Cow::Borrowed(unit),
            meaning: Cow::Owned(format!("{base} by the rules `{name}`; empty when the main columns follow them.")),
            source: Cow::Borrowed("setting dvh.profile"),
        };
        HEADLINE_COLUMNS.iter().map(column).collect()
    }

    fn put(&self, name: &'static str, row: &mut Row) {
        let values = [self.volume, self.mean, self.max, self.d98, self.d95, self.d50, self.d2, self.d003cc];
        for ((base, _), value) in HEADLINE_COLUMNS.iter().zip(values) {
            row.insert(format!("{base} {name}"), value.into());
        }
    }
}

row! {
    /// One row per point of a cumulative dose-volume curve.
    pub DvhCurveRow: "dvh_curves",
        key ["patient_id", "course_id", "dose_id", "Segmentation_Source", "ROI_Number", "ROI_Name", "dose_gy"], Forms::PARQUET;
    patient_id: String = "patient_id", "", "Patient ID, or its pseudonym.", "(0010,0020)";
    course_id: String = "course_id", "", "Course.", "";
    dose_id: Option<String> = "dose_id", "", "Name of the dose within the course.", "";
    segmentation_source: Option<String> = "Segmentation_Source", "", "Who made the structure.", "as in dvh_metrics";
    roi_number: Option<i64> = "ROI_Number", "", "Number of the structure in its structure set.", "(3006,0022)";
    roi_name: Option<String> = "ROI_Name", "", "Name of the structure.", "(3006,0026)";
    dose: Option<f64> = "dose_gy", "Gy", "Dose.", "multiple of dvh.curve_step_gy";
    volume_pct: Option<f64> = "volume (%)", "%", "Part of the volume with dose that gets at least this dose.", "V(d), cumulative";
    volume_cc: Option<f64> = "volume (cm³)", "cm³", "Volume that gets at least this dose.", "V(d), cumulative";
}
