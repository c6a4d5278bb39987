//! What fuzzers and property tests feed bytes to: each probe reads arbitrary bytes as one thing that callers bring, and panics where what
//! comes of them breaks a rule; it tells whether they were such a thing at all. The targets are in `fuzz/`.

use std::sync::{Arc, OnceLock};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tarn_audit::{Caller, EventDraft};
use tarn_metadata::MemoryStore;
use tarn_policy::{Authorized, BoundAuthorizer, Context, LakeAuthorizer, Principal};
use tarn_types::{AccountId, Region, Scope};

use crate::session_tokens::{Claims, Holder};
use crate::*;

/// A probe.
pub type Probe = fn(&[u8]) -> bool;

/// Probes by their names, which their targets and folders of seeds have, too.
pub const ALL: [(&str, Probe); 2] = [("session_token", session_token), ("oidc_token", oidc_token)];

const ISSUER: &str = "https://id.example.com/realms/lake";
const CLIENT: &str = "lake";
const KEYS_URL: &str = "https://keys.example.com/certs";
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sts:AssumeRoleWithWebIdentity",
    "sts:TagSession","sts:SetSourceIdentity"],"Principal":{"Federated":"arn:aws:iam::000000000000:oidc-provider/id.example.com/realms/lake"}}]}"#;

/// An issuer that is not asked for over a network.
struct Issuer(EcdsaKeyPair);

impl Issuers for Issuer {
    fn fetch<'a>(&'a self, url: &'a str, _: &'a [String], _: usize) -> BoxFuture<'a, Result<Vec<u8>, String>> {
        let point = self.0.public_key().as_ref().get(1..).unwrap_or_default();
        let (x, y) = point.split_at(point.len() / 2);
        let (x, y) = (BASE64_URL_SAFE_NO_PAD.encode(x), BASE64_URL_SAFE_NO_PAD.encode(y));
        let found = match url {
            KEYS_URL => json!({ "keys": [{ "kty": "EC", "kid": "k", "crv": "P-256", "x": x, "y": y }] }),
            _ => json!({ "issuer": ISSUER, "jwks_uri": KEYS_URL }),
        };
        async move { Ok(found.to_string().into_bytes()) }.boxed()
    }
}

impl Issuer {
    /// A token that says `claims`, whatever they are.
    fn token(&self, claims: &[u8]) -> Option<String> {
        let header = BASE64_URL_SAFE_NO_PAD.encode(json!({ "alg": "ES256", "typ": "JWT", "kid": "k" }).to_string());
        let message = format!("{header}.{}", BASE64_URL_SAFE_NO_PAD.encode(claims));
        let signature = self.0.sign(&SystemRandom::new(), message.as_bytes()).ok()?;
        Some(format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature.as_ref())))
    }
}

/// Issuers are asked by tasks of their own.
fn block_on<T>(asked: impl Future<Output = T>) -> Option<T> {
    static RUNTIME: OnceLock<Option<tokio::runtime::Runtime>> = OnceLock::new();
    let made = RUNTIME.get_or_init(|| tokio::runtime::Builder::new_current_thread().enable_time().build().ok());
    Some(made.as_ref()?.block_on(asked))
}

/// A lake with credentials that it gave, and with a role for who comes from an issuer.
struct Lake {
    identity: Arc<Identity>,
    issuer: Arc<Issuer>,
    runtime: Runtime,
    given: SessionCredentials,
}

impl Lake {
    fn new() -> Option<Self> {
        let (runtime, _) = Runtime::fixed(tarn_runtime::Timestamp::UNIX_EPOCH, 7);
        let issuer = Arc::new(Issuer(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok()?));
        let keys = Keys::ephemeral(&runtime).ok()?;
        let identity = Identity::new(Arc::new(MemoryStore::new()), keys, runtime.clone()).with_issuers(issuer.clone());
        let identity = Arc::new(identity);
        let account = AccountConfig {
            id: AccountId::first(),
            name: "first".to_owned(),
            email: "root@example.com".to_owned(),
            canonical_user_id: None,
            root: None,
            users: Vec::new(),
        };
        block_on(identity.bootstrap(&Region::us_east_1(), vec![account]))?.ok()?;
        let claims = Claims {
            account: AccountId::first(),
            holder: Holder::Root,
            issued_ms: 0,
            expires_ms: 3_600_000,
            policy: None,
            policy_arns: Vec::new(),
            tags: Vec::new(),
            transitive_tag_keys: Vec::new(),
            source_identity: None,
            federated_provider: None,
        };
        let given = identity.issue(&claims).ok()?;
        let lake = Self { identity, issuer, runtime, given };
        let root = lake.caller(Principal::root(AccountId::first()));
        let provider = NewOidcProvider {
            url: ISSUER.to_owned(),
            client_ids: vec![CLIENT.to_owned()],
            ..NewOidcProvider::default()
        };
        block_on(lake.identity.create_oidc_provider(&root, provider))?.ok()?;
        let role = NewRole { name: "r".to_owned(), trust_policy: TRUST.to_owned(), ..NewRole::default() };
        block_on(lake.identity.create_role(&root, role))?.ok()?;
        Some(lake)
    }

