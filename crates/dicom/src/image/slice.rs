//! One slice: geometry and facts from the header, single or multi-frame.

use super::ImageError;
use super::suv::PetFacts;
use crate::geometry::Frame;
use crate::guard::{DataSet, OpenError, Opened, Want, open_header};
use crate::header::ObjectKind;
use crate::pixels;
use dicom_core::Tag;
use dicom_dictionary_std::tags as t;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A slice before its pixels are read.
#[derive(Clone, Debug)]
pub(super) struct Slice {
    pub(super) path: PathBuf,
    pub(super) frame: usize,
    pub(super) uid: String,
    pub(super) kind: ObjectKind,
    pub(super) frame_of_reference: String,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) plane: Frame,
    pub(super) thickness: Option<f64>,
    pub(super) slope: f64,
    pub(super) intercept: f64,
    pub(super) has_rescale: bool,
    pub(super) rescale_type: Option<String>,
    /// What may tell images at one position apart, in the order in which it is tried.
    pub(super) keys: Keys,
    pub(super) pet: Option<Arc<PetFacts>>,
}

/// Attributes by which images at one position can differ.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Keys {
    pub(super) temporal: Option<i64>,
    pub(super) acquisition: Option<i64>,
    pub(super) trigger: Option<f64>,
    /// Phase of the heart cycle, from 0.
    pub(super) phase: Option<i64>,
    pub(super) echo: Option<f64>,
    pub(super) b_value: Option<f64>,
    pub(super) comments: Option<String>,
    pub(super) image_type: String,
    pub(super) acquisition_time: Option<String>,
    pub(super) content_time: Option<String>,
    pub(super) instance: Option<i64>,
}

fn policy(_: usize, tag: Tag) -> Want {
    match tag {
        t::ICON_IMAGE_SEQUENCE => Want::Skip,
        // Private groups are of no use but for the scale factors of PET.
        Tag(g, _) if g % 2 == 1 && g != 0x7053 && g != 0x0009 => Want::Skip,
        _ => Want::Keep,
    }
}

