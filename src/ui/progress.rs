//! Progress: bars on a terminal, plain lines elsewhere.

use super::status::{Printer, human_bytes};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use rtpipeline_engine::{Event, Observer};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::Mutex;
use std::time::Instant;

/// How progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ProgressMode {
    /// Bars on a terminal, plain lines elsewhere.
    #[default]
    Auto,
    /// Bars.
    Bar,
    /// Plain lines.
    Plain,
    /// Nothing.
    None,
}

/// Shows the events of a run.
pub struct Progress {
    printer: Printer,
    mode: ProgressMode,
    state: Mutex<State>,
}

struct Stage {
    total: usize,
    over: usize,
    started: Instant,
    shown: Option<(Instant, usize)>,
    bar: Option<ProgressBar>,
}

struct State {
    begun: Instant,
    stages: BTreeMap<String, Stage>,
    order: Vec<String>,
    unplanned: usize,
    running: BTreeSet<String>,
    resident: u64,
    bars: MultiProgress,
    overall: Option<ProgressBar>,
}

impl Progress {
    /// Decides how to show things.
    pub fn new(printer: Printer, mode: ProgressMode) -> Self {
        let mode = match mode {
            _ if printer.quiet => ProgressMode::None,
            ProgressMode::Auto if Printer::is_terminal() => ProgressMode::Bar,
            ProgressMode::Auto => ProgressMode::Plain,
            m => m,
        };
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let state = State {
            begun: Instant::now(),
            stages: BTreeMap::new(),
            order: Vec::new(),
            unplanned: 0,
            running: BTreeSet::new(),
            resident: 0,
            bars,
            overall: None,
        };
        Self { printer, mode, state: Mutex::new(state) }
    }

    /// Removes the bars, so that the summary stands alone.
    pub fn clear(&self) {
        if let Ok(s) = self.state.lock() {
            let _ = s.bars.clear();
        }
    }

    /// Progress of reading files, before the run.
    pub fn scanned(&self, done: usize, total: usize) {
        if self.mode == ProgressMode::Plain
            && total > 0
            && (done == total || done.is_multiple_of((total / 10).max(2000)))
        {
            let seconds = self.state.lock().map_or(0.0, |s| s.begun.elapsed().as_secs_f64());
            plain("Scan", done, total, seconds, false);
        }
    }

    fn line(&self, state: &State, f: impl FnOnce(&Printer)) {
        if self.mode == ProgressMode::Bar { state.bars.suspend(|| f(&self.printer)) } else { f(&self.printer) }
    }

    fn advance(&self, state: &mut State, stage: &str) {
        let estimated = state.unplanned > 0;
        let Some(s) = state.stages.get_mut(stage) else { return };
        s.over += 1;
        match self.mode {
            ProgressMode::Bar => {
                if let Some(b) = &s.bar {
                    b.set_position(s.over as u64);
                    if s.over >= s.total && !estimated {
                        b.finish_and_clear();
                    }
                }
                overall(state);
            }
            ProgressMode::Plain => {
                // One line per percent or ten seconds, whichever is rarer; the last one always.
                let percent = |n: usize| 100 * n / s.total.max(1);
                let due = match s.shown {
                    None => true,
                    Some((at, n)) => at.elapsed().as_secs_f64() >= 10.0 && percent(s.over) > percent(n),
                };
                if due || (s.over == s.total && !estimated) {
                    s.shown = Some((Instant::now(), s.over));
                    plain(label(stage), s.over, s.total, s.started.elapsed().as_secs_f64(), estimated);
                }
            }
            _ => {}
        }
    }
}

fn plain(label: &str, done: usize, total: usize, elapsed: f64, estimated: bool) {
    let eta = if done > 0 { elapsed / done as f64 * total.saturating_sub(done) as f64 } else { 0.0 };
    let about = if estimated { "+" } else { "" };
    let percent = 100 * done / total.max(1);
    let mut e = anstream::stderr().lock();
    let _ = writeln!(e, "{label}: {done}/{total}{about} ({percent}%) elapsed {elapsed:.1}s ETA {eta:.1}s");
}

fn label(stage: &str) -> &str {
    match stage {
        "organize" => "Organize",
        "segmentation" => "Segmentation",
        "segmentation_custom" => "Custom models",
        "structures" => "Structures",
        "crop_ct" => "Crop",
        "dvh" => "DVH",
        "visualize" => "Visualize",
        "radiomics" => "Radiomics",
        "qc" => "QC",
        other => other,
    }
}

