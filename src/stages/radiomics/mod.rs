//! Radiomics: one unit per structure, source and image series, each in a process of its own.

mod params;

use crate::config::{ALWAYS_SKIPPED_ROIS, RadiomicsSettings};
use crate::course::{
    Catalogue, Course, CourseManifest, CoursePaths, Geometry, ImageObject, Structure, image_input, read_image_data,
    read_json_at,
};
use crate::records::RadiomicsRow;
pub use params::{Modality, ParameterSets, column_names};
use rtpipeline_engine::{Input, Output, PlanContext, Policy, Resources, Stage, StageDoc, Unit, UnitContext, UnitError};
use rtpipeline_geometry::StackOptions;
use rtpipeline_radiomics::{Features, Params};
use serde::{Deserialize, Serialize};

/// The stage.
#[derive(Clone, Debug, Default)]
pub struct Radiomics {
    settings: RadiomicsSettings,
    params: ParameterSets,
    policy: Policy,
}

impl Radiomics {
    /// With these settings, parameter sets and policy.
    pub fn new(settings: RadiomicsSettings, params: ParameterSets, policy: Policy) -> Self {
        Self { settings, params, policy }
    }
}

/// What a unit is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RadiomicsTask {
    patient_id: String,
    course_id: String,
    course_dir: String,
    image: ImageObject,
    modality: Modality,
    structure: Structure,
    params: Params,
    /// Structures larger than `max_voxels`, and bodies: first order and shape at 2 mm.
    reduced: Params,
    skip_rois: Vec<String>,
    min_voxels: u64,
    max_voxels: u64,
}

impl RadiomicsTask {
    /// Name of the parameter set with a digest of its content, so that rows of different settings can be told apart.
    fn parameters_name(&self, reduced: bool) -> String {
        let params = if reduced { &self.reduced } else { &self.params };
        let text = serde_json::to_string(params).unwrap_or_default();
        let digest = blake3::hash(text.as_bytes()).to_hex();
        let kind = if reduced { "reduced" } else { &self.modality.table()["radiomics_".len()..] };
        format!("{kind}:{}", &digest.as_str()[..12])
    }
}

impl Stage for Radiomics {
    type Subject = Course;
    type Task = RadiomicsTask;

    fn name(&self) -> &'static str {
        "radiomics"
    }

    fn version(&self) -> u32 {
        1
    }

    fn describe(&self) -> StageDoc {
        StageDoc {
            title: "Image features of every structure, by PyRadiomics' definitions",
            inputs: "structure catalogue, image volumes, contours or label maps",
            outputs: "tables radiomics_ct, radiomics_mr, radiomics_pet, radiomics_long",
        }
    }

    fn policy(&self) -> Policy {
        self.policy.clone()
    }

    fn plan(&self, cx: &PlanContext<'_>, course: &Course) -> Result<Vec<Unit<RadiomicsTask>>, UnitError> {
        let paths = CoursePaths::new(&course.patient_dir, &course.course_id);
        let manifest: CourseManifest = read_json_at(cx.roots, &paths.manifest())?;
        let catalogue: Catalogue = read_json_at(cx.roots, &paths.catalogue())?;
        let mut units = Vec::new();
        for s in &catalogue.structures {
            let Some(image) = image_of(&manifest, s) else { continue };
            let (Some(nifti), Some(modality)) = (&image.nifti, Modality::of(&image.modality)) else { continue };
            let voxels = image.grid.as_ref().map_or(0, |g| g.len() as u64);
            units.push(Unit {
                part: Some(format!("{}~{}~{}", image.id, s.source.replace([':', '/'], "-"), s.number)),
                inputs: vec![
                    Input { role: "image".into(), path: nifti.clone() },
                    Input { role: "structure".into(), path: s.shape.file().clone() },
                ],
                // Image as f32 and as its own type, mask, and a filtered copy.
                resources: Resources { memory: (64 << 20) + voxels * 16, gpus: 0 },
                task: RadiomicsTask {
                    patient_id: course.patient_id.clone(),
                    course_id: course.course_id.clone(),
                    course_dir: format!("{}/{}", course.patient_dir, course.course_id),
                    image: ImageObject { files: Vec::new(), ..image.clone() },
                    modality,
                    structure: s.clone(),
                    params: self.params.of(modality).clone(),
                    reduced: self.params.reduced(),
                    skip_rois: self.settings.skip_rois.clone(),
                    min_voxels: self.settings.min_voxels,
                    max_voxels: self.settings.max_voxels,
                },
            });
        }
        Ok(units)
    }

    fn run(&self, cx: &UnitContext, task: &RadiomicsTask) -> Result<Output, UnitError> {
        let mut row = base_row(task);
        match features(cx, task)? {
            Ok((features, voxels, reduced)) => {
                row.status = Some(if reduced { "reduced" } else { "ok" }.to_owned());
                row.voxel_count = Some(voxels as i64);
                row.parameters = Some(task.parameters_name(reduced));
                row.normalized =
                    Some(if reduced { &task.reduced } else { &task.params }.setting.normalize.unwrap_or(false));
                row.reason = (!features.warnings.is_empty()).then(|| features.warnings.join("; "));
                for (name, value) in &features.diagnostics {
                    row.features.0.push((name.clone(), value.clone().into()));
                }
                for (name, value) in &features.values {
                    row.features.push(name.clone(), *value);
                }
                Ok(output(task, row))
            }
            Err(reason) => {
                row.status = Some("skipped".to_owned());
                row.reason = Some(reason);
                Ok(output(task, row))
            }
        }
    }
}

