//! Forms in, XML out.

use http::Method;

use super::model::{QUERY_PUT, THING};
use super::{body_text, decode, encode, structure, text};
use crate::{Protocol, Timestamp, Value};

#[test]
fn forms_spell_structures() {
    let table = [
        ("Name=a", "Name", text("a")),
        ("Name=a&Names.member.2=c&Names.member.1=b", "Names", Value::List(vec![text("b"), text("c")])),
        ("Name=a&Names.member.10=c&Names.member.9=b", "Names", Value::List(vec![text("b"), text("c")])),
        ("Name=a&Names=", "Names", Value::List(Vec::new())),
        ("Name=a&Item.1=x+y&Item.2=%C3%A9%2B", "FlatNames", Value::List(vec![text("x y"), text("é+")])),
        ("Name=a&Tags.entry.1.key=k&Tags.entry.1.value=v", "Tags", Value::Map(vec![("k".into(), text("v"))])),
        ("Name=a&FlatTags.1.key=k&FlatTags.1.value=", "FlatTags", Value::Map(vec![("k".into(), text(""))])),
        ("Name=a&kin.Name=b", "Kin", structure(&THING, vec![("Name", text("b"))])),
        ("Name=a&Things.member.1.Name=b", "Things", Value::List(vec![structure(&THING, vec![("Name", text("b"))])])),
        ("Name=a&Flag=true&Name=b", "Name", text("a")),
        ("Name=a&Count=7", "Count", Value::Integer(7)),
        ("Name=a&Moment=2023-11-14T22%3A13%3A20Z", "Moment", Value::Timestamp(Timestamp::constant(1_700_000_000, 0))),
    ];
    for (form, member, expected) in table {
        for (uri, body) in [("/", form), (format!("/?{form}").as_str(), "")] {
            let body = format!("Action=PutThing&Version=2026-01-01&{body}");
            let value = decode(&QUERY_PUT, Protocol::Query, Method::POST, uri, &[], body.as_bytes()).expect(form);
            let Value::Structure(value) = value else { panic!("{form}") };
            assert_eq!(value.get(member), Some(&expected), "{form}");
        }
    }
}

#[test]
fn forms_that_are_refused() {
    let table = [
        ("Name=a&Count=x", "MalformedInput"),
        ("Name=a&Count=+1", "MalformedInput"),
        ("Name=a&Flag=yes", "MalformedInput"),
        ("Name.b=a", "MalformedInput"),
        ("Name=%FF", "MalformedInput"),
        ("Name=a&Tags.entry.1.value=v", "MalformedInput"),
        ("Name=", "ValidationException"),
        ("Names.member.1=A&Name=a", "ValidationException"),
    ];
    for (form, code) in table {
        let error = decode(&QUERY_PUT, Protocol::Query, Method::POST, "/", &[], form.as_bytes()).expect_err(form);
        assert_eq!(error.code, code, "{form}: {}", error.message);
    }
    let deep = format!("Name=a&{}Name=b", "kin.".repeat(100));
    assert!(decode(&QUERY_PUT, Protocol::Query, Method::POST, "/", &[], deep.as_bytes()).is_err());
    let many: String = (0..30_000).map(|number| format!("Names.member.{number}=a&")).collect();
    assert!(decode(&QUERY_PUT, Protocol::Query, Method::POST, "/", &[], many.as_bytes()).is_err());
}

#[test]
fn answers() {
    let output = structure(
        &THING,
        vec![
            ("Name", text("<&>\"\r\u{1}")),
            ("Names", Value::List(vec![text("b"), text("c")])),
            ("FlatNames", Value::List(vec![text("d")])),
            ("Tags", Value::Map(vec![("k".into(), text("v"))])),
            ("FlatTags", Value::Map(vec![("k".into(), text("v"))])),
            ("Moment", Value::Timestamp(Timestamp::constant(1_700_000_000, 120_000_000))),
        ],
    );
    let response = encode(&QUERY_PUT, Protocol::Query, &output);
    assert_eq!(response.headers()["content-type"], "text/xml");
    assert_eq!(
        body_text(&response),
        concat!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
            "<PutThingResponse xmlns=\"https://things.example/doc/\"><PutThingResult>",
            "<Name>&lt;&amp;&gt;&quot;&#xD;\u{fffd}</Name>",
            "<Moment>2023-11-14T22:13:20.120Z</Moment>",
            "<Names><member>b</member><member>c</member></Names><Item>d</Item>",
            "<Tags><entry><key>k</key><value>v</value></entry></Tags>",
            "<FlatTags><key>k</key><value>v</value></FlatTags>",
            "</PutThingResult><ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></PutThingResponse>"
        )
    );
}
