//! Margins: growing and shrinking of masks in patient directions.

use crate::edt::squared_distance;
use crate::{Grid, Mask};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Slack of `distance² ≤ margin²`: distances and margins are often equal multiples of the spacing, and distances are
/// stored in single precision.
const SLACK: f64 = 1e-6;

/// Margins towards the six sides of the patient, mm. Positive sides grow, negative sides shrink, 0 leaves a side where it
/// is. Between two sides growth follows an ellipsoid with the margins as semi-axes, octant by octant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Margin {
    /// Towards the patient's left (+x), mm.
    pub left: f64,
    /// Towards the patient's right (−x), mm.
    pub right: f64,
    /// Towards the front (−y), mm.
    pub anterior: f64,
    /// Towards the back (+y), mm.
    pub posterior: f64,
    /// Towards the head (+z), mm.
    pub superior: f64,
    /// Towards the feet (−z), mm.
    pub inferior: f64,
}

/// Why a margin cannot be applied.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MarginError {
    /// A margin is not finite or beyond any use.
    #[error("a margin of {0} mm is not usable (−200 to 200 mm)")]
    OutOfRange(f64),
}

impl Margin {
    /// The same margin towards all sides.
    pub fn uniform(mm: f64) -> Self {
        Self { left: mm, right: mm, anterior: mm, posterior: mm, superior: mm, inferior: mm }
    }

    // Margins against and along the patient axes x (left), y (posterior), z (superior).
    fn sides(&self) -> [[f64; 2]; 3] {
        [[self.right, self.left], [self.anterior, self.posterior], [self.inferior, self.superior]]
    }

    fn is_uniform(sides: &[[f64; 2]; 3]) -> bool {
        sides.iter().flatten().all(|s| *s == sides[0][0])
    }
}

/// Applies a margin to a mask on any grid. A voxel belongs to the grown mask when the displacement from some voxel of the
/// mask to it (centre to centre) lies in the margin's ellipsoid; shrinking grows the complement towards the structure.
/// Positive sides are applied first. Growth ends at the border of the grid; what lies beyond the grid does not shrink a
/// structure that touches its border.
///
/// On grids that are oblique to the patient axes a side with margin 0 yields up to half a voxel, because no voxel lies
/// exactly along the axis.
///
/// # Errors
/// When a margin is not a number or beyond 200 mm.
pub fn apply(mask: &Mask, margin: &Margin) -> Result<Mask, MarginError> {
    let sides = margin.sides();
    if let Some(&bad) = sides.iter().flatten().find(|s| s.is_nan() || s.abs() > 200.0) {
        return Err(MarginError::OutOfRange(bad));
    }
    let mut out = Mask::from_vec(mask.grid.clone(), mask.values().iter().map(|&v| u8::from(v != 0)).collect());
    let outwards = sides.map(|s| s.map(|v| v.max(0.0)));
    if outwards.iter().flatten().any(|v| *v > 0.0) {
        out = grow(&out, &outwards);
    }
    // The front of a structure moves back when the complement grows backwards.
    let inwards = sides.map(|s| [(-s[1]).max(0.0), (-s[0]).max(0.0)]);
    if inwards.iter().flatten().any(|v| *v > 0.0) {
        invert(out.values_mut());
        out = grow(&out, &inwards);
        invert(out.values_mut());
    }
    Ok(out)
}

fn invert(values: &mut [u8]) {
    for v in values {
        *v = 1 - *v;
    }
}

fn grow(mask: &Mask, sides: &[[f64; 2]; 3]) -> Mask {
    if Margin::is_uniform(sides) && mask.grid.is_orthogonal(1e-4) {
        grow_uniform(mask, sides[0][0])
    } else {
        grow_by_runs(mask, &element(&mask.grid, sides))
    }
}

// First and last index of the set voxels along each axis.
pub(crate) fn bounding_box(mask: &Mask) -> Option<[[usize; 2]; 3]> {
    let mut b = [[usize::MAX, 0]; 3];
    let [nx, ny, _] = mask.grid.dims;
    for (row, line) in mask.values().chunks(nx.max(1)).enumerate() {
        if let (Some(first), Some(last)) = (line.iter().position(|v| *v != 0), line.iter().rposition(|v| *v != 0)) {
            for (axis, lo, hi) in [(0, first, last), (1, row % ny, row % ny), (2, row / ny, row / ny)] {
                b[axis][0] = b[axis][0].min(lo);
                b[axis][1] = b[axis][1].max(hi);
            }
        }
    }
    (b[0][0] != usize::MAX).then_some(b)
}

