//! Tokens of identity providers: which signatures count, for whom, when, and what a role's trust policy is asked.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512,
    RsaEncoding,
};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::*;

const ISSUER: &str = "https://id.example.com/realms/lake";
const PROVIDER: &str = "arn:aws:iam::000000000000:oidc-provider/id.example.com/realms/lake";
/// What the clock of the lake shows.
const NOW: i64 = 1_000_000;

fn text(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

enum Signer {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair, &'static str),
}

impl Signer {
    fn rsa() -> Self {
        Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"))
    }

    fn p256() -> Self {
        Self::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"), "P-256")
    }

    fn p384() -> Self {
        Self::Ec(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect("a key"), "P-384")
    }

    fn p521() -> Self {
        Self::Ec(EcdsaKeyPair::generate(&ECDSA_P521_SHA512_FIXED_SIGNING).expect("a key"), "P-521")
    }

    fn jwk(&self, id: &str) -> Value {
        match self {
            Self::Rsa(key) => {
                let public = key.public_key();
                json!({
                    "kty": "RSA", "kid": id, "use": "sig", "e": text(public.exponent().big_endian_without_leading_zero()),
                    "n": text(public.modulus().big_endian_without_leading_zero()),
                })
            }
            Self::Ec(key, curve) => {
                let point = &key.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({ "kty": "EC", "kid": id, "crv": curve, "x": text(x), "y": text(y) })
            }
        }
    }

    fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Ec(key, _) => key.sign(&random, message).expect("signed").as_ref().to_vec(),
            Self::Rsa(key) => {
                let encoding: &'static dyn RsaEncoding = match algorithm {
                    "RS384" => &RSA_PKCS1_SHA384,
                    "RS512" => &RSA_PKCS1_SHA512,
                    "PS256" => &RSA_PSS_SHA256,
                    "PS384" => &RSA_PSS_SHA384,
                    "PS512" => &RSA_PSS_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(encoding, &random, message, &mut signature).expect("signed");
                signature
            }
        }
    }

    fn token_of(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", text(header.to_string()), text(claims.to_string()));
        let algorithm = header["alg"].as_str().unwrap_or_default();
        format!("{message}.{}", text(self.sign(algorithm, message.as_bytes())))
    }
}

/// Issuers that answer what the test put there.
#[derive(Default)]
struct Documents {
    keys: Mutex<Vec<Value>>,
    /// What the configuration says that the issuer is; ours, if nothing.
    issuer: Mutex<Option<&'static str>>,
    is_down: Mutex<bool>,
    fetched: Mutex<Vec<String>>,
    /// Held by a test while nobody is to be answered.
    answering: tokio::sync::Mutex<()>,
}

impl Issuers for Documents {
    fn fetch<'a>(&'a self, url: &'a str, _: &'a [String], _: usize) -> BoxFuture<'a, Result<Vec<u8>, String>> {
        async move {
            self.fetched.lock().push(url.to_owned());
            let _answering = self.answering.lock().await;
            if *self.is_down.lock() {
                return Err("it is down".to_owned());
            }
            let keys = "https://keys.example.com/certs";
            let found = match url {
                url if url == keys => json!({ "keys": *self.keys.lock() }),
                url if url == format!("{ISSUER}/.well-known/openid-configuration") => {
                    json!({ "issuer": self.issuer.lock().unwrap_or(ISSUER), "jwks_uri": keys })
                }
                other => return Err(format!("there is nothing at {other}")),
            };
            Ok(found.to_string().into_bytes())
        }
        .boxed()
    }
}

struct Realm {
    lake: Lake,
    identity: Arc<Identity>,
    documents: Arc<Documents>,
    rsa: Signer,
}

fn claims() -> Value {
    json!({ "iss": ISSUER, "sub": "ada", "aud": "lake", "exp": NOW + 600, "iat": NOW, "nbf": NOW })
}

