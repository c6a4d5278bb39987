//! Each no of the gate in the words of the protocol's own errors.
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html>

use tarn_aws_protocol::{AwsError, Fault, Protocol, ServiceModel};
use tarn_sigv4::{SignatureError, format_amz_date};

use crate::GateError;
use crate::body::BodyError;

/// How the protocol spells what went wrong.
enum Words {
    /// `InvalidSignatureException` with status 400.
    Json,
    /// The same codes with status 403.
    Rest,
    /// `SignatureDoesNotMatch` with status 403.
    Xml,
}

fn words(protocol: Protocol) -> Words {
    match protocol {
        Protocol::Json10 | Protocol::Json11 | Protocol::AwsCbor11 => Words::Json,
        Protocol::RestJson | Protocol::RpcV2Cbor => Words::Rest,
        Protocol::Query | Protocol::RestXml => Words::Xml,
    }
}

/// The error that the caller sees. What only the log may know is not in it.
pub(crate) fn of_gate(service: &ServiceModel, protocol: Protocol, error: &GateError) -> AwsError {
    let words = words(protocol);
    let say = |json: &'static str, xml: &'static str, message: String| match words {
        Words::Json => AwsError::new(json, 400, Fault::Sender, message),
        Words::Rest => AwsError::new(json, 403, Fault::Sender, message),
        Words::Xml => AwsError::new(xml, 403, Fault::Sender, message),
    };
    match error {
        GateError::Unsigned => {
            say("MissingAuthenticationTokenException", "MissingAuthenticationToken", error.to_string())
        }
        GateError::UnknownKey => say("UnrecognizedClientException", "InvalidClientTokenId", error.to_string()),
        GateError::TokenInvalid => say("UnrecognizedClientException", "InvalidClientTokenId", error.to_string()),
        GateError::TokenExpired => say("ExpiredTokenException", "ExpiredToken", error.to_string()),
        GateError::Denied { source } => AwsError::access_denied(service, source.to_string()),
        GateError::TooManyFailures => AwsError::service_unavailable(error.to_string()),
        GateError::Credentials { .. } => {
            AwsError::service_unavailable("The server cannot read its access keys now; try again.")
        }
        GateError::Signature { source } => match source {
            SignatureError::Malformed { .. } | SignatureError::SignedTwice | SignatureError::Algorithm { .. } => {
                say("IncompleteSignatureException", "IncompleteSignature", source.to_string()).with_status(400)
            }
            SignatureError::Skewed { request, server } => {
                let (request, server) = (format_amz_date(*request), format_amz_date(*server));
                let message = if request < server {
                    format!(
                        "Signature expired: {request} is now earlier than {server} (minus 15 min); set the client's clock."
                    )
                } else {
                    format!(
                        "Signature not yet current: {request} is still later than {server} (plus 15 min); set the client's clock."
                    )
                };
                say("InvalidSignatureException", "SignatureDoesNotMatch", message)
            }
            SignatureError::Scope { .. }
            | SignatureError::Expired { .. }
            | SignatureError::UnsignedHeader { .. }
            | SignatureError::MissingHeader { .. }
            | SignatureError::BodyDiffers => {
                say("InvalidSignatureException", "SignatureDoesNotMatch", source.to_string())
            }
            SignatureError::Mismatch { canonical_request, string_to_sign } => say(
                "InvalidSignatureException",
                "SignatureDoesNotMatch",
                format!(
                    "{source}\n\nThe Canonical String for this request should have been\n'{canonical_request}'\n\nThe String-to-Sign should have been\n'{string_to_sign}'\n"
                ),
            ),
        },
    }
}

/// The error for a body that was not read.
pub(crate) fn of_body(protocol: Protocol, error: &BodyError) -> AwsError {
    match error {
        BodyError::TooLarge { size_bytes_max } => AwsError::request_too_large(protocol, *size_bytes_max),
        BodyError::TooSlow { .. } => {
            AwsError::sender("RequestTimeout", "The request's body did not come in time; send it again.")
                .with_status(408)
        }
        BodyError::Broken { .. } => AwsError::sender("IncompleteBody", "The request's body broke off; send it again."),
    }
}

/// Too many requests at one time.
pub(crate) fn busy() -> AwsError {
    AwsError::service_unavailable(
        "The server has as many requests as it takes at one time; wait a little and try again.",
    )
}
