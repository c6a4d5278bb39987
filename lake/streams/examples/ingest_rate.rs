//! Measures durable ingest and delivery on a real directory: PutRecordBatch in, raw objects and Parquet out. Knows no wire protocol.
//!
//!     cargo run --release -p tarn-streams --example ingest_rate [DIR] [MIB] [PRODUCERS]
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tarn_audit::{Caller, EventDraft};
use tarn_blobs::{LocalBlobs, LocalOptions};
use tarn_catalog::{Catalog, Column, DatabaseInput, StorageDescriptor, TableInput};
use tarn_disk::LocalDisk;
use tarn_keys::Keys;
use tarn_metadata::{EmbeddedOptions, EmbeddedStore, Store};
use tarn_objects::{BucketName, CreateBucket, Objects, ObjectsOptions};
use tarn_policy::{Authorized, Authorizer, BoundAuthorizer, Context, Denied, Principal, Requirement};
use tarn_runtime::{EntropyExt, Runtime};
use tarn_streams::{
    BufferingHints, Compression, Conversion, CreateDeliveryStream, JsonInput, ParquetCompression, S3Destination,
    Streams, StreamsOptions,
};
use tarn_types::{AccountId, Region, Scope};

const RECORDS_IN_BATCH: usize = 500;
/// The clock's ticks in `/proc/self/stat`: fixed on Linux.
const TICKS_PER_SECOND: f64 = 100.0;
const MIB: f64 = (1 << 20) as f64;

struct Everyone;

impl Authorizer for Everyone {
    fn authorize(&self, _: &Principal, _: Vec<Requirement>, _: &Context) -> Result<Authorized, Denied> {
        Ok(Authorized::internal("bench", AccountId::first()))
    }
}

fn caller(runtime: &Runtime) -> Caller {
    let principal = Principal::root(AccountId::first());
    let event = EventDraft {
        id: runtime.entropy.bytes(),
        request_id: "bench".to_owned(),
        time_ms: runtime.now().as_millisecond(),
        event_source: "firehose.amazonaws.com".to_owned(),
        event_name: "PutRecordBatch".to_owned(),
        read_only: false,
        management: false,
        scope: Scope { account: AccountId::first(), region: Region::us_east_1() },
        principal: principal.clone(),
        source_ip: "127.0.0.1".to_owned(),
        user_agent: "bench".to_owned(),
        request_parameters: "null".to_owned(),
        resources: Vec::new(),
    };
    let bound = BoundAuthorizer::new(Arc::new(Everyone), principal, Context::new());
    Caller::new(Authorized::internal("bench", AccountId::first()), bound, event)
}

