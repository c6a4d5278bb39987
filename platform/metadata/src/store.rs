//! The store's contract: transactions, snapshots, the change feed. Knows no implementation.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::keyspace::{Key, Keyspace, Record, RecordError, decode_record, encode_record};
use crate::{KEY_SIZE_BYTES_MAX, TRANSACTION_SIZE_BYTES_MAX};

/// Counts transactions that changed something; the first is 1. Strictly growing, in commit order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
pub struct Sequence(pub u64);

/// Why the store itself could not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The disk failed; the store refuses writes until it is opened again.
    #[error("the metadata log failed while {doing}: {reason}; the server must be restarted once the drive is sound")]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        reason: String,
    },
    /// No room is left; reads and deletes go on.
    #[error("the disk has no room for the metadata log: free space on the data directory's drive")]
    NoSpace,
    /// A record does not decode or encode.
    #[error("a record of {keyspace}: {source}")]
    Record {
        /// Its keyspace.
        keyspace: &'static str,
        /// Why.
        source: RecordError,
    },
    /// Bytes on disk are not what was written.
    #[error("the metadata is damaged at {place}: {reason}")]
    Corrupt {
        /// File and offset, or key.
        place: String,
        /// What was wrong.
        reason: String,
    },
    /// One transaction may not change so much.
    #[error("a transaction changes more than {size_bytes_max} bytes")]
    TransactionTooLarge {
        /// The limit.
        size_bytes_max: usize,
    },
    /// What was to be written beside a change has no ground any more; the change was not made either.
    #[error("{what} is not wanted any more: nothing was changed")]
    Overtaken {
        /// What was under way.
        what: &'static str,
    },
    /// A key is too long.
    #[error("a key of {keyspace} has {size_bytes} bytes, more than {size_bytes_max}")]
    KeyTooLarge {
        /// Its keyspace.
        keyspace: &'static str,
        /// Its size.
        size_bytes: usize,
        /// The limit.
        size_bytes_max: usize,
    },
    /// A transaction's own code panicked; it changed nothing.
    #[error("a transaction panicked and changed nothing: {reason}; this is a defect of the server, please report it")]
    Panicked {
        /// What the panic said.
        reason: String,
    },
    /// The server is stopping.
    #[error("the metadata store is closed: the server is stopping, try again")]
    Closed,
}

/// What a `write` came to when it did not commit. Nothing was changed, except with `Store(Failed)` where it is not known.
#[derive(Debug, thiserror::Error)]
pub enum WriteError<E> {
    /// The closure refused.
    #[error("{0}")]
    Refused(E),
    /// The store could not.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// A range of raw keys.
pub type RawRange = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// Read access to a state: keys are complete, with their keyspace in front.
pub trait ReadView: Send + Sync {
    /// The value at `key`.
    fn get_raw(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError>;
    /// Up to `limit` pairs of `range` in order, or from the end backwards with `reverse`.
    fn range_raw(&self, range: &RawRange, limit: usize, reverse: bool) -> Result<Vec<(Bytes, Bytes)>, StoreError>;
}

/// Whether no key can be in `range`: such bounds would panic in `BTreeMap::range`.
pub(crate) fn is_empty_range(range: &RawRange) -> bool {
    match (&range.0, &range.1) {
        (Bound::Included(a), Bound::Included(b)) => a > b,
        (Bound::Included(a) | Bound::Excluded(a), Bound::Excluded(b)) | (Bound::Excluded(a), Bound::Included(b)) => {
            a >= b
        }
        _ => false,
    }
}

/// How many pairs a range reads from the view at a time.
const RANGE_BATCH: usize = 256;

fn full_key<R: Record>(keyspace: Keyspace<R>, key: &Key) -> Vec<u8> {
    let mut full = Vec::with_capacity(2 + key.as_bytes().len());
    full.extend_from_slice(&keyspace.id.to_be_bytes());
    full.extend_from_slice(key.as_bytes());
    full
}

fn full_range<R: Record>(keyspace: Keyspace<R>, from: Bound<&Key>, to: Bound<&Key>) -> RawRange {
    let full = |key: &Key| full_key(keyspace, key);
    let from = match from {
        Bound::Unbounded => Bound::Included(full(&Key::new())),
        Bound::Included(key) => Bound::Included(full(key)),
        Bound::Excluded(key) => Bound::Excluded(full(key)),
    };
    let to = match to {
        Bound::Unbounded => match Key::new().raw(&keyspace.id.to_be_bytes()).after_prefix() {
            Some(end) => Bound::Excluded(end.as_bytes().to_vec()),
            None => Bound::Unbounded,
        },
        Bound::Included(key) => Bound::Included(full(key)),
        Bound::Excluded(key) => Bound::Excluded(full(key)),
    };
    (from, to)
}

/// Typed reads, the same over a snapshot and a transaction.
pub trait Read {
    /// The state read from.
    fn view(&self) -> &dyn ReadView;

