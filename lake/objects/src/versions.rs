//! The versions of a key: how they are named, which is the latest, what lies behind it, and how one takes the place of another.
//! Everything that puts a version at a key or removes one goes through here. Knows no bytes and no policies.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html>
//!
//! The latest version of a key is its row in `CURRENT`, if it is an object. All others lie in `HISTORY`, the newest first, and so do
//! delete markers, the latest one too. A version keeps its order for life, wherever it lies, and so does its name: the order is in it.
//!
//! **Invariant:** of the rows of a key, the one in `CURRENT` has the highest order; where there is none, the first in the history is a
//! delete marker; at most one of all is the null version, and `NULL_VERSIONS` says where if it lies in the history.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use tarn_audit::Caller;
use tarn_metadata::{Key, Read, StoreError, Tx};
use tarn_types::AccountId;

use crate::errors::ObjectsError;
use crate::intelligent_tiering;
use crate::keyspaces::{BUCKETS, CURRENT, HISTORY, NULL_VERSIONS, REPLICATIONS, VERSIONS};
use crate::lock::Bypass;
use crate::names::{BucketName, ObjectKey};
use crate::objects::{Objects, bucket_in, require_bucket};
use crate::records::{
    CurrentVersion, DeleteMarker, HistoryRecord, NullVersion, VersionEntry, VersionName, VersionRecord, VersionUuid,
    Versioning, bucket_key, current_key, history_key, version_key,
};

/// How callers name a version: `null`, or 32 characters that mean nothing to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VersionId {
    /// The null version.
    Null,
    /// A version with a name of its own. The order says where it lies, and the id that it is the very one.
    Id {
        /// The sequence of the transaction that put it at its key.
        order: u64,
        /// Its id.
        uuid: VersionUuid,
    },
}

impl VersionId {
    /// From the text that callers give.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "null" {
            return Some(Self::Null);
        }
        let bytes: [u8; 24] = BASE64.decode(text).ok()?.try_into().ok()?;
        let (order, uuid) = bytes.split_first_chunk::<8>()?;
        Some(Self::Id { order: u64::from_be_bytes(*order), uuid: uuid.try_into().ok()? })
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Id { order, uuid } => f.write_str(&BASE64.encode([&order.to_be_bytes()[..], uuid].concat())),
        }
    }
}

fn version_id(name: VersionName, order: u64, uuid: VersionUuid) -> VersionId {
    match name {
        VersionName::Null => VersionId::Null,
        VersionName::Id => VersionId::Id { order, uuid },
        VersionName::Named(uuid) => VersionId::Id { order, uuid },
    }
}

impl CurrentVersion {
    /// As callers name it.
    pub fn version_id(&self) -> VersionId {
        version_id(self.name, self.order, self.id)
    }
}

impl VersionRecord {
    /// As callers name it.
    pub fn version_id(&self) -> VersionId {
        version_id(self.name, self.order, self.id)
    }
}

impl DeleteMarker {
    /// As callers name it.
    pub fn version_id(&self) -> VersionId {
        version_id(self.name, self.order, self.id)
    }
}

impl VersionEntry {
    /// As callers name it.
    pub fn version_id(&self) -> VersionId {
        match self {
            Self::Object(version) => version.version_id(),
            Self::DeleteMarker(marker) => marker.version_id(),
        }
    }

    /// The sequence of the transaction that put it at its key.
    pub fn order(&self) -> u64 {
        match self {
            Self::Object(version) => version.order,
            Self::DeleteMarker(marker) => marker.order,
        }
    }

    /// When it was made, milliseconds since 1970.
    pub fn modified_ms(&self) -> i64 {
        match self {
            Self::Object(version) => version.modified_ms,
            Self::DeleteMarker(marker) => marker.modified_ms,
        }
    }

    fn name(&self) -> VersionName {
        match self {
            Self::Object(version) => version.name,
            Self::DeleteMarker(marker) => marker.name,
        }
    }

    /// Whether it is a delete marker.
    pub fn is_delete_marker(&self) -> bool {
        matches!(self, Self::DeleteMarker(_))
    }
}

/// A key's version, found.
pub(crate) struct Located {
    pub(crate) entry: VersionEntry,
    /// Whether it lies in the history.
    in_history: bool,
    /// Whether it is the latest.
    pub(crate) is_latest: bool,
}

/// The history rows of a key begin so.
fn history_prefix(bucket: &BucketName, key: &ObjectKey) -> Key {
    current_key(bucket, key)
}

fn newest_in_history(
    read: &impl Read,
    bucket: &BucketName,
    key: &ObjectKey,
) -> Result<Option<HistoryRecord>, ObjectsError> {
    Ok(read.prefix(HISTORY, &history_prefix(bucket, key)).next().transpose()?.map(|(_, row)| row))
}

