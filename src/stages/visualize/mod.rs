//! Assets of a course's page: slices, contours, dose and curves, encoded once and embedded when pages are rendered.

use crate::config::{ReportImages, ReportSettings};
use crate::course::{
    Catalogue, Course, CourseManifest, CoursePaths, DvhArtefact, DvhCurve, Finding, Geometry, ImageObject, Level,
    Structure, load_dose, read_image, read_json, read_json_at,
};
use crate::report::{
    AssetInput, CourseAssets, DoseInput, DvhSeries, ImageKind, ImageOptions, StructureContours, StructureGroup,
    StructureInfo, build_assets, outlines_of_mask,
};
use rtpipeline_engine::{
    Input, Output, PlanContext, Policy, Resources, RootedPath, Stage, StageDoc, Unit, UnitContext, UnitError,
};
use rtpipeline_geometry::{DoseGrid, Grid, PlaneStack, StackOptions, Vec3, Volume};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Contours are drawn as lines where their planes are parallel to the slices to within this angle, degrees.
const PARALLEL_DEG: f64 = 0.5;

/// The stage.
#[derive(Clone, Debug, Default)]
pub struct Visualize {
    settings: ReportSettings,
    policy: Policy,
}

impl Visualize {
    /// With these settings and this policy.
    pub fn new(settings: ReportSettings, policy: Policy) -> Self {
        Self { settings, policy }
    }
}

/// What a unit is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VisualizeTask {
    patient_dir: String,
    course_id: String,
    manifest: RootedPath,
    catalogue: RootedPath,
    dvh: Option<RootedPath>,
    settings: ReportSettings,
}

impl Stage for Visualize {
    type Subject = Course;
    type Task = VisualizeTask;

    fn name(&self) -> &'static str {
        "visualize"
    }

    fn version(&self) -> u32 {
        1
    }

    fn describe(&self) -> StageDoc {
        StageDoc {
            title: "Pictures, contours, dose and curves of the course's page",
            inputs: "image volumes, structures, doses, DVHs",
            outputs: "metadata/page_assets.json; report.html is rendered from it at the end",
        }
    }

    fn policy(&self) -> Policy {
        self.policy.clone()
    }

    fn plan(&self, cx: &PlanContext<'_>, course: &Course) -> Result<Vec<Unit<VisualizeTask>>, UnitError> {
        let paths = CoursePaths::new(&course.patient_dir, &course.course_id);
        let manifest: CourseManifest = read_json_at(cx.roots, &paths.manifest())?;
        let catalogue: Catalogue = read_json_at(cx.roots, &paths.catalogue())?;
        let dvh = paths.file("metadata/dvh.json");
        let dvh = cx.has(&dvh).then_some(dvh);
        let mut inputs: Vec<Input> = Vec::new();
        let mut add = |role: &str, path: &RootedPath| {
            if !inputs.iter().any(|i| i.path == *path) {
                inputs.push(Input { role: role.to_owned(), path: path.clone() });
            }
        };
        add("course", &paths.manifest());
        add("structures", &paths.catalogue());
        if let Some(d) = &dvh {
            add("dvh", d);
        }
        for n in manifest.course.images.iter().filter_map(|i| i.nifti.as_ref()) {
            add("image", n);
        }
        for s in &catalogue.structures {
            add("structure", s.shape.file());
        }
        for c in manifest.resolved_doses.iter().flat_map(|d| &d.components) {
            add("dose", &c.file.path);
        }
        let voxels = manifest.course.images.iter().filter_map(|i| i.grid.as_ref()).map(Grid::len).max().unwrap_or(0);
        let task = VisualizeTask {
            patient_dir: course.patient_dir.clone(),
            course_id: course.course_id.clone(),
            manifest: paths.manifest(),
            catalogue: paths.catalogue(),
            dvh,
            settings: self.settings.clone(),
        };
        let resources = Resources { memory: (256 << 20) + 10 * voxels as u64, gpus: 0 };
        Ok(vec![Unit { part: None, task, inputs, resources }])
    }

    fn run(&self, cx: &UnitContext, task: &VisualizeTask) -> Result<Output, UnitError> {
        let manifest: CourseManifest = read_json(cx, &task.manifest)?;
        let catalogue: Catalogue = read_json(cx, &task.catalogue)?;
        let dvh: DvhArtefact = task.dvh.as_ref().map_or_else(|| Ok(DvhArtefact::default()), |p| read_json(cx, p))?;
        let assets = build(cx, task, &manifest, &catalogue, &dvh)?;
        let paths = CoursePaths::new(&task.patient_dir, &task.course_id);
        let bytes = serde_json::to_vec(&assets).map_err(|e| UnitError::bug(e.to_string()))?;
        let file = cx.write("page_assets", paths.file("metadata/page_assets.json"), &bytes)?;
        let mut out = Output { files: vec![file], ..Output::default() };
        out.facts.insert("images".into(), assets.assets.images.len().into());
        Ok(out)
    }
}

