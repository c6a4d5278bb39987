//! Reading: an object's version, its attributes, and its bytes in any range. Knows no headers.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryFutureExt, TryStreamExt};
use tarn_blobs::{BlobError, BlobRef, BlobStore};
use tarn_keys::{DataKey, KeysError, PartKey, open_range, open_stream, plain_len};
use tarn_metadata::Read;
use tarn_policy::Authorized;

use crate::checksums::{Checksum, Etag};
use crate::classes::{AccessTier, StorageClass};
use crate::encryption::Encryption;
use crate::errors::ObjectsError;
use crate::keyspaces::VERSIONS;
use crate::lock::VersionLock;
use crate::names::{BucketName, ObjectKey};
use crate::objects::{Objects, bucket_in, layout_bytes};
use crate::packing::{FrameIndex, Packing};
use crate::pins::Pin;
use crate::records::{PartRecord, VersionName, VersionRecord, VersionUuid, Versioning, version_key};
use crate::tagging::{ObjectMetadata, Tags};
use crate::versions::{VersionId, version_in};

/// One version of an object, found and held: its bytes stay readable while this lives, even if the object is replaced. Cheap to clone.
#[derive(Clone)]
pub struct ObjectVersion {
    record: Arc<VersionRecord>,
    versioning: Versioning,
    pin: Arc<Pin>,
    /// Opened for who reads it, where that takes more than the lake's own key.
    unlocked: Option<DataKey>,
}

impl fmt::Debug for ObjectVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ObjectVersion({}/{} {:?}, {} bytes)",
            self.record.bucket, self.record.key, self.record.etag, self.record.size_bytes
        )
    }
}

impl ObjectVersion {
    pub(crate) fn new(record: VersionRecord, versioning: Versioning, pin: Pin) -> Self {
        Self { record: Arc::new(record), versioning, pin: Arc::new(pin), unlocked: None }
    }

    pub(crate) fn record(&self) -> &VersionRecord {
        &self.record
    }

    pub(crate) fn unlocked(&self, data_key: DataKey) -> Self {
        Self { unlocked: Some(data_key), ..self.clone() }
    }

    /// What its data key is sealed by.
    pub fn encryption(&self) -> &Encryption {
        &self.record.encryption
    }

    /// Its bucket.
    pub fn bucket(&self) -> &BucketName {
        &self.record.bucket
    }

    /// Its key.
    pub fn key(&self) -> &ObjectKey {
        &self.record.key
    }

    /// Names these very bytes for ever, unlike the key.
    pub fn id(&self) -> VersionUuid {
        self.record.id
    }

    /// As callers name it; nothing where the bucket was never versioned.
    pub fn version_id(&self) -> Option<VersionId> {
        (self.versioning != Versioning::Unversioned).then(|| self.record.version_id())
    }

    /// Its name, if its writing made it a version of its own.
    pub fn own_version_id(&self) -> Option<VersionId> {
        (self.record.name != VersionName::Null).then(|| self.record.version_id())
    }

    /// What keeps it from being removed.
    pub fn lock(&self) -> &VersionLock {
        &self.record.lock
    }

    /// Bytes.
    pub fn size_bytes(&self) -> u64 {
        self.record.size_bytes
    }

    /// When it was made, milliseconds since 1970.
    pub fn modified_ms(&self) -> i64 {
        self.record.modified_ms
    }

    /// Its entity tag.
    pub fn etag(&self) -> &Etag {
        &self.record.etag
    }

    /// The checksum of the whole.
    pub fn checksum(&self) -> Option<&Checksum> {
        self.record.checksum.as_ref()
    }

    /// Headers.
    pub fn metadata(&self) -> &ObjectMetadata {
        &self.record.metadata
    }

    /// Tags.
    pub fn tags(&self) -> &Tags {
        &self.record.tags
    }

    /// Where its bytes are placed.
    pub fn class(&self) -> StorageClass {
        self.record.class
    }

    /// How far it has moved, in INTELLIGENT_TIERING.
    pub fn tier(&self) -> AccessTier {
        self.record.tier
    }

    /// Whether it came in parts.
    pub fn is_multipart(&self) -> bool {
        matches!(self.record.etag, Etag::Multipart { .. })
    }

    /// The parts in order.
    pub fn parts(&self) -> &[PartRecord] {
        &self.record.parts
    }

