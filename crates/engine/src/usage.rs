//! CPU time and peak memory of the programs that a unit starts, collected under the unit's work folder.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// What programs and children of one unit have used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_memory: u64,
}

static USED: Mutex<Option<HashMap<PathBuf, Usage>>> = Mutex::new(None);
/// Resident memory of all living children and programs, as last sampled.
static RESIDENT: AtomicU64 = AtomicU64::new(0);

/// Adds what a program used to the unit that works in `work`.
pub(crate) fn add(work: &Path, usage: Usage) {
    let mut used = USED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let u = used.get_or_insert_default().entry(work.to_owned()).or_default();
    u.cpu_seconds += usage.cpu_seconds;
    u.peak_memory = u.peak_memory.max(usage.peak_memory);
}

/// Takes what was added for a unit.
pub(crate) fn take(work: &Path) -> Usage {
    let mut used = USED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    used.as_mut().and_then(|u| u.remove(work)).unwrap_or_default()
}

/// Resident memory of living children, bytes.
pub(crate) fn resident() -> u64 {
    RESIDENT.load(Ordering::Relaxed)
}

/// The share of one child in [`resident`]; given back when dropped.
#[derive(Debug, Default)]
pub(crate) struct Resident(u64);

impl Resident {
    pub(crate) fn set(&mut self, bytes: u64) {
        RESIDENT.fetch_add(bytes, Ordering::Relaxed);
        RESIDENT.fetch_sub(self.0, Ordering::Relaxed);
        self.0 = bytes;
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        self.set(0);
    }
}