/// What the stage leaves: the assets, and what could not be shown.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageAssets {
    /// Slices, contours, doses, curves.
    pub assets: CourseAssets,
    /// What could not be shown, and why.
    pub findings: Vec<Finding>,
}

fn build(
    cx: &UnitContext,
    task: &VisualizeTask,
    m: &CourseManifest,
    catalogue: &Catalogue,
    dvh: &DvhArtefact,
) -> Result<PageAssets, UnitError> {
    let planning = m.course.images.iter().filter(|i| i.nifti.is_some()).find(|i| i.planning);
    let planning = planning.or_else(|| m.course.images.iter().find(|i| i.nifti.is_some()));
    let mut images: Vec<(&ImageObject, Volume<f32>)> = Vec::new();
    let further = m.course.images.iter().filter(|i| i.nifti.is_some() && planning.is_none_or(|p| p.id != i.id));
    for i in planning.into_iter().chain(further) {
        images.push((i, read_image(cx, i)?));
    }
    let structures = contours(cx, catalogue, images.first().map(|(i, v)| (*i, v)), dvh);
    let doses: Vec<(Volume<f32>, &str, Option<f64>)> = m
        .resolved_doses
        .iter()
        .filter_map(|d| {
            let grid = regular(&load_dose(cx, d).ok()?)?;
            Some((grid, d.label.as_str(), d.prescription.as_ref().map(|p| p.total_gy)))
        })
        .collect();
    let doses: Vec<DoseInput<'_>> = doses
        .iter()
        .map(|(v, label, prescription_gy)| DoseInput {
            grid: &v.grid,
            values: v.values(),
            label,
            prescription_gy: *prescription_gy,
        })
        .collect();
    let frame = planning.map_or("", |p| p.frame_of_reference_uid.as_str());
    let input = AssetInput {
        images: images
            .iter()
            .enumerate()
            .map(|(n, (i, v))| {
                let same_frame = n == 0 || (!frame.is_empty() && i.frame_of_reference_uid == frame);
                (v, kind_of(i), ImageOptions { label: label(i), same_frame, ..ImageOptions::default() })
            })
            .collect(),
        structures: &structures,
        doses: &doses,
        curves: &curves(m, dvh),
    };
    let (mut assets, errors) = build_assets(&input);
    match task.settings.images {
        ReportImages::None => {
            assets.images.clear();
            assets.contours = None;
            assets.doses.clear();
            assets.key_pictures.clear();
        }
        ReportImages::Key => {
            assets.images.clear();
            assets.contours = None;
            assets.doses.clear();
        }
        ReportImages::Auto | ReportImages::Full => {}
    }
    let findings = errors
        .iter()
        .map(|e| Finding::new(Level::Note, "page.not_shown", format!("{e}."), "The numbers do not depend on it."))
        .collect();
    Ok(PageAssets { assets, findings })
}

fn kind_of(i: &ImageObject) -> ImageKind {
    match i.modality.as_str() {
        "MR" => ImageKind::Mr,
        "PT" => ImageKind::Pet,
        _ => ImageKind::Ct,
    }
}

fn label(i: &ImageObject) -> String {
    if i.description.is_empty() { i.id.clone() } else { format!("{} {}", i.id, i.description) }
}

/// Identifier of a structure in the page.
fn id_of(source: &str, number: i32) -> String {
    format!("{source}|{number}")
}

