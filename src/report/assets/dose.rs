//! Dose grid → 16-bit steps, planar predictor, raw deflate.

use super::super::ReportError;
use super::pack::{deflate_base64, split_bytes, zigzag16};
use rtpipeline_geometry::Grid;
use serde::{Deserialize, Serialize};

/// Largest base64 size of one grid, bytes.
const BUDGET: usize = 600_000;

/// A dose grid to be encoded.
#[derive(Clone, Copy, Debug)]
pub struct DoseInput<'a> {
    /// Where the values are; regular (resample a grid with uneven plane distances first).
    pub grid: &'a Grid,
    /// Gy, `i` fastest.
    pub values: &'a [f32],
    /// How the select box names it.
    pub label: &'a str,
    /// Prescription, Gy; isodose levels are percent of it when it is known.
    pub prescription_gy: Option<f64>,
}

/// An encoded dose grid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DoseBlock {
    /// Label as given.
    pub label: String,
    /// Box of all voxels with at least 1 % of the maximum, and one voxel around it.
    pub grid: Grid,
    /// Gy of one unit.
    pub step_gy: f64,
    /// Largest dose, Gy.
    pub max_gy: f64,
    /// Prescription, Gy.
    pub prescription_gy: Option<f64>,
    /// Words of 16 bits: a + b − c predicted within each slice, zigzag; low bytes, then high bytes; raw deflate, base64.
    pub data: String,
}

/// Encodes a dose grid: cropped to where it matters, step `max(0.01 Gy, maximum / 65,000)`, coarser while the block
/// exceeds 600 kB. Values that are not finite or negative become 0.
///
/// # Errors
/// When the number of values is not that of the grid, or when there is no dose at all.
pub fn encode_dose(dose: &DoseInput<'_>) -> Result<DoseBlock, ReportError> {
    let what = if dose.label.is_empty() { "the dose" } else { dose.label };
    if dose.values.len() != dose.grid.len() || dose.grid.is_empty() {
        return Err(ReportError::input(
            what,
            format!("it has {} values for a grid of {} voxels", dose.values.len(), dose.grid.len()),
        ));
    }
    let max = dose.values.iter().copied().filter(|v| v.is_finite()).fold(0.0f32, f32::max) as f64;
    if max <= 0.0 {
        return Err(ReportError::input(what, "it is zero everywhere"));
    }
    let (start, dims) = crop(dose, 0.01 * max);
    let grid = dose.grid.window(start, dims);
    let mut step = (max / 65_000.0).max(0.01);
    loop {
        let data = deflate_base64(&split_bytes(&predict(dose, start, dims, step)), "dose")?;
        // Beyond 1 % of the maximum a coarser step would be seen; a grid that large is kept.
        if data.len() <= BUDGET || step * 2.0 > 0.01 * max {
            return Ok(DoseBlock {
                label: dose.label.to_owned(),
                grid,
                step_gy: step,
                max_gy: max,
                prescription_gy: dose.prescription_gy.filter(|p| p.is_finite() && *p > 0.0),
                data,
            });
        }
        step *= 2.0;
    }
}

fn crop(dose: &DoseInput<'_>, threshold: f64) -> ([usize; 3], [usize; 3]) {
    let n = dose.grid.dims;
    let (mut low, mut high) = (n, [0; 3]);
    for (at, v) in dose.values.iter().enumerate() {
        if v.is_finite() && *v as f64 >= threshold {
            for (a, p) in [at % n[0], at / n[0] % n[1], at / (n[0] * n[1])].into_iter().enumerate() {
                low[a] = low[a].min(p);
                high[a] = high[a].max(p);
            }
        }
    }
    let start = low.map(|v| v.saturating_sub(1));
    let dims = [0, 1, 2].map(|a| (high[a] + 2).min(n[a]) - start[a]);
    (start, dims)
}

