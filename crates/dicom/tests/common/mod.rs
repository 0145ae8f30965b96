//! Where the shared test data are.

use std::path::{Path, PathBuf};

/// A path below `data` of the shared folder; `None`, with a printed reason, if the folder is not there.
#[allow(dead_code)]
pub(crate) fn shared(rel: &str) -> Option<PathBuf> {
    let root = std::env::var_os("RTPIPELINE_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let p = root.join("data").join(rel);
    if p.exists() {
        Some(p)
    } else {
        println!("skipped: {} is not there (set RTPIPELINE_SHARED)", p.display());
        None
    }
}

/// All files below a folder, sorted.
#[allow(dead_code)]
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut v: Vec<PathBuf> = walkdir::WalkDir::new(folder)
        .into_iter()
        .filter_map(Result::ok)
        .filter(|e| e.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .collect();
    v.sort();
    v
}
