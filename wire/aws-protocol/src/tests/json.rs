//! JSON bodies in and out.

use http::Method;

use super::model::{JSON_PUT, THING};
use super::{body_text, decode, encode, structure, text};
use crate::{Protocol, Timestamp, Value};

fn refused(body: &str) -> (String, String) {
    let error = decode(&JSON_PUT, Protocol::Json11, Method::POST, "/", &[], body.as_bytes()).expect_err(body);
    assert_eq!(error.status, 400, "{body}");
    (error.code, error.message)
}

#[test]
fn wrong_types_are_refused_in_aws_words() {
    let table = [
        (r#"{"Name":"a","Count":"1"}"#, "STRING_VALUE can not be converted to an Integer"),
        (r#"{"Name":1}"#, "NUMBER_VALUE can not be converted to a String"),
        (r#"{"Name":true}"#, "TRUE_VALUE can not be converted to a String"),
        (r#"{"Name":"a","Flag":"true"}"#, "STRING_VALUE can not be converted to a Boolean"),
        (r#"{"Name":"a","Count":1.5}"#, "NUMBER_VALUE can not be converted to an Integer"),
        (r#"{"Name":"a","Count":3000000000}"#, "NUMBER_VALUE can not be converted to an Integer"),
        (r#"{"Name":"a","Big":18446744073709551615}"#, "NUMBER_VALUE can not be converted to a Long"),
        (r#"{"Name":[]}"#, "Start of list found where not expected"),
        (r#"{"Name":{}}"#, "Start of structure or map found where not expected."),
        (r#"{"Name":"a","Names":"b"}"#, "Expected list or null"),
        (r#"{"Name":"a","Tags":3}"#, "Expected map or null"),
        (r#"{"Name":"a","Kin":3,"kin":3}"#, "Expected structure or null"),
        (r#"{"Name":"a","Names":[null]}"#, "The list 'Names' must not contain null"),
        (r#"{"Name":"a","Data":"%%%"}"#, "The value of 'Data' is not valid base64"),
        (r#"{"Name":"a","Moment":"soon"}"#, "\"soon\" is not a timestamp"),
        (r#"{"Name":"a""#, "The body is not valid JSON: "),
        (r#"{"Name":"a"} x"#, "The body is not valid JSON: "),
        ("\u{feff}{}", "The body is not valid JSON: "),
        ("[]", "Start of list found where not expected"),
    ];
    for (body, message) in table {
        let (code, found) = refused(body);
        assert_eq!(code, "SerializationException", "{body}");
        assert!(found.starts_with(message), "{body}: {found}");
    }
}

#[test]
fn a_refusal_names_the_place() {
    for (body, place) in [
        (r#"{"Name":[]}"#, "(at 'Name')"),
        (r#"{"Name":"a","Moment":"soon"}"#, "(at 'Moment')"),
        (r#"{"Name":"a","Names":["a",3]}"#, "(at 'Names.2')"),
        (r#"{"Name":"a","Tags":{"k":3}}"#, "(at 'Tags.k')"),
        (r#"{"Name":"a","kin":{"Name":"b","Names":["a",{}]}}"#, "(at 'Kin.Names.2')"),
    ] {
        let (_, found) = refused(body);
        assert!(found.ends_with(place), "{body}: {found}");
    }
}

#[test]
fn accepted_spellings() {
    let table = [
        (r#"{"Name":"a","Count":1.0}"#, "Count", Value::Integer(1)),
        (r#"{"Name":"a","Big":1e3}"#, "Big", Value::Integer(1000)),
        (r#"{"Name":"a","Ratio":1}"#, "Ratio", Value::Double(1.0)),
        (r#"{"Name":"a","Ratio":"-Infinity"}"#, "Ratio", Value::Double(f64::NEG_INFINITY)),
        (r#"{"Name":"a","Data":""}"#, "Data", Value::Blob("".into())),
        (r#"{"Name":"a","Nothing":[{"a":[1]}],"Count":2}"#, "Count", Value::Integer(2)),
        (r#"{"Name":"a","Count":1,"Count":2}"#, "Count", Value::Integer(2)),
        (r#"{"Name":"a","Tags":{"k":"v","l":null}}"#, "Tags", Value::Map(vec![("k".into(), text("v"))])),
        (
            r#"{"Name":"a","Any":{"x":[1,null,"s",2.5,true]}}"#,
            "Any",
            Value::Document(serde_json::json!({"x":[1,null,"s",2.5,true]})),
        ),
        (r#"{"Name":"a","Moment":1.7e9}"#, "Moment", moment(1_700_000_000_000)),
        (r#"{"Name":"a","Moment":1700000000.123}"#, "Moment", moment(1_700_000_000_123)),
        (r#"{"Name":"a","Moment":"2023-11-14T22:13:20Z"}"#, "Moment", moment(1_700_000_000_000)),
        (r#"{"Name":"a","HttpMoment":"Tue, 14 Nov 2023 22:13:20 GMT"}"#, "HttpMoment", moment(1_700_000_000_000)),
    ];
    for (body, member, expected) in table {
        let value = decode(&JSON_PUT, Protocol::Json11, Method::POST, "/", &[], body.as_bytes()).expect(body);
        let Value::Structure(value) = value else { panic!("{body}") };
        assert_eq!(value.get(member), Some(&expected), "{body}");
    }
}

fn moment(milliseconds: i64) -> Value {
    Value::Timestamp(Timestamp::from_millisecond(milliseconds).expect("in range"))
}

#[test]
fn null_and_nothing_are_no_value() {
    for body in ["", " \n", "null", "{}", r#"{"Name":null}"#] {
        let (code, message) = refused(body);
        assert_eq!(code, "ValidationException");
        assert_eq!(
            message,
            "1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null"
        );
    }
}

#[test]
fn too_much_is_refused() {
    let deep = format!(r#"{{"Name":"a","Any":{}{}}}"#, "[".repeat(100), "]".repeat(100));
    assert!(refused(&deep).1.contains("deeper than 64"));
    let many = format!(r#"{{"Name":"a","Any":[{}0]}}"#, "0,".repeat(200_000));
    assert!(refused(&many).1.contains("more than 200000 values"));
    let large = vec![b' '; 16 * 1024 * 1024 + 1];
    let error = decode(&JSON_PUT, Protocol::Json11, Method::POST, "/", &[], &large).expect_err("too large");
    assert_eq!((error.status, error.code.as_str()), (413, "RequestEntityTooLargeException"));
}

#[test]
fn outputs() {
    let output = structure(
        &THING,
        vec![
            ("Name", text("é\"\u{1}")),
            ("Big", Value::Integer(i64::MIN)),
            ("Ratio", Value::Double(f64::NAN)),
            ("Data", Value::Blob("\u{0}a".into())),
            ("Moment", moment(1_700_000_000_123)),
            ("HttpMoment", moment(1_700_000_000_000)),
            ("Tags", Value::Map(Vec::new())),
            ("Kin", structure(&THING, vec![("Moment", moment(1_700_000_000_000))])),
        ],
    );
    let response = encode(&JSON_PUT, Protocol::Json11, &output);
    assert_eq!(response.headers()["content-type"], "application/x-amz-json-1.1");
    assert_eq!(response.headers()["x-amzn-requestid"], "id-1");
    assert_eq!(
        body_text(&response),
        concat!(
            r#"{"Name":"é\"\u0001","Big":-9223372036854775808,"Ratio":"NaN","Data":"AGE=","Moment":1700000000.123,"#,
            r#""HttpMoment":"Tue, 14 Nov 2023 22:13:20 GMT","Tags":{},"kin":{"Moment":1700000000.0}}"#
        )
    );
}
