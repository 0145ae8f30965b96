//! Plans and treatment records.

mod beam;
mod record;

pub use record::{TreatmentRecord, read_treatment_record, treatment_record};

use crate::finding::note;
use crate::guard::{DataSet, Object};
use crate::header::ObjectKind;
use crate::{Finding, ReadError};
use dicom_core::Tag;
use dicom_dictionary_std::tags as t;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A plan for photons, electrons, ions or brachytherapy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
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
    /// RT plan label.
    pub label: Option<String>,
    /// RT plan name.
    pub name: Option<String>,
    /// RT plan description.
    pub description: Option<String>,
    /// RT plan date, YYYYMMDD.
    pub date: Option<String>,
    /// RT plan time.
    pub time: Option<String>,
    /// Plan intent (CURATIVE, VERIFICATION, MACHINE_QA, …).
    pub intent: Option<String>,
    /// Approval status.
    pub approval_status: Option<String>,
    /// Review date.
    pub review_date: Option<String>,
    /// Review time.
    pub review_time: Option<String>,
    /// Reviewer's name.
    pub reviewer: Option<String>,
    /// PATIENT or TREATMENT_DEVICE.
    pub geometry: Option<String>,
    /// Whether it is an RT Ion Plan.
    pub is_ion: bool,
    /// Whether it holds brachytherapy application setups.
    pub is_brachy: bool,
    /// Fraction groups.
    pub fraction_groups: Vec<FractionGroup>,
    /// Dose references.
    pub dose_references: Vec<DoseReference>,
    /// Beams.
    pub beams: Vec<Beam>,
    /// Facts of a brachytherapy plan.
    pub brachy: Option<BrachyFacts>,
    /// Treatment machines of brachy plans and beams, each once.
    pub machines: Vec<String>,
    /// Referenced structure set UIDs.
    pub referenced_structure_sets: Vec<String>,
    /// Referenced plan UIDs.
    pub referenced_plans: Vec<String>,
    /// Referenced dose UIDs.
    pub referenced_doses: Vec<String>,
    /// Remarks.
    pub findings: Vec<Finding>,
}

/// A fraction group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FractionGroup {
    /// Number.
    pub number: Option<i64>,
    /// Fractions planned; `None` if absent or 0.
    pub fractions_planned: Option<i64>,
    /// Beams of the group.
    pub beams: Vec<ReferencedBeam>,
    /// Doses of the brachy application setups of the group per fraction, Gy.
    pub brachy_setup_doses: Vec<Option<f64>>,
    /// Dose references with target prescription doses of the group, Gy, as far as stated.
    pub target_prescription_doses: Vec<f64>,
}

/// A beam as a fraction group refers to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReferencedBeam {
    /// Beam number.
    pub number: Option<i64>,
    /// Dose of one fraction at the beam dose specification point, Gy.
    pub dose: Option<f64>,
    /// Meterset of one fraction.
    pub meterset: Option<f64>,
}

/// A dose reference.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DoseReference {
    /// Number.
    pub number: Option<i64>,
    /// TARGET or ORGAN_AT_RISK.
    pub dose_type: Option<String>,
    /// POINT, VOLUME, COORDINATES, SITE.
    pub structure_type: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Referenced ROI number.
    pub roi_number: Option<i64>,
    /// Target prescription dose, Gy.
    pub target_prescription: Option<f64>,
    /// Target minimum dose, Gy.
    pub target_minimum: Option<f64>,
    /// Target maximum dose, Gy.
    pub target_maximum: Option<f64>,
    /// Delivery maximum dose, Gy.
    pub delivery_maximum: Option<f64>,
    /// Organ at risk maximum dose, Gy.
    pub organ_maximum: Option<f64>,
}

