//! KMS: keys that never leave the lake, their aliases and policies, and what is encrypted under them. Knows no wire shapes and no S3.
//!
//! * A key's material is sealed under the lake's root key; what is encrypted under it names key and version, so that a decryption need not.
//! * A key's own policy decides who may use it; identity policies count only where the key's policy passes it on to the account.
//! * Every use takes the proof of a decision on that very key: `Proven` finds it there, or refuses.
//!
//! <https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html>

mod aliases;
mod asymmetric;
mod cipher;
mod context;
mod deletion;
mod errors;
mod grants;
mod import;
mod keys;
mod keyspaces;
mod kinds;
mod macs;
mod managed;
mod material;
mod paging;
mod policy;
mod records;
mod records_v1;
mod resolve;
mod rotation;
mod signing;
mod tags;
mod upkeep;

#[cfg(test)]
mod tests;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;
use tarn_audit::Caller;
use tarn_metadata::{Snapshot, Store, StoreExt, Tx};
use tarn_policy::{EntityIds, Organization, Policy};
use tarn_runtime::Runtime;

use self::material::Material;
use self::records::PolicyPrincipals;
use crate::Keys;

pub use asymmetric::{DataKeyPair, PublicKey, SharedSecret};
pub use cipher::{Cipher, Decrypted, Encrypted, GeneratedKey, PLAINTEXT_SIZE_BYTES_MAX};
pub use context::EncryptionContext;
pub use deletion::{PENDING_DAYS_DEFAULT, PENDING_DAYS_MAX, PENDING_DAYS_MIN};
pub use errors::KmsError;
pub use grants::{CreateGrant, GrantName};
pub use import::{ImportKeyMaterial, ImportParameters, WrappingAlgorithm};
pub use keys::CreateKey;
pub use keyspaces::{
    KMS_ALIASES, KMS_GRANT_COUNTS, KMS_GRANT_NAMES, KMS_GRANTEES, KMS_GRANTS, KMS_KEYS, KMS_MATERIAL, KMS_RETIRABLE,
};
pub use kinds::{EncryptionAlgorithm, GrantOperation, KeyOrigin, KeySpec, KeyUsage, MacAlgorithm, SigningAlgorithm};
pub use material::MaterialId;
pub use paging::{KmsPage, KmsPageRequest};
pub use policy::POLICY_NAME;
pub use records::{
    GrantConstraint, GrantCount, GrantRef, ImportedMaterial, KeyManager, KeyMaterial, KeyState, KmsAlias, KmsGrant,
    KmsKey, RotationKind, RotationSchedule,
};
pub use rotation::{KeyVersion, PERIOD_DAYS_MAX, PERIOD_DAYS_MIN};
pub use signing::Message;
pub use upkeep::KeyUpkeep;

/// How many keys' material is kept open.
const OPEN_COUNT_MAX: NonZeroUsize = match NonZeroUsize::new(256) {
    Some(count) => count,
    None => NonZeroUsize::MIN,
};
/// A day that nobody shortened.
pub const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// How many compiled policies are kept.
const COMPILED_COUNT_MAX: NonZeroUsize = match NonZeroUsize::new(256) {
    Some(count) => count,
    None => NonZeroUsize::MIN,
};

/// The lake's KMS. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Kms(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    keys: Arc<Keys>,
    runtime: Runtime,
    /// How long a day of rotations and deletions lasts.
    day_ms: i64,
    /// Of whose accounts policies of keys may speak.
    organization: Option<Arc<Organization>>,
    /// Who knows the ids of users and roles that policies name.
    entity_ids: Option<Arc<dyn EntityIds>>,
    /// By key and version. Whether a key may be used is read from its record each time: a disabled key's material is of no use to anybody.
    open: Mutex<LruCache<(String, u32), Material>>,
    /// By their text and whom they name: a key whose policy changes finds another entry.
    policies: Mutex<LruCache<(String, PolicyPrincipals), Arc<Policy>>>,
}

impl fmt::Debug for Kms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kms")
    }
}

impl Kms {
    /// Over what is in `store`, sealed by `keys`.
    pub fn new(
        store: Arc<dyn Store>,
        keys: Arc<Keys>,
        runtime: Runtime,
        day_ms: i64,
        organization: Option<Arc<Organization>>,
        entity_ids: Option<Arc<dyn EntityIds>>,
    ) -> Self {
        let open = Mutex::new(LruCache::new(OPEN_COUNT_MAX));
        let policies = Mutex::new(LruCache::new(COMPILED_COUNT_MAX));
        Self(Arc::new(Inner { store, keys, runtime, day_ms, organization, entity_ids, open, policies }))
    }

    fn snapshot(&self) -> Result<Snapshot, KmsError> {
        Ok(self.0.store.read()?)
    }

    fn now_ms(&self) -> i64 {
        self.0.runtime.now().as_millisecond()
    }

    fn days_from_now(&self, days: u32) -> i64 {
        self.now_ms().saturating_add(i64::from(days).saturating_mul(self.0.day_ms))
    }

    async fn commit<T, F>(&self, caller: &Caller, change: F) -> Result<T, KmsError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, KmsError> + Send + 'static,
    {
        caller.commit(&*self.0.store, change).await.map_err(KmsError::from)
    }
}
