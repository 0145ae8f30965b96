//! Maximal correlation coefficient: the square root of the second largest eigenvalue of
//! `Q(i,j) = Σ_k p(i,k) p(j,k) / (px(i) py(k) + eps)`.
//!
//! Without `eps`, Q is similar to `S Sᵀ` with `S = Dx^(−½) P Dy^(−½)`, whose largest singular value is 1 with the known
//! vectors `√px` and `√py`. The largest eigenvalue of what remains is found by the Lanczos process with full
//! reorthogonalisation (Golub and Van Loan, "Matrix Computations", ch. 10); the effect of `eps` is added to first order.

use crate::{glcm::Pair, numeric::EPS};
use nalgebra::DMatrix;

/// Residual (of a matrix of norm ≤ 1) below which the eigenvalue has converged: its error is the square of this by the gap.
const RESIDUAL: f64 = 1e-11;

/// Second-order weight of eps beyond which Q is treated as it is.
const NOT_SMALL: f64 = 1e-11;
/// Largest number of levels for the dense solver.
const DENSE_LIMIT: usize = 512;

/// The coefficient of one normalised matrix with its marginal sums; 1 when there is one level.
pub(crate) fn maximal_correlation(cells: &[Pair], px: &[f64], py: &[f64]) -> f64 {
    if px.len() < 2 {
        return 1.0;
    }
    let x_root: Vec<f64> = px.iter().map(|p| p.sqrt()).collect();
    let y_root: Vec<f64> = py.iter().map(|p| p.sqrt()).collect();
    let scaled: Vec<(usize, usize, f64)> = cells
        .iter()
        .map(|c| {
            let (i, j) = (usize::from(c.i), usize::from(c.j));
            (i, j, c.p / (x_root[i] * y_root[j]))
        })
        .collect();
    let apply = |u: &[f64]| -> Vec<f64> {
        let mut t = vec![0.0; py.len()];
        for &(i, j, s) in &scaled {
            t[j] += s * u[i];
        }
        remove(&mut t, &y_root);
        let mut w = vec![0.0; px.len()];
        for &(i, j, s) in &scaled {
            w[i] += s * t[j];
        }
        remove(&mut w, &x_root);
        w
    };
    let present = px.iter().filter(|p| **p > 0.0).count();
    if present < 2 {
        return 0.0;
    }
    // With weighted matrices some levels are so rare that eps is no longer small beside px·py.
    let second_order: f64 = cells
        .iter()
        .map(|c| {
            let d = px[usize::from(c.i)] * py[usize::from(c.j)];
            c.p * (EPS / (d + EPS)).powi(2)
        })
        .sum();
    if second_order > NOT_SMALL && present <= DENSE_LIMIT {
        return dense(cells, px, py);
    }
    let (mut value, vector) = largest(&apply, &x_root, present - 1);
    // First-order change of the eigenvalue by eps in the denominators.
    if value > 0.0 {
        let mut right = vec![0.0; py.len()];
        for c in cells {
            let i = usize::from(c.i);
            right[usize::from(c.j)] += c.p * vector[i] / x_root[i];
        }
        for c in cells {
            let (i, k) = (usize::from(c.i), usize::from(c.j));
            let d = px[i] * py[k];
            value -= vector[i] * x_root[i] * c.p / d * (EPS / (d + EPS)) * right[k];
        }
    }
    value.max(0.0).sqrt()
}

/// Takes the component along the unit vector `u` out of `v`.
fn remove(v: &mut [f64], u: &[f64]) {
    let d: f64 = v.iter().zip(u).map(|(a, b)| a * b).sum();
    for (a, b) in v.iter_mut().zip(u) {
        *a -= d * b;
    }
}

/// Largest eigenvalue of a positive operator on the space orthogonal to `known`, with its vector.
fn largest(apply: &impl Fn(&[f64]) -> Vec<f64>, known: &[f64], dimension: usize) -> (f64, Vec<f64>) {
    // A fixed start without symmetry: multiples of the golden ratio, only where the marginal is not zero.
    let mut v: Vec<f64> = known
        .iter()
        .enumerate()
        .map(|(n, &k)| if k > 0.0 { ((n + 1) as f64 * 0.618033988749895).fract() - 0.45 } else { 0.0 })
        .collect();
    remove(&mut v, known);
    let norm = |v: &[f64]| v.iter().map(|a| a * a).sum::<f64>().sqrt();
    let first = norm(&v);
    if first == 0.0 {
        return (0.0, v);
    }
    for a in &mut v {
        *a /= first;
    }
    let (mut alpha, mut beta): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    let mut basis = vec![v];
    loop {
        let m = basis.len();
        let mut w = apply(&basis[m - 1]);
        alpha.push(w.iter().zip(&basis[m - 1]).map(|(a, b)| a * b).sum());
        for _ in 0..2 {
            remove(&mut w, known);
            for b in &basis {
                remove(&mut w, b);
            }
        }
        let b = norm(&w);
        let done = m >= dimension || b < 1e-15;
        if done || m % 4 == 0 {
            let value = largest_of_tridiagonal(&alpha, &beta);
            let s = vector_of_tridiagonal(&alpha, &beta, value);
            if done || b * s[m - 1].abs() < RESIDUAL {
                let mut u = vec![0.0; known.len()];
                for (s, b) in s.iter().zip(&basis) {
                    for (u, b) in u.iter_mut().zip(b) {
                        *u += s * b;
                    }
                }
                return (value, u);
            }
        }
        beta.push(b);
        for a in &mut w {
            *a /= b;
        }
        basis.push(w);
    }
}

