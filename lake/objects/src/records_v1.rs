//! The first stored forms of buckets, versions and uploads, and what each becomes when it is read. Nothing writes them any more.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tarn_blobs::BlobRef;
use tarn_keys::SealedDataKey;
use tarn_metadata::{Record, RecordError, decode_form};
use tarn_types::{AccountId, Region};

use crate::checksums::{Checksum, ChecksumAlgorithm, ChecksumKind, Etag};
use crate::classes::{AccessTier, StorageClass};
use crate::encryption::Encryption;
use crate::lock::VersionLock;
use crate::names::{BucketName, ObjectKey};
use crate::ownership_controls::ObjectOwnership;
use crate::packing::Packing;
use crate::records::{self, VersionName, VersionUuid, Versioning};
use crate::tagging::{self, Tags};

/// Reads version 1 as `Old` and makes today's record of it.
pub(crate) fn migrate<R: Record, Old: DeserializeOwned + Into<R>>(
    version: u16,
    bytes: &[u8],
) -> Result<R, RecordError> {
    if version != 1 {
        return Err(RecordError::Version { found: version, known: R::VERSION });
    }
    decode_form::<Old>(bytes).map(Into::into)
}

#[derive(Deserialize)]
pub(crate) struct Bucket {
    name: BucketName,
    owner: AccountId,
    region: Region,
    created_ms: i64,
    policy: Option<String>,
    tags: Tags,
}

