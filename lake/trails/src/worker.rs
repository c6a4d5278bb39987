//! The worker of all trails: delivers what waits, then the digests that are due. One at a time, so that a digest names all that was
//! delivered before it.

use std::fmt;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tarn_audit::waiting;
use tarn_keys::kms::KmsError;
use tarn_metadata::{Key, Read, StoreExt};
use tarn_runtime::{Worker, WorkerOutcome};

use crate::log_files::Delivered;
use crate::records::{CHAINS, LEAVING, LOG_FILES, STATUSES, TRAILS, Trail, of_trail};
use crate::{Trails, TrailsError};

/// How often it looks what is due.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Files of one trail in one round, so that no trail waits long for another's.
const ROUND_FILES_MAX: usize = 16;
/// Records removed in one transaction.
const STEP_RECORDS_MAX: usize = 1_000;

/// Delivers for all trails.
pub struct TrailWorker {
    trails: Trails,
    due_ms: Mutex<i64>,
}

impl fmt::Debug for TrailWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TrailWorker")
    }
}

impl Trails {
    /// The worker that delivers.
    pub fn worker(&self) -> TrailWorker {
        TrailWorker { trails: self.clone(), due_ms: Mutex::new(self.next_delivery_ms()) }
    }

    fn next_delivery_ms(&self) -> i64 {
        let interval_ms = i64::try_from(self.parts().options.delivery_interval.as_millis()).unwrap_or(i64::MAX);
        self.now_ms().saturating_add(interval_ms)
    }
}

/// Whether it is the bucket's or the key's fault: then others are served, and it is tried again.
fn is_of_trail(error: &TrailsError) -> bool {
    use tarn_objects::ObjectsError;
    match error {
        TrailsError::Objects(
            ObjectsError::Store(_)
            | ObjectsError::Blob(_)
            | ObjectsError::Keys(_)
            | ObjectsError::Kms(KmsError::Store(_) | KmsError::Keys(_))
            | ObjectsError::Stopping,
        ) => false,
        TrailsError::Objects(_) => true,
        _ => false,
    }
}

impl TrailWorker {
    /// Delivers what waits for a trail; whether more waits.
    async fn deliver(&self, trail: &Trail) -> Result<bool, TrailsError> {
        let until = self.trails.snapshot()?.sequence();
        for _ in 0..ROUND_FILES_MAX {
            match self.trails.deliver(trail, until).await {
                Ok(Delivered::Some) => {}
                Ok(Delivered::Nothing) => return Ok(false),
                Err(error) if is_of_trail(&error) => {
                    tracing::info!(trail = %trail.arn(), %error, "events wait: the trail's bucket or key does not take them");
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    async fn digest(&self, trail: &Trail) -> Result<(), TrailsError> {
        if self.trails.due_digest(trail)?.is_none() {
            return Ok(());
        }
        // What was done within the digest's time is in its files as far as it can be.
        let until = self.trails.snapshot()?.sequence();
        self.deliver(trail).await?;
        let Some((chain, end_ms)) = self.trails.due_digest(trail)? else { return Ok(()) };
        // The last digest waits for the last file: none that comes later would be signed.
        if chain.is_ending && !waiting(&self.trails.snapshot()?, &trail.account, &trail.id, until, 1)?.is_empty() {
            return Ok(());
        }
        match self.trails.digest(trail, chain, end_ms).await {
            Err(error) if is_of_trail(&error) => {
                tracing::info!(trail = %trail.arn(), %error, "a digest waits: the trail's bucket does not take it");
                Ok(())
            }
            done => done,
        }
    }

    /// Delivers what waits for a deleted trail, or drops it, and then all that was kept of the trail.
    async fn leave(&self, trail: &Trail) -> Result<(), TrailsError> {
        let until = self.trails.snapshot()?.sequence();
        loop {
            match self.trails.deliver(trail, until).await {
                Ok(Delivered::Some) => {}
                Ok(Delivered::Nothing) => break,
                Err(error) if is_of_trail(&error) => {
                    tracing::info!(trail = %trail.arn(), %error, "the last events of a deleted trail were dropped: its bucket does not take them");
                    while self.trails.discard(trail).await? == Delivered::Some {}
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        // What a call that goes on has left is delivered when it has ended.
        if !waiting(&self.trails.snapshot()?, &trail.account, &trail.id, until, 1)?.is_empty() {
            return Ok(());
        }
        if let Some((chain, end_ms)) = self.trails.due_digest(trail)? {
            match self.trails.digest(trail, chain, end_ms).await {
                Err(error) if is_of_trail(&error) => {
                    tracing::info!(trail = %trail.arn(), %error, "the last digest of a deleted trail was dropped");
                }
                done => done?,
            }
        }
        let (store, at) = (&self.trails.parts().store, of_trail(&trail.id));
        loop {
            let files =
                self.trails.snapshot()?.prefix(LOG_FILES, &at).take(STEP_RECORDS_MAX).collect::<Result<Vec<_>, _>>()?;
            let (is_last, at) = (files.len() < STEP_RECORDS_MAX, at.clone());
            let forgotten = store.write(move |tx| {
                files.iter().try_for_each(|(place, _)| tx.delete(LOG_FILES, place))?;
                if is_last {
                    tx.delete(CHAINS, &at)?;
                    tx.delete(STATUSES, &at)?;
                    tx.delete(LEAVING, &at)?;
                }
                Ok::<_, TrailsError>(())
            });
            forgotten.await?;
            if is_last {
                return Ok(());
            }
        }
    }

    async fn round(&self) -> Result<WorkerOutcome, TrailsError> {
        let parts = self.trails.parts();
        let snapshot = self.trails.snapshot()?;
        let all = |keyspace| {
            let found = snapshot.prefix(keyspace, &Key::new());
            found.map(|item| item.map(|(_, trail): (_, Trail)| trail)).collect::<Result<Vec<_>, _>>()
        };
        let (trails, leaving) = (all(TRAILS)?, all(LEAVING)?);
        if trails.is_empty() && leaving.is_empty() {
            return Ok(WorkerOutcome::Idle);
        }
        // Refusals and reads of a moment ago are of this round too.
        parts.audit.flush().await?;
        let mut is_more = false;
        // Where the clock was set back it is due at once, and not when that time comes again.
        let (now_ms, next_ms) = (self.trails.now_ms(), self.trails.next_delivery_ms());
        let is_due = !(now_ms.saturating_add(1)..=next_ms).contains(&*self.due_ms.lock());
        for trail in &trails {
            if is_due {
                is_more |= self.deliver(trail).await?;
            }
            // One that was refused is tried again with the next delivery.
            let status = snapshot.get(STATUSES, &of_trail(&trail.id))?;
            if is_due || status.is_none_or(|status| status.digest_error.is_none()) {
                self.digest(trail).await?;
            }
        }
        for trail in &leaving {
            self.leave(trail).await?;
        }
        if is_due && !is_more {
            *self.due_ms.lock() = next_ms;
        }
        Ok(if is_more { WorkerOutcome::Busy } else { WorkerOutcome::Idle })
    }
}

impl Worker for TrailWorker {
    fn name(&self) -> String {
        "trails".to_owned()
    }

    fn work(&self) -> BoxFuture<'_, WorkerOutcome> {
        async move {
            match self.round().await {
                Ok(outcome) => outcome,
                Err(error) => WorkerOutcome::Failed { reason: error.to_string() },
            }
        }
        .boxed()
    }

    fn wait(&self) -> BoxFuture<'_, ()> {
        tokio::time::sleep(LOOK_INTERVAL.min(self.trails.parts().options.delivery_interval)).boxed()
    }
}
