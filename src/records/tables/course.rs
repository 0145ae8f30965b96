//! Tables of courses and of the objects they are made of.

use super::super::row::{JsonText, Texts, row};
use super::super::table::Forms;

row! {
    /// One row per course.
    pub CaseMetadataRow: "case_metadata", key ["patient_id", "course_id"], Forms::ALL;
    patient_id: String = "patient_id", "", "Patient ID, or its pseudonym.", "(0010,0020)";
    course_key: Option<String> = "course_key", "", "What the course was grouped by.", "study or frame of reference UID";
    course_id: String = "course_id", "", "Course: year and month of its first plan, with a suffix when needed.", "";
    rp_path: Option<String> = "rp_path", "", "Plan in use, below a named root.", "";
    rd_path: Option<String> = "rd_path", "", "Dose in use, below a named root.", "";
    rs_path: Option<String> = "rs_path", "", "Structure set in use, below a named root.", "";
    rs_auto_path: Option<String> = "rs_auto_path", "", "Automatic structure set, below a named root.", "";
    seg_dicom_path: Option<String> = "seg_dicom_path", "", "Structure set of the segmentation program.", "";
    seg_dir: Option<String> = "seg_dir", "", "Folder of the automatic segmentation.", "";
    segmentation_original_dir: Option<String> = "segmentation_original_dir", "", "Folder of the masks of manual structures.", "";
    segmentation_original_manifest: Option<String> = "segmentation_original_manifest", "", "List of these masks.", "";
    segmentation_totalseg_manifests: Texts = "segmentation_totalseg_manifests", "", "Lists of automatic masks.", "";
    ct_dir: Option<String> = "ct_dir", "", "Folder of the planning CT.", "";
    primary_nifti: Option<String> = "primary_nifti", "", "Planning image as NIfTI.", "";
    nifti_files: Texts = "nifti_files", "", "All images as NIfTI.", "";
    dicom_related_files: Texts = "dicom_related_files", "", "Registrations and images that RT objects refer to.", "";
    dicom_related_count: Option<i64> = "dicom_related_count", "", "How many.", "";
    plan_sop_uid: Option<String> = "plan_sop_uid", "", "Plan in use.", "(0008,0018)";
    dose_sop_uid: Option<String> = "dose_sop_uid", "", "Dose in use.", "(0008,0018)";
    source_plan_uids: Texts = "source_plan_uids", "", "All plans of the course.", "(0008,0018)";
    source_dose_uids: Texts = "source_dose_uids", "", "All doses of the course.", "(0008,0018)";
    ct_study_uid: Option<String> = "ct_study_uid", "", "Study of the planning CT.", "(0020,000D)";
    plan_name: Option<String> = "plan_name", "", "Plan label.", "(300A,0002)";
    plan_date: Option<String> = "plan_date", "", "Plan date, YYYYMMDD.", "(300A,0006)";
    plan_time: Option<String> = "plan_time", "", "Plan time, HHMMSS.", "(300A,0007)";
    plan_intent: Option<String> = "plan_intent", "", "Intent of the plan.", "(300A,000A)";
    approval: Option<String> = "approval", "", "Approval status.", "(300E,0002)";
    approval_status_date: Option<String> = "approval_status_date", "", "Date of the approval.", "(300E,0004) Review Date; DICOM has no approval date";
    approval_status_time: Option<String> = "approval_status_time", "", "Time of the approval.", "(300E,0005)";
    review_date: Option<String> = "review_date", "", "Date of the review.", "(300E,0004)";
    review_time: Option<String> = "review_time", "", "Time of the review.", "(300E,0005)";
    reviewer_name: Option<String> = "reviewer_name", "", "Reviewer.", "(300E,0008)";
    planned_fractions: Option<i64> = "planned_fractions", "", "Planned fractions.", "(300A,0078)";
    total_prescription_gy: Option<f64> = "total_prescription_gy", "Gy", "Prescription; levels of a simultaneous boost are not added.", "highest target level of (300A,0010), else fraction group";
    prescriptions: JsonText = "prescriptions", "", "All dose references.", "(300A,0010), JSON";
    prescriptions_by_roi: JsonText = "prescriptions_by_roi", "", "Dose references by structure.", "(300A,0010), JSON";
    beams_count: Option<i64> = "beams_count", "", "Treatment beams.", "(300A,00B0)";
    beam_energies: Texts = "beam_energies", "", "Nominal energies, MV or MeV.", "(300A,0114)";
    treatment_machine: Option<String> = "treatment_machine", "", "Treatment machine.", "(300A,00B2)";
    beam_info: JsonText = "beam_info", "", "Beams.", "(300A,00B0), JSON";
    beam_geometry: JsonText = "beam_geometry", "", "Angles of gantry, collimator and couch.", "(300A,0111), JSON";
    technique_inferred: Option<String> = "technique_inferred", "", "Technique, from the control points.", "";
    total_meterset: Option<f64> = "total_meterset", "MU", "Sum of the beams' metersets.", "(300A,0086)";
    meterset_by_beam: JsonText = "meterset_by_beam", "", "Meterset of each beam.", "(300A,0086), JSON";
    course_start_date: Option<String> = "course_start_date", "", "First treatment, YYYYMMDD.", "treatment records";
    course_end_date: Option<String> = "course_end_date", "", "Last treatment, YYYYMMDD.", "treatment records";
    fractions_count: Option<i64> = "fractions_count", "", "Delivered fractions.", "treatment records";
    fractions_file: Option<String> = "fractions_file", "", "Table of fractions.", "";
    dose_units: Option<String> = "dose_units", "", "GY or RELATIVE.", "(3004,0002)";
    dose_type: Option<String> = "dose_type", "", "PHYSICAL or EFFECTIVE.", "(3004,0004)";
    dose_grid: JsonText = "dose_grid", "", "Grid and statistics of the dose.", "JSON";
    dose_resolution: Option<String> = "dose_resolution", "", "How the dose was chosen.", "as in dvh_metrics";
    dose_resolution_reason: Option<String> = "dose_resolution_reason", "", "Why, in words.", "";
    ct_manufacturer: Option<String> = "ct_manufacturer", "", "Manufacturer of the scanner.", "(0008,0070)";
    ct_model: Option<String> = "ct_model", "", "Model of the scanner.", "(0008,1090)";
    ct_institution: Option<String> = "ct_institution", "", "Institution.", "(0008,0080)";
    ct_kvp: Option<f64> = "ct_kvp", "kV", "Tube voltage.", "(0018,0060)";
    ct_convolution_kernel: Option<String> = "ct_convolution_kernel", "", "Reconstruction kernel.", "(0018,1210)";
    ct_reconstruction_algorithm: Option<String> = "ct_reconstruction_algorithm", "", "Reconstruction algorithm.", "(0018,9315)";
    ct_slice_thickness: Option<f64> = "ct_slice_thickness", "mm", "Slice thickness.", "(0018,0050)";
    ct_slice_increment: Option<f64> = "ct_slice_increment", "mm", "Distance of slices.", "(0020,0032)";
    ct_tube_current: Option<f64> = "ct_tube_current_mA", "mA", "Tube current.", "(0018,1151)";
    ct_pitch_factor: Option<f64> = "ct_pitch_factor", "", "Spiral pitch.", "(0018,9311)";
    ct_rotation_time: Option<f64> = "ct_rotation_time_s", "s", "Time of one rotation.", "(0018,9305)";
    ct_matrix_size: Option<String> = "ct_matrix_size", "", "Rows x columns.", "(0028,0010), (0028,0011)";
    ct_field_of_view: Option<f64> = "ct_field_of_view_mm", "mm", "Reconstruction diameter.", "(0018,1100)";
    ct_pixel_spacing: Option<String> = "ct_pixel_spacing", "mm", "Distance of rows and of columns.", "(0028,0030)";
    ct_contrast_agent: Option<String> = "ct_contrast_agent", "", "Contrast agent.", "(0018,0010)";
    ct_contrast_flow_rate: Option<f64> = "ct_contrast_flow_rate", "ml/s", "Flow rate.", "(0018,1046)";
    ct_contrast_total_volume: Option<f64> = "ct_contrast_total_volume", "ml", "Volume of contrast agent.", "(0018,1041)";
    ct_contrast_phase: Option<String> = "ct_contrast_phase", "", "Contrast route (named phase in the original).", "(0018,1040)";
    patient_name: Option<String> = "patient_name", "", "Name; empty unless privacy allows it.", "(0010,0010)";
    patient_sex: Option<String> = "patient_sex", "", "Sex.", "(0010,0040)";
    patient_birth_date: Option<String> = "patient_birth_date", "", "Birth date, YYYYMMDD.", "(0010,0030)";
    patient_weight: Option<f64> = "patient_weight_kg", "kg", "Weight.", "(0010,1030)";
    patient_height: Option<f64> = "patient_height_m", "m", "Height.", "(0010,1020)";
    patient_bmi: Option<f64> = "patient_bmi", "kg/m²", "Body mass index.", "weight / height²";
    patient_age_at_plan: Option<f64> = "patient_age_at_plan", "years", "Age at the plan date.", "birth date to plan date";
    physicians_of_record: Option<String> = "physicians_of_record", "", "Physicians of record.", "(0008,1048)";
    referring_physician: Option<String> = "referring_physician", "", "Referring physician.", "(0008,0090)";
    performing_physician: Option<String> = "performing_physician", "", "Performing physician.", "(0008,1050)";
    operators_name: Option<String> = "operators_name", "", "Operators.", "(0008,1070)";
    structures: Texts = "structures", "", "Names of the manual structures.", "(3006,0026)";
    roi_count: Option<i64> = "roi_count", "", "Structures.", "";
    ptv_count: Option<i64> = "ptv_count", "", "Planning target volumes.", "name or type";
    ctv_count: Option<i64> = "ctv_count", "", "Clinical target volumes.", "name or type";
    oar_count: Option<i64> = "oar_count", "", "Organs at risk.", "name or type";
    status: Option<String> = "Status", "", "ok, or what the course lacks.", "";
    reason: Option<String> = "Reason", "", "Explanation of the status, in words.", "";
}

