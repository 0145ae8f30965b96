//! The plan without the deed.

use super::Shared;
use super::graph::Graph;
use super::plan::{Planned, Verdict, plan};
use crate::api::{Resources, Subject};
use crate::report::{PlannedUnit, RunReport, StageReport};

/// Plans every stage whose needs are fresh; the others are named as estimates. Writes nothing.
pub(crate) fn plan_all<S: Subject>(graph: &Graph<'_, S>, shared: &Shared<'_>) -> RunReport {
    let mut report = RunReport { run_id: shared.options.run_id.clone(), ..RunReport::default() };
    let mut order: Vec<usize> = (0..graph.subjects.len()).collect();
    order.sort_by_key(|&s| graph.rank[s]);
    // Whether all units of a stage are fresh for a subject.
    let mut settled = vec![vec![false; graph.subjects.len()]; graph.stages.len()];
    for (i, info) in graph.stages.iter().enumerate() {
        let mut numbers =
            StageReport { stage: info.name.to_owned(), fewest_workers: info.policy.workers, ..StageReport::default() };
        for &s in &order {
            let waits = info.done.iter().chain(&info.after).find(|&&n| !settled[n][s]);
            let estimated = |reason: String| PlannedUnit {
                id: graph.whole(i, s),
                fresh: false,
                reason,
                resources: Resources::default(),
                estimated: true,
            };
            if let Some(&n) = waits {
                report.planned.push(estimated(format!("known after stage {}", graph.stages[n].name)));
                continue;
            }
            match plan(graph, shared, i, s, false) {
                Err(e) => report.planned.push(estimated(e.to_string())),
                Ok(units) => {
                    settled[i][s] = units.iter().all(|u| matches!(u.verdict, Verdict::Fresh { .. }));
                    for u in units {
                        if matches!(u.verdict, Verdict::Fresh { .. }) {
                            numbers.fresh += 1;
                            report.current.insert(u.id.clone());
                        }
                        report.planned.push(line(u));
                    }
                }
            }
        }
        report.stages.push(numbers);
    }
    report
}

fn line(u: Planned) -> PlannedUnit {
    let (fresh, reason) = match u.verdict {
        Verdict::Fresh { .. } => (true, String::new()),
        Verdict::CarriedOver(e) => {
            (false, format!("failed before with the same inputs and will not be tried again: {e}"))
        }
        Verdict::Stale(r) => (false, r),
        Verdict::Broken(e) => (false, e.to_string()),
    };
    PlannedUnit { id: u.id, fresh, reason, resources: u.resources, estimated: false }
}
