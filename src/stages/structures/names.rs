//! Finding a structure of the course by the name that a custom-structure file uses.

use crate::course::Structure;

/// Letters and digits only, lower case: `Spinal_Cord` and `SpinalCord` are one.
pub fn normalised(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Names under which a structure is found besides its own, normalised: without `__partial`, the part behind a `--` or
/// `__`, without a leading `total`, and `<model>_<name>` for custom models.
pub fn aliases(structure: &Structure) -> Vec<String> {
    let mut out = Vec::new();
    for name in [&structure.name, &structure.original_name] {
        let whole = name.strip_suffix("__partial").unwrap_or(name);
        out.push(normalised(whole));
        for mark in ["--", "__"] {
            if let Some((_, last)) = whole.rsplit_once(mark) {
                out.push(normalised(last));
            }
        }
        let plain = normalised(whole);
        if let Some(rest) = plain.strip_prefix("total") {
            out.push(rest.to_owned());
        }
        if let Some(model) = structure.source.strip_prefix("CustomModel:") {
            out.push(normalised(&format!("{model}_{whole}")));
        }
    }
    out.retain(|a| !a.is_empty());
    out.dedup();
    out
}

/// How well a structure answers to a name; the smallest wins, then the order of the candidates.
fn rank(structure: &Structure, wanted: &str, wanted_normal: &str) -> Option<u8> {
    if structure.name == wanted {
        Some(0)
    } else if structure.original_name == wanted {
        Some(1)
    } else if normalised(&structure.name) == wanted_normal {
        Some(2)
    } else if aliases(structure).iter().any(|a| a == wanted_normal) {
        Some(3)
    } else {
        None
    }
}

/// Candidates for a name, best first: exact names before normalised ones before aliases, and among equals in the order
/// given (manual structures before automatic ones).
pub fn find<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a Structure>) -> Vec<&'a Structure> {
    let normal = normalised(wanted);
    let mut found: Vec<(u8, &Structure)> =
        candidates.into_iter().filter_map(|s| rank(s, wanted, &normal).map(|r| (r, s))).collect();
    found.sort_by_key(|(r, _)| *r);
    found.into_iter().map(|(_, s)| s).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::course::{Shape, source};

    fn structure(name: &str, source: &str) -> Structure {
        Structure {
            number: 1,
            name: name.into(),
            original_name: name.into(),
            source: source.into(),
            shape: Shape::Label { file: "out:x.nii.gz".parse().unwrap(), value: 1 },
            image_id: None,
            structure_set_uid: None,
            color: None,
            interpreted_type: String::new(),
            cropped: false,
            missing_parts: Vec::new(),
            contour_count: None,
        }
    }

    #[test]
    fn exact_before_normalised_before_alias_and_manual_before_automatic() {
        let list = [
            structure("spinal cord", source::MANUAL),
            structure("SpinalCord", source::MANUAL),
            structure("SpinalCord", "AutoTotalSegmentator:total"),
            structure("total--liver", "AutoTotalSegmentator:total"),
            structure("heart__partial", source::CUSTOM),
            structure("Atrium_L", "CustomModel:cardiac"),
        ];
        let found = find("SpinalCord", &list);
        assert_eq!(
            found.iter().map(|s| s.source.as_str()).collect::<Vec<_>>(),
            [source::MANUAL, "AutoTotalSegmentator:total", source::MANUAL]
        );
        assert_eq!(found[2].name, "spinal cord");
        assert_eq!(find("liver", &list)[0].name, "total--liver");
        assert_eq!(find("Heart", &list)[0].name, "heart__partial");
        assert_eq!(find("cardiac_Atrium_L", &list)[0].name, "Atrium_L");
        assert!(find("spine", &list).is_empty());
        assert!(find("__", &list).is_empty());
    }
}
