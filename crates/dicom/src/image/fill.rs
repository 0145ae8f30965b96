//! Pixel values of a stack.

use super::slice::Slice;
use super::suv::{SuvError, suv_factor};
use super::{ImageError, SeriesOptions, Unit};
use crate::Finding;
use crate::finding::note;
use crate::guard::{DataSet, Object};
use crate::header::ObjectKind;
use crate::pixels::{Layout, PixelError, each_value, frame_bytes, j2k_signed};
use dicom_dictionary_std::tags as t;
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// Value of CT voxels outside the scan field, HU.
const CT_PADDING_HU: f64 = -1024.0;

/// From which slices a slice of a regular grid comes: `(1 − weight)·lower + weight·upper`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Source {
    lower: usize,
    weight: f64,
}

impl Source {
    /// For the position `at` among ascending offsets.
    pub(super) fn at(at: f64, offsets: &[f64], tolerance: f64) -> Self {
        if let Some(k) = offsets.iter().position(|o| (o - at).abs() <= tolerance) {
            return Self { lower: k, weight: 0.0 };
        }
        let upper = offsets.partition_point(|o| *o < at).clamp(1, offsets.len() - 1);
        let (a, b) = (offsets[upper - 1], offsets[upper]);
        Self { lower: upper - 1, weight: ((at - a) / (b - a)).clamp(0.0, 1.0) }
    }

    /// The slice that is taken as it is.
    pub(super) fn exact(self) -> Option<usize> {
        (self.weight == 0.0).then_some(self.lower)
    }
}

/// Interpolates slices of `n` values.
pub(super) fn resample(values: &[f32], n: usize, sources: &[Source]) -> Vec<f32> {
    let mut out = vec![0f32; n * sources.len()];
    out.par_chunks_mut(n).zip(sources.par_iter()).for_each(|(to, s)| {
        let lower = &values[s.lower * n..(s.lower + 1) * n];
        if s.weight == 0.0 {
            to.copy_from_slice(lower);
            return;
        }
        let upper = &values[(s.lower + 1) * n..(s.lower + 2) * n];
        for ((t, a), b) in to.iter_mut().zip(lower).zip(upper) {
            *t = (f64::from(*a) * (1.0 - s.weight) + f64::from(*b) * s.weight) as f32;
        }
    });
    out
}

/// Values of a stack with what they mean.
pub(super) struct Filled {
    pub(super) values: Vec<f32>,
    pub(super) unit: Unit,
    pub(super) integer_valued: bool,
    pub(super) stored_range: [i64; 2],
}

/// Scale of one slice: stored value × slope + intercept.
#[derive(Clone, Copy)]
struct Scale {
    slope: f64,
    intercept: f64,
    ct: bool,
}

struct Job<'a> {
    path: &'a Path,
    slices: Vec<(usize, Scale, &'a mut [f32])>,
}

struct Facts {
    range: [i64; 2],
    lowest: f64,
    padded: usize,
    sign_clash: bool,
}

/// Reads and decodes all slices in parallel.
pub(super) fn fill(
    slices: &[Slice],
    options: &SeriesOptions,
    findings: &mut Vec<Finding>,
) -> Result<Filled, ImageError> {
    let n = slices[0].rows * slices[0].columns;
    let (unit, factors) = unit(slices, options, findings);
    let ct = matches!(slices[0].kind, ObjectKind::Ct | ObjectKind::EnhancedCt);
    if ct && slices.iter().any(|s| !s.has_rescale) {
        note(findings, "no_rescale", "rescale slope is missing; stored values were taken as HU");
    }
    let mut values = vec![0f32; n * slices.len()];
    let mut jobs: Vec<Job<'_>> = Vec::new();
    for ((s, out), factor) in slices.iter().zip(values.chunks_mut(n)).zip(&factors) {
        let scale = Scale { slope: s.slope * factor, intercept: s.intercept * factor, ct };
        match jobs.iter_mut().rev().take(1).find(|j| j.path == s.path) {
            Some(j) => j.slices.push((s.frame, scale, out)),
            None => jobs.push(Job { path: &s.path, slices: vec![(s.frame, scale, out)] }),
        }
    }
    let facts = jobs.into_par_iter().map(job).collect::<Result<Vec<_>, _>>()?;
    let range = facts.iter().fold([i64::MAX, i64::MIN], |r, f| [r[0].min(f.range[0]), r[1].max(f.range[1])]);
    let padded: usize = facts.iter().map(|f| f.padded).sum();
    let lowest = facts.iter().map(|f| f.lowest).fold(f64::INFINITY, f64::min);
    if padded > 0 {
        note(
            findings,
            "padding",
            format!("{padded} voxels outside the scan field (pixel padding) were set to {CT_PADDING_HU} HU"),
        );
    }
    if facts.iter().any(|f| f.sign_clash) {
        note(
            findings,
            "codestream_sign",
            "the JPEG 2000 code stream and Pixel Representation disagree about the sign; the object was believed",
        );
    }
    if unit == Unit::Hu && lowest >= 0.0 {
        note(findings, "no_air", format!("the lowest value is {lowest} HU: the rescale intercept may be wrong"));
    }
    let whole = |v: f64| v.fract() == 0.0;
    let integer_valued = slices.iter().zip(&factors).all(|(s, f)| whole(s.slope * f) && whole(s.intercept * f));
    Ok(Filled { values, unit, integer_valued, stored_range: range })
}