/// A beam.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Beam {
    /// Number.
    pub number: Option<i64>,
    /// Name.
    pub name: Option<String>,
    /// STATIC or DYNAMIC.
    pub beam_type: Option<String>,
    /// PHOTON, ELECTRON, PROTON, ION, …
    pub radiation_type: Option<String>,
    /// TREATMENT, SETUP, …
    pub delivery_type: Option<String>,
    /// Treatment machine.
    pub machine: Option<String>,
    /// Nominal energies of the control points, each once, ascending, MV or MeV.
    pub energies: Vec<f64>,
    /// Number of control points (items; the stated number if there are none).
    pub control_points: usize,
    /// Sum of gantry travel between control points, degrees.
    pub gantry_span: f64,
    /// Gantry angles of the control points that state one, degrees.
    pub gantry_angles: Vec<f64>,
    /// Collimator angles of the control points that state one.
    pub collimator_angles: Vec<f64>,
    /// Couch angles of the control points that state one.
    pub couch_angles: Vec<f64>,
    /// Final cumulative meterset weight.
    pub final_meterset_weight: Option<f64>,
}

impl Beam {
    /// At least 30 control points and more than 80° of gantry travel.
    pub fn is_arc(&self) -> bool {
        self.control_points >= 30 && self.gantry_span > 80.0
    }

    /// Whether the beam treats (setup and verification beams do not).
    pub fn treats(&self) -> bool {
        self.delivery_type.as_deref().is_none_or(|d| d == "TREATMENT" || d == "CONTINUATION")
    }
}

/// Facts of a brachytherapy plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BrachyFacts {
    /// Technique: INTRACAVITARY, INTERSTITIAL, …
    pub technique: Option<String>,
    /// Treatment type: HDR, PDR, LDR, …
    pub treatment_type: Option<String>,
    /// Source isotopes, each once.
    pub isotopes: Vec<String>,
    /// Number of application setups.
    pub setups: usize,
    /// Number of channels of all setups.
    pub channels: usize,
}

/// A prescription as the plan states it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prescription {
    /// Total dose, Gy.
    pub total_gy: f64,
    /// Where it was found: `DoseReferenceSequence`, `FractionGroupSequence` or `BrachyApplicationSetup`.
    pub source: String,
    /// Fractions planned.
    pub fractions: Option<i64>,
}

impl Plan {
    /// The prescription: the highest dose of the TARGET dose references (volumes and sites before points), else the fraction groups (fractions × the sum of the
    /// doses of treating beams or of brachy setups, summed over the groups if every one states them). It is never made up
    /// from dose maxima.
    pub fn prescription(&self) -> Option<Prescription> {
        let fractions = self.fractions();
        // Volumes and sites before points: points carry the dose calculated there, not what was prescribed.
        let highest = |points: bool| {
            self.dose_references
                .iter()
                .filter(|r| r.dose_type.as_deref().is_none_or(|d| d == "TARGET"))
                .filter(|r| points == matches!(r.structure_type.as_deref(), Some("POINT" | "COORDINATES")))
                .filter_map(|r| r.target_prescription)
                .filter(|v| *v > 0.0)
                .max_by(f64::total_cmp)
        };
        let target = highest(false).or_else(|| highest(true));
        if let Some(total_gy) = target {
            return Some(Prescription { total_gy, source: "DoseReferenceSequence".into(), fractions });
        }
        let groups: Option<Vec<f64>> = self.fraction_groups.iter().map(|g| self.group_dose(g)).collect();
        let total_gy: f64 = groups?.iter().sum();
        (total_gy > 0.0).then(|| Prescription { total_gy, source: "FractionGroupSequence".into(), fractions })
    }

    /// The dose that one fraction group states: fractions × (beam doses or brachy setup doses), Gy.
    pub fn group_dose(&self, group: &FractionGroup) -> Option<f64> {
        let n = group.fractions_planned? as f64;
        let treats = |b: &&ReferencedBeam| {
            self.beams.iter().find(|x| x.number.is_some() && x.number == b.number).is_none_or(Beam::treats)
        };
        let beams: Option<Vec<f64>> = group.beams.iter().filter(treats).map(|b| b.dose).collect();
        let setups: Option<Vec<f64>> = group.brachy_setup_doses.iter().copied().collect();
        let sum: f64 = beams?.iter().chain(&setups?).sum();
        (sum > 0.0).then_some(n * sum)
    }

