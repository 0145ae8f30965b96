//! The planning system's own DVHs.

use super::DvhRecord;
use crate::Finding;
use crate::finding::note;
use crate::guard::DataSet;
use dicom_dictionary_std::tags as t;

/// Reads DVHSequence. `dose_maximum` serves a plausibility check of the stated statistics.
pub(super) fn read(d: &DataSet, dose_maximum: Option<f64>, findings: &mut Vec<Finding>) -> Vec<DvhRecord> {
    let mut out = Vec::new();
    for (n, item) in d.items(t::DVH_SEQUENCE).iter().enumerate() {
        match one(item, findings) {
            Ok(r) => {
                let curve_end = r.dose_edges.last().copied().unwrap_or(0.0).max(dose_maximum.unwrap_or(0.0));
                if r.maximum.is_some_and(|m| curve_end > 0.0 && m > 1.5 * curve_end) {
                    note(
                        findings,
                        "dvh_statistics",
                        "DVHMaximumDose is far beyond the end of its own curve: the stated DVH statistics are in another unit (often per cent)",
                    );
                }
                out.push(r);
            }
            Err(what) => note(findings, "bad_dvh", format!("DVH {} was left out: {what}", n + 1)),
        }
    }
    out
}

fn one(item: &DataSet, findings: &mut Vec<Finding>) -> Result<DvhRecord, String> {
    let scaling = item.number(t::DVH_DOSE_SCALING).unwrap_or_else(|| {
        note(findings, "dvh_scaling", "a DVH has no DVHDoseScaling; 1 was assumed");
        1.0
    });
    let data = item.numbers(t::DVH_DATA);
    if data.is_empty() {
        return Err("DVHData is missing".into());
    }
    let (pairs, rest) = data.as_chunks::<2>();
    if !rest.is_empty() {
        note(findings, "dvh_odd", "a DVH ends with a dose without a volume");
    }
    let mut dose_edges = Vec::with_capacity(pairs.len() + 1);
    let mut volumes = Vec::with_capacity(pairs.len());
    let mut edge = 0.0;
    dose_edges.push(edge);
    for p in pairs {
        let [Some(width), Some(volume)] = p else { return Err("DVHData holds something that is no number".into()) };
        if *width < 0.0 {
            return Err(format!("a dose bin has the negative width {width}"));
        }
        if *volume < 0.0 {
            note(findings, "negative_dvh_volume", "DVHs hold negative volumes; they were set to 0");
        }
        edge += width * scaling;
        dose_edges.push(edge);
        volumes.push(volume.max(0.0));
    }
    let items = item.items(t::DVH_REFERENCED_ROI_SEQUENCE);
    Ok(DvhRecord {
        roi_numbers: items.iter().filter_map(|i| i.int(t::REFERENCED_ROI_NUMBER)).collect(),
        dvh_type: item.code(t::DVH_TYPE).unwrap_or_default(),
        dose_units: item.code(t::DOSE_UNITS).unwrap_or_default(),
        volume_units: item.code(t::DVH_VOLUME_UNITS).unwrap_or_default(),
        dose_edges,
        volumes,
        minimum: item.number(t::DVH_MINIMUM_DOSE),
        maximum: item.number(t::DVH_MAXIMUM_DOSE),
        mean: item.number(t::DVH_MEAN_DOSE),
    })
}
