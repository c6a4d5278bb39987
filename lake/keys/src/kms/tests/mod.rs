//! Keys through their whole life, who may use them, and what a ciphertext is bound to.

use std::sync::Arc;

use proptest::prelude::*;
use tarn_audit::{Caller, EventDraft};
use tarn_metadata::MemoryStore;
use tarn_policy::{
    Authorized, Authorizer, BoundAuthorizer, Context, ControlLevels, Denied, DeniedBecause, HeldPolicies,
    IdentityPolicies, LakeAuthorizer, Organization, OrganizationId, PoliciesUnreadable, Policy, PolicyKind, Principal,
    Requirement,
};
use tarn_runtime::{EntropyExt, FixedClock, Runtime, Timestamp};
use tarn_types::{AccountId, Region, Scope};

use super::*;

mod grants;
mod material;
mod rotation;

const OTHER: &str = "222222222222";

/// The user `allowed` may all by its own policy; others have none.
struct Identities;

impl IdentityPolicies for Identities {
    fn identity_policies(&self, principal: &Principal) -> Result<HeldPolicies, PoliciesUnreadable> {
        let all = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
        let all = Policy::parse(all, PolicyKind::Identity).expect("a policy");
        let own = if principal.id == "allowed" { vec![Arc::new(all)] } else { Vec::new() };
        Ok(HeldPolicies { identity: own.into(), ..HeldPolicies::default() })
    }
}

struct Lake {
    kms: Kms,
    authorizer: Arc<LakeAuthorizer>,
    runtime: Runtime,
    clock: Arc<FixedClock>,
    store: Arc<MemoryStore>,
    keys: Arc<Keys>,
}

fn first() -> AccountId {
    AccountId::first()
}

fn scope_of(principal: &Principal) -> Scope {
    Scope { account: principal.account.clone(), region: Region::us_east_1() }
}

const ORGANIZATION_KEYS: [&str; 2] = ["aws:PrincipalOrgID", "aws:ResourceOrgID"];

fn root() -> Principal {
    Principal::root(first())
}

fn user(account: &str, name: &str) -> Principal {
    Principal::user(AccountId::new(account).expect("an account"), name, name)
}

fn organization() -> Arc<Organization> {
    Arc::new(Organization {
        id: OrganizationId::parse("o-a1b2c3d4e5"),
        accounts: [first()].into(),
        management: first(),
        service_control: ControlLevels::default(),
        resource_control: ControlLevels::default(),
    })
}

fn lake() -> Lake {
    let (runtime, clock) = Runtime::fixed(Timestamp::UNIX_EPOCH, 7);
    let keys = Arc::new(Keys::ephemeral(&runtime).expect("keys"));
    let store = Arc::new(MemoryStore::new());
    let kms = Kms::new(store.clone(), keys.clone(), runtime.clone(), DAY_MS, Some(organization()), None);
    let authorizer = Arc::new(LakeAuthorizer::new(Arc::new(Identities), vec![Arc::new(kms.clone())]));
    Lake { kms, authorizer, runtime, clock, store, keys }
}

impl Lake {
    fn caller_with(&self, principal: &Principal, requirements: Vec<Requirement>) -> Result<Caller, Denied> {
        let authorized = self.authorizer.authorize(principal, requirements, &Context::new())?;
        let bound = BoundAuthorizer::new(self.authorizer.clone(), principal.clone(), Context::new());
        let draft = EventDraft {
            id: self.runtime.entropy.bytes(),
            request_id: "r".to_owned(),
            time_ms: self.runtime.now().as_millisecond(),
            event_source: "kms.amazonaws.com".to_owned(),
            event_name: "Test".to_owned(),
            read_only: false,
            management: true,
            scope: scope_of(principal),
            principal: principal.clone(),
            source_ip: "127.0.0.1".to_owned(),
            user_agent: String::new(),
            request_parameters: "null".to_owned(),
            resources: Vec::new(),
        };
        Ok(Caller::new(authorized, bound, draft))
    }

