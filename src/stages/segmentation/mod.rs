//! Automatic segmentation: TotalSegmentator as an external program, or body and lungs by the embedded classical method.

mod classical;
mod command;
mod output;
mod settings;
mod totalseg;

pub use command::TotalSegTaskOptions;
pub use settings::{Engine, SegmentationSettings};

use crate::course::label_maps::registry::is_mr_task;
use crate::course::{Course, CourseManifest, CoursePaths, ImageObject, read_json_at};
use rtpipeline_engine::{
    FailureKind, Input, Output, PlanContext, Policy, Resources, RootedPath, Stage, StageDoc, Unit, UnitContext,
    UnitError,
};
use serde::{Deserialize, Serialize};

/// Host key: name or path of TotalSegmentator.
pub const HOST_PROGRAM: &str = "totalsegmentator";
/// Host key: `gpu`, `gpu:N`, `cpu` or `mps`.
pub const HOST_DEVICE: &str = "device";
/// Host key: value of `-nr`, threads for resampling.
pub const HOST_RESAMPLE_THREADS: &str = "nr_threads_resample";
/// Host key: value of `-ns`, processes for saving.
pub const HOST_SAVE_THREADS: &str = "nr_threads_save";
/// Host key: folder for temporary files instead of the attempt's own.
pub const HOST_TEMP: &str = "temp_dir";

/// Distance between the numbers of structures of one image and the next within a course.
const NUMBERS_PER_IMAGE: i32 = 1000;

/// The stage.
#[derive(Clone, Debug, Default)]
pub struct Segmentation {
    settings: SegmentationSettings,
    policy: Policy,
}

impl Segmentation {
    /// With the settings of the configuration and this policy.
    pub fn new(settings: &crate::config::SegmentationSettings, policy: Policy) -> Self {
        Self::with(settings.into(), policy)
    }

    /// With plain settings and this policy. With the engine `auto` TotalSegmentator is used when the program of the
    /// policy's host facts ([`HOST_PROGRAM`]) is on this machine.
    pub fn with(settings: SegmentationSettings, policy: Policy) -> Self {
        Self { settings, policy }
    }

    fn totalsegmentator(&self) -> Option<bool> {
        match self.settings.engine {
            Engine::None => None,
            Engine::Classical => Some(false),
            Engine::TotalSegmentator => Some(true),
            Engine::Auto => {
                let program = self.policy.host.get(HOST_PROGRAM)?;
                let path = self.policy.env.get("PATH").cloned().or_else(|| std::env::var("PATH").ok());
                Some(is_installed(program, path.as_deref().unwrap_or_default()))
            }
        }
    }

    fn method(&self, modality: &str) -> Option<Method> {
        if self.settings.engine == Engine::None {
            return None;
        }
        let program = self.totalsegmentator().unwrap_or(false);
        let mr = modality == "MR";
        match (program, modality) {
            (true, "CT" | "MR") if !mr || self.settings.mr => {
                let first = if mr { "total_mr" } else { "total" };
                let extra = self.settings.extra_models.iter().filter(|t| is_mr_task(t) == mr);
                let mut tasks = vec![first.to_owned()];
                tasks.extend(extra.filter(|t| *t != first).cloned());
                Some(Method::TotalSegmentator(TotalSegTaskOptions {
                    tasks,
                    fast: self.settings.fast,
                    roi_subset: self.settings.roi_subset.clone(),
                    force_split: self.settings.force_split,
                    allow_fallback: self.settings.allow_fallback,
                }))
            }
            (false, "CT") => Some(Method::Classical),
            _ => None,
        }
    }
}

/// True when the program (a path, or a name on the search path) is a file that may be executed.
fn is_installed(program: &str, path: &str) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let executable =
        |p: &std::path::Path| p.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0);
    if program.is_empty() {
        false
    } else if program.contains('/') {
        executable(std::path::Path::new(program))
    } else {
        std::env::split_paths(path).any(|dir| executable(&dir.join(program)))
    }
}

