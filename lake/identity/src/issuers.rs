//! The keys of OIDC issuers, and whether one of them signed a token. Knows no account and no policy; documents are fetched by who can reach
//! issuers. <https://openid.net/specs/openid-connect-discovery-1_0.html>
//!
//! **Invariant:** a key is used only with the kind of signature it is for, and none that was not fetched from the token's own issuer.

use std::num::NonZeroUsize;
use std::sync::Arc;

use aws_lc_rs::signature::{ECDSA_P521_SHA512_FIXED, UnparsedPublicKey};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures::future::BoxFuture;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use lru::LruCache;
use parking_lot::Mutex;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::IdentityError;

/// Issuers whose keys are kept.
const ISSUERS_COUNT_MAX: NonZeroUsize = match NonZeroUsize::new(256) {
    Some(max) => max,
    None => NonZeroUsize::MIN,
};
/// Keys of an issuer.
const KEYS_COUNT_MAX: usize = 100;
/// Keys that a token without a key's id is tried with.
const KEYS_TRIED_MAX: usize = 8;
/// How long keys are used: older ones are fetched again first, and used by nobody meanwhile.
const KEYS_AGE_MAX_MS: i64 = 60 * 60 * 1_000;
/// How often an issuer is asked at most, whatever tokens say.
const FETCH_INTERVAL_MS: i64 = 30 * 1_000;
/// The largest document of an issuer.
const DOCUMENT_SIZE_BYTES_MAX: usize = 256 << 10;

/// Who can reach issuers, and no one else: the guard against requests that a URL forges is there.
pub trait Issuers: Send + Sync {
    /// The document at `url`, of at most `size_bytes_max`. `thumbprints` are those of certificates that the issuer is trusted by where
    /// nobody known here vouches for it. An error is a sentence for the caller.
    fn fetch<'a>(
        &'a self,
        url: &'a str,
        thumbprints: &'a [String],
        size_bytes_max: usize,
    ) -> BoxFuture<'a, Result<Vec<u8>, String>>;
}

/// Where no issuer can be reached.
pub(crate) struct NoIssuers;

impl Issuers for NoIssuers {
    fn fetch<'a>(&'a self, _: &'a str, _: &'a [String], _: usize) -> BoxFuture<'a, Result<Vec<u8>, String>> {
        Box::pin(async { Err("this server reaches no identity providers".to_owned()) })
    }
}

fn invalid(reason: impl Into<String>) -> IdentityError {
    IdentityError::WebTokenInvalid { reason: reason.into() }
}

fn unreachable(issuer: &str, reason: &str) -> IdentityError {
    IdentityError::IssuerUnreachable { issuer: issuer.to_owned(), reason: reason.to_owned() }
}

/// A kind of signature. The library does not know the last, which AWS takes too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signature {
    Jwt(Algorithm),
    Es512,
}

/// What a token's header says of its signature.
struct Head {
    signature: Signature,
    key_id: Option<String>,
}

/// A header, as far as it is looked at before the library reads it.
#[derive(Deserialize)]
struct Es512Header {
    alg: String,
    kid: Option<String>,
    crit: Option<serde_json::Value>,
}

impl Head {
    fn read(token: &str) -> Result<Self, IdentityError> {
        let critical = || invalid("The token has critical extensions, of which none is known.");
        let first = token.split('.').next().unwrap_or_default();
        let seen = BASE64_URL_SAFE_NO_PAD.decode(first).ok();
        let seen = seen.and_then(|bytes| serde_json::from_slice::<Es512Header>(&bytes).ok());
        if let Some(header) = seen.filter(|header| header.alg == ES512) {
            return match header.crit {
                Some(_) => Err(critical()),
                None => Ok(Self { signature: Signature::Es512, key_id: header.kid }),
            };
        }
        let header = decode_header(token).map_err(|_| invalid("The header of the token cannot be read."))?;
        if !is_taken(header.alg) {
            return Err(invalid(format!("Tokens that are signed with {:?} are not taken.", header.alg)));
        }
        if header.crit.is_some() {
            return Err(critical());
        }
        Ok(Self { signature: Signature::Jwt(header.alg), key_id: header.kid })
    }
}

