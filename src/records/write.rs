//! Writing tables, each file by temporary name and rename.

use super::csv_form::write_csv;
use super::parquet_form::ParquetTable;
use super::table::{Cell, Row, TableDef, TableError};
use super::xlsx_form::write_xlsx;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Writes all forms of a table into `dir`, which is made when it is missing, and returns the files.
///
/// The bytes depend on the rows only, not on their order. A table without rows has all its columns.
///
/// # Errors
/// A row with an unknown column or a value of another type (nothing is written then), or a file that cannot be written.
pub fn write_table(dir: &Path, table: &TableDef, rows: Vec<Row>) -> Result<Vec<PathBuf>, TableError> {
    let cells = table.cells(rows)?;
    let mut written = Vec::new();
    for extension in table.forms.extensions() {
        let path = dir.join(format!("{}.{extension}", table.name));
        atomically(&path, |file| form(file, table, &cells, &path, extension))?;
        written.push(path);
    }
    Ok(written)
}

/// The CSV form of a table.
///
/// # Errors
/// A row with an unknown column or a value of another type.
pub fn csv_bytes(table: &TableDef, rows: Vec<Row>) -> Result<Vec<u8>, TableError> {
    let cells = table.cells(rows)?;
    let mut bytes = Vec::new();
    write_csv(&mut bytes, table, &cells).map_err(|e| io(Path::new("CSV"), e))?;
    Ok(bytes)
}

/// Writes one form of a table into a file; the extension (`csv`, `parquet`, `xlsx`) says which.
///
/// # Errors
/// As [`write_table`], and a [`TableError::Form`] for any other extension.
pub fn write_table_file(path: &Path, table: &TableDef, rows: Vec<Row>) -> Result<(), TableError> {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    if !["csv", "parquet", "xlsx"].contains(&extension.as_str()) {
        let message = format!("`{extension}` is no form of a table; use .csv, .parquet or .xlsx");
        return Err(TableError::Form { path: path.to_path_buf(), message });
    }
    let cells = table.cells(rows)?;
    atomically(path, |file| form(file, table, &cells, path, &extension))
}

fn form(
    file: &mut BufWriter<&File>,
    table: &TableDef,
    cells: &[Vec<Cell>],
    path: &Path,
    extension: &str,
) -> Result<(), TableError> {
    match extension {
        "csv" => write_csv(file, table, cells).map_err(|e| io(path, e)),
        "xlsx" => write_xlsx(file, table, cells, path),
        _ => {
            let mut out = ParquetTable::new(file, table, path)?;
            for row in cells {
                out.push(row.clone())?;
            }
            out.close()
        }
    }
}

/// Writes the Parquet form of a table row by row, for tables too large to be held in memory. Rows must come in the order of
/// the key. The file appears under its name when [`ParquetStream::finish`] returns.
pub struct ParquetStream {
    table: TableDef,
    out: ParquetTable<File>,
    temporary: tempfile::NamedTempFile,
    path: PathBuf,
}

impl ParquetStream {
    /// Begins the file `dir/<table>.parquet`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(dir: &Path, table: &TableDef) -> Result<Self, TableError> {
        let path = dir.join(format!("{}.parquet", table.name));
        let temporary = temporary(&path)?;
        let file = temporary.reopen().map_err(|e| io(&path, e))?;
        let out = ParquetTable::new(file, table, &path)?;
        Ok(Self { table: table.clone(), out, temporary, path })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// An unknown column, a value of another type, or a file that cannot be written.
    pub fn push(&mut self, row: Row) -> Result<(), TableError> {
        self.out.push(self.table.row_cells(row)?)
    }

    /// Ends the file and gives it its name.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(self) -> Result<PathBuf, TableError> {
        self.out.close()?;
        keep(self.temporary, &self.path)?;
        Ok(self.path)
    }
}

pub(super) fn io(path: &Path, source: std::io::Error) -> TableError {
    TableError::Io { path: path.to_path_buf(), source }
}

fn temporary(path: &Path) -> Result<tempfile::NamedTempFile, TableError> {
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir).map_err(|e| io(dir, e))?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // The user's mask decides, as for any other file; temporary files are private otherwise.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(dir).map_err(|e| io(path, e))
}

fn keep(temporary: tempfile::NamedTempFile, path: &Path) -> Result<(), TableError> {
    temporary.as_file().sync_data().map_err(|e| io(path, e))?;
    temporary.persist(path).map_err(|e| io(path, e.error))?;
    Ok(())
}

/// Runs `write` on a temporary file beside `path` and renames it into place.
fn atomically(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&File>) -> Result<(), TableError>,
) -> Result<(), TableError> {
    let temporary = temporary(path)?;
    let mut out = BufWriter::new(temporary.as_file());
    write(&mut out)?;
    out.flush().map_err(|e| io(path, e))?;
    drop(out);
    keep(temporary, path)
}
