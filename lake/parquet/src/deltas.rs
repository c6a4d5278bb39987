//! The lengths of texts that are told as differences: how many there are, before room is made for them. Knows no page.
//! <https://parquet.apache.org/docs/file-format/data-pages/encodings/#delta-encoding-delta_binary_packed--5>

use crate::error::Fault;

/// What the texts of a page may share with the ones before them: that is copied for each.
pub(crate) const SHARED_SIZE_BYTES_MAX: u64 = 256 << 20;
/// Values that a block has are a multiple of it.
const BLOCK_VALUES: u64 = 128;
/// The same, of a part of a block.
const MINIBLOCK_VALUES: u64 = 32;
/// Bytes of the longest number.
const NUMBER_SIZE_BYTES_MAX: usize = 10;

/// Numbers, each told by what it is more than the one before it.
struct Deltas<'a> {
    bytes: &'a [u8],
    miniblocks: usize,
    miniblock_values: usize,
    count: usize,
    first: i64,
}

fn unsigned(bytes: &mut &[u8]) -> Result<u64, Fault> {
    let mut value = 0_u64;
    for place in 0..NUMBER_SIZE_BYTES_MAX {
        let (byte, rest) = bytes.split_first().ok_or(Fault::Ends { what: "a number" })?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Fault::Impossible(format!("a number has more than {NUMBER_SIZE_BYTES_MAX} bytes")))
}

fn signed(bytes: &mut &[u8]) -> Result<i64, Fault> {
    let value = unsigned(bytes)?;
    Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
}

impl<'a> Deltas<'a> {
    /// Those that begin there; no more than a page has values.
    fn begin(mut bytes: &'a [u8], count_max: u64) -> Result<Self, Fault> {
        let block_values = unsigned(&mut bytes)?;
        let miniblocks = unsigned(&mut bytes)?;
        let count = unsigned(&mut bytes)?;
        let first = signed(&mut bytes)?;
        if count > count_max {
            return Err(Fault::TooMany { what: "lengths of texts in a page", count, max: count_max });
        }
        let miniblock_values = block_values.checked_div(miniblocks).unwrap_or(0);
        let whole = miniblock_values > 0
            && miniblock_values % MINIBLOCK_VALUES == 0
            && block_values % BLOCK_VALUES == 0
            && block_values % miniblocks == 0;
        match (usize::try_from(miniblocks), usize::try_from(miniblock_values), usize::try_from(count)) {
            (Ok(miniblocks), Ok(miniblock_values), Ok(count)) if whole => {
                Ok(Self { bytes, miniblocks, miniblock_values, count, first })
            }
            _ => Err(Fault::Impossible(format!("a block has {block_values} lengths in {miniblocks} parts"))),
        }
    }

    /// Tells each; and what follows the last.
    fn each(mut self, take: &mut dyn FnMut(i64) -> Result<(), Fault>) -> Result<&'a [u8], Fault> {
        let mut value = self.first;
        let mut left = self.count;
        if left > 0 {
            take(value)?;
            left -= 1;
        }
        while left > 0 {
            let least = signed(&mut self.bytes)?;
            let (widths, rest) =
                self.bytes.split_at_checked(self.miniblocks).ok_or(Fault::Ends { what: "a block of lengths" })?;
            self.bytes = rest;
            for width in widths.iter().map(|width| usize::from(*width)) {
                if left == 0 {
                    break;
                }
                if width > 32 {
                    return Err(Fault::Impossible(format!("a length has {width} bits")));
                }
                let size_bytes = (self.miniblock_values / 8).saturating_mul(width);
                let (packed, rest) =
                    self.bytes.split_at_checked(size_bytes).ok_or(Fault::Ends { what: "a block of lengths" })?;
                self.bytes = rest;
                for at in 0..left.min(self.miniblock_values) {
                    // as the Parquet crate counts: in 32 bits, round and round
                    value = i64::from(value.wrapping_add(least).wrapping_add(bits(packed, at * width, width)) as i32);
                    take(value)?;
                }
                left = left.saturating_sub(self.miniblock_values);
            }
        }
        Ok(self.bytes)
    }
}

/// A number of up to 32 bits, the least of them first.
fn bits(packed: &[u8], from: usize, width: usize) -> i64 {
    let bytes = packed.get(from / 8..).unwrap_or_default();
    let all = match bytes.first_chunk() {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => bytes.iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte)),
    };
    ((all >> (from % 8)) & ((1 << width) - 1)).cast_signed()
}

/// Lengths, and then the texts.
pub(crate) fn check_lengths(bytes: &[u8], count_max: u64) -> Result<(), Fault> {
    let told = Deltas::begin(bytes, count_max)?.each(&mut |length| match length {
        0.. => Ok(()),
        _ => Err(Fault::Impossible(format!("a text has {length} bytes"))),
    });
    told.map(drop)
}

/// How much each text shares with the one before it, and then the lengths of the rest.
pub(crate) fn check_shared(bytes: &[u8], count_max: u64) -> Result<(), Fault> {
    let mut shared_size_bytes = 0_u64;
    let rest = Deltas::begin(bytes, count_max)?.each(&mut |shared| {
        shared_size_bytes += u64::try_from(shared)
            .map_err(|_| Fault::Impossible(format!("a text shares {shared} bytes with the one before it")))?;
        if shared_size_bytes > SHARED_SIZE_BYTES_MAX {
            let what = "bytes that texts share with those before them";
            return Err(Fault::TooMany { what, count: shared_size_bytes, max: SHARED_SIZE_BYTES_MAX });
        }
        Ok(())
    })?;
    check_lengths(rest, count_max)
}
