//! From the wanted elements of a file to its [`Header`].

use super::{
    DoseFacts, FractionGroupFacts, Header, ImageFacts, ObjectKind, PlanFacts, SeriesReference, StructureSetFacts,
};
use crate::finding::note;
use crate::guard::{DataSet, Opened, Want};
use crate::{text, uid};
use dicom_core::Tag;
use dicom_dictionary_std::tags as t;
use std::collections::HashSet;
use unicode_normalization::UnicodeNormalization;

/// Which elements a header needs. Elements of any size that are not named here are passed over unread.
pub(super) fn policy(depth: usize, tag: Tag) -> Want {
    match tag {
        t::SPECIFIC_CHARACTER_SET | t::STUDY_INSTANCE_UID | t::SERIES_INSTANCE_UID | t::FRAME_OF_REFERENCE_UID => {
            Want::Keep
        }
        t::REFERENCED_FRAME_OF_REFERENCE_SEQUENCE
        | t::RT_REFERENCED_STUDY_SEQUENCE
        | t::RT_REFERENCED_SERIES_SEQUENCE
        | t::CONTOUR_IMAGE_SEQUENCE
        | t::STRUCTURE_SET_ROI_SEQUENCE
        | t::ROI_CONTOUR_SEQUENCE
        | t::CONTOUR_SEQUENCE
        | t::REFERENCED_RT_PLAN_SEQUENCE
        | t::REFERENCED_STRUCTURE_SET_SEQUENCE
        | t::REFERENCED_DOSE_SEQUENCE
        | t::REFERENCED_FRACTION_GROUP_SEQUENCE
        | t::REFERENCED_BEAM_SEQUENCE
        | t::FRACTION_GROUP_SEQUENCE
        | t::REFERENCED_BRACHY_APPLICATION_SETUP_SEQUENCE
        | t::BEAM_SEQUENCE
        | t::ION_BEAM_SEQUENCE
        | t::APPLICATION_SETUP_SEQUENCE
        | t::DVH_SEQUENCE
        | t::REFERENCED_SERIES_SEQUENCE
        | t::REFERENCED_INSTANCE_SEQUENCE
        | t::REFERENCED_SOP_SEQUENCE
        | t::REFERENCED_IMAGE_SEQUENCE
        | t::REGISTRATION_SEQUENCE => Want::Sequence,
        _ if depth > 0 => match tag {
            t::REFERENCED_SOP_INSTANCE_UID
            | t::REFERENCED_FRAME_OF_REFERENCE_UID
            | t::ROI_NUMBER
            | t::ROI_NAME
            | t::FRACTION_GROUP_NUMBER
            | t::NUMBER_OF_FRACTIONS_PLANNED
            | t::REFERENCED_FRACTION_GROUP_NUMBER
            | t::REFERENCED_BEAM_NUMBER => Want::Keep,
            _ => Want::Skip,
        },
        t::IMAGE_TYPE
        | t::INSTANCE_CREATION_DATE
        | t::INSTANCE_CREATION_TIME
        | t::SOP_CLASS_UID
        | t::SOP_INSTANCE_UID
        | t::STUDY_DATE
        | t::SERIES_DATE
        | t::ACQUISITION_DATE
        | t::STUDY_TIME
        | t::SERIES_TIME
        | t::ACQUISITION_TIME
        | t::MODALITY
        | t::MANUFACTURER
        | t::MANUFACTURER_MODEL_NAME
        | t::STUDY_DESCRIPTION
        | t::SERIES_DESCRIPTION
        | t::PATIENT_NAME
        | t::PATIENT_ID
        | t::PATIENT_BIRTH_DATE
        | t::PATIENT_SEX
        | t::BODY_PART_EXAMINED
        | t::PROTOCOL_NAME
        | t::SLICE_THICKNESS
        | t::ECHO_NUMBERS
        | t::TRIGGER_TIME
        | t::SERIES_NUMBER
        | t::ACQUISITION_NUMBER
        | t::INSTANCE_NUMBER
        | t::IMAGE_POSITION_PATIENT
        | t::IMAGE_ORIENTATION_PATIENT
        | t::TEMPORAL_POSITION_IDENTIFIER
        | t::NUMBER_OF_TEMPORAL_POSITIONS
        | t::IMAGE_COMMENTS
        | t::SAMPLES_PER_PIXEL
        | t::PHOTOMETRIC_INTERPRETATION
        | t::NUMBER_OF_FRAMES
        | t::ROWS
        | t::COLUMNS
        | t::PIXEL_SPACING
        | t::BITS_ALLOCATED
        | t::BURNED_IN_ANNOTATION
        | t::UNITS
        | t::STRUCTURE_SET_LABEL
        | t::STRUCTURE_SET_NAME
        | t::STRUCTURE_SET_DATE
        | t::STRUCTURE_SET_TIME
        | t::APPROVAL_STATUS
        | t::DOSE_UNITS
        | t::DOSE_TYPE
        | t::DOSE_COMMENT
        | t::DOSE_SUMMATION_TYPE
        | t::DOSE_GRID_SCALING
        | t::RT_PLAN_LABEL
        | t::RT_PLAN_NAME
        | t::RT_PLAN_DATE
        | t::RT_PLAN_TIME
        | t::PLAN_INTENT
        | t::RT_PLAN_GEOMETRY
        | t::TREATMENT_DATE
        | t::TREATMENT_TIME => Want::Keep,
        _ => Want::Skip,
    }
}