fn header() -> Value {
    json!({ "alg": "RS256", "typ": "JWT", "kid": "rsa" })
}

/// `changes` over `base`; null takes a member away.
fn with(base: Value, changes: Value) -> Value {
    let (Value::Object(mut base), Value::Object(changes)) = (base, changes) else { panic!("objects") };
    for (name, value) in changes {
        match value {
            Value::Null => drop(base.remove(&name)),
            value => drop(base.insert(name, value)),
        }
    }
    Value::Object(base)
}

fn trust(conditions: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Federated":"{PROVIDER}"}},
        "Action":["sts:AssumeRoleWithWebIdentity","sts:TagSession","sts:SetSourceIdentity"],"Condition":{conditions}}}]}}"#
    )
}

impl Realm {
    async fn new() -> Self {
        let lake = lake();
        let documents = Arc::new(Documents::default());
        let keys = Keys::ephemeral(&lake.runtime).expect("keys");
        let identity = Identity::new(lake.store.clone(), keys, lake.runtime.clone()).with_issuers(documents.clone());
        let identity = Arc::new(identity);
        identity.bootstrap(&Region::us_east_1(), vec![config(None, &[])]).await.expect("bootstrap");
        let rsa = Signer::rsa();
        documents.keys.lock().push(rsa.jwk("rsa"));
        let new = NewOidcProvider { url: ISSUER.to_owned(), client_ids: vec!["lake".to_owned()], ..Default::default() };
        identity.create_oidc_provider(&lake.caller(), new).await.expect("provider");
        let new = NewRole { name: "reader".to_owned(), trust_policy: trust("{}"), ..NewRole::default() };
        identity.create_role(&lake.caller(), new).await.expect("role");
        Self { lake, identity, documents, rsa }
    }

    async fn assume_at(&self, now: i64, token: &str) -> Result<WebIdentitySession, IdentityError> {
        let nobody = Principal::anonymous();
        let authorizer = Arc::new(LakeAuthorizer::new(self.identity.clone(), vec![self.identity.clone()]));
        let needs = Requirement::any("sts:AssumeRoleWithWebIdentity").of_callers_own();
        let authorized = authorizer.authorize(&nobody, vec![needs], &Context::new()).expect("anybody may ask");
        let mut draft = self.lake.caller().event().clone();
        (draft.principal, draft.time_ms) = (nobody.clone(), now * 1_000);
        draft.id = self.lake.runtime.entropy.bytes();
        let caller = Caller::new(authorized, BoundAuthorizer::new(authorizer, nobody, Context::new()), draft);
        let asked = AssumeRoleWithWebIdentity {
            role_arn: "arn:aws:iam::000000000000:role/reader".to_owned(),
            session_name: "s1".to_owned(),
            token: token.to_owned(),
            ..AssumeRoleWithWebIdentity::default()
        };
        self.identity.assume_role_with_web_identity(&caller, asked).await
    }

    /// What comes of a token: its subject, or the kind of error with its words.
    async fn came_of(&self, token: &str) -> String {
        match self.assume_at(NOW, token).await {
            Ok(made) => format!("{} {}", made.subject, made.audience),
            Err(IdentityError::WebTokenInvalid { reason }) => format!("invalid: {reason}"),
            Err(IdentityError::WebTokenExpired { .. }) => "expired".to_owned(),
            Err(IdentityError::ClaimRejected { reason }) => format!("rejected: {reason}"),
            Err(IdentityError::IssuerUnreachable { reason, .. }) => format!("unreachable: {reason}"),
            Err(IdentityError::Refused { reason }) => format!("refused: {reason}"),
            Err(other) => format!("other: {other}"),
        }
    }

    async fn check(&self, token: &str, expected: &str) {
        let found = self.came_of(token).await;
        assert!(found.starts_with(expected) || found.contains(expected), "{found}, not {expected}: {token}");
    }
}

