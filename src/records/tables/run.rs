//! Tables of quality control, of files, and of what failed.

use super::super::row::{JsonText, row};
use super::super::table::Forms;

row! {
    /// One row per course: the outcome of its checks.
    pub QcReportRow: "qc_reports", key ["patient_id", "course_id", "report_name"], Forms::ALL;
    patient_id: String = "patient_id", "", "Patient ID, or its pseudonym.", "(0010,0020)";
    course_id: String = "course_id", "", "Course.", "";
    report_name: Option<String> = "report_name", "", "File in qc_reports of the course.", "";
    overall_status: Option<String> = "overall_status", "", "Worst of all checks: PASS, WARNING, FAIL, ERROR.", "";
    structure_cropping: JsonText = "structure_cropping", "", "Structures that touch the edge of their image.", "JSON";
    checks: JsonText = "checks", "", "All checks with what they saw.", "JSON";
    image_modality: Option<String> = "image_modality", "", "Modality of the planning image.", "(0008,0060)";
    contains_head_neck: Option<bool> = "contains_HEAD_NECK", "", "Whether the planning image shows the head and neck.", "automatic structures";
    head_neck_confidence: Option<f64> = "HEAD_NECK_confidence", "", "Confidence of this, 0 to 1.", "";
    contains_thorax: Option<bool> = "contains_THORAX", "", "Whether the planning image shows the thorax.", "automatic structures";
    thorax_confidence: Option<f64> = "THORAX_confidence", "", "Confidence of this, 0 to 1.", "";
    contains_abdomen: Option<bool> = "contains_ABDOMEN", "", "Whether the planning image shows the abdomen.", "automatic structures";
    abdomen_confidence: Option<f64> = "ABDOMEN_confidence", "", "Confidence of this, 0 to 1.", "";
    contains_pelvis: Option<bool> = "contains_PELVIS", "", "Whether the planning image shows the pelvis.", "automatic structures";
    pelvis_confidence: Option<f64> = "PELVIS_confidence", "", "Confidence of this, 0 to 1.", "";
    findings_error: Option<i64> = "findings_error", "", "Findings that make values missing or wrong.", "";
    findings_caution: Option<i64> = "findings_caution", "", "Findings that tell of a choice which changes numbers.", "";
    findings_note: Option<i64> = "findings_note", "", "Findings worth knowing.", "";
    file_existence_status: Option<String> = "file_existence_status", "", "Whether plan, dose, structures and image are there.", "PASS, WARNING, FAIL, ERROR";
    ct_validation_status: Option<String> = "ct_validation_status", "", "Planning image: slices, spacing, orientation.", "PASS, WARNING, FAIL, ERROR";
    rp_validation_status: Option<String> = "rp_validation_status", "", "Plan.", "PASS, WARNING, FAIL, ERROR";
    rd_validation_status: Option<String> = "rd_validation_status", "", "Dose: units, type, scale, plausibility.", "PASS, WARNING, FAIL, ERROR";
    rs_validation_status: Option<String> = "rs_validation_status", "", "Structures: empty, tiny, off their slices.", "PASS, WARNING, FAIL, ERROR";
    consistency_status: Option<String> = "consistency_status", "", "Frames of reference and references between objects.", "PASS, WARNING, FAIL, ERROR";
    dose_coverage_status: Option<String> = "dose_coverage_status", "", "Targets inside the dose grid.", "PASS, WARNING, FAIL, ERROR";
    structure_cropping_status: Option<String> = "structure_cropping_status", "", "Structures that touch the edge of their image.", "PASS, WARNING, FAIL, ERROR";
    segmentation_status: Option<String> = "segmentation_validation_status", "", "Volumes of automatic structures.", "PASS, WARNING, FAIL, ERROR";
}

