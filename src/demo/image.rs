//! The planning CT.

use super::phantom::{Patient, hash, noise, unit};
use rayon::prelude::*;
use rtpipeline_geometry::{Grid, Vec3, Volume};

/// Columns, rows, slices.
const DIMS: [usize; 3] = [160, 128, 80];
/// Distance of columns, rows and slices, mm.
const SPACING: [f64; 3] = [2.5, 2.75, 3.0];
/// Middle of the volume, mm.
const CENTRE: Vec3 = [0.0, 4.0, -13.5];
/// Standard deviation of the noise, HU.
const NOISE: f64 = 12.0;
/// Standard deviation of the texture in the lungs and its grain, HU and mm.
const TEXTURE: (f64, f64) = (55.0, 7.0);

/// The grid of the images: axial, or turned about x and z by the given angles in degrees.
pub(super) fn grid(turn: Option<(f64, f64)>) -> Grid {
    let (about_x, about_z) = turn.unwrap_or((0.0, 0.0));
    let (sx, cx) = about_x.to_radians().sin_cos();
    let (sz, cz) = about_z.to_radians().sin_cos();
    // Columns of Rz·Rx.
    let axes = [[cz, sz, 0.0], [-sz * cx, cz * cx, sx], [sz * sx, -cz * sx, cx]];
    let step = [0, 1, 2].map(|a| axes[a].map(|c| c * SPACING[a]));
    let half = DIMS.map(|d| (d - 1) as f64 / 2.0);
    let origin = [0, 1, 2].map(|c| CENTRE[c] - (0..3).map(|a| half[a] * step[a][c]).sum::<f64>());
    Grid { dims: DIMS, origin, step }
}

/// HU of the patient on a grid, with noise that depends on seed and voxel alone.
pub(super) fn ct(patient: &Patient, grid: &Grid, seed: u64) -> Volume<i16> {
    let [columns, rows, _] = grid.dims;
    let seed = hash(seed);
    let mut volume = Volume::filled(grid.clone(), 0_i16);
    volume.values_mut().par_chunks_mut(columns * rows).enumerate().for_each(|(k, slice)| {
        for (n, out) in slice.iter_mut().enumerate() {
            let p = grid.world([(n % columns) as f64, (n / columns) as f64, k as f64]);
            let mut hu = patient.hu(p);
            if hu < -700.0 && hu > -900.0 {
                hu += TEXTURE.0 * lattice_noise(p, TEXTURE.1, seed);
            }
            // Detectors end at air.
            hu += NOISE * noise(seed ^ (k * columns * rows + n) as u64);
            *out = hu.round().clamp(-1024.0, 3071.0) as i16;
        }
    });
    volume
}

/// Smooth noise of about unit variance: random values on a lattice, interpolated.
fn lattice_noise(p: Vec3, grain: f64, seed: u64) -> f64 {
    let t = p.map(|v| v / grain);
    let base = t.map(f64::floor);
    let f = [0, 1, 2].map(|a| t[a] - base[a]);
    let mut sum = 0.0;
    for corner in 0..8_u64 {
        let bit = |a: usize| (corner >> a) & 1;
        let weight: f64 = (0..3).map(|a| if bit(a) == 1 { f[a] } else { 1.0 - f[a] }).product();
        let cell = (0..3).fold(seed, |h, a| hash(h ^ (base[a] as i64 + bit(a) as i64) as u64));
        sum += weight * (2.0 * unit(cell) - 1.0);
    }
    // Interpolation takes away variance; 3 restores about one on average.
    3.0 * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turned_grids_are_right_angled_and_share_the_middle() {
        for turn in [None, Some((8.0, -5.0))] {
            let g = grid(turn);
            assert!(g.is_orthogonal(1e-12));
            assert!((g.voxel_volume_mm3() - 2.5 * 2.75 * 3.0).abs() < 1e-9);
            let middle = g.world(DIMS.map(|d| (d - 1) as f64 / 2.0));
            assert!((0..3).all(|a| (middle[a] - CENTRE[a]).abs() < 1e-9), "{middle:?}");
        }
    }
}
