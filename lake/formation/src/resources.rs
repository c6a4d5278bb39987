//! What grants are about.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::tags::TagExpression;

/// Some of a table's columns, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Columns {
    /// These.
    Named(BTreeSet<String>),
    /// All, those to come as well, but these.
    AllBut(BTreeSet<String>),
}

impl Columns {
    /// Whether a column is among them.
    pub fn has(&self, column: &str) -> bool {
        match self {
            Self::Named(names) => names.contains(column),
            Self::AllBut(names) => !names.contains(column),
        }
    }

    fn names(&self) -> &BTreeSet<String> {
        match self {
            Self::Named(names) | Self::AllBut(names) => names,
        }
    }

    /// A column that is spoken of and is not one of `known`.
    pub(crate) fn unknown<'c>(&'c self, known: &BTreeSet<String>) -> Option<&'c String> {
        self.names().iter().find(|name| !known.contains(*name))
    }
}

/// Whether an expression of tags is about databases or tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TagPolicyKind {
    /// Databases.
    Database,
    /// Tables, and columns.
    Table,
}

/// Something that permissions are granted on. Names of the catalog are in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Resource {
    /// The catalog.
    Catalog,
    /// A database.
    Database {
        /// Its name.
        name: String,
    },
    /// A table.
    Table {
        /// Its database.
        database: String,
        /// Its name.
        name: String,
    },
    /// All tables of a database.
    AllTables {
        /// The database.
        database: String,
    },
    /// Columns of a table.
    Columns {
        /// Its database.
        database: String,
        /// Its name.
        table: String,
        /// Which.
        columns: Columns,
    },
    /// A location of data: `arn:aws:s3:::bucket/prefix`.
    Location {
        /// The ARN.
        arn: String,
    },
    /// What a data cells filter lets through.
    CellsFilter {
        /// The table's database.
        database: String,
        /// The table.
        table: String,
        /// The filter.
        name: String,
    },
    /// An LF-tag with some of its values.
    Tag {
        /// Its key.
        key: String,
        /// The values; `*` is all.
        values: BTreeSet<String>,
    },
    /// Whatever has such tags.
    TagPolicy {
        /// Of what kind.
        kind: TagPolicyKind,
        /// Which tags.
        expression: TagExpression,
    },
}

impl Resource {
    /// The database that it is of or in, if it is.
    pub fn database(&self) -> Option<&str> {
        match self {
            Self::Database { name } => Some(name),
            Self::Table { database, .. }
            | Self::AllTables { database }
            | Self::Columns { database, .. }
            | Self::CellsFilter { database, .. } => Some(database),
            Self::Catalog | Self::Location { .. } | Self::Tag { .. } | Self::TagPolicy { .. } => None,
        }
    }

    /// The table that it is, or of which it is a part.
    pub fn table(&self) -> Option<&str> {
        match self {
            Self::Table { name, .. } => Some(name),
            Self::Columns { table, .. } | Self::CellsFilter { table, .. } => Some(table),
            Self::Catalog
            | Self::Database { .. }
            | Self::AllTables { .. }
            | Self::Location { .. }
            | Self::Tag { .. }
            | Self::TagPolicy { .. } => None,
        }
    }
}

/// A kind of resource, to list grants by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceKind {
    /// The catalog.
    Catalog,
    /// Databases.
    Database,
    /// Tables, their columns and filters.
    Table,
    /// Locations.
    Location,
    /// LF-tags.
    Tag,
    /// Whatever has such tags.
    TagPolicy,
    /// Databases that have such tags.
    DatabaseTagPolicy,
    /// Tables that have such tags.
    TableTagPolicy,
}

impl ResourceKind {
    /// Whether a resource is of this kind.
    pub(crate) fn has(self, resource: &Resource) -> bool {
        match resource {
            Resource::Catalog => self == Self::Catalog,
            Resource::Database { .. } => self == Self::Database,
            Resource::Table { .. }
            | Resource::AllTables { .. }
            | Resource::Columns { .. }
            | Resource::CellsFilter { .. } => self == Self::Table,
            Resource::Location { .. } => self == Self::Location,
            Resource::Tag { .. } => self == Self::Tag,
            Resource::TagPolicy { kind: TagPolicyKind::Database, .. } => {
                matches!(self, Self::TagPolicy | Self::DatabaseTagPolicy)
            }
            Resource::TagPolicy { kind: TagPolicyKind::Table, .. } => {
                matches!(self, Self::TagPolicy | Self::TableTagPolicy)
            }
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Catalog => f.write_str("the catalog"),
            Self::Database { name } => write!(f, "database {name}"),
            Self::Table { database, name } => write!(f, "table {database}.{name}"),
            Self::AllTables { database } => write!(f, "all tables of {database}"),
            Self::Columns { database, table, .. } => write!(f, "columns of {database}.{table}"),
            Self::Location { arn } => write!(f, "location {arn}"),
            Self::CellsFilter { database, table, name } => write!(f, "data cells filter {name} of {database}.{table}"),
            Self::Tag { key, .. } => write!(f, "LF-tag {key}"),
            Self::TagPolicy { kind: TagPolicyKind::Database, .. } => f.write_str("databases by LF-tags"),
            Self::TagPolicy { kind: TagPolicyKind::Table, .. } => f.write_str("tables by LF-tags"),
        }
    }
}
