//! Custom structures of one course: sources found, built, packed into label maps, exported.

use super::evaluate::{Built, Source, build};
use super::grid::grid_around;
use super::names::{find, normalised};
use super::spec::{CustomStructure, CustomStructureFile};
use super::{StructuresTask, belongs, planning_image};
use crate::course::label_maps::{
    LabelCensus, RtRoi, RtStructRequest, census, rois_of_labels, rtstruct_output, write_label_map,
};
use crate::course::{
    Catalogue, CourseManifest, CoursePaths, Finding, Geometry, ImageObject, Level, Shape, Structure, safe_name, source,
    to_json,
};
use rtpipeline_engine::{FailureKind, Output, RootedPath, UnitContext, UnitError};
use rtpipeline_geometry::outline::{OutlineOptions, outline};
use rtpipeline_geometry::{Contour, Grid, Mask, Volume};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const FOLDER: &str = "Segmentation_Custom";
const RED: [u8; 3] = [255, 0, 0];

/// What is in label maps, by file.
pub(super) type Counts = BTreeMap<RootedPath, MapCounts>;

/// What is in a label map.
pub(super) struct MapCounts {
    /// Volume of a voxel, mm³.
    pub(super) voxel_mm3: f64,
    /// Distance of slices, mm.
    pub(super) plane_spacing: f64,
    /// Its labels.
    pub(super) labels: BTreeMap<u32, LabelCensus>,
}

impl MapCounts {
    pub(super) fn new(map: &Volume<u32>) -> Self {
        Self { voxel_mm3: map.grid.voxel_volume_mm3(), plane_spacing: map.grid.spacing()[2], labels: census(map) }
    }
}

/// Builds all custom structures, writes their label maps, `RS_custom.dcm` and the warnings, and returns their
/// catalogue; what is in the new label maps goes to `counts`.
pub(super) fn build_all(
    cx: &UnitContext,
    task: &StructuresTask,
    paths: &CoursePaths,
    manifest: &CourseManifest,
    candidates: &[Structure],
    geometry: &mut Geometry<'_>,
    counts: &mut Counts,
    out: &mut Output,
) -> Result<Catalogue, UnitError> {
    let mut catalogue = Catalogue::default();
    let numbers: BTreeMap<String, i32> =
        task.custom.custom_structures.iter().zip(1..).map(|(s, n)| (s.name.clone(), n)).collect();
    let file: CustomStructureFile = task
        .custom
        .clone()
        .checked()
        .map_err(|e| UnitError::new(FailureKind::Config, format!("custom structures: {e}")))?;
    if file.custom_structures.is_empty() {
        return Ok(catalogue);
    }
    let image = planning_image(manifest);
    let mut usable: Vec<Structure> = candidates.iter().filter(|s| belongs(s, manifest, image)).cloned().collect();
    usable.sort_by_key(|s| super::rank(&s.source));
    let Some(grid) = working_grid(&file, image, &usable, geometry)? else {
        for s in &file.custom_structures {
            catalogue
                .not_made
                .push((s.name.clone(), "the course has neither an image nor contours to build on".into()));
        }
        return Ok(catalogue);
    };
    let mut made: BTreeMap<String, Built> = BTreeMap::new();
    let mut warnings = Vec::new();
    for spec in &file.custom_structures {
        let sources = sources_of(spec, &made, &usable, geometry, &grid, &mut catalogue)?;
        match build(spec, sources, &grid) {
            Ok(built) => {
                warnings.push(json!({
                    "name": spec.name,
                    "status": if built.missing.is_empty() { "built" } else { "partial" },
                    "missing_sources": built.missing,
                    "structure_cropped": built.cropped,
                    "volume_cc": built.mask.volume_cc(),
                }));
                made.insert(spec.name.clone(), built);
            }
            Err(reason) => {
                let similar = similar(spec, &usable);
                warnings.push(json!({
                    "name": spec.name, "status": "not_built", "reason": reason, "similar_names": similar,
                }));
                catalogue.not_made.push((spec.name.clone(), reason));
            }
        }
    }
    let order: Vec<(&CustomStructure, Built)> =
        task.custom.custom_structures.iter().filter_map(|s| Some((s, made.remove(&s.name)?))).collect();
    let placed = pack(&order, &grid);
    for (map_name, members) in &placed {
        let to = paths.file(&format!("{FOLDER}/{map_name}.nii.gz"));
        let mut labels = Volume::filled(grid.clone(), 0u32);
        for (value, index) in (1u32..).zip(members) {
            let (spec, built) = &order[*index];
            for (l, &m) in labels.values_mut().iter_mut().zip(built.mask.values()) {
                if m != 0 {
                    *l = value;
                }
            }
            catalogue.structures.push(Structure {
                number: numbers[&spec.name],
                name: spec.name.clone(),
                original_name: spec.name.clone(),
                source: source::CUSTOM.to_owned(),
                shape: Shape::Label { file: to.clone(), value },
                image_id: image.map(|i| i.id.clone()),
                structure_set_uid: None,
                color: Some(RED),
                interpreted_type: "CONTROL".to_owned(),
                cropped: built.cropped,
                missing_parts: built.missing.clone(),
                contour_count: None,
            });
        }
        counts.insert(to.clone(), MapCounts::new(&labels));
        out.files.push(write_label_map(cx, "custom structures", to, &labels, "custom structures")?);
    }
    catalogue.structures.sort_by_key(|s| s.number);
    out.files.push(cx.write(
        "warnings",
        paths.file("metadata/custom_structure_warnings.json"),
        &to_json(&json!({ "structures": warnings }))?,
    )?);
    for s in catalogue.structures.iter().filter(|s| !s.missing_parts.is_empty()) {
        catalogue.findings.push(
            Finding::new(
                Level::Caution,
                "structures.partial",
                format!("{} was built without {}.", s.name, s.missing_parts.join(", ")),
                "Its volume and dose describe the parts that were there.",
            )
            .about(s.name.clone()),
        );
    }
    if let Some(image) = image.filter(|i| !i.files.is_empty() && !order.is_empty()) {
        structure_set(cx, task, paths, image, &usable, &order, &numbers, geometry, counts, &mut catalogue, out)?;
    }
    Ok(catalogue)
}

