//! A small process that outlives us by a moment: when we are gone, however that came, it kills the process groups that
//! we had started. It is this executable again, entered by [`crate::init`].

use crate::isolate::is_initialised;
use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::HashSet;
use std::io::{BufRead as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::Mutex;

const ENV: &str = "__ENGINE_WATCHDOG";

/// The pipe to the watchdog of the process with this id (a forked copy must not use its parent's).
static PIPE: Mutex<Option<(u32, ChildStdin)>> = Mutex::new(None);

/// Is this process to be the watchdog? Does not return then.
pub(crate) fn enter_if_asked() {
    if std::env::var_os(ENV).is_none() {
        return;
    }
    let mut groups = HashSet::new();
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        let Some(pid) = line.get(1..).and_then(|p| p.parse::<i32>().ok()).and_then(Pid::from_raw) else { continue };
        if line.starts_with('+') {
            groups.insert(pid);
        } else {
            groups.remove(&pid);
        }
    }
    for g in groups {
        let _ = kill_process_group(g, Signal::KILL);
    }
    std::process::exit(0);
}

/// A process group that dies with us; given up when dropped, which must happen before its leader is reaped.
#[derive(Debug)]
pub(crate) struct Watched(Pid);

impl Watched {
    pub(crate) fn new(group: Pid) -> Self {
        tell('+', group);
        Self(group)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        tell('-', self.0);
    }
}

fn tell(sign: char, group: Pid) {
    // Without `init` the executable would not know that it is to be the watchdog.
    if !is_initialised() {
        return;
    }
    let mut pipe = PIPE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let me = std::process::id();
    let line = format!("{sign}{}\n", group.as_raw_pid());
    if let Some((owner, stdin)) = pipe.as_mut()
        && *owner == me
        && stdin.write_all(line.as_bytes()).is_ok()
    {
        return;
    }
    let started = Command::new("/proc/self/exe")
        .env(ENV, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    *pipe = None;
    match started {
        Ok(mut child) => {
            if let Some(mut stdin) = child.stdin.take()
                && stdin.write_all(line.as_bytes()).is_ok()
            {
                *pipe = Some((me, stdin));
            }
        }
        Err(e) => tracing::warn!(
            "the watchdog process cannot be started ({e}): grandchildren may survive a kill of this process"
        ),
    }
}
