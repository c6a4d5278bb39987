//! The sentences for input that breaks the model's constraints.

use http::Method;

use super::decode;
use super::model::JSON_PUT;
use crate::Protocol;

#[test]
fn violations_are_told_in_aws_words() {
    let one = "1 validation error detected: ";
    let table = [
        (
            r#"{"Name":""}"#,
            format!("{one}Value '' at 'name' failed to satisfy constraint: Member must have length greater than or equal to 1"),
        ),
        (
            r#"{"Name":"abcdefghi"}"#,
            format!("{one}Value 'abcdefghi' at 'name' failed to satisfy constraint: Member must have length less than or equal to 8"),
        ),
        (
            r#"{"Name":"aB"}"#,
            format!("{one}Value 'aB' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-z]+"),
        ),
        (
            r#"{"Name":"a\n"}"#,
            format!("{one}Value 'a\n' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-z]+"),
        ),
        (
            r#"{"Name":"a","Size":"HUGE"}"#,
            format!("{one}Value 'HUGE' at 'size' failed to satisfy constraint: Member must satisfy enum value set: [SMALL, LARGE]"),
        ),
        (
            r#"{"Name":"a","Count":101}"#,
            format!("{one}Value '101' at 'count' failed to satisfy constraint: Member must have value less than or equal to 100"),
        ),
        (
            r#"{"Name":"a","Secret":"hushed"}"#,
            format!("{one}Value at 'secret' failed to satisfy constraint: Member must have length less than or equal to 4"),
        ),
        (
            r#"{"Name":"a","Names":["a","B"]}"#,
            format!(
                "{one}Value '[a, B]' at 'names' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy regular expression pattern: [a-z]+]"
            ),
        ),
        (
            r#"{"Name":"a","Tags":{"K":"v"}}"#,
            format!(
                "{one}Value '{{K=v}}' at 'tags' failed to satisfy constraint: Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-z]+]"
            ),
        ),
        (
            r#"{"Name":"a","Things":[{"Name":"a"},{"kin":{}}]}"#,
            "2 validation errors detected: Value null at 'things.2.member.name' failed to satisfy constraint: Member must not be null; \
             Value null at 'things.2.member.kin.name' failed to satisfy constraint: Member must not be null"
                .to_owned(),
        ),
    ];
    for (body, message) in table {
        let error = decode(&JSON_PUT, Protocol::Json11, Method::POST, "/", &[], body.as_bytes()).expect_err(body);
        assert_eq!((error.status, error.code.as_str()), (400, "ValidationException"), "{body}");
        assert_eq!(error.message, message, "{body}");
    }
}

#[test]
fn messages_stay_short() {
    let body = format!(r#"{{"Name":"a","Things":[{}{{}}]}}"#, "{},".repeat(1000));
    let error = decode(&JSON_PUT, Protocol::Json11, Method::POST, "/", &[], body.as_bytes()).expect_err("no names");
    assert!(error.message.starts_with("20 validation errors detected"), "{}", error.message);
    let body = format!(r#"{{"Name":"{}"}}"#, "a".repeat(1_000_000));
    let error = decode(&JSON_PUT, Protocol::Json11, Method::POST, "/", &[], body.as_bytes()).expect_err("too long");
    assert!(error.message.starts_with("1 validation error detected: Value at 'name' failed"), "{}", error.message);
}
