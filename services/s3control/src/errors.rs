//! The domain's errors as S3 Control's. What an account is told or asked here can only fail with the store.

use tarn_aws_protocol::AwsError;
use tarn_objects::ObjectsError;

/// What the caller sees. Failures of the server are logged here and not told.
pub(crate) fn to_aws(error: ObjectsError) -> AwsError {
    tracing::error!(%error, "S3 Control could not answer");
    AwsError::internal_failure("The server could not read or write the account's settings now; try again.")
}
