//! The smallest request of any operation that its model accepts, made from its tables.

use bytes::Bytes;
use http::Request;
use serde_json::{Map, Value as Json, json};
use tarn_aws_protocol::{Location, OperationModel, Protocol, Schema, Shape, compile_pattern};

/// Members that services need although their models do not say so.
const NEEDED: [&str; 7] =
    ["Password", "TableInput", "CiphertextBlob", "KeyId", "GrantId", "GranteePrincipal", "RetiringPrincipal"];

/// Texts of which one satisfies most patterns of models.
fn candidates(name: &str, service: &str) -> Vec<String> {
    let arn = |rest: &str| format!("arn:aws:{service}:us-east-1:000000000000:{rest}");
    let mut texts = Vec::new();
    if name.ends_with("Arn") || name.ends_with("ARN") {
        texts.extend(match service {
            "iam" => ["arn:aws:iam::000000000000:policy/a".to_owned()],
            "glue" => [arn("database/a")],
            "s3" => ["arn:aws:s3:::lake-raw".to_owned()],
            "athena" => [arn("workgroup/primary")],
            "sts" => ["arn:aws:iam::000000000000:role/a".to_owned()],
            _ => [arn("deliverystream/a")],
        });
        texts.push("arn:aws:iam::000000000000:role/a".to_owned());
        texts.push("arn:aws:s3:::lake-raw".to_owned());
    }
    if name == "AccountId" || name == "TableCatalogId" {
        texts.push("000000000000".to_owned());
    }
    if name == "VersionId" {
        texts.push("v1".to_owned());
    }
    if name.ends_with("Document") {
        texts.push(r#"{"Version":"2012-10-17","Statement":[]}"#.to_owned());
    }
    let id = "0123456789abcdef0123456789abcdef";
    for text in ["a", "1", "aaaa", "abcdefghijklmnopqrstuvwxyz", id, "SELECT 1", "s3://lake-raw/a/"] {
        texts.push(text.to_owned());
    }
    texts.push("0b5e6e59-6b3c-4b42-8a53-0d8f6a0b8c11".to_owned());
    // A thumbprint.
    texts.push("0123456789abcdef0123456789abcdef01234567".to_owned());
    texts
}

fn text(name: &str, schema: &Schema, service: &str) -> String {
    let limits = &schema.constraints;
    if let Some(first) = limits.enum_values.first() {
        return (*first).to_owned();
    }
    let fits = |text: &String| {
        let length = text.len() as u64;
        limits.length_min.is_none_or(|min| length >= min)
            && limits.length_max.is_none_or(|max| length <= max)
            && limits.pattern.and_then(compile_pattern).is_none_or(|pattern| pattern.is_match(text))
    };
    candidates(name, service)
        .into_iter()
        .find(fits)
        .unwrap_or_else(|| panic!("no candidate fits {name} ({}): {limits:?}", schema.name))
}

fn value(name: &str, schema: &'static Schema, service: &str) -> Json {
    match schema.shape {
        Shape::Boolean => json!(false),
        Shape::Integer | Shape::Long => json!(schema.constraints.value_min.unwrap_or(1.0) as i64),
        Shape::Float | Shape::Double => json!(schema.constraints.value_min.unwrap_or(1.0)),
        Shape::String => json!(text(name, schema, service)),
        Shape::Blob => json!("YQ=="),
        Shape::Document => json!({}),
        Shape::Timestamp(..) => json!(1_767_323_045),
        Shape::List { member, .. } => {
            let count = schema.constraints.length_min.unwrap_or(0).max(1);
            (0..count).map(|_| value(member.schema.name, member.schema, service)).collect()
        }
        Shape::Map { .. } => json!({}),
        Shape::Structure { members, .. } => {
            let mut object = Map::new();
            for member in members.iter().filter(|member| member.required || NEEDED.contains(&member.name)) {
                object.insert(member.wire_name.to_owned(), value(member.name, member.schema, service));
            }
            Json::Object(object)
        }
    }
}

fn push_form(form: &mut Vec<String>, path: &str, value: &Json) {
    match value {
        Json::Object(members) => {
            for (name, value) in members {
                push_form(form, &if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, value);
            }
        }
        Json::Array(values) => {
            for (at, value) in values.iter().enumerate() {
                push_form(form, &format!("{path}.member.{}", at + 1), value);
            }
        }
        Json::String(text) => {
            let bytes = text.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
            form.push(format!("{path}={bytes}"));
        }
        other => form.push(format!("{path}={other}")),
    }
}

fn push_xml(xml: &mut String, name: &str, value: &Json) {
    xml.push_str(&format!("<{name}>"));
    match value {
        Json::Object(members) => members.iter().for_each(|(name, value)| push_xml(xml, name, value)),
        Json::Array(values) => values.iter().for_each(|value| push_xml(xml, "member", value)),
        // Candidates hold nothing that XML escapes.
        Json::String(text) => xml.push_str(text),
        other => xml.push_str(&other.to_string()),
    }
    xml.push_str(&format!("</{name}>"));
}

/// A rest-xml operation: paths, queries, headers and bodies.
fn rest_xml(operation: &'static OperationModel, input: &Json) -> Request<Bytes> {
    let Shape::Structure { members, .. } = operation.input.shape else { panic!("{}: no structure", operation.name) };
    let (mut path, mut query, mut body) = (operation.request_uri.to_owned(), Vec::new(), String::new());
    let mut request = Request::builder().method(operation.http_method).header("content-type", "application/xml");
    let plain = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    for member in members.iter().filter(|member| member.required) {
        let value = &input[member.wire_name];
        match member.location {
            Location::Header => request = request.header(member.wire_name, plain(value)),
            Location::Uri => {
                for label in [format!("{{{}}}", member.wire_name), format!("{{{}+}}", member.wire_name)] {
                    path = path.replace(&label, &plain(value));
                }
            }
            Location::QueryString => {
                let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
                query.extend(values.iter().map(|value| format!("{}={}", member.wire_name, plain(value))));
            }
            Location::Payload | Location::Body => push_xml(&mut body, member.wire_name, value),
            _ => panic!("{}: teach this file where {} travels before serving it", operation.name, member.name),
        }
    }
    if let Some(name) = operation.input_xml_name {
        body = format!("<{name}>{body}</{name}>");
    }
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    request.uri(format!("http://127.0.0.1:9000{path}{query}")).body(Bytes::from(body)).expect("a request")
}

/// A rest-json operation whose input is all in the body.
fn rest_json(operation: &'static OperationModel, input: &Json) -> Request<Bytes> {
    let Shape::Structure { members, .. } = operation.input.shape else { panic!("{}: no structure", operation.name) };
    for member in members.iter().filter(|member| member.required) {
        let is_in_body = matches!(member.location, Location::Body);
        assert!(is_in_body, "{}: teach this file where {} travels before serving it", operation.name, member.name);
    }
    Request::builder()
        .method(operation.http_method)
        .uri(format!("http://127.0.0.1:9000{}", operation.request_uri))
        .header("content-type", "application/json")
        .body(Bytes::from(input.to_string()))
        .expect("a request")
}

/// The request, not signed.
pub fn request(operation: &'static OperationModel) -> Request<Bytes> {
    let service = operation.service;
    let input = value("", operation.input, service.signing_name);
    let request = Request::post("http://127.0.0.1:9000/");
    let request = match service.protocol {
        Protocol::Json10 | Protocol::Json11 => request
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("{}.{}", service.target_prefix.unwrap_or_default(), operation.name))
            .body(Bytes::from(input.to_string())),
        Protocol::Query => {
            let mut form = vec![format!("Action={}&Version={}", operation.name, service.api_version)];
            push_form(&mut form, "", &input);
            request
                .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
                .body(Bytes::from(form.join("&")))
        }
        Protocol::RestXml => return rest_xml(operation, &input),
        Protocol::RestJson => return rest_json(operation, &input),
        Protocol::RpcV2Cbor | Protocol::AwsCbor11 => {
            panic!("{}: teach this file the protocol before serving it", service.name)
        }
    };
    request.expect("a request")
}