    /// The record at `key`.
    fn get<R: Record>(&self, keyspace: Keyspace<R>, key: &Key) -> Result<Option<R>, StoreError> {
        match self.view().get_raw(&full_key(keyspace, key))? {
            None => Ok(None),
            Some(bytes) => {
                decode_record(&bytes).map(Some).map_err(|source| StoreError::Record { keyspace: keyspace.name, source })
            }
        }
    }

    /// Whether `key` has a record.
    fn contains<R: Record>(&self, keyspace: Keyspace<R>, key: &Key) -> Result<bool, StoreError> {
        Ok(self.view().get_raw(&full_key(keyspace, key))?.is_some())
    }

    /// The records whose keys begin with `prefix`, in order, read lazily in batches.
    fn prefix<R: Record>(&self, keyspace: Keyspace<R>, prefix: &Key) -> Range<'_, R> {
        let to = prefix.after_prefix();
        self.range(keyspace, Bound::Included(prefix), to.as_ref().map_or(Bound::Unbounded, Bound::Excluded))
    }

    /// The records between two keys, in order, read lazily in batches.
    fn range<R: Record>(&self, keyspace: Keyspace<R>, from: Bound<&Key>, to: Bound<&Key>) -> Range<'_, R> {
        Range {
            view: self.view(),
            keyspace,
            range: full_range(keyspace, from, to),
            reverse: false,
            batch: Vec::new().into_iter(),
            done: false,
        }
    }

    /// As `range`, from the last to the first.
    fn range_reverse<R: Record>(&self, keyspace: Keyspace<R>, from: Bound<&Key>, to: Bound<&Key>) -> Range<'_, R> {
        let mut range = self.range(keyspace, from, to);
        range.reverse = true;
        range
    }

    /// As `prefix`, from the last to the first.
    fn prefix_reverse<R: Record>(&self, keyspace: Keyspace<R>, prefix: &Key) -> Range<'_, R> {
        let mut range = self.prefix(keyspace, prefix);
        range.reverse = true;
        range
    }
}

/// Lazily reads records in key order; the keys come without their keyspace.
pub struct Range<'a, R> {
    view: &'a dyn ReadView,
    keyspace: Keyspace<R>,
    range: RawRange,
    reverse: bool,
    batch: std::vec::IntoIter<(Bytes, Bytes)>,
    done: bool,
}

impl<R: Record> Range<'_, R> {
    fn next_raw(&mut self) -> Result<Option<(Bytes, Bytes)>, StoreError> {
        if let Some(pair) = self.batch.next() {
            return Ok(Some(pair));
        }
        if self.done {
            return Ok(None);
        }
        let pairs = self.view.range_raw(&self.range, RANGE_BATCH, self.reverse)?;
        self.done = pairs.len() < RANGE_BATCH;
        if let Some((last, _)) = pairs.last() {
            let bound = Bound::Excluded(last.to_vec());
            if self.reverse { self.range.1 = bound } else { self.range.0 = bound }
        }
        self.batch = pairs.into_iter();
        Ok(self.batch.next())
    }
}

impl<R: Record> Iterator for Range<'_, R> {
    type Item = Result<(Key, R), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.next_raw() {
            Ok(None) => None,
            Ok(Some((key, value))) => {
                let key = Key::from(key.get(2..).unwrap_or_default().to_vec());
                Some(match decode_record(&value) {
                    Ok(record) => Ok((key, record)),
                    Err(source) => Err(StoreError::Record { keyspace: self.keyspace.name, source }),
                })
            }
            Err(error) => {
                self.done = true;
                Some(Err(error))
            }
        }
    }
}

