//! Who did what, kept with what they did: audit events that commit in the transaction of the change they tell of.
//! Knows nothing of the form trails are delivered in.
//!
//! * A domain's mutating entry point takes a `Caller` and commits through `Caller::commit`, so that no change is without its record.
//! * What changes nothing, refusals and reads, goes through `AuditLog`: queued without waiting, written in batches by a worker.
//! * `search` reads events back; `Retention` removes the oldest.

mod caller;
mod errors;
mod event;
mod log;
mod retention;
mod search;
mod settings;

#[cfg(test)]
mod tests;

pub use caller::Caller;
pub use errors::AuditError;
pub use event::{EVENTS, Event, EventDraft, EventId, Outcome, SessionContext, put_failure};
pub use log::{AuditLog, AuditWriter, EVENTS_LOST};
pub use retention::Retention;
pub use search::{EventFilter, EventPage, OutcomeFilter, SEARCH_EVENTS_MAX, SEARCH_SCANNED_EVENTS_MAX, search};
pub use settings::{AuditSettings, SETTINGS};
