//! What came of a unit: success, another try with fewer workers or after a while, or failure.

use super::super::adapt::Answer as MemoryAnswer;
use super::super::worker::Attempt;
use super::Dispatcher;
use super::Node;
use crate::api::{FailureKind, Subject, UnitId};
use crate::event::Event;
use crate::report::Decision;
use crate::store::FailureRecord;
use std::time::{Duration, Instant};

impl<S: Subject + Sync> Dispatcher<'_, S> {
    pub(super) fn ended(&mut self, number: usize, attempt: Attempt) {
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

    pub(super) fn succeeded(
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

    pub(super) fn one_less(&mut self, stage: usize, subject: usize) {
        if let Node::Open { left, .. } = &mut self.nodes[stage][subject] {
            *left -= 1;
        }
        self.close_if_done(stage, subject);
    }

    pub(super) fn out_of_memory(
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

    pub(super) fn decide(&mut self, stage: usize, from: usize, to: usize, reason: String) {
        let name = self.graph.stages[stage].name.to_owned();
        let at_seconds = self.started.elapsed().as_secs_f64();
        self.report.decisions.push(Decision { at_seconds, stage: name.clone(), from, to, reason: reason.clone() });
        self.log.emit(Event::Workers { stage: name, from, to, reason });
    }

    pub(super) fn retry_or_fail(&mut self, number: usize, failure: FailureRecord) {
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

    pub(super) fn fail(&mut self, number: usize, failure: FailureRecord) {
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
