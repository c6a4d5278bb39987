//! Blobs that are forgotten with the process: for tests of the domains.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use parking_lot::Mutex;

use crate::{
    BlobError, BlobForm, BlobOwner, BlobPlace, BlobRef, BlobStore, BlobUsage, BlobWriter, CompactReport, Relocate,
    SweepReport,
};

const CHUNK_BYTES: usize = 1 << 20;

#[derive(Default)]
struct Kept {
    next: u64,
    blobs: HashMap<u64, (BlobRef, Bytes)>,
}

/// Keeps everything in memory.
#[derive(Default, Clone)]
pub struct MemoryBlobs(Arc<Mutex<Kept>>);

impl MemoryBlobs {
    /// Empty.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many blobs are kept.
    pub fn count(&self) -> usize {
        self.0.lock().blobs.len()
    }

    /// All stored bytes, for tests that look for plaintext.
    pub fn stored(&self) -> Vec<Bytes> {
        self.0.lock().blobs.values().map(|(_, bytes)| bytes.clone()).collect()
    }
}

struct Writer {
    owner: BlobOwner,
    bytes: BytesMut,
    kept: Arc<Mutex<Kept>>,
}

impl BlobWriter for Writer {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<(), BlobError>> {
        self.bytes.extend_from_slice(&bytes);
        futures::future::ready(Ok(())).boxed()
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<BlobRef, BlobError>> {
        let len = self.bytes.len() as u64;
        let mut kept = self.kept.lock();
        kept.next += 1;
        let number = kept.next;
        let place = if len == 0 { BlobPlace::Empty } else { BlobPlace::Pack { pack: 0, offset: number } };
        let blob = BlobRef { owner: self.owner, len, place };
        if len > 0 {
            kept.blobs.insert(number, (blob.clone(), self.bytes.freeze()));
        }
        futures::future::ready(Ok(blob)).boxed()
    }
}

impl BlobStore for MemoryBlobs {
    /// Memory has one form.
    fn create_as(
        &self,
        owner: BlobOwner,
        _: Option<u64>,
        _: BlobForm,
    ) -> BoxFuture<'_, Result<Box<dyn BlobWriter>, BlobError>> {
        let writer: Box<dyn BlobWriter> = Box::new(Writer { owner, bytes: BytesMut::new(), kept: self.0.clone() });
        futures::future::ready(Ok(writer)).boxed()
    }

    fn read(&self, blob: &BlobRef, range: Range<u64>) -> BoxStream<'static, Result<Bytes, BlobError>> {
        let Range { start, end } = range;
        if start > end || end > blob.len {
            let error = BlobError::Range { start, end, len: blob.len };
            return futures::stream::iter([Err(error)]).boxed();
        }
        if start == end {
            return futures::stream::empty().boxed();
        }
        let bytes = match blob.place {
            BlobPlace::Pack { offset, .. } => self.0.lock().blobs.get(&offset).map(|(_, bytes)| bytes.clone()),
            BlobPlace::Empty | BlobPlace::File { .. } | BlobPlace::Archive { .. } | BlobPlace::Volume { .. } => None,
        };
        let Some(mut rest) = bytes.map(|bytes| bytes.slice(start as usize..end as usize)) else {
            return futures::stream::iter([Err(BlobError::Missing { place: format!("{:?}", blob.place) })]).boxed();
        };
        let mut chunks = Vec::new();
        while !rest.is_empty() {
            chunks.push(Ok(rest.split_to(rest.len().min(CHUNK_BYTES))));
        }
        futures::stream::iter(chunks).boxed()
    }

    fn delete(&self, blob: &BlobRef) -> BoxFuture<'_, Result<(), BlobError>> {
        if let BlobPlace::Pack { offset, .. } = blob.place {
            self.0.lock().blobs.remove(&offset);
        }
        futures::future::ready(Ok(())).boxed()
    }

    fn sweep<'a>(
        &'a self,
        is_live: &'a (dyn Fn(&BlobRef) -> bool + Send + Sync),
    ) -> BoxFuture<'a, Result<SweepReport, BlobError>> {
        let mut report = SweepReport::default();
        self.0.lock().blobs.retain(|_, (blob, _)| {
            let live = is_live(blob);
            if !live {
                report.removed += 1;
                report.removed_bytes += blob.len;
            }
            live
        });
        futures::future::ready(Ok(report)).boxed()
    }

    fn compact<'a>(&'a self, _: &'a dyn Relocate) -> BoxFuture<'a, Result<CompactReport, BlobError>> {
        futures::future::ready(Ok(CompactReport::default())).boxed()
    }

    fn usage(&self) -> BlobUsage {
        let live_bytes = self.0.lock().blobs.values().map(|(blob, _)| blob.len).sum();
        BlobUsage { stored_bytes: live_bytes, live_bytes, files: 0, packs: 1, archives: 0 }
    }
}
