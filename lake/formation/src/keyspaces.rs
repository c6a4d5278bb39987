//! What is kept, and under which keys: keyspaces 0x0axx. Ids are never reused.

use tarn_catalog::EntityId;
use tarn_metadata::{Key, Keyspace};
use tarn_types::AccountId;

use crate::filters::CellsFilter;
use crate::grants::Grant;
use crate::locations::Location;
use crate::resources::{Columns, Resource, TagPolicyKind};
use crate::settings::Settings;
use crate::shared::Shared;
use crate::tags::{LfTag, TagRecord};

/// By account.
pub(crate) const SETTINGS: Keyspace<Settings> = Keyspace::new(0x0a00, "formation.settings");
/// By account, resource and principal.
pub(crate) const GRANTS: Keyspace<Grant> = Keyspace::new(0x0a01, "formation.grants");
/// Whether IAM alone decides about a database or table, where that was said: by account and id, so that it goes with the thing and not
/// with its name.
pub(crate) const SHARED: Keyspace<Shared> = Keyspace::new(0x0a02, "formation.shared");
/// LF-tags by account and key.
pub(crate) const TAGS: Keyspace<LfTag> = Keyspace::new(0x0a03, "formation.tags");
/// Values of LF-tags by account, database, table (empty: the database), column (empty: the table) and key.
pub(crate) const RESOURCE_TAGS: Keyspace<TagRecord> = Keyspace::new(0x0a04, "formation.resource_tags");
/// Data cells filters by account, database, table and name.
pub(crate) const CELLS_FILTERS: Keyspace<CellsFilter> = Keyspace::new(0x0a05, "formation.cells_filters");
/// Registered locations by account and ARN.
pub(crate) const LOCATIONS: Keyspace<Location> = Keyspace::new(0x0a06, "formation.locations");

pub(crate) fn account_key(account: &AccountId) -> Key {
    Key::new().text(account.as_str())
}

/// Where the grants on `resource` lie, whoever they are made to.
pub(crate) fn resource_key(account: &AccountId, resource: &Resource) -> Key {
    let key = account_key(account);
    match resource {
        Resource::Catalog => key.text("catalog"),
        Resource::Database { name } => key.text("database").text(name),
        Resource::Table { database, name } => key.text("table").text(database).text(name),
        Resource::AllTables { database } => key.text("tables").text(database),
        Resource::Columns { database, table, .. } => key.text("columns").text(database).text(table),
        Resource::Location { arn } => key.text("location").text(arn),
        Resource::CellsFilter { database, table, .. } => key.text("filter").text(database).text(table),
        Resource::Tag { key: tag, .. } => key.text("tag").text(tag),
        Resource::TagPolicy { kind: TagPolicyKind::Database, .. } => key.text("policy").text("database"),
        Resource::TagPolicy { kind: TagPolicyKind::Table, .. } => key.text("policy").text("table"),
    }
}

/// Where the grant on `resource` to `principal` lies. Those on named columns of one table lie together, by what is granted; so do those on
/// values of a tag.
pub(crate) fn grant_key(account: &AccountId, resource: &Resource, principal: &str) -> Key {
    let key = resource_key(account, resource).text(principal);
    match resource {
        Resource::Columns { columns: Columns::AllBut(names), .. } => {
            names.iter().fold(key.text("but"), |key, name| key.text(name))
        }
        Resource::CellsFilter { name, .. } => key.text(name),
        Resource::TagPolicy { expression, .. } => key.text(&expression.canonical()),
        Resource::Columns { columns: Columns::Named(_), .. }
        | Resource::Catalog
        | Resource::Database { .. }
        | Resource::Table { .. }
        | Resource::AllTables { .. }
        | Resource::Location { .. }
        | Resource::Tag { .. } => key,
    }
}

/// Where it lies whether IAM alone decides about a database or a table; the catalog has the id of nothing.
pub(crate) fn shared_key(account: &AccountId, id: &EntityId) -> Key {
    account_key(account).raw(id)
}

/// Where the tags of a database, a table or a column lie.
pub(crate) fn tagged_key(account: &AccountId, database: &str, table: Option<&str>, column: Option<&str>) -> Key {
    account_key(account).text(database).text(table.unwrap_or_default()).text(column.unwrap_or_default())
}

pub(crate) fn filters_key(account: &AccountId, database: &str, table: &str) -> Key {
    account_key(account).text(database).text(table)
}
