//! The files between a run and a child: strictly typed JSON with a checksum and a bound on its size.

use crate::api::{Cancel, Output, Roots, SCHEMA_VERSION, UnitContext, UnitError, UnitId};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Largest unit file that is read.
pub(crate) const UNIT_LIMIT: u64 = 64 << 20;
/// Largest result file that is read.
pub(crate) const RESULT_LIMIT: u64 = 1 << 30;

/// A unit as it is handed to a process: all that [`UnitContext`] and the task hold.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UnitFile {
    pub(crate) schema: u32,
    pub(crate) id: UnitId,
    pub(crate) fingerprint: String,
    pub(crate) stage_version: u32,
    pub(crate) task: Value,
    pub(crate) roots: Roots,
    pub(crate) work: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) threads: usize,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) host: BTreeMap<String, String>,
    pub(crate) time_limit: Option<Duration>,
    /// Where the result goes.
    pub(crate) result: PathBuf,
}

impl UnitFile {
    pub(crate) fn context(&self) -> UnitContext {
        UnitContext {
            id: self.id.clone(),
            roots: self.roots.clone(),
            work: self.work.clone(),
            log: self.log.clone(),
            threads: self.threads.max(1),
            env: self.env.clone(),
            host: self.host.clone(),
            time_limit: self.time_limit,
            cancel: Cancel::new(),
        }
    }
}

/// What a child made of its unit.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResultFile {
    pub(crate) schema: u32,
    pub(crate) fingerprint: String,
    pub(crate) output: Option<Output>,
    pub(crate) error: Option<UnitError>,
    /// Panics are told apart from errors that a stage returned.
    pub(crate) panicked: bool,
    pub(crate) peak_memory: u64,
}

/// Why a file was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("cannot read or write {}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("{} is damaged: {reason}", path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error("{} has schema {found}, this program knows {SCHEMA_VERSION}", path.display())]
    Schema { path: PathBuf, found: u64 },
}

/// Writes a value and its checksum beside the final place and renames it; readable by us alone.
pub(crate) fn write<T: Serialize>(path: &Path, value: &T, limit: u64) -> Result<(), FileError> {
    let io = |source| FileError::Io { path: path.to_owned(), source };
    let mut body =
        serde_json::to_vec(value).map_err(|e| FileError::Damaged { path: path.to_owned(), reason: e.to_string() })?;
    let sum = blake3::hash(&body).to_hex();
    body.extend_from_slice(format!("\nblake3 {sum}\n").as_bytes());
    if body.len() as u64 > limit {
        return Err(FileError::TooLarge { path: path.to_owned(), limit });
    }
    let tmp = path.with_extension("tmp");
    let mut f =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&tmp).map_err(io)?;
    f.write_all(&body).map_err(io)?;
    std::fs::rename(&tmp, path).map_err(io)
}

/// Reads what [`write`] wrote and refuses everything else.
pub(crate) fn read<T: DeserializeOwned>(path: &Path, limit: u64) -> Result<T, FileError> {
    let io = |source| FileError::Io { path: path.to_owned(), source };
    let damaged = |reason: String| FileError::Damaged { path: path.to_owned(), reason };
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(io)?.take(limit + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > limit {
        return Err(FileError::TooLarge { path: path.to_owned(), limit });
    }
    let text = std::str::from_utf8(&bytes).map_err(|e| damaged(e.to_string()))?;
    let (body, sum) = text
        .strip_suffix('\n')
        .and_then(|t| t.rsplit_once("\nblake3 "))
        .ok_or_else(|| damaged("the checksum line is missing".into()))?;
    if blake3::hash(body.as_bytes()).to_hex().as_str() != sum {
        return Err(damaged("the checksum does not agree".into()));
    }
    // Another version may have other fields: say so before complaining about them.
    let found = serde_json::from_str::<SchemaOnly>(body).map_err(|e| damaged(e.to_string()))?.schema;
    if found != u64::from(SCHEMA_VERSION) {
        return Err(FileError::Schema { path: path.to_owned(), found });
    }
    serde_json::from_str(body).map_err(|e| damaged(e.to_string()))
}

#[derive(Deserialize)]
struct SchemaOnly {
    schema: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result() -> ResultFile {
        ResultFile {
            schema: SCHEMA_VERSION,
            fingerprint: "f".into(),
            output: Some(Output::default()),
            error: None,
            panicked: false,
            peak_memory: 1,
        }
    }

    fn sealed(body: &str) -> String {
        format!("{body}\nblake3 {}\n", blake3::hash(body.as_bytes()).to_hex())
    }

    #[test]
    fn only_what_was_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r");
        write(&path, &result(), RESULT_LIMIT).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(read::<ResultFile>(&path, RESULT_LIMIT).is_ok());
        assert!(matches!(read::<ResultFile>(&path, 10), Err(FileError::TooLarge { .. })));
        assert!(matches!(write(&path, &result(), 10), Err(FileError::TooLarge { .. })));

        for cut in 0..text.len() {
            std::fs::write(&path, &text[..cut]).unwrap();
            assert!(read::<ResultFile>(&path, RESULT_LIMIT).is_err(), "cut at {cut}");
        }
        std::fs::write(&path, text.replace("\"f\"", "\"g\"")).unwrap();
        assert!(matches!(read::<ResultFile>(&path, RESULT_LIMIT), Err(FileError::Damaged { .. })));
        let body = text.split('\n').next().unwrap();
        std::fs::write(&path, sealed(&body.replacen('{', "{\"more\":1,", 1))).unwrap();
        assert!(matches!(read::<ResultFile>(&path, RESULT_LIMIT), Err(FileError::Damaged { .. })));
        std::fs::write(&path, sealed(&body.replacen("\"schema\":1", "\"schema\":2", 1))).unwrap();
        assert!(matches!(read::<ResultFile>(&path, RESULT_LIMIT), Err(FileError::Schema { found: 2, .. })));
    }
}
