//! The dispatcher: the one thread that knows the state of the run and decides what starts when.

mod admit;
mod nodes;
mod outcome;

use super::Shared;
use super::adapt::Adaptive;
use super::graph::Graph;
use super::plan::Planned;
use super::worker::{Answer, work};
use crate::api::{Cancel, Subject, UnitId};
use crate::event::{EVENT_FORMAT, Event, EventLog};

use crate::report::{RunReport, StageReport};
use crate::{machine, usage};
use crossbeam_channel::{Receiver, RecvTimeoutError, unbounded};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::thread::Scope;
use std::time::{Duration, Instant};

/// How often the flags and the memory are looked at.
const TICK: Duration = Duration::from_millis(50);
/// Planned units that wait, beyond which nothing further is planned (unless sizes decide the order).
const READY_ENOUGH: usize = 2048;
/// How far down a stage's queue a unit is looked for that fits.
const LOOK: usize = 16;
/// How often a unit may be overtaken by smaller ones before room is made for it.
const PATIENCE: u32 = 64;

/// Place of a unit in the order of the run: size, rank of the subject, stage, number.
type Key = (u64, u64, usize, usize, usize);

#[derive(Clone, Debug)]
enum Node {
    Waiting,
    Queued,
    Planning,
    Open { left: usize, failed: Option<UnitId> },
    Over { failed: Option<UnitId> },
}

/// A unit that is to be carried out.
struct Live {
    unit: Arc<Planned>,
    stage: usize,
    subject: usize,
    key: Key,
    /// Attempts made; re-runs for memory included, and not included.
    attempts: u32,
    counted: u32,
    /// Estimate of its memory, raised when it was not enough.
    memory: u64,
    alone: bool,
    overtaken: u32,
    running: Option<Running>,
}

/// What a running unit holds.
struct Running {
    generation: u64,
    peers: usize,
    memory: u64,
    gpus: Vec<String>,
}

struct Stage {
    workers: Adaptive,
    threads: usize,
    running: usize,
    since: Option<Instant>,
    ready: BTreeMap<Key, usize>,
    /// Largest measured memory: bytes, and as a multiple of the estimate.
    measured: u64,
    ratio: f64,
    numbers: StageReport,
}

pub(crate) struct Dispatcher<'s, S> {
    graph: &'s Graph<'s, S>,
    shared: &'s Shared<'s>,
    log: EventLog<'s>,
    nodes: Vec<Vec<Node>>,
    /// Nodes that are not over, by stage.
    open: Vec<usize>,
    stages: Vec<Stage>,
    units: HashMap<usize, Live>,
    next_unit: usize,
    to_plan: BTreeSet<(usize, usize, usize)>,
    planning: usize,
    unplanned: usize,
    running: usize,
    cpus_used: usize,
    memory_used: u64,
    alone: bool,
    free_gpus: BTreeSet<String>,
    delayed: BTreeSet<(Instant, usize)>,
    started: Instant,
    threads: usize,
    report: RunReport,
    level: u8,
    level_since: Option<Instant>,
    limited: Option<(&'static str, Instant)>,
    memory_said: Instant,
}

impl<'s, S: Subject + Sync> Dispatcher<'s, S> {
    pub(crate) fn new(graph: &'s Graph<'s, S>, shared: &'s Shared<'s>, log: EventLog<'s>) -> Self {
        let cpus = shared.options.cpus.max(1);
        let stages = graph
            .stages
            .iter()
            .map(|i| Stage {
                workers: Adaptive::new(i.policy.workers),
                threads: i.policy.threads.clamp(1, cpus),
                running: 0,
                since: None,
                ready: BTreeMap::new(),
                measured: 0,
                ratio: 1.0,
                numbers: StageReport { stage: i.name.to_owned(), ..StageReport::default() },
            })
            .collect();
        Self {
            graph,
            shared,
            log,
            nodes: vec![vec![Node::Waiting; graph.subjects.len()]; graph.stages.len()],
            open: vec![graph.subjects.len(); graph.stages.len()],
            stages,
            units: HashMap::new(),
            next_unit: 0,
            to_plan: BTreeSet::new(),
            planning: 0,
            unplanned: graph.stages.len() * graph.subjects.len(),
            running: 0,
            cpus_used: 0,
            memory_used: 0,
            alone: false,
            free_gpus: shared.options.gpus.iter().cloned().collect(),
            delayed: BTreeSet::new(),
            started: Instant::now(),
            threads: 0,
            report: RunReport { run_id: shared.options.run_id.clone(), ..RunReport::default() },
            level: 0,
            level_since: None,
            limited: None,
            memory_said: Instant::now(),
        }
    }

