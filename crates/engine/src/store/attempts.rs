//! Attempt folders: private scratch of one execution, and what is left of it when it fails.

use super::{FailureRecord, attempts_dir, read_failure, sorted_entries, walk};
use crate::api::UnitId;
use crate::error::EngineError;
use crate::text;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// Who works in an attempt folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Lease {
    pub(crate) id: UnitId,
    pub(crate) host: String,
    pub(crate) pid: u32,
    pub(crate) run_id: String,
    pub(crate) started: String,
    /// Carried out on a thread of the run's process, which it could take with it.
    pub(crate) in_process: bool,
}

const LEASE: &str = "lease.json";
const FAILURE: &str = "failure.json";

/// Makes a private attempt folder with its lease.
pub(crate) fn new_attempt(run_dir: &Path, n: u32, lease: &Lease) -> Result<PathBuf, EngineError> {
    let dir = attempts_dir(run_dir, &lease.id).join(format!("{n}-{}", text::random_suffix()));
    make_dir(&dir)?;
    let path = dir.join(LEASE);
    let body = serde_json::to_vec(lease).unwrap_or_default();
    std::fs::write(&path, body).map_err(EngineError::io("write", &path))?;
    Ok(dir)
}

/// Makes a private folder and those above it. Another unit's clean-up may remove a parent as empty at any moment in
/// between, so a parent that is gone is no error until it has been tried often.
fn make_dir(dir: &Path) -> Result<(), EngineError> {
    let parent = dir.parent().unwrap_or(dir);
    let mut tries = 0;
    loop {
        let made = std::fs::create_dir_all(parent).and_then(|()| std::fs::DirBuilder::new().mode(0o700).create(dir));
        match made {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && tries < 1000 => tries += 1,
            other => return other.map_err(EngineError::io("create", dir)),
        }
    }
}

/// Leaves nothing in an attempt folder but the failure file.
pub(crate) fn write_failure(dir: &Path, failure: &FailureRecord) -> Result<(), EngineError> {
    if !dir.is_dir() {
        make_dir(dir)?;
    }
    let path = dir.join(FAILURE);
    let tmp = dir.join(".failure.tmp");
    let body = serde_json::to_vec(failure).map_err(|e| EngineError::Malformed {
        what: "failure file",
        path: path.clone(),
        reason: e.to_string(),
    })?;
    // The failure comes first: whoever is killed in between leaves a folder that is still known as an attempt.
    std::fs::write(&tmp, body).map_err(EngineError::io("write", &tmp))?;
    std::fs::rename(&tmp, &path).map_err(EngineError::io("rename", &tmp))?;
    keep_failure_only(dir)
}

fn keep_failure_only(dir: &Path) -> Result<(), EngineError> {
    for p in sorted_entries(dir)? {
        if p.file_name().is_none_or(|n| n != FAILURE) {
            remove(&p)?;
        }
    }
    Ok(())
}

/// Removes an attempt folder, what tells that it is one last.
fn remove_attempt(dir: &Path) -> Result<(), EngineError> {
    for p in sorted_entries(dir)? {
        if p.file_name().is_none_or(|n| n != LEASE && n != FAILURE) {
            remove(&p)?;
        }
    }
    remove(dir)
}

/// Removes a file or folder, also one whose folders were made unreadable by whoever filled it.
pub(crate) fn remove(path: &Path) -> Result<(), EngineError> {
    let gone = |e: std::io::Error| if e.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(e) };
    let is_dir = std::fs::symlink_metadata(path).is_ok_and(|m| m.is_dir());
    let result = if is_dir { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    result.or_else(gone).map_err(EngineError::io("remove", path))
}

/// Removes the attempt folders of one unit, not those of its parts.
pub(crate) fn clear_failures(run_dir: &Path, id: &UnitId) -> Result<(), EngineError> {
    for p in sorted_entries(&attempts_dir(run_dir, id))? {
        if is_attempt(&p) {
            remove_attempt(&p)?;
        }
    }
    clear_empty(run_dir, id);
    Ok(())
}

