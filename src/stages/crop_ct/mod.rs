//! Cropping the planning CT to a part of the body along the patient's long axis.

mod region;
mod window;

pub use region::{Boundary, Extent, Region, Slab};
pub use window::{Window, slab_window};

use crate::config;
use crate::course::label_maps::{RtStructRequest, census, rois_of_labels, rtstruct_output, stem, write_label_map};
use crate::course::{
    Catalogue, Course, CourseManifest, CoursePaths, Finding, ImageObject, Level, Shape, Structure, read_json,
    read_json_at, source, to_json,
};
use rtpipeline_engine::{
    FailureKind, Input, Output, PlanContext, Policy, Resources, RootedPath, Stage, StageDoc, Unit, UnitContext,
    UnitError,
};
use rtpipeline_geometry::Volume;
use rtpipeline_volume_io::{nifti_bytes, with_volume};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;

/// End of the names of cropped files; such files are never cropped again.
const SUFFIX: &str = "_cropped";

/// What to crop to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CropOptions {
    /// The part of the body.
    pub region: Region,
    /// Margin above, cm; `None` = that of the region.
    pub superior_margin_cm: Option<f64>,
    /// Margin below, cm; `None` = that of the region.
    pub inferior_margin_cm: Option<f64>,
}

/// The stage.
#[derive(Clone, Debug, Default)]
pub struct CropCt {
    options: CropOptions,
    policy: Policy,
}

impl CropCt {
    /// With the settings of the configuration and this policy.
    pub fn new(settings: &config::CropSettings, policy: Policy) -> Self {
        let region = match settings.region {
            config::Region::Pelvis => Region::Pelvis,
            config::Region::Thorax => Region::Thorax,
            config::Region::Abdomen => Region::Abdomen,
            config::Region::HeadNeck => Region::HeadNeck,
            config::Region::Brain => Region::Brain,
        };
        let options = CropOptions {
            region,
            superior_margin_cm: settings.superior_margin_cm,
            inferior_margin_cm: settings.inferior_margin_cm,
        };
        Self::with(options, policy)
    }

    /// With plain options and this policy.
    pub fn with(options: CropOptions, policy: Policy) -> Self {
        Self { options, policy }
    }
}

/// What a unit is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CropTask {
    patient_id: String,
    patient_dir: String,
    course_id: String,
    image: ImageObject,
    nifti: RootedPath,
    options: CropOptions,
}

impl Stage for CropCt {
    type Subject = Course;
    type Task = CropTask;

    fn name(&self) -> &'static str {
        "crop_ct"
    }

    fn version(&self) -> u32 {
        1
    }

    fn describe(&self) -> StageDoc {
        StageDoc {
            title: "The planning CT and its automatic structures, cropped to a part of the body",
            inputs: "planning CT, label maps of automatic structures",
            outputs: "NIFTI/*_cropped.nii.gz, label maps *_cropped.nii.gz, RS_auto_cropped.dcm, \
                      cropping_metadata.json, metadata/structures_cropped.json",
        }
    }

    fn policy(&self) -> Policy {
        self.policy.clone()
    }

    fn plan(&self, cx: &PlanContext<'_>, course: &Course) -> Result<Vec<Unit<CropTask>>, UnitError> {
        let paths = CoursePaths::new(&course.patient_dir, &course.course_id);
        let manifest: CourseManifest = read_json_at(cx.roots, &paths.manifest())?;
        let images = &manifest.course.images;
        let planning = images.iter().find(|i| i.planning && i.modality == "CT");
        let Some(image) = planning.or_else(|| images.iter().find(|i| i.modality == "CT")) else {
            return Ok(Vec::new());
        };
        let Some(nifti) = &image.nifti else { return Ok(Vec::new()) };
        let catalogue: Catalogue = read_json_at(cx.roots, &paths.catalogue())?;
        let mut files: Vec<RootedPath> =
            automatic(&catalogue, image).map(|s| s.shape.file().clone()).chain([nifti.clone()]).collect();
        files.extend(image.files.iter().map(|f| f.path.clone()));
        files.sort();
        files.dedup();
        let mut inputs = vec![Input { role: "structures".into(), path: paths.catalogue() }];
        inputs.extend(files.into_iter().map(|path| Input { role: "image".into(), path }));
        let voxels = image.grid.as_ref().map_or(0, |g| g.len() as u64);
        Ok(vec![Unit {
            part: None,
            task: CropTask {
                patient_id: course.patient_id.clone(),
                patient_dir: course.patient_dir.clone(),
                course_id: course.course_id.clone(),
                image: image.clone(),
                nifti: nifti.clone(),
                options: self.options.clone(),
            },
            inputs,
            resources: Resources { memory: (128 << 20) + voxels * 24, gpus: 0 },
        }])
    }

    fn run(&self, cx: &UnitContext, task: &CropTask) -> Result<Output, UnitError> {
        let paths = CoursePaths::new(&task.patient_dir, &task.course_id);
        let catalogue: Catalogue = read_json(cx, &paths.catalogue())?;
        if stem(&task.nifti).ends_with(SUFFIX) {
            return Err(UnitError::bug(format!("{} is itself a cropped image", task.nifti)));
        }
        let mut by_file: BTreeMap<RootedPath, Vec<Structure>> = BTreeMap::new();
        for s in automatic(&catalogue, &task.image) {
            by_file.entry(s.shape.file().clone()).or_default().push(s.clone());
        }
        let mut maps = Vec::new();
        let mut extents: BTreeMap<String, Extent> = BTreeMap::new();
        for (file, structures) in by_file {
            let labels = rtpipeline_volume_io::read_labels(&cx.resolve(&file)?)
                .map_err(|e| UnitError::data(format!("{file}: {e}")))?;
            let counts = census(&labels);
            for s in &structures {
                if let Shape::Label { value, .. } = &s.shape
                    && let Some(c) = counts.get(value)
                {
                    // The same name from two tasks: both count.
                    let e = extents.entry(s.name.clone()).or_insert(c.z_range);
                    *e = [e[0].min(c.z_range[0]), e[1].max(c.z_range[1])];
                }
            }
            maps.push((file, labels, structures));
        }
        let o = &task.options;
        let slab = match o.region.slab(&extents, o.superior_margin_cm, o.inferior_margin_cm) {
            Ok(slab) => slab,
            Err(reason) => return not_cropped(cx, task, &paths, &reason),
        };
        crop(cx, task, &paths, &slab, maps)
    }
}

