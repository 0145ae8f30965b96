//! Agreement of two masks: overlap and surface distances.
//!
//! Two families of surface distances are in use and are kept apart: area-weighted distances between surface elements on
//! the lattice of voxel corners (S. Nikolov et al., Clinically applicable segmentation of head and neck anatomy, 2018 /
//! J Med Internet Res 2021, "surface-distance"), and unweighted distances between border voxels (medpy, ITK style).

mod surfel;

use crate::algebra::{GridMismatch, check_same};
use crate::edt::squared_distance;
use crate::{Grid, Mask};

/// Slack of `distance ≤ tolerance`, relative: distances are stored in single precision.
const SLACK: f64 = 1e-6;

/// Why two masks cannot be compared.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AgreementError {
    /// They lie on different grids.
    #[error(transparent)]
    Grids(#[from] GridMismatch),
    /// The axes are not at right angles.
    #[error("the grid axes are not at right angles; resample the masks first")]
    Sheared,
}

/// Overlap of two masks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overlap {
    /// Voxels of the first mask.
    pub voxels_a: usize,
    /// Voxels of the second mask.
    pub voxels_b: usize,
    /// Voxels in both.
    pub both: usize,
}

impl Overlap {
    /// 2·|A∩B| / (|A| + |B|); `None` when both are empty.
    pub fn dice(&self) -> Option<f64> {
        let all = self.voxels_a + self.voxels_b;
        (all > 0).then(|| 2.0 * self.both as f64 / all as f64)
    }

    /// |A∩B| / |A∪B|; `None` when both are empty.
    pub fn jaccard(&self) -> Option<f64> {
        let all = self.voxels_a + self.voxels_b - self.both;
        (all > 0).then(|| self.both as f64 / all as f64)
    }
}

/// Counts the overlap of two masks on one grid.
///
/// # Errors
/// When the grids differ.
pub fn overlap(a: &Mask, b: &Mask) -> Result<Overlap, GridMismatch> {
    check_same(a, b)?;
    let both = a.values().iter().zip(b.values()).filter(|(x, y)| **x != 0 && **y != 0).count();
    Ok(Overlap { voxels_a: a.count(), voxels_b: b.count(), both })
}

/// Dice coefficient; `None` when both masks are empty.
///
/// # Errors
/// When the grids differ.
pub fn dice(a: &Mask, b: &Mask) -> Result<Option<f64>, GridMismatch> {
    Ok(overlap(a, b)?.dice())
}

/// Distances of the surface elements of one mask to the other mask's surface.
#[derive(Clone, Debug, PartialEq)]
struct Directed {
    // (distance mm, element area mm²) by rising distance.
    elements: Vec<(f64, f64)>,
    area: f64,
}

impl Directed {
    fn mean(&self) -> f64 {
        self.elements.iter().map(|(d, a)| d * a).sum::<f64>() / self.area
    }

    fn percentile(&self, percent: f64) -> f64 {
        let mut sum = 0.0;
        for &(d, a) in &self.elements {
            sum += a;
            if sum / self.area >= percent / 100.0 - 1e-12 {
                return d;
            }
        }
        self.elements.last().map_or(0.0, |e| e.0)
    }

    fn within(&self, tolerance: f64) -> f64 {
        let limit = tolerance * (1.0 + SLACK);
        self.elements.iter().take_while(|(d, _)| *d <= limit).map(|(_, a)| a).sum()
    }
}

/// Area-weighted surface distances of two masks, mm. Distances run between points of the lattice of voxel corners, so they
/// are those of the lattice, not of smooth surfaces.
#[derive(Clone, Debug, PartialEq)]
pub struct SurfaceDistances {
    a_to_b: Directed,
    b_to_a: Directed,
}

impl SurfaceDistances {
    /// Average distance from the first surface to the second, and back.
    pub fn averages(&self) -> (f64, f64) {
        (self.a_to_b.mean(), self.b_to_a.mean())
    }

