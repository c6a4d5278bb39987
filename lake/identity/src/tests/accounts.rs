//! Aliases, passwords, credential reports, services' roles, and simulations.

use tarn_policy::{DeniedBecause, Position};

use super::*;

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn policy(length_min: u32, remembered: Option<u32>) -> PasswordPolicy {
    PasswordPolicy {
        length_min,
        needs_symbols: true,
        needs_numbers: true,
        needs_uppercase: false,
        needs_lowercase: true,
        users_may_change: true,
        age_days_max: Some(2),
        remembered,
        hard_expiry: None,
    }
}

fn as_user(lake: &Lake, user: &User) -> Caller {
    let principal = Principal::user(user.account.clone(), &user.name, &user.id);
    let bound = BoundAuthorizer::new(lake.authorizer.clone(), principal.clone(), Context::new());
    let authorized = lake.authorizer.authorize(&principal, Vec::new(), &Context::new()).expect("signed");
    let draft = EventDraft { principal, ..lake.caller().event().clone() };
    Caller::new(authorized, bound, draft)
}

#[tokio::test]
async fn an_alias_is_one_accounts_only() {
    let lake = lake();
    let (identity, caller) = (&lake.identity, lake.caller());
    let other = lake.caller_in(account("111111111111"), "Test");
    for wrong in ["ab", "-ab", "ab-", "a--b", "Abc", "a b"] {
        check(identity.create_account_alias(&caller, wrong).await, Err("3 to 63"));
    }
    check(identity.create_account_alias(&caller, "the-lake").await, Ok(()));
    check(identity.create_account_alias(&caller, "the-lake").await, Ok(()));
    check(identity.create_account_alias(&other, "the-lake").await, Err("already exists"));
    check(identity.create_account_alias(&caller, "lake-2").await, Ok(()));
    assert_eq!(identity.account_alias(&caller).expect("read").as_deref(), Some("lake-2"));
    check(identity.create_account_alias(&other, "the-lake").await, Ok(()));
    check(identity.delete_account_alias(&caller, "the-lake").await, Err("cannot be found"));
    check(identity.delete_account_alias(&caller, "lake-2").await, Ok(()));
    assert_eq!(identity.account_alias(&caller).expect("read"), None);
}

#[tokio::test]
async fn passwords_are_what_the_account_asks_for() {
    let lake = lake();
    let (identity, caller) = (&lake.identity, lake.caller());
    let ada = lake.user("ada").await;
    let create = async |password: &str| identity.create_login_profile(&caller, "ada", secret(password), true).await;
    check(create("Short-1").await, Err("minimum length of 8"));
    check(create("alllowercase").await, Err("at least three"));
    check(identity.get_password_policy(&caller), Err("cannot be found"));
    identity.put_password_policy(&caller, policy(10, Some(2))).await.expect("policy");
    check(create("correct-1").await, Err("minimum length of 10"));
    check(create("correct-horse").await, Err("a number"));
    check(create("CORRECT-HORSE-1").await, Err("a lowercase"));
    let made = create("correct-horse-1").await.expect("password");
    assert!(made.reset_required && made.user_name == "ada");
    check(create("correct-horse-1").await, Err("already exists"));
    check(identity.delete_user(&caller, "ada").await, Err("must delete login profile first"));

    let own = as_user(&lake, &ada);
    let change = async |old: &str, new: &str| identity.change_password(&own, secret(old), secret(new)).await;
    check(change("correct-horse-0", "correct-horse-2").await, Err("old password was incorrect"));
    check(change("correct-horse-1", "correct-horse-1").await, Err("one of the last 2"));
    check(change("correct-horse-1", "correct-horse-2").await, Ok(()));
    check(change("correct-horse-2", "correct-horse-1").await, Err("one of the last 2"));
    check(change("correct-horse-2", "correct-horse-3").await, Ok(()));
    check(change("correct-horse-3", "correct-horse-1").await, Ok(()));
    assert!(!identity.get_login_profile(&caller, "ada").expect("profile").reset_required);
    check(identity.change_password(&caller, secret("a"), secret("b")).await, Err("neither a user"));

    identity.generate_credential_report(&caller).await.expect("report");
    let report = identity.get_credential_report(&caller).expect("report");
    assert_eq!(report.rows.len(), 2);
    assert_eq!(report.rows[1].password, Some((1_000, Some(1_000 + 2 * 86_400_000))));

    check(identity.delete_login_profile(&caller, "ada").await, Ok(()));
    check(identity.delete_login_profile(&caller, "ada").await, Err("cannot be found"));
    check(identity.update_login_profile(&caller, "ada", None, Some(true)).await, Err("cannot be found"));
    check(identity.delete_password_policy(&caller).await, Ok(()));
    check(identity.delete_user(&caller, "ada").await, Ok(()));
}

