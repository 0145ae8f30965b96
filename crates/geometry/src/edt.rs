//! Exact Euclidean distance transforms.
//!
//! Separable lower envelopes of parabolas (P. Felzenszwalb, D. Huttenlocher, Distance transforms of sampled functions,
//! Theory of Computing 8, 2012): cost proportional to the number of voxels, exact for any spacing.

use crate::{Mask, Volume};
use rayon::prelude::*;

/// Why distances cannot be computed on a grid.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the grid axes are not at right angles; distances by axis spacing would be wrong")]
pub struct ShearedGrid;

/// Squared distance (mm²) of every voxel centre to the nearest set voxel centre; infinite when no voxel is set.
/// `mask` has `i` fastest. Relative error below 1e-6 (single precision storage).
///
/// # Panics
/// When the mask does not have `dims[0]·dims[1]·dims[2]` values.
pub fn squared_distance(mask: &[u8], dims: [usize; 3], spacing: [f64; 3]) -> Vec<f32> {
    let [nx, ny, nz] = dims;
    assert_eq!(mask.len(), nx * ny * nz, "one value per voxel");
    if mask.is_empty() {
        return Vec::new();
    }
    // Along rows and columns, slice by slice.
    let mut planes = vec![0f32; mask.len()];
    planes.par_chunks_mut(nx * ny).zip(mask.par_chunks(nx * ny)).for_each(|(out, set)| {
        for (o, s) in out.chunks_mut(nx).zip(set.chunks(nx)) {
            row_distance(s, spacing[0], o);
        }
        let mut line = Envelope::new(ny);
        for i in 0..nx {
            line.load((0..ny).map(|j| out[j * nx + i]));
            line.transform(spacing[1], |j, d| out[j * nx + i] = d);
        }
    });
    if nz == 1 {
        return planes;
    }
    // Along slices, in an array with slices and rows exchanged so that threads write to separate parts.
    let mut turned = vec![0f32; mask.len()];
    turned.par_chunks_mut(nx * nz).enumerate().for_each(|(j, out)| {
        let mut line = Envelope::new(nz);
        for i in 0..nx {
            line.load((0..nz).map(|k| planes[(k * ny + j) * nx + i]));
            line.transform(spacing[2], |k, d| out[k * nx + i] = d);
        }
    });
    planes.par_chunks_mut(nx * ny).enumerate().for_each(|(k, out)| {
        for (j, row) in out.chunks_mut(nx).enumerate() {
            row.copy_from_slice(&turned[(j * nz + k) * nx..(j * nz + k) * nx + nx]);
        }
    });
    planes
}

/// Signed distance (mm): outside the distance to the nearest set voxel centre, inside minus the distance to the nearest
/// unset voxel centre. Voxels beyond the array do not count as unset. Infinite where the other kind does not exist.
pub fn signed_distance(mask: &[u8], dims: [usize; 3], spacing: [f64; 3]) -> Vec<f32> {
    let mut out = squared_distance(mask, dims, spacing);
    let complement: Vec<u8> = mask.iter().map(|&m| u8::from(m == 0)).collect();
    let inside = squared_distance(&complement, dims, spacing);
    for ((o, &i), &m) in out.iter_mut().zip(&inside).zip(mask) {
        *o = if m == 0 { o.sqrt() } else { -i.sqrt() };
    }
    out
}

/// [`signed_distance`] of a mask on its grid.
///
/// # Errors
/// When the grid is sheared.
pub fn signed_distance_volume(mask: &Mask) -> Result<Volume<f32>, ShearedGrid> {
    if !mask.grid.is_orthogonal(1e-4) {
        return Err(ShearedGrid);
    }
    let values = signed_distance(mask.values(), mask.grid.dims, mask.grid.spacing());
    Ok(Volume::from_vec(mask.grid.clone(), values))
}

// Squared distance along one row by two sweeps.
fn row_distance(set: &[u8], spacing: f64, out: &mut [f32]) {
    let mut last: Option<usize> = None;
    for i in 0..set.len() {
        if set[i] != 0 {
            last = Some(i);
        }
        out[i] = last.map_or(f32::INFINITY, |l| square((i - l) as f64 * spacing));
    }
    last = None;
    for i in (0..set.len()).rev() {
        if set[i] != 0 {
            last = Some(i);
        }
        if let Some(l) = last {
            out[i] = out[i].min(square((l - i) as f64 * spacing));
        }
    }
}

