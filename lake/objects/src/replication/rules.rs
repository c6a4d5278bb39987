//! Replication rules: which versions go where, checked as S3 checks them.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-add-config.html>

use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_metadata::{Read, Record, RecordError};
use tarn_policy::{Authorized, Requirement};
use tarn_runtime::EntropyExt;
use tarn_types::{AccountId, Arn};

use crate::classes::StorageClass;
use crate::encryption::Encryption;
use crate::errors::{ConfigurationKind, ObjectsError};
use crate::events::Eventful;
use crate::get::ObjectVersion;
use crate::keyspaces::{BUCKETS, EVENTFUL, REPLICATIONS};
use crate::lifecycle::FilterForm;
use crate::names::BucketName;
use crate::objects::{Objects, bucket_in};
use crate::records::{VersionRecord, Versioning, bucket_key};
use crate::replication::worker;

/// The most rules of a bucket.
pub const REPLICATION_RULES_COUNT_MAX: usize = 1000;

/// Which versions a rule is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicationFilter {
    /// How it was written: `Prefix` is the form before 2018, which has no priority and takes delete markers along.
    pub form: FilterForm,
    /// Keys begin so.
    pub prefix: Option<String>,
    /// Versions have these tags when they are made.
    pub tags: Vec<(String, String)>,
}

/// Where a rule's versions go, and how they are kept there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicationDestination {
    /// The bucket's ARN.
    pub bucket: String,
    /// Whose the bucket is, if it was said.
    pub account: Option<AccountId>,
    /// Whether the copies are to be the bucket owner's.
    pub is_given_over: bool,
    /// In this class; otherwise in that of the version.
    pub class: Option<StorageClass>,
    /// The KMS key of copies of what a KMS key encrypts.
    pub kms_key: Option<String>,
    /// Whether it is to be done within fifteen minutes, if that was said.
    pub time_control: Option<bool>,
    /// Whether it is measured, if that was said.
    pub metrics: Option<bool>,
    /// Whether the measure has its threshold.
    pub has_threshold: bool,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicationRule {
    /// Empty: one is made.
    pub id: String,
    /// Of rules for the same destination the highest counts.
    pub priority: Option<i32>,
    /// Whether it is on.
    pub is_enabled: bool,
    /// Which versions.
    pub filter: ReplicationFilter,
    /// Whether delete markers go along, if that was said.
    pub delete_markers: Option<bool>,
    /// Whether what is encrypted by a KMS key goes along, if that was said.
    pub kms_objects: Option<bool>,
    /// Whether changes of copies go back, if that was said.
    pub replica_changes: Option<bool>,
    /// Whether it was said that what was there before does not go along.
    pub says_existing: bool,
    /// Where.
    pub destination: ReplicationDestination,
}

/// A bucket's replication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicationConfiguration {
    /// The ARN of the role that replication acts as.
    pub role: String,
    /// In the order they were given.
    pub rules: Vec<ReplicationRule>,
    /// Whether it was made when replication acted for the bucket's owner: then it goes on so, until it is put again.
    pub(crate) acts_for_owner: bool,
}

impl Record for ReplicationConfiguration {
    const VERSION: u16 = 2;

    fn migrate(version: u16, bytes: &[u8]) -> Result<Self, RecordError> {
        crate::records_v1::migrate::<Self, ReplicationConfigurationV1>(version, bytes)
    }
}

/// Until replication acted as its role.
#[derive(Deserialize)]
struct ReplicationConfigurationV1 {
    role: String,
    rules: Vec<ReplicationRule>,
}

impl From<ReplicationConfigurationV1> for ReplicationConfiguration {
    fn from(old: ReplicationConfigurationV1) -> Self {
        Self { acts_for_owner: true, ..Self::new(old.role, old.rules) }
    }
}

impl ReplicationRule {
    fn is_for(&self, key: &str) -> bool {
        self.is_enabled && self.filter.prefix.as_ref().is_none_or(|prefix| key.starts_with(prefix.as_str()))
    }

    fn is_for_version(&self, record: &VersionRecord) -> bool {
        let has = |(name, value): &(String, String)| record.tags.iter().any(|tag| tag == (name, value));
        let takes_key = !matches!(record.encryption, Encryption::Kms(_)) || self.kms_objects == Some(true);
        self.is_for(record.key.as_str()) && self.filter.tags.iter().all(has) && takes_key
    }

    fn takes_markers(&self) -> bool {
        self.filter.form == FilterForm::Prefix || self.delete_markers == Some(true)
    }
}

