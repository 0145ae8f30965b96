//! The single checks. Each looks at one thing, says what it saw, and gives a status that counts.

use crate::config::QcSettings;
use crate::course::{
    Catalogue, CourseManifest, DvhArtefact, Finding, ImageObject, Level, LinkKind, NO_SOURCE, is_target_name, source,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Outcome of a check, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Status {
    /// Looked at and right.
    Pass,
    /// A person should look.
    Warning,
    /// Missing or wrong.
    Fail,
    /// The check itself could not be done.
    Error,
}

impl Status {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Warning => "WARNING",
            Self::Fail => "FAIL",
            Self::Error => "ERROR",
        }
    }
}

/// One check with what it saw.
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) status: Status,
    facts: Map<String, Value>,
    issues: Vec<(Status, String, String, String)>,
}

impl Check {
    fn new(name: &'static str) -> Self {
        Self { name, status: Status::Pass, facts: Map::new(), issues: Vec::new() }
    }

    fn fact(&mut self, key: &str, value: Value) {
        self.facts.insert(key.to_owned(), value);
    }

    fn issue(&mut self, status: Status, code: &str, what: impl Into<String>, meaning: impl Into<String>) {
        self.status = self.status.max(status);
        self.issues.push((status, code.to_owned(), what.into(), meaning.into()));
    }

    pub(super) fn to_json(&self) -> Value {
        let mut m = self.facts.clone();
        m.insert("status".into(), json!(self.status.word()));
        m.insert("issues".into(), json!(self.issues.iter().map(|i| i.2.clone()).collect::<Vec<_>>()));
        Value::Object(m)
    }

    pub(super) fn findings(&self) -> Vec<Finding> {
        self.issues
            .iter()
            .map(|(s, code, what, meaning)| {
                let level = match s {
                    Status::Pass => Level::Note,
                    Status::Warning => Level::Caution,
                    Status::Fail | Status::Error => Level::Error,
                };
                Finding::new(level, code, what.clone(), meaning.clone())
            })
            .collect()
    }
}

pub(super) fn all(m: &CourseManifest, c: &Catalogue, d: &DvhArtefact, s: &QcSettings) -> Vec<Check> {
    vec![
        file_existence(m, c),
        ct_validation(m),
        rp_validation(m),
        rd_validation(m, s, d),
        rs_validation(m, c),
        consistency(m),
        dose_coverage(d, s),
        structure_cropping(c),
        segmentation_validation(c, d, s),
    ]
}

fn planning_image(m: &CourseManifest) -> Option<&ImageObject> {
    m.course.images.iter().find(|i| i.planning).or_else(|| m.course.images.iter().find(|i| i.modality == "CT"))
}

fn file_existence(m: &CourseManifest, c: &Catalogue) -> Check {
    let mut k = Check::new("file_existence");
    let ct = planning_image(m).is_some();
    let manual = c.structures.iter().any(|s| s.source == source::MANUAL);
    k.fact("ct_exists", json!(ct));
    k.fact("rp_exists", json!(!m.course.plans.is_empty()));
    k.fact("rd_exists", json!(!m.course.doses.is_empty()));
    k.fact("rs_exists", json!(!m.course.structure_sets.is_empty()));
    k.fact("rs_auto_exists", json!(c.structures.iter().any(|s| s.source.starts_with("Auto"))));
    if !ct {
        k.issue(Status::Fail, "qc.no_image", "The course has no planning image.", "Nothing can be measured on voxels.");
    }
    if m.course.plans.is_empty() {
        k.issue(Status::Fail, "qc.no_plan", "The course has no plan.", "Prescription and beams are unknown.");
    }
    if m.course.doses.is_empty() {
        k.issue(Status::Fail, "qc.no_dose", "The course has no dose.", "There are no dose metrics.");
    }
    if m.course.structure_sets.is_empty() {
        k.issue(
            Status::Fail,
            "qc.no_structures",
            "The course has no structure set.",
            if manual { "Structures come from elsewhere." } else { "Only automatic structures can be measured." },
        );
    }
    k
}