/// Records of about 370 bytes, as web logs have.
fn batch(seed: usize) -> Vec<Bytes> {
    (0..RECORDS_IN_BATCH)
        .map(|at| {
            let id = seed * RECORDS_IN_BATCH + at;
            let mut text = format!(r#"{{"id":{id},"temp":{}.{},"at":"2013-01-02 03:04:05","#, id % 97, id % 10);
            for name in ["agent", "path", "referrer", "city"] {
                let _ = write!(text, r#""{name}":"{name}-{}-{}","#, id % 1_009, "abcdefghij".repeat(5));
            }
            text.push_str(r#""ok":true}"#);
            Bytes::from(text)
        })
        .collect()
}

/// Seconds of processor time that this process has used.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / TICKS_PER_SECOND
}

struct Meter {
    began: Instant,
    cpu_began: f64,
}

impl Meter {
    fn start() -> Self {
        Self { began: Instant::now(), cpu_began: cpu_seconds() }
    }

    fn tell(&self, what: &str, bytes: u64) {
        let (wall, cpu) = (self.began.elapsed().as_secs_f64(), cpu_seconds() - self.cpu_began);
        let mib = bytes as f64 / MIB;
        println!(
            "{what}: {mib:.0} MiB in {wall:.2} s = {:.0} MiB/s; {cpu:.2} s of processor = {:.0} MiB/s/core",
            mib / wall,
            mib / cpu
        );
    }
}

fn destination(conversion: Option<Conversion>) -> S3Destination {
    S3Destination {
        bucket: "bench".to_owned(),
        role_arn: "arn:aws:iam::000000000000:role/bench".to_owned(),
        prefix: String::new(),
        error_output_prefix: "errors/".to_owned(),
        buffering: BufferingHints { size_bytes: 64 << 20, interval_seconds: 0 },
        compression: Compression::Uncompressed,
        delimiter: conversion.is_none().then(|| b"\n".to_vec()),
        conversion,
        file_extension: None,
        time_zone: String::new(),
        extended: true,
    }
}

fn to_parquet() -> Conversion {
    Conversion {
        database: "bench".to_owned(),
        table: "records".to_owned(),
        version_id: None,
        role_arn: "arn:aws:iam::000000000000:role/bench".to_owned(),
        input: JsonInput::OpenX { case_insensitive: true, dots_to_underscores: false, mappings: Vec::new() },
        compression: ParquetCompression::Snappy,
        dictionary: true,
        block_size_bytes: 256 << 20,
        page_size_bytes: 1 << 20,
    }
}

async fn open(folder: &Path, runtime: &Runtime) -> (Arc<Streams>, Objects, Catalog) {
    let disk = |name: &str| Arc::new(LocalDisk::new(folder.join(name)).unwrap());
    let store: Arc<dyn Store> =
        Arc::new(EmbeddedStore::open(disk("metadata"), EmbeddedOptions::default(), runtime).unwrap());
    let keys = Arc::new(Keys::open_or_create(&folder.join("keys"), &*store, runtime).await.unwrap());
    let blobs = |name| Arc::new(LocalBlobs::open(disk(name), LocalOptions::default(), runtime.clone()).unwrap());
    let objects = Objects::new(store.clone(), blobs("blobs"), keys.clone(), runtime.clone(), ObjectsOptions::default());
    let catalog = Catalog::new(store.clone(), runtime.clone());
    let (shared, tables) = (Arc::new(objects.clone()), Arc::new(catalog.clone()));
    let options = StreamsOptions::default();
    let streams =
        Streams::open(store, blobs("streams"), keys, shared, tables, Arc::new(Everyone), runtime.clone(), options);
    (Arc::new(streams.await.unwrap()), objects, catalog)
}

async fn ingest(
    streams: &Arc<Streams>,
    runtime: &Runtime,
    name: &'static str,
    bytes_min: u64,
    producers: usize,
) -> u64 {
    let records = batch(1);
    let batch_bytes: u64 = records.iter().map(|record| record.len() as u64).sum();
    let each = bytes_min.div_ceil(batch_bytes * producers as u64);
    let meter = Meter::start();
    let mut slowest = Duration::ZERO;
    let tasks: Vec<_> = (0..producers)
        .map(|_| {
            let (streams, runtime, records) = (streams.clone(), runtime.clone(), records.clone());
            tokio::spawn(async move {
                let mut slowest = Duration::ZERO;
                for _ in 0..each {
                    let began = Instant::now();
                    streams.put_records(&caller(&runtime), name, records.clone()).await.unwrap();
                    slowest = slowest.max(began.elapsed());
                }
                slowest
            })
        })
        .collect();
    for task in tasks {
        slowest = slowest.max(task.await.unwrap());
    }
    let bytes = batch_bytes * each * producers as u64;
    meter.tell(&format!("{name}: taken durably, {producers} producers, slowest batch {slowest:.0?}"), bytes);
    bytes
}

async fn deliver(streams: &Arc<Streams>, name: &str, bytes: u64) {
    let meter = Meter::start();
    while streams.deliver_due().await > 0 {}
    while streams.collect_garbage().await.unwrap() {}
    meter.tell(&format!("{name}: delivered"), bytes);
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map(PathBuf::from);
    let bytes = arguments.next().map_or(256, |mib| mib.parse::<u64>().unwrap()) << 20;
    let producers = arguments.next().map_or(8, |producers| producers.parse().unwrap());
    let temporary = tempfile::tempdir().unwrap();
    let folder = folder.unwrap_or_else(|| temporary.path().to_owned());
    let runtime = Runtime::system();
    let (streams, objects, catalog) = open(&folder, &runtime).await;

    let name = BucketName::new("bench").unwrap();
    let bucket = CreateBucket::new(name, Region::us_east_1());
    objects.create_bucket(&caller(&runtime), bucket).await.unwrap();
    let database = DatabaseInput { name: "bench".to_owned(), ..DatabaseInput::default() };
    catalog.create_database(&caller(&runtime), database, BTreeMap::default()).await.unwrap();
    let columns = [
        ("id", "bigint"),
        ("temp", "double"),
        ("at", "timestamp"),
        ("agent", "string"),
        ("path", "string"),
        ("referrer", "string"),
        ("city", "string"),
        ("ok", "boolean"),
    ];
    let storage = StorageDescriptor {
        columns: columns.map(|(name, kind)| Column::new(name, kind)).to_vec(),
        location: Some("s3://bench/".to_owned()),
        ..StorageDescriptor::default()
    };
    let table = TableInput { name: "records".to_owned(), storage_descriptor: Some(storage), ..TableInput::default() };
    catalog.create_table(&caller(&runtime), "bench", table, Vec::new()).await.unwrap();

    for (name, conversion) in [("raw", None), ("parquet", Some(to_parquet()))] {
        let request =
            CreateDeliveryStream { name: name.to_owned(), destination: destination(conversion), tags: Vec::new() };
        streams.create_delivery_stream(&caller(&runtime), request).await.unwrap();
        let taken = ingest(&streams, &runtime, name, bytes, producers).await;
        deliver(&streams, name, taken).await;
    }
}
