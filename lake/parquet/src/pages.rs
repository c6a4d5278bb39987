//! A footer that is believed, and what of its file's other parts may be: page indexes, Bloom filters, the heads of pages. Reads no file.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

use crate::error::{Fault, FooterError};
use crate::footer::FOOTER;
use crate::shapes::{
    BLOOM_FILTER_HEADER, COLUMN_INDEX, DICTIONARY_PAGE_HEADER, OFFSET_INDEX, PAGE_HEADER, PAGE_LOCATION,
};
use crate::thrift::{Seen, walk};

/// All page indexes of a file, which are read together.
pub(crate) const PAGE_INDEXES_SIZE_BYTES_MAX: u64 = 64 << 20;
/// The bits of a Bloom filter: what the format allows.
pub(crate) const BLOOM_FILTER_SIZE_BYTES_MAX: i64 = 128 << 20;
/// What Bloom filters are made of.
const BLOOM_FILTER_BLOCK_SIZE_BYTES: i64 = 32;
/// A page as it is before compression.
pub(crate) const PAGE_SIZE_BYTES_MAX: i64 = 1 << 30;
/// What a page may have beside what its compression makes of it.
const PAGE_SLACK_SIZE_BYTES: i64 = 1 << 10;

const COLUMN_INDEXES: &str = "page index";
const BLOOM_FILTER: &str = "Bloom filter";
const PAGE: &str = "head of a page";

/// The metadata of a file, and where its parts are.
#[derive(Debug)]
pub struct Footer {
    metadata: Arc<ParquetMetaData>,
    /// Columns of row groups that have bytes, by where they begin.
    chunks: Vec<Chunk>,
    /// From the first to the last of the page indexes.
    indexes: Option<Range<u64>>,
    /// Where Bloom filters begin, and how many bytes they are told to have.
    bloom_filters: BTreeMap<u64, Option<i64>>,
}

#[derive(Debug)]
struct Chunk {
    bytes: Range<u64>,
    compression: Compression,
}

/// How many times its bytes a codec can make of a page; `None` if that has no small bound.
fn times_max(compression: Compression) -> Option<i64> {
    match compression {
        Compression::UNCOMPRESSED => Some(1),
        // three bytes copy 64
        Compression::SNAPPY => Some(22),
        // a byte lengthens a copy by 255
        Compression::LZ4 | Compression::LZ4_RAW | Compression::LZO => Some(256),
        // two bits copy 258
        Compression::GZIP(_) => Some(1032),
        Compression::BROTLI(_) | Compression::ZSTD(_) => None,
    }
}

fn impossible(reason: String) -> FooterError {
    FooterError::impossible(FOOTER, reason)
}

/// The bytes from one place on, if they are in the file.
fn place(what: &'static str, from: i64, length: i64, size_bytes: u64) -> Result<Range<u64>, FooterError> {
    let bytes = u64::try_from(from).ok().zip(u64::try_from(length).ok());
    bytes
        .and_then(|(from, length)| Some(from..from.checked_add(length)?))
        .filter(|bytes| bytes.end <= size_bytes)
        .ok_or_else(|| impossible(format!("{what} has {length} bytes from {from} on, in a file of {size_bytes}")))
}

/// Both halves of what tells a place. A negative one tells none, as the Parquet crate has it.
fn told(offset: Option<i64>, length: Option<i32>) -> Option<(i64, i64)> {
    offset
        .zip(length)
        .map(|(offset, length)| (offset, i64::from(length)))
        .filter(|(at, length)| *at >= 0 && *length >= 0)
}

fn column_index_of(column: &ColumnChunkMetaData) -> Option<(i64, i64)> {
    told(column.column_index_offset(), column.column_index_length())
}

fn offset_index_of(column: &ColumnChunkMetaData) -> Option<(i64, i64)> {
    told(column.offset_index_offset(), column.offset_index_length())
}

