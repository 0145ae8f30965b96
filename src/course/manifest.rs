//! The objects of a course and how they hang together.

use super::Finding;
use rtpipeline_engine::{RootedPath, Subject};
use rtpipeline_geometry::Grid;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// By which evidence two objects were linked; the first is the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    /// SOP Instance UID of the object referred to.
    SopInstance,
    /// Series Instance UID (the images have other SOP Instance UIDs than those referred to).
    Series,
    /// Same frame of reference, patient and study; said in a finding.
    FrameOfReference,
    /// Same patient and study only; said in a finding.
    Study,
    /// Not linked.
    None,
}

/// A DICOM file of a course.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CourseFile {
    /// In the input folder (`in:`).
    pub path: RootedPath,
    /// SOP Instance UID; empty when the file has none.
    pub sop_instance_uid: String,
}

/// An image series (or the consistent stack of it that is used).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageObject {
    /// Short id, unique in the course and file-name safe: `CT1`, `MR2`, `PT1`.
    pub id: String,
    /// CT, MR, PT, …
    pub modality: String,
    /// Series Instance UID.
    pub series_uid: String,
    /// Study Instance UID.
    pub study_uid: String,
    /// Frame of Reference UID, empty when absent.
    pub frame_of_reference_uid: String,
    /// Series Description.
    pub description: String,
    /// Acquisition or study date, `YYYYMMDD` or empty.
    pub date: String,
    /// Slices of the series, in no order (organize sorts by position).
    pub files: Vec<CourseFile>,
    /// This is the image that the plan or the chosen structure set refers to.
    pub planning: bool,
    /// The volume, once organize converted it (`out:…/NIFTI/….nii.gz`).
    pub nifti: Option<RootedPath>,
    /// Its grid.
    pub grid: Option<Grid>,
    /// `HU`, `SUVbw`, `BQML`, `a.u.`, … of the volume.
    pub unit: String,
    /// Slices that the structure set refers to and that are missing (0 when complete or unknown).
    pub missing_slices: u32,
}

/// A structure set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StructureSetObject {
    /// The file.
    pub file: CourseFile,
    /// Structure Set Label.
    pub label: String,
    /// Structure Set Date or study date.
    pub date: String,
    /// Frame of reference that its contours are in.
    pub frame_of_reference_uid: String,
    /// Image series that it was drawn on ([`ImageObject::id`]).
    pub image_id: Option<String>,
    /// How the image was found.
    pub image_link: LinkKind,
    /// A plan of the course refers to it.
    pub referenced_by_plan: bool,
    /// It is the one whose structures stand as `Manual` beside the dose (several may be used for several images).
    pub used: bool,
    /// Why it is used or not.
    pub reason: String,
}

/// A plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanObject {
    /// The file.
    pub file: CourseFile,
    /// RT Plan Label.
    pub label: String,
    /// RT Plan Date or study date.
    pub date: String,
    /// Approval Status.
    pub approval: String,
    /// Plan Intent.
    pub intent: String,
    /// Structure set that it refers to (SOP Instance UID), and how it was found here.
    pub structure_set_uid: Option<String>,
    /// How the structure set was found.
    pub structure_set_link: LinkKind,
    /// `photon`, `ion`, `brachy`.
    pub technique: String,
}

/// A dose object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DoseObject {
    /// The file.
    pub file: CourseFile,
    /// Dose Summation Type.
    pub summation: String,
    /// Dose Units.
    pub units: String,
    /// Dose Type.
    pub dose_type: String,
    /// Frame of Reference UID.
    pub frame_of_reference_uid: String,
    /// Plans that it refers to.
    pub plan_uids: Vec<String>,
    /// How the plan was found.
    pub plan_link: LinkKind,
    /// It is part of a resolved dose.
    pub used: bool,
    /// Why it is used or not.
    pub reason: String,
}

/// Other objects: registrations, treatment records, segmentations, …
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherObject {
    /// The file.
    pub file: CourseFile,
    /// Modality.
    pub modality: String,
    /// SOP Class UID.
    pub sop_class_uid: String,
}

/// One addend of a resolved dose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DoseComponent {
    /// The file.
    pub file: CourseFile,
    /// Factor (1, or the number of fractions of a FRACTION dose).
    pub weight: f64,
}

/// A dose that metrics are computed from: one object or a complete sum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResolvedDose {
    /// Short id, unique in the course and file-name safe: `total`, `plan1`, …
    pub id: String,
    /// Words for pages.
    pub label: String,
    /// `dose_resolution` word of contracts §7.
    pub resolution: String,
    /// Why this one.
    pub reason: String,
    /// Addends; one for a dose taken as it is.
    pub components: Vec<DoseComponent>,
    /// Plans behind it.
    pub plan_uids: Vec<String>,
    /// Frame of Reference UID.
    pub frame_of_reference_uid: String,
    /// Prescription for relative metrics.
    pub prescription: Option<Prescription>,
}

/// A prescribed dose and where it was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prescription {
    /// Total dose to the primary target, Gy.
    pub total_gy: f64,
    /// Number of fractions planned.
    pub fractions: Option<u32>,
    /// `rx_source`.
    pub source: String,
}

impl Prescription {
    /// The prescription of a plan, as the plan states it.
    pub fn of_plan(plan: &rtpipeline_dicom::rtplan::Plan) -> Option<Self> {
        plan.prescription().map(|p| Self {
            total_gy: p.total_gy,
            fractions: p.fractions.and_then(|n| u32::try_from(n).ok()),
            source: p.source,
        })
    }
}

/// What linking found of a course, from headers alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Course {
    /// Patient ID as in the files (may be empty).
    pub patient_id: String,
    /// Course name: `YYYY-MM[_suffix]`.
    pub course_id: String,
    /// Folder name of the patient (safe form of the Patient ID, made unique).
    pub patient_dir: String,
    /// What grouped the objects, e.g. `study:<uid>`.
    pub course_key: String,
    /// Image series.
    pub images: Vec<ImageObject>,
    /// Structure sets.
    pub structure_sets: Vec<StructureSetObject>,
    /// Plans.
    pub plans: Vec<PlanObject>,
    /// Doses.
    pub doses: Vec<DoseObject>,
    /// Everything else that belongs here.
    pub others: Vec<OtherObject>,
    /// What linking had to say.
    pub findings: Vec<Finding>,
}

impl Subject for Course {
    fn scope(&self) -> Vec<String> {
        vec![self.patient_dir.clone(), self.course_id.clone()]
    }
}

/// The organised course, `metadata/course.json`: the course with its volumes, its resolved doses and its case metadata.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CourseManifest {
    /// The objects; images now carry volume and grid.
    pub course: Course,
    /// Resolved doses; the first is the one that headline tables and pages use.
    pub resolved_doses: Vec<ResolvedDose>,
    /// `dose_resolution` of the course: that of the first resolved dose, or `unresolved`.
    pub dose_resolution: String,
    /// Why.
    pub dose_resolution_reason: String,
    /// Row of `case_metadata`.
    pub case_metadata: BTreeMap<String, serde_json::Value>,
    /// Everything organize had to say (linking included).
    pub findings: Vec<Finding>,
}
