//! Multipart uploads: begun, filled part by part, completed without rewriting a byte, or aborted.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html>

use std::collections::BTreeMap;
use std::ops::Bound;

use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_blobs::{BlobOwner, BlobRef};
use tarn_keys::DataKey;
use tarn_metadata::{Read, Record, Tx};
use tarn_policy::{Authorized, Context};

use crate::acl::{AclRequest, of_new_object};
use crate::checksums::{Checksum, ChecksumAlgorithm, ChecksumKind, Etag, ExpectedDigests};
use crate::classes::{AccessTier, StorageClass};
use crate::conditions::WriteConditions;
use crate::encryption::{CustomerKey, EncryptionRequest, Sealing, tag_bytes};
use crate::errors::ObjectsError;
use crate::events::{Change, ChangedBy, EventKind, announce};
use crate::gc::bury;
use crate::get::ObjectVersion;
use crate::keyspaces::{PART_OWNERS, PARTS, UPLOAD_KEYS, UPLOADS, VERSIONS};
use crate::listing::LIST_COUNT_MAX;
use crate::lock::{VersionLock, check_asked, lock_of_new};
use crate::names::{BucketName, ObjectKey};
use crate::objects::{Objects, bucket_in, require_bucket};
use crate::put::{Body, check_conditions, seal_layout};
use crate::records::{
    DeadBlobs, PartOwner, PartRecord, UploadRecord, UploadedPart, VersionName, VersionRecord, VersionUuid, Versioning,
    part_key, upload_key, version_key,
};
use crate::tagging::{ObjectMetadata, Tags};
use crate::versions::install;

/// The most parts of an upload.
pub const PARTS_COUNT_MAX: u32 = 10_000;
/// The most bytes of an object: 50 TB, as on AWS.
pub const OBJECT_SIZE_BYTES_MAX: u64 = 50 << 40;

/// An upload to be begun.
#[derive(Debug, Clone)]
pub struct CreateMultipartUpload {
    /// Where.
    pub bucket: BucketName,
    /// At which key.
    pub key: ObjectKey,
    /// Headers.
    pub metadata: ObjectMetadata,
    /// Tags.
    pub tags: Tags,
    /// Where the bytes are to be placed.
    pub class: StorageClass,
    /// The checksum of parts and object; without one, CRC64NVME over all bytes is kept.
    pub checksum: Option<(ChecksumAlgorithm, Option<ChecksumKind>)>,
    /// How it is to be encrypted.
    pub encryption: EncryptionRequest,
    /// What is to keep the object; what is not said here, the bucket's default says.
    pub lock: VersionLock,
    /// Who may do what with the object to be.
    pub acl: AclRequest,
}

/// Which upload a call means.
#[derive(Debug, Clone)]
pub struct UploadName {
    /// Its bucket.
    pub bucket: BucketName,
    /// Its key.
    pub key: ObjectKey,
    /// As it was given out.
    pub upload_id: String,
}

/// A part to be uploaded.
#[derive(Debug)]
pub struct UploadPart {
    /// Of which upload.
    pub upload: UploadName,
    /// 1 to 10,000.
    pub number: u32,
    /// How many bytes will come, if known.
    pub content_length: Option<u64>,
    /// What the caller says the bytes are.
    pub expected: ExpectedDigests,
    /// The key that the caller keeps, where the upload was begun with one.
    pub customer_key: Option<CustomerKey>,
}

/// One part that a completion lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompletedPart {
    /// Its number.
    pub number: u32,
    /// The entity tag its upload answered.
    pub etag: String,
    /// The checksums its upload answered, if the caller repeats them.
    pub checksums: Vec<Checksum>,
}