    /// The bytes of part `number`. Parts are counted from 1 in their order, whatever numbers they were uploaded under.
    pub fn part_range(&self, number: u32) -> Result<Range<u64>, ObjectsError> {
        let count = u32::try_from(self.record.parts.len()).unwrap_or(u32::MAX);
        let mut start = 0;
        for (index, part) in self.record.parts.iter().enumerate() {
            if index as u64 + 1 == u64::from(number) {
                return Ok(start..start + part.size_bytes);
            }
            start += part.size_bytes;
        }
        Err(ObjectsError::InvalidPartNumber { number, count })
    }
}

/// Where the bytes of a part are to be read from.
type PartOf = fn(&VersionRecord, usize) -> Option<PartRecord>;

/// A range as a request names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// From the first byte to the last, both included; a last beyond the end means the end.
    FromTo {
        /// First byte.
        first: u64,
        /// Last byte.
        last: u64,
    },
    /// From a byte to the end.
    From {
        /// First byte.
        first: u64,
    },
    /// The last so many bytes.
    Last {
        /// How many.
        size_bytes: u64,
    },
}

impl ByteRange {
    /// The bytes it names in an object of `size_bytes`.
    pub fn resolve(self, size_bytes: u64) -> Result<Range<u64>, ObjectsError> {
        let range = match self {
            Self::FromTo { first, last } if first <= last => first..last.saturating_add(1).min(size_bytes),
            Self::FromTo { .. } => return Err(ObjectsError::InvalidRange { size_bytes }),
            Self::From { first } => first..size_bytes,
            Self::Last { size_bytes: last } => size_bytes.saturating_sub(last)..size_bytes,
        };
        if range.start >= range.end {
            return Err(ObjectsError::InvalidRange { size_bytes });
        }
        Ok(range)
    }
}

impl From<KeysError> for ObjectsError {
    fn from(error: KeysError) -> Self {
        Self::Keys(error)
    }
}

impl Objects {
    /// The current version at a key.
    pub fn head_object(
        &self,
        proof: &Authorized,
        bucket: &BucketName,
        key: &ObjectKey,
    ) -> Result<ObjectVersion, ObjectsError> {
        self.head_version(proof, bucket, key, None)
    }

    /// The version at a key that is named, or the latest.
    pub fn head_version(
        &self,
        _proof: &Authorized,
        bucket: &BucketName,
        key: &ObjectKey,
        version: Option<&VersionId>,
    ) -> Result<ObjectVersion, ObjectsError> {
        let epoch = self.pins.enter();
        let snapshot = self.snapshot()?;
        let record = version_in(&snapshot, bucket, key, version)?;
        let pin = self.pins.pin(record.id);
        drop(epoch);
        let versioning = match record.name {
            VersionName::Id | VersionName::Named(_) => Versioning::Enabled,
            VersionName::Null => bucket_in(&snapshot, bucket)?.versioning,
        };
        Ok(ObjectVersion::new(record, versioning, pin))
    }