/// Structures of automatic label maps on the image, of the main task of TotalSegmentator or the classical method.
fn automatic<'a>(catalogue: &'a Catalogue, image: &'a ImageObject) -> impl Iterator<Item = &'a Structure> {
    catalogue.structures.iter().filter(move |s| {
        let made = s.source == source::CLASSICAL || s.source.starts_with("AutoTotalSegmentator:");
        let label = matches!(&s.shape, Shape::Label { file, .. } if !stem(file).ends_with(SUFFIX));
        made && label && s.image_id.as_ref() == Some(&image.id)
    })
}

fn not_cropped(cx: &UnitContext, task: &CropTask, paths: &CoursePaths, reason: &str) -> Result<Output, UnitError> {
    let finding = Finding::new(
        Level::Caution,
        "crop.no_landmark",
        format!("The planning CT was not cropped: {reason}."),
        "The whole image is used.",
    );
    let mut out = Output::default();
    let text = to_json(&json!({ "region": task.options.region, "cropped": false, "reason": reason }))?;
    out.files.push(cx.write("crop", paths.file("cropping_metadata.json"), &text)?);
    let catalogue = Catalogue { findings: vec![finding], ..Catalogue::default() };
    out.files.push(cx.write("catalogue", paths.catalogue_of("cropped"), &to_json(&catalogue)?)?);
    out.facts.insert("cropped".to_owned(), false.into());
    out.facts.insert("reason".to_owned(), reason.into());
    Ok(out)
}

