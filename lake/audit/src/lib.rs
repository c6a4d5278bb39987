//! Who did what, kept with what they did: audit events that commit in the transaction of the change they tell of.
//! Knows nothing of the form trails are delivered in.
//!
//! A domain's mutating entry point takes a `Caller` and commits through `Caller::commit`, so that no change is without its record.

mod caller;
mod event;

pub use caller::Caller;
pub use event::{EVENTS, Event, EventDraft, EventId, Outcome};
