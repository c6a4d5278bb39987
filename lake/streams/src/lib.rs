//! Delivery streams: records are kept durably before their producer is answered, buffered by size and age, encoded and delivered as
//! objects. Knows objects and the catalog; knows no wire form.
//!
//! What a producer was acknowledged is a *chunk*: sealed bytes and a row in the metadata store. A delivery first commits which chunks go
//! into which object (the *plan*), then puts the object, then commits that the chunks are gone. A crash between these steps repeats the
//! same put under the same key, so that delivered data is not doubled.
//!
//! **Invariant:** an acknowledged record is in a chunk or in a delivered object (or in an error object), never in neither.

mod convert;
mod deliver;
mod delivery_stream;
mod encode;
mod errors;
mod keyspaces;
mod partition;
mod prefix;
mod records;
mod tags;
#[cfg(test)]
mod tests;
mod verify;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tarn_blobs::{BlobRef, BlobStore};
use tarn_catalog::Catalog;
use tarn_keys::{DataKey, Keys};
use tarn_metadata::{Key, Read, Store, StoreExt};
use tarn_objects::Objects;
use tarn_policy::Authorizer;
use tarn_runtime::Runtime;
use tarn_types::Scope;
use tokio::sync::Notify;

pub use deliver::DeliveryWorker;
pub use delivery_stream::{
    BufferingHints, Compression, Conversion, CreateDeliveryStream, DeliveryStream, DeliveryStreamStatus, JsonInput,
    ParquetCompression, S3Destination, UpdateDestination,
};
pub use errors::StreamsError;
pub use prefix::{PREFIX_CHARS_MAX, Prefix, PrefixError, PrefixKind};
pub use records::RecordId;
pub use tags::StreamTags;
pub use verify::{DamagedChunk, verify_chunks};

use keyspaces::{CHUNKS, Chunk, STREAMS, StreamId};

/// One record, bytes before base64, as AWS has it.
pub const RECORD_SIZE_BYTES_MAX: usize = 1_024_000;
/// Records in one batch.
pub const BATCH_RECORDS_MAX: usize = 500;
/// One batch, bytes.
pub const BATCH_SIZE_BYTES_MAX: usize = 4 << 20;
/// Delivery streams of an account in a region.
pub const STREAMS_MAX: usize = 5_000;
/// Payloads up to this size are kept in their row: one sync less than a blob.
const INLINE_SIZE_BYTES_MAX: usize = 8 << 10;

/// What a deployment can choose.
#[derive(Debug, Clone)]
pub struct StreamsOptions {
    /// Undelivered bytes of one stream at which producers are told to slow down.
    pub backlog_bytes_max: u64,
    /// Deliveries that run at once.
    pub deliveries_max: usize,
    /// The pause after a failed delivery doubles up to this.
    pub retry_pause_max: Duration,
    /// For how long the table of a converting stream is looked for; then its records go to the error prefix.
    pub table_retry_max: Duration,
}

impl Default for StreamsOptions {
    fn default() -> Self {
        Self {
            backlog_bytes_max: 16 << 30,
            deliveries_max: 2,
            retry_pause_max: Duration::from_secs(60),
            // As long as Firehose retries by default where it can be told.
            table_retry_max: Duration::from_secs(300),
        }
    }
}

/// What is undelivered of one stream, counted.
#[derive(Debug, Clone)]
struct Buffer {
    scope: Scope,
    name: String,
    bytes: u64,
    records: u64,
    /// When the oldest undelivered record came, milliseconds since 1970.
    oldest_ms: Option<i64>,
    /// After a failure: not before this time, and the pause to double.
    not_before_ms: i64,
    retry_pause: Duration,
    /// Since when the table of its conversion could not be used, milliseconds since 1970.
    no_table_since_ms: Option<i64>,
    /// One delivery of a stream at a time.
    delivering: bool,
    /// The last transaction whose chunks are counted.
    counted: u64,
}

/// All delivery streams of the lake.
pub struct Streams {
    store: Arc<dyn Store>,
    blobs: Arc<dyn BlobStore>,
    keys: Arc<Keys>,
    objects: Arc<Objects>,
    catalog: Arc<Catalog>,
    authorizer: Arc<dyn Authorizer>,
    runtime: Runtime,
    options: StreamsOptions,
    buffers: Mutex<HashMap<StreamId, Buffer>>,
    data_keys: Mutex<HashMap<StreamId, DataKey>>,
    wake: Notify,
}

impl Streams {
    /// Opens over `store` and counts what an earlier run left undelivered. `blobs` must hold nothing but the chunks of streams; `authorizer`
    /// is asked for every object that is delivered.
    pub async fn open(
        store: Arc<dyn Store>,
        blobs: Arc<dyn BlobStore>,
        keys: Arc<Keys>,
        objects: Arc<Objects>,
        catalog: Arc<Catalog>,
        authorizer: Arc<dyn Authorizer>,
        runtime: Runtime,
        options: StreamsOptions,
    ) -> Result<Self, StreamsError> {
        let mut buffers: HashMap<StreamId, Buffer> = HashMap::new();
        let snapshot = store.read()?;
        for pair in snapshot.prefix(STREAMS, &Key::new()) {
            let (_, stream) = pair?;
            buffers.insert(stream.id, Buffer::new(&stream));
        }
        let mut live: HashSet<[u8; 16]> = HashSet::new();
        let mut ownerless: HashSet<StreamId> = HashSet::new();
        for pair in snapshot.prefix(CHUNKS, &Key::new()) {
            let (key, chunk) = pair?;
            let Some((stream, _)) = keyspaces::read_chunk_key(&key) else { continue };
            if chunk.blob().is_some() {
                live.insert(chunk.version);
            }
            match buffers.get_mut(&stream) {
                Some(buffer) => buffer.add(&chunk),
                None => drop(ownerless.insert(stream)),
            }
        }
        let swept = blobs.sweep(&|blob: &BlobRef| live.contains(&blob.owner.version)).await?;
        if swept.removed > 0 {
            tracing::info!(
                chunks = swept.removed,
                bytes = swept.removed_bytes,
                "removed records that were never acknowledged"
            );
        }
        let data_keys = Mutex::default();
        let buffers = Mutex::new(buffers);
        let streams = Self {
            store,
            blobs,
            keys,
            objects,
            catalog,
            authorizer,
            runtime,
            options,
            buffers,
            data_keys,
            wake: Notify::new(),
        };
        for stream in ownerless {
            // Deleted by force, and the server ended before all was gone.
            streams.drop_chunks(stream).await?;
        }
        Ok(streams)
    }

    fn now_ms(&self) -> i64 {
        self.runtime.now().as_millisecond()
    }
}

impl Buffer {
    fn new(stream: &DeliveryStream) -> Self {
        Self {
            scope: stream.scope.clone(),
            name: stream.name.clone(),
            bytes: 0,
            records: 0,
            oldest_ms: None,
            not_before_ms: 0,
            retry_pause: Duration::ZERO,
            no_table_since_ms: None,
            delivering: false,
            counted: 0,
        }
    }

    fn add(&mut self, chunk: &Chunk) {
        self.bytes += chunk.payload_bytes;
        self.records += u64::from(chunk.records);
        let oldest = self.oldest_ms.map_or(chunk.arrival_ms, |oldest| oldest.min(chunk.arrival_ms));
        self.oldest_ms = Some(oldest);
    }
}
