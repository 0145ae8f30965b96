//! Settings of a parameter file and their defaults.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// How resampled values are interpolated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolator {
    /// Value of the nearest voxel.
    NearestNeighbor,
    /// Trilinear.
    Linear,
    /// Cubic B-spline through the samples.
    BSpline,
    /// Named in parameter files, not computed here: Gaussian.
    Gaussian,
    /// Named in parameter files, not computed here: label Gaussian.
    LabelGaussian,
    /// Windowed sinc with a Hamming window.
    HammingWindowedSinc,
    /// Windowed sinc with a cosine window.
    CosineWindowedSinc,
    /// Windowed sinc with a Welch window.
    WelchWindowedSinc,
    /// Windowed sinc with a Lanczos window.
    LanczosWindowedSinc,
    /// Windowed sinc with a Blackman window.
    BlackmanWindowedSinc,
}

impl Interpolator {
    const ALL: [(Self, &'static str); 10] = [
        (Self::NearestNeighbor, "sitkNearestNeighbor"),
        (Self::Linear, "sitkLinear"),
        (Self::BSpline, "sitkBSpline"),
        (Self::Gaussian, "sitkGaussian"),
        (Self::LabelGaussian, "sitkLabelGaussian"),
        (Self::HammingWindowedSinc, "sitkHammingWindowedSinc"),
        (Self::CosineWindowedSinc, "sitkCosineWindowedSinc"),
        (Self::WelchWindowedSinc, "sitkWelchWindowedSinc"),
        (Self::LanczosWindowedSinc, "sitkLanczosWindowedSinc"),
        (Self::BlackmanWindowedSinc, "sitkBlackmanWindowedSinc"),
    ];

    /// The name in parameter files.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(i, _)| *i == self).map_or("sitkBSpline", |(_, n)| n)
    }
}

impl Serialize for Interpolator {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Interpolator {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl de::Visitor<'_> for V {
            type Value = Interpolator;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an interpolator such as sitkBSpline, or its number from 1 to 10")
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Interpolator, E> {
                let found = Interpolator::ALL.iter().find(|(_, n)| *n == v).map(|(i, _)| *i);
                found.ok_or_else(|| E::invalid_value(de::Unexpected::Str(v), &self))
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Interpolator, E> {
                let found = usize::try_from(v).ok().and_then(|v| Interpolator::ALL.get(v.checked_sub(1)?));
                found.map(|(i, _)| *i).ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(v), &self))
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> Result<Interpolator, E> {
                self.visit_u64(v.max(0) as u64)
            }
        }
        d.deserialize_any(V)
    }
}

/// What the numbers of `resegmentRange` mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResegmentMode {
    /// Values of the image.
    #[default]
    Absolute,
    /// Fractions of the region's maximum.
    Relative,
    /// Standard deviations from the region's mean.
    Sigma,
}

/// How directions of GLCM and GLRLM are weighted before they are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeightingNorm {
    /// Length of the offset.
    Euclidean,
    /// Sum of its components.
    Manhattan,
    /// Largest component.
    Infinity,
    /// All alike: the matrices are merged without weights.
    NoWeighting,
}

/// How two-dimensional binary patterns are numbered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LbpMethod {
    /// Number of bits set if there are at most two changes.
    #[default]
    Uniform,
    /// The bits as a number.
    Default,
    /// The smallest number among the rotations.
    Ror,
    /// Variance of the samples.
    Var,
}

/// A width of the Laplacian of Gaussian in mm. Whole and decimal numbers give different feature names, as in Python.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sigma {
    /// Written without a point.
    Whole(u32),
    /// Written with a point.
    Decimal(f64),
}

impl Sigma {
    /// The width, mm.
    pub fn value(self) -> f64 {
        match self {
            Self::Whole(v) => f64::from(v),
            Self::Decimal(v) => v,
        }
    }
}

impl std::fmt::Display for Sigma {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(v) => write!(f, "{v}"),
            Self::Decimal(v) => write!(f, "{v:?}"),
        }
    }
}

impl Serialize for Sigma {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Whole(v) => s.serialize_u32(*v),
            Self::Decimal(v) => s.serialize_f64(*v),
        }
    }
}

