//! Object Ownership: whether access control lists work in a bucket, and whose the objects are that others put into it.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html>

use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_policy::Authorized;

use crate::errors::ObjectsError;
use crate::keyspaces::BUCKETS;
use crate::names::BucketName;
use crate::objects::{Objects, bucket_in};
use crate::records::{Bucket, bucket_key};

/// Whose objects are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ObjectOwnership {
    /// The bucket's owner's, all of them; lists have no effect and cannot be set.
    BucketOwnerEnforced,
    /// Their writer's, unless the writer gives them over by `bucket-owner-full-control`.
    BucketOwnerPreferred,
    /// Their writer's.
    ObjectWriter,
}

impl ObjectOwnership {
    /// As S3 spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::BucketOwnerEnforced => "BucketOwnerEnforced",
            Self::BucketOwnerPreferred => "BucketOwnerPreferred",
            Self::ObjectWriter => "ObjectWriter",
        }
    }

    /// From S3's spelling.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::BucketOwnerEnforced, Self::BucketOwnerPreferred, Self::ObjectWriter]
            .into_iter()
            .find(|ownership| ownership.name() == text)
    }
}

impl Bucket {
    /// Whether access control lists work in it. Without ownership controls they do, as with `ObjectWriter`.
    pub fn has_acls(&self) -> bool {
        self.ownership != Some(ObjectOwnership::BucketOwnerEnforced)
    }
}

impl Objects {
    /// The bucket's rule.
    pub fn ownership_controls(&self, proof: &Authorized, name: &BucketName) -> Result<ObjectOwnership, ObjectsError> {
        self.bucket(proof, name)?
            .ownership
            .ok_or_else(|| ObjectsError::NoSuchOwnershipControls { bucket: name.to_string() })
    }

    /// Sets the bucket's rule. Lists can only be disabled where the bucket's grants nothing to others.
    pub async fn put_ownership_controls(
        &self,
        caller: &Caller,
        name: &BucketName,
        ownership: ObjectOwnership,
    ) -> Result<(), ObjectsError> {
        let name = name.clone();
        caller
            .commit(&*self.store, move |tx| {
                let mut bucket = bucket_in(tx, &name)?;
                if ownership == ObjectOwnership::BucketOwnerEnforced && bucket.has_acls() && bucket.acl.is_some() {
                    return Err(ObjectsError::AclWithOwnershipEnforced { bucket: name.to_string() });
                }
                bucket.ownership = Some(ownership);
                Ok(tx.put(BUCKETS, &bucket_key(&name), &bucket)?)
            })
            .await
            .map_err(ObjectsError::from)
    }

    /// Removes the bucket's rule, if it has one.
    pub async fn delete_ownership_controls(&self, caller: &Caller, name: &BucketName) -> Result<(), ObjectsError> {
        self.change_bucket(caller, name, |bucket| bucket.ownership = None).await
    }
}
