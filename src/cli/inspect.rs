//! `status` and `explain`: what the records and failure files of an output folder say.

use super::args::{ExplainArgs, StatusArgs};
use super::exit::{Exit, Failure};
use crate::index::Inventory;
use rtpipeline_engine::{
    DigestCache, Event, FailureKind, PlanContext, RunLock, Subject as _, UnitId, read_events, store,
};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The state folder of an output folder.
pub(super) fn run_dir(outdir: &Path) -> Result<PathBuf, Failure> {
    let dir = outdir.join("_RUN");
    if dir.is_dir() {
        Ok(dir)
    } else {
        Err(Failure::input(format!("{} holds no run", outdir.display()))
            .hint("give the folder that was used as --outdir"))
    }
}

/// `rtpipeline status`.
pub(super) fn status(args: &StatusArgs) -> Result<Exit, Failure> {
    let dir = run_dir(&args.outdir)?;
    loop {
        let (text, live) = status_text(&dir, args.json)?;
        if args.watch && !args.json {
            // Home and clear to the end of the screen.
            super::print_bytes(b"\x1b[H\x1b[J")?;
        }
        super::print_bytes(text.as_bytes())?;
        if !args.watch || !live {
            return Ok(Exit::Done);
        }
        std::thread::sleep(std::time::Duration::from_secs(2));
    }
}

fn status_text(dir: &Path, as_json: bool) -> Result<(String, bool), Failure> {
    let events = read_events(dir).map_err(|e| Failure::input(e.to_string()))?;
    let live = RunLock::holder(dir).map_err(|e| Failure::input(e.to_string()))?.is_some();
    let mut running = BTreeSet::new();
    for line in &events {
        match &line.event {
            Event::Started { unit, .. } => {
                running.insert(unit.to_string());
            }
            Event::Finished { unit, .. } | Event::Failed { unit, .. } | Event::Retry { unit, .. } => {
                running.remove(&unit.to_string());
            }
            _ => {}
        }
    }
    if !live {
        running.clear();
    }
    let mut done: BTreeMap<String, usize> = BTreeMap::new();
    for record in store::current_records(dir).map_err(|e| Failure::input(e.to_string()))? {
        let record = record.map_err(|e| Failure::input(e.to_string()))?;
        *done.entry(record.id.stage.clone()).or_default() += 1;
    }
    let failures = store::current_failures(dir).map_err(|e| Failure::input(e.to_string()))?;
    let courses = Inventory::load(dir).map_or(0, |i| i.courses.len());
    if as_json {
        let f: Vec<_> = failures
            .iter()
            .map(|f| json!({"unit": f.id.to_string(), "kind": f.error.kind, "message": f.error.message}))
            .collect();
        let v = json!({"live": live, "courses": courses, "done": done, "running": running, "failures": f});
        return Ok((format!("{v:#}\n"), live));
    }
    let mut t = format!("{courses} courses, {}\n", if live { "a run is going on" } else { "no run is going on" });
    for stage in crate::pipeline::STAGES {
        let failed = failures.iter().filter(|f| f.id.stage == *stage && f.error.kind != FailureKind::Skipped).count();
        let skipped = failures.iter().filter(|f| f.id.stage == *stage && f.error.kind == FailureKind::Skipped).count();
        let n = done.get(*stage).copied().unwrap_or(0);
        if n + failed + skipped > 0 {
            t.push_str(&format!("{stage:>20}  {n} done, {failed} failed, {skipped} skipped\n"));
        }
    }
    for u in &running {
        t.push_str(&format!("{:>20}  {u}\n", "running"));
    }
    for f in failures.iter().take(20) {
        t.push_str(&format!("{:>20}  {}: {}\n", format!("{:?}", f.error.kind), f.id, f.error.message));
    }
    if failures.len() > 20 {
        t.push_str(&format!("{:>20}  {} more in _RESULTS/failures.csv\n", "…", failures.len() - 20));
    }
    Ok((t, live))
}

/// `rtpipeline explain`.
pub(super) fn explain(args: &ExplainArgs) -> Result<Exit, Failure> {
    let dir = run_dir(&args.outdir)?;
    let stage = args.stage.as_deref().map(super::run::stage_name).transpose()?;
    let inventory = Inventory::load(&dir).map_err(|e| Failure::input(e.to_string()))?;
    let (patient, course) = args.course.split_once('/').map_or((args.course.as_str(), None), |(p, c)| (p, Some(c)));
    let chosen: Vec<_> = inventory
        .courses
        .iter()
        .filter(|c| (c.patient_id == patient || c.patient_dir == patient) && course.is_none_or(|x| c.course_id == x))
        .collect();
    if chosen.is_empty() {
        return Err(Failure::input(format!("no course matches {}", args.course))
            .hint("`rtpipeline status` and _RESULTS/case_metadata.csv list them"));
    }
    let saved = crate::results::RunFile::load(&args.outdir).map_err(Failure::input)?;
    let pipeline = crate::pipeline::build(&saved.settings)?;
    let roots = crate::pipeline::roots(&saved.request(&args.outdir), &saved.settings);
    let digests = DigestCache::load(&dir.join("digests.json"));
    let mut text = String::new();
    for c in chosen {
        for entry in &pipeline.stages {
            let name = entry.stage.erased_name();
            if stage.as_deref().is_some_and(|s| s != name) {
                continue;
            }
            let id = UnitId { stage: name.to_owned(), scope: c.scope(), part: None };
            let units = match entry.stage.erased_plan(&PlanContext::new(&roots), c) {
                Ok(u) => u,
                Err(e) => {
                    text.push_str(&format!("{id}\n    cannot be planned yet: {e}\n"));
                    continue;
                }
            };
            for u in units {
                let id = UnitId { part: u.part, ..id.clone() };
                let version = entry.stage.erased_version();
                match store::explain(&dir, &roots, &digests, &id, version, &u.task, &u.inputs) {
                    Ok(x) => text.push_str(&explanation(&x)),
                    Err(e) => text.push_str(&format!("{id}\n    stale: {e}\n")),
                }
            }
        }
    }
    super::print_bytes(text.as_bytes())
}

fn explanation(x: &store::Explanation) -> String {
    let mut t = format!("{}\n", x.id);
    if x.fresh {
        t.push_str("    fresh: inputs, settings, stage version and outputs are those of its record\n");
    }
    if let Some(e) = &x.carried_over {
        t.push_str(&format!("    failed before with the same inputs, not tried again: {e}\n"));
    }
    for c in &x.changes {
        t.push_str(&format!("    stale: {c}\n"));
    }
    t.push_str(&format!("    stage version {}\n", x.stage_version));
    for i in &x.inputs {
        t.push_str(&format!("    input {} {} {}\n", i.role, i.blake3.get(..12).unwrap_or_default(), i.path));
    }
    t
}
