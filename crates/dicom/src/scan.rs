//! Finding and sniffing every file below a folder.

use crate::header::{Sniff, sniff};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::UNIX_EPOCH;

/// How to scan.
#[derive(Clone, Debug, Default)]
pub struct ScanOptions<'a> {
    /// Follow symbolic links (loops are found and recorded).
    pub follow_links: bool,
    /// Folders and files that are left out, such as an output folder inside the input.
    pub exclude: Vec<PathBuf>,
    /// File that remembers headers between runs; a header is read again when size, time or inode of its file changed.
    pub cache: Option<PathBuf>,
    /// Set it to true to stop the scan early.
    pub cancel: Option<&'a AtomicBool>,
}

/// One thing found below the folder. Folders appear only if they cannot be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScannedFile {
    /// Path below the root, with `/` between its parts; bytes that are no UTF-8 are written as `%XX`, as is `%` itself.
    pub rel_path: String,
    /// Bytes.
    pub size: u64,
    /// Time of the last change, nanoseconds since 1970.
    pub mtime_ns: i128,
    /// Inode, 0 where the system has none.
    pub inode: u64,
    /// Device of the inode, 0 where the system has none.
    pub device: u64,
    /// What it is.
    pub sniff: Sniff,
}

impl ScannedFile {
    /// The file's real path below `root`.
    pub fn path(&self, root: &Path) -> PathBuf {
        root.join(unescape(&self.rel_path))
    }
}

/// Why a folder cannot be scanned at all.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The folder does not exist or cannot be entered.
    #[error("{path}: cannot be scanned: {source}")]
    Root {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The path is no folder.
    #[error("{0}: is not a folder")]
    NotAFolder(PathBuf),
    /// The scan was stopped.
    #[error("the scan was stopped")]
    Cancelled,
}

const CACHE_VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Cache {
    version: u32,
    files: Vec<ScannedFile>,
}

enum Found {
    File { path: PathBuf, entry: ScannedFile },
    Other(ScannedFile),
}

/// Walks a folder, reads the header of every file in parallel and returns them sorted by relative path.
///
/// `progress` is called with the number of files done and the number found. The result does not depend on the number of
/// threads.
pub fn scan_folder(
    root: &Path,
    opts: &ScanOptions<'_>,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Vec<ScannedFile>, ScanError> {
    let meta = std::fs::metadata(root).map_err(|source| ScanError::Root { path: root.to_owned(), source })?;
    if !meta.is_dir() {
        return Err(ScanError::NotAFolder(root.to_owned()));
    }
    std::fs::read_dir(root).map_err(|source| ScanError::Root { path: root.to_owned(), source })?;
    let found = walk(root, opts)?;
    let known = opts.cache.as_deref().map(load_cache).unwrap_or_default();
    let done = AtomicUsize::new(0);
    let total = found.len();
    progress(0, total);
    let mut out = found
        .into_par_iter()
        .map(|f| {
            if cancelled(opts) {
                return Err(ScanError::Cancelled);
            }
            let entry = match f {
                Found::Other(e) => e,
                Found::File { path, mut entry } => {
                    entry.sniff = match known.get(&entry.rel_path) {
                        Some(k) if same_file(k, &entry) => k.sniff.clone(),
                        _ => sniff(&path),
                    };
                    entry
                }
            };
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
            Ok(entry)
        })
        .collect::<Result<Vec<_>, _>>()?;
    out.sort_by(|a, b| a.rel_path.cmp(&b.rel_path));
    if let Some(cache) = &opts.cache {
        save_cache(cache, &out);
    }
    Ok(out)
}

fn cancelled(opts: &ScanOptions<'_>) -> bool {
    opts.cancel.is_some_and(|c| c.load(Ordering::Relaxed))
}

fn same_file(a: &ScannedFile, b: &ScannedFile) -> bool {
    a.size == b.size && a.mtime_ns == b.mtime_ns && a.inode == b.inode && a.device == b.device
}

