//! Copies in this lake: a copy, how it stands and the end of its task are one transaction. Knows no other store.

use tarn_audit::Caller;
use tarn_blobs::BlobOwner;
use tarn_keys::{DataKey, SealedDataKey};
use tarn_metadata::{Read, Tx};

use crate::acl::Acl;
use crate::classes::{AccessTier, Placement};
use crate::encryption::{Encryption, EncryptionRequest, Sealing};
use crate::errors::ObjectsError;
use crate::events::{Change, EventDetails, EventKind, Subject, announce};
use crate::get::ObjectVersion;
use crate::keyspaces::{BUCKETS, PART_OWNERS, REPLICATION_STATES, VERSIONS};
use crate::lock::{Bypass, VersionLock, lock_of_new};
use crate::names::{BucketName, ObjectKey};
use crate::public_access_block::effective_block;
use crate::put::{Durable, seal_layout};
use crate::records::{
    Bucket, DeleteMarker, PartOwner, PartRecord, VersionEntry, VersionName, VersionRecord, VersionUuid, Versioning,
    bucket_key, version_key,
};
use crate::replication::acting::Actor;
use crate::replication::failure::Failure;
use crate::replication::rules::ReplicationRule;
use crate::replication::state::{CopyThere, ReplicationState, state_key};
use crate::replication::worker::{Replicator, Turn, Work};
use crate::tagging::Tags;
use crate::versions::{VersionId, insert_marker, insert_version, locate, put_version};

/// A copy's bytes, durable and not committed, and all that is to be kept of how they are sealed.
struct CopiedBytes {
    data_key: SealedDataKey,
    sealed_for: Option<VersionUuid>,
    layout_key: DataKey,
    encryption: Encryption,
    parts: Vec<PartRecord>,
    durable: Vec<Durable>,
}

