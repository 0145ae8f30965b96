//! A synthetic cohort that looks like patients: deterministic, written as a messy export.
//!
//! Every patient has a thorax of formulas ([`phantom`]) with CT, structure set, plan and dose. Every third one (the 2nd, 5th, …) has a
//! boost plan too; every third one (the 3rd, 6th, …) a second course in a later year whose images are oblique.

mod export;
mod image;
mod phantom;
mod structures;

pub use structures::TrueVolume;

use rayon::prelude::*;
use rtpipeline_dicom::write::WriteError;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Changes whenever the cohort's bytes change, so that an older one is written anew.
pub const COHORT_VERSION: u32 = 1;

/// What was written.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CohortFacts {
    /// [`COHORT_VERSION`].
    pub version: u32,
    /// Number of patients.
    pub patients: u32,
    /// Courses in order of patient and date.
    pub courses: Vec<CourseFacts>,
    /// Files of any kind.
    pub files: usize,
}

/// One course as it was written.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CourseFacts {
    /// Patient ID.
    pub patient_id: String,
    /// Name that the course will get: `YYYY-MM`.
    pub course_id: String,
    /// Whether the images are oblique.
    pub oblique: bool,
    /// Prescriptions of its plans, Gy.
    pub prescriptions_gy: Vec<f64>,
    /// Volumes known by formula.
    pub volumes: Vec<TrueVolume>,
}

/// Why the cohort could not be written.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// An object could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A dose grid that is none: a defect.
    #[error("dose grid: {0}")]
    Dose(#[from] rtpipeline_geometry::DoseError),
}

/// Names the path of an I/O error.
fn io(path: &Path) -> impl FnOnce(std::io::Error) -> DemoError {
    let path = path.to_path_buf();
    move |source| DemoError::Io { path, source }
}

/// Writes `patients` patients below `dir`, which must be new or empty. The same number gives the same bytes.
///
/// # Errors
/// When a file cannot be written.
pub fn write_cohort(dir: &Path, patients: u32) -> Result<CohortFacts, DemoError> {
    std::fs::create_dir_all(dir).map_err(io(dir))?;
    let written: Vec<(Vec<CourseFacts>, usize)> =
        (1..=patients).into_par_iter().map(|n| export::patient(dir, n)).collect::<Result<_, _>>()?;
    let odd = export::odds_and_ends(dir)?;
    Ok(CohortFacts {
        version: COHORT_VERSION,
        patients,
        files: odd + written.iter().map(|w| w.1).sum::<usize>(),
        courses: written.into_iter().flat_map(|w| w.0).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::OrganizeSettings;
    use std::collections::BTreeMap;

    /// Content of every file below a folder, by relative path.
    fn bytes(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut out = BTreeMap::new();
        let mut open = vec![dir.to_path_buf()];
        while let Some(folder) = open.pop() {
            for e in std::fs::read_dir(&folder).expect("a folder") {
                let path = e.expect("an entry").path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    let content = std::fs::read(&path).expect("a file");
                    out.insert(path.strip_prefix(dir).expect("below").to_path_buf(), content);
                }
            }
        }
        out
    }

    #[test]
    fn the_cohort_links_as_it_was_meant_and_is_always_the_same() {
        let dir = tempfile::tempdir().expect("a folder");
        let (three, one) = (dir.path().join("three"), dir.path().join("one"));
        let facts = write_cohort(&three, 3).expect("written");
        let inventory = crate::index::build(&three, &OrganizeSettings::default(), None, &|_, _| {}).expect("scanned");
        assert_eq!(inventory.files.len(), facts.files);
        let found: Vec<(&str, &str)> =
            inventory.courses.iter().map(|c| (c.patient_id.as_str(), c.course_id.as_str())).collect();
        let meant: Vec<(&str, &str)> =
            facts.courses.iter().map(|c| (c.patient_id.as_str(), c.course_id.as_str())).collect();
        assert_eq!(found, meant);
        for (c, f) in inventory.courses.iter().zip(&facts.courses) {
            assert_eq!((c.images.len(), c.structure_sets.len()), (1, 1));
            assert_eq!((c.plans.len(), c.doses.len()), (f.prescriptions_gy.len(), f.prescriptions_gy.len()));
            assert!(c.images[0].planning && c.structure_sets[0].used && c.structure_sets[0].referenced_by_plan);
        }
        let mut accounts: BTreeMap<&str, usize> = BTreeMap::new();
        for f in &inventory.files {
            *accounts.entry(&f.account).or_default() += 1;
        }
        assert_eq!(accounts.remove("used"), Some(facts.files - 3));
        assert_eq!(accounts, BTreeMap::from([("duplicate", 1), ("not_dicom", 1), ("orphan", 1)]));
        write_cohort(&one, 1).expect("written");
        let all = bytes(&three);
        for (path, content) in bytes(&one) {
            assert!(all.get(&path) == Some(&content), "{} differs", path.display());
        }
    }
}
