//! Brings versions to where rules want them: each destination's queue in its order, several at once, again after a pause where a
//! destination cannot be reached. A task is "make that version there as it is here now", so that doing it twice changes nothing; a copy in
//! this lake, how it stands and the end of its task are one transaction.
//!
//! It acts for the owner of the source's bucket: a bucket of another account takes copies where its policy lets that account.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use parking_lot::Mutex;
use tarn_audit::{Caller, EventDraft};
use tarn_metadata::{Key, Read, Sequence, Snapshot, StoreExt, Tx};
use tarn_policy::{Authorizer, BoundAuthorizer, Context, Principal, Requirement};
use tarn_runtime::{EntropyExt, Worker, WorkerOutcome};
use tarn_types::{AccountId, Scope};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::classes::{AccessTier, StorageClass};
use crate::encryption::{Encryption, EncryptionRequest, Sealing};
use crate::errors::ObjectsError;
use crate::events::{Change, EventDetails, EventKind, Subject, announce};
use crate::get::ObjectVersion;
use crate::keyspaces::{BUCKETS, PART_OWNERS, REPLICATION_QUEUES, REPLICATION_STATES, REPLICATION_TASKS, REPLICATIONS};
use crate::names::{BucketName, ObjectKey};
use crate::objects::Objects;
use crate::put::{Body, internal_body_error, seal_layout};
use crate::records::{
    Bucket, DeleteMarker, PartOwner, PartRecord, VersionEntry, VersionName, VersionRecord, Versioning, bucket_key,
    version_key,
};
use crate::replication::rules::{ReplicationRule, bucket_of};
use crate::replication::{ReplicationState, ReplicationStatus, ReplicationTarget, ReplicationTask, push, state_key};
use crate::tagging::{ObjectMetadata, Tags};
use crate::transition::Moved;
use crate::versions::{VersionId, insert_marker, insert_version, locate, put_version};

/// Copies that are made at once.
const LANES: usize = 4;
/// Tasks of a queue that are looked at.
const LOOK_COUNT_MAX: usize = 64;
/// The pause of a destination that cannot be reached.
const PAUSE: Duration = Duration::from_millis(500);
/// What it doubles up to.
const PAUSE_MAX: Duration = Duration::from_secs(120);
/// How long a copy is tried.
const AGE_MAX_MS: i64 = 24 * 60 * 60 * 1000;
/// From when on it is late.
const LATE_MS: i64 = 15 * 60 * 1000;
/// How long changes gather before queues are looked at.
const GATHER: Duration = Duration::from_millis(10);
/// How long queues are not looked at while nothing changes.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Who copies.
const SERVICE: &str = "s3.amazonaws.com";

/// A version on its way to a bucket that is not of this lake.
pub struct RemoteCopy {
    /// Its key.
    pub key: ObjectKey,
    /// Bytes.
    pub size_bytes: u64,
    /// Headers.
    pub metadata: ObjectMetadata,
    /// Tags.
    pub tags: Tags,
    /// The class to be asked for.
    pub class: StorageClass,
    /// The bytes.
    pub body: Body<'static>,
}

/// Why a bucket elsewhere has not taken something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteError {
    /// It never will.
    Refused(String),
    /// It may, later.
    Unreachable(String),
}

/// Buckets that are not of this lake.
pub trait RemoteBuckets: Send + Sync + 'static {
    /// Whether the ARN names one that buckets of `owner` may be copied to.
    fn has(&self, owner: &AccountId, bucket_arn: &str) -> bool;
    /// Puts an object there.
    fn put<'a>(&'a self, bucket_arn: &'a str, copy: RemoteCopy) -> BoxFuture<'a, Result<(), RemoteError>>;
    /// Deletes an object there, without naming a version.
    fn delete<'a>(&'a self, bucket_arn: &'a str, key: &'a ObjectKey) -> BoxFuture<'a, Result<(), RemoteError>>;
}

/// What all clones of `Objects` share of replication.
#[derive(Default)]
pub(crate) struct ReplicationShared {
    is_used: AtomicBool,
    changed: Notify,
}

impl ReplicationShared {
    /// Whether any version may have a status.
    pub(crate) fn is_used(&self) -> bool {
        self.is_used.load(Ordering::Acquire)
    }

