//! The inventory: every file of the input folder with its account, and the courses that the linked objects make.
//!
//! Scanning and linking are in `rtpipeline-dicom`; here their result gets names that are safe for every file system and the
//! types through which the stages meet. The inventory is made anew in each run (unchanged files are not read again) and is
//! kept as `_RUN/inventory.json` for those who look at a run afterwards.

mod convert;
mod names;
mod rows;
#[cfg(test)]
mod tests;

use crate::config::{MergeCriteria, OrganizeSettings, Privacy};
use crate::course::{Course, Finding, Level};
use rayon::prelude::*;
use rtpipeline_dicom::digest::digest;
use rtpipeline_dicom::guard::{Object, OpenError};
use rtpipeline_dicom::link::{Account, Class, Facts, LinkOptions, Linked, LinkedCourse, MergeBy, link};
use rtpipeline_dicom::rtdose::read_dose;
use rtpipeline_dicom::scan::{ScanError, ScanOptions, ScannedFile, scan_folder, unescape};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// One file that was found and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRow {
    /// Path below the input folder, `/` between its parts.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Account of contracts §4, e.g. `used`.
    pub account: String,
    /// Why, in words.
    pub reason: String,
    /// SOP Instance UID, empty when absent.
    pub sop_instance_uid: String,
    /// SOP Class UID.
    pub sop_class_uid: String,
    /// Modality as written.
    pub modality: String,
    /// Transfer Syntax UID.
    pub transfer_syntax: String,
    /// Patient ID.
    pub patient_id: String,
    /// Study Instance UID.
    pub study_uid: String,
    /// Series Instance UID.
    pub series_uid: String,
    /// Folder of the patient, for files of a course.
    pub patient_dir: String,
    /// File of the same object that is used, or that it conflicts with.
    pub same_as: Option<String>,
    /// UID that it refers to and that is not there.
    pub missing_uid: Option<String>,
    /// Courses that use it.
    pub course_ids: Vec<String>,
    /// Remarks of the reader.
    pub remarks: Vec<String>,
}

/// Files, courses, and what is to be said about the folder as a whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inventory {
    /// Every file, by path.
    pub files: Vec<FileRow>,
    /// Courses, by patient folder and course name.
    pub courses: Vec<Course>,
    /// Findings about the folder.
    pub findings: Vec<Finding>,
}

/// Why there is no inventory.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The folder cannot be scanned.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// A setting that this version cannot follow.
    #[error("{0}")]
    Setting(String),
    /// The inventory cannot be written or read.
    #[error("{path}: {what}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

const FILE: &str = "inventory.json";
const HEADERS: &str = "headers.json";

