//! The write-ahead log: segments of batches, one batch for each group of transactions that one sync makes durable.
//! Knows nothing of the index, of threads or of what the changes mean.
//!
//! **Form.** `wal/NNNNNNNNNN.log` is made of sectors of 512 bytes. The first is the segment's header; then come batches, each in
//! sectors of its own. A sector is an 8-byte tag, which follows from the store's id and the batch's number, and 504 bytes of the
//! batch: {magic, kind, length, count, first sequence, number, CRC of the body, CRC of this header}, the body, zeros.
//!
//! **Why.** A batch is written only after the one before it is durable. So if the last batch does not read, either a sector of it
//! never arrived (its tag is missing: a torn tail, never acknowledged, cut off), or all sectors are there and their bytes are
//! wrong (rot: an error). A flipped bit in the last batch is therefore not mistaken for a torn write.

mod batch;
mod reader;
mod segment;
mod writer;

pub(crate) use batch::{BatchKind, Transaction, decode_transactions, encode_transaction};
pub(crate) use reader::{Found, SegmentReader};
pub(crate) use segment::{LOG_DIR, SegmentMeta, segment_number, segment_path, snapshot_path, snapshot_sequence};
pub(crate) use writer::{AppendError, LogWriter};

use crc_fast::{CrcAlgorithm, Digest};

/// What a drive writes whole or not at all, bytes.
pub(crate) const SECTOR_BYTES: usize = 512;
const TAG_BYTES: usize = 8;
const SECTOR_BODY_BYTES: usize = SECTOR_BYTES - TAG_BYTES;

/// Tells the files of one store from another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoreId(pub [u8; 16]);

impl StoreId {
    /// What every sector of batch `ordinal` begins with; never zero.
    fn tag(self, ordinal: u64) -> u64 {
        let (high, low) = self.0.split_at(8);
        let half = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
        let mut z = half(high) ^ (ordinal.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_add(half(low));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) | 1
    }

    /// CRC-64/NVME over the store's id and `parts`.
    pub(crate) fn checksum(self, parts: &[&[u8]]) -> u64 {
        let mut digest = Digest::new(CrcAlgorithm::Crc64Nvme);
        digest.update(&self.0);
        for part in parts {
            digest.update(part);
        }
        digest.finalize()
    }
}

/// A place between two batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) segment: u64,
    /// Bytes from the segment's start.
    pub(crate) offset: u64,
    /// The number of the batch that comes next.
    pub(crate) ordinal: u64,
    /// The last transaction before it.
    pub(crate) sequence: u64,
}

impl Position {
    pub(crate) fn encode(&self, store: StoreId) -> Vec<u8> {
        let numbers = [self.segment, self.offset, self.ordinal, self.sequence];
        store.0.into_iter().chain(numbers.into_iter().flat_map(u64::to_le_bytes)).collect()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<(StoreId, Self)> {
        let (store, mut bytes) = bytes.split_first_chunk::<16>()?;
        let mut number = || {
            let (number, rest) = bytes.split_first_chunk::<8>()?;
            bytes = rest;
            Some(u64::from_le_bytes(*number))
        };
        let position = Self { segment: number()?, offset: number()?, ordinal: number()?, sequence: number()? };
        bytes.is_empty().then_some((StoreId(*store), position))
    }
}
