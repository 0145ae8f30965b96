//! Doses.

use super::encode::{Build, IMPLICIT, finish, identify};
use super::source::SourceImages;
use super::{WriteError, Written};
use crate::geometry::{cross, dot, norm, unit};
use dicom_core::VR;
use dicom_dictionary_std::tags as t;
use rtpipeline_geometry::DoseGrid;
use std::path::Path;

const CLASS: &str = "1.2.840.10008.5.1.4.1.1.481.2";
const PLAN_CLASS: &str = "1.2.840.10008.5.1.4.1.1.481.5";

/// A dose to be written.
#[derive(Clone, Debug)]
pub struct DoseSpec<'a> {
    /// Patient, study and frame of reference.
    pub images: &'a SourceImages,
    /// Dose in Gy.
    pub grid: &'a DoseGrid,
    /// Dose summation type: PLAN, MULTI_PLAN, …
    pub summation_type: &'a str,
    /// Dose type: PHYSICAL, EFFECTIVE.
    pub dose_type: &'a str,
    /// SOP Instance UIDs of the plans.
    pub plan_uids: &'a [String],
    /// Series description.
    pub description: &'a str,
    /// Series number.
    pub series_number: i64,
}

/// Writes a dose with 32-bit values; the scaling uses their whole range, so that rounding stays below 1e-9 of the maximum.
pub fn write_dose(path: &Path, spec: &DoseSpec<'_>) -> Result<Written, WriteError> {
    let invalid = |what: String| WriteError::Invalid { path: path.to_owned(), what };
    let g = spec.grid;
    let (planes, rows, columns) = g.values.dim();
    let size = |v: usize| u16::try_from(v).map_err(|_| invalid(format!("{v} rows or columns")));
    let (rows, columns) = (size(rows)?, size(columns)?);
    let maximum = g.values.iter().fold(0f32, |m, v| m.max(*v));
    if g.values.iter().any(|v| !v.is_finite() || *v < 0.0) {
        return Err(invalid("the dose holds negative or unknown values".into()));
    }
    let wanted = if maximum > 0.0 { f64::from(maximum) / f64::from(u32::MAX - 1) } else { 1e-6 };
    // The scaling is rounded up to what fits 16 bytes, so that the maximum stays within the range.
    let text = format!("{wanted:.8e}");
    let mut scaling: f64 = text.parse().map_err(|_| invalid(format!("scaling {text}")))?;
    if scaling < wanted {
        scaling *= 1.0 + 1e-8;
    }
    let text = format!("{scaling:.8e}");
    let scaling: f64 = text.parse().map_err(|_| invalid(format!("scaling {text}")))?;
    let mut pixels = Vec::with_capacity(planes * usize::from(rows) * usize::from(columns) * 4);
    // Frames run along row × column from the first; the grid's normal may be opposite.
    let normal = unit(cross(g.row_step, g.col_step));
    let forward = dot(normal, g.normal) > 0.0;
    let order: Vec<usize> = if forward { (0..planes).collect() } else { (0..planes).rev().collect() };
    for &k in &order {
        for v in g.values.index_axis(ndarray::Axis(0), k) {
            let stored = (f64::from(*v) / scaling).round().min(f64::from(u32::MAX)) as u32;
            pixels.extend_from_slice(&stored.to_le_bytes());
        }
    }
    let first = g.voxel_centre([0, 0, order[0]]);
    let base = g.offsets[order[0]];
    let offsets: Vec<f64> = order.iter().map(|&k| (g.offsets[k] - base).abs()).collect();
    let mut b = spec.images.begin("RTDOSE");
    spec.images.frame(&mut b);
    let (r, c) = (unit(g.row_step), unit(g.col_step));
    b.int(t::SERIES_NUMBER, spec.series_number)
        .int(t::INSTANCE_NUMBER, 1)
        .one(t::SERIES_DESCRIPTION, VR::LO, spec.description)
        .u16(t::SAMPLES_PER_PIXEL, 1)
        .text(t::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2")
        .int(t::NUMBER_OF_FRAMES, planes as i64)
        .pointer(t::FRAME_INCREMENT_POINTER, t::GRID_FRAME_OFFSET_VECTOR)
        .u16(t::ROWS, rows)
        .u16(t::COLUMNS, columns)
        .u16(t::BITS_ALLOCATED, 32)
        .u16(t::BITS_STORED, 32)
        .u16(t::HIGH_BIT, 31)
        .u16(t::PIXEL_REPRESENTATION, 0)
        .text(t::DOSE_UNITS, VR::CS, "GY")
        .text(t::DOSE_TYPE, VR::CS, spec.dose_type)
        .text(t::DOSE_SUMMATION_TYPE, VR::CS, spec.summation_type)
        .decimal_text(t::DOSE_GRID_SCALING, text)
        .pixels(pixels)
        .map_err(invalid)?;
    b.decimals(t::IMAGE_POSITION_PATIENT, &first)
        .and_then(|b| b.decimals(t::IMAGE_ORIENTATION_PATIENT, &[r[0], r[1], r[2], c[0], c[1], c[2]]))
        .and_then(|b| b.decimals(t::PIXEL_SPACING, &[norm(g.col_step), norm(g.row_step)]))
        .and_then(|b| b.decimals(t::GRID_FRAME_OFFSET_VECTOR, &offsets))
        .map_err(invalid)?;
    let thickness = offsets.get(1).copied();
    match thickness {
        Some(v) => b.decimals(t::SLICE_THICKNESS, &[v]).map_err(invalid)?,
        None => b.text(t::SLICE_THICKNESS, VR::DS, ""),
    };
    if !spec.plan_uids.is_empty() {
        let plans = spec
            .plan_uids
            .iter()
            .map(|u| {
                let mut p = Build::default();
                p.uid(t::REFERENCED_SOP_CLASS_UID, PLAN_CLASS).uid(t::REFERENCED_SOP_INSTANCE_UID, u);
                p
            })
            .collect();
        b.items(t::REFERENCED_RT_PLAN_SEQUENCE, plans);
    }
    identify(&mut b, CLASS, &spec.images.series_uid).map_err(invalid)?;
    finish(path, CLASS, IMPLICIT, b)
}
