//! What buckets are measured and analysed by: request metrics, storage class analysis. Kept and given back by id; on AWS, too, they change
//! nothing that a client of the store sees. Also the filter that both share.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/metrics-configurations.html>

use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_metadata::Record;
use tarn_policy::Authorized;

use crate::configurations::ConfigurationPage;
use crate::errors::{ConfigurationKind, ObjectsError};
use crate::keyspaces::{ANALYTICS, METRICS};
use crate::names::BucketName;
use crate::objects::Objects;
use crate::tagging::Tags;

/// The most configurations of one kind that a bucket has.
pub const CONFIGURATIONS_COUNT_MAX: usize = 1_000;
/// The longest id of a configuration, characters.
const ID_CHARS_MAX: usize = 64;

/// Which objects a configuration speaks of: all that every part takes. Empty: all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigurationFilter {
    /// Keys that begin so.
    pub prefix: Option<String>,
    /// Objects with these tags.
    pub tags: Tags,
    /// Requests through this access point.
    pub access_point_arn: Option<String>,
    /// Whether it was said as a conjunction, even of one part.
    pub is_conjunction: bool,
}

/// What of a bucket's requests is measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricsConfiguration {
    /// Names it.
    pub id: String,
    /// Which requests; all, if none.
    pub filter: Option<ConfigurationFilter>,
}

impl Record for MetricsConfiguration {
    const VERSION: u16 = 1;
}

/// Where an analysis is exported to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnalyticsExport {
    /// The bucket's ARN.
    pub bucket_arn: String,
    /// Its owner, as claimed.
    pub bucket_account_id: Option<String>,
    /// Before the keys of the export.
    pub prefix: Option<String>,
}

/// A storage class analysis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnalyticsConfiguration {
    /// Names it.
    pub id: String,
    /// Which objects; all, if none.
    pub filter: Option<ConfigurationFilter>,
    /// Where to; nowhere, if none.
    pub export: Option<AnalyticsExport>,
}

impl Record for AnalyticsConfiguration {
    const VERSION: u16 = 1;
}

/// Refuses what cannot name a configuration.
pub(crate) fn check_id(id: &str) -> Result<(), ObjectsError> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if (1..=ID_CHARS_MAX).contains(&id.len()) && id.bytes().all(legal) {
        return Ok(());
    }
    Err(ObjectsError::InvalidArgument {
        name: "id",
        value: id.to_owned(),
        reason: "an id has 1 to 64 letters, digits, dots, hyphens and underscores",
    })
}

impl Objects {
    /// One of the bucket's request metrics.
    pub fn bucket_metrics(
        &self,
        _proof: &Authorized,
        bucket: &BucketName,
        id: &str,
    ) -> Result<MetricsConfiguration, ObjectsError> {
        self.configuration_by_id(METRICS, bucket, id)?.ok_or_else(|| ConfigurationKind::Metrics.missing(bucket))
    }

    /// The bucket's request metrics, by id.
    pub fn list_bucket_metrics(
        &self,
        _proof: &Authorized,
        bucket: &BucketName,
        after: Option<&str>,
    ) -> Result<ConfigurationPage<MetricsConfiguration>, ObjectsError> {
        self.list_configurations(METRICS, bucket, after)
    }

    /// Adds or replaces request metrics.
    pub async fn put_bucket_metrics(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        metrics: MetricsConfiguration,
    ) -> Result<(), ObjectsError> {
        check_id(&metrics.id)?;
        let id = metrics.id.clone();
        self.put_configuration_by_id(caller, METRICS, bucket, &id, metrics, |_, _| Ok(())).await
    }

    /// Removes request metrics.
    pub async fn delete_bucket_metrics(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        id: &str,
    ) -> Result<(), ObjectsError> {
        self.delete_configuration_by_id(caller, METRICS, bucket, id, ConfigurationKind::Metrics).await
    }

    /// One of the bucket's analyses.
    pub fn bucket_analytics(
        &self,
        _proof: &Authorized,
        bucket: &BucketName,
        id: &str,
    ) -> Result<AnalyticsConfiguration, ObjectsError> {
        self.configuration_by_id(ANALYTICS, bucket, id)?.ok_or_else(|| ConfigurationKind::Analytics.missing(bucket))
    }

    /// The bucket's analyses, by id.
    pub fn list_bucket_analytics(
        &self,
        _proof: &Authorized,
        bucket: &BucketName,
        after: Option<&str>,
    ) -> Result<ConfigurationPage<AnalyticsConfiguration>, ObjectsError> {
        self.list_configurations(ANALYTICS, bucket, after)
    }

    /// Adds or replaces an analysis.
    pub async fn put_bucket_analytics(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        analytics: AnalyticsConfiguration,
    ) -> Result<(), ObjectsError> {
        check_id(&analytics.id)?;
        let id = analytics.id.clone();
        self.put_configuration_by_id(caller, ANALYTICS, bucket, &id, analytics, |_, _| Ok(())).await
    }

    /// Removes an analysis.
    pub async fn delete_bucket_analytics(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        id: &str,
    ) -> Result<(), ObjectsError> {
        self.delete_configuration_by_id(caller, ANALYTICS, bucket, id, ConfigurationKind::Analytics).await
    }
}
