//! Lake Formation: who may see which databases, tables, columns and rows of the catalog, beside what IAM allows. Knows no SQL and no
//! object: a row filter is a text that the query engine reads.
//! <https://docs.aws.amazon.com/lake-formation/latest/dg/lake-formation-permissions.html>
//!
//! A table or database is *shared by IAM* while the group `IAM_ALLOWED_PRINCIPALS` has its grant, as everything has unless the account's
//! settings say otherwise: then IAM alone decides. Once that grant is revoked, a principal needs a grant as well.
//!
//! **Invariants:** what is not shared by IAM and not granted is refused; a grant on a table is void once the table is gone, also where
//! another of its name is made; a filter that cannot be read lets nothing through.

mod access;
mod authorizer;
mod errors;
mod filters;
mod grants;
mod keyspaces;
mod locations;
mod permissions;
mod principals;
mod resources;
mod settings;
mod shared;
mod tags;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_catalog::Catalog;
use tarn_metadata::{Snapshot, Store, StoreExt, Tx};
use tarn_runtime::Runtime;

pub use access::{Cells, TableAccess, TableData};
pub use authorizer::FormationAuthorizer;
pub use errors::FormationError;
pub use filters::{CellsFilter, RowFilterCheck};
pub use grants::{Entry, Grant, ListGrants};
pub use locations::{Location, LocationInput};
pub use permissions::Permission;
pub use principals::{IAM_ALLOWED_PRINCIPALS, LakePrincipal};
pub use resources::{Columns, Resource, ResourceKind, TagPolicyKind};
pub use settings::{DefaultPermissions, Settings};
pub use tags::{LfTag, ResourceTags, TagExpression, TagPair};

/// As whom the lake reads data for those who were granted it.
pub const SERVICE: &str = "lakeformation.amazonaws.com";
/// The most grants that one principal has on one resource's rows of the store, and of entries in one batch.
pub const BATCH_ENTRIES_MAX: usize = 20;
/// The most administrators of a data lake.
pub const ADMINISTRATORS_MAX: usize = 30;
/// The most LF-tags of an account.
pub const TAGS_MAX: usize = 1_000;
/// The most values of an LF-tag.
pub const TAG_VALUES_MAX: usize = 1_000;
/// The most LF-tags on a resource, and in an expression.
pub const RESOURCE_TAGS_MAX: usize = 50;
/// The longest row filter, bytes.
pub const ROW_FILTER_SIZE_BYTES_MAX: usize = 2_048;
/// The most data cells filters of a table.
pub const CELLS_FILTERS_MAX: usize = 100;
/// The most grants that are read for one decision.
pub const DECISION_GRANTS_MAX: usize = 10_000;

/// Items in order, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What was found.
    pub items: Vec<T>,
    /// Where to go on, if there are more: pass it as `after`.
    pub next: Option<Vec<u8>>,
}

/// The permissions of all accounts' lakes. Cheap to clone.
#[derive(Clone)]
pub struct Formation {
    store: Arc<dyn Store>,
    catalog: Catalog,
    runtime: Runtime,
    check: RowFilterCheck,
}

impl Formation {
    /// Keeps its state in `store`, about the tables of `catalog`; `check` says whether a row filter can be read.
    pub fn new(store: Arc<dyn Store>, catalog: Catalog, runtime: Runtime, check: RowFilterCheck) -> Self {
        Self { store, catalog, runtime, check }
    }

    fn snapshot(&self) -> Result<Snapshot, FormationError> {
        self.store.read().map_err(|source| FormationError::Store { source })
    }

    fn now_ms(&self) -> i64 {
        self.runtime.now().as_millisecond()
    }

    /// Runs `change` with the caller's audit record in the same transaction.
    async fn commit<T, F>(&self, caller: &Caller, change: F) -> Result<T, FormationError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, FormationError> + Send + 'static,
    {
        caller.commit(&*self.store, change).await.map_err(FormationError::of_write)
    }
}
