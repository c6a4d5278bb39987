//! Brings versions to where rules want them: each destination's queue in its order, several at once, again after a pause where a
//! destination cannot be reached. A task is "make that version there as it is here now", so that doing it twice changes nothing: a copy that
//! is made, and its tags, its list and its lock for as long as both are there. A copy in this lake, how it stands and the end of its task are
//! one transaction.
//!
//! It acts as the role that the bucket's configuration names, which must trust S3, may read what is copied, and may write the copy: a bucket
//! of another account takes copies where its policy lets that role. What the role may not ends in FAILED, with a record that says why.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tarn_audit::put_failure;
use tarn_metadata::{Key, Read, Sequence, Snapshot, StoreExt, Tx};
use tarn_policy::{Authorizer, Principal, RoleSessions, ServiceRoles};
use tarn_runtime::{Worker, WorkerOutcome};
use tarn_types::{Arn, Scope};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::errors::ObjectsError;
use crate::keyspaces::{BUCKETS, REPLICATION_QUEUES, REPLICATION_STATES, REPLICATION_TASKS, REPLICATIONS};
use crate::objects::Objects;
use crate::records::{Bucket, bucket_key};
use crate::replication::failure::{Failure, remote_failure};
use crate::replication::finish::{Finish, task_key};
use crate::replication::remote::RemoteBuckets;
use crate::replication::rules::ReplicationRule;
use crate::replication::state::{CopyThere, ReplicationStatus, ReplicationTarget, ReplicationTask};

/// Copies that are made at once.
const LANES: usize = 4;
/// Tasks of a queue that are looked at.
const LOOK_COUNT_MAX: usize = 64;
/// What the pause of a destination that cannot be reached doubles up to.
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

#[derive(Default)]
struct Lanes {
    /// Tasks that a lane is at, by destination and number.
    taken: HashSet<(String, u64)>,
    /// What they bring where: two tasks of one version would make two copies elsewhere, or end with the older of two states.
    busy: HashSet<(String, Key)>,
    /// Destinations that could not be reached: not before then, and the pause to double.
    paused: HashMap<String, (Instant, Duration)>,
}

/// One of the workers that replicate.
#[derive(Clone)]
pub struct Replicator {
    pub(super) objects: Objects,
    pub(super) roles: ServiceRoles,
    pub(super) remote: Arc<dyn RemoteBuckets>,
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
pub(super) struct Turn<'a> {
    lanes: &'a Mutex<Lanes>,
    pub(super) destination: String,
    pub(super) number: u64,
    pub(super) task: ReplicationTask,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut lanes = self.lanes.lock();
        lanes.taken.remove(&(self.destination.clone(), self.number));
        lanes.busy.remove(&(self.destination.clone(), self.task.state_key()));
    }
}

/// What a task needs to know, found.
pub(super) struct Work {
    pub(super) source: Bucket,
    /// Nothing where it is gone since.
    rule: Option<ReplicationRule>,
    /// As which role; nothing for the owner of the source.
    pub(super) role: Option<Arn>,
    pub(super) target: ReplicationTarget,
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
                let (place, version) = ((destination.clone(), number), (destination.clone(), task.state_key()));
                let mut lanes = self.lanes.lock();
                if !lanes.taken.contains(&place) && !lanes.busy.contains(&version) {
                    lanes.taken.insert(place);
                    lanes.busy.insert(version);
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
            self.end(&turn, None, Ok(CopyThere::None)).await?;
            return Ok(true);
        };
        let outcome = match &work.rule {
            Some(rule) => self.replicate(&work, rule, &turn).await,
            None => Err(Failure::of("SrcBucketReplicationConfigMissing")),
        };
        match outcome {
            Ok(None) => {
                self.lanes.lock().paused.remove(&turn.destination);
            }
            Ok(Some(copy)) => {
                self.lanes.lock().paused.remove(&turn.destination);
                self.end(&turn, Some(&work), Ok(copy)).await?;
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
        let first = self.objects.options.replication_pause;
        let mut lanes = self.lanes.lock();
        let pause = lanes.paused.get(destination).map_or(first, |(_, pause)| (*pause * 2).min(PAUSE_MAX));
        lanes.paused.insert(destination.to_owned(), (Instant::now() + pause, pause));
    }

    /// The rule and the state of a task; nothing where it is not asked for any more, or was asked for again since.
    fn work(&self, snapshot: &Snapshot, turn: &Turn<'_>) -> Result<Option<Work>, ObjectsError> {
        let task = &turn.task;
        let state = snapshot.get(REPLICATION_STATES, &task.state_key())?;
        let target = state.and_then(|state| {
            let mut targets = state.targets.into_iter();
            targets.find(|target| target.destination == turn.destination)
        });
        let is_asked =
            |target: &ReplicationTarget| target.status == ReplicationStatus::Pending && target.is_for(turn.number);
        let Some(target) = target.filter(is_asked) else { return Ok(None) };
        let Some(source) = snapshot.get(BUCKETS, &bucket_key(&task.bucket))? else { return Ok(None) };
        let configuration = snapshot.get(REPLICATIONS, &bucket_key(&task.bucket))?;
        let rule = configuration.as_ref().and_then(|configuration| configuration.rule(&target.rule).cloned());
        let role = configuration.and_then(|configuration| configuration.acts_as());
        Ok(Some(Work { source, rule, role, target }))
    }

    /// What was made; nothing where the end of the task was committed with it.
    async fn replicate(
        &self,
        work: &Work,
        rule: &ReplicationRule,
        turn: &Turn<'_>,
    ) -> Result<Option<CopyThere>, Failure> {
        let task = &turn.task;
        let actor = self.actor(work)?;
        let is_remote = self.remote.has(&work.source.owner, &turn.destination);
        match (task.version, task.marker) {
            (Some(id), _) => {
                // What is gone is not copied.
                let Some(version) = self.objects.hold_version(&id)? else { return Ok(Some(CopyThere::None)) };
                let takes_tags = self.may_read(&actor, work, turn, Some(version.record()))?;
                match is_remote {
                    true => self.bring_out(work, rule, turn, &actor, &version, takes_tags).await.map(Some),
                    false => self.bring_here(work, rule, turn, &actor, &version, takes_tags).await,
                }
            }
            (None, Some(id)) => {
                self.may_read(&actor, work, turn, None)?;
                match is_remote {
                    true => {
                        self.may_write_out(&actor, turn, vec![("DstDelObjNotPermitted", "s3:ReplicateDelete")])?;
                        let deleted = self.remote.delete(&turn.destination, &task.key).await;
                        let deleted = deleted.map_err(|error| remote_failure(error, "DstDelObjNotPermitted"));
                        deleted.map(|()| Some(CopyThere::None))
                    }
                    false => self.mark_here(work, rule, turn, &actor, id).await,
                }
            }
            (None, None) => Ok(Some(CopyThere::None)),
        }
    }

    /// Says how a task ended. That it failed is on record, as done by whom it was tried as.
    async fn end(
        &self,
        turn: &Turn<'_>,
        work: Option<&Work>,
        outcome: Result<CopyThere, (&'static str, String)>,
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
            if let (Some((draft, said)), Err(reason)) = (failed, &outcome) {
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

    pub(super) fn finish(&self, turn: &Turn<'_>, rule: Option<&ReplicationRule>) -> Finish {
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
