//! Numbers as text. Knows no protocol.

use crate::error::DecodeError;
use crate::schema::{Schema, Shape};
use crate::timestamp::shortened;
use crate::value::Value;

/// The text of a double: `NaN`, `Infinity`, `-Infinity`, whole numbers without a fraction.
pub(crate) fn double_text(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else {
        value.to_string()
    }
}

/// Reads a double as text; Rust's own spellings of infinity are refused.
pub(crate) fn parse_double(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ if text.contains(|character: char| character.is_ascii_alphabetic() && !matches!(character, 'e' | 'E')) => {
            None
        }
        _ => text.parse().ok(),
    }
}

/// Reads a number or boolean of `schema` from text; `None` for schemas of other kinds.
pub(crate) fn parse_scalar(schema: &Schema, text: &str) -> Option<Result<Value, DecodeError>> {
    let refuse = |kind: &str| {
        let shown = if schema.sensitive { "***".to_owned() } else { shortened(text) };
        DecodeError::mistyped(format!("\"{shown}\" can not be converted to {kind}"))
    };
    match schema.shape {
        Shape::Boolean => Some(match text {
            "true" | "True" | "TRUE" => Ok(Value::Boolean(true)),
            "false" | "False" | "FALSE" => Ok(Value::Boolean(false)),
            _ => Err(refuse("a Boolean")),
        }),
        Shape::Integer => {
            Some(text.parse::<i32>().map(|value| Value::Integer(i64::from(value))).map_err(|_| refuse("an Integer")))
        }
        Shape::Long => Some(text.parse::<i64>().map(Value::Integer).map_err(|_| refuse("a Long"))),
        Shape::Float => Some(parse_double(text).map(Value::Double).ok_or_else(|| refuse("a Float"))),
        Shape::Double => Some(parse_double(text).map(Value::Double).ok_or_else(|| refuse("a Double"))),
        Shape::String
        | Shape::Blob
        | Shape::Document
        | Shape::Timestamp(..)
        | Shape::List { .. }
        | Shape::Map { .. }
        | Shape::Structure { .. } => None,
    }
}
