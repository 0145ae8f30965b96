//! Dose-volume histograms → 16-bit deltas on one common dose axis.

use super::super::ReportError;
use super::pack::{deflate_base64, inflate_base64, join_bytes, split_bytes, zigzag16};
use serde::{Deserialize, Serialize};

/// Most bins of the common axis.
const MAX_BINS: usize = 400;
/// Relative volume 1 is stored as this number.
const SCALE: f64 = 10_000.0;

/// Cumulative histogram of one structure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DvhSeries {
    /// The `id` of the structure in [`CourseAssets::structures`](super::CourseAssets::structures).
    pub id: String,
    /// (dose Gy, share of the volume 0…1 that gets at least this dose), dose ascending; linear between the points; the
    /// first value holds below the first point, 0 above the last.
    pub points: Vec<[f64; 2]>,
    /// Lower bound of the volume at each dose, same form; with `high` it makes the band.
    pub low: Option<Vec<[f64; 2]>>,
    /// Upper bound.
    pub high: Option<Vec<[f64; 2]>>,
    /// Volume, cc; for the read-out in cc.
    pub volume_cc: Option<f64>,
    /// Mean dose, Gy; orders the curves.
    pub mean_gy: Option<f64>,
}

/// Encoded curves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CurveBlock {
    /// Structures in the order of the rows.
    pub ids: Vec<String>,
    /// Values of each row; value n belongs to dose `n · step_gy`.
    pub bins: usize,
    /// Gy between two values.
    pub step_gy: f64,
    /// Which structures have a band.
    pub band: Vec<bool>,
    /// Volume of each structure, cc.
    pub volume_cc: Vec<Option<f64>>,
    /// Mean dose of each structure, Gy.
    pub mean_gy: Vec<Option<f64>>,
    /// Rows of all curves, then low and high rows of those with a band: 10,000 × relative volume, differences along the
    /// dose axis as zigzag words, low bytes then high bytes, raw deflate, base64.
    pub data: String,
}

/// One curve as drawn: relative volumes at multiples of the step.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DecodedCurve {
    pub(crate) values: Vec<f64>,
    pub(crate) band: Option<(Vec<f64>, Vec<f64>)>,
}

/// Puts all curves on one axis from 0 to 1.1 × the largest dose, with at most 400 values each.
///
/// # Errors
/// When a curve holds a number that is not finite or goes back in dose.
pub fn encode_curves(series: &[DvhSeries]) -> Result<CurveBlock, ReportError> {
    for s in series {
        for points in [Some(&s.points), s.low.as_ref(), s.high.as_ref()].into_iter().flatten() {
            let ascending = points.windows(2).all(|w| w[0][0] <= w[1][0]);
            if !ascending || points.iter().flatten().any(|v| !v.is_finite()) {
                let reason = "its doses are not ascending or a value is not finite";
                return Err(ReportError::input(format!("the histogram of structure {}", s.id), reason));
            }
        }
    }
    let top = series
        .iter()
        .flat_map(|s| s.points.iter().chain(s.high.iter().flatten()))
        .filter(|p| p[1] * SCALE >= 0.5)
        .map(|p| p[0])
        .fold(0.0, f64::max);
    let step = step_for(1.1 * top);
    let bins = (1.1 * top / step).ceil() as usize + 2;
    let band: Vec<bool> = series.iter().map(|s| s.low.is_some() && s.high.is_some()).collect();
    let mut words = Vec::new();
    let mut row = |points: &[[f64; 2]]| {
        let mut last = 0i16;
        for n in 0..bins {
            let v = (at(points, n as f64 * step).clamp(0.0, 1.0) * SCALE).round() as i16;
            words.push(zigzag16(v - last));
            last = v;
        }
    };
    for s in series {
        row(&s.points);
    }
    for s in series {
        if let (Some(low), Some(high)) = (&s.low, &s.high) {
            row(low);
            row(high);
        }
    }
    Ok(CurveBlock {
        ids: series.iter().map(|s| s.id.clone()).collect(),
        bins,
        step_gy: step,
        band,
        volume_cc: series.iter().map(|s| s.volume_cc).collect(),
        mean_gy: series.iter().map(|s| s.mean_gy).collect(),
        data: deflate_base64(&split_bytes(&words), "curves")?,
    })
}

