//! After the stages: tables and pages, made from the inventory, the unit records and the failure files alone, so that
//! `rtpipeline report` gives the same.

mod agreement;
mod cohort_page;
mod course_page;
mod gather;
mod goals;
mod run_file;
mod trace;
mod words;

pub use run_file::{RunFile, utc};

use crate::config::Settings;
use crate::index::Inventory;
use crate::pipeline::Request;
use crate::records::{self, ParquetStream, Row, TableDef, data_dictionary, write_table};
use crate::stages::radiomics::{Modality, ParameterSets, column_names};
use gather::Gathered;
use rtpipeline_engine::RunReport;
use std::path::{Path, PathBuf};

/// Writes everything after a run.
///
/// # Errors
/// When records cannot be read or results cannot be written.
pub(crate) fn write(
    request: &Request,
    settings: &Settings,
    origins: &serde_json::Value,
    inventory: &Inventory,
    report: &RunReport,
) -> Result<Vec<PathBuf>, String> {
    let run = RunFile::new(request, settings, origins, inventory, Some(report));
    all(&request.outdir, settings, inventory, &run)
}

/// Writes the accounts of a folder in which no course was found.
///
/// # Errors
/// When they cannot be written.
pub(crate) fn write_without_courses(
    request: &Request,
    settings: &Settings,
    origins: &serde_json::Value,
    inventory: &Inventory,
) -> Result<Vec<PathBuf>, String> {
    let run = RunFile::new(request, settings, origins, inventory, None);
    all(&request.outdir, settings, inventory, &run)
}

/// Rebuilds tables and pages of an output folder, by the settings of its last run.
///
/// # Errors
/// When the folder holds no run, or results cannot be written.
pub fn rebuild(outdir: &Path) -> Result<Vec<PathBuf>, String> {
    let inventory = Inventory::load(&outdir.join("_RUN")).map_err(|e| e.to_string())?;
    let run = RunFile::load(outdir)?;
    all(outdir, &run.settings, &inventory, &run)
}

fn all(outdir: &Path, settings: &Settings, inventory: &Inventory, run: &RunFile) -> Result<Vec<PathBuf>, String> {
    let dir = outdir.join("_RESULTS");
    std::fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    clear_unfinished(outdir, inventory);
    let mut gathered = Gathered::from_records(outdir, inventory)?;
    let mut written = tables(&dir, settings, &mut gathered)?;
    written.push(run.save(&dir)?);
    trace::write(&outdir.join("_RUN"))?;
    if settings.report.enabled {
        written.extend(course_page::write_all(outdir, inventory, &gathered, run)?);
        written.push(cohort_page::write(outdir, inventory, &gathered, run)?);
    }
    Ok(written)
}

/// Removes what a killed run was writing, tables, pages, inventory and caches, before it could give them their names. The
/// run folder is locked, so nobody else is writing there.
fn clear_unfinished(outdir: &Path, inventory: &Inventory) {
    let courses = inventory.courses.iter().map(|c| outdir.join(&c.patient_dir).join(&c.course_id));
    for dir in [outdir.join("_RESULTS"), outdir.join("_RUN")].into_iter().chain(courses) {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let unfinished = name.ends_with(".tmp") || name.starts_with(".tmp");
            if unfinished && entry.file_type().is_ok_and(|t| t.is_file()) {
                // One that cannot be removed is in nobody's way.
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

/// Definitions of all tables with the feature columns of the parameter sets in force.
fn definitions(settings: &Settings) -> Result<Vec<TableDef>, String> {
    let params = ParameterSets::load(&settings.radiomics)?;
    let mut defs = records::all();
    for m in [Modality::Ct, Modality::Mr, Modality::Pet] {
        let name = &m.table()["radiomics_".len()..];
        defs.push(records::radiomics(name, column_names(params.of(m))));
    }
    Ok(defs)
}

fn tables(dir: &Path, settings: &Settings, gathered: &mut Gathered) -> Result<Vec<PathBuf>, String> {
    let defs = definitions(settings)?;
    let mut written = Vec::new();
    for def in &defs {
        let name = def.name.as_ref();
        if name == "dvh_curves" || name == "radiomics_long" {
            written.push(streamed(dir, def, gathered)?);
            continue;
        }
        let mut rows = gathered.rows.get(name).cloned().unwrap_or_default();
        if name.starts_with("radiomics_") {
            fit(def, &mut rows);
        }
        written.extend(write_table(dir, def, rows).map_err(|e| e.to_string())?);
    }
    let (def, rows) = data_dictionary(&defs);
    written.extend(write_table(dir, &def, rows).map_err(|e| e.to_string())?);
    Ok(written)
}

/// Leaves out features that the parameter sets in force do not have: rows of an older setting that were not redone.
fn fit(def: &TableDef, rows: &mut [Row]) {
    let known: std::collections::BTreeSet<&str> = def.columns.iter().map(|c| c.name.as_ref()).collect();
    for r in rows {
        r.retain(|k, _| known.contains(k.as_str()));
    }
}

/// Long tables: unfolded row by row, in the order of their keys, never all in memory.
fn streamed(dir: &Path, def: &TableDef, gathered: &Gathered) -> Result<PathBuf, String> {
    let mut stream = ParquetStream::create(dir, def).map_err(|e| e.to_string())?;
    let mut push = |row: Row| stream.push(row).map_err(|e| e.to_string());
    if def.name == "dvh_curves" {
        for folded in gathered.sorted("dvh_curves", &def.key) {
            for row in crate::course::curve_points(folded) {
                push(row)?;
            }
        }
    } else {
        let mut wide: Vec<&Row> = ["radiomics_ct", "radiomics_mr", "radiomics_pet"]
            .iter()
            .flat_map(|t| gathered.rows.get(*t).into_iter().flatten())
            .collect();
        gather::sort_rows(&mut wide, &def.key);
        for row in wide {
            for long in gather::long_rows(row) {
                push(long)?;
            }
        }
    }
    stream.finish().map_err(|e| e.to_string())
}
