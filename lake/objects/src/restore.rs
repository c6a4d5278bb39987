//! Restores: a temporary copy of what must not be read in place.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreObject.html>

use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_blobs::{BlobOwner, BlobRef};
use tarn_metadata::{Key, Read, Record, StoreExt, Tx};
use tarn_runtime::{Worker, WorkerOutcome};

use crate::classes::{AccessTier, Placement, RAW, StorageClass};
use crate::errors::ObjectsError;
use crate::events::{Change, EventDetails, EventKind, announce};
use crate::gc::bury;
use crate::get::ObjectVersion;
use crate::keyspaces::{RESTORE_EXPIRIES, RESTORE_QUEUE, VERSIONS};
use crate::names::{BucketName, ObjectKey};
use crate::objects::Objects;
use crate::put::Durable;
use crate::records::{DeadBlobs, VersionRecord, VersionUuid, version_key};
use crate::versions::{VersionId, version_in};

/// Restores done at the same time.
const AT_ONCE: usize = 4;
/// Restores looked up at a time.
const BATCH_COUNT_MAX: usize = 64;
/// Copies dropped in one transaction.
const EXPIRED_COUNT_MAX: usize = 256;
/// The longest the clock is not looked at while copies are waiting to expire.
const EXPIRY_WAIT_MAX: Duration = Duration::from_secs(60);
/// AWS's most days of a copy fit into 31 bits; this is as long as anybody lives.
const DAYS_MAX: u32 = 36_500;

/// How soon a restore is done: its place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum RestoreTier {
    /// Before all others.
    Expedited,
    /// After those.
    #[default]
    Standard,
    /// When no other waits.
    Bulk,
}

/// Where a restore stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Restore {
    /// Asked for.
    Ongoing {
        /// When, milliseconds since 1970.
        requested_ms: i64,
        /// For how many days the copy is to stay; none where the object itself moves back.
        days: Option<u32>,
        /// How soon.
        tier: RestoreTier,
    },
    /// There is a copy.
    Done {
        /// Until when, milliseconds since 1970.
        expires_ms: i64,
        /// Its bytes, a blob for each part: the sealed bytes, out of their container.
        copies: Vec<BlobRef>,
    },
}

impl Restore {
    pub(crate) fn copies(&self) -> &[BlobRef] {
        match self {
            Self::Ongoing { .. } => &[],
            Self::Done { copies, .. } => copies,
        }
    }

    pub(crate) fn copies_mut(&mut self) -> &mut [BlobRef] {
        match self {
            Self::Ongoing { .. } => &mut [],
            Self::Done { copies, .. } => copies,
        }
    }
}

impl VersionRecord {
    /// Whether its bytes can be read at `now_ms`.
    pub(crate) fn is_readable(&self, now_ms: i64) -> bool {
        !self.needs_restore() || matches!(&self.restore, Some(Restore::Done { expires_ms, .. }) if *expires_ms > now_ms)
    }
}

/// Where a restore stands, as it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreStatus {
    /// Asked for.
    Ongoing,
    /// There is a copy.
    Done {
        /// Until when, milliseconds since 1970.
        expires_ms: i64,
    },
}

impl VersionRecord {
    /// Where its restore stands at `now_ms`; a copy whose time is over is none.
    pub(crate) fn restore_status(&self, now_ms: i64) -> Option<RestoreStatus> {
        match self.restore.as_ref()? {
            Restore::Ongoing { .. } => Some(RestoreStatus::Ongoing),
            Restore::Done { expires_ms, .. } if *expires_ms > now_ms => {
                Some(RestoreStatus::Done { expires_ms: *expires_ms })
            }
            Restore::Done { .. } => None,
        }
    }
}

/// A restore that is asked for.
#[derive(Debug, Clone)]
pub struct RestoreObject {
    /// Where.
    pub bucket: BucketName,
    /// Which object.
    pub key: ObjectKey,
    /// Which version of it; the latest, if none is named.
    pub version: Option<VersionId>,
    /// For how many days; none for INTELLIGENT_TIERING, whose objects move back.
    pub days: Option<u32>,
    /// How soon.
    pub tier: RestoreTier,
}

/// What came of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreOutcome {
    /// It will be done.
    Accepted,
    /// There is a copy; it stays as long as was asked for now.
    Prolonged,
}

/// A row that says everything by its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {}

impl Record for Waiting {
    const VERSION: u16 = 1;
}

impl RestoreTier {
    fn priority(self) -> u32 {
        match self {
            Self::Expedited => 0,
            Self::Standard => 1,
            Self::Bulk => 2,
        }
    }
}

