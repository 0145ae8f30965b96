//! Shape of a region of one slice.

use crate::roi::Roi;
use std::f64::consts::PI;

/// The nine features of the default set and, last, the deprecated spherical disproportion.
pub(crate) const COUNT: usize = 10;

/// Lines of the marching squares: pairs of edges by index.
const LINES: [&[(usize, usize)]; 16] = [
    &[],
    &[(3, 0)],
    &[(0, 1)],
    &[(3, 1)],
    &[(1, 2)],
    &[(1, 2), (3, 0)],
    &[(0, 2)],
    &[(3, 2)],
    &[(2, 3)],
    &[(2, 0)],
    &[(0, 1), (2, 3)],
    &[(2, 1)],
    &[(1, 3)],
    &[(1, 0)],
    &[(0, 3)],
    &[],
];
/// Mid-points of the edges.
const MIDDLE: [[f64; 2]; 4] = [[0.0, 0.5], [0.5, 1.0], [1.0, 0.5], [0.5, 0.0]];

/// Features, or nothing when the region has more than one slice along `axis` (0 = z, 1 = y, 2 = x).
pub(crate) fn features(roi: &Roi, axis: u8) -> Option<[f64; COUNT]> {
    let gone = 2 - usize::from(axis.min(2));
    if roi.dims[gone] != 1 {
        return None;
    }
    // Rows and columns in numpy order: the slower axis first.
    let kept: Vec<usize> = [2, 1, 0].into_iter().filter(|&a| a != gone).collect();
    let (rows, columns) = (roi.dims[kept[0]], roi.dims[kept[1]]);
    let unit = [roi.spacing[kept[0]], roi.spacing[kept[1]]];
    // Without the axis of length 1, the order of the voxels is the same.
    let inside = |r: usize, c: usize| {
        (1..=rows).contains(&r) && (1..=columns).contains(&c) && roi.mask[(r - 1) * columns + c - 1] != 0
    };
    let (mut surface, mut perimeter) = (0.0, 0.0);
    let mut points: Vec<[f64; 2]> = Vec::new();
    for r in 0..=rows {
        for c in 0..=columns {
            let corners = [inside(r, c), inside(r, c + 1), inside(r + 1, c + 1), inside(r + 1, c)];
            let index = corners.iter().enumerate().fold(0, |s, (n, &v)| s | usize::from(v) << n);
            let at = |e: usize| [(r as f64 + MIDDLE[e][0]) * unit[0], (c as f64 + MIDDLE[e][1]) * unit[1]];
            for &(e, f) in LINES[index] {
                let (a, b) = (at(e), at(f));
                surface += a[0] * b[1] - b[0] * a[1];
                perimeter += ((a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2)).sqrt();
            }
            let half = if index > 7 { 15 - index } else { index };
            if half & 1 != 0 {
                points.push(at(3));
            }
            if half & 4 != 0 {
                points.push(at(2));
            }
        }
    }
    surface /= 2.0;
    let mut diameter = 0.0_f64;
    for (n, a) in points.iter().enumerate() {
        for b in &points[..n] {
            diameter = diameter.max((a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2));
        }
    }
    let (small, large) = axes(roi, &inside, rows, columns, unit);
    let sphericity = 2.0 * (PI * surface).sqrt() / perimeter;
    Some([
        (small / large).sqrt(),
        large.sqrt() * 4.0,
        diameter.sqrt(),
        surface,
        small.sqrt() * 4.0,
        perimeter,
        perimeter / surface,
        roi.len() as f64 * unit[0] * unit[1],
        sphericity,
        1.0 / sphericity,
    ])
}

/// Eigenvalues of the covariance of the pixel centres, mm².
fn axes(roi: &Roi, inside: &impl Fn(usize, usize) -> bool, rows: usize, columns: usize, unit: [f64; 2]) -> (f64, f64) {
    let (mut s, mut q, mut cross) = ([0_i128; 2], [0_i128; 2], 0_i128);
    for r in 1..=rows {
        for c in (1..=columns).filter(|&c| inside(r, c)) {
            let (r, c) = (r as i128, c as i128);
            s = [s[0] + r, s[1] + c];
            q = [q[0] + r * r, q[1] + c * c];
            cross += r * c;
        }
    }
    let n = roi.len() as i128;
    let part = |v: i128, a: usize, b: usize| v as f64 / (n as f64 * n as f64) * unit[a] * unit[b];
    let (rr, cc) = (part(n * q[0] - s[0] * s[0], 0, 0), part(n * q[1] - s[1] * s[1], 1, 1));
    let rc = part(n * cross - s[0] * s[1], 0, 1);
    let (mean, half) = (0.5 * (rr + cc), (0.25 * (rr - cc).powi(2) + rc * rc).sqrt());
    let large = mean + half;
    // The product of both is the determinant: no cancellation in the smaller one.
    let small = if large > 0.0 { ((rr * cc - rc * rc) / large).max(0.0) } else { 0.0 };
    (small, large)
}
