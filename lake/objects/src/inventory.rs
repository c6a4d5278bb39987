//! Inventories: lists of a bucket's objects that are made every day or every week. What is asked for, when it is due, and how far the one
//! that is being made has come. Knows no file format and makes no list: `lake/inventory` does.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory.html>
//!
//! A list is due at midnight, a weekly one on Sundays; the first one at the next midnight, whichever it is. So a row of the schedule that
//! was written twice is one row, and rows of what is gone are dropped when their time comes.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_metadata::{Key, Read, Record, StoreError, StoreExt, Tx};
use tarn_policy::Authorized;
use tarn_runtime::EntropyExt;
use tarn_types::{AccountId, Region};

use crate::configurations::{ConfigurationPage, id_key};
use crate::errors::{ConfigurationKind, ObjectsError};
use crate::keyspaces::{BUCKETS, INVENTORIES, INVENTORY_DUE, INVENTORY_RUNS};
use crate::metrics::check_id;
use crate::names::BucketName;
use crate::objects::{Objects, require_bucket};
use crate::records::bucket_key;

/// Who puts inventories into their buckets.
pub const INVENTORY_SERVICE: &str = "s3.amazonaws.com";
/// The longest prefix of the destination, bytes: a key's own limit, less what is put behind it.
const PREFIX_SIZE_BYTES_MAX: usize = 512;

/// The form of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum InventoryFormat {
    /// Gzipped lines.
    Csv,
    /// Apache ORC.
    Orc,
    /// Apache Parquet.
    Parquet,
}

impl InventoryFormat {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Csv, Self::Orc, Self::Parquet];

    /// As S3 spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "CSV",
            Self::Orc => "ORC",
            Self::Parquet => "Parquet",
        }
    }

    /// The format of a name, letter for letter.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// How often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum InventoryFrequency {
    /// Every midnight.
    Daily,
    /// On Sundays.
    Weekly,
}

/// Of which versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum InventoryVersions {
    /// Of all, delete markers included.
    All,
    /// Of objects' latest.
    Current,
}

/// What is told of a version besides its bucket and key, in the order of the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum InventoryField {
    /// Bytes.
    Size,
    /// When it was made.
    LastModifiedDate,
    /// The entity tag.
    ETag,
    /// The class.
    StorageClass,
    /// Whether it came in parts.
    IsMultipartUploaded,
    /// How it stands with replication.
    ReplicationStatus,
    /// By what it is encrypted.
    EncryptionStatus,
    /// Until when it is locked.
    ObjectLockRetainUntilDate,
    /// How firmly it is locked.
    ObjectLockMode,
    /// Whether it is held.
    ObjectLockLegalHoldStatus,
    /// Its tier in INTELLIGENT_TIERING.
    IntelligentTieringAccessTier,
    /// Whether it was encrypted with a bucket key.
    BucketKeyStatus,
    /// Which checksum it carries.
    ChecksumAlgorithm,
    /// Its access control list.
    ObjectAccessControlList,
    /// Whose it is.
    ObjectOwner,
    /// When a lifecycle rule will end it.
    LifecycleExpirationDate,
}

impl InventoryField {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Size,
        Self::LastModifiedDate,
        Self::ETag,
        Self::StorageClass,
        Self::IsMultipartUploaded,
        Self::ReplicationStatus,
        Self::EncryptionStatus,
        Self::ObjectLockRetainUntilDate,
        Self::ObjectLockMode,
        Self::ObjectLockLegalHoldStatus,
        Self::IntelligentTieringAccessTier,
        Self::BucketKeyStatus,
        Self::ChecksumAlgorithm,
        Self::ObjectAccessControlList,
        Self::ObjectOwner,
        Self::LifecycleExpirationDate,
    ];

    /// As S3 spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Size => "Size",
            Self::LastModifiedDate => "LastModifiedDate",
            Self::ETag => "ETag",
            Self::StorageClass => "StorageClass",
            Self::IsMultipartUploaded => "IsMultipartUploaded",
            Self::ReplicationStatus => "ReplicationStatus",
            Self::EncryptionStatus => "EncryptionStatus",
            Self::ObjectLockRetainUntilDate => "ObjectLockRetainUntilDate",
            Self::ObjectLockMode => "ObjectLockMode",
            Self::ObjectLockLegalHoldStatus => "ObjectLockLegalHoldStatus",
            Self::IntelligentTieringAccessTier => "IntelligentTieringAccessTier",
            Self::BucketKeyStatus => "BucketKeyStatus",
            Self::ChecksumAlgorithm => "ChecksumAlgorithm",
            Self::ObjectAccessControlList => "ObjectAccessControlList",
            Self::ObjectOwner => "ObjectOwner",
            Self::LifecycleExpirationDate => "LifecycleExpirationDate",
        }
    }

    /// The field of a name, letter for letter.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }
}

