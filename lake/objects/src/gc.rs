//! Giving back room: the outbox of dead blobs and its worker, the sweep of orphans, and moving blobs that packs are compacted around.

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tarn_blobs::{BlobError, BlobRef, CompactReport, Relocate, SweepReport};
use tarn_metadata::{Read, StoreExt, Tx};
use tarn_runtime::{Worker, WorkerOutcome};

use crate::errors::ObjectsError;
use crate::keyspaces::{DEAD_BLOBS, PART_OWNERS, PARTS, VERSIONS};
use crate::objects::Objects;
use crate::records::{DeadBlobs, VersionRecord, VersionUuid, version_key};

/// How many effects of the outbox are looked at in one round.
const BATCH_COUNT_MAX: usize = 1024;
/// How often the queue is looked at while everything in it is still being read.
const WAIT: std::time::Duration = std::time::Duration::from_secs(1);

/// How often packs are looked over.
const COMPACT_EVERY: std::time::Duration = std::time::Duration::from_secs(60);

/// Asks for blobs to be deleted once the transaction has committed.
pub(crate) fn bury(tx: &mut Tx<'_>, dead: &DeadBlobs) -> Result<(), ObjectsError> {
    DEAD_BLOBS.push(tx, dead)?;
    Ok(())
}

/// Forgets whose parts these blobs were, except where the version still has bytes of the same part: a restored copy, or what was copied.
fn forget_owners(tx: &mut Tx<'_>, dead: &DeadBlobs) -> Result<(), ObjectsError> {
    let mut of_parts = dead.blobs.iter().filter(|blob| blob.owner.part > 0).peekable();
    if of_parts.peek().is_none() {
        return Ok(());
    }
    let version = tx.get(VERSIONS, &version_key(&dead.version))?;
    let named: std::collections::HashSet<VersionUuid> =
        version.iter().flat_map(VersionRecord::blobs).map(|blob| blob.owner.version).collect();
    for blob in of_parts.filter(|blob| !named.contains(&blob.owner.version)) {
        tx.delete(PART_OWNERS, &version_key(&blob.owner.version))?;
    }
    Ok(())
}

/// Deletes dead blobs when nobody reads them any more.
#[derive(Debug, Clone)]
pub struct Collector {
    objects: Objects,
}

impl Objects {
    /// The worker that gives back the room of deleted and replaced objects.
    pub fn collector(&self) -> Collector {
        Collector { objects: self.clone() }
    }