const ES512: &str = "ES512";
/// Bytes of a coordinate of a point on P-521.
const P521_COORDINATE_BYTES: usize = 66;

/// The kinds of signature that are taken, of those that the library knows: none without a signature, and none by a secret that two share.
fn is_taken(algorithm: Algorithm) -> bool {
    use Algorithm as A;
    matches!(algorithm, A::RS256 | A::RS384 | A::RS512 | A::PS256 | A::PS384 | A::PS512 | A::ES256 | A::ES384)
}

/// A public key of an issuer.
struct IssuerKey {
    id: Option<String>,
    /// The one kind of signature it is for, if the issuer said.
    algorithm: Option<KeyAlgorithm>,
    /// The curve of an elliptic one; nothing for RSA.
    curve: Option<EllipticCurve>,
    key: VerifyingKey,
}

/// What signatures are checked with.
enum VerifyingKey {
    Jwt(DecodingKey),
    /// A point on P-521, not compressed.
    P521(Vec<u8>),
}

/// A key on P-521, as it is written.
#[derive(Deserialize)]
struct P521Jwk {
    kty: String,
    crv: String,
    x: String,
    y: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
}

impl P521Jwk {
    fn key(self) -> Option<IssuerKey> {
        let is_for_it = self.kty == "EC"
            && self.crv == "P-521"
            && self.usage.is_none_or(|usage| usage == "sig")
            && self.alg.is_none_or(|algorithm| algorithm == ES512);
        let coordinate = |text: &str| {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
            (bytes.len() == P521_COORDINATE_BYTES).then_some(bytes)
        };
        let point = [vec![4], coordinate(&self.x)?, coordinate(&self.y)?].concat();
        let curve = Some(EllipticCurve::P521);
        is_for_it.then_some(IssuerKey { id: self.kid, algorithm: None, curve, key: VerifyingKey::P521(point) })
    }
}

/// What came of a token and a key.
enum Tried<T> {
    Said(T),
    /// The signature is right, what was signed cannot be read.
    Unreadable(String),
    /// The signature is not by this key.
    NotSigned,
}

/// A token that is signed by a key on P-521.
fn try_es512<T: DeserializeOwned>(token: &str, point: &[u8]) -> Tried<T> {
    let Some((signed, signature)) = token.rsplit_once('.') else { return Tried::NotSigned };
    let Some((_, claims)) = signed.split_once('.').filter(|(_, claims)| !claims.contains('.')) else {
        return Tried::NotSigned;
    };
    let Ok(signature) = BASE64_URL_SAFE_NO_PAD.decode(signature) else { return Tried::NotSigned };
    if UnparsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, point).verify(signed.as_bytes(), &signature).is_err() {
        return Tried::NotSigned;
    }
    let Ok(claims) = BASE64_URL_SAFE_NO_PAD.decode(claims) else { return Tried::NotSigned };
    match serde_json::from_slice(&claims) {
        Ok(said) => Tried::Said(said),
        Err(error) => Tried::Unreadable(error.to_string()),
    }
}

fn try_jwt<T: DeserializeOwned + Clone>(token: &str, algorithm: Algorithm, key: &DecodingKey) -> Tried<T> {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
    match decode::<T>(token, key, &validation) {
        Ok(token) => Tried::Said(token.claims),
        Err(error) if matches!(error.kind(), jsonwebtoken::errors::ErrorKind::Json(_)) => {
            Tried::Unreadable(error.to_string())
        }
        Err(_) => Tried::NotSigned,
    }
}

impl IssuerKey {
    /// Nothing for keys that can sign no token.
    fn of(value: serde_json::Value) -> Option<Self> {
        let of_p521 = serde_json::from_value::<P521Jwk>(value.clone()).ok().filter(|key| key.crv == "P-521");
        match of_p521 {
            Some(key) => key.key(),
            None => Self::read(&serde_json::from_value(value).ok()?),
        }
    }

