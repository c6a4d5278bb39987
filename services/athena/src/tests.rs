//! Athena's operations through its table of rows, as the gateway runs them, over a runner that answers two rows.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tarn_audit::{Caller, EventDraft};
use tarn_aws_model::athena::{self as wire, SERVICE, operations as op};
use tarn_aws_protocol::{AwsError, Operation, Value, WireValue};
use tarn_blobs::MemoryBlobs;
use tarn_catalog::{Catalog, DatabaseInput, S3Location, StorageDescriptor, TableInput};
use tarn_keys::Keys;
use tarn_metadata::{MemoryStore, Store};
use tarn_objects::{Objects, ObjectsOptions};
use tarn_operation::{Service, Table};
use tarn_policy::{Authorized, Authorizer, BoundAuthorizer, Context, Denied, DeniedBecause, Principal, Requirement};
use tarn_query::queries::{Page, Queries, QueriesOptions, Ran, Run, Runner};
use tarn_query::{QueryError, ResultFile};
use tarn_runtime::{Runtime, Timestamp};
use tarn_types::{AccountId, Region, Scope};

use crate::Athena;

struct TwoRows;

impl Runner for TwoRows {
    fn run(&self, run: Run) -> BoxFuture<'_, Result<Ran, QueryError>> {
        if run.statement.text().contains("wait") {
            async move {
                run.cancel.cancelled().await;
                Err(QueryError::Cancelled)
            }
            .boxed()
        } else {
            std::future::ready(Ok(Ran { update_count: Some(0), ..Ran::default() })).boxed()
        }
    }

    fn page<'a>(
        &'a self,
        _: &'a Authorized,
        _: &'a BoundAuthorizer,
        _: &'a S3Location,
        _: ResultFile,
        _: u64,
        _: usize,
    ) -> BoxFuture<'a, Result<Page, String>> {
        let rows = vec![vec![Some("a".to_owned())], vec![None]];
        std::future::ready(Ok(Page { rows, next: None })).boxed()
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

fn scope() -> Scope {
    Scope { account: AccountId::first(), region: Region::us_east_1() }
}

fn caller() -> Caller {
    let principal = Principal::root(scope().account);
    let event = EventDraft {
        id: [0; 16],
        request_id: "request".to_owned(),
        time_ms: 0,
        event_source: "athena.amazonaws.com".to_owned(),
        event_name: "Test".to_owned(),
        read_only: false,
        management: true,
        scope: scope(),
        principal: principal.clone(),
        source_ip: "127.0.0.1".to_owned(),
        user_agent: String::new(),
        request_parameters: "null".to_owned(),
        resources: Vec::new(),
    };
    let proof = Authorized::internal("test", scope().account);
    Caller::new(proof, BoundAuthorizer::new(Arc::new(AllButHidden), principal, Context::new()), event)
}

struct Lake {
    service: Table<Athena>,
    catalog: Arc<Catalog>,
}

impl Lake {
    fn new() -> Self {
        let (runtime, _) = Runtime::fixed("2026-11-22T12:00:00Z".parse::<Timestamp>().unwrap(), 7);
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let keys = Arc::new(Keys::ephemeral(&runtime).unwrap());
        let blobs = Arc::new(MemoryBlobs::default());
        let objects = Objects::new(store.clone(), blobs, keys, runtime.clone(), ObjectsOptions::default());
        let catalog = Arc::new(Catalog::new(store.clone(), runtime.clone()));
        let queries = Queries::new(store, Arc::new(objects), runtime, Arc::new(TwoRows), QueriesOptions::default());
        Self { service: crate::service(queries, catalog.clone()), catalog }
    }

    async fn call<O: Operation>(&self, input: O::Input) -> Result<O::Output, AwsError> {
        let row =
            self.service.row(O::MODEL.name).ok_or_else(|| AwsError::unknown_operation(&SERVICE, O::MODEL.name))?;
        let decoded = row.decode(input.into_value())?;
        assert!(!decoded.requirements(&scope())?.is_empty(), "{}", O::MODEL.name);
        let output = decoded.run(caller()).await?;
        O::Output::from_value(output).map_err(|error| AwsError::internal_failure(error.to_string()))
    }

    fn needs<O: Operation>(&self, input: O::Input) -> Vec<String> {
        let row = self.service.row(O::MODEL.name).unwrap();
        let needs = row.decode(input.into_value()).unwrap().requirements(&scope()).unwrap();
        let text = |need: Requirement| {
            let resource = need.resource.map_or_else(|| "*".to_owned(), |arn| arn.resource);
            format!("{} {resource}", need.action)
        };
        needs.into_iter().map(text).collect()
    }

