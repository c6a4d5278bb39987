//! What executions need of an engine. Knows no engine.

use futures::future::BoxFuture;
use tarn_audit::Caller;
use tarn_catalog::S3Location;
use tarn_policy::{Authorized, BoundAuthorizer};
use tokio_util::sync::CancellationToken;

use crate::engine::Progress;
use crate::errors::QueryError;
use crate::statement::{ResultFile, Statement};
use crate::types::ColumnInfo;

/// A statement to be run.
#[derive(Debug, Clone)]
pub struct Run {
    /// As whom.
    pub caller: Caller,
    /// What.
    pub statement: Statement,
    /// The execution's id, which names the result.
    pub query_id: String,
    /// The catalog of the execution context.
    pub catalog: Option<String>,
    /// What bare table names are looked up in; empty if the execution context names none.
    pub database: String,
    /// The folder of the result.
    pub output_location: S3Location,
    /// Told when it is to stop.
    pub cancel: CancellationToken,
    /// Where it says how far it is.
    pub progress: Progress,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ran {
    /// The result's columns.
    pub columns: Vec<ColumnInfo>,
    /// Rows written; 0 of a SELECT, `None` of a statement without a count.
    pub update_count: Option<u64>,
    /// The list of files written, if there is one.
    pub manifest: Option<String>,
    /// Rows of the result.
    pub rows: u64,
    /// Bytes of the result.
    pub output_bytes: u64,
    /// Planning time, milliseconds.
    pub planning_ms: u64,
}

/// Some rows of a result.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// `None` is NULL.
    pub rows: Vec<Vec<Option<String>>>,
    /// The byte of the file from which the next page is read, if there is more.
    pub next: Option<u64>,
}

/// Runs statements and reads their results back.
pub trait Runner: Send + Sync + 'static {
    /// Runs a statement to its end. When it answers `Ok` the result is in the output location; when it answers `Err`, what was written
    /// is gone again. Answers soon after `cancel`.
    fn run(&self, run: Run) -> BoxFuture<'_, Result<Ran, QueryError>>;

    /// Up to `rows_max` rows of the result at `place` from byte `start`; `authorizer` is asked for what reading its bytes takes besides. `Err` says why it cannot be read.
    fn page<'a>(
        &'a self,
        proof: &'a Authorized,
        authorizer: &'a BoundAuthorizer,
        place: &'a S3Location,
        file: ResultFile,
        start: u64,
        rows_max: usize,
    ) -> BoxFuture<'a, Result<Page, String>>;
}