/// By what the files are encrypted, where the destination's default is not wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum InventoryEncryption {
    /// By the lake's own key.
    Lake,
    /// By a KMS key, whose policy must let the service use it.
    Kms {
        /// Which: id, ARN or alias.
        key: String,
    },
}

/// Where lists go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryDestination {
    /// Into this bucket.
    pub bucket: BucketName,
    /// Only if this account owns it.
    pub account: Option<AccountId>,
    /// Before every key.
    pub prefix: Option<String>,
    /// The form of the files.
    pub format: InventoryFormat,
    /// By what they are encrypted.
    pub encryption: Option<InventoryEncryption>,
}

/// One of a bucket's inventories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryConfiguration {
    /// Names it.
    pub id: String,
    /// Whether it is made at all.
    pub is_enabled: bool,
    /// How often.
    pub frequency: InventoryFrequency,
    /// Of which versions.
    pub versions: InventoryVersions,
    /// Only of keys that begin so.
    pub prefix: Option<String>,
    /// What is told, in the order it was asked for.
    pub fields: Vec<InventoryField>,
    /// Where to.
    pub destination: InventoryDestination,
}

impl Record for InventoryConfiguration {
    const VERSION: u16 = 1;
}

/// A row that says everything by its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryDue {}

impl Record for InventoryDue {
    const VERSION: u16 = 1;
}

/// A file of a list, durable in its bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryFile {
    /// Its key.
    pub key: String,
    /// Bytes.
    pub size_bytes: u64,
    /// The MD5 of its bytes.
    pub md5: [u8; 16],
}

/// Up to where a bucket is listed: the last version that a file has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryPlace {
    /// Its key.
    pub key: String,
    /// Its version id as callers see it, where all versions are listed.
    pub version: Option<String>,
}

/// A list that is being made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryRun {
    /// Names it, and its files.
    pub id: [u8; 16],
    /// The bucket it is of.
    pub bucket: BucketName,
    /// Whose that is.
    pub owner: AccountId,
    /// Where that is.
    pub region: Region,
    /// What was asked for when it began.
    pub configuration: InventoryConfiguration,
    /// When it began, milliseconds since 1970.
    pub started_ms: i64,
    /// The files it has.
    pub files: Vec<InventoryFile>,
    /// Up to where they go.
    pub after: Option<InventoryPlace>,
    /// Whether they go to the end.
    pub is_listed: bool,
}

impl Record for InventoryRun {
    const VERSION: u16 = 1;
}

impl InventoryRun {
    fn at(&self) -> Key {
        id_key(&self.bucket, &self.configuration.id)
    }

    /// Whether it is still the one that is being made, of what is still asked for.
    fn is_wanted(&self, read: &impl Read) -> Result<bool, StoreError> {
        let run = read.get(INVENTORY_RUNS, &self.at())?;
        Ok(run.is_some_and(|run| run.id == self.id) && read.contains(INVENTORIES, &self.at())?)
    }

    /// Refuses where it is not wanted any more: for the transactions that put what is of it.
    pub fn require_wanted(&self, read: &impl Read) -> Result<(), StoreError> {
        match self.is_wanted(read)? {
            true => Ok(()),
            false => Err(StoreError::Overtaken { what: "the inventory" }),
        }
    }

    /// Forgets it, for the transaction that puts the last of it: one that is not wanted any more is not finished.
    pub fn finish(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        self.require_wanted(tx)?;
        tx.delete(INVENTORY_RUNS, &self.at())
    }

    fn give_up(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        match tx.get(INVENTORY_RUNS, &self.at())? {
            Some(run) if run.id == self.id => tx.delete(INVENTORY_RUNS, &self.at()),
            Some(_) | None => Ok(()),
        }
    }
}