    /// As the service does it: asks for `action` on the key, and gives the proof.
    fn on(&self, principal: &Principal, action: &'static str, name: &str) -> Result<Caller, Denied> {
        let requirement = self.kms.requirement(action, &scope_of(principal), name).expect("a requirement");
        self.caller_with(principal, vec![requirement])
    }

    async fn make(&self, policy: Option<&str>) -> KmsKey {
        self.make_as(CreateKey { policy: policy.map(str::to_owned), ..CreateKey::default() }).await
    }

    async fn make_as(&self, request: CreateKey) -> KmsKey {
        let caller = self.caller_with(&root(), vec![Requirement::any("kms:CreateKey")]).expect("root may");
        self.kms.create_key(&caller, request).await.expect("made")
    }

    fn encrypt(&self, name: &str, plaintext: &[u8], context: &EncryptionContext) -> Result<Encrypted, KmsError> {
        let caller = self.on(&root(), "kms:Encrypt", name).map_err(KmsError::Denied)?;
        self.kms.encrypt(caller.authorized(), caller.scope(), name, plaintext, Cipher::symmetric(context))
    }

    fn decrypt(&self, name: Option<&str>, blob: &[u8], context: &EncryptionContext) -> Result<Decrypted, KmsError> {
        let scope = scope_of(&root());
        let requirement = self.kms.decrypt_requirement("kms:Decrypt", &scope, name, blob, context)?;
        let caller = self.caller_with(&root(), vec![requirement]).map_err(KmsError::Denied)?;
        self.kms.decrypt(caller.authorized(), &scope, name, blob, Cipher::symmetric(context))
    }
}

impl Lake {
    fn set_ms(&self, ms: i64) {
        self.clock.set(Timestamp::from_millisecond(ms).expect("a time"));
    }

    /// The caller of `action` on a key as root, who may.
    fn may(&self, action: &'static str, key: &KmsKey) -> Caller {
        self.on(&root(), action, &key.arn().to_string()).expect("root may")
    }
}

fn context(pairs: &[(&str, &str)]) -> EncryptionContext {
    EncryptionContext::new(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))).expect("small")
}

#[tokio::test]
async fn a_ciphertext_opens_for_its_key_and_context_only() {
    let lake = lake();
    let (key, other) = (lake.make(None).await, lake.make(None).await);
    let bound = context(&[("a", "1"), ("b", "2")]);
    let sealed = lake.encrypt(&key.id, b"secret", &bound).expect("encrypted");
    assert_eq!(sealed.key, key.arn());
    let arn = key.arn().to_string();
    let check = |name: Option<&str>, blob: &[u8], context: &EncryptionContext, expected: &str| {
        let found = match lake.decrypt(name, blob, context) {
            Ok(found) => String::from_utf8(found.plaintext.expose().to_vec()).expect("text"),
            Err(KmsError::InvalidCiphertext) => "invalid".to_owned(),
            Err(KmsError::IncorrectKey) => "incorrect key".to_owned(),
            Err(error) => format!("{error:?}"),
        };
        assert_eq!(found, expected, "{name:?} {context:?}");
    };
    check(None, &sealed.blob, &bound, "secret");
    // The order of the pairs does not count, each pair does.
    check(None, &sealed.blob, &context(&[("b", "2"), ("a", "1")]), "secret");
    check(Some(&key.id), &sealed.blob, &bound, "secret");
    check(Some(&arn), &sealed.blob, &bound, "secret");
    check(Some(&other.id), &sealed.blob, &bound, "incorrect key");
    check(None, &sealed.blob, &context(&[]), "invalid");
    check(None, &sealed.blob, &context(&[("a", "1")]), "invalid");
    check(None, &sealed.blob, &context(&[("a", "1"), ("b", "3")]), "invalid");
    // Text does not move between a key and its value, nor between pairs.
    check(None, &sealed.blob, &context(&[("a", "1b"), ("", "2")]), "invalid");
    check(None, &sealed.blob, &context(&[("a", "1"), ("b", "2"), ("c", "")]), "invalid");
    check(None, b"", &bound, "invalid");
    check(None, b"not a ciphertext of this lake", &bound, "invalid");
    // The name in the ciphertext is authenticated: another key's name does not make it that key's.
    let swapped: Vec<u8> = {
        let mut blob = sealed.blob.clone();
        blob[13..49].copy_from_slice(other.id.as_bytes());
        blob
    };
    check(None, &swapped, &bound, "invalid");
}

