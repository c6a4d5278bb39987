//! The AWS wire protocols: shapes as constant tables, one codec per protocol over them, AWS's own error rendering.
//!
//! Knows no service, no operation's meaning and no socket: `tarn-aws-model` supplies the tables, the gateway the bytes.

mod error;
mod limits;
mod model;
mod number;
mod schema;
mod structure;
mod timestamp;
mod value;

pub use error::{AwsError, DecodeError, Fault};
pub use limits::DecodeLimits;
pub use model::{ErrorModel, Operation, OperationModel, Protocol, ServiceModel};
pub use schema::{
    Constraints, Location, Member, Schema, Shape, TimestampFormat, TimestampFormatSource, XmlNamespace,
};
pub use structure::{Slots, Structure, Unit, WireValue, debug_structure};
pub use timestamp::{format_timestamp, parse_timestamp};
pub use value::{StructureValue, Value, ValueError};

/// Instants on the wire.
pub use jiff::Timestamp;

/// Bytes of blobs on the wire.
pub use bytes::Bytes;

/// A member that holds any JSON value.
pub use serde_json::Value as Document;
