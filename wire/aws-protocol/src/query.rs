//! awsQuery requests: a flat form whose keys spell paths. Answers are XML and live in `xml`.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;

use crate::error::DecodeError;
use crate::limits::Budget;
use crate::number::parse_scalar;
use crate::schema::{Member, Schema, Shape, TimestampFormat};
use crate::timestamp::{parse_timestamp, shortened};
use crate::value::{StructureValue, Value};

/// A form's pairs, decoded, in order.
pub(crate) fn form_pairs(text: &str) -> impl Iterator<Item = Result<(String, String), DecodeError>> {
    text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((form_text(key)?, form_text(value)?))
    })
}

fn form_text(text: &str) -> Result<String, DecodeError> {
    let spaced = text.replace('+', " ");
    match percent_decode_str(&spaced).decode_utf8() {
        Ok(decoded) => Ok(decoded.into_owned()),
        Err(_) => Err(DecodeError::syntax("The request's form is not valid UTF-8 after percent-decoding")),
    }
}

/// The form as the tree that its keys spell.
#[derive(Debug, Default)]
pub(crate) struct Form {
    text: Option<String>,
    children: BTreeMap<String, Form>,
}

impl Form {
    /// Reads forms (the query string, the body) into one tree. The first value of a key counts.
    pub(crate) fn read(parts: &[&str], budget: &Budget) -> Result<Form, DecodeError> {
        let mut root = Form::default();
        for part in parts {
            for pair in form_pairs(part) {
                let (key, value) = pair?;
                let mut node = &mut root;
                for (depth, name) in key.split('.').enumerate() {
                    budget.descend(depth)?;
                    if !node.children.contains_key(name) {
                        budget.spend()?;
                    }
                    node = node.children.entry(name.to_owned()).or_default();
                }
                node.text.get_or_insert(value);
            }
        }
        Ok(root)
    }

    /// The text under a top-level key.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.children.get(key).and_then(|node| node.text.as_deref())
    }

    /// The children whose keys are numbers, in the order of the numbers.
    fn numbered(&self) -> Vec<&Form> {
        let mut children: Vec<(u32, &Form)> =
            self.children.iter().filter_map(|(key, node)| key.parse().ok().map(|number| (number, node))).collect();
        children.sort_by_key(|(number, _)| *number);
        children.into_iter().map(|(_, node)| node).collect()
    }
}

/// Reads a form as a structure of `schema`.
pub(crate) fn decode(schema: &'static Schema, form: &Form, budget: &Budget) -> Result<Value, DecodeError> {
    structure(schema, form, budget, 0)
}

fn structure(schema: &'static Schema, form: &Form, budget: &Budget, depth: usize) -> Result<Value, DecodeError> {
    budget.descend(depth)?;
    let mut structure = StructureValue::new(schema);
    for (index, member) in schema.members().iter().enumerate() {
        if let Some(node) = form.children.get(key_of(member)) {
            let read = value(member, node, budget, depth + 1).map_err(|error| error.within(member.name))?;
            structure.set_at(index, read);
        }
    }
    Ok(Value::Structure(structure))
}

/// The key of a member: a flattened list whose element is named goes by that name, as botocore writes it.
fn key_of(member: &Member) -> &'static str {
    match member.schema.shape {
        Shape::List { member: element, .. } if member.is_flattened() && element.wire_name_from_model => {
            element.wire_name
        }
        _ => member.wire_name,
    }
}

fn value(member: &Member, form: &Form, budget: &Budget, depth: usize) -> Result<Value, DecodeError> {
    budget.descend(depth)?;
    let schema = member.schema;
    let text = || {
        form.text.as_deref().ok_or_else(|| DecodeError::mistyped("Start of structure or map found where not expected"))
    };
    match schema.shape {
        Shape::Structure { .. } => structure(schema, form, budget, depth),
        Shape::List { member: element, .. } => {
            let node = if member.is_flattened() { Some(form) } else { form.children.get(element.wire_name) };
            let nodes = node.map(Form::numbered).unwrap_or_default();
            let elements = nodes.into_iter().enumerate().map(|(index, node)| {
                value(&element, node, budget, depth + 1).map_err(|error| error.within(&(index + 1).to_string()))
            });
            Ok(Value::List(elements.collect::<Result<_, _>>()?))
        }
        Shape::Map { key, value: entry, .. } => {
            let node = if member.is_flattened() { Some(form) } else { form.children.get("entry") };
            let mut entries = Vec::new();
            for node in node.map(Form::numbered).unwrap_or_default() {
                let key_text = node.text(key.wire_name).ok_or_else(|| {
                    DecodeError::mistyped(format!("An entry of the map '{}' has no key", member.name))
                })?;
                let Some(node) = node.children.get(entry.wire_name) else {
                    return Err(DecodeError::mistyped(format!("An entry of the map '{}' has no value", member.name)));
                };
                let read =
                    value(&entry, node, budget, depth + 1).map_err(|error| error.within(&shortened(key_text)))?;
                entries.push((key_text.to_owned(), read));
            }
            Ok(Value::Map(entries))
        }
        Shape::String => Ok(Value::String(text()?.to_owned())),
        Shape::Blob => STANDARD
            .decode(text()?)
            .map(|bytes| Value::Blob(bytes.into()))
            .map_err(|_| DecodeError::mistyped(format!("The value of '{}' is not valid base64", member.name))),
        Shape::Timestamp(..) => {
            parse_timestamp(text()?, member.timestamp_format_or(TimestampFormat::DateTime)).map(Value::Timestamp)
        }
        Shape::Document => Err(DecodeError::mistyped("This protocol has no documents")),
        Shape::Boolean | Shape::Integer | Shape::Long | Shape::Float | Shape::Double => {
            match parse_scalar(schema, text()?) {
                Some(result) => result,
                None => Err(DecodeError::mistyped(format!("'{}' can not be read from text", member.name))),
            }
        }
    }
}
