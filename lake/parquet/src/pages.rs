//! A footer that is believed, and what of its file's other parts may be: page indexes, Bloom filters, the heads of pages. Reads no file.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parquet::DecodeResult;
use parquet::file::metadata::{
    ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataPushDecoder, RowGroupMetaData,
};
use parquet::file::page_index::offset_index::PageLocation;

use crate::error::{Fault, FooterError};
use crate::footer::FOOTER;
use crate::page::{Column, Head, PAGE, PageSize, check_page};
use crate::shapes::{BLOOM_FILTER_HEADER, COLUMN_INDEX, OFFSET_INDEX, PAGE_LOCATION};
use crate::thrift::{Seen, walk};

/// All page indexes of a file, which are read together. A file with more is read without.
pub(crate) const PAGE_INDEXES_SIZE_BYTES_MAX: u64 = 64 << 20;
/// The bits of a Bloom filter: what the format allows.
pub(crate) const BLOOM_FILTER_SIZE_BYTES_MAX: i64 = 128 << 20;
/// What Bloom filters are made of.
const BLOOM_FILTER_BLOCK_SIZE_BYTES: i64 = 32;

/// What the rows of a batch should take together, as far as the footer tells.
pub const BATCH_SIZE_BYTES_MAX: u64 = 16 << 20;
/// What a row may take: as much as a page. A batch has no less than one.
pub(crate) const ROW_SIZE_BYTES_MAX: u64 = 1 << 30;
/// Pages may unpack to so many times what the footer tells of their column: how many rows are read at a time goes by that. Not all writers
/// count alike.
const UNPACKED_TIMES_MAX: u64 = 4;
/// And to so many bytes more.
const UNPACKED_SLACK_SIZE_BYTES: u64 = 1 << 20;

const COLUMN_INDEXES: &str = "page index";
const BLOOM_FILTER: &str = "Bloom filter";

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
    column: Column,
    /// To how many bytes its pages may unpack together.
    unpacked_size_bytes_max: u64,
    /// Which row group, and which column of it.
    place: (usize, usize),
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

/// What a column's values take in memory, as far as the footer tells: its pages before compression, its texts each in full, and where it holds
/// lists, those that are missing as well.
fn rows_size_bytes(column: &ColumnChunkMetaData) -> u64 {
    let told = |size_bytes: Option<i64>| size_bytes.and_then(|size_bytes| u64::try_from(size_bytes).ok()).unwrap_or(0);
    let in_lists = match column.column_descr().max_rep_level() {
        0 => 0,
        _ => told(Some(column.num_values())).saturating_mul(Column::of(column).missing_size_bytes()),
    };
    told(Some(column.uncompressed_size())).max(told(column.unencoded_byte_array_data_bytes())).max(in_lists)
}

/// What a page index says of a place in a column.
enum Told {
    /// There is none.
    Nothing,
    /// A page of so many bytes; of none where no page begins.
    Page(u64),
    /// It is behind the last page.
    End,
}