impl<'de> Deserialize<'de> for Sigma {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl de::Visitor<'_> for V {
            type Value = Sigma;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a width in mm")
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Sigma, E> {
                u32::try_from(v).map(Sigma::Whole).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(v), &self))
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> Result<Sigma, E> {
                u32::try_from(v).map(Sigma::Whole).map_err(|_| E::invalid_value(de::Unexpected::Signed(v), &self))
            }
            fn visit_f64<E: de::Error>(self, v: f64) -> Result<Sigma, E> {
                Ok(Sigma::Decimal(v))
            }
        }
        d.deserialize_any(V)
    }
}

/// Declares a struct of optional settings with their names in parameter files.
macro_rules! settings {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident : $t:ty = $key:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $(
                $(#[$field_doc])*
                #[serde(rename = $key, default, skip_serializing_if = "Option::is_none")]
                pub $field: Option<$t>,
            )*
        }

        impl $name {
            /// These settings with those of `over` in their place where it has any.
            pub fn overridden(&self, over: &Self) -> Self {
                Self { $($field: over.$field.clone().or_else(|| self.$field.clone()),)* }
            }
        }
    };
}

settings! {
    /// Settings as they stand in a parameter file, in the map `setting` or under an image type. What is absent or null
    /// has its default.
    Settings {
        /// Dimensions in which the region must be longer than a voxel (1–3; 2).
        minimum_roi_dimensions: u32 = "minimumROIDimensions",
        /// Regions of at most this many voxels are refused.
        minimum_roi_size: u64 = "minimumROISize",
        /// Tolerance for comparing grids (1e-6): of a voxel for origin and spacing, absolute for direction cosines.
        geometry_tolerance: f64 = "geometryTolerance",
        /// Resample the mask to the image's grid when they differ.
        correct_mask: bool = "correctMask",
        /// Diagnostics in the output (true).
        additional_info: bool = "additionalInfo",
        /// Label of the region (1).
        label: u32 = "label",
        /// Component of a vector mask (0).
        label_channel: u32 = "label_channel",
        /// Width of grey level bins (25).
        bin_width: f64 = "binWidth",
        /// Number of grey level bins; stands above the width.
        bin_count: u32 = "binCount",
        /// Bring the image to mean 0 and standard deviation 1 first.
        normalize: bool = "normalize",
        /// Factor after normalisation (1).
        normalize_scale: f64 = "normalizeScale",
        /// Normalised values beyond this many standard deviations are clipped.
        remove_outliers: f64 = "removeOutliers",
        /// New voxel size (x, y, z), mm; 0 keeps the old one.
        resampled_pixel_spacing: Vec<f64> = "resampledPixelSpacing",
        /// Interpolation of the image (B-spline).
        interpolator: Interpolator = "interpolator",
        /// Voxels kept around the region's box when resampling or pre-cropping (5).
        pad_distance: u32 = "padDistance",
        /// Crop before filtering.
        pre_crop: bool = "preCrop",
        /// Distances of neighbours in voxels (1).
        distances: Vec<u32> = "distances",
        /// Directions and wavelets only within planes.
        force_2d: bool = "force2D",
        /// Axis across those planes: 0 = z, 1 = y, 2 = x.
        force_2d_dimension: u8 = "force2Ddimension",
        /// Lower, or lower and upper, bound of values that stay in the region.
        resegment_range: Vec<f64> = "resegmentRange",
        /// What the bounds mean (absolute).
        resegment_mode: ResegmentMode = "resegmentMode",
        /// Shape features of the resegmented region, too.
        resegment_shape: bool = "resegmentShape",
        /// Added to values before energy, total energy and root mean square (0).
        voxel_array_shift: i64 = "voxelArrayShift",
        /// Count pairs in both orders (true).
        symmetrical_glcm: bool = "symmetricalGLCM",
        /// Weights of directions.
        weighting_norm: WeightingNorm = "weightingNorm",
        /// Largest difference of dependent grey levels (0).
        gldm_a: u32 = "gldm_a",
        /// Widths of the Laplacian of Gaussian, mm.
        sigma: Vec<Sigma> = "sigma",
        /// Name of the wavelet (coif1).
        wavelet: String = "wavelet",
        /// Number of wavelet levels that are recorded (1).
        level: u32 = "level",
        /// Levels before the first that is recorded (0).
        start_level: u32 = "start_level",
        /// Gradient per mm instead of per voxel (true).
        gradient_use_spacing: bool = "gradientUseSpacing",
        /// Radius of 2-D patterns in pixels (1).
        lbp2d_radius: f64 = "lbp2DRadius",
        /// Samples of 2-D patterns (8).
        lbp2d_samples: u32 = "lbp2DSamples",
        /// Numbering of 2-D patterns (uniform).
        lbp2d_method: LbpMethod = "lbp2DMethod",
        /// Levels of spherical harmonics (2).
        lbp3d_levels: u32 = "lbp3DLevels",
        /// Radius of 3-D patterns in voxels (1).
        lbp3d_icosphere_radius: f64 = "lbp3DIcosphereRadius",
        /// Subdivisions of the icosahedron (1).
        lbp3d_icosphere_subdivision: u32 = "lbp3DIcosphereSubdivision",
    }
}

