//! Agreement of manual and automatic structures on the pages.

use super::words::{count, number, text};
use crate::course::{Catalogue, source};
use crate::records::Row;
use crate::report::{AgreementRow, AgreementStrip, Tile};
use std::collections::{BTreeMap, BTreeSet};

/// Rows of a course's page. A reason stands where values are missing.
pub(super) fn of_course(rows: &[&Row]) -> Vec<AgreementRow> {
    rows.iter()
        .map(|r| AgreementRow {
            structure: text(r, "structure").to_owned(),
            a: segmentation(r, "a"),
            b: segmentation(r, "b"),
            dice: number(r, "dice"),
            hd95_mm: number(r, "hd95_mm"),
            mean_distance_mm: number(r, "assd_mm"),
            volume_difference_cc: match (number(r, "volume_a (cm³)"), number(r, "volume_b (cm³)")) {
                (Some(a), Some(b)) => Some(b - a),
                _ => None,
            },
            reason: text(r, "Reason").to_owned(),
        })
        .collect()
}

/// `Manual Lung_L`.
fn segmentation(r: &Row, which: &str) -> String {
    let (maker, name) = (text(r, &format!("source_{which}")), text(r, &format!("roi_name_{which}")));
    format!("{maker} {name}").trim().to_owned()
}

/// Pairs of which both structures are there; an empty structure says nothing about the contours of the other.
fn compared(r: &Row) -> Option<f64> {
    number(r, "dice").filter(|_| text(r, "Status") != "empty")
}

/// The median Dice coefficient over rows and how many pairs it is of.
fn median_dice<'r>(rows: impl IntoIterator<Item = &'r Row>) -> Option<(f64, usize)> {
    let mut all: Vec<f64> = rows.into_iter().filter_map(compared).collect();
    all.sort_by(f64::total_cmp);
    let (low, high) = (all.get(all.len().checked_sub(1)? / 2)?, all.get(all.len() / 2)?);
    Some((f64::midpoint(*low, *high), all.len()))
}

/// The tile of a course.
pub(super) fn course_tile(rows: &[&Row]) -> Tile {
    match median_dice(rows.iter().copied()) {
        Some((v, n)) => {
            Tile::new(format!("{v:.3}"), format!("median Dice of {}, manual and automatic", count(n, "pair")))
        }
        None if rows.is_empty() => Tile::missing("agreement: no pair of manual and automatic structures"),
        None => Tile::missing("agreement: no pair with values"),
    }
}

/// The tile of the cohort.
pub(super) fn cohort_tile(rows: &[Row]) -> Tile {
    let with: BTreeSet<(&str, &str)> =
        rows.iter().filter(|r| compared(r).is_some()).map(|r| (text(r, "patient_id"), text(r, "course_id"))).collect();
    match median_dice(rows) {
        Some((v, n)) => Tile::new(
            format!("{v:.3}"),
            format!("median Dice of {} in {}, manual and automatic", count(n, "pair"), count(with.len(), "course")),
        ),
        None => Tile::missing("median agreement: no pair of manual and automatic structures"),
    }
}

/// Why a course has no pair.
pub(super) fn absent(catalogue: &Catalogue) -> String {
    let has = |manual: bool| {
        catalogue.structures.iter().any(|s| s.source != source::CUSTOM && (s.source == source::MANUAL) == manual)
    };
    match (has(true), has(false)) {
        (false, false) => "There are no structures to compare.",
        (false, true) => "There is no manual structure to compare with.",
        (true, false) => "There is no automatic structure to compare with.",
        (true, true) => "No manual and automatic structure of one image have the same meaning by their names.",
    }
    .to_owned()
}

/// Values by structure over the cohort; where several sources made a structure, one strip for each. `place` is the
/// number of a row's course.
pub(super) fn strips(rows: &[Row], place: impl Fn(&Row) -> Option<usize>) -> Vec<AgreementStrip> {
    let mut sources: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for r in rows {
        sources.entry(text(r, "structure")).or_default().insert(text(r, "source_b"));
    }
    let mut out: BTreeMap<(&str, &str), AgreementStrip> = BTreeMap::new();
    for r in rows {
        let (Some(dice), Some(course)) = (compared(r), place(r)) else { continue };
        let key = (text(r, "structure"), text(r, "source_b"));
        let strip = out.entry(key).or_insert_with(|| AgreementStrip {
            structure: if sources[key.0].len() > 1 { format!("{} ({})", key.0, key.1) } else { key.0.to_owned() },
            ..AgreementStrip::default()
        });
        strip.dice.push((dice, course));
        strip.hd95_mm.extend(number(r, "hd95_mm").map(|v| (v, course)));
    }
    out.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(course: &str, structure: &str, source: &str, dice: Option<f64>, status: &str) -> Row {
        let value = json!({
            "patient_id": "P", "course_id": course, "structure": structure,
            "source_a": "Manual", "roi_name_a": structure, "source_b": source, "roi_name_b": "x",
            "volume_a (cm³)": 10.0, "volume_b (cm³)": 12.5, "dice": dice, "hd95_mm": dice.map(|d| 10.0 * (1.0 - d)),
            "Status": status,
        });
        serde_json::from_value(value).expect("a row")
    }

    #[test]
    fn medians_leave_empty_structures_out() {
        let rows = [
            row("1", "Lung_L", "AutoClassical", Some(0.9), "ok"),
            row("1", "Lung_R", "AutoClassical", Some(0.8), "ok"),
            row("2", "Lung_L", "AutoClassical", Some(0.0), "empty"),
        ];
        let tile = cohort_tile(&rows);
        assert_eq!(tile.value.as_deref(), Some("0.850"));
        assert_eq!(tile.label, "median Dice of 2 pairs in 1 course, manual and automatic");
        assert_eq!(course_tile(&[&rows[0]]).value.as_deref(), Some("0.900"));
        assert_eq!((course_tile(&[&rows[2]]).value, course_tile(&[]).value), (None, None));
        let line = of_course(&[&rows[0]]).remove(0);
        assert_eq!((line.a.as_str(), line.b.as_str()), ("Manual Lung_L", "AutoClassical x"));
        assert_eq!(line.volume_difference_cc, Some(2.5));
    }

    #[test]
    fn strips_keep_sources_apart() {
        let rows = [
            row("0", "Lung_L", "AutoClassical", Some(0.9), "ok"),
            row("1", "Lung_L", "AutoClassical", Some(0.5), "ok"),
            row("1", "Heart", "CustomModel:a", Some(0.7), "ok"),
            row("1", "Heart", "AutoTotalSegmentator:total", Some(0.8), "ok"),
        ];
        let strips = strips(&rows, |r| text(r, "course_id").parse().ok());
        let names: Vec<&str> = strips.iter().map(|s| s.structure.as_str()).collect();
        assert_eq!(names, ["Heart (AutoTotalSegmentator:total)", "Heart (CustomModel:a)", "Lung_L"]);
        assert_eq!(strips[2].dice, [(0.9, 0), (0.5, 1)]);
        assert_eq!(strips[2].hd95_mm.len(), 2);
    }
}
