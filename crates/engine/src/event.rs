//! What happens during a run, as it happens.

use crate::api::{UnitError, UnitId};
use crate::error::EngineError;
use crate::text;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::time::SystemTime;

/// Version of the lines of `events.jsonl`; every run states it in its first line.
pub const EVENT_FORMAT: u32 = 1;

/// Something that happened. All numbers of seconds are wall time unless they say otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// First line of a run.
    RunStarted {
        /// [`EVENT_FORMAT`].
        format: u32,
        /// Name of the run.
        run_id: String,
        /// Number of subjects.
        subjects: usize,
        /// Stages in order.
        stages: Vec<String>,
        /// CPU threads.
        cpus: usize,
        /// Memory budget, bytes.
        memory: u64,
        /// GPUs.
        gpus: Vec<String>,
    },
    /// A stage was planned for a scope.
    Planned {
        /// Stage.
        stage: String,
        /// Scope.
        scope: Vec<String>,
        /// Number of units.
        units: usize,
        /// Of these, those that will be run.
        to_run: usize,
        /// Stages × scopes that are not planned yet, so that totals can be marked as estimates.
        unplanned: usize,
    },
    /// A unit started.
    Started {
        /// Unit.
        unit: UnitId,
        /// Its fingerprint.
        fingerprint: String,
        /// Attempt, from 1.
        attempt: u32,
        /// GPUs that it was given.
        gpus: Vec<String>,
    },
    /// A unit succeeded.
    Finished {
        /// Unit.
        unit: UnitId,
        /// Attempts it took.
        attempt: u32,
        /// Duration of the last attempt.
        seconds: f64,
        /// CPU time.
        cpu_seconds: f64,
        /// Peak memory of its children and programs, bytes; 0 = not measured.
        peak_memory: u64,
        /// Number of parts that failed.
        part_failures: usize,
    },
    /// A unit needed no work.
    Fresh {
        /// Unit.
        unit: UnitId,
        /// Number of parts that had failed.
        part_failures: usize,
    },
    /// A unit failed for good in this run.
    Failed {
        /// Unit.
        unit: UnitId,
        /// Attempts made.
        attempts: u32,
        /// Why.
        error: UnitError,
        /// Known from an earlier run with the same inputs; not tried again.
        carried_over: bool,
    },
    /// An attempt failed and another follows.
    Retry {
        /// Unit.
        unit: UnitId,
        /// Attempt that failed.
        attempt: u32,
        /// Time until the next one.
        delay_seconds: f64,
        /// Why it failed.
        error: UnitError,
    },
    /// A stage is not tried in a scope because of a failure that it depends on.
    Skipped {
        /// Unit.
        unit: UnitId,
        /// What failed.
        cause: UnitId,
    },
    /// The number of workers of a stage changed.
    Workers {
        /// Stage.
        stage: String,
        /// Before.
        from: usize,
        /// Now.
        to: usize,
        /// Why.
        reason: String,
    },
    /// Memory in use, sampled.
    Memory {
        /// This process and its children, bytes.
        resident: u64,
        /// Reserved by running units, bytes.
        reserved: u64,
    },
    /// Asked to stop.
    Interrupted {
        /// 1: running units finish; 2: they are ended.
        level: u8,
    },
    /// Something that deserves a look but costs no unit.
    Warning {
        /// What.
        message: String,
    },
    /// Last line of a run.
    RunFinished {
        /// Units that succeeded.
        done: usize,
        /// Units that were fresh.
        fresh: usize,
        /// Units that failed.
        failed: usize,
        /// Units that were skipped.
        skipped: usize,
        /// Duration of the run.
        seconds: f64,
        /// Whether it was interrupted.
        interrupted: bool,
    },
}

/// One line of `events.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventLine {
    /// Seconds since 1970, UTC.
    pub t: f64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Is told about events, one at a time, from the thread that called [`crate::run`].
pub trait Observer: Sync {
    /// Must return quickly: the scheduler waits for it.
    fn event(&self, event: &Event);
}

/// Does not look.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn event(&self, _: &Event) {}
}

/// Appends events to `events.jsonl` and passes them on.
pub(crate) struct EventLog<'a> {
    file: Option<File>,
    observer: &'a dyn Observer,
    broken: bool,
}

impl<'a> EventLog<'a> {
    /// `run_dir` is `None` for dry runs, which write nothing.
    pub(crate) fn open(run_dir: Option<&Path>, observer: &'a dyn Observer) -> Result<Self, EngineError> {
        let file = match run_dir {
            None => None,
            Some(dir) => {
                let path = dir.join("events.jsonl");
                let mut f =
                    OpenOptions::new().create(true).append(true).open(&path).map_err(EngineError::io("open", &path))?;
                // A run that was killed may have left half a line.
                if !ends_with_newline(&path) {
                    f.write_all(b"\n").map_err(EngineError::io("write", &path))?;
                }
                Some(f)
            }
        };
        Ok(Self { file, observer, broken: false })
    }

    pub(crate) fn emit(&mut self, event: Event) {
        if let Some(f) = &mut self.file {
            let line = EventLine { t: text::epoch(SystemTime::now()), event };
            if let Ok(mut bytes) = serde_json::to_vec(&line) {
                bytes.push(b'\n');
                if f.write_all(&bytes).is_err() && !self.broken {
                    self.broken = true;
                    tracing::warn!("events.jsonl cannot be written any more; the run goes on without it");
                }
            }
            self.observer.event(&line.event);
        } else {
            self.observer.event(&event);
        }
    }
}

fn ends_with_newline(path: &Path) -> bool {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let Ok(mut f) = File::open(path) else { return true };
    let mut last = [0_u8];
    match f.seek(SeekFrom::End(-1)) {
        Ok(_) => f.read_exact(&mut last).is_err() || last[0] == b'\n',
        Err(_) => true,
    }
}

/// The events of the last run that are in `events.jsonl`, lines that cannot be read left out.
///
/// # Errors
/// When the file exists but cannot be read.
pub fn read_events(run_dir: &Path) -> Result<Vec<EventLine>, EngineError> {
    let path = run_dir.join("events.jsonl");
    let file = match File::open(&path) {
        Ok(f) => f,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(EngineError::io("open", &path)(e)),
    };
    let mut events = Vec::new();
    for line in BufReader::new(file).split(b'\n') {
        let line = line.map_err(EngineError::io("read", &path))?;
        if let Ok(event) = serde_json::from_slice::<EventLine>(&line) {
            if matches!(event.event, Event::RunStarted { .. }) {
                events.clear();
            }
            events.push(event);
        }
    }
    Ok(events)
}