fn contours(
    cx: &UnitContext,
    catalogue: &Catalogue,
    image: Option<(&ImageObject, &Volume<f32>)>,
    dvh: &DvhArtefact,
) -> Vec<StructureContours> {
    let mut geometry = Geometry::new(cx, StackOptions::default());
    let volume = |s: &Structure| {
        let row = dvh.rows.iter().find(|r| {
            r.get("ROI_Number").and_then(Value::as_i64) == Some(i64::from(s.number))
                && r.get("Segmentation_Source").and_then(Value::as_str) == Some(&s.source)
        });
        row.and_then(|r| r.get("Volume (cm³)")).and_then(Value::as_f64)
    };
    catalogue
        .structures
        .iter()
        .map(|s| {
            let mut info = StructureInfo {
                id: id_of(&s.source, s.number),
                name: s.name.clone(),
                source: s.source.clone(),
                group: StructureGroup::of(&s.interpreted_type, &s.name, &s.source),
                color: s.color,
                volume_cc: volume(s),
                outline_of_mask: false,
            };
            let on_other = image.zip(s.image_id.as_ref()).is_some_and(|((i, _), id)| i.id != *id);
            let stack = if on_other { None } else { geometry.stack(s).ok().flatten() };
            let loops = match (stack, image) {
                (None, _) => Vec::new(),
                (Some(k), Some((_, v))) if !parallel(&k, &v.grid) => {
                    info.outline_of_mask = true;
                    outlines_of_mask(&k.mask(&v.grid))
                }
                (Some(k), _) => k.contours(),
            };
            StructureContours { info, loops }
        })
        .collect()
}

fn parallel(stack: &PlaneStack, grid: &Grid) -> bool {
    let d = grid.direction();
    let normal = cross(d[0], d[1]);
    let n = stack.frame.n;
    let cos = (0..3).map(|a| normal[a] * n[a]).sum::<f64>().abs();
    cos >= PARALLEL_DEG.to_radians().cos()
}

fn cross(a: Vec3, b: Vec3) -> Vec3 {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// The dose on a regular grid; a grid with uneven planes is interpolated at its smallest distance.
fn regular(dose: &DoseGrid) -> Option<Volume<f32>> {
    if let Some(grid) = dose.grid() {
        return Some(Volume { grid, data: dose.values.clone() });
    }
    let (first, last) = (*dose.offsets.first()?, *dose.offsets.last()?);
    let step = dose.offsets.windows(2).map(|w| w[1] - w[0]).fold(f64::INFINITY, f64::min);
    if !step.is_finite() || step <= 0.0 {
        return None;
    }
    let count = (((last - first) / step).floor() as usize + 1).min(2000);
    let dims = dose.dims();
    let origin = [0, 1, 2].map(|a| dose.origin[a] + first * dose.normal[a]);
    let grid = Grid {
        dims: [dims[0], dims[1], count],
        origin,
        step: [dose.row_step, dose.col_step, dose.normal.map(|c| c * step)],
    };
    let mut values = Vec::with_capacity(grid.len());
    for k in 0..count {
        for j in 0..dims[1] {
            for i in 0..dims[0] {
                let p = grid.world([i as f64, j as f64, k as f64]);
                values.push(dose.sample_trilinear(p).unwrap_or(0.0) as f32);
            }
        }
    }
    Some(Volume::from_vec(grid, values))
}

/// Curves of the dose that the tables use.
fn curves(m: &CourseManifest, dvh: &DvhArtefact) -> Vec<DvhSeries> {
    let Some(first) = m.resolved_doses.first() else { return Vec::new() };
    let row_of = |c: &DvhCurve| {
        dvh.rows.iter().find(|r| {
            r.get("ROI_Number").and_then(Value::as_i64) == Some(i64::from(c.roi_number))
                && r.get("Segmentation_Source").and_then(Value::as_str) == Some(&c.source)
                && r.get("dose_id").and_then(Value::as_str) == Some(&c.dose_id)
        })
    };
    dvh.curves
        .iter()
        .filter(|c| c.dose_id == first.id)
        .map(|c| DvhSeries {
            id: id_of(&c.source, c.roi_number),
            points: c.volume_percent.iter().enumerate().map(|(n, v)| [n as f64 * c.step_gy, *v / 100.0]).collect(),
            volume_cc: Some(c.volume_cc),
            mean_gy: row_of(c).and_then(|r| r.get("DmeanGy")?.as_f64()),
            ..DvhSeries::default()
        })
        .collect()
}
