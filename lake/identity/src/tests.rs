//! Users, keys and policies as IAM keeps them, and what requests are decided by.

use std::sync::Arc;

use tarn_audit::{Caller, EVENTS, EventDraft};
use tarn_keys::{Keys, Secret};
use tarn_metadata::{Key, MemoryStore, Read, Sequence, Store, StoreExt};
use tarn_policy::{
    Authorized, Authorizer, BoundAuthorizer, Context, IdentityPolicies, LakeAuthorizer, Principal, PrincipalKind,
    Requirement,
};
use tarn_runtime::{EntropyExt, Runtime, Timestamp};
use tarn_types::{AccountId, Arn, Region, Scope};

use crate::*;

struct Lake {
    store: Arc<MemoryStore>,
    identity: Arc<Identity>,
    authorizer: Arc<LakeAuthorizer>,
    runtime: Runtime,
}

fn lake() -> Lake {
    let store = Arc::new(MemoryStore::new());
    let (runtime, _) = Runtime::fixed(Timestamp::UNIX_EPOCH, 7);
    let keys = Keys::ephemeral(&runtime).expect("keys");
    let identity = Arc::new(Identity::new(store.clone(), keys, runtime.clone()));
    let authorizer = Arc::new(LakeAuthorizer::new(identity.clone(), vec![]));
    Lake { store, identity, authorizer, runtime }
}

fn account(text: &str) -> AccountId {
    AccountId::new(text).expect("account")
}

impl Lake {
    fn caller_in(&self, account: AccountId, name: &str) -> Caller {
        let principal = Principal::root(account.clone());
        let draft = EventDraft {
            id: self.runtime.entropy.bytes(),
            request_id: "r".to_owned(),
            time_ms: 1_000,
            event_source: "iam.amazonaws.com".to_owned(),
            event_name: name.to_owned(),
            read_only: false,
            management: true,
            scope: Scope { account: account.clone(), region: Region::us_east_1() },
            principal: principal.clone(),
            source_ip: "127.0.0.1".to_owned(),
            user_agent: String::new(),
            request_parameters: "null".to_owned(),
            resources: vec![],
        };
        let bound = BoundAuthorizer::new(self.authorizer.clone(), principal, Context::new());
        Caller::new(Authorized::internal("iam.amazonaws.com", account), bound, draft)
    }

    fn caller(&self) -> Caller {
        self.caller_in(AccountId::first(), "Test")
    }

    async fn user(&self, name: &str) -> User {
        self.identity.create_user(&self.caller(), new_user(name, None)).await.expect("user")
    }

    fn events(&self) -> Vec<String> {
        let snapshot = self.store.read().expect("snapshot");
        snapshot.prefix(EVENTS, &Key::new()).map(|item| item.expect("event").1.event_name).collect()
    }
}

const USER: EntityKind = EntityKind::User;

fn new_user(name: &str, path: Option<&str>) -> NewUser {
    NewUser { name: name.to_owned(), path: path.map(str::to_owned), ..NewUser::default() }
}

fn new_policy(name: &str, path: Option<&str>, document: &str) -> NewPolicy {
    NewPolicy {
        name: name.to_owned(),
        path: path.map(str::to_owned),
        document: document.to_owned(),
        ..NewPolicy::default()
    }
}

fn of(user: &str) -> KeyHolder {
    KeyHolder::User(user.to_owned())
}

const ALLOW_ALL: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

/// What a call came to, in its own words.
fn check<T: std::fmt::Debug>(found: Result<T, IdentityError>, expected: Result<(), &str>) {
    match (found, expected) {
        (Ok(_), Ok(())) => {}
        (Err(error), Err(words)) if error.to_string().contains(words) => {}
        (found, expected) => panic!("{found:?}, expected {expected:?}"),
    }
}

