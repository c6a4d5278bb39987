//! A volume in a remote bucket (S3, Azure, GCS, Ceph and what speaks like them): each blob is an object of its own. Knows no local disk.
//!
//!     <prefix>/tarn-volume                       the volume's id
//!     <prefix>/<xx>/<version>-<part>-<id>        a blob; all in hexadecimal but the part
//!
//! The remote store is trusted to keep what it acknowledged, and not to show: what comes back is checked for its length here, and byte for
//! byte where it is opened, since all bytes of objects are sealed. Forms mean nothing here: how often the bytes are kept is the remote
//! store's business.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use tarn_runtime::{EntropyExt, Runtime};
use tokio::io::AsyncWriteExt;

use crate::{
    BlobError, BlobForm, BlobOwner, BlobPlace, BlobRef, BlobStore, BlobUsage, BlobWriter, CompactReport, Relocate,
    SweepReport, VolumeId,
};

/// Which kinds of bucket there are.
const SCHEMES: [&str; 3] = ["s3", "az", "gs"];
const ID_NAME: &str = "tarn-volume";
/// One request reads so much; the next one is on its way meanwhile.
const REQUEST_BYTES_MAX: u64 = 4 << 20;
const REQUESTS_AHEAD: usize = 2;
const CHUNK_BYTES_MAX: usize = 1 << 20;
/// Larger blobs are uploaded in parts of this size, so many at a time.
const PART_BYTES: usize = 8 << 20;
const PARTS_AT_ONCE: usize = 2;

/// Keeps blobs in a remote bucket. Cheap to clone.
#[derive(Clone)]
pub struct RemoteBlobs {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    id: VolumeId,
    runtime: Runtime,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    blobs: AtomicU64,
    bytes: AtomicU64,
}

/// Whether a volume was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VolumeOrigin {
    /// With its id.
    Found,
    /// It was empty and has an id now.
    Made,
}

fn remote_error(doing: &str, place: &Path, error: &object_store::Error) -> BlobError {
    match error {
        object_store::Error::NotFound { .. } => BlobError::Missing { place: place.to_string() },
        other => BlobError::Io { doing: format!("{doing} {place} of the remote volume"), reason: other.to_string() },
    }
}

fn hex(id: &[u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(*id))
}

fn from_hex(text: &str) -> Option<[u8; 16]> {
    (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)).flatten()
}

impl RemoteBlobs {
    /// Opens the volume in the bucket at `url` (`s3://bucket/prefix`, `az://...`, `gs://...`), reached as `options` say.
    pub async fn open_url(
        url: &str,
        options: &BTreeMap<String, String>,
        is_new: bool,
        runtime: Runtime,
    ) -> Result<(Self, VolumeOrigin), BlobError> {
        let wrong = |reason: String| BlobError::Io { doing: format!("opening the bucket {url}"), reason };
        let parsed = url::Url::parse(url).map_err(|error| wrong(error.to_string()))?;
        if !SCHEMES.contains(&parsed.scheme()) {
            return Err(wrong(format!(
                "it must begin with {}",
                SCHEMES.map(|scheme| format!("{scheme}://")).join(", ")
            )));
        }
        let mut options = options.clone();
        // Who writes down an endpoint without TLS wants it so.
        if options.iter().any(|(key, value)| key.contains("endpoint") && value.starts_with("http://")) {
            options.entry("allow_http".to_owned()).or_insert_with(|| "true".to_owned());
        }
        let (store, prefix) =
            object_store::parse_url_opts(&parsed, options).map_err(|error| wrong(error.to_string()))?;
        Self::open(Arc::from(store), prefix, is_new, runtime).await
    }

    /// Opens the volume under `prefix`; makes it, if nothing is there and `is_new` allows it.
    pub async fn open(
        store: Arc<dyn ObjectStore>,
        prefix: Path,
        is_new: bool,
        runtime: Runtime,
    ) -> Result<(Self, VolumeOrigin), BlobError> {
        let at = prefix.clone().join(ID_NAME);
        let found = match store.get(&at).await {
            Ok(found) => Some(found.bytes().await.map_err(|error| remote_error("reading", &at, &error))?),
            Err(object_store::Error::NotFound { .. }) if is_new => None,
            Err(error) => return Err(remote_error("reading", &at, &error)),
        };
        let (id, origin) = match found {
            Some(bytes) => {
                let id = std::str::from_utf8(&bytes).ok().and_then(|text| from_hex(text.trim()));
                let reason = "it is not the id of a volume".to_owned();
                (id.ok_or(BlobError::Corrupt { place: at.to_string(), reason })?, VolumeOrigin::Found)
            }
            None => {
                let id = runtime.entropy.bytes::<16>();
                // Of two that make it at the same time one is refused.
                let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
                let made = store.put_opts(&at, Bytes::from(hex(&id)).into(), options).await;
                made.map_err(|error| remote_error("making", &at, &error))?;
                (id, VolumeOrigin::Made)
            }
        };
        Ok((Self { store, prefix, id: VolumeId(id), runtime, counts: Arc::default() }, origin))
    }

