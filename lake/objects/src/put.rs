//! Storing bytes: a stream is hashed on another thread, sealed, made durable, and only then committed. Shared by puts, parts and copies.
//!
//! **Invariant:** a put that fails or is dropped leaves nothing: without a commit there is no record, and blobs without a record are deleted or swept.

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::BoxStream;
use tarn_audit::Caller;
use tarn_blobs::{BlobOwner, BlobRef, BlobStore, BlobWriter};
use tarn_keys::{PartKey, SealWriter, sealed_len};
use tokio::task::JoinHandle;

use crate::acl::{AclRequest, of_new_object};
use crate::checksums::{Checksum, ChecksumAlgorithm, Computed, Digests, Etag, ExpectedDigests};
use crate::classes::{AccessTier, Placement, StorageClass};
use crate::conditions::WriteConditions;
use crate::encryption::{EncryptionRequest, Sealing, tag_bytes};
use crate::errors::{BodyError, BodyErrorKind, ObjectsError};
use crate::events::{Change, EventKind, announce};
use crate::get::ObjectVersion;
use crate::keyspaces::CURRENT;
use crate::lock::{VersionLock, check_asked, lock_of_new};
use crate::names::{BucketName, ObjectKey};
use crate::objects::{Objects, bucket_in, layout_bytes};
use crate::packing::{Packer, Packing};
use crate::pins::InFlight;
use crate::records::{PartRecord, VersionName, VersionRecord, VersionUuid, current_key};
use crate::tagging::{ObjectMetadata, Tags};
use crate::versions::{install, missing};
use tarn_metadata::{Read, StoreError};

/// Bytes as they come from the caller.
pub type Body<'a> = BoxStream<'a, Result<Bytes, BodyError>>;

/// How much is hashed, sealed and written at a time: one such batch is being collected while another is being hashed.
const BATCH_SIZE_BYTES: usize = 512 << 10;
/// Below this, bytes are hashed where they are: handing them to another thread costs more.
const HASH_INLINE_SIZE_BYTES_MAX: usize = 32 << 10;

/// An object to be put at once.
#[derive(Debug)]
pub struct PutObject {
    /// Where.
    pub bucket: BucketName,
    /// At which key.
    pub key: ObjectKey,
    /// How many bytes will come, if known; more or fewer are refused.
    pub content_length: Option<u64>,
    /// Headers.
    pub metadata: ObjectMetadata,
    /// Tags.
    pub tags: Tags,
    /// Where its bytes are to be placed.
    pub class: StorageClass,
    /// What the caller says the bytes are.
    pub expected: ExpectedDigests,
    /// Only if this holds.
    pub conditions: WriteConditions,
    /// How it is to be encrypted.
    pub encryption: EncryptionRequest,
    /// What is to keep it; what is not said here, the bucket's default says.
    pub lock: VersionLock,
    /// Who may do what with it.
    pub acl: AclRequest,
    /// How it comes: for the event.
    pub created: EventKind,
}

impl PutObject {
    /// With nothing but a place: no headers, no conditions.
    pub fn new(bucket: BucketName, key: ObjectKey) -> Self {
        Self {
            bucket,
            key,
            content_length: None,
            metadata: ObjectMetadata::default(),
            tags: Tags::default(),
            class: StorageClass::Standard,
            expected: ExpectedDigests::default(),
            conditions: WriteConditions::default(),
            encryption: EncryptionRequest::default(),
            lock: VersionLock::default(),
            acl: AclRequest::default(),
            created: EventKind::CreatedPut,
        }
    }
}

/// `bytes` as a body.
pub fn body_of(bytes: impl Into<Bytes>) -> Body<'static> {
    futures::stream::iter([Ok(bytes.into())]).boxed()
}

/// Bytes that were received and written, and are neither durable nor committed yet.
pub(crate) struct Received {
    writer: Box<dyn BlobWriter>,
    in_flight: InFlight,
    pub(crate) size_bytes: u64,
    pub(crate) packing: Packing,
    pub(crate) computed: Computed,
}

