//! Doses.

mod dvh;
mod grid;

use crate::finding::note;
use crate::guard::{DataSet, Object};
use crate::header::ObjectKind;
use crate::{Finding, ReadError};
use dicom_core::Tag;
use dicom_dictionary_std::tags as t;
use rtpipeline_geometry::DoseGrid;
use std::path::{Path, PathBuf};

/// Doses above this are no doses of a patient, Gy.
const IMPLAUSIBLE_GY: f64 = 1000.0;

/// A dose as it is in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Dose {
    /// The file.
    pub path: PathBuf,
    /// SOP Instance UID.
    pub sop_instance_uid: String,
    /// Patient ID.
    pub patient_id: String,
    /// Study Instance UID.
    pub study_uid: String,
    /// Series Instance UID.
    pub series_uid: String,
    /// Frame of Reference UID.
    pub frame_of_reference_uid: String,
    /// The grid, in Gy if `units` is [`DoseUnits::Gy`]; `None` if the object holds no pixel data (only DVHs).
    pub grid: Option<DoseGrid>,
    /// Largest value of the grid before rounding to single precision.
    pub maximum: Option<f64>,
    /// Smallest value of the grid.
    pub minimum: Option<f64>,
    /// Units.
    pub units: DoseUnits,
    /// Dose type: PHYSICAL, EFFECTIVE, ERROR.
    pub dose_type: Option<String>,
    /// Dose summation type: PLAN, FRACTION, BEAM, …
    pub summation_type: Option<String>,
    /// Dose comment.
    pub comment: Option<String>,
    /// Tissue heterogeneity correction values.
    pub heterogeneity_correction: Vec<String>,
    /// Dose Grid Scaling: value of one stored step.
    pub scaling: Option<f64>,
    /// Referenced plan UIDs.
    pub referenced_plans: Vec<String>,
    /// Referenced structure set UIDs.
    pub referenced_structure_sets: Vec<String>,
    /// Referenced fraction group and beam numbers.
    pub referenced_fraction_groups: Vec<i64>,
    /// Referenced beam numbers.
    pub referenced_beams: Vec<i64>,
    /// The planning system's own DVHs.
    pub dvhs: Vec<DvhRecord>,
    /// Remarks.
    pub findings: Vec<Finding>,
}

/// Units of a dose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DoseUnits {
    /// Gray.
    Gy,
    /// Relative to an unstated reference: no metric in Gy may be made of it.
    Relative,
    /// Not stated or unknown.
    Unknown,
}

/// One DVH of DVHSequence.
#[derive(Clone, Debug, PartialEq)]
pub struct DvhRecord {
    /// ROI numbers that contribute; more than one if the DVH is of a combination.
    pub roi_numbers: Vec<i64>,
    /// CUMULATIVE, DIFFERENTIAL or NATURAL.
    pub dvh_type: String,
    /// Dose units of the curve.
    pub dose_units: String,
    /// Volume units: CM3, PERCENT, PER_U.
    pub volume_units: String,
    /// Edges of the dose bins in `dose_units` after DVHDoseScaling: one more than bins, beginning with 0.
    pub dose_edges: Vec<f64>,
    /// Volume of each bin (differential) or at and above its lower edge (cumulative); negative ones are set to 0.
    pub volumes: Vec<f64>,
    /// DVHMinimumDose as written.
    pub minimum: Option<f64>,
    /// DVHMaximumDose as written.
    pub maximum: Option<f64>,
    /// DVHMeanDose as written.
    pub mean: Option<f64>,
}

impl Dose {
    /// The grid if its values are Gy; the error says why not.
    pub fn gy_grid(&self) -> Result<&DoseGrid, ReadError> {
        let invalid = |what: &str| ReadError::Invalid { path: self.path.clone(), what: what.to_owned() };
        match self.units {
            DoseUnits::Gy => self.grid.as_ref().ok_or_else(|| invalid("the dose object holds no dose grid")),
            DoseUnits::Relative => {
                Err(invalid("DoseUnits is RELATIVE: no metric in Gy can be made without a reference dose"))
            }
            DoseUnits::Unknown => Err(invalid("DoseUnits is missing or unknown")),
        }
    }
}

/// Reads a dose. Values are stored × Dose Grid Scaling; planes are sorted along the frame normal.
pub fn read_dose(path: &Path) -> Result<Dose, ReadError> {
    dose(&Object::read(path)?)
}