#[tokio::test]
async fn only_signatures_of_the_issuers_keys_count() {
    let realm = Realm::new().await;
    let (p256, p384, p521) = (Signer::p256(), Signer::p384(), Signer::p521());
    let (rs_only, sealing, stranger) = (Signer::rsa(), Signer::rsa(), Signer::rsa());
    *realm.documents.keys.lock() = vec![
        realm.rsa.jwk("rsa"),
        p256.jwk("p256"),
        p384.jwk("p384"),
        with(p521.jwk("p521"), json!({ "alg": "ES512", "use": "sig" })),
        with(p521.jwk("p521-enc"), json!({ "use": "enc" })),
        with(rs_only.jwk("rs-only"), json!({ "alg": "RS256" })),
        with(sealing.jwk("sealing"), json!({ "use": "enc" })),
        json!({ "kty": "oct", "kid": "secret", "k": text("a secret that is known to everybody") }),
        json!({ "kty": "of-the-future", "kid": "x" }),
    ];
    for algorithm in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] {
        realm.check(&realm.rsa.token_of(&with(header(), json!({ "alg": algorithm })), &claims()), "ada lake").await;
    }
    let of = |signer: &Signer, algorithm: &str, kid: &str| {
        signer.token_of(&with(header(), json!({ "alg": algorithm, "kid": kid })), &claims())
    };
    realm.check(&of(&p256, "ES256", "p256"), "ada lake").await;
    realm.check(&of(&p384, "ES384", "p384"), "ada lake").await;
    realm.check(&of(&p521, "ES512", "p521"), "ada lake").await;
    realm.check(&of(&rs_only, "RS256", "rs-only"), "ada lake").await;
    realm.check(&realm.rsa.token_of(&with(header(), json!({ "kid": null })), &claims()), "ada lake").await;
    // A key is for one kind of signature; a signature of one kind is no other's.
    const NO_KEY: &str = "invalid: Couldn't retrieve verification key";
    realm.check(&of(&rs_only, "PS256", "rs-only"), NO_KEY).await;
    realm.check(&of(&p384, "ES256", "p384"), NO_KEY).await;
    realm.check(&of(&p256, "ES384", "p256"), NO_KEY).await;
    realm.check(&of(&p521, "ES384", "p521"), NO_KEY).await;
    realm.check(&of(&p521, "ES512", "p521-enc"), NO_KEY).await;
    realm.check(&of(&p384, "ES512", "p384"), NO_KEY).await;
    realm.check(&of(&p384, "ES512", "p521"), NO_KEY).await;
    let of_p521 = of(&p521, "ES512", "p521");
    let parts: Vec<&str> = of_p521.split('.').collect();
    let forged = text(with(claims(), json!({ "sub": "root" })).to_string());
    realm.check(&format!("{}.{forged}.{}", parts[0], parts[2]), NO_KEY).await;
    realm.check(&format!("{}.{}.{forged}.{}", parts[0], parts[1], parts[2]), "invalid").await;
    let critical = with(header(), json!({ "alg": "ES512", "kid": "p521", "crit": ["b64"], "b64": false }));
    realm.check(&p521.token_of(&critical, &claims()), "invalid: The token has critical extensions").await;
    realm.check(&of(&realm.rsa, "ES256", "rsa"), NO_KEY).await;
    realm.check(&of(&p256, "RS256", "p256"), NO_KEY).await;
    realm.check(&of(&sealing, "RS256", "sealing"), NO_KEY).await;
    realm.check(&of(&stranger, "RS256", "rsa"), NO_KEY).await;
    realm.check(&of(&stranger, "RS256", "stranger"), NO_KEY).await;
    // No signature, or one by what everybody knows, is none.
    let unsigned = |algorithm: &str| {
        format!("{}.{}.", text(with(header(), json!({ "alg": algorithm })).to_string()), text(claims().to_string()))
    };
    for algorithm in ["none", "None", "NONE", "", "HS999"] {
        realm.check(&unsigned(algorithm), "invalid: The header of the token").await;
    }
    for (algorithm, kid) in [("HS256", "secret"), ("HS512", "secret"), ("HS256", "rsa"), ("EdDSA", "rsa")] {
        realm.check(&of(&realm.rsa, algorithm, kid), "invalid: Tokens that are signed with").await;
    }
    realm.check(&unsigned("RS256"), NO_KEY).await;
    // A key that the token brings itself is nobody's.
    let own = with(header(), json!({ "kid": null, "jwk": stranger.jwk("mine"), "jku": "https://evil.example.com" }));
    realm.check(&stranger.token_of(&own, &claims()), NO_KEY).await;
    let critical = with(header(), json!({ "crit": ["b64"], "b64": false }));
    realm.check(&realm.rsa.token_of(&critical, &claims()), "invalid: The token has critical extensions").await;
    // What was signed is what is said.
    let token = realm.rsa.token_of(&header(), &claims());
    let parts: Vec<&str> = token.split('.').collect();
    let forged = text(with(claims(), json!({ "sub": "root" })).to_string());
    realm.check(&format!("{}.{forged}.{}", parts[0], parts[2]), NO_KEY).await;
    for token in ["", "a", "a.b", "a.b.c", "a.b.c.d", "....", &token[..token.len() / 2]] {
        realm.check(token, "invalid").await;
    }
    assert!(
        realm
            .documents
            .fetched
            .lock()
            .iter()
            .all(|url| url.starts_with("https://id.") || url.starts_with("https://keys."))
    );
}

