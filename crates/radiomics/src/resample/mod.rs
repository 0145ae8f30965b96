//! Resampling of image and mask to a new voxel size, on the grid that PyRadiomics chooses.

pub(crate) mod bspline;

use crate::{
    error::RadiomicsError,
    image::{Image, Picture},
    preprocess, roi,
    settings::{Interpolator, Resolved},
};
use bspline::{Coefficients, MARGIN};
use rtpipeline_geometry::{Grid, Mask, Volume};

/// The resampled (or only cropped) image and mask around the region.
pub(crate) fn resample(
    picture: &Picture<'_>,
    mask: &Mask,
    settings: &Resolved,
    wanted: [f64; 3],
) -> Result<(Image, Mask), RadiomicsError> {
    let (low, size) = preprocess::region_inside(picture.grid, mask, settings)?;
    let old = mask.grid.spacing();
    let image_spacing = picture.grid.spacing();
    // 0 keeps the spacing; so does an axis along which the region is one voxel.
    let new: [f64; 3] = std::array::from_fn(|a| if wanted[a] == 0.0 || size[a] == 1 { old[a] } else { wanted[a] });
    let same = (0..3).all(|a| (image_spacing[a] - new[a]).abs() <= 1e-8 + 1e-5 * new[a].abs());
    if same {
        let mask = nearest_mask(mask, picture.grid);
        let Some((low, size)) = roi::bounding_box(&mask) else {
            return Err(RadiomicsError::LabelAbsent { label: settings.label });
        };
        return Ok(preprocess::cropped(picture, &mask, low, size, settings.pad_distance as usize));
    }
    let grid = target_grid(&mask.grid, low, size, new, f64::from(settings.pad_distance))?;
    let image = interpolate(picture, &grid, settings.interpolator)?;
    Ok((image, nearest_mask(mask, &grid)))
}

/// The new grid: aligned with the outer corner of the mask's grid, cut around the region's box.
fn target_grid(
    grid: &Grid,
    low: [usize; 3],
    size: [usize; 3],
    new: [f64; 3],
    pad: f64,
) -> Result<Grid, RadiomicsError> {
    let old = grid.spacing();
    let mut dims = [0; 3];
    let mut origin = [0.0; 3];
    let mut step = grid.step;
    for a in 0..3 {
        let ratio = old[a] / new[a];
        let lower = ((low[a] as f64 - 0.5) * ratio - pad).floor().max(0.0);
        let last = (grid.dims[a] as f64 * ratio).ceil() - 1.0;
        let upper = (((low[a] + size[a]) as f64 - 0.5) * ratio + pad).ceil().min(last);
        let n = upper - lower + 1.0;
        if !(1.0..1e6).contains(&n) {
            return Err(RadiomicsError::Unsupported {
                setting: "resampledPixelSpacing",
                reason: format!("{} mm gives {n} voxels along axis {a}", new[a]),
            });
        }
        dims[a] = n as usize;
        origin[a] = 0.5 * (new[a] - old[a]) / old[a] + lower / ratio;
        step[a] = grid.direction()[a].map(|c| c * new[a]);
    }
    if dims.iter().map(|&n| n as f64).product::<f64>() > f64::from(u32::MAX) {
        return Err(RadiomicsError::Unsupported {
            setting: "resampledPixelSpacing",
            reason: format!("{new:?} mm gives {dims:?} voxels, which is too many"),
        });
    }
    // ITK adds the origin last for a continuous index.
    let corner = std::array::from_fn(|c| {
        let sum = origin[0] * grid.step[0][c] + origin[1] * grid.step[1][c] + origin[2] * grid.step[2][c];
        sum + grid.origin[c]
    });
    Ok(Grid { dims, origin: corner, step })
}

/// Rows of the matrix from mm to index; reciprocals where the axes lie along x, y and z, as ITK finds them there.
fn inverse(grid: &Grid) -> [[f64; 3]; 3] {
    let aligned = grid.step.iter().all(|s| s.iter().filter(|v| **v != 0.0).count() == 1);
    if aligned {
        return grid.step.map(|s| s.map(|v| if v == 0.0 { 0.0 } else { 1.0 / v }));
    }
    grid.inverse()
}

/// Calls `f` with the index position in `from` for each voxel of `to`, along lines as ITK walks them: both ends of a line
/// are transformed, what lies between is interpolated.
fn walk(from: &Grid, to: &Grid, mut f: impl FnMut(usize, [f64; 3])) {
    let inverse = inverse(from);
    let index = |i: [f64; 3]| -> [f64; 3] {
        let w = to.world(i);
        let d: [f64; 3] = std::array::from_fn(|c| w[c] - from.origin[c]);
        inverse.map(|r| r[0] * d[0] + r[1] * d[1] + r[2] * d[2])
    };
    let [nx, ny, nz] = to.dims;
    let mut at = 0;
    for z in 0..nz {
        for y in 0..ny {
            let start = index([0.0, y as f64, z as f64]);
            let end = index([nx as f64, y as f64, z as f64]);
            for x in 0..nx {
                let alpha = x as f64 / nx as f64;
                f(at, std::array::from_fn(|a| start[a] + alpha * (end[a] - start[a])));
                at += 1;
            }
        }
    }
}

