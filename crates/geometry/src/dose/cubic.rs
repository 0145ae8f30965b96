//! Dose by cubic B-splines.

use super::{DoseField, DoseGrid, DoseSampler};
use crate::resample::BsplineVolume;
use crate::{Vec3, Volume};

/// A dose grid as an interpolating cubic B-spline. It does not cut peaks as trilinear interpolation does (error h²/8 times
/// the curvature), but would overshoot at steps: values are limited to the range of the 4 × 4 × 4 voxels around the point.
/// In the outermost cells, on uneven planes and beside unknown values it is trilinear.
#[derive(Clone, Debug)]
pub struct CubicSampler<'a> {
    dose: &'a DoseGrid,
    linear: DoseSampler<'a>,
    spline: Option<BsplineVolume>,
}

impl<'a> CubicSampler<'a> {
    /// Computes the coefficients; make one per dose and use it for all structures.
    pub fn new(dose: &'a DoseGrid) -> Self {
        let known = || dose.values.iter().all(|v| v.is_finite());
        let spline = match dose.grid() {
            Some(grid) if grid.dims.iter().all(|d| *d >= 4) && known() => {
                Some(BsplineVolume::new(&Volume { grid, data: dose.values.clone() }))
            }
            _ => None,
        };
        Self { dose, linear: dose.sampler(), spline }
    }

    // The spline at an index whose 4 × 4 × 4 neighbours all exist.
    fn inner(&self, p: Vec3) -> Option<f64> {
        let spline = self.spline.as_ref()?;
        let dims = self.dose.dims();
        let q = self.linear.coordinates(p);
        let per = (dims[2] - 1) as f64 / (self.dose.offsets[dims[2] - 1] - self.dose.offsets[0]);
        let index = [q[0], q[1], (q[2] - self.dose.offsets[0]) * per];
        if (0..3).any(|a| index[a].is_nan() || index[a] < 1.0 || index[a] >= dims[a] as f64 - 2.0) {
            return None;
        }
        let low = index.map(|x| x as usize - 1);
        let values = self.dose.values.as_slice()?;
        let (mut least, mut most) = (f32::INFINITY, f32::NEG_INFINITY);
        for k in low[2]..low[2] + 4 {
            for j in low[1]..low[1] + 4 {
                let row = (k * dims[1] + j) * dims[0] + low[0];
                for v in &values[row..row + 4] {
                    least = least.min(*v);
                    most = most.max(*v);
                }
            }
        }
        Some(spline.at(index).clamp(f64::from(least), f64::from(most)))
    }
}

impl DoseField for CubicSampler<'_> {
    fn dose_at(&self, p: Vec3) -> Option<f64> {
        self.inner(p).or_else(|| self.linear.trilinear(p))
    }
}