/// The unit of the values and the factor of each slice.
fn unit(slices: &[Slice], options: &SeriesOptions, findings: &mut Vec<Finding>) -> (Unit, Vec<f64>) {
    let ones = vec![1.0; slices.len()];
    match slices[0].kind {
        ObjectKind::Ct | ObjectKind::EnhancedCt => {
            let hu = slices.iter().all(|s| s.rescale_type.as_deref().is_none_or(|t| t == "HU" || t == "US"));
            if !hu {
                note(findings, "rescale_type", "RescaleType says that the values are no Hounsfield units");
            }
            (if hu { Unit::Hu } else { Unit::Arbitrary }, ones)
        }
        ObjectKind::Pet => pet(slices, options, findings),
        ObjectKind::EnhancedPet => {
            note(findings, "no_suv", "SUV are not computed for enhanced PET; values are as stored");
            (Unit::Arbitrary, ones)
        }
        _ => (Unit::Arbitrary, ones),
    }
}

fn pet(slices: &[Slice], options: &SeriesOptions, findings: &mut Vec<Finding>) -> (Unit, Vec<f64>) {
    let ones = vec![1.0; slices.len()];
    let activity = slices.iter().all(|s| s.pet.as_ref().is_some_and(|p| p.units.as_deref() == Some("BQML")));
    let stored = if activity { Unit::BqMl } else { Unit::Arbitrary };
    if options.keep_activity {
        return (stored, ones);
    }
    let earliest = slices.iter().filter_map(|s| s.pet.as_ref()?.acquisition).min_by(f64::total_cmp);
    let factors: Result<Vec<f64>, SuvError> = slices
        .iter()
        .map(|s| {
            let facts = s.pet.as_ref().ok_or(SuvError::Units("missing".into()))?;
            let f = suv_factor(facts, earliest)?;
            for x in f.findings {
                note(findings, &x.code, x.text);
            }
            Ok(f.factor)
        })
        .collect();
    match factors {
        Ok(f) => (Unit::SuvBw, f),
        Err(e) => {
            note(findings, "no_suv", format!("SUV cannot be computed: {e}; values are as stored"));
            (stored, ones)
        }
    }
}

fn job(job: Job<'_>) -> Result<Facts, ImageError> {
    let path: PathBuf = job.path.to_owned();
    let o = Object::read(job.path)?;
    let error = |e: PixelError| match e {
        PixelError::Syntax(uid) => ImageError::UnsupportedSyntax { path: path.clone(), uid },
        e => ImageError::Pixels { path: path.clone(), what: e.to_string() },
    };
    let layout = Layout::of(&o).map_err(error)?;
    let padding = padding(&o.data, layout.signed);
    let mut facts = Facts {
        range: [i64::MAX, i64::MIN],
        lowest: f64::INFINITY,
        padded: 0,
        sign_clash: j2k_signed(&o).is_some_and(|s| s != layout.signed),
    };
    for (frame, scale, out) in job.slices {
        let bytes = frame_bytes(&o, &layout, frame).map_err(error)?;
        let mut to = out.iter_mut();
        each_value(&bytes, &layout, |v| {
            facts.range = [facts.range[0].min(v), facts.range[1].max(v)];
            let mut x = v as f64 * scale.slope + scale.intercept;
            if scale.ct && x < CT_PADDING_HU && padding.is_some_and(|[a, b]| a <= v && v <= b) {
                x = CT_PADDING_HU;
                facts.padded += 1;
            }
            facts.lowest = facts.lowest.min(x);
            if let Some(t) = to.next() {
                *t = x as f32;
            }
        })
        .map_err(error)?;
    }
    Ok(facts)
}

/// Pixel Padding Value and Range Limit as a closed range of stored values.
fn padding(d: &DataSet, signed: bool) -> Option<[i64; 2]> {
    let value = |tag| d.u16(tag).map(|v| if signed { i64::from(v as i16) } else { i64::from(v) });
    let a = value(t::PIXEL_PADDING_VALUE)?;
    let b = value(t::PIXEL_PADDING_RANGE_LIMIT).unwrap_or(a);
    Some([a.min(b), a.max(b)])
}