    async fn ended(&self, id: &str) -> wire::QueryExecution {
        loop {
            let input = wire::GetQueryExecutionInput { query_execution_id: some(id) };
            let execution = self.call::<op::GetQueryExecution>(input).await.unwrap().query_execution.unwrap();
            let state = execution.status.as_ref().unwrap().state.clone().unwrap();
            if !["QUEUED", "RUNNING"].contains(&state.as_str()) {
                return execution;
            }
            tokio::task::yield_now().await;
        }
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn start(query: &str) -> wire::StartQueryExecutionInput {
    wire::StartQueryExecutionInput { query_string: some(query), ..Default::default() }
}

/// Code, and AthenaErrorCode if it has one.
fn refusal<T: std::fmt::Debug>(found: Result<T, AwsError>) -> (String, String) {
    let error = found.unwrap_err();
    let code = error.fields.iter().find(|(name, _)| *name == "AthenaErrorCode").map(|(_, value)| value.clone());
    (error.code, if let Some(Value::String(code)) = code { code } else { String::new() })
}

#[test]
fn every_operation_of_the_model_has_a_row() {
    let lake = Lake::new();
    let missing: Vec<&str> = SERVICE
        .operations
        .iter()
        .map(|operation| operation.name)
        .filter(|name| lake.service.row(name).is_none())
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test]
async fn a_query_is_started_found_listed_and_read() {
    let lake = Lake::new();
    let id = lake.call::<op::StartQueryExecution>(start("SELECT 1")).await.unwrap().query_execution_id.unwrap();
    let execution = lake.ended(&id).await;
    assert_eq!(execution.status.unwrap().state.as_deref(), Some("SUCCEEDED"));
    assert_eq!(
        (execution.statement_type.as_deref(), execution.substatement_type.as_deref()),
        (Some("DML"), Some("SELECT"))
    );
    assert_eq!(execution.work_group.as_deref(), Some("primary"));
    let output = execution.result_configuration.unwrap().output_location.unwrap();
    assert_eq!(output, format!("s3://aws-athena-query-results-000000000000-us-east-1/{id}.csv"));
    assert_eq!(execution.engine_version.unwrap().effective_engine_version.as_deref(), Some("Athena engine version 3"));

    let listed = lake.call::<op::ListQueryExecutions>(Default::default()).await.unwrap();
    assert_eq!((listed.query_execution_ids, listed.next_token), (Some(vec![id.clone()]), None));
    let input = wire::BatchGetQueryExecutionInput { query_execution_ids: Some(vec![id.clone(), "none".to_owned()]) };
    let batch = lake.call::<op::BatchGetQueryExecution>(input).await.unwrap();
    assert_eq!((batch.query_executions.unwrap().len(), batch.unprocessed_query_execution_ids.unwrap().len()), (1, 1));
    let input = wire::GetQueryResultsInput { query_execution_id: some(&id), ..Default::default() };
    let results = lake.call::<op::GetQueryResults>(input).await.unwrap();
    assert_eq!((results.update_count, results.next_token), (Some(0), None));
    let rows = results.result_set.unwrap().rows.unwrap();
    assert_eq!(rows[1].data.as_ref().unwrap()[0].var_char_value, None);
    let input = wire::GetQueryRuntimeStatisticsInput { query_execution_id: some(&id) };
    assert!(lake.call::<op::GetQueryRuntimeStatistics>(input).await.unwrap().query_runtime_statistics.is_some());
}

#[tokio::test]
async fn refusals_are_athenas() {
    let lake = Lake::new();
    let invalid = "InvalidRequestException".to_owned();
    let started = lake.call::<op::StartQueryExecution>(start("SELEC 1")).await;
    assert_eq!(refusal(started), (invalid.clone(), "MALFORMED_QUERY".to_owned()));
    let input = wire::GetQueryExecutionInput { query_execution_id: some("none") };
    assert_eq!(refusal(lake.call::<op::GetQueryExecution>(input).await), (invalid.clone(), "INVALID_INPUT".to_owned()));
    let group = wire::StartQueryExecutionInput { work_group: some("none"), ..start("SELECT 1") };
    assert_eq!(
        refusal(lake.call::<op::StartQueryExecution>(group).await),
        (invalid.clone(), "INVALID_INPUT".to_owned())
    );
    let token = || some(&"t".repeat(32));
    let first = wire::StartQueryExecutionInput { client_request_token: token(), ..start("SELECT 1") };
    lake.call::<op::StartQueryExecution>(first).await.unwrap();
    let other = wire::StartQueryExecutionInput { client_request_token: token(), ..start("SELECT 2") };
    let found = refusal(lake.call::<op::StartQueryExecution>(other).await);
    assert_eq!(found, (invalid.clone(), "IDEMPOTENT_PARAMETER_MISMATCH".to_owned()));
    let input = wire::GetPreparedStatementInput { statement_name: some("none"), work_group: some("primary") };
    let found = refusal(lake.call::<op::GetPreparedStatement>(input).await);
    assert_eq!(found.0, "ResourceNotFoundException");
    let input = wire::GetDatabaseInput {
        catalog_name: some("AwsDataCatalog"),
        database_name: some("none"),
        ..Default::default()
    };
    assert_eq!(refusal(lake.call::<op::GetDatabase>(input).await).0, "MetadataException");

    let id = lake.call::<op::StartQueryExecution>(start("SELECT 'wait'")).await.unwrap().query_execution_id.unwrap();
    let results = || wire::GetQueryResultsInput { query_execution_id: some(&id), ..Default::default() };
    let found = refusal(lake.call::<op::GetQueryResults>(results()).await);
    assert_eq!(found, (invalid, "INVALID_QUERY_EXECUTION_STATE".to_owned()));
    let input = wire::StopQueryExecutionInput { query_execution_id: some(&id) };
    lake.call::<op::StopQueryExecution>(input).await.unwrap();
    assert_eq!(lake.ended(&id).await.status.unwrap().state.as_deref(), Some("CANCELLED"));
}

#[tokio::test]
async fn work_groups_are_told_as_clients_need_them() {
    let lake = Lake::new();
    let get = |name: &str| wire::GetWorkGroupInput { work_group: some(name) };
    let group = lake.call::<op::GetWorkGroup>(get("primary")).await.unwrap().work_group.unwrap();
    let configuration = group.configuration.unwrap();
    assert_eq!(group.state.as_deref(), Some("ENABLED"));
    assert_eq!(configuration.enforce_work_group_configuration, Some(false));
    assert_eq!(configuration.result_configuration, Some(wire::ResultConfiguration::default()));
    assert!(configuration.engine_version.unwrap().effective_engine_version.is_some());
    for name in ["own", "hidden"] {
        let tags = vec![wire::Tag { key: some("team"), value: some("lake") }];
        let input = wire::CreateWorkGroupInput { name: some(name), tags: Some(tags), ..Default::default() };
        lake.call::<op::CreateWorkGroup>(input).await.unwrap();
    }
    let updates = wire::WorkGroupConfigurationUpdates {
        bytes_scanned_cutoff_per_query: Some(20_000_000),
        enforce_work_group_configuration: Some(true),
        ..Default::default()
    };
    let input = wire::UpdateWorkGroupInput {
        work_group: some("own"),
        configuration_updates: Some(updates),
        state: some("DISABLED"),
        ..Default::default()
    };
    lake.call::<op::UpdateWorkGroup>(input).await.unwrap();
    let group = lake.call::<op::GetWorkGroup>(get("own")).await.unwrap().work_group.unwrap();
    assert_eq!(group.state.as_deref(), Some("DISABLED"));
    assert_eq!(group.configuration.unwrap().bytes_scanned_cutoff_per_query, Some(20_000_000));
    let listed = lake.call::<op::ListWorkGroups>(Default::default()).await.unwrap();
    let names: Vec<_> = listed.work_groups.unwrap().into_iter().filter_map(|group| group.name).collect();
    assert_eq!((names, listed.next_token), (vec!["own".to_owned(), "primary".to_owned()], None));

    let arn = "arn:aws:athena:us-east-1:000000000000:workgroup/own";
    let list = || wire::ListTagsForResourceInput { resource_arn: some(arn), ..Default::default() };
    assert_eq!(lake.call::<op::ListTagsForResource>(list()).await.unwrap().tags.unwrap().len(), 1);
    let input = wire::UntagResourceInput { resource_arn: some(arn), tag_keys: Some(vec!["team".to_owned()]) };
    lake.call::<op::UntagResource>(input).await.unwrap();
    assert!(lake.call::<op::ListTagsForResource>(list()).await.unwrap().tags.unwrap().is_empty());
    assert_eq!(lake.needs::<op::ListTagsForResource>(list()), ["athena:ListTagsForResource workgroup/own"]);
    let kms = wire::EncryptionConfiguration { encryption_option: some("SSE_KMS"), kms_key: some("k") };
    let results = wire::ResultConfiguration { encryption_configuration: Some(kms), ..Default::default() };
    let configuration = wire::WorkGroupConfiguration { result_configuration: Some(results), ..Default::default() };
    let input =
        wire::CreateWorkGroupInput { name: some("kms"), configuration: Some(configuration), ..Default::default() };
    assert_eq!(refusal(lake.call::<op::CreateWorkGroup>(input).await).1, "INVALID_INPUT");
}

#[tokio::test]
async fn saved_statements_are_kept() {
    let lake = Lake::new();
    let input = wire::CreatePreparedStatementInput {
        statement_name: some("p"),
        work_group: some("primary"),
        query_statement: some("SELECT ?"),
        ..Default::default()
    };
    lake.call::<op::CreatePreparedStatement>(input).await.unwrap();
    let input = wire::BatchGetPreparedStatementInput {
        prepared_statement_names: Some(vec!["p".to_owned(), "q".to_owned()]),
        work_group: some("primary"),
    };
    let batch = lake.call::<op::BatchGetPreparedStatement>(input).await.unwrap();
    assert_eq!(
        (batch.prepared_statements.unwrap().len(), batch.unprocessed_prepared_statement_names.unwrap().len()),
        (1, 1)
    );
    let input = wire::CreateNamedQueryInput {
        name: some("n"),
        database: some("d"),
        query_string: some("SELECT 1"),
        ..Default::default()
    };
    let id = lake.call::<op::CreateNamedQuery>(input).await.unwrap().named_query_id.unwrap();
    let listed = lake.call::<op::ListNamedQueries>(Default::default()).await.unwrap();
    assert_eq!((listed.named_query_ids, listed.next_token), (Some(vec![id.clone()]), None));
    let get = || wire::GetNamedQueryInput { named_query_id: some(&id) };
    assert_eq!(lake.call::<op::GetNamedQuery>(get()).await.unwrap().named_query.unwrap().name.as_deref(), Some("n"));
    lake.call::<op::DeleteNamedQuery>(wire::DeleteNamedQueryInput { named_query_id: some(&id) }).await.unwrap();
    assert_eq!(refusal(lake.call::<op::GetNamedQuery>(get()).await).0, "InvalidRequestException");
}

#[tokio::test]
async fn the_catalog_is_told_without_what_is_hidden() {
    let lake = Lake::new();
    let database = |name: &str| DatabaseInput { name: name.to_owned(), ..DatabaseInput::default() };
    for name in ["raw", "hidden"] {
        lake.catalog.create_database(&caller(), database(name), BTreeMap::new()).await.unwrap();
    }
    let storage = StorageDescriptor { location: some("s3://b/t/"), ..StorageDescriptor::default() };
    for name in ["t", "hidden_t"] {
        let input = TableInput {
            name: name.to_owned(),
            table_type: some("EXTERNAL_TABLE"),
            storage_descriptor: Some(storage.clone()),
            ..TableInput::default()
        };
        lake.catalog.create_table(&caller(), "raw", input, Vec::new()).await.unwrap();
    }
    let catalog = || some("AwsDataCatalog");
    let input = wire::ListDatabasesInput { catalog_name: catalog(), ..Default::default() };
    let databases = lake.call::<op::ListDatabases>(input).await.unwrap().database_list.unwrap();
    assert_eq!(databases.into_iter().filter_map(|database| database.name).collect::<Vec<_>>(), ["raw"]);
    let input =
        wire::ListTableMetadataInput { catalog_name: catalog(), database_name: some("raw"), ..Default::default() };
    let tables = lake.call::<op::ListTableMetadata>(input).await.unwrap().table_metadata_list.unwrap();
    assert_eq!(tables.len(), 1);
    let get = |name: &str| wire::GetTableMetadataInput {
        catalog_name: catalog(),
        database_name: some("Raw"),
        table_name: some(name),
        ..Default::default()
    };
    let table = lake.call::<op::GetTableMetadata>(get("t")).await.unwrap().table_metadata.unwrap();
    assert_eq!(table.parameters.unwrap().get("location").map(String::as_str), Some("s3://b/t/"));
    let needs = lake.needs::<op::GetTableMetadata>(get("T"));
    let expected = [
        "athena:GetTableMetadata datacatalog/AwsDataCatalog",
        "glue:GetTable catalog",
        "glue:GetTable database/raw",
        "glue:GetTable table/raw/t",
    ];
    assert_eq!(needs, expected);
    let other = wire::GetDataCatalogInput { name: some("other"), ..Default::default() };
    assert_eq!(refusal(lake.call::<op::GetDataCatalog>(other).await).1, "INVALID_INPUT");
}
