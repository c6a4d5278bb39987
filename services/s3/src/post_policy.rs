//! The policy of a browser's POST form: when it ends and what the form's fields must be. Pure.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html>

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use s3s::{S3Error, S3ErrorCode, S3Result};
use serde_json::Value;
use tarn_runtime::Timestamp;

/// The most conditions of a policy.
const CONDITIONS_COUNT_MAX: usize = 1_000;

/// The fields of a form, by their names in lower case.
pub(crate) type Fields = BTreeMap<String, String>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    Equals { field: String, value: String },
    StartsWith { field: String, prefix: String },
}

/// A policy that was read and is not yet held against a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PostPolicy {
    expiration: Timestamp,
    conditions: Vec<Condition>,
    /// The fewest and the most bytes of the file.
    pub(crate) size_range_bytes: Option<(u64, u64)>,
}

fn invalid(reason: &str) -> S3Error {
    S3Error::with_message(S3ErrorCode::InvalidPolicyDocument, format!("Invalid Policy: {reason}"))
}

fn refused(reason: &str) -> S3Error {
    S3Error::with_message(S3ErrorCode::AccessDenied, format!("Invalid according to Policy: {reason}"))
}

/// Fields that need no condition: those that carry the policy and its signature, those that are said to mean nothing, and checksums of
/// the file, which can only have it refused.
fn is_exempt(field: &str) -> bool {
    matches!(field, "policy" | "x-amz-signature" | "signature" | "awsaccesskeyid" | "file")
        || field.starts_with("x-ignore-")
        || field.starts_with("x-amz-checksum-")
}

impl Condition {
    fn field(&self) -> &str {
        match self {
            Self::Equals { field, .. } | Self::StartsWith { field, .. } => field,
        }
    }

    fn holds(&self, fields: &Fields) -> bool {
        match self {
            Self::Equals { field, value } => fields.get(field).is_some_and(|found| found == value),
            // Content types with commas are lists, and each of the list must begin so.
            Self::StartsWith { field, prefix } if field == "content-type" => fields
                .get(field)
                .is_some_and(|found| found.split(',').all(|one| one.trim_start().starts_with(prefix.as_str()))),
            Self::StartsWith { field, prefix } => {
                fields.get(field).is_some_and(|found| found.starts_with(prefix.as_str()))
            }
        }
    }

    fn shown(&self) -> String {
        let (operator, field, value) = match self {
            Self::Equals { field, value } => ("eq", field, value),
            Self::StartsWith { field, prefix } => ("starts-with", field, prefix),
        };
        serde_json::json!([operator, format!("${field}"), value]).to_string()
    }
}

impl PostPolicy {
    /// Reads a policy as the form carries it: JSON in base 64.
    pub(crate) fn parse(text: &str) -> S3Result<Self> {
        let json = BASE64.decode(text.trim()).map_err(|_| invalid("Invalid Base64 encoding."))?;
        let Ok(Value::Object(policy)) = serde_json::from_slice(&json) else { return Err(invalid("Invalid JSON.")) };
        let expiration = match policy.get("expiration") {
            Some(Value::String(text)) => parse_expiration(text)?,
            Some(_) => return Err(invalid("Invalid 'expiration' value: it must be a string.")),
            None => return Err(invalid("Policy missing expiration.")),
        };
        let conditions = match policy.get("conditions") {
            Some(Value::Array(conditions)) => conditions,
            Some(_) => return Err(invalid("Invalid 'conditions' value: must be a List.")),
            None => return Err(invalid("Policy missing conditions.")),
        };
        if conditions.len() > CONDITIONS_COUNT_MAX {
            return Err(invalid("It has too many conditions."));
        }
        let mut parsed = Self { expiration, conditions: Vec::new(), size_range_bytes: None };
        for condition in conditions {
            parsed.add(condition)?;
        }
        Ok(parsed)
    }

