//! `Objects`: the lake's buckets and objects, and what all of its calls share. Each kind of call lies in a file of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use tarn_blobs::{BlobOwner, BlobStore, BlobWriter, VolumeId};
use tarn_keys::kms::Kms;
use tarn_keys::{DataKey, KeyContext, Keys, SealedDataKey};
use tarn_metadata::{Read, Snapshot, Store, StoreExt};
use tarn_policy::{EntityIds, Organization};
use tarn_runtime::{EntropyExt, Runtime};
use tokio::sync::Notify;

use crate::classes::{AccessTier, Placement, StorageClass};
use crate::errors::ObjectsError;
use crate::events::delivery::EventsShared;
use crate::intelligent_tiering::RecentReads;
use crate::keyspaces::BUCKETS;
use crate::logging::AccessLines;
use crate::names::BucketName;
use crate::ownership_controls::ObjectOwnership;
use crate::packing::{Compressing, Packing};
use crate::pins::Pins;
use crate::policy::PolicyCache;
use crate::records::{Bucket, VersionRecord, VersionUuid, bucket_key};
use crate::replication::worker::ReplicationShared;

/// What may be set differently.
#[derive(Debug, Clone)]
pub struct ObjectsOptions {
    /// The most buckets of one account.
    pub buckets_count_max: usize,
    /// The smallest part but the last, bytes. AWS: 5 MiB.
    pub part_size_bytes_min: u64,
    /// The most bytes of one PUT or one part. AWS: 5 GiB.
    pub part_size_bytes_max: u64,
    /// How long a day of lifecycle rules and restored copies lasts, milliseconds. Only tests have another than a day.
    pub day_ms: i64,
    /// Whose the objects are in new buckets, unless their creator says otherwise.
    pub object_ownership: ObjectOwnership,
    /// Whether new buckets have Block Public Access.
    pub block_public_access: bool,
    /// Where new objects of a class go, if not to the main drive.
    pub class_volumes: BTreeMap<StorageClass, VolumeId>,
    /// Of whose accounts policies of keys may speak.
    pub organization: Option<Arc<Organization>>,
    /// Who knows the ids of users and roles that policies name; without it they are known by their names alone.
    pub entity_ids: Option<Arc<dyn EntityIds>>,
    /// How long a destination of replication that cannot be reached is left alone, the first time.
    pub replication_pause: Duration,
}

/// A day, milliseconds.
pub const DAY_MS: i64 = 24 * 60 * 60 * 1000;

impl Default for ObjectsOptions {
    fn default() -> Self {
        Self {
            buckets_count_max: 10_000,
            part_size_bytes_min: 5 << 20,
            part_size_bytes_max: 5 << 30,
            day_ms: DAY_MS,
            // As on AWS since April 2023.
            object_ownership: ObjectOwnership::BucketOwnerEnforced,
            block_public_access: true,
            class_volumes: BTreeMap::new(),
            organization: None,
            entity_ids: None,
            replication_pause: Duration::from_millis(500),
        }
    }
}

/// Buckets and objects. Cheap to clone; all clones are the same lake.
#[derive(Clone)]
pub struct Objects(Arc<ObjectsShared>);

/// What all clones share.
pub struct ObjectsShared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) blobs: Arc<dyn BlobStore>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) kms: Kms,
    pub(crate) runtime: Runtime,
    pub(crate) options: Arc<ObjectsOptions>,
    pub(crate) pins: Arc<Pins>,
    pub(crate) dead: Arc<Notify>,
    /// Rules were put.
    pub(crate) lifecycles_changed: Arc<Notify>,
    pub(crate) policies: Arc<PolicyCache>,
    pub(crate) access_lines: Arc<AccessLines>,
    pub(crate) compressing: Compressing,
    pub(crate) events: Arc<EventsShared>,
    pub(crate) replication: Arc<ReplicationShared>,
    /// A restore was asked for, done or prolonged.
    pub(crate) restores_changed: Arc<Notify>,
    pub(crate) recent_reads: Arc<RecentReads>,
    /// An inventory was put.
    pub(crate) inventories_changed: Arc<Notify>,
}

impl Deref for Objects {
    type Target = ObjectsShared;

    fn deref(&self) -> &ObjectsShared {
        &self.0
    }
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Objects")
    }
}