/// Its place in the queue.
fn queue_key(tier: RestoreTier, requested_ms: i64, id: &VersionUuid) -> Key {
    Key::new().u32(tier.priority()).u64(u64::try_from(requested_ms).unwrap_or(0)).raw(id)
}

fn expiry_key(expires_ms: i64, id: &VersionUuid) -> Key {
    Key::new().u64(u64::try_from(expires_ms).unwrap_or(0)).raw(id)
}

fn id_of(rest: &[u8]) -> Option<VersionUuid> {
    rest.try_into().ok()
}

/// When a copy that is made now for so many days goes: at the midnight after them, as on AWS.
fn expiry_ms(now_ms: i64, days: u32, day_ms: i64) -> i64 {
    let day_ms = day_ms.max(1);
    let after = now_ms.saturating_add(i64::from(days).saturating_mul(day_ms));
    match after.rem_euclid(day_ms) {
        0 => after,
        past => after.saturating_add(day_ms - past),
    }
}

/// Takes a request for `record`.
fn ask(
    tx: &mut Tx<'_>,
    mut record: VersionRecord,
    days: Option<u32>,
    tier: RestoreTier,
    now_ms: i64,
    day_ms: i64,
) -> Result<RestoreOutcome, ObjectsError> {
    let id = record.id;
    if !record.needs_restore() {
        return Err(ObjectsError::InvalidObjectState {
            reason: "Restore is not allowed for the object's current storage class",
            class: record.class,
            tier: record.tier,
        });
    }
    let moves_back = record.class == StorageClass::IntelligentTiering;
    match days {
        Some(_) if moves_back => {
            let reason = "Days must not be given for an object in INTELLIGENT_TIERING: it moves back".to_owned();
            return Err(ObjectsError::InvalidRequest { reason });
        }
        None if !moves_back => {
            return Err(ObjectsError::InvalidRequest {
                reason: "Days must be given for this storage class".to_owned(),
            });
        }
        Some(days) if !(1..=DAYS_MAX).contains(&days) => {
            let reason = "a copy stays for 1 to 36500 days";
            return Err(ObjectsError::InvalidArgument { name: "Days", value: days.to_string(), reason });
        }
        Some(_) | None => {}
    }
    let is_deep = record.class == StorageClass::DeepArchive || record.tier == AccessTier::DeepArchive;
    if is_deep && tier == RestoreTier::Expedited {
        let reason = "Retrieval option is not supported by this storage class".to_owned();
        return Err(ObjectsError::InvalidRequest { reason });
    }
    match record.restore.take() {
        Some(Restore::Ongoing { requested_ms, days, tier: asked }) => {
            // A faster tier hastens what is under way; nothing else can be changed.
            if tier >= asked {
                return Err(ObjectsError::RestoreInProgress);
            }
            tx.delete(RESTORE_QUEUE, &queue_key(asked, requested_ms, &id))?;
            tx.put(RESTORE_QUEUE, &queue_key(tier, requested_ms, &id), &Waiting {})?;
            record.restore = Some(Restore::Ongoing { requested_ms, days, tier });
            tx.put(VERSIONS, &version_key(&id), &record)?;
            return Ok(RestoreOutcome::Accepted);
        }
        Some(Restore::Done { expires_ms, copies }) => {
            tx.delete(RESTORE_EXPIRIES, &expiry_key(expires_ms, &id))?;
            if expires_ms > now_ms {
                let expires_ms = expiry_ms(now_ms, days.unwrap_or(1), day_ms);
                tx.put(RESTORE_EXPIRIES, &expiry_key(expires_ms, &id), &Waiting {})?;
                record.restore = Some(Restore::Done { expires_ms, copies });
                tx.put(VERSIONS, &version_key(&id), &record)?;
                return Ok(RestoreOutcome::Prolonged);
            }
            // Its time was over; it is only not removed yet.
            bury(tx, &DeadBlobs { version: id, blobs: copies })?;
        }
        None => {}
    }
    tx.put(RESTORE_QUEUE, &queue_key(tier, now_ms, &id), &Waiting {})?;
    record.restore = Some(Restore::Ongoing { requested_ms: now_ms, days, tier });
    tx.put(VERSIONS, &version_key(&id), &record)?;
    Ok(RestoreOutcome::Accepted)
}

impl Objects {
    /// Where the version's restore stands.
    pub fn restore_status(&self, version: &ObjectVersion) -> Option<RestoreStatus> {
        version.record().restore_status(self.now_ms())
    }

