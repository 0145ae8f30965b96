//! The extraction: preprocessing, shape, image types, feature classes.

use crate::{
    catalogue,
    diagnostics::Diagnostics,
    directions,
    discretise::{self, Binning, Levels},
    error::RadiomicsError,
    filters, firstorder, glcm,
    image::{Image, ImageInput, Kind, Picture},
    neighbours,
    params::{FeatureClass, Params},
    preprocess, resample,
    roi::Roi,
    runs,
    settings::Resolved,
    shape, zones,
};
use rayon::prelude::*;
use rtpipeline_geometry::Mask;

/// Position of the maximal correlation coefficient in the catalogue of GLCM features.
const MCC: usize = 19;

/// What an extraction gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Features {
    /// Feature names and values in output order. A value is NaN where the feature is not defined.
    pub values: Vec<(String, f64)>,
    /// Diagnostics in output order (empty without `additionalInfo`).
    pub diagnostics: Vec<(String, String)>,
    /// What was left out and why, for example a filter for which the image is too small.
    pub warnings: Vec<String>,
}

impl Features {
    /// The value of a feature.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.values.iter().find(|(n, _)| n == name).map(|(_, v)| *v)
    }
}

/// Computes the features of the voxels inside the mask (values other than 0).
///
/// The mask holds one label: selecting `label` in a label map is the caller's part; the setting only appears in messages
/// and in the hash of the diagnostics. Image and mask need the same grid unless resampling or `correctMask` is set.
pub fn extract(image: &ImageInput<'_>, mask: &Mask, params: &Params) -> Result<Features, RadiomicsError> {
    image.checked()?;
    let settings = params.resolved();
    if mask.values().iter().all(|&v| v == 0) {
        return Err(RadiomicsError::LabelAbsent { label: settings.label });
    }
    let mut notes = settings.additional_info.then(|| Diagnostics::new(params));
    if let Some(d) = &mut notes {
        d.original(image);
        d.mask("original", mask, None, settings.label);
    }

    let mut owned: Option<Image> = None;
    let mut own_mask: Option<Mask> = None;
    if settings.normalize {
        owned = Some(preprocess::normalised(&Picture::from(image), &settings));
    }
    if let Some(spacing) = settings.resampled_pixel_spacing {
        let (i, m) = resample::resample(&current(image, owned.as_ref()), mask, &settings, spacing)?;
        if let Some(d) = &mut notes {
            d.image("interpolated", &i.picture());
            d.mask("interpolated", &m, Some(&i.picture()), settings.label);
        }
        (owned, own_mask) = (Some(i), Some(m));
    } else if settings.pre_crop {
        let picture = current(image, owned.as_ref());
        let corrected = preprocess::on_image_grid(picture.grid, mask, &settings)?;
        let m = corrected.as_ref().unwrap_or(mask);
        let (low, size) = preprocess::checked_box(m, &settings)?;
        let (i, m) = preprocess::cropped(&picture, m, low, size, settings.pad_distance as usize);
        (owned, own_mask) = (Some(i), Some(m));
    }
    let picture = current(image, owned.as_ref());
    if let Some(m) = preprocess::on_image_grid(picture.grid, own_mask.as_ref().unwrap_or(mask), &settings)? {
        if let Some(d) = &mut notes {
            d.mask("corrected", &m, Some(&picture), settings.label);
        }
        own_mask = Some(m);
    }
    let mask = own_mask.as_ref().unwrap_or(mask);
    let mut region = preprocess::checked_box(mask, &settings)?;
    let mut resegmented = None;
    if let Some(range) = &settings.resegment_range {
        let m = preprocess::resegmented(&picture, mask, range, &settings)?;
        region = preprocess::checked_box(&m, &settings)?;
        if let Some(d) = &mut notes {
            d.mask("resegmented", &m, Some(&picture), settings.label);
        }
        resegmented = Some(m);
    }
    let texture_mask = resegmented.as_ref().unwrap_or(mask);
    let shape_mask = if settings.resegment_shape { texture_mask } else { mask };

    let mut out = Features { diagnostics: notes.map_or_else(Vec::new, |d| d.values), ..Features::default() };
    let classes = params.classes();
    // PyRadiomics cuts the shape's mask to the box of the resegmented region, too.
    shapes(shape_mask, region, &classes, &settings, &mut out);

    let roi = Roi::new(texture_mask, region.0, region.1);
    let classes: Vec<_> = classes.into_iter().filter(|(c, at)| !c.is_shape() && !at.is_empty()).collect();
    if classes.is_empty() {
        return Ok(out);
    }
    for (kind, own) in params.images() {
        let settings = Resolved::from(&params.setting.overridden(&own));
        let derived = filters::derive(kind, &picture, texture_mask, &settings, &mut out.warnings)?;
        let results: Vec<_> = derived
            .into_par_iter()
            .map(|d| {
                let (values, kind) = match d.image {
                    Some(i) => (roi.gather(&i.picture()), i.kind),
                    None => (roi.gather(&picture), picture.kind),
                };
                (textures(&values, kind, &roi, &classes, &settings, &d.name), d.name)
            })
            .collect();
        for (result, name) in results {
            match result {
                Ok(values) => out.values.extend(values),
                Err(e @ RadiomicsError::NotFinite { .. }) if name != "original" => out.warnings.push(e.to_string()),
                Err(e) => return Err(e),
            }
        }
    }
    Ok(out)
}

