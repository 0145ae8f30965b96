//! One run at a time in an output folder.

use crate::error::EngineError;
use crate::text;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Who holds a lock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LockHolder {
    /// Host name.
    pub host: String,
    /// Process.
    pub pid: u32,
    /// Start of the run, UTC.
    pub start: String,
    /// Program and its sub-command; arguments may name people and are left out.
    pub command: String,
}

impl std::fmt::Display for LockHolder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.pid == 0 {
            return write!(f, "another run");
        }
        write!(f, "process {} on {} ({}, since {})", self.pid, self.host, self.command, self.start)
    }
}

/// Held for as long as this value lives; the system gives it back when the process dies.
#[derive(Debug)]
pub struct RunLock {
    file: File,
}

impl RunLock {
    /// Takes the lock of a run folder, which is created when it lacks.
    ///
    /// # Errors
    /// [`EngineError::Locked`] with the holder when another run has it.
    pub fn take(run_dir: &Path) -> Result<Self, EngineError> {
        std::fs::create_dir_all(run_dir).map_err(EngineError::io("create", run_dir))?;
        let path = Self::path(run_dir);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(EngineError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(EngineError::Locked { folder: run_dir.to_owned(), holder: read_holder(&mut file) });
            }
            Err(TryLockError::Error(e)) => return Err(EngineError::io("lock", &path)(e)),
        }
        let me = LockHolder {
            host: text::host(),
            pid: std::process::id(),
            start: text::utc(SystemTime::now()),
            command: std::env::args_os()
                .next()
                .and_then(|a| PathBuf::from(a).file_name().map(|n| n.to_string_lossy().into_owned()))
                .unwrap_or_default(),
        };
        let body = serde_json::to_vec(&me).unwrap_or_default();
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(&body))
            .and_then(|()| file.flush())
            .map_err(EngineError::io("write", &path))?;
        Ok(Self { file })
    }

    /// Who holds the lock now, `None` when nobody does.
    ///
    /// # Errors
    /// When the lock file cannot be opened.
    pub fn holder(run_dir: &Path) -> Result<Option<LockHolder>, EngineError> {
        let path = Self::path(run_dir);
        let mut file = match File::open(&path) {
            Ok(f) => f,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(EngineError::io("open", &path)(e)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(read_holder(&mut file))),
            Err(TryLockError::Error(e)) => Err(EngineError::io("lock", &path)(e)),
        }
    }

    fn path(run_dir: &Path) -> PathBuf {
        run_dir.join("lock")
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // The content is for people; the lock itself ends with the file.
        let _ = self.file.set_len(0);
        let _ = self.file.unlock();
    }
}

fn read_holder(file: &mut File) -> LockHolder {
    let mut body = String::new();
    let _ = file.rewind();
    let _ = file.take(4096).read_to_string(&mut body);
    serde_json::from_str(&body).unwrap_or_default()
}
