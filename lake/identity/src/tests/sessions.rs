//! Roles and the sessions of them: who gets one, what it says, how it ends.

use tarn_policy::Denied;

use super::*;

const TRUST_ADA: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:user/ada"},"Action":"sts:AssumeRole"}]}"#;
const LIST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["glue:GetTable","glue:GetDatabase"],"Resource":"*"}]}"#;
const GET_TABLE: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"glue:GetTable","Resource":"*"}]}"#;

fn new_role(name: &str, trust: &str) -> NewRole {
    NewRole { name: name.to_owned(), trust_policy: trust.to_owned(), ..NewRole::default() }
}

fn asked(role: &Role) -> AssumeRole {
    AssumeRole { role_arn: role.arn().to_string(), session_name: "s1".to_owned(), ..AssumeRole::default() }
}

async fn lake_with_account() -> Lake {
    let lake = lake();
    lake.identity.bootstrap(&Region::us_east_1(), vec![config(None, &[])]).await.expect("bootstrap");
    lake.user("ada").await;
    lake
}

impl Lake {
    fn authorizer(&self) -> Arc<LakeAuthorizer> {
        Arc::new(LakeAuthorizer::new(self.identity.clone(), vec![self.identity.clone()]))
    }

    /// A caller as the gateway makes it: authorized for `needs`.
    fn caller_for(&self, principal: &Principal, needs: Vec<Requirement>, time_ms: i64) -> Result<Caller, Denied> {
        let authorizer = self.authorizer();
        let authorized = authorizer.authorize(principal, needs, &Context::new())?;
        let bound = BoundAuthorizer::new(authorizer, principal.clone(), Context::new());
        let mut draft = self.caller_in(principal.account.clone(), "AssumeRole").event().clone();
        (draft.principal, draft.time_ms, draft.id) = (principal.clone(), time_ms, self.runtime.entropy.bytes());
        Ok(Caller::new(authorized, bound, draft))
    }

    fn principal_of(&self, user: &User) -> Principal {
        Principal::user(user.account.clone(), &user.name, &user.id)
    }

    async fn assume(&self, by: &Principal, asked: AssumeRole) -> Result<NewSession, String> {
        let needs = Requirement::new("sts:AssumeRole", Arn::parse(&asked.role_arn).expect("arn"));
        let caller = self.caller_for(by, vec![needs], 0).map_err(|denied| denied.to_string())?;
        self.identity.assume_role(&caller, asked).await.map_err(|error| error.to_string())
    }

    fn may(&self, principal: &Principal, action: &'static str) -> bool {
        let needs = Requirement::new(action, Arn::new("glue", "us-east-1", "000000000000", "table/raw/t"));
        self.authorizer().authorize(principal, vec![needs], &Context::new()).is_ok()
    }
}

fn second(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("time")
}

/// Opens a session's credentials at `at`.
fn open(lake: &Lake, credentials: &SessionCredentials, at: Timestamp) -> Result<AccessKey, IdentityError> {
    lake.identity.session(&credentials.access_key_id, credentials.token.expose_text().expect("text"), at)
}

