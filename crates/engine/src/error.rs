//! Errors that end a run before or outside its units.

use crate::lock::LockHolder;
use std::path::{Path, PathBuf};

/// Why a run could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Another run uses the folder.
    #[error("{} is in use by {holder}", folder.display())]
    Locked {
        /// The run folder.
        folder: PathBuf,
        /// Who holds it.
        holder: LockHolder,
    },
    /// A file or folder could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Stages, needs or scopes do not fit together.
    #[error("the pipeline cannot be run: {0}")]
    Pipeline(String),
    /// A stage was asked for that does not exist.
    #[error("no stage is called `{name}` (stages: {})", known.join(", "))]
    UnknownStage {
        /// The name that was asked for.
        name: String,
        /// The names that exist.
        known: Vec<String>,
    },
    /// A record, failure or event file that cannot be understood.
    #[error("{} is not a valid {what}: {reason}", path.display())]
    Malformed {
        /// What it should be.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl EngineError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// What to do next.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Locked { holder, .. } => {
                vec![format!(
                    "wait for process {} on {} to end, or choose another output folder",
                    holder.pid, holder.host
                )]
            }
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                vec!["free disk space and run again: what is done is kept".into()]
            }
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                vec!["check the owner and the permissions of the folder".into()]
            }
            Self::Malformed { .. } => vec!["move the file away and run again: its unit is then done again".into()],
            _ => Vec::new(),
        }
    }
}
