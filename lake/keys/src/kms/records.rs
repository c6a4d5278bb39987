//! What the store keeps of KMS keys, their material and their aliases. Plain data with a version; knows no calls.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tarn_metadata::{Key, Record, RecordError};
use tarn_types::{AccountId, Arn, Region};

use super::EncryptionContext;
use super::kinds::{GrantOperation, KeyOrigin, KeySpec, KeyUsage};
use super::records_v1;
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
    /// For nothing, until its owner brings its material.
    PendingImport,
}

/// Who made a key, and so who may change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyManager {
    /// A service of the lake, for an account's first use of it.
    Aws,
    /// The account.
    Customer,
}

/// When a key gets new material by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationSchedule {
    /// How often.
    pub period_days: u32,
    /// When next, milliseconds since 1970.
    pub next_ms: i64,
}

/// What is known of material that its owner brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedMaterial {
    /// Tells it from other material; a key takes no other again.
    pub id: [u8; 32],
    /// When it is thrown away, milliseconds since 1970.
    pub valid_to_ms: Option<i64>,
}

/// A key.
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
    /// What material it has.
    pub spec: KeySpec,
    /// What it is for.
    pub usage: KeyUsage,
    /// Where its material comes from.
    pub origin: KeyOrigin,
    /// When it gets new material by itself, if it does.
    pub rotation: Option<RotationSchedule>,
    /// What was brought, once it was.
    pub imported: Option<ImportedMaterial>,
}

impl Record for KmsKey {
    const VERSION: u16 = 2;

    fn migrate(version: u16, bytes: &[u8]) -> Result<Self, RecordError> {
        records_v1::migrate::<Self, records_v1::KmsKey>(version, bytes)
    }
}

impl KmsKey {
    /// `arn:aws:kms:REGION:ACCOUNT:key/ID`.
    pub fn arn(&self) -> Arn {
        Arn::regional("kms", &self.region, &self.account, format!("key/{}", self.id))
    }
}

/// Why a key got new material.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RotationKind {
    /// It was time.
    Automatic,
    /// Somebody asked for it.
    OnDemand,
}

/// One version of a key's material.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyMaterial {
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
    /// Sealed by the lake's root key, for this key and version. Of a pair it is the private half, as PKCS #8.
    pub sealed: SealedSecret,
    /// By which rotation it came; `None` is a key's first.
    pub rotation: Option<RotationKind>,
}

impl Record for KeyMaterial {
    const VERSION: u16 = 2;

    fn migrate(version: u16, bytes: &[u8]) -> Result<Self, RecordError> {
        records_v1::migrate::<Self, records_v1::KeyMaterial>(version, bytes)
    }
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

/// What a grant binds the encryption context to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum GrantConstraint {
    /// These pairs and no others.
    EncryptionContextEquals(EncryptionContext),
    /// At least these pairs.
    EncryptionContextSubset(EncryptionContext),
}

/// What somebody may do with a key beside its policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KmsGrant {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Whose the key is.
    pub account: AccountId,
    /// Where the key is.
    pub region: Region,
    /// The key's id.
    pub key_id: String,
    /// What keeps a repeated request from making another.
    pub name: Option<String>,
    /// Whose caller made it.
    pub issuing_account: AccountId,
    /// Who may: an ARN.
    pub grantee: String,
    /// Who can retire it: an ARN.
    pub retiring: Option<String>,
    /// What.
    pub operations: BTreeSet<GrantOperation>,
    /// For which encryption contexts.
    pub constraint: Option<GrantConstraint>,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
}

impl Record for KmsGrant {
    const VERSION: u16 = 1;
}

/// The user or role that a grant is to, as it was when it was made: who is made again by the name is another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantedEntity {
    pub(crate) id: String,
}

impl Record for GrantedEntity {
    const VERSION: u16 = 1;
}

/// The users and roles that a key's policy names: their ids by their ARNs, as they were when it was put.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PolicyPrincipals {
    pub(crate) ids: BTreeMap<String, String>,
}

impl Record for PolicyPrincipals {
    const VERSION: u16 = 1;
}

/// How many grants a key has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantCount {
    /// So many.
    pub count: u32,
}

impl Record for GrantCount {
    const VERSION: u16 = 1;
}

/// Where a grant is that an index names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantRef {
    /// Whose the key is.
    pub account: AccountId,
    /// The key's id.
    pub key_id: String,
    /// The grant's id.
    pub id: String,
}

impl Record for GrantRef {
    const VERSION: u16 = 1;
}

impl GrantRef {
    pub(crate) fn key(&self) -> Key {
        kms_key(&self.account, &self.key_id).text(&self.id)
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
