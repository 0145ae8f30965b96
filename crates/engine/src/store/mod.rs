//! Records and failures: the truth about what is done, kept in files below the run folder.
//!
//! ```text
//! units/<stage>/<scope…>[/<part>]/<fingerprint16>.json       one current record a unit; superseded ones end in .old
//! attempts/<stage>/<scope…>[/<part>]/<n>-<random>/failure.json
//! ```

mod attempts;
mod explain;
mod publish;
mod record;

pub(crate) use attempts::last_failure;
pub(crate) use attempts::{Lease, clean_orphans, clear_failures, clear_part_failures, new_attempt, write_failure};
pub use explain::{Change, Explanation, explain};
pub(crate) use explain::{Freshness, check, digest_inputs, to_records};
pub use publish::{PublishError, publish_record};
pub(crate) use publish::{make_current, move_aside, move_aside_dropped, place_outputs};
pub use record::{FailureRecord, InputDigest, OutputRecord, Record, RunInfo};

use crate::api::UnitId;
use crate::error::EngineError;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Largest record that is read.
const RECORD_LIMIT: u64 = 1 << 30;

/// Folder of a unit's records.
pub fn record_dir(run_dir: &Path, id: &UnitId) -> PathBuf {
    below(run_dir.join("units"), id)
}

/// Folder of a unit's attempts.
pub fn attempts_dir(run_dir: &Path, id: &UnitId) -> PathBuf {
    below(run_dir.join("attempts"), id)
}

fn below(mut dir: PathBuf, id: &UnitId) -> PathBuf {
    dir.push(&id.stage);
    dir.extend(&id.scope);
    dir.extend(&id.part);
    dir
}

/// File name of a record.
pub(crate) fn record_name(fingerprint: &str) -> String {
    format!("{}.json", fingerprint.get(..16).unwrap_or(fingerprint))
}

/// Reads one record.
///
/// # Errors
/// When it cannot be read or is not a record of this version.
pub fn read_record(path: &Path) -> Result<Record, EngineError> {
    record::read(path, "unit record")
}

/// Reads one failure file.
///
/// # Errors
/// When it cannot be read or is not a failure file of this version.
pub fn read_failure(path: &Path) -> Result<FailureRecord, EngineError> {
    record::read(path, "failure file")
}

/// The current record of a unit, when it has one.
///
/// # Errors
/// When it cannot be read.
pub fn current_record(run_dir: &Path, id: &UnitId) -> Result<Option<Record>, EngineError> {
    let dir = record_dir(run_dir, id);
    for path in sorted_entries(&dir)? {
        if is_record(&path) {
            let r = read_record(&path)?;
            if r.id == *id {
                return Ok(Some(r));
            }
        }
    }
    Ok(None)
}

/// Current records of a stage in one scope, whole and parts; those that cannot be read are left out.
pub(crate) fn current_records_of(run_dir: &Path, whole: &UnitId) -> Vec<Record> {
    let mut records = Vec::new();
    for path in sorted_entries(&record_dir(run_dir, whole)).unwrap_or_default() {
        if path.is_dir() {
            records.extend(sorted_entries(&path).unwrap_or_default().iter().filter(|p| is_record(p)).cloned());
        } else if is_record(&path) {
            records.push(path);
        }
    }
    records.iter().filter_map(|p| read_record(p).ok()).collect()
}

/// All current records, sorted by unit; one at a time is in memory.
///
/// # Errors
/// When the folder of the records cannot be listed. Records that cannot be read come as errors of their own.
pub fn current_records(
    run_dir: &Path,
) -> Result<impl Iterator<Item = Result<Record, EngineError>> + use<>, EngineError> {
    let mut paths = Vec::new();
    walk(&run_dir.join("units"), &mut |p| {
        if is_record(p) {
            paths.push(p.to_owned());
        }
    })?;
    paths.sort();
    Ok(paths.into_iter().map(|p| read_record(&p)))
}

/// The last failure of every unit that has failed and has not succeeded since, sorted by unit.
///
/// # Errors
/// When a folder or failure file cannot be read.
pub fn current_failures(run_dir: &Path) -> Result<Vec<FailureRecord>, EngineError> {
    let mut paths = Vec::new();
    walk(&run_dir.join("attempts"), &mut |p| {
        if p.file_name().is_some_and(|n| n == "failure.json") {
            paths.push(p.to_owned());
        }
    })?;
    let mut last: BTreeMap<UnitId, FailureRecord> = BTreeMap::new();
    for p in paths {
        let f = read_failure(&p)?;
        match last.get(&f.id) {
            Some(known) if known.attempts >= f.attempts => {}
            _ => {
                last.insert(f.id.clone(), f);
            }
        }
    }
    Ok(last.into_values().collect())
}

fn is_record(path: &Path) -> bool {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
    name.len() == 21 && name.ends_with(".json") && name.as_bytes()[..16].iter().all(u8::is_ascii_hexdigit)
}

fn sorted_entries(dir: &Path) -> Result<Vec<PathBuf>, EngineError> {
    let mut entries = match std::fs::read_dir(dir) {
        Ok(d) => d.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>().map_err(EngineError::io("list", dir))?,
        Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => Vec::new(),
        Err(e) => return Err(EngineError::io("list", dir)(e)),
    };
    entries.sort();
    Ok(entries)
}

fn walk(dir: &Path, visit: &mut dyn FnMut(&Path)) -> Result<(), EngineError> {
    let mut todo = vec![dir.to_owned()];
    while let Some(d) = todo.pop() {
        let entries = match std::fs::read_dir(&d) {
            Ok(e) => e,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => return Err(EngineError::io("list", &d)(e)),
        };
        for e in entries {
            let e = e.map_err(EngineError::io("list", &d))?;
            let kind = e.file_type().map_err(EngineError::io("look at", &e.path()))?;
            if kind.is_dir() {
                todo.push(e.path());
            } else {
                visit(&e.path());
            }
        }
    }
    Ok(())
}
