//! Athena's own records: executions, workgroups, prepared statements, named queries. Knows that an engine runs statements; knows no
//! SQL beyond a statement's kind, and no wire shape.
//!
//! **Invariants:** an execution is durable before its id is told; it ends once, in one state with a true reason, whatever happens to
//! the server; its result is there when it says SUCCEEDED.

mod engine_runner;
mod errors;
mod executions;
mod keyspaces;
mod named_queries;
mod output;
mod pool;
mod prepared_statements;
mod records;
mod results;
mod runner;
mod tags;
mod workgroups;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tarn_audit::Caller;
use tarn_metadata::{Snapshot, Store, StoreExt, Tx};
use tarn_objects::Objects;
use tarn_policy::{Authorized, Requirement};
use tarn_runtime::Runtime;
use tarn_types::{AccountId, Arn, Scope};
use tokio::sync::Semaphore;

pub use engine_runner::EngineRunner;
pub use errors::QueriesError;
pub use executions::StartQuery;
pub use named_queries::{CreateNamedQuery, NamedQuery};
pub use pool::ExecutionKeeper;
pub use prepared_statements::PreparedStatement;
pub use records::{
    Encryption, ExecutionError, ExecutionState, ExecutionStatus, QueryExecution, QueryStatistics, ResultSettings,
    Submission,
};
pub use results::QueryResults;
pub use runner::{Page, Ran, Run, Runner};
pub use tags::WorkGroupTags;
pub use workgroups::{ENGINE_VERSIONS, PRIMARY, UpdateWorkGroup, WorkGroup, WorkGroupConfiguration};

use pool::Live;

/// The longest workgroup name, characters: <https://docs.aws.amazon.com/athena/latest/APIReference/API_WorkGroup.html>
pub const WORK_GROUP_NAME_CHARACTERS_MAX: usize = 128;
/// Workgroups of an account: <https://docs.aws.amazon.com/athena/latest/ug/service-limits.html>
pub const WORK_GROUPS_MAX: usize = 1_000;
/// Prepared statements of a workgroup.
pub const PREPARED_STATEMENTS_MAX: usize = 1_000;
/// Named queries of an account.
pub const NAMED_QUERIES_MAX: usize = 10_000;
/// Tags of a resource.
pub const TAGS_MAX: usize = 50;
/// Items on a page of any list.
pub const PAGE_ITEMS_MAX: usize = 50;
/// Rows on a page of a result, its header included.
pub const RESULT_PAGE_ROWS_MAX: usize = 1_000;
/// How long executions are kept, days: <https://docs.aws.amazon.com/athena/latest/ug/queries-viewing-history.html>
pub const EXECUTION_RETENTION_DAYS: i64 = 45;

/// How much is done at a time.
#[derive(Debug, Clone)]
pub struct QueriesOptions {
    /// Executions that run; more wait in the queue.
    pub running_max: usize,
    /// Executions that wait; more are refused.
    pub queued_max: usize,
}

impl Default for QueriesOptions {
    fn default() -> Self {
        Self { running_max: 16, queued_max: 1_000 }
    }
}

/// Some items, and where the next page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// In order.
    pub items: Vec<T>,
    /// Pass it to get the next page; `None` on the last.
    pub next: Option<String>,
}

/// All accounts' executions, workgroups and saved statements. Cheap to clone.
#[derive(Clone)]
pub struct Queries {
    store: Arc<dyn Store>,
    objects: Arc<Objects>,
    runtime: Runtime,
    runner: Arc<dyn Runner>,
    options: Arc<QueriesOptions>,
    slots: Arc<Semaphore>,
    live: Arc<Mutex<HashMap<(AccountId, String), Arc<Live>>>>,
}

impl fmt::Debug for Queries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Queries({} live)", self.live.lock().len())
    }
}

impl Queries {
    /// Keeps records in `store`, runs statements by `runner`.
    pub fn new(
        store: Arc<dyn Store>,
        objects: Arc<Objects>,
        runtime: Runtime,
        runner: Arc<dyn Runner>,
        options: QueriesOptions,
    ) -> Self {
        let slots = Arc::new(Semaphore::new(options.running_max.max(1)));
        Self { store, objects, runtime, runner, options: Arc::new(options), slots, live: Arc::default() }
    }

    /// Ends executions that an earlier process has left, and removes old ones. Spawn it once.
    pub fn keeper(&self) -> Arc<ExecutionKeeper> {
        Arc::new(ExecutionKeeper::new(self.clone()))
    }

    fn snapshot(&self) -> Result<Snapshot, QueriesError> {
        self.store.read().map_err(|source| QueriesError::Store { source })
    }

    fn now_ms(&self) -> i64 {
        self.runtime.now().as_millisecond()
    }

    /// Runs `change` with the caller's audit record in the same transaction.
    async fn commit<T, F>(&self, caller: &Caller, change: F) -> Result<T, QueriesError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, QueriesError> + Send + 'static,
    {
        caller.commit(&*self.store, change).await.map_err(QueriesError::of_write)
    }
}

/// The ARN of a workgroup.
pub fn work_group_arn(scope: &Scope, name: &str) -> Arn {
    Arn::regional("athena", &scope.region, &scope.account, format!("workgroup/{name}"))
}

/// Asks for `action` on a workgroup as the caller.
fn ask(caller: &Caller, action: &'static str, work_group: &str) -> Result<Authorized, QueriesError> {
    let requirement = Requirement::new(action, work_group_arn(caller.scope(), work_group));
    caller.authorizer().authorize(vec![requirement]).map_err(|source| QueriesError::Denied { source })
}

/// How many items a page has: what was asked for, within what is allowed.
fn page_len(asked: Option<usize>) -> usize {
    asked.filter(|asked| *asked > 0).unwrap_or(PAGE_ITEMS_MAX).min(PAGE_ITEMS_MAX)
}
