//! Streams over a store, blobs and objects in memory, with a clock that stands still until moved.
#![allow(clippy::unwrap_used)]

mod crashes;

use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use parquet::file::reader::{FileReader, SerializedFileReader};
use tarn_audit::{Caller, EventDraft};
use tarn_blobs::MemoryBlobs;
use tarn_catalog::{Catalog, CatalogError, Column, DatabaseInput, ListPartitions, StorageDescriptor, TableInput};
use tarn_keys::Keys;
use tarn_metadata::{Key, MemoryStore, Read as _, Sequence, Store, StoreExt};
use tarn_objects::{BucketName, CreateBucket, ListObjects, ObjectKey, Objects, ObjectsOptions};
use tarn_policy::{Authorized, Authorizer, BoundAuthorizer, Context, Denied, DeniedBecause, Principal, Requirement};
use tarn_runtime::{FixedClock, Runtime, Timestamp};
use tarn_types::{AccountId, Region, Scope};

use crate::keyspaces::{CHUNKS, PLANS};
use crate::*;

struct Everyone;

/// Lets everybody in until it is closed. Knows the condition keys of who came last.
#[derive(Default)]
struct Door(AtomicBool, Mutex<Context>);

impl Authorizer for Door {
    fn authorize(&self, who: &Principal, needs: Vec<Requirement>, context: &Context) -> Result<Authorized, Denied> {
        *self.1.lock() = context.clone();
        if !self.0.load(Ordering::Acquire) {
            return Ok(proof());
        }
        let Requirement { action, resource, .. } = needs.into_iter().next().unwrap();
        Err(Denied { principal: who.clone(), action, resource, because: DeniedBecause::NothingAllows })
    }
}

impl Authorizer for Everyone {
    fn authorize(&self, _: &Principal, _: Vec<Requirement>, _: &Context) -> Result<Authorized, Denied> {
        Ok(proof())
    }
}

fn proof() -> Authorized {
    Authorized::internal("test.amazonaws.com", AccountId::first())
}

struct Lake {
    streams: Arc<Streams>,
    objects: Arc<Objects>,
    catalog: Arc<Catalog>,
    store: Arc<MemoryStore>,
    blobs: MemoryBlobs,
    keys: Arc<Keys>,
    runtime: Runtime,
    clock: Arc<FixedClock>,
    door: Arc<Door>,
}

impl Lake {
    async fn new() -> Self {
        let (runtime, clock) = Runtime::fixed("2013-01-02T03:04:05Z".parse::<Timestamp>().unwrap(), 11);
        let store = Arc::new(MemoryStore::new());
        let shared: Arc<dyn Store> = store.clone();
        let keys = Arc::new(Keys::ephemeral(&runtime).unwrap());
        let objects = Arc::new(Objects::new(
            shared.clone(),
            Arc::new(MemoryBlobs::new()),
            keys.clone(),
            runtime.clone(),
            ObjectsOptions::default(),
        ));
        let catalog = Arc::new(Catalog::new(shared, runtime.clone()));
        let blobs = MemoryBlobs::new();
        let door = Arc::new(Door::default());
        let streams = open(&store, &blobs, &keys, &objects, &catalog, &door, &runtime).await;
        let lake = Self { streams, objects, catalog, store, blobs, keys, runtime, clock, door };
        let name = BucketName::new("lake-raw").unwrap();
        lake.objects.create_bucket(&lake.caller(), CreateBucket::new(name, Region::us_east_1())).await.unwrap();
        lake
    }

    /// As after a crash: only what is in the store and the blobs is known.
    async fn restart(&mut self) {
        let Self { store, blobs, keys, objects, catalog, door, runtime, .. } = &*self;
        self.streams = open(store, blobs, keys, objects, catalog, door, runtime).await;
    }

    fn caller(&self) -> Caller {
        let principal = Principal::root(AccountId::first());
        let event = EventDraft {
            id: [1; 16],
            request_id: "test".to_owned(),
            time_ms: self.runtime.now().as_millisecond(),
            event_source: "firehose.amazonaws.com".to_owned(),
            event_name: "Test".to_owned(),
            read_only: false,
            management: true,
            scope: scope(),
            principal: principal.clone(),
            source_ip: "127.0.0.1".to_owned(),
            user_agent: "test".to_owned(),
            request_parameters: "null".to_owned(),
            resources: Vec::new(),
        };
        let authorizer = BoundAuthorizer::new(Arc::new(Everyone), principal, Context::new());
        Caller::new(proof(), authorizer, event)
    }

