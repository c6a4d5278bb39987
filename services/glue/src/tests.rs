//! Glue's operations through its table of rows, as the gateway runs them.

use std::collections::BTreeMap;
use std::sync::Arc;

use tarn_audit::{Caller, EventDraft};
use tarn_aws_model::glue::{self as wire, SERVICE, operations as op};
use tarn_aws_protocol::{AwsError, Operation, WireValue};
use tarn_blobs::MemoryBlobs;
use tarn_catalog::Catalog;
use tarn_crawlers::Crawlers;
use tarn_keys::Keys;
use tarn_metadata::{MemoryStore, Store};
use tarn_objects::{BucketName, CreateBucket, ObjectKey, Objects, ObjectsOptions, PutObject, body_of};
use tarn_operation::{Service, Table};
use tarn_policy::{Authorized, Authorizer, BoundAuthorizer, Context, Denied, DeniedBecause, Principal, Requirement};
use tarn_runtime::{Runtime, Shutdown, Timestamp, Worker, WorkerOutcome};
use tarn_types::{AccountId, Region, Scope};

use crate::Glue;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Everything but what has `hidden` in its name.
struct AllButHidden;

impl Authorizer for AllButHidden {
    fn authorize(&self, principal: &Principal, needs: Vec<Requirement>, _: &Context) -> Result<Authorized, Denied> {
        for need in needs {
            if need.resource.as_ref().is_some_and(|arn| arn.resource.contains("hidden")) {
                let (action, resource) = (need.action, need.resource);
                return Err(Denied {
                    principal: principal.clone(),
                    action,
                    resource,
                    because: DeniedBecause::NothingAllows,
                });
            }
        }
        Ok(Authorized::internal("test", principal.account.clone()))
    }
}

struct Lake {
    service: Table<Glue>,
    objects: Objects,
    workers: Vec<Arc<dyn Worker>>,
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
        event_source: "glue.amazonaws.com".to_owned(),
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

impl Lake {
    fn new() -> Result<Self, Failure> {
        let (runtime, _) = Runtime::fixed("2026-11-22T12:00:00Z".parse::<Timestamp>()?, 7);
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let keys = Arc::new(Keys::ephemeral(&runtime)?);
        let blobs = Arc::new(MemoryBlobs::default());
        let objects = Objects::new(store.clone(), blobs, keys, runtime.clone(), ObjectsOptions::default());
        let catalog = Catalog::new(store.clone(), runtime.clone());
        let crawlers = Crawlers::new(store, catalog.clone(), objects.clone(), runtime);
        let workers = crawlers.workers(&Shutdown::new());
        Ok(Self { service: crate::service(catalog, crawlers), objects, workers })
    }

    async fn with_table() -> Result<Self, Failure> {
        let lake = Self::new()?;
        lake.call::<op::CreateDatabase>(database("Raw")).await?;
        lake.call::<op::CreateTable>(create("T")).await?;
        Ok(lake)
    }

    async fn call<O: Operation>(&self, input: O::Input) -> Result<O::Output, AwsError> {
        let row =
            self.service.row(O::MODEL.name).ok_or_else(|| AwsError::unknown_operation(&SERVICE, O::MODEL.name))?;
        let decoded = row.decode(input.into_value())?;
        assert!(!decoded.requirements(&scope())?.is_empty(), "{}", O::MODEL.name);
        let output = decoded.run(caller()).await?;
        O::Output::from_value(output).map_err(|error| AwsError::internal_failure(error.to_string()))
    }

    fn needs<O: Operation>(&self, input: O::Input) -> Result<Vec<String>, AwsError> {
        let row =
            self.service.row(O::MODEL.name).ok_or_else(|| AwsError::unknown_operation(&SERVICE, O::MODEL.name))?;
        let needs = row.decode(input.into_value())?.requirements(&scope())?;
        let text = |need: Requirement| {
            let resource = need.resource.map_or_else(|| "*".to_owned(), |arn| arn.resource);
            format!("{} {resource}", need.action)
        };
        Ok(needs.into_iter().map(text).collect())
    }

