//! Domain errors to S3's codes: one exhaustive match. What the caller sees and what the log gets are separate.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList>

use http::{HeaderMap, HeaderValue, StatusCode};
use s3s::{S3Error, S3ErrorCode};
use tarn_blobs::BlobError;
use tarn_keys::kms::KmsError;
use tarn_metadata::StoreError;
use tarn_objects::{BodyErrorKind, ConfigurationKind, ObjectsError, VersionId};

use crate::gate::GateRefusal;

/// A refusal of the gate.
pub(crate) fn refusal_error(refusal: GateRefusal) -> S3Error {
    match refusal {
        GateRefusal::UnknownKey => S3Error::new(S3ErrorCode::InvalidAccessKeyId),
        GateRefusal::InvalidToken => S3Error::new(S3ErrorCode::InvalidToken),
        GateRefusal::ExpiredToken => S3Error::new(S3ErrorCode::ExpiredToken),
        GateRefusal::NoSuchBucket => S3Error::new(S3ErrorCode::NoSuchBucket),
        GateRefusal::NoSuchKey => S3Error::new(S3ErrorCode::NoSuchKey),
        // It names the resource, and a key may hold what XML cannot.
        GateRefusal::Denied { message } => {
            S3Error::with_message(S3ErrorCode::AccessDenied, message.replace(char::is_control, "\u{fffd}"))
        }
        GateRefusal::SlowDown { message } => S3Error::with_message(S3ErrorCode::SlowDown, message),
        GateRefusal::Unavailable { reason } => {
            tracing::error!(reason, "an S3 request could not be decided upon");
            S3Error::new(S3ErrorCode::InternalError)
        }
    }
}

fn internal(error: &ObjectsError) -> S3Error {
    tracing::error!(%error, "an S3 request failed inside of the lake");
    S3Error::new(S3ErrorCode::InternalError)
}

pub(crate) fn custom(code: &'static str, status: StatusCode, message: String) -> S3Error {
    let mut error = S3Error::with_message(S3ErrorCode::Custom(code.into()), message);
    error.set_status_code(status);
    error
}

fn marker_headers(marker: &VersionId) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-delete-marker", HeaderValue::from_static("true"));
    if let Ok(version) = HeaderValue::from_str(&marker.to_string()) {
        headers.insert("x-amz-version-id", version);
    }
    headers
}

/// Each kind of configuration has a code of its own.
fn missing_configuration(kind: ConfigurationKind) -> S3Error {
    match kind {
        ConfigurationKind::Cors => {
            S3Error::with_message(S3ErrorCode::NoSuchCORSConfiguration, "The CORS configuration does not exist")
        }
        ConfigurationKind::Website => S3Error::with_message(
            S3ErrorCode::NoSuchWebsiteConfiguration,
            "The specified bucket does not have a website configuration",
        ),
        ConfigurationKind::Replication => custom(
            "ReplicationConfigurationNotFoundError",
            StatusCode::NOT_FOUND,
            "The replication configuration was not found".to_owned(),
        ),
        ConfigurationKind::Metrics
        | ConfigurationKind::Analytics
        | ConfigurationKind::IntelligentTiering
        | ConfigurationKind::Inventory => custom(
            "NoSuchConfiguration",
            StatusCode::NOT_FOUND,
            "The specified configuration does not exist.".to_owned(),
        ),
    }
}

