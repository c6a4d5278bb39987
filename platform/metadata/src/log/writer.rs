//! Appends batches to the log's last segment and begins new ones. Knows nothing of transactions' meaning.

use std::io;
use std::sync::Arc;

use parking_lot::RwLock;
use tarn_disk::{Disk, DiskFile, OpenMode};

use super::batch::seal;
use super::segment::{LOG_DIR, SegmentHeader, SegmentMeta, segment_path};
use super::{BatchKind, Position, SECTOR_BYTES, StoreId};
use crate::index::disk_error;
use crate::store::StoreError;

/// Why a batch is not in the log.
#[derive(Debug)]
pub(crate) enum AppendError {
    /// There was no room; the log is as it was before and may be used on.
    NoSpace,
    /// It is not known what is on the disk; the log must not be written again.
    Failed { doing: &'static str, reason: String },
}

impl From<AppendError> for StoreError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::NoSpace => StoreError::NoSpace,
            AppendError::Failed { doing, reason } => StoreError::Failed { doing, reason },
        }
    }
}

/// The end of the log.
pub(crate) struct LogWriter {
    disk: Arc<dyn Disk>,
    store: StoreId,
    file: Arc<dyn DiskFile>,
    position: Position,
    segment_bytes_max: u64,
    /// Also read by whoever follows the log.
    segments: Arc<RwLock<Vec<SegmentMeta>>>,
    sectors: Vec<u8>,
    failed: bool,
}

fn failed(doing: &'static str, error: &io::Error) -> AppendError {
    AppendError::Failed { doing, reason: error.to_string() }
}

impl LogWriter {
    /// Makes the first segment of a new log.
    pub(crate) fn create(disk: Arc<dyn Disk>, store: StoreId, segment_bytes_max: u64) -> Result<Self, StoreError> {
        let meta = SegmentMeta { number: 1, first_sequence: 1, first_ordinal: 1 };
        let file = begin_segment(&*disk, store, meta).map_err(|error| disk_error("making the log", &error))?;
        let position = Position { segment: 1, offset: SECTOR_BYTES as u64, ordinal: 1, sequence: 0 };
        let segments = Arc::new(RwLock::new(vec![meta]));
        Ok(Self { disk, store, file, position, segment_bytes_max, segments, sectors: Vec::new(), failed: false })
    }

    /// Goes on after `position`, where the last segment's sound batches end.
    pub(crate) fn resume(
        disk: Arc<dyn Disk>,
        store: StoreId,
        file: Arc<dyn DiskFile>,
        position: Position,
        segment_bytes_max: u64,
        segments: Vec<SegmentMeta>,
    ) -> Self {
        let segments = Arc::new(RwLock::new(segments));
        Self { disk, store, file, position, segment_bytes_max, segments, sectors: Vec::new(), failed: false }
    }

    pub(crate) fn position(&self) -> Position {
        self.position
    }

    pub(crate) fn segments(&self) -> Arc<RwLock<Vec<SegmentMeta>>> {
        self.segments.clone()
    }

    /// Writes one batch and makes it durable. `count` transactions, of which the first follows the last one in the log.
    pub(crate) fn append(&mut self, kind: BatchKind, count: u32, body: &[u8]) -> Result<(), AppendError> {
        if self.failed {
            return Err(AppendError::Failed {
                doing: "appending to the log",
                reason: "an earlier write failed".to_owned(),
            });
        }
        let result = self.try_append(kind, count, body);
        self.failed = matches!(result, Err(AppendError::Failed { .. }));
        result
    }

    fn try_append(&mut self, kind: BatchKind, count: u32, body: &[u8]) -> Result<(), AppendError> {
        if self.position.offset >= self.segment_bytes_max {
            self.rotate()?;
        }
        seal(self.store, kind, self.position.sequence + 1, count, self.position.ordinal, body, &mut self.sectors);
        match self.file.write_all_at(&self.sectors, self.position.offset) {
            Ok(()) => {}
            Err(error) if is_full(&error) => {
                // What was written is not a batch; the log goes on without it.
                self.file
                    .set_len(self.position.offset)
                    .map_err(|error| failed("cutting an incomplete batch off the log", &error))?;
                self.file.sync_data().map_err(|error| failed("cutting an incomplete batch off the log", &error))?;
                return Err(AppendError::NoSpace);
            }
            Err(error) => return Err(failed("appending to the log", &error)),
        }
        // After a failed sync nobody knows what is durable: https://lwn.net/Articles/752063/
        self.file.sync_data().map_err(|error| failed("making the log durable", &error))?;
        self.position.offset += self.sectors.len() as u64;
        self.position.ordinal += 1;
        self.position.sequence += u64::from(count);
        // One large transaction must not keep its room for ever.
        self.sectors.shrink_to(SECTORS_KEPT_BYTES);
        Ok(())
    }

    fn rotate(&mut self) -> Result<(), AppendError> {
        let meta = SegmentMeta {
            number: self.position.segment + 1,
            first_sequence: self.position.sequence + 1,
            first_ordinal: self.position.ordinal,
        };
        let file = match begin_segment(&*self.disk, self.store, meta) {
            Ok(file) => file,
            Err(error) if is_full(&error) => {
                // Without its header the file counts for nothing; a later rotation makes it anew.
                let path = segment_path(meta.number);
                if self.disk.exists(&path).map_err(|error| failed("beginning a log segment", &error))? {
                    self.disk.remove(&path).map_err(|error| failed("beginning a log segment", &error))?;
                    self.disk.sync_dir(LOG_DIR).map_err(|error| failed("beginning a log segment", &error))?;
                }
                return Err(AppendError::NoSpace);
            }
            Err(error) => return Err(failed("beginning a log segment", &error)),
        };
        self.file = file;
        self.position.segment = meta.number;
        self.position.offset = SECTOR_BYTES as u64;
        self.segments.write().push(meta);
        Ok(())
    }
}

/// The buffer's room that is kept between groups, bytes.
const SECTORS_KEPT_BYTES: usize = 8 << 20;

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Makes a segment with a durable header and name.
fn begin_segment(disk: &dyn Disk, store: StoreId, meta: SegmentMeta) -> io::Result<Arc<dyn DiskFile>> {
    let file = disk.open(&segment_path(meta.number), OpenMode::CreateNew)?;
    file.write_all_at(&SegmentHeader { store, meta }.encode(), 0)?;
    file.sync_data()?;
    disk.sync_dir(LOG_DIR)?;
    Ok(file)
}
