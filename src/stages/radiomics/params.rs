//! Parameter sets by modality.

use crate::config::{RadiomicsSettings, parse_typed};
use rtpipeline_radiomics::Params;
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
        params.checked().map_err(|e| fail(e.to_string()))
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
        Params::rtpipeline_reduced()
    }
}
