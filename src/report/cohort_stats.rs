//! Numbers that stand for many courses: bands of histograms, findings by cause.

use super::assets::curves_at;
use super::cohort::CohortFinding;
use super::course::Finding;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Values of a band's axis.
const BINS: usize = 200;
/// Curves drawn one by one.
const OUTLIERS: usize = 5;

/// The histogram of one structure of one course.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CurveOf {
    /// Structure name; curves of one name make one panel.
    pub structure: String,
    /// Name of the course, as in [`CourseRow::name`](super::CourseRow::name).
    pub course: String,
    /// (dose Gy, share of the volume 0…1), dose ascending, as in [`DvhSeries`](super::DvhSeries).
    pub points: Vec<[f64; 2]>,
}

/// Bands of one structure. All rows have the same length; value n belongs to dose `n · step_gy`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CohortDvh {
    /// Structure name.
    pub structure: String,
    /// Curves.
    pub n: usize,
    /// Gy between two values.
    pub step_gy: f64,
    /// Pointwise median.
    pub median: Vec<f64>,
    /// Pointwise quartiles.
    pub middle: [Vec<f64>; 2],
    /// Pointwise 5th and 95th percentile.
    pub most: [Vec<f64>; 2],
    /// The curves farthest from the median by area: course and values; only when there are more than ten curves.
    pub outliers: Vec<(String, Vec<f64>)>,
}

/// Pointwise bands for each structure, most frequent structure first. Percentiles by linear interpolation between
/// order statistics (type 7 of Hyndman and Fan, 1996). Curves without a point are left out.
pub fn cohort_dvh(curves: &[CurveOf]) -> Vec<CohortDvh> {
    let mut groups: BTreeMap<&str, Vec<&CurveOf>> = BTreeMap::new();
    for c in curves.iter().filter(|c| !c.points.is_empty() && c.points.iter().flatten().all(|v| v.is_finite())) {
        groups.entry(&c.structure).or_default().push(c);
    }
    let top =
        groups.values().flatten().flat_map(|c| &c.points).filter(|p| p[1] > 1e-4).map(|p| p[0]).fold(0.1, f64::max);
    let step_gy = 1.05 * top / (BINS - 1) as f64;
    let mut out: Vec<CohortDvh> = groups.into_iter().map(|(name, group)| band(name, &group, step_gy)).collect();
    out.sort_by(|a, b| b.n.cmp(&a.n).then_with(|| a.structure.cmp(&b.structure)));
    out
}

fn band(name: &str, group: &[&CurveOf], step_gy: f64) -> CohortDvh {
    let sampled: Vec<Vec<f64>> = group
        .iter()
        .map(|c| (0..BINS).map(|n| curves_at(&c.points, n as f64 * step_gy).clamp(0.0, 1.0)).collect())
        .collect();
    let mut rows: [Vec<f64>; 5] = Default::default();
    let mut column = Vec::with_capacity(sampled.len());
    for n in 0..BINS {
        column.clear();
        column.extend(sampled.iter().map(|s| s[n]));
        column.sort_by(f64::total_cmp);
        for (row, q) in rows.iter_mut().zip([0.5, 0.25, 0.75, 0.05, 0.95]) {
            row.push(quantile(&column, q));
        }
    }
    let [median, q25, q75, p5, p95] = rows;
    let mut far: Vec<(f64, usize)> = sampled
        .iter()
        .enumerate()
        .map(|(n, s)| (s.iter().zip(&median).map(|(a, b)| (a - b).abs()).sum::<f64>(), n))
        .collect();
    far.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| group[a.1].course.cmp(&group[b.1].course)));
    let outliers = if group.len() > 10 {
        far.iter().take(OUTLIERS).map(|(_, n)| (group[*n].course.clone(), sampled[*n].clone())).collect()
    } else {
        Vec::new()
    };
    CohortDvh {
        structure: name.to_owned(),
        n: group.len(),
        step_gy,
        median,
        middle: [q25, q75],
        most: [p5, p95],
        outliers,
    }
}

/// Quantile of sorted values, type 7.
pub(crate) fn quantile(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let at = q * last as f64;
    let low = at.floor() as usize;
    sorted[low] + (at - low as f64) * (sorted[(low + 1).min(last)] - sorted[low])
}

/// Counts courses by level and code. The words are those of the first finding of a code, as an example where the words
/// of others differ.
pub fn group_findings<'a>(findings: impl IntoIterator<Item = (&'a str, &'a Finding)>) -> Vec<CohortFinding> {
    let mut groups: BTreeMap<(_, &str), (&Finding, BTreeSet<&str>, bool, bool)> = BTreeMap::new();
    for (course, f) in findings {
        let g = groups.entry((f.level, f.code.as_str())).or_insert_with(|| (f, BTreeSet::new(), true, true));
        g.1.insert(course);
        g.2 &= g.0.meaning == f.meaning;
        g.3 &= g.0.what == f.what;
    }
    let mut out: Vec<CohortFinding> = groups
        .into_values()
        .map(|(f, courses, same, alike)| CohortFinding {
            level: f.level,
            what: if alike { f.what.clone() } else { format!("For example: {}", f.what) },
            meaning: if same { f.meaning.clone() } else { String::new() },
            code: f.code.clone(),
            courses: courses.len() as u64,
        })
        .collect();
    out.sort_by(|a, b| a.level.cmp(&b.level).then(b.courses.cmp(&a.courses)).then_with(|| a.code.cmp(&b.code)));
    out
}

#[cfg(test)]
mod tests {
    use super::super::course::Level;
    use super::*;

    #[test]
    fn bands_are_pointwise_percentiles() {
        // Curve m drops from 1 to 0 at m Gy, m = 1…21, so the median passes 0.5 at 11 Gy and the quartiles at 6 and 16.
        let curves: Vec<CurveOf> = (1..=21)
            .map(|m| CurveOf {
                structure: "Heart".into(),
                course: format!("P{m:02}"),
                points: vec![[0.0, 1.0], [m as f64 - 0.01, 1.0], [m as f64, 0.0]],
            })
            .collect();
        let b = &cohort_dvh(&curves)[0];
        assert_eq!(b.n, 21);
        let drop = |v: &[f64]| v.iter().position(|x| *x < 0.5).unwrap() as f64 * b.step_gy;
        assert!((drop(&b.median) - 11.0).abs() <= b.step_gy);
        assert!((drop(&b.middle[0]) - 6.0).abs() <= b.step_gy && (drop(&b.middle[1]) - 16.0).abs() <= b.step_gy);
        assert_eq!(b.outliers.len(), 5);
        assert!(["P01", "P21"].contains(&b.outliers[0].0.as_str()));
        assert!(cohort_dvh(&[]).is_empty());
    }

    #[test]
    fn quantiles_are_type_seven() {
        let v = [1.0, 2.0, 3.0, 4.0];
        assert_eq!((quantile(&v, 0.25), quantile(&v, 0.5), quantile(&v, 1.0)), (1.75, 2.5, 4.0));
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn findings_are_counted_once_per_course() {
        let f = |what: &str| Finding {
            level: Level::Error,
            what: what.into(),
            code: "dose.none".into(),
            ..Default::default()
        };
        let (a, b) = (f("No dose."), f("No dose."));
        let g = group_findings([("P1", &a), ("P1", &b), ("P2", &a)]);
        assert_eq!((g.len(), g[0].courses), (1, 2));
    }
}
