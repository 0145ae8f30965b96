//! `validate`: configuration, structure files, models, parameter files and folders; nothing is run.

use super::args::ValidateArgs;
use super::doctor;
use super::exit::{Exit, Failure};
use crate::config::Override;
use crate::pipeline;
use crate::stages::segmentation_custom::SegmentationCustom;
use rtpipeline_engine::Policy;

/// `rtpipeline validate`.
pub(super) fn validate(args: &ValidateArgs) -> Result<Exit, Failure> {
    let mut sources = args.sources.clone();
    if let Some(f) = &args.file {
        if sources.config.is_some() {
            return Err(Failure::usage("the configuration file was given twice"));
        }
        sources.config = Some(f.clone());
    }
    let overrides: Vec<Override> =
        args.dicom_root.iter().map(|p| Override::new("dicom_root", p.display().to_string(), "--dicom-root")).collect();
    let loaded = super::run::load(&sources, &overrides)?;
    let s = &loaded.settings;
    let mut good = Vec::new();
    let mut warnings = loaded.notices.clone();
    let mut errors = Vec::new();
    good.push(
        loaded.file.as_ref().map_or("no configuration file: defaults".to_owned(), |f| format!("{}", f.display())),
    );
    match pipeline::build(s) {
        Ok(p) => good
            .push(format!("stages: {}", p.stages.iter().map(|e| e.stage.erased_name()).collect::<Vec<_>>().join(", "))),
        Err(e) => errors.push(e.to_string()),
    }
    match &s.run.dicom_root {
        None => warnings.push("no input folder is set (dicom_root or --dicom-root)".into()),
        Some(d) if d.is_dir() => good.push(format!("input folder {}", d.display())),
        Some(d) => warnings.push(format!("the input folder {} does not exist", d.display())),
    }
    for f in doctor::external(s) {
        if f.found {
            good.push(format!("{}: {}", f.name, f.detail));
        } else if f.required {
            warnings.push(format!("{}: {}; {}", f.name, f.detail, f.meaning));
        }
    }
    if s.custom_models.enabled
        && let Ok(models) = SegmentationCustom::load(&s.custom_models, Policy::default())
    {
        warnings.extend(models.missing_weights(&s.custom_models.root));
    }
    let mut text = String::new();
    for g in &good {
        text.push_str(&format!("ok       {g}\n"));
    }
    for w in &warnings {
        text.push_str(&format!("warning  {w}\n"));
    }
    for e in &errors {
        text.push_str(&format!("error    {e}\n"));
    }
    super::print_bytes(text.as_bytes())?;
    Ok(match (errors.is_empty(), warnings.is_empty() || !args.strict) {
        (false, _) => Exit::Usage,
        (true, false) => Exit::Environment,
        (true, true) => Exit::Done,
    })
}