#[tokio::test]
async fn users_are_unique_found_and_removed() {
    let lake = lake();
    let (identity, caller) = (&lake.identity, lake.caller());
    let ada = identity.create_user(&caller, new_user("Ada", Some("/lab/"))).await.expect("user");
    assert_eq!(ada.arn().to_string(), "arn:aws:iam::000000000000:user/lab/Ada");
    assert!(ada.id.starts_with("AIDA") && ada.id.len() == 21, "{}", ada.id);
    check(identity.create_user(&caller, new_user("aDA", None)).await, Err("User with name aDA already exists."));
    check(identity.create_user(&caller, new_user("a/b", None)).await, Err("userName is invalid"));
    check(identity.create_user(&caller, new_user(&"x".repeat(65), None)).await, Err("userName is invalid"));
    for path in ["lab", "/lab", "/a:b/", "/*/", "/${aws:username}/", "/ä/"] {
        check(identity.create_user(&caller, new_user("x", Some(path))).await, Err("path is invalid"));
    }
    check(identity.get_user(&caller, "Ada").map(|_| ()), Ok(()));
    assert_eq!(identity.get_user(&caller, "ada").expect("found whatever the case"), ada);
    check(identity.get_user(&lake.caller_in(account("111111111111"), "Test"), "Ada"), Err("cannot be found"));

    check(identity.update_user(&caller, "Ada", Some("Eve"), Some("/")).await, Ok(()));
    assert_eq!(identity.get_user(&caller, "Eve").expect("renamed").id, ada.id);
    check(identity.get_user(&caller, "Ada"), Err("cannot be found"));
    lake.user("bob").await;
    check(identity.update_user(&caller, "Eve", Some("BOB"), None).await, Err("already exists"));
    check(identity.update_user(&caller, "bob", Some("Bob"), None).await, Ok(()));
    check(identity.delete_user(&caller, "Bob").await, Ok(()));
    check(identity.delete_user(&caller, "Bob").await, Err("cannot be found"));
}

#[tokio::test]
async fn lists_come_in_pages() {
    let lake = lake();
    for name in ["c", "A", "b", "d", "e"] {
        lake.user(name).await;
    }
    let mut request = PageRequest { marker: None, items_max: Some(2) };
    let mut names = Vec::new();
    for _ in 0..3 {
        let page = lake.identity.list_users(&lake.caller(), "/", &request).expect("page");
        names.push(page.items.into_iter().map(|user| user.name).collect::<Vec<_>>().join(""));
        request.marker = page.marker;
    }
    assert_eq!((names.join(" "), request.marker), ("Ab cd e".to_owned(), None));
    for marker in ["x", "ä", "zz"] {
        let request = PageRequest { marker: Some(marker.to_owned()), items_max: None };
        check(lake.identity.list_users(&lake.caller(), "/", &request), Err("Invalid Marker"));
    }
    let policies = lake.identity.list_policies(
        &lake.caller(),
        PolicyScope::All,
        false,
        None,
        "/",
        &PageRequest { items_max: Some(3), marker: None },
    );
    let page = policies.expect("page");
    assert_eq!(page.items[0].arn.to_string(), "arn:aws:iam::aws:policy/AWSGlueConsoleFullAccess");
    let rest = lake.identity.list_policies(
        &lake.caller(),
        PolicyScope::Aws,
        false,
        None,
        "/",
        &PageRequest { marker: page.marker, items_max: None },
    );
    assert_eq!(rest.expect("page").items.len(), aws_managed::ALL.len() - 3);
}

