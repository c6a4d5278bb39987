//! Brings versions to where rules want them: each destination's queue in its order, several at once, again after a pause where a
//! destination cannot be reached. A task is "make that version there as it is here now", so that doing it twice changes nothing; a copy in
//! this lake, how it stands and the end of its task are one transaction.
//!
//! It acts as the role that the bucket's configuration names, which must trust S3, may read what is copied, and may write the copy: a bucket
//! of another account takes copies where its policy lets that role. What the role may not ends in FAILED, with a record that says why.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use parking_lot::Mutex;
use tarn_audit::{Caller, EventDraft, put_failure};
use tarn_metadata::{Key, Read, Sequence, Snapshot, StoreExt, Tx};
use tarn_policy::{
    Authorizer, BoundAuthorizer, Context, Denied, DeniedBecause, Principal, Requirement, RoleSessions, ServiceRoles,
};
use tarn_runtime::{EntropyExt, Worker, WorkerOutcome};
use tarn_types::{AccountId, Arn, Scope};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::classes::{AccessTier, StorageClass};
use crate::encryption::{Encryption, EncryptionRequest, Sealing};
use crate::errors::ObjectsError;
use crate::events::{Change, EventDetails, EventKind, Subject, announce};
use crate::get::ObjectVersion;
use crate::keyspaces::{BUCKETS, PART_OWNERS, REPLICATION_QUEUES, REPLICATION_STATES, REPLICATION_TASKS, REPLICATIONS};
use crate::lock::{Bypass, VersionLock};
use crate::names::{BucketName, ObjectKey};
use crate::objects::Objects;
use crate::put::{Body, internal_body_error, seal_layout};
use crate::records::{
    Bucket, DeleteMarker, PartOwner, PartRecord, VersionEntry, VersionName, VersionRecord, Versioning, bucket_key,
    version_key,
};
use crate::replication::finish::{Finish, task_key};
use crate::replication::rules::{ReplicationRule, bucket_of};
use crate::replication::{ReplicationState, ReplicationStatus, ReplicationTarget, ReplicationTask, state_key};
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
pub(crate) const SERVICE: &str = "s3.amazonaws.com";
/// What its sessions of roles are called, as on AWS.
const SESSION_NAME: &str = "s3-replication";

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
    /// It never will be: AWS's word for why, and a sentence where there is more to say.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-failure-codes.html>
    Final(&'static str, String),
    /// It may be, later.
    ForNow(String),
}

impl Failure {
    fn of(reason: &'static str) -> Self {
        Self::Final(reason, String::new())
    }

    /// A no of the policies; where they could not be read, they may be later.
    fn denied(reason: &'static str, denied: &Denied) -> Self {
        match denied.because {
            DeniedBecause::PoliciesUnreadable => Self::ForNow(denied.to_string()),
            _ => Self::Final(reason, denied.to_string()),
        }
    }
}

impl From<ObjectsError> for Failure {
    fn from(error: ObjectsError) -> Self {
        match error {
            ObjectsError::Kms(_) | ObjectsError::KmsKeyNotAsked { .. } => {
                Self::Final("DstKmsKeyInvalidState", error.to_string())
            }
            ObjectsError::Denied(denied) => Self::denied("DstPutObjNotPermitted", &denied),
            ObjectsError::NoSuchBucket { .. } => Self::of("DstBucketNotFound"),
            other => Self::ForNow(other.to_string()),
        }
    }
}

