//! Runs executions, some at a time, each to its one end; ends those that a stopped server has left; removes old ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tarn_audit::{Caller, Event, EventDraft, Outcome};
use tarn_catalog::S3Location;
use tarn_metadata::{Key, Read, StoreError, StoreExt};
use tarn_objects::{BucketName, ObjectKey, PutObject, body_of};
use tarn_policy::Requirement;
use tarn_runtime::{EntropyExt, Worker, WorkerOutcome};
use tarn_types::{AccountId, Arn};
use tokio_util::sync::CancellationToken;

use super::keyspaces::{
    BY_TIME, BY_WORK_GROUP, COLUMNS, EXECUTION_TOKENS, EXECUTIONS, STATUSES, UNFINISHED, by_time, by_work_group,
    name_key, time_bound,
};
use super::records::{ExecutionError, ExecutionState, ExecutionStatus, QueryStatistics, ResultColumns};
use super::runner::{Ran, Run};
use super::{EXECUTION_RETENTION_DAYS, Queries, QueriesError};
use crate::engine::Progress;
use crate::errors::{ErrorName, QueryError};
use crate::statement::{PreparedOperation, Statement};

/// How often a run is held to its workgroup's limit of bytes.
const CUTOFF_CHECK_PAUSE: Duration = Duration::from_millis(50);
/// How long a cancelled run may take to clear up before it is dropped.
const CLEAR_UP_TIME_MAX: Duration = Duration::from_secs(10);
/// How long until old executions are looked for again.
const RETENTION_PAUSE: Duration = Duration::from_secs(3_600);
/// Executions removed in one transaction.
const REMOVED_AT_A_TIME: usize = 100;
/// The longest reason of a failure, characters.
const REASON_CHARACTERS_MAX: usize = 10_000;
const DAY_MS: i64 = 86_400_000;
const BYTES_SCANNED_LIMIT: &str = "Bytes scanned limit was exceeded";

/// What this process knows of an execution that has not ended.
#[derive(Debug, Default)]
pub(super) struct Live {
    pub(super) cancel: CancellationToken,
    progress: Progress,
    running: AtomicBool,
    started_ms: AtomicI64,
}

impl Live {
    pub(super) fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }

    fn start(&self, now_ms: i64) {
        self.started_ms.store(now_ms, Ordering::Release);
        self.running.store(true, Ordering::Release);
    }

    pub(super) fn statistics(&self, submitted_ms: i64, now_ms: i64) -> QueryStatistics {
        let mut statistics = QueryStatistics { total_ms: now_ms - submitted_ms, ..QueryStatistics::default() };
        if self.is_running() {
            let started_ms = self.started_ms.load(Ordering::Acquire);
            statistics.queue_ms = started_ms - submitted_ms;
            statistics.engine_ms = now_ms - started_ms;
        } else {
            statistics.queue_ms = statistics.total_ms;
        }
        statistics.scanned_bytes = self.progress.scanned_bytes();
        statistics
    }
}

/// What is to be done for a statement.
pub(super) enum Work {
    /// The engine runs it.
    Engine,
    /// It keeps or drops a prepared statement.
    Prepared(PreparedOperation),
    /// It cannot be done; its execution says so.
    Fail(QueryError),
}

/// An execution on its way.
pub(super) struct Task {
    pub(super) caller: Caller,
    pub(super) account: AccountId,
    pub(super) id: String,
    pub(super) statement: Statement,
    pub(super) work: Work,
    pub(super) work_group: String,
    pub(super) catalog: Option<String>,
    pub(super) database: String,
    pub(super) output: S3Location,
    pub(super) submitted_ms: i64,
    pub(super) scanned_bytes_max: Option<i64>,
}

