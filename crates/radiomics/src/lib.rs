//! PyRadiomics-compatible image features.
//!
//! [`extract`] computes what PyRadiomics 3.0.1 computes for one image, one mask and one parameter file: preprocessing
//! (normalisation, resampling, resegmentation), image types (filters) and the feature classes shape, shape2D, firstorder,
//! glcm, glrlm, glszm, gldm and ngtdm. [`catalogue`] lists every feature with its formula and its IBSI code.
//!
//! The crate does no I/O and starts no threads: image types are computed side by side in the current rayon pool, in a way
//! that the numbers do not depend on it.
//!
//! Sources: van Griethuysen et al., "Computational Radiomics System to Decode the Radiographic Phenotype", Cancer Res 77,
//! 2017 (PyRadiomics); Zwanenburg et al., "The Image Biomarker Standardization Initiative", Radiology 295, 2020 (IBSI-1).
//! Where both differ, the values are those of PyRadiomics; the catalogue says where.
//!
//! ```
//! use rtpipeline_geometry::{Grid, Volume};
//! use rtpipeline_radiomics::{ImageInput, Params, extract};
//!
//! let grid = Grid::axis_aligned([8, 8, 4], [0.0; 3], [1.0, 1.0, 2.0]);
//! let image = Volume::from_vec(grid.clone(), (0..256).map(|v| (v * 37 % 101) as i16).collect());
//! let mask = Volume::filled(grid, 1_u8);
//! let found = extract(&ImageInput::from(&image), &mask, &Params::default_pyradiomics()).unwrap();
//! let volume = found.get("original_shape_VoxelVolume");
//! assert_eq!(volume, Some(512.0));
//! ```

mod catalogue;
mod diagnostics;
mod directions;
mod discretise;
mod error;
mod extract;
mod filters;
mod firstorder;
mod glcm;
mod image;
mod mcc;
mod names;
mod neighbours;
mod numeric;
mod packaged;
mod params;
mod preprocess;
mod resample;
mod roi;
mod runs;
mod settings;
mod sha1;
mod shape;
mod sizes;
mod zones;

pub use catalogue::{FeatureInfo, catalogue};
pub use error::RadiomicsError;
pub use extract::{Features, extract};
pub use image::{ImageFacts, ImageInput, Values};
pub use params::{FeatureClass, ImageType, Params, ParamsError};
pub use settings::{Interpolator, LbpMethod, ResegmentMode, Settings, Sigma, VoxelSettings, WeightingNorm};