fn predict(dose: &DoseInput<'_>, start: [usize; 3], dims: [usize; 3], step: f64) -> Vec<u16> {
    let n = dose.grid.dims;
    let mut words = Vec::with_capacity(dims.iter().product());
    let mut above = vec![0u16; dims[0]];
    let mut row = vec![0u16; dims[0]];
    for k in 0..dims[2] {
        above.fill(0);
        for j in 0..dims[1] {
            let from = ((start[2] + k) * n[1] + start[1] + j) * n[0] + start[0];
            for (i, v) in dose.values[from..from + dims[0]].iter().enumerate() {
                let v = if v.is_finite() { (*v as f64).max(0.0) } else { 0.0 };
                row[i] = (v / step).round().min(65_535.0) as u16;
                let (left, corner) = if i > 0 { (row[i - 1], above[i - 1]) } else { (0, 0) };
                let guess = left.wrapping_add(above[i]).wrapping_sub(corner);
                words.push(zigzag16(row[i].wrapping_sub(guess) as i16));
            }
            std::mem::swap(&mut above, &mut row);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::super::pack::{inflate_base64, join_bytes, unzigzag16};
    use super::*;

    fn decode(block: &DoseBlock) -> Vec<f64> {
        let words = join_bytes(&inflate_base64(&block.data, "dose").unwrap());
        let [nx, ny, nz] = block.grid.dims;
        let mut out = vec![0u16; nx * ny * nz];
        for (at, w) in words.iter().enumerate() {
            let (i, j) = (at % nx, at / nx % ny);
            let get = |ok: bool, back: usize| if ok { out[at - back] } else { 0 };
            let guess = get(i > 0, 1).wrapping_add(get(j > 0, nx)).wrapping_sub(get(i > 0 && j > 0, nx + 1));
            out[at] = guess.wrapping_add(unzigzag16(*w) as u16);
        }
        out.iter().map(|v| *v as f64 * block.step_gy).collect()
    }

    fn input<'a>(grid: &'a Grid, values: &'a [f32]) -> DoseInput<'a> {
        DoseInput { grid, values, label: "", prescription_gy: None }
    }

    #[test]
    fn values_come_back_within_half_a_step_at_their_place() {
        for top in [62.0f32, 2043.0] {
            let grid = Grid::axis_aligned([40, 30, 20], [-51.3, -20.0, 7.5], [2.5, 2.5, 3.0]);
            let value = |i: usize, j: usize, k: usize| {
                let r2 = (i as f32 - 22.0).powi(2) + (j as f32 - 14.0).powi(2) + (k as f32 - 9.0).powi(2);
                top * (-r2 / 18.0).exp()
            };
            let values: Vec<f32> = (0..grid.len()).map(|n| value(n % 40, n / 40 % 30, n / 1200)).collect();
            let block = encode_dose(&input(&grid, &values)).unwrap();
            assert!(block.grid.len() < grid.len() / 2, "cropped");
            assert!(block.step_gy >= 0.01 && block.step_gy <= (top as f64 / 65_000.0).max(0.01));
            for (n, back) in decode(&block).iter().enumerate() {
                let [nx, ny, _] = block.grid.dims;
                let p = block.grid.world([(n % nx) as f64, (n / nx % ny) as f64, (n / (nx * ny)) as f64]);
                let at = grid.index(p).map(|v| v.round() as usize);
                let truth = value(at[0], at[1], at[2]) as f64;
                assert!((back - truth).abs() <= block.step_gy / 2.0 + 1e-4 * truth.max(1.0) * 1e-2, "{back} {truth}");
            }
        }
    }

    #[test]
    fn no_dose_is_said_and_bad_values_are_zero() {
        let grid = Grid::axis_aligned([3, 3, 1], [0.0; 3], [1.0; 3]);
        assert!(encode_dose(&input(&grid, &[0.0; 9])).is_err());
        assert!(encode_dose(&input(&grid, &[1.0; 8])).is_err());
        let mut values = [f32::NAN; 9];
        values[4] = 2.0;
        values[0] = -5.0;
        let block = encode_dose(&input(&grid, &values)).unwrap();
        let back = decode(&block);
        assert_eq!(back.len(), 9);
        assert!((back[4] - 2.0).abs() < 1e-9 && back.iter().enumerate().all(|(n, v)| n == 4 || *v == 0.0));
    }

    #[test]
    fn noise_is_made_coarser_to_fit() {
        let grid = Grid::axis_aligned([120, 120, 60], [0.0; 3], [3.0; 3]);
        let mut state = 3u64;
        let values: Vec<f32> = (0..grid.len())
            .map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                30.0 + (state >> 40) as f32 / (1u64 << 24) as f32 * 0.5
            })
            .collect();
        let block = encode_dose(&input(&grid, &values)).unwrap();
        assert!(block.data.len() <= BUDGET && block.step_gy > 0.01, "{} {}", block.data.len(), block.step_gy);
    }
}
