//! All that a request on trails can be refused with. Knows no wire codes: the service maps each variant to its own.

use tarn_audit::AuditError;
use tarn_keys::KeysError;
use tarn_metadata::{StoreError, WriteError};
use tarn_objects::ObjectsError;

/// Why a request on trails was refused.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TrailsError {
    /// No such trail.
    #[error("Unknown trail: {arn}")]
    NoSuchTrail {
        /// Its ARN, or what was given for it.
        arn: String,
    },
    /// The name is taken.
    #[error("Trail {name} already exists")]
    TrailExists {
        /// The name.
        name: String,
    },
    /// The account has as many trails as it may.
    #[error("User: {account} already has {count_max} trails in the region.")]
    TooManyTrails {
        /// Whose.
        account: String,
        /// The limit.
        count_max: usize,
    },
    /// Not a name that a trail can have.
    #[error("{reason}")]
    InvalidName {
        /// The rule.
        reason: &'static str,
    },
    /// Not a trail's ARN.
    #[error("{arn} is not the ARN of a trail: it looks like arn:aws:cloudtrail:REGION:ACCOUNT:trail/NAME")]
    InvalidArn {
        /// As given.
        arn: String,
    },
    /// Not a name that a bucket can have.
    #[error("{bucket} is not a valid name of a bucket")]
    InvalidBucketName {
        /// As given.
        bucket: String,
    },
    /// No such bucket.
    #[error("S3 bucket {bucket} does not exist!")]
    NoSuchBucket {
        /// Its name.
        bucket: String,
    },
    /// Not a prefix that a trail can have.
    #[error("{reason}")]
    InvalidPrefix {
        /// The rule.
        reason: &'static str,
    },
    /// The bucket's policy does not let CloudTrail in.
    #[error(
        "Incorrect S3 bucket policy is detected for bucket: {bucket}. It must allow cloudtrail.amazonaws.com {action}{condition}"
    )]
    BucketRefuses {
        /// Which.
        bucket: String,
        /// What it must be allowed, and on what.
        action: String,
        /// Under which condition key.
        condition: &'static str,
    },
    /// Not a name of a KMS key.
    #[error("{key} is not the name of a KMS key: give its id, ARN or alias")]
    InvalidKey {
        /// As given.
        key: String,
    },
    /// No such KMS key.
    #[error("KMS key {key} cannot be found")]
    NoSuchKey {
        /// As given.
        key: String,
    },
    /// The KMS key cannot be used now.
    #[error("{reason}")]
    KeyDisabled {
        /// Why not.
        reason: String,
    },
    /// The KMS key's policy does not let CloudTrail in.
    #[error(
        "Insufficient permissions to access KMS key {key}: its policy must allow cloudtrail.amazonaws.com kms:GenerateDataKey*"
    )]
    KeyRefuses {
        /// Which.
        key: String,
    },
    /// Settings that do not go together.
    #[error("{reason}")]
    Combination {
        /// Why not.
        reason: &'static str,
    },
    /// The selectors say nothing that can be followed.
    #[error("{reason}")]
    InvalidSelectors {
        /// What is wrong.
        reason: String,
    },
    /// A tag breaks the rules.
    #[error("{reason}")]
    InvalidTag {
        /// The rule.
        reason: &'static str,
    },
    /// More tags than a trail may have.
    #[error("A trail has at most {count_max} tags.")]
    TooManyTags {
        /// The limit.
        count_max: usize,
    },
    /// The time range ends before it begins.
    #[error("StartTime is after EndTime: give a time range that is not empty.")]
    InvalidTimeRange,
    /// A marker that no page gave.
    #[error("the token was not given by a page before: begin without one")]
    InvalidToken,
    /// What keeps the objects could not.
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    /// The store could not.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The lake's key could not.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The events could not be read.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A key could not be made or used.
    #[error("the cryptography failed while {doing}")]
    Cryptography {
        /// What was being done.
        doing: &'static str,
    },
    /// The server is stopping.
    #[error("the server is stopping, try again")]
    Stopping,
}

impl From<WriteError<TrailsError>> for TrailsError {
    fn from(error: WriteError<TrailsError>) -> Self {
        match error {
            WriteError::Refused(error) => error,
            WriteError::Store(source) => Self::Store(source),
        }
    }
}
