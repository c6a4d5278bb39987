//! What can be granted, and on what kind of thing.
//! <https://docs.aws.amazon.com/lake-formation/latest/dg/lf-permissions-reference.html>

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::resources::Resource;

/// A permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Permission {
    /// Super: every permission of that kind of resource.
    All,
    /// To read a table's data.
    Select,
    /// To change what is said of it.
    Alter,
    /// To delete it.
    Drop,
    /// To delete its data.
    Delete,
    /// To add data.
    Insert,
    /// To see that it is there and what is said of it.
    Describe,
    /// To make databases.
    CreateDatabase,
    /// To make tables in a database.
    CreateTable,
    /// To let tables point to a location.
    DataLocationAccess,
    /// To make LF-tags.
    CreateLfTag,
    /// To put an LF-tag on things.
    Associate,
}

impl Permission {
    /// All of them.
    pub const EVERY: [Self; 12] = [
        Self::All,
        Self::Select,
        Self::Alter,
        Self::Drop,
        Self::Delete,
        Self::Insert,
        Self::Describe,
        Self::CreateDatabase,
        Self::CreateTable,
        Self::DataLocationAccess,
        Self::CreateLfTag,
        Self::Associate,
    ];

    /// AWS's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "ALL",
            Self::Select => "SELECT",
            Self::Alter => "ALTER",
            Self::Drop => "DROP",
            Self::Delete => "DELETE",
            Self::Insert => "INSERT",
            Self::Describe => "DESCRIBE",
            Self::CreateDatabase => "CREATE_DATABASE",
            Self::CreateTable => "CREATE_TABLE",
            Self::DataLocationAccess => "DATA_LOCATION_ACCESS",
            Self::CreateLfTag => "CREATE_LF_TAG",
            Self::Associate => "ASSOCIATE",
        }
    }

    /// From AWS's word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::EVERY.into_iter().find(|permission| permission.name() == text)
    }
}

/// What can be granted on a resource of this kind.
pub(crate) fn allowed_on(resource: &Resource) -> &'static [Permission] {
    use crate::resources::TagPolicyKind;
    use Permission::{
        All, Alter, Associate, CreateDatabase, CreateLfTag, CreateTable, DataLocationAccess, Delete, Describe, Drop,
        Insert, Select,
    };
    match resource {
        Resource::Catalog => &[CreateDatabase, CreateLfTag],
        Resource::Database { .. } | Resource::TagPolicy { kind: TagPolicyKind::Database, .. } => {
            &[All, Alter, CreateTable, Describe, Drop]
        }
        Resource::Table { .. }
        | Resource::AllTables { .. }
        | Resource::TagPolicy { kind: TagPolicyKind::Table, .. } => {
            &[All, Select, Alter, Drop, Delete, Insert, Describe]
        }
        Resource::Columns { .. } | Resource::CellsFilter { .. } => &[Select],
        Resource::Location { .. } => &[DataLocationAccess],
        Resource::Tag { .. } => &[Describe, Associate, Alter, Drop],
    }
}

/// Whether having `held` is having `wanted`: Super is everything, and whoever may do anything with a thing may see what it is.
pub(crate) fn implies(held: &BTreeSet<Permission>, wanted: Permission) -> bool {
    held.contains(&wanted) || held.contains(&Permission::All) || (wanted == Permission::Describe && !held.is_empty())
}
