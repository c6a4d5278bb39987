//! The model's constraints, checked on decoded values, refused in AWS's words. Knows no protocol.

use std::collections::HashMap;
use std::sync::RwLock;

use regex::Regex;

use crate::schema::{Member, Schema, Shape};
use crate::value::{StructureValue, Value};

/// Most violations that one answer names.
const VIOLATIONS_MAX: usize = 20;
/// Longest value that a message repeats, in bytes.
const VALUE_SHOWN_BYTES_MAX: usize = 1024;
/// Largest compiled pattern, in bytes.
const PATTERN_SIZE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// One value that breaks one constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Where: `tableInput.columns.1.member.name`.
    pub path: String,
    /// The value as the message shows it: `null`, quoted, or absent when it must not be shown.
    pub value: Option<String>,
    /// What must hold.
    pub constraint: String,
}

/// The sentence with which AWS refuses input.
pub fn violations_message(violations: &[Violation]) -> String {
    let details: Vec<String> = violations
        .iter()
        .map(|violation| {
            let value = violation.value.as_ref().map(|value| format!(" {value}")).unwrap_or_default();
            format!("Value{value} at '{}' failed to satisfy constraint: {}", violation.path, violation.constraint)
        })
        .collect();
    let noun = if violations.len() == 1 { "error" } else { "errors" };
    format!("{} validation {noun} detected: {}", violations.len(), details.join("; "))
}

/// Checks a value against the constraints of its schema; at most the first twenty violations are found.
pub fn validate(value: &Value) -> Vec<Violation> {
    let mut found = Vec::new();
    if let Value::Structure(structure) = value {
        check_members(structure, "", &mut found);
    }
    found
}

fn check_members(structure: &StructureValue, path: &str, found: &mut Vec<Violation>) {
    let schema = structure.schema();
    for (member, value) in schema.members().iter().zip(structure.members()) {
        if found.len() >= VIOLATIONS_MAX {
            return;
        }
        match value {
            Some(value) if needs_check(member.schema) || nests(member.schema) => {
                check(member, value, &join(path, &lower_first(member.name)), schema.sensitive, found);
            }
            Some(_) => {}
            None if member.required => found.push(Violation {
                path: join(path, &lower_first(member.name)),
                value: Some("null".to_owned()),
                constraint: "Member must not be null".to_owned(),
            }),
            None => {}
        }
    }
}

fn needs_check(schema: &Schema) -> bool {
    schema.constraints != crate::schema::Constraints::NONE
}

fn check(member: &Member, value: &Value, path: &str, hidden: bool, found: &mut Vec<Violation>) {
    if found.len() >= VIOLATIONS_MAX {
        return;
    }
    let hidden = hidden || member.schema.hides_value();
    for constraint in broken(member.schema, value) {
        found.push(Violation { path: path.to_owned(), value: shown(value, hidden), constraint });
    }
    match (member.schema.shape, value) {
        (_, Value::Structure(structure)) => check_members(structure, path, found),
        (Shape::List { member: element, .. }, Value::List(values)) => {
            if nests(element.schema) {
                for (index, value) in values.iter().enumerate() {
                    check(&element, value, &format!("{path}.{}.member", index + 1), hidden, found);
                }
            } else if needs_check(element.schema)
                && let Some(inner) =
                    values.iter().map(|value| broken(element.schema, value)).find(|inner| !inner.is_empty())
            {
                let constraint = format!("Member must satisfy constraint: [{}]", inner.join(", "));
                found.push(Violation { path: path.to_owned(), value: shown(value, hidden), constraint });
            }
        }
        (Shape::Map { key, value: entry, .. }, Value::Map(entries)) => {
            if needs_check(key.schema) {
                let keys = entries.iter().map(|(key, _)| Value::String(key.clone()));
                if let Some(inner) = keys.map(|text| broken(key.schema, &text)).find(|inner| !inner.is_empty()) {
                    let constraint = format!("Map keys must satisfy constraint: [{}]", inner.join(", "));
                    found.push(Violation { path: path.to_owned(), value: shown(value, hidden), constraint });
                }
            }
            if nests(entry.schema) {
                for (key, value) in entries {
                    check(&entry, value, &format!("{path}.{key}.member"), hidden, found);
                }
            } else if needs_check(entry.schema)
                && let Some(inner) =
                    entries.iter().map(|(_, value)| broken(entry.schema, value)).find(|inner| !inner.is_empty())
            {
                let constraint = format!("Map value must satisfy constraint: [{}]", inner.join(", "));
                found.push(Violation { path: path.to_owned(), value: shown(value, hidden), constraint });
            }
        }
        _ => {}
    }
}

fn nests(schema: &Schema) -> bool {
    matches!(schema.shape, Shape::Structure { .. } | Shape::List { .. } | Shape::Map { .. })
}

