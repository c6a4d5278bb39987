//! Checkpoints: the thread that moves memtables into the index, and another that now and then writes a snapshot and removes the
//! segments that nobody needs; on one thread a long snapshot would hold up checkpoints, and then commits.
//! Knows nothing of transactions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};
use tarn_disk::{Disk, OpenMode};

use crate::embedded::Shared;
use crate::index::{INDEX_PATH, Index, disk_error};
use crate::log::{AppendError, BatchKind, LOG_DIR, Position, StoreId, segment_path};
use crate::memtable::Memtable;
use crate::snapshot_file::{SnapshotReader, write_snapshot};
use crate::store::StoreError;

#[derive(Debug, Default)]
struct Wanted {
    dirty: bool,
    urgent: bool,
    stop: bool,
}

/// The snapshot that a rebuild would begin from, and how long the log has grown since.
#[derive(Debug, Clone, Copy)]
struct SnapshotState {
    /// All records up to there are in it.
    position: Option<Position>,
    /// Log bytes before the first position that this process saw count as one snapshot's worth at most.
    log_bytes_at: u64,
}

/// What the checkpointer is asked to do, and what it has done.
pub(crate) struct Checkpoints {
    wanted: Mutex<Wanted>,
    asked: Condvar,
    stuck: AtomicBool,
    /// One at a time. The position of the frozen memtable, if there is one.
    running: Mutex<Option<Position>>,
    snapshot: Mutex<SnapshotState>,
    /// Held while a snapshot is written: one at a time.
    snapshotting: Mutex<()>,
    snapshotter: Mutex<Option<JoinHandle<()>>>,
    stopping: AtomicBool,
}

impl Checkpoints {
    /// `snapshots` are the sequence numbers of those on the disk, ascending.
    pub(crate) fn new(disk: &dyn Disk, store: StoreId, snapshots: &[u64]) -> Result<Self, StoreError> {
        // A damaged snapshot is no reason not to start: the index is sound, and the next snapshot takes its place.
        let position = snapshots.last().and_then(|sequence| match SnapshotReader::open(disk, *sequence, store) {
            Ok(reader) => Some(reader.position()),
            Err(error) => {
                tracing::warn!(%error, "a snapshot of the metadata is damaged; the log before it is kept until the next one");
                None
            }
        });
        Ok(Self {
            wanted: Mutex::default(),
            asked: Condvar::new(),
            stuck: AtomicBool::new(false),
            running: Mutex::default(),
            snapshot: Mutex::new(SnapshotState { position, log_bytes_at: 0 }),
            snapshotting: Mutex::default(),
            snapshotter: Mutex::default(),
            stopping: AtomicBool::new(false),
        })
    }

    /// Something was committed; `urgent` when much was.
    pub(crate) fn changed(&self, urgent: bool) {
        let mut wanted = self.wanted.lock();
        if !wanted.dirty || (urgent && !wanted.urgent) {
            wanted.dirty = true;
            wanted.urgent |= urgent;
            self.asked.notify_all();
        }
    }

    /// Ends the threads; a snapshot being written is given up.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.wanted.lock().stop = true;
        self.asked.notify_all();
    }

    /// Waits for the snapshot that is being written; after the checkpointer has ended, none is begun.
    pub(crate) fn join_snapshotter(&self) {
        let snapshotter = self.snapshotter.lock().take();
        if snapshotter.is_some_and(|snapshotter| snapshotter.join().is_err()) {
            tracing::error!("writing a snapshot of the metadata panicked; the log is complete without it");
        }
    }

    /// Whether the last checkpoint failed, so that nobody should wait for it.
    pub(crate) fn are_stuck(&self) -> bool {
        self.stuck.load(Ordering::Acquire)
    }
}

impl Shared {
    /// The checkpointer's loop. Sleeps without waking while nothing is committed.
    pub(crate) fn checkpoint_until_stopped(self: &Arc<Self>) {
        loop {
            {
                let mut wanted = self.checkpoints.wanted.lock();
                while !wanted.dirty && !wanted.stop {
                    self.checkpoints.asked.wait(&mut wanted);
                }
                while !wanted.urgent && !wanted.stop {
                    if self.checkpoints.asked.wait_for(&mut wanted, self.options.checkpoint_interval).timed_out() {
                        break;
                    }
                }
                if wanted.stop {
                    return;
                }
                wanted.dirty = false;
                wanted.urgent = false;
            }
            let result = self.checkpoint().and_then(|()| self.begin_snapshot_if_due());
            if let Err(error) = result {
                tracing::error!(%error, "a checkpoint of the metadata failed; the log has everything");
                if self.failure().is_none() {
                    // Tried again when there may be room.
                    self.checkpoints.changed(false);
                }
            }
        }
    }

