//! REST bindings, with JSON and with XML bodies.

use http::Method;

use super::model::{REST_INPUT, REST_JSON_PUT, REST_OUTPUT, REST_XML_PUT, THING};
use super::{body_text, decode, encode, structure, text};
use crate::{OperationModel, Protocol, Timestamp, Value};

const URI: &str = "/things/a%2Fb%20c/at/x/y%2Fz?limit=7&part=1&other=q&part=2";
const HEADERS: &[(&str, &str)] = &[
    ("x-header", "one, two"),
    ("x-since", "Tue, 14 Nov 2023 22:13:20 GMT"),
    ("x-list", "a, \"b, \\\"c\\\"\" ,d"),
    ("X-Meta-Color", "red"),
];

fn check(operation: &'static OperationModel, protocol: Protocol, body: &str) {
    let value = decode(operation, protocol, Method::PUT, URI, HEADERS, body.as_bytes()).expect("a valid request");
    let expected = structure(
        &REST_INPUT,
        vec![
            ("Label", text("a/b c")),
            ("Rest", text("x/y/z")),
            ("Limit", Value::Integer(7)),
            ("Parts", Value::List(vec![text("1"), text("2")])),
            ("Header", text("one, two")),
            ("Since", Value::Timestamp(Timestamp::constant(1_700_000_000, 0))),
            ("List", Value::List(vec![text("a"), text("b, \"c\""), text("d")])),
            ("Meta", Value::Map(vec![("color".into(), text("red"))])),
            ("Body", text("<é>")),
            ("Things", Value::List(vec![structure(&THING, vec![("Name", text("n"))])])),
        ],
    );
    assert_eq!(value, expected);
}

#[test]
fn requests_are_read_from_all_places() {
    check(&REST_JSON_PUT, Protocol::RestJson, r#"{"Body":"<é>","Things":[{"Name":"n"}],"Label":"no","x-header":"no"}"#);
    check(
        &REST_XML_PUT,
        Protocol::RestXml,
        "<?xml version=\"1.0\"?><!-- c --><x:In xmlns:x=\"u\"><Body><![CDATA[<]]>&#xE9;&gt;</Body>\
         <Things><member><Name>n</Name></member></Things><Unknown><a/></Unknown></x:In>",
    );
}

#[test]
fn ill_formed_xml_is_refused() {
    let table = [
        "<a>",
        "<a></b>",
        "<a/><b/>",
        "text",
        "<!DOCTYPE a [<!ENTITY e \"x\">]><a>&e;</a>",
        "<a>&e;</a>",
        "<a>&#0;</a>",
        "<a b=\"1\" b=\"2\"/>",
        "<!-- only -->",
        "\u{0}",
    ];
    for body in table {
        let error = decode(&REST_XML_PUT, Protocol::RestXml, Method::PUT, "/things/a/at/b", &[], body.as_bytes())
            .expect_err(body);
        assert_eq!((error.status, error.code.as_str()), (400, "MalformedInput"), "{body}");
    }
    let deep = format!("{}{}", "<a>".repeat(5000), "</a>".repeat(5000));
    assert!(decode(&REST_XML_PUT, Protocol::RestXml, Method::PUT, "/things/a/at/b", &[], deep.as_bytes()).is_err());
}

fn output() -> Value {
    structure(
        &REST_OUTPUT,
        vec![
            ("Status", Value::Integer(202)),
            ("Header", text("h")),
            ("Since", Value::Timestamp(Timestamp::constant(1_700_000_000, 0))),
            ("List", Value::List(vec![text("a"), text("b, c")])),
            ("Meta", Value::Map(vec![("Color".into(), text("red")), ("bad name".into(), text("x"))])),
            ("Attribute", text("\"1\"")),
            ("Body", text("<")),
            ("FlatNames", Value::List(vec![text("d"), text("e")])),
            ("Tags", Value::Map(vec![("k".into(), text("v"))])),
        ],
    )
}

#[test]
fn answers_are_written_to_all_places() {
    for (operation, protocol, body) in [
        (&REST_JSON_PUT, Protocol::RestJson, r#"{"attr":"\"1\"","Body":"<","FlatNames":["d","e"],"Tags":{"k":"v"}}"#),
        (
            &REST_XML_PUT,
            Protocol::RestXml,
            concat!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
                "<RestOutput xmlns=\"https://things.example/doc/\" attr=\"&quot;1&quot;\">",
                "<Body>&lt;</Body><Item>d</Item><Item>e</Item>",
                "<Tags><entry><key>k</key><value>v</value></entry></Tags></RestOutput>"
            ),
        ),
    ] {
        let response = encode(operation, protocol, &output());
        assert_eq!(response.status(), 202);
        assert_eq!(response.headers()["x-header"], "h");
        assert_eq!(response.headers()["x-since"], "Tue, 14 Nov 2023 22:13:20 GMT");
        assert_eq!(response.headers()["x-list"], "a, \"b, c\"");
        assert_eq!(response.headers()["x-meta-color"], "red");
        assert_eq!(body_text(&response), body);
    }
}
