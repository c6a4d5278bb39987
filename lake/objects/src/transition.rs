//! Moving a version's bytes to where another class keeps them. The version stays what it is: its name, entity tag and date do not change.

use futures::StreamExt;
use tarn_blobs::BlobOwner;
use tarn_keys::DataKey;
use tarn_metadata::{Read, StoreExt, Tx};

use crate::checksums::{ChecksumAlgorithm, ExpectedDigests};
use crate::classes::{AccessTier, Placement, StorageClass};
use crate::encryption::Encryption;
use crate::errors::ObjectsError;
use crate::events::{Change, EventDetails, EventKind, announce};
use crate::gc::bury;
use crate::get::ObjectVersion;
use crate::intelligent_tiering::placed;
use crate::keyspaces::{PART_OWNERS, VERSIONS};
use crate::objects::Objects;
use crate::packing::Packing;
use crate::put::{Durable, internal_body_error, seal_layout};
use crate::records::{DeadBlobs, PartOwner, PartRecord, VersionRecord, VersionUuid, Versioning, version_key};
use crate::versions::put_version;

/// A part's bytes in their new place, durable and not committed.
pub(crate) struct Moved {
    pub(crate) durable: Durable,
    pub(crate) packing: Packing,
}

impl VersionRecord {
    /// Whether its parts are those of `other`, wherever compaction has put them.
    pub(crate) fn has_same_bytes(&self, other: &Self) -> bool {
        let owners =
            |record: &Self| record.parts.iter().map(|part| (part.blob.owner, part.blob.len)).collect::<Vec<_>>();
        owners(self) == owners(other)
    }
}

impl Placement {
    /// Whether bytes that are placed so need not be moved to be placed as `other` says.
    fn is_as(self, other: Self) -> bool {
        self.form == other.form && self.level.is_some() == other.level.is_some() && self.volume == other.volume
    }
}

/// How a move is told: to another class, into an archive tier, or back from one.
fn moved_event(seen: &VersionRecord, class: StorageClass, tier: AccessTier) -> Option<(EventKind, EventDetails)> {
    if seen.class != class {
        Some((EventKind::Moved, EventDetails::Class { class }))
    } else if class.needs_restore(tier) {
        Some((EventKind::Tiered, EventDetails::Tier { tier }))
    } else {
        // Between tiers that are read in place nothing is told, as on AWS.
        seen.needs_restore().then_some((EventKind::Restored, EventDetails::Restore { class, expires_ms: None }))
    }
}

impl Objects {
    /// A version by its id, held.
    pub(crate) fn hold_version(&self, id: &VersionUuid) -> Result<Option<ObjectVersion>, ObjectsError> {
        let epoch = self.pins.enter();
        let record = self.snapshot()?.get(VERSIONS, &version_key(id))?;
        let pin = self.pins.pin(*id);
        drop(epoch);
        Ok(record.map(|record| ObjectVersion::new(record, Versioning::default(), pin)))
    }

    /// Moves a version, the latest or another, to `class`; tells whether there was something to do. Safe to repeat: the new bytes are
    /// durable before one transaction swaps the record, and the old ones go when nobody reads them.
    pub async fn transition(&self, id: &VersionUuid, class: StorageClass) -> Result<bool, ObjectsError> {
        self.place(id, class, AccessTier::default()).await
    }

