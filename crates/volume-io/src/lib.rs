//! NIfTI-1, NIfTI-2 and NRRD volumes with their geometry.
//!
//! Grids come out and go in as [`rtpipeline_geometry::Grid`]: DICOM patient coordinates (LPS), millimetres. NIfTI files
//! hold RAS coordinates; the two signs are changed in one place of the reader and one of the writer.
//!
//! A header is only believed as far as the file is long: dimensions are compared with the number of bytes (for gzip with
//! the largest expansion that deflate can reach) before anything is allocated.

mod data;
mod element;
mod error;
mod gzip;
mod nifti;
mod nifti_write;
mod nrrd;
mod nrrd_write;
mod read;

pub use data::{Extension, VolumeData, VolumeFile};
pub use element::Element;
pub use error::VolumeIoError;
pub use nifti_write::{nifti_bytes, write_nifti};
pub use nrrd_write::{nrrd_bytes, write_nrrd};
pub use read::{read, read_bytes, read_f32, read_f64, read_labels, read_mask};