/// Largest eigenvalue of the symmetric tridiagonal matrix with diagonal `a` and off-diagonal `b`, by bisection.
fn largest_of_tridiagonal(a: &[f64], b: &[f64]) -> f64 {
    let side = |n: usize| b.get(n).copied().unwrap_or(0.0).abs();
    let (mut lo, mut hi) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    for (n, &v) in a.iter().enumerate() {
        lo = lo.max(v);
        hi = hi.max(v + side(n) + if n > 0 { side(n - 1) } else { 0.0 });
    }
    let below = |x: f64| {
        // All pivots of T − x are negative exactly when every eigenvalue is below x.
        let mut d = 1.0;
        a.iter().enumerate().all(|(n, &v)| {
            let c = if n > 0 { b[n - 1] * b[n - 1] / d } else { 0.0 };
            d = v - x - c;
            d < 0.0
        })
    };
    loop {
        let mid = 0.5 * (lo + hi);
        if mid <= lo || mid >= hi {
            return hi;
        }
        if below(mid) {
            hi = mid;
        } else {
            lo = mid;
        }
    }
}

/// Unit eigenvector for the largest eigenvalue, by inverse iteration just above it (where the matrix is definite).
fn vector_of_tridiagonal(a: &[f64], b: &[f64], value: f64) -> Vec<f64> {
    let n = a.len();
    let shift = value + 1e-14 * value.abs().max(1e-3);
    let mut x = vec![1.0; n];
    for _ in 0..3 {
        let mut d = vec![0.0; n];
        d[0] = a[0] - shift;
        for k in 1..n {
            let m = b[k - 1] / d[k - 1];
            d[k] = a[k] - shift - m * b[k - 1];
            x[k] -= m * x[k - 1];
        }
        x[n - 1] /= d[n - 1];
        for k in (0..n - 1).rev() {
            x[k] = (x[k] - b[k] * x[k + 1]) / d[k];
        }
        let norm = x.iter().map(|v| v * v).sum::<f64>().sqrt();
        if !norm.is_finite() || norm == 0.0 {
            return vec![1.0; n];
        }
        for v in &mut x {
            *v /= norm;
        }
    }
    x
}

/// The coefficient by a solver for general matrices on Q itself.
fn dense(cells: &[Pair], px: &[f64], py: &[f64]) -> f64 {
    let levels: Vec<usize> = (0..px.len()).filter(|&i| px[i] > 0.0).collect();
    let mut place = vec![usize::MAX; px.len()];
    for (n, &i) in levels.iter().enumerate() {
        place[i] = n;
    }
    let n = levels.len();
    // Q = M Pᵀ with M the matrix divided by the marginal products.
    let mut m = DMatrix::<f64>::zeros(n, py.len());
    let mut p = DMatrix::<f64>::zeros(n, py.len());
    for c in cells {
        let (i, k) = (place[usize::from(c.i)], usize::from(c.j));
        p[(i, k)] = c.p;
        m[(i, k)] = c.p / (px[usize::from(c.i)] * py[k] + EPS);
    }
    let mut e: Vec<f64> = (m * p.transpose()).complex_eigenvalues().iter().map(|v| v.re).collect();
    e.sort_by(f64::total_cmp);
    if n < 2 { 0.0 } else { e[n - 2].max(0.0).sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_a_dense_solver(
            counts in proptest::collection::vec(0..30_u32, 144),
            band in 1..12_usize,
            symmetric in any::<bool>(),
        ) {
            let n = 12;
            let mut cells = Vec::new();
            for i in 0..n {
                for j in 0..n {
                    let mut c = counts[i * n + j];
                    if symmetric { c += counts[j * n + i]; }
                    if i.abs_diff(j) <= band && c > 0 {
                        cells.push(Pair { i: i as u16, j: j as u16, p: f64::from(c) });
                    }
                }
            }
            let total: f64 = cells.iter().map(|c| c.p).sum();
            prop_assume!(total > 0.0);
            let (mut px, mut py) = (vec![0.0; n], vec![0.0; n]);
            for c in &mut cells {
                c.p /= total;
                px[usize::from(c.i)] += c.p;
                py[usize::from(c.j)] += c.p;
            }
            let (a, b) = (maximal_correlation(&cells, &px, &py), dense(&cells, &px, &py));
            // The dense solver of a matrix that is not symmetric is good to about 1e-14; the root doubles small numbers.
            prop_assert!((a * a - b * b).abs() < 1e-11, "{} {}", a, b);
        }
    }
}
