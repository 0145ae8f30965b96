//! Normalisation, checks of the mask, resegmentation.

use crate::{
    error::RadiomicsError,
    image::{Image, Kind, Picture},
    numeric::{mean, sum_by, sum_f32},
    resample, roi,
    settings::{ResegmentMode, Resolved},
};
use rtpipeline_geometry::{Grid, Mask, Volume};

/// A region's box may reach beyond the image by this many voxels.
const BOX_TOLERANCE: f64 = 1e-3;

/// The image with mean 0 and standard deviation 1 (n − 1) over all voxels, clipped and scaled; double precision.
pub(crate) fn normalised(picture: &Picture<'_>, settings: &Resolved) -> Image {
    let mut image = picture.whole();
    image.kind = Kind::Double;
    let n = image.data.len() as f64;
    let mu = mean(&image.data);
    let variance = sum_by(&image.data, &|v| (v - mu) * (v - mu)) / (n - 1.0);
    let scale = 1.0 / variance.sqrt();
    let clip = settings.remove_outliers.unwrap_or(f64::INFINITY);
    for v in &mut image.data {
        *v = ((*v - mu) * scale).clamp(-clip, clip) * settings.normalize_scale;
    }
    image
}

/// The region's box in the mask; an error when it reaches beyond the image.
pub(crate) fn region_inside(
    image: &Grid,
    mask: &Mask,
    settings: &Resolved,
) -> Result<([usize; 3], [usize; 3]), RadiomicsError> {
    let (low, size) = roi::bounding_box(mask).ok_or(RadiomicsError::LabelAbsent { label: settings.label })?;
    let corner = |a: [f64; 3]| image.index(mask.grid.world(a));
    let p = corner(low.map(|v| v as f64 - 0.5));
    let q = corner(std::array::from_fn(|a| (low[a] + size[a]) as f64 - 0.5));
    let min: [f64; 3] = std::array::from_fn(|a| p[a].min(q[a]));
    let max: [f64; 3] = std::array::from_fn(|a| p[a].max(q[a]));
    let outside = (0..3).any(|a| min[a] < -0.5 - BOX_TOLERANCE || max[a] > image.dims[a] as f64 - 0.5 + BOX_TOLERANCE);
    if outside {
        return Err(RadiomicsError::OutsideImage { low: min, high: max, size: image.dims });
    }
    Ok((low, size))
}

/// Image and mask cut around a box.
pub(crate) fn cropped(
    picture: &Picture<'_>,
    mask: &Mask,
    low: [usize; 3],
    size: [usize; 3],
    pad: usize,
) -> (Image, Mask) {
    let start: [usize; 3] = low.map(|v| v.saturating_sub(pad));
    let dims: [usize; 3] = std::array::from_fn(|a| (low[a] + size[a] + pad).min(mask.grid.dims[a]) - start[a]);
    let image = picture.crop(start, dims);
    let [nx, ny, _] = mask.grid.dims;
    let mut data = Vec::with_capacity(dims.iter().product());
    for z in start[2]..start[2] + dims[2] {
        for y in start[1]..start[1] + dims[1] {
            let at = (z * ny + y) * nx + start[0];
            data.extend_from_slice(&mask.values()[at..at + dims[0]]);
        }
    }
    let mask = Volume::from_vec(mask.grid.window(start, dims), data);
    (image, mask)
}

/// Compares the grids; a mask that had to be resampled is returned.
pub(crate) fn on_image_grid(image: &Grid, mask: &Mask, settings: &Resolved) -> Result<Option<Mask>, RadiomicsError> {
    match compare(image, &mask.grid, settings.geometry_tolerance) {
        Ok(()) => Ok(None),
        Err(_) if settings.correct_mask => {
            region_inside(image, mask, settings)?;
            Ok(Some(resample::nearest_mask(mask, image)))
        }
        Err(e) => Err(e),
    }
}

