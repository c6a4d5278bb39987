//! Executions over a store and blobs in memory, with a runner that does what the statement's text says.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tarn_audit::{Caller, EventDraft};
use tarn_blobs::MemoryBlobs;
use tarn_catalog::S3Location;
use tarn_keys::Keys;
use tarn_metadata::{MemoryStore, Store, StoreExt};
use tarn_objects::{BucketName, Objects, ObjectsOptions};
use tarn_policy::{Authorized, Authorizer, BoundAuthorizer, Context, Denied, DeniedBecause, Principal, Requirement};
use tarn_runtime::{FixedClock, Runtime, Timestamp, Worker, WorkerOutcome};
use tarn_types::{AccountId, Region, Scope};

use super::keyspaces::{STATUSES, UNFINISHED, name_key};
use super::records::Present;
use super::*;
use crate::errors::{ErrorName, QueryError};
use crate::statement::ResultFile;
use crate::types::ColumnInfo;

/// Answers by the text: `'wait'` waits to be cancelled, `'boom'` fails, `'panic'` panics, `'scan'` reads 20 MB and waits.
struct Script;

impl Runner for Script {
    fn run(&self, run: Run) -> BoxFuture<'_, Result<Ran, QueryError>> {
        async move {
            let text = run.statement.text().to_owned();
            if text.contains("'scan'") {
                run.progress.scanned_bytes.store(20_000_000, Ordering::Relaxed);
            }
            if text.contains("'wait'") || text.contains("'scan'") {
                run.cancel.cancelled().await;
                return Err(QueryError::Cancelled);
            }
            if text.contains("'boom'") {
                return Err(QueryError::new(ErrorName::DivisionByZero, "Division by zero"));
            }
            assert!(!text.contains("'panic'"), "as the text says");
            let columns = vec![ColumnInfo::hive_string("a")];
            Ok(Ran { columns, update_count: Some(0), rows: 5, output_bytes: 20, ..Ran::default() })
        }
        .boxed()
    }

    /// Six rows, the header first.
    fn page<'a>(
        &'a self,
        _: &'a Authorized,
        _: &'a BoundAuthorizer,
        _: &'a S3Location,
        _: ResultFile,
        start: u64,
        rows_max: usize,
    ) -> BoxFuture<'a, Result<Page, String>> {
        let row = |at: u64| vec![Some(if at == 0 { "a".to_owned() } else { at.to_string() })];
        let rows: Vec<_> = (start..6).take(rows_max).map(row).collect();
        let end = start + rows.len() as u64;
        std::future::ready(Ok(Page { rows, next: (end < 6).then_some(end) })).boxed()
    }
}

/// Everything but what has `hidden` in its name.
struct AllButHidden;

impl Authorizer for AllButHidden {
    fn authorize(&self, principal: &Principal, needs: Vec<Requirement>, _: &Context) -> Result<Authorized, Denied> {
        match needs.into_iter().find(|need| need.resource.as_ref().is_some_and(|arn| arn.resource.contains("hidden"))) {
            None => Ok(Authorized::internal("test", principal.account.clone())),
            Some(Requirement { action, resource, .. }) => {
                Err(Denied { principal: principal.clone(), action, resource, because: DeniedBecause::NothingAllows })
            }
        }
    }
}

struct Lake {
    queries: Queries,
    objects: Arc<Objects>,
    store: Arc<dyn Store>,
    runtime: Runtime,
    clock: Arc<FixedClock>,
}

fn proof() -> Authorized {
    Authorized::internal("test", AccountId::first())
}

fn caller() -> Caller {
    let principal = Principal::root(AccountId::first());
    let event = EventDraft {
        id: [0; 16],
        request_id: "request".to_owned(),
        time_ms: 0,
        event_source: "athena.amazonaws.com".to_owned(),
        event_name: "Test".to_owned(),
        read_only: false,
        management: true,
        scope: Scope { account: AccountId::first(), region: Region::us_east_1() },
        principal: principal.clone(),
        source_ip: "127.0.0.1".to_owned(),
        user_agent: String::new(),
        request_parameters: "null".to_owned(),
        resources: Vec::new(),
    };
    Caller::new(proof(), BoundAuthorizer::new(Arc::new(AllButHidden), principal, Context::new()), event)
}

fn text(query: &str) -> StartQuery {
    StartQuery { query: query.to_owned(), ..StartQuery::default() }
}