fn invalid_role() -> ObjectsError {
    ObjectsError::InvalidRequest { reason: "Invalid Role specified in replication configuration".to_owned() }
}

impl ReplicationConfiguration {
    /// One that acts as `role`, an ARN.
    pub fn new(role: String, rules: Vec<ReplicationRule>) -> Self {
        Self { role, rules, acts_for_owner: false }
    }

    /// The role to act as; nothing where it is the owner of the bucket who acts.
    pub(crate) fn acts_as(&self) -> Option<Arn> {
        Arn::parse(&self.role).ok().filter(|_| !self.acts_for_owner)
    }

    /// The rules that hold, of each destination the one of the highest priority: ids and destinations.
    fn choose(&self, is_for: impl Fn(&ReplicationRule) -> bool) -> Vec<(String, String)> {
        let mut chosen: Vec<&ReplicationRule> = Vec::new();
        for rule in self.rules.iter().filter(|rule| is_for(rule)) {
            match chosen.iter_mut().find(|other| other.destination.bucket == rule.destination.bucket) {
                Some(other) if other.priority < rule.priority => *other = rule,
                Some(_) => {}
                None => chosen.push(rule),
            }
        }
        chosen.into_iter().map(|rule| (rule.id.clone(), rule.destination.bucket.clone())).collect()
    }

    pub(crate) fn for_object(&self, record: &VersionRecord) -> Vec<(String, String)> {
        self.choose(|rule| rule.is_for_version(record))
    }

    /// Whether any of the rules is for a version.
    pub fn is_for(&self, version: &ObjectVersion) -> bool {
        !self.for_object(version.record()).is_empty()
    }

    pub(crate) fn for_marker(&self, key: &str) -> Vec<(String, String)> {
        self.choose(|rule| rule.is_for(key) && rule.takes_markers())
    }

    pub(crate) fn for_changes_of_replicas(&self, key: &str) -> Vec<(String, String)> {
        self.choose(|rule| rule.is_for(key) && rule.replica_changes == Some(true))
    }

    pub(crate) fn rule(&self, id: &str) -> Option<&ReplicationRule> {
        self.rules.iter().find(|rule| rule.id == id)
    }

    /// Refuses what S3 refuses whatever the buckets are. The sentences are AWS's, as far as they are known.
    fn check(&self) -> Result<(), ObjectsError> {
        let refused = |reason: &str| Err(ObjectsError::InvalidRequest { reason: reason.to_owned() });
        let role = Arn::parse(&self.role).ok();
        if !role.is_some_and(|role| role.service == "iam" && role.resource.starts_with("role/")) {
            return Err(invalid_role());
        }
        if self.rules.is_empty() || self.rules.len() > REPLICATION_RULES_COUNT_MAX {
            return Err(ObjectsError::MalformedConfiguration {
                reason: "a replication configuration has 1 to 1000 rules".to_owned(),
            });
        }
        let is_old = |rule: &ReplicationRule| rule.filter.form == FilterForm::Prefix;
        if self.rules.iter().any(is_old) && !self.rules.iter().all(is_old) {
            return refused("Rules of a replication configuration all have a Filter, or none of them has");
        }
        for (at, rule) in self.rules.iter().enumerate() {
            let destination = &rule.destination;
            let earlier = self.rules.get(..at).unwrap_or_default();
            if earlier.iter().any(|other| other.id == rule.id) {
                return refused("Rule Id must be unique. Found same Rule Id for more than one rule");
            }
            if is_old(rule) {
                let prefix = |rule: &ReplicationRule| rule.filter.prefix.clone().unwrap_or_default();
                let (one, buckets) =
                    (prefix(rule), |other: &&ReplicationRule| other.destination.bucket != destination.bucket);
                if earlier.iter().any(|other| prefix(other).starts_with(&one) || one.starts_with(&prefix(other))) {
                    return refused("Found overlapping prefixes in rules of a replication configuration");
                }
                if earlier.iter().any(|other| buckets(&other)) {
                    return refused("Destination bucket must be the same for all rules without a Filter");
                }
                continue;
            }
            if rule.priority.is_none() {
                return refused(
                    "Priority must be specified for this version of Cross Region Replication configuration schema. Please refer to S3 Developer Guide for more information.",
                );
            }
            if rule.delete_markers.is_none() {
                return refused(
                    "DeleteMarkerReplication must be specified for this version of Cross Region Replication configuration schema. Please refer to S3 Developer Guide for more information.",
                );
            }
            if rule.delete_markers == Some(true) && !rule.filter.tags.is_empty() {
                return refused(
                    "Delete marker replication is not supported if any Tag filter is specified. Please refer to S3 Developer Guide for more information.",
                );
            }
            if earlier.iter().any(|other| other.priority == rule.priority) {
                return refused("Found more than one rule with the same priority: priorities must be unique");
            }
            if destination.is_given_over && destination.account.is_none() {
                return refused("Account must be specified in Destination where AccessControlTranslation is");
            }
            if destination.time_control == Some(true) && destination.metrics != Some(true) {
                return refused("Metrics must be enabled where ReplicationTime is");
            }
            if rule.kms_objects == Some(true) && destination.kms_key.is_none() {
                return refused("EncryptionConfiguration must be specified where SseKmsEncryptedObjects is enabled");
            }
        }
        Ok(())
    }
}

