//! Treatment records of beams, ions and brachytherapy.

use crate::guard::{DataSet, Object};
use crate::header::ObjectKind;
use crate::{Finding, ReadError};
use dicom_dictionary_std::tags as t;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A treatment record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TreatmentRecord {
    /// The file.
    pub path: PathBuf,
    /// SOP Instance UID.
    pub sop_instance_uid: String,
    /// Patient ID.
    pub patient_id: String,
    /// Study Instance UID.
    pub study_uid: String,
    /// Treatment date, YYYYMMDD.
    pub date: Option<String>,
    /// Treatment time.
    pub time: Option<String>,
    /// Last control point or end time, where stated.
    pub time_end: Option<String>,
    /// Referenced plan UIDs.
    pub referenced_plans: Vec<String>,
    /// Machine.
    pub machine: Option<String>,
    /// Fraction number of the session.
    pub fraction_number: Option<i64>,
    /// Number of fractions planned, where stated.
    pub fractions_planned: Option<i64>,
    /// Sum of the delivered dose of the referenced dose references or beams, Gy, where stated.
    pub delivered_dose_gy: Option<f64>,
    /// Sum of the delivered meterset of the beams.
    pub delivered_meterset: Option<f64>,
    /// NORMAL, OPERATOR, MACHINE, … of the beams, each once.
    pub termination_status: Vec<String>,
    /// Verification status of the beams, each once.
    pub verification_status: Vec<String>,
    /// Number of beams or application setups treated.
    pub beams: usize,
    /// Remarks.
    pub findings: Vec<Finding>,
}

/// Reads a treatment record: beams, ions, brachytherapy or summary.
pub fn read_treatment_record(path: &Path) -> Result<TreatmentRecord, ReadError> {
    treatment_record(&Object::read(path)?)
}

/// Reads the treatment record of an object in memory.
pub fn treatment_record(o: &Object) -> Result<TreatmentRecord, ReadError> {
    let class = o.sop_class_uid();
    if ObjectKind::of(&class) != ObjectKind::TreatmentRecord {
        return Err(ReadError::WrongKind { path: o.path.clone(), expected: "RT treatment record", found: class });
    }
    let d = &o.data;
    let sessions: Vec<&DataSet> = [
        t::TREATMENT_SESSION_BEAM_SEQUENCE,
        t::TREATMENT_SESSION_ION_BEAM_SEQUENCE,
        t::TREATMENT_SESSION_APPLICATION_SETUP_SEQUENCE,
    ]
    .into_iter()
    .flat_map(|s| d.items(s))
    .collect();
    let each = |f: &dyn Fn(&DataSet) -> Option<String>| {
        let mut out: Vec<String> = Vec::new();
        for v in sessions.iter().filter_map(|s| f(s)) {
            if !out.contains(&v) {
                out.push(v);
            }
        }
        out
    };
    let metersets: Vec<f64> = sessions.iter().filter_map(|s| s.number(t::DELIVERED_PRIMARY_METERSET)).collect();
    Ok(TreatmentRecord {
        path: o.path.clone(),
        sop_instance_uid: o.sop_instance_uid(),
        patient_id: d.text(t::PATIENT_ID).unwrap_or_default(),
        study_uid: d.code(t::STUDY_INSTANCE_UID).unwrap_or_default(),
        date: d.code(t::TREATMENT_DATE),
        time: d.code(t::TREATMENT_TIME),
        time_end: last_time(&sessions),
        referenced_plans: d
            .items(t::REFERENCED_RT_PLAN_SEQUENCE)
            .iter()
            .filter_map(|i| i.code(t::REFERENCED_SOP_INSTANCE_UID))
            .collect(),
        machine: d
            .items(t::TREATMENT_MACHINE_SEQUENCE)
            .iter()
            .find_map(|m| m.text(t::TREATMENT_MACHINE_NAME))
            .or_else(|| d.text(t::TREATMENT_MACHINE_NAME)),
        fraction_number: sessions.iter().find_map(|s| s.int(t::CURRENT_FRACTION_NUMBER)),
        fractions_planned: d
            .items(t::FRACTION_GROUP_SUMMARY_SEQUENCE)
            .iter()
            .find_map(|g| g.int(t::NUMBER_OF_FRACTIONS_PLANNED))
            .or_else(|| d.int(t::NUMBER_OF_FRACTIONS_PLANNED)),
        delivered_dose_gy: delivered_dose(&sessions),
        delivered_meterset: (!metersets.is_empty()).then(|| metersets.iter().sum()),
        termination_status: each(&|s| s.code(t::TREATMENT_TERMINATION_STATUS)),
        verification_status: each(&|s| s.code(t::TREATMENT_VERIFICATION_STATUS)),
        beams: sessions.len(),
        findings: o.findings.clone(),
    })
}

fn last_time(sessions: &[&DataSet]) -> Option<String> {
    sessions
        .iter()
        .flat_map(|s| {
            [t::CONTROL_POINT_DELIVERY_SEQUENCE, t::ION_CONTROL_POINT_DELIVERY_SEQUENCE]
                .into_iter()
                .flat_map(|q| s.items(q))
        })
        .filter_map(|c| c.code(t::TREATMENT_CONTROL_POINT_TIME))
        .max()
}

/// Doses to the same dose reference add up over the beams; of several references the highest counts.
fn delivered_dose(sessions: &[&DataSet]) -> Option<f64> {
    let mut sums: BTreeMap<i64, f64> = BTreeMap::new();
    for r in sessions.iter().flat_map(|s| s.items(t::REFERENCED_CALCULATED_DOSE_REFERENCE_SEQUENCE)) {
        if let Some(v) = r.number(t::CALCULATED_DOSE_REFERENCE_DOSE_VALUE) {
            let number = r
                .int(t::REFERENCED_DOSE_REFERENCE_NUMBER)
                .or_else(|| r.int(t::REFERENCED_CALCULATED_DOSE_REFERENCE_NUMBER));
            *sums.entry(number.unwrap_or(-1)).or_insert(0.0) += v;
        }
    }
    sums.into_values().max_by(f64::total_cmp)
}