row! {
    /// One row per finding.
    pub QcFindingRow: "qc_findings", key ["patient_id", "course_id", "finding_number", "code", "subject"], Forms::ALL;
    patient_id: String = "patient_id", "", "Patient ID, or its pseudonym.", "(0010,0020)";
    course_id: String = "course_id", "", "Course.", "";
    finding_number: Option<i64> = "finding_number", "", "Number within the course, worst first.", "";
    level: Option<String> = "level", "", "error (values missing or wrong), caution (a choice changes numbers), note.", "";
    code: Option<String> = "code", "", "Stable code.", "";
    subject: Option<String> = "subject", "", "Structure, file or series; empty for the whole course.", "";
    what: Option<String> = "what", "", "What is.", "";
    meaning: Option<String> = "meaning", "", "What it means for the numbers.", "";
}

row! {
    /// One row per file found, with what became of it.
    pub FileRow: "files", key ["path", "member"], Forms::PARQUET;
    path: String = "path", "", "File below the input folder.", "";
    member: Option<String> = "member", "", "Member of an archive.", "";
    account: Option<String> = "account", "", "used, duplicate, orphan, conflict, unsupported, unreadable, not_dicom, excluded, archive.", "";
    reason: Option<String> = "reason", "", "Why, in words; empty for used files.", "";
    patient_id: Option<String> = "patient_id", "", "Patient ID, or its pseudonym.", "(0010,0020)";
    course_id: Option<String> = "course_id", "", "Course that uses it.", "";
    modality: Option<String> = "modality", "", "Modality.", "(0008,0060)";
    sop_class_uid: Option<String> = "sop_class_uid", "", "Kind of object.", "(0008,0016)";
    sop_instance_uid: Option<String> = "sop_instance_uid", "", "The object.", "(0008,0018)";
    series_uid: Option<String> = "series_uid", "", "Series.", "(0020,000E)";
    study_uid: Option<String> = "study_uid", "", "Study.", "(0020,000D)";
    transfer_syntax_uid: Option<String> = "transfer_syntax_uid", "", "Encoding.", "(0002,0010)";
    size: Option<i64> = "size_bytes", "bytes", "Size of the file.", "";
    same_as: Option<String> = "same_as", "", "File of the same object that is used, or that it conflicts with.", "";
    course_path: Option<String> = "course_path", "", "Place in the output folder.", "";
}

row! {
    /// One row per file that is not used, with the reason.
    pub OrphanRow: "orphans", key ["path", "member"], Forms::CSV;
    path: String = "path", "", "File below the input folder.", "";
    member: Option<String> = "member", "", "Member of an archive.", "";
    account: Option<String> = "account", "", "orphan, conflict, unsupported, unreadable, excluded, …; as in files.", "";
    reason: Option<String> = "reason", "", "Why, in words.", "";
    hint: Option<String> = "hint", "", "What can be done.", "";
    patient_id: Option<String> = "patient_id", "", "Patient ID, or its pseudonym.", "(0010,0020)";
    modality: Option<String> = "modality", "", "Modality.", "(0008,0060)";
    sop_class_uid: Option<String> = "sop_class_uid", "", "Kind of object.", "(0008,0016)";
    sop_instance_uid: Option<String> = "sop_instance_uid", "", "The object.", "(0008,0018)";
    missing_uid: Option<String> = "missing_uid", "", "Object that it refers to and that is not there.", "";
}

row! {
    /// One row per unit that failed or was skipped because of another.
    pub FailureRow: "failures", key ["patient_id", "course_id", "stage", "unit"], Forms::CSV;
    patient_id: Option<String> = "patient_id", "", "Patient ID, or its pseudonym.", "";
    course_id: Option<String> = "course_id", "", "Course.", "";
    stage: String = "stage", "", "Stage.", "";
    unit: String = "unit", "", "Stable name of the unit: stage/patient/course[/part].", "";
    kind: String = "kind", "", "Data, Resources, Program, Crash, Config, Interrupted, Bug, Skipped.", "";
    message: Option<String> = "message", "", "What happened, where, and why it matters.", "";
    hint: Option<String> = "hint", "", "What can be done.", "";
    caused_by: Option<String> = "caused_by", "", "Unit whose failure made this one impossible.", "";
    attempts: Option<i64> = "attempts", "", "Attempts in the run that tried last; may differ between runs.", "";
    log: Option<String> = "log", "", "Log below the log folder; may differ between runs.", "";
}
