//! What jobs keep in the metadata store.

use serde::{Deserialize, Serialize};
use tarn_metadata::{Key, Keyspace, Record};
use tarn_types::Scope;

use crate::job::{Job, JobId};

/// Jobs, by account, region and id.
pub const JOBS: Keyspace<Job> = Keyspace::new(0x0900, "jobs.jobs");
/// Jobs that have not ended, by what there is to do for them: lane, account, region, priority (highest first), time, id.
pub const QUEUE: Keyspace<Queued> = Keyspace::new(0x0901, "jobs.queue");
/// What requests with a token made, by account, region and token.
pub const TOKENS: Keyspace<Token> = Keyspace::new(0x0902, "jobs.tokens");
/// What a job is to work on, by job and the number of the first task.
pub const SEGMENTS: Keyspace<Segment> = Keyspace::new(0x0903, "jobs.segments");
/// Tasks whose effect is committed and not counted yet, by job and number.
pub const DONE: Keyspace<Done> = Keyspace::new(0x0904, "jobs.done");
/// Lines of the report, by job and the number of the first task.
pub const RESULTS: Keyspace<Results> = Keyspace::new(0x0905, "jobs.results");
/// Jobs by account, region and time, newest first, and id.
pub const TIMES: Keyspace<Queued> = Keyspace::new(0x0906, "jobs.times");
/// Jobs that have ended, by when they are forgotten.
pub const EXPIRIES: Keyspace<Expiry> = Keyspace::new(0x0907, "jobs.expiries");

/// A row that says everything by its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {}

impl Record for Queued {
    const VERSION: u16 = 1;
}

/// What a request with a token made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// The job.
    pub job: JobId,
    /// SHA-256 of what was asked for: the token stands for this and nothing else.
    pub request_sha256: [u8; 32],
}

impl Record for Token {
    const VERSION: u16 = 1;
}

/// One object that a job is to work on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its bucket, as the manifest has it.
    pub bucket: String,
    /// Its key, decoded.
    pub key: String,
    /// Its version, if the manifest names versions. Empty where it should name one and does not.
    pub version: Option<String>,
}

/// Some of what a job is to work on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Segment {
    /// In the manifest's order.
    pub tasks: Vec<Task>,
}

impl Record for Segment {
    const VERSION: u16 = 1;
}

/// A task's effect is committed: written in the transaction of the effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {}

impl Record for Done {
    const VERSION: u16 = 1;
}

/// Lines of the report.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Results {
    /// How many tasks succeeded.
    pub succeeded_count: u64,
    /// Their lines.
    pub succeeded: String,
    /// How many tasks failed.
    pub failed_count: u64,
    /// Their lines.
    pub failed: String,
}

impl Record for Results {
    const VERSION: u16 = 1;
}

/// Which job is to be forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expiry {
    /// Where it is.
    pub scope: Scope,
    /// Which.
    pub job: JobId,
    /// The token it was made with.
    pub token: String,
}

impl Record for Expiry {
    const VERSION: u16 = 1;
}

/// What the keys of all that belongs to an account and a region begin with.
pub(crate) fn of_scope(scope: &Scope) -> Key {
    Key::new().text(scope.account.as_str()).text(scope.region.as_str())
}

pub(crate) fn job_key(scope: &Scope, id: &JobId) -> Key {
    of_scope(scope).raw(&id.0)
}

pub(crate) fn token_key(scope: &Scope, token: &str) -> Key {
    of_scope(scope).text(token)
}

pub(crate) fn time_key(scope: &Scope, created_ms: i64, id: &JobId) -> Key {
    of_scope(scope).u64_descending(u64::try_from(created_ms).unwrap_or(0)).raw(&id.0)
}

pub(crate) fn expiry_key(at_ms: i64, id: &JobId) -> Key {
    Key::new().u64(u64::try_from(at_ms).unwrap_or(0)).raw(&id.0)
}

/// What a job's tasks are kept under, in any keyspace of theirs.
pub(crate) fn tasks_of(id: &JobId) -> Key {
    Key::new().raw(&id.0)
}

pub(crate) fn task_key(id: &JobId, number: u64) -> Key {
    tasks_of(id).u64(number)
}

/// A task's number, read back.
pub(crate) fn task_number(key: &Key) -> Option<u64> {
    let (_, number) = key.as_bytes().split_first_chunk::<16>()?;
    Some(u64::from_be_bytes(number.try_into().ok()?))
}
