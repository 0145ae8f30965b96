//! Numbers and texts as pages show them, and files written whole.

use crate::records::Row;
use serde_json::Value;
use std::io::Write as _;
use std::path::Path;

/// A number of a row.
pub(super) fn number(row: &Row, column: &str) -> Option<f64> {
    row.get(column).and_then(Value::as_f64)
}

/// A text of a row; empty when absent.
pub(super) fn text<'r>(row: &'r Row, column: &str) -> &'r str {
    row.get(column).and_then(Value::as_str).unwrap_or_default()
}

/// Whether a flag of a row is set.
pub(super) fn flag(row: &Row, column: &str) -> bool {
    row.get(column).and_then(Value::as_bool).unwrap_or(false)
}

/// `58.43 Gy`.
pub(super) fn gy(v: f64) -> String {
    format!("{v:.2} Gy")
}

/// `2024-03-11` from `20240311`; other texts as they are.
pub(super) fn iso_date(dicom: &str) -> String {
    if dicom.len() == 8 && dicom.bytes().all(|b| b.is_ascii_digit()) {
        format!("{}-{}-{}", &dicom[..4], &dicom[4..6], &dicom[6..])
    } else {
        dicom.to_owned()
    }
}

/// `1 structure`, `12 structures`.
pub(super) fn count(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

/// Writes a file by rename, so that nobody sees half of it.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(dir)?;
        let mut tmp = tempfile::Builder::new().prefix(".").suffix(".tmp").tempfile_in(dir)?;
        tmp.write_all(bytes)?;
        {
            use std::os::unix::fs::PermissionsExt as _;
            tmp.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
        }
        tmp.persist(path).map_err(|e| e.error)?;
        Ok(())
    };
    write().map_err(|e| format!("{}: {e}", path.display()))
}

/// `2 h 58 min`, `3 min 5 s`, `12.3 s`.
pub(super) fn duration(seconds: f64) -> String {
    if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else if seconds < 3600.0 {
        format!("{} min {} s", (seconds / 60.0) as u64, (seconds % 60.0) as u64)
    } else {
        format!("{} h {} min", (seconds / 3600.0) as u64, (seconds % 3600.0 / 60.0) as u64)
    }
}
