//! Body and lungs of a CT by thresholds, distances and connectivity: no network, no training data.
//!
//! All distances are millimetres by exact Euclidean distance transforms, so results do not depend on voxel size beyond
//! sampling. Every result carries its quality gates; a structure whose decisive gate fails is not returned.

mod airway;
mod body;
mod gates;
mod lungs;
mod morphology;
mod split;

pub use body::{BodySegmentation, segment_body};
pub use gates::{Gate, GateCode};
pub use lungs::{LungSegmentation, segment_lungs};

/// Why a volume cannot be segmented at all (as opposed to a quality gate that failed).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ClassicalError {
    /// Fewer voxels along an axis than a neighbourhood needs.
    #[error("the image has {0:?} voxels; at least 3 along each axis are needed")]
    TooSmall([usize; 3]),
    /// The axes are not at right angles.
    #[error("the image axes are not at right angles; resample the image first")]
    Sheared,
    /// Image and mask lie on different grids.
    #[error("body mask and image lie on different grids")]
    GridMismatch,
}

use crate::Grid;

/// Refuses grids on which distances by axis spacing would be wrong.
fn check_grid(grid: &Grid) -> Result<(), ClassicalError> {
    if grid.dims.iter().any(|&d| d < 3) {
        return Err(ClassicalError::TooSmall(grid.dims));
    }
    // 0.01 rad of shear shifts a 6 mm neighbourhood by 0.06 mm.
    if grid.is_orthogonal(0.01) { Ok(()) } else { Err(ClassicalError::Sheared) }
}

/// The axis that runs most along the patient's z, and whether its index grows towards the head.
fn slice_axis(grid: &Grid) -> (usize, bool) {
    let d = grid.direction();
    let axis = (0..3).max_by(|&a, &b| d[a][2].abs().total_cmp(&d[b][2].abs())).unwrap_or(2);
    (axis, d[axis][2] > 0.0)
}
