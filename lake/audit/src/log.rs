//! Events that no change carries: refusals always, reads when the settings ask; and what calls were answered. Queued without waiting,
//! written in batches.
//!
//! The queue is bounded. What does not fit is counted, and the count is itself an event: a gap in the record is on record.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::{Mutex, RwLock};
use tarn_metadata::{Key, Read, Store, StoreExt};
use tarn_policy::Principal;
use tarn_runtime::{EntropyExt, Runtime, Worker, WorkerOutcome};
use tarn_types::Scope;
use tokio::sync::Notify;

use crate::errors::of_write;
use crate::following::{Following, read_following};
use crate::{
    ANSWERS, Answer, AuditError, AuditSettings, EVENTS, Event, EventDetails, EventDraft, EventId, Outcome, settings,
};

/// Events and answers that wait to be written.
const QUEUE_ENTRIES_MAX: usize = 8_192;
/// Events and answers of one transaction.
const BATCH_ENTRIES_MAX: usize = 512;
/// Longest text of one field that a caller can choose.
const TEXT_SIZE_BYTES_MAX: usize = 1_024;
/// Longest text of a call's input or answer.
const PARAMETERS_SIZE_BYTES_MAX: usize = 16 * 1_024;

/// The name of the event that tells of others lost.
pub const EVENTS_LOST: &str = "AuditEventsLost";

/// What waits to be written.
#[derive(Clone)]
enum Entry {
    Event(Box<Event>),
    /// Of the event at that key.
    Answer(Key, Answer),
}

#[derive(Default)]
struct Queue {
    entries: VecDeque<Entry>,
    lost: u64,
}

/// Takes events that no change carries.
pub struct AuditLog {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) settings: RwLock<AuditSettings>,
    /// Who is to get which events; read for every call that changes nothing.
    pub(crate) following: RwLock<Following>,
    /// Calls whose answer will be on record, by when they began, milliseconds since 1970: at most as many as are served at a time.
    pub(crate) unanswered: Mutex<HashMap<EventId, i64>>,
    pub(crate) runtime: Runtime,
    /// Where the server's own events are said to happen.
    scope: Scope,
    /// One batch at a time.
    writing: tokio::sync::Mutex<()>,
    queue: Mutex<Queue>,
    filled: Notify,
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuditLog({} queued)", self.queue.lock().entries.len())
    }
}

