//! Admission: which ready unit starts next.

use super::super::worker::{Job, UnitJob};
use super::{Dispatcher, Key, LOOK, Live, Node, PATIENCE, READY_ENOUGH, Running};
use crate::api::Subject;
use crate::event::Event;
use crate::options::Order;
use crossbeam_channel::Sender;
use std::sync::Arc;
use std::time::Instant;

impl<S: Subject + Sync> Dispatcher<'_, S> {
    pub(super) fn dispatch(&mut self, jobs: &Sender<Job>, mut spawn: impl FnMut(&mut Self)) {
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

    pub(super) fn send(&mut self, jobs: &Sender<Job>, job: Job, spawn: &mut impl FnMut(&mut Self)) {
        if self.running + self.planning > self.threads {
            spawn(self);
        }
        // The workers live as long as this sender.
        let _ = jobs.send(job);
    }

    /// The first unit in order that fits, or what the first one that does not fit waits for.
    pub(super) fn choose(&mut self) -> Result<usize, Option<&'static str>> {
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

    pub(super) fn fits(&self, number: usize) -> Result<(), &'static str> {
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
    pub(super) fn gpus_of(&self, u: &Live) -> usize {
        (u.unit.resources.gpus as usize).min(self.shared.options.gpus.len())
    }

    /// Estimate of a unit's memory, corrected by what other units of its stage turned out to need.
    pub(super) fn estimate(&self, u: &Live) -> u64 {
        let s = &self.stages[u.stage];
        if u.memory == 0 { s.measured } else { (u.memory as f64 * s.ratio) as u64 }
    }

    pub(super) fn start(&mut self, number: usize) -> Job {
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
    pub(super) fn account(&mut self, reason: Option<&'static str>) {
        let now = Instant::now();
        if let Some((why, since)) = self.limited.take() {
            *self.report.limited_by.entry(why.to_owned()).or_default() += now.duration_since(since).as_secs_f64();
        }
        self.limited = reason.map(|r| (r, now));
    }
}
