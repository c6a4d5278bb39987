//! All that a request on KMS keys can be refused with. Knows no wire codes: services map each variant to their own.

use tarn_metadata::{StoreError, WriteError};
use tarn_policy::Denied;

use crate::KeysError;

/// Why a request on KMS keys was refused.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KmsError {
    /// No such key.
    #[error("Key '{arn}' does not exist")]
    NoSuchKey {
        /// What was asked for, as an ARN where that could be told.
        arn: String,
    },
    /// No such alias.
    #[error("Alias {arn} is not found.")]
    NoSuchAlias {
        /// Its ARN.
        arn: String,
    },
    /// The key is disabled.
    #[error("{arn} is disabled.")]
    Disabled {
        /// The key's ARN.
        arn: String,
    },
    /// The key is about to be deleted.
    #[error("{arn} is pending deletion.")]
    PendingDeletion {
        /// The key's ARN.
        arn: String,
    },
    /// The key is not about to be deleted.
    #[error("{arn} is not pending deletion.")]
    NotPendingDeletion {
        /// The key's ARN.
        arn: String,
    },
    /// Not an ARN of a key of this lake.
    #[error("Invalid arn {arn}")]
    InvalidArn {
        /// What was given.
        arn: String,
    },
    /// The bytes were not encrypted here, were altered, or for another encryption context.
    #[error("the ciphertext is not one of this lake, was altered, or was made for another encryption context")]
    InvalidCiphertext,
    /// The bytes were encrypted under another key than the one named.
    #[error("The key ID in the request does not identify a CMK that can perform this operation.")]
    IncorrectKey,
    /// The alias is taken.
    #[error("An alias with the name {arn} already exists")]
    AliasExists {
        /// Its ARN.
        arn: String,
    },
    /// Not a name that an alias can have.
    #[error("{reason}")]
    InvalidAliasName {
        /// The rule.
        reason: &'static str,
    },
    /// The text is no policy of a key.
    #[error("{reason}")]
    MalformedPolicy {
        /// What is wrong in it.
        reason: String,
    },
    /// A parameter has a value that cannot be.
    #[error("{reason}")]
    Validation {
        /// The rule.
        reason: String,
    },
    /// A tag breaks the rules.
    #[error("{reason}")]
    InvalidTag {
        /// The rule.
        reason: &'static str,
    },
    /// A limit of the account or of a key is reached.
    #[error("{quota}: at most {count_max} are allowed")]
    LimitExceeded {
        /// Which limit.
        quota: &'static str,
        /// How many.
        count_max: usize,
    },
    /// The page's marker is not one that was given out.
    #[error("the marker is not one that a page before gave")]
    InvalidMarker,
    /// The key is managed by a service of the lake: only it may change the key.
    #[error("{arn} is managed by AWS: it cannot be changed")]
    ManagedByAws {
        /// The key's ARN.
        arn: String,
    },
    /// What is asked for is not built.
    #[error("{what} is not built into this server")]
    Unsupported {
        /// What.
        what: &'static str,
    },
    /// The proof does not speak of this key: the alias was moved while the request was under way.
    #[error("what {name} names has changed while the request was under way: try again")]
    Moved {
        /// As the request names the key.
        name: String,
    },
    /// Refused by policy, where the domain itself had to ask.
    #[error("{0}")]
    Denied(Denied),
    /// The metadata store could not.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The root key or the cipher could not.
    #[error("{0}")]
    Keys(#[from] KeysError),
}

impl From<WriteError<KmsError>> for KmsError {
    fn from(error: WriteError<KmsError>) -> Self {
        match error {
            WriteError::Refused(refusal) => refusal,
            WriteError::Store(store) => Self::Store(store),
        }
    }
}