#[tokio::test]
async fn trust_decides_who_has_a_session() {
    let lake = lake_with_account().await;
    let (identity, caller) = (&lake.identity, lake.caller());
    let ada = lake.principal_of(&identity.get_user(&caller, "ada").expect("ada"));
    let bob = lake.principal_of(&lake.user("bob").await);
    for trust in [
        TRUST_ADA.replace("user/ada", "user/nobody"),
        TRUST_ADA.replace("user/ada", "role/nobody"),
        TRUST_ADA.replace("000000000000", "999999999999"),
        TRUST_ADA.replace("arn:aws:iam::000000000000:user/ada", "999999999999"),
    ] {
        check(identity.create_role(&caller, new_role("r", &trust)).await, Err("Invalid principal in policy"));
    }
    let role = identity.create_role(&caller, new_role("loader", TRUST_ADA)).await.expect("role");
    assert!(role.id.starts_with("AROA") && role.session_seconds_max == 3_600, "{role:?}");
    check(
        identity.create_role(&caller, new_role("LOADER", TRUST_ADA)).await,
        Err("Role with name LOADER already exists."),
    );

    let session = lake.assume(&ada, asked(&role)).await.expect("ada is trusted");
    assert_eq!(session.arn.to_string(), "arn:aws:sts::000000000000:assumed-role/loader/s1");
    assert_eq!(session.id, format!("{}:s1", role.id));
    assert!(lake.assume(&bob, asked(&role)).await.expect_err("bob is not").contains("sts:AssumeRole"));
    let missing = AssumeRole { role_arn: "arn:aws:iam::000000000000:role/none".to_owned(), ..asked(&role) };
    assert!(lake.assume(&ada, missing).await.expect_err("no such role").contains("not authorized"));

    // An account that is trusted passes the right on by its own policies.
    let to_account = TRUST_ADA.replace("arn:aws:iam::000000000000:user/ada", "000000000000");
    identity.update_trust_policy(&caller, "loader", &to_account).await.expect("trust");
    lake.assume(&bob, asked(&role)).await.expect_err("bob has no policy");
    identity.put_inline_policy(&caller, USER, "bob", "p", ALLOW_ALL).await.expect("policy");
    lake.assume(&bob, asked(&role)).await.expect("bob's policy lets him");
    let root = Principal::root(AccountId::first());
    assert!(lake.assume(&root, asked(&role)).await.expect_err("root").contains("may not be assumed by root"));

    // Who comes later by a trusted name is not trusted; who is renamed still is.
    identity.update_trust_policy(&caller, "loader", TRUST_ADA).await.expect("trust");
    identity.delete_inline_policy(&caller, USER, "bob", "p").await.expect("removed");
    identity.update_user(&caller, "ada", Some("eve"), None).await.expect("renamed");
    let impostor = lake.principal_of(&lake.user("ada").await);
    lake.assume(&impostor, asked(&role)).await.expect_err("another ada");
    let eve = lake.principal_of(&identity.get_user(&caller, "eve").expect("eve"));
    lake.assume(&eve, asked(&role)).await.expect("ada, renamed");
}

#[tokio::test]
async fn durations_are_held_to_the_role_and_the_chain() {
    let lake = lake_with_account().await;
    let (identity, caller) = (&lake.identity, lake.caller());
    let ada = lake.principal_of(&identity.get_user(&caller, "ada").expect("ada"));
    let role = NewRole { session_seconds_max: Some(7_200), ..new_role("loader", TRUST_ADA) };
    let role = identity.create_role(&caller, role).await.expect("role");
    check(
        identity.update_role(&caller, "loader", None, Some(60)).await,
        Err("MaxSessionDuration must be 3600 to 43200"),
    );
    let of = |seconds| AssumeRole { duration_seconds: Some(seconds), ..asked(&role) };
    lake.assume(&ada, of(7_200)).await.expect("two hours");
    assert!(lake.assume(&ada, of(7_201)).await.expect_err("longer").contains("exceeds the MaxSessionDuration"));

    let session = lake.assume(&ada, asked(&role)).await.expect("session");
    let key = open(&lake, &session.credentials, second(1)).expect("open");
    let trust_role = TRUST_ADA.replace("user/ada", "role/loader");
    let next = NewRole { session_seconds_max: Some(7_200), ..new_role("next", &trust_role) };
    let next = identity.create_role(&caller, next).await.expect("next role");
    let chained = |seconds| AssumeRole { duration_seconds: Some(seconds), ..asked(&next) };
    lake.assume(&key.principal, chained(3_600)).await.expect("an hour");
    assert!(lake.assume(&key.principal, chained(3_601)).await.expect_err("longer").contains("role chaining"));
}

