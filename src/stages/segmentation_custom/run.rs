//! One model on one image.

use super::combine::{Part, combine};
use super::command::{arguments, ensemble_arguments, environment, program};
use super::model::{CustomModel, ENSEMBLE, Interface, Network};
use super::{CustomModelTask, postprocess, regions, weights};
use crate::course::label_maps::{
    LabelName, RtStructRequest, census, read_program_labels, rois_of_labels, rtstruct_output, structures_of,
    write_label_map,
};
use crate::course::{Catalogue, CoursePaths, Finding, Level, Shape, read_json, source, to_json};
use rtpipeline_engine::program::{ProgramSpec, run_program};
use rtpipeline_engine::{FailureKind, Output, UnitContext, UnitError};
use rtpipeline_geometry::{Grid, Mask, Volume};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Name of the case in the folders of nnU-Net.
const CASE: &str = "image";

/// The model wants automatic structures: for the gate by region or for the lungs.
pub(super) fn needs_automatic(model: &CustomModel) -> bool {
    !model.required_body_regions.is_empty() || confines(model)
}

fn confines(model: &CustomModel) -> bool {
    model.nnunet.networks.iter().any(|n| n.postprocessing.as_ref().is_some_and(|p| p.confine_to_lung_mask))
}

/// Runs the model.
pub(super) fn run(cx: &UnitContext, task: &CustomModelTask) -> Result<Output, UnitError> {
    let model = &task.model;
    model.check().map_err(|e| UnitError::new(FailureKind::Config, e))?;
    let (volumes, lungs) = automatic(cx, task)?;
    if let Some(reason) = blocked(model, task.automatic.is_some(), &volumes) {
        return skipped(cx, task, &reason);
    }
    let image = cx.resolve(&task.nifti)?;
    let file = rtpipeline_volume_io::read(&image).map_err(|e| UnitError::data(format!("{}: {e}", task.nifti)))?;
    let grid = file.data.grid().clone();
    drop(file);
    if !grid.is_orthogonal(1e-3) {
        return Err(UnitError::data(format!("image {} has sheared axes, which nnU-Net cannot read", task.image.id))
            .hint("resample the series to a regular grid"));
    }
    let lungs = lungs.filter(|l| l.grid.same_as(&grid, 1e-3));
    if confines(model) && lungs.is_none() {
        return skipped(cx, task, "the model is confined to the lungs, and no lungs were found on the image");
    }
    let folder = cx.resolve(&task.folder)?;
    let mut maps: BTreeMap<String, Volume<u32>> = BTreeMap::new();
    let mut folders: BTreeMap<String, PathBuf> = BTreeMap::new();
    for net in &model.nnunet.networks {
        let wanted = model.order().contains(&net.key())
            || model.nnunet.ensemble.as_ref().is_some_and(|e| e.inputs.iter().any(|i| i.to_string() == net.key()));
        if !wanted {
            continue;
        }
        let out = predict(cx, task, net, &folder, &image)?;
        if model.order().contains(&net.key()) {
            let mut map = labels(&out, &grid, model, &net.key())?;
            if let Some(rules) = &net.postprocessing {
                postprocess::apply(&mut map, rules, lungs.as_ref());
            }
            maps.insert(net.key(), map);
        }
        folders.insert(net.key(), out);
    }
    if let Some(e) = &model.nnunet.ensemble
        && model.order().iter().any(|k| k == ENSEMBLE)
    {
        let out = cx.work.join("out_ensemble");
        std::fs::create_dir_all(&out)?;
        let inputs: Vec<PathBuf> = e.inputs.iter().filter_map(|i| folders.get(&i.to_string()).cloned()).collect();
        let rules = e.postprocessing_json.as_ref().map(|p| folder.join(p.trim_start_matches("./")));
        if let Some(path) = rules.as_ref().filter(|p| !p.is_file()) {
            return Err(UnitError::new(
                FailureKind::Config,
                format!("model {}: {} is missing", model.name, path.display()),
            ));
        }
        let first = &model.nnunet.networks[0];
        let mut spec = ProgramSpec::new(&e.command, ensemble_arguments(&inputs, &out, rules.as_deref()));
        spec.env = environment(&cx.env, model, first, &folder, &temporary(cx)?, cx.threads);
        run_program(cx, &spec).map_err(|e| named(e, model, ENSEMBLE))?;
        maps.insert(ENSEMBLE.to_owned(), labels(&out, &grid, model, ENSEMBLE)?);
    }
    let order = model.order();
    let parts: Vec<Part<'_>> =
        order.iter().filter_map(|k| Some(Part { map: maps.get(k)?, labels: model.labels(k) })).collect();
    let structures = model.structures();
    let map = combine(&parts, &structures)
        .ok_or_else(|| UnitError::bug(format!("model {} gave no label map", model.name)))?;
    finish(cx, task, &map, &structures)
}