fn ct_validation(m: &CourseManifest) -> Check {
    let mut k = Check::new("ct_validation");
    let Some(image) = planning_image(m) else {
        k.issue(Status::Fail, "qc.no_image", "The course has no planning image.", "Nothing can be measured on voxels.");
        return k;
    };
    k.fact("modality", json!(image.modality));
    k.fact("num_slices", json!(image.files.len()));
    k.fact("frame_of_reference_uid", json!(image.frame_of_reference_uid));
    if let Some(g) = &image.grid {
        let sp = g.spacing();
        k.fact("pixel_spacing", json!([sp[1], sp[0]]));
        k.fact("slice_spacing", json!(sp[2]));
    }
    if image.nifti.is_none() {
        k.issue(
            Status::Fail,
            "qc.image_not_read",
            "The planning image could not be read as a volume.",
            "There are no masks, radiomics or pictures of it; DVHs need contours and dose only.",
        );
    }
    if image.missing_slices > 0 {
        k.issue(
            Status::Fail,
            "qc.image_incomplete",
            format!("{} slices that the structure set refers to are missing.", image.missing_slices),
            "Masks on this image cover only a part of the structures.",
        );
    }
    if image.files.len() < 4 {
        k.issue(
            Status::Warning,
            "qc.image_few_slices",
            format!("The planning image has {} slices.", image.files.len()),
            "Volumes on voxels are rough.",
        );
    }
    for f in m.findings.iter().filter(|f| f.code.starts_with("image.")) {
        let status = if f.level == Level::Error { Status::Fail } else { Status::Warning };
        if f.level != Level::Note {
            k.issue(status, &f.code, f.what.clone(), f.meaning.clone());
        }
    }
    k
}

fn rp_validation(m: &CourseManifest) -> Check {
    let mut k = Check::new("rp_validation");
    if m.course.plans.is_empty() {
        k.issue(Status::Fail, "qc.no_plan", "The course has no plan.", "Prescription and beams are unknown.");
        return k;
    }
    k.fact("plans", json!(m.course.plans.iter().map(|p| p.label.clone()).collect::<Vec<_>>()));
    for p in &m.course.plans {
        if !p.approval.eq_ignore_ascii_case("APPROVED") {
            k.issue(
                Status::Warning,
                "plan.not_approved",
                format!("Plan “{}” is not approved ({}).", p.label, or_absent(&p.approval)),
                "It may not be the plan that was delivered.",
            );
        }
        if p.structure_set_link != LinkKind::SopInstance {
            k.issue(
                Status::Warning,
                "plan.structure_set_link",
                format!("The structure set of plan “{}” was not found by its UID.", p.label),
                "Structures may belong to another version of the plan.",
            );
        }
    }
    if m.resolved_doses.first().is_some_and(|d| d.prescription.is_none()) {
        k.issue(
            Status::Warning,
            "plan.no_prescription",
            "The plan states no prescription.",
            "Metrics relative to the prescription are empty.",
        );
    }
    k
}

fn rd_validation(m: &CourseManifest, s: &QcSettings, d: &DvhArtefact) -> Check {
    let mut k = Check::new("rd_validation");
    if m.course.doses.is_empty() {
        k.issue(Status::Fail, "qc.no_dose", "The course has no dose.", "There are no dose metrics.");
        return k;
    }
    k.fact("dose_units", json!(m.course.doses.iter().map(|d| d.units.clone()).collect::<BTreeSet<_>>()));
    k.fact("dose_type", json!(m.course.doses.iter().map(|d| d.dose_type.clone()).collect::<BTreeSet<_>>()));
    k.fact("dose_summation_type", json!(m.course.doses.iter().map(|d| d.summation.clone()).collect::<BTreeSet<_>>()));
    k.fact("dose_resolution", json!(m.dose_resolution));
    if m.resolved_doses.is_empty() {
        k.issue(
            Status::Fail,
            "dose.unresolved",
            "No dose of the course could be chosen.",
            format!("There are no dose metrics: {}", m.dose_resolution_reason),
        );
    }
    for x in m.course.doses.iter().filter(|x| !x.units.eq_ignore_ascii_case("GY")) {
        k.issue(
            Status::Fail,
            "dose.units",
            format!("A dose is in {}, not in Gy.", or_absent(&x.units)),
            "It is not used for metrics in Gy.",
        );
    }
    let highest = d.rows.iter().filter_map(|r| r.get("DmaxGy").and_then(Value::as_f64)).fold(f64::NAN, f64::max);
    if highest > s.max_plausible_dose_gy {
        k.issue(
            Status::Fail,
            "dose.implausible",
            format!("The highest dose in a structure is {highest:.2} Gy."),
            format!("Doses above {} Gy are not plausible: check units and scaling.", s.max_plausible_dose_gy),
        );
    }
    let first = m.resolved_doses.first();
    if let Some(rx) = first.and_then(|d| d.prescription.as_ref()).map(|p| p.total_gy) {
        // The target that was prescribed to is the one with the highest median dose.
        let median = d
            .rows
            .iter()
            .filter(|r| r.get("dose_id").and_then(Value::as_str) == first.map(|d| d.id.as_str()))
            .filter(|r| r.get("ROI_Name").and_then(Value::as_str).is_some_and(is_target_name))
            .filter_map(|r| r.get("D50Gy").and_then(Value::as_f64))
            .fold(f64::NAN, f64::max);
        let off = 100.0 * (median - rx) / rx;
        if off.abs() > s.prescription_tolerance_pct {
            k.issue(
                Status::Warning,
                "dose.target_off_prescription",
                format!(
                    "The median dose of the target ({median:.2} Gy) is {off:+.1} % off the prescription ({rx:.2} Gy)."
                ),
                "The prescription may mean another point or level, or plan and dose do not belong together.",
            );
        }
    }
    let rx = m.resolved_doses.first().and_then(|d| d.prescription.as_ref()).map(|p| p.total_gy);
    if let Some(rx) = rx.filter(|_| highest.is_finite()) {
        k.fact("highest_dose_gy", json!(highest));
        k.fact("prescription_gy", json!(rx));
        if highest < 0.5 * rx || highest > 2.0 * rx {
            k.issue(
                Status::Warning,
                "dose.prescription_mismatch",
                format!(
                    "The highest dose in a structure ({highest:.2} Gy) does not fit the prescription ({rx:.2} Gy)."
                ),
                "Plan and dose may not belong together, or the dose is of a part of the treatment.",
            );
        }
    }
    k
}

