//! Events read back, newest first. Knows nothing of how they are shown.

use std::ops::Bound;

use futures::FutureExt;
use futures::future::BoxFuture;
use tarn_metadata::{Key, Read, Store, StoreExt};
use tarn_policy::Authorized;

use crate::event::user_name;
use crate::{AuditError, AuditLog, EVENTS, Event, EventId, Outcome, resource_name, resource_type};

/// The most events of one page.
pub const SEARCH_EVENTS_MAX: usize = 1_000;
/// The most events looked at for one page: a page may be short, or empty, and still have a next.
pub const SEARCH_SCANNED_EVENTS_MAX: usize = 100_000;

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeFilter {
    /// It was done.
    Success,
    /// It was refused or failed.
    Failure,
}

/// Which events; what is not given is not asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Not before, milliseconds since 1970.
    pub from_ms: Option<i64>,
    /// Before, milliseconds since 1970.
    pub to_ms: Option<i64>,
    /// `PutObject`.
    pub event_name: Option<String>,
    /// `s3.amazonaws.com`.
    pub event_source: Option<String>,
    /// A user's or session's name, an ARN, or an access key id.
    pub user: Option<String>,
    /// What came of it.
    pub outcome: Option<OutcomeFilter>,
    /// An ARN among the event's resources, or the name at its end.
    pub resource: Option<String>,
    /// The kind of one of the event's resources: `AWS::S3::Bucket`.
    pub resource_type: Option<String>,
    /// This one event.
    pub id: Option<EventId>,
    /// Only calls that change nothing (true), or only those that may (false).
    pub read_only: Option<bool>,
    /// Only the control plane (true), or only the data plane (false).
    pub management: Option<bool>,
    /// Events come without what they were answered, which is looked up for each.
    pub without_answers: bool,
}

/// Some events, and how to get the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPage {
    /// Newest first.
    pub events: Vec<Event>,
    /// Where the next page begins, if there may be one.
    pub marker: Option<String>,
}

impl EventFilter {
    fn takes(&self, event: &Event) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
        let outcome = match event.outcome {
            Outcome::Success => OutcomeFilter::Success,
            Outcome::Failure { .. } => OutcomeFilter::Failure,
        };
        is(&self.event_name, &event.event_name)
            && is(&self.event_source, &event.event_source)
            && self.outcome.is_none_or(|wanted| wanted == outcome)
            && self.id.is_none_or(|wanted| wanted == event.id)
            && self.read_only.is_none_or(|wanted| wanted == event.read_only)
            && self.management.is_none_or(|wanted| wanted == event.management)
            && self
                .resource
                .as_ref()
                .is_none_or(|wanted| event.resources.iter().any(|arn| arn == wanted || resource_name(arn) == wanted))
            && self
                .resource_type
                .as_ref()
                .is_none_or(|wanted| event.resources.iter().any(|arn| resource_type(arn) == Some(wanted.as_str())))
            && self.user.as_ref().is_none_or(|wanted| is_user(event, wanted))
    }
}

fn is_user(event: &Event, wanted: &str) -> bool {
    let principal = &event.principal;
    user_name(principal).unwrap_or("anonymous") == wanted
        || principal.access_key_id.as_deref() == Some(wanted)
        || principal.arn().is_some_and(|arn| arn.to_string() == wanted)
}

/// Events read back in pages, by whoever shows them in a form of its own.
pub trait EventHistory: Send + Sync {
    /// See `search`.
    fn page<'h>(
        &'h self,
        proof: &'h Authorized,
        filter: &'h EventFilter,
        marker: Option<&'h str>,
        limit: usize,
    ) -> BoxFuture<'h, Result<EventPage, AuditError>>;
}

impl EventHistory for AuditLog {
    fn page<'h>(
        &'h self,
        proof: &'h Authorized,
        filter: &'h EventFilter,
        marker: Option<&'h str>,
        limit: usize,
    ) -> BoxFuture<'h, Result<EventPage, AuditError>> {
        self.search(proof, filter, marker, limit).boxed()
    }
}

impl AuditLog {
    /// As `search`, with what is queued: a refusal is found as soon as its caller has been told.
    pub async fn search(
        &self,
        proof: &Authorized,
        filter: &EventFilter,
        marker: Option<&str>,
        limit: usize,
    ) -> Result<EventPage, AuditError> {
        self.flush().await?;
        search(&*self.store, proof, filter, marker, limit)
    }
}

/// Events of the account of whoever `proof` is of, newest first: at most `limit` of those that `filter` takes, after `marker`.
/// What was refused a moment ago may still be queued: see `AuditLog::flush`.
pub fn search(
    store: &dyn Store,
    proof: &Authorized,
    filter: &EventFilter,
    marker: Option<&str>,
    limit: usize,
) -> Result<EventPage, AuditError> {
    let account = Key::new().text(proof.principal().account.as_str());
    let at = |ms: i64| account.clone().u64(u64::try_from(ms).unwrap_or(0));
    let from = filter.from_ms.map_or_else(|| account.clone(), at);
    let mut to = filter.to_ms.map(at).or_else(|| account.after_prefix());
    if let Some(marker) = marker {
        let refused = || AuditError::Marker { marker: marker.to_owned() };
        let bytes = hex::decode(marker).map_err(|_| refused())?;
        // A marker of another account's would reach outside of this one's.
        if !bytes.starts_with(account.as_bytes()) {
            return Err(refused());
        }
        let after = Key::from(bytes);
        to = Some(to.map_or_else(|| after.clone(), |to| to.min(after.clone())));
    }
    let limit = limit.clamp(1, SEARCH_EVENTS_MAX);
    let mut page = EventPage { events: Vec::new(), marker: None };
    let bound = to.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
    let snapshot = store.read()?;
    for (scanned, item) in snapshot.range_reverse(EVENTS, Bound::Included(&from), bound).enumerate() {
        let (key, event) = item?;
        if filter.takes(&event) {
            page.events.push(if filter.without_answers { event } else { event.with_answer(&snapshot)? });
        }
        if page.events.len() == limit || scanned + 1 == SEARCH_SCANNED_EVENTS_MAX {
            page.marker = Some(hex::encode(key.as_bytes()));
            break;
        }
    }
    Ok(page)
}