fn current<'a>(input: &ImageInput<'a>, owned: Option<&'a Image>) -> Picture<'a> {
    owned.map_or_else(|| Picture::from(input), Image::picture)
}

/// Shape features, which bear the name of the original image.
fn shapes(
    mask: &Mask,
    (low, size): ([usize; 3], [usize; 3]),
    classes: &[(FeatureClass, Vec<usize>)],
    settings: &Resolved,
    out: &mut Features,
) {
    let wanted = |class: FeatureClass| classes.iter().find(|(c, at)| *c == class && !at.is_empty());
    let mut add = |class: FeatureClass, at: &[usize], values: &[f64]| {
        for &n in at {
            out.values.push((format!("original_{}_{}", class.name(), catalogue::of(class)[n].name), values[n]));
        }
    };
    let solid = wanted(FeatureClass::Shape);
    let planar = wanted(FeatureClass::Shape2D);
    if solid.is_none() && planar.is_none() {
        return;
    }
    let roi = Roi::new(mask, low, size);
    if let Some((class, at)) = solid {
        add(*class, at, &shape::features(&roi));
    }
    if let Some((class, at)) = planar {
        let values = settings.force_2d.then(|| shape::planar::features(&roi, settings.force_2d_dimension)).flatten();
        match values {
            Some(v) => add(*class, at, &v),
            None if !settings.force_2d => out.warnings.push("shape2D: needs force2D".to_owned()),
            None => out.warnings.push(format!(
                "shape2D: the region has {:?} voxels (x, y, z); it must have one slice along force2Ddimension {}",
                size, settings.force_2d_dimension
            )),
        }
    }
}

/// All features of one image except shape.
fn textures(
    values: &[f64],
    kind: Kind,
    roi: &Roi,
    classes: &[(FeatureClass, Vec<usize>)],
    settings: &Resolved,
    image: &str,
) -> Result<Vec<(String, f64)>, RadiomicsError> {
    let how = settings.bin_count.map_or(Binning::Width(settings.bin_width), Binning::Count);
    let bin = discretise::bins(values, kind, how, image)?;
    let far = settings.distances.iter().copied().max().unwrap_or(1).max(1) as usize;
    let levels = Levels::new(roi, &bin, far, image)?;
    drop(bin);
    let flat = settings.force_2d.then_some(settings.force_2d_dimension);
    let wants = |class: FeatureClass| classes.iter().any(|(c, _)| *c == class);
    let around = (wants(FeatureClass::Gldm) || wants(FeatureClass::Ngtdm)).then(|| {
        let offsets = directions::offsets(roi.dims, &settings.distances, true, flat);
        neighbours::count(&levels, &offsets, settings.gldm_a)
    });
    let mut out = Vec::new();
    for (class, at) in classes {
        let mut add = |v: &[f64]| {
            for &n in at {
                out.push((format!("{image}_{}_{}", class.name(), catalogue::of(*class)[n].name), v[n]));
            }
        };
        match class {
            FeatureClass::Firstorder => {
                let [sx, sy, sz] = roi.spacing;
                let shift = settings.voxel_array_shift as f64;
                add(&firstorder::features(values, kind, &levels.counts, shift, sx * sy * sz));
            }
            FeatureClass::Glcm => {
                let offsets = directions::offsets(roi.dims, &settings.distances, false, flat);
                let o = glcm::Options {
                    symmetrical: settings.symmetrical_glcm,
                    weighting: settings.weighting_norm,
                    with_mcc: at.contains(&MCC),
                };
                add(&glcm::features(&levels, &offsets, o, roi.spacing));
            }
            FeatureClass::Glrlm => {
                let offsets = directions::offsets(roi.dims, &[1], false, flat);
                add(&runs::features(&levels, &offsets, settings.weighting_norm, roi.spacing));
            }
            FeatureClass::Glszm => add(&zones::features(&levels, flat)),
            FeatureClass::Gldm => {
                if let Some(n) = &around {
                    add(&neighbours::gldm(n, &levels));
                }
            }
            FeatureClass::Ngtdm => {
                if let Some(n) = &around {
                    add(&neighbours::ngtdm(n, &levels));
                }
            }
            FeatureClass::Shape | FeatureClass::Shape2D => {}
        }
    }
    Ok(out)
}
