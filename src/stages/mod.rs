//! The steps of the pipeline. Each reads inputs, calls the crates and returns rows and files; none schedules, none uses
//! another stage: they meet through files and the typed artefacts of [`crate::course`].

pub mod crop_ct;
pub mod dvh;
pub mod organize;
pub mod qc;
pub mod radiomics;
pub mod segmentation;
pub mod segmentation_custom;
pub mod structures;
pub mod visualize;

use crate::course::CoursePaths;
use crate::records::{Row, TableDef, write_table};
use rtpipeline_engine::{Output, OutputFile, UnitContext, UnitError};

/// Writes a table of one course in all its forms and adds the files to the outputs.
pub(crate) fn course_tables(
    cx: &UnitContext,
    paths: &CoursePaths,
    def: &TableDef,
    rows: &[Row],
    out: &mut Output,
) -> Result<(), UnitError> {
    let dir = cx.work.join("tables");
    std::fs::create_dir_all(&dir)?;
    let written = write_table(&dir, def, rows.to_vec()).map_err(|e| UnitError::bug(e.to_string()))?;
    for path in written {
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else { continue };
        let file = OutputFile { role: def.name.to_string(), work: format!("tables/{name}"), to: paths.file(name) };
        out.files.push(file);
    }
    Ok(())
}
