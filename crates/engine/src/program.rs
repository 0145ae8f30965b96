//! External programs: argument lists only, own process group, output to the unit's log, killed whole.

use crate::api::{FailureKind, UnitContext, UnitError};
use crate::sys::{self, Ended, Exit};
use crate::text::Tail;
use crate::usage::{self, Resident, Usage};
use crate::watchdog::Watched;
use crate::{machine, memory_text};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Variables by which numerical libraries are told how many threads to use.
pub const THREAD_VARIABLES: [&str; 5] =
    ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS"];

/// Between TERM and KILL when the time is up.
const GRACE: Duration = Duration::from_secs(5);
/// Between TERM and KILL when the user wants to leave.
const GRACE_INTERRUPT: Duration = Duration::from_secs(1);
/// How long a program may go on after it has said that memory ran out (some hang then).
const AFTER_MEMORY_ERROR: Duration = Duration::from_mins(1);

/// What to start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgramSpec {
    /// Name or path.
    pub program: OsString,
    /// Arguments; no shell is involved.
    pub args: Vec<OsString>,
    /// Environment, on top of that of the unit.
    pub env: BTreeMap<String, String>,
    /// Working folder; that of the attempt when absent.
    pub cwd: Option<PathBuf>,
}

impl ProgramSpec {
    /// A program with arguments.
    pub fn new(program: impl Into<OsString>, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self { program: program.into(), args: args.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Sets a variable.
    pub fn env(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(key.into(), value.into());
        self
    }
}

/// How a program that succeeded went.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProgramReport {
    /// Duration.
    pub seconds: f64,
    /// CPU seconds of it and of those of its children that it waited for.
    pub cpu_seconds: f64,
    /// Highest sampled memory of the program itself, bytes.
    pub peak_memory: u64,
    /// End of its output, at most 4 KiB.
    pub tail: String,
}

/// Runs a program to its end.
///
/// # Errors
/// `Resources` for memory errors and time-outs, `Interrupted` when the run is stopped, `Program` for other exits (with
/// the last lines of its output) and for programs that cannot be started.
pub fn run_program(cx: &UnitContext, spec: &ProgramSpec) -> Result<ProgramReport, UnitError> {
    let name =
        PathBuf::from(&spec.program).file_name().map_or_else(|| "program".into(), |n| n.to_string_lossy().into_owned());
    let mut log = open_log(cx)?;
    let shown: Vec<String> = spec.args.iter().map(|a| a.to_string_lossy().into_owned()).collect();
    let _ = writeln!(log, "$ {} {}", spec.program.to_string_lossy(), shown.join(" "));
    let mut child = command(cx, spec).spawn().map_err(|e| not_started(&name, &e))?;
    let pid = Pid::from_child(&child);
    let watched = Watched::new(pid);
    let started = Instant::now();
    let heard = Arc::new(Mutex::new(Heard { log, tail: Tail::default(), memory: None }));
    let readers = [child.stdout.take().map(|s| listen(s, &heard)), child.stderr.take().map(|s| listen(s, &heard))];
    let kills = machine::oom_kills();
    let watch = watch(cx, pid, &heard);
    // Whatever the program has left in its group goes; its own id is still reserved, so the group is still ours.
    let _ = kill_process_group(pid, Signal::KILL);
    drop(watched);
    let _ = child.wait();
    let limit = Instant::now() + Duration::from_secs(2);
    for r in readers.into_iter().flatten() {
        // Ends at once unless something outside the group keeps the pipe open.
        let _ = r.recv_timeout(limit.saturating_duration_since(Instant::now()));
    }
    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    usage::add(&cx.work, Usage { cpu_seconds: watch.ended.cpu_seconds, peak_memory: watch.peak });
    let report = ProgramReport {
        seconds: started.elapsed().as_secs_f64(),
        cpu_seconds: watch.ended.cpu_seconds,
        peak_memory: watch.peak,
        tail: heard.tail.text(),
    };
    let _ = writeln!(heard.log, "# {name}: {} after {:.1} s", exit_text(watch.ended.exit), report.seconds);
    judge(&name, &watch, &heard, machine::oom_kills() > kills)?;
    Ok(report)
}

fn open_log(cx: &UnitContext) -> Result<File, UnitError> {
    if let Some(dir) = cx.log.parent() {
        std::fs::create_dir_all(dir)?;
    }
    Ok(OpenOptions::new().create(true).append(true).open(&cx.log)?)
}

fn command(cx: &UnitContext, spec: &ProgramSpec) -> Command {
    let mut c = Command::new(&spec.program);
    c.args(&spec.args).current_dir(spec.cwd.as_ref().unwrap_or(&cx.work));
    for v in THREAD_VARIABLES {
        c.env(v, cx.threads.to_string());
    }
    if let Some(tmp) = crate::isolate::original_tmpdir() {
        c.env("TMPDIR", tmp);
    }
    c.envs(&cx.env).envs(&spec.env);
    c.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    sys::prepare_program(&mut c);
    c
}

fn not_started(name: &str, e: &std::io::Error) -> UnitError {
    let err = UnitError::new(FailureKind::Program, format!("{name} cannot be started: {e}"));
    match e.kind() {
        std::io::ErrorKind::NotFound => {
            err.hint(format!("install {name}, or put its folder on PATH, or name its path in the configuration"))
        }
        std::io::ErrorKind::PermissionDenied => err.hint(format!("make {name} executable")),
        _ => err,
    }
}

/// What a program has said so far.
struct Heard {
    log: File,
    tail: Tail,
    memory: Option<(String, Instant)>,
}

fn listen(stream: impl Read + Send + 'static, heard: &Arc<Mutex<Heard>>) -> Receiver<()> {
    let (done, finished) = channel();
    let heard = Arc::clone(heard);
    std::thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        // Lines are cut at 64 KiB, so that a program that never ends one cannot fill our memory.
        while let Ok(n) = (&mut stream).take(1 << 16).read_until(b'\n', &mut line) {
            if n == 0 {
                break;
            }
            let text = String::from_utf8_lossy(&line);
            let mut h = heard.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = h.log.write_all(&line);
            // Progress bars overwrite themselves with carriage returns: only the last state counts.
            let shown = text.trim_end().rsplit('\r').next().unwrap_or("").to_owned();
            h.tail.push(&shown);
            if h.memory.is_none() && memory_text::find(&text).is_some() {
                h.memory = Some((shown, Instant::now()));
            }
            drop(h);
            line.clear();
        }
        let _ = done.send(());
    });
    finished
}

