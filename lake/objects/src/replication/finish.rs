//! What is written when a replication task ends or is put off: how its version stands, and who is told. Knows not how a copy is made.

use tarn_metadata::{Key, Read, Tx};

use crate::errors::ObjectsError;
use crate::events::{Change, ChangedBy, EventDetails, EventKind, Subject, announce};
use crate::keyspaces::{REPLICATION_QUEUES, REPLICATION_STATES, REPLICATION_TASKS, VERSIONS};
use crate::records::version_key;
use crate::replication::{ReplicationStatus, ReplicationTarget, ReplicationTask, push, state_key};
use crate::versions::VersionId;

pub(super) fn task_key(destination: &str, number: u64) -> Key {
    Key::new().text(destination).u64(number)
}

/// What is written when a task ends.
pub(super) struct Finish {
    pub(super) task: ReplicationTask,
    pub(super) destination: String,
    pub(super) number: u64,
    /// Whether it is to be done in time: then it is told that it was not.
    pub(super) is_timed: bool,
    pub(super) by: ChangedBy,
    pub(super) now_ms: i64,
}

impl Finish {
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
            Some(id) => tx.get(VERSIONS, &version_key(id))?,
            None => None,
        };
        let subject = match (&record, self.task.marker) {
            (Some(record), _) => Subject::Version(record),
            (None, Some(uuid)) => Subject::Marker(VersionId::Id { order: self.task.order, uuid }),
            (None, None) => return Ok(()),
        };
        announce(tx, &Change { kind, bucket, key, subject, details, by })
    }

    /// The task has ended so.
    pub(super) fn done(&self, tx: &mut Tx<'_>, outcome: Result<(), &'static str>) -> Result<(), ObjectsError> {
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
        target.failure = outcome.err().map(str::to_owned);
        let target = target.clone();
        tx.put(REPLICATION_STATES, &at, &state)?;
        match outcome {
            Err(reason) => self.tell(tx, EventKind::ReplicationFailed, &target, Some(reason)),
            Ok(()) if target.is_late => self.tell(tx, EventKind::ReplicatedLate, &target, None),
            Ok(()) => Ok(()),
        }
    }

    /// The task goes to the end of its queue.
    pub(super) fn put_off(&self, tx: &mut Tx<'_>, is_late: bool) -> Result<(), ObjectsError> {
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
