//! The server's own paths that tell of the lake's content: signed as every call, with the service name `tarn`; authorized, and on record.
//! Knows not what they answer.

use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use tarn_audit::{Caller, EventDraft};
use tarn_policy::{Principal, Requirement};
use tarn_sigv4::{Presented, sha256};

use crate::body::{Body, full_body};
use crate::gate::{Gate, GateError, RequestMeta};

const SIGNING_NAME: &str = "tarn";

/// What the caller is told instead of an answer.
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: "ValidationException", message: message.into() }
    }

    pub(crate) fn failed(message: &str) -> Self {
        let message = message.to_owned();
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, code: "InternalFailure", message }
    }

    fn of_gate(error: &GateError) -> Self {
        let (status, code) = match error {
            GateError::Unsigned => (StatusCode::FORBIDDEN, "MissingAuthenticationTokenException"),
            GateError::Signature { .. } => (StatusCode::FORBIDDEN, "InvalidSignatureException"),
            GateError::UnknownKey | GateError::TokenInvalid => (StatusCode::FORBIDDEN, "UnrecognizedClientException"),
            GateError::TokenExpired => (StatusCode::FORBIDDEN, "ExpiredTokenException"),
            GateError::Denied { .. } => (StatusCode::FORBIDDEN, "AccessDeniedException"),
            GateError::TooManyFailures => (StatusCode::SERVICE_UNAVAILABLE, "SlowDown"),
            GateError::Credentials { .. } => {
                tracing::error!(%error, "access keys cannot be read");
                let message = "The server cannot read its access keys now; try again.".to_owned();
                return Self { status: StatusCode::SERVICE_UNAVAILABLE, code: "ServiceUnavailable", message };
            }
        };
        Self { status, code, message: error.to_string() }
    }
}

/// What is asked, as the audit and the policies name it.
pub(crate) struct SignedCall<'c> {
    pub(crate) gate: &'c Gate,
    pub(crate) parts: &'c Parts,
    pub(crate) meta: &'c RequestMeta,
    pub(crate) event_source: &'static str,
    pub(crate) event_name: &'static str,
    pub(crate) action: &'static str,
}

impl SignedCall<'_> {
    fn draft(&self, principal: &Principal) -> EventDraft {
        let mut draft = self.gate.draft(self.meta, &self.parts.headers, principal, self.event_source.to_owned());
        draft.event_name = self.event_name.to_owned();
        draft.request_parameters = serde_json::json!({ "query": self.parts.uri.query() }).to_string();
        draft
    }

    /// Records a refusal, and gives it back.
    pub(crate) fn refused(&self, principal: &Principal, refusal: Refusal) -> Refusal {
        let details = self.gate.details(self.meta, &self.parts.headers);
        self.gate.failed(&self.draft(principal), &details, refusal.code, &refusal.message);
        refusal
    }

    /// Who asks, once found to be allowed to.
    pub(crate) fn caller(&self) -> Result<Caller, Refusal> {
        let Self { gate, parts, meta, .. } = self;
        if parts.method != Method::GET {
            let message = "use GET".to_owned();
            return Err(Refusal { status: StatusCode::METHOD_NOT_ALLOWED, code: "MethodNotAllowed", message });
        }
        let mut nobody = Principal::anonymous();
        let found = Presented::of(parts).map_err(|source| GateError::Signature { source });
        let unproven = |nobody: &Principal, error: GateError| match gate.unproven(meta) {
            Ok(()) => self.refused(nobody, Refusal::of_gate(&error)),
            Err(error) => Refusal::of_gate(&error),
        };
        let presented =
            found.and_then(|found| found.ok_or(GateError::Unsigned)).map_err(|error| unproven(&nobody, error))?;
        nobody.access_key_id = Some(presented.access_key_id.clone());
        let checked = gate.access_key(&presented.access_key_id, presented.session_token.as_deref()).and_then(|key| {
            gate.check_signature(parts, &presented, &key, SIGNING_NAME, sha256(b""))?;
            Ok(key)
        });
        let key = checked.map_err(|error| unproven(&nobody, error))?;
        let principal = &key.principal;
        let context = gate.context(meta, &parts.headers, principal, None);
        gate.authorize(principal, vec![Requirement::any(self.action)], context, self.draft(principal))
            .map_err(|error| self.refused(principal, Refusal::of_gate(&error)))
    }
}

/// What is answered: lines of JSON and a header, or a refusal.
pub(crate) fn respond(
    meta: &RequestMeta,
    outcome: Result<(String, Option<(&'static str, String)>), Refusal>,
) -> Response<Body> {
    let (status, body, header) = match outcome {
        Ok((lines, header)) => (StatusCode::OK, lines, header),
        Err(Refusal { status, code, message }) => {
            (status, serde_json::json!({ "__type": code, "message": message }).to_string(), None)
        }
    };
    let mut response = Response::new(full_body(body));
    *response.status_mut() = status;
    let kind = if status.is_success() { "application/x-ndjson" } else { "application/json" };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in [("x-amzn-requestid", meta.request_id.clone())].into_iter().chain(header) {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    response
}

/// The query's parameters.
pub(crate) fn parameters(query: &str) -> impl Iterator<Item = Result<(&str, String), Refusal>> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent_encoding::percent_decode_str(&value.replace('+', " "))
            .decode_utf8()
            .map_err(|_| Refusal::bad(format!("{name} is not UTF-8")))?
            .into_owned();
        Ok((name, value))
    })
}
