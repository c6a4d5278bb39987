//! `GET /-/audit/events`: all events on record, those of the data plane too, which CloudTrail's LookupEvents leaves out. Signed as
//! every call, with the service name `tarn`; answers JSON lines. Knows neither how events are kept nor how a record reads.
//!
//! Parameters: `user`, `outcome` (success, failure), `name`, `source`, `resource`, `since`, `until` (RFC 3339), `limit`, and
//! `after`, which is the `x-tarn-after` header of the page before.

use http::Response;
use http::request::Parts;
use tarn_audit::{AuditError, EventFilter, OutcomeFilter, SEARCH_EVENTS_MAX};
use tarn_runtime::Timestamp;

use crate::body::Body;
use crate::gate::{Gate, RequestMeta};
use crate::signed::{Refusal, SignedCall, parameters, respond};

pub(crate) const PATH: &str = "/-/audit/events";
fn of_audit(error: &AuditError) -> Refusal {
    match error {
        AuditError::Marker { .. } => Refusal::bad("after is not a place that a page of this search named"),
        AuditError::Settings { .. } | AuditError::Store { .. } => {
            tracing::error!(%error, "the audit could not answer");
            Refusal::failed("The server could not read its events now; try again.")
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
    for parameter in parameters(query) {
        let (name, value) = parameter?;
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
    let call = SignedCall {
        gate,
        parts,
        meta,
        event_source: "cloudtrail.amazonaws.com",
        event_name: "LookupEvents",
        action: "cloudtrail:LookupEvents",
    };
    respond(meta, steps(&call).await)
}

async fn steps(call: &SignedCall<'_>) -> Result<(String, Option<(&'static str, String)>), Refusal> {
    let caller = call.caller()?;
    let refused = |refusal| call.refused(caller.principal(), refusal);
    let Asked { filter, after, limit } = asked(call.parts.uri.query().unwrap_or("")).map_err(refused)?;
    let page = call.gate.search(&caller, filter, after, limit).await.map_err(|error| refused(of_audit(&error)))?;
    call.gate.done(&caller);
    let mut lines = page.records.join("\n");
    if !lines.is_empty() {
        lines.push('\n');
    }
    Ok((lines, page.marker.map(|marker| ("x-tarn-after", marker))))
}