fn walk(root: &Path, opts: &ScanOptions<'_>) -> Result<Vec<Found>, ScanError> {
    let excluded: Vec<PathBuf> =
        opts.exclude.iter().map(|p| std::fs::canonicalize(p).unwrap_or_else(|_| p.clone())).collect();
    let mut found = Vec::new();
    let walker = walkdir::WalkDir::new(root).follow_links(opts.follow_links).follow_root_links(true).into_iter();
    let keep = |e: &walkdir::DirEntry| {
        excluded.is_empty() || std::fs::canonicalize(e.path()).map_or(true, |p| !excluded.contains(&p))
    };
    // Only folders are worth a canonical path; files are compared when a file is excluded.
    let filter = |e: &walkdir::DirEntry| {
        e.depth() == 0 || (!e.file_type().is_dir() && !excluded.iter().any(|x| x.is_file())) || keep(e)
    };
    for e in walker.filter_entry(filter) {
        if cancelled(opts) {
            return Err(ScanError::Cancelled);
        }
        match e {
            Ok(e) => {
                let kind = e.file_type();
                if kind.is_dir() {
                    continue;
                }
                let rel_path = escape(e.path().strip_prefix(root).unwrap_or(e.path()));
                let blank = |reason: &str| ScannedFile {
                    rel_path: rel_path.clone(),
                    size: 0,
                    mtime_ns: 0,
                    inode: 0,
                    device: 0,
                    sniff: Sniff::NotDicom { reason: reason.to_owned() },
                };
                if kind.is_symlink() {
                    found.push(Found::Other(blank("a symbolic link (links are not followed)")));
                } else if !kind.is_file() {
                    found.push(Found::Other(blank("neither a file nor a folder")));
                } else {
                    match e.metadata() {
                        Ok(m) => {
                            let (inode, device) = identity(&m);
                            let entry = ScannedFile { size: m.len(), mtime_ns: mtime(&m), inode, device, ..blank("") };
                            found.push(Found::File { path: e.into_path(), entry });
                        }
                        Err(err) => {
                            let sniff = Sniff::Unreadable { reason: format!("cannot be read: {err}"), header: None };
                            found.push(Found::Other(ScannedFile { sniff, ..blank("") }));
                        }
                    }
                }
            }
            Err(err) => {
                let path = err.path().map_or_else(|| root.to_owned(), Path::to_owned);
                let reason = if err.loop_ancestor().is_some() {
                    "a symbolic link that leads back to a folder above it".to_owned()
                } else {
                    let cause = err.io_error().map_or_else(|| err.to_string(), ToString::to_string);
                    format!("cannot be read: {cause}")
                };
                found.push(Found::Other(ScannedFile {
                    rel_path: escape(path.strip_prefix(root).unwrap_or(&path)),
                    size: 0,
                    mtime_ns: 0,
                    inode: 0,
                    device: 0,
                    sniff: Sniff::Unreadable { reason, header: None },
                }));
            }
        }
    }
    Ok(found)
}

fn mtime(m: &std::fs::Metadata) -> i128 {
    m.modified().map_or(0, |t| match t.duration_since(UNIX_EPOCH) {
        Ok(d) => d.as_nanos() as i128,
        Err(e) => -(e.duration().as_nanos() as i128),
    })
}

#[cfg(unix)]
fn identity(m: &std::fs::Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (m.ino(), m.dev())
}

#[cfg(not(unix))]
fn identity(_: &std::fs::Metadata) -> (u64, u64) {
    (0, 0)
}

/// Writes a relative path without loss: `/` between parts, `%XX` for bytes that are no UTF-8, control characters and `%`.
pub fn escape(path: &Path) -> String {
    let mut out = String::new();
    for (n, part) in path.components().enumerate() {
        if n > 0 {
            out.push('/');
        }
        for chunk in part.as_os_str().as_encoded_bytes().utf8_chunks() {
            for c in chunk.valid().chars() {
                if c == '%' || c.is_control() {
                    let mut b = [0; 4];
                    c.encode_utf8(&mut b).bytes().for_each(|b| out.push_str(&format!("%{b:02X}")));
                } else {
                    out.push(c);
                }
            }
            chunk.invalid().iter().for_each(|b| out.push_str(&format!("%{b:02X}")));
        }
    }
    out
}

/// The path that [`escape`] was given.
pub fn unescape(rel: &str) -> PathBuf {
    let b = rel.as_bytes();
    let mut raw = Vec::with_capacity(b.len());
    let mut at = 0;
    while at < b.len() {
        let hex = (b[at] == b'%')
            .then(|| b.get(at + 1..at + 3).and_then(|h| std::str::from_utf8(h).ok()))
            .flatten()
            .and_then(|h| u8::from_str_radix(h, 16).ok());
        match hex {
            Some(v) => {
                raw.push(v);
                at += 3;
            }
            None => {
                raw.push(b[at]);
                at += 1;
            }
        }
    }
    from_bytes(raw)
}

#[cfg(unix)]
fn from_bytes(raw: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    PathBuf::from(std::ffi::OsString::from_vec(raw))
}

#[cfg(not(unix))]
fn from_bytes(raw: Vec<u8>) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(&raw).into_owned())
}

fn load_cache(path: &Path) -> HashMap<String, ScannedFile> {
    let Ok(bytes) = std::fs::read(path) else { return HashMap::new() };
    match serde_json::from_slice::<Cache>(&bytes) {
        Ok(c) if c.version == CACHE_VERSION => c.files.into_iter().map(|f| (f.rel_path.clone(), f)).collect(),
        Ok(_) => HashMap::new(),
        Err(e) => {
            tracing::warn!("scan cache {} is not readable and is made anew: {e}", path.display());
            HashMap::new()
        }
    }
}

fn save_cache(path: &Path, files: &[ScannedFile]) {
    let write = || -> std::io::Result<()> {
        let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(dir)?;
        let mut tmp = tempfile::NamedTempFile::new_in(dir)?;
        let cache = Cache { version: CACHE_VERSION, files: files.to_vec() };
        tmp.write_all(&serde_json::to_vec(&cache).map_err(std::io::Error::other)?)?;
        tmp.persist(path).map_err(|e| e.error)?;
        Ok(())
    };
    if let Err(e) = write() {
        tracing::warn!("scan cache {} cannot be written: {e}", path.display());
    }
}
