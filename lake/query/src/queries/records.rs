//! What is kept of an execution: what was asked, and how it stands. Knows no store.

use serde::{Deserialize, Serialize};
use tarn_metadata::Record;

use crate::types::ColumnInfo;

/// How results are to be encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encryption {
    /// `SSE_S3`: the only one that this server's results have.
    pub option: String,
    /// The key of `SSE_KMS`.
    pub kms_key: Option<String>,
}

/// Where and how results are put. A query's own, or a workgroup's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ResultSettings {
    /// `s3://bucket/prefix/`
    pub output_location: Option<String>,
    /// How encrypted.
    pub encryption: Option<Encryption>,
    /// The account that the bucket must belong to.
    pub expected_bucket_owner: Option<String>,
    /// `BUCKET_OWNER_FULL_CONTROL`: says what is so anyway where the bucket's owner owns its objects.
    pub acl: Option<String>,
}

/// What was asked. Never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// A UUID.
    pub id: String,
    /// The text as given.
    pub query: String,
    /// `DML`
    pub statement_type: String,
    /// `SELECT`
    pub substatement_type: String,
    /// The catalog of the execution context, if it names one.
    pub catalog: Option<String>,
    /// The database of the execution context, if it names one.
    pub database: Option<String>,
    /// Its workgroup.
    pub work_group: String,
    /// The result's settings after the workgroup's say; the location is the result file's.
    pub results: ResultSettings,
    /// The output location the caller asked for.
    pub asked_output_location: Option<String>,
    /// The caller's parameters.
    pub parameters: Vec<String>,
    /// The longest age of a result to be used again, minutes, if the caller has asked for such. None is ever used.
    pub reuse_max_age_minutes: Option<i32>,
    /// When, milliseconds since 1970.
    pub submitted_ms: i64,
    /// The caller's token.
    pub token: Option<String>,
}

impl Record for Submission {
    const VERSION: u16 = 1;
}

/// Where an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExecutionState {
    /// It waits.
    Queued,
    /// It runs.
    Running,
    /// Its result is there.
    Succeeded,
    /// It failed.
    Failed,
    /// It was stopped.
    Cancelled,
}

impl ExecutionState {
    /// `QUEUED`
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Whether it will not change any more.
    pub fn is_final(self) -> bool {
        match self {
            Self::Queued | Self::Running => false,
            Self::Succeeded | Self::Failed | Self::Cancelled => true,
        }
    }
}

/// Why an execution failed, in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutionError {
    /// 1 the engine's, 2 the user's, 3 neither.
    pub category: i32,
    /// <https://docs.aws.amazon.com/athena/latest/ug/error-reference.html>
    pub error_type: i32,
    /// Whether to try again.
    pub is_retryable: bool,
    /// What happened.
    pub message: String,
}

/// What an execution took. Times are milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct QueryStatistics {
    /// In the queue.
    pub queue_ms: i64,
    /// Planning.
    pub planning_ms: i64,
    /// In the engine.
    pub engine_ms: i64,
    /// From the submission to the end.
    pub total_ms: i64,
    /// Bytes read of tables.
    pub scanned_bytes: u64,
    /// Rows of the result.
    pub output_rows: u64,
    /// Bytes of the result.
    pub output_bytes: u64,
}

/// How an execution stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutionStatus {
    /// Where it stands.
    pub state: ExecutionState,
    /// `NAME: message`
    pub reason: Option<String>,
    /// Why it failed.
    pub error: Option<ExecutionError>,
    /// When it ended, milliseconds since 1970.
    pub completed_ms: Option<i64>,
    /// What it took.
    pub statistics: QueryStatistics,
    /// The list of files it wrote.
    pub manifest: Option<String>,
    /// Rows written.
    pub update_count: Option<u64>,
}

impl ExecutionStatus {
    /// Waits.
    pub(super) fn queued() -> Self {
        Self {
            state: ExecutionState::Queued,
            reason: None,
            error: None,
            completed_ms: None,
            statistics: QueryStatistics::default(),
            manifest: None,
            update_count: None,
        }
    }
}

impl Record for ExecutionStatus {
    const VERSION: u16 = 1;
}

/// An execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryExecution {
    /// What was asked.
    pub submission: Submission,
    /// How it stands.
    pub status: ExecutionStatus,
}

/// The columns of a result, apart from the execution: there may be thousands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ResultColumns {
    columns: Vec<StoredColumn>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StoredColumn {
    name: String,
    type_name: String,
    precision: u32,
    scale: u32,
    case_sensitive: bool,
}

impl ResultColumns {
    pub(super) fn of(columns: &[ColumnInfo]) -> Self {
        let columns = columns
            .iter()
            .map(|column| {
                let ColumnInfo { name, type_name, precision, scale, case_sensitive } = column.clone();
                StoredColumn { name, type_name, precision, scale, case_sensitive }
            })
            .collect();
        Self { columns }
    }

    pub(super) fn into_columns(self) -> Vec<ColumnInfo> {
        self.columns
            .into_iter()
            .map(|StoredColumn { name, type_name, precision, scale, case_sensitive }| ColumnInfo {
                name,
                type_name,
                precision,
                scale,
                case_sensitive,
            })
            .collect()
    }
}

impl Record for ResultColumns {
    const VERSION: u16 = 1;
}

/// A key that is all there is to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Present;

impl Record for Present {
    const VERSION: u16 = 1;
}

/// The id that a caller's token has made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TokenUse {
    pub(super) id: String,
}

impl Record for TokenUse {
    const VERSION: u16 = 1;
}