/// What `value` itself, without what is in it, breaks of the schema's constraints.
fn broken(schema: &Schema, value: &Value) -> Vec<String> {
    let constraints = &schema.constraints;
    let mut broken = Vec::new();
    if let Some(length) = length(value) {
        if let Some(max) = constraints.length_max.filter(|max| length > *max) {
            broken.push(format!("Member must have length less than or equal to {max}"));
        }
        if let Some(min) = constraints.length_min.filter(|min| length < *min) {
            broken.push(format!("Member must have length greater than or equal to {min}"));
        }
    }
    if let Some(number) = number(value) {
        if let Some(max) = constraints.value_max.filter(|max| number > *max) {
            broken.push(format!("Member must have value less than or equal to {max}"));
        }
        if let Some(min) = constraints.value_min.filter(|min| number < *min) {
            broken.push(format!("Member must have value greater than or equal to {min}"));
        }
    }
    if let Value::String(text) = value {
        if !constraints.enum_values.is_empty() && !constraints.enum_values.contains(&text.as_str()) {
            broken.push(format!("Member must satisfy enum value set: [{}]", constraints.enum_values.join(", ")));
        }
        // The length is checked first, so that a pattern never runs over more than the model allows.
        if broken.is_empty()
            && let Some(pattern) = constraints.pattern
            && !matches(pattern, text)
        {
            broken.push(format!("Member must satisfy regular expression pattern: {pattern}"));
        }
    }
    broken
}

fn length(value: &Value) -> Option<u64> {
    let length = match value {
        // Java counts UTF-16 units.
        Value::String(text) => text.encode_utf16().count(),
        Value::Blob(bytes) => bytes.len(),
        Value::List(values) => values.len(),
        Value::Map(entries) => entries.len(),
        Value::Boolean(_)
        | Value::Integer(_)
        | Value::Double(_)
        | Value::Timestamp(_)
        | Value::Document(_)
        | Value::Structure(_) => return None,
    };
    u64::try_from(length).ok()
}

fn number(value: &Value) -> Option<f64> {
    match value {
        #[expect(clippy::cast_precision_loss, reason = "limits in models are small")]
        Value::Integer(number) => Some(*number as f64),
        Value::Double(number) => Some(*number),
        _ => None,
    }
}

/// Whether the whole text matches. A pattern that cannot be compiled refuses nothing; a test proves there is none.
fn matches(pattern: &'static str, text: &str) -> bool {
    static COMPILED: RwLock<Option<HashMap<&'static str, Option<Regex>>>> = RwLock::new(None);
    if let Ok(compiled) = COMPILED.read()
        && let Some(regex) = compiled.as_ref().and_then(|compiled| compiled.get(pattern))
    {
        return regex.as_ref().is_none_or(|regex| regex.is_match(text));
    }
    let regex = compile(pattern);
    let matches = regex.as_ref().is_none_or(|regex| regex.is_match(text));
    if let Ok(mut compiled) = COMPILED.write() {
        compiled.get_or_insert_with(HashMap::new).insert(pattern, regex);
    }
    matches
}

/// A pattern of a model, compiled to match whole texts; `None` if it is not in the syntax.
pub fn compile(pattern: &str) -> Option<Regex> {
    regex::RegexBuilder::new(&format!("\\A(?:{pattern})\\z")).size_limit(PATTERN_SIZE_BYTES_MAX).build().ok()
}

fn shown(value: &Value, hidden: bool) -> Option<String> {
    if hidden {
        return None;
    }
    let mut text = String::new();
    show(value, &mut text);
    (text.len() <= VALUE_SHOWN_BYTES_MAX).then(|| format!("'{text}'"))
}

/// Writes a value as Java's `toString` would; stops once it is too long to be shown.
fn show(value: &Value, text: &mut String) {
    if text.len() > VALUE_SHOWN_BYTES_MAX {
        return;
    }
    match value {
        Value::Boolean(value) => text.push_str(&value.to_string()),
        Value::Integer(value) => text.push_str(&value.to_string()),
        Value::Double(value) => text.push_str(&value.to_string()),
        Value::String(value) => text.push_str(value),
        Value::Blob(value) => text.push_str(&format!("java.nio.HeapByteBuffer[pos=0 lim={0} cap={0}]", value.len())),
        Value::Timestamp(value) => text.push_str(&value.to_string()),
        Value::Document(value) => text.push_str(&value.to_string()),
        Value::List(values) => {
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    text.push_str(", ");
                }
                show(value, text);
            }
            text.push(']');
        }
        Value::Map(entries) => {
            text.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                if index > 0 {
                    text.push_str(", ");
                }
                text.push_str(key);
                text.push('=');
                show(value, text);
            }
            text.push('}');
        }
        Value::Structure(structure) => text.push_str(structure.schema().name),
    }
}

fn lower_first(name: &str) -> String {
    let mut characters = name.chars();
    match characters.next() {
        Some(first) => first.to_lowercase().collect::<String>() + characters.as_str(),
        None => String::new(),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
