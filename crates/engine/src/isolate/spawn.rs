//! The outside of a child: start with a watchdog, deadline, memory, cause of its end, killed whole.

use super::child::child_entry;
use super::original_tmpdir;
use super::unit_file::{self, RESULT_LIMIT, ResultFile, UNIT_LIMIT, UnitFile};
use crate::api::{Cancel, FailureKind, Output, UnitError};
use crate::program::{THREAD_VARIABLES, exit_text, wait};
use crate::sys::{self, Ended, Exit};
use crate::text::Tail;
use crate::usage::Resident;
use crate::watchdog::Watched;
use crate::{machine, memory_text};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid};
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a child may take to connect.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long a dead child's connection is waited for.
const DEAD_LIMIT: Duration = Duration::from_millis(500);
/// Between TERM and KILL.
const GRACE: Duration = Duration::from_millis(500);

/// What came of a child.
pub(crate) struct Isolated {
    pub(crate) result: Result<Output, UnitError>,
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_memory: u64,
}

impl Isolated {
    fn failed(error: UnitError) -> Self {
        Self { result: Err(error), cpu_seconds: 0.0, peak_memory: 0 }
    }
}

/// What the thread that owns a child's handle is told and tells.
enum Start {
    /// Connected; carries the stream of its standard error.
    Connected(Option<std::process::ChildStderr>),
    /// Could not be started.
    Failed(String),
}

/// Runs a unit in a fresh child process of this executable. Its unit file lies in `dir`.
pub(crate) fn run_isolated(dir: &Path, unit: &UnitFile, memory_limit: Option<u64>, cancel: &Cancel) -> Isolated {
    let path = dir.join("unit.json");
    let prepared = unit_file::write(&path, unit, UNIT_LIMIT).map_err(|e| UnitError::bug(e.to_string()));
    let log = prepared.and_then(|()| open_log(&unit.log).map_err(UnitError::from));
    let (log, (read, write)) = match log
        .and_then(|l| Ok((l, rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(std::io::Error::from)?)))
    {
        Ok(x) => x,
        Err(mut e) => {
            e.kind = if e.kind == FailureKind::Data { FailureKind::Resources } else { e.kind };
            return Isolated::failed(e);
        }
    };
    let builder = build(unit, write, memory_limit, &log);
    let (tell, told) = channel();
    let (join, joined) = channel();
    let argument = path.to_string_lossy().into_owned();
    // This thread must outlive the child (its death signal is bound to it), and may be lost when the child dies
    // before it connects: procspawn then waits for ever.
    let owner = std::thread::Builder::new().name("child".into()).spawn(move || own(builder, argument, &tell, &joined));
    if let Err(e) = owner {
        return Isolated::failed(UnitError::memory(format!("no thread could be started: {e}")));
    }
    let Some(pid) = read_pid(&read) else {
        let why = match told.recv_timeout(Duration::from_secs(1)) {
            Ok(Start::Failed(e)) => e,
            _ => "it did not start".into(),
        };
        return Isolated::failed(crash(format!("no child process could be started: {why}")));
    };
    let watched = Watched::new(pid);
    supervise(unit, pid, watched, &told, join, log, memory_limit, cancel)
}

fn open_log(path: &Path) -> std::io::Result<File> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

fn build(unit: &UnitFile, report: OwnedFd, memory_limit: Option<u64>, log: &File) -> procspawn::Builder {
    let mut b = procspawn::Builder::new();
    for v in THREAD_VARIABLES.iter().chain(&["RAYON_NUM_THREADS"]) {
        b.env(v, unit.threads.to_string());
    }
    if let Some(tmp) = original_tmpdir() {
        b.env("TMPDIR", tmp);
    }
    b.envs(unit.env.iter().map(|(k, v)| (k.clone(), v.clone())));
    b.stdin(Stdio::null());
    // What a stage prints must not reach our own standard output.
    b.stdout(log.try_clone().map_or_else(|_| Stdio::null(), Stdio::from));
    b.stderr(Stdio::piped());
    sys::prepare_child(&mut b, report, memory_limit);
    b
}

