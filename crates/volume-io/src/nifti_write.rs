//! NIfTI-1 writer.

use crate::{Element, VolumeIoError, error::Reason, gzip};
use rtpipeline_geometry::{Grid, Vec3, Volume};
use std::path::Path;

/// Header and the four bytes that say "no extensions".
const DATA_OFFSET: usize = 352;
/// Cosine between axes up to which they count as orthogonal (single precision of the quaternion).
const ORTHOGONAL: f64 = 1e-6;

/// The bytes of a little endian NIfTI-1 file, gzip-compressed (one member, level 1, no time) if `gzipped`.
///
/// The affine is written as sform and, if the axes are orthogonal, as qform (both code 1, scanner coordinates). The
/// description goes to `descrip` (at most 79 bytes); it must not identify a patient. Equal input gives equal bytes.
pub fn nifti_bytes<T: Element>(volume: &Volume<T>, description: &str, gzipped: bool) -> Result<Vec<u8>, String> {
    let mut out = header::<T>(&volume.grid, description)?;
    T::encode(volume.values(), &mut out);
    if gzipped { gzip::deflate(&out) } else { Ok(out) }
}

/// Writes a NIfTI-1 file, gzip-compressed if the name ends in `.gz`; see [`nifti_bytes`].
///
/// The file appears under its name only when it is complete: it is written beside it (`NAME.part`) and renamed.
pub fn write_nifti<T: Element>(path: &Path, volume: &Volume<T>, description: &str) -> Result<(), VolumeIoError> {
    let gzipped = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz"));
    let bytes = nifti_bytes(volume, description, gzipped)
        .map_err(|reason| VolumeIoError::Write { path: path.to_owned(), reason })?;
    write_complete(path, &bytes)
}

/// Writes all bytes beside the path and renames.
pub(crate) fn write_complete(path: &Path, bytes: &[u8]) -> Result<(), VolumeIoError> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let fail = |action| move |source| VolumeIoError::Io { path: path.to_owned(), action, source };
    std::fs::write(&part, bytes).map_err(fail("write the file"))?;
    std::fs::rename(&part, path).map_err(fail("rename the complete file"))
}

fn header<T: Element>(grid: &Grid, description: &str) -> Result<Vec<u8>, Reason> {
    let mut h = vec![0_u8; DATA_OFFSET];
    let mut put = |at: usize, bytes: &[u8]| h[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &348_i32.to_le_bytes());
    put(40, &3_i16.to_le_bytes());
    for (a, &d) in grid.dims.iter().enumerate() {
        let d = i16::try_from(d).map_err(|_| format!("{d} voxels along axis {a} exceed NIfTI-1's 32767"))?;
        put(42 + 2 * a, &d.to_le_bytes());
        put(48 + 2 * a, &1_i16.to_le_bytes());
    }
    put(54, &1_i16.to_le_bytes());
    put(70, &T::NIFTI_CODE.to_le_bytes());
    put(72, &((T::SIZE * 8) as i16).to_le_bytes());

    let ras = |v: Vec3| [-v[0] + 0.0, -v[1] + 0.0, v[2] + 0.0];
    let step = grid.step.map(ras);
    let origin = ras(grid.origin);
    let orthogonal = grid.is_orthogonal(ORTHOGONAL);
    let (quatern, qfac) = if orthogonal { quaternion(&grid.direction().map(ras)) } else { ([0.0; 3], 1.0) };
    let single = |v: f64| (v as f32).to_le_bytes();
    put(76, &single(qfac));
    for (a, s) in grid.spacing().into_iter().enumerate() {
        put(80 + 4 * a, &single(s));
    }
    put(108, &single(DATA_OFFSET as f64));
    put(112, &single(1.0));
    // Millimetres and seconds.
    put(123, &[10]);
    let text = clipped(description, 79);
    put(148, text.as_bytes());
    put(252, &i16::from(orthogonal).to_le_bytes());
    put(254, &1_i16.to_le_bytes());
    for n in 0..3 {
        put(256 + 4 * n, &single(quatern[n]));
        put(268 + 4 * n, &single(if orthogonal { origin[n] } else { 0.0 }));
        for c in 0..3 {
            put(280 + 16 * n + 4 * c, &single(step[c][n]));
        }
        put(280 + 16 * n + 12, &single(origin[n]));
    }
    put(344, b"n+1\0");
    Ok(h)
}

/// The text cut at a character boundary so that it fits.
fn clipped(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Quaternion (b, c, d) and qfac of three unit axes (columns of the rotation).
fn quaternion(axes: &[Vec3; 3]) -> (Vec3, f64) {
    let [x, y, mut z] = *axes;
    let det =
        x[0] * (y[1] * z[2] - y[2] * z[1]) - x[1] * (y[0] * z[2] - y[2] * z[0]) + x[2] * (y[0] * z[1] - y[1] * z[0]);
    let qfac = if det < 0.0 { -1.0 } else { 1.0 };
    z = z.map(|v| v * qfac);
    let r = |row: usize, col: usize| [x, y, z][col][row];
    let trace = r(0, 0) + r(1, 1) + r(2, 2);
    // The largest of the four components is computed first, the others by division (Shepperd's method).
    let (a, b, c, d);
    if trace > 0.0 {
        let s = 2.0 * (1.0 + trace).sqrt();
        a = s / 4.0;
        b = (r(2, 1) - r(1, 2)) / s;
        c = (r(0, 2) - r(2, 0)) / s;
        d = (r(1, 0) - r(0, 1)) / s;
    } else if r(0, 0) >= r(1, 1) && r(0, 0) >= r(2, 2) {
        let s = 2.0 * (1.0 + r(0, 0) - r(1, 1) - r(2, 2)).sqrt();
        a = (r(2, 1) - r(1, 2)) / s;
        b = s / 4.0;
        c = (r(0, 1) + r(1, 0)) / s;
        d = (r(0, 2) + r(2, 0)) / s;
    } else if r(1, 1) >= r(2, 2) {
        let s = 2.0 * (1.0 + r(1, 1) - r(0, 0) - r(2, 2)).sqrt();
        a = (r(0, 2) - r(2, 0)) / s;
        b = (r(0, 1) + r(1, 0)) / s;
        c = s / 4.0;
        d = (r(1, 2) + r(2, 1)) / s;
    } else {
        let s = 2.0 * (1.0 + r(2, 2) - r(0, 0) - r(1, 1)).sqrt();
        a = (r(1, 0) - r(0, 1)) / s;
        b = (r(0, 2) + r(2, 0)) / s;
        c = (r(1, 2) + r(2, 1)) / s;
        d = s / 4.0;
    }
    // The header has no place for a: it is taken as not negative.
    let sign = if a < 0.0 { -1.0 } else { 1.0 };
    ([b * sign + 0.0, c * sign + 0.0, d * sign + 0.0], qfac)
}
