//! What is kept of a unit.

use crate::api::{PartFailure, RootedPath, SCHEMA_VERSION, UnitError, UnitId};
use crate::error::EngineError;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

/// An input as it was when the unit was planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputDigest {
    /// What the unit uses it for.
    pub role: String,
    /// Where it was.
    pub path: RootedPath,
    /// BLAKE3 of its content, hexadecimal.
    pub blake3: String,
    /// Bytes.
    pub size: u64,
}

/// An output in its final place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputRecord {
    /// What it is.
    pub role: String,
    /// Where it is.
    pub path: RootedPath,
    /// Bytes.
    pub size: u64,
    /// BLAKE3 of its content, hexadecimal.
    pub blake3: String,
}

/// How one execution went: the only part of a record that differs between two runs of the same unit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunInfo {
    /// Name of the run.
    pub run_id: String,
    /// Attempts made in that run, the last one included; re-runs for memory counted, too.
    pub attempts: u32,
    /// Start of the last attempt, UTC.
    pub started: String,
    /// Duration of the last attempt.
    pub seconds: f64,
    /// CPU seconds of the last attempt, children and programs included.
    pub cpu_seconds: f64,
    /// Peak memory of its children and programs, bytes; 0 = not measured.
    pub peak_memory: u64,
    /// Host name.
    pub host: String,
    /// Log of the unit, below the folder for logs.
    pub log: String,
}

/// A finished unit. Apart from `run` it is the same, byte for byte, whenever the same unit is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// [`SCHEMA_VERSION`].
    pub schema: u32,
    /// Unit.
    pub id: UnitId,
    /// See [`crate::fingerprint`].
    pub fingerprint: String,
    /// Version of the stage.
    pub stage_version: u32,
    /// Its task.
    pub task: Value,
    /// Its inputs.
    pub inputs: Vec<InputDigest>,
    /// Its outputs.
    pub outputs: Vec<OutputRecord>,
    /// Table name → rows.
    pub rows: BTreeMap<String, Vec<Map<String, Value>>>,
    /// Further facts.
    pub facts: Map<String, Value>,
    /// Parts that failed.
    pub failures: Vec<PartFailure>,
    /// How it went.
    pub run: RunInfo,
}

impl Record {
    /// Equal in everything but `run`.
    pub fn same_result(&self, other: &Self) -> bool {
        let strip = |r: &Self| Self { run: RunInfo::default(), ..r.clone() };
        strip(self) == strip(other)
    }
}

/// A unit that failed, or a stage that was skipped in a scope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailureRecord {
    /// [`SCHEMA_VERSION`].
    pub schema: u32,
    /// Unit; a stage that could not be planned or was skipped stands there without a part.
    pub id: UnitId,
    /// Its fingerprint, when it was planned.
    pub fingerprint: Option<String>,
    /// Version of the stage.
    pub stage_version: u32,
    /// Inputs as they were, when it was planned.
    pub inputs: Vec<InputDigest>,
    /// Why it failed.
    pub error: UnitError,
    /// The unit whose failure made this one impossible.
    pub cause: Option<UnitId>,
    /// Attempts made; 0 when it was not tried.
    pub attempts: u32,
    /// How it went.
    pub run: RunInfo,
}

pub(super) trait Versioned {
    fn schema(&self) -> u32;
}

impl Versioned for Record {
    fn schema(&self) -> u32 {
        self.schema
    }
}

impl Versioned for FailureRecord {
    fn schema(&self) -> u32 {
        self.schema
    }
}

pub(super) fn read<T: DeserializeOwned + Versioned>(path: &Path, what: &'static str) -> Result<T, EngineError> {
    let bad = |reason: String| EngineError::Malformed { what, path: path.to_owned(), reason };
    let file = std::fs::File::open(path).map_err(EngineError::io("open", path))?;
    let mut bytes = Vec::new();
    file.take(super::RECORD_LIMIT + 1).read_to_end(&mut bytes).map_err(EngineError::io("read", path))?;
    if bytes.len() as u64 > super::RECORD_LIMIT {
        return Err(bad("it is larger than 1 GiB".into()));
    }
    let value: T = serde_json::from_slice(&bytes).map_err(|e| bad(e.to_string()))?;
    if value.schema() != SCHEMA_VERSION {
        return Err(bad(format!("its schema is {}, this program knows {SCHEMA_VERSION}", value.schema())));
    }
    Ok(value)
}
