//! Who there is: accounts, their root, users, groups, roles, access keys, and the policies of all of them. Knows no wire format and no HTTP.
//!
//! Changes take a `Caller` and commit with its audit record. What every request asks (`access_key`, `identity_policies`) is answered from
//! memory, and forgotten with every change.
//!
//! **Invariant:** a secret access key is in the store only sealed, bound to its access key's id, and leaves once: when it is made.

mod access_keys;
mod account_details;
mod accounts;
mod aliases;
mod authorization_messages;
mod aws_managed;
mod boundaries;
mod cache;
mod credential_report;
mod entities;
mod entity_policies;
mod errors;
mod groups;
mod holdings;
mod instance_profiles;
mod issuers;
mod last_used;
mod lent;
mod login_profiles;
mod managed_policies;
mod oidc_providers;
mod paging;
mod records;
mod roles;
mod service_linked_roles;
mod service_sessions;
mod session_tokens;
mod sessions;
mod simulation;
mod summary;
mod tags;
mod users;
mod web_identity;

#[cfg(any(test, feature = "fuzz"))]
pub mod probes;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use tarn_audit::Caller;
use tarn_keys::Keys;
use tarn_metadata::{Store, Tx, WriteError};
use tarn_runtime::{EntropyExt, Runtime};

pub use access_keys::{AccessKey, AccessKeyCreated, AccessKeySummary, KeyHolder};
pub use account_details::{AccountDetail, DetailKind, OwnPolicies};
pub use accounts::{Account, AccountConfig, Bootstrapped, CredentialsConfig, UserConfig};
pub use authorization_messages::{AUTHORIZATION_MESSAGE_CHARS_MAX, AuthorizationMessage};
pub use credential_report::{CredentialReport, CredentialRow, ReportedKey};
pub use entities::{Entity, EntityKind};
pub use entity_policies::{AttachedPolicy, InlinePolicy, PolicyUsage};
pub use errors::IdentityError;
pub use groups::Group;
pub use instance_profiles::InstanceProfile;
pub use issuers::Issuers;
pub use last_used::{AccessKeyUse, LastUse};
pub use lent::Lend;
pub use login_profiles::{LoginProfile, PASSWORDS_REMEMBERED_MAX, PasswordPolicy};
pub use managed_policies::{ManagedPolicy, NewPolicy, PolicyScope, PolicyVersion};
pub use oidc_providers::{NewOidcProvider, OidcProvider};
pub use paging::{PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX, Page, PageRequest};
pub use records::{AccessKeyStatus, KEYSPACES};
pub use roles::{NewRole, Role};
pub use session_tokens::{SESSION_TOKEN_CHARS_MAX, SessionCredentials};
pub use sessions::{AssumeRole, FederationToken, Narrowing, NewSession};
pub use simulation::{
    Exclusion, MatchedStatement, PolicySource, SIMULATED_COUNT_MAX, Simulated, SimulatedPage, Simulation,
    SimulationPage, SourcePolicy,
};
pub use tags::{Tag, Taggable};
pub use tarn_keys::Secret;
pub use users::{NewUser, User};
pub use web_identity::{AssumeRoleWithWebIdentity, WebIdentitySession};

use cache::Cache;
use issuers::{IssuerKeys, NoIssuers};
use last_used::Noted;

