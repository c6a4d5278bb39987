//! What calls were answered, beside their records: a change's record commits with the change, before there is an answer. Knows which calls
//! are not answered yet, so that who hands records on can wait for them.
//!
//! A crash between the change and its answer leaves a record without one.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tarn_metadata::{Keyspace, Read, Record, StoreError};

use crate::{AuditLog, Caller, Event, EventId, Outcome};

/// Answers, each at its event's key.
pub const ANSWERS: Keyspace<Answer> = Keyspace::new(0x0304, "audit.answers");

/// The longest that a record waits for its call's answer. A call that takes longer is handed on without.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(60);

/// What a call was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// JSON text without secrets.
    pub text: String,
}

impl Record for Answer {
    const VERSION: u16 = 1;
}

/// A call that goes on and whose answer is to be on record. It has ended when this is dropped.
pub struct Answering {
    log: Arc<AuditLog>,
    id: EventId,
}

impl Answering {
    /// What `caller` is answered, as JSON text without secrets. Never waits.
    pub fn answered(self, caller: &Caller, text: String) {
        self.log.push_answer(caller.event_key(), text);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.log.unanswered.lock().remove(&self.id);
    }
}

impl AuditLog {
    /// The call of the event `id` begins. To be asked before it can commit.
    pub fn answering(self: &Arc<Self>, id: EventId) -> Answering {
        self.unanswered.lock().insert(id, self.runtime.now().as_millisecond());
        Answering { log: self.clone(), id }
    }

    /// The calls that may be answered yet.
    pub(crate) fn unanswered(&self) -> HashSet<EventId> {
        let now_ms = self.runtime.now().as_millisecond();
        // Nor does it wait longer where the clock was set back.
        let is_waited_for = |began_ms: &i64| u128::from(now_ms.abs_diff(*began_ms)) < ANSWER_WAIT_MAX.as_millis();
        let unanswered = self.unanswered.lock();
        unanswered.iter().filter(|(_, began_ms)| is_waited_for(began_ms)).map(|(id, _)| *id).collect()
    }
}

impl Event {
    /// Whether an answer of it can be on record: nothing of the data plane has one, and no refusal.
    pub(crate) fn may_have_answer(&self) -> bool {
        self.management && self.outcome == Outcome::Success
    }

    /// The same event with what it was answered, if that is in `read`.
    pub(crate) fn with_answer(self, read: &impl Read) -> Result<Self, StoreError> {
        if !self.may_have_answer() {
            return Ok(self);
        }
        let answer = read.get(ANSWERS, &self.key())?;
        Ok(Self { response_elements: answer.map(|answer| answer.text), ..self })
    }
}
