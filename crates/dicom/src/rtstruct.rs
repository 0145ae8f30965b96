//! Structure sets.

mod contour;

use crate::finding::note;
use crate::guard::{DataSet, Object};
use crate::header::{ObjectKind, SeriesReference};
use crate::{Finding, ReadError};
use contour::read_contours;
use dicom_dictionary_std::tags as t;
use rtpipeline_geometry::Contour;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

/// A structure set as it is in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct StructureSet {
    /// The file.
    pub path: PathBuf,
    /// SOP Instance UID.
    pub sop_instance_uid: String,
    /// Patient ID.
    pub patient_id: String,
    /// Study Instance UID.
    pub study_uid: String,
    /// Series Instance UID.
    pub series_uid: String,
    /// Structure set label.
    pub label: Option<String>,
    /// Structure set name.
    pub name: Option<String>,
    /// Structure set date, YYYYMMDD.
    pub date: Option<String>,
    /// Structure set time.
    pub time: Option<String>,
    /// Approval status.
    pub approval_status: Option<String>,
    /// Frames of reference, those of ReferencedFrameOfReferenceSequence first, then those that only ROIs name.
    pub frames_of_reference: Vec<String>,
    /// Referenced image series.
    pub referenced_series: Vec<SeriesReference>,
    /// The structures in the order of StructureSetROISequence.
    pub rois: Vec<Roi>,
    /// Remarks on the whole set.
    pub findings: Vec<Finding>,
}

/// One region of interest.
#[derive(Clone, Debug, PartialEq)]
pub struct Roi {
    /// ROI number: the key that joins the three sequences.
    pub number: i64,
    /// Name, unique within the set: a repeated name gets `~2`, `~3`, …; an empty one becomes `ROI_<number>`.
    pub name: String,
    /// Name as written, decoded.
    pub original_name: String,
    /// Bytes of the name as stored.
    pub name_bytes: Vec<u8>,
    /// Description.
    pub description: Option<String>,
    /// RT ROI interpreted type (PTV, ORGAN, EXTERNAL, …), a hint only.
    pub interpreted_type: Option<String>,
    /// Display colour, red, green, blue.
    pub color: Option<[u8; 3]>,
    /// ROI generation algorithm.
    pub generation_algorithm: Option<String>,
    /// Frame of reference of this ROI, where stated.
    pub frame_of_reference_uid: Option<String>,
    /// Contours with at least one usable point, in the order of the file.
    pub contours: Vec<Contour>,
    /// Images that the contours refer to, each once.
    pub referenced_image_uids: Vec<String>,
    /// Number of items of ContourSequence, including unusable ones.
    pub contour_items: usize,
    /// Remarks.
    pub findings: Vec<Finding>,
}

impl Roi {
    /// Whether a contour bounds an area.
    pub fn is_volumetric(&self) -> bool {
        self.contours.iter().any(|c| c.kind.is_closed() && c.points.len() >= 3)
    }
}

/// Reads a structure set. What the object is, its SOP class decides, never its Modality.
pub fn read_structure_set(path: &Path) -> Result<StructureSet, ReadError> {
    structure_set(&Object::read(path)?)
}

/// Reads the structure set of an object in memory.
pub fn structure_set(o: &Object) -> Result<StructureSet, ReadError> {
    let class = o.sop_class_uid();
    if ObjectKind::of(&class) != ObjectKind::RtStruct {
        return Err(ReadError::WrongKind { path: o.path.clone(), expected: "RT structure set", found: class });
    }
    let d = &o.data;
    let mut set = StructureSet {
        path: o.path.clone(),
        sop_instance_uid: o.sop_instance_uid(),
        patient_id: d.text(t::PATIENT_ID).unwrap_or_default(),
        study_uid: d.code(t::STUDY_INSTANCE_UID).unwrap_or_default(),
        series_uid: d.code(t::SERIES_INSTANCE_UID).unwrap_or_default(),
        label: d.text(t::STRUCTURE_SET_LABEL),
        name: d.text(t::STRUCTURE_SET_NAME),
        date: d.code(t::STRUCTURE_SET_DATE),
        time: d.code(t::STRUCTURE_SET_TIME),
        approval_status: d.code(t::APPROVAL_STATUS),
        frames_of_reference: Vec::new(),
        referenced_series: Vec::new(),
        rois: d.items(t::STRUCTURE_SET_ROI_SEQUENCE).iter().map(roi).collect(),
        findings: o.findings.clone(),
    };
    references(d, &mut set);
    observations(d, &mut set);
    unique_names(&mut set);
    contours(d, &mut set);
    for r in &set.rois {
        if let Some(f) = &r.frame_of_reference_uid
            && !set.frames_of_reference.contains(f)
        {
            set.frames_of_reference.push(f.clone());
        }
    }
    let external = set.rois.iter().filter(|r| r.interpreted_type.as_deref() == Some("EXTERNAL")).count();
    if external > 1 {
        note(&mut set.findings, "several_external", format!("{external} structures have the type EXTERNAL"));
    }
    Ok(set)
}

