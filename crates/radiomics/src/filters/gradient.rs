//! Gradient magnitude.

use crate::image::{Image, Kind, Picture};

/// Length of the central differences (per mm or per voxel), with the border repeated; single precision.
pub(super) fn magnitude(picture: &Picture<'_>, use_spacing: bool) -> Image {
    let source = picture.whole();
    let [nx, ny, nz] = source.grid.dims;
    let spacing = if use_spacing { source.grid.spacing() } else { [1.0; 3] };
    let mut out = vec![0.0; source.data.len()];
    let at = |x: usize, y: usize, z: usize| source.data[(z * ny + y) * nx + x];
    for z in 0..nz {
        let (z0, z1) = (z.saturating_sub(1), (z + 1).min(nz - 1));
        for y in 0..ny {
            let (y0, y1) = (y.saturating_sub(1), (y + 1).min(ny - 1));
            for x in 0..nx {
                let (x0, x1) = (x.saturating_sub(1), (x + 1).min(nx - 1));
                let d = [
                    0.5 * at(x1, y, z) - 0.5 * at(x0, y, z),
                    0.5 * at(x, y1, z) - 0.5 * at(x, y0, z),
                    0.5 * at(x, y, z1) - 0.5 * at(x, y, z0),
                ];
                let sum: f64 = (0..3).map(|a| (d[a] / spacing[a]).powi(2)).sum();
                out[(z * ny + y) * nx + x] = f64::from(sum.sqrt() as f32);
            }
        }
    }
    Image { grid: source.grid, kind: Kind::Single, data: out }
}