/// The version of a key by its name; nothing if there is none.
pub(crate) fn locate(
    read: &impl Read,
    bucket: &BucketName,
    key: &ObjectKey,
    id: &VersionId,
) -> Result<Option<Located>, ObjectsError> {
    if let Some(current) = read.get(CURRENT, &current_key(bucket, key))?
        && current.version_id() == *id
    {
        return Ok(Some(Located { entry: VersionEntry::Object(current), in_history: false, is_latest: true }));
    }
    let order = match id {
        VersionId::Id { order, .. } => *order,
        VersionId::Null => match read.get(NULL_VERSIONS, &current_key(bucket, key))? {
            Some(null) => null.order,
            None => return Ok(None),
        },
    };
    let row = read.get(HISTORY, &history_key(bucket, key, order))?;
    Ok(row.filter(|row| row.entry.version_id() == *id).map(|row| Located {
        is_latest: row.noncurrent_since_ms.is_none(),
        entry: row.entry,
        in_history: true,
    }))
}

/// The whole record of a key's version: the latest, or the one that is named.
pub(crate) fn version_in(
    read: &impl Read,
    bucket: &BucketName,
    key: &ObjectKey,
    id: Option<&VersionId>,
) -> Result<VersionRecord, ObjectsError> {
    let Some(id) = id else {
        return match read.get(CURRENT, &current_key(bucket, key))? {
            Some(current) => record_in(read, &current),
            None => Err(missing(read, bucket, key)?),
        };
    };
    match locate(read, bucket, key, id)?.map(|located| located.entry) {
        Some(VersionEntry::Object(version)) => record_in(read, &version),
        Some(VersionEntry::DeleteMarker(marker)) => {
            Err(ObjectsError::IsDeleteMarker { key: key.to_string(), version_id: *id, modified_ms: marker.modified_ms })
        }
        None => {
            require_bucket(read, bucket)?;
            Err(ObjectsError::NoSuchVersion { key: key.to_string(), version_id: id.to_string() })
        }
    }
}

fn record_in(read: &impl Read, version: &CurrentVersion) -> Result<VersionRecord, ObjectsError> {
    read.get(VERSIONS, &version_key(&version.id))?.ok_or_else(|| {
        ObjectsError::Store(StoreError::Corrupt {
            place: format!("objects.versions {}", hex::encode(version.id)),
            reason: "the version of a key has no record".to_owned(),
        })
    })
}

/// Why there is no object at a key.
pub(crate) fn missing(read: &impl Read, bucket: &BucketName, key: &ObjectKey) -> Result<ObjectsError, ObjectsError> {
    let versioning = bucket_in(read, bucket)?.versioning;
    let marker = match versioning {
        Versioning::Unversioned => None,
        Versioning::Enabled | Versioning::Suspended => newest_in_history(read, bucket, key)?,
    };
    Ok(ObjectsError::NoSuchKey {
        bucket: bucket.to_string(),
        key: key.to_string(),
        delete_marker: marker.map(|row| row.entry.version_id()),
    })
}

/// Writes a record that was changed in place, and the compact row of it, wherever that lies.
pub(crate) fn put_version(tx: &mut Tx<'_>, record: &VersionRecord) -> Result<(), ObjectsError> {
    tx.put(VERSIONS, &version_key(&record.id), record)?;
    let at = current_key(&record.bucket, &record.key);
    if tx.get(CURRENT, &at)?.is_some_and(|current| current.id == record.id) {
        return Ok(tx.put(CURRENT, &at, &record.current())?);
    }
    let at = history_key(&record.bucket, &record.key, record.order);
    if let Some(row) = tx.get(HISTORY, &at)? {
        let entry = VersionEntry::Object(record.current());
        tx.put(HISTORY, &at, &HistoryRecord { entry, ..row })?;
    }
    Ok(())
}

/// Makes `record` the latest version at its key, named as the bucket's versioning has it. What it replaces dies in the same
/// transaction, or becomes a version that is not the latest.
pub(crate) fn install(
    tx: &mut Tx<'_>,
    versioning: Versioning,
    record: &mut VersionRecord,
    now_ms: i64,
) -> Result<(), ObjectsError> {
    record.order = tx.sequence().0;
    record.name = match versioning {
        Versioning::Unversioned | Versioning::Suspended => VersionName::Null,
        Versioning::Enabled => VersionName::Id,
    };
    make_room(tx, versioning, &record.bucket, &record.key, now_ms)?;
    tx.put(VERSIONS, &version_key(&record.id), record)?;
    tx.put(CURRENT, &current_key(&record.bucket, &record.key), &record.current())?;
    intelligent_tiering::installed(tx, record, now_ms)
}

