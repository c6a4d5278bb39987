//! Footers that cannot be, good files of many kinds, and changes of them.
#![allow(clippy::unwrap_used)]

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use arrow::array::{
    ArrayRef, FixedSizeBinaryArray, FixedSizeListBuilder, Int32Builder, Int64Array, LargeStringArray, ListArray,
    RecordBatch, StringArray, StructArray,
};
use arrow::datatypes::Int32Type;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::arrow::async_reader::MetadataFetch;
use parquet::basic::{BrotliLevel, Compression, Encoding, GzipLevel, ZstdLevel};
use parquet::file::metadata::{KeyValue, ParquetMetaDataReader};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;
use proptest::prelude::*;

use super::*;
use crate::unpack::varint as number;

/// A file in memory.
struct File(Bytes);

impl MetadataFetch for File {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        let range = range.start as usize..range.end as usize;
        async move { Ok(self.0.slice(range)) }.boxed()
    }
}

/// What is said of a file's footer.
fn said(file: &[u8]) -> String {
    let file = Bytes::copy_from_slice(file);
    let size_bytes = file.len() as u64;
    let told = |found: Result<Footer, ReadError>| match found {
        Ok(footer) => format!("{} rows", footer.metadata().file_metadata().num_rows()),
        Err(error) => error.to_string(),
    };
    let one = told(read_footer_of(&file));
    let other = told(futures::executor::block_on(read_footer(File(file), size_bytes, 64)));
    assert_eq!(one, other);
    one
}

fn check(footer: &[u8], expected: &str) {
    let mut file = b"PAR1".to_vec();
    file.extend_from_slice(footer);
    file.extend_from_slice(&(footer.len() as u32).to_le_bytes());
    file.extend_from_slice(b"PAR1");
    let found = said(&file);
    assert!(found.contains(expected), "{found}\nnot\n{expected}\n{footer:x?}");
}

/// version 1, and a list of so many elements of the schema
fn schema(elements: &[&[u8]]) -> Vec<u8> {
    let mut footer = vec![0x15, 2, 0x19, 0xfc];
    footer.extend(number(elements.len() as u64));
    footer.extend(elements.concat());
    footer
}

fn group(children: i64) -> Vec<u8> {
    [&[0x35, 0, 0x18, 1, b'g', 0x15][..], &number(((children << 1) ^ (children >> 63)) as u64), &[0]].concat()
}

/// a column of 32-bit numbers
const COLUMN: &[u8] = &[0x15, 2, 0x25, 2, 0x18, 1, b'x', 0];
/// a column of values that have 2^31 - 1 bytes each
const WIDE: &[u8] = &[0x15, 14, 0x15, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0x15, 2, 0x18, 1, b'x', 0];

fn then(mut footer: Vec<u8>, more: &[u8]) -> Vec<u8> {
    footer.extend_from_slice(more);
    footer
}

