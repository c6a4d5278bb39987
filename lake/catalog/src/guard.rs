//! What stands between the catalog and those who read and place tables: permissions finer than a table. The catalog knows not which.

use std::collections::BTreeSet;

use tarn_audit::Caller;
use tarn_metadata::Read;
use tarn_policy::Authorized;
use tarn_types::AccountId;

use crate::databases::{page, require_database};
use crate::keyspaces::{TABLES, entity_key};
use crate::tables::require_table;
use crate::{Catalog, CatalogError, Database, EntityId, EntityName, Page, Table, TableInput};

/// Asked for each table that is read, and each location that a table is given.
pub trait TableGuard: Send + Sync {
    /// The table as the proof's principal may see it; `None` if it may not.
    fn shown(&self, proof: &Authorized, table: Table) -> Result<Option<Table>, CatalogError>;
    /// Refuses a location that the caller may not let tables point to.
    fn check_place(&self, caller: &Caller, location: &str) -> Result<(), CatalogError>;
}

impl Catalog {
    pub(crate) fn shown(&self, proof: &Authorized, table: Table) -> Result<Option<Table>, CatalogError> {
        match self.guard.get() {
            Some(guard) => guard.shown(proof, table),
            None => Ok(Some(table)),
        }
    }

    /// As `shown`; what may not be seen is not there.
    pub(crate) fn shown_or_absent(&self, proof: &Authorized, table: Table) -> Result<Table, CatalogError> {
        let (database, name) = (table.database_name.clone(), table.name().to_owned());
        self.shown(proof, table)?.ok_or(CatalogError::TableNotFound { database, name })
    }

    pub(crate) fn all_shown(&self, proof: &Authorized, page: Page<Table>) -> Result<Page<Table>, CatalogError> {
        let shown = page.items.into_iter().map(|table| self.shown(proof, table));
        let items = shown.filter_map(Result::transpose).collect::<Result<_, _>>()?;
        Ok(Page { items, next: page.next })
    }

    /// A database, in a state that somebody else reads or changes: for those who keep what is said of it beside it, and whose transaction
    /// must see one state of both.
    pub fn database_in(read: &impl Read, account: &AccountId, name: &str) -> Result<Database, CatalogError> {
        require_database(read, account, &EntityName::database(name)?)
    }

    /// As `database_in`, a table with all columns.
    pub fn table_in(read: &impl Read, account: &AccountId, database: &str, name: &str) -> Result<Table, CatalogError> {
        require_table(read, account, &EntityName::database(database)?, &EntityName::table(name)?)
    }

    /// As `database_in`, the first `limit` tables of a database.
    pub fn tables_in(read: &impl Read, database: &Database, limit: usize) -> Result<Page<Table>, CatalogError> {
        page(read.prefix(TABLES, &entity_key(&database.id)), limit, |table| table.name().to_owned())
    }

    pub(crate) fn check_place(&self, caller: &Caller, input: &TableInput) -> Result<(), CatalogError> {
        let location = input.storage_descriptor.as_ref().and_then(|storage| storage.location.as_deref());
        match (self.guard.get(), location) {
            (Some(guard), Some(location)) => guard.check_place(caller, location),
            (Some(_), None) | (None, _) => Ok(()),
        }
    }
}

impl Table {
    /// A table of `database` that is nowhere kept: what a definition would make.
    pub fn described(database: &str, definition: TableInput) -> Self {
        Self {
            id: EntityId::default(),
            database_name: database.to_owned(),
            create_time_ms: 0,
            update_time_ms: 0,
            created_by: String::new(),
            version_id: 0,
            definition,
            partition_indexes: Vec::new(),
        }
    }

    /// The table with no other columns and partition keys than those named, in lower case.
    #[must_use]
    pub fn with_columns(mut self, names: &BTreeSet<String>) -> Self {
        if let Some(storage) = &mut self.definition.storage_descriptor {
            storage.columns.retain(|column| names.contains(&column.name.to_lowercase()));
        }
        self.definition.partition_keys.retain(|column| names.contains(&column.name.to_lowercase()));
        self
    }
}