/// An upload to be completed.
#[derive(Debug, Clone)]
pub struct CompleteMultipartUpload {
    /// Which.
    pub upload: UploadName,
    /// Its parts, ascending.
    pub parts: Vec<CompletedPart>,
    /// What the caller says the whole is.
    pub checksums: Vec<Checksum>,
    /// What the caller says the checksum is taken over.
    pub kind: Option<ChecksumKind>,
    /// How many bytes the caller says the whole has.
    pub size_bytes: Option<u64>,
    /// Only if this holds.
    pub conditions: WriteConditions,
    /// The key that the caller keeps, if it is given once more.
    pub customer_key: Option<CustomerKey>,
}

/// A page of an upload's parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartPage {
    /// The upload.
    pub upload: UploadRecord,
    /// By number.
    pub parts: Vec<UploadedPart>,
    /// Where there is more: the number of the last part listed.
    pub next: Option<u32>,
}

impl UploadRecord {
    /// The id as callers see it.
    pub fn upload_id(&self) -> String {
        hex::encode(self.id)
    }

    fn kept(&self) -> (ChecksumAlgorithm, ChecksumKind) {
        self.checksum.unwrap_or((ChecksumAlgorithm::Crc64Nvme, ChecksumKind::FullObject))
    }
}

/// An upload's id from the text callers give.
pub fn parse_upload_id(text: &str) -> Option<VersionUuid> {
    let mut id = [0; 16];
    hex::decode_to_slice(text, &mut id).ok()?;
    Some(id)
}

fn upload_in(read: &impl Read, name: &UploadName) -> Result<UploadRecord, ObjectsError> {
    let found = match parse_upload_id(&name.upload_id) {
        Some(id) => read.get(UPLOADS, &upload_key(&name.bucket, &name.key, &id))?,
        None => None,
    };
    match found {
        Some(upload) => Ok(upload),
        None => {
            require_bucket(read, &name.bucket)?;
            Err(ObjectsError::NoSuchUpload { upload_id: name.upload_id.clone() })
        }
    }
}

fn parts_in(read: &impl Read, upload: &VersionUuid) -> Result<Vec<UploadedPart>, ObjectsError> {
    read.prefix(PARTS, &version_key(upload)).map(|part| Ok(part?.1)).collect()
}

/// What its request said of an upload's object, as condition keys: policies that ask for it ask at each part, whose request does not say
/// it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadKeys {
    keys: BTreeMap<String, Vec<String>>,
}

impl Record for UploadKeys {
    const VERSION: u16 = 1;
}

impl UploadKeys {
    /// Of the proof that whoever begins the upload may do so.
    fn of(proof: &Authorized) -> Self {
        // Of the request alone: what it said of its body, and when it was to be refused.
        const NOT_OF_THE_OBJECT: [&str; 3] = ["s3:x-amz-content-sha256", "s3:if-match", "s3:if-none-match"];
        let said = proof.requirements().first().into_iter().flat_map(|requirement| requirement.context.iter());
        let kept = said.filter(|(key, _)| key.starts_with("s3:") && !NOT_OF_THE_OBJECT.contains(key));
        Self { keys: kept.map(|(key, values)| (key.to_owned(), values.to_vec())).collect() }
    }
}

impl Objects {
    /// The condition keys that an upload was begun with; none if it is not there. Not for answers to callers.
    pub fn upload_condition_keys(&self, name: &UploadName) -> Result<Context, ObjectsError> {
        let mut context = Context::new();
        let Some(id) = parse_upload_id(&name.upload_id) else { return Ok(context) };
        let begun = self.snapshot()?.get(UPLOAD_KEYS, &upload_key(&name.bucket, &name.key, &id))?;
        for (key, values) in begun.into_iter().flat_map(|begun| begun.keys) {
            context.set_all(&key, values);
        }
        Ok(context)
    }