impl Objects {
    /// Over what is in `store` and `blobs`.
    pub fn new(
        store: Arc<dyn Store>,
        blobs: Arc<dyn BlobStore>,
        keys: Arc<Keys>,
        runtime: Runtime,
        options: ObjectsOptions,
    ) -> Self {
        let options = Arc::new(options);
        let (organization, entity_ids) = (options.organization.clone(), options.entity_ids.clone());
        let kms = Kms::new(store.clone(), keys.clone(), runtime.clone(), options.day_ms, organization, entity_ids);
        Self(Arc::new(ObjectsShared {
            store,
            blobs,
            keys,
            kms,
            runtime,
            options,
            pins: Arc::default(),
            dead: Arc::default(),
            lifecycles_changed: Arc::default(),
            policies: Arc::default(),
            access_lines: Arc::default(),
            compressing: Compressing::default(),
            events: Arc::default(),
            replication: Arc::default(),
            restores_changed: Arc::default(),
            recent_reads: Arc::default(),
            inventories_changed: Arc::default(),
        }))
    }

    /// What is durable now.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, ObjectsError> {
        let snapshot = self.store.read()?;
        self.pins.saw(snapshot.sequence());
        Ok(snapshot)
    }

    /// How the bytes of an object are kept, and where.
    pub(crate) fn placement(&self, class: StorageClass, tier: AccessTier) -> Placement {
        Placement { volume: self.options.class_volumes.get(&class).copied(), ..class.placement(tier) }
    }

    pub(crate) async fn create_blob(
        &self,
        owner: BlobOwner,
        len_hint: Option<u64>,
        placement: Placement,
    ) -> Result<Box<dyn BlobWriter>, ObjectsError> {
        let writer = match placement.volume {
            None => self.blobs.create_as(owner, len_hint, placement.form).await,
            Some(volume) => self.blobs.create_on(volume, owner, len_hint, placement.form).await,
        };
        writer.map_err(ObjectsError::Blob)
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.runtime.now().as_millisecond()
    }

    /// A new id: time first, so that records made together lie together.
    pub(crate) fn new_uuid(&self) -> VersionUuid {
        let mut id: VersionUuid = self.runtime.entropy.bytes();
        let time = u64::try_from(self.now_ms()).unwrap_or(0).to_be_bytes();
        id[..6].copy_from_slice(&time[2..]);
        id
    }

    pub(crate) fn new_data_key(&self, id: &VersionUuid) -> Result<(DataKey, SealedDataKey), ObjectsError> {
        self.keys.data_key(&data_key_context(id)).map_err(ObjectsError::Keys)
    }

    pub(crate) fn open_data_key(&self, id: &VersionUuid, sealed: &SealedDataKey) -> Result<DataKey, ObjectsError> {
        self.keys.open_data_key(sealed, &data_key_context(id)).map_err(ObjectsError::Keys)
    }
}

pub(crate) fn data_key_context(id: &VersionUuid) -> KeyContext {
    KeyContext::new("object-version").part(id)
}

/// What the sealed sizes and places of a version are authenticated by: nothing that a compaction may change.
pub(crate) fn layout_bytes(record: &VersionRecord) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64 + record.parts.len() * 40);
    bytes.extend_from_slice(&record.id);
    bytes.extend_from_slice(&record.size_bytes.to_be_bytes());
    bytes.extend_from_slice(record.etag.to_string().as_bytes());
    for part in &record.parts {
        bytes.extend_from_slice(&part.number.to_be_bytes());
        bytes.extend_from_slice(&part.size_bytes.to_be_bytes());
        bytes.extend_from_slice(&part.blob.owner.version);
        bytes.extend_from_slice(&part.blob.len.to_be_bytes());
        // A number begins with a zero byte, so that this cannot be taken for the next part's.
        match part.packing {
            Packing::Raw => {}
            Packing::Frames => bytes.push(1),
        }
        if let Some(attempt) = &part.sealed_for {
            bytes.push(2);
            bytes.extend_from_slice(attempt);
        }
    }
    if let Some(id) = &record.sealed_for {
        bytes.push(3);
        bytes.extend_from_slice(id);
    }
    bytes
}

/// Refuses where there is no such bucket.
pub(crate) fn bucket_in(read: &impl Read, bucket: &BucketName) -> Result<Bucket, ObjectsError> {
    read.get(BUCKETS, &bucket_key(bucket))?.ok_or_else(|| ObjectsError::NoSuchBucket { bucket: bucket.to_string() })
}

pub(crate) fn require_bucket(read: &impl Read, bucket: &BucketName) -> Result<(), ObjectsError> {
    if read.contains(BUCKETS, &bucket_key(bucket))? {
        Ok(())
    } else {
        Err(ObjectsError::NoSuchBucket { bucket: bucket.to_string() })
    }
}
