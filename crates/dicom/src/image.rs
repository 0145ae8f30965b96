//! Image series as volumes.

mod fill;
mod slice;
mod stack;
pub mod suv;

use crate::finding::note;
use crate::geometry::{dot, sub};
use crate::{Finding, guard::OpenError};
use rayon::prelude::*;
use rtpipeline_geometry::{Grid, Volume};
use serde::{Deserialize, Serialize};
use slice::{Slice, read_slices};
use stack::Stack;
use std::path::PathBuf;

/// One file of a series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesFile {
    /// The file.
    pub path: PathBuf,
}

/// How to read a series.
#[derive(Clone, Debug, Default)]
pub struct SeriesOptions {
    /// SOP Instance UIDs that a structure set refers to: the stack that holds most of them is taken.
    pub prefer: Vec<String>,
    /// Leave PET values as stored after rescale (Bq/ml) instead of turning them to SUVbw.
    pub keep_activity: bool,
}

/// What the voxel values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Hounsfield units.
    Hu,
    /// Standardized uptake value by body weight, g/ml.
    SuvBw,
    /// Activity concentration, Bq/ml.
    BqMl,
    /// Stored values after rescale, without a unit (MR, others).
    Arbitrary,
}

/// One volume read from a series.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageSeries {
    /// Where the voxels are: equal to `volume.grid`.
    pub grid: Grid,
    /// Values with `i` fastest.
    pub volume: Volume<f32>,
    /// Unit of the values.
    pub unit: Unit,
    /// SOP Instance UID of each slice of the volume, in the order of `k`; empty for interpolated slices.
    pub slice_uids: Vec<String>,
    /// The slices that were read, along the normal.
    pub planes: Vec<SlicePlane>,
    /// Indices `k` of slices that no file holds: linear interpolations between their neighbours, because the distances of
    /// the slices are not equal.
    pub interpolated: Vec<usize>,
    /// Whether all slices have the same distance (within max(0.01 mm, 1 %)).
    pub uniform: bool,
    /// Whether the stack is sheared (gantry tilt).
    pub sheared: bool,
    /// Whether all values are integers.
    pub integer_valued: bool,
    /// Smallest and largest stored value before rescale.
    pub stored_range: [i64; 2],
    /// Stacks of the same series that were left out, in words.
    pub other_stacks: Vec<String>,
    /// Remarks.
    pub findings: Vec<Finding>,
}

/// One slice as it was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SlicePlane {
    /// SOP Instance UID.
    pub uid: String,
    /// Frame within the file, from 0.
    pub frame: usize,
    /// The file.
    pub path: PathBuf,
    /// Image position (patient), mm LPS.
    pub position: [f64; 3],
    /// Distance from the first slice along the normal, mm.
    pub offset: f64,
}

/// Why a series is no volume.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ImageError {
    /// No file was given, or none is an image with pixels and geometry.
    #[error("no image with pixel data and geometry among {files} files: {detail}")]
    Empty {
        /// Number of files.
        files: usize,
        /// The first reason.
        detail: String,
    },
    /// A file cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Pixel data in a transfer syntax without a decoder.
    #[error("{path}: unsupported transfer syntax {uid}")]
    UnsupportedSyntax {
        /// The file.
        path: PathBuf,
        /// Transfer Syntax UID.
        uid: String,
    },
    /// Pixel data are damaged.
    #[error("{path}: {what}")]
    Pixels {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The slices do not make a volume.
    #[error("not a volume: {0}")]
    NotAVolume(String),
}

impl From<PathBuf> for SeriesFile {
    fn from(path: PathBuf) -> Self {
        Self { path }
    }
}

/// Reads the files of one series into a volume: the largest consistent stack of slices.
pub fn read_series(files: &[SeriesFile]) -> Result<ImageSeries, ImageError> {
    read_series_with(files, &SeriesOptions::default())
}

/// Reads the files of one series with options.
///
/// Slices are grouped by size, spacing and orientation, several images at one position are told apart by temporal
/// position, acquisition, trigger time or echo, and one stack is read; what was left out is in
/// [`ImageSeries::other_stacks`]. Order comes from positions along row × column, never from numbers or names.
pub fn read_series_with(files: &[SeriesFile], options: &SeriesOptions) -> Result<ImageSeries, ImageError> {
    let read: Vec<_> = files.par_iter().map(|f| read_slices(&f.path)).collect();
    let mut findings = Vec::new();
    let mut slices: Vec<Slice> = Vec::new();
    let mut first_error = None;
    for (f, r) in files.iter().zip(read) {
        match r {
            Ok(s) => slices.extend(s),
            Err(e) => {
                let name = f.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                note(&mut findings, "file_left_out", format!("{name}: {}", without_path(&e)));
                first_error.get_or_insert(e);
            }
        }
    }
    if slices.is_empty() {
        return Err(first_error.unwrap_or(ImageError::Empty { files: files.len(), detail: "nothing was given".into() }));
    }
    // The order of the files must not matter.
    slices.sort_by(|a, b| (&a.path, a.frame).cmp(&(&b.path, b.frame)));
    let (stack, other_stacks) = stack::choose(slices, &options.prefer, &mut findings)?;
    build(stack, other_stacks, options, findings)
}

fn without_path(e: &ImageError) -> String {
    match e {
        ImageError::Pixels { what, .. } => what.clone(),
        ImageError::UnsupportedSyntax { uid, .. } => format!("unsupported transfer syntax {uid}"),
        ImageError::Open(OpenError::NotDicom { reason, .. }) => format!("not DICOM: {reason}"),
        ImageError::Open(OpenError::Damaged { fault, .. }) => fault.to_string(),
        ImageError::Open(OpenError::Io { message, .. }) => message.clone(),
        e => e.to_string(),
    }
}

fn build(
    stack: Stack,
    other_stacks: Vec<String>,
    options: &SeriesOptions,
    mut findings: Vec<Finding>,
) -> Result<ImageSeries, ImageError> {
    let layout = stack::lay_out(&stack, &mut findings)?;
    let mut filled = fill::fill(&stack.slices, options, &mut findings)?;
    let first = &stack.slices[0];
    let n = first.rows * first.columns;
    let planes: Vec<SlicePlane> = stack
        .slices
        .iter()
        .map(|s| SlicePlane {
            uid: s.uid.clone(),
            frame: s.frame,
            path: s.path.clone(),
            position: s.plane.origin,
            offset: dot(sub(s.plane.origin, first.plane.origin), first.plane.normal),
        })
        .collect();
    let mut slice_uids: Vec<String> = planes.iter().map(|p| p.uid.clone()).collect();
    let mut interpolated = Vec::new();
    if let Some(sources) = &layout.resample {
        filled.values = fill::resample(&filled.values, n, sources);
        slice_uids = sources.iter().map(|s| s.exact().map(|k| planes[k].uid.clone()).unwrap_or_default()).collect();
        interpolated = (0..sources.len()).filter(|&k| sources[k].exact().is_none()).collect();
    }
    let data = ndarray::Array3::from_shape_vec(layout.grid.shape(), filled.values)
        .map_err(|e| ImageError::NotAVolume(e.to_string()))?;
    Ok(ImageSeries {
        volume: Volume { grid: layout.grid.clone(), data },
        grid: layout.grid,
        unit: filled.unit,
        slice_uids,
        planes,
        uniform: layout.resample.is_none(),
        integer_valued: filled.integer_valued && interpolated.is_empty(),
        interpolated,
        sheared: layout.sheared,
        stored_range: filled.stored_range,
        other_stacks,
        findings,
    })
}
