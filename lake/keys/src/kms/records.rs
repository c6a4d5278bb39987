//! What the store keeps of KMS keys, their material and their aliases. Plain data with a version; knows no calls.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tarn_metadata::{Key, Record};
use tarn_types::{AccountId, Arn, Region};

use crate::SealedSecret;

/// Whether a key can be used.
/// <https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyState {
    /// For everything.
    Enabled,
    /// For nothing, until it is enabled again.
    Disabled,
    /// For nothing; its material is destroyed when the time comes.
    PendingDeletion {
        /// When, milliseconds since 1970.
        deletion_ms: i64,
    },
}

/// Who made a key, and so who may change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyManager {
    /// A service of the lake, for an account's first use of it.
    Aws,
    /// The account.
    Customer,
}

/// A symmetric key for encryption.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KmsKey {
    /// A UUID.
    pub id: String,
    /// Whose it is.
    pub account: AccountId,
    /// Where it is.
    pub region: Region,
    /// Whether it can be used.
    pub state: KeyState,
    /// Who made it.
    pub manager: KeyManager,
    /// For people.
    pub description: String,
    /// Its policy, as it was put.
    pub policy: String,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The version of its material that encrypts; older ones still decrypt.
    pub version: u32,
}

impl Record for KmsKey {
    const VERSION: u16 = 1;
}

impl KmsKey {
    /// `arn:aws:kms:REGION:ACCOUNT:key/ID`.
    pub fn arn(&self) -> Arn {
        Arn::regional("kms", &self.region, &self.account, format!("key/{}", self.id))
    }
}

/// One version of a key's material.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyMaterial {
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
    /// Sealed by the lake's root key, for this key and version.
    pub sealed: SealedSecret,
}

impl Record for KeyMaterial {
    const VERSION: u16 = 1;
}

/// A name of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KmsAlias {
    /// `alias/...`.
    pub name: String,
    /// Whose it is.
    pub account: AccountId,
    /// Where it is.
    pub region: Region,
    /// The id of the key it names, of the same account.
    pub key_id: String,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
    /// When it was last made to name another key, milliseconds since 1970.
    pub updated_ms: i64,
}

impl Record for KmsAlias {
    const VERSION: u16 = 1;
}

impl KmsAlias {
    /// `arn:aws:kms:REGION:ACCOUNT:alias/NAME`.
    pub fn arn(&self) -> Arn {
        Arn::regional("kms", &self.region, &self.account, self.name.clone())
    }
}

pub(crate) fn account_key(account: &AccountId) -> Key {
    Key::new().text(account.as_str())
}

pub(crate) fn kms_key(account: &AccountId, id: &str) -> Key {
    account_key(account).text(id)
}

pub(crate) fn material_key(account: &AccountId, id: &str, version: u32) -> Key {
    kms_key(account, id).u32(version)
}

pub(crate) fn alias_key(account: &AccountId, name: &str) -> Key {
    account_key(account).text(name)
}
