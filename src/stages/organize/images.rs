//! Image series to NIfTI.

use crate::course::{CoursePaths, Finding, ImageObject, Level, StructureSetObject};
use crate::records::SeriesRow;
use rtpipeline_dicom::image::{ImageError, ImageSeries, SeriesFile, SeriesOptions, Unit, read_series_with};
use rtpipeline_dicom::rtstruct::StructureSet;
use rtpipeline_engine::{OutputFile, PartFailure, UnitContext, UnitError};
use rtpipeline_geometry::Volume;
use rtpipeline_volume_io::write_nifti;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What became of one series.
#[derive(Default)]
pub(super) struct Converted {
    pub(super) files: Vec<OutputFile>,
    pub(super) findings: Vec<Finding>,
    pub(super) failure: Option<PartFailure>,
    /// Input files in order of position; those that are not in the volume come last.
    pub(super) order: Vec<PathBuf>,
}

/// Reads one series, writes its volume, and puts grid, unit and path into the image. A series that is no volume is a
/// failure of that part alone.
pub(super) fn convert(
    cx: &UnitContext,
    paths: &CoursePaths,
    image: &mut ImageObject,
    sets: &[(&StructureSetObject, &StructureSet)],
    names: &mut BTreeSet<String>,
) -> Result<Converted, UnitError> {
    let mut files = Vec::new();
    for f in &image.files {
        files.push(SeriesFile { path: cx.resolve(&f.path)? });
    }
    let mut out = Converted { order: files.iter().map(|f| f.path.clone()).collect(), ..Converted::default() };
    let prefer = referenced(image, sets);
    let root = cx.roots.0.get("in").cloned().unwrap_or_default();
    let series = match read_series_with(&files, &SeriesOptions { prefer, ..SeriesOptions::default() }) {
        Ok(s) => s,
        Err(e) => {
            out.failure = Some(failure(image, &e, &root));
            return Ok(out);
        }
    };
    let ordered: BTreeSet<&PathBuf> = series.planes.iter().map(|p| &p.path).collect();
    let rest: Vec<PathBuf> = out.order.iter().filter(|p| !ordered.contains(p)).cloned().collect();
    // A multi-frame file stands for several slices; it is one file all the same.
    let mut seen = BTreeSet::new();
    let by_position = series.planes.iter().map(|p| &p.path).chain(&rest);
    let sorted: Vec<PathBuf> = by_position.filter(|p| seen.insert((*p).clone())).cloned().collect();
    out.order = sorted;
    let name = unique_name(&base_name(image, &series), names);
    let (path, file) = cx.output("nifti", paths.file(&format!("NIFTI/{name}.nii.gz")))?;
    write_volume(&path, &series, image)?;
    image.nifti = Some(file.to.clone());
    image.grid = Some(series.grid.clone());
    unit_word(series.unit).clone_into(&mut image.unit);
    let sidecar = sidecar(image, &series, &name);
    out.files.push(file);
    out.files.push(cx.write(
        "nifti_metadata",
        paths.file(&format!("NIFTI/{name}.metadata.json")),
        &crate::course::to_json(&sidecar)?,
    )?);
    out.findings = findings(image, &series);
    Ok(out)
}

/// Images that the structure sets of this image name.
fn referenced(image: &ImageObject, sets: &[(&StructureSetObject, &StructureSet)]) -> Vec<String> {
    let mine = sets.iter().filter(|(s, _)| s.image_id.as_deref() == Some(&image.id));
    let of = |s: &StructureSet| {
        let series = s.referenced_series.iter().flat_map(|r| r.image_uids.clone());
        let rois = s.rois.iter().flat_map(|r| r.referenced_image_uids.clone());
        series.chain(rois).collect::<Vec<_>>()
    };
    let all: BTreeSet<String> = mine.flat_map(|(_, s)| of(s)).collect();
    all.into_iter().collect()
}