fn cut(text: &mut String, size_bytes_max: usize) {
    let mut end = text.len().min(size_bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}

impl AuditLog {
    /// Over `store`; `scope` is the lake's first account and its region.
    pub fn open(store: Arc<dyn Store>, runtime: Runtime, scope: Scope) -> Result<Self, AuditError> {
        let settings = RwLock::new(settings::read(&*store)?);
        let following = RwLock::new(read_following(&store.read()?)?);
        Ok(Self {
            store,
            settings,
            following,
            unanswered: Mutex::default(),
            runtime,
            scope,
            queue: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
            filled: Notify::new(),
        })
    }

    /// A call was refused or failed: what it was told. Never waits.
    pub fn record_refusal(&self, draft: EventDraft, code: &str, message: &str) {
        self.record_refusal_with(draft, EventDetails::default(), code, message);
    }

    /// As `record_refusal`, with how the call came.
    pub fn record_refusal_with(&self, draft: EventDraft, details: EventDetails, code: &str, message: &str) {
        let (mut code, mut message) = (code.to_owned(), message.to_owned());
        cut(&mut code, TEXT_SIZE_BYTES_MAX);
        cut(&mut message, TEXT_SIZE_BYTES_MAX);
        self.push(draft, details, Outcome::Failure { code, message });
    }

    /// A call was done and changed nothing: kept if the settings or a trail ask for such. Never waits.
    pub fn record_read(&self, draft: EventDraft) {
        self.record_read_with(draft, &EventDetails::default());
    }

    /// As `record_read`, with how the call came.
    pub fn record_read_with(&self, draft: EventDraft, details: &EventDetails) {
        let settings = self.settings();
        // A write that changed nothing, as putting what is there already, is a call like any other write.
        let kept = match (draft.read_only, draft.management) {
            (false, _) => true,
            (true, true) => settings.management_reads,
            (true, false) => settings.data_reads,
        };
        if kept || self.is_followed(&draft) {
            self.push(draft, details.clone(), Outcome::Success);
        }
    }

    fn push(&self, mut draft: EventDraft, details: EventDetails, outcome: Outcome) {
        cut(&mut draft.event_name, TEXT_SIZE_BYTES_MAX);
        cut(&mut draft.user_agent, TEXT_SIZE_BYTES_MAX);
        cut(&mut draft.request_parameters, PARAMETERS_SIZE_BYTES_MAX);
        self.push_entry(Entry::Event(Box::new(Event { details, ..draft.into_event(outcome) })));
    }

    pub(crate) fn push_answer(&self, at: Key, mut text: String) {
        cut(&mut text, PARAMETERS_SIZE_BYTES_MAX);
        self.push_entry(Entry::Answer(at, Answer { text }));
    }

    fn push_entry(&self, entry: Entry) {
        let mut queue = self.queue.lock();
        if queue.entries.len() >= QUEUE_ENTRIES_MAX {
            queue.lost += 1;
        } else {
            queue.entries.push_back(entry);
        }
        drop(queue);
        self.filled.notify_one();
    }

    /// Writes one batch; says how much is left. What could not be written waits on.
    async fn write_batch(&self) -> Result<usize, AuditError> {
        // A flush must not overtake what the writer has taken out of the queue and not written yet.
        let _writing = self.writing.lock().await;
        let (batch, lost) = {
            let mut queue = self.queue.lock();
            let len = queue.entries.len().min(BATCH_ENTRIES_MAX);
            (queue.entries.drain(..len).collect::<Vec<_>>(), std::mem::take(&mut queue.lost))
        };
        let mut entries = batch.clone();
        if lost > 0 {
            tracing::warn!(
                lost,
                "audit events were lost: more calls were refused, read or answered than could be written"
            );
            entries.push(Entry::Event(Box::new(self.lost_event(lost))));
        }
        if entries.is_empty() {
            return Ok(0);
        }
        let written = self
            .store
            .write(move |tx| {
                for entry in &entries {
                    match entry {
                        Entry::Event(event) => event.record(tx)?,
                        // Without its event nothing would remove it.
                        Entry::Answer(at, answer) if tx.contains(EVENTS, at)? => tx.put(ANSWERS, at, answer)?,
                        Entry::Answer(..) => {}
                    }
                }
                Ok::<_, AuditError>(())
            })
            .await;
        let mut queue = self.queue.lock();
        if let Err(error) = written {
            queue.lost += lost;
            for entry in batch.into_iter().rev() {
                queue.entries.push_front(entry);
            }
            return Err(of_write(error));
        }
        Ok(queue.entries.len())
    }

    fn lost_event(&self, lost: u64) -> Event {
        let draft = EventDraft {
            id: self.runtime.entropy.bytes(),
            request_id: self.runtime.entropy.uuid().to_string(),
            time_ms: self.runtime.now().as_millisecond(),
            event_source: "cloudtrail.amazonaws.com".to_owned(),
            event_name: EVENTS_LOST.to_owned(),
            read_only: false,
            management: true,
            scope: self.scope.clone(),
            principal: Principal::service(self.scope.account.clone(), "cloudtrail.amazonaws.com"),
            source_ip: "cloudtrail.amazonaws.com".to_owned(),
            user_agent: "cloudtrail.amazonaws.com".to_owned(),
            request_parameters: serde_json::json!({ "events": lost }).to_string(),
            resources: Vec::new(),
        };
        let message = format!("{lost} refusals, reads or answers were not recorded.");
        draft.into_event(Outcome::Failure { code: EVENTS_LOST.to_owned(), message })
    }

    /// Writes all that is queued: before the server stops, and before a search that must see the latest refusals.
    pub async fn flush(&self) -> Result<(), AuditError> {
        while self.write_batch().await? > 0 {}
        Ok(())
    }
}

/// Writes what `AuditLog` queues.
#[derive(Debug, Clone)]
pub struct AuditWriter(Arc<AuditLog>);

impl AuditWriter {
    /// Writes for `log`.
    pub fn new(log: Arc<AuditLog>) -> Self {
        Self(log)
    }
}

impl Worker for AuditWriter {
    fn name(&self) -> String {
        "audit-writer".to_owned()
    }

    fn work(&self) -> BoxFuture<'_, WorkerOutcome> {
        async move {
            match self.0.write_batch().await {
                Ok(0) => WorkerOutcome::Idle,
                Ok(_) => WorkerOutcome::Busy,
                Err(error) => WorkerOutcome::Failed { reason: error.to_string() },
            }
        }
        .boxed()
    }

    /// A notice that comes before the wait is kept for it.
    fn wait(&self) -> BoxFuture<'_, ()> {
        self.0.filled.notified().boxed()
    }
}
