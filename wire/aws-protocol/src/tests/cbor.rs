//! CBOR bodies, of both kinds.

use http::Method;

use super::model::{CBOR_PUT, JSON_PUT, THING};
use super::{decode, encode, structure, text};
use crate::{Protocol, Timestamp, Value};

/// Bytes from hexadecimal digits and spaces.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hexadecimal"))
        .collect()
}

fn rpc(body: &[u8]) -> Result<Value, crate::AwsError> {
    decode(&CBOR_PUT, Protocol::RpcV2Cbor, Method::POST, "/service/Things_2026/operation/PutThing", &[], body)
}

#[test]
fn all_encodings_of_a_value_are_read() {
    let name = "64 4e616d65"; // "Name"
    let table = [
        (format!("a1 {name} 61 61"), "Name", text("a")),
        (format!("bf {name} 7f 61 61 61 62 ff ff"), "Name", text("ab")),
        (format!("a2 {name} 61 61 65 436f756e74 18 07"), "Count", Value::Integer(7)),
        (format!("a2 {name} 61 61 65 436f756e74 1b 0000000000000007"), "Count", Value::Integer(7)),
        (format!("a2 {name} 61 61 63 426967 3b 7fffffffffffffff"), "Big", Value::Integer(i64::MIN)),
        (format!("a2 {name} 61 61 65 526174696f f9 3e00"), "Ratio", Value::Double(1.5)),
        (format!("a2 {name} 61 61 65 526174696f 20"), "Ratio", Value::Double(-1.0)),
        (format!("a2 {name} 61 61 64 44617461 5f 41 00 41 ff ff"), "Data", Value::Blob(vec![0, 255].into())),
        (format!("a2 {name} 61 61 65 4e616d6573 9f 61 62 61 63 ff"), "Names", Value::List(vec![text("b"), text("c")])),
        (format!("a2 {name} 61 61 64 54616773 a1 61 6b 61 76"), "Tags", Value::Map(vec![("k".into(), text("v"))])),
        (format!("a3 {name} 61 61 61 78 82 a1 01 02 f6 64 466c6167 f5"), "Flag", Value::Boolean(true)),
        (
            format!("a2 {name} 61 61 66 4d6f6d656e74 c1 1a 6553f100"),
            "Moment",
            Value::Timestamp(Timestamp::constant(1_700_000_000, 0)),
        ),
    ];
    for (bytes, member, expected) in table {
        let value = rpc(&hex(&bytes)).expect(&bytes);
        let Value::Structure(value) = value else { panic!("{bytes}") };
        assert_eq!(value.get(member), Some(&expected), "{bytes}");
    }
}

#[test]
fn what_is_no_value_is_refused() {
    let table = [
        "a1",
        "ff",
        "a1 64 4e616d65",
        "a1 64 4e616d65 01",
        "a1 64 4e616d65 62 c328",
        "a1 64 4e616d65 7b ffffffffffffffff",
        "bb ffffffffffffffff",
        "9f",
        "a1 01 61 61",
        "a1 64 4e616d65 61 61 00",
        "a2 64 4e616d65 61 61 65 4e616d6573 81 f6",
        "a2 64 4e616d65 61 61 65 436f756e74 f9 3e00",
        "a2 64 4e616d65 61 61 61 78 ff",
    ];
    for bytes in table {
        let error = rpc(&hex(bytes)).expect_err(bytes);
        assert_eq!((error.status, error.code.as_str()), (400, "SerializationException"), "{bytes}");
    }
    // An unknown member nested without end.
    let mut deep = hex("a2 64 4e616d65 61 61 61 78");
    deep.extend(std::iter::repeat_n(0x81, 100_000));
    assert!(rpc(&deep).expect_err("too deep").message.contains("deeper than 64"));
}

#[test]
fn values_survive() {
    let moment = Timestamp::from_millisecond(1_700_000_000_123).expect("in range");
    let value = structure(
        &THING,
        vec![
            ("Name", text("a")),
            ("Big", Value::Integer(-5)),
            ("Ratio", Value::Double(0.1)),
            ("Data", Value::Blob("x".into())),
            ("Moment", Value::Timestamp(moment)),
            ("Names", Value::List(vec![text("b")])),
            ("Tags", Value::Map(vec![("k".into(), text("v"))])),
            ("Kin", structure(&THING, vec![("Name", text("b")), ("Flag", Value::Boolean(false))])),
        ],
    );
    for (operation, protocol, content_type) in [
        (&CBOR_PUT, Protocol::RpcV2Cbor, "application/cbor"),
        (&JSON_PUT, Protocol::AwsCbor11, "application/x-amz-cbor-1.1"),
    ] {
        let response = encode(operation, protocol, &value);
        assert_eq!(response.headers()["content-type"], content_type);
        let read = decode(operation, protocol, Method::POST, "/", &[], response.body()).expect("our own bytes");
        assert_eq!(read, value);
    }
    // The Java SDK's CBOR counts milliseconds, and as an integer.
    let body = encode(&JSON_PUT, Protocol::AwsCbor11, &structure(&THING, vec![("Moment", Value::Timestamp(moment))]));
    assert_eq!(body.body().to_vec(), hex("a1 66 4d6f6d656e74 c1 1b 0000018bcfe5687b"));
}
