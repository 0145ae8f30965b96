//! Structure sets.

use super::encode::{Build, IMPLICIT, finish, identify};
use super::source::{SourceImage, SourceImages};
use super::{WriteError, Written, push_decimal};
use crate::geometry::{dot, sub};
use dicom_core::VR;
use dicom_dictionary_std::tags as t;
use rtpipeline_geometry::Contour;
use std::collections::HashSet;
use std::path::Path;

const CLASS: &str = "1.2.840.10008.5.1.4.1.1.481.3";
/// Detached Study Management, the class by which RTSTRUCT refers to a study.
const STUDY_CLASS: &str = "1.2.840.10008.3.1.2.3.1";
/// Decimals of coordinates: 0.0001 mm.
const DECIMALS: usize = 4;

/// One structure to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct StructureSpec {
    /// Name; a name that occurs again gets `_2`, `_3`, …; longer than 64 characters is cut.
    pub name: String,
    /// Contours, mm LPS. Closed ones of fewer than 3 points are left out.
    pub contours: Vec<Contour>,
    /// Display colour.
    pub color: [u8; 3],
    /// RT ROI interpreted type such as ORGAN, PTV, EXTERNAL; may be empty.
    pub interpreted_type: String,
    /// AUTOMATIC, SEMIAUTOMATIC, MANUAL or empty.
    pub algorithm: String,
    /// ROI number; if it is `None` or taken already, the next free one.
    pub number: Option<i64>,
}

/// A structure set to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct StructureSetSpec<'a> {
    /// Label, at most 16 characters.
    pub label: &'a str,
    /// Series description.
    pub description: &'a str,
    /// Date, YYYYMMDD; empty: the study date.
    pub date: &'a str,
    /// Time, HHMMSS; empty: the study time.
    pub time: &'a str,
    /// Series number.
    pub series_number: i64,
    /// The images on which the contours lie.
    pub images: &'a SourceImages,
    /// The structures.
    pub structures: &'a [StructureSpec],
}

/// Writes a structure set in Implicit VR Little Endian; series and instance UIDs follow from the content.
pub fn write_structure_set(path: &Path, spec: &StructureSetSpec<'_>) -> Result<Written, WriteError> {
    let invalid = |what: String| WriteError::Invalid { path: path.to_owned(), what };
    let s = spec.images;
    if s.frame_of_reference_uid.is_empty() {
        return Err(invalid("the images have no Frame of Reference UID, without which contours have no place".into()));
    }
    let mut b = s.begin("RTSTRUCT");
    s.frame(&mut b);
    let pick = |own: &str, study: &str| if own.is_empty() { study.to_owned() } else { own.to_owned() };
    b.int(t::SERIES_NUMBER, spec.series_number)
        .one(t::SERIES_DESCRIPTION, VR::LO, spec.description)
        .one(t::STRUCTURE_SET_LABEL, VR::SH, spec.label)
        .text(t::STRUCTURE_SET_DATE, VR::DA, &pick(spec.date, &s.study_date))
        .text(t::STRUCTURE_SET_TIME, VR::TM, &pick(spec.time, &s.study_time))
        .int(t::INSTANCE_NUMBER, 1)
        .text(t::APPROVAL_STATUS, VR::CS, "UNAPPROVED");
    let study = b.code(t::STUDY_INSTANCE_UID).unwrap_or_default();
    b.items(t::REFERENCED_FRAME_OF_REFERENCE_SEQUENCE, vec![frame_of_reference(s, &study)]);
    let numbers = numbers(spec.structures);
    let names = names(spec.structures);
    let (mut rois, mut contours, mut observations) = (Vec::new(), Vec::new(), Vec::new());
    for ((st, &number), name) in spec.structures.iter().zip(&numbers).zip(&names) {
        let mut r = Build::default();
        r.int(t::ROI_NUMBER, number)
            .uid(t::REFERENCED_FRAME_OF_REFERENCE_UID, &s.frame_of_reference_uid)
            .one(t::ROI_NAME, VR::LO, name)
            .text(t::ROI_GENERATION_ALGORITHM, VR::CS, &st.algorithm);
        rois.push(r);
        contours.push(roi_contours(st, number, s).map_err(|what| invalid(format!("structure {name}: {what}")))?);
        let mut o = Build::default();
        o.int(t::OBSERVATION_NUMBER, number)
            .int(t::REFERENCED_ROI_NUMBER, number)
            .text(t::RTROI_INTERPRETED_TYPE, VR::CS, &st.interpreted_type)
            .text(t::ROI_INTERPRETER, VR::PN, "");
        observations.push(o);
    }
    if rois.is_empty() {
        return Err(invalid("a structure set needs at least one structure".into()));
    }
    b.items(t::STRUCTURE_SET_ROI_SEQUENCE, rois)
        .items(t::ROI_CONTOUR_SEQUENCE, contours)
        .items(t::RTROI_OBSERVATIONS_SEQUENCE, observations);
    identify(&mut b, CLASS, &s.series_uid).map_err(invalid)?;
    finish(path, CLASS, IMPLICIT, b)
}

