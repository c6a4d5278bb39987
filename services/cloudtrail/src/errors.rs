//! The audit's errors as CloudTrail's: one exhaustive match.

use tarn_audit::AuditError;
use tarn_aws_model::cloudtrail::errors as of_cloudtrail;
use tarn_aws_protocol::AwsError;

/// What the caller sees. Failures of the server are logged here and not told.
pub(crate) fn to_aws(error: AuditError) -> AwsError {
    let message = error.to_string();
    match error {
        AuditError::Marker { .. } => AwsError::modelled(&of_cloudtrail::INVALID_NEXT_TOKEN_EXCEPTION, message),
        AuditError::Settings { .. } | AuditError::Store { .. } => {
            tracing::error!(error = %message, "the audit could not answer");
            AwsError::internal_failure("The server could not read its events now; try again.")
        }
    }
}