impl Footer {
    /// Believes `metadata` if its parts can all be in a file of so many bytes.
    pub(crate) fn of(metadata: ParquetMetaData, size_bytes: u64) -> Result<Self, FooterError> {
        let mut chunks = Vec::new();
        let mut indexes: Option<Range<u64>> = None;
        let mut bloom_filters = BTreeMap::new();
        let mut rows = 0_i64;
        for group in metadata.row_groups() {
            rows = Some(group.num_rows())
                .filter(|rows| *rows >= 0)
                .and_then(|more| rows.checked_add(more))
                .ok_or_else(|| impossible(format!("a row group is told to have {} rows", group.num_rows())))?;
            for column in group.columns() {
                if column.num_values() < 0 {
                    return Err(impossible(format!("a column is told to have {} values", column.num_values())));
                }
                place("the first page of a column", column.data_page_offset(), 0, size_bytes)?;
                let from = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
                let bytes = place("a column", from, column.compressed_size(), size_bytes)?;
                if !bytes.is_empty() {
                    chunks.push(Chunk { bytes, compression: column.compression() });
                }
                for (from, length) in column_index_of(column).into_iter().chain(offset_index_of(column)) {
                    let bytes = place("a page index", from, length, size_bytes)?;
                    indexes = Some(match indexes {
                        Some(all) => all.start.min(bytes.start)..all.end.max(bytes.end),
                        None => bytes,
                    });
                }
                if let Some(from) = column.bloom_filter_offset() {
                    let length = column.bloom_filter_length().map(i64::from);
                    let bytes = place("a Bloom filter", from, length.unwrap_or(0), size_bytes)?;
                    bloom_filters.insert(bytes.start, length);
                }
            }
        }
        chunks.sort_by_key(|chunk| chunk.bytes.start);
        if let Some((first, second)) =
            chunks.iter().zip(chunks.iter().skip(1)).find(|(a, b)| a.bytes.end > b.bytes.start)
        {
            let (first, second) = (&first.bytes, &second.bytes);
            return Err(impossible(format!(
                "columns overlap: one has the bytes {} to {}, another begins at {}",
                first.start, first.end, second.start
            )));
        }
        if metadata.file_metadata().num_rows() < 0 {
            return Err(impossible(format!("the file is told to have {} rows", metadata.file_metadata().num_rows())));
        }
        Ok(Self { metadata: Arc::new(metadata), chunks, indexes, bloom_filters })
    }

    /// As the Parquet crate has it.
    pub fn metadata(&self) -> &Arc<ParquetMetaData> {
        &self.metadata
    }

    /// From the first to the last of the page indexes.
    #[cfg(test)]
    pub(crate) fn indexes(&self) -> Option<Range<u64>> {
        self.indexes.clone()
    }

    /// What it takes.
    pub fn memory_size(&self) -> usize {
        self.metadata.memory_size()
            + self.chunks.len() * size_of::<Chunk>()
            + self.bloom_filters.len() * size_of::<(u64, Option<i64>)>()
    }

    /// Looks at bytes of the file from a place on before they are believed: at the page indexes and heads of pages among them, and at a Bloom
    /// filter that begins there. The Parquet crate reads pages with their heads, so a read in a column begins with one.
    pub fn check(&self, from: u64, bytes: &[u8]) -> Result<(), FooterError> {
        let end = from.saturating_add(bytes.len() as u64);
        if self.indexes.as_ref().is_some_and(|indexes| from < indexes.end && indexes.start < end) {
            self.check_indexes(from, bytes)?;
        }
        if let Some(told) = self.bloom_filters.get(&from) {
            check_bloom_filter(*told, bytes)?;
        }
        match self.column_at(from, bytes) {
            Some((compression, bytes)) => check_pages(compression, bytes),
            None => Ok(()),
        }
    }

    /// The same, where the Parquet crate goes on reading behind `bytes`: the head that begins there must be all among them.
    pub fn check_head(&self, from: u64, bytes: &[u8]) -> Result<(), FooterError> {
        match self.column_at(from, bytes) {
            Some((compression, bytes)) => {
                check_page(compression, bytes)?;
                check_pages(compression, bytes)
            }
            None => Ok(()),
        }
    }

