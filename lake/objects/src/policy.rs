//! Bucket policies: kept as text with the bucket, compiled once, and answered to the authorizer.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_metadata::{Read, Record};
use tarn_policy::{
    Authorized, Context, PoliciesUnreadable, Policy, PolicyKind, Requirement, ResourcePolicies, ResourcePolicy,
    ids_of_named,
};
use tarn_types::Arn;

use crate::acl::{Acl, granted_by_bucket, granted_by_object, is_of_objects_owner};
use crate::errors::ObjectsError;
use crate::keyspaces::{BUCKETS, CURRENT, POLICY_PRINCIPALS};
use crate::names::{BucketName, ObjectKey};
use crate::objects::{Objects, bucket_in};
use crate::public_access_block::{PublicAccessBlock, effective_block};
use crate::records::{Bucket, VersionRecord, bucket_key, current_key};
use crate::request_payment::policies_may_speak_of_tags;
use crate::versions::{VersionId, version_in};

/// How many compiled policies are kept.
const COMPILED_COUNT_MAX: NonZeroUsize = match NonZeroUsize::new(1024) {
    Some(count) => count,
    None => NonZeroUsize::MIN,
};

/// The users and roles that a bucket's policy names: their ids by their ARNs, as they were when it was put.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PolicyPrincipals {
    ids: BTreeMap<String, String>,
}

impl Record for PolicyPrincipals {
    const VERSION: u16 = 1;
}

/// Compiled policies by their text and whom they name: a bucket whose policy changes finds another entry.
pub(crate) struct PolicyCache(Mutex<LruCache<(String, PolicyPrincipals), Arc<Policy>>>);

impl Default for PolicyCache {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(COMPILED_COUNT_MAX)))
    }
}

