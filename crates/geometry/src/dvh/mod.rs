//! Dose-volume histograms straight from contours and dose.
//!
//! The structure is the solid of its slabs ([`PlaneStack`]), the dose is continuous between voxel centres; voxels are
//! never counted. Results keep the distribution itself, so metrics do not come from bins.

mod distribution;
mod integrate;
mod surface;

pub use distribution::Distribution;
pub(crate) use integrate::sample_plane;
pub use integrate::{dvh, dvh_of_field};

use serde::{Deserialize, Serialize};

/// The pair of rules between planes and between dose voxels that a DVH was made with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DvhProfile {
    /// Every contour extruded half-way to its neighbours, half a spacing at ends; trilinear dose.
    #[default]
    SlabTrilinear,
    /// The same solid with cubic B-spline dose ([`crate::dose::CubicSampler`]).
    SlabCubic,
}

impl DvhProfile {
    /// The name as it stands in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SlabTrilinear => "slab_trilinear",
            Self::SlabCubic => "slab_cubic",
        }
    }
}

/// What happens to parts of a structure that lie outside the dose grid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutsideGrid {
    /// They are left out; percent metrics refer to the covered part.
    #[default]
    Exclude,
    /// They count as 0 Gy.
    Zero,
}

/// How a DVH is integrated.
#[derive(Clone, Debug, PartialEq)]
pub struct DvhOptions {
    /// Rules between planes and voxels.
    pub profile: DvhProfile,
    /// Parts outside the dose grid.
    pub outside: OutsideGrid,
    /// Sample distance, mm; `None` takes a fortieth of the smallest extent, at most 0.5 mm, widened so that no more
    /// than `max_samples` are needed.
    pub pitch_mm: Option<f64>,
    /// Most samples per structure.
    pub max_samples: usize,
    /// At least this many layers of samples in every slab.
    pub min_layers: usize,
}

impl Default for DvhOptions {
    fn default() -> Self {
        Self {
            profile: DvhProfile::SlabTrilinear,
            outside: OutsideGrid::Exclude,
            pitch_mm: None,
            max_samples: 2_000_000,
            min_layers: 4,
        }
    }
}

/// Stable codes for what limits a DVH.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DvhFlag {
    /// No part of the structure has a dose; there are no metrics.
    OutsideDoseGrid,
    /// A part of the structure has no dose.
    PartlyOutside,
    /// The dose has a single plane and gives no volume a dose.
    SinglePlaneDose,
    /// Fewer than ten dose voxels lie inside; near-point metrics rest on interpolation.
    FewDoseVoxels,
    /// The structure has fewer than four planes.
    FewPlanes,
    /// The smallest extent is less than three dose voxels.
    CoarseDoseGrid,
    /// The sample distance was widened to keep the number of samples in bounds.
    WidePitch,
}

/// The dose-volume histogram of one structure. Volumes in cm³, doses in Gy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dvh {
    /// Name of the profile, [`DvhProfile::as_str`].
    pub profile: String,
    /// Volume of the whole structure, cm³, exact for the slabs.
    pub volume_cc: f64,
    /// Share of the volume that has a dose, 0 to 1.
    pub covered_fraction: f64,
    /// Mean dose; `None` when nothing is covered.
    pub mean: Option<f64>,
    /// Smallest dose in the closed solid.
    pub min: Option<f64>,
    /// Largest dose in the closed solid.
    pub max: Option<f64>,
    /// Dose voxels whose centre lies inside.
    pub dose_voxels: usize,
    /// Distance of the samples in the planes, mm.
    pub pitch_mm: f64,
    /// Number of samples.
    pub samples: usize,
    /// What limits the result.
    pub flags: Vec<DvhFlag>,
    /// The distribution of dose over the volume that metrics refer to.
    pub distribution: Distribution,
}

impl Dvh {
    /// Volume that percentages refer to, cm³: the covered part, or all of it when outside counts as 0 Gy.
    pub fn reference_volume_cc(&self) -> f64 {
        self.distribution.volume_cc()
    }

    /// D_x%: the largest dose that at least `percent` of the volume receives. `None` without dose, or outside 0 to 100.
    pub fn dose_at_percent(&self, percent: f64) -> Option<f64> {
        if !(0.0..=100.0).contains(&percent) {
            return None;
        }
        self.distribution.dose_at(percent / 100.0 * self.distribution.volume_cc())
    }

    /// D_cc: the largest dose that at least `cc` of the structure receives. `None` when the structure (its covered
    /// part) is smaller than that.
    pub fn dose_at_cc(&self, cc: f64) -> Option<f64> {
        self.distribution.dose_at(cc)
    }

    /// V_d: volume with at least `dose` Gy, cm³; 0 above the maximum and without dose.
    pub fn volume_at_dose_cc(&self, dose: f64) -> f64 {
        self.distribution.volume_at(dose)
    }

    /// V_d in percent of the reference volume; `None` without dose.
    pub fn volume_at_dose_percent(&self, dose: f64) -> Option<f64> {
        let all = self.reference_volume_cc();
        (all > 0.0).then(|| 100.0 * self.volume_at_dose_cc(dose) / all)
    }

    /// Mean dose times the volume it refers to, Gy·cm³; `None` without dose.
    pub fn integral_dose_gycc(&self) -> Option<f64> {
        self.mean.map(|m| m * self.reference_volume_cc())
    }

    /// Cumulative curve: percent of the reference volume with at least 0, `step_gy`, 2 `step_gy`, … up to the first
    /// point at 0 %. Empty without dose or for a step that is not positive.
    pub fn curve(&self, step_gy: f64) -> Vec<f64> {
        let Some(max) = self.max.filter(|_| step_gy > 0.0 && step_gy.is_finite()) else { return Vec::new() };
        let all = self.reference_volume_cc();
        let count = ((max.max(0.0) / step_gy).floor() + 1.0).min(4e6) as usize;
        (0..=count).map(|n| 100.0 * self.volume_at_dose_cc(n as f64 * step_gy) / all).collect()
    }

    /// Generalised equivalent uniform dose (mean of d^a)^(1/a), Gy (Niemierko 1999); `None` without dose or for `a` 0.
    pub fn geud(&self, a: f64) -> Option<f64> {
        self.distribution.geud(a)
    }
}

#[cfg(test)]
mod tests;
