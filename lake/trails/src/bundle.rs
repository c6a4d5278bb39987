//! A file of a trail on its way into its bucket: compressed, hashed, named, put.

use std::collections::BTreeMap;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use tarn_metadata::{StoreError, Tx};
use tarn_objects::{
    AclRequest, CannedAcl, EncryptionRequest, ObjectKey, ObjectMetadata, ObjectsError, PutObject, body_of,
};
use tarn_runtime::Timestamp;

use crate::admission::ENCRYPTION_CONTEXT_PAIR;
use crate::records::Trail;
use crate::{Trails, TrailsError};

/// A time as files and their keys have it; empty for one that no calendar has.
pub(crate) fn time(ms: i64, form: &str) -> String {
    Timestamp::from_millisecond(ms).map(|time| time.strftime(form).to_string()).unwrap_or_default()
}

/// `2026-01-31T12:00:00Z`.
pub(crate) fn iso(ms: i64) -> String {
    time(ms, "%Y-%m-%dT%H:%M:%SZ")
}

/// SHA-256 in hexadecimal.
pub(crate) fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// A text that is to be put.
pub(crate) struct File {
    pub(crate) key: String,
    pub(crate) text: String,
    /// User metadata.
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) encryption: EncryptionRequest,
}

/// Log files are encrypted by the trail's key; digests never are, so that the chain outlives the key.
pub(crate) fn encryption_of(trail: &Trail) -> EncryptionRequest {
    match &trail.kms_key {
        None => EncryptionRequest::default(),
        Some(key) => EncryptionRequest::Kms {
            key: Some(key.clone()),
            context: BTreeMap::from([(ENCRYPTION_CONTEXT_PAIR.to_owned(), trail.arn().to_string())]),
            bucket_key: None,
        },
    }
}

fn compressed(text: &str) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes())?;
    encoder.finish()
}

impl Trails {
    /// Puts a file into the trail's bucket, with `beside` in the same transaction.
    pub(crate) async fn put(
        &self,
        trail: &Trail,
        file: File,
        beside: impl Fn(&mut Tx<'_>) -> Result<(), StoreError> + Send + Sync + 'static,
    ) -> Result<(), TrailsError> {
        let File { key, text, metadata, encryption } = file;
        let key = ObjectKey::new(&key)?;
        let caller = self.deliverer(trail, &key)?.beside(beside);
        let bytes = tokio::task::spawn_blocking(move || compressed(&text)).await.map_err(|_| TrailsError::Stopping)?;
        let bytes = bytes.map_err(|_| TrailsError::Cryptography { doing: "compressing a file" })?;
        let metadata = ObjectMetadata {
            content_encoding: Some("gzip".to_owned()),
            user: metadata,
            ..ObjectMetadata::of_type("application/json")
        };
        let put = PutObject {
            content_length: u64::try_from(bytes.len()).ok(),
            metadata,
            encryption,
            acl: AclRequest::Canned(CannedAcl::BucketOwnerFullControl),
            ..PutObject::new(trail.bucket.clone(), key)
        };
        self.parts().objects.put_object(&caller, put, body_of(bytes)).await?;
        Ok(())
    }
}

/// What S3 said, in its own word.
pub(crate) fn code_of(error: &TrailsError) -> &'static str {
    match error {
        TrailsError::Objects(ObjectsError::NoSuchBucket { .. }) => "NoSuchBucket",
        TrailsError::Objects(ObjectsError::Denied(_)) => "AccessDenied",
        TrailsError::Objects(ObjectsError::Kms(_)) => "KMS.InvalidStateException",
        _ => "InternalError",
    }
}