#[tokio::test]
async fn access_keys_open_the_door_until_they_do_not() {
    let lake = lake();
    let (identity, caller) = (&lake.identity, lake.caller());
    let ada = lake.user("ada").await;
    let made = identity.create_access_key(&caller, &of("ada")).await.expect("key");
    assert!(made.key.id.starts_with("AKIA") && made.key.id.len() == 20, "{}", made.key.id);
    assert_eq!(made.secret.expose().len(), 40);
    identity.create_access_key(&caller, &of("ada")).await.expect("second key");
    check(identity.create_access_key(&caller, &of("ada")).await, Err("Cannot exceed quota for AccessKeysPerUser: 2"));
    assert_eq!(identity.list_access_keys(&caller, &of("ada"), &PageRequest::default()).expect("list").items.len(), 2);

    let found = || identity.access_key(&made.key.id).expect("lookup");
    let key = found().expect("key");
    assert_eq!((&key.secret, key.status), (&made.secret, AccessKeyStatus::Active));
    assert_eq!(
        (key.principal.id.as_str(), key.principal.access_key_id.as_deref()),
        (ada.id.as_str(), Some(made.key.id.as_str()))
    );
    identity.update_access_key(&caller, &of("ada"), &made.key.id, AccessKeyStatus::Inactive).await.expect("inactive");
    assert_eq!(found().expect("key").status, AccessKeyStatus::Inactive);
    identity.update_user(&caller, "ada", Some("eve"), Some("/x/")).await.expect("renamed");
    assert_eq!(
        found().expect("key").principal.kind,
        PrincipalKind::User { name: "eve".to_owned(), path: "/x/".to_owned() }
    );

    check(identity.delete_user(&caller, "eve").await, Err("must delete access keys first"));
    lake.user("bob").await;
    check(identity.delete_access_key(&caller, &of("bob"), &made.key.id).await, Err("cannot be found"));
    check(identity.delete_access_key(&caller, &of("eve"), &made.key.id).await, Ok(()));
    assert_eq!(found(), None);
    for unknown in ["", "AKIANOBODY", &"A".repeat(5_000)] {
        assert_eq!(identity.access_key(unknown).expect("lookup"), None);
    }
}

