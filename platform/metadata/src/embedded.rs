//! The store on one machine's disk: a write-ahead log, an index, a thread that commits and a thread that checkpoints.
//! Knows how they fit together; their forms are in `log`, `index`, `snapshot_file`.
//!
//! A transaction is run, appended to the log, made durable together with its group, put into a memtable, shown, answered, in
//! this order. A checkpoint moves a memtable into the index in one durable transaction while the next one fills.
//!
//! **Full disk.** While less than `reserve_bytes` is free, only transactions that remove something and add little are run.
//! **Failed disk.** After a failed append or sync nothing is written any more; what is durable can still be read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::{Condvar, Mutex, RwLock};
use tarn_disk::Disk;
use tarn_runtime::Runtime;
use tokio::sync::{mpsc, watch};

use crate::checkpoint::Checkpoints;
use crate::committer::{self, Message};
use crate::feed::Feed;
use crate::index::Index;
use crate::log::{LogWriter, Position, StoreId};
use crate::memtable::View;
use crate::recovery::{self, Recovered};
use crate::store::{Change, Changed, Job, Sequence, Snapshot, Store, StoreError};

/// How the embedded store behaves. The defaults suit a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbeddedOptions {
    /// A log segment that has reached this many bytes is followed by a new one.
    pub segment_bytes_max: u64,
    /// How long after a change the index is brought up to date, at the latest.
    pub checkpoint_interval: Duration,
    /// How many bytes of changes bring the index up to date at once. Up to three times as many are held in memory.
    pub checkpoint_bytes_max: usize,
    /// How many bytes of log are kept for `changes_since`, at least, once there is a snapshot that makes the older ones superfluous.
    pub retained_bytes_max: u64,
    /// After how many bytes of log a snapshot of all records is written.
    pub snapshot_bytes: u64,
    /// How many transactions may wait.
    pub queue_jobs_max: usize,
    /// How many transactions become durable with one sync, at most.
    pub group_jobs_max: usize,
    /// How many bytes of changes become durable with one sync, before the last transaction.
    pub group_bytes_max: usize,
    /// Free bytes that only removals may use.
    pub reserve_bytes: u64,
    /// What the index may keep in memory, bytes.
    pub cache_bytes: usize,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self {
            segment_bytes_max: 64 << 20,
            checkpoint_interval: Duration::from_secs(1),
            checkpoint_bytes_max: 64 << 20,
            retained_bytes_max: 1 << 30,
            snapshot_bytes: 512 << 20,
            queue_jobs_max: 4096,
            group_jobs_max: 1024,
            group_bytes_max: 8 << 20,
            reserve_bytes: 64 << 20,
            cache_bytes: 32 << 20,
        }
    }
}

/// What the two threads and the callers share.
pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) options: EmbeddedOptions,
    pub(crate) store: StoreId,
    /// Locked before `state`. Whoever holds it sees no group half done.
    pub(crate) log: Mutex<LogWriter>,
    pub(crate) state: RwLock<View>,
    /// `None` once it is closed.
    pub(crate) index: Mutex<Option<Index>>,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) feed: Feed,
    sequence: watch::Sender<Sequence>,
    failure: Mutex<Option<StoreError>>,
    has_failed: AtomicBool,
    closed: AtomicBool,
    room: Condvar,
    room_lock: Mutex<()>,
}

impl Shared {
    /// What is durable now.
    pub(crate) fn view(&self) -> View {
        self.state.read().clone()
    }

    /// Puts durable transactions where readers see them. The caller holds the log.
    pub(crate) fn show(&self, transactions: Vec<(u64, Vec<Change>)>) {
        let Some(last) = transactions.last().map(|(sequence, _)| *sequence) else { return };
        let active = self.state.read().active.clone();
        active.apply(transactions);
        self.state.write().sequence = last;
        self.sequence.send_replace(Sequence(last));
        self.checkpoints.changed(active.size_bytes() >= self.options.checkpoint_bytes_max);
    }

    /// Refuses writes from now on.
    pub(crate) fn fail(&self, failure: StoreError) {
        self.failure.lock().get_or_insert(failure);
        self.has_failed.store(true, Ordering::Release);
        self.room_made();
    }

    /// Why writes are refused.
    pub(crate) fn failure(&self) -> Option<StoreError> {
        if self.has_failed.load(Ordering::Acquire) { self.failure.lock().clone() } else { None }
    }

    /// Whether only removals may be written. A disk that does not tell is taken to have room: a write will show.
    pub(crate) fn low_on_space(&self) -> bool {
        self.disk.free_bytes().is_ok_and(|free| free < self.options.reserve_bytes)
    }

    /// Waits while the checkpoint of the frozen memtable is behind and the active one is full.
    pub(crate) fn wait_for_room(&self) {
        let full = || {
            let state = self.state.read();
            state.frozen.is_some() && state.active.size_bytes() >= 2 * self.options.checkpoint_bytes_max
        };
        let mut held = self.room_lock.lock();
        while full() && self.failure().is_none() && !self.checkpoints.are_stuck() {
            self.room.wait(&mut held);
        }
    }

    /// The checkpoint is done, or will not be.
    pub(crate) fn room_made(&self) {
        let _held = self.room_lock.lock();
        self.room.notify_all();
    }
}

/// A `Store` in a directory of one machine. See the module's description.
pub struct EmbeddedStore {
    shared: Arc<Shared>,
    jobs: mpsc::Sender<Message>,
    threads: Mutex<Option<(JoinHandle<()>, JoinHandle<()>)>>,
}

impl std::fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedStore").field("sequence", &*self.shared.sequence.borrow()).finish_non_exhaustive()
    }
}