    /// Begins an upload.
    pub async fn create_multipart_upload(
        &self,
        caller: &Caller,
        request: CreateMultipartUpload,
    ) -> Result<UploadRecord, ObjectsError> {
        let CreateMultipartUpload { bucket, key, metadata, tags, class, checksum, encryption, lock, acl } = request;
        metadata.check()?;
        let checksum = match checksum {
            None => None,
            Some((algorithm, kind)) => {
                let kind = kind.unwrap_or_else(|| algorithm.default_kind());
                if !algorithm.allows(kind) {
                    return Err(ObjectsError::InvalidRequest {
                        reason: format!("a multipart upload cannot have a {kind:?} checksum of {}", algorithm.name()),
                    });
                }
                Some((algorithm, kind))
            }
        };
        let id = self.new_uuid();
        let Sealing { sealed, encryption, .. } = self.sealing(caller, &bucket, &key, &id, &encryption).await?;
        let initiator = caller.principal().arn().map(|arn| arn.to_string()).unwrap_or_default();
        let (writer, keys) = (caller.principal().clone(), UploadKeys::of(caller.authorized()));
        let mut upload = UploadRecord {
            id,
            bucket,
            key,
            initiated_ms: self.now_ms(),
            initiator,
            metadata,
            tags,
            class,
            checksum,
            data_key: sealed,
            owner: None,
            encryption,
            lock,
            acl: None,
        };
        let now_ms = self.now_ms();
        caller
            .commit(&*self.store, move |tx| {
                let bucket = bucket_in(tx, &upload.bucket)?;
                check_asked(bucket.lock, &upload.lock, now_ms)?;
                (upload.owner, upload.acl) = of_new_object(tx, &bucket, &acl, &writer)?;
                let at = upload_key(&upload.bucket, &upload.key, &upload.id);
                tx.put(UPLOAD_KEYS, &at, &keys)?;
                tx.put(UPLOADS, &at, &upload)?;
                Ok(upload)
            })
            .await
            .map_err(ObjectsError::from)
    }