settings! {
    /// Settings of feature maps. They are read and checked; maps are not computed here.
    VoxelSettings {
        /// Radius of the neighbourhood in voxels.
        kernel_radius: u32 = "kernelRadius",
        /// Only voxels of the region in the neighbourhood.
        masked_kernel: bool = "maskedKernel",
        /// Value outside.
        init_value: f64 = "initValue",
        /// Voxels computed at once.
        voxel_batch: i64 = "voxelBatch",
    }
}

impl Settings {
    /// The first setting that is out of its range, as "key: reason".
    pub(crate) fn problem(&self) -> Option<String> {
        let positive = |key: &str, v: Option<f64>| {
            v.filter(|v| !(*v > 0.0 && v.is_finite())).map(|v| format!("{key}: {v} is not a positive number"))
        };
        let at_least = |key: &str, v: Option<u64>, low: u64, high: u64| {
            v.filter(|v| !(low..=high).contains(v)).map(|v| format!("{key}: {v} is not from {low} to {high}"))
        };
        let small = u64::from(u16::MAX);
        let found = [
            at_least("minimumROIDimensions", self.minimum_roi_dimensions.map(u64::from), 1, 3),
            at_least("minimumROISize", self.minimum_roi_size, 1, u64::MAX),
            positive("geometryTolerance", self.geometry_tolerance),
            at_least("label", self.label.map(u64::from), 1, u64::from(u32::MAX)),
            positive("binWidth", self.bin_width),
            at_least("binCount", self.bin_count.map(u64::from), 1, small),
            positive("normalizeScale", self.normalize_scale),
            positive("removeOutliers", self.remove_outliers),
            at_least("padDistance", self.pad_distance.map(u64::from), 0, small),
            at_least("force2Ddimension", self.force_2d_dimension.map(u64::from), 0, 2),
            at_least("level", self.level.map(u64::from), 1, 20),
            at_least("start_level", self.start_level.map(u64::from), 0, 20),
            positive("lbp2DRadius", self.lbp2d_radius),
            at_least("lbp2DSamples", self.lbp2d_samples.map(u64::from), 1, 32),
            at_least("lbp3DLevels", self.lbp3d_levels.map(u64::from), 1, 20),
            positive("lbp3DIcosphereRadius", self.lbp3d_icosphere_radius),
            at_least("lbp3DIcosphereSubdivision", self.lbp3d_icosphere_subdivision.map(u64::from), 0, 5),
        ];
        if let Some(p) = found.into_iter().flatten().next() {
            return Some(p);
        }
        if let Some(s) = &self.resampled_pixel_spacing {
            if s.len() != 3 {
                return Some(format!("resampledPixelSpacing: {} numbers, 3 are needed (x, y, z)", s.len()));
            }
            if s.iter().any(|v| !(*v >= 0.0 && v.is_finite())) {
                return Some(format!("resampledPixelSpacing: {s:?} holds a number that is not 0 or positive"));
            }
        }
        if let Some(d) = &self.distances
            && (d.is_empty() || d.iter().any(|v| !(1..=64).contains(v)))
        {
            return Some(format!("distances: {d:?} is not a list of numbers from 1 to 64"));
        }
        if let Some(r) = &self.resegment_range
            && (!(1..=2).contains(&r.len()) || r.iter().any(|v| !v.is_finite()))
        {
            return Some(format!("resegmentRange: {r:?} is not a list of 1 or 2 numbers"));
        }
        if let Some(s) = self.sigma.iter().flatten().find(|s| !(s.value() > 0.0 && s.value().is_finite())) {
            return Some(format!("sigma: {s} is not a positive number"));
        }
        if let Some(w) = &self.wavelet
            && !crate::filters::wavelet::is_known(w)
        {
            return Some(format!("wavelet: there is no wavelet '{w}'"));
        }
        None
    }
}

