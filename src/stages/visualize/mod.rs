//! Assets of a course's page: slices, contours, dose and curves, encoded once and embedded when pages are rendered.

use crate::config::{ReportImages, ReportSettings};
use crate::course::{
    Catalogue, Course, CourseManifest, CoursePaths, DvhArtefact, Geometry, ImageObject, Structure, load_dose,
    read_image, read_json, read_json_at,
};
use crate::report::{
    CourseAssets, CurveBlock, DoseInput, DvhSeries, ImageKind, ImageOptions, KeyPictureInput, StructureContours,
    StructureGroup, StructureInfo, encode_contours, encode_curves, encode_dose, encode_image, key_pictures,
    outlines_of_mask,
};
use rtpipeline_engine::{
    Input, Output, PlanContext, Policy, Resources, RootedPath, Stage, StageDoc, Unit, UnitContext, UnitError,
};
use rtpipeline_geometry::{DoseGrid, Grid, PlaneStack, StackOptions, Vec3, Volume};
use serde::{Deserialize, Serialize};

/// Rung of the ladder at which further image series start (256², quality 80).
const FURTHER_SERIES_RUNG: usize = 3;

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
        let dvh = cx.roots.resolve(&dvh).is_ok_and(|p| p.is_file()).then_some(dvh);
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
        out.facts.insert("images".into(), assets.images.len().into());
        Ok(out)
    }
}

fn build(
    cx: &UnitContext,
    task: &VisualizeTask,
    m: &CourseManifest,
    catalogue: &Catalogue,
    dvh: &DvhArtefact,
) -> Result<CourseAssets, UnitError> {
    let show = task.settings.images;
    let planning = m.course.images.iter().filter(|i| i.nifti.is_some()).find(|i| i.planning);
    let planning = planning.or_else(|| m.course.images.iter().find(|i| i.nifti.is_some()));
    let image = planning.map(|i| read_image(cx, i)).transpose()?;
    let doses: Vec<(DoseGrid, &str, Option<f64>)> = m
        .resolved_doses
        .iter()
        .filter_map(|d| Some((load_dose(cx, d).ok()?, d.label.as_str(), d.prescription.as_ref().map(|p| p.total_gy))))
        .collect();
    let structures = contours(cx, catalogue, planning.zip(image.as_ref()), dvh);
    let mut assets =
        CourseAssets { structures: structures.iter().map(|s| s.info.clone()).collect(), ..CourseAssets::default() };
    let dose_volumes: Vec<(Volume<f32>, &str, Option<f64>)> =
        doses.iter().filter_map(|(g, l, rx)| Some((regular(g)?, *l, *rx))).collect();
    let key_only = matches!(show, ReportImages::Key);
    let kind = planning.map_or(ImageKind::Ct, kind_of);
    let shown = |e: crate::report::ReportError| UnitError::data(e.to_string());
    if !matches!(show, ReportImages::None) {
        // Contours are stored in the pixels of the image as it is shown: cropped and reduced.
        let mut ground = dose_volumes.first().map(|d| d.0.grid.clone());
        if let (Some(i), Some(v)) = (planning, &image) {
            let include = structures.iter().flat_map(|s| corners(&s.loops)).collect();
            let options = ImageOptions { label: label(i), include, ..ImageOptions::default() };
            let block = encode_image(v, kind, &options).map_err(shown)?;
            ground = Some(block.grid.clone());
            if !key_only {
                assets.images.push(block);
            }
        }
        let mut start = None;
        if let Some(grid) = ground {
            let block = encode_contours(&structures, &grid).map_err(shown)?;
            start = block.start;
            if !assets.images.is_empty() {
                assets.contours = Some(block);
            }
        }
        let input = KeyPictureInput {
            image: image.as_ref().map(|v| (v, kind)),
            dose: dose_volumes.first().map(|(v, l, rx)| DoseInput {
                grid: &v.grid,
                values: v.values(),
                label: l,
                prescription_gy: *rx,
            }),
            structures: &structures,
            point: start,
        };
        if image.is_some() || !dose_volumes.is_empty() {
            assets.key_pictures = key_pictures(&input).map_err(shown)?;
        }
        if !key_only {
            further_images(cx, m, planning, &mut assets)?;
            for (v, l, rx) in &dose_volumes {
                let input = DoseInput { grid: &v.grid, values: v.values(), label: l, prescription_gy: *rx };
                assets.doses.push(encode_dose(&input).map_err(shown)?);
            }
        }
    }
    assets.curves = curves(m, dvh)?;
    Ok(assets)
}

fn further_images(
    cx: &UnitContext,
    m: &CourseManifest,
    planning: Option<&ImageObject>,
    assets: &mut CourseAssets,
) -> Result<(), UnitError> {
    let Some(first) = planning else { return Ok(()) };
    for i in m.course.images.iter().filter(|i| i.id != first.id && i.nifti.is_some()) {
        let v = read_image(cx, i)?;
        let same = !i.frame_of_reference_uid.is_empty() && i.frame_of_reference_uid == first.frame_of_reference_uid;
        let options = ImageOptions {
            label: label(i),
            budget: 1_500_000,
            skip_rungs: FURTHER_SERIES_RUNG,
            same_frame: same,
            ..ImageOptions::default()
        };
        assets.images.push(encode_image(&v, kind_of(i), &options).map_err(|e| UnitError::data(e.to_string()))?);
    }
    Ok(())
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
            r.get("ROI_Number").and_then(serde_json::Value::as_i64) == Some(i64::from(s.number))
                && r.get("Segmentation_Source").and_then(serde_json::Value::as_str) == Some(&s.source)
        });
        row.and_then(|r| r.get("Volume (cm³)")).and_then(serde_json::Value::as_f64)
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

/// Lower and upper corner of the loops, mm LPS; empty without a point.
fn corners(loops: &[Vec<Vec3>]) -> Vec<Vec3> {
    let mut points = loops.iter().flatten();
    let Some(first) = points.next() else { return Vec::new() };
    let (mut lo, mut hi) = (*first, *first);
    for p in points {
        for a in 0..3 {
            lo[a] = lo[a].min(p[a]);
            hi[a] = hi[a].max(p[a]);
        }
    }
    vec![lo, hi]
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

fn curves(m: &CourseManifest, dvh: &DvhArtefact) -> Result<Option<CurveBlock>, UnitError> {
    let Some(first) = m.resolved_doses.first() else { return Ok(None) };
    let series: Vec<DvhSeries> = dvh
        .curves
        .iter()
        .filter(|c| c.dose_id == first.id)
        .map(|c| DvhSeries {
            id: id_of(&c.source, c.roi_number),
            points: c.volume_percent.iter().enumerate().map(|(n, v)| [n as f64 * c.step_gy, *v / 100.0]).collect(),
            volume_cc: Some(c.volume_cc),
            mean_gy: dvh
                .rows
                .iter()
                .find(|r| {
                    r.get("ROI_Number").and_then(serde_json::Value::as_i64) == Some(i64::from(c.roi_number))
                        && r.get("Segmentation_Source").and_then(serde_json::Value::as_str) == Some(&c.source)
                        && r.get("dose_id").and_then(serde_json::Value::as_str) == Some(&c.dose_id)
                })
                .and_then(|r| r.get("DmeanGy")?.as_f64()),
            ..DvhSeries::default()
        })
        .collect();
    if series.is_empty() {
        return Ok(None);
    }
    encode_curves(&series).map(Some).map_err(|e| UnitError::data(e.to_string()))
}
