//! What is kept of identities, and under which keys. Users are referred to by their id, so that a new name changes one record.

use serde::{Deserialize, Serialize};
use tarn_keys::SealedSecret;
use tarn_metadata::{Key, Keyspace, Record, RecordError, decode_form};
use tarn_types::AccountId;

use crate::{CredentialRow, PasswordPolicy, Tag};

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
/// By account, the id of a user, group or role, and policy name.
pub(crate) const INLINE_POLICIES: Keyspace<InlinePolicyRecord> = Keyspace::new(0x0105, "identity.inline-policies");
/// By account and name in lower case.
pub(crate) const MANAGED_POLICIES: Keyspace<ManagedPolicyRecord> = Keyspace::new(0x0106, "identity.managed-policies");
/// By account, the id of a user, group or role, and policy ARN.
pub(crate) const ATTACHMENTS: Keyspace<Link> = Keyspace::new(0x0107, "identity.attachments");
/// By account, policy ARN and that id: the same facts from the other side.
pub(crate) const ATTACHED_TO: Keyspace<Link> = Keyspace::new(0x0108, "identity.attached-to");
/// By account and group id.
pub(crate) const GROUPS: Keyspace<GroupRecord> = Keyspace::new(0x0109, "identity.groups");
/// Group ids by account and name in lower case.
pub(crate) const GROUP_NAMES: Keyspace<NameRecord> = Keyspace::new(0x010a, "identity.group-names");
/// By account, group id and user id.
pub(crate) const GROUP_MEMBERS: Keyspace<Link> = Keyspace::new(0x010b, "identity.group-members");
/// By account, user id and group id: the same facts from the other side.
pub(crate) const MEMBERSHIPS: Keyspace<Link> = Keyspace::new(0x010c, "identity.memberships");
/// By account and role id.
pub(crate) const ROLES: Keyspace<RoleRecord> = Keyspace::new(0x010d, "identity.roles");
/// Role ids by account and name in lower case.
pub(crate) const ROLE_NAMES: Keyspace<NameRecord> = Keyspace::new(0x010e, "identity.role-names");
/// By account and the id of a user, role, policy, instance profile or OIDC provider.
pub(crate) const TAGS: Keyspace<TagsRecord> = Keyspace::new(0x010f, "identity.tags");
/// By account and the id of a user or role: its permissions boundary.
pub(crate) const BOUNDARIES: Keyspace<BoundaryRecord> = Keyspace::new(0x0110, "identity.boundaries");
/// By account, policy ARN and id: the same facts from the other side.
pub(crate) const BOUNDARY_OF: Keyspace<Link> = Keyspace::new(0x0111, "identity.boundary-of");
/// By account and name in lower case.
pub(crate) const INSTANCE_PROFILES: Keyspace<InstanceProfileRecord> =
    Keyspace::new(0x0112, "identity.instance-profiles");
/// By account, role id and the name, in lower case, of an instance profile that has the role.
pub(crate) const ROLE_PROFILES: Keyspace<Link> = Keyspace::new(0x0113, "identity.role-profiles");
/// By account and URL without scheme.
pub(crate) const OIDC_PROVIDERS: Keyspace<OidcProviderRecord> = Keyspace::new(0x0114, "identity.oidc-providers");
/// By account and user id.
pub(crate) const LOGIN_PROFILES: Keyspace<LoginProfileRecord> = Keyspace::new(0x0138, "identity.login-profiles");
/// By account.
pub(crate) const PASSWORD_POLICIES: Keyspace<PasswordPolicyRecord> =
    Keyspace::new(0x0139, "identity.password-policies");
/// By account.
pub(crate) const ACCOUNT_ALIASES: Keyspace<AccountAliasRecord> = Keyspace::new(0x013a, "identity.account-aliases");
/// By alias, across accounts.
pub(crate) const ALIAS_OWNERS: Keyspace<AliasOwnerRecord> = Keyspace::new(0x013b, "identity.alias-owners");
/// By account: the last report.
pub(crate) const CREDENTIAL_REPORTS: Keyspace<CredentialReportRecord> =
    Keyspace::new(0x013c, "identity.credential-reports");