    async fn create(&self, destination: S3Destination) -> DeliveryStream {
        let request = CreateDeliveryStream { name: "weather".to_owned(), destination, tags: Vec::new() };
        self.streams.create_delivery_stream(&self.caller(), request).await.unwrap()
    }

    async fn put(&self, records: &[&str]) {
        let records = records.iter().map(|text| Bytes::copy_from_slice(text.as_bytes())).collect();
        self.streams.put_records(&self.caller(), "weather", records).await.unwrap();
    }

    async fn deliver_after(&self, seconds: u64) -> usize {
        self.clock.advance(Duration::from_secs(seconds));
        let delivered = self.streams.deliver_due().await;
        while self.streams.collect_garbage().await.unwrap() {}
        delivered
    }

    async fn delivered(&self) -> Vec<(String, Bytes)> {
        let bucket = BucketName::new("lake-raw").unwrap();
        let listing = self.objects.list_objects(&proof(), &ListObjects::new(bucket.clone(), "")).unwrap();
        let mut found = Vec::new();
        for listed in listing.objects {
            let version = self.objects.head_object(&proof(), &bucket, &ObjectKey::new(&listed.key).unwrap()).unwrap();
            found.push((listed.key, self.objects.read_whole(&proof(), &version, 1 << 30).await.unwrap()));
        }
        found
    }

    fn chunks(&self) -> usize {
        self.store.read().unwrap().prefix(CHUNKS, &Key::new()).count()
    }
}

async fn open(
    store: &Arc<MemoryStore>,
    blobs: &MemoryBlobs,
    keys: &Arc<Keys>,
    objects: &Arc<Objects>,
    catalog: &Arc<Catalog>,
    door: &Arc<Door>,
    runtime: &Runtime,
) -> Arc<Streams> {
    let store: Arc<dyn Store> = store.clone();
    let blobs: Arc<dyn BlobStore> = Arc::new(blobs.clone());
    let options = StreamsOptions { backlog_bytes_max: 8 << 20, ..StreamsOptions::default() };
    let opened = Streams::open(
        store,
        blobs,
        keys.clone(),
        objects.clone(),
        catalog.clone(),
        door.clone(),
        runtime.clone(),
        options,
    )
    .await;
    Arc::new(opened.unwrap())
}

fn scope() -> Scope {
    Scope { account: AccountId::first(), region: Region::us_east_1() }
}

fn destination() -> S3Destination {
    S3Destination {
        bucket: "lake-raw".to_owned(),
        role_arn: "arn:aws:iam::000000000000:role/lake-ingest".to_owned(),
        prefix: "weather/".to_owned(),
        error_output_prefix: "errors/".to_owned(),
        buffering: BufferingHints { size_bytes: 1 << 20, interval_seconds: 60 },
        compression: Compression::Uncompressed,
        delimiter: Some(b"\n".to_vec()),
        conversion: None,
        file_extension: None,
        time_zone: String::new(),
        extended: true,
    }
}

#[tokio::test]
async fn records_are_delivered_when_they_are_old_or_many() {
    let lake = Lake::new().await;
    lake.create(destination()).await;
    lake.put(&["a", "b"]).await;
    lake.put(&["c"]).await;
    assert_eq!(lake.deliver_after(59).await, 0);
    assert_eq!(lake.deliver_after(1).await, 1);
    let delivered = lake.delivered().await;
    let [(key, body)] = delivered.as_slice() else { panic!("{delivered:?}") };
    assert!(key.starts_with("weather/2013/01/02/03/weather-1-2013-01-02-03-04-05-"), "{key}");
    assert_eq!(body.as_ref(), b"a\nb\nc\n");
    assert_eq!(lake.chunks(), 0);
    // Many: 1.5 MiB goes at once, whatever its age.
    let large = "x".repeat(500_000);
    for _ in 0..3 {
        lake.put(&[&large]).await;
    }
    assert_eq!(lake.blobs.count(), 3);
    assert_eq!(lake.deliver_after(0).await, 1);
    assert_eq!(lake.delivered().await.len(), 2);
    assert_eq!((lake.chunks(), lake.blobs.count()), (0, 0));
}