/// What a caller is told of a domain error.
pub(crate) fn objects_error(error: ObjectsError) -> S3Error {
    use S3ErrorCode as Code;
    let message = error.to_string();
    let with = |code| S3Error::with_message(code, message.clone());
    match &error {
        ObjectsError::InvalidBucketName { .. } => with(Code::InvalidBucketName),
        ObjectsError::NoSuchBucket { .. } => S3Error::new(Code::NoSuchBucket),
        ObjectsError::BucketAlreadyExists { .. } => S3Error::new(Code::BucketAlreadyExists),
        ObjectsError::BucketAlreadyOwnedByYou { .. } => S3Error::new(Code::BucketAlreadyOwnedByYou),
        ObjectsError::BucketNotEmpty { .. } => S3Error::new(Code::BucketNotEmpty),
        ObjectsError::TooManyBuckets { .. } => with(Code::TooManyBuckets),
        ObjectsError::NoSuchBucketPolicy { .. } => {
            S3Error::with_message(Code::NoSuchBucketPolicy, "The bucket policy does not exist")
        }
        ObjectsError::NoSuchLifecycleConfiguration { .. } => custom(
            "NoSuchLifecycleConfiguration",
            StatusCode::NOT_FOUND,
            "The lifecycle configuration does not exist".to_owned(),
        ),
        ObjectsError::MalformedConfiguration { .. } => with(Code::MalformedXML),
        ObjectsError::Changed => S3Error::new(Code::OperationAborted),
        ObjectsError::NoSuchTagSet { .. } => S3Error::new(Code::NoSuchTagSet),
        ObjectsError::NoSuchOwnershipControls { .. } => S3Error::new(Code::OwnershipControlsNotFoundError),
        ObjectsError::NoSuchPublicAccessBlock { .. } => custom(
            "NoSuchPublicAccessBlockConfiguration",
            StatusCode::NOT_FOUND,
            "The public access block configuration was not found".to_owned(),
        ),
        ObjectsError::AclsDisabled { .. } => with(Code::AccessControlListNotSupported),
        ObjectsError::AclWithOwnershipEnforced { .. } => with(Code::InvalidBucketAclWithObjectOwnership),
        ObjectsError::PublicAclOfNewBucket { .. } => custom(
            "InvalidBucketAclWithBlockPublicAccessError",
            StatusCode::BAD_REQUEST,
            "Bucket cannot have public ACLs set with BlockPublicAccess enabled".to_owned(),
        ),
        ObjectsError::PublicAccessBlocked { .. } => with(Code::AccessDenied),
        ObjectsError::MalformedAcl { .. } => with(Code::MalformedACLError),
        ObjectsError::NoSuchConfiguration { kind, .. } => missing_configuration(*kind),
        ObjectsError::TooManyConfigurations { .. } => {
            custom("TooManyConfigurations", StatusCode::BAD_REQUEST, message.clone())
        }
        ObjectsError::InvalidRedirectLocation => {
            custom("InvalidRedirectLocation", StatusCode::BAD_REQUEST, message.clone())
        }
        ObjectsError::InvalidTargetBucketForLogging { .. } => with(Code::InvalidTargetBucketForLogging),
        ObjectsError::MalformedPolicy { .. } => with(Code::MalformedPolicy),
        ObjectsError::NoSuchKey { delete_marker: None, .. } => S3Error::new(Code::NoSuchKey),
        ObjectsError::NoSuchKey { delete_marker: Some(marker), .. } => {
            let mut error = S3Error::new(Code::NoSuchKey);
            error.set_headers(marker_headers(marker));
            error
        }
        ObjectsError::IsDeleteMarker { version_id, modified_ms, .. } => {
            let mut error = S3Error::new(Code::MethodNotAllowed);
            let mut headers = marker_headers(version_id);
            headers.insert(http::header::ALLOW, HeaderValue::from_static("DELETE"));
            if let Some(modified) = crate::convert::http_date(*modified_ms) {
                headers.insert(http::header::LAST_MODIFIED, modified);
            }
            error.set_headers(headers);
            error
        }
        ObjectsError::Locked { reason } => {
            tracing::debug!(?reason, "a version is locked");
            S3Error::with_message(Code::AccessDenied, "Access Denied because object protected by object lock.")
        }
        ObjectsError::InvalidBucketState { .. } => with(Code::InvalidBucketState),
        ObjectsError::NoObjectLockConfiguration { .. } => S3Error::with_message(
            Code::ObjectLockConfigurationNotFoundError,
            "Object Lock configuration does not exist for this bucket",
        ),
        ObjectsError::NoVersionLock => S3Error::with_message(
            Code::NoSuchObjectLockConfiguration,
            "The specified object does not have a ObjectLock configuration",
        ),
        ObjectsError::InvalidRetentionPeriod { .. } => {
            custom("InvalidRetentionPeriod", StatusCode::BAD_REQUEST, message.clone())
        }
        ObjectsError::NoSuchVersion { .. } => S3Error::new(Code::NoSuchVersion),
        ObjectsError::KeyTooLong { .. } => S3Error::new(Code::KeyTooLongError),
        ObjectsError::NoSuchUpload { .. } => S3Error::new(Code::NoSuchUpload),
        ObjectsError::InvalidPart { .. } => with(Code::InvalidPart),
        ObjectsError::InvalidPartOrder { .. } => with(Code::InvalidPartOrder),
        ObjectsError::InvalidPartNumber { .. } => custom(
            "InvalidPartNumber",
            StatusCode::RANGE_NOT_SATISFIABLE,
            "The requested partnumber is not satisfiable".to_owned(),
        ),
        ObjectsError::EntityTooSmall { .. } => with(Code::EntityTooSmall),
        ObjectsError::EntityTooLarge { .. } => with(Code::EntityTooLarge),
        ObjectsError::IncompleteBody { .. } => with(Code::IncompleteBody),
        ObjectsError::BadDigest { .. } => with(Code::BadDigest),
        ObjectsError::Body(body) => match body.kind {
            BodyErrorKind::Incomplete | BodyErrorKind::Malformed => with(Code::IncompleteBody),
            BodyErrorKind::SignatureMismatch => S3Error::new(Code::SignatureDoesNotMatch),
            BodyErrorKind::Sha256Mismatch => custom(
                "XAmzContentSHA256Mismatch",
                StatusCode::BAD_REQUEST,
                "The provided 'x-amz-content-sha256' header does not match what was computed.".to_owned(),
            ),
            BodyErrorKind::TooLarge => S3Error::new(Code::EntityTooLarge),
            BodyErrorKind::TooSmall => S3Error::new(Code::EntityTooSmall),
            BodyErrorKind::Internal => internal(&error),
        },
        ObjectsError::PreconditionFailed { condition } => {
            let said = "At least one of the pre-conditions you specified did not hold";
            tracing::debug!(condition = condition.header(), "a condition did not hold");
            S3Error::with_message(Code::PreconditionFailed, said)
        }
        ObjectsError::NotModified { etag, modified_ms } => {
            let mut error = S3Error::new(Code::NotModified);
            error.set_status_code(StatusCode::NOT_MODIFIED);
            let mut headers = HeaderMap::new();
            if let Ok(etag) = HeaderValue::from_str(etag) {
                headers.insert(http::header::ETAG, etag);
            }
            if let Some(modified) = crate::convert::http_date(*modified_ms) {
                headers.insert(http::header::LAST_MODIFIED, modified);
            }
            error.set_headers(headers);
            error
        }
        ObjectsError::InvalidRange { size_bytes } => {
            let mut error = S3Error::new(Code::InvalidRange);
            let mut headers = HeaderMap::new();
            if let Ok(range) = HeaderValue::from_str(&format!("bytes */{size_bytes}")) {
                headers.insert(http::header::CONTENT_RANGE, range);
            }
            error.set_headers(headers);
            error
        }
        ObjectsError::InvalidTag { .. } => with(Code::InvalidTag),
        ObjectsError::MetadataTooLarge { .. } => with(Code::MetadataTooLarge),
        ObjectsError::InvalidObjectState { class, tier, .. } => {
            let mut error = with(Code::InvalidObjectState);
            let mut headers = HeaderMap::new();
            headers.insert(crate::answer::STORAGE_CLASS, HeaderValue::from_static(class.name()));
            if let Some(tier) = tier.archive_name() {
                headers.insert(crate::answer::ACCESS_TIER, HeaderValue::from_static(tier));
            }
            error.set_headers(headers);
            error
        }
        ObjectsError::RestoreInProgress => {
            custom("RestoreAlreadyInProgress", StatusCode::CONFLICT, "Object restore is already in progress".to_owned())
        }
        ObjectsError::InvalidStorageClass { .. } => S3Error::new(Code::InvalidStorageClass),
        ObjectsError::InvalidArgument { .. } => with(Code::InvalidArgument),
        ObjectsError::InvalidRequest { .. } | ObjectsError::NotReplicated { .. } => with(Code::InvalidRequest),
        ObjectsError::CustomerKeyRequired | ObjectsError::CustomerKeyNotApplicable => with(Code::InvalidRequest),
        ObjectsError::CustomerKeyWrong | ObjectsError::CustomerKeysBlocked { .. } => with(Code::AccessDenied),
        ObjectsError::Kms(kms) => kms_error(kms, &error),
        ObjectsError::Denied(_) => with(Code::AccessDenied),
        ObjectsError::Store(StoreError::NoSpace) | ObjectsError::Blob(BlobError::NoSpace) => {
            tracing::error!(%error, "the disk is full");
            custom("InsufficientStorage", StatusCode::INSUFFICIENT_STORAGE, message.clone())
        }
        ObjectsError::Store(StoreError::Closed) | ObjectsError::Stopping => S3Error::new(Code::ServiceUnavailable),
        ObjectsError::Store(_)
        | ObjectsError::Blob(_)
        | ObjectsError::Keys(_)
        | ObjectsError::KmsKeyNotAsked { .. } => internal(&error),
    }
}

/// What a caller is told of a KMS key that cannot be used: KMS's own words, under S3's prefix.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#KMSErrorCodeList>
fn kms_error(kms: &KmsError, error: &ObjectsError) -> S3Error {
    let said = |code| custom(code, StatusCode::BAD_REQUEST, kms.to_string());
    match kms {
        KmsError::NoSuchKey { .. } | KmsError::NoSuchAlias { .. } | KmsError::InvalidArn { .. } => {
            said("KMS.NotFoundException")
        }
        KmsError::Disabled { .. } => said("KMS.DisabledException"),
        KmsError::PendingDeletion { .. } | KmsError::PendingImport { .. } => said("KMS.KMSInvalidStateException"),
        KmsError::InvalidKeyUsage { .. } | KmsError::InvalidAlgorithm { .. } => said("KMS.InvalidKeyUsageException"),
        KmsError::Denied(_) => S3Error::with_message(S3ErrorCode::AccessDenied, kms.to_string()),
        KmsError::Validation { .. } => S3Error::with_message(S3ErrorCode::InvalidArgument, kms.to_string()),
        KmsError::Moved { .. } => S3Error::with_message(S3ErrorCode::SlowDown, kms.to_string()),
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
        | KmsError::Keys(_) => internal(error),
    }
}
