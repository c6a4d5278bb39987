//! Operators, missing keys, quantifiers, variables, and who may say a key.

use super::*;

fn context(pairs: &[(&str, &[&str])]) -> Context {
    let mut context = Context::new();
    for (key, values) in pairs {
        context.set_all(key, values.iter().map(|value| (*value).to_owned()));
    }
    context
}

/// `operator` on `s3:key` with the policy's values as JSON, for a request that gives `asked` (`None`: no such key).
fn check(operator: &str, values: &str, asked: Option<&[&str]>, expected: bool) {
    let request = asked.map_or_else(Context::new, |values| context(&[("s3:KEY", values)]));
    let condition = format!(r#"{{"{operator}":{{"s3:key":{values}}}}}"#);
    assert_eq!(holds(&condition, &request), expected, "{condition} for {asked:?}");
}

#[test]
fn operators_compare() {
    let check = |operator: &str, values: &str, asked: &str, expected| check(operator, values, Some(&[asked]), expected);
    check("StringEquals", r#"["a","b"]"#, "b", true);
    check("StringEquals", r#""a*""#, "ab", false);
    check("StringEquals", r#""a*""#, "a*", true);
    check("StringEquals", r#""a""#, "A", false);
    check("StringNotEquals", r#"["a","b"]"#, "b", false);
    check("StringNotEquals", r#"["a","b"]"#, "c", true);
    check("StringEqualsIgnoreCase", r#""Ärger""#, "äRGER", true);
    check("StringNotEqualsIgnoreCase", r#""a""#, "A", false);
    check("StringLike", r#""raw/*/x?.csv""#, "raw/2026/11/xé.csv", true);
    check("StringLike", r#""raw/*/x?.csv""#, "raw/2026/x.csv", false);
    check("StringLike", r#""*a*b""#, "xaxbxb", true);
    check("StringLike", r#""""#, "", true);
    check("StringLike", r#""?""#, "", false);
    check("StringNotLike", r#""raw/*""#, "raw/x", false);
    check("NumericEquals", "10", "10.0", true);
    check("NumericEquals", r#""9007199254740993""#, "9007199254740992", false);
    check("NumericNotEquals", "10", "11", true);
    check("NumericNotEquals", "10", "ten", true);
    check("NumericLessThan", r#""1000""#, "999.5", true);
    check("NumericLessThan", r#""1000""#, "ten", false);
    check("NumericLessThanEquals", "10", "10", true);
    check("NumericGreaterThan", "-5", "-4", true);
    check("NumericGreaterThanEquals", "10", "9", false);
    check("DateLessThan", r#""2026-07-01T00:00:00Z""#, "2026-06-30T23:59:59Z", true);
    check("DateLessThan", r#""2026-07-01T00:00:00Z""#, "2026-07-01T01:00:00+02:00", true);
    check("DateGreaterThan", r#""1782864000""#, "2026-07-01T00:00:01Z", true);
    check("DateGreaterThanEquals", r#""2026-07-01""#, "2026-07-01T00:00:00Z", true);
    check("DateEquals", r#""2026-07-01""#, "1782864000", true);
    check("DateNotEquals", r#""2026-07-01""#, "1782864000", false);
    check("Bool", r#""true""#, "True", true);
    check("Bool", "true", "false", false);
    check("BinaryEquals", r#""QmlnIGRhdGE=""#, "QmlnIGRhdGE=", true);
    check("BinaryEquals", r#""QmlnIGRhdGE=""#, "Qm", false);
    check("IpAddress", r#"["10.0.0.0/8","2001:db8::/32"]"#, "10.200.0.1", true);
    check("IpAddress", r#"["10.0.0.0/8","2001:db8::/32"]"#, "2001:db8::7", true);
    check("IpAddress", r#""10.0.0.0/8""#, "::ffff:10.0.0.1", true);
    check("IpAddress", r#""10.0.0.1""#, "10.0.0.1", true);
    check("IpAddress", r#""10.0.0.1""#, "10.0.0.2", false);
    check("IpAddress", r#""10.0.0.0/8""#, "nowhere", false);
    check("NotIpAddress", r#""10.0.0.0/8""#, "11.0.0.1", true);
    check("ArnLike", r#""arn:aws:s3:::lake-*""#, "arn:aws:s3:::lake-raw", true);
    check("ArnEquals", r#""arn:aws:s3:*:*:lake-?aw""#, "arn:aws:s3:::lake-raw", true);
    check("ArnLike", r#""arn:aws:sns:*:111111111111:t""#, "arn:aws:sns:us-east-1:222222222222:x:111111111111:t", false);
    check("ArnLike", r#""arn:aws:sns:*:t""#, "arn:aws:sns:us-east-1:222222222222:t", true);
    check("ArnNotLike", r#""arn:aws:s3:::lake-*""#, "arn:aws:s3:::other", true);
    check("ArnLike", r#""arn:aws:s3:::*""#, "not an arn", false);
}

#[test]
fn missing_keys_follow_the_operator() {
    let check = |operator: &str, values: &str, expected| check(operator, values, None, expected);
    check("StringEquals", r#""a""#, false);
    check("StringLike", r#""*""#, false);
    check("StringNotEquals", r#""a""#, true);
    check("StringNotLike", r#""*""#, true);
    check("NumericNotEquals", "1", true);
    check("DateNotEquals", r#""2026-07-01""#, true);
    check("NotIpAddress", r#""10.0.0.0/8""#, true);
    check("ArnNotEquals", r#""arn:aws:s3:::b""#, true);
    check("Bool", "true", false);
    check("StringEqualsIfExists", r#""a""#, true);
    check("BoolIfExists", "true", true);
    check("Null", "true", true);
    check("Null", r#""false""#, false);
    check("ForAllValues:StringEquals", r#""a""#, true);
    check("ForAllValues:StringNotEquals", r#""a""#, true);
    check("ForAnyValue:StringEquals", r#""a""#, false);
    check("ForAnyValue:StringNotEquals", r#""a""#, false);
    check("ForAnyValue:StringEqualsIfExists", r#""a""#, true);
}

#[test]
fn quantifiers_negate_each_value_inside() {
    let check = |operator: &str, asked: &[&str], expected| check(operator, r#"["a","b"]"#, Some(asked), expected);
    check("ForAllValues:StringEquals", &["a", "b"], true);
    check("ForAllValues:StringEquals", &["a", "c"], false);
    check("ForAllValues:StringEquals", &[], true);
    check("ForAnyValue:StringEquals", &["c", "b"], true);
    check("ForAnyValue:StringEquals", &["c", "d"], false);
    check("ForAnyValue:StringEquals", &[], false);
    // Only sets that overlap in part tell the right reading from the transposed one (GHSA-v9cp-qfw9-9pfp).
    check("ForAllValues:StringNotEquals", &["a", "c"], false);
    check("ForAllValues:StringNotEquals", &["c", "d"], true);
    check("ForAllValues:StringNotEquals", &[], true);
    check("ForAnyValue:StringNotEquals", &["a", "c"], true);
    check("ForAnyValue:StringNotEquals", &["a", "b"], false);
    check("ForAnyValue:StringNotEquals", &[], false);
    check("StringNotEquals", &["a", "c"], false);
    check("StringEquals", &["a", "c"], true);
}

#[test]
fn null_is_about_the_key() {
    check("Null", "true", Some(&["x"]), false);
    check("Null", "false", Some(&["x"]), true);
    check("Null", "false", Some(&[""]), true);
}

#[test]
fn operators_keys_and_values_combine() {
    let both = r#"{"StringEquals":{"s3:a":"1","s3:b":["2","3"]},"Bool":{"aws:SecureTransport":"true"}}"#;
    let request = |a: &'static str, b: &'static str, secure: &'static str| {
        context(&[("s3:a", &[a]), ("s3:b", &[b]), ("aws:securetransport", &[secure])])
    };
    assert!(holds(both, &request("1", "3", "true")));
    assert!(!holds(both, &request("0", "3", "true")));
    assert!(!holds(both, &request("1", "4", "true")));
    assert!(!holds(both, &request("1", "3", "false")));
}

#[test]
fn variables_resolve_in_the_newer_version() {
    let check = |value: &str, asked: &str, expected: bool| {
        let condition = format!(r#"{{"StringLike":{{"s3:prefix":"{value}"}}}}"#);
        let request = context(&[("s3:prefix", &[asked]), ("s3:star", &["*"]), ("s3:many", &["x", "y"])]);
        assert_eq!(holds(&condition, &request), expected, "{value} for {asked}");
    };
    check("home/${aws:username}/*", "home/ada/x", true);
    check("home/${AWS:UserName}/*", "home/bob/x", false);
    check("${s3:absent, 'public'}/*", "public/x", true);
    check("${s3:absent}*", "", false);
    check("${s3:many}", "x", false);
    check("${s3:many, 'x'}", "x", false);
    check("${*}", "*", true);
    check("${*}", "x", false);
    check("${$}{x${?}", "${x?", true);
    // A value is never a wildcard, whoever chose it.
    check("${s3:star}", "anything", false);
    check("${s3:star}", "*", true);
}

#[test]
fn variables_without_a_value_match_nothing() {
    let request = context(&[("s3:prefix", &["x"])]);
    assert!(!holds(r#"{"StringEquals":{"s3:prefix":"${s3:absent}"}}"#, &request));
    assert!(holds(r#"{"StringNotEquals":{"s3:prefix":"${s3:absent}"}}"#, &request));
}

#[test]
fn variables_are_text_in_the_older_version() {
    let policy = |version: &str| {
        identity(&format!(
            r#"{{{version}"Statement":{{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b/${{aws:username}}"}}}}"#
        ))
    };
    let allowed = |policy: &Arc<Policy>, key: &str| {
        let question = Question {
            principal: &user(OWNER, "ada"),
            action: "s3:GetObject",
            resource: Some(&Arn::s3_object("b", key)),
            resource_owner: Some(&account(OWNER)),
            own: &Context::new(),
            request: &Context::new(),
            of_callers_own: false,
            is_supposed: false,
        };
        decide(
            &question,
            &PolicySets { identity: std::slice::from_ref(policy), resource: None, ..PolicySets::default() },
        )
        .is_allowed()
    };
    for version in ["", r#""Version":"2008-10-17","#] {
        assert!(!allowed(&policy(version), "ada"));
        assert!(allowed(&policy(version), "${aws:username}"));
    }
    assert!(allowed(&policy(r#""Version":"2012-10-17","#), "ada"));
}

#[test]
fn a_request_cannot_say_who_it_is() {
    let forged = context(&[
        ("aws:username", &["admin"]),
        ("aws:PrincipalTag/team", &["admin"]),
        ("aws:PrincipalArn", &["arn:aws:iam::111111111111:user/admin"]),
        ("aws:userid", &["AIDAADMIN"]),
        ("aws:ResourceAccount", &[OTHER]),
    ]);
    let check = |condition: &str, expected| assert_eq!(holds(condition, &forged), expected, "{condition}");
    check(r#"{"StringEquals":{"aws:username":"admin"}}"#, false);
    check(r#"{"StringEquals":{"aws:username":"ada"}}"#, true);
    check(r#"{"StringEquals":{"aws:PrincipalTag/team":"admin"}}"#, false);
    check(r#"{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::111111111111:user/ada"}}"#, true);
    check(r#"{"StringEquals":{"aws:userid":"AIDAADMIN"}}"#, false);
    check(r#"{"StringEquals":{"aws:ResourceAccount":"222222222222"}}"#, false);
    check(r#"{"StringEquals":{"aws:PrincipalType":"User","aws:PrincipalAccount":"111111111111"}}"#, true);
    check(r#"{"Bool":{"aws:PrincipalIsAWSService":"false"}}"#, true);
}
