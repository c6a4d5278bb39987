//! How each protocol writes an error.

use super::body_text;
use super::model::{CBOR, GONE_ERROR, Gone, JSON, QUERY, REST_JSON, REST_XML};
use crate::{AwsError, Protocol, ServiceModel, Value, encode_error};

fn gone() -> AwsError {
    AwsError::from_structure(&GONE_ERROR, Gone { message: Some("It <went>".into()), thing: Some("t".into()) })
}

#[test]
fn errors_are_written_in_each_protocol() {
    let xml = concat!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ErrorResponse xmlns=\"https://things.example/doc/\"><Error>",
        "<Type>Sender</Type><Code>Gone</Code><Message>It &lt;went&gt;</Message><Thing>t</Thing></Error>",
        "<RequestId>id-1</RequestId></ErrorResponse>"
    );
    let table: [(&ServiceModel, Protocol, &str, &str, &str); 4] = [
        (
            &JSON,
            Protocol::Json11,
            "application/x-amz-json-1.1",
            "x-amzn-requestid",
            r#"{"__type":"Gone","Message":"It <went>","Thing":"t"}"#,
        ),
        (
            &REST_JSON,
            Protocol::RestJson,
            "application/json",
            "x-amzn-requestid",
            r#"{"Message":"It <went>","Thing":"t"}"#,
        ),
        (&QUERY, Protocol::Query, "text/xml", "x-amzn-requestid", xml),
        (&REST_XML, Protocol::RestXml, "application/xml", "x-amz-request-id", xml),
    ];
    for (service, protocol, content_type, id_header, body) in table {
        let response = encode_error(service, protocol, &gone(), "id-1");
        assert_eq!(response.status(), 410);
        assert_eq!(response.headers()["content-type"], content_type);
        assert_eq!(response.headers()[id_header], "id-1");
        assert_eq!(body_text(&response), body);
        let header = response.headers().get("x-amzn-errortype").map(|value| value.to_str().expect("text"));
        assert_eq!(header, (protocol == Protocol::RestJson).then_some("Gone"));
    }
    let response = encode_error(&CBOR, Protocol::RpcV2Cbor, &gone(), "id-1");
    assert_eq!(response.headers()["smithy-protocol"], "rpc-v2-cbor");
    assert!(response.body().starts_with(b"\xa3\x66__type\x64Gone\x67Message"));
}

static ATHENA: ServiceModel = ServiceModel { repeats_error_code: true, operations: &[], ..JSON_LIKE };
const JSON_LIKE: ServiceModel = ServiceModel {
    name: "athena",
    service_id: "Athena",
    full_name: "Athena",
    protocol: Protocol::Json11,
    protocols: &[Protocol::Json11],
    target_prefix: None,
    api_version: "",
    xml_namespace: None,
    signing_name: "athena",
    endpoint_prefix: "athena",
    validation_error_code: "InvalidRequestException",
    access_denied_code: "AccessDeniedException",
    repeats_error_code: false,
    operations: &[],
    operations_not_served: &[],
};

#[test]
fn athena_repeats_its_code() {
    let error = AwsError::sender("InvalidRequestException", "m");
    let body = |error: &AwsError| body_text(&encode_error(&ATHENA, Protocol::Json11, error, "id-1")).to_owned();
    assert_eq!(
        body(&error),
        r#"{"__type":"InvalidRequestException","AthenaErrorCode":"InvalidRequestException","ErrorCode":"InvalidRequestException","Message":"m"}"#
    );
    // The service gives a finer code of its own.
    let finer = error.with_field("AthenaErrorCode", Value::from("MALFORMED_QUERY"));
    assert_eq!(
        body(&finer),
        r#"{"__type":"InvalidRequestException","ErrorCode":"InvalidRequestException","Message":"m","AthenaErrorCode":"MALFORMED_QUERY"}"#
    );
}

#[test]
fn shared_errors_are_spelled_by_protocol() {
    let table = [
        (AwsError::access_denied(&JSON, ""), "AccessDeniedException", 400),
        (AwsError::access_denied(&REST_JSON, ""), "AccessDeniedException", 403),
        (AwsError::throttling(Protocol::Query, ""), "Throttling", 400),
        (AwsError::throttling(Protocol::Json11, ""), "ThrottlingException", 400),
        (AwsError::serialization(Protocol::Json10, ""), "SerializationException", 400),
        (AwsError::operation_not_served(&JSON, "X"), "UnknownOperationException", 501),
        (AwsError::operation_not_served(&QUERY, "X"), "InvalidAction", 501),
        (AwsError::operation_not_served(&REST_XML, "X"), "NotImplemented", 501),
        (AwsError::internal_failure(""), "InternalFailure", 500),
        (AwsError::service_unavailable(""), "ServiceUnavailable", 503),
    ];
    for (error, code, status) in table {
        assert_eq!((error.code.as_str(), error.status), (code, status));
    }
    // A status that is none becomes 500 and a code that is no header value is left out.
    let odd = AwsError::sender("a\nb", "m").with_status(9);
    assert_eq!(encode_error(&REST_JSON, Protocol::RestJson, &odd, "id\n").status(), 500);
}