    fn tried<T: DeserializeOwned + Clone>(&self, token: &str, signature: Signature) -> Tried<T> {
        match (&self.key, signature) {
            (VerifyingKey::Jwt(key), Signature::Jwt(algorithm)) => try_jwt(token, algorithm, key),
            (VerifyingKey::P521(point), Signature::Es512) => try_es512(token, point),
            (VerifyingKey::Jwt(_), Signature::Es512) | (VerifyingKey::P521(_), Signature::Jwt(_)) => Tried::NotSigned,
        }
    }

    /// Nothing for keys that can sign no token: secrets, keys to encrypt, kinds that are not known.
    fn read(jwk: &Jwk) -> Option<Self> {
        let curve = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => None,
            AlgorithmParameters::EllipticCurve(parameters) => Some(parameters.curve.clone()),
            _ => return None,
        };
        if jwk.common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature) {
            return None;
        }
        let key = VerifyingKey::Jwt(DecodingKey::from_jwk(jwk).ok()?);
        Some(Self { id: jwk.common.key_id.clone(), algorithm: jwk.common.key_algorithm, curve, key })
    }

    fn is_for(&self, signature: Signature) -> bool {
        let Signature::Jwt(algorithm) = signature else { return matches!(self.key, VerifyingKey::P521(_)) };
        let is_kind = match algorithm {
            Algorithm::ES256 => self.curve == Some(EllipticCurve::P256),
            Algorithm::ES384 => self.curve == Some(EllipticCurve::P384),
            _ => self.curve.is_none(),
        };
        is_kind && self.algorithm.is_none_or(|only| only.to_string() == format!("{algorithm:?}"))
    }
}

/// What is known of an issuer.
#[derive(Default)]
struct Known {
    keys: Arc<[IssuerKey]>,
    /// When they were fetched, milliseconds since 1970; nothing before.
    fetched_ms: Option<i64>,
    /// When the issuer was last asked.
    asked_ms: Option<i64>,
    /// Why that failed, if it did.
    failure: Option<String>,
}

impl Known {
    /// The keys, if they can be used and one of them is the one that is asked for.
    fn usable(&self, head: &Head, now_ms: i64) -> Option<Arc<[IssuerKey]>> {
        let is_fresh = self.fetched_ms.is_some_and(|then| now_ms.saturating_sub(then) < KEYS_AGE_MAX_MS);
        (is_fresh && self.keys.iter().any(|key| fits(key, head))).then(|| self.keys.clone())
    }

    /// What the last question had for an answer, while no other may be asked.
    fn answered(&self, now_ms: i64) -> Option<Result<Arc<[IssuerKey]>, String>> {
        let asked_ms = self.asked_ms.filter(|then| now_ms.saturating_sub(*then) < FETCH_INTERVAL_MS);
        asked_ms.map(|_| self.failure.clone().map_or_else(|| Ok(self.keys.clone()), Err))
    }
}

/// An issuer whose keys are kept. Nobody who finds what he looks for in `known` waits for who asks.
#[derive(Default)]
struct Kept {
    known: Mutex<Known>,
    /// Held by the one who asks the issuer.
    asking: Arc<tokio::sync::Mutex<()>>,
}

/// The keys of issuers, kept.
pub(crate) struct IssuerKeys {
    issuers: Arc<dyn Issuers>,
    /// By URL and thumbprints: what one account trusts by a thumbprint is not trusted for another.
    kept: Mutex<LruCache<(String, Vec<String>), Arc<Kept>>>,
}

/// An issuer, as an account knows it.
pub(crate) struct Issuer<'a> {
    /// With its scheme.
    pub(crate) url: &'a str,
    pub(crate) thumbprints: &'a [String],
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

/// What a token says of where it is from, before any of it is believed.
#[derive(Deserialize)]
struct Unproven {
    iss: String,
}