#[tokio::test]
async fn a_token_is_for_whom_when_and_from_where_it_says() {
    let realm = Realm::new().await;
    let check = async |changes: Value, expected: &str| {
        realm.check(&realm.rsa.token_of(&header(), &with(claims(), changes)), expected).await;
    };
    check(json!({}), "ada lake").await;
    check(json!({ "exp": NOW + 1 }), "ada").await;
    check(json!({ "exp": NOW as f64 + 0.5 }), "expired").await;
    check(json!({ "exp": NOW }), "expired").await;
    check(json!({ "exp": -1 }), "expired").await;
    check(json!({ "exp": null }), "invalid: A claim of the token").await;
    check(json!({ "exp": "tomorrow" }), "invalid: A claim of the token").await;
    check(json!({ "exp": 1e300 }), "rejected").await;
    check(json!({ "nbf": NOW + 300 }), "ada").await;
    check(json!({ "nbf": NOW + 301 }), "rejected: The token is of the future").await;
    check(json!({ "iat": NOW + 301 }), "rejected: The token is of the future").await;
    check(json!({ "nbf": null, "iat": null }), "ada").await;
    check(json!({ "sub": null }), "invalid: A claim of the token").await;
    check(json!({ "aud": null }), "invalid: A claim of the token").await;
    check(json!({ "aud": "other" }), "invalid: Incorrect token audience").await;
    check(json!({ "aud": ["other", "lake"] }), "ada lake").await;
    check(json!({ "aud": [] }), "invalid: Incorrect token audience").await;
    check(json!({ "aud": "other", "azp": "lake" }), "ada lake").await;
    check(json!({ "azp": "other" }), "invalid: Incorrect token audience").await;
    for issuer in [
        "https://id.example.com/realms/other",
        "http://id.example.com/realms/lake",
        "https://id.example.com/realms",
        "id.example.com/realms/lake",
        "",
    ] {
        check(json!({ "iss": issuer }), "invalid: No OpenIDConnect provider found").await;
    }
    check(json!({ "iss": null }), "invalid").await;
    check(json!({ "iss": format!("{ISSUER}/") }), "ada lake").await;
    *realm.documents.issuer.lock() = Some("https://evil.example.com");
    let later = NOW + 2 * 60 * 60;
    let token = realm.rsa.token_of(&header(), &with(claims(), json!({ "exp": later + 600 })));
    let refused = realm.assume_at(later, &token).await.expect_err("another's configuration");
    assert!(refused.to_string().contains("https://evil.example.com"), "{refused}");
}