impl Lake {
    fn new() -> Self {
        Self::with(QueriesOptions::default())
    }

    fn with(options: QueriesOptions) -> Self {
        let (runtime, clock) = Runtime::fixed(Timestamp::from_millisecond(1_700_000_000_000).unwrap(), 7);
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let keys = Arc::new(Keys::ephemeral(&runtime).unwrap());
        let blobs = Arc::new(MemoryBlobs::new());
        let objects = Arc::new(Objects::new(store.clone(), blobs, keys, runtime.clone(), ObjectsOptions::default()));
        let queries = Queries::new(store.clone(), objects.clone(), runtime.clone(), Arc::new(Script), options);
        Self { queries, objects, store, runtime, clock }
    }

    /// As after a restart: the same store, another process.
    fn restarted(&self) -> Queries {
        let options = QueriesOptions::default();
        Queries::new(self.store.clone(), self.objects.clone(), self.runtime.clone(), Arc::new(Script), options)
    }

    async fn start(&self, query: &str) -> Result<String, QueriesError> {
        self.queries.start(&caller(), text(query)).await
    }

    async fn until(&self, id: &str, wanted: impl Fn(ExecutionState) -> bool) -> QueryExecution {
        loop {
            let execution = self.queries.execution(&proof(), id).unwrap();
            if wanted(execution.status.state) {
                return execution;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn ended(&self, id: &str) -> QueryExecution {
        let execution = self.until(id, ExecutionState::is_final).await;
        while !self.queries.live.lock().is_empty() {
            tokio::task::yield_now().await;
        }
        execution
    }

    async fn run(&self, query: &str) -> QueryExecution {
        let id = self.start(query).await.unwrap();
        self.ended(&id).await
    }

    fn ids(&self, token: Option<&str>, limit: usize) -> Listed<String> {
        self.queries.executions(&proof(), PRIMARY, token, Some(limit)).unwrap()
    }
}

#[tokio::test]
async fn executions_end_in_true_states() {
    let lake = Lake::new();
    for (query, state, reason) in [
        ("SELECT 1", ExecutionState::Succeeded, None),
        ("SELECT 'boom'", ExecutionState::Failed, Some("DIVISION_BY_ZERO: Division by zero")),
        ("SELECT 'panic'", ExecutionState::Failed, Some("GENERIC_INTERNAL_ERROR: ")),
        ("EXECUTE nothing", ExecutionState::Failed, Some("NOT_FOUND: Prepared statement not found: nothing")),
    ] {
        let execution = lake.run(query).await;
        assert_eq!(execution.status.state, state, "{query}");
        let found = execution.status.reason.as_deref();
        assert!(found.zip(reason).map_or(found == reason, |(found, reason)| found.starts_with(reason)), "{found:?}");
        assert_eq!(execution.status.error.is_some(), state == ExecutionState::Failed);
        assert_eq!(execution.status.completed_ms, Some(1_700_000_000_000));
    }
    assert!(matches!(lake.start("SELEC 1").await, Err(QueriesError::Syntax { .. })));
}

#[tokio::test]
async fn results_have_a_place_even_if_nobody_names_one() {
    let lake = Lake::new();
    let execution = lake.run("SELECT 1").await;
    let location = execution.submission.results.output_location.unwrap();
    let id = &execution.submission.id;
    assert_eq!(location, format!("s3://aws-athena-query-results-000000000000-us-east-1/{id}.csv"));
    let bucket = BucketName::new("aws-athena-query-results-000000000000-us-east-1").unwrap();
    assert_eq!(lake.objects.bucket_owner(&bucket).unwrap(), Some(AccountId::first()));

    let with = |location: &str| StartQuery {
        results: ResultSettings { output_location: Some(location.to_owned()), ..ResultSettings::default() },
        ..text("SELECT 1")
    };
    assert!(matches!(lake.queries.start(&caller(), with("http://a/")).await, Err(QueriesError::Invalid { .. })));
    let missing = lake.queries.start(&caller(), with("s3://nowhere-at-all/")).await;
    assert!(matches!(missing, Err(QueriesError::OutputBucket { .. })));
    let own = "s3://aws-athena-query-results-000000000000-us-east-1/hidden";
    let id = lake.queries.start(&caller(), with(own)).await.unwrap();
    let execution = lake.ended(&id).await;
    assert_eq!(execution.status.state, ExecutionState::Failed);
    assert!(execution.status.reason.unwrap().starts_with("PERMISSION_DENIED: Access denied when writing output"));
    assert_eq!(execution.submission.results.output_location.unwrap(), format!("{own}/{id}.csv"));
}

#[tokio::test]
async fn a_token_starts_one_execution() {
    let lake = Lake::new();
    let start = |query: &str| StartQuery { token: Some("t".repeat(32)), ..text(query) };
    let first = lake.queries.start(&caller(), start("SELECT 1")).await.unwrap();
    assert_eq!(lake.queries.start(&caller(), start("SELECT 1")).await.unwrap(), first);
    let other = lake.queries.start(&caller(), start("SELECT 2")).await;
    assert!(matches!(other, Err(QueriesError::IdempotentParameterMismatch)));
    lake.ended(&first).await;
    assert_eq!(lake.ids(None, 50).items, [first]);
}

#[tokio::test]
async fn executions_wait_for_a_slot_and_stop_at_once() {
    let lake = Lake::with(QueriesOptions { running_max: 1, queued_max: 1 });
    let first = lake.start("SELECT 'wait'").await.unwrap();
    lake.until(&first, |state| state == ExecutionState::Running).await;
    let second = lake.start("SELECT 1").await.unwrap();
    assert_eq!(lake.queries.execution(&proof(), &second).unwrap().status.state, ExecutionState::Queued);
    assert!(matches!(lake.start("SELECT 1").await, Err(QueriesError::TooManyQueries { .. })));
    let early = lake.queries.results(&caller(), &second, None, None).await;
    assert!(matches!(early, Err(QueriesError::NotFinished { .. })));
    lake.queries.stop(&proof(), &first).unwrap();
    let stopped = lake.until(&first, ExecutionState::is_final).await;
    assert_eq!(stopped.status.state, ExecutionState::Cancelled);
    assert_eq!(lake.ended(&second).await.status.state, ExecutionState::Succeeded);
    lake.queries.stop(&proof(), &first).unwrap();
    assert!(matches!(lake.queries.stop(&proof(), "none"), Err(QueriesError::NotFound { .. })));
    let none = lake.queries.results(&caller(), &first, None, None).await;
    assert!(matches!(none, Err(QueriesError::NotSucceeded { .. })));
}

#[tokio::test]
async fn a_stopped_server_leaves_failed_executions_and_old_ones_go() {
    let lake = Lake::new();
    let id = lake.start("SELECT 'wait'").await.unwrap();
    lake.until(&id, |state| state == ExecutionState::Running).await;
    let after = lake.restarted();
    let keeper = after.keeper();
    assert_eq!(keeper.work().await, WorkerOutcome::Idle);
    let execution = after.execution(&proof(), &id).unwrap();
    assert_eq!(execution.status.state, ExecutionState::Failed);
    assert!(execution.status.reason.unwrap().contains("the server was stopped"));
    let snapshot = lake.store.read().unwrap();
    assert!(
        !tarn_metadata::Read::contains::<Present>(&snapshot, UNFINISHED, &name_key(&AccountId::first(), &id)).unwrap()
    );

    lake.clock.advance(Duration::from_secs(46 * 86_400));
    assert_eq!(keeper.work().await, WorkerOutcome::Busy);
    assert_eq!(keeper.work().await, WorkerOutcome::Idle);
    assert!(matches!(after.execution(&proof(), &id), Err(QueriesError::NotFound { .. })));
    assert!(lake.ids(None, 50).items.is_empty());
    let snapshot = lake.store.read().unwrap();
    assert!(!tarn_metadata::Read::contains(&snapshot, STATUSES, &name_key(&AccountId::first(), &id)).unwrap());
}

#[tokio::test]
async fn lists_are_newest_first_and_paged() {
    let lake = Lake::new();
    let mut all = Vec::new();
    for _ in 0..5 {
        all.insert(0, lake.run("SELECT 1").await.submission.id);
        lake.clock.advance(Duration::from_millis(1));
    }
    let (mut found, mut token) = (Vec::new(), None);
    loop {
        let page = lake.ids(token.as_deref(), 2);
        found.extend(page.items);
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(found, all);
    assert!(lake.queries.executions(&proof(), PRIMARY, Some("x"), None).is_err());
    assert!(lake.queries.executions(&proof(), "none", None, None).is_err());
}

#[tokio::test]
async fn results_are_paged_with_their_header_for_queries_alone() {
    let lake = Lake::new();
    let check = async |query: &str, rows_max: usize, pages: &[&[&str]]| {
        let id = lake.run(query).await.submission.id;
        let (mut token, mut found) = (None::<String>, Vec::new());
        loop {
            let page = lake.queries.results(&caller(), &id, token.as_deref(), Some(rows_max)).await.unwrap();
            found.push(page.rows.into_iter().flatten().map(Option::unwrap).collect::<Vec<_>>());
            token = page.next;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(found, pages, "{query} by {rows_max}");
    };
    check("SELECT 1", 1000, &[&["a", "1", "2", "3", "4", "5"]]).await;
    check("SELECT 1", 4, &[&["a", "1", "2", "3"], &["4", "5"]]).await;
    check("SELECT 1", 3, &[&["a", "1", "2"], &["3", "4", "5"], &[]]).await;
    check("SHOW FUNCTIONS", 4, &[&["1", "2", "3", "4"], &["5"]]).await;
    check("EXPLAIN SELECT 1", 1000, &[&["1", "2", "3", "4", "5"]]).await;
    check("SHOW TABLES", 3, &[&["a", "1", "2"], &["3", "4", "5"], &[]]).await;
    check("INSERT INTO t SELECT 1", 1000, &[&[]]).await;
    let id = lake.run("SELECT 1").await.submission.id;
    for token in ["x", "other.3"] {
        let refused = lake.queries.results(&caller(), &id, Some(token), None).await;
        assert!(matches!(refused, Err(QueriesError::Token { .. })), "{token}");
    }
    assert!(matches!(lake.queries.results(&caller(), &id, None, Some(1001)).await, Err(QueriesError::Invalid { .. })));
}

#[tokio::test]
async fn work_groups_rule_their_queries() {
    let lake = Lake::new();
    let bucket = "s3://aws-athena-query-results-000000000000-us-east-1";
    lake.run("SELECT 1").await;
    let configuration = WorkGroupConfiguration {
        results: ResultSettings { output_location: Some(format!("{bucket}/group")), ..ResultSettings::default() },
        enforce: true,
        bytes_scanned_cutoff: Some(10_000_000),
        ..WorkGroupConfiguration::default()
    };
    let make = |name: &'static str, configuration| {
        let queries = lake.queries.clone();
        async move { queries.create_work_group(&caller(), name, None, configuration, BTreeMap::new()).await }
    };
    make("g", configuration.clone()).await.unwrap();
    assert!(matches!(make("g", configuration.clone()).await, Err(QueriesError::Exists { .. })));
    assert!(matches!(make(PRIMARY, configuration.clone()).await, Err(QueriesError::Exists { .. })));
    let low = WorkGroupConfiguration { bytes_scanned_cutoff: Some(1), ..configuration };
    assert!(matches!(make("h", low).await, Err(QueriesError::Invalid { .. })));
    assert!(matches!(make("a/b", WorkGroupConfiguration::default()).await, Err(QueriesError::Invalid { .. })));

    let asked = ResultSettings { output_location: Some(format!("{bucket}/asked/")), ..ResultSettings::default() };
    let start = |query: &str| StartQuery { work_group: Some("g".to_owned()), results: asked.clone(), ..text(query) };
    let id = lake.queries.start(&caller(), start("SELECT 1")).await.unwrap();
    let execution = lake.ended(&id).await;
    assert_eq!(execution.submission.results.output_location.unwrap(), format!("{bucket}/group/{id}.csv"));
    let id = lake.queries.start(&caller(), start("SELECT 'scan'")).await.unwrap();
    let execution = lake.ended(&id).await;
    assert_eq!(execution.status.state, ExecutionState::Cancelled);
    assert_eq!(execution.status.reason.as_deref(), Some("Bytes scanned limit was exceeded"));

    let disable = UpdateWorkGroup { description: None, is_enabled: Some(false), configure: Box::new(|_| {}) };
    lake.queries.update_work_group(&caller(), "g", disable).await.unwrap();
    let refused = lake.queries.start(&caller(), start("SELECT 1")).await;
    assert!(matches!(refused, Err(QueriesError::WorkGroupDisabled { .. })));
    let names = lake.queries.work_groups(&proof(), None, None).unwrap().items;
    assert_eq!(names.iter().map(|group| group.name.as_str()).collect::<Vec<_>>(), ["g", PRIMARY]);
    let deleted = lake.queries.delete_work_group(&caller(), "g", false).await;
    assert!(matches!(deleted, Err(QueriesError::WorkGroupNotEmpty { .. })));
    lake.queries.delete_work_group(&caller(), "g", true).await.unwrap();
    assert!(lake.queries.execution(&proof(), &id).is_err());
    assert!(lake.queries.delete_work_group(&caller(), PRIMARY, true).await.is_err());
}

#[tokio::test]
async fn an_unused_primary_stands_in_its_place() {
    let lake = Lake::new();
    for name in ["a", "z"] {
        let configuration = WorkGroupConfiguration::default();
        lake.queries.create_work_group(&caller(), name, None, configuration, BTreeMap::new()).await.unwrap();
    }
    let (mut found, mut token) = (Vec::new(), None);
    loop {
        let page = lake.queries.work_groups(&proof(), token.as_deref(), Some(1)).unwrap();
        found.extend(page.items.into_iter().map(|group| group.name));
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(found, ["a", PRIMARY, "z"]);
    let tags = BTreeMap::from([("team".to_owned(), "lake".to_owned())]);
    lake.queries.tag_work_group(&caller(), PRIMARY, tags.clone(), Vec::new()).await.unwrap();
    assert_eq!(lake.queries.work_group_tags(&proof(), PRIMARY).unwrap(), tags);
    assert!(lake.queries.work_group(&proof(), PRIMARY).unwrap().created_ms.is_some());
}

#[tokio::test]
async fn prepared_statements_are_kept_by_statement_and_by_call() {
    let lake = Lake::new();
    assert_eq!(lake.run("PREPARE p FROM SELECT 'boom', ?").await.status.state, ExecutionState::Succeeded);
    let kept = lake.queries.prepared_statement(&proof(), PRIMARY, "p").unwrap();
    assert_eq!(kept.query, "SELECT 'boom', ?");
    let execution = lake.run("EXECUTE p USING 1").await;
    assert_eq!(execution.status.reason.as_deref(), Some("DIVISION_BY_ZERO: Division by zero"));
    assert_eq!(execution.submission.substatement_type, "SELECT");
    assert_eq!(lake.run("PREPARE p FROM SELECT 1").await.status.state, ExecutionState::Failed);
    assert_eq!(lake.run("DEALLOCATE PREPARE p").await.status.state, ExecutionState::Succeeded);
    assert!(lake.queries.prepared_statements(&proof(), PRIMARY, None, None).unwrap().items.is_empty());
    let update = lake.queries.update_prepared_statement(&caller(), PRIMARY, "p", "SELECT 1".to_owned(), None).await;
    assert!(matches!(update, Err(QueriesError::NotFound { .. })));
}

#[tokio::test]
async fn named_queries_are_kept_found_and_removed() {
    let lake = Lake::new();
    let make = |text: &str| CreateNamedQuery {
        name: "n".to_owned(),
        database: "d".to_owned(),
        query: text.to_owned(),
        token: Some("t".repeat(32)),
        ..CreateNamedQuery::default()
    };
    let id = lake.queries.create_named_query(&caller(), make("SELECT 1")).await.unwrap();
    assert_eq!(lake.queries.create_named_query(&caller(), make("SELECT 1")).await.unwrap(), id);
    let other = lake.queries.create_named_query(&caller(), make("SELECT 2")).await;
    assert!(matches!(other, Err(QueriesError::IdempotentParameterMismatch)));
    let text = "SELECT 3".to_owned();
    lake.queries.update_named_query(&caller(), &id, "m".to_owned(), None, text.clone()).await.unwrap();
    let found = lake.queries.named_query(&proof(), &id).unwrap();
    assert_eq!((found.name.as_str(), found.query), ("m", text));
    assert_eq!(lake.queries.named_queries(&proof(), PRIMARY, None, None).unwrap().items, std::slice::from_ref(&id));
    lake.queries.delete_named_query(&caller(), &id).await.unwrap();
    assert!(lake.queries.named_query(&proof(), &id).is_err());
    assert!(lake.queries.named_queries(&proof(), PRIMARY, None, None).unwrap().items.is_empty());
}
