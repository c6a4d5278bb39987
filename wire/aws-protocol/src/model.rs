//! Constant descriptions of services, operations and errors, and the trait that ties an operation to its Rust types.

use crate::error::Fault;
use crate::schema::Schema;
use crate::structure::Structure;

/// A wire protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// `application/x-amz-json-1.0`, operation in `X-Amz-Target`.
    Json10,
    /// `application/x-amz-json-1.1`, operation in `X-Amz-Target`.
    Json11,
    /// A form in, XML out, operation in `Action`.
    Query,
    /// Method and URI name the operation, JSON bodies.
    RestJson,
    /// Method and URI name the operation, XML bodies.
    RestXml,
    /// Smithy RPC v2 with CBOR bodies, operation in the path.
    RpcV2Cbor,
    /// `application/x-amz-cbor-1.1`: the routing of JSON with CBOR bodies, as the Kinesis clients of the Java SDK send.
    AwsCbor11,
}

/// One AWS service: what is served of it and how it speaks.
#[derive(Debug)]
pub struct ServiceModel {
    /// The service's short name, as in the aws CLI (`glue`).
    pub name: &'static str,
    /// The service's identifier in SDKs (`Glue`, `S3 Control`).
    pub service_id: &'static str,
    /// The service's full name in print.
    pub full_name: &'static str,
    /// The protocol that clients are expected to use.
    pub protocol: Protocol,
    /// All protocols that the service accepts, the expected one first.
    pub protocols: &'static [Protocol],
    /// What comes before the dot in `X-Amz-Target`, and the service part of RPC v2 paths.
    pub target_prefix: Option<&'static str>,
    /// The model's version, a date.
    pub api_version: &'static str,
    /// The namespace of XML answers.
    pub xml_namespace: Option<&'static str>,
    /// The service part of the SigV4 credential scope.
    pub signing_name: &'static str,
    /// The host name's first part.
    pub endpoint_prefix: &'static str,
    /// Error code for input that the model's constraints refuse.
    pub validation_error_code: &'static str,
    /// Error code for a caller without permission.
    pub access_denied_code: &'static str,
    /// Whether errors repeat their code as `AthenaErrorCode` and `ErrorCode`, as Athena's do.
    pub repeats_error_code: bool,
    /// The operations that are served.
    pub operations: &'static [&'static OperationModel],
    /// Names of operations that AWS has and this server has not.
    pub operations_not_served: &'static [&'static str],
}

impl ServiceModel {
    /// The served operation called `name`.
    pub fn operation(&self, name: &str) -> Option<&'static OperationModel> {
        self.operations.iter().copied().find(|operation| operation.name == name)
    }

    /// Whether `prefix` is the service's own, or the part behind its last dot: SDKs made from Smithy models name CloudTrail's so.
    pub fn has_target_prefix(&self, prefix: &str) -> bool {
        let is_own = |own: &str| own == prefix || own.rsplit_once('.').is_some_and(|(_, last)| last == prefix);
        self.target_prefix.is_some_and(is_own)
    }
}

/// One operation of a service.
#[derive(Debug)]
pub struct OperationModel {
    /// The operation's name.
    pub name: &'static str,
    /// The service that has it.
    pub service: &'static ServiceModel,
    /// HTTP method (`POST`).
    pub http_method: &'static str,
    /// URI template (`/v20180820/jobs/{id}`).
    pub request_uri: &'static str,
    /// Status of a successful answer.
    pub response_status: u16,
    /// The input's structure.
    pub input: &'static Schema,
    /// The output's structure.
    pub output: &'static Schema,
    /// Element that wraps the output in query answers.
    pub result_wrapper: Option<&'static str>,
    /// Element name of a REST XML request body.
    pub input_xml_name: Option<&'static str>,
    /// Prefix of the host name, a template.
    pub host_prefix: Option<&'static str>,
    /// The errors that the model declares.
    pub errors: &'static [&'static ErrorModel],
}

impl OperationModel {
    /// The declared error whose shape or code is `name`.
    pub fn error(&self, name: &str) -> Option<&'static ErrorModel> {
        self.errors.iter().copied().find(|error| error.name == name || error.code == name)
    }
}

/// One error that a model declares.
#[derive(Debug)]
pub struct ErrorModel {
    /// The shape's name.
    pub name: &'static str,
    /// The code on the wire.
    pub code: &'static str,
    /// HTTP status.
    pub http_status: u16,
    /// Whose fault it is.
    pub fault: Fault,
    /// The shape of its body.
    pub schema: &'static Schema,
}

/// An operation as a type: its model, its input and its output.
pub trait Operation {
    /// What a request decodes into.
    type Input: Structure;
    /// What a response is encoded from.
    type Output: Structure;
    /// The operation's table.
    const MODEL: &'static OperationModel;
}
