//! Tables: row types are the only source of columns, types, units, order, data dictionary, and of the CSV, Parquet and
//! XLSX forms.
//!
//! A stage makes typed rows (`DvhMetricsRow`, …), turns them into maps with `to_map()`, and stores those in its unit record;
//! cohort tables are gathered from the records and written with [`write_table`]. An empty table has all its columns; the
//! bytes do not depend on the order in which rows come.

mod csv_form;
mod dictionary;
mod parquet_form;
mod row;
mod table;
pub mod tables;
#[cfg(test)]
mod tests;
mod write;
mod xlsx_form;

pub use csv_form::{CSV_ESCAPE_RULE, escape_formula};
pub use dictionary::{DictionaryRow, data_dictionary};
pub use row::{Field, JsonText, Named, Span, Texts};
pub use table::{Cell, Column, ColumnKind, Forms, Row, TABLE_SCHEMA_VERSION, TableDef, TableError};
pub use tables::*;
pub use write::{ParquetStream, csv_bytes, write_table, write_table_file};