/// Puts a copy of another bucket's version where its order says: it is the latest only if nothing newer is there.
pub(crate) fn insert_version(tx: &mut Tx<'_>, record: &VersionRecord, now_ms: i64) -> Result<(), ObjectsError> {
    let (bucket, key) = (&record.bucket, &record.key);
    tx.put(VERSIONS, &version_key(&record.id), record)?;
    if has_newer(tx, bucket, key, record.order)? {
        let entry = VersionEntry::Object(record.current());
        put_history(tx, bucket, key, &HistoryRecord { entry, noncurrent_since_ms: Some(now_ms) })?;
    } else {
        make_room(tx, Versioning::Enabled, bucket, key, now_ms)?;
        tx.put(CURRENT, &current_key(bucket, key), &record.current())?;
    }
    intelligent_tiering::installed(tx, record, now_ms)
}

/// As `insert_version`, a delete marker.
pub(crate) fn insert_marker(
    tx: &mut Tx<'_>,
    bucket: &BucketName,
    key: &ObjectKey,
    marker: DeleteMarker,
    now_ms: i64,
) -> Result<(), ObjectsError> {
    let is_latest = !has_newer(tx, bucket, key, marker.order)?;
    if is_latest {
        make_room(tx, Versioning::Enabled, bucket, key, now_ms)?;
    }
    let noncurrent_since_ms = (!is_latest).then_some(now_ms);
    put_history(tx, bucket, key, &HistoryRecord { entry: VersionEntry::DeleteMarker(marker), noncurrent_since_ms })
}

fn has_newer(read: &impl Read, bucket: &BucketName, key: &ObjectKey, order: u64) -> Result<bool, ObjectsError> {
    let current = read.get(CURRENT, &current_key(bucket, key))?.map(|current| current.order);
    let newest = match current {
        Some(current) => Some(current),
        None => newest_in_history(read, bucket, key)?.map(|row| row.entry.order()),
    };
    Ok(newest.is_some_and(|newest| newest > order))
}

/// Puts a delete marker on a key of a versioned bucket.
pub(crate) fn mark_deleted(
    tx: &mut Tx<'_>,
    versioning: Versioning,
    bucket: &BucketName,
    key: &ObjectKey,
    marker: NewMarker,
) -> Result<VersionId, ObjectsError> {
    make_room(tx, versioning, bucket, key, marker.now_ms)?;
    let order = tx.sequence().0;
    let name = match versioning {
        Versioning::Unversioned | Versioning::Suspended => VersionName::Null,
        Versioning::Enabled => VersionName::Id,
    };
    let marker = DeleteMarker { id: marker.id, name, modified_ms: marker.now_ms, owner: marker.owner, order };
    let id = marker.version_id();
    let row = HistoryRecord { entry: VersionEntry::DeleteMarker(marker), noncurrent_since_ms: None };
    put_history(tx, bucket, key, &row)?;
    Ok(id)
}

/// A delete marker to be put.
pub(crate) struct NewMarker {
    pub(crate) id: VersionUuid,
    pub(crate) owner: Option<AccountId>,
    pub(crate) now_ms: i64,
}

fn put_history(tx: &mut Tx<'_>, bucket: &BucketName, key: &ObjectKey, row: &HistoryRecord) -> Result<(), ObjectsError> {
    let order = row.entry.order();
    tx.put(HISTORY, &history_key(bucket, key, order), row)?;
    if row.entry.name() == VersionName::Null {
        tx.put(NULL_VERSIONS, &current_key(bucket, key), &NullVersion { order })?;
    }
    Ok(())
}

fn remove_history(
    tx: &mut Tx<'_>,
    bucket: &BucketName,
    key: &ObjectKey,
    entry: &VersionEntry,
) -> Result<(), ObjectsError> {
    tx.delete(HISTORY, &history_key(bucket, key, entry.order()))?;
    if entry.name() == VersionName::Null {
        tx.delete(NULL_VERSIONS, &current_key(bucket, key))?;
    }
    Ok(())
}

/// Empties the place of the latest version of a key; in a bucket that writes null versions, of the null version too.
fn make_room(
    tx: &mut Tx<'_>,
    versioning: Versioning,
    bucket: &BucketName,
    key: &ObjectKey,
    now_ms: i64,
) -> Result<(), ObjectsError> {
    let at = current_key(bucket, key);
    let current = tx.get(CURRENT, &at)?;
    if versioning != Versioning::Enabled
        && let Some(current) = current.as_ref().filter(|current| current.name == VersionName::Null)
    {
        destroy(tx, &current.id, Bypass::No, now_ms)?;
        tx.delete(CURRENT, &at)?;
        return Ok(());
    }
    if versioning == Versioning::Unversioned {
        return Ok(());
    }
    if versioning == Versioning::Suspended
        && let Some(null) = locate(tx, bucket, key, &VersionId::Null)?
    {
        if let VersionEntry::Object(version) = &null.entry {
            destroy(tx, &version.id, Bypass::No, now_ms)?;
        }
        remove_history(tx, bucket, key, &null.entry)?;
    }
    let noncurrent_since_ms = Some(now_ms);
    match current {
        Some(current) => {
            tx.delete(CURRENT, &at)?;
            put_history(tx, bucket, key, &HistoryRecord { entry: VersionEntry::Object(current), noncurrent_since_ms })
        }
        None => match newest_in_history(tx, bucket, key)? {
            Some(row) if row.noncurrent_since_ms.is_none() => {
                put_history(tx, bucket, key, &HistoryRecord { noncurrent_since_ms, ..row })
            }
            _ => Ok(()),
        },
    }
}

