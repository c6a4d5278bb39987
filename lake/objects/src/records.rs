//! What the metadata store keeps of buckets, versions, uploads and parts. Plain data with a version; knows no calls.
//! Forms of older servers are in `records_v1.rs`.

use serde::{Deserialize, Serialize};
use tarn_blobs::BlobRef;
use tarn_keys::SealedDataKey;
use tarn_metadata::{Key, Record, RecordError};
use tarn_types::{AccountId, Region};

use crate::acl::Acl;
use crate::checksums::{Checksum, ChecksumAlgorithm, ChecksumKind, Etag};
use crate::classes::{AccessTier, StorageClass};
use crate::encryption::{BucketEncryption, Encryption};
use crate::lock::{BucketLock, VersionLock};
use crate::names::{BucketName, ObjectKey};
use crate::ownership_controls::ObjectOwnership;
use crate::packing::Packing;
use crate::public_access_block::PublicAccessBlock;
use crate::records_v1;
use crate::records_v2;
use crate::restore::Restore;
use crate::tagging::{ObjectMetadata, Tags};

/// Names an object version or an upload (which becomes the version): milliseconds since 1970 (48 bits), then randomness, so that
/// records made together lie together. Never reused; bound into the encryption.
pub type VersionUuid = [u8; 16];

/// Whether a bucket keeps what is replaced or deleted.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Versioning {
    /// Never asked for: every object is the null version.
    #[default]
    Unversioned,
    /// Each write makes a version with a name of its own.
    Enabled,
    /// Writes replace the null version; versions with names stay.
    Suspended,
}

/// A bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Its name.
    pub name: BucketName,
    /// Whose it is.
    pub owner: AccountId,
    /// Where it is.
    pub region: Region,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
    /// The policy as it was put.
    pub policy: Option<String>,
    /// Its tags.
    pub tags: Tags,
    /// Whether it keeps versions.
    pub versioning: Versioning,
    /// How its objects are encrypted if their writers do not say, where that is not by the lake's own key.
    pub encryption: Option<BucketEncryption>,
    /// Whether its versions can be locked, and how new ones are.
    pub lock: Option<BucketLock>,
    /// Its ownership controls.
    pub ownership: Option<ObjectOwnership>,
    /// Its access control list, where that says more than that the owner has all.
    pub acl: Option<Acl>,
    /// Its Block Public Access.
    pub public_access_block: Option<PublicAccessBlock>,
    /// Whether its policy, if it has one, binds the owner's root even where it locks the policy itself.
    pub policy_binds_root: bool,
}

impl Record for Bucket {
    const VERSION: u16 = 2;

    fn migrate(version: u16, bytes: &[u8]) -> Result<Self, RecordError> {
        records_v1::migrate::<Self, records_v1::Bucket>(version, bytes)
    }
}

/// How S3 names a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum VersionName {
    /// `null`: made while the bucket was not versioned, or while its versioning was suspended.
    Null,
    /// By its id: made while the bucket was versioned.
    Id,
    /// By the id of the version that it is a copy of, in another bucket: a replica.
    Named(VersionUuid),
}

/// The compact record that listings read: what is at a key now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurrentVersion {
    /// Which version.
    pub id: VersionUuid,
    /// Bytes.
    pub size_bytes: u64,
    /// Milliseconds since 1970.
    pub modified_ms: i64,
    /// Its entity tag.
    pub etag: Etag,
    /// Where the bytes are.
    pub class: StorageClass,
    /// Which checksum it carries.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    /// How many tags it has: policies that ask for tags need not read the whole record for most objects.
    pub tag_count: u8,
    /// How S3 names it.
    pub name: VersionName,
    /// Whose it is, where that is not the bucket's owner.
    pub owner: Option<AccountId>,
    /// The sequence of the transaction that put it at its key: of two versions of a key the higher is the newer.
    pub order: u64,
}

impl Record for CurrentVersion {
    const VERSION: u16 = 2;

    fn migrate(version: u16, bytes: &[u8]) -> Result<Self, RecordError> {
        records_v1::migrate::<Self, records_v1::CurrentVersion>(version, bytes)
    }
}

/// What was put at a key by a deletion in a versioned bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteMarker {
    /// Which.
    pub id: VersionUuid,
    /// How S3 names it.
    pub name: VersionName,
    /// When it was made, milliseconds since 1970.
    pub modified_ms: i64,
    /// Whose it is, where that is not the bucket's owner.
    pub owner: Option<AccountId>,
    /// The sequence of the transaction that put it at its key.
    pub order: u64,
}

/// One of the versions of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum VersionEntry {
    /// An object.
    Object(CurrentVersion),
    /// A delete marker.
    DeleteMarker(DeleteMarker),
}

