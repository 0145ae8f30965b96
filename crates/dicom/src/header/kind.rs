//! Kinds of objects by SOP class.

use serde::{Deserialize, Serialize};

/// What an object is, by its SOP Class UID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKind {
    /// CT image.
    Ct,
    /// Enhanced or legacy converted enhanced CT.
    EnhancedCt,
    /// MR image.
    Mr,
    /// Enhanced or legacy converted enhanced MR.
    EnhancedMr,
    /// PET image.
    Pet,
    /// Enhanced or legacy converted enhanced PET.
    EnhancedPet,
    /// RT image (portal image, DRR).
    RtImage,
    /// Any other image.
    OtherImage,
    /// RT structure set.
    RtStruct,
    /// RT dose.
    RtDose,
    /// RT plan (photons, electrons, brachytherapy).
    RtPlan,
    /// RT ion plan.
    RtIonPlan,
    /// RT treatment record of any kind.
    TreatmentRecord,
    /// Rigid spatial registration.
    Registration,
    /// Deformable spatial registration.
    DeformableRegistration,
    /// Segmentation (binary, fractional or label map).
    Segmentation,
    /// Real world value mapping.
    RealWorldValueMapping,
    /// Structured report.
    StructuredReport,
    /// Second-generation RT object (not supported).
    RtSecondGeneration,
    /// Media directory.
    DicomDir,
    /// Anything else.
    Other,
}

impl ObjectKind {
    /// The kind that a SOP Class UID stands for.
    pub fn of(uid: &str) -> Self {
        if uid == "1.2.840.10008.1.3.10" {
            return Self::DicomDir;
        }
        let Some(s) = uid.strip_prefix("1.2.840.10008.5.1.4.1.1.") else {
            return match uid {
                "1.2.840.10008.5.1.4.34.7" | "1.2.840.10008.5.1.4.34.10" => Self::RtSecondGeneration,
                _ => Self::Other,
            };
        };
        match s {
            "2" => Self::Ct,
            "2.1" | "2.2" => Self::EnhancedCt,
            "4" => Self::Mr,
            "4.1" | "4.3" | "4.4" => Self::EnhancedMr,
            "128" => Self::Pet,
            "130" | "128.1" => Self::EnhancedPet,
            "481.1" => Self::RtImage,
            "481.2" => Self::RtDose,
            "481.3" => Self::RtStruct,
            "481.5" => Self::RtPlan,
            "481.8" => Self::RtIonPlan,
            "481.4" | "481.6" | "481.7" | "481.9" => Self::TreatmentRecord,
            "66.1" => Self::Registration,
            "66.3" => Self::DeformableRegistration,
            "66.4" | "66.7" => Self::Segmentation,
            "67" => Self::RealWorldValueMapping,
            _ if s.starts_with("481.") => Self::RtSecondGeneration,
            _ if s.starts_with("88.") => Self::StructuredReport,
            _ => match s.split('.').next() {
                Some("1" | "3" | "5" | "6" | "7" | "8" | "12" | "13" | "14" | "20" | "30" | "77") => Self::OtherImage,
                _ => Self::Other,
            },
        }
    }

    /// CT, MR or PET, single or multi-frame.
    pub fn is_volume_image(self) -> bool {
        matches!(self, Self::Ct | Self::EnhancedCt | Self::Mr | Self::EnhancedMr | Self::Pet | Self::EnhancedPet)
    }

    /// Plan of any radiation.
    pub fn is_plan(self) -> bool {
        matches!(self, Self::RtPlan | Self::RtIonPlan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sop_classes() {
        for (s, k) in [
            ("1.2.840.10008.5.1.4.1.1.2", ObjectKind::Ct),
            ("1.2.840.10008.5.1.4.1.1.2.2", ObjectKind::EnhancedCt),
            ("1.2.840.10008.5.1.4.1.1.481.3", ObjectKind::RtStruct),
            ("1.2.840.10008.5.1.4.1.1.481.8", ObjectKind::RtIonPlan),
            ("1.2.840.10008.5.1.4.1.1.481.10", ObjectKind::RtSecondGeneration),
            ("1.2.840.10008.5.1.4.1.1.66.7", ObjectKind::Segmentation),
            ("1.2.840.10008.5.1.4.1.1.7.4", ObjectKind::OtherImage),
            ("1.2.3", ObjectKind::Other),
        ] {
            assert_eq!(ObjectKind::of(s), k, "{s}");
        }
    }
}