/// True when a position is inside of the outer corners of an image.
fn is_inside(p: [f64; 3], dims: [usize; 3]) -> bool {
    p.iter().zip(dims).all(|(&v, n)| v >= -0.5 && v < n as f64 - 0.5)
}

/// A mask on another grid by the nearest voxel; half-way goes up, outside is 0.
pub(crate) fn nearest_mask(mask: &Mask, to: &Grid) -> Mask {
    let [nx, ny, _] = mask.grid.dims;
    let values = mask.values();
    let mut out = vec![0_u8; to.len()];
    walk(&mask.grid, to, |at, p| {
        if is_inside(p, mask.grid.dims) {
            let i = nearest(p, mask.grid.dims);
            out[at] = u8::from(values[(i[2] * ny + i[1]) * nx + i[0]] != 0);
        }
    });
    Volume::from_vec(to.clone(), out)
}

fn nearest(p: [f64; 3], dims: [usize; 3]) -> [usize; 3] {
    std::array::from_fn(|a| ((p[a] + 0.5).floor().max(0.0) as usize).min(dims[a] - 1))
}

/// The image on another grid; outside it is 0.
fn interpolate(picture: &Picture<'_>, to: &Grid, how: Interpolator) -> Result<Image, RadiomicsError> {
    let whole = picture.grid.dims;
    let kind = picture.kind;
    // Only the part of the image that the new grid reaches, with a margin for the spline's memory.
    let inverse = inverse(picture.grid);
    let (mut lo, mut hi) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    for corner in 0..8_usize {
        let i: [f64; 3] = std::array::from_fn(|a| if corner >> a & 1 == 1 { to.dims[a] as f64 } else { 0.0 });
        let w = to.world(i);
        for a in 0..3 {
            let v: f64 = (0..3).map(|c| inverse[a][c] * (w[c] - picture.grid.origin[c])).sum();
            lo[a] = lo[a].min(v);
            hi[a] = hi[a].max(v);
        }
    }
    let margin = (MARGIN + 3) as f64;
    let start: [usize; 3] = std::array::from_fn(|a| ((lo[a] - margin).floor().max(0.0) as usize).min(whole[a] - 1));
    let dims: [usize; 3] = std::array::from_fn(|a| {
        let end = ((hi[a] + margin).ceil().max(0.0) as usize + 1).min(whole[a]);
        end.max(start[a] + 1) - start[a]
    });
    let part = picture.crop(start, dims);
    let mut out = vec![0.0; to.len()];
    match how {
        Interpolator::BSpline => {
            let c = Coefficients::of_box(part.data, dims, start, whole, true);
            walk(picture.grid, to, |at, p| {
                if is_inside(p, whole) {
                    out[at] = kind.cast(c.at(p));
                }
            });
        }
        Interpolator::NearestNeighbor | Interpolator::Linear => {
            let value = |i: [usize; 3]| {
                let j: [usize; 3] = std::array::from_fn(|a| i[a].saturating_sub(start[a]).min(dims[a] - 1));
                part.data[(j[2] * dims[1] + j[1]) * dims[0] + j[0]]
            };
            let linear = how == Interpolator::Linear;
            walk(picture.grid, to, |at, p| {
                if is_inside(p, whole) {
                    let v = if linear { trilinear(&value, p, whole) } else { value(nearest(p, whole)) };
                    out[at] = kind.cast(v);
                }
            });
        }
        other => {
            return Err(RadiomicsError::Unsupported {
                setting: "interpolator",
                reason: format!("{} is not computed; use sitkBSpline, sitkLinear or sitkNearestNeighbor", other.name()),
            });
        }
    }
    Ok(Image { grid: to.clone(), kind, data: out })
}

/// Interpolation along x, then y, then z; beyond the last voxel its value is kept.
fn trilinear(value: &impl Fn([usize; 3]) -> f64, p: [f64; 3], dims: [usize; 3]) -> f64 {
    let base: [usize; 3] = std::array::from_fn(|a| (p[a].floor().max(0.0) as usize).min(dims[a] - 1));
    let d: [f64; 3] = std::array::from_fn(|a| p[a] - base[a] as f64);
    let next: [usize; 3] = std::array::from_fn(|a| (base[a] + 1).min(dims[a] - 1));
    let pick = |n: usize| value(std::array::from_fn(|a| if n >> a & 1 == 1 { next[a] } else { base[a] }));
    let mix = |a: f64, b: f64, t: f64| if t <= 0.0 { a } else { a + (b - a) * t };
    let x = |n: usize| mix(pick(n), pick(n | 1), d[0]);
    let y = |n: usize| mix(x(n), x(n | 2), d[1]);
    mix(y(0), y(4), d[2])
}