row! {
    /// One row per course and day of treatment; the records of one day are merged.
    pub FractionRow: "fractions",
        key ["patient_id", "course_id", "treatment_date", "treatment_time", "plan_sop", "fraction_number"], Forms::ALL;
    treatment_date: Option<String> = "treatment_date", "", "Day of treatment, YYYYMMDD.", "(3008,0250)";
    treatment_time: Option<String> = "treatment_time", "", "First beam of the day, HHMMSS.", "(3008,0251)";
    treatment_time_end: Option<String> = "treatment_time_end", "", "Last beam of the day, HHMMSS.", "(3008,0251)";
    plan_sop: Option<String> = "plan_sop", "", "Plan that was delivered.", "(300C,0002)";
    fraction_number: Option<i64> = "fraction_number", "", "Fraction.", "(3008,0022)";
    treatment_machine: Option<String> = "treatment_machine", "", "Treatment machine.", "(300A,00B2)";
    source_path: Option<String> = "source_path", "", "First record, below a named root.", "";
    source_paths_all: Texts = "source_paths_all", "", "All records of the day.", "";
    sop_instance_uid: Option<String> = "sop_instance_uid", "", "First record.", "(0008,0018)";
    sop_instance_uids_all: Texts = "sop_instance_uids_all", "", "All records of the day.", "(0008,0018)";
    delivered_dose: Option<f64> = "delivered_dose_gy", "Gy", "Delivered dose.", "(3008,0044)";
    beam_meterset: Option<f64> = "beam_meterset", "MU", "Delivered meterset, all beams of the day.", "(3008,0036)";
    records_merged: Option<i64> = "records_merged", "", "Records of the day.", "";
    component_times: Texts = "component_times", "", "Their times.", "(3008,0251)";
    verification_status: Option<String> = "verification_status", "", "Verification status.", "(3008,002C)";
    termination_status: Option<String> = "termination_status", "", "Termination status.", "(3008,002A)";
    patient_id: String = "patient_id", "", "Patient ID, or its pseudonym.", "(0010,0020)";
    course_id: String = "course_id", "", "Course.", "";
}

