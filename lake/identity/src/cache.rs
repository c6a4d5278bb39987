//! Answers to what every request asks, kept until anything changes. Knows nothing of how answers are found.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;
use tarn_policy::Policy;
use tarn_types::AccountId;

use crate::AccessKey;

/// Access keys, and users' policies, that are kept.
const CACHED_MAX: NonZeroUsize = match NonZeroUsize::new(4_096) {
    Some(max) => max,
    None => NonZeroUsize::MIN,
};

struct State {
    /// Grows with every change: what was read before a change must not be kept after it.
    generation: u64,
    access_keys: LruCache<String, AccessKey>,
    policies: LruCache<(AccountId, String), Arc<[Arc<Policy>]>>,
}

pub(crate) struct Cache(Mutex<State>);

/// The time of a lookup, to be taken before the store is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Generation(u64);

impl Cache {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State {
            generation: 0,
            access_keys: LruCache::new(CACHED_MAX),
            policies: LruCache::new(CACHED_MAX),
        }))
    }

    pub(crate) fn forget(&self) {
        let mut state = self.0.lock();
        state.generation += 1;
        state.access_keys.clear();
        state.policies.clear();
    }

    pub(crate) fn access_key(&self, id: &str) -> Result<AccessKey, Generation> {
        let mut state = self.0.lock();
        let generation = Generation(state.generation);
        state.access_keys.get(id).cloned().ok_or(generation)
    }

    pub(crate) fn keep_access_key(&self, at: Generation, id: &str, key: &AccessKey) {
        let mut state = self.0.lock();
        if state.generation == at.0 {
            state.access_keys.put(id.to_owned(), key.clone());
        }
    }

    pub(crate) fn policies(&self, account: &AccountId, user_id: &str) -> Result<Arc<[Arc<Policy>]>, Generation> {
        let mut state = self.0.lock();
        let generation = Generation(state.generation);
        state.policies.get(&(account.clone(), user_id.to_owned())).cloned().ok_or(generation)
    }

    pub(crate) fn keep_policies(
        &self,
        at: Generation,
        account: &AccountId,
        user_id: &str,
        policies: &Arc<[Arc<Policy>]>,
    ) {
        let mut state = self.0.lock();
        if state.generation == at.0 {
            state.policies.put((account.clone(), user_id.to_owned()), policies.clone());
        }
    }
}
