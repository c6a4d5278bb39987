//! Reading lists back: the keys in files of Parquet and ORC, whoever wrote them. Blocks; for a thread of its own.

use std::io::Read;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use bytes::{Buf, Bytes};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use crate::orc::OrcTexts;

/// Rows handed on together.
const BATCH_ROWS: usize = 512;
/// Bytes read at a time where it is not said how many are wanted.
const PIECE_SIZE_BYTES: u64 = 64 << 10;
const NAMES: [&str; 3] = ["bucket", "key", "version_id"];

/// A file, any part of which can be read.
pub trait FileBytes: Send + Sync {
    /// Bytes.
    fn size_bytes(&self) -> u64;
    /// So many bytes from a place on; both lie in the file.
    fn read(&self, from: u64, size_bytes: u64) -> std::io::Result<Bytes>;
}

/// What a row of a list names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedKey {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The version, if the list tells versions; empty for one without an id.
    pub version: Option<String>,
}

/// A file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not what its list says, or its bytes do not come.
    #[error("{0}")]
    Unreadable(String),
    /// Nobody takes the rows any more.
    #[error("nobody takes the rows")]
    NotWanted,
}

fn unreadable(error: impl std::fmt::Display) -> ReadError {
    ReadError::Unreadable(error.to_string())
}

/// Takes rows; tells whether it wants more.
pub type TakeKeys<'a> = &'a mut dyn FnMut(Vec<ListedKey>) -> bool;

fn listed(bucket: Option<String>, key: Option<String>, version: Option<String>) -> Result<ListedKey, ReadError> {
    match (bucket, key) {
        (Some(bucket), Some(key)) if !bucket.is_empty() && !key.is_empty() => Ok(ListedKey { bucket, key, version }),
        _ => Err(unreadable("a row names no bucket or no key")),
    }
}

/// The keys of a file of ORC.
pub fn read_orc(file: Arc<dyn FileBytes>, has_versions: bool, take: TakeKeys<'_>) -> Result<(), ReadError> {
    let mut texts = OrcTexts::open(file, &NAMES).map_err(unreadable)?;
    let mut batch = Vec::new();
    while let Some(row) = texts.next().map_err(unreadable)? {
        let mut row = row.into_iter();
        let (bucket, key) = (row.next().flatten(), row.next().flatten());
        let version = has_versions.then(|| row.next().flatten().unwrap_or_default());
        batch.push(listed(bucket, key, version)?);
        if batch.len() == BATCH_ROWS && !take(std::mem::take(&mut batch)) {
            return Err(ReadError::NotWanted);
        }
    }
    if take(batch) { Ok(()) } else { Err(ReadError::NotWanted) }
}

/// A file as the Parquet crate reads it.
struct Chunks(Arc<dyn FileBytes>);

/// From a place to the end.
struct Rest {
    file: Arc<dyn FileBytes>,
    from: u64,
    piece: Bytes,
}

impl Read for Rest {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.piece.is_empty() {
            let size_bytes = self.file.size_bytes().saturating_sub(self.from).min(PIECE_SIZE_BYTES);
            if size_bytes == 0 {
                return Ok(0);
            }
            self.piece = self.file.read(self.from, size_bytes)?;
            self.from += size_bytes;
        }
        let size_bytes = self.piece.len().min(into.len());
        self.piece.copy_to_slice(into.get_mut(..size_bytes).unwrap_or_default());
        Ok(size_bytes)
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.0.size_bytes()
    }
}

impl ChunkReader for Chunks {
    type T = Rest;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(Rest { file: self.0.clone(), from: start, piece: Bytes::new() })
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let length = length as u64;
        if start.checked_add(length).is_none_or(|end| end > self.0.size_bytes()) {
            return Err(ParquetError::EOF("a part of the file lies behind its end".to_owned()));
        }
        Ok(self.0.read(start, length)?)
    }
}

/// The texts of a column; nothing where the file does not have it.
fn texts(batch: &RecordBatch, name: &str) -> Result<Vec<Option<String>>, ReadError> {
    let Some(column) = batch.column_by_name(name) else { return Ok(vec![None; batch.num_rows()]) };
    let column = cast(column, &DataType::Utf8).map_err(unreadable)?;
    let column = column.as_string_opt::<i32>().ok_or_else(|| unreadable("a column does not hold texts"))?;
    Ok((0..column.len()).map(|at| column.is_valid(at).then(|| column.value(at).to_owned())).collect())
}

/// The keys of a file of Parquet.
pub fn read_parquet(file: Arc<dyn FileBytes>, has_versions: bool, take: TakeKeys<'_>) -> Result<(), ReadError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(Chunks(file)).map_err(unreadable)?;
    let wanted = ProjectionMask::columns(builder.parquet_schema(), NAMES);
    let batches = builder.with_projection(wanted).with_batch_size(BATCH_ROWS).build().map_err(unreadable)?;
    for batch in batches {
        let batch = batch.map_err(unreadable)?;
        let [buckets, keys, versions] = NAMES.map(|name| texts(&batch, name));
        let mut found = Vec::with_capacity(batch.num_rows());
        for ((bucket, key), version) in buckets?.into_iter().zip(keys?).zip(versions?) {
            found.push(listed(bucket, key, has_versions.then(|| version.unwrap_or_default()))?);
        }
        if !take(found) {
            return Err(ReadError::NotWanted);
        }
    }
    Ok(())
}
