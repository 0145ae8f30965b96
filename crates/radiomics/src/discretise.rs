//! Grey levels: bins of fixed width or fixed number, and the padded array in which neighbours are looked up.

use crate::{error::RadiomicsError, image::Kind, numeric::floor_mod, roi::Roi};

/// More grey levels than this cannot be told apart in the padded array.
const MAX_LEVELS: usize = 65_534;
/// Bin numbers beyond this would need tables of gigabytes.
const MAX_BIN: f64 = 1e7;

/// How grey levels are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Binning {
    /// Bins of this width, aligned at multiples of it.
    Width(f64),
    /// This many bins between minimum and maximum.
    Count(u32),
}

/// Bin numbers (from 1) of the values of a region.
///
/// The edges are numpy's: `arange` from the largest multiple of the width that is not above the minimum, or `linspace`
/// with the last edge raised by one. A value on an edge belongs to the upper bin.
pub(crate) fn bins(values: &[f64], kind: Kind, how: Binning, image_type: &str) -> Result<Vec<u32>, RadiomicsError> {
    let (mut lo, mut hi) = (f64::INFINITY, f64::NEG_INFINITY);
    for &v in values {
        lo = lo.min(v);
        hi = hi.max(v);
    }
    if values.iter().any(|v| !v.is_finite()) {
        return Err(RadiomicsError::NotFinite { image_type: image_type.to_owned() });
    }
    let edges = match how {
        Binning::Width(w) => {
            let start = lo - floor_mod(lo, w);
            let n = ((hi + 2.0 * w - start) / w).ceil();
            if n > MAX_BIN {
                return Err(RadiomicsError::TooManyGreyLevels {
                    image_type: image_type.to_owned(),
                    levels: n,
                    maximum: MAX_BIN,
                });
            }
            let delta = (start + w) - start;
            let mut e: Vec<f64> = (0..n as usize).map(|k| start + k as f64 * delta).collect();
            if e.len() == 1 {
                e = vec![e[0] - 0.5, e[0] + 0.5];
            }
            e
        }
        Binning::Count(n) => {
            let (a, b) = if lo == hi { (lo - 0.5, hi + 0.5) } else { (lo, hi) };
            let single = |v: f64| if kind == Kind::Single { f64::from(v as f32) } else { v };
            let step = (b - a) / f64::from(n);
            let mut e: Vec<f64> = (0..n).map(|k| single(f64::from(k) * step + a)).collect();
            e.push(single(single(b) + 1.0));
            e
        }
    };
    // A guess by division is put right against the edges, so that rounding of the division never moves a value.
    let scale = edges.len().saturating_sub(1) as f64 / (edges[edges.len() - 1] - edges[0]);
    let scale = match how {
        Binning::Width(w) => 1.0 / w,
        Binning::Count(n) if hi > lo => f64::from(n) / (hi - lo),
        Binning::Count(_) => scale,
    };
    let first = edges[0];
    Ok(values
        .iter()
        .map(|&v| {
            let mut k = (((v - first) * scale) as usize).min(edges.len() - 1);
            while k > 0 && v < edges[k] {
                k -= 1;
            }
            while k + 1 < edges.len() && v >= edges[k + 1] {
                k += 1;
            }
            k as u32 + 1
        })
        .collect())
}

/// The grey levels of a region in an array with a border, ready for looking up neighbours.
pub(crate) struct Levels {
    /// Bin number of each level that is present, ascending.
    pub(crate) bins: Vec<u32>,
    /// Number of voxels of each level.
    pub(crate) counts: Vec<u32>,
    /// 0 outside, else 1 + index of the level; with `pad` voxels around the box.
    pub(crate) grid: Vec<u16>,
    /// Positions of the region's voxels in `grid`, scan order.
    pub(crate) at: Vec<u32>,
    /// Size of the box (x, y, z).
    pub(crate) dims: [usize; 3],
    /// Steps in `grid` along y and z.
    pub(crate) stride: [isize; 2],
    /// Border.
    pub(crate) pad: usize,
}

impl Levels {
    /// Arranges the bin numbers of a region's voxels.
    pub(crate) fn new(roi: &Roi, bin: &[u32], pad: usize, image_type: &str) -> Result<Self, RadiomicsError> {
        let highest = bin.iter().copied().max().unwrap_or(0) as usize;
        let mut counts = vec![0_u32; highest + 1];
        for &b in bin {
            counts[b as usize] += 1;
        }
        let present: Vec<u32> = (0..=highest).filter(|&b| counts[b] > 0).map(|b| b as u32).collect();
        if present.len() > MAX_LEVELS {
            return Err(RadiomicsError::TooManyGreyLevels {
                image_type: image_type.to_owned(),
                levels: present.len() as f64,
                maximum: MAX_LEVELS as f64,
            });
        }
        let mut index = vec![0_u16; highest + 1];
        for (n, &b) in present.iter().enumerate() {
            index[b as usize] = n as u16 + 1;
        }
        let size = roi.dims.map(|d| d + 2 * pad);
        let mut grid = vec![0_u16; size.iter().product()];
        let mut at = Vec::with_capacity(bin.len());
        for (&p, &b) in roi.inside.iter().zip(bin) {
            let p = p as usize;
            let (x, rest) = (p % roi.dims[0], p / roi.dims[0]);
            let (y, z) = (rest % roi.dims[1], rest / roi.dims[1]);
            let q = ((z + pad) * size[1] + y + pad) * size[0] + x + pad;
            grid[q] = index[b as usize];
            at.push(q as u32);
        }
        let counts = present.iter().map(|&b| counts[b as usize]).collect();
        let stride = [size[0] as isize, (size[0] * size[1]) as isize];
        Ok(Self { bins: present, counts, grid, at, dims: roi.dims, stride, pad })
    }

    /// Number of levels present.
    pub(crate) fn len(&self) -> usize {
        self.bins.len()
    }

    /// Step in `grid` for an offset (dz, dy, dx).
    pub(crate) fn step(&self, o: [i32; 3]) -> isize {
        o[0] as isize * self.stride[1] + o[1] as isize * self.stride[0] + o[2] as isize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_belong_to_the_upper_bin() {
        let v = [-30.0, -25.0, -0.5, 0.0, 24.9, 25.0];
        let got = bins(&v, Kind::Double, Binning::Width(25.0), "").expect("bins");
        assert_eq!(got, [1, 2, 2, 3, 3, 4]);
        let got = bins(&[0.0, 1.0, 2.0, 3.0, 4.0], Kind::Double, Binning::Count(4), "").expect("bins");
        assert_eq!(got, [1, 2, 3, 4, 4]);
        assert_eq!(bins(&[7.0; 3], Kind::Double, Binning::Count(4), "").expect("bins"), [3; 3]);
        assert!(bins(&[0.0, 1.0], Kind::Double, Binning::Width(1e-9), "").is_err());
        assert!(bins(&[0.0, f64::NAN], Kind::Double, Binning::Width(1.0), "").is_err());
    }
}
