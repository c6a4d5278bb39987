//! Why the catalog could not do what was asked. Knows no wire error code.

use tarn_metadata::{StoreError, WriteError};

use crate::{ExpressionError, LocationError};

/// Why not. The message is for the caller.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CatalogError {
    /// There is no such database.
    #[error("Database {name} not found.")]
    DatabaseNotFound {
        /// Its name.
        name: String,
    },
    /// There is no such table.
    #[error("Table {database}.{name} not found.")]
    TableNotFound {
        /// Its database.
        database: String,
        /// Its name.
        name: String,
    },
    /// There is no such partition.
    #[error("Cannot find partition {values:?} of table {database}.{table}.")]
    PartitionNotFound {
        /// The table's database.
        database: String,
        /// The table.
        table: String,
        /// The values asked for.
        values: Vec<String>,
    },
    /// There is no such version, or it was not archived.
    #[error("Version {version_id} of table {database}.{table} not found.")]
    TableVersionNotFound {
        /// The table's database.
        database: String,
        /// The table.
        table: String,
        /// The version asked for.
        version_id: String,
    },
    /// Permissions finer than a table say no.
    #[error("{reason}")]
    Guarded {
        /// Why.
        reason: String,
    },
    /// The name is taken.
    #[error("Database {name} already exists.")]
    DatabaseExists {
        /// Its name.
        name: String,
    },
    /// The name is taken.
    #[error("Table {database}.{name} already exists.")]
    TableExists {
        /// Its database.
        database: String,
        /// Its name.
        name: String,
    },
    /// The partition is there.
    #[error("Partition {values:?} of table {database}.{table} already exists.")]
    PartitionExists {
        /// The table's database.
        database: String,
        /// The table.
        table: String,
        /// Its values.
        values: Vec<String>,
    },
    /// Somebody else has changed the table since the caller read it.
    #[error(
        "Update table failed due to concurrent modifications: table {database}.{table} is at version {found}, and version {expected} was expected. Read the table again and repeat the change."
    )]
    ConcurrentModification {
        /// The table's database.
        database: String,
        /// The table.
        table: String,
        /// The version the caller has seen.
        expected: u64,
        /// The version it has.
        found: u64,
    },
    /// A name breaks the rules.
    #[error("{what} must have 1 to {characters_max} characters without control characters, got {name:?}.")]
    Name {
        /// `Database name`.
        what: &'static str,
        /// What was given.
        name: String,
        /// The limit.
        characters_max: usize,
    },
    /// An update may not change the name.
    #[error("{what} {name} cannot be renamed to {renamed} by an update.")]
    Renamed {
        /// `Database`.
        what: &'static str,
        /// The present name.
        name: String,
        /// The name in the input.
        renamed: String,
    },
    /// A partition has another number of values than its table has keys.
    #[error(
        "The number of partition keys do not match the number of partition values: table {database}.{table} has {keys} keys, got {values} values."
    )]
    PartitionValueCount {
        /// The table's database.
        database: String,
        /// The table.
        table: String,
        /// Keys of the table.
        keys: usize,
        /// Values given.
        values: usize,
    },
    /// A partition value is empty or too long.
    #[error(
        "A partition value must have 1 to {characters_max} characters, and all values together at most {size_bytes_max} bytes; got {value:?}."
    )]
    PartitionValue {
        /// The value.
        value: String,
        /// The limit of one.
        characters_max: usize,
        /// The limit of all.
        size_bytes_max: usize,
    },
    /// The keys cannot change while there are partitions.
    #[error(
        "The partition keys of table {database}.{table} cannot change while it has partitions. Delete its partitions, or make a new table."
    )]
    PartitionKeysChanged {
        /// The table's database.
        database: String,
        /// The table.
        table: String,
    },
    /// A partition index names what is no partition key.
    #[error("Partition index {index} names {key}, which is not a partition key of the table.")]
    PartitionIndexKey {
        /// The index.
        index: String,
        /// The key.
        key: String,
    },
    /// The version in use cannot be deleted.
    #[error("Version {version_id} is the current version of table {database}.{table} and cannot be deleted.")]
    CurrentVersion {
        /// The table's database.
        database: String,
        /// The table.
        table: String,
        /// The version.
        version_id: u64,
    },
    /// There is too much of something.
    #[error("{what}: at most {limit}.")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The most there may be.
        limit: u64,
    },
    /// A pattern for table names does not read.
    #[error("The pattern {pattern:?} is not a regular expression: {reason}")]
    Pattern {
        /// What was given.
        pattern: String,
        /// Where it fails.
        reason: String,
    },
    /// A partition predicate does not read.
    #[error("{source}")]
    Expression {
        /// Where it fails.
        source: ExpressionError,
    },
    /// A location does not read.
    #[error("{source}")]
    Location {
        /// Why.
        source: LocationError,
    },
    /// The store could not.
    #[error("{source}")]
    Store {
        /// Why.
        source: StoreError,
    },
}

/// The store's own failures pass through a transaction unchanged.
impl From<StoreError> for CatalogError {
    fn from(source: StoreError) -> Self {
        Self::Store { source }
    }
}

impl CatalogError {
    pub(crate) fn of_write(error: WriteError<Self>) -> Self {
        match error {
            WriteError::Refused(refusal) => refusal,
            WriteError::Store(source) => Self::Store { source },
        }
    }
}