fn crop(
    cx: &UnitContext,
    task: &CropTask,
    paths: &CoursePaths,
    slab: &Slab,
    maps: Vec<(RootedPath, Volume<u32>, Vec<Structure>)>,
) -> Result<Output, UnitError> {
    let file = rtpipeline_volume_io::read(&cx.resolve(&task.nifti)?)
        .map_err(|e| UnitError::data(format!("{}: {e}", task.nifti)))?;
    let grid = file.data.grid().clone();
    let Some(window) = slab_window(&grid, slab.inferior.z_mm, slab.superior.z_mm) else {
        let reason = format!("no slice of the image lies in the {}", task.options.region.word());
        return not_cropped(cx, task, paths, &reason);
    };
    let small = grid.window(window.start, window.dims);
    let mut out = Output::default();
    let mut files = serde_json::Map::new();

    let to = with_suffix(&task.nifti)?;
    let bytes = cut(&file, &window, &small).map_err(|e| UnitError::data(format!("{to} cannot be written: {e}")))?;
    files.insert(task.nifti.rel().to_owned(), to.rel().into());
    out.files.push(cx.write("image", to, &bytes)?);

    let mut catalogue = Catalogue::default();
    let mut rois = Vec::new();
    for (path, labels, structures) in maps {
        if labels.grid.dims != grid.dims || !labels.grid.same_as(&grid, 1e-3) {
            return Err(UnitError::data(format!("{path} does not lie on the grid of {}", task.nifti)));
        }
        let part = Volume::from_vec(small.clone(), window.cut(labels.values(), grid.dims));
        let counts = census(&part);
        let to = with_suffix(&path)?;
        let kept: Vec<Structure> = structures
            .into_iter()
            .filter_map(|mut s| {
                let Shape::Label { value, .. } = s.shape else { return None };
                s.cropped |= counts.get(&value)?.touches_face;
                s.shape = Shape::Label { file: to.clone(), value };
                Some(s)
            })
            .collect();
        rois.extend(rois_of_labels(&part, &counts, &kept));
        catalogue.structures.extend(kept);
        files.insert(path.rel().to_owned(), to.rel().into());
        out.files.push(write_label_map(cx, "label map", to, &part, "cropped")?);
    }
    let mut structure_set = None;
    if !task.image.files.is_empty() && !rois.is_empty() {
        let request = RtStructRequest {
            image: &task.image,
            label: "RTPIPELINE CROP",
            description: "automatic structures, cropped",
            patient_id: &task.patient_id,
            rois,
        };
        match rtstruct_output(cx, "structure set", paths.file("RS_auto_cropped.dcm"), &request) {
            Ok(file) => {
                structure_set = Some(file.to.rel().to_owned());
                out.files.push(file);
            }
            Err(error) if error.kind == FailureKind::Data => catalogue.findings.push(Finding::new(
                Level::Caution,
                "crop.no_structure_set",
                format!("RS_auto_cropped.dcm could not be written: {error}."),
                "The cropped label maps are complete.",
            )),
            Err(error) => return Err(error),
        }
    }
    let full = z_range(&grid);
    let applied = z_range(&small);
    let clamped = |asked: Option<f64>, end: f64, sign: f64| asked.is_some_and(|z| sign * (z - end) > 0.0);
    let (high, low) = (clamped(slab.superior.z_mm, full[1], 1.0), clamped(slab.inferior.z_mm, full[0], -1.0));
    let axes: Vec<&str> = [(high, "superior"), (low, "inferior")].iter().filter(|c| c.0).map(|c| c.1).collect();
    let metadata = json!({
        "region": task.options.region,
        "cropped": true,
        "superior_z_mm": slab.superior.z_mm,
        "inferior_z_mm": slab.inferior.z_mm,
        "superior_margin_cm": slab.superior.margin_cm,
        "inferior_margin_cm": slab.inferior.margin_cm,
        "superior_landmark": slab.superior.landmark,
        "inferior_landmark": slab.inferior.landmark,
        "cropped_files": files,
        "crop_boundaries_mm": {
            "requested_superior_mm": slab.superior.z_mm,
            "requested_inferior_mm": slab.inferior.z_mm,
            "applied_superior_mm": applied[1],
            "applied_inferior_mm": applied[0],
            "superior_clamped": high,
            "inferior_clamped": low,
            "ct_extent_mm": { "min": full[0], "max": full[1] },
        },
        "clamped_axes": axes,
        "first_voxel": window.start,
        "voxels": window.dims,
        "rs_auto_cropped": structure_set,
    });
    out.files.push(cx.write("crop", paths.file("cropping_metadata.json"), &to_json(&metadata)?)?);
    out.files.push(cx.write("catalogue", paths.catalogue_of("cropped"), &to_json(&catalogue)?)?);
    out.facts.insert("cropped".to_owned(), true.into());
    Ok(out)
}

/// `<name>_cropped.nii.gz` beside the file.
fn with_suffix(path: &RootedPath) -> Result<RootedPath, UnitError> {
    let (folder, _) = path.rel().rsplit_once('/').unwrap_or(("", path.rel()));
    let name = format!("{}{SUFFIX}.nii.gz", stem(path));
    let rel = if folder.is_empty() { name } else { format!("{folder}/{name}") };
    RootedPath::new("out", rel).map_err(|e| UnitError::bug(e.to_string()))
}

/// Lowest and highest patient z of the voxel centres, mm.
fn z_range(grid: &rtpipeline_geometry::Grid) -> [f64; 2] {
    let last = grid.dims.map(|d| d as f64 - 1.0);
    (0..8).fold([f64::INFINITY, f64::NEG_INFINITY], |e, n| {
        let z = grid.world([0, 1, 2].map(|a| if n >> a & 1 == 1 { last[a] } else { 0.0 }))[2];
        [e[0].min(z), e[1].max(z)]
    })
}

fn cut(
    file: &rtpipeline_volume_io::VolumeFile,
    window: &Window,
    small: &rtpipeline_geometry::Grid,
) -> Result<Vec<u8>, String> {
    fn one<T: rtpipeline_volume_io::Element>(
        v: &Volume<T>,
        window: &Window,
        small: &rtpipeline_geometry::Grid,
        description: &str,
    ) -> Result<Vec<u8>, String> {
        let part = Volume::from_vec(small.clone(), window.cut(v.values(), v.grid.dims));
        nifti_bytes(&part, description, true)
    }
    with_volume!(&file.data, v => one(v, window, small, &file.description))
}
