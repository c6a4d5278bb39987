//! What it is to select from one object by SQL, as S3 Select does: the request, the events, the errors. Who does it stands above.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/selecting-content-from-objects.html>

use bytes::Bytes;
use futures::stream::BoxStream;
use tarn_policy::Authorized;

use crate::ObjectVersion;

/// What the first line of a CSV file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// A record.
    None,
    /// Names, which are of no use.
    Ignore,
    /// The names of the columns.
    Use,
}

/// What the object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputFormat {
    /// Records of fields.
    Csv(CsvFormat, Header),
    /// Values, one a line.
    JsonLines,
    /// Values, wherever they end.
    JsonDocument,
    /// A Parquet file.
    Parquet,
}

/// How the object is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// It is not.
    None,
    /// `.gz`
    Gzip,
    /// `.bz2`
    Bzip2,
}

/// Which records are read: those that begin between the two bytes, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanRange {
    /// The first byte; without it the range is the last `end` bytes.
    pub start: Option<u64>,
    /// The last byte; without it the range ends with the object.
    pub end: Option<u64>,
}

/// A selection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectRequest {
    /// `SELECT s._1 FROM s3object s WHERE ...`
    pub expression: String,
    /// What the object is.
    pub input: InputFormat,
    /// How it is compressed.
    pub compression: Compression,
    /// How rows are written.
    pub output: OutputFormat,
    /// Which part of the object is read.
    pub range: Option<ScanRange>,
}

/// How much was read and given, bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SelectUsage {
    /// Of the object as it is stored.
    pub scanned_bytes: u64,
    /// Of it when decompressed.
    pub processed_bytes: u64,
    /// Of the result.
    pub returned_bytes: u64,
}

/// What a selection gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selected {
    /// Rows.
    Records(Bytes, SelectUsage),
    /// No rows more.
    End(SelectUsage),
}

/// A selection that has begun.
pub type Selecting = BoxStream<'static, Result<Selected, SelectError>>;

/// Who selects: the engine stands above this crate.
pub trait Selector: Send + Sync + std::fmt::Debug {
    /// Selects from `version`. What is wrong with the request is told at once; what is wrong with the object, in the stream.
    fn select(
        &self,
        proof: &Authorized,
        version: &ObjectVersion,
        request: SelectRequest,
    ) -> Result<Selecting, SelectError>;
}

/// How fields and records of CSV are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvFormat {
    /// Between fields; never empty.
    pub field_delimiter: String,
    /// Behind records; never empty. With `\n` a `\r` before it goes, too.
    pub record_delimiter: String,
    /// Around fields.
    pub quote: Option<char>,
    /// In front of a quote within quotes, and of what has a meaning otherwise.
    pub escape: Option<char>,
    /// At the beginning of records that are none.
    pub comment: Option<char>,
    /// Whether a record's delimiter may stand within quotes.
    pub quoted_record_delimiter: bool,
}

impl Default for CsvFormat {
    fn default() -> Self {
        Self {
            field_delimiter: ",".to_owned(),
            record_delimiter: "\n".to_owned(),
            quote: Some('"'),
            escape: Some('"'),
            comment: Some('#'),
            quoted_record_delimiter: false,
        }
    }
}

/// How rows are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputFormat {
    /// Fields between delimiters.
    Csv {
        /// Between fields.
        field_delimiter: String,
        /// Behind rows.
        record_delimiter: String,
        /// Around fields.
        quote: char,
        /// In front of a quote within quotes.
        escape: char,
        /// Around all fields, not only where it is needed.
        always_quote: bool,
    },
    /// One object a row.
    Json {
        /// Behind rows.
        record_delimiter: String,
    },
}

macro_rules! select_errors {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Why a selection failed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum SelectErrorName { $($(#[$doc])* $name,)* }

        impl SelectErrorName {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// `CastFailed`
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }
    };
}

select_errors! {
    /// The expression is longer than it may be.
    ExpressionTooLong,
    /// A character that begins no word of the language.
    LexerInvalidChar,
    /// A word that cannot stand where it does.
    ParseUnexpectedToken,
    /// No FROM.
    ParseSelectMissingFrom,
    /// Parentheses or calls within each other, more than can be read.
    ParseInvalidPathComponent,
    /// A type that CAST does not know.
    ParseUnknownOperator,
    /// Something that is SQL and is not done here.
    UnsupportedSqlOperation,
    /// A function that is not there.
    UnsupportedFunction,
    /// An argument that a function does not take.
    EvaluatorInvalidArguments,
    /// Aggregates and columns side by side.
    UnsupportedSqlStructure,
    /// A value that the wanted type does not hold.
    CastFailed,
    /// A text that is no timestamp.
    EvaluatorInvalidTimestampFormatPattern,
    /// A whole number that does not fit.
    IntegerOverflow,
    /// Zero was divided by.
    EvaluatorDivisionByZero,
    /// An operand of an arithmetic operator is no number.
    InvalidDataType,
    /// The pattern of a LIKE ends in its escape.
    LikeInvalidInputs,
    /// A column that the header does not have.
    MissingHeaders,
    /// `_0`, or a name where there is no header.
    InvalidColumnIndex,
    /// What stands behind FROM is not the object.
    InvalidTableAlias,
    /// A record longer than may be.
    OverMaxRecordSize,
    /// The object is not CSV.
    CSVParsingError,
    /// The object is not JSON.
    JSONParsingError,
    /// The object is not Parquet.
    ParquetParsingError,
    /// The object is not compressed as it is said to be.
    InvalidCompressionFormat,
    /// A delimiter, quote or other option that cannot be.
    InvalidRequestParameter,
    /// The range is not one.
    InvalidScanRange,
    /// A range of something that has none.
    UnsupportedScanRangeInput,
    /// The object's bytes cannot be had.
    InternalError,
}

/// A selection that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SelectError {
    /// Why.
    pub name: SelectErrorName,
    /// What happened, where, and what to do.
    pub message: String,
}

impl SelectError {
    /// Of this name.
    pub fn new(name: SelectErrorName, message: impl Into<String>) -> Self {
        Self { name, message: message.into() }
    }
}
