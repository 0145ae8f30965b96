//! Filters that look at one voxel, scaled by the largest magnitude `M` of the image.

use crate::image::{Image, Kind, Picture};

fn mapped(picture: &Picture<'_>, f: impl Fn(&mut [f64], f64)) -> Image {
    let mut image = picture.whole();
    image.kind = Kind::Double;
    let m = largest(&image.data);
    f(&mut image.data, m);
    image
}

fn largest(x: &[f64]) -> f64 {
    x.iter().fold(0.0, |m, v| v.abs().max(m))
}

/// `(x/√M)²`.
pub(super) fn square(picture: &Picture<'_>) -> Image {
    mapped(picture, |x, m| {
        let c = 1.0 / m.sqrt();
        for v in x {
            *v = (c * *v) * (c * *v);
        }
    })
}

/// `sign(x)·√(M·|x|)`.
pub(super) fn square_root(picture: &Picture<'_>) -> Image {
    mapped(picture, |x, m| {
        for v in x.iter_mut() {
            *v = if *v > 0.0 {
                (*v * m).sqrt()
            } else if *v < 0.0 {
                -(-*v * m).sqrt()
            } else {
                *v
            };
        }
    })
}

/// `sign(x)·ln(1 + |x|)`, scaled so that the largest magnitude is `M` again.
pub(super) fn logarithm(picture: &Picture<'_>) -> Image {
    mapped(picture, |x, m| {
        for v in x.iter_mut() {
            *v = if *v > 0.0 {
                (*v + 1.0).ln()
            } else if *v < 0.0 {
                -(-(*v - 1.0)).ln()
            } else {
                *v
            };
        }
        let scale = m / largest(x);
        for v in x {
            *v *= scale;
        }
    })
}

/// `e^(x·ln(M)/M)`.
pub(super) fn exponential(picture: &Picture<'_>) -> Image {
    mapped(picture, |x, m| {
        let c = m.ln() / m;
        for v in x {
            *v = (c * *v).exp();
        }
    })
}
