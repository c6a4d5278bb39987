//! All that a request about jobs can be refused with. Knows no wire codes: services map each variant to their own.

use tarn_metadata::{StoreError, WriteError};
use tarn_objects::ObjectsError;
use tarn_policy::Denied;

use crate::job::{JobFailure, JobId};
use crate::status::JobStatus;

/// Why a request about jobs was refused, or a job's work did not get on.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JobsError {
    /// No such job, or not any more.
    #[error("The specified job does not exist: {job}")]
    JobNotFound {
        /// What was asked for.
        job: String,
    },
    /// What was asked for cannot be.
    #[error("{reason}")]
    Invalid {
        /// Why not.
        reason: String,
    },
    /// The token stands for another request.
    #[error("the ClientRequestToken `{token}` was used for another job: choose another token")]
    TokenReused {
        /// The token.
        token: String,
    },
    /// The account has as many unfinished jobs as it may.
    #[error("an account has at most {jobs_count_max} unfinished jobs: wait for some to end, or cancel them")]
    TooManyJobs {
        /// The limit.
        jobs_count_max: usize,
    },
    /// More tags than a job may have.
    #[error("a job has at most {tags_count_max} tags")]
    TooManyTags {
        /// The limit.
        tags_count_max: usize,
    },
    /// A job that stands so cannot be given that status.
    #[error("a job that is {} cannot be made {requested}", status.name())]
    Status {
        /// How it stands.
        status: JobStatus,
        /// What was asked for.
        requested: &'static str,
    },
    /// The place to go on listing from is none.
    #[error("the NextToken is not one that this server gave")]
    InvalidToken,
    /// The worker tried a step that there is not. A defect.
    #[error("the job {job} cannot go from {from:?} to {to:?}")]
    Transition {
        /// Which job.
        job: JobId,
        /// How it stood.
        from: JobStatus,
        /// What was tried.
        to: JobStatus,
    },
    /// The job was cancelled or changed while the worker was at it.
    #[error("the job was changed meanwhile")]
    Overtaken,
    /// A task waits for what it began.
    #[error("a task waits for what it began")]
    Waiting,
    /// The job cannot go on.
    #[error("{}: {}", .0.code, .0.reason)]
    Failure(JobFailure),
    /// Something below failed; it is tried again.
    #[error("{doing}: {reason}")]
    Internal {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        reason: String,
    },
}

impl From<StoreError> for JobsError {
    fn from(error: StoreError) -> Self {
        Self::Internal { doing: "keeping the job's state", reason: error.to_string() }
    }
}

impl From<WriteError<JobsError>> for JobsError {
    fn from(error: WriteError<JobsError>) -> Self {
        match error {
            WriteError::Refused(error) => error,
            WriteError::Store(error) => error.into(),
        }
    }
}

impl JobsError {
    /// A failure of the job by what its objects refused: with `code`, unless the server itself could not.
    pub(crate) fn of_objects(code: &str, error: ObjectsError) -> Self {
        if crate::task_errors::is_servers(&error) {
            return Self::Internal { doing: "the job's objects", reason: error.to_string() };
        }
        Self::Failure(JobFailure::new(code, error))
    }

    /// A failure of the job by what it may not.
    pub(crate) fn of_denied(denied: Denied) -> Self {
        Self::Failure(JobFailure::new("AccessDenied", denied))
    }
}
