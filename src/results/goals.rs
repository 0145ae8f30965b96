//! Dose goals against rows and curves.

use super::words::{number, text};
use crate::config::{Goal as Setting, GoalUnit, Metric, Relation};
use crate::course::DvhCurve;
use crate::records::Row;
use crate::report::{Goal, GoalMark, Verdict};

/// The score card: every goal for every structure that it names, one line for a goal without a structure.
pub(super) fn score_card(settings: &[Setting], rows: &[&Row], curves: &[DvhCurve]) -> Vec<Goal> {
    let mut all = Vec::new();
    for goal in settings {
        let words = format!("{} {} {} {}", goal.metric, symbol(goal.relation), goal.value, unit(goal.unit));
        let matching: Vec<&&Row> = rows.iter().filter(|r| goal.applies_to(text(r, "ROI_Name"))).collect();
        if matching.is_empty() {
            all.push(Goal {
                structure: goal.structure.clone(),
                goal: words.clone(),
                unit: unit(goal.unit).into(),
                reason: "structure not found".into(),
                ..Goal::default()
            });
        }
        for r in matching {
            let curve = curves.iter().find(|c| {
                c.dose_id == text(r, "dose_id")
                    && c.source == text(r, "Segmentation_Source")
                    && Some(f64::from(c.roi_number)) == number(r, "ROI_Number")
            });
            all.push(line(goal, words.clone(), r, curve));
        }
    }
    all
}

fn line(goal: &Setting, words: String, r: &Row, curve: Option<&DvhCurve>) -> Goal {
    let value = value(goal, r, curve);
    let more = matches!(goal.relation, Relation::AtLeast | Relation::Greater);
    let verdict = match value {
        None => Verdict::NoValue,
        Some(v) if goal.relation.holds(v, goal.value) => Verdict::Met,
        Some(_) => Verdict::NotMet,
    };
    let reason = match (value, text(r, "Status")) {
        (Some(_), _) => String::new(),
        (None, "ok") if number(r, "rx_dose_gy").is_none() => "no prescription".to_owned(),
        (None, "ok") => "the structure is smaller than the volume asked for".to_owned(),
        (None, _) => text(r, "Reason").to_owned(),
    };
    Goal {
        structure: text(r, "ROI_Name").to_owned(),
        structure_id: Some(format!("{}|{}", text(r, "Segmentation_Source"), number(r, "ROI_Number").unwrap_or(0.0))),
        goal: words,
        value,
        unit: unit(goal.unit).into(),
        margin: value.map(|v| if more { v - goal.value } else { goal.value - v }),
        verdict,
        reason,
        mark: mark(goal, r, more),
    }
}

/// The value in the unit of the goal: from the table where the table has it, else from the curve.
fn value(goal: &Setting, r: &Row, curve: Option<&DvhCurve>) -> Option<f64> {
    let rx = number(r, "rx_dose_gy");
    let relative = goal.unit == GoalUnit::Percent;
    let dose = |gy: Option<f64>| if relative { gy.zip(rx).map(|(d, rx)| 100.0 * d / rx) } else { gy };
    let volume = |at: Option<f64>, column: Option<String>| {
        let unit = if relative { "(%)" } else { "(cm³)" };
        let from_table = column.and_then(|c| number(r, &format!("{c} {unit}")));
        from_table.or_else(|| {
            let percent = curve_at(curve?, at?);
            Some(if relative { percent } else { percent * curve?.volume_cc / 100.0 })
        })
    };
    match goal.metric {
        Metric::MeanDose => dose(number(r, "DmeanGy")),
        Metric::MaxDose => dose(number(r, "DmaxGy")),
        Metric::MinDose => dose(number(r, "DminGy")),
        Metric::DoseToPercent(x) => dose(number(r, &format!("D{x}Gy")).or_else(|| curve_dose(curve?, x))),
        Metric::DoseToVolume(cc) => dose(number(r, &format!("D{cc}ccGy")).or_else(|| {
            let c = curve?;
            (cc <= c.volume_cc).then(|| curve_dose(c, 100.0 * cc / c.volume_cc))?
        })),
        Metric::VolumeAtDose(gy) => volume(Some(gy), Some(format!("V{gy}Gy"))),
        Metric::VolumeAtPercent(p) => volume(rx.map(|rx| rx * p / 100.0), Some(format!("V{p}%Rx"))),
        Metric::Volume => number(r, "Volume (cm³)"),
    }
}