row! {
    /// One row per plan.
    pub PlanRow: "plans", key ["patient_id", "course_id", "plan_sop_instance_uid", "file_path"], Forms::ALL;
    file_path: Option<String> = "file_path", "", "File, below a named root.", "";
    plan_name: Option<String> = "plan_name", "", "Plan label.", "(300A,0002)";
    plan_date: Option<String> = "plan_date", "", "Plan date, YYYYMMDD.", "(300A,0006)";
    reference_dose_name: Option<String> = "reference_dose_name", "", "Description of the first dose reference.", "(300A,0016)";
    approval: Option<String> = "approval", "", "Approval status.", "(300E,0002)";
    ct_series: Option<String> = "CT_series", "", "Series of the planning image.", "(0020,000E)";
    ct_study: Option<String> = "CT_study", "", "Study of the planning image.", "(0020,000D)";
    patient_id: String = "patient_id", "", "Patient ID, or its pseudonym.", "(0010,0020)";
    patient_dob: Option<String> = "patient_dob", "", "Birth date, YYYYMMDD; empty unless privacy allows it.", "(0010,0030)";
    patient_gender: Option<String> = "patient_gender", "", "Sex.", "(0010,0040)";
    course_id: String = "course_id", "", "Course.", "";
    plan_sop_instance_uid: Option<String> = "plan_sop_instance_uid", "", "The plan.", "(0008,0018)";
    modality: Option<String> = "modality", "", "RTPLAN or another plan object.", "(0008,0060)";
    plan_intent: Option<String> = "plan_intent", "", "Intent of the plan.", "(300A,000A)";
    plan_geometry: Option<String> = "plan_geometry", "", "PATIENT or TREATMENT_DEVICE.", "(300A,000C)";
    technique: Option<String> = "technique", "", "Technique, from the control points.", "";
    fractions: Option<i64> = "planned_fractions", "", "Planned fractions.", "(300A,0078)";
    prescription: Option<f64> = "prescription_gy", "Gy", "Prescription.", "see rx_source";
    rx_source: Option<String> = "rx_source", "", "Where the prescription is from.", "";
    beams: Option<i64> = "beams_count", "", "Treatment beams.", "(300A,00B0)";
    meterset: Option<f64> = "total_meterset", "MU", "Sum of the beams' metersets.", "(300A,0086)";
    machine: Option<String> = "treatment_machine", "", "Treatment machine.", "(300A,00B2)";
    structure_set_uid: Option<String> = "rtstruct_sop_instance_uid", "", "Structure set that the plan refers to.", "(300C,0060)";
    structure_set_link: Option<String> = "rtstruct_link", "", "How the structure set was found.", "";
    used: Option<bool> = "used", "", "Whether results of the course depend on it.", "";
    reason: Option<String> = "Reason", "", "Why it is used, or not.", "";
}

