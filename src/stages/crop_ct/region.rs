//! Which part of the body to keep, in patient coordinates.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A part of the body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Region {
    /// Upper edge of L1 to 10 cm below the femoral heads.
    #[default]
    Pelvis,
    /// C7 to L1.
    Thorax,
    /// T12 to L5.
    Abdomen,
    /// Brain to C7.
    HeadNeck,
    /// Brain.
    Brain,
}

/// Extent of one structure along the patient's z, mm: lowest and highest edge.
pub type Extent = [f64; 2];

/// Height of the femoral head and neck below the top of the femur, mm. The femur mask as a whole ends where the scan
/// ends, so its lower edge says nothing.
const FEMORAL_HEAD_MM: f64 = 50.0;

/// One boundary of the region.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boundary {
    /// Patient z with margin, mm; `None` = end of the image.
    pub z_mm: Option<f64>,
    /// What it was taken from.
    pub landmark: String,
    /// Margin, cm.
    pub margin_cm: f64,
}

/// Superior and inferior boundary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slab {
    /// Towards the head.
    pub superior: Boundary,
    /// Towards the feet.
    pub inferior: Boundary,
}

enum Edge {
    Top,
    Bottom,
    HeadOfFemur,
}

/// One place to look: names, the edge of their common extent, words.
type Landmark = (&'static [&'static str], Edge, &'static str);

const LUNGS: &[&str] = &[
    "lung_upper_lobe_left",
    "lung_lower_lobe_left",
    "lung_upper_lobe_right",
    "lung_middle_lobe_right",
    "lung_lower_lobe_right",
    "lung_left",
    "lung_right",
];

struct Rule {
    superior: &'static [Landmark],
    superior_cm: f64,
    superior_end: bool,
    inferior: &'static [Landmark],
    inferior_cm: f64,
    inferior_end: bool,
}

