//! Carrying out one unit: attempt folder, execution, outputs in place, record or failure.

use super::Shared;
use super::graph::Graph;
use super::plan::{Planned, plan};
use crate::api::{FailureKind, Isolation, Output, SCHEMA_VERSION, Subject, UnitError};
use crate::isolate::{self, UnitFile};
use crate::program::THREAD_VARIABLES;
use crate::store::{self, FailureRecord, Lease, PublishError, Record, RunInfo};
use crate::{text, usage};
use crossbeam_channel::{Receiver, Sender};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// What a worker is asked to do.
pub(crate) enum Job {
    Plan { stage: usize, subject: usize },
    Unit(UnitJob),
}

/// One attempt.
pub(crate) struct UnitJob {
    /// The dispatcher's number of the unit.
    pub(crate) number: usize,
    pub(crate) stage: usize,
    pub(crate) unit: Arc<Planned>,
    pub(crate) attempt: u32,
    pub(crate) threads: usize,
    pub(crate) gpus: Vec<String>,
}

/// What a worker answers.
pub(crate) enum Answer {
    Planned { stage: usize, subject: usize, result: Result<Vec<Planned>, UnitError> },
    Unit { number: usize, attempt: Attempt },
}

/// How an attempt went.
pub(crate) struct Attempt {
    /// Number of failed parts, or the failure.
    pub(crate) result: Result<usize, Box<FailureRecord>>,
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_memory: u64,
}

/// Works until there are no more jobs.
pub(crate) fn work<S: Subject + Sync>(
    graph: &Graph<'_, S>,
    shared: &Shared<'_>,
    jobs: &Receiver<Job>,
    answers: &Sender<Answer>,
) {
    let mut pools = Pools::default();
    for job in jobs {
        let answer = match job {
            Job::Plan { stage, subject } => {
                Answer::Planned { stage, subject, result: plan(graph, shared, stage, subject, true) }
            }
            Job::Unit(j) => Answer::Unit { number: j.number, attempt: attempt(graph, shared, &j, &mut pools) },
        };
        if answers.send(answer).is_err() {
            return;
        }
    }
}

fn attempt<S: Subject + Sync>(graph: &Graph<'_, S>, shared: &Shared<'_>, job: &UnitJob, pools: &mut Pools) -> Attempt {
    let started = Instant::now();
    let fingerprint = job.unit.fingerprint.clone().unwrap_or_default();
    let mut info = RunInfo {
        run_id: shared.options.run_id.clone(),
        attempts: job.attempt,
        started: text::utc(SystemTime::now()),
        host: shared.host.clone(),
        log: format!("{}/{}.log", shared.options.run_id, fingerprint.get(..16).unwrap_or_default()),
        ..RunInfo::default()
    };
    let isolation = isolation(graph, shared, job);
    let lease = Lease {
        id: job.unit.id.clone(),
        host: shared.host.clone(),
        pid: std::process::id(),
        run_id: shared.options.run_id.clone(),
        started: info.started.clone(),
        in_process: isolation == Isolation::Thread,
    };
    let dir = match store::new_attempt(&shared.options.run_dir, job.attempt, &lease) {
        Ok(d) => d,
        Err(e) => {
            let place = store::attempts_dir(&shared.options.run_dir, &job.unit.id).join(format!(
                "{}-{}",
                job.attempt,
                text::random_suffix()
            ));
            return failed(
                graph,
                shared,
                job,
                &place,
                info,
                UnitError::new(FailureKind::Resources, e.to_string()),
                0.0,
                0,
            );
        }
    };
    let work = dir.join("work");
    let (result, cpu_seconds, peak_memory) = match std::fs::create_dir(&work) {
        Ok(()) => execute(graph, shared, job, isolation, &dir, &work, pools),
        Err(e) => (Err(UnitError::from(e)), 0.0, 0),
    };
    info.seconds = started.elapsed().as_secs_f64();
    info.cpu_seconds = cpu_seconds;
    info.peak_memory = peak_memory;
    let finished = result.and_then(|output| finish(graph, shared, job, &work, output, info.clone()));
    match finished {
        Ok(part_failures) => {
            if let Err(e) = store::clear_failures(&shared.options.run_dir, &job.unit.id) {
                tracing::warn!("the scratch of {} could not be removed: {e}", job.unit.id);
            }
            Attempt { result: Ok(part_failures), seconds: started.elapsed().as_secs_f64(), cpu_seconds, peak_memory }
        }
        Err(e) => failed(graph, shared, job, &dir, info, e, cpu_seconds, peak_memory),
    }
}

