//! Attribute values for case metadata, read without the pixels.

use crate::guard::{DataSet, OpenError, Want, open_header};
use dicom_core::Tag;
use dicom_dictionary_std::tags as t;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The elements of one object, without private groups and pixels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes {
    /// The data set.
    pub data: DataSet,
}

impl Attributes {
    /// Text of an element; several values are joined by backslashes.
    pub fn text(&self, tag: Tag) -> Option<String> {
        self.data.text(tag)
    }
    /// First number of an element.
    pub fn number(&self, tag: Tag) -> Option<f64> {
        self.data.number(tag)
    }
}

fn policy(_: usize, tag: Tag) -> Want {
    if tag.0 % 2 == 1 { Want::Skip } else { Want::Keep }
}

/// Reads the standard attributes of an object; damage behind the readable part does not matter here.
pub fn read_attributes(path: &Path) -> Result<Attributes, OpenError> {
    let io = |e: std::io::Error| OpenError::Io { path: path.to_owned(), message: e.to_string() };
    let file = std::fs::File::open(path).map_err(io)?;
    let len = file.metadata().map_err(io)?.len();
    let o = open_header(file, len, policy).map_err(|reason| OpenError::NotDicom { path: path.to_owned(), reason })?;
    Ok(Attributes { data: o.data })
}

/// Text of the wanted attributes, in their order.
pub fn attributes(path: &Path, tags: &[Tag]) -> Result<Vec<Option<String>>, OpenError> {
    let a = read_attributes(path)?;
    Ok(tags.iter().map(|&tag| a.text(tag)).collect())
}

/// Acquisition facts of a CT image. Numbers are in the units of DICOM: kV, mm, mA, s, ml, ml/s.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CtFacts {
    /// Manufacturer.
    pub manufacturer: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// Institution.
    pub institution: Option<String>,
    /// Tube voltage, kV.
    pub kvp: Option<f64>,
    /// Convolution kernel.
    pub convolution_kernel: Option<String>,
    /// Reconstruction algorithm.
    pub reconstruction_algorithm: Option<String>,
    /// Slice thickness, mm.
    pub slice_thickness: Option<f64>,
    /// Spacing between slices as stated, mm.
    pub slice_increment: Option<f64>,
    /// X-ray tube current, mA.
    pub tube_current_ma: Option<f64>,
    /// Spiral pitch factor.
    pub pitch_factor: Option<f64>,
    /// Revolution time, s.
    pub rotation_time_s: Option<f64>,
    /// Rows.
    pub rows: Option<u16>,
    /// Columns.
    pub columns: Option<u16>,
    /// Reconstruction diameter, mm.
    pub field_of_view_mm: Option<f64>,
    /// Distance of rows and of columns, mm.
    pub pixel_spacing: Option<[f64; 2]>,
    /// Contrast agent.
    pub contrast_agent: Option<String>,
    /// Contrast flow rate, ml/s.
    pub contrast_flow_rate: Option<f64>,
    /// Contrast volume, ml.
    pub contrast_total_volume: Option<f64>,
    /// Route of the contrast agent.
    pub contrast_route: Option<String>,
}

impl CtFacts {
    /// From the attributes of one image of the series.
    pub fn of(a: &Attributes) -> Self {
        let d = &a.data;
        Self {
            manufacturer: d.text(t::MANUFACTURER),
            model: d.text(t::MANUFACTURER_MODEL_NAME),
            institution: d.text(t::INSTITUTION_NAME),
            kvp: d.number(t::KVP),
            convolution_kernel: d.text(t::CONVOLUTION_KERNEL),
            reconstruction_algorithm: d.text(t::RECONSTRUCTION_ALGORITHM),
            slice_thickness: d.number(t::SLICE_THICKNESS),
            slice_increment: d.number(t::SPACING_BETWEEN_SLICES),
            tube_current_ma: d.number(t::X_RAY_TUBE_CURRENT),
            pitch_factor: d.f64(t::SPIRAL_PITCH_FACTOR),
            rotation_time_s: d.f64(t::REVOLUTION_TIME),
            rows: d.u16(t::ROWS),
            columns: d.u16(t::COLUMNS),
            field_of_view_mm: d.number(t::RECONSTRUCTION_DIAMETER),
            pixel_spacing: d.vector(t::PIXEL_SPACING),
            contrast_agent: d.text(t::CONTRAST_BOLUS_AGENT),
            contrast_flow_rate: d.number(t::CONTRAST_FLOW_RATE),
            contrast_total_volume: d.number(t::CONTRAST_BOLUS_VOLUME),
            contrast_route: d.text(t::CONTRAST_BOLUS_ROUTE),
        }
    }
}

/// Facts of the patient and of the staff named in an object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PatientFacts {
    /// Name.
    pub name: Option<String>,
    /// Sex.
    pub sex: Option<String>,
    /// Birth date, YYYYMMDD.
    pub birth_date: Option<String>,
    /// Weight, kg.
    pub weight_kg: Option<f64>,
    /// Height, m.
    pub height_m: Option<f64>,
    /// Physicians of record.
    pub physicians_of_record: Option<String>,
    /// Referring physician.
    pub referring_physician: Option<String>,
    /// Performing physician.
    pub performing_physician: Option<String>,
    /// Operators.
    pub operators_name: Option<String>,
}

impl PatientFacts {
    /// From the attributes of any object.
    pub fn of(a: &Attributes) -> Self {
        let d = &a.data;
        let positive = |v: Option<f64>| v.filter(|x| *x > 0.0);
        Self {
            name: d.text(t::PATIENT_NAME),
            sex: d.code(t::PATIENT_SEX),
            birth_date: d.code(t::PATIENT_BIRTH_DATE),
            weight_kg: positive(d.number(t::PATIENT_WEIGHT)),
            height_m: positive(d.number(t::PATIENT_SIZE)),
            physicians_of_record: d.text(t::PHYSICIANS_OF_RECORD),
            referring_physician: d.text(t::REFERRING_PHYSICIAN_NAME),
            performing_physician: d.text(t::PERFORMING_PHYSICIAN_NAME),
            operators_name: d.text(t::OPERATORS_NAME),
        }
    }

    /// Body mass index, kg/m².
    pub fn bmi(&self) -> Option<f64> {
        Some(self.weight_kg? / self.height_m?.powi(2))
    }
}
