//! Parameter sets by modality.

use crate::config::{RadiomicsSettings, parse_typed};
use rtpipeline_radiomics::{FeatureClass, ImageType, Params, Settings};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Kinds of images that have a table of features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Modality {
    /// Computed tomography, HU.
    Ct,
    /// Magnetic resonance, arbitrary units.
    Mr,
    /// Positron emission tomography, SUVbw.
    Pet,
}

impl Modality {
    /// From the DICOM Modality.
    pub fn of(dicom: &str) -> Option<Self> {
        match dicom {
            "CT" => Some(Self::Ct),
            "MR" => Some(Self::Mr),
            "PT" => Some(Self::Pet),
            _ => None,
        }
    }

    /// Name of the wide table.
    pub fn table(self) -> &'static str {
        match self {
            Self::Ct => "radiomics_ct",
            Self::Mr => "radiomics_mr",
            Self::Pet => "radiomics_pet",
        }
    }
}

/// The parameters in force.
#[derive(Clone, Debug)]
pub struct ParameterSets {
    /// CT.
    pub ct: Params,
    /// MR.
    pub mr: Params,
    /// PET.
    pub pet: Params,
}

/// Columns of a wide table: diagnostics of every step, whether or not the parameters ask for it, then the features.
pub fn column_names(params: &Params) -> Vec<String> {
    let mut names: Vec<String> = [
        "Versions_rtpipeline-radiomics",
        "Configuration_Settings",
        "Configuration_EnabledImageTypes",
        "Image-original_Hash",
        "Image-original_Dimensionality",
    ]
    .map(str::to_owned)
    .to_vec();
    let image = ["Spacing", "Size", "Mean", "Minimum", "Maximum"];
    let mask = ["Spacing", "Size", "BoundingBox", "VoxelNum", "VolumeNum", "CenterOfMassIndex", "CenterOfMass"];
    names.extend(image.iter().map(|k| format!("Image-original_{k}")));
    names.push("Mask-original_Hash".to_owned());
    names.extend(mask.iter().map(|k| format!("Mask-original_{k}")));
    names.extend(image.iter().map(|k| format!("Image-interpolated_{k}")));
    for step in ["interpolated", "corrected", "resegmented"] {
        names.extend(mask.iter().chain(&["Mean", "Minimum", "Maximum"]).map(|k| format!("Mask-{step}_{k}")));
    }
    names.into_iter().map(|n| format!("diagnostics_{n}")).chain(params.feature_names()).collect()
}

impl Default for ParameterSets {
    fn default() -> Self {
        Self { ct: Params::rtpipeline_ct(), mr: Params::rtpipeline_mr(), pet: Params::rtpipeline_pet_fdg() }
    }
}

impl ParameterSets {
    /// Those of the settings; packaged ones where no file is named.
    ///
    /// # Errors
    /// A file that cannot be read or followed, with place and hint.
    pub fn load(settings: &RadiomicsSettings) -> Result<Self, String> {
        let read = |file: Option<&Path>, packaged: fn() -> Params| match file {
            None => Ok(packaged()),
            Some(path) => Self::read(path),
        };
        Ok(Self {
            ct: read(settings.params_file.as_deref(), Params::rtpipeline_ct)?,
            mr: read(settings.mr_params_file.as_deref(), Params::rtpipeline_mr)?,
            pet: read(settings.pet_params_file.as_deref(), Params::rtpipeline_pet_fdg)?,
        })
    }

    /// A parameter file.
    ///
    /// # Errors
    /// When it cannot be read or followed, with the place in it.
    pub fn read(path: &Path) -> Result<Params, String> {
        let fail = |e: String| format!("radiomics parameter file {}: {e}", path.display());
        let text = std::fs::read_to_string(path).map_err(|e| fail(e.to_string()))?;
        let params: Params = parse_typed(&text, &path.display().to_string()).map_err(|e| e.to_string())?;
        params.validate().map_err(|e| fail(e.to_string()))?;
        Ok(params)
    }

    /// Parameters of a modality.
    pub fn of(&self, m: Modality) -> &Params {
        match m {
            Modality::Ct => &self.ct,
            Modality::Mr => &self.mr,
            Modality::Pet => &self.pet,
        }
    }

    /// First order and shape of the original image at 2 mm, for very large structures.
    pub fn reduced(&self) -> Params {
        let base = Params::rtpipeline_ct();
        let setting = Settings { resampled_pixel_spacing: Some(vec![2.0; 3]), ..base.setting.clone() };
        Params {
            setting,
            image_type: vec![(ImageType::Original, Settings::default())],
            feature_class: vec![(FeatureClass::Shape, Vec::new()), (FeatureClass::Firstorder, Vec::new())],
            ..base
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtpipeline_geometry::{Grid, Volume};
    use rtpipeline_radiomics::{ImageInput, extract};
    use std::collections::BTreeSet;

    #[test]
    fn every_value_of_an_extraction_has_a_column() {
        let grid = Grid::axis_aligned([24, 22, 20], [0.0; 3], [1.5, 1.5, 2.0]);
        let values = (0..grid.len()).map(|n| ((n * 7919) % 501) as i16).collect();
        let image = Volume::from_vec(grid.clone(), values);
        let mut mask = Volume::filled(grid, 0_u8);
        for k in 6..14 {
            for j in 6..15 {
                for i in 6..16 {
                    mask.data[[k, j, i]] = 1;
                }
            }
        }
        let sets = ParameterSets::default();
        for params in [&sets.ct, &sets.mr, &sets.pet, &sets.reduced()] {
            let columns: BTreeSet<String> = column_names(params).into_iter().collect();
            let found = extract(&ImageInput::from(&image), &mask, params).expect("features");
            for name in found.values.iter().map(|v| &v.0).chain(found.diagnostics.iter().map(|d| &d.0)) {
                assert!(columns.contains(name), "{name}");
            }
        }
    }
}