/// A blob that is durable and not committed yet: committed, or deleted again.
pub(crate) struct Durable {
    pub(crate) blob: BlobRef,
    in_flight: InFlight,
}

impl Received {
    pub(crate) async fn finish(self) -> Result<Durable, ObjectsError> {
        let blob = self.writer.finish().await.map_err(ObjectsError::Blob)?;
        Ok(Durable { blob, in_flight: self.in_flight })
    }
}

impl Durable {
    pub(crate) fn new(blob: BlobRef, in_flight: InFlight) -> Self {
        Self { blob, in_flight }
    }

    /// Ends the blob's limbo by the fate of its commit.
    pub(crate) async fn settle<T>(
        self,
        blobs: &dyn BlobStore,
        fate: Result<T, ObjectsError>,
    ) -> Result<T, ObjectsError> {
        // A store that failed may have kept the record: then only the sweep after recovery knows whether the blob is an orphan.
        let unknown = |error: &ObjectsError| {
            matches!(
                error,
                ObjectsError::Store(StoreError::Failed { .. } | StoreError::Closed) | ObjectsError::Stopping
            )
        };
        if let Err(error) = &fate
            && !unknown(error)
            && let Err(error) = blobs.delete(&self.blob).await
        {
            tracing::warn!(%error, "a blob that was not committed could not be deleted; a sweep will");
        }
        drop(self.in_flight);
        fate
    }
}

/// Hashes batches on the blocking pool, one at a time and in order. No thread is held while the caller is slow.
struct Hashing {
    digests: Option<Digests>,
    running: Option<JoinHandle<Digests>>,
}

impl Hashing {
    async fn settled(&mut self) -> Result<Digests, ObjectsError> {
        if let Some(running) = self.running.take() {
            return running.await.map_err(|_| ObjectsError::Stopping);
        }
        self.digests.take().ok_or(ObjectsError::Stopping)
    }

    async fn push(&mut self, batch: Bytes) -> Result<(), ObjectsError> {
        let mut digests = self.settled().await?;
        if batch.len() <= HASH_INLINE_SIZE_BYTES_MAX {
            digests.update(&batch);
            self.digests = Some(digests);
        } else {
            self.running = Some(tokio::task::spawn_blocking(move || {
                digests.update(&batch);
                digests
            }));
        }
        Ok(())
    }
}

/// Collects a body into batches of a useful size; small bodies pass without a copy.
struct Batches<'a> {
    body: Body<'a>,
    collected: BytesMut,
    next: Option<Bytes>,
    ended: bool,
}

impl Batches<'_> {
    async fn next(&mut self) -> Result<Option<Bytes>, ObjectsError> {
        while !self.ended {
            match self.body.next().await {
                None => self.ended = true,
                Some(Err(error)) => return Err(ObjectsError::Body(error)),
                Some(Ok(bytes)) if bytes.is_empty() => {}
                Some(Ok(bytes)) if self.collected.is_empty() && self.next.is_none() => self.next = Some(bytes),
                Some(Ok(bytes)) => {
                    if let Some(first) = self.next.take() {
                        self.collected.reserve(BATCH_SIZE_BYTES.max(first.len() + bytes.len()));
                        self.collected.extend_from_slice(&first);
                    }
                    self.collected.extend_from_slice(&bytes);
                }
            }
            if self.collected.len() >= BATCH_SIZE_BYTES
                || self.next.as_ref().is_some_and(|next| next.len() >= BATCH_SIZE_BYTES)
            {
                break;
            }
        }
        if let Some(whole) = self.next.take() {
            return Ok(Some(whole));
        }
        Ok((!self.collected.is_empty()).then(|| self.collected.split().freeze()))
    }
}

