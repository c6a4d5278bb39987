//! Queues of events: one for each destination, numbered rows in the order of the log. Knows nobody who takes an event.

use serde::{Deserialize, Serialize};
use tarn_metadata::{Key, Read, Record, Tx};

use crate::errors::ObjectsError;
use crate::events::Event;
use crate::keyspaces::{EVENT_QUEUES, EVENTS};

/// The queue of EventBridge's default bus: its events go on to the queues of the rules that they match.
pub(crate) const BUS: &str = "bus";
/// The most events that wait for one destination. Of a destination that takes none for so long, the newest are dropped.
pub const EVENTS_WAITING_COUNT_MAX: u64 = 1_000_000;

/// How a queue stands. A queue in which nothing waits has no record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventQueue {
    /// The last number that was given.
    pub(crate) last: u64,
    /// How many wait.
    pub(crate) waiting: u64,
    /// How many were dropped since it was empty.
    pub(crate) dropped: u64,
}

impl Record for EventQueue {
    const VERSION: u16 = 1;
}

fn queue_key(queue: &str) -> Key {
    Key::new().text(queue)
}

/// Puts an event at the end of a queue.
pub(crate) fn push(tx: &mut Tx<'_>, queue: &str, event: &Event) -> Result<(), ObjectsError> {
    let at = queue_key(queue);
    let mut state = tx.get(EVENT_QUEUES, &at)?.unwrap_or_default();
    if state.waiting >= EVENTS_WAITING_COUNT_MAX {
        state.dropped += 1;
    } else {
        state.last += 1;
        state.waiting += 1;
        tx.put(EVENTS, &at.clone().u64(state.last), event)?;
    }
    Ok(tx.put(EVENT_QUEUES, &at, &state)?)
}

/// Forgets events of a queue, each of which waits in it.
pub(crate) fn done(tx: &mut Tx<'_>, queue: &str, numbers: &[u64]) -> Result<(), ObjectsError> {
    let at = queue_key(queue);
    let Some(mut state) = tx.get(EVENT_QUEUES, &at)? else { return Ok(()) };
    for number in numbers {
        tx.delete(EVENTS, &at.clone().u64(*number))?;
    }
    state.waiting = state.waiting.saturating_sub(numbers.len() as u64);
    if tx.prefix(EVENTS, &at).next().transpose()?.is_none() {
        if state.dropped > 0 {
            tracing::warn!(queue, dropped = state.dropped, "events were dropped: too many waited for one destination");
        }
        return Ok(tx.delete(EVENT_QUEUES, &at)?);
    }
    Ok(tx.put(EVENT_QUEUES, &at, &state)?)
}

/// The first events of a queue, with their numbers.
pub(crate) fn first(read: &impl Read, queue: &str, count_max: usize) -> Result<Vec<(u64, Event)>, ObjectsError> {
    let mut found = Vec::new();
    for pair in read.prefix(EVENTS, &queue_key(queue)).take(count_max) {
        let (key, event) = pair?;
        let mut reader = Key::reader(key.as_bytes());
        reader.text();
        found.push((reader.u64().unwrap_or(0), event));
    }
    Ok(found)
}

/// The queues in which something waits.
pub(crate) fn waiting(read: &impl Read) -> Result<Vec<(String, EventQueue)>, ObjectsError> {
    let mut found = Vec::new();
    for pair in read.prefix(EVENT_QUEUES, &Key::new()) {
        let (key, state) = pair?;
        found.extend(Key::reader(key.as_bytes()).text().map(|name| (name, state)));
    }
    Ok(found)
}
