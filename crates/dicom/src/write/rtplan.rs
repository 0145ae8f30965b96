//! Simple photon plans.

use super::encode::{Build, IMPLICIT, finish, identify};
use super::source::SourceImages;
use super::{WriteError, Written};
use dicom_core::VR;
use dicom_dictionary_std::tags as t;
use rtpipeline_geometry::Vec3;
use std::path::Path;

const CLASS: &str = "1.2.840.10008.5.1.4.1.1.481.5";
const STRUCTURE_SET_CLASS: &str = "1.2.840.10008.5.1.4.1.1.481.3";

/// A beam of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct BeamSpec<'a> {
    /// Name.
    pub name: &'a str,
    /// Nominal energy, MV.
    pub energy: f64,
    /// Gantry angles of the control points; one or two equal ones make a static beam.
    pub gantry_angles: &'a [f64],
    /// Collimator angle.
    pub collimator_angle: f64,
    /// Couch angle.
    pub couch_angle: f64,
    /// Half widths of the jaws, mm.
    pub jaws: [f64; 2],
    /// Dose of one fraction, Gy.
    pub dose: f64,
    /// Monitor units of one fraction.
    pub meterset: f64,
}

/// A plan to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanSpec<'a> {
    /// Patient, study and frame of reference.
    pub images: &'a SourceImages,
    /// Label, at most 16 characters.
    pub label: &'a str,
    /// Name.
    pub name: &'a str,
    /// Date, YYYYMMDD.
    pub date: &'a str,
    /// Time, HHMMSS.
    pub time: &'a str,
    /// Plan intent such as CURATIVE.
    pub intent: &'a str,
    /// APPROVED or UNAPPROVED.
    pub approval: &'a str,
    /// SOP Instance UID of the structure set.
    pub structure_set_uid: &'a str,
    /// Prescribed total dose of the target, Gy.
    pub prescription: f64,
    /// Description of the target.
    pub target: &'a str,
    /// Number of fractions.
    pub fractions: i64,
    /// Isocentre, mm LPS.
    pub isocentre: Vec3,
    /// Patient position such as HFS.
    pub patient_position: &'a str,
    /// Treatment machine.
    pub machine: &'a str,
    /// Beams.
    pub beams: &'a [BeamSpec<'a>],
    /// Series number.
    pub series_number: i64,
}

/// Writes a photon plan.
pub fn write_plan(path: &Path, spec: &PlanSpec<'_>) -> Result<Written, WriteError> {
    let b = build(spec).map_err(|what| WriteError::Invalid { path: path.to_owned(), what })?;
    finish(path, CLASS, IMPLICIT, b)
}

fn build(spec: &PlanSpec<'_>) -> Result<Build, String> {
    let mut b = spec.images.begin("RTPLAN");
    spec.images.frame(&mut b);
    b.int(t::SERIES_NUMBER, spec.series_number)
        .int(t::INSTANCE_NUMBER, 1)
        .one(t::RT_PLAN_LABEL, VR::SH, spec.label)
        .one(t::RT_PLAN_NAME, VR::LO, spec.name)
        .text(t::RT_PLAN_DATE, VR::DA, spec.date)
        .text(t::RT_PLAN_TIME, VR::TM, spec.time)
        .text(t::PLAN_INTENT, VR::CS, spec.intent)
        .text(t::RT_PLAN_GEOMETRY, VR::CS, "PATIENT")
        .text(t::APPROVAL_STATUS, VR::CS, spec.approval);
    if spec.approval == "APPROVED" {
        b.text(t::REVIEW_DATE, VR::DA, spec.date).text(t::REVIEW_TIME, VR::TM, spec.time).text(
            t::REVIEWER_NAME,
            VR::PN,
            "",
        );
    }
    let mut set = Build::default();
    set.uid(t::REFERENCED_SOP_CLASS_UID, STRUCTURE_SET_CLASS)
        .uid(t::REFERENCED_SOP_INSTANCE_UID, spec.structure_set_uid);
    b.items(t::REFERENCED_STRUCTURE_SET_SEQUENCE, vec![set]);
    let mut target = Build::default();
    target
        .int(t::DOSE_REFERENCE_NUMBER, 1)
        .text(t::DOSE_REFERENCE_STRUCTURE_TYPE, VR::CS, "SITE")
        .one(t::DOSE_REFERENCE_DESCRIPTION, VR::LO, spec.target)
        .text(t::DOSE_REFERENCE_TYPE, VR::CS, "TARGET")
        .decimals(t::TARGET_PRESCRIPTION_DOSE, &[spec.prescription])?;
    b.items(t::DOSE_REFERENCE_SEQUENCE, vec![target]);
    let mut group = Build::default();
    group
        .int(t::FRACTION_GROUP_NUMBER, 1)
        .int(t::NUMBER_OF_FRACTIONS_PLANNED, spec.fractions)
        .int(t::NUMBER_OF_BEAMS, spec.beams.len() as i64)
        .int(t::NUMBER_OF_BRACHY_APPLICATION_SETUPS, 0);
    let mut referenced = Vec::new();
    for (n, beam) in spec.beams.iter().enumerate() {
        let mut r = Build::default();
        r.int(t::REFERENCED_BEAM_NUMBER, n as i64 + 1)
            .decimals(t::BEAM_DOSE, &[beam.dose])?
            .decimals(t::BEAM_METERSET, &[beam.meterset])?;
        referenced.push(r);
    }
    if !referenced.is_empty() {
        group.items(t::REFERENCED_BEAM_SEQUENCE, referenced);
    }
    b.items(t::FRACTION_GROUP_SEQUENCE, vec![group]);
    let mut setup = Build::default();
    setup.int(t::PATIENT_SETUP_NUMBER, 1).text(t::PATIENT_POSITION, VR::CS, spec.patient_position);
    b.items(t::PATIENT_SETUP_SEQUENCE, vec![setup]);
    let beams = spec
        .beams
        .iter()
        .enumerate()
        .map(|(n, beam)| build_beam(spec, n as i64 + 1, beam))
        .collect::<Result<Vec<_>, _>>()?;
    if !beams.is_empty() {
        b.items(t::BEAM_SEQUENCE, beams);
    }
    identify(&mut b, CLASS, &spec.images.series_uid)?;
    Ok(b)
}

