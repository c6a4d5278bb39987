//! From rows to the bytes of a file, a piece at a time, whatever its form.

use bytes::Bytes;
use tarn_objects::InventoryFormat;

use crate::columns::{Cell, Column, Kind};
use crate::csv::CsvEncoder;
use crate::orc::{OrcColumn, OrcKind, OrcValue, OrcWriter};
use crate::parquet::ParquetEncoder;

/// Encoded bytes that a form keeps to itself before it gives out a group of rows, about.
pub(crate) const GROUP_SIZE_BYTES_MAX: usize = 8 << 20;

/// Rows could not be encoded: never for what they say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rows of an inventory could not be encoded: {reason}")]
pub(crate) struct EncodeError {
    reason: String,
}

impl EncodeError {
    pub(crate) fn new(reason: impl std::fmt::Display) -> Self {
        Self { reason: reason.to_string() }
    }
}

impl From<std::io::Error> for EncodeError {
    fn from(error: std::io::Error) -> Self {
        Self::new(error)
    }
}

impl From<csv::Error> for EncodeError {
    fn from(error: csv::Error) -> Self {
        Self::new(error)
    }
}

/// One file.
pub(crate) enum Encoder {
    Csv(CsvEncoder),
    Orc(OrcWriter),
    Parquet(Box<ParquetEncoder>),
}

fn orc_column(column: &Column) -> OrcColumn {
    let kind = match column.kind() {
        Kind::Text => OrcKind::Text,
        Kind::Flag => OrcKind::Flag,
        Kind::Number => OrcKind::Number,
        Kind::Time => OrcKind::Time,
    };
    OrcColumn { name: column.snake_name(), kind }
}

fn orc_value(cell: &Cell) -> OrcValue<'_> {
    match cell {
        Cell::Nothing => OrcValue::Null,
        Cell::Text(text) => OrcValue::Text(text),
        Cell::Flag(flag) => OrcValue::Flag(*flag),
        Cell::Number(number) => OrcValue::Number(*number),
        Cell::Time(ms) => OrcValue::Time(*ms),
    }
}

impl Encoder {
    pub(crate) fn new(format: InventoryFormat, columns: Vec<Column>) -> Result<Self, EncodeError> {
        Ok(match format {
            InventoryFormat::Csv => Self::Csv(CsvEncoder::new(columns)),
            InventoryFormat::Orc => {
                Self::Orc(OrcWriter::new(columns.iter().map(orc_column).collect(), GROUP_SIZE_BYTES_MAX))
            }
            InventoryFormat::Parquet => Self::Parquet(Box::new(ParquetEncoder::new(columns)?)),
        })
    }

    pub(crate) fn push(&mut self, rows: &[Vec<Cell>]) -> Result<(), EncodeError> {
        match self {
            Self::Csv(csv) => csv.push(rows),
            Self::Orc(orc) => {
                for row in rows {
                    orc.push(row.iter().map(orc_value))?;
                }
                Ok(())
            }
            Self::Parquet(parquet) => parquet.push(rows),
        }
    }

    /// What is ready.
    pub(crate) fn take(&mut self) -> Bytes {
        match self {
            Self::Csv(csv) => csv.take(),
            Self::Orc(orc) => orc.take(),
            Self::Parquet(parquet) => parquet.take(),
        }
    }

    /// The end of the file.
    pub(crate) fn finish(self) -> Result<Bytes, EncodeError> {
        match self {
            Self::Csv(csv) => csv.finish(),
            Self::Orc(orc) => Ok(orc.finish()?),
            Self::Parquet(parquet) => parquet.finish(),
        }
    }
}