fn overall(state: &mut State) {
    let (total, over) = state.stages.values().fold((0, 0), |(t, o), s| (t + s.total, o + s.over));
    if let Some(b) = &state.overall {
        b.set_length(total.max(1) as u64);
        b.set_position(over as u64);
        let mut now: Vec<&str> = state.running.iter().map(String::as_str).collect();
        now.truncate(3);
        let more = state.running.len().saturating_sub(3);
        let more = if more > 0 { format!(" +{more}") } else { String::new() };
        b.set_message(format!("{}{more} · {}", now.join(", "), human_bytes(state.resident)));
    }
}

impl Observer for Progress {
    fn event(&self, event: &Event) {
        let Ok(mut guard) = self.state.lock() else { return };
        let state = &mut *guard;
        match event {
            Event::RunStarted { stages, .. } => {
                state.order.clone_from(stages);
                if self.mode == ProgressMode::Bar {
                    let style = ProgressStyle::with_template("{prefix:>12} [{bar:28}] {pos}/{len} ETA {eta} {msg}")
                        .unwrap_or_else(|_| ProgressStyle::default_bar());
                    let bar = state.bars.add(ProgressBar::new(1).with_style(style).with_prefix("Overall"));
                    state.overall = Some(bar);
                }
            }
            Event::Planned { stage, units, unplanned, .. } => {
                state.unplanned = *unplanned;
                if !state.stages.contains_key(stage) {
                    let bar = (self.mode == ProgressMode::Bar).then(|| {
                        let style = ProgressStyle::with_template("{prefix:>12} [{bar:28}] {pos}/{len}")
                            .unwrap_or_else(|_| ProgressStyle::default_bar());
                        state.bars.add(ProgressBar::new(0).with_style(style).with_prefix(label(stage).to_owned()))
                    });
                    let s = Stage { total: 0, over: 0, started: Instant::now(), shown: None, bar };
                    state.stages.insert(stage.clone(), s);
                }
                if let Some(s) = state.stages.get_mut(stage) {
                    s.total += units;
                    if let Some(b) = &s.bar {
                        b.set_length(s.total as u64);
                    }
                }
                overall(state);
            }
            Event::Started { unit, .. } => {
                state.running.insert(unit.scope.join("/"));
                if self.printer.verbose > 0 {
                    self.line(state, |p| p.status("Started", &unit.to_string()));
                }
                overall(state);
            }
            Event::Finished { unit, seconds, .. } => {
                state.running.remove(&unit.scope.join("/"));
                if self.printer.verbose > 0 {
                    self.line(state, |p| p.status("Finished", &format!("{unit} in {seconds:.1}s")));
                }
                self.advance(state, &unit.stage);
            }
            Event::Fresh { unit, .. } => self.advance(state, &unit.stage),
            Event::Failed { unit, error, carried_over, .. } => {
                state.running.remove(&unit.scope.join("/"));
                let again = if *carried_over { " (as before, inputs unchanged)" } else { "" };
                self.line(state, |p| p.failure("Failed", &format!("{unit}: {}{again}", error.message)));
                self.advance(state, &unit.stage);
            }
            Event::Retry { unit, attempt, delay_seconds, error } => self.line(state, |p| {
                p.warn(&format!("{unit}: attempt {attempt} failed ({}); again in {delay_seconds:.1}s", error.message));
            }),
            Event::Skipped { unit, cause } => {
                self.line(state, |p| p.failure("Skipped", &format!("{unit}, because {cause} failed")));
            }
            Event::Workers { stage, from, to, reason } => {
                self.line(state, |p| p.warn(&format!("{}: {from} → {to} workers: {reason}", label(stage))));
            }
            Event::Memory { resident, .. } => {
                state.resident = *resident;
                overall(state);
            }
            Event::Interrupted { level } => {
                let text = if *level == 1 { "finishing what runs; once more stops now" } else { "stopping now" };
                self.line(state, |p| p.warn(&format!("interrupted: {text}")));
            }
            Event::Warning { message } => self.line(state, |p| p.warn(message)),
            Event::RunFinished { .. } => {
                let _ = state.bars.clear();
            }
        }
    }
}
