//! What this machine, as limited by affinity, cgroups, resource limits and the cluster's scheduler, lets us use.

use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// CPU threads that may be used: affinity and cgroup quota, and `SLURM_CPUS_PER_TASK` when it is lower.
pub fn cpus() -> usize {
    let n = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let slurm = std::env::var("SLURM_CPUS_PER_TASK").ok().and_then(|v| v.parse::<usize>().ok()).filter(|&n| n > 0);
    slurm.map_or(n, |s| n.min(s))
}

/// Workers when none are asked for: one CPU is left to the system.
pub fn default_workers() -> usize {
    cpus().saturating_sub(1).max(1)
}

/// Memory of this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Bytes that may still be used.
    pub available: u64,
    /// Bytes in all, as limited.
    pub limit: u64,
    /// What limits it: `machine`, `cgroup` or `address space`.
    pub limited_by: &'static str,
}

/// Memory that may be used: the least of what the machine has free, what the cgroups on our path leave, and our own
/// address-space limit. 0 when it cannot be found out.
pub fn memory() -> Memory {
    let mut m = Memory { available: 0, limit: 0, limited_by: "machine" };
    if let Ok(mut system) = sysinfo::System::new() {
        system.refresh_memory();
        m.available = system.available_memory();
        m.limit = system.total_memory();
    }
    for (limit, used) in cgroup_limits() {
        let left = limit.saturating_sub(used);
        if m.limit == 0 || limit < m.limit {
            m.limit = limit;
        }
        if m.available == 0 || left < m.available {
            m.available = left;
            m.limited_by = "cgroup";
        }
    }
    if let Some(space) = rustix::process::getrlimit(rustix::process::Resource::As).current
        && (m.available == 0 || space < m.available)
    {
        m.available = space;
        m.limit = m.limit.min(space);
        m.limited_by = "address space";
    }
    m
}

/// GPUs as `CUDA_VISIBLE_DEVICES` names them; when that variable is set, only those that it names.
pub fn gpus() -> Vec<String> {
    if let Ok(v) = std::env::var("CUDA_VISIBLE_DEVICES") {
        return visible(&v);
    }
    let n = std::fs::read_dir("/proc/driver/nvidia/gpus").map_or(0, |d| d.flatten().count());
    let n = if n > 0 { n } else { listed_by_nvidia_smi() };
    (0..n).map(|i| i.to_string()).collect()
}

/// Devices in a value of `CUDA_VISIBLE_DEVICES`: CUDA ignores everything from the first invalid one on.
fn visible(value: &str) -> Vec<String> {
    value
        .split(',')
        .map(str::trim)
        .take_while(|d| !d.is_empty() && !d.starts_with('-') && *d != "none" && *d != "void")
        .map(str::to_owned)
        .collect()
}

fn listed_by_nvidia_smi() -> usize {
    let out = Command::new("nvidia-smi").arg("-L").stdin(Stdio::null()).stderr(Stdio::null()).output();
    out.ok()
        .filter(|o| o.status.success())
        .map_or(0, |o| String::from_utf8_lossy(&o.stdout).lines().filter(|l| l.starts_with("GPU ")).count())
}

/// (limit, used) of every memory cgroup that we are in, version 2 and version 1.
fn cgroup_limits() -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    for dir in cgroup_dirs() {
        let limit = number(&dir.join("memory.max")).or_else(|| number(&dir.join("memory.limit_in_bytes")));
        let used = number(&dir.join("memory.current")).or_else(|| number(&dir.join("memory.usage_in_bytes")));
        // Version 1 says "no limit" by a number near 2^63.
        if let (Some(limit), Some(used)) = (limit.filter(|&l| l < 1 << 60), used) {
            let cache = statistic(&dir.join("memory.stat"), "inactive_file")
                .or_else(|| statistic(&dir.join("memory.stat"), "total_inactive_file"));
            found.push((limit, used.saturating_sub(cache.unwrap_or(0))));
        }
    }
    found
}

/// Number of processes that the kernel has killed for memory in our cgroups.
pub(crate) fn oom_kills() -> u64 {
    let dirs = cgroup_dirs();
    let count = |d: &PathBuf| {
        statistic(&d.join("memory.events"), "oom_kill").or_else(|| statistic(&d.join("memory.oom_control"), "oom_kill"))
    };
    dirs.iter().filter_map(count).sum()
}

/// Whether the machine has almost no free memory at this moment (below 2 %).
pub(crate) fn almost_full() -> bool {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = |name: &str| {
        info.lines()
            .find_map(|l| l.strip_prefix(name)?.trim_start_matches(':').split_whitespace().next()?.parse::<u64>().ok())
    };
    matches!((kib("MemAvailable"), kib("MemTotal")), (Some(a), Some(t)) if a < t / 50)
}

/// Memory cgroups from ours up to the root.
fn cgroup_dirs() -> Vec<PathBuf> {
    let mut dirs = Vec::new();
    for line in std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default().lines() {
        let mut parts = line.splitn(3, ':');
        let (_, Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let root = match controllers {
            "" => Path::new("/sys/fs/cgroup"),
            c if c.split(',').any(|c| c == "memory") => Path::new("/sys/fs/cgroup/memory"),
            _ => continue,
        };
        let mut dir = root.join(path.trim_start_matches('/'));
        while dir.starts_with(root) {
            dirs.push(dir.clone());
            if !dir.pop() {
                break;
            }
        }
    }
    dirs
}

fn number(path: &Path) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn statistic(path: &Path, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// Resident memory now and at its peak, bytes, of a process; `None` when it is gone.
pub(crate) fn resident(pid: u32) -> Option<(u64, u64)> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kib =
        |name: &str| status.lines().find_map(|l| l.strip_prefix(name)?.split_whitespace().next()?.parse::<u64>().ok());
    Some((kib("VmRSS:")? * 1024, kib("VmHWM:")? * 1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_sane() {
        assert!(cpus() >= 1 && default_workers() >= 1 && default_workers() <= cpus());
        let m = memory();
        assert!(m.available > 0 && m.available <= m.limit.max(m.available));
        let (now, peak) = resident(std::process::id()).unwrap();
        assert!(now > 0 && peak > 0);
    }

    #[test]
    fn visible_devices_end_at_the_first_invalid_one() {
        assert_eq!(visible("0,2"), ["0", "2"]);
        assert_eq!(visible("GPU-8932f937"), ["GPU-8932f937"]);
        assert!(visible("").is_empty() && visible("-1").is_empty());
        assert_eq!(visible("1,-1,2"), ["1"]);
    }
}