    fn add(&mut self, condition: &Value) -> S3Result<()> {
        match condition {
            Value::Object(object) => {
                let mut pairs = object.iter();
                let (Some((field, value)), None) = (pairs.next(), pairs.next()) else {
                    return Err(invalid(
                        "Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.",
                    ));
                };
                let Value::String(value) = value else {
                    return Err(invalid("Invalid Simple-Condition: value must be a string."));
                };
                let field = field.to_ascii_lowercase();
                self.conditions.push(Condition::Equals { field, value: value.clone() });
            }
            Value::Array(items) => {
                let [Value::String(operator), first, second] = items.as_slice() else {
                    return Err(invalid("Invalid Condition: it must have an operator and two operands."));
                };
                match operator.to_ascii_lowercase().as_str() {
                    "content-length-range" => self.narrow(first, second)?,
                    operator @ ("eq" | "starts-with") => {
                        let (Value::String(field), Value::String(value)) = (first, second) else {
                            return Err(invalid("Invalid Condition: its operands must be strings."));
                        };
                        let Some(field) = field.strip_prefix('$').map(str::to_ascii_lowercase) else {
                            return Err(invalid("Invalid Condition: the name of a field begins with $."));
                        };
                        self.conditions.push(match operator {
                            "eq" => Condition::Equals { field, value: value.clone() },
                            _ => Condition::StartsWith { field, prefix: value.clone() },
                        });
                    }
                    other => return Err(invalid(&format!("Invalid Condition: unknown operation '{other}'."))),
                }
            }
            _ => return Err(invalid("Invalid Condition: must be a List or an Object.")),
        }
        Ok(())
    }

    /// Several ranges hold together.
    fn narrow(&mut self, least: &Value, most: &Value) -> S3Result<()> {
        let bytes = |value: &Value| match value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        let (Some(least), Some(most)) = (bytes(least), bytes(most)) else {
            return Err(invalid("Invalid content-length-range: its operands must be numbers of bytes."));
        };
        let (least_before, most_before) = self.size_range_bytes.unwrap_or((0, u64::MAX));
        self.size_range_bytes = Some((least.max(least_before), most.min(most_before)));
        Ok(())
    }

    /// Refuses a form that the policy does not allow at `now`. `fields` hold all of the form's, and its bucket.
    pub(crate) fn check(&self, fields: &Fields, now: Timestamp) -> S3Result<()> {
        if now >= self.expiration {
            return Err(refused("Policy expired."));
        }
        if let Some(failed) = self.conditions.iter().find(|condition| !condition.holds(fields)) {
            return Err(refused(&format!("Policy Condition failed: {}", failed.shown())));
        }
        let covered = |field: &str| self.conditions.iter().any(|condition| condition.field() == field);
        let extra: Vec<&str> =
            fields.keys().map(String::as_str).filter(|field| !is_exempt(field) && !covered(field)).collect();
        if extra.is_empty() { Ok(()) } else { Err(refused(&format!("Extra input fields: {}", extra.join(", ")))) }
    }
}

