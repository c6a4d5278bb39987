//! Crawls over real bytes in memory: from objects to tables, and what a crawl says of files that cannot be read.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use tarn_audit::{Caller, EventDraft};
use tarn_blobs::MemoryBlobs;
use tarn_catalog::{Catalog, Table};
use tarn_keys::Keys;
use tarn_metadata::{MemoryStore, Store};
use tarn_objects::{BucketName, CreateBucket, DeleteObject, ObjectKey, Objects, ObjectsOptions, PutObject, body_of};
use tarn_policy::{Authorized, Authorizer, BoundAuthorizer, Context, Denied, Principal, Requirement};
use tarn_runtime::{FixedClock, Runtime, Shutdown, Timestamp, Worker, WorkerOutcome};
use tarn_types::{AccountId, Region, Scope};

use crate::*;

type Failure = Box<dyn std::error::Error + Send + Sync>;

struct Anyone;

impl Authorizer for Anyone {
    fn authorize(&self, principal: &Principal, _: Vec<Requirement>, _: &Context) -> Result<Authorized, Denied> {
        Ok(Authorized::internal("test", principal.account.clone()))
    }
}

struct Lake {
    crawlers: Crawlers,
    catalog: Catalog,
    objects: Objects,
    clock: Arc<FixedClock>,
    proof: Authorized,
    workers: Vec<Arc<dyn Worker>>,
}

impl Lake {
    async fn new() -> Result<Self, Failure> {
        let (runtime, clock) = Runtime::fixed("2026-11-22T12:00:00Z".parse::<Timestamp>()?, 7);
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let keys = Arc::new(Keys::ephemeral(&runtime)?);
        let objects = Objects::new(
            store.clone(),
            Arc::new(MemoryBlobs::default()),
            keys,
            runtime.clone(),
            ObjectsOptions::default(),
        );
        let catalog = Catalog::new(store.clone(), runtime.clone());
        let crawlers = Crawlers::new(store, catalog.clone(), objects.clone(), runtime);
        let workers = crawlers.workers(&Shutdown::new());
        let proof = Authorized::internal("test", AccountId::first());
        let lake = Self { crawlers, catalog, objects, clock, proof, workers };
        let bucket = CreateBucket::new(BucketName::new("lake")?, Region::us_east_1());
        lake.objects.create_bucket(&lake.caller(), bucket).await?;
        Ok(lake)
    }

    fn caller(&self) -> Caller {
        let account = AccountId::first();
        let principal = Principal::root(account.clone());
        let event = EventDraft {
            id: [0; 16],
            request_id: "request".to_owned(),
            time_ms: 0,
            event_source: "glue.amazonaws.com".to_owned(),
            event_name: "Test".to_owned(),
            read_only: false,
            management: true,
            scope: Scope { account, region: Region::us_east_1() },
            principal: principal.clone(),
            source_ip: "127.0.0.1".to_owned(),
            user_agent: String::new(),
            request_parameters: "null".to_owned(),
            resources: Vec::new(),
        };
        Caller::new(self.proof.clone(), BoundAuthorizer::new(Arc::new(Anyone), principal, Context::new()), event)
    }

    async fn put(&self, key: &str, bytes: impl Into<bytes::Bytes>) -> Result<(), Failure> {
        let request = PutObject::new(BucketName::new("lake")?, ObjectKey::new(key)?);
        self.objects.put_object(&self.caller(), request, body_of(bytes)).await?;
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<(), Failure> {
        let delete = DeleteObject::new(ObjectKey::new(key)?);
        self.objects.delete_object(&self.caller(), &BucketName::new("lake")?, delete).await?;
        Ok(())
    }

    async fn create(&self, input: CrawlerInput) -> Result<(), Failure> {
        Ok(self.crawlers.create_crawler(&self.caller(), input, BTreeMap::new()).await?)
    }

    /// Runs the workers until none has anything to do.
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

    async fn crawl(&self, name: &str) -> Result<Crawl, Failure> {
        self.clock.advance(std::time::Duration::from_secs(60));
        self.crawlers.start_crawler(&self.caller(), name).await?;
        self.work().await;
        let crawler = self.crawlers.crawler(&self.proof, name)?;
        assert_eq!(crawler.state, CrawlerState::Ready);
        crawler.last_crawl.ok_or_else(|| "there was no crawl".into())
    }

    fn table(&self, name: &str) -> Result<Table, Failure> {
        Ok(self.catalog.table(&self.proof, "raw", name)?)
    }

    fn columns(&self, name: &str) -> Result<String, Failure> {
        let table = self.table(name)?;
        let column =
            |column: &tarn_catalog::Column| format!("{}:{}", column.name, column.data_type.clone().unwrap_or_default());
        Ok(table.columns().iter().map(column).collect::<Vec<_>>().join(" "))
    }
}

fn crawler(name: &str, path: &str) -> CrawlerInput {
    CrawlerInput {
        name: name.to_owned(),
        role: "crawler-role".to_owned(),
        database_name: "raw".to_owned(),
        s3_targets: vec![S3Target { path: path.to_owned(), ..S3Target::default() }],
        ..CrawlerInput::default()
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).unwrap_or_default()
}

fn parquet_file() -> Result<Vec<u8>, Failure> {
    let columns: [(&str, ArrayRef); 2] =
        [("Id", Arc::new(Int64Array::from(vec![1, 2, 3]))), ("name", Arc::new(StringArray::from(vec!["a", "b", "c"])))];
    let batch = RecordBatch::try_from_iter(columns)?;
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None)?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(bytes)
}

