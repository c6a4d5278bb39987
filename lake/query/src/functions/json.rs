//! JSON in texts: <https://trino.io/docs/current/functions/json.html>. A JSON value is its text.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, StringBuilder};
use datafusion::error::Result;
use serde_json::Value;

use super::invalid;
use super::scalar::{Arguments, Kind, Scalar, to_boolean, to_int, to_text};
use crate::sinks::text::TextColumn;

pub(super) fn all() -> Vec<Scalar> {
    use Kind::{Any, Int, Text};
    vec![
        Scalar::new("json_extract", &[Text, Text], to_text, |args| extract(args, |value| Some(value.to_string()))),
        Scalar::new("json_extract_scalar", &[Text, Text], to_text, |args| extract(args, scalar)),
        Scalar::new("json_parse", &[Text], to_text, |args| {
            args.map_texts(|[text]| match serde_json::from_str::<Value>(text) {
                Ok(value) => Ok(Some(value.to_string())),
                Err(error) => Err(invalid(format!("Cannot convert value to JSON: '{text}': {error}"))),
            })
        }),
        Scalar::new("try_json_parse", &[Text], to_text, |args| {
            args.map_texts(|[text]| Ok(serde_json::from_str::<Value>(text).ok().map(|value| value.to_string())))
        }),
        Scalar::new("json_format", &[Text], to_text, |args| Ok(args.any(0)?.clone())),
        Scalar::new("cast_to_json", &[Any], to_text, cast_to_json),
        Scalar::new("json_array_length", &[Text], to_int, |args| {
            args.map_texts_to_int(|[text]| Ok(array(text).and_then(|items| i64::try_from(items.len()).ok())))
        }),
        Scalar::new("json_size", &[Text, Text], to_int, |args| {
            args.map_texts_to_int(|[text, path]| {
                let steps = steps(path)?;
                let Ok(value) = serde_json::from_str::<Value>(text) else { return Ok(None) };
                Ok(walk(&value, &steps).map(|found| match found {
                    Value::Array(items) => items.len() as i64,
                    Value::Object(object) => object.len() as i64,
                    _ => 0,
                }))
            })
        }),
        Scalar::new("json_array_get", &[Text, Int], to_text, |args| {
            let (texts, indexes) = (args.text(0)?, args.int(1)?);
            let mut out = StringBuilder::new();
            for row in 0..args.rows {
                let found = if texts.is_null(row) || indexes.is_null(row) {
                    None
                } else {
                    array(texts.value(row)).and_then(|items| {
                        let index = indexes.value(row);
                        let index = if index < 0 { index + items.len() as i64 } else { index };
                        items.get(usize::try_from(index).ok()?).map(Value::to_string)
                    })
                };
                out.append_option(found);
            }
            Ok(Arc::new(out.finish()))
        }),
        Scalar::new("json_array_contains", &[Text, Any], to_boolean, |args| {
            let texts = args.text(0)?;
            let sought = values(args.any(1)?);
            let found = (0..args.rows).map(|row| {
                let sought = sought.get(row).filter(|sought| !sought.is_null())?;
                if texts.is_null(row) { None } else { Some(array(texts.value(row))?.contains(sought)) }
            });
            Ok(Arc::new(found.collect::<BooleanArray>()))
        }),
        Scalar::new("is_json_scalar", &[Text], to_boolean, |args| {
            let texts = args.text(0)?.iter();
            Ok(Arc::new(
                texts
                    .map(|text| {
                        text.map(|text| {
                            serde_json::from_str::<Value>(text)
                                .is_ok_and(|value| !value.is_array() && !value.is_object())
                        })
                    })
                    .collect::<BooleanArray>(),
            ))
        }),
    ]
}

fn array(text: &str) -> Option<Vec<Value>> {
    match serde_json::from_str(text) {
        Ok(Value::Array(items)) => Some(items),
        _ => None,
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// `$.a.b[0]["c d"]`
fn steps(path: &str) -> Result<Vec<Step>> {
    let bad = || invalid(format!("Invalid JSON path: '{path}'"));
    let mut rest = path.trim();
    rest = rest.strip_prefix('$').unwrap_or(rest);
    let mut steps = Vec::new();
    if !path.trim().starts_with('$') && !rest.is_empty() && !rest.starts_with(['.', '[']) {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        steps.push(Step::Key(rest.get(..end).unwrap_or_default().to_owned()));
        rest = rest.get(end..).unwrap_or_default();
    }
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let key = after.get(..end).unwrap_or_default();
            if key.is_empty() {
                return Err(bad());
            }
            steps.push(Step::Key(key.trim_matches('"').to_owned()));
            rest = after.get(end..).unwrap_or_default();
        } else if let Some(after) = rest.strip_prefix('[') {
            let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
            let end = match quote {
                Some(quote) => after.get(1..).and_then(|inner| inner.find(quote)).map(|at| at + 2).ok_or_else(bad)?,
                None => after.find(']').ok_or_else(bad)?,
            };
            let inner = after.get(..end).unwrap_or_default();
            steps.push(match quote {
                Some(quote) => Step::Key(inner.trim_matches(quote).to_owned()),
                None => Step::Index(inner.trim().parse().map_err(|_| bad())?),
            });
            rest = after.get(end..).and_then(|after| after.strip_prefix(']')).ok_or_else(bad)?;
        } else {
            return Err(bad());
        }
    }
    Ok(steps)
}

fn walk<'a>(value: &'a Value, steps: &[Step]) -> Option<&'a Value> {
    steps.iter().try_fold(value, |value, step| match (step, value) {
        (Step::Key(key), Value::Object(object)) => object.get(key),
        (Step::Index(index), Value::Array(items)) => items.get(*index),
        _ => None,
    })
}

fn extract(args: &Arguments, told: fn(&Value) -> Option<String>) -> Result<ArrayRef> {
    let (texts, paths) = (args.text(0)?, args.text(1)?);
    let mut kept: Option<(String, Vec<Step>)> = None;
    let mut out = StringBuilder::new();
    for row in 0..args.rows {
        if texts.is_null(row) || paths.is_null(row) {
            out.append_null();
            continue;
        }
        let path = paths.value(row);
        if kept.as_ref().is_none_or(|(known, _)| known != path) {
            kept = Some((path.to_owned(), steps(path)?));
        }
        let value = serde_json::from_str::<Value>(texts.value(row)).ok();
        let found = kept.as_ref().zip(value.as_ref()).and_then(|((_, steps), value)| walk(value, steps)).and_then(told);
        out.append_option(found);
    }
    Ok(Arc::new(out.finish()))
}

/// A column's values as JSON.
fn values(column: &ArrayRef) -> Vec<Value> {
    let storable = crate::types::storable(column.data_type());
    let column = arrow::compute::cast(column, &storable).unwrap_or_else(|_| column.clone());
    let text = TextColumn::new(column.as_ref());
    (0..column.len()).map(|row| crate::sinks::files::json_value(&text, row)).collect()
}

fn cast_to_json(args: &Arguments) -> Result<ArrayRef> {
    let column = args.any(0)?;
    let mut out = StringBuilder::new();
    for (row, value) in values(column).into_iter().enumerate() {
        out.append_option(if column.is_null(row) { None } else { Some(value.to_string()) });
    }
    Ok(Arc::new(out.finish()))
}