/// As the stage wants it; but a unit that was at work when a run died may have been the cause, and gets a child.
fn isolation<S: Subject>(graph: &Graph<'_, S>, shared: &Shared<'_>, job: &UnitJob) -> Isolation {
    if shared.suspects.contains(&job.unit.id) && isolate::is_initialised() {
        Isolation::Process
    } else {
        graph.stages[job.stage].policy.isolation
    }
}

fn execute<S: Subject>(
    graph: &Graph<'_, S>,
    shared: &Shared<'_>,
    job: &UnitJob,
    isolation: Isolation,
    dir: &Path,
    work: &Path,
    pools: &mut Pools,
) -> (Result<Output, UnitError>, f64, u64) {
    let unit = unit_file(graph, shared, job, dir, work);
    let info = &graph.stages[job.stage];
    match isolation {
        Isolation::Process => {
            if !isolate::is_initialised() {
                return (Err(UnitError::bug("child processes need `init` at the beginning of `main`")), 0.0, 0);
            }
            let r = isolate::run_isolated(dir, &unit, info.policy.memory_limit, &shared.stop);
            (r.result, r.cpu_seconds, r.peak_memory)
        }
        Isolation::Thread => {
            let pool = match pools.get(job.threads) {
                Ok(p) => p,
                Err(e) => return (Err(UnitError::memory(format!("no threads could be started: {e}"))), 0.0, 0),
            };
            let cx = isolate::context(&unit, &shared.stop);
            if pool.own_thread {
                pool.cpu_since_last();
            }
            let (result, _) = isolate::carry_out_in(&pool.pool, || info.stage.erased_run(&cx, &job.unit.task));
            let own = pool.cpu_since_last();
            let programs = usage::take(&cx.work);
            (result, own + programs.cpu_seconds, programs.peak_memory)
        }
    }
}

/// The pools of one worker thread by size.
#[derive(Default)]
struct Pools(HashMap<usize, Pool>);

struct Pool {
    pool: rayon::ThreadPool,
    /// CPU seconds of its threads when they were last asked.
    cpu: f64,
    own_thread: bool,
}

impl Pools {
    fn get(&mut self, threads: usize) -> Result<&mut Pool, rayon::ThreadPoolBuildError> {
        use std::collections::hash_map::Entry;
        match self.0.entry(threads) {
            Entry::Occupied(e) => Ok(e.into_mut()),
            Entry::Vacant(v) => {
                // A pool of one is the worker thread itself: no hand-over, no second thread.
                let own_thread = threads == 1;
                let builder = rayon::ThreadPoolBuilder::new().num_threads(threads);
                let pool = if own_thread { builder.use_current_thread() } else { builder }.build()?;
                let mut pool = Pool { pool, cpu: 0.0, own_thread };
                pool.cpu_since_last();
                Ok(v.insert(pool))
            }
        }
    }
}

impl Pool {
    /// CPU seconds of the pool's threads since this was last asked.
    fn cpu_since_last(&mut self) -> f64 {
        use rustix::time::{ClockId, clock_gettime};
        let seconds = || {
            let t = clock_gettime(ClockId::ThreadCPUTime);
            t.tv_sec as f64 + t.tv_nsec as f64 / 1e9
        };
        let now = if self.own_thread { seconds() } else { self.pool.broadcast(|_| seconds()).into_iter().sum() };
        let since = (now - self.cpu).max(0.0);
        self.cpu = now;
        since
    }
}

fn unit_file<S: Subject>(
    graph: &Graph<'_, S>,
    shared: &Shared<'_>,
    job: &UnitJob,
    dir: &Path,
    work: &Path,
) -> UnitFile {
    let info = &graph.stages[job.stage];
    let absolute = |p: &Path| std::path::absolute(p).unwrap_or_else(|_| p.to_owned());
    let fingerprint = job.unit.fingerprint.clone().unwrap_or_default();
    let log: PathBuf = shared
        .options
        .logs_dir
        .join(&shared.options.run_id)
        .join(format!("{}.log", fingerprint.get(..16).unwrap_or_default()));
    let mut roots = shared.options.roots.clone();
    for p in roots.0.values_mut() {
        *p = absolute(p);
    }
    UnitFile {
        schema: SCHEMA_VERSION,
        id: job.unit.id.clone(),
        stage_version: info.version,
        task: job.unit.task.clone(),
        roots,
        work: absolute(work),
        log: absolute(&log),
        threads: job.threads,
        env: environment(shared, &info.policy, job),
        host: info.policy.host.clone(),
        time_limit: info.policy.time_limit,
        result: absolute(&dir.join("result.json")),
        fingerprint,
    }
}

