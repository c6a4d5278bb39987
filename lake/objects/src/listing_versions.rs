//! Listing versions: the latest of each key and what lies behind it, merged in order, rolled up at a delimiter. Knows no XML.

use bytes::Bytes;
use tarn_metadata::{Record, Snapshot};
use tarn_policy::Authorized;

use crate::errors::ObjectsError;
use crate::keyspaces::{CURRENT, HISTORY};
use crate::listing::{LIST_COUNT_MAX, Scan, common_prefix, past};
use crate::names::{BucketName, ObjectKey};
use crate::objects::{Objects, require_bucket};
use crate::records::{CurrentVersion, HistoryRecord, VersionEntry, bucket_key, history_key};
use crate::versions::{VersionId, locate};

/// Which versions to list.
#[derive(Debug, Clone)]
pub struct ListVersions {
    /// Where.
    pub bucket: BucketName,
    /// Only keys that begin so; empty for all.
    pub prefix: String,
    /// Roll up keys that share what comes before this (after the prefix).
    pub delimiter: Option<String>,
    /// Only keys after this one (if it is a common prefix, only what comes after all of its keys), or with `version_marker`, from
    /// this one on.
    pub key_marker: Option<String>,
    /// Of the marked key only versions after this one.
    pub version_marker: Option<VersionId>,
    /// The most versions and common prefixes; cut at `LIST_COUNT_MAX`.
    pub max_keys: usize,
}

/// One version of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedVersion {
    /// The key.
    pub key: String,
    /// The version.
    pub entry: VersionEntry,
    /// Whether it is the latest of its key.
    pub is_latest: bool,
    /// Since when it is not, milliseconds since 1970.
    pub noncurrent_since_ms: Option<i64>,
}

/// A page of versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VersionListing {
    /// In the order of their keys' bytes, and of each key the newest first.
    pub versions: Vec<ListedVersion>,
    /// Common prefixes, in the order of their bytes.
    pub common_prefixes: Vec<String>,
    /// Where there is more: the markers of the next page.
    pub next: Option<(String, Option<VersionId>)>,
}

/// A scan whose next record can be looked at before it is taken.
struct Ahead<'a, R> {
    scan: Scan<'a, R>,
    next: Option<(String, Bytes)>,
}

impl<'a, R: Record> Ahead<'a, R> {
    fn new(scan: Scan<'a, R>) -> Result<Self, ObjectsError> {
        let mut ahead = Self { scan, next: None };
        ahead.advance()?;
        Ok(ahead)
    }

    fn advance(&mut self) -> Result<(), ObjectsError> {
        self.next = self.scan.next()?.map(|(key, _, value)| (key, value));
        Ok(())
    }

    /// Takes the next record, if it is of `key`.
    fn take(&mut self, key: &str) -> Result<Option<R>, ObjectsError> {
        match self.next.take_if(|(next, _)| next == key) {
            Some((_, value)) => {
                let record = self.scan.decode(&value)?;
                self.advance()?;
                Ok(Some(record))
            }
            None => Ok(None),
        }
    }

    /// Passes over all keys that begin with `prefix`.
    fn pass(&mut self, bucket: &BucketName, prefix: &str) -> Result<(), ObjectsError> {
        if self.next.as_ref().is_some_and(|(key, _)| key.starts_with(prefix)) {
            match past(bucket, prefix) {
                Some(to) => {
                    self.scan.seek(&to);
                    self.advance()?;
                }
                None => self.next = None,
            }
        }
        Ok(())
    }
}

/// Reads the versions of a bucket in order.
struct Versions<'a> {
    current: Ahead<'a, CurrentVersion>,
    history: Ahead<'a, HistoryRecord>,
    /// Of this key only versions below this order are listed.
    below: Option<(String, u64)>,
}

