//! Grey level co-occurrence matrix (Haralick et al. 1973).

use crate::{
    directions::Offset,
    discretise::Levels,
    mcc,
    numeric::{EPS, nan_mean, plogp},
    settings::WeightingNorm,
};

/// Number of features, all in the default set.
pub(crate) const COUNT: usize = 24;
/// Position of JointAverage: a plain mean over directions, the others leave NaN out.
const JOINT_AVERAGE: usize = 16;
/// Up to this many levels the matrix is counted in a table, beyond it by sorting.
const TABLE_LEVELS: usize = 2048;

/// One cell of a matrix: row, column (indices of levels), number or probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pair {
    pub(crate) i: u16,
    pub(crate) j: u16,
    pub(crate) p: f64,
}

/// How the matrices of the directions become features.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) symmetrical: bool,
    pub(crate) weighting: Option<WeightingNorm>,
    /// The maximal correlation coefficient costs more than all the rest.
    pub(crate) with_mcc: bool,
}

/// Features, averaged over directions or of the weighted sum of the matrices.
pub(crate) fn features(levels: &Levels, directions: &[Offset], o: Options, spacing: [f64; 3]) -> [f64; COUNT] {
    let mut table = Vec::new();
    let mut each: Vec<[f64; COUNT]> = Vec::with_capacity(directions.len());
    if let Some(norm) = o.weighting {
        let mut all: Vec<Pair> = Vec::new();
        for &d in directions {
            let w = weight(norm, d, spacing);
            let matrix = count(levels, d, o.symmetrical, &mut table);
            all.extend(matrix.iter().map(|c| Pair { p: c.p * w, ..*c }));
            merge(&mut all);
        }
        each.push(of_matrix(&all, &levels.bins, o.with_mcc));
    } else {
        for &d in directions {
            let matrix = count(levels, d, o.symmetrical, &mut table);
            if !matrix.is_empty() || directions.len() == 1 {
                each.push(of_matrix(&matrix, &levels.bins, o.with_mcc));
            }
        }
    }
    std::array::from_fn(|n| {
        if n == JOINT_AVERAGE {
            each.iter().map(|f| f[n]).sum::<f64>() / each.len() as f64
        } else {
            nan_mean(each.iter().map(|f| f[n]))
        }
    })
}

/// Adds up cells of the same place.
fn merge(all: &mut Vec<Pair>) {
    all.sort_by_key(|c| (c.i, c.j));
    all.dedup_by(|b, a| {
        let same = (a.i, a.j) == (b.i, b.j);
        if same {
            a.p += b.p;
        }
        same
    });
}

/// Weight of a direction's counts: falls with the squared distance in mm.
fn weight(norm: WeightingNorm, d: Offset, spacing: [f64; 3]) -> f64 {
    let mm = [2, 1, 0].map(|a: usize| f64::from(d[2 - a].abs()) * spacing[a]);
    match norm {
        WeightingNorm::Infinity => (-mm.iter().copied().fold(0.0, f64::max).powi(2)).exp(),
        WeightingNorm::Euclidean => (-mm.iter().map(|v| v * v).sum::<f64>()).exp(),
        WeightingNorm::Manhattan => (-mm.iter().sum::<f64>().powi(2)).exp(),
        WeightingNorm::NoWeighting => 1.0,
    }
}

/// Cells that are not zero, by rows. `table` is kept between directions.
fn count(levels: &Levels, d: Offset, symmetrical: bool, table: &mut Vec<u32>) -> Vec<Pair> {
    let step = levels.step(d);
    let n = levels.len();
    let grid = &levels.grid;
    let mut out = Vec::new();
    if n <= TABLE_LEVELS {
        // Row and column 0 take the pairs with a partner outside, so that the loop has no branch.
        let width = n + 1;
        table.clear();
        table.resize(width * width, 0);
        for &p in &levels.at {
            let (g, h) = (grid[p as usize], grid[(p as isize + step) as usize]);
            table[usize::from(g) * width + usize::from(h)] += 1;
        }
        for i in 1..=n {
            for j in 1..=n {
                let mut c = table[i * width + j];
                if symmetrical {
                    c += table[j * width + i];
                }
                if c > 0 {
                    out.push(Pair { i: i as u16 - 1, j: j as u16 - 1, p: f64::from(c) });
                }
            }
        }
        return out;
    }
    for &p in &levels.at {
        let (g, h) = (grid[p as usize], grid[(p as isize + step) as usize]);
        if h != 0 {
            out.push(Pair { i: g - 1, j: h - 1, p: 1.0 });
            if symmetrical {
                out.push(Pair { i: h - 1, j: g - 1, p: 1.0 });
            }
        }
    }
    merge(&mut out);
    out
}

