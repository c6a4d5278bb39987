//! The first stored form of jobs: until lists could be filtered by replication. Nothing writes it any more.

use serde::Deserialize;
use tarn_metadata::{Record, RecordError, decode_form};
use tarn_objects::{StorageClass, Tags};
use tarn_policy::Principal;
use tarn_types::{AccountId, Arn, Scope};

use crate::job::{self, EncryptionFilter, JobId, JobReport, JobRun, Manifest, ManifestOutput};
use crate::operation::JobOperation;

/// Reads version 1 and makes today's record of it.
pub(crate) fn migrate(version: u16, bytes: &[u8]) -> Result<job::Job, RecordError> {
    if version != 1 {
        return Err(RecordError::Version { found: version, known: job::Job::VERSION });
    }
    decode_form::<Job>(bytes).map(Into::into)
}

#[derive(Deserialize)]
struct Job {
    id: JobId,
    scope: Scope,
    creator: Principal,
    created_ms: i64,
    token: String,
    tags: Tags,
    definition: JobDefinition,
    run: JobRun,
}

#[derive(Deserialize)]
struct JobDefinition {
    description: Option<String>,
    operation: JobOperation,
    source: TaskSource,
    report: Option<JobReport>,
    priority: u32,
    role_arn: Arn,
    confirmation_required: Option<bool>,
}

#[derive(Deserialize)]
enum TaskSource {
    Manifest(Manifest),
    Generator(ManifestGenerator),
}

#[derive(Deserialize)]
struct ManifestGenerator {
    bucket: String,
    expected_owner: Option<AccountId>,
    filter: GeneratorFilter,
    output: Option<ManifestOutput>,
}

#[derive(Deserialize)]
struct GeneratorFilter {
    created_after_ms: Option<i64>,
    created_before_ms: Option<i64>,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
    substrings: Vec<String>,
    larger_than_bytes: Option<u64>,
    smaller_than_bytes: Option<u64>,
    classes: Vec<StorageClass>,
    encryption: Option<EncryptionFilter>,
}

impl From<Job> for job::Job {
    fn from(old: Job) -> Self {
        let Job { id, scope, creator, created_ms, token, tags, definition, run } = old;
        Self { id, scope, creator, created_ms, token, tags, definition: definition.into(), run }
    }
}

impl From<JobDefinition> for job::JobDefinition {
    fn from(old: JobDefinition) -> Self {
        let JobDefinition { description, operation, source, report, priority, role_arn, confirmation_required } = old;
        let source = match source {
            TaskSource::Manifest(manifest) => job::TaskSource::Manifest(manifest),
            TaskSource::Generator(generator) => job::TaskSource::Generator(generator.into()),
        };
        Self { description, operation, source, report, priority, role_arn, confirmation_required }
    }
}

impl From<ManifestGenerator> for job::ManifestGenerator {
    fn from(old: ManifestGenerator) -> Self {
        let ManifestGenerator { bucket, expected_owner, filter, output } = old;
        Self { bucket, expected_owner, filter: filter.into(), output }
    }
}

impl From<GeneratorFilter> for job::GeneratorFilter {
    fn from(old: GeneratorFilter) -> Self {
        Self {
            created_after_ms: old.created_after_ms,
            created_before_ms: old.created_before_ms,
            prefixes: old.prefixes,
            suffixes: old.suffixes,
            substrings: old.substrings,
            larger_than_bytes: old.larger_than_bytes,
            smaller_than_bytes: old.smaller_than_bytes,
            classes: old.classes,
            encryption: old.encryption,
            eligible_for_replication: None,
            replication_statuses: Vec::new(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tarn_metadata::{decode_record, encode_record};

    use super::*;
    use crate::tests::Lake;

    /// As the first release wrote it, in hexadecimal.
    const STORED: &str = include_str!("../tests/fixtures/v1/job.hex");

    #[tokio::test]
    async fn first_jobs_are_read() {
        let lake = Lake::new().await;
        let filter = job::GeneratorFilter {
            prefixes: vec!["in/".to_owned()],
            encryption: Some(EncryptionFilter::Customer),
            ..job::GeneratorFilter::default()
        };
        let generator =
            job::ManifestGenerator { bucket: "lake-raw".to_owned(), expected_owner: None, filter, output: None };
        let definition = lake.definition(JobOperation::DeleteObjectTagging, job::TaskSource::Generator(generator));
        let today = lake.job(&lake.create(definition).await);
        let stored = hex::decode(STORED.replace(char::is_whitespace, "")).unwrap();
        assert_eq!(stored.get(..2), Some(&[0, 1][..]));
        assert_eq!(decode_record::<job::Job>(&stored).unwrap(), today);
        assert_eq!(decode_record::<job::Job>(&encode_record(&today).unwrap()).unwrap(), today);
    }
}
