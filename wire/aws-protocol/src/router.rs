//! From a request to the operation of a service and the protocol it speaks. Knows no credentials and no hosts.

use http::HeaderMap;

use crate::codec::Request;
use crate::error::AwsError;
use crate::model::{OperationModel, Protocol, ServiceModel};
use crate::query::form_pairs;
use crate::rest;

/// What a request asks for.
#[derive(Debug, Clone, Copy)]
pub struct Routed {
    /// The operation.
    pub operation: &'static OperationModel,
    /// How the request is written and the answer is to be written.
    pub protocol: Protocol,
}

/// The request asks for nothing that is served; the error is to be written in the protocol.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{error}")]
pub struct RouteError {
    /// How to write the error.
    pub protocol: Protocol,
    /// The operation's name if the request gave one that the service has on AWS.
    pub operation: Option<&'static str>,
    /// The error.
    pub error: AwsError,
}

/// The protocol of a request to `service`: what its headers say if the service accepts it, else the service's own.
pub fn protocol_of(service: &ServiceModel, headers: &HeaderMap) -> Protocol {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let content_type = text("content-type").split(';').next().unwrap_or_default().trim();
    let accepts = |protocol: Protocol| service.protocols.contains(&protocol);
    let speaks_json = accepts(Protocol::Json10) || accepts(Protocol::Json11);
    if text("smithy-protocol") == "rpc-v2-cbor" && accepts(Protocol::RpcV2Cbor) {
        return Protocol::RpcV2Cbor;
    }
    if headers.contains_key("x-amz-target") && speaks_json {
        return match content_type {
            "application/x-amz-cbor-1.1" => Protocol::AwsCbor11,
            "application/x-amz-json-1.0" => Protocol::Json10,
            "application/x-amz-json-1.1" => Protocol::Json11,
            _ if accepts(Protocol::Json11) => Protocol::Json11,
            _ => Protocol::Json10,
        };
    }
    if content_type == "application/x-www-form-urlencoded" && accepts(Protocol::Query) {
        return Protocol::Query;
    }
    service.protocol
}

/// Finds the operation of `service` that a request asks for.
pub fn route(service: &'static ServiceModel, request: &Request<'_>) -> Result<Routed, RouteError> {
    let protocol = protocol_of(service, request.headers);
    let name = match protocol {
        Protocol::Json10 | Protocol::Json11 | Protocol::AwsCbor11 => target_name(service, request),
        Protocol::Query => action_name(service, request),
        Protocol::RpcV2Cbor => rpc_name(service, request),
        Protocol::RestJson | Protocol::RestXml => {
            return match rest::operation(service, request) {
                Some(operation) => Ok(Routed { operation, protocol }),
                None => Err(RouteError {
                    protocol,
                    operation: None,
                    error: AwsError::unknown_operation(service, &format!("{} {}", request.method, request.uri.path())),
                }),
            };
        }
    };
    let name = name.map_err(|error| RouteError { protocol, operation: None, error })?;
    if let Some(operation) = service.operation(&name) {
        return Ok(Routed { operation, protocol });
    }
    match service.operations_not_served.iter().copied().find(|known| *known == name) {
        Some(known) => {
            Err(RouteError { protocol, operation: Some(known), error: AwsError::operation_not_served(service, known) })
        }
        None => {
            Err(RouteError { protocol, operation: None, error: AwsError::unknown_operation(service, &shown(&name)) })
        }
    }
}

fn target_name(service: &ServiceModel, request: &Request<'_>) -> Result<String, AwsError> {
    let target = request.headers.get("x-amz-target").and_then(|value| value.to_str().ok()).ok_or_else(|| {
        AwsError::sender("UnknownOperationException", "The request has no X-Amz-Target header that names an operation.")
    })?;
    match target.rsplit_once('.') {
        Some((prefix, name)) if service.has_target_prefix(prefix) => Ok(name.to_owned()),
        _ => Err(AwsError::unknown_operation(service, &shown(target))),
    }
}

/// The operation that a form names, in the version of the service that it names: both are needed.
fn action_name(service: &ServiceModel, request: &Request<'_>) -> Result<String, AwsError> {
    let body = std::str::from_utf8(request.body).unwrap_or_default();
    let (mut action, mut version) = (None, None);
    for part in [request.uri.query().unwrap_or_default(), body] {
        for (key, value) in form_pairs(part).flatten().filter(|(_, value)| !value.is_empty()) {
            match key.as_str() {
                "Action" => _ = action.get_or_insert(value),
                "Version" => _ = version.get_or_insert(value),
                _ => {}
            }
        }
    }
    let action = action.ok_or_else(|| {
        AwsError::sender("MissingAction", "The request has no parameter Action that names an operation.")
    })?;
    match version {
        Some(version) if version == service.api_version => Ok(action),
        other => {
            let (action, version) = (shown(&action), other.as_deref().map_or(NO_VERSION.to_owned(), shown));
            let message = format!("Could not find operation {action} for version {version}");
            Err(AwsError::sender("InvalidAction", message))
        }
    }
}

/// What AWS says of a form that names no version.
const NO_VERSION: &str = "NO_VERSION_SPECIFIED";

fn rpc_name(service: &ServiceModel, request: &Request<'_>) -> Result<String, AwsError> {
    let parts: Vec<&str> = request.uri.path().split('/').collect();
    match parts.as_slice() {
        [.., "service", prefix, "operation", name]
            if service.target_prefix.is_none() || service.has_target_prefix(prefix) =>
        {
            Ok((*name).to_owned())
        }
        _ => Err(AwsError::unknown_operation(service, &shown(request.uri.path()))),
    }
}

/// A caller's text, short enough for a message.
fn shown(text: &str) -> String {
    crate::timestamp::shortened(text)
}
