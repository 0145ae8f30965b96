//! Tables of structures and of agreement between them.

use super::super::row::{Texts, row};
use super::super::table::Forms;

row! {
    /// One row per course, structure and source.
    pub StructureRow: "structures",
        key ["patient_id", "course_id", "Segmentation_Source", "rtstruct_sop_instance_uid", "ROI_Number", "ROI_Name"], Forms::ALL;
    patient_id: String = "patient_id", "", "Patient ID, or its pseudonym.", "(0010,0020)";
    course_id: String = "course_id", "", "Course.", "";
    segmentation_source: Option<String> = "Segmentation_Source", "", "Who made the structure: Manual, AutoTotalSegmentator:<task>, AutoClassical, CustomModel:<name>, Custom.", "";
    roi_number: Option<i64> = "ROI_Number", "", "Number of the structure in its structure set.", "(3006,0022)";
    roi_name: Option<String> = "ROI_Name", "", "Name of the structure.", "(3006,0026), or name of the model's label";
    roi_original_name: Option<String> = "ROI_OriginalName", "", "Name as it is in the file.", "(3006,0026)";
    tg263_name: Option<String> = "tg263_name", "", "Standard name, where the name is recognised.", "AAPM TG-263";
    interpreted_type: Option<String> = "interpreted_type", "", "Type of the structure.", "(3006,00A4)";
    generation_algorithm: Option<String> = "generation_algorithm", "", "How it was made, by its file.", "(3006,0036)";
    color: Option<String> = "color", "", "Display colour as #RRGGBB.", "(3006,002A)";
    volume_cc: Option<f64> = "Volume (cm³)", "cm³", "Volume.", "contours or mask";
    contour_count: Option<i64> = "contour_count", "", "Closed contours.", "(3006,0040)";
    plane_count: Option<i64> = "plane_count", "", "Planes with contours, or slices of the mask.", "";
    plane_spacing_mm: Option<f64> = "plane_spacing_mm", "mm", "Usual distance of neighbouring planes.", "median";
    missing_planes: Option<i64> = "missing_planes", "", "Planes that lack between the first and the last.", "";
    point_count: Option<i64> = "point_count", "", "Contour points.", "(3006,0046)";
    component_count: Option<i64> = "component_count", "", "Separate parts.", "mask, 26 neighbours";
    centroid_x: Option<f64> = "centroid_x_mm", "mm", "Centre of volume towards the patient's left.", "DICOM patient coordinates (LPS)";
    centroid_y: Option<f64> = "centroid_y_mm", "mm", "Centre of volume towards the patient's back.", "DICOM patient coordinates (LPS)";
    centroid_z: Option<f64> = "centroid_z_mm", "mm", "Centre of volume towards the patient's head.", "DICOM patient coordinates (LPS)";
    structure_cropped: Option<bool> = "structure_cropped", "", "It touches the edge of its image, so that part of it may be missing.", "";
    structure_partial: Option<bool> = "structure_partial", "", "Derived from parts of which some were missing.", "";
    missing_parts: Texts = "missing_parts", "", "The parts that were missing.", "";
    flags: Texts = "flags", "", "Codes of what is unusual about the structure.", "";
    rtstruct_sop_instance_uid: Option<String> = "rtstruct_sop_instance_uid", "", "Structure set it is from.", "(0008,0018)";
    structure_path: Option<String> = "structure_path", "", "Its file, below a named root.", "";
    image_id: Option<String> = "image_id", "", "Image it was drawn on, by its name within the course.", "";
    image_series_uid: Option<String> = "image_series_uid", "", "Series of that image.", "(0020,000E)";
    frame_of_reference_uid: Option<String> = "frame_of_reference_uid", "", "Frame of reference of its coordinates.", "(3006,0024)";
    status: Option<String> = "Status", "", "ok, or why there is no volume.", "";
    reason: Option<String> = "Reason", "", "Explanation of the status, in words.", "";
}

row! {
    /// One row per pair of structures of the same name from different sources.
    pub AgreementRow: "agreement",
        key ["patient_id", "course_id", "structure", "source_a", "rtstruct_sop_instance_uid_a", "roi_number_a", "source_b", "roi_number_b"],
        Forms::ALL;
    patient_id: String = "patient_id", "", "Patient ID, or its pseudonym.", "(0010,0020)";
    course_id: String = "course_id", "", "Course.", "";
    structure: Option<String> = "structure", "", "Name that both stand for.", "";
    roi_name_a: Option<String> = "roi_name_a", "", "Name of the first, the reference.", "";
    source_a: Option<String> = "source_a", "", "Source of the first.", "Segmentation_Source";
    roi_number_a: Option<i64> = "roi_number_a", "", "Number of the first.", "(3006,0022)";
    roi_name_b: Option<String> = "roi_name_b", "", "Name of the second.", "";
    source_b: Option<String> = "source_b", "", "Source of the second.", "Segmentation_Source";
    roi_number_b: Option<i64> = "roi_number_b", "", "Number of the second.", "(3006,0022)";
    volume_a: Option<f64> = "volume_a (cm³)", "cm³", "Volume of the first.", "mask";
    volume_b: Option<f64> = "volume_b (cm³)", "cm³", "Volume of the second.", "mask";
    volume_difference_pct: Option<f64> = "volume_difference (%)", "%", "Second less first, in % of the first.", "";
    dice: Option<f64> = "dice", "", "Dice coefficient.", "2 |A and B| / (|A| + |B|)";
    jaccard: Option<f64> = "jaccard", "", "Jaccard index.", "|A and B| / |A or B|";
    hd95: Option<f64> = "hd95_mm", "mm", "95th percentile of the surface distances, greater of both directions.", "surface elements";
    hd100: Option<f64> = "hd_mm", "mm", "Hausdorff distance.", "surface elements";
    assd: Option<f64> = "assd_mm", "mm", "Mean surface distance over both surfaces.", "surface elements";
    surface_dice_1: Option<f64> = "surface_dice_1mm", "", "Part of both surfaces within 1 mm of the other.", "Nikolov et al. 2021";
    surface_dice_2: Option<f64> = "surface_dice_2mm", "", "Part of both surfaces within 2 mm of the other.", "Nikolov et al. 2021";
    surface_dice_3: Option<f64> = "surface_dice_3mm", "", "Part of both surfaces within 3 mm of the other.", "Nikolov et al. 2021";
    apl_mm: Option<f64> = "added_path_length_mm", "mm", "Length of the first's contour that would have to be drawn anew.", "Vaassen et al. 2020";
    centroid_distance: Option<f64> = "centroid_distance_mm", "mm", "Distance of the centres of volume.", "";
    rtstruct_uid_a: Option<String> = "rtstruct_sop_instance_uid_a", "", "Structure set of the first.", "(0008,0018)";
    rtstruct_uid_b: Option<String> = "rtstruct_sop_instance_uid_b", "", "Structure set of the second.", "(0008,0018)";
    status: Option<String> = "Status", "", "ok, or why there are no values.", "";
    reason: Option<String> = "Reason", "", "Explanation of the status, in words.", "";
}
