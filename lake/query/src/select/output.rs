//! Rows as CSV or JSON. Knows no expression.

use serde_json::{Map, Value as Json};

use tarn_objects::select::OutputFormat;

use super::value::Value;

/// Writes a row; `names` are its columns'.
pub(super) fn write(format: &OutputFormat, names: &[String], values: &[Value], into: &mut Vec<u8>) {
    match format {
        OutputFormat::Csv { field_delimiter, record_delimiter, quote, escape, always_quote } => {
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    into.extend_from_slice(field_delimiter.as_bytes());
                }
                let text = value.text();
                let needed = text.contains(field_delimiter.as_str())
                    || text.contains(record_delimiter.as_str())
                    || text.contains(*quote);
                if !(needed || *always_quote) {
                    into.extend_from_slice(text.as_bytes());
                    continue;
                }
                let mut quoted = String::with_capacity(text.len() + 2);
                quoted.push(*quote);
                for char in text.chars() {
                    if char == *quote || (char == *escape && escape != quote) {
                        quoted.push(*escape);
                    }
                    quoted.push(char);
                }
                quoted.push(*quote);
                into.extend_from_slice(quoted.as_bytes());
            }
            into.extend_from_slice(record_delimiter.as_bytes());
        }
        OutputFormat::Json { record_delimiter } => {
            let mut row = Map::new();
            for (name, value) in names.iter().zip(values) {
                if let Some(json) = value.json() {
                    row.insert(name.clone(), json);
                }
            }
            into.extend_from_slice(Json::Object(row).to_string().as_bytes());
            into.extend_from_slice(record_delimiter.as_bytes());
        }
    }
}