#[test]
fn what_cannot_be_is_told() {
    let one = || schema(&[&group(1), COLUMN]);
    // no rows, and a list of row groups: of a few, and of all that can be told
    check(&then(one(), &[0x16, 0, 0x19, 0x0c, 0]), "0 rows");
    check(
        &then(one(), &[0x16, 0, 0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 7]),
        "FileMetaData.row_groups is told to have 2147483647 elements, and 0 bytes are left",
    );
    check(
        &then(one(), &[0x16, 0, 0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        "row_groups is told to have 18446744073709551615 elements",
    );
    check(
        &then(one(), &[0x16, 0, 0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        "a number has more than 10",
    );
    // the crate goes by a field's number: a list under the name of a number is read as a list
    check(
        &then(one(), &[0x16, 0, 0x15, 0xfc, 0xff, 0xff, 0xff, 0xff, 7]),
        "FileMetaData.row_groups has the type 5, not 9",
    );
    check(&[0x15, 2, 0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 7], "FileMetaData.schema is told to have 2147483647");
    check(&[0x15, 2, 0x19, 0x15, 0], "the elements of FileMetaData.schema has the type 5, not 12");
    // the tree of columns
    check(
        &then(schema(&[&group(i64::from(i32::MAX)), COLUMN]), &[0]),
        "told to have 2147483647 children, and 1 elements are left",
    );
    check(&then(schema(&[&group(-1), COLUMN]), &[0]), "told to have -1 children");
    check(&then(schema(&[&group(1), COLUMN, COLUMN]), &[0]), "elements that no group counts");
    check(&then(schema(&[&group(1), WIDE]), &[0]), "the values of a column are told to have 2147483647 bytes each");
    let deep: Vec<Vec<u8>> = (0..80).map(|_| group(1)).collect();
    let deep: Vec<&[u8]> = deep.iter().map(Vec::as_slice).chain([COLUMN]).collect();
    check(&then(schema(&deep), &[0]), "columns in each other: 65, more than 64");
    // a long name above many columns
    let long =
        [&[0x35, 0, 0x18][..], &number(1 << 20), &vec![b'g'; 1 << 20], &[0x15], &number(2 * 1000), &[0]].concat();
    let root = group(1);
    let many: Vec<&[u8]> = [&root[..], &long].into_iter().chain(std::iter::repeat_n(COLUMN, 1000)).collect();
    check(&then(schema(&many), &[0]), "bytes of the columns' paths");
    // texts, unknown fields and what is in them
    check(&then(one(), &[0x48, 0xff, 0xff, 0xff, 0xff, 7]), "FileMetaData.created_by is told to have 2147483647");
    check(&then(one(), &[0xf9, 0xfc, 0xff, 0xff, 0xff, 0xff, 7]), "an unknown field is told to have 2147483647");
    check(&then(one(), &[0xfb, 0xff, 0xff, 0xff, 0xff, 7, 0x11]), "an unknown field is told to have 2147483647");
    check(&then(one(), &[0xf9, 0x21, 1, 1]), "a list of truth values");
    check(&then(one(), &then(vec![0xf9], &[0x19; 60])), "structures and lists are in each other");
    check(&then(one(), &[0xfe]), "there is no type 14");
    check(&then(one(), &[0x16]), "ends in the middle of a number");
    check(&[], "ends in the middle of FileMetaData");
}

#[test]
fn what_is_no_footer_is_told() {
    let check = |file: &[u8], expected: &str| {
        let found = said(file);
        assert!(found.contains(expected), "{found}\nnot\n{expected}");
    };
    check(b"", "too short");
    check(b"PAR1", "too short");
    check(b"PAR1PAR2", "does not end in PAR1");
    check(b"PAR1\0\0\0\0PARE", "encrypted");
    check(b"PAR1\x40\0\0\0PAR1", "told to have 64 bytes, in a file of 12");
    let mut large = vec![0; (FOOTER_SIZE_BYTES_MAX + 100) as usize];
    large.extend_from_slice(&(FOOTER_SIZE_BYTES_MAX as u32 + 1).to_le_bytes());
    large.extend_from_slice(b"PAR1");
    check(&large, "bytes: 33554433, more than 33554432");
}

fn batch(columns: usize, rows: usize) -> RecordBatch {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter((0..rows as i64).map(|at| (at % 7 > 0).then_some(at))));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|at| format!("text {}", at % 50))));
    let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(
        (0..rows).map(|at| (at % 3 > 0).then(|| vec![Some(at as i32), None])),
    ));
    let fixed: ArrayRef = Arc::new(
        FixedSizeBinaryArray::try_from_sparse_iter_with_size((0..rows).map(|at| Some([at as u8; 16])), 16).unwrap(),
    );
    let nested: ArrayRef = Arc::new(StructArray::try_from(vec![("a", numbers.clone()), ("b", lists.clone())]).unwrap());
    let kinds = [numbers, texts, lists, fixed, nested];
    let columns = kinds.iter().cycle().take(columns).enumerate().map(|(at, array)| (format!("c{at}"), array.clone()));
    RecordBatch::try_from_iter(columns).unwrap()
}

fn written(columns: usize, rows: usize, compression: Compression, version: WriterVersion) -> Bytes {
    encoded(columns, rows, compression, version, None)
}

/// The same with an encoding of the second column, which holds texts.
fn encoded(
    columns: usize,
    rows: usize,
    compression: Compression,
    version: WriterVersion,
    texts: Option<Encoding>,
) -> Bytes {
    let properties = WriterProperties::builder().set_dictionary_enabled(texts.is_none());
    let properties = match texts {
        Some(texts) => properties.set_column_encoding(ColumnPath::from("c1"), texts),
        None => properties,
    };
    let properties = properties
        .set_compression(compression)
        .set_writer_version(version)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_bloom_filter_enabled(true)
        .set_bloom_filter_max_ndv(100)
        .set_max_row_group_row_count(Some(400))
        .set_data_page_row_count_limit(100)
        .set_write_batch_size(50)
        .build();
    let batch = batch(columns, rows);
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    file.into()
}

