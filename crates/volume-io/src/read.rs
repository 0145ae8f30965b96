//! Reading by content.

use crate::{VolumeData, VolumeFile, VolumeIoError, error::Reason, gzip, nifti, nrrd};
use rtpipeline_geometry::{Mask, Volume};
use std::path::Path;

/// Reads a NIfTI-1, NIfTI-2 (`.nii`, `.nii.gz`) or NRRD volume. The content decides about the format, not the name.
///
/// Values keep the stored type unless the header scales them: then 8 and 16 bit types and `float` become `F32`, wider
/// ones `F64` (as ITK does). Refused are detached headers, colour and complex values and more than three dimensions.
pub fn read(path: &Path) -> Result<VolumeFile, VolumeIoError> {
    let bytes = std::fs::read(path).map_err(|source| VolumeIoError::Io {
        path: path.to_owned(),
        action: "read the file",
        source,
    })?;
    read_bytes(&bytes).map_err(|reason| VolumeIoError::Format { path: path.to_owned(), reason })
}

/// Reads a volume from the bytes of a file; the error says what is wrong with them.
pub fn read_bytes(bytes: &[u8]) -> Result<VolumeFile, String> {
    if nrrd::is_nrrd(bytes) {
        return nrrd::parse(bytes);
    }
    if gzip::is_gzip(bytes) {
        let start = gzip::head(bytes, nifti::HEADER_2)?;
        return nifti::parse(&nifti::Source::Gzip { bytes, start: &start });
    }
    nifti::parse(&nifti::Source::Plain(bytes))
}

fn with_path<T>(path: &Path, f: impl FnOnce(VolumeData) -> Result<T, Reason>) -> Result<T, VolumeIoError> {
    f(read(path)?.data).map_err(|reason| VolumeIoError::Format { path: path.to_owned(), reason })
}

/// Reads a volume as single precision.
pub fn read_f32(path: &Path) -> Result<Volume<f32>, VolumeIoError> {
    with_path(path, |d| Ok(d.into_f32()))
}

/// Reads a volume as double precision.
pub fn read_f64(path: &Path) -> Result<Volume<f64>, VolumeIoError> {
    with_path(path, |d| Ok(d.into_f64()))
}

/// Reads a mask: 1 where the stored value equals `label`, 0 elsewhere.
pub fn read_mask(path: &Path, label: u32) -> Result<Mask, VolumeIoError> {
    with_path(path, |d| Ok(d.mask(label)))
}

/// Reads a label map; values that are no labels (fractions, negative numbers) are errors.
pub fn read_labels(path: &Path) -> Result<Volume<u32>, VolumeIoError> {
    with_path(path, VolumeData::into_labels)
}
