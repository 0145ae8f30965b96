//! The dose grid: geometry, plane offsets and values.

use crate::finding::note;
use crate::geometry::Frame;
use crate::guard::Object;
use crate::pixels::{Layout, PixelError, each_value, frame_bytes};
use crate::{Finding, ReadError};
use dicom_dictionary_std::tags as t;
use ndarray::Array3;
use rayon::prelude::*;
use rtpipeline_geometry::DoseGrid;

/// How far an absolute offset may be from the image position, mm.
const ABSOLUTE_MM: f64 = 0.01;

/// Reads the grid; also returns the smallest and largest value in double precision.
pub(super) fn read(
    o: &Object,
    scaling: Option<f64>,
    findings: &mut Vec<Finding>,
) -> Result<(DoseGrid, f64, f64), ReadError> {
    let invalid = |what: String| ReadError::Invalid { path: o.path.clone(), what };
    let d = &o.data;
    let scaling = scaling
        .ok_or_else(|| invalid("DoseGridScaling is missing or unreadable: stored values have no meaning".into()))?;
    if scaling <= 0.0 {
        return Err(invalid(format!("DoseGridScaling is {scaling}; it must be positive")));
    }
    if let Some(text) = d.code(t::NUMBER_OF_FRAMES)
        && d.int(t::NUMBER_OF_FRAMES).is_none_or(|n| n < 1)
    {
        return Err(invalid(format!("NumberOfFrames is \"{text}\"")));
    }
    let pixel_error = |e: PixelError| match e {
        PixelError::Syntax(uid) => ReadError::UnsupportedSyntax { path: o.path.clone(), uid },
        e => invalid(format!("pixel data: {e}")),
    };
    let layout = Layout::of(o).map_err(pixel_error)?;
    if layout.samples != 1 {
        return Err(invalid(format!("{} samples per pixel; a dose has 1", layout.samples)));
    }
    let frame = Frame::of(d).map_err(|what| invalid(format!("the dose grid has no geometry: {what}")))?;
    for f in &frame.findings {
        note(findings, &f.code, f.text.clone());
    }
    let offsets = offsets(o, &layout, &frame, findings).map_err(invalid)?;
    let mut order: Vec<usize> = (0..offsets.len()).collect();
    order.sort_by(|&a, &b| offsets[a].total_cmp(&offsets[b]));
    let sorted: Vec<f64> = order.iter().map(|&i| offsets[i]).collect();
    if sorted.windows(2).any(|w| w[1] - w[0] < 1e-6) {
        return Err(invalid("GridFrameOffsetVector holds the same position twice".into()));
    }
    if !order.is_sorted() {
        note(findings, "descending_offsets", "the planes are not in the order of the frame normal; they were sorted");
    }
    irregular(&sorted, findings);
    let n = layout.rows * layout.columns;
    let mut values = vec![0f32; n * offsets.len()];
    let extremes = values
        .par_chunks_mut(n)
        .zip(order.par_iter())
        .map(|(plane, &k)| -> Result<(f64, f64), PixelError> {
            let bytes = frame_bytes(o, &layout, k)?;
            let (mut lo, mut hi) = (f64::INFINITY, f64::NEG_INFINITY);
            let mut out = plane.iter_mut();
            each_value(&bytes, &layout, |v| {
                let x = v as f64 * scaling;
                lo = lo.min(x);
                hi = hi.max(x);
                if let Some(o) = out.next() {
                    *o = x as f32;
                }
            })?;
            Ok((lo, hi))
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(pixel_error)?;
    let (lo, hi) = extremes.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &(l, h)| (a.min(l), b.max(h)));
    let values = Array3::from_shape_vec((offsets.len(), layout.rows, layout.columns), values)
        .map_err(|e| invalid(format!("dose array: {e}")))?;
    let grid = DoseGrid::new(frame.origin, frame.row_step, frame.col_step, frame.normal, sorted, values)
        .map_err(|e| invalid(e.to_string()))?;
    Ok((grid, lo, hi))
}

/// Plane positions along the frame normal, relative to Image Position (Patient), in the order of the frames.
fn offsets(o: &Object, layout: &Layout, frame: &Frame, findings: &mut Vec<Finding>) -> Result<Vec<f64>, String> {
    let written = o.data.numbers(t::GRID_FRAME_OFFSET_VECTOR);
    if written.iter().any(Option::is_none) {
        return Err("GridFrameOffsetVector holds something that is no number".into());
    }
    let v: Vec<f64> = written.into_iter().flatten().collect();
    if layout.frames == 1 {
        if v.len() > 1 {
            note(findings, "offset_count", format!("GridFrameOffsetVector has {} values for one frame", v.len()));
        }
        return Ok(vec![0.0]);
    }
    if v.is_empty() {
        return Err(format!(
            "GridFrameOffsetVector is missing although there are {} frames: their positions are unknown",
            layout.frames
        ));
    }
    if v.len() != layout.frames {
        return Err(format!("GridFrameOffsetVector has {} values for {} frames", v.len(), layout.frames));
    }
    if v[0].abs() <= 1e-9 {
        return Ok(v);
    }
    // Absolute positions (PS3.3 C.8.8.3.2, second form): only for transverse planes.
    let transverse = frame.normal[2].abs() > 1.0 - 1e-6;
    if transverse && (v[0] - frame.origin[2]).abs() <= ABSOLUTE_MM {
        let sign = frame.normal[2].signum();
        return Ok(v.iter().map(|z| (z - v[0]) * sign).collect());
    }
    Err(format!(
        "GridFrameOffsetVector begins with {}, which is neither 0 nor the z of ImagePositionPatient ({})",
        v[0], frame.origin[2]
    ))
}

fn irregular(sorted: &[f64], findings: &mut Vec<Finding>) {
    let mut gaps: Vec<f64> = sorted.windows(2).map(|w| w[1] - w[0]).collect();
    gaps.sort_by(f64::total_cmp);
    if let (Some(a), Some(b)) = (gaps.first(), gaps.last())
        && b - a > f64::max(0.01, 0.01 * gaps[gaps.len() / 2])
    {
        note(
            findings,
            "irregular_offsets",
            format!("plane distances run from {a} to {b} mm; the true planes are used"),
        );
    }
}
