//! Putting results in place: outputs by rename, then the record, created only when none is there.

use super::{Record, is_record, read_record, record_dir, record_name, sorted_entries};
use crate::api::{Output, RootedPath, Roots, UnitError, UnitId, is_inside};
use crate::digest::{digest_path, files_below};
use crate::error::EngineError;
use crate::store::OutputRecord;
use crate::text;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

/// Why a record was not created.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The same unit was finished by somebody else with another result.
    #[error("duplicate differs: unit {id} was finished twice with the same fingerprint and different results ({what})")]
    DuplicateDiffers {
        /// Unit.
        id: UnitId,
        /// First difference.
        what: String,
    },
    /// Reading or writing failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Creates a record after fsync, never replacing one: of two that finish the same unit the first wins, and the second
/// must have the same result. Returns false when an equal record was there.
///
/// # Errors
/// [`PublishError::DuplicateDiffers`] when the record that is there has another result.
pub fn publish_record(run_dir: &Path, record: &Record) -> Result<bool, PublishError> {
    let dir = record_dir(run_dir, &record.id);
    std::fs::create_dir_all(&dir).map_err(EngineError::io("create", &dir))?;
    let path = dir.join(record_name(&record.fingerprint));
    let tmp = dir.join(format!(".{}.tmp", text::random_suffix()));
    let body = serde_json::to_vec(record).map_err(|e| EngineError::Malformed {
        what: "unit record",
        path: path.clone(),
        reason: e.to_string(),
    })?;
    let written = File::create(&tmp).and_then(|mut f| {
        f.write_all(&body)?;
        f.sync_data()
    });
    if let Err(e) = written {
        let _ = std::fs::remove_file(&tmp);
        return Err(EngineError::io("write", &tmp)(e).into());
    }
    // A hard link is the create-only step: unlike rename it fails when the name is taken.
    let linked = std::fs::hard_link(&tmp, &path);
    let _ = std::fs::remove_file(&tmp);
    match linked {
        Ok(()) => {
            sync_dir(&dir).map_err(EngineError::io("sync", &dir))?;
            Ok(true)
        }
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            same_as(&read_record(&path)?, record)?;
            Ok(false)
        }
        Err(e) => Err(EngineError::io("create", &path)(e).into()),
    }
}

fn same_as(known: &Record, new: &Record) -> Result<(), PublishError> {
    if known.same_result(new) {
        return Ok(());
    }
    let pair = known.outputs.iter().zip(&new.outputs).find(|(a, b)| a != b);
    let what = match pair {
        Some((a, b)) => format!("output {}: {} before, {} now", a.path, short(&a.blake3), short(&b.blake3)),
        None if known.outputs.len() != new.outputs.len() => {
            format!("{} outputs before, {} now", known.outputs.len(), new.outputs.len())
        }
        None => "its rows, facts or part failures".into(),
    };
    Err(PublishError::DuplicateDiffers { id: new.id.clone(), what })
}

fn short(digest: &str) -> &str {
    digest.get(..16).unwrap_or(digest)
}

