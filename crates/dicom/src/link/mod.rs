//! Linking: from the headers of a folder to accounts and courses.
//!
//! The functions here are pure: they see [`Facts`] (what a header says of one file) and give back which account each file
//! belongs to and which objects make a course. Evidence is used in this order: SOP Instance UID, Series Instance UID,
//! Frame of Reference UID (same study preferred), study; everything below the first is said in a [`Note`]. Objects of
//! different Patient IDs are never joined. The result does not depend on the order of the files.

mod class;
mod course;
mod facts;
mod graph;
mod identity;
mod notes;
mod others;
mod person;
mod series;
mod union;
mod window;

#[cfg(test)]
mod tests;

pub use class::{Class, Technique};
pub use course::{Linked, LinkedCourse, LinkedDose, LinkedImage, LinkedPlan, LinkedStructureSet, MergeBy, link};
pub use facts::{DoseFacts, Facts, ImageFacts, References};
pub use identity::{Account, Verdict};
pub use notes::{Note, NoteLevel};

use serde::{Deserialize, Serialize};

/// By which evidence two objects were linked, the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// SOP Instance UID.
    SopInstance,
    /// Series Instance UID.
    Series,
    /// Frame of Reference UID, same patient.
    FrameOfReference,
    /// Same patient and study, or the only objects of the patient that fit.
    Study,
    /// Not linked.
    None,
}

/// How courses are made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkOptions {
    /// What joins connected objects into one course.
    pub merge_by: MergeBy,
    /// A plan dated more than this many days after the first plan of its course starts another course.
    pub max_days: Option<u32>,
}

impl Default for LinkOptions {
    fn default() -> Self {
        Self { merge_by: MergeBy::SameCtStudy, max_days: None }
    }
}
