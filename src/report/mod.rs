//! The pages people look at: `report.html` of one course and `cohort.html` of all.
//!
//! This room knows nothing of stages, records or DICOM files. It takes plain data ([`CoursePage`], [`CohortPage`]) and
//! gives back one self-contained HTML text. The encoders in [`assets`] turn volumes, contours, dose grids and curves
//! into the small blocks that the slice viewer reads; a stage may save them ([`CourseAssets`] is plain serde data) and
//! a later process may put them into a page.
//!
//! Safety: every text that comes from outside goes through [`text::escape`]; pages carry a content security policy
//! made of the hashes of their own script and styles, so that nothing else can run even if an escape were missed.

pub mod assets;
mod charts;
mod cohort;
mod cohort_stats;
mod colour;
mod course;
mod course_view;
mod render;
mod sha256;
pub mod text;

pub use assets::{
    AssetInput, ContourBlock, CourseAssets, CurveBlock, DoseBlock, DoseInput, DvhSeries, ImageBlock, ImageKind,
    ImageOptions, KeyPicture, KeyPictureInput, StructureContours, StructureGroup, StructureInfo, build_assets,
    encode_contours, encode_curves, encode_dose, encode_image, key_pictures, outlines_of_mask,
};
pub use cohort::{
    AgreementStrip, Cell, CohortFinding, CohortPage, Column, ColumnKind, CourseRow, FailureRow, MetricPanel, MetricRow,
    MissingRow, RunChart, RunInterval, ValueOf, render_cohort,
};
pub use cohort_stats::{CohortDvh, CurveOf, cohort_dvh, group_findings};
pub use course::{
    Absent, AgreementRow, CoursePage, FileRow, Finding, Footer, Goal, GoalMark, Level, ObjectRow, RadiomicsRow,
    StructureRow, Tile, Use, Verdict, render_course,
};

/// Why a page or a part of it could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A template or the values given to it do not fit; a bug in this program.
    #[error("page template: {0:#}")]
    Template(#[from] minijinja::Error),
    /// Data could not be turned into JSON.
    #[error("page data: {0}")]
    Json(#[from] serde_json::Error),
    /// Compression failed.
    #[error("compressing {what}: {source}")]
    Deflate {
        /// What was being compressed.
        what: &'static str,
        /// The cause.
        source: std::io::Error,
    },
    /// A picture could not be encoded.
    #[error("encoding {what} as JPEG: {message}")]
    Jpeg {
        /// Which picture.
        what: String,
        /// The encoder's words.
        message: String,
    },
    /// The data cannot be shown.
    #[error("{what} cannot be shown: {reason}")]
    Input {
        /// Image, dose, contours or curves, with its label.
        what: String,
        /// Why not, and what to do.
        reason: String,
    },
}

impl ReportError {
    pub(crate) fn input(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Input { what: what.into(), reason: reason.into() }
    }
}