/// Reads numbers and remembers the ones that cannot be read.
struct Numbers<'a> {
    data: &'a DataSet,
    bad: Vec<(Tag, String)>,
}

impl Numbers<'_> {
    fn check(&mut self, tag: Tag, ok: bool) {
        if !ok && let Some(written) = self.data.code(tag) {
            self.bad.push((tag, written));
        }
    }
    fn int(&mut self, tag: Tag) -> Option<i64> {
        let v = self.data.int(tag);
        self.check(tag, v.is_some());
        v
    }
    fn number(&mut self, tag: Tag) -> Option<f64> {
        let v = self.data.number(tag);
        self.check(tag, v.is_some());
        v
    }
    fn vector<const N: usize>(&mut self, tag: Tag) -> Option<[f64; N]> {
        let v = self.data.vector(tag);
        self.check(tag, v.is_some());
        v
    }
}

/// Builds the header from what the walker found.
pub(super) fn header(o: &Opened) -> Header {
    let d = &o.data;
    let code = |tag| d.code(tag).unwrap_or_default();
    let mut h = Header {
        sop_class_uid: code(t::SOP_CLASS_UID),
        sop_instance_uid: code(t::SOP_INSTANCE_UID),
        transfer_syntax: o.transfer_syntax.clone(),
        modality: code(t::MODALITY),
        patient_id: d.text(t::PATIENT_ID).unwrap_or_default(),
        patient_birth_date: d.code(t::PATIENT_BIRTH_DATE),
        patient_sex: d.code(t::PATIENT_SEX),
        study_uid: code(t::STUDY_INSTANCE_UID),
        series_uid: code(t::SERIES_INSTANCE_UID),
        frame_of_reference_uid: code(t::FRAME_OF_REFERENCE_UID),
        study_date: d.code(t::STUDY_DATE),
        study_time: d.code(t::STUDY_TIME),
        study_description: d.text(t::STUDY_DESCRIPTION),
        series_date: d.code(t::SERIES_DATE),
        series_time: d.code(t::SERIES_TIME),
        series_description: d.text(t::SERIES_DESCRIPTION),
        creation_date: d.code(t::INSTANCE_CREATION_DATE),
        creation_time: d.code(t::INSTANCE_CREATION_TIME),
        manufacturer: d.text(t::MANUFACTURER),
        model: d.text(t::MANUFACTURER_MODEL_NAME),
        body_part: d.code(t::BODY_PART_EXAMINED),
        protocol: d.text(t::PROTOCOL_NAME),
        findings: o.findings.clone(),
        ..Header::default()
    };
    if h.sop_class_uid.is_empty()
        && let Some(u) = o.meta.code(t::MEDIA_STORAGE_SOP_CLASS_UID)
    {
        note(&mut h.findings, "uid_from_meta", "the SOP Class UID was taken from the meta information");
        h.sop_class_uid = u;
    }
    if h.sop_instance_uid.is_empty()
        && let Some(u) = o.meta.code(t::MEDIA_STORAGE_SOP_INSTANCE_UID)
    {
        note(&mut h.findings, "uid_from_meta", "the SOP Instance UID was taken from the meta information");
        h.sop_instance_uid = u;
    }
    if let Some(name) = d.text(t::PATIENT_NAME) {
        h.patient_name_present = true;
        h.patient_name_digest = Some(name_digest(&name));
    }
    let mut n = Numbers { data: d, bad: Vec::new() };
    h.series_number = n.int(t::SERIES_NUMBER);
    h.instance_number = n.int(t::INSTANCE_NUMBER);
    if d.get(t::ROWS).is_some() || d.get(t::COLUMNS).is_some() || o.pixels.is_some() {
        h.image = Some(image_facts(o, &mut n));
    }
    let kind = h.kind();
    let dose_like = kind == ObjectKind::RtDose || (h.sop_class_uid.is_empty() && h.modality == "RTDOSE");
    if dose_like {
        h.dose = Some(dose_facts(d, &mut n));
    }
    for (tag, written) in n.bad {
        note(
            &mut h.findings,
            "bad_number",
            format!("element {tag} holds \"{written}\", which is not the number it should be"),
        );
    }
    match kind {
        ObjectKind::RtStruct => structure_set(d, &mut h),
        ObjectKind::RtPlan | ObjectKind::RtIonPlan | ObjectKind::TreatmentRecord => h.plan = Some(plan_facts(d)),
        _ => {}
    }
    h.referenced_plans = referenced(d, t::REFERENCED_RT_PLAN_SEQUENCE);
    h.referenced_structure_sets = referenced(d, t::REFERENCED_STRUCTURE_SET_SEQUENCE);
    h.referenced_doses = referenced(d, t::REFERENCED_DOSE_SEQUENCE);
    references(d, &mut h);
    for (name, value) in [
        ("SOP Instance UID", &h.sop_instance_uid),
        ("Study Instance UID", &h.study_uid),
        ("Series Instance UID", &h.series_uid),
        ("Frame of Reference UID", &h.frame_of_reference_uid),
    ] {
        if !value.is_empty() && !uid::is_valid(value) {
            note(&mut h.findings, "invalid_uid", format!("the {name} breaks the rules for UIDs; it is used as it is"));
        }
    }
    if kind.is_volume_image() || matches!(kind, ObjectKind::RtStruct | ObjectKind::RtDose) || kind.is_plan() {
        if h.study_uid.is_empty() {
            note(&mut h.findings, "no_study_uid", "the Study Instance UID is missing");
        }
        if h.series_uid.is_empty() {
            note(&mut h.findings, "no_series_uid", "the Series Instance UID is missing");
        }
    }
    h
}

