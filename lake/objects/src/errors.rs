//! All that a request on buckets and objects can be refused with. Knows no wire codes: services map each variant to their own.

use tarn_blobs::BlobError;
use tarn_keys::KeysError;
use tarn_keys::kms::KmsError;
use tarn_metadata::{StoreError, WriteError};
use tarn_policy::Denied;

use crate::classes::{AccessTier, StorageClass};
use crate::lock::LockReason;
use crate::replication::NotReplicated;
use crate::versions::VersionId;

/// Why a body could not be read to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct BodyError {
    /// What kind of failure.
    pub kind: BodyErrorKind,
    /// What the source said.
    pub reason: String,
}

/// What kind of failure of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyErrorKind {
    /// The caller went away or sent less than announced.
    Incomplete,
    /// A signed piece does not carry the signature of its bytes.
    SignatureMismatch,
    /// The hash in `x-amz-content-sha256` is not that of the bytes.
    Sha256Mismatch,
    /// More bytes than may be sent at once.
    TooLarge,
    /// Fewer bytes than the caller was allowed to send.
    TooSmall,
    /// The framing of the body is broken.
    Malformed,
    /// The bytes came from the lake itself (a copy), and it could not give them.
    Internal,
}

/// A condition of a request that did not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// `If-Match`.
    IfMatch,
    /// `If-None-Match`.
    IfNoneMatch,
    /// `If-Modified-Since`.
    IfModifiedSince,
    /// `If-Unmodified-Since`.
    IfUnmodifiedSince,
}

impl Condition {
    /// The header's name.
    pub fn header(self) -> &'static str {
        match self {
            Self::IfMatch => "If-Match",
            Self::IfNoneMatch => "If-None-Match",
            Self::IfModifiedSince => "If-Modified-Since",
            Self::IfUnmodifiedSince => "If-Unmodified-Since",
        }
    }
}

/// A kind of configuration that a bucket can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigurationKind {
    /// Cross-origin rules.
    Cors,
    /// The website.
    Website,
    /// Request metrics, by id.
    Metrics,
    /// Storage class analyses, by id.
    Analytics,
    /// Replication.
    Replication,
    /// Archive configurations of INTELLIGENT_TIERING, by id.
    IntelligentTiering,
    /// Inventories, by id.
    Inventory,
}

impl ConfigurationKind {
    /// The bucket has none.
    pub(crate) fn missing(self, bucket: &crate::names::BucketName) -> ObjectsError {
        ObjectsError::NoSuchConfiguration { kind: self, bucket: bucket.to_string() }
    }
}

