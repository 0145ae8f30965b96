//! Dose on planes: interpolation and sums.

use crate::grid::{cross, dot, norm, sub};
use crate::{Grid, Vec3};
use ndarray::Array3;
use rayon::prelude::*;

mod cubic;

pub use cubic::CubicSampler;

/// Rounding of positions in files that still counts as on the border of the grid, in voxels.
const BORDER: f64 = 1e-4;
/// Most voxels of a common grid.
const MOST_VOXELS: f64 = 4e8;

/// A dose distribution on parallel planes that need not be evenly spaced.
///
/// The centre of voxel `(i, j)` of plane `k` is `origin + i·row_step + j·col_step + offsets[k]·normal`. Values that are
/// not a number mark places where the dose is not known.
#[derive(Clone, Debug, PartialEq)]
pub struct DoseGrid {
    /// Centre of voxel (0, 0) of the plane with offset 0, mm LPS.
    pub origin: Vec3,
    /// Displacement for one step of the column index (along a row), mm.
    pub row_step: Vec3,
    /// Displacement for one step of the row index (down a column), mm.
    pub col_step: Vec3,
    /// Unit vector along which the offsets count.
    pub normal: Vec3,
    /// Positions of the planes along the normal from the origin, rising, mm.
    pub offsets: Vec<f64>,
    /// Dose in Gy, shape `(k, j, i)`.
    pub values: Array3<f32>,
}

/// Why a dose grid cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DoseError {
    /// Array shape and number of planes do not match, or an axis is empty.
    #[error("dose array of shape {shape:?} does not fit {planes} plane offsets")]
    Shape {
        /// Shape of the values `(k, j, i)`.
        shape: [usize; 3],
        /// Number of offsets.
        planes: usize,
    },
    /// Offsets do not rise.
    #[error("dose plane offsets must rise: plane {plane} is at {offset} mm after {previous} mm")]
    Offsets {
        /// Index of the plane.
        plane: usize,
        /// Its offset, mm.
        offset: f64,
        /// The offset before, mm.
        previous: f64,
    },
    /// Steps and normal do not span space or hold numbers that are not finite.
    #[error("the axes of the dose grid are degenerate or not finite")]
    Axes,
    /// Nothing to sum.
    #[error("no dose to sum")]
    Nothing,
    /// A weight is not a finite number.
    #[error("weight {0} of a dose is not a finite number")]
    Weight(f64),
    /// The common grid would be too large.
    #[error("the common grid of the doses would have {voxels:.2e} voxels")]
    TooLarge {
        /// Number of voxels.
        voxels: f64,
    },
}

impl DoseGrid {
    /// Checks and joins the parts of a dose grid; the normal is given unit length.
    ///
    /// # Errors
    /// When shape, offsets or axes make no sense.
    pub fn new(
        origin: Vec3,
        row_step: Vec3,
        col_step: Vec3,
        normal: Vec3,
        offsets: Vec<f64>,
        values: Array3<f32>,
    ) -> Result<Self, DoseError> {
        let (k, j, i) = values.dim();
        if k != offsets.len() || k * j * i == 0 {
            return Err(DoseError::Shape { shape: [k, j, i], planes: offsets.len() });
        }
        if let Some(n) = (1..k).find(|&n| offsets[n].partial_cmp(&offsets[n - 1]) != Some(std::cmp::Ordering::Greater))
        {
            return Err(DoseError::Offsets { plane: n, offset: offsets[n], previous: offsets[n - 1] });
        }
        let numbers = origin.iter().chain(&row_step).chain(&col_step).chain(&normal).chain(&offsets);
        let finite = numbers.copied().all(f64::is_finite);
        let normal = crate::frame::unit(normal).ok_or(DoseError::Axes)?;
        let det = dot(cross(row_step, col_step), normal);
        if !finite || det.abs() < 1e-9 {
            return Err(DoseError::Axes);
        }
        let values = if values.is_standard_layout() { values } else { values.as_standard_layout().into_owned() };
        Ok(Self { origin, row_step, col_step, normal, offsets, values })
    }

    /// A dose on a regular grid; planes are sorted along the normal.
    ///
    /// # Errors
    /// When the grid is degenerate, sheared along the planes, or does not fit the values `(k, j, i)`.
    pub fn from_grid(grid: &Grid, values: Array3<f32>) -> Result<Self, DoseError> {
        let normal = crate::frame::unit(cross(grid.step[0], grid.step[1])).ok_or(DoseError::Axes)?;
        let rise = dot(normal, grid.step[2]);
        if norm(sub(grid.step[2], normal.map(|c| c * rise))) > 1e-4 * rise.abs() {
            return Err(DoseError::Axes);
        }
        // Planes that fall along row × column rise along its opposite.
        let normal = if rise < 0.0 { normal.map(|c| -c) } else { normal };
        let offsets = (0..grid.dims[2]).map(|k| k as f64 * rise.abs()).collect();
        Self::new(grid.origin, grid.step[0], grid.step[1], normal, offsets, values)
    }