fn environment(shared: &Shared<'_>, policy: &crate::Policy, job: &UnitJob) -> BTreeMap<String, String> {
    let mut env = policy.env.clone();
    for v in THREAD_VARIABLES {
        env.entry(v.to_owned()).or_insert_with(|| job.threads.to_string());
    }
    if !job.gpus.is_empty() && !env.contains_key("CUDA_VISIBLE_DEVICES") {
        // What a scheduler has set stays, unless it gave several devices of which each worker must have its own.
        let inherited = std::env::var_os("CUDA_VISIBLE_DEVICES").is_some();
        if !inherited || (policy.workers > 1 && shared.options.gpus.len() > 1) {
            env.insert("CUDA_VISIBLE_DEVICES".into(), job.gpus.join(","));
        }
    }
    env
}

/// Puts the outputs in place and creates the record.
fn finish<S: Subject>(
    graph: &Graph<'_, S>,
    shared: &Shared<'_>,
    job: &UnitJob,
    work: &Path,
    output: Output,
    info: RunInfo,
) -> Result<usize, UnitError> {
    let unit = &job.unit;
    let fingerprint = unit.fingerprint.clone().unwrap_or_default();
    claim(shared, job, &output)?;
    let outputs =
        store::place_outputs(&shared.options.run_dir, &shared.options.roots, work, &unit.id, &fingerprint, &output)?;
    let part_failures = output.failures.len();
    let record = Record {
        schema: SCHEMA_VERSION,
        id: unit.id.clone(),
        fingerprint,
        stage_version: graph.stages[job.stage].version,
        task: unit.task.clone(),
        inputs: unit.inputs.clone(),
        outputs,
        rows: output.rows,
        facts: output.facts,
        failures: output.failures,
        run: info,
    };
    match store::publish_record(&shared.options.run_dir, &record) {
        Ok(_) => Ok(part_failures),
        Err(e @ PublishError::DuplicateDiffers { .. }) => Err(UnitError::bug(e.to_string())
            .hint("the stage is not deterministic: its result must follow from task and inputs alone")),
        Err(PublishError::Engine(e)) => Err(UnitError::new(FailureKind::Resources, e.to_string())),
    }
}

/// Two units of one run must not write the same file.
fn claim(shared: &Shared<'_>, job: &UnitJob, output: &Output) -> Result<(), UnitError> {
    let mut owners = shared.outputs.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for f in &output.files {
        let key = f.to.to_string();
        match owners.get(&key) {
            Some(other) if *other != job.unit.id => {
                return Err(UnitError::bug(format!("the output {key} was already written by {other} in this run")));
            }
            _ => {
                owners.insert(key, job.unit.id.clone());
            }
        }
    }
    Ok(())
}

fn failed<S: Subject>(
    graph: &Graph<'_, S>,
    shared: &Shared<'_>,
    job: &UnitJob,
    dir: &Path,
    info: RunInfo,
    error: UnitError,
    cpu_seconds: f64,
    peak_memory: u64,
) -> Attempt {
    let unit = &job.unit;
    let seconds = info.seconds;
    let failure = FailureRecord {
        schema: SCHEMA_VERSION,
        id: unit.id.clone(),
        fingerprint: unit.fingerprint.clone(),
        stage_version: graph.stages[job.stage].version,
        inputs: unit.inputs.clone(),
        error,
        cause: None,
        attempts: job.attempt,
        run: info,
    };
    let stopped = failure.error.kind == FailureKind::Interrupted && shared.stop.level() > 0;
    let written = if stopped {
        store::clear_failures(&shared.options.run_dir, &unit.id)
    } else {
        store::write_failure(dir, &failure)
    };
    if let Err(e) = written {
        tracing::warn!("the failure of {} could not be written: {e}", unit.id);
    }
    Attempt { result: Err(Box::new(failure)), seconds, cpu_seconds, peak_memory }
}