#[tokio::test]
async fn every_call_makes_another_ciphertext_and_sizes_have_limits() {
    let lake = lake();
    let key = lake.make(None).await;
    let none = context(&[]);
    let one = lake.encrypt(&key.id, b"same", &none).expect("encrypted");
    assert_ne!(one.blob, lake.encrypt(&key.id, b"same", &none).expect("encrypted").blob);
    assert!(lake.encrypt(&key.id, &[7; PLAINTEXT_SIZE_BYTES_MAX], &none).expect("the most").blob.len() <= 6_144);
    for plaintext in [&[][..], &[7; PLAINTEXT_SIZE_BYTES_MAX + 1]] {
        assert!(matches!(lake.encrypt(&key.id, plaintext, &none), Err(KmsError::Validation { .. })));
    }
    let caller = lake.on(&root(), "kms:GenerateDataKey", &key.id).expect("root may");
    let made = lake.kms.generate_data_key(caller.authorized(), caller.scope(), &key.id, 32, &none).expect("made");
    assert_eq!(made.plaintext.expose().len(), 32);
    assert_eq!(lake.decrypt(None, &made.blob, &none).expect("opened").plaintext, made.plaintext);
    assert!(EncryptionContext::new([("k".to_owned(), "v".repeat(8_192))]).is_err());
}

#[tokio::test]
async fn a_ciphertext_moves_between_keys() {
    let lake = lake();
    let (from, to) = (lake.make(None).await, lake.make(None).await);
    let (old, new) = (context(&[("of", "old")]), context(&[("of", "new")]));
    let sealed = lake.encrypt(&from.id, b"secret", &old).expect("encrypted");
    let scope = scope_of(&root());
    let requirements = vec![
        lake.kms.decrypt_requirement("kms:ReEncryptFrom", &scope, None, &sealed.blob, &old).expect("a requirement"),
        lake.kms.requirement("kms:ReEncryptTo", &scope, &to.id).expect("a requirement"),
    ];
    let caller = lake.caller_with(&root(), requirements.clone()).expect("root may");
    let moved = lake.kms.re_encrypt(
        caller.authorized(),
        &scope,
        (None, &sealed.blob, Cipher::symmetric(&old)),
        (&to.id, Cipher::symmetric(&new)),
    );
    let (opened, moved) = moved.expect("moved");
    assert_eq!((opened.key, &moved.key), (from.arn(), &to.arn()));
    assert_eq!(lake.decrypt(Some(&to.id), &moved.blob, &new).expect("opened").plaintext.expose(), b"secret");
    // A proof for one of the two keys is not one for both.
    let half = lake.caller_with(&root(), requirements[..1].to_vec()).expect("root may");
    let refused = lake.kms.re_encrypt(
        half.authorized(),
        &scope,
        (None, &sealed.blob, Cipher::symmetric(&old)),
        (&to.id, Cipher::symmetric(&new)),
    );
    assert!(matches!(refused, Err(KmsError::Moved { .. })), "{refused:?}");
}

