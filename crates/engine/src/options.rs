//! How a run is to be carried out.

use crate::api::Roots;
use crate::lock::RunLock;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Which ready unit goes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// In the order of the subjects; early subjects are finished first.
    #[default]
    Fifo,
    /// Subjects shuffled by a seed.
    Random(u64),
    /// Most memory, then most input bytes, first.
    LargestFirst,
    /// Least memory, then fewest input bytes, first.
    SmallestFirst,
}

/// Whether stages of different scopes may overlap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheduler {
    /// A stage starts in a scope as soon as its needs are done there.
    #[default]
    Overlapping,
    /// A stage starts when the stages before it are over everywhere.
    Staged,
}

/// What is done again although it is fresh.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Force {
    /// Nothing.
    #[default]
    None,
    /// Everything that this run covers.
    All,
    /// These stages.
    Stages(BTreeSet<String>),
}

impl Force {
    /// Is this stage to be done again?
    pub fn covers(&self, stage: &str) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Stages(s) => s.contains(stage),
        }
    }
}

/// Everything about a run that is not a stage.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Named roots; holds at least `out`.
    pub roots: Roots,
    /// Machine state of the run: records, attempts, events, lock.
    pub run_dir: PathBuf,
    /// Logs; those of units lie in a folder named after the run.
    pub logs_dir: PathBuf,
    /// Name of the run.
    pub run_id: String,
    /// CPU threads to be used.
    pub cpus: usize,
    /// Memory budget, bytes; 0 = no admission by memory.
    pub memory: u64,
    /// GPUs as `CUDA_VISIBLE_DEVICES` names them.
    pub gpus: Vec<String>,
    /// Which ready unit goes first.
    pub order: Order,
    /// Whether stages overlap.
    pub scheduler: Scheduler,
    /// What is done again although it is fresh.
    pub force: Force,
    /// Stages to be run, with those that they need; `None` = all.
    pub only: Option<BTreeSet<String>>,
    /// Only plan: nothing is written, nothing is run.
    pub dry_run: bool,
    /// How long running units may go on after the first interrupt.
    pub grace: Duration,
    /// The lock of `run_dir` when the caller holds it already, because it writes there before or after the run; `None` =
    /// the run takes it for itself.
    pub held: Option<Arc<RunLock>>,
}

impl RunOptions {
    /// A run in `out` with the limits of this machine: state in `out/_RUN`, logs in `./Logs`.
    pub fn new(roots: Roots, run_id: impl Into<String>) -> Self {
        let out = roots.0.get("out").cloned().unwrap_or_default();
        Self {
            roots,
            run_dir: out.join("_RUN"),
            logs_dir: PathBuf::from("Logs"),
            run_id: run_id.into(),
            cpus: crate::machine::default_workers(),
            memory: crate::machine::memory().available,
            gpus: crate::machine::gpus(),
            order: Order::default(),
            scheduler: Scheduler::default(),
            force: Force::default(),
            only: None,
            dry_run: false,
            grace: Duration::from_secs(10),
            held: None,
        }
    }
}
