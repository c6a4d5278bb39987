//! Errors as AWS callers see them, and why a request could not be decoded. Knows no protocol's rendering.

use crate::model::{ErrorModel, Protocol, ServiceModel};
use crate::structure::Structure;
use crate::value::{StructureValue, Value, ValueError};

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The caller's.
    Sender,
    /// The server's.
    Receiver,
}

impl Fault {
    /// The name in query and XML answers.
    pub const fn name(self) -> &'static str {
        match self {
            Fault::Sender => "Sender",
            Fault::Receiver => "Receiver",
        }
    }
}

/// An error to answer with. What is in here is shown to the caller.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct AwsError {
    /// The code on the wire.
    pub code: String,
    /// What happened and what the caller can do.
    pub message: String,
    /// HTTP status.
    pub status: u16,
    /// Whose fault it is.
    pub fault: Fault,
    /// The member of the modelled shape that carries the message, if it is not `message`.
    pub message_member: &'static str,
    /// Further modelled members, by name.
    pub fields: Vec<(&'static str, Value)>,
}

impl AwsError {
    /// An error outside any model.
    pub fn new(code: impl Into<String>, status: u16, fault: Fault, message: impl Into<String>) -> AwsError {
        AwsError {
            code: code.into(),
            message: message.into(),
            status,
            fault,
            message_member: "message",
            fields: Vec::new(),
        }
    }

    /// A caller's error outside any model, status 400.
    pub fn sender(code: impl Into<String>, message: impl Into<String>) -> AwsError {
        AwsError::new(code, 400, Fault::Sender, message)
    }

    /// An error that a model declares.
    pub fn modelled(model: &'static ErrorModel, message: impl Into<String>) -> AwsError {
        let message_member = model
            .schema
            .members()
            .iter()
            .map(|member| member.name)
            .find(|name| name.eq_ignore_ascii_case("message"))
            .unwrap_or("message");
        AwsError {
            code: model.code.to_owned(),
            message: message.into(),
            status: model.http_status,
            fault: model.fault,
            message_member,
            fields: Vec::new(),
        }
    }

    /// An error that a model declares, with all members of its shape. The message is the member of that name.
    pub fn from_structure<S: Structure>(model: &'static ErrorModel, structure: S) -> AwsError {
        let mut error = AwsError::modelled(model, "");
        if let Value::Structure(value) = structure.into_value() {
            let members = value.schema().members();
            for (member, slot) in members.iter().zip(value.into_members()) {
                match slot {
                    Some(Value::String(text)) if member.name == error.message_member => error.message = text,
                    Some(other) => error.fields.push((member.name, other)),
                    None => {}
                }
            }
        }
        error
    }

    /// Adds a modelled member.
    pub fn with_field(mut self, name: &'static str, value: impl Into<Value>) -> AwsError {
        self.fields.push((name, value.into()));
        self
    }

    /// Changes the HTTP status.
    pub fn with_status(mut self, status: u16) -> AwsError {
        self.status = status;
        self
    }

    /// The caller lacks a permission. `service` says how its code is spelled.
    pub fn access_denied(service: &ServiceModel, message: impl Into<String>) -> AwsError {
        let status = match service.protocol {
            Protocol::Json10 | Protocol::Json11 | Protocol::AwsCbor11 => 400,
            Protocol::Query | Protocol::RestJson | Protocol::RestXml | Protocol::RpcV2Cbor => 403,
        };
        AwsError::new(service.access_denied_code, status, Fault::Sender, message)
    }

    /// The input breaks a rule of the model or of the service. `service` says how the code is spelled.
    pub fn validation(service: &ServiceModel, message: impl Into<String>) -> AwsError {
        AwsError::sender(service.validation_error_code, message)
    }

    /// The body is not what the protocol asks for.
    pub fn serialization(protocol: Protocol, message: impl Into<String>) -> AwsError {
        let code = match protocol {
            Protocol::Query | Protocol::RestXml => "MalformedInput",
            Protocol::Json10 | Protocol::Json11 | Protocol::RestJson | Protocol::RpcV2Cbor | Protocol::AwsCbor11 => {
                "SerializationException"
            }
        };
        AwsError::sender(code, message)
    }

    /// The request's body is larger than the server takes.
    pub fn request_too_large(protocol: Protocol, size_bytes_max: usize) -> AwsError {
        let code = match protocol {
            Protocol::Query | Protocol::RestXml => "RequestEntityTooLarge",
            Protocol::Json10 | Protocol::Json11 | Protocol::RestJson | Protocol::RpcV2Cbor | Protocol::AwsCbor11 => {
                "RequestEntityTooLargeException"
            }
        };
        AwsError::sender(
            code,
            format!("The request body is larger than {size_bytes_max} bytes; send less in one request."),
        )
        .with_status(413)
    }

    /// The server failed; `message` must not tell the caller internals.
    pub fn internal_failure(message: impl Into<String>) -> AwsError {
        AwsError::new("InternalFailure", 500, Fault::Receiver, message)
    }