fn rs_validation(m: &CourseManifest, c: &Catalogue) -> Check {
    let mut k = Check::new("rs_validation");
    if m.course.structure_sets.is_empty() {
        k.issue(
            Status::Fail,
            "qc.no_structures",
            "The course has no structure set.",
            "Only automatic structures can be measured.",
        );
        return k;
    }
    let manual: Vec<_> = c.structures.iter().filter(|s| s.source == source::MANUAL).collect();
    k.fact("roi_count", json!(manual.len()));
    let empty: Vec<_> = manual.iter().filter(|s| s.contour_count == Some(0)).map(|s| s.name.as_str()).collect();
    k.fact("empty_rois", json!(empty));
    if manual.is_empty() {
        k.issue(
            Status::Fail,
            "structures.none",
            "The structure set holds no structure.",
            "There is nothing to measure.",
        );
    }
    if !empty.is_empty() {
        k.issue(
            Status::Warning,
            "structures.empty",
            format!("{} of {} structures have no closed contour.", empty.len(), manual.len()),
            "Their rows are empty.",
        );
    }
    for s in m.course.structure_sets.iter().filter(|s| s.used && s.image_link > LinkKind::SopInstance) {
        let how = match s.image_link {
            LinkKind::Series => "was found by its series",
            LinkKind::FrameOfReference => "was found by the frame of reference only",
            LinkKind::Study => "was found by the study only",
            _ => "was not found",
        };
        k.issue(
            Status::Warning,
            "structures.image_link",
            format!("The image of structure set “{}” {how}.", s.label),
            "Contours are placed by their coordinates.",
        );
    }
    k
}

fn consistency(m: &CourseManifest) -> Check {
    let mut k = Check::new("consistency");
    let mut frames = BTreeSet::new();
    if let Some(i) = planning_image(m) {
        frames.insert(i.frame_of_reference_uid.as_str());
    }
    frames.extend(m.course.doses.iter().filter(|d| d.used).map(|d| d.frame_of_reference_uid.as_str()));
    frames.extend(m.course.structure_sets.iter().filter(|s| s.used).map(|s| s.frame_of_reference_uid.as_str()));
    frames.remove("");
    k.fact("frame_of_reference_consistency", json!(frames.len() <= 1));
    if frames.len() > 1 {
        k.issue(
            Status::Fail,
            "course.frames_of_reference",
            format!("Image, structures and dose use {} frames of reference.", frames.len()),
            "Without a registration they cannot be laid over each other; such pairs give no dose metrics.",
        );
    }
    if m.course.images.is_empty() && m.course.structure_sets.is_empty() && m.course.doses.is_empty() {
        k.issue(Status::Fail, "course.empty", "There is nothing to compare.", "The course holds plans only.");
    } else if m.course.doses.is_empty() || m.course.structure_sets.is_empty() {
        k.issue(
            Status::Warning,
            "course.incomplete",
            "Structures or dose are missing, so their agreement was not checked.",
            "A course like this does not pass.",
        );
    }
    k
}

