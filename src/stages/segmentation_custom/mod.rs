//! Custom models: networks that the user brings, run by nnU-Net or TotalSegmentator as external programs.

mod combine;
mod command;
mod model;
mod postprocess;
mod regions;
mod run;
mod weights;

pub use combine::{Part, combine};
pub use model::{BodyRegion, CustomModel, Interface};
pub use regions::confidence;

use crate::config::{self, CustomModelSettings};
use crate::course::{Catalogue, Course, CourseManifest, CoursePaths, ImageObject, read_json_at};
use rtpipeline_engine::{
    Input, Output, PlanContext, Policy, Resources, RootedPath, Roots, Stage, StageDoc, Unit, UnitContext, UnitError,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Name of a model's file in its folder.
pub const MODEL_FILE: &str = "custom_model.yaml";

/// A model with the name of its folder below the root `models:`.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedModel {
    /// Name of the folder.
    pub folder: String,
    /// What its file says.
    pub model: CustomModel,
}

/// The stage.
#[derive(Clone, Debug, Default)]
pub struct SegmentationCustom {
    models: Vec<LoadedModel>,
    policy: Policy,
}

impl SegmentationCustom {
    /// With the enabled models below the configured root, or those of them that the settings name.
    ///
    /// # Errors
    /// When a model file is not right, two models share a name, or a wanted model is not there or disabled.
    pub fn load(settings: &CustomModelSettings, policy: Policy) -> Result<Self, String> {
        let all = load_models(&settings.root)?;
        let mut models = Vec::new();
        if settings.models.is_empty() {
            models = all.into_iter().filter(|m| m.model.enabled).collect();
        } else {
            for name in &settings.models {
                let found = all.iter().find(|m| m.model.name == *name).ok_or_else(|| {
                    let known: Vec<&str> = all.iter().map(|m| m.model.name.as_str()).collect();
                    format!(
                        "no custom model is called `{name}` below {}; there are: {}",
                        settings.root.display(),
                        if known.is_empty() { "none".to_owned() } else { known.join(", ") }
                    )
                })?;
                if !found.model.enabled {
                    return Err(format!(
                        "the custom model `{name}` is disabled: set `enabled: true` in {}/{}/{MODEL_FILE}",
                        settings.root.display(),
                        found.folder
                    ));
                }
                models.push(found.clone());
            }
        }
        Self::with(models, policy)
    }

    /// Programs that the models start; `host` holds the configured ones by their keys.
    pub fn programs(&self, host: &BTreeMap<String, String>) -> BTreeSet<String> {
        self.models.iter().map(|m| command::program(&m.model.nnunet, host).0).collect()
    }

    /// What lacks of the weights of the models below `root`, the folder that they were loaded from: one sentence each.
    pub fn missing_weights(&self, root: &Path) -> Vec<String> {
        let lacks = |m: &LoadedModel| {
            let folder = root.join(&m.folder);
            let of_network = |net| {
                let e = weights::locate(&m.model, net, &folder).err()?;
                Some([vec![e.message], e.hints].concat().join("; "))
            };
            m.model.nnunet.networks.iter().filter_map(of_network).collect::<Vec<_>>()
        };
        self.models.iter().flat_map(lacks).collect()
    }

    /// With these models.
    ///
    /// # Errors
    /// When one of them cannot be run.
    pub fn with(models: Vec<LoadedModel>, policy: Policy) -> Result<Self, String> {
        for m in &models {
            m.model.check()?;
        }
        Ok(Self { models, policy })
    }
}

/// Reads a model file. What it asks for is checked by [`CustomModel::check`].
///
/// # Errors
/// A sentence with file, line and column.
pub fn parse_model(text: &str, name: &str) -> Result<CustomModel, String> {
    config::parse_typed(text, name).map_err(|e| e.to_string())
}

/// All models below a folder, enabled or not; folders whose name starts with `_` or `.` are left out.
///
/// # Errors
/// When the folder or a model file cannot be read, or two models share a name.
pub fn load_models(root: &Path) -> Result<Vec<LoadedModel>, String> {
    let entries =
        std::fs::read_dir(root).map_err(|e| format!("custom_models.root: {} cannot be read: {e}", root.display()))?;
    let mut folders: Vec<String> = entries
        .flatten()
        .filter(|e| e.path().join(MODEL_FILE).is_file())
        .filter_map(|e| e.file_name().into_string().ok())
        .filter(|n| !n.starts_with(['_', '.']))
        .collect();
    folders.sort();
    let mut out: Vec<LoadedModel> = Vec::new();
    for folder in folders {
        let path = root.join(&folder).join(MODEL_FILE);
        let text = std::fs::read_to_string(&path).map_err(|e| format!("{} cannot be read: {e}", path.display()))?;
        let model = parse_model(&text, &path.display().to_string())?;
        if let Some(other) = out.iter().find(|m| m.model.name == model.name) {
            return Err(format!("the folders {} and {folder} both hold a model called `{}`", other.folder, model.name));
        }
        out.push(LoadedModel { folder, model });
    }
    Ok(out)
}

