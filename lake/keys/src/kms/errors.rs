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
    /// The key's owner has not brought its material, or it has expired.
    #[error("{arn} is pending import.")]
    PendingImport {
        /// The key's ARN.
        arn: String,
    },
    /// The key is for something else.
    #[error("{arn} key usage is {usage} which is not valid for {operation}.")]
    InvalidKeyUsage {
        /// The key's ARN.
        arn: String,
        /// What it is for.
        usage: &'static str,
        /// What was asked of it.
        operation: &'static str,
    },
    /// The key does not take the algorithm.
    #[error("Algorithm {algorithm} and key spec {spec} are incompatible.")]
    InvalidAlgorithm {
        /// What was asked for.
        algorithm: &'static str,
        /// What the key is.
        spec: &'static str,
    },
    /// Keys of this kind cannot do that.
    #[error("{arn} {reason}")]
    UnsupportedForKey {
        /// The key's ARN.
        arn: String,
        /// Why.
        reason: &'static str,
    },
    /// It would have been done, were it not a dry run.
    #[error("The request would have succeeded, but the DryRun option is set.")]
    DryRun,
    /// The signature is not of these bytes by this key.
    #[error("The signature was not made by this key over this message with this algorithm.")]
    InvalidSignature,
    /// The code is not of these bytes by this key.
    #[error("The MAC was not made by this key over this message with this algorithm.")]
    InvalidMac,
    /// The token is not one that was given out for this key.
    #[error("The import token is not one for this key: get new parameters for import.")]
    InvalidImportToken,
    /// The token was given out too long ago.
    #[error("The import token has expired: get new parameters for import.")]
    ExpiredImportToken,
    /// The material is not what the key had before, or of another kind.
    #[error("{reason}")]
    IncorrectKeyMaterial {
        /// Why.
        reason: &'static str,
    },
    /// No such grant of the key.
    #[error("Grant ID {id} not found")]
    NoSuchGrant {
        /// Its id.
        id: String,
    },
    /// Not a grant's token.
    #[error("The grant token is not one that this lake gave out.")]
    InvalidGrantToken,
    /// Not somebody who can be granted something.
    #[error("{arn} is not the ARN of an account, a user, a role or a session.")]
    InvalidGrantPrincipal {
        /// What was given.
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