#[tokio::test]
async fn compressed_objects_open_to_their_records() {
    for (compression, extension) in [(Compression::Gzip, ".gz"), (Compression::Zstd, ".zst")] {
        let lake = Lake::new().await;
        lake.create(S3Destination { compression, ..destination() }).await;
        lake.put(&["one", "two"]).await;
        assert_eq!(lake.deliver_after(60).await, 1);
        let (key, body) = lake.delivered().await.remove(0);
        assert!(key.ends_with(extension), "{key}");
        let mut text = String::new();
        match compression {
            Compression::Gzip => drop(flate2::read::GzDecoder::new(&*body).read_to_string(&mut text).unwrap()),
            _ => text = String::from_utf8(zstd::decode_all(&*body).unwrap()).unwrap(),
        }
        assert_eq!(text, "one\ntwo\n");
    }
}

#[tokio::test]
async fn what_a_crash_left_is_delivered_once() {
    let mut lake = Lake::new().await;
    let stream = lake.create(destination()).await;
    lake.put(&["kept"]).await;
    lake.restart().await;
    assert_eq!(lake.deliver_after(60).await, 1);
    assert_eq!(lake.delivered().await.len(), 1);
    // Crash between the put and its settlement: the plan and the chunks are there again, and one more chunk came.
    lake.put(&["again"]).await;
    let before = lake.store.read().unwrap().sequence();
    assert_eq!(lake.deliver_after(60).await, 1);
    let objects_after_put = lake.delivered().await;
    restore(&lake, before, &stream).await;
    lake.restart().await;
    lake.put(&["later"]).await;
    assert_eq!(lake.deliver_after(0).await, 1);
    assert_eq!(lake.delivered().await, objects_after_put, "the same key with the same bytes");
    assert_eq!(lake.deliver_after(60).await, 1);
    let bodies: Vec<Bytes> = lake.delivered().await.into_iter().map(|(_, body)| body).collect();
    assert_eq!(bodies.len(), 3);
    for text in ["kept\n", "again\n", "later\n"] {
        assert_eq!(bodies.iter().filter(|body| body.as_ref() == text.as_bytes()).count(), 1, "{text}");
    }
}

/// Puts back the chunks and the plan that transactions after `before` removed.
async fn restore(lake: &Lake, before: Sequence, stream: &DeliveryStream) {
    let changed = lake.store.changes_since(Sequence(0), 10_000).await.unwrap();
    let mut plan = None;
    let mut chunks = std::collections::BTreeMap::new();
    for transaction in &changed {
        for change in &transaction.changes {
            if let Some(Ok((key, Some(record)))) = change.of(PLANS) {
                plan = Some((key, record));
            }
            match change.of(CHUNKS) {
                Some(Ok((key, Some(record)))) => drop(chunks.insert(key, record)),
                Some(Ok((key, None))) if transaction.sequence <= before => drop(chunks.remove(&key)),
                _ => {}
            }
        }
    }
    let (key, plan) = plan.unwrap();
    assert_eq!(plan.stream.id, stream.id);
    lake.store
        .write(move |tx| {
            tx.put(PLANS, &key, &plan)?;
            chunks.iter().try_for_each(|(key, chunk)| tx.put(CHUNKS, key, chunk))
        })
        .await
        .unwrap();
}

async fn table(lake: &Lake, location: &str) {
    let caller = lake.caller();
    let database = DatabaseInput { name: "raw".to_owned(), ..DatabaseInput::default() };
    let made = lake.catalog.create_database(&caller, database, Default::default()).await;
    assert!(matches!(made, Ok(_) | Err(CatalogError::DatabaseExists { .. })), "{made:?}");
    let storage = StorageDescriptor {
        columns: vec![Column::new("id", "bigint"), Column::new("temp", "double")],
        location: Some(location.to_owned()),
        ..StorageDescriptor::default()
    };
    let definition = TableInput {
        name: "weather".to_owned(),
        storage_descriptor: Some(storage),
        partition_keys: vec![Column::new("day", "string")],
        ..TableInput::default()
    };
    lake.catalog.create_table(&caller, "raw", definition, Vec::new()).await.unwrap();
}

fn conversion() -> Conversion {
    Conversion {
        database: "raw".to_owned(),
        table: "weather".to_owned(),
        version_id: None,
        role_arn: String::new(),
        input: JsonInput::OpenX { case_insensitive: true, dots_to_underscores: false, mappings: Vec::new() },
        compression: ParquetCompression::Snappy,
        dictionary: true,
        block_size_bytes: 64 << 20,
        page_size_bytes: 1 << 20,
    }
}