fn reference(i: &SourceImage) -> Build {
    let mut b = Build::default();
    b.uid(t::REFERENCED_SOP_CLASS_UID, &i.sop_class_uid).uid(t::REFERENCED_SOP_INSTANCE_UID, &i.sop_instance_uid);
    b
}

fn frame_of_reference(s: &SourceImages, study: &str) -> Build {
    let mut frame = Build::default();
    frame.uid(t::FRAME_OF_REFERENCE_UID, &s.frame_of_reference_uid);
    let images: Vec<Build> = s.images.iter().filter(|i| !i.sop_instance_uid.is_empty()).map(reference).collect();
    if s.series_uid.is_empty() || images.is_empty() {
        return frame;
    }
    let mut series = Build::default();
    series.uid(t::SERIES_INSTANCE_UID, &s.series_uid).items(t::CONTOUR_IMAGE_SEQUENCE, images);
    let mut st = Build::default();
    st.uid(t::REFERENCED_SOP_CLASS_UID, STUDY_CLASS)
        .uid(t::REFERENCED_SOP_INSTANCE_UID, study)
        .items(t::RT_REFERENCED_SERIES_SEQUENCE, vec![series]);
    frame.items(t::RT_REFERENCED_STUDY_SEQUENCE, vec![st]);
    frame
}

fn numbers(structures: &[StructureSpec]) -> Vec<i64> {
    let mut used: HashSet<i64> = HashSet::new();
    let wished: Vec<Option<i64>> = structures.iter().map(|s| s.number.filter(|&n| n >= 0 && used.insert(n))).collect();
    let mut next = used.iter().max().copied().unwrap_or(0) + 1;
    wished
        .into_iter()
        .map(|w| {
            w.unwrap_or_else(|| {
                next += 1;
                next - 1
            })
        })
        .collect()
}

fn names(structures: &[StructureSpec]) -> Vec<String> {
    let mut used: HashSet<String> = HashSet::new();
    structures
        .iter()
        .map(|s| {
            let clean: String = s.name.trim().chars().filter(|c| !c.is_control()).collect();
            let base = if clean.is_empty() { "ROI".to_owned() } else { clean };
            let mut name: String = base.chars().take(64).collect();
            let mut n = 1;
            while !used.insert(name.to_lowercase()) {
                n += 1;
                let end = format!("_{n}");
                name = base.chars().take(64 - end.len()).collect::<String>() + &end;
            }
            name
        })
        .collect()
}

fn roi_contours(st: &StructureSpec, number: i64, s: &SourceImages) -> Result<Build, String> {
    let mut b = Build::default();
    let color = st.color.map(|c| c.to_string()).join("\\");
    b.int(t::REFERENCED_ROI_NUMBER, number).text(t::ROI_DISPLAY_COLOR, VR::IS, &color);
    let mut items = Vec::new();
    for c in &st.contours {
        if c.points.is_empty() || (c.kind.is_closed() && c.points.len() < 3) {
            continue;
        }
        let mut text = String::with_capacity(c.points.len() * 24);
        for v in c.points.iter().flatten() {
            if !text.is_empty() {
                text.push('\\');
            }
            if !push_decimal(&mut text, *v, DECIMALS) {
                return Err(format!("the coordinate {v} cannot be written"));
            }
        }
        let mut i = Build::default();
        if let Some(image) = nearest(s, c) {
            i.items(t::CONTOUR_IMAGE_SEQUENCE, vec![reference(image)]);
        }
        i.text(t::CONTOUR_GEOMETRIC_TYPE, VR::CS, c.kind.keyword())
            .int(t::NUMBER_OF_CONTOUR_POINTS, c.points.len() as i64)
            .decimal_text(t::CONTOUR_DATA, text);
        items.push(i);
    }
    // An empty sequence is an error to some systems.
    if !items.is_empty() {
        b.items(t::CONTOUR_SEQUENCE, items);
    }
    Ok(b)
}

/// The image whose plane the contour lies in, to within half a slice.
fn nearest<'a>(s: &'a SourceImages, c: &Contour) -> Option<&'a SourceImage> {
    let at = dot(c.points[0], s.normal);
    let distance = |i: &SourceImage| (dot(i.position, s.normal) - at).abs();
    let best = s
        .images
        .iter()
        .filter(|i| i.position.iter().all(|v| v.is_finite()) && !i.sop_instance_uid.is_empty())
        .min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
    let gap = s
        .images
        .iter()
        .map(|i| dot(sub(i.position, best.position), s.normal).abs())
        .filter(|d| *d > 1e-3)
        .fold(f64::INFINITY, f64::min);
    let reach = if gap.is_finite() { gap / 2.0 + 1e-3 } else { 1.0 };
    (distance(best) <= reach).then_some(best)
}
