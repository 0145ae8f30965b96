//! `run`, `report` and `unit`.

use super::args::{ReportArgs, RunArgs, Sources, UnitArgs};
use super::exit::{Exit, Failure};
use super::logging;
use crate::config::{self, Loaded, Override, Settings};
use crate::pipeline::{self, Outcome, Request};
use crate::ui::{Printer, Progress, human_bytes, summary};
use rtpipeline_engine::{Cancel, Event, Observer};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The environment as text; names and values that are not UTF-8 cannot be settings.
pub(super) fn environment() -> BTreeMap<String, String> {
    std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect()
}

/// Puts file, environment and command line together.
pub(super) fn load(sources: &Sources, overrides: &[Override]) -> Result<Loaded, Failure> {
    let env = environment();
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    let file = config::find_file(sources.config.as_deref(), &env, &here);
    let mut all = overrides.to_vec();
    for s in &sources.set {
        let (key, value) = s.split_once('=').ok_or_else(|| {
            Failure::usage(format!("--set {s}: expected KEY=VALUE, for example radiomics.min_voxels=10"))
        })?;
        all.push(Override::new(key.trim(), value.trim(), "--set"));
    }
    Ok(Settings::load(file.as_deref(), &env, &all)?)
}

/// Shows events and writes them to the log.
struct Both<'a> {
    progress: &'a Progress,
}

impl Observer for Both<'_> {
    fn event(&self, event: &Event) {
        match event {
            Event::Started { unit, attempt, .. } => tracing::debug!(%unit, attempt, "started"),
            Event::Finished { unit, seconds, peak_memory, .. } => {
                tracing::info!(%unit, seconds, peak_memory, "finished");
            }
            Event::Failed { unit, error, .. } => tracing::error!(%unit, kind = ?error.kind, "{}", error.message),
            Event::Retry { unit, attempt, error, .. } => tracing::warn!(%unit, attempt, "retry: {}", error.message),
            Event::Skipped { unit, cause } => tracing::warn!(%unit, %cause, "skipped"),
            Event::Workers { stage, from, to, reason } => tracing::warn!(stage, from, to, "workers: {reason}"),
            Event::Warning { message } => tracing::warn!("{message}"),
            Event::Interrupted { level } => tracing::warn!(level, "interrupted"),
            Event::RunStarted { run_id, subjects, cpus, .. } => tracing::info!(run_id, subjects, cpus, "run started"),
            Event::RunFinished { done, fresh, failed, skipped, seconds, .. } => {
                tracing::info!(done, fresh, failed, skipped, seconds, "run finished");
            }
            Event::Planned { .. } | Event::Fresh { .. } | Event::Memory { .. } => {}
        }
        self.progress.event(event);
    }
}

/// `rtpipeline run`.
pub(super) fn run(args: &RunArgs) -> Result<Exit, Failure> {
    let loaded = load(&args.sources, &args.table.overrides)?;
    let dicom_root = loaded.settings.run.dicom_root.clone().ok_or_else(|| {
        Failure::usage("no input folder was given").hint("give it as --dicom-root DIR or as dicom_root in config.yaml")
    })?;
    let outdir = loaded.settings.run.output_dir.clone();
    execute(args, &loaded, dicom_root, outdir).map(|(exit, _)| exit)
}

/// Runs the pipeline on a folder; shared by `run` and `demo`.
pub(super) fn execute(
    args: &RunArgs,
    loaded: &Loaded,
    dicom_root: PathBuf,
    outdir: PathBuf,
) -> Result<(Exit, Option<PathBuf>), Failure> {
    args.voice.color.apply();
    let printer = Printer { quiet: args.voice.quiet, verbose: args.voice.verbose };
    for n in &loaded.notices {
        printer.warn(n);
    }
    let settings = &loaded.settings;
    let request = request(args, settings, dicom_root, outdir)?;
    if !request.dry_run
        && let Some(f) = super::doctor::lacking(settings, &request.stages).first()
    {
        let message = format!("{} is asked for and not there: {}", f.name, f.detail);
        return Err(Failure::new(Exit::Environment, message).hint("`rtpipeline doctor` shows what this machine has"));
    }
    let _logs = if request.dry_run {
        None
    } else {
        Some(logging::start(&request.logs, &request.run_id, args.voice.json_log, args.voice.verbose)?)
    };
    let cancel = Cancel::new();
    watch_signals(&cancel)?;
    let progress = Progress::new(printer, args.voice.progress);
    let observer = Both { progress: &progress };
    let origins = config::show_json(loaded);
    let outcome = pipeline::run(&request, settings, &origins, &cancel, &observer, &|a, b| progress.scanned(a, b));
    progress.clear();
    let outcome = outcome?;
    if request.dry_run {
        print_plan(&outcome);
        return Ok((Exit::Done, None));
    }
    let page = request.outdir.join("_RESULTS/cohort.html");
    let page = page.is_file().then_some(page);
    summary(&printer, &outcome, page.as_deref());
    let exit = if outcome.report.interrupted {
        Exit::Interrupted
    } else if outcome.report.has_failures() {
        Exit::Failures
    } else {
        Exit::Done
    };
    Ok((exit, page))
}