/// Why a request on buckets or objects was refused.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ObjectsError {
    /// The name breaks S3's rules.
    #[error("`{name}` is not a bucket name: {reason}")]
    InvalidBucketName {
        /// What was given.
        name: String,
        /// The rule.
        reason: &'static str,
    },
    /// No such bucket.
    #[error("the bucket `{bucket}` does not exist: create it first, or check its name")]
    NoSuchBucket {
        /// Its name.
        bucket: String,
    },
    /// Another account has it.
    #[error("the bucket name `{bucket}` is taken by another account: choose another name")]
    BucketAlreadyExists {
        /// Its name.
        bucket: String,
    },
    /// The caller's account has it already.
    #[error("your account already owns the bucket `{bucket}`")]
    BucketAlreadyOwnedByYou {
        /// Its name.
        bucket: String,
    },
    /// It still has objects.
    #[error("the bucket `{bucket}` is not empty: delete its objects first")]
    BucketNotEmpty {
        /// Its name.
        bucket: String,
    },
    /// The account has as many as it may.
    #[error("an account has at most {count_max} buckets")]
    TooManyBuckets {
        /// The limit.
        count_max: usize,
    },
    /// The bucket has no policy.
    #[error("the bucket `{bucket}` has no policy")]
    NoSuchBucketPolicy {
        /// Its name.
        bucket: String,
    },
    /// The bucket has no ownership controls.
    #[error("the bucket `{bucket}` has no ownership controls")]
    NoSuchOwnershipControls {
        /// Its name.
        bucket: String,
    },
    /// The bucket has no Block Public Access.
    #[error("the bucket `{bucket}` has no public access block configuration")]
    NoSuchPublicAccessBlock {
        /// Its name.
        bucket: String,
    },
    /// The bucket takes no access control lists.
    #[error(
        "the bucket `{bucket}` does not allow access control lists: its objects are its owner's; use a bucket policy"
    )]
    AclsDisabled {
        /// Its name.
        bucket: String,
    },
    /// A list that grants something to others, and ownership controls that disable lists, together.
    #[error(
        "the bucket `{bucket}` cannot have a list that grants others anything and BucketOwnerEnforced: set one or the other"
    )]
    AclWithOwnershipEnforced {
        /// Its name.
        bucket: String,
    },
    /// A new bucket with a public list, where public lists are blocked.
    #[error("the bucket `{bucket}` cannot be made with a public list, because Block Public Access is on")]
    PublicAclOfNewBucket {
        /// Its name.
        bucket: String,
    },
    /// A public list or policy, where such are blocked.
    #[error("public access is blocked by the {setting} block public access setting")]
    PublicAccessBlocked {
        /// `BlockPublicAcls` or `BlockPublicPolicy`.
        setting: &'static str,
    },
    /// An access control list breaks the rules.
    #[error("{reason}")]
    MalformedAcl {
        /// Which rule.
        reason: &'static str,
    },
    /// The bucket has no lifecycle rules.
    #[error("the bucket `{bucket}` has no lifecycle configuration")]
    NoSuchLifecycleConfiguration {
        /// Its name.
        bucket: String,
    },
    /// Something else lies there than what was seen before.
    #[error("it was changed meanwhile: try again")]
    Changed,
    /// The bucket has no tags.
    #[error("the bucket `{bucket}` has no tags")]
    NoSuchTagSet {
        /// Its name.
        bucket: String,
    },
    /// The bucket has no configuration of this kind.
    #[error("the bucket `{bucket}` has no such configuration: {kind:?}")]
    NoSuchConfiguration {
        /// Of which kind.
        kind: ConfigurationKind,
        /// The bucket.
        bucket: String,
    },
    /// The bucket has as many configurations of this kind as it may.
    #[error(
        "You are attempting to create a new configuration but have already reached the {count_max}-configuration limit."
    )]
    TooManyConfigurations {
        /// The limit.
        count_max: usize,
    },
    /// Logs cannot be delivered to the bucket that is named.
    #[error("{reason}")]
    InvalidTargetBucketForLogging {
        /// Why not.
        reason: String,
    },
    /// A configuration lacks what it must have, or has what it must not.
    #[error("{reason}")]
    MalformedConfiguration {
        /// What is wrong in it.
        reason: String,
    },
    /// The text is no policy.
    #[error("{reason}")]
    MalformedPolicy {
        /// What is wrong in it.
        reason: String,
    },
    /// No object at the key.
    #[error("there is no object at `{key}` in the bucket `{bucket}`")]
    NoSuchKey {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
        /// The delete marker that is the latest version there, if one is.
        delete_marker: Option<VersionId>,
    },
    /// No such version.
    #[error("there is no version `{version_id}` of `{key}`")]
    NoSuchVersion {
        /// The key.
        key: String,
        /// What was asked for.
        version_id: String,
    },
    /// The version that was named is a delete marker: there is nothing to read.
    #[error("the version `{version_id}` of `{key}` is a delete marker")]
    IsDeleteMarker {
        /// The key.
        key: String,
        /// What was asked for.
        version_id: VersionId,
        /// When the marker was made, milliseconds since 1970.
        modified_ms: i64,
    },
    /// A lock keeps the version.
    #[error("the version is protected by {}", reason.text())]
    Locked {
        /// What protects it.
        reason: LockReason,
    },
    /// The bucket's versioning or lock does not allow it.
    #[error("{reason}")]
    InvalidBucketState {
        /// Why not.
        reason: &'static str,
    },
    /// The bucket was made without object lock.
    #[error("the bucket `{bucket}` has no object lock configuration")]
    NoObjectLockConfiguration {
        /// Its name.
        bucket: String,
    },
    /// The version has no retention or no legal hold.
    #[error("the version has no object lock configuration of this kind")]
    NoVersionLock,
    /// A retention of no time, or of too long.
    #[error("the retention period must be from 1 day to {years_max} years")]
    InvalidRetentionPeriod {
        /// The limit.
        years_max: u32,
    },
    /// No replication can be asked for.
    #[error("no replication rule is for the object: {}", why.name())]
    NotReplicated {
        /// Why not.
        why: NotReplicated,
    },
    /// The key is too long.
    #[error("the key has {size_bytes} bytes, more than {size_bytes_max}")]
    KeyTooLong {
        /// Its size.
        size_bytes: usize,
        /// The limit.
        size_bytes_max: usize,
    },
    /// No such multipart upload: unknown, completed or aborted.
    #[error("the multipart upload `{upload_id}` does not exist: it was completed or aborted, or never begun")]
    NoSuchUpload {
        /// What was given.
        upload_id: String,
    },
    /// The completion names a part that is not there, or with another ETag or checksum.
    #[error("part {number} was not uploaded, or its entity tag or checksum is another")]
    InvalidPart {
        /// The part's number.
        number: u32,
    },
    /// The parts of the completion are not in ascending order.
    #[error("the parts must be listed in ascending order of their numbers; {number} is out of order")]
    InvalidPartOrder {
        /// The first that is not.
        number: u32,
    },
    /// The part asked for is not in the object.
    #[error("the object has {count} parts; part {number} is not among them")]
    InvalidPartNumber {
        /// What was asked for.
        number: u32,
        /// What there is.
        count: u32,
    },
    /// A part but the last is below the minimum.
    #[error("part {number} has {size_bytes} bytes; all parts but the last have at least {size_bytes_min}")]
    EntityTooSmall {
        /// The part's number.
        number: u32,
        /// Its size.
        size_bytes: u64,
        /// The limit.
        size_bytes_min: u64,
        /// Its entity tag.
        etag: String,
    },
    /// More bytes than one upload may have.
    #[error("the payload has {size_bytes} bytes, more than {size_bytes_max}: use a multipart upload")]
    EntityTooLarge {
        /// What was sent or announced.
        size_bytes: u64,
        /// The limit.
        size_bytes_max: u64,
    },
    /// Fewer or more bytes arrived than were announced.
    #[error("the request announced {expected_bytes} bytes and sent {received_bytes}")]
    IncompleteBody {
        /// Announced.
        expected_bytes: u64,
        /// Received.
        received_bytes: u64,
    },
    /// `Content-MD5` or a checksum is not that of the bytes.
    #[error("the {algorithm} you gave, {expected}, is not that of the bytes received, {computed}: send them again")]
    BadDigest {
        /// `Content-MD5`, `CRC32`, ...
        algorithm: &'static str,
        /// What was given.
        expected: String,
        /// What was computed.
        computed: String,
    },
    /// The body failed.
    #[error("the body could not be read: {0}")]
    Body(BodyError),
    /// A condition of the request does not hold.
    #[error("the condition {} does not hold", condition.header())]
    PreconditionFailed {
        /// Which.
        condition: Condition,
    },
    /// The object is as the caller knows it.
    #[error("the object was not modified")]
    NotModified {
        /// Its entity tag, quoted.
        etag: String,
        /// When it was last modified, milliseconds since 1970.
        modified_ms: i64,
    },
    /// The range is outside of the object.
    #[error("the range is outside of the object's {size_bytes} bytes")]
    InvalidRange {
        /// The object's size.
        size_bytes: u64,
    },
    /// A tag breaks the rules.
    #[error("{reason}")]
    InvalidTag {
        /// Which rule.
        reason: &'static str,
    },
    /// The user's metadata is too large.
    #[error("the user metadata has {size_bytes} bytes, more than {size_bytes_max}")]
    MetadataTooLarge {
        /// Its size.
        size_bytes: usize,
        /// The limit.
        size_bytes_max: usize,
    },
    /// An object leads a website's visitor to what is no place.
    #[error(
        "The website redirect location must have a prefix of 'http://' or 'https://' or '/', and at most 2048 bytes."
    )]
    InvalidRedirectLocation,
    /// No class of that name.
    #[error("the storage class `{class}` is not valid")]
    InvalidStorageClass {
        /// What was asked for.
        class: String,
    },
    /// The object's class, or how far it has been moved, does not allow it.
    #[error("{reason}")]
    InvalidObjectState {
        /// What is not allowed.
        reason: &'static str,
        /// Its class.
        class: StorageClass,
        /// Where it lies, in INTELLIGENT_TIERING.
        tier: AccessTier,
    },
    /// It is being restored already.
    #[error("the object is being restored already")]
    RestoreInProgress,
    /// A parameter has a value that cannot be.
    #[error("`{value}` cannot be the value of {name}: {reason}")]
    InvalidArgument {
        /// The parameter.
        name: &'static str,
        /// What was given.
        value: String,
        /// Why not.
        reason: &'static str,
    },
    /// The parts of the request do not go together.
    #[error("{reason}")]
    InvalidRequest {
        /// Why not.
        reason: String,
    },
    /// The object is encrypted by a key that the caller keeps, and it was not given.
    #[error(
        "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object."
    )]
    CustomerKeyRequired,
    /// The object is encrypted by another key than the one given.
    #[error("the object is encrypted by another key than the one given")]
    CustomerKeyWrong,
    /// A key was given for an object that is not encrypted by a customer's.
    #[error("The encryption parameters are not applicable to this object.")]
    CustomerKeyNotApplicable,
    /// The bucket takes no objects that are encrypted by customers' keys.
    #[error("the bucket `{bucket}` does not take objects encrypted by keys that customers keep (SSE-C)")]
    CustomerKeysBlocked {
        /// The bucket.
        bucket: String,
    },
    /// The object is encrypted by a KMS key, and nobody was asked whether the reader may decrypt it.
    #[error("the object is encrypted by the KMS key {key}, which this reader does not ask for")]
    KmsKeyNotAsked {
        /// The key's ARN.
        key: String,
    },
    /// The KMS key cannot be used.
    #[error("{0}")]
    Kms(#[from] KmsError),
    /// Refused by policy, where the domain itself had to ask.
    #[error("{0}")]
    Denied(Denied),
    /// The metadata store could not.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The bytes could not be kept or given.
    #[error("{0}")]
    Blob(BlobError),
    /// The encryption keys could not be had.
    #[error("{0}")]
    Keys(KeysError),
    /// The server stopped before the work was done; nothing is known of its outcome.
    #[error("the server is stopping: try again")]
    Stopping,
}

impl From<WriteError<ObjectsError>> for ObjectsError {
    fn from(error: WriteError<ObjectsError>) -> Self {
        match error {
            WriteError::Refused(refusal) => refusal,
            WriteError::Store(store) => Self::Store(store),
        }
    }
}