/// A version that is not the latest, or a delete marker that is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryRecord {
    /// The version.
    pub entry: VersionEntry,
    /// Since when it is not the latest any more, milliseconds since 1970; nothing if it is (a delete marker).
    pub noncurrent_since_ms: Option<i64>,
}

impl Record for HistoryRecord {
    const VERSION: u16 = 1;
}

/// Where the null version of a key lies in the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NullVersion {
    /// Its order.
    pub order: u64,
}

impl Record for NullVersion {
    const VERSION: u16 = 1;
}

/// One part of a version: what is encrypted under a key of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartRecord {
    /// 1 to 10,000; 1 where the object was uploaded at once.
    pub number: u32,
    /// Plain bytes.
    pub size_bytes: u64,
    /// The sealed bytes. Its owner names the upload attempt that the part's key was derived for.
    pub blob: BlobRef,
    /// The checksum, in the version's algorithm.
    pub checksum: Option<Vec<u8>>,
    /// How the bytes were packed before they were sealed.
    pub packing: Packing,
    /// The upload attempt that the part's key was derived for, where that is not the blob's owner: in a replica whose bytes were sealed
    /// for its source.
    pub sealed_for: Option<VersionUuid>,
}

impl PartRecord {
    /// What the part's key is derived for.
    pub(crate) fn attempt(&self) -> VersionUuid {
        self.sealed_for.unwrap_or(self.blob.owner.version)
    }
}

/// All that is known of one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionRecord {
    /// Which.
    pub id: VersionUuid,
    /// How S3 names it.
    pub name: VersionName,
    /// Its bucket.
    pub bucket: BucketName,
    /// Its key.
    pub key: ObjectKey,
    /// Plain bytes.
    pub size_bytes: u64,
    /// When it was made, milliseconds since 1970.
    pub modified_ms: i64,
    /// Its entity tag.
    pub etag: Etag,
    /// The checksum of the whole.
    pub checksum: Option<Checksum>,
    /// Headers.
    pub metadata: ObjectMetadata,
    /// Tags.
    pub tags: Tags,
    /// Where the bytes are.
    pub class: StorageClass,
    /// The data key, sealed as `encryption` says.
    pub data_key: SealedDataKey,
    /// Authenticates sizes, entity tag and parts under a key of the version.
    pub layout_tag: [u8; 32],
    /// The parts in order; one if it was uploaded at once.
    pub parts: Vec<PartRecord>,
    /// Whose it is, where that is not the bucket's owner.
    pub owner: Option<AccountId>,
    /// What the data key is sealed by.
    pub encryption: Encryption,
    /// The sequence of the transaction that put it at its key.
    pub order: u64,
    /// What keeps it from being removed.
    pub lock: VersionLock,
    /// Its access control list, where that says more than that the owner has all.
    pub acl: Option<Acl>,
    /// How far it has moved, in INTELLIGENT_TIERING.
    pub tier: AccessTier,
    /// What was asked and done to read it, where its class needs that.
    pub restore: Option<Restore>,
    /// The version that the data key was sealed for, where that is another: in a replica under a key that the lake has not.
    pub sealed_for: Option<VersionUuid>,
}

impl Record for VersionRecord {
    const VERSION: u16 = 3;

    fn migrate(version: u16, bytes: &[u8]) -> Result<Self, RecordError> {
        match version {
            2 => records_v2::migrate(bytes),
            _ => records_v1::migrate::<Self, records_v1::VersionRecord>(version, bytes),
        }
    }
}

impl VersionRecord {
    pub(crate) fn current(&self) -> CurrentVersion {
        CurrentVersion {
            id: self.id,
            size_bytes: self.size_bytes,
            modified_ms: self.modified_ms,
            etag: self.etag,
            class: self.class,
            checksum: self.checksum.as_ref().map(|checksum| (checksum.algorithm, checksum.kind)),
            tag_count: u8::try_from(self.tags.len()).unwrap_or(u8::MAX),
            name: self.name,
            owner: self.owner.clone(),
            order: self.order,
        }
    }

    /// What the data key is bound to.
    pub(crate) fn sealing_id(&self) -> VersionUuid {
        self.sealed_for.unwrap_or(self.id)
    }

    pub(crate) fn dead(&self) -> DeadBlobs {
        DeadBlobs { version: self.id, blobs: self.blobs().cloned().collect() }
    }