fn due_key(due_ms: i64, bucket: &BucketName, id: &str) -> Key {
    Key::new().u64(u64::try_from(due_ms).unwrap_or(0)).text(bucket.as_str()).text(id)
}

/// The first midnight after `now_ms`; if `weekly`, the first that a Sunday begins with. The first of January 1970 was a Thursday.
fn next_due_ms(weekly: bool, now_ms: i64, day_ms: i64) -> i64 {
    let mut day = now_ms.div_euclid(day_ms).saturating_add(1);
    if weekly {
        day = day.saturating_add((3 - day).rem_euclid(7));
    }
    day.saturating_mul(day_ms)
}

impl InventoryConfiguration {
    fn check(&self) -> Result<(), ObjectsError> {
        check_id(&self.id)?;
        let prefix = self.destination.prefix.as_deref().unwrap_or_default();
        if prefix.len() > PREFIX_SIZE_BYTES_MAX {
            return Err(ObjectsError::InvalidArgument {
                name: "Prefix",
                value: prefix.to_owned(),
                reason: "the prefix of an inventory's destination has at most 512 bytes",
            });
        }
        Ok(())
    }
}

impl Objects {
    /// One of the bucket's inventories.
    pub fn bucket_inventory(
        &self,
        _proof: &Authorized,
        bucket: &BucketName,
        id: &str,
    ) -> Result<InventoryConfiguration, ObjectsError> {
        self.configuration_by_id(INVENTORIES, bucket, id)?.ok_or_else(|| ConfigurationKind::Inventory.missing(bucket))
    }

    /// The bucket's inventories, by id.
    pub fn list_bucket_inventories(
        &self,
        _proof: &Authorized,
        bucket: &BucketName,
        after: Option<&str>,
    ) -> Result<ConfigurationPage<InventoryConfiguration>, ObjectsError> {
        self.list_configurations(INVENTORIES, bucket, after)
    }

