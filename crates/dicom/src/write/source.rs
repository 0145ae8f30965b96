//! Patient, study and frame of reference of the images that a new object belongs to.

use super::encode::Build;
use crate::ReadError;
use crate::attributes::read_attributes;
use crate::guard::DataSet;
use dicom_core::VR;
use dicom_dictionary_std::tags as t;
use rtpipeline_geometry::Vec3;
use std::path::Path;

/// One image of the source series.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceImage {
    /// SOP Class UID.
    pub sop_class_uid: String,
    /// SOP Instance UID.
    pub sop_instance_uid: String,
    /// Image position (patient), mm LPS.
    pub position: Vec3,
}

/// Images with what derived objects copy from them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceImages {
    /// Patient's name.
    pub patient_name: String,
    /// Patient ID.
    pub patient_id: String,
    /// Birth date.
    pub patient_birth_date: String,
    /// Sex.
    pub patient_sex: String,
    /// Study Instance UID.
    pub study_uid: String,
    /// Study date.
    pub study_date: String,
    /// Study time.
    pub study_time: String,
    /// Study ID.
    pub study_id: String,
    /// Accession number.
    pub accession_number: String,
    /// Referring physician.
    pub referring_physician: String,
    /// Series Instance UID of the images.
    pub series_uid: String,
    /// Frame of Reference UID.
    pub frame_of_reference_uid: String,
    /// Position reference indicator.
    pub position_reference: String,
    /// Unit normal of the slices.
    pub normal: Vec3,
    /// The images.
    pub images: Vec<SourceImage>,
}

impl SourceImages {
    /// Reads the headers of an image series.
    pub fn read(paths: &[impl AsRef<Path>]) -> Result<Self, ReadError> {
        let mut out = Self { normal: [0.0, 0.0, 1.0], ..Self::default() };
        for (n, p) in paths.iter().enumerate() {
            let d = read_attributes(p.as_ref())?.data;
            if n == 0 {
                out.context(&d);
            }
            let code = |tag| d.code(tag).unwrap_or_default();
            out.images.push(SourceImage {
                sop_class_uid: code(t::SOP_CLASS_UID),
                sop_instance_uid: code(t::SOP_INSTANCE_UID),
                position: d.vector(t::IMAGE_POSITION_PATIENT).unwrap_or([f64::NAN; 3]),
            });
        }
        Ok(out)
    }

    fn context(&mut self, d: &DataSet) {
        let text = |tag| d.text(tag).unwrap_or_default();
        self.patient_name = text(t::PATIENT_NAME);
        self.patient_id = text(t::PATIENT_ID);
        self.patient_birth_date = text(t::PATIENT_BIRTH_DATE);
        self.patient_sex = text(t::PATIENT_SEX);
        self.study_uid = text(t::STUDY_INSTANCE_UID);
        self.study_date = text(t::STUDY_DATE);
        self.study_time = text(t::STUDY_TIME);
        self.study_id = text(t::STUDY_ID);
        self.accession_number = text(t::ACCESSION_NUMBER);
        self.referring_physician = text(t::REFERRING_PHYSICIAN_NAME);
        self.series_uid = text(t::SERIES_INSTANCE_UID);
        self.frame_of_reference_uid = text(t::FRAME_OF_REFERENCE_UID);
        self.position_reference = text(t::POSITION_REFERENCE_INDICATOR);
        if let Some([a, b, c, d, e, f]) = d.vector::<6>(t::IMAGE_ORIENTATION_PATIENT) {
            self.normal = crate::geometry::unit(crate::geometry::cross([a, b, c], [d, e, f]));
        }
    }

    /// Character set, patient, study and equipment attributes. An empty Study UID, without which an object is not valid,
    /// is replaced by one that follows from the series.
    pub(super) fn begin(&self, modality: &str) -> Build {
        let mut b = Build::default();
        let study = if self.study_uid.is_empty() {
            crate::uid::derived(&["study", &self.series_uid, &self.frame_of_reference_uid])
        } else {
            self.study_uid.clone()
        };
        b.text(t::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192")
            .text(t::MODALITY, VR::CS, modality)
            .text(t::PATIENT_NAME, VR::PN, &self.patient_name)
            .one(t::PATIENT_ID, VR::LO, &self.patient_id)
            .text(t::PATIENT_BIRTH_DATE, VR::DA, &self.patient_birth_date)
            .text(t::PATIENT_SEX, VR::CS, &self.patient_sex)
            .uid(t::STUDY_INSTANCE_UID, &study)
            .text(t::STUDY_DATE, VR::DA, &self.study_date)
            .text(t::STUDY_TIME, VR::TM, &self.study_time)
            .one(t::STUDY_ID, VR::SH, &self.study_id)
            .one(t::ACCESSION_NUMBER, VR::SH, &self.accession_number)
            .text(t::REFERRING_PHYSICIAN_NAME, VR::PN, &self.referring_physician)
            .text(t::MANUFACTURER, VR::LO, "rtpipeline")
            .text(t::MANUFACTURER_MODEL_NAME, VR::LO, "rtpipeline")
            .text(t::SOFTWARE_VERSIONS, VR::LO, env!("CARGO_PKG_VERSION"))
            .text(t::OPERATORS_NAME, VR::PN, "");
        b
    }

    /// Frame of reference module.
    pub(super) fn frame(&self, b: &mut Build) {
        b.uid(t::FRAME_OF_REFERENCE_UID, &self.frame_of_reference_uid).one(
            t::POSITION_REFERENCE_INDICATOR,
            VR::LO,
            &self.position_reference,
        );
    }
}