    /// All blobs that it names: its parts', and those of a restored copy.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = &BlobRef> {
        self.parts.iter().map(|part| &part.blob).chain(self.restore.iter().flat_map(Restore::copies))
    }

    /// The place where it names `blob`, to put another there.
    pub(crate) fn blob_mut(&mut self, blob: &BlobRef) -> Option<&mut BlobRef> {
        let parts = self.parts.iter_mut().map(|part| &mut part.blob);
        parts.chain(self.restore.iter_mut().flat_map(Restore::copies_mut)).find(|named| *named == blob)
    }

    /// Whether its bytes are read from a restored copy only.
    pub(crate) fn needs_restore(&self) -> bool {
        self.class.needs_restore(self.tier)
    }

    /// Part `index` with the blob that its bytes are read from.
    pub(crate) fn part_to_read(&self, index: usize) -> Option<PartRecord> {
        let part = self.parts.get(index)?;
        if !self.needs_restore() {
            return Some(part.clone());
        }
        let blob = self.restore.as_ref()?.copies().get(index)?.clone();
        Some(PartRecord { blob, ..part.clone() })
    }
}

/// A multipart upload under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadRecord {
    /// Names it, and becomes the version's id.
    pub id: VersionUuid,
    /// Its bucket.
    pub bucket: BucketName,
    /// Its key.
    pub key: ObjectKey,
    /// When it began, milliseconds since 1970.
    pub initiated_ms: i64,
    /// The ARN of who began it; empty for nobody.
    pub initiator: String,
    /// Headers of the object to be.
    pub metadata: ObjectMetadata,
    /// Tags of the object to be.
    pub tags: Tags,
    /// Class of the object to be.
    pub class: StorageClass,
    /// The checksum its creator asked for.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    /// The data key, sealed as `encryption` says.
    pub data_key: SealedDataKey,
    /// Whose the object will be, where that is not the bucket's owner.
    pub owner: Option<AccountId>,
    /// What the data key is sealed by.
    pub encryption: Encryption,
    /// The lock that was asked for; without one, the bucket's default holds when the upload is completed.
    pub lock: VersionLock,
    /// The access control list of the object to be, where that says more than that its owner has all.
    pub acl: Option<Acl>,
}

impl Record for UploadRecord {
    const VERSION: u16 = 2;

    fn migrate(version: u16, bytes: &[u8]) -> Result<Self, RecordError> {
        records_v1::migrate::<Self, records_v1::UploadRecord>(version, bytes)
    }
}

/// An uploaded part that is not yet an object's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadedPart {
    /// 1 to 10,000.
    pub number: u32,
    /// Plain bytes.
    pub size_bytes: u64,
    /// Its entity tag: the MD5 of the plain bytes, or a MAC of that where a KMS or a customer's key is used.
    pub md5: [u8; 16],
    /// The checksum of the upload's algorithm, and those the caller gave besides.
    pub checksums: Vec<Checksum>,
    /// When it was uploaded, milliseconds since 1970.
    pub modified_ms: i64,
    /// The sealed bytes.
    pub blob: BlobRef,
    /// How the bytes were packed before they were sealed.
    pub packing: Packing,
}

impl Record for UploadedPart {
    const VERSION: u16 = 2;

    fn migrate(version: u16, bytes: &[u8]) -> Result<Self, RecordError> {
        records_v1::migrate::<Self, records_v1::UploadedPart>(version, bytes)
    }
}

/// Which upload (and so which version) a part's blob belongs to: found by the blob's owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartOwner {
    /// The upload.
    pub upload: VersionUuid,
}

impl Record for PartOwner {
    const VERSION: u16 = 1;
}

/// Blobs that no record names any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadBlobs {
    /// Whose they were: they stay while that version is being read.
    pub version: VersionUuid,
    /// What to delete.
    pub blobs: Vec<BlobRef>,
}

impl Record for DeadBlobs {
    const VERSION: u16 = 1;
}

impl UploadedPart {
    pub(crate) fn checksum(&self, algorithm: ChecksumAlgorithm) -> Option<&Checksum> {
        self.checksums.iter().find(|checksum| checksum.algorithm == algorithm)
    }
}

pub(crate) fn bucket_key(bucket: &BucketName) -> Key {
    Key::new().text(bucket.as_str())
}

pub(crate) fn current_key(bucket: &BucketName, key: &ObjectKey) -> Key {
    bucket_key(bucket).text(key.as_str())
}

/// Where the versions of a key that are not in `CURRENT` begin; the newest is the first.
pub(crate) fn history_key(bucket: &BucketName, key: &ObjectKey, order: u64) -> Key {
    current_key(bucket, key).u64_descending(order)
}

pub(crate) fn version_key(id: &VersionUuid) -> Key {
    Key::new().raw(id)
}

pub(crate) fn upload_key(bucket: &BucketName, key: &ObjectKey, id: &VersionUuid) -> Key {
    current_key(bucket, key).raw(id)
}

pub(crate) fn part_key(upload: &VersionUuid, number: u32) -> Key {
    Key::new().raw(upload).u32(number)
}