    /// The volume's id.
    pub fn id(&self) -> VolumeId {
        self.id
    }

    fn path(&self, owner: &BlobOwner, id: &[u8; 16]) -> Path {
        let id = hex(id);
        let name = format!("{}-{}-{id}", hex(&owner.version), owner.part);
        self.prefix.clone().join(&id[..2]).join(name)
    }

    fn parse(found: &ObjectMeta) -> Option<BlobRef> {
        let name = found.location.filename()?;
        let mut fields = name.split('-');
        let (version, part, id) = (fields.next()?, fields.next()?, fields.next()?);
        let owner = BlobOwner { version: from_hex(version)?, part: part.parse().ok()? };
        Some(BlobRef { owner, len: found.size, place: BlobPlace::File { id: from_hex(id)? } })
    }
}

struct Writer {
    owner: BlobOwner,
    id: [u8; 16],
    at: Path,
    len: u64,
    /// Taken when it is finished.
    upload: Option<BufWriter>,
    counts: Arc<Counts>,
}

impl BlobWriter for Writer {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<(), BlobError>> {
        async move {
            self.len += bytes.len() as u64;
            match &mut self.upload {
                Some(upload) => upload.put(bytes).await.map_err(|error| remote_error("writing", &self.at, &error)),
                None => Ok(()),
            }
        }
        .boxed()
    }

    fn finish(mut self: Box<Self>) -> BoxFuture<'static, Result<BlobRef, BlobError>> {
        async move {
            if self.len == 0 {
                return Ok(BlobRef { owner: self.owner, len: 0, place: BlobPlace::Empty });
            }
            if let Some(mut upload) = self.upload.take() {
                upload.shutdown().await.map_err(|error| BlobError::Io {
                    doing: format!("writing {} of the remote volume", self.at),
                    reason: error.to_string(),
                })?;
            }
            self.counts.blobs.fetch_add(1, Ordering::Relaxed);
            self.counts.bytes.fetch_add(self.len, Ordering::Relaxed);
            Ok(BlobRef { owner: self.owner, len: self.len, place: BlobPlace::File { id: self.id } })
        }
        .boxed()
    }
}

impl Drop for Writer {
    /// Parts that were uploaded for nothing go.
    fn drop(&mut self) {
        let (Some(mut upload), Ok(runtime)) = (self.upload.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        if self.len > 0 {
            runtime.spawn(async move { upload.abort().await });
        }
    }
}

impl BlobStore for RemoteBlobs {
    fn create_as(
        &self,
        owner: BlobOwner,
        _: Option<u64>,
        _: BlobForm,
    ) -> BoxFuture<'_, Result<Box<dyn BlobWriter>, BlobError>> {
        let id = self.runtime.entropy.bytes::<16>();
        let at = self.path(&owner, &id);
        let upload = BufWriter::with_capacity(self.store.clone(), at.clone(), PART_BYTES);
        let upload = Some(upload.with_max_concurrency(PARTS_AT_ONCE));
        let writer = Writer { owner, id, at, len: 0, upload, counts: self.counts.clone() };
        futures::future::ready(Ok(Box::new(writer) as Box<dyn BlobWriter>)).boxed()
    }

