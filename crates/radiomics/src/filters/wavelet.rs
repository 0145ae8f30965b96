//! Stationary wavelet transform, one level at a time as PyRadiomics calls PyWavelets: deeper levels use the same taps on
//! the approximation, without zeros between them.

use super::{Derived, taps};
use crate::{
    error::RadiomicsError,
    image::{Image, Kind, Picture},
    names,
    settings::Resolved,
};

/// True when there is a wavelet of this name.
pub(crate) fn is_known(name: &str) -> bool {
    taps::of(name).is_some()
}

/// All sub-bands of the recorded levels and the last approximation.
pub(super) fn all(picture: &Picture<'_>, settings: &Resolved) -> Result<Vec<Derived>, RadiomicsError> {
    let Some(taps) = taps::of(&settings.wavelet) else {
        return Err(RadiomicsError::Unsupported {
            setting: "wavelet",
            reason: format!("there is no wavelet '{}'", settings.wavelet),
        });
    };
    let whole = picture.whole();
    let single = picture.kind == Kind::Single;
    let kind = if single { Kind::Single } else { Kind::Double };
    let data: Vec<(String, Vec<f64>)> = if single {
        let x: Vec<f32> = whole.data.iter().map(|&v| v as f32).collect();
        let bands = levels(x, whole.grid.dims, &taps.low_single, &taps.high_single, settings);
        bands.into_iter().map(|(n, b)| (n, b.into_iter().map(f64::from).collect())).collect()
    } else {
        levels(whole.data, whole.grid.dims, &taps.low, &taps.high, settings)
    };
    let grid = picture.grid;
    Ok(data
        .into_iter()
        .map(|(name, data)| Derived { name, image: Some(Image { grid: grid.clone(), kind, data }) })
        .collect())
}

/// Numbers that the transform is done in.
trait Real: Copy + Default + std::ops::AddAssign + std::ops::Mul<Output = Self> {}
impl Real for f32 {}
impl Real for f64 {}

/// The axes (0 = x) that are transformed, in order.
fn axes(settings: &Resolved) -> Vec<usize> {
    let flat = settings.force_2d.then(|| 2 - usize::from(settings.force_2d_dimension.min(2)));
    (0..3).filter(|&a| Some(a) != flat).collect()
}

fn levels<T: Real>(
    data: Vec<T>,
    dims: [usize; 3],
    low: &[T],
    high: &[T],
    settings: &Resolved,
) -> Vec<(String, Vec<T>)> {
    let axes = axes(settings);
    let even = dims.map(|d| d + d % 2);
    let mut current = wrapped(&data, dims, even);
    drop(data);
    let approximation = 0;
    for _ in 0..settings.start_level {
        current = bands(&current, even, &axes, low, high, &[approximation]).swap_remove(0);
    }
    let all: Vec<usize> = (0..1 << axes.len()).collect();
    let mut names = names::wavelet_names(settings).into_iter();
    let mut out = Vec::new();
    for _ in 0..settings.level {
        let mut b = bands(&current, even, &axes, low, high, &all);
        current = b.remove(approximation);
        for band in b {
            out.push((names.next().unwrap_or_default(), cropped(&band, even, dims)));
        }
    }
    out.push((names.next().unwrap_or_default(), cropped(&current, even, dims)));
    out
}

/// Odd sizes are completed by one sample from the other end.
fn wrapped<T: Real>(data: &[T], dims: [usize; 3], even: [usize; 3]) -> Vec<T> {
    let mut out = Vec::with_capacity(even.iter().product());
    for z in 0..even[2] {
        for y in 0..even[1] {
            let at = (z % dims[2] * dims[1] + y % dims[1]) * dims[0];
            let row = &data[at..at + dims[0]];
            out.extend_from_slice(row);
            if even[0] > dims[0] {
                out.push(row[0]);
            }
        }
    }
    out
}

fn cropped<T: Real>(data: &[T], even: [usize; 3], dims: [usize; 3]) -> Vec<T> {
    let mut out = Vec::with_capacity(dims.iter().product());
    for z in 0..dims[2] {
        for y in 0..dims[1] {
            let at = (z * even[1] + y) * even[0];
            out.extend_from_slice(&data[at..at + dims[0]]);
        }
    }
    out
}