impl Objects {
    /// The bucket's replication.
    pub fn bucket_replication(
        &self,
        _proof: &Authorized,
        bucket: &BucketName,
    ) -> Result<ReplicationConfiguration, ObjectsError> {
        self.configuration(REPLICATIONS, bucket)?.ok_or_else(|| ConfigurationKind::Replication.missing(bucket))
    }

    /// Replaces the bucket's replication; the caller must be allowed to pass its role. `is_remote` tells which destinations lie elsewhere; all others must be here, and versioned.
    pub async fn put_bucket_replication(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        mut configuration: ReplicationConfiguration,
        is_remote: impl Fn(&AccountId, &str) -> bool + Send + 'static,
    ) -> Result<(), ObjectsError> {
        for rule in &mut configuration.rules {
            if rule.id.is_empty() {
                rule.id = self.runtime.entropy.uuid().to_string();
            }
        }
        configuration.check()?;
        let role = configuration.acts_as().ok_or_else(invalid_role)?;
        let pass = Requirement::new("iam:PassRole", role).with("iam:PassedToService", worker::SERVICE);
        caller.authorizer().authorize(vec![pass]).map_err(ObjectsError::Denied)?;
        self.replication.used();
        let name = bucket.clone();
        caller
            .commit(&*self.store, move |tx| {
                let refused = |reason: &str| Err(ObjectsError::InvalidRequest { reason: reason.to_owned() });
                let source = bucket_in(tx, &name)?;
                if source.versioning != Versioning::Enabled {
                    return refused("Versioning must be 'Enabled' on the bucket to apply a replication configuration");
                }
                for ReplicationRule { destination, .. } in &configuration.rules {
                    if is_remote(&source.owner, &destination.bucket) {
                        continue;
                    }
                    let found =
                        bucket_of(&destination.bucket).map(|at| tx.get(BUCKETS, &bucket_key(&at))).transpose()?;
                    let Some(found) = found.flatten() else { return refused("Destination bucket must exist.") };
                    if found.name == name {
                        return refused("Destination bucket cannot be the same as the source bucket.");
                    }
                    if found.versioning != Versioning::Enabled {
                        return refused("Destination bucket must have versioning enabled.");
                    }
                    if destination.account.as_ref().is_some_and(|account| *account != found.owner) {
                        return refused("The Account of the Destination is not the owner of the destination bucket.");
                    }
                }
                let at = bucket_key(&name);
                let eventful = tx.get(EVENTFUL, &at)?.unwrap_or_default();
                tx.put(EVENTFUL, &at, &Eventful { replication: true, ..eventful })?;
                Ok(tx.put(REPLICATIONS, &at, &configuration)?)
            })
            .await?;
        self.replication.changed();
        Ok(())
    }

    /// Ends the bucket's replication; what was copied stays.
    pub async fn delete_bucket_replication(&self, caller: &Caller, bucket: &BucketName) -> Result<(), ObjectsError> {
        let name = bucket.clone();
        caller
            .commit(&*self.store, move |tx| {
                bucket_in(tx, &name)?;
                let at = bucket_key(&name);
                tx.delete(REPLICATIONS, &at)?;
                match tx.get(EVENTFUL, &at)? {
                    Some(eventful) if eventful.notifications => {
                        tx.put(EVENTFUL, &at, &Eventful { replication: false, ..eventful })?;
                    }
                    Some(_) | None => tx.delete(EVENTFUL, &at)?,
                }
                Ok(())
            })
            .await
            .map_err(ObjectsError::from)
    }
}

/// The bucket of `arn:aws:s3:::BUCKET`.
pub(crate) fn bucket_of(arn: &str) -> Option<BucketName> {
    let arn = Arn::parse(arn).ok().filter(|arn| arn.service == "s3")?;
    BucketName::new(arn.resource).ok()
}