/// How a run ended.
enum Ended {
    Ran(Ran),
    Failed(QueryError),
    Stopped(&'static str),
}

impl From<Result<Ran, QueryError>> for Ended {
    fn from(result: Result<Ran, QueryError>) -> Self {
        match result {
            Ok(ran) => Self::Ran(ran),
            Err(error) => Self::Failed(error),
        }
    }
}

impl Queries {
    /// Takes an execution from the queue to its end.
    pub(super) async fn see_through(self, task: Task, live: Arc<Live>) {
        let slot = tokio::select! {
            biased;
            () = live.cancel.cancelled() => None,
            slot = self.slots.clone().acquire_owned() => slot.ok(),
        };
        let (account, id, submitted_ms) = (task.account.clone(), task.id.clone(), task.submitted_ms);
        let call = task.caller.event().clone();
        let ended = match slot {
            None => Ended::Failed(QueryError::Cancelled),
            Some(_slot) => {
                live.start(self.now_ms());
                let (queries, live) = (self.clone(), live.clone());
                // A task of its own: a defect in the engine ends this execution and no other.
                match tokio::spawn(async move { queries.run(task, live).await }).await {
                    Ok(ended) => ended,
                    Err(_) => Ended::Failed(QueryError::new(
                        ErrorName::Internal,
                        "the engine ended in a defect; see the server's log",
                    )),
                }
            }
        };
        let mut statistics = live.statistics(submitted_ms, self.now_ms());
        let mut columns = None;
        let mut refusal = None;
        let mut status = ExecutionStatus { completed_ms: Some(self.now_ms()), ..ExecutionStatus::queued() };
        match ended {
            Ended::Ran(ran) => {
                status.state = ExecutionState::Succeeded;
                statistics.planning_ms = i64::try_from(ran.planning_ms).unwrap_or(0);
                statistics.output_rows = ran.rows;
                statistics.output_bytes = ran.output_bytes;
                status.manifest = ran.manifest;
                status.update_count = ran.update_count;
                columns = Some(ResultColumns::of(&ran.columns));
            }
            Ended::Failed(QueryError::Cancelled) => {
                status.state = ExecutionState::Cancelled;
                status.reason = Some("Query cancelled by user".to_owned());
            }
            Ended::Failed(error) => {
                status.state = ExecutionState::Failed;
                let reason = cut(&error.to_string());
                if error.name() == Some(ErrorName::PermissionDenied) {
                    refusal = Some(self.refusal(&call, &id, reason.clone()));
                }
                status.error = error.name().map(|name| ExecutionError {
                    category: name.category().number(),
                    error_type: name.error_type(),
                    is_retryable: error.is_retryable(),
                    message: reason.clone(),
                });
                status.reason = Some(reason);
            }
            Ended::Stopped(reason) => {
                status.state = ExecutionState::Cancelled;
                status.reason = Some(reason.to_owned());
            }
        }
        status.statistics = statistics;
        match self.end(&account, &id, status, columns, refusal).await {
            Ok(()) => {}
            // The next start ends it, as that of any query that a stopped server leaves.
            Err(QueriesError::Store { source: StoreError::Closed }) => {
                tracing::info!(%id, "a query was still running when the server stopped");
            }
            Err(error) => {
                tracing::error!(%id, %error, "the end of a query could not be kept; the next start says that it failed");
            }
        }
        self.live.lock().remove(&(account, id));
    }

    /// Runs the work, held to the workgroup's limit and to the wish to stop.
    async fn run(&self, task: Task, live: Arc<Live>) -> Ended {
        let scanned_bytes_max = task.scanned_bytes_max.and_then(|bytes| u64::try_from(bytes).ok());
        let over = |bytes: u64| scanned_bytes_max.is_some_and(|bytes_max| bytes > bytes_max);
        let work = self.work(task, &live).fuse();
        let cutoff = async {
            match scanned_bytes_max {
                None => std::future::pending::<()>().await,
                Some(_) => {
                    while !over(live.progress.scanned_bytes()) {
                        tokio::time::sleep(CUTOFF_CHECK_PAUSE).await;
                    }
                }
            }
        };
        futures::pin_mut!(work, cutoff);
        let stopped = tokio::select! {
            biased;
            result = &mut work => {
                let ran = result.is_ok();
                return if ran && over(live.progress.scanned_bytes()) { Ended::Stopped(BYTES_SCANNED_LIMIT) } else { Ended::from(result) };
            }
            () = live.cancel.cancelled() => None,
            () = &mut cutoff => Some(BYTES_SCANNED_LIMIT),
        };
        live.cancel.cancel();
        let result = tokio::time::timeout(CLEAR_UP_TIME_MAX, work).await.unwrap_or(Err(QueryError::Cancelled));
        match (result, stopped) {
            // it was faster than the wish to stop it
            (Ok(ran), None) => Ended::Ran(ran),
            (_, Some(reason)) => Ended::Stopped(reason),
            (Err(error), None) => Ended::Failed(error),
        }
    }

