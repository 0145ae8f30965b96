//! Volumes on other grids.

use crate::grid::{dot, sub};
use crate::{Grid, Volume};
use rayon::prelude::*;

mod bspline;

pub use bspline::BsplineVolume;

/// Grids this close count as the same, mm.
const SAME_MM: f64 = 1e-6;

/// A window does not lie inside a volume.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a window of {dims:?} voxels from {start:?} does not lie inside a volume of {whole:?} voxels")]
pub struct OutsideVolume {
    /// First voxel of the window.
    pub start: [usize; 3],
    /// Size of the window.
    pub dims: [usize; 3],
    /// Size of the volume.
    pub whole: [usize; 3],
}

/// The part of a volume that starts at voxel `start` and has `dims` voxels.
///
/// # Errors
/// When the window does not lie inside.
pub fn crop<T: Clone>(volume: &Volume<T>, start: [usize; 3], dims: [usize; 3]) -> Result<Volume<T>, OutsideVolume> {
    let whole = volume.grid.dims;
    if (0..3).any(|a| start[a].checked_add(dims[a]).is_none_or(|end| end > whole[a])) {
        return Err(OutsideVolume { start, dims, whole });
    }
    let mut values = Vec::with_capacity(dims.iter().product());
    for k in start[2]..start[2] + dims[2] {
        for j in start[1]..start[1] + dims[1] {
            let at = (k * whole[1] + j) * whole[0] + start[0];
            values.extend_from_slice(&volume.values()[at..at + dims[0]]);
        }
    }
    Ok(Volume::from_vec(volume.grid.window(start, dims), values))
}

/// Values at the centres of `grid` from the nearest voxel; `fill` outside the voxels of the volume. For labels and masks.
/// Centres half-way between two voxels take the one with the larger index.
pub fn nearest<T: Copy + Send + Sync>(volume: &Volume<T>, grid: &Grid, fill: T) -> Volume<T> {
    if volume.grid.same_as(grid, SAME_MM) {
        return Volume { grid: grid.clone(), data: volume.data.clone() };
    }
    let [nx, ny, _] = volume.grid.dims;
    let values = volume.values();
    each_voxel(&volume.grid, grid, fill, |q| {
        let n = q.map(|x| (x + 0.5 + 1e-9).floor() as usize);
        let m: [usize; 3] = std::array::from_fn(|a| n[a].min(volume.grid.dims[a] - 1));
        values[(m[2] * ny + m[1]) * nx + m[0]]
    })
}

/// Values at the centres of `grid` by trilinear interpolation; in the outer half of border voxels the border value,
/// beyond them `fill`.
pub fn linear(volume: &Volume<f32>, grid: &Grid, fill: f32) -> Volume<f32> {
    if volume.grid.same_as(grid, SAME_MM) {
        return Volume { grid: grid.clone(), data: volume.data.clone() };
    }
    let dims = volume.grid.dims;
    let values = volume.values();
    each_voxel(&volume.grid, grid, fill, |q| {
        let mut low = [0usize; 3];
        let mut f = [0.0f64; 3];
        for a in 0..3 {
            let x = q[a].clamp(0.0, (dims[a] - 1) as f64);
            low[a] = (x as usize).min(dims[a].saturating_sub(2));
            f[a] = x - low[a] as f64;
        }
        let step = [
            usize::from(dims[0] > 1),
            if dims[1] > 1 { dims[0] } else { 0 },
            if dims[2] > 1 { dims[0] * dims[1] } else { 0 },
        ];
        let at = (low[2] * dims[1] + low[1]) * dims[0] + low[0];
        let line = |n: usize| {
            let (a, b) = (f64::from(values[n]), f64::from(values[n + step[0]]));
            a + f[0] * (b - a)
        };
        let plane = |n: usize| {
            let (a, b) = (line(n), line(n + step[1]));
            a + f[1] * (b - a)
        };
        let (a, b) = (plane(at), plane(at + step[2]));
        (a + f[2] * (b - a)) as f32
    })
}

/// Values at the centres of `grid` by interpolating cubic B-splines (mirror boundary); in the outer half of border
/// voxels the spline's mirror continuation, beyond them `fill`.
pub fn cubic(volume: &Volume<f32>, grid: &Grid, fill: f32) -> Volume<f32> {
    if volume.grid.same_as(grid, SAME_MM) {
        return Volume { grid: grid.clone(), data: volume.data.clone() };
    }
    let spline = BsplineVolume::new(volume);
    each_voxel(&volume.grid, grid, fill, |q| spline.at(q) as f32)
}