    /// Adds or replaces an inventory. Whether its destination lets the service in is seen when it is made, as on AWS.
    pub async fn put_bucket_inventory(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        inventory: InventoryConfiguration,
    ) -> Result<(), ObjectsError> {
        inventory.check()?;
        let (id, is_enabled) = (inventory.id.clone(), inventory.is_enabled);
        let due = due_key(next_due_ms(false, self.now_ms(), self.options.day_ms), bucket, &id);
        let then = move |tx: &mut Tx<'_>, _: &BucketName| match is_enabled {
            true => Ok(tx.put(INVENTORY_DUE, &due, &InventoryDue {})?),
            false => Ok(()),
        };
        self.put_configuration_by_id(caller, INVENTORIES, bucket, &id, inventory, then).await?;
        self.inventories_changed.notify_one();
        Ok(())
    }

    /// Ends when an inventory was put.
    pub async fn inventories_changed(&self) {
        self.inventories_changed.notified().await;
    }

    /// Removes an inventory. One that is being made is given up; what was delivered stays.
    pub async fn delete_bucket_inventory(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        id: &str,
    ) -> Result<(), ObjectsError> {
        let (bucket, at) = (bucket.clone(), id_key(bucket, id));
        let removed = caller.commit(&*self.store, move |tx| {
            require_bucket(tx, &bucket)?;
            if !tx.contains(INVENTORIES, &at)? {
                return Err(ConfigurationKind::Inventory.missing(&bucket));
            }
            tx.delete(INVENTORY_RUNS, &at)?;
            Ok(tx.delete(INVENTORIES, &at)?)
        });
        Ok(removed.await?)
    }

    /// The list to be made next: one that was begun and is not `aside`, or one that is due and is begun by this.
    pub async fn next_inventory_run(
        &self,
        _proof: &Authorized,
        aside: &HashSet<[u8; 16]>,
    ) -> Result<Option<InventoryRun>, ObjectsError> {
        let snapshot = self.snapshot()?;
        for run in snapshot.prefix(INVENTORY_RUNS, &Key::new()) {
            let run = run?.1;
            if !aside.contains(&run.id) {
                return Ok(Some(run));
            }
        }
        let Some(first) = snapshot.prefix(INVENTORY_DUE, &Key::new()).next() else { return Ok(None) };
        let (at, _) = first?;
        let mut reader = Key::reader(at.as_bytes());
        let (Some(due_ms), Some(bucket), Some(inventory)) = (reader.u64(), reader.text(), reader.text()) else {
            return Err(ObjectsError::Store(StoreError::Corrupt {
                place: INVENTORY_DUE.name.to_owned(),
                reason: "a row's key does not name an inventory".to_owned(),
            }));
        };
        let now_ms = self.now_ms();
        if i64::try_from(due_ms).unwrap_or(i64::MAX) > now_ms {
            return Ok(None);
        }
        let (bucket, id, day_ms) = (BucketName::new(bucket)?, self.runtime.entropy.bytes(), self.options.day_ms);
        let begun = self.store.write(move |tx| {
            tx.delete(INVENTORY_DUE, &at)?;
            let (of, place) = (id_key(&bucket, &inventory), bucket_key(&bucket));
            let (Some(configuration), Some(source)) = (tx.get(INVENTORIES, &of)?, tx.get(BUCKETS, &place)?) else {
                return Ok(None);
            };
            if !configuration.is_enabled {
                return Ok(None);
            }
            let weekly = configuration.frequency == InventoryFrequency::Weekly;
            tx.put(
                INVENTORY_DUE,
                &due_key(next_due_ms(weekly, now_ms, day_ms), &bucket, &inventory),
                &InventoryDue {},
            )?;
            let run = InventoryRun {
                id,
                bucket,
                owner: source.owner,
                region: source.region,
                configuration,
                started_ms: now_ms,
                files: Vec::new(),
                after: None,
                is_listed: false,
            };
            tx.put(INVENTORY_RUNS, &of, &run)?;
            Ok::<_, ObjectsError>(Some(run))
        });
        Ok(begun.await?)
    }

    /// Notes how far a list has come; tells whether it is still wanted.
    pub async fn keep_inventory_run(&self, _proof: &Authorized, run: InventoryRun) -> Result<bool, ObjectsError> {
        let kept = self.store.write(move |tx| {
            if !run.is_wanted(tx)? {
                run.give_up(tx)?;
                return Ok(false);
            }
            tx.put(INVENTORY_RUNS, &run.at(), &run)?;
            Ok::<_, ObjectsError>(true)
        });
        Ok(kept.await?)
    }

    /// Gives up a list.
    pub async fn end_inventory_run(&self, _proof: &Authorized, run: InventoryRun) -> Result<(), ObjectsError> {
        Ok(self.store.write(move |tx| Ok::<_, ObjectsError>(run.give_up(tx)?)).await?)
    }

    /// Until when there is nothing to list, milliseconds since 1970; `None`: nobody wants a list.
    pub fn next_inventory_ms(&self, _proof: &Authorized) -> Result<Option<i64>, ObjectsError> {
        let first = self.snapshot()?.prefix(INVENTORY_DUE, &Key::new()).next().transpose()?;
        let due_ms = first.and_then(|(at, _)| Key::reader(at.as_bytes()).u64());
        Ok(due_ms.map(|due_ms| i64::try_from(due_ms).unwrap_or(i64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::DAY_MS;

    #[test]
    fn lists_are_due_at_midnight_and_on_sundays() {
        // 2026-11-26 is a Thursday; 20,783 days after 1970.
        let thursday = 20_783;
        let check = |weekly: bool, now_ms: i64, day: i64| {
            assert_eq!(next_due_ms(weekly, now_ms, DAY_MS), day * DAY_MS, "{weekly} {now_ms}");
        };
        check(false, thursday * DAY_MS, thursday + 1);
        check(false, thursday * DAY_MS + 1, thursday + 1);
        check(false, (thursday + 1) * DAY_MS - 1, thursday + 1);
        check(true, thursday * DAY_MS, thursday + 3);
        check(true, (thursday + 2) * DAY_MS + 5, thursday + 3);
        check(true, (thursday + 3) * DAY_MS, thursday + 10);
        check(true, 0, 3);
    }

    #[test]
    fn names_come_back() {
        for field in InventoryField::ALL {
            assert_eq!(InventoryField::parse(field.name()), Some(field));
        }
        for format in InventoryFormat::ALL {
            assert_eq!(InventoryFormat::parse(format.name()), Some(format));
        }
        assert_eq!(InventoryField::parse("size"), None);
        assert!(InventoryField::ALL.is_sorted());
    }
}
