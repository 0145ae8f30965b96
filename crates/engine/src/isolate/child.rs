//! The inside of a child: reads the unit file, carries the unit out, writes the result file.

use super::unit_file::{self, FileError, RESULT_LIMIT, ResultFile, UNIT_LIMIT, UnitFile};
use super::{ChildRunner, runner};
use crate::api::{FailureKind, Output, SCHEMA_VERSION, UnitContext, UnitError};
use crate::{machine, usage};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Once;

/// The unit succeeded.
pub const EXIT_OK: i32 = 0;
/// The input does not allow it; retrying is useless.
pub const EXIT_DATA: i32 = 65;
/// A defect of the program.
pub const EXIT_INTERNAL: i32 = 70;
/// May succeed when it is tried again.
pub const EXIT_TRANSIENT: i32 = 75;
/// Memory was not enough.
pub const EXIT_MEMORY: i32 = 77;
/// The unit file is not for this program, or the settings do not allow it.
pub const EXIT_CONFIG: i32 = 78;

/// Entry of a child: the address of this function crosses the process boundary, so it is a plain `fn`.
pub(super) fn child_entry(path: String) -> i32 {
    match runner() {
        Some(run) => run_unit_file(Path::new(&path), run),
        None => EXIT_CONFIG,
    }
}

/// Carries out the unit of a unit file and writes its result file; returns the exit code of the process.
///
/// Errors of reading the unit file go to standard error: there is no other place to say them.
pub fn run_unit_file(path: &Path, run: ChildRunner) -> i32 {
    let unit: UnitFile = match unit_file::read(path, UNIT_LIMIT) {
        Ok(u) => u,
        Err(e) => return refuse(&e),
    };
    let cx = unit.context();
    let (result, panicked) = carry_out(unit.threads, || run(&unit.id.stage, &cx, unit.task.clone()));
    let used = usage::take(&cx.work);
    let own = machine::resident(std::process::id()).map_or(0, |m| m.1);
    let code = match &result {
        Ok(_) => EXIT_OK,
        Err(e) if e.is_memory() => EXIT_MEMORY,
        Err(e) => match e.kind {
            FailureKind::Data => EXIT_DATA,
            FailureKind::Config => EXIT_CONFIG,
            FailureKind::Bug => EXIT_INTERNAL,
            FailureKind::Crash
            | FailureKind::Skipped
            | FailureKind::Program
            | FailureKind::Resources
            | FailureKind::Interrupted => EXIT_TRANSIENT,
        },
    };
    let (output, error) = match result {
        Ok(o) => (Some(o), None),
        Err(e) => (None, Some(e)),
    };
    let file = ResultFile {
        schema: SCHEMA_VERSION,
        fingerprint: unit.fingerprint,
        output,
        error,
        panicked,
        peak_memory: own.max(used.peak_memory),
    };
    match unit_file::write(&unit.result, &file, RESULT_LIMIT) {
        Ok(()) => code,
        Err(e) => {
            say(&format!("the result cannot be written: {e}"));
            EXIT_TRANSIENT
        }
    }
}

fn refuse(e: &FileError) -> i32 {
    say(&format!("this unit cannot be run: {e}"));
    match e {
        FileError::Io { .. } => EXIT_TRANSIENT,
        FileError::TooLarge { .. } | FileError::Damaged { .. } | FileError::Schema { .. } => EXIT_CONFIG,
    }
}

/// Standard error of a child is its unit's log.
fn say(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{text}");
}

thread_local! {
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
    static INSIDE: RefCell<bool> = const { RefCell::new(false) };
}

/// Inside a unit a panic is kept with its place instead of being printed; elsewhere the hook that was there is called.
fn keep_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !INSIDE.with_borrow(|i| *i) {
                return before(info);
            }
            let text = payload_text(info.payload());
            let place =
                info.location().map(|l| format!(" (at {}:{}:{})", l.file(), l.line(), l.column())).unwrap_or_default();
            PANIC.set(Some(format!("{text}{place}")));
        }));
    });
}