/// Reads all of a file as queries do: its page indexes, its Bloom filters, its columns; tells the rows.
fn read(file: &Bytes) -> Result<usize, String> {
    let footer = read_footer_of(file).map_err(|error| error.to_string())?;
    let look = |from: u64, length: u64| {
        let bytes = file.slice(from as usize..(from + length) as usize);
        footer.check(from, &bytes).map_err(|error| error.to_string())
    };
    if let Some(indexes) = &footer.indexes() {
        let bytes = &file[indexes.start as usize..indexes.end as usize];
        footer.check_indexes(indexes.start, bytes).map_err(|error| error.to_string())?;
    }
    for column in footer.metadata().row_groups().iter().flat_map(|group| group.columns()) {
        let (from, length) = column.byte_range();
        look(from, length)?;
        if let Some(from) = column.bloom_filter_offset() {
            look(from as u64, column.bloom_filter_length().unwrap_or(20) as u64)?;
        }
    }
    let size_bytes = file.len() as u64;
    let footer = futures::executor::block_on(read_footer_with_indexes(File(file.clone()), size_bytes, 64));
    let footer = footer.map_err(|error| error.to_string())?;
    for column in footer.metadata().row_groups().iter().flat_map(|group| group.columns()) {
        let (from, length) = column.byte_range();
        let bytes = file.slice(from as usize..(from + length) as usize);
        footer.check(from, &bytes).map_err(|error| error.to_string())?;
    }
    let metadata = footer.metadata().clone();
    let metadata =
        ArrowReaderMetadata::try_new(metadata, ArrowReaderOptions::new()).map_err(|error| error.to_string())?;
    let rows = ParquetRecordBatchReaderBuilder::new_with_metadata(file.clone(), metadata).build();
    rows.map_err(|error| error.to_string())?
        .map(|batch| batch.map(|batch| batch.num_rows()).map_err(|error| error.to_string()))
        .sum()
}

#[test]
fn good_files_are_believed() {
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        for compression in [
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::LZ4_RAW,
            Compression::LZ4,
            Compression::GZIP(GzipLevel::default()),
            Compression::ZSTD(ZstdLevel::default()),
            Compression::BROTLI(BrotliLevel::default()),
        ] {
            assert_eq!(read(&written(5, 1000, compression, version)), Ok(1000), "{compression} {version:?}");
            for texts in [Encoding::PLAIN, Encoding::DELTA_LENGTH_BYTE_ARRAY, Encoding::DELTA_BYTE_ARRAY] {
                let file = encoded(5, 1000, compression, version, Some(texts));
                assert_eq!(read(&file), Ok(1000), "{compression} {version:?} {texts}");
            }
        }
    }
    assert_eq!(read(&written(2000, 1200, Compression::SNAPPY, WriterVersion::PARQUET_1_0)), Ok(1200));
    assert_eq!(read(&written(5, 0, Compression::SNAPPY, WriterVersion::PARQUET_1_0)), Ok(0));
    // what compresses best is still believed
    let zeros: ArrayRef = Arc::new(StringArray::from(vec!["0".repeat(1 << 20); 8]));
    for compression in [
        Compression::SNAPPY,
        Compression::LZ4_RAW,
        Compression::LZ4,
        Compression::GZIP(GzipLevel::default()),
        Compression::ZSTD(ZstdLevel::try_new(19).unwrap()),
        Compression::BROTLI(BrotliLevel::default()),
    ] {
        let batch = RecordBatch::try_from_iter([("z", zeros.clone())]).unwrap();
        let properties = WriterProperties::builder().set_compression(compression).set_dictionary_enabled(false).build();
        let mut file = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        assert_eq!(read(&file.into()), Ok(8), "{compression}");
    }
}

