//! The streams' errors as Firehose's: one exhaustive match.

use tarn_aws_model::firehose::{SERVICE, errors as of_firehose};
use tarn_aws_protocol::AwsError;
use tarn_policy::Denied;
use tarn_streams::StreamsError;

/// What the caller sees. Failures of the server are logged here and not told.
pub(crate) fn to_aws(error: StreamsError) -> AwsError {
    let message = error.to_string();
    match error {
        StreamsError::StreamNotFound { .. } => AwsError::modelled(&of_firehose::RESOURCE_NOT_FOUND_EXCEPTION, message),
        StreamsError::StreamExists { .. } | StreamsError::StreamDeleting { .. } => {
            AwsError::modelled(&of_firehose::RESOURCE_IN_USE_EXCEPTION, message)
        }
        StreamsError::TooManyStreams { .. } => AwsError::modelled(&of_firehose::LIMIT_EXCEEDED_EXCEPTION, message),
        StreamsError::VersionMismatch { .. } => {
            AwsError::modelled(&of_firehose::CONCURRENT_MODIFICATION_EXCEPTION, message)
        }
        StreamsError::Invalid { .. } | StreamsError::Prefix { .. } | StreamsError::NoTable { .. } => invalid(message),
        StreamsError::Denied(source) => denied(source),
        StreamsError::Backlog { .. } => AwsError::modelled(&of_firehose::SERVICE_UNAVAILABLE_EXCEPTION, message),
        StreamsError::Internal { .. } => {
            tracing::error!(error = %message, "the streams could not answer");
            let message = "The server could not do this now; try again.";
            AwsError::modelled(&of_firehose::SERVICE_UNAVAILABLE_EXCEPTION, message)
        }
    }
}

/// As `to_aws`, for producers: to them, a stream that is being deleted is not there.
pub(crate) fn to_producer(error: StreamsError) -> AwsError {
    match error {
        StreamsError::StreamDeleting { .. } => {
            AwsError::modelled(&of_firehose::RESOURCE_NOT_FOUND_EXCEPTION, error.to_string())
        }
        error => to_aws(error),
    }
}

/// Input that breaks one of Firehose's own rules.
pub(crate) fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::modelled(&of_firehose::INVALID_ARGUMENT_EXCEPTION, message)
}

/// A refusal that a handler finds itself, in the words of the gateway's.
pub(crate) fn denied(denied: Denied) -> AwsError {
    AwsError::access_denied(&SERVICE, denied.to_string())
}

/// Input that AWS takes and this server has no meaning for is refused, not dropped.
pub(crate) fn refuse_unbuilt<T>(member: &str, value: Option<&T>) -> Result<(), AwsError> {
    match value {
        None => Ok(()),
        Some(_) => Err(invalid(format!("{member} is not built into this server; leave it out."))),
    }
}
