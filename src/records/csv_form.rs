//! CSV: UTF-8, RFC 4180, `\n`, formula-like text made harmless.

use super::table::{Cell, TableDef};
use std::borrow::Cow;
use std::io::Write;

/// How formula-like text is written; part of the data dictionary.
pub const CSV_ESCAPE_RULE: &str = "CSV only: text that begins with = + - @, tab or carriage return (after any apostrophes) and is not \
     a number is written with one more apostrophe in front, so that spreadsheet programs do not run it; take one apostrophe \
     off to read it back. Parquet and XLSX hold the text as it is.";

/// The text with an apostrophe in front when a spreadsheet program would take it for a formula.
pub fn escape_formula(text: &str) -> Cow<'_, str> {
    let formula = text.trim_start_matches('\'').starts_with(['=', '+', '-', '@', '\t', '\r']);
    // Numbers only by their digits: "+inf" and "-nan" are words.
    let is_number = text.parse::<f64>().is_ok_and(f64::is_finite);
    if formula && !is_number { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// A cell as CSV text; a missing value is empty. Floats have the shortest digits that read back to the same double.
fn text(cell: &Cell) -> Cow<'_, str> {
    match cell {
        Cell::Null => Cow::Borrowed(""),
        Cell::Text(t) => escape_formula(t),
        Cell::Int(i) => Cow::Owned(i.to_string()),
        Cell::Float(x) => Cow::Owned(serde_json::Value::from(*x).to_string()),
        Cell::Bool(b) => Cow::Borrowed(if *b { "true" } else { "false" }),
    }
}

pub(super) fn write_csv(out: &mut dyn Write, table: &TableDef, rows: &[Vec<Cell>]) -> std::io::Result<()> {
    let mut csv = csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_writer(out);
    csv.write_record(table.columns.iter().map(|c| c.name.as_bytes()))?;
    for row in rows {
        csv.write_record(row.iter().map(|c| match text(c) {
            Cow::Borrowed(t) => Cow::Borrowed(t.as_bytes()),
            Cow::Owned(t) => Cow::Owned(t.into_bytes()),
        }))?;
    }
    csv.flush()
}
