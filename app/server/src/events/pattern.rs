//! Event patterns of EventBridge: which events a rule is for.
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// A pattern, parsed.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern {
    members: BTreeMap<String, Node>,
    text: String,
}

#[derive(Debug, Clone)]
enum Node {
    /// A member of it.
    Members(BTreeMap<String, Node>),
    /// It is one of these.
    OneOf(Vec<Test>),
}

#[derive(Debug, Clone)]
enum Test {
    Is(Value),
    Prefix(String),
    Suffix(String),
    IgnoringCase(String),
    NoneOf(Vec<Value>),
    NoPrefix(String),
    Exists(bool),
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let value: Value = serde_json::from_str(&text).map_err(|error| format!("a pattern is JSON: {error}"))?;
        match node(&value)? {
            Node::Members(members) if !members.is_empty() => Ok(Self { members, text }),
            Node::Members(_) | Node::OneOf(_) => Err("a pattern is an object with at least one member".to_owned()),
        }
    }
}

fn node(value: &Value) -> Result<Node, String> {
    match value {
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| Ok((name.clone(), node(value)?)));
            Ok(Node::Members(members.collect::<Result<_, String>>()?))
        }
        Value::Array(tests) => Ok(Node::OneOf(tests.iter().map(test).collect::<Result<_, _>>()?)),
        other => Err(format!("`{other}` must be an object, or an array of what may be there")),
    }
}

fn test(value: &Value) -> Result<Test, String> {
    let Value::Object(members) = value else {
        return match value {
            Value::Array(_) => Err("an array in a pattern has no arrays in it".to_owned()),
            literal => Ok(Test::Is(literal.clone())),
        };
    };
    let mut members = members.iter();
    let (Some((name, value)), None) = (members.next(), members.next()) else {
        return Err("an operator of a pattern is an object with one member".to_owned());
    };
    match (name.as_str(), value) {
        ("prefix", Value::String(text)) => Ok(Test::Prefix(text.clone())),
        ("suffix", Value::String(text)) => Ok(Test::Suffix(text.clone())),
        ("equals-ignore-case", Value::String(text)) => Ok(Test::IgnoringCase(text.to_lowercase())),
        ("exists", Value::Bool(exists)) => Ok(Test::Exists(*exists)),
        ("anything-but", Value::Array(values)) => Ok(Test::NoneOf(values.clone())),
        ("anything-but", Value::Object(but)) => match (but.len(), but.get("prefix")) {
            (1, Some(Value::String(text))) => Ok(Test::NoPrefix(text.clone())),
            _ => Err("`anything-but` is followed by values or by a prefix".to_owned()),
        },
        ("anything-but", literal) => Ok(Test::NoneOf(vec![literal.clone()])),
        (other, _) => Err(format!(
            "`{other}` is no operator here: use prefix, suffix, equals-ignore-case, exists or anything-but"
        )),
    }
}

impl Test {
    fn holds(&self, value: Option<&Value>) -> bool {
        let text = || value.and_then(Value::as_str);
        match self {
            Self::Exists(exists) => value.is_some() == *exists,
            Self::Is(expected) => value == Some(expected),
            Self::Prefix(prefix) => text().is_some_and(|text| text.starts_with(prefix.as_str())),
            Self::Suffix(suffix) => text().is_some_and(|text| text.ends_with(suffix.as_str())),
            Self::IgnoringCase(expected) => text().is_some_and(|text| text.to_lowercase() == *expected),
            Self::NoneOf(values) => value.is_some_and(|value| !values.contains(value)),
            Self::NoPrefix(prefix) => text().is_some_and(|text| !text.starts_with(prefix.as_str())),
        }
    }
}

fn all_match(members: &BTreeMap<String, Node>, event: Option<&Value>) -> bool {
    members.iter().all(|(name, node)| {
        let value = event.and_then(|event| event.get(name));
        match (node, value) {
            (Node::Members(members), value) => all_match(members, value),
            // Of an array in the event, one element is enough.
            (Node::OneOf(tests), Some(Value::Array(values))) => {
                tests.iter().any(|test| values.iter().any(|value| test.holds(Some(value))))
            }
            (Node::OneOf(tests), value) => tests.iter().any(|test| test.holds(value)),
        }
    })
}

impl Pattern {
    /// As it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether an event is one that the pattern is for.
    pub(crate) fn matches(&self, event: &Value) -> bool {
        all_match(&self.members, Some(event))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn patterns_match_as_eventbridge_matches() {
        let event = json!({
            "source": "aws.s3", "detail-type": "Object Created", "resources": ["arn:aws:s3:::lake-raw"],
            "detail": { "bucket": { "name": "lake-raw" }, "object": { "key": "in/a.CSV", "size": 3 }, "reason": "PutObject" },
        });
        let check = |pattern: Value, expected: bool| {
            let parsed = Pattern::try_from(pattern.to_string()).expect("a pattern");
            assert_eq!(parsed.matches(&event), expected, "{pattern}");
        };
        let key = |test: Value| json!({ "detail": { "object": { "key": [test] } } });
        check(json!({ "source": ["aws.s3"] }), true);
        check(json!({ "source": ["aws.glue"] }), false);
        check(json!({ "source": ["aws.glue", "aws.s3"], "detail-type": ["Object Created"] }), true);
        check(json!({ "source": ["aws.s3"], "detail-type": ["Object Deleted"] }), false);
        check(json!({ "resources": ["arn:aws:s3:::lake-raw"] }), true);
        check(json!({ "detail": { "bucket": { "name": ["lake-raw"] }, "object": { "size": [3] } } }), true);
        check(key(json!({ "prefix": "in/" })), true);
        check(key(json!({ "prefix": "out/" })), false);
        check(key(json!({ "suffix": ".CSV" })), true);
        check(key(json!({ "equals-ignore-case": "IN/a.csv" })), true);
        check(key(json!({ "anything-but": "in/a.CSV" })), false);
        check(key(json!({ "anything-but": ["x"] })), true);
        check(key(json!({ "anything-but": { "prefix": "in/" } })), false);
        check(json!({ "detail": { "reason": [{ "exists": true }], "deletion-type": [{ "exists": false }] } }), true);
        check(json!({ "detail": { "nothing": { "here": ["x"] } } }), false);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for bad in [
            "",
            "{}",
            "[]",
            "\"x\"",
            r#"{"a":"b"}"#,
            r#"{"a":[["b"]]}"#,
            r#"{"a":[{"numeric":["<",1]}]}"#,
            r#"{"a":[{"prefix":1}]}"#,
            r#"{"a":[{}]}"#,
            r#"{"a":[{"prefix":"a","suffix":"b"}]}"#,
            r#"{"a":[{"anything-but":{"suffix":"b"}}]}"#,
        ] {
            assert!(Pattern::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
