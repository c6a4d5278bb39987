//! A call's input as JSON text for its audit record: without what the model calls sensitive, without payloads, and not long.

use serde_json::{Map, Value as Json, json};
use tarn_aws_protocol::{Member, Shape, Value};

/// Longest JSON text kept of one call's input.
const PARAMETERS_SIZE_BYTES_MAX: usize = 8 * 1_024;
/// Longest text kept of one member.
const TEXT_SIZE_BYTES_MAX: usize = 2 * 1_024;

const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

/// `input` as JSON text.
pub(crate) fn of(input: &Value) -> String {
    let mut budget = PARAMETERS_SIZE_BYTES_MAX;
    render(input, false, &mut budget).to_string()
}

fn spend(budget: &mut usize, size: usize) -> bool {
    let left = budget.checked_sub(size);
    *budget = left.unwrap_or(0);
    left.is_some()
}

fn render(value: &Value, hide: bool, budget: &mut usize) -> Json {
    if hide {
        spend(budget, HIDDEN.len());
        return json!(HIDDEN);
    }
    match value {
        Value::Boolean(value) => json!(value),
        Value::Integer(value) => json!(value),
        Value::Double(value) => json!(value),
        Value::Timestamp(value) => json!(value.to_string()),
        Value::Blob(bytes) => json!({ "bytes": bytes.len() }),
        Value::String(text) => {
            let mut end = text.len().min(TEXT_SIZE_BYTES_MAX).min(*budget);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            spend(budget, end + 2);
            if end == text.len() { json!(text) } else { json!(format!("{}...", &text[..end])) }
        }
        Value::Document(document) => {
            let size = document.to_string().len();
            if spend(budget, size) { document.clone() } else { json!("...") }
        }
        Value::List(values) => {
            let mut list = Vec::new();
            for value in values {
                if !spend(budget, 8) {
                    list.push(json!("..."));
                    break;
                }
                list.push(render(value, false, budget));
            }
            Json::Array(list)
        }
        Value::Map(entries) => {
            let mut object = Map::new();
            for (name, value) in entries {
                if !spend(budget, name.len() + 8) {
                    object.insert("...".to_owned(), json!("..."));
                    break;
                }
                object.insert(name.clone(), render(value, false, budget));
            }
            Json::Object(object)
        }
        Value::Structure(structure) => {
            let mut object = Map::new();
            let members = structure.schema().members().iter().zip(structure.members());
            for (member, value) in members.filter_map(|(member, value)| Some((member, value.as_ref()?))) {
                if !spend(budget, member.name.len() + 8) {
                    object.insert("...".to_owned(), json!("..."));
                    break;
                }
                object.insert(camel(member), render(value, hides(member), budget));
            }
            Json::Object(object)
        }
    }
}

fn hides(member: &Member) -> bool {
    let hidden = member.schema.hides_value();
    // A structure hides its own members, each as it says.
    hidden && !matches!(member.schema.shape, Shape::Structure { .. } if !member.schema.sensitive)
}

/// Trails write the names of parameters with a small first letter.
fn camel(member: &Member) -> String {
    let mut letters = member.name.chars();
    match letters.next() {
        Some(first) => first.to_ascii_lowercase().to_string() + letters.as_str(),
        None => String::new(),
    }
}
