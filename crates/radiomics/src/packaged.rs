//! Parameter sets that rtpipeline uses for CT, MR and PET.

use crate::{
    params::{FeatureClass, ImageType, Params},
    settings::{Interpolator, Settings, Sigma},
};

fn packaged(setting: Settings, sigma: &[f64], wavelet: bool) -> Params {
    let common = Settings {
        interpolator: Some(Interpolator::BSpline),
        minimum_roi_dimensions: Some(2),
        minimum_roi_size: Some(64),
        force_2d: Some(false),
        force_2d_dimension: Some(0),
        pad_distance: Some(5),
        geometry_tolerance: Some(1e-6),
        voxel_array_shift: Some(0),
        additional_info: Some(true),
        label: Some(1),
        pre_crop: Some(false),
        ..Settings::default()
    };
    let log = Settings { sigma: Some(sigma.iter().map(|&s| Sigma::Decimal(s)).collect()), ..Settings::default() };
    let mut image_type = vec![(ImageType::Original, Settings::default()), (ImageType::LoG, log)];
    if wavelet {
        let own =
            Settings { wavelet: Some("coif1".to_owned()), start_level: Some(0), level: Some(1), ..Settings::default() };
        image_type.push((ImageType::Wavelet, own));
    }
    let classes = [
        FeatureClass::Shape,
        FeatureClass::Firstorder,
        FeatureClass::Glcm,
        FeatureClass::Glrlm,
        FeatureClass::Glszm,
        FeatureClass::Gldm,
        FeatureClass::Ngtdm,
    ];
    Params {
        setting: common.overridden(&setting),
        image_type,
        feature_class: classes.map(|c| (c, Vec::new())).to_vec(),
        ..Params::default()
    }
}

fn settings(spacing: f64, bin_width: f64, distances: &[u32], correct_mask: bool, normalize: bool) -> Settings {
    Settings {
        resampled_pixel_spacing: Some(vec![spacing; 3]),
        bin_width: Some(bin_width),
        distances: Some(distances.to_vec()),
        correct_mask: Some(correct_mask),
        normalize: Some(normalize),
        ..Settings::default()
    }
}

impl Params {
    /// CT: 1 mm, bins of 25 HU; original, LoG 1, 2, 3, 5 mm, coif1 wavelet.
    pub fn rtpipeline_ct() -> Self {
        packaged(settings(1.0, 25.0, &[1, 2], true, false), &[1.0, 2.0, 3.0, 5.0], true)
    }

    /// MR: 1 mm, normalised, bins of 0.5 standard deviations; original, LoG 2, 3, 4 mm.
    pub fn rtpipeline_mr() -> Self {
        packaged(settings(1.0, 0.5, &[1], false, true), &[2.0, 3.0, 4.0], false)
    }

    /// FDG-PET: 3 mm, bins of 0.25 SUV; original, LoG 1, 2, 3 mm, coif1 wavelet.
    pub fn rtpipeline_pet_fdg() -> Self {
        packaged(settings(3.0, 0.25, &[1, 2], true, false), &[1.0, 2.0, 3.0], true)
    }

    /// PSMA-PET: 3 mm, bins of 0.5 SUV; original, LoG 2, 3, 4 mm, coif1 wavelet.
    pub fn rtpipeline_pet_psma() -> Self {
        packaged(settings(3.0, 0.5, &[1, 2], true, false), &[2.0, 3.0, 4.0], true)
    }
}
