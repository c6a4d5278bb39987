//! The first stored forms of keys and their material, and what each becomes when it is read. Nothing writes them any more.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tarn_metadata::{Record, RecordError, decode_form};
use tarn_types::{AccountId, Region};

use super::kinds::{KeyOrigin, KeySpec, KeyUsage};
use super::records::{self, KeyManager, KeyState, RotationSchedule};
use super::rotation::MANAGED_PERIOD_DAYS;
use crate::SealedSecret;

/// Reads version 1 as `Old` and makes today's record of it.
pub(crate) fn migrate<R: Record, Old: DeserializeOwned + Into<R>>(
    version: u16,
    bytes: &[u8],
) -> Result<R, RecordError> {
    if version != 1 {
        return Err(RecordError::Version { found: version, known: R::VERSION });
    }
    decode_form::<Old>(bytes).map(Into::into)
}

#[derive(Deserialize)]
pub(crate) struct KmsKey {
    pub(crate) id: String,
    pub(crate) account: AccountId,
    pub(crate) region: Region,
    pub(crate) state: KeyState,
    pub(crate) manager: KeyManager,
    pub(crate) description: String,
    pub(crate) policy: String,
    pub(crate) created_ms: i64,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) version: u32,
}

/// All keys were symmetric then. Keys of services rotate, as they always do on AWS.
impl From<KmsKey> for records::KmsKey {
    fn from(old: KmsKey) -> Self {
        let rotation = match old.manager {
            KeyManager::Aws => Some(RotationSchedule {
                period_days: MANAGED_PERIOD_DAYS,
                next_ms: old.created_ms + i64::from(MANAGED_PERIOD_DAYS) * super::DAY_MS,
            }),
            KeyManager::Customer => None,
        };
        Self {
            id: old.id,
            account: old.account,
            region: old.region,
            state: old.state,
            manager: old.manager,
            description: old.description,
            policy: old.policy,
            created_ms: old.created_ms,
            tags: old.tags,
            version: old.version,
            spec: KeySpec::SymmetricDefault,
            usage: KeyUsage::EncryptDecrypt,
            origin: KeyOrigin::AwsKms,
            rotation,
            imported: None,
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct KeyMaterial {
    pub(crate) created_ms: i64,
    pub(crate) sealed: SealedSecret,
}

impl From<KeyMaterial> for records::KeyMaterial {
    fn from(old: KeyMaterial) -> Self {
        Self { created_ms: old.created_ms, sealed: old.sealed, rotation: None }
    }
}
