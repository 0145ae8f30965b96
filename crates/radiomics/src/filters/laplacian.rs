//! Laplacian of Gaussian by recursive filters.
//!
//! Deriche, "Recursively implementing the Gaussian and its derivatives", INRIA 1993, with the constants of Farnebäck and
//! Westin, "Improving Deriche-style recursive Gaussian filters", J Math Imaging Vis 26, 2006, arranged as ITK's
//! `LaplacianRecursiveGaussianImageFilter` does: lines are filtered in double precision, stored in single precision. The
//! filters only approximate a Gaussian, so the arrangement decides about the digits.

use super::Derived;
use crate::{
    image::{Image, Kind, Picture},
    names,
    settings::Resolved,
};

/// One image for each sigma (mm) that the size of the image allows.
pub(super) fn all(picture: &Picture<'_>, settings: &Resolved, warnings: &mut Vec<String>) -> Vec<Derived> {
    let dims = picture.grid.dims;
    let spacing = picture.grid.spacing();
    if dims.iter().any(|&n| n < 4) {
        warnings.push(format!("LoG: image of {dims:?} voxels is too small (4 are needed along each axis)"));
        return Vec::new();
    }
    let mut out = Vec::new();
    let mut source: Option<Vec<f32>> = None;
    for sigma in &settings.sigma {
        let s = sigma.value();
        if (0..3).any(|a| (dims[a] as f64) < (s / spacing[a]).ceil() + 1.0) {
            warnings.push(format!("LoG: sigma {s} mm is too large for an image of {dims:?} voxels of {spacing:?} mm"));
            continue;
        }
        let whole;
        // Single precision input needs no second copy: the first pass reads it as it is.
        let data = match (&mut source, picture.kind) {
            (Some(d), Kind::Single) => Input::Single(d),
            (slot, Kind::Single) => {
                Input::Single(slot.insert(picture.whole().data.iter().map(|&v| v as f32).collect()))
            }
            _ => {
                whole = picture.whole().data;
                Input::Double(&whole)
            }
        };
        let image = filter(&data, dims, spacing, s);
        let image = Image { grid: picture.grid.clone(), kind: Kind::Single, data: image };
        out.push(Derived { name: names::log_name(sigma), image: Some(image) });
    }
    out
}

