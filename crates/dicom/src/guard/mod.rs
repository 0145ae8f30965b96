//! The guard: a bounded element walker over untrusted bytes.
//!
//! It reads what exports really hold: files without preamble or meta information, explicit, implicit and big-endian
//! coding (also when declared wrongly), deflated data sets, UN sequences (DICOM correction proposal 246), missing
//! delimiters, trailing bytes. It compares every length with the bytes that are left before it looks at a value, limits
//! the nesting depth and the number of elements, and keeps pixel data as a position in the file.

mod dataset;
mod open;
mod parse;
mod source;

pub use dataset::{DataSet, Element, Value, Vr};
pub use open::{Object, OpenError, PixelData};
pub use parse::{Fault, PixelPlace};

pub(crate) use open::{Opened, open_header, open_header_bytes};
pub(crate) use parse::Want;
