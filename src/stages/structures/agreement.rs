//! Rows of the table `agreement`: manual structures against automatic ones of the same meaning on the same image.
//!
//! Both are masks on the grid of the label map, which is that of the image. A pair is held at a time, cropped to the box
//! around both and a voxel more. The measures are defined in [`rtpipeline_geometry::agreement`]; where one mask is empty
//! the overlaps are 0 and the distances missing.

mod synonyms;

use super::StructuresTask;
use super::custom::Counts;
use crate::course::{CourseManifest, Geometry, Shape, Structure, source};
use crate::records::AgreementRow;
use rtpipeline_engine::{FailureKind, UnitError};
use rtpipeline_geometry::agreement::{AgreementError, overlap, surface_distances};
use rtpipeline_geometry::{Grid, Mask, PlaneStack, Vec3, Volume};
use serde_json::{Map, Value};
use synonyms::meaning;

/// First voxel and number of voxels along i, j, k.
type Window = ([usize; 3], [usize; 3]);

/// Two structures that mean the same.
struct Pair<'a> {
    /// What both stand for.
    word: String,
    manual: &'a Structure,
    automatic: &'a Structure,
}

/// One row per pair, in the order of the catalogue. Structures built from the custom-structure file are not compared:
/// they are derived from the others.
pub(super) fn rows(
    task: &StructuresTask,
    manifest: &CourseManifest,
    structures: &[Structure],
    geometry: &mut Geometry<'_>,
    counts: &Counts,
) -> Result<Vec<Map<String, Value>>, UnitError> {
    let mut out = Vec::new();
    for pair in pairs(manifest, structures) {
        let mut row = base(task, &pair);
        match geometry.stack(pair.manual) {
            Ok(stack) => measure(&mut row, stack.as_ref(), pair.automatic, geometry, counts)?,
            Err(error) if error.kind == FailureKind::Data => say(&mut row, "not_usable", &error.message),
            Err(error) => return Err(error),
        }
        out.push(row.to_map());
    }
    Ok(out)
}

/// Every manual structure with every label of the segmentation and of custom models that has its meaning.
fn pairs<'a>(manifest: &CourseManifest, structures: &'a [Structure]) -> Vec<Pair<'a>> {
    let automatic: Vec<(String, &Structure)> = structures
        .iter()
        .filter(|s| s.source != source::MANUAL && s.source != source::CUSTOM)
        .filter(|s| matches!(s.shape, Shape::Label { .. }))
        .filter_map(|s| Some((meaning(&s.name)?, s)))
        .collect();
    let mut out = Vec::new();
    for manual in structures.iter().filter(|s| s.source == source::MANUAL) {
        let Some(word) = meaning(&manual.name) else { continue };
        for (_, automatic) in automatic.iter().filter(|(w, s)| *w == word && same_image(manifest, manual, s)) {
            out.push(Pair { word: word.clone(), manual, automatic });
        }
    }
    out
}

/// Drawn on the image of the label map; where the structure set names no image of the course, in its frame of reference.
fn same_image(manifest: &CourseManifest, manual: &Structure, automatic: &Structure) -> bool {
    let Some(id) = &automatic.image_id else { return false };
    if manual.image_id.is_some() {
        return manual.image_id.as_ref() == Some(id);
    }
    let frame = manifest.course.images.iter().find(|i| i.id == *id).map(|i| i.frame_of_reference_uid.as_str());
    let Some(frame) = frame.filter(|f| !f.is_empty()) else { return false };
    let sets = &manifest.course.structure_sets;
    let set = sets.iter().find(|s| Some(&s.file.sop_instance_uid) == manual.structure_set_uid.as_ref());
    set.is_some_and(|s| s.frame_of_reference_uid == frame)
}

fn base(task: &StructuresTask, pair: &Pair<'_>) -> AgreementRow {
    let (a, b) = (pair.manual, pair.automatic);
    AgreementRow {
        patient_id: task.patient_id.clone(),
        course_id: task.course_id.clone(),
        structure: Some(pair.word.clone()),
        roi_name_a: Some(a.name.clone()),
        source_a: Some(a.source.clone()),
        roi_number_a: Some(i64::from(a.number)),
        roi_name_b: Some(b.name.clone()),
        source_b: Some(b.source.clone()),
        roi_number_b: Some(i64::from(b.number)),
        rtstruct_uid_a: a.structure_set_uid.clone(),
        rtstruct_uid_b: b.structure_set_uid.clone(),
        ..AgreementRow::default()
    }
}

fn say(row: &mut AgreementRow, status: &str, reason: &str) {
    row.status = Some(status.to_owned());
    row.reason = Some(reason.to_owned());
}

/// Fills the values of a pair.
fn measure(
    row: &mut AgreementRow,
    manual: Option<&PlaneStack>,
    automatic: &Structure,
    geometry: &mut Geometry<'_>,
    counts: &Counts,
) -> Result<(), UnitError> {
    let Shape::Label { file, value } = &automatic.shape else { return Ok(()) };
    let labels = geometry.label_map(file)?;
    let drawn = manual.and_then(|s| window_of(s, &labels.grid));
    let label = counts
        .get(file)
        .and_then(|c| c.labels.get(value))
        .map(|c| (c.bounds.map(|b| b[0]), c.bounds.map(|b| b[1] + 1 - b[0])));
    let Some((start, dims)) = around([drawn, label], labels.grid.dims) else {
        (row.volume_a, row.volume_b) = (Some(0.0), Some(0.0));
        say(row, "empty", "Neither structure holds a voxel of the image.");
        return Ok(());
    };
    let grid = labels.grid.window(start, dims);
    let a = manual.map_or_else(|| Mask::filled(grid.clone(), 0), |s| s.mask(&grid));
    let b = part(labels, *value, (start, dims), grid);
    compare(row, &a, &b)?;
    if manual.is_none() {
        say(row, "empty", "The manual structure has no closed planar contour.");
    }
    Ok(())
}

