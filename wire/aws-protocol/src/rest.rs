//! The REST protocols' bindings: URI labels, query string, headers, status, payload. Bodies are `json`'s and `xml`'s.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Response};
use percent_encoding::percent_decode_str;

use crate::codec::{Request, answer};
use crate::error::DecodeError;
use crate::json;
use crate::limits::Budget;
use crate::model::{OperationModel, Protocol, ServiceModel};
use crate::number::parse_scalar;
use crate::query::form_pairs;
use crate::schema::{Location, Member, Shape, TimestampFormat, XmlNamespace};
use crate::timestamp::parse_timestamp;
use crate::value::{StructureValue, Value};
use crate::xml::{self, XmlWriter, scalar_text};

// ---- URI templates

/// The operation whose method and URI template fit best: the one with the most fixed parts.
pub(crate) fn operation(service: &ServiceModel, request: &Request<'_>) -> Option<&'static OperationModel> {
    let fits = service.operations.iter().copied().filter(|operation| operation.http_method == request.method.as_str());
    fits.filter_map(|operation| {
        labels(operation.request_uri, request.uri.path())?;
        let (_, constants) = split_template(operation.request_uri);
        let query: Vec<(String, String)> = form_pairs(request.uri.query().unwrap_or_default()).flatten().collect();
        let wanted: Vec<(&str, Option<&str>)> = query_constants(constants).collect();
        let present = |name: &str, value: Option<&str>| {
            query.iter().any(|(key, found)| key == name && value.is_none_or(|value| value == found))
        };
        wanted
            .iter()
            .all(|(name, value)| present(name, *value))
            .then(|| (fixed_parts(operation.request_uri), wanted.len(), operation))
    })
    .max_by_key(|(fixed, constants, _)| (*fixed, *constants))
    .map(|(_, _, operation)| operation)
}

fn split_template(template: &str) -> (&str, &str) {
    template.split_once('?').unwrap_or((template, ""))
}

fn query_constants(query: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| match pair.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (pair, None),
    })
}

fn fixed_parts(template: &str) -> usize {
    split_template(template).0.split('/').filter(|part| !part.is_empty() && !part.starts_with('{')).count()
}

/// The labels of a path that fits a template; `None` if it does not fit. Labels are not decoded yet.
fn labels<'t, 'p>(template: &'t str, path: &'p str) -> Option<Vec<(&'t str, &'p str)>> {
    let mut pattern = split_template(template).0.trim_start_matches('/');
    let mut rest = path.strip_prefix('/')?;
    let mut labels = Vec::new();
    loop {
        let (part, pattern_after) =
            pattern.split_once('/').map_or((pattern, None), |(part, after)| (part, Some(after)));
        let label = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
        if let Some(name) = label.and_then(|label| label.strip_suffix('+')) {
            // A greedy label takes all but what the parts after it need.
            let after = pattern_after.map_or(0, |after| after.split('/').count());
            let parts: Vec<&str> = rest.split('/').collect();
            let taken = parts.len().checked_sub(after).filter(|taken| *taken > 0)?;
            let length = parts[..taken].iter().map(|part| part.len()).sum::<usize>() + taken - 1;
            let (value, remaining) = rest.split_at_checked(length)?;
            if value.is_empty() {
                return None;
            }
            labels.push((name, value));
            match pattern_after {
                Some(after) => {
                    pattern = after;
                    rest = remaining.strip_prefix('/')?;
                    continue;
                }
                None => return Some(labels),
            }
        }
        let (found, rest_after) = rest.split_once('/').map_or((rest, None), |(found, after)| (found, Some(after)));
        match label {
            Some(_) if found.is_empty() => return None,
            Some(name) => labels.push((name, found)),
            None if part != found => return None,
            None => {}
        }
        match (pattern_after, rest_after) {
            (None, None) => return Some(labels),
            // A trailing slash is the same resource.
            (None, Some("")) | (Some(""), None) => return Some(labels),
            (Some(pattern_after), Some(rest_after)) => {
                pattern = pattern_after;
                rest = rest_after;
            }
            _ => return None,
        }
    }
}