/// `2007-12-01T12:00:00.000Z`, with or without the fraction.
fn parse_expiration(text: &str) -> S3Result<Timestamp> {
    let shaped = text.as_bytes().get(10) == Some(&b'T') && text.ends_with('Z');
    match text.parse().ok().filter(|_| shaped) {
        Some(expiration) => Ok(expiration),
        None => Err(invalid(&format!("Invalid 'expiration' value: '{text}'"))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-26T12:00:00Z";

    fn outcome(policy: &str, fields: &[(&str, &str)]) -> String {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let checked =
            PostPolicy::parse(&BASE64.encode(policy)).and_then(|policy| policy.check(&fields, NOW.parse().unwrap()));
        match checked {
            Ok(()) => "ok".to_owned(),
            Err(error) => error.code().as_str().to_owned(),
        }
    }

    #[test]
    fn forms_are_held_to_their_policies() {
        let check = |conditions: &str, fields: &[(&str, &str)], expected: &str| {
            let policy = format!(r#"{{"expiration":"2026-11-26T12:00:01.000Z","conditions":{conditions}}}"#);
            assert_eq!(outcome(&policy, fields), expected, "{conditions} {fields:?}");
        };
        let (denied, invalid) = ("AccessDenied", "InvalidPolicyDocument");
        check("[]", &[], "ok");
        check(r#"[{"Bucket":"b"}]"#, &[("bucket", "b")], "ok");
        check(r#"[{"bucket":"b"}]"#, &[("bucket", "c")], denied);
        check(r#"[{"bucket":"b"}]"#, &[], denied);
        check("[]", &[("bucket", "b")], denied);
        check(r#"[["EQ","$Key","a/b"]]"#, &[("key", "a/b")], "ok");
        check(r#"[["eq","$key","a/b"]]"#, &[("key", "a/bc")], denied);
        check(r#"[["starts-with","$key","a/"]]"#, &[("key", "a/b")], "ok");
        check(r#"[["starts-with","$key",""]]"#, &[("key", "b")], "ok");
        check(r#"[["starts-with","$key","A/"]]"#, &[("key", "a/b")], denied);
        check(r#"[["starts-with","$content-type","image/"]]"#, &[("content-type", "image/png,image/gif")], "ok");
        check(r#"[["starts-with","$content-type","image/"]]"#, &[("content-type", "image/png,text/html")], denied);
        check("[]", &[("policy", "p"), ("x-amz-signature", "s"), ("x-ignore-me", "")], "ok");
        check("[]", &[("x-amz-checksum-sha256", "s")], "ok");
        check("[]", &[("x-amz-meta-a", "")], denied);
        check("[]", &[("x-amz-server-side-encryption", "AES256")], denied);
        check("[{}]", &[], invalid);
        check(r#"[{"a":"b","c":"d"}]"#, &[], invalid);
        check(r#"[{"a":1}]"#, &[], invalid);
        check(r#"[["eq","key","b"]]"#, &[("key", "b")], invalid);
        check(r#"[["matches","$key","b"]]"#, &[("key", "b")], invalid);
        check(r#"[["content-length-range",0]]"#, &[], invalid);
        check(r#"[["content-length-range",-1,0]]"#, &[], invalid);
        check(r#"[["content-length-range","0",10]]"#, &[], "ok");
        check(r#"["eq"]"#, &[], invalid);
        check(r#"{}"#, &[], invalid);
    }

    #[test]
    fn policies_end() {
        let check = |policy: &str, expected: &str| assert_eq!(outcome(policy, &[]), expected, "{policy}");
        let (denied, invalid) = ("AccessDenied", "InvalidPolicyDocument");
        check(r#"{"expiration":"2026-11-26T12:00:01Z","conditions":[]}"#, "ok");
        check(r#"{"expiration":"2026-11-26T12:00:00Z","conditions":[]}"#, denied);
        check(r#"{"expiration":"2026-11-26 12:00:01+00:00","conditions":[]}"#, invalid);
        check(r#"{"expiration":1,"conditions":[]}"#, invalid);
        check(r#"{"EXPIRATION":"2026-11-26T12:00:01Z","conditions":[]}"#, invalid);
        check(r#"{"expiration":"2026-11-26T12:00:01Z","CONDITIONS":[]}"#, invalid);
        check(r#"{"conditions":[]}"#, invalid);
        check("[]", invalid);
        check("{", invalid);
        assert!(PostPolicy::parse("not base 64").is_err());
    }

    #[test]
    fn size_ranges_narrow() {
        let parse = |conditions: &str| {
            let policy = format!(r#"{{"expiration":"{NOW}","conditions":{conditions}}}"#);
            PostPolicy::parse(&BASE64.encode(policy)).unwrap().size_range_bytes
        };
        assert_eq!(parse("[]"), None);
        assert_eq!(parse(r#"[["content-length-range",1,5]]"#), Some((1, 5)));
        assert_eq!(parse(r#"[["content-length-range",1,5],["content-length-range",2,9]]"#), Some((2, 5)));
    }

    proptest::proptest! {
        #[test]
        fn no_policy_is_too_strange_to_be_refused(text in ".{0,200}", json in "[\\[\\]{}\":,a-z$0-9 -]{0,120}") {
            let _ = PostPolicy::parse(&text);
            let _ = PostPolicy::parse(&BASE64.encode(&json));
            let _ = PostPolicy::parse(&BASE64.encode(format!(r#"{{"expiration":"{NOW}","conditions":[{json}]}}"#)));
        }
    }
}
