//! The seam between the engine and those who use it.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// Version of unit files, records and failure files.
pub const SCHEMA_VERSION: u32 = 1;

/// A path below a named root, written `root:relative/path`; nothing that is stored holds an absolute path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RootedPath {
    root: String,
    rel: String,
}

/// A [`RootedPath`] that cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// No `root:` prefix.
    #[error("`{0}` does not name its root (expected `root:relative/path`)")]
    NoRoot(String),
    /// Absolute, or climbs out of its root.
    #[error("`{0}` leaves its root")]
    Escapes(String),
    /// The root is not known.
    #[error("no root is called `{0}`")]
    UnknownRoot(String),
}

impl RootedPath {
    /// Joins a root name and a relative path with `/` separators.
    ///
    /// # Errors
    /// When the path is absolute or has `..` components.
    pub fn new(root: &str, rel: impl Into<String>) -> Result<Self, PathError> {
        let rel = rel.into();
        let bad = rel.starts_with('/') || rel.split('/').any(|c| c == "..") || rel.contains('\0');
        if bad { Err(PathError::Escapes(rel)) } else { Ok(Self { root: root.to_owned(), rel }) }
    }

    /// Name of the root.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// Path below the root.
    pub fn rel(&self) -> &str {
        &self.rel
    }

    /// The same root, one component further.
    pub fn join(&self, more: &str) -> Result<Self, PathError> {
        let rel = if self.rel.is_empty() { more.to_owned() } else { format!("{}/{more}", self.rel) };
        Self::new(&self.root, rel)
    }
}

impl std::fmt::Display for RootedPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.root, self.rel)
    }
}

impl std::str::FromStr for RootedPath {
    type Err = PathError;
    fn from_str(s: &str) -> Result<Self, PathError> {
        let (root, rel) = s.split_once(':').ok_or_else(|| PathError::NoRoot(s.to_owned()))?;
        Self::new(root, rel)
    }
}

impl Serialize for RootedPath {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RootedPath {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Where the named roots are on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roots(pub BTreeMap<String, PathBuf>);

impl Roots {
    /// The file or folder on this machine.
    ///
    /// # Errors
    /// When the root is not known here.
    pub fn resolve(&self, path: &RootedPath) -> Result<PathBuf, PathError> {
        let base = self.0.get(path.root()).ok_or_else(|| PathError::UnknownRoot(path.root().to_owned()))?;
        Ok(if path.rel().is_empty() { base.clone() } else { base.join(path.rel()) })
    }
}

/// Stable name of a unit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitId {
    /// Name of the stage.
    pub stage: String,
    /// What the stage is applied to; the engine gives it no meaning.
    pub scope: Vec<String>,
    /// A part of the scope, when the stage has several units there.
    pub part: Option<String>,
}

impl std::fmt::Display for UnitId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.stage)?;
        for s in self.scope.iter().chain(&self.part) {
            write!(f, "/{s}")?;
        }
        Ok(())
    }
}

/// A file (or folder, digested recursively) that a unit reads; its content digest is part of the fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// What the unit uses it for.
    pub role: String,
    /// Where it is.
    pub path: RootedPath,
}

/// What a unit needs while it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// Estimated peak memory, bytes; 0 = unknown.
    pub memory: u64,
    /// GPUs.
    pub gpus: u32,
}

/// One planned unit of a stage. Its fingerprint is made of stage name, stage version, task and input digests.
#[derive(Clone, Debug)]
pub struct Unit<T> {
    /// Part of the scope (file-name safe), `None` when the stage has one unit per scope.
    pub part: Option<String>,
    /// Everything that decides the result, apart from the inputs.
    pub task: T,
    /// What it reads.
    pub inputs: Vec<Input>,
    /// What it needs.
    pub resources: Resources,
}

/// How a unit is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// On a thread of this process (external programs are started from there).
    Thread,
    /// In a fresh child process.
    Process,
}

/// How a stage is to be run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Units of this stage at the same time, at most.
    pub workers: usize,
    /// Threads of one unit: size of the rayon pool, and value of the `*_NUM_THREADS` variables of children.
    pub threads: usize,
    /// How units are carried out.
    pub isolation: Isolation,
    /// Wall time of one attempt. A child is ended with its group; of a unit on a thread only the programs that it started
    /// can be ended from outside.
    pub time_limit: Option<Duration>,
    /// Attempts, the first included (re-runs by memory halving not counted).
    pub attempts: u32,
    /// Delay before the second attempt; doubles, with jitter.
    pub backoff: Duration,
    /// Address-space limit of a child, bytes.
    pub memory_limit: Option<u64>,
    /// Environment of children and programs.
    pub env: BTreeMap<String, String>,
    /// Facts of this machine that a unit may use but that never decide its result (paths of programs, device).
    pub host: BTreeMap<String, String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            workers: 1,
            threads: 1,
            isolation: Isolation::Thread,
            time_limit: None,
            attempts: 1,
            backoff: Duration::from_millis(500),
            memory_limit: None,
            env: BTreeMap::new(),
            host: BTreeMap::new(),
        }
    }
}