/// Removes an object's record and leaves its blobs to the collector, unless a lock keeps it.
fn destroy(tx: &mut Tx<'_>, id: &VersionUuid, bypass: Bypass, now_ms: i64) -> Result<(), ObjectsError> {
    let at = version_key(id);
    if let Some(record) = tx.get(VERSIONS, &at)? {
        record.lock.check_removal(bypass, now_ms)?;
        crate::gc::bury(tx, &record.dead())?;
        tx.delete(VERSIONS, &at)?;
    }
    Ok(())
}

/// Removes the object at a key of a bucket that was never versioned.
pub(crate) fn remove_unversioned(
    tx: &mut Tx<'_>,
    bucket: &BucketName,
    key: &ObjectKey,
    now_ms: i64,
) -> Result<(), ObjectsError> {
    make_room(tx, Versioning::Unversioned, bucket, key, now_ms)
}

/// Removes one version for good, unless a lock keeps it; nothing if there is none. Where it was the latest, the next one is it now.
pub(crate) fn remove_version(
    tx: &mut Tx<'_>,
    bucket: &BucketName,
    key: &ObjectKey,
    id: &VersionId,
    bypass: Bypass,
    now_ms: i64,
) -> Result<Option<VersionEntry>, ObjectsError> {
    let Some(Located { entry, in_history, is_latest }) = locate(tx, bucket, key, id)? else { return Ok(None) };
    if let VersionEntry::Object(version) = &entry {
        destroy(tx, &version.id, bypass, now_ms)?;
    }
    crate::replication::forget(tx, bucket, key, entry.order())?;
    if in_history {
        remove_history(tx, bucket, key, &entry)?;
    } else {
        tx.delete(CURRENT, &current_key(bucket, key))?;
    }
    if is_latest && let Some(row) = newest_in_history(tx, bucket, key)? {
        match row.entry {
            VersionEntry::Object(ref version) => {
                remove_history(tx, bucket, key, &row.entry)?;
                tx.put(CURRENT, &current_key(bucket, key), version)?;
            }
            VersionEntry::DeleteMarker(_) => {
                put_history(tx, bucket, key, &HistoryRecord { noncurrent_since_ms: None, ..row })?;
            }
        }
    }
    Ok(Some(entry))
}

impl Objects {
    /// Turns a bucket's versioning on, or suspends it. It is never unversioned again.
    pub async fn put_bucket_versioning(
        &self,
        caller: &Caller,
        name: &BucketName,
        enabled: bool,
    ) -> Result<(), ObjectsError> {
        let name = name.clone();
        caller
            .commit(&*self.store, move |tx| {
                let mut bucket = bucket_in(tx, &name)?;
                if bucket.lock.is_some() && !enabled {
                    return Err(ObjectsError::InvalidBucketState {
                        reason: "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
                    });
                }
                if !enabled && tx.contains(REPLICATIONS, &bucket_key(&name))? {
                    return Err(ObjectsError::InvalidBucketState {
                        reason: "A replication configuration is present on this bucket, so you cannot change the versioning state. To change the versioning state, first delete the replication configuration.",
                    });
                }
                bucket.versioning = if enabled { Versioning::Enabled } else { Versioning::Suspended };
                Ok(tx.put(BUCKETS, &bucket_key(&name), &bucket)?)
            })
            .await
            .map_err(ObjectsError::from)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn version_ids_go_there_and_back() {
        for id in [VersionId::Null, VersionId::Id { order: 7, uuid: [0xfb; 16] }] {
            assert_eq!(VersionId::parse(&id.to_string()), Some(id));
        }
        let text = VersionId::Id { order: u64::from(u32::MAX), uuid: [0xff; 16] }.to_string();
        assert_eq!(text.len(), 32);
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{text}");
        for bad in ["", "NULL", "abc", &text[1..], &format!("{text}A"), &text.replace('_', "/")] {
            assert_eq!(VersionId::parse(bad), None, "{bad}");
        }
    }
}