fn decoded(text: &str) -> Result<String, DecodeError> {
    match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(DecodeError::syntax("The request's path is not valid UTF-8 after percent-decoding")),
    }
}

// ---- requests

/// Reads the input from all the places that its members name.
pub(crate) fn decode(
    operation: &'static OperationModel,
    protocol: Protocol,
    request: &Request<'_>,
    budget: &Budget,
) -> Result<Value, DecodeError> {
    let schema = operation.input;
    // An operation without input takes an empty object, and nothing that is none.
    let is_without_input = protocol == Protocol::RestJson && schema.members().is_empty();
    let has_body_members = is_without_input || schema.members().iter().any(|member| member.location == Location::Body);
    let mut structure = StructureValue::new(schema);
    if has_body_members
        && !request.body.is_empty()
        && let Value::Structure(body) = read_body(&Member::new("body", schema), protocol, request.body, budget)?
    {
        structure = body;
    }
    let labels = labels(operation.request_uri, request.uri.path()).unwrap_or_default();
    let mut query = Vec::new();
    for pair in form_pairs(request.uri.query().unwrap_or_default()) {
        budget.spend()?;
        query.push(pair?);
    }
    for (index, member) in schema.members().iter().enumerate() {
        let value = match member.location {
            Location::Body | Location::StatusCode => None,
            Location::Uri => match labels.iter().find(|(name, _)| *name == member.wire_name) {
                Some((_, text)) => Some(from_text(member, &decoded(text)?, TimestampFormat::DateTime)?),
                None => None,
            },
            Location::QueryString => from_query(member, &query)?,
            Location::Header => from_header(member, request.headers)?,
            Location::HeaderPrefix => from_prefixed_headers(member, request.headers),
            Location::Payload => from_payload(member, protocol, request.body, budget)?,
        };
        if let Some(value) = value {
            structure.set_at(index, value);
        }
    }
    Ok(Value::Structure(structure))
}

fn read_body(member: &Member, protocol: Protocol, body: &[u8], budget: &Budget) -> Result<Value, DecodeError> {
    match protocol {
        Protocol::RestXml => xml::read(member, &xml::parse(body, budget)?),
        _ => json::decode(member.schema, body, budget),
    }
}

fn from_payload(
    member: &Member,
    protocol: Protocol,
    body: &Bytes,
    budget: &Budget,
) -> Result<Option<Value>, DecodeError> {
    if body.is_empty() {
        return Ok(None);
    }
    match member.schema.shape {
        Shape::Blob => Ok(Some(Value::Blob(body.clone()))),
        Shape::String => match std::str::from_utf8(body) {
            Ok(text) => Ok(Some(Value::String(text.to_owned()))),
            Err(_) => Err(DecodeError::syntax("The body is not valid UTF-8")),
        },
        _ if protocol == Protocol::RestXml => {
            xml::read(member, &xml::parse(body, budget)?.named(member.wire_name)?).map(Some)
        }
        _ => read_body(member, protocol, body, budget).map(Some),
    }
}

/// A value of a member from one piece of text: label, parameter or header.
fn from_text(member: &Member, text: &str, default: TimestampFormat) -> Result<Value, DecodeError> {
    match member.schema.shape {
        Shape::String => Ok(Value::String(text.to_owned())),
        Shape::Blob => STANDARD
            .decode(text)
            .map(|bytes| Value::Blob(bytes.into()))
            .map_err(|_| DecodeError::mistyped(format!("The value of '{}' is not valid base64", member.name))),
        Shape::Timestamp(..) => parse_timestamp(text, member.timestamp_format_or(default))
            .map(Value::Timestamp)
            .map_err(|error| error.within(member.name)),
        _ => match parse_scalar(member.schema, text) {
            Some(result) => result.map_err(|error| error.within(member.name)),
            None => Err(DecodeError::mistyped(format!("'{}' can not be read from text", member.name))),
        },
    }
}

