//! Reading every byte that is kept, to see whether it is as it was written. Needs records and bytes only: no key, no caller, no server.
//! Knows not where the findings go.

use std::time::Duration;

use futures::StreamExt;
use tarn_blobs::{BlobError, BlobRef, BlobStore};
use tarn_metadata::{Key, Read};
use tokio::time::Instant;

use crate::errors::ObjectsError;
use crate::keyspaces::{PARTS, UPLOADS, VERSIONS};
use crate::names::{BucketName, ObjectKey};
use crate::records::{PartRecord, UploadRecord, UploadedPart, VersionRecord};

/// Damage that is kept to be told; what is beyond it is counted.
const DAMAGED_TOLD_MAX: usize = 10_000;

/// Bytes of an object that are not as they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Its bucket.
    pub bucket: BucketName,
    /// Its key.
    pub key: ObjectKey,
    /// Its version as S3 names it; for a part that waits in an upload, the upload's id.
    pub version: String,
    /// Whether it is a part that waits in an upload.
    pub is_upload: bool,
    /// The part, from 1.
    pub part: u32,
    /// What was found, and in which file.
    pub reason: String,
}

/// What was read so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Blobs that were read.
    pub blobs: u64,
    /// Of how many.
    pub blobs_total: u64,
    /// Bytes that were read, as they are stored.
    pub bytes: u64,
    /// Of how many.
    pub bytes_total: u64,
    /// Blobs that are damaged or missing.
    pub damaged: u64,
    /// The first ten thousand of those.
    pub damages: Vec<Damage>,
}

fn hex(id: &[u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(*id))
}

/// Every blob that a record of `read` names, with what would be said of it.
fn live_blobs<R: Read>(read: &R) -> impl Iterator<Item = Result<(BlobRef, Damage), ObjectsError>> {
    let of_versions = read.prefix(VERSIONS, &Key::new()).flat_map(|item| match item {
        Ok((_, record)) => {
            let version = record.version_id().to_string();
            let VersionRecord { bucket, key, parts, .. } = record;
            let of_part = move |part: PartRecord| {
                let (bucket, key, version) = (bucket.clone(), key.clone(), version.clone());
                let place = Damage { bucket, key, version, is_upload: false, part: part.number, reason: String::new() };
                Ok((part.blob, place))
            };
            parts.into_iter().map(of_part).collect::<Vec<_>>()
        }
        Err(error) => vec![Err(error.into())],
    });
    let of_uploads = read.prefix(UPLOADS, &Key::new()).flat_map(move |item| match item {
        Ok((_, UploadRecord { id, bucket, key, .. })) => {
            let of_part = |part: UploadedPart| {
                let (bucket, key, version) = (bucket.clone(), key.clone(), hex(&id));
                let place = Damage { bucket, key, version, is_upload: true, part: part.number, reason: String::new() };
                (part.blob, place)
            };
            let parts = read.prefix(PARTS, &Key::new().raw(&id));
            parts.map(|item| item.map(|(_, part)| of_part(part)).map_err(ObjectsError::from)).collect::<Vec<_>>()
        }
        Err(error) => vec![Err(error.into())],
    });
    of_versions.chain(of_uploads)
}

/// Reads every blob that a record of `read` names, no faster than `bytes_per_second_max`, and calls `seen` now and then with what was read
/// so far. Damage is found, not mended, and does not end it.
pub async fn verify_blobs(
    read: &impl Read,
    blobs: &dyn BlobStore,
    bytes_per_second_max: u64,
    mut seen: impl FnMut(&Verified),
) -> Result<Verified, ObjectsError> {
    let mut verified = Verified::default();
    for item in live_blobs(read) {
        verified.blobs_total += 1;
        verified.bytes_total += item?.0.len;
    }
    let begun = Instant::now();
    for item in live_blobs(read) {
        let (blob, mut place) = item?;
        let mut chunks = blobs.read(&blob, 0..blob.len);
        while let Some(chunk) = chunks.next().await {
            match chunk {
                Ok(bytes) => verified.bytes += bytes.len() as u64,
                Err(
                    error @ (BlobError::Corrupt { .. }
                    | BlobError::Missing { .. }
                    | BlobError::NoVolume { .. }
                    | BlobError::Io { .. }),
                ) => {
                    place.reason = error.to_string();
                    break;
                }
                Err(error) => return Err(ObjectsError::Blob(error)),
            }
            seen(&verified);
            let due_micros = u128::from(verified.bytes) * 1_000_000 / u128::from(bytes_per_second_max.max(1));
            tokio::time::sleep_until(begun + Duration::from_micros(u64::try_from(due_micros).unwrap_or(u64::MAX)))
                .await;
        }
        verified.blobs += 1;
        if !place.reason.is_empty() {
            verified.damaged += 1;
            if verified.damages.len() < DAMAGED_TOLD_MAX {
                verified.damages.push(place);
            }
        }
        seen(&verified);
    }
    Ok(verified)
}
