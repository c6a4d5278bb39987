//! The second stored form of versions: until replicas kept bytes that were sealed for their source. Nothing writes it any more.

use serde::Deserialize;
use tarn_blobs::BlobRef;
use tarn_keys::SealedDataKey;
use tarn_metadata::{RecordError, decode_form};
use tarn_types::AccountId;

use crate::acl::Acl;
use crate::checksums::{Checksum, Etag};
use crate::classes::{AccessTier, StorageClass};
use crate::encryption::Encryption;
use crate::lock::VersionLock;
use crate::names::{BucketName, ObjectKey};
use crate::packing::Packing;
use crate::records::{self, VersionName, VersionUuid};
use crate::restore::Restore;
use crate::tagging::{ObjectMetadata, Tags};

/// Reads version 2 and makes today's record of it.
pub(crate) fn migrate(bytes: &[u8]) -> Result<records::VersionRecord, RecordError> {
    decode_form::<VersionRecord>(bytes).map(Into::into)
}

#[derive(Deserialize)]
struct PartRecord {
    number: u32,
    size_bytes: u64,
    blob: BlobRef,
    checksum: Option<Vec<u8>>,
    packing: Packing,
}

#[derive(Deserialize)]
struct VersionRecord {
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
    owner: Option<AccountId>,
    encryption: Encryption,
    order: u64,
    lock: VersionLock,
    acl: Option<Acl>,
    tier: AccessTier,
    restore: Option<Restore>,
}

impl From<PartRecord> for records::PartRecord {
    fn from(old: PartRecord) -> Self {
        let PartRecord { number, size_bytes, blob, checksum, packing } = old;
        Self { number, size_bytes, blob, checksum, packing, sealed_for: None }
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
            metadata: old.metadata,
            tags: old.tags,
            class: old.class,
            data_key: old.data_key,
            layout_tag: old.layout_tag,
            parts: old.parts.into_iter().map(Into::into).collect(),
            owner: old.owner,
            encryption: old.encryption,
            order: old.order,
            lock: old.lock,
            acl: old.acl,
            tier: old.tier,
            restore: old.restore,
            sealed_for: None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tarn_metadata::{decode_record, encode_record};

    use super::*;
    use crate::tests::{Lake, key};

    #[tokio::test]
    async fn versions_of_version_2_are_read() {
        let lake = Lake::new();
        let name = lake.bucket("lake-raw").await;
        lake.put(&name, "a/b", "bytes").await;
        let snapshot = lake.objects.snapshot().unwrap();
        let today = crate::versions::version_in(&snapshot, &name, &key("a/b"), None).unwrap();
        let stored =
            hex::decode(include_str!("../tests/fixtures/v2/version.hex").replace(char::is_whitespace, "")).unwrap();
        assert_eq!(stored.get(..2), Some(&[0, 2][..]));
        assert_eq!(decode_record::<records::VersionRecord>(&stored).unwrap(), today);
        assert_eq!(decode_record::<records::VersionRecord>(&encode_record(&today).unwrap()).unwrap(), today);
    }
}