#[tokio::test]
async fn records_become_parquet_in_a_registered_partition_and_misfits_are_kept() {
    let lake = Lake::new().await;
    table(&lake, "s3://lake-raw/weather/").await;
    lake.create(S3Destination {
        prefix: "weather/day=!{timestamp:yyyy-MM-dd}/".to_owned(),
        buffering: BufferingHints { size_bytes: 64 << 20, interval_seconds: 60 },
        conversion: Some(conversion()),
        delimiter: None,
        ..destination()
    })
    .await;
    lake.put(&[r#"{"id": 1, "temp": 39.02}"#, "broken", r#"{"id": 2}"#]).await;
    assert_eq!(lake.deliver_after(60).await, 1);
    let mut delivered = lake.delivered().await;
    assert_eq!(delivered.len(), 2, "{delivered:?}");
    let (key, file) = delivered.pop().unwrap();
    assert!(key.starts_with("weather/day=2013-01-02/") && key.ends_with(".parquet"), "{key}");
    assert_eq!(SerializedFileReader::new(file).unwrap().metadata().file_metadata().num_rows(), 2);
    let (key, errors) = delivered.pop().unwrap();
    assert!(key.starts_with("errors/format-conversion-failed/2013/01/02/03/"), "{key}");
    let document: serde_json::Value = serde_json::from_slice(&errors).unwrap();
    assert_eq!(document["rawData"], "YnJva2Vu");
    assert_eq!(document["lastErrorCode"], "DataFormatConversion.ParseError");
    let page = lake
        .catalog
        .partitions(&proof(), "raw", "weather", &ListPartitions { limit: 10, ..ListPartitions::default() })
        .unwrap();
    let values: Vec<&[String]> = page.partitions.iter().map(|partition| partition.values()).collect();
    assert_eq!(values, [["2013-01-02".to_owned()].as_slice()]);
    assert_eq!(page.partitions[0].location(), Some("s3://lake-raw/weather/day=2013-01-02/"));
}

#[tokio::test]
async fn a_raw_delivery_below_a_table_registers_its_partition() {
    let lake = Lake::new().await;
    table(&lake, "s3://lake-raw/weather").await;
    lake.create(S3Destination { prefix: "weather/day=!{timestamp:yyyy-MM-dd}/".to_owned(), ..destination() }).await;
    for _ in 0..2 {
        lake.put(&[r#"{"id": 1}"#]).await;
        assert_eq!(lake.deliver_after(60).await, 1);
    }
    let page = lake
        .catalog
        .partitions(&proof(), "raw", "weather", &ListPartitions { limit: 10, ..ListPartitions::default() })
        .unwrap();
    assert_eq!(page.partitions.len(), 1);
}

#[tokio::test]
async fn a_failed_delivery_keeps_its_records_and_is_tried_again() {
    let lake = Lake::new().await;
    lake.create(S3Destination { bucket: "not-there-yet".to_owned(), ..destination() }).await;
    lake.put(&["patient"]).await;
    assert_eq!(lake.deliver_after(60).await, 0);
    assert_eq!(lake.deliver_after(0).await, 0, "not before the pause is over");
    assert_eq!(lake.chunks(), 1);
    let name = BucketName::new("not-there-yet").unwrap();
    lake.objects.create_bucket(&lake.caller(), CreateBucket::new(name, Region::us_east_1())).await.unwrap();
    assert_eq!(lake.deliver_after(1).await, 1);
    assert_eq!(lake.chunks(), 0);
    // Too much undelivered: producers are told to wait, and nothing is dropped.
    let lake = Lake::new().await;
    lake.create(S3Destination { bucket: "not-there-yet".to_owned(), ..destination() }).await;
    let large = "x".repeat(1_000_000);
    for _ in 0..9 {
        lake.put(&[&large]).await;
    }
    let refused = lake.streams.put_records(&lake.caller(), "weather", vec![Bytes::from_static(b"x")]).await;
    assert!(matches!(refused, Err(StreamsError::Backlog { .. })), "{refused:?}");
    assert_eq!(lake.chunks(), 9);
}

#[tokio::test]
async fn a_full_stream_takes_what_it_has_room_for() {
    let lake = Lake::new().await;
    lake.create(S3Destination { bucket: "not-there-yet".to_owned(), ..destination() }).await;
    for _ in 0..8 {
        lake.put(&[&"x".repeat(1_000_000)]).await;
    }
    let batch = |count: usize| vec![Bytes::from(vec![b'y'; 300_000]); count];
    let put = async |count| lake.streams.put_records(&lake.caller(), "weather", batch(count)).await;
    let taken = put(4).await.unwrap();
    let refused = |taken: &Result<RecordId, StreamsError>| matches!(taken, Err(StreamsError::Backlog { .. }));
    assert_eq!(taken.iter().map(refused).collect::<Vec<_>>(), [false, false, true, true]);
    assert!(matches!(put(1).await, Err(StreamsError::Backlog { .. })));
    // What was taken is there, and nothing else.
    let name = BucketName::new("not-there-yet").unwrap();
    let bucket = CreateBucket::new(name.clone(), Region::us_east_1());
    lake.objects.create_bucket(&lake.caller(), bucket).await.unwrap();
    while lake.deliver_after(60).await > 0 {}
    let listing = lake.objects.list_objects(&proof(), &ListObjects::new(name, "")).unwrap();
    let sizes: u64 = listing.objects.iter().map(|object| object.version.size_bytes).sum();
    let delimiters = destination().delimiter.map_or(0, |delimiter| delimiter.len() as u64) * 10;
    assert_eq!(sizes, 8_600_000 + delimiters);
}

#[tokio::test]
async fn a_delivery_asks_the_policies_of_its_day() {
    let lake = Lake::new().await;
    lake.create(destination()).await;
    lake.put(&["patient"]).await;
    lake.door.0.store(true, Ordering::Release);
    assert_eq!(lake.deliver_after(60).await, 0);
    assert_eq!((lake.chunks(), lake.delivered().await.len()), (1, 0));
    lake.door.0.store(false, Ordering::Release);
    assert_eq!(lake.deliver_after(60).await, 1);
    assert_eq!((lake.chunks(), lake.delivered().await.len()), (0, 1));
    let asked = lake.door.1.lock().clone();
    for (key, expected) in [
        ("aws:CurrentTime", "2013-01-02T03:06:05Z"),
        ("aws:EpochTime", "1357095965"),
        ("aws:RequestedRegion", "us-east-1"),
        ("aws:SecureTransport", "true"),
        ("aws:ViaAWSService", "true"),
        ("aws:CalledVia", "firehose.amazonaws.com"),
        ("aws:SourceArn", "arn:aws:firehose:us-east-1:000000000000:deliverystream/weather"),
        ("aws:SourceAccount", "000000000000"),
    ] {
        assert_eq!(asked.get(key), Some([expected.to_owned()].as_slice()), "{key}");
    }
}

#[tokio::test]
async fn records_without_a_table_wait_for_it_and_then_go_to_the_error_prefix() {
    let lake = Lake::new().await;
    let made = || table(&lake, "s3://lake-raw/weather/");
    made().await;
    let buffering = BufferingHints { size_bytes: 64 << 20, interval_seconds: 60 };
    let prefix = "weather/".to_owned();
    lake.create(S3Destination { prefix, conversion: Some(conversion()), buffering, ..destination() }).await;
    lake.put(&[r#"{"id": 1}"#, "two"]).await;
    lake.catalog.delete_table(&lake.caller(), "raw", "weather").await.unwrap();
    assert_eq!(lake.deliver_after(60).await, 0);
    assert_eq!(lake.deliver_after(299).await, 0, "not yet");
    assert_eq!((lake.chunks(), lake.delivered().await.len()), (1, 0));
    assert_eq!(lake.deliver_after(60).await, 1);
    assert_eq!(lake.chunks(), 0);
    let (key, errors) = lake.delivered().await.pop().unwrap();
    assert!(key.starts_with("errors/format-conversion-failed/"), "{key}");
    let documents: Vec<serde_json::Value> =
        std::str::from_utf8(&errors).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let raw: Vec<&str> = documents.iter().map(|document| document["rawData"].as_str().unwrap()).collect();
    assert_eq!(raw, ["eyJpZCI6IDF9", "dHdv"]);
    assert!(documents.iter().all(|document| document["lastErrorCode"] == "DataFormatConversion.EntityNotFound"));
    // With the table, records are converted again.
    made().await;
    lake.put(&[r#"{"id": 3}"#]).await;
    assert_eq!(lake.deliver_after(60).await, 1);
    let (key, _) = lake.delivered().await.pop().unwrap();
    assert!(key.starts_with("weather/") && key.ends_with(".parquet"), "{key}");
}

#[tokio::test]
async fn a_delivery_that_cannot_be_read_to_its_end_puts_nothing() {
    for conversion in [None, Some(conversion())] {
        let lake = Lake::new().await;
        table(&lake, "s3://lake-raw/weather/").await;
        let buffering = BufferingHints { size_bytes: 64 << 20, interval_seconds: 60 };
        lake.create(S3Destination { conversion, buffering, ..destination() }).await;
        for id in 0..2 {
            lake.put(&[&format!(r#"{{"id": {id}, "padding": "{}"}}"#, "x".repeat(400_000))]).await;
        }
        let snapshot = lake.store.read().unwrap();
        let (_, last) = snapshot.prefix(CHUNKS, &Key::new()).last().unwrap().unwrap();
        lake.blobs.delete(last.blob().unwrap()).await.unwrap();
        assert_eq!(lake.deliver_after(60).await, 0);
        assert_eq!(lake.delivered().await, [], "half an object");
        assert_eq!(lake.chunks(), 2);
    }
}

#[tokio::test]
async fn a_deleted_stream_is_drained_or_dropped() {
    for force in [false, true] {
        let lake = Lake::new().await;
        lake.create(destination()).await;
        lake.put(&["last words"]).await;
        lake.streams.delete_delivery_stream(&lake.caller(), "weather", force).await.unwrap();
        let refused = lake.streams.put_records(&lake.caller(), "weather", vec![Bytes::from_static(b"x")]).await;
        assert!(refused.is_err());
        assert_eq!(lake.deliver_after(0).await, usize::from(!force));
        assert_eq!(lake.delivered().await.len(), usize::from(!force));
        assert_eq!(lake.chunks(), 0);
        let gone = lake.streams.delivery_stream(&proof(), &scope(), "weather");
        assert!(matches!(gone, Err(StreamsError::StreamNotFound { .. })), "{gone:?}");
    }
}

#[tokio::test]
async fn a_destination_is_changed_only_by_who_has_seen_it() {
    let lake = Lake::new().await;
    lake.create(destination()).await;
    let update = |version: &str| UpdateDestination {
        name: "weather".to_owned(),
        version: version.to_owned(),
        destination: S3Destination { prefix: "other/".to_owned(), ..destination() },
    };
    lake.streams.update_destination(&lake.caller(), update("1")).await.unwrap();
    let stale = lake.streams.update_destination(&lake.caller(), update("1")).await;
    assert!(matches!(stale, Err(StreamsError::VersionMismatch { current: 2, .. })), "{stale:?}");
    lake.put(&["x"]).await;
    assert_eq!(lake.deliver_after(60).await, 1);
    assert!(lake.delivered().await[0].0.starts_with("other/2013/01/02/03/weather-2-"));
}

#[tokio::test]
async fn destinations_that_cannot_be_are_refused() {
    let lake = Lake::new().await;
    let check = async |destination: S3Destination, expected: &str| {
        let request = CreateDeliveryStream { name: "bad".to_owned(), destination, tags: Vec::new() };
        let refused = lake.streams.create_delivery_stream(&lake.caller(), request).await.unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
    };
    let small = BufferingHints { size_bytes: 1, interval_seconds: 60 };
    check(S3Destination { buffering: small, ..destination() }, "SizeInMBs").await;
    check(S3Destination { conversion: Some(conversion()), ..destination() }, "at least 64").await;
    check(S3Destination { prefix: "!{x}".to_owned(), ..destination() }, "Prefix").await;
    check(S3Destination { time_zone: "Nowhere".to_owned(), ..destination() }, "time zone").await;
}

#[tokio::test]
async fn no_record_is_kept_in_the_clear() {
    let lake = Lake::new().await;
    lake.create(destination()).await;
    let planted = "planted-plaintext".repeat(2_000);
    lake.put(&["planted-plaintext", &planted]).await;
    lake.put(&["planted-plaintext"]).await;
    let contains = |bytes: &[u8]| bytes.windows(17).any(|window| window == b"planted-plaintext");
    assert!(lake.blobs.stored().iter().all(|bytes| !contains(bytes)));
    let changed = lake.store.changes_since(Sequence(0), 10_000).await.unwrap();
    let values = changed.iter().flat_map(|transaction| &transaction.changes).filter_map(|change| change.value.as_ref());
    assert!(values.into_iter().all(|value| !contains(value)));
    assert_eq!(lake.chunks(), 2);
}
