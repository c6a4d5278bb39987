//! Does what rules want, when it is due: in batches, in turn for each bucket, at most half of the time. What it has not finished when it
//! is killed is still in the queue. Knows rules only by their plans.
//!
//! It acts as `lifecycle.s3.amazonaws.com` for the bucket's owner; its removals are those of the ordinary calls, with their records.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tarn_audit::{Caller, EventDraft};
use tarn_metadata::{Key, Read, StoreExt, Tx};
use tarn_policy::{Authorized, Authorizer, BoundAuthorizer, Context, Denied, DeniedBecause, Principal, Requirement};
use tarn_runtime::{EntropyExt, Worker, WorkerOutcome};
use tarn_types::Scope;

use crate::errors::ObjectsError;
use crate::events::{Change, ChangedBy, EventDetails, EventKind, Subject, announce};
use crate::keyspaces::{LIFECYCLE_DUE, LIFECYCLE_FOLLOWED};
use crate::lifecycle::plan::{LifecycleAction, Which};
use crate::lifecycle::queue::{Ruled, due_key};
use crate::lock::Bypass;
use crate::names::{BucketName, ObjectKey};
use crate::objects::{Objects, bucket_in};
use crate::records::{Bucket, VersionEntry, Versioning};
use crate::versions::{NewMarker, locate, mark_deleted, remove_unversioned, remove_version};

/// Who removes what lifecycle rules want removed.
const SERVICE: &str = "lifecycle.s3.amazonaws.com";
/// How many keys of one bucket are looked at together.
const KEYS_COUNT_MAX: usize = 100;
/// How many removals one transaction has; the record of all of them is one event.
const REMOVALS_COUNT_MAX: usize = 200;
/// The longest pause after a batch; a shorter batch has a pause of its own length.
const PAUSE_MAX: Duration = Duration::from_millis(100);
/// How long nothing is looked at while nothing is due: a clock may be set.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// How long changes gather before they are looked at: a hundredth of a day, at most this.
const GATHER_MAX: Duration = Duration::from_secs(5);
const GATHER_MIN: Duration = Duration::from_millis(20);
/// A key at which something went wrong is looked at again after this part of a day.
const RETRIES_A_DAY: i64 = 24;

/// The worker that follows lifecycle rules.
pub struct LifecycleWorker {
    objects: Objects,
    place: Mutex<Place>,
}

/// Where it was, so that it goes on from there.
#[derive(Debug, Clone, Default)]
struct Place {
    /// The last transaction looked at.
    position: u64,
    /// The bucket whose scan was on last.
    scanned: Option<String>,
    /// The day and bucket that were worked off last.
    done: Option<(u64, String)>,
}

/// What one round came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LifecycleRound {
    /// Whether there may be more to do at once.
    pub is_busy: bool,
    /// Versions removed or replaced by delete markers.
    pub removed: usize,
    /// Uploads given up.
    pub aborted: usize,
    /// Versions moved to another class.
    pub moved: usize,
}

impl Objects {
    /// The worker that follows lifecycle rules.
    pub fn lifecycle_worker(&self) -> LifecycleWorker {
        LifecycleWorker { objects: self.clone(), place: Mutex::default() }
    }
}

impl LifecycleWorker {
    /// One round: changes of the log, some of a scan, one batch of what is due.
    pub async fn round(&self) -> Result<LifecycleRound, ObjectsError> {
        let place = self.place.lock().clone();
        let Some(followed) = self.objects.follow_lifecycles(place.position).await? else {
            self.place.lock().position = 0;
            // Rows of rules that are gone are left; they go when they are due.
            return self.work_off(place.done).await;
        };
        self.place.lock().position = followed.position;
        let scanned = self.objects.scan_lifecycles(place.scanned.as_deref()).await?;
        let is_scanning = scanned.is_some();
        self.place.lock().scanned = scanned;
        let mut round = self.work_off(place.done).await?;
        round.is_busy |= followed.is_behind || is_scanning;
        Ok(round)
    }

