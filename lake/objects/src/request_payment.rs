//! Who pays for requests to a bucket, whether it is accelerated, and whether policies may speak of its tags: one small record each.
//! Of these, requester pays is seen by clients here: other accounts must say that they pay.

use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_metadata::{Read, Record};
use tarn_policy::Authorized;

use crate::errors::ObjectsError;
use crate::keyspaces::{ABAC, ACCELERATE, REQUEST_PAYMENT};
use crate::names::BucketName;
use crate::objects::Objects;
use crate::records::bucket_key;

/// Who pays for requests and downloads.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/RequesterPaysBuckets.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Payer {
    /// The bucket's owner.
    #[default]
    BucketOwner,
    /// Whoever asks, and says so.
    Requester,
}

impl Record for Payer {
    const VERSION: u16 = 1;
}

/// Whether a setting is on. Once it was on, it can only be suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Acceleration {
    /// It is on.
    Enabled,
    /// It was on.
    Suspended,
}

impl Record for Acceleration {
    const VERSION: u16 = 1;
}

/// Whether policies may speak of the bucket's tags.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/buckets-tagging-enable-abac.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Abac {
    /// They may.
    Enabled,
    /// They find no tags.
    #[default]
    Disabled,
}

impl Record for Abac {
    const VERSION: u16 = 1;
}

/// Whether policies may speak of the bucket's tags.
pub(crate) fn policies_may_speak_of_tags(read: &impl Read, bucket: &BucketName) -> Result<bool, ObjectsError> {
    Ok(read.get(ABAC, &bucket_key(bucket))? == Some(Abac::Enabled))
}

impl Objects {
    /// Who pays.
    pub fn bucket_payer(&self, _proof: &Authorized, bucket: &BucketName) -> Result<Payer, ObjectsError> {
        Ok(self.configuration(REQUEST_PAYMENT, bucket)?.unwrap_or_default())
    }

    /// Whether requests of other accounts must say that they pay: not a fact that needs a permission, since the refusal tells it.
    pub fn is_requester_pays(&self, bucket: &BucketName) -> Result<bool, ObjectsError> {
        Ok(self.snapshot()?.get(REQUEST_PAYMENT, &bucket_key(bucket))? == Some(Payer::Requester))
    }

    /// Sets who pays.
    pub async fn put_bucket_payer(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        payer: Payer,
    ) -> Result<(), ObjectsError> {
        self.set_configuration(caller, REQUEST_PAYMENT, bucket, Some(payer)).await
    }

    /// Whether the bucket is accelerated; nothing, if it never was.
    pub fn bucket_acceleration(
        &self,
        _proof: &Authorized,
        bucket: &BucketName,
    ) -> Result<Option<Acceleration>, ObjectsError> {
        self.configuration(ACCELERATE, bucket)
    }

    /// Sets whether the bucket is accelerated.
    pub async fn put_bucket_acceleration(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        acceleration: Acceleration,
    ) -> Result<(), ObjectsError> {
        if bucket.as_str().contains('.') {
            return Err(ObjectsError::InvalidRequest {
                reason: "S3 Transfer Acceleration is not supported for buckets with periods (.) in their names"
                    .to_owned(),
            });
        }
        self.set_configuration(caller, ACCELERATE, bucket, Some(acceleration)).await
    }

    /// Whether policies may speak of the bucket's tags.
    pub fn bucket_abac(&self, _proof: &Authorized, bucket: &BucketName) -> Result<Abac, ObjectsError> {
        Ok(self.configuration(ABAC, bucket)?.unwrap_or_default())
    }

    /// Sets whether policies may speak of the bucket's tags.
    pub async fn put_bucket_abac(&self, caller: &Caller, bucket: &BucketName, abac: Abac) -> Result<(), ObjectsError> {
        self.set_configuration(caller, ABAC, bucket, Some(abac)).await
    }
}
