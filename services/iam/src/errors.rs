//! Identity's errors as IAM's: one exhaustive match.

use tarn_aws_model::iam::{SERVICE, errors as of_iam};
use tarn_aws_protocol::AwsError;
use tarn_identity::IdentityError;
use tarn_policy::Denied;

/// What the caller sees. Failures of the server are logged here and not told.
pub(crate) fn to_aws(error: IdentityError) -> AwsError {
    let message = error.to_string();
    match error {
        IdentityError::NoSuchEntity { .. }
        | IdentityError::NoSuchAccessKey { .. }
        | IdentityError::NoSuchInlinePolicy { .. }
        | IdentityError::NoSuchPolicy { .. }
        | IdentityError::NoSuchPolicyVersion { .. }
        | IdentityError::NotAttached { .. }
        | IdentityError::NoBoundary { .. }
        | IdentityError::NotInGroup { .. }
        | IdentityError::NoSuchInstanceProfile { .. }
        | IdentityError::NoSuchLoginProfile { .. }
        | IdentityError::NoPasswordPolicy { .. }
        | IdentityError::NoSuchAlias { .. }
        | IdentityError::NoSuchDeletion { .. }
        | IdentityError::NoSuchOidcProvider { .. } => AwsError::modelled(&of_iam::NO_SUCH_ENTITY_EXCEPTION, message),
        IdentityError::Exists { .. }
        | IdentityError::PolicyExists { .. }
        | IdentityError::LoginProfileExists { .. }
        | IdentityError::AliasExists { .. } => AwsError::modelled(&of_iam::ENTITY_ALREADY_EXISTS_EXCEPTION, message),
        IdentityError::DeleteConflict { .. }
        | IdentityError::PolicyAttached
        | IdentityError::PolicyHasVersions
        | IdentityError::DefaultVersion => AwsError::modelled(&of_iam::DELETE_CONFLICT_EXCEPTION, message),
        IdentityError::LimitExceeded { .. }
        | IdentityError::TooManyVersions { .. }
        | IdentityError::InlinePoliciesTooLarge { .. } => {
            AwsError::modelled(&of_iam::LIMIT_EXCEEDED_EXCEPTION, message)
        }
        IdentityError::MalformedPolicy { .. } => {
            AwsError::modelled(&of_iam::MALFORMED_POLICY_DOCUMENT_EXCEPTION, message)
        }
        IdentityError::PasswordPolicyViolation { .. } => {
            AwsError::modelled(&of_iam::PASSWORD_POLICY_VIOLATION_EXCEPTION, message)
        }
        IdentityError::WrongPassword => AwsError::access_denied(&SERVICE, message),
        IdentityError::PasswordChangedMeanwhile { .. } => {
            AwsError::modelled(&of_iam::ENTITY_TEMPORARILY_UNMODIFIABLE_EXCEPTION, message)
        }
        IdentityError::NoCredentialReport => {
            AwsError::modelled(&of_iam::CREDENTIAL_REPORT_NOT_PRESENT_EXCEPTION, message)
        }
        IdentityError::CredentialReportExpired => {
            AwsError::modelled(&of_iam::CREDENTIAL_REPORT_EXPIRED_EXCEPTION, message)
        }
        IdentityError::InvalidTags { .. } | IdentityError::InvalidServiceRole { .. } => {
            AwsError::modelled(&of_iam::INVALID_INPUT_EXCEPTION, message)
        }
        IdentityError::ManagedByAws { .. } | IdentityError::Denied { .. } | IdentityError::Refused { .. } => {
            AwsError::access_denied(&SERVICE, message)
        }
        IdentityError::ConfiguredKey { .. } | IdentityError::ProtectedRole { .. } => {
            AwsError::modelled(&of_iam::UNMODIFIABLE_ENTITY_EXCEPTION, message)
        }
        IdentityError::InvalidInput { .. } => AwsError::validation(&SERVICE, message),
        IdentityError::NotAUser => {
            AwsError::validation(&SERVICE, "Must specify userName when calling with non-User credentials")
        }
        IdentityError::PackedPolicyTooLarge { .. }
        | IdentityError::InvalidAuthorizationMessage
        | IdentityError::TokenExpired
        | IdentityError::TokenInvalid
        | IdentityError::WebTokenInvalid { .. }
        | IdentityError::WebTokenExpired { .. }
        | IdentityError::ClaimRejected { .. }
        | IdentityError::IssuerUnreachable { .. }
        | IdentityError::AccessKeyTaken { .. }
        | IdentityError::Keys { .. }
        | IdentityError::Hash { .. }
        | IdentityError::Store { .. } => {
            tracing::error!(error = %message, "identity could not answer");
            AwsError::modelled(&of_iam::SERVICE_FAILURE_EXCEPTION, "The server could not do this now; try again.")
        }
    }
}

/// A refusal that a handler finds itself, in the words of the gateway's.
pub(crate) fn denied(denied: Denied) -> AwsError {
    AwsError::access_denied(&SERVICE, denied.to_string())
}
