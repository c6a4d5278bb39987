//! What can go wrong with a statement, with the names and numbers Athena gives it. Knows no HTTP and no wire shapes.

use std::fmt;

/// The text is not a statement of either grammar. Told at once, before an execution exists.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}:{column}: {message}")]
pub struct SyntaxError {
    /// From 1.
    pub line: u64,
    /// In characters, from 1.
    pub column: u64,
    /// `mismatched input 'SELEC'. Expecting: ...`
    pub message: String,
}

impl SyntaxError {
    pub(crate) fn at(line: u64, column: u64, message: impl Into<String>) -> Self {
        Self { line, column, message: message.into() }
    }
}

/// Whose fault a failure is: Athena's `ErrorCategory`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCategory {
    /// 1: the engine's.
    System,
    /// 2: the statement's or its data's.
    User,
    /// 3: neither.
    Other,
}

impl ErrorCategory {
    /// The number in `AthenaError`.
    pub fn number(self) -> i32 {
        match self {
            Self::System => 1,
            Self::User => 2,
            Self::Other => 3,
        }
    }
}

macro_rules! error_names {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $category:ident, $number:literal;)*) => {
        /// The names that stand in front of a failed query's reason, with their numbers:
        /// <https://docs.aws.amazon.com/athena/latest/ug/error-reference.html>
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorName { $($(#[$doc])* $name,)* }

        impl ErrorName {
            /// `TABLE_NOT_FOUND`
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Athena's `ErrorCategory`.
            pub fn category(self) -> ErrorCategory {
                match self { $(Self::$name => ErrorCategory::$category,)* }
            }

            /// Athena's `ErrorType`.
            pub fn error_type(self) -> i32 {
                match self { $(Self::$name => $number,)* }
            }
        }
    };
}

error_names! {
    /// A whole number or decimal was divided by zero.
    DivisionByZero = "DIVISION_BY_ZERO", User, 1001;
    /// Operands of types that do not go together.
    TypeMismatch = "TYPE_MISMATCH", User, 1002;
    /// The grammar was right and the statement is not.
    SyntaxError = "SYNTAX_ERROR", User, 1006;
    /// No such column.
    ColumnNotFound = "COLUMN_NOT_FOUND", User, 1006;
    /// A column name that fits several columns.
    AmbiguousName = "AMBIGUOUS_NAME", User, 1006;
    /// No such catalog.
    CatalogNotFound = "CATALOG_NOT_FOUND", User, 1006;
    /// A value that the wanted type cannot hold.
    InvalidCastArgument = "INVALID_CAST_ARGUMENT", User, 1100;
    /// A number too large for its type.
    NumericValueOutOfRange = "NUMERIC_VALUE_OUT_OF_RANGE", User, 1100;
    /// A value that a function does not take.
    InvalidFunctionArgument = "INVALID_FUNCTION_ARGUMENT", User, 1106;
    /// A scalar subquery with more than one row.
    SubqueryMultipleRows = "SUBQUERY_MULTIPLE_ROWS", User, 1106;
    /// The table stands already.
    TableAlreadyExists = "TABLE_ALREADY_EXISTS", User, 1110;
    /// The database stands already.
    SchemaAlreadyExists = "SCHEMA_ALREADY_EXISTS", User, 1110;
    /// The place of a new table holds objects.
    HivePathAlreadyExists = "HIVE_PATH_ALREADY_EXISTS", User, 1110;
    /// Right, but not built or not possible for such a table.
    NotSupported = "NOT_SUPPORTED", User, 1200;
    /// No such table.
    TableNotFound = "TABLE_NOT_FOUND", User, 1301;
    /// No such database.
    SchemaNotFound = "SCHEMA_NOT_FOUND", User, 1301;
    /// No such function, or not for such arguments.
    FunctionNotFound = "FUNCTION_NOT_FOUND", User, 1303;
    /// The caller may not.
    PermissionDenied = "PERMISSION_DENIED", User, 1401;
    /// A stored value that is not of its column's type.
    HiveBadData = "HIVE_BAD_DATA", User, 1500;
    /// A file that cannot be read as what it says it is.
    HiveCursorError = "HIVE_CURSOR_ERROR", User, 1501;
    /// A file that cannot be opened.
    HiveCannotOpenSplit = "HIVE_CANNOT_OPEN_SPLIT", User, 1502;
    /// A table whose metadata does not describe something readable.
    HiveInvalidMetadata = "HIVE_INVALID_METADATA", User, 1503;
    /// A partition's columns are not its table's.
    HivePartitionSchemaMismatch = "HIVE_PARTITION_SCHEMA_MISMATCH", User, 1504;
    /// A partition value that is not of its column's type.
    HiveInvalidPartitionValue = "HIVE_INVALID_PARTITION_VALUE", User, 1505;
    /// A condition that a table needs is not in the query.
    ConstraintViolation = "CONSTRAINT_VIOLATION", User, 1508;
    /// A table property that does not mean anything.
    InvalidTableProperty = "INVALID_TABLE_PROPERTY", User, 1506;
    /// A stored view that no longer plans.
    InvalidView = "INVALID_VIEW", User, 1507;
    /// What the statement names is not there.
    NotFound = "NOT_FOUND", User, 1301;
    /// A Hive statement failed; the message says all.
    HiveDdl = "FAILED", User, 1006;
    /// Memory or spill space ran out.
    ExhaustedResources = "EXCEEDED_MEMORY_LIMIT", System, 102;
    /// The store could not give or take bytes.
    HiveFilesystemError = "HIVE_FILESYSTEM_ERROR", System, 203;
    /// A bug of the engine's.
    Internal = "GENERIC_INTERNAL_ERROR", System, 100;
}

/// How an execution that began did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryError {
    /// It failed.
    Failed {
        /// The name in front of the reason.
        name: ErrorName,
        /// What happened, where, and what to do.
        message: String,
    },
    /// It was cancelled.
    Cancelled,
}

impl QueryError {
    /// A failure of this name.
    pub fn new(name: ErrorName, message: impl Into<String>) -> Self {
        Self::Failed { name, message: message.into() }
    }

    /// A refusal of something that is right elsewhere.
    pub fn not_supported(message: impl Into<String>) -> Self {
        Self::new(ErrorName::NotSupported, message)
    }

    /// The failure's name; `None` of a cancelled query.
    pub fn name(&self) -> Option<ErrorName> {
        match self {
            Self::Failed { name, .. } => Some(*name),
            Self::Cancelled => None,
        }
    }

    /// Whether the same statement may succeed when tried again.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Failed { name, .. } => matches!(name, ErrorName::ExhaustedResources | ErrorName::HiveFilesystemError),
            Self::Cancelled => false,
        }
    }
}

impl std::error::Error for QueryError {}

/// The `StateChangeReason`.
impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { name: ErrorName::HiveDdl, message } => write!(f, "FAILED: {message}"),
            Self::Failed { name: ErrorName::ExhaustedResources, message } => {
                write!(f, "Query exhausted resources at this scale factor: {message}")
            }
            Self::Failed { name, message } => write!(f, "{}: {message}", name.as_str()),
            Self::Cancelled => f.write_str("Query cancelled by user"),
        }
    }
}
