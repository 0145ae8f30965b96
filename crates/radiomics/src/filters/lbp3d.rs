//! Local binary patterns on spheres with spherical harmonics (Banerjee et al. 2012), as PyRadiomics computes them.
//!
//! PyRadiomics hands the two angles to the harmonics in exchanged roles; this is kept.

use super::Derived;
use crate::{
    image::{Image, Kind, Picture},
    names,
    numeric::sum_f32,
    resample::bspline::Coefficients,
    settings::Resolved,
};
use rtpipeline_geometry::Mask;
use std::f64::consts::PI;

/// The levels' images and the kurtosis image. Only voxels inside the mask are filled.
pub(super) fn all(picture: &Picture<'_>, mask: &Mask, settings: &Resolved) -> Vec<Derived> {
    let source = picture.whole();
    let dims = source.grid.dims;
    let radius = settings.lbp3d_icosphere_radius;
    let sphere = icosphere(settings.lbp3d_icosphere_subdivision, radius);
    let levels = settings.lbp3d_levels as usize;
    let harmonics = Harmonics::new(&sphere, radius, levels);
    let spline = Coefficients::of(source.data.clone(), dims, false);
    let mut maps = vec![vec![0.0; source.data.len()]; levels + 1];
    let mut samples = vec![0.0; sphere.len()];
    for (at, _) in mask.values().iter().enumerate().filter(|(_, m)| **m != 0) {
        let (x, y, z) = (at % dims[0], at / dims[0] % dims[1], at / (dims[0] * dims[1]));
        for (s, v) in samples.iter_mut().zip(&sphere) {
            // numpy order of the coordinates: the sphere's first component goes along z.
            let p = [x as f64 + v[2], y as f64 + v[1], z as f64 + v[0]];
            let inside = p.iter().zip(dims).all(|(&c, n)| c >= 0.0 && c <= (n - 1) as f64);
            let value = if inside { spline.at(p) } else { 0.0 };
            *s = match source.kind {
                Kind::Integer { low, high } => (if value > 0.0 { (value + 0.5).floor() } else { (value - 0.5).ceil() })
                    .clamp(low as f64, high as f64),
                Kind::Single => f64::from(value as f32),
                Kind::Double => value,
            };
        }
        let above: Vec<bool> = samples.iter().map(|&s| s >= source.data[at]).collect();
        for (level, map) in maps[..levels].iter_mut().enumerate() {
            map[at] = harmonics.norm(level, &above);
        }
        maps[levels][at] = if source.kind == Kind::Single { kurtosis_single(&samples) } else { kurtosis(&samples) };
    }
    let mut names = names::lbp3d_names(settings).into_iter();
    maps.into_iter()
        .map(|data| {
            let image = Image { grid: source.grid.clone(), kind: Kind::Double, data };
            Derived { name: names.next().unwrap_or_default(), image: Some(image) }
        })
        .collect()
}

/// Excess kurtosis; NaN for a constant.
fn kurtosis(x: &[f64]) -> f64 {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let m2 = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    let m4 = x.iter().map(|v| (v - mean).powi(4)).sum::<f64>() / n;
    m4 / (m2 * m2) - 3.0
}

/// The same in the precision and order in which scipy treats single precision.
fn kurtosis_single(x: &[f64]) -> f64 {
    let x: Vec<f32> = x.iter().map(|&v| v as f32).collect();
    let n = x.len() as f32;
    let mean = sum_f32(&x, &|v| v) / n;
    let square = |v: f32| (v - mean) * (v - mean);
    let m2 = sum_f32(&x, &square) / n;
    let m4 = sum_f32(&x, &|v| square(v) * square(v)) / n;
    f64::from(m4 / (m2 * m2) - 3.0)
}

/// Vertices of an icosahedron whose faces are divided `subdivisions` times, on a sphere.
fn icosphere(subdivisions: u32, radius: f64) -> Vec<[f64; 3]> {
    let t = f64::midpoint(1.0, 5_f64.sqrt());
    let mut v: Vec<[f64; 3]> = Vec::new();
    for a in [-1.0, 1.0] {
        for b in [-t, t] {
            v.extend([[a, b, 0.0], [0.0, a, b], [b, 0.0, a]]);
        }
    }
    let distance = |a: [f64; 3], b: [f64; 3]| (0..3).map(|n| (a[n] - b[n]).powi(2)).sum::<f64>();
    // Faces: triples at the edge length 2 from each other.
    let near = |a: usize, b: usize| (distance(v[a], v[b]) - 4.0).abs() < 1e-9;
    let mut faces = Vec::new();
    for a in 0..12 {
        for b in a + 1..12 {
            for c in b + 1..12 {
                if near(a, b) && near(b, c) && near(a, c) {
                    faces.push([a, b, c]);
                }
            }
        }
    }
    let unit = |p: [f64; 3]| {
        let n = p.iter().map(|c| c * c).sum::<f64>().sqrt();
        p.map(|c| c / n)
    };
    let mut v: Vec<[f64; 3]> = v.into_iter().map(unit).collect();
    for _ in 0..subdivisions {
        let mut middles = std::collections::BTreeMap::new();
        let mut next = Vec::with_capacity(faces.len() * 4);
        for [a, b, c] in faces {
            let mut middle = |p: usize, q: usize| {
                *middles.entry((p.min(q), p.max(q))).or_insert_with(|| {
                    v.push(unit(std::array::from_fn(|n| f64::midpoint(v[p][n], v[q][n]))));
                    v.len() - 1
                })
            };
            let (ab, bc, ca) = (middle(a, b), middle(b, c), middle(c, a));
            next.extend([[a, ab, ca], [b, bc, ab], [c, ca, bc], [ab, bc, ca]]);
        }
        faces = next;
    }
    v.into_iter().map(|p| p.map(|c| c * radius)).collect()
}