enum Input<'a> {
    Single(&'a [f32]),
    Double(&'a [f64]),
}

/// σ²·∇²G of the image: for each axis the second derivative along it, then smoothing along the others.
fn filter(input: &Input<'_>, dims: [usize; 3], spacing: [f64; 3], sigma: f64) -> Vec<f64> {
    let n = dims.iter().product();
    let mut total = vec![0.0_f32; n];
    let mut work = vec![0.0_f32; n];
    for axis in 0..3 {
        let second = Coefficients::second_derivative(sigma / spacing[axis], sigma);
        match input {
            Input::Single(d) => along(d, &mut work, dims, axis, &second),
            Input::Double(d) => along(d, &mut work, dims, axis, &second),
        }
        for other in (0..3).filter(|&a| a != axis) {
            let smooth = Coefficients::smoothing(sigma / spacing[other]);
            let from = work.clone();
            along(&from, &mut work, dims, other, &smooth);
        }
        let scale = spacing[axis] * spacing[axis];
        for (t, &w) in total.iter_mut().zip(&work) {
            *t = (f64::from(*t) + f64::from(w) / scale) as f32;
        }
    }
    total.iter().map(|&v| f64::from(v)).collect()
}

/// Coefficients of the causal and the anticausal recursion and of their borders.
struct Coefficients {
    n: [f64; 4],
    d: [f64; 4],
    m: [f64; 4],
    bn: [f64; 4],
    bm: [f64; 4],
}

const A1: [f64; 3] = [1.3530, -0.6724, -1.3563];
const B1: [f64; 3] = [1.8151, -3.4327, 5.2318];
const W1: f64 = 0.6681;
const L1: f64 = -1.3932;
const A2: [f64; 3] = [-0.3531, 0.6724, 0.3446];
const B2: [f64; 3] = [0.0902, 0.6100, -2.2355];
const W2: f64 = 2.0787;
const L2: f64 = -1.3732;

/// Numerator for one order of derivative, with its sum and first two moments.
fn numerator(order: usize, s: f64) -> ([f64; 4], f64, f64, f64) {
    let (a1, b1, a2, b2) = (A1[order], B1[order], A2[order], B2[order]);
    let (s1, c1, s2, c2) = ((W1 / s).sin(), (W1 / s).cos(), (W2 / s).sin(), (W2 / s).cos());
    let (e1, e2) = ((L1 / s).exp(), (L2 / s).exp());
    let n0 = a1 + a2;
    let n1 = e2 * (b2 * s2 - (a2 + 2.0 * a1) * c2) + e1 * (b1 * s1 - (a1 + 2.0 * a2) * c1);
    let n2 = 2.0 * e1 * e2 * ((a1 + a2) * c2 * c1 - c1 * b2 * s2 - c2 * b1 * s1) + a2 * e1 * e1 + a1 * e2 * e2;
    let n3 = e2 * e1 * e1 * (b2 * s2 - a2 * c2) + e1 * e2 * e2 * (b1 * s1 - a1 * c1);
    let sum = n0 + n1 + n2 + n3;
    ([n0, n1, n2, n3], sum, n1 + 2.0 * n2 + 3.0 * n3, n1 + 4.0 * n2 + 9.0 * n3)
}

/// Denominator with its sum and first two moments.
fn denominator(s: f64) -> ([f64; 4], f64, f64, f64) {
    let (c1, c2) = ((W1 / s).cos(), (W2 / s).cos());
    let (e1, e2) = ((L1 / s).exp(), (L2 / s).exp());
    let d4 = e1 * e1 * e2 * e2;
    let d3 = -2.0 * c1 * e1 * e2 * e2 - 2.0 * c2 * e2 * e1 * e1;
    let d2 = 4.0 * c2 * c1 * e1 * e2 + e1 * e1 + e2 * e2;
    let d1 = -2.0 * (e2 * c2 + e1 * c1);
    let sum = 1.0 + d1 + d2 + d3 + d4;
    ([d1, d2, d3, d4], sum, d1 + 2.0 * d2 + 3.0 * d3 + 4.0 * d4, d1 + 4.0 * d2 + 9.0 * d3 + 16.0 * d4)
}

impl Coefficients {
    /// Order 0; `s` is sigma in voxels.
    fn smoothing(s: f64) -> Self {
        let (n, sn, ..) = numerator(0, s);
        let (d, sd, ..) = denominator(s);
        let alpha = 2.0 * sn / sd - n[0];
        Self::symmetric(n.map(|v| v / alpha), d)
    }

    /// Order 2, times sigma² (mm²): normalised across scales.
    fn second_derivative(s: f64, sigma: f64) -> Self {
        let (n0, sn0, dn0, en0) = numerator(0, s);
        let (n2, sn2, dn2, en2) = numerator(2, s);
        let (d, sd, dd, ed) = denominator(s);
        let beta = -(2.0 * sn2 - sd * n2[0]) / (2.0 * sn0 - sd * n0[0]);
        let n: [f64; 4] = std::array::from_fn(|k| n2[k] + beta * n0[k]);
        let (sn, dn, en) = (sn2 + beta * sn0, dn2 + beta * dn0, en2 + beta * en0);
        let alpha = (en * sd * sd - ed * sn * sd - 2.0 * dn * dd * sd + 2.0 * dd * dd * sn) / (sd * sd * sd);
        let factor = sigma * sigma / alpha;
        Self::symmetric(n.map(|v| v * factor), d)
    }

    fn symmetric(n: [f64; 4], d: [f64; 4]) -> Self {
        let m = [n[1] - d[0] * n[0], n[2] - d[1] * n[0], n[3] - d[2] * n[0], -d[3] * n[0]];
        let sn = n[0] + n[1] + n[2] + n[3];
        let sm = m[0] + m[1] + m[2] + m[3];
        let sd = 1.0 + d[0] + d[1] + d[2] + d[3];
        Self { n, d, m, bn: d.map(|v| v * sn / sd), bm: d.map(|v| v * sm / sd) }
    }

    /// Filters one line.
    fn line(&self, x: &[f64], causal: &mut [f64], out: &mut [f64]) {
        let Self { n, d, m, bn, bm } = self;
        let len = x.len();
        let first = x[0];
        for k in 0..4 {
            let before = |back: usize| if k >= back { x[k - back] } else { first };
            let s = x[k] * n[0] + before(1) * n[1] + before(2) * n[2] + before(3) * n[3];
            // Feedback of samples before the line: the steady state of a constant.
            let f = |back: usize| if k >= back { causal[k - back] * d[back - 1] } else { first * bn[back - 1] };
            let feedback = f(1) + f(2) + f(3) + f(4);
            causal[k] = s - feedback;
        }
        for k in 4..len {
            let s = x[k] * n[0] + x[k - 1] * n[1] + x[k - 2] * n[2] + x[k - 3] * n[3];
            let f = causal[k - 1] * d[0] + causal[k - 2] * d[1] + causal[k - 3] * d[2] + causal[k - 4] * d[3];
            causal[k] = s - f;
        }
        let last = x[len - 1];
        for k in 0..4 {
            let i = len - 1 - k;
            let after = |ahead: usize| if k >= ahead { x[i + ahead] } else { last };
            let s = after(1) * m[0] + after(2) * m[1] + after(3) * m[2] + after(4) * m[3];
            let f = |ahead: usize| if k >= ahead { out[i + ahead] * d[ahead - 1] } else { last * bm[ahead - 1] };
            let feedback = f(1) + f(2) + f(3) + f(4);
            out[i] = s - feedback;
        }
        for i in (0..len - 4).rev() {
            let s = x[i + 1] * m[0] + x[i + 2] * m[1] + x[i + 3] * m[2] + x[i + 4] * m[3];
            let f = out[i + 1] * d[0] + out[i + 2] * d[1] + out[i + 3] * d[2] + out[i + 4] * d[3];
            out[i] = s - f;
        }
        for (o, c) in out.iter_mut().zip(causal.iter()) {
            *o += c;
        }
    }
}

/// Filters all lines along an axis.
fn along<T: Copy + Into<f64>>(from: &[T], to: &mut [f32], dims: [usize; 3], axis: usize, c: &Coefficients) {
    let stride = [1, dims[0], dims[0] * dims[1]];
    let len = dims[axis];
    let (mut x, mut causal, mut out) = (vec![0.0; len], vec![0.0; len], vec![0.0; len]);
    let (a, b) = [(1, 2), (0, 2), (0, 1)][axis];
    for j in 0..dims[b] {
        for i in 0..dims[a] {
            let start = i * stride[a] + j * stride[b];
            for (k, x) in x.iter_mut().enumerate() {
                *x = from[start + k * stride[axis]].into();
            }
            c.line(&x, &mut causal, &mut out);
            for (k, &v) in out.iter().enumerate() {
                to[start + k * stride[axis]] = v as f32;
            }
        }
    }
}
