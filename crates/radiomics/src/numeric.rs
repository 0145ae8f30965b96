//! Sums and logarithms as the features need them.

/// `numpy.spacing(1)`: PyRadiomics adds it inside of every logarithm.
pub(crate) const EPS: f64 = f64::EPSILON;

/// Sum of `f(x)` by halving, with eight partial sums in blocks of 128, as numpy does: the error grows with log n.
pub(crate) fn sum_by<T: Copy>(xs: &[T], f: &impl Fn(T) -> f64) -> f64 {
    let n = xs.len();
    if n < 8 {
        return xs.iter().fold(0.0, |s, &x| s + f(x));
    }
    if n <= 128 {
        let mut r = [0.0; 8];
        let (blocks, rest) = xs.as_chunks::<8>();
        for b in blocks {
            for (r, &x) in r.iter_mut().zip(b) {
                *r += f(x);
            }
        }
        let s = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
        return rest.iter().fold(s, |s, &x| s + f(x));
    }
    let half = n / 2 - (n / 2) % 8;
    sum_by(&xs[..half], f) + sum_by(&xs[half..], f)
}

/// Pairwise sum.
pub(crate) fn sum(xs: &[f64]) -> f64 {
    sum_by(xs, &|x| x)
}

/// Mean.
pub(crate) fn mean(xs: &[f64]) -> f64 {
    sum(xs) / xs.len() as f64
}

/// Pairwise sum in single precision, as numpy reduces single precision arrays.
pub(crate) fn sum_f32(xs: &[f32], f: &impl Fn(f32) -> f32) -> f32 {
    let n = xs.len();
    if n < 8 {
        return xs.iter().fold(0.0, |s, &x| s + f(x));
    }
    if n <= 128 {
        let mut r = [0.0_f32; 8];
        let (blocks, rest) = xs.as_chunks::<8>();
        for b in blocks {
            for (r, &x) in r.iter_mut().zip(b) {
                *r += f(x);
            }
        }
        let s = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
        return rest.iter().fold(s, |s, &x| s + f(x));
    }
    let half = n / 2 - (n / 2) % 8;
    sum_f32(&xs[..half], f) + sum_f32(&xs[half..], f)
}

/// `p·log2(p + eps)`, 0 for 0.
pub(crate) fn plogp(p: f64) -> f64 {
    p * (p + EPS).log2()
}

/// Mean of the numbers that are not NaN; NaN if there are none.
pub(crate) fn nan_mean(xs: impl Iterator<Item = f64>) -> f64 {
    let (mut s, mut n) = (0.0, 0_u32);
    for x in xs.filter(|x| !x.is_nan()) {
        s += x;
        n += 1;
    }
    if n == 0 { f64::NAN } else { s / f64::from(n) }
}

/// Python's `a % b` for `b > 0`: the result is in `[0, b)`.
pub(crate) fn floor_mod(a: f64, b: f64) -> f64 {
    let m = a % b;
    if m < 0.0 { m + b } else { m }
}

/// Eigenvalues of a symmetric 3×3 matrix in ascending order (cyclic Jacobi).
pub(crate) fn eigenvalues_3x3(mut a: [[f64; 3]; 3]) -> [f64; 3] {
    for _ in 0..64 {
        let off = a[0][1].abs() + a[0][2].abs() + a[1][2].abs();
        if off == 0.0 {
            break;
        }
        for (p, q) in [(0, 1), (0, 2), (1, 2)] {
            if a[p][q] == 0.0 {
                continue;
            }
            let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
            let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
            let t = if t.is_finite() { t } else { 0.0 };
            let c = 1.0 / (t * t + 1.0).sqrt();
            let s = t * c;
            let apq = a[p][q];
            a[p][p] -= t * apq;
            a[q][q] += t * apq;
            a[p][q] = 0.0;
            a[q][p] = 0.0;
            let r = 3 - p - q;
            let (arp, arq) = (a[r][p], a[r][q]);
            a[r][p] = c * arp - s * arq;
            a[p][r] = a[r][p];
            a[r][q] = s * arp + c * arq;
            a[q][r] = a[r][q];
        }
    }
    let mut e = [a[0][0], a[1][1], a[2][2]];
    e.sort_by(f64::total_cmp);
    e
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvalues_of_a_known_matrix() {
        // Characteristic polynomial (λ − 1)(λ − 2)(λ − 4).
        let e = eigenvalues_3x3([[2.0, 0.0, 0.0], [0.0, 2.5, 1.5], [0.0, 1.5, 2.5]]);
        for (a, b) in e.iter().zip([1.0, 2.0, 4.0]) {
            assert!((a - b).abs() < 1e-14, "{e:?}");
        }
        assert_eq!(eigenvalues_3x3([[0.0; 3]; 3]), [0.0; 3]);
    }

    #[test]
    fn modulus_as_in_python() {
        assert_eq!(floor_mod(-7.0, 25.0), 18.0);
        assert_eq!(floor_mod(50.0, 25.0), 0.0);
        assert_eq!(floor_mod(-50.0, 25.0), 0.0);
    }
}