const FLIGHTS: &str = "year,month,dep_time,carrier\n2013,1,517,UA\n2013,1,NA,AA\n";

#[tokio::test]
async fn a_crawl_finds_tables_of_every_format() -> Result<(), Failure> {
    let lake = Lake::new().await?;
    lake.put("in/flights/flights.csv.gz", gzip(FLIGHTS)).await?;
    lake.put("in/airlines/airlines.csv", "carrier,name\n9E,\"Endeavor Air, Inc.\"\n").await?;
    lake.put("in/events/year=2013/month=01/a.json", "{\"Id\":1,\"at\":{\"x\":1.5}}\n").await?;
    lake.put("in/events/year=2013/month=02/b.json", "{\"id\":3000000000}\n").await?;
    lake.put("in/facts/part-0.parquet", parquet_file()?).await?;
    lake.put("in/facts/_SUCCESS", "x").await?;
    lake.put("in/facts/.part-0.crc", "x").await?;
    lake.put("in/packed/w.zst", zstd::encode_all(&b"a|b\n1|x\n"[..], 1)?).await?;
    lake.put("in/left/out.csv", FLIGHTS).await?;
    let mut input = crawler("c", "s3://lake/in");
    input.s3_targets[0].exclusions = vec!["left/**".to_owned()];
    lake.create(input).await?;
    let crawl = lake.crawl("c").await?;
    assert_eq!((crawl.state, crawl.messages.clone()), (CrawlState::Completed, vec![]));
    assert_eq!(crawl.summary.tables_created, ["airlines", "events", "facts", "flights", "packed"]);
    assert_eq!(lake.columns("flights")?, "year:bigint month:bigint dep_time:string carrier:string");
    assert_eq!(lake.columns("airlines")?, "carrier:string name:string");
    assert_eq!(lake.columns("events")?, "id:bigint at:struct<x:double>");
    assert_eq!(lake.columns("facts")?, "id:bigint name:string");
    assert_eq!(lake.columns("packed")?, "a:bigint b:string");
    let flights = lake.table("flights")?;
    let parameters = &flights.definition.parameters;
    let parameter = |key: &str| parameters.get(key).map(String::as_str);
    assert_eq!(flights.location(), Some("s3://lake/in/flights/"));
    assert_eq!(
        [
            "classification",
            "compressionType",
            "delimiter",
            "skip.header.line.count",
            "recordCount",
            "objectCount",
            "UPDATED_BY_CRAWLER"
        ]
        .map(parameter),
        [Some("csv"), Some("gzip"), Some(","), Some("1"), Some("2"), Some("1"), Some("c")]
    );
    let airlines = lake.table("airlines")?.definition.storage_descriptor.and_then(|storage| storage.serde_info);
    let library = airlines.and_then(|serde| serde.serialization_library);
    assert_eq!(library.as_deref(), Some("org.apache.hadoop.hive.serde2.OpenCSVSerde"));
    let events = lake.table("events")?;
    let keys: Vec<&str> = events.partition_keys().iter().map(|key| key.name.as_str()).collect();
    assert_eq!(keys, ["year", "month"]);
    assert_eq!(crawl.summary.partitions_created, 2);
    let values = ["2013".to_owned(), "02".to_owned()];
    let partition = lake.catalog.partition(&lake.proof, "raw", "events", &values)?;
    assert_eq!(partition.location(), Some("s3://lake/in/events/year=2013/month=02/"));
    assert_eq!(lake.table("facts")?.definition.parameters.get("recordCount").map(String::as_str), Some("3"));
    Ok(())
}

