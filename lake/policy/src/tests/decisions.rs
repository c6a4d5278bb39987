//! Who is let through: same account, across accounts, nobody, root, services; and that the proof follows the decision.

use super::*;

/// Allows, denies, or says nothing of `s3:GetObject` on `b/k`.
fn statement(effect: &str, principal: &str) -> String {
    one(&format!(r#""Effect":"{effect}",{principal}"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*""#))
}

fn ask(principal: &Principal, action: &str, identities: &[String], resource_text: Option<&str>) -> Decision {
    let identities: Vec<_> = identities.iter().map(|text| identity(text)).collect();
    let policy = resource_text.map(resource);
    let question = Question {
        principal,
        action,
        resource: Some(&Arn::s3_object("b", "k")),
        resource_owner: Some(&account(OWNER)),
        own: &Context::new(),
        request: &Context::new(),
        of_callers_own: false,
        is_supposed: false,
    };
    decide(&question, &PolicySets { identity: &identities, resource: policy.as_ref(), ..PolicySets::default() })
}

const ANYONE: &str = r#""Principal":"*","#;
const OWNER_ACCOUNT: &str = r#""Principal":{"AWS":"111111111111"},"#;
const OTHER_ACCOUNT: &str = r#""Principal":{"AWS":"arn:aws:iam::222222222222:root"},"#;
const ADA: &str = r#""Principal":{"AWS":"arn:aws:iam::111111111111:user/ada"},"#;
const EVE: &str = r#""Principal":{"AWS":"arn:aws:iam::222222222222:user/eve"},"#;

#[test]
fn identities_and_resources_combine() {
    use DeniedBecause::*;
    let check =
        |principal: &Principal, own: Option<&str>, of_bucket: Option<(&str, &str)>, expected: Option<DeniedBecause>| {
            let own: Vec<_> = own.into_iter().map(|effect| statement(effect, "")).collect();
            let of_bucket_text = of_bucket.map(|(effect, principal)| statement(effect, principal));
            let decision = ask(principal, "s3:GetObject", &own, of_bucket_text.as_deref());
            assert_eq!(decision.refused, expected, "{principal:?} own {own:?} bucket {of_bucket:?}");
        };
    let (ada, eve) = (user(OWNER, "ada"), user(OTHER, "eve"));
    let (root, foreign_root) = (Principal::root(account(OWNER)), Principal::root(account(OTHER)));
    let (service, anonymous) = (Principal::service(account(OWNER), "glue.amazonaws.com"), Principal::anonymous());

    // The same account: either is enough.
    check(&ada, None, None, Some(NothingAllows));
    check(&ada, Some("Allow"), None, None);
    check(&ada, None, Some(("Allow", ADA)), None);
    check(&ada, None, Some(("Allow", ANYONE)), None);
    check(&ada, None, Some(("Allow", OWNER_ACCOUNT)), Some(NothingAllows));
    check(&ada, None, Some(("Allow", EVE)), Some(NothingAllows));
    check(&ada, Some("Deny"), Some(("Allow", ADA)), Some(IdentityPolicy));
    check(&ada, Some("Allow"), Some(("Deny", ANYONE)), Some(ResourcePolicy));
    check(&ada, Some("Allow"), Some(("Deny", OWNER_ACCOUNT)), Some(ResourcePolicy));
    check(&ada, Some("Allow"), Some(("Deny", EVE)), None);
    // Across accounts: both are needed.
    check(&eve, Some("Allow"), None, Some(NoResourcePolicyAllows));
    check(&eve, None, Some(("Allow", EVE)), Some(NothingAllows));
    check(&eve, None, Some(("Allow", ANYONE)), Some(NothingAllows));
    check(&eve, Some("Allow"), Some(("Allow", EVE)), None);
    check(&eve, Some("Allow"), Some(("Allow", OTHER_ACCOUNT)), None);
    check(&eve, Some("Allow"), Some(("Allow", ADA)), Some(NoResourcePolicyAllows));
    check(&eve, Some("Deny"), Some(("Allow", ANYONE)), Some(IdentityPolicy));
    // Roots and services of an account.
    check(&root, None, None, None);
    check(&root, None, Some(("Deny", ANYONE)), Some(ResourcePolicy));
    check(&foreign_root, None, None, Some(NoResourcePolicyAllows));
    check(&foreign_root, None, Some(("Allow", OTHER_ACCOUNT)), None);
    check(&foreign_root, None, Some(("Allow", EVE)), Some(NoResourcePolicyAllows));
    check(&service, None, None, None);
    check(&service, None, Some(("Deny", ANYONE)), Some(ResourcePolicy));
    // Nobody.
    check(&anonymous, None, None, Some(NothingAllows));
    check(&anonymous, None, Some(("Allow", ANYONE)), None);
    check(&anonymous, None, Some(("Allow", OWNER_ACCOUNT)), Some(NothingAllows));
    check(&anonymous, None, Some(("Deny", ANYONE)), Some(ResourcePolicy));
}

#[test]
fn not_principal_errs_on_the_side_of_no() {
    let check = |principal: &Principal, effect: &str, not: &str, expected: bool| {
        let own = if principal.is_anonymous() {
            vec![]
        } else {
            vec![one(r#""Effect":"Allow","Action":"*","Resource":"*""#)]
        };
        let own = if effect == "Allow" { vec![] } else { own };
        let text = statement(effect, &format!(r#""NotPrincipal":{{"AWS":{not}}},"#));
        assert_eq!(
            ask(principal, "s3:GetObject", &own, Some(&text)).is_allowed(),
            expected,
            "{principal:?} {effect} but {not}"
        );
    };
    let (ada, bob) = (user(OWNER, "ada"), user(OWNER, "bob"));
    check(&ada, "Deny", r#"["arn:aws:iam::111111111111:user/ada","111111111111"]"#, true);
    check(&ada, "Deny", r#""arn:aws:iam::111111111111:user/ada""#, false);
    check(&bob, "Deny", r#"["arn:aws:iam::111111111111:user/ada","111111111111"]"#, false);
    check(&bob, "Allow", r#""arn:aws:iam::111111111111:user/ada""#, true);
    check(&ada, "Allow", r#""arn:aws:iam::111111111111:user/ada""#, false);
    check(&ada, "Allow", r#""111111111111""#, false);
    check(&ada, "Allow", r#""*""#, false);
    check(&Principal::anonymous(), "Deny", r#""111111111111""#, false);
}

#[test]
fn root_can_always_unlock_its_bucket() {
    let locked = r#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"]}}"#;
    let check = |principal: &Principal, action: &str, expected: bool| {
        assert_eq!(ask(principal, action, &[], Some(locked)).is_allowed(), expected, "{principal:?} {action}");
    };
    let root = Principal::root(account(OWNER));
    check(&root, "s3:PutBucketPolicy", true);
    check(&root, "s3:GetBucketPolicy", true);
    check(&root, "s3:DeleteBucketPolicy", true);
    check(&root, "s3:DeleteBucket", false);
    check(&user(OWNER, "ada"), "s3:PutBucketPolicy", false);
    check(&Principal::root(account(OTHER)), "s3:PutBucketPolicy", false);
}

#[test]
fn actions_and_resources_match() {
    let check = |elements: &str, action: &str, resource: Option<&str>, expected: bool| {
        let policy = identity(&one(&format!(r#""Effect":"Allow",{elements}"#)));
        let arn = resource.map(|text| Arn::parse(text).expect("arn"));
        let question = Question {
            principal: &user(OWNER, "ada"),
            action,
            resource: arn.as_ref(),
            resource_owner: None,
            own: &Context::new(),
            request: &Context::new(),
            of_callers_own: false,
            is_supposed: false,
        };
        assert_eq!(
            decide(&question, &PolicySets { identity: &[policy], resource: None, ..PolicySets::default() })
                .is_allowed(),
            expected,
            "{elements}: {action} {resource:?}"
        );
    };
    let object = Some("arn:aws:s3:::b/k");
    check(r#""Action":"S3:gEt*","Resource":"*""#, "s3:GetObject", object, true);
    check(r#""Action":"s3:Get?bject","Resource":"*""#, "s3:GetObject", object, true);
    check(r#""Action":"s3:Get","Resource":"*""#, "s3:GetObject", object, false);
    check(r#""Action":"s3:GetObject*","Resource":"*""#, "s3:GetObjectVersion", object, true);
    check(r#""NotAction":"s3:Get*","Resource":"*""#, "s3:PutObject", object, true);
    check(r#""NotAction":"s3:Get*","Resource":"*""#, "s3:GetObject", object, false);
    check(r#""Action":"*","Resource":"arn:aws:s3:::B/*""#, "s3:GetObject", object, false);
    check(r#""Action":"*","Resource":"arn:aws:s3:::b""#, "s3:GetObject", object, false);
    check(r#""Action":"*","Resource":"arn:aws:s3:::b*""#, "s3:GetObject", object, true);
    check(r#""Action":"*","NotResource":"arn:aws:s3:::b/*""#, "s3:GetObject", object, false);
    check(r#""Action":"*","NotResource":"arn:aws:s3:::c/*""#, "s3:GetObject", object, true);
    // Actions without a resource match `*` only.
    check(r#""Action":"*","Resource":"*""#, "s3:ListAllMyBuckets", None, true);
    check(r#""Action":"*","Resource":"arn:aws:s3:::*""#, "s3:ListAllMyBuckets", None, false);
}

struct Fixed {
    own: Vec<Arc<Policy>>,
    of_bucket: Option<Arc<Policy>>,
    readable: bool,
}

impl IdentityPolicies for Fixed {
    fn identity_policies(&self, _: &Principal) -> Result<HeldPolicies, PoliciesUnreadable> {
        let held = HeldPolicies { identity: self.own.clone().into(), ..HeldPolicies::default() };
        if self.readable { Ok(held) } else { Err(PoliciesUnreadable { reason: "disk".to_owned() }) }
    }
}

impl ResourcePolicies for Fixed {
    fn resource_policy(&self, resource: &Arn, _: &Requirement) -> Result<Option<ResourcePolicy>, PoliciesUnreadable> {
        let mine = resource.service == "s3";
        Ok(mine.then(|| ResourcePolicy {
            owner: Some(account(OWNER)),
            policy: self.of_bucket.clone(),
            ..ResourcePolicy::default()
        }))
    }
}

fn authorizer(own: &[String], of_bucket: Option<&str>, readable: bool) -> LakeAuthorizer {
    let fixed = Arc::new(Fixed {
        own: own.iter().map(|text| identity(text)).collect(),
        of_bucket: of_bucket.map(|text| Arc::new(resource(text))),
        readable,
    });
    LakeAuthorizer::new(fixed.clone(), vec![fixed])
}

#[test]
fn a_proof_needs_every_requirement() {
    let lake = authorizer(&[statement("Allow", "")], None, true);
    let get = Requirement::new("s3:GetObject", Arn::s3_object("b", "k"));
    let put = Requirement::new("s3:PutObject", Arn::s3_object("b", "k"));
    let ada = user(OWNER, "ada");
    let proof = lake.authorize(&ada, vec![get.clone()], &Context::new()).expect("allowed");
    assert_eq!((proof.principal(), proof.requirements()), (&ada, [get.clone()].as_slice()));

    let denied = lake.authorize(&ada, vec![get.clone(), put], &Context::new()).expect_err("denied");
    assert_eq!(
        denied.to_string(),
        "User: arn:aws:iam::111111111111:user/ada is not authorized to perform: s3:PutObject on resource: \"arn:aws:s3:::b/k\" \
         because no identity-based policy allows the s3:PutObject action"
    );
    assert!(lake.authorize(&ada, vec![], &Context::new()).is_ok());
    assert!(lake.authorize(&Principal::anonymous(), vec![], &Context::new()).is_err());
    // A catalog's ARN says whose it is; another account's is not reached by an identity policy alone.
    let all = authorizer(&[one(r#""Effect":"Allow","Action":"*","Resource":"*""#)], None, true);
    let table =
        |owner: &str| vec![Requirement::new("glue:GetTable", Arn::new("glue", "us-east-1", owner, "table/raw/t"))];
    assert!(all.authorize(&ada, table(OWNER), &Context::new()).is_ok());
    assert!(all.authorize(&ada, table(OTHER), &Context::new()).is_err());
    assert!(all.authorize(&Principal::root(account(OTHER)), table(OWNER), &Context::new()).is_err());

    let broken = authorizer(&[], None, false);
    let denied = broken.authorize(&ada, vec![get], &Context::new()).expect_err("unreadable policies refuse");
    assert_eq!(denied.because, DeniedBecause::PoliciesUnreadable);
}

#[test]
fn requirements_keys_win_over_the_requests() {
    let text =
        one(r#""Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"s3:prefix":"mine/"}}"#);
    let lake = authorizer(&[text], None, true);
    let list = |prefix: &str| Requirement::new("s3:ListBucket", Arn::s3_bucket("b")).with("s3:prefix", prefix);
    let header = Context::new().with("s3:prefix", "mine/");
    assert!(lake.authorize(&user(OWNER, "ada"), vec![list("mine/")], &header).is_ok());
    assert!(lake.authorize(&user(OWNER, "ada"), vec![list("yours/")], &header).is_err());
}

#[test]
fn decisions_name_their_statement() {
    let own = [statement("Allow", ""), statement("Deny", "")];
    let decision = ask(&user(OWNER, "ada"), "s3:GetObject", &own, None);
    assert_eq!(decision.by, Some(StatementRef { set: PolicySet::Identity, level: 0, policy: 1, statement: 0 }));
}

#[test]
fn users_with_a_path_are_named_with_it() {
    let mut ada = user(OWNER, "ada");
    ada.kind = PrincipalKind::User { name: "ada".to_owned(), path: "/lab/".to_owned() };
    let allowed = |arn: &str| {
        ask(&ada, "s3:GetObject", &[], Some(&statement("Allow", &format!(r#""Principal":{{"AWS":"{arn}"}},"#))))
            .is_allowed()
    };
    assert!(allowed("arn:aws:iam::111111111111:user/lab/ada"));
    assert!(!allowed("arn:aws:iam::111111111111:user/ada"));
}

/// <https://docs.aws.amazon.com/kms/latest/developerguide/policy-evaluation.html>
#[test]
fn a_keys_policy_must_speak() {
    use DeniedBecause::*;
    let check = |principal: &Principal, own: Option<&str>, of_key: Option<&str>, expected: Option<DeniedBecause>| {
        let rule = |effect: &str, principal: &str| {
            one(&format!(r#""Effect":"{effect}",{principal}"Action":"kms:Decrypt","Resource":"*""#))
        };
        let own: Vec<_> = own.into_iter().map(|effect| identity(&rule(effect, ""))).collect();
        let of_key = of_key.map(|named| Policy::parse(&rule("Allow", named), PolicyKind::Key).expect("a policy"));
        let question = Question {
            principal,
            action: "kms:Decrypt",
            resource: Some(&Arn::new("kms", "us-east-1", OWNER, "key/k")),
            resource_owner: Some(&account(OWNER)),
            own: &Context::new(),
            request: &Context::new(),
            of_callers_own: false,
            is_supposed: false,
        };
        let sets =
            PolicySets { identity: &own, resource: of_key.as_ref(), resource_decides: true, ..PolicySets::default() };
        assert_eq!(decide(&question, &sets).refused, expected, "{principal:?} own {own:?} key {of_key:?}");
    };
    let (ada, eve, root) = (user(OWNER, "ada"), user(OTHER, "eve"), Principal::root(account(OWNER)));
    check(&ada, Some("Allow"), None, Some(NoResourcePolicyAllows));
    check(&ada, Some("Allow"), Some(EVE), Some(NoResourcePolicyAllows));
    check(&ada, Some("Allow"), Some(OWNER_ACCOUNT), None);
    check(&ada, None, Some(OWNER_ACCOUNT), Some(NothingAllows));
    check(&ada, None, Some(ADA), None);
    check(&ada, Some("Deny"), Some(ADA), Some(IdentityPolicy));
    check(&root, None, None, Some(NoResourcePolicyAllows));
    check(&root, None, Some(ADA), Some(NoResourcePolicyAllows));
    check(&root, None, Some(OWNER_ACCOUNT), None);
    check(&eve, Some("Allow"), Some(EVE), None);
    check(&eve, None, Some(EVE), Some(NothingAllows));
}

/// An organisation binds what its member accounts do, their root too, and what others do with what is theirs; never the management account.
#[test]
fn an_organization_binds_its_members() {
    let (management, member, other) = ("000000000000", "111111111111", "222222222222");
    let account = |text: &str| AccountId::new(text).expect("an account");
    let level = |name: &str, kind, texts: &[&str]| ControlLevel {
        name: name.to_owned(),
        policies: texts.iter().map(|text| Arc::new(Policy::parse(text, kind).expect("a policy"))).collect(),
    };
    let full = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let all_resources =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#;
    let no_glue =
        r#"{"Version":"2012-10-17","Statement":[{"Sid":"NoGlue","Effect":"Deny","Action":"glue:*","Resource":"*"}]}"#;
    let only_s3 = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
    let no_foreigners = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*",
        "Condition":{{"StringNotEquals":{{"aws:PrincipalAccount":"{member}"}}}}}}]}}"#
    );
    let common = level("organization", PolicyKind::ServiceControl, &[full, no_glue]);
    let own = level("account", PolicyKind::ServiceControl, &[only_s3]);
    let organization = Organization {
        id: None,
        accounts: [management, member, other].into_iter().map(account).collect(),
        management: account(management),
        service_control: ControlLevels {
            others: vec![common.clone()],
            of_accounts: [(account(other), vec![common, own])].into(),
        },
        resource_control: ControlLevels {
            others: vec![level("organization", PolicyKind::ResourceControl, &[all_resources, &no_foreigners])],
            ..ControlLevels::default()
        },
    };
    let fixed = Arc::new(Fixed { own: Vec::new(), of_bucket: None, readable: true });
    let lake = LakeAuthorizer::new(fixed.clone(), vec![]).with_organization(Arc::new(organization));
    let check = |who: &str, action: &'static str, owner: &str, expected: Option<DeniedBecause>| {
        let principal = Principal::root(account(who));
        let requirement =
            Requirement::new(action, Arn::regional("kms", &tarn_types::Region::us_east_1(), &account(owner), "x"));
        let found = lake.authorize(&principal, vec![requirement.clone()], &Context::new());
        let because = found.err().map(|denied| denied.because);
        // What another account's things allow is not what this is about.
        let because = because.filter(|because| who == owner || *because != DeniedBecause::NoResourcePolicyAllows);
        assert_eq!(because, expected, "{who} {action} of {owner}");
        let told = lake.denying_statement(&principal, &requirement, &Context::new());
        assert_eq!(told.is_some(), expected.is_some_and(DeniedBecause::is_explicit), "{told:?}");
        if let Some(DenyingStatement { set: PolicySet::ServiceControl, sid }) = told {
            assert_eq!(sid.as_deref(), Some("NoGlue"));
        }
    };
    check(management, "glue:GetTable", management, None);
    check(member, "glue:GetTable", member, Some(DeniedBecause::ServiceControlPolicy));
    check(member, "kms:Decrypt", member, None);
    check(other, "kms:DescribeKey", member, Some(DeniedBecause::ResourceControlPolicy));
    check(other, "athena:GetQueryExecution", other, Some(DeniedBecause::NoServiceControlPolicyAllows));
    check(other, "s3:GetObject", management, None);
    check(management, "kms:Decrypt", member, Some(DeniedBecause::ResourceControlPolicy));
    // Services that resource control does not cover are not bound by it.
    check(management, "athena:GetQueryExecution", member, None);
}

#[test]
fn a_policy_allows_a_service_or_not() {
    let check = |effect: &str, actions: &str, service: &str, expected: bool| {
        let text = one(&format!(r#""Effect":"{effect}",{actions},"Resource":"*""#));
        let policy = Policy::parse(&text, PolicyKind::Identity).expect("a policy");
        assert_eq!(policy.allows_service(service), expected, "{text} {service}");
    };
    for (action, s3, glue) in [
        ("*", true, true),
        ("*:*", true, true),
        ("s3:GetObject", true, false),
        ("S3:Get*", true, false),
        ("s3-outposts:*", false, false),
        ("glue:Get*Version?", false, true),
    ] {
        check("Allow", &format!(r#""Action":"{action}""#), "s3", s3);
        check("Allow", &format!(r#""Action":["{action}"]"#), "glue", glue);
        check("Deny", &format!(r#""Action":"{action}""#), "s3", false);
    }
    check("Allow", r#""NotAction":"s3:*""#, "s3", false);
    check("Allow", r#""NotAction":["s3:Get*","glue:*"]"#, "s3", true);
    check("Allow", r#""NotAction":["s3:Get*","glue:*"]"#, "glue", false);
    for (action, s3, glue) in [
        ("*:*", false, false),
        ("s3:?*", false, true),
        ("glue:*?", true, false),
        ("s3:?", true, true),
        ("s3:*t", true, true),
    ] {
        check("Allow", &format!(r#""NotAction":"{action}""#), "s3", s3);
        check("Allow", &format!(r#""NotAction":"{action}""#), "glue", glue);
    }
}
