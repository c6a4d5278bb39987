//! Which versions of a bucket are copied to other buckets, and how each of them stands. A change that a rule is for writes what is to be
//! done in its own transaction; `replication/worker.rs` does it. Knows no bytes.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication.html>

mod acting;
mod failure;
mod finish;
mod local;
pub(crate) mod remote;
pub(crate) mod rules;
pub(crate) mod state;
pub(crate) mod worker;

use std::time::Duration;

use tarn_audit::Caller;
use tarn_metadata::{Read, Tx};

use crate::errors::ObjectsError;
use crate::events::{Change, EventKind, Subject};
use crate::get::ObjectVersion;
use crate::keyspaces::{REPLICATION_STATES, REPLICATIONS, VERSIONS};
use crate::names::{BucketName, ObjectKey};
use crate::objects::Objects;
use crate::records::{VersionUuid, bucket_key, version_key};
use crate::replication::rules::ReplicationConfiguration;
use crate::replication::state::{
    CopyThere, ReplicationState, ReplicationStatus, ReplicationTarget, ReplicationTask, state_key,
};
use crate::versions::VersionId;

/// Forgets how a version stood, with the version.
pub(crate) fn forget(tx: &mut Tx<'_>, bucket: &BucketName, key: &ObjectKey, order: u64) -> Result<(), ObjectsError> {
    let at = state_key(bucket, key, order);
    if tx.contains(REPLICATION_STATES, &at)? {
        tx.delete(REPLICATION_STATES, &at)?;
    }
    Ok(())
}

/// Asks for what the bucket's rules want of a change. Part of `announce`.
pub(crate) fn follow(tx: &mut Tx<'_>, change: &Change<'_>, now_ms: i64) -> Result<(), ObjectsError> {
    let Some(configuration) = tx.get(REPLICATIONS, &bucket_key(change.bucket))? else { return Ok(()) };
    match (&change.subject, change.kind) {
        (
            Subject::Version(record),
            EventKind::CreatedPut | EventKind::CreatedPost | EventKind::CreatedCopy | EventKind::CreatedInParts,
        ) => {
            let rules = configuration.for_object(record);
            ask(tx, change, rules, record.order, (Some(record.id), None), now_ms)
        }
        (Subject::Version(record), EventKind::TagsPut | EventKind::TagsRemoved | EventKind::AclPut) => {
            again(tx, change, &configuration, record.order, record.id, now_ms)
        }
        (Subject::Marker(VersionId::Id { order, uuid }), EventKind::Marked) => {
            let rules = configuration.for_marker(change.key.as_str());
            ask(tx, change, rules, *order, (None, Some(*uuid)), now_ms)
        }
        // Versions that are removed stay where they were copied to; so does what a lifecycle rule marks.
        (Subject::Version(_) | Subject::Marker(_) | Subject::Removed(_), _) => Ok(()),
    }
}

type Chosen = Vec<(String, String)>;

fn ask(
    tx: &mut Tx<'_>,
    change: &Change<'_>,
    rules: Chosen,
    order: u64,
    (version, marker): (Option<VersionUuid>, Option<VersionUuid>),
    now_ms: i64,
) -> Result<(), ObjectsError> {
    let at = state_key(change.bucket, change.key, order);
    // What was copied here is not copied on.
    if rules.is_empty() || tx.contains(REPLICATION_STATES, &at)? {
        return Ok(());
    }
    let (bucket, key) = (change.bucket.clone(), change.key.clone());
    let task = ReplicationTask { bucket, key, order, version, marker };
    let mut state = ReplicationState::default();
    for chosen in rules {
        state.targets.push(ReplicationTarget::ask(tx, &task, chosen, CopyThere::None, now_ms)?);
    }
    Ok(tx.put(REPLICATION_STATES, &at, &state)?)
}

/// A version that was copied has other tags now, another list, another lock: its copies follow.
pub(crate) fn again(
    tx: &mut Tx<'_>,
    change: &Change<'_>,
    configuration: &ReplicationConfiguration,
    order: u64,
    version: VersionUuid,
    now_ms: i64,
) -> Result<(), ObjectsError> {
    let at = state_key(change.bucket, change.key, order);
    let Some(mut state) = tx.get(REPLICATION_STATES, &at)? else { return Ok(()) };
    let (bucket, key) = (change.bucket.clone(), change.key.clone());
    let task = ReplicationTask { bucket, key, order, version: Some(version), marker: None };
    let mut targets = Vec::new();
    if state.is_replica {
        // Two buckets that copy to each other keep the changes of copies alike, where their rules say so. What a replica was made of is
        // there, or was: it is not made again.
        for chosen in configuration.for_changes_of_replicas(change.key.as_str()) {
            let known = state.targets.iter().find(|target| target.destination == chosen.1);
            let copy = known.map_or(CopyThere::Unnamed, |target| target.copy.clone());
            targets.push(ReplicationTarget::ask(tx, &task, chosen, copy, now_ms)?);
        }
    } else {
        for ReplicationTarget { rule, destination, copy, .. } in state.targets {
            targets.push(ReplicationTarget::ask(tx, &task, (rule, destination), copy, now_ms)?);
        }
    }
    state.targets = targets;
    Ok(tx.put(REPLICATION_STATES, &at, &state)?)
}