/// A state that does not change: all that was durable when it was taken. Cheap to clone.
#[derive(Clone)]
pub struct Snapshot {
    view: Arc<dyn ReadView>,
    sequence: Sequence,
}

impl Snapshot {
    /// For implementations of `Store`.
    pub fn new(view: Arc<dyn ReadView>, sequence: Sequence) -> Self {
        Self { view, sequence }
    }

    /// The last transaction it holds.
    pub fn sequence(&self) -> Sequence {
        self.sequence
    }
}

impl Read for Snapshot {
    fn view(&self) -> &dyn ReadView {
        &*self.view
    }
}

/// One transaction: reads see the latest state and its own writes.
pub struct Tx<'a> {
    overlay: Overlay<'a>,
    sequence: Sequence,
    size_bytes: usize,
    /// Effects asked for, by their outbox's keyspace. No other transaction has its sequence, so none has a place among them.
    positions: BTreeMap<u16, u32>,
}

struct Overlay<'a> {
    base: &'a dyn ReadView,
    changes: BTreeMap<Vec<u8>, Option<Bytes>>,
}

impl ReadView for Overlay<'_> {
    fn get_raw(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        match self.changes.get(key) {
            Some(change) => Ok(change.clone()),
            None => self.base.get_raw(key),
        }
    }

    fn range_raw(&self, range: &RawRange, limit: usize, reverse: bool) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        let empty = is_empty_range(range);
        if empty {
            return Ok(Vec::new());
        }
        // Every change in the range can hide one pair of the base.
        let changed = self.changes.range::<Vec<u8>, _>((range.0.as_ref(), range.1.as_ref())).count();
        let mut merged: BTreeMap<Bytes, Bytes> =
            self.base.range_raw(range, limit.saturating_add(changed), reverse)?.into_iter().collect();
        for (key, change) in self.changes.range::<Vec<u8>, _>((range.0.as_ref(), range.1.as_ref())) {
            match change {
                Some(value) => {
                    merged.insert(Bytes::copy_from_slice(key), value.clone());
                }
                None => {
                    merged.remove(key.as_slice());
                }
            }
        }
        Ok(if reverse {
            merged.into_iter().rev().take(limit).collect()
        } else {
            merged.into_iter().take(limit).collect()
        })
    }
}

impl Read for Tx<'_> {
    fn view(&self) -> &dyn ReadView {
        &self.overlay
    }
}

impl<'a> Tx<'a> {
    /// For implementations of `Store`: `sequence` is the one this transaction will have.
    pub fn new(base: &'a dyn ReadView, sequence: Sequence) -> Self {
        let overlay = Overlay { base, changes: BTreeMap::new() };
        Self { overlay, sequence, size_bytes: 0, positions: BTreeMap::new() }
    }

    /// The sequence number this transaction has if it commits with a change.
    pub fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// The place of the next effect that this transaction asks for in an outbox.
    pub(crate) fn next_position(&mut self, keyspace: u16) -> u32 {
        let next = self.positions.entry(keyspace).or_default();
        let position = *next;
        *next = next.saturating_add(1);
        position
    }

    /// Sets the record at `key`.
    pub fn put<R: Record>(&mut self, keyspace: Keyspace<R>, key: &Key, record: &R) -> Result<(), StoreError> {
        let value = encode_record(record).map_err(|source| StoreError::Record { keyspace: keyspace.name, source })?;
        self.change(keyspace.name, full_key(keyspace, key), Some(value.into()))
    }

    /// Removes the record at `key`, if there is one.
    pub fn delete<R: Record>(&mut self, keyspace: Keyspace<R>, key: &Key) -> Result<(), StoreError> {
        self.change(keyspace.name, full_key(keyspace, key), None)
    }

    fn change(&mut self, keyspace: &'static str, key: Vec<u8>, value: Option<Bytes>) -> Result<(), StoreError> {
        if key.len() > KEY_SIZE_BYTES_MAX {
            return Err(StoreError::KeyTooLarge {
                keyspace,
                size_bytes: key.len(),
                size_bytes_max: KEY_SIZE_BYTES_MAX,
            });
        }
        self.size_bytes += key.len() + value.as_ref().map_or(0, Bytes::len);
        if self.size_bytes > TRANSACTION_SIZE_BYTES_MAX {
            return Err(StoreError::TransactionTooLarge { size_bytes_max: TRANSACTION_SIZE_BYTES_MAX });
        }
        self.overlay.changes.insert(key, value);
        Ok(())
    }

