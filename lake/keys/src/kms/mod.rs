//! KMS: keys that never leave the lake, their aliases and policies, and what is encrypted under them. Knows no wire shapes and no S3.
//!
//! * A key's material is sealed under the lake's root key; what is encrypted under it names key and version, so that a decryption need not.
//! * A key's own policy decides who may use it; identity policies count only where the key's policy passes it on to the account.
//! * Every use takes the proof of a decision on that very key: `Proven` finds it there, or refuses.
//!
//! <https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html>

mod aliases;
mod cipher;
mod context;
mod deletion;
mod errors;
mod keys;
mod keyspaces;
mod managed;
mod paging;
mod policy;
mod records;
mod resolve;
mod tags;

#[cfg(test)]
mod tests;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;
use tarn_audit::Caller;
use tarn_metadata::{Snapshot, Store, StoreExt, Tx};
use tarn_policy::Policy;
use tarn_runtime::Runtime;
use zeroize::Zeroizing;

use crate::Keys;

pub use cipher::{Decrypted, Encrypted, GeneratedKey, PLAINTEXT_SIZE_BYTES_MAX};
pub use context::EncryptionContext;
pub use deletion::{KeyDeletion, PENDING_DAYS_DEFAULT, PENDING_DAYS_MAX, PENDING_DAYS_MIN};
pub use errors::KmsError;
pub use keys::CreateKey;
pub use keyspaces::{KMS_ALIASES, KMS_KEYS, KMS_MATERIAL};
pub use paging::{KmsPage, KmsPageRequest};
pub use policy::POLICY_NAME;
pub use records::{KeyManager, KeyMaterial, KeyState, KmsAlias, KmsKey};

/// How many keys' material is kept open.
const OPEN_COUNT_MAX: NonZeroUsize = match NonZeroUsize::new(256) {
    Some(count) => count,
    None => NonZeroUsize::MIN,
};
/// How many compiled policies are kept.
const COMPILED_COUNT_MAX: NonZeroUsize = match NonZeroUsize::new(256) {
    Some(count) => count,
    None => NonZeroUsize::MIN,
};

/// The bytes of one version of a key.
type Material = Arc<Zeroizing<[u8; 32]>>;

/// The lake's KMS. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Kms(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    keys: Arc<Keys>,
    runtime: Runtime,
    /// By key and version. Whether a key may be used is read from its record each time: a disabled key's material is of no use to anybody.
    open: Mutex<LruCache<(String, u32), Material>>,
    /// By their text: a key whose policy changes finds another entry.
    policies: Mutex<LruCache<String, Arc<Policy>>>,
}

impl fmt::Debug for Kms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kms")
    }
}

impl Kms {
    /// Over what is in `store`, sealed by `keys`.
    pub fn new(store: Arc<dyn Store>, keys: Arc<Keys>, runtime: Runtime) -> Self {
        let (open, policies) = (LruCache::new(OPEN_COUNT_MAX), LruCache::new(COMPILED_COUNT_MAX));
        Self(Arc::new(Inner { store, keys, runtime, open: Mutex::new(open), policies: Mutex::new(policies) }))
    }

    fn snapshot(&self) -> Result<Snapshot, KmsError> {
        Ok(self.0.store.read()?)
    }

    fn now_ms(&self) -> i64 {
        self.0.runtime.now().as_millisecond()
    }

    async fn commit<T, F>(&self, caller: &Caller, change: F) -> Result<T, KmsError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, KmsError> + Send + 'static,
    {
        caller.commit(&*self.0.store, change).await.map_err(KmsError::from)
    }
}