/// Who says to have signed `token`.
pub(crate) fn unproven_issuer(token: &str) -> Result<String, IdentityError> {
    let claims = jsonwebtoken::dangerous::insecure_decode_claims::<Unproven>(token);
    claims.map(|claims| claims.iss).map_err(|_| {
        invalid("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
    })
}

impl IssuerKeys {
    pub(crate) fn new(issuers: Arc<dyn Issuers>) -> Self {
        Self { issuers, kept: Mutex::new(LruCache::new(ISSUERS_COUNT_MAX)) }
    }

    /// What `token` says, if a key of `issuer` signed it. Its times are not looked at.
    pub(crate) async fn verify<T: DeserializeOwned + Clone>(
        &self,
        issuer: &Issuer<'_>,
        token: &str,
        now_ms: i64,
    ) -> Result<T, IdentityError> {
        let head = Head::read(token)?;
        let keys = self.keys(issuer, &head, now_ms).await?;
        let fitting = keys.iter().filter(|key| fits(key, &head)).take(KEYS_TRIED_MAX);
        for key in fitting {
            match key.tried(token, head.signature) {
                Tried::Said(said) => return Ok(said),
                Tried::Unreadable(reason) => {
                    return Err(invalid(format!("A claim of the token cannot be read: {reason}")));
                }
                Tried::NotSigned => {}
            }
        }
        Err(invalid(
            "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements",
        ))
    }

    /// The keys of an issuer: as they are known, unless that was long ago or the one that is asked for is not among them.
    async fn keys(&self, issuer: &Issuer<'_>, head: &Head, now_ms: i64) -> Result<Arc<[IssuerKey]>, IdentityError> {
        let at = (issuer.url.to_owned(), issuer.thumbprints.to_vec());
        let kept = self.kept.lock().get_or_insert(at, Arc::default).clone();
        if let Some(keys) = kept.known.lock().usable(head, now_ms) {
            return Ok(keys);
        }
        // One asks; those who need the answer wait for it.
        let asking = kept.asking.clone().lock_owned().await;
        {
            let known = kept.known.lock();
            if let Some(keys) = known.usable(head, now_ms) {
                return Ok(keys);
            }
            if let Some(answer) = known.answered(now_ms) {
                return answer.map_err(|reason| unreachable(issuer.url, &reason));
            }
        }
        let question = Question {
            issuers: self.issuers.clone(),
            url: issuer.url.to_owned(),
            thumbprints: issuer.thumbprints.to_vec(),
        };
        // It is asked to the end, whether or not who began it is still there: others wait too.
        let asked = tokio::spawn(async move {
            let _asking = asking;
            let answer = question.keys().await;
            let mut known = kept.known.lock();
            known.asked_ms = Some(now_ms);
            match answer {
                Ok(keys) => {
                    (known.keys, known.fetched_ms, known.failure) = (keys.into(), Some(now_ms), None);
                    Ok(known.keys.clone())
                }
                Err(reason) => {
                    known.failure = Some(reason.clone());
                    Err(reason)
                }
            }
        });
        let answer = asked.await.unwrap_or_else(|_| Err("the server is stopping".to_owned()));
        answer.map_err(|reason| unreachable(issuer.url, &reason))
    }
}

/// An issuer that is asked for its keys.
struct Question {
    issuers: Arc<dyn Issuers>,
    url: String,
    thumbprints: Vec<String>,
}

impl Question {
    async fn keys(&self) -> Result<Vec<IssuerKey>, String> {
        let url = self.url.trim_end_matches('/');
        let discovery: Discovery = self.document(&format!("{url}/.well-known/openid-configuration")).await?;
        if discovery.issuer.trim_end_matches('/') != url {
            return Err(format!("its configuration says that it is {}", discovery.issuer));
        }
        let set: KeySet = self.document(&discovery.jwks_uri).await?;
        Ok(set.keys.into_iter().take(KEYS_COUNT_MAX).filter_map(IssuerKey::of).collect())
    }

    async fn document<T: DeserializeOwned>(&self, url: &str) -> Result<T, String> {
        let bytes = self.issuers.fetch(url, &self.thumbprints, DOCUMENT_SIZE_BYTES_MAX).await?;
        if bytes.len() > DOCUMENT_SIZE_BYTES_MAX {
            return Err(format!("the document at {url} is larger than {DOCUMENT_SIZE_BYTES_MAX} bytes"));
        }
        serde_json::from_slice(&bytes)
            .map_err(|error| format!("the document at {url} is not what it should be: {error}"))
    }
}

fn fits(key: &IssuerKey, head: &Head) -> bool {
    key.is_for(head.signature) && (head.key_id.is_none() || key.id == head.key_id)
}
