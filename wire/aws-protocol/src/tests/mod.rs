//! Tests of the codecs over a small model of their own; real models meet botocore in `tests/e2e/wire`.

mod cbor;
mod constraints;
mod errors;
mod garbage;
mod json;
mod model;
mod query;
mod rest;
mod routing;
mod timestamps;
mod typed;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, Uri};

use crate::limits::DecodeLimits;
use crate::model::{OperationModel, Protocol};
use crate::value::{StructureValue, Value};
use crate::{AwsError, Request, decode_request, encode_response};

/// Decodes what a client would send to an operation.
fn decode(
    operation: &'static OperationModel,
    protocol: Protocol,
    method: Method,
    uri: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Value, AwsError> {
    let uri: Uri = uri.parse().expect("a URI");
    let headers = header_map(headers);
    let body = Bytes::copy_from_slice(body);
    let request = Request { method: &method, uri: &uri, headers: &headers, body: &body };
    decode_request(operation, protocol, &request, DecodeLimits::default())
}

fn header_map(headers: &[(&str, &str)]) -> HeaderMap {
    headers
        .iter()
        .map(|(name, value)| {
            (name.parse::<HeaderName>().expect("a header name"), HeaderValue::from_str(value).expect("a header value"))
        })
        .collect()
}

/// Encodes an output with the request id `id-1`.
fn encode(operation: &'static OperationModel, protocol: Protocol, output: &Value) -> Response<Bytes> {
    encode_response(operation, protocol, output, "id-1").expect("an output of the operation")
}

fn body_text(response: &Response<Bytes>) -> &str {
    std::str::from_utf8(response.body()).expect("text")
}

/// A structure with the members that are named.
fn structure(schema: &'static crate::Schema, members: Vec<(&str, Value)>) -> Value {
    let mut structure = StructureValue::new(schema);
    for (name, value) in members {
        assert!(structure.set(name, value), "{} has no member {name}", schema.name);
    }
    Value::Structure(structure)
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}
