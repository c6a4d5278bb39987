//! Writes down which objects were read, and moves those that were not, or were after all. In batches, at most half of the time. Knows
//! tiers only as `tier_at` tells them.

use std::collections::HashMap;
use std::ops::Bound;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tarn_metadata::{Key, Read, Snapshot, StoreExt, Tx};
use tarn_runtime::{Worker, WorkerOutcome};

use super::{TieringConfiguration, Watched, forget, steps, tier_at, watch, watched_key};
use crate::classes::{AccessTier, StorageClass};
use crate::errors::ObjectsError;
use crate::keyspaces::{TIERING, TIERING_DUE, TIERING_SCANS, VERSIONS, WATCHED};
use crate::names::BucketName;
use crate::objects::Objects;
use crate::records::{VersionUuid, bucket_key, version_key};

/// How many reads one transaction writes down.
const READS_COUNT_MAX: usize = 1000;
/// How many objects are looked at together.
const DUE_COUNT_MAX: usize = 100;
/// How many objects of a bucket one round of its scan puts into the queue.
const SCANNED_COUNT_MAX: usize = 500;
/// Reads are written down after this part of a day, at least so often and at most so seldom as the bounds say.
const ROUNDS_A_DAY: i64 = 100;
const WAIT_MIN: Duration = Duration::from_millis(50);
const WAIT_MAX: Duration = Duration::from_secs(60);
/// A read within this part of a day of the last one that was written down is not written down.
const READS_A_DAY: i64 = 24;
/// An object that could not be moved is looked at again after this part of a day.
const RETRIES_A_DAY: i64 = 24;
/// The longest pause after a move; a shorter move has a pause of its own length.
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// The worker of INTELLIGENT_TIERING.
pub struct TieringWorker {
    objects: Objects,
}

/// What one round came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TieringRound {
    /// Whether there may be more to do at once.
    pub is_busy: bool,
    /// Objects moved to another tier.
    pub moved: usize,
}

impl Objects {
    /// The worker of INTELLIGENT_TIERING.
    pub fn tiering_worker(&self) -> TieringWorker {
        TieringWorker { objects: self.clone() }
    }
}

/// A version that is due.
struct Due {
    bucket: BucketName,
    id: VersionUuid,
}

impl TieringWorker {
    /// One round: what was read, a piece of a scan, what is due.
    pub async fn round(&self) -> Result<TieringRound, ObjectsError> {
        self.write_down_reads().await?;
        let is_scanning = self.scan().await?;
        let mut round = self.work_off().await?;
        round.is_busy |= is_scanning;
        Ok(round)
    }