    pub(crate) fn used(&self) {
        self.is_used.store(true, Ordering::Release);
    }

    pub(crate) fn changed(&self) {
        self.changed.notify_waiters();
    }
}

/// Why a copy was not made.
enum Failure {
    /// It never will be: AWS's word for why.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-failure-codes.html>
    Final(&'static str),
    /// It may be, later.
    ForNow(String),
}

impl From<ObjectsError> for Failure {
    fn from(error: ObjectsError) -> Self {
        match error {
            ObjectsError::Kms(_) | ObjectsError::KmsKeyNotAsked { .. } => Self::Final("DstKmsKeyInvalidState"),
            ObjectsError::Denied(_) => Self::Final("DstPutObjNotPermitted"),
            ObjectsError::NoSuchBucket { .. } => Self::Final("DstBucketNotFound"),
            other => Self::ForNow(other.to_string()),
        }
    }
}

fn remote_failure(error: RemoteError, refused: &'static str) -> Failure {
    match error {
        RemoteError::Refused(reason) => {
            tracing::info!(reason, "another store takes no copy");
            Failure::Final(refused)
        }
        RemoteError::Unreachable(reason) => Failure::ForNow(reason),
    }
}

#[derive(Default)]
struct Lanes {
    /// Tasks that a lane is at, by destination and number.
    taken: HashSet<(String, u64)>,
    /// Destinations that could not be reached: not before then, and the pause to double.
    paused: HashMap<String, (Instant, Duration)>,
}

/// One of the workers that replicate.
#[derive(Clone)]
pub struct Replicator {
    objects: Objects,
    authorizer: Arc<dyn Authorizer>,
    remote: Arc<dyn RemoteBuckets>,
    lanes: Arc<Mutex<Lanes>>,
    number: usize,
    seen: Arc<Mutex<Sequence>>,
}

impl fmt::Debug for Replicator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Replicator({})", self.number)
    }
}

impl Objects {
    /// The workers that replicate, to buckets here and to `remote` ones.
    pub fn replicators(&self, authorizer: Arc<dyn Authorizer>, remote: Arc<dyn RemoteBuckets>) -> Vec<Replicator> {
        let lanes: Arc<Mutex<Lanes>> = Arc::default();
        let lane = |number| Replicator {
            objects: self.clone(),
            authorizer: authorizer.clone(),
            remote: remote.clone(),
            lanes: lanes.clone(),
            number,
            seen: Arc::default(),
        };
        let snapshot = self.snapshot();
        if snapshot.is_ok_and(|snapshot| snapshot.prefix(REPLICATION_STATES, &Key::new()).next().is_some()) {
            self.replication.used();
        }
        (0..LANES).map(lane).collect()
    }
}

/// A task that a lane is at, given back when it is over.
struct Turn<'a> {
    lanes: &'a Mutex<Lanes>,
    destination: String,
    number: u64,
    task: ReplicationTask,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.lanes.lock().taken.remove(&(self.destination.clone(), self.number));
    }
}

/// What a task needs to know, found.
struct Work {
    source: Bucket,
    rule: ReplicationRule,
    target: ReplicationTarget,
}