    /// Mean surface distance: the mean of both averages.
    pub fn mean(&self) -> f64 {
        0.5 * (self.a_to_b.mean() + self.b_to_a.mean())
    }

    /// Average symmetric surface distance: over both surfaces pooled.
    pub fn pooled_mean(&self) -> f64 {
        let (a, b) = (&self.a_to_b, &self.b_to_a);
        (a.mean() * a.area + b.mean() * b.area) / (a.area + b.area)
    }

    /// Hausdorff distance at a percentage of the surface (95 for HD95, 100 for the maximum): the larger of both directions.
    pub fn hausdorff(&self, percent: f64) -> f64 {
        self.a_to_b.percentile(percent).max(self.b_to_a.percentile(percent))
    }

    /// Share of both surfaces that lies within `tolerance` mm of the other.
    pub fn surface_dice(&self, tolerance: f64) -> f64 {
        let (a, b) = (&self.a_to_b, &self.b_to_a);
        (a.within(tolerance) + b.within(tolerance)) / (a.area + b.area)
    }

    /// Shares of the first and of the second surface within `tolerance` mm of the other.
    pub fn surface_overlap(&self, tolerance: f64) -> (f64, f64) {
        let (a, b) = (&self.a_to_b, &self.b_to_a);
        (a.within(tolerance) / a.area, b.within(tolerance) / b.area)
    }

    /// Areas of both surfaces, mm².
    pub fn areas(&self) -> (f64, f64) {
        (self.a_to_b.area, self.b_to_a.area)
    }
}

/// Area-weighted surface distances; `None` when one of the masks is empty.
///
/// # Errors
/// When the grids differ or are sheared.
pub fn surface_distances(a: &Mask, b: &Mask) -> Result<Option<SurfaceDistances>, AgreementError> {
    check_same(a, b)?;
    let Some(window) = common_window(a, b)? else { return Ok(None) };
    let spacing = a.grid.spacing();
    let areas = surfel::areas(spacing);
    let (sa, sb) = (window.surface(a, &areas), window.surface(b, &areas));
    let lattice = window.dims.map(|d| d + 1);
    let distance = |s: &[f64]| {
        let set: Vec<u8> = s.iter().map(|&v| u8::from(v > 0.0)).collect();
        squared_distance(&set, lattice, spacing)
    };
    let (to_a, to_b) = (distance(&sa), distance(&sb));
    let directed = |surface: &[f64], to: &[f32]| {
        let mut elements: Vec<(f64, f64)> = surface
            .iter()
            .zip(to)
            .filter(|(area, _)| **area > 0.0)
            .map(|(area, d)| (f64::from(*d).sqrt(), *area))
            .collect();
        elements.sort_by(|x, y| x.0.total_cmp(&y.0).then(x.1.total_cmp(&y.1)));
        let area = elements.iter().map(|e| e.1).sum();
        Directed { elements, area }
    };
    Ok(Some(SurfaceDistances { a_to_b: directed(&sa, &to_b), b_to_a: directed(&sb, &to_a) }))
}

/// Unweighted distances between border voxels (6-connected), mm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BorderDistances {
    /// Hausdorff distance.
    pub hausdorff: f64,
    /// The larger of both 95th percentiles (linear interpolation).
    pub hd95_max: f64,
    /// 95th percentile of the distances of both directions together.
    pub hd95_pooled: f64,
    /// Mean of the distances of both directions together.
    pub pooled_mean: f64,
    /// Mean of the means of both directions.
    pub mean_of_means: f64,
}