    /// Deletes the dead blobs that may be deleted now, up to a batch; tells how many effects were done. What cannot be deleted, as on a
    /// volume that is not there, waits on and keeps nothing else waiting; it is the error where nothing was done.
    pub async fn collect_dead_blobs(&self) -> Result<usize, ObjectsError> {
        let snapshot = self.snapshot()?;
        let pending = DEAD_BLOBS.pending(&snapshot, BATCH_COUNT_MAX)?;
        let is_full = pending.len() == BATCH_COUNT_MAX;
        let (mut done, mut stuck, mut failure) = (Vec::new(), Vec::new(), None);
        for entry in pending {
            if !self.pins.may_delete(&entry.effect.version, entry.id.sequence) {
                continue;
            }
            match self.delete_all(&entry.effect.blobs).await {
                Ok(()) => done.push(entry),
                Err(error) => {
                    failure = Some(error);
                    stuck.push(entry);
                }
            }
        }
        let count = done.len();
        // Those at the head of a full batch would keep it full for ever: they go to the end.
        if !is_full || count > 0 {
            stuck.clear();
        }
        if count > 0 || !stuck.is_empty() {
            let forget = move |tx: &mut Tx<'_>| {
                for entry in &done {
                    forget_owners(tx, &entry.effect)?;
                    DEAD_BLOBS.done(tx, entry.id)?;
                }
                for entry in &stuck {
                    DEAD_BLOBS.done(tx, entry.id)?;
                    DEAD_BLOBS.push(tx, &entry.effect)?;
                }
                Ok::<_, ObjectsError>(())
            };
            self.store.write(forget).await?;
        }
        match failure {
            Some(error) if count == 0 => Err(error),
            Some(_) | None => Ok(count),
        }
    }

    async fn delete_all(&self, blobs: &[BlobRef]) -> Result<(), ObjectsError> {
        for blob in blobs {
            self.blobs.delete(blob).await.map_err(ObjectsError::Blob)?;
        }
        Ok(())
    }

    /// Removes blobs that no record names: what a crash left behind. Call after recovery, or at any time.
    pub async fn sweep(&self) -> Result<SweepReport, ObjectsError> {
        let owned = Mutex::new(OwnedByUpload::default());
        let is_live = |blob: &BlobRef| {
            // What cannot be found out is kept.
            self.is_live(blob, &owned).unwrap_or(true)
        };
        self.blobs.sweep(&is_live).await.map_err(ObjectsError::Blob)
    }

    fn is_live(&self, blob: &BlobRef, owned: &Mutex<OwnedByUpload>) -> Result<bool, ObjectsError> {
        let owner = &blob.owner.version;
        // Before the snapshot: what is committed after this look is in the snapshot.
        if self.pins.is_in_flight(owner) || self.pins.is_pinned(owner) {
            return Ok(true);
        }
        let snapshot = self.snapshot()?;
        if blob.owner.part == 0 {
            let version = snapshot.get(VERSIONS, &version_key(owner))?;
            return Ok(version.is_some_and(|version| version.blobs().any(|named| named == blob)));
        }
        let Some(part) = snapshot.get(PART_OWNERS, &version_key(owner))? else { return Ok(false) };
        if self.pins.is_pinned(&part.upload) {
            return Ok(true);
        }
        // The parts of one upload are often met one after another, and their version's record is large.
        let mut owned = owned.lock();
        if owned.upload != Some(part.upload) || !owned.blobs.contains(blob) {
            *owned = OwnedByUpload { upload: Some(part.upload), blobs: self.blobs_of_upload(&snapshot, &part.upload)? };
        }
        Ok(owned.blobs.contains(blob))
    }

    /// Whether `blob` is being read, or is on its way into a record.
    fn is_held(&self, blob: &BlobRef) -> Result<bool, ObjectsError> {
        let owner = &blob.owner.version;
        if self.pins.is_in_flight(owner) || self.pins.is_pinned(owner) {
            return Ok(true);
        }
        match blob.owner.part {
            0 => Ok(false),
            _ => {
                let part = self.snapshot()?.get(PART_OWNERS, &version_key(owner))?;
                Ok(part.is_some_and(|part| self.pins.is_pinned(&part.upload)))
            }
        }
    }

    /// Whether a committed record names `blob`.
    fn is_named(&self, blob: &BlobRef) -> Result<bool, ObjectsError> {
        let snapshot = self.snapshot()?;
        let upload = match blob.owner.part {
            0 => blob.owner.version,
            _ => match snapshot.get(PART_OWNERS, &version_key(&blob.owner.version))? {
                Some(owner) => owner.upload,
                None => return Ok(false),
            },
        };
        Ok(self.blobs_of_upload(&snapshot, &upload)?.contains(blob))
    }

    fn blobs_of_upload(
        &self,
        read: &impl Read,
        upload: &VersionUuid,
    ) -> Result<std::collections::HashSet<BlobRef>, ObjectsError> {
        let mut blobs = std::collections::HashSet::new();
        if let Some(version) = read.get(VERSIONS, &version_key(upload))? {
            blobs.extend(version.blobs().cloned());
        }
        for part in read.prefix(PARTS, &version_key(upload)) {
            blobs.insert(part?.1.blob);
        }
        Ok(blobs)
    }

    /// Puts `new` in the place of `old` in the record that names it: called while packs are compacted. False if no record names `old`.
    pub async fn relocate_blob(&self, old: &BlobRef, new: BlobRef) -> Result<bool, ObjectsError> {
        let old = old.clone();
        // Bytes that no record names may still be read, or be about to be named: they stay where they are.
        if self.is_held(&old)? && !self.is_named(&old)? {
            let reason = "it is being read or not yet committed; it is moved another time".to_owned();
            return Err(ObjectsError::Blob(BlobError::Io { doing: "moving a blob".to_owned(), reason }));
        }
        let relocate = move |tx: &mut Tx<'_>| {
            let upload = match old.owner.part {
                0 => old.owner.version,
                _ => match tx.get(PART_OWNERS, &version_key(&old.owner.version))? {
                    Some(owner) => owner.upload,
                    None => return Ok(false),
                },
            };
            if let Some(mut version) = tx.get(VERSIONS, &version_key(&upload))?
                && let Some(place) = version.blob_mut(&old)
            {
                *place = new;
                tx.put(VERSIONS, &version_key(&upload), &version)?;
                return Ok(true);
            }
            let found = tx
                .prefix(PARTS, &version_key(&upload))
                .find(|part| part.as_ref().map_or(true, |(_, part)| part.blob == old));
            match found.transpose()? {
                Some((at, mut part)) => {
                    part.blob = new;
                    tx.put(PARTS, &at, &part)?;
                    Ok::<_, ObjectsError>(true)
                }
                None => Ok(false),
            }
        };
        Ok(self.store.write(relocate).await?)
    }
}

