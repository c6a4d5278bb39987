//! What is in the log and not yet in the index, and a state made of both. Knows neither the log's form nor the index's.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::RwLock;

use crate::index::IndexSnapshot;
use crate::store::{Change, RawRange, ReadView, StoreError, is_empty_range};

/// How many pairs are copied out under one hold of the lock.
const CURSOR_PAIRS: usize = 64;
/// What an entry takes beside its key and value, bytes, roughly.
const ENTRY_OVERHEAD_BYTES: usize = 96;

/// A key's values by sequence number, ascending; `None` is a removal.
type Versions = Vec<(u64, Option<Bytes>)>;

/// Committed changes since some checkpoint. One thread adds; any number read the state at a sequence number.
#[derive(Default)]
pub(crate) struct Memtable {
    keys: RwLock<BTreeMap<Bytes, Versions>>,
    size_bytes: AtomicUsize,
}

fn at(versions: &Versions, sequence: u64) -> Option<&Option<Bytes>> {
    versions.iter().rev().find(|(version, _)| *version <= sequence).map(|(_, value)| value)
}

pub(crate) fn bounds(range: &RawRange) -> (Bound<&[u8]>, Bound<&[u8]>) {
    (range.0.as_ref().map(Vec::as_slice), range.1.as_ref().map(Vec::as_slice))
}

impl Memtable {
    /// Adds one transaction; not seen by readers at lower sequence numbers.
    pub(crate) fn apply(&self, transactions: impl IntoIterator<Item = (u64, Vec<Change>)>) {
        let mut keys = self.keys.write();
        let mut added = 0;
        for (sequence, changes) in transactions {
            for change in changes {
                added += change.key.len() + change.value.as_ref().map_or(0, Bytes::len) + ENTRY_OVERHEAD_BYTES;
                keys.entry(change.key).or_default().push((sequence, change.value));
            }
        }
        self.size_bytes.fetch_add(added, Ordering::Relaxed);
    }

    pub(crate) fn size_bytes(&self) -> usize {
        self.size_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.read().is_empty()
    }

    /// The value at `sequence`; `Some(None)` where it was removed, `None` where this table says nothing.
    fn get(&self, key: &[u8], sequence: u64) -> Option<Option<Bytes>> {
        at(self.keys.read().get(key)?, sequence).cloned()
    }

    /// Calls `each` with the newest value of every key, in order, until it fails.
    pub(crate) fn latest<E>(&self, mut each: impl FnMut(&[u8], Option<&Bytes>) -> Result<(), E>) -> Result<(), E> {
        for (key, versions) in self.keys.read().iter() {
            if let Some((_, value)) = versions.last() {
                each(key, value.as_ref())?;
            }
        }
        Ok(())
    }

    fn cursor(&self, range: &RawRange, sequence: u64, reverse: bool) -> Cursor<'_> {
        Cursor { table: self, range: range.clone(), sequence, reverse, batch: Vec::new().into_iter(), done: false }
    }
}

/// Reads a memtable's range a few pairs at a time, so that the committer is never kept waiting.
struct Cursor<'a> {
    table: &'a Memtable,
    range: RawRange,
    sequence: u64,
    reverse: bool,
    batch: std::vec::IntoIter<Pair>,
    done: bool,
}

/// A key and its value, or that it was removed.
type Pair = (Bytes, Option<Bytes>);

impl Cursor<'_> {
    fn fill(&mut self) {
        if is_empty_range(&self.range) {
            self.done = true;
            return;
        }
        let mut batch = Vec::new();
        let mut last: Option<Bytes> = None;
        {
            let keys = self.table.keys.read();
            let mut pairs = keys.range::<[u8], _>(bounds(&self.range));
            // Keys that only later transactions wrote count too: the lock is held for a bounded time.
            for _ in 0..CURSOR_PAIRS {
                let Some((key, versions)) = (if self.reverse { pairs.next_back() } else { pairs.next() }) else {
                    self.done = true;
                    break;
                };
                if let Some(value) = at(versions, self.sequence) {
                    batch.push((key.clone(), value.clone()));
                }
                last = Some(key.clone());
            }
        }
        if let Some(last) = last {
            let bound = Bound::Excluded(last.to_vec());
            if self.reverse { self.range.1 = bound } else { self.range.0 = bound }
        }
        self.batch = batch.into_iter();
    }
}

