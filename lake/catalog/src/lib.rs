//! The catalog of the lake: databases, tables and their versions, partitions, Hive types and partition names. Knows the store
//! and the proofs of authorization; knows no wire shape, no object and no query engine.
//!
//! A catalog belongs to an account: reads see the catalog of the proof's account, changes that of the caller's.
//!
//! **Invariants:** a name is stored in lower case; a table that was deleted and made again has none of the old partitions or
//! versions; deleting costs one small transaction, however much was in it (a worker removes the rest).

mod databases;
mod errors;
mod guard;
mod hive_type;
mod keyspaces;
mod location;
mod names;
mod partition_expression;
mod partition_names;
mod partition_scan;
mod partitions;
mod purge;
mod search;
mod storage;
mod table_versions;
mod tables;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use tarn_metadata::{Snapshot, Store, StoreExt, Tx};
use tarn_runtime::{EntropyExt, Runtime};
use tokio::sync::Notify;

pub use databases::{Database, DatabaseInput};
pub use errors::CatalogError;
pub use guard::TableGuard;
pub use hive_type::{HiveType, HiveTypeError, StructField};
pub use location::{LocationError, S3Location};
pub use names::EntityName;
pub use partition_expression::{ExpressionError, PartitionExpression};
pub use partition_names::{
    HIVE_DEFAULT_PARTITION, PartitionNameError, decode_partition_name, encode_partition_name, partition_location,
};
pub use partitions::{ListPartitions, Partition, PartitionInput, PartitionPage, PartitionSegment};
pub use purge::PurgeWorker;
pub use search::{SearchComparator, SearchFilter, SearchTables};
pub use storage::{Column, Parameters, SerdeInfo, SkewedInfo, SortColumn, StorageDescriptor};
pub use tables::{PartitionIndex, Table, TableInput, UpdateTable};

/// The longest name of a database, table, column or partition key, characters.
pub const NAME_CHARACTERS_MAX: usize = 255;
/// The most partition keys of a table.
pub const PARTITION_KEYS_MAX: usize = 100;
/// The longest partition value, characters.
pub const PARTITION_VALUE_CHARACTERS_MAX: usize = 1024;
/// The most bytes that a partition's values may have together: they are its key in the store.
pub const PARTITION_VALUES_SIZE_BYTES_MAX: usize = 2048;
/// The most partition indexes of a table.
pub const PARTITION_INDEXES_MAX: usize = 3;
/// The most archived versions of a table.
pub const TABLE_VERSIONS_MAX: u64 = 100_000;
/// The most tags of a resource.
pub const TAGS_MAX: usize = 50;
/// The most keys that one page of partitions looks at; a page may come back short, with a place to go on from.
pub const PARTITION_SCAN_KEYS_MAX: usize = 100_000;

/// Names a database or a table for as long as it exists, whatever its name; never used again.
pub type EntityId = [u8; 16];

/// Items in order, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What was found.
    pub items: Vec<T>,
    /// The name of the last item, if there are more: pass it as `after`.
    pub next: Option<String>,
}

/// The catalogs of all accounts. Cheap to clone.
#[derive(Clone)]
pub struct Catalog {
    store: Arc<dyn Store>,
    runtime: Runtime,
    purge: Arc<Notify>,
    guard: Arc<OnceLock<Arc<dyn TableGuard>>>,
}

impl Catalog {
    /// Keeps its state in `store`.
    pub fn new(store: Arc<dyn Store>, runtime: Runtime) -> Self {
        Self { store, runtime, purge: Arc::new(Notify::new()), guard: Arc::default() }
    }

    /// Has `guard` asked from now on. Set once, before the first request.
    pub fn guard_with(&self, guard: Arc<dyn TableGuard>) {
        // A second one would be a defect of the wiring; the first stays.
        let _ = self.guard.set(guard);
    }

    /// Removes in the background what deleted databases and tables have left. Spawn it once.
    pub fn purge_worker(&self) -> Arc<PurgeWorker> {
        Arc::new(PurgeWorker::new(self.store.clone(), self.purge.clone()))
    }

    fn snapshot(&self) -> Result<Snapshot, CatalogError> {
        self.store.read().map_err(|source| CatalogError::Store { source })
    }

    fn now_ms(&self) -> i64 {
        self.runtime.now().as_millisecond()
    }

    fn entity_id(&self) -> EntityId {
        self.runtime.entropy.bytes()
    }

    /// Runs `change` with the caller's audit record in the same transaction.
    async fn commit<T, F>(&self, caller: &tarn_audit::Caller, change: F) -> Result<T, CatalogError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, CatalogError> + Send + 'static,
    {
        caller.commit(&*self.store, change).await.map_err(CatalogError::of_write)
    }
}
