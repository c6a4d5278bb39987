//! Bytes at rest: small payloads in packs, large ones in files of their own, all framed so that damage is found on every read.
//! Knows ids, lengths and checksums; knows nothing of buckets, keys, encryption or who may read.
//!
//! A blob is written once and never changed. Whoever owns it keeps its `BlobRef` in the metadata store; a blob whose ref is in no
//! committed record is an orphan and is swept. What lies long can be kept as an archive container, which repairs itself (`archive.rs`).
//!
//! **Invariant:** bytes that are returned are the bytes that were written; anything else is an error that names the place.

mod archive;
mod compact;
pub mod contract;
mod file;
mod frame;
mod handles;
mod identity;
mod lane;
mod local;
mod memory;
mod read;
mod remote;
mod scan;
mod shared;
mod sweep;
mod volumes;

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

pub use archive::{ArchiveCounts, ArchiveScrubber, ScrubReport};
pub use local::{LocalBlobs, LocalOptions};
pub use memory::MemoryBlobs;
pub use remote::{RemoteBlobs, VolumeOrigin};
pub use volumes::Volumes;

/// Payloads up to this size are appended to packs; larger ones get a file of their own.
pub const PACKED_SIZE_BYTES_MAX: u64 = 128 << 10;
/// How much of a stream is held in memory at a time, for one reader or writer.
pub const STREAM_BUFFER_BYTES_MAX: usize = 4 << 20;

/// What the bytes belong to. It is written in every frame, so that a block found in the wrong place is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BlobOwner {
    /// The object version, or whatever else owns the blob: 16 random bytes, never reused.
    pub version: [u8; 16],
    /// The part of it; 0 if there is only one.
    pub part: u32,
}

/// Where a blob is. Kept by its owner; opaque but for the length.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BlobRef {
    /// Whose it is.
    pub owner: BlobOwner,
    /// Payload bytes, without framing.
    pub len: u64,
    /// Which engine-specific place.
    pub place: BlobPlace,
}

/// An engine's own address of a blob.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BlobPlace {
    /// No bytes, no place.
    Empty,
    /// In a pack, at an offset.
    Pack {
        /// Which pack.
        pack: u64,
        /// Offset of its first frame.
        offset: u64,
    },
    /// In a file of its own.
    File {
        /// The file's id: 16 random bytes.
        id: [u8; 16],
    },
    /// In an archive container of its own.
    Archive {
        /// The container's id: 16 random bytes.
        id: [u8; 16],
    },
    /// On another drive, or in a remote bucket.
    Volume {
        /// Which.
        volume: VolumeId,
        /// Where there.
        place: VolumePlace,
    },
}

/// Names a volume: the id of its engine, which is kept with its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VolumeId(pub [u8; 16]);

impl fmt::Display for VolumeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// A volume's own address of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum VolumePlace {
    /// As `BlobPlace::Pack`.
    Pack {
        /// Which pack.
        pack: u64,
        /// Offset of its first frame.
        offset: u64,
    },
    /// As `BlobPlace::File`.
    File {
        /// The file's id.
        id: [u8; 16],
    },
    /// As `BlobPlace::Archive`.
    Archive {
        /// The container's id.
        id: [u8; 16],
    },
}

/// In which form a blob is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum BlobForm {
    /// In a pack or a file: read fast; damage is an error.
    #[default]
    Hot,
    /// In an archive container: a fifth larger; damage is repaired.
    Archive,
}

impl BlobRef {
    /// Bytes it takes up on disk, with framing and parity. Of a remote volume's: what is sent there.
    pub fn stored_bytes(&self) -> u64 {
        match self.place {
            BlobPlace::Empty => 0,
            BlobPlace::Pack { .. } | BlobPlace::Volume { place: VolumePlace::Pack { .. }, .. } => {
                frame::packed_frame_bytes(self.len)
            }
            BlobPlace::File { .. } | BlobPlace::Volume { place: VolumePlace::File { .. }, .. } => {
                frame::file_bytes(self.len)
            }
            BlobPlace::Archive { .. } | BlobPlace::Volume { place: VolumePlace::Archive { .. }, .. } => {
                archive::container_bytes(self.len)
            }
        }
    }
}

impl fmt::Debug for BlobRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobRef({} bytes, {:?})", self.len, self.place)
    }
}

impl fmt::Debug for BlobPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("empty"),
            Self::Pack { pack, offset } => write!(f, "pack {pack} at {offset}"),
            Self::File { id } => write!(f, "file {:032x}", u128::from_be_bytes(*id)),
            Self::Archive { id } => write!(f, "archive {:032x}", u128::from_be_bytes(*id)),
            Self::Volume { volume, place } => write!(f, "{place:?} of volume {volume}"),
        }
    }
}

/// Why bytes could not be kept or given back.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BlobError {
    /// The bytes on disk are not those written: flipped, torn, lost or misdirected.
    #[error("the bytes at {place} are damaged: {reason}")]
    Corrupt {
        /// File and offset.
        place: String,
        /// What was found.
        reason: String,
    },
    /// No such blob; its owner should not have named it.
    #[error("there are no bytes at {place}")]
    Missing {
        /// File and offset.
        place: String,
    },
    /// The blob is in a volume that is not there.
    #[error(
        "the bytes are in the volume {volume}, which is not among the configured ones: name its directory or bucket under [volumes]"
    )]
    NoVolume {
        /// Which.
        volume: VolumeId,
    },
    /// The range is outside of the blob.
    #[error("the range {start}..{end} is outside of {len} bytes")]
    Range {
        /// First byte.
        start: u64,
        /// After the last byte.
        end: u64,
        /// Bytes there are.
        len: u64,
    },
    /// No room is left.
    #[error("the disk has no room: free space on the data directory's drive")]
    NoSpace,
    /// The system refused.
    #[error("{doing}: {reason}")]
    Io {
        /// What was being done, with the place.
        doing: String,
        /// What the system said.
        reason: String,
    },
    /// The stream being stored failed; nothing was kept.
    #[error("the payload ended early: {reason}")]
    Source {
        /// What the source said.
        reason: String,
    },
}