    /// As `transition`, to a tier of the class.
    pub(crate) async fn place(
        &self,
        id: &VersionUuid,
        class: StorageClass,
        tier: AccessTier,
    ) -> Result<bool, ObjectsError> {
        let Some(version) = self.hold_version(id)? else { return Ok(false) };
        let seen = version.record().clone();
        if (seen.class, seen.tier) == (class, tier) {
            return Ok(false);
        }
        let layout_key = self.check_layout(&seen)?;
        let data_key = match &seen.encryption {
            Encryption::Lake | Encryption::Kms(_) => Some(self.open_version(&seen)?),
            // Without the customer's key the sealed bytes go as they are: to another form, but not through the compressor.
            Encryption::Customer(_) => None,
        };
        let placement = self.placement(class, tier);
        let mut moved = Vec::new();
        if !self.placement(seen.class, seen.tier).is_as(placement) {
            for part in &seen.parts {
                moved.push(match &data_key {
                    Some(data_key) => self.move_part(&seen, data_key, part, placement).await?,
                    None => {
                        let durable = self.copy_sealed(&part.blob, placement).await?;
                        Moved { durable, packing: part.packing }
                    }
                });
            }
        }
        let new: Vec<_> = moved.iter().map(|part| (part.durable.blob.clone(), part.packing)).collect();
        let now_ms = self.now_ms();
        let by = self.changed_by_itself();
        let swap = move |tx: &mut Tx<'_>| {
            let Some(mut record) = tx.get(VERSIONS, &version_key(&seen.id))? else { return Ok(false) };
            if (record.class, record.tier) != (seen.class, seen.tier) || !record.has_same_bytes(&seen) {
                return Ok(false);
            }
            (record.class, record.tier) = (class, tier);
            if !new.is_empty() {
                bury(tx, &record.dead())?;
                record.restore = None;
                for (part, (blob, packing)) in record.parts.iter_mut().zip(new) {
                    if blob.owner.part > 0 {
                        tx.put(PART_OWNERS, &version_key(&blob.owner.version), &PartOwner { upload: seen.id })?;
                    }
                    (part.blob, part.packing) = (blob, packing);
                }
                seal_layout(&layout_key, &mut record)?;
            } else if !record.needs_restore()
                && let Some(restore) = record.restore.take()
            {
                bury(tx, &DeadBlobs { version: seen.id, blobs: restore.copies().to_vec() })?;
            }
            put_version(tx, &record)?;
            placed(tx, &seen, &record, now_ms)?;
            if let Some((kind, details)) = moved_event(&seen, class, tier) {
                announce(tx, &Change::of(kind, &record, &by).with(details))?;
            }
            Ok::<_, ObjectsError>(true)
        };
        let fate = self.store.write(swap).await.map_err(ObjectsError::from);
        let durable = moved.into_iter().map(|part| part.durable).collect();
        let fate = self.settle_all(durable, fate).await;
        self.dead.notify_one();
        fate
    }

    /// Reads a part where it is and writes it as `placement` says, under a key of its own. What is read is compared with the checksum
    /// that was kept when it was put.
    async fn move_part(
        &self,
        record: &VersionRecord,
        data_key: &DataKey,
        part: &PartRecord,
        placement: Placement,
    ) -> Result<Moved, ObjectsError> {
        self.copy_part(record, data_key, data_key, part, placement).await
    }

    /// As `move_part`, for a version with a data key of its own.
    pub(crate) async fn copy_part(
        &self,
        record: &VersionRecord,
        data_key: &DataKey,
        new_data_key: &DataKey,
        part: &PartRecord,
        placement: Placement,
    ) -> Result<Moved, ObjectsError> {
        let attempt = self.new_uuid();
        let key = new_data_key.part(part.number, attempt).map_err(ObjectsError::Keys)?;
        let body = self
            .read_part(data_key, part, 0..part.size_bytes)
            .map(|bytes| bytes.map_err(|error| internal_body_error(&error)))
            .boxed();
        let whole = record.checksum.as_ref().filter(|_| record.parts.len() == 1 && part.checksum.is_none());
        let algorithm = record.checksum.as_ref().map_or(ChecksumAlgorithm::Crc64Nvme, |checksum| checksum.algorithm);
        let expected = part.checksum.as_ref().or(whole.map(|checksum| &checksum.value));
        let owner = BlobOwner { version: attempt, part: part.number.max(1) };
        let digests = ExpectedDigests::default().digests(algorithm);
        let received = self.receive(owner, key, placement, Some(part.size_bytes), body, digests).await?;
        let packing = received.packing;
        if let (Some(expected), Some(computed)) = (expected, received.computed.checksum(algorithm))
            && expected.as_slice() != computed
        {
            return Err(ObjectsError::BadDigest {
                algorithm: algorithm.name(),
                expected: hex::encode(expected),
                computed: hex::encode(computed),
            });
        }
        Ok(Moved { durable: received.finish().await?, packing })
    }
}