impl From<Bucket> for records::Bucket {
    fn from(old: Bucket) -> Self {
        Self {
            name: old.name,
            owner: old.owner,
            region: old.region,
            created_ms: old.created_ms,
            policy: old.policy,
            tags: old.tags,
            versioning: Versioning::Unversioned,
            encryption: None,
            lock: None,
            // No list could be set then.
            ownership: Some(ObjectOwnership::BucketOwnerEnforced),
            acl: None,
            public_access_block: None,
            policy_binds_root: false,
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct CurrentVersion {
    id: VersionUuid,
    size_bytes: u64,
    modified_ms: i64,
    etag: Etag,
    class: StorageClass,
    checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    tag_count: u8,
}

impl From<CurrentVersion> for records::CurrentVersion {
    fn from(old: CurrentVersion) -> Self {
        Self {
            id: old.id,
            size_bytes: old.size_bytes,
            modified_ms: old.modified_ms,
            etag: old.etag,
            class: old.class,
            checksum: old.checksum,
            tag_count: old.tag_count,
            name: VersionName::Null,
            owner: None,
            order: 0,
        }
    }
}

#[derive(Deserialize)]
struct ObjectMetadata {
    content_type: Option<String>,
    content_encoding: Option<String>,
    content_language: Option<String>,
    content_disposition: Option<String>,
    cache_control: Option<String>,
    expires: Option<String>,
    user: BTreeMap<String, String>,
}

impl From<ObjectMetadata> for tagging::ObjectMetadata {
    fn from(old: ObjectMetadata) -> Self {
        Self {
            content_type: old.content_type,
            content_encoding: old.content_encoding,
            content_language: old.content_language,
            content_disposition: old.content_disposition,
            cache_control: old.cache_control,
            expires: old.expires,
            user: old.user,
            website_redirect: None,
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct VersionRecord {
    id: VersionUuid,
    name: VersionName,
    bucket: BucketName,
    key: ObjectKey,
    size_bytes: u64,
    modified_ms: i64,
    etag: Etag,
    checksum: Option<Checksum>,
    metadata: ObjectMetadata,
    tags: Tags,
    class: StorageClass,
    data_key: SealedDataKey,
    layout_tag: [u8; 32],
    parts: Vec<PartRecord>,
}

#[derive(Deserialize)]
pub(crate) struct PartRecord {
    number: u32,
    size_bytes: u64,
    blob: BlobRef,
    checksum: Option<Vec<u8>>,
}

impl From<PartRecord> for records::PartRecord {
    fn from(old: PartRecord) -> Self {
        Self {
            number: old.number,
            size_bytes: old.size_bytes,
            blob: old.blob,
            checksum: old.checksum,
            packing: Packing::Raw,
            sealed_for: None,
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct UploadedPart {
    number: u32,
    size_bytes: u64,
    md5: [u8; 16],
    checksums: Vec<Checksum>,
    modified_ms: i64,
    blob: BlobRef,
}

impl From<UploadedPart> for records::UploadedPart {
    fn from(old: UploadedPart) -> Self {
        Self {
            number: old.number,
            size_bytes: old.size_bytes,
            md5: old.md5,
            checksums: old.checksums,
            modified_ms: old.modified_ms,
            blob: old.blob,
            packing: Packing::Raw,
        }
    }
}

impl From<VersionRecord> for records::VersionRecord {
    fn from(old: VersionRecord) -> Self {
        Self {
            id: old.id,
            name: old.name,
            bucket: old.bucket,
            key: old.key,
            size_bytes: old.size_bytes,
            modified_ms: old.modified_ms,
            etag: old.etag,
            checksum: old.checksum,
            metadata: old.metadata.into(),
            tags: old.tags,
            class: old.class,
            data_key: old.data_key,
            layout_tag: old.layout_tag,
            parts: old.parts.into_iter().map(Into::into).collect(),
            owner: None,
            encryption: Encryption::Lake,
            order: 0,
            lock: VersionLock::default(),
            acl: None,
            tier: AccessTier::Frequent,
            restore: None,
            sealed_for: None,
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct UploadRecord {
    id: VersionUuid,
    bucket: BucketName,
    key: ObjectKey,
    initiated_ms: i64,
    initiator: String,
    metadata: ObjectMetadata,
    tags: Tags,
    class: StorageClass,
    checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    data_key: SealedDataKey,
}

impl From<UploadRecord> for records::UploadRecord {
    fn from(old: UploadRecord) -> Self {
        Self {
            id: old.id,
            bucket: old.bucket,
            key: old.key,
            initiated_ms: old.initiated_ms,
            initiator: old.initiator,
            metadata: old.metadata.into(),
            tags: old.tags,
            class: old.class,
            checksum: old.checksum,
            data_key: old.data_key,
            owner: None,
            encryption: Encryption::Lake,
            lock: VersionLock::default(),
            acl: None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fmt::Debug;

    use tarn_metadata::{decode_record, encode_record};

    use super::*;
    use crate::tests::{Lake, bucket, key};

    /// A lake's records as today's server keeps them.
    async fn records() -> (records::Bucket, records::CurrentVersion, records::VersionRecord, records::UploadRecord) {
        let lake = Lake::new();
        let name = lake.bucket("lake-raw").await;
        lake.put(&name, "a/b", "bytes").await;
        let upload = lake.begin_upload(&name, "a/c").await;
        let snapshot = lake.objects.snapshot().unwrap();
        let mut version = crate::versions::version_in(&snapshot, &name, &key("a/b"), None).unwrap();
        // What was put before there were orders is older than all that has one.
        version.order = 0;
        let current = version.current();
        (crate::objects::bucket_in(&snapshot, &bucket("lake-raw")).unwrap(), current, version, upload)
    }

    fn check<R: Record + PartialEq + Debug>(fixture: &str, today: &R) {
        let stored = hex::decode(fixture.replace(char::is_whitespace, "")).unwrap();
        assert_eq!(stored.get(..2), Some(&[0, 1][..]), "a fixture is of version 1");
        assert_eq!(&decode_record::<R>(&stored).unwrap(), today);
        assert_eq!(&decode_record::<R>(&encode_record(today).unwrap()).unwrap(), today);
    }

    #[tokio::test]
    async fn records_of_version_1_are_read() {
        let (bucket, current, version, upload) = records().await;
        // Buckets of version 1 had no Block Public Access, and do not get one by being read.
        let bucket = records::Bucket { public_access_block: None, ..bucket };
        check(include_str!("../tests/fixtures/v1/bucket.hex"), &bucket);
        check(include_str!("../tests/fixtures/v1/current-version.hex"), &current);
        check(include_str!("../tests/fixtures/v1/version.hex"), &version);
        check(include_str!("../tests/fixtures/v1/upload.hex"), &upload);
    }
}
