//! Cubic B-spline interpolation.
//!
//! Unser, "Splines: a perfect fit for signal and image processing", IEEE Signal Process Mag 16(6), 1999. Start values and
//! order of the operations are those of ITK, so that truncated integers agree.

/// ITK sums the causal start until the pole's power is below this.
const TOLERANCE: f64 = 1e-10;
/// An edge that is not the image's border must be this far away: the pole's power is then 1e-23.
pub(crate) const MARGIN: usize = 40;

/// Spline coefficients of a box.
pub(crate) struct Coefficients {
    data: Vec<f64>,
    /// Size of the box that is held.
    dims: [usize; 3],
    /// Where the box begins in the whole image.
    start: [usize; 3],
    /// Size of the whole image: its borders are mirrors.
    whole: [usize; 3],
}

impl Coefficients {
    /// Coefficients of a whole image; `truncated` stops the start sum at ITK's tolerance.
    pub(crate) fn of(data: Vec<f64>, dims: [usize; 3], truncated: bool) -> Self {
        Self::of_box(data, dims, [0; 3], dims, truncated)
    }

    /// Coefficients of a box of an image. Edges that are not borders of the image need a margin of [`MARGIN`] voxels.
    pub(crate) fn of_box(
        mut data: Vec<f64>,
        dims: [usize; 3],
        start: [usize; 3],
        whole: [usize; 3],
        truncated: bool,
    ) -> Self {
        for axis in 0..3 {
            prefilter(&mut data, dims, axis, truncated);
        }
        Self { data, dims, start, whole }
    }

    /// Indices (in the box) and weights of the four samples along one axis.
    fn support(&self, axis: usize, x: f64) -> ([usize; 4], [f64; 4]) {
        let base = x.floor();
        let w = x - base;
        let w3 = (1.0 / 6.0) * w * w * w;
        let w0 = (1.0 / 6.0) + 0.5 * w * (w - 1.0) - w3;
        let w2 = w + w0 - 2.0 * w3;
        let w1 = 1.0 - w0 - w2 - w3;
        let last = self.whole[axis] as i64 - 1;
        let index = std::array::from_fn(|k| {
            let mut i = base as i64 - 1 + k as i64;
            if last == 0 {
                i = 0;
            } else {
                if i < 0 {
                    i = -i;
                }
                if i > last {
                    i = 2 * last - i;
                }
                i = i.clamp(0, last);
            }
            (i as usize).saturating_sub(self.start[axis]).min(self.dims[axis] - 1)
        });
        (index, [w0, w1, w2, w3])
    }

    /// Value at an index position of the whole image, which must be inside of it.
    pub(crate) fn at(&self, p: [f64; 3]) -> f64 {
        let (ix, wx) = self.support(0, p[0]);
        let (iy, wy) = self.support(1, p[1]);
        let (iz, wz) = self.support(2, p[2]);
        let mut sum = 0.0;
        for (z, wz) in iz.into_iter().zip(wz) {
            for (y, wy) in iy.into_iter().zip(wy) {
                let row = (z * self.dims[1] + y) * self.dims[0];
                for (x, wx) in ix.into_iter().zip(wx) {
                    sum += wx * wy * wz * self.data[row + x];
                }
            }
        }
        sum
    }
}

/// Recursive filter along one axis, in place.
fn prefilter(data: &mut [f64], dims: [usize; 3], axis: usize, truncated: bool) {
    let n = dims[axis];
    if n < 2 {
        return;
    }
    // Pole and gain as ITK rounds them: integer images are truncated afterwards, which shows the last bit.
    let pole = 3_f64.sqrt() - 2.0;
    let gain = (1.0 - pole) * (1.0 - 1.0 / pole);
    let stride: usize = dims[..axis].iter().product();
    let horizon = (TOLERANCE.ln() / pole.abs().ln()).ceil() as usize;
    // Lines along y and z are done side by side, a row of them at a time.
    let width = stride;
    let mut first = vec![0.0; width];
    for block in data.chunks_exact_mut(stride * n) {
        for v in block.iter_mut() {
            *v *= gain;
        }
        let row = |k: usize| k * stride..k * stride + width;
        first.copy_from_slice(&block[row(0)]);
        if truncated && horizon < n {
            let mut zn = pole;
            for k in 1..horizon {
                for (f, v) in first.iter_mut().zip(&block[row(k)]) {
                    *f += zn * v;
                }
                zn *= pole;
            }
        } else {
            let inverse = 1.0 / pole;
            let mut zn = pole;
            let mut z2n = pole.powi(n as i32 - 1);
            for (f, v) in first.iter_mut().zip(&block[row(n - 1)]) {
                *f += z2n * v;
            }
            z2n = z2n * (z2n * inverse);
            for k in 1..=n.saturating_sub(2) {
                for (f, v) in first.iter_mut().zip(&block[row(k)]) {
                    *f += (zn + z2n) * v;
                }
                zn *= pole;
                z2n *= inverse;
            }
            for f in &mut first {
                *f /= 1.0 - zn * zn;
            }
        }
        block[row(0)].copy_from_slice(&first);
        for k in 1..n {
            let (done, rest) = block.split_at_mut(k * stride);
            for (v, p) in rest[..width].iter_mut().zip(&done[(k - 1) * stride..]) {
                *v += pole * p;
            }
        }
        {
            let (done, rest) = block.split_at_mut((n - 1) * stride);
            let factor = pole / (pole * pole - 1.0);
            for (v, p) in rest[..width].iter_mut().zip(&done[(n - 2) * stride..]) {
                *v = factor * (pole * p + *v);
            }
        }
        for k in (0..n - 1).rev() {
            let (done, rest) = block.split_at_mut((k + 1) * stride);
            for (v, next) in done[k * stride..].iter_mut().zip(&rest[..width]) {
                *v = pole * (next - *v);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_through_the_samples_and_a_box_equals_the_whole() {
        let dims = [100, 7, 5];
        let value = |n: usize| f64::from((n as u32).wrapping_mul(2654435761) >> 20);
        let data: Vec<f64> = (0..3500).map(value).collect();
        let all = Coefficients::of(data.clone(), dims, true);
        for n in [0, 99, 350, 1234, 3499] {
            let p = [n % 100, n / 100 % 7, n / 700].map(|v| v as f64);
            // ITK's start sum is cut at 1e-10.
            assert!((all.at(p) - data[n]).abs() < 1e-6, "{n}");
        }
        let start = [20, 0, 0];
        let part: Vec<f64> = (0..3500).filter(|n| n % 100 >= 20).map(value).collect();
        let boxed = Coefficients::of_box(part, [80, 7, 5], start, dims, true);
        for x in [61.0, 70.3, 98.9, 99.4] {
            assert!((all.at([x, 2.2, 3.7]) - boxed.at([x, 2.2, 3.7])).abs() < 1e-9, "{x}");
        }
    }
}