#[tokio::test]
async fn a_second_crawl_updates_what_has_changed() -> Result<(), Failure> {
    let lake = Lake::new().await?;
    lake.put("t/day=1/a.csv", "id,name\n1,x\n").await?;
    lake.put("gone/a.json", "{\"a\":1}\n").await?;
    lake.create(crawler("c", "s3://lake/")).await?;
    assert_eq!(lake.crawl("c").await?.summary.tables_created, ["gone", "t"]);
    let again = lake.crawl("c").await?.summary;
    assert_eq!((again.tables_updated.len(), again.partitions_created, again.partitions_updated), (0, 0, 0));
    assert_eq!(lake.table("t")?.version_id, 0);
    lake.put("t/day=2/a.csv", "id,name,extra\n1,x,2.5\n").await?;
    lake.delete("gone/a.json").await?;
    let changed = lake.crawl("c").await?.summary;
    assert_eq!(changed.tables_updated, ["t"]);
    assert_eq!((changed.partitions_created, changed.tables_deleted), (1, vec!["gone".to_owned()]));
    assert_eq!(lake.columns("t")?, "id:bigint name:string extra:double");
    assert!(lake.table("gone")?.definition.parameters.contains_key("DEPRECATED_BY_CRAWLER"));
    let update = CrawlerUpdate {
        behaviors: Some((UpdateBehavior::Log, DeleteBehavior::DeleteFromDatabase)),
        ..CrawlerUpdate::default()
    };
    lake.crawlers.update_crawler(&lake.caller(), "c", update).await?;
    lake.put("t/day=3/a.csv", "id,name,extra,more\n1,x,2.5,true\n").await?;
    lake.delete("t/day=1/a.csv").await?;
    let logged = lake.crawl("c").await?;
    assert!(
        logged.messages.iter().any(|message| message.contains("table t: its schema has changed")),
        "{:?}",
        logged.messages
    );
    assert_eq!((logged.summary.partitions_created, logged.summary.partitions_deleted), (1, 1));
    assert_eq!(lake.columns("t")?, "id:bigint name:string extra:double");
    assert!(lake.table("gone").is_err());
    Ok(())
}

#[tokio::test]
async fn broken_files_are_named_and_the_others_are_crawled() -> Result<(), Failure> {
    let lake = Lake::new().await?;
    let packed = gzip(&FLIGHTS.repeat(200));
    lake.put("in/good/a.csv", FLIGHTS).await?;
    lake.put("in/cut/a.csv.gz", packed[..packed.len() - 20].to_vec()).await?;
    lake.put("in/ragged/a.csv", "a,b\n1\n1,2,3\n1,2\n").await?;
    lake.put("in/broken/a.json", "{\"a\":1}\n{\"a\":\n").await?;
    let mut footer = parquet_file()?;
    let at = footer.len() - 20;
    footer[at] ^= 0xff;
    footer[at - 40..at].fill(0xff);
    lake.put("in/footer/a.parquet", footer).await?;
    lake.put("in/tail/a.parquet", parquet_file()?[..60].to_vec()).await?;
    lake.create(crawler("c", "s3://lake/in")).await?;
    let crawl = lake.crawl("c").await?;
    assert_eq!(crawl.state, CrawlState::Completed);
    assert_eq!(crawl.summary.tables_created, ["broken", "good"]);
    for (file, part) in [
        ("s3://lake/in/cut/a.csv.gz", "gzip data is broken or ends too soon"),
        ("s3://lake/in/ragged/a.csv", "rows are ragged: line 2 has 1 fields"),
        ("s3://lake/in/broken/a.json", "line 2 is not JSON"),
        ("s3://lake/in/footer/a.parquet", "the Parquet footer does not read"),
        ("s3://lake/in/tail/a.parquet", "does not end in PAR1"),
    ] {
        let named =
            crawl.messages.iter().any(|message| message.starts_with(&format!("{file}: ")) && message.contains(part));
        assert!(named, "{file}: {:?}", crawl.messages);
    }
    Ok(())
}