/// The voxels of a grid that a structure may reach; `None` when it lies beside the grid.
fn window_of(stack: &PlaneStack, grid: &Grid) -> Option<Window> {
    let [low, high] = stack.bounding_box();
    let (mut lo, mut hi) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    for corner in 0..8 {
        let at = grid.index(std::array::from_fn(|a| if corner >> a & 1 == 1 { high[a] } else { low[a] }));
        for a in 0..3 {
            lo[a] = lo[a].min(at[a]);
            hi[a] = hi[a].max(at[a]);
        }
    }
    let last = grid.dims.map(|d| d as f64 - 1.0);
    if (0..3).any(|a| !(lo[a] <= last[a] && hi[a] >= 0.0)) {
        return None;
    }
    let start = std::array::from_fn(|a| lo[a].floor().max(0.0) as usize);
    let end: [usize; 3] = std::array::from_fn(|a| hi[a].ceil().min(last[a]) as usize + 1);
    Some((start, std::array::from_fn(|a| end[a].saturating_sub(start[a]))))
}

/// The box around both and a voxel more, within the grid; `None` when there is neither.
fn around(windows: [Option<Window>; 2], grid: [usize; 3]) -> Option<Window> {
    let found: Vec<Window> = windows.into_iter().flatten().collect();
    let (first, rest) = found.split_first()?;
    let mut start = first.0;
    let mut end: [usize; 3] = std::array::from_fn(|a| first.0[a] + first.1[a]);
    for (s, d) in rest {
        for a in 0..3 {
            start[a] = start[a].min(s[a]);
            end[a] = end[a].max(s[a] + d[a]);
        }
    }
    let start = start.map(|v| v.saturating_sub(1));
    Some((start, std::array::from_fn(|a| (end[a] + 1).min(grid[a]) - start[a])))
}

/// A label within a window.
fn part(labels: &Volume<u32>, value: u32, (start, dims): Window, grid: Grid) -> Mask {
    let [nx, ny, _] = labels.grid.dims;
    let mut values = Vec::with_capacity(dims.iter().product());
    for k in start[2]..start[2] + dims[2] {
        for j in start[1]..start[1] + dims[1] {
            let row = (k * ny + j) * nx + start[0];
            values.extend(labels.values()[row..row + dims[0]].iter().map(|&v| u8::from(v == value)));
        }
    }
    Mask::from_vec(grid, values)
}

/// The measures of two masks on one grid, the first being the reference.
fn compare(row: &mut AgreementRow, a: &Mask, b: &Mask) -> Result<(), UnitError> {
    let both = overlap(a, b).map_err(|e| UnitError::bug(e.to_string()))?;
    let (va, vb) = (a.volume_cc(), b.volume_cc());
    (row.volume_a, row.volume_b) = (Some(va), Some(vb));
    row.volume_difference_pct = (va > 0.0).then(|| 100.0 * (vb - va) / va);
    (row.dice, row.jaccard) = (both.dice(), both.jaccard());
    let (Some(ca), Some(cb)) = (centroid(a), centroid(b)) else {
        if both.voxels_a + both.voxels_b > 0 {
            (row.surface_dice_1, row.surface_dice_2, row.surface_dice_3) = (Some(0.0), Some(0.0), Some(0.0));
        }
        let reason = match (both.voxels_a, both.voxels_b) {
            (0, 0) => "Neither structure holds a voxel of the image.",
            (0, _) => "The manual structure holds no voxel of the image.",
            _ => "The automatic structure is empty.",
        };
        say(row, "empty", reason);
        return Ok(());
    };
    row.centroid_distance = Some((0..3).map(|n| (ca[n] - cb[n]).powi(2)).sum::<f64>().sqrt());
    match surface_distances(a, b) {
        Ok(Some(d)) => {
            (row.hd95, row.hd100, row.assd) =
                (Some(d.hausdorff(95.0)), Some(d.hausdorff(100.0)), Some(d.pooled_mean()));
            row.surface_dice_1 = Some(d.surface_dice(1.0));
            row.surface_dice_2 = Some(d.surface_dice(2.0));
            row.surface_dice_3 = Some(d.surface_dice(3.0));
            row.status = Some("ok".to_owned());
        }
        Ok(None) => say(row, "empty", "One of the structures is empty."),
        Err(e @ AgreementError::Sheared) => {
            say(row, "no_distances", &format!("There are no surface distances: {e}."));
        }
        Err(e) => return Err(UnitError::bug(e.to_string())),
    }
    Ok(())
}

/// Mean of the voxel centres, mm; `None` for an empty mask.
fn centroid(mask: &Mask) -> Option<Vec3> {
    let [nx, ny, _] = mask.grid.dims;
    let (mut sum, mut n) = ([0u64; 3], 0u64);
    for (at, _) in mask.values().iter().enumerate().filter(|(_, v)| **v != 0) {
        for (s, i) in sum.iter_mut().zip([at % nx, at / nx % ny, at / (nx * ny)]) {
            *s += i as u64;
        }
        n += 1;
    }
    (n > 0).then(|| mask.grid.world(sum.map(|s| s as f64 / n as f64)))
}

#[cfg(test)]
mod tests;
