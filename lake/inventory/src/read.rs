//! Reading lists back: the keys in files of Parquet and ORC, whoever wrote them. Blocks; for a thread of its own.

use std::io::Read;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use bytes::{Buf, Bytes};
use parking_lot::Mutex;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use tarn_parquet::{Footer, read_footer_of};

use crate::orc::OrcTexts;

/// Rows handed on together, or fewer that are large.
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

/// A file as the Parquet crate reads it: the heads of its pages from a place on, the rest by length.
struct Chunks {
    file: Arc<dyn FileBytes>,
    footer: Option<Footer>,
    /// What was looked at last, and from where on it is: the page that is read next.
    page: Mutex<(u64, Bytes)>,
}

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
        self.file.size_bytes()
    }
}

impl ChunkReader for Chunks {
    type T = Rest;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        let left = self.file.size_bytes().saturating_sub(start);
        let refused = |error| ParquetError::External(Box::new(error));
        let mut size_bytes = left.min(PIECE_SIZE_BYTES);
        let mut piece = if size_bytes == 0 { Bytes::new() } else { self.file.read(start, size_bytes)? };
        if let Some(footer) = &self.footer
            && let Some(page_size_bytes) = footer.page_size_bytes(start, &piece).map_err(refused)?
        {
            if page_size_bytes > size_bytes {
                size_bytes = page_size_bytes.min(left);
                piece = self.file.read(start, size_bytes)?;
            }
            let page = piece.slice(..piece.len().min(usize::try_from(page_size_bytes).unwrap_or(usize::MAX)));
            footer.check(start, &page).map_err(refused)?;
            *self.page.lock() = (start, page);
        }
        Ok(Rest { file: self.file.clone(), from: start.saturating_add(size_bytes), piece })
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.file.size_bytes()) {
            return Err(ParquetError::EOF("a part of the file lies behind its end".to_owned()));
        }
        let (from, page) = &*self.page.lock();
        let known = start.checked_sub(*from).and_then(|at| {
            let at = usize::try_from(at).ok()?;
            page.get(at..at.checked_add(length)?)
        });
        match known {
            Some(known) => Ok(page.slice_ref(known)),
            None => Ok(self.file.read(start, length as u64)?),
        }
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
    let mut file = Chunks { file, footer: None, page: Mutex::default() };
    let footer = read_footer_of(&file).map_err(unreadable)?;
    let metadata = ArrowReaderMetadata::try_new(footer.metadata().clone(), ArrowReaderOptions::new());
    let batch_rows = footer.batch_rows(BATCH_ROWS, |name| NAMES.contains(&name)).map_err(unreadable)?;
    file.footer = Some(footer);
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.map_err(unreadable)?);
    let wanted = ProjectionMask::columns(builder.parquet_schema(), NAMES);
    let batches = builder.with_projection(wanted).with_batch_size(batch_rows).build().map_err(unreadable)?;
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

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, StringArray};
    use parquet::arrow::ArrowWriter;
    use parquet::file::metadata::{ParquetMetaDataReader, ParquetMetaDataWriter};

    use super::*;

    struct Memory(Vec<u8>);

    impl FileBytes for Memory {
        fn size_bytes(&self) -> u64 {
            self.0.len() as u64
        }

        fn read(&self, from: u64, size_bytes: u64) -> std::io::Result<Bytes> {
            let (from, size_bytes) = (usize::try_from(from).unwrap_or(0), usize::try_from(size_bytes).unwrap_or(0));
            let bytes = self.0.get(from..from + size_bytes).ok_or(std::io::ErrorKind::UnexpectedEof)?;
            Ok(Bytes::copy_from_slice(bytes))
        }
    }

    fn keys_of(file: Vec<u8>) -> Result<Vec<String>, String> {
        let mut keys = Vec::new();
        let mut take = |found: Vec<ListedKey>| {
            keys.extend(found.into_iter().map(|found| found.key));
            true
        };
        read_parquet(Arc::new(Memory(file)), false, &mut take).map_err(|error| error.to_string())?;
        Ok(keys)
    }

    #[test]
    fn lists_are_read_and_what_cannot_be_is_told() -> Result<(), Box<dyn std::error::Error>> {
        let of = |text: fn(usize) -> String| Arc::new(StringArray::from_iter_values((0..2000).map(text))) as ArrayRef;
        let columns = [("bucket", of(|_| "b".to_owned())), ("key", of(|at| format!("key-{at}")))];
        let batch = RecordBatch::try_from_iter(columns)?;
        let mut file = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), None)?;
        writer.write(&batch)?;
        writer.close()?;
        assert_eq!(keys_of(file.clone()).map(|keys| keys.len()), Ok(2000));
        let check = |file: Vec<u8>, expected: &str| {
            let found = keys_of(file).err().unwrap_or_default();
            assert!(found.contains(expected), "{found}\nnot\n{expected}");
        };
        // the first page says that its dictionary has 2^31 - 1 values
        let head = [0x15, 4, 0x15, 20, 0x15, 20, 0x4c, 0x15, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0x15, 0, 0, 0];
        let mut claims = file.clone();
        claims.splice(4..4 + head.len(), head);
        check(claims, "a dictionary is told to have 2147483647 values");
        // and a footer that it has as many row groups
        let claims = b"PAR1\x15\x02\x19\x2c\x35\x00\x18\x01r\x15\x02\x00\x15\x02\x25\x00\x18\x01a\x00\x16\x00\x19\xfc\xff\xff\xff\xff\x07\x1d\x00\x00\x00PAR1";
        check(claims.to_vec(), "row_groups is told to have 2147483647 elements");
        check(file[..40].to_vec(), "does not end in PAR1");
        // and a footer that has keys of more than 1 GiB each
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&Bytes::from(file.clone()))?;
        let mut columns = metadata.row_group(0).columns().to_vec();
        columns[1] = columns[1].clone().into_builder().set_total_uncompressed_size(1 << 42).build()?;
        let group = metadata.row_group(0).clone().into_builder().set_column_metadata(columns).build()?;
        let metadata = metadata.into_builder().set_row_groups(vec![group]).build();
        let mut claims = file.clone();
        ParquetMetaDataWriter::new(&mut claims, &metadata).finish()?;
        check(claims, "bytes of a row: 2199023257, more than 1073741824");
        Ok(())
    }
}
