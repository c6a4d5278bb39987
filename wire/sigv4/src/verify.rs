//! Whether a presented signature is genuine, fresh and meant for this server.

use http::request::Parts;
use jiff::{SignedDuration, Timestamp};

use crate::canonical::{canonical_request, string_to_sign};
use crate::{CLOCK_SKEW_SECONDS_MAX, Form, PathEncoding, Payload, Presented, Seed, SignatureError, SigningKeys};

/// What a signature must agree with.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'r> {
    /// The server's time.
    pub now: Timestamp,
    /// The service asked, by its signing name.
    pub service: &'r str,
    /// The regions served, the server's own first.
    pub regions: &'r [&'r str],
    /// How the service's paths are signed.
    pub path_encoding: PathEncoding,
}

impl Presented {
    /// Checks the signature of `parts` against `secret`, and the body's digest against what was signed, if the whole body is known
    /// already. A service that streams gives `None` and compares `payload` at the body's end.
    pub fn verify(
        &self,
        parts: &Parts,
        secret: &str,
        keys: &SigningKeys,
        rules: &Rules<'_>,
        body_sha256: Option<[u8; 32]>,
    ) -> Result<Seed, SignatureError> {
        self.check_scope(rules)?;
        self.check_time(rules.now)?;
        self.check_headers(parts)?;
        if let (Payload::Sha256(stated), Some(body)) = (self.payload, body_sha256)
            && stated != body
        {
            return Err(SignatureError::BodyDiffers);
        }
        if self.payload == Payload::Digest && body_sha256.is_none() {
            return Err(SignatureError::malformed("Missing required header for this request: x-amz-content-sha256"));
        }
        let payload = self.payload.text(body_sha256.unwrap_or_default());
        let canonical = canonical_request(parts, rules.path_encoding, &self.signed_headers, &payload)?;
        let scope = self.scope.text();
        let string = string_to_sign(&self.amz_date, &scope, &canonical);
        let key = keys.key(secret, &self.scope.date, &self.scope.region, &self.scope.service);
        if !key.is_signature(string.as_bytes(), &self.signature) {
            return Err(SignatureError::Mismatch {
                canonical_request: String::from_utf8_lossy(&canonical).into_owned(),
                string_to_sign: string,
            });
        }
        Ok(Seed { key, amz_date: self.amz_date.clone(), scope, signature: self.signature })
    }

    fn check_scope(&self, rules: &Rules<'_>) -> Result<(), SignatureError> {
        let refuse = |part, expected: &str, found: &str| {
            Err(SignatureError::Scope { part, expected: expected.to_owned(), found: found.to_owned() })
        };
        let day = self.amz_date.get(..8).unwrap_or_default();
        if self.scope.date != day {
            return refuse("date", day, &self.scope.date);
        }
        if self.scope.service != rules.service {
            return refuse("service", rules.service, &self.scope.service);
        }
        if !rules.regions.contains(&self.scope.region.as_str()) {
            return refuse("region", rules.regions.first().copied().unwrap_or_default(), &self.scope.region);
        }
        Ok(())
    }

    fn check_time(&self, now: Timestamp) -> Result<(), SignatureError> {
        let age_seconds = now.duration_since(self.time).as_secs();
        let skewed = SignatureError::Skewed { request: self.time, server: now };
        match self.form {
            Form::Header if age_seconds.abs() > CLOCK_SKEW_SECONDS_MAX => Err(skewed),
            Form::Presigned { .. } if age_seconds < -CLOCK_SKEW_SECONDS_MAX => Err(skewed),
            Form::Presigned { expires_seconds } if age_seconds > i64::from(expires_seconds) => {
                let at = self
                    .time
                    .saturating_add(SignedDuration::from_secs(i64::from(expires_seconds)))
                    .unwrap_or(Timestamp::MAX);
                Err(SignatureError::Expired { at, server: now })
            }
            Form::Header | Form::Presigned { .. } => Ok(()),
        }
    }

    /// Whoever holds a signed request must not be able to change what it does: every `x-amz-*` header is to be signed.
    /// `x-amz-content-sha256` is part of the canonical request in its own place.
    fn check_headers(&self, parts: &Parts) -> Result<(), SignatureError> {
        for name in parts.headers.keys().map(http::HeaderName::as_str) {
            let signed = || self.signed_headers.binary_search_by(|signed| signed.as_str().cmp(name)).is_ok();
            if name.starts_with("x-amz-") && name != "x-amz-content-sha256" && !signed() {
                return Err(SignatureError::UnsignedHeader { name: name.to_owned() });
            }
        }
        Ok(())
    }
}
