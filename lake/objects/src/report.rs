//! What buckets hold: objects and bytes by bucket, prefix and storage class, as clients count them and as the disk does. Reads every
//! version's record; knows no bytes.

use std::collections::BTreeMap;

use tarn_audit::Caller;
use tarn_metadata::{Key, Read};
use tarn_policy::Requirement;

use crate::classes::{AccessTier, StorageClass};
use crate::errors::ObjectsError;
use crate::keyspaces::{BUCKETS, CURRENT, PARTS, UPLOADS, VERSIONS};
use crate::names::BucketName;
use crate::objects::Objects;
use crate::records::{VersionRecord, bucket_key, current_key, version_key};

/// The most lines of a report: where prefixes are more, ask for less depth.
pub const STORAGE_REPORT_LINES_COUNT_MAX: usize = 100_000;

/// One line of a report.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoragePlace {
    /// In which bucket.
    pub bucket: BucketName,
    /// Under which prefix; empty for all, or for what lies under none.
    pub prefix: String,
    /// In which class.
    pub class: StorageClass,
    /// How far it has moved, in INTELLIGENT_TIERING.
    pub tier: AccessTier,
}

/// What lies there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StorageUsage {
    /// Objects: latest versions.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Versions that are not the latest.
    pub noncurrent_versions: u64,
    /// Their bytes.
    pub noncurrent_bytes: u64,
    /// Bytes of uploads under way.
    pub upload_bytes: u64,
    /// What all of it takes up on disk: compressed, sealed, framed, with parity and restored copies.
    pub stored_bytes: u64,
}

/// The first `depth` parts of a key that end with a slash.
fn prefix_of(key: &str, depth: usize) -> &str {
    let end = key.match_indices('/').take(depth).last().map_or(0, |(at, _)| at + 1);
    key.get(..end).unwrap_or_default()
}

impl Objects {
    /// What the caller's buckets hold, of those that it may list: all, or `bucket`. Blocks while it reads.
    pub fn storage_report(
        &self,
        caller: &Caller,
        bucket: Option<&BucketName>,
        depth: usize,
    ) -> Result<BTreeMap<StoragePlace, StorageUsage>, ObjectsError> {
        let snapshot = self.snapshot()?;
        let mut buckets = std::collections::HashSet::new();
        for row in snapshot.prefix(BUCKETS, &Key::new()) {
            let (_, found) = row?;
            let is_asked = found.owner == caller.scope().account && bucket.is_none_or(|bucket| *bucket == found.name);
            let listing = || vec![Requirement::new("s3:ListBucket", found.name.arn())];
            if is_asked && caller.authorizer().authorize(listing()).is_ok() {
                buckets.insert(found.name);
            }
        }
        let mut report: BTreeMap<StoragePlace, StorageUsage> = BTreeMap::new();
        let mut count = |place: StoragePlace, add: &dyn Fn(&mut StorageUsage)| {
            let lines = report.len();
            let usage = report.entry(place).or_default();
            add(usage);
            match lines >= STORAGE_REPORT_LINES_COUNT_MAX {
                true => Err(ObjectsError::InvalidRequest {
                    reason: "the report has too many prefixes: ask for less depth, or for one bucket".to_owned(),
                }),
                false => Ok(()),
            }
        };
        for row in snapshot.prefix(VERSIONS, &Key::new()) {
            let (_, record) = row?;
            if !buckets.contains(&record.bucket) {
                continue;
            }
            let VersionRecord { bucket, key, class, tier, size_bytes, .. } = &record;
            let current = snapshot.get(CURRENT, &current_key(bucket, key))?;
            let is_latest = current.is_some_and(|current| current.id == record.id);
            let stored: u64 = record.blobs().map(tarn_blobs::BlobRef::stored_bytes).sum();
            let prefix = prefix_of(key.as_str(), depth).to_owned();
            let place = StoragePlace { bucket: bucket.clone(), prefix, class: *class, tier: *tier };
            count(place, &|usage| {
                let (versions, bytes) = match is_latest {
                    true => (&mut usage.objects, &mut usage.bytes),
                    false => (&mut usage.noncurrent_versions, &mut usage.noncurrent_bytes),
                };
                *versions += 1;
                *bytes += size_bytes;
                usage.stored_bytes += stored;
            })?;
        }
        for bucket in &buckets {
            for row in snapshot.prefix(UPLOADS, &bucket_key(bucket)) {
                let (_, upload) = row?;
                let (mut bytes, mut stored) = (0, 0);
                for part in snapshot.prefix(PARTS, &version_key(&upload.id)) {
                    let (_, part) = part?;
                    bytes += part.size_bytes;
                    stored += part.blob.stored_bytes();
                }
                let prefix = prefix_of(upload.key.as_str(), depth).to_owned();
                let tier = AccessTier::default();
                count(StoragePlace { bucket: bucket.clone(), prefix, class: upload.class, tier }, &|usage| {
                    usage.upload_bytes += bytes;
                    usage.stored_bytes += stored;
                })?;
            }
        }
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_end_with_a_slash() {
        let check =
            |key: &str, depth: usize, expected: &str| assert_eq!(prefix_of(key, depth), expected, "{key} {depth}");
        check("a/b/c", 0, "");
        check("a/b/c", 1, "a/");
        check("a/b/c", 2, "a/b/");
        check("a/b/c", 9, "a/b/");
        check("a", 3, "");
        check("/a", 1, "/");
        check("größe/ä/b", 2, "größe/ä/");
    }
}