fn failure(image: &ImageObject, error: &ImageError, root: &Path) -> PartFailure {
    let text = error.to_string().replace(&format!("{}/", root.display()), "");
    let message = format!("image series {} ({} files) has no volume: {text}", image.id, image.files.len());
    let hint = match error {
        ImageError::UnsupportedSyntax { .. } => "convert the files to an uncompressed transfer syntax",
        ImageError::NotAVolume(_) => "see the series in its viewer; the rest of the course goes on without it",
        _ => "export the series again",
    };
    PartFailure { part: format!("image {}", image.id), error: UnitError::data(message).hint(hint) }
}

/// The values as 16-bit integers where they are whole and fit; everything else stays 32-bit floating point.
pub(crate) fn whole_numbers(series: &ImageSeries) -> Option<Volume<i16>> {
    let fits = |v: &f32| (f32::from(i16::MIN)..=f32::from(i16::MAX)).contains(v) && v.fract() == 0.0;
    (series.integer_valued && series.volume.values().iter().all(fits)).then(|| series.volume.map(|&v| v as i16))
}

fn write_volume(path: &Path, series: &ImageSeries, image: &ImageObject) -> Result<(), UnitError> {
    let description = format!("{} {}", image.modality, unit_word(series.unit));
    let written = match whole_numbers(series) {
        Some(small) => write_nifti(path, &small, &description),
        None => write_nifti(path, &series.volume, &description),
    };
    written.map_err(|e| UnitError::new(rtpipeline_engine::FailureKind::Resources, e.to_string()))
}

/// Unit of a volume's values as tables and files name it.
pub(crate) fn unit_word(unit: Unit) -> &'static str {
    match unit {
        Unit::Hu => "HU",
        Unit::SuvBw => "SUVbw",
        Unit::BqMl => "BQML",
        Unit::Arbitrary => "a.u.",
    }
}

/// `SeriesDescription_thickness_StudyDate`, as the original names its volumes: at most 80 characters, letters, digits,
/// `-`, `.` and `_` alone.
fn base_name(image: &ImageObject, series: &ImageSeries) -> String {
    let description = if image.description.is_empty() { &image.modality } else { &image.description };
    let thickness = (series.grid.spacing()[2] * 100.0).round() / 100.0;
    let date = if image.date.is_empty() { "nodate" } else { &image.date };
    let tail = sanitised(&format!("_{thickness}_{date}"));
    let head: String = sanitised(description).chars().take(80 - tail.chars().count().min(60)).collect();
    let name = format!("{head}{tail}");
    name.strip_prefix('.').map(|rest| format!("_{rest}")).unwrap_or(name)
}

fn sanitised(text: &str) -> String {
    let mut out = String::new();
    for c in text.trim().chars() {
        let c = if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '_' };
        if !(c == '_' && out.ends_with('_')) {
            out.push(c);
        }
    }
    out
}

fn unique_name(base: &str, taken: &mut BTreeSet<String>) -> String {
    let mut name = base.to_owned();
    let mut n = 1;
    while !taken.insert(name.to_lowercase()) {
        n += 1;
        name = format!("{base}_{n}");
    }
    name
}

fn sidecar(image: &ImageObject, series: &ImageSeries, name: &str) -> serde_json::Value {
    let instances: Vec<&str> = series.planes.iter().map(|p| p.uid.as_str()).collect();
    let positions: Vec<[f64; 3]> = series.planes.iter().map(|p| p.position).collect();
    let mut uids = instances.clone();
    uids.sort_unstable();
    uids.dedup();
    let sop_hash = blake3::hash(uids.join("\n").as_bytes()).to_hex().to_string();
    json!({
        "study_instance_uid": image.study_uid,
        "series_instance_uid": image.series_uid,
        "instances": instances,
        "modality": image.modality,
        "instance_count": instances.len(),
        "sop_hash": sop_hash,
        "nifti_path": format!("NIFTI/{name}.nii.gz"),
        "unit": unit_word(series.unit),
        "slice_positions_mm": positions,
        "interpolated_slices": series.interpolated,
        "uniform": series.uniform,
        "sheared": series.sheared,
        "left_out": series.other_stacks,
    })
}