/// By account and task id.
pub(crate) const ROLE_DELETIONS: Keyspace<RoleDeletionRecord> = Keyspace::new(0x013d, "identity.role-deletions");
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
    (GROUPS.id, GROUPS.name),
    (GROUP_NAMES.id, GROUP_NAMES.name),
    (GROUP_MEMBERS.id, GROUP_MEMBERS.name),
    (MEMBERSHIPS.id, MEMBERSHIPS.name),
    (ROLES.id, ROLES.name),
    (ROLE_NAMES.id, ROLE_NAMES.name),
    (TAGS.id, TAGS.name),
    (BOUNDARIES.id, BOUNDARIES.name),
    (BOUNDARY_OF.id, BOUNDARY_OF.name),
    (INSTANCE_PROFILES.id, INSTANCE_PROFILES.name),
    (ROLE_PROFILES.id, ROLE_PROFILES.name),
    (OIDC_PROVIDERS.id, OIDC_PROVIDERS.name),
    (LOGIN_PROFILES.id, LOGIN_PROFILES.name),
    (PASSWORD_POLICIES.id, PASSWORD_POLICIES.name),
    (ACCOUNT_ALIASES.id, ACCOUNT_ALIASES.name),
    (ALIAS_OWNERS.id, ALIAS_OWNERS.name),
    (CREDENTIAL_REPORTS.id, CREDENTIAL_REPORTS.name),
    (ROLE_DELETIONS.id, ROLE_DELETIONS.name),
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

/// A password as it is kept: from what it was given nothing can be had back. It has no Debug.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PasswordRecord {
    pub salt: Vec<u8>,
    pub hash: Vec<u8>,
    pub memory_kib: u32,
    pub passes: u32,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LoginProfileRecord {
    pub created_ms: i64,
    pub changed_ms: i64,
    pub reset_required: bool,
    pub password: PasswordRecord,
    /// The latest first.
    pub previous: Vec<PasswordRecord>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PasswordPolicyRecord {
    pub policy: PasswordPolicy,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AccountAliasRecord {
    pub alias: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AliasOwnerRecord {
    pub account: AccountId,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CredentialReportRecord {
    pub generated_ms: i64,
    pub rows: Vec<CredentialRow>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RoleDeletionRecord {
    pub role: String,
    pub ended_ms: i64,
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
pub(crate) struct PolicyVersionRecord {
    /// `v1` has 1.
    pub number: u32,
    pub document: String,
    pub created_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ManagedPolicyRecord {
    pub id: String,
    pub name: String,
    pub path: String,
    pub description: Option<String>,
    /// In the order of their numbers; never empty.
    pub versions: Vec<PolicyVersionRecord>,
    /// The number of the version that is in force.
    pub default_version: u32,
    /// The number of the version made last, which is not used again.
    pub last_version: u32,
    pub created_ms: i64,
    pub updated_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupRecord {
    pub id: String,
    pub name: String,
    pub path: String,
    pub created_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NameRecord {
    pub id: String,
}

/// A user or role that a trust policy names. AWS too keeps the id, so that who comes later by the same name is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TrustedRecord {
    pub arn: String,
    pub account: AccountId,
    pub id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RoleRecord {
    pub id: String,
    pub name: String,
    pub path: String,
    pub description: String,
    pub trust_policy: String,
    pub trusted: Vec<TrustedRecord>,
    pub session_seconds_max: u32,
    pub created_ms: i64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TagsRecord {
    pub tags: Vec<Tag>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BoundaryRecord {
    pub arn: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InstanceProfileRecord {
    pub id: String,
    pub name: String,
    pub path: String,
    pub role_id: Option<String>,
    pub created_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OidcProviderRecord {
    /// With its scheme.
    pub url: String,
    pub client_ids: Vec<String>,
    pub thumbprints: Vec<String>,
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
    GroupRecord,
    NameRecord,
    RoleRecord,
    TagsRecord,
    BoundaryRecord,
    InstanceProfileRecord,
    OidcProviderRecord,
    LoginProfileRecord,
    PasswordPolicyRecord,
    AccountAliasRecord,
    AliasOwnerRecord,
    CredentialReportRecord,
    RoleDeletionRecord
);

impl Record for ManagedPolicyRecord {
    const VERSION: u16 = 2;

    fn migrate(version: u16, bytes: &[u8]) -> Result<Self, RecordError> {
        match version {
            1 => decode_form::<ManagedPolicyRecordV1>(bytes).map(Into::into),
            found => Err(RecordError::Version { found, known: Self::VERSION }),
        }
    }
}

/// Until policies had versions.
#[derive(Deserialize)]
#[cfg_attr(test, derive(Serialize))]
pub(crate) struct ManagedPolicyRecordV1 {
    pub id: String,
    pub name: String,
    pub path: String,
    pub description: Option<String>,
    pub document: String,
    pub created_ms: i64,
}

impl From<ManagedPolicyRecordV1> for ManagedPolicyRecord {
    fn from(old: ManagedPolicyRecordV1) -> Self {
        let ManagedPolicyRecordV1 { id, name, path, description, document, created_ms } = old;
        let versions = vec![PolicyVersionRecord { number: 1, document, created_ms }];
        Self {
            id,
            name,
            path,
            description,
            versions,
            default_version: 1,
            last_version: 1,
            created_ms,
            updated_ms: created_ms,
        }
    }
}

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