    /// The column that is read from there on, and which of the bytes are its.
    fn column_at<'b>(&self, from: u64, bytes: &'b [u8]) -> Option<(Compression, &'b [u8])> {
        let at = self.chunks.partition_point(|chunk| chunk.bytes.end <= from);
        let chunk = self.chunks.get(at).filter(|chunk| chunk.bytes.start <= from)?;
        let size_bytes = usize::try_from(chunk.bytes.end - from).unwrap_or(usize::MAX).min(bytes.len());
        Some((chunk.compression, bytes.get(..size_bytes)?))
    }

    /// Whether that many bytes may be read at once. The Parquet crate reads all page indexes together.
    pub fn check_span(&self, bytes: &Range<u64>) -> Result<(), FooterError> {
        let length = bytes.end.saturating_sub(bytes.start);
        if length > PAGE_INDEXES_SIZE_BYTES_MAX && self.indexes.as_ref() == Some(bytes) {
            return Err(FooterError::too_many(COLUMN_INDEXES, "bytes", length, PAGE_INDEXES_SIZE_BYTES_MAX));
        }
        Ok(())
    }

    fn check_indexes(&self, from: u64, bytes: &[u8]) -> Result<(), FooterError> {
        let slice = |(offset, length): (i64, i64)| {
            let start = usize::try_from(u64::try_from(offset).ok()?.checked_sub(from)?).ok()?;
            bytes.get(start..start.checked_add(usize::try_from(length).ok()?)?)
        };
        for group in self.metadata.row_groups() {
            for column in group.columns() {
                let pages_of_offsets = match offset_index_of(column).and_then(slice) {
                    Some(bytes) => Some(check_offset_index(column, group.num_rows(), bytes)?),
                    None => None,
                };
                if let Some(bytes) = column_index_of(column).and_then(slice) {
                    let pages = check_column_index(bytes)?;
                    if pages_of_offsets.is_some_and(|others| others != pages) {
                        return Err(FooterError::impossible(
                            COLUMN_INDEXES,
                            format!("it has {pages} pages for values and {} for places", pages_of_offsets.unwrap_or(0)),
                        ));
                    }
                }
            }
        }
        Ok(())
    }
}