    /// Runs until everything is over or the run is interrupted.
    pub(crate) fn run<'scope>(mut self, scope: &'scope Scope<'scope, '_>, cancel: &Cancel) -> RunReport
    where
        's: 'scope,
    {
        let (jobs, job_queue) = unbounded();
        let (answer_to, answers) = unbounded();
        let o = self.shared.options;
        self.log.emit(Event::RunStarted {
            format: EVENT_FORMAT,
            run_id: o.run_id.clone(),
            subjects: self.graph.subjects.len(),
            stages: self.graph.stages.iter().map(|s| s.name.to_owned()).collect(),
            cpus: o.cpus,
            memory: o.memory,
            gpus: o.gpus.clone(),
        });
        for id in &self.shared.suspects {
            let message = format!("{id} was at work when an earlier run died; it is now done in a process of its own");
            self.log.emit(Event::Warning { message });
        }
        for subject in 0..self.graph.subjects.len() {
            for stage in 0..self.graph.stages.len() {
                self.consider(stage, subject);
            }
        }
        loop {
            self.look_at_flags(cancel);
            self.wake_delayed();
            let spawn = |me: &mut Self| {
                let (graph, shared, q, a) = (me.graph, me.shared, job_queue.clone(), answer_to.clone());
                scope.spawn(move || work(graph, shared, &q, &a));
                me.threads += 1;
            };
            self.dispatch(&jobs, spawn);
            if self.running + self.planning == 0 && (self.level > 0 || self.open.iter().all(|&n| n == 0)) {
                break;
            }
            self.receive(&answers);
        }
        drop(jobs);
        self.finish()
    }

    fn receive(&mut self, answers: &Receiver<Answer>) {
        let wait = self.delayed.first().map_or(TICK, |(t, _)| t.saturating_duration_since(Instant::now()).min(TICK));
        match answers.recv_timeout(wait) {
            Ok(a) => self.take(a),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        while let Ok(a) = answers.try_recv() {
            self.take(a);
        }
        self.sample_memory();
    }

    fn take(&mut self, answer: Answer) {
        match answer {
            Answer::Planned { stage, subject, result } => {
                self.planning -= 1;
                self.planned(stage, subject, result);
            }
            Answer::Unit { number, attempt } => self.ended(number, attempt),
        }
    }

    fn sample_memory(&mut self) {
        if self.memory_said.elapsed() < Duration::from_secs(1) {
            return;
        }
        self.memory_said = Instant::now();
        let own = machine::resident(std::process::id()).map_or(0, |m| m.0);
        let resident = own + usage::resident();
        self.report.peak_memory = self.report.peak_memory.max(resident);
        self.log.emit(Event::Memory { resident, reserved: self.memory_used });
    }

    fn look_at_flags(&mut self, cancel: &Cancel) {
        let level = cancel.level();
        if level > self.level {
            self.level = level;
            self.level_since.get_or_insert_with(Instant::now);
            self.log.emit(Event::Interrupted { level });
        }
        let over = self.level_since.is_some_and(|t| t.elapsed() >= self.shared.options.grace);
        let wanted = if self.level >= 2 || over { 2 } else { self.level };
        while self.shared.stop.level() < wanted {
            self.shared.stop.raise();
        }
    }

    fn wake_delayed(&mut self) {
        let now = Instant::now();
        while let Some(&(t, number)) = self.delayed.first() {
            if t > now {
                break;
            }
            self.delayed.remove(&(t, number));
            self.put_back(number);
        }
    }

    fn put_back(&mut self, number: usize) {
        if let Some(u) = self.units.get(&number) {
            self.stages[u.stage].ready.insert(u.key, number);
        }
    }

    fn finish(mut self) -> RunReport {
        self.account(None);
        let mut report = std::mem::take(&mut self.report);
        report.interrupted = self.open.iter().any(|&n| n > 0);
        report.seconds = self.started.elapsed().as_secs_f64();
        let (now, peak) = machine::resident(std::process::id()).unwrap_or_default();
        report.peak_memory = report.peak_memory.max(now).max(peak);
        report.stages =
            self.stages.into_iter().map(|s| StageReport { fewest_workers: s.workers.fewest(), ..s.numbers }).collect();
        report.failures.sort_by(|a, b| a.id.cmp(&b.id));
        let sum = |f: fn(&StageReport) -> usize| report.stages.iter().map(f).sum();
        let event = Event::RunFinished {
            done: sum(|s| s.done),
            fresh: sum(|s| s.fresh),
            failed: sum(|s| s.failed),
            skipped: sum(|s| s.skipped),
            seconds: report.seconds,
            interrupted: report.interrupted,
        };
        self.log.emit(event);
        report
    }
}