#[tokio::test]
async fn a_services_role_is_the_services() {
    let lake = lake();
    let (identity, caller) = (&lake.identity, lake.caller());
    let create =
        async |service: &str, suffix| identity.create_service_linked_role(&caller, service, None, suffix).await;
    check(create("none.amazonaws.com", None).await, Err("no service-linked role here"));
    check(create("batch.amazonaws.com", Some("x")).await, Err("Custom suffix is not allowed"));
    let role = create("batch.amazonaws.com", None).await.expect("role");
    let arn = "arn:aws:iam::000000000000:role/aws-service-role/batch.amazonaws.com/AWSServiceRoleForBatch";
    assert_eq!(role.arn().to_string(), arn);
    check(create("batch.amazonaws.com", None).await, Err("has been taken"));
    let made = NewRole {
        path: Some("/aws-service-role/x/".to_owned()),
        name: "mine".to_owned(),
        trust_policy: role.trust_policy.clone(),
        ..NewRole::default()
    };
    check(identity.create_role(&caller, made).await, Err("for the roles of services"));
    let kind = EntityKind::Role;
    check(identity.put_inline_policy(&caller, kind, &role.name, "p", ALLOW_ALL).await, Err("protected role"));
    check(identity.update_role(&caller, &role.name, None, None).await, Err("protected role"));
    check(identity.delete_role(&caller, &role.name).await, Err("protected role"));
    let task = identity.delete_service_linked_role(&caller, &role.name).await.expect("task");
    check(identity.get_role_deletion(&caller, &task), Ok(()));
    check(identity.get_role_deletion(&caller, "task/none"), Err("cannot be found"));
    check(identity.get_role(&caller, &role.name), Err("cannot be found"));
    assert_eq!(
        create("autoscaling.amazonaws.com", Some("x")).await.expect("role").name,
        "AWSServiceRoleForAutoScaling_x"
    );
}

const PAGE: SimulationPage = SimulationPage { from: 0, count_max: 100 };

#[tokio::test]
async fn simulations_decide_and_point_at_statements() {
    let lake = lake();
    let (identity, caller) = (&lake.identity, lake.caller());
    let ada = lake.user("ada").await;
    let inline = "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": {\n    \"Effect\": \"Allow\",\n    \"Action\": \"s3:Get*\", \"Resource\": \"arn:aws:s3:::b/${aws:username}/*\",\n    \"Condition\": {\"Bool\": {\"aws:SecureTransport\": \"true\"}}\n  }\n}";
    identity.put_inline_policy(&caller, EntityKind::User, "ada", "own", inline).await.expect("policy");
    let asked = |context: Context| Simulation {
        source_arn: Some(ada.arn().to_string()),
        actions: vec!["s3:GetObject".to_owned()],
        resources: vec!["arn:aws:s3:::b/ada/k".to_owned(), "arn:aws:s3:::b/bob/k".to_owned()],
        context,
        ..Simulation::default()
    };
    let secure = || Context::new().with("aws:SecureTransport", "true");
    let found = identity.simulate(&caller, &asked(secure()), PAGE).expect("simulated").results;
    assert_eq!(found.len(), 2);
    assert!(found[0].decision.is_allowed() && found[0].missing_keys.is_empty(), "{found:?}");
    let matched = &found[0].matched[0];
    assert_eq!((matched.policy_id.as_str(), matched.source), ("user_ada_own", PolicySource::Inline(EntityKind::User)));
    assert_eq!((matched.start, matched.end), (Position { line: 3, column: 16 }, Position { line: 7, column: 4 }));
    assert_eq!((found[1].decision.refused, found[1].matched.len()), (Some(DeniedBecause::NothingAllows), 0));
    let found = identity.simulate(&caller, &asked(Context::new()), PAGE).expect("simulated").results;
    assert_eq!(
        (found[0].decision.is_allowed(), &*found[0].missing_keys),
        (false, &["aws:SecureTransport".to_owned()][..])
    );

    let with = |change: fn(&mut Simulation)| {
        let mut simulation = asked(secure());
        change(&mut simulation);
        identity.simulate(&caller, &simulation, PAGE).expect("simulated").results.remove(0)
    };
    let limited = with(|asked| {
        asked.boundaries =
            vec![ALLOW_ALL.replace('*', "glue:*").replacen("\"Resource\":\"glue:*\"", "\"Resource\":\"*\"", 1)]
    });
    assert_eq!(limited.boundary_allows, Some(false), "{limited:?}");
    assert_eq!(limited.decision.refused, Some(DeniedBecause::NoBoundaryAllows));
    let denied = with(|asked| asked.policies = vec![ALLOW_ALL.replace("Allow", "Deny")]);
    assert_eq!(
        (denied.decision.refused, denied.matched[0].policy_id.as_str()),
        (Some(DeniedBecause::IdentityPolicy), "PolicyInputList.1")
    );
    let excluded = with(|asked| asked.excluded = vec![Exclusion::Inline]);
    assert!(!excluded.decision.is_allowed());
    let controlled = with(|asked| asked.service_control = vec![vec![]]);
    assert_eq!(controlled.organization_allows, Some(false));
    let across = with(|asked| asked.resource_owner = Some("222222222222".to_owned()));
    assert_eq!(
        (across.decision.refused, across.sides),
        (Some(DeniedBecause::NoResourcePolicyAllows), Some((true, false)))
    );

    let keys = identity.context_keys(&caller, Some(&ada.arn().to_string()), Vec::new()).expect("keys");
    assert_eq!(keys, ["aws:SecureTransport", "aws:username"]);
    let mut wrong = asked(secure());
    wrong.source_arn = Some("arn:aws:iam::000000000000:user/none".to_owned());
    check(identity.simulate(&caller, &wrong, PAGE), Err("cannot be found"));
    wrong.source_arn = Some("arn:aws:iam::000000000000:policy/none".to_owned());
    check(identity.simulate(&caller, &wrong, PAGE), Err("does not clearly define"));
    let wrong = Simulation { policies: vec!["{}".to_owned()], ..asked(secure()) };
    check(identity.simulate(&caller, &wrong, PAGE), Err("Statement is missing"));
}

/// One line, as many statements as fit, and as many questions as are taken.
#[tokio::test]
async fn simulations_of_the_largest_request_are_bounded() {
    let lake = lake();
    let (identity, caller) = (&lake.identity, lake.caller());
    let statement = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;
    let count = (tarn_policy::POLICY_SIZE_BYTES_MAX - 50) / (statement.len() + 1);
    let policy = format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, vec![statement; count].join(","));
    let simulation = Simulation {
        policies: vec![policy],
        actions: (0..100).map(|at| format!("s3:Get{at}")).collect(),
        resources: (0..100).map(|at| format!("arn:aws:s3:::b/{at}")).collect(),
        ..Simulation::default()
    };
    let from = |from| identity.simulate(&caller, &simulation, SimulationPage { from, count_max: 1_000 });
    let first = from(0).expect("a page");
    let named: usize = first.results.iter().map(|result| result.matched.len()).sum();
    assert!(named >= count && named <= 20_000 + count, "{named}");
    let next = first.next.expect("more pages");
    assert_eq!(next, first.results.len());
    let second = from(next).expect("a page");
    let asked = |at: usize| (format!("s3:Get{}", at / 100), format!("arn:aws:s3:::b/{}", at % 100));
    assert_eq!((second.results[0].action.clone(), second.results[0].resource.clone()), asked(next));
    let last = &second.results[0].matched.last().expect("matched");
    assert_eq!((last.end.line, last.end.column), (1, simulation.policies[0].len() - 1));
    let end = from(9_999).expect("a page");
    assert_eq!((end.results.len(), end.next), (1, None));
    assert_eq!(from(10_000).expect("a page"), SimulatedPage { results: Vec::new(), next: None });
    let mut more = simulation.clone();
    more.actions.push("s3:One".to_owned());
    check(identity.simulate(&caller, &more, PAGE), Err("At most 10000"));
}

