//! The part of a grid that holds a slab of the patient.

use rtpipeline_geometry::Grid;

/// A box of voxels: first voxel and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First voxel.
    pub start: [usize; 3],
    /// Voxels along i, j, k.
    pub dims: [usize; 3],
}

impl Window {
    /// Copies a row-major `(k, j, i)` array of a grid of size `dims`.
    pub fn cut<T: Copy>(&self, values: &[T], dims: [usize; 3]) -> Vec<T> {
        let mut out = Vec::with_capacity(self.dims.iter().product());
        for k in self.start[2]..self.start[2] + self.dims[2] {
            for j in self.start[1]..self.start[1] + self.dims[1] {
                let row = (k * dims[1] + j) * dims[0] + self.start[0];
                out.extend_from_slice(&values[row..row + self.dims[0]]);
            }
        }
        out
    }
}

/// The box of voxels around the part of the image with patient z between `low` and `high` (mm; `None` = end of the
/// image), whatever the direction of the axes: it holds every voxel centre there, and on oblique grids at most one more
/// row, column or slice on a side. `None` when no part of the image lies there.
pub fn slab_window(grid: &Grid, low: Option<f64>, high: Option<f64>) -> Option<Window> {
    if grid.is_empty() {
        return None;
    }
    let low = low.unwrap_or(f64::NEG_INFINITY);
    let high = high.unwrap_or(f64::INFINITY);
    let last = grid.dims.map(|d| d as f64 - 1.0);
    // The lattice of centres is a parallelepiped; its part in the slab is spanned by the corners inside and by the
    // points where edges cross the two planes.
    let mut points: Vec<[f64; 3]> = Vec::new();
    let corner = |n: usize| [0, 1, 2].map(|a| if n >> a & 1 == 1 { last[a] } else { 0.0 });
    let z_of = |p: [f64; 3]| grid.world(p)[2];
    const TOLERANCE_MM: f64 = 1e-6;
    for n in 0..8 {
        let p = corner(n);
        let z = z_of(p);
        if z >= low - TOLERANCE_MM && z <= high + TOLERANCE_MM {
            points.push(p);
        }
        for a in 0..3 {
            if n >> a & 1 == 1 || last[a] == 0.0 {
                continue;
            }
            let q = corner(n | 1 << a);
            let zq = z_of(q);
            for plane in [low, high] {
                if plane.is_finite() && (z < plane) != (zq < plane) {
                    let t = (plane - z) / (zq - z);
                    let mut x = p;
                    x[a] = t * last[a];
                    points.push(x);
                }
            }
        }
    }
    if points.is_empty() {
        return None;
    }
    let mut start = [0; 3];
    let mut dims = [0; 3];
    for a in 0..3 {
        let lo = points.iter().map(|p| p[a]).fold(f64::INFINITY, f64::min);
        let hi = points.iter().map(|p| p[a]).fold(f64::NEG_INFINITY, f64::max);
        // Millimetres of tolerance are fractions of an index far below the rounding of positions in files.
        let lo = (lo - 1e-4).ceil().max(0.0) as usize;
        let hi = (hi + 1e-4).floor().min(last[a]);
        if hi < lo as f64 {
            return None;
        }
        start[a] = lo;
        dims[a] = hi as usize - lo + 1;
    }
    Some(Window { start, dims })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By looking at every voxel.
    fn brute(grid: &Grid, low: f64, high: f64) -> Option<Window> {
        let mut b: Option<[[usize; 2]; 3]> = None;
        for k in 0..grid.dims[2] {
            for j in 0..grid.dims[1] {
                for i in 0..grid.dims[0] {
                    let z = grid.world([i as f64, j as f64, k as f64])[2];
                    if z >= low && z <= high {
                        let e = b.get_or_insert([[i, i], [j, j], [k, k]]);
                        for (a, v) in [i, j, k].into_iter().enumerate() {
                            e[a] = [e[a][0].min(v), e[a][1].max(v)];
                        }
                    }
                }
            }
        }
        b.map(|b| Window { start: b.map(|r| r[0]), dims: b.map(|r| r[1] - r[0] + 1) })
    }

    #[test]
    fn axial_stacks_ascending_or_descending_and_other_planes() {
        let mut grids = vec![Grid::axis_aligned([7, 9, 30], [1.0, 2.0, -40.0], [2.0, 2.0, 3.0])];
        let mut down = grids[0].clone();
        down.origin[2] = 47.0;
        down.step[2] = [0.0, 0.0, -3.0];
        grids.push(down);
        // Coronal: rows run downwards along the patient.
        grids.push(Grid {
            dims: [8, 40, 5],
            origin: [0.0, 0.0, 50.0],
            step: [[2.0, 0.0, 0.0], [0.0, 0.0, -2.5], [0.0, 4.0, 0.0]],
        });
        // Flipped in x and y.
        grids.push(Grid {
            dims: [8, 6, 30],
            origin: [9.0, 8.0, -30.0],
            step: [[-1.0, 0.0, 0.0], [0.0, -1.5, 0.0], [0.0, 0.0, 2.0]],
        });
        for g in &grids {
            for (low, high) in [(-20.0, 13.0), (-1000.0, 5.5), (10.0, 1000.0), (3.1, 3.9), (500.0, 600.0)] {
                let w = slab_window(g, Some(low), Some(high));
                assert_eq!(w, brute(g, low, high), "{g:?} {low} {high}");
            }
            assert_eq!(slab_window(g, None, None).unwrap().dims, g.dims);
        }
    }

    #[test]
    fn oblique_stacks_keep_every_voxel_of_the_slab() {
        let (s, c) = 20f64.to_radians().sin_cos();
        let (s2, c2) = 11f64.to_radians().sin_cos();
        let g = Grid {
            dims: [24, 20, 30],
            origin: [-20.0, -30.0, -40.0],
            step: [
                [1.5 * c2, 1.5 * s2 * s, -1.5 * s2 * c],
                [0.0, 1.5 * c, 1.5 * s],
                [3.0 * s2, -3.0 * s * c2, 3.0 * c * c2],
            ],
        };
        for (low, high) in [(-10.0, 12.0), (-60.0, -30.0), (20.0, 21.0)] {
            let w = slab_window(&g, Some(low), Some(high)).unwrap();
            let b = brute(&g, low, high).unwrap();
            for a in 0..3 {
                assert!(w.start[a] <= b.start[a] && w.start[a] + w.dims[a] >= b.start[a] + b.dims[a], "{w:?} {b:?}");
                // The smallest box of the continuous slab exceeds that of its centres by less than one voxel a side.
                assert!(b.start[a] - w.start[a] <= 1 && w.dims[a] <= b.dims[a] + 2, "{w:?} {b:?}");
            }
        }
    }
}
