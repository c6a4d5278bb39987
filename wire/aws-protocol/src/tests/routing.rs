//! Which operation a request asks for.

use bytes::Bytes;
use http::{Method, Uri};

use super::header_map;
use super::model::{CBOR, JSON, QUERY, REST_JSON};
use crate::{Protocol, Request, ServiceModel, route};

/// The operation and protocol, or the error's code and status.
fn routed(
    service: &'static ServiceModel,
    method: Method,
    uri: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<(&'static str, Protocol), (String, u16)> {
    let uri: Uri = uri.parse().expect("a URI");
    let headers = header_map(headers);
    let body = Bytes::copy_from_slice(body.as_bytes());
    route(service, &Request { method: &method, uri: &uri, headers: &headers, body: &body })
        .map(|routed| (routed.operation.name, routed.protocol))
        .map_err(|failure| (failure.error.code, failure.error.status))
}

#[test]
fn operations_are_found_by_target() {
    let unknown = |status| Err(("UnknownOperationException".to_owned(), status));
    let json = ("content-type", "application/x-amz-json-1.1");
    let table = [
        (vec![json, ("x-amz-target", "Things_2026.PutThing")], Ok(("PutThing", Protocol::Json11))),
        (vec![("x-amz-target", "Things_2026.PutThing")], Ok(("PutThing", Protocol::Json11))),
        (
            vec![json, ("x-amz-target", "com.example.things.v2026.Things_2026.PutThing")],
            Ok(("PutThing", Protocol::Json11)),
        ),
        (vec![json, ("x-amz-target", "v2026.Things_2026.PutThing")], unknown(400)),
        (
            vec![("content-type", "application/x-amz-cbor-1.1"), ("x-amz-target", "Things_2026.PutThing")],
            Ok(("PutThing", Protocol::AwsCbor11)),
        ),
        (vec![json, ("x-amz-target", "Things_2026.BuyThing")], unknown(501)),
        (vec![json, ("x-amz-target", "Things_2026.Other")], unknown(400)),
        (vec![json, ("x-amz-target", "Other.PutThing")], unknown(400)),
        (vec![json, ("x-amz-target", "PutThing")], unknown(400)),
        (vec![json], unknown(400)),
    ];
    for (headers, expected) in table {
        assert_eq!(routed(&JSON, Method::POST, "/", &headers, "{}"), expected, "{headers:?}");
    }
}

#[test]
fn operations_are_found_by_action() {
    let form = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    let table = [
        ("/", "Action=PutThing&Version=2026-01-01", Ok(("PutThing", Protocol::Query))),
        ("/?Action=PutThing", "Version=2026-01-01", Ok(("PutThing", Protocol::Query))),
        ("/", "Action=PutThing&Version=1", Err(("InvalidAction".to_owned(), 400))),
        ("/", "Action=PutThing", Err(("InvalidAction".to_owned(), 400))),
        ("/", "Action=BuyThing&Version=2026-01-01", Err(("InvalidAction".to_owned(), 501))),
        ("/", "Action=Other&Version=2026-01-01", Err(("InvalidAction".to_owned(), 400))),
        ("/", "Name=a", Err(("MissingAction".to_owned(), 400))),
    ];
    for (uri, body, expected) in table {
        assert_eq!(routed(&QUERY, Method::POST, uri, &form, body), expected, "{uri} {body}");
    }
}

#[test]
fn operations_are_found_by_path() {
    let missing = || Err(("UnknownOperationException".to_owned(), 404));
    let found = |name| Ok((name, Protocol::RestJson));
    let table = [
        (Method::PUT, "/things/a/at/b/c", found("PutThing")),
        (Method::PUT, "/things/a/at/b", found("PutThing")),
        (Method::PUT, "/things/a/at/", missing()),
        (Method::PUT, "/things//at/b", missing()),
        (Method::GET, "/things?list", found("ListThings")),
        (Method::GET, "/things?list=&x=1", found("ListThings")),
        (Method::GET, "/things", missing()),
        (Method::GET, "/things/a", found("GetThing")),
        (Method::GET, "/things/a/", found("GetThing")),
        (Method::GET, "/things/a/b", missing()),
        (Method::POST, "/things/a", missing()),
    ];
    for (method, uri, expected) in table {
        assert_eq!(routed(&REST_JSON, method.clone(), uri, &[], ""), expected, "{method} {uri}");
    }
    let cbor = [("smithy-protocol", "rpc-v2-cbor")];
    let path = "/v1/service/Things_2026/operation/PutThing";
    assert_eq!(routed(&CBOR, Method::POST, path, &cbor, ""), Ok(("PutThing", Protocol::RpcV2Cbor)));
    assert!(routed(&CBOR, Method::POST, "/service/Other/operation/PutThing", &cbor, "").is_err());
    // A service that lists several protocols is asked in the one that the headers name.
    let json = [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", "Things_2026.PutThing")];
    assert_eq!(routed(&CBOR, Method::POST, "/", &json, "{}"), Ok(("PutThing", Protocol::Json10)));
}
