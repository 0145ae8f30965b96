//! Dose over volume as a sorted list.

use serde::{Deserialize, Serialize};

/// Finest distance between two points of a distribution, Gy.
const FINEST_GY: f64 = 1e-3;
/// Most points of a distribution.
const MOST_POINTS: usize = 1 << 20;

/// Part of the volume at one dose that is a step of the curve rather than a sample of a slope.
const HEAVY: f64 = 1e-3;

/// How a volume divides over dose: rising doses, each with its part of the volume. Samples closer than 0.001 Gy (wider
/// only for ranges over 1000 Gy) share a point at their mean, so metrics are exact to less than that.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    // The cumulative curve: rising doses with the falling volume above each. A light sample is a point with half of its
    // volume above; a heavy one is a vertical step, two points at one dose.
    dose: Vec<f64>,
    above: Vec<f64>,
    volume: f64,
    min: f64,
    max: f64,
}

impl Distribution {
    /// From samples `(dose Gy, volume cm³)` and the extrema of the dose, which may lie beyond the samples. The order of
    /// the samples decides the order of the sums.
    pub fn new(samples: impl Iterator<Item = (f64, f64)> + Clone, min: f64, max: f64) -> Self {
        let (mut lo, mut hi) = (f64::INFINITY, f64::NEG_INFINITY);
        for (d, _) in samples.clone() {
            lo = lo.min(d);
            hi = hi.max(d);
        }
        if lo > hi {
            return Self::default();
        }
        let bins = (((hi - lo) / FINEST_GY) as usize + 1).min(MOST_POINTS);
        let per = if hi > lo { bins as f64 / (hi - lo) } else { 0.0 };
        let mut weight = vec![0.0f64; bins];
        let mut moment = vec![0.0f64; bins];
        for (d, w) in samples {
            let n = (((d - lo) * per) as usize).min(bins - 1);
            weight[n] += w;
            moment[n] += w * (d - lo);
        }
        let (mut dose, mut above) = (Vec::new(), Vec::new());
        let all: f64 = weight.iter().sum();
        let mut sum = 0.0;
        for n in (0..bins).rev().filter(|&n| weight[n] > 0.0) {
            let (d, w) = (lo + moment[n] / weight[n], weight[n]);
            if w > HEAVY * all {
                dose.extend([d, d]);
                above.extend([sum, sum + w]);
            } else {
                dose.push(d);
                above.push(sum + 0.5 * w);
            }
            sum += w;
        }
        dose.reverse();
        above.reverse();
        Self { dose, above, volume: sum, min: min.min(lo), max: max.max(hi) }
    }

    /// The whole volume, cm³.
    pub fn volume_cc(&self) -> f64 {
        self.volume
    }

    /// True when no volume has a dose.
    pub fn is_empty(&self) -> bool {
        self.dose.is_empty()
    }

    /// Points of the cumulative curve: dose (Gy, rising) and volume above it (cm³, falling).
    pub fn points(&self) -> impl Iterator<Item = (f64, f64)> {
        self.dose.iter().copied().zip(self.above.iter().copied())
    }

    /// The largest dose that at least `cc` receives; `None` when the volume is smaller, or `cc` is negative.
    pub fn dose_at(&self, cc: f64) -> Option<f64> {
        // Percentages of the whole volume may exceed it by rounding.
        if self.is_empty() || !(cc >= 0.0 && cc <= self.volume * (1.0 + 1e-12)) {
            return None;
        }
        let after = self.above.partition_point(|&v| v >= cc);
        let (v0, d0) = if after == 0 { (self.volume, self.min) } else { (self.above[after - 1], self.dose[after - 1]) };
        let (v1, d1) = if after == self.above.len() { (0.0, self.max) } else { (self.above[after], self.dose[after]) };
        if v0 <= v1 {
            return Some(d0);
        }
        Some(d0 + ((v0 - cc) / (v0 - v1)).clamp(0.0, 1.0) * (d1 - d0))
    }

    /// Volume with at least `dose`, cm³.
    pub fn volume_at(&self, dose: f64) -> f64 {
        if self.is_empty() || dose.is_nan() {
            return 0.0;
        }
        if dose <= self.min {
            return self.volume;
        }
        if dose > self.max {
            return 0.0;
        }
        let after = self.dose.partition_point(|&d| d < dose);
        let (v0, d0) = if after == 0 { (self.volume, self.min) } else { (self.above[after - 1], self.dose[after - 1]) };
        let (v1, d1) = if after == self.dose.len() { (0.0, self.max) } else { (self.above[after], self.dose[after]) };
        if d1 <= d0 {
            return v1;
        }
        v0 + (dose - d0) / (d1 - d0) * (v1 - v0)
    }

    pub(crate) fn geud(&self, a: f64) -> Option<f64> {
        if self.is_empty() || a == 0.0 || !a.is_finite() {
            return None;
        }
        // Relative to the maximum, so that high powers do not overflow.
        let scale = self.max.max(f64::MIN_POSITIVE);
        let power = |d: f64| (d.max(0.0) / scale).powf(a);
        let mut sum = 0.0;
        let (mut v, mut p) = (self.volume, power(self.dose[0]));
        for (&d, &next) in self.dose.iter().zip(&self.above) {
            let q = power(d);
            sum += (v - next) * 0.5 * (p + q);
            (v, p) = (next, q);
        }
        sum += v * p;
        let value = scale * (sum / self.volume).powf(1.0 / a);
        value.is_finite().then_some(value)
    }
}