#[tokio::test]
async fn a_token_opens_with_its_key_until_it_ends() {
    let lake = lake_with_account().await;
    let (identity, caller) = (&lake.identity, lake.caller());
    let ada = lake.principal_of(&identity.get_user(&caller, "ada").expect("ada"));
    let role =
        identity.create_role(&caller, NewRole { path: Some("/lab/".to_owned()), ..new_role("loader", TRUST_ADA) });
    let role = role.await.expect("role");
    let before = lake.store.read().expect("snapshot").sequence();
    let session = lake.assume(&ada, asked(&role)).await.expect("session");
    let SessionCredentials { access_key_id, secret, token, expires_ms } = &session.credentials;
    assert_eq!((access_key_id.len(), secret.expose().len(), *expires_ms), (20, 40, 3_600_000));
    assert!(access_key_id.starts_with("ASIA"), "{access_key_id}");
    // The audit record is all that is stored.
    let after = lake.store.read().expect("snapshot").sequence();
    assert_eq!(after.0 - before.0, 1);
    for changed in lake.store.changes_since(Sequence(0), 1_000).await.expect("log") {
        for value in changed.changes.into_iter().filter_map(|change| change.value) {
            let holds = |secret: &Secret| value.windows(secret.expose().len()).any(|bytes| bytes == secret.expose());
            assert!(!holds(secret) && !holds(token));
        }
    }

    for _ in 0..2 {
        let key = open(&lake, &session.credentials, second(3_599)).expect("before its end");
        assert_eq!((&key.secret, key.principal.arn()), (secret, Some(session.arn.clone())));
        assert_eq!(key.principal.role_arn(), Some(role.arn()));
        assert_eq!(key.principal.standing.session.as_ref().map(|session| session.issued_ms), Some(0));
        assert_eq!(identity.secret_of(access_key_id).expect("secret").as_ref(), Some(secret));
        check(open(&lake, &session.credentials, second(3_600)), Err("is expired"));
    }
    // Another key, another token, another lake, or a changed letter: nothing opens.
    let text = token.expose_text().expect("text");
    let other = lake.assume(&ada, asked(&role)).await.expect("another session").credentials;
    assert!(other.access_key_id != *access_key_id && other.secret != *secret);
    check(identity.session(&other.access_key_id, text, second(1)), Err("is invalid"));
    for broken in ["", "A", &text[1..], &text.replace('A', "B"), &"A".repeat(9_000)] {
        check(identity.session(access_key_id, broken, second(1)), Err("is invalid"));
    }
    let (runtime, _) = Runtime::fixed(Timestamp::UNIX_EPOCH, 8);
    let foreign = Identity::new(lake.store.clone(), Keys::ephemeral(&runtime).expect("keys"), runtime.clone());
    check(foreign.session(access_key_id, text, second(1)), Err("is invalid"));
    assert_ne!(foreign.secret_of(access_key_id).expect("secret").as_ref(), Some(secret));

    // With the role its sessions end, at once.
    identity.delete_role(&caller, "loader").await.expect("deleted");
    check(open(&lake, &session.credentials, second(1)), Err("is invalid"));
    identity.create_role(&caller, new_role("loader", TRUST_ADA)).await.expect("another role of that name");
    check(open(&lake, &session.credentials, second(1)), Err("is invalid"));
}

