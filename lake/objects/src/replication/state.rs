//! How versions stand with the destinations of their bucket's rules, and the tasks that wait for each destination. Asks for nothing itself.

use serde::{Deserialize, Serialize};
use tarn_metadata::{Key, Read, Record, RecordError, Tx};

use crate::errors::ObjectsError;
use crate::keyspaces::{REPLICATION_QUEUES, REPLICATION_TASKS};
use crate::names::{BucketName, ObjectKey};
use crate::records::{VersionUuid, current_key};

/// How a version stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReplicationStatus {
    /// It is to be copied.
    Pending,
    /// It was.
    Completed,
    /// It could not be.
    Failed,
    /// It is a copy itself.
    Replica,
}

/// How a version stands with one destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicationTarget {
    /// The bucket's ARN.
    pub(crate) destination: String,
    /// By which rule.
    pub(crate) rule: String,
    /// How.
    pub(crate) status: ReplicationStatus,
    /// Since when it is asked for, milliseconds since 1970.
    pub(crate) requested_ms: i64,
    /// Whether it was said that it is late.
    pub(crate) is_late: bool,
    /// Why it could not be copied, in AWS's word.
    pub(crate) failure: Option<String>,
    /// What was made of it there.
    pub(crate) copy: CopyThere,
    /// The number of the task that is to bring it there as it is now: those before it are nothing any more. 0: not kept yet.
    pub(crate) number: u64,
}

/// What was made of a version at a destination.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CopyThere {
    /// Nothing.
    #[default]
    None,
    /// A copy; what the store there calls it was not said, or not kept.
    Unnamed,
    /// A copy that is of this version there. It may be gone since.
    Named(String),
}

impl ReplicationTarget {
    /// Asks for a version to be brought to a destination. Of several tasks for one version the last counts.
    pub(crate) fn ask(
        tx: &mut Tx<'_>,
        task: &ReplicationTask,
        (rule, destination): (String, String),
        copy: CopyThere,
        requested_ms: i64,
    ) -> Result<Self, ObjectsError> {
        let number = push(tx, &destination, task)?;
        let status = ReplicationStatus::Pending;
        Ok(Self { destination, rule, status, requested_ms, is_late: false, failure: None, copy, number })
    }

    /// Whether task `number` is the one to be done.
    pub(crate) fn is_for(&self, number: u64) -> bool {
        self.number == 0 || self.number == number
    }
}

/// How a version, or a delete marker, stands with all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicationState {
    /// Whether it is a copy.
    pub(crate) is_replica: bool,
    /// Where it goes.
    pub(crate) targets: Vec<ReplicationTarget>,
}

impl Record for ReplicationState {
    const VERSION: u16 = 3;

    fn migrate(version: u16, bytes: &[u8]) -> Result<Self, RecordError> {
        match version {
            2 => tarn_metadata::decode_form::<ReplicationStateV2>(bytes).map(Into::into),
            _ => crate::records_v1::migrate::<Self, ReplicationStateV1>(version, bytes),
        }
    }
}

/// Until it was kept what was made of a version, and which task was the last.
#[derive(Deserialize)]
struct ReplicationStateV2 {
    is_replica: bool,
    targets: Vec<ReplicationTargetV2>,
}

#[derive(Deserialize)]
struct ReplicationTargetV2 {
    destination: String,
    rule: String,
    status: ReplicationStatus,
    requested_ms: i64,
    is_late: bool,
    failure: Option<String>,
}

impl From<ReplicationStateV2> for ReplicationState {
    fn from(old: ReplicationStateV2) -> Self {
        let target = |ReplicationTargetV2 { destination, rule, status, requested_ms, is_late, failure }| {
            let copy = if status == ReplicationStatus::Completed { CopyThere::Unnamed } else { CopyThere::None };
            ReplicationTarget { destination, rule, status, requested_ms, is_late, failure, copy, number: 0 }
        };
        Self { is_replica: old.is_replica, targets: old.targets.into_iter().map(target).collect() }
    }
}

/// Until it was kept why a copy could not be made.
#[derive(Deserialize)]
struct ReplicationStateV1 {
    is_replica: bool,
    targets: Vec<ReplicationTargetV1>,
}

#[derive(Deserialize)]
struct ReplicationTargetV1 {
    destination: String,
    rule: String,
    status: ReplicationStatus,
    requested_ms: i64,
    is_late: bool,
}

impl From<ReplicationStateV1> for ReplicationState {
    fn from(old: ReplicationStateV1) -> Self {
        let target = |ReplicationTargetV1 { destination, rule, status, requested_ms, is_late }| ReplicationTargetV2 {
            destination,
            rule,
            status,
            requested_ms,
            is_late,
            failure: None,
        };
        ReplicationStateV2 { is_replica: old.is_replica, targets: old.targets.into_iter().map(target).collect() }.into()
    }
}

impl ReplicationState {
    /// What callers are told.
    pub(crate) fn status(&self) -> ReplicationStatus {
        let has = |status| self.targets.iter().any(|target| target.status == status);
        if self.is_replica {
            ReplicationStatus::Replica
        } else if has(ReplicationStatus::Failed) {
            ReplicationStatus::Failed
        } else if has(ReplicationStatus::Pending) {
            ReplicationStatus::Pending
        } else {
            ReplicationStatus::Completed
        }
    }
}

/// The last number that was given in a destination's queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicationQueue {
    pub(crate) last: u64,
}

impl Record for ReplicationQueue {
    const VERSION: u16 = 1;
}

/// A version that is to be brought to a destination, as it is when that is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicationTask {
    pub(crate) bucket: BucketName,
    pub(crate) key: ObjectKey,
    pub(crate) order: u64,
    /// A version's id; nothing for a delete marker.
    pub(crate) version: Option<VersionUuid>,
    /// The marker's id.
    pub(crate) marker: Option<VersionUuid>,
}

impl Record for ReplicationTask {
    const VERSION: u16 = 1;
}

impl ReplicationTask {
    /// Where it is kept how its version stands.
    pub(crate) fn state_key(&self) -> Key {
        state_key(&self.bucket, &self.key, self.order)
    }
}

pub(crate) fn state_key(bucket: &BucketName, key: &ObjectKey, order: u64) -> Key {
    current_key(bucket, key).u64(order)
}

/// Puts a task at the end of a destination's queue; answers its number.
pub(crate) fn push(tx: &mut Tx<'_>, destination: &str, task: &ReplicationTask) -> Result<u64, ObjectsError> {
    let at = Key::new().text(destination);
    let mut queue = tx.get(REPLICATION_QUEUES, &at)?.unwrap_or_default();
    queue.last += 1;
    tx.put(REPLICATION_TASKS, &at.clone().u64(queue.last), task)?;
    tx.put(REPLICATION_QUEUES, &at, &queue)?;
    Ok(queue.last)
}
