//! What is kept of identities, and under which keys. Users are referred to by their id, so that a new name changes one record.

use serde::{Deserialize, Serialize};
use tarn_keys::SealedSecret;
use tarn_metadata::{Key, Keyspace, Record};
use tarn_types::AccountId;

/// By account id.
pub(crate) const ACCOUNTS: Keyspace<AccountRecord> = Keyspace::new(0x0100, "identity.accounts");
/// By account and user id.
pub(crate) const USERS: Keyspace<UserRecord> = Keyspace::new(0x0101, "identity.users");
/// User ids by account and name in lower case: names are unique without regard to case.
pub(crate) const USER_NAMES: Keyspace<UserNameRecord> = Keyspace::new(0x0102, "identity.user-names");
/// By access key id, across accounts.
pub(crate) const ACCESS_KEYS: Keyspace<AccessKeyRecord> = Keyspace::new(0x0103, "identity.access-keys");
/// By account, user id and access key id.
pub(crate) const USER_ACCESS_KEYS: Keyspace<Link> = Keyspace::new(0x0104, "identity.user-access-keys");
/// By account, user id and policy name.
pub(crate) const INLINE_POLICIES: Keyspace<InlinePolicyRecord> = Keyspace::new(0x0105, "identity.inline-policies");
/// By account and name in lower case.
pub(crate) const MANAGED_POLICIES: Keyspace<ManagedPolicyRecord> = Keyspace::new(0x0106, "identity.managed-policies");
/// By account, user id and policy ARN.
pub(crate) const ATTACHMENTS: Keyspace<Link> = Keyspace::new(0x0107, "identity.attachments");
/// By account, policy ARN and user id: the same facts from the other side.
pub(crate) const ATTACHED_TO: Keyspace<Link> = Keyspace::new(0x0108, "identity.attached-to");
/// By access key id: the last use of each.
pub(crate) const LAST_USES: Keyspace<LastUseRecord> = Keyspace::new(0x0170, "identity.last-uses");

/// Ids and names of all keyspaces here, for snapshots of what the store holds.
pub const KEYSPACES: &[(u16, &str)] = &[
    (ACCOUNTS.id, ACCOUNTS.name),
    (USERS.id, USERS.name),
    (USER_NAMES.id, USER_NAMES.name),
    (ACCESS_KEYS.id, ACCESS_KEYS.name),
    (USER_ACCESS_KEYS.id, USER_ACCESS_KEYS.name),
    (INLINE_POLICIES.id, INLINE_POLICIES.name),
    (MANAGED_POLICIES.id, MANAGED_POLICIES.name),
    (ATTACHMENTS.id, ATTACHMENTS.name),
    (ATTACHED_TO.id, ATTACHED_TO.name),
    (LAST_USES.id, LAST_USES.name),
];

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AccountRecord {
    pub id: AccountId,
    pub name: String,
    pub email: String,
    pub canonical_user_id: String,
    pub created_ms: i64,
    pub root_access_key_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UserRecord {
    pub id: String,
    pub name: String,
    pub path: String,
    pub created_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UserNameRecord {
    pub user_id: String,
}

/// Whether an access key may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccessKeyStatus {
    /// It may.
    Active,
    /// It may not, until it is made active again.
    Inactive,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum KeyOwner {
    Root,
    User { user_id: String },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AccessKeyRecord {
    pub account: AccountId,
    pub owner: KeyOwner,
    pub status: AccessKeyStatus,
    pub created_ms: i64,
    pub secret: SealedSecret,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastUseRecord {
    pub at_ms: i64,
    pub service: String,
    pub region: String,
}

/// One thing belongs to another; the key says all but since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Link {
    pub since_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InlinePolicyRecord {
    pub document: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ManagedPolicyRecord {
    pub id: String,
    pub name: String,
    pub path: String,
    pub description: Option<String>,
    pub document: String,
    pub created_ms: i64,
}

macro_rules! records {
    ($($record:ty),*) => { $(impl Record for $record { const VERSION: u16 = 1; })* };
}
records!(
    AccountRecord,
    UserRecord,
    UserNameRecord,
    AccessKeyRecord,
    LastUseRecord,
    Link,
    InlinePolicyRecord,
    ManagedPolicyRecord
);

pub(crate) fn account_key(account: &AccountId) -> Key {
    Key::new().text(account.as_str())
}

/// Everything of an account, in the keyspaces that begin with it.
pub(crate) fn in_account(account: &AccountId, name: &str) -> Key {
    account_key(account).text(name)
}

/// Names are unique without regard to case.
pub(crate) fn by_name(account: &AccountId, name: &str) -> Key {
    in_account(account, &name.to_lowercase())
}