#[tokio::test]
async fn authorization_messages_open_for_their_account_only() {
    let lake = lake();
    let (own, other) = (lake.caller(), lake.caller_in(account("111111111111"), "ada"));
    let message = AuthorizationMessage {
        explicit_deny: true,
        statements: vec![None, Some("NoGlue".to_owned())],
        principal_id: "AIDA".to_owned(),
        principal_arn: "arn:aws:iam::000000000000:user/ada".to_owned(),
        action: "glue:GetTable".to_owned(),
        resource: None,
        conditions: vec![("aws:sourceip".to_owned(), vec!["192.0.2.1".to_owned()]), ("empty".to_owned(), Vec::new())],
    };
    let identity = &lake.identity;
    let text = identity.authorization_message(&own.scope().account, message.clone()).expect("sealed");
    assert_eq!(identity.decode_authorization_message(&own, &text).expect("opened"), message);
    let wrong = |caller: &Caller, text: &str| {
        let found = identity.decode_authorization_message(caller, text);
        assert!(matches!(found, Err(IdentityError::InvalidAuthorizationMessage)), "{text}: {found:?}");
    };
    wrong(&other, &text);
    for altered in ["", "x", &text[1..], &format!("{text}A"), &"A".repeat(10_000)] {
        wrong(&own, altered);
    }
    // What has no room is left out; the rest is there.
    let conditions = (0..1_000).map(|at| (format!("aws:RequestTag/{at}"), vec!["v".repeat(1_000)]));
    let large = AuthorizationMessage {
        resource: Some("\u{1F5FB}".repeat(5_000)),
        statements: vec![Some("s".repeat(5_000)); 9],
        conditions: conditions.chain([("s3:prefix".to_owned(), vec!["a/".to_owned()])]).collect(),
        ..message
    };
    let text = identity.authorization_message(&own.scope().account, large).expect("sealed");
    assert!(text.len() <= AUTHORIZATION_MESSAGE_CHARS_MAX, "{}", text.len());
    let found = identity.decode_authorization_message(&own, &text).expect("opened");
    assert!((2..10).contains(&found.conditions.len()), "{}", found.conditions.len());
    assert_eq!(found.conditions.last().map(|(key, _)| key.as_str()), Some("s3:prefix"));
}