fn temporary(cx: &UnitContext) -> Result<PathBuf, UnitError> {
    let tmp = cx.work.join("tmp");
    std::fs::create_dir_all(&tmp)?;
    Ok(tmp)
}

/// Runs one network; returns the folder of its result.
fn predict(
    cx: &UnitContext,
    task: &CustomModelTask,
    net: &Network,
    folder: &Path,
    image: &Path,
) -> Result<PathBuf, UnitError> {
    let model = &task.model;
    let model_folder = weights::locate(model, net, folder)?;
    let input = cx.work.join("in");
    std::fs::create_dir_all(&input)?;
    let case = input.join(format!("{CASE}_0000.nii.gz"));
    if !case.exists() {
        std::os::unix::fs::symlink(image, &case)?;
    }
    let output = cx.work.join(format!("out_{}", crate::course::safe_name(&net.key())));
    if output.exists() {
        std::fs::remove_dir_all(&output)?;
    }
    std::fs::create_dir_all(&output)?;
    let device = cx.host.get("device").filter(|d| !d.is_empty()).map_or("gpu", String::as_str);
    let (from, to) = if model.nnunet.interface == Interface::Totalsegmentator {
        (image.to_owned(), output.join(format!("{CASE}.nii.gz")))
    } else {
        (input, output.clone())
    };
    let (name, mut args) = program(&model.nnunet, &cx.host);
    args.extend(arguments(model, net, &from, &to, model_folder.as_deref(), device));
    let mut spec = ProgramSpec::new(name, args);
    spec.env = environment(&cx.env, model, net, folder, &temporary(cx)?, cx.threads);
    run_program(cx, &spec).map_err(|e| named(e, model, &net.key()))?;
    Ok(output)
}

fn named(mut error: UnitError, model: &CustomModel, network: &str) -> UnitError {
    error.message = format!("model {}, network {network}: {}", model.name, error.message);
    error
}

/// The label map of a network, its labels checked against the names.
fn labels(folder: &Path, grid: &Grid, model: &CustomModel, key: &str) -> Result<Volume<u32>, UnitError> {
    let path = folder.join(format!("{CASE}.nii.gz"));
    let (map, _) = read_program_labels(&path, grid, &format!("network {key} of model {}", model.name))?;
    let most = model.labels(key).len() as u32;
    match map.values().iter().find(|v| **v > most) {
        Some(v) => Err(UnitError::new(
            FailureKind::Config,
            format!("model {}: network {key} gave the label {v}, but label_order has {most} names", model.name),
        )
        .hint("label_order must name all labels of the network in the order of their values")),
        None => Ok(map),
    }
}

/// Volumes of automatic structures in cm³ by name, and the lungs as a mask.
fn automatic(cx: &UnitContext, task: &CustomModelTask) -> Result<(BTreeMap<String, f64>, Option<Mask>), UnitError> {
    let mut volumes = BTreeMap::new();
    let mut lungs: Option<Mask> = None;
    let Some(path) = &task.automatic else { return Ok((volumes, lungs)) };
    let catalogue: Catalogue = read_json(cx, path)?;
    let mut files: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for s in &catalogue.structures {
        if let Shape::Label { file, value } = &s.shape {
            files.entry(file.clone()).or_default().push((s.name.clone(), *value));
        }
    }
    for (file, list) in files {
        let map = rtpipeline_volume_io::read_labels(&cx.resolve(&file)?)
            .map_err(|e| UnitError::data(format!("{file}: {e}")))?;
        let counts = census(&map);
        let voxel = map.grid.voxel_volume_mm3();
        let mut lung_values = Vec::new();
        for (name, value) in list {
            if let Some(c) = counts.get(&value) {
                if name.starts_with("lung_") && !name.contains("vessel") && !name.contains("nodule") {
                    lung_values.push(value);
                }
                volumes.entry(name).or_insert(c.volume_cc(voxel));
            }
        }
        if confines(&task.model) && !lung_values.is_empty() {
            let here = map.map(|v| u8::from(lung_values.contains(v)));
            lungs = Some(match lungs {
                Some(mut so_far) if so_far.grid.dims == here.grid.dims => {
                    for (a, &b) in so_far.values_mut().iter_mut().zip(here.values()) {
                        *a |= b;
                    }
                    so_far
                }
                _ => here,
            });
        }
    }
    Ok((volumes, lungs))
}