fn output(task: &RadiomicsTask, row: RadiomicsRow) -> Output {
    let mut out = Output::default();
    out.rows.insert(task.modality.table().to_owned(), vec![row.to_map()]);
    out
}

/// The features, or why the structure has none. Errors are those of reading.
fn features(cx: &UnitContext, task: &RadiomicsTask) -> Result<Result<(Features, u64, bool), String>, UnitError> {
    let s = &task.structure;
    let plain = s.name.trim().to_lowercase();
    let mut skipped = ALWAYS_SKIPPED_ROIS.iter().map(|n| (*n).to_owned()).chain(task.skip_rois.iter().cloned());
    if skipped.any(|n| n.trim().to_lowercase() == plain) {
        return Ok(Err("the name is in the list of structures to skip".into()));
    }
    let image = crate::course::read_image(cx, &task.image)?;
    let mut geometry = Geometry::new(cx, StackOptions::default()).with_slices_of(std::slice::from_ref(&task.image));
    let Some(mask) = geometry.mask(s, &image)? else {
        return Ok(Err("the structure has no closed planar contour".into()));
    };
    let count = mask.count() as u64;
    if count == 0 {
        return Ok(Err("the structure covers no voxel centre of the image".into()));
    }
    if count < task.min_voxels {
        return Ok(Err(format!("{count} voxels, fewer than radiomics.min_voxels = {}", task.min_voxels)));
    }
    let reduced = count > task.max_voxels || plain.starts_with("body");
    let params = if reduced { &task.reduced } else { &task.params };
    let path =
        task.image.nifti.as_ref().ok_or_else(|| UnitError::data(format!("image {} has no volume", task.image.id)))?;
    let data = read_image_data(&cx.resolve(path)?).map_err(|e| UnitError::data(format!("{path}: {e}")))?;
    let input =
        image_input(&data).ok_or_else(|| UnitError::bug("the image has a type that radiomics does not know"))?;
    match rtpipeline_radiomics::extract(&input, &mask, params) {
        Ok(f) => Ok(Ok((f, count, reduced))),
        Err(e) => Ok(Err(e.to_string())),
    }
}

fn image_of<'m>(m: &'m CourseManifest, s: &Structure) -> Option<&'m ImageObject> {
    match &s.image_id {
        Some(id) => m.course.images.iter().find(|i| i.id == *id),
        None => m.course.images.iter().find(|i| i.planning),
    }
}

fn base_row(task: &RadiomicsTask) -> RadiomicsRow {
    let s = &task.structure;
    RadiomicsRow {
        patient_id: task.patient_id.clone(),
        course_id: task.course_id.clone(),
        modality: Some(task.image.modality.clone()),
        segmentation_source: Some(s.source.clone()),
        roi_number: Some(i64::from(s.number)),
        roi_name: Some(s.name.clone()),
        roi_original_name: Some(s.original_name.clone()),
        course_dir: Some(task.course_dir.clone()),
        structure_cropped: Some(s.cropped),
        structure_partial: Some(!s.missing_parts.is_empty()),
        image_id: Some(task.image.id.clone()),
        series_uid: Some(task.image.series_uid.clone()),
        nifti_path: task.image.nifti.as_ref().map(ToString::to_string),
        rtstruct_sop_instance_uid: s.structure_set_uid.clone(),
        ..RadiomicsRow::default()
    }
}
