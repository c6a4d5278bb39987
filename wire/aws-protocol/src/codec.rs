//! A whole request to a value, a value or an error to a whole response: each protocol's headers and envelope.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Response, StatusCode, Uri};

use crate::error::{AwsError, DecodeError};
use crate::limits::{Budget, DecodeLimits};
use crate::model::{OperationModel, Protocol, ServiceModel};
use crate::schema::{Member, XmlNamespace};
use crate::validate::{validate, violations_message};
use crate::value::{StructureValue, Value, ValueError};
use crate::xml::XmlWriter;
use crate::{cbor, json, query, rest};

/// Most names in the keys of one query form.
const QUERY_NAMES_MAX: usize = 20_000;

/// A request as it came, its body complete.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a Method,
    /// Path and query as sent.
    pub uri: &'a Uri,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body.
    pub body: &'a Bytes,
}

/// Reads an operation's input and checks the model's constraints on it.
///
/// Errors are ready to be sent: a body that is not in the protocol's syntax, a value of the wrong type, a broken
/// constraint, or more than `limits` allow.
pub fn decode_request(
    operation: &'static OperationModel,
    protocol: Protocol,
    request: &Request<'_>,
    limits: DecodeLimits,
) -> Result<Value, AwsError> {
    let value = read_request(operation, protocol, request, limits).map_err(|error| error.into_aws_error(protocol))?;
    let violations = validate(&value);
    if violations.is_empty() {
        return Ok(value);
    }
    Err(AwsError::validation(operation.service, violations_message(&violations)))
}

/// Reads an operation's input without regard to the model's constraints.
pub fn read_request(
    operation: &'static OperationModel,
    protocol: Protocol,
    request: &Request<'_>,
    limits: DecodeLimits,
) -> Result<Value, DecodeError> {
    if request.body.len() > limits.body_size_bytes_max {
        return Err(DecodeError::TooLarge { size_bytes_max: limits.body_size_bytes_max });
    }
    let schema = operation.input;
    let budget = Budget::new(limits);
    match protocol {
        Protocol::Json10 | Protocol::Json11 => json::decode(schema, request.body, &budget),
        Protocol::Query => {
            let body = std::str::from_utf8(request.body)
                .map_err(|_| DecodeError::syntax("The request's form is not valid UTF-8"))?;
            let budget = Budget::new(DecodeLimits { values_max: limits.values_max.min(QUERY_NAMES_MAX), ..limits });
            let form = query::Form::read(&[request.uri.query().unwrap_or_default(), body], &budget)?;
            query::decode(schema, &form, &budget)
        }
        Protocol::RestJson | Protocol::RestXml => rest::decode(operation, protocol, request, &budget),
        Protocol::RpcV2Cbor | Protocol::AwsCbor11 => cbor::decode(schema, protocol, request.body, &budget),
    }
}

/// Writes an operation's output.
///
/// Fails when `output` is not a structure of the operation's output, which is a defect of the caller.
pub fn encode_response(
    operation: &'static OperationModel,
    protocol: Protocol,
    output: &Value,
    request_id: &str,
) -> Result<Response<Bytes>, ValueError> {
    let Value::Structure(structure) = output else {
        return Err(ValueError::new(operation.output, output));
    };
    if !std::ptr::eq(structure.schema(), operation.output) {
        return Err(ValueError::new(operation.output, output));
    }
    let mut response = match protocol {
        Protocol::Json10 | Protocol::Json11 => {
            answer(operation.response_status, json_type(protocol), json::encode(operation.output, output))
        }
        Protocol::Query => answer(200, "text/xml", query_answer(operation, structure, request_id)),
        Protocol::RestJson | Protocol::RestXml => rest::encode(operation, protocol, structure),
        Protocol::RpcV2Cbor | Protocol::AwsCbor11 => {
            answer(operation.response_status, cbor_type(protocol), cbor::encode(protocol, output))
        }
    };
    finish(protocol, request_id, response.headers_mut());
    Ok(response)
}