#[tokio::test]
async fn states_decide_what_a_key_can_do() {
    let lake = lake();
    let key = lake.make(None).await;
    let (name, none) = (key.id.as_str(), context(&[]));
    let sealed = lake.encrypt(name, b"secret", &none).expect("encrypted");
    let on = |action| lake.on(&root(), action, name).expect("root may");
    let check = |expected: &str| {
        let (encrypted, decrypted) = (lake.encrypt(name, b"x", &none), lake.decrypt(None, &sealed.blob, &none));
        for error in [encrypted.err(), decrypted.err()] {
            let found = match error {
                None => "works",
                Some(KmsError::Disabled { .. }) => "disabled",
                Some(KmsError::PendingDeletion { .. }) => "pending deletion",
                Some(KmsError::NoSuchKey { .. }) => "gone",
                Some(other) => panic!("{other:?}"),
            };
            assert_eq!(found, expected);
        }
    };
    check("works");
    lake.kms.disable_key(&on("kms:DisableKey"), name).await.expect("disabled");
    check("disabled");
    lake.kms.enable_key(&on("kms:EnableKey"), name).await.expect("enabled");
    check("works");
    for days in [6, 31] {
        let refused = lake.kms.schedule_key_deletion(&on("kms:ScheduleKeyDeletion"), name, Some(days)).await;
        assert!(matches!(refused, Err(KmsError::Validation { .. })));
    }
    let (_, at_ms) =
        lake.kms.schedule_key_deletion(&on("kms:ScheduleKeyDeletion"), name, Some(7)).await.expect("scheduled");
    assert_eq!(at_ms, 7 * DAY_MS);
    check("pending deletion");
    for refused in [
        lake.kms.enable_key(&on("kms:EnableKey"), name).await,
        lake.kms.disable_key(&on("kms:DisableKey"), name).await,
        lake.kms.create_alias(&on("kms:CreateAlias"), "alias/a", name).await,
    ] {
        assert!(matches!(refused, Err(KmsError::PendingDeletion { .. })), "{refused:?}");
    }
    lake.kms.cancel_key_deletion(&on("kms:CancelKeyDeletion"), name).await.expect("called off");
    check("disabled");
    let again = lake.kms.cancel_key_deletion(&on("kms:CancelKeyDeletion"), name).await;
    assert!(matches!(again, Err(KmsError::NotPendingDeletion { .. })));
    lake.kms.enable_key(&on("kms:EnableKey"), name).await.expect("enabled");
    lake.kms.create_alias(&on("kms:CreateAlias"), "alias/a", name).await.expect("named");
    lake.kms.schedule_key_deletion(&on("kms:ScheduleKeyDeletion"), name, None).await.expect("scheduled");
    lake.clock.set(Timestamp::from_millisecond(30 * DAY_MS - 1).expect("a time"));
    assert_eq!(lake.kms.delete_due_keys().await.expect("looked"), 0);
    check("pending deletion");
    lake.clock.set(Timestamp::from_millisecond(30 * DAY_MS).expect("a time"));
    assert_eq!(lake.kms.delete_due_keys().await.expect("looked"), 1);
    check("gone");
    // Nothing of it is left: no material, no name.
    let left = lake.kms.snapshot().expect("read");
    assert_eq!(tarn_metadata::Read::prefix(&left, KMS_MATERIAL, &tarn_metadata::Key::new()).count(), 0);
    assert_eq!(tarn_metadata::Read::prefix(&left, KMS_ALIASES, &tarn_metadata::Key::new()).count(), 0);
}

