//! Tables: columns, rows, order, the check of a row against its table.

use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;

/// A row as it goes from a stage to a table: column name → value.
pub type Row = serde_json::Map<String, Value>;

/// Version of the tables' layout, in Parquet metadata and `run.json`.
pub const TABLE_SCHEMA_VERSION: u32 = 1;

/// Type of a column's values; every column may be null.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColumnKind {
    /// UTF-8 text.
    Text,
    /// 64-bit whole number.
    Int,
    /// 64-bit floating-point number; NaN and infinities are null.
    Float,
    /// True or false.
    Bool,
}

impl ColumnKind {
    /// As the data dictionary names it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Int => "int",
            Self::Float => "float",
            Self::Bool => "bool",
        }
    }
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Name, as users and scripts know it.
    pub name: Cow<'static, str>,
    /// Type of its values.
    pub kind: ColumnKind,
    /// Unit; empty when it has none.
    pub unit: Cow<'static, str>,
    /// What it means.
    pub meaning: Cow<'static, str>,
    /// Where it comes from: DICOM attribute, formula, standard.
    pub source: Cow<'static, str>,
}

impl Column {
    /// A column.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        kind: ColumnKind,
        unit: impl Into<Cow<'static, str>>,
        meaning: impl Into<Cow<'static, str>>,
        source: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { name: name.into(), kind, unit: unit.into(), meaning: meaning.into(), source: source.into() }
    }
}

/// Forms in which a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forms {
    /// Comma-separated values.
    pub csv: bool,
    /// Apache Parquet.
    pub parquet: bool,
    /// Excel workbook.
    pub xlsx: bool,
}

impl Forms {
    /// All three.
    pub const ALL: Self = Self { csv: true, parquet: true, xlsx: true };
    /// CSV only.
    pub const CSV: Self = Self { csv: true, parquet: false, xlsx: false };
    /// Parquet only.
    pub const PARQUET: Self = Self { csv: false, parquet: true, xlsx: false };

    /// File name extensions.
    pub fn extensions(self) -> Vec<&'static str> {
        [(self.csv, "csv"), (self.parquet, "parquet"), (self.xlsx, "xlsx")]
            .into_iter()
            .filter_map(|(on, ext)| on.then_some(ext))
            .collect()
    }
}

/// A table: what its rows hold and how it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableDef {
    /// File name without extension.
    pub name: Cow<'static, str>,
    /// What one row is.
    pub title: Cow<'static, str>,
    /// Columns by which rows are sorted.
    pub key: Vec<Cow<'static, str>>,
    /// Columns in order.
    pub columns: Vec<Column>,
    /// Forms in which it is written.
    pub forms: Forms,
}

impl TableDef {
    /// The same table with further columns at the end; a column that it already has is left as it is.
    #[must_use]
    pub fn with_columns(mut self, more: impl IntoIterator<Item = Column>) -> Self {
        let mut known: std::collections::HashSet<Cow<'static, str>> =
            self.columns.iter().map(|c| c.name.clone()).collect();
        self.columns.extend(more.into_iter().filter(|c| known.insert(c.name.clone())));
        self
    }

    /// The same table under another file name.
    #[must_use]
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// Rows as cells in the order of the columns, checked, sorted by key.
    ///
    /// # Errors
    /// A column that the table does not have, or a value of another type.
    pub fn cells(&self, rows: Vec<Row>) -> Result<Vec<Vec<Cell>>, TableError> {
        let cells = rows.into_iter().map(|row| self.row_cells(row)).collect::<Result<Vec<_>, _>>()?;
        Ok(self.sorted(cells))
    }

