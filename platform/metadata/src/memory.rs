//! A store that forgets: for tests of the domains. Same contract as the durable one, but for durability.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::store::{
    Changed, Job, JobOutcome, RawRange, ReadView, Sequence, Snapshot, Store, StoreError, Tx, is_empty_range,
};

#[derive(Default, Clone)]
struct View(Arc<BTreeMap<Bytes, Bytes>>);

impl ReadView for View {
    fn get_raw(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.0.get(key).cloned())
    }

    fn range_raw(&self, range: &RawRange, limit: usize, reverse: bool) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        fn bound(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
            bound.as_ref().map(Vec::as_slice)
        }
        if is_empty_range(range) {
            return Ok(Vec::new());
        }
        let pairs = self.0.range::<[u8], _>((bound(&range.0), bound(&range.1)));
        let owned = |(key, value): (&Bytes, &Bytes)| (key.clone(), value.clone());
        Ok(if reverse { pairs.rev().take(limit).map(owned).collect() } else { pairs.take(limit).map(owned).collect() })
    }
}

#[derive(Default)]
struct State {
    view: View,
    log: Vec<Changed>,
}

/// Keeps everything in memory.
pub struct MemoryStore {
    state: Mutex<State>,
    sequence: watch::Sender<Sequence>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self { state: Mutex::default(), sequence: watch::Sender::new(Sequence(0)) }
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn run(&self, job: Job) {
        let mut state = self.state.lock();
        let next = Sequence(self.sequence.borrow().0 + 1);
        let base = state.view.clone();
        let mut tx = Tx::new(&base, next);
        let outcome = (job.run)(&mut tx);
        let changes = tx.into_changes();
        let mut sequence = *self.sequence.borrow();
        if outcome == JobOutcome::Commit && !changes.is_empty() {
            drop(base);
            let map = Arc::make_mut(&mut state.view.0);
            for change in &changes {
                match &change.value {
                    Some(value) => map.insert(change.key.clone(), value.clone()),
                    None => map.remove(&change.key),
                };
            }
            state.log.push(Changed { sequence: next, changes });
            sequence = next;
            self.sequence.send_replace(next);
        }
        drop(state);
        (job.done)(Ok(sequence));
    }
}

impl Store for MemoryStore {
    fn submit(&self, job: Job) -> BoxFuture<'_, Result<(), StoreError>> {
        self.run(job);
        futures::future::ready(Ok(())).boxed()
    }

    fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let state = self.state.lock();
        Ok(Snapshot::new(Arc::new(state.view.clone()), *self.sequence.borrow()))
    }

    fn changes_since(&self, after: Sequence, limit: usize) -> BoxFuture<'_, Result<Vec<Changed>, StoreError>> {
        let state = self.state.lock();
        let changed = state.log.iter().skip_while(|changed| changed.sequence <= after).take(limit).cloned().collect();
        futures::future::ready(Ok(changed)).boxed()
    }

    fn wait_for_change(&self, after: Sequence) -> BoxFuture<'_, ()> {
        let mut watched = self.sequence.subscribe();
        async move {
            // The sender lives in self, which this future borrows.
            let _ = watched.wait_for(|now| *now > after).await;
        }
        .boxed()
    }
}
