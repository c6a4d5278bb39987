//! What delivery streams keep in the metadata store.

use serde::{Deserialize, Serialize};
use tarn_blobs::BlobRef;
use tarn_metadata::{Key, Keyspace, Outbox, Record};
use tarn_policy::Principal;
use tarn_types::Scope;

use crate::delivery_stream::DeliveryStream;

/// Names a stream for its whole life; a stream made again under the same name has another.
pub type StreamId = [u8; 16];

/// Streams by account, region and name.
pub const STREAMS: Keyspace<DeliveryStream> = Keyspace::new(0x0800, "streams.delivery_streams");
/// Undelivered records by stream and sequence.
pub const CHUNKS: Keyspace<Chunk> = Keyspace::new(0x0801, "streams.chunks");
/// The delivery that is under way, by stream.
pub const PLANS: Keyspace<Plan> = Keyspace::new(0x0802, "streams.plans");
/// Chunks' blobs to be removed.
pub const GARBAGE: Outbox<Garbage> = Outbox::new(Keyspace::new(0x0803, "streams.garbage"));

/// Who each stream delivers as.
pub const DELIVERERS: Keyspace<Deliverer> = Keyspace::new(0x0804, "streams.deliverers");

/// Whoever made a stream or changed its destination last: it delivers as they.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deliverer {
    /// Who.
    pub principal: Principal,
}

impl Record for Deliverer {
    const VERSION: u16 = 1;
}

/// Where a stream's deliverer is kept.
pub fn deliverer_key(stream: StreamId) -> Key {
    Key::new().raw(&stream)
}

impl Record for DeliveryStream {
    const VERSION: u16 = 1;
}

/// Where a stream is kept.
pub fn stream_key(scope: &Scope, name: &str) -> Key {
    streams_of(scope).text(name)
}

/// What the keys of all streams of an account and region begin with.
pub fn streams_of(scope: &Scope) -> Key {
    Key::new().text(scope.account.as_str()).text(scope.region.as_str())
}

/// What was acknowledged together: the records of one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// When it came, milliseconds since 1970.
    pub arrival_ms: i64,
    /// How many records.
    pub records: u32,
    /// Bytes of the records.
    pub payload_bytes: u64,
    /// Never reused: its key derives from it.
    pub version: [u8; 16],
    /// The sealed records, each behind its length (u32, big endian).
    pub place: ChunkPlace,
}

impl Record for Chunk {
    const VERSION: u16 = 1;
}

/// Where a chunk's sealed bytes are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChunkPlace {
    /// Here.
    Inline(Vec<u8>),
    /// In a blob.
    Blob(BlobRef),
}

impl Chunk {
    /// Its blob, if it has one.
    pub fn blob(&self) -> Option<&BlobRef> {
        match &self.place {
            ChunkPlace::Inline(_) => None,
            ChunkPlace::Blob(blob) => Some(blob),
        }
    }
}

/// Where a chunk is kept.
pub fn chunk_key(stream: StreamId, sequence: u64) -> Key {
    Key::new().raw(&stream).u64(sequence)
}

/// Reads a chunk's key back.
pub fn read_chunk_key(key: &Key) -> Option<(StreamId, u64)> {
    let (stream, sequence) = key.as_bytes().split_first_chunk::<16>()?;
    Some((*stream, u64::from_be_bytes(sequence.try_into().ok()?)))
}

/// A delivery that was begun: which chunks go where. It does not change until it is done, whatever becomes of the stream's destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The first chunk's sequence.
    pub first: u64,
    /// The last chunk's sequence.
    pub last: u64,
    /// When the oldest record came: the instant of all timestamps in the key.
    pub oldest_ms: i64,
    /// The stream as it was when the plan was made.
    pub stream: DeliveryStream,
}

impl Record for Plan {
    const VERSION: u16 = 1;
}

/// A blob that no chunk names any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Garbage {
    /// Which.
    pub blob: BlobRef,
}

impl Record for Garbage {
    const VERSION: u16 = 1;
}
