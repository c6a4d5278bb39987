//! The calls about jobs: made, described, listed, changed, tagged. Knows nothing of how jobs are worked on.

use std::collections::HashSet;
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tarn_audit::Caller;
use tarn_metadata::{Read, Store, StoreExt, Tx};
use tarn_objects::{BucketName, ObjectKey, Objects, Tags};
use tarn_policy::{Authorized, Authorizer, RoleSessions, ServiceRoles};
use tarn_runtime::{EntropyExt, Runtime};
use tarn_types::{Arn, Scope};
use tokio::sync::watch;

use crate::acting::SERVICE;
use crate::errors::JobsError;
use crate::job::{
    Job, JobDefinition, JobId, JobRun, ManifestField, ManifestFormat, ManifestLocation, TaskSource, of_lane,
};
use crate::keyspaces::{JOBS, QUEUE, Queued, TIMES, TOKENS, Token, job_key, of_scope, time_key, token_key};
use crate::status::{JobStatus, Lane, RequestedStatus};
use crate::worker::Claims;

/// The most tags of a job.
pub const JOB_TAGS_COUNT_MAX: usize = 50;
/// The most jobs of one page.
pub const LIST_JOBS_COUNT_MAX: usize = 1_000;
/// The most jobs of an account in a region that have not ended.
pub const UNFINISHED_JOBS_COUNT_MAX: usize = 1_000;
/// Jobs looked at for one page, whatever their status.
const SCANNED_JOBS_COUNT_MAX: usize = 10_000;
/// Bytes of a place to go on listing from: a time and an id.
const PLACE_SIZE_BYTES: usize = 24;

/// What may be set differently.
#[derive(Debug, Clone)]
pub struct JobsOptions {
    /// Steps that are done at the same time: of one job each, and of one account one in each lane.
    pub steps_at_once: usize,
    /// The most tasks of a job.
    pub tasks_count_max: u64,
}

impl Default for JobsOptions {
    fn default() -> Self {
        Self { steps_at_once: 4, tasks_count_max: 20_000_000 }
    }
}

/// All jobs of the lake. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Jobs {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) objects: Objects,
    pub(crate) roles: ServiceRoles,
    pub(crate) runtime: Runtime,
    pub(crate) options: Arc<JobsOptions>,
    /// What is being worked on.
    pub(crate) claims: Arc<Mutex<Claims>>,
    /// Counts what may be news to a worker that has nothing to do.
    pub(crate) news: Arc<watch::Sender<u64>>,
}

/// A job to be made.
#[derive(Debug, Clone)]
pub struct CreateJob {
    /// What it is to do.
    pub definition: JobDefinition,
    /// Its tags.
    pub tags: Vec<(String, String)>,
    /// Stands for this request: given again, it makes no other job.
    pub token: String,
}

/// Which jobs to list.
#[derive(Debug, Clone, Default)]
pub struct ListJobs {
    /// Only those that stand so; all, if empty.
    pub statuses: Vec<JobStatus>,
    /// Where to go on.
    pub after: Option<String>,
    /// The most to list; cut at `LIST_JOBS_COUNT_MAX`.
    pub count_max: usize,
}

/// A page of jobs.
#[derive(Debug, Clone)]
pub struct JobPage {
    /// The newest first.
    pub jobs: Vec<Job>,
    /// Where there may be more.
    pub next: Option<String>,
}

fn tags_of(pairs: Vec<(String, String)>) -> Result<Tags, JobsError> {
    if pairs.len() > JOB_TAGS_COUNT_MAX {
        return Err(JobsError::TooManyTags { tags_count_max: JOB_TAGS_COUNT_MAX });
    }
    Tags::of_bucket(pairs).map_err(|error| JobsError::Invalid { reason: error.to_string() })
}

pub(crate) fn not_found(job: &JobId) -> JobsError {
    JobsError::JobNotFound { job: job.to_string() }
}

pub(crate) fn job_in(read: &impl Read, scope: &Scope, id: &JobId) -> Result<Job, JobsError> {
    read.get(JOBS, &job_key(scope, id))?.ok_or_else(|| not_found(id))
}