/// The wanted sub-bands of one level; the bits of a band's number are high-pass flags, the first axis highest.
fn bands<T: Real>(
    data: &[T],
    dims: [usize; 3],
    axes: &[usize],
    low: &[T],
    high: &[T],
    wanted: &[usize],
) -> Vec<Vec<T>> {
    let mut current: Vec<(usize, Vec<T>)> = vec![(0, Vec::new())];
    for (n, &axis) in axes.iter().enumerate() {
        let left = axes.len() - n - 1;
        let mut next = Vec::new();
        for (code, values) in current {
            let from: &[T] = if n == 0 { data } else { &values };
            for (bit, taps) in [(0, low), (1, high)] {
                let code = code << 1 | bit;
                if wanted.iter().any(|w| w >> left == code) {
                    next.push((code, convolve(from, dims, axis, taps)));
                }
            }
        }
        current = next;
    }
    current.into_iter().map(|(_, v)| v).collect()
}

/// `out[n] = Σ_k taps[k]·x[(n + F/2 − k) mod N]` along an axis.
///
/// The order of the sum matters in single precision. It is that of PyWavelets: ascending `k`, except that where samples
/// beyond the end are taken from the beginning these come first, in descending `k`.
fn convolve<T: Real>(x: &[T], dims: [usize; 3], axis: usize, taps: &[T]) -> Vec<T> {
    let stride: usize = dims[..axis].iter().product();
    let len = dims[axis];
    let half = taps.len() / 2;
    let mut out = vec![T::default(); x.len()];
    // Samples and taps of every output that wraps, and of all outputs when the line is shorter than the filter.
    let plain = if len >= taps.len() { len - half } else { 0 };
    let pairs: Vec<Vec<(usize, T)>> = (plain..len)
        .map(|n| {
            let i = n + half;
            let wrapped = (i + 1).saturating_sub(len);
            let order = (0..wrapped).rev().chain(wrapped..taps.len());
            order.map(|k| ((i + len * taps.len() - k) % len, taps[k])).collect()
        })
        .collect();
    for (x, o) in x.chunks_exact(stride * len).zip(out.chunks_exact_mut(stride * len)) {
        // Outputs that read nothing beyond the end: each tap adds one or two shifted stretches.
        let plain_end = plain * stride;
        for (k, &t) in taps.iter().enumerate().filter(|_| plain > 0) {
            let (head, from) = if k > half { ((k - half) * stride, 0) } else { (0, (half - k) * stride) };
            let head = head.min(plain_end);
            if head > 0 {
                let tail = x.len() - (k - half) * stride;
                for (o, &v) in o[..head].iter_mut().zip(&x[tail..]) {
                    *o += t * v;
                }
            }
            for (o, &v) in o[head..plain_end].iter_mut().zip(&x[from..]) {
                *o += t * v;
            }
        }
        for (n, pairs) in (plain..len).zip(&pairs) {
            let o = &mut o[n * stride..(n + 1) * stride];
            for &(from, t) in pairs {
                for (o, &v) in o.iter_mut().zip(&x[from * stride..(from + 1) * stride]) {
                    *o += t * v;
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn convolution_is_its_definition(
            len in 2..20_usize,
            axis in 0..3_usize,
            taps in proptest::collection::vec(-2.0..2.0_f64, 1..6),
            seed in any::<u32>(),
        ) {
            let taps: Vec<f64> = taps.iter().chain(&taps).copied().collect();
            let mut dims = [3, 2, 4];
            dims[axis] = len;
            let n: usize = dims.iter().product();
            let x: Vec<f64> = (0..n as u32).map(|k| f64::from((k ^ seed).wrapping_mul(2654435761) >> 22)).collect();
            let got = convolve(&x, dims, axis, &taps);
            let stride: usize = dims[..axis].iter().product();
            for p in 0..n {
                let at = p / stride % len;
                let want: f64 = (0..taps.len())
                    .map(|k| {
                        let from = (at + taps.len() / 2 + len * taps.len() - k) % len;
                        taps[k] * x[p - at * stride + from * stride]
                    })
                    .sum();
                prop_assert!((got[p] - want).abs() < 1e-9, "{} {}", got[p], want);
            }
        }
    }
}
