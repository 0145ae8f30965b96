//! Beams of photon, electron and ion plans.

use super::Beam;
use crate::guard::DataSet;
use dicom_dictionary_std::tags as t;

/// Reads one item of BeamSequence or IonBeamSequence.
pub(super) fn read(b: &DataSet) -> Beam {
    let points: Vec<&DataSet> =
        b.items(t::CONTROL_POINT_SEQUENCE).iter().chain(b.items(t::ION_CONTROL_POINT_SEQUENCE)).collect();
    let all = |tag| -> Vec<f64> { points.iter().filter_map(|p| p.number(tag)).collect() };
    let mut energies = all(t::NOMINAL_BEAM_ENERGY);
    energies.sort_by(f64::total_cmp);
    energies.dedup();
    let gantry_angles = all(t::GANTRY_ANGLE);
    Beam {
        number: b.int(t::BEAM_NUMBER),
        name: b.text(t::BEAM_NAME),
        beam_type: b.code(t::BEAM_TYPE),
        radiation_type: b.code(t::RADIATION_TYPE),
        delivery_type: b.code(t::TREATMENT_DELIVERY_TYPE),
        machine: b.text(t::TREATMENT_MACHINE_NAME),
        energies,
        control_points: if points.is_empty() {
            b.int(t::NUMBER_OF_CONTROL_POINTS).and_then(|n| usize::try_from(n).ok()).unwrap_or(0)
        } else {
            points.len()
        },
        gantry_span: gantry_span(&points),
        gantry_angles,
        collimator_angles: all(t::BEAM_LIMITING_DEVICE_ANGLE),
        couch_angles: all(t::PATIENT_SUPPORT_ANGLE),
        final_meterset_weight: b.number(t::FINAL_CUMULATIVE_METERSET_WEIGHT),
    }
}

/// Gantry travel in degrees, following the direction of rotation; without one the shorter way is taken.
fn gantry_span(points: &[&DataSet]) -> f64 {
    let (mut span, mut last, mut direction) = (0.0, None::<f64>, None::<String>);
    for p in points {
        if let Some(a) = p.number(t::GANTRY_ANGLE) {
            if let Some(from) = last {
                let clockwise = (a - from).rem_euclid(360.0);
                span += match direction.as_deref() {
                    Some("CW") => clockwise,
                    Some("CC" | "CCW") => (360.0 - clockwise).rem_euclid(360.0),
                    _ => clockwise.min(360.0 - clockwise),
                };
            }
            last = Some(a);
        }
        if let Some(d) = p.code(t::GANTRY_ROTATION_DIRECTION) {
            direction = Some(d);
        }
    }
    span
}