/// Percent of the volume with at least this dose, linear between the points of the curve.
fn curve_at(c: &DvhCurve, gy: f64) -> f64 {
    let x = (gy / c.step_gy).max(0.0);
    let n = x.floor() as usize;
    let at = |k: usize| c.volume_percent.get(k).copied().unwrap_or(0.0);
    at(n) + (x - n as f64) * (at(n + 1) - at(n))
}

/// Largest dose that this percentage of the volume receives.
fn curve_dose(c: &DvhCurve, percent: f64) -> Option<f64> {
    let n = c.volume_percent.iter().rposition(|v| *v >= percent)?;
    let (a, b) = (c.volume_percent[n], c.volume_percent.get(n + 1).copied().unwrap_or(0.0));
    let t = if a > b { (a - percent) / (a - b) } else { 0.0 };
    Some((n as f64 + t) * c.step_gy)
}

fn mark(goal: &Setting, r: &Row, at_least: bool) -> Option<GoalMark> {
    let rx = number(r, "rx_dose_gy");
    let limit_gy =
        || if goal.unit == GoalUnit::Percent { rx.map(|rx| rx * goal.value / 100.0) } else { Some(goal.value) };
    let percent_of = |cc: f64| number(r, "Volume (cm³)").filter(|v| *v > 0.0).map(|v| 100.0 * cc / v);
    let limit_percent = || if goal.unit == GoalUnit::Percent { Some(goal.value) } else { percent_of(goal.value) };
    let (dose_gy, volume_percent) = match goal.metric {
        Metric::DoseToPercent(x) => (limit_gy()?, x),
        Metric::DoseToVolume(cc) => (limit_gy()?, percent_of(cc)?),
        Metric::MaxDose => (limit_gy()?, 0.0),
        Metric::MinDose => (limit_gy()?, 100.0),
        Metric::VolumeAtDose(gy) => (gy, limit_percent()?),
        Metric::VolumeAtPercent(p) => (rx? * p / 100.0, limit_percent()?),
        Metric::MeanDose | Metric::Volume => return None,
    };
    Some(GoalMark { dose_gy, volume_percent, at_least })
}

fn symbol(r: Relation) -> &'static str {
    match r {
        Relation::Less => "<",
        Relation::AtMost => "≤",
        Relation::Greater => ">",
        Relation::AtLeast => "≥",
    }
}

fn unit(u: GoalUnit) -> &'static str {
    match u {
        GoalUnit::Gray => "Gy",
        GoalUnit::Percent => "%",
        GoalUnit::Cc => "cc",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_from_curves_where_the_table_has_none() {
        let curve = DvhCurve {
            dose_id: "d".into(),
            roi_number: 1,
            roi_name: "PTV".into(),
            source: "Manual".into(),
            volume_cc: 50.0,
            step_gy: 1.0,
            volume_percent: vec![100.0, 100.0, 50.0, 0.0],
        };
        let row: Row = serde_json::from_str(
            r#"{"ROI_Name":"PTV","ROI_Number":1,"Segmentation_Source":"Manual","dose_id":"d","Status":"ok","rx_dose_gy":2.0}"#,
        )
        .expect("row");
        let goals: Vec<Setting> = ["PTV: D75% >= 1.4 Gy", "PTV: V1.5Gy >= 80 %", "PTV: D10cc <= 100 %"]
            .iter()
            .map(|g| g.parse().expect("goal"))
            .collect();
        let card = score_card(&goals, &[&row], &[curve]);
        assert!((card[0].value.unwrap_or_default() - 1.5).abs() < 1e-12);
        assert_eq!(card[0].verdict, Verdict::Met);
        assert!((card[1].value.unwrap_or_default() - 75.0).abs() < 1e-12);
        assert_eq!(card[1].verdict, Verdict::NotMet);
        // 10 of 50 cc are 20 %, which 2.6 Gy reach: 130 % of the prescription.
        assert!((card[2].value.unwrap_or_default() - 130.0).abs() < 1e-9);
    }
}