/// Users of an account: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
pub const USERS_PER_ACCOUNT_MAX: usize = 5_000;
/// Access keys of a user.
pub const ACCESS_KEYS_PER_USER_MAX: usize = 2;
/// Managed policies of an account.
pub const POLICIES_PER_ACCOUNT_MAX: usize = 1_500;
/// Versions of a managed policy.
pub const VERSIONS_PER_POLICY_MAX: usize = 5;
/// Managed policies attached to a user, group or role.
pub const ATTACHED_POLICIES_MAX: usize = 10;
/// Groups of an account.
pub const GROUPS_PER_ACCOUNT_MAX: usize = 300;
/// Groups that a user is in.
pub const GROUPS_PER_USER_MAX: usize = 10;
/// Roles of an account.
pub const ROLES_PER_ACCOUNT_MAX: usize = 1_000;
/// Instance profiles of an account.
pub const INSTANCE_PROFILES_PER_ACCOUNT_MAX: usize = 1_000;
/// OIDC providers of an account.
pub const OIDC_PROVIDERS_PER_ACCOUNT_MAX: usize = 100;
/// Client ids of an OIDC provider.
pub const CLIENT_IDS_PER_PROVIDER_MAX: usize = 100;
/// Thumbprints of an OIDC provider.
pub const THUMBPRINTS_PER_PROVIDER_MAX: usize = 5;
/// Tags of one thing.
pub const TAGS_MAX: usize = 50;
/// Characters of a tag's key.
pub const TAG_KEY_CHARS_MAX: usize = 128;
/// Characters of a tag's value.
pub const TAG_VALUE_CHARS_MAX: usize = 256;
/// Characters of the name of a user or role.
pub const NAME_CHARS_MAX: usize = 64;
/// Characters of the name of a group, policy or instance profile.
pub const LONG_NAME_CHARS_MAX: usize = 128;
/// Sessions of a role are this long unless the role or the caller say otherwise.
pub const SESSION_SECONDS_DEFAULT: u32 = 3_600;
/// The longest session that a role can be set to.
pub const SESSION_SECONDS_MAX: u32 = 43_200;
/// Characters of a role's trust policy, without white space.
pub const TRUST_POLICY_SIZE_CHARS_MAX: usize = 2_048;
/// Characters of the policies that narrow a session, and of the ARNs of managed ones.
pub const SESSION_POLICIES_SIZE_CHARS_MAX: usize = 2_048;
/// Managed policies that narrow a session.
pub const SESSION_POLICY_ARNS_MAX: usize = 10;
/// As many things as a policy can be counted to be attached to.
const ATTACHED_TO_MAX: usize = USERS_PER_ACCOUNT_MAX + GROUPS_PER_ACCOUNT_MAX + ROLES_PER_ACCOUNT_MAX;
/// Characters of a managed policy, without white space.
pub const MANAGED_POLICY_SIZE_CHARS_MAX: usize = 6_144;
/// Characters of all inline policies of a user together, without white space.
pub const USER_POLICIES_SIZE_CHARS_MAX: usize = 2_048;
/// Characters of all inline policies of a group together, without white space.
pub const GROUP_POLICIES_SIZE_CHARS_MAX: usize = 5_120;
/// Characters of all inline policies of a role together, without white space.
pub const ROLE_POLICIES_SIZE_CHARS_MAX: usize = 10_240;

/// The lake's identities.
pub struct Identity {
    store: Arc<dyn Store>,
    keys: Keys,
    runtime: Runtime,
    cache: Cache,
    noted: Noted,
    issuers: IssuerKeys,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

/// Which kind of thing an id names: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IdKind {
    User,
    Group,
    Role,
    AccessKey,
    ManagedPolicy,
    InstanceProfile,
}

const ID_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

impl Identity {
    /// Over `store`; secrets are sealed by `keys`.
    pub fn new(store: Arc<dyn Store>, keys: Keys, runtime: Runtime) -> Self {
        let issuers = IssuerKeys::new(Arc::new(NoIssuers));
        Self { store, keys, runtime, cache: Cache::new(), noted: Noted::default(), issuers }
    }

    /// The same, with a way to the issuers of tokens.
    #[must_use]
    pub fn with_issuers(self, issuers: Arc<dyn Issuers>) -> Self {
        Self { issuers: IssuerKeys::new(issuers), ..self }
    }

    fn new_id(&self, kind: IdKind) -> String {
        let (prefix, len) = match kind {
            IdKind::User => ("AIDA", 17),
            IdKind::Group => ("AGPA", 17),
            IdKind::Role => ("AROA", 17),
            IdKind::AccessKey => ("AKIA", 16),
            IdKind::ManagedPolicy => ("ANPA", 17),
            IdKind::InstanceProfile => ("AIPA", 17),
        };
        format!("{prefix}{}", self.runtime.entropy.text(ID_ALPHABET, len))
    }

    /// Commits a change with its audit record, and forgets what was cached before anyone is told that it is done.
    async fn commit<T, F>(&self, caller: &Caller, change: F) -> Result<T, IdentityError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, IdentityError> + Send + 'static,
    {
        let result = caller.commit(&*self.store, change).await;
        self.cache.forget();
        result.map_err(|error| match error {
            WriteError::Refused(error) => error,
            WriteError::Store(source) => IdentityError::Store { source },
        })
    }
}
