//! Pages whose bodies are not what their heads claim.
#![allow(clippy::unwrap_used)]

use std::io::Write;

use parquet::basic::{BrotliLevel, Compression, GzipLevel, Type, ZstdLevel};

use crate::page::{Column, check_page};
use crate::read_footer_of;
use crate::tests::good;
use crate::unpack::{Way, varint as unsigned, ways};

const GZIP: fn() -> Compression = || Compression::GZIP(GzipLevel::default());
const ZSTD: fn() -> Compression = || Compression::ZSTD(ZstdLevel::default());
const BROTLI: fn() -> Compression = || Compression::BROTLI(BrotliLevel::default());

/// Encodings.
const LENGTHS: i64 = 6;
const SHARED: i64 = 7;

/// Texts, with no levels.
fn texts(compression: Compression) -> Column {
    Column {
        compression,
        physical_type: Type::BYTE_ARRAY,
        value_size_bytes: -1,
        repetition_level_max: 0,
        definition_level_max: 0,
    }
}

fn signed(value: i64) -> Vec<u8> {
    unsigned(((value << 1) ^ (value >> 63)) as u64)
}

/// A structure of numbers, one after another.
fn numbers(values: &[i64]) -> Vec<u8> {
    values.iter().flat_map(|value| [vec![0x15], signed(*value)].concat()).collect()
}

/// A head that claims so many bytes, and says of its values what `inner` says.
fn page(unpacked: i64, inner: &[u8], body: &[u8]) -> Vec<u8> {
    [&numbers(&[0, unpacked, body.len() as i64])[..], inner, &[0], body].concat()
}

/// Of a data page: levels in its body.
fn v1(count: i64, encoding: i64, levels_encoding: i64) -> Vec<u8> {
    [&[0x2c][..], &numbers(&[count, encoding, levels_encoding, levels_encoding]), &[0]].concat()
}

/// Of a data page: levels before its body.
fn v2(count: i64, encoding: i64, levels_size_bytes: i64, is_packed: bool) -> Vec<u8> {
    let flag = if is_packed { 0x11 } else { 0x12 };
    [&[0x5c][..], &numbers(&[count, 0, count, encoding, levels_size_bytes, 0]), &[flag, 0]].concat()
}

fn dictionary(count: i64) -> Vec<u8> {
    [&[0x4c][..], &numbers(&[count, 0]), &[0]].concat()
}

/// Lengths: how many are claimed, and blocks of 128 that all grow by as much.
fn deltas(count: u64, first: i64, growth: i64, blocks: usize) -> Vec<u8> {
    let block = [signed(growth), vec![0; 4]].concat();
    [unsigned(128), unsigned(4), unsigned(count), signed(first), block.repeat(blocks)].concat()
}

/// What no codec makes smaller.
fn noise(size_bytes: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..size_bytes).map(|_| next()).collect()
}

fn framed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn packed(compression: Compression, bytes: &[u8]) -> Vec<u8> {
    match compression {
        Compression::SNAPPY => snap::raw::Encoder::new().compress_vec(bytes).unwrap(),
        Compression::GZIP(_) => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Compression::ZSTD(_) => zstd::bulk::compress(bytes, 1).unwrap(),
        Compression::BROTLI(_) => {
            let mut out = Vec::new();
            brotli::CompressorWriter::new(&mut out, 4096, 1, 22).write_all(bytes).unwrap();
            out
        }
        Compression::LZ4_RAW => lz4_flex::block::compress(bytes),
        // as Hadoop has it: in two blocks
        Compression::LZ4 => bytes
            .chunks(bytes.len().div_ceil(2).max(1))
            .flat_map(|part| {
                let block = lz4_flex::block::compress(part);
                [&(part.len() as u32).to_be_bytes()[..], &(block.len() as u32).to_be_bytes(), &block].concat()
            })
            .collect(),
        _ => bytes.to_vec(),
    }
}

