//! What a job is to work on, in segments that follow on each other by the number of their first task. Bounded memory whatever the list.

use tarn_metadata::{Key, Read, StoreExt, Tx};

use crate::errors::JobsError;
use crate::job::{Job, JobFailure, JobId};
use crate::jobs::{Jobs, job_in};
use crate::keyspaces::{DONE, RESULTS, SEGMENTS, Segment, Task, task_key, tasks_of};
use crate::status::JobStatus;

/// A segment's texts, bytes: what a step reads.
const SEGMENT_SIZE_BYTES_MAX: usize = 64 << 10;
/// Segments written in one transaction.
const SEGMENTS_IN_TRANSACTION_MAX: usize = 16;
/// Rows removed in one transaction.
const ROWS_IN_TRANSACTION_MAX: usize = 64;

/// Keeps a job's tasks while they are listed.
pub(crate) struct SegmentWriter<'a> {
    jobs: &'a Jobs,
    job: Job,
    full: Vec<(u64, Segment)>,
    open: Segment,
    open_size_bytes: usize,
    /// The number of the open segment's first task.
    start: u64,
}

impl<'a> SegmentWriter<'a> {
    pub(crate) fn new(jobs: &'a Jobs, job: Job) -> Self {
        Self { jobs, job, full: Vec::new(), open: Segment::default(), open_size_bytes: 0, start: 0 }
    }

    pub(crate) fn count(&self) -> u64 {
        self.start + self.open.tasks.len() as u64
    }

    pub(crate) async fn push(&mut self, task: Task) -> Result<(), JobsError> {
        let tasks_count_max = self.jobs.options.tasks_count_max;
        if self.count() >= tasks_count_max {
            let reason = format!("the manifest names more than {tasks_count_max} objects: make several jobs");
            return Err(JobsError::Failure(JobFailure::new("ManifestTooLarge", reason)));
        }
        self.open_size_bytes += task.bucket.len() + task.key.len() + task.version.as_ref().map_or(0, String::len) + 8;
        self.open.tasks.push(task);
        if self.open_size_bytes >= SEGMENT_SIZE_BYTES_MAX {
            self.close();
            if self.full.len() >= SEGMENTS_IN_TRANSACTION_MAX {
                self.write().await?;
            }
        }
        Ok(())
    }

    fn close(&mut self) {
        if self.open.tasks.is_empty() {
            return;
        }
        let next = self.count();
        self.full.push((self.start, std::mem::take(&mut self.open)));
        (self.start, self.open_size_bytes) = (next, 0);
    }

    async fn write(&mut self) -> Result<(), JobsError> {
        let (segments, job) = (std::mem::take(&mut self.full), self.job.clone());
        let write = move |tx: &mut Tx<'_>| {
            // Cancelled, or forgotten: what is listed now would stay behind.
            let now = job_in(tx, &job.scope, &job.id).map_err(|_| JobsError::Overtaken)?;
            if now.run.status != JobStatus::Preparing {
                return Err(JobsError::Overtaken);
            }
            for (start, segment) in &segments {
                tx.put(SEGMENTS, &task_key(&job.id, *start), segment)?;
            }
            Ok::<_, JobsError>(())
        };
        Ok(self.jobs.store.write(write).await?)
    }

    /// Keeps the last; how many tasks there are.
    pub(crate) async fn finish(mut self) -> Result<u64, JobsError> {
        self.close();
        self.write().await?;
        Ok(self.start)
    }
}

/// The next segment's first task, if there is this one.
fn after(read: &impl Read, id: &JobId, start: u64) -> Result<Option<u64>, JobsError> {
    Ok(read.get(SEGMENTS, &task_key(id, start))?.map(|segment| start + segment.tasks.len() as u64))
}

impl Jobs {
    /// The segment that begins at task `start`.
    pub(crate) fn segment(&self, id: &JobId, start: u64) -> Result<Option<Segment>, JobsError> {
        Ok(self.store.read()?.get(SEGMENTS, &task_key(id, start))?)
    }

    /// Forgets a job's segments from task `start` on, the marks of its tasks and its report's lines, some at a time.
    pub(crate) async fn forget_tasks(&self, id: &JobId, mut start: u64) -> Result<(), JobsError> {
        let id = *id;
        loop {
            let forget = move |tx: &mut Tx<'_>| {
                let mut at = start;
                for _ in 0..ROWS_IN_TRANSACTION_MAX {
                    let Some(next) = after(tx, &id, at)? else { return Ok(None) };
                    tx.delete(SEGMENTS, &task_key(&id, at))?;
                    at = next;
                }
                Ok::<_, JobsError>(Some(at))
            };
            match self.store.write(forget).await? {
                Some(next) => start = next,
                None => break,
            }
        }
        // No more than a step has: they are removed when the step is counted.
        let unmark = move |tx: &mut Tx<'_>| {
            let marks: Vec<Key> =
                tx.prefix(DONE, &tasks_of(&id)).map(|row| Ok(row?.0)).collect::<Result<_, JobsError>>()?;
            marks.iter().try_for_each(|mark| Ok::<_, JobsError>(tx.delete(DONE, mark)?))
        };
        self.store.write(unmark).await?;
        let mut start = 0;
        loop {
            let forget = move |tx: &mut Tx<'_>| {
                let mut at = start;
                for _ in 0..ROWS_IN_TRANSACTION_MAX {
                    let key = task_key(&id, at);
                    let Some(results) = tx.get(RESULTS, &key)? else { return Ok(None) };
                    tx.delete(RESULTS, &key)?;
                    at += results.succeeded_count + results.failed_count;
                }
                Ok::<_, JobsError>(Some(at))
            };
            match self.store.write(forget).await? {
                Some(next) => start = next,
                None => return Ok(()),
            }
        }
    }
}