/// Eight texts of a MiB each, which take little, and a number each.
fn texts_of_zeros() -> Bytes {
    let zeros: ArrayRef = Arc::new(StringArray::from(vec!["0".repeat(1 << 20); 8]));
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..8));
    let batch = RecordBatch::try_from_iter([("z", zeros), ("n", numbers)]).unwrap();
    let compression = Compression::ZSTD(ZstdLevel::default());
    let properties = WriterProperties::builder().set_compression(compression).set_dictionary_enabled(false).build();
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    file.into()
}

#[test]
fn pages_do_not_become_much_more_than_the_footer_tells() {
    let file = texts_of_zeros();
    let check = |told: i64, expected: &str| {
        let metadata = read_footer_of(&file).unwrap().metadata().as_ref().clone();
        let group = metadata.row_group(0).clone();
        let column = group.column(0).clone().into_builder().set_total_uncompressed_size(told).build().unwrap();
        let columns = vec![column, group.column(1).clone()];
        let group = group.into_builder().set_column_metadata(columns).build().unwrap();
        let metadata = metadata.into_builder().set_row_groups(vec![group]).build();
        let footer = Footer::of(metadata, file.len() as u64).unwrap();
        let (from, length) = footer.metadata().row_group(0).column(0).byte_range();
        let found = footer.check(from, &file[from as usize..(from + length) as usize]);
        let found = found.map_or_else(|error| error.to_string(), |()| "fine".to_owned());
        assert!(found.contains(expected), "{told}: {found}");
    };
    check(8 << 20, "fine");
    // some writers tell what is packed
    check(2 << 20, "fine");
    check(1 << 20, "by the footer their column has 5242880 at most");
    check(0, "by the footer their column has");
    check(-1, "by the footer their column has");
}

#[test]
fn batches_have_as_few_rows_as_keep_them_small() {
    let wide =
        || Arc::new(StringArray::from_iter_values((0..100).map(|at| at.to_string().repeat(1 << 19)))) as ArrayRef;
    let same = Arc::new(StringArray::from(vec!["0".repeat(1 << 20); 100])) as ArrayRef;
    let narrow = Arc::new(Int64Array::from_iter_values(0..100)) as ArrayRef;
    // of lists whose values are all missing nothing but levels is in the file
    let missing = Some(vec![None::<i32>; 1 << 18]);
    let lists = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(vec![missing; 100])) as ArrayRef;
    let columns = [("wide", wide()), ("same", same), ("narrow", narrow), ("lists", lists)];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let footer = read_footer_of(&Bytes::from(file)).unwrap();
    let check = |names: &[&str], rows_max: usize, expected: usize| {
        let found = footer.batch_rows(rows_max, |name| names.contains(&name)).unwrap();
        assert_eq!(found, expected, "{names:?} {rows_max}");
    };
    check(&[], 16_384, 16_384);
    check(&["narrow"], 16_384, 16_384);
    check(&["narrow"], 0, 1);
    check(&["wide"], 16_384, 16);
    check(&["wide"], 5, 5);
    check(&["same"], 16_384, 15);
    check(&["wide", "same", "narrow"], 16_384, 8);
    // a place of four bytes and two levels of two for each
    check(&["lists"], 16_384, 8);
    let metadata = footer.metadata();
    let claims = |size_bytes: i64, rows: i64| {
        let group = metadata.row_group(0).clone();
        let mut columns = group.columns().to_vec();
        columns[2] = columns[2].clone().into_builder().set_total_uncompressed_size(size_bytes).build().unwrap();
        let group = group.into_builder().set_column_metadata(columns).set_num_rows(rows).build().unwrap();
        let changed = metadata.as_ref().clone().into_builder().set_row_groups(vec![group]).build();
        let footer = Footer::of(changed, 1 << 40).unwrap();
        footer.batch_rows(9, |name| name == "narrow").map_err(|error| error.to_string())
    };
    assert_eq!(claims(10 << 30, 10), Ok(1));
    assert_eq!(claims(-1, 10), Ok(9));
    let refused = claims((10 << 30) + 1, 10).unwrap_err();
    assert!(refused.contains("bytes of a row: 1073741825, more than 1073741824"), "{refused}");
    assert!(claims(i64::MAX, 0).is_err());
}

