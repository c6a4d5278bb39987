//! The domain's errors as S3 Control's: one exhaustive match for jobs. What an account is told or asked of its settings can only fail with
//! the store.

use tarn_aws_model::s3control::errors as of_s3control;
use tarn_aws_protocol::AwsError;
use tarn_jobs::JobsError;
use tarn_objects::ObjectsError;

/// What the caller sees. Failures of the server are logged here and not told.
pub(crate) fn to_aws(error: ObjectsError) -> AwsError {
    tracing::error!(%error, "S3 Control could not answer");
    AwsError::internal_failure("The server could not read or write the account's settings now; try again.")
}

/// What the caller of an operation on a bucket sees.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#S3TaggingErrorCodeList>
pub(crate) fn of_bucket(error: ObjectsError) -> AwsError {
    let message = error.to_string();
    match error {
        ObjectsError::NoSuchBucket { .. } => AwsError::sender("NoSuchResource", message).with_status(404),
        ObjectsError::InvalidBucketName { .. } => bad_request(message),
        ObjectsError::InvalidTag { .. } => AwsError::sender("InvalidTag", message),
        other => to_aws(other),
    }
}

/// What the caller of a job's operation sees.
pub(crate) fn of_jobs(error: JobsError) -> AwsError {
    let message = error.to_string();
    let modelled = |model| AwsError::modelled(model, message.clone());
    match error {
        JobsError::JobNotFound { .. } => modelled(&of_s3control::NOT_FOUND_EXCEPTION).with_status(404),
        JobsError::Invalid { .. } => bad_request(message),
        JobsError::TokenReused { .. } => modelled(&of_s3control::IDEMPOTENCY_EXCEPTION),
        JobsError::TooManyJobs { .. } => modelled(&of_s3control::TOO_MANY_REQUESTS_EXCEPTION).with_status(429),
        JobsError::TooManyTags { .. } => modelled(&of_s3control::TOO_MANY_TAGS_EXCEPTION),
        JobsError::Status { .. } => modelled(&of_s3control::JOB_STATUS_EXCEPTION),
        JobsError::InvalidToken => modelled(&of_s3control::INVALID_NEXT_TOKEN_EXCEPTION),
        JobsError::Transition { .. }
        | JobsError::Overtaken
        | JobsError::Waiting
        | JobsError::Failure(_)
        | JobsError::Internal { .. } => internal(&message),
    }
}

pub(crate) fn internal(error: &dyn std::fmt::Display) -> AwsError {
    tracing::error!(%error, "S3 Control could not answer");
    AwsError::modelled(&of_s3control::INTERNAL_SERVICE_EXCEPTION, "The server could not do this now; try again.")
}

/// Input that breaks one of the service's own rules.
pub(crate) fn bad_request(message: impl Into<String>) -> AwsError {
    AwsError::modelled(&of_s3control::BAD_REQUEST_EXCEPTION, message)
}

/// Input that AWS takes and this server has no meaning for is refused, not dropped.
pub(crate) fn refuse_unbuilt<T>(member: &str, value: Option<&T>) -> Result<(), AwsError> {
    match value {
        None => Ok(()),
        Some(_) => Err(not_implemented(member)),
    }
}

pub(crate) fn not_implemented(what: &str) -> AwsError {
    bad_request(format!("{what} is not built into this server; leave it out."))
}
