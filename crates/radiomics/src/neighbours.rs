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
    let contiguous = levels.bins.windows(2).all(|w| w[1] == w[0] + 1);
    let mut tally = Tally {
        width: steps.len() + 1,
        table: vec![0; levels.len() * (steps.len() + 1)],
        differences: vec![0.0; levels.len()],
    };
    if alpha == 0 && contiguous && levels.len() * steps.len() < usize::from(u16::MAX) {
        by_rows(levels, &steps, &mut tally);
    } else {
        by_voxels(levels, &steps, alpha, &mut tally);
    }
    let Tally { width, table, differences } = tally;
    let dependences = table
        .iter()
        .enumerate()
        .filter(|(_, n)| **n > 0)
        .map(|(i, &n)| Cell { level: (i / width) as u16, size: (i % width) as u32 + 1, count: f64::from(n) })
        .collect();
    Neighbourhoods { dependences, differences }
}

/// Counts in the making.
struct Tally {
    width: usize,
    table: Vec<u32>,
    differences: Vec<f64>,
}

impl Tally {
    /// Adds a voxel of a level (index) with `inside` neighbours, `alike` dependent ones and the levels' sum.
    fn add(&mut self, level: usize, mine: i64, sum: i64, inside: u32, alike: u32) {
        self.table[level * self.width + alike as usize] += 1;
        if inside > 0 {
            self.differences[level] += (mine as f64 - sum as f64 / f64::from(inside)).abs();
        }
    }
}

/// Any levels and any `alpha`.
fn by_voxels(levels: &Levels, steps: &[isize], alpha: u32, tally: &mut Tally) {
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
        for &s in steps {
            let h = levels.grid[(p + s) as usize];
            let other = bin[usize::from(h)];
            sum += other;
            inside += u32::from(h != 0);
            alike += u32::from((h != 0) & ((other - mine).abs() <= alpha));
        }
        tally.add(usize::from(g) - 1, mine, sum, inside, alike);
    }
}

/// Levels without gaps and equal neighbours only: whole rows at a time in 16 bits, which compilers vectorise.
fn by_rows(levels: &Levels, steps: &[isize], tally: &mut Tally) {
    let nx = levels.dims[0];
    let below = i64::from(levels.bins.first().copied().unwrap_or(1)) - 1;
    let (mut sum, mut inside, mut alike) = (vec![0_u16; nx], vec![0_u16; nx], vec![0_u16; nx]);
    for z in 0..levels.dims[2] {
        for y in 0..levels.dims[1] {
            let at = (z + levels.pad) as isize * levels.stride[1]
                + (y + levels.pad) as isize * levels.stride[0]
                + levels.pad as isize;
            let row = &levels.grid[at as usize..at as usize + nx];
            let Some(first) = row.iter().position(|&g| g != 0) else { continue };
            let end = row.iter().rposition(|&g| g != 0).map_or(first, |l| l + 1);
            let row = &row[first..end];
            let n = row.len();
            sum[..n].fill(0);
            inside[..n].fill(0);
            alike[..n].fill(0);
            for &s in steps {
                let from = (at + first as isize + s) as usize;
                let other = &levels.grid[from..from + n];
                let counts = sum[..n].iter_mut().zip(&mut inside[..n]).zip(&mut alike[..n]);
                for (((sum, inside), alike), (&h, &g)) in counts.zip(other.iter().zip(row)) {
                    *sum += h;
                    *inside += u16::from(h != 0);
                    *alike += u16::from(h == g);
                }
            }
            for (x, &g) in row.iter().enumerate().filter(|(_, g)| **g != 0) {
                let neighbours = i64::from(inside[x]);
                let total = i64::from(sum[x]) + below * neighbours;
                tally.add(usize::from(g) - 1, below + i64::from(g), total, u32::from(inside[x]), u32::from(alike[x]));
            }
        }
    }
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
