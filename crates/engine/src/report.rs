//! What a run did.

use crate::api::{Resources, UnitId};
use crate::store::FailureRecord;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Numbers of one stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StageReport {
    /// Name.
    pub stage: String,
    /// Units that were carried out.
    pub done: usize,
    /// Units that needed no work.
    pub fresh: usize,
    /// Units that failed, those carried over from an earlier run included.
    pub failed: usize,
    /// Stages × scopes that were skipped.
    pub skipped: usize,
    /// Parts that failed inside units that otherwise succeeded.
    pub part_failures: usize,
    /// Attempts, successful and not.
    pub attempts: usize,
    /// Time during which at least one unit of the stage ran, seconds.
    pub wall_seconds: f64,
    /// CPU seconds of its units.
    pub cpu_seconds: f64,
    /// Highest peak memory of one of its units, bytes; 0 = not measured.
    pub peak_memory: u64,
    /// Lowest number of workers that memory left to it.
    pub fewest_workers: usize,
}

/// One decision of the scheduler about a stage's workers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    /// Seconds after the start of the run.
    pub at_seconds: f64,
    /// Stage.
    pub stage: String,
    /// Workers before.
    pub from: usize,
    /// Workers afterwards.
    pub to: usize,
    /// Why.
    pub reason: String,
}

/// One line of a dry run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedUnit {
    /// Unit; for stages that cannot be planned yet, the stage in its scope.
    pub id: UnitId,
    /// Needs no work.
    pub fresh: bool,
    /// Why it is stale, or what it waits for; empty when fresh.
    pub reason: String,
    /// What it needs while it runs.
    pub resources: Resources,
    /// The units are not known before stages that it needs have run: this line stands for all of them.
    pub estimated: bool,
}

/// What a run did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RunReport {
    /// Name of the run.
    pub run_id: String,
    /// Stages in order, those that were not part of the run left out.
    pub stages: Vec<StageReport>,
    /// Units that failed or were skipped, by id.
    pub failures: Vec<FailureRecord>,
    /// Decisions of the scheduler in order.
    pub decisions: Vec<Decision>,
    /// Stopped before the end.
    pub interrupted: bool,
    /// Units whose results are current: carried out now or fresh.
    pub current: BTreeSet<UnitId>,
    /// The plan, for dry runs.
    pub planned: Vec<PlannedUnit>,
    /// Duration, seconds.
    pub seconds: f64,
    /// CPU seconds of all units.
    pub cpu_seconds: f64,
    /// Highest memory of this process and its children together, bytes.
    pub peak_memory: u64,
    /// Seconds during which ready units waited, by what they waited for: `workers`, `cpu`, `memory`, `gpu`.
    pub limited_by: BTreeMap<String, f64>,
}

impl RunReport {
    /// Numbers of a stage.
    pub fn stage(&self, name: &str) -> Option<&StageReport> {
        self.stages.iter().find(|s| s.stage == name)
    }

    /// Whether any unit, or part of one, failed.
    pub fn has_failures(&self) -> bool {
        !self.failures.is_empty() || self.stages.iter().any(|s| s.part_failures > 0)
    }

    /// Whether nothing had to be done.
    pub fn all_fresh(&self) -> bool {
        !self.interrupted && self.stages.iter().all(|s| s.done == 0 && s.attempts == 0)
    }
}