    fn read(&self, blob: &BlobRef, range: Range<u64>) -> BoxStream<'static, Result<Bytes, BlobError>> {
        let Range { start, end } = range;
        let failed = |error| futures::stream::iter([Err(error)]).boxed();
        if start > end || end > blob.len {
            return failed(BlobError::Range { start, end, len: blob.len });
        }
        if start == end {
            return futures::stream::empty().boxed();
        }
        let BlobPlace::File { id } = blob.place else {
            return failed(BlobError::Missing { place: format!("{:?}", blob.place) });
        };
        let (store, at) = (self.store.clone(), self.path(&blob.owner, &id));
        let starts = (start..end).step_by(usize::try_from(REQUEST_BYTES_MAX).unwrap_or(usize::MAX));
        let request = move |start: u64| {
            let (store, at) = (store.clone(), at.clone());
            let end = end.min(start.saturating_add(REQUEST_BYTES_MAX));
            async move {
                let mut bytes =
                    store.get_range(&at, start..end).await.map_err(|error| remote_error("reading", &at, &error))?;
                if bytes.len() as u64 != end - start {
                    let reason = format!("{} bytes came for {start}..{end}", bytes.len());
                    return Err(BlobError::Corrupt { place: at.to_string(), reason });
                }
                let mut chunks = Vec::new();
                while !bytes.is_empty() {
                    chunks.push(Ok(bytes.split_to(bytes.len().min(CHUNK_BYTES_MAX))));
                }
                Ok(futures::stream::iter(chunks))
            }
        };
        futures::stream::iter(starts).map(request).buffered(REQUESTS_AHEAD).try_flatten().boxed()
    }

    fn delete(&self, blob: &BlobRef) -> BoxFuture<'_, Result<(), BlobError>> {
        let BlobPlace::File { id } = blob.place else { return futures::future::ready(Ok(())).boxed() };
        let (at, len) = (self.path(&blob.owner, &id), blob.len);
        async move {
            match self.store.delete(&at).await {
                Ok(()) => {
                    let less = |count: u64, by: u64| Some(count.saturating_sub(by));
                    let _ = self.counts.blobs.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| less(n, 1));
                    let _ = self.counts.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| less(n, len));
                    Ok(())
                }
                Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(remote_error("deleting", &at, &error)),
            }
        }
        .boxed()
    }

    fn sweep<'a>(
        &'a self,
        is_live: &'a (dyn Fn(&BlobRef) -> bool + Send + Sync),
    ) -> BoxFuture<'a, Result<SweepReport, BlobError>> {
        async move {
            let mut report = SweepReport::default();
            let (mut blobs, mut bytes) = (0, 0);
            let mut listed = self.store.list(Some(&self.prefix));
            while let Some(found) = listed.next().await {
                let found = found.map_err(|error| remote_error("listing", &self.prefix, &error))?;
                let Some(blob) = Self::parse(&found) else {
                    // The id, and what others have put there.
                    report.unreadable += u64::from(found.location.filename() != Some(ID_NAME));
                    continue;
                };
                if is_live(&blob) {
                    blobs += 1;
                    bytes += blob.len;
                } else {
                    self.delete(&blob).await?;
                    report.removed += 1;
                    report.removed_bytes += blob.len;
                }
            }
            self.counts.blobs.store(blobs, Ordering::Relaxed);
            self.counts.bytes.store(bytes, Ordering::Relaxed);
            Ok(report)
        }
        .boxed()
    }

    /// Each blob is an object of its own: nothing lies beside it.
    fn compact<'a>(&'a self, _: &'a dyn Relocate) -> BoxFuture<'a, Result<CompactReport, BlobError>> {
        futures::future::ready(Ok(CompactReport::default())).boxed()
    }

    /// Exact after a sweep.
    fn usage(&self) -> BlobUsage {
        let bytes = self.counts.bytes.load(Ordering::Relaxed);
        let files = self.counts.blobs.load(Ordering::Relaxed);
        BlobUsage { stored_bytes: bytes, live_bytes: bytes, files, packs: 0, archives: 0 }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use object_store::memory::InMemory;
    use tarn_runtime::Timestamp;

    use super::*;
    use crate::contract;

    async fn open(store: &Arc<InMemory>, is_new: bool) -> Result<(RemoteBlobs, VolumeOrigin), BlobError> {
        let (runtime, _) = Runtime::fixed(Timestamp::UNIX_EPOCH, 3);
        RemoteBlobs::open(store.clone(), Path::from("lake/cold"), is_new, runtime).await
    }

    #[tokio::test]
    async fn a_remote_bucket_keeps_the_contract() {
        let store = Arc::new(InMemory::new());
        contract::all(&open(&store, true).await.unwrap().0).await;
    }

    #[tokio::test]
    async fn a_volume_keeps_its_id_and_is_not_made_where_it_should_be() {
        let store = Arc::new(InMemory::new());
        assert!(matches!(open(&store, false).await, Err(BlobError::Missing { .. })));
        let (made, origin) = open(&store, true).await.unwrap();
        assert_eq!(origin, VolumeOrigin::Made);
        let (again, origin) = open(&store, true).await.unwrap();
        assert_eq!((again.id(), origin), (made.id(), VolumeOrigin::Found));
    }

    #[tokio::test]
    async fn what_is_lost_or_cut_is_an_error() {
        let store = Arc::new(InMemory::new());
        let (blobs, _) = open(&store, true).await.unwrap();
        let owner = BlobOwner { version: [4; 16], part: 2 };
        let bytes = contract::pattern(4, (9 << 20) + 5);
        let blob = contract::put(&blobs, owner, &bytes, 1 << 20, true).await;
        assert_eq!(contract::get(&blobs, &blob, 0, blob.len).await.unwrap(), bytes);
        let BlobPlace::File { id } = blob.place else { panic!("{blob:?}") };
        let at = blobs.path(&owner, &id);
        store.put(&at, bytes.slice(..100).into()).await.unwrap();
        assert!(contract::get(&blobs, &blob, 0, blob.len).await.is_err());
        store.delete(&at).await.unwrap();
        let gone = contract::get(&blobs, &blob, 0, blob.len).await;
        assert!(matches!(gone, Err(BlobError::Missing { .. })), "{gone:?}");
    }
}