impl Replicator {
    pub(super) async fn mark_here(
        &self,
        work: &Work,
        rule: &ReplicationRule,
        turn: &Turn<'_>,
        actor: &Actor,
        id: [u8; 16],
    ) -> Result<Option<CopyThere>, Failure> {
        let (bucket, caller) = self.destination(rule, turn, actor, None)?;
        let (task, finish) = (turn.task.clone(), self.finish(turn, Some(rule)));
        let owner = (work.source.owner != bucket.owner).then(|| work.source.owner.clone());
        let change = move |tx: &mut Tx<'_>| {
            let version = VersionId::Id { order: task.order, uuid: id };
            if locate(tx, &bucket.name, &task.key, &version)?.is_none() {
                let (modified_ms, order) = (finish.now_ms, task.order);
                let marker = DeleteMarker { id, name: VersionName::Id, modified_ms, owner, order };
                insert_marker(tx, &bucket.name, &task.key, marker, finish.now_ms)?;
                note_replica(tx, &bucket.name, &task.key, task.order)?;
                let (kind, subject) = (EventKind::Marked, Subject::Marker(version));
                let (details, by) = (EventDetails::None, &finish.by);
                announce(tx, &Change { kind, bucket: &bucket.name, key: &task.key, subject, details, by })?;
            }
            finish.done(tx, Ok(CopyThere::None))
        };
        caller.commit(&*self.objects.store, change).await.map_err(ObjectsError::from)?;
        Ok(None)
    }

    /// Makes a copy as its version is: a new one, or one that is there. One that was there and is gone stays gone.
    pub(super) async fn bring_here(
        &self,
        work: &Work,
        rule: &ReplicationRule,
        turn: &Turn<'_>,
        actor: &Actor,
        version: &ObjectVersion,
        takes_tags: bool,
    ) -> Result<Option<CopyThere>, Failure> {
        let seen = version.record();
        let (bucket, caller) = self.destination(rule, turn, actor, Some(takes_tags && !seen.tags.is_empty()))?;
        match locate(&self.objects.snapshot()?, &bucket.name, &seen.key, &seen.version_id())?.map(|found| found.entry) {
            Some(VersionEntry::Object(found)) => {
                self.follow_here(work, rule, turn, (bucket, caller), (found.id, seen.id), takes_tags).await
            }
            Some(VersionEntry::DeleteMarker(_)) => Ok(Some(CopyThere::None)),
            None if work.target.copy == CopyThere::None => {
                self.may_decrypt(actor, version)?;
                self.copy_here(work, rule, turn, (bucket, caller), version, takes_tags).await
            }
            None => Ok(Some(CopyThere::None)),
        }
    }

    /// Gives a copy the tags, the list and the lock that its version has by now.
    async fn follow_here(
        &self,
        work: &Work,
        rule: &ReplicationRule,
        turn: &Turn<'_>,
        (bucket, caller): (Bucket, Caller),
        (copy, source): (VersionUuid, VersionUuid),
        takes_tags: bool,
    ) -> Result<Option<CopyThere>, Failure> {
        let finish = self.finish(turn, Some(rule));
        let keeps_owner = bucket.has_acls() && !rule.destination.is_given_over;
        // A bucket that has no locks has none to give on: what it says is not that there shall be none.
        let has_lock = bucket.lock.is_some() && work.source.lock.is_some();
        let source_owner = work.source.owner.clone();
        let follow = move |tx: &mut Tx<'_>| {
            // As it is now, and not as it was when the task was taken: of two changes the later one stays.
            let seen = tx.get(VERSIONS, &version_key(&source))?;
            let (Some(seen), Some(mut copy)) = (seen, tx.get(VERSIONS, &version_key(&copy))?) else {
                return finish.done(tx, Ok(CopyThere::None));
            };
            let named = CopyThere::Named(seen.version_id().to_string());
            if takes_tags {
                copy.tags = seen.tags;
            }
            let owner = seen.owner.unwrap_or(source_owner);
            if keeps_owner
                && *copy.owner.as_ref().unwrap_or(&bucket.owner) == owner
                && may_have(tx, &bucket, seen.acl.as_ref())?
            {
                copy.acl = seen.acl;
            }
            // Compliance is for ever: replication may hold the copy longer, and never let it go earlier.
            // What was never said at the source is not said here: a hold or a retention that the copy has of its own stays.
            let retention = seen.lock.retention.or(copy.lock.retention);
            let may_change = copy.lock.check_change(retention, Bypass::Governance, finish.now_ms).is_ok();
            if has_lock {
                let retention = if may_change { retention } else { copy.lock.retention };
                copy.lock = VersionLock { retention, legal_hold: seen.lock.legal_hold.or(copy.lock.legal_hold) };
            }
            put_version(tx, &copy)?;
            finish.done(tx, Ok(named))
        };
        caller.commit(&*self.objects.store, follow).await.map_err(ObjectsError::from)?;
        Ok(None)
    }

    async fn copy_here(
        &self,
        work: &Work,
        rule: &ReplicationRule,
        turn: &Turn<'_>,
        (bucket, caller): (Bucket, Caller),
        version: &ObjectVersion,
        takes_tags: bool,
    ) -> Result<Option<CopyThere>, Failure> {
        let (seen, objects) = (version.record(), &self.objects);
        let named = seen.version_id();
        let finish = self.finish(turn, Some(rule));
        let destination = &rule.destination;
        let VersionId::Id { order, uuid } = named else { return Err(Failure::of("SrcObjectNotEligible")) };
        let (id, class) = (objects.new_uuid(), destination.class.unwrap_or(seen.class));
        let placement = objects.placement(class, AccessTier::default());
        let copied = match &seen.encryption {
            Encryption::Lake => {
                let request = EncryptionRequest::Lake;
                let sealing = objects.sealing(&caller, &bucket.name, &seen.key, &id, &request).await?;
                self.reseal(seen, sealing, placement).await?
            }
            Encryption::Kms(_) => {
                let key = destination.kms_key.clone();
                let sealing = objects.sealing_of_replica(&caller, &bucket, &seen.key, &id, key).await?;
                self.reseal(seen, sealing, placement).await?
            }
            Encryption::Customer(_) => {
                if bucket.encryption.as_ref().is_some_and(|by| by.customer_keys_blocked == Some(true)) {
                    return Err(ObjectsError::CustomerKeysBlocked { bucket: bucket.name.to_string() }.into());
                }
                self.carry(seen, &id, placement).await?
            }
        };
        let CopiedBytes { data_key, sealed_for, layout_key, encryption, parts, durable } = copied;
        let keeps_owner = bucket.has_acls() && !destination.is_given_over;
        let owner = seen.owner.clone().unwrap_or_else(|| work.source.owner.clone());
        let mut record = VersionRecord {
            id,
            name: VersionName::Named(uuid),
            bucket: bucket.name.clone(),
            class,
            data_key,
            sealed_for,
            parts,
            owner: (keeps_owner && owner != bucket.owner).then_some(owner),
            encryption,
            order,
            lock: match bucket.lock {
                Some(_) => lock_of_new(bucket.lock, seen.lock, finish.now_ms),
                None => VersionLock::default(),
            },
            acl: seen.acl.clone().filter(|_| keeps_owner),
            tier: AccessTier::default(),
            restore: None,
            tags: if takes_tags { seen.tags.clone() } else { Tags::default() },
            ..seen.clone()
        };
        let fate = match seal_layout(&layout_key, &mut record) {
            Err(error) => Err(error),
            Ok(()) => {
                let install = move |tx: &mut Tx<'_>| {
                    let now = tx.get(BUCKETS, &bucket_key(&record.bucket))?;
                    let is_versioned = now.is_some_and(|now| now.versioning == Versioning::Enabled);
                    if !may_have(tx, &bucket, record.acl.as_ref())? {
                        record.acl = None;
                    }
                    let is_there = locate(tx, &record.bucket, &record.key, &record.version_id())?.is_some();
                    if !is_versioned || is_there {
                        return Err(ObjectsError::Changed);
                    }
                    for part in &record.parts {
                        let owner = PartOwner { upload: record.id };
                        tx.put(PART_OWNERS, &version_key(&part.blob.owner.version), &owner)?;
                    }
                    insert_version(tx, &record, finish.now_ms)?;
                    note_replica(tx, &record.bucket, &record.key, record.order)?;
                    announce(tx, &Change::of(EventKind::CreatedPut, &record, &finish.by))?;
                    finish.done(tx, Ok(CopyThere::Named(named.to_string())))?;
                    Ok::<_, ObjectsError>(true)
                };
                caller.commit(&*objects.store, install).await.map_err(ObjectsError::from)
            }
        };
        objects.settle_all(durable, fate).await?;
        Ok(None)
    }

    /// The bytes under a data key of the copy's own.
    async fn reseal(
        &self,
        seen: &VersionRecord,
        sealing: Sealing,
        placement: Placement,
    ) -> Result<CopiedBytes, ObjectsError> {
        let Sealing { data_key, sealed, layout_key, encryption } = sealing;
        let old_key = self.objects.open_version(seen)?;
        let (mut parts, mut durable) = (Vec::with_capacity(seen.parts.len()), Vec::with_capacity(seen.parts.len()));
        for part in &seen.parts {
            let moved = self.objects.copy_part(seen, &old_key, &data_key, part, placement).await?;
            let (blob, packing) = (moved.durable.blob.clone(), moved.packing);
            parts.push(PartRecord { blob, packing, ..part.clone() });
            durable.push(moved.durable);
        }
        Ok(CopiedBytes { data_key: sealed, sealed_for: None, layout_key, encryption, parts, durable })
    }

    /// The bytes as a customer's key has sealed them, which the lake has not: the copy opens by that key, and says which version it was
    /// bound to. <https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-config-for-kms-objects.html>
    async fn carry(
        &self,
        seen: &VersionRecord,
        id: &VersionUuid,
        placement: Placement,
    ) -> Result<CopiedBytes, ObjectsError> {
        self.objects.check_layout(seen)?;
        let (layout_key, encryption) = self.objects.sealing_of_customers_replica(id)?;
        let (mut parts, mut durable) = (Vec::with_capacity(seen.parts.len()), Vec::with_capacity(seen.parts.len()));
        for part in &seen.parts {
            let owner = BlobOwner { version: self.objects.new_uuid(), part: part.number.max(1) };
            let copy = self.objects.copy_sealed_for(owner, &part.blob, placement).await?;
            parts.push(PartRecord { blob: copy.blob.clone(), sealed_for: Some(part.attempt()), ..part.clone() });
            durable.push(copy);
        }
        let (data_key, sealed_for) = (seen.data_key.clone(), Some(seen.sealing_id()));
        Ok(CopiedBytes { data_key, sealed_for, layout_key, encryption, parts, durable })
    }
}

/// Whether the bucket takes such a list: replication does not put one there that nobody could.
fn may_have(read: &impl Read, bucket: &Bucket, acl: Option<&Acl>) -> Result<bool, ObjectsError> {
    Ok(!acl.is_some_and(Acl::is_public) || !effective_block(read, bucket)?.block_public_acls)
}

/// Marks what was copied as a copy, so that it is not copied on.
fn note_replica(tx: &mut Tx<'_>, bucket: &BucketName, key: &ObjectKey, order: u64) -> Result<(), ObjectsError> {
    let state = ReplicationState { is_replica: true, targets: Vec::new() };
    Ok(tx.put(REPLICATION_STATES, &state_key(bucket, key, order), &state)?)
}