#[test]
fn a_schema_that_is_added_is_not_believed() {
    let texts: ArrayRef = Arc::new(LargeStringArray::from(vec!["a", "b"]));
    // in memory a missing list takes as much as others
    let mut lists = FixedSizeListBuilder::new(Int32Builder::new(), 1000);
    lists.values().append_nulls(2000);
    lists.append(false);
    lists.append(false);
    let batch = RecordBatch::try_from_iter([("t", texts), ("l", Arc::new(lists.finish()))]).unwrap();
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), None).unwrap();
    writer.append_key_value_metadata(KeyValue::new("a".to_owned(), "b".to_owned()));
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let file = Bytes::from(file);
    assert_eq!(read(&file), Ok(2));
    let metadata = read_footer_of(&file).unwrap().metadata().clone();
    let pairs: Vec<_> = metadata.file_metadata().key_value_metadata().unwrap().iter().map(|pair| &pair.key).collect();
    assert_eq!(pairs, ["a"]);
    let found = ArrowReaderMetadata::try_new(metadata, ArrowReaderOptions::new()).unwrap();
    let types: Vec<_> = found.schema().fields().iter().map(|field| field.data_type().to_string()).collect();
    assert_eq!(types[0], "Utf8");
    assert!(types[1].starts_with("List("), "{types:?}");
}

pub(crate) fn good() -> &'static Bytes {
    static GOOD: OnceLock<Bytes> = OnceLock::new();
    GOOD.get_or_init(|| written(5, 900, Compression::SNAPPY, WriterVersion::PARQUET_1_0))
}

/// A column's bytes with the head of their first page replaced.
fn with_head(head: &[u8]) -> String {
    let file = good();
    let footer = read_footer_of(file).unwrap();
    let (from, length) = footer.metadata().row_group(0).column(0).byte_range();
    let mut bytes = [head, &[0; 20]].concat();
    bytes.extend_from_slice(&file[from as usize..(from + length) as usize]);
    footer.check(from, &bytes).map_or_else(|error| error.to_string(), |()| "fine".to_owned())
}

#[test]
fn pages_that_cannot_be_are_told() {
    let check = |head: &[u8], expected: &str| {
        let found = with_head(head);
        assert!(found.contains(expected), "{found}\nnot\n{expected}");
    };
    let head = |uncompressed: u64, compressed: u64| {
        [&[0x15, 0, 0x15][..], &number(uncompressed << 1), &[0x15], &number(compressed << 1), &[0]].concat()
    };
    check(&head(400, 20), "fine");
    check(&head(2_147_483_647, 20), "20 bytes of SNAPPY are told to become 2147483647");
    check(&head(2_147_483_647, 2_000_000_000), "told to become 2147483647; they can become 1073741824");
    check(&[0x15, 0, 0x15, 20, 0x15, 1, 0], "a page is told to have -1 bytes");
    // a dictionary of 2^31 - 1 values in ten bytes
    check(
        &[0x15, 4, 0x15, 20, 0x15, 20, 0x4c, 0x15, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0x15, 0, 0, 0],
        "a dictionary is told to have 2147483647 values in 10 bytes",
    );
    check(&[0x15, 0, 0x19], "PageHeader.uncompressed_page_size has the type 9");
}

#[test]
fn indexes_that_cannot_be_are_told() {
    let file = good();
    let footer = read_footer_of(file).unwrap();
    let column = footer.metadata().row_group(0).column(0).clone();
    let check = |offset: Option<i64>, index: &[u8], expected: &str| {
        let offset = offset.unwrap() as usize;
        let mut file = file.to_vec();
        file[offset..offset + index.len()].copy_from_slice(index);
        let found = read(&file.into()).unwrap_err();
        assert!(found.contains(expected), "{found}\nnot\n{expected}");
    };
    let told = [0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 7];
    check(column.offset_index_offset(), &told, "OffsetIndex.page_locations is told to have 2147483647");
    check(column.column_index_offset(), &[0x19, 0xf1, 0xff, 0xff, 0xff, 0xff, 7], "ColumnIndex.null_pages is told");
    check(column.offset_index_offset(), &[0x19, 0x1c, 0x16, 2, 0x15, 2, 0x16, 0, 0, 0], "a page has 1 bytes from 1 on");
    // a page that the index does not know
    let size_bytes = file.len() as u64;
    let indexed = futures::executor::block_on(read_footer_with_indexes(File(file.clone()), size_bytes, 64)).unwrap();
    let place = indexed.metadata().offset_index().unwrap()[0][0].page_locations()[1].offset as u64;
    let page = &file[place as usize..column.byte_range().0 as usize + column.byte_range().1 as usize];
    assert!(indexed.check(place, page).is_ok());
    let found = indexed.check(place - 1, page).unwrap_err().to_string();
    assert!(found.contains("and 0 by the page index"), "{found}");
    check(column.column_index_offset(), &[0x19, 0x11, 1, 0], "it has 1 pages for values and 4 for places");
    check(column.bloom_filter_offset(), &[0x15, 0, 0], "it is told to have 0 bytes, not blocks of 32");
    check(
        column.bloom_filter_offset(),
        &[0x15, 0xc0, 0xff, 0xff, 0xff, 0x0f, 0],
        "it is told to have 2147483616 bytes",
    );
}