    /// Number of voxels along `i`, `j`, `k`.
    pub fn dims(&self) -> [usize; 3] {
        let (k, j, i) = self.values.dim();
        [i, j, k]
    }

    /// Spacing along rows, columns and planes, mm; planes by the median, 0 for a single plane.
    pub fn spacing(&self) -> [f64; 3] {
        let mut gaps: Vec<f64> = self.offsets.windows(2).map(|w| w[1] - w[0]).collect();
        gaps.sort_by(f64::total_cmp);
        [norm(self.row_step), norm(self.col_step), gaps.get(gaps.len() / 2).copied().unwrap_or(0.0)]
    }

    /// Volume of a (median) voxel, mm³; 0 for a single plane.
    pub fn voxel_volume_mm3(&self) -> f64 {
        dot(cross(self.row_step, self.col_step), self.normal).abs() * self.spacing()[2]
    }

    /// True when the dose has one plane only: it can be read in that plane, but gives no volume a dose.
    pub fn is_single_plane(&self) -> bool {
        self.offsets.len() == 1
    }

    /// Centre of voxel `(i, j, k)`, mm LPS.
    pub fn voxel_centre(&self, index: [usize; 3]) -> Vec3 {
        let (i, j, w) = (index[0] as f64, index[1] as f64, self.offsets[index[2]]);
        [0, 1, 2].map(|c| self.origin[c] + i * self.row_step[c] + j * self.col_step[c] + w * self.normal[c])
    }

    /// The regular grid of the voxels when the planes are evenly spaced to within 0.01 mm and more than one.
    pub fn grid(&self) -> Option<Grid> {
        let last = self.offsets.len() - 1;
        if last == 0 {
            return None;
        }
        let step = (self.offsets[last] - self.offsets[0]) / last as f64;
        let even = (0..=last).all(|k| (self.offsets[k] - self.offsets[0] - k as f64 * step).abs() <= 0.01);
        even.then(|| Grid {
            dims: self.dims(),
            origin: self.voxel_centre([0, 0, 0]),
            step: [self.row_step, self.col_step, self.normal.map(|c| c * step)],
        })
    }

    /// Prepares repeated look-ups.
    pub fn sampler(&self) -> DoseSampler<'_> {
        DoseSampler::new(self)
    }

    /// Dose by trilinear interpolation at a point, Gy. `None` outside the box of voxel centres, where the dose is not
    /// known, and off the plane of a single-plane dose. For many points use [`DoseGrid::sampler`].
    pub fn sample_trilinear(&self, p: Vec3) -> Option<f64> {
        self.sampler().trilinear(p)
    }

    /// True when the point lies in the box of voxel centres.
    pub fn contains(&self, p: Vec3) -> bool {
        self.sampler().cell(p).is_some()
    }

    /// Largest value and the centre of its voxel (the first of equals); `None` when no value is a number.
    pub fn maximum(&self) -> Option<(f64, Vec3)> {
        let mut best: Option<(f32, [usize; 3])> = None;
        for ((k, j, i), &v) in self.values.indexed_iter() {
            if v.is_finite() && best.is_none_or(|(b, _)| v > b) {
                best = Some((v, [i, j, k]));
            }
        }
        best.map(|(v, at)| (f64::from(v), self.voxel_centre(at)))
    }

    fn same_geometry(&self, o: &Self) -> bool {
        const NEAR: f64 = 1e-3;
        self.dims() == o.dims()
            && {
                let d = self.dims().map(|n| n - 1);
                [[0, 0, 0], [d[0], 0, 0], [0, d[1], 0], d]
                    .iter()
                    .all(|&c| norm(sub(self.voxel_centre(c), o.voxel_centre(c))) <= NEAR)
            }
            && (0..self.offsets.len())
                .all(|k| norm(sub(self.voxel_centre([0, 0, k]), o.voxel_centre([0, 0, k]))) <= NEAR)
    }
}

/// A [`DoseGrid`] prepared for look-ups.
#[derive(Clone, Debug)]
pub struct DoseSampler<'a> {
    dose: &'a DoseGrid,
    values: &'a [f32],
    rows: [Vec3; 3],
    dims: [usize; 3],
    // Planes per mm when evenly spaced.
    even: Option<f64>,
}

