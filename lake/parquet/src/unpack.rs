//! What codecs make of bytes: how much, and how it begins. Knows no page.
//! <https://parquet.apache.org/docs/file-format/data-pages/compression/>

use std::borrow::Cow;
use std::io::Read;

use parquet::basic::Compression;

use crate::page::PAGE_SIZE_BYTES_MAX;

/// A buffer for what is looked at and not kept.
const BUFFER_SIZE_BYTES: usize = 4 << 10;

/// A frame of LZ4 begins with it, and then with flags of which the upper two bits are 01.
/// <https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>
const FRAME_BEGIN: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];

/// How many times its bytes a codec can make of a page; `None` if that has no small bound.
pub(crate) fn times_max(compression: Compression) -> Option<u64> {
    match compression {
        Compression::UNCOMPRESSED => Some(1),
        // three bytes copy 64
        Compression::SNAPPY => Some(22),
        // a byte lengthens a copy by 255
        Compression::LZ4 | Compression::LZ4_RAW | Compression::LZO => Some(256),
        // two bits copy 258
        Compression::GZIP(_) => Some(1032),
        // four bytes are a block of 128 KiB
        Compression::ZSTD(_) => Some(1 << 15),
        Compression::BROTLI(_) => None,
    }
}

/// Whether the Parquet crate would make more of `packed` than is claimed.
///
/// It unpacks gzip, Brotli and frames of LZ4 to their end, whatever the page claims; of the other codecs it makes no more than that. To count
/// takes as long as to unpack, so what cannot become more than a page may be is not counted: of gzip up to 1 MiB, as most writers' pages are.
pub(crate) fn exceeds(compression: Compression, packed: &[u8], claimed: u64) -> bool {
    let mut decoder: Box<dyn Read + '_> = match compression {
        Compression::GZIP(_) => Box::new(flate2::read::MultiGzDecoder::new(packed)),
        Compression::BROTLI(_) => Box::new(brotli::Decompressor::new(packed, BUFFER_SIZE_BYTES)),
        // what is not in frames ends at once
        Compression::LZ4 => Box::new(lz4_flex::frame::FrameDecoder::new(packed)),
        _ => return false,
    };
    let most = times_max(compression).and_then(|times| times.checked_mul(packed.len() as u64));
    if most.is_some_and(|most| most <= PAGE_SIZE_BYTES_MAX) {
        return false;
    }
    // the Parquet crate comes by the same error, at the same place
    std::io::copy(&mut (&mut decoder).take(claimed.saturating_add(1)), &mut std::io::sink())
        .is_ok_and(|made| made > claimed)
}

/// A way to unpack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Copy,
    Snappy,
    Gzip,
    Brotli,
    Zstd,
    /// Blocks of LZ4 behind lengths.
    Hadoop,
    /// A frame of LZ4.
    Frame,
    /// A block of LZ4.
    Raw,
}

/// How the Parquet crate unpacks: several ways where it tries one after another, none where it cannot.
pub(crate) fn ways(compression: Compression, packed: &[u8]) -> &'static [Way] {
    match compression {
        Compression::UNCOMPRESSED => &[Way::Copy],
        Compression::SNAPPY => &[Way::Snappy],
        Compression::GZIP(_) => &[Way::Gzip],
        Compression::BROTLI(_) => &[Way::Brotli],
        Compression::ZSTD(_) => &[Way::Zstd],
        Compression::LZ4_RAW => &[Way::Raw],
        // nothing else: a block would begin with a copy of what is not there yet, and of Hadoop's the first would have 1 GiB and more for 66 MiB
        Compression::LZ4 if packed.starts_with(&FRAME_BEGIN) && packed.get(4).is_some_and(|flags| flags >> 6 == 1) => {
            &[Way::Frame]
        }
        Compression::LZ4 => &[Way::Hadoop, Way::Frame, Way::Raw],
        Compression::LZO => &[],
    }
}

impl Way {
    /// The first `size_bytes` of what becomes of `packed`, which is told to become `claimed`; more where that is no more work.
    pub fn first(self, packed: &[u8], size_bytes: usize, claimed: usize) -> Option<Cow<'_, [u8]>> {
        let read = |decoder: &mut dyn Read| {
            let mut made = Vec::new();
            decoder.take(size_bytes as u64).read_to_end(&mut made).is_ok().then_some(made)
        };
        let made = match self {
            Self::Copy => return Some(Cow::Borrowed(packed)),
            Self::Snappy => snappy(packed, size_bytes),
            Self::Gzip => read(&mut flate2::read::MultiGzDecoder::new(packed)),
            Self::Brotli => read(&mut brotli::Decompressor::new(packed, BUFFER_SIZE_BYTES)),
            Self::Zstd => zstd::stream::read::Decoder::with_buffer(packed).ok().and_then(|mut zstd| read(&mut zstd)),
            Self::Hadoop => hadoop(packed, claimed),
            Self::Frame => read(&mut lz4_flex::frame::FrameDecoder::new(packed)),
            Self::Raw => lz4_flex::block::decompress(packed, claimed).ok(),
        };
        made.map(Cow::Owned)
    }
}

/// Snappy tells its length, and then literals and copies: as many of them as are wanted are a whole of their own.
/// <https://github.com/google/snappy/blob/main/format_description.txt>
fn snappy(packed: &[u8], size_bytes: usize) -> Option<Vec<u8>> {
    let told = snap::raw::decompress_len(packed).ok()?;
    let begin = packed.iter().position(|byte| byte & 0x80 == 0)? + 1;
    let (mut end, mut made) = (begin, 0_usize);
    while made < told.min(size_bytes) {
        let tag = *packed.get(end)?;
        let upper = usize::from(tag >> 2);
        let (skipped, length) = match tag & 3 {
            0 if upper < 60 => (1 + upper + 1, upper + 1),
            0 => {
                let digits = packed.get(end + 1..end + 1 + upper - 59)?;
                let length = digits.iter().rev().fold(0, |all, digit| all << 8 | usize::from(*digit)) + 1;
                (1 + digits.len() + length, length)
            }
            1 => (2, 4 + (upper & 7)),
            2 => (3, upper + 1),
            _ => (5, upper + 1),
        };
        end += skipped;
        made += length;
    }
    let mut cut = varint(made as u64);
    cut.extend_from_slice(packed.get(begin..end)?);
    snap::raw::Decoder::new().decompress_vec(&cut).ok()
}

/// A number in as many bytes as it takes: seven bits in each, the least of them first.
pub(crate) fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// Blocks of LZ4, each with both of its lengths before it.
fn hadoop(mut packed: &[u8], claimed: usize) -> Option<Vec<u8>> {
    let mut made = Vec::new();
    while !packed.is_empty() {
        let (lengths, rest) = packed.split_first_chunk::<8>()?;
        let [a, b, c, d, e, f, g, h] = *lengths;
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
        let (block, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes([e, f, g, h])).ok()?)?;
        if length > claimed.saturating_sub(made.len()) {
            return None;
        }
        made.extend(lz4_flex::block::decompress(block, length).ok()?);
        packed = rest;
    }
    Some(made)
}
