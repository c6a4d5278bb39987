//! The engine's errors under Athena's names. Knows no statement beyond its text.

use std::error::Error;

use arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;

use crate::errors::{ErrorName, QueryError};
use crate::statement::token::tokens;
use crate::tables::text::root;

/// What failed while `text` was planned or run.
pub(crate) fn failure(text: &str, error: &DataFusionError) -> QueryError {
    if let Some(own) = own_of(error) {
        return own;
    }
    match error.find_root() {
        DataFusionError::ResourcesExhausted(reason) => QueryError::new(
            ErrorName::ExhaustedResources,
            format!("{} (raise the engine's memory, or read fewer rows or columns)", first_line(reason)),
        ),
        DataFusionError::SchemaError(error, _) => match error.as_ref() {
            SchemaError::FieldNotFound { field, .. } => {
                let name = field.name();
                QueryError::new(
                    ErrorName::ColumnNotFound,
                    format!("{}Column '{}' cannot be resolved", place(text, name), field.flat_name()),
                )
            }
            SchemaError::AmbiguousReference { field } => QueryError::new(
                ErrorName::AmbiguousName,
                format!("{}Column '{}' is ambiguous", place(text, field.name()), field.name()),
            ),
            SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
                QueryError::new(ErrorName::AmbiguousName, format!("{}Column '{name}' is ambiguous", place(text, name)))
            }
        },
        DataFusionError::ArrowError(error, _) => arrow_failure(error),
        DataFusionError::NotImplemented(reason) => QueryError::not_supported(first_line(reason)),
        DataFusionError::Plan(reason) => plan_failure(text, reason),
        DataFusionError::SQL(error, _) => QueryError::new(ErrorName::SyntaxError, error.to_string()),
        DataFusionError::Execution(reason) => {
            let name = if reason.contains("cast") || reason.contains("parse") {
                ErrorName::InvalidCastArgument
            } else {
                ErrorName::InvalidFunctionArgument
            };
            QueryError::new(name, first_line(reason))
        }
        DataFusionError::ParquetError(error) => QueryError::new(ErrorName::HiveCursorError, error.to_string()),
        _ => QueryError::new(ErrorName::Internal, root(error)),
    }
}

/// The error of ours that stands at the bottom, if it is one.
fn own_of(error: &DataFusionError) -> Option<QueryError> {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(own) = error.downcast_ref::<QueryError>() {
            return Some(own.clone());
        }
        if let Some(error) = error.downcast_ref::<tarn_objects::ObjectsError>() {
            return Some(QueryError::new(ErrorName::HiveFilesystemError, error.to_string()));
        }
        // an I/O error does not tell the error it was made of as its source
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && let Some(inner) = io.get_ref()
        {
            next = Some(inner);
            continue;
        }
        next = match error.downcast_ref::<DataFusionError>() {
            Some(DataFusionError::External(inner)) => Some(inner.as_ref()),
            Some(DataFusionError::Context(_, inner)) => Some(inner.as_ref()),
            Some(DataFusionError::Shared(inner)) => Some(inner.as_ref()),
            Some(DataFusionError::Diagnostic(_, inner)) => Some(inner.as_ref()),
            Some(DataFusionError::ArrowError(inner, _)) => Some(inner.as_ref()),
            Some(DataFusionError::ParquetError(inner)) => Some(inner.as_ref()),
            _ => match (error.downcast_ref::<ArrowError>(), error.downcast_ref::<parquet::errors::ParquetError>()) {
                (Some(ArrowError::ExternalError(inner)), _) => Some(inner.as_ref()),
                (_, Some(parquet::errors::ParquetError::External(inner))) => Some(inner.as_ref()),
                _ => error.source(),
            },
        };
    }
    None
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn arrow_failure(error: &ArrowError) -> QueryError {
    match error {
        ArrowError::DivideByZero => QueryError::new(ErrorName::DivisionByZero, "Division by zero"),
        ArrowError::ArithmeticOverflow(reason) => QueryError::new(ErrorName::NumericValueOutOfRange, reason.clone()),
        ArrowError::CastError(reason) | ArrowError::ParseError(reason) => {
            QueryError::new(ErrorName::InvalidCastArgument, reason.clone())
        }
        ArrowError::NotYetImplemented(reason) => QueryError::not_supported(reason.clone()),
        ArrowError::InvalidArgumentError(reason) | ArrowError::ComputeError(reason) => {
            QueryError::new(ErrorName::InvalidFunctionArgument, reason.clone())
        }
        other => QueryError::new(ErrorName::Internal, other.to_string()),
    }
}

fn plan_failure(text: &str, reason: &str) -> QueryError {
    let reason = first_line(reason);
    for known in ["Unexpected parameters", "Cannot unnest type"] {
        if let Some(at) = reason.find(known) {
            return QueryError::new(ErrorName::FunctionNotFound, reason.get(at..).unwrap_or(reason));
        }
    }
    let between =
        |start: &str| reason.split_once(start).and_then(|(_, rest)| rest.split_once('\'')).map(|(name, _)| name);
    if let Some(name) = between("Invalid function '") {
        return QueryError::new(
            ErrorName::FunctionNotFound,
            format!("{}Function '{name}' not registered", place(text, name)),
        );
    }
    if let Some(name) = between("able '")
        && reason.ends_with("not found")
    {
        let bare = name.rsplit('.').next().unwrap_or(name);
        return QueryError::new(
            ErrorName::TableNotFound,
            format!("{}Table '{name}' does not exist", place(text, bare)),
        );
    }
    if reason.contains("No function matches") || reason.contains("Failed to coerce arguments") {
        return QueryError::new(ErrorName::FunctionNotFound, reason);
    }
    if reason.contains("coerc") || reason.contains("Cannot infer common") || reason.contains("type") {
        return QueryError::new(ErrorName::TypeMismatch, reason);
    }
    QueryError::new(ErrorName::SyntaxError, reason)
}

/// `line 1:8: `: where `name` stands first in the text.
pub(crate) fn place(text: &str, name: &str) -> String {
    let found =
        tokens(text, false).ok().and_then(|all| all.into_iter().find(|token| token.text.eq_ignore_ascii_case(name)));
    found.map(|token| format!("line {}:{}: ", token.line, token.column)).unwrap_or_default()
}