fn dose_coverage(d: &DvhArtefact, s: &QcSettings) -> Check {
    let mut k = Check::new("dose_coverage");
    let mut seen = 0;
    for r in &d.rows {
        let name = r.get("ROI_Name").and_then(Value::as_str).unwrap_or_default();
        let Some(cover) = r.get("dose_coverage (%)").and_then(Value::as_f64) else { continue };
        if is_target_name(name) {
            seen += 1;
            if cover < s.min_target_coverage_pct {
                k.issue(
                    Status::Fail,
                    "dose.target_not_covered",
                    format!("The dose grid covers {cover:.1} % of {name}."),
                    "Its dose metrics describe the covered part only.",
                );
            }
        }
    }
    k.fact("targets_checked", json!(seen));
    if seen == 0 {
        k.issue(
            Status::Warning,
            "dose.no_target",
            "No target with a dose was found.",
            "Coverage of a target by the dose grid was not checked.",
        );
    }
    k
}

fn structure_cropped_ignored(name: &str) -> bool {
    let n = name.to_ascii_lowercase();
    ["couch", "table", "support", "body", "external"].iter().any(|w| n.contains(w))
}

fn structure_cropping(c: &Catalogue) -> Check {
    let mut k = Check::new("structure_cropping");
    let cropped: Vec<_> = c.structures.iter().filter(|s| s.cropped).collect();
    k.fact(
        "structures",
        json!(cropped.iter().map(|s| json!({"source": s.source, "roi_name": s.name})).collect::<Vec<_>>()),
    );
    for s in cropped.iter().filter(|s| !structure_cropped_ignored(&s.name)) {
        k.issue(
            Status::Warning,
            "structures.cropped",
            format!("{} ({}) touches the edge of the image.", s.name, s.source),
            "A part of it may be missing.",
        );
    }
    if c.structures.is_empty() {
        k.issue(Status::Warning, "structures.none", "There are no structures to look at.", "Nothing was checked.");
    }
    k
}

fn segmentation_validation(c: &Catalogue, d: &DvhArtefact, s: &QcSettings) -> Check {
    let mut k = Check::new("segmentation_validation");
    let volumes: Map<String, Value> = d
        .rows
        .iter()
        .filter_map(|r| {
            let name = r.get("ROI_Name")?.as_str()?;
            let source = r.get("Segmentation_Source")?.as_str()?;
            Some((format!("{source}: {name}"), r.get("Volume (cm³)")?.clone()))
        })
        .collect();
    let tiny: BTreeSet<&str> = d
        .rows
        .iter()
        .filter(|r| r.get("Volume (cm³)").and_then(Value::as_f64).is_some_and(|v| v < s.min_structure_cc))
        .filter_map(|r| r.get("ROI_Name")?.as_str())
        .collect();
    if !tiny.is_empty() {
        k.issue(
            Status::Warning,
            "structures.tiny",
            format!("{} structures are smaller than {} cm³.", tiny.len(), s.min_structure_cc),
            "Their volumes and dose metrics rest on a few contour points and dose voxels.",
        );
    }
    k.fact("tiny_structures", json!(tiny));
    k.fact("volumes", Value::Object(volumes));
    for (name, reason) in &c.not_made {
        let status = if reason.starts_with(NO_SOURCE) { Status::Pass } else { Status::Warning };
        k.issue(status, "structures.not_made", format!("{name} was not made: {reason}."), "It has no values.");
    }
    if c.structures.is_empty() {
        k.issue(
            Status::Fail,
            "structures.none",
            "There is no structure from any source.",
            "There is nothing to measure.",
        );
    }
    k
}

fn or_absent(s: &str) -> &str {
    if s.is_empty() { "not stated" } else { s }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_course_without_anything_never_passes() {
        let k = all(&CourseManifest::default(), &Catalogue::default(), &DvhArtefact::default(), &QcSettings::default());
        assert!(k.iter().all(|c| c.status != Status::Pass), "every check must say that there was nothing to check");
        assert_eq!(k.iter().map(|c| c.status).max(), Some(Status::Fail));
    }
}
