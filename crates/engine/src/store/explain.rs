//! Why a unit is fresh or stale.

use super::attempts::last_failure;
use super::{InputDigest, Record, is_record, read_record, record_dir, record_name, sorted_entries};
use crate::api::{FailureKind, Input, RootedPath, Roots, UnitError, UnitId};
use crate::digest::{Digest, DigestCache, canonical_json, fingerprint};
use serde::Serialize;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// One reason for doing a unit again.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// It has never been done.
    New,
    /// The stage has changed.
    StageVersion {
        /// Then.
        old: u32,
        /// Now.
        new: u32,
    },
    /// A setting has changed.
    Setting {
        /// Where in the task, keys joined by dots.
        key: String,
        /// Then; `None` when it was not there.
        old: Option<Value>,
        /// Now; `None` when it is not there any more.
        new: Option<Value>,
    },
    /// The content of an input has changed, or an input was added or is not used any more.
    Input {
        /// Its role.
        role: String,
        /// Where it is (was, when it is not used any more).
        path: RootedPath,
        /// Digest then; `None` when it was not used.
        old: Option<String>,
        /// Digest now; `None` when it is not used any more.
        new: Option<String>,
    },
    /// An output is gone.
    OutputMissing {
        /// Which.
        path: RootedPath,
    },
    /// An output is not what the unit wrote.
    OutputChanged {
        /// Which.
        path: RootedPath,
        /// Digest in the record.
        old: String,
        /// Digest now.
        new: String,
    },
    /// Its record cannot be read.
    Unreadable {
        /// Why.
        reason: String,
    },
    /// The last attempt failed.
    Failed {
        /// Why.
        error: UnitError,
    },
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let cut =
            |d: &Option<String>| d.as_deref().map_or("absent".to_owned(), |d| d.get(..12).unwrap_or(d).to_owned());
        let show = |v: &Option<Value>| v.as_ref().map_or("absent".to_owned(), canonical_json);
        match self {
            Self::New => f.write_str("it has not been done yet"),
            Self::StageVersion { old, new } => {
                write!(f, "the stage has version {new}, the record was made by version {old}")
            }
            Self::Setting { key, old, new } => write!(f, "setting {key} was {}, is {}", show(old), show(new)),
            Self::Input { role, path, old, new } => {
                write!(f, "input {role} ({path}) was {}, is {}", cut(old), cut(new))
            }
            Self::OutputMissing { path } => write!(f, "output {path} is gone"),
            Self::OutputChanged { path, .. } => write!(f, "output {path} is not what the unit wrote"),
            Self::Unreadable { reason } => write!(f, "its record cannot be read: {reason}"),
            Self::Failed { error } => write!(f, "the last attempt failed: {error}"),
        }
    }
}

/// Why a unit is fresh or stale.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// Unit.
    pub id: UnitId,
    /// Needs no work.
    pub fresh: bool,
    /// A failure that would be carried over, as its inputs have not changed.
    pub carried_over: Option<UnitError>,
    /// Why it is stale; empty when fresh.
    pub changes: Vec<Change>,
    /// Its fingerprint now; `None` when an input is missing.
    pub fingerprint: Option<String>,
    /// Version of the stage now.
    pub stage_version: u32,
    /// Its inputs now.
    pub inputs: Vec<InputDigest>,
    /// The record that was compared, current or superseded.
    pub record: Option<Record>,
}

/// Compares a unit as it is planned now with its record.
///
/// # Errors
/// A `Data` failure when an input is missing or unreadable.
pub fn explain(
    run_dir: &Path,
    roots: &Roots,
    digests: &DigestCache,
    id: &UnitId,
    stage_version: u32,
    task: &Value,
    inputs: &[Input],
) -> Result<Explanation, UnitError> {
    let inputs = digest_inputs(roots, digests, id, inputs)?;
    let fp = fingerprint(&id.stage, stage_version, task, &inputs);
    let inputs = to_records(inputs);
    let (freshness, record) = check(run_dir, roots, digests, id, stage_version, task, &inputs, &fp);
    let (fresh, carried_over, changes) = match freshness {
        Freshness::Fresh | Freshness::Superseded => (true, None, Vec::new()),
        Freshness::CarriedOver(e) => (false, Some(e), Vec::new()),
        Freshness::Stale(c) => (false, None, c),
    };
    Ok(Explanation {
        id: id.clone(),
        fresh,
        carried_over,
        changes,
        fingerprint: Some(fp),
        stage_version,
        inputs,
        record,
    })
}

pub(crate) fn digest_inputs(
    roots: &Roots,
    digests: &DigestCache,
    id: &UnitId,
    inputs: &[Input],
) -> Result<Vec<(Input, Digest)>, UnitError> {
    inputs
        .iter()
        .map(|i| {
            let d = digests
                .digest(roots, &i.path)
                .map_err(|e| UnitError::data(format!("input `{}` of {id}: {e}", i.role)))?;
            Ok((i.clone(), d))
        })
        .collect()
}

pub(crate) fn to_records(inputs: Vec<(Input, Digest)>) -> Vec<InputDigest> {
    inputs
        .into_iter()
        .map(|(i, d)| InputDigest { role: i.role, path: i.path, blake3: d.blake3, size: d.size })
        .collect()
}