    /// The bytes `range` of a version, in chunks of at most about 1 MiB, each authenticated. The range must lie inside of it, and the
    /// version must be unlocked where it is encrypted by more than the lake's own key: see `unlock`.
    pub fn read(
        &self,
        proof: &Authorized,
        version: &ObjectVersion,
        range: Range<u64>,
    ) -> BoxStream<'static, Result<Bytes, ObjectsError>> {
        if let Err(error) = self.check_readable(version) {
            return futures::stream::iter([Err(error)]).boxed();
        }
        self.read_parts(proof, version, range, VersionRecord::part_to_read)
    }

    /// As `read`, also of what lies in an archive and was not restored: from its containers. For work on what is stored that gives
    /// nobody the bytes.
    pub fn read_at_rest(
        &self,
        proof: &Authorized,
        version: &ObjectVersion,
        range: Range<u64>,
    ) -> BoxStream<'static, Result<Bytes, ObjectsError>> {
        self.read_parts(proof, version, range, |record, index| record.parts.get(index).cloned())
    }

    fn read_parts(
        &self,
        proof: &Authorized,
        version: &ObjectVersion,
        range: Range<u64>,
        part_of: PartOf,
    ) -> BoxStream<'static, Result<Bytes, ObjectsError>> {
        let record = version.record.clone();
        let failed = |error| futures::stream::iter([Err(error)]).boxed();
        if range.start > range.end || range.end > record.size_bytes {
            return failed(ObjectsError::InvalidRange { size_bytes: record.size_bytes });
        }
        let data_key = match self.open_for_reader(proof, version) {
            Ok(data_key) => data_key,
            Err(error) => return failed(error),
        };
        self.recent_reads.saw(&record, self.now_ms());
        let (objects, pin) = (self.clone(), version.pin.clone());
        let pieces = pieces_of(&record.parts, &range);
        futures::stream::iter(pieces)
            .flat_map(move |(index, within)| {
                // The pin lives as long as the stream.
                let _ = &pin;
                match part_of(&record, index) {
                    Some(part) => objects.read_part_wherever(&data_key, record.id, (index, part_of), &part, within),
                    None => futures::stream::empty().boxed(),
                }
            })
            .boxed()
    }

    /// All bytes of a small object at once; refuses one larger than `size_bytes_max`.
    pub async fn read_whole(
        &self,
        proof: &Authorized,
        version: &ObjectVersion,
        size_bytes_max: u64,
    ) -> Result<Bytes, ObjectsError> {
        let size_bytes = version.size_bytes();
        if size_bytes > size_bytes_max {
            return Err(ObjectsError::EntityTooLarge { size_bytes, size_bytes_max });
        }
        let mut stream = self.read(proof, version, 0..size_bytes);
        let mut whole = match stream.next().await {
            None => return Ok(Bytes::new()),
            Some(first) => match stream.next().await {
                None => return first,
                Some(second) => bytes::BytesMut::from_iter(first?.into_iter().chain(second?)),
            },
        };
        while let Some(bytes) = stream.next().await {
            whole.extend_from_slice(&bytes?);
        }
        Ok(whole.freeze())
    }

    /// Refuses a version whose layout is not the one that was sealed. What authenticates it is the data key itself, where the lake's own
    /// key wraps that.
    pub(crate) fn check_layout(&self, record: &VersionRecord) -> Result<DataKey, ObjectsError> {
        let layout_key = self.layout_key(&record.id, &record.encryption, &record.data_key)?;
        layout_key.verify("object-layout", &layout_bytes(record), &record.layout_tag)?;
        Ok(layout_key)
    }

    /// The version's data key, for the lake's own work on stored bytes.
    pub(crate) fn open_version(&self, record: &VersionRecord) -> Result<DataKey, ObjectsError> {
        let layout_key = self.check_layout(record)?;
        match &record.encryption {
            Encryption::Lake => Ok(layout_key),
            Encryption::Kms(_) | Encryption::Customer(_) => {
                self.open_for_lake(&record.id, &record.encryption, &record.data_key)
            }
        }
    }

    /// The version's data key, for who reads it.
    fn open_for_reader(&self, proof: &Authorized, version: &ObjectVersion) -> Result<DataKey, ObjectsError> {
        let record = version.record();
        match (&record.encryption, &version.unlocked) {
            (Encryption::Lake, _) => self.open_version(record),
            (Encryption::Kms(_) | Encryption::Customer(_), Some(data_key)) => {
                self.check_layout(record)?;
                Ok(data_key.clone())
            }
            (Encryption::Kms(by), None) => {
                self.check_layout(record)?;
                self.open_for_service(proof, &record.id, by, &record.data_key)
            }
            (Encryption::Customer(_), None) => Err(ObjectsError::CustomerKeyRequired),
        }
    }

    /// As `read_part`; if compaction has moved the bytes since the version was found, they are looked for once more.
    fn read_part_wherever(
        &self,
        data_key: &DataKey,
        id: VersionUuid,
        (index, part_of): (usize, PartOf),
        part: &PartRecord,
        within: Range<u64>,
    ) -> BoxStream<'static, Result<Bytes, ObjectsError>> {
        let first = self.read_part(data_key, part, within.clone());
        let (objects, data_key) = (self.clone(), data_key.clone());
        let opening = async move {
            let (found, rest) = first.into_future().await;
            if !matches!(found, Some(Err(ObjectsError::Blob(BlobError::Missing { .. })))) {
                return futures::stream::iter(found).chain(rest).boxed();
            }
            let moved = objects.snapshot().and_then(|snapshot| Ok(snapshot.get(VERSIONS, &version_key(&id))?));
            match moved {
                Ok(Some(record)) => match part_of(&record, index) {
                    Some(part) => objects.read_part(&data_key, &part, within),
                    None => futures::stream::iter(found).boxed(),
                },
                Ok(None) => futures::stream::iter(found).boxed(),
                Err(error) => futures::stream::iter([Err(error)]).boxed(),
            }
        };
        opening.flatten_stream().boxed()
    }

    pub(crate) fn read_part(
        &self,
        data_key: &DataKey,
        part: &PartRecord,
        within: Range<u64>,
    ) -> BoxStream<'static, Result<Bytes, ObjectsError>> {
        let key = match data_key.part(part.number, part.attempt()) {
            Ok(key) => key,
            Err(error) => return futures::stream::iter([Err(ObjectsError::Keys(error))]).boxed(),
        };
        match part.packing {
            Packing::Raw => self.open_sealed(key, &part.blob, within),
            Packing::Frames if within.is_empty() => futures::stream::empty().boxed(),
            Packing::Frames => {
                let (objects, blob, size_bytes) = (self.clone(), part.blob.clone(), part.size_bytes);
                let opening = async move {
                    let index = objects.frame_index(&key, &blob, size_bytes).await?;
                    let packed = objects.open_sealed(key, &blob, index.packed(&within));
                    Ok::<_, ObjectsError>(index.unpack(packed, within))
                };
                opening.try_flatten_stream().boxed()
            }
        }
    }

    /// Where the frames of a packed part are.
    async fn frame_index(&self, key: &PartKey, blob: &BlobRef, size_bytes: u64) -> Result<FrameIndex, ObjectsError> {
        let at = FrameIndex::range(size_bytes, plain_len(blob.len)?)?;
        let start = at.start;
        let pieces: Vec<Bytes> = self.open_sealed(key.clone(), blob, at).try_collect().await?;
        FrameIndex::parse(&pieces.concat(), start, size_bytes)
    }

    /// What was sealed as a blob, or a range of it.
    fn open_sealed(
        &self,
        key: PartKey,
        blob: &BlobRef,
        within: Range<u64>,
    ) -> BoxStream<'static, Result<Bytes, ObjectsError>> {
        match open_range(key, blob.len, within) {
            Ok((sealed, opener)) => {
                let bytes = self.blobs.read_unchecked(blob, sealed.clone()).map_err(ObjectsError::Blob);
                let (blobs, blob) = (self.blobs.clone(), blob.clone());
                let told_apart = move |error| why_not_authentic(blobs.clone(), blob.clone(), sealed.clone(), error);
                open_stream(opener, bytes).or_else(told_apart).boxed()
            }
            Err(error) => futures::stream::iter([Err(ObjectsError::Keys(error))]).boxed(),
        }
    }
}