fn build_beam(spec: &PlanSpec<'_>, number: i64, beam: &BeamSpec<'_>) -> Result<Build, String> {
    let first = *beam.gantry_angles.first().ok_or("a beam needs a gantry angle")?;
    let arc = beam.gantry_angles.windows(2).any(|w| w[0] != w[1]);
    // A static beam has two control points: begin and end of the meterset.
    let angles: Vec<f64> = if beam.gantry_angles.len() > 1 { beam.gantry_angles.to_vec() } else { vec![first; 2] };
    let mut b = Build::default();
    let mut devices = Vec::new();
    for kind in ["ASYMX", "ASYMY"] {
        let mut d = Build::default();
        d.text(t::RT_BEAM_LIMITING_DEVICE_TYPE, VR::CS, kind).int(t::NUMBER_OF_LEAF_JAW_PAIRS, 1);
        devices.push(d);
    }
    b.text(t::TREATMENT_MACHINE_NAME, VR::SH, spec.machine)
        .text(t::PRIMARY_DOSIMETER_UNIT, VR::CS, "MU")
        .items(t::BEAM_LIMITING_DEVICE_SEQUENCE, devices)
        .int(t::BEAM_NUMBER, number)
        .one(t::BEAM_NAME, VR::LO, beam.name)
        .text(t::BEAM_TYPE, VR::CS, if arc { "DYNAMIC" } else { "STATIC" })
        .text(t::RADIATION_TYPE, VR::CS, "PHOTON")
        .text(t::TREATMENT_DELIVERY_TYPE, VR::CS, "TREATMENT")
        .int(t::NUMBER_OF_WEDGES, 0)
        .int(t::NUMBER_OF_COMPENSATORS, 0)
        .int(t::NUMBER_OF_BOLI, 0)
        .int(t::NUMBER_OF_BLOCKS, 0)
        .int(t::NUMBER_OF_CONTROL_POINTS, angles.len() as i64)
        .int(t::REFERENCED_PATIENT_SETUP_NUMBER, 1)
        .decimals(t::SOURCE_AXIS_DISTANCE, &[1000.0])?
        .decimals(t::FINAL_CUMULATIVE_METERSET_WEIGHT, &[1.0])?;
    let mut points = Vec::new();
    for (n, angle) in angles.iter().enumerate() {
        let mut p = Build::default();
        p.int(t::CONTROL_POINT_INDEX, n as i64)
            .decimals(t::CUMULATIVE_METERSET_WEIGHT, &[n as f64 / (angles.len() - 1) as f64])?;
        if n == 0 {
            let mut jaws = Vec::new();
            for (kind, half) in ["ASYMX", "ASYMY"].iter().zip(beam.jaws) {
                let mut j = Build::default();
                j.text(t::RT_BEAM_LIMITING_DEVICE_TYPE, VR::CS, kind)
                    .decimals(t::LEAF_JAW_POSITIONS, &[-half, half])?;
                jaws.push(j);
            }
            p.items(t::BEAM_LIMITING_DEVICE_POSITION_SEQUENCE, jaws)
                .text(t::GANTRY_ROTATION_DIRECTION, VR::CS, if arc { "CW" } else { "NONE" })
                .text(t::BEAM_LIMITING_DEVICE_ROTATION_DIRECTION, VR::CS, "NONE")
                .text(t::PATIENT_SUPPORT_ROTATION_DIRECTION, VR::CS, "NONE")
                .text(t::TABLE_TOP_ECCENTRIC_ROTATION_DIRECTION, VR::CS, "NONE")
                .text(t::TABLE_TOP_VERTICAL_POSITION, VR::DS, "")
                .text(t::TABLE_TOP_LONGITUDINAL_POSITION, VR::DS, "")
                .text(t::TABLE_TOP_LATERAL_POSITION, VR::DS, "")
                .decimals(t::NOMINAL_BEAM_ENERGY, &[beam.energy])?
                .decimals(t::BEAM_LIMITING_DEVICE_ANGLE, &[beam.collimator_angle])?
                .decimals(t::PATIENT_SUPPORT_ANGLE, &[beam.couch_angle])?
                .decimals(t::TABLE_TOP_ECCENTRIC_ANGLE, &[0.0])?
                .decimals(t::ISOCENTER_POSITION, &spec.isocentre)?
                .decimals(t::GANTRY_ANGLE, &[*angle])?;
        } else if arc {
            p.decimals(t::GANTRY_ANGLE, &[*angle])?;
            if n + 1 == angles.len() {
                p.text(t::GANTRY_ROTATION_DIRECTION, VR::CS, "NONE");
            }
        }
        points.push(p);
    }
    b.items(t::CONTROL_POINT_SEQUENCE, points);
    Ok(b)
}
