//! Words in plan labels that tell re-plans and boosts.
//!
//! Only whole words count: "reverse" is no re-plan and "sibling" no boost. Words are the last resort, after references,
//! approval and treatment records.

/// Words of plans that replace another.
const REPLAN: &[&str] = &[
    "replan",
    "re plan",
    "replanning",
    "adapt",
    "adapted",
    "adaptive",
    "adaptation",
    "revision",
    "rev",
    "v2",
    "v3",
    "v4",
    "v5",
    "copy",
    "resim",
    "new ct",
    "fx change",
    "modified",
    "adjusted",
    "corrected",
];

/// Words of plans that are given on top of another. "SIB" is none: a simultaneous boost is within its plan.
const BOOST: &[&str] =
    &["boost", "bst", "conedown", "cone down", "phase 2", "phase2", "ph2", "phase ii", "cd", "reduced", "sequential"];

/// Lower-case words of a text, separated by single spaces, with one at both ends.
fn words(text: &str) -> String {
    let mut out = String::from(" ");
    for c in text.chars() {
        if c.is_alphanumeric() {
            out.extend(c.to_lowercase());
        } else if !out.ends_with(' ') {
            out.push(' ');
        }
    }
    if !out.ends_with(' ') {
        out.push(' ');
    }
    out
}

fn find(text: &str, list: &[&'static str]) -> Option<&'static str> {
    let text = words(text);
    list.iter().copied().find(|w| text.contains(&format!(" {w} ")))
}

/// The word by which the text is that of a re-plan.
pub(super) fn replan(text: &str) -> Option<&'static str> {
    find(text, REPLAN)
}

/// The word by which the text is that of a boost.
pub(super) fn boost(text: &str) -> Option<&'static str> {
    find(text, BOOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_words_count() {
        // D15 of the original: substrings of these were taken for re-plans and boosts.
        for t in ["reverse", "reviewed", "copyright", "adaptor", "prev", "Lung rev2x"] {
            assert_eq!(replan(t), None, "{t}");
        }
        for t in ["abcd", "cone beam CT verified", "sibling", "boosted", "SIB"] {
            assert_eq!(boost(t), None, "{t}");
        }
        assert_eq!(replan("Prostate_RePlan_1"), Some("replan"));
        assert_eq!(replan("re-plan fx 12"), Some("re plan"));
        assert_eq!(boost("PTV Boost"), Some("boost"));
        assert_eq!(boost("Phase-2"), Some("phase 2"));
    }
}
