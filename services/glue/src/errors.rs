//! The domain's errors as Glue's: one exhaustive match for each domain.

use tarn_aws_model::glue::{ErrorDetail, SERVICE, errors as of_glue};
use tarn_aws_protocol::AwsError;
use tarn_catalog::CatalogError;
use tarn_crawlers::CrawlersError;

/// What the caller sees. Failures of the server are logged here and not told.
pub(crate) fn of_catalog(error: CatalogError) -> AwsError {
    let message = error.to_string();
    let model = match error {
        CatalogError::DatabaseNotFound { .. }
        | CatalogError::TableNotFound { .. }
        | CatalogError::PartitionNotFound { .. }
        | CatalogError::TableVersionNotFound { .. } => &of_glue::ENTITY_NOT_FOUND_EXCEPTION,
        CatalogError::DatabaseExists { .. }
        | CatalogError::TableExists { .. }
        | CatalogError::PartitionExists { .. } => &of_glue::ALREADY_EXISTS_EXCEPTION,
        CatalogError::ConcurrentModification { .. } => &of_glue::CONCURRENT_MODIFICATION_EXCEPTION,
        CatalogError::Guarded { .. } => return AwsError::access_denied(&SERVICE, message),
        CatalogError::Limit { .. } => &of_glue::RESOURCE_NUMBER_LIMIT_EXCEEDED_EXCEPTION,
        CatalogError::Name { .. }
        | CatalogError::Renamed { .. }
        | CatalogError::PartitionValueCount { .. }
        | CatalogError::PartitionValue { .. }
        | CatalogError::PartitionKeysChanged { .. }
        | CatalogError::PartitionIndexKey { .. }
        | CatalogError::CurrentVersion { .. }
        | CatalogError::Pattern { .. }
        | CatalogError::Expression { .. }
        | CatalogError::Location { .. } => &of_glue::INVALID_INPUT_EXCEPTION,
        CatalogError::Store { source } => return internal(&source.to_string()),
    };
    AwsError::modelled(model, message)
}

/// What the caller sees. Failures of the server are logged here and not told.
pub(crate) fn of_crawlers(error: CrawlersError) -> AwsError {
    let message = error.to_string();
    let model = match error {
        CrawlersError::NotFound { .. } => &of_glue::ENTITY_NOT_FOUND_EXCEPTION,
        CrawlersError::Exists { .. } => &of_glue::ALREADY_EXISTS_EXCEPTION,
        CrawlersError::Running { .. } => &of_glue::CRAWLER_RUNNING_EXCEPTION,
        CrawlersError::NotRunning { .. } => &of_glue::CRAWLER_NOT_RUNNING_EXCEPTION,
        CrawlersError::Stopping { .. } => &of_glue::CRAWLER_STOPPING_EXCEPTION,
        CrawlersError::Invalid { .. } => &of_glue::INVALID_INPUT_EXCEPTION,
        CrawlersError::Limit { .. } => &of_glue::RESOURCE_NUMBER_LIMIT_EXCEEDED_EXCEPTION,
        CrawlersError::Catalog { source } => return of_catalog(source),
        CrawlersError::Objects { .. } => return internal(&message),
        CrawlersError::Store { source } => return internal(&source.to_string()),
    };
    AwsError::modelled(model, message)
}

fn internal(reason: &str) -> AwsError {
    tracing::error!(error = %reason, "glue could not answer");
    AwsError::modelled(&of_glue::INTERNAL_SERVICE_EXCEPTION, "The server could not do this now; try again.")
}

/// What is wrong with one entry of a batch.
pub(crate) fn detail(error: CatalogError) -> ErrorDetail {
    let AwsError { code, message, .. } = of_catalog(error);
    ErrorDetail { error_code: Some(code), error_message: Some(message) }
}

/// Input that cannot be used.
pub(crate) fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::modelled(&of_glue::INVALID_INPUT_EXCEPTION, message)
}

/// There is no such thing.
pub(crate) fn not_found(message: impl Into<String>) -> AwsError {
    AwsError::modelled(&of_glue::ENTITY_NOT_FOUND_EXCEPTION, message)
}

/// Input that AWS takes and this server has no meaning for is refused, not dropped.
pub(crate) fn refuse_unbuilt<T>(member: &str, value: Option<&T>) -> Result<(), AwsError> {
    match value {
        None => Ok(()),
        Some(_) => Err(invalid(format!("{member} is not built into this server; leave it out."))),
    }
}

/// As `refuse_unbuilt`, where an empty list means nothing.
pub(crate) fn refuse_unbuilt_list<T>(member: &str, values: Option<&Vec<T>>) -> Result<(), AwsError> {
    refuse_unbuilt(member, values.filter(|values| !values.is_empty()))
}
