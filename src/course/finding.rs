//! Findings: what a person should read before using the numbers.

use serde::{Deserialize, Serialize};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Values are missing, or wrong if used.
    Error,
    /// A choice was made that changes numbers.
    Caution,
    /// Worth knowing.
    Note,
}

/// One finding, in words for people and with a code for searching.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// Stable code, e.g. `dose.grid_coverage`.
    pub code: String,
    /// What it is about (structure, file, series), empty for the whole course.
    pub subject: String,
    /// What is: one short main clause that ends with a full stop.
    pub what: String,
    /// What it means for the numbers.
    pub meaning: String,
}

impl Finding {
    /// A finding about the whole course.
    pub fn new(level: Level, code: &str, what: impl Into<String>, meaning: impl Into<String>) -> Self {
        Self { level, code: code.to_owned(), subject: String::new(), what: what.into(), meaning: meaning.into() }
    }

    /// Names what it is about.
    pub fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = subject.into();
        self
    }
}