/// Receives one blob's bytes. Dropped before `finish`, it leaves nothing behind.
pub trait BlobWriter: Send {
    /// Takes the next bytes, of any length. Waits when the disk is slower than the source.
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<(), BlobError>>;
    /// Makes everything durable and tells where it is. Concurrent finishes of packed blobs share one `fdatasync`.
    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<BlobRef, BlobError>>;
}

/// Keeps blobs. Cheap to share: all methods take `&self`.
pub trait BlobStore: Send + Sync {
    /// Begins a blob. `len_hint` is the expected length if known: it decides between pack and file and preallocates; it need not be exact.
    fn create(&self, owner: BlobOwner, len_hint: Option<u64>) -> BoxFuture<'_, Result<Box<dyn BlobWriter>, BlobError>> {
        self.create_as(owner, len_hint, BlobForm::Hot)
    }
    /// As `create`, in the form asked for.
    fn create_as(
        &self,
        owner: BlobOwner,
        len_hint: Option<u64>,
        form: BlobForm,
    ) -> BoxFuture<'_, Result<Box<dyn BlobWriter>, BlobError>>;
    /// As `create_as`, in a volume.
    fn create_on(
        &self,
        volume: VolumeId,
        owner: BlobOwner,
        len_hint: Option<u64>,
        form: BlobForm,
    ) -> BoxFuture<'_, Result<Box<dyn BlobWriter>, BlobError>> {
        let _ = (owner, len_hint, form);
        Box::pin(futures::future::ready(Err(BlobError::NoVolume { volume })))
    }
    /// The bytes `range` of a blob, in chunks of at most 1 MiB. Every block read is checked. An empty range is an empty stream.
    fn read(&self, blob: &BlobRef, range: Range<u64>) -> BoxStream<'static, Result<Bytes, BlobError>>;
    /// As `read`, for who authenticates each byte it gets: that a block is the right one is checked, but payloads may come without a look
    /// at their checksums. Where bytes then are not authentic, `read` tells whether they are damaged.
    fn read_unchecked(&self, blob: &BlobRef, range: Range<u64>) -> BoxStream<'static, Result<Bytes, BlobError>> {
        self.read(blob, range)
    }
    /// Gives back the room. Safe to repeat; a missing blob is no error. Readers that have begun finish.
    fn delete(&self, blob: &BlobRef) -> BoxFuture<'_, Result<(), BlobError>>;
    /// Removes every blob for which `is_live` says no and which was finished before the call began. Bounded memory.
    /// Call with a predicate over committed records, after recovery. A blob that was finished and whose record is not committed yet looks
    /// like an orphan: call before requests are served, or let the predicate say yes for what is on its way.
    fn sweep<'a>(
        &'a self,
        is_live: &'a (dyn Fn(&BlobRef) -> bool + Send + Sync),
    ) -> BoxFuture<'a, Result<SweepReport, BlobError>>;
    /// Gives back the room of removed blobs by moving those that live beside them. A bounded piece of work: call it again while the
    /// report says that something was done. Packs are removed by the call after the one that emptied them, so that a reader that looked
    /// up a reference just before it was replaced still finds its bytes.
    fn compact<'a>(&'a self, relocate: &'a dyn Relocate) -> BoxFuture<'a, Result<CompactReport, BlobError>>;
    /// Bytes on disk and of them in live blobs, for metrics.
    fn usage(&self) -> BlobUsage;
}

/// The owner of references, asked while blobs are moved.
pub trait Relocate: Send + Sync {
    /// Whether a committed record names `blob`.
    fn is_live(&self, blob: &BlobRef) -> bool;
    /// Replaces `old` by `new` in the record that names it, durably; `new` holds the same bytes and is durable. `false` if no record names
    /// `old` any more; then `new` is dropped. After an error both stay until the next compaction or sweep.
    fn relocate<'a>(&'a self, old: &'a BlobRef, new: BlobRef) -> BoxFuture<'a, Result<bool, BlobError>>;
}

/// What a compaction did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CompactReport {
    /// Packs removed.
    pub packs_removed: u64,
    /// Bytes of those on disk.
    pub reclaimed_bytes: u64,
    /// Blobs that were moved.
    pub moved: u64,
    /// Payload bytes of those.
    pub moved_bytes: u64,
    /// Packs in which nothing is left; the next call removes them.
    pub packs_emptied: u64,
    /// Packs that must stay because something in them is damaged.
    pub packs_damaged: u64,
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Blobs removed.
    pub removed: u64,
    /// Payload bytes of those.
    pub removed_bytes: u64,
    /// Files and packs of which it cannot be told what is in them; they are kept.
    pub unreadable: u64,
}

/// How full the engine is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BlobUsage {
    /// Bytes of all files.
    pub stored_bytes: u64,
    /// Payload bytes that are not deleted.
    pub live_bytes: u64,
    /// Blobs in files of their own.
    pub files: u64,
    /// Packs.
    pub packs: u64,
    /// Archive containers.
    pub archives: u64,
}