#[tokio::test]
async fn sessions_are_narrowed_and_tagged() {
    let lake = lake_with_account().await;
    let (identity, caller) = (&lake.identity, lake.caller());
    let ada = lake.principal_of(&identity.get_user(&caller, "ada").expect("ada"));
    let role = NewRole {
        tags: vec![
            Tag { key: "team".to_owned(), value: "lake".to_owned() },
            Tag { key: "Zone".to_owned(), value: "raw".to_owned() },
        ],
        ..new_role("loader", TRUST_ADA)
    };
    let role = identity.create_role(&caller, role).await.expect("role");
    identity.put_inline_policy(&caller, EntityKind::Role, "loader", "p", LIST).await.expect("policy");
    let managed = identity.create_policy(&caller, new_policy("tables", None, GET_TABLE)).await.expect("policy");

    let narrowed = |narrowing: Narrowing| AssumeRole { narrowing, ..asked(&role) };
    let by_policy = Narrowing { policy: Some(GET_TABLE.to_owned()), policy_arns: Vec::new() };
    let by_arn = Narrowing { policy: None, policy_arns: vec![managed.arn.to_string()] };
    for (narrowing, databases) in [(Narrowing::default(), true), (by_policy.clone(), false), (by_arn, false)] {
        let session = lake.assume(&ada, narrowed(narrowing.clone())).await.expect("session");
        assert_eq!(session.packed_percent.is_some(), narrowing != Narrowing::default());
        let principal = open(&lake, &session.credentials, second(1)).expect("open").principal;
        assert!(lake.may(&principal, "glue:GetTable"));
        assert_eq!(lake.may(&principal, "glue:GetDatabase"), databases);
        assert!(!lake.may(&principal, "glue:DeleteTable"), "a session policy gives nothing");
        assert_eq!(principal.is_narrowed(), !databases);
    }
    let refused = async |narrowing: Narrowing, words: &str| {
        let error = lake.assume(&ada, narrowed(narrowing)).await.expect_err("refused");
        assert!(error.contains(words), "{error}");
    };
    refused(Narrowing { policy: Some("{".to_owned()), ..Narrowing::default() }, "Syntax errors in policy").await;
    refused(Narrowing { policy: Some(" ".repeat(2_049)), ..Narrowing::default() }, "consumes 101%").await;
    let arns = |arn: &str, count| Narrowing { policy: None, policy_arns: vec![arn.to_owned(); count] };
    refused(arns("arn:aws:iam::000000000000:policy/none", 1), "does not exist").await;
    refused(arns(&managed.arn.to_string(), 11), "at most 10 managed policies").await;

    // Tags of the session stand over the role's; those that are transitive go on and cannot be changed.
    let tag = |key: &str, value: &str| Tag { key: key.to_owned(), value: value.to_owned() };
    let tagged = AssumeRole {
        tags: vec![tag("zone", "curated"), tag("job", "7")],
        transitive_tag_keys: vec!["job".to_owned()],
        source_identity: Some("ada@example.com".to_owned()),
        ..asked(&role)
    };
    let session = lake.assume(&ada, tagged.clone()).await.expect("session");
    assert_eq!(session.source_identity.as_deref(), Some("ada@example.com"));
    let principal = open(&lake, &session.credentials, second(1)).expect("open").principal;
    let tags: Vec<_> = principal.standing.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(tags, ["job=7", "team=lake", "zone=curated"]);
    let trust_role = TRUST_ADA.replace("user/ada", "role/loader");
    let next = identity.create_role(&caller, new_role("next", &trust_role)).await.expect("role");
    let onward = lake.assume(&principal, asked(&next)).await.expect("onward");
    assert_eq!(onward.source_identity.as_deref(), Some("ada@example.com"));
    let principal = open(&lake, &onward.credentials, second(1)).expect("open").principal;
    assert_eq!(principal.standing.tags.iter().collect::<Vec<_>>(), [(&"job".to_owned(), &"7".to_owned())]);
    let changed = AssumeRole { tags: vec![tag("JOB", "8")], ..asked(&next) };
    assert!(lake.assume(&principal, changed.clone()).await.is_err(), "next does not trust itself");
    let session = open(&lake, &session.credentials, second(1)).expect("open").principal;
    assert!(lake.assume(&session, changed).await.expect_err("changed").contains("transitive tag key"));
    let large = AssumeRole { tags: (0..50).map(|n| tag(&format!("k{n}"), &"v".repeat(200))).collect(), ..asked(&role) };
    assert!(lake.assume(&ada, large).await.expect_err("too large").contains("Packed size"));
}