/// How one image is segmented.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Method {
    /// By TotalSegmentator.
    TotalSegmentator(TotalSegTaskOptions),
    /// By thresholds, distances and connectivity.
    Classical,
}

/// What a unit is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentationTask {
    patient_id: String,
    patient_dir: String,
    course_id: String,
    image: ImageObject,
    nifti: RootedPath,
    number_offset: i32,
    /// Its structure set is the course's `RS_auto.dcm`; those of further images lie beside their label maps.
    writes_rs_auto: bool,
    method: Method,
}

impl Stage for Segmentation {
    type Subject = Course;
    type Task = SegmentationTask;

    fn name(&self) -> &'static str {
        "segmentation"
    }

    fn version(&self) -> u32 {
        1
    }

    fn describe(&self) -> StageDoc {
        StageDoc {
            title: "Structures found by TotalSegmentator, or body and lungs by the embedded method",
            inputs: "image volumes of the course",
            outputs: "Segmentation_TotalSegmentator/ or Segmentation_Classical/, RS_auto.dcm, \
                      metadata/structures_segmentation_<image>.json",
        }
    }

    fn policy(&self) -> Policy {
        self.policy.clone()
    }

    fn plan(&self, cx: &PlanContext<'_>, course: &Course) -> Result<Vec<Unit<SegmentationTask>>, UnitError> {
        self.settings.check().map_err(|e| UnitError::new(FailureKind::Config, e))?;
        if self.settings.engine == Engine::None {
            return Ok(Vec::new());
        }
        let paths = CoursePaths::new(&course.patient_dir, &course.course_id);
        let manifest: CourseManifest = read_json_at(cx.roots, &paths.manifest())?;
        let gpu = self.policy.host.get(HOST_DEVICE).is_some_and(|d| d.starts_with("gpu"));
        let images = &manifest.course.images;
        let has_planning = images.iter().any(|i| i.planning && i.modality == "CT" && i.nifti.is_some());
        let mut order: Vec<usize> = (0..images.len()).collect();
        order.sort_by_key(|&n| (!images[n].planning, n));
        let mut units = Vec::new();
        for (position, image) in order.into_iter().map(|n| &images[n]).enumerate() {
            let Some(nifti) = &image.nifti else { continue };
            if image.modality == "CT" && !image.planning && has_planning && self.settings.planning_only {
                continue;
            }
            let Some(method) = self.method(&image.modality) else { continue };
            let voxels = image.grid.as_ref().map_or(0, |g| g.len() as u64);
            let (bytes_per_voxel, gpus) = match method {
                Method::Classical => (40, 0),
                // float64 image, resampled copies and half-precision logits of the largest part model.
                Method::TotalSegmentator(_) => (96, u32::from(gpu)),
            };
            let mut inputs = vec![Input { role: "image".into(), path: nifti.clone() }];
            inputs.extend(image.files.iter().map(|f| Input { role: "dicom".into(), path: f.path.clone() }));
            units.push(Unit {
                part: Some(image.id.clone()),
                task: SegmentationTask {
                    patient_id: course.patient_id.clone(),
                    patient_dir: course.patient_dir.clone(),
                    course_id: course.course_id.clone(),
                    image: image.clone(),
                    nifti: nifti.clone(),
                    number_offset: position as i32 * NUMBERS_PER_IMAGE,
                    writes_rs_auto: position == 0 && image.planning,
                    method,
                },
                inputs,
                resources: Resources { memory: voxels * bytes_per_voxel, gpus },
            });
        }
        Ok(units)
    }

    fn run(&self, cx: &UnitContext, task: &SegmentationTask) -> Result<Output, UnitError> {
        let mut out = output::Collector::new(task);
        match &task.method {
            Method::Classical => classical::run(cx, task, &mut out)?,
            Method::TotalSegmentator(options) => totalseg::run(cx, task, options, &mut out)?,
        }
        out.finish(cx)
    }
}
