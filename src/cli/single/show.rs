//! Tables on the terminal and in files.

use super::super::exit::{Exit, Failure};
use crate::records::{Row, TableDef, TableError, csv_bytes, write_table_file};
use std::path::Path;

/// A column of a printed table: its head, and whether its cells are numbers (set to the right).
pub(super) type Head<'a> = (&'a str, bool);

/// Rows under heads, columns aligned; empty cells become `-`. The last column is not padded.
pub(super) fn aligned(heads: &[Head<'_>], rows: &[Vec<String>]) -> String {
    let cell = |row: &[String], n: usize| match row.get(n).map(|c| one_line(c)) {
        None => "-".to_owned(),
        Some(c) if c.is_empty() => "-".to_owned(),
        Some(c) => c,
    };
    let length = |text: &str| text.chars().count();
    let widths: Vec<usize> = heads
        .iter()
        .enumerate()
        .map(|(n, (head, _))| rows.iter().map(|r| length(&cell(r, n))).chain([length(head)]).max().unwrap_or(0))
        .collect();
    let line = |cells: Vec<String>| {
        let mut out = String::new();
        for (n, c) in cells.iter().enumerate() {
            let pad = " ".repeat(widths[n].saturating_sub(length(c)));
            if n > 0 {
                out.push_str("  ");
            }
            out.push_str(&if heads[n].1 { pad + c } else { format!("{c}{pad}") });
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
        out
    };
    let mut text = line(heads.iter().map(|h| h.0.to_owned()).collect());
    for r in rows {
        text.push_str(&line((0..heads.len()).map(|n| cell(r, n)).collect()));
    }
    text
}

/// Names come from outside: control characters must not reach the terminal.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A number with a fixed number of decimals; empty when there is none.
pub(super) fn number(v: Option<f64>, decimals: usize) -> String {
    v.map_or_else(String::new, |v| format!("{v:.decimals$}"))
}

/// Refuses early, before anything is computed, a file name that says no form of a table.
pub(super) fn check_table_name(path: &Path, forms: &[&str]) -> Result<(), Failure> {
    let ext = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    if path.as_os_str() == "-" || forms.contains(&ext.as_str()) {
        return Ok(());
    }
    let names: Vec<String> = forms.iter().map(|f| format!(".{f}")).collect();
    Err(Failure::usage(format!("{}: a table cannot be written under this name", path.display()))
        .hint(format!("use a name that ends in {}, or - for CSV on standard output", names.join(", "))))
}

/// Writes a table to a file, or as CSV to standard output for `-`.
pub(super) fn save(out: &Path, table: &TableDef, rows: Vec<Row>) -> Result<Exit, Failure> {
    if out.as_os_str() == "-" {
        return super::super::print_bytes(&csv_bytes(table, rows).map_err(failed)?);
    }
    write_table_file(out, table, rows).map_err(failed)?;
    Ok(Exit::Done)
}

/// A table that cannot be written: the user's folder, or a defect.
fn failed(e: TableError) -> Failure {
    match e {
        TableError::Io { .. } | TableError::Form { .. } => {
            Failure::usage(e.to_string()).hint("choose a folder that exists and can be written")
        }
        TableError::TooWide { .. } => Failure::usage(e.to_string()).hint("use .csv or .parquet"),
        e => Failure::internal(e.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_control_characters_are_kept_off_the_terminal() {
        let rows =
            vec![vec!["PTV".into(), "1.5".into()], vec!["Lu\x1b[2Jng_Left".into(), "1200.25".into()], vec!["x".into()]];
        let text = aligned(&[("name", false), ("cm³", true)], &rows);
        let lines: Vec<&str> = text.lines().collect();
        let width = "Lu [2Jng_Left".len() + 2 + "1200.25".len();
        assert_eq!(lines[0].chars().count(), width);
        assert!(lines[1].ends_with("      1.5") && lines[2].ends_with("1200.25") && lines[3].ends_with('-'));
        assert!(!text.contains('\x1b'));
    }

    #[test]
    fn only_names_of_known_forms_are_taken() {
        for good in ["a.csv", "a.CSV", "-"] {
            assert!(check_table_name(Path::new(good), &["csv"]).is_ok(), "{good}");
        }
        let refused = check_table_name(Path::new("a.txt"), &["csv", "xlsx"]).expect_err("not a form");
        assert_eq!(refused.exit, Exit::Usage);
        assert!(refused.hints[0].contains(".csv, .xlsx"));
    }
}
