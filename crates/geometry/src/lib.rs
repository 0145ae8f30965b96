//! Grids, volumes, contours, masks, distance transforms and dose-volume mathematics.
//!
//! Coordinates are DICOM patient coordinates (LPS) in millimetres. Nothing in this crate does I/O, reads settings or
//! chooses its own number of threads: parallel kernels use the current rayon pool.

pub mod agreement;
pub mod algebra;
pub mod classical;
pub mod components;
mod contour;
pub mod dose;
pub mod dvh;
pub mod edt;
mod frame;
mod grid;
pub mod margin;
pub mod outline;
pub mod planar;
mod raster;
pub mod resample;
mod stack;
#[cfg(test)]
mod testing;
mod volume;

pub use contour::{Contour, ContourKind};
pub use dose::{DoseError, DoseGrid};
pub use dvh::{Dvh, DvhOptions};
pub use frame::PlaneFrame;
pub use grid::{Grid, GridError, Vec3};
pub use margin::Margin;
pub use planar::FillRule;
pub use stack::{ContourFinding, FindingCode, Plane, PlaneStack, StackError, StackOptions};
pub use volume::{Mask, Volume};
