//! The synthetic cohort.
mod phantom;