    /// Sum of the planned fractions over the fraction groups; `None` if one of them does not state it.
    pub fn fractions(&self) -> Option<i64> {
        if self.fraction_groups.is_empty() {
            return None;
        }
        self.fraction_groups.iter().map(|g| g.fractions_planned).sum()
    }
}

/// Reads a plan: RT Plan (photons, electrons, brachytherapy) or RT Ion Plan.
pub fn read_plan(path: &Path) -> Result<Plan, ReadError> {
    plan(&Object::read(path)?)
}

/// Reads the plan of an object in memory.
pub fn plan(o: &Object) -> Result<Plan, ReadError> {
    let class = o.sop_class_uid();
    let kind = ObjectKind::of(&class);
    if !kind.is_plan() {
        return Err(ReadError::WrongKind { path: o.path.clone(), expected: "RT plan", found: class });
    }
    let d = &o.data;
    let mut findings = o.findings.clone();
    let fraction_groups: Vec<FractionGroup> = d.items(t::FRACTION_GROUP_SEQUENCE).iter().map(fraction_group).collect();
    if fraction_groups.is_empty() {
        note(
            &mut findings,
            "no_fraction_groups",
            "FractionGroupSequence is missing: fractions and beam doses are unknown",
        );
    }
    if fraction_groups.len() > 1 {
        let text = format!("the plan has {} fraction groups; each is a prescription of its own", fraction_groups.len());
        note(&mut findings, "several_fraction_groups", text);
    }
    let beams: Vec<Beam> =
        d.items(t::BEAM_SEQUENCE).iter().chain(d.items(t::ION_BEAM_SEQUENCE)).map(beam::read).collect();
    let setups = d.items(t::APPLICATION_SETUP_SEQUENCE);
    let mut machines = Vec::new();
    let brachy_machines =
        d.items(t::TREATMENT_MACHINE_SEQUENCE).iter().filter_map(|m| m.text(t::TREATMENT_MACHINE_NAME));
    for m in beams.iter().filter_map(|b| b.machine.clone()).chain(brachy_machines) {
        if !machines.contains(&m) {
            machines.push(m);
        }
    }
    let plan = Plan {
        path: o.path.clone(),
        sop_instance_uid: o.sop_instance_uid(),
        patient_id: d.text(t::PATIENT_ID).unwrap_or_default(),
        study_uid: d.code(t::STUDY_INSTANCE_UID).unwrap_or_default(),
        series_uid: d.code(t::SERIES_INSTANCE_UID).unwrap_or_default(),
        frame_of_reference_uid: d.code(t::FRAME_OF_REFERENCE_UID).unwrap_or_default(),
        label: d.text(t::RT_PLAN_LABEL),
        name: d.text(t::RT_PLAN_NAME),
        description: d.text(t::RT_PLAN_DESCRIPTION),
        date: d.code(t::RT_PLAN_DATE),
        time: d.code(t::RT_PLAN_TIME),
        intent: d.code(t::PLAN_INTENT),
        approval_status: d.code(t::APPROVAL_STATUS),
        review_date: d.code(t::REVIEW_DATE),
        review_time: d.code(t::REVIEW_TIME),
        reviewer: d.text(t::REVIEWER_NAME),
        geometry: d.code(t::RT_PLAN_GEOMETRY),
        is_ion: kind == ObjectKind::RtIonPlan,
        is_brachy: !setups.is_empty(),
        fraction_groups,
        dose_references: d.items(t::DOSE_REFERENCE_SEQUENCE).iter().map(dose_reference).collect(),
        beams,
        brachy: brachy(d),
        machines,
        referenced_structure_sets: uids(d, t::REFERENCED_STRUCTURE_SET_SEQUENCE),
        referenced_plans: uids(d, t::REFERENCED_RT_PLAN_SEQUENCE),
        referenced_doses: uids(d, t::REFERENCED_DOSE_SEQUENCE),
        findings,
    };
    Ok(disagreements(plan))
}

