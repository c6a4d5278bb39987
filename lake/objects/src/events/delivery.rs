//! Delivers events: each queue in its order, one batch after the other, again after a pause that doubles where a destination does not
//! take them. At least once: a crash between a delivery and its commit delivers the batch again. Knows destinations by a trait.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tarn_metadata::{Key, Read, Sequence, Snapshot, StoreExt, Tx};
use tarn_runtime::{Worker, WorkerOutcome};
use tarn_types::AccountId;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::errors::ObjectsError;
use crate::events::{Event, queue};
use crate::keyspaces::{EVENT_QUEUES, EVENTFUL};
use crate::names::BucketName;
use crate::objects::Objects;

/// Deliveries that run at once: a destination that is slow holds one of them up.
const LANES: usize = 4;
/// Events of one delivery.
const BATCH_COUNT_MAX: usize = 10;
/// Events that go from the bus to the rules' queues in one transaction.
const BUS_BATCH_COUNT_MAX: usize = 256;
/// The pause after a failed delivery.
const PAUSE: Duration = Duration::from_millis(500);
/// What it doubles up to.
const PAUSE_MAX: Duration = Duration::from_secs(120);
/// How long an event is tried: as long as a queue of AWS keeps a message by default.
const AGE_MAX_MS: i64 = 4 * 24 * 60 * 60 * 1000;
/// How long changes gather before queues are looked at.
const GATHER: Duration = Duration::from_millis(10);
/// How long queues are not looked at while nothing changes.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// What a destination is sent when it is configured.
#[derive(Debug, Clone)]
pub struct TestEvent {
    /// Of which bucket.
    pub bucket: BucketName,
    /// Whose that is.
    pub owner: AccountId,
    /// Milliseconds since 1970.
    pub time_ms: i64,
    /// Of the request that configures it.
    pub request_id: String,
}

/// Who takes events. Implemented where destinations are known.
pub trait EventSink: Send + Sync + 'static {
    /// Whether there is such a destination for events of `owner`'s buckets; otherwise why not.
    fn check(&self, owner: &AccountId, destination: &str) -> Result<(), String>;
    /// Sends a test event.
    fn test<'a>(&'a self, destination: &'a str, test: &'a TestEvent) -> BoxFuture<'a, Result<(), String>>;
    /// The queues of the rules that an event on the bus matches.
    fn routes(&self, event: &Event) -> Vec<String>;
    /// Delivers events, all of one bucket owner, in their order. On an error all of them are tried again.
    fn deliver<'a>(&'a self, queue: &'a str, events: &'a [Event]) -> BoxFuture<'a, Result<(), String>>;
}

/// What all clones of `Objects` share of events.
#[derive(Default)]
pub(crate) struct EventsShared {
    /// Whether any bucket is watched, as far as is known: only then is the log waited for.
    is_watching: AtomicBool,
    changed: Notify,
}

impl EventsShared {
    pub(crate) fn rules_changed(&self) {
        self.is_watching.store(true, Ordering::Release);
        self.changed.notify_waiters();
    }
}

/// How a queue's deliveries go. Kept in memory: after a restart all are tried at once.
#[derive(Debug, Clone, Copy)]
struct Lane {
    is_busy: bool,
    not_before: Instant,
    pause: Duration,
}

#[derive(Default)]
struct Lanes {
    queues: HashMap<String, Lane>,
    /// The queue that was delivered last: the next one's turn is after it.
    last: String,
}

/// One of the workers that deliver events.
#[derive(Clone)]
pub struct EventDelivery {
    objects: Objects,
    sink: Arc<dyn EventSink>,
    lanes: Arc<Mutex<Lanes>>,
    number: usize,
    seen: Arc<Mutex<Sequence>>,
}

impl fmt::Debug for EventDelivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventDelivery({})", self.number)
    }
}

impl Objects {
    /// The workers that deliver events to `sink`.
    pub fn event_delivery(&self, sink: Arc<dyn EventSink>) -> Vec<EventDelivery> {
        let lanes: Arc<Mutex<Lanes>> = Arc::default();
        let lane = |number| EventDelivery {
            objects: self.clone(),
            sink: sink.clone(),
            lanes: lanes.clone(),
            number,
            seen: Arc::default(),
        };
        (0..LANES).map(lane).collect()
    }

    fn has_events(&self) -> Result<bool, ObjectsError> {
        let snapshot = self.snapshot()?;
        Ok(snapshot.prefix(EVENTFUL, &Key::new()).next().is_some()
            || snapshot.prefix(EVENT_QUEUES, &Key::new()).next().is_some())
    }
}

/// A queue's turn, given back when it is over.
struct Turn<'a> {
    lanes: &'a Mutex<Lanes>,
    queue: String,
    is_done: bool,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut lanes = self.lanes.lock();
        if self.is_done {
            lanes.queues.remove(&self.queue);
        } else if let Some(lane) = lanes.queues.get_mut(&self.queue) {
            lane.is_busy = false;
            lane.not_before = Instant::now() + lane.pause;
            lane.pause = (lane.pause * 2).min(PAUSE_MAX);
        }
    }
}

