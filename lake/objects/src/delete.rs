//! Deleting: the object at a key, or one version of it, one or up to a thousand at once.

use std::collections::HashMap;

use tarn_audit::Caller;
use tarn_metadata::{Read, Tx};

use crate::conditions::{EtagCondition, WriteConditions};
use crate::errors::ObjectsError;
use crate::events::{Change, ChangedBy, EventDetails, EventKind, Subject, announce, is_eventful};
use crate::keyspaces::CURRENT;
use crate::lock::Bypass;
use crate::names::{BucketName, ObjectKey};
use crate::objects::{Objects, bucket_in};
use crate::records::{VersionEntry, Versioning, current_key};
use crate::versions::{NewMarker, VersionId, locate, mark_deleted, missing, remove_unversioned, remove_version};

/// The most objects one call deletes.
pub const DELETE_OBJECTS_COUNT_MAX: usize = 1000;

/// One object to be deleted.
#[derive(Debug, Clone)]
pub struct DeleteObject {
    /// Which.
    pub key: ObjectKey,
    /// Only this version, for good. Without it the object goes, or, where versions are kept, a delete marker is put on it.
    pub version: Option<VersionId>,
    /// Only if this is its entity tag.
    pub if_match: Option<EtagCondition>,
    /// Whether a GOVERNANCE retention is passed over.
    pub bypass: Bypass,
}

impl DeleteObject {
    /// Without a condition.
    pub fn new(key: ObjectKey) -> Self {
        Self { key, version: None, if_match: None, bypass: Bypass::No }
    }
}

/// What a deletion did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// The object is gone, if there was one: the bucket was never versioned.
    Object,
    /// A delete marker was put on the key.
    Marked {
        /// The marker.
        marker: VersionId,
    },
    /// The version is gone, if there was one.
    Version {
        /// Which.
        version: VersionId,
        /// Whether it was a delete marker.
        was_delete_marker: bool,
    },
}

impl Objects {
    /// Deletes the object at a key, or a version of it. That there is none is no error.
    pub async fn delete_object(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        delete: DeleteObject,
    ) -> Result<Deleted, ObjectsError> {
        match self.delete_objects(caller, bucket, vec![delete]).await?.pop() {
            Some((_, outcome)) => outcome,
            None => Ok(Deleted::Object),
        }
    }

    /// Deletes several in one transaction; each has its own outcome. The same one named twice is deleted once.
    pub async fn delete_objects(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        deletes: Vec<DeleteObject>,
    ) -> Result<Vec<(DeleteObject, Result<Deleted, ObjectsError>)>, ObjectsError> {
        let bucket = bucket.clone();
        let (marker, now_ms, by) = (self.new_uuid(), self.now_ms(), self.changed_by(caller));
        let outcomes = caller
            .commit(&*self.store, move |tx| {
                let versioning = bucket_in(tx, &bucket)?.versioning;
                let mut outcomes = Vec::with_capacity(deletes.len());
                let mut done = HashMap::new();
                for delete in deletes {
                    let named = (delete.key.clone(), delete.version);
                    let outcome = match done.get(&named) {
                        Some(deleted) => Ok(*deleted),
                        None => {
                            let marker = NewMarker { id: marker, owner: None, now_ms };
                            match delete_in(tx, &bucket, versioning, &delete, marker, &by) {
                                // What the store cannot do ends the whole call; the rest is the outcome of this one.
                                Err(error @ ObjectsError::Store(_)) => return Err(error),
                                outcome => outcome,
                            }
                        }
                    };
                    if let Ok(deleted) = outcome {
                        done.insert(named, deleted);
                    }
                    outcomes.push((delete, outcome));
                }
                // A call that deleted nothing because it was refused is no change: its record is a refusal's.
                match outcomes.first() {
                    Some((_, Err(error))) if outcomes.len() == 1 => Err(error.clone()),
                    _ => Ok(outcomes),
                }
            })
            .await
            .map_err(ObjectsError::from)?;
        self.dead.notify_one();
        Ok(outcomes)
    }
}

fn delete_in(
    tx: &mut Tx<'_>,
    bucket: &BucketName,
    versioning: Versioning,
    delete: &DeleteObject,
    marker: NewMarker,
    by: &ChangedBy,
) -> Result<Deleted, ObjectsError> {
    let DeleteObject { key, version, if_match, bypass } = delete;
    if if_match.is_some() {
        check(tx, bucket, delete)?;
    }
    let tell = |tx: &mut Tx<'_>, kind, subject| {
        announce(tx, &Change { kind, bucket, key, subject, details: EventDetails::None, by })
    };
    match version {
        Some(version) => {
            let removed = remove_version(tx, bucket, key, version, *bypass, marker.now_ms)?;
            if removed.is_some() {
                tell(tx, EventKind::Removed, Subject::Removed(Some(*version)))?;
            }
            let was_delete_marker = removed.is_some_and(|entry| entry.is_delete_marker());
            Ok(Deleted::Version { version: *version, was_delete_marker })
        }
        None => match versioning {
            Versioning::Unversioned => {
                let is_told = is_eventful(tx, bucket)? && tx.contains(CURRENT, &current_key(bucket, key))?;
                remove_unversioned(tx, bucket, key, marker.now_ms)?;
                if is_told {
                    tell(tx, EventKind::Removed, Subject::Removed(None))?;
                }
                Ok(Deleted::Object)
            }
            Versioning::Enabled | Versioning::Suspended => {
                let marker = mark_deleted(tx, versioning, bucket, key, marker)?;
                tell(tx, EventKind::Marked, Subject::Marker(marker))?;
                Ok(Deleted::Marked { marker })
            }
        },
    }
}

/// Checks the condition over the version that is named, or the latest.
fn check(read: &impl Read, bucket: &BucketName, delete: &DeleteObject) -> Result<(), ObjectsError> {
    let DeleteObject { key, version, if_match, .. } = delete;
    let current = match version {
        None => read.get(CURRENT, &current_key(bucket, key))?,
        Some(id) => match locate(read, bucket, key, id)?.map(|located| located.entry) {
            Some(VersionEntry::Object(version)) => Some(version),
            // A delete marker has no entity tag: nothing matches it.
            Some(VersionEntry::DeleteMarker(_)) | None => None,
        },
    };
    let missing = match (&current, version) {
        (Some(_), _) => None,
        (None, None) => Some(missing(read, bucket, key)?),
        (None, Some(id)) => Some(ObjectsError::NoSuchVersion { key: key.to_string(), version_id: id.to_string() }),
    };
    let conditions = WriteConditions { if_none_match: None, if_match: if_match.clone() };
    conditions.check(current.as_ref().map(|current| &current.etag), missing)
}
