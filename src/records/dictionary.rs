//! The data dictionary: every table and column in words.

use super::csv_form::CSV_ESCAPE_RULE;
use super::row::row;
use super::table::{Forms, Row, TableDef};

row! {
    /// One row per column of every table; rows with column `*` are about the table as a whole.
    pub DictionaryRow: "data_dictionary", key [], Forms::CSV;
    table: String = "table", "", "Table: file name without extension; * stands for all.", "";
    column: String = "column", "", "Column; * stands for the table as a whole.", "";
    position: Option<i64> = "position", "", "Place of the column in its table, from 1.", "";
    kind: Option<String> = "type", "", "text, int, float or bool; every column may be empty (null).", "";
    unit: Option<String> = "unit", "", "Unit; empty when it has none.", "";
    meaning: String = "meaning", "", "What it means.", "";
    source: Option<String> = "source", "", "Where it comes from: DICOM attribute, formula, standard.", "";
}

/// The dictionary of `tables`: table and rows, to be written with `write_table`.
pub fn data_dictionary(tables: &[TableDef]) -> (TableDef, Vec<Row>) {
    let mut rows = Vec::new();
    let general = |meaning: &str| DictionaryRow {
        table: "*".into(),
        column: "*".into(),
        meaning: meaning.into(),
        ..DictionaryRow::default()
    };
    rows.push(general(CSV_ESCAPE_RULE));
    rows.push(general(
        "Missing values are empty (null): never 0, NaN or -1. Several values in one cell are separated by `;`.",
    ));
    let dictionary = DictionaryRow::table();
    for table in tables.iter().chain([&dictionary]) {
        let forms = table.forms.extensions().join(", ");
        let key = if table.key.is_empty() { String::new() } else { format!("; sorted by {}", table.key.join(", ")) };
        rows.push(DictionaryRow {
            table: table.name.to_string(),
            column: "*".into(),
            meaning: format!("{} Written as {forms}{key}.", table.title),
            ..DictionaryRow::default()
        });
        for (i, c) in table.columns.iter().enumerate() {
            let filled = |s: &str| (!s.is_empty()).then(|| s.to_owned());
            rows.push(DictionaryRow {
                table: table.name.to_string(),
                column: c.name.to_string(),
                position: Some(i as i64 + 1),
                kind: Some(c.kind.word().into()),
                unit: filled(&c.unit),
                meaning: c.meaning.to_string(),
                source: filled(&c.source),
            });
        }
    }
    let mut table = dictionary;
    table.key = vec!["table".into(), "position".into(), "column".into()];
    (table, rows.iter().map(DictionaryRow::to_map).collect())
}
