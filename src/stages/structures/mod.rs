//! All structures of a course in one catalogue, and the custom structures that are built from them.

mod agreement;
mod custom;
mod evaluate;
mod grid;
pub(crate) mod manual;
pub mod names;
mod rows;
pub mod spec;

use crate::config::{self, StructureFile};
use crate::course::{
    Catalogue, Course, CourseManifest, CoursePaths, Geometry, Structure, read_json, read_json_at, source, to_json,
};
use rtpipeline_engine::{
    Input, Output, PlanContext, Policy, Resources, RootedPath, Stage, StageDoc, Unit, UnitContext, UnitError,
};
use rtpipeline_geometry::StackOptions;
use serde::{Deserialize, Serialize};
use spec::{CustomStructureFile, SpecError};

/// The custom-structure files that come with the program.
pub const TEMPLATES: [(&str, &str); 4] = [
    ("pelvic", include_str!("../../../custom_structures/pelvic.yaml")),
    ("thorax", include_str!("../../../custom_structures/thorax.yaml")),
    ("stopstorm", include_str!("../../../custom_structures/stopstorm.yaml")),
    ("example", include_str!("../../../custom_structures/example.yaml")),
];

/// The stage.
#[derive(Clone, Debug, Default)]
pub struct Structures {
    file: CustomStructureFile,
    policy: Policy,
}

impl Structures {
    /// With the custom structures that the settings name.
    ///
    /// # Errors
    /// When the file cannot be read or is not right; the text says where.
    pub fn load(settings: &config::StructureSettings, policy: Policy) -> Result<Self, String> {
        let file = match &settings.file {
            StructureFile::None => CustomStructureFile::default(),
            StructureFile::Template(name) => {
                let text = TEMPLATES.iter().find(|(n, _)| n == name).map(|(_, t)| *t);
                parse(text.ok_or_else(|| format!("no template of custom structures is called `{name}`"))?, name)?
            }
            StructureFile::File(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|e| format!("custom structures: {} cannot be read: {e}", path.display()))?;
                parse(&text, &path.display().to_string())?
            }
        };
        Ok(Self { file, policy })
    }

    /// With these custom structures.
    ///
    /// # Errors
    /// When they contradict each other.
    pub fn with(file: CustomStructureFile, policy: Policy) -> Result<Self, SpecError> {
        file.clone().checked()?;
        Ok(Self { file, policy })
    }
}

/// Reads and checks a custom-structure file.
///
/// # Errors
/// A sentence with file, line and column, or with the structure at fault.
pub fn parse(text: &str, name: &str) -> Result<CustomStructureFile, String> {
    let file: CustomStructureFile = config::parse_typed(text, name).map_err(|e| e.to_string())?;
    file.clone().checked().map_err(|e| format!("{name}: {e}"))?;
    Ok(file)
}

/// What a unit is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StructuresTask {
    patient_id: String,
    patient_dir: String,
    course_id: String,
    /// Catalogues of the makers, in the order in which names are looked up.
    catalogues: Vec<RootedPath>,
    /// The file as it is written; the order of its structures gives their numbers.
    custom: CustomStructureFile,
}

impl Stage for Structures {
    type Subject = Course;
    type Task = StructuresTask;

    fn name(&self) -> &'static str {
        "structures"
    }

    fn version(&self) -> u32 {
        2
    }

    fn describe(&self) -> StageDoc {
        StageDoc {
            title: "One catalogue of all structures, custom structures built from them, manual against automatic ones",
            inputs: "structure sets, label maps of segmentation and custom models, custom-structure file",
            outputs: "metadata/structures.json, Segmentation_Custom/, RS_custom.dcm, \
                      metadata/custom_structure_warnings.json; tables structures and agreement",
        }
    }

    fn policy(&self) -> Policy {
        self.policy.clone()
    }

    fn plan(&self, cx: &PlanContext<'_>, course: &Course) -> Result<Vec<Unit<StructuresTask>>, UnitError> {
        let paths = CoursePaths::new(&course.patient_dir, &course.course_id);
        let manifest: CourseManifest = read_json_at(cx.roots, &paths.manifest())?;
        let exists = |p: &RootedPath| cx.has(p);
        let mut catalogues = vec![paths.catalogue_of("manual")];
        catalogues.extend(manifest.course.images.iter().map(|i| paths.catalogue_of(&format!("segmentation_{}", i.id))));
        catalogues.extend(model_catalogues(cx, &paths)?);
        catalogues.retain(exists);
        let mut inputs = vec![Input { role: "course".into(), path: paths.manifest() }];
        let mut files: Vec<RootedPath> =
            manifest.course.structure_sets.iter().filter(|s| s.used).map(|s| s.file.path.clone()).collect();
        for path in &catalogues {
            inputs.push(Input { role: "catalogue".into(), path: path.clone() });
            let catalogue: Catalogue = read_json_at(cx.roots, path)?;
            files.extend(catalogue.structures.iter().map(|s| s.shape.file().clone()));
        }
        if let Some(image) = planning_image(&manifest) {
            files.extend(image.files.iter().map(|f| f.path.clone()));
        }
        files.sort();
        files.dedup();
        inputs.extend(files.into_iter().map(|path| Input { role: "geometry".into(), path }));
        let voxels = planning_image(&manifest).and_then(|i| i.grid.as_ref()).map_or(0, |g| g.len() as u64);
        Ok(vec![Unit {
            part: None,
            task: StructuresTask {
                patient_id: course.patient_id.clone(),
                patient_dir: course.patient_dir.clone(),
                course_id: course.course_id.clone(),
                catalogues,
                custom: self.file.clone(),
            },
            inputs,
            // A comparison over the whole image holds two masks, two surfaces in double precision and three fields of
            // distances beside the label maps.
            resources: Resources { memory: (256 << 20) + voxels * 40, gpus: 0 },
        }])
    }

    fn run(&self, cx: &UnitContext, task: &StructuresTask) -> Result<Output, UnitError> {
        let paths = CoursePaths::new(&task.patient_dir, &task.course_id);
        let manifest: CourseManifest = read_json(cx, &paths.manifest())?;
        let mut merged = Catalogue::default();
        let mut not_made: Vec<(String, String, String)> = Vec::new();
        let manual_file = paths.catalogue_of("manual");
        if !task.catalogues.contains(&manual_file) {
            take(&mut merged, &mut not_made, manual::manual(cx, &manifest)?, source::MANUAL);
        }
        for path in &task.catalogues {
            let maker = maker_of(path);
            take(&mut merged, &mut not_made, read_json(cx, path)?, &maker);
        }
        let image = planning_image(&manifest);
        let options = StackOptions {
            default_thickness: image.and_then(|i| i.grid.as_ref()).map(|g| g.spacing()[2]),
            ..StackOptions::default()
        };
        let mut geometry = Geometry::new(cx, options).with_slices_of(&manifest.course.images);
        let mut out = Output::default();
        let mut counts = custom::Counts::new();
        let built =
            custom::build_all(cx, task, &paths, &manifest, &merged.structures, &mut geometry, &mut counts, &mut out)?;
        not_made.extend(built.not_made.iter().map(|(n, r)| (source::CUSTOM.to_owned(), n.clone(), r.clone())));
        merged.not_made.extend(built.not_made);
        merged.findings.extend(built.findings);
        merged.structures.extend(built.structures);
        merged.structures.sort_by_key(|s| (rank(&s.source), s.source.clone(), s.structure_set_uid.clone(), s.number));

        let rows = rows::rows(task, &manifest, &mut merged, &mut geometry, &mut counts, &not_made)?;
        let agreement = agreement::rows(task, &manifest, &merged.structures, &mut geometry, &counts)?;
        merged.findings.sort();
        merged.findings.dedup();
        out.files.push(cx.write("catalogue", paths.catalogue(), &to_json(&merged)?)?);
        out.rows.insert("structures".to_owned(), rows);
        out.rows.insert("agreement".to_owned(), agreement);
        out.facts.insert("structures".to_owned(), merged.structures.len().into());
        Ok(out)
    }
}

