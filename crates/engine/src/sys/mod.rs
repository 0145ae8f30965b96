//! The only unsafe code of the crate: system calls and hooks that have no safe form. Linux, 64 bit.

use rustix::process::{Pid, Resource, Rlimit, Signal, getppid, set_parent_process_death_signal, setpgid, setrlimit};
use std::ffi::{c_int, c_long};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Sets an environment variable.
///
/// Must be called while the process has one thread; [`crate::init`] does so as the first statement of `main`.
pub(crate) fn set_env_at_start(key: &str, value: &std::ffi::OsStr) {
    // SAFETY: changing the environment is only unsound while other threads read it; the caller has none yet.
    unsafe { std::env::set_var(key, value) }
}

/// Tells procspawn that functions are never spawned across a shared library boundary.
pub(crate) fn allow_spawn() {
    // SAFETY: the one function that is spawned (`isolate::child_entry`) is linked statically into the executable.
    unsafe { procspawn::assert_spawn_is_safe() }
}

/// What a child does between fork and exec: own process group, death with the thread that started it, limits, and word
/// of its process id. Only system calls: after fork in a program with threads nothing else is allowed.
fn before_exec(parent: Option<Pid>, report: Option<&OwnedFd>, memory: Option<u64>) -> std::io::Result<()> {
    setpgid(None, None)?;
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() != parent {
        // The parent died before its death could be signalled.
        return Err(std::io::Error::from_raw_os_error(3));
    }
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    if let Some(bytes) = memory {
        setrlimit(Resource::As, Rlimit { current: Some(bytes), maximum: Some(bytes) })?;
    }
    if let Some(fd) = report {
        rustix::io::write(fd, &rustix::process::getpid().as_raw_pid().to_le_bytes())?;
    }
    Ok(())
}

/// Prepares an isolated child: group, death signal, address-space limit; its process id is written to `report`.
pub(crate) fn prepare_child(builder: &mut procspawn::Builder, report: OwnedFd, memory: Option<u64>) {
    let me = Some(rustix::process::getpid());
    // SAFETY: `before_exec` makes system calls only; it neither allocates nor takes locks.
    unsafe {
        builder.pre_exec(move || before_exec(me, Some(&report), memory));
    }
}

/// Prepares an external program: group and death signal.
pub(crate) fn prepare_program(command: &mut Command) {
    let me = Some(rustix::process::getpid());
    // SAFETY: `before_exec` makes system calls only; it neither allocates nor takes locks.
    unsafe {
        command.pre_exec(move || before_exec(me, None, None));
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Code(i32),
    Signal(i32),
}

/// Exit and CPU seconds of a child that has ended but is not reaped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) exit: Exit,
    pub(crate) cpu_seconds: f64,
}

#[repr(C)]
#[derive(Default)]
struct Rusage {
    user: [i64; 2],
    system: [i64; 2],
    rest: [i64; 14],
}

#[cfg(target_arch = "x86_64")]
const SYS_WAITID: c_long = 247;
#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
const SYS_WAITID: c_long = 95;

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
}

/// Looks at an ended child without reaping it (its process id, and so its group, stays reserved). `None` while it runs
/// or when it is not our child.
///
/// The kernel's `waitid` also gives the resource usage, which the C library's wrapper does not pass on. Its peak memory
/// is not used: between fork and exec a child is charged with its parent's memory.
pub(crate) fn look_at_ended(pid: Pid) -> Option<Ended> {
    const P_PID: c_int = 1;
    const WNOHANG: c_int = 1;
    const WEXITED: c_int = 4;
    const WNOWAIT: c_int = 0x0100_0000;
    const CLD_EXITED: i32 = 1;
    let mut info = [0_i32; 32];
    let mut usage = Rusage::default();
    // SAFETY: both pointers are valid for writes of the sizes that the kernel expects: siginfo_t has 128 bytes, rusage
    // has 18 words of 8 bytes on 64-bit Linux.
    let rc = unsafe {
        syscall(SYS_WAITID, P_PID, pid.as_raw_pid(), info.as_mut_ptr(), WEXITED | WNOWAIT | WNOHANG, &raw mut usage)
    };
    // siginfo_t: signo, errno, code, padding, pid, uid, status. Without an ended child signo and pid are 0.
    if rc != 0 || info[4] == 0 {
        return None;
    }
    let exit = if info[2] == CLD_EXITED { Exit::Code(info[6]) } else { Exit::Signal(info[6]) };
    let seconds = |t: [i64; 2]| t[0] as f64 + t[1] as f64 / 1e6;
    Some(Ended { exit, cpu_seconds: seconds(usage.user) + seconds(usage.system) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ended_child_is_seen_with_its_cause_before_it_is_reaped() {
        for (script, exit) in [("exit 7", Exit::Code(7)), ("kill -SEGV $$", Exit::Signal(11))] {
            let mut c = Command::new("sh");
            c.args(["-c", script]);
            prepare_program(&mut c);
            let mut child = c.spawn().unwrap();
            let pid = Pid::from_child(&child);
            let ended = loop {
                if let Some(e) = look_at_ended(pid) {
                    break e;
                }
                std::thread::sleep(std::time::Duration::from_millis(2));
            };
            assert_eq!(ended.exit, exit);
            child.wait().unwrap();
            assert!(look_at_ended(pid).is_none());
        }
    }
}
