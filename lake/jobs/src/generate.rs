//! Listing what of a bucket a job is to work on: its objects, or all their versions where the list is for replication. Knows no operation.

use tarn_audit::Caller;
use tarn_objects::{
    BucketName, CurrentVersion, Encryption, ListObjects, ListVersions, ObjectKey, ObjectVersion, ObjectsError,
    ReplicationConfiguration, VersionEntry, VersionId, Versioning,
};
use tarn_policy::Requirement;

use crate::acting::Call;
use crate::errors::JobsError;
use crate::job::{EncryptionFilter, GeneratorFilter, Job, ManifestGenerator};
use crate::jobs::Jobs;
use crate::keyspaces::Task;
use crate::prepare::{UNREADABLE, failure};
use crate::segments::SegmentWriter;

/// Versions listed at a time.
const PAGE_VERSIONS_MAX: usize = 1_000;

fn unreadable(error: ObjectsError) -> JobsError {
    JobsError::of_objects(UNREADABLE, error)
}

/// A listing under way.
struct Listing<'a> {
    caller: Caller,
    bucket: BucketName,
    prefix: String,
    filter: &'a GeneratorFilter,
    is_versioned: bool,
    /// The bucket's rules, where they are asked about.
    rules: Option<ReplicationConfiguration>,
}

impl Jobs {
    /// Lists what the generator's bucket has and its filter takes.
    pub(crate) async fn generate(
        &self,
        job: &Job,
        generator: &ManifestGenerator,
        writer: &mut SegmentWriter<'_>,
    ) -> Result<(), JobsError> {
        let bucket = self.generators_bucket(&generator.bucket)?;
        self.check_owner(&bucket, generator.expected_owner.as_ref())?;
        let filter = &generator.filter;
        let asks_rules = filter.eligible_for_replication == Some(true);
        // As on AWS, whose generator is the inventory.
        let mut needs = vec![Requirement::new("s3:PutInventoryConfiguration", bucket.arn())];
        if asks_rules {
            needs.push(Requirement::new("s3:GetReplicationConfiguration", bucket.arn()));
        }
        let said = serde_json::json!({ "bucketName": bucket.as_str() });
        let call = Call { name: "ListObjects", read_only: true, requirements: needs, said };
        let caller = self.caller(job, call).map_err(JobsError::of_denied)?;
        let found = self.objects.bucket(caller.authorized(), &bucket).map_err(unreadable)?;
        let rules = match asks_rules {
            true => Some(self.objects.bucket_replication(caller.authorized(), &bucket).map_err(unreadable)?),
            false => None,
        };
        // With one prefix there is no need to look at other keys.
        let prefix = match filter.prefixes.as_slice() {
            [prefix] => prefix.clone(),
            [] | [_, _, ..] => String::new(),
        };
        let is_versioned = found.versioning != Versioning::Unversioned;
        let listing = Listing { caller, bucket, prefix, filter, is_versioned, rules };
        match filter.is_of_replication() {
            true => self.generate_versions(&listing, writer).await,
            false => self.generate_objects(&listing, writer).await,
        }
    }

    async fn generate_objects(&self, listing: &Listing<'_>, writer: &mut SegmentWriter<'_>) -> Result<(), JobsError> {
        let mut request = ListObjects::new(listing.bucket.clone(), listing.prefix.clone());
        loop {
            let page = self.objects.list_objects(listing.caller.authorized(), &request).map_err(unreadable)?;
            for listed in page.objects {
                if self.takes(listing, &listed.key, &listed.version, None)? {
                    let version = listing.is_versioned.then(|| listed.version.version_id().to_string());
                    writer.push(Task { bucket: listing.bucket.to_string(), key: listed.key, version }).await?;
                }
            }
            match page.next {
                None => return Ok(()),
                next => request.start_after = next,
            }
            tokio::task::yield_now().await;
        }
    }

    /// All versions: as on AWS, what is replicated is not only what is the latest.
    async fn generate_versions(&self, listing: &Listing<'_>, writer: &mut SegmentWriter<'_>) -> Result<(), JobsError> {
        let mut request = ListVersions {
            bucket: listing.bucket.clone(),
            prefix: listing.prefix.clone(),
            delimiter: None,
            key_marker: None,
            version_marker: None,
            max_keys: PAGE_VERSIONS_MAX,
        };
        loop {
            let page = self.objects.list_object_versions(listing.caller.authorized(), &request).map_err(unreadable)?;
            for listed in page.versions {
                // A delete marker has nothing that a job could work on.
                let VersionEntry::Object(found) = &listed.entry else { continue };
                let id = listed.entry.version_id();
                if self.takes(listing, &listed.key, found, Some(&id))? {
                    let version = listing.is_versioned.then(|| id.to_string());
                    writer.push(Task { bucket: listing.bucket.to_string(), key: listed.key, version }).await?;
                }
            }
            match page.next {
                None => return Ok(()),
                Some((key, version)) => (request.key_marker, request.version_marker) = (Some(key), version),
            }
            tokio::task::yield_now().await;
        }
    }

