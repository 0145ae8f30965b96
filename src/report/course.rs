//! The page of one course: its data and how it is rendered.

use super::assets::CourseAssets;
use super::{ReportError, course_view};
use serde::{Deserialize, Serialize};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Values are missing, or wrong if used.
    Error,
    /// A choice was made that could be another.
    Caution,
    /// Worth knowing.
    #[default]
    Note,
}

/// One of the six tiles under the head line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tile {
    /// Large text, already formatted (`58.43 Gy`); `None` is shown as `—`.
    pub value: Option<String>,
    /// What it is, or, without a value, why there is none.
    pub label: String,
}

impl Tile {
    /// A tile with a value.
    pub fn new(value: impl Into<String>, label: impl Into<String>) -> Self {
        Self { value: Some(value.into()), label: label.into() }
    }

    /// A tile without a value: what it would be and why it is not there.
    pub fn missing(label: impl Into<String>) -> Self {
        Self { value: None, label: label.into() }
    }
}

/// One finding in words.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Finding {
    /// How bad.
    pub level: Level,
    /// Short main clause: what is. Shown bold.
    pub what: String,
    /// What it means for the numbers.
    pub meaning: String,
    /// Stable code for searching: `dose.grid_coverage`.
    pub code: String,
}

/// Outcome of a goal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The value is on the allowed side.
    Met,
    /// It is not.
    NotMet,
    /// The uncertainty of the value straddles the limit.
    Open,
    /// There is no value.
    #[default]
    NoValue,
}

/// Where a goal is drawn in the histogram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GoalMark {
    /// Gy.
    pub dose_gy: f64,
    /// Percent of the structure.
    pub volume_percent: f64,
    /// True when the curve must pass at or above the point (coverage), false at or below (limit).
    pub at_least: bool,
}

/// One line of the score card.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Goal {
    /// Structure name.
    pub structure: String,
    /// `id` in the assets, when the structure exists.
    pub structure_id: Option<String>,
    /// The goal in words: `V57Gy ≥ 95 %`.
    pub goal: String,
    /// Value in the unit of the goal.
    pub value: Option<f64>,
    /// `Gy`, `%` or `cc`; decides the number format.
    pub unit: String,
    /// Signed distance to the limit in the unit of the goal, positive on the allowed side.
    pub margin: Option<f64>,
    /// Outcome.
    pub verdict: Verdict,
    /// Why there is no value, or why it is open.
    pub reason: String,
    /// Triangle in the chart.
    pub mark: Option<GoalMark>,
}

/// One row of the table of structures: one per structure and source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StructureRow {
    /// `id` in the assets; gives the colour.
    pub id: String,
    /// ROI name.
    pub name: String,
    /// `Segmentation_Source`.
    pub source: String,
    /// Volume, cc.
    pub volume_cc: Option<f64>,
    /// Planes with contours.
    pub planes: Option<u64>,
    /// Mean dose, Gy.
    pub mean_gy: Option<f64>,
    /// Bounds of the mean dose, when dose is unknown in a part of the structure.
    pub mean_bounds_gy: Option<[f64; 2]>,
    /// D98 %, Gy.
    pub d98_gy: Option<f64>,
    /// D2 %, Gy.
    pub d2_gy: Option<f64>,
    /// Words about the structure: clipped, built from incomplete parts, outside the dose grid, …
    pub flags: Vec<String>,
    /// Why values are missing.
    pub reason: String,
}

/// Agreement of two segmentations of one structure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgreementRow {
    /// Structure name.
    pub structure: String,
    /// First segmentation (manual).
    pub a: String,
    /// Second segmentation (automatic).
    pub b: String,
    /// Dice coefficient, 0…1.
    pub dice: Option<f64>,
    /// 95th percentile of the surface distance, mm.
    pub hd95_mm: Option<f64>,
    /// Mean surface distance, mm.
    pub mean_distance_mm: Option<f64>,
    /// Volume of b minus volume of a, cc.
    pub volume_difference_cc: Option<f64>,
    /// Why values are missing.
    pub reason: String,
}

