//! Reads a segment batch by batch and tells a torn tail from damage. Knows nothing of what is done about either.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tarn_disk::{Disk, DiskFile, OpenMode};

use super::batch::{BATCH_HEADER_BYTES, BatchHeader, SectorState, Unsealed, sector_state, unseal};
use super::segment::{SegmentHeader, segment_path};
use super::{BatchKind, Position, SECTOR_BYTES, Transaction, decode_transactions};
use crate::store::StoreError;

/// How much is read from the disk at a time, bytes.
const WINDOW_BYTES: usize = 256 << 10;

/// What is at a position.
#[derive(Debug)]
pub(crate) enum Found {
    /// A batch of transactions, and where the next one is.
    Transactions(Vec<Transaction>, Position),
    /// That the index was durable up to a transaction.
    Checkpoint { sequence: u64, next: Position },
    /// The segment ends here.
    End,
    /// A batch that was being written when the machine stopped; nothing comes after it.
    Torn,
}

/// One segment, open for reading.
pub(crate) struct SegmentReader {
    file: Arc<dyn DiskFile>,
    header: SegmentHeader,
    window_start: u64,
    window: Vec<u8>,
}

fn failed(error: &io::Error) -> StoreError {
    StoreError::Failed { doing: "reading the log", reason: error.to_string() }
}

impl SegmentReader {
    /// `None` where the segment's header never arrived on the disk.
    pub(crate) fn open(disk: &dyn Disk, number: u64) -> Result<Option<Self>, StoreError> {
        let path = segment_path(number);
        let file = disk.open(&path, OpenMode::Read).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                StoreError::Corrupt { place: path.clone(), reason: "the segment is missing".to_owned() }
            }
            _ => failed(&error),
        })?;
        let header = SegmentHeader::read(&*file, number)?;
        Ok(header.map(|header| Self { file, header, window_start: 0, window: Vec::new() }))
    }

    pub(crate) fn header(&self) -> SegmentHeader {
        self.header
    }

    /// Where the segment's first batch is or will be.
    pub(crate) fn start(&self) -> Position {
        let meta = self.header.meta;
        Position {
            segment: meta.number,
            offset: SECTOR_BYTES as u64,
            ordinal: meta.first_ordinal,
            sequence: meta.first_sequence.saturating_sub(1),
        }
    }

    fn corrupt(&self, at: &Position, reason: impl Into<String>) -> StoreError {
        StoreError::Corrupt { place: format!("{} at {}", segment_path(at.segment), at.offset), reason: reason.into() }
    }

    /// Up to `len` bytes at `offset`; fewer at the end of the file.
    fn bytes(&mut self, offset: u64, len: usize) -> Result<&[u8], StoreError> {
        let held = self.window_start..self.window_start + self.window.len() as u64;
        if !(held.contains(&offset) && offset + len as u64 <= held.end) {
            let mut window = vec![0; len.max(WINDOW_BYTES)];
            let mut filled = 0;
            while filled < window.len() {
                match self.file.read_at(&mut window[filled..], offset + filled as u64) {
                    Ok(0) => break,
                    Ok(n) => filled += n,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(failed(&error)),
                }
            }
            window.truncate(filled);
            self.window = window;
            self.window_start = offset;
        }
        let from = (offset - self.window_start) as usize;
        Ok(self.window.get(from..(from + len).min(self.window.len())).unwrap_or_default())
    }

    /// Reads what is at `at`.
    pub(crate) fn read(&mut self, at: Position) -> Result<Found, StoreError> {
        let store = self.header.store;
        let first = self.bytes(at.offset, SECTOR_BYTES)?.to_vec();
        let header = match sector_state(store, at.ordinal, &first) {
            SectorState::Other => return Err(self.corrupt(&at, "this is not the batch that belongs here")),
            SectorState::Missing => {
                let more = self.file.len().map_err(|error| failed(&error))? > at.offset;
                if !more {
                    return Ok(Found::End);
                }
                self.only_torn_from(&at, at.offset)?;
                return Ok(Found::Torn);
            }
            SectorState::Present => match BatchHeader::decode(store, &first) {
                None => return Err(self.corrupt(&at, "the batch's header has a wrong checksum")),
                Some(header) => header,
            },
        };
        if header.ordinal != at.ordinal || header.first_sequence != at.sequence + 1 {
            let reason = format!(
                "batch {} beginning at transaction {} is where batch {} beginning at transaction {} belongs",
                header.ordinal,
                header.first_sequence,
                at.ordinal,
                at.sequence + 1
            );
            return Err(self.corrupt(&at, reason));
        }
        let size_bytes = header.sectors() * SECTOR_BYTES;
        let unsealed = unseal(store, &header, self.bytes(at.offset, size_bytes)?);
        match unsealed {
            Unsealed::Damaged(reason) => Err(self.corrupt(&at, reason)),
            Unsealed::Torn => {
                self.only_torn_from(&at, at.offset + size_bytes as u64)?;
                Ok(Found::Torn)
            }
            Unsealed::Body(body) => self.decode(at, &header, body, at.offset + size_bytes as u64),
        }
    }

    fn decode(&self, at: Position, header: &BatchHeader, body: Bytes, offset: u64) -> Result<Found, StoreError> {
        let next = Position { offset, ordinal: at.ordinal + 1, ..at };
        match header.kind {
            BatchKind::Transactions => match decode_transactions(header.first_sequence, header.count, body) {
                None => Err(self.corrupt(&at, "the batch does not hold the transactions it should")),
                Some(transactions) => Ok(Found::Transactions(
                    transactions,
                    Position { sequence: at.sequence + u64::from(header.count), ..next },
                )),
            },
            BatchKind::Checkpoint => match <[u8; 8]>::try_from(&*body) {
                Err(_) => Err(self.corrupt(&at, "the checkpoint's mark does not decode")),
                Ok(sequence) => Ok(Found::Checkpoint { sequence: u64::from_le_bytes(sequence), next }),
            },
        }
    }

    /// Fails where anything but parts of the torn batch at `at` lies beyond `offset`: a later batch means that this one was durable.
    fn only_torn_from(&mut self, at: &Position, mut offset: u64) -> Result<(), StoreError> {
        let store = self.header.store;
        loop {
            let sector = self.bytes(offset, SECTOR_BYTES)?.to_vec();
            if sector.is_empty() {
                return Ok(());
            }
            if let SectorState::Other = sector_state(store, at.ordinal, &sector) {
                return Err(self.corrupt(at, format!("the batch is incomplete, yet a later one follows at {offset}")));
            }
            offset += SECTOR_BYTES as u64;
        }
    }
}

// A batch's header is read from one sector.
const _: () = assert!(BATCH_HEADER_BYTES < SECTOR_BYTES);