fn remote_failure(error: RemoteError, refused: &'static str) -> Failure {
    match error {
        RemoteError::Refused(reason) => Failure::Final(refused, reason),
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
    roles: ServiceRoles,
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
    /// The workers that replicate, to buckets here and to `remote` ones, as the `roles` of buckets' configurations.
    pub fn replicators(
        &self,
        authorizer: Arc<dyn Authorizer>,
        roles: Arc<dyn RoleSessions>,
        remote: Arc<dyn RemoteBuckets>,
    ) -> Vec<Replicator> {
        let lanes: Arc<Mutex<Lanes>> = Arc::default();
        let roles = ServiceRoles::new(SERVICE, authorizer, roles);
        let lane = |number| Replicator {
            objects: self.clone(),
            roles: roles.clone(),
            remote: remote.clone(),
            lanes: lanes.clone(),
            number,
            seen: Arc::default(),
        };
        if let Ok(snapshot) = self.snapshot() {
            if snapshot.prefix(REPLICATION_STATES, &Key::new()).next().is_some() {
                self.replication.used();
            }
            for (bucket, _) in snapshot
                .prefix(REPLICATIONS, &Key::new())
                .filter_map(Result::ok)
                .filter(|(_, configuration)| configuration.acts_for_owner)
            {
                let bucket = Key::reader(bucket.as_bytes()).text().unwrap_or_default();
                tracing::warn!(
                    bucket,
                    "replication acts for the bucket's owner and not as its role: put its configuration again"
                );
            }
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
    /// Nothing where it is gone since.
    rule: Option<ReplicationRule>,
    /// As which role; nothing for the owner of the source.
    role: Option<Arn>,
    target: ReplicationTarget,
}

/// Who replicates.
struct Actor {
    principal: Principal,
    context: Context,
    /// Whether it is a role, which must be allowed to read what it copies.
    is_role: bool,
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
        let outcome = match &work.rule {
            Some(rule) => self.replicate(&work, rule, &turn).await,
            None => Err(Failure::of("SrcBucketReplicationConfigMissing")),
        };
        match outcome {
            Ok(true) => {
                self.lanes.lock().paused.remove(&turn.destination);
            }
            Ok(false) => {
                self.lanes.lock().paused.remove(&turn.destination);
                self.end(&turn, Some(&work), Ok(())).await?;
            }
            Err(Failure::Final(reason, said)) => self.end(&turn, Some(&work), Err((reason, said))).await?,
            Err(Failure::ForNow(reason)) => {
                tracing::info!(
                    destination = turn.destination,
                    reason,
                    "a version was not replicated; it is tried again"
                );
                self.pause(&turn.destination);
                self.put_off(&turn, &work).await?;
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

    /// The rule and the state of a task; nothing where it is not asked for any more.
    fn work(&self, snapshot: &Snapshot, turn: &Turn<'_>) -> Result<Option<Work>, ObjectsError> {
        let task = &turn.task;
        let state = snapshot.get(REPLICATION_STATES, &state_key(&task.bucket, &task.key, task.order))?;
        let target = state.and_then(|state| {
            let mut targets = state.targets.into_iter();
            targets.find(|target| target.destination == turn.destination)
        });
        let Some(target) = target.filter(|target| target.status == ReplicationStatus::Pending) else { return Ok(None) };
        let Some(source) = snapshot.get(BUCKETS, &bucket_key(&task.bucket))? else { return Ok(None) };
        let configuration = snapshot.get(REPLICATIONS, &bucket_key(&task.bucket))?;
        let rule = configuration.as_ref().and_then(|configuration| configuration.rule(&target.rule).cloned());
        let role = configuration.and_then(|configuration| configuration.acts_as());
        Ok(Some(Work { source, rule, role, target }))
    }

    /// Who replicates: a session of the role, if it trusts S3.
    fn actor(&self, work: &Work) -> Result<Actor, Failure> {
        let Bucket { owner, region, name, .. } = &work.source;
        let Some(role) = &work.role else {
            let principal = Principal::root(owner.clone());
            return Ok(Actor { principal, context: Context::new(), is_role: false });
        };
        let session = self.roles.assume(role, owner, &name.arn().to_string(), SESSION_NAME);
        let principal = session.map_err(|denied| Failure::denied("AssumeRoleNotPermitted", &denied))?;
        Ok(Actor { principal, context: ServiceRoles::context(self.objects.runtime.now(), region), is_role: true })
    }

    fn ask(&self, actor: &Actor, needs: Vec<(&'static str, Requirement)>) -> Result<(), Failure> {
        for (reason, need) in needs {
            let asked = self.roles.authorizer().authorize(&actor.principal, vec![need], &actor.context);
            asked.map_err(|denied| Failure::denied(reason, &denied))?;
        }
        Ok(())
    }

    /// Refuses where a role may not read what it is to copy. Tells whether it may read the tags: as on AWS, they stay behind otherwise.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/setting-repl-config-perm-overview.html>
    fn may_read(
        &self,
        actor: &Actor,
        work: &Work,
        turn: &Turn<'_>,
        seen: Option<&VersionRecord>,
    ) -> Result<bool, Failure> {
        if !actor.is_role {
            return Ok(true);
        }
        let bucket = &work.source.name;
        let on_bucket = |action| ("SrcGetObjNotPermitted", Requirement::new(action, bucket.arn()));
        let on_object = |action| {
            let mut need = Requirement::new(action, turn.task.key.arn(bucket));
            if let Some(seen) = seen {
                need.context.set("s3:VersionId", seen.version_id().to_string());
            }
            need
        };
        let mut needs = vec![on_bucket("s3:GetReplicationConfiguration"), on_bucket("s3:ListBucket")];
        let Some(seen) = seen else { return self.ask(actor, needs).map(|()| true) };
        needs.push(("SrcGetObjNotPermitted", on_object("s3:GetObjectVersionForReplication")));
        needs.push(("SrcGetAclNotPermitted", on_object("s3:GetObjectVersionAcl")));
        if seen.lock.retention.is_some() {
            needs.push(("SrcGetObjNotPermitted", on_object("s3:GetObjectRetention")));
        }
        if seen.lock.legal_hold.is_some() {
            needs.push(("SrcGetObjNotPermitted", on_object("s3:GetObjectLegalHold")));
        }
        self.ask(actor, needs)?;
        match self.ask(actor, vec![("SrcGetTaggingNotPermitted", on_object("s3:GetObjectVersionTagging"))]) {
            Ok(()) => Ok(true),
            Err(Failure::Final(..)) => Ok(false),
            Err(failure @ Failure::ForNow(_)) => Err(failure),
        }
    }

    /// True: the end of the task was committed with it.
    async fn replicate(&self, work: &Work, rule: &ReplicationRule, turn: &Turn<'_>) -> Result<bool, Failure> {
        let task = &turn.task;
        let actor = self.actor(work)?;
        let is_remote = self.remote.has(&work.source.owner, &turn.destination);
        match (task.version, task.marker) {
            (Some(id), _) => {
                // What is gone is not copied.
                let Some(version) = self.objects.hold_version(&id)? else { return Ok(false) };
                let takes_tags = self.may_read(&actor, work, turn, Some(version.record()))?;
                match is_remote {
                    true => self.copy_out(rule, turn, &actor, &version, takes_tags).await.map(|()| false),
                    false => self.copy_here(work, rule, turn, &actor, &version, takes_tags).await,
                }
            }
            (None, Some(id)) => {
                self.may_read(&actor, work, turn, None)?;
                match is_remote {
                    true => {
                        self.may_write_out(&actor, turn, vec![("DstDelObjNotPermitted", "s3:ReplicateDelete")])?;
                        let deleted = self.remote.delete(&turn.destination, &task.key).await;
                        deleted.map(|()| false).map_err(|error| remote_failure(error, "DstDelObjNotPermitted"))
                    }
                    false => self.mark_here(work, rule, turn, &actor, id).await,
                }
            }
            (None, None) => Ok(false),
        }
    }

    /// Asks for what a role must be allowed at a bucket elsewhere, by the name that rules and policies know it by.
    fn may_write_out(
        &self,
        actor: &Actor,
        turn: &Turn<'_>,
        actions: Vec<(&'static str, &'static str)>,
    ) -> Result<(), Failure> {
        if !actor.is_role {
            return Ok(());
        }
        let bucket = bucket_of(&turn.destination).ok_or_else(|| Failure::of("DstBucketNotFound"))?;
        let need = |(reason, action)| (reason, Requirement::new(action, turn.task.key.arn(&bucket)));
        self.ask(actor, actions.into_iter().map(need).collect())
    }

    /// The bucket here that a task is for, and the proof that it may be written to: with tags, if `has_tags` is said of a version; as a
    /// marker otherwise.
    fn destination(
        &self,
        rule: &ReplicationRule,
        turn: &Turn<'_>,
        actor: &Actor,
        has_tags: Option<bool>,
    ) -> Result<(Bucket, Caller), Failure> {
        let name = bucket_of(&turn.destination).ok_or_else(|| Failure::of("DstBucketNotFound"))?;
        let snapshot = self.objects.snapshot()?;
        let found = snapshot.get(BUCKETS, &bucket_key(&name)).map_err(ObjectsError::from)?;
        let bucket = found.ok_or_else(|| Failure::of("DstBucketNotFound"))?;
        if bucket.versioning != Versioning::Enabled {
            return Err(Failure::of("DstBucketUnversioned"));
        }
        let on_object = |action| Requirement::new(action, turn.task.key.arn(&bucket.name));
        let is_marker = has_tags.is_none();
        let mut needs = match is_marker {
            true => vec![("DstDelObjNotPermitted", on_object("s3:ReplicateDelete"))],
            false => vec![("DstPutObjNotPermitted", on_object("s3:ReplicateObject"))],
        };
        if has_tags == Some(true) && actor.is_role {
            needs.push(("DstPutTaggingNotPermitted", on_object("s3:ReplicateTags")));
        }
        if !is_marker && rule.destination.is_given_over {
            needs.push(("DstPutAclNotPermitted", on_object("s3:ObjectOwnerOverrideToBucketOwner")));
        }
        self.ask(actor, needs.clone())?;
        let all = needs.into_iter().map(|(_, need)| need).collect();
        let authorized = self.roles.authorizer().authorize(&actor.principal, all, &actor.context);
        let authorized = authorized.map_err(|denied| Failure::denied("DstPutObjNotPermitted", &denied))?;
        let scope = Scope { account: bucket.owner.clone(), region: bucket.region.clone() };
        let draft = self.draft(turn, scope, actor.principal.clone());
        let (principal, context) = (actor.principal.clone(), actor.context.clone());
        let bound = BoundAuthorizer::new(self.roles.authorizer().clone(), principal, context);
        Ok((bucket, Caller::new(authorized, bound, draft)))
    }

    /// What is on record of a task.
    fn draft(&self, turn: &Turn<'_>, scope: Scope, principal: Principal) -> EventDraft {
        let runtime = &self.objects.runtime;
        let bucket = turn.destination.rsplit(':').next().unwrap_or_default();
        EventDraft {
            id: runtime.entropy.bytes(),
            request_id: runtime.entropy.uuid().to_string(),
            time_ms: self.objects.now_ms(),
            event_source: SERVICE.to_owned(),
            event_name: if turn.task.marker.is_some() { "DeleteObject" } else { "PutObject" }.to_owned(),
            read_only: false,
            management: false,
            scope,
            principal,
            source_ip: SERVICE.to_owned(),
            user_agent: SERVICE.to_owned(),
            request_parameters: serde_json::json!({
                "bucketName": bucket, "key": turn.task.key, "x-amz-replication-status": "REPLICA",
            })
            .to_string(),
            resources: vec![format!("{}/{}", turn.destination, turn.task.key)],
        }
    }

    async fn mark_here(
        &self,
        work: &Work,
        rule: &ReplicationRule,
        turn: &Turn<'_>,
        actor: &Actor,
        id: [u8; 16],
    ) -> Result<bool, Failure> {
        let (bucket, caller) = self.destination(rule, turn, actor, None)?;
        let (task, finish) = (turn.task.clone(), self.finish(turn, Some(rule)));
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

    async fn copy_here(
        &self,
        work: &Work,
        rule: &ReplicationRule,
        turn: &Turn<'_>,
        actor: &Actor,
        version: &ObjectVersion,
        takes_tags: bool,
    ) -> Result<bool, Failure> {
        let seen = version.record();
        let (bucket, caller) = self.destination(rule, turn, actor, Some(takes_tags && !seen.tags.is_empty()))?;
        let objects = &self.objects;
        let named = seen.version_id();
        let finish = self.finish(turn, Some(rule));
        let snapshot = objects.snapshot()?;
        if let Some(found) = locate(&snapshot, &bucket.name, &seen.key, &named)? {
            let VersionEntry::Object(found) = found.entry else { return Ok(false) };
            let (seen, has_lock) = (seen.clone(), bucket.lock.is_some());
            // A bucket that has no locks has none to give on: what it says is not that there shall be none.
            let source = snapshot.get(BUCKETS, &bucket_key(&seen.bucket)).map_err(ObjectsError::from)?;
            let has_lock = has_lock && source.is_some_and(|source| source.lock.is_some());
            let follow = move |tx: &mut Tx<'_>| {
                if let Some(mut copy) = tx.get(crate::keyspaces::VERSIONS, &version_key(&found.id))? {
                    if takes_tags {
                        copy.tags = seen.tags;
                    }
                    if copy.owner.is_some() || seen.acl.is_none() {
                        copy.acl = seen.acl;
                    }
                    // Compliance is for ever: replication may hold the copy longer, and never let it go earlier.
                    let retention = seen.lock.retention;
                    let may_change = copy.lock.check_change(retention, Bypass::Governance, finish.now_ms).is_ok();
                    if has_lock {
                        let retention = if may_change { retention } else { copy.lock.retention };
                        copy.lock = VersionLock { retention, legal_hold: seen.lock.legal_hold };
                    }
                    put_version(tx, &copy)?;
                }
                finish.done(tx, Ok(()))
            };
            caller.commit(&*objects.store, follow).await.map_err(ObjectsError::from)?;
            return Ok(true);
        }
        let destination = &rule.destination;
        self.may_decrypt(actor, version)?;
        let old_key = objects.open_version(seen)?;
        let id = objects.new_uuid();
        let sealing = match &seen.encryption {
            Encryption::Lake => {
                objects.sealing(&caller, &bucket.name, &seen.key, &id, &EncryptionRequest::Lake).await?
            }
            Encryption::Kms(_) => {
                let key = destination.kms_key.clone();
                objects.sealing_of_replica(&caller, &bucket, &seen.key, &id, key).await?
            }
            // The lake has not the key that would open it.
            Encryption::Customer(_) => return Err(Failure::of("SrcObjectNotEligible")),
        };
        let Sealing { data_key, sealed, layout_key, encryption } = sealing;
        let class = destination.class.unwrap_or(seen.class);
        let placement = objects.placement(class, AccessTier::default());
        let mut moved: Vec<Moved> = Vec::with_capacity(seen.parts.len());
        for part in &seen.parts {
            moved.push(objects.copy_part(seen, &old_key, &data_key, part, placement).await?);
        }
        let VersionId::Id { order, uuid } = named else { return Err(Failure::of("SrcObjectNotEligible")) };
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
            lock: if bucket.lock.is_some() { seen.lock } else { VersionLock::default() },
            acl: seen.acl.clone().filter(|_| keeps_owner),
            tier: AccessTier::default(),
            restore: None,
            tags: if takes_tags { seen.tags.clone() } else { Tags::default() },
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

    /// Refuses where a role may not open what a KMS key seals.
    fn may_decrypt(&self, actor: &Actor, version: &ObjectVersion) -> Result<(), Failure> {
        if !actor.is_role || !matches!(version.record().encryption, Encryption::Kms(_)) {
            return Ok(());
        }
        let (principal, context) = (actor.principal.clone(), actor.context.clone());
        let bound = BoundAuthorizer::new(self.roles.authorizer().clone(), principal, context);
        match self.objects.unlock(&bound, version, None) {
            Ok(_) => Ok(()),
            Err(ObjectsError::Denied(denied)) => Err(Failure::denied("SrcGetObjNotPermitted", &denied)),
            Err(error) => Err(error.into()),
        }
    }

    async fn copy_out(
        &self,
        rule: &ReplicationRule,
        turn: &Turn<'_>,
        actor: &Actor,
        version: &ObjectVersion,
        takes_tags: bool,
    ) -> Result<(), Failure> {
        let seen = version.record();
        if matches!(seen.encryption, Encryption::Customer(_)) {
            return Err(Failure::of("SrcObjectNotEligible"));
        }
        let mut needs = vec![("DstPutObjNotPermitted", "s3:ReplicateObject")];
        if takes_tags && !seen.tags.is_empty() {
            needs.push(("DstPutTaggingNotPermitted", "s3:ReplicateTags"));
        }
        self.may_write_out(actor, turn, needs)?;
        self.may_decrypt(actor, version)?;
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
            tags: if takes_tags { seen.tags.clone() } else { Tags::default() },
            class: rule.destination.class.unwrap_or(seen.class),
            body: body.boxed(),
        };
        let put = self.remote.put(&turn.destination, copy).await;
        put.map_err(|error| remote_failure(error, "DstPutObjNotPermitted"))
    }

    /// Says how a task ended. That it failed is on record, as done by whom it was tried as.
    async fn end(
        &self,
        turn: &Turn<'_>,
        work: Option<&Work>,
        outcome: Result<(), (&'static str, String)>,
    ) -> Result<(), ObjectsError> {
        let finish = self.finish(turn, work.and_then(|work| work.rule.as_ref()));
        let failed = outcome.as_ref().err().zip(work).map(|((reason, said), work)| {
            tracing::info!(
                destination = turn.destination, key = %turn.task.key, reason, said, "a version cannot be replicated"
            );
            let Bucket { owner, region, .. } = &work.source;
            let actor = self.actor(work).map(|actor| actor.principal);
            let principal = actor.unwrap_or_else(|_| Principal::service(owner.clone(), SERVICE));
            (self.draft(turn, Scope { account: owner.clone(), region: region.clone() }, principal), said.clone())
        });
        let outcome = outcome.map_err(|(reason, _)| reason);
        let write = move |tx: &mut Tx<'_>| {
            if let (Some((draft, said)), Err(reason)) = (failed, outcome) {
                put_failure(tx, draft, reason, &said)?;
            }
            finish.done(tx, outcome)
        };
        Ok(self.objects.store.write(write).await?)
    }

    /// Behind what waits, or, after a day, given up; late ones are told of.
    async fn put_off(&self, turn: &Turn<'_>, work: &Work) -> Result<(), ObjectsError> {
        let now_ms = self.objects.now_ms();
        let age_ms = now_ms.saturating_sub(work.target.requested_ms);
        if age_ms > AGE_MAX_MS {
            return self.end(turn, Some(work), Err(("DstPutObjNotPermitted", String::new()))).await;
        }
        let is_late = age_ms > LATE_MS && !work.target.is_late;
        let finish = self.finish(turn, work.rule.as_ref());
        Ok(self.objects.store.write(move |tx: &mut Tx<'_>| finish.put_off(tx, is_late)).await?)
    }

    fn finish(&self, turn: &Turn<'_>, rule: Option<&ReplicationRule>) -> Finish {
        Finish {
            task: turn.task.clone(),
            destination: turn.destination.clone(),
            number: turn.number,
            is_timed: rule.is_some_and(|rule| rule.destination.time_control == Some(true)),
            by: self.objects.changed_by_itself(),
            now_ms: self.objects.now_ms(),
        }
    }
}

/// Marks what was copied as a copy, so that it is not copied on.
fn note_replica(tx: &mut Tx<'_>, bucket: &BucketName, key: &ObjectKey, order: u64) -> Result<(), ObjectsError> {
    let state = ReplicationState { is_replica: true, targets: Vec::new() };
    Ok(tx.put(REPLICATION_STATES, &state_key(bucket, key, order), &state)?)
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
