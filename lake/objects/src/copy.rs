//! Copies: a source is read as a stream and sealed anew for the target, whole or as a part of an upload.

use std::ops::Range;

use futures::StreamExt;
use tarn_audit::Caller;

use crate::acl::AclRequest;
use crate::checksums::{ChecksumAlgorithm, ExpectedDigests};
use crate::classes::StorageClass;
use crate::conditions::{ReadConditions, WriteConditions};
use crate::encryption::{CustomerKey, EncryptionRequest};
use crate::errors::ObjectsError;
use crate::events::EventKind;
use crate::get::{ByteRange, ObjectVersion};
use crate::lock::VersionLock;
use crate::multipart::{UploadName, UploadPart};
use crate::names::{BucketName, ObjectKey};
use crate::objects::Objects;
use crate::put::{Body, PutObject, internal_body_error};
use crate::records::UploadedPart;
use crate::tagging::{ObjectMetadata, Tags};
use crate::versions::VersionId;

/// A copy to be made.
#[derive(Debug, Clone)]
pub struct CopyObject {
    /// From which bucket.
    pub source_bucket: BucketName,
    /// From which key.
    pub source_key: ObjectKey,
    /// Which version of it; the latest if not said.
    pub source_version: Option<VersionId>,
    /// Only if the source is so.
    pub source_conditions: ReadConditions,
    /// To which bucket.
    pub bucket: BucketName,
    /// To which key.
    pub key: ObjectKey,
    /// `REPLACE`: the target's own headers. `None` is `COPY`: those of the source.
    pub metadata: Option<ObjectMetadata>,
    /// Where a website is to lead whoever asks for the target.
    pub website_redirect: Option<String>,
    /// `REPLACE`: the target's own tags. `None` is `COPY`: those of the source.
    pub tags: Option<Tags>,
    /// Where the bytes are to be placed, if the caller says so.
    pub class: Option<StorageClass>,
    /// The checksum to keep, if the caller names one.
    pub checksum: Option<ChecksumAlgorithm>,
    /// Only if the target is so.
    pub conditions: WriteConditions,
    /// How the target is to be encrypted: what the source is does not count.
    pub encryption: EncryptionRequest,
    /// The key that the caller keeps, where the source is encrypted by one.
    pub source_customer_key: Option<CustomerKey>,
    /// What is to keep the copy: the source's lock is not copied.
    pub lock: VersionLock,
    /// Who may do what with the target; the source's list is not copied.
    pub acl: AclRequest,
}

/// A part to be copied.
#[derive(Debug, Clone)]
pub struct UploadPartCopy {
    /// From which bucket.
    pub source_bucket: BucketName,
    /// From which key.
    pub source_key: ObjectKey,
    /// Which version of it; the latest if not said.
    pub source_version: Option<VersionId>,
    /// Only if the source is so.
    pub source_conditions: ReadConditions,
    /// Only these bytes of it; all must exist.
    pub source_range: Option<ByteRange>,
    /// Into which upload.
    pub upload: UploadName,
    /// As which part.
    pub number: u32,
    /// The key that the caller keeps, where the upload was begun with one.
    pub customer_key: Option<CustomerKey>,
    /// The key that the caller keeps, where the source is encrypted by one.
    pub source_customer_key: Option<CustomerKey>,
}

/// A copy that was made.
#[derive(Debug, Clone)]
pub struct CopiedObject {
    /// The copy.
    pub version: ObjectVersion,
    /// Which version it was made of; nothing where the source's bucket was never versioned.
    pub source_version: Option<VersionId>,
}

/// A part that was copied.
#[derive(Debug, Clone)]
pub struct CopiedPart {
    /// The part.
    pub part: UploadedPart,
    /// Which version it was made of; nothing where the source's bucket was never versioned.
    pub source_version: Option<VersionId>,
}