#[tokio::test]
async fn uses_are_noted_in_memory_and_written_in_batches() {
    let lake = lake();
    let (identity, caller) = (&lake.identity, lake.caller());
    lake.user("ada").await;
    let key = identity.create_access_key(&caller, &of("ada")).await.expect("key").key.id;
    let last =
        |identity: &Identity| identity.access_key_use(&AccountId::first(), &key).expect("read").map(|use_| use_.last);
    let used =
        |at_ms, service: &str| Some(LastUse { at_ms, service: service.to_owned(), region: "us-east-1".to_owned() });
    assert_eq!(last(identity), Some(None));
    let sequence = lake.store.read().expect("snapshot").sequence();
    identity.note_use(&key, 5_000, "s3", "us-east-1");
    identity.note_use(&key, 7_000, "iam", "us-east-1");
    identity.note_use(&key, 6_000, "iam", "us-east-1");
    assert_eq!(lake.store.read().expect("snapshot").sequence(), sequence, "a request costs no write");
    assert_eq!(last(identity), Some(used(7_000, "iam")));

    identity.write_last_uses().await.expect("written");
    let written = lake.store.read().expect("snapshot").sequence();
    identity.write_last_uses().await.expect("nothing to write");
    assert_eq!(lake.store.read().expect("snapshot").sequence(), written);
    // Another process's memory knows nothing of it; its store does.
    let keys = Keys::ephemeral(&lake.runtime).expect("keys");
    let again = Identity::new(lake.store.clone(), keys, lake.runtime.clone());
    assert_eq!(last(&again), Some(used(7_000, "iam")));

    // A key that is gone leaves nothing behind, whatever was noted.
    identity.note_use(&key, 9_000, "s3", "us-east-1");
    again.note_use(&key, 9_000, "s3", "us-east-1");
    check(identity.delete_access_key(&caller, &of("ada"), &key).await, Ok(()));
    identity.write_last_uses().await.expect("written");
    again.write_last_uses().await.expect("written");
    assert_eq!(last(identity), None);
    let left = lake.store.read().expect("snapshot").prefix(records::LAST_USES, &Key::new()).count();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn policies_are_checked_counted_and_decided_by() {
    let lake = lake();
    let (identity, caller) = (&lake.identity, lake.caller());
    let ada = lake.user("ada").await;
    let principal = Principal::user(AccountId::first(), "ada", &ada.id);
    let may = || {
        let get = Requirement::new("glue:GetTable", Arn::new("glue", "us-east-1", "000000000000", "table/raw/t"));
        lake.authorizer.authorize(&principal, vec![get], &Context::new()).is_ok()
    };
    assert!(!may(), "a user without policies may nothing");
    check(identity.put_inline_policy(&caller, USER, "ada", "p", "{").await, Err("Syntax errors in policy"));
    check(identity.put_inline_policy(&caller, USER, "eve", "p", ALLOW_ALL).await, Err("cannot be found"));
    check(identity.put_inline_policy(&caller, USER, "ada", "p", ALLOW_ALL).await, Ok(()));
    assert!(may());
    assert_eq!(identity.get_inline_policy(&caller, USER, "ada", "p").expect("policy").document, ALLOW_ALL);
    let large = ALLOW_ALL.replace("\"*\"}]", &format!("[{}\"*\"]}}]", "\"arn:aws:s3:::a\",".repeat(120)));
    check(
        identity.put_inline_policy(&caller, USER, "ada", "q", &large).await,
        Err("Maximum policy size of 2048 bytes exceeded"),
    );
    check(identity.put_inline_policy(&caller, USER, "ada", "p", &ALLOW_ALL.replace(' ', "    ")).await, Ok(()));

    let own = identity
        .create_policy(&caller, new_policy("NoGlue", Some("/x/"), &ALLOW_ALL.replace("Allow", "Deny")))
        .await
        .expect("policy");
    let arn = own.arn.to_string();
    assert_eq!(arn, "arn:aws:iam::000000000000:policy/x/NoGlue");
    check(identity.create_policy(&caller, new_policy("noglue", None, ALLOW_ALL)).await, Err("already exists"));
    check(
        identity.attach_policy(&caller, USER, "ada", "arn:aws:iam::000000000000:policy/NoGlue").await,
        Err("not attachable"),
    );
    check(identity.attach_policy(&caller, USER, "ada", &arn).await, Ok(()));
    check(identity.attach_policy(&caller, USER, "ada", &arn).await, Ok(()));
    assert!(!may(), "a deny wins");
    assert_eq!(identity.get_policy(&caller, &arn).expect("policy").attachment_count, 1);
    check(identity.delete_policy(&caller, &arn).await, Err("attached to entities"));
    let page = PageRequest::default();
    let holders = identity.list_entities_for_policy(&caller, &arn, None, None, "/", &page).expect("holders").items;
    assert_eq!(holders.into_iter().map(|holder| holder.id).collect::<Vec<_>>(), [ada.id.as_str()]);
    let attached =
        identity.list_attached_policies(&caller, USER, "ada", "/x/", &PageRequest::default()).expect("attached");
    assert_eq!(attached.items, vec![AttachedPolicy { arn: arn.clone(), name: "NoGlue".to_owned() }]);

    check(identity.delete_inline_policy(&caller, USER, "ada", "p").await, Ok(()));
    check(identity.delete_inline_policy(&caller, USER, "ada", "p").await, Err("cannot be found"));
    check(identity.delete_user(&caller, "ada").await, Err("must detach all policies first"));
    check(identity.detach_policy(&caller, USER, "ada", &arn).await, Ok(()));
    check(identity.detach_policy(&caller, USER, "ada", &arn).await, Err("was not found"));
    check(identity.delete_policy(&caller, &arn).await, Ok(()));

    let read_only = "arn:aws:iam::aws:policy/ReadOnlyAccess";
    check(identity.attach_policy(&caller, USER, "ada", read_only).await, Ok(()));
    assert!(may());
    check(identity.delete_policy(&caller, read_only).await, Err("managed by AWS"));
    check(identity.get_policy_version(&caller, read_only, "v2"), Err("version v2 does not exist"));
    check(identity.detach_policy(&caller, USER, "ada", read_only).await, Ok(()));
    check(identity.delete_user(&caller, "ada").await, Ok(()));
    assert!(!may(), "a removed user may nothing");
    // Who comes later by the same name is somebody else.
    lake.user("ada").await;
    identity.put_inline_policy(&caller, USER, "ada", "p", ALLOW_ALL).await.expect("policy");
    assert!(!may());
}

#[tokio::test]
async fn aws_policies_parse() {
    for policy in &aws_managed::ALL {
        policy.parsed().unwrap_or_else(|error| panic!("{}: {error}", policy.name));
        let arn = aws_managed::arn(policy.path, policy.name).to_string();
        assert_eq!(aws_managed::find(&arn).map(|found| found.name), Some(policy.name));
    }
    let of_glue = "arn:aws:iam::aws:policy/service-role/AWSGlueServiceRole";
    assert!(aws_managed::find(of_glue).is_some() && aws_managed::find(&of_glue.replace("service-role/", "")).is_none());
    assert!(aws_managed::ALL.is_sorted_by_key(|policy| policy.name));
}

#[tokio::test]
async fn limits_hold() {
    let lake = lake();
    let (identity, caller) = (&lake.identity, lake.caller());
    lake.user("ada").await;
    for n in 0..ATTACHED_POLICIES_MAX {
        let policy =
            identity.create_policy(&caller, new_policy(&format!("p{n}"), None, ALLOW_ALL)).await.expect("policy");
        identity.attach_policy(&caller, USER, "ada", &policy.arn.to_string()).await.expect("attached");
    }
    check(
        identity.attach_policy(&caller, USER, "ada", "arn:aws:iam::aws:policy/ReadOnlyAccess").await,
        Err("PoliciesPerUser: 10"),
    );
    let large = ALLOW_ALL.replace("\"*\"}]", &format!("[{}\"*\"]}}]", "\"arn:aws:s3:::a\",".repeat(400)));
    check(identity.create_policy(&caller, new_policy("large", None, &large)).await, Err("PolicySize: 6144"));
}

#[tokio::test]
async fn every_change_has_its_record_and_no_failure_has_one() {
    let lake = lake();
    let call = |name| lake.caller_in(AccountId::first(), name);
    lake.identity.create_user(&call("CreateUser"), new_user("ada", None)).await.expect("user");
    let failed = lake.identity.create_user(&call("CreateUserAgain"), new_user("ada", None)).await;
    check(failed, Err("already exists"));
    lake.identity.put_inline_policy(&call("PutUserPolicy"), USER, "ada", "p", ALLOW_ALL).await.expect("policy");
    let mut events = lake.events();
    events.sort();
    assert_eq!(events, ["CreateUser", "PutUserPolicy"]);
}

fn config(root: Option<(&str, &str)>, users: &[(&str, &str, &str)]) -> AccountConfig {
    let credentials = |id: &str, secret: &str| CredentialsConfig {
        access_key_id: id.to_owned(),
        secret_access_key: Secret::new(secret),
    };
    AccountConfig {
        id: AccountId::first(),
        name: "first".to_owned(),
        email: "root@example.com".to_owned(),
        canonical_user_id: None,
        root: root.map(|(id, secret)| credentials(id, secret)),
        users: users
            .iter()
            .map(|(name, id, secret)| UserConfig { name: (*name).to_owned(), credentials: credentials(id, secret) })
            .collect(),
    }
}

#[tokio::test]
async fn a_lake_is_bootstrapped_once_and_kept_in_step() {
    let lake = lake();
    let region = Region::us_east_1();
    let boot = |config: AccountConfig| lake.identity.bootstrap(&region, vec![config]);
    let first = boot(config(None, &[])).await.expect("first start").remove(0);
    let secret = first.root_secret_access_key.clone().expect("shown once");
    assert!(first.is_new);
    let found = lake.identity.access_key(&first.root_access_key_id).expect("lookup").expect("root key");
    assert_eq!((found.secret, found.principal.kind), (secret, PrincipalKind::Root));
    let canonical = lake.identity.account(&AccountId::first()).expect("account").expect("account").canonical_user_id;
    assert_eq!(canonical.len(), 64);
    assert_eq!(
        lake.identity.account_by_canonical_user_id(&canonical).expect("account").expect("account").name,
        "first"
    );

    let again = boot(config(None, &[])).await.expect("second start").remove(0);
    assert_eq!(again, Bootstrapped { is_new: false, root_secret_access_key: None, ..first.clone() });
    assert_eq!(lake.events(), ["ConfigureAccount"], "a start that changes nothing records nothing");

    let users = [("main", "MAINKEY", "main-secret-1")];
    boot(config(Some(("admin", "admin-secret")), &users)).await.expect("configured");
    assert_eq!(lake.identity.access_key(&first.root_access_key_id).expect("lookup"), None, "the old root key is gone");
    let key = |id: &str| lake.identity.access_key(id).expect("lookup").expect("key");
    assert_eq!(key("admin").principal.kind, PrincipalKind::Root);
    assert_eq!(key("MAINKEY").principal.kind, PrincipalKind::User { name: "main".to_owned(), path: "/".to_owned() });
    let before = lake.store.snapshot().expect("snapshot").sequence();
    boot(config(Some(("admin", "admin-secret")), &users)).await.expect("the same again");
    assert_eq!(lake.store.snapshot().expect("snapshot").sequence(), before);
    boot(config(Some(("admin", "other-secret")), &users)).await.expect("another secret");
    assert_eq!(key("admin").secret, Secret::new("other-secret"));

    check(boot(config(Some(("MAINKEY", "admin-secret")), &[])).await, Err("belongs to the user"));
    check(boot(config(Some(("admin", "short")), &[])).await, Err("fewer than 8"));
    check(boot(config(Some(("a b", "long enough")), &[])).await, Err("not 3 to 128"));
}

#[tokio::test]
async fn secrets_are_nowhere_in_the_store_nor_in_debug_output() {
    let lake = lake();
    let planted = "planted-secret-0123456789";
    lake.identity
        .bootstrap(&Region::us_east_1(), vec![config(Some(("admin", planted)), &[("main", "MAINKEY", planted)])])
        .await
        .expect("bootstrap");
    lake.user("ada").await;
    let made = lake.identity.create_access_key(&lake.caller(), &of("ada")).await.expect("key");
    let key = lake.identity.access_key("admin").expect("lookup").expect("key");
    let shown = format!("{key:?} {made:?} {:?}", lake.identity);
    for secret in [planted.as_bytes(), made.secret.expose()] {
        assert!(!shown.as_bytes().windows(secret.len()).any(|bytes| bytes == secret), "{shown}");
        for changed in lake.store.changes_since(Sequence(0), 1_000).await.expect("log") {
            for change in changed.changes {
                let value = change.value.unwrap_or_default();
                assert!(!value.windows(secret.len()).any(|bytes| bytes == secret), "a secret in {:?}", change.key);
            }
        }
    }
}

#[tokio::test]
async fn a_policy_that_cannot_be_read_refuses_everything() {
    let lake = lake();
    let ada = lake.user("ada").await;
    let (at, record) = (
        records::in_account(&AccountId::first(), &ada.id).text("p"),
        records::InlinePolicyRecord { document: "{".to_owned() },
    );
    lake.store
        .write(move |tx| tx.put(records::INLINE_POLICIES, &at, &record))
        .await
        .map_err(|error: tarn_metadata::WriteError<tarn_metadata::StoreError>| error)
        .expect("planted");
    assert!(lake.identity.identity_policies(&Principal::user(AccountId::first(), "ada", &ada.id)).is_err());
}

mod accounts;
mod entities;
mod probes;
mod sessions;
mod web_identity;