fn grow_uniform(mask: &Mask, mm: f64) -> Mask {
    let Some(b) = bounding_box(mask) else { return mask.clone() };
    let grid = &mask.grid;
    let spacing = grid.spacing();
    let mut start = [0; 3];
    let mut dims = [0; 3];
    for a in 0..3 {
        let reach = (mm / spacing[a]).ceil() as usize;
        start[a] = b[a][0].saturating_sub(reach);
        dims[a] = (b[a][1] + reach + 1).min(grid.dims[a]) - start[a];
    }
    let row = |j: usize, k: usize| ((k + start[2]) * grid.dims[1] + j + start[1]) * grid.dims[0] + start[0];
    let mut part = Vec::with_capacity(dims.iter().product());
    for k in 0..dims[2] {
        for j in 0..dims[1] {
            part.extend_from_slice(&mask.values()[row(j, k)..row(j, k) + dims[0]]);
        }
    }
    let limit = (mm * mm * (1.0 + SLACK)) as f32;
    let distance = squared_distance(&part, dims, spacing);
    let mut out = mask.clone();
    for k in 0..dims[2] {
        for j in 0..dims[1] {
            let line = &distance[(k * dims[1] + j) * dims[0]..][..dims[0]];
            for (v, d) in out.values_mut()[row(j, k)..row(j, k) + dims[0]].iter_mut().zip(line) {
                *v = u8::from(*d <= limit);
            }
        }
    }
    out
}

// One row of the structuring element: offsets in j and k and the interval of offsets in i.
struct ElementRow {
    dj: isize,
    dk: isize,
    first: isize,
    last: isize,
}

// Voxel offsets inside the ellipsoid. It is the sub-level set of a convex function, so every row is one interval.
fn element(grid: &Grid, sides: &[[f64; 2]; 3]) -> Vec<ElementRow> {
    let aligned = grid.step.iter().all(|s| {
        let n = crate::grid::norm(*s);
        s.iter().filter(|c| c.abs() > 1e-4 * n).count() == 1
    });
    // On an oblique grid no voxel lies exactly on an axis: a side that does not grow admits half a voxel.
    let half: [f64; 3] = std::array::from_fn(|a| {
        if aligned { 1e-6 } else { 0.5 * grid.step.iter().map(|s| s[a].abs()).fold(0.0, f64::max) }
    });
    let cost = |d: [f64; 3]| -> f64 {
        let mut sum = 0.0;
        for a in 0..3 {
            let m = sides[a][usize::from(d[a] > 0.0)];
            if m > half[a] {
                sum += (d[a] / m).powi(2);
            } else if d[a].abs() > half[a] {
                return f64::INFINITY;
            }
        }
        sum
    };
    // Index reach of the box of the margins.
    let inverse = grid.inverse();
    let reach: [isize; 3] = std::array::from_fn(|r| {
        let most: f64 = (0..3).map(|a| inverse[r][a].abs() * sides[a][0].max(sides[a][1]).max(half[a])).sum();
        (most + 1e-6).ceil() as isize
    });
    let mut rows = Vec::new();
    for dk in -reach[2]..=reach[2] {
        for dj in -reach[1]..=reach[1] {
            let inside = |di: &isize| {
                let d = [0, 1, 2]
                    .map(|c| *di as f64 * grid.step[0][c] + dj as f64 * grid.step[1][c] + dk as f64 * grid.step[2][c]);
                cost(d) <= 1.0 + SLACK
            };
            let mut hits = (-reach[0]..=reach[0]).filter(inside);
            if let Some(first) = hits.next() {
                rows.push(ElementRow { dj, dk, first, last: hits.next_back().unwrap_or(first) });
            }
        }
    }
    rows
}

fn grow_by_runs(mask: &Mask, element: &[ElementRow]) -> Mask {
    let [nx, ny, nz] = mask.grid.dims;
    let mut out = mask.clone();
    if mask.grid.is_empty() {
        return out;
    }
    let runs: Vec<Vec<(isize, isize)>> = mask.values().chunks(nx).map(runs_of).collect();
    out.values_mut().par_chunks_mut(nx).enumerate().for_each(|(row, line)| {
        let (j, k) = ((row % ny) as isize, (row / ny) as isize);
        let mut change = vec![0i32; nx + 1];
        for e in element {
            let (oj, ok) = (j - e.dj, k - e.dk);
            if oj < 0 || ok < 0 || oj >= ny as isize || ok >= nz as isize {
                continue;
            }
            for &(a, b) in &runs[ok as usize * ny + oj as usize] {
                let (first, last) = ((a + e.first).max(0), (b + e.last).min(nx as isize - 1));
                if first <= last {
                    change[first as usize] += 1;
                    change[last as usize + 1] -= 1;
                }
            }
        }
        let mut depth = 0;
        for (v, c) in line.iter_mut().zip(&change) {
            depth += c;
            *v = u8::from(depth > 0);
        }
    });
    out
}

fn runs_of(line: &[u8]) -> Vec<(isize, isize)> {
    let mut out = Vec::new();
    let mut i = 0;
    while i < line.len() {
        if line[i] == 0 {
            i += 1;
            continue;
        }
        let start = i;
        while i < line.len() && line[i] != 0 {
            i += 1;
        }
        out.push((start as isize, i as isize - 1));
    }
    out
}

#[cfg(test)]
mod tests;