#[tokio::test]
async fn keys_are_named_in_four_ways() {
    let lake = lake();
    let (key, other) = (lake.make(None).await, lake.make(None).await);
    let caller = lake.on(&root(), "kms:CreateAlias", &key.id).expect("root may");
    lake.kms.create_alias(&caller, "alias/one", &key.id).await.expect("named");
    let alias_arn = "arn:aws:kms:us-east-1:000000000000:alias/one";
    let none = context(&[]);
    for name in [key.id.as_str(), &key.arn().to_string(), "alias/one", alias_arn] {
        assert_eq!(lake.encrypt(name, b"x", &none).expect(name).key, key.arn());
    }
    let check = |name: &str, expected: &str| {
        let found = match lake.kms.key(&Authorized::internal("test", first()), &scope_of(&root()), name) {
            Err(KmsError::NoSuchKey { .. }) => "no key",
            Err(KmsError::NoSuchAlias { .. }) => "no alias",
            Err(KmsError::InvalidArn { .. }) => "invalid",
            other => panic!("{other:?}"),
        };
        assert_eq!(found, expected, "{name}");
    };
    check("00000000-0000-0000-0000-000000000000", "no key");
    check("alias/two", "no alias");
    check("arn:aws:kms:us-east-1:222222222222:alias/one", "no alias");
    check("arn:aws:kms:eu-west-1:000000000000:alias/one", "invalid");
    check("arn:aws:s3:::bucket", "invalid");
    check("arn:aws:kms:us-east-1:x:key/y", "invalid");
    check("arn:bad", "invalid");

    for (name, is_legal) in
        [("one", false), ("alias/", false), ("alias/aws/x", false), ("alias/a b", false), ("alias/a/b-c_d", true)]
    {
        let made = lake.kms.create_alias(&caller, name, &key.id).await;
        assert_eq!(made.is_ok(), is_legal, "{name}: {made:?}");
    }
    assert!(matches!(lake.kms.create_alias(&caller, "alias/one", &key.id).await, Err(KmsError::AliasExists { .. })));
    assert!(matches!(lake.kms.create_alias(&caller, "alias/x", "alias/one").await, Err(KmsError::Validation { .. })));
    // An alias moves only with a proof for the key it leaves and the key it goes to.
    let refused = lake.kms.update_alias(&caller, "alias/one", &other.id).await;
    assert!(matches!(refused, Err(KmsError::Moved { .. })), "{refused:?}");
    let scope = scope_of(&root());
    let both = ["alias/one", other.id.as_str()]
        .map(|name| lake.kms.requirement("kms:UpdateAlias", &scope, name).expect("one"));
    let both = lake.caller_with(&root(), both.to_vec()).expect("root may");
    lake.kms.update_alias(&both, "alias/one", &other.id).await.expect("moved");
    assert_eq!(lake.encrypt("alias/one", b"x", &none).expect("encrypted").key, other.arn());
    // The proof for the key that the alias named before is not one for the key it names now.
    let refused = lake.kms.encrypt(caller.authorized(), &scope, "alias/one", b"x", Cipher::symmetric(&none));
    assert!(matches!(refused, Err(KmsError::Moved { .. })), "{refused:?}");
    let page = KmsPageRequest { marker: None, items_max: Some(1) };
    let listed = lake.kms.list_aliases(both.authorized(), &scope, None, &page).expect("listed");
    let next = KmsPageRequest { marker: listed.marker.clone(), items_max: Some(5) };
    let rest = lake.kms.list_aliases(both.authorized(), &scope, None, &next).expect("listed");
    let names: Vec<_> = listed.items.iter().chain(&rest.items).map(|alias| alias.name.as_str()).collect();
    assert_eq!(names, ["alias/a/b-c_d", "alias/one"]);
    assert_eq!(rest.marker, None);
    let of_other = lake.kms.list_aliases(both.authorized(), &scope, Some(&other.id), &KmsPageRequest::default());
    assert_eq!(of_other.expect("listed").items.len(), 1);
    lake.kms
        .delete_alias(&lake.on(&root(), "kms:DeleteAlias", "alias/one").expect("root may"), "alias/one")
        .await
        .expect("gone");
    check("alias/one", "no alias");
}

