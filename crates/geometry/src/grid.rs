//! Regular voxel grids in patient space.

use serde::{Deserialize, Serialize};

/// A point or displacement in DICOM patient coordinates (LPS), millimetres.
pub type Vec3 = [f64; 3];

/// A regular voxel grid: voxel `(i, j, k)` has its centre at `origin + i·step[0] + j·step[1] + k·step[2]`.
///
/// `i` runs along a DICOM row (column index), `j` down the rows, `k` through the slices; data are stored with `i`
/// fastest, as an array of shape `(k, j, i)`. Axes may be oblique and, for sheared stacks, not orthogonal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// Number of voxels along `i`, `j`, `k`.
    pub dims: [usize; 3],
    /// Centre of voxel (0, 0, 0), mm LPS.
    pub origin: Vec3,
    /// Displacement for one index step along `i`, `j`, `k`, mm LPS.
    pub step: [Vec3; 3],
}

/// Why a grid cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GridError {
    /// The three axes do not span space.
    #[error("grid axes are degenerate (volume of a voxel is {0} mm³)")]
    Degenerate(f64),
    /// A number is not finite.
    #[error("grid holds a number that is not finite")]
    NotFinite,
}

impl Grid {
    /// A grid from spacing (mm along i, j, k) and unit directions of the three axes.
    pub fn new(dims: [usize; 3], origin: Vec3, spacing: [f64; 3], direction: [Vec3; 3]) -> Result<Self, GridError> {
        let step = [0, 1, 2].map(|a| direction[a].map(|c| c * spacing[a]));
        Self { dims, origin, step }.checked()
    }

    /// An axis-aligned grid with the identity direction.
    pub fn axis_aligned(dims: [usize; 3], origin: Vec3, spacing: [f64; 3]) -> Self {
        Self { dims, origin, step: [[spacing[0], 0.0, 0.0], [0.0, spacing[1], 0.0], [0.0, 0.0, spacing[2]]] }
    }

    /// Returns the grid if its numbers are finite and its axes span space.
    pub fn checked(self) -> Result<Self, GridError> {
        if !self.origin.iter().chain(self.step.iter().flatten()).all(|v| v.is_finite()) {
            return Err(GridError::NotFinite);
        }
        let v = self.voxel_volume_mm3();
        if v > 1e-9 { Ok(self) } else { Err(GridError::Degenerate(v)) }
    }

    /// Number of voxels.
    pub fn len(&self) -> usize {
        self.dims.iter().product()
    }

    /// True when the grid has no voxel.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Array shape `(k, j, i)` of data on this grid.
    pub fn shape(&self) -> (usize, usize, usize) {
        (self.dims[2], self.dims[1], self.dims[0])
    }

    /// Length of one step along each axis, mm.
    pub fn spacing(&self) -> [f64; 3] {
        self.step.map(norm)
    }

    /// Unit vectors along `i`, `j`, `k`.
    pub fn direction(&self) -> [Vec3; 3] {
        self.step.map(|s| {
            let n = norm(s);
            s.map(|c| c / n)
        })
    }

    /// Volume of one voxel, mm³.
    pub fn voxel_volume_mm3(&self) -> f64 {
        dot(cross(self.step[0], self.step[1]), self.step[2]).abs()
    }

    /// Centre of the (possibly fractional) voxel index, mm LPS.
    pub fn world(&self, index: [f64; 3]) -> Vec3 {
        [0, 1, 2].map(|c| {
            self.origin[c] + index[0] * self.step[0][c] + index[1] * self.step[1][c] + index[2] * self.step[2][c]
        })
    }

    /// Fractional index of a point, the inverse of [`Grid::world`].
    pub fn index(&self, point: Vec3) -> [f64; 3] {
        let inv = self.inverse();
        let d = sub(point, self.origin);
        [dot(inv[0], d), dot(inv[1], d), dot(inv[2], d)]
    }

    /// Rows of the matrix that maps a displacement in mm to index units. Use it to hoist [`Grid::index`] out of loops.
    pub fn inverse(&self) -> [Vec3; 3] {
        let [a, b, c] = self.step;
        let det = dot(cross(a, b), c);
        [cross(b, c), cross(c, a), cross(a, b)].map(|v| v.map(|x| x / det))
    }

    /// True when the three axes are at right angles to within `tolerance` (cosine).
    pub fn is_orthogonal(&self, tolerance: f64) -> bool {
        let d = self.direction();
        dot(d[0], d[1]).abs() <= tolerance && dot(d[0], d[2]).abs() <= tolerance && dot(d[1], d[2]).abs() <= tolerance
    }

    /// True when both grids have the same size and every voxel centre agrees within `tolerance_mm`.
    pub fn same_as(&self, other: &Self, tolerance_mm: f64) -> bool {
        self.dims == other.dims
            && corners(self.dims).iter().all(|&c| norm(sub(self.world(c), other.world(c))) <= tolerance_mm)
    }

    /// The part of the grid that starts at voxel `start` and has `dims` voxels.
    pub fn window(&self, start: [usize; 3], dims: [usize; 3]) -> Self {
        Self { dims, origin: self.world(start.map(|v| v as f64)), step: self.step }
    }
}

fn corners(dims: [usize; 3]) -> [[f64; 3]; 8] {
    let m = dims.map(|d| d.saturating_sub(1) as f64);
    std::array::from_fn(|n| [0, 1, 2].map(|a| if n >> a & 1 == 1 { m[a] } else { 0.0 }))
}

/// Scalar product.
pub(crate) fn dot(a: Vec3, b: Vec3) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// Vector product.
pub(crate) fn cross(a: Vec3, b: Vec3) -> Vec3 {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// Difference of two points.
pub(crate) fn sub(a: Vec3, b: Vec3) -> Vec3 {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/// Euclidean length.
pub(crate) fn norm(a: Vec3) -> f64 {
    dot(a, a).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_inverts_world_on_a_sheared_anisotropic_grid() {
        let g = Grid {
            dims: [4, 5, 6],
            origin: [3.5, -170.25, 12.0],
            step: [[0.9, 0.1, 0.0], [-0.2, 1.7, 0.05], [0.0, 0.6, 2.5]],
        };
        let p = g.world([1.25, 3.5, -2.0]);
        let back = g.index(p);
        for (a, b) in back.iter().zip([1.25, 3.5, -2.0]) {
            assert!((a - b).abs() < 1e-12, "{back:?}");
        }
    }

    #[test]
    fn degenerate_axes_are_refused() {
        assert!(
            Grid::new([1, 1, 1], [0.0; 3], [1.0, 1.0, 0.0], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
                .is_err()
        );
    }
}
