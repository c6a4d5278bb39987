//! Tables of a database, with their current version. Knows that partitions and old versions hang on a table's id.

use std::ops::Bound;

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_metadata::{Read, Record, Tx};
use tarn_policy::{Authorized, Principal, PrincipalKind};
use tarn_types::AccountId;

use crate::databases::{page, require_database};
use crate::keyspaces::{PARTITIONS, PURGES, TABLE_VERSIONS, TABLES, entity_key, table_key, version_key};
use crate::names::check_name;
use crate::purge::Purge;
use crate::{
    Catalog, CatalogError, Column, EntityId, EntityName, PARTITION_INDEXES_MAX, PARTITION_KEYS_MAX, Page, Parameters,
    StorageDescriptor, TABLE_VERSIONS_MAX,
};

/// The most bytes of program that a pattern for table names may compile to.
const PATTERN_SIZE_BYTES_MAX: usize = 1 << 20;

/// What a caller says of a table.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TableInput {
    /// Folded to lower case.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// For people.
    pub owner: Option<String>,
    /// Milliseconds since 1970.
    pub last_access_time_ms: Option<i64>,
    /// Milliseconds since 1970.
    pub last_analyzed_time_ms: Option<i64>,
    /// Days, kept for Hive's sake.
    pub retention_days: i32,
    /// Where the data is and how to read it; views may have none.
    pub storage_descriptor: Option<StorageDescriptor>,
    /// In order.
    pub partition_keys: Vec<Column>,
    /// Of a view.
    pub view_original_text: Option<String>,
    /// Of a view.
    pub view_expanded_text: Option<String>,
    /// `EXTERNAL_TABLE`, `VIRTUAL_VIEW`, ...
    pub table_type: Option<String>,
    /// Free: `classification`, `table_type`, `metadata_location`, ...
    pub parameters: Parameters,
}

/// Keys by which partitions are found fast. All partitions are kept in the order of all keys, so an index is only remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionIndex {
    /// Its name.
    pub name: String,
    /// Partition keys.
    pub keys: Vec<String>,
}

/// A table at one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    pub(crate) id: EntityId,
    /// Its database.
    pub database_name: String,
    /// Milliseconds since 1970.
    pub create_time_ms: i64,
    /// Milliseconds since 1970.
    pub update_time_ms: i64,
    /// Who made it: an ARN, or the name of a service.
    pub created_by: String,
    /// Counts updates, from 0.
    pub version_id: u64,
    /// What was said of it.
    pub definition: TableInput,
    /// Given when it was made.
    pub partition_indexes: Vec<PartitionIndex>,
}

impl Record for Table {
    const VERSION: u16 = 1;
}

impl Table {
    /// Names it for as long as it exists.
    pub fn id(&self) -> EntityId {
        self.id
    }

    /// Its name, in lower case.
    pub fn name(&self) -> &str {
        &self.definition.name
    }

    /// Where its data is.
    pub fn location(&self) -> Option<&str> {
        self.definition.storage_descriptor.as_ref()?.location.as_deref()
    }

    /// Its columns, without the partition keys.
    pub fn columns(&self) -> &[Column] {
        self.definition.storage_descriptor.as_ref().map_or(&[], |storage| &storage.columns)
    }

    /// Its partition keys.
    pub fn partition_keys(&self) -> &[Column] {
        &self.definition.partition_keys
    }
}

/// A change of a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpdateTable {
    /// All that is said of the table from now on; its name says which.
    pub input: TableInput,
    /// Change it only if this is its version.
    pub version_id: Option<u64>,
    /// Do not keep the version there was.
    pub skip_archive: bool,
}

pub(crate) fn require_table(
    read: &impl Read,
    account: &AccountId,
    database: &EntityName,
    name: &EntityName,
) -> Result<Table, CatalogError> {
    let found = require_database(read, account, database)?;
    table_of(read, &found.id, database, name)
}

fn table_of(
    read: &impl Read,
    database_id: &EntityId,
    database: &EntityName,
    name: &EntityName,
) -> Result<Table, CatalogError> {
    read.get(TABLES, &table_key(database_id, name))?
        .ok_or_else(|| CatalogError::TableNotFound { database: database.to_string(), name: name.to_string() })
}

fn check_input(input: &TableInput) -> Result<(), CatalogError> {
    if input.partition_keys.len() > PARTITION_KEYS_MAX {
        return Err(CatalogError::Limit { what: "Partition keys of a table", limit: PARTITION_KEYS_MAX as u64 });
    }
    let columns = input.storage_descriptor.iter().flat_map(|storage| &storage.columns);
    columns.chain(&input.partition_keys).try_for_each(|column| check_name("Column name", &column.name))
}

