//! A job as it is kept: what it is (its definition), and how far it has come (its run). Plain data; knows no calls.
//!
//! The parts below the definition are the controller's and the same for every kind of job; what is only S3 Batch Operations' stands in
//! `JobDefinition` and its parts.

use std::fmt;

use serde::{Deserialize, Serialize};
use tarn_metadata::{Key, Record, RecordError, Tx};
use tarn_objects::{ReplicationStatus, StorageClass, Tags};
use tarn_policy::Principal;
use tarn_types::{AccountId, Arn, Region, Scope};

use crate::errors::JobsError;
use crate::job_v1;
use crate::keyspaces::{EXPIRIES, Expiry, JOBS, QUEUE, Queued, expiry_key, job_key};
use crate::operation::JobOperation;
use crate::status::{JobStatus, Lane};

/// How long a job that has ended is kept, milliseconds: 90 days, as on AWS.
pub const RETENTION_MS: i64 = 90 * 24 * 60 * 60 * 1000;

/// Names a job: the bytes of a UUID.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobId(pub [u8; 16]);

impl JobId {
    /// From the text that callers give.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 16] = hex::decode(text.replace('-', "")).ok()?.try_into().ok()?;
        let id = Self(bytes);
        (id.to_string() == text).then_some(id)
    }
}

/// As UUIDs are written.
impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = hex::encode(self.0);
        let part = |from, to| hex.get(from..to).unwrap_or_default();
        write!(f, "{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a job is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobDefinition {
    /// What its user calls it.
    pub description: Option<String>,
    /// What is done to each object.
    pub operation: JobOperation,
    /// To which objects.
    pub source: TaskSource,
    /// Where it tells of what it did, if it is to.
    pub report: Option<JobReport>,
    /// Higher goes first.
    pub priority: u32,
    /// The role that it is to act as.
    pub role_arn: Arn,
    /// Whether it waits for its user's word before it runs; nothing if its user did not say.
    pub confirmation_required: Option<bool>,
}

/// Where a job's tasks come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskSource {
    /// A list that its user put.
    Manifest(Manifest),
    /// A bucket's keys, filtered.
    Generator(ManifestGenerator),
}

/// A list of objects that lies in a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// In which form.
    pub format: ManifestFormat,
    /// Where.
    pub location: ManifestLocation,
}

/// Where a list lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestLocation {
    /// In which bucket.
    pub bucket: String,
    /// At which key.
    pub key: String,
    /// Which version; the latest, if none is named.
    pub version: Option<String>,
    /// The entity tag that it must have.
    pub etag: String,
}

/// How a list is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ManifestFormat {
    /// `S3BatchOperations_CSV_20180820`: these columns.
    Csv(Vec<ManifestField>),
    /// `S3InventoryReport_CSV_20161130`: the manifest of an inventory, which says what its columns are and where its lines are.
    Inventory,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ManifestField {
    /// Nothing of interest.
    Ignore,
    /// The bucket.
    Bucket,
    /// The key.
    Key,
    /// The version.
    VersionId,
}

/// Which of a bucket's objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestGenerator {
    /// The bucket.
    pub bucket: String,
    /// Whose it must be.
    pub expected_owner: Option<AccountId>,
    /// Which keys.
    pub filter: GeneratorFilter,
    /// Where the list is to be put, for its user to keep. `None`: nowhere.
    pub output: Option<ManifestOutput>,
}