fn sync_dir(dir: &Path) -> std::io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Checks, digests and syncs the files that a unit made, and renames them into place. When a record of the same
/// fingerprint is already there (somebody else was faster) nothing is moved.
pub(crate) fn place_outputs(
    run_dir: &Path,
    roots: &Roots,
    work: &Path,
    id: &UnitId,
    fingerprint: &str,
    output: &Output,
) -> Result<Vec<OutputRecord>, UnitError> {
    let mut records = Vec::new();
    let mut places = BTreeSet::new();
    for f in &output.files {
        let from = work.join(&f.work);
        if !is_inside(work, &from) {
            return Err(UnitError::bug(format!("output {} of {id} lies outside its work folder", f.work)));
        }
        if !places.insert(&f.to) {
            return Err(UnitError::bug(format!("unit {id} declares the output {} twice", f.to)));
        }
        if !from.exists() {
            return Err(UnitError::bug(format!("unit {id} declares the output {} but did not write {}", f.to, f.work)));
        }
        let d = digest_path(&from).map_err(|e| UnitError::new(crate::FailureKind::Resources, e.to_string()))?;
        records.push(OutputRecord { role: f.role.clone(), path: f.to.clone(), size: d.size, blake3: d.blake3 });
    }
    if record_dir(run_dir, id).join(record_name(fingerprint)).exists() {
        return Ok(records);
    }
    let replaced = work.join(".replaced");
    let mut dirs = BTreeMap::new();
    for (n, f) in output.files.iter().enumerate() {
        let from = work.join(&f.work);
        let failed = |e| place_error(&f.to, e);
        for p in files_below(&from).map_err(failed)? {
            // Links are not followed: what they point to is not ours to sync.
            if !p.is_symlink() {
                File::open(&p).and_then(|file| file.sync_all()).map_err(failed)?;
            }
        }
        let to = roots.resolve(&f.to).map_err(|e| UnitError::bug(e.to_string()))?;
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
            dirs.insert(parent.to_owned(), &f.to);
        }
        put(&from, &to, &replaced.join(n.to_string())).map_err(failed)?;
    }
    for (d, to) in dirs {
        sync_dir(&d).map_err(|e| place_error(to, e))?;
    }
    Ok(records)
}

/// Rename that also replaces folders: what is in the way is moved to `aside` first.
fn put(from: &Path, to: &Path, aside: &Path) -> std::io::Result<()> {
    let in_the_way = std::fs::symlink_metadata(to).ok();
    if in_the_way.is_some_and(|m| m.is_dir() || from.is_dir()) {
        if let Some(p) = aside.parent() {
            std::fs::create_dir_all(p)?;
        }
        std::fs::rename(to, aside)?;
    }
    std::fs::rename(from, to)
}

fn place_error(to: &RootedPath, e: std::io::Error) -> UnitError {
    let mut err = UnitError::from(e);
    err.kind = crate::FailureKind::Resources;
    err.message = format!("the output {to} could not be put in place: {}", err.message);
    err.hint("check that the output folder is writable and on one file system")
}

/// Moves every record of a unit aside but the one of the fingerprint `keep`.
pub(crate) fn move_aside(run_dir: &Path, id: &UnitId, keep: Option<&str>) -> Result<(), EngineError> {
    let keep = keep.map(record_name);
    for path in sorted_entries(&record_dir(run_dir, id))? {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
        if is_record(&path) && keep.as_deref() != Some(name) {
            aside(&path)?;
        }
    }
    Ok(())
}

fn aside(path: &Path) -> Result<(), EngineError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".old");
    std::fs::rename(path, name).map_err(EngineError::io("move aside", path))
}

/// Makes a record that had been moved aside the current one again.
pub(crate) fn make_current(run_dir: &Path, id: &UnitId, fingerprint: &str) -> Result<(), EngineError> {
    let name = record_name(fingerprint);
    let dir = record_dir(run_dir, id);
    let old = dir.join(format!("{name}.old"));
    std::fs::rename(&old, dir.join(name)).map_err(EngineError::io("rename", &old))
}

/// Moves the records of parts aside that a stage no longer has in a scope.
pub(crate) fn move_aside_dropped(
    run_dir: &Path,
    stage: &str,
    scope: &[String],
    parts: &BTreeSet<Option<&str>>,
) -> Result<(), EngineError> {
    let whole = UnitId { stage: stage.to_owned(), scope: scope.to_owned(), part: None };
    for path in sorted_entries(&record_dir(run_dir, &whole))? {
        if is_record(&path) && !parts.contains(&None) {
            aside(&path)?;
        } else if path.is_dir() {
            let part = path.file_name().and_then(|n| n.to_str());
            if part.is_some() && !parts.contains(&part) {
                for p in sorted_entries(&path)?.into_iter().filter(|p| is_record(p)) {
                    aside(&p)?;
                }
            }
        }
    }
    Ok(())
}
