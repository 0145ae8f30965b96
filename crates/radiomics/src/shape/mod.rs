//! Shape features in three dimensions and, for a single slice, in two.

mod diameters;
mod mesh;
pub(crate) mod planar;
mod table;

use crate::{numeric::eigenvalues_3x3, roi::Roi};
use std::f64::consts::PI;

/// The 14 features of the default set and, last, three deprecated ones, in the catalogue's order.
pub(crate) const COUNT: usize = 17;

/// Features of a region's mesh and voxels.
pub(crate) fn features(roi: &Roi) -> [f64; COUNT] {
    let mesh = mesh::measure(roi);
    let (v, a) = (mesh.volume, mesh.area);
    let d = diameters::measure(&mesh.points, roi.spacing);
    let [l0, l1, l2] = axes(roi);
    let [sx, sy, sz] = roi.spacing;
    let sphere = (36.0 * PI * v * v).cbrt();
    [
        (l1 / l2).sqrt(),
        (l0 / l2).sqrt(),
        l0.sqrt() * 4.0,
        l2.sqrt() * 4.0,
        d.column,
        d.row,
        d.slice,
        d.whole,
        v,
        l1.sqrt() * 4.0,
        sphere / a,
        a,
        a / v,
        roi.len() as f64 * (sx * sy * sz),
        v / (a.powf(1.5) * PI.sqrt()),
        36.0 * PI * v * v / (a * a * a),
        a / sphere,
    ]
}

/// Eigenvalues (ascending, mm²) of the covariance of the voxel centres. Sums of indices are whole numbers, so the
/// covariance of flat regions is exactly singular.
fn axes(roi: &Roi) -> [f64; 3] {
    let [nx, ny, _] = roi.dims;
    let (mut s, mut ss) = ([0_i128; 3], [[0_i128; 3]; 3]);
    // Sums along a row first, in 64 bits.
    for (row, line) in roi.mask.chunks_exact(nx.max(1)).enumerate() {
        let (mut n, mut x1, mut x2) = (0_i64, 0_i64, 0_i64);
        for (x, _) in line.iter().enumerate().filter(|(_, v)| **v != 0) {
            let x = x as i64;
            n += 1;
            x1 += x;
            x2 += x * x;
        }
        let (n, x1, x2) = (i128::from(n), i128::from(x1), i128::from(x2));
        let (y, z) = ((row % ny) as i128, (row / ny) as i128);
        for (a, v) in [x1, n * y, n * z].into_iter().enumerate() {
            s[a] += v;
        }
        ss[0][0] += x2;
        ss[0][1] += x1 * y;
        ss[0][2] += x1 * z;
        ss[1][1] += n * y * y;
        ss[1][2] += n * y * z;
        ss[2][2] += n * z * z;
    }
    let n = roi.len() as i128;
    let mut c = [[0.0; 3]; 3];
    for a in 0..3 {
        for b in a..3 {
            let exact = n * ss[a][b] - s[a] * s[b];
            c[a][b] = exact as f64 / (n as f64 * n as f64) * roi.spacing[a] * roi.spacing[b];
            c[b][a] = c[a][b];
        }
    }
    eigenvalues_3x3(c).map(|l| if l < 0.0 && l > -1e-10 { 0.0 } else { l })
}