/// Notes when dose references and fraction groups state different doses.
fn disagreements(mut p: Plan) -> Plan {
    let groups: Option<Vec<f64>> = p.fraction_groups.iter().map(|g| p.group_dose(g)).collect();
    let sum: f64 = groups.unwrap_or_default().iter().sum();
    if let Some(rx) = p.prescription()
        && rx.source == "DoseReferenceSequence"
        && sum > 0.0
        && (sum - rx.total_gy).abs() > 0.01 * rx.total_gy
    {
        let text =
            format!("dose references prescribe {:.3} Gy, beams and fractions add up to {sum:.3} Gy", rx.total_gy);
        note(&mut p.findings, "prescription_disagrees", text);
    }
    p
}

fn brachy(d: &DataSet) -> Option<BrachyFacts> {
    let setups = d.items(t::APPLICATION_SETUP_SEQUENCE);
    if setups.is_empty() {
        return None;
    }
    let mut isotopes = Vec::new();
    for i in d.items(t::SOURCE_SEQUENCE).iter().filter_map(|s| s.text(t::SOURCE_ISOTOPE_NAME)) {
        if !isotopes.contains(&i) {
            isotopes.push(i);
        }
    }
    Some(BrachyFacts {
        technique: d.code(t::BRACHY_TREATMENT_TECHNIQUE),
        treatment_type: d.code(t::BRACHY_TREATMENT_TYPE),
        isotopes,
        setups: setups.len(),
        channels: setups.iter().map(|s| s.items(t::CHANNEL_SEQUENCE).len()).sum(),
    })
}

fn uids(d: &DataSet, sequence: Tag) -> Vec<String> {
    d.items(sequence).iter().filter_map(|i| i.code(t::REFERENCED_SOP_INSTANCE_UID)).collect()
}

fn fraction_group(g: &DataSet) -> FractionGroup {
    FractionGroup {
        number: g.int(t::FRACTION_GROUP_NUMBER),
        fractions_planned: g.int(t::NUMBER_OF_FRACTIONS_PLANNED).filter(|&n| n > 0),
        beams: g
            .items(t::REFERENCED_BEAM_SEQUENCE)
            .iter()
            .map(|b| ReferencedBeam {
                number: b.int(t::REFERENCED_BEAM_NUMBER),
                dose: b.number(t::BEAM_DOSE),
                meterset: b.number(t::BEAM_METERSET),
            })
            .collect(),
        brachy_setup_doses: g
            .items(t::REFERENCED_BRACHY_APPLICATION_SETUP_SEQUENCE)
            .iter()
            .map(|b| b.number(t::BRACHY_APPLICATION_SETUP_DOSE))
            .collect(),
        target_prescription_doses: g
            .items(t::REFERENCED_DOSE_REFERENCE_SEQUENCE)
            .iter()
            .filter_map(|r| r.number(t::TARGET_PRESCRIPTION_DOSE))
            .collect(),
    }
}

fn dose_reference(r: &DataSet) -> DoseReference {
    DoseReference {
        number: r.int(t::DOSE_REFERENCE_NUMBER),
        dose_type: r.code(t::DOSE_REFERENCE_TYPE),
        structure_type: r.code(t::DOSE_REFERENCE_STRUCTURE_TYPE),
        description: r.text(t::DOSE_REFERENCE_DESCRIPTION),
        roi_number: r.int(t::REFERENCED_ROI_NUMBER),
        target_prescription: r.number(t::TARGET_PRESCRIPTION_DOSE),
        target_minimum: r.number(t::TARGET_MINIMUM_DOSE),
        target_maximum: r.number(t::TARGET_MAXIMUM_DOSE),
        delivery_maximum: r.number(t::DELIVERY_MAXIMUM_DOSE),
        organ_maximum: r.number(t::ORGAN_AT_RISK_MAXIMUM_DOSE),
    }
}