    async fn work(&self) {
        loop {
            let mut busy = false;
            for worker in &self.workers {
                busy |= worker.work().await == WorkerOutcome::Busy;
            }
            if !busy {
                return;
            }
        }
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn database(name: &str) -> wire::CreateDatabaseRequest {
    let database_input = Some(wire::DatabaseInput { name: some(name), ..Default::default() });
    wire::CreateDatabaseRequest { database_input, ..Default::default() }
}

fn table_input(name: &str) -> wire::TableInput {
    let column =
        |name: &str, data_type: &str| wire::Column { name: some(name), r#type: some(data_type), ..Default::default() };
    wire::TableInput {
        name: some(name),
        storage_descriptor: Some(wire::StorageDescriptor {
            columns: Some(vec![column("a", "int")]),
            location: some("s3://b/t/"),
            ..Default::default()
        }),
        partition_keys: Some(vec![column("year", "int")]),
        ..Default::default()
    }
}

fn create(name: &str) -> wire::CreateTableRequest {
    wire::CreateTableRequest { database_name: some("raw"), table_input: Some(table_input(name)), ..Default::default() }
}

fn code<T>(outcome: Result<T, AwsError>) -> String {
    outcome.map_or_else(|error| error.code, |_| "done".to_owned())
}

#[test]
fn every_operation_of_the_model_has_a_row() -> Result<(), Failure> {
    let lake = Lake::new()?;
    let names: Vec<&str> = SERVICE.operations.iter().map(|operation| operation.name).collect();
    let without: Vec<&&str> = names.iter().filter(|name| lake.service.row(name).is_none()).collect();
    assert_eq!(without, Vec::<&&str>::new());
    Ok(())
}

#[test]
fn a_table_needs_its_catalog_and_its_database() -> Result<(), Failure> {
    let lake = Lake::new()?;
    let get = |catalog_id: Option<&str>| wire::GetTableRequest {
        catalog_id: catalog_id.map(str::to_owned),
        database_name: some("RAW"),
        name: some("Flights"),
        ..Default::default()
    };
    let expected = ["glue:GetTable catalog", "glue:GetTable database/raw", "glue:GetTable table/raw/flights"];
    assert_eq!(lake.needs::<op::GetTable>(get(None))?, expected);
    assert_eq!(lake.needs::<op::GetTable>(get(Some("000000000000")))?, expected);
    assert_eq!(code(lake.needs::<op::GetTable>(get(Some("111111111111")))), "AccessDeniedException");
    let delete = wire::DeleteDatabaseRequest { name: some("raw"), ..Default::default() };
    assert_eq!(
        lake.needs::<op::DeleteDatabase>(delete)?,
        [
            "glue:DeleteDatabase catalog",
            "glue:DeleteDatabase database/raw",
            "glue:DeleteDatabase table/raw/*",
            "glue:DeleteDatabase userDefinedFunction/raw/*"
        ]
    );
    let crawler = wire::CreateCrawlerRequest { name: some("C"), role: some("service-role/r"), ..Default::default() };
    assert_eq!(
        lake.needs::<op::CreateCrawler>(crawler)?,
        ["glue:CreateCrawler crawler/C", "iam:PassRole role/service-role/r"]
    );
    let tag = |resource_arn: &str| wire::TagResourceRequest { resource_arn: some(resource_arn), ..Default::default() };
    let foreign = tag("arn:aws:glue:us-east-1:111111111111:database/raw");
    assert_eq!(code(lake.needs::<op::TagResource>(foreign)), "AccessDeniedException");
    assert_eq!(
        code(lake.needs::<op::TagResource>(tag("arn:aws:glue:us-east-1:000000000000:table/raw/t"))),
        "EntityNotFoundException"
    );
    Ok(())
}

#[tokio::test]
async fn a_commit_by_version_succeeds_once() -> Result<(), Failure> {
    let lake = Lake::with_table().await?;
    assert_eq!(code(lake.call::<op::CreateTable>(create("t")).await), "AlreadyExistsException");
    let get = wire::GetTableRequest { database_name: some("raw"), name: some("t"), ..Default::default() };
    let table = lake.call::<op::GetTable>(get).await?.table.unwrap_or_default();
    assert_eq!((table.name, table.version_id.clone()), (some("t"), some("0")));
    let mut input = table_input("t");
    input.parameters = Some(BTreeMap::from([("metadata_location".to_owned(), "s3://b/t/metadata/1.json".to_owned())]));
    let update = wire::UpdateTableRequest {
        database_name: some("raw"),
        table_input: Some(input),
        version_id: table.version_id,
        skip_archive: Some(true),
        ..Default::default()
    };
    lake.call::<op::UpdateTable>(update.clone()).await?;
    assert_eq!(code(lake.call::<op::UpdateTable>(update.clone()).await), "ConcurrentModificationException");
    let odd = wire::UpdateTableRequest { version_id: some("x"), ..update };
    assert_eq!(code(lake.call::<op::UpdateTable>(odd).await), "InvalidInputException");
    let versions =
        wire::GetTableVersionsRequest { database_name: some("raw"), table_name: some("t"), ..Default::default() };
    let versions = lake.call::<op::GetTableVersions>(versions).await?.table_versions.unwrap_or_default();
    assert_eq!(versions.into_iter().map(|version| version.version_id).collect::<Vec<_>>(), [some("1")]);
    let delete = wire::DeleteTableVersionRequest {
        database_name: some("raw"),
        table_name: some("t"),
        version_id: some("1"),
        ..Default::default()
    };
    assert_eq!(code(lake.call::<op::DeleteTableVersion>(delete).await), "InvalidInputException");
    Ok(())
}

#[tokio::test]
async fn lists_come_in_pages_and_leave_out_what_the_caller_may_not_see() -> Result<(), Failure> {
    let lake = Lake::with_table().await?;
    for name in ["hidden_1", "u", "v"] {
        lake.call::<op::CreateTable>(create(name)).await?;
    }
    lake.call::<op::CreateDatabase>(database("hidden")).await?;
    let mut names = Vec::new();
    let mut next_token = None;
    loop {
        let list = wire::GetTablesRequest {
            database_name: some("raw"),
            max_results: Some(2),
            next_token,
            ..Default::default()
        };
        let page = lake.call::<op::GetTables>(list).await?;
        names.extend(page.table_list.unwrap_or_default().into_iter().filter_map(|table| table.name));
        next_token = page.next_token;
        if next_token.is_none() {
            break;
        }
    }
    assert_eq!(names, ["t", "u", "v"]);
    let databases = lake.call::<op::GetDatabases>(Default::default()).await?.database_list.unwrap_or_default();
    assert_eq!(databases.into_iter().filter_map(|database| database.name).collect::<Vec<_>>(), ["raw"]);
    let search = wire::SearchTablesRequest { search_text: some("s3://b/"), max_results: Some(2), ..Default::default() };
    let found = lake.call::<op::SearchTables>(search.clone()).await?;
    assert_eq!(found.table_list.map(|tables| tables.len()), Some(2));
    let rest = wire::SearchTablesRequest { next_token: found.next_token, ..search };
    let rest = lake.call::<op::SearchTables>(rest).await?;
    assert_eq!((rest.table_list.map(|tables| tables.len()), rest.next_token), (Some(1), None));
    let odd = wire::GetTablesRequest { database_name: some("raw"), next_token: some("../x"), ..Default::default() };
    assert_eq!(code(lake.call::<op::GetTables>(odd).await), "InvalidInputException");
    Ok(())
}

#[tokio::test]
async fn partitions_go_through_every_call() -> Result<(), Failure> {
    let lake = Lake::with_table().await?;
    let partition = |year: &str| wire::PartitionInput {
        values: Some(vec![year.to_owned()]),
        storage_descriptor: table_input("t").storage_descriptor,
        ..Default::default()
    };
    let batch = wire::BatchCreatePartitionRequest {
        database_name: some("raw"),
        table_name: some("t"),
        partition_input_list: Some(["2012", "2013", "2014", "2013"].map(partition).to_vec()),
        ..Default::default()
    };
    let errors = lake.call::<op::BatchCreatePartition>(batch).await?.errors.unwrap_or_default();
    let codes: Vec<_> = errors.into_iter().filter_map(|error| error.error_detail?.error_code).collect();
    assert_eq!(codes, ["AlreadyExistsException"]);
    let list = |expression: &str, next_token| wire::GetPartitionsRequest {
        database_name: some("raw"),
        table_name: some("t"),
        expression: some(expression),
        max_results: Some(1),
        exclude_column_schema: Some(true),
        next_token,
        ..Default::default()
    };
    let first = lake.call::<op::GetPartitions>(list("year >= 2013", None)).await?;
    let second = lake.call::<op::GetPartitions>(list("year >= 2013", first.next_token)).await?;
    let found = [first.partitions, second.partitions].map(|page| page.unwrap_or_default()).concat();
    let years: Vec<_> = found.iter().filter_map(|partition| partition.values.clone()).flatten().collect();
    assert_eq!(years, ["2013", "2014"]);
    let columns = found.first().and_then(|partition| partition.storage_descriptor.clone()?.columns);
    assert_eq!(columns, Some(Vec::new()));
    assert_eq!(code(lake.call::<op::GetPartitions>(list("month = 1", None)).await), "InvalidInputException");
    let update = wire::UpdatePartitionRequest {
        database_name: some("raw"),
        table_name: some("t"),
        partition_value_list: Some(vec!["2014".to_owned()]),
        partition_input: Some(partition("2015")),
        ..Default::default()
    };
    lake.call::<op::UpdatePartition>(update).await?;
    let get = wire::GetPartitionRequest {
        database_name: some("raw"),
        table_name: some("t"),
        partition_values: Some(vec!["2014".to_owned()]),
        ..Default::default()
    };
    assert_eq!(code(lake.call::<op::GetPartition>(get).await), "EntityNotFoundException");
    let delete = wire::BatchDeletePartitionRequest {
        database_name: some("raw"),
        table_name: some("t"),
        partitions_to_delete: Some(
            ["2015", "1999"].map(|year| wire::PartitionValueList { values: Some(vec![year.to_owned()]) }).to_vec(),
        ),
        ..Default::default()
    };
    assert_eq!(lake.call::<op::BatchDeletePartition>(delete).await?.errors.map(|errors| errors.len()), Some(1));
    Ok(())
}

#[tokio::test]
async fn a_crawler_is_made_started_and_asked() -> Result<(), Failure> {
    let lake = Lake::new()?;
    let bucket = BucketName::new("lake")?;
    let make = CreateBucket::new(bucket.clone(), Region::us_east_1());
    lake.objects.create_bucket(&caller(), make).await?;
    let put = PutObject::new(bucket, ObjectKey::new("t/a.csv")?);
    lake.objects.put_object(&caller(), put, body_of("id,name\n1,x\n")).await?;
    let target = wire::S3Target { path: some("s3://lake/t"), ..Default::default() };
    let input = wire::CreateCrawlerRequest {
        name: some("c"),
        role: some("r"),
        database_name: some("raw"),
        targets: Some(wire::CrawlerTargets { s3_targets: Some(vec![target]), ..Default::default() }),
        tags: Some(BTreeMap::from([("team".to_owned(), "lake".to_owned())])),
        ..Default::default()
    };
    lake.call::<op::CreateCrawler>(input.clone()).await?;
    assert_eq!(code(lake.call::<op::CreateCrawler>(input.clone()).await), "AlreadyExistsException");
    for refused in [
        wire::CreateCrawlerRequest { classifiers: Some(vec!["x".to_owned()]), ..input.clone() },
        wire::CreateCrawlerRequest {
            recrawl_policy: Some(wire::RecrawlPolicy { recrawl_behavior: some("CRAWL_EVENT_MODE") }),
            ..input.clone()
        },
        wire::CreateCrawlerRequest {
            targets: Some(wire::CrawlerTargets { delta_targets: Some(vec![Default::default()]), ..Default::default() }),
            ..input
        },
    ] {
        assert_eq!(code(lake.call::<op::CreateCrawler>(refused).await), "InvalidInputException");
    }
    lake.call::<op::StartCrawler>(wire::StartCrawlerRequest { name: some("c") }).await?;
    assert_eq!(
        code(lake.call::<op::StartCrawler>(wire::StartCrawlerRequest { name: some("c") }).await),
        "CrawlerRunningException"
    );
    lake.work().await;
    let crawler =
        lake.call::<op::GetCrawler>(wire::GetCrawlerRequest { name: some("c") }).await?.crawler.unwrap_or_default();
    assert_eq!((crawler.state, crawler.last_crawl.and_then(|crawl| crawl.status)), (some("READY"), some("SUCCEEDED")));
    let filter =
        wire::CrawlsFilter { field_name: some("STATE"), filter_operator: some("EQ"), field_value: some("COMPLETED") };
    let list = wire::ListCrawlsRequest { crawler_name: some("c"), filters: Some(vec![filter]), ..Default::default() };
    let crawls = lake.call::<op::ListCrawls>(list).await?.crawls.unwrap_or_default();
    assert!(
        crawls.first().and_then(|crawl| crawl.summary.as_ref()).is_some_and(|summary| summary.contains("\\\"t\\\"")),
        "{crawls:?}"
    );
    let metrics =
        lake.call::<op::GetCrawlerMetrics>(Default::default()).await?.crawler_metrics_list.unwrap_or_default();
    assert_eq!(metrics.first().and_then(|metrics| metrics.tables_created), Some(1));
    let tags = wire::GetTagsRequest { resource_arn: some("arn:aws:glue:us-east-1:000000000000:crawler/c") };
    assert_eq!(
        lake.call::<op::GetTags>(tags).await?.tags.unwrap_or_default().get("team").map(String::as_str),
        Some("lake")
    );
    assert_eq!(
        code(lake.call::<op::StopCrawler>(wire::StopCrawlerRequest { name: some("c") }).await),
        "CrawlerNotRunningException"
    );
    Ok(())
}

#[tokio::test]
async fn what_has_no_meaning_here_is_refused() -> Result<(), Failure> {
    let lake = Lake::with_table().await?;
    let target = wire::TableIdentifier { database_name: some("x"), name: some("y"), ..Default::default() };
    let link = wire::TableInput { target_table: Some(target), ..table_input("link") };
    let link = wire::CreateTableRequest { table_input: Some(link), ..create("link") };
    assert_eq!(code(lake.call::<op::CreateTable>(link).await), "InvalidInputException");
    let transaction = wire::CreateTableRequest { transaction_id: some("1"), ..create("x") };
    assert_eq!(code(lake.call::<op::CreateTable>(transaction).await), "InvalidInputException");
    let nobody = wire::DatabaseInput {
        name: some("p"),
        create_table_default_permissions: Some(Vec::new()),
        ..Default::default()
    };
    let nobody = wire::CreateDatabaseRequest { database_input: Some(nobody), ..Default::default() };
    assert_eq!(code(lake.call::<op::CreateDatabase>(nobody).await), "InvalidInputException");
    let default = wire::GetDatabaseRequest { name: some("default"), ..Default::default() };
    assert_eq!(code(lake.call::<op::GetDatabase>(default).await), "EntityNotFoundException");
    let functions =
        wire::GetUserDefinedFunctionsRequest { database_name: some("raw"), pattern: some("*"), ..Default::default() };
    assert_eq!(
        lake.call::<op::GetUserDefinedFunctions>(functions).await?.user_defined_functions.map(|all| all.len()),
        Some(0)
    );
    Ok(())
}
