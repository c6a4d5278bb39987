//! Listing keys: a range of the compact records, rolled up at a delimiter by seeking past each common prefix. Knows no XML and
//! no continuation tokens; a page says from where the next one starts.

use std::ops::Bound;

use tarn_metadata::{Key, KeyReader, Keyspace, RawRange, Read, Record, Snapshot, decode_record};
use tarn_policy::Authorized;

use crate::errors::ObjectsError;
use crate::keyspaces::{CURRENT, UPLOADS};
use crate::names::{BucketName, ObjectKey};
use crate::objects::{Objects, require_bucket};
use crate::records::{CurrentVersion, UploadRecord, VersionUuid, bucket_key};

/// The most keys and common prefixes of one page.
pub const LIST_COUNT_MAX: usize = 1000;
/// Records are read in batches that grow from here ...
const BATCH_COUNT_MIN: usize = 8;
/// ... to here: a listing with a delimiter seeks often and needs few records between.
const BATCH_COUNT_MAX: usize = 512;

/// Which keys to list.
#[derive(Debug, Clone)]
pub struct ListObjects {
    /// Where.
    pub bucket: BucketName,
    /// Only keys that begin so; empty for all.
    pub prefix: String,
    /// Roll up keys that share what comes before this (after the prefix).
    pub delimiter: Option<String>,
    /// Only keys after this one; if it is a common prefix, only what comes after all of its keys.
    pub start_after: Option<String>,
    /// The most keys and common prefixes; cut at `LIST_COUNT_MAX`.
    pub max_keys: usize,
}

impl ListObjects {
    /// All keys under `prefix`, first page.
    pub fn new(bucket: BucketName, prefix: impl Into<String>) -> Self {
        Self { bucket, prefix: prefix.into(), delimiter: None, start_after: None, max_keys: LIST_COUNT_MAX }
    }
}

/// One key of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// The key.
    pub key: String,
    /// What is there.
    pub version: CurrentVersion,
}

/// A page of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Keys, in the order of their bytes.
    pub objects: Vec<ListedObject>,
    /// Common prefixes, in the order of their bytes.
    pub common_prefixes: Vec<String>,
    /// Where there is more: the `start_after` of the next page.
    pub next: Option<String>,
}

/// Which uploads to list.
#[derive(Debug, Clone)]
pub struct ListUploads {
    /// Where.
    pub bucket: BucketName,
    /// Only keys that begin so.
    pub prefix: String,
    /// Roll up at this.
    pub delimiter: Option<String>,
    /// Only keys after this one, or with `upload_id_marker`, from this one on.
    pub key_marker: Option<String>,
    /// Of the marked key only uploads after this one.
    pub upload_id_marker: Option<VersionUuid>,
    /// The most to list.
    pub max_uploads: usize,
}

/// A page of uploads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UploadListing {
    /// By key, then by when they began.
    pub uploads: Vec<UploadRecord>,
    /// Common prefixes.
    pub common_prefixes: Vec<String>,
    /// Where there is more: the markers of the next page.
    pub next: Option<(String, Option<VersionUuid>)>,
}

/// Reads a bucket's records in key order, in batches that fit how far it runs between two seeks.
pub(crate) struct Scan<'a, R> {
    snapshot: &'a Snapshot,
    keyspace: Keyspace<R>,
    bucket_size_bytes: usize,
    range: RawRange,
    batch: std::vec::IntoIter<(bytes::Bytes, bytes::Bytes)>,
    batch_count: usize,
    ended: bool,
}

impl<'a, R: Record> Scan<'a, R> {
    fn full(keyspace: Keyspace<R>, key: &Key) -> Vec<u8> {
        [&keyspace.id.to_be_bytes(), key.as_bytes()].concat()
    }