/// Which of a bucket's objects are listed: those for which all that is said here holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GeneratorFilter {
    /// Made after this, milliseconds since 1970.
    pub created_after_ms: Option<i64>,
    /// Made before this, milliseconds since 1970.
    pub created_before_ms: Option<i64>,
    /// The key begins with one of these.
    pub prefixes: Vec<String>,
    /// The key ends with one of these.
    pub suffixes: Vec<String>,
    /// One of these is in the key.
    pub substrings: Vec<String>,
    /// Larger than this, bytes.
    pub larger_than_bytes: Option<u64>,
    /// Smaller than this, bytes.
    pub smaller_than_bytes: Option<u64>,
    /// In one of these classes.
    pub classes: Vec<StorageClass>,
    /// Encrypted so.
    pub encryption: Option<EncryptionFilter>,
    /// Whether only what a replication rule of the bucket is for, if that was said.
    pub eligible_for_replication: Option<bool>,
    /// Standing so with replication; `None`: no rule was ever for it.
    pub replication_statuses: Vec<Option<ReplicationStatus>>,
}

/// How listed objects are encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EncryptionFilter {
    /// By the lake's own key.
    Lake,
    /// By a KMS key.
    Kms {
        /// By this one.
        key: Option<String>,
        /// With or without a bucket key.
        bucket_key: Option<bool>,
    },
    /// By a key that the customer keeps.
    Customer,
    /// Not at all, or by two keys: no object of this lake is so.
    None {
        /// As S3 spells the kind.
        name: String,
    },
}

/// Where a generated list is put.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestOutput {
    /// Into which bucket.
    pub bucket: String,
    /// Whose it must be.
    pub expected_owner: Option<AccountId>,
    /// Before the keys.
    pub prefix: Option<String>,
    /// How it is encrypted; as the bucket says, if not said.
    pub encryption: Option<OutputEncryption>,
}

/// How something that a job puts is encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutputEncryption {
    /// By the lake's own key.
    Lake,
    /// By a KMS key.
    Kms {
        /// Which; the one that S3 keeps for the account, if none is named.
        key: Option<String>,
    },
}

/// Where and of what a job tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobReport {
    /// Into which bucket.
    pub bucket: String,
    /// Whose it must be.
    pub expected_owner: Option<AccountId>,
    /// Before the keys.
    pub prefix: Option<String>,
    /// Of failed tasks only.
    pub failed_only: bool,
}

/// Why a job failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFailure {
    /// In one word.
    pub code: String,
    /// In a sentence.
    pub reason: String,
}

/// The longest sentence of a failure, characters. AWS: 256.
const FAILURE_REASON_CHARS_MAX: usize = 256;

impl JobFailure {
    /// With a sentence that is cut if it is too long.
    pub fn new(code: &str, reason: impl fmt::Display) -> Self {
        let reason: String = reason.to_string().chars().take(FAILURE_REASON_CHARS_MAX).collect();
        Self { code: code.to_owned(), reason }
    }
}

/// How far a job has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRun {
    /// Where it stands.
    pub status: JobStatus,
    /// How often its preparation was begun: a server that stops in the midst of it begins anew.
    pub attempt: u32,
    /// What its user said when they changed its status.
    pub status_reason: Option<String>,
    /// When it began to wait for its user's word, milliseconds since 1970.
    pub suspended_ms: Option<i64>,
    /// When it ended, milliseconds since 1970.
    pub terminated_ms: Option<i64>,
    /// How long it ran, milliseconds.
    pub active_ms: i64,
    /// All tasks.
    pub total: u64,
    /// Those done.
    pub succeeded: u64,
    /// Those that could not be done.
    pub failed: u64,
    /// The first task of the segment that is being worked off.
    pub segment: u64,
    /// Why it failed.
    pub failures: Vec<JobFailure>,
    /// Whether its report was written, or could not be.
    pub is_reported: bool,
    /// The list that was put for its user.
    pub generated: Option<ManifestLocation>,
}

impl JobRun {
    /// The first task that is neither done nor failed.
    pub fn next(&self) -> u64 {
        self.succeeded + self.failed
    }
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Names it.
    pub id: JobId,
    /// Its account and region.
    pub scope: Scope,
    /// Who made it.
    pub creator: Principal,
    /// When, milliseconds since 1970.
    pub created_ms: i64,
    /// The token that it was made with.
    pub token: String,
    /// Its tags.
    pub tags: Tags,
    /// What it is to do.
    pub definition: JobDefinition,
    /// How far it has come.
    pub run: JobRun,
}