/// The smallest round step that needs no more than [`MAX_BINS`] values.
fn step_for(span: f64) -> f64 {
    let mut decade = 0.01;
    loop {
        for m in [1.0, 2.0, 5.0] {
            if span / (decade * m) <= (MAX_BINS - 2) as f64 {
                return decade * m;
            }
        }
        decade *= 10.0;
    }
}

/// Linear interpolation; the first value before the first point, 0 after the last.
pub(crate) fn at(points: &[[f64; 2]], dose: f64) -> f64 {
    let upper = points.partition_point(|p| p[0] < dose);
    match (points.get(upper), upper) {
        (None, _) => 0.0,
        (Some(p), 0) => p[1],
        (Some(b), n) => {
            let a = points[n - 1];
            if b[0] > a[0] { a[1] + (dose - a[0]) / (b[0] - a[0]) * (b[1] - a[1]) } else { b[1] }
        }
    }
}

/// The inverse of [`encode_curves`].
pub(crate) fn decode_curves(block: &CurveBlock) -> Result<Vec<DecodedCurve>, ReportError> {
    let words = join_bytes(&inflate_base64(&block.data, "curves")?);
    let rows = block.ids.len() + 2 * block.band.iter().filter(|b| **b).count();
    if words.len() != rows * block.bins || block.band.len() != block.ids.len() {
        return Err(ReportError::input("the histograms", "their block is damaged; run the course again"));
    }
    let row = |n: usize| {
        let mut last = 0i16;
        words[n * block.bins..(n + 1) * block.bins]
            .iter()
            .map(|w| {
                last = last.wrapping_add(super::pack::unzigzag16(*w));
                last as f64 / SCALE
            })
            .collect::<Vec<f64>>()
    };
    let mut next = block.ids.len();
    Ok((0..block.ids.len())
        .map(|n| {
            let band = block.band[n].then(|| {
                next += 2;
                (row(next - 2), row(next - 1))
            });
            DecodedCurve { values: row(n), band }
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_come_back_within_half_a_unit() {
        let line = |shift: f64| vec![[0.0, 1.0], [20.0 + shift, 1.0], [40.0 + shift, 0.0]];
        let series = [
            DvhSeries {
                id: "a".into(),
                points: line(0.0),
                low: Some(line(-2.0)),
                high: Some(line(2.0)),
                ..Default::default()
            },
            DvhSeries {
                id: "b".into(),
                points: vec![[5.0, 0.5], [5.0, 0.2], [60.0, 0.1], [60.0, 0.0]],
                ..Default::default()
            },
        ];
        let block = encode_curves(&series).unwrap();
        // 42 Gy, and 60 of the other curve: 66 Gy in at most 400 values.
        assert_eq!(block.step_gy, 0.2);
        assert!(block.bins <= MAX_BINS);
        let back = decode_curves(&block).unwrap();
        for (n, v) in back[0].values.iter().enumerate() {
            let d = n as f64 * block.step_gy;
            let truth = (1.0 - (d - 20.0) / 20.0).clamp(0.0, 1.0);
            assert!((v - truth).abs() <= 0.5 / SCALE + 1e-9, "{d}: {v} {truth}");
        }
        assert!(back[1].band.is_none());
        let (low, high) = back[0].band.as_ref().unwrap();
        assert!((low[150] - 0.4).abs() < 1e-4 && (high[150] - 0.6).abs() < 1e-4, "{} {}", low[150], high[150]);
        assert_eq!(back[1].values[0], 0.5);
    }

    #[test]
    fn bad_curves_are_refused_and_none_is_fine() {
        let bad = DvhSeries { id: "x".into(), points: vec![[2.0, 1.0], [1.0, 0.5]], ..Default::default() };
        assert!(encode_curves(&[bad]).is_err());
        assert!(decode_curves(&encode_curves(&[]).unwrap()).unwrap().is_empty());
    }

    #[test]
    fn steps_are_round() {
        assert_eq!(step_for(66.0), 0.2);
        assert_eq!(step_for(2247.0), 10.0);
        assert_eq!(step_for(0.0), 0.01);
    }
}