#[tokio::test]
async fn users_get_sessions_of_their_own() {
    let lake = lake_with_account().await;
    let (identity, caller) = (&lake.identity, lake.caller());
    identity.put_inline_policy(&caller, USER, "ada", "p", ALLOW_ALL).await.expect("policy");
    let ada = lake.principal_of(&identity.get_user(&caller, "ada").expect("ada"));
    let by = |principal: &Principal| lake.caller_for(principal, Vec::new(), 0).expect("caller");
    let own = identity.get_session_token(&by(&ada), None).await.expect("session");
    assert_eq!(own.expires_ms, 43_200_000);
    let session = open(&lake, &own, second(1)).expect("open").principal;
    assert_eq!(session.arn(), ada.arn());
    assert!(lake.may(&session, "glue:GetTable"));
    assert!(lake.may(&ada, "iam:ListUsers") && !lake.may(&session, "iam:ListUsers"), "no IAM by such a session");
    check(identity.get_session_token(&by(&session), None).await, Err("with session credentials"));

    let asked = |narrowing| FederationToken { name: "bob".to_owned(), narrowing, ..FederationToken::default() };
    let narrowing = Narrowing { policy: Some(GET_TABLE.to_owned()), policy_arns: Vec::new() };
    let federated = identity.get_federation_token(&by(&ada), asked(narrowing)).await.expect("federated");
    assert_eq!(federated.arn.to_string(), "arn:aws:sts::000000000000:federated-user/bob");
    let bob = open(&lake, &federated.credentials, second(1)).expect("open").principal;
    assert_eq!(bob.id, "000000000000:bob");
    assert!(lake.may(&bob, "glue:GetTable") && !lake.may(&bob, "glue:GetDatabase"));
    let bare = identity.get_federation_token(&by(&ada), asked(Narrowing::default())).await.expect("federated");
    let bare = open(&lake, &bare.credentials, second(1)).expect("open").principal;
    assert!(!lake.may(&bare, "glue:GetTable"), "without a session policy nothing is allowed");
    let of_root = by(&Principal::root(AccountId::first()));
    let root = identity.get_session_token(&of_root, Some(43_200)).await.expect("root's");
    assert_eq!(root.expires_ms, 3_600_000, "root's sessions last an hour");
    // What is kept of a federated user without its session may nothing.
    let kept = Principal { standing: tarn_policy::Standing::default(), ..bob };
    assert!(!lake.may(&kept, "glue:GetTable"));

    // What the user loses, its sessions lose; and with it they end.
    identity.delete_inline_policy(&caller, USER, "ada", "p").await.expect("removed");
    assert!(!lake.may(&session, "glue:GetTable"));
    identity.delete_user(&caller, "ada").await.expect("deleted");
    for credentials in [&own, &federated.credentials] {
        check(open(&lake, credentials, second(1)), Err("is invalid"));
    }
}

#[tokio::test]
async fn sessions_are_revoked_by_date() {
    let lake = lake_with_account().await;
    let (identity, caller) = (&lake.identity, lake.caller());
    let ada = lake.principal_of(&identity.get_user(&caller, "ada").expect("ada"));
    let role = identity.create_role(&caller, new_role("loader", TRUST_ADA)).await.expect("role");
    identity.put_inline_policy(&caller, EntityKind::Role, "loader", "p", LIST).await.expect("policy");
    let session = lake.assume(&ada, asked(&role)).await.expect("session");
    let old = open(&lake, &session.credentials, second(1)).expect("open").principal;
    let deny = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:TokenIssueTime":"1970-01-01T00:00:30Z"}}}]}"#;
    identity.put_inline_policy(&caller, EntityKind::Role, "loader", "revoke", deny).await.expect("revoked");
    assert!(!lake.may(&old, "glue:GetTable"));
    let needs = Requirement::new("sts:AssumeRole", role.arn());
    let later = lake.caller_for(&ada, vec![needs], 60_000).expect("caller");
    let fresh = identity.assume_role(&later, asked(&role)).await.expect("session");
    let fresh = open(&lake, &fresh.credentials, second(61)).expect("open").principal;
    assert!(lake.may(&fresh, "glue:GetTable"));
}
