//! From planes to voxels: masks by the voxel-centre rule, fractional occupancy, share inside a box.

use crate::grid::dot;
use crate::planar::{Loop, Region, SpanBuffer};
use crate::stack::{Locator, Plane};
use crate::{Grid, Mask, PlaneStack, Vec3, Volume};
use rayon::prelude::*;

/// Scan lines per voxel row for fractional occupancy; along the row coverage is exact.
const SUB_ROWS: usize = 8;
/// Sub-samples per axis of a voxel on grids that are oblique to the planes.
const SUB_SAMPLES: usize = 4;

impl PlaneStack {
    /// The structure as a mask: a voxel belongs to it when its centre is inside. Slice `k` of the grid takes the plane
    /// whose slab holds the voxel centres; ties are half-open, so that neighbouring structures share no voxel.
    ///
    /// Grids whose slices are parallel to the planes are scan-converted row by row; any other grid is tested voxel by
    /// voxel inside the bounding box. Parts outside the grid are cut off, see [`PlaneStack::fraction_inside`].
    pub fn mask(&self, grid: &Grid) -> Mask {
        let mut out = Mask::filled(grid.clone(), 0);
        let Some((start, dims)) = self.window(grid, 0.0) else { return out };
        let slices = start[2]..start[2] + dims[2];
        let nx = grid.dims[0];
        let locator = (!self.is_parallel(grid)).then(|| Locator::new(self));
        out.values_mut().par_chunks_mut(nx * grid.dims[1]).enumerate().for_each(|(k, slice)| {
            if !slices.contains(&k) {
                return;
            }
            let mut buffer = SpanBuffer::default();
            if let Some(locator) = &locator {
                for j in start[1]..start[1] + dims[1] {
                    for i in start[0]..start[0] + dims[0] {
                        let p = self.frame.local(grid.world([i as f64, j as f64, k as f64]));
                        if locator.contains_local([snap(p[0]), snap(p[1]), p[2]], &mut buffer) {
                            slice[j * nx + i] = 1;
                        }
                    }
                }
                return;
            }
            let centre = grid.world([0.5 * grid.dims[0] as f64, 0.5 * grid.dims[1] as f64, k as f64]);
            let Some(plane) = self.plane_at(dot(self.frame.n, centre)) else { return };
            let region = self.index_region(&self.planes[plane], grid, k);
            for j in start[1]..start[1] + dims[1] {
                for &(a, b) in region.spans(j as f64, &mut buffer) {
                    let first = snap(a).ceil().max(0.0) as usize;
                    let end = snap(b).ceil().clamp(0.0, grid.dims[0] as f64) as usize;
                    for i in first..end.max(first) {
                        slice[j * nx + i] = 1;
                    }
                }
            }
        });
        out
    }

    /// The share of every voxel that the structure fills, 0 to 1. On grids parallel to the planes exact along the slice
    /// normal and along rows, with 8 scan lines per voxel across rows; otherwise 4 × 4 × 4 point samples.
    pub fn occupancy(&self, grid: &Grid) -> Volume<f32> {
        let mut out = Volume::filled(grid.clone(), 0.0f32);
        let Some((start, dims)) = self.window(grid, 0.5) else { return out };
        let nx = grid.dims[0];
        let slices = start[2]..start[2] + dims[2];
        let locator = (!self.is_parallel(grid)).then(|| Locator::new(self));
        out.values_mut().par_chunks_mut(nx * grid.dims[1]).enumerate().for_each(|(k, slice)| {
            if !slices.contains(&k) {
                return;
            }
            let mut buffer = SpanBuffer::default();
            if let Some(locator) = &locator {
                let sub = |q: usize| (q as f64 + 0.5) / SUB_SAMPLES as f64 - 0.5;
                for j in start[1]..start[1] + dims[1] {
                    for i in start[0]..start[0] + dims[0] {
                        let mut hits = 0;
                        for n in 0..SUB_SAMPLES.pow(3) {
                            let (a, b, c) =
                                (n % SUB_SAMPLES, n / SUB_SAMPLES % SUB_SAMPLES, n / SUB_SAMPLES / SUB_SAMPLES);
                            let p = grid.world([i as f64 + sub(a), j as f64 + sub(b), k as f64 + sub(c)]);
                            hits += usize::from(locator.contains_local(self.frame.local(p), &mut buffer));
                        }
                        slice[j * nx + i] = hits as f32 / SUB_SAMPLES.pow(3) as f32;
                    }
                }
                return;
            }
            let centre =
                dot(self.frame.n, grid.world([0.5 * grid.dims[0] as f64, 0.5 * grid.dims[1] as f64, k as f64]));
            let half = 0.5 * dot(self.frame.n, grid.step[2]).abs();
            let mut row = vec![0.0f64; grid.dims[0] + 1];
            for plane in &self.planes {
                let overlap = (plane.hi.min(centre + half) - plane.lo.max(centre - half)) / (2.0 * half);
                if overlap <= 0.0 {
                    continue;
                }
                let region = self.index_region(plane, grid, k);
                for j in start[1]..start[1] + dims[1] {
                    row.fill(0.0);
                    for q in 0..SUB_ROWS {
                        let v = j as f64 + (q as f64 + 0.5) / SUB_ROWS as f64 - 0.5;
                        for &(a, b) in region.spans(v, &mut buffer) {
                            cover(&mut row, a + 0.5, b + 0.5);
                        }
                    }
                    for i in start[0]..start[0] + dims[0] {
                        slice[j * nx + i] += (row[i] * overlap / SUB_ROWS as f64) as f32;
                    }
                }
            }
            for v in slice.iter_mut() {
                *v = v.min(1.0);
            }
        });
        out
    }