    /// Where the restore of the version that a listing names stands.
    pub fn listed_restore_status(&self, id: &VersionUuid) -> Result<Option<RestoreStatus>, ObjectsError> {
        let record = self.snapshot()?.get(VERSIONS, &version_key(id))?;
        Ok(record.and_then(|record| record.restore_status(self.now_ms())))
    }

    /// Refuses what lies in an archive and was not restored, or no longer is.
    pub fn check_readable(&self, version: &ObjectVersion) -> Result<(), ObjectsError> {
        if version.record().is_readable(self.now_ms()) {
            return Ok(());
        }
        Err(ObjectsError::InvalidObjectState {
            reason: "The operation is not valid for the object's storage class",
            class: version.class(),
            tier: version.tier(),
        })
    }

    /// Asks for a copy of an archived object that can be read, or changes how long the one there is stays.
    pub async fn restore_object(
        &self,
        caller: &Caller,
        request: RestoreObject,
    ) -> Result<RestoreOutcome, ObjectsError> {
        let RestoreObject { bucket, key, version, days, tier } = request;
        let (now_ms, day_ms, by) = (self.now_ms(), self.options.day_ms, self.changed_by(caller));
        let outcome = caller
            .commit(&*self.store, move |tx| {
                let record = version_in(tx, &bucket, &key, version.as_ref())?;
                let is_first = record.restore.is_none();
                let told = record.clone();
                let outcome = ask(tx, record, days, tier, now_ms, day_ms)?;
                // A faster tier, and a longer time, are no restore of their own.
                if outcome == RestoreOutcome::Accepted && is_first {
                    let details = EventDetails::Restore { class: told.class, expires_ms: None };
                    announce(tx, &Change::of(EventKind::RestoreAsked, &told, &by).with(details))?;
                }
                Ok(outcome)
            })
            .await
            .map_err(ObjectsError::from)?;
        self.restores_changed.notify_waiters();
        Ok(outcome)
    }

    /// Does the restores that wait, the most urgent first, up to a batch; tells how many were done and why others were not.
    pub async fn restore_waiting(&self) -> Result<(usize, Option<ObjectsError>), ObjectsError> {
        let mut waiting = Vec::new();
        for row in self.snapshot()?.prefix(RESTORE_QUEUE, &Key::new()).take(BATCH_COUNT_MAX) {
            waiting.push(row?.0);
        }
        let mut outcomes = futures::stream::iter(waiting).map(|at| self.restore_one(at)).buffer_unordered(AT_ONCE);
        let (mut done, mut failed) = (0, None);
        while let Some(outcome) = outcomes.next().await {
            match outcome {
                Ok(()) => done += 1,
                Err(error) => {
                    tracing::error!(%error, "an archived object could not be restored; it is tried again");
                    failed = Some(error);
                }
            }
        }
        if done > 0 {
            self.restores_changed.notify_waiters();
        }
        Ok((done, failed))
    }

    async fn restore_one(&self, at: Key) -> Result<(), ObjectsError> {
        let mut reader = Key::reader(at.as_bytes());
        let id = (reader.u32().is_some() && reader.u64().is_some()).then(|| id_of(reader.rest())).flatten();
        let Some(id) = id else {
            return self.forget_waiting(at).await;
        };
        let restored = match self.hold_version(&id)? {
            Some(version) if matches!(version.record().restore, Some(Restore::Ongoing { .. })) => {
                if version.class() == StorageClass::IntelligentTiering {
                    self.place(&id, StorageClass::IntelligentTiering, AccessTier::Frequent).await.map(drop)
                } else {
                    self.restore_copy(version, at.clone()).await
                }
            }
            // Deleted, moved or restored meanwhile.
            Some(_) | None => Ok(()),
        };
        match restored {
            Ok(()) => self.forget_waiting(at).await,
            Err(error) => {
                self.requeue(&id, at).await?;
                Err(error)
            }
        }
    }

