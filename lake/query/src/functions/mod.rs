//! Trino's functions under names of their own (`trino.date_add`), so that a plan says which is meant. Knows no tables.
//!
//! A function stands here when the engine has none of its name, or one that means something else.

mod aggregates;
pub(crate) mod arithmetic;
mod arrays;
mod dates;
mod json;
mod scalar;
mod sum;
mod text;

use std::sync::{Arc, LazyLock};

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::{AggregateUDF, Expr, ScalarUDF};

use crate::errors::{ErrorName, QueryError};
pub(crate) use dates::{add_months, joda_format, joda_parse};

/// All scalar functions, made once.
static SCALARS: LazyLock<Vec<Arc<ScalarUDF>>> = LazyLock::new(|| {
    let mut all = Vec::new();
    all.extend(dates::all());
    all.extend(text::all());
    all.extend(json::all());
    all.extend(arrays::all());
    let named = all.into_iter().map(ScalarUDF::new_from_impl);
    named.chain(arithmetic::all()).map(Arc::new).collect()
});

/// All aggregate functions, made once.
static AGGREGATES: LazyLock<Vec<Arc<AggregateUDF>>> = LazyLock::new(|| {
    let mut all = aggregates::all();
    all.push(sum::sum());
    all
});

/// Puts them into a session, instead of those of the same name: which of two of one name a session keeps when it is copied is
/// not defined.
pub(crate) fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    for function in SCALARS.iter() {
        for name in function.aliases() {
            if let Ok(present) = registry.udf(name) {
                registry.deregister_udf(present.name())?;
            }
        }
        registry.register_udf(function.clone())?;
    }
    for function in AGGREGATES.iter() {
        for name in std::iter::once(function.name()).chain(function.aliases().iter().map(String::as_str)) {
            if let Ok(present) = registry.udaf(name) {
                registry.deregister_udaf(present.name())?;
            }
        }
        registry.register_udaf(function.clone())?;
    }
    Ok(())
}

/// A call of a function of ours, by its own or Trino's name, or of the engine's `round`, `map_keys`, `map_values`.
pub(crate) fn call_registered(name: &str, arguments: Vec<Expr>) -> Result<Expr> {
    let own =
        SCALARS.iter().find(|function| function.name() == name || function.aliases().iter().any(|alias| alias == name));
    if let Some(function) = own {
        return Ok(function.call(arguments));
    }
    let first = |mut arguments: Vec<Expr>| {
        arguments.pop().ok_or_else(|| DataFusionError::Plan(format!("{name} needs an argument")))
    };
    match name {
        "round" => Ok(datafusion::functions::math::round().call(arguments)),
        "map_keys" => Ok(datafusion::functions_nested::map_keys::map_keys(first(arguments)?)),
        "map_values" => Ok(datafusion::functions_nested::map_values::map_values(first(arguments)?)),
        _ => Err(DataFusionError::Plan(format!("Function '{name}' not registered"))),
    }
}

/// The list 1, 2, ... as long as the longest of `lists`: what WITH ORDINALITY unnests.
pub(crate) fn ordinality(lists: Vec<Expr>) -> Expr {
    call_registered("trino.ordinality", lists)
        .unwrap_or_else(|_| Expr::Literal(datafusion::common::ScalarValue::Null, None))
}

/// Whether `try_<name>` is there, which gives NULL where `name` fails.
pub(crate) fn has_trying_form(name: &str) -> bool {
    let trying = format!("try_{}", name.to_lowercase());
    SCALARS.iter().any(|function| function.aliases().contains(&trying))
}

/// The names that SHOW FUNCTIONS tells, of this registry.
pub(crate) fn names() -> Vec<String> {
    let scalars = SCALARS.iter().flat_map(|function| function.aliases().iter().cloned());
    let aggregates = AGGREGATES.iter().flat_map(|function| function.aliases().iter().cloned());
    let mut names: Vec<String> = scalars.chain(aggregates).filter(|name| !name.starts_with("try_")).collect();
    names.sort();
    names.dedup();
    names
}

/// A value that a function does not take.
fn invalid(message: impl Into<String>) -> DataFusionError {
    DataFusionError::External(Box::new(QueryError::new(ErrorName::InvalidFunctionArgument, message)))
}

/// A value that does not read as the wanted type.
fn invalid_cast(message: impl Into<String>) -> DataFusionError {
    DataFusionError::External(Box::new(QueryError::new(ErrorName::InvalidCastArgument, message)))
}
