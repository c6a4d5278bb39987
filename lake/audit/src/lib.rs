//! Who did what, kept with what they did: audit events that commit in the transaction of the change they tell of.
//! Knows nothing of the form trails are delivered in.
//!
//! * A domain's mutating entry point takes a `Caller` and commits through `Caller::commit`, so that no change is without its record.
//! * What changes nothing, refusals and reads, goes through `AuditLog`: queued without waiting, written in batches by a worker.
//! * A record commits before there is an answer, which is queued the same way and kept beside it: `ANSWERS`.
//! * Trails say which events they ask for; those are queued for them in the transaction that records them.
//! * `search` reads events back; `Retention` removes the oldest.

mod answers;
mod caller;
mod errors;
mod event;
mod following;
mod log;
mod resource_types;
mod retention;
mod search;
mod settings;

#[cfg(test)]
mod tests;

pub use answers::{ANSWERS, Answer, Answering};
pub use caller::Caller;
pub use errors::AuditError;
pub use event::{
    EVENTS, Event, EventDetails, EventDraft, EventId, Outcome, SessionContext, put_failure, user_kind, user_name,
};
pub use following::{
    EventField, EventWish, FOLLOWERS, FieldCondition, Follower, FollowerId, Followers, QUEUE, Queued, TRAIL_SERVICE,
    Waiting, set_followers, take, waiting,
};
pub use log::{AuditLog, AuditWriter, EVENTS_LOST};
pub use resource_types::{resource_name, resource_type};
pub use retention::Retention;
pub use search::{
    EventFilter, EventHistory, EventPage, OutcomeFilter, SEARCH_EVENTS_MAX, SEARCH_SCANNED_EVENTS_MAX, search,
};
pub use settings::{AuditSettings, SETTINGS};
