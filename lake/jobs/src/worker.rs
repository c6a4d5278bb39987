//! The controller: finds what there is to do, takes it, does one step of it. Several workers share the claims, so that no job is worked
//! on twice and no account has more than its share. Knows statuses only by their lanes.
//!
//! A claim is the run's lease. It lies in memory, because the data directory is open in one process: that process's end is its end.

use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tarn_metadata::{Key, Read, StoreExt, Tx};
use tarn_runtime::{Worker, WorkerOutcome};
use tarn_types::Scope;

use crate::errors::JobsError;
use crate::job::{Job, JobId, of_lane, read_queue_key};
use crate::jobs::{Jobs, job_in};
use crate::keyspaces::{EXPIRIES, JOBS, QUEUE, TIMES, TOKENS, job_key, time_key, token_key};
use crate::status::Lane;

/// How long nothing is looked at while nothing is due: a clock may be set.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Jobs forgotten in one transaction.
const EXPIRED_COUNT_MAX: usize = 100;

/// What is being worked on.
#[derive(Debug)]
pub(crate) struct Claims {
    pub(crate) jobs: HashSet<JobId>,
    pub(crate) lanes: HashSet<(Lane, Scope)>,
    /// Whose turn it was last in each lane: the next is another's.
    pub(crate) last: BTreeMap<Lane, Key>,
}

/// A step to be done, given back when dropped.
struct Claim {
    jobs: Jobs,
    lane: Lane,
    job: Job,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut claims = self.jobs.claims.lock();
        claims.jobs.remove(&self.job.id);
        claims.lanes.remove(&(self.lane, self.job.scope.clone()));
        drop(claims);
        self.jobs.tell();
    }
}

impl Jobs {
    /// The controller's workers.
    pub fn workers(&self) -> Vec<Arc<dyn Worker>> {
        let worker = |_| Arc::new(JobsWorker { jobs: self.clone(), seen: AtomicU64::new(0) }) as Arc<dyn Worker>;
        (0..self.options.steps_at_once.max(1)).map(worker).collect()
    }

    /// One step of one job; whether there was any to do.
    pub async fn step(&self) -> Result<bool, JobsError> {
        let Some(claim) = self.claim()? else { return Ok(self.forget_expired().await? > 0) };
        let job = claim.job.clone();
        let done = match claim.lane {
            Lane::Prepare => self.prepare(job).await,
            Lane::Run => self.run_step(job).await,
            Lane::Finish => self.finish(job).await,
            Lane::Wait => Ok(()),
        };
        match done {
            // Somebody changed it: what there is to do now is another step's.
            Ok(()) | Err(JobsError::Overtaken) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// The next job that nobody works on, of an account that has no other in the same lane. What ends goes before what begins, and that
    /// before what goes on; accounts have turns.
    fn claim(&self) -> Result<Option<Claim>, JobsError> {
        let snapshot = self.store.read()?;
        let mut claims = self.claims.lock();
        for lane in [Lane::Finish, Lane::Prepare, Lane::Run] {
            let first = Key::new().u32(lane.number());
            let end = first.after_prefix();
            let end = end.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
            let last = claims.last.get(&lane).cloned();
            let starts = last.into_iter().chain([first]).collect::<Vec<_>>();
            for mut from in starts {
                while let Some(row) = snapshot.range(QUEUE, Bound::Included(&from), end).next() {
                    let Some((scope, id)) = read_queue_key(&row?.0) else { break };
                    let Some(after) = of_lane(lane, &scope).after_prefix() else { break };
                    if !claims.jobs.contains(&id) && !claims.lanes.contains(&(lane, scope.clone())) {
                        let job = job_in(&snapshot, &scope, &id)?;
                        claims.jobs.insert(id);
                        claims.lanes.insert((lane, scope));
                        claims.last.insert(lane, after);
                        return Ok(Some(Claim { jobs: self.clone(), lane, job }));
                    }
                    from = after;
                }
            }
        }
        Ok(None)
    }

    /// Forgets jobs that ended long ago.
    async fn forget_expired(&self) -> Result<usize, JobsError> {
        let end = Key::new().u64(u64::try_from(self.now_ms()).unwrap_or(0));
        let snapshot = self.store.read()?;
        let rows = snapshot.range(EXPIRIES, Bound::Unbounded, Bound::Excluded(&end)).take(EXPIRED_COUNT_MAX);
        let expired: Vec<_> = rows.collect::<Result<_, _>>()?;
        let count = expired.len();
        if count == 0 {
            return Ok(0);
        }
        let forget = move |tx: &mut Tx<'_>| {
            for (key, expiry) in expired {
                if let Some(job) = tx.get(JOBS, &job_key(&expiry.scope, &expiry.job))? {
                    tx.delete(TIMES, &time_key(&expiry.scope, job.created_ms, &job.id))?;
                    tx.delete(JOBS, &job_key(&expiry.scope, &expiry.job))?;
                }
                tx.delete(TOKENS, &token_key(&expiry.scope, &expiry.token))?;
                tx.delete(EXPIRIES, &key)?;
            }
            Ok::<_, JobsError>(())
        };
        self.store.write(forget).await?;
        Ok(count)
    }

    fn until_expiry(&self) -> Duration {
        let first = self.store.read().ok().and_then(|snapshot| {
            let (key, _) = snapshot.range(EXPIRIES, Bound::Unbounded, Bound::Unbounded).next()?.ok()?;
            Key::reader(key.as_bytes()).u64()
        });
        let now_ms = u64::try_from(self.now_ms()).unwrap_or(0);
        first.map_or(WAIT_MAX, |at_ms| Duration::from_millis(at_ms.saturating_sub(now_ms)).min(WAIT_MAX))
    }
}

/// Works on jobs, a step at a time.
pub struct JobsWorker {
    jobs: Jobs,
    /// The news that were there before it last looked.
    seen: AtomicU64,
}

impl Worker for JobsWorker {
    fn name(&self) -> String {
        "jobs".to_owned()
    }

    fn work(&self) -> BoxFuture<'_, WorkerOutcome> {
        async move {
            self.seen.store(*self.jobs.news.borrow(), Ordering::Relaxed);
            match self.jobs.step().await {
                Ok(true) => WorkerOutcome::Busy,
                Ok(false) => WorkerOutcome::Idle,
                Err(error) => WorkerOutcome::Failed { reason: error.to_string() },
            }
        }
        .boxed()
    }

    fn wait(&self) -> BoxFuture<'_, ()> {
        async move {
            let seen = self.seen.load(Ordering::Relaxed);
            let mut news = self.jobs.news.subscribe();
            tokio::select! {
                _ = news.wait_for(|count| *count != seen) => {}
                () = tokio::time::sleep(self.jobs.until_expiry()) => {}
            }
        }
        .boxed()
    }
}