fn from_query(member: &Member, query: &[(String, String)]) -> Result<Option<Value>, DecodeError> {
    match member.schema.shape {
        Shape::List { member: element, .. } => {
            let values: Vec<Value> = query
                .iter()
                .filter(|(name, _)| name == member.wire_name)
                .map(|(_, text)| from_text(&element, text, TimestampFormat::DateTime))
                .collect::<Result<_, _>>()?;
            Ok((!values.is_empty()).then_some(Value::List(values)))
        }
        Shape::Map { value, .. } => {
            // A map takes all parameters, those that other members name too.
            let mut entries: Vec<(String, Value)> = Vec::new();
            for (name, text) in query {
                match value.schema.shape {
                    Shape::List { member: element, .. } => {
                        let element = from_text(&element, text, TimestampFormat::DateTime)?;
                        match entries.iter_mut().find(|(key, _)| key == name) {
                            Some((_, Value::List(values))) => values.push(element),
                            _ => entries.push((name.clone(), Value::List(vec![element]))),
                        }
                    }
                    _ if entries.iter().any(|(key, _)| key == name) => {}
                    _ => entries.push((name.clone(), from_text(&value, text, TimestampFormat::DateTime)?)),
                }
            }
            Ok((!entries.is_empty()).then_some(Value::Map(entries)))
        }
        _ => match query.iter().find(|(name, _)| name == member.wire_name) {
            Some((_, text)) => from_text(member, text, TimestampFormat::DateTime).map(Some),
            None => Ok(None),
        },
    }
}

fn header_text(headers: &HeaderMap, name: &str) -> Option<String> {
    let values: Vec<String> =
        headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

fn from_header(member: &Member, headers: &HeaderMap) -> Result<Option<Value>, DecodeError> {
    let Some(text) = header_text(headers, member.wire_name) else {
        return Ok(None);
    };
    match member.schema.shape {
        Shape::List { .. } if text.trim().is_empty() => Ok(Some(Value::List(Vec::new()))),
        Shape::List { member: element, .. } => {
            let dates = matches!(element.schema.shape, Shape::Timestamp(..))
                && element.timestamp_format_or(TimestampFormat::HttpDate) == TimestampFormat::HttpDate;
            let values = split_header(&text, dates);
            let values = values.iter().map(|text| from_text(&element, text, TimestampFormat::HttpDate));
            Ok(Some(Value::List(values.collect::<Result<_, _>>()?)))
        }
        Shape::String if member.json_value => {
            let refuse = || DecodeError::mistyped(format!("The value of '{}' is not base64 of text", member.name));
            let bytes = STANDARD.decode(&text).map_err(|_| refuse())?;
            String::from_utf8(bytes).map(|text| Some(Value::String(text))).map_err(|_| refuse())
        }
        _ => from_text(member, &text, TimestampFormat::HttpDate).map(Some),
    }
}

/// The elements of a header that is a list: split at commas outside quotes; a date has a comma of its own.
fn split_header(text: &str, dates: bool) -> Vec<String> {
    let mut elements = Vec::new();
    let mut element = String::new();
    let mut quoted = false;
    let mut commas = 0;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => quoted = !quoted,
            '\\' if quoted => element.extend(characters.next()),
            ',' if !quoted => {
                commas += 1;
                if dates && commas % 2 == 1 {
                    element.push(',');
                } else {
                    elements.push(element.trim().to_owned());
                    element.clear();
                }
            }
            other => element.push(other),
        }
    }
    elements.push(element.trim().to_owned());
    elements
}

fn from_prefixed_headers(member: &Member, headers: &HeaderMap) -> Option<Value> {
    let prefix = member.wire_name.to_ascii_lowercase();
    let entries: Vec<(String, Value)> = headers
        .keys()
        .filter_map(|name| {
            let key = name.as_str().strip_prefix(&prefix)?;
            header_text(headers, name.as_str()).map(|text| (key.to_owned(), Value::String(text)))
        })
        .collect();
    (!entries.is_empty()).then_some(Value::Map(entries))
}