    /// The caller is too fast.
    pub fn throttling(protocol: Protocol, message: impl Into<String>) -> AwsError {
        let code = match protocol {
            Protocol::Query | Protocol::RestXml => "Throttling",
            Protocol::Json10 | Protocol::Json11 | Protocol::RestJson | Protocol::RpcV2Cbor | Protocol::AwsCbor11 => {
                "ThrottlingException"
            }
        };
        AwsError::sender(code, message)
    }

    /// The server cannot take the request now; the caller should repeat it.
    pub fn service_unavailable(message: impl Into<String>) -> AwsError {
        AwsError::new("ServiceUnavailable", 503, Fault::Receiver, message)
    }

    /// The operation exists on AWS, and is not built here.
    pub fn operation_not_served(service: &ServiceModel, operation: &str) -> AwsError {
        let code = match service.protocol {
            Protocol::Query => "InvalidAction",
            Protocol::RestXml => "NotImplemented",
            Protocol::Json10 | Protocol::Json11 | Protocol::RestJson | Protocol::RpcV2Cbor | Protocol::AwsCbor11 => {
                "UnknownOperationException"
            }
        };
        AwsError::new(
            code,
            501,
            Fault::Sender,
            format!(
                "The operation {}:{operation} is not built into this server; `docs/coverage.md` lists what is.",
                service.name
            ),
        )
    }

    /// The name is no operation of the service at all.
    pub fn unknown_operation(service: &ServiceModel, operation: &str) -> AwsError {
        match service.protocol {
            Protocol::Query => AwsError::sender(
                "InvalidAction",
                format!("Could not find operation {operation} for version {}", service.api_version),
            ),
            Protocol::Json10 | Protocol::Json11 | Protocol::AwsCbor11 => AwsError::sender(
                "UnknownOperationException",
                format!("The service {} has no operation {operation}.", service.name),
            ),
            Protocol::RestJson | Protocol::RestXml | Protocol::RpcV2Cbor => AwsError::sender(
                "UnknownOperationException",
                format!("The service {} has no operation at {operation}.", service.name),
            )
            .with_status(404),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::String(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Boolean(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Integer(value)
    }
}

impl From<StructureValue> for Value {
    fn from(value: StructureValue) -> Value {
        Value::Structure(value)
    }
}

/// Why a request could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are not in the protocol's syntax.
    #[error("{reason}")]
    Syntax {
        /// What is wrong and where.
        reason: String,
    },
    /// A value is not of the member's type.
    #[error("{reason}{}", at(place))]
    Type {
        /// In AWS's words.
        reason: String,
        /// The members and elements that lead to it, `tableInput.columns.1.name`; empty where it is the input itself.
        place: String,
    },
    /// The nesting is too deep.
    #[error("The request nests values deeper than {depth_max} levels.")]
    TooDeep {
        /// The limit.
        depth_max: usize,
    },
    /// There are too many values.
    #[error("The request has more than {values_max} values.")]
    TooManyValues {
        /// The limit.
        values_max: usize,
    },
    /// The body is too large.
    #[error("The request body is larger than {size_bytes_max} bytes.")]
    TooLarge {
        /// The limit in bytes.
        size_bytes_max: usize,
    },
    /// A decoded value does not fit its schema: a defect.
    #[error("{source}")]
    Value {
        /// The mismatch.
        source: ValueError,
    },
}

impl DecodeError {
    pub(crate) fn syntax(reason: impl Into<String>) -> DecodeError {
        DecodeError::Syntax { reason: reason.into() }
    }

    pub(crate) fn mistyped(reason: impl Into<String>) -> DecodeError {
        DecodeError::Type { reason: reason.into(), place: String::new() }
    }

    /// The same, found within `step`: a member, or the number of an element.
    pub(crate) fn within(self, step: &str) -> DecodeError {
        match self {
            DecodeError::Type { reason, place } if place.is_empty() => {
                DecodeError::Type { reason, place: step.to_owned() }
            }
            DecodeError::Type { reason, place } => DecodeError::Type { reason, place: format!("{step}.{place}") },
            DecodeError::Syntax { .. }
            | DecodeError::TooDeep { .. }
            | DecodeError::TooManyValues { .. }
            | DecodeError::TooLarge { .. }
            | DecodeError::Value { .. } => self,
        }
    }

    /// The error that the caller sees.
    pub fn into_aws_error(self, protocol: Protocol) -> AwsError {
        match self {
            DecodeError::Syntax { .. }
            | DecodeError::Type { .. }
            | DecodeError::TooDeep { .. }
            | DecodeError::TooManyValues { .. } => AwsError::serialization(protocol, self.to_string()),
            DecodeError::TooLarge { size_bytes_max } => AwsError::request_too_large(protocol, size_bytes_max),
            DecodeError::Value { .. } => {
                AwsError::internal_failure("The server could not read the request; report this as a defect.")
            }
        }
    }
}

fn at(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!(" (at '{place}')") }
}