impl JobDefinition {
    /// Refuses what could never be done. What may still come to be (a bucket, a permission) is found when the job runs.
    fn check(&self) -> Result<(), JobsError> {
        let invalid = |reason: String| Err(JobsError::Invalid { reason });
        let bucket = |name: &str| {
            BucketName::new(name).map(|_| ()).map_err(|error| JobsError::Invalid { reason: error.to_string() })
        };
        if self.role_arn.service != "iam" || !self.role_arn.resource.starts_with("role/") {
            return invalid(format!("RoleArn: `{}` is no role", self.role_arn));
        }
        match &self.source {
            TaskSource::Manifest(manifest) => {
                let ManifestLocation { bucket: name, key, .. } = &manifest.location;
                bucket(name)?;
                ObjectKey::new(key.as_str()).map_err(|error| JobsError::Invalid { reason: error.to_string() })?;
                if let ManifestFormat::Csv(fields) = &manifest.format {
                    let count = |field| fields.iter().filter(|other| **other == field).count();
                    if count(ManifestField::Bucket) != 1
                        || count(ManifestField::Key) != 1
                        || count(ManifestField::VersionId) > 1
                    {
                        return invalid(
                            "Fields must name Bucket and Key once, and VersionId at most once; other columns are Ignore"
                                .to_owned(),
                        );
                    }
                }
            }
            TaskSource::Generator(generator) => {
                bucket(&generator.bucket)?;
                if let Some(output) = &generator.output {
                    bucket(&output.bucket)?;
                }
            }
        }
        if let Some(report) = &self.report {
            bucket(&report.bucket)?;
        }
        Ok(())
    }
}

impl Jobs {
    /// Over what is in `store`. Jobs act as `roles`; `authorizer` is asked for every object that a job touches.
    pub fn new(
        store: Arc<dyn Store>,
        objects: Objects,
        roles: Arc<dyn RoleSessions>,
        authorizer: Arc<dyn Authorizer>,
        runtime: Runtime,
        options: JobsOptions,
    ) -> Self {
        let claims =
            Arc::new(Mutex::new(Claims { jobs: HashSet::new(), lanes: HashSet::new(), last: Default::default() }));
        let news = Arc::new(watch::Sender::new(0));
        let roles = ServiceRoles::new(SERVICE, authorizer, roles);
        Self { store, objects, roles, runtime, options: Arc::new(options), claims, news }
    }

    /// Refuses a role that is not there or does not trust the service: a job would never get anywhere.
    fn check_role(&self, scope: &Scope, role: &Arn) -> Result<(), JobsError> {
        // The job has no id yet: a trust policy that asks for it is asked for any.
        let any = Job::arn_of(scope, "*").to_string();
        self.roles.check_trust(role, &scope.account, &any).map_err(|_| JobsError::Invalid {
            reason: format!("RoleArn: the role `{role}` does not exist, or does not trust {SERVICE}"),
        })
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.runtime.now().as_millisecond()
    }

    /// Makes a job; its work begins at once. A token that was given before answers with what it made then.
    pub async fn create_job(&self, caller: &Caller, request: CreateJob) -> Result<JobId, JobsError> {
        let CreateJob { definition, tags, token } = request;
        definition.check()?;
        self.check_role(caller.scope(), &definition.role_arn)?;
        let tags = tags_of(tags)?;
        let asked = serde_json::to_vec(&(&definition, &tags))
            .map_err(|error| JobsError::Internal { doing: "writing a job down", reason: error.to_string() })?;
        let request_sha256: [u8; 32] = Sha256::digest(asked).into();
        let scope = caller.scope().clone();
        // Asked again, nothing is changed: there is nothing to be recorded in a transaction.
        if let Some(made) = same_request(&self.store.read()?, &scope, &token, request_sha256)? {
            return Ok(made);
        }
        let id = JobId(self.runtime.entropy.uuid().into_bytes());
        let job = Job {
            id,
            scope,
            creator: caller.principal().clone(),
            created_ms: caller.time_ms(),
            token: token.clone(),
            tags,
            definition,
            run: JobRun {
                status: JobStatus::New,
                attempt: 0,
                status_reason: None,
                suspended_ms: None,
                terminated_ms: None,
                active_ms: 0,
                total: 0,
                succeeded: 0,
                failed: 0,
                segment: 0,
                failures: Vec::new(),
                is_reported: false,
                generated: None,
            },
        };
        let made = caller
            .commit(&*self.store, move |tx| {
                if let Some(made) = same_request(tx, &job.scope, &token, request_sha256)? {
                    return Ok(made);
                }
                let lanes = [Lane::Prepare, Lane::Run, Lane::Finish, Lane::Wait];
                let unfinished = lanes.iter().flat_map(|lane| tx.prefix(QUEUE, &of_lane(*lane, &job.scope)));
                if unfinished.take(UNFINISHED_JOBS_COUNT_MAX).count() == UNFINISHED_JOBS_COUNT_MAX {
                    return Err(JobsError::TooManyJobs { jobs_count_max: UNFINISHED_JOBS_COUNT_MAX });
                }
                tx.put(TOKENS, &token_key(&job.scope, &token), &Token { job: id, request_sha256 })?;
                tx.put(TIMES, &time_key(&job.scope, job.created_ms, &id), &Queued {})?;
                job.put(tx, None)?;
                Ok(id)
            })
            .await?;
        self.tell();
        Ok(made)
    }

