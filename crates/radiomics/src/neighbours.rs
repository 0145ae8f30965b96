//! Grey level dependence matrix (Sun and Wee 1983) and neighbouring grey tone difference matrix (Amadasun and King 1989).

use crate::{
    directions::Offset,
    discretise::Levels,
    sizes::{self, Cell},
};

/// Number of GLDM features.
pub(crate) const GLDM_COUNT: usize = 14;
/// Number of NGTDM features.
pub(crate) const NGTDM_COUNT: usize = 5;

/// What one pass over all neighbours gives.
pub(crate) struct Neighbourhoods {
    dependences: Vec<Cell>,
    /// Sum of the differences between level and mean of the neighbours, per level.
    differences: Vec<f64>,
}

/// Looks at all neighbours of all voxels once; `alpha` is `gldm_a`.
pub(crate) fn count(levels: &Levels, offsets: &[Offset], alpha: u32) -> Neighbourhoods {
    let steps: Vec<isize> = offsets.iter().map(|&o| levels.step(o)).collect();
    let width = steps.len() + 1;
    let mut table = vec![0_u32; levels.len() * width];
    let mut differences = vec![0.0; levels.len()];
    // Bin number by stored value; outside (0) adds nothing.
    let mut bin = vec![0_i64; levels.len() + 1];
    for (b, &v) in bin[1..].iter_mut().zip(&levels.bins) {
        *b = i64::from(v);
    }
    let alpha = i64::from(alpha);
    for &p in &levels.at {
        let p = p as isize;
        let g = levels.grid[p as usize];
        let mine = bin[usize::from(g)];
        let (mut sum, mut inside, mut alike) = (0_i64, 0_u32, 0_u32);
        for &s in &steps {
            let h = levels.grid[(p + s) as usize];
            let other = bin[usize::from(h)];
            sum += other;
            inside += u32::from(h != 0);
            alike += u32::from((h != 0) & ((other - mine).abs() <= alpha));
        }
        let level = usize::from(g) - 1;
        table[level * width + alike as usize] += 1;
        if inside > 0 {
            differences[level] += (mine as f64 - sum as f64 / f64::from(inside)).abs();
        }
    }
    let dependences = table
        .iter()
        .enumerate()
        .filter(|(_, n)| **n > 0)
        .map(|(i, &n)| Cell { level: (i / width) as u16, size: (i % width) as u32 + 1, count: f64::from(n) })
        .collect();
    Neighbourhoods { dependences, differences }
}

/// Features of the dependence matrix.
pub(crate) fn gldm(n: &Neighbourhoods, levels: &Levels) -> [f64; GLDM_COUNT] {
    let f = sizes::features(&n.dependences, &levels.bins);
    [
        f.entropy,
        f.size_non_uniformity,
        f.size_non_uniformity_normalized,
        f.size_variance,
        f.level_non_uniformity,
        f.level_variance,
        f.high_level,
        f.large,
        f.large_high,
        f.large_low,
        f.low_level,
        f.small,
        f.small_high,
        f.small_low,
    ]
}

/// Features of the difference matrix. Voxels without neighbours count (IBSI leaves them out).
pub(crate) fn ngtdm(n: &Neighbourhoods, levels: &Levels) -> [f64; NGTDM_COUNT] {
    let total: f64 = levels.counts.iter().map(|&c| f64::from(c)).sum();
    let p: Vec<f64> = levels.counts.iter().map(|&c| f64::from(c) / total).collect();
    let g: Vec<f64> = levels.bins.iter().map(|&b| f64::from(b)).collect();
    let s = &n.differences;
    let present = g.len() as f64;
    let sum_s: f64 = s.iter().sum();
    let ps: f64 = p.iter().zip(s).map(|(p, s)| p * s).sum();
    let (mut spread, mut complexity, mut contrast, mut strength) = (0.0, 0.0, 0.0, 0.0);
    for i in 0..g.len() {
        for j in 0..g.len() {
            let d = g[i] - g[j];
            spread += (g[i] * p[i] - g[j] * p[j]).abs();
            complexity += d.abs() * (p[i] * s[i] + p[j] * s[j]) / (p[i] + p[j]);
            contrast += p[i] * p[j] * d * d;
            strength += (p[i] + p[j]) * d * d;
        }
    }
    [
        if spread == 0.0 { 0.0 } else { ps / spread },
        if ps == 0.0 { 1e6 } else { 1.0 / ps },
        complexity / total,
        if present > 1.0 { contrast / (present * (present - 1.0)) * (sum_s / total) } else { 0.0 },
        if sum_s == 0.0 { 0.0 } else { strength / sum_s },
    ]
}
