//! Rows as Apache Parquet, compressed with Snappy as AWS's are.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use crate::columns::{Cell, Column, Kind};
use crate::encode::{EncodeError, GROUP_SIZE_BYTES_MAX};

/// The name of a row's type.
const ROOT: &str = "s3.inventory";
const UTC: &str = "UTC";

impl From<parquet::errors::ParquetError> for EncodeError {
    fn from(error: parquet::errors::ParquetError) -> Self {
        Self::new(error)
    }
}

impl From<arrow::error::ArrowError> for EncodeError {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::new(error)
    }
}

/// One file.
pub(crate) struct ParquetEncoder {
    columns: Vec<Column>,
    schema: SchemaRef,
    writer: ArrowWriter<Vec<u8>>,
}

fn field(column: &Column) -> Field {
    let data_type = match column.kind() {
        Kind::Text => DataType::Utf8,
        Kind::Flag => DataType::Boolean,
        Kind::Number => DataType::Int64,
        Kind::Time => DataType::Timestamp(TimeUnit::Millisecond, Some(UTC.into())),
    };
    Field::new(column.snake_name(), data_type, !column.is_required())
}

fn array(kind: Kind, cells: &[&Cell]) -> ArrayRef {
    let number = |cell: &&Cell| match cell {
        Cell::Number(number) | Cell::Time(number) => Some(*number),
        Cell::Nothing | Cell::Text(_) | Cell::Flag(_) => None,
    };
    match kind {
        Kind::Text => {
            let text = |cell: &&Cell| match cell {
                Cell::Text(text) => Some(text.clone()),
                Cell::Nothing | Cell::Flag(_) | Cell::Number(_) | Cell::Time(_) => None,
            };
            Arc::new(cells.iter().map(text).collect::<StringArray>())
        }
        Kind::Flag => {
            let flag = |cell: &&Cell| match cell {
                Cell::Flag(flag) => Some(*flag),
                Cell::Nothing | Cell::Text(_) | Cell::Number(_) | Cell::Time(_) => None,
            };
            Arc::new(cells.iter().map(flag).collect::<BooleanArray>())
        }
        Kind::Number => Arc::new(cells.iter().map(number).collect::<Int64Array>()),
        Kind::Time => Arc::new(cells.iter().map(number).collect::<TimestampMillisecondArray>().with_timezone(UTC)),
    }
}

impl ParquetEncoder {
    pub(crate) fn new(columns: Vec<Column>) -> Result<Self, EncodeError> {
        let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let options = ArrowWriterOptions::new()
            .with_properties(properties)
            .with_schema_root(ROOT.to_owned())
            .with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(Vec::new(), schema.clone(), options)?;
        Ok(Self { columns, schema, writer })
    }

    pub(crate) fn push(&mut self, rows: &[Vec<Cell>]) -> Result<(), EncodeError> {
        let column = |(at, column): (usize, &Column)| {
            let cells: Vec<&Cell> = rows.iter().filter_map(|row| row.get(at)).collect();
            array(column.kind(), &cells)
        };
        let arrays = self.columns.iter().enumerate().map(column).collect();
        self.writer.write(&RecordBatch::try_new(self.schema.clone(), arrays)?)?;
        if self.writer.memory_size() > GROUP_SIZE_BYTES_MAX {
            self.writer.flush()?;
        }
        Ok(())
    }

    pub(crate) fn take(&mut self) -> Bytes {
        Bytes::from(std::mem::take(self.writer.inner_mut()))
    }

    pub(crate) fn finish(self) -> Result<Bytes, EncodeError> {
        Ok(Bytes::from(self.writer.into_inner()?))
    }
}