    /// The part of the structure's volume inside the box of the grid (voxel edges included), 0 to 1. Exactly 1 or 0
    /// when the bounding box lies inside or outside; otherwise sampled with 64 lines per extent.
    pub fn fraction_inside(&self, grid: &Grid) -> f64 {
        let inverse = grid.inverse();
        let index = |p: Vec3| -> [f64; 3] {
            let d = crate::grid::sub(p, grid.origin);
            inverse.map(|r| dot(r, d))
        };
        let within = |q: [f64; 3]| (0..3).all(|a| q[a] >= -0.5 - 1e-9 && q[a] <= grid.dims[a] as f64 - 0.5 + 1e-9);
        let corners = self.local_corners().map(|c| index(self.frame.world(c)));
        if corners.iter().all(|c| within(*c)) {
            return 1.0;
        }
        if (0..3)
            .any(|a| corners.iter().all(|c| c[a] < -0.5) || corners.iter().all(|c| c[a] > grid.dims[a] as f64 - 0.5))
        {
            return 0.0;
        }
        let bounds = self.local_bounds();
        let pitch = (bounds[1][0] - bounds[0][0]).max(bounds[1][1] - bounds[0][1]) / 64.0;
        let parts: Vec<(f64, f64)> = self
            .planes
            .par_iter()
            .enumerate()
            .map(|(k, plane)| {
                let (mut inside, mut all) = (0.0, 0.0);
                let region = Region::new(&plane.loops, self.rule);
                crate::dvh::sample_plane(k, plane, &region, pitch, 4, |p, w| {
                    all += w;
                    if within(index(self.frame.world(p))) {
                        inside += w;
                    }
                });
                let volume = plane.area_mm2(self.rule) * plane.thickness();
                if all > 0.0 { (inside / all * volume, volume) } else { (0.0, 0.0) }
            })
            .collect();
        let (inside, all) = parts.iter().fold((0.0, 0.0), |s, p| (s.0 + p.0, s.1 + p.1));
        if all > 0.0 { inside / all } else { 0.0 }
    }

    /// The eight corners of the bounds in the frame of the stack.
    pub(crate) fn local_corners(&self) -> [Vec3; 8] {
        let b = self.local_bounds();
        std::array::from_fn(|n| [0, 1, 2].map(|a| b[n >> a & 1][a]))
    }

    // Slices of the grid drift along the normal by less than rounding matters.
    fn is_parallel(&self, grid: &Grid) -> bool {
        let drift = (0..2).map(|a| (dot(self.frame.n, grid.step[a]) * grid.dims[a] as f64).abs()).sum::<f64>();
        let thinnest = self.planes.iter().map(Plane::thickness).fold(f64::INFINITY, f64::min);
        drift <= (0.02 * thinnest).min(0.05)
    }

    /// First voxel and size of the part of a grid whose voxel centres (plus a margin in voxels) can lie inside the bounds.
    pub(crate) fn window(&self, grid: &Grid, margin: f64) -> Option<([usize; 3], [usize; 3])> {
        let mut lo = [f64::INFINITY; 3];
        let mut hi = [f64::NEG_INFINITY; 3];
        for c in self.local_corners() {
            let q = grid.index(self.frame.world(c));
            for a in 0..3 {
                lo[a] = lo[a].min(q[a]);
                hi[a] = hi[a].max(q[a]);
            }
        }
        let (mut start, mut dims) = ([0; 3], [0; 3]);
        for a in 0..3 {
            let first = (lo[a] - margin - 1e-3).ceil().max(0.0);
            let last = (hi[a] + margin + 1e-3).floor().min(grid.dims[a] as f64 - 1.0);
            if first > last || first.is_nan() || last.is_nan() {
                return None;
            }
            start[a] = first as usize;
            dims[a] = (last - first) as usize + 1;
        }
        Some((start, dims))
    }

    // The loops of a plane in fractional (i, j) of slice k.
    fn index_region(&self, plane: &Plane, grid: &Grid, k: usize) -> Region {
        let (u, v) = (self.frame.u, self.frame.v);
        let (a, b) = ([dot(u, grid.step[0]), dot(v, grid.step[0])], [dot(u, grid.step[1]), dot(v, grid.step[1])]);
        let o = grid.world([0.0, 0.0, k as f64]);
        let o = [dot(u, o), dot(v, o)];
        let det = a[0] * b[1] - a[1] * b[0];
        let loops: Vec<Loop> = plane
            .loops
            .iter()
            .map(|l| {
                l.iter()
                    .map(|p| {
                        let d = [p[0] - o[0], p[1] - o[1]];
                        [snap((d[0] * b[1] - d[1] * b[0]) / det), snap((a[0] * d[1] - a[1] * d[0]) / det)]
                    })
                    .collect()
            })
            .collect();
        Region::new(&loops, self.rule)
    }
}

// Contours often run exactly through voxel centres or edges; rounding of the change of frame must not decide.
fn snap(x: f64) -> f64 {
    const LATTICE: f64 = 1e8;
    (x * LATTICE).round() / LATTICE
}

// Adds the covered length of each unit cell of [a, b).
fn cover(row: &mut [f64], a: f64, b: f64) {
    let end = (row.len() - 1) as f64;
    let (a, b) = (a.clamp(0.0, end), b.clamp(0.0, end));
    if a >= b {
        return;
    }
    let (first, last) = (a as usize, b as usize);
    if first == last {
        row[first] += b - a;
        return;
    }
    row[first] += (first + 1) as f64 - a;
    for cell in &mut row[first + 1..last] {
        *cell += 1.0;
    }
    row[last] += b - last as f64;
}

#[cfg(test)]
mod tests;
