//! What an object is, by its SOP Class UID and by nothing else (DICOM PS3.4 B.5).

use serde::{Deserialize, Serialize};

/// Kind of treatment of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Technique {
    /// RT Plan with external beams.
    Photon,
    /// RT Ion Plan.
    Ion,
    /// RT Plan with application setups.
    Brachy,
}

impl Technique {
    /// The word used in tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Photon => "photon",
            Self::Ion => "ion",
            Self::Brachy => "brachy",
        }
    }
}

/// The part that an object plays in a course.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// A cross-sectional image with its place in the patient.
    Image(&'static str),
    /// RT Structure Set.
    StructureSet,
    /// RT Plan (external beams or brachytherapy).
    Plan,
    /// RT Ion Plan.
    IonPlan,
    /// RT Dose.
    Dose,
    /// Treatment record.
    Record,
    /// Spatial registration, rigid or deformable.
    Registration,
    /// An object that says something about others: segmentation, report, presentation state, RT image, …
    Companion(&'static str),
    /// Media directory.
    Directory,
    /// An image that is not cross-sectional, or not one of CT, MR and PET.
    OtherImage(&'static str),
    /// Anything else.
    Unknown,
}

impl Class {
    /// Classifies a SOP Class UID.
    pub fn of(uid: &str) -> Self {
        if uid == "1.2.840.10008.1.3.10" {
            return Self::Directory;
        }
        let Some(rest) = uid.strip_prefix("1.2.840.10008.5.1.4.1.1.") else { return Self::Unknown };
        match rest {
            "2" | "2.1" | "2.2" => Self::Image("CT"),
            "4" | "4.1" | "4.4" => Self::Image("MR"),
            "128" | "130" | "128.1" => Self::Image("PT"),
            "481.3" => Self::StructureSet,
            "481.5" => Self::Plan,
            "481.8" => Self::IonPlan,
            "481.2" => Self::Dose,
            "481.4" | "481.6" | "481.7" | "481.9" => Self::Record,
            "66.1" | "66.3" => Self::Registration,
            "66.4" | "66.7" => Self::Companion("segmentation"),
            "66.2" => Self::Companion("spatial fiducials"),
            "66.5" => Self::Companion("surface segmentation"),
            "67" => Self::Companion("real world value mapping"),
            "30" => Self::Companion("parametric map"),
            "481.1" => Self::Companion("RT image"),
            "88.59" => Self::Companion("key object selection"),
            r if r.starts_with("88.") => Self::Companion("structured report"),
            r if r.starts_with("11.") => Self::Companion("presentation state"),
            r if r.starts_with("481.") => Self::Companion("RT object of the second generation"),
            "104.1" | "104.2" | "104.3" => Self::Companion("encapsulated document"),
            r if r == "7" || r.starts_with("7.") => Self::OtherImage("secondary capture"),
            "20" => Self::OtherImage("nuclear medicine image"),
            "3.1" | "6.1" | "6.2" => Self::OtherImage("ultrasound image"),
            "1" | "1.1" | "1.1.1" => Self::OtherImage("projection radiograph"),
            r if r.starts_with("1.2") || r.starts_with("1.3") => Self::OtherImage("projection radiograph"),
            r if r.starts_with("12.") || r.starts_with("13.") => Self::OtherImage("X-ray image"),
            r if r.starts_with("77.") => Self::OtherImage("visible light image"),
            "4.2" => Self::OtherImage("MR spectroscopy"),
            "4.3" => Self::OtherImage("colour MR image"),
            _ => Self::Unknown,
        }
    }
}
