//! The frame of a stack of parallel planes.

use crate::Vec3;
use crate::grid::{cross, dot, norm};
use serde::{Deserialize, Serialize};

/// A right-handed orthonormal frame whose third axis is the normal of the contour planes. Coordinates in it are
/// `(u, v, n)` in mm from the patient origin, so `n` is the position of a plane.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlaneFrame {
    /// In-plane axis.
    pub u: Vec3,
    /// In-plane axis, `n × u`.
    pub v: Vec3,
    /// Unit normal; its largest component is positive, so that the frame does not depend on the image's direction.
    pub n: Vec3,
}

impl PlaneFrame {
    /// The frame of a normal, `None` when it has no direction. Axial planes give `u = x`, `v = y`, `n = z`.
    pub fn from_normal(normal: Vec3) -> Option<Self> {
        let mut n = unit(normal)?;
        let largest = (0..3).fold(0, |best, a| if n[a].abs() > n[best].abs() + 1e-6 { a } else { best });
        if n[largest] < 0.0 {
            n = n.map(|c| -c);
        }
        // The first patient axis that is far enough from the normal; at least one of x and y always is.
        let axis = if n[0].abs() <= 0.71 { [1.0, 0.0, 0.0] } else { [0.0, 1.0, 0.0] };
        let along = dot(axis, n);
        let u = unit([0, 1, 2].map(|c| axis[c] - along * n[c]))?;
        Some(Self { u, v: cross(n, u), n })
    }

    /// Coordinates `(u, v, n)` of a patient point.
    pub fn local(&self, p: Vec3) -> Vec3 {
        [dot(self.u, p), dot(self.v, p), dot(self.n, p)]
    }

    /// The patient point of coordinates `(u, v, n)`.
    pub fn world(&self, p: Vec3) -> Vec3 {
        [0, 1, 2].map(|c| p[0] * self.u[c] + p[1] * self.v[c] + p[2] * self.n[c])
    }
}

/// The vector with length 1, `None` for a zero or non-finite vector.
pub(crate) fn unit(v: Vec3) -> Option<Vec3> {
    let l = norm(v);
    (l.is_finite() && l > 1e-12).then(|| v.map(|c| c / l))
}

/// Area vector of a closed loop in space (half the sum of the cross products of successive points, M. E. Newell);
/// its direction is the normal of a planar loop.
pub(crate) fn area_vector(points: &[Vec3]) -> Vec3 {
    let Some(&o) = points.first() else { return [0.0; 3] };
    let mut sum = [0.0; 3];
    for w in points[1..].windows(2) {
        let c = cross(crate::grid::sub(w[0], o), crate::grid::sub(w[1], o));
        for a in 0..3 {
            sum[a] += 0.5 * c[a];
        }
    }
    sum
}

/// The plane normal that most of the contour area agrees on: area vectors within 5° of a candidate are added up with
/// one sign, and the candidate with the largest sum wins. Loops whose area vector cancels (figure eight) take part
/// with the largest triangle they span. `None` when no loop spans an area.
pub(crate) fn common_normal<'a>(loops: impl Iterator<Item = &'a [Vec3]>) -> Option<Vec3> {
    let mut vectors: Vec<Vec3> = loops
        .map(|points| {
            let a = area_vector(points);
            if norm(a) > 1e-3 { a } else { largest_triangle(points) }
        })
        .filter(|a| norm(*a) > 1e-6)
        .collect();
    vectors.sort_by(|a, b| norm(*b).total_cmp(&norm(*a)));
    let cos_limit = 5f64.to_radians().cos();
    let mut best: Option<(f64, Vec3)> = None;
    for candidate in vectors.iter().take(16) {
        let c = unit(*candidate)?;
        let mut sum = [0.0; 3];
        for v in &vectors {
            let along = dot(c, *v);
            if along.abs() >= cos_limit * norm(*v) {
                for a in 0..3 {
                    sum[a] += v[a] * along.signum();
                }
            }
        }
        if best.is_none_or(|(l, _)| norm(sum) > l * (1.0 + 1e-9)) {
            best = Some((norm(sum), sum));
        }
    }
    unit(best?.1)
}

fn largest_triangle(points: &[Vec3]) -> Vec3 {
    let mut best = [0.0; 3];
    let Some(&o) = points.first() else { return best };
    for w in points.windows(2) {
        let c = cross(crate::grid::sub(w[0], o), crate::grid::sub(w[1], o)).map(|x| 0.5 * x);
        if norm(c) > norm(best) {
            best = c;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_right_handed_and_independent_of_the_sign() {
        for n in [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.3, -0.5, 0.8], [-0.7, 0.7, 0.1]] {
            let f = PlaneFrame::from_normal(n).unwrap();
            assert_eq!(f, PlaneFrame::from_normal(n.map(|c| -c)).unwrap());
            let w = cross(f.u, f.v);
            assert!((0..3).all(|a| (w[a] - f.n[a]).abs() < 1e-12));
            let p = f.world(f.local([10.0, -20.0, 33.0]));
            assert!((0..3).all(|a| (p[a] - [10.0, -20.0, 33.0][a]).abs() < 1e-12));
        }
        let axial = PlaneFrame::from_normal([0.0, 0.0, -2.0]).unwrap();
        assert_eq!((axial.u, axial.v), ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]));
        assert!(PlaneFrame::from_normal([0.0; 3]).is_none());
    }

    #[test]
    fn common_normal_ignores_one_tilted_loop() {
        let ring = |z: f64, tilt: f64| -> Vec<Vec3> {
            (0..20)
                .map(|k| {
                    let a = f64::from(k) * 0.314;
                    [10.0 * a.cos(), 10.0 * a.sin(), z + tilt * 10.0 * a.cos()]
                })
                .collect()
        };
        let loops = [ring(0.0, 0.0), ring(3.0, 0.0), ring(6.0, 1.0)];
        let n = common_normal(loops.iter().map(Vec::as_slice)).unwrap();
        assert!(n[2].abs() > 1.0 - 1e-12);
    }
}