fn square(x: f64) -> f32 {
    (x * x) as f32
}

// The lower envelope of parabolas along one line.
struct Envelope {
    height: Vec<f64>,
    place: Vec<usize>,
    from: Vec<f64>,
}

impl Envelope {
    fn new(count: usize) -> Self {
        Self { height: vec![0.0; count], place: vec![0; count], from: vec![0.0; count + 1] }
    }

    fn load(&mut self, values: impl Iterator<Item = f32>) {
        for (h, v) in self.height.iter_mut().zip(values) {
            *h = f64::from(v);
        }
    }

    fn transform(&mut self, spacing: f64, mut write: impl FnMut(usize, f32)) {
        let n = self.height.len();
        let mut count = 0;
        for q in 0..n {
            if !self.height[q].is_finite() {
                continue;
            }
            let x = q as f64 * spacing;
            loop {
                if count == 0 {
                    self.from[0] = f64::NEG_INFINITY;
                    break;
                }
                let p = self.place[count - 1];
                let y = p as f64 * spacing;
                let cross = ((self.height[q] + x * x) - (self.height[p] + y * y)) / (2.0 * (x - y));
                if cross > self.from[count - 1] {
                    self.from[count] = cross;
                    break;
                }
                count -= 1;
            }
            self.place[count] = q;
            count += 1;
        }
        if count == 0 {
            return (0..n).for_each(|q| write(q, f32::INFINITY));
        }
        let mut part = 0;
        for q in 0..n {
            let x = q as f64 * spacing;
            while part + 1 < count && self.from[part + 1] < x {
                part += 1;
            }
            let p = self.place[part];
            let d = x - p as f64 * spacing;
            write(q, (d * d + self.height[p]) as f32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn brute(mask: &[u8], dims: [usize; 3], spacing: [f64; 3]) -> Vec<f64> {
        let at = |n: usize| [n % dims[0], n / dims[0] % dims[1], n / dims[0] / dims[1]];
        let d2 = |a: usize, b: usize| -> f64 {
            let (a, b) = (at(a), at(b));
            (0..3).map(|c| ((a[c] as f64 - b[c] as f64) * spacing[c]).powi(2)).sum()
        };
        let set: Vec<usize> = (0..mask.len()).filter(|&n| mask[n] != 0).collect();
        (0..mask.len()).map(|n| set.iter().map(|&s| d2(n, s)).fold(f64::INFINITY, f64::min)).collect()
    }

    proptest! {
        #[test]
        fn equals_brute_force(
            dims in prop::array::uniform3(1usize..9), spacing in prop::array::uniform3(0.3f64..4.0),
            seed in prop::collection::vec(0u8..12, 512),
        ) {
            let n = dims.iter().product::<usize>();
            let mask: Vec<u8> = seed[..n].iter().map(|&v| u8::from(v == 0)).collect();
            let truth = brute(&mask, dims, spacing);
            for (a, b) in squared_distance(&mask, dims, spacing).iter().zip(&truth) {
                let a = f64::from(*a);
                prop_assert!(a == *b || (a - b).abs() <= 1e-6 * b, "{a} {b}");
            }
        }
    }

    #[test]
    fn signed_distance_of_a_slab() {
        let mask: Vec<u8> = (0..10).map(|i| u8::from((3..7).contains(&i))).collect();
        let d = signed_distance(&mask, [10, 1, 1], [2.0, 1.0, 1.0]);
        assert_eq!(d, vec![6.0, 4.0, 2.0, -2.0, -4.0, -4.0, -2.0, 2.0, 4.0, 6.0]);
        assert!(signed_distance(&[0, 0], [2, 1, 1], [1.0; 3]).iter().all(|d| *d == f32::INFINITY));
    }

    #[test]
    fn empty_array_is_allowed() {
        assert!(squared_distance(&[], [0, 3, 3], [1.0; 3]).is_empty());
    }
}