impl Region {
    /// The word of the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pelvis => "pelvis",
            Self::Thorax => "thorax",
            Self::Abdomen => "abdomen",
            Self::HeadNeck => "head_neck",
            Self::Brain => "brain",
        }
    }

    fn rule(self) -> Rule {
        use Edge::{Bottom, HeadOfFemur, Top};
        match self {
            Self::Pelvis => Rule {
                superior: &[(&["vertebrae_L1"], Top, "upper edge of L1")],
                superior_cm: 0.0,
                superior_end: true,
                inferior: &[(&["femur_left", "femur_right"], HeadOfFemur, "femoral heads")],
                inferior_cm: 10.0,
                inferior_end: true,
            },
            Self::Thorax => Rule {
                superior: &[(&["vertebrae_C7"], Top, "upper edge of C7"), (LUNGS, Top, "apex of the lungs")],
                superior_cm: 2.0,
                superior_end: false,
                inferior: &[
                    (&["vertebrae_L1"], Bottom, "lower edge of L1"),
                    (&["liver"], Top, "upper edge of the liver"),
                    (LUNGS, Bottom, "base of the lungs"),
                ],
                inferior_cm: 2.0,
                inferior_end: false,
            },
            Self::Abdomen => Rule {
                superior: &[
                    (&["vertebrae_T12"], Top, "upper edge of T12"),
                    (&["vertebrae_L1"], Top, "upper edge of L1"),
                    (&["liver"], Top, "upper edge of the liver"),
                ],
                superior_cm: 2.0,
                superior_end: false,
                inferior: &[(&["vertebrae_L5"], Bottom, "lower edge of L5")],
                inferior_cm: 2.0,
                inferior_end: false,
            },
            Self::HeadNeck => Rule {
                superior: &[(&["brain"], Top, "top of the brain"), (&["skull"], Top, "top of the skull")],
                superior_cm: 2.0,
                superior_end: false,
                inferior: &[
                    (&["vertebrae_C7"], Bottom, "lower edge of C7"),
                    (&["clavicula_left", "clavicula_right"], Bottom, "lower edge of the clavicles"),
                ],
                inferior_cm: 2.0,
                inferior_end: false,
            },
            Self::Brain => Rule {
                superior: &[(&["brain"], Top, "top of the brain")],
                superior_cm: 1.0,
                superior_end: false,
                inferior: &[(&["brain"], Bottom, "bottom of the brain")],
                inferior_cm: 1.0,
                inferior_end: false,
            },
        }
    }

    /// The slab of the region from the extents of structures by name; margins in cm replace those of the region.
    ///
    /// # Errors
    /// One sentence when a landmark is missing that has no fallback.
    pub fn slab(
        self,
        extents: &BTreeMap<String, Extent>,
        superior_margin_cm: Option<f64>,
        inferior_margin_cm: Option<f64>,
    ) -> Result<Slab, String> {
        let rule = self.rule();
        let find = |places: &[Landmark], sign: f64, cm: f64, end: bool, side: &str| -> Result<Boundary, String> {
            for (names, edge, words) in places {
                let found: Vec<&Extent> = names.iter().filter_map(|n| extents.get(*n)).collect();
                if found.is_empty() {
                    continue;
                }
                let top = found.iter().map(|e| e[1]).fold(f64::NEG_INFINITY, f64::max);
                let bottom = found.iter().map(|e| e[0]).fold(f64::INFINITY, f64::min);
                let z = match edge {
                    Edge::Top => top,
                    Edge::Bottom => bottom,
                    Edge::HeadOfFemur => top - FEMORAL_HEAD_MM,
                };
                return Ok(Boundary { z_mm: Some(z + sign * cm * 10.0), landmark: (*words).to_owned(), margin_cm: cm });
            }
            if end {
                return Ok(Boundary { z_mm: None, landmark: "end of the image".to_owned(), margin_cm: cm });
            }
            let wanted: Vec<&str> = places.iter().map(|(_, _, w)| *w).collect();
            Err(format!("no landmark for the {side} end of the {} ({})", self.word(), wanted.join(", ")))
        };
        let superior_cm = superior_margin_cm.unwrap_or(rule.superior_cm);
        let inferior_cm = inferior_margin_cm.unwrap_or(rule.inferior_cm);
        let superior = find(rule.superior, 1.0, superior_cm, rule.superior_end, "superior")?;
        let inferior = find(rule.inferior, -1.0, inferior_cm, rule.inferior_end, "inferior")?;
        match (superior.z_mm, inferior.z_mm) {
            (None, None) => Err(format!("no landmark for either end of the {}", self.word())),
            (Some(s), Some(i)) if s <= i => Err(format!(
                "the superior end of the {} ({}, {s:.1} mm) lies below the inferior end ({}, {i:.1} mm)",
                self.word(),
                superior.landmark,
                inferior.landmark
            )),
            _ => Ok(Slab { superior, inferior }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extents(list: &[(&str, Extent)]) -> BTreeMap<String, Extent> {
        list.iter().map(|(n, e)| ((*n).to_owned(), *e)).collect()
    }

    #[test]
    fn the_pelvis_does_not_depend_on_the_length_of_the_scan() {
        let long = extents(&[("vertebrae_L1", [200.0, 230.0]), ("femur_left", [-300.0, 0.0])]);
        let short = extents(&[("vertebrae_L1", [200.0, 230.0]), ("femur_left", [-80.0, 0.0])]);
        let a = Region::Pelvis.slab(&long, None, None).unwrap();
        assert_eq!(a, Region::Pelvis.slab(&short, None, None).unwrap());
        assert_eq!((a.superior.z_mm, a.inferior.z_mm), (Some(230.0), Some(-150.0)));
    }

    #[test]
    fn fallbacks_and_margins() {
        let e = extents(&[("lung_left", [-50.0, 190.0]), ("lung_right", [-60.0, 200.0])]);
        let t = Region::Thorax.slab(&e, None, Some(0.0)).unwrap();
        assert_eq!((t.superior.z_mm, t.inferior.z_mm), (Some(220.0), Some(-60.0)));
        assert!(Region::Abdomen.slab(&e, None, None).unwrap_err().contains("upper edge of T12"));
        assert!(Region::Pelvis.slab(&e, None, None).is_err());
        let one = extents(&[("vertebrae_L1", [0.0, 30.0])]);
        let p = Region::Pelvis.slab(&one, None, None).unwrap();
        assert_eq!((p.superior.z_mm, p.inferior.z_mm), (Some(30.0), None));
        let upside = extents(&[("vertebrae_T12", [0.0, 30.0]), ("vertebrae_L5", [100.0, 130.0])]);
        assert!(Region::Abdomen.slab(&upside, None, None).unwrap_err().contains("lies below"));
    }
}