/// Packs are compacted around what lives in them; objects own the references.
struct ObjectBlobs {
    objects: Objects,
    owned: Mutex<OwnedByUpload>,
}

impl Relocate for ObjectBlobs {
    fn is_live(&self, blob: &BlobRef) -> bool {
        self.objects.is_live(blob, &self.owned).unwrap_or(true)
    }

    fn relocate<'a>(&'a self, old: &'a BlobRef, new: BlobRef) -> BoxFuture<'a, Result<bool, BlobError>> {
        async move {
            self.objects.relocate_blob(old, new).await.map_err(|error| match error {
                ObjectsError::Blob(error) => error,
                other => BlobError::Io { doing: "moving a blob".to_owned(), reason: other.to_string() },
            })
        }
        .boxed()
    }
}

/// Moves what lives in half-dead packs together, now and then, so that their room comes back.
#[derive(Debug, Clone)]
pub struct Compactor {
    objects: Objects,
}

impl Objects {
    /// The worker that compacts packs.
    pub fn compactor(&self) -> Compactor {
        Compactor { objects: self.clone() }
    }

    /// One round of compaction.
    pub async fn compact(&self) -> Result<CompactReport, ObjectsError> {
        let owned = ObjectBlobs { objects: self.clone(), owned: Mutex::default() };
        self.blobs.compact(&owned).await.map_err(ObjectsError::Blob)
    }
}

impl Worker for Compactor {
    fn name(&self) -> String {
        "objects-compactor".to_owned()
    }

    fn work(&self) -> BoxFuture<'_, WorkerOutcome> {
        async move {
            match self.objects.compact().await {
                // What was emptied is removed by the next round, which waits: readers found the old places before.
                Ok(_) => WorkerOutcome::Idle,
                Err(error) => WorkerOutcome::Failed { reason: error.to_string() },
            }
        }
        .boxed()
    }

    fn wait(&self) -> BoxFuture<'_, ()> {
        tokio::time::sleep(COMPACT_EVERY).boxed()
    }
}

#[derive(Default)]
struct OwnedByUpload {
    upload: Option<VersionUuid>,
    blobs: std::collections::HashSet<BlobRef>,
}

impl Worker for Collector {
    fn name(&self) -> String {
        "objects-collector".to_owned()
    }

    fn work(&self) -> BoxFuture<'_, WorkerOutcome> {
        async move {
            match self.objects.collect_dead_blobs().await {
                Ok(0) => WorkerOutcome::Idle,
                Ok(_) => WorkerOutcome::Busy,
                Err(error) => WorkerOutcome::Failed { reason: error.to_string() },
            }
        }
        .boxed()
    }

    fn wait(&self) -> BoxFuture<'_, ()> {
        async move {
            // With nothing pending only a commit gives work; otherwise all that is pending is being read, and is looked at again.
            let pending =
                self.objects.snapshot().and_then(|snapshot| Ok(!DEAD_BLOBS.pending(&snapshot, 1)?.is_empty()));
            if pending.unwrap_or(true) {
                tokio::time::sleep(WAIT).await;
            } else {
                self.objects.dead.notified().await;
            }
        }
        .boxed()
    }
}