impl Footer {
    /// Believes `metadata` if its parts can all be in a file of so many bytes.
    pub(crate) fn of(metadata: ParquetMetaData, size_bytes: u64) -> Result<Self, FooterError> {
        let mut chunks = Vec::new();
        let mut indexes: Option<Range<u64>> = None;
        let mut bloom_filters = BTreeMap::new();
        let mut rows = 0_i64;
        for (group_place, group) in metadata.row_groups().iter().enumerate() {
            rows = Some(group.num_rows())
                .filter(|rows| *rows >= 0)
                .and_then(|more| rows.checked_add(more))
                .ok_or_else(|| impossible(format!("a row group is told to have {} rows", group.num_rows())))?;
            for (column_place, column) in group.columns().iter().enumerate() {
                if column.num_values() < 0 {
                    return Err(impossible(format!("a column is told to have {} values", column.num_values())));
                }
                place("the first page of a column", column.data_page_offset(), 0, size_bytes)?;
                let from = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
                let bytes = place("a column", from, column.compressed_size(), size_bytes)?;
                if !bytes.is_empty() {
                    let told = column.uncompressed_size().max(column.compressed_size()).unsigned_abs();
                    let told = told.saturating_mul(UNPACKED_TIMES_MAX);
                    let unpacked_size_bytes_max = told.saturating_add(UNPACKED_SLACK_SIZE_BYTES);
                    let (column, place) = (Column::of(column), (group_place, column_place));
                    chunks.push(Chunk { bytes, column, unpacked_size_bytes_max, place });
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
        let footer = Self { metadata: Arc::new(metadata), chunks, indexes, bloom_filters };
        match &footer.indexes {
            Some(bytes) if bytes.end.saturating_sub(bytes.start) > PAGE_INDEXES_SIZE_BYTES_MAX => {
                footer.without_indexes()
            }
            _ => Ok(footer),
        }
    }

    /// The same of a file that has no page indexes: nobody looks for them.
    pub fn without_indexes(self) -> Result<Self, FooterError> {
        let without = |group: &RowGroupMetaData| {
            let columns = group.columns().iter().map(|column| {
                let column = column.clone().into_builder();
                let column = column.set_column_index_offset(None).set_column_index_length(None);
                column.set_offset_index_offset(None).set_offset_index_length(None).build()
            });
            group.clone().into_builder().set_column_metadata(columns.collect::<Result<_, _>>()?).build()
        };
        let groups = self.metadata.row_groups().iter().map(without).collect::<Result<_, _>>();
        let groups = groups.map_err(|error| FooterError::of(FOOTER, Fault::Refused(error)))?;
        let metadata = self.metadata.as_ref().clone().into_builder().set_row_groups(groups).build();
        Ok(Self { metadata: Arc::new(metadata), indexes: None, ..self })
    }

    /// Puts the page indexes whose bytes these are in the metadata. Pages must be where they say, from then on.
    pub(crate) fn load_indexes(&mut self, bytes: Bytes) -> Result<(), FooterError> {
        let Some(range) = self.indexes.clone() else { return Ok(()) };
        self.check_indexes(range.start, &bytes)?;
        let decoded = ParquetMetaDataPushDecoder::try_new_with_metadata(range.end, self.metadata.as_ref().clone())
            .and_then(|decoder| {
                let mut decoder = decoder.with_page_index_policy(PageIndexPolicy::Optional);
                decoder.push_range(range, bytes)?;
                decoder.try_decode()
            });
        match decoded.map_err(|error| FooterError::of(COLUMN_INDEXES, Fault::Refused(error)))? {
            DecodeResult::Data(metadata) if metadata.offset_index().is_some() => {
                self.metadata = Arc::new(metadata);
                Ok(())
            }
            _ => Err(FooterError::impossible(COLUMN_INDEXES, "some columns have one, and others have not")),
        }
    }

    /// As the Parquet crate has it.
    pub fn metadata(&self) -> &Arc<ParquetMetaData> {
        &self.metadata
    }

    /// How many rows a batch may have of the columns whose outermost names are `wanted`: as many as take no more than 16 MiB in the row group
    /// with the largest, by what the footer tells of them; no more than `rows_max`, and one at least. Rows that take more than 1 GiB each are
    /// an error.
    pub fn batch_rows(&self, rows_max: usize, wanted: impl Fn(&str) -> bool) -> Result<usize, FooterError> {
        let schema = self.metadata.file_metadata().schema_descr();
        let wanted: Vec<bool> = (0..schema.num_columns()).map(|at| wanted(schema.get_column_root(at).name())).collect();
        let mut batch_rows = rows_max;
        for group in self.metadata.row_groups() {
            let columns = group.columns().iter().zip(&wanted).filter(|(_, wanted)| **wanted);
            let size_bytes = columns.fold(0_u64, |all, (column, _)| all.saturating_add(rows_size_bytes(column)));
            let row_size_bytes = size_bytes.div_ceil(group.num_rows().unsigned_abs().max(1)).max(1);
            if row_size_bytes > ROW_SIZE_BYTES_MAX {
                return Err(FooterError::too_many(FOOTER, "bytes of a row", row_size_bytes, ROW_SIZE_BYTES_MAX));
            }
            let rows = usize::try_from(BATCH_SIZE_BYTES_MAX / row_size_bytes).unwrap_or(usize::MAX);
            batch_rows = batch_rows.min(rows);
        }
        Ok(batch_rows.max(1))
    }

    /// From the first to the last of the page indexes.
    pub(crate) fn indexes(&self) -> Option<Range<u64>> {
        self.indexes.clone()
    }

    /// What it takes.
    pub fn memory_size(&self) -> usize {
        self.metadata.memory_size()
            + self.chunks.len() * size_of::<Chunk>()
            + self.bloom_filters.len() * size_of::<(u64, Option<i64>)>()
    }

    /// Looks at bytes of the file from a place on before they are believed: at the pages among them, and at a Bloom filter that begins there.
    /// Page indexes are looked at when they are loaded. The Parquet crate reads pages with their heads, so a read in a column begins with one.
    pub fn check(&self, from: u64, bytes: &[u8]) -> Result<(), FooterError> {
        if let Some(told) = self.bloom_filters.get(&from) {
            check_bloom_filter(*told, bytes)?;
        }
        match self.column_at(from, bytes) {
            Some((chunk, bytes)) => self.check_pages(chunk, from, bytes),
            None => Ok(()),
        }
    }

    /// How many bytes the page has that begins there, with its head, which must be all among `bytes`; `None` outside of columns. A page that
    /// is longer than its column is an error, and one whose claims cannot be.
    pub fn page_size_bytes(&self, from: u64, bytes: &[u8]) -> Result<Option<u64>, FooterError> {
        let Some((chunk, bytes)) = self.column_at(from, bytes) else { return Ok(None) };
        let head = Head::read(bytes)?;
        head.check_claims(&chunk.column).map_err(|fault| FooterError::of(PAGE, fault))?;
        let (size_bytes, left) = (head.page_size_bytes(), chunk.bytes.end - from);
        if size_bytes > left {
            let fault = Fault::Impossible(format!("a page of {size_bytes} bytes is told where its column has {left}"));
            return Err(FooterError::of(PAGE, fault));
        }
        Ok(Some(size_bytes))
    }

    /// The column that is read from there on, and which of the bytes are its.
    fn column_at<'b>(&self, from: u64, bytes: &'b [u8]) -> Option<(&Chunk, &'b [u8])> {
        let at = self.chunks.partition_point(|chunk| chunk.bytes.end <= from);
        let chunk = self.chunks.get(at).filter(|chunk| chunk.bytes.start <= from)?;
        let size_bytes = usize::try_from(chunk.bytes.end - from).unwrap_or(usize::MAX).min(bytes.len());
        Some((chunk, bytes.get(..size_bytes)?))
    }

    /// Looks at the pages that follow each other.
    fn check_pages(&self, chunk: &Chunk, from: u64, bytes: &[u8]) -> Result<(), FooterError> {
        let (mut at, mut rest, mut unpacked) = (from, bytes, 0_u64);
        while !rest.is_empty() {
            let told = match self.told(chunk, at) {
                Told::Nothing => None,
                Told::Page(size_bytes) => Some(size_bytes),
                Told::End => return Ok(()),
            };
            let PageSize { size_bytes, unpacked_size_bytes } = match check_page(&chunk.column, rest) {
                Ok(size) => size,
                // the rest of this head is not among the bytes that were read, so nothing is made of it
                Err(FooterError { fault: Fault::Ends { .. }, .. }) => return Ok(()),
                Err(error) => return Err(error),
            };
            if let Some(told) = told.filter(|told| *told != size_bytes) {
                let reason = format!("the page at {at} has {size_bytes} bytes, and {told} by the page index");
                return Err(FooterError::impossible(PAGE, reason));
            }
            unpacked = unpacked.saturating_add(unpacked_size_bytes);
            if unpacked > chunk.unpacked_size_bytes_max {
                let max = chunk.unpacked_size_bytes_max;
                let reason = format!("pages become {unpacked} bytes, by the footer their column has {max} at most");
                return Err(FooterError::impossible(PAGE, reason));
            }
            at = at.saturating_add(size_bytes);
            rest = usize::try_from(size_bytes).ok().and_then(|size_bytes| rest.get(size_bytes..)).unwrap_or_default();
        }
        Ok(())
    }

    /// What a page index says of a place. The Parquet crate goes by it, and not by the heads of the pages before.
    fn told(&self, chunk: &Chunk, at: u64) -> Told {
        let (group, column) = chunk.place;
        let index = self.metadata.offset_index().and_then(|groups| groups.get(group)?.get(column));
        let locations: &[PageLocation] = index.map(|index| index.page_locations().as_slice()).unwrap_or_default();
        let Some(first) = locations.first() else { return Told::Nothing };
        let first = first.offset.unsigned_abs();
        if at == chunk.bytes.start && at < first {
            // what is before the first page is the dictionary
            return Told::Page(first - at);
        }
        match locations.binary_search_by_key(&at, |location| location.offset.unsigned_abs()) {
            Ok(place) => {
                Told::Page(locations.get(place).map_or(0, |page| u64::from(page.compressed_page_size.unsigned_abs())))
            }
            Err(place) if place == locations.len() => Told::End,
            Err(_) => Told::Page(0),
        }
    }

    pub(crate) fn check_indexes(&self, from: u64, bytes: &[u8]) -> Result<(), FooterError> {
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
