//! Why no features could be extracted.

/// Why no features could be extracted. The cases are those in which PyRadiomics refuses.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RadiomicsError {
    /// The mask has no voxel inside.
    #[error("no voxel of the mask has label {label}: nothing is segmented")]
    LabelAbsent {
        /// The label that was asked for.
        label: u32,
    },
    /// The region of interest is one voxel.
    #[error("the mask has only 1 segmented voxel; features need at least 2")]
    SingleVoxel,
    /// The region extends in too few dimensions.
    #[error("the mask has too few dimensions: {dimensions}, at least {minimum} are required (minimumROIDimensions)")]
    TooFewDimensions {
        /// Number of dimensions in which the region is longer than one voxel.
        dimensions: u32,
        /// Setting `minimumROIDimensions`.
        minimum: u32,
    },
    /// The region has too few voxels.
    #[error("the region is too small: {size} voxels, more than {minimum} are required (minimumROISize)")]
    TooSmall {
        /// Number of voxels.
        size: usize,
        /// Setting `minimumROISize`.
        minimum: u64,
    },
    /// Image and mask have different sizes.
    #[error("image {image:?} and mask {mask:?} differ in size; enable correctMask to resample the mask")]
    SizeMismatch {
        /// Voxels of the image.
        image: [usize; 3],
        /// Voxels of the mask.
        mask: [usize; 3],
    },
    /// Image and mask lie elsewhere.
    #[error(
        "image and mask have different geometry ({what}: image {image:?}, mask {mask:?}, tolerance {tolerance}); \
         raise geometryTolerance or enable correctMask"
    )]
    GeometryMismatch {
        /// What differs: origin, spacing or direction.
        what: &'static str,
        /// The image's numbers.
        image: Vec<f64>,
        /// The mask's numbers.
        mask: Vec<f64>,
        /// What was allowed.
        tolerance: f64,
    },
    /// The region is partly outside of the image.
    #[error(
        "the region's box reaches beyond the image: from {low:?} to {high:?} in voxels of the image, whose size is \
         {size:?}"
    )]
    OutsideImage {
        /// Lower corner in index coordinates of the image.
        low: [f64; 3],
        /// Upper corner.
        high: [f64; 3],
        /// Voxels of the image.
        size: [usize; 3],
    },
    /// Resegmentation left nothing to describe.
    #[error("resegmentation excluded too many voxels with label {label} (retained {retained})")]
    Resegmentation {
        /// The label.
        label: u32,
        /// Voxels that were left.
        retained: usize,
    },
    /// The discretisation makes more grey levels than can be counted.
    #[error(
        "{image_type}: {levels} grey levels are too many (at most {maximum}); choose a larger binWidth or a binCount"
    )]
    TooManyGreyLevels {
        /// The image type.
        image_type: String,
        /// Number of grey levels.
        levels: f64,
        /// What can be counted.
        maximum: f64,
    },
    /// The region holds numbers that are not finite.
    #[error("{image_type}: the region holds values that are not finite")]
    NotFinite {
        /// The image type.
        image_type: String,
    },
    /// A setting that this build cannot follow.
    #[error("{setting}: {reason}")]
    Unsupported {
        /// Name of the setting.
        setting: &'static str,
        /// Why not.
        reason: String,
    },
    /// The number of values is not that of the grid.
    #[error("image holds {values} values for a grid of {dims:?} voxels")]
    WrongLength {
        /// Number of values.
        values: usize,
        /// Voxels of the grid.
        dims: [usize; 3],
    },
}