impl Replicator {
    fn take(&self, snapshot: &Snapshot) -> Result<Option<Turn<'_>>, ObjectsError> {
        let now = Instant::now();
        for queue in snapshot.prefix(REPLICATION_QUEUES, &Key::new()) {
            let (at, _) = queue?;
            let Some(destination) = Key::reader(at.as_bytes()).text() else { continue };
            if self.lanes.lock().paused.get(&destination).is_some_and(|(until, _)| *until > now) {
                continue;
            }
            for row in snapshot.prefix(REPLICATION_TASKS, &at).take(LOOK_COUNT_MAX) {
                let (row, task) = row?;
                let mut reader = Key::reader(row.as_bytes());
                reader.text();
                let number = reader.u64().unwrap_or(0);
                if self.lanes.lock().taken.insert((destination.clone(), number)) {
                    return Ok(Some(Turn { lanes: &self.lanes, destination, number, task }));
                }
            }
        }
        Ok(None)
    }

    /// Does one task; tells whether there was one whose time had come.
    pub async fn replicate_next(&self) -> Result<bool, ObjectsError> {
        let snapshot = self.objects.snapshot()?;
        *self.seen.lock() = snapshot.sequence();
        let Some(turn) = self.take(&snapshot)? else { return Ok(false) };
        // What another lane did between the look and the turn is done.
        let snapshot = self.objects.snapshot()?;
        if !snapshot.contains(REPLICATION_TASKS, &task_key(&turn.destination, turn.number))? {
            return Ok(true);
        }
        let Some(work) = self.work(&snapshot, &turn)? else {
            self.end(&turn, None, Ok(())).await?;
            return Ok(true);
        };
        let outcome = match work {
            Ok(ref work) => self.replicate(work, &turn).await,
            Err(_) => Err(Failure::Final("SrcBucketReplicationConfigMissing")),
        };
        let work = work.ok();
        match outcome {
            Ok(true) => {
                self.lanes.lock().paused.remove(&turn.destination);
            }
            Ok(false) => {
                self.lanes.lock().paused.remove(&turn.destination);
                self.end(&turn, work.as_ref(), Ok(())).await?;
            }
            Err(Failure::Final(reason)) => self.end(&turn, work.as_ref(), Err(reason)).await?,
            Err(Failure::ForNow(reason)) => {
                tracing::info!(
                    destination = turn.destination,
                    reason,
                    "a version was not replicated; it is tried again"
                );
                self.pause(&turn.destination);
                self.put_off(&turn, work.as_ref()).await?;
            }
        }
        Ok(true)
    }

    /// Leaves a destination alone for a while, each time for longer.
    fn pause(&self, destination: &str) {
        let mut lanes = self.lanes.lock();
        let pause = lanes.paused.get(destination).map_or(PAUSE, |(_, pause)| (*pause * 2).min(PAUSE_MAX));
        lanes.paused.insert(destination.to_owned(), (Instant::now() + pause, pause));
    }

    /// The rule and the state of a task; nothing where it is not asked for any more, an error where the rule is gone.
    fn work(&self, snapshot: &Snapshot, turn: &Turn<'_>) -> Result<Option<Result<Work, ()>>, ObjectsError> {
        let task = &turn.task;
        let state = snapshot.get(REPLICATION_STATES, &state_key(&task.bucket, &task.key, task.order))?;
        let target = state.and_then(|state| {
            let mut targets = state.targets.into_iter();
            targets.find(|target| target.destination == turn.destination)
        });
        let Some(target) = target.filter(|target| target.status == ReplicationStatus::Pending) else { return Ok(None) };
        let Some(source) = snapshot.get(BUCKETS, &bucket_key(&task.bucket))? else { return Ok(None) };
        let configuration = snapshot.get(REPLICATIONS, &bucket_key(&task.bucket))?;
        let rule = configuration.and_then(|configuration| configuration.rule(&target.rule).cloned());
        Ok(Some(rule.map(|rule| Work { source, rule, target }).ok_or(())))
    }

    /// True: the end of the task was committed with it.
    async fn replicate(&self, work: &Work, turn: &Turn<'_>) -> Result<bool, Failure> {
        let task = &turn.task;
        let is_remote = self.remote.has(&work.source.owner, &turn.destination);
        match (task.version, task.marker) {
            (Some(id), _) => {
                // What is gone is not copied.
                let Some(version) = self.objects.hold_version(&id)? else { return Ok(false) };
                match is_remote {
                    true => self.copy_out(work, turn, &version).await.map(|()| false),
                    false => self.copy_here(work, turn, &version).await,
                }
            }
            (None, Some(_)) if is_remote => {
                let deleted = self.remote.delete(&turn.destination, &task.key).await;
                deleted.map(|()| false).map_err(|error| remote_failure(error, "DstDelObjNotPermitted"))
            }
            (None, Some(id)) => self.mark_here(work, turn, id).await,
            (None, None) => Ok(false),
        }
    }

    /// The bucket here that a task is for, and the proof that it may be written to.
    fn destination(&self, work: &Work, turn: &Turn<'_>, is_marker: bool) -> Result<(Bucket, Caller), Failure> {
        let name = bucket_of(&turn.destination).ok_or(Failure::Final("DstBucketNotFound"))?;
        let snapshot = self.objects.snapshot()?;
        let found = snapshot.get(BUCKETS, &bucket_key(&name)).map_err(ObjectsError::from)?;
        let bucket = found.ok_or(Failure::Final("DstBucketNotFound"))?;
        if bucket.versioning != Versioning::Enabled {
            return Err(Failure::Final("DstBucketUnversioned"));
        }
        let at = turn.task.key.arn(&bucket.name);
        let mut asked = match is_marker {
            true => vec![Requirement::new("s3:ReplicateDelete", at)],
            false => vec![Requirement::new("s3:ReplicateObject", at.clone())],
        };
        if !is_marker && work.rule.destination.is_given_over {
            let at = turn.task.key.arn(&bucket.name);
            asked.push(Requirement::new("s3:ObjectOwnerOverrideToBucketOwner", at));
        }
        let principal = Principal::root(work.source.owner.clone());
        let context = Context::new();
        let not_permitted = if is_marker { "DstDelObjNotPermitted" } else { "DstPutObjNotPermitted" };
        let authorized =
            self.authorizer.authorize(&principal, asked, &context).map_err(|_| Failure::Final(not_permitted))?;
        let runtime = &self.objects.runtime;
        let draft = EventDraft {
            id: runtime.entropy.bytes(),
            request_id: runtime.entropy.uuid().to_string(),
            time_ms: self.objects.now_ms(),
            event_source: SERVICE.to_owned(),
            event_name: if is_marker { "DeleteObject" } else { "PutObject" }.to_owned(),
            read_only: false,
            management: false,
            scope: Scope { account: bucket.owner.clone(), region: bucket.region.clone() },
            principal: principal.clone(),
            source_ip: SERVICE.to_owned(),
            user_agent: SERVICE.to_owned(),
            request_parameters: serde_json::json!({
                "bucketName": bucket.name, "key": turn.task.key, "x-amz-replication-status": "REPLICA",
            })
            .to_string(),
            resources: vec![turn.task.key.arn(&bucket.name).to_string()],
        };
        let bound = BoundAuthorizer::new(self.authorizer.clone(), principal, context);
        Ok((bucket, Caller::new(authorized, bound, draft)))
    }

    async fn mark_here(&self, work: &Work, turn: &Turn<'_>, id: [u8; 16]) -> Result<bool, Failure> {
        let (bucket, caller) = self.destination(work, turn, true)?;
        let (task, finish) = (turn.task.clone(), Finish::of(self, turn, work));
        let owner = (work.source.owner != bucket.owner).then(|| work.source.owner.clone());
        let change = move |tx: &mut Tx<'_>| {
            let version = VersionId::Id { order: task.order, uuid: id };
            if locate(tx, &bucket.name, &task.key, &version)?.is_none() {
                let (modified_ms, order) = (finish.now_ms, task.order);
                let marker = DeleteMarker { id, name: VersionName::Id, modified_ms, owner, order };
                insert_marker(tx, &bucket.name, &task.key, marker, finish.now_ms)?;
                note_replica(tx, &bucket.name, &task.key, task.order)?;
                let (kind, subject) = (EventKind::Marked, Subject::Marker(version));
                let (details, by) = (EventDetails::None, &finish.by);
                announce(tx, &Change { kind, bucket: &bucket.name, key: &task.key, subject, details, by })?;
            }
            finish.done(tx, Ok(()))
        };
        caller.commit(&*self.objects.store, change).await.map_err(ObjectsError::from)?;
        Ok(true)
    }

    async fn copy_here(&self, work: &Work, turn: &Turn<'_>, version: &ObjectVersion) -> Result<bool, Failure> {
        let (bucket, caller) = self.destination(work, turn, false)?;
        let objects = &self.objects;
        let seen = version.record();
        let named = seen.version_id();
        let finish = Finish::of(self, turn, work);
        let snapshot = objects.snapshot()?;
        if let Some(found) = locate(&snapshot, &bucket.name, &seen.key, &named)? {
            let VersionEntry::Object(found) = found.entry else { return Ok(false) };
            let (seen, has_lock) = (seen.clone(), bucket.lock.is_some());
            let follow = move |tx: &mut Tx<'_>| {
                if let Some(mut copy) = tx.get(crate::keyspaces::VERSIONS, &version_key(&found.id))? {
                    copy.tags = seen.tags;
                    if copy.owner.is_some() || seen.acl.is_none() {
                        copy.acl = seen.acl;
                    }
                    if has_lock {
                        copy.lock = seen.lock;
                    }
                    put_version(tx, &copy)?;
                }
                finish.done(tx, Ok(()))
            };
            caller.commit(&*objects.store, follow).await.map_err(ObjectsError::from)?;
            return Ok(true);
        }
        let destination = &work.rule.destination;
        let request = match &seen.encryption {
            Encryption::Lake => EncryptionRequest::Lake,
            Encryption::Kms(_) => EncryptionRequest::Kms {
                key: destination.kms_key.clone(),
                context: std::collections::BTreeMap::new(),
                bucket_key: None,
            },
            // The lake has not the key that would open it.
            Encryption::Customer(_) => return Err(Failure::Final("SrcObjectNotEligible")),
        };
        let old_key = objects.open_version(seen)?;
        let id = objects.new_uuid();
        let sealing = objects.sealing(&caller, &bucket.name, &seen.key, &id, &request).await?;
        let Sealing { data_key, sealed, layout_key, encryption } = sealing;
        let class = destination.class.unwrap_or(seen.class);
        let placement = objects.placement(class, AccessTier::default());
        let mut moved: Vec<Moved> = Vec::with_capacity(seen.parts.len());
        for part in &seen.parts {
            moved.push(objects.copy_part(seen, &old_key, &data_key, part, placement).await?);
        }
        let VersionId::Id { order, uuid } = named else { return Err(Failure::Final("SrcObjectNotEligible")) };
        let parts = seen.parts.iter().zip(&moved).map(|(part, moved)| PartRecord {
            blob: moved.durable.blob.clone(),
            packing: moved.packing,
            ..part.clone()
        });
        let keeps_owner = bucket.has_acls() && !destination.is_given_over;
        let owner = seen.owner.clone().unwrap_or_else(|| work.source.owner.clone());
        let mut record = VersionRecord {
            id,
            name: VersionName::Named(uuid),
            bucket: bucket.name.clone(),
            class,
            data_key: sealed,
            parts: parts.collect(),
            owner: (keeps_owner && owner != bucket.owner).then_some(owner),
            encryption,
            order,
            lock: if bucket.lock.is_some() { seen.lock } else { crate::lock::VersionLock::default() },
            acl: seen.acl.clone().filter(|_| keeps_owner),
            tier: AccessTier::default(),
            restore: None,
            ..seen.clone()
        };
        let fate = match seal_layout(&layout_key, &mut record) {
            Err(error) => Err(error),
            Ok(()) => {
                let install = move |tx: &mut Tx<'_>| {
                    let now = tx.get(BUCKETS, &bucket_key(&record.bucket))?;
                    let is_versioned = now.is_some_and(|now| now.versioning == Versioning::Enabled);
                    let is_there = locate(tx, &record.bucket, &record.key, &record.version_id())?.is_some();
                    if !is_versioned || is_there {
                        return Err(ObjectsError::Changed);
                    }
                    for part in &record.parts {
                        let owner = PartOwner { upload: record.id };
                        tx.put(PART_OWNERS, &version_key(&part.blob.owner.version), &owner)?;
                    }
                    insert_version(tx, &record, finish.now_ms)?;
                    note_replica(tx, &record.bucket, &record.key, record.order)?;
                    announce(tx, &Change::of(EventKind::CreatedPut, &record, &finish.by))?;
                    finish.done(tx, Ok(()))?;
                    Ok::<_, ObjectsError>(true)
                };
                caller.commit(&*objects.store, install).await.map_err(ObjectsError::from)
            }
        };
        let durable = moved.into_iter().map(|part| part.durable).collect();
        Ok(objects.settle_all(durable, fate).await?)
    }

    async fn copy_out(&self, work: &Work, turn: &Turn<'_>, version: &ObjectVersion) -> Result<(), Failure> {
        let seen = version.record();
        if matches!(seen.encryption, Encryption::Customer(_)) {
            return Err(Failure::Final("SrcObjectNotEligible"));
        }
        let data_key = self.objects.open_version(seen)?;
        let (objects, held) = (self.objects.clone(), version.clone());
        let parts = seen.parts.clone();
        let body = futures::stream::iter(parts).flat_map(move |part| {
            let (size_bytes, held) = (part.size_bytes, held.clone());
            let bytes = objects.read_part(&data_key, &part, 0..size_bytes);
            bytes.map(move |bytes| {
                // The version is held until its last byte was read.
                let _ = &held;
                bytes.map_err(|error| internal_body_error(&error))
            })
        });
        let copy = RemoteCopy {
            key: seen.key.clone(),
            size_bytes: seen.size_bytes,
            metadata: seen.metadata.clone(),
            tags: seen.tags.clone(),
            class: work.rule.destination.class.unwrap_or(seen.class),
            body: body.boxed(),
        };
        let put = self.remote.put(&turn.destination, copy).await;
        put.map_err(|error| remote_failure(error, "DstPutObjNotPermitted"))
    }

    /// Says how a task ended.
    async fn end(
        &self,
        turn: &Turn<'_>,
        work: Option<&Work>,
        outcome: Result<(), &'static str>,
    ) -> Result<(), ObjectsError> {
        if let Err(reason) = outcome {
            tracing::info!(destination = turn.destination, key = %turn.task.key, reason, "a version cannot be replicated");
        }
        let finish = Finish::new(self, turn, work.map(|work| &work.rule));
        Ok(self.objects.store.write(move |tx: &mut Tx<'_>| finish.done(tx, outcome)).await?)
    }

    /// Behind what waits, or, after a day, given up; late ones are told of.
    async fn put_off(&self, turn: &Turn<'_>, work: Option<&Work>) -> Result<(), ObjectsError> {
        let now_ms = self.objects.now_ms();
        let age_ms = work.map_or(0, |work| now_ms.saturating_sub(work.target.requested_ms));
        if age_ms > AGE_MAX_MS {
            return self.end(turn, work, Err("DstPutObjNotPermitted")).await;
        }
        let is_late = age_ms > LATE_MS && work.is_some_and(|work| !work.target.is_late);
        let finish = Finish::new(self, turn, work.map(|work| &work.rule));
        Ok(self.objects.store.write(move |tx: &mut Tx<'_>| finish.put_off(tx, is_late)).await?)
    }
}

/// Marks what was copied as a copy, so that it is not copied on.
fn note_replica(tx: &mut Tx<'_>, bucket: &BucketName, key: &ObjectKey, order: u64) -> Result<(), ObjectsError> {
    let state = ReplicationState { is_replica: true, targets: Vec::new() };
    Ok(tx.put(REPLICATION_STATES, &state_key(bucket, key, order), &state)?)
}

fn task_key(destination: &str, number: u64) -> Key {
    Key::new().text(destination).u64(number)
}

/// What is written when a task ends.
struct Finish {
    task: ReplicationTask,
    destination: String,
    number: u64,
    /// Whether it is to be done in time: then it is told that it was not.
    is_timed: bool,
    by: crate::events::ChangedBy,
    now_ms: i64,
}

impl Finish {
    fn of(replicator: &Replicator, turn: &Turn<'_>, work: &Work) -> Self {
        Self::new(replicator, turn, Some(&work.rule))
    }

    fn new(replicator: &Replicator, turn: &Turn<'_>, rule: Option<&ReplicationRule>) -> Self {
        Self {
            task: turn.task.clone(),
            destination: turn.destination.clone(),
            number: turn.number,
            is_timed: rule.is_some_and(|rule| rule.destination.time_control == Some(true)),
            by: replicator.objects.changed_by_itself(),
            now_ms: replicator.objects.now_ms(),
        }
    }

    fn tell(
        &self,
        tx: &mut Tx<'_>,
        kind: EventKind,
        target: &ReplicationTarget,
        failure: Option<&str>,
    ) -> Result<(), ObjectsError> {
        let details = EventDetails::Replication {
            rule: target.rule.clone(),
            destination: target.destination.clone(),
            requested_ms: target.requested_ms,
            failure: failure.map(str::to_owned),
        };
        let (bucket, key, by) = (&self.task.bucket, &self.task.key, &self.by);
        let record = match &self.task.version {
            Some(id) => tx.get(crate::keyspaces::VERSIONS, &version_key(id))?,
            None => None,
        };
        let subject = match (&record, self.task.marker) {
            (Some(record), _) => Subject::Version(record),
            (None, Some(uuid)) => Subject::Marker(VersionId::Id { order: self.task.order, uuid }),
            (None, None) => return Ok(()),
        };
        announce(tx, &Change { kind, bucket, key, subject, details, by })
    }

    fn done(&self, tx: &mut Tx<'_>, outcome: Result<(), &'static str>) -> Result<(), ObjectsError> {
        tx.delete(REPLICATION_TASKS, &task_key(&self.destination, self.number))?;
        let queue = Key::new().text(&self.destination);
        if tx.prefix(REPLICATION_TASKS, &queue).next().transpose()?.is_none() {
            tx.delete(REPLICATION_QUEUES, &queue)?;
        }
        let at = state_key(&self.task.bucket, &self.task.key, self.task.order);
        let Some(mut state) = tx.get(REPLICATION_STATES, &at)? else { return Ok(()) };
        let Some(target) = state.targets.iter_mut().find(|target| target.destination == self.destination) else {
            return Ok(());
        };
        if target.status != ReplicationStatus::Pending {
            return Ok(());
        }
        target.status = if outcome.is_ok() { ReplicationStatus::Completed } else { ReplicationStatus::Failed };
        let target = target.clone();
        tx.put(REPLICATION_STATES, &at, &state)?;
        match outcome {
            Err(reason) => self.tell(tx, EventKind::ReplicationFailed, &target, Some(reason)),
            Ok(()) if target.is_late => self.tell(tx, EventKind::ReplicatedLate, &target, None),
            Ok(()) => Ok(()),
        }
    }

    fn put_off(&self, tx: &mut Tx<'_>, is_late: bool) -> Result<(), ObjectsError> {
        tx.delete(REPLICATION_TASKS, &task_key(&self.destination, self.number))?;
        push(tx, &self.destination, &self.task)?;
        let at = state_key(&self.task.bucket, &self.task.key, self.task.order);
        if !(is_late && self.is_timed) {
            return Ok(());
        }
        let Some(mut state) = tx.get(REPLICATION_STATES, &at)? else { return Ok(()) };
        if let Some(target) = state.targets.iter_mut().find(|target| target.destination == self.destination) {
            target.is_late = true;
            let target = target.clone();
            tx.put(REPLICATION_STATES, &at, &state)?;
            self.tell(tx, EventKind::ReplicationLate, &target, None)?;
        }
        Ok(())
    }
}

impl Worker for Replicator {
    fn name(&self) -> String {
        format!("objects-replication-{}", self.number)
    }

    fn work(&self) -> BoxFuture<'_, WorkerOutcome> {
        async move {
            match self.replicate_next().await {
                Ok(true) => WorkerOutcome::Busy,
                Ok(false) => WorkerOutcome::Idle,
                Err(error) => WorkerOutcome::Failed { reason: error.to_string() },
            }
        }
        .boxed()
    }

    fn wait(&self) -> BoxFuture<'_, ()> {
        async move {
            let shared = &self.objects.replication;
            let changed_rules = shared.changed.notified();
            if !shared.is_used() {
                // The timeout is for rules that came between the look and the wait.
                let _ = tokio::time::timeout(Duration::from_secs(1), changed_rules).await;
                return;
            }
            let seen = *self.seen.lock();
            let changed = async {
                self.objects.store.wait_for_change(seen).await;
                tokio::time::sleep(GATHER).await;
            };
            let until = self.lanes.lock().paused.values().map(|(until, _)| *until).min();
            let until = until.map_or(WAIT_MAX, |until| until.saturating_duration_since(Instant::now()).min(WAIT_MAX));
            tokio::select! {
                () = changed => {}
                () = changed_rules => {}
                () = tokio::time::sleep(until.max(GATHER)) => {}
            }
        }
        .boxed()
    }
}