impl Iterator for Cursor<'_> {
    type Item = Result<Pair, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(pair) = self.batch.next() {
                return Some(Ok(pair));
            }
            if self.done {
                return None;
            }
            self.fill();
        }
    }
}

/// One sorted source of a merge.
pub(crate) type Source<'a> = Box<dyn Iterator<Item = Result<Pair, StoreError>> + 'a>;

/// Up to `limit` pairs of several sources sorted alike; where they have the same key the first source wins.
pub(crate) fn merge(sources: Vec<Source<'_>>, limit: usize, reverse: bool) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
    let mut heads = Vec::with_capacity(sources.len());
    for mut source in sources {
        heads.push((source.next().transpose()?, source));
    }
    let mut merged = Vec::new();
    while merged.len() < limit {
        let keys = heads.iter().filter_map(|(head, _)| head.as_ref().map(|(key, _)| key));
        let Some(next) = (if reverse { keys.max() } else { keys.min() }).cloned() else { break };
        let mut found = None;
        for (head, source) in &mut heads {
            if head.as_ref().is_some_and(|(key, _)| *key == next)
                && let Some((_, value)) = std::mem::replace(head, source.next().transpose()?)
            {
                found.get_or_insert(value);
            }
        }
        if let Some(Some(value)) = found {
            merged.push((next, value));
        }
    }
    Ok(merged)
}

/// A state: the index at its last checkpoint, and what was committed since, up to a sequence number.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) base: Arc<IndexSnapshot>,
    /// Being written to the index.
    pub(crate) frozen: Option<Arc<Memtable>>,
    pub(crate) active: Arc<Memtable>,
    pub(crate) sequence: u64,
}

impl View {
    fn sources<'a>(&'a self, range: &'a RawRange, reverse: bool) -> Result<Vec<Source<'a>>, StoreError> {
        let mut sources: Vec<Source<'a>> = vec![Box::new(self.active.cursor(range, self.sequence, reverse))];
        if let Some(frozen) = &self.frozen {
            sources.push(Box::new(frozen.cursor(range, self.sequence, reverse)));
        }
        sources.push(self.base.range(range, reverse)?);
        Ok(sources)
    }
}

impl ReadView for View {
    fn get_raw(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let recent = self.active.get(key, self.sequence);
        match recent.or_else(|| self.frozen.as_ref().and_then(|frozen| frozen.get(key, self.sequence))) {
            Some(value) => Ok(value),
            None => self.base.get(key),
        }
    }

    fn range_raw(&self, range: &RawRange, limit: usize, reverse: bool) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        if is_empty_range(range) {
            return Ok(Vec::new());
        }
        merge(self.sources(range, reverse)?, limit, reverse)
    }
}

/// The state that the next transaction of a group sees: what is durable, and the group's own changes so far.
pub(crate) struct GroupView<'a> {
    pub(crate) base: &'a View,
    pub(crate) pending: &'a BTreeMap<Bytes, Option<Bytes>>,
}

impl ReadView for GroupView<'_> {
    fn get_raw(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        match self.pending.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.base.get_raw(key),
        }
    }

    fn range_raw(&self, range: &RawRange, limit: usize, reverse: bool) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        if is_empty_range(range) {
            return Ok(Vec::new());
        }
        let pending = self.pending.range::<[u8], _>(bounds(range));
        let owned = |(key, value): (&Bytes, &Option<Bytes>)| Ok((key.clone(), value.clone()));
        let mut sources: Vec<Source<'_>> =
            vec![if reverse { Box::new(pending.rev().map(owned)) } else { Box::new(pending.map(owned)) }];
        sources.extend(self.base.sources(range, reverse)?);
        merge(sources, limit, reverse)
    }
}
