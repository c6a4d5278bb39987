//! A call's input and its answer as JSON text for its audit record: without what the model calls sensitive, without payloads, and not long.

use serde_json::{Map, Value as Json, json};
use tarn_aws_protocol::{Member, Shape, Value};

/// Longest JSON text kept of one call's input or answer.
const PARAMETERS_SIZE_BYTES_MAX: usize = 8 * 1_024;
/// Longest text kept of one member.
const TEXT_SIZE_BYTES_MAX: usize = 2 * 1_024;

const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

/// `input` as JSON text.
pub(crate) fn of(input: &Value) -> String {
    let mut budget = PARAMETERS_SIZE_BYTES_MAX;
    render(input, false, &mut budget).to_string()
}

/// `output` as JSON text; `None` of an output that says nothing.
pub(crate) fn of_answer(output: &Value) -> Option<String> {
    let is_empty = matches!(output, Value::Structure(structure) if structure.set_count() == 0);
    (!is_empty).then(|| of(output))
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tarn_aws_model::{SERVICES, iam, sts};
    use tarn_aws_protocol::{Schema, StructureValue, WireValue};

    use super::*;

    const SECRET: &str = "a secret";

    /// Whether a text of that name is a secret, whatever the models say.
    fn is_named_secret(name: &str) -> bool {
        let ends = ["Secret", "SecretAccessKey", "Password", "Passphrase", "PrivateKey", "SessionToken", "HECToken"];
        ends.iter().any(|end| name.ends_with(end)) || name == "WebIdentityToken"
    }

    /// A value of `schema` with all members; `None` where it would hold itself.
    fn whole(schema: &'static Schema, secret: bool, depth: usize) -> Option<Value> {
        let secret = secret || schema.sensitive;
        let text = || if secret { SECRET.to_owned() } else { "open".to_owned() };
        Some(match schema.shape {
            Shape::Boolean => Value::Boolean(true),
            Shape::Integer | Shape::Long => Value::Integer(1),
            Shape::Float | Shape::Double => Value::Double(1.0),
            Shape::Timestamp(..) => Value::Timestamp(tarn_runtime::Timestamp::UNIX_EPOCH),
            Shape::String => Value::String(text()),
            // Bytes are shown of no member.
            Shape::Blob => Value::Blob(Bytes::from_static(SECRET.as_bytes())),
            Shape::Document => Value::Document(json!({ "text": text() })),
            Shape::List { member, .. } => Value::List(vec![whole(member.schema, secret, depth)?]),
            Shape::Map { key, value, .. } => {
                let key = if key.schema.sensitive { SECRET } else { "key" };
                Value::Map(vec![(key.to_owned(), whole(value.schema, secret, depth)?)])
            }
            Shape::Structure { members, .. } => {
                let depth = depth.checked_sub(1)?;
                let of = |member: &Member| whole(member.schema, secret || is_named_secret(member.name), depth);
                Value::Structure(StructureValue::from_members(schema, members.iter().map(of).collect()))
            }
        })
    }

    #[test]
    fn no_secret_of_any_operation_is_shown() {
        let mut hidden = 0;
        for operation in SERVICES.iter().flat_map(|service| service.operations) {
            for schema in [operation.input, operation.output] {
                let Some(value) = whole(schema, false, 8) else { continue };
                let mut budget = usize::MAX;
                let text = render(&value, false, &mut budget).to_string();
                assert!(!text.contains(SECRET), "{} {}: {text}", operation.name, schema.name);
                hidden += text.matches(HIDDEN).count();
            }
        }
        assert!(hidden > 20, "{hidden}");
    }

    #[test]
    fn answers_read_as_trails_write_them() {
        let check = |output: Value, expected: Option<Json>| {
            let text = of_answer(&output);
            assert_eq!(text.as_deref().map(|text| serde_json::from_str::<Json>(text).expect("JSON")), expected);
        };
        let credentials = sts::Credentials {
            access_key_id: Some("ASIA1".to_owned()),
            secret_access_key: Some(SECRET.to_owned()),
            session_token: Some(SECRET.to_owned()),
            expiration: Some(tarn_runtime::Timestamp::UNIX_EPOCH),
        };
        let assumed = sts::AssumeRoleResponse { credentials: Some(credentials), ..Default::default() };
        let shown = json!({
            "accessKeyId": "ASIA1", "secretAccessKey": HIDDEN, "sessionToken": HIDDEN, "expiration": "1970-01-01T00:00:00Z",
        });
        check(assumed.into_value(), Some(json!({ "credentials": shown })));
        let user = iam::User { user_name: Some("ada".to_owned()), ..Default::default() };
        let created = iam::CreateUserResponse { user: Some(user) };
        check(created.into_value(), Some(json!({ "user": { "userName": "ada" } })));
        check(iam::CreateUserResponse::default().into_value(), None);
        let long = iam::User { path: Some("/".repeat(3 * TEXT_SIZE_BYTES_MAX)), ..Default::default() };
        let cut = format!("{}...", "/".repeat(TEXT_SIZE_BYTES_MAX));
        check(iam::CreateUserResponse { user: Some(long) }.into_value(), Some(json!({ "user": { "path": cut } })));
    }
}