/// What a stage is, for help, documentation and the dry run.
#[derive(Clone, Debug, Serialize)]
pub struct StageDoc {
    /// One sentence.
    pub title: &'static str,
    /// What it reads.
    pub inputs: &'static str,
    /// What it writes.
    pub outputs: &'static str,
}

/// Something that units are planned over.
pub trait Subject: Sync {
    /// Stable, file-name safe key.
    fn scope(&self) -> Vec<String>;
}

/// A step of the pipeline. `plan` and `run` are apart so that a dry run, estimates and progress need no work.
pub trait Stage: Send + Sync {
    /// What is planned over.
    type Subject: Subject;
    /// Everything that decides a unit's result besides its inputs: closed, `deny_unknown_fields`.
    type Task: Serialize + DeserializeOwned + Send + Sync;
    /// Stable name, as in `--stage`.
    fn name(&self) -> &'static str;
    /// Raised by hand whenever the same task and inputs would give another result.
    fn version(&self) -> u32;
    /// For people.
    fn describe(&self) -> StageDoc;
    /// How to run it.
    fn policy(&self) -> Policy;
    /// The units of one subject: cheap, pure, deterministic. May read small files that earlier stages wrote.
    fn plan(&self, cx: &PlanContext<'_>, subject: &Self::Subject) -> Result<Vec<Unit<Self::Task>>, UnitError>;
    /// Carries out one unit. Must depend on the task and the inputs alone: in a child the stage value is built afresh
    /// with default settings.
    fn run(&self, cx: &UnitContext, task: &Self::Task) -> Result<Output, UnitError>;
}

/// What `plan` may look at.
pub struct PlanContext<'a> {
    /// Named roots.
    pub roots: &'a Roots,
    /// Outputs of the current records of the stages that this one waits for; `None` outside a run.
    current: Option<&'a std::collections::BTreeSet<RootedPath>>,
}

impl<'a> PlanContext<'a> {
    /// For planning outside a run: every file that exists counts.
    pub fn new(roots: &'a Roots) -> Self {
        Self { roots, current: None }
    }

    /// For a run: files count that a current record of an earlier stage names.
    pub(crate) fn of_run(roots: &'a Roots, current: &'a std::collections::BTreeSet<RootedPath>) -> Self {
        Self { roots, current: Some(current) }
    }

    /// Whether an earlier stage's file is there and is a result. A file that is left of a stage that failed since, or
    /// that is no longer part of the run, is none.
    pub fn has(&self, path: &RootedPath) -> bool {
        self.current.is_none_or(|c| c.contains(path)) && self.roots.resolve(path).is_ok_and(|p| p.exists())
    }
}

/// A file that a unit made in its work folder and where it is to go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputFile {
    /// What it is.
    pub role: String,
    /// Path below the work folder.
    pub work: String,
    /// Final place; an existing file is replaced by rename.
    pub to: RootedPath,
}

/// What went wrong for a part of a unit that otherwise succeeded; counts as a failed unit in tables and exit code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartFailure {
    /// Which part.
    pub part: String,
    /// What went wrong.
    pub error: UnitError,
}

/// The result of a unit: files to be renamed into place, rows for tables, findings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Files and folders made in the work folder.
    pub files: Vec<OutputFile>,
    /// Table name → rows (column name → value).
    pub rows: BTreeMap<String, Vec<serde_json::Map<String, serde_json::Value>>>,
    /// Further facts for those who read the record.
    pub facts: serde_json::Map<String, serde_json::Value>,
    /// Parts that failed.
    pub failures: Vec<PartFailure>,
}

/// Why a unit failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FailureKind {
    /// The input does not allow it; retrying is useless.
    Data,
    /// Memory, disk, time or GPU.
    Resources,
    /// An external program failed.
    Program,
    /// Signal, abort, panic.
    Crash,
    /// Settings do not allow it.
    Config,
    /// Stopped by the user or the system.
    Interrupted,
    /// A defect of this program.
    Bug,
    /// Not tried because a unit that it needs failed.
    Skipped,
}