fn working_grid(
    file: &CustomStructureFile,
    image: Option<&ImageObject>,
    usable: &[Structure],
    geometry: &mut Geometry<'_>,
) -> Result<Option<Grid>, UnitError> {
    if let Some(grid) = image.and_then(|i| i.grid.clone()) {
        return Ok(Some(grid));
    }
    let wanted: Vec<&Structure> = file
        .custom_structures
        .iter()
        .flat_map(|s| &s.source_structures)
        .flat_map(|name| find(name, usable))
        .filter(|s| s.contour_count.unwrap_or(0) > 0)
        .collect();
    let room: f64 =
        file.custom_structures.iter().filter_map(|s| s.margin).map(|m| m.sides().into_iter().fold(0.0, f64::max)).sum();
    grid_around(geometry, &wanted, room.min(60.0))
}

/// Masks of the sources of one structure: structures of the file by exact name, else the first of the course that is
/// not empty.
fn sources_of(
    spec: &CustomStructure,
    made: &BTreeMap<String, Built>,
    usable: &[Structure],
    geometry: &mut Geometry<'_>,
    grid: &Grid,
    catalogue: &mut Catalogue,
) -> Result<Vec<Source>, UnitError> {
    let mut out = Vec::new();
    for name in &spec.source_structures {
        let mut built = made.get(name).filter(|_| *name != spec.name).cloned();
        if built.is_none() {
            for candidate in find(name, usable) {
                match mask_of(candidate, geometry, grid) {
                    Ok(Some(mask)) => {
                        let missing = candidate.missing_parts.clone();
                        built = Some(Built { mask, missing, cropped: candidate.cropped });
                        break;
                    }
                    Ok(None) => {}
                    Err(error) if error.kind == FailureKind::Data => catalogue.findings.push(
                        Finding::new(
                            Level::Caution,
                            "structures.source_not_read",
                            format!(
                                "{} ({}) could not be used for {}: {error}.",
                                candidate.name, candidate.source, spec.name
                            ),
                            "It counts as missing.",
                        )
                        .about(spec.name.clone()),
                    ),
                    Err(error) => return Err(error),
                }
            }
        }
        out.push(Source { name: name.clone(), built });
    }
    Ok(out)
}

fn mask_of(s: &Structure, geometry: &mut Geometry<'_>, grid: &Grid) -> Result<Option<Mask>, UnitError> {
    Ok(geometry.mask_on(s, grid)?.filter(|m| m.values().iter().any(|&v| v != 0)))
}