    async fn work(&self, task: Task, live: &Live) -> Result<Ran, QueryError> {
        let Task { caller, id, statement, work, work_group, catalog, database, output, .. } = task;
        let place = format!("{}{}", output.prefix, statement.result_file().name(&id));
        let may_write = Requirement::new("s3:PutObject", Arn::s3_object(&output.bucket, &place));
        if let Err(denied) = caller.authorizer().authorize(vec![may_write]) {
            let message = format!("Access denied when writing output to url: s3://{}/{place}. {denied}", output.bucket);
            return Err(QueryError::new(ErrorName::PermissionDenied, message));
        }
        match work {
            Work::Fail(error) => Err(error),
            Work::Engine => {
                let run = Run {
                    caller,
                    statement,
                    query_id: id,
                    catalog,
                    database,
                    output_location: output,
                    cancel: live.cancel.clone(),
                    progress: live.progress.clone(),
                };
                self.runner.run(run).await
            }
            Work::Prepared(operation) => {
                let failed = |error: QueriesError| match error {
                    QueriesError::Denied { source } => QueryError::new(ErrorName::PermissionDenied, source.to_string()),
                    other => QueryError::new(ErrorName::HiveDdl, other.to_string()),
                };
                self.do_prepared(&caller, &work_group, operation).await.map_err(failed)?;
                self.put_empty(&caller, &output.bucket, place).await?;
                Ok(Ran::default())
            }
        }
    }

    async fn put_empty(&self, caller: &Caller, bucket: &str, key: String) -> Result<(), QueryError> {
        let failed = |error: tarn_objects::ObjectsError| {
            QueryError::new(ErrorName::HiveFilesystemError, format!("s3://{bucket}: {error}"))
        };
        let request = PutObject::new(BucketName::new(bucket).map_err(failed)?, ObjectKey::new(key).map_err(failed)?);
        self.objects.put_object(caller, request, body_of(Vec::new())).await.map_err(failed)?;
        Ok(())
    }

    /// That a query was refused something is on record like any refusal; its start is a record of its own.
    fn refusal(&self, call: &EventDraft, id: &str, message: String) -> Event {
        let draft = EventDraft {
            id: self.runtime.entropy.bytes(),
            time_ms: self.now_ms(),
            request_parameters: serde_json::json!({ "queryExecutionId": id }).to_string(),
            ..call.clone()
        };
        draft.into_event(Outcome::Failure { code: "AccessDenied".to_owned(), message })
    }

    /// Keeps an execution's end.
    async fn end(
        &self,
        account: &AccountId,
        id: &str,
        status: ExecutionStatus,
        columns: Option<ResultColumns>,
        refusal: Option<Event>,
    ) -> Result<(), QueriesError> {
        let key = name_key(account, id);
        let end = move |tx: &mut tarn_metadata::Tx<'_>| {
            tx.put(STATUSES, &key, &status)?;
            if let Some(refusal) = &refusal {
                refusal.record(tx)?;
            }
            if let Some(columns) = &columns {
                tx.put(COLUMNS, &key, columns)?;
            }
            tx.delete(UNFINISHED, &key)?;
            Ok(())
        };
        self.store.write(end).await.map_err(QueriesError::of_write)
    }

