//! Telling strangers under one Patient ID apart.

use super::facts::{Facts, day};
use std::collections::BTreeSet;

/// What the headers say about a person.
#[derive(Clone, Debug, Default)]
pub(super) struct Person {
    names: BTreeSet<String>,
    births: BTreeSet<[u32; 3]>,
    sexes: BTreeSet<String>,
}

impl Person {
    /// Adds what one header says.
    pub(super) fn see(&mut self, f: &Facts) {
        if !f.patient_name_digest.is_empty() {
            self.names.insert(f.patient_name_digest.clone());
        }
        self.births.extend(day(&f.birth_date));
        let sex = f.sex.trim().to_ascii_uppercase();
        if sex == "M" || sex == "F" {
            self.sexes.insert(sex);
        }
    }

    /// Joins what is known of one person.
    pub(super) fn absorb(&mut self, other: &Self) {
        self.names.extend(other.names.iter().cloned());
        self.births.extend(other.births.iter().copied());
        self.sexes.extend(other.sexes.iter().cloned());
    }

    /// Different sexes always tell apart; then birth dates decide; where one lacks, names.
    pub(super) fn may_be(&self, other: &Self) -> bool {
        if !compatible(&self.sexes, &other.sexes) {
            return false;
        }
        if !self.births.is_empty() && !other.births.is_empty() {
            return compatible(&self.births, &other.births);
        }
        compatible(&self.names, &other.names)
    }

    /// Evidence that objects without a Patient ID belong together: a common name and birth date.
    pub(super) fn surely_is(&self, other: &Self) -> bool {
        !self.names.is_disjoint(&other.names) && !self.births.is_disjoint(&other.births)
    }
}

fn compatible<T: Ord>(a: &BTreeSet<T>, b: &BTreeSet<T>) -> bool {
    a.is_empty() || b.is_empty() || !a.is_disjoint(b)
}
