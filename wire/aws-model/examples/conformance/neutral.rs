//! Values in a form of no protocol: JSON by the model's member names, blobs in base64, instants in milliseconds.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};
use tarn_aws_protocol::{Schema, Shape, StructureValue, Timestamp, Value};

/// Writes a value.
pub fn write(value: &Value) -> Json {
    match value {
        Value::Boolean(value) => json!(value),
        Value::Integer(value) => json!(value),
        Value::Double(value) if value.is_finite() => json!(value),
        Value::Double(value) => json!(value.to_string()),
        Value::String(value) => json!(value),
        Value::Blob(value) => json!(STANDARD.encode(value)),
        Value::Document(value) => value.clone(),
        Value::Timestamp(value) => json!(value.as_millisecond()),
        Value::List(values) => Json::Array(values.iter().map(write).collect()),
        Value::Map(entries) => Json::Object(entries.iter().map(|(key, value)| (key.clone(), write(value))).collect()),
        Value::Structure(structure) => {
            let members = structure.schema().members().iter().zip(structure.members());
            let set = members.filter_map(|(member, value)| Some((member.name.to_owned(), write(value.as_ref()?))));
            Json::Object(set.collect())
        }
    }
}

/// Reads a value of a schema.
pub fn read(schema: &'static Schema, json: &Json) -> Result<Value, String> {
    let refuse = || format!("{json} is not a value of {}", schema.name);
    Ok(match schema.shape {
        Shape::Boolean => Value::Boolean(json.as_bool().ok_or_else(refuse)?),
        Shape::Integer | Shape::Long => Value::Integer(json.as_i64().ok_or_else(refuse)?),
        Shape::Float | Shape::Double => Value::Double(match json.as_str() {
            Some(text) => text.parse().map_err(|_| refuse())?,
            None => json.as_f64().ok_or_else(refuse)?,
        }),
        Shape::String => Value::String(json.as_str().ok_or_else(refuse)?.to_owned()),
        Shape::Blob => {
            let text = json.as_str().ok_or_else(refuse)?;
            Value::Blob(STANDARD.decode(text).map_err(|_| refuse())?.into())
        }
        Shape::Document => Value::Document(json.clone()),
        Shape::Timestamp(..) => {
            let milliseconds = json.as_i64().ok_or_else(refuse)?;
            Value::Timestamp(Timestamp::from_millisecond(milliseconds).map_err(|_| refuse())?)
        }
        Shape::List { member, .. } => {
            let elements = json.as_array().ok_or_else(refuse)?.iter().map(|element| read(member.schema, element));
            Value::List(elements.collect::<Result<_, _>>()?)
        }
        Shape::Map { value, .. } => {
            let entries = json.as_object().ok_or_else(refuse)?.iter();
            let entries = entries.map(|(key, entry)| read(value.schema, entry).map(|entry| (key.clone(), entry)));
            Value::Map(entries.collect::<Result<_, _>>()?)
        }
        Shape::Structure { members, .. } => {
            let fields = json.as_object().ok_or_else(refuse)?;
            let mut structure = StructureValue::new(schema);
            for (index, member) in members.iter().enumerate() {
                if let Some(field) = fields.get(member.name) {
                    structure.set_at(index, read(member.schema, field)?);
                }
            }
            Value::Structure(structure)
        }
    })
}