/// Removes the failures of a stage in a scope that belong to none of these parts.
pub(crate) fn clear_part_failures(
    run_dir: &Path,
    stage: &str,
    scope: &[String],
    keep: &BTreeSet<Option<&str>>,
) -> Result<(), EngineError> {
    let whole = UnitId { stage: stage.to_owned(), scope: scope.to_owned(), part: None };
    let dir = attempts_dir(run_dir, &whole);
    for p in sorted_entries(&dir)? {
        if is_attempt(&p) || !p.is_dir() {
            continue;
        }
        let Some(part) = p.file_name().and_then(|n| n.to_str()) else { continue };
        if !keep.contains(&Some(part)) {
            remove(&p)?;
        }
    }
    if !keep.contains(&None) {
        clear_failures(run_dir, &whole)?;
    }
    Ok(())
}

fn is_attempt(dir: &Path) -> bool {
    dir.join(LEASE).is_file() || dir.join(FAILURE).is_file() || dir.join(".failure.tmp").is_file() || {
        // A run may have been killed between the folder and its lease.
        let name = dir.file_name().and_then(|n| n.to_str()).unwrap_or("");
        name.split_once('-')
            .is_some_and(|(n, r)| n.parse::<u32>().is_ok() && r.len() == 8 && r.bytes().all(|b| b.is_ascii_hexdigit()))
            && dir.is_dir()
            && std::fs::read_dir(dir).is_ok_and(|mut d| d.next().is_none())
    }
}

/// Removes what a killed run left in its attempt folders, and returns the units that ran on threads of that process:
/// one of them may have been what took it down. Must be called under the lock of the run folder.
pub(crate) fn clean_orphans(run_dir: &Path) -> Result<Vec<Lease>, EngineError> {
    let mut leases = Vec::new();
    let mut todo = vec![run_dir.join("attempts")];
    let mut orphans = Vec::new();
    while let Some(d) = todo.pop() {
        for p in sorted_entries(&d)? {
            if !p.is_dir() {
                continue;
            }
            if is_attempt(&p) {
                if p.join(FAILURE).is_file() {
                    keep_failure_only(&p)?;
                } else {
                    orphans.push(p);
                }
            } else {
                todo.push(p);
            }
        }
    }
    for p in orphans {
        let lease = std::fs::read(p.join(LEASE)).ok().and_then(|b| serde_json::from_slice::<Lease>(&b).ok());
        remove_attempt(&p)?;
        if let Some(l) = lease {
            clear_empty(run_dir, &l.id);
            leases.push(l);
        }
    }
    // Half-made records.
    let mut half = Vec::new();
    walk(&run_dir.join("units"), &mut |p| {
        let name = p.file_name().and_then(|n| n.to_str()).unwrap_or("");
        if name.starts_with('.') && name.ends_with(".tmp") {
            half.push(p.to_owned());
        }
    })?;
    for p in half {
        remove(&p)?;
    }
    Ok(leases)
}

/// Empty folders go, up to and including the stage's; others stay.
fn clear_empty(run_dir: &Path, id: &UnitId) {
    let top = run_dir.join("attempts");
    let dir = attempts_dir(run_dir, id);
    let mut d = dir.as_path();
    while d != top && std::fs::remove_dir(d).is_ok() {
        match d.parent() {
            Some(p) => d = p,
            None => break,
        }
    }
}

/// The failure that a unit was left with.
pub(crate) fn last_failure(run_dir: &Path, id: &UnitId) -> Option<FailureRecord> {
    let entries = sorted_entries(&attempts_dir(run_dir, id)).ok()?;
    entries
        .iter()
        .filter_map(|p| read_failure(&p.join(FAILURE)).ok())
        .filter(|f| f.id == *id)
        .max_by_key(|f| f.attempts)
}
