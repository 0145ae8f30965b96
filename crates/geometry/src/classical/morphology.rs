//! Morphology by exact distances inside bounding boxes.

use crate::components::Components;
pub(super) use crate::components::label_components as components;
use crate::edt::squared_distance;

/// Bounds of a mask by axis: first and last index.
pub(super) type Bounds = [[usize; 2]; 3];

/// A box of voxels cut out of a larger array; it may stick out of it.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// Index of its first voxel in the larger array.
    pub(super) start: [isize; 3],
    /// Its size.
    pub(super) dims: [usize; 3],
    /// Spacing of the voxels, mm.
    pub(super) spacing: [f64; 3],
}

impl Block {
    /// The bounds with a margin in mm, cut at the larger array; beyond it the block may reach by `beyond_mm`.
    pub(super) fn around(
        bounds: Bounds,
        margin_mm: [f64; 3],
        dims: [usize; 3],
        spacing: [f64; 3],
        beyond_mm: f64,
    ) -> Self {
        let mut start = [0; 3];
        let mut size = [0; 3];
        for a in 0..3 {
            let margin = (margin_mm[a].max(beyond_mm) / spacing[a]).ceil() as isize + 1;
            let reach = if beyond_mm > 0.0 { (beyond_mm / spacing[a]).ceil() as isize + 1 } else { 0 };
            let lo = (bounds[a][0] as isize - margin).max(-reach);
            let hi = (bounds[a][1] as isize + margin).min(dims[a] as isize - 1 + reach);
            start[a] = lo;
            size[a] = (hi - lo + 1) as usize;
        }
        Self { start, dims: size, spacing }
    }

    /// Linear index in the block.
    pub(super) fn at(&self, p: [usize; 3]) -> usize {
        (p[2] * self.dims[1] + p[1]) * self.dims[0] + p[0]
    }

    /// Position in the block of a linear index.
    pub(super) fn position(&self, n: usize) -> [usize; 3] {
        let (a, b) = (self.dims[0], self.dims[1]);
        [n % a, n / a % b, n / (a * b)]
    }

    /// Values of the larger array, `fill` where the block sticks out.
    pub(super) fn cut<T: Copy>(&self, from: &[T], dims: [usize; 3], fill: T) -> Vec<T> {
        let mut out = vec![fill; self.dims.iter().product()];
        self.rows(dims, |local, global, n| out[local..local + n].copy_from_slice(&from[global..global + n]));
        out
    }

    /// Sets the voxels of the larger array where the block's mask is set.
    pub(super) fn paste(&self, mask: &[u8], to: &mut [u8], dims: [usize; 3]) {
        self.rows(dims, |local, global, n| {
            for (t, &m) in to[global..global + n].iter_mut().zip(&mask[local..local + n]) {
                *t |= m;
            }
        });
    }

    /// Calls `f(local start, global start, length)` for every row that lies in the larger array.
    fn rows(&self, dims: [usize; 3], mut f: impl FnMut(usize, usize, usize)) {
        let range = |a: usize| {
            let lo = (-self.start[a]).max(0) as usize;
            let hi = (dims[a] as isize - self.start[a]).clamp(0, self.dims[a] as isize) as usize;
            lo..hi.max(lo)
        };
        let (ri, rj, rk) = (range(0), range(1), range(2));
        if ri.is_empty() {
            return;
        }
        for k in rk {
            for j in rj.clone() {
                let local = self.at([ri.start, j, k]);
                let g = [ri.start, j, k];
                let g = [0, 1, 2].map(|a| (g[a] as isize + self.start[a]) as usize);
                f(local, (g[2] * dims[1] + g[1]) * dims[0] + g[0], ri.len());
            }
        }
    }
}

/// Bounds of the set voxels.
pub(super) fn bounding_box(mask: &[u8], dims: [usize; 3]) -> Option<Bounds> {
    let mut b = [[usize::MAX, 0]; 3];
    let mut any = false;
    for (row, line) in mask.chunks_exact(dims[0]).enumerate() {
        let Some(first) = line.iter().position(|&v| v != 0) else { continue };
        let last = line.iter().rposition(|&v| v != 0).unwrap_or(first);
        any = true;
        for (a, lo, hi) in [(0, first, last), (1, row % dims[1], row % dims[1]), (2, row / dims[1], row / dims[1])] {
            b[a][0] = b[a][0].min(lo);
            b[a][1] = b[a][1].max(hi);
        }
    }
    any.then_some(b)
}

