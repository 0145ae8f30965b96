//! Why an object cannot be used.

use crate::guard::OpenError;
use std::path::PathBuf;

/// Why a structure set, dose, plan or record cannot be read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ReadError {
    /// The file is not a sound DICOM object.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The object is of another kind.
    #[error("{path}: this is no {expected} (SOP class \"{found}\")")]
    WrongKind {
        /// The file.
        path: PathBuf,
        /// What was wanted.
        expected: &'static str,
        /// SOP Class UID found.
        found: String,
    },
    /// Something without which the object has no meaning is absent or wrong.
    #[error("{path}: {what}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the attribute's name.
        what: String,
    },
    /// Pixel data in a transfer syntax without a decoder.
    #[error("{path}: unsupported transfer syntax {uid}")]
    UnsupportedSyntax {
        /// The file.
        path: PathBuf,
        /// Transfer Syntax UID.
        uid: String,
    },
}
