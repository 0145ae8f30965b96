//! First-order statistics.

use crate::{
    image::Kind,
    numeric::{mean, plogp, sum_by},
};

/// The 18 features of the default set and, last, the deprecated standard deviation, in the catalogue's order.
pub(crate) const COUNT: usize = 19;

/// Integer images with at most this many different values are sorted by counting.
const COUNTING_RANGE: f64 = 65_536.0;

/// Quantiles that the features use.
const QUANTILES: [f64; 5] = [0.10, 0.25, 0.50, 0.75, 0.90];

/// Features of the values `x` of a region whose grey levels hold `level_counts` voxels.
///
/// `shift` is `voxelArrayShift`, `voxel_volume` in mm³.
pub(crate) fn features(x: &[f64], kind: Kind, level_counts: &[u32], shift: f64, voxel_volume: f64) -> [f64; COUNT] {
    let n = x.len() as f64;
    let (mut lo, mut hi) = (f64::INFINITY, f64::NEG_INFINITY);
    for &v in x {
        lo = lo.min(v);
        hi = hi.max(v);
    }
    let [p10, p25, median, p75, p90] = quantiles(x, kind, lo, hi);
    let mu = mean(x);
    let energy = sum_by(x, &|v| (v + shift) * (v + shift));
    let m2 = sum_by(x, &|v| (v - mu) * (v - mu)) / n;
    let m3 = sum_by(x, &|v| (v - mu).powi(3)) / n;
    let m4 = sum_by(x, &|v| (v - mu).powi(4)) / n;
    let deviation = m2.sqrt();
    let middle: Vec<f64> = x.iter().copied().filter(|&v| v >= p10 && v <= p90).collect();
    let middle_mean = mean(&middle);
    let robust = sum_by(&middle, &|v| (v - middle_mean).abs()) / middle.len() as f64;
    let p: Vec<f64> = level_counts.iter().map(|&c| f64::from(c) / n).collect();
    [
        p10,
        p90,
        energy,
        -sum_by(&p, &plogp),
        p75 - p25,
        if m2 == 0.0 { 0.0 } else { m4 / (m2 * m2) },
        hi,
        sum_by(x, &|v| (v - mu).abs()) / n,
        mu,
        median,
        lo,
        hi - lo,
        robust,
        (energy / n).sqrt(),
        if m2 == 0.0 { 0.0 } else { m3 / m2.powf(1.5) },
        energy * voxel_volume,
        sum_by(&p, &|p| p * p),
        deviation * deviation,
        deviation,
    ]
}

/// Quantiles by linear interpolation between order statistics (rank q·(n − 1)), with numpy's rounding.
fn quantiles(x: &[f64], kind: Kind, lo: f64, hi: f64) -> [f64; 5] {
    let last = x.len() - 1;
    let ranks = QUANTILES.map(|q| q * last as f64);
    let wanted = ranks.map(|r| [r.floor() as usize, (r.floor() as usize + 1).min(last)]);
    let found = if matches!(kind, Kind::Integer { .. }) && hi - lo < COUNTING_RANGE {
        by_counting(x, lo, hi, wanted)
    } else {
        let mut order = x.to_vec();
        wanted.map(|pair| pair.map(|k| *order.select_nth_unstable_by(k, f64::total_cmp).1))
    };
    std::array::from_fn(|n| {
        let t = ranks[n] - ranks[n].floor();
        let [a, b] = found[n];
        let d = b - a;
        if t >= 0.5 { b - d * (1.0 - t) } else { a + d * t }
    })
}

/// Order statistics of whole numbers.
fn by_counting(x: &[f64], lo: f64, hi: f64, wanted: [[usize; 2]; 5]) -> [[f64; 2]; 5] {
    let mut counts = vec![0_u32; (hi - lo) as usize + 1];
    for &v in x {
        counts[(v - lo) as usize] += 1;
    }
    let mut out = [[hi; 2]; 5];
    let mut seen = 0;
    for (v, &c) in counts.iter().enumerate() {
        let next = seen + c as usize;
        for (out, want) in out.iter_mut().flatten().zip(wanted.iter().flatten()) {
            if (seen..next).contains(want) {
                *out = lo + v as f64;
            }
        }
        seen = next;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_agree_with_the_definition_for_both_ways() {
        let x: Vec<f64> = (0..101).map(|v| f64::from(v * 37 % 101)).collect();
        let integer = Kind::Integer { low: 0, high: 255 };
        for kind in [integer, Kind::Double] {
            let q = quantiles(&x, kind, 0.0, 100.0);
            for (a, b) in q.iter().zip([10.0, 25.0, 50.0, 75.0, 90.0]) {
                assert!((a - b).abs() < 1e-12, "{q:?}");
            }
        }
        assert_eq!(quantiles(&[3.0, 5.0], integer, 3.0, 5.0), quantiles(&[3.0, 5.0], Kind::Double, 3.0, 5.0));
    }
}
