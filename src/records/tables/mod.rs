//! Row types of all tables, and each table by its name.

mod course;
mod dvh;
mod radiomics;
mod run;
mod structures;

pub use course::{CaseMetadataRow, DoseRow, FractionRow, PlanRow, SeriesRow, StructureSetRow};
pub use dvh::{DvhCurveRow, DvhMetricsRow, HEADLINE_COLUMNS, Headline};
pub use radiomics::{RadiomicsLongRow, RadiomicsRow, feature_column, radiomics};
pub use run::{FailureRow, FileRow, OrphanRow, QcFindingRow, QcReportRow};
pub use structures::{AgreementRow, StructureRow};

use super::table::TableDef;

macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident = $row:ident;)*) => {
        $(
            $(#[$doc])*
            pub fn $name() -> TableDef {
                $row::table()
            }
        )*

        /// Every table of fixed columns; [`radiomics`] tables take theirs from the parameter sets.
        pub fn all() -> Vec<TableDef> {
            vec![$($name()),*]
        }
    };
}

tables! {
    /// Dose-volume metrics.
    dvh_metrics = DvhMetricsRow;
    /// Dose-volume curves.
    dvh_curves = DvhCurveRow;
    /// Structures.
    structures = StructureRow;
    /// Radiomics, one row per feature.
    radiomics_long = RadiomicsLongRow;
    /// Courses.
    case_metadata = CaseMetadataRow;
    /// Days of treatment.
    fractions = FractionRow;
    /// Plans.
    plans = PlanRow;
    /// Doses.
    doses = DoseRow;
    /// Image series.
    series = SeriesRow;
    /// Structure sets.
    structure_sets = StructureSetRow;
    /// Agreement of structures.
    agreement = AgreementRow;
    /// Checks per course.
    qc_reports = QcReportRow;
    /// Findings.
    qc_findings = QcFindingRow;
    /// Files found.
    files = FileRow;
    /// Files not used.
    orphans = OrphanRow;
    /// Units that failed.
    failures = FailureRow;
}

/// The table of this name, when its columns are fixed.
pub fn by_name(name: &str) -> Option<TableDef> {
    all().into_iter().find(|t| t.name == name)
}