/// Reads the slices of one file without its pixels.
pub(super) fn read_slices(path: &Path) -> Result<Vec<Slice>, ImageError> {
    let io = |e: std::io::Error| OpenError::Io { path: path.to_owned(), message: e.to_string() };
    let file = std::fs::File::open(path).map_err(io)?;
    let len = file.metadata().map_err(io)?.len();
    let o = open_header(file, len, policy).map_err(|reason| OpenError::NotDicom { path: path.to_owned(), reason })?;
    if let Some(fault) = o.fault {
        return Err(OpenError::Damaged { path: path.to_owned(), fault }.into());
    }
    let bad = |what: &str| ImageError::Pixels { path: path.to_owned(), what: what.to_owned() };
    let d = &o.data;
    let Some(place) = &o.pixels else { return Err(bad("no pixel data")) };
    if place.encapsulated && !pixels::can_decode(&o.transfer_syntax) {
        return Err(ImageError::UnsupportedSyntax { path: path.to_owned(), uid: o.transfer_syntax.clone() });
    }
    if place.cut {
        return Err(bad("truncated pixel data"));
    }
    if d.u16(t::SAMPLES_PER_PIXEL).is_some_and(|s| s != 1) {
        return Err(bad("a colour image"));
    }
    let (rows, columns) = (d.u16(t::ROWS).unwrap_or(0), d.u16(t::COLUMNS).unwrap_or(0));
    if rows == 0 || columns == 0 {
        return Err(bad("Rows or Columns is missing"));
    }
    if !d.items(t::MODALITY_LUT_SEQUENCE).is_empty() {
        return Err(bad("values are given by a Modality LUT, which is not supported"));
    }
    let per_frame = d.items(t::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
    let frames = d.int(t::NUMBER_OF_FRAMES).unwrap_or(1).max(1) as usize;
    let base = |o: &Opened| Slice {
        path: path.to_owned(),
        frame: 0,
        uid: d.code(t::SOP_INSTANCE_UID).or_else(|| o.meta.code(t::MEDIA_STORAGE_SOP_INSTANCE_UID)).unwrap_or_default(),
        kind: ObjectKind::of(
            &d.code(t::SOP_CLASS_UID).or_else(|| o.meta.code(t::MEDIA_STORAGE_SOP_CLASS_UID)).unwrap_or_default(),
        ),
        frame_of_reference: d.code(t::FRAME_OF_REFERENCE_UID).unwrap_or_default(),
        rows: rows.into(),
        columns: columns.into(),
        plane: Frame {
            origin: [0.0; 3],
            row_step: [0.0; 3],
            col_step: [0.0; 3],
            normal: [0.0; 3],
            findings: Vec::new(),
        },
        thickness: d.number(t::SLICE_THICKNESS),
        slope: d.number(t::RESCALE_SLOPE).unwrap_or(1.0),
        intercept: d.number(t::RESCALE_INTERCEPT).unwrap_or(0.0),
        has_rescale: d.get(t::RESCALE_SLOPE).is_some(),
        rescale_type: d.code(t::RESCALE_TYPE),
        keys: keys(d),
        pet: None,
    };
    let mut first = base(&o);
    if first.kind == ObjectKind::Pet {
        first.pet = Some(Arc::new(PetFacts::of(d)));
    }
    // Some single-frame images carry functional groups beside their own geometry.
    if per_frame.is_empty() || (frames == 1 && d.get(t::IMAGE_POSITION_PATIENT).is_some()) {
        if frames > 1 {
            return Err(bad("several frames without functional groups: their positions are not known"));
        }
        first.plane = Frame::of(d).map_err(|e| bad(&e))?;
        return Ok(vec![first]);
    }
    if per_frame.len() != frames {
        return Err(bad("the number of per-frame functional groups is not the number of frames"));
    }
    let shared = d.item(t::SHARED_FUNCTIONAL_GROUPS_SEQUENCE);
    per_frame.iter().enumerate().map(|(n, f)| multi_frame(&first, n, f, shared).map_err(|e| bad(&e))).collect()
}

fn keys(d: &DataSet) -> Keys {
    Keys {
        temporal: d.int(t::TEMPORAL_POSITION_IDENTIFIER).or_else(|| d.int(t::TEMPORAL_POSITION_INDEX)),
        acquisition: d.int(t::ACQUISITION_NUMBER),
        trigger: d.number(t::TRIGGER_TIME),
        phase: phase(d),
        echo: d.number(t::ECHO_NUMBERS).or_else(|| d.number(t::ECHO_TIME)),
        b_value: d.f64(t::DIFFUSION_B_VALUE),
        comments: d.text(t::IMAGE_COMMENTS),
        image_type: d.texts(t::IMAGE_TYPE).join("\\"),
        acquisition_time: d.code(t::ACQUISITION_TIME),
        content_time: d.code(t::CONTENT_TIME),
        instance: d.int(t::INSTANCE_NUMBER),
    }
}

/// The phase that a trigger time belongs to: the heart's rate, and with it the trigger time, differs from breath hold to
/// breath hold, the fraction of the interval between beats does not.
fn phase(d: &DataSet) -> Option<i64> {
    let trigger = d.number(t::TRIGGER_TIME).filter(|v| *v >= 0.0)?;
    let interval = d.number(t::NOMINAL_INTERVAL).filter(|v| *v > 0.0)?;
    let phases = d.number(t::CARDIAC_NUMBER_OF_IMAGES).filter(|v| *v >= 1.0)?;
    Some((trigger / interval * phases).floor() as i64)
}

fn multi_frame(base: &Slice, n: usize, frame: &DataSet, shared: Option<&DataSet>) -> Result<Slice, String> {
    // A functional group is stated per frame or shared.
    let group = |tag| frame.item(tag).or_else(|| shared?.item(tag));
    let measures = group(t::PIXEL_MEASURES_SEQUENCE).ok_or("no Pixel Measures")?;
    let position = group(t::PLANE_POSITION_SEQUENCE)
        .and_then(|g| g.vector(t::IMAGE_POSITION_PATIENT))
        .ok_or("a frame has no ImagePositionPatient")?;
    let iop = group(t::PLANE_ORIENTATION_SEQUENCE)
        .and_then(|g| g.vector(t::IMAGE_ORIENTATION_PATIENT))
        .ok_or("a frame has no ImageOrientationPatient")?;
    let spacing = measures.vector(t::PIXEL_SPACING).ok_or("PixelSpacing is missing")?;
    let mut s = base.clone();
    s.frame = n;
    s.plane = Frame::new(position, iop, spacing)?;
    s.thickness = measures.number(t::SLICE_THICKNESS).or(s.thickness);
    if let Some(v) = group(t::PIXEL_VALUE_TRANSFORMATION_SEQUENCE) {
        s.slope = v.number(t::RESCALE_SLOPE).unwrap_or(1.0);
        s.intercept = v.number(t::RESCALE_INTERCEPT).unwrap_or(0.0);
        s.has_rescale = true;
        s.rescale_type = v.code(t::RESCALE_TYPE);
    }
    if let Some(c) = group(t::FRAME_CONTENT_SEQUENCE) {
        s.keys.temporal = binary_index(c, t::TEMPORAL_POSITION_INDEX).or(s.keys.temporal);
        s.keys.acquisition = binary_index(c, t::FRAME_ACQUISITION_NUMBER).or(s.keys.acquisition);
        s.keys.acquisition_time = c.code(t::FRAME_ACQUISITION_DATE_TIME);
    }
    if let Some(e) = group(t::MR_ECHO_SEQUENCE) {
        s.keys.echo = e.f64(t::EFFECTIVE_ECHO_TIME);
    }
    if let Some(e) = group(t::MR_DIFFUSION_SEQUENCE) {
        s.keys.b_value = e.f64(t::DIFFUSION_B_VALUE);
    }
    s.keys.instance = Some(n as i64);
    Ok(s)
}

/// Indices are UL or US; the length of the value tells which.
fn binary_index(d: &DataSet, tag: Tag) -> Option<i64> {
    match d.bytes(tag)? {
        [a, b] => Some(i64::from(u16::from_le_bytes([*a, *b]))),
        [a, b, c, e] => Some(i64::from(u32::from_le_bytes([*a, *b, *c, *e]))),
        _ => None,
    }
}
