//! The errors of the audit and of trails as CloudTrail's: one exhaustive match each.

use tarn_audit::AuditError;
use tarn_aws_model::cloudtrail::errors as of_cloudtrail;
use tarn_aws_protocol::AwsError;
use tarn_trails::TrailsError;

fn unanswered(message: &str) -> AwsError {
    tracing::error!(error = %message, "the audit could not answer");
    AwsError::internal_failure("The server could not read its events now; try again.")
}

/// What the caller sees. Failures of the server are logged here and not told.
pub(crate) fn to_aws(error: AuditError) -> AwsError {
    let message = error.to_string();
    match error {
        AuditError::Marker { .. } => AwsError::modelled(&of_cloudtrail::INVALID_NEXT_TOKEN_EXCEPTION, message),
        AuditError::Settings { .. } | AuditError::Store { .. } => unanswered(&message),
    }
}

/// As `to_aws`, of trails.
pub(crate) fn trails_to_aws(error: TrailsError) -> AwsError {
    let message = error.to_string();
    let model = match error {
        TrailsError::NoSuchTrail { .. } => &of_cloudtrail::TRAIL_NOT_FOUND_EXCEPTION,
        TrailsError::TrailExists { .. } => &of_cloudtrail::TRAIL_ALREADY_EXISTS_EXCEPTION,
        TrailsError::TooManyTrails { .. } => &of_cloudtrail::MAXIMUM_NUMBER_OF_TRAILS_EXCEEDED_EXCEPTION,
        TrailsError::InvalidName { .. } => &of_cloudtrail::INVALID_TRAIL_NAME_EXCEPTION,
        TrailsError::InvalidArn { .. } => &of_cloudtrail::CLOUD_TRAIL_ARN_INVALID_EXCEPTION,
        TrailsError::InvalidBucketName { .. } => &of_cloudtrail::INVALID_S3_BUCKET_NAME_EXCEPTION,
        TrailsError::NoSuchBucket { .. } => &of_cloudtrail::S3_BUCKET_DOES_NOT_EXIST_EXCEPTION,
        TrailsError::InvalidPrefix { .. } => &of_cloudtrail::INVALID_S3_PREFIX_EXCEPTION,
        TrailsError::BucketRefuses { .. } => &of_cloudtrail::INSUFFICIENT_S3_BUCKET_POLICY_EXCEPTION,
        TrailsError::InvalidKey { .. } => &of_cloudtrail::INVALID_KMS_KEY_ID_EXCEPTION,
        TrailsError::NoSuchKey { .. } => &of_cloudtrail::KMS_KEY_NOT_FOUND_EXCEPTION,
        TrailsError::KeyDisabled { .. } => &of_cloudtrail::KMS_KEY_DISABLED_EXCEPTION,
        TrailsError::KeyRefuses { .. } => &of_cloudtrail::INSUFFICIENT_ENCRYPTION_POLICY_EXCEPTION,
        TrailsError::Combination { .. } => &of_cloudtrail::INVALID_PARAMETER_COMBINATION_EXCEPTION,
        TrailsError::InvalidSelectors { .. } => &of_cloudtrail::INVALID_EVENT_SELECTORS_EXCEPTION,
        TrailsError::InvalidTag { .. } => &of_cloudtrail::INVALID_TAG_PARAMETER_EXCEPTION,
        TrailsError::TooManyTags { .. } => &of_cloudtrail::TAGS_LIMIT_EXCEEDED_EXCEPTION,
        TrailsError::InvalidTimeRange => &of_cloudtrail::INVALID_TIME_RANGE_EXCEPTION,
        TrailsError::InvalidToken => &of_cloudtrail::INVALID_TOKEN_EXCEPTION,
        TrailsError::Audit(error) => return to_aws(error),
        TrailsError::Objects(_)
        | TrailsError::Store(_)
        | TrailsError::Keys(_)
        | TrailsError::Cryptography { .. }
        | TrailsError::Stopping => return unanswered(&message),
    };
    AwsError::modelled(model, message)
}