fn own(mut builder: procspawn::Builder, argument: String, tell: &Sender<Start>, join: &Receiver<()>) {
    let mut handle =
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| builder.spawn(argument, child_entry))) {
            Ok(h) => h,
            Err(_) => {
                let _ = tell.send(Start::Failed("the temporary folder cannot be used".into()));
                return;
            }
        };
    drop(builder);
    if handle.pid().is_none() {
        let why = handle.join().err().map_or_else(|| "unknown reason".into(), |e| e.to_string());
        let _ = tell.send(Start::Failed(why));
        return;
    }
    let stderr = handle.stderr().and_then(take_stderr);
    let _ = tell.send(Start::Connected(stderr));
    // Reaps the child; by then it has ended and its group is dead.
    let _ = join.recv();
    let _ = handle.join();
}

/// procspawn lends the stream only: a second descriptor of the same pipe can be owned.
fn take_stderr(lent: &mut std::process::ChildStderr) -> Option<std::process::ChildStderr> {
    use std::os::fd::AsFd as _;
    lent.as_fd().try_clone_to_owned().ok().map(std::process::ChildStderr::from)
}

/// The process id that the child wrote between fork and exec; `None` when it could not be started (the pipe is then
/// closed with the builder).
fn read_pid(read: &OwnedFd) -> Option<Pid> {
    let deadline = Instant::now() + START_LIMIT;
    loop {
        let slice = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
        let ready = poll(&mut [PollFd::new(read, PollFlags::IN)], Some(&slice)).unwrap_or(0);
        if ready > 0 {
            let mut bytes = [0_u8; 4];
            let n = rustix::io::read(read, &mut bytes).ok()?;
            return if n == 4 { Pid::from_raw(i32::from_le_bytes(bytes)) } else { None };
        }
        if Instant::now() >= deadline {
            return None;
        }
    }
}

fn supervise(
    unit: &UnitFile,
    pid: Pid,
    watched: Watched,
    told: &Receiver<Start>,
    join: Sender<()>,
    log: File,
    memory_limit: Option<u64>,
    cancel: &Cancel,
) -> Isolated {
    let started = Instant::now();
    let kills = machine::oom_kills();
    let fd = pidfd_open(pid, PidfdFlags::empty()).ok();
    let heard = Arc::new(Mutex::new((log, Tail::default())));
    let mut drained: Option<Receiver<()>> = None;
    let mut resident = Resident::default();
    let (mut peak, mut low_memory) = (0, false);
    let mut stopped: Option<(UnitError, Instant)> = None;
    let mut connected = false;
    let mut dead_since: Option<Instant> = None;
    let ended = loop {
        if !connected {
            match told.recv_timeout(Duration::from_millis(if dead_since.is_some() { 20 } else { 5 })) {
                Ok(Start::Connected(stderr)) => {
                    connected = true;
                    drained = stderr.map(|s| drain(s, &heard));
                }
                // An answer of this kind after a process id means that the child closed the connection.
                Ok(Start::Failed(_)) | Err(RecvTimeoutError::Disconnected) => connected = true,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        if let Some(e) = sys::look_at_ended(pid) {
            let since = *dead_since.get_or_insert_with(Instant::now);
            if connected || since.elapsed() >= DEAD_LIMIT {
                break Some(e);
            }
            continue;
        }
        if dead_since.is_none() && connected && rustix::process::test_kill_process(pid).is_err() {
            // Reaped by its owner before we looked (it could not be talked to).
            break None;
        }
        if let Some((now, high)) = machine::resident(pid.as_raw_pid() as u32) {
            resident.set(now);
            peak = peak.max(high);
            low_memory = machine::almost_full();
        }
        if stopped.is_none()
            && let Some(why) = reason_to_stop(unit, cancel, started, connected)
        {
            let _ = kill_process_group(pid, Signal::TERM);
            stopped = Some((why, Instant::now()));
        }
        if stopped.as_ref().is_some_and(|s| s.1.elapsed() >= GRACE) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        if connected {
            let young = started.elapsed() < Duration::from_secs(1);
            wait(fd.as_ref(), Duration::from_millis(if young { 20 } else { 100 }));
        }
    };
    // Grandchildren in its group die with it; its id is not reaped yet, so the group is still ours.
    let _ = kill_process_group(pid, Signal::KILL);
    drop(watched);
    if connected {
        let _ = join.send(());
    } else {
        // The owner of the handle hangs in its rendezvous for ever: reap in its place.
        let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
    }
    if let Some(d) = drained {
        let _ = d.recv_timeout(Duration::from_secs(1));
    }
    let tail = {
        let h = heard.lock().unwrap_or_else(PoisonError::into_inner);
        h.1.last(6)
    };
    let evidence =
        Evidence { ended, connected, peak, low_memory, memory_limit, oom_killed: machine::oom_kills() > kills, tail };
    conclude(unit, stopped.map(|s| s.0), &evidence)
}

fn reason_to_stop(unit: &UnitFile, cancel: &Cancel, started: Instant, connected: bool) -> Option<UnitError> {
    if cancel.level() >= 2 {
        return Some(UnitError::new(FailureKind::Interrupted, "stopped as the run was interrupted"));
    }
    if let Some(limit) = unit.time_limit.filter(|&l| started.elapsed() >= l) {
        return Some(
            UnitError::new(
                FailureKind::Resources,
                format!("it did not end within its time limit of {} s", limit.as_secs_f64()),
            )
            .hint("raise the time limit of the stage"),
        );
    }
    (!connected && started.elapsed() >= START_LIMIT)
        .then(|| crash(format!("the child process did not connect within {} s", START_LIMIT.as_secs())))
}

fn drain(stream: impl Read + Send + 'static, heard: &Arc<Mutex<(File, Tail)>>) -> Receiver<()> {
    let (done, finished) = channel();
    let heard = Arc::clone(heard);
    std::thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while let Ok(n) = (&mut stream).take(1 << 16).read_until(b'\n', &mut line) {
            if n == 0 {
                break;
            }
            let mut h = heard.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = h.0.write_all(&line);
            h.1.push(String::from_utf8_lossy(&line).trim_end());
            drop(h);
            line.clear();
        }
        let _ = done.send(());
    });
    finished
}

