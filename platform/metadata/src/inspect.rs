//! What `tarn doctor` shows of a store: files, positions, counts. Knows nothing of what the records mean.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::embedded::EmbeddedStore;
use crate::keyspace::KeyspaceId;
use crate::log::{LOG_DIR, snapshot_sequence};
use crate::store::{ReadView, Sequence, Store, StoreError};

/// How many pairs are read at a time.
const INSPECT_PAIRS: usize = 1024;

/// One segment of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentInspection {
    /// As in its name.
    pub number: u64,
    /// The first transaction in it.
    pub first_sequence: Sequence,
    /// Its file's size.
    pub size_bytes: u64,
}

/// What one keyspace holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyspaceInspection {
    /// Records.
    pub records: u64,
    /// Bytes of keys and records.
    pub size_bytes: u64,
}

/// What a store is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreInspection {
    /// Tells this store's files from another's, as hexadecimal digits.
    pub store_id: String,
    /// The last transaction.
    pub last_sequence: Sequence,
    /// The last transaction that is in the index on the disk.
    pub checkpoint: Sequence,
    /// Oldest first.
    pub segments: Vec<SegmentInspection>,
    /// The transactions of which there are snapshots.
    pub snapshots: Vec<Sequence>,
    /// By the ids that `Keyspace::new` was given.
    pub keyspaces: BTreeMap<KeyspaceId, KeyspaceInspection>,
}

impl EmbeddedStore {
    /// Looks at everything; reads all records, so it blocks for as long as that takes.
    pub fn inspect(&self) -> Result<StoreInspection, StoreError> {
        let shared = self.shared();
        // Also refuses a closed store.
        let last_sequence = self.snapshot()?.sequence();
        let metas = shared.log.lock().segments().read().clone();
        let mut segments = Vec::new();
        for meta in metas {
            if let Some(size_bytes) = shared.segment_bytes(meta.number)? {
                let first_sequence = Sequence(meta.first_sequence);
                segments.push(SegmentInspection { number: meta.number, first_sequence, size_bytes });
            }
        }
        let names = shared
            .disk
            .list(LOG_DIR)
            .map_err(|error| StoreError::Failed { doing: "listing the log", reason: error.to_string() })?;
        let mut snapshots: Vec<Sequence> =
            names.iter().filter_map(|name| snapshot_sequence(name)).map(Sequence).collect();
        snapshots.sort_unstable();
        let checkpoint = match shared.index.lock().as_ref() {
            Some(index) => index.position()?.map_or(0, |(_, position)| position.sequence),
            None => return Err(StoreError::Closed),
        };
        let mut keyspaces: BTreeMap<KeyspaceId, KeyspaceInspection> = BTreeMap::new();
        let view = shared.view();
        let mut range = (Bound::Unbounded, Bound::Unbounded);
        loop {
            let pairs = view.range_raw(&range, INSPECT_PAIRS, false)?;
            let Some((last, _)) = pairs.last() else { break };
            range.0 = Bound::Excluded(last.to_vec());
            for (key, value) in &pairs {
                let id = key.first_chunk::<2>().map_or(0, |id| KeyspaceId::from_be_bytes(*id));
                let keyspace = keyspaces.entry(id).or_default();
                keyspace.records += 1;
                keyspace.size_bytes += (key.len() + value.len()) as u64;
            }
        }
        let store_id = shared.store.0.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(StoreInspection {
            store_id,
            last_sequence,
            checkpoint: Sequence(checkpoint),
            segments,
            snapshots,
            keyspaces,
        })
    }

    /// Reads the whole retained log and all records, and so finds all damage in them. Returns the transactions in the log.
    pub fn verify(&self) -> Result<u64, StoreError> {
        let inspection = self.inspect()?;
        self.shared().feed.verify(inspection.last_sequence.0)
    }
}
