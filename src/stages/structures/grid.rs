//! The voxel grid on which custom structures are built.

use crate::course::{Geometry, Structure};
use rtpipeline_engine::UnitError;
use rtpipeline_geometry::Grid;

/// In-plane voxel of a grid that is made because the course has no image, mm.
const PIXEL_MM: f64 = 1.0;
/// Largest made grid, voxels; beyond it pixels get coarser.
const MOST_VOXELS: f64 = 2e8;

/// A grid that holds the given structures with room for margins: 1 mm in plane, planes at the spacing of the contours
/// and at their positions. `None` when no structure has contours.
pub(super) fn grid_around(
    geometry: &mut Geometry<'_>,
    structures: &[&Structure],
    room_mm: f64,
) -> Result<Option<Grid>, UnitError> {
    let (mut lo, mut hi) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    let mut spacing = f64::INFINITY;
    let mut plane = None;
    for s in structures {
        let Ok(Some(stack)) = geometry.stack(s) else { continue };
        let [a, b] = stack.bounding_box();
        for axis in 0..3 {
            lo[axis] = lo[axis].min(a[axis]);
            hi[axis] = hi[axis].max(b[axis]);
        }
        if stack.spacing < spacing {
            spacing = stack.spacing;
            plane = stack.planes.first().map(|p| f64::midpoint(p.lo, p.hi) - p.lo + a[2]);
        }
    }
    let Some(plane) = plane else { return Ok(None) };
    let room = room_mm + 2.0;
    let extent = |a: usize| hi[a] - lo[a] + 2.0 * room;
    let voxels = |pixel: f64| extent(0) / pixel * (extent(1) / pixel) * (extent(2) / spacing);
    let mut pixel = PIXEL_MM;
    while voxels(pixel) > MOST_VOXELS {
        pixel *= 1.25;
    }
    let planes_below = ((plane - (lo[2] - room)) / spacing).ceil();
    let origin = [lo[0] - room, lo[1] - room, plane - planes_below * spacing];
    let count = |a: usize, step: f64| ((hi[a] + room - origin[a]) / step).ceil() as usize + 1;
    let dims = [count(0, pixel), count(1, pixel), count(2, spacing)];
    Ok(Some(Grid::axis_aligned(dims, origin, [pixel, pixel, spacing])))
}
