//! Units in child processes: one fresh child a unit, driven through files, so that a child on this machine and a job on
//! another one run the same code.

mod child;
mod spawn;
mod unit_file;

pub use child::{EXIT_CONFIG, EXIT_DATA, EXIT_INTERNAL, EXIT_MEMORY, EXIT_OK, EXIT_TRANSIENT, run_unit_file};
pub(crate) use child::{carry_out_in, context};
pub(crate) use spawn::run_isolated;
pub(crate) use unit_file::UnitFile;

use crate::api::{Output, UnitContext, UnitError};
use crate::{sys, watchdog};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::OnceLock;

/// Carries out a task of the named stage in a child.
pub type ChildRunner = fn(stage: &str, cx: &UnitContext, task: serde_json::Value) -> Result<Output, UnitError>;

static RUNNER: OnceLock<ChildRunner> = OnceLock::new();
static TMPDIR: OnceLock<Option<OsString>> = OnceLock::new();

/// Must be the first statement of `main`: in a child process it carries out the child's unit and never returns.
///
/// It also points `TMPDIR` at a short folder when it lacks or is too long for the address of a Unix socket (programs
/// and children still get the original value).
pub fn init(run_child: ChildRunner) {
    watchdog::enter_if_asked();
    let _ = RUNNER.set(run_child);
    let _ = TMPDIR.set(std::env::var_os("TMPDIR"));
    shorten_tmpdir();
    sys::allow_spawn();
    procspawn::ProcConfig::new().pass_args(false).init();
}

pub(crate) fn is_initialised() -> bool {
    RUNNER.get().is_some()
}

pub(crate) fn runner() -> Option<ChildRunner> {
    RUNNER.get().copied()
}

/// The value of `TMPDIR` before [`init`] may have changed it.
pub(crate) fn original_tmpdir() -> Option<&'static OsString> {
    TMPDIR.get()?.as_ref()
}

/// The rendezvous socket of a child lies in the temporary folder, and its address has 108 bytes.
fn shorten_tmpdir() {
    let Some(tmp) = std::env::var_os("TMPDIR") else { return };
    if tmp.as_bytes().len() <= 70 && Path::new(&tmp).is_dir() {
        return;
    }
    for short in ["/tmp", "/var/tmp", "/dev/shm"] {
        if Path::new(short).is_dir() {
            sys::set_env_at_start("TMPDIR", short.as_ref());
            return;
        }
    }
}