impl EventDelivery {
    /// Takes the next queue whose time has come and that no other lane is at.
    fn take(&self, snapshot: &Snapshot) -> Result<Option<Turn<'_>>, ObjectsError> {
        let waiting = queue::waiting(snapshot)?;
        let now = Instant::now();
        let mut lanes = self.lanes.lock();
        let is_free = |name: &str, lanes: &Lanes| match lanes.queues.get(name) {
            Some(lane) => !lane.is_busy && lane.not_before <= now,
            None => true,
        };
        let after = waiting.iter().filter(|(name, _)| *name > lanes.last);
        let found = after.chain(waiting.iter().filter(|(name, _)| *name <= lanes.last));
        let found = found.map(|(name, _)| name).find(|name| is_free(name, &lanes)).cloned();
        Ok(found.map(|name| {
            let fresh = Lane { is_busy: true, not_before: now, pause: PAUSE };
            lanes.queues.entry(name.clone()).or_insert(fresh).is_busy = true;
            lanes.last.clone_from(&name);
            Turn { lanes: &self.lanes, queue: name, is_done: false }
        }))
    }

    /// Delivers one batch of one queue; tells whether there was one whose time had come.
    pub async fn deliver_next(&self) -> Result<bool, ObjectsError> {
        let snapshot = self.objects.snapshot()?;
        *self.seen.lock() = snapshot.sequence();
        let Some(mut turn) = self.take(&snapshot)? else { return Ok(false) };
        // What another lane delivered between the look and the turn is not there any more.
        let snapshot = self.objects.snapshot()?;
        let queue = turn.queue.clone();
        turn.is_done = match queue.as_str() {
            queue::BUS => self.route(&snapshot).await?,
            _ => self.deliver(&queue, &snapshot).await?,
        };
        Ok(true)
    }

    /// From the bus into the queues of its rules.
    async fn route(&self, snapshot: &Snapshot) -> Result<bool, ObjectsError> {
        let events = queue::first(snapshot, queue::BUS, BUS_BATCH_COUNT_MAX)?;
        let routed: Vec<(u64, Vec<String>, Event)> =
            events.into_iter().map(|(number, event)| (number, self.sink.routes(&event), event)).collect();
        let route = move |tx: &mut Tx<'_>| {
            for (number, queues, event) in &routed {
                for name in queues {
                    queue::push(tx, name, event)?;
                }
                queue::done(tx, queue::BUS, &[*number])?;
            }
            Ok::<_, ObjectsError>(())
        };
        self.objects.store.write(route).await?;
        Ok(true)
    }

    async fn deliver(&self, queue: &str, snapshot: &Snapshot) -> Result<bool, ObjectsError> {
        let mut events = queue::first(snapshot, queue, BATCH_COUNT_MAX)?;
        // Events of one owner at a time: who may deliver is asked for each owner.
        if let Some(owner) = events.first().map(|(_, event)| event.owner.clone()) {
            events.truncate(events.iter().take_while(|(_, event)| event.owner == owner).count());
        }
        let oldest_ms = self.objects.now_ms().saturating_sub(AGE_MAX_MS);
        let (numbers, events): (Vec<u64>, Vec<Event>) = events.into_iter().unzip();
        if let Err(reason) = self.sink.deliver(queue, &events).await {
            let old = events.iter().take_while(|event| event.time_ms < oldest_ms).count();
            tracing::warn!(queue, reason, dropped = old, "events were not taken; they are tried again for four days");
            if old > 0 {
                self.forget(queue, numbers.into_iter().take(old).collect()).await?;
            }
            return Ok(false);
        }
        self.forget(queue, numbers).await?;
        Ok(true)
    }

    async fn forget(&self, queue: &str, numbers: Vec<u64>) -> Result<(), ObjectsError> {
        let queue = queue.to_owned();
        Ok(self.objects.store.write(move |tx: &mut Tx<'_>| queue::done(tx, &queue, &numbers)).await?)
    }

    /// How long until a queue that waits may be tried again.
    fn until_due(&self) -> Duration {
        let lanes = self.lanes.lock();
        let due = lanes.queues.values().filter(|lane| !lane.is_busy).map(|lane| lane.not_before).min();
        due.map_or(WAIT_MAX, |due| due.saturating_duration_since(Instant::now()).min(WAIT_MAX))
    }
}

impl Worker for EventDelivery {
    fn name(&self) -> String {
        format!("objects-events-{}", self.number)
    }

    fn work(&self) -> BoxFuture<'_, WorkerOutcome> {
        async move {
            match self.deliver_next().await {
                Ok(true) => WorkerOutcome::Busy,
                Ok(false) => WorkerOutcome::Idle,
                Err(error) => WorkerOutcome::Failed { reason: error.to_string() },
            }
        }
        .boxed()
    }

    fn wait(&self) -> BoxFuture<'_, ()> {
        async move {
            let shared = &self.objects.events;
            let seen = *self.seen.lock();
            let rules = shared.changed.notified();
            if !shared.is_watching.load(Ordering::Acquire) && !self.objects.has_events().unwrap_or(true) {
                // The timeout is for rules that came between the look and the wait.
                let _ = tokio::time::timeout(Duration::from_secs(1), rules).await;
                return;
            }
            shared.is_watching.store(true, Ordering::Release);
            let changed = async {
                self.objects.store.wait_for_change(seen).await;
                tokio::time::sleep(GATHER).await;
            };
            tokio::select! {
                () = changed => {}
                () = rules => {}
                () = tokio::time::sleep(self.until_due()) => {}
            }
        }
        .boxed()
    }
}