impl Objects {
    /// Reads `body` to its end into a blob that is not durable yet.
    pub(crate) async fn receive(
        &self,
        owner: BlobOwner,
        key: PartKey,
        placement: Placement,
        content_length: Option<u64>,
        body: Body<'_>,
        digests: Digests,
    ) -> Result<Received, ObjectsError> {
        let size_bytes_max = self.options.part_size_bytes_max;
        if let Some(size_bytes) = content_length.filter(|size_bytes| *size_bytes > size_bytes_max) {
            return Err(ObjectsError::EntityTooLarge { size_bytes, size_bytes_max });
        }
        let in_flight = self.pins.in_flight(owner.version);
        // How long it becomes when it is packed is not known before; then the hint is a guess on the safe side.
        let len_hint = content_length.map(sealed_len);
        let mut writer = self.create_blob(owner, len_hint, placement).await?;
        let mut packer = placement.level.map(|level| Packer::new(self.compressing.clone(), level));
        let mut sealer = SealWriter::new(key);
        let mut hashing = Hashing { digests: Some(digests), running: None };
        let mut batches = Batches { body, collected: BytesMut::new(), next: None, ended: false };
        let mut received_bytes = 0_u64;
        while let Some(batch) = batches.next().await? {
            received_bytes += batch.len() as u64;
            if received_bytes > size_bytes_max {
                return Err(ObjectsError::EntityTooLarge { size_bytes: received_bytes, size_bytes_max });
            }
            if let Some(expected_bytes) = content_length.filter(|expected| received_bytes > *expected) {
                return Err(ObjectsError::IncompleteBody { expected_bytes, received_bytes });
            }
            hashing.push(batch.clone()).await?;
            let packed = match &mut packer {
                Some(packer) => packer.push(&batch).await?,
                None => vec![batch],
            };
            write_sealed(&mut sealer, &mut *writer, packed).await?;
        }
        if let Some(expected_bytes) = content_length.filter(|expected| received_bytes != *expected) {
            return Err(ObjectsError::IncompleteBody { expected_bytes, received_bytes });
        }
        let packing = match packer {
            None => Packing::Raw,
            Some(packer) => {
                let packed = packer.finish().await?;
                write_sealed(&mut sealer, &mut *writer, packed).await?;
                Packing::Frames
            }
        };
        let last = sealer.finish().map_err(ObjectsError::Keys)?;
        if !last.is_empty() {
            writer.write(last).await.map_err(ObjectsError::Blob)?;
        }
        let computed = hashing.settled().await?.finish();
        Ok(Received { writer, in_flight, size_bytes: received_bytes, packing, computed })
    }

    /// Stores an object: durable, with its audit record, when this answers.
    pub async fn put_object(
        &self,
        caller: &Caller,
        request: PutObject,
        body: Body<'_>,
    ) -> Result<ObjectVersion, ObjectsError> {
        let PutObject {
            bucket,
            key,
            content_length,
            metadata,
            tags,
            class,
            expected,
            conditions,
            encryption,
            lock,
            acl,
            created,
        } = request;
        metadata.check()?;
        let snapshot = self.snapshot()?;
        let of_bucket = bucket_in(&snapshot, &bucket)?;
        check_asked(of_bucket.lock, &lock, self.now_ms())?;
        let (owner, list) = of_new_object(&snapshot, &of_bucket, &acl, caller.principal())?;
        drop(snapshot);
        let id = self.new_uuid();
        let sealing = self.sealing(caller, &bucket, &key, &id, &encryption).await?;
        let Sealing { data_key, sealed, layout_key, encryption } = sealing;
        let part_key = data_key.part(1, id).map_err(ObjectsError::Keys)?;
        let kept = expected.named().unwrap_or(ChecksumAlgorithm::Crc64Nvme);
        let received = self
            .receive(
                BlobOwner { version: id, part: 0 },
                part_key,
                self.placement(class, AccessTier::default()),
                content_length,
                body,
                expected.digests(kept),
            )
            .await?;
        expected.check(&received.computed)?;
        let value = received.computed.checksum(kept).unwrap_or_default().to_vec();
        let mut record = VersionRecord {
            id,
            name: VersionName::Null,
            bucket,
            key,
            size_bytes: received.size_bytes,
            modified_ms: self.now_ms(),
            etag: Etag::Md5(tag_bytes(&encryption, &data_key, received.computed.md5)?),
            checksum: Some(Checksum::full(kept, value)),
            metadata,
            tags,
            class,
            data_key: sealed,
            layout_tag: [0; 32],
            parts: Vec::new(),
            owner,
            encryption,
            order: 0,
            lock,
            acl: list,
            tier: AccessTier::default(),
            restore: None,
            sealed_for: None,
        };
        let (objects, caller) = (self.clone(), caller.clone());
        // From here on the work goes to its end even if the caller goes away: a commit must not be separated from its blob.
        let commit = async move {
            let (size_bytes, packing) = (received.size_bytes, received.packing);
            let durable = received.finish().await?;
            record.parts.push(PartRecord {
                number: 1,
                size_bytes,
                blob: durable.blob.clone(),
                checksum: None,
                packing,
                sealed_for: None,
            });
            let fate = match seal_layout(&layout_key, &mut record) {
                Ok(()) => objects.commit_version(&caller, record, acl, conditions, created).await,
                Err(error) => Err(error),
            };
            durable.settle(&*objects.blobs, fate).await
        };
        tokio::spawn(commit).await.map_err(|_| ObjectsError::Stopping)?
    }

