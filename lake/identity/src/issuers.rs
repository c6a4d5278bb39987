//! The keys of OIDC issuers, and whether one of them signed a token. Knows no account and no policy; documents are fetched by who can reach
//! issuers. <https://openid.net/specs/openid-connect-discovery-1_0.html>
//!
//! **Invariant:** a key is used only with the kind of signature it is for, and none that was not fetched from the token's own issuer.

use std::num::NonZeroUsize;
use std::sync::Arc;

use futures::future::BoxFuture;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
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

/// The kinds of signature that are taken: none without a signature, and none by a secret that two share.
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
    key: DecodingKey,
}

impl IssuerKey {
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
        let key = DecodingKey::from_jwk(jwk).ok()?;
        Some(Self { id: jwk.common.key_id.clone(), algorithm: jwk.common.key_algorithm, curve, key })
    }

    fn is_for(&self, algorithm: Algorithm) -> bool {
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
    fn usable(&self, header: &Header, now_ms: i64) -> Option<Arc<[IssuerKey]>> {
        let is_fresh = self.fetched_ms.is_some_and(|then| now_ms.saturating_sub(then) < KEYS_AGE_MAX_MS);
        (is_fresh && self.keys.iter().any(|key| fits(key, header))).then(|| self.keys.clone())
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
        let header = decode_header(token).map_err(|_| invalid("The header of the token cannot be read."))?;
        if !is_taken(header.alg) {
            return Err(invalid(format!("Tokens that are signed with {:?} are not taken.", header.alg)));
        }
        if header.crit.is_some() {
            return Err(invalid("The token has critical extensions, of which none is known."));
        }
        let mut validation = Validation::new(header.alg);
        validation.required_spec_claims.clear();
        (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
        let keys = self.keys(issuer, &header, now_ms).await?;
        let fitting = keys.iter().filter(|key| fits(key, &header)).take(KEYS_TRIED_MAX);
        for key in fitting {
            match decode::<T>(token, &key.key, &validation) {
                Ok(token) => return Ok(token.claims),
                Err(error) if matches!(error.kind(), jsonwebtoken::errors::ErrorKind::Json(_)) => {
                    return Err(invalid(format!("A claim of the token cannot be read: {error}")));
                }
                Err(_) => {}
            }
        }
        Err(invalid(
            "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements",
        ))
    }

    /// The keys of an issuer: as they are known, unless that was long ago or the one that is asked for is not among them.
    async fn keys(&self, issuer: &Issuer<'_>, header: &Header, now_ms: i64) -> Result<Arc<[IssuerKey]>, IdentityError> {
        let at = (issuer.url.to_owned(), issuer.thumbprints.to_vec());
        let kept = self.kept.lock().get_or_insert(at, Arc::default).clone();
        if let Some(keys) = kept.known.lock().usable(header, now_ms) {
            return Ok(keys);
        }
        // One asks; those who need the answer wait for it.
        let asking = kept.asking.clone().lock_owned().await;
        {
            let known = kept.known.lock();
            if let Some(keys) = known.usable(header, now_ms) {
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
        let read = |value: serde_json::Value| IssuerKey::read(&serde_json::from_value(value).ok()?);
        Ok(set.keys.into_iter().take(KEYS_COUNT_MAX).filter_map(read).collect())
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

fn fits(key: &IssuerKey, header: &Header) -> bool {
    key.is_for(header.alg) && (header.kid.is_none() || key.id == header.kid)
}