/// ITK's comparison: origin and spacing within a fraction of the first spacing, direction cosines absolutely.
fn compare(image: &Grid, mask: &Grid, tolerance: f64) -> Result<(), RadiomicsError> {
    if image.dims != mask.dims {
        return Err(RadiomicsError::SizeMismatch { image: image.dims, mask: mask.dims });
    }
    let length = (tolerance * image.spacing()[0]).abs();
    let near = |what: &'static str, a: &[f64], b: &[f64], tolerance: f64| {
        if a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance) {
            Ok(())
        } else {
            Err(RadiomicsError::GeometryMismatch { what, image: a.to_vec(), mask: b.to_vec(), tolerance })
        }
    };
    near("origin", &image.origin, &mask.origin, length)?;
    near("spacing", &image.spacing(), &mask.spacing(), length)?;
    near("direction", image.direction().as_flattened(), mask.direction().as_flattened(), tolerance)
}

/// Box of a region that is large enough.
pub(crate) fn checked_box(mask: &Mask, settings: &Resolved) -> Result<([usize; 3], [usize; 3]), RadiomicsError> {
    let (low, size) = roi::bounding_box(mask).ok_or(RadiomicsError::LabelAbsent { label: settings.label })?;
    let dimensions = size.iter().filter(|&&n| n > 1).count() as u32;
    if dimensions == 0 {
        return Err(RadiomicsError::SingleVoxel);
    }
    if dimensions < settings.minimum_roi_dimensions {
        return Err(RadiomicsError::TooFewDimensions { dimensions, minimum: settings.minimum_roi_dimensions });
    }
    if let Some(minimum) = settings.minimum_roi_size {
        let n = mask.count();
        if n as u64 <= minimum {
            return Err(RadiomicsError::TooSmall { size: n, minimum });
        }
    }
    Ok((low, size))
}

/// The mask without the voxels whose values are out of range. Bounds are closed; one bound is the lower.
pub(crate) fn resegmented(
    picture: &Picture<'_>,
    mask: &Mask,
    range: &[f64],
    settings: &Resolved,
) -> Result<Mask, RadiomicsError> {
    let (low, size) = roi::bounding_box(mask).ok_or(RadiomicsError::LabelAbsent { label: settings.label })?;
    let region = roi::Roi::new(mask, low, size);
    let x = region.gather(picture);
    let mut bounds = range.to_vec();
    bounds.sort_by(f64::total_cmp);
    let single = picture.kind == Kind::Single;
    match settings.resegment_mode {
        ResegmentMode::Absolute => {}
        ResegmentMode::Relative => {
            let top = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            for b in &mut bounds {
                *b *= top;
            }
        }
        ResegmentMode::Sigma => {
            let (mu, sd) = if single { moments_single(&x) } else { moments(&x) };
            for b in &mut bounds {
                *b = mu + sd * *b;
            }
        }
    }
    if single {
        // numpy compares single precision arrays with bounds of single precision.
        for b in &mut bounds {
            *b = f64::from(*b as f32);
        }
    }
    let lower = bounds.first().copied().unwrap_or(f64::NEG_INFINITY);
    let upper = bounds.get(1).copied().unwrap_or(f64::INFINITY);
    let mut out = Volume::filled(mask.grid.clone(), 0_u8);
    let mut retained = 0;
    let [nx, ny, _] = mask.grid.dims;
    let values = out.values_mut();
    for (&p, &v) in region.inside.iter().zip(&x) {
        if v >= lower && v <= upper {
            let p = p as usize;
            let c = [p % size[0], p / size[0] % size[1], p / (size[0] * size[1])];
            values[((low[2] + c[2]) * ny + low[1] + c[1]) * nx + low[0] + c[0]] = 1;
            retained += 1;
        }
    }
    if retained <= 1 {
        return Err(RadiomicsError::Resegmentation { label: settings.label, retained });
    }
    Ok(out)
}

/// Mean and standard deviation (n).
fn moments(x: &[f64]) -> (f64, f64) {
    let mu = mean(x);
    (mu, (sum_by(x, &|v| (v - mu) * (v - mu)) / x.len() as f64).sqrt())
}

/// The same as numpy reduces single precision arrays.
fn moments_single(x: &[f64]) -> (f64, f64) {
    let x: Vec<f32> = x.iter().map(|&v| v as f32).collect();
    let n = x.len() as f32;
    let mu = sum_f32(&x, &|v| v) / n;
    let sd = (sum_f32(&x, &|v| (v - mu) * (v - mu)) / n).sqrt();
    (f64::from(mu), f64::from(sd))
}