    fn caller(&self, principal: Principal) -> Caller {
        let draft = EventDraft {
            id: self.runtime.entropy.bytes(),
            request_id: "r".to_owned(),
            time_ms: 0,
            event_source: "sts.amazonaws.com".to_owned(),
            event_name: "Test".to_owned(),
            read_only: false,
            management: true,
            scope: Scope { account: AccountId::first(), region: Region::us_east_1() },
            principal: principal.clone(),
            source_ip: "127.0.0.1".to_owned(),
            user_agent: String::new(),
            request_parameters: "null".to_owned(),
            resources: Vec::new(),
        };
        let authorizer = Arc::new(LakeAuthorizer::new(self.identity.clone(), vec![self.identity.clone()]));
        let bound = BoundAuthorizer::new(authorizer, principal, Context::new());
        Caller::new(Authorized::internal("fuzz", AccountId::first()), bound, draft)
    }

    fn session_for(&self, token: &str) -> Result<WebIdentitySession, IdentityError> {
        let asked = AssumeRoleWithWebIdentity {
            role_arn: "arn:aws:iam::000000000000:role/r".to_owned(),
            session_name: "s".to_owned(),
            token: token.to_owned(),
            ..AssumeRoleWithWebIdentity::default()
        };
        let caller = self.caller(Principal::anonymous());
        let asked = self.identity.assume_role_with_web_identity(&caller, asked);
        block_on(asked).unwrap_or(Err(IdentityError::TokenInvalid))
    }
}

fn lake() -> Option<&'static Lake> {
    static LAKE: OnceLock<Option<Lake>> = OnceLock::new();
    LAKE.get_or_init(Lake::new).as_ref()
}

/// A session token: the bytes as they are, and laid over one that was given. What opens is what was given, and with its own key alone.
pub fn session_token(bytes: &[u8]) -> bool {
    let Some(lake) = lake() else { return false };
    let Some(given) = lake.given.token.expose_text() else { return false };
    let mut laid = BASE64_STANDARD.decode(given).unwrap_or_default();
    laid.iter_mut().zip(bytes).for_each(|(byte, over)| *byte ^= over);
    let cut = laid.len().min(bytes.len());
    let mut spelt = given.as_bytes().to_vec();
    spelt.iter_mut().zip(bytes).for_each(|(byte, over)| *byte ^= over);
    let texts = [
        String::from_utf8_lossy(bytes).into_owned(),
        BASE64_STANDARD.encode(bytes),
        BASE64_STANDARD.encode(&laid),
        BASE64_STANDARD.encode(laid.get(..cut).unwrap_or_default()),
        String::from_utf8_lossy(&spelt).into_owned(),
    ];
    let now = tarn_runtime::Timestamp::UNIX_EPOCH;
    for token in &texts {
        match lake.identity.session(&lake.given.access_key_id, token, now) {
            Ok(key) => assert!(token == given && key.principal.account == AccountId::first(), "{token:?} opened"),
            Err(IdentityError::TokenInvalid | IdentityError::TokenExpired) => {
                assert!(token != given, "what was given does not open");
            }
            Err(error) => panic!("{token:?}: {error}"),
        }
        let other = "ASIAIOSFODNN7EXAMPLE";
        assert!(lake.identity.session(other, token, now).is_err(), "{token:?} opened with another key");
        let key = String::from_utf8_lossy(bytes);
        let opened = lake.identity.session(&key, given, now);
        assert!(opened.is_err() || key == lake.given.access_key_id, "{key:?} opens what is another key's");
    }
    !bytes.is_empty()
}

/// An identity provider's token: the bytes as one, which nobody signed, and as the claims of one that the provider signed. Who gets a session
/// is who the claims are about, of that issuer, for that client and now.
pub fn oidc_token(bytes: &[u8]) -> bool {
    let Some(lake) = lake() else { return false };
    let unsigned = String::from_utf8_lossy(bytes);
    assert!(lake.session_for(&unsigned).is_err(), "{unsigned:?} is believed");
    let Some(token) = lake.issuer.token(bytes) else { return false };
    // claims with another's signature
    let stolen = lake.issuer.token(b"{}").unwrap_or_default();
    if let (Some((claims, _)), Some((_, signature))) = (token.rsplit_once('.'), stolen.rsplit_once('.')) {
        assert!(lake.session_for(&format!("{claims}.{signature}")).is_err(), "{claims} is believed");
    }
    let Ok(made) = lake.session_for(&token) else { return serde_json::from_slice::<Value>(bytes).is_ok() };
    let claims: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let names = |claim: &Value, name: &str| match claim {
        Value::Array(texts) => texts.iter().any(|text| text == name),
        text => text == name,
    };
    assert!(claims["iss"] == ISSUER, "{claims}");
    assert!(names(&claims["aud"], CLIENT) || names(&claims["azp"], CLIENT), "{claims}");
    assert!(claims["sub"] == made.subject.as_str() && made.audience == CLIENT, "{claims}");
    assert!(claims["exp"].as_f64().is_some_and(|seconds| seconds > 0.0), "{claims}");
    true
}
