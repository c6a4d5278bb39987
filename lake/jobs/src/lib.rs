//! Jobs: S3 Batch Operations. A job is a definition (what to do, to which objects) and a run (how far it has come); the controller lists
//! what a job is to work on, works, and tells of it in a report. Knows objects; knows no wire form.
//!
//! * `Jobs` takes, lists and changes jobs. `Jobs::workers` are the controller: each round is one bounded step of one job.
//! * Of an account one job runs at a time, that of the highest priority; what follows a status is in `status.rs`.
//! * A job acts as its role, by the policies as they are when it acts. Each change of an object is the ordinary call with its record.
//! * What a job is to work on is kept in segments, so that no manifest is held in memory and none that is changed meanwhile matters.
//!
//! **Invariant:** a task whose effect is committed is not done again: its mark is in the effect's own transaction, and stays until the
//! job's count says so.

mod acting;
mod checksum;
mod errors;
mod generate;
mod inventories;
mod job;
mod job_v1;
mod jobs;
pub mod keyspaces;
mod manifest;
mod operation;
mod prepare;
mod replicate;
mod report;
mod run;
mod segments;
mod status;
mod task_errors;
mod tasks;
#[cfg(test)]
mod tests;
mod worker;

pub use errors::JobsError;
pub use job::{
    EncryptionFilter, GeneratorFilter, Job, JobDefinition, JobFailure, JobId, JobReport, JobRun, Manifest,
    ManifestField, ManifestFormat, ManifestGenerator, ManifestLocation, ManifestOutput, OutputEncryption, RETENTION_MS,
    TaskSource,
};
pub use jobs::{
    CreateJob, JOB_TAGS_COUNT_MAX, JobPage, Jobs, JobsOptions, LIST_JOBS_COUNT_MAX, ListJobs, UNFINISHED_JOBS_COUNT_MAX,
};
pub use operation::{AclParameters, CopyAcl, CopyParameters, DigestAlgorithm, JobOperation, MetadataDirective};
pub use status::{JobStatus, RequestedStatus};
pub use worker::JobsWorker;