    /// Keys of `bucket` with `prefix`, from `from` on.
    pub(crate) fn new(
        snapshot: &'a Snapshot,
        keyspace: Keyspace<R>,
        bucket: &BucketName,
        prefix: &str,
        from: Option<Key>,
    ) -> Self {
        let within = bucket_key(bucket);
        let prefix = within.clone().text_prefix(prefix);
        let start = from.filter(|from| *from > prefix).unwrap_or_else(|| prefix.clone());
        let end = prefix.after_prefix().map_or(Bound::Unbounded, |end| Bound::Excluded(Self::full(keyspace, &end)));
        Self {
            snapshot,
            keyspace,
            bucket_size_bytes: 2 + within.as_bytes().len(),
            range: (Bound::Included(Self::full(keyspace, &start)), end),
            batch: Vec::new().into_iter(),
            batch_count: BATCH_COUNT_MIN,
            ended: false,
        }
    }

    /// Goes on at `to`, which must not lie behind.
    pub(crate) fn seek(&mut self, to: &Key) {
        let to = Self::full(self.keyspace, to);
        // What is read already may reach past the place.
        while let Some((key, _)) = self.batch.as_slice().first() {
            if key.as_ref() >= to.as_slice() {
                return;
            }
            self.batch.next();
        }
        self.range.0 = Bound::Included(to);
        self.batch_count = BATCH_COUNT_MIN;
        self.ended = match (&self.range.0, &self.range.1) {
            (Bound::Included(from), Bound::Excluded(end)) => from >= end,
            _ => false,
        };
    }

    /// The next object key, what follows it in the record's key, and the record.
    pub(crate) fn next(&mut self) -> Result<Option<(String, Vec<u8>, bytes::Bytes)>, ObjectsError> {
        loop {
            if let Some((key, value)) = self.batch.next() {
                let mut reader: KeyReader<'_> = Key::reader(key.get(self.bucket_size_bytes..).unwrap_or_default());
                let Some(text) = reader.text() else {
                    return Err(ObjectsError::Store(tarn_metadata::StoreError::Corrupt {
                        place: self.keyspace.name.to_owned(),
                        reason: "a record's key does not hold an object key".to_owned(),
                    }));
                };
                return Ok(Some((text, reader.rest().to_vec(), value)));
            }
            if self.ended {
                return Ok(None);
            }
            let pairs = self.snapshot.view().range_raw(&self.range, self.batch_count, false)?;
            self.ended = pairs.len() < self.batch_count;
            self.batch_count = (self.batch_count * 2).min(BATCH_COUNT_MAX);
            if let Some((last, _)) = pairs.last() {
                self.range.0 = Bound::Excluded(last.to_vec());
            }
            self.batch = pairs.into_iter();
        }
    }

    pub(crate) fn decode(&self, value: &[u8]) -> Result<R, ObjectsError> {
        decode_record(value).map_err(|source| {
            ObjectsError::Store(tarn_metadata::StoreError::Record { keyspace: self.keyspace.name, source })
        })
    }
}

/// The common prefix `key` rolls up into, if any.
pub(crate) fn common_prefix<'k>(key: &'k str, prefix: &str, delimiter: Option<&str>) -> Option<&'k str> {
    let delimiter = delimiter.filter(|delimiter| !delimiter.is_empty())?;
    let at = key.get(prefix.len()..)?.find(delimiter)?;
    key.get(..prefix.len() + at + delimiter.len())
}

/// Where to read on after everything that begins with `prefix`.
pub(crate) fn past(bucket: &BucketName, prefix: &str) -> Option<Key> {
    bucket_key(bucket).text_prefix(prefix).after_prefix()
}

/// The first place after `marker`: after the key itself, or after all keys of a common prefix that was listed.
fn first_after(bucket: &BucketName, marker: &str, prefix: &str, delimiter: Option<&str>) -> Option<Key> {
    if common_prefix(marker, prefix, delimiter) == Some(marker) && marker.starts_with(prefix) {
        return past(bucket, marker);
    }
    // No key lies between a key and the key with a zero byte put behind its terminator.
    Some(bucket_key(bucket).text(marker).raw(&[0]))
}