/// Scans `root`, links what is there and names the courses.
///
/// With `run_dir` headers are remembered there, and the output folder that holds it is left out of the scan. `progress` is
/// called with the number of files done and found. The result depends neither on threads nor on the order of files.
///
/// # Errors
/// When the folder cannot be read at all, or a setting cannot be followed. Single files never are an error.
pub fn build(
    root: &Path,
    settings: &OrganizeSettings,
    run_dir: Option<&Path>,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Inventory, IndexError> {
    build_beside_logs(root, settings, run_dir, None, progress)
}

/// [`build`] where the log files of runs (`*.log` below `logs`) are left out as well: they grow with every run, and with
/// them the account of files would.
///
/// # Errors
/// As [`build`].
pub fn build_beside_logs(
    root: &Path,
    settings: &OrganizeSettings,
    run_dir: Option<&Path>,
    logs: Option<&Path>,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Inventory, IndexError> {
    if settings.privacy == Privacy::Pseudonym {
        return Err(IndexError::Setting(
            "privacy: pseudonym cannot be followed by this version, and nothing was written; de-identify the input first"
                .into(),
        ));
    }
    let exclude = run_dir.and_then(Path::parent).map(Path::to_path_buf).into_iter().collect();
    let options = ScanOptions { exclude, cache: run_dir.map(|d| d.join(HEADERS)), ..ScanOptions::default() };
    let mut scanned = scan_folder(root, &options, progress)?;
    let below = |l: &Path| Some(l.canonicalize().ok()?.strip_prefix(root.canonicalize().ok()?).ok()?.to_path_buf());
    if let Some(logs) = logs.and_then(below) {
        scanned.retain(|f| {
            let path = unescape(&f.rel_path);
            !(path.starts_with(&logs) && path.extension().is_some_and(|e| e == "log"))
        });
    }
    let facts = facts(root, &scanned);
    let options = LinkOptions {
        merge_by: match settings.merge_criteria {
            MergeCriteria::SameCtStudy => MergeBy::SameCtStudy,
            MergeCriteria::FrameOfReference => MergeBy::FrameOfReference,
        },
        max_days: settings.max_days,
    };
    let linked = link(&facts, &options);
    let mut out = inventory(&scanned, &facts, &linked);
    check_orphaned_doses(root, &scanned, &facts, &mut out);
    Ok(out)
}

/// Facts of all files; contents are compared only where files share a SOP Instance UID.
fn facts(root: &Path, scanned: &[ScannedFile]) -> Vec<Facts> {
    let outputs: BTreeSet<&str> =
        scanned.iter().filter_map(|f| f.rel_path.strip_suffix("_RUN/inventory.json")).collect();
    let mut facts: Vec<Facts> = scanned
        .iter()
        .map(|f| {
            let real = unescape(&f.rel_path);
            let shown = real.to_str().unwrap_or(&f.rel_path);
            let mut facts = Facts::of(shown, &f.sniff, "");
            if outputs.iter().any(|o| f.rel_path.starts_with(o)) {
                facts.refused = Some((Account::Excluded, "part of an output folder of this program".into()));
            } else if real.to_str().is_none() && facts.refused.is_none() {
                facts.refused = Some((
                    Account::Unsupported,
                    "the name of the file or of a folder above it is not UTF-8; rename it to have the file used".into(),
                ));
            }
            facts
        })
        .collect();
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for f in facts.iter().filter(|f| f.refused.is_none() && !f.sop_instance_uid.is_empty()) {
        *count.entry(&f.sop_instance_uid).or_default() += 1;
    }
    let shared: Vec<usize> = facts
        .iter()
        .enumerate()
        .filter(|(_, f)| f.refused.is_none() && count.get(f.sop_instance_uid.as_str()).is_some_and(|&n| n > 1))
        .map(|(i, _)| i)
        .collect();
    let digests: Vec<(usize, Result<String, String>)> =
        shared.into_par_iter().map(|i| (i, content(&scanned[i].path(root)).map_err(|e| e.to_string()))).collect();
    for (i, digest) in digests {
        match digest {
            Ok(d) => facts[i].content = d,
            Err(e) => facts[i].refused = Some((Account::Unreadable, e)),
        }
    }
    facts
}

/// Digest of an object whatever its encoding. What is said of the person besides the Patient ID does not count (a corrected
/// birth date makes no other object), nor do the notes that a lossless compression leaves (Derivation Description and Code).
fn content(path: &Path) -> Result<String, OpenError> {
    let mut object = Object::read(path)?;
    object.data.elements.retain(|e| match (e.tag.0, e.tag.1) {
        (0x0010, element) => element == 0x0020,
        (0x0008, element) => element != 0x2111 && element != 0x9215,
        _ => true,
    });
    Ok(digest(&object))
}

/// Doses above this are no treatment (Gy).
const IMPLAUSIBLE_GY: f64 = 300.0;

/// Orphaned doses are used by nobody, so nobody else would notice that one is no dose of a treatment.
fn check_orphaned_doses(root: &Path, scanned: &[ScannedFile], facts: &[Facts], out: &mut Inventory) {
    for (s, f) in scanned.iter().zip(facts).filter(|(_, f)| f.refused.is_none() && f.class() == Class::Dose) {
        let Some(row) = out.files.iter_mut().find(|r| r.path == f.path && r.account == "orphan") else { continue };
        let grid = read_dose(&s.path(root)).ok().and_then(|d| d.grid);
        let max = grid.map_or(0.0, |g| g.values.iter().fold(0.0_f64, |m, &v| m.max(f64::from(v))));
        if max > IMPLAUSIBLE_GY {
            let what = format!("its maximum of {max:.0} Gy is not that of a treatment");
            row.reason.push_str(&format!("; {what}"));
            out.findings.push(
                Finding::new(
                    Level::Caution,
                    "dose.implausible",
                    format!("A dose that is not used is implausible: {what}."),
                    "Its units or scaling may be wrong.",
                )
                .about(&f.path),
            );
        }
    }
}

/// What the reader had to overlook in the images and companions of a course: one finding a kind of remark, about the first
/// file. `organize` reads plans, doses, structure sets and records whole and remarks on them itself.
fn file_remarks(scanned: &[ScannedFile], facts: &[Facts], course: &LinkedCourse) -> Vec<Finding> {
    let mut kinds: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    let whole = [Class::Plan, Class::IonPlan, Class::Dose, Class::StructureSet, Class::Record];
    for i in course.files().filter(|&i| !whole.contains(&facts[i].class())) {
        for r in scanned[i].sniff.header().map_or(&[][..], |h| &h.findings) {
            kinds.entry(&r.code).or_default().insert(&facts[i].path, &r.text);
        }
    }
    kinds
        .into_iter()
        .filter_map(|(code, files)| {
            let (path, text) = files.first_key_value()?;
            let others = match files.len() - 1 {
                0 => String::new(),
                1 => " (and so in one further file)".to_owned(),
                n => format!(" (and so in {n} further files)"),
            };
            let what = format!("{}{others}.", text.replacen("the ", "The ", usize::from(text.starts_with("the "))));
            let meaning = "The file was read all the same.";
            Some(Finding::new(Level::Note, &format!("file.{code}"), what, meaning).about(*path))
        })
        .collect()
}

fn inventory(scanned: &[ScannedFile], facts: &[Facts], linked: &Linked) -> Inventory {
    let named = names::name_courses(&linked.courses);
    let mut files: Vec<FileRow> = scanned
        .iter()
        .zip(facts)
        .zip(&linked.accounts)
        .map(|((s, f), v)| FileRow {
            path: f.path.clone(),
            size: s.size,
            account: v.account.word().to_owned(),
            reason: v.reason.clone(),
            same_as: v.same_as.map(|i| facts[i].path.clone()),
            missing_uid: v.missing_uid.clone(),
            sop_instance_uid: f.sop_instance_uid.clone(),
            sop_class_uid: f.sop_class_uid.clone(),
            modality: f.modality.clone(),
            transfer_syntax: f.transfer_syntax.clone(),
            patient_id: f.patient_id.clone(),
            study_uid: f.study_uid.clone(),
            series_uid: f.series_uid.clone(),
            remarks: s.sniff.header().map_or_else(Vec::new, |h| h.findings.iter().map(|x| x.text.clone()).collect()),
            ..FileRow::default()
        })
        .collect();
    let mut courses = Vec::new();
    let mut findings = Vec::new();
    for (course, name) in linked.courses.iter().zip(&named) {
        for i in course.files() {
            name.patient_dir.clone_into(&mut files[i].patient_dir);
            files[i].course_ids.push(name.course_id.clone());
        }
        let mut converted = convert::course(facts, course, name);
        converted.findings.extend(file_remarks(scanned, facts, course));
        courses.push(converted);
    }
    for f in &mut files {
        f.course_ids.sort();
        f.course_ids.dedup();
    }
    let shared: BTreeSet<&str> = linked
        .courses
        .iter()
        .filter(|c| c.notes.iter().any(|n| n.code == "patient.id_shared"))
        .map(|c| c.patient_id.as_str())
        .collect();
    for id in shared {
        findings.push(
            Finding::new(
                Level::Caution,
                "patient.id_shared",
                "Several persons have the same Patient ID.",
                "They are kept apart; tables that are grouped by Patient ID alone would mix them.",
            )
            .about(id),
        );
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    courses.sort_by(|a, b| (&a.patient_dir, &a.course_id).cmp(&(&b.patient_dir, &b.course_id)));
    Inventory { files, courses, findings }
}

impl Inventory {
    /// Writes `inventory.json` to the run folder, by rename.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, run_dir: &Path) -> Result<(), IndexError> {
        let path = run_dir.join(FILE);
        let write = || -> std::io::Result<()> {
            std::fs::create_dir_all(run_dir)?;
            let mut tmp = tempfile::NamedTempFile::new_in(run_dir)?;
            serde_json::to_writer(std::io::BufWriter::new(&mut tmp), self).map_err(std::io::Error::other)?;
            tmp.persist(&path).map_err(|e| e.error)?;
            Ok(())
        };
        write().map_err(|e| IndexError::File { path: path.clone(), what: format!("cannot be written: {e}") })
    }

    /// Reads `inventory.json` from the run folder.
    ///
    /// # Errors
    /// When it is not there or not what this version writes.
    pub fn load(run_dir: &Path) -> Result<Self, IndexError> {
        let path = run_dir.join(FILE);
        let bytes = std::fs::read(&path)
            .map_err(|e| IndexError::File { path: path.clone(), what: format!("cannot be read: {e}") })?;
        serde_json::from_slice(&bytes).map_err(|e| IndexError::File {
            path,
            what: format!("is not what this version writes ({e}); run the pipeline again"),
        })
    }
}