fn check_indexes(input: &TableInput, indexes: &[PartitionIndex]) -> Result<(), CatalogError> {
    if indexes.len() > PARTITION_INDEXES_MAX {
        return Err(CatalogError::Limit { what: "Partition indexes of a table", limit: PARTITION_INDEXES_MAX as u64 });
    }
    for index in indexes {
        for key in &index.keys {
            if !input.partition_keys.iter().any(|column| column.name.eq_ignore_ascii_case(key)) {
                return Err(CatalogError::PartitionIndexKey { index: index.name.clone(), key: key.clone() });
            }
        }
    }
    Ok(())
}

fn name_of(principal: &Principal) -> String {
    match &principal.kind {
        PrincipalKind::Service { name } => name.clone(),
        PrincipalKind::Root
        | PrincipalKind::User { .. }
        | PrincipalKind::AssumedRole { .. }
        | PrincipalKind::FederatedUser { .. }
        | PrincipalKind::WebIdentity { .. }
        | PrincipalKind::Anonymous => principal.arn().map_or_else(|| principal.id.clone(), |arn| arn.to_string()),
    }
}

/// Removes a table and asks for the removal of all that hangs on it.
fn delete_in(
    tx: &mut Tx<'_>,
    database_id: &EntityId,
    database: &EntityName,
    name: &EntityName,
) -> Result<(), CatalogError> {
    let table = table_of(tx, database_id, database, name)?;
    tx.delete(TABLES, &table_key(database_id, name))?;
    PURGES.push(tx, &Purge::Table { id: table.id })?;
    Ok(())
}

/// A pattern as Hive's metastore and Glue read it: a regular expression of the whole name, in which a `*` that repeats nothing
/// stands for any text. awswrangler sends `prefix*` and `*part*`.
fn pattern(text: &str) -> Result<Regex, CatalogError> {
    let mut expression = String::from("^(?:");
    let mut before = None;
    for c in text.chars() {
        if c == '*' && !matches!(before, Some('.' | ')' | ']' | '}')) {
            expression.push('.');
        }
        expression.push(c);
        before = Some(c);
    }
    expression.push_str(")$");
    RegexBuilder::new(&expression)
        .case_insensitive(true)
        .size_limit(PATTERN_SIZE_BYTES_MAX)
        .build()
        .map_err(|error| CatalogError::Pattern { pattern: text.to_owned(), reason: error.to_string() })
}

impl Catalog {
    /// Makes a table.
    pub async fn create_table(
        &self,
        caller: &Caller,
        database: &str,
        mut input: TableInput,
        partition_indexes: Vec<PartitionIndex>,
    ) -> Result<(), CatalogError> {
        let database = EntityName::database(database)?;
        let name = EntityName::table(&input.name)?;
        check_input(&input)?;
        check_indexes(&input, &partition_indexes)?;
        self.check_place(caller, &input)?;
        input.name = name.to_string();
        let now = self.now_ms();
        let table = Table {
            id: self.entity_id(),
            database_name: database.to_string(),
            create_time_ms: now,
            update_time_ms: now,
            created_by: name_of(caller.principal()),
            version_id: 0,
            definition: input,
            partition_indexes,
        };
        let account = caller.scope().account.clone();
        self.commit(caller, move |tx| {
            let database_id = require_database(tx, &account, &database)?.id;
            let key = table_key(&database_id, &name);
            if tx.contains(TABLES, &key)? {
                return Err(CatalogError::TableExists { database: database.to_string(), name: name.to_string() });
            }
            Ok(tx.put(TABLES, &key, &table)?)
        })
        .await
    }

    /// Says something else of a table. Returns its new version.
    pub async fn update_table(
        &self,
        caller: &Caller,
        database: &str,
        update: UpdateTable,
    ) -> Result<u64, CatalogError> {
        let database = EntityName::database(database)?;
        let UpdateTable { mut input, version_id, skip_archive } = update;
        let name = EntityName::table(&input.name)?;
        check_input(&input)?;
        self.check_place(caller, &input)?;
        input.name = name.to_string();
        let now = self.now_ms();
        let account = caller.scope().account.clone();
        self.commit(caller, move |tx| {
            let database_id = require_database(tx, &account, &database)?.id;
            let found = table_of(tx, &database_id, &database, &name)?;
            if let Some(expected) = version_id.filter(|expected| *expected != found.version_id) {
                return Err(CatalogError::ConcurrentModification {
                    database: database.to_string(),
                    table: name.to_string(),
                    expected,
                    found: found.version_id,
                });
            }
            let keys = |keys: &[Column]| keys.iter().map(|key| key.name.to_lowercase()).collect::<Vec<_>>();
            if keys(&found.definition.partition_keys) != keys(&input.partition_keys)
                && tx.prefix(PARTITIONS, &entity_key(&found.id)).next().transpose()?.is_some()
            {
                return Err(CatalogError::PartitionKeysChanged {
                    database: database.to_string(),
                    table: name.to_string(),
                });
            }
            let version_id = found.version_id + 1;
            if !skip_archive {
                if version_id > TABLE_VERSIONS_MAX {
                    return Err(CatalogError::Limit { what: "Versions of a table", limit: TABLE_VERSIONS_MAX });
                }
                tx.put(TABLE_VERSIONS, &version_key(&found.id, found.version_id), &found)?;
            }
            let updated = Table { version_id, update_time_ms: now, definition: input, ..found };
            tx.put(TABLES, &table_key(&database_id, &name), &updated)?;
            Ok(version_id)
        })
        .await
    }

