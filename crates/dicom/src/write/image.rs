//! CT and MR image series.

use super::encode::{Build, EXPLICIT, finish};
use super::source::SourceImages;
use super::{WriteError, Written};
use crate::geometry::{norm, unit};
use crate::uid;
use dicom_core::VR;
use dicom_dictionary_std::tags as t;
use rtpipeline_geometry::Volume;
use std::path::Path;

/// Kind of image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageKind {
    /// CT image, values HU.
    Ct,
    /// MR image.
    Mr,
}

/// An image series to be written.
#[derive(Clone, Debug)]
pub struct ImageSpec<'a> {
    /// CT or MR.
    pub kind: ImageKind,
    /// Patient, study and frame of reference. Its series UID becomes that of the new series; an empty one is derived.
    pub context: &'a SourceImages,
    /// Values as they shall be read; signed 16 bit (CT: HU, written with intercept 0 and slope 1).
    pub volume: &'a Volume<i16>,
    /// Series number.
    pub series_number: i64,
    /// Series description.
    pub description: &'a str,
    /// Patient position such as HFS.
    pub patient_position: &'a str,
    /// Further text attributes: tag, value representation, value.
    pub extra: &'a [(dicom_core::Tag, [u8; 2], &'a str)],
}

/// Writes one file per slice, `<CT|MR>_0001.dcm`, …, into a folder, explicit VR little endian. SOP Instance UIDs follow
/// from the content.
pub fn write_image_series(folder: &Path, spec: &ImageSpec<'_>) -> Result<Vec<Written>, WriteError> {
    let invalid = |what: String| WriteError::Invalid { path: folder.to_owned(), what };
    let g = &spec.volume.grid;
    let size = |v: usize| u16::try_from(v).map_err(|_| invalid(format!("{v} rows or columns")));
    let (columns, rows) = (size(g.dims[0])?, size(g.dims[1])?);
    let (class, modality) = match spec.kind {
        ImageKind::Ct => ("1.2.840.10008.5.1.4.1.1.2", "CT"),
        ImageKind::Mr => ("1.2.840.10008.5.1.4.1.1.4", "MR"),
    };
    let series = if spec.context.series_uid.is_empty() {
        uid::derived(&[
            "series",
            class,
            &spec.context.study_uid,
            &spec.context.patient_id,
            &spec.series_number.to_string(),
            spec.description,
        ])
    } else {
        spec.context.series_uid.clone()
    };
    let (r, c) = (unit(g.step[0]), unit(g.step[1]));
    let n = g.dims[0] * g.dims[1];
    let mut out = Vec::new();
    for (k, plane) in spec.volume.values().chunks(n).enumerate() {
        let mut b = spec.context.begin(modality);
        spec.context.frame(&mut b);
        b.uid(t::SERIES_INSTANCE_UID, &series)
            .int(t::SERIES_NUMBER, spec.series_number)
            .one(t::SERIES_DESCRIPTION, VR::LO, spec.description)
            .int(t::INSTANCE_NUMBER, k as i64 + 1)
            .int(t::ACQUISITION_NUMBER, 1)
            .text(
                t::IMAGE_TYPE,
                VR::CS,
                match spec.kind {
                    ImageKind::Ct => "ORIGINAL\\PRIMARY\\AXIAL",
                    ImageKind::Mr => "ORIGINAL\\PRIMARY\\M",
                },
            )
            .text(t::SERIES_DATE, VR::DA, &spec.context.study_date)
            .text(t::SERIES_TIME, VR::TM, &spec.context.study_time)
            .text(t::PATIENT_POSITION, VR::CS, spec.patient_position)
            .u16(t::SAMPLES_PER_PIXEL, 1)
            .text(t::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2")
            .u16(t::ROWS, rows)
            .u16(t::COLUMNS, columns)
            .u16(t::BITS_ALLOCATED, 16)
            .u16(t::BITS_STORED, 16)
            .u16(t::HIGH_BIT, 15)
            .u16(t::PIXEL_REPRESENTATION, 1);
        kind_attributes(&mut b, spec.kind);
        for (tag, vr, value) in spec.extra {
            let vr = VR::from_binary(*vr)
                .ok_or_else(|| invalid(format!("{tag}: unknown value representation {}", vr.escape_ascii())))?;
            b.text(*tag, vr, value);
        }
        if !b.has(t::BODY_PART_EXAMINED) {
            b.text(t::LATERALITY, VR::CS, "");
        }
        b.decimals(t::IMAGE_POSITION_PATIENT, &g.world([0.0, 0.0, k as f64]))
            .and_then(|b| b.decimals(t::IMAGE_ORIENTATION_PATIENT, &[r[0], r[1], r[2], c[0], c[1], c[2]]))
            .and_then(|b| b.decimals(t::PIXEL_SPACING, &[norm(g.step[1]), norm(g.step[0])]))
            .and_then(|b| b.decimals(t::SLICE_THICKNESS, &[norm(g.step[2])]))
            .map_err(invalid)?;
        b.pixels(plane.iter().flat_map(|v| v.to_le_bytes()).collect()).map_err(invalid)?;
        let path = folder.join(format!("{modality}_{:04}.dcm", k + 1));
        out.push(finish(&path, class, EXPLICIT, b)?);
    }
    Ok(out)
}

fn kind_attributes(b: &mut Build, kind: ImageKind) {
    match kind {
        ImageKind::Ct => {
            b.text(t::KVP, VR::DS, "120")
                .text(t::RESCALE_INTERCEPT, VR::DS, "0")
                .text(t::RESCALE_SLOPE, VR::DS, "1")
                .text(t::RESCALE_TYPE, VR::LO, "HU");
        }
        ImageKind::Mr => {
            b.text(t::SCANNING_SEQUENCE, VR::CS, "SE")
                .text(t::SEQUENCE_VARIANT, VR::CS, "NONE")
                .text(t::SCAN_OPTIONS, VR::CS, "")
                .text(t::MR_ACQUISITION_TYPE, VR::CS, "2D")
                .text(t::REPETITION_TIME, VR::DS, "")
                .text(t::ECHO_TIME, VR::DS, "")
                .text(t::ECHO_TRAIN_LENGTH, VR::IS, "");
        }
    }
}
