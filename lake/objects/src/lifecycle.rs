//! Lifecycle: a bucket's rules, kept, answered and followed. Objects end or move, noncurrent versions and delete markers are removed,
//! uploads are given up. <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lifecycle-mgmt.html>
//!
//! * `rules`: what may be said. `plan`: what it means for one key at one time; pure.
//! * `queue`: which keys are to be looked at when. `worker`: looks at them, and does what is due.
//!
//! What is done when is in docs/adr/0009-lifecycle-queue.md.

pub(crate) mod plan;
pub(crate) mod queue;
pub(crate) mod rules;
mod worker;

use tarn_audit::Caller;
use tarn_metadata::Read;
use tarn_policy::Authorized;
use tarn_runtime::EntropyExt;

use crate::errors::ObjectsError;
use crate::get::ObjectVersion;
use crate::keyspaces::LIFECYCLES;
use crate::lifecycle::plan::ObjectState;
use crate::names::BucketName;
use crate::objects::{Objects, require_bucket};
use crate::records::{UploadRecord, bucket_key};

pub use plan::LifecycleEnd;
pub use rules::{
    FilterForm, LifecycleConfiguration, LifecycleExpiration, LifecycleFilter, LifecycleRule, LifecycleTime,
    LifecycleTransition, NoncurrentExpiration, NoncurrentTransition, TransitionMinimum,
};
pub use worker::{LifecycleRound, LifecycleWorker};

impl Objects {
    /// Replaces the bucket's rules once they have been found to be ones. Rules without an id get one.
    pub async fn put_bucket_lifecycle(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        mut configuration: LifecycleConfiguration,
    ) -> Result<(), ObjectsError> {
        configuration.check()?;
        for rule in configuration.rules.iter_mut().filter(|rule| rule.id.is_empty()) {
            rule.id = self.runtime.entropy.uuid().simple().to_string();
        }
        let bucket = bucket.clone();
        let put = move |tx: &mut tarn_metadata::Tx<'_>| {
            require_bucket(tx, &bucket)?;
            tx.put(LIFECYCLES, &bucket_key(&bucket), &configuration)?;
            queue::begin_scan(tx, &bucket)
        };
        caller.commit(&*self.store, put).await?;
        self.lifecycles_changed.notify_one();
        Ok(())
    }

    /// The bucket's rules.
    pub fn bucket_lifecycle(
        &self,
        _proof: &Authorized,
        bucket: &BucketName,
    ) -> Result<LifecycleConfiguration, ObjectsError> {
        self.configuration(LIFECYCLES, bucket)?
            .ok_or_else(|| ObjectsError::NoSuchLifecycleConfiguration { bucket: bucket.to_string() })
    }

    /// Removes the bucket's rules, if it has any.
    pub async fn delete_bucket_lifecycle(&self, caller: &Caller, bucket: &BucketName) -> Result<(), ObjectsError> {
        let bucket = bucket.clone();
        let delete = move |tx: &mut tarn_metadata::Tx<'_>| {
            require_bucket(tx, &bucket)?;
            tx.delete(LIFECYCLES, &bucket_key(&bucket))?;
            queue::end_scan(tx, &bucket)
        };
        Ok(caller.commit(&*self.store, delete).await?)
    }

    /// When a rule will end an object that is the latest version, and which.
    pub fn lifecycle_end(
        &self,
        _proof: &Authorized,
        version: &ObjectVersion,
    ) -> Result<Option<LifecycleEnd>, ObjectsError> {
        let Some(configuration) = self.snapshot()?.get(LIFECYCLES, &bucket_key(version.bucket()))? else {
            return Ok(None);
        };
        let object =
            ObjectState { size_bytes: version.size_bytes(), tags: version.tags().clone(), class: version.class() };
        Ok(plan::end_of_object(&configuration, version.key().as_str(), version.modified_ms(), &object))
    }

    /// When a rule will give up an upload, and which.
    pub fn lifecycle_end_of_upload(
        &self,
        _proof: &Authorized,
        upload: &UploadRecord,
    ) -> Result<Option<LifecycleEnd>, ObjectsError> {
        let Some(configuration) = self.snapshot()?.get(LIFECYCLES, &bucket_key(&upload.bucket))? else {
            return Ok(None);
        };
        Ok(plan::end_of_upload(&configuration, upload.key.as_str(), upload.initiated_ms))
    }
}