/// Bytes that did not open are damaged, or were not sealed by this key: their blob's checksums tell which.
async fn why_not_authentic(
    blobs: Arc<dyn BlobStore>,
    blob: BlobRef,
    sealed: Range<u64>,
    error: ObjectsError,
) -> Result<Bytes, ObjectsError> {
    if let ObjectsError::Keys(KeysError::NotAuthentic { .. }) = &error {
        let mut checked = blobs.read(&blob, sealed);
        while checked.try_next().await.map_err(ObjectsError::Blob)?.is_some() {}
    }
    Err(error)
}

/// Which bytes of which part make up `range`: indexes into `parts`.
fn pieces_of(parts: &[PartRecord], range: &Range<u64>) -> Vec<(usize, Range<u64>)> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for (index, part) in parts.iter().enumerate() {
        let end = start + part.size_bytes;
        let (from, to) = (range.start.max(start), range.end.min(end));
        if from < to {
            pieces.push((index, from - start..to - start));
        }
        start = end;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_resolve() {
        let check = |range: ByteRange, size: u64, expected: Option<Range<u64>>| {
            assert_eq!(range.resolve(size).ok(), expected, "{range:?} of {size}");
        };
        check(ByteRange::FromTo { first: 0, last: 0 }, 10, Some(0..1));
        check(ByteRange::FromTo { first: 2, last: 100 }, 10, Some(2..10));
        check(ByteRange::FromTo { first: 10, last: 11 }, 10, None);
        check(ByteRange::FromTo { first: 3, last: 2 }, 10, None);
        check(ByteRange::FromTo { first: 0, last: u64::MAX }, 10, Some(0..10));
        check(ByteRange::From { first: 9 }, 10, Some(9..10));
        check(ByteRange::From { first: 10 }, 10, None);
        check(ByteRange::Last { size_bytes: 3 }, 10, Some(7..10));
        check(ByteRange::Last { size_bytes: 30 }, 10, Some(0..10));
        check(ByteRange::Last { size_bytes: 0 }, 10, None);
        check(ByteRange::From { first: 0 }, 0, None);
    }
}
