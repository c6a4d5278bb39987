//! The AWS wire protocols: shapes as constant tables, one codec per protocol over them, AWS's own error rendering.
//!
//! Knows no service, no operation's meaning and no socket: `tarn-aws-model` supplies the tables, the gateway the bytes.

mod cbor;
mod codec;
mod error;
mod json;
mod limits;
mod model;
mod number;
mod query;
mod rest;
mod router;
mod schema;
mod structure;
mod timestamp;
mod validate;
mod value;
mod xml;

#[cfg(test)]
mod tests;

pub use codec::{Request, decode_request, encode_error, encode_response, read_request};
pub use error::{AwsError, DecodeError, Fault};
pub use limits::DecodeLimits;
pub use model::{ErrorModel, Operation, OperationModel, Protocol, ServiceModel};
pub use router::{RouteError, Routed, protocol_of, route};
pub use schema::{Constraints, Location, Member, Schema, Shape, TimestampFormat, TimestampFormatSource, XmlNamespace};
pub use structure::{Slots, Structure, Unit, WireValue, debug_structure};
pub use timestamp::{format_timestamp, parse_timestamp};
pub use validate::{Violation, compile as compile_pattern, validate, violations_message};
pub use value::{StructureValue, Value, ValueError};

/// Instants on the wire.
pub use jiff::Timestamp;

/// Bytes of blobs on the wire.
pub use bytes::Bytes;

/// A member that holds any JSON value.
pub use serde_json::Value as Document;
