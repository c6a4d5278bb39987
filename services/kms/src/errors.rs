//! The errors of `tarn_keys::kms` as KMS's: one exhaustive match.

use tarn_aws_model::kms::{SERVICE, errors as of_kms};
use tarn_aws_protocol::AwsError;
use tarn_keys::kms::KmsError;

/// What the caller sees. Failures of the server are logged here and not told.
pub(crate) fn to_aws(error: KmsError) -> AwsError {
    let message = error.to_string();
    match error {
        KmsError::NoSuchKey { .. } | KmsError::NoSuchAlias { .. } | KmsError::NoSuchGrant { .. } => {
            AwsError::modelled(&of_kms::NOT_FOUND_EXCEPTION, message)
        }
        KmsError::InvalidKeyUsage { .. } | KmsError::InvalidAlgorithm { .. } => {
            AwsError::modelled(&of_kms::INVALID_KEY_USAGE_EXCEPTION, message)
        }
        KmsError::DryRun => AwsError::modelled(&of_kms::DRY_RUN_OPERATION_EXCEPTION, message),
        KmsError::InvalidSignature => AwsError::modelled(&of_kms::KMS_INVALID_SIGNATURE_EXCEPTION, message),
        KmsError::InvalidMac => AwsError::modelled(&of_kms::KMS_INVALID_MAC_EXCEPTION, message),
        KmsError::InvalidImportToken => AwsError::modelled(&of_kms::INVALID_IMPORT_TOKEN_EXCEPTION, message),
        KmsError::ExpiredImportToken => AwsError::modelled(&of_kms::EXPIRED_IMPORT_TOKEN_EXCEPTION, message),
        KmsError::IncorrectKeyMaterial { .. } => AwsError::modelled(&of_kms::INCORRECT_KEY_MATERIAL_EXCEPTION, message),
        KmsError::InvalidGrantToken => AwsError::modelled(&of_kms::INVALID_GRANT_TOKEN_EXCEPTION, message),
        KmsError::Disabled { .. } => AwsError::modelled(&of_kms::DISABLED_EXCEPTION, message),
        KmsError::PendingDeletion { .. } | KmsError::NotPendingDeletion { .. } | KmsError::PendingImport { .. } => {
            AwsError::modelled(&of_kms::KMS_INVALID_STATE_EXCEPTION, message)
        }
        KmsError::InvalidArn { .. } | KmsError::InvalidGrantPrincipal { .. } => {
            AwsError::modelled(&of_kms::INVALID_ARN_EXCEPTION, message)
        }
        // AWS says nothing more: a reason would help whoever tries ciphertexts.
        KmsError::InvalidCiphertext => AwsError::modelled(&of_kms::INVALID_CIPHERTEXT_EXCEPTION, ""),
        KmsError::IncorrectKey => AwsError::modelled(&of_kms::INCORRECT_KEY_EXCEPTION, message),
        KmsError::AliasExists { .. } => AwsError::modelled(&of_kms::ALREADY_EXISTS_EXCEPTION, message),
        KmsError::InvalidAliasName { .. } => AwsError::modelled(&of_kms::INVALID_ALIAS_NAME_EXCEPTION, message),
        KmsError::MalformedPolicy { .. } => AwsError::modelled(&of_kms::MALFORMED_POLICY_DOCUMENT_EXCEPTION, message),
        KmsError::Validation { .. } => AwsError::validation(&SERVICE, message),
        KmsError::InvalidTag { .. } => AwsError::modelled(&of_kms::TAG_EXCEPTION, message),
        KmsError::LimitExceeded { .. } => AwsError::modelled(&of_kms::LIMIT_EXCEEDED_EXCEPTION, message),
        KmsError::InvalidMarker => AwsError::modelled(&of_kms::INVALID_MARKER_EXCEPTION, message),
        KmsError::Unsupported { .. } | KmsError::UnsupportedForKey { .. } => {
            AwsError::modelled(&of_kms::UNSUPPORTED_OPERATION_EXCEPTION, message)
        }
        KmsError::ManagedByAws { .. } | KmsError::Denied(_) => AwsError::access_denied(&SERVICE, message),
        // Trying again finds what the alias names by then.
        KmsError::Moved { .. } => AwsError::modelled(&of_kms::DEPENDENCY_TIMEOUT_EXCEPTION, message),
        KmsError::Store(_) | KmsError::Keys(_) => {
            tracing::error!(error = %message, "KMS could not answer");
            AwsError::modelled(&of_kms::KMS_INTERNAL_EXCEPTION, "The server could not do this now; try again.")
        }
    }
}
