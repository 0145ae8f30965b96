//! What linking has to say.

use serde::{Deserialize, Serialize};

/// How much a note matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoteLevel {
    /// Values will be missing, or wrong if used.
    Error,
    /// A choice was made that changes numbers.
    Caution,
    /// Worth knowing.
    Note,
}

/// One note, in words for people and with a stable code for searching.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// How much it matters.
    pub level: NoteLevel,
    /// Stable code, e.g. `link.frame_of_reference`.
    pub code: String,
    /// What it is about (path of a file, description of a series), empty for the whole course.
    pub subject: String,
    /// What is: one clause that ends with a full stop.
    pub what: String,
    /// What it means.
    pub meaning: String,
}

impl Note {
    /// A note about one object.
    pub(super) fn new(
        level: NoteLevel,
        code: &str,
        subject: &str,
        what: impl Into<String>,
        meaning: impl Into<String>,
    ) -> Self {
        Self { level, code: code.to_owned(), subject: subject.to_owned(), what: what.into(), meaning: meaning.into() }
    }
}