/// Why we ended a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopped {
    Time(Duration),
    Cancelled,
    Memory,
}

struct Watch {
    ended: Ended,
    peak: u64,
    stopped: Option<Stopped>,
}

/// Waits for the end of a program, and brings it about when the time is up or the run is stopped.
fn watch(cx: &UnitContext, pid: Pid, heard: &Mutex<Heard>) -> Watch {
    let fd = pidfd_open(pid, PidfdFlags::empty()).ok();
    let started = Instant::now();
    let mut resident = Resident::default();
    let mut peak = 0;
    let mut stopped: Option<(Stopped, Instant)> = None;
    let mut killed = false;
    loop {
        if let Some(ended) = sys::look_at_ended(pid) {
            return Watch { ended, peak, stopped: stopped.map(|s| s.0) };
        }
        if let Some((now, high)) = machine::resident(pid.as_raw_pid() as u32) {
            resident.set(now);
            peak = peak.max(high);
        }
        if stopped.is_none() {
            let memory = heard.lock().unwrap_or_else(PoisonError::into_inner).memory.as_ref().map(|m| m.1);
            let why = if cx.cancel.level() >= 2 {
                Some(Stopped::Cancelled)
            } else if let Some(limit) = cx.time_limit.filter(|&l| started.elapsed() >= l) {
                Some(Stopped::Time(limit))
            } else {
                memory.filter(|m| m.elapsed() >= AFTER_MEMORY_ERROR).map(|_| Stopped::Memory)
            };
            if let Some(why) = why {
                let _ = kill_process_group(pid, Signal::TERM);
                stopped = Some((why, Instant::now()));
            }
        }
        if let Some((_, since)) = stopped
            && !killed
        {
            let grace = if cx.cancel.level() >= 2 { GRACE_INTERRUPT } else { GRACE };
            if since.elapsed() >= grace {
                let _ = kill_process_group(pid, Signal::KILL);
                killed = true;
            }
        }
        wait(fd.as_ref(), Duration::from_millis(50));
    }
}

/// Sleeps until the process behind the descriptor ends, at most for the given time.
pub(crate) fn wait(fd: Option<&OwnedFd>, time: Duration) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    match fd {
        Some(fd) => {
            let t = Timespec { tv_sec: time.as_secs() as i64, tv_nsec: i64::from(time.subsec_nanos()) };
            let _ = poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&t));
        }
        None => std::thread::sleep(time.min(Duration::from_millis(5))),
    }
}

pub(crate) fn exit_text(exit: Exit) -> String {
    match exit {
        Exit::Code(c) => format!("exit code {c}"),
        Exit::Signal(s) => match rustix::process::Signal::from_named_raw(s) {
            Some(n) => format!("signal {s} ({})", signal_name(n)),
            None => format!("signal {s}"),
        },
    }
}

fn signal_name(s: Signal) -> &'static str {
    match s {
        Signal::KILL => "SIGKILL",
        Signal::SEGV => "SIGSEGV",
        Signal::ABORT => "SIGABRT",
        Signal::TERM => "SIGTERM",
        Signal::INT => "SIGINT",
        Signal::BUS => "SIGBUS",
        Signal::ILL => "SIGILL",
        Signal::FPE => "SIGFPE",
        Signal::HUP => "SIGHUP",
        Signal::PIPE => "SIGPIPE",
        Signal::XCPU => "SIGXCPU",
        _ => "other",
    }
}

fn judge(name: &str, watch: &Watch, heard: &Heard, oom_killed: bool) -> Result<(), UnitError> {
    let exit = watch.ended.exit;
    match watch.stopped {
        Some(Stopped::Cancelled) => {
            return Err(UnitError::new(
                FailureKind::Interrupted,
                format!("{name} was stopped as the run was interrupted"),
            ));
        }
        Some(Stopped::Time(limit)) => {
            return Err(UnitError::new(
                FailureKind::Resources,
                format!("{name} did not end within its time limit of {} s", limit.as_secs_f64()),
            )
            .hint("raise the time limit of the stage, or look into the log for what it waited for"));
        }
        Some(Stopped::Memory) | None => {}
    }
    if exit == Exit::Code(0) {
        return Ok(());
    }
    if let Some((line, _)) = &heard.memory {
        return Err(UnitError::memory(format!("{name} ({}): {line}", exit_text(exit)))
            .hint("fewer workers, a smaller model, or more memory"));
    }
    if exit == Exit::Signal(9) && (oom_killed || machine::almost_full()) {
        return Err(UnitError::memory(format!("{name} was killed by the system")).hint("fewer workers, or more memory"));
    }
    let last = heard.tail.last(5);
    let what = if last.is_empty() { "it said nothing".to_owned() } else { last };
    Err(UnitError::new(FailureKind::Program, format!("{name} failed with {}: {what}", exit_text(exit)))
        .hint("the log of the unit has its whole output"))
}