impl Record for Job {
    const VERSION: u16 = 2;

    fn migrate(version: u16, bytes: &[u8]) -> Result<Self, RecordError> {
        job_v1::migrate(version, bytes)
    }
}

impl Job {
    /// `arn:aws:s3:REGION:ACCOUNT:job/ID`.
    pub fn arn(&self) -> Arn {
        Self::arn_of(&self.scope, &self.id.to_string())
    }

    /// As `arn`, before there is a job.
    pub fn arn_of(scope: &Scope, id: &str) -> Arn {
        Arn::regional("s3", &scope.region, &scope.account, format!("job/{id}"))
    }

    fn queue_key(&self) -> Option<Key> {
        let lane = self.run.status.lane()?;
        let created_ms = u64::try_from(self.created_ms).unwrap_or(0);
        Some(of_lane(lane, &self.scope).u32(!self.definition.priority).u64(created_ms).raw(&self.id.0))
    }

    /// Keeps the job as it is now, in its place of the queue.
    pub(crate) fn put(&self, tx: &mut Tx<'_>, before: Option<&Self>) -> Result<(), JobsError> {
        let (old, new) = (before.and_then(Self::queue_key), self.queue_key());
        if old != new {
            if let Some(old) = old {
                tx.delete(QUEUE, &old)?;
            }
            if let Some(new) = new {
                tx.put(QUEUE, &new, &Queued {})?;
            }
        }
        Ok(tx.put(JOBS, &job_key(&self.scope, &self.id), self)?)
    }

    /// Goes on to `next`. That it may is the caller's to know: anything else is a defect, and refused.
    pub(crate) fn become_status(&mut self, tx: &mut Tx<'_>, next: JobStatus, now_ms: i64) -> Result<(), JobsError> {
        if !self.run.status.may_become(next) {
            return Err(JobsError::Transition { job: self.id, from: self.run.status, to: next });
        }
        self.run.status = next;
        if next == JobStatus::Suspended {
            self.run.suspended_ms = Some(now_ms);
        }
        if next.is_final() {
            self.run.terminated_ms = Some(now_ms);
            let expiry = Expiry { scope: self.scope.clone(), job: self.id, token: self.token.clone() };
            tx.put(EXPIRIES, &expiry_key(now_ms.saturating_add(RETENTION_MS), &self.id), &expiry)?;
        }
        Ok(())
    }
}

/// What the keys of an account's and region's jobs in a lane begin with.
pub(crate) fn of_lane(lane: Lane, scope: &Scope) -> Key {
    Key::new().u32(lane.number()).text(scope.account.as_str()).text(scope.region.as_str())
}

/// Whose job a row of the queue is, and which.
pub(crate) fn read_queue_key(key: &Key) -> Option<(Scope, JobId)> {
    let mut reader = Key::reader(key.as_bytes());
    reader.u32()?;
    let account = AccountId::new(reader.text()?).ok()?;
    let region = Region::new(reader.text()?).ok()?;
    reader.u32()?;
    reader.u64()?;
    let id = reader.rest().try_into().ok()?;
    Some((Scope { account, region }, JobId(id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids() {
        let check = |text: &str, good: bool| {
            assert_eq!(JobId::parse(text).map(|id| id.to_string()), good.then(|| text.to_owned()), "{text}");
        };
        check("f8fb9d89-a3aa-461d-bddc-ea6a1b131955", true);
        check("f8fb9d89a3aa461dbddcea6a1b131955", false);
        check("F8FB9D89-a3aa-461d-bddc-ea6a1b131955", false);
        check("f8fb9d89-a3aa-461d-bddc-ea6a1b13195", false);
        check("", false);
        check("not-a-job", false);
    }
}
