//! Bucket policies: kept as text with the bucket, compiled once, and answered to the authorizer.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;
use tarn_audit::Caller;
use tarn_metadata::Read;
use tarn_policy::{Authorized, PoliciesUnreadable, Policy, PolicyKind, ResourcePolicies, ResourcePolicy};
use tarn_types::Arn;

use crate::errors::ObjectsError;
use crate::keyspaces::BUCKETS;
use crate::names::BucketName;
use crate::objects::{Objects, bucket_in};
use crate::records::{Bucket, bucket_key};

/// How many compiled policies are kept.
const COMPILED_COUNT_MAX: NonZeroUsize = match NonZeroUsize::new(1024) {
    Some(count) => count,
    None => NonZeroUsize::MIN,
};

/// Compiled policies by their text: a bucket whose policy changes finds another entry.
pub(crate) struct PolicyCache(Mutex<LruCache<String, Arc<Policy>>>);

impl Default for PolicyCache {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(COMPILED_COUNT_MAX)))
    }
}

impl PolicyCache {
    fn compiled(&self, bucket: &Bucket) -> Result<Option<Arc<Policy>>, ObjectsError> {
        let Some(text) = &bucket.policy else { return Ok(None) };
        if let Some(policy) = self.0.lock().get(text) {
            return Ok(Some(policy.clone()));
        }
        let policy = Arc::new(parse(text)?);
        self.0.lock().put(text.clone(), policy.clone());
        Ok(Some(policy))
    }
}

fn parse(text: &str) -> Result<Policy, ObjectsError> {
    Policy::parse(text, PolicyKind::Resource)
        .map_err(|error| ObjectsError::MalformedPolicy { reason: error.to_string() })
}

impl Objects {
    /// The bucket's policy, as it was put.
    pub fn bucket_policy(&self, proof: &Authorized, name: &BucketName) -> Result<String, ObjectsError> {
        self.bucket(proof, name)?.policy.ok_or_else(|| ObjectsError::NoSuchBucketPolicy { bucket: name.to_string() })
    }

    /// Sets the bucket's policy once it has been found to be one, and to speak of this bucket only.
    pub async fn put_bucket_policy(
        &self,
        caller: &Caller,
        name: &BucketName,
        text: String,
    ) -> Result<(), ObjectsError> {
        let policy = parse(&text)?;
        policy
            .check_resources_within(&name.arn())
            .map_err(|error| ObjectsError::MalformedPolicy { reason: error.to_string() })?;
        self.change_bucket(caller, name, move |bucket| bucket.policy = Some(text)).await
    }

    /// Removes the bucket's policy, if it has one.
    pub async fn delete_bucket_policy(&self, caller: &Caller, name: &BucketName) -> Result<(), ObjectsError> {
        self.change_bucket(caller, name, |bucket| bucket.policy = None).await
    }

    fn policy_of(&self, bucket: &str) -> Result<ResourcePolicy, ObjectsError> {
        // A text that is no bucket's name names nothing.
        let Ok(name) = BucketName::new(bucket) else { return Ok(ResourcePolicy::default()) };
        match self.snapshot()?.get(BUCKETS, &bucket_key(&name))? {
            None => Ok(ResourcePolicy::default()),
            Some(bucket) => Ok(ResourcePolicy {
                policy: self.policies.compiled(&bucket)?,
                owner: Some(bucket.owner),
                ..ResourcePolicy::default()
            }),
        }
    }

    /// Whether the bucket is there: for errors that only those who may list it are told.
    pub fn bucket_exists(&self, name: &BucketName) -> Result<bool, ObjectsError> {
        match bucket_in(&self.snapshot()?, name) {
            Ok(_) => Ok(true),
            Err(ObjectsError::NoSuchBucket { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl ResourcePolicies for Objects {
    fn resource_policy(&self, resource: &Arn) -> Result<Option<ResourcePolicy>, PoliciesUnreadable> {
        if resource.service != "s3" || !resource.account.is_empty() {
            return Ok(None);
        }
        let bucket = resource.resource.split_once('/').map_or(resource.resource.as_str(), |(bucket, _)| bucket);
        match self.policy_of(bucket) {
            Ok(found) => Ok(Some(found)),
            Err(error) => {
                tracing::error!(%error, bucket, "a bucket's policy cannot be read; requests for it are refused");
                Err(PoliciesUnreadable { reason: error.to_string() })
            }
        }
    }
}
