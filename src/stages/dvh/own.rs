//! The planning system's own DVHs (DVHSequence of the dose), to stand beside ours.

use crate::course::{ResolvedDose, Structure};
use rtpipeline_dicom::rtdose::{Dose, DvhRecord, read_dose};
use rtpipeline_engine::UnitContext;

/// Volume, mean and maximum of a structure as the planning system stored them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct OwnDvh {
    /// Volume, cm³; `None` when the curve is relative.
    pub(crate) volume_cc: Option<f64>,
    /// Mean of the curve, Gy: bins at their middle.
    pub(crate) mean_gy: Option<f64>,
    /// Upper edge of the last bin that holds volume, Gy.
    pub(crate) max_gy: Option<f64>,
}

/// The stored DVHs of a dose taken as it is; none for sums. The statistics that files state are not used: several systems
/// write them in per cent whatever the units say.
pub(crate) fn stored(cx: &UnitContext, d: &ResolvedDose) -> Option<Dose> {
    let [one] = d.components.as_slice() else { return None };
    let dose = read_dose(&cx.resolve(&one.file.path).ok()?).ok()?;
    (one.weight == 1.0 && !dose.dvhs.is_empty()).then_some(dose)
}

/// That of a structure, when the dose refers to its structure set (or to none) and has it.
pub(crate) fn of_structure(dose: &Dose, s: &Structure) -> Option<OwnDvh> {
    let refers = &dose.referenced_structure_sets;
    let own = s.structure_set_uid.as_ref()?;
    if !refers.is_empty() && !refers.contains(own) {
        return None;
    }
    let record = dose.dvhs.iter().find(|r| r.roi_numbers == [i64::from(s.number)])?;
    from_record(record)
}

fn from_record(r: &DvhRecord) -> Option<OwnDvh> {
    if !r.dose_units.eq_ignore_ascii_case("GY") {
        return None;
    }
    let parts: Vec<f64> = match r.dvh_type.as_str() {
        "CUMULATIVE" => {
            let next = r.volumes.iter().skip(1).copied().chain(std::iter::once(0.0));
            r.volumes.iter().zip(next).map(|(a, b)| (a - b).max(0.0)).collect()
        }
        "DIFFERENTIAL" => r.volumes.clone(),
        _ => return None,
    };
    let total: f64 = parts.iter().sum();
    if total <= 0.0 {
        return None;
    }
    let middle = |n: usize| 0.5 * (r.dose_edges[n] + r.dose_edges[n + 1]);
    let mean = parts.iter().enumerate().map(|(n, v)| v * middle(n)).sum::<f64>() / total;
    let last = parts.iter().rposition(|v| *v > 1e-9 * total)?;
    Some(OwnDvh {
        volume_cc: r.volume_units.eq_ignore_ascii_case("CM3").then_some(total),
        mean_gy: Some(mean),
        max_gy: Some(r.dose_edges[last + 1]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: &str, volumes: Vec<f64>) -> DvhRecord {
        DvhRecord {
            roi_numbers: vec![1],
            dvh_type: kind.into(),
            dose_units: "GY".into(),
            volume_units: "CM3".into(),
            dose_edges: vec![0.0, 1.0, 2.0, 3.0],
            volumes,
            minimum: None,
            maximum: Some(150.0),
            mean: Some(99.0),
        }
    }

    #[test]
    fn both_forms_of_a_curve_give_the_same_numbers() {
        let differential = from_record(&record("DIFFERENTIAL", vec![2.0, 2.0, 0.0])).expect("curve");
        let cumulative = from_record(&record("CUMULATIVE", vec![4.0, 2.0, 0.0])).expect("curve");
        assert_eq!(differential, cumulative);
        assert_eq!(cumulative, OwnDvh { volume_cc: Some(4.0), mean_gy: Some(1.0), max_gy: Some(2.0) });
    }
}