fn findings(image: &ImageObject, series: &ImageSeries) -> Vec<Finding> {
    let mut out = Vec::new();
    if image.missing_slices > 0 {
        let n = image.missing_slices;
        let of = image.files.len() + n as usize;
        out.push(
            Finding::new(
                Level::Error,
                "image.missing_slices",
                format!("{n} of {of} slices of image {} are not in the export.", image.id),
                "Voxel masks and image features are incomplete; DVHs come from contours and dose and are not affected.",
            )
            .about(&image.id),
        );
    }
    for left in &series.other_stacks {
        out.push(
            Finding::new(
                Level::Caution,
                "image.stack_left_out",
                format!("A part of image {} is not in its volume: {left}.", image.id),
                "The series holds several stacks; the one that the structures refer to, else the largest, is used.",
            )
            .about(&image.id),
        );
    }
    if series.sheared {
        out.push(
            Finding::new(
                Level::Caution,
                "image.sheared",
                format!("Image {} has a tilted gantry.", image.id),
                "Its volume is sheared; programs that expect right angles must resample it.",
            )
            .about(&image.id),
        );
    }
    if !series.interpolated.is_empty() {
        let n = series.interpolated.len();
        out.push(
            Finding::new(
                Level::Caution,
                "image.interpolated_slices",
                format!("{n} slices of the volume of image {} are interpolated.", image.id),
                "No file holds them; values there are means of their neighbours.",
            )
            .about(&image.id),
        );
    }
    if !series.uniform {
        out.push(
            Finding::new(
                Level::Caution,
                "image.uneven_slices",
                format!("The slices of image {} are not equally spaced.", image.id),
                "Slices are missing or unequal; volumes on its voxels are approximate.",
            )
            .about(&image.id),
        );
    }
    let remarks: BTreeSet<(&str, &str)> = series.findings.iter().map(|f| (f.code.as_str(), f.text.as_str())).collect();
    for (code, text) in remarks {
        let what = if text.ends_with('.') { text.to_owned() } else { format!("{text}.") };
        out.push(
            Finding::new(Level::Note, &format!("image.{code}"), what, "The image was read all the same.")
                .about(&image.id),
        );
    }
    out
}

/// Row of the table `series`.
pub(super) fn row(patient_id: &str, course_id: &str, image: &ImageObject, failure: Option<&PartFailure>) -> SeriesRow {
    let text = |t: &str| (!t.is_empty()).then(|| t.to_owned());
    let grid = image.grid.as_ref();
    SeriesRow {
        patient_id: patient_id.to_owned(),
        course_id: course_id.to_owned(),
        image_id: text(&image.id),
        modality: text(&image.modality),
        series_uid: text(&image.series_uid),
        study_uid: text(&image.study_uid),
        frame_of_reference_uid: text(&image.frame_of_reference_uid),
        description: text(&image.description),
        date: text(&image.date),
        file_count: Some(image.files.len() as i64),
        grid_size: grid.map(|g| format!("{}x{}x{}", g.dims[0], g.dims[1], g.dims[2])),
        grid_spacing: grid.map(|g| g.spacing().map(super::short).join(" x ")),
        missing_slices: Some(i64::from(image.missing_slices)),
        unit: text(&image.unit),
        planning: Some(image.planning),
        nifti_path: image.nifti.as_ref().map(ToString::to_string),
        status: Some(if failure.is_some() { "failed" } else { "ok" }.to_owned()),
        reason: failure.map(|f| f.error.message.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sanitised_short_and_unique() {
        assert_eq!(sanitised("PLAN  (head/neck) é"), "PLAN_head_neck_");
        let mut taken = BTreeSet::new();
        assert_eq!(unique_name("CT_3_20240101", &mut taken), "CT_3_20240101");
        assert_eq!(unique_name("ct_3_20240101", &mut taken), "ct_3_20240101_2");
    }
}