/// A failure with what, where and what to do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
#[serde(deny_unknown_fields)]
pub struct UnitError {
    /// What kind of failure.
    pub kind: FailureKind,
    /// What happened, where (file, tag), in one sentence.
    pub message: String,
    /// What to do next.
    pub hints: Vec<String>,
}

impl UnitError {
    /// A failure of the given kind.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hints: Vec::new() }
    }

    /// The input does not allow it.
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Data, message)
    }

    /// A defect of this program.
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Bug, message)
    }

    /// Memory was not enough; the scheduler answers with fewer workers instead of counting an attempt.
    pub fn memory(message: impl Into<String>) -> Self {
        let message = message.into();
        let said = crate::memory_text::find(&message).is_some();
        Self::new(FailureKind::Resources, if said { message } else { format!("out of memory: {message}") })
    }

    /// True for failures of kind `Resources` whose text says that memory (not time or disk) was missing.
    pub fn is_memory(&self) -> bool {
        self.kind == FailureKind::Resources && crate::memory_text::find(&self.message).is_some()
    }

    /// Adds what to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl From<std::io::Error> for UnitError {
    fn from(e: std::io::Error) -> Self {
        use std::io::ErrorKind as K;
        let kind = match e.kind() {
            K::OutOfMemory | K::StorageFull | K::QuotaExceeded => FailureKind::Resources,
            _ => FailureKind::Data,
        };
        Self::new(kind, e.to_string())
    }
}

impl From<PathError> for UnitError {
    fn from(e: PathError) -> Self {
        Self::bug(e.to_string())
    }
}

/// Shared flag by which a run is asked to stop: 0 go on, 1 finish what runs, 2 stop now.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicU8>);

impl Cancel {
    /// A flag at 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises the level by one (at most 2); safe in a signal handler thread.
    pub fn raise(&self) {
        let _ = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |v| (v < 2).then_some(v + 1));
    }

    /// The level.
    pub fn level(&self) -> u8 {
        self.0.load(Ordering::SeqCst)
    }
}

/// What a running unit may use.
pub struct UnitContext {
    /// Name of the unit.
    pub id: UnitId,
    /// Named roots.
    pub roots: Roots,
    /// Private folder of this attempt; outputs are made here.
    pub work: PathBuf,
    /// Log of the unit (appended to).
    pub log: PathBuf,
    /// Threads it may use (the rayon pool around it has this size).
    pub threads: usize,
    /// Environment for programs that it starts.
    pub env: BTreeMap<String, String>,
    /// Facts of this machine (see [`Policy::host`]).
    pub host: BTreeMap<String, String>,
    /// Time limit of the attempt.
    pub time_limit: Option<Duration>,
    /// Asked to stop?
    pub cancel: Cancel,
}

impl UnitContext {
    /// The file or folder on this machine.
    pub fn resolve(&self, path: &RootedPath) -> Result<PathBuf, UnitError> {
        self.roots.resolve(path).map_err(|e| UnitError::bug(e.to_string()))
    }

    /// A path in the work folder, its parent folders made.
    pub fn work_file(&self, rel: &str) -> Result<PathBuf, UnitError> {
        let p = self.work.join(rel);
        if let Some(dir) = p.parent() {
            std::fs::create_dir_all(dir)?;
        }
        Ok(p)
    }

    /// Writes bytes to the work folder and returns the output that moves them to `to`.
    pub fn write(&self, role: &str, to: RootedPath, bytes: &[u8]) -> Result<OutputFile, UnitError> {
        let work = format!("out/{}", to.rel());
        std::fs::write(self.work_file(&work)?, bytes)?;
        Ok(OutputFile { role: role.to_owned(), work, to })
    }

    /// An output whose file the caller writes itself: returns the path to write to and the output.
    pub fn output(&self, role: &str, to: RootedPath) -> Result<(PathBuf, OutputFile), UnitError> {
        let work = format!("out/{}", to.rel());
        Ok((self.work_file(&work)?, OutputFile { role: role.to_owned(), work, to }))
    }
}

/// True when a path lies inside a folder after removing `.` and refusing `..`.
pub fn is_inside(folder: &Path, path: &Path) -> bool {
    // Only what follows the folder counts: the folder itself may have been given as `../out`.
    path.strip_prefix(folder).is_ok_and(|rest| !rest.components().any(|c| matches!(c, std::path::Component::ParentDir)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_follows_the_folder_must_not_climb() {
        let folder = Path::new("/data/study/../out/work");
        assert!(is_inside(folder, &folder.join("out/a.csv")), "the folder was given as `../out`");
        assert!(!is_inside(folder, &folder.join("../a.csv")));
        assert!(!is_inside(folder, Path::new("/data/out/work/a.csv")));
    }
}
