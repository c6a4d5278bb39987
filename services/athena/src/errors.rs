//! The domain's errors as Athena's: one exhaustive match for each domain.

use tarn_aws_model::athena::{SERVICE, errors as of_athena};
use tarn_aws_protocol::AwsError;
use tarn_catalog::CatalogError;
use tarn_query::queries::QueriesError;

/// `AthenaErrorCode` of most refusals.
const INVALID_INPUT: &str = "INVALID_INPUT";

fn refused(code: &str, message: impl Into<String>) -> AwsError {
    AwsError::modelled(&of_athena::INVALID_REQUEST_EXCEPTION, message).with_field("AthenaErrorCode", code)
}

/// Input that cannot be used.
pub(crate) fn invalid(message: impl Into<String>) -> AwsError {
    refused(INVALID_INPUT, message)
}

/// There is no such thing.
pub(crate) fn not_found(name: &str, message: impl Into<String>) -> AwsError {
    AwsError::modelled(&of_athena::RESOURCE_NOT_FOUND_EXCEPTION, message).with_field("ResourceName", name)
}

fn internal(reason: &str) -> AwsError {
    tracing::error!(error = %reason, "athena could not answer");
    AwsError::modelled(&of_athena::INTERNAL_SERVER_EXCEPTION, "The server could not do this now; try again.")
}

/// What the caller sees. Failures of the server are logged here and not told.
pub(crate) fn of_queries(error: QueriesError) -> AwsError {
    let message = error.to_string();
    match error {
        QueriesError::Syntax { .. } => refused("MALFORMED_QUERY", message),
        QueriesError::IdempotentParameterMismatch => refused("IDEMPOTENT_PARAMETER_MISMATCH", message),
        QueriesError::NotFound { what: "PreparedStatement", name } => not_found(&name, message),
        QueriesError::NotFound { .. }
        | QueriesError::Exists { .. }
        | QueriesError::Invalid { .. }
        | QueriesError::NotBuilt { .. }
        | QueriesError::Limit { .. }
        | QueriesError::WorkGroupDisabled { .. }
        | QueriesError::WorkGroupNotEmpty { .. }
        | QueriesError::OutputBucket { .. }
        | QueriesError::Token { .. } => invalid(message),
        QueriesError::NotFinished { .. } | QueriesError::NotSucceeded { .. } => {
            refused("INVALID_QUERY_EXECUTION_STATE", message)
        }
        QueriesError::Unreadable { .. } => invalid(message),
        QueriesError::TooManyQueries { .. } => AwsError::modelled(&of_athena::TOO_MANY_REQUESTS_EXCEPTION, message)
            .with_field("Reason", "CONCURRENT_QUERY_LIMIT_EXCEEDED"),
        QueriesError::Denied { .. } => AwsError::access_denied(&SERVICE, message),
        QueriesError::Objects { source } => internal(&source.to_string()),
        QueriesError::Store { source } => internal(&source.to_string()),
    }
}

/// What the caller sees. Failures of the server are logged here and not told.
pub(crate) fn of_catalog(error: CatalogError) -> AwsError {
    let message = error.to_string();
    match error {
        CatalogError::DatabaseNotFound { .. }
        | CatalogError::TableNotFound { .. }
        | CatalogError::PartitionNotFound { .. }
        | CatalogError::TableVersionNotFound { .. } => {
            AwsError::modelled(&of_athena::METADATA_EXCEPTION, format!("EntityNotFoundException: {message}"))
        }
        CatalogError::DatabaseExists { .. }
        | CatalogError::TableExists { .. }
        | CatalogError::PartitionExists { .. }
        | CatalogError::ConcurrentModification { .. }
        | CatalogError::Guarded { .. }
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
        CatalogError::Store { source } => internal(&source.to_string()),
    }
}

/// Input that AWS takes and this server has no meaning for is refused, not dropped.
pub(crate) fn refuse_unbuilt<T>(member: &str, value: Option<&T>) -> Result<(), AwsError> {
    match value {
        None => Ok(()),
        Some(_) => Err(invalid(format!("{member} is not built into this server; leave it out."))),
    }
}
