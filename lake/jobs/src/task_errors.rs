//! What a task failed with, as its line in the report says it: S3's code and HTTP status. One exhaustive match.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList>

use std::borrow::Cow;

use tarn_blobs::BlobError;
use tarn_keys::kms::KmsError;
use tarn_objects::{BodyErrorKind, ObjectsError};

/// Why a task failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TaskFailure {
    pub(crate) code: Cow<'static, str>,
    pub(crate) status: u16,
    pub(crate) reason: String,
}

/// Whether it was the server that could not: then nothing is known of the task, and it is tried again.
pub(crate) fn is_servers(error: &ObjectsError) -> bool {
    matches!(error, ObjectsError::Store(_) | ObjectsError::Stopping | ObjectsError::Blob(BlobError::NoSpace))
}

impl From<ObjectsError> for TaskFailure {
    fn from(error: ObjectsError) -> Self {
        let (code, status) = code(&error);
        Self { code: code.into(), status, reason: error.to_string() }
    }
}

fn code(error: &ObjectsError) -> (&'static str, u16) {
    use ObjectsError as E;
    match error {
        E::NoSuchBucket { .. } => ("NoSuchBucket", 404),
        E::NoSuchKey { .. } => ("NoSuchKey", 404),
        E::NoSuchVersion { .. } => ("NoSuchVersion", 404),
        E::IsDeleteMarker { .. } => ("MethodNotAllowed", 405),
        E::Denied(_)
        | E::Locked { .. }
        | E::PublicAccessBlocked { .. }
        | E::CustomerKeyWrong
        | E::CustomerKeysBlocked { .. } => ("AccessDenied", 403),
        E::InvalidObjectState { .. } => ("InvalidObjectState", 403),
        E::RestoreInProgress => ("RestoreAlreadyInProgress", 409),
        E::AclsDisabled { .. } => ("AccessControlListNotSupported", 400),
        E::MalformedAcl { .. } => ("MalformedACLError", 400),
        E::InvalidTag { .. } => ("InvalidTag", 400),
        E::MetadataTooLarge { .. } => ("MetadataTooLarge", 400),
        E::KeyTooLong { .. } => ("KeyTooLongError", 400),
        E::InvalidBucketName { .. } => ("InvalidBucketName", 400),
        E::InvalidStorageClass { .. } => ("InvalidStorageClass", 400),
        E::InvalidRedirectLocation => ("InvalidRedirectLocation", 400),
        E::EntityTooLarge { .. } => ("EntityTooLarge", 400),
        E::InvalidArgument { .. } => ("InvalidArgument", 400),
        E::InvalidRetentionPeriod { .. } => ("InvalidRetentionPeriod", 400),
        E::InvalidRequest { .. } | E::CustomerKeyRequired | E::CustomerKeyNotApplicable => ("InvalidRequest", 400),
        E::InvalidBucketState { .. } => ("InvalidBucketState", 409),
        E::NoObjectLockConfiguration { .. } => ("ObjectLockConfigurationNotFoundError", 404),
        E::NoVersionLock => ("NoSuchObjectLockConfiguration", 404),
        E::PreconditionFailed { .. } | E::NotModified { .. } => ("PreconditionFailed", 412),
        E::InvalidRange { .. } => ("InvalidRange", 416),
        E::BadDigest { .. } => ("BadDigest", 400),
        E::IncompleteBody { .. } => ("IncompleteBody", 400),
        E::NotReplicated { why } => (why.name(), 400),
        E::Changed => ("OperationAborted", 409),
        E::Kms(kms) => kms_code(kms),
        E::Body(body) => match body.kind {
            BodyErrorKind::Incomplete | BodyErrorKind::Malformed => ("IncompleteBody", 400),
            BodyErrorKind::TooLarge => ("EntityTooLarge", 400),
            BodyErrorKind::TooSmall => ("EntityTooSmall", 400),
            BodyErrorKind::SignatureMismatch | BodyErrorKind::Sha256Mismatch | BodyErrorKind::Internal => INTERNAL,
        },
        E::Store(_) | E::Blob(_) | E::Keys(_) | E::KmsKeyNotAsked { .. } | E::Stopping => INTERNAL,
        // Of calls that no job makes.
        E::BucketAlreadyExists { .. }
        | E::BucketAlreadyOwnedByYou { .. }
        | E::BucketNotEmpty { .. }
        | E::TooManyBuckets { .. }
        | E::NoSuchBucketPolicy { .. }
        | E::NoSuchOwnershipControls { .. }
        | E::NoSuchPublicAccessBlock { .. }
        | E::AclWithOwnershipEnforced { .. }
        | E::PublicAclOfNewBucket { .. }
        | E::NoSuchLifecycleConfiguration { .. }
        | E::NoSuchTagSet { .. }
        | E::NoSuchConfiguration { .. }
        | E::TooManyConfigurations { .. }
        | E::InvalidTargetBucketForLogging { .. }
        | E::MalformedConfiguration { .. }
        | E::MalformedPolicy { .. }
        | E::NoSuchUpload { .. }
        | E::InvalidPart { .. }
        | E::InvalidPartOrder { .. }
        | E::InvalidPartNumber { .. }
        | E::EntityTooSmall { .. } => INTERNAL,
    }
}

const INTERNAL: (&str, u16) = ("InternalError", 500);

fn kms_code(kms: &KmsError) -> (&'static str, u16) {
    match kms {
        KmsError::NoSuchKey { .. } | KmsError::NoSuchAlias { .. } | KmsError::InvalidArn { .. } => {
            ("KMS.NotFoundException", 400)
        }
        KmsError::Disabled { .. } => ("KMS.DisabledException", 400),
        KmsError::PendingDeletion { .. } | KmsError::PendingImport { .. } => ("KMS.KMSInvalidStateException", 400),
        KmsError::InvalidKeyUsage { .. } | KmsError::InvalidAlgorithm { .. } => ("KMS.InvalidKeyUsageException", 400),
        KmsError::Denied(_) => ("AccessDenied", 403),
        KmsError::Validation { .. } => ("InvalidArgument", 400),
        KmsError::Moved { .. } => ("SlowDown", 503),
        KmsError::InvalidCiphertext
        | KmsError::IncorrectKey
        | KmsError::NotPendingDeletion { .. }
        | KmsError::AliasExists { .. }
        | KmsError::InvalidAliasName { .. }
        | KmsError::MalformedPolicy { .. }
        | KmsError::InvalidTag { .. }
        | KmsError::LimitExceeded { .. }
        | KmsError::InvalidMarker
        | KmsError::ManagedByAws { .. }
        | KmsError::Unsupported { .. }
        | KmsError::UnsupportedForKey { .. }
        | KmsError::DryRun
        | KmsError::InvalidSignature
        | KmsError::InvalidMac
        | KmsError::InvalidImportToken
        | KmsError::ExpiredImportToken
        | KmsError::IncorrectKeyMaterial { .. }
        | KmsError::NoSuchGrant { .. }
        | KmsError::InvalidGrantToken
        | KmsError::InvalidGrantPrincipal { .. }
        | KmsError::Store(_)
        | KmsError::Keys(_) => INTERNAL,
    }
}