#[tokio::test]
async fn a_keys_policy_decides() {
    let lake = lake();
    let statement = |principal: &str, action: &str| {
        format!(r#"{{"Effect":"Allow","Principal":{{"AWS":{principal}}},"Action":"{action}","Resource":"*"}}"#)
    };
    let policy =
        |statements: &[String]| format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","));
    let delegating = statement(r#""000000000000""#, "kms:*");
    let to_user = statement(r#""arn:aws:iam::000000000000:user/plain""#, "kms:Encrypt");
    let to_other = statement(r#""222222222222""#, "kms:Encrypt");
    let manage = statement(r#""arn:aws:iam::000000000000:root""#, "kms:PutKeyPolicy");
    let service = Principal::service(first(), "firehose.amazonaws.com");
    let check = async |statements: &[String], principal: &Principal, expected: Option<DeniedBecause>| {
        let key = lake.make(Some(&policy(statements))).await;
        let found = lake.on(principal, "kms:Encrypt", &key.arn().to_string());
        assert_eq!(found.err().map(|denied| denied.because), expected, "{statements:?} {principal:?}");
    };
    use DeniedBecause::*;
    // Passed on to the account: identity policies count.
    let passed = [delegating.clone()];
    check(&passed, &root(), None).await;
    check(&passed, &user("000000000000", "allowed"), None).await;
    check(&passed, &user("000000000000", "plain"), Some(NothingAllows)).await;
    check(&passed, &user(OTHER, "allowed"), Some(NoResourcePolicyAllows)).await;
    check(&passed, &service, None).await;
    // Not passed on: identity policies, and even root, count for nothing.
    let named = [to_user, manage.clone()];
    check(&named, &user("000000000000", "allowed"), Some(NoResourcePolicyAllows)).await;
    check(&named, &root(), Some(NoResourcePolicyAllows)).await;
    check(&named, &service, Some(NoResourcePolicyAllows)).await;
    check(&named, &user("000000000000", "plain"), None).await;
    // Another account needs both.
    let shared = [to_other, manage];
    check(&shared, &user(OTHER, "allowed"), None).await;
    check(&shared, &user(OTHER, "plain"), Some(NothingAllows)).await;
    check(&shared, &Principal::anonymous(), Some(NothingAllows)).await;
}

#[tokio::test]
async fn a_policy_must_leave_a_way_back() {
    let lake = lake();
    let caller = lake.caller_with(&root(), vec![Requirement::any("kms:CreateKey")]).expect("root may");
    let create = async |policy: &str, bypass_lockout_check: bool| {
        let request = CreateKey { policy: Some(policy.to_owned()), bypass_lockout_check, ..CreateKey::default() };
        lake.kms.create_key(&caller, request).await
    };
    let locked = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"222222222222"},"Action":"kms:*","Resource":"*"}]}"#;
    assert!(matches!(create(locked, false).await, Err(KmsError::MalformedPolicy { .. })));
    assert!(create(locked, true).await.is_ok());
    // Perimeters: only who is of an organisation is let in, by a Deny for all others and by an Allow with a condition.
    let perimeters = [
        r#"{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"},
           {"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*","Condition":{"StringNotEquals":{"KEY":"OURS"}}}"#,
        r#"{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*","Condition":{"StringEquals":{"KEY":"OURS"}}}"#,
    ];
    for (perimeter, key) in perimeters.iter().flat_map(|perimeter| ORGANIZATION_KEYS.map(|key| (perimeter, key))) {
        let statements = perimeter.replace("KEY", key);
        let policy =
            |id: &str| format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.replace("OURS", id));
        assert!(create(&policy("o-a1b2c3d4e5"), false).await.is_ok(), "{statements}");
        assert!(create(&policy("o-0000000000"), false).await.is_err(), "{statements}");
    }
    for malformed in ["", "{}", r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}]}"#]
    {
        assert!(matches!(create(malformed, true).await, Err(KmsError::MalformedPolicy { .. })), "{malformed}");
    }
}