    /// Stores one part; one of the same number before it is replaced.
    pub async fn upload_part(
        &self,
        caller: &Caller,
        request: UploadPart,
        body: Body<'_>,
    ) -> Result<UploadedPart, ObjectsError> {
        let UploadPart { upload: name, number, content_length, expected, customer_key } = request;
        if !(1..=PARTS_COUNT_MAX).contains(&number) {
            return Err(ObjectsError::InvalidArgument {
                name: "partNumber",
                value: number.to_string(),
                reason: "a part's number is from 1 to 10000",
            });
        }
        let upload = upload_in(&self.snapshot()?, &name)?;
        let (kept, _) = upload.kept();
        if let (Some((wanted, _)), Some(given)) = (upload.checksum, expected.named())
            && wanted != given
        {
            return Err(ObjectsError::InvalidRequest {
                reason: format!(
                    "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                    wanted.name().to_ascii_lowercase(),
                    given.name().to_ascii_lowercase()
                ),
            });
        }
        let data_key = self.open_upload(caller.authorizer(), &upload, customer_key.as_ref())?;
        // Each attempt has an id, and so a key, of its own: two attempts at one number must not share a key stream.
        let attempt = self.new_uuid();
        let part_sealing_key = data_key.part(number, attempt).map_err(ObjectsError::Keys)?;
        let mut algorithms = vec![kept];
        algorithms.extend(expected.named().filter(|named| *named != kept));
        let owner = BlobOwner { version: attempt, part: number };
        let received = self
            .receive(
                owner,
                part_sealing_key,
                self.placement(upload.class, AccessTier::default()),
                content_length,
                body,
                expected.digests(kept),
            )
            .await?;
        expected.check(&received.computed)?;
        let value = |algorithm| Some(Checksum::full(algorithm, received.computed.checksum(algorithm)?.to_vec()));
        let checksums = algorithms.into_iter().filter_map(value).collect();
        let md5 = tag_bytes(&upload.encryption, &data_key, received.computed.md5)?;
        let (size_bytes, modified_ms, packing) = (received.size_bytes, self.now_ms(), received.packing);
        let (objects, caller) = (self.clone(), caller.clone());
        let commit = async move {
            let durable = received.finish().await?;
            let part =
                UploadedPart { number, size_bytes, md5, checksums, modified_ms, blob: durable.blob.clone(), packing };
            let put = move |tx: &mut Tx<'_>| {
                let upload = upload_in(tx, &name)?;
                let at = part_key(&upload.id, number);
                if let Some(replaced) = tx.get(PARTS, &at)? {
                    bury(tx, &DeadBlobs { version: upload.id, blobs: vec![replaced.blob] })?;
                }
                tx.put(PARTS, &at, &part)?;
                tx.put(PART_OWNERS, &version_key(&part.blob.owner.version), &PartOwner { upload: upload.id })?;
                Ok::<_, ObjectsError>(part)
            };
            let fate = caller.commit(&*objects.store, put).await.map_err(ObjectsError::from);
            objects.dead.notify_one();
            durable.settle(&*objects.blobs, fate).await
        };
        tokio::spawn(commit).await.map_err(|_| ObjectsError::Stopping)?
    }

    /// Makes the object of the listed parts. Repeated after it succeeded, it succeeds again as long as that object is there.
    pub async fn complete_multipart_upload(
        &self,
        caller: &Caller,
        request: CompleteMultipartUpload,
    ) -> Result<ObjectVersion, ObjectsError> {
        check_order(&request.parts)?;
        let snapshot = self.snapshot()?;
        let upload = match upload_in(&snapshot, &request.upload) {
            Ok(upload) => upload,
            Err(error) => return self.completed_before(&request).unwrap_or(Err(error)),
        };
        // A part has a second checksum where its caller gave one that the lake would not keep by itself.
        let has_checksums = || -> Result<bool, ObjectsError> {
            let parts = parts_in(&snapshot, &upload.id)?;
            Ok(upload.checksum.is_some() || parts.iter().any(|part| part.checksums.len() > 1))
        };
        self.check_completion(caller.authorizer(), &upload, request.customer_key.as_ref(), has_checksums)?;
        let layout_key = self.layout_key(&upload.id, &upload.encryption, &upload.data_key)?;
        let pin = self.pins.pin(upload.id);
        let (size_bytes_min, by) = (self.options.part_size_bytes_min, self.changed_by(caller));
        let limits = Completion { size_bytes_min, now_ms: self.now_ms(), by };
        let (record, versioning) = caller
            .commit(&*self.store, move |tx| complete_in(tx, &request, &layout_key, &limits))
            .await
            .map_err(ObjectsError::from)?;
        self.dead.notify_one();
        Ok(ObjectVersion::new(record, versioning, pin))
    }

    /// The object that this very completion made before, if it is still there.
    fn completed_before(&self, request: &CompleteMultipartUpload) -> Option<Result<ObjectVersion, ObjectsError>> {
        let id = parse_upload_id(&request.upload.upload_id)?;
        let pin = self.pins.pin(id);
        let found = self.snapshot().and_then(|snapshot| {
            let Some(record) = snapshot.get(VERSIONS, &version_key(&id))? else { return Ok(None) };
            let versioning = bucket_in(&snapshot, &record.bucket)?.versioning;
            Ok(Some((record, versioning)))
        });
        let (record, versioning) = match found {
            Ok(found) => found?,
            Err(error) => return Some(Err(error)),
        };
        let md5s: Option<Vec<[u8; 16]>> = request.parts.iter().map(|part| md5_of(&part.etag)).collect();
        let same = record.bucket == request.upload.bucket
            && record.key == request.upload.key
            && md5s.is_some_and(|md5s| Etag::of_parts(&md5s) == record.etag);
        same.then(|| Ok(ObjectVersion::new(record, versioning, pin)))
    }

    /// Gives up an upload and its parts.
    pub async fn abort_multipart_upload(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        key: &ObjectKey,
        upload_id: &str,
    ) -> Result<(), ObjectsError> {
        let name = UploadName { bucket: bucket.clone(), key: key.clone(), upload_id: upload_id.to_owned() };
        let abort = move |tx: &mut Tx<'_>| {
            let upload = upload_in(tx, &name)?;
            let parts = parts_in(tx, &upload.id)?;
            for part in &parts {
                tx.delete(PARTS, &part_key(&upload.id, part.number))?;
            }
            if !parts.is_empty() {
                let blobs = parts.into_iter().map(|part| part.blob).collect();
                bury(tx, &DeadBlobs { version: upload.id, blobs })?;
            }
            let at = upload_key(&name.bucket, &name.key, &upload.id);
            tx.delete(UPLOAD_KEYS, &at)?;
            tx.delete(UPLOADS, &at)?;
            Ok::<_, ObjectsError>(())
        };
        caller.commit(&*self.store, abort).await?;
        self.dead.notify_one();
        Ok(())
    }

    /// One upload under way.
    pub fn multipart_upload(&self, _proof: &Authorized, name: &UploadName) -> Result<UploadRecord, ObjectsError> {
        upload_in(&self.snapshot()?, name)
    }

    /// A page of an upload's parts, after number `after`.
    pub fn list_parts(
        &self,
        _proof: &Authorized,
        name: &UploadName,
        after: u32,
        max_parts: usize,
    ) -> Result<PartPage, ObjectsError> {
        let snapshot = self.snapshot()?;
        let upload = upload_in(&snapshot, name)?;
        let mut page = PartPage { upload, parts: Vec::new(), next: None };
        let (from, end) = (part_key(&page.upload.id, after), version_key(&page.upload.id).after_prefix());
        let max_parts = max_parts.min(LIST_COUNT_MAX);
        for part in
            snapshot.range(PARTS, Bound::Excluded(&from), end.as_ref().map_or(Bound::Unbounded, Bound::Excluded))
        {
            if page.parts.len() >= max_parts {
                page.next = Some(page.parts.last().map_or(after, |part: &UploadedPart| part.number));
                break;
            }
            page.parts.push(part?.1);
        }
        Ok(page)
    }
}

