//! Where what stands in a container: arithmetic over the length of what is in it, and over nothing else. No I/O.
//!
//!     descriptor | group 0 | group 1 | ... | descriptor again
//!
//! A group is up to 20 blocks of payload and 4 of parity, each a frame with a header of its own, standing one after another: whatever
//! destroys fewer bytes in a row than three frames destroys at most four of its blocks. The last group has smaller blocks, so that a small
//! container stays small; one of a single block has two of parity.

use crate::frame::{BLOCK_BYTES, HEADER_BYTES};

/// Blocks of payload in a full group.
pub(crate) const GROUP_DATA_BLOCKS: usize = 20;
/// Blocks of parity in a group.
const GROUP_PARITY_BLOCKS: usize = 4;
/// Blocks of parity beside a single block of payload.
const SINGLE_PARITY_BLOCKS: usize = 2;
/// The smallest block. Damage of this many bytes in a row, wherever it begins, touches at most two blocks.
const BLOCK_BYTES_MIN: usize = 4096;
/// Payload of a full group.
pub(crate) const GROUP_PAYLOAD_BYTES: usize = GROUP_DATA_BLOCKS * BLOCK_BYTES;
/// Bytes of each of the two descriptors, header included.
pub(crate) const DESCRIPTOR_BYTES: usize = 4096;

/// One group of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Group {
    /// Where its first frame begins in the file.
    pub offset: u64,
    /// The number of its first block, counted over the whole container, parity included.
    pub first_block: u64,
    /// Where its payload begins in the container's payload.
    pub payload_start: u64,
    /// Payload bytes; the rest of the last block of payload is zeros.
    pub payload_bytes: usize,
    /// Payload bytes of each block.
    pub block_bytes: usize,
    /// Blocks of payload.
    pub data: usize,
    /// Blocks of parity.
    pub parity: usize,
}

impl Group {
    /// All its blocks.
    pub(crate) fn blocks(&self) -> usize {
        self.data + self.parity
    }

    /// Bytes of each block with its header.
    pub(crate) fn frame_bytes(&self) -> usize {
        HEADER_BYTES + self.block_bytes
    }

    /// Its bytes in the file.
    pub(crate) fn bytes(&self) -> usize {
        self.blocks() * self.frame_bytes()
    }

    /// Where block `index` begins in the file.
    pub(crate) fn frame_offset(&self, index: usize) -> u64 {
        self.offset + (index * self.frame_bytes()) as u64
    }
}

/// How the blocks of a group of `payload_bytes` are cut.
fn cut(payload_bytes: usize) -> (usize, usize, usize) {
    let block_bytes =
        payload_bytes.div_ceil(GROUP_DATA_BLOCKS).next_multiple_of(BLOCK_BYTES_MIN).clamp(BLOCK_BYTES_MIN, BLOCK_BYTES);
    let data = payload_bytes.div_ceil(block_bytes);
    let parity = if data <= 1 { SINGLE_PARITY_BLOCKS } else { GROUP_PARITY_BLOCKS };
    (block_bytes, data, parity)
}

const FULL_GROUP_BLOCKS: u64 = (GROUP_DATA_BLOCKS + GROUP_PARITY_BLOCKS) as u64;
const FULL_GROUP_BYTES: u64 = FULL_GROUP_BLOCKS * (HEADER_BYTES + BLOCK_BYTES) as u64;

/// How many groups a container of `len` payload bytes has.
pub(crate) fn group_count(len: u64) -> u64 {
    len.div_ceil(GROUP_PAYLOAD_BYTES as u64)
}

/// Group `number` of a container of `len` payload bytes, which has it.
pub(crate) fn group(len: u64, number: u64) -> Group {
    let payload_start = number.saturating_mul(GROUP_PAYLOAD_BYTES as u64);
    let payload_bytes = len.saturating_sub(payload_start).min(GROUP_PAYLOAD_BYTES as u64) as usize;
    let (block_bytes, data, parity) = cut(payload_bytes);
    Group {
        offset: (DESCRIPTOR_BYTES as u64).saturating_add(number.saturating_mul(FULL_GROUP_BYTES)),
        first_block: number.saturating_mul(FULL_GROUP_BLOCKS),
        payload_start,
        payload_bytes,
        block_bytes,
        data,
        parity,
    }
}

/// Where the second descriptor begins.
pub(crate) fn second_descriptor_offset(len: u64) -> u64 {
    match group_count(len).checked_sub(1) {
        None => DESCRIPTOR_BYTES as u64,
        Some(last) => {
            let last = group(len, last);
            last.offset.saturating_add(last.bytes() as u64)
        }
    }
}

/// Bytes of a container of `len` payload bytes on disk.
pub(crate) fn container_bytes(len: u64) -> u64 {
    second_descriptor_offset(len).saturating_add(DESCRIPTOR_BYTES as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_follow_each_other_and_hold_everything() {
        let full = GROUP_PAYLOAD_BYTES as u64;
        for len in [1, 4095, 4096, 4097, 60_000, 81_920, 81_921, full - 1, full, full + 1, 3 * full, 3 * full + 70_000]
        {
            let (mut payload, mut offset, mut block) = (0, DESCRIPTOR_BYTES as u64, 0);
            for number in 0..group_count(len) {
                let group = group(len, number);
                assert_eq!((group.payload_start, group.offset, group.first_block), (payload, offset, block), "{len}");
                assert!(group.payload_bytes <= group.data * group.block_bytes);
                assert!(group.payload_bytes > (group.data - 1) * group.block_bytes);
                assert!(group.block_bytes.is_multiple_of(BLOCK_BYTES_MIN) && group.block_bytes <= BLOCK_BYTES);
                payload += group.payload_bytes as u64;
                offset += group.bytes() as u64;
                block += group.blocks() as u64;
            }
            assert_eq!((payload, offset), (len, second_descriptor_offset(len)));
            assert_eq!(container_bytes(len), offset + DESCRIPTOR_BYTES as u64);
        }
    }

    #[test]
    fn parity_costs_a_fifth_of_what_is_large() {
        let len = 100_u64 << 20;
        assert!(container_bytes(len) < len * 121 / 100);
        assert!(container_bytes(1) < 24 << 10);
    }
}