/// Distances between border voxels; `None` when one of the masks is empty.
///
/// # Errors
/// When the grids differ or are sheared.
pub fn border_distances(a: &Mask, b: &Mask) -> Result<Option<BorderDistances>, AgreementError> {
    check_same(a, b)?;
    let Some(window) = common_window(a, b)? else { return Ok(None) };
    let spacing = a.grid.spacing();
    let (ba, bb) = (window.border(a), window.border(b));
    let (to_a, to_b) = (squared_distance(&ba, window.dims, spacing), squared_distance(&bb, window.dims, spacing));
    let pick = |border: &[u8], to: &[f32]| -> Vec<f64> {
        let mut d: Vec<f64> =
            border.iter().zip(to).filter(|(s, _)| **s != 0).map(|(_, d)| f64::from(*d).sqrt()).collect();
        d.sort_by(f64::total_cmp);
        d
    };
    let (da, db) = (pick(&ba, &to_b), pick(&bb, &to_a));
    let mut all = [da.clone(), db.clone()].concat();
    all.sort_by(f64::total_cmp);
    let mean = |d: &[f64]| d.iter().sum::<f64>() / d.len() as f64;
    Ok(Some(BorderDistances {
        hausdorff: percentile(&all, 100.0),
        hd95_max: percentile(&da, 95.0).max(percentile(&db, 95.0)),
        hd95_pooled: percentile(&all, 95.0),
        pooled_mean: mean(&all),
        mean_of_means: 0.5 * (mean(&da) + mean(&db)),
    }))
}

// Percentile of sorted values with linear interpolation.
fn percentile(sorted: &[f64], percent: f64) -> f64 {
    let at = percent / 100.0 * (sorted.len().saturating_sub(1)) as f64;
    let low = at.floor() as usize;
    let a = sorted.get(low).copied().unwrap_or(0.0);
    let b = sorted.get(low + 1).copied().unwrap_or(a);
    a + (at - low as f64) * (b - a)
}

// The common box of two masks.
struct Window {
    start: [usize; 3],
    dims: [usize; 3],
}

fn common_window(a: &Mask, b: &Mask) -> Result<Option<Window>, AgreementError> {
    if !a.grid.is_orthogonal(1e-4) {
        return Err(AgreementError::Sheared);
    }
    let (Some(x), Some(y)) = (crate::margin::bounding_box(a), crate::margin::bounding_box(b)) else {
        return Ok(None);
    };
    let start: [usize; 3] = std::array::from_fn(|c| x[c][0].min(y[c][0]));
    let dims = std::array::from_fn(|c| x[c][1].max(y[c][1]) + 1 - start[c]);
    Ok(Some(Window { start, dims }))
}

impl Window {
    // Value of a window voxel; outside the window (which holds the whole mask) nothing is set.
    fn at(&self, mask: &Mask, p: [isize; 3]) -> bool {
        if (0..3).any(|c| p[c] < 0 || p[c] >= self.dims[c] as isize) {
            return false;
        }
        let Grid { dims, .. } = &mask.grid;
        let q: [usize; 3] = std::array::from_fn(|c| p[c] as usize + self.start[c]);
        mask.values()[(q[2] * dims[1] + q[1]) * dims[0] + q[0]] != 0
    }

    // Area of the surface element at every voxel corner.
    fn surface(&self, mask: &Mask, areas: &[f64; 256]) -> Vec<f64> {
        let d = self.dims.map(|n| n as isize + 1);
        let mut out = Vec::with_capacity((d[0] * d[1] * d[2]) as usize);
        for k in 0..d[2] {
            for j in 0..d[1] {
                for i in 0..d[0] {
                    let mut code = 0;
                    for c in 0..8usize {
                        let p = [i - 1 + (c & 1) as isize, j - 1 + (c >> 1 & 1) as isize, k - 1 + (c >> 2) as isize];
                        code |= usize::from(self.at(mask, p)) << c;
                    }
                    out.push(areas[code]);
                }
            }
        }
        out
    }

    // Voxels of the mask with a face neighbour outside it.
    fn border(&self, mask: &Mask) -> Vec<u8> {
        let d = self.dims.map(|n| n as isize);
        let mut out = Vec::with_capacity((d[0] * d[1] * d[2]) as usize);
        for k in 0..d[2] {
            for j in 0..d[1] {
                for i in 0..d[0] {
                    let open = || {
                        [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]]
                            .iter()
                            .any(|s| !self.at(mask, [i + s[0], j + s[1], k + s[2]]))
                    };
                    out.push(u8::from(self.at(mask, [i, j, k]) && open()));
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests;