    /// Moves what was committed into the index.
    pub(crate) fn checkpoint(&self) -> Result<(), StoreError> {
        let mut running = self.checkpoints.running.lock();
        loop {
            // What an earlier checkpoint could not write comes first.
            let position = match *running {
                Some(position) => position,
                None => match self.freeze() {
                    None => return Ok(()),
                    Some(position) => *running.insert(position),
                },
            };
            let result = self.write_index(position);
            self.checkpoints.stuck.store(result.is_err(), Ordering::Release);
            if let Err(error) = result {
                if !matches!(error, StoreError::NoSpace) {
                    self.fail(error.clone());
                }
                self.room_made();
                return Err(error);
            }
            *running = None;
            self.room_made();
            self.mark(position)?;
        }
    }

    /// Sets the active memtable aside; `None` if it is empty.
    fn freeze(&self) -> Option<Position> {
        let log = self.log.lock();
        let mut state = self.state.write();
        if state.active.is_empty() {
            return None;
        }
        state.frozen = Some(std::mem::replace(&mut state.active, Arc::new(Memtable::default())));
        Some(log.position())
    }

    fn write_index(&self, position: Position) -> Result<(), StoreError> {
        let Some(frozen) = self.state.read().frozen.clone() else { return Ok(()) };
        let mut held = self.index.lock();
        if held.is_none() {
            // An earlier checkpoint ran out of room.
            self.reopen_index(&mut held)?;
        }
        let Some(index) = held.as_ref() else { return Err(StoreError::Closed) };
        match index.checkpoint(self.store, position, |put| frozen.latest(put)) {
            Ok(()) => {
                let base = Arc::new(index.snapshot()?);
                let mut state = self.state.write();
                state.base = base;
                state.frozen = None;
                Ok(())
            }
            Err(StoreError::NoSpace) => {
                // redb refuses everything after an error; opened again it is at its last checkpoint.
                *held = None;
                if let Err(error) = self.reopen_index(&mut held) {
                    tracing::warn!(%error, "the index cannot be read until there is room");
                }
                Err(StoreError::NoSpace)
            }
            Err(error) => Err(error),
        }
    }

    fn reopen_index(&self, held: &mut Option<Index>) -> Result<(), StoreError> {
        let index = Index::open(&*self.disk, INDEX_PATH, OpenMode::ReadWrite, self.options.cache_bytes)?;
        self.state.write().base = Arc::new(index.snapshot()?);
        *held = Some(index);
        Ok(())
    }

    /// Notes in the log that the index is durable up to `position`, so that an older one is not taken for it.
    fn mark(&self, position: Position) -> Result<(), StoreError> {
        let mut log = self.log.lock();
        if self.failure().is_some() {
            return Ok(());
        }
        match log.append(BatchKind::Checkpoint, 0, &position.sequence.to_le_bytes()) {
            Ok(()) => Ok(()),
            // The mark only finds damage; the next one will do.
            Err(AppendError::NoSpace) => Ok(()),
            Err(error) => {
                let error = StoreError::from(error);
                self.fail(error.clone());
                Err(error)
            }
        }
    }

    fn begin_snapshot_if_due(self: &Arc<Self>) -> Result<(), StoreError> {
        let mut snapshotter = self.checkpoints.snapshotter.lock();
        if snapshotter.as_ref().is_some_and(|running| !running.is_finished()) {
            return Ok(());
        }
        let logged = self.logged_bytes()?;
        let due = {
            let snapshot = self.checkpoints.snapshot.lock();
            logged.saturating_sub(snapshot.log_bytes_at) >= self.options.snapshot_bytes
        };
        if due && !self.low_on_space() {
            let theirs = self.clone();
            let spawned = std::thread::Builder::new().name("snapshotter".to_owned()).spawn(move || {
                if let Err(error) = theirs.write_snapshot()
                    && !theirs.checkpoints.stopping.load(Ordering::Acquire)
                {
                    tracing::error!(%error, "a snapshot of the metadata failed; old log segments are kept until one is written");
                }
            });
            match spawned {
                Ok(thread) => *snapshotter = Some(thread),
                Err(error) => tracing::error!(%error, "no thread could be started to write a snapshot of the metadata"),
            }
        }
        Ok(())
    }

