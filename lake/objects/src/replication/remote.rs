//! Copies in buckets that are not of this lake. Knows no store: whoever runs the lake brings them.

use futures::StreamExt;
use futures::future::BoxFuture;
use tarn_metadata::{StoreExt, Tx};
use tarn_types::AccountId;

use crate::acl::Acl;
use crate::classes::StorageClass;
use crate::encryption::Encryption;
use crate::errors::ObjectsError;
use crate::get::ObjectVersion;
use crate::lock::Retention;
use crate::names::ObjectKey;
use crate::put::{Body, internal_body_error};
use crate::records::VersionRecord;
use crate::replication::acting::Actor;
use crate::replication::failure::{Failure, remote_failure};
use crate::replication::rules::ReplicationRule;
use crate::replication::state::CopyThere;
use crate::replication::worker::{Replicator, Turn, Work};
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

/// What is changed of a copy elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteChange {
    /// Its tags are these.
    Tags(Tags),
    /// Its list is this.
    Acl(RemoteAcl),
    /// It has this retention.
    Retention(Retention),
    /// A legal hold is on it, or not.
    LegalHold(bool),
}

/// A list as it is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteAcl {
    /// Whose the version is.
    pub owner: AccountId,
    /// The list.
    pub acl: Acl,
}

/// Why a bucket elsewhere has not taken something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteError {
    /// It never will.
    Refused(String),
    /// It may, later.
    Unreachable(String),
    /// The copy that was to be changed is not there any more.
    Gone,
}

/// Buckets that are not of this lake.
pub trait RemoteBuckets: Send + Sync + 'static {
    /// Whether the ARN names one that buckets of `owner` may be copied to.
    fn has(&self, owner: &AccountId, bucket_arn: &str) -> bool;
    /// Puts an object there; answers which version it became, if the store there says so.
    fn put<'a>(&'a self, bucket_arn: &'a str, copy: RemoteCopy) -> BoxFuture<'a, Result<Option<String>, RemoteError>>;
    /// Changes a version there. What the bucket there has not, such as locks or lists, is left.
    fn change<'a>(
        &'a self,
        bucket_arn: &'a str,
        key: &'a ObjectKey,
        version: &'a str,
        change: RemoteChange,
    ) -> BoxFuture<'a, Result<(), RemoteError>>;
    /// Deletes an object there, without naming a version.
    fn delete<'a>(&'a self, bucket_arn: &'a str, key: &'a ObjectKey) -> BoxFuture<'a, Result<(), RemoteError>>;
}

impl Replicator {
    /// Makes a copy as its version is: a new one, or the one that was made before.
    pub(super) async fn bring_out(
        &self,
        work: &Work,
        rule: &ReplicationRule,
        turn: &Turn<'_>,
        actor: &Actor,
        version: &ObjectVersion,
        takes_tags: bool,
    ) -> Result<CopyThere, Failure> {
        let seen = version.record();
        let name = match &work.target.copy {
            CopyThere::Named(name) => {
                let mut needs = vec![("DstPutObjNotPermitted", "s3:ReplicateObject")];
                if takes_tags && !seen.tags.is_empty() {
                    needs.push(("DstPutTaggingNotPermitted", "s3:ReplicateTags"));
                }
                self.may_write_out(actor, turn, needs)?;
                let tags = takes_tags.then(|| ("DstPutTaggingNotPermitted", RemoteChange::Tags(seen.tags.clone())));
                // A list that was taken away is as much a change as another.
                let changes = self.list_and_lock(work, rule, seen, true).chain(tags).collect();
                self.change_out(turn, name, changes).await?;
                name.clone()
            }
            CopyThere::Unnamed => {
                let said =
                    "the store there has not said which version the copy is: its changes cannot follow".to_owned();
                return Err(Failure::Final("DstBucketUnversioned", said));
            }
            CopyThere::None => {
                let Some(name) = self.copy_out(rule, turn, actor, version, takes_tags).await? else {
                    return Ok(CopyThere::Unnamed);
                };
                let changes: Vec<_> = self.list_and_lock(work, rule, seen, false).collect();
                if !changes.is_empty() {
                    // Kept at once: where a change is not taken it is tried again, and the copy is not made twice.
                    let (finish, copy) = (self.finish(turn, Some(rule)), CopyThere::Named(name.clone()));
                    let note = move |tx: &mut Tx<'_>| finish.copied(tx, &copy);
                    self.objects.store.write(note).await.map_err(ObjectsError::from)?;
                    self.change_out(turn, &name, changes).await?;
                }
                name
            }
        };
        Ok(CopyThere::Named(name))
    }

    /// What a copy elsewhere is to have besides its tags. One that is new has no list and no lock: what its version has not, it need not
    /// be told.
    fn list_and_lock(
        &self,
        work: &Work,
        rule: &ReplicationRule,
        seen: &VersionRecord,
        is_there: bool,
    ) -> impl Iterator<Item = (&'static str, RemoteChange)> + use<> {
        let owner = seen.owner.clone().unwrap_or_else(|| work.source.owner.clone());
        let has_list = work.source.has_acls() && !rule.destination.is_given_over && (is_there || seen.acl.is_some());
        let acl = has_list.then(|| {
            let acl = seen.acl.clone().unwrap_or_else(|| Acl::private(&owner));
            ("DstPutAclNotPermitted", RemoteChange::Acl(RemoteAcl { owner, acl }))
        });
        let now_ms = self.objects.now_ms();
        let retention = seen.lock.retention.filter(|retention| !retention.is_over(now_ms));
        let lock = retention.map(RemoteChange::Retention).into_iter();
        let lock = lock.chain(seen.lock.legal_hold.map(RemoteChange::LegalHold));
        // What protects the copy comes first.
        lock.map(|change| ("DstPutObjNotPermitted", change)).chain(acl)
    }

    async fn change_out(
        &self,
        turn: &Turn<'_>,
        version: &str,
        changes: Vec<(&'static str, RemoteChange)>,
    ) -> Result<(), Failure> {
        // One that is refused keeps no other from being made.
        let mut outcome = Ok(());
        for (refused, change) in changes {
            match self.remote.change(&turn.destination, &turn.task.key, version, change).await {
                Ok(()) => {}
                // Changes follow while both are there.
                Err(RemoteError::Gone) => return Ok(()),
                Err(error @ RemoteError::Unreachable(_)) => return Err(remote_failure(error, refused)),
                Err(error @ RemoteError::Refused(_)) => outcome = outcome.and(Err(remote_failure(error, refused))),
            }
        }
        outcome
    }

    async fn copy_out(
        &self,
        rule: &ReplicationRule,
        turn: &Turn<'_>,
        actor: &Actor,
        version: &ObjectVersion,
        takes_tags: bool,
    ) -> Result<Option<String>, Failure> {
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