/// Why the model is not for this image, if so.
fn blocked(model: &CustomModel, known: bool, volumes: &BTreeMap<String, f64>) -> Option<String> {
    if model.required_body_regions.is_empty() {
        return None;
    }
    if !known {
        return Some("the image has no automatic structures by which its body regions could be told".to_owned());
    }
    let have = regions::confidence(volumes);
    let short: Vec<String> = model
        .required_body_regions
        .iter()
        .filter(|r| have.get(r).copied().unwrap_or(0.0) < model.min_region_confidence)
        .map(|r| format!("{r:?} {:.2}", have.get(r).copied().unwrap_or(0.0)))
        .collect();
    (!short.is_empty()).then(|| {
        format!(
            "the image does not show what the model needs ({}; {:.2} needed)",
            short.join(", "),
            model.min_region_confidence
        )
    })
}

/// The model does not apply: a catalogue that says so.
fn skipped(cx: &UnitContext, task: &CustomModelTask, reason: &str) -> Result<Output, UnitError> {
    let model = &task.model;
    let paths = CoursePaths::new(&task.patient_dir, &task.course_id);
    let catalogue = Catalogue {
        not_made: model.structures().into_iter().map(|s| (s, reason.to_owned())).collect(),
        findings: vec![
            Finding::new(
                Level::Note,
                "custom_model.skipped",
                format!("The model {} was not run: {reason}.", model.name),
                "Its structures are missing on this course.",
            )
            .about(model.name.clone()),
        ],
        ..Catalogue::default()
    };
    let mut out = Output::default();
    let to = paths.catalogue_of(&format!("custom_{}", model.name));
    out.files.push(cx.write("catalogue", to, &to_json(&catalogue)?)?);
    out.facts.insert("skipped".to_owned(), reason.into());
    Ok(out)
}

fn finish(cx: &UnitContext, task: &CustomModelTask, map: &Volume<u32>, names: &[String]) -> Result<Output, UnitError> {
    let model = &task.model;
    let paths = CoursePaths::new(&task.patient_dir, &task.course_id);
    let base = format!("Segmentation_CustomModels/{}", model.name);
    let labels: Vec<LabelName> = names
        .iter()
        .zip(1u32..)
        .map(|(name, value)| LabelName { value, name: name.clone(), color: None, interpreted_type: "ORGAN" })
        .collect();
    let counts = census(map);
    let to = paths.file(&format!("{base}/{}.nii.gz", model.name));
    let structures = structures_of(&counts, &labels, &to, &source::custom_model(&model.name), &task.image.id, 0);
    let mut out = Output::default();
    out.files.push(write_label_map(cx, "label map", to.clone(), map, &model.name)?);
    let mut catalogue = Catalogue { structures, ..Catalogue::default() };
    for l in labels.iter().filter(|l| !counts.contains_key(&l.value)) {
        catalogue.not_made.push((l.name.clone(), "the model found no voxel of it".to_owned()));
    }
    let rois = rois_of_labels(map, &counts, &catalogue.structures);
    if !task.image.files.is_empty() && !rois.is_empty() {
        let request = RtStructRequest {
            image: &task.image,
            label: "RTPIPELINE CM",
            description: &model.name,
            patient_id: &task.patient_id,
            rois,
        };
        match rtstruct_output(cx, "structure set", paths.file(&format!("{base}/rtstruct.dcm")), &request) {
            Ok(file) => out.files.push(file),
            Err(error) if error.kind == FailureKind::Data => catalogue.findings.push(
                Finding::new(
                    Level::Caution,
                    "custom_model.no_structure_set",
                    format!("No DICOM structure set of the model {} could be written: {error}.", model.name),
                    "The label map is complete.",
                )
                .about(model.name.clone()),
            ),
            Err(error) => return Err(error),
        }
    }
    let manifest = json!({
        "model": model.name,
        "source_nifti": task.nifti,
        "label_map": to.rel().rsplit('/').next(),
        "labels": labels.iter().map(|l| (l.value.to_string(), l.name.clone().into())).collect::<serde_json::Map<_, _>>(),
        "networks": model.order(),
    });
    out.files.push(cx.write("manifest", paths.file(&format!("{base}/manifest.json")), &to_json(&manifest)?)?);
    let to = paths.catalogue_of(&format!("custom_{}", model.name));
    out.files.push(cx.write("catalogue", to, &to_json(&catalogue)?)?);
    out.facts.insert("structures".to_owned(), catalogue.structures.len().into());
    Ok(out)
}