/// What became of a dose or plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Use {
    /// The numbers stand on it.
    Used,
    /// It is a part of the sum that was used.
    Summed,
    /// It was found and not used.
    #[default]
    NotUsed,
}

/// One plan, dose, structure set or image series that was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ObjectRow {
    /// `plan`, `dose`, `structure set`, `image`.
    pub kind: String,
    /// Label as privacy allows.
    pub label: String,
    /// What it is: type, summation, maximum, fractions, approval.
    pub detail: String,
    /// What became of it.
    pub used: Use,
    /// Why.
    pub reason: String,
}

/// Radiomics of one structure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RadiomicsRow {
    /// Structure name.
    pub structure: String,
    /// `Segmentation_Source`.
    pub source: String,
    /// Image it was computed on: `CT`, `MR T1`, …
    pub image: String,
    /// Voxels of the mask after resampling.
    pub voxels: Option<u64>,
    /// Features with a value.
    pub features: Option<u64>,
    /// Features without a value.
    pub missing: Option<u64>,
    /// Why it could not be computed, or empty.
    pub reason: String,
}

/// Files of one kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileRow {
    /// Kind: `dvh_metrics`, `NIFTI`, …
    pub kind: String,
    /// How many.
    pub count: u64,
    /// Path segments relative to the page; empty when there is nothing to open.
    pub link: Vec<String>,
}

/// The foot of a page. Only here do dates of the run stand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Footer {
    /// Program version and, when known, commit.
    pub version: String,
    /// ISO date of the run.
    pub date: String,
    /// Fingerprint of the settings.
    pub settings: String,
    /// Version of the output schema.
    pub schema: String,
    /// SOP Instance UIDs of the inputs, where privacy allows them.
    pub inputs: Vec<String>,
}

/// Why whole parts of the page are empty; one sentence each, empty when the part is there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Absent {
    /// Why no image is shown.
    pub image: String,
    /// Why there is no dose.
    pub dose: String,
    /// Why there are no structures.
    pub structures: String,
    /// Why there are no goals.
    pub goals: String,
    /// Why nothing was compared.
    pub agreement: String,
    /// Why there is no radiomics.
    pub radiomics: String,
}

/// Everything that `report.html` shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CoursePage {
    /// Page title and headline: `P-0007 · course 2024-03`; a pseudonym where privacy asks for one.
    pub title: String,
    /// Parts of the line under the headline, joined by ` · `.
    pub head: Vec<String>,
    /// The six tiles: goals met, target coverage, target D98 %, most critical organ, agreement, findings. Fewer are
    /// filled up with empty ones.
    pub tiles: Vec<Tile>,
    /// Findings; shown worst first.
    pub findings: Vec<Finding>,
    /// Pictures, contours, dose, curves.
    pub assets: CourseAssets,
    /// Sentences for what is not there.
    pub absent: Absent,
    /// Score card.
    pub goals: Vec<Goal>,
    /// Table of structures.
    pub structures: Vec<StructureRow>,
    /// Manual against automatic.
    pub agreement: Vec<AgreementRow>,
    /// What was found, what was used.
    pub objects: Vec<ObjectRow>,
    /// Radiomics summary.
    pub radiomics: Vec<RadiomicsRow>,
    /// What was assumed: one sentence each.
    pub assumptions: Vec<String>,
    /// Files of the course folder.
    pub files: Vec<FileRow>,
    /// Link back to the cohort page, path segments.
    pub cohort_link: Vec<String>,
    /// Foot.
    pub footer: Footer,
}

/// Renders the page of one course as one self-contained HTML text. The same page data give the same bytes.
///
/// # Errors
/// When the curves of the assets are damaged or a template fails.
pub fn render_course(page: &CoursePage) -> Result<String, ReportError> {
    course_view::render(page)
}

#[cfg(test)]
#[path = "course_tests.rs"]
mod tests;
#[cfg(test)]
pub(crate) use tests::hostile as hostile_texts;
