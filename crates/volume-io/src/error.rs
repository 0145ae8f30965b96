//! Why a volume file could not be read or written.

use std::path::PathBuf;

/// Why a volume file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum VolumeIoError {
    /// The operating system refused.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The answer of the operating system.
        source: std::io::Error,
    },
    /// The content is not what the format asks for.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// The volume cannot be written in this format.
    #[error("{}: cannot be written: {reason}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// What is wrong with some bytes, before the file's name is known.
pub(crate) type Reason = String;