    /// Bytes in the retained segments after the newest snapshot, roughly: whole segments.
    fn logged_bytes(&self) -> Result<u64, StoreError> {
        let from = self.checkpoints.snapshot.lock().position.map_or(0, |position| position.segment);
        let segments = self.log.lock().segments();
        let numbers: Vec<u64> =
            segments.read().iter().map(|meta| meta.number).filter(|number| *number >= from).collect();
        let sizes = numbers.iter().map(|number| self.segment_bytes(*number)).collect::<Result<Vec<_>, _>>()?;
        Ok(sizes.into_iter().flatten().sum())
    }

    /// A segment's size; `None` if it was removed meanwhile.
    pub(crate) fn segment_bytes(&self, number: u64) -> Result<Option<u64>, StoreError> {
        let measured = self.disk.open(&segment_path(number), OpenMode::Read).and_then(|file| file.len());
        match measured {
            Ok(size_bytes) => Ok(Some(size_bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(disk_error("measuring the log", &error)),
        }
    }

    /// Writes the index's last checkpoint as a snapshot, then removes older snapshots and superfluous segments.
    pub(crate) fn write_snapshot(&self) -> Result<(), StoreError> {
        let _one = self.checkpoints.snapshotting.lock();
        // No checkpoint meanwhile: the index's position and its records belong together.
        let running = self.checkpoints.running.lock();
        let (position, base) = {
            let index = self.index.lock();
            let Some(index) = index.as_ref() else { return Err(StoreError::Closed) };
            let Some((_, position)) = index.position()? else { return Ok(()) };
            (position, index.snapshot()?)
        };
        drop(running);
        if self.checkpoints.snapshot.lock().position.is_none_or(|newest| newest.sequence < position.sequence) {
            write_snapshot(&*self.disk, self.store, position, &base, &self.checkpoints.stopping)?;
        }
        *self.checkpoints.snapshot.lock() = SnapshotState { position: Some(position), log_bytes_at: 0 };
        let log_bytes_at = self.logged_bytes()?;
        self.checkpoints.snapshot.lock().log_bytes_at = log_bytes_at;
        self.remove_superfluous(position)
    }

    /// Removes snapshots before `snapshot`, and the oldest segments that are before it as long as enough of the log is left.
    fn remove_superfluous(&self, snapshot: Position) -> Result<(), StoreError> {
        let removing = "removing superfluous log files";
        let failed = |error: std::io::Error| disk_error(removing, &error);
        for name in self.disk.list(LOG_DIR).map_err(failed)? {
            if crate::log::snapshot_sequence(&name).is_some_and(|sequence| sequence < snapshot.sequence) {
                self.disk.remove(&format!("{LOG_DIR}/{name}")).map_err(failed)?;
            }
        }
        self.disk.sync_dir(LOG_DIR).map_err(failed)?;
        let segments = self.log.lock().segments();
        let numbers: Vec<u64> = segments.read().iter().map(|meta| meta.number).collect();
        let measured = numbers.iter().map(|number| self.segment_bytes(*number)).collect::<Result<Vec<_>, _>>()?;
        let sizes: Vec<u64> = measured.into_iter().map(Option::unwrap_or_default).collect();
        let mut retained: u64 = sizes.iter().sum();
        for (number, size) in numbers.into_iter().zip(sizes) {
            if number >= snapshot.segment || retained.saturating_sub(size) < self.options.retained_bytes_max {
                break;
            }
            segments.write().retain(|meta| meta.number != number);
            self.disk.remove(&segment_path(number)).map_err(failed)?;
            // One by one: a gap would be taken for damage.
            self.disk.sync_dir(LOG_DIR).map_err(failed)?;
            retained -= size;
        }
        Ok(())
    }
}
