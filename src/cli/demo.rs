//! `demo`: a synthetic cohort, and the pipeline on it.

use super::args::DemoArgs;
use super::exit::{Exit, Failure};
use crate::config::{Loaded, Origin, Override};
use crate::demo::{COHORT_VERSION, CohortFacts, write_cohort};
use crate::ui::Printer;
use std::path::{Path, PathBuf};

/// Features of the original image at 3 mm: what a demonstration needs in a minute; the default set takes many.
const PARAMETERS: &str = include_str!("demo_radiomics.yaml");

/// Goals that the score cards of the demo show.
const GOALS: &str = "PTV: V95% >= 95 %; GTV: D98% >= 59 Gy; SpinalCord: D0.03cc <= 45 Gy; Lung_R: V20Gy <= 30 %; \
                     Heart: Dmean <= 20 Gy; Parotid_L: Dmean <= 26 Gy";

/// `rtpipeline demo`.
pub(super) fn demo(args: &DemoArgs) -> Result<Exit, Failure> {
    let given = super::run::load(&args.run.sources, &args.run.table.overrides)?;
    if asked(&given, "dicom_root").is_some() {
        return Err(Failure::usage("the demonstration makes its own input")
            .hint("leave --dicom-root out, or use `rtpipeline run`"));
    }
    let outdir = asked(&given, "output_dir").unwrap_or_else(|| PathBuf::from("out"));
    let own = outdir.join("_DEMO");
    let mut overrides = args.run.table.overrides.clone();
    if asked(&given, "logs_dir").is_none() {
        overrides.push(Override::new("logs_dir", own.join("Logs").display().to_string(), "demo"));
    }
    if given.settings.dvh.goals.is_empty() {
        overrides.push(Override::new("dvh.goals", GOALS, "demo"));
    }
    let parameters = own.join("radiomics.yaml");
    let reduced = given.settings.radiomics.enabled && given.settings.radiomics.params_file.is_none();
    if reduced {
        write(&parameters, PARAMETERS.as_bytes())?;
        overrides.push(Override::new("radiomics.params_file", parameters.display().to_string(), "demo"));
    }
    let loaded = super::run::load(&args.run.sources, &overrides)?;
    args.run.voice.color.apply();
    let printer = Printer { quiet: args.run.voice.quiet, verbose: args.run.voice.verbose };
    let dicom = own.join("dicom");
    cohort(&own, &dicom, args.patients, &printer)?;
    if reduced {
        printer.status(
            "Using",
            "a small radiomics parameter set (original image at 3 mm); --radiomics-params FILE takes another",
        );
    }
    let (exit, page) = super::run::execute(&args.run, &loaded, dicom, outdir)?;
    if let Some(page) = page {
        let page = std::path::absolute(&page).unwrap_or(page);
        super::print_bytes(format!("{}\n", url(&page)).as_bytes())?;
    }
    Ok(exit)
}

/// A path that this call asks for: on the command line or in the environment. A configuration file speaks of other data.
fn asked(loaded: &Loaded, key: &str) -> Option<PathBuf> {
    let run = &loaded.settings.run;
    let value = match key {
        "dicom_root" => run.dicom_root.clone(),
        "output_dir" => Some(run.output_dir.clone()),
        _ => Some(run.logs_dir.clone()),
    };
    value.filter(|_| matches!(loaded.origin(key), Origin::Option(_) | Origin::Environment(_)))
}

/// Writes the cohort unless it is there; a cohort counts only when its facts lie beside it, which are written last.
fn cohort(own: &Path, dicom: &Path, patients: u32, printer: &Printer) -> Result<(), Failure> {
    let facts = own.join("cohort.json");
    let there = std::fs::read(&facts).ok().and_then(|b| serde_json::from_slice::<serde_json::Value>(&b).ok());
    let same = |v: &serde_json::Value| v["version"] == COHORT_VERSION && v["patients"] == patients;
    if dicom.is_dir() && there.as_ref().is_some_and(same) {
        printer.status("Found", &format!("the cohort in {}", dicom.display()));
        return Ok(());
    }
    let fail = |path: &Path, e: std::io::Error| {
        Failure::usage(format!("{}: {e}", path.display())).hint("choose a folder that can be written: --outdir DIR")
    };
    if facts.exists() {
        std::fs::remove_file(&facts).map_err(|e| fail(&facts, e))?;
    }
    if dicom.exists() {
        std::fs::remove_dir_all(dicom).map_err(|e| fail(dicom, e))?;
    }
    let start = std::time::Instant::now();
    let written: CohortFacts = write_cohort(dicom, patients)
        .map_err(|e| Failure::usage(e.to_string()).hint("choose a folder that can be written: --outdir DIR"))?;
    let bytes = serde_json::to_vec_pretty(&written).map_err(|e| Failure::internal(e.to_string()))?;
    write(&facts, &bytes)?;
    let seconds = crate::ui::human_time(start.elapsed().as_secs_f64());
    printer.status(
        "Wrote",
        &format!(
            "{} patients, {} courses, {} files to {} in {seconds}",
            written.patients,
            written.courses.len(),
            written.files,
            dicom.display()
        ),
    );
    Ok(())
}

/// Writes a small file unless it has these bytes already.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if std::fs::read(path).is_ok_and(|b| b == bytes) {
        return Ok(());
    }
    let dir = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir).and_then(|()| std::fs::write(path, bytes)).map_err(|e| {
        Failure::usage(format!("{}: {e}", path.display())).hint("choose a folder that can be written: --outdir DIR")
    })
}

/// The address of a local file; bytes that addresses do not allow are escaped.
fn url(path: &Path) -> String {
    let mut out = String::from("file://");
    for b in path.as_os_str().as_encoded_bytes() {
        if b.is_ascii_alphanumeric() || b"/-._~".contains(b) {
            out.push(char::from(*b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_escaped() {
        assert_eq!(url(Path::new("/a b/ö%.html")), "file:///a%20b/%C3%B6%25.html");
    }

    #[test]
    fn the_small_parameter_set_is_valid_and_has_one_image() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("p.yaml");
        write(&file, PARAMETERS.as_bytes()).expect("written");
        let params = crate::stages::radiomics::ParameterSets::read(&file).expect("valid");
        let names = params.feature_names();
        assert!(names.len() > 90 && names.iter().all(|n| n.starts_with("original_")), "{names:?}");
    }
}
