//! Working: a step does some of a job's tasks, several at a time, and then counts them in one transaction. Knows no operation.

use std::collections::HashSet;
use std::time::Duration;

use futures::StreamExt;
use tarn_metadata::{Read, StoreExt, Tx};

use crate::errors::JobsError;
use crate::job::{Job, JobFailure, of_lane, read_queue_key};
use crate::jobs::{Jobs, job_in};
use crate::keyspaces::{DONE, QUEUE, RESULTS, SEGMENTS, Task, task_key, task_number, tasks_of};
use crate::operation::JobOperation;
use crate::report::results_of;
use crate::status::{JobStatus, Lane};
use crate::tasks::{SUCCESSFUL, TaskOutcome};

/// Tasks of one step: what a crash may leave counted too late.
const STEP_TASKS_MAX: usize = 500;
/// Tasks that are done at the same time: their commits share their syncs.
const TASKS_AT_ONCE: usize = 16;
/// When a step takes no more tasks: a job that is cancelled, or has to make room, goes on no longer than this and the tasks under way.
const STEP_TIME_MAX: Duration = Duration::from_secs(1);
/// A job is not failed before so many of its tasks were tried ...
const THRESHOLD_TASKS_MIN: u64 = 1_000;
/// ... and is if more than this share of them failed, percent.
const THRESHOLD_FAILED_PERCENT: u64 = 50;

impl Jobs {
    /// One step of a job that has its turn.
    pub(crate) async fn run_step(&self, job: Job) -> Result<(), JobsError> {
        let job = match job.run.status {
            JobStatus::Active => job,
            _ => self.activate(job).await?,
        };
        if job.run.next() >= job.run.total {
            return self.complete(&job).await;
        }
        let (started_ms, started) = (self.now_ms(), tokio::time::Instant::now());
        let Some(segment) = self.segment(&job.id, job.run.segment)? else {
            let why = JobFailure::new("InternalError", "the job's list of tasks is not there");
            return self.fail(&job, why).await;
        };
        let offset = usize::try_from(job.run.next() - job.run.segment).unwrap_or(usize::MAX);
        let tasks: Vec<Task> = segment.tasks.iter().skip(offset).take(STEP_TASKS_MAX).cloned().collect();
        let is_last_of_segment = |count: usize| offset + count >= segment.tasks.len();
        // Done before a crash, and not counted.
        let done: HashSet<u64> = self
            .store
            .read()?
            .prefix(DONE, &tasks_of(&job.id))
            .filter_map(|row| row.map(|(key, _)| task_number(&key)).transpose())
            .collect::<Result<_, _>>()?;
        // A step does one task at least, however long it takes.
        let taken = tasks
            .clone()
            .into_iter()
            .zip(job.run.next()..)
            .enumerate()
            .take_while(move |(at, _)| *at == 0 || started.elapsed() < STEP_TIME_MAX);
        let outcomes = futures::stream::iter(taken)
            .map(|(_, (task, number))| self.task_outcome(&job, number, task, done.contains(&number)))
            .buffered(TASKS_AT_ONCE)
            // All of them, also behind one that the server could not do: what was begun is to end.
            .collect::<Vec<_>>()
            .await
            .into_iter()
            // What is behind one that is not over is counted by a later step.
            .take_while(|outcome| !matches!(outcome, Err(JobsError::Waiting)))
            .collect::<Result<Vec<TaskOutcome>, JobsError>>()?;
        if outcomes.is_empty() {
            return Ok(());
        }
        let active_ms = self.now_ms().saturating_sub(started_ms);
        let next_segment = is_last_of_segment(outcomes.len()).then(|| job.run.segment + segment.tasks.len() as u64);
        self.count(&job, &tasks, outcomes, active_ms, next_segment).await
    }

    async fn task_outcome(&self, job: &Job, number: u64, task: Task, is_done: bool) -> Result<TaskOutcome, JobsError> {
        if is_done && job.definition.operation != JobOperation::ReplicateObject {
            return Ok(Ok(SUCCESSFUL.to_owned()));
        }
        self.run_task(job, number, &task, is_done).await
    }

    /// Gives a job its turn; those of the account that had it make room.
    async fn activate(&self, job: Job) -> Result<Job, JobsError> {
        self.advance(&job, |tx, job, now_ms| {
            let others: Vec<_> = tx
                .prefix(QUEUE, &of_lane(Lane::Run, &job.scope))
                .filter_map(|row| row.map(|(key, _)| read_queue_key(&key)).transpose())
                .collect::<Result<_, _>>()?;
            for (scope, id) in others {
                let before = job_in(tx, &scope, &id)?;
                if id != job.id && before.run.status == JobStatus::Active {
                    let mut other = before.clone();
                    // Between two steps there is nothing under way that would have to be waited for.
                    other.become_status(tx, JobStatus::Pausing, now_ms)?;
                    other.become_status(tx, JobStatus::Paused, now_ms)?;
                    other.put(tx, Some(&before))?;
                }
            }
            job.become_status(tx, JobStatus::Active, now_ms)
        })
        .await
    }

    async fn complete(&self, job: &Job) -> Result<(), JobsError> {
        self.advance(job, |tx, job, now_ms| job.become_status(tx, JobStatus::Completing, now_ms)).await.map(|_| ())
    }

    /// Counts what a step did. It counts whatever became of the job meanwhile: it was done.
    async fn count(
        &self,
        job: &Job,
        tasks: &[Task],
        outcomes: Vec<TaskOutcome>,
        active_ms: i64,
        next_segment: Option<u64>,
    ) -> Result<(), JobsError> {
        let (scope, id, first, count) = (job.scope.clone(), job.id, job.run.next(), outcomes.len() as u64);
        let failed = outcomes.iter().filter(|outcome| outcome.is_err()).count() as u64;
        let results = results_of(job.definition.report.as_ref(), tasks, &outcomes);
        let now_ms = self.now_ms();
        let segment = job.run.segment;
        let counted = move |tx: &mut Tx<'_>| {
            let before = job_in(tx, &scope, &id)?;
            let mut job = before.clone();
            job.run.failed += failed;
            job.run.succeeded += count - failed;
            job.run.active_ms = job.run.active_ms.saturating_add(active_ms);
            for number in first..first + count {
                tx.delete(DONE, &task_key(&id, number))?;
            }
            if let Some(results) = &results {
                tx.put(RESULTS, &task_key(&id, first), results)?;
            }
            if let Some(next) = next_segment {
                tx.delete(SEGMENTS, &task_key(&id, segment))?;
                job.run.segment = next;
            }
            let tried = job.run.next();
            let is_over = job.run.failed * 100 > tried * THRESHOLD_FAILED_PERCENT;
            if tried >= THRESHOLD_TASKS_MIN && is_over && job.run.status == JobStatus::Active {
                let reason = format!("{} of {tried} tasks failed, more than half of them", job.run.failed);
                job.run.failures.push(JobFailure::new("FailureThresholdExceeded", reason));
                job.become_status(tx, JobStatus::Failing, now_ms)?;
            }
            job.put(tx, Some(&before))?;
            Ok::<_, JobsError>(())
        };
        Ok(self.store.write(counted).await?)
    }
}
