//! NRRD writer.

use crate::{Element, VolumeIoError, gzip, nifti_write::write_complete};
use rtpipeline_geometry::Volume;
use std::{fmt::Write as _, path::Path};

/// The bytes of an NRRD file (version 4, little endian, gzip, LPS). Equal input gives equal bytes.
pub fn nrrd_bytes<T: Element>(volume: &Volume<T>) -> Result<Vec<u8>, String> {
    let g = &volume.grid;
    let vector = |v: [f64; 3]| format!("({},{},{})", v[0], v[1], v[2]);
    let mut h = String::from("NRRD0004\n");
    let steps = g.step.map(vector).join(" ");
    let _ = write!(
        h,
        "type: {}\ndimension: 3\nspace: left-posterior-superior\nsizes: {} {} {}\nspace directions: {steps}\n\
         kinds: domain domain domain\nendian: little\nencoding: gzip\nspace origin: {}\n\n",
        T::NRRD_TYPE,
        g.dims[0],
        g.dims[1],
        g.dims[2],
        vector(g.origin),
    );
    let mut raw = Vec::new();
    T::encode(volume.values(), &mut raw);
    let mut out = h.into_bytes();
    out.extend_from_slice(&gzip::deflate(&raw)?);
    Ok(out)
}

/// Writes an NRRD file (see [`nrrd_bytes`]); it appears under its name only when it is complete.
pub fn write_nrrd<T: Element>(path: &Path, volume: &Volume<T>) -> Result<(), VolumeIoError> {
    let bytes = nrrd_bytes(volume).map_err(|reason| VolumeIoError::Write { path: path.to_owned(), reason })?;
    write_complete(path, &bytes)
}