fn roi(i: &DataSet) -> Roi {
    let name_bytes = i.bytes(t::ROI_NAME).unwrap_or_default().to_vec();
    let decoded = crate::text::decode(&name_bytes, &i.charset);
    let original_name = crate::text::trim(&decoded.text).to_owned();
    let mut findings = Vec::new();
    if decoded.damaged {
        note(
            &mut findings,
            "name_charset",
            "the name holds bytes outside the declared character set; they were kept as Latin-1 or UTF-8",
        );
    }
    let number = i.int(t::ROI_NUMBER);
    if number.is_none() {
        note(&mut findings, "no_roi_number", "the ROI number is missing or unreadable; no contours can belong to it");
    }
    Roi {
        number: number.unwrap_or(i64::MIN),
        name: original_name.clone(),
        original_name,
        name_bytes,
        description: i.text(t::ROI_DESCRIPTION),
        interpreted_type: None,
        color: None,
        generation_algorithm: i.code(t::ROI_GENERATION_ALGORITHM),
        frame_of_reference_uid: i.code(t::REFERENCED_FRAME_OF_REFERENCE_UID),
        contours: Vec::new(),
        referenced_image_uids: Vec::new(),
        contour_items: 0,
        findings,
    }
}

fn references(d: &DataSet, set: &mut StructureSet) {
    for f in d.items(t::REFERENCED_FRAME_OF_REFERENCE_SEQUENCE) {
        let frame = f.code(t::FRAME_OF_REFERENCE_UID).unwrap_or_default();
        if !frame.is_empty() && !set.frames_of_reference.contains(&frame) {
            set.frames_of_reference.push(frame.clone());
        }
        for study in f.items(t::RT_REFERENCED_STUDY_SEQUENCE) {
            for s in study.items(t::RT_REFERENCED_SERIES_SEQUENCE) {
                set.referenced_series.push(SeriesReference {
                    study_uid: study.code(t::REFERENCED_SOP_INSTANCE_UID).unwrap_or_default(),
                    series_uid: s.code(t::SERIES_INSTANCE_UID).unwrap_or_default(),
                    frame_of_reference_uid: frame.clone(),
                    image_uids: s
                        .items(t::CONTOUR_IMAGE_SEQUENCE)
                        .iter()
                        .filter_map(|i| i.code(t::REFERENCED_SOP_INSTANCE_UID))
                        .collect(),
                });
            }
        }
    }
}

fn observations(d: &DataSet, set: &mut StructureSet) {
    let mut types: HashMap<i64, String> = HashMap::new();
    for o in d.items(t::RTROI_OBSERVATIONS_SEQUENCE) {
        if let (Some(n), Some(ty)) = (o.int(t::REFERENCED_ROI_NUMBER), o.code(t::RTROI_INTERPRETED_TYPE)) {
            types.entry(n).or_insert(ty);
        }
    }
    for r in &mut set.rois {
        r.interpreted_type = types.get(&r.number).cloned();
    }
}

/// Gives every structure a name of its own, comparing without regard to case.
fn unique_names(set: &mut StructureSet) {
    let mut used: HashSet<String> = HashSet::new();
    for r in &mut set.rois {
        if r.name.is_empty() {
            r.name = format!("ROI_{}", r.number);
            note(&mut r.findings, "no_name", "the structure has no name");
        }
        let base = r.name.clone();
        let mut n = 1;
        while !used.insert(r.name.to_lowercase()) {
            n += 1;
            r.name = format!("{base}~{n}");
        }
        if n > 1 {
            note(
                &mut r.findings,
                "repeated_name",
                format!("the name {base} occurs more than once; this one is called {}", r.name),
            );
        }
    }
}

/// Joins contour items and structures by ROI number, whatever their order.
fn contours(d: &DataSet, set: &mut StructureSet) {
    let mut by_number: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for (i, r) in set.rois.iter().enumerate() {
        by_number.entry(r.number).or_default().push(i);
    }
    for (number, places) in &by_number {
        if places.len() > 1 {
            note(
                &mut set.findings,
                "repeated_roi_number",
                format!(
                    "ROI number {number} is given to {} structures; contour items were dealt out in their order",
                    places.len()
                ),
            );
        }
    }
    let mut seen: HashMap<i64, usize> = HashMap::new();
    for item in d.items(t::ROI_CONTOUR_SEQUENCE) {
        let number = item.int(t::REFERENCED_ROI_NUMBER);
        let Some(places) = number.and_then(|n| by_number.get(&n)) else {
            let what = number.map_or_else(|| "no ROI number".to_owned(), |n| format!("ROI number {n}"));
            let count = item.items(t::CONTOUR_SEQUENCE).len();
            note(
                &mut set.findings,
                "orphan_contours",
                format!("an item with {count} contours refers to {what}, which no structure has"),
            );
            continue;
        };
        let turn = seen.entry(number.unwrap_or_default()).or_insert(0);
        let Some(r) = set.rois.get_mut(places[(*turn).min(places.len() - 1)]) else { continue };
        *turn += 1;
        let color: Vec<u8> = item
            .numbers(t::ROI_DISPLAY_COLOR)
            .into_iter()
            .flatten()
            .map(|v| v.clamp(0.0, 255.0).round() as u8)
            .collect();
        if let Ok(c) = <[u8; 3]>::try_from(color) {
            r.color = Some(c);
        }
        read_contours(item, r);
    }
    for r in &mut set.rois {
        if r.contours.is_empty() {
            note(&mut r.findings, "no_contours", "the structure has no contours");
        }
    }
}
