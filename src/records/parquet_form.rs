//! Parquet, zstd, every column optional.

use super::table::{Cell, ColumnKind, TABLE_SCHEMA_VERSION, TableDef, TableError};
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows of a row group; fixed, so that the bytes do not depend on how rows arrive.
const GROUP_ROWS: usize = 65_536;
/// Cells held back at most, for very wide tables.
const GROUP_CELLS: usize = 16 << 20;

/// A Parquet file that is being written.
pub(super) struct ParquetTable<W: Write + Send> {
    out: SerializedFileWriter<W>,
    kinds: Vec<ColumnKind>,
    group: Vec<Vec<Cell>>,
    limit: usize,
    path: PathBuf,
}

fn schema(table: &TableDef) -> Result<Type, ParquetError> {
    let mut fields = Vec::with_capacity(table.columns.len());
    for column in &table.columns {
        let (physical, logical) = match column.kind {
            ColumnKind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            ColumnKind::Int => (Physical::INT64, None),
            ColumnKind::Float => (Physical::DOUBLE, None),
            ColumnKind::Bool => (Physical::BOOLEAN, None),
        };
        let field = Type::primitive_type_builder(&column.name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical)
            .build()?;
        fields.push(Arc::new(field));
    }
    Type::group_type_builder(&table.name).with_fields(fields).build()
}

fn failed(path: &Path, e: &ParquetError) -> TableError {
    TableError::Form { path: path.to_path_buf(), message: e.to_string() }
}

impl<W: Write + Send> ParquetTable<W> {
    pub(super) fn new(out: W, table: &TableDef, path: &Path) -> Result<Self, TableError> {
        let meta = vec![
            KeyValue::new("schema_version".to_owned(), TABLE_SCHEMA_VERSION.to_string()),
            KeyValue::new("table".to_owned(), table.name.to_string()),
        ];
        let begin = || {
            let properties = WriterProperties::builder()
                .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
                .set_created_by("rtpipeline".to_owned())
                .set_key_value_metadata(Some(meta))
                .build();
            SerializedFileWriter::new(out, Arc::new(schema(table)?), Arc::new(properties))
        };
        let out = begin().map_err(|e| failed(path, &e))?;
        let kinds: Vec<ColumnKind> = table.columns.iter().map(|c| c.kind).collect();
        let limit = (GROUP_CELLS / kinds.len().max(1)).clamp(1, GROUP_ROWS);
        Ok(Self { out, kinds, group: Vec::new(), limit, path: path.to_path_buf() })
    }

    pub(super) fn push(&mut self, row: Vec<Cell>) -> Result<(), TableError> {
        self.group.push(row);
        if self.group.len() == self.limit { self.flush() } else { Ok(()) }
    }

    pub(super) fn close(mut self) -> Result<(), TableError> {
        if !self.group.is_empty() {
            self.flush()?;
        }
        let path = self.path;
        self.out.close().map(|_| ()).map_err(|e| failed(&path, &e))
    }

    fn flush(&mut self) -> Result<(), TableError> {
        let rows = std::mem::take(&mut self.group);
        write_group(&mut self.out, &self.kinds, &rows).map_err(|e| failed(&self.path, &e))
    }
}

fn write_group<W: Write + Send>(
    out: &mut SerializedFileWriter<W>,
    kinds: &[ColumnKind],
    rows: &[Vec<Cell>],
) -> Result<(), ParquetError> {
    let mut group = out.next_row_group()?;
    for (i, kind) in kinds.iter().enumerate() {
        let Some(column) = group.next_column()? else { break };
        let cells = rows.iter().map(|r| &r[i]);
        match kind {
            ColumnKind::Text => write_column::<ByteArrayType>(column, cells, |c| match c {
                Cell::Text(t) => Some(ByteArray::from(t.as_str())),
                _ => None,
            })?,
            ColumnKind::Int => write_column::<Int64Type>(column, cells, |c| match c {
                Cell::Int(v) => Some(*v),
                _ => None,
            })?,
            ColumnKind::Float => write_column::<DoubleType>(column, cells, |c| match c {
                Cell::Float(v) => Some(*v),
                _ => None,
            })?,
            ColumnKind::Bool => write_column::<BoolType>(column, cells, |c| match c {
                Cell::Bool(v) => Some(*v),
                _ => None,
            })?,
        }
    }
    group.close()?;
    Ok(())
}

fn write_column<'a, T: DataType>(
    mut column: SerializedColumnWriter<'_>,
    cells: impl Iterator<Item = &'a Cell>,
    value: impl Fn(&Cell) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let mut values = Vec::new();
    let mut present = Vec::new();
    for cell in cells {
        let v = value(cell);
        present.push(i16::from(v.is_some()));
        values.extend(v);
    }
    column.typed::<T>().write_batch(&values, Some(&present), None)?;
    column.close()
}
