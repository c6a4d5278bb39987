//! Who there is: accounts, their root, users, access keys and the policies attached to users. Knows no wire format and no HTTP.
//!
//! Changes take a `Caller` and commit with its audit record. What every request asks (`access_key`, `identity_policies`) is answered from
//! memory, and forgotten with every change.
//!
//! **Invariant:** a secret access key is in the store only sealed, bound to its access key's id, and leaves once: when it is made.

mod access_keys;
mod accounts;
mod aws_managed;
mod cache;
mod errors;
mod last_used;
mod managed_policies;
mod paging;
mod records;
mod user_policies;
mod users;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use tarn_audit::Caller;
use tarn_keys::Keys;
use tarn_metadata::{Store, Tx, WriteError};
use tarn_runtime::{EntropyExt, Runtime};

pub use access_keys::{AccessKey, AccessKeyCreated, AccessKeySummary};
pub use accounts::{Account, AccountConfig, Bootstrapped, CredentialsConfig, UserConfig};
pub use errors::IdentityError;
pub use last_used::{AccessKeyUse, LastUse};
pub use managed_policies::{ManagedPolicy, PolicyScope};
pub use paging::{PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX, Page, PageRequest};
pub use records::{AccessKeyStatus, KEYSPACES};
pub use tarn_keys::Secret;
pub use user_policies::{AttachedPolicy, InlinePolicy};
pub use users::User;

use cache::Cache;
use last_used::Noted;

/// Users of an account: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
pub const USERS_PER_ACCOUNT_MAX: usize = 5_000;
/// Access keys of a user.
pub const ACCESS_KEYS_PER_USER_MAX: usize = 2;
/// Managed policies of an account.
pub const POLICIES_PER_ACCOUNT_MAX: usize = 1_500;
/// Managed policies attached to a user.
pub const ATTACHED_POLICIES_PER_USER_MAX: usize = 10;
/// Characters of a managed policy, without white space.
pub const MANAGED_POLICY_SIZE_CHARS_MAX: usize = 6_144;
/// Characters of all inline policies of a user together, without white space.
pub const INLINE_POLICIES_SIZE_CHARS_MAX: usize = 2_048;

/// The lake's identities.
pub struct Identity {
    store: Arc<dyn Store>,
    keys: Keys,
    runtime: Runtime,
    cache: Cache,
    noted: Noted,
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
    AccessKey,
    ManagedPolicy,
}

const ID_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

impl Identity {
    /// Over `store`; secrets are sealed by `keys`.
    pub fn new(store: Arc<dyn Store>, keys: Keys, runtime: Runtime) -> Self {
        Self { store, keys, runtime, cache: Cache::new(), noted: Noted::default() }
    }

    fn new_id(&self, kind: IdKind) -> String {
        let (prefix, len) = match kind {
            IdKind::User => ("AIDA", 17),
            IdKind::AccessKey => ("AKIA", 16),
            IdKind::ManagedPolicy => ("ANPA", 17),
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