fn payload_text(payload: &(dyn std::any::Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without a text".into())
}

/// Carries out a unit inside a pool of the given size; a panic becomes an error, and the second value is true.
pub(crate) fn carry_out(
    threads: usize,
    unit: impl FnOnce() -> Result<Output, UnitError> + Send,
) -> (Result<Output, UnitError>, bool) {
    let pool = match rayon::ThreadPoolBuilder::new().num_threads(threads.max(1)).build() {
        Ok(p) => p,
        Err(e) => return (Err(UnitError::memory(format!("no threads could be started: {e}"))), false),
    };
    carry_out_in(&pool, unit)
}

/// As [`carry_out`], in a pool that is there.
pub(crate) fn carry_out_in(
    pool: &rayon::ThreadPool,
    unit: impl FnOnce() -> Result<Output, UnitError> + Send,
) -> (Result<Output, UnitError>, bool) {
    keep_panics();
    pool.install(|| {
        INSIDE.set(true);
        let result = catch_unwind(AssertUnwindSafe(unit));
        INSIDE.set(false);
        match result {
            Ok(r) => (r, false),
            Err(payload) => {
                let text = PANIC.take().unwrap_or_else(|| payload_text(&*payload));
                (
                    Err(UnitError::bug(format!("panic: {text}"))
                        .hint("this is a defect of the program: please report it with the log of the unit")),
                    true,
                )
            }
        }
    })
}

/// Makes a context for a unit that runs on a thread.
pub(crate) fn context(unit: &UnitFile, cancel: &crate::Cancel) -> UnitContext {
    UnitContext { cancel: cancel.clone(), ..unit.context() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Roots, UnitId};
    use serde_json::{Value, json};

    fn runner(_: &str, cx: &UnitContext, task: Value) -> Result<Output, UnitError> {
        assert_eq!((rayon::current_num_threads(), cx.threads), (2, 2));
        match task.as_str().unwrap_or_default() {
            "data" => Err(UnitError::data("empty")),
            "memory" => Err(UnitError::memory("the heap is full")),
            "program" => Err(UnitError::new(FailureKind::Program, "exit code 1")),
            "config" => Err(UnitError::new(FailureKind::Config, "wrong")),
            "panic" => panic!("on purpose"),
            _ => Ok(Output::default()),
        }
    }

    #[test]
    fn exit_codes_say_what_may_help() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("unit.json");
        let unit = |task: &str| UnitFile {
            schema: SCHEMA_VERSION,
            id: UnitId { stage: "s".into(), scope: vec!["a".into()], part: None },
            fingerprint: "f".into(),
            stage_version: 1,
            task: json!(task),
            roots: Roots::default(),
            work: dir.path().to_owned(),
            log: dir.path().join("log"),
            threads: 2,
            env: Default::default(),
            host: Default::default(),
            time_limit: None,
            result: dir.path().join("result.json"),
        };
        for (task, code) in [
            ("", EXIT_OK),
            ("data", EXIT_DATA),
            ("memory", EXIT_MEMORY),
            ("program", EXIT_TRANSIENT),
            ("config", EXIT_CONFIG),
            ("panic", EXIT_INTERNAL),
        ] {
            unit_file::write(&path, &unit(task), UNIT_LIMIT).unwrap();
            assert_eq!(run_unit_file(&path, runner), code, "{task}");
            let result: ResultFile = unit_file::read(&dir.path().join("result.json"), RESULT_LIMIT).unwrap();
            assert_eq!(result.output.is_some(), code == EXIT_OK);
            if task == "panic" {
                let message = result.error.unwrap().message;
                assert!(message.contains("on purpose") && message.contains("child.rs:"), "{message}");
            }
        }
        std::fs::write(&path, "{}").unwrap();
        assert_eq!(run_unit_file(&path, runner), EXIT_CONFIG);
        unit_file::write(&path, &UnitFile { schema: SCHEMA_VERSION + 1, ..unit("") }, UNIT_LIMIT).unwrap();
        assert_eq!(run_unit_file(&path, runner), EXIT_CONFIG);
        assert_eq!(run_unit_file(&dir.path().join("none"), runner), EXIT_TRANSIENT);
    }
}
