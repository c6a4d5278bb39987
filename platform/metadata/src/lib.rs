//! The one log: a transactional, ordered key-value store that all state of the lake lives in. Knows bytes, keyspaces and
//! record versions; knows nothing of what the records mean.
//!
//! * `store.write(|tx| ...)` runs a synchronous closure over the latest state and its own writes. On `Err` nothing happened;
//!   on `Ok` the changes are durable before the caller gets its answer.
//! * `store.read()` is a snapshot of what is durable; it never blocks a writer.
//! * Every transaction that changed something has a sequence number; `store.changes_since` reads them in order.
//!
//! **Invariant:** a reader never sees a change that a power cut could take back.

mod block_file;
mod checkpoint;
mod committer;
pub mod contract;
mod embedded;
mod feed;
mod index;
mod inspect;
mod keyspace;
mod log;
mod memory;
mod memtable;
mod outbox;
mod recovery;
mod snapshot_file;
mod store;

pub use embedded::{EmbeddedOptions, EmbeddedStore};
pub use inspect::{KeyspaceInspection, SegmentInspection, StoreInspection};
pub use keyspace::{
    Key, KeyReader, Keyspace, KeyspaceId, Record, RecordError, decode_form, decode_record, encode_record,
};
pub use memory::MemoryStore;
pub use outbox::{Outbox, OutboxEntry, OutboxId};
pub use store::{
    Change, Changed, Job, JobOutcome, Range, RawRange, Read, ReadView, Sequence, Snapshot, Store, StoreError, StoreExt,
    Tx, WriteError,
};

/// The longest key, bytes: an S3 key (1,024) escaped twice over, with its bucket and version.
pub const KEY_SIZE_BYTES_MAX: usize = 4096;
/// The largest record, bytes.
pub const RECORD_SIZE_BYTES_MAX: usize = 16 << 20;
/// The most bytes of changes in one transaction.
pub const TRANSACTION_SIZE_BYTES_MAX: usize = 64 << 20;
