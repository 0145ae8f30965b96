//! Grey level run length matrix (Galloway 1975).

use crate::{
    directions::Offset,
    discretise::Levels,
    numeric::nan_mean,
    settings::WeightingNorm,
    sizes::{self, Cell},
};

/// Number of features, all in the default set.
pub(crate) const COUNT: usize = 16;

/// Features, averaged over directions or of the weighted sum of the matrices.
pub(crate) fn features(
    levels: &Levels,
    directions: &[Offset],
    weighting: Option<WeightingNorm>,
    spacing: [f64; 3],
) -> [f64; COUNT] {
    let longest = levels.dims.iter().copied().max().unwrap_or(1);
    let mut matrices: Vec<Vec<Cell>> = Vec::with_capacity(directions.len());
    for &d in directions {
        let cells = if has_line(levels, d) { count(levels, d, longest) } else { Vec::new() };
        matrices.push(cells);
    }
    if let Some(norm) = weighting {
        let mut all: Vec<Cell> = Vec::new();
        for (cells, &d) in matrices.iter().zip(directions) {
            let w = weight(norm, d, spacing);
            all.extend(cells.iter().map(|c| Cell { count: c.count * w, ..*c }));
        }
        all.sort_by_key(|c| (c.level, c.size));
        all.dedup_by(|b, a| {
            let same = (a.level, a.size) == (b.level, b.size);
            if same {
                a.count += b.count;
            }
            same
        });
        matrices = vec![all];
    } else if matrices.len() > 1 {
        matrices.retain(|m| !m.is_empty());
    }
    let each: Vec<[f64; COUNT]> = matrices.iter().map(|m| arrange(m, &levels.bins)).collect();
    std::array::from_fn(|n| nan_mean(each.iter().map(|f| f[n])))
}

/// Weight of a direction: its length in mm, not an exponential as in the GLCM.
fn weight(norm: WeightingNorm, d: Offset, spacing: [f64; 3]) -> f64 {
    let mm = [2, 1, 0].map(|a: usize| f64::from(d[2 - a].abs()) * spacing[a]);
    match norm {
        WeightingNorm::Infinity => mm.iter().copied().fold(0.0, f64::max),
        WeightingNorm::Euclidean => mm.iter().map(|v| v * v).sum::<f64>().sqrt(),
        WeightingNorm::Manhattan => mm.iter().sum(),
        WeightingNorm::NoWeighting => 1.0,
    }
}

/// True when some line along the direction meets two voxels of the region, not necessarily neighbours.
fn has_line(levels: &Levels, d: Offset) -> bool {
    let step = levels.step(d);
    let dims = [levels.dims[2], levels.dims[1], levels.dims[0]].map(|n| n as isize);
    levels.at.iter().any(|&p| {
        let mut q = p as isize;
        let x = q % levels.stride[0];
        let y = q % levels.stride[1] / levels.stride[0];
        let mut c = [q / levels.stride[1], y, x].map(|v| v - levels.pad as isize);
        loop {
            q += step;
            for a in 0..3 {
                c[a] += d[a] as isize;
            }
            if c.iter().zip(dims).any(|(&c, n)| c < 0 || c >= n) {
                return false;
            }
            if levels.grid[q as usize] != 0 {
                return true;
            }
        }
    })
}

/// Number of maximal runs of each level and length along a direction.
fn count(levels: &Levels, d: Offset, longest: usize) -> Vec<Cell> {
    let step = levels.step(d);
    let width = longest + 1;
    let mut table = vec![0_u32; levels.len() * width];
    let grid = &levels.grid;
    for &p in &levels.at {
        let p = p as isize;
        let g = grid[p as usize];
        if grid[(p - step) as usize] == g {
            continue;
        }
        let mut q = p + step;
        let mut length = 1;
        while grid[q as usize] == g {
            q += step;
            length += 1;
        }
        table[(usize::from(g) - 1) * width + length] += 1;
    }
    table
        .iter()
        .enumerate()
        .filter(|(_, n)| **n > 0)
        .map(|(i, &n)| Cell { level: (i / width) as u16, size: (i % width) as u32, count: f64::from(n) })
        .collect()
}

fn arrange(cells: &[Cell], bins: &[u32]) -> [f64; COUNT] {
    let f = sizes::features(cells, bins);
    [
        f.level_non_uniformity,
        f.level_non_uniformity_normalized,
        f.level_variance,
        f.high_level,
        f.large,
        f.large_high,
        f.large_low,
        f.low_level,
        f.entropy,
        f.size_non_uniformity,
        f.size_non_uniformity_normalized,
        f.percentage,
        f.size_variance,
        f.small,
        f.small_high,
        f.small_low,
    ]
}