/// Hash of a person name: case, blanks and compatibility forms do not matter, the alphabetic group counts.
fn name_digest(name: &str) -> String {
    let first = name.split('=').next().unwrap_or("");
    let norm: String = first.nfkc().collect::<String>().to_uppercase();
    let parts: Vec<String> =
        norm.trim_end_matches('^').split('^').map(|p| p.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    blake3::hash(parts.join("^").as_bytes()).to_hex()[..16].to_owned()
}

fn image_facts(o: &Opened, n: &mut Numbers<'_>) -> ImageFacts {
    let d = &o.data;
    ImageFacts {
        rows: d.u16(t::ROWS).unwrap_or(0).into(),
        columns: d.u16(t::COLUMNS).unwrap_or(0).into(),
        frames: n.int(t::NUMBER_OF_FRAMES).and_then(|f| u32::try_from(f).ok()).filter(|&f| f > 0).unwrap_or(1),
        samples_per_pixel: d.u16(t::SAMPLES_PER_PIXEL).unwrap_or(1),
        bits_allocated: d.u16(t::BITS_ALLOCATED).unwrap_or(0),
        photometric: d.code(t::PHOTOMETRIC_INTERPRETATION),
        pixel_spacing: n.vector(t::PIXEL_SPACING),
        orientation: n.vector(t::IMAGE_ORIENTATION_PATIENT),
        position: n.vector(t::IMAGE_POSITION_PATIENT),
        slice_thickness: n.number(t::SLICE_THICKNESS),
        image_type: d.texts(t::IMAGE_TYPE),
        acquisition_number: n.int(t::ACQUISITION_NUMBER),
        acquisition_date: d.code(t::ACQUISITION_DATE),
        acquisition_time: d.code(t::ACQUISITION_TIME),
        temporal_position: n.int(t::TEMPORAL_POSITION_IDENTIFIER),
        temporal_positions: n.int(t::NUMBER_OF_TEMPORAL_POSITIONS),
        trigger_time: n.number(t::TRIGGER_TIME),
        echo_number: n.int(t::ECHO_NUMBERS),
        comments: d.text(t::IMAGE_COMMENTS),
        units: d.code(t::UNITS),
        burned_in_annotation: d.code(t::BURNED_IN_ANNOTATION).map(|v| v.eq_ignore_ascii_case("YES")),
        has_pixels: o
            .pixels
            .as_ref()
            .is_some_and(|p| if p.encapsulated { !p.fragments.is_empty() } else { p.length > 0 }),
        encapsulated: o.pixels.as_ref().is_some_and(|p| p.encapsulated),
    }
}

fn structure_set(d: &DataSet, h: &mut Header) {
    let rois = d.items(t::STRUCTURE_SET_ROI_SEQUENCE);
    let mut seen = HashSet::new();
    let mut contour_image_uids = Vec::new();
    let mut contour_count = 0;
    for contour in d.items(t::ROI_CONTOUR_SEQUENCE).iter().flat_map(|r| r.items(t::CONTOUR_SEQUENCE)) {
        contour_count += 1;
        for u in contour.items(t::CONTOUR_IMAGE_SEQUENCE).iter().filter_map(|i| i.code(t::REFERENCED_SOP_INSTANCE_UID))
        {
            if seen.insert(u.clone()) {
                contour_image_uids.push(u);
            }
        }
    }
    h.structure_set = Some(StructureSetFacts {
        label: d.text(t::STRUCTURE_SET_LABEL),
        name: d.text(t::STRUCTURE_SET_NAME),
        date: d.code(t::STRUCTURE_SET_DATE),
        time: d.code(t::STRUCTURE_SET_TIME),
        approval_status: d.code(t::APPROVAL_STATUS),
        structure_count: rois.len(),
        structure_names: rois.iter().map(|r| r.text(t::ROI_NAME).unwrap_or_default()).collect(),
        contour_count,
        contour_image_uids,
    });
    for r in rois {
        if let Some(f) = r.code(t::REFERENCED_FRAME_OF_REFERENCE_UID) {
            push_new(&mut h.frames_of_reference, f);
        }
    }
}

fn dose_facts(d: &DataSet, n: &mut Numbers<'_>) -> DoseFacts {
    let mut groups = Vec::new();
    let mut beams = Vec::new();
    for g in d.items(t::REFERENCED_RT_PLAN_SEQUENCE).iter().flat_map(|p| p.items(t::REFERENCED_FRACTION_GROUP_SEQUENCE))
    {
        groups.extend(g.int(t::REFERENCED_FRACTION_GROUP_NUMBER));
        beams.extend(g.items(t::REFERENCED_BEAM_SEQUENCE).iter().filter_map(|b| b.int(t::REFERENCED_BEAM_NUMBER)));
    }
    DoseFacts {
        units: d.code(t::DOSE_UNITS),
        dose_type: d.code(t::DOSE_TYPE),
        summation_type: d.code(t::DOSE_SUMMATION_TYPE),
        scaling: n.number(t::DOSE_GRID_SCALING),
        comment: d.text(t::DOSE_COMMENT),
        fraction_groups: groups,
        beams,
        dvh_count: d.items(t::DVH_SEQUENCE).len(),
    }
}

fn plan_facts(d: &DataSet) -> PlanFacts {
    let fraction_groups = d
        .items(t::FRACTION_GROUP_SEQUENCE)
        .iter()
        .map(|g| FractionGroupFacts {
            number: g.int(t::FRACTION_GROUP_NUMBER),
            fractions_planned: g.int(t::NUMBER_OF_FRACTIONS_PLANNED).filter(|&n| n > 0),
            beams: g
                .items(t::REFERENCED_BEAM_SEQUENCE)
                .iter()
                .filter_map(|b| b.int(t::REFERENCED_BEAM_NUMBER))
                .collect(),
            brachy_setups: g.items(t::REFERENCED_BRACHY_APPLICATION_SETUP_SEQUENCE).len(),
        })
        .collect();
    PlanFacts {
        label: d.text(t::RT_PLAN_LABEL),
        name: d.text(t::RT_PLAN_NAME),
        date: d.code(t::RT_PLAN_DATE),
        time: d.code(t::RT_PLAN_TIME),
        intent: d.code(t::PLAN_INTENT),
        approval_status: d.code(t::APPROVAL_STATUS),
        geometry: d.code(t::RT_PLAN_GEOMETRY),
        fraction_groups,
        beam_count: d.items(t::BEAM_SEQUENCE).len() + d.items(t::ION_BEAM_SEQUENCE).len(),
        brachy_setup_count: d.items(t::APPLICATION_SETUP_SEQUENCE).len(),
        treatment_date: d.code(t::TREATMENT_DATE),
        treatment_time: d.code(t::TREATMENT_TIME),
    }
}

fn referenced(d: &DataSet, sequence: Tag) -> Vec<String> {
    let mut out = Vec::new();
    for u in d.items(sequence).iter().filter_map(|i| i.code(t::REFERENCED_SOP_INSTANCE_UID)) {
        push_new(&mut out, u);
    }
    out
}

fn push_new(list: &mut Vec<String>, v: String) {
    if !v.is_empty() && !list.contains(&v) {
        list.push(v);
    }
}

fn uids(d: &DataSet, sequence: Tag) -> impl Iterator<Item = String> + '_ {
    d.items(sequence).iter().filter_map(|i| i.code(t::REFERENCED_SOP_INSTANCE_UID))
}

