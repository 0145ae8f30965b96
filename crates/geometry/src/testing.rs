//! Shapes for tests.

use crate::planar::Point2;
use crate::{Contour, DoseGrid, Grid, Vec3};
use ndarray::Array3;

/// A regular polygon with `n` points around the origin.
pub(crate) fn circle(r: f64, n: usize) -> Vec<Point2> {
    (0..n)
        .map(|k| {
            let a = std::f64::consts::TAU * k as f64 / n as f64;
            [r * a.cos(), r * a.sin()]
        })
        .collect()
}

/// A square from its lower corner.
pub(crate) fn square(x: f64, y: f64, s: f64) -> Vec<Point2> {
    vec![[x, y], [x + s, y], [x + s, y + s], [x, y + s]]
}

/// `n` positions from `z0` with distance `dz`.
pub(crate) fn planes(z0: f64, dz: f64, n: usize) -> Vec<f64> {
    (0..n).map(|k| z0 + k as f64 * dz).collect()
}

/// The same axial loop at several positions.
pub(crate) fn prism(points: &[Point2], z: &[f64]) -> Vec<Contour> {
    z.iter().map(|&z| Contour::closed(points.iter().map(|p| [p[0], p[1], z]).collect())).collect()
}

/// Circles that cut a sphere at the origin half a spacing inside its poles.
pub(crate) fn sphere(r: f64, dz: f64, n: usize) -> Vec<Contour> {
    let count = (2.0 * r / dz).round() as usize;
    planes(-r + 0.5 * dz, dz, count).into_iter().flat_map(|z| prism(&circle((r * r - z * z).sqrt(), n), &[z])).collect()
}

/// A dose on a regular grid from a formula.
pub(crate) fn dose(grid: &Grid, f: impl Fn(Vec3) -> f64) -> DoseGrid {
    let [nx, ny, nz] = grid.dims;
    let values = Array3::from_shape_fn((nz, ny, nx), |(k, j, i)| f(grid.world([i as f64, j as f64, k as f64])) as f32);
    DoseGrid::from_grid(grid, values).expect("a usable grid")
}
