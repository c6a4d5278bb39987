//! Rows as gzipped CSV: every field quoted, keys URL-encoded, nothing where there is nothing.

use std::io::Write;

use bytes::Bytes;
use csv::{QuoteStyle, WriterBuilder};
use flate2::Compression;
use flate2::write::GzEncoder;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tarn_runtime::Timestamp;

use crate::columns::{Cell, Column};
use crate::encode::EncodeError;

/// What keys have as it is.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*').remove(b'/');

/// A key as lists in CSV write it.
pub fn encoded_key(key: &str) -> String {
    utf8_percent_encode(key, KEPT).to_string()
}

/// One file.
pub(crate) struct CsvEncoder {
    columns: Vec<Column>,
    gzip: GzEncoder<Vec<u8>>,
}

fn text(column: Column, cell: &Cell) -> String {
    match cell {
        Cell::Nothing => String::new(),
        Cell::Text(text) if column == Column::Key => encoded_key(text),
        Cell::Text(text) => text.clone(),
        Cell::Flag(flag) => flag.to_string(),
        Cell::Number(number) => number.to_string(),
        Cell::Time(ms) => Timestamp::from_millisecond(*ms)
            .map(|time| time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string())
            .unwrap_or_default(),
    }
}

impl CsvEncoder {
    pub(crate) fn new(columns: Vec<Column>) -> Self {
        Self { columns, gzip: GzEncoder::new(Vec::new(), Compression::default()) }
    }

    pub(crate) fn push(&mut self, rows: &[Vec<Cell>]) -> Result<(), EncodeError> {
        let mut lines = WriterBuilder::new().quote_style(QuoteStyle::Always).from_writer(Vec::new());
        for row in rows {
            lines.write_record(self.columns.iter().zip(row).map(|(column, cell)| text(*column, cell)))?;
        }
        let lines = lines.into_inner().map_err(|error| EncodeError::new(error.error()))?;
        Ok(self.gzip.write_all(&lines)?)
    }

    pub(crate) fn take(&mut self) -> Bytes {
        Bytes::from(std::mem::take(self.gzip.get_mut()))
    }

    pub(crate) fn finish(self) -> Result<Bytes, EncodeError> {
        Ok(Bytes::from(self.gzip.finish()?))
    }
}