fn check(column: &Column, page: &[u8], expected: &str) {
    let found = check_page(column, page).map_or_else(|error| error.to_string(), |_| "fine".to_owned());
    assert!(found.contains(expected), "{found}\nnot\n{expected}\n{column:?}");
}

#[test]
fn pages_that_become_more_than_they_claim_are_told() {
    let more = |compression: Compression, body: &[u8], claimed: i64, expected: &str| {
        check(&texts(compression), &page(claimed, &v1(1, 0, 3), body), expected);
    };
    let told = |compression: Compression, claimed: usize| {
        format!("a page of {compression} is told to become {claimed} bytes, and becomes more")
    };
    // large enough that the codec could make more of it than a page may be
    for (compression, size_bytes) in [(GZIP(), 1200 << 10), (BROTLI(), 10 << 10)] {
        let body = packed(compression, &noise(size_bytes));
        more(compression, &body, size_bytes as i64, "fine");
        more(compression, &body, size_bytes as i64 - 1, &told(compression, size_bytes - 1));
    }
    let body = framed(&noise(5 << 20));
    more(Compression::LZ4, &body, 5 << 20, "fine");
    more(Compression::LZ4, &body, 1000, &told(Compression::LZ4, 1000));
    // a hundred million zeros in some hundred bytes
    let body = packed(BROTLI(), &vec![0; 100 << 20]);
    more(BROTLI(), &body, 1000, &told(BROTLI(), 1000));
    // several members, of which the last is too much
    let members = [packed(GZIP(), &noise(1100 << 10)), packed(GZIP(), b"more")].concat();
    more(GZIP(), &members, 1100 << 10, &told(GZIP(), 1100 << 10));
    // levels before a body count as well, and a body that is not packed does not
    let body = packed(BROTLI(), &[0; 2000]);
    let levels = |is_packed| page(2000, &v2(1, 0, 3, is_packed), &[&[0; 3][..], &body].concat());
    check(&texts(BROTLI()), &levels(true), &told(BROTLI(), 1997));
    check(&texts(BROTLI()), &levels(false), "fine");
    // what cannot be
    more(ZSTD(), &[0; 20], 1 << 20, "they can become 656384");
    more(BROTLI(), &[0; 20], i64::from(i32::MAX), "they can become 1073741824");
}

