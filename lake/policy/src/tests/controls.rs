//! Policies above accounts, strangers among services, and what decisions say of themselves.
//! <https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_evaluation.html>

use super::*;

const FULL: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
const S3_ONLY: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;
const GLUE_ONLY: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"glue:*","Resource":"*"}}"#;
const NO_READ: &str =
    r#"{"Version":"2012-10-17","Statement":{"Sid":"No","Effect":"Deny","Action":"s3:GetObject","Resource":"*"}}"#;

fn levels(of: &[&[&str]]) -> Vec<ControlLevel> {
    let level = |(at, texts): (usize, &&[&str])| ControlLevel {
        name: format!("level-{at}"),
        policies: texts.iter().map(|text| identity(text)).collect(),
    };
    of.iter().enumerate().map(level).collect()
}

/// What is said to `s3:GetObject` on the owner's `b/k`, which the caller's policies and the bucket's both allow.
fn asked(principal: &str, service_control: &[&[&str]], resource_control: &[&[&str]]) -> Explanation {
    let principal = Principal::supposed(principal).expect("a principal");
    let bucket = resource(&one(r#""Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b/*""#));
    let (service_control, resource_control) = (levels(service_control), levels(resource_control));
    let question = Question {
        principal: &principal,
        action: "s3:GetObject",
        resource: Some(&Arn::s3_object("b", "k")),
        resource_owner: Some(&account(OWNER)),
        own: &Context::new(),
        request: &Context::new(),
        of_callers_own: false,
        is_supposed: true,
    };
    let sets = PolicySets {
        identity: &[identity(FULL)],
        resource: Some(&bucket),
        service_control: &service_control,
        resource_control: &resource_control,
        services_are_strangers: true,
        ..PolicySets::default()
    };
    explain(&question, &sets, &|set, level, policy| format!("{set:?}-{level}-{policy}"))
}

const ADA: &str = "arn:aws:iam::111111111111:user/ada";
const EVE: &str = "arn:aws:iam::222222222222:user/eve";
const ROOT: &str = "arn:aws:iam::111111111111:root";
const LINKED: &str = "arn:aws:iam::111111111111:role/aws-service-role/batch.amazonaws.com/AWSServiceRoleForBatch";

#[test]
fn every_level_must_allow() {
    use DeniedBecause::*;
    let check = |principal: &str, service: &[&[&str]], resource: &[&[&str]], expected: Option<DeniedBecause>| {
        let found = asked(principal, service, resource).decision.refused;
        assert_eq!(found, expected, "{principal} {service:?} {resource:?}");
    };
    for principal in [ADA, EVE, ROOT] {
        check(principal, &[], &[], None);
        check(principal, &[&[FULL], &[S3_ONLY]], &[], None);
        check(principal, &[&[FULL], &[GLUE_ONLY]], &[], Some(NoServiceControlPolicyAllows));
        check(principal, &[&[GLUE_ONLY], &[FULL]], &[], Some(NoServiceControlPolicyAllows));
        check(principal, &[&[FULL], &[GLUE_ONLY, S3_ONLY]], &[], None);
        check(principal, &[&[FULL], &[]], &[], Some(NoServiceControlPolicyAllows));
        check(principal, &[&[FULL, NO_READ], &[FULL]], &[], Some(ServiceControlPolicy));
        check(principal, &[&[GLUE_ONLY], &[NO_READ]], &[], Some(ServiceControlPolicy));
        check(principal, &[], &[&[FULL], &[GLUE_ONLY]], Some(NoResourceControlPolicyAllows));
        check(principal, &[], &[&[FULL], &[FULL, NO_READ]], Some(ResourceControlPolicy));
        check(principal, &[&[GLUE_ONLY]], &[&[GLUE_ONLY]], Some(NoResourceControlPolicyAllows));
    }
    // Services, nobody, and the roles of services are under no service control; the latter under no resource control either.
    for principal in ["glue.amazonaws.com", "anonymous", LINKED] {
        check(principal, &[&[NO_READ]], &[], None);
    }
    check("glue.amazonaws.com", &[], &[&[FULL, NO_READ]], Some(ResourceControlPolicy));
    check("anonymous", &[], &[&[FULL, NO_READ]], Some(ResourceControlPolicy));
    check(LINKED, &[], &[&[FULL, NO_READ]], None);
}

#[test]
fn decisions_say_what_decided() {
    let check = |found: Explanation, expected: &[&str]| {
        for words in expected {
            assert!(found.because.iter().any(|because| because.contains(words)), "{words}: {:?}", found.because);
        }
    };
    check(asked(ADA, &[&[FULL], &[GLUE_ONLY]], &[]), &["no service control policy at `level-1` allows s3:GetObject"]);
    check(
        asked(ADA, &[&[FULL, NO_READ]], &[]),
        &["statement `No` of the service control policy `ServiceControl-0-1` at `level-0` denies s3:GetObject"],
    );
    check(
        asked(EVE, &[&[FULL]], &[]),
        &[
            "statement 1 of the identity policy `Identity-0-0` allows s3:GetObject on arn:aws:s3:::b/k",
            "statement 1 of the resource policy `Resource-0-0` allows it",
            "statement 1 of the service control policy `ServiceControl-0-0` at `level-0` allows it",
        ],
    );
}

#[test]
fn organisations_policies_are_checked() {
    let check = |kind: PolicyKind, statement: &str, is_right: bool| {
        assert_eq!(Policy::parse(&one(statement), kind).is_ok(), is_right, "{kind:?} {statement}");
    };
    let plain = r#""Effect":"Deny","Action":"s3:*","Resource":"*""#;
    check(PolicyKind::ServiceControl, plain, true);
    check(PolicyKind::ServiceControl, &format!(r#"{plain},"Principal":"*""#), false);
    check(PolicyKind::ResourceControl, &format!(r#"{plain},"Principal":"*""#), true);
    check(PolicyKind::ResourceControl, &format!(r#"{plain},"Principal":{{"AWS":"111111111111"}}"#), false);
    check(PolicyKind::ResourceControl, &format!(r#"{plain},"NotPrincipal":"*""#), false);
}

/// Who is of an organisation, and what is, is known to all policies where it has an id.
#[test]
fn policies_know_who_is_of_an_organization() {
    struct Bucket(Arc<Policy>, AccountId);
    impl ResourcePolicies for Bucket {
        fn resource_policy(&self, _: &Arn, _: &Requirement) -> Result<Option<ResourcePolicy>, PoliciesUnreadable> {
            let (policy, owner) = (Some(self.0.clone()), Some(self.1.clone()));
            Ok(Some(ResourcePolicy { owner, policy, ..ResourcePolicy::default() }))
        }
    }
    struct All;
    impl IdentityPolicies for All {
        fn identity_policies(&self, _: &Principal) -> Result<HeldPolicies, PoliciesUnreadable> {
            Ok(HeldPolicies { identity: [identity(FULL)].into(), ..HeldPolicies::default() })
        }
    }
    const ID: Option<&str> = Some("o-a1b2c3d4e5");
    const STRANGER: &str = "333333333333";
    let check = |id: Option<&str>, condition: &str, who: &str, owner: &str, expected: bool| {
        let bucket = one(&format!(
            r#""Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b/*","Condition":{{{condition}}}"#
        ));
        let organization = Organization {
            id: id.and_then(OrganizationId::parse),
            accounts: [account(OWNER), account(OTHER)].into(),
            management: account(OTHER),
            service_control: ControlLevels::default(),
            resource_control: ControlLevels::default(),
        };
        let source = Arc::new(Bucket(Arc::new(resource(&bucket)), account(owner)));
        let lake = LakeAuthorizer::new(Arc::new(All), vec![source]).with_organization(Arc::new(organization));
        let principal = match who {
            "nobody" => Principal::anonymous(),
            who => match who.strip_prefix("for ") {
                Some(_) => Principal::service(account(STRANGER), "logging.s3.amazonaws.com"),
                None => user(who, "ada"),
            },
        };
        // What a request says of itself is not believed.
        let said = Context::new().with("aws:PrincipalOrgID", "o-a1b2c3d4e5").with("aws:SourceOrgID", "o-a1b2c3d4e5");
        let said = said.with("aws:SourceAccount", who.trim_start_matches("for "));
        let get = Requirement::new("s3:GetObject", Arn::s3_object("b", "k"));
        let found = lake.authorize(&principal, vec![get], &said);
        assert_eq!(found.is_ok(), expected, "{condition}: {who} of {id:?} on a bucket of {owner}");
    };
    let principal = r#""StringEquals":{"aws:PrincipalOrgID":"o-a1b2c3d4e5"}"#;
    check(ID, principal, OTHER, OWNER, true);
    check(ID, principal, STRANGER, OWNER, false);
    check(ID, principal, "nobody", OWNER, false);
    check(ID, principal, OTHER, STRANGER, true);
    check(None, principal, OTHER, OWNER, false);
    check(Some("o-0123456789"), principal, OTHER, OWNER, false);
    let resource = r#""StringEquals":{"aws:ResourceOrgID":"o-a1b2c3d4e5"}"#;
    check(ID, resource, STRANGER, OWNER, true);
    check(ID, resource, OTHER, STRANGER, false);
    check(None, resource, OTHER, OWNER, false);
    let both = r#""StringEquals":{"aws:ResourceOrgID":"${aws:PrincipalOrgID}"}"#;
    check(ID, both, OTHER, OWNER, true);
    check(ID, both, STRANGER, OWNER, false);
    // Whom a service works for, and nobody else.
    let (ours, strangers) = (format!("for {OTHER}"), format!("for {STRANGER}"));
    let source = r#""StringEquals":{"aws:SourceOrgID":"o-a1b2c3d4e5"}"#;
    check(ID, source, &ours, OWNER, true);
    check(ID, source, &strangers, OWNER, false);
    check(ID, source, OTHER, OWNER, false);
    check(None, source, &ours, OWNER, false);
    let paths = r#""ForAnyValue:StringLike":{"aws:SourceOrgPaths":"o-a1b2c3d4e5/*"}"#;
    check(ID, paths, &ours, OWNER, true);
    check(ID, paths, &strangers, OWNER, false);
    for key in ["aws:PrincipalOrgPaths", "aws:ResourceOrgPaths"] {
        let of = |pattern: &str| format!(r#""ForAnyValue:StringLike":{{"{key}":["{pattern}"]}}"#);
        check(ID, &of("o-a1b2c3d4e5/*"), OTHER, OWNER, true);
        check(ID, &of("o-a1b2c3d4e5/r-a1b2c3d4e5/"), OTHER, OWNER, true);
        check(ID, &of("o-a1b2c3d4e5/r-a1b2c3d4e5/ou-*"), OTHER, OWNER, false);
        check(None, &of("*"), OTHER, OWNER, false);
    }
}