impl Objects {
    /// Copies an object of at most 5 GiB. The proof must cover source and target.
    pub async fn copy_object(&self, caller: &Caller, request: CopyObject) -> Result<CopiedObject, ObjectsError> {
        let CopyObject {
            source_bucket,
            source_key,
            source_version,
            source_conditions,
            bucket,
            key,
            metadata,
            website_redirect,
            tags,
            class,
            checksum,
            conditions,
            encryption,
            source_customer_key,
            lock,
            acl,
        } = request;
        let source = self.copy_source(caller, &source_bucket, &source_key, source_version.as_ref())?;
        source_conditions.check_copy_source(source.etag(), source.modified_ms())?;
        self.check_readable(&source)?;
        // An older version is brought back by copying it over the latest.
        let to_itself =
            source_bucket == bucket && source_key == key && source_version.is_none() && encryption.is_default();
        let moves = website_redirect.as_ref() != source.metadata().website_redirect.as_ref();
        if to_itself
            && metadata.is_none()
            && !moves
            && class.is_none_or(|class| class == source.class())
            && checksum.is_none()
        {
            // The sentence is AWS's: clients look for it.
            return Err(ObjectsError::InvalidRequest {
                reason: "This copy request is illegal because it is trying to copy an object to itself without changing the object's \
                         metadata, storage class, website redirect location or encryption attributes."
                    .to_owned(),
            });
        }
        let size_bytes_max = self.options.part_size_bytes_max;
        if source.size_bytes() > size_bytes_max {
            return Err(ObjectsError::InvalidRequest {
                reason: format!(
                    "The specified copy source is larger than the maximum allowable size for a copy source: {size_bytes_max}"
                ),
            });
        }
        let kept = checksum.or(source.checksum().map(|checksum| checksum.algorithm));
        let put = PutObject {
            content_length: Some(source.size_bytes()),
            metadata: ObjectMetadata { website_redirect, ..metadata.unwrap_or_else(|| source.metadata().clone()) },
            tags: tags.unwrap_or_else(|| source.tags().clone()),
            class: class.unwrap_or_default(),
            expected: ExpectedDigests { algorithm: kept, ..ExpectedDigests::default() },
            conditions,
            encryption,
            lock,
            acl,
            created: EventKind::CreatedCopy,
            ..PutObject::new(bucket, key)
        };
        let source = self.unlock(caller.authorizer(), &source, source_customer_key.as_ref())?;
        let body = self.copied(caller, &source, 0..source.size_bytes());
        let source_version = source.version_id();
        let version = self.put_object(caller, put, body).await?;
        Ok(CopiedObject { version, source_version })
    }

    fn copy_source(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        key: &ObjectKey,
        version: Option<&VersionId>,
    ) -> Result<ObjectVersion, ObjectsError> {
        self.head_version(caller.authorized(), bucket, key, version).map_err(|error| match error {
            // The sentence is AWS's.
            ObjectsError::IsDeleteMarker { .. } => ObjectsError::InvalidRequest {
                reason: "The source of a copy request may not specifically refer to a delete marker by version id."
                    .to_owned(),
            },
            other => other,
        })
    }

    /// Copies a range of an object into an upload. The proof must cover source and target.
    pub async fn upload_part_copy(&self, caller: &Caller, request: UploadPartCopy) -> Result<CopiedPart, ObjectsError> {
        let UploadPartCopy {
            source_bucket,
            source_key,
            source_version,
            source_conditions,
            source_range,
            upload,
            number,
            customer_key,
            source_customer_key,
        } = request;
        let source = self.copy_source(caller, &source_bucket, &source_key, source_version.as_ref())?;
        source_conditions.check_copy_source(source.etag(), source.modified_ms())?;
        self.check_readable(&source)?;
        let size_bytes = source.size_bytes();
        let range = match source_range {
            None => 0..size_bytes,
            // Unlike a GET, a copy does not cut a range that reaches beyond the end.
            Some(ByteRange::FromTo { last, .. }) if last >= size_bytes => {
                return Err(ObjectsError::InvalidRange { size_bytes });
            }
            Some(range) => range.resolve(size_bytes)?,
        };
        let source = self.unlock(caller.authorizer(), &source, source_customer_key.as_ref())?;
        let body = self.copied(caller, &source, range.clone());
        let content_length = Some(range.end - range.start);
        let part = UploadPart { upload, number, content_length, expected: ExpectedDigests::default(), customer_key };
        let source_version = source.version_id();
        let part = self.upload_part(caller, part, body).await?;
        Ok(CopiedPart { part, source_version })
    }

    fn copied(&self, caller: &Caller, source: &ObjectVersion, range: Range<u64>) -> Body<'static> {
        self.read(caller.authorized(), source, range)
            .map(|bytes| bytes.map_err(|error| internal_body_error(&error)))
            .boxed()
    }
}