/// Label maps without overlap: `custom` takes what fits, each structure that overlaps gets a file of its own.
fn pack(order: &[(&CustomStructure, Built)], grid: &Grid) -> Vec<(String, Vec<usize>)> {
    let mut taken = vec![0u8; grid.len()];
    let mut main = Vec::new();
    let mut own: Vec<(String, Vec<usize>)> = Vec::new();
    let mut names: BTreeSet<String> = BTreeSet::from(["custom".to_owned()]);
    for (n, (spec, built)) in order.iter().enumerate() {
        let free = built.mask.values().iter().zip(&taken).all(|(&m, &t)| m == 0 || t == 0);
        if free && main.len() < 250 {
            for (t, &m) in taken.iter_mut().zip(built.mask.values()) {
                *t |= m;
            }
            main.push(n);
        } else {
            let base = safe_name(&spec.name);
            let mut name = base.clone();
            let mut copy = 2;
            // Also distinct on file systems that ignore case.
            while !names.insert(name.to_lowercase()) {
                name = format!("{base}_{copy}");
                copy += 1;
            }
            own.push((name, vec![n]));
        }
    }
    if !main.is_empty() {
        own.insert(0, ("custom".to_owned(), main));
    }
    own
}

/// Names of the course that resemble the missing ones.
fn similar(spec: &CustomStructure, usable: &[Structure]) -> Vec<String> {
    let mut out = BTreeSet::new();
    for wanted in spec.source_structures.iter().map(|s| normalised(s)).filter(|w| w.len() >= 3) {
        for s in usable {
            let have = normalised(&s.name);
            if have.contains(&wanted) || (have.len() >= 3 && wanted.contains(&have)) {
                out.insert(s.name.clone());
            }
        }
    }
    out.into_iter().take(20).collect()
}

/// Closed contours of a structure; none when it has none or cannot be read.
fn contours_of(s: &Structure, geometry: &mut Geometry<'_>, counts: &mut Counts) -> Result<Vec<Contour>, UnitError> {
    match &s.shape {
        Shape::Contours { .. } => Ok(match geometry.stack(s) {
            Ok(Some(stack)) => stack.contours().into_iter().map(Contour::closed).collect(),
            _ => Vec::new(),
        }),
        Shape::Label { file, .. } => {
            let map = geometry.label_map(file)?;
            let found = counts.entry(file.clone()).or_insert_with(|| MapCounts::new(map));
            let rois = rois_of_labels(map, &found.labels, std::slice::from_ref(s));
            Ok(rois.into_iter().flat_map(|r| r.contours).collect())
        }
    }
}

/// `RS_custom.dcm`: manual structures, automatic ones whose name is not among them, those of custom models under
/// `<model>_<name>`, and the custom structures: a new object with UIDs of its own.
fn structure_set(
    cx: &UnitContext,
    task: &StructuresTask,
    paths: &CoursePaths,
    image: &ImageObject,
    usable: &[Structure],
    order: &[(&CustomStructure, Built)],
    numbers: &BTreeMap<String, i32>,
    geometry: &mut Geometry<'_>,
    counts: &mut Counts,
    catalogue: &mut Catalogue,
    out: &mut Output,
) -> Result<(), UnitError> {
    let mut rois: Vec<RtRoi> = Vec::new();
    let mut taken: BTreeSet<String> = BTreeSet::new();
    for s in usable {
        let model = s.source.strip_prefix("CustomModel:");
        let name = model.map_or_else(|| s.name.clone(), |m| format!("{m}_{}", s.name));
        if super::rank(&s.source) == 1 && taken.contains(&name) {
            continue;
        }
        let contours = contours_of(s, geometry, counts)?;
        if contours.is_empty() {
            continue;
        }
        taken.insert(name.clone());
        rois.push(RtRoi {
            name,
            color: if model.is_some() { Some([0, 0, 255]) } else { s.color },
            interpreted_type: s.interpreted_type.clone(),
            algorithm: if s.source == source::MANUAL { "" } else { "AUTOMATIC" },
            contours,
        });
    }
    let mut sorted: Vec<&(&CustomStructure, Built)> = order.iter().collect();
    sorted.sort_by_key(|(s, _)| numbers[&s.name]);
    for (spec, built) in sorted {
        rois.push(RtRoi {
            name: spec.name.clone(),
            color: Some(RED),
            interpreted_type: "CONTROL".to_owned(),
            algorithm: "SEMIAUTOMATIC",
            contours: outline(&built.mask, &OutlineOptions::default()),
        });
    }
    let request = RtStructRequest {
        image,
        label: "RTPIPELINE CUST",
        description: "structures of all sources with custom structures",
        patient_id: &task.patient_id,
        rois,
    };
    match rtstruct_output(cx, "structure set", paths.file("RS_custom.dcm"), &request) {
        Ok(file) => out.files.push(file),
        Err(error) if error.kind == FailureKind::Data => catalogue.findings.push(Finding::new(
            Level::Caution,
            "structures.no_structure_set",
            format!("RS_custom.dcm could not be written: {error}."),
            "The label maps are complete; only the export as RTSTRUCT is missing.",
        )),
        Err(error) => return Err(error),
    }
    Ok(())
}
