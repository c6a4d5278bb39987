//! Permission boundaries, session policies, and the names by which a session is let in; trust policies of roles.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html>

use proptest::prelude::*;

use super::*;

const ROLE: &str = "arn:aws:iam::111111111111:role/lab/loader";

fn session_of(account_id: &str) -> Principal {
    let kind = PrincipalKind::AssumedRole { role: "loader".to_owned(), session: "s1".to_owned() };
    let issuer = SessionIssuer { id: "AROALOADER".to_owned(), arn: Arn::iam(&account(account_id), "role/lab/loader") };
    let session = Session {
        issued_ms: 1_000_000,
        issuer: Some(issuer),
        source_identity: Some("ada".to_owned()),
        ..Session::default()
    };
    let tags = [("team".to_owned(), "lake".to_owned())].into();
    let mut principal = Principal::new(kind, account(account_id), "AROALOADER:s1");
    principal.standing = Standing { tags: Arc::new(tags), session: Some(Arc::new(session)) };
    principal
}

fn federated() -> Principal {
    Principal::new(PrincipalKind::FederatedUser { name: "bob".to_owned() }, account(OWNER), "111111111111:bob")
}

fn of_effect(effect: &str) -> Arc<Policy> {
    identity(&one(&format!(r#""Effect":"{effect}","Action":"s3:GetObject","Resource":"*""#)))
}

/// Decides on `s3:GetObject` of an object of the owner's; each of the sets is `""` (there is none), `Allow`, `Deny` or `-` (it says nothing).
fn ask(principal: &Principal, own: &str, boundary: &str, session: &str, of_bucket: (&str, &str)) -> Decision {
    let set = |effect: &str| match effect {
        "" => None,
        "-" => Some(identity(&one(r#""Effect":"Allow","Action":"s3:PutObject","Resource":"*""#))),
        effect => Some(of_effect(effect)),
    };
    let own: Vec<_> = set(own).into_iter().collect();
    let (boundary, session) = (set(boundary), set(session).map(|policy| vec![policy]));
    let bucket = (!of_bucket.0.is_empty()).then(|| {
        let (effect, named) = of_bucket;
        resource(&one(&format!(
            r#""Effect":"{effect}","Principal":{named},"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*""#
        )))
    });
    let question = Question {
        principal,
        action: "s3:GetObject",
        resource: Some(&Arn::s3_object("b", "k")),
        resource_owner: Some(&account(OWNER)),
        own: &Context::new(),
        request: &Context::new(),
        of_callers_own: false,
        is_supposed: false,
    };
    let sets = PolicySets {
        identity: &own,
        boundary: boundary.as_ref().map(std::slice::from_ref),
        session: session.as_deref(),
        resource: bucket.as_ref(),
        ..PolicySets::default()
    };
    decide(&question, &sets)
}

#[test]
fn boundaries_and_sessions_limit_what_they_should() {
    use DeniedBecause::*;
    let check = |principal: &Principal, sets: (&str, &str, &str), of_bucket, expected: Option<DeniedBecause>| {
        let decision = ask(principal, sets.0, sets.1, sets.2, of_bucket);
        assert_eq!(decision.refused, expected, "{principal:?} {sets:?} {of_bucket:?}");
    };
    let none = ("", "");
    let (ada, own, foreign) = (user(OWNER, "ada"), session_of(OWNER), session_of(OTHER));
    let ada_arn = ("Allow", r#"{"AWS":"arn:aws:iam::111111111111:user/ada"}"#);
    let role_arn = ("Allow", r#"{"AWS":"arn:aws:iam::111111111111:role/lab/loader"}"#);
    let session_arn = ("Allow", r#"{"AWS":"arn:aws:sts::111111111111:assumed-role/loader/s1"}"#);
    let everyone = ("Allow", r#""*""#);
    let this_account = ("Allow", r#"{"AWS":"111111111111"}"#);

    // A boundary and a session policy only take away.
    check(&ada, ("Allow", "", ""), none, None);
    check(&ada, ("Allow", "Allow", ""), none, None);
    check(&ada, ("Allow", "-", ""), none, Some(NoBoundaryAllows));
    check(&ada, ("", "Allow", ""), none, Some(NothingAllows));
    check(&ada, ("Allow", "Deny", ""), none, Some(Boundary));
    check(&own, ("Allow", "", "-"), none, Some(NoSessionPolicyAllows));
    check(&own, ("Allow", "", "Allow"), none, None);
    check(&own, ("", "", "Allow"), none, Some(NothingAllows));
    check(&own, ("Allow", "", "Deny"), none, Some(SessionPolicy));
    check(&own, ("Allow", "-", "Allow"), none, Some(NoBoundaryAllows));
    check(&own, ("Allow", "Allow", "Allow"), none, None);
    check(&own, ("Deny", "Allow", "Allow"), none, Some(IdentityPolicy));

    // A resource's policy that names the user or the session itself is not limited by what they leave unsaid...
    check(&ada, ("", "-", ""), ada_arn, None);
    check(&own, ("", "-", "-"), session_arn, None);
    check(&own, ("", "-", "-"), everyone, None);
    check(&ada, ("", "Deny", ""), ada_arn, Some(Boundary));
    check(&own, ("", "", "Deny"), session_arn, Some(SessionPolicy));
    // ... one that names the role is.
    check(&own, ("", "", ""), role_arn, None);
    check(&own, ("", "-", ""), role_arn, Some(NoBoundaryAllows));
    check(&own, ("", "", "-"), role_arn, Some(NoSessionPolicyAllows));
    check(&own, ("", "Allow", "Allow"), role_arn, None);
    // Its account alone passes nothing on.
    check(&own, ("", "", ""), this_account, Some(NothingAllows));
    check(&own, ("Allow", "", ""), this_account, None);
    // A name without the role's path is another role's.
    check(&own, ("", "", ""), ("Allow", r#"{"AWS":"arn:aws:iam::111111111111:role/loader"}"#), Some(NothingAllows));

    // Across accounts both sides speak, and limits always count.
    let foreign_role = ("Allow", r#"{"AWS":"arn:aws:iam::222222222222:role/lab/loader"}"#);
    let foreign_session = ("Allow", r#"{"AWS":"arn:aws:sts::222222222222:assumed-role/loader/s1"}"#);
    check(&foreign, ("Allow", "", ""), foreign_role, None);
    check(&foreign, ("Allow", "", ""), none, Some(NoResourcePolicyAllows));
    check(&foreign, ("", "", ""), foreign_session, Some(NothingAllows));
    check(&foreign, ("Allow", "", "-"), foreign_session, Some(NoSessionPolicyAllows));
    check(&foreign, ("Allow", "-", ""), foreign_role, Some(NoBoundaryAllows));
    check(&foreign, ("Allow", "Allow", "Allow"), foreign_session, None);

    // Denies by any of a session's names count.
    for named in [role_arn.1, session_arn.1, everyone.1, this_account.1] {
        check(&own, ("Allow", "Allow", "Allow"), ("Deny", named), Some(ResourcePolicy));
    }
    let bob = federated();
    check(&bob, ("Allow", "", "-"), none, Some(NoSessionPolicyAllows));
    check(&bob, ("Allow", "", "Allow"), none, None);
    check(&bob, ("", "", "-"), ("Allow", r#"{"AWS":"arn:aws:sts::111111111111:federated-user/bob"}"#), None);
}

#[test]
fn a_session_has_its_own_condition_keys() {
    let check = |principal: &Principal, condition: &str, expected: bool| {
        let policy =
            identity(&one(&format!(r#""Effect":"Allow","Action":"*","Resource":"*","Condition":{condition}"#)));
        let claims =
            Context::new().with("aws:TokenIssueTime", "2001-01-01T00:00:00Z").with("aws:SourceIdentity", "eve");
        let question = Question {
            principal,
            action: "s3:GetObject",
            resource: Some(&Arn::s3_object("b", "k")),
            resource_owner: Some(&account(OWNER)),
            own: &claims,
            request: &claims,
            of_callers_own: false,
            is_supposed: false,
        };
        let found = decide(&question, &PolicySets { identity: &[policy], ..PolicySets::default() }).is_allowed();
        assert_eq!(found, expected, "{condition}");
    };
    let (session, ada) = (session_of(OWNER), user(OWNER, "ada"));
    check(&session, r#"{"DateLessThan":{"aws:TokenIssueTime":"1970-01-01T00:16:41Z"}}"#, true);
    check(&session, r#"{"DateLessThan":{"aws:TokenIssueTime":"1970-01-01T00:16:40Z"}}"#, false);
    check(&ada, r#"{"Null":{"aws:TokenIssueTime":"true"}}"#, true);
    check(&session, r#"{"StringEquals":{"aws:SourceIdentity":"ada"}}"#, true);
    check(&session, r#"{"StringEquals":{"aws:PrincipalTag/team":"lake"}}"#, true);
    check(&session, r#"{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::111111111111:role/lab/loader"}}"#, true);
    check(&session, r#"{"StringEquals":{"aws:userid":"AROALOADER:s1"}}"#, true);
    check(&session, r#"{"StringEquals":{"aws:PrincipalType":"AssumedRole"}}"#, true);
    check(&session, r#"{"Bool":{"aws:MultiFactorAuthPresent":"false"}}"#, true);
    check(&ada, r#"{"Bool":{"aws:MultiFactorAuthPresent":"false"}}"#, false);
}

#[test]
fn trust_policies_are_checked() {
    let check = |statement: &str, expected: Result<(), &str>| {
        let found = Policy::parse(&one(statement), PolicyKind::Trust).map(|_| ());
        match (&found, expected) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(words)) if error.to_string().contains(words) => {}
            _ => panic!("{found:?}, expected {expected:?}: {statement}"),
        }
    };
    let assume = r#""Action":"sts:AssumeRole""#;
    let federated = "arn:aws:iam::111111111111:oidc-provider/idp.example.com";
    check(&format!(r#""Effect":"Allow","Principal":{{"AWS":"{ROLE}"}},{assume}"#), Ok(()));
    check(
        &format!(
            r#""Effect":"Allow","Principal":{{"Federated":"{federated}"}},"Action":"sts:AssumeRoleWithWebIdentity""#
        ),
        Ok(()),
    );
    check(&format!(r#""Effect":"Allow","Principal":{{"Service":"glue.amazonaws.com"}},{assume}"#), Ok(()));
    check(&format!(r#""Effect":"Allow",{assume}"#), Err("Missing required field Principal"));
    check(
        &format!(r#""Effect":"Allow","Principal":"*",{assume},"Resource":"*""#),
        Err("Has prohibited field Resource"),
    );
    check(
        r#""Effect":"Allow","Principal":"*","Action":"s3:GetObject""#,
        Err("may only specify STS AssumeRole actions"),
    );
    check(
        &format!(r#""Effect":"Allow","Principal":{{"AWS":"nobody"}},{assume}"#),
        Err("Invalid principal in policy: \"nobody\""),
    );
    check(&format!(r#""Effect":"Allow","Principal":{{"Federated":"*"}},{assume}"#), Err("Invalid principal"));
}

#[test]
fn a_provider_is_let_in_by_name_only() {
    let provider = "arn:aws:iam::111111111111:oidc-provider/idp.example.com";
    let check = |named: &str, expected: bool| {
        let trust = one(&format!(r#""Effect":"Allow","Principal":{named},"Action":"sts:AssumeRoleWithWebIdentity""#));
        let trust = Policy::parse(&trust, PolicyKind::Trust).expect("a trust policy");
        let kind = PrincipalKind::WebIdentity { provider: provider.to_owned(), subject: "s".to_owned() };
        let question = Question {
            principal: &Principal::new(kind, account(OWNER), "idp:s"),
            action: "sts:AssumeRoleWithWebIdentity",
            resource: Some(&Arn::parse(ROLE).expect("arn")),
            resource_owner: Some(&account(OWNER)),
            own: &Context::new(),
            request: &Context::new(),
            of_callers_own: false,
            is_supposed: false,
        };
        let sets = PolicySets { resource: Some(&trust), resource_decides: true, ..PolicySets::default() };
        assert_eq!(decide(&question, &sets).is_allowed(), expected, "{named}");
    };
    check(&format!(r#"{{"Federated":"{provider}"}}"#), true);
    check(r#"{"Federated":"arn:aws:iam::111111111111:oidc-provider/other.example.com"}"#, false);
    check(r#""*""#, false);
    check(r#"{"AWS":"111111111111"}"#, false);
}

proptest! {
    /// Limits take away and never give; a limit that allows everything is none.
    #[test]
    fn limits_only_take_away(
        own in prop::sample::select(vec!["", "-", "Allow", "Deny"]),
        boundary in prop::sample::select(vec!["-", "Allow", "Deny"]),
        session in prop::sample::select(vec!["-", "Allow", "Deny"]),
        effect in prop::sample::select(vec!["", "Allow", "Deny"]),
        named in prop::sample::select(vec![
            r#""*""#,
            r#"{"AWS":"111111111111"}"#,
            r#"{"AWS":"arn:aws:iam::111111111111:role/lab/loader"}"#,
            r#"{"AWS":"arn:aws:sts::111111111111:assumed-role/loader/s1"}"#,
        ]),
        at_home in any::<bool>(),
    ) {
        let principal = session_of(if at_home { OWNER } else { OTHER });
        let free = ask(&principal, own, "", "", (effect, named)).is_allowed();
        let limited = ask(&principal, own, boundary, session, (effect, named)).is_allowed();
        prop_assert!(free || !limited, "a limit gave");
        if boundary == "Allow" && session == "Allow" {
            prop_assert_eq!(free, limited);
        }
        if boundary == "Deny" || session == "Deny" {
            prop_assert!(!limited);
        }
    }
}
