//! Features of matrices "grey level × size": run lengths, zones and dependences share their formulas.

use crate::numeric::plogp;

/// One cell: index of the level, size, (weighted) number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cell {
    pub(crate) level: u16,
    pub(crate) size: u32,
    pub(crate) count: f64,
}

/// The sums that the features are made of.
pub(crate) struct SizeFeatures {
    pub(crate) level_non_uniformity: f64,
    pub(crate) level_non_uniformity_normalized: f64,
    pub(crate) level_variance: f64,
    pub(crate) high_level: f64,
    pub(crate) large: f64,
    pub(crate) large_high: f64,
    pub(crate) large_low: f64,
    pub(crate) low_level: f64,
    pub(crate) entropy: f64,
    pub(crate) size_non_uniformity: f64,
    pub(crate) size_non_uniformity_normalized: f64,
    pub(crate) percentage: f64,
    pub(crate) size_variance: f64,
    pub(crate) small: f64,
    pub(crate) small_high: f64,
    pub(crate) small_low: f64,
}

/// All features of a matrix whose levels are the bin numbers `bins`. An empty matrix gives NaN.
pub(crate) fn features(cells: &[Cell], bins: &[u32]) -> SizeFeatures {
    let total: f64 = cells.iter().map(|c| c.count).sum();
    let longest = cells.iter().map(|c| c.size).max().unwrap_or(0);
    let mut by_level = vec![0.0; bins.len()];
    let mut sizes: Vec<(u32, f64)>;
    // Few sizes: a table; many (zones of whole organs): sorted pairs.
    if longest < 4096 {
        let mut table = vec![0.0; longest as usize + 1];
        for c in cells {
            table[c.size as usize] += c.count;
        }
        sizes = table.iter().enumerate().filter(|(_, n)| **n > 0.0).map(|(s, n)| (s as u32, *n)).collect();
    } else {
        sizes = cells.iter().map(|c| (c.size, c.count)).collect();
        sizes.sort_by_key(|s| s.0);
        sizes.dedup_by(|b, a| {
            let same = a.0 == b.0;
            if same {
                a.1 += b.1;
            }
            same
        });
    }
    for c in cells {
        by_level[usize::from(c.level)] += c.count;
    }
    let level = |n: usize| f64::from(bins[n]);
    let over_levels =
        |f: &dyn Fn(f64, f64) -> f64| -> f64 { by_level.iter().enumerate().map(|(n, &c)| f(level(n), c)).sum::<f64>() };
    let over_sizes = |f: &dyn Fn(f64, f64) -> f64| -> f64 { sizes.iter().map(|&(s, c)| f(f64::from(s), c)).sum() };
    let voxels = over_sizes(&|s, c| s * c);
    let level_mean = over_levels(&|g, c| g * (c / total));
    let size_mean = over_sizes(&|s, c| s * (c / total));
    let level_squares = over_levels(&|_, c| c * c);
    let size_squares = over_sizes(&|_, c| c * c);
    let (mut large_high, mut large_low, mut small_high, mut small_low, mut entropy) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for c in cells {
        let g2 = level(usize::from(c.level)).powi(2);
        let s2 = f64::from(c.size) * f64::from(c.size);
        large_high += c.count * s2 * g2;
        large_low += c.count * s2 / g2;
        small_high += c.count * g2 / s2;
        small_low += c.count / (g2 * s2);
        entropy -= plogp(c.count / total);
    }
    SizeFeatures {
        level_non_uniformity: level_squares / total,
        level_non_uniformity_normalized: level_squares / (total * total),
        level_variance: over_levels(&|g, c| c / total * (g - level_mean).powi(2)),
        high_level: over_levels(&|g, c| c * g * g) / total,
        large: over_sizes(&|s, c| c * s * s) / total,
        large_high: large_high / total,
        large_low: large_low / total,
        low_level: over_levels(&|g, c| c / (g * g)) / total,
        entropy: if total > 0.0 { entropy } else { f64::NAN },
        size_non_uniformity: size_squares / total,
        size_non_uniformity_normalized: size_squares / (total * total),
        percentage: total / voxels,
        size_variance: over_sizes(&|s, c| c / total * (s - size_mean).powi(2)),
        small: over_sizes(&|s, c| c / (s * s)) / total,
        small_high: small_high / total,
        small_low: small_low / total,
    }
}