// Calls `value` with the fractional source index of every voxel centre that lies in the voxels of the source.
fn each_voxel<T: Copy + Send + Sync>(
    source: &Grid,
    grid: &Grid,
    fill: T,
    value: impl Fn([f64; 3]) -> T + Sync,
) -> Volume<T> {
    let mut out = Volume::filled(grid.clone(), fill);
    if source.is_empty() || grid.is_empty() {
        return out;
    }
    let inverse = source.inverse();
    let step = grid.step.map(|s| inverse.map(|r| dot(r, s)));
    let origin = inverse.map(|r| dot(r, sub(grid.origin, source.origin)));
    let [nx, ny, _] = grid.dims;
    let last = source.dims.map(|d| d as f64 - 0.5);
    out.values_mut().par_chunks_mut(nx).enumerate().for_each(|(row, line)| {
        let (j, k) = ((row % ny) as f64, (row / ny) as f64);
        for (i, v) in line.iter_mut().enumerate() {
            let q: [f64; 3] =
                std::array::from_fn(|a| origin[a] + i as f64 * step[0][a] + j * step[1][a] + k * step[2][a]);
            if (0..3).all(|a| q[a] >= -0.5 - 1e-9 && q[a] <= last[a] + 1e-9) {
                *v = value(q);
            }
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(grid: &Grid, f: impl Fn([f64; 3]) -> f64) -> Volume<f32> {
        let mut v = Volume::filled(grid.clone(), 0.0f32);
        let [nx, ny, _] = grid.dims;
        for (n, x) in v.values_mut().iter_mut().enumerate() {
            *x = f(grid.world([(n % nx) as f64, (n / nx % ny) as f64, (n / nx / ny) as f64])) as f32;
        }
        v
    }

    fn oblique() -> Grid {
        let (s, c) = 0.35f64.sin_cos();
        Grid::new([13, 9, 7], [2.0, 3.0, 6.0], [0.7, 0.9, 1.3], [[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]]).unwrap()
    }

    #[test]
    fn linear_and_cubic_reproduce_a_plane() {
        let plane = |p: [f64; 3]| 3.0 * p[0] - 2.0 * p[1] + 0.5 * p[2] + 7.0;
        let source = field(&Grid::axis_aligned([30, 30, 15], [-8.0, -8.0, 0.0], [1.0, 1.0, 2.0]), plane);
        let truth = field(&oblique(), plane);
        for (got, tolerance) in [(linear(&source, &oblique(), -1.0), 1e-4), (cubic(&source, &oblique(), -1.0), 2e-2)] {
            // Mirrored borders bend the spline; eight voxels inwards the effect is below 1e-4 of the slope.
            for (a, b) in got.values().iter().zip(truth.values()) {
                assert!((a - b).abs() < tolerance, "{a} {b}");
            }
        }
    }

    #[test]
    fn cubic_follows_a_curve_better_than_linear() {
        let wave = |p: [f64; 3]| (0.5 * p[0]).sin() + (0.4 * p[1]).cos();
        let source = field(&Grid::axis_aligned([40, 40, 12], [-12.0, -12.0, -2.0], [1.0, 1.0, 2.0]), wave);
        let truth = field(&oblique(), wave);
        let worst =
            |v: Volume<f32>| v.values().iter().zip(truth.values()).map(|(a, b)| (a - b).abs()).fold(0.0f32, f32::max);
        let (lin, cub) = (worst(linear(&source, &oblique(), 0.0)), worst(cubic(&source, &oblique(), 0.0)));
        // h²/8·f″ = 0.03 + 0.02 for linear, about h⁴·f⁗/500 for cubic interpolation.
        assert!(lin > 0.02 && lin < 0.06 && cub < 1e-3, "{lin} {cub}");
    }

    #[test]
    fn spline_passes_through_the_voxels_and_equal_grids_are_copied() {
        let source = field(&oblique(), |p| (p[0] * 1.7).sin() * p[1]);
        let spline = BsplineVolume::new(&source);
        for n in [0, 5, 12, 100, 13 * 9 * 7 - 1] {
            let q = [(n % 13) as f64, (n / 13 % 9) as f64, (n / 117) as f64];
            assert!((spline.at(q) - f64::from(source.values()[n])).abs() < 1e-4);
        }
        assert_eq!(cubic(&source, &oblique(), 0.0), source);
        assert_eq!(linear(&source, &oblique(), 0.0), source);
    }

    #[test]
    fn outside_is_filled_and_labels_stay_labels() {
        let labels = Volume::from_vec(Grid::axis_aligned([2, 2, 1], [0.0; 3], [2.0; 3]), vec![1u32, 2, 3, 4]);
        let fine = Grid::axis_aligned([5, 4, 1], [-0.5, -0.5, 0.0], [1.0, 1.0, 2.0]);
        let got = nearest(&labels, &fine, 9);
        assert_eq!(got.values(), &[1, 1, 2, 2, 9, 1, 1, 2, 2, 9, 3, 3, 4, 4, 9, 3, 3, 4, 4, 9]);
    }

    #[test]
    fn crop_keeps_positions() {
        let v = field(&oblique(), |p| p[0] + 10.0 * p[1] + 100.0 * p[2]);
        let c = crop(&v, [2, 3, 1], [4, 2, 5]).unwrap();
        let (a, b) = (c.grid.world([1.0, 1.0, 4.0]), v.grid.world([3.0, 4.0, 5.0]));
        assert!((0..3).all(|n| (a[n] - b[n]).abs() < 1e-12));
        assert_eq!(c.data[[4, 1, 1]], v.data[[5, 4, 3]]);
        assert!(crop(&v, [10, 0, 0], [4, 1, 1]).is_err());
        assert!(crop(&v, [usize::MAX, 0, 0], [4, 1, 1]).is_err());
    }
}
