//! What linking needs to know of one file.

use super::class::{Class, Technique};
use super::identity::Account;
use crate::header::{Header, Sniff};
use serde::{Deserialize, Serialize};

/// Place of an image in the patient.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageFacts {
    /// Image Position (Patient), mm.
    pub position: Option<[f64; 3]>,
    /// Image Orientation (Patient).
    pub orientation: Option<[f64; 6]>,
    /// Rows and Columns.
    pub size: [u32; 2],
}

/// What an RTDOSE says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DoseFacts {
    /// Dose Summation Type.
    pub summation: String,
    /// Dose Units.
    pub units: String,
    /// Dose Type.
    pub dose_type: String,
}

/// UIDs that an object refers to, by what is referred to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct References {
    /// Plans (Referenced RT Plan Sequence).
    pub plans: Vec<String>,
    /// Structure sets (Referenced Structure Set Sequence).
    pub structure_sets: Vec<String>,
    /// Series (RT Referenced Series Sequence, Referenced Series Sequence).
    pub series: Vec<String>,
    /// Images and any other instances.
    pub instances: Vec<String>,
}

/// What the header of one file says, as far as linking needs it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// Path below the input folder, `/` between components.
    pub path: String,
    /// Account and reason when the file is not a usable DICOM object.
    pub refused: Option<(Account, String)>,
    /// Transfer Syntax UID.
    pub transfer_syntax: String,
    /// Digest of the content whatever the encoding; empty when there is none.
    pub content: String,
    /// SOP Instance UID, empty when absent.
    pub sop_instance_uid: String,
    /// SOP Class UID.
    pub sop_class_uid: String,
    /// Modality as the file says; never used for classification.
    pub modality: String,
    /// Patient ID.
    pub patient_id: String,
    /// Digest of the Patient's Name; used only to tell strangers apart.
    pub patient_name_digest: String,
    /// Patient's Birth Date.
    pub birth_date: String,
    /// Patient's Sex.
    pub sex: String,
    /// Study Instance UID.
    pub study_uid: String,
    /// Series Instance UID.
    pub series_uid: String,
    /// Frames of reference: the object's own, or those that its contours or registrations are in.
    pub frames: Vec<String>,
    /// Study Date.
    pub study_date: String,
    /// Date of the object itself (RT Plan Date, Structure Set Date, Acquisition or Series Date).
    pub date: String,
    /// Series Description.
    pub description: String,
    /// RT Plan Label or Structure Set Label.
    pub label: String,
    /// Approval Status.
    pub approval: String,
    /// Plan Intent.
    pub intent: String,
    /// Technique of a plan.
    pub technique: Option<Technique>,
    /// Place, for images.
    pub image: Option<ImageFacts>,
    /// For doses.
    pub dose: Option<DoseFacts>,
    /// What it refers to.
    pub refs: References,
}

impl Facts {
    /// The facts of one scanned file. `path` is relative to the input folder; `content` is the digest of its content
    /// whatever the encoding, empty when none was made.
    pub fn of(path: &str, sniff: &Sniff, content: &str) -> Self {
        let refused = match sniff {
            Sniff::Dicom { .. } => None,
            Sniff::NotDicom { reason } => Some((Account::NotDicom, reason.clone())),
            Sniff::Unreadable { reason, .. } => Some((Account::Unreadable, reason.clone())),
            Sniff::Unsupported { reason, .. } => Some((Account::Unsupported, reason.clone())),
            Sniff::Archive { kind } => Some((Account::Archive, format!("{kind}: archives are not unpacked"))),
            Sniff::DicomDir => {
                Some((Account::Excluded, "DICOMDIR: an index of files, not an object of a patient".into()))
            }
        };
        let mut facts = sniff.header().map(Self::of_header).unwrap_or_default();
        path.clone_into(&mut facts.path);
        content.clone_into(&mut facts.content);
        facts.refused = refused;
        facts
    }

