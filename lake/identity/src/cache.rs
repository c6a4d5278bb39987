//! Answers to what every request asks, kept until anything changes. Knows nothing of how answers are found.

use std::num::NonZeroUsize;

use lru::LruCache;
use parking_lot::Mutex;
use tarn_policy::HeldPolicies;
use tarn_types::AccountId;

use crate::AccessKey;

/// Access keys, and users' and roles' policies, that are kept.
const CACHED_MAX: NonZeroUsize = match NonZeroUsize::new(4_096) {
    Some(max) => max,
    None => NonZeroUsize::MIN,
};

struct State {
    /// Grows with every change: what was read before a change must not be kept after it.
    generation: u64,
    access_keys: LruCache<String, AccessKey>,
    /// By access key id and token: only a hash that is the same leads to a comparison, so that its time tells nothing of a token.
    sessions: LruCache<(String, String), (AccessKey, i64)>,
    held: LruCache<(AccountId, String), HeldPolicies>,
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
            sessions: LruCache::new(CACHED_MAX),
            held: LruCache::new(CACHED_MAX),
        }))
    }

    pub(crate) fn forget(&self) {
        let mut state = self.0.lock();
        state.generation += 1;
        state.access_keys.clear();
        state.sessions.clear();
        state.held.clear();
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

    /// A session's key, and when it ends.
    pub(crate) fn session(&self, id: &str, token: &str) -> Result<(AccessKey, i64), Generation> {
        let mut state = self.0.lock();
        let generation = Generation(state.generation);
        state.sessions.get(&(id.to_owned(), token.to_owned())).cloned().ok_or(generation)
    }

    pub(crate) fn keep_session(&self, at: Generation, id: &str, token: &str, key: &AccessKey, expires_ms: i64) {
        let mut state = self.0.lock();
        if state.generation == at.0 {
            state.sessions.put((id.to_owned(), token.to_owned()), (key.clone(), expires_ms));
        }
    }

    pub(crate) fn held(&self, account: &AccountId, id: &str) -> Result<HeldPolicies, Generation> {
        let mut state = self.0.lock();
        let generation = Generation(state.generation);
        state.held.get(&(account.clone(), id.to_owned())).cloned().ok_or(generation)
    }

    pub(crate) fn keep_held(&self, at: Generation, account: &AccountId, id: &str, held: &HeldPolicies) {
        let mut state = self.0.lock();
        if state.generation == at.0 {
            state.held.put((account.clone(), id.to_owned()), held.clone());
        }
    }
}