    /// Ends executions that no task of this process has: their server was stopped.
    pub(super) async fn recover(&self) -> Result<(), QueriesError> {
        // Taken before what is live is looked at: what is started later is not in it.
        let snapshot = self.snapshot()?;
        for pair in snapshot.prefix(UNFINISHED, &Key::new()) {
            let (key, _) = pair?;
            let mut reader = Key::reader(key.as_bytes());
            let (Some(account), Some(id)) = (reader.text(), reader.text()) else { continue };
            let Ok(account) = AccountId::new(account) else { continue };
            if self.live.lock().contains_key(&(account.clone(), id.clone())) {
                continue;
            }
            // It may have ended after the snapshot.
            let execution = self.execution_of(&account, &id)?;
            if execution.status.state.is_final() {
                continue;
            }
            let message =
                "GENERIC_INTERNAL_ERROR: the server was stopped while the query waited or ran; start the query again";
            let status = ExecutionStatus {
                state: ExecutionState::Failed,
                reason: Some(message.to_owned()),
                error: Some(ExecutionError {
                    category: ErrorName::Internal.category().number(),
                    error_type: ErrorName::Internal.error_type(),
                    is_retryable: true,
                    message: message.to_owned(),
                }),
                completed_ms: Some(self.now_ms()),
                statistics: QueryStatistics {
                    total_ms: self.now_ms() - execution.submission.submitted_ms,
                    ..QueryStatistics::default()
                },
                ..execution.status
            };
            self.end(&account, &id, status, None, None).await?;
        }
        Ok(())
    }

    /// Removes some executions beyond their time. Answers with how many.
    pub(super) async fn remove_old(&self) -> Result<usize, QueriesError> {
        let bound = time_bound(self.now_ms() - EXECUTION_RETENTION_DAYS * DAY_MS);
        let snapshot = self.snapshot()?;
        let range = snapshot.range(BY_TIME, std::ops::Bound::Unbounded, std::ops::Bound::Excluded(&bound));
        let old = range.take(REMOVED_AT_A_TIME).collect::<Result<Vec<_>, _>>()?;
        if old.is_empty() {
            return Ok(0);
        }
        let count = old.len();
        let remove = move |tx: &mut tarn_metadata::Tx<'_>| {
            for (key, _) in old {
                tx.delete(BY_TIME, &key)?;
                let mut reader = Key::reader(key.as_bytes());
                let (Some(_), Some(account), Some(id)) = (reader.u64(), reader.text(), reader.text()) else { continue };
                let Ok(account) = AccountId::new(account) else { continue };
                remove_in(tx, &account, &id)?;
            }
            Ok(())
        };
        self.store.write(remove).await.map_err(QueriesError::of_write)?;
        Ok(count)
    }
}

/// Removes an execution and all that is kept of it; its result stays.
pub(super) fn remove_in(tx: &mut tarn_metadata::Tx<'_>, account: &AccountId, id: &str) -> Result<(), QueriesError> {
    let key = name_key(account, id);
    if let Some(submission) = tx.get(EXECUTIONS, &key)? {
        tx.delete(BY_WORK_GROUP, &by_work_group(account, &submission.work_group, submission.submitted_ms, id))?;
        tx.delete(BY_TIME, &by_time(account, submission.submitted_ms, id))?;
        if let Some(token) = &submission.token {
            tx.delete(EXECUTION_TOKENS, &name_key(account, token))?;
        }
    }
    tx.delete(EXECUTIONS, &key)?;
    tx.delete(STATUSES, &key)?;
    tx.delete(COLUMNS, &key)?;
    tx.delete(UNFINISHED, &key)?;
    Ok(())
}

fn cut(reason: &str) -> String {
    reason.chars().take(REASON_CHARACTERS_MAX).collect()
}

/// Ends executions that an earlier process has left, then removes old ones.
#[derive(Debug)]
pub struct ExecutionKeeper {
    queries: Queries,
    recovered: AtomicBool,
}

impl ExecutionKeeper {
    pub(super) fn new(queries: Queries) -> Self {
        Self { queries, recovered: AtomicBool::new(false) }
    }

    async fn round(&self) -> Result<usize, QueriesError> {
        if !self.recovered.load(Ordering::Acquire) {
            self.queries.recover().await?;
            self.recovered.store(true, Ordering::Release);
        }
        self.queries.remove_old().await
    }
}

impl Worker for ExecutionKeeper {
    fn name(&self) -> String {
        "query-executions".to_owned()
    }

    fn work(&self) -> BoxFuture<'_, WorkerOutcome> {
        async move {
            match self.round().await {
                Ok(0) => WorkerOutcome::Idle,
                Ok(_) => WorkerOutcome::Busy,
                Err(error) => WorkerOutcome::Failed { reason: error.to_string() },
            }
        }
        .boxed()
    }

    fn wait(&self) -> BoxFuture<'_, ()> {
        tokio::time::sleep(RETENTION_PAUSE).boxed()
    }
}