impl EmbeddedStore {
    /// Opens the store on `disk`, which must be locked for this process, or makes a new one. Blocks while the log is replayed.
    ///
    /// `StoreError::Corrupt` means that acknowledged data is damaged: nothing was changed, and the message says what can be done.
    pub fn open(disk: Arc<dyn Disk>, options: EmbeddedOptions, runtime: &Runtime) -> Result<Self, StoreError> {
        let recovered = recovery::recover(&disk, runtime, options.segment_bytes_max, options.cache_bytes)?;
        let Recovered { store, index, log, tail, snapshots } = recovered;
        let base = Arc::new(index.snapshot()?);
        let Position { sequence, .. } = log.position();
        let checkpoints = Checkpoints::new(&*disk, store, &snapshots)?;
        let dirty = !tail.is_empty();
        let shared = Arc::new(Shared {
            feed: Feed::new(disk.clone(), log.segments()),
            disk,
            options,
            store,
            log: Mutex::new(log),
            state: RwLock::new(View { base, frozen: None, active: Arc::new(tail), sequence }),
            index: Mutex::new(Some(index)),
            checkpoints,
            sequence: watch::Sender::new(Sequence(sequence)),
            failure: Mutex::default(),
            has_failed: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            room: Condvar::new(),
            room_lock: Mutex::default(),
        });
        if dirty {
            shared.checkpoints.changed(false);
        }
        let (jobs, waiting) = mpsc::channel(options.queue_jobs_max.max(1));
        let spawned =
            |error: std::io::Error| StoreError::Failed { doing: "starting a thread", reason: error.to_string() };
        let theirs = shared.clone();
        let checkpointer = std::thread::Builder::new()
            .name("checkpointer".to_owned())
            .spawn(move || theirs.checkpoint_until_stopped())
            .map_err(spawned)?;
        let theirs = shared.clone();
        let committer =
            std::thread::Builder::new().name("committer".to_owned()).spawn(move || committer::run(&theirs, waiting));
        let committer = match committer {
            Ok(committer) => committer,
            Err(error) => {
                shared.checkpoints.stop();
                return Err(spawned(error));
            }
        };
        Ok(Self { shared, jobs, threads: Mutex::new(Some((committer, checkpointer))) })
    }

    /// Brings the index up to date now; blocks. A start after it replays nothing that was committed before it.
    pub fn checkpoint(&self) -> Result<(), StoreError> {
        if self.shared.closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        self.shared.checkpoint()
    }

    /// Writes a snapshot of all records into the log's directory now, and removes the segments that are then superfluous; blocks.
    pub fn write_snapshot(&self) -> Result<(), StoreError> {
        self.checkpoint()?;
        self.shared.write_snapshot()
    }

    /// Answers the waiting transactions, brings the index up to date, and ends the threads; blocks. Later calls do nothing.
    /// After an error the log still has everything that was acknowledged.
    pub fn close(&self) -> Result<(), StoreError> {
        let Some((committer, checkpointer)) = self.threads.lock().take() else { return Ok(()) };
        self.shared.closed.store(true, Ordering::Release);
        let jobs = self.jobs.clone();
        // The queue may be full; the committer empties it. `blocking_send` may not be called on an async thread.
        let mut message = Message::Close;
        loop {
            match jobs.try_send(message) {
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => break,
                Err(mpsc::error::TrySendError::Full(unsent)) => message = unsent,
            }
            std::thread::yield_now();
        }
        let panicked = committer.join().is_err();
        self.shared.checkpoints.stop();
        let panicked = checkpointer.join().is_err() || panicked;
        self.shared.checkpoints.join_snapshotter();
        let result = self.shared.checkpoint();
        *self.shared.index.lock() = None;
        if panicked {
            return Err(StoreError::Failed { doing: "closing", reason: "a thread of the store panicked".to_owned() });
        }
        result
    }

    /// Makes the index anew from the log and its snapshots; the store must be closed. Returns the last transaction in it.
    pub fn rebuild_index(disk: &dyn Disk, options: &EmbeddedOptions) -> Result<Sequence, StoreError> {
        recovery::rebuild_index(disk, options.cache_bytes).map(Sequence)
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::warn!(%error, "the metadata store did not close cleanly; the next start replays the log");
        }
    }
}

impl Store for EmbeddedStore {
    fn submit(&self, job: Job) -> BoxFuture<'_, Result<(), StoreError>> {
        async move {
            if self.shared.closed.load(Ordering::Acquire) {
                return Err(StoreError::Closed);
            }
            self.jobs.send(Message::Job(job)).await.map_err(|_| StoreError::Closed)
        }
        .boxed()
    }

    fn snapshot(&self) -> Result<Snapshot, StoreError> {
        if self.shared.closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        let view = self.shared.view();
        let sequence = Sequence(view.sequence);
        Ok(Snapshot::new(Arc::new(view), sequence))
    }

    fn changes_since(&self, after: Sequence, limit: usize) -> BoxFuture<'_, Result<Vec<Changed>, StoreError>> {
        let shared = self.shared.clone();
        async move {
            let visible = *shared.sequence.borrow();
            if after >= visible {
                return Ok(Vec::new());
            }
            tokio::task::spawn_blocking(move || shared.feed.read(after.0, visible.0, limit))
                .await
                .unwrap_or_else(|error| Err(StoreError::Panicked { reason: error.to_string() }))
        }
        .boxed()
    }

    fn wait_for_change(&self, after: Sequence) -> BoxFuture<'_, ()> {
        let mut watched = self.shared.sequence.subscribe();
        async move {
            // The sender lives in self, which this future borrows.
            let _ = watched.wait_for(|now| *now > after).await;
        }
        .boxed()
    }
}
