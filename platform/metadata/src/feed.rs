//! Reads committed transactions back from the log by their numbers. Knows nothing of the index.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use tarn_disk::Disk;

use crate::log::{Found, Position, SegmentMeta, SegmentReader, segment_path};
use crate::store::{Changed, Sequence, StoreError};

/// Places remembered, so that followers go on where they were instead of reading a segment from its start.
const CURSORS_MAX: usize = 64;
/// How much one call gives at most, bytes of keys and values, after the first transaction.
const FEED_SIZE_BYTES_MAX: usize = 16 << 20;

/// The log from a reader's side.
pub(crate) struct Feed {
    disk: Arc<dyn Disk>,
    segments: Arc<RwLock<Vec<SegmentMeta>>>,
    /// By the last transaction before them.
    cursors: Mutex<BTreeMap<u64, Position>>,
}

impl Feed {
    pub(crate) fn new(disk: Arc<dyn Disk>, segments: Arc<RwLock<Vec<SegmentMeta>>>) -> Self {
        Self { disk, segments, cursors: Mutex::default() }
    }

    /// Up to `limit` transactions after `after`, none after `visible`.
    pub(crate) fn read(&self, after: u64, visible: u64, limit: usize) -> Result<Vec<Changed>, StoreError> {
        let mut read = Vec::new();
        if after >= visible || limit == 0 {
            return Ok(read);
        }
        let segments = self.segments.read().clone();
        let gone = || StoreError::Corrupt {
            place: format!("transaction {}", after + 1),
            reason: "it is older than the retained log: begin again from a snapshot of the records".to_owned(),
        };
        let Some(meta) = segments.iter().rev().find(|meta| meta.first_sequence <= after + 1) else {
            return Err(gone());
        };
        let mut reader = self.segment(meta.number)?;
        let known = self.cursors.lock().range(..=after).next_back().map(|(_, position)| *position);
        let mut at = known.filter(|position| position.segment == meta.number).unwrap_or_else(|| reader.start());
        let mut size_bytes = 0;
        while at.sequence < visible {
            match reader.read(at)? {
                Found::Checkpoint { next, .. } => at = next,
                Found::Transactions(transactions, next) => {
                    for transaction in transactions.into_iter().filter(|transaction| transaction.sequence > after) {
                        size_bytes += transaction
                            .changes
                            .iter()
                            .map(|change| change.key.len() + change.value.as_ref().map_or(0, |value| value.len()))
                            .sum::<usize>();
                        if read.len() == limit
                            || (size_bytes > FEED_SIZE_BYTES_MAX && !read.is_empty())
                            || transaction.sequence > visible
                        {
                            self.remember(at);
                            return Ok(read);
                        }
                        read.push(Changed { sequence: Sequence(transaction.sequence), changes: transaction.changes });
                    }
                    at = next;
                }
                Found::End | Found::Torn => {
                    if !segments.iter().any(|meta| meta.number == at.segment + 1) {
                        return Err(StoreError::Corrupt {
                            place: format!("{} at {}", segment_path(at.segment), at.offset),
                            reason: format!("the log ends before transaction {visible}"),
                        });
                    }
                    reader = self.segment(at.segment + 1)?;
                    at = reader.start();
                }
            }
        }
        self.remember(at);
        Ok(read)
    }

    fn segment(&self, number: u64) -> Result<SegmentReader, StoreError> {
        SegmentReader::open(&*self.disk, number)?.ok_or_else(|| StoreError::Corrupt {
            place: segment_path(number),
            reason: "the segment has no header".to_owned(),
        })
    }

    fn remember(&self, at: Position) {
        let mut cursors = self.cursors.lock();
        cursors.insert(at.sequence, at);
        if cursors.len() > CURSORS_MAX {
            cursors.pop_first();
        }
    }

    /// Reads every batch of every segment, up to `visible`. Returns how many transactions there are.
    pub(crate) fn verify(&self, visible: u64) -> Result<u64, StoreError> {
        let first = self.segments.read().first().map_or(1, |meta| meta.first_sequence);
        let (mut after, mut count) = (first.saturating_sub(1), 0);
        while after < visible {
            let read = self.read(after, visible, usize::MAX)?;
            count += read.len() as u64;
            match read.last() {
                Some(last) => after = last.sequence.0,
                None => break,
            }
        }
        Ok(count)
    }
}