/// Reads the dose of an object in memory.
pub fn dose(o: &Object) -> Result<Dose, ReadError> {
    let d = &o.data;
    let class = o.sop_class_uid();
    let modality = d.code(t::MODALITY).unwrap_or_default();
    let headless = class.is_empty() && modality == "RTDOSE";
    if ObjectKind::of(&class) != ObjectKind::RtDose && !headless {
        return Err(ReadError::WrongKind { path: o.path.clone(), expected: "RT dose", found: class });
    }
    let mut findings = o.findings.clone();
    if headless {
        note(
            &mut findings,
            "no_sop_class",
            "the SOP Class UID is missing; the object was taken as RT Dose by its Modality",
        );
    }
    let units_text = d.code(t::DOSE_UNITS).map(|u| u.to_ascii_uppercase());
    let units = match units_text.as_deref() {
        Some("GY") => DoseUnits::Gy,
        Some("RELATIVE") => DoseUnits::Relative,
        _ => DoseUnits::Unknown,
    };
    if units == DoseUnits::Unknown {
        let written = units_text.unwrap_or_else(|| "missing".into());
        note(&mut findings, "dose_units", format!("DoseUnits is {written}; no metric in Gy can be made"));
    }
    let dose_type = d.code(t::DOSE_TYPE);
    let scaling = d.number(t::DOSE_GRID_SCALING);
    let read = if o.pixels.is_some() { Some(grid::read(o, scaling, &mut findings)?) } else { None };
    if read.is_none() {
        note(&mut findings, "no_dose_grid", "the object holds no pixel data");
    }
    let (grid, minimum, maximum) = match read {
        Some((g, lo, hi)) => (Some(g), Some(lo), Some(hi)),
        None => (None, None, None),
    };
    if let (Some(lo), Some(hi)) = (minimum, maximum) {
        if units == DoseUnits::Gy && hi > IMPLAUSIBLE_GY {
            note(&mut findings, "implausible_dose", format!("the maximum is {hi:.1} Gy"));
        }
        if lo < 0.0 && dose_type.as_deref() != Some("ERROR") {
            note(&mut findings, "negative_dose", format!("the minimum is {lo} although the dose type is not ERROR"));
        }
        if let Some(s) = scaling.filter(|s| hi > 0.0 && *s > 0.001 * hi) {
            note(&mut findings, "coarse_dose", format!("one stored step is {s}, more than 0.1 % of the maximum {hi}"));
        }
    }
    let (referenced_fraction_groups, referenced_beams) = groups(d);
    let dvhs = dvh::read(d, maximum, &mut findings);
    Ok(Dose {
        path: o.path.clone(),
        sop_instance_uid: o.sop_instance_uid(),
        patient_id: d.text(t::PATIENT_ID).unwrap_or_default(),
        study_uid: d.code(t::STUDY_INSTANCE_UID).unwrap_or_default(),
        series_uid: d.code(t::SERIES_INSTANCE_UID).unwrap_or_default(),
        frame_of_reference_uid: d.code(t::FRAME_OF_REFERENCE_UID).unwrap_or_default(),
        grid,
        maximum,
        minimum,
        units,
        dose_type,
        summation_type: d.code(t::DOSE_SUMMATION_TYPE),
        comment: d.text(t::DOSE_COMMENT),
        heterogeneity_correction: d.texts(t::TISSUE_HETEROGENEITY_CORRECTION),
        scaling,
        referenced_plans: uids(d, t::REFERENCED_RT_PLAN_SEQUENCE),
        referenced_structure_sets: uids(d, t::REFERENCED_STRUCTURE_SET_SEQUENCE),
        referenced_fraction_groups,
        referenced_beams,
        dvhs,
        findings,
    })
}

fn uids(d: &DataSet, sequence: Tag) -> Vec<String> {
    d.items(sequence).iter().filter_map(|i| i.code(t::REFERENCED_SOP_INSTANCE_UID)).collect()
}

fn groups(d: &DataSet) -> (Vec<i64>, Vec<i64>) {
    let (mut groups, mut beams) = (Vec::new(), Vec::new());
    for g in d.items(t::REFERENCED_RT_PLAN_SEQUENCE).iter().flat_map(|p| p.items(t::REFERENCED_FRACTION_GROUP_SEQUENCE))
    {
        groups.extend(g.int(t::REFERENCED_FRACTION_GROUP_NUMBER));
        beams.extend(g.items(t::REFERENCED_BEAM_SEQUENCE).iter().filter_map(|b| b.int(t::REFERENCED_BEAM_NUMBER)));
    }
    (groups, beams)
}