/// All that is known about the end of a child.
struct Evidence {
    ended: Option<Ended>,
    connected: bool,
    peak: u64,
    low_memory: bool,
    memory_limit: Option<u64>,
    oom_killed: bool,
    tail: String,
}

fn conclude(unit: &UnitFile, stopped: Option<UnitError>, e: &Evidence) -> Isolated {
    let cpu = e.ended.map_or(0.0, |x| x.cpu_seconds);
    let read = unit_file::read::<ResultFile>(&unit.result, RESULT_LIMIT);
    if let Ok(r) = read
        && r.fingerprint == unit.fingerprint
    {
        let result = match (r.output, r.error) {
            (Some(o), None) => Ok(o),
            // In a child a panic costs the child only, like any other crash, and may be tried again.
            (None, Some(mut err)) if r.panicked => {
                err.kind = FailureKind::Crash;
                Err(err)
            }
            (None, Some(err)) => Err(err),
            _ => Err(UnitError::bug("the child returned neither a result nor an error")),
        };
        return Isolated { result, cpu_seconds: cpu, peak_memory: r.peak_memory.max(e.peak) };
    }
    if let Some(why) = stopped {
        return Isolated { result: Err(why), cpu_seconds: cpu, peak_memory: e.peak };
    }
    let said = if e.tail.is_empty() { String::new() } else { format!("; it said: {}", e.tail) };
    let error = match e.ended.map(|x| x.exit) {
        _ if memory_text::find(&e.tail) == Some("memory allocation failed") => {
            UnitError::memory(format!("the child process ran out of memory{said}"))
        }
        Some(Exit::Signal(9)) if memory_is_the_cause(e) => {
            UnitError::memory(format!("the child process was killed by the system as it was out of memory{said}"))
        }
        Some(exit) if !e.connected => {
            crash(format!("the child process died before it connected ({}){said}", exit_text(exit)))
        }
        Some(Exit::Code(0)) => crash(format!("the child process ended without a result{said}")),
        Some(exit) => crash(format!("the child process died with {}{said}", exit_text(exit))),
        None => crash(format!("the child process vanished{said}")),
    };
    Isolated { result: Err(error), cpu_seconds: cpu, peak_memory: e.peak }
}

fn crash(message: String) -> UnitError {
    UnitError::new(FailureKind::Crash, message).hint("the log of the unit may say more")
}

/// SIGKILL carries no text: the cgroup's counter, the last peak against the limit, and free memory tell.
fn memory_is_the_cause(e: &Evidence) -> bool {
    e.oom_killed || e.low_memory || e.memory_limit.is_some_and(|l| e.peak as f64 >= 0.8 * l as f64)
}
