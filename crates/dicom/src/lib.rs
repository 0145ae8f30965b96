//! DICOM and DICOM-RT: guarded reading, scanning, images, structure sets, doses, plans, and writing.
//!
//! Every byte that comes from outside goes through [`guard`], a bounded element walker that never allocates by a declared
//! length, never recurses without limit and ends in a value or a named reason. Pixel decompression uses the codecs of
//! dicom-rs; everything else reads from the element tree of [`guard`]. Coordinates are DICOM patient coordinates (LPS) in
//! millimetres, doses are Gy.

pub mod attributes;
pub mod digest;
mod error;
mod finding;
mod geometry;
pub mod guard;
pub mod header;
pub mod image;
pub mod link;
mod pixels;
pub mod rtdose;
pub mod rtplan;
pub mod rtstruct;
pub mod scan;
pub mod text;
pub mod uid;
pub mod write;

pub use error::ReadError;
pub use finding::Finding;
pub use header::{Header, ObjectKind, Sniff};
