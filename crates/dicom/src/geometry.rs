//! The plane of an image or dose frame, from Image Plane attributes.

use crate::Finding;
use crate::finding::note;
use crate::guard::DataSet;
use dicom_dictionary_std::tags as t;
use rtpipeline_geometry::Vec3;

/// Largest deviation from right angles and unit length that is put right silently.
const ROUNDING: f64 = 1e-4;
/// Largest deviation that is put right with a finding; beyond it is refused.
const TOLERABLE: f64 = 1e-2;

/// Position, steps and normal of one frame.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    /// Centre of the first pixel, mm LPS.
    pub(crate) origin: Vec3,
    /// From one column to the next, mm.
    pub(crate) row_step: Vec3,
    /// From one row to the next, mm.
    pub(crate) col_step: Vec3,
    /// Unit vector row × column.
    pub(crate) normal: Vec3,
    pub(crate) findings: Vec<Finding>,
}

impl Frame {
    /// From a data set with Image Position, Image Orientation and Pixel Spacing.
    pub(crate) fn of(d: &DataSet) -> Result<Self, String> {
        let position =
            d.vector::<3>(t::IMAGE_POSITION_PATIENT).ok_or("ImagePositionPatient is missing or unreadable")?;
        let iop =
            d.vector::<6>(t::IMAGE_ORIENTATION_PATIENT).ok_or("ImageOrientationPatient is missing or unreadable")?;
        let spacing = d.vector::<2>(t::PIXEL_SPACING).ok_or("PixelSpacing is missing or unreadable")?;
        Self::new(position, iop, spacing)
    }

    /// From the three attributes. `spacing` is distance of rows, then distance of columns.
    pub(crate) fn new(origin: Vec3, iop: [f64; 6], spacing: [f64; 2]) -> Result<Self, String> {
        if !(spacing[0] > 0.0 && spacing[1] > 0.0) {
            return Err(format!("PixelSpacing {}\\{} is not positive", spacing[0], spacing[1]));
        }
        let row = [iop[0], iop[1], iop[2]];
        let col = [iop[3], iop[4], iop[5]];
        let (nr, nc, across) = (norm(row), norm(col), dot(row, col));
        let error = (nr - 1.0).abs().max((nc - 1.0).abs()).max(across.abs());
        let mut findings = Vec::new();
        if error > TOLERABLE || !error.is_finite() {
            return Err(format!("ImageOrientationPatient is not orthonormal (deviation {error:.3})"));
        }
        if error > ROUNDING {
            note(
                &mut findings,
                "orientation_rounded",
                format!("ImageOrientationPatient deviates by {error:.1e} from orthonormal and was put right"),
            );
        }
        // Both directions are turned by half of the error, so that neither is preferred.
        let (r0, c0) = (scale(row, 1.0 / nr), scale(col, 1.0 / nc));
        let h = dot(r0, c0) / 2.0;
        let r = unit(sub(r0, scale(c0, h)));
        let c = unit(sub(sub(c0, scale(r0, h)), scale(r, dot(sub(c0, scale(r0, h)), r))));
        let normal = unit(cross(r, c));
        Ok(Self { origin, row_step: scale(r, spacing[1]), col_step: scale(c, spacing[0]), normal, findings })
    }
}

pub(crate) fn dot(a: Vec3, b: Vec3) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(crate) fn cross(a: Vec3, b: Vec3) -> Vec3 {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

pub(crate) fn sub(a: Vec3, b: Vec3) -> Vec3 {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub(crate) fn scale(a: Vec3, k: f64) -> Vec3 {
    a.map(|v| v * k)
}

pub(crate) fn norm(a: Vec3) -> f64 {
    dot(a, a).sqrt()
}

pub(crate) fn unit(a: Vec3) -> Vec3 {
    scale(a, 1.0 / norm(a))
}