    /// For implementations of `Store`: what changed, in key order.
    pub fn into_changes(self) -> Vec<Change> {
        self.overlay.changes.into_iter().map(|(key, value)| Change { key: key.into(), value }).collect()
    }
}

/// One key's new value, or `None` where it was removed. The key has its keyspace in front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Keyspace and key.
    pub key: Bytes,
    /// The stored record.
    pub value: Option<Bytes>,
}

impl Change {
    /// The key within `keyspace` and the new record, if this change is of that keyspace.
    pub fn of<R: Record>(&self, keyspace: Keyspace<R>) -> Option<Result<(Key, Option<R>), StoreError>> {
        let key = self.key.strip_prefix(&keyspace.id.to_be_bytes())?;
        let record = self.value.as_ref().map(|value| decode_record(value)).transpose();
        Some(match record {
            Ok(record) => Ok((Key::from(key.to_vec()), record)),
            Err(source) => Err(StoreError::Record { keyspace: keyspace.name, source }),
        })
    }
}

/// One committed transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Its number.
    pub sequence: Sequence,
    /// What it changed.
    pub changes: Vec<Change>,
}

/// Whether a job's transaction is to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobOutcome {
    /// Make it durable, then answer.
    Commit,
    /// Drop it.
    Abort,
}

/// A transaction's closure and what to do when its fate is known; made by `StoreExt::write`.
pub struct Job {
    /// Runs once, on the committer, on the latest state. Must not block.
    pub run: Box<dyn FnOnce(&mut Tx<'_>) -> JobOutcome + Send>,
    /// Called once: after the commit is durable and visible (`Ok`; also for an abort), or with why it is not.
    pub done: Box<dyn FnOnce(Result<Sequence, StoreError>) + Send>,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Job")
    }
}

/// A durable, ordered, transactional store. Serializable: transactions have one order, and each sees all before it.
pub trait Store: Send + Sync {
    /// Queues a transaction; waits (without blocking the thread) while the queue is full.
    fn submit(&self, job: Job) -> BoxFuture<'_, Result<(), StoreError>>;
    /// What is durable now.
    fn snapshot(&self) -> Result<Snapshot, StoreError>;
    /// Up to `limit` transactions after `after`, in order. Empty if there are none yet.
    /// Transactions older than the retained log answer `StoreError::Corrupt`; whoever follows the feed then starts from a snapshot.
    fn changes_since(&self, after: Sequence, limit: usize) -> BoxFuture<'_, Result<Vec<Changed>, StoreError>>;
    /// Ends when a transaction after `after` is visible.
    fn wait_for_change(&self, after: Sequence) -> BoxFuture<'_, ()>;
}

/// Typed use of a `Store`.
pub trait StoreExt: Store {
    /// Runs `run` as one transaction. On `Ok` its changes are durable; on `Err` nothing happened.
    fn write<T, E, F>(&self, run: F) -> impl Future<Output = Result<T, WriteError<E>>> + Send
    where
        T: Send + 'static,
        E: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    {
        async move {
            let (answer, answered) = tokio::sync::oneshot::channel();
            let result = Arc::new(parking_lot::Mutex::new(None));
            let kept = result.clone();
            let job = Job {
                run: Box::new(move |tx| {
                    let outcome = run(tx);
                    let commit = if outcome.is_ok() { JobOutcome::Commit } else { JobOutcome::Abort };
                    *kept.lock() = Some(outcome);
                    commit
                }),
                done: Box::new(move |fate| {
                    // The caller may have gone away; the commit stands.
                    let _ = answer.send(fate);
                }),
            };
            self.submit(job).await?;
            answered.await.unwrap_or(Err(StoreError::Closed))?;
            let outcome = result.lock().take();
            match outcome {
                Some(Ok(value)) => Ok(value),
                Some(Err(refusal)) => Err(WriteError::Refused(refusal)),
                None => Err(WriteError::Store(StoreError::Closed)),
            }
        }
    }

    /// A snapshot of what is durable.
    fn read(&self) -> Result<Snapshot, StoreError> {
        self.snapshot()
    }
}

impl<S: Store + ?Sized> StoreExt for S {}
