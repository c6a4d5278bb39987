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
/// How long keys are used before they are fetched again.
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

/// The keys of issuers, kept.
pub(crate) struct IssuerKeys {
    issuers: Arc<dyn Issuers>,
    /// By URL and thumbprints: what one account trusts by a thumbprint is not trusted for another.
    known: Mutex<LruCache<(String, Vec<String>), Arc<tokio::sync::Mutex<Known>>>>,
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
        Self { issuers, known: Mutex::new(LruCache::new(ISSUERS_COUNT_MAX)) }
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
        let entry = self.known.lock().get_or_insert(at, Arc::default).clone();
        // One asks; the others wait for its answer.
        let mut known = entry.lock().await;
        let since = |then: Option<i64>| then.map_or(i64::MAX, |then| now_ms.saturating_sub(then));
        let is_fresh = since(known.fetched_ms) < KEYS_AGE_MAX_MS;
        if is_fresh && known.keys.iter().any(|key| fits(key, header)) {
            return Ok(known.keys.clone());
        }
        if since(known.asked_ms) < FETCH_INTERVAL_MS {
            return match &known.failure {
                Some(reason) => Err(unreachable(issuer.url, reason)),
                None => Ok(known.keys.clone()),
            };
        }
        known.asked_ms = Some(now_ms);
        match self.fetch(issuer).await {
            Ok(keys) => {
                (known.keys, known.fetched_ms, known.failure) = (keys.into(), Some(now_ms), None);
                Ok(known.keys.clone())
            }
            Err(reason) => {
                let error = unreachable(issuer.url, &reason);
                known.failure = Some(reason);
                Err(error)
            }
        }
    }

    async fn fetch(&self, issuer: &Issuer<'_>) -> Result<Vec<IssuerKey>, String> {
        let url = issuer.url.trim_end_matches('/');
        let discovery: Discovery = self.document(&format!("{url}/.well-known/openid-configuration"), issuer).await?;
        if discovery.issuer.trim_end_matches('/') != url {
            return Err(format!("its configuration says that it is {}", discovery.issuer));
        }
        let set: KeySet = self.document(&discovery.jwks_uri, issuer).await?;
        let read = |value: serde_json::Value| IssuerKey::read(&serde_json::from_value(value).ok()?);
        Ok(set.keys.into_iter().take(KEYS_COUNT_MAX).filter_map(read).collect())
    }

    async fn document<T: DeserializeOwned>(&self, url: &str, issuer: &Issuer<'_>) -> Result<T, String> {
        let bytes = self.issuers.fetch(url, issuer.thumbprints, DOCUMENT_SIZE_BYTES_MAX).await?;
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
