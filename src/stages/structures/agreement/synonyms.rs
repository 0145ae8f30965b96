//! What a structure's name stands for: the same word for names that mean the same organ.
//!
//! The words are those of AAPM TG-263 (C. S. Mayo et al., 2018). Synonyms are listed only where they leave no doubt; the
//! classes of TotalSegmentator come from the registry of label maps. Parts are not the whole: no lobe is a lung, and
//! `Lungs` is not `Lung_L`.

use super::super::names::normalised;
use crate::course::label_maps::registry::tg263_of;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Organs of both sides: word of TG-263, names without side, normalised.
const PAIRED: [(&str, &[&str]); 14] = [
    ("Breast", &["breast"]),
    ("Cochlea", &["cochlea"]),
    ("Eye", &["eye", "eyeball", "globe"]),
    ("Femur", &["femur"]),
    ("Femur_Head", &["femurhead", "femoralhead", "headoffemur"]),
    ("Glnd_Adrenal", &["glndadrenal", "adrenal", "adrenalgland"]),
    ("Glnd_Submand", &["glndsubmand", "submandibular", "submandibulargland"]),
    ("Hippocampus", &["hippocampus"]),
    ("Humerus", &["humerus"]),
    ("Kidney", &["kidney"]),
    ("Lens", &["lens", "eyelens"]),
    ("Lung", &["lung"]),
    ("OpticNrv", &["opticnrv", "opticnerve"]),
    ("Parotid", &["parotid", "parotidgland", "glndparotid"]),
];

/// Ways to write a side, normalised; the first of each is that of TG-263. They stand before or behind the organ.
const SIDES: [(&str, [&str; 3]); 2] = [("L", ["l", "lt", "left"]), ("R", ["r", "rt", "right"])];

/// The other organs: word of TG-263, names, normalised.
const SINGLE: [(&str, &[&str]); 16] = [
    ("Bladder", &["bladder", "urinarybladder"]),
    ("Bone_Mandible", &["bonemandible", "mandible"]),
    ("Bowel_Small", &["bowelsmall", "smallbowel", "smallintestine"]),
    ("Brainstem", &["brainstem"]),
    ("Esophagus", &["esophagus", "oesophagus"]),
    ("External", &["external", "body", "externalcontour", "bodycontour"]),
    ("Glnd_Thyroid", &["glndthyroid", "thyroid", "thyroidgland"]),
    ("Heart", &["heart"]),
    ("Liver", &["liver"]),
    ("Lungs", &["lungs", "bothlungs", "lungsboth"]),
    ("OpticChiasm", &["opticchiasm", "opticchiasma", "chiasm", "chiasma"]),
    ("Pituitary", &["pituitary", "pituitarygland"]),
    ("Rectum", &["rectum"]),
    ("SeminalVes", &["seminalves", "seminalvesicle", "seminalvesicles"]),
    ("SpinalCord", &["spinalcord", "cord", "myelon"]),
    ("Trachea", &["trachea"]),
];

/// Classes whose standard name in the registry is wider than what they show: they keep their own names.
const NOT_SURE: [&str; 4] = ["lung", "lungpleural", "vertebrae", "vertebraebody"];

/// The word for what a name stands for: that of TG-263 where the name is known, else the name itself without case and
/// punctuation. `None` when it says nothing, or when a `~` marks a structure that is drawn in part only.
pub(super) fn meaning(name: &str) -> Option<String> {
    let plain = normalised(name);
    if plain.is_empty() || name.contains('~') {
        return None;
    }
    if let Some(word) = synonyms().get(&plain) {
        return Some(word.clone());
    }
    let standard = if NOT_SURE.contains(&plain.as_str()) { None } else { tg263_of(name) };
    Some(standard.map_or(plain, str::to_owned))
}

fn synonyms() -> &'static BTreeMap<String, String> {
    static TABLE: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    TABLE.get_or_init(|| entries().into_iter().collect())
}

/// All names of the tables with their words.
fn entries() -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> =
        SINGLE.iter().flat_map(|(word, names)| names.iter().map(|n| ((*n).to_owned(), (*word).to_owned()))).collect();
    for (word, names) in PAIRED {
        for (side, ways) in SIDES {
            for way in ways {
                for name in names {
                    for written in [format!("{name}{way}"), format!("{way}{name}")] {
                        out.push((written, format!("{word}_{side}")));
                    }
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::course::label_maps::registry::tasks;

    fn of(name: &str) -> String {
        meaning(name).unwrap_or_default()
    }

    #[test]
    fn names_of_one_organ_have_one_word() {
        for (word, names) in [
            ("Lung_L", ["Lung_L", "lung_left", "Lt Lung", "LUNG LT", "Left_Lung"]),
            ("Kidney_R", ["Kidney_R", "kidney_right", "Rt. Kidney", "R Kidney", "KidneyRight"]),
            ("External", ["BODY", "External", "body", "Body Contour", "EXTERNAL"]),
            ("SpinalCord", ["SpinalCord", "spinal_cord", "Spinal Cord", "cord", "SPINALCORD"]),
            ("Bladder", ["Bladder", "urinary_bladder", "BLADDER", "Urinary Bladder", "bladder"]),
            (
                "Femur_Head_L",
                ["Femur_Head_L", "FemoralHead_L", "Lt Femoral Head", "Femoral_Head_Left", "FEMUR HEAD LT"],
            ),
        ] {
            for name in names {
                assert_eq!(of(name), word, "{name}");
            }
        }
        assert_eq!((of("CTV high"), of("ctv_HIGH")), ("ctvhigh".into(), "ctvhigh".into()));
    }

    #[test]
    fn parts_margins_and_the_other_side_are_something_else() {
        for (a, b) in [
            ("Lung_L", "lung_upper_lobe_left"),
            ("Lung_L", "Lung_R"),
            ("Lung_L", "Lungs"),
            ("Lungs", "lung"),
            ("Lung_L", "Lung_L-GTV"),
            ("SpinalCord", "SpinalCord_PRV05"),
            ("SpinalCord", "SpinalCanal"),
            ("Femur_Head_L", "femur_left"),
            ("BODY", "body_trunc"),
            ("Lungs", "lung_pleural"),
            ("VBs", "vertebrae_body"),
        ] {
            assert_ne!(of(a), of(b), "{a} and {b}");
        }
        assert_eq!((meaning("Brain~"), meaning(" _"), meaning("")), (None, None, None));
    }

    #[test]
    fn no_name_stands_for_two_organs_and_the_registry_agrees() {
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        for (name, word) in entries() {
            if let Some(other) = seen.insert(name.clone(), word.clone()) {
                assert_eq!(other, word, "{name}");
            }
            if let Some(standard) = tg263_of(&name).filter(|_| !NOT_SURE.contains(&name.as_str())) {
                assert_eq!(standard, word, "{name}");
            }
        }
        // Each word is a name of itself, so that manual structures by the standard find it.
        for word in seen.values() {
            assert_eq!(of(word), *word);
        }
        // Classes of one task are different things.
        for (task, t) in tasks() {
            let mut words: BTreeMap<String, &str> = BTreeMap::new();
            for class in &t.classes {
                if let Some(other) = words.insert(of(class.name), class.name) {
                    panic!("{task}: {other} and {} have one word", class.name);
                }
            }
        }
    }
}
