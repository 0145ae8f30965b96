//! Interpolating cubic B-splines.
//!
//! Prefilter and mirror boundary after M. Unser, A. Aldroubi, M. Eden, B-spline signal processing, IEEE Trans. Signal
//! Process. 41 (1993).

use crate::Volume;
use rayon::prelude::*;

/// A volume as cubic B-spline coefficients.
#[derive(Clone, Debug)]
pub struct BsplineVolume {
    coefficients: Vec<f32>,
    dims: [usize; 3],
}

impl BsplineVolume {
    /// Computes the coefficients. A volume without voxels gives 0 everywhere.
    pub fn new(volume: &Volume<f32>) -> Self {
        let dims = volume.grid.dims;
        let mut c = volume.values().to_vec();
        let [nx, ny, nz] = dims;
        if !c.is_empty() {
            c.par_chunks_mut(nx * ny).for_each(|slice| {
                let mut line = Vec::with_capacity(nx.max(ny));
                for row in slice.chunks_mut(nx) {
                    filter(&mut line, row, 0, 1, nx);
                }
                for i in 0..nx {
                    filter(&mut line, slice, i, nx, ny);
                }
            });
            // Lines across slices, gathered row by row so that threads write to separate parts.
            let turned: Vec<Vec<f32>> = (0..ny)
                .into_par_iter()
                .map(|j| {
                    let mut part: Vec<f32> =
                        (0..nz).flat_map(|k| c[(k * ny + j) * nx..(k * ny + j + 1) * nx].iter().copied()).collect();
                    let mut line = Vec::with_capacity(nz);
                    for i in 0..nx {
                        filter(&mut line, &mut part, i, nx, nz);
                    }
                    part
                })
                .collect();
            for k in 0..nz {
                for (j, part) in turned.iter().enumerate() {
                    c[(k * ny + j) * nx..(k * ny + j + 1) * nx].copy_from_slice(&part[k * nx..(k + 1) * nx]);
                }
            }
        }
        Self { coefficients: c, dims }
    }

    /// The value at a fractional voxel index; the volume is mirrored at its border voxels.
    pub fn at(&self, index: [f64; 3]) -> f64 {
        if self.coefficients.is_empty() {
            return 0.0;
        }
        let mut place = [[0usize; 4]; 3];
        let mut weight = [[0.0f64; 4]; 3];
        for a in 0..3 {
            let base = index[a].floor();
            weight[a] = weights(index[a] - base);
            for (n, p) in place[a].iter_mut().enumerate() {
                *p = mirror(base as isize - 1 + n as isize, self.dims[a]);
            }
        }
        let mut sum = 0.0;
        for c in 0..4 {
            for b in 0..4 {
                let row = (place[2][c] * self.dims[1] + place[1][b]) * self.dims[0];
                let mut line = 0.0;
                for a in 0..4 {
                    line += weight[0][a] * f64::from(self.coefficients[row + place[0][a]]);
                }
                sum += weight[2][c] * weight[1][b] * line;
            }
        }
        sum
    }
}

// Cubic B-spline at 1 + t, t, 1 − t, 2 − t.
fn weights(t: f64) -> [f64; 4] {
    let s = 1.0 - t;
    [s * s * s / 6.0, 2.0 / 3.0 - t * t * (2.0 - t) / 2.0, 2.0 / 3.0 - s * s * (2.0 - s) / 2.0, t * t * t / 6.0]
}

// Reflection about the first and the last sample.
fn mirror(n: isize, count: usize) -> usize {
    if count == 1 {
        return 0;
    }
    let period = 2 * (count as isize - 1);
    let m = n.rem_euclid(period);
    (if m >= count as isize { period - m } else { m }) as usize
}

// Causal and anticausal recursion along one line of an array.
fn filter(line: &mut Vec<f64>, data: &mut [f32], start: usize, stride: usize, count: usize) {
    if count == 1 {
        return;
    }
    let pole = 3f64.sqrt() - 2.0;
    line.clear();
    line.extend((0..count).map(|n| f64::from(data[start + n * stride]) * 6.0));
    // The first value of the causal filter on the mirrored signal: exact sum over one period.
    let period = 2 * (count - 1);
    let mut z = 1.0;
    let mut sum = 0.0;
    for n in 0..period {
        let m = if n < count { n } else { period - n };
        sum += z * line[m];
        z *= pole;
        if z.abs() < 1e-18 {
            break;
        }
    }
    line[0] = sum / (1.0 - pole.powi(period.min(1 << 20) as i32));
    for n in 1..count {
        line[n] += pole * line[n - 1];
    }
    line[count - 1] = pole / (pole * pole - 1.0) * (line[count - 1] + pole * line[count - 2]);
    for n in (0..count - 1).rev() {
        line[n] = pole * (line[n + 1] - line[n]);
    }
    for (n, v) in line.iter().enumerate() {
        data[start + n * stride] = *v as f32;
    }
}
