//! What the catalog keeps, and under which keys. All keyspaces of the domain are declared here.

use tarn_metadata::{Key, Keyspace, Outbox};
use tarn_types::AccountId;

use crate::purge::Purge;
use crate::{Database, EntityId, EntityName, Partition, Table};

/// By account and name.
pub(crate) const DATABASES: Keyspace<Database> = Keyspace::new(0x0500, "catalog.databases");
/// By the database's id and name.
pub(crate) const TABLES: Keyspace<Table> = Keyspace::new(0x0501, "catalog.tables");
/// By the table's id and version, newest first; without the current one.
pub(crate) const TABLE_VERSIONS: Keyspace<Table> = Keyspace::new(0x0502, "catalog.table_versions");
/// By the table's id and all values.
pub(crate) const PARTITIONS: Keyspace<Partition> = Keyspace::new(0x0503, "catalog.partitions");
/// Ids whose rows are to be removed.
pub(crate) const PURGES: Outbox<Purge> = Outbox::new(Keyspace::new(0x0504, "catalog.purges"));

pub(crate) fn account_key(account: &AccountId) -> Key {
    Key::new().text(account.as_str())
}

pub(crate) fn database_key(account: &AccountId, name: &EntityName) -> Key {
    account_key(account).text(name.as_str())
}

pub(crate) fn entity_key(id: &EntityId) -> Key {
    Key::new().raw(id)
}

pub(crate) fn table_key(database: &EntityId, name: &EntityName) -> Key {
    entity_key(database).text(name.as_str())
}

pub(crate) fn version_key(table: &EntityId, version_id: u64) -> Key {
    entity_key(table).u64_descending(version_id)
}

pub(crate) fn partition_key(table: &EntityId, values: &[String]) -> Key {
    values.iter().fold(entity_key(table), |key, value| key.text(value))
}
