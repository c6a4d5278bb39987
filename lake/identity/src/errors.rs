//! Why a question about identities, or a change of them, was refused. Knows no service's error codes.

use tarn_keys::KeysError;
use tarn_metadata::StoreError;
use tarn_policy::PolicyError;

/// Why not.
#[derive(Debug, Clone, thiserror::Error)]
pub enum IdentityError {
    /// No such user.
    #[error("The user with name {name} cannot be found.")]
    NoSuchUser {
        /// As asked.
        name: String,
    },
    /// No such access key of that user.
    #[error("The Access Key with id {id} cannot be found.")]
    NoSuchAccessKey {
        /// As asked.
        id: String,
    },
    /// The user has no such inline policy.
    #[error("The user policy with name {policy} cannot be found.")]
    NoSuchUserPolicy {
        /// As asked.
        policy: String,
    },
    /// No such managed policy, or not one of this account.
    #[error("Policy {arn} does not exist or is not attachable.")]
    NoSuchPolicy {
        /// As asked.
        arn: String,
    },
    /// The policy has no such version.
    #[error("Policy {arn} version {version} does not exist or is not attachable.")]
    NoSuchPolicyVersion {
        /// The policy.
        arn: String,
        /// As asked.
        version: String,
    },
    /// The policy is not attached to the user.
    #[error("Policy {arn} was not found.")]
    NotAttached {
        /// The policy.
        arn: String,
    },
    /// A user of that name exists; names differ by more than case.
    #[error("User with name {name} already exists.")]
    UserExists {
        /// The name.
        name: String,
    },
    /// A policy of that name exists; names differ by more than case.
    #[error("A policy called {name} already exists. Duplicate names are not allowed.")]
    PolicyExists {
        /// The name.
        name: String,
    },
    /// Something has to go first.
    #[error("Cannot delete entity, must {first} first.")]
    DeleteConflict {
        /// `delete access keys`, `delete policies`, `detach all policies`.
        first: &'static str,
    },
    /// The policy is in use.
    #[error("Cannot delete a policy attached to entities.")]
    PolicyAttached,
    /// A quota is used up.
    #[error("Cannot exceed quota for {quota}: {max}")]
    LimitExceeded {
        /// Its name at AWS.
        quota: &'static str,
        /// How many there may be.
        max: usize,
    },
    /// A user's inline policies would be too large together.
    #[error("Maximum policy size of {size_chars_max} bytes exceeded for user {user}")]
    InlinePoliciesTooLarge {
        /// Whose.
        user: String,
        /// The limit, characters without white space.
        size_chars_max: usize,
    },
    /// Not a policy.
    #[error("{source}")]
    MalformedPolicy {
        /// What is wrong with it.
        source: PolicyError,
    },
    /// A policy that AWS defines cannot be changed.
    #[error("The policy {arn} is managed by AWS and cannot be changed.")]
    ManagedByAws {
        /// Which.
        arn: String,
    },
    /// The input cannot be taken.
    #[error("{reason}")]
    InvalidInput {
        /// What to do about it.
        reason: String,
    },
    /// Root has no user, and cannot be managed as one.
    #[error("The root of an account is not a user: give a UserName.")]
    NotAUser,
    /// Configured credentials contradict each other.
    #[error("the access key {id} is configured for {wanted} but belongs to {owner}: give each its own")]
    AccessKeyTaken {
        /// The access key's id.
        id: String,
        /// For whom it is configured.
        wanted: String,
        /// Whose it is.
        owner: String,
    },
    /// A secret could not be sealed or opened.
    #[error("{source}")]
    Keys {
        /// Why.
        source: KeysError,
    },
    /// The store could not.
    #[error("{source}")]
    Store {
        /// Why.
        source: StoreError,
    },
}

impl From<StoreError> for IdentityError {
    fn from(source: StoreError) -> Self {
        Self::Store { source }
    }
}
