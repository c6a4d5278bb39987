//! The statements of the Hive grammar, as they were written. Knows no catalog.

/// `database.table`, lower case; without a database the session's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableName {
    pub database: Option<String>,
    pub table: String,
}

/// A column as declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnDefinition {
    pub name: String,
    /// Hive's type name.
    pub data_type: String,
    pub comment: Option<String>,
}

/// How rows are stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RowFormat {
    pub serde: Option<String>,
    pub properties: Vec<(String, String)>,
}

/// `CREATE [EXTERNAL] TABLE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CreateTable {
    pub name: TableName,
    pub external: bool,
    pub if_not_exists: bool,
    pub columns: Vec<ColumnDefinition>,
    pub comment: Option<String>,
    pub partition_columns: Vec<ColumnDefinition>,
    pub bucket_columns: Vec<String>,
    pub bucket_count: Option<i32>,
    pub sort_columns: Vec<(String, bool)>,
    pub row_format: RowFormat,
    pub stored_as: StoredAs,
    pub location: Option<String>,
    pub properties: Vec<(String, String)>,
}

/// `STORED AS`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum StoredAs {
    #[default]
    Unsaid,
    /// In capitals: `PARQUET`.
    Format(String),
    Classes {
        input: String,
        output: String,
    },
}

/// `PARTITION (a = 'x', ...)`.
pub(crate) type PartitionSpec = Vec<(String, String)>;

/// One comparison in `DROP PARTITION`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionCondition {
    pub column: String,
    pub operator: String,
    pub value: String,
}

/// How much `DESCRIBE` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DescribeDepth {
    Columns,
    Formatted,
    Extended,
}

/// A statement of the Hive grammar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HiveStatement {
    CreateDatabase {
        name: String,
        if_not_exists: bool,
        comment: Option<String>,
        location: Option<String>,
        properties: Vec<(String, String)>,
    },
    DropDatabase {
        name: String,
        if_exists: bool,
        cascade: bool,
    },
    SetDatabaseProperties {
        name: String,
        properties: Vec<(String, String)>,
    },
    CreateTable(Box<CreateTable>),
    DropTable {
        name: TableName,
        if_exists: bool,
    },
    DropView {
        name: TableName,
        if_exists: bool,
    },
    AddPartitions {
        table: TableName,
        if_not_exists: bool,
        partitions: Vec<(PartitionSpec, Option<String>)>,
    },
    DropPartitions {
        table: TableName,
        if_exists: bool,
        partitions: Vec<Vec<PartitionCondition>>,
    },
    RenamePartition {
        table: TableName,
        from: PartitionSpec,
        to: PartitionSpec,
    },
    AddColumns {
        table: TableName,
        columns: Vec<ColumnDefinition>,
    },
    ReplaceColumns {
        table: TableName,
        columns: Vec<ColumnDefinition>,
    },
    ChangeColumn {
        table: TableName,
        column: String,
        to: ColumnDefinition,
    },
    SetTableProperties {
        table: TableName,
        properties: Vec<(String, String)>,
    },
    SetLocation {
        table: TableName,
        partition: Option<PartitionSpec>,
        location: String,
    },
    RenameTable {
        table: TableName,
        to: TableName,
    },
    Repair {
        table: TableName,
    },
    ShowDatabases {
        like: Option<String>,
    },
    ShowTables {
        database: Option<String>,
        like: Option<String>,
    },
    ShowViews {
        database: Option<String>,
        like: Option<String>,
    },
    ShowPartitions {
        table: TableName,
        partition: PartitionSpec,
    },
    ShowColumns {
        table: TableName,
    },
    ShowTableProperties {
        table: TableName,
        key: Option<String>,
    },
    ShowCreateTable {
        table: TableName,
    },
    ShowCreateView {
        view: TableName,
    },
    Describe {
        table: TableName,
        depth: DescribeDepth,
        partition: PartitionSpec,
        column: Option<String>,
    },
    DescribeDatabase {
        name: String,
    },
}