#[tokio::test]
async fn a_crawler_runs_once_at_a_time_and_by_schedule() -> Result<(), Failure> {
    let lake = Lake::new().await?;
    lake.put("t/a.csv", FLIGHTS).await?;
    lake.create(CrawlerInput { schedule: Some("cron(30 12 * * ? *)".to_owned()), ..crawler("c", "s3://lake/t") })
        .await?;
    assert!(
        matches!(lake.create(crawler("c", "s3://lake/t")).await, Err(error) if error.to_string() == "Crawler c already exists.")
    );
    lake.crawlers.start_crawler(&lake.caller(), "c").await?;
    assert!(matches!(lake.crawlers.start_crawler(&lake.caller(), "c").await, Err(CrawlersError::Running { .. })));
    assert!(matches!(lake.crawlers.delete_crawler(&lake.caller(), "c").await, Err(CrawlersError::Running { .. })));
    lake.crawlers.stop_crawler(&lake.caller(), "c").await?;
    assert!(matches!(lake.crawlers.stop_crawler(&lake.caller(), "c").await, Err(CrawlersError::Stopping { .. })));
    lake.work().await;
    let states = |lake: &Lake| -> Result<Vec<CrawlState>, Failure> {
        let crawls = lake.crawlers.crawls(&lake.proof, "c", None, 10, |_| true)?.crawls;
        Ok(crawls.iter().map(|crawl| crawl.state).collect())
    };
    assert_eq!(states(&lake)?, [CrawlState::Stopped]);
    assert!(matches!(lake.crawlers.stop_crawler(&lake.caller(), "c").await, Err(CrawlersError::NotRunning { .. })));
    lake.clock.advance(std::time::Duration::from_secs(30 * 60));
    lake.work().await;
    assert_eq!(states(&lake)?, [CrawlState::Completed, CrawlState::Stopped]);
    assert_eq!(lake.crawlers.crawl_metrics(&lake.proof, "c")?.tables_created, 1);
    let page = lake.crawlers.crawls(&lake.proof, "c", None, 1, |_| true)?;
    assert_eq!(page.crawls.len(), 1);
    assert_eq!(lake.crawlers.crawls(&lake.proof, "c", page.next, 1, |_| true)?.crawls[0].state, CrawlState::Stopped);
    lake.crawlers.delete_crawler(&lake.caller(), "c").await?;
    assert!(matches!(lake.crawlers.crawler(&lake.proof, "c"), Err(CrawlersError::NotFound { .. })));
    Ok(())
}

#[tokio::test]
async fn a_crawl_of_a_process_that_ended_is_ended_by_the_next() -> Result<(), Failure> {
    let lake = Lake::new().await?;
    lake.create(crawler("c", "s3://lake/t")).await?;
    lake.crawlers.start_crawler(&lake.caller(), "c").await?;
    let next = Crawlers::new(
        lake.crawlers.store.clone(),
        lake.catalog.clone(),
        lake.objects.clone(),
        lake.crawlers.runtime.clone(),
    );
    for worker in next.workers(&Shutdown::new()) {
        worker.work().await;
    }
    let crawler = next.crawler(&lake.proof, "c")?;
    assert_eq!(
        (crawler.state, crawler.last_crawl.map(|crawl| crawl.state)),
        (CrawlerState::Ready, Some(CrawlState::Failed))
    );
    Ok(())
}

#[tokio::test]
async fn what_a_crawler_cannot_do_is_refused_or_fails_with_a_reason() -> Result<(), Failure> {
    let lake = Lake::new().await?;
    let refused = [
        CrawlerInput { name: String::new(), ..crawler("c", "s3://lake") },
        CrawlerInput { role: "arn:aws:iam::1:user/x".to_owned(), ..crawler("c", "s3://lake") },
        CrawlerInput { database_name: String::new(), ..crawler("c", "s3://lake") },
        CrawlerInput { schedule: Some("rate(1 day)".to_owned()), ..crawler("c", "s3://lake") },
        CrawlerInput { configuration: Some("{}".to_owned()), ..crawler("c", "s3://lake") },
        CrawlerInput { s3_targets: Vec::new(), ..crawler("c", "s3://lake") },
        crawler("c", "http://lake"),
    ];
    for input in refused {
        assert!(lake.create(input.clone()).await.is_err(), "{input:?}");
    }
    lake.create(crawler("c", "s3://nobodys-bucket/x")).await?;
    let crawl = lake.crawl("c").await?;
    assert_eq!(crawl.state, CrawlState::Failed);
    assert!(
        crawl
            .error_message()
            .is_some_and(|text| text.contains("the bucket does not exist, or is not of the crawler's account"))
    );
    Ok(())
}
