//! A run: plan, admit, carry out, record.
//!
//! The thread that calls [`run`] is the only one that decides; worker threads plan scopes and carry out units, and the
//! two sides exchange messages only.

mod adapt;
mod dispatch;
mod dry;
mod graph;
mod plan;
mod worker;

use crate::api::{Cancel, Subject, UnitId};
use crate::digest::DigestCache;
use crate::error::EngineError;
use crate::event::{EventLog, Observer};
use crate::lock::RunLock;
use crate::options::RunOptions;
use crate::pipeline::Pipeline;
use crate::report::RunReport;
use crate::store;
use graph::Graph;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

/// What the workers share.
pub(crate) struct Shared<'a> {
    pub(crate) options: &'a RunOptions,
    pub(crate) digests: DigestCache,
    /// What running units look at: level 1 when asked to finish, 2 when they must stop.
    pub(crate) stop: Cancel,
    /// Who has written which output in this run.
    pub(crate) outputs: Mutex<HashMap<String, UnitId>>,
    /// Units that were running on threads of a run that died.
    pub(crate) suspects: HashSet<UnitId>,
    pub(crate) host: String,
}

/// Carries out a pipeline over its subjects: every unit that is not fresh is done, and what can be done is done whatever
/// fails. The state on disk is whole at every moment; a run that was interrupted or killed is resumed by the next one.
///
/// After an interrupt (`cancel` at 1) no unit is started any more and running ones may finish within
/// [`RunOptions::grace`]; then, or at level 2, children and programs are ended. A unit that computes on a thread of this
/// process cannot be ended from outside: it should look at [`crate::UnitContext::cancel`]; a program that must leave at
/// once may simply exit, as children and programs die with it.
///
/// # Errors
/// When the pipeline makes no sense, the run folder is in use or cannot be written. Failures of units are no errors: they
/// are in the report.
pub fn run<S: Subject + Sync>(
    pipeline: &Pipeline<S>,
    subjects: &[S],
    options: &RunOptions,
    cancel: &Cancel,
    observer: &dyn Observer,
) -> Result<RunReport, EngineError> {
    let graph = Graph::new(pipeline, subjects, options)?;
    let shared = |digests, suspects| Shared {
        options,
        digests,
        stop: Cancel::new(),
        outputs: Mutex::default(),
        suspects,
        host: crate::text::host(),
    };
    let cache = options.run_dir.join("digests.json");
    if options.dry_run {
        return Ok(dry::plan_all(&graph, &shared(DigestCache::load(&cache), HashSet::new())));
    }
    let _lock = match &options.held {
        Some(held) => Arc::clone(held),
        None => Arc::new(RunLock::take(&options.run_dir)?),
    };
    let orphans = store::clean_orphans(&options.run_dir)?;
    let suspects = orphans.into_iter().filter(|l| l.in_process).map(|l| l.id).collect();
    let shared = shared(DigestCache::load(&cache), suspects);
    let log = EventLog::open(Some(&options.run_dir), observer)?;
    let report = std::thread::scope(|scope| dispatch::Dispatcher::new(&graph, &shared, log).run(scope, cancel));
    shared.digests.save(&cache).map_err(EngineError::io("write", &cache))?;
    Ok(report)
}
