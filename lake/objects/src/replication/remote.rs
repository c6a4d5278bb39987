//! Copies in buckets that are not of this lake. Knows no store: whoever runs the lake brings them.

use futures::StreamExt;
use futures::future::BoxFuture;
use tarn_types::AccountId;

use crate::classes::StorageClass;
use crate::encryption::Encryption;
use crate::get::ObjectVersion;
use crate::names::ObjectKey;
use crate::put::{Body, internal_body_error};
use crate::replication::acting::Actor;
use crate::replication::failure::{Failure, remote_failure};
use crate::replication::rules::ReplicationRule;
use crate::replication::worker::{Replicator, Turn};
use crate::tagging::{ObjectMetadata, Tags};

/// A version on its way to a bucket that is not of this lake.
pub struct RemoteCopy {
    /// Its key.
    pub key: ObjectKey,
    /// Bytes.
    pub size_bytes: u64,
    /// Headers.
    pub metadata: ObjectMetadata,
    /// Tags.
    pub tags: Tags,
    /// The class to be asked for.
    pub class: StorageClass,
    /// The bytes.
    pub body: Body<'static>,
}

/// Why a bucket elsewhere has not taken something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteError {
    /// It never will.
    Refused(String),
    /// It may, later.
    Unreachable(String),
}

/// Buckets that are not of this lake.
pub trait RemoteBuckets: Send + Sync + 'static {
    /// Whether the ARN names one that buckets of `owner` may be copied to.
    fn has(&self, owner: &AccountId, bucket_arn: &str) -> bool;
    /// Puts an object there.
    fn put<'a>(&'a self, bucket_arn: &'a str, copy: RemoteCopy) -> BoxFuture<'a, Result<(), RemoteError>>;
    /// Deletes an object there, without naming a version.
    fn delete<'a>(&'a self, bucket_arn: &'a str, key: &'a ObjectKey) -> BoxFuture<'a, Result<(), RemoteError>>;
}

impl Replicator {
    pub(super) async fn copy_out(
        &self,
        rule: &ReplicationRule,
        turn: &Turn<'_>,
        actor: &Actor,
        version: &ObjectVersion,
        takes_tags: bool,
    ) -> Result<(), Failure> {
        let seen = version.record();
        if matches!(seen.encryption, Encryption::Customer(_)) {
            let said = "only the customer has the key, and no other store takes what it has sealed here".to_owned();
            return Err(Failure::Final("SrcObjectNotEligible", said));
        }
        let mut needs = vec![("DstPutObjNotPermitted", "s3:ReplicateObject")];
        if takes_tags && !seen.tags.is_empty() {
            needs.push(("DstPutTaggingNotPermitted", "s3:ReplicateTags"));
        }
        self.may_write_out(actor, turn, needs)?;
        self.may_decrypt(actor, version)?;
        let data_key = self.objects.open_version(seen)?;
        let (objects, held) = (self.objects.clone(), version.clone());
        let parts = seen.parts.clone();
        let body = futures::stream::iter(parts).flat_map(move |part| {
            let (size_bytes, held) = (part.size_bytes, held.clone());
            let bytes = objects.read_part(&data_key, &part, 0..size_bytes);
            bytes.map(move |bytes| {
                // The version is held until its last byte was read.
                let _ = &held;
                bytes.map_err(|error| internal_body_error(&error))
            })
        });
        let copy = RemoteCopy {
            key: seen.key.clone(),
            size_bytes: seen.size_bytes,
            metadata: seen.metadata.clone(),
            tags: if takes_tags { seen.tags.clone() } else { Tags::default() },
            class: rule.destination.class.unwrap_or(seen.class),
            body: body.boxed(),
        };
        let put = self.remote.put(&turn.destination, copy).await;
        put.map_err(|error| remote_failure(error, "DstPutObjNotPermitted"))
    }
}