    fn generators_bucket(&self, name: &str) -> Result<BucketName, JobsError> {
        let bucket = BucketName::new(name).map_err(unreadable)?;
        match self.objects.bucket_exists(&bucket) {
            Ok(true) => Ok(bucket),
            Ok(false) => Err(failure(UNREADABLE, format!("the bucket `{bucket}` does not exist"))),
            Err(error) => Err(unreadable(error)),
        }
    }

    /// Whether the filter takes a version, by what its listing tells and, where that is not enough, by its record.
    fn takes(
        &self,
        listing: &Listing<'_>,
        key: &str,
        listed: &CurrentVersion,
        version: Option<&VersionId>,
    ) -> Result<bool, JobsError> {
        let Listing { caller, bucket, filter, rules, .. } = listing;
        if !filter.takes(key, listed) {
            return Ok(false);
        }
        if filter.encryption.is_none() && !filter.is_of_replication() {
            return Ok(true);
        }
        let found =
            ObjectKey::new(key).and_then(|key| self.objects.head_version(caller.authorized(), bucket, &key, version));
        let found = match found {
            Ok(found) => found,
            // Gone since it was listed.
            Err(
                ObjectsError::NoSuchKey { .. }
                | ObjectsError::NoSuchVersion { .. }
                | ObjectsError::IsDeleteMarker { .. },
            ) => return Ok(false),
            Err(error) => return Err(unreadable(error)),
        };
        let is_eligible = rules.as_ref().is_none_or(|rules| rules.is_for(&found));
        Ok(is_eligible && filter.takes_encryption(&found) && self.stands_so(&found, filter)?)
    }

    fn stands_so(&self, version: &ObjectVersion, filter: &GeneratorFilter) -> Result<bool, JobsError> {
        if filter.replication_statuses.is_empty() {
            return Ok(true);
        }
        Ok(filter.replication_statuses.contains(&self.objects.replication_status(version).map_err(unreadable)?))
    }
}

impl GeneratorFilter {
    /// Whether it asks about replication.
    fn is_of_replication(&self) -> bool {
        self.eligible_for_replication == Some(true) || !self.replication_statuses.is_empty()
    }

    fn takes_encryption(&self, version: &ObjectVersion) -> bool {
        let Some(wanted) = &self.encryption else { return true };
        match (wanted, version.encryption()) {
            (EncryptionFilter::Lake, Encryption::Lake) | (EncryptionFilter::Customer, Encryption::Customer(_)) => true,
            (EncryptionFilter::Kms { key, bucket_key }, Encryption::Kms(by)) => {
                key.as_ref().is_none_or(|key| *key == by.key) && bucket_key.is_none_or(|wanted| wanted == by.bucket_key)
            }
            (
                EncryptionFilter::Lake
                | EncryptionFilter::Customer
                | EncryptionFilter::Kms { .. }
                | EncryptionFilter::None { .. },
                _,
            ) => false,
        }
    }

    /// Whether it takes an object by what a listing tells of it.
    fn takes(&self, key: &str, version: &CurrentVersion) -> bool {
        let any =
            |texts: &[String], holds: &dyn Fn(&str) -> bool| texts.is_empty() || texts.iter().any(|text| holds(text));
        any(&self.prefixes, &|prefix| key.starts_with(prefix))
            && any(&self.suffixes, &|suffix| key.ends_with(suffix))
            && any(&self.substrings, &|part| key.contains(part))
            && self.created_after_ms.is_none_or(|after_ms| version.modified_ms > after_ms)
            && self.created_before_ms.is_none_or(|before_ms| version.modified_ms < before_ms)
            && self.larger_than_bytes.is_none_or(|bytes| version.size_bytes > bytes)
            && self.smaller_than_bytes.is_none_or(|bytes| version.size_bytes < bytes)
            && (self.classes.is_empty() || self.classes.contains(&version.class))
    }
}
