//! Planning one stage for one subject: units, digests of their inputs, fingerprints, and whether they are fresh.

use super::Shared;
use super::graph::{Graph, is_file_name};
use crate::api::{PlanContext, Resources, RootedPath, SCHEMA_VERSION, Subject, Unit, UnitError, UnitId};
use crate::digest::fingerprint;
use crate::store::{self, Change, FailureRecord, Freshness, InputDigest, RunInfo};
use serde_json::Value;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::SystemTime;

/// What is to be done with a planned unit.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    Fresh {
        part_failures: usize,
    },
    CarriedOver(UnitError),
    Stale(String),
    /// It cannot be done, for example because an input is missing.
    Broken(UnitError),
}

/// One planned unit.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) id: UnitId,
    pub(crate) fingerprint: Option<String>,
    pub(crate) task: Value,
    pub(crate) inputs: Vec<InputDigest>,
    pub(crate) resources: Resources,
    pub(crate) verdict: Verdict,
}

/// Plans a stage for a subject. With `write`, records and failures are brought into line with the plan.
pub(crate) fn plan<S: Subject>(
    graph: &Graph<'_, S>,
    shared: &Shared<'_>,
    stage: usize,
    subject: usize,
    write: bool,
) -> Result<Vec<Planned>, UnitError> {
    let info = &graph.stages[stage];
    let current = outputs_of_needs(graph, shared, stage, subject);
    let cx = PlanContext::of_run(&shared.options.roots, &current);
    let units = catch_unwind(AssertUnwindSafe(|| info.stage.erased_plan(&cx, &graph.subjects[subject])))
        .unwrap_or_else(|_| Err(UnitError::bug(format!("panic while stage {} was planned", info.name))))?;
    check_parts(info.name, &units)?;
    let whole = graph.whole(stage, subject);
    let planned: Vec<Planned> = units.into_iter().map(|u| look(shared, &whole, info.version, u)).collect();
    if write {
        settle(shared, &whole, &planned).map_err(|e| UnitError::new(crate::FailureKind::Resources, e.to_string()))?;
    }
    Ok(planned)
}

/// Outputs that the current records of the stages before this one name, for one subject. A record that cannot be read
/// names none; its unit is done again.
fn outputs_of_needs<S: Subject>(
    graph: &Graph<'_, S>,
    shared: &Shared<'_>,
    stage: usize,
    subject: usize,
) -> BTreeSet<RootedPath> {
    let mut outputs = BTreeSet::new();
    for name in &graph.stages[stage].earlier {
        let whole = UnitId { stage: (*name).to_owned(), scope: graph.scopes[subject].clone(), part: None };
        for record in store::current_records_of(&shared.options.run_dir, &whole) {
            outputs.extend(record.outputs.into_iter().map(|o| o.path));
        }
    }
    outputs
}

fn check_parts(stage: &str, units: &[Unit<Value>]) -> Result<(), UnitError> {
    let mut seen = BTreeSet::new();
    for u in units {
        if let Some(p) = &u.part
            && !is_file_name(p)
        {
            return Err(UnitError::bug(format!(
                "stage {stage} planned a part called `{p}`, which cannot be a file name"
            )));
        }
        if !seen.insert(&u.part) {
            return Err(UnitError::bug(format!(
                "stage {stage} planned the part {} twice",
                u.part.as_deref().unwrap_or("(whole)")
            )));
        }
    }
    Ok(())
}

fn look(shared: &Shared<'_>, whole: &UnitId, version: u32, unit: Unit<Value>) -> Planned {
    let id = UnitId { part: unit.part, ..whole.clone() };
    let (roots, run_dir) = (&shared.options.roots, &shared.options.run_dir);
    let mut planned = Planned {
        id,
        fingerprint: None,
        task: unit.task,
        inputs: Vec::new(),
        resources: unit.resources,
        verdict: Verdict::Stale(String::new()),
    };
    let digested = match store::digest_inputs(roots, &shared.digests, &planned.id, &unit.inputs) {
        Ok(d) => d,
        Err(e) => {
            planned.verdict = Verdict::Broken(e);
            return planned;
        }
    };
    let fp = fingerprint(&planned.id.stage, version, &planned.task, &digested);
    planned.inputs = store::to_records(digested);
    let forced = shared.options.force.covers(&planned.id.stage);
    let (freshness, record) =
        store::check(run_dir, roots, &shared.digests, &planned.id, version, &planned.task, &planned.inputs, &fp);
    let part_failures = record.map_or(0, |r| r.failures.len());
    planned.verdict = match freshness {
        _ if forced => Verdict::Stale("asked for".into()),
        Freshness::Fresh => Verdict::Fresh { part_failures },
        Freshness::Superseded if shared.options.dry_run => Verdict::Fresh { part_failures },
        Freshness::Superseded => match store::make_current(run_dir, &planned.id, &fp) {
            Ok(()) => Verdict::Fresh { part_failures },
            Err(e) => Verdict::Stale(e.to_string()),
        },
        Freshness::CarriedOver(e) => Verdict::CarriedOver(e),
        Freshness::Stale(changes) => {
            Verdict::Stale(changes.iter().map(Change::to_string).collect::<Vec<_>>().join("; "))
        }
    };
    planned.fingerprint = Some(fp);
    planned
}

/// One current record a fresh unit and none for others; failures of units that are gone or fine are forgotten.
fn settle(shared: &Shared<'_>, whole: &UnitId, planned: &[Planned]) -> Result<(), crate::EngineError> {
    let run_dir = &shared.options.run_dir;
    let parts: BTreeSet<Option<&str>> = planned.iter().map(|p| p.id.part.as_deref()).collect();
    store::move_aside_dropped(run_dir, &whole.stage, &whole.scope, &parts)?;
    store::clear_part_failures(run_dir, &whole.stage, &whole.scope, &parts)?;
    for p in planned {
        let keep = if matches!(p.verdict, Verdict::Fresh { .. }) { p.fingerprint.as_deref() } else { None };
        store::move_aside(run_dir, &p.id, keep)?;
        if !matches!(p.verdict, Verdict::CarriedOver(_)) {
            store::clear_failures(run_dir, &p.id)?;
        }
    }
    Ok(())
}

/// Records that a whole stage could not be planned or was skipped in a scope, or that a unit cannot be tried.
pub(crate) fn record_untried(
    shared: &Shared<'_>,
    version: u32,
    id: &UnitId,
    unit: Option<&Planned>,
    error: UnitError,
    cause: Option<UnitId>,
) -> Result<FailureRecord, crate::EngineError> {
    let run_dir = &shared.options.run_dir;
    if unit.is_none() {
        let none = BTreeSet::new();
        store::move_aside_dropped(run_dir, &id.stage, &id.scope, &none)?;
        store::clear_part_failures(run_dir, &id.stage, &id.scope, &none)?;
    }
    let failure = FailureRecord {
        schema: SCHEMA_VERSION,
        id: id.clone(),
        fingerprint: unit.and_then(|u| u.fingerprint.clone()),
        stage_version: version,
        inputs: unit.map(|u| u.inputs.clone()).unwrap_or_default(),
        error,
        cause,
        attempts: 0,
        run: RunInfo {
            run_id: shared.options.run_id.clone(),
            started: crate::text::utc(SystemTime::now()),
            host: shared.host.clone(),
            ..RunInfo::default()
        },
    };
    let dir = store::attempts_dir(run_dir, id).join(format!("0-{}", crate::text::random_suffix()));
    store::write_failure(&dir, &failure)?;
    Ok(failure)
}
