//! `run.json`: version, command line, settings, host, counts, times and decisions of the run.

use crate::config::Settings;
use crate::index::Inventory;
use crate::pipeline::Request;
use crate::records::TABLE_SCHEMA_VERSION;
use rtpipeline_engine::{RunReport, machine};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What `run.json` holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunFile {
    /// Version of tables and records.
    pub schema_version: u32,
    /// Version of the program.
    pub version: String,
    /// Name of the run.
    pub run_id: String,
    /// End of the run, ISO 8601, UTC.
    pub finished: String,
    /// Command line.
    pub command_line: Vec<String>,
    /// Input folder.
    pub dicom_root: PathBuf,
    /// Log folder.
    pub logs: PathBuf,
    /// Settings in force.
    pub settings: Settings,
    /// Their fingerprint.
    pub settings_fingerprint: String,
    /// Origin of each setting that is not the default.
    pub origins: Value,
    /// This machine.
    pub host: Value,
    /// Numbers of files by account, and of courses.
    pub counts: BTreeMap<String, usize>,
    /// What the engine did; null when nothing could be run.
    pub report: Value,
}

impl RunFile {
    pub(super) fn new(
        request: &Request,
        settings: &Settings,
        origins: &Value,
        inventory: &Inventory,
        report: Option<&RunReport>,
    ) -> Self {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for f in &inventory.files {
            *counts.entry(format!("files_{}", f.account)).or_default() += 1;
        }
        counts.insert("files".into(), inventory.files.len());
        counts.insert("courses".into(), inventory.courses.len());
        let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let (date, time) = utc(seconds);
        // How a run is carried out decides no result, so it has no part in the fingerprint.
        let deciding = Settings { run: crate::config::RunSettings::default(), ..settings.clone() };
        let text = serde_json::to_string(&deciding).unwrap_or_default();
        Self {
            schema_version: TABLE_SCHEMA_VERSION,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            run_id: request.run_id.clone(),
            finished: format!("{date}T{time}Z"),
            command_line: request.command_line.clone(),
            dicom_root: request.dicom_root.clone(),
            logs: request.logs.clone(),
            settings: settings.clone(),
            settings_fingerprint: blake3::hash(text.as_bytes()).to_hex().to_string(),
            origins: origins.clone(),
            host: json!({
                "cpus": machine::cpus(),
                "memory_bytes": machine::memory().available,
                "gpus": machine::gpus(),
                "system": std::env::consts::OS,
                "architecture": std::env::consts::ARCH,
            }),
            counts,
            report: report.map_or(Value::Null, |r| serde_json::to_value(r).unwrap_or_default()),
        }
    }

    /// Reads `_RESULTS/run.json` of an output folder.
    ///
    /// # Errors
    /// When it is not there or not what this version writes.
    pub fn load(outdir: &Path) -> Result<Self, String> {
        let path = outdir.join("_RESULTS/run.json");
        let bytes = std::fs::read(&path).map_err(|e| format!("{}: {e}; has a run ended there?", path.display()))?;
        serde_json::from_slice(&bytes)
            .map_err(|e| format!("{} is not what this version writes ({e}); run the pipeline again", path.display()))
    }

    /// The request behind it, for planning again.
    pub fn request(&self, outdir: &Path) -> Request {
        Request {
            dicom_root: self.dicom_root.clone(),
            outdir: std::path::absolute(outdir).unwrap_or_else(|_| outdir.to_path_buf()),
            logs: self.logs.clone(),
            run_id: self.run_id.clone(),
            ..Request::default()
        }
    }

    pub(super) fn save(&self, dir: &Path) -> Result<PathBuf, String> {
        let path = dir.join("run.json");
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|e| e.to_string())?;
        bytes.push(b'\n');
        super::words::write_file(&path, &bytes)?;
        Ok(path)
    }

    /// Date of the run, `YYYY-MM-DD`.
    pub(super) fn date(&self) -> &str {
        self.finished.split('T').next().unwrap_or_default()
    }
}

/// Date and time of seconds since 1970, UTC: `("2026-11-21", "10:30:00")` (Hinnant, "chrono-compatible low-level date
/// algorithms", 2013).
pub fn utc(seconds: u64) -> (String, String) {
    let days = (seconds / 86_400) as i64;
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    let s = seconds % 86_400;
    (format!("{year:04}-{month:02}-{day:02}"), format!("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60))
}

#[cfg(test)]
mod tests {
    use super::utc;

    #[test]
    fn dates_are_right_around_leap_days() {
        let at = |s: u64| format!("{} {}", utc(s).0, utc(s).1);
        assert_eq!(at(0), "1970-01-01 00:00:00");
        assert_eq!(at(951_782_399), "2000-02-28 23:59:59");
        assert_eq!(at(951_782_400), "2000-02-29 00:00:00");
        assert_eq!(at(1_709_251_199), "2024-02-29 23:59:59");
        assert_eq!(at(4_102_444_800), "2100-01-01 00:00:00");
    }
}