    /// The next bucket's turn: the oldest day's rows of the bucket after the last one.
    async fn work_off(&self, last: Option<(u64, String)>) -> Result<LifecycleRound, ObjectsError> {
        let Some((due_ms, bucket)) = self.next_group(last)? else {
            self.place.lock().done = None;
            return Ok(LifecycleRound::default());
        };
        let snapshot = self.objects.snapshot()?;
        let rows: Vec<Key> = snapshot
            .prefix(LIFECYCLE_DUE, &Key::new().u64(due_ms).text(&bucket))
            .take(KEYS_COUNT_MAX)
            .map(|row| row.map(|(at, _)| at))
            .collect::<Result<_, _>>()?;
        self.place.lock().done = Some((due_ms, bucket.clone()));
        let mut round = self.work_off_rows(&bucket, rows).await?;
        round.is_busy = true;
        Ok(round)
    }

    /// Day and bucket of the first due row after those of `last`, in a circle.
    fn next_group(&self, last: Option<(u64, String)>) -> Result<Option<(u64, String)>, ObjectsError> {
        let snapshot = self.objects.snapshot()?;
        let now_ms = u64::try_from(self.objects.now_ms()).unwrap_or(0);
        let end = Key::new().u64(now_ms).after_prefix();
        let end = end.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let first_from = |from: Bound<&Key>| -> Result<Option<(u64, String)>, ObjectsError> {
            let Some(row) = snapshot.range(LIFECYCLE_DUE, from, end).next() else { return Ok(None) };
            let (at, _) = row?;
            let mut reader = Key::reader(at.as_bytes());
            Ok(reader.u64().zip(reader.text()))
        };
        if let Some((due_ms, bucket)) = last
            && let Some(after) = Key::new().u64(due_ms).text(&bucket).after_prefix()
            && let Some(next) = first_from(Bound::Included(&after))?
        {
            return Ok(Some(next));
        }
        first_from(Bound::Unbounded)
    }

    async fn work_off_rows(&self, bucket: &str, rows: Vec<Key>) -> Result<LifecycleRound, ObjectsError> {
        let objects = &self.objects;
        let snapshot = objects.snapshot()?;
        let (days, now_ms) = (objects.days(), objects.now_ms());
        let name = BucketName::new(bucket)?;
        let mut batch = Batch::default();
        let ruled = Ruled::of(&snapshot, &name)?;
        for row in rows {
            let mut reader = Key::reader(row.as_bytes());
            let key = (reader.u64(), reader.text(), reader.text()).2.map(ObjectKey::new);
            let (Some(ruled), Some(Ok(key))) = (&ruled, key) else {
                batch.rows_done.push(row);
                continue;
            };
            if batch.removals.len() >= REMOVALS_COUNT_MAX {
                break;
            }
            let mut plan = ruled.plan(&snapshot, &key, usize::MAX, days, now_ms)?;
            // What goes for good goes first: in a bucket with suspended versioning, ending the current version removes a noncurrent null one.
            plan.actions.sort_by_key(|wanted| matches!(wanted.action, LifecycleAction::Expire { .. }));
            for wanted in plan.actions {
                let work = Work { key: key.clone(), action: wanted.action, rule: wanted.rule };
                match work.action {
                    LifecycleAction::Expire { .. } | LifecycleAction::Remove { .. } => batch.removals.push(work),
                    LifecycleAction::Abort { .. } => batch.aborts.push(work),
                    LifecycleAction::Move { .. } => batch.moves.push(work),
                }
            }
            batch.rows_new.extend(plan.next_ms.map(|next_ms| due_key(next_ms, &name, &key)));
            // One that was cut has more to do at once.
            if !plan.is_cut {
                batch.rows_done.push(row);
            }
        }
        let Some(ruled) = ruled else {
            let rows = batch.rows_done;
            return Ok(self
                .objects
                .store
                .write(move |tx| forget_rows(tx, &rows))
                .await
                .map(|()| LifecycleRound::default())?);
        };
        let owner = bucket_in(&snapshot, &ruled.name)?;
        let started = tokio::time::Instant::now();
        let round = self.run(&owner, batch).await?;
        if round != LifecycleRound::default() {
            tokio::time::sleep(started.elapsed().min(PAUSE_MAX)).await;
        }
        Ok(round)
    }