#[tokio::test]
async fn a_service_keeps_one_key_for_an_account() {
    let lake = lake();
    let scope = scope_of(&root());
    let key = lake.kms.managed_key(&scope, "s3").await.expect("made");
    assert_eq!(lake.kms.managed_key(&scope, "s3").await.expect("found"), key);
    let other = Scope { account: AccountId::new(OTHER).expect("an account"), region: scope.region.clone() };
    assert_ne!(lake.kms.managed_key(&other, "s3").await.expect("made").id, key.id);
    let via = |principal: &Principal, service: &str| {
        let requirement = lake.kms.requirement("kms:Decrypt", &scope_of(principal), &key.arn().to_string());
        lake.caller_with(principal, vec![requirement.expect("one").with("kms:ViaService", service)]).is_ok()
    };
    // Everyone of the account, but only through the service.
    assert!(via(&user("000000000000", "plain"), "s3.us-east-1.amazonaws.com"));
    assert!(!via(&user("000000000000", "allowed"), "glue.us-east-1.amazonaws.com"));
    assert!(!via(&user(OTHER, "allowed"), "s3.us-east-1.amazonaws.com"));
    let caller = lake.caller_with(&root(), vec![]).expect("root");
    let refused = lake.kms.disable_key(&caller, "alias/aws/s3").await;
    assert!(matches!(refused, Err(KmsError::Moved { .. })), "{refused:?}");
    assert!(lake.on(&root(), "kms:DisableKey", "alias/aws/s3").is_err());
}

#[tokio::test]
async fn material_is_sealed_for_its_key() {
    let lake = lake();
    let (key, other) = (lake.make(None).await, lake.make(None).await);
    let sealed = lake.encrypt(&key.id, b"secret", &context(&[])).expect("encrypted");
    // Another process, with nothing open: one key's material put in the place of another's does not open.
    let (store, at, from) = (
        lake.store.clone(),
        records::material_key(&key.account, &key.id, 1),
        records::material_key(&other.account, &other.id, 1),
    );
    let swap = tarn_metadata::StoreExt::write(&*store, move |tx| {
        let material = tarn_metadata::Read::get(tx, KMS_MATERIAL, &from)?.expect("there");
        tx.put(KMS_MATERIAL, &at, &material)?;
        Ok::<_, KmsError>(())
    });
    swap.await.expect("swapped");
    let lake = Lake { kms: Kms::new(store, lake.keys.clone(), lake.runtime.clone(), DAY_MS, None, None), ..lake };
    let refused = lake.decrypt(None, &sealed.blob, &context(&[]));
    assert!(matches!(refused, Err(KmsError::Keys(crate::KeysError::NotAuthentic { .. }))), "{refused:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What comes back is what was encrypted; one flipped bit or one cut byte anywhere, and nothing does.
    #[test]
    fn ciphertexts_are_whole_or_nothing(
        plaintext in prop::collection::vec(any::<u8>(), 1..300),
        pairs in prop::collection::btree_map("[a-z]{1,3}", "\\PC{0,8}", 0..4),
        flip in any::<prop::sample::Index>(),
        bit in 0_u8..8,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let lake = lake();
        let key = runtime.block_on(lake.make(None));
        let context = EncryptionContext::new(pairs).expect("small");
        let sealed = lake.encrypt(&key.id, &plaintext, &context).expect("encrypted");
        let opened = lake.decrypt(None, &sealed.blob, &context).expect("opened");
        prop_assert_eq!(opened.plaintext.expose(), &plaintext[..]);
        prop_assert!(!sealed.blob.windows(plaintext.len().min(8)).any(|window| plaintext.len() >= 8 && window == &plaintext[..8]));
        let mut blob = sealed.blob.clone();
        let at = flip.index(blob.len());
        blob[at] ^= 1 << bit;
        prop_assert!(lake.decrypt(None, &blob, &context).is_err());
        prop_assert!(lake.decrypt(None, &sealed.blob[..at], &context).is_err());
        prop_assert!(lake.decrypt(None, &sealed.blob, &context.with("one", "more").with("and", "another")).is_err());
    }

    /// Whatever bytes come, they are refused without a panic.
    #[test]
    fn garbage_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let lake = lake();
        prop_assert!(lake.decrypt(None, &bytes, &EncryptionContext::default()).is_err());
        let mut named = vec![1];
        named.extend_from_slice(b"000000000000");
        named.extend_from_slice(&bytes);
        prop_assert!(lake.decrypt(None, &named, &EncryptionContext::default()).is_err());
    }
}