/// What came of a replication that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplicationOutcome {
    /// It is not over.
    Pending,
    /// The version is where the rules want it.
    Completed,
    /// It is not, for this reason, in AWS's word.
    Failed(String),
}

/// Why no replication can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotReplicated {
    /// The bucket has no rules.
    NoConfiguration,
    /// No rule is for the version.
    NoRule,
}

impl NotReplicated {
    /// In AWS's word: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-failure-codes.html>
    pub fn name(self) -> &'static str {
        match self {
            Self::NoConfiguration => "SrcBucketReplicationConfigMissing",
            Self::NoRule => "SrcObjectNotEligible",
        }
    }
}

impl Objects {
    /// Has a version copied by the rules that are for it now, whenever it was put and whatever came of it before. Refused where none is:
    /// then nothing is written, nor what the caller has beside it.
    pub async fn initiate_replication(&self, caller: &Caller, version: &ObjectVersion) -> Result<(), ObjectsError> {
        let (seen, now_ms) = (version.record().clone(), self.now_ms());
        self.replication.used();
        let ask = move |tx: &mut Tx<'_>| {
            let Some(record) = tx.get(VERSIONS, &version_key(&seen.id))? else {
                let (key, version_id) = (seen.key.to_string(), seen.version_id().to_string());
                return Err(ObjectsError::NoSuchVersion { key, version_id });
            };
            let Some(configuration) = tx.get(REPLICATIONS, &bucket_key(&record.bucket))? else {
                return Err(ObjectsError::NotReplicated { why: NotReplicated::NoConfiguration });
            };
            let rules = configuration.for_object(&record);
            if rules.is_empty() {
                return Err(ObjectsError::NotReplicated { why: NotReplicated::NoRule });
            }
            let at = state_key(&record.bucket, &record.key, record.order);
            let mut state = tx.get(REPLICATION_STATES, &at)?.unwrap_or_default();
            let (bucket, key) = (record.bucket.clone(), record.key.clone());
            let task = ReplicationTask { bucket, key, order: record.order, version: Some(record.id), marker: None };
            // Whatever came of rules that are gone is nothing of this.
            state.targets.clear();
            for chosen in rules {
                state.targets.push(ReplicationTarget::ask(tx, &task, chosen, CopyThere::None, now_ms)?);
            }
            Ok::<_, ObjectsError>(tx.put(REPLICATION_STATES, &at, &state)?)
        };
        caller.commit(&*self.store, ask).await?;
        self.replication.changed();
        Ok(())
    }

    /// What came of it; waits for as long as `patience` that it is over.
    pub async fn replication_outcome(
        &self,
        version: &ObjectVersion,
        patience: Duration,
    ) -> Result<ReplicationOutcome, ObjectsError> {
        let record = version.record();
        let at = state_key(&record.bucket, &record.key, record.order);
        let until = tokio::time::Instant::now() + patience;
        loop {
            let snapshot = self.snapshot()?;
            let Some(state) = snapshot.get(REPLICATION_STATES, &at)? else {
                return Ok(ReplicationOutcome::Failed("SrcObjectNotFound".to_owned()));
            };
            let failed = state.targets.iter().find(|target| target.status == ReplicationStatus::Failed);
            if !state.targets.iter().any(|target| target.status == ReplicationStatus::Pending) {
                return Ok(match failed {
                    Some(target) => ReplicationOutcome::Failed(target.failure.clone().unwrap_or_default()),
                    None => ReplicationOutcome::Completed,
                });
            }
            let change = self.store.wait_for_change(snapshot.sequence());
            if tokio::time::timeout_at(until, change).await.is_err() {
                return Ok(ReplicationOutcome::Pending);
            }
        }
    }

    /// How a version stands; nothing where no rule was ever for it.
    pub fn replication_status(&self, version: &ObjectVersion) -> Result<Option<ReplicationStatus>, ObjectsError> {
        let record = version.record();
        if !self.replication.is_used() {
            return Ok(None);
        }
        let state = self.snapshot()?.get(REPLICATION_STATES, &state_key(&record.bucket, &record.key, record.order))?;
        Ok(state.map(|state| state.status()))
    }
}
