//! What is written when a replication task ends or is put off: how its version stands, and who is told. Knows not how a copy is made.

use tarn_metadata::{Key, Read, Tx};

use crate::errors::ObjectsError;
use crate::events::{Change, ChangedBy, EventDetails, EventKind, Subject, announce};
use crate::keyspaces::{REPLICATION_QUEUES, REPLICATION_STATES, REPLICATION_TASKS, VERSIONS};
use crate::records::version_key;
use crate::replication::state::{CopyThere, ReplicationStatus, ReplicationTarget, ReplicationTask, push};
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

    /// The task has ended so. A copy that was made is kept even where the version is to be brought there anew.
    pub(super) fn done(&self, tx: &mut Tx<'_>, outcome: Result<CopyThere, &'static str>) -> Result<(), ObjectsError> {
        tx.delete(REPLICATION_TASKS, &task_key(&self.destination, self.number))?;
        self.close_if_empty(tx)?;
        let at = self.task.state_key();
        let Some(mut state) = tx.get(REPLICATION_STATES, &at)? else { return Ok(()) };
        let Some(target) = state.targets.iter_mut().find(|target| target.destination == self.destination) else {
            return Ok(());
        };
        if target.status != ReplicationStatus::Pending {
            return Ok(());
        }
        let failure = match outcome {
            Ok(CopyThere::None) => None,
            Ok(copy) => {
                target.copy = copy;
                None
            }
            Err(reason) => Some(reason),
        };
        if !target.is_for(self.number) {
            return Ok(tx.put(REPLICATION_STATES, &at, &state)?);
        }
        target.status = if failure.is_none() { ReplicationStatus::Completed } else { ReplicationStatus::Failed };
        target.failure = failure.map(str::to_owned);
        let target = target.clone();
        tx.put(REPLICATION_STATES, &at, &state)?;
        match failure {
            Some(reason) => self.tell(tx, EventKind::ReplicationFailed, &target, Some(reason)),
            None if target.is_late => self.tell(tx, EventKind::ReplicatedLate, &target, None),
            None => Ok(()),
        }
    }

    /// A copy was made, and there is more to be done to it.
    pub(super) fn copied(&self, tx: &mut Tx<'_>, copy: &CopyThere) -> Result<(), ObjectsError> {
        let at = self.task.state_key();
        let Some(mut state) = tx.get(REPLICATION_STATES, &at)? else { return Ok(()) };
        if let Some(target) = state.targets.iter_mut().find(|target| target.destination == self.destination) {
            target.copy = copy.clone();
            tx.put(REPLICATION_STATES, &at, &state)?;
        }
        Ok(())
    }

    /// The task goes to the end of its queue.
    pub(super) fn put_off(&self, tx: &mut Tx<'_>, is_late: bool) -> Result<(), ObjectsError> {
        tx.delete(REPLICATION_TASKS, &task_key(&self.destination, self.number))?;
        let at = self.task.state_key();
        let mut state = tx.get(REPLICATION_STATES, &at)?.unwrap_or_default();
        let mut targets = state.targets.iter_mut();
        let target = targets.find(|target| target.destination == self.destination && target.is_for(self.number));
        // One that is not asked for any more, or was asked for again, is not kept.
        let Some(target) = target else { return self.close_if_empty(tx) };
        target.number = push(tx, &self.destination, &self.task)?;
        let is_late = is_late && self.is_timed;
        target.is_late |= is_late;
        let target = target.clone();
        tx.put(REPLICATION_STATES, &at, &state)?;
        if is_late {
            self.tell(tx, EventKind::ReplicationLate, &target, None)?;
        }
        Ok(())
    }

    fn close_if_empty(&self, tx: &mut Tx<'_>) -> Result<(), ObjectsError> {
        let queue = Key::new().text(&self.destination);
        if tx.prefix(REPLICATION_TASKS, &queue).next().transpose()?.is_none() {
            tx.delete(REPLICATION_QUEUES, &queue)?;
        }
        Ok(())
    }
}