impl PolicyCache {
    fn compiled(&self, read: &impl Read, bucket: &Bucket) -> Result<Option<Arc<Policy>>, ObjectsError> {
        let Some(text) = &bucket.policy else { return Ok(None) };
        // Policies that were put before their principals were kept mean whoever has the name.
        let principals = read.get(POLICY_PRINCIPALS, &bucket_key(&bucket.name))?.unwrap_or_default();
        let at = (text.clone(), principals);
        if let Some(policy) = self.0.lock().get(&at) {
            return Ok(Some(policy.clone()));
        }
        let policy = Arc::new(parse(text)?.with_ids(&at.1.ids));
        self.0.lock().put(at, policy.clone());
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

    /// Sets the bucket's policy once it has been found to be one, and to speak of this bucket only. `binds_root` confirms that the
    /// owner's root need not get back in if the policy locks it out.
    pub async fn put_bucket_policy(
        &self,
        caller: &Caller,
        name: &BucketName,
        text: String,
        binds_root: bool,
    ) -> Result<(), ObjectsError> {
        let policy = parse(&text)?;
        policy
            .check_of_bucket(&name.arn())
            .map_err(|error| ObjectsError::MalformedPolicy { reason: error.to_string() })?;
        let ids = ids_of_named(&policy, self.options.entity_ids.as_deref(), caller.authorized());
        let ids = ids.map_err(ObjectsError::Denied)?;
        let (name, is_public) = (name.clone(), policy.is_public());
        caller
            .commit(&*self.store, move |tx| {
                let mut bucket = bucket_in(tx, &name)?;
                if is_public && effective_block(tx, &bucket)?.block_public_policy {
                    return Err(ObjectsError::PublicAccessBlocked { setting: "BlockPublicPolicy" });
                }
                (bucket.policy, bucket.policy_binds_root) = (Some(text), binds_root);
                tx.put(POLICY_PRINCIPALS, &bucket_key(&name), &PolicyPrincipals { ids })?;
                Ok(tx.put(BUCKETS, &bucket_key(&name), &bucket)?)
            })
            .await
            .map_err(ObjectsError::from)
    }

    /// Removes the bucket's policy, if it has one.
    pub async fn delete_bucket_policy(&self, caller: &Caller, name: &BucketName) -> Result<(), ObjectsError> {
        self.change_bucket(caller, name, |bucket| (bucket.policy, bucket.policy_binds_root) = (None, false)).await
    }

    /// Whether the bucket is public: by its policy, or by its list where that has an effect.
    pub fn bucket_is_public(&self, proof: &Authorized, name: &BucketName) -> Result<bool, ObjectsError> {
        let bucket = self.bucket(proof, name)?;
        let by_policy = self.policies.compiled(&self.snapshot()?, &bucket)?.is_some_and(|policy| policy.is_public());
        let by_list = bucket.has_acls()
            && bucket.acl.as_ref().is_some_and(Acl::is_public)
            && !effective_block(&self.snapshot()?, &bucket)?.ignore_public_acls;
        Ok(by_policy || by_list)
    }

    /// What is known of a bucket, or of an object in it, for one requirement.
    fn policy_of(
        &self,
        bucket: &str,
        key: Option<&str>,
        requirement: &Requirement,
    ) -> Result<ResourcePolicy, ObjectsError> {
        // A text that is no bucket's name names nothing.
        let Ok(name) = BucketName::new(bucket) else { return Ok(ResourcePolicy::default()) };
        let snapshot = self.snapshot()?;
        let Some(bucket) = snapshot.get(BUCKETS, &bucket_key(&name))? else { return Ok(ResourcePolicy::default()) };
        let policy = self.policies.compiled(&snapshot, &bucket)?;
        let is_public = policy.as_ref().is_some_and(|policy| policy.is_public());
        // Without lists and without a public policy the switches have nothing to act on.
        let block = match bucket.has_acls() || is_public {
            true => effective_block(&snapshot, &bucket)?,
            false => PublicAccessBlock::default(),
        };
        let mut found = ResourcePolicy {
            owner: Some(bucket.owner.clone()),
            keys: tag_keys(&snapshot, &bucket, key.is_some())?,
            policy,
            only_for: (is_public && block.restrict_public_buckets).then(|| bucket.owner.clone()),
            binds_root: bucket.policy_binds_root,
            ..ResourcePolicy::default()
        };
        if bucket.has_acls() {
            found.grants.extend(granted_by_bucket(bucket.acl.as_ref(), block.ignore_public_acls));
            if let Some(key) = key.filter(|_| is_of_objects_owner(requirement.action))
                && let Some(object) = object_in(&snapshot, &name, key, requirement)?
            {
                found.grants.extend(granted_by_object(object.acl.as_ref(), block.ignore_public_acls));
                if let Some(owner) = object.owner {
                    (found.owner, found.policy_only_denies) = (Some(owner), true);
                }
            }
        }
        Ok(found)
    }

    /// Whether there is an object at the key now: for errors that only those who may list it are told.
    pub fn object_exists(&self, bucket: &BucketName, key: &ObjectKey) -> Result<bool, ObjectsError> {
        Ok(self.snapshot()?.contains(CURRENT, &current_key(bucket, key))?)
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
    fn resource_policy(
        &self,
        resource: &Arn,
        requirement: &Requirement,
    ) -> Result<Option<ResourcePolicy>, PoliciesUnreadable> {
        if resource.service != "s3" || !resource.account.is_empty() {
            return Ok(None);
        }
        let (bucket, key) = match resource.resource.split_once('/') {
            Some((bucket, key)) => (bucket, Some(key)),
            None => (resource.resource.as_str(), None),
        };
        match self.policy_of(bucket, key, requirement) {
            Ok(found) => Ok(Some(found)),
            Err(error) => {
                tracing::error!(%error, bucket, "a bucket's policy cannot be read; requests for it are refused");
                Err(PoliciesUnreadable { reason: error.to_string() })
            }
        }
    }
}

/// The bucket's tags as condition keys, if policies may speak of them: of all that is in it, and of itself as of any resource.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/buckets-tagging.html>
fn tag_keys(read: &impl Read, bucket: &Bucket, is_object: bool) -> Result<Context, ObjectsError> {
    let mut keys = Context::new();
    if bucket.tags.is_empty() || !policies_may_speak_of_tags(read, &bucket.name)? {
        return Ok(keys);
    }
    for (tag, value) in bucket.tags.iter() {
        keys.set(&format!("s3:BucketTag/{tag}"), value);
        if !is_object {
            keys.set(&format!("aws:ResourceTag/{tag}"), value);
        }
    }
    Ok(keys)
}

/// The object that a requirement is about, if it is there.
fn object_in(
    read: &impl Read,
    bucket: &BucketName,
    key: &str,
    requirement: &Requirement,
) -> Result<Option<VersionRecord>, ObjectsError> {
    let Ok(key) = ObjectKey::new(key) else { return Ok(None) };
    let version = match requirement.context.get("s3:VersionId").and_then(<[String]>::first) {
        None => None,
        Some(text) => match VersionId::parse(text) {
            Some(version) => Some(version),
            // A text that is no version's id names nothing.
            None => return Ok(None),
        },
    };
    match version_in(read, bucket, &key, version.as_ref()) {
        Ok(version) => Ok(Some(version)),
        Err(
            ObjectsError::NoSuchKey { .. } | ObjectsError::NoSuchVersion { .. } | ObjectsError::IsDeleteMarker { .. },
        ) => Ok(None),
        Err(error) => Err(error),
    }
}