    fn of_header(h: &Header) -> Self {
        let text = |t: &Option<String>| t.clone().unwrap_or_default();
        let first = |all: &[&Option<String>]| all.iter().find_map(|t| (*t).clone()).unwrap_or_default();
        let class = Class::of(&h.sop_class_uid);
        let plan = h.plan.as_ref();
        let set = h.structure_set.as_ref();
        let technique = match class {
            Class::IonPlan => Some(Technique::Ion),
            Class::Plan if plan.is_some_and(|p| p.beam_count == 0 && p.brachy_setup_count > 0) => {
                Some(Technique::Brachy)
            }
            Class::Plan => Some(Technique::Photon),
            _ => None,
        };
        let own = (!h.frame_of_reference_uid.is_empty()).then(|| h.frame_of_reference_uid.clone());
        // Contours and registrations live in the frames that they name; the frame at the top level is only a spare.
        let mut frames: Vec<String> = match class {
            Class::StructureSet if !h.frames_of_reference.is_empty() => h.frames_of_reference.clone(),
            Class::Registration => own.into_iter().chain(h.frames_of_reference.iter().cloned()).collect(),
            _ => own.into_iter().collect(),
        };
        let mut seen = std::collections::BTreeSet::new();
        frames.retain(|f| !f.is_empty() && seen.insert(f.clone()));
        let image_date = h.image.as_ref().and_then(|i| i.acquisition_date.clone());
        let contours = set.map_or(&[][..], |s| &s.contour_image_uids);
        let images = h.referenced_series.iter().flat_map(|s| &s.image_uids);
        let mut instances: Vec<String> = images.chain(contours).chain(&h.referenced_doses).cloned().collect();
        let mut seen = std::collections::BTreeSet::new();
        instances.retain(|u| !u.is_empty() && seen.insert(u.clone()));
        let series = h.referenced_series.iter().map(|s| s.series_uid.clone()).filter(|u| !u.is_empty()).collect();
        Self {
            transfer_syntax: h.transfer_syntax.clone(),
            sop_instance_uid: h.sop_instance_uid.clone(),
            sop_class_uid: h.sop_class_uid.clone(),
            modality: h.modality.clone(),
            patient_id: h.patient_id.trim().to_owned(),
            patient_name_digest: text(&h.patient_name_digest),
            birth_date: text(&h.patient_birth_date),
            sex: text(&h.patient_sex),
            study_uid: h.study_uid.clone(),
            series_uid: h.series_uid.clone(),
            frames,
            study_date: text(&h.study_date),
            date: match (plan, set) {
                (Some(p), _) => first(&[&p.treatment_date, &p.date]),
                (_, Some(s)) => text(&s.date),
                _ => first(&[&image_date, &h.series_date]),
            },
            description: text(&h.series_description),
            label: plan.map_or_else(|| set.map_or_else(String::new, |s| text(&s.label)), |p| text(&p.label)),
            approval: plan.map_or_else(
                || set.map_or_else(String::new, |s| text(&s.approval_status)),
                |p| text(&p.approval_status),
            ),
            intent: plan.map_or_else(String::new, |p| text(&p.intent)),
            technique,
            image: h.image.as_ref().map(|i| ImageFacts {
                position: i.position,
                orientation: i.orientation,
                size: [i.rows, i.columns],
            }),
            dose: h.dose.as_ref().map(|d| DoseFacts {
                summation: text(&d.summation_type),
                units: text(&d.units),
                dose_type: text(&d.dose_type),
            }),
            refs: References {
                plans: h.referenced_plans.clone(),
                structure_sets: h.referenced_structure_sets.clone(),
                series,
                instances,
            },
            ..Self::default()
        }
    }

    /// The part that the object plays.
    pub fn class(&self) -> Class {
        Class::of(&self.sop_class_uid)
    }

    /// Folder of the file, empty for the root.
    pub(super) fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// First frame of reference, empty when there is none.
    pub(super) fn frame(&self) -> &str {
        self.frames.iter().find(|f| !f.is_empty()).map_or("", String::as_str)
    }

    /// True when the objects share a frame of reference.
    pub(super) fn shares_frame(&self, other: &Self) -> bool {
        self.frames.iter().any(|f| !f.is_empty() && other.frames.contains(f))
    }

    /// True when both objects name the same study.
    pub(super) fn shares_study(&self, other: &Self) -> bool {
        !self.study_uid.is_empty() && self.study_uid == other.study_uid
    }

    /// Every instance, plan and structure set that the object refers to.
    pub(super) fn all_references(&self) -> impl Iterator<Item = &str> {
        let r = &self.refs;
        r.plans.iter().chain(&r.structure_sets).chain(&r.instances).map(String::as_str)
    }
}

/// A date `YYYYMMDD` cut from a DICOM date (also of the retired form with full stops); `None` when it is none.
pub(super) fn day(text: &str) -> Option<[u32; 3]> {
    let digits: String = text.chars().filter(char::is_ascii_digit).take(8).collect();
    if digits.len() != 8 {
        return None;
    }
    let number = |range: std::ops::Range<usize>| digits.get(range).and_then(|d| d.parse::<u32>().ok());
    let (y, m, d) = (number(0..4)?, number(4..6)?, number(6..8)?);
    ((1..=12).contains(&m) && (1..=31).contains(&d) && y >= 1800).then_some([y, m, d])
}

/// Days since an arbitrary epoch, proleptic Gregorian (H. Hinnant, "chrono-compatible low-level date algorithms", 2021).
pub(super) fn day_number([y, m, d]: [u32; 3]) -> i64 {
    let y = i64::from(y) - i64::from(m <= 2);
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = (153 * ((i64::from(m) + 9) % 12) + 2) / 5 + i64::from(d) - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy
}
