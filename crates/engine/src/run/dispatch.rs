//! The dispatcher: the one thread that knows the state of the run and decides what starts when.

use super::Shared;
use super::adapt::{Adaptive, Answer as MemoryAnswer};
use super::graph::Graph;
use super::plan::{Planned, Verdict, record_untried};
use super::worker::{Answer, Attempt, Job, UnitJob, work};
use crate::api::{Cancel, FailureKind, Subject, UnitError, UnitId};
use crate::event::{EVENT_FORMAT, Event, EventLog};
use crate::options::{Order, Scheduler};
use crate::report::{Decision, RunReport, StageReport};
use crate::store::FailureRecord;
use crate::{machine, usage};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
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

    // ---- interrupts -------------------------------------------------------------------------------------------

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

    // ---- stages × subjects ------------------------------------------------------------------------------------

    /// Queues a node for planning, or settles it, when those that it needs are over.
    fn consider(&mut self, stage: usize, subject: usize) {
        if !matches!(self.nodes[stage][subject], Node::Waiting) {
            return;
        }
        let info = &self.graph.stages[stage];
        if self.shared.options.scheduler == Scheduler::Staged && self.open[..stage].iter().any(|&n| n > 0) {
            return;
        }
        let mut cause = None;
        for &n in &info.done {
            match &self.nodes[n][subject] {
                Node::Over { failed: None } => {}
                Node::Over { failed: Some(id) } => cause = cause.or_else(|| Some(id.clone())),
                _ => return,
            }
        }
        if info.after.iter().any(|&n| !matches!(self.nodes[n][subject], Node::Over { .. })) {
            return;
        }
        match cause {
            Some(cause) => self.skip(stage, subject, cause),
            None => {
                self.nodes[stage][subject] = Node::Queued;
                self.to_plan.insert((self.graph.rank[subject], stage, subject));
            }
        }
    }

    fn skip(&mut self, stage: usize, subject: usize, cause: UnitId) {
        let id = self.graph.whole(stage, subject);
        let error = UnitError::new(FailureKind::Skipped, format!("not tried because {cause} failed"));
        self.untried(stage, &id, None, error, Some(cause.clone()));
        self.unplanned -= 1;
        self.stages[stage].numbers.skipped += 1;
        self.log.emit(Event::Skipped { unit: id, cause: cause.clone() });
        // What depends on this stage is skipped for the first cause.
        self.over(stage, subject, Some(cause));
    }

    fn untried(&mut self, stage: usize, id: &UnitId, unit: Option<&Planned>, error: UnitError, cause: Option<UnitId>) {
        match record_untried(self.shared, self.graph.stages[stage].version, id, unit, error, cause) {
            Ok(f) => self.report.failures.push(f),
            Err(e) => {
                self.log.emit(Event::Warning { message: format!("the failure of {id} could not be recorded: {e}") })
            }
        }
    }

    fn over(&mut self, stage: usize, subject: usize, failed: Option<UnitId>) {
        self.nodes[stage][subject] = Node::Over { failed };
        self.open[stage] -= 1;
        if self.shared.options.scheduler == Scheduler::Staged && self.open[stage] == 0 {
            for later in stage + 1..self.graph.stages.len() {
                for s in 0..self.graph.subjects.len() {
                    self.consider(later, s);
                }
            }
        } else {
            for later in stage + 1..self.graph.stages.len() {
                self.consider(later, subject);
            }
        }
    }

    fn planned(&mut self, stage: usize, subject: usize, result: Result<Vec<Planned>, UnitError>) {
        self.unplanned -= 1;
        let scope = self.graph.scopes[subject].clone();
        let name = self.graph.stages[stage].name;
        let units = match result {
            Ok(u) => u,
            Err(error) => {
                let id = self.graph.whole(stage, subject);
                self.untried(stage, &id, None, error.clone(), None);
                self.stages[stage].numbers.failed += 1;
                self.log.emit(Event::Failed { unit: id.clone(), attempts: 0, error, carried_over: false });
                self.over(stage, subject, Some(id));
                return;
            }
        };
        let to_run = units.iter().filter(|u| matches!(u.verdict, Verdict::Stale(_))).count();
        self.log.emit(Event::Planned {
            stage: name.to_owned(),
            scope,
            units: units.len(),
            to_run,
            unplanned: self.unplanned,
        });
        self.nodes[stage][subject] = Node::Open { left: to_run, failed: None };
        for u in units {
            match &u.verdict {
                Verdict::Fresh { part_failures } => {
                    let part_failures = *part_failures;
                    let numbers = &mut self.stages[stage].numbers;
                    numbers.fresh += 1;
                    numbers.part_failures += part_failures;
                    self.report.current.insert(u.id.clone());
                    self.log.emit(Event::Fresh { unit: u.id, part_failures });
                }
                Verdict::CarriedOver(e) | Verdict::Broken(e) => {
                    let (error, carried_over) = (e.clone(), matches!(u.verdict, Verdict::CarriedOver(_)));
                    self.fail_untried(stage, subject, &u, error, carried_over);
                }
                Verdict::Stale(_) => self.add(stage, subject, u),
            }
        }
        self.close_if_done(stage, subject);
    }

    fn fail_untried(&mut self, stage: usize, subject: usize, unit: &Planned, error: UnitError, carried_over: bool) {
        self.stages[stage].numbers.failed += 1;
        if carried_over {
            match crate::store::last_failure(&self.shared.options.run_dir, &unit.id) {
                Some(f) => self.report.failures.push(f),
                None => self.untried(stage, &unit.id, Some(unit), error.clone(), None),
            }
        } else {
            self.untried(stage, &unit.id, Some(unit), error.clone(), None);
        }
        self.log.emit(Event::Failed { unit: unit.id.clone(), attempts: 0, error, carried_over });
        self.mark_failed(stage, subject, &unit.id);
    }

    fn mark_failed(&mut self, stage: usize, subject: usize, id: &UnitId) {
        if let Node::Open { failed, .. } = &mut self.nodes[stage][subject] {
            // The smallest id, so that the cause that others name does not depend on who failed first.
            if failed.as_ref().is_none_or(|f| id < f) {
                *failed = Some(id.clone());
            }
        }
    }

    fn close_if_done(&mut self, stage: usize, subject: usize) {
        if let Node::Open { left: 0, failed } = &self.nodes[stage][subject] {
            let failed = failed.clone();
            self.over(stage, subject, failed);
        }
    }

    fn add(&mut self, stage: usize, subject: usize, unit: Planned) {
        let number = self.next_unit;
        self.next_unit += 1;
        let memory = unit.resources.memory;
        let bytes: u64 = unit.inputs.iter().map(|i| i.size).sum();
        let size = match self.shared.options.order {
            Order::Fifo | Order::Random(_) => (0, 0),
            Order::LargestFirst => (u64::MAX - memory, u64::MAX - bytes),
            Order::SmallestFirst => (memory, bytes),
        };
        let key = (size.0, size.1, self.graph.rank[subject], stage, number);
        let live = Live {
            unit: Arc::new(unit),
            stage,
            subject,
            key,
            attempts: 0,
            counted: 0,
            memory,
            alone: false,
            overtaken: 0,
            running: None,
        };
        self.units.insert(number, live);
        self.stages[stage].ready.insert(key, number);
    }

    // ---- admission --------------------------------------------------------------------------------------------

    fn dispatch(&mut self, jobs: &Sender<Job>, mut spawn: impl FnMut(&mut Self)) {
        if self.level > 0 {
            self.to_plan.clear();
            self.delayed.clear();
            return;
        }
        let mut reason = None;
        while !self.alone {
            match self.choose() {
                Ok(number) => {
                    let job = self.start(number);
                    self.send(jobs, job, &mut spawn);
                }
                Err(why) => {
                    reason = why;
                    break;
                }
            }
        }
        self.account(reason);
        let by_size = matches!(self.shared.options.order, Order::LargestFirst | Order::SmallestFirst);
        loop {
            let ready: usize = self.stages.iter().map(|s| s.ready.len()).sum();
            let room = self.shared.options.cpus.saturating_sub(self.cpus_used).max(1);
            if self.planning >= room || (ready >= READY_ENOUGH && !by_size) {
                break;
            }
            let Some((_, stage, subject)) = self.to_plan.pop_first() else { break };
            self.nodes[stage][subject] = Node::Planning;
            self.planning += 1;
            self.send(jobs, Job::Plan { stage, subject }, &mut spawn);
        }
    }

    fn send(&mut self, jobs: &Sender<Job>, job: Job, spawn: &mut impl FnMut(&mut Self)) {
        if self.running + self.planning > self.threads {
            spawn(self);
        }
        // The workers live as long as this sender.
        let _ = jobs.send(job);
    }

    /// The first unit in order that fits, or what the first one that does not fit waits for.
    fn choose(&mut self) -> Result<usize, Option<&'static str>> {
        let mut best: Option<(Key, usize)> = None;
        let mut waiting: Vec<(Key, usize)> = Vec::new();
        let mut first: Option<(Key, &'static str)> = None;
        let mut room_for: Option<(Key, usize)> = None;
        for s in &self.stages {
            let Some((&head, _)) = s.ready.first_key_value() else { continue };
            if s.running >= s.workers.now() {
                if first.is_none_or(|(k, _)| head < k) {
                    first = Some((head, "workers"));
                }
                continue;
            }
            for (&key, &number) in s.ready.iter().take(LOOK) {
                match self.fits(number) {
                    Ok(()) => {
                        if best.is_none_or(|(k, _)| key < k) {
                            best = Some((key, number));
                        }
                        break;
                    }
                    Err(why) => {
                        if first.is_none_or(|(k, _)| key < k) {
                            first = Some((key, why));
                        }
                        let u = &self.units[&number];
                        if why != "gpu" {
                            if (u.alone || u.overtaken >= PATIENCE) && room_for.is_none_or(|(k, _)| key < k) {
                                room_for = Some((key, number));
                            }
                            waiting.push((key, number));
                        }
                    }
                }
            }
        }
        if room_for.is_some() {
            // Nothing starts until there is room for the one that was overtaken too often, or must be alone.
            return Err(first.map(|f| f.1));
        }
        let Some((key, number)) = best else { return Err(first.map(|f| f.1)) };
        for (k, n) in waiting {
            if k < key
                && let Some(u) = self.units.get_mut(&n)
            {
                u.overtaken += 1;
            }
        }
        Ok(number)
    }

    fn fits(&self, number: usize) -> Result<(), &'static str> {
        let u = &self.units[&number];
        if self.gpus_of(u) > self.free_gpus.len() {
            return Err("gpu");
        }
        if self.running == 0 {
            return Ok(());
        }
        if u.alone {
            return Err("memory");
        }
        if self.cpus_used + self.stages[u.stage].threads > self.shared.options.cpus.max(1) {
            return Err("cpu");
        }
        let budget = self.shared.options.memory;
        if budget > 0 && self.memory_used + self.estimate(u) > budget {
            return Err("memory");
        }
        Ok(())
    }

    /// GPUs that a unit gets: what it asks for, as far as there are any.
    fn gpus_of(&self, u: &Live) -> usize {
        (u.unit.resources.gpus as usize).min(self.shared.options.gpus.len())
    }

    /// Estimate of a unit's memory, corrected by what other units of its stage turned out to need.
    fn estimate(&self, u: &Live) -> u64 {
        let s = &self.stages[u.stage];
        if u.memory == 0 { s.measured } else { (u.memory as f64 * s.ratio) as u64 }
    }

    fn start(&mut self, number: usize) -> Job {
        let u = &self.units[&number];
        let stage = u.stage;
        let memory = self.estimate(u);
        let n = self.gpus_of(u);
        let gpus: Vec<String> = self.free_gpus.iter().take(n).cloned().collect();
        for g in &gpus {
            self.free_gpus.remove(g);
        }
        let s = &mut self.stages[stage];
        s.ready.remove(&u.key);
        s.running += 1;
        s.since.get_or_insert_with(Instant::now);
        s.numbers.attempts += 1;
        let (generation, peers, threads) = (s.workers.generation(), s.running, s.threads);
        self.running += 1;
        self.cpus_used += threads;
        self.memory_used += memory;
        self.alone = u.alone;
        let Some(u) = self.units.get_mut(&number) else { unreachable!("the unit was just looked at") };
        u.attempts += 1;
        u.running = Some(Running { generation, peers, memory, gpus: gpus.clone() });
        let job =
            UnitJob { number, stage, unit: Arc::clone(&u.unit), attempt: u.attempts, threads, gpus: gpus.clone() };
        let event = Event::Started {
            unit: u.unit.id.clone(),
            fingerprint: u.unit.fingerprint.clone().unwrap_or_default(),
            attempt: u.attempts,
            gpus,
        };
        self.log.emit(event);
        Job::Unit(job)
    }

    /// Adds up what ready units waited for.
    fn account(&mut self, reason: Option<&'static str>) {
        let now = Instant::now();
        if let Some((why, since)) = self.limited.take() {
            *self.report.limited_by.entry(why.to_owned()).or_default() += now.duration_since(since).as_secs_f64();
        }
        self.limited = reason.map(|r| (r, now));
    }

    // ---- what came of a unit ----------------------------------------------------------------------------------

    fn ended(&mut self, number: usize, attempt: Attempt) {
        let Some(u) = self.units.get_mut(&number) else { return };
        let Some(held) = u.running.take() else { return };
        let (stage, subject, was_alone, attempts) = (u.stage, u.subject, u.alone, u.attempts);
        let id = u.unit.id.clone();
        let estimate = u.memory;
        let s = &mut self.stages[stage];
        let running = s.running.max(held.peers);
        s.running -= 1;
        if s.running == 0
            && let Some(t) = s.since.take()
        {
            s.numbers.wall_seconds += t.elapsed().as_secs_f64();
        }
        s.numbers.cpu_seconds += attempt.cpu_seconds;
        s.numbers.peak_memory = s.numbers.peak_memory.max(attempt.peak_memory);
        if attempt.peak_memory > 0 {
            s.measured = s.measured.max(attempt.peak_memory);
            if estimate > 0 {
                s.ratio = s.ratio.max(attempt.peak_memory as f64 / estimate as f64);
            }
        }
        self.report.cpu_seconds += attempt.cpu_seconds;
        self.running -= 1;
        self.cpus_used -= s.threads;
        self.memory_used -= held.memory;
        self.free_gpus.extend(held.gpus);
        self.alone = false;
        match attempt.result {
            Ok(part_failures) => {
                self.units.remove(&number);
                self.succeeded(stage, subject, id, part_failures, attempts, &attempt);
            }
            Err(f) if f.error.kind == FailureKind::Interrupted && self.level > 0 => {
                self.units.remove(&number);
            }
            Err(f) if f.error.is_memory() => self.out_of_memory(number, *f, held.generation, running, was_alone),
            Err(f) => self.retry_or_fail(number, *f),
        }
    }

    fn succeeded(
        &mut self,
        stage: usize,
        subject: usize,
        unit: UnitId,
        part_failures: usize,
        attempts: u32,
        attempt: &Attempt,
    ) {
        let s = &mut self.stages[stage];
        s.numbers.done += 1;
        s.numbers.part_failures += part_failures;
        let grown = s.workers.success();
        self.report.current.insert(unit.clone());
        self.log.emit(Event::Finished {
            unit,
            attempt: attempts,
            seconds: attempt.seconds,
            cpu_seconds: attempt.cpu_seconds,
            peak_memory: attempt.peak_memory,
            part_failures,
        });
        if let Some((from, to)) = grown {
            self.decide(stage, from, to, "a calm spell: no memory failure for some time".into());
        }
        self.one_less(stage, subject);
    }

    fn one_less(&mut self, stage: usize, subject: usize) {
        if let Node::Open { left, .. } = &mut self.nodes[stage][subject] {
            *left -= 1;
        }
        self.close_if_done(stage, subject);
    }

    fn out_of_memory(
        &mut self,
        number: usize,
        failure: FailureRecord,
        generation: u64,
        running: usize,
        was_alone: bool,
    ) {
        if was_alone {
            return self.fail(number, failure);
        }
        let Some(u) = self.units.get_mut(&number) else { return };
        let stage = u.stage;
        // What it needs is at least what it had.
        u.memory = (u.memory.saturating_mul(2)).max(failure.run.peak_memory.saturating_mul(13) / 10);
        let id = u.unit.id.clone();
        let answer = self.stages[stage].workers.memory_failure(generation, running);
        let reason = format!("{id} ran out of memory: {}", failure.error.message.lines().next().unwrap_or_default());
        match answer {
            MemoryAnswer::PutBack => {}
            MemoryAnswer::Reduced { from, to } => self.decide(stage, from, to, reason),
            MemoryAnswer::Alone => {
                if let Some(u) = self.units.get_mut(&number) {
                    u.alone = true;
                }
                let now = self.stages[stage].workers.now();
                self.decide(stage, now, now, format!("{reason}; it is tried once more, alone on the machine"));
            }
        }
        self.log.emit(Event::Retry { unit: id, attempt: failure.attempts, delay_seconds: 0.0, error: failure.error });
        self.put_back(number);
    }

    fn decide(&mut self, stage: usize, from: usize, to: usize, reason: String) {
        let name = self.graph.stages[stage].name.to_owned();
        let at_seconds = self.started.elapsed().as_secs_f64();
        self.report.decisions.push(Decision { at_seconds, stage: name.clone(), from, to, reason: reason.clone() });
        self.log.emit(Event::Workers { stage: name, from, to, reason });
    }

    fn retry_or_fail(&mut self, number: usize, failure: FailureRecord) {
        let Some(u) = self.units.get_mut(&number) else { return };
        let policy = &self.graph.stages[u.stage].policy;
        u.counted += 1;
        let helps = matches!(failure.error.kind, FailureKind::Crash | FailureKind::Resources | FailureKind::Program);
        if !helps || u.counted >= policy.attempts || self.level > 0 {
            return self.fail(number, failure);
        }
        let delay = backoff(policy.backoff, u.counted, u.unit.fingerprint.as_deref().unwrap_or_default());
        self.delayed.insert((Instant::now() + delay, number));
        let unit = u.unit.id.clone();
        self.log.emit(Event::Retry {
            unit,
            attempt: failure.attempts,
            delay_seconds: delay.as_secs_f64(),
            error: failure.error,
        });
    }

    fn fail(&mut self, number: usize, failure: FailureRecord) {
        let Some(u) = self.units.remove(&number) else { return };
        self.stages[u.stage].numbers.failed += 1;
        self.log.emit(Event::Failed {
            unit: u.unit.id.clone(),
            attempts: failure.attempts,
            error: failure.error.clone(),
            carried_over: false,
        });
        self.report.failures.push(failure);
        self.mark_failed(u.stage, u.subject, &u.unit.id);
        self.one_less(u.stage, u.subject);
    }

    // ---- the end ----------------------------------------------------------------------------------------------

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

/// Doubles with every attempt; between half of it and one and a half, drawn from the fingerprint.
fn backoff(base: Duration, attempt: u32, seed: &str) -> Duration {
    let h = blake3::hash(format!("{seed}/{attempt}").as_bytes());
    let b = h.as_bytes();
    let unit = f64::from(u32::from_le_bytes([b[0], b[1], b[2], b[3]])) / f64::from(u32::MAX);
    base.saturating_mul(1 << attempt.saturating_sub(1).min(16)).mul_f64(0.5 + unit)
}

#[cfg(test)]
mod tests {
    use super::backoff;
    use std::time::Duration;

    #[test]
    fn delays_double_and_are_spread_by_the_seed_alone() {
        let base = Duration::from_millis(100);
        for attempt in 1..6 {
            let d = backoff(base, attempt, "a");
            let mid = base * (1 << (attempt - 1));
            assert!(d >= mid / 2 && d <= mid * 3 / 2);
            assert_eq!(d, backoff(base, attempt, "a"));
        }
        assert_ne!(backoff(base, 1, "a"), backoff(base, 1, "b"));
    }
}
