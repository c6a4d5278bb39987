//! `GET /-/audit/events`: all events on record, those of the data plane too, which CloudTrail's LookupEvents leaves out. Signed as
//! every call, with the service name `tarn`; answers JSON lines. Knows neither how events are kept nor how a record reads.
//!
//! Parameters: `user`, `outcome` (success, failure), `name`, `source`, `resource`, `since`, `until` (RFC 3339), `limit`, and
//! `after`, which is the `x-tarn-after` header of the page before.

use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use percent_encoding::percent_decode_str;
use tarn_audit::{AuditError, Caller, EventFilter, OutcomeFilter, SEARCH_EVENTS_MAX};
use tarn_policy::{Principal, Requirement};
use tarn_runtime::Timestamp;
use tarn_sigv4::{Presented, sha256};

use crate::body::{Body, full_body};
use crate::gate::{Gate, GateError, RequestMeta};

pub(crate) const PATH: &str = "/-/audit/events";
const SIGNING_NAME: &str = "tarn";

/// What the caller is told instead of events.
struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Refusal {
    fn bad(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: "ValidationException", message: message.into() }
    }

    fn of_gate(error: &GateError) -> Self {
        let (status, code) = match error {
            GateError::Unsigned => (StatusCode::FORBIDDEN, "MissingAuthenticationTokenException"),
            GateError::Signature { .. } => (StatusCode::FORBIDDEN, "InvalidSignatureException"),
            GateError::UnknownKey => (StatusCode::FORBIDDEN, "UnrecognizedClientException"),
            GateError::Denied { .. } => (StatusCode::FORBIDDEN, "AccessDeniedException"),
            GateError::Credentials { .. } => {
                tracing::error!(%error, "access keys cannot be read");
                let message = "The server cannot read its access keys now; try again.".to_owned();
                return Self { status: StatusCode::SERVICE_UNAVAILABLE, code: "ServiceUnavailable", message };
            }
        };
        Self { status, code, message: error.to_string() }
    }

    fn of_audit(error: &AuditError) -> Self {
        match error {
            AuditError::Marker { .. } => Self::bad("after is not a place that a page of this search named"),
            AuditError::Settings { .. } | AuditError::Store { .. } => {
                tracing::error!(%error, "the audit could not answer");
                let message = "The server could not read its events now; try again.".to_owned();
                Self { status: StatusCode::INTERNAL_SERVER_ERROR, code: "InternalFailure", message }
            }
        }
    }
}

/// What is asked for.
struct Asked {
    filter: EventFilter,
    after: Option<String>,
    limit: usize,
}

fn asked(query: &str) -> Result<Asked, Refusal> {
    let mut asked = Asked { filter: EventFilter::default(), after: None, limit: SEARCH_EVENTS_MAX };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent_decode_str(&value.replace('+', " "))
            .decode_utf8()
            .map_err(|_| Refusal::bad(format!("{name} is not UTF-8")))?
            .into_owned();
        let moment = || {
            let time = value.parse::<Timestamp>();
            time.map(|time| Some(time.as_millisecond()))
                .map_err(|_| Refusal::bad(format!("{name} is a time such as 2026-01-31T12:00:00Z")))
        };
        let filter = &mut asked.filter;
        match name {
            "user" => filter.user = Some(value),
            "name" => filter.event_name = Some(value),
            "source" => filter.event_source = Some(value),
            "resource" => filter.resource = Some(value),
            "since" => filter.from_ms = moment()?,
            "until" => filter.to_ms = moment()?,
            "after" => asked.after = Some(value),
            "outcome" => {
                filter.outcome = Some(match value.as_str() {
                    "success" => OutcomeFilter::Success,
                    "failure" => OutcomeFilter::Failure,
                    _ => return Err(Refusal::bad("outcome is success or failure")),
                });
            }
            "limit" => {
                let number = value.parse().ok().filter(|limit| (1..=SEARCH_EVENTS_MAX).contains(limit));
                asked.limit = number.ok_or_else(|| Refusal::bad(format!("limit is 1 to {SEARCH_EVENTS_MAX}")))?;
            }
            _ => {
                return Err(Refusal::bad(format!(
                    "there is no parameter {name:?}; there are user, outcome, name, source, resource, since, until, limit, after"
                )));
            }
        }
    }
    Ok(asked)
}

/// Answers a request to `PATH`: authenticate, authorize, search, record.
pub(crate) async fn answer(gate: &Gate, parts: &Parts, meta: &RequestMeta) -> Response<Body> {
    let (status, body, after) = match steps(gate, parts, meta).await {
        Ok((lines, after)) => (StatusCode::OK, lines, after),
        Err(Refusal { status, code, message }) => {
            (status, serde_json::json!({ "__type": code, "message": message }).to_string(), None)
        }
    };
    let mut response = Response::new(full_body(body));
    *response.status_mut() = status;
    let kind = if status.is_success() { "application/x-ndjson" } else { "application/json" };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in [("x-amzn-requestid", Some(&meta.request_id)), ("x-tarn-after", after.as_ref())] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    }
    response
}

async fn steps(gate: &Gate, parts: &Parts, meta: &RequestMeta) -> Result<(String, Option<String>), Refusal> {
    if parts.method != Method::GET {
        let message = "use GET".to_owned();
        return Err(Refusal { status: StatusCode::METHOD_NOT_ALLOWED, code: "MethodNotAllowed", message });
    }
    let draft_of = |principal: &Principal| {
        let source = "cloudtrail.amazonaws.com".to_owned();
        let mut draft = gate.draft(meta, &parts.headers, principal, source);
        draft.event_name = "LookupEvents".to_owned();
        draft.request_parameters = serde_json::json!({ "query": parts.uri.query() }).to_string();
        draft
    };
    let refused = |principal: &Principal, refusal: Refusal| {
        gate.failed(&draft_of(principal), refusal.code, &refusal.message);
        refusal
    };

    let mut nobody = Principal::anonymous();
    let found = Presented::of(parts).map_err(|source| GateError::Signature { source });
    let presented = match found.and_then(|found| found.ok_or(GateError::Unsigned)) {
        Ok(presented) => presented,
        Err(error) => return Err(refused(&nobody, Refusal::of_gate(&error))),
    };
    nobody.access_key_id = Some(presented.access_key_id.clone());
    let checked = gate.access_key(&presented.access_key_id).and_then(|key| {
        gate.check_signature(parts, &presented, &key, SIGNING_NAME, sha256(b""))?;
        Ok(key)
    });
    let key = checked.map_err(|error| refused(&nobody, Refusal::of_gate(&error)))?;
    let principal = &key.principal;

    let asked = asked(parts.uri.query().unwrap_or("")).map_err(|refusal| refused(principal, refusal))?;
    let needs = vec![Requirement::any("cloudtrail:LookupEvents")];
    let context = gate.context(meta, &parts.headers, principal, None);
    let caller: Caller = gate
        .authorize(principal, needs, context, draft_of(principal))
        .map_err(|error| refused(principal, Refusal::of_gate(&error)))?;

    let Asked { filter, after, limit } = asked;
    let page = gate
        .search(&caller, filter, after, limit)
        .await
        .map_err(|error| refused(principal, Refusal::of_audit(&error)))?;
    gate.done(&caller);
    let mut lines = page.records.join("\n");
    if !lines.is_empty() {
        lines.push('\n');
    }
    Ok((lines, page.marker))
}