fn md5_of(etag: &str) -> Option<[u8; 16]> {
    let mut md5 = [0; 16];
    hex::decode_to_slice(etag.trim().trim_matches('"'), &mut md5).ok()?;
    Some(md5)
}

fn check_order(parts: &[CompletedPart]) -> Result<(), ObjectsError> {
    if parts.is_empty() {
        return Err(ObjectsError::InvalidRequest { reason: "You must specify at least one part".to_owned() });
    }
    match parts.windows(2).find(|pair| pair[0].number >= pair[1].number) {
        Some(pair) => Err(ObjectsError::InvalidPartOrder { number: pair[1].number }),
        None => Ok(()),
    }
}

struct Completion {
    size_bytes_min: u64,
    now_ms: i64,
    by: ChangedBy,
}

fn complete_in(
    tx: &mut Tx<'_>,
    request: &CompleteMultipartUpload,
    layout_key: &DataKey,
    limits: &Completion,
) -> Result<(VersionRecord, Versioning), ObjectsError> {
    let Completion { size_bytes_min, now_ms, ref by } = *limits;
    let name = &request.upload;
    let upload = upload_in(tx, name)?;
    let bucket = bucket_in(tx, &name.bucket)?;
    check_conditions(tx, &name.bucket, &name.key, &request.conditions)?;
    let uploaded = parts_in(tx, &upload.id)?;
    let (algorithm, kind) = upload.kept();
    if request.kind.is_some_and(|given| given != kind) {
        return Err(ObjectsError::InvalidRequest { reason: format!("the upload was begun with a {kind:?} checksum") });
    }
    let mut parts = Vec::with_capacity(request.parts.len());
    let mut md5s = Vec::with_capacity(request.parts.len());
    let mut size_bytes = 0_u64;
    for (index, listed) in request.parts.iter().enumerate() {
        let invalid = ObjectsError::InvalidPart { number: listed.number };
        let Ok(found) = uploaded.binary_search_by_key(&listed.number, |part| part.number) else { return Err(invalid) };
        let Some(part) = uploaded.get(found) else { return Err(invalid) };
        let checksum = part.checksum(algorithm);
        let same = listed
            .checksums
            .iter()
            .all(|given| part.checksum(given.algorithm).is_some_and(|kept| kept.value == given.value));
        if !Etag::Md5(part.md5).matches(&listed.etag) || !same {
            return Err(invalid);
        }
        let is_last = index + 1 == request.parts.len();
        if !is_last && part.size_bytes < size_bytes_min {
            return Err(ObjectsError::EntityTooSmall {
                number: part.number,
                size_bytes: part.size_bytes,
                size_bytes_min,
                etag: Etag::Md5(part.md5).to_string(),
            });
        }
        size_bytes = size_bytes.saturating_add(part.size_bytes);
        md5s.push(part.md5);
        parts.push(PartRecord {
            number: part.number,
            size_bytes: part.size_bytes,
            blob: part.blob.clone(),
            checksum: checksum.map(|checksum| checksum.value.clone()),
            packing: part.packing,
            sealed_for: None,
        });
    }
    if size_bytes > OBJECT_SIZE_BYTES_MAX {
        return Err(ObjectsError::EntityTooLarge { size_bytes, size_bytes_max: OBJECT_SIZE_BYTES_MAX });
    }
    if let Some(given) = request.size_bytes.filter(|given| *given != size_bytes) {
        return Err(ObjectsError::InvalidRequest {
            reason: format!("the parts have {size_bytes} bytes, not the {given} you gave"),
        });
    }
    let values: Vec<(&[u8], u64)> =
        parts.iter().map(|part| (part.checksum.as_deref().unwrap_or_default(), part.size_bytes)).collect();
    let checksum = Checksum::of_parts(algorithm, kind, &values);
    for given in &request.checksums {
        let computed = checksum.as_ref().filter(|checksum| checksum.algorithm == given.algorithm);
        if computed.is_none_or(|computed| computed.value != given.value) {
            let computed = computed.map(ToString::to_string).unwrap_or_default();
            return Err(ObjectsError::BadDigest {
                algorithm: given.algorithm.name(),
                expected: given.to_string(),
                computed,
            });
        }
    }
    let used: std::collections::HashSet<u32> = parts.iter().map(|part| part.number).collect();
    let unused: Vec<BlobRef> =
        uploaded.iter().filter(|part| !used.contains(&part.number)).map(|part| part.blob.clone()).collect();
    for part in &uploaded {
        tx.delete(PARTS, &part_key(&upload.id, part.number))?;
    }
    if !unused.is_empty() {
        bury(tx, &DeadBlobs { version: upload.id, blobs: unused })?;
    }
    let at = upload_key(&name.bucket, &name.key, &upload.id);
    tx.delete(UPLOAD_KEYS, &at)?;
    tx.delete(UPLOADS, &at)?;
    let mut record = VersionRecord {
        id: upload.id,
        name: VersionName::Null,
        bucket: upload.bucket,
        key: upload.key,
        size_bytes,
        // AWS: the date of a multipart object is that of its initiation.
        modified_ms: upload.initiated_ms,
        etag: Etag::of_parts(&md5s),
        checksum,
        metadata: upload.metadata,
        tags: upload.tags,
        class: upload.class,
        data_key: upload.data_key,
        layout_tag: [0; 32],
        parts,
        owner: upload.owner,
        encryption: upload.encryption,
        order: 0,
        lock: lock_of_new(bucket.lock, upload.lock, now_ms),
        acl: upload.acl,
        tier: AccessTier::default(),
        restore: None,
        sealed_for: None,
    };
    seal_layout(layout_key, &mut record)?;
    install(tx, bucket.versioning, &mut record, now_ms)?;
    announce(tx, &Change::of(EventKind::CreatedInParts, &record, by))?;
    Ok((record, bucket.versioning))
}