    async fn forget_waiting(&self, at: Key) -> Result<(), ObjectsError> {
        Ok(self.store.write(move |tx: &mut Tx<'_>| Ok::<_, ObjectsError>(tx.delete(RESTORE_QUEUE, &at)?)).await?)
    }

    /// Puts what failed behind what waits, so that it does not keep others from being done.
    async fn requeue(&self, id: &VersionUuid, at: Key) -> Result<(), ObjectsError> {
        let (id, now_ms) = (*id, self.now_ms());
        let requeue = move |tx: &mut Tx<'_>| {
            tx.delete(RESTORE_QUEUE, &at)?;
            if let Some(mut record) = tx.get(VERSIONS, &version_key(&id))?
                && let Some(Restore::Ongoing { requested_ms, tier, .. }) = &mut record.restore
            {
                *requested_ms = now_ms;
                tx.put(RESTORE_QUEUE, &queue_key(*tier, now_ms, &id), &Waiting {})?;
                tx.put(VERSIONS, &version_key(&id), &record)?;
            }
            Ok::<_, ObjectsError>(())
        };
        Ok(self.store.write(requeue).await?)
    }

    /// Copies the sealed bytes out of their containers, where they are checked and, if need be, repaired; then says that they are there.
    async fn restore_copy(&self, version: ObjectVersion, at: Key) -> Result<(), ObjectsError> {
        let mut durable = Vec::with_capacity(version.parts().len());
        for part in version.parts() {
            durable.push(self.copy_sealed(&part.blob, RAW).await?);
        }
        let copies: Vec<BlobRef> = durable.iter().map(|copy| copy.blob.clone()).collect();
        let (seen, now_ms, day_ms) = (version.record().clone(), self.now_ms(), self.options.day_ms);
        let by = self.changed_by_itself();
        let swap = move |tx: &mut Tx<'_>| {
            tx.delete(RESTORE_QUEUE, &at)?;
            let Some(mut record) = tx.get(VERSIONS, &version_key(&seen.id))? else { return Ok(false) };
            let Some(Restore::Ongoing { days, .. }) = record.restore else { return Ok(false) };
            if !record.needs_restore() || !record.has_same_bytes(&seen) {
                return Ok(false);
            }
            let expires_ms = expiry_ms(now_ms, days.unwrap_or(1), day_ms);
            record.restore = Some(Restore::Done { expires_ms, copies });
            tx.put(RESTORE_EXPIRIES, &expiry_key(expires_ms, &seen.id), &Waiting {})?;
            tx.put(VERSIONS, &version_key(&seen.id), &record)?;
            let details = EventDetails::Restore { class: record.class, expires_ms: Some(expires_ms) };
            announce(tx, &Change::of(EventKind::Restored, &record, &by).with(details))?;
            Ok::<_, ObjectsError>(true)
        };
        let fate = self.store.write(swap).await.map_err(ObjectsError::from);
        self.settle_all(durable, fate).await.map(drop)
    }

    /// Ends the limbo of blobs whose record was swapped, or not.
    pub(crate) async fn settle_all(
        &self,
        durable: Vec<Durable>,
        fate: Result<bool, ObjectsError>,
    ) -> Result<bool, ObjectsError> {
        for blob in durable {
            let fate = match &fate {
                Ok(true) => Ok(()),
                // Nothing names it: as if it had been refused.
                Ok(false) => Err(ObjectsError::RestoreInProgress),
                Err(error) => Err(error.clone()),
            };
            // Its own fate is that of all.
            let _ = blob.settle(&*self.blobs, fate).await;
        }
        fate
    }

    /// The same sealed bytes in another place, packed as they are. They keep their owner, because their key is derived from it.
    pub(crate) async fn copy_sealed(&self, blob: &BlobRef, placement: Placement) -> Result<Durable, ObjectsError> {
        self.copy_sealed_for(blob.owner, blob, placement).await
    }

    /// As `copy_sealed`, for another owner: its record says what the key is derived from.
    pub(crate) async fn copy_sealed_for(
        &self,
        owner: BlobOwner,
        blob: &BlobRef,
        placement: Placement,
    ) -> Result<Durable, ObjectsError> {
        let in_flight = self.pins.in_flight(owner.version);
        let mut writer = self.create_blob(owner, Some(blob.len), placement).await?;
        let mut bytes = self.blobs.read(blob, 0..blob.len);
        while let Some(bytes) = bytes.next().await {
            writer.write(bytes.map_err(ObjectsError::Blob)?).await.map_err(ObjectsError::Blob)?;
        }
        let blob = writer.finish().await.map_err(ObjectsError::Blob)?;
        Ok(Durable::new(blob, in_flight))
    }