// A cell of the grid and the place in it.
struct Cell {
    index: [usize; 3],
    fraction: [f64; 3],
}

impl<'a> DoseSampler<'a> {
    fn new(dose: &'a DoseGrid) -> Self {
        let (a, b, c) = (dose.row_step, dose.col_step, dose.normal);
        let det = dot(cross(a, b), c);
        let rows = [cross(b, c), cross(c, a), cross(a, b)].map(|v| v.map(|x| x / det));
        let last = dose.offsets.len() - 1;
        let even = (last > 0)
            .then(|| last as f64 / (dose.offsets[last] - dose.offsets[0]))
            .filter(|per| (0..=last).all(|k| ((dose.offsets[k] - dose.offsets[0]) * per - k as f64).abs() < 1e-9));
        Self { dose, values: dose.values.as_slice().unwrap_or(&[]), rows, dims: dose.dims(), even }
    }

    fn along(x: f64, count: usize) -> Option<(usize, f64)> {
        let last = (count - 1) as f64;
        if !(x >= -BORDER && x <= last + BORDER) {
            return None;
        }
        let x = x.clamp(0.0, last);
        let n = (x as usize).min(count.saturating_sub(2));
        Some((n, x - n as f64))
    }

    /// Fractional column and row index and position along the normal (mm) of a point.
    pub fn coordinates(&self, p: Vec3) -> Vec3 {
        let d = sub(p, self.dose.origin);
        self.rows.map(|r| dot(r, d))
    }

    fn cell(&self, p: Vec3) -> Option<Cell> {
        let d = sub(p, self.dose.origin);
        let (i, fi) = Self::along(dot(self.rows[0], d), self.dims[0])?;
        let (j, fj) = Self::along(dot(self.rows[1], d), self.dims[1])?;
        let w = dot(self.rows[2], d);
        let offsets = &self.dose.offsets;
        let (k, fk) = match self.even {
            Some(per) => Self::along((w - offsets[0]) * per, self.dims[2])?,
            None => {
                let last = offsets.len() - 1;
                if !(w >= offsets[0] - BORDER && w <= offsets[last] + BORDER) {
                    return None;
                }
                let w = w.clamp(offsets[0], offsets[last]);
                let k = offsets.partition_point(|o| *o <= w).saturating_sub(1).min(last.saturating_sub(1));
                let f = if last == 0 { 0.0 } else { (w - offsets[k]) / (offsets[k + 1] - offsets[k]) };
                (k, f)
            }
        };
        Some(Cell { index: [i, j, k], fraction: [fi, fj, fk] })
    }

    /// Dose by trilinear interpolation, Gy; `None` outside the box of voxel centres or where the dose is not known.
    pub fn trilinear(&self, p: Vec3) -> Option<f64> {
        let Cell { index, fraction } = self.cell(p)?;
        let [nx, ny, nz] = self.dims;
        let at = (index[2] * ny + index[1]) * nx + index[0];
        // A single row, column or plane has no neighbour; its fraction is 0.
        let (dx, dy, dz) = (usize::from(nx > 1), if ny > 1 { nx } else { 0 }, if nz > 1 { nx * ny } else { 0 });
        let [fx, fy, fz] = fraction;
        let line = |n: usize| {
            let (a, b) = (f64::from(self.values[n]), f64::from(self.values[n + dx]));
            a + fx * (b - a)
        };
        let plane = |n: usize| {
            let (a, b) = (line(n), line(n + dy));
            a + fy * (b - a)
        };
        let (a, b) = (plane(at), plane(at + dz));
        let dose = a + fz * (b - a);
        if dose.is_finite() { Some(dose) } else { self.known_corners(at, [dx, dy, dz], fraction) }
    }

    // Beside unknown values only corners with weight count.
    fn known_corners(&self, at: usize, steps: [usize; 3], f: [f64; 3]) -> Option<f64> {
        let mut sum = 0.0;
        for n in 0..8usize {
            let (mut weight, mut place) = (1.0, at);
            for a in 0..3 {
                if n >> a & 1 == 1 {
                    weight *= f[a];
                    place += steps[a];
                } else {
                    weight *= 1.0 - f[a];
                }
            }
            if weight > BORDER {
                sum += weight * f64::from(self.values[place]);
            }
        }
        sum.is_finite().then_some(sum)
    }
}