/// Writes an error of `service`.
pub fn encode_error(service: &ServiceModel, protocol: Protocol, error: &AwsError, request_id: &str) -> Response<Bytes> {
    let code = error.code.as_str();
    let message = (error.message_member, error.message.as_str());
    let fields: Vec<(&str, &Value)> = error.fields.iter().map(|(name, value)| (*name, value)).collect();
    let mut response = match protocol {
        Protocol::Json10 | Protocol::Json11 => {
            let body = if service.repeats_error_code {
                let texts =
                    [("__type", code), ("AthenaErrorCode", code), ("ErrorCode", code), ("Message", &error.message)];
                // The service's own, finer code replaces the repeated one.
                let own: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
                let texts: Vec<(&str, &str)> = texts.into_iter().filter(|(name, _)| !own.contains(name)).collect();
                json::encode_object(&texts, &fields)
            } else {
                json::encode_object(&[("__type", code), message], &fields)
            };
            answer(error.status, json_type(protocol), body)
        }
        Protocol::RestJson => {
            let mut response = answer(error.status, "application/json", json::encode_object(&[message], &fields));
            set(response.headers_mut(), "x-amzn-errortype", code);
            response
        }
        Protocol::Query => answer(error.status, "text/xml", xml_error(service, error, request_id)),
        Protocol::RestXml => answer(error.status, "application/xml", xml_error(service, error, request_id)),
        Protocol::RpcV2Cbor | Protocol::AwsCbor11 => {
            let body = cbor::encode_object(protocol, &[("__type", code), message], &fields);
            answer(error.status, cbor_type(protocol), body)
        }
    };
    finish(protocol, request_id, response.headers_mut());
    response
}

fn query_answer(operation: &OperationModel, structure: &StructureValue, request_id: &str) -> Vec<u8> {
    let namespace = operation.service.xml_namespace.map(|uri| XmlNamespace { uri, prefix: None });
    let envelope = format!("{}Response", operation.name);
    let mut writer = XmlWriter::document();
    writer.open(&envelope, namespace);
    if let Some(wrapper) = operation.result_wrapper {
        writer.open(wrapper, None);
        writer.members(structure);
        writer.close(wrapper);
    } else {
        writer.members(structure);
    }
    writer.open("ResponseMetadata", None);
    writer.leaf("RequestId", request_id);
    writer.close("ResponseMetadata");
    writer.close(&envelope);
    writer.into_bytes()
}

fn xml_error(service: &ServiceModel, error: &AwsError, request_id: &str) -> Vec<u8> {
    let namespace = service.xml_namespace.map(|uri| XmlNamespace { uri, prefix: None });
    let mut writer = XmlWriter::document();
    writer.open("ErrorResponse", namespace);
    writer.open("Error", None);
    writer.leaf("Type", error.fault.name());
    writer.leaf("Code", &error.code);
    writer.leaf("Message", &error.message);
    for (name, value) in &error.fields {
        if let Value::Structure(structure) = value {
            writer.open(name, None);
            writer.members(structure);
            writer.close(name);
        } else {
            writer.element(name, &Member::new(name, &FIELD), value, None);
        }
    }
    writer.close("Error");
    writer.leaf("RequestId", request_id);
    writer.close("ErrorResponse");
    writer.into_bytes()
}

static FIELD: crate::schema::Schema = crate::schema::Schema::string("Field");

/// A response with a body. A status that HTTP does not know becomes 500.
pub(crate) fn answer(status: u16, content_type: &'static str, body: Vec<u8>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn json_type(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Json10 => "application/x-amz-json-1.0",
        _ => "application/x-amz-json-1.1",
    }
}

fn cbor_type(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::AwsCbor11 => "application/x-amz-cbor-1.1",
        _ => "application/cbor",
    }
}

fn finish(protocol: Protocol, request_id: &str, headers: &mut HeaderMap) {
    match protocol {
        Protocol::RestXml => set(headers, "x-amz-request-id", request_id),
        Protocol::RpcV2Cbor => {
            set(headers, "smithy-protocol", "rpc-v2-cbor");
            set(headers, "x-amzn-requestid", request_id);
        }
        Protocol::Json10 | Protocol::Json11 | Protocol::Query | Protocol::RestJson | Protocol::AwsCbor11 => {
            set(headers, "x-amzn-requestid", request_id);
        }
    }
}

/// Sets a header unless its value cannot be one.
pub(crate) fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}