/// The image that custom structures are built on.
fn planning_image(manifest: &CourseManifest) -> Option<&crate::course::ImageObject> {
    let usable = |i: &&crate::course::ImageObject| i.nifti.is_some() && i.grid.is_some();
    let images = &manifest.course.images;
    images
        .iter()
        .filter(usable)
        .find(|i| i.planning)
        .or_else(|| images.iter().filter(usable).find(|i| i.modality == "CT"))
}

/// Catalogues of custom models in the course folder, sorted by name.
fn model_catalogues(cx: &PlanContext<'_>, paths: &CoursePaths) -> Result<Vec<RootedPath>, UnitError> {
    let folder = paths.file("metadata");
    let place = cx.roots.resolve(&folder).map_err(|e| UnitError::bug(e.to_string()))?;
    let mut names: Vec<String> = match std::fs::read_dir(place) {
        Ok(entries) => entries
            .flatten()
            .filter_map(|e| e.file_name().into_string().ok())
            .filter(|n| n.starts_with("structures_custom_") && n.ends_with(".json"))
            .collect(),
        Err(_) => Vec::new(),
    };
    names.sort();
    names.iter().map(|n| folder.join(n).map_err(|e| UnitError::bug(e.to_string()))).collect()
}

/// `Segmentation_Source` for structures that a maker could not make.
fn maker_of(path: &RootedPath) -> String {
    let name = path.rel().rsplit('/').next().unwrap_or_default();
    let maker = name.trim_start_matches("structures_").trim_end_matches(".json");
    match maker.strip_prefix("custom_") {
        Some(model) => source::custom_model(model),
        None if maker == "manual" => source::MANUAL.to_owned(),
        None => source::CLASSICAL.to_owned(),
    }
}

fn take(merged: &mut Catalogue, not_made: &mut Vec<(String, String, String)>, from: Catalogue, maker: &str) {
    not_made.extend(from.not_made.iter().map(|(n, r)| (maker.to_owned(), n.clone(), r.clone())));
    merged.structures.extend(from.structures);
    merged.not_made.extend(from.not_made);
    merged.findings.extend(from.findings);
}

/// Manual before automatic before custom models before custom structures.
fn rank(source: &str) -> u8 {
    match source {
        source::MANUAL => 0,
        source::CUSTOM => 3,
        s if s.starts_with("CustomModel:") => 2,
        _ => 1,
    }
}

/// A structure that is drawn on an image or in its frame of reference.
fn belongs(s: &Structure, manifest: &CourseManifest, image: Option<&crate::course::ImageObject>) -> bool {
    let Some(image) = image else { return true };
    let frame = |id: &str| {
        manifest
            .course
            .images
            .iter()
            .find(|i| i.id == id)
            .map(|i| i.frame_of_reference_uid.as_str())
            .unwrap_or_default()
    };
    match &s.image_id {
        Some(id) if *id == image.id => true,
        Some(id) => !image.frame_of_reference_uid.is_empty() && frame(id) == image.frame_of_reference_uid,
        None => {
            let set = s
                .structure_set_uid
                .as_ref()
                .and_then(|uid| manifest.course.structure_sets.iter().find(|x| x.file.sop_instance_uid == *uid));
            set.is_none_or(|x| {
                x.frame_of_reference_uid.is_empty() || x.frame_of_reference_uid == image.frame_of_reference_uid
            })
        }
    }
}
