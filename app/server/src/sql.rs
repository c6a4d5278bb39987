//! The SQL engine of a lake and the records of its queries: how much of the machine they use, and where they spill.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tarn_audit::AuditLog;
use tarn_catalog::Catalog;
use tarn_formation::Formation;
use tarn_metadata::Store;
use tarn_objects::Objects;
use tarn_policy::ServiceRoles;
use tarn_query::queries::{EngineRunner, Queries, QueriesOptions};
use tarn_query::{Engine, EngineOptions, ErrorName, QueryError, ResultReader};
use tarn_runtime::Runtime;

/// The engine may hold this share of the machine's memory: one of so many.
const MEMORY_SHARE: u64 = 2;
/// The least that the engine may hold, bytes.
const MEMORY_SIZE_BYTES_MIN: u64 = 256 << 20;

/// What the machine has, as the system tells it.
fn memory_size_bytes() -> u64 {
    let system = rustix::system::sysinfo();
    let (total, unit) = (system.totalram, u64::from(system.mem_unit));
    total.saturating_mul(unit)
}

/// What an earlier process has left there is of no use.
fn empty(directory: &Path) -> Result<(), QueryError> {
    match std::fs::remove_dir_all(directory) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => {
            let message = format!("{} cannot be emptied: {error}", directory.display());
            Err(QueryError::new(ErrorName::Internal, message))
        }
    }
}

/// The queries of the lake in `data_dir`. Blocks on the disk.
pub(crate) fn open(
    data_dir: &Path,
    store: Arc<dyn Store>,
    objects: Objects,
    catalog: Catalog,
    formation: Formation,
    audit: Arc<AuditLog>,
    roles: ServiceRoles,
    runtime: Runtime,
) -> Result<Queries, QueryError> {
    let spill = data_dir.join("spill");
    empty(&spill)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = (memory_size_bytes() / MEMORY_SHARE).max(MEMORY_SIZE_BYTES_MIN);
    let options = EngineOptions::new(spill, cores, usize::try_from(memory).unwrap_or(usize::MAX));
    let objects = Arc::new(objects);
    let engine = Engine::new(objects.clone(), Arc::new(catalog), formation, runtime.clone(), &options)?
        .with_history(audit)
        .with_roles(roles);
    let runner = EngineRunner::new(Arc::new(engine), ResultReader::new(objects.clone()));
    Ok(Queries::new(store, objects, runtime, Arc::new(runner), QueriesOptions::default()))
}
