//! Grey level size zone matrix (Thibault et al. 2009).

use crate::{
    discretise::Levels,
    sizes::{self, Cell},
};

/// Number of features, all in the default set.
pub(crate) const COUNT: usize = 16;

/// Features of the zones: connected voxels (26 neighbours, or 8 within the planes that `flat` leaves) of one grey level.
pub(crate) fn features(levels: &Levels, flat: Option<u8>) -> [f64; COUNT] {
    let f = sizes::features(&cells(levels, flat), &levels.bins);
    [
        f.level_non_uniformity,
        f.level_non_uniformity_normalized,
        f.level_variance,
        f.high_level,
        f.large,
        f.large_high,
        f.large_low,
        f.low_level,
        f.size_non_uniformity,
        f.size_non_uniformity_normalized,
        f.small,
        f.small_high,
        f.small_low,
        f.entropy,
        f.percentage,
        f.size_variance,
    ]
}

/// A run of equal level along x.
struct Run {
    first: u32,
    end: u32,
    level: u16,
}

/// Number of zones of each level and size.
fn cells(levels: &Levels, flat: Option<u8>) -> Vec<Cell> {
    let mut zones = zones(levels, flat);
    zones.sort_unstable();
    let mut out: Vec<Cell> = Vec::new();
    for (level, size) in zones {
        match out.last_mut() {
            Some(c) if c.level == level && c.size == size => c.count += 1.0,
            _ => out.push(Cell { level, size, count: 1.0 }),
        }
    }
    out
}

/// Number of 26-connected parts of the region, whatever their levels; for a region of one level.
pub(crate) fn parts(levels: &Levels) -> usize {
    zones(levels, None).len()
}

/// Level (index) and size of every zone.
fn zones(levels: &Levels, flat: Option<u8>) -> Vec<(u16, u32)> {
    // Rows are cut in runs; runs that touch runs of the same level in the four earlier neighbouring rows are joined.
    let [nx, ny, nz] = levels.dims;
    let (reach, along_x) = if flat == Some(2) { (0, false) } else { (1, true) };
    let behind: &[(usize, isize)] = match flat {
        Some(0) => &[(0, -1)],
        Some(1) => &[(1, 0)],
        _ => &[(0, -1), (1, -1), (1, 0), (1, 1)],
    };
    let mut runs: Vec<Run> = Vec::new();
    let mut parent: Vec<u32> = Vec::new();
    let mut starts: Vec<u32> = Vec::with_capacity(ny * nz + 1);
    for z in 0..nz {
        for y in 0..ny {
            starts.push(runs.len() as u32);
            let at = (z + levels.pad) as isize * levels.stride[1]
                + (y + levels.pad) as isize * levels.stride[0]
                + levels.pad as isize;
            let row = &levels.grid[at as usize..at as usize + nx];
            let mut x = 0;
            while x < nx {
                let g = row[x];
                let first = x;
                x += 1;
                if g == 0 {
                    continue;
                }
                while along_x && x < nx && row[x] == g {
                    x += 1;
                }
                parent.push(runs.len() as u32);
                runs.push(Run { first: first as u32, end: x as u32, level: g });
            }
            let mine = starts[z * ny + y] as usize..runs.len();
            for &(dz, dy) in behind {
                let Some(zz) = z.checked_sub(dz) else { continue };
                let yy = y as isize + dy;
                if yy < 0 || yy >= ny as isize {
                    continue;
                }
                let row = zz * ny + yy as usize;
                let theirs = starts[row] as usize..starts[row + 1] as usize;
                join(&runs, &mut parent, mine.clone(), theirs, reach);
            }
        }
    }
    let mut size = vec![0_u32; runs.len()];
    for n in 0..runs.len() {
        let r = root(&mut parent, n as u32);
        size[r as usize] += runs[n].end - runs[n].first;
    }
    (0..runs.len()).filter(|&n| size[n] > 0).map(|n| (runs[n].level - 1, size[n])).collect()
}

fn root(parent: &mut [u32], mut n: u32) -> u32 {
    while parent[n as usize] != n {
        parent[n as usize] = parent[parent[n as usize] as usize];
        n = parent[n as usize];
    }
    n
}

/// Joins runs of two rows that have the same level and touch; `reach` 1 counts diagonal contact.
fn join(runs: &[Run], parent: &mut [u32], mine: std::ops::Range<usize>, theirs: std::ops::Range<usize>, reach: u32) {
    let mut from = theirs.start;
    for a in mine {
        let (first, end, level) = (runs[a].first, runs[a].end, runs[a].level);
        while from < theirs.end && runs[from].end + reach <= first {
            from += 1;
        }
        for b in from..theirs.end {
            if runs[b].first >= end + reach {
                break;
            }
            if runs[b].level == level {
                let (x, y) = (root(parent, a as u32), root(parent, b as u32));
                // The smaller index becomes the root, so that the result does not depend on the order of joins.
                let (low, high) = (x.min(y), x.max(y));
                parent[high as usize] = low;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roi::Roi;
    use proptest::prelude::*;
    use rtpipeline_geometry::{Grid, Volume};

    /// Zones by the plain definition: flood fill over offsets.
    fn flood(dims: [usize; 3], bin: &[u32], flat: Option<u8>) -> Vec<(u32, u32)> {
        let offsets = crate::directions::offsets([9; 3], &[1], true, flat);
        let mut seen = vec![false; bin.len()];
        let mut out = Vec::new();
        for start in 0..bin.len() {
            if bin[start] == 0 || seen[start] {
                continue;
            }
            seen[start] = true;
            let (mut stack, mut size) = (vec![start], 0);
            while let Some(p) = stack.pop() {
                size += 1;
                let c = [p / (dims[0] * dims[1]), p / dims[0] % dims[1], p % dims[0]];
                for o in &offsets {
                    let n: [isize; 3] = std::array::from_fn(|a| c[a] as isize + o[a] as isize);
                    if n.iter().zip([dims[2], dims[1], dims[0]]).all(|(&v, d)| v >= 0 && v < d as isize) {
                        let q = ((n[0] as usize * dims[1]) + n[1] as usize) * dims[0] + n[2] as usize;
                        if bin[q] == bin[start] && !seen[q] {
                            seen[q] = true;
                            stack.push(q);
                        }
                    }
                }
            }
            out.push((bin[start], size));
        }
        out.sort_unstable();
        out
    }

    proptest! {
        #[test]
        fn zones_are_those_of_a_flood_fill(
            bin in proptest::collection::vec(0..4_u32, 60),
            flat in proptest::option::of(0..3_u8),
        ) {
            let dims = [5, 4, 3];
            let grid = Grid::axis_aligned(dims, [0.0; 3], [1.0; 3]);
            let mask = Volume::from_vec(grid, bin.iter().map(|&b| u8::from(b > 0)).collect());
            prop_assume!(mask.count() > 0);
            let roi = Roi::new(&mask, [0; 3], dims);
            let inside: Vec<u32> = bin.iter().copied().filter(|&b| b > 0).collect();
            let levels = Levels::new(&roi, &inside, 1, "").unwrap();
            let mut got: Vec<(u32, u32)> =
                zones(&levels, flat).iter().map(|&(g, s)| (levels.bins[usize::from(g)], s)).collect();
            got.sort_unstable();
            prop_assert_eq!(got, flood(dims, &bin, flat));
        }
    }
}