fn request(args: &RunArgs, settings: &Settings, dicom_root: PathBuf, outdir: PathBuf) -> Result<Request, Failure> {
    let mut stages = BTreeSet::new();
    for s in &args.stage {
        stages.insert(stage_name(s)?);
    }
    let force = match args.force_redo.as_deref() {
        None => None,
        Some("") => Some(BTreeSet::new()),
        Some(s) => Some([stage_name(s)?].into()),
    };
    let absolute = |p: PathBuf| std::path::absolute(&p).unwrap_or(p);
    // A later run would take everything below its own output folder for output, and find no input.
    if let (Ok(input), Ok(output)) = (dicom_root.canonicalize(), outdir.canonicalize())
        && input == output
    {
        return Err(Failure::usage(format!("{} is both the input and the output folder", outdir.display()))
            .hint("give another --outdir; a new folder inside the input is allowed, it is not read as input"));
    }
    Ok(Request {
        dicom_root: absolute(dicom_root),
        outdir: absolute(outdir),
        logs: absolute(settings.run.logs_dir.clone()),
        stages,
        courses: args.course_filter.clone(),
        force,
        dry_run: args.dry_run,
        run_id: run_id(),
        command_line: std::env::args().collect(),
    })
}

pub(super) fn stage_name(word: &str) -> Result<String, Failure> {
    let word = if word == "segmentation_custom_models" { "segmentation_custom" } else { word };
    if pipeline::STAGES.contains(&word) {
        Ok(word.to_owned())
    } else {
        Err(Failure::usage(format!("no stage is called `{word}`"))
            .hint(format!("the stages are {}", pipeline::STAGES.join(", "))))
    }
}

/// Name of a run: UTC date and time, and the process.
fn run_id() -> String {
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let (date, time) = crate::results::utc(seconds);
    format!("{}-{}-{}", date.replace('-', ""), time.replace(':', ""), std::process::id())
}

fn watch_signals(cancel: &Cancel) -> Result<(), Failure> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])
        .map_err(|e| Failure::internal(format!("signals cannot be watched: {e}")))?;
    let cancel = cancel.clone();
    std::thread::spawn(move || {
        for s in signals.forever() {
            cancel.raise();
            // A system that asks to stop does not ask twice.
            if s == SIGTERM {
                cancel.raise();
            }
        }
    });
    Ok(())
}

fn print_plan(outcome: &Outcome) {
    let mut out = String::new();
    let fresh = outcome.report.planned.iter().filter(|u| u.fresh).count();
    for u in &outcome.report.planned {
        let state = if u.fresh {
            "fresh"
        } else if u.estimated {
            "later"
        } else {
            "run"
        };
        let memory = if u.resources.memory > 0 { human_bytes(u.resources.memory) } else { "-".into() };
        out.push_str(&format!("{state:<6} {:<60} {memory:>10}  {}\n", u.id.to_string(), u.reason));
    }
    let later = outcome.report.planned.iter().filter(|u| u.estimated).count();
    out.push_str(&format!(
        "{} courses; {} units planned, {fresh} fresh, {later} stages are planned when their inputs exist\n",
        outcome.inventory.courses.len(),
        outcome.report.planned.len() - later,
    ));
    let _ = super::print_bytes(out.as_bytes());
}

/// `rtpipeline report`.
pub(super) fn report(args: &ReportArgs) -> Result<Exit, Failure> {
    let run_dir = super::inspect::run_dir(&args.outdir)?;
    let _lock = crate::pipeline::lock(&run_dir)?;
    let written = crate::results::rebuild(&args.outdir).map_err(Failure::input)?;
    Printer::default().status("Wrote", &format!("{} tables and pages in {}", written.len(), results_dir(&args.outdir)));
    Ok(Exit::Done)
}

fn results_dir(outdir: &Path) -> String {
    outdir.join("_RESULTS").display().to_string()
}

/// `rtpipeline unit`.
pub(super) fn unit(args: &UnitArgs) -> Result<Exit, Failure> {
    if !args.file.is_file() {
        return Err(Failure::usage(format!("{} is not a file", args.file.display())));
    }
    let code = rtpipeline_engine::run_unit_file(&args.file, pipeline::run_child);
    Ok(Exit::Unit(u8::try_from(code).unwrap_or(70)))
}