    /// Drops the copies whose time is over, up to a batch; tells how many rows were looked at.
    pub async fn drop_expired_copies(&self) -> Result<usize, ObjectsError> {
        let now_ms = self.now_ms();
        let mut due = Vec::new();
        for row in self.snapshot()?.prefix(RESTORE_EXPIRIES, &Key::new()).take(EXPIRED_COUNT_MAX) {
            let at = row?.0;
            let mut reader = Key::reader(at.as_bytes());
            let expires_ms = reader.u64().and_then(|ms| i64::try_from(ms).ok()).unwrap_or(0);
            if expires_ms > now_ms {
                break;
            }
            due.push((expires_ms, id_of(reader.rest()), at.clone()));
        }
        let count = due.len();
        if count == 0 {
            return Ok(0);
        }
        let by = self.changed_by_itself();
        let drop_copies = move |tx: &mut Tx<'_>| {
            for (due_ms, id, at) in &due {
                tx.delete(RESTORE_EXPIRIES, at)?;
                let Some(id) = id else { continue };
                let Some(mut record) = tx.get(VERSIONS, &version_key(id))? else { continue };
                // One that was prolonged has another row.
                match record.restore.take() {
                    Some(Restore::Done { expires_ms, copies }) if expires_ms == *due_ms => {
                        bury(tx, &DeadBlobs { version: *id, blobs: copies })?;
                        tx.put(VERSIONS, &version_key(id), &record)?;
                        let details = EventDetails::Restore { class: record.class, expires_ms: Some(expires_ms) };
                        announce(tx, &Change::of(EventKind::RestoreExpired, &record, &by).with(details))?;
                    }
                    Some(_) | None => {}
                }
            }
            Ok::<_, ObjectsError>(())
        };
        self.store.write(drop_copies).await?;
        self.dead.notify_one();
        Ok(count)
    }

    /// How long until a copy's time is over, as far as is known.
    fn until_next_expiry(&self) -> Duration {
        let next = self.snapshot().ok().and_then(|snapshot| {
            let at = snapshot.prefix(RESTORE_EXPIRIES, &Key::new()).next()?.ok()?.0;
            Key::reader(at.as_bytes()).u64()
        });
        let now_ms = u64::try_from(self.now_ms()).unwrap_or(0);
        next.map_or(EXPIRY_WAIT_MAX, |next_ms| {
            Duration::from_millis(next_ms.saturating_sub(now_ms)).min(EXPIRY_WAIT_MAX)
        })
    }

    /// The workers of restores: one makes the copies, one drops them when their time is over.
    pub fn restore_workers(&self) -> [std::sync::Arc<dyn Worker>; 2] {
        [
            std::sync::Arc::new(Restorer { objects: self.clone() }),
            std::sync::Arc::new(Expirer { objects: self.clone() }),
        ]
    }
}

/// Makes the copies that were asked for.
struct Restorer {
    objects: Objects,
}

impl Worker for Restorer {
    fn name(&self) -> String {
        "objects-restorer".to_owned()
    }

    fn work(&self) -> BoxFuture<'_, WorkerOutcome> {
        async move {
            match self.objects.restore_waiting().await {
                Ok((0, None)) => WorkerOutcome::Idle,
                Ok((0, Some(error))) | Err(error) => WorkerOutcome::Failed { reason: error.to_string() },
                Ok((_, _)) => WorkerOutcome::Busy,
            }
        }
        .boxed()
    }

    fn wait(&self) -> BoxFuture<'_, ()> {
        // The timeout is for a request that came between the look and the wait.
        tokio::time::timeout(Duration::from_secs(1), self.objects.restores_changed.notified()).map(drop).boxed()
    }
}

/// Drops copies whose time is over.
struct Expirer {
    objects: Objects,
}

impl Worker for Expirer {
    fn name(&self) -> String {
        "objects-restore-expiry".to_owned()
    }

    fn work(&self) -> BoxFuture<'_, WorkerOutcome> {
        async move {
            match self.objects.drop_expired_copies().await {
                Ok(0) => WorkerOutcome::Idle,
                Ok(_) => WorkerOutcome::Busy,
                Err(error) => WorkerOutcome::Failed { reason: error.to_string() },
            }
        }
        .boxed()
    }

    fn wait(&self) -> BoxFuture<'_, ()> {
        async move {
            let until = self.objects.until_next_expiry();
            let _ = tokio::time::timeout(until, self.objects.restores_changed.notified()).await;
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_go_at_the_midnight_after_their_days() {
        const DAY: i64 = 86_400_000;
        let check = |now_ms: i64, days: u32, day_ms: i64, expected: i64| {
            assert_eq!(expiry_ms(now_ms, days, day_ms), expected, "{now_ms} {days} {day_ms}");
        };
        check(0, 1, DAY, DAY);
        check(1, 1, DAY, 2 * DAY);
        check(DAY - 1, 3, DAY, 4 * DAY);
        check(DAY, 3, DAY, 4 * DAY);
        check(2_500, 1, 1_000, 4_000);
        check(5, 1, 0, 6);
        check(i64::MAX - 5, 36_500, DAY, i64::MAX);
    }
}
