//! Removal of old events: by age, and by number for each account. Small steps, so that a long history blocks nothing.

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tarn_metadata::{Key, Read, StoreExt};
use tarn_runtime::{Runtime, Worker, WorkerOutcome};

use crate::errors::of_write;
use crate::{ANSWERS, AuditError, AuditLog, EVENTS};

/// Events looked at, and at most removed, in one step.
const STEP_EVENTS_MAX: usize = 2_000;
/// From the end of one pass to the beginning of the next.
const PASS_PERIOD: Duration = Duration::from_secs(3_600);
const DAY_MS: i64 = 86_400_000;

/// Where a pass is. Accounts are walked from their newest event to their oldest, so that what is beyond the number is known when it is met.
#[derive(Debug, Clone, Default)]
enum Place {
    /// Before the first account.
    #[default]
    Start,
    /// Within an account: the event last seen, and how many were seen.
    Account { account: String, before: Option<Key>, seen: u64 },
    /// Past the last account.
    End,
}

/// Removes events that the settings no longer keep.
pub struct Retention {
    log: Arc<AuditLog>,
    runtime: Runtime,
    place: Mutex<Place>,
}

impl Retention {
    /// For the events of `log`.
    pub fn new(log: Arc<AuditLog>, runtime: Runtime) -> Self {
        Self { log, runtime, place: Mutex::default() }
    }

    /// The account of the first event after all of `account`'s.
    fn next_account(&self, account: Option<&str>) -> Result<Option<String>, AuditError> {
        let snapshot = self.log.store.read()?;
        let after = account.and_then(|account| Key::new().text(account).after_prefix());
        let from = after.as_ref().map_or(Bound::Unbounded, Bound::Included);
        let next = snapshot.range(EVENTS, from, Bound::Unbounded).next().transpose()?;
        Ok(next.map(|(_, event)| event.scope.account.to_string()))
    }

    /// One step; says where the next begins.
    async fn step(&self, place: Place) -> Result<Place, AuditError> {
        let (account, before, seen) = match place {
            Place::End => return Ok(Place::Start),
            Place::Start => {
                return Ok(match self.next_account(None)? {
                    Some(account) => Place::Account { account, before: None, seen: 0 },
                    None => Place::End,
                });
            }
            Place::Account { account, before, seen } => (account, before, seen),
        };
        let settings = self.log.settings();
        let oldest_ms = self.runtime.now().as_millisecond() - i64::from(settings.retention_days) * DAY_MS;
        let prefix = Key::new().text(&account);
        let end = before.or_else(|| prefix.after_prefix());
        let to = end.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let (mut looked_at, mut last, mut gone) = (0, None, Vec::new());
        for item in self.log.store.read()?.range_reverse(EVENTS, Bound::Included(&prefix), to).take(STEP_EVENTS_MAX) {
            let (key, event) = item?;
            looked_at += 1;
            if event.time_ms < oldest_ms || seen + looked_at > settings.events_per_account_max {
                gone.push((key.clone(), event.may_have_answer()));
            }
            last = Some(key);
        }
        if !gone.is_empty() {
            let removed = self.log.store.write(move |tx| {
                for (key, may_have_answer) in &gone {
                    tx.delete(EVENTS, key)?;
                    if *may_have_answer {
                        tx.delete(ANSWERS, key)?;
                    }
                }
                Ok::<_, AuditError>(())
            });
            removed.await.map_err(of_write)?;
        }
        if looked_at == STEP_EVENTS_MAX as u64 {
            return Ok(Place::Account { account, before: last, seen: seen + looked_at });
        }
        Ok(match self.next_account(Some(&account))? {
            Some(account) => Place::Account { account, before: None, seen: 0 },
            None => Place::End,
        })
    }
}

impl Worker for Retention {
    fn name(&self) -> String {
        "audit-retention".to_owned()
    }

    fn work(&self) -> BoxFuture<'_, WorkerOutcome> {
        async move {
            let place = self.place.lock().clone();
            match self.step(place).await {
                Ok(next) => {
                    let ended = matches!(next, Place::End);
                    *self.place.lock() = if ended { Place::Start } else { next };
                    if ended { WorkerOutcome::Idle } else { WorkerOutcome::Busy }
                }
                Err(error) => WorkerOutcome::Failed { reason: error.to_string() },
            }
        }
        .boxed()
    }

    fn wait(&self) -> BoxFuture<'_, ()> {
        tokio::time::sleep(PASS_PERIOD).boxed()
    }
}
