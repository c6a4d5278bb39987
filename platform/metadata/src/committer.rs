//! The one thread that runs transactions: drains what waits, runs it in order, makes all of it durable with one sync, shows it,
//! answers. Knows nothing of how the log and the index are written.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::embedded::Shared;
use crate::log::{AppendError, BatchKind, encode_transaction};
use crate::memtable::GroupView;
use crate::store::{Change, Job, JobOutcome, Sequence, StoreError, Tx};

/// What may be added by a transaction that uses the reserve of a full disk, bytes: the records of a removal.
const RESERVE_TRANSACTION_BYTES_MAX: usize = 64 << 10;

/// What the committer is sent.
pub(crate) enum Message {
    /// A transaction.
    Job(Job),
    /// Answer what came before, then end.
    Close,
}

/// A job that has run and waits for its group.
type Waiting = (Box<dyn FnOnce(Result<Sequence, StoreError>) + Send>, Result<Sequence, StoreError>);

/// Jobs that become durable together.
#[derive(Default)]
struct Group {
    waiting: Vec<Waiting>,
    transactions: Vec<(u64, Vec<Change>)>,
    body: Vec<u8>,
}

/// Runs until it is told to close or every sender is gone.
pub(crate) fn run(shared: &Shared, mut jobs: mpsc::Receiver<Message>) {
    let mut open = true;
    while open {
        let Some(message) = jobs.blocking_recv() else { break };
        open = commit_group(shared, message, &mut jobs);
    }
    jobs.close();
    while let Ok(message) = jobs.try_recv() {
        if let Message::Job(job) = message {
            answer(job.done, Err(StoreError::Closed));
        }
    }
}

/// A caller's callback must not end the committer.
fn answer(done: Box<dyn FnOnce(Result<Sequence, StoreError>) + Send>, fate: Result<Sequence, StoreError>) {
    if catch_unwind(AssertUnwindSafe(move || done(fate))).is_err() {
        tracing::error!("a transaction's answer panicked");
    }
}

/// Runs one group that begins with `message`. Returns whether there may be more.
fn commit_group(shared: &Shared, message: Message, jobs: &mut mpsc::Receiver<Message>) -> bool {
    shared.wait_for_room();
    let low_on_space = shared.low_on_space();
    let mut group = Group::default();
    let mut pending: BTreeMap<Bytes, Option<Bytes>> = BTreeMap::new();
    let base = shared.view();
    let mut open = true;
    let mut next = Some(message);
    while let Some(message) = next {
        match message {
            Message::Close => {
                open = false;
                break;
            }
            Message::Job(job) => run_job(shared, job, &base, &mut pending, &mut group, low_on_space),
        }
        let full =
            group.waiting.len() >= shared.options.group_jobs_max || group.body.len() >= shared.options.group_bytes_max;
        next = if full { None } else { jobs.try_recv().ok() };
    }
    finish(shared, group);
    open
}

fn run_job(
    shared: &Shared,
    job: Job,
    base: &crate::memtable::View,
    pending: &mut BTreeMap<Bytes, Option<Bytes>>,
    group: &mut Group,
    low_on_space: bool,
) {
    if let Some(failure) = shared.failure() {
        group.waiting.push((job.done, Err(failure)));
        return;
    }
    let last = base.sequence + group.transactions.len() as u64;
    let Job { run, done } = job;
    let ran = {
        let view = GroupView { base, pending };
        catch_unwind(AssertUnwindSafe(|| {
            let mut tx = Tx::new(&view, Sequence(last + 1));
            match run(&mut tx) {
                JobOutcome::Commit => tx.into_changes(),
                JobOutcome::Abort => Vec::new(),
            }
        }))
    };
    let changes = match ran {
        Ok(changes) => changes,
        Err(panic) => {
            let said = panic
                .downcast_ref::<&str>()
                .map(|said| (*said).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned());
            group.waiting.push((done, Err(StoreError::Panicked { reason: said.unwrap_or_default() })));
            return;
        }
    };
    if changes.is_empty() {
        // It may have seen changes of its group: it is answered when they are durable.
        group.waiting.push((done, Ok(Sequence(last))));
        return;
    }
    if low_on_space && !frees_space(&changes) {
        group.waiting.push((done, Err(StoreError::NoSpace)));
        return;
    }
    encode_transaction(&changes, &mut group.body);
    for change in &changes {
        pending.insert(change.key.clone(), change.value.clone());
    }
    group.transactions.push((last + 1, changes));
    group.waiting.push((done, Ok(Sequence(last + 1))));
}

/// Whether a transaction may use the reserve: it removes something and adds little, as deleting an object does.
fn frees_space(changes: &[Change]) -> bool {
    let added: usize =
        changes.iter().filter_map(|change| change.value.as_ref().map(|value| change.key.len() + value.len())).sum();
    changes.iter().any(|change| change.value.is_none()) && added <= RESERVE_TRANSACTION_BYTES_MAX
}

/// Makes a group durable, shows it, and answers its jobs.
fn finish(shared: &Shared, group: Group) {
    let Group { waiting, transactions, body } = group;
    let count = transactions.len();
    let mut fate = Ok(());
    if count > 0 {
        let mut log = shared.log.lock();
        match log.append(BatchKind::Transactions, count as u32, &body) {
            Ok(()) => shared.show(transactions),
            Err(error) => {
                if let AppendError::Failed { .. } = error {
                    tracing::error!(?error, "the metadata log failed; writes are refused from now on");
                }
                fate = Err(StoreError::from(error));
                if let Err(failure @ StoreError::Failed { .. }) = &fate {
                    shared.fail(failure.clone());
                }
            }
        }
    }
    for (done, outcome) in waiting {
        answer(done, outcome.and_then(|sequence| fate.clone().map(|()| sequence)));
    }
}
