//! Excel workbooks: frozen and filtered header, unit and meaning in a note of each header cell.

use super::table::{Cell, Column, TableDef, TableError};
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Note, Workbook, Worksheet, XlsxError};
use std::io::{Seek, Write};
use std::path::Path;

/// Rows of a sheet, header included.
const SHEET_ROWS: usize = 1_048_576;
/// Columns of a sheet.
const SHEET_COLUMNS: usize = 16_384;
/// Characters (UTF-16 units) of a cell.
const CELL_TEXT: usize = 32_767;
/// Said at the end of a text that does not fit.
const CUT: &str = " … (cut; whole in the CSV and Parquet files)";

pub(super) fn write_xlsx<W: Write + Seek + Send>(
    out: &mut W,
    table: &TableDef,
    rows: &[Vec<Cell>],
    path: &Path,
) -> Result<(), TableError> {
    if table.columns.len() > SHEET_COLUMNS {
        return Err(TableError::TooWide {
            table: table.name.to_string(),
            columns: table.columns.len(),
            form: "an XLSX sheet",
            limit: SHEET_COLUMNS,
        });
    }
    workbook(table, rows, SHEET_ROWS - 1)
        .and_then(|mut book| book.save_to_writer(out))
        .map_err(|e| TableError::Form { path: path.to_path_buf(), message: e.to_string() })
}

pub(super) fn workbook(table: &TableDef, rows: &[Vec<Cell>], rows_per_sheet: usize) -> Result<Workbook, XlsxError> {
    let mut book = Workbook::new();
    // A fixed date: the same rows must give the same bytes.
    book.set_properties(&DocProperties::new().set_creation_datetime(&ExcelDateTime::from_ymd(2000, 1, 1)?));
    let parts: Vec<&[Vec<Cell>]> = if rows.is_empty() { vec![rows] } else { rows.chunks(rows_per_sheet).collect() };
    for (i, part) in parts.iter().enumerate() {
        // Sheet names hold at most 31 characters.
        let suffix = if i == 0 { String::new() } else { format!("_{}", i + 1) };
        let stem: String = table.name.chars().take(31 - suffix.len()).collect();
        let sheet = book.add_worksheet();
        sheet.set_name(format!("{stem}{suffix}"))?;
        fill(sheet, &table.columns, part)?;
    }
    Ok(book)
}

fn note(column: &Column) -> String {
    let mut text = column.meaning.trim().to_owned();
    if !column.unit.is_empty() {
        text.push_str(&format!("\nUnit: {}", column.unit));
    }
    if !column.source.is_empty() {
        text.push_str(&format!("\nSource: {}", column.source));
    }
    text
}

fn fill(sheet: &mut Worksheet, columns: &[Column], rows: &[Vec<Cell>]) -> Result<(), XlsxError> {
    let bold = Format::new().set_bold();
    for (c, column) in columns.iter().enumerate() {
        sheet.write_string_with_format(0, c as u16, column.name.as_ref(), &bold)?;
        let text = note(column);
        if !text.is_empty() {
            sheet.insert_note(0, c as u16, &Note::new(text).set_author("rtpipeline"))?;
        }
        sheet.set_column_width(c as u16, (column.name.chars().count() as f64 + 3.0).clamp(9.0, 40.0))?;
    }
    for (r, row) in rows.iter().enumerate() {
        let r = r as u32 + 1;
        for (c, cell) in row.iter().enumerate() {
            let c = c as u16;
            match cell {
                Cell::Null => continue,
                // write_string never makes a formula of a text.
                Cell::Text(t) => sheet.write_string(r, c, fitting(t))?,
                Cell::Int(v) if v.unsigned_abs() < (1 << 53) => sheet.write_number(r, c, *v as f64)?,
                // A spreadsheet number is a double: larger ones would lose digits.
                Cell::Int(v) => sheet.write_string(r, c, v.to_string())?,
                Cell::Float(v) => sheet.write_number(r, c, *v)?,
                Cell::Bool(v) => sheet.write_boolean(r, c, *v)?,
            };
        }
    }
    sheet.set_freeze_panes(1, 0)?;
    if !columns.is_empty() {
        sheet.autofilter(0, 0, rows.len() as u32, columns.len() as u16 - 1)?;
    }
    Ok(())
}

fn fitting(text: &str) -> String {
    if text.encode_utf16().count() <= CELL_TEXT {
        return text.to_owned();
    }
    let room = CELL_TEXT - CUT.encode_utf16().count();
    let mut used = 0;
    let kept = text.chars().take_while(|c| {
        used += c.len_utf16();
        used <= room
    });
    kept.collect::<String>() + CUT
}