#[test]
fn counts_in_pages_that_cannot_be_are_told() {
    let codecs = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        GZIP(),
        ZSTD(),
        BROTLI(),
        Compression::LZ4_RAW,
        Compression::LZ4,
    ];
    let of = |column: &Column, head: &dyn Fn(i64) -> Vec<u8>, body: &[u8], expected: &str| {
        for compression in codecs {
            let column = Column { compression, ..*column };
            check(&column, &page(body.len() as i64, &head(2000), &packed(compression, body)), expected);
        }
    };
    let plain = texts(Compression::UNCOMPRESSED);
    let lengths = |count| v1(count, LENGTHS, 3);
    let shared = |count| v1(count, SHARED, 3);
    let all = 2_147_483_647;
    let claims = "lengths of texts in a page: 2147483647, more than 2000";
    let rest = || noise(100 << 10);
    of(&plain, &lengths, &[deltas(2000, 3, 0, 16), rest()].concat(), "fine");
    of(&plain, &lengths, &[deltas(all, 3, 0, 16), rest()].concat(), claims);
    of(&plain, &lengths, &deltas(u64::MAX, 0, 0, 0), "lengths of texts in a page: 18446744073709551615");
    of(&plain, &lengths, &[&[0xff; 20][..], &rest()].concat(), "a number has more than 10 bytes");
    of(&plain, &lengths, &[&[1, 0, 1, 0][..], &rest()].concat(), "a block has 1 lengths in 0 parts");
    // how much is shared, and then what is not
    let both = |first, second| [deltas(first, 0, 0, 16), deltas(second, 3, 0, 16), rest()].concat();
    of(&plain, &shared, &both(2000, 2000), "fine");
    of(&plain, &shared, &both(all, 2000), claims);
    of(&plain, &shared, &both(2000, all), claims);
    of(&plain, &shared, &[deltas(2000, 0, -1, 16), rest()].concat(), "a text shares -1 bytes");
    of(&plain, &shared, &[deltas(2000, 1 << 20, 0, 16), rest()].concat(), "share with those before them: 269484032");
    of(&plain, &lengths, &[deltas(2000, 0, -1, 16), rest()].concat(), "a text has -1 bytes");
    of(&plain, &shared, &[deltas(2000, 0, 0, 16), deltas(2000, 0, -1, 16), rest()].concat(), "a text has -1 bytes");
    of(&plain, &shared, &[deltas(1, 0, 0, 0), deltas(1, -1, 0, 0), vec![0]].concat(), "a text has -1 bytes");
    of(&plain, &shared, &deltas(2000, 0, 0, 15), "the body of a page ends in the middle of");
    // behind levels, in more than is unpacked at first
    let optional = Column { definition_level_max: 1, ..plain };
    let nested = Column { repetition_level_max: 3, definition_level_max: 1, ..plain };
    let levels = |size_bytes: usize| [&(size_bytes as u32).to_le_bytes()[..], &noise(size_bytes)].concat();
    for size_bytes in [0, 4088, 4092, 50_000] {
        of(&optional, &lengths, &[levels(size_bytes), deltas(all, 3, 0, 16), rest()].concat(), claims);
        of(&nested, &shared, &[levels(7), levels(size_bytes), both(2000, all)].concat(), claims);
        of(&optional, &lengths, &[levels(size_bytes), deltas(2000, 3, 0, 16), rest()].concat(), "fine");
    }
    // two bits for each of 2000 levels, and one bit
    let packed_levels = |count| v1(count, LENGTHS, 4);
    of(&nested, &packed_levels, &[noise(500 + 250), deltas(all, 3, 0, 16), rest()].concat(), claims);
    of(&nested, &|count| v1(count, LENGTHS, 9), &both(2000, 2000), "levels are told to have the encoding 9");
    of(&optional, &lengths, &levels(50), "fine");
    of(&optional, &lengths, &levels(50)[..40], "the body of a page ends in the middle of levels");
    // levels apart, and a body that is not packed under a codec
    for compression in codecs {
        let column = Column { compression, ..nested };
        let body = [deltas(all, 3, 0, 16), rest()].concat();
        let size_bytes = body.len() as i64 + 5;
        let apart = [&[1; 5][..], &packed(compression, &body)].concat();
        check(&column, &page(size_bytes, &v2(2000, LENGTHS, 5, true), &apart), claims);
        let apart = [&[1; 5][..], &body].concat();
        check(&column, &page(size_bytes, &v2(2000, LENGTHS, 5, false), &apart), claims);
        check(&column, &page(size_bytes, &v2(2000, LENGTHS, -5, false), &apart), "levels are told to have 0 and -5");
    }
    // of LZ4 there are three kinds
    for pack in [framed, lz4_flex::block::compress, |bytes: &[u8]| packed(Compression::LZ4, bytes)] {
        for (count, expected) in [(2000, "fine"), (all, claims)] {
            let body = [deltas(count, 3, 0, 16), rest()].concat();
            check(&texts(Compression::LZ4), &page(body.len() as i64, &lengths(2000), &pack(&body)), expected);
        }
    }
    // without a codec the body is taken as it is
    check(&plain, &page(0, &lengths(2000), &deltas(all, 3, 0, 16)), claims);
    check(&texts(Compression::SNAPPY), &page(50, &lengths(2000), &[0xff; 50]), "the body of a page is no SNAPPY");
}