row! {
    /// One row per dose object.
    pub DoseRow: "doses", key ["patient_id", "course_id", "dose_sop_instance_uid", "file_path"], Forms::ALL;
    file_path: Option<String> = "file_path", "", "File, below a named root.", "";
    ct_series: Option<String> = "CT_series", "", "Series of the planning image.", "(0020,000E)";
    ct_study: Option<String> = "CT_study", "", "Study of the planning image.", "(0020,000D)";
    plan_id: Texts = "plan_id", "", "Plans it refers to.", "(300C,0002)";
    patient_id: String = "patient_id", "", "Patient ID, or its pseudonym.", "(0010,0020)";
    course_id: String = "course_id", "", "Course.", "";
    dose_sop_instance_uid: Option<String> = "dose_sop_instance_uid", "", "The dose.", "(0008,0018)";
    plan_link: Option<String> = "plan_link", "", "How its plan was found.", "";
    dose_summation_type: Option<String> = "dose_summation_type", "", "What it sums over.", "(3004,000A)";
    dose_units: Option<String> = "dose_units", "", "GY or RELATIVE.", "(3004,0002)";
    dose_type: Option<String> = "dose_type", "", "PHYSICAL or EFFECTIVE.", "(3004,0004)";
    frame_of_reference_uid: Option<String> = "frame_of_reference_uid", "", "Frame of reference.", "(0020,0052)";
    grid_size: Option<String> = "grid_size", "", "Columns x rows x frames.", "(0028,0011), (0028,0010), (0028,0008)";
    grid_spacing: Option<String> = "grid_spacing", "mm", "Distance of columns, rows and frames.", "(0028,0030), (3004,000C)";
    max_dose: Option<f64> = "max_dose_gy", "Gy", "Highest voxel.", "pixel data times (3004,000E)";
    used: Option<bool> = "used", "", "Whether results of the course depend on it.", "";
    reason: Option<String> = "Reason", "", "Why it is used, or not.", "";
}

