//! Any bytes at all: every decoder answers, and none panics.

use http::{HeaderName, HeaderValue, Method, Uri};
use proptest::prelude::*;

use super::model::{
    CBOR, CBOR_PUT, JSON, JSON_PUT, QUERY, QUERY_PUT, REST_JSON, REST_JSON_PUT, REST_XML, REST_XML_PUT,
};
use super::{decode, encode, text};
use crate::{
    Bytes, OperationModel, Protocol, Request, ServiceModel, StructureValue, Value, encode_error, parse_timestamp, route,
};

const ALL: [(&OperationModel, &ServiceModel, Protocol); 6] = [
    (&JSON_PUT, &JSON, Protocol::Json11),
    (&QUERY_PUT, &QUERY, Protocol::Query),
    (&REST_JSON_PUT, &REST_JSON, Protocol::RestJson),
    (&REST_XML_PUT, &REST_XML, Protocol::RestXml),
    (&CBOR_PUT, &CBOR, Protocol::RpcV2Cbor),
    (&JSON_PUT, &JSON, Protocol::AwsCbor11),
];

/// Bytes that look a little like each syntax.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let json = proptest::collection::vec(
        prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"Name\"",
            "\"a\"",
            "\"Names\"",
            "\"kin\"",
            "\"Any\"",
            "null",
            "1",
            "-1e9",
            "true",
            "\"Moment\"",
            "\"Data\"",
            " ",
            "\\u",
        ]),
        0..40,
    );
    let xml = proptest::collection::vec(
        prop::sample::select(vec![
            "<a>",
            "</a>",
            "<Body>",
            "</Body>",
            "<Things>",
            "</Things>",
            "<member/>",
            "&lt;",
            "&#x1;",
            "x",
            "<![CDATA[",
            "]]>",
            "<!--",
            "-->",
            "<?x?>",
            "<a b='1'>",
            "&",
        ]),
        0..40,
    );
    let form = proptest::collection::vec(
        prop::sample::select(vec![
            "Name", "Names", "Tags", "kin", ".", "=", "&", "%", "+", "member", "entry", "1", "key", "%41",
        ]),
        0..40,
    );
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        json.prop_map(|parts| parts.concat().into_bytes()),
        xml.prop_map(|parts| parts.concat().into_bytes()),
        form.prop_map(|parts| parts.concat().into_bytes()),
    ]
}

proptest! {
    #[test]
    fn any_body_is_answered(bytes in body()) {
        for (operation, service, protocol) in ALL {
            if let Err(error) = decode(operation, protocol, Method::PUT, "/things/a/at/b", &[], &bytes) {
                prop_assert!(error.status < 500, "{protocol:?}: {error}");
                encode_error(service, protocol, &error, "id-1");
            }
        }
    }

    #[test]
    fn any_request_line_is_answered(path in "(/[ -~]{0,8}){1,5}", header in proptest::collection::vec(any::<u8>(), 0..40)) {
        let Ok(uri) = path.replace(' ', "%").parse::<Uri>() else { return Ok(()) };
        let Ok(value) = HeaderValue::from_bytes(&header) else { return Ok(()) };
        for name in ["x-amz-target", "x-list", "x-since", "x-meta-a", "content-type"] {
            let headers = [(HeaderName::from_static(name), value.clone())].into_iter().collect();
            for (operation, service, protocol) in ALL {
                let request = Request { method: &Method::PUT, uri: &uri, headers: &headers, body: &Bytes::new() };
                let _ = route(service, &request);
                let _ = crate::decode_request(operation, protocol, &request, crate::DecodeLimits::default());
            }
        }
    }

    #[test]
    fn any_text_survives(content in any::<String>()) {
        for (operation, _, protocol) in ALL {
            if !matches!(protocol, Protocol::Json11 | Protocol::RpcV2Cbor | Protocol::AwsCbor11) {
                continue;
            }
            let mut structure = StructureValue::new(operation.output);
            structure.set("Name", text("a"));
            structure.set("Kin", Value::Structure({
                let mut kin = StructureValue::new(operation.output);
                kin.set("Name", text("b"));
                kin.set("FlatNames", Value::List(vec![text(&content)]));
                kin
            }));
            let value = Value::Structure(structure);
            let response = encode(operation, protocol, &value);
            let read = decode(operation, protocol, Method::POST, "/", &[], response.body());
            prop_assert_eq!(read, Ok(value));
        }
    }

    #[test]
    fn any_timestamp_text_is_answered(content in any::<String>()) {
        for format in [crate::TimestampFormat::DateTime, crate::TimestampFormat::HttpDate, crate::TimestampFormat::EpochSeconds] {
            let _ = parse_timestamp(&content, format);
        }
    }
}