/// Spherical harmonics at the vertices: `values[level][m][vertex]`, (real, imaginary).
struct Harmonics {
    values: Vec<Vec<Vec<[f64; 2]>>>,
}

impl Harmonics {
    fn new(sphere: &[[f64; 3]], radius: f64, levels: usize) -> Self {
        let angles: Vec<[f64; 2]> =
            sphere.iter().map(|v| [(v[2] / radius).clamp(-1.0, 1.0).acos(), v[1].atan2(v[0])]).collect();
        let values = (0..levels as i32)
            .map(|n| (-n..=n).map(|m| angles.iter().map(|&[a, p]| harmonic(m, n, a, p)).collect()).collect())
            .collect();
        Self { values }
    }

    /// Real part of `√Σ_v f(v)²` with `f` the projection of the signs on one level.
    fn norm(&self, level: usize, above: &[bool]) -> f64 {
        let n = above.len();
        let mut f = vec![[0.0; 2]; n];
        for y in &self.values[level] {
            let mut c = [0.0; 2];
            for (y, _) in y.iter().zip(above).filter(|(_, a)| **a) {
                c = [c[0] + y[0], c[1] + y[1]];
            }
            for (f, y) in f.iter_mut().zip(y) {
                let p = product(c, *y);
                *f = [f[0] + p[0], f[1] + p[1]];
            }
        }
        let mut s = [0.0; 2];
        for f in f {
            let p = product(f, f);
            s = [s[0] + p[0], s[1] + p[1]];
        }
        // Principal root: Re √s = √((|s| + Re s)/2).
        (f64::midpoint(s[0].hypot(s[1]), s[0])).max(0.0).sqrt()
    }
}

fn product(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]]
}

/// Y of order `m` and degree `n` with Condon–Shortley phase.
fn harmonic(m: i32, n: i32, azimuth: f64, polar: f64) -> [f64; 2] {
    let k = m.abs();
    let x = polar.cos();
    let s = (1.0 - x * x).max(0.0).sqrt();
    // Associated Legendre function by the usual recurrences.
    let mut pmm = 1.0;
    for i in 1..=k {
        pmm *= -f64::from(2 * i - 1) * s;
    }
    let mut p = pmm;
    if n > k {
        let mut before = pmm;
        p = x * f64::from(2 * k + 1) * pmm;
        for l in k + 2..=n {
            let next = (x * f64::from(2 * l - 1) * p - f64::from(l + k - 1) * before) / f64::from(l - k);
            before = p;
            p = next;
        }
    }
    let ratio: f64 = (n - k + 1..=n + k).map(f64::from).product();
    let mut value = (f64::from(2 * n + 1) / (4.0 * PI) / ratio).sqrt() * p;
    if m < 0 && k % 2 == 1 {
        value = -value;
    }
    let (sin, cos) = (f64::from(m) * azimuth).sin_cos();
    [value * cos, value * sin]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn icosphere_has_42_vertices_on_the_sphere() {
        let v = icosphere(1, 2.0);
        assert_eq!((icosphere(0, 1.0).len(), v.len(), icosphere(2, 1.0).len()), (12, 42, 162));
        assert!(v.iter().all(|p| (p.iter().map(|c| c * c).sum::<f64>() - 4.0).abs() < 1e-12));
    }

    #[test]
    fn harmonics_of_low_degree() {
        let (a, p) = (0.7_f64, 1.1_f64);
        let want = -(3.0 / (8.0 * PI)).sqrt() * p.sin();
        let got = harmonic(1, 1, a, p);
        assert!((got[0] - want * a.cos()).abs() < 1e-15 && (got[1] - want * a.sin()).abs() < 1e-15);
        let got = harmonic(0, 2, a, p);
        assert!((got[0] - (5.0 / PI).sqrt() / 4.0 * (3.0 * p.cos().powi(2) - 1.0)).abs() < 1e-15);
    }
}