#[tokio::test]
async fn trust_policies_ask_what_the_token_says() {
    let realm = Realm::new().await;
    let update = async |conditions: &str| {
        let caller = realm.lake.caller();
        realm.identity.update_trust_policy(&caller, "reader", &trust(conditions)).await.expect("trust");
    };
    let check = async |changes: Value, expected: &str| {
        realm.check(&realm.rsa.token_of(&header(), &with(claims(), changes)), expected).await;
    };
    const NO: &str = "refused: Not authorized to perform sts:AssumeRoleWithWebIdentity";
    let key = |name: &str| format!("id.example.com/realms/lake:{name}");
    update(&format!(r#"{{"StringEquals":{{"{}":"lake","{}":"ada"}}}}"#, key("aud"), key("sub"))).await;
    check(json!({}), "ada lake").await;
    check(json!({ "sub": "bob" }), NO).await;
    update(&format!(r#"{{"ForAnyValue:StringEquals":{{"{}":"mfa"}}}}"#, key("amr"))).await;
    check(json!({}), NO).await;
    check(json!({ "amr": ["pwd", "mfa"] }), "ada").await;
    check(json!({ "amr": "mfa" }), "ada").await;
    update(&format!(r#"{{"StringLike":{{"{}":"oth*"}}}}"#, key("oaud"))).await;
    check(json!({ "aud": "other", "azp": "lake" }), "ada lake").await;
    check(json!({}), NO).await;
    // Tags are the session's, and its trust policy is asked for them.
    let tags = |tags: Value| json!({ "https://aws.amazon.com/tags": tags });
    update(r#"{"StringEquals":{"aws:RequestTag/team":"lake"}}"#).await;
    check(json!({}), NO).await;
    let lake = json!({ "principal_tags": { "team": ["lake"] }, "transitive_tag_keys": ["team"] });
    check(tags(lake.clone()), "ada").await;
    check(tags(json!({ "principal_tags": { "team": ["other"] } })), NO).await;
    check(tags(json!({ "principal_tags": { "team": ["lake", "other"] } })), "rejected").await;
    check(tags(json!({ "principal_tags": {}, "transitive_tag_keys": ["team"] })), "rejected").await;
    check(tags(json!("team=lake")), "rejected").await;
    check(tags(json!({ "principal_tags": { "aws:x": ["y"] } })), "rejected").await;
    update("{}").await;
    let source = json!({ "https://aws.amazon.com/source_identity": "ada@example.com" });
    let token = realm.rsa.token_of(&header(), &with(claims(), with(source, tags(lake))));
    let made = realm.assume_at(NOW, &token).await.expect("a session");
    assert_eq!((made.provider.as_str(), made.session.source_identity.as_deref()), (PROVIDER, Some("ada@example.com")));
    let credentials = &made.session.credentials;
    let token = credentials.token.expose_text().expect("text");
    let at = Timestamp::from_second(NOW).expect("time");
    let key = realm.identity.session(&credentials.access_key_id, token, at).expect("it opens");
    assert_eq!(key.principal.standing.tags.get("team").map(String::as_str), Some("lake"));
    let session = key.principal.standing.session.expect("a session");
    assert_eq!(session.federated_provider.as_deref(), Some(PROVIDER));
    // Who is trusted some other way is not whom a provider vouches for.
    let caller = realm.lake.caller();
    let other = trust("{}").replace("Federated", "AWS").replace(PROVIDER, "arn:aws:iam::000000000000:root");
    realm.identity.update_trust_policy(&caller, "reader", &other).await.expect("trust");
    check(json!({}), NO).await;
}

#[tokio::test]
async fn an_issuer_is_asked_no_oftener_than_it_must_be() {
    let realm = Realm::new().await;
    let fetched = || realm.documents.fetched.lock().len();
    let good =
        |until: i64| realm.rsa.token_of(&header(), &with(claims(), json!({ "exp": until, "nbf": null, "iat": null })));
    let unknown = |until: i64| {
        let header = with(header(), json!({ "kid": "new" }));
        realm.rsa.token_of(&header, &with(claims(), json!({ "exp": until, "nbf": null, "iat": null })))
    };
    for _ in 0..3 {
        realm.assume_at(NOW, &good(NOW + 10)).await.expect("known");
    }
    assert_eq!(fetched(), 2, "the configuration and the keys, once");
    // Unknown keys are asked for, but not again and again.
    for second in 0..29 {
        realm.assume_at(NOW + second, &unknown(NOW + 100)).await.expect_err("unknown");
    }
    assert_eq!(fetched(), 2);
    realm.documents.keys.lock().push(realm.rsa.jwk("new"));
    realm.assume_at(NOW + 30, &unknown(NOW + 100)).await.expect("the issuer has a new key");
    assert_eq!(fetched(), 4);
    // Keys that are gone are gone within the hour.
    realm.documents.keys.lock().remove(0);
    realm.assume_at(NOW + 3_600, &good(NOW + 9_000)).await.expect("still known");
    realm.assume_at(NOW + 3_631, &good(NOW + 9_000)).await.expect_err("not any more");
    assert_eq!(fetched(), 6);
    // One that is down is left alone for a while.
    *realm.documents.is_down.lock() = true;
    for second in 0..29 {
        let error = realm.assume_at(NOW + 9_000 + second, &unknown(NOW + 20_000)).await.expect_err("down");
        assert!(matches!(error, IdentityError::IssuerUnreachable { .. }), "{error}");
    }
    assert_eq!(fetched(), 7);
    *realm.documents.is_down.lock() = false;
    realm.assume_at(NOW + 9_030, &unknown(NOW + 20_000)).await.expect("it is back");
    // A provider that is forgotten vouches for nobody.
    realm.identity.delete_oidc_provider(&realm.lake.caller(), PROVIDER).await.expect("forgotten");
    realm.check(&good(NOW + 100), "invalid: No OpenIDConnect provider found").await;
}

/// Who is asked for a key that is not known is waited for by those who need it, and by nobody else.
#[tokio::test]
async fn known_keys_do_not_wait_for_unknown_ones() {
    let realm = Realm::new().await;
    let fetched = || realm.documents.fetched.lock().len();
    let of_key = |id: &str| {
        let header = with(header(), json!({ "kid": id }));
        realm.rsa.token_of(&header, &with(claims(), json!({ "exp": NOW + 9_000, "nbf": null, "iat": null })))
    };
    let (known, new) = (of_key("rsa"), of_key("new"));
    realm.assume_at(NOW, &known).await.expect("known");
    assert_eq!(fetched(), 2);
    realm.documents.keys.lock().push(realm.rsa.jwk("new"));
    let silent = realm.documents.answering.lock().await;
    let mut waiting = Box::pin(realm.assume_at(NOW + 31, &new));
    let mut too = Box::pin(realm.assume_at(NOW + 31, &new));
    assert!(futures::poll!(&mut waiting).is_pending() && futures::poll!(&mut too).is_pending());
    realm.assume_at(NOW + 31, &known).await.expect("known, and not held up");
    // Who began it goes away; it is asked to the end all the same.
    drop(waiting);
    drop(silent);
    too.await.expect("the issuer has a new key");
    assert_eq!(fetched(), 4, "one question for both");
    // Keys that are too old are used by nobody, not even while the issuer is slow, or down.
    *realm.documents.is_down.lock() = true;
    let late = realm.assume_at(NOW + 31 + 3_600, &known).await.expect_err("too old");
    assert!(matches!(late, IdentityError::IssuerUnreachable { .. }), "{late}");
}