/// Settings with all defaults filled in.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    pub(crate) minimum_roi_dimensions: u32,
    pub(crate) minimum_roi_size: Option<u64>,
    pub(crate) geometry_tolerance: f64,
    pub(crate) correct_mask: bool,
    pub(crate) additional_info: bool,
    pub(crate) label: u32,
    pub(crate) bin_width: f64,
    pub(crate) bin_count: Option<u32>,
    pub(crate) normalize: bool,
    pub(crate) normalize_scale: f64,
    pub(crate) remove_outliers: Option<f64>,
    pub(crate) resampled_pixel_spacing: Option<[f64; 3]>,
    pub(crate) interpolator: Interpolator,
    pub(crate) pad_distance: u32,
    pub(crate) pre_crop: bool,
    pub(crate) distances: Vec<u32>,
    pub(crate) force_2d: bool,
    pub(crate) force_2d_dimension: u8,
    pub(crate) resegment_range: Option<Vec<f64>>,
    pub(crate) resegment_mode: ResegmentMode,
    pub(crate) resegment_shape: bool,
    pub(crate) voxel_array_shift: i64,
    pub(crate) symmetrical_glcm: bool,
    pub(crate) weighting_norm: Option<WeightingNorm>,
    pub(crate) gldm_a: u32,
    pub(crate) sigma: Vec<Sigma>,
    pub(crate) wavelet: String,
    pub(crate) level: u32,
    pub(crate) start_level: u32,
    pub(crate) gradient_use_spacing: bool,
    pub(crate) lbp2d_radius: f64,
    pub(crate) lbp2d_samples: u32,
    pub(crate) lbp2d_method: LbpMethod,
    pub(crate) lbp3d_levels: u32,
    pub(crate) lbp3d_icosphere_radius: f64,
    pub(crate) lbp3d_icosphere_subdivision: u32,
}

impl From<&Settings> for Resolved {
    fn from(s: &Settings) -> Self {
        Self {
            minimum_roi_dimensions: s.minimum_roi_dimensions.unwrap_or(2),
            minimum_roi_size: s.minimum_roi_size,
            geometry_tolerance: s.geometry_tolerance.unwrap_or(1e-6),
            correct_mask: s.correct_mask.unwrap_or(false),
            additional_info: s.additional_info.unwrap_or(true),
            label: s.label.unwrap_or(1),
            bin_width: s.bin_width.unwrap_or(25.0),
            bin_count: s.bin_count,
            normalize: s.normalize.unwrap_or(false),
            normalize_scale: s.normalize_scale.unwrap_or(1.0),
            remove_outliers: s.remove_outliers,
            resampled_pixel_spacing: s.resampled_pixel_spacing.as_ref().and_then(|v| v.as_slice().try_into().ok()),
            interpolator: s.interpolator.unwrap_or(Interpolator::BSpline),
            pad_distance: s.pad_distance.unwrap_or(5),
            pre_crop: s.pre_crop.unwrap_or(false),
            distances: s.distances.clone().unwrap_or_else(|| vec![1]),
            force_2d: s.force_2d.unwrap_or(false),
            force_2d_dimension: s.force_2d_dimension.unwrap_or(0),
            resegment_range: s.resegment_range.clone(),
            resegment_mode: s.resegment_mode.unwrap_or_default(),
            resegment_shape: s.resegment_shape.unwrap_or(false),
            voxel_array_shift: s.voxel_array_shift.unwrap_or(0),
            symmetrical_glcm: s.symmetrical_glcm.unwrap_or(true),
            weighting_norm: s.weighting_norm,
            gldm_a: s.gldm_a.unwrap_or(0),
            sigma: s.sigma.clone().unwrap_or_default(),
            wavelet: s.wavelet.clone().unwrap_or_else(|| "coif1".to_owned()),
            level: s.level.unwrap_or(1),
            start_level: s.start_level.unwrap_or(0),
            gradient_use_spacing: s.gradient_use_spacing.unwrap_or(true),
            lbp2d_radius: s.lbp2d_radius.unwrap_or(1.0),
            lbp2d_samples: s.lbp2d_samples.unwrap_or(8),
            lbp2d_method: s.lbp2d_method.unwrap_or_default(),
            lbp3d_levels: s.lbp3d_levels.unwrap_or(2),
            lbp3d_icosphere_radius: s.lbp3d_icosphere_radius.unwrap_or(1.0),
            lbp3d_icosphere_subdivision: s.lbp3d_icosphere_subdivision.unwrap_or(1),
        }
    }
}