impl Objects {
    /// A page of the keys of a bucket.
    pub fn list_objects(&self, _proof: &Authorized, request: &ListObjects) -> Result<Listing, ObjectsError> {
        let ListObjects { bucket, prefix, delimiter, start_after, max_keys } = request;
        let delimiter = delimiter.as_deref();
        let max_keys = (*max_keys).min(LIST_COUNT_MAX);
        let snapshot = self.snapshot()?;
        require_bucket(&snapshot, bucket)?;
        let mut listing = Listing::default();
        if max_keys == 0 {
            return Ok(listing);
        }
        let from = match start_after.as_deref().filter(|marker| !marker.is_empty()) {
            None => None,
            Some(marker) => match first_after(bucket, marker, prefix, delimiter) {
                Some(from) => Some(from),
                None => return Ok(listing),
            },
        };
        let mut scan = Scan::new(&snapshot, CURRENT, bucket, prefix, from);
        let mut last = None;
        while let Some((key, _, value)) = scan.next()? {
            if listing.objects.len() + listing.common_prefixes.len() >= max_keys {
                listing.next = last;
                return Ok(listing);
            }
            match common_prefix(&key, prefix, delimiter) {
                Some(common) => {
                    listing.common_prefixes.push(common.to_owned());
                    last = Some(common.to_owned());
                    match past(bucket, common) {
                        Some(to) => scan.seek(&to),
                        None => return Ok(listing),
                    }
                }
                None => {
                    let version = scan.decode(&value)?;
                    last = Some(key.clone());
                    listing.objects.push(ListedObject { key, version });
                }
            }
        }
        Ok(listing)
    }

    /// A page of the uploads under way in a bucket.
    pub fn list_multipart_uploads(
        &self,
        _proof: &Authorized,
        request: &ListUploads,
    ) -> Result<UploadListing, ObjectsError> {
        let ListUploads { bucket, prefix, delimiter, key_marker, upload_id_marker, max_uploads } = request;
        let delimiter = delimiter.as_deref();
        let max_uploads = (*max_uploads).min(LIST_COUNT_MAX);
        let snapshot = self.snapshot()?;
        require_bucket(&snapshot, bucket)?;
        let mut listing = UploadListing::default();
        if max_uploads == 0 {
            return Ok(listing);
        }
        let from = match (key_marker.as_deref().filter(|marker| !marker.is_empty()), upload_id_marker) {
            (None, _) => None,
            (Some(marker), Some(id)) => Some(bucket_key(bucket).text(marker).raw(id).raw(&[0])),
            (Some(marker), None) => match common_prefix(marker, prefix, delimiter) {
                Some(common) if common == marker => match past(bucket, marker) {
                    Some(from) => Some(from),
                    None => return Ok(listing),
                },
                _ => Some(bucket_key(bucket).text(marker).raw(&[0xff; 17])),
            },
        };
        let mut scan = Scan::new(&snapshot, UPLOADS, bucket, prefix, from);
        let mut last = None;
        while let Some((key, _, value)) = scan.next()? {
            if listing.uploads.len() + listing.common_prefixes.len() >= max_uploads {
                listing.next = last;
                return Ok(listing);
            }
            match common_prefix(&key, prefix, delimiter) {
                Some(common) => {
                    listing.common_prefixes.push(common.to_owned());
                    last = Some((common.to_owned(), None));
                    match past(bucket, common) {
                        Some(to) => scan.seek(&to),
                        None => return Ok(listing),
                    }
                }
                None => {
                    let upload = scan.decode(&value)?;
                    last = Some((key, Some(upload.id)));
                    listing.uploads.push(upload);
                }
            }
        }
        Ok(listing)
    }

    /// Whether any key begins with `prefix`.
    pub fn has_prefix(&self, proof: &Authorized, bucket: &BucketName, prefix: &str) -> Result<bool, ObjectsError> {
        let request = ListObjects { max_keys: 1, ..ListObjects::new(bucket.clone(), prefix) };
        Ok(!self.list_objects(proof, &request)?.objects.is_empty())
    }
}

impl ListedObject {
    /// The key, checked; what is stored always is.
    pub fn object_key(&self) -> Result<ObjectKey, ObjectsError> {
        ObjectKey::new(self.key.clone())
    }
}
