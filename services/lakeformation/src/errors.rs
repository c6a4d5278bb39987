//! The domain's errors as Lake Formation's: one exhaustive match for each domain.

use tarn_aws_model::lakeformation::{ErrorDetail, SERVICE, errors as of_lake_formation};
use tarn_aws_protocol::AwsError;
use tarn_catalog::CatalogError;
use tarn_formation::FormationError;
use tarn_identity::IdentityError;

/// What the caller sees. Failures of the server are logged here and not told.
pub(crate) fn to_aws(error: FormationError) -> AwsError {
    let message = error.to_string();
    let model = match error {
        FormationError::NotFound { .. } => &of_lake_formation::ENTITY_NOT_FOUND_EXCEPTION,
        FormationError::AlreadyExists { .. } => &of_lake_formation::ALREADY_EXISTS_EXCEPTION,
        FormationError::Invalid { .. } | FormationError::InvalidPrincipal { .. } => {
            &of_lake_formation::INVALID_INPUT_EXCEPTION
        }
        FormationError::Insufficient { .. } => &of_lake_formation::ACCESS_DENIED_EXCEPTION,
        FormationError::PartialAccess { .. } => &of_lake_formation::PERMISSION_TYPE_MISMATCH_EXCEPTION,
        FormationError::Limit { .. } => &of_lake_formation::RESOURCE_NUMBER_LIMIT_EXCEEDED_EXCEPTION,
        FormationError::Concurrent { .. } => &of_lake_formation::CONCURRENT_MODIFICATION_EXCEPTION,
        FormationError::Catalog { source } => return of_catalog(source),
        FormationError::Store { source } => return internal(&source),
    };
    AwsError::modelled(model, message)
}

fn of_catalog(error: CatalogError) -> AwsError {
    let message = error.to_string();
    match error {
        CatalogError::DatabaseNotFound { .. }
        | CatalogError::TableNotFound { .. }
        | CatalogError::PartitionNotFound { .. }
        | CatalogError::TableVersionNotFound { .. } => {
            AwsError::modelled(&of_lake_formation::ENTITY_NOT_FOUND_EXCEPTION, message)
        }
        CatalogError::Guarded { .. } => AwsError::access_denied(&SERVICE, message),
        CatalogError::ConcurrentModification { .. } => {
            AwsError::modelled(&of_lake_formation::CONCURRENT_MODIFICATION_EXCEPTION, message)
        }
        CatalogError::DatabaseExists { .. }
        | CatalogError::TableExists { .. }
        | CatalogError::PartitionExists { .. }
        | CatalogError::Limit { .. }
        | CatalogError::Name { .. }
        | CatalogError::Renamed { .. }
        | CatalogError::PartitionValueCount { .. }
        | CatalogError::PartitionValue { .. }
        | CatalogError::PartitionKeysChanged { .. }
        | CatalogError::PartitionIndexKey { .. }
        | CatalogError::CurrentVersion { .. }
        | CatalogError::Pattern { .. }
        | CatalogError::Expression { .. }
        | CatalogError::Location { .. } => invalid(message),
        CatalogError::Store { source } => internal(&source),
    }
}

/// Credentials that could not be given. Of all that identity can say, a session that is lent can meet only these; the rest is the server's.
pub(crate) fn of_identity(error: &IdentityError) -> AwsError {
    let message = error.to_string();
    if matches!(error, IdentityError::Refused { .. } | IdentityError::Denied { .. }) {
        AwsError::access_denied(&SERVICE, message)
    } else if matches!(error, IdentityError::InvalidInput { .. } | IdentityError::PackedPolicyTooLarge { .. }) {
        invalid(message)
    } else {
        internal(&message)
    }
}

fn internal(error: &dyn std::fmt::Display) -> AwsError {
    tracing::error!(%error, "Lake Formation could not answer");
    AwsError::modelled(&of_lake_formation::INTERNAL_SERVICE_EXCEPTION, "The server could not do this now; try again.")
}

/// What is wrong with one entry of a batch.
pub(crate) fn detail(error: AwsError) -> ErrorDetail {
    ErrorDetail { error_code: Some(error.code), error_message: Some(error.message) }
}

/// Input that cannot be used.
pub(crate) fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::modelled(&of_lake_formation::INVALID_INPUT_EXCEPTION, message)
}

/// Input that AWS takes and this server has no meaning for is refused, not dropped.
pub(crate) fn refuse_unbuilt<T>(member: &str, value: Option<&T>) -> Result<(), AwsError> {
    match value {
        None => Ok(()),
        Some(_) => Err(invalid(format!("{member} is not built into this server; leave it out."))),
    }
}

/// As `refuse_unbuilt`, where `false` means nothing.
pub(crate) fn refuse_unbuilt_flag(member: &str, value: Option<bool>) -> Result<(), AwsError> {
    refuse_unbuilt(member, value.filter(|flag| *flag).as_ref())
}

/// As `refuse_unbuilt`, where an empty list means nothing.
pub(crate) fn refuse_unbuilt_list<T>(member: &str, values: Option<&Vec<T>>) -> Result<(), AwsError> {
    refuse_unbuilt(member, values.filter(|values| !values.is_empty()))
}