#[test]
fn frames_of_lz4_are_unpacked_once() {
    let check = |bytes: &[u8], expected: &[Way]| assert_eq!(ways(Compression::LZ4, bytes), expected, "{bytes:x?}");
    check(&framed(b"text"), &[Way::Frame]);
    let any = [Way::Hadoop, Way::Frame, Way::Raw];
    check(&packed(Compression::LZ4, b"text"), &any);
    check(&lz4_flex::block::compress(b"text"), &any);
    // blocks of Hadoop's, of which the first has 66 MiB
    check(&[0x04, 0x22, 0x4d, 0x18, 0, 4, 0, 0], &any);
    check(&[], &any);
}

#[test]
fn heads_that_cannot_be_are_told() {
    let plain = texts(ZSTD());
    let numbers_of = |physical_type| Column { physical_type, ..plain };
    check(&plain, &page(4000, &dictionary(1000), &[0; 100]), "fine");
    check(&plain, &page(4000, &dictionary(1001), &[0; 100]), "told to have 1001 values in 4000 bytes");
    check(&numbers_of(Type::INT64), &page(4000, &dictionary(501), &[0; 100]), "told to have 501 values");
    check(&plain, &page(1 << 29, &dictionary(80 << 20), &[0; 1 << 15]), "values of a dictionary: 83886080");
    check(
        &plain,
        &page(40, &[v1(1, 0, 3), [&[0x3c][..], &v2(1, 0, 0, true)[1..]].concat()].concat(), &[]),
        "several kinds",
    );
    let lists = Column { repetition_level_max: 1, ..plain };
    check(&lists, &page(40, &v1(64 << 20, 0, 3), &[0; 40]), "fine");
    // every row has a list of many numbers, all of which are missing
    let missing = Column { physical_type: Type::INT32, ..lists };
    check(&missing, &page(40, &v1(300 << 20, 0, 3), &[0; 40]), "fine");
    // with two bytes for each level
    check(&missing, &page(40, &v1(400 << 20, 0, 3), &[0; 40]), "lists in a page: 419430400, more than 357913941");
    let optional = Column { definition_level_max: 3, ..missing };
    check(&optional, &page(40, &v1(300 << 20, 0, 3), &[0; 40]), "lists in a page: 314572800, more than 268435456");
    let nothing = Column { value_size_bytes: 0, physical_type: Type::FIXED_LEN_BYTE_ARRAY, ..plain };
    check(&nothing, &page(0, &dictionary(1), &[]), "fine");
    check(&lists, &page(40, &v1(i64::from(i32::MAX), 0, 3), &[0; 40]), "values of lists in a page: 2147483647");
    let wide = Column { value_size_bytes: 64 << 10, physical_type: Type::FIXED_LEN_BYTE_ARRAY, ..lists };
    check(&wide, &page(40, &v1(1 << 20, 0, 3), &[0; 40]), "values of lists in a page: 1048576, more than 32767");
    check(&plain, &page(40, &v1(i64::from(i32::MAX), 0, 3), &[0; 40]), "fine");
    check(&plain, &page(40, &v1(80 << 20, LENGTHS, 3), &[0; 40]), "texts in a page: 83886080, more than 67108864");
}

/// For who reads a page's body by what its head claims.
#[test]
fn a_page_is_no_longer_than_its_column() {
    let footer = read_footer_of(good()).unwrap();
    let (start, length) = footer.metadata().row_group(0).column(0).byte_range();
    let check = |unpacked: i64, body: usize, expected: &str| {
        let found = footer.page_size_bytes(start, &page(unpacked, &v1(1, 0, 3), &vec![0; body]));
        let found = found.map_or_else(|error| error.to_string(), |size_bytes| format!("{size_bytes:?}"));
        assert!(found.contains(expected), "{found}\nnot\n{expected}");
    };
    check(10, 10, "Some(");
    check(length as i64, length as usize, &format!("is told where its column has {length}"));
    check(i64::from(i32::MAX), 10, "are told to become 2147483647");
}