/// What a unit is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomModelTask {
    patient_id: String,
    patient_dir: String,
    course_id: String,
    image: ImageObject,
    nifti: RootedPath,
    /// Folder of the model.
    folder: RootedPath,
    model: CustomModel,
    /// Catalogue of the automatic structures of the image, for the gate by body region and the lungs.
    automatic: Option<RootedPath>,
}

impl Stage for SegmentationCustom {
    type Subject = Course;
    type Task = CustomModelTask;

    fn name(&self) -> &'static str {
        "segmentation_custom"
    }

    fn version(&self) -> u32 {
        1
    }

    fn describe(&self) -> StageDoc {
        StageDoc {
            title: "Structures found by models that the user brings",
            inputs: "planning CT, custom_models/*/custom_model.yaml with weights, automatic structures",
            outputs: "Segmentation_CustomModels/<model>/, metadata/structures_custom_<model>.json",
        }
    }

    fn policy(&self) -> Policy {
        self.policy.clone()
    }

    fn plan(&self, cx: &PlanContext<'_>, course: &Course) -> Result<Vec<Unit<CustomModelTask>>, UnitError> {
        if self.models.is_empty() {
            return Ok(Vec::new());
        }
        let paths = CoursePaths::new(&course.patient_dir, &course.course_id);
        let manifest: CourseManifest = read_json_at(cx.roots, &paths.manifest())?;
        let images = &manifest.course.images;
        let usable = |i: &&ImageObject| i.modality == "CT" && i.nifti.is_some();
        let image = images.iter().filter(usable).find(|i| i.planning).or_else(|| images.iter().find(usable));
        let Some((image, nifti)) = image.and_then(|i| Some((i, i.nifti.clone()?))) else { return Ok(Vec::new()) };
        let gpu = self.policy.host.get("device").is_some_and(|d| d.starts_with("gpu"));
        let mut units = Vec::new();
        for loaded in &self.models {
            let folder = RootedPath::new("models", loaded.folder.clone()).map_err(|e| UnitError::bug(e.to_string()))?;
            let mut inputs = vec![Input { role: "image".into(), path: nifti.clone() }];
            inputs.extend(image.files.iter().map(|f| Input { role: "dicom".into(), path: f.path.clone() }));
            inputs.extend(weight_inputs(cx.roots, &folder, &loaded.model)?);
            let mut automatic = None;
            let catalogue = paths.catalogue_of(&format!("segmentation_{}", image.id));
            let there = cx.has(&catalogue);
            if run::needs_automatic(&loaded.model) && there {
                let content: Catalogue = read_json_at(cx.roots, &catalogue)?;
                let mut files: Vec<RootedPath> = content.structures.iter().map(|s| s.shape.file().clone()).collect();
                files.sort();
                files.dedup();
                inputs.push(Input { role: "structures".into(), path: catalogue.clone() });
                inputs.extend(files.into_iter().map(|path| Input { role: "structures".into(), path }));
                automatic = Some(catalogue);
            }
            let voxels = image.grid.as_ref().map_or(0, |g| g.len() as u64);
            let labels = loaded.model.structures().len() as u64 + 1;
            units.push(Unit {
                part: Some(loaded.model.name.clone()),
                task: CustomModelTask {
                    patient_id: course.patient_id.clone(),
                    patient_dir: course.patient_dir.clone(),
                    course_id: course.course_id.clone(),
                    image: image.clone(),
                    nifti: nifti.clone(),
                    folder,
                    model: loaded.model.clone(),
                    automatic,
                },
                inputs,
                // Half-precision logits of all labels, the image and its resampled copy.
                resources: Resources { memory: voxels * (2 * labels + 24), gpus: u32::from(gpu) },
            });
        }
        Ok(units)
    }

    fn run(&self, cx: &UnitContext, task: &CustomModelTask) -> Result<Output, UnitError> {
        run::run(cx, task)
    }
}

/// The folders of the trained networks, where they exist and lie below the root of the models.
fn weight_inputs(roots: &Roots, folder: &RootedPath, model: &CustomModel) -> Result<Vec<Input>, UnitError> {
    let place = roots.resolve(folder).map_err(|e| UnitError::bug(e.to_string()))?;
    let mut out = Vec::new();
    for net in &model.nnunet.networks {
        let Ok(Some(found)) = weights::locate(model, net, &place) else { continue };
        let Ok(rel) = found.strip_prefix(&place) else { continue };
        let rel = rel.to_string_lossy();
        if let Ok(path) = folder.join(&rel) {
            out.push(Input { role: "weights".into(), path });
        }
    }
    out.dedup();
    Ok(out)
}