#[test]
fn parts_are_in_the_file_and_do_not_overlap() {
    let file = good();
    let tail = file.len() - 8;
    let length = u32::from_le_bytes(file[tail..tail + 4].try_into().unwrap()) as usize;
    let footer = &file[tail - length..tail];
    // a shorter file with the same footer
    let found = decode(footer, 100).unwrap_err().to_string();
    assert!(found.contains("in a file of 100"), "{found}");
    let metadata = ParquetMetaDataReader::decode_metadata(footer).unwrap();
    let check = |change: &dyn Fn(
        parquet::file::metadata::ColumnChunkMetaDataBuilder,
    ) -> parquet::file::metadata::ColumnChunkMetaDataBuilder,
                 expected: &str| {
        let group = metadata.row_group(0).clone();
        let mut columns = group.columns().to_vec();
        columns[1] = change(columns[1].clone().into_builder()).build().unwrap();
        let group = group.into_builder().set_column_metadata(columns).build().unwrap();
        let changed = metadata.clone().into_builder().set_row_groups(vec![group]).build();
        let found = Footer::of(changed, file.len() as u64).unwrap_err().to_string();
        assert!(found.contains(expected), "{found}\nnot\n{expected}");
    };
    // more page indexes than are read: the file is read without
    let group = metadata.row_group(0).clone();
    let columns = group.columns().iter().enumerate().map(|(place, column)| {
        let column = column.clone().into_builder().set_offset_index_offset(Some((place as i64) << 26));
        column.build().unwrap()
    });
    let group = group.clone().into_builder().set_column_metadata(columns.collect()).build().unwrap();
    let changed = metadata.clone().into_builder().set_row_groups(vec![group]).build();
    let large = Footer::of(changed, 1 << 40).unwrap();
    let columns = large.metadata().row_group(0).columns();
    assert!(large.indexes().is_none() && columns.iter().all(|column| column.offset_index_offset().is_none()));
    check(&|column| column.set_total_compressed_size(-1), "a column has -1 bytes");
    check(&|column| column.set_total_compressed_size(1 << 40), "a column has 1099511627776 bytes");
    check(&|column| column.set_total_compressed_size(20_000), "columns overlap");
    check(&|column| column.set_data_page_offset(-1), "the first page of a column");
    check(&|column| column.set_num_values(-1), "a column is told to have -1 values");
    check(&|column| column.set_offset_index_length(Some(i32::MAX)), "a page index has 2147483647 bytes");
    check(&|column| column.set_bloom_filter_offset(Some(-5)), "a Bloom filter");
    check(&|column| column.set_bloom_filter_length(Some(-5)), "a Bloom filter has -5 bytes");
}

proptest! {
    /// Whatever is written over a good file: an error or rows, of no more memory than the file is worth.
    #[test]
    fn no_change_of_a_footer_makes_it_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let tail = good().len() - 8;
        let length = u32::from_le_bytes(good()[tail..tail + 4].try_into().unwrap()) as usize;
        let mut footer = good()[tail - length..tail].to_vec();
        for (at, byte) in changes {
            let at = at.index(footer.len());
            footer[at] = byte;
        }
        let _ = decode(&footer, good().len() as u64);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes, 1 << 20);
        let footer = read_footer_of(good()).unwrap();
        for column in footer.metadata().row_group(0).columns() {
            let _ = footer.check(column.byte_range().0, &bytes);
            let _ = footer.page_size_bytes(column.byte_range().0, &bytes);
            let _ = footer.check(column.bloom_filter_offset().unwrap() as u64, &bytes);
        }
        let _ = footer.check(footer.indexes().unwrap().start, &bytes);
    }
}
