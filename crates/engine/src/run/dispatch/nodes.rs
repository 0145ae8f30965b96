//! Stages × subjects: what can be planned, what is skipped, what is over.

use super::super::plan::{Planned, Verdict, record_untried};
use super::{Dispatcher, Live, Node};
use crate::api::{FailureKind, Subject, UnitError, UnitId};
use crate::event::Event;
use crate::options::{Order, Scheduler};
use std::sync::Arc;

impl<S: Subject + Sync> Dispatcher<'_, S> {
    /// Queues a node for planning, or settles it, when those that it needs are over.
    pub(super) fn consider(&mut self, stage: usize, subject: usize) {
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

    pub(super) fn skip(&mut self, stage: usize, subject: usize, cause: UnitId) {
        let id = self.graph.whole(stage, subject);
        let error = UnitError::new(FailureKind::Skipped, format!("not tried because {cause} failed"));
        self.untried(stage, &id, None, error, Some(cause.clone()));
        self.unplanned -= 1;
        self.stages[stage].numbers.skipped += 1;
        self.log.emit(Event::Skipped { unit: id, cause: cause.clone() });
        // What depends on this stage is skipped for the first cause.
        self.over(stage, subject, Some(cause));
    }

    pub(super) fn untried(
        &mut self,
        stage: usize,
        id: &UnitId,
        unit: Option<&Planned>,
        error: UnitError,
        cause: Option<UnitId>,
    ) {
        match record_untried(self.shared, self.graph.stages[stage].version, id, unit, error, cause) {
            Ok(f) => self.report.failures.push(f),
            Err(e) => {
                self.log.emit(Event::Warning { message: format!("the failure of {id} could not be recorded: {e}") })
            }
        }
    }

    pub(super) fn over(&mut self, stage: usize, subject: usize, failed: Option<UnitId>) {
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

    pub(super) fn planned(&mut self, stage: usize, subject: usize, result: Result<Vec<Planned>, UnitError>) {
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

    pub(super) fn fail_untried(
        &mut self,
        stage: usize,
        subject: usize,
        unit: &Planned,
        error: UnitError,
        carried_over: bool,
    ) {
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

    pub(super) fn mark_failed(&mut self, stage: usize, subject: usize, id: &UnitId) {
        if let Node::Open { failed, .. } = &mut self.nodes[stage][subject] {
            // The smallest id, so that the cause that others name does not depend on who failed first.
            if failed.as_ref().is_none_or(|f| id < f) {
                *failed = Some(id.clone());
            }
        }
    }

    pub(super) fn close_if_done(&mut self, stage: usize, subject: usize) {
        if let Node::Open { left: 0, failed } = &self.nodes[stage][subject] {
            let failed = failed.clone();
            self.over(stage, subject, failed);
        }
    }

    pub(super) fn add(&mut self, stage: usize, subject: usize, unit: Planned) {
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
}