/// Walks over the places of a column's pages; tells how many there are.
fn check_offset_index(column: &ColumnChunkMetaData, rows: i64, bytes: &[u8]) -> Result<usize, FooterError> {
    let from = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
    let end = from.saturating_add(column.compressed_size());
    let (mut offset, mut length, mut first_row, mut pages) = (0, 0, 0, 0);
    let (mut last_row, mut last_end) = (-1, from);
    walk(COLUMN_INDEXES, &OFFSET_INDEX, bytes, &mut |seen| {
        match seen {
            Seen::Begin(shape) if shape.is(&PAGE_LOCATION) => {
                (offset, length, first_row) = (-1, -1, -1);
            }
            Seen::Number(shape, id, value) if shape.is(&PAGE_LOCATION) => match id {
                1 => offset = value,
                2 => length = value,
                3 => first_row = value,
                _ => {}
            },
            Seen::End(shape) if shape.is(&PAGE_LOCATION) => {
                let page_end = offset.checked_add(length).filter(|page_end| length >= 0 && *page_end <= end);
                last_end = match page_end {
                    Some(page_end) if offset >= last_end => page_end,
                    _ => {
                        return Err(Fault::Impossible(format!(
                            "a page has {length} bytes from {offset} on, in a column that has them from {last_end} to {end}"
                        )));
                    }
                };
                // columns of no rows have a page too, as some writers do it
                if first_row < last_row.max(0) || first_row > rows {
                    return Err(Fault::Impossible(format!("a page begins at row {first_row} of {rows}")));
                }
                last_row = first_row;
                pages += 1;
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(pages)
}

/// Walks over the least and greatest values of a column's pages; tells how many there are.
fn check_column_index(bytes: &[u8]) -> Result<usize, FooterError> {
    let mut pages = 0;
    walk(COLUMN_INDEXES, &COLUMN_INDEX, bytes, &mut |seen| {
        if let Seen::List(_, 1, count) = seen {
            pages = count;
        }
        Ok(())
    })?;
    Ok(pages)
}

fn check_bloom_filter(told: Option<i64>, bytes: &[u8]) -> Result<(), FooterError> {
    let mut size_bytes = -1;
    let head = walk(BLOOM_FILTER, &BLOOM_FILTER_HEADER, bytes, &mut |seen| {
        if let Seen::Number(_, 1, value) = seen {
            size_bytes = value;
        }
        Ok(())
    })?;
    let whole = size_bytes >= BLOOM_FILTER_BLOCK_SIZE_BYTES && size_bytes % BLOOM_FILTER_BLOCK_SIZE_BYTES == 0;
    if !whole || size_bytes > BLOOM_FILTER_SIZE_BYTES_MAX {
        return Err(FooterError::impossible(
            BLOOM_FILTER,
            format!(
                "it is told to have {size_bytes} bytes, not blocks of {BLOOM_FILTER_BLOCK_SIZE_BYTES} up to {BLOOM_FILTER_SIZE_BYTES_MAX}"
            ),
        ));
    }
    // told twice: the Parquet crate goes by the footer then
    match told {
        Some(told) if told < i64::try_from(head).unwrap_or(i64::MAX).saturating_add(BLOOM_FILTER_BLOCK_SIZE_BYTES) => {
            Err(FooterError::impossible(
                BLOOM_FILTER,
                format!("the footer tells {told} bytes of it, less than its least"),
            ))
        }
        Some(_) | None => Ok(()),
    }
}

/// Walks over the heads of the pages that follow each other.
fn check_pages(compression: Compression, bytes: &[u8]) -> Result<(), FooterError> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match check_page(compression, rest) {
            Ok(size_bytes) => rest = rest.get(size_bytes..).unwrap_or_default(),
            // the rest of this head is not among the bytes that were read, so nothing is made of it
            Err(FooterError { fault: Fault::Ends { .. }, .. }) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Walks over the head of the page that begins there; tells how many bytes both have.
fn check_page(compression: Compression, bytes: &[u8]) -> Result<usize, FooterError> {
    let (mut uncompressed, mut compressed, mut in_dictionary) = (-1, -1, 0);
    let head = walk(PAGE, &PAGE_HEADER, bytes, &mut |seen| {
        match seen {
            Seen::Number(shape, id, value) if shape.is(&PAGE_HEADER) => match id {
                2 => uncompressed = value,
                3 => compressed = value,
                _ => {}
            },
            Seen::Number(shape, 1, value) if shape.is(&DICTIONARY_PAGE_HEADER) => in_dictionary = value,
            _ => {}
        }
        Ok(())
    })?;
    let Ok(compressed_size_bytes) = usize::try_from(compressed) else {
        return Err(FooterError::impossible(PAGE, format!("a page is told to have {compressed} bytes")));
    };
    let times = times_max(compression).unwrap_or(i64::MAX);
    let most = compressed.saturating_mul(times).saturating_add(PAGE_SLACK_SIZE_BYTES).min(PAGE_SIZE_BYTES_MAX);
    if !(0..=most).contains(&uncompressed) {
        return Err(FooterError::impossible(
            PAGE,
            format!("{compressed} bytes of {compression} are told to become {uncompressed}; they can become {most}"),
        ));
    }
    if in_dictionary > uncompressed {
        return Err(FooterError::impossible(
            PAGE,
            format!("a dictionary is told to have {in_dictionary} values in {uncompressed} bytes"),
        ));
    }
    Ok(head.saturating_add(compressed_size_bytes))
}