    /// Does a batch: what can be done by calls of its own first, then all removals and what becomes of the rows in one transaction.
    async fn run(&self, bucket: &Bucket, mut batch: Batch) -> Result<LifecycleRound, ObjectsError> {
        let mut round = LifecycleRound::default();
        for Work { key, action, rule } in std::mem::take(&mut batch.aborts) {
            let LifecycleAction::Abort { upload } = action else { continue };
            let upload_id = hex::encode(upload);
            let said =
                serde_json::json!({ "bucketName": bucket.name, "key": key, "uploadId": upload_id, "rule": rule });
            let caller = self.caller(bucket, "AbortMultipartUpload", said);
            match self.objects.abort_multipart_upload(&caller, &bucket.name, &key, &upload_id).await {
                Ok(()) => round.aborted += 1,
                Err(ObjectsError::NoSuchUpload { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        for Work { key, action, rule } in std::mem::take(&mut batch.moves) {
            let LifecycleAction::Move { version, class } = action else { continue };
            match self.objects.transition(&version.uuid, class).await {
                Ok(moved) => round.moved += usize::from(moved),
                Err(error) => {
                    tracing::warn!(%error, bucket = %bucket.name, rule, "a lifecycle rule could not move an object; it is tried again");
                    batch.retry(&self.objects, &bucket.name, &key);
                }
            }
        }
        round.removed = match self.remove(bucket, batch.clone()).await {
            Ok(removed) => removed,
            // Something changed since the plan was made, or is kept after all: one key at a time, so that no key waits for another.
            Err(ObjectsError::Changed | ObjectsError::Locked { .. }) => self.remove_one_by_one(bucket, batch).await?,
            Err(error) => return Err(error),
        };
        Ok(round)
    }

    async fn remove_one_by_one(&self, bucket: &Bucket, mut batch: Batch) -> Result<usize, ObjectsError> {
        let mut removed = 0;
        let mut of_keys: BTreeMap<ObjectKey, Vec<Work>> = BTreeMap::new();
        for work in std::mem::take(&mut batch.removals) {
            of_keys.entry(work.key.clone()).or_default().push(work);
        }
        for (key, removals) in of_keys {
            match self.remove(bucket, Batch { removals, ..Batch::default() }).await {
                Ok(count) => removed += count,
                Err(ObjectsError::Changed | ObjectsError::Locked { .. }) => {
                    batch.retry(&self.objects, &bucket.name, &key);
                }
                Err(error) => return Err(error),
            }
        }
        self.remove(bucket, batch).await?;
        Ok(removed)
    }

    /// One transaction: the removals, with their record if there are any, and the rows.
    async fn remove(&self, bucket: &Bucket, batch: Batch) -> Result<usize, ObjectsError> {
        let count = batch.removals.len();
        let (name, marker, now_ms) = (bucket.name.clone(), self.objects.new_uuid(), self.objects.now_ms());
        let said: Vec<_> = batch.removals.iter().map(Work::said).collect();
        let by = self.objects.changed_by_itself();
        let change = move |tx: &mut Tx<'_>| {
            let versioning = bucket_in(tx, &name)?.versioning;
            for work in &batch.removals {
                work.remove(tx, &name, versioning, NewMarker { id: marker, owner: None, now_ms }, &by)?;
            }
            forget_rows(tx, &batch.rows_done)?;
            for row in &batch.rows_new {
                tx.put(LIFECYCLE_DUE, row, &super::queue::LifecycleDue {})?;
            }
            Ok::<_, ObjectsError>(())
        };
        if count == 0 {
            self.objects.store.write(change).await?;
            return Ok(0);
        }
        let said = serde_json::json!({ "bucketName": bucket.name, "removed": said });
        self.caller(bucket, "DeleteObjects", said).commit(&*self.objects.store, change).await?;
        self.objects.dead.notify_one();
        Ok(count)
    }

    /// The service, acting for the bucket's owner.
    fn caller(&self, bucket: &Bucket, event_name: &str, said: serde_json::Value) -> Caller {
        let runtime = &self.objects.runtime;
        let authorized = Authorized::internal(SERVICE, bucket.owner.clone());
        let principal = authorized.principal().clone();
        let event = EventDraft {
            id: runtime.entropy.bytes(),
            request_id: runtime.entropy.uuid().to_string(),
            time_ms: self.objects.now_ms(),
            event_source: "s3.amazonaws.com".to_owned(),
            event_name: event_name.to_owned(),
            read_only: false,
            management: false,
            scope: Scope { account: bucket.owner.clone(), region: bucket.region.clone() },
            principal: principal.clone(),
            source_ip: SERVICE.to_owned(),
            user_agent: SERVICE.to_owned(),
            request_parameters: said.to_string(),
            resources: vec![bucket.name.arn().to_string()],
        };
        Caller::new(authorized, BoundAuthorizer::new(Arc::new(NothingMore), principal, Context::new()), event)
    }

    /// How long until the next row is due.
    fn until_due(&self) -> Duration {
        let next = || -> Result<Option<u64>, ObjectsError> {
            let first = self.objects.snapshot()?.prefix(LIFECYCLE_DUE, &Key::new()).next().transpose()?;
            Ok(first.and_then(|(at, _)| Key::reader(at.as_bytes()).u64()))
        };
        let now_ms = u64::try_from(self.objects.now_ms()).unwrap_or(0);
        match next() {
            Ok(Some(due_ms)) => Duration::from_millis(due_ms.saturating_sub(now_ms)).min(WAIT_MAX),
            Ok(None) | Err(_) => WAIT_MAX,
        }
    }
}

/// What is to be done for one batch of rows of one bucket.
#[derive(Debug, Clone, Default)]
struct Batch {
    removals: Vec<Work>,
    aborts: Vec<Work>,
    moves: Vec<Work>,
    rows_done: Vec<Key>,
    rows_new: Vec<Key>,
}

impl Batch {
    /// Looks at a key again, soon but not at once.
    fn retry(&mut self, objects: &Objects, bucket: &BucketName, key: &ObjectKey) {
        let at_ms = objects.now_ms().saturating_add(objects.days().day_ms / RETRIES_A_DAY);
        self.rows_new.push(due_key(at_ms, bucket, key));
    }
}

/// One action at one key.
#[derive(Debug, Clone)]
struct Work {
    key: ObjectKey,
    action: LifecycleAction,
    rule: String,
}

impl Work {
    /// For the record.
    fn said(&self) -> serde_json::Value {
        match &self.action {
            LifecycleAction::Expire { .. } => serde_json::json!({ "key": self.key, "rule": self.rule }),
            LifecycleAction::Remove { version } | LifecycleAction::Move { version, .. } => {
                serde_json::json!({ "key": self.key, "versionId": version.name.to_string(), "rule": self.rule })
            }
            LifecycleAction::Abort { upload } => {
                serde_json::json!({ "key": self.key, "uploadId": hex::encode(upload), "rule": self.rule })
            }
        }
    }

    /// Removes what the plan saw; refuses if something else lies there now.
    fn remove(
        &self,
        tx: &mut Tx<'_>,
        bucket: &BucketName,
        versioning: Versioning,
        marker: NewMarker,
        by: &ChangedBy,
    ) -> Result<(), ObjectsError> {
        let now_ms = marker.now_ms;
        let tell = |tx: &mut Tx<'_>, kind, subject| {
            announce(tx, &Change { kind, bucket, key: &self.key, subject, details: EventDetails::None, by })
        };
        match &self.action {
            LifecycleAction::Expire { version } => {
                self.check(tx, bucket, version, true)?;
                match versioning {
                    Versioning::Unversioned => {
                        remove_unversioned(tx, bucket, &self.key, now_ms)?;
                        tell(tx, EventKind::Expired, Subject::Removed(None))?;
                    }
                    Versioning::Enabled | Versioning::Suspended => {
                        let marker = mark_deleted(tx, versioning, bucket, &self.key, marker)?;
                        tell(tx, EventKind::ExpiredMarked, Subject::Marker(marker))?;
                    }
                }
            }
            LifecycleAction::Remove { version } => {
                self.check(tx, bucket, version, false)?;
                remove_version(tx, bucket, &self.key, &version.name, Bypass::No, now_ms)?;
                tell(tx, EventKind::Expired, Subject::Removed(Some(version.name)))?;
            }
            LifecycleAction::Move { .. } | LifecycleAction::Abort { .. } => {}
        }
        Ok(())
    }

    fn check(&self, tx: &Tx<'_>, bucket: &BucketName, version: &Which, is_object: bool) -> Result<(), ObjectsError> {
        let found = locate(tx, bucket, &self.key, &version.name)?;
        let is_same = found.is_some_and(|found| match (&found.entry, is_object) {
            // What is to end is the latest version still; what is to be removed is not, unless it is a delete marker.
            (VersionEntry::Object(object), true) => object.id == version.uuid && found.is_latest,
            (VersionEntry::Object(object), false) => object.id == version.uuid && !found.is_latest,
            (VersionEntry::DeleteMarker(marker), is_object) => marker.id == version.uuid && !is_object,
        });
        if is_same { Ok(()) } else { Err(ObjectsError::Changed) }
    }
}

fn forget_rows(tx: &mut Tx<'_>, rows: &[Key]) -> Result<(), ObjectsError> {
    rows.iter().try_for_each(|row| Ok(tx.delete(LIFECYCLE_DUE, row)?))
}

/// Removals touch nothing that would have to be asked for.
struct NothingMore;

impl Authorizer for NothingMore {
    fn authorize(
        &self,
        principal: &Principal,
        requirements: Vec<Requirement>,
        _: &Context,
    ) -> Result<Authorized, Denied> {
        let requirement = requirements.into_iter().next();
        let (action, resource) =
            requirement.map_or(("s3:LifecycleExpiration", None), |asked| (asked.action, asked.resource));
        Err(Denied { principal: principal.clone(), action, resource, because: DeniedBecause::NothingAllows })
    }
}

impl Worker for LifecycleWorker {
    fn name(&self) -> String {
        "objects-lifecycle".to_owned()
    }

    fn work(&self) -> BoxFuture<'_, WorkerOutcome> {
        async move {
            match self.round().await {
                Ok(LifecycleRound { is_busy: true, .. }) => WorkerOutcome::Busy,
                Ok(_) => WorkerOutcome::Idle,
                Err(error) => WorkerOutcome::Failed { reason: error.to_string() },
            }
        }
        .boxed()
    }

    fn wait(&self) -> BoxFuture<'_, ()> {
        async move {
            let position = self.place.lock().position;
            let followed =
                self.objects.snapshot().and_then(|snapshot| Ok(snapshot.contains(LIFECYCLE_FOLLOWED, &Key::new())?));
            let changed = async {
                if !followed.unwrap_or(true) {
                    // No bucket has rules: only a change of that is news.
                    return std::future::pending().await;
                }
                self.objects.store.wait_for_change(tarn_metadata::Sequence(position)).await;
                let gather_ms = u64::try_from(self.objects.days().day_ms / 100).unwrap_or(0);
                tokio::time::sleep(Duration::from_millis(gather_ms).clamp(GATHER_MIN, GATHER_MAX)).await;
            };
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep(self.until_due()) => {}
                () = self.objects.lifecycles_changed.notified() => {}
            }
        }
        .boxed()
    }
}
