//! Identity's errors as STS's: one exhaustive match.

use tarn_aws_model::sts::{SERVICE, errors as of_sts};
use tarn_aws_protocol::AwsError;
use tarn_identity::IdentityError;

/// What the caller sees. Failures of the server are logged here and not told.
pub(crate) fn to_aws(error: IdentityError) -> AwsError {
    let message = error.to_string();
    match error {
        IdentityError::InvalidAuthorizationMessage => {
            AwsError::modelled(&of_sts::INVALID_AUTHORIZATION_MESSAGE_EXCEPTION, message)
        }
        IdentityError::MalformedPolicy { .. } => {
            AwsError::modelled(&of_sts::MALFORMED_POLICY_DOCUMENT_EXCEPTION, message)
        }
        IdentityError::PackedPolicyTooLarge { .. } => {
            AwsError::modelled(&of_sts::PACKED_POLICY_TOO_LARGE_EXCEPTION, message)
        }
        IdentityError::WebTokenInvalid { .. } => AwsError::modelled(&of_sts::INVALID_IDENTITY_TOKEN_EXCEPTION, message),
        IdentityError::WebTokenExpired { .. } => AwsError::modelled(&of_sts::EXPIRED_TOKEN_EXCEPTION, message),
        IdentityError::ClaimRejected { .. } => AwsError::modelled(&of_sts::IDP_REJECTED_CLAIM_EXCEPTION, message),
        IdentityError::IssuerUnreachable { .. } => {
            AwsError::modelled(&of_sts::IDP_COMMUNICATION_ERROR_EXCEPTION, message)
        }
        IdentityError::Denied { .. } | IdentityError::Refused { .. } => AwsError::access_denied(&SERVICE, message),
        IdentityError::InvalidInput { .. }
        | IdentityError::InvalidTags { .. }
        | IdentityError::LimitExceeded { .. }
        | IdentityError::NoSuchPolicy { .. }
        | IdentityError::NoSuchAccessKey { .. } => AwsError::validation(&SERVICE, message),
        IdentityError::NoSuchEntity { .. }
        | IdentityError::NoSuchInlinePolicy { .. }
        | IdentityError::NoSuchPolicyVersion { .. }
        | IdentityError::NotAttached { .. }
        | IdentityError::NoBoundary { .. }
        | IdentityError::NotInGroup { .. }
        | IdentityError::NoSuchInstanceProfile { .. }
        | IdentityError::NoSuchOidcProvider { .. }
        | IdentityError::Exists { .. }
        | IdentityError::PolicyExists { .. }
        | IdentityError::DeleteConflict { .. }
        | IdentityError::PolicyAttached
        | IdentityError::PolicyHasVersions
        | IdentityError::DefaultVersion
        | IdentityError::TooManyVersions { .. }
        | IdentityError::InlinePoliciesTooLarge { .. }
        | IdentityError::ManagedByAws { .. }
        | IdentityError::ConfiguredKey { .. }
        | IdentityError::NotAUser
        | IdentityError::NoSuchLoginProfile { .. }
        | IdentityError::LoginProfileExists { .. }
        | IdentityError::PasswordPolicyViolation { .. }
        | IdentityError::WrongPassword
        | IdentityError::PasswordChangedMeanwhile { .. }
        | IdentityError::Hash { .. }
        | IdentityError::NoPasswordPolicy { .. }
        | IdentityError::AliasExists { .. }
        | IdentityError::NoSuchAlias { .. }
        | IdentityError::NoCredentialReport
        | IdentityError::CredentialReportExpired
        | IdentityError::InvalidServiceRole { .. }
        | IdentityError::ProtectedRole { .. }
        | IdentityError::NoSuchDeletion { .. }
        | IdentityError::TokenExpired
        | IdentityError::TokenInvalid
        | IdentityError::AccessKeyTaken { .. }
        | IdentityError::Keys { .. }
        | IdentityError::Store { .. } => {
            tracing::error!(error = %message, "identity could not answer");
            AwsError::internal_failure("The server could not do this now; try again.")
        }
    }
}
