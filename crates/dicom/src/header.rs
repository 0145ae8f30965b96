//! What one file is, from its header alone.

mod build;
mod kind;
mod sniff;

pub use kind::ObjectKind;
pub use sniff::{sniff, sniff_bytes};

use crate::Finding;
use serde::{Deserialize, Serialize};

/// The elements of one object that scanning and linking need. Empty strings and `None` mean absent or blank.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Header {
    /// SOP Class UID: decides what the object is (see [`Header::kind`]); Modality never does.
    pub sop_class_uid: String,
    /// SOP Instance UID.
    pub sop_instance_uid: String,
    /// Transfer syntax by which the file was read.
    pub transfer_syntax: String,
    /// Modality as written.
    pub modality: String,

    /// Patient ID, padding removed.
    pub patient_id: String,
    /// Whether a patient's name is there (the name itself is not kept).
    pub patient_name_present: bool,
    /// 16 hexadecimal digits of a hash of the normalised name: equal for equal names, and tells two patients apart.
    pub patient_name_digest: Option<String>,
    /// Birth date as written (YYYYMMDD).
    pub patient_birth_date: Option<String>,
    /// Sex as written.
    pub patient_sex: Option<String>,

    /// Study Instance UID.
    pub study_uid: String,
    /// Series Instance UID.
    pub series_uid: String,
    /// Frame of Reference UID; for structure sets the one at the top level (see also `frames_of_reference`).
    pub frame_of_reference_uid: String,
    /// Study date (YYYYMMDD).
    pub study_date: Option<String>,
    /// Study time.
    pub study_time: Option<String>,
    /// Study description.
    pub study_description: Option<String>,
    /// Series date.
    pub series_date: Option<String>,
    /// Series time.
    pub series_time: Option<String>,
    /// Series number.
    pub series_number: Option<i64>,
    /// Series description.
    pub series_description: Option<String>,
    /// Instance number.
    pub instance_number: Option<i64>,
    /// Instance creation date.
    pub creation_date: Option<String>,
    /// Instance creation time.
    pub creation_time: Option<String>,
    /// Manufacturer.
    pub manufacturer: Option<String>,
    /// Manufacturer's model name.
    pub model: Option<String>,
    /// Body part examined.
    pub body_part: Option<String>,
    /// Protocol name.
    pub protocol: Option<String>,

    /// Image facts; absent for objects without rows and columns.
    pub image: Option<ImageFacts>,
    /// Facts of RTSTRUCT.
    pub structure_set: Option<StructureSetFacts>,
    /// Facts of RTDOSE.
    pub dose: Option<DoseFacts>,
    /// Facts of RTPLAN, RT Ion Plan and RT treatment records.
    pub plan: Option<PlanFacts>,

    /// SOP Instance UIDs of referenced plans (RTDOSE, treatment records, RTPLAN).
    pub referenced_plans: Vec<String>,
    /// SOP Instance UIDs of referenced structure sets (RTPLAN, RTDOSE).
    pub referenced_structure_sets: Vec<String>,
    /// SOP Instance UIDs of referenced doses (RTPLAN).
    pub referenced_doses: Vec<String>,
    /// Referenced image series with their instances (RTSTRUCT, SEG, registrations and others).
    pub referenced_series: Vec<SeriesReference>,
    /// Frames of reference that the object refers to (RTSTRUCT: of its series and ROIs; registrations: of its items).
    pub frames_of_reference: Vec<String>,

    /// Remarks on coding and content.
    pub findings: Vec<Finding>,
}

/// A reference to images of one series.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SeriesReference {
    /// Study, where stated.
    pub study_uid: String,
    /// Series Instance UID.
    pub series_uid: String,
    /// Frame of reference under which the series is listed, where stated.
    pub frame_of_reference_uid: String,
    /// SOP Instance UIDs of the images, in the order of the file.
    pub image_uids: Vec<String>,
}

/// Facts of an image or a dose grid.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageFacts {
    /// Rows.
    pub rows: u32,
    /// Columns.
    pub columns: u32,
    /// Number of frames (1 if not stated).
    pub frames: u32,
    /// Samples per pixel.
    pub samples_per_pixel: u16,
    /// Bits allocated.
    pub bits_allocated: u16,
    /// Photometric interpretation.
    pub photometric: Option<String>,
    /// Distance of rows, distance of columns, mm.
    pub pixel_spacing: Option<[f64; 2]>,
    /// Direction cosines of the row, then of the column.
    pub orientation: Option<[f64; 6]>,
    /// Centre of the first voxel, mm LPS.
    pub position: Option<[f64; 3]>,
    /// Slice thickness, mm.
    pub slice_thickness: Option<f64>,
    /// Image type values.
    pub image_type: Vec<String>,
    /// Acquisition number.
    pub acquisition_number: Option<i64>,
    /// Acquisition date.
    pub acquisition_date: Option<String>,
    /// Acquisition time.
    pub acquisition_time: Option<String>,
    /// Temporal position identifier.
    pub temporal_position: Option<i64>,
    /// Number of temporal positions.
    pub temporal_positions: Option<i64>,
    /// Trigger time, ms.
    pub trigger_time: Option<f64>,
    /// Echo number.
    pub echo_number: Option<i64>,
    /// Image comments (4D phases are often named here).
    pub comments: Option<String>,
    /// Units (PET).
    pub units: Option<String>,
    /// Burned In Annotation: `Some(true)` for YES.
    pub burned_in_annotation: Option<bool>,
    /// Whether the file holds pixel data.
    pub has_pixels: bool,
    /// Whether the pixel data are encapsulated (compressed).
    pub encapsulated: bool,
}

