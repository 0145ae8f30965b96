//! Remarks on an object that was read.

use serde::{Deserialize, Serialize};

/// One remark on an object: a stable code for programs and a sentence for people. It never holds a patient's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Finding {
    /// Stable snake_case code, such as `no_preamble`.
    pub code: String,
    /// What was found and what was done about it.
    pub text: String,
}

impl Finding {
    /// Joins a code and a sentence.
    pub fn new(code: &str, text: impl Into<String>) -> Self {
        Self { code: code.to_owned(), text: text.into() }
    }
}

/// Adds a finding unless the same code and text is there already.
pub(crate) fn note(list: &mut Vec<Finding>, code: &str, text: impl Into<String>) {
    let f = Finding::new(code, text);
    if !list.contains(&f) {
        list.push(f);
    }
}