    async fn commit_version(
        &self,
        caller: &Caller,
        mut record: VersionRecord,
        acl: AclRequest,
        conditions: WriteConditions,
        created: EventKind,
    ) -> Result<ObjectVersion, ObjectsError> {
        let id: VersionUuid = record.id;
        let pin = self.pins.pin(id);
        let now_ms = self.now_ms();
        let (writer, by) = (caller.principal().clone(), self.changed_by(caller));
        let (record, versioning) = caller
            .commit(&*self.store, move |tx| {
                // Asked once more: the bucket's rules may have changed while the bytes came in.
                let bucket = bucket_in(tx, &record.bucket)?;
                (record.owner, record.acl) = of_new_object(tx, &bucket, &acl, &writer)?;
                check_conditions(tx, &record.bucket, &record.key, &conditions)?;
                check_asked(bucket.lock, &record.lock, now_ms)?;
                record.lock = lock_of_new(bucket.lock, record.lock, now_ms);
                install(tx, bucket.versioning, &mut record, now_ms)?;
                announce(tx, &Change::of(created, &record, &by))?;
                Ok::<_, ObjectsError>((record, bucket.versioning))
            })
            .await?;
        self.dead.notify_one();
        Ok(ObjectVersion::new(record, versioning, pin))
    }
}

/// Seals pieces and hands them on. One chunk at a time would be 64 KiB; sealing 512 KiB takes a tenth of a millisecond.
async fn write_sealed(
    sealer: &mut SealWriter,
    writer: &mut dyn BlobWriter,
    pieces: Vec<Bytes>,
) -> Result<(), ObjectsError> {
    for piece in pieces {
        let sealed = sealer.push(&piece).map_err(ObjectsError::Keys)?;
        if !sealed.is_empty() {
            writer.write(sealed).await.map_err(ObjectsError::Blob)?;
        }
    }
    Ok(())
}

/// Checks a write's conditions against what is at the key now.
pub(crate) fn check_conditions(
    read: &impl Read,
    bucket: &BucketName,
    key: &ObjectKey,
    conditions: &WriteConditions,
) -> Result<(), ObjectsError> {
    if *conditions == WriteConditions::default() {
        return Ok(());
    }
    let current = read.get(CURRENT, &current_key(bucket, key))?;
    let missing = match current {
        Some(_) => None,
        None => Some(missing(read, bucket, key)?),
    };
    conditions.check(current.as_ref().map(|current| &current.etag), missing)
}

/// Binds sizes and parts to a key of the version, so that a record whose layout was altered is not read.
pub(crate) fn seal_layout(layout_key: &tarn_keys::DataKey, record: &mut VersionRecord) -> Result<(), ObjectsError> {
    record.layout_tag = layout_key.authenticate("object-layout", &layout_bytes(record)).map_err(ObjectsError::Keys)?;
    Ok(())
}

/// An error of the lake's own reading, as the body of a copy gives it.
pub(crate) fn internal_body_error(error: &ObjectsError) -> BodyError {
    BodyError { kind: BodyErrorKind::Internal, reason: error.to_string() }
}