/// Features of one matrix of counts; NaN when it is empty.
fn of_matrix(counts: &[Pair], bins: &[u32], with_mcc: bool) -> [f64; COUNT] {
    let total: f64 = counts.iter().map(|c| c.p).sum();
    if total <= 0.0 {
        return [f64::NAN; COUNT];
    }
    let n = bins.len();
    let highest = f64::from(bins[n - 1]);
    let cells: Vec<Pair> = counts.iter().map(|c| Pair { p: c.p / total, ..*c }).collect();
    let g: Vec<f64> = bins.iter().map(|&b| f64::from(b)).collect();
    let (mut px, mut py) = (vec![0.0; n], vec![0.0; n]);
    let top = bins[n - 1] as usize;
    let (mut plus, mut minus) = (vec![0.0; 2 * top + 1], vec![0.0; top]);
    for c in &cells {
        let (i, j) = (usize::from(c.i), usize::from(c.j));
        px[i] += c.p;
        py[j] += c.p;
        plus[(bins[i] + bins[j]) as usize] += c.p;
        minus[bins[i].abs_diff(bins[j]) as usize] += c.p;
    }
    let moment = |p: &[f64]| -> f64 { p.iter().zip(&g).map(|(p, g)| p * g).sum() };
    let (ux, uy) = (moment(&px), moment(&py));
    let variance = |p: &[f64], u: f64| -> f64 { p.iter().zip(&g).map(|(p, g)| p * (g - u) * (g - u)).sum() };
    let (vx, vy) = (variance(&px, ux), variance(&py, uy));
    let (mut autocorrelation, mut covariance, mut energy, mut hxy, mut largest) = (0.0, 0.0, 0.0, 0.0, 0.0_f64);
    for c in &cells {
        let (gi, gj) = (g[usize::from(c.i)], g[usize::from(c.j)]);
        autocorrelation += c.p * gi * gj;
        covariance += c.p * (gi - ux) * (gj - uy);
        energy += c.p * c.p;
        hxy -= plogp(c.p);
        largest = largest.max(c.p);
    }
    let over_minus =
        |f: &dyn Fn(f64, f64) -> f64| -> f64 { minus.iter().enumerate().map(|(k, &p)| f(k as f64, p)).sum() };
    let over_plus =
        |f: &dyn Fn(f64, f64) -> f64| -> f64 { plus.iter().enumerate().map(|(k, &p)| f(k as f64, p)).sum() };
    let difference_average = over_minus(&|k, p| k * p);
    let centre = ux + uy;
    let sigma = vx.sqrt() * vy.sqrt();
    let hx: f64 = -px.iter().map(|&p| plogp(p)).sum::<f64>();
    let hy: f64 = -py.iter().map(|&p| plogp(p)).sum::<f64>();
    let (hxy1, hxy2) = products(&cells, &px, &py);
    let imc1 = if hx.max(hy) == 0.0 { 0.0 } else { (hxy - hxy1) / hx.max(hy) };
    let imc2 = if hxy2 == hxy { 0.0 } else { (1.0 - (-2.0 * (hxy2 - hxy)).exp()).sqrt() };
    [
        autocorrelation,
        over_plus(&|k, p| p * (k - centre).powi(4)),
        over_plus(&|k, p| p * (k - centre).powi(3)),
        over_plus(&|k, p| p * (k - centre).powi(2)),
        over_minus(&|k, p| k * k * p),
        if sigma == 0.0 { 1.0 } else { covariance / (sigma + EPS) },
        difference_average,
        -over_minus(&|_, p| if p > 0.0 { plogp(p) } else { 0.0 }),
        over_minus(&|k, p| p * (k - difference_average).powi(2)),
        over_minus(&|k, p| p / (1.0 + k)),
        over_minus(&|k, p| p / (1.0 + k * k)),
        over_minus(&|k, p| p / (1.0 + k * k / (highest * highest))),
        over_minus(&|k, p| p / (1.0 + k / highest)),
        imc1,
        imc2,
        over_minus(&|k, p| if k > 0.0 { p / (k * k) } else { 0.0 }),
        ux,
        energy,
        hxy,
        if with_mcc { mcc::maximal_correlation(&cells, &px, &py) } else { f64::NAN },
        largest,
        over_plus(&|k, p| k * p),
        -over_plus(&|_, p| if p > 0.0 { plogp(p) } else { 0.0 }),
        vx,
    ]
}

/// HXY1 = −Σ p log2(px py + eps) and HXY2 = −Σ px py log2(px py + eps).
fn products(cells: &[Pair], px: &[f64], py: &[f64]) -> (f64, f64) {
    if px.len() <= 32 {
        let log = |a: f64, b: f64| (a * b + EPS).log2();
        let one = -cells.iter().map(|c| c.p * log(px[usize::from(c.i)], py[usize::from(c.j)])).sum::<f64>();
        let mut two = 0.0;
        for &a in px {
            for &b in py {
                two -= a * b * log(a, b);
            }
        }
        return (one, two);
    }
    // log2(ab + eps) = log2 a + log2 b + eps/(ab·ln 2) up to (eps/ab)², and the first two terms sum to the same entropies
    // in both cases; this saves a logarithm for each of the n² products.
    let plain = |p: &[f64]| -> f64 { -p.iter().filter(|p| **p > 0.0).map(|p| p * p.log2()).sum::<f64>() };
    let both = plain(px) + plain(py);
    let unit = EPS / std::f64::consts::LN_2;
    let pairs = px.iter().filter(|p| **p > 0.0).count() * py.iter().filter(|p| **p > 0.0).count();
    let spread: f64 = cells.iter().map(|c| c.p / (px[usize::from(c.i)] * py[usize::from(c.j)])).sum();
    (both - unit * spread, both - unit * pairs as f64)
}
