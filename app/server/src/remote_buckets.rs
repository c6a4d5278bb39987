//! Buckets of other stores that buckets here may be replicated to, as the configuration names them in `[[replication_targets]]`.

use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, ClientOptions, MultipartUpload, ObjectStore, ObjectStoreExt, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, TagSet,
};
use serde::Deserialize;
use tarn_objects::{
    BodyError, ObjectKey, ObjectMetadata, RemoteBuckets, RemoteChange, RemoteCopy, RemoteError, StorageClass,
};
use tarn_runtime::Runtime;
use tarn_types::{AccountId, Arn};

use crate::events::url_of;
use crate::remote_changes::{RemoteChanges, RemoteVersion};

/// The names in `[[replication_targets]]`.
pub const REPLICATION_TARGET_KEYS: [&str; 7] =
    ["bucket", "endpoint", "region", "access_key_id", "secret_access_key", "remote_bucket", "accounts"];

/// Objects up to this size are put at once.
const PUT_SIZE_BYTES_MAX: u64 = 8 << 20;
/// The smallest part of those that are not.
const PART_SIZE_BYTES_MIN: u64 = 8 << 20;
/// The most parts of an object.
const PARTS_COUNT_MAX: u64 = 10_000;

/// A bucket elsewhere.
#[derive(Clone, Deserialize)]
#[serde(try_from = "TargetText")]
pub struct ReplicationTargetSetting {
    /// What rules name it by: `arn:aws:s3:::NAME`.
    pub bucket: String,
    /// Where its store listens.
    pub endpoint: String,
    /// The region to sign for.
    pub region: String,
    /// Who signs.
    pub access_key_id: String,
    secret_access_key: String,
    /// Its name there; the ARN's, if it is the same.
    pub remote_bucket: String,
    /// Whose buckets may be replicated there.
    pub accounts: Vec<AccountId>,
}

impl ReplicationTargetSetting {
    pub(crate) fn secret_access_key(&self) -> &str {
        &self.secret_access_key
    }
}

impl fmt::Debug for ReplicationTargetSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplicationTargetSetting").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct TargetText {
    bucket: String,
    endpoint: String,
    #[serde(default)]
    region: Option<String>,
    access_key_id: String,
    secret_access_key: String,
    #[serde(default)]
    remote_bucket: Option<String>,
    #[serde(default)]
    accounts: Option<Vec<AccountId>>,
}

impl TryFrom<TargetText> for ReplicationTargetSetting {
    type Error = String;

    fn try_from(text: TargetText) -> Result<Self, String> {
        let arn = Arn::parse(&text.bucket).map_err(|error| error.to_string())?;
        if arn.service != "s3" || arn.resource.contains('/') {
            return Err(format!("`{}` must be the ARN of a bucket", text.bucket));
        }
        url_of(&text.endpoint)?;
        Ok(Self {
            bucket: text.bucket,
            endpoint: text.endpoint,
            region: text.region.unwrap_or_else(|| "us-east-1".to_owned()),
            access_key_id: text.access_key_id,
            secret_access_key: text.secret_access_key,
            remote_bucket: text.remote_bucket.unwrap_or(arn.resource),
            accounts: text.accounts.unwrap_or_else(|| vec![AccountId::first()]),
        })
    }
}

struct Target {
    setting: ReplicationTargetSetting,
    store: Arc<AmazonS3>,
}

/// The buckets elsewhere.
pub(crate) struct ReplicationTargets {
    targets: Vec<Target>,
    changes: RemoteChanges,
}

impl ReplicationTargets {
    pub(crate) fn new(settings: Vec<ReplicationTargetSetting>, runtime: Runtime) -> Result<Self, String> {
        let open = |setting: ReplicationTargetSetting| {
            let store = AmazonS3Builder::new()
                .with_endpoint(&setting.endpoint)
                .with_region(&setting.region)
                .with_bucket_name(&setting.remote_bucket)
                .with_access_key_id(&setting.access_key_id)
                .with_secret_access_key(&setting.secret_access_key)
                .with_virtual_hosted_style_request(false)
                .with_client_options(ClientOptions::new().with_allow_http(setting.endpoint.starts_with("http://")))
                // Tries again are the queue's.
                .with_retry(object_store::RetryConfig { max_retries: 1, ..object_store::RetryConfig::default() })
                .build()
                .map_err(|error| error.to_string())?;
            Ok(Target { setting, store: Arc::new(store) })
        };
        let targets = settings.into_iter().map(open).collect::<Result<_, String>>()?;
        Ok(Self { targets, changes: RemoteChanges::new(runtime) })
    }

    fn find(&self, bucket_arn: &str) -> Result<&Target, RemoteError> {
        let found = self.targets.iter().find(|target| target.setting.bucket == bucket_arn);
        found.ok_or_else(|| RemoteError::Unreachable(format!("none of [[replication_targets]] is {bucket_arn}")))
    }
}

