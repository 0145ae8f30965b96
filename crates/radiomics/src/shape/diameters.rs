//! Largest distances between points of the surface.

/// Largest distances, mm.
pub(super) struct Diameters {
    /// Between any two points.
    pub(super) whole: f64,
    /// Between points of equal z.
    pub(super) slice: f64,
    /// Between points of equal y.
    pub(super) column: f64,
    /// Between points of equal x.
    pub(super) row: f64,
}

/// First and last coordinate of the points on each line, by two other coordinates; `first > last` when there is none.
struct Lines {
    size: [usize; 2],
    ends: Vec<[i32; 2]>,
}

impl Lines {
    /// Lines along axis `along`, by the coordinates on the axes `by`.
    fn new(points: &[[i32; 3]], by: [usize; 2], along: usize) -> Self {
        let size = by.map(|a| points.iter().map(|p| p[a]).max().unwrap_or(0) as usize + 1);
        let mut ends = vec![[i32::MAX, i32::MIN]; size[0] * size[1]];
        for p in points {
            let e = &mut ends[p[by[0]] as usize * size[1] + p[by[1]] as usize];
            e[0] = e[0].min(p[along]);
            e[1] = e[1].max(p[along]);
        }
        Self { size, ends }
    }

    /// The convex hull of the plane in which coordinate `fixed` (0 or 1 of `by`) has a value: points (other, along).
    fn hull(&self, fixed: usize, value: usize) -> Vec<[i64; 2]> {
        let mut sorted = Vec::new();
        for other in 0..self.size[1 - fixed] {
            let at = if fixed == 0 { value * self.size[1] + other } else { other * self.size[1] + value };
            let [first, last] = self.ends[at];
            if first <= last {
                sorted.push([other as i64, i64::from(first)]);
                if last > first {
                    sorted.push([other as i64, i64::from(last)]);
                }
            }
        }
        hull(&sorted)
    }
}

/// Convex hull of points sorted by both coordinates (Andrew's monotone chain), without points on its edges.
fn hull(sorted: &[[i64; 2]]) -> Vec<[i64; 2]> {
    if sorted.len() < 3 {
        return sorted.to_vec();
    }
    let turn = |a: [i64; 2], b: [i64; 2], c: [i64; 2]| (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
    let mut out: Vec<[i64; 2]> = Vec::new();
    let chain = |points: &mut dyn Iterator<Item = [i64; 2]>, out: &mut Vec<[i64; 2]>| {
        let base = out.len();
        for p in points {
            while out.len() >= base + 2 && turn(out[out.len() - 2], out[out.len() - 1], p) <= 0 {
                out.pop();
            }
            out.push(p);
        }
        out.pop();
    };
    chain(&mut sorted.iter().copied(), &mut out);
    chain(&mut sorted.iter().rev().copied(), &mut out);
    out
}

/// Largest squared distance of hull points with the given sizes of the two units.
fn widest(points: &[[i64; 2]], unit: [f64; 2]) -> f64 {
    let mut best = 0.0_f64;
    for (n, a) in points.iter().enumerate() {
        for b in &points[..n] {
            let d = [(a[0] - b[0]) as f64 * unit[0], (a[1] - b[1]) as f64 * unit[1]];
            best = best.max(d[0] * d[0] + d[1] * d[1]);
        }
    }
    best
}

/// Largest distances of points given as (z, y, x) in half voxels.
///
/// Only points that are corners of the convex hull within their slice and within their column plane can be corners of the
/// hull in space, and only those can be farthest apart.
pub(super) fn measure(points: &[[i32; 3]], spacing: [f64; 3]) -> Diameters {
    let unit = [spacing[2] * 0.5, spacing[1] * 0.5, spacing[0] * 0.5];
    let lines = Lines::new(points, [0, 1], 2);
    let [planes_z, planes_y] = lines.size;
    let mut slice = 0.0_f64;
    let mut corners: Vec<[i32; 3]> = Vec::new();
    for z in 0..planes_z {
        let h = lines.hull(0, z);
        slice = slice.max(widest(&h, [unit[1], unit[2]]));
        corners.extend(h.iter().map(|p| [z as i32, p[0] as i32, p[1] as i32]));
    }
    let mut column = 0.0_f64;
    let mut second: Vec<[i32; 3]> = Vec::new();
    for y in 0..planes_y {
        let h = lines.hull(1, y);
        column = column.max(widest(&h, [unit[0], unit[2]]));
        second.extend(h.iter().map(|p| [p[0] as i32, y as i32, p[1] as i32]));
    }
    let across = Lines::new(points, [2, 0], 1);
    let mut row = 0.0_f64;
    for x in 0..across.size[0] {
        row = row.max(widest(&across.hull(0, x), [unit[0], unit[1]]));
    }
    corners.sort_unstable();
    second.sort_unstable();
    corners.retain(|c| second.binary_search(c).is_ok());
    let whole = farthest(&corners, unit);
    Diameters { whole: whole.sqrt(), slice: slice.sqrt(), column: column.sqrt(), row: row.sqrt() }
}

/// Largest squared distance, with pairs left out whose distances from the middle cannot add up to more.
fn farthest(points: &[[i32; 3]], unit: [f64; 3]) -> f64 {
    let n = points.len().max(1) as f64;
    let middle: [f64; 3] = std::array::from_fn(|a| points.iter().map(|p| f64::from(p[a])).sum::<f64>() / n);
    let mut order: Vec<(f64, [i32; 3])> = points
        .iter()
        .map(|&p| {
            let r2: f64 = (0..3).map(|a| ((f64::from(p[a]) - middle[a]) * unit[a]).powi(2)).sum();
            (r2.sqrt(), p)
        })
        .collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut best = 0.0_f64;
    for (n, (r, p)) in order.iter().enumerate() {
        // A little slack keeps rounding from leaving out the true pair.
        let enough = best.sqrt() * (1.0 - 1e-12) - r;
        for (q_r, q) in &order[..n] {
            if *q_r < enough {
                break;
            }
            let d: [f64; 3] = std::array::from_fn(|a| f64::from(p[a] - q[a]) * unit[a]);
            best = best.max(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn hull_pruning_finds_what_all_pairs_find(
            points in proptest::collection::vec([0..9_i32, 0..9_i32, 0..9_i32], 1..60),
            spacing in [0.5..3.0_f64, 0.5..3.0_f64, 0.5..3.0_f64],
        ) {
            let unit = [spacing[2] * 0.5, spacing[1] * 0.5, spacing[0] * 0.5];
            let mut best = [0.0_f64; 4];
            for a in &points {
                for b in &points {
                    let d: f64 = (0..3).map(|n| (f64::from(a[n] - b[n]) * unit[n]).powi(2)).sum::<f64>().sqrt();
                    best[3] = best[3].max(d);
                    for n in 0..3 {
                        if a[n] == b[n] { best[n] = best[n].max(d); }
                    }
                }
            }
            let d = measure(&points, spacing);
            for (x, y) in [d.slice, d.column, d.row, d.whole].iter().zip(best) {
                prop_assert!((x - y).abs() < 1e-12, "{} {}", x, y);
            }
        }
    }
}
