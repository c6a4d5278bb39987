//! The client's half: signs a request in its header, or makes a presigned URL of it.

use std::fmt;

use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Uri};
use jiff::Timestamp;

use crate::canonical::{canonical_request, encode_query_part, string_to_sign};
use crate::{ALGORITHM, CredentialScope, PathEncoding, Payload, Seed, SignatureError, SigningKey, format_amz_date};

/// Who signs, and for what.
#[derive(Clone)]
pub struct Signer {
    /// `AKIA...`.
    pub access_key_id: String,
    /// The secret.
    pub secret_access_key: String,
    /// Of temporary credentials.
    pub session_token: Option<String>,
    /// `us-east-1`.
    pub region: String,
    /// The signing name, such as `s3`.
    pub service: String,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("access_key_id", &self.access_key_id)
            .field("region", &self.region)
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

/// Why a request cannot be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// A credential or address holds what a header or URL cannot.
    #[error("{what} cannot stand in a request: {reason}")]
    Unsendable {
        /// Which part.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// The request lacks something to sign.
    #[error("the request cannot be signed: {source}")]
    Request {
        /// What.
        source: SignatureError,
    },
}

impl Signer {
    fn path_encoding(&self) -> PathEncoding {
        if self.service == "s3" { PathEncoding::Once } else { PathEncoding::Twice }
    }

    fn scope(&self, amz_date: &str) -> CredentialScope {
        CredentialScope { date: amz_date[..8].to_owned(), region: self.region.clone(), service: self.service.clone() }
    }

    fn seed(
        &self,
        parts: &Parts,
        amz_date: String,
        signed_headers: &[String],
        payload: &str,
    ) -> Result<Seed, SignError> {
        let canonical = canonical_request(parts, self.path_encoding(), signed_headers, payload)
            .map_err(|source| SignError::Request { source })?;
        let scope = self.scope(&amz_date);
        let key = SigningKey::derive(&self.secret_access_key, &scope.date, &scope.region, &scope.service);
        let scope = scope.text();
        let signature = key.sign(string_to_sign(&amz_date, &scope, &canonical).as_bytes());
        Ok(Seed { key, amz_date, scope, signature })
    }

    /// Signs `parts` in place: adds `host` (if the URI has an authority), `x-amz-date`, `x-amz-content-sha256`,
    /// `x-amz-security-token` and `authorization`. `Payload::Digest` stands for an empty body.
    pub fn sign(&self, parts: &mut Parts, payload: Payload, time: Timestamp) -> Result<Seed, SignError> {
        let amz_date = format_amz_date(time);
        let payload = payload.text(crate::sha256(b""));
        if !parts.headers.contains_key(http::header::HOST)
            && let Some(authority) = parts.uri.authority()
        {
            let host = header_value("host", authority.as_str())?;
            parts.headers.insert(http::header::HOST, host);
        }
        parts.headers.insert(HeaderName::from_static("x-amz-date"), header_value("time", &amz_date)?);
        parts
            .headers
            .insert(HeaderName::from_static("x-amz-content-sha256"), header_value("payload digest", &payload)?);
        if let Some(token) = &self.session_token {
            parts
                .headers
                .insert(HeaderName::from_static("x-amz-security-token"), header_value("session token", token)?);
        }
        parts.headers.remove(http::header::AUTHORIZATION);
        let mut signed_headers: Vec<String> = parts
            .headers
            .keys()
            .map(|name| name.as_str().to_owned())
            .filter(|name| {
                name.starts_with("x-amz-")
                    || matches!(name.as_str(), "host" | "content-type" | "content-md5" | "range" | "date")
            })
            .collect();
        signed_headers.sort_unstable();
        let seed = self.seed(parts, amz_date, &signed_headers, &payload)?;
        let authorization = format!(
            "{ALGORITHM} Credential={}/{}, SignedHeaders={}, Signature={}",
            self.access_key_id,
            seed.scope,
            signed_headers.join(";"),
            seed.signature()
        );
        parts.headers.insert(http::header::AUTHORIZATION, header_value("access key id", &authorization)?);
        Ok(seed)
    }

    /// Makes `parts` a presigned request, valid for `expires_seconds` from `time`: its URI then carries the signature, and the
    /// headers it has now must be sent with it.
    pub fn presign(&self, parts: &mut Parts, expires_seconds: u32, time: Timestamp) -> Result<Seed, SignError> {
        let amz_date = format_amz_date(time);
        if !parts.headers.contains_key(http::header::HOST)
            && let Some(authority) = parts.uri.authority()
        {
            let host = header_value("host", authority.as_str())?;
            parts.headers.insert(http::header::HOST, host);
        }
        let mut signed_headers: Vec<String> = parts.headers.keys().map(|name| name.as_str().to_owned()).collect();
        signed_headers.sort_unstable();
        let scope = self.scope(&amz_date).text();
        let mut add = vec![
            ("X-Amz-Algorithm", ALGORITHM.to_owned()),
            ("X-Amz-Credential", format!("{}/{scope}", self.access_key_id)),
            ("X-Amz-Date", amz_date.clone()),
            ("X-Amz-Expires", expires_seconds.to_string()),
            ("X-Amz-SignedHeaders", signed_headers.join(";")),
        ];
        if let Some(token) = &self.session_token {
            add.push(("X-Amz-Security-Token", token.clone()));
        }
        for (name, value) in add {
            push_query(&mut parts.uri, name, &value)?;
        }
        let seed = self.seed(parts, amz_date, &signed_headers, "UNSIGNED-PAYLOAD")?;
        push_query(&mut parts.uri, "X-Amz-Signature", &seed.signature())?;
        Ok(seed)
    }
}

fn header_value(what: &'static str, text: &str) -> Result<HeaderValue, SignError> {
    HeaderValue::from_str(text).map_err(|error| SignError::Unsendable { what, reason: error.to_string() })
}

fn push_query(uri: &mut Uri, name: &str, value: &str) -> Result<(), SignError> {
    let unsendable = |reason: String| SignError::Unsendable { what: "the URI", reason };
    let query = match uri.query() {
        Some(query) if !query.is_empty() => format!("{query}&"),
        Some(_) | None => String::new(),
    };
    let text = format!("{}?{query}{name}={}", uri.path(), encode_query_part(value.as_bytes()));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(text).map_err(|error| unsendable(error.to_string()))?);
    *uri = Uri::from_parts(parts).map_err(|error| unsendable(error.to_string()))?;
    Ok(())
}