/// Weighted sum of doses in one frame of reference. Equal grids are added voxel by voxel; otherwise all are
/// interpolated (trilinear) onto a grid with the axes of the first, the finest spacing of all and the union of their
/// extents. Where a part does not reach, the sum is not known and the voxel is not a number: nothing is filled with 0.
///
/// # Errors
/// When there is nothing to sum, a weight is not finite, or the common grid would be too large.
pub fn sum_on_common_grid(parts: &[(&DoseGrid, f64)]) -> Result<DoseGrid, DoseError> {
    let Some(&(first, _)) = parts.first() else { return Err(DoseError::Nothing) };
    if let Some(&(_, w)) = parts.iter().find(|(_, w)| !w.is_finite()) {
        return Err(DoseError::Weight(w));
    }
    if parts.iter().all(|(g, _)| g.same_geometry(first)) {
        let mut out = first.clone();
        for (n, v) in out.values.iter_mut().enumerate() {
            let sum: f64 =
                parts.iter().map(|(g, w)| w * f64::from(g.values.as_slice().map_or(f32::NAN, |s| s[n]))).sum();
            *v = sum as f32;
        }
        return Ok(out);
    }
    let mut out = common_grid(parts)?;
    let samplers: Vec<(DoseSampler<'_>, f64)> = parts.iter().map(|(g, w)| (g.sampler(), *w)).collect();
    let (ny, nx) = (out.dims()[1], out.dims()[0]);
    let mut values = std::mem::take(&mut out.values);
    if let Some(all) = values.as_slice_mut() {
        all.par_chunks_mut(nx).enumerate().for_each(|(row, line)| {
            let (k, j) = (row / ny, row % ny);
            for (i, v) in line.iter_mut().enumerate() {
                let p = out.voxel_centre([i, j, k]);
                let mut sum = 0.0;
                for (s, w) in &samplers {
                    sum += w * s.trilinear(p).unwrap_or(f64::NAN);
                }
                *v = sum as f32;
            }
        });
    }
    out.values = values;
    Ok(out)
}

fn common_grid(parts: &[(&DoseGrid, f64)]) -> Result<DoseGrid, DoseError> {
    let first = parts[0].0;
    let fine = |a: usize| {
        let s = parts.iter().map(|(g, _)| g.spacing()[a]).filter(|s| *s > 0.0);
        s.fold(f64::INFINITY, f64::min)
    };
    let spacing = [fine(0), fine(1), fine(2)];
    let axes = [crate::frame::unit(first.row_step), crate::frame::unit(first.col_step), Some(first.normal)];
    let [Some(u), Some(v), Some(n)] = axes else { return Err(DoseError::Axes) };
    let start = first.voxel_centre([0, 0, 0]);
    let mut lo = [0.0f64; 3];
    let mut hi = [0.0f64; 3];
    let unit_grid = Grid { dims: [1; 3], origin: start, step: [u, v, n] };
    for (g, _) in parts {
        let d = g.dims().map(|x| x - 1);
        for c in 0..8usize {
            let corner = [0, 1, 2].map(|a| if c >> a & 1 == 1 { d[a] } else { 0 });
            let q = unit_grid.index(g.voxel_centre(corner));
            for a in 0..3 {
                lo[a] = lo[a].min(q[a]);
                hi[a] = hi[a].max(q[a]);
            }
        }
    }
    // The lattice passes through the first voxel of the first dose and stays inside the union of the extents.
    let mut dims = [1usize; 3];
    let mut begin = [0.0; 3];
    let mut voxels = 1.0;
    for a in 0..3 {
        if spacing[a].is_finite() {
            let before = (-lo[a] / spacing[a] + BORDER).floor();
            let after = (hi[a] / spacing[a] + BORDER).floor();
            begin[a] = -before * spacing[a];
            voxels *= before + after + 1.0;
            if voxels > MOST_VOXELS {
                return Err(DoseError::TooLarge { voxels });
            }
            dims[a] = (before + after) as usize + 1;
        }
    }
    let origin = unit_grid.world(begin);
    let offsets = (0..dims[2]).map(|k| if dims[2] > 1 { k as f64 * spacing[2] } else { 0.0 }).collect();
    let step = |axis: Vec3, s: f64| axis.map(|c| c * if s.is_finite() { s } else { 1.0 });
    let values = Array3::zeros((dims[2], dims[1], dims[0]));
    DoseGrid::new(origin, step(u, spacing[0]), step(v, spacing[1]), n, offsets, values)
}

/// A dose that is continuous in space.
pub trait DoseField: Sync {
    /// Dose at a point (mm LPS), Gy; `None` where it is not known.
    fn dose_at(&self, p: Vec3) -> Option<f64>;
}

impl DoseField for DoseSampler<'_> {
    fn dose_at(&self, p: Vec3) -> Option<f64> {
        self.trilinear(p)
    }
}

#[cfg(test)]
mod tests;