fn attributes(metadata: ObjectMetadata, class: StorageClass) -> Attributes {
    let mut attributes = Attributes::new();
    let headers = [
        (Attribute::ContentType, metadata.content_type),
        (Attribute::ContentEncoding, metadata.content_encoding),
        (Attribute::ContentLanguage, metadata.content_language),
        (Attribute::ContentDisposition, metadata.content_disposition),
        (Attribute::CacheControl, metadata.cache_control),
    ];
    for (name, value) in headers {
        if let Some(value) = value {
            attributes.insert(name, value.into());
        }
    }
    for (name, value) in metadata.user {
        attributes.insert(Attribute::Metadata(name.into()), value.into());
    }
    if class != StorageClass::Standard {
        attributes.insert(Attribute::StorageClass, class.name().into());
    }
    attributes
}

fn path_of(key: &ObjectKey) -> Result<Path, RemoteError> {
    // The client takes no key with an empty, `.` or `..` part: such a key is not sent under another name.
    let path = Path::parse(key.as_str()).ok().filter(|path| path.as_ref() == key.as_str());
    path.ok_or_else(|| RemoteError::Refused(format!("the key {key} cannot be sent as it is")))
}

/// What the other store says is final where it is about who asks; everything else may change.
fn told(error: object_store::Error) -> RemoteError {
    match error {
        error @ (object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. }) => {
            RemoteError::Refused(error.to_string())
        }
        other => RemoteError::Unreachable(other.to_string()),
    }
}

fn unread(error: &BodyError) -> RemoteError {
    RemoteError::Unreachable(error.to_string())
}

async fn put(store: &AmazonS3, copy: RemoteCopy) -> Result<Option<String>, RemoteError> {
    let RemoteCopy { key, size_bytes, metadata, tags, class, mut body } = copy;
    let path = path_of(&key)?;
    let mut tag_set = TagSet::default();
    tags.iter().for_each(|(name, value)| tag_set.push(name, value));
    let attributes = attributes(metadata, class);
    if size_bytes <= PUT_SIZE_BYTES_MAX {
        let mut whole = BytesMut::new();
        while let Some(bytes) = body.next().await.transpose().map_err(|error| unread(&error))? {
            whole.extend_from_slice(&bytes);
        }
        let options = PutOptions { tags: tag_set, attributes, ..PutOptions::default() };
        return store.put_opts(&path, whole.freeze().into(), options).await.map(named).map_err(told);
    }
    let options = PutMultipartOptions { tags: tag_set, attributes, ..PutMultipartOptions::default() };
    let mut upload = store.put_multipart_opts(&path, options).await.map_err(told)?;
    let sent = send_parts(&mut *upload, size_bytes, &mut body).await;
    match sent {
        Ok(()) => upload.complete().await.map(named).map_err(told),
        Err(reason) => {
            if let Err(error) = upload.abort().await {
                tracing::info!(%error, "an upload to another store could not be given up");
            }
            Err(reason)
        }
    }
}

/// The version that an object became. A bucket that keeps none says nothing, or that it is the null version, which the next put replaces.
fn named(put: PutResult) -> Option<String> {
    put.version.filter(|version| version != "null")
}

async fn send_parts(
    upload: &mut dyn MultipartUpload,
    size_bytes: u64,
    body: &mut tarn_objects::Body<'static>,
) -> Result<(), RemoteError> {
    let part_size_bytes = size_bytes.div_ceil(PARTS_COUNT_MAX).max(PART_SIZE_BYTES_MIN);
    let part_size_bytes = usize::try_from(part_size_bytes).map_err(|error| RemoteError::Refused(error.to_string()))?;
    let mut part = BytesMut::new();
    while let Some(bytes) = body.next().await.transpose().map_err(|error| unread(&error))? {
        part.extend_from_slice(&bytes);
        if part.len() >= part_size_bytes {
            let payload = PutPayload::from(part.split().freeze());
            upload.put_part(payload).await.map_err(told)?;
        }
    }
    if !part.is_empty() {
        upload.put_part(PutPayload::from(part.freeze())).await.map_err(told)?;
    }
    Ok(())
}

impl RemoteBuckets for ReplicationTargets {
    fn has(&self, owner: &AccountId, bucket_arn: &str) -> bool {
        self.find(bucket_arn).is_ok_and(|target| target.setting.accounts.contains(owner))
    }

    fn put<'a>(&'a self, bucket_arn: &'a str, copy: RemoteCopy) -> BoxFuture<'a, Result<Option<String>, RemoteError>> {
        async move { put(&self.find(bucket_arn)?.store, copy).await }.boxed()
    }

    fn change<'a>(
        &'a self,
        bucket_arn: &'a str,
        key: &'a ObjectKey,
        version: &'a str,
        change: RemoteChange,
    ) -> BoxFuture<'a, Result<(), RemoteError>> {
        async move {
            let version = RemoteVersion { setting: &self.find(bucket_arn)?.setting, key, version };
            self.changes.change(&version, change).await
        }
        .boxed()
    }

    fn delete<'a>(&'a self, bucket_arn: &'a str, key: &'a ObjectKey) -> BoxFuture<'a, Result<(), RemoteError>> {
        async move {
            let path = path_of(key)?;
            self.find(bucket_arn)?.store.delete(&path).await.map_err(told)
        }
        .boxed()
    }
}