/// Voxels whose centre is at most `mm` from the centre of a set voxel.
pub(super) fn dilate(mask: &[u8], dims: [usize; 3], spacing: [f64; 3], mm: f64) -> Vec<u8> {
    let limit = square_limit(mm);
    squared_distance(mask, dims, spacing).iter().map(|&d| u8::from(d <= limit)).collect()
}

/// Set voxels whose centre is more than `mm` from every voxel that is not set; beyond the array everything counts as
/// set.
pub(super) fn erode(mask: &[u8], dims: [usize; 3], spacing: [f64; 3], mm: f64) -> Vec<u8> {
    let limit = square_limit(mm);
    let outside: Vec<u8> = mask.iter().map(|&v| u8::from(v == 0)).collect();
    squared_distance(&outside, dims, spacing).iter().map(|&d| u8::from(d > limit)).collect()
}

/// Dilation followed by erosion. The block must reach `mm` beyond the set voxels.
pub(super) fn close(mask: &[u8], dims: [usize; 3], spacing: [f64; 3], mm: f64) -> Vec<u8> {
    erode(&dilate(mask, dims, spacing, mm), dims, spacing, mm)
}

fn square_limit(mm: f64) -> f32 {
    (mm * mm * (1.0 + 1e-6)) as f32
}

/// Mask of one connected part.
pub(super) fn part(parts: &Components, label: u32) -> Vec<u8> {
    parts.labels.iter().map(|&l| u8::from(l == label)).collect()
}

/// Mask of the largest connected part, `None` for an empty mask.
pub(super) fn largest_part(mask: &[u8], dims: [usize; 3]) -> Option<Vec<u8>> {
    let parts = components(mask, dims);
    parts.largest().map(|l| part(&parts, l))
}

/// Fills what the mask encloses in each plane across `axis` (4-neighbourhood of the background). Sides that are
/// `closed` (low, high of each axis) count as mask.
pub(super) fn fill_holes(mask: &mut [u8], dims: [usize; 3], axis: usize, closed: [[bool; 2]; 3]) {
    let strides = [1, dims[0], dims[0] * dims[1]];
    let (u, v) = match axis {
        0 => (1, 2),
        1 => (0, 2),
        _ => (0, 1),
    };
    let (nu, nv) = (dims[u], dims[v]);
    let mut outside = vec![false; nu * nv];
    let mut stack = Vec::new();
    for k in 0..dims[axis] {
        let base = k * strides[axis];
        let at = |p: usize, q: usize| base + p * strides[u] + q * strides[v];
        if (0..nv).all(|q| (0..nu).all(|p| mask[at(p, q)] == 0)) {
            continue;
        }
        outside.fill(false);
        let seed = |p: usize, q: usize, outside: &mut Vec<bool>, stack: &mut Vec<(usize, usize)>| {
            if mask[at(p, q)] == 0 && !outside[q * nu + p] {
                outside[q * nu + p] = true;
                stack.push((p, q));
            }
        };
        for q in 0..nv {
            for (side, p) in [(0, 0), (1, nu - 1)] {
                if !closed[u][side] {
                    seed(p, q, &mut outside, &mut stack);
                }
            }
        }
        for p in 0..nu {
            for (side, q) in [(0, 0), (1, nv - 1)] {
                if !closed[v][side] {
                    seed(p, q, &mut outside, &mut stack);
                }
            }
        }
        while let Some((p, q)) = stack.pop() {
            if p > 0 {
                seed(p - 1, q, &mut outside, &mut stack);
            }
            if p + 1 < nu {
                seed(p + 1, q, &mut outside, &mut stack);
            }
            if q > 0 {
                seed(p, q - 1, &mut outside, &mut stack);
            }
            if q + 1 < nv {
                seed(p, q + 1, &mut outside, &mut stack);
            }
        }
        for q in 0..nv {
            for p in 0..nu {
                if !outside[q * nu + p] {
                    mask[at(p, q)] = 1;
                }
            }
        }
    }
}