    /// Deletes a table with its partitions and versions. It is gone at once; its rows are removed in the background.
    pub async fn delete_table(&self, caller: &Caller, database: &str, name: &str) -> Result<(), CatalogError> {
        let database = EntityName::database(database)?;
        let name = EntityName::table(name)?;
        let account = caller.scope().account.clone();
        self.commit(caller, move |tx| {
            let database_id = require_database(tx, &account, &database)?.id;
            delete_in(tx, &database_id, &database, &name)
        })
        .await?;
        self.purge.notify_one();
        Ok(())
    }

    /// Deletes tables; returns those that it could not, each with why.
    pub async fn delete_tables(
        &self,
        caller: &Caller,
        database: &str,
        names: Vec<String>,
    ) -> Result<Vec<(String, CatalogError)>, CatalogError> {
        let database = EntityName::database(database)?;
        let account = caller.scope().account.clone();
        let failed = self
            .commit(caller, move |tx| {
                let database_id = require_database(tx, &account, &database)?.id;
                let mut failed = Vec::new();
                for name in names {
                    let outcome =
                        EntityName::table(&name).and_then(|folded| delete_in(tx, &database_id, &database, &folded));
                    match outcome {
                        Ok(()) => {}
                        Err(CatalogError::Store { source }) => return Err(CatalogError::Store { source }),
                        Err(error) => failed.push((name, error)),
                    }
                }
                Ok(failed)
            })
            .await?;
        self.purge.notify_one();
        Ok(failed)
    }

    /// Moves a table to another name in the same database; its partitions and versions stay with it.
    pub async fn rename_table(
        &self,
        caller: &Caller,
        database: &str,
        name: &str,
        to: &str,
    ) -> Result<(), CatalogError> {
        let database = EntityName::database(database)?;
        let (name, to) = (EntityName::table(name)?, EntityName::table(to)?);
        let now = self.now_ms();
        let account = caller.scope().account.clone();
        self.commit(caller, move |tx| {
            let database_id = require_database(tx, &account, &database)?.id;
            let mut table = table_of(tx, &database_id, &database, &name)?;
            let key = table_key(&database_id, &to);
            if tx.contains(TABLES, &key)? {
                return Err(CatalogError::TableExists { database: database.to_string(), name: to.to_string() });
            }
            tx.delete(TABLES, &table_key(&database_id, &name))?;
            table.definition.name = to.to_string();
            table.update_time_ms = now;
            Ok(tx.put(TABLES, &key, &table)?)
        })
        .await
    }

    /// A table at its current version, as the proof's principal may see it.
    pub fn table(&self, proof: &Authorized, database: &str, name: &str) -> Result<Table, CatalogError> {
        self.shown_or_absent(proof, self.whole_table(proof, database, name)?)
    }

    /// A table at its current version with all columns, for those who decide which of them to show.
    pub fn whole_table(&self, proof: &Authorized, database: &str, name: &str) -> Result<Table, CatalogError> {
        require_table(
            &self.snapshot()?,
            &proof.principal().account,
            &EntityName::database(database)?,
            &EntityName::table(name)?,
        )
    }

    /// Up to `limit` tables of a database in the order of their names, those behind `after`, with names like `matching`.
    pub fn tables(
        &self,
        proof: &Authorized,
        database: &str,
        matching: Option<&str>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Table>, CatalogError> {
        let database = EntityName::database(database)?;
        let matching = matching.map(pattern).transpose()?;
        let snapshot = self.snapshot()?;
        let prefix = entity_key(&require_database(&snapshot, &proof.principal().account, &database)?.id);
        let end = prefix.after_prefix();
        let start = after.map(|after| prefix.clone().text(after));
        let from = start.as_ref().map_or(Bound::Included(&prefix), Bound::Excluded);
        let range = snapshot.range(TABLES, from, end.as_ref().map_or(Bound::Unbounded, Bound::Excluded));
        let Some(matching) = matching else {
            return self.all_shown(proof, page(range, limit, |table| table.name().to_owned())?);
        };
        let mut items: Vec<Table> = Vec::new();
        for pair in range {
            let table = pair?.1;
            if matching.is_match(table.name()) {
                if items.len() == limit {
                    let next = items.last().map(|table| table.name().to_owned());
                    return self.all_shown(proof, Page { items, next });
                }
                items.push(table);
            }
        }
        self.all_shown(proof, Page { items, next: None })
    }
}