    /// One row as cells.
    ///
    /// # Errors
    /// As [`TableDef::cells`].
    pub fn row_cells(&self, mut row: Row) -> Result<Vec<Cell>, TableError> {
        let mut cells = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let value = row.swap_remove(column.name.as_ref()).unwrap_or(Value::Null);
            cells.push(Cell::of(value, column.kind).map_err(|found| TableError::WrongType {
                table: self.name.to_string(),
                column: column.name.to_string(),
                expected: column.kind.word(),
                found,
            })?);
        }
        match row.keys().next() {
            None => Ok(cells),
            Some(unknown) => Err(TableError::UnknownColumn { table: self.name.to_string(), column: unknown.clone() }),
        }
    }

    fn sorted(&self, mut cells: Vec<Vec<Cell>>) -> Vec<Vec<Cell>> {
        let key: Vec<usize> = self.key.iter().filter_map(|k| self.columns.iter().position(|c| c.name == *k)).collect();
        cells.sort_by(|a, b| {
            let by_key = key.iter().map(|&i| a[i].order(&b[i])).find(|o| o.is_ne());
            // Rows of one key are put in order by all their cells, so that the bytes never depend on who came first.
            by_key.or_else(|| a.iter().zip(b).map(|(x, y)| x.order(y)).find(|o| o.is_ne())).unwrap_or(Ordering::Equal)
        });
        cells
    }
}

/// A checked value of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Missing.
    Null,
    /// Text.
    Text(String),
    /// Whole number.
    Int(i64),
    /// Finite number.
    Float(f64),
    /// True or false.
    Bool(bool),
}

impl Cell {
    fn of(value: Value, kind: ColumnKind) -> Result<Self, String> {
        let found = |value: &Value| {
            let mut text = value.to_string();
            if let Some((at, _)) = text.char_indices().nth(60) {
                text.truncate(at);
                text.push('…');
            }
            text
        };
        Ok(match (kind, value) {
            (_, Value::Null) => Self::Null,
            (ColumnKind::Text, Value::String(s)) => Self::Text(s),
            (ColumnKind::Bool, Value::Bool(b)) => Self::Bool(b),
            (ColumnKind::Int, Value::Number(n)) => {
                let whole = n.as_f64().filter(|x| x.fract() == 0.0 && x.abs() < 9e15).map(|x| x as i64);
                match n.as_i64().or(whole) {
                    Some(i) => Self::Int(i),
                    None => return Err(n.to_string()),
                }
            }
            // One zero: the sign of a zero carries no meaning in any of our columns.
            (ColumnKind::Float, Value::Number(n)) => {
                n.as_f64().filter(|x| x.is_finite()).map_or(Self::Null, |x| Self::Float(if x == 0.0 { 0.0 } else { x }))
            }
            (_, other) => return Err(found(&other)),
        })
    }

    fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Float(a), Self::Float(b)) => a.total_cmp(b),
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Null, Self::Null) => Ordering::Equal,
            (Self::Null, _) => Ordering::Less,
            (_, Self::Null) => Ordering::Greater,
            // One column has one type; this is never reached.
            _ => Ordering::Equal,
        }
    }
}

/// What can go wrong with a table.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// A row holds a column that the table does not have.
    #[error("table `{table}` has no column `{column}`")]
    UnknownColumn {
        /// Table.
        table: String,
        /// Column.
        column: String,
    },
    /// A value of another type than the column's.
    #[error("table `{table}`, column `{column}`: expected {expected}, found {found}")]
    WrongType {
        /// Table.
        table: String,
        /// Column.
        column: String,
        /// Type of the column.
        expected: &'static str,
        /// The value.
        found: String,
    },
    /// More columns than a form can hold.
    #[error("table `{table}` has {columns} columns, and {form} holds at most {limit}")]
    TooWide {
        /// Table.
        table: String,
        /// How many columns it has.
        columns: usize,
        /// Name of the form.
        form: &'static str,
        /// Limit of the form.
        limit: usize,
    },
    /// The file could not be written.
    #[error("cannot write {path}: {source}")]
    Io {
        /// File or folder.
        path: std::path::PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// A form's writer failed.
    #[error("cannot write {path}: {message}")]
    Form {
        /// File.
        path: std::path::PathBuf,
        /// What the writer said.
        message: String,
    },
}
