//! Tables of radiomics. Feature columns come from the parameter sets in force, not from the data.

use super::super::row::{Named, row};
use super::super::table::{Column, ColumnKind, Forms, TableDef};

row! {
    /// One row per course, image, structure and source; one column per feature.
    pub RadiomicsRow: "radiomics_ct",
        key ["patient_id", "course_id", "image_id", "segmentation_source", "roi_number", "roi_name"], Forms::ALL;
    modality: Option<String> = "modality", "", "Modality of the image.", "(0008,0060)";
    segmentation_source: Option<String> = "segmentation_source", "", "Who made the structure.", "as Segmentation_Source in dvh_metrics; the original's AutoRTS_total, AutoTS are AutoTotalSegmentator:total";
    roi_name: Option<String> = "roi_name", "", "Name of the structure.", "(3006,0026)";
    roi_original_name: Option<String> = "roi_original_name", "", "Name as it is in the file.", "(3006,0026)";
    course_dir: Option<String> = "course_dir", "", "Folder of the course below the output folder.", "";
    patient_id: String = "patient_id", "", "Patient ID, or its pseudonym.", "(0010,0020)";
    course_id: String = "course_id", "", "Course.", "";
    structure_cropped: Option<bool> = "structure_cropped", "", "The structure touches the edge of its image.", "";
    series_uid: Option<String> = "series_uid", "", "Series of the image.", "(0020,000E)";
    series_dir: Option<String> = "series_dir", "", "Folder of the series below the output folder.", "";
    nifti_path: Option<String> = "nifti_path", "", "The image as NIfTI, below a named root.", "";
    image_id: Option<String> = "image_id", "", "Image by its name within the course.", "";
    roi_number: Option<i64> = "roi_number", "", "Number of the structure in its structure set.", "(3006,0022)";
    rtstruct_sop_instance_uid: Option<String> = "rtstruct_sop_instance_uid", "", "Structure set it is from.", "(0008,0018)";
    structure_partial: Option<bool> = "structure_partial", "", "Derived from parts of which some were missing.", "";
    voxel_count: Option<i64> = "voxel_count", "", "Voxels of the structure in the image as it is.", "mask";
    parameters: Option<String> = "parameters", "", "Parameter set by name and digest.", "setting radiomics.params_file";
    normalized: Option<bool> = "normalized", "", "Whether the image was normalised to mean 0 and standard deviation 1 first.", "parameter normalize";
    status: Option<String> = "Status", "", "ok, reduced (first-order and shape at 2 mm only), skipped, failed.", "";
    reason: Option<String> = "Reason", "", "Explanation of the status, in words.", "";
    features: Named = "", "", "Columns named by the caller.", "";
}

row! {
    /// One row per course, image, structure, source and feature.
    pub RadiomicsLongRow: "radiomics_long",
        key ["patient_id", "course_id", "modality", "image_id", "segmentation_source", "roi_number", "roi_name", "feature"],
        Forms::PARQUET;
    patient_id: String = "patient_id", "", "Patient ID, or its pseudonym.", "(0010,0020)";
    course_id: String = "course_id", "", "Course.", "";
    modality: Option<String> = "modality", "", "Modality of the image.", "(0008,0060)";
    image_id: Option<String> = "image_id", "", "Image by its name within the course.", "";
    segmentation_source: Option<String> = "segmentation_source", "", "Who made the structure.", "";
    roi_number: Option<i64> = "roi_number", "", "Number of the structure in its structure set.", "(3006,0022)";
    roi_name: Option<String> = "roi_name", "", "Name of the structure.", "(3006,0026)";
    image_type: Option<String> = "image_type", "", "Filter that made the image: original, log-sigma-…, wavelet-….", "PyRadiomics";
    feature_class: Option<String> = "feature_class", "", "Class of the feature: shape, firstorder, glcm, ….", "PyRadiomics";
    feature: Option<String> = "feature", "", "Whole name, as the column of the wide table.", "PyRadiomics";
    value: Option<f64> = "value", "", "Value, in the feature's own unit.", "PyRadiomics, IBSI";
}

/// The column of a feature; names that begin with `diagnostics_` are texts, others numbers.
pub fn feature_column(name: &str) -> Column {
    let name = name.to_owned();
    if let Some(rest) = name.strip_prefix("diagnostics_") {
        let meaning = format!("Diagnostic value {}.", rest.replace(['_', '-'], " "));
        return Column::new(name, ColumnKind::Text, "", meaning, "PyRadiomics");
    }
    let mut parts = name.rsplitn(3, '_');
    let meaning = match (parts.next(), parts.next(), parts.next()) {
        (Some(feature), Some(class), Some(image)) => {
            format!("Feature {feature} of class {class} on the image {image}.")
        }
        _ => format!("Feature {name}."),
    };
    Column::new(name, ColumnKind::Float, "", meaning, "PyRadiomics, IBSI")
}

/// The wide table of a modality (`ct`, `mr`, `pet`) with a column for each name; names that begin with `diagnostics_` are
/// texts, others numbers.
pub fn radiomics<S: AsRef<str>>(modality: &str, features: impl IntoIterator<Item = S>) -> TableDef {
    RadiomicsRow::table()
        .named(format!("radiomics_{modality}"))
        .with_columns(features.into_iter().map(|f| feature_column(f.as_ref())))
}
