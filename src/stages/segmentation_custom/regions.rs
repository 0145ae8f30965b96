//! Which parts of the body an image shows, from the volumes of automatic structures.

use super::model::BodyRegion;
use std::collections::BTreeMap;

struct Rule {
    region: BodyRegion,
    vertebrae: &'static [&'static str],
    need: usize,
    /// Groups of structures with the volume in cm³ that their sum must reach.
    organs: &'static [(&'static [&'static str], f64)],
}

const RULES: [Rule; 4] = [
    Rule {
        region: BodyRegion::HeadNeck,
        vertebrae: &[
            "vertebrae_C1",
            "vertebrae_C2",
            "vertebrae_C3",
            "vertebrae_C4",
            "vertebrae_C5",
            "vertebrae_C6",
            "vertebrae_C7",
        ],
        need: 1,
        organs: &[(&["brain"], 50.0), (&["skull"], 50.0)],
    },
    Rule {
        region: BodyRegion::Thorax,
        vertebrae: &[
            "vertebrae_T1",
            "vertebrae_T2",
            "vertebrae_T3",
            "vertebrae_T4",
            "vertebrae_T5",
            "vertebrae_T6",
            "vertebrae_T7",
            "vertebrae_T8",
            "vertebrae_T9",
            "vertebrae_T10",
            "vertebrae_T11",
            "vertebrae_T12",
        ],
        need: 3,
        organs: &[
            (
                &[
                    "lung_upper_lobe_left",
                    "lung_lower_lobe_left",
                    "lung_upper_lobe_right",
                    "lung_middle_lobe_right",
                    "lung_lower_lobe_right",
                    "lung_left",
                    "lung_right",
                ],
                200.0,
            ),
            (&["heart"], 50.0),
        ],
    },
    Rule {
        region: BodyRegion::Abdomen,
        vertebrae: &["vertebrae_L1", "vertebrae_L2", "vertebrae_L3", "vertebrae_L4", "vertebrae_L5"],
        need: 2,
        organs: &[(&["liver"], 100.0), (&["spleen"], 30.0), (&["kidney_left", "kidney_right"], 40.0)],
    },
    Rule {
        region: BodyRegion::Pelvis,
        vertebrae: &["sacrum", "vertebrae_S1"],
        need: 1,
        organs: &[(&["hip_left", "hip_right"], 30.0), (&["urinary_bladder"], 10.0)],
    },
];

/// Confidence that each region is in the image: 0.7 for enough vertebrae over 1 cm³ (in proportion below that) and 0.3
/// for an organ that is large enough. `volumes` maps structure names to cm³.
pub fn confidence(volumes: &BTreeMap<String, f64>) -> BTreeMap<BodyRegion, f64> {
    let cc = |name: &str| volumes.get(name).copied().unwrap_or(0.0);
    RULES
        .iter()
        .map(|r| {
            let bones = r.vertebrae.iter().filter(|v| cc(v) > 1.0).count();
            let organ = r.organs.iter().any(|(names, need)| names.iter().map(|n| cc(n)).sum::<f64>() >= *need);
            let c = 0.7 * (bones as f64 / r.need as f64).min(1.0) + if organ { 0.3 } else { 0.0 };
            (r.region, c)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bones_count_more_than_organs() {
        let v = |list: &[(&str, f64)]| list.iter().map(|(n, c)| ((*n).to_owned(), *c)).collect::<BTreeMap<_, _>>();
        let c =
            confidence(&v(&[("vertebrae_T1", 9.0), ("vertebrae_T2", 9.0), ("lung_left", 150.0), ("lung_right", 60.0)]));
        assert!((c[&BodyRegion::Thorax] - (0.7 * 2.0 / 3.0 + 0.3)).abs() < 1e-12);
        assert_eq!(c[&BodyRegion::Pelvis], 0.0);
        let p = confidence(&v(&[("sacrum", 0.9), ("urinary_bladder", 60.0)]));
        assert!((p[&BodyRegion::Pelvis] - 0.3).abs() < 1e-12);
    }
}