fn references(d: &DataSet, h: &mut Header) {
    for f in d.items(t::REFERENCED_FRAME_OF_REFERENCE_SEQUENCE) {
        let frame = f.code(t::FRAME_OF_REFERENCE_UID).unwrap_or_default();
        push_new(&mut h.frames_of_reference, frame.clone());
        for study in f.items(t::RT_REFERENCED_STUDY_SEQUENCE) {
            let study_uid = study.code(t::REFERENCED_SOP_INSTANCE_UID).unwrap_or_default();
            for s in study.items(t::RT_REFERENCED_SERIES_SEQUENCE) {
                h.referenced_series.push(SeriesReference {
                    study_uid: study_uid.clone(),
                    series_uid: s.code(t::SERIES_INSTANCE_UID).unwrap_or_default(),
                    frame_of_reference_uid: frame.clone(),
                    image_uids: uids(s, t::CONTOUR_IMAGE_SEQUENCE).collect(),
                });
            }
        }
    }
    for s in d.items(t::REFERENCED_SERIES_SEQUENCE) {
        let image_uids = [t::REFERENCED_INSTANCE_SEQUENCE, t::REFERENCED_SOP_SEQUENCE, t::REFERENCED_IMAGE_SEQUENCE]
            .into_iter()
            .flat_map(|q| uids(s, q))
            .collect();
        h.referenced_series.push(SeriesReference {
            series_uid: s.code(t::SERIES_INSTANCE_UID).unwrap_or_default(),
            image_uids,
            ..SeriesReference::default()
        });
    }
    for r in d.items(t::REGISTRATION_SEQUENCE) {
        if let Some(f) = r.code(t::FRAME_OF_REFERENCE_UID) {
            push_new(&mut h.frames_of_reference, text::trim(&f).to_owned());
        }
    }
}