impl Versions<'_> {
    /// The key of the next version.
    fn next_key(&self) -> Option<&str> {
        match (&self.current.next, &self.history.next) {
            (Some((current, _)), Some((history, _))) => Some(current.min(history)),
            (Some((key, _)), None) | (None, Some((key, _))) => Some(key),
            (None, None) => None,
        }
    }

    /// The next version, which is one of `key`; nothing if the page before had it.
    fn take(&mut self, key: &str) -> Result<Option<ListedVersion>, ObjectsError> {
        let listed = match self.current.take(key)? {
            Some(version) => Some(ListedVersion {
                key: key.to_owned(),
                entry: VersionEntry::Object(version),
                is_latest: true,
                noncurrent_since_ms: None,
            }),
            None => self.history.take(key)?.map(|row| ListedVersion {
                key: key.to_owned(),
                is_latest: row.noncurrent_since_ms.is_none(),
                entry: row.entry,
                noncurrent_since_ms: row.noncurrent_since_ms,
            }),
        };
        let listed_before = |listed: &ListedVersion| {
            self.below.as_ref().is_some_and(|(marked, order)| marked == key && listed.entry.order() >= *order)
        };
        Ok(listed.filter(|listed| !listed_before(listed)))
    }
}

impl Objects {
    /// A page of the versions of a bucket's keys, delete markers included.
    pub fn list_object_versions(
        &self,
        _proof: &Authorized,
        request: &ListVersions,
    ) -> Result<VersionListing, ObjectsError> {
        let snapshot = self.snapshot()?;
        require_bucket(&snapshot, &request.bucket)?;
        let max_keys = request.max_keys.min(LIST_COUNT_MAX);
        let mut listing = VersionListing::default();
        if max_keys == 0 {
            return Ok(listing);
        }
        let Some(mut versions) = begin(&snapshot, request)? else { return Ok(listing) };
        let mut last = None;
        while let Some(key) = versions.next_key() {
            let (key, full) = (key.to_owned(), listing.versions.len() + listing.common_prefixes.len() >= max_keys);
            if let Some(common) = common_prefix(&key, &request.prefix, request.delimiter.as_deref()) {
                if full {
                    listing.next = last;
                    return Ok(listing);
                }
                listing.common_prefixes.push(common.to_owned());
                last = Some((common.to_owned(), None));
                versions.current.pass(&request.bucket, common)?;
                versions.history.pass(&request.bucket, common)?;
                continue;
            }
            let Some(version) = versions.take(&key)? else { continue };
            if full {
                listing.next = last;
                return Ok(listing);
            }
            last = Some((key, Some(version.entry.version_id())));
            listing.versions.push(version);
        }
        Ok(listing)
    }
}

/// Where the page begins; nothing if it must be empty.
fn begin<'a>(snapshot: &'a Snapshot, request: &ListVersions) -> Result<Option<Versions<'a>>, ObjectsError> {
    let ListVersions { bucket, prefix, delimiter, key_marker, version_marker, .. } = request;
    let marker = key_marker.as_deref().filter(|marker| !marker.is_empty());
    let mut below = None;
    let (current, history) = match (marker, version_marker) {
        (None, _) => (None, None),
        (Some(marker), Some(id)) => {
            let order = match (id, ObjectKey::new(marker)) {
                (VersionId::Id { order, .. }, _) => Some(*order),
                // Where the null version is gone since, its place is not known: better to list the key's versions again than to miss one.
                (VersionId::Null, Ok(key)) => locate(snapshot, bucket, &key, id)?.map(|found| found.entry.order()),
                (VersionId::Null, Err(_)) => None,
            };
            below = order.map(|order| (marker.to_owned(), order));
            let from = bucket_key(bucket).text(marker);
            let history = match (order, ObjectKey::new(marker)) {
                (Some(order), Ok(key)) => history_key(bucket, &key, order).raw(&[0]),
                _ => from.clone(),
            };
            (Some(from), Some(history))
        }
        (Some(marker), None) if common_prefix(marker, prefix, delimiter.as_deref()) == Some(marker) => {
            match past(bucket, marker) {
                Some(from) => (Some(from.clone()), Some(from)),
                None => return Ok(None),
            }
        }
        (Some(marker), None) => {
            // After the key's own rows, in both keyspaces: an order has eight bytes.
            let from = bucket_key(bucket).text(marker).raw(&[0xff; 9]);
            (Some(from.clone()), Some(from))
        }
    };
    Ok(Some(Versions {
        current: Ahead::new(Scan::new(snapshot, CURRENT, bucket, prefix, current))?,
        history: Ahead::new(Scan::new(snapshot, HISTORY, bucket, prefix, history))?,
        below,
    }))
}