    /// There may be something to do.
    pub(crate) fn tell(&self) {
        self.news.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// The job of that id.
    pub fn job(&self, _proof: &Authorized, scope: &Scope, id: &JobId) -> Result<Job, JobsError> {
        job_in(&self.store.read()?, scope, id)
    }

    /// What policies may ask about a job before anybody is told of it; nothing if there is none.
    pub fn condition_job(&self, scope: &Scope, id: &JobId) -> Result<Option<Job>, JobsError> {
        Ok(self.store.read()?.get(JOBS, &job_key(scope, id))?)
    }

    /// A page of an account's jobs.
    pub fn list_jobs(&self, _proof: &Authorized, scope: &Scope, request: &ListJobs) -> Result<JobPage, JobsError> {
        let snapshot = self.store.read()?;
        let within = of_scope(scope);
        let from = match &request.after {
            None => within.clone(),
            Some(token) => {
                let place = hex::decode(token).map_err(|_| JobsError::InvalidToken)?;
                if place.len() != PLACE_SIZE_BYTES {
                    return Err(JobsError::InvalidToken);
                }
                within.clone().raw(&place)
            }
        };
        let count_max = request.count_max.clamp(1, LIST_JOBS_COUNT_MAX);
        let end = within.after_prefix();
        let rows = snapshot.range(
            TIMES,
            // The place of the last page's last job is not listed again; the beginning is no job's.
            Bound::Excluded(&from),
            end.as_ref().map_or(Bound::Unbounded, Bound::Excluded),
        );
        let mut page = JobPage { jobs: Vec::new(), next: None };
        let mut last: Option<String> = None;
        for (scanned, row) in rows.enumerate() {
            if page.jobs.len() == count_max || scanned == SCANNED_JOBS_COUNT_MAX {
                page.next = last;
                break;
            }
            let (key, _) = row?;
            let place = key.as_bytes().get(within.as_bytes().len()..).unwrap_or_default();
            last = Some(hex::encode(place));
            let Some(Ok(id)) = place.get(8..).map(<[u8; 16]>::try_from) else { continue };
            let Some(job) = snapshot.get(JOBS, &job_key(scope, &JobId(id)))? else { continue };
            if request.statuses.is_empty() || request.statuses.contains(&job.run.status) {
                page.jobs.push(job);
            }
        }
        Ok(page)
    }

    async fn change<T: Send + 'static>(
        &self,
        caller: &Caller,
        id: &JobId,
        change: impl FnOnce(&mut Tx<'_>, &mut Job) -> Result<T, JobsError> + Send + 'static,
    ) -> Result<T, JobsError> {
        let (scope, id) = (caller.scope().clone(), *id);
        let changed = caller
            .commit(&*self.store, move |tx| {
                let before = job_in(tx, &scope, &id)?;
                let mut job = before.clone();
                let answer = change(tx, &mut job)?;
                job.put(tx, Some(&before))?;
                Ok::<_, JobsError>(answer)
            })
            .await?;
        self.tell();
        Ok(changed)
    }

    /// Changes when a job has its turn.
    pub async fn update_job_priority(&self, caller: &Caller, id: &JobId, priority: u32) -> Result<(), JobsError> {
        self.change(caller, id, move |_, job| {
            if job.run.status.is_final() {
                return Err(JobsError::Status { status: job.run.status, requested: "of another priority" });
            }
            job.definition.priority = priority;
            Ok(())
        })
        .await
    }

    /// Confirms or cancels a job; answers how it stands now.
    pub async fn update_job_status(
        &self,
        caller: &Caller,
        id: &JobId,
        request: RequestedStatus,
        reason: Option<String>,
    ) -> Result<JobStatus, JobsError> {
        let now_ms = self.now_ms();
        self.change(caller, id, move |tx, job| {
            let status = job.run.status;
            let requested = match request {
                RequestedStatus::Ready => "Ready",
                RequestedStatus::Cancelled => "Cancelled",
            };
            let next = status.requested(request).ok_or(JobsError::Status { status, requested })?;
            job.become_status(tx, next, now_ms)?;
            job.run.status_reason = reason;
            Ok(next)
        })
        .await
    }

    /// Replaces a job's tags; none removes them.
    pub async fn put_job_tags(
        &self,
        caller: &Caller,
        id: &JobId,
        tags: Vec<(String, String)>,
    ) -> Result<(), JobsError> {
        let tags = tags_of(tags)?;
        self.change(caller, id, move |_, job| {
            job.tags = tags;
            Ok(())
        })
        .await
    }
}

/// What the token made, if it was given before; refuses if for something else.
fn same_request(
    read: &impl Read,
    scope: &Scope,
    token: &str,
    request_sha256: [u8; 32],
) -> Result<Option<JobId>, JobsError> {
    match read.get(TOKENS, &token_key(scope, token))? {
        None => Ok(None),
        Some(made) if made.request_sha256 == request_sha256 => Ok(Some(made.job)),
        Some(_) => Err(JobsError::TokenReused { token: token.to_owned() }),
    }
}
