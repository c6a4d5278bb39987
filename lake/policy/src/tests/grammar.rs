//! What is a policy, and what each refusal says.

use super::*;

fn check(kind: PolicyKind, text: &str, expected: Result<(), &str>) {
    match (Policy::parse(text, kind), expected) {
        (Ok(_), Ok(())) => {}
        (Err(error), Err(words)) if error.to_string().contains(words) => {}
        (found, expected) => {
            panic!("{text}\n  gives {:?}, expected {expected:?}", found.map_err(|error| error.to_string()))
        }
    }
}

#[test]
fn identity_policies() {
    let check = |text: &str, expected| check(PolicyKind::Identity, text, expected);
    check(
        r#"{"Version":"2012-10-17","Id":"x","Statement":[{"Sid":"A1","Effect":"Allow","Action":["s3:Get*","glue:*"],"Resource":["arn:aws:s3:::b/*","*"]}]}"#,
        Ok(()),
    );
    check(&one(r#""Effect":"Deny","NotAction":"iam:*","NotResource":"arn:aws:s3:::b""#), Ok(()));
    check(&one(r#""Effect":"Allow","Action":"*","Resource":"arn:aws:*""#), Ok(()));
    check(&one(r#""Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::home/${aws:username}/*""#), Ok(()));
    check(r#"{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::${"}}"#, Ok(()));
    check("", Err("Syntax errors in policy"));
    check("[]", Err("Syntax errors in policy"));
    check("{}", Err("Statement is missing"));
    check(r#"{"Statement":[]}"#, Err("Statement is missing"));
    check(r#"{"Version":"2020-01-01","Statement":[]}"#, Err("valid version string"));
    check(r#"{"Statement":[],"Extra":1}"#, Err("`Extra` is not known"));
    check(&one(r#""Effect":"allow","Action":"*","Resource":"*""#), Err("neither Allow nor Deny"));
    check(&one(r#""Effect":"Allow","Resource":"*""#), Err("must contain actions"));
    check(&one(r#""Effect":"Allow","Action":"*""#), Err("must contain resources"));
    check(&one(r#""Effect":"Allow","Action":[],"Resource":"*""#), Err("must contain actions"));
    check(&one(r#""Effect":"Allow","Action":"GetObject","Resource":"*""#), Err("prefaced by a vendor"));
    check(&one(r#""Effect":"Allow","Action":"*:*","Resource":"*""#), Ok(()));
    check(&one(r#""Effect":"Allow","Action":"*:Get*","Resource":"*""#), Err("prefaced by a vendor"));
    check(&one(r#""Effect":"Allow","Action":"s3:Get Object","Resource":"*""#), Err("prefaced by a vendor"));
    check(&one(r#""Effect":"Allow","Action":"*","Resource":"bucket/*""#), Err("must be in ARN format"));
    check(&one(r#""Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${""#), Err("must be in ARN format"));
    check(&one(r#""Effect":"Allow","Action":"*","Action":"*","Resource":"*""#), Err("twice in one object"));
    check(&one(r#""Effect":"Allow","Action":"*","NotAction":"*","Resource":"*""#), Err("exclude each other"));
    check(
        &one(r#""Effect":"Allow","Action":"*","Resource":"*","Principal":"*""#),
        Err("should not specify a principal"),
    );
    check(&one(r#""Sid":"a b","Effect":"Allow","Action":"*","Resource":"*""#), Err("alpha-numeric"));
    check(
        &one(r#""Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringIs":{"aws:username":"a"}}"#),
        Err("Invalid Condition type : StringIs"),
    );
    check(
        &one(r#""Effect":"Allow","Action":"*","Resource":"*","Condition":{"NullIfExists":{"aws:username":"true"}}"#),
        Err("Invalid Condition type"),
    );
    check(
        &one(r#""Effect":"Allow","Action":"*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"home"}}"#),
        Err("cannot be compared by IpAddress"),
    );
    check(
        &one(r#""Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"username":"true"}}"#),
        Err("prefaced by a vendor"),
    );
    let twice = r#"{"Sid":"S","Effect":"Allow","Action":"*","Resource":"*"}"#;
    check(&format!(r#"{{"Statement":[{twice},{twice}]}}"#), Err("must be unique"));
    check(&format!(r#"{{"Statement":{}1{}}}"#, "[".repeat(5000), "]".repeat(5000)), Err("recursion limit"));
    check(&" ".repeat(POLICY_SIZE_BYTES_MAX + 1), Err("at most 131072"));
}

#[test]
fn resource_policies() {
    let check = |text: &str, expected| check(PolicyKind::Resource, text, expected);
    let with = |principal: &str| {
        one(&format!(
            r#""Sid":"read it","Effect":"Allow","Principal":{principal},"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*""#
        ))
    };
    check(&with(r#""*""#), Ok(()));
    check(&with(r#"{"AWS":"*"}"#), Ok(()));
    check(
        &with(r#"{"AWS":["111111111111","arn:aws:iam::111111111111:root","arn:aws:iam::111111111111:user/x/ada"]}"#),
        Ok(()),
    );
    check(&with(r#"{"Service":"firehose.amazonaws.com"}"#), Ok(()));
    check(&with(r#"{"AWS":"arn:aws:iam::111111111111:user/*"}"#), Err("Invalid principal"));
    check(&with(r#"{"AWS":"ada"}"#), Err("Invalid principal"));
    check(&with(r#"{"Federated":"cognito"}"#), Err("Invalid principal"));
    check(&with(r#"{"Service":"*"}"#), Err("Invalid principal"));
    check(&with("{}"), Err("Invalid policy syntax"));
    check(
        &one(r#""Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*""#),
        Err("Missing required field Principal"),
    );
    check(
        &one(r#""Effect":"Allow","Principal":"*","Resource":"arn:aws:s3:::b/*""#),
        Err("Missing required field Action"),
    );
    check(
        &one(r#""Effect":"Allow","Principal":"*","Action":"glue:GetTable","Resource":"arn:aws:s3:::b/*""#),
        Err("invalid action"),
    );
    check(
        &one(r#""Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"b/*""#),
        Err("invalid resource"),
    );
    check("nonsense", Err("invalid Json"));
}

#[test]
fn a_buckets_policy_speaks_of_what_s3_has() {
    let of = |body: &str, expected: &str| {
        let policy = resource(&one(&format!(r#""Effect":"Allow","Principal":"*",{body}"#)));
        let found = policy.check_of_bucket(&Arn::s3_bucket("lake"));
        assert_eq!(found.map_or_else(|error| error.to_string(), |()| "fine".to_owned()), expected, "{body}");
    };
    let check = |actions: &str, resources: &str, expected: &str| {
        of(&format!(r#""Action":{actions},"Resource":{resources}"#), expected);
    };
    let (bucket, objects) = (r#""arn:aws:s3:::lake""#, r#""arn:aws:s3:::lake/*""#);
    let both = r#"["arn:aws:s3:::lake","arn:aws:s3:::lake/raw/*"]"#;
    let not_of_it = |action: &str| format!("Action does not apply to any resource(s) in statement: {action}");
    check(r#""s3:GetObject""#, objects, "fine");
    check(r#""S3:getobject""#, objects, "fine");
    check(r#""s3:GetObject""#, bucket, &not_of_it("s3:getobject"));
    check(r#""s3:ListBucket""#, bucket, "fine");
    check(r#""s3:ListBucket""#, objects, &not_of_it("s3:listbucket"));
    check(r#"["s3:ListBucket","s3:GetObject"]"#, both, "fine");
    check(r#"["s3:GetObject","s3:ListBucket"]"#, objects, &not_of_it("s3:listbucket"));
    check(r#""s3:*""#, bucket, "fine");
    check(r#""s3:*""#, objects, "fine");
    check(r#""*""#, objects, "fine");
    check(r#""s3:Get*""#, objects, "fine");
    check(r#""s3:List*""#, bucket, "fine");
    check(r#""s3:ListBucket*""#, objects, &not_of_it("s3:listbucket*"));
    check(r#""s3:GetFoo""#, objects, "Policy has invalid action: s3:getfoo");
    check(r#""s3:GetFoo*""#, objects, "Policy has invalid action: s3:getfoo*");
    check(r#""s3:ListAllMyBuckets""#, bucket, &not_of_it("s3:listallmybuckets"));
    check(r#""s3:ListBucket""#, r#""arn:aws:s3:::la*""#, "fine");
    check(r#""s3:GetObject""#, r#""arn:aws:s3:::la*""#, "fine");
    check(r#""s3:GetObject""#, r#""arn:aws:s3:::lake/${aws:username}/*""#, "fine");
    check(r#""s3:ListBucket""#, r#""arn:aws:s3:::lake/${aws:username}/*""#, &not_of_it("s3:listbucket"));
    of(r#""NotAction":"s3:GetFoo","Resource":"arn:aws:s3:::lake/*""#, "fine");
    of(r#""Action":"s3:ListBucket","NotResource":"arn:aws:s3:::lake/*""#, "fine");

    let check = |key: &str, expected: &str| {
        of(
            &format!(r#""Action":"s3:*","Resource":{objects},"Condition":{{"StringEquals":{{"{key}":"x"}}}}"#),
            expected,
        );
    };
    let unknown = |key: &str| format!("Policy has an invalid condition key: {key}");
    check("s3:x-amz-acl", "fine");
    check("S3:Prefix", "fine");
    check("s3:ExistingObjectTag/zone", "fine");
    check("s3:RequestObjectTagKeys", "fine");
    check("aws:PrincipalTag/team", "fine");
    check("accounts.google.com:aud", "fine");
    check("s3:colour", &unknown("s3:colour"));
    check("s3:ExistingObjectTag", &unknown("s3:existingobjecttag"));
    check("s3:ExistingObjectTag/", &unknown("s3:existingobjecttag/"));
    check("s3:prefix/x", &unknown("s3:prefix/x"));
}

#[test]
fn a_buckets_policy_speaks_of_that_bucket() {
    let check = |text: &str, expected: bool| {
        let policy =
            resource(&one(&format!(r#""Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"{text}""#)));
        assert_eq!(policy.check_of_bucket(&Arn::s3_bucket("lake")).is_ok(), expected, "{text}");
    };
    check("arn:aws:s3:::lake", true);
    check("arn:aws:s3:::lake/raw/*", true);
    check("arn:aws:s3:::lake*", true);
    check("arn:aws:s3:::la*", true);
    check("*", true);
    check("arn:aws:s3:::lake-raw/*", false);
    check("arn:aws:s3:::other/*", false);
    check("arn:aws:s3:::lake-*", false);
    check("arn:aws:s3:::la", false);
}