/// What is to be done with a planned unit.
#[derive(Clone, Debug)]
pub(crate) enum Freshness {
    /// Nothing.
    Fresh,
    /// Nothing but making a superseded record current again.
    Superseded,
    /// It failed with the same inputs for a reason that has not gone away.
    CarriedOver(UnitError),
    /// It is to be done.
    Stale(Vec<Change>),
}

/// Is there a record of this fingerprint whose outputs are in place?
pub(crate) fn check(
    run_dir: &Path,
    roots: &Roots,
    digests: &DigestCache,
    id: &UnitId,
    version: u32,
    task: &Value,
    inputs: &[InputDigest],
    fp: &str,
) -> (Freshness, Option<Record>) {
    let dir = record_dir(run_dir, id);
    let name = record_name(fp);
    let mut unreadable = None;
    for (path, fresh) in [(dir.join(&name), Freshness::Fresh), (dir.join(format!("{name}.old")), Freshness::Superseded)]
    {
        if !path.is_file() {
            continue;
        }
        match read_record(&path) {
            Ok(r) if r.fingerprint == fp && r.id == *id => {
                let changes = output_changes(roots, digests, &r);
                if changes.is_empty() {
                    return (fresh, Some(r));
                }
                if matches!(fresh, Freshness::Fresh) {
                    return (Freshness::Stale(changes), Some(r));
                }
            }
            Ok(_) => {}
            Err(e) => unreadable = Some(Change::Unreadable { reason: e.to_string() }),
        }
    }
    if let Some(f) = last_failure(run_dir, id)
        && f.fingerprint.as_deref() == Some(fp)
    {
        return if f.error.kind == FailureKind::Data {
            (Freshness::CarriedOver(f.error), None)
        } else {
            (Freshness::Stale(vec![Change::Failed { error: f.error }]), None)
        };
    }
    let before = latest(&dir);
    let changes = match (&before, unreadable) {
        (_, Some(u)) => vec![u],
        (None, None) => vec![Change::New],
        (Some(r), None) => {
            let c = compare(r, version, task, inputs);
            if c.is_empty() { output_changes(roots, digests, r) } else { c }
        }
    };
    (Freshness::Stale(if changes.is_empty() { vec![Change::New] } else { changes }), before)
}

/// The current record, else the youngest superseded one.
fn latest(dir: &Path) -> Option<Record> {
    let entries = sorted_entries(dir).ok()?;
    let current = entries.iter().find(|p| is_record(p)).and_then(|p| read_record(p).ok());
    current.or_else(|| {
        let old = |p: &&PathBuf| p.extension().is_some_and(|e| e == "old");
        entries
            .iter()
            .filter(old)
            .max_by_key(|p| std::fs::metadata(p).and_then(|m| m.modified()).ok())
            .and_then(|p| read_record(p).ok())
    })
}

fn output_changes(roots: &Roots, digests: &DigestCache, record: &Record) -> Vec<Change> {
    record
        .outputs
        .iter()
        .filter_map(|o| match digests.digest(roots, &o.path) {
            Ok(d) if d.blake3 == o.blake3 && d.size == o.size => None,
            Ok(d) => Some(Change::OutputChanged { path: o.path.clone(), old: o.blake3.clone(), new: d.blake3 }),
            Err(_) => Some(Change::OutputMissing { path: o.path.clone() }),
        })
        .collect()
}

fn compare(r: &Record, version: u32, task: &Value, inputs: &[InputDigest]) -> Vec<Change> {
    let mut changes = Vec::new();
    if r.stage_version != version {
        changes.push(Change::StageVersion { old: r.stage_version, new: version });
    }
    settings("", Some(&r.task), Some(task), &mut changes);
    let key = |i: &InputDigest| (i.role.clone(), i.path.to_string());
    let old: std::collections::BTreeMap<_, _> = r.inputs.iter().map(|i| (key(i), i)).collect();
    let new: std::collections::BTreeMap<_, _> = inputs.iter().map(|i| (key(i), i)).collect();
    for k in old.keys().chain(new.keys()).collect::<std::collections::BTreeSet<_>>() {
        let (o, n) = (old.get(k), new.get(k));
        if o.map(|i| &i.blake3) != n.map(|i| &i.blake3)
            && let Some(i) = n.or(o)
        {
            changes.push(Change::Input {
                role: i.role.clone(),
                path: i.path.clone(),
                old: o.map(|i| i.blake3.clone()),
                new: n.map(|i| i.blake3.clone()),
            });
        }
    }
    changes
}

fn settings(key: &str, old: Option<&Value>, new: Option<&Value>, changes: &mut Vec<Change>) {
    match (old, new) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            for k in a.keys().chain(b.keys()).collect::<std::collections::BTreeSet<_>>() {
                let key = if key.is_empty() { k.clone() } else { format!("{key}.{k}") };
                settings(&key, a.get(k), b.get(k), changes);
            }
        }
        (a, b) if a.map(canonical_json) == b.map(canonical_json) => {}
        (a, b) => changes.push(Change::Setting { key: key.to_owned(), old: a.cloned(), new: b.cloned() }),
    }
}
