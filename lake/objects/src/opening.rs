//! Whether stored objects open by the keys that the lake has: a sample of them, read and authenticated whole. For a restored lake, before
//! anybody relies on it.

use futures::StreamExt;
use tarn_keys::kms::KmsError;
use tarn_metadata::{Key, Read};
use tarn_policy::Authorized;
use tarn_types::AccountId;

use crate::encryption::Encryption;
use crate::errors::ObjectsError;
use crate::get::ObjectVersion;
use crate::keyspaces::VERSIONS;
use crate::objects::Objects;
use crate::records::{VersionRecord, Versioning};

/// Failures that are told one by one.
const FAILURES_TOLD_MAX: usize = 100;

/// What came of opening a sample.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenedSample {
    /// Versions in the lake.
    pub versions_total: u64,
    /// Versions of the sample that opened.
    pub opened: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Versions of the sample under keys that customers keep: nobody else can open them.
    pub of_customers: u64,
    /// Versions of the sample under KMS keys that are disabled, about to be deleted, or gone: they open to nobody, as was wanted.
    pub under_unusable_keys: u64,
    /// Versions of the sample that did not open.
    pub failed: u64,
    /// The first of them: where, and why.
    pub failures: Vec<(String, String)>,
}

impl Objects {
    /// Opens and reads up to `count_max` versions, taken evenly from all. What lies in an archive is read from its containers.
    pub async fn open_sample(&self, count_max: u64) -> Result<OpenedSample, ObjectsError> {
        let snapshot = self.snapshot()?;
        let mut sample = OpenedSample::default();
        for item in snapshot.prefix(VERSIONS, &Key::new()) {
            item?;
            sample.versions_total += 1;
        }
        let step = sample.versions_total.div_ceil(count_max.max(1)).max(1);
        for (number, item) in (0_u64..).zip(snapshot.prefix(VERSIONS, &Key::new())) {
            let (_, record) = item?;
            if number % step != 0 {
                continue;
            }
            let place = format!("{}/{}", record.bucket, record.key);
            match self.open_whole(record).await {
                Ok(bytes) => {
                    sample.opened += 1;
                    sample.bytes += bytes;
                }
                Err(ObjectsError::CustomerKeyRequired) => sample.of_customers += 1,
                Err(ObjectsError::Kms(
                    KmsError::Disabled { .. }
                    | KmsError::PendingDeletion { .. }
                    | KmsError::PendingImport { .. }
                    | KmsError::NoSuchKey { .. },
                )) => sample.under_unusable_keys += 1,
                Err(error) => {
                    sample.failed += 1;
                    if sample.failures.len() < FAILURES_TOLD_MAX {
                        sample.failures.push((place, error.to_string()));
                    }
                }
            }
        }
        Ok(sample)
    }

    async fn open_whole(&self, record: VersionRecord) -> Result<u64, ObjectsError> {
        let proof = Authorized::internal("s3.amazonaws.com", AccountId::first());
        let is_lakes = matches!(record.encryption, Encryption::Lake);
        let data_key = self.open_version(&record)?;
        let pin = self.pins.pin(record.id);
        let version = ObjectVersion::new(record, Versioning::Unversioned, pin);
        let version = if is_lakes { version } else { version.unlocked(data_key) };
        let mut stream = self.read_at_rest(&proof, &version, 0..version.size_bytes());
        let mut bytes = 0;
        while let Some(chunk) = stream.next().await {
            bytes += chunk?.len() as u64;
        }
        Ok(bytes)
    }
}