    /// Objects that were read and lie in a colder tier are due at once; others when their time comes, which is later now.
    async fn write_down_reads(&self) -> Result<(), ObjectsError> {
        let reads = self.objects.recent_reads.take();
        let (now_ms, apart_ms) = (self.objects.now_ms(), self.objects.days().day_ms / READS_A_DAY);
        for reads in reads.chunks(READS_COUNT_MAX) {
            let snapshot = self.objects.snapshot()?;
            let mut news = Vec::new();
            for (id, bucket, at_ms) in reads {
                let Some(watched) = snapshot.get(WATCHED, &watched_key(bucket, id))? else { continue };
                let tier = snapshot.get(VERSIONS, &version_key(id))?.map(|record| record.tier).unwrap_or_default();
                if tier != AccessTier::Frequent || at_ms - watched.accessed_ms > apart_ms {
                    news.push((*id, bucket.clone(), *at_ms, tier));
                }
            }
            if news.is_empty() {
                continue;
            }
            let write_down = move |tx: &mut Tx<'_>| {
                for (id, bucket, at_ms, tier) in &news {
                    let Some(mut watched) = tx.get(WATCHED, &watched_key(bucket, id))? else { continue };
                    watched.accessed_ms = watched.accessed_ms.max(*at_ms);
                    if *tier != AccessTier::Frequent {
                        watched.due_ms = Some(now_ms);
                    }
                    watch(tx, bucket, id, watched)?;
                }
                Ok::<_, ObjectsError>(())
            };
            self.objects.store.write(write_down).await?;
        }
        Ok(())
    }

    /// Puts the next objects of a bucket whose configurations changed into the queue.
    async fn scan(&self) -> Result<bool, ObjectsError> {
        let snapshot = self.objects.snapshot()?;
        let Some(row) = snapshot.prefix(TIERING_SCANS, &Key::new()).next() else { return Ok(false) };
        let (at, scan) = row?;
        let bucket = BucketName::new(Key::reader(at.as_bytes()).text().unwrap_or_default())?;
        let prefix = bucket_key(&bucket);
        let (after, end) = (scan.after.map(|id| watched_key(&bucket, &id)), prefix.after_prefix());
        let from = after.as_ref().map_or(Bound::Included(&prefix), Bound::Excluded);
        let to = end.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut ids: Vec<VersionUuid> = Vec::new();
        for row in snapshot.range(WATCHED, from, to).take(SCANNED_COUNT_MAX) {
            let at = row?.0;
            let mut reader = Key::reader(at.as_bytes());
            reader.text();
            ids.extend(VersionUuid::try_from(reader.rest()).ok());
        }
        let now_ms = self.objects.now_ms();
        let progress = ids.last().copied().filter(|_| ids.len() == SCANNED_COUNT_MAX);
        let queue = move |tx: &mut Tx<'_>| {
            for id in &ids {
                if let Some(watched) = tx.get(WATCHED, &watched_key(&bucket, id))? {
                    watch(tx, &bucket, id, Watched { due_ms: Some(now_ms), ..watched })?;
                }
            }
            // Configurations that changed meanwhile have begun a scan of their own.
            if tx.get(TIERING_SCANS, &at)? == Some(scan) {
                match progress {
                    Some(after) => {
                        tx.put(TIERING_SCANS, &at, &super::TieringScan { after: Some(after), ..scan })?;
                    }
                    None => tx.delete(TIERING_SCANS, &at)?,
                }
            }
            Ok::<_, ObjectsError>(())
        };
        self.objects.store.write(queue).await?;
        Ok(true)
    }

    async fn work_off(&self) -> Result<TieringRound, ObjectsError> {
        let snapshot = self.objects.snapshot()?;
        let due = self.due(&snapshot)?;
        let mut round = TieringRound { is_busy: due.len() == DUE_COUNT_MAX, moved: 0 };
        let mut configurations = HashMap::new();
        let mut looked_at = Vec::with_capacity(due.len());
        for Due { bucket, id } in due {
            if !configurations.contains_key(&bucket) {
                configurations.insert(bucket.clone(), configurations_of(&snapshot, &bucket)?);
            }
            let of_bucket = configurations.get(&bucket).map(Vec::as_slice).unwrap_or_default();
            let started = tokio::time::Instant::now();
            let (next, moved) = self.look_at(&snapshot, &bucket, &id, of_bucket).await?;
            looked_at.push((bucket, id, next));
            if moved {
                round.moved += 1;
                tokio::time::sleep(started.elapsed().min(PAUSE_MAX)).await;
            }
        }
        if looked_at.is_empty() {
            return Ok(round);
        }
        let requeue = move |tx: &mut Tx<'_>| {
            for (bucket, id, next) in &looked_at {
                match (next, tx.get(WATCHED, &watched_key(bucket, id))?) {
                    (Next::At(due_ms), Some(watched)) => {
                        watch(tx, bucket, id, Watched { due_ms: *due_ms, ..watched })?;
                    }
                    (Next::Forget, _) | (_, None) => forget(tx, bucket, id)?,
                }
            }
            Ok::<_, ObjectsError>(())
        };
        self.objects.store.write(requeue).await?;
        Ok(round)
    }

    fn due(&self, snapshot: &Snapshot) -> Result<Vec<Due>, ObjectsError> {
        let now_ms = u64::try_from(self.objects.now_ms()).unwrap_or(0);
        let end = Key::new().u64(now_ms).after_prefix();
        let end = end.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut due = Vec::new();
        for row in snapshot.range(TIERING_DUE, Bound::Unbounded, end).take(DUE_COUNT_MAX) {
            let at = row?.0;
            let mut reader = Key::reader(at.as_bytes());
            if let (Some(_), Some(bucket)) = (reader.u64(), reader.text())
                && let Ok(id) = VersionUuid::try_from(reader.rest())
            {
                due.push(Due { bucket: BucketName::new(bucket)?, id });
            }
        }
        Ok(due)
    }

    /// Moves a version if it does not lie where it belongs; tells when it is due next.
    async fn look_at(
        &self,
        snapshot: &Snapshot,
        bucket: &BucketName,
        id: &VersionUuid,
        configurations: &[TieringConfiguration],
    ) -> Result<(Next, bool), ObjectsError> {
        let (days, now_ms) = (self.objects.days(), self.objects.now_ms());
        let watched = snapshot.get(WATCHED, &watched_key(bucket, id))?;
        let record = snapshot.get(VERSIONS, &version_key(id))?;
        let (Some(watched), Some(record)) = (watched, record) else { return Ok((Next::Forget, false)) };
        if record.class != StorageClass::IntelligentTiering {
            return Ok((Next::Forget, false));
        }
        let (tier, next_ms) = tier_at(&steps(configurations, &record), watched.accessed_ms, days, now_ms);
        // From an archive tier only a restore leads back; while one is under way, nothing moves.
        let stays = tier == record.tier || (record.needs_restore() && tier < record.tier) || record.restore.is_some();
        if stays {
            return Ok((Next::At(next_ms), false));
        }
        match self.objects.place(id, StorageClass::IntelligentTiering, tier).await {
            Ok(moved) => Ok((Next::At(next_ms), moved)),
            Err(error) => {
                tracing::warn!(%error, %bucket, key = %record.key, "an object could not be moved to its access tier; it is tried again");
                Ok((Next::At(Some(now_ms.saturating_add(days.day_ms / RETRIES_A_DAY))), false))
            }
        }
    }
}

/// When a version is looked at next.
enum Next {
    /// Then, or when something happens to it.
    At(Option<i64>),
    /// It is not watched any more.
    Forget,
}

fn configurations_of(read: &impl Read, bucket: &BucketName) -> Result<Vec<TieringConfiguration>, ObjectsError> {
    let mut configurations = Vec::new();
    for row in read.prefix(TIERING, &bucket_key(bucket)) {
        configurations.push(row?.1);
    }
    Ok(configurations)
}

impl Worker for TieringWorker {
    fn name(&self) -> String {
        "objects-tiering".to_owned()
    }

    fn work(&self) -> BoxFuture<'_, WorkerOutcome> {
        async move {
            match self.round().await {
                Ok(TieringRound { is_busy: true, .. }) => WorkerOutcome::Busy,
                Ok(_) => WorkerOutcome::Idle,
                Err(error) => WorkerOutcome::Failed { reason: error.to_string() },
            }
        }
        .boxed()
    }

    fn wait(&self) -> BoxFuture<'_, ()> {
        let round_ms = u64::try_from(self.objects.days().day_ms / ROUNDS_A_DAY).unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(round_ms).clamp(WAIT_MIN, WAIT_MAX)).boxed()
    }
}