// ---- responses

/// Writes the output to all the places that its members name.
pub(crate) fn encode(operation: &OperationModel, protocol: Protocol, structure: &StructureValue) -> Response<Bytes> {
    let schema = operation.output;
    let mut status = operation.response_status;
    let mut payload = None;
    let mut headers = HeaderMap::new();
    for (member, value) in schema.members().iter().zip(structure.members()) {
        if member.location == Location::Payload {
            payload = Some((member, value.as_ref()));
        }
        let Some(value) = value else { continue };
        match (member.location, value) {
            (Location::StatusCode, Value::Integer(code)) => status = u16::try_from(*code).unwrap_or(status),
            (Location::Header, value) => add_header(&mut headers, member.wire_name, &to_header(member, value)),
            (Location::HeaderPrefix, Value::Map(entries)) => {
                for (key, value) in entries {
                    let text = scalar_text(member, value, TimestampFormat::HttpDate);
                    add_header(&mut headers, &format!("{}{key}", member.wire_name), &text);
                }
            }
            _ => {}
        }
    }
    let default_type = match protocol {
        Protocol::RestXml => "application/xml",
        _ => "application/json",
    };
    let (content_type, body) = match payload {
        Some((_, None)) => (default_type, Vec::new()),
        Some((_, Some(Value::Blob(bytes)))) => ("application/octet-stream", bytes.to_vec()),
        Some((_, Some(Value::String(text)))) => ("text/plain", text.clone().into_bytes()),
        Some((member, Some(value))) if protocol == Protocol::RestXml => {
            let mut writer = XmlWriter::document();
            writer.element(member.schema.xml_name.unwrap_or(member.wire_name), member, value, member.xml_namespace);
            (default_type, writer.into_bytes())
        }
        Some((member, Some(value))) => (default_type, json::encode(member.schema, value)),
        None if !schema.members().iter().any(|member| member.location.is_answer_body()) => (default_type, Vec::new()),
        None if protocol == Protocol::RestXml => {
            let name = schema.xml_name.unwrap_or(schema.name);
            let namespace = operation.service.xml_namespace.map(|uri| XmlNamespace { uri, prefix: None });
            let mut writer = XmlWriter::document();
            writer.open(name, schema.xml_namespace.or(namespace));
            writer.attributes(structure);
            writer.members(structure);
            writer.close(name);
            (default_type, writer.into_bytes())
        }
        None => (default_type, json::encode(schema, &Value::Structure(structure.clone()))),
    };
    let mut response = answer(status, content_type, body);
    // Where the output itself has the content type as a member, an unset member must not read as a set one.
    let own_type = |member: &Member| {
        member.location == Location::Header && member.wire_name.eq_ignore_ascii_case(CONTENT_TYPE.as_str())
    };
    if schema.members().iter().any(own_type) {
        response.headers_mut().remove(CONTENT_TYPE);
    }
    response.headers_mut().extend(headers);
    response
}

fn to_header(member: &Member, value: &Value) -> String {
    match (member.schema.shape, value) {
        (Shape::List { member: element, .. }, Value::List(values)) => {
            let texts: Vec<String> = values
                .iter()
                .map(|value| {
                    let text = scalar_text(&element, value, TimestampFormat::HttpDate);
                    let plain = !matches!(value, Value::String(_)) || !text.contains(['"', ',']);
                    if plain { text } else { format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")) }
                })
                .collect();
            texts.join(", ")
        }
        (_, Value::String(text)) if member.json_value => STANDARD.encode(text),
        _ => scalar_text(member, value, TimestampFormat::HttpDate),
    }
}

/// Adds a header unless its name or value cannot be one.
fn add_header(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value.as_bytes()))
    {
        headers.insert(name, value);
    }
}