/// Facts of a structure set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StructureSetFacts {
    /// Structure set label.
    pub label: Option<String>,
    /// Structure set name.
    pub name: Option<String>,
    /// Date.
    pub date: Option<String>,
    /// Time.
    pub time: Option<String>,
    /// Approval status.
    pub approval_status: Option<String>,
    /// Number of items of StructureSetROISequence.
    pub structure_count: usize,
    /// ROI names in the order of the file.
    pub structure_names: Vec<String>,
    /// Number of contours.
    pub contour_count: usize,
    /// Images that single contours refer to, each once, in the order of the file.
    pub contour_image_uids: Vec<String>,
}

/// Facts of a dose.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DoseFacts {
    /// Dose units: GY or RELATIVE.
    pub units: Option<String>,
    /// Dose type: PHYSICAL, EFFECTIVE, ERROR.
    pub dose_type: Option<String>,
    /// Dose summation type: PLAN, MULTI_PLAN, FRACTION, BEAM, BRACHY, …
    pub summation_type: Option<String>,
    /// Dose grid scaling.
    pub scaling: Option<f64>,
    /// Dose comment.
    pub comment: Option<String>,
    /// Referenced fraction group numbers.
    pub fraction_groups: Vec<i64>,
    /// Referenced beam numbers.
    pub beams: Vec<i64>,
    /// Number of items of DVHSequence.
    pub dvh_count: usize,
}

/// Facts of a plan or treatment record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlanFacts {
    /// RT plan label.
    pub label: Option<String>,
    /// RT plan name.
    pub name: Option<String>,
    /// RT plan date.
    pub date: Option<String>,
    /// RT plan time.
    pub time: Option<String>,
    /// Plan intent.
    pub intent: Option<String>,
    /// Approval status.
    pub approval_status: Option<String>,
    /// RT plan geometry: PATIENT or TREATMENT_DEVICE.
    pub geometry: Option<String>,
    /// Fraction groups.
    pub fraction_groups: Vec<FractionGroupFacts>,
    /// Number of beams (photon, electron and ion).
    pub beam_count: usize,
    /// Number of brachy application setups.
    pub brachy_setup_count: usize,
    /// Treatment date (records).
    pub treatment_date: Option<String>,
    /// Treatment time (records).
    pub treatment_time: Option<String>,
}

/// A fraction group in short.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FractionGroupFacts {
    /// Number.
    pub number: Option<i64>,
    /// Fractions planned.
    pub fractions_planned: Option<i64>,
    /// Numbers of the beams referred to.
    pub beams: Vec<i64>,
    /// Number of brachy application setups referred to.
    pub brachy_setups: usize,
}

/// What a file turned out to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Sniff {
    /// A usable DICOM object; remarks are in [`Header::findings`].
    Dicom {
        /// Its header.
        header: Box<Header>,
    },
    /// Not DICOM.
    NotDicom {
        /// What it is instead.
        reason: String,
    },
    /// DICOM, but damaged or without identity.
    Unreadable {
        /// What is wrong and where.
        reason: String,
        /// As much of the header as could be read.
        header: Option<Box<Header>>,
    },
    /// A sound DICOM object of a kind or coding that the program cannot use.
    Unsupported {
        /// What is not supported.
        reason: String,
        /// Its header.
        header: Box<Header>,
    },
    /// An archive or compressed file, not unpacked.
    Archive {
        /// zip, gzip, …
        kind: String,
    },
    /// A DICOMDIR (a media directory; never an image).
    DicomDir,
}

impl Sniff {
    /// The header, whatever the state.
    pub fn header(&self) -> Option<&Header> {
        match self {
            Self::Dicom { header } | Self::Unsupported { header, .. } => Some(header),
            Self::Unreadable { header, .. } => header.as_deref(),
            Self::NotDicom { .. } | Self::Archive { .. } | Self::DicomDir => None,
        }
    }

    /// The header of a usable object.
    pub fn usable(&self) -> Option<&Header> {
        if let Self::Dicom { header } = self { Some(header) } else { None }
    }
}

impl Header {
    /// What the object is, by SOP class.
    pub fn kind(&self) -> ObjectKind {
        ObjectKind::of(&self.sop_class_uid)
    }
}
