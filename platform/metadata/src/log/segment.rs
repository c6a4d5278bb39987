//! Names and headers of the log's files. Knows nothing of what follows the header.

use std::io;

use tarn_disk::DiskFile;

use super::{SECTOR_BYTES, StoreId};
use crate::store::StoreError;

/// Where the log is, from the disk's root.
pub(crate) const LOG_DIR: &str = "wal";
const MAGIC: [u8; 8] = *b"TARNLOG\n";
/// Of the form described in `log.rs`.
const FORMAT_VERSION: u16 = 1;
const HEADER_BYTES: usize = 8 + 2 + 16 + 8 + 8 + 8;

/// `wal/NNNNNNNNNN.log`.
pub(crate) fn segment_path(number: u64) -> String {
    format!("{LOG_DIR}/{number:010}.log")
}

/// The number in a segment's name.
pub(crate) fn segment_number(name: &str) -> Option<u64> {
    name.strip_suffix(".log")?.parse().ok()
}

/// `wal/NNNNNNNNNN.snapshot`: all records after that transaction.
pub(crate) fn snapshot_path(sequence: u64) -> String {
    format!("{LOG_DIR}/{sequence:010}.snapshot")
}

/// The sequence number in a snapshot's name.
pub(crate) fn snapshot_sequence(name: &str) -> Option<u64> {
    name.strip_suffix(".snapshot")?.parse().ok()
}

/// A segment as the log's list of segments has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentMeta {
    pub(crate) number: u64,
    /// The first transaction that is or will be in it.
    pub(crate) first_sequence: u64,
    pub(crate) first_ordinal: u64,
}

/// What a segment's first sector says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) store: StoreId,
    pub(crate) meta: SegmentMeta,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; SECTOR_BYTES] {
        let mut bytes = Vec::with_capacity(SECTOR_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.store.0);
        for number in [self.meta.number, self.meta.first_sequence, self.meta.first_ordinal] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let mut sector = [0; SECTOR_BYTES];
        sector[..HEADER_BYTES].copy_from_slice(&bytes);
        let checksum = self.store.checksum(&[&sector[..SECTOR_BYTES - 8]]);
        sector[SECTOR_BYTES - 8..].copy_from_slice(&checksum.to_le_bytes());
        sector
    }

    /// Reads a segment's header; `None` where it never arrived on the disk.
    pub(crate) fn read(file: &dyn DiskFile, number: u64) -> Result<Option<Self>, StoreError> {
        let corrupt = |reason: &str| StoreError::Corrupt {
            place: format!("{} at 0", segment_path(number)),
            reason: reason.to_owned(),
        };
        let mut sector = [0; SECTOR_BYTES];
        match file.read_exact_at(&mut sector, 0) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(StoreError::Failed { doing: "reading the log", reason: error.to_string() }),
        }
        if sector.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let number_at =
            |at: usize| sector.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
        let mut store = StoreId([0; 16]);
        store.0.copy_from_slice(&sector[10..26]);
        if number_at(SECTOR_BYTES - 8) != store.checksum(&[&sector[..SECTOR_BYTES - 8]]) {
            return Err(corrupt("the segment's header has a wrong checksum"));
        }
        if sector[..8] != MAGIC {
            return Err(corrupt("this is not a log segment"));
        }
        let version = u16::from_le_bytes([sector[8], sector[9]]);
        if version != FORMAT_VERSION {
            return Err(corrupt(&format!(
                "log format {version} is not known, only {FORMAT_VERSION}: start the server version that wrote it"
            )));
        }
        let meta = SegmentMeta { number: number_at(26), first_sequence: number_at(34), first_ordinal: number_at(42) };
        if meta.number != number {
            return Err(corrupt(&format!("this is segment {}, under another's name", meta.number)));
        }
        Ok(Some(Self { store, meta }))
    }
}