row! {
    /// One row per image series.
    pub SeriesRow: "series", key ["patient_id", "course_id", "image_id", "series_uid"], Forms::ALL;
    patient_id: String = "patient_id", "", "Patient ID, or its pseudonym.", "(0010,0020)";
    course_id: String = "course_id", "", "Course.", "";
    image_id: Option<String> = "image_id", "", "Name of the image within the course.", "";
    modality: Option<String> = "modality", "", "Modality.", "(0008,0060)";
    series_uid: Option<String> = "series_uid", "", "Series.", "(0020,000E)";
    study_uid: Option<String> = "study_uid", "", "Study.", "(0020,000D)";
    frame_of_reference_uid: Option<String> = "frame_of_reference_uid", "", "Frame of reference.", "(0020,0052)";
    description: Option<String> = "description", "", "Series description.", "(0008,103E)";
    date: Option<String> = "date", "", "Date, YYYYMMDD.", "(0008,0021), else (0008,0020)";
    file_count: Option<i64> = "file_count", "", "Files.", "";
    grid_size: Option<String> = "grid_size", "", "Columns x rows x slices.", "";
    grid_spacing: Option<String> = "grid_spacing", "mm", "Distance of columns, rows and slices.", "";
    missing_slices: Option<i64> = "missing_slices", "", "Slices that lack between the first and the last.", "(0020,0032)";
    unit: Option<String> = "unit", "", "Unit of the image values: HU, SUVbw, ….", "";
    planning: Option<bool> = "planning", "", "Whether it is the planning image.", "";
    nifti_path: Option<String> = "nifti_path", "", "The image as NIfTI, below a named root.", "";
    status: Option<String> = "Status", "", "ok, or why there is no image.", "";
    reason: Option<String> = "Reason", "", "Explanation of the status, in words.", "";
}

row! {
    /// One row per structure set.
    pub StructureSetRow: "structure_sets", key ["patient_id", "course_id", "rtstruct_sop_instance_uid", "file_path"], Forms::ALL;
    file_path: Option<String> = "file_path", "", "File, below a named root.", "";
    ct_series: Option<String> = "CT_series", "", "Series of the image it was drawn on.", "(0020,000E)";
    ct_study: Option<String> = "CT_study", "", "Study of that image.", "(0020,000D)";
    approval: Option<String> = "approval", "", "Approval status.", "(300E,0002)";
    patient_id: String = "patient_id", "", "Patient ID, or its pseudonym.", "(0010,0020)";
    available_structures: Texts = "available_structures", "", "Names of its structures.", "(3006,0026)";
    course_id: String = "course_id", "", "Course.", "";
    rtstruct_sop_instance_uid: Option<String> = "rtstruct_sop_instance_uid", "", "The structure set.", "(0008,0018)";
    label: Option<String> = "label", "", "Label.", "(3006,0002)";
    date: Option<String> = "date", "", "Date, YYYYMMDD.", "(3006,0008)";
    frame_of_reference_uid: Option<String> = "frame_of_reference_uid", "", "Frame of reference.", "(3006,0024)";
    image_id: Option<String> = "image_id", "", "Image it was drawn on, by its name within the course.", "";
    image_link: Option<String> = "image_link", "", "How the image was found.", "";
    referenced_by_plan: Option<bool> = "referenced_by_plan", "", "Whether a plan of the course refers to it.", "";
    used: Option<bool> = "used", "", "Whether results of the course depend on it.", "";
    reason: Option<String> = "Reason", "", "Why it is used, or not.", "";
}
