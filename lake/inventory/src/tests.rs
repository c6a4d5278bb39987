//! Inventories over a lake in memory, with a clock that stands still until moved.
#![allow(clippy::unwrap_used)]

use std::io::Read as _;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use parking_lot::Mutex;
use tarn_audit::{Caller, EventDraft};
use tarn_blobs::{
    BlobError, BlobForm, BlobOwner, BlobRef, BlobStore, BlobUsage, BlobWriter, CompactReport, MemoryBlobs, Relocate,
    SweepReport,
};
use tarn_identity::{AccountConfig, Identity};
use tarn_keys::Keys;
use tarn_metadata::{MemoryStore, Store};
use tarn_objects::{
    BucketName, CreateBucket, DAY_MS, InventoryConfiguration, InventoryDestination, InventoryField, InventoryFormat,
    InventoryFrequency, InventoryVersions, ListObjects, ObjectKey, Objects, ObjectsError, ObjectsOptions, PutObject,
    body_of,
};
use tarn_policy::{Authorized, Authorizer, BoundAuthorizer, Context, Denied, DeniedBecause, Principal, Requirement};
use tarn_runtime::{EntropyExt, FixedClock, Runtime, Timestamp};
use tarn_types::{AccountId, Region, Scope};

use crate::{InventoryOptions, InventoryWorker};

/// Lets everybody do everything, while it is open.
#[derive(Default)]
struct Door {
    is_closed: Mutex<bool>,
    asked: Mutex<Vec<(Requirement, Context)>>,
}

impl Authorizer for Door {
    fn authorize(&self, who: &Principal, needs: Vec<Requirement>, context: &Context) -> Result<Authorized, Denied> {
        if *self.is_closed.lock() {
            let because = DeniedBecause::NothingAllows;
            return Err(Denied { principal: who.clone(), action: "s3:PutObject", resource: None, because });
        }
        self.asked.lock().extend(needs.into_iter().map(|need| (need, context.clone())));
        Ok(proof())
    }
}

/// Takes nothing for as often as it is told to.
#[derive(Default)]
struct FaultyBlobs {
    inner: MemoryBlobs,
    faults: Mutex<usize>,
}

impl BlobStore for FaultyBlobs {
    fn create_as(
        &self,
        owner: BlobOwner,
        len_hint: Option<u64>,
        form: BlobForm,
    ) -> BoxFuture<'_, Result<Box<dyn BlobWriter>, BlobError>> {
        let mut faults = self.faults.lock();
        if *faults > 0 {
            *faults -= 1;
            let error = BlobError::Io { doing: "creating a blob".to_owned(), reason: "the drive is away".to_owned() };
            return async { Err(error) }.boxed();
        }
        self.inner.create_as(owner, len_hint, form)
    }

    fn read(&self, blob: &BlobRef, range: Range<u64>) -> BoxStream<'static, Result<Bytes, BlobError>> {
        self.inner.read(blob, range)
    }

    fn delete(&self, blob: &BlobRef) -> BoxFuture<'_, Result<(), BlobError>> {
        self.inner.delete(blob)
    }

    fn sweep<'a>(
        &'a self,
        is_live: &'a (dyn Fn(&BlobRef) -> bool + Send + Sync),
    ) -> BoxFuture<'a, Result<SweepReport, BlobError>> {
        self.inner.sweep(is_live)
    }

    fn compact<'a>(&'a self, relocate: &'a dyn Relocate) -> BoxFuture<'a, Result<CompactReport, BlobError>> {
        self.inner.compact(relocate)
    }

    fn usage(&self) -> BlobUsage {
        self.inner.usage()
    }
}

fn proof() -> Authorized {
    Authorized::internal("test.amazonaws.com", AccountId::first())
}

struct Lake {
    objects: Objects,
    identity: Arc<Identity>,
    door: Arc<Door>,
    runtime: Runtime,
    clock: Arc<FixedClock>,
    worker: InventoryWorker,
    blobs: Arc<FaultyBlobs>,
}

const STARTED_MS: i64 = 20_783 * DAY_MS + 5_000;

fn name(text: &str) -> BucketName {
    BucketName::new(text).unwrap()
}

fn wanted(format: InventoryFormat) -> InventoryConfiguration {
    InventoryConfiguration {
        id: "all".to_owned(),
        is_enabled: true,
        frequency: InventoryFrequency::Daily,
        versions: InventoryVersions::All,
        prefix: None,
        fields: vec![InventoryField::ETag, InventoryField::Size, InventoryField::EncryptionStatus],
        destination: InventoryDestination {
            bucket: name("lists"),
            account: None,
            prefix: None,
            format,
            encryption: None,
        },
    }
}

impl Lake {
    async fn new() -> Self {
        let (runtime, clock) = Runtime::fixed(Timestamp::from_millisecond(STARTED_MS).unwrap(), 5);
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let keys = Arc::new(Keys::ephemeral(&runtime).unwrap());
        let identity = Arc::new(Identity::new(store.clone(), Keys::clone(&keys), runtime.clone()));
        let first = AccountConfig {
            id: AccountId::first(),
            name: "lake".to_owned(),
            email: "root@localhost".to_owned(),
            canonical_user_id: None,
            root: None,
            users: Vec::new(),
        };
        identity.bootstrap(&Region::us_east_1(), vec![first]).await.unwrap();
        let blobs = Arc::new(FaultyBlobs::default());
        let objects = Objects::new(store, blobs.clone(), keys, runtime.clone(), ObjectsOptions::default());
        let door = Arc::new(Door::default());
        let worker = worker(&objects, &identity, &door, &runtime);
        let lake = Self { objects, identity, door, runtime, clock, worker, blobs };
        for bucket in ["lake-raw", "lists"] {
            let request = CreateBucket::new(name(bucket), Region::us_east_1());
            lake.objects.create_bucket(&lake.caller(), request).await.unwrap();
        }
        lake
    }

    /// As after a crash: only what is in the store and the blobs is known.
    fn restart(&mut self) {
        self.worker = worker(&self.objects, &self.identity, &self.door, &self.runtime);
    }

    fn caller(&self) -> Caller {
        let principal = Principal::root(AccountId::first());
        let event = EventDraft {
            id: self.runtime.entropy.bytes(),
            request_id: "test".to_owned(),
            time_ms: self.runtime.now().as_millisecond(),
            event_source: "s3.amazonaws.com".to_owned(),
            event_name: "Test".to_owned(),
            read_only: false,
            management: true,
            scope: Scope { account: AccountId::first(), region: Region::us_east_1() },
            principal: principal.clone(),
            source_ip: "127.0.0.1".to_owned(),
            user_agent: "test".to_owned(),
            request_parameters: "null".to_owned(),
            resources: Vec::new(),
        };
        Caller::new(proof(), BoundAuthorizer::new(self.door.clone(), principal, Context::new()), event)
    }

    async fn put(&self, key: &str) {
        let request = PutObject::new(name("lake-raw"), ObjectKey::new(key).unwrap());
        self.objects.put_object(&self.caller(), request, body_of("bytes")).await.unwrap();
    }

    async fn want(&self, inventory: InventoryConfiguration) {
        self.objects.put_bucket_inventory(&self.caller(), &name("lake-raw"), inventory).await.unwrap();
    }

    fn pass_days(&self, days: i64) {
        let now_ms = self.runtime.now().as_millisecond();
        self.clock.set(Timestamp::from_millisecond(now_ms + days * DAY_MS).unwrap());
    }

    fn delivered(&self) -> Vec<String> {
        let listing = self.objects.list_objects(&proof(), &ListObjects::new(name("lists"), "")).unwrap();
        listing.objects.into_iter().map(|listed| listed.key).collect()
    }

    async fn read(&self, key: &str) -> Vec<u8> {
        let found = self.objects.head_object(&proof(), &name("lists"), &ObjectKey::new(key).unwrap()).unwrap();
        self.objects.read_whole(&proof(), &found, 1 << 30).await.unwrap().to_vec()
    }

    /// The files of all manifests, and the lines in them.
    async fn lines(&self) -> (usize, Vec<String>) {
        let (mut count, mut lines) = (0, Vec::new());
        for key in self.delivered().into_iter().filter(|key| key.ends_with("manifest.json")) {
            let manifest: serde_json::Value = serde_json::from_slice(&self.read(&key).await).unwrap();
            for file in manifest["files"].as_array().unwrap() {
                let bytes = self.read(file["key"].as_str().unwrap()).await;
                assert_eq!(file["size"].as_u64(), Some(bytes.len() as u64));
                let mut text = String::new();
                flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
                count += 1;
                lines.extend(text.lines().map(str::to_owned));
            }
        }
        (count, lines)
    }
}

fn worker(objects: &Objects, identity: &Arc<Identity>, door: &Arc<Door>, runtime: &Runtime) -> InventoryWorker {
    // What is set aside stays so while a test lasts.
    let options = InventoryOptions { file_rows_max: 4, page_rows: 3, aside: Duration::from_secs(3_600) };
    InventoryWorker::new(objects.clone(), identity.clone(), door.clone(), runtime.clone(), options)
}

#[tokio::test]
async fn a_list_has_every_version_once_in_files_of_bounded_length() {
    for rows in [0, 1, 3, 4, 5, 8, 11] {
        let mut lake = Lake::new().await;
        lake.objects.put_bucket_versioning(&lake.caller(), &name("lake-raw"), true).await.unwrap();
        for number in 0..rows {
            // Two versions of each key.
            lake.put(&format!("k-{:02}", number / 2)).await;
        }
        lake.want(wanted(InventoryFormat::Csv)).await;
        assert!(!lake.worker.step().await.unwrap(), "it is not due");
        lake.pass_days(1);
        while lake.worker.step().await.unwrap() {
            // After each step nothing but the store is known.
            lake.restart();
        }
        let (files, lines) = lake.lines().await;
        assert_eq!((files, lines.len()), (usize::div_ceil(rows, 4), rows), "{rows} rows");
        let is_latest = |line: &&String| line.contains("\"true\",\"false\"");
        assert_eq!(lines.iter().filter(is_latest).count(), rows.div_ceil(2));
        let mut distinct = lines.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), rows);
        assert_eq!(lake.delivered().len(), files + 3);
        // The next one is tomorrow's.
        assert!(!lake.worker.step().await.unwrap());
        lake.pass_days(1);
        while lake.worker.step().await.unwrap() {}
        assert_eq!(lake.lines().await.1.len(), 2 * rows);
    }
}

#[tokio::test]
async fn days_that_were_missed_are_one_list() {
    let lake = Lake::new().await;
    lake.put("a").await;
    lake.want(wanted(InventoryFormat::Csv)).await;
    lake.pass_days(9);
    while lake.worker.step().await.unwrap() {}
    assert_eq!(lake.lines().await.1.len(), 1);
}

#[tokio::test]
async fn weekly_lists_come_on_sundays_after_the_first() {
    let lake = Lake::new().await;
    lake.put("a").await;
    lake.want(InventoryConfiguration { frequency: InventoryFrequency::Weekly, ..wanted(InventoryFormat::Csv) }).await;
    let mut days = Vec::new();
    // It begins on a Thursday.
    for day in 1..=18 {
        lake.pass_days(1);
        let before = lake.lines().await.1.len();
        while lake.worker.step().await.unwrap() {}
        if lake.lines().await.1.len() > before {
            days.push(day);
        }
    }
    assert_eq!(days, [1, 3, 10, 17]);
}

#[tokio::test]
async fn what_is_refused_leaves_nothing() {
    let lake = Lake::new().await;
    lake.put("a").await;
    lake.want(wanted(InventoryFormat::Csv)).await;
    *lake.door.is_closed.lock() = true;
    lake.pass_days(1);
    while lake.worker.step().await.unwrap() {}
    *lake.door.is_closed.lock() = false;
    assert!(lake.delivered().is_empty());
    lake.pass_days(1);
    while lake.worker.step().await.unwrap() {}
    assert_eq!(lake.lines().await.1.len(), 1);
    // What the destination is asked.
    let asked = lake.door.asked.lock();
    let (need, context) = asked.iter().find(|(need, _)| need.context.get("s3:x-amz-acl").is_some()).unwrap();
    assert_eq!(need.context.get("s3:x-amz-acl"), Some(&["bucket-owner-full-control".to_owned()][..]));
    assert_eq!(context.get("aws:SourceArn"), Some(&["arn:aws:s3:::lake-raw".to_owned()][..]));
    assert_eq!(context.get("aws:SourceAccount"), Some(&[AccountId::first().to_string()][..]));
    assert_eq!(context.get("aws:PrincipalIsAWSService"), Some(&["true".to_owned()][..]));
    assert_eq!(context.get("aws:RequestedRegion"), Some(&["us-east-1".to_owned()][..]));
}

#[tokio::test]
async fn what_is_not_wanted_any_more_is_given_up() {
    let lake = Lake::new().await;
    for number in 0..9 {
        lake.put(&format!("k-{number}")).await;
    }
    for remove_bucket in [false, true] {
        lake.want(wanted(InventoryFormat::Csv)).await;
        lake.pass_days(1);
        assert!(lake.worker.step().await.unwrap());
        let (caller, bucket) = (lake.caller(), name("lake-raw"));
        lake.objects.delete_bucket_inventory(&caller, &bucket, "all").await.unwrap();
        if remove_bucket {
            for number in 0..9 {
                let key = ObjectKey::new(format!("k-{number}")).unwrap();
                let delete = tarn_objects::DeleteObject::new(key);
                lake.objects.delete_object(&lake.caller(), &bucket, delete).await.unwrap();
            }
            lake.objects.delete_bucket(&lake.caller(), &bucket).await.unwrap();
        }
        while lake.worker.step().await.unwrap() {}
        assert!(!lake.delivered().iter().any(|key| key.ends_with("manifest.json")));
        lake.pass_days(8);
        assert!(!lake.worker.step().await.unwrap());
    }
}

#[tokio::test]
async fn a_destination_of_another_account_is_not_taken() {
    let lake = Lake::new().await;
    lake.put("a").await;
    let mut inventory = wanted(InventoryFormat::Csv);
    inventory.destination.account = Some(AccountId::new("111111111111").unwrap());
    lake.want(inventory).await;
    lake.pass_days(1);
    while lake.worker.step().await.unwrap() {}
    assert!(lake.delivered().is_empty());
    let long = InventoryDestination { prefix: Some("x".repeat(513)), ..wanted(InventoryFormat::Csv).destination };
    let refused = InventoryConfiguration { destination: long, ..wanted(InventoryFormat::Csv) };
    let refused = lake.objects.put_bucket_inventory(&lake.caller(), &name("lake-raw"), refused).await;
    assert!(matches!(refused, Err(ObjectsError::InvalidArgument { name: "Prefix", .. })));
}

#[tokio::test]
async fn a_list_that_was_given_up_is_not_published_however_far_it_was() {
    // Three files, and then the end: it is given up after each of these, and also where the same is asked for anew at once.
    for steps in 1..=3 {
        for again in [false, true] {
            let lake = Lake::new().await;
            for number in 0..9 {
                lake.put(&format!("k-{number}")).await;
            }
            lake.want(wanted(InventoryFormat::Csv)).await;
            lake.pass_days(1);
            for _ in 0..steps {
                assert!(lake.worker.step().await.unwrap());
            }
            let begun = lake.delivered().len();
            let (caller, bucket) = (lake.caller(), name("lake-raw"));
            lake.objects.delete_bucket_inventory(&caller, &bucket, "all").await.unwrap();
            if again {
                lake.want(wanted(InventoryFormat::Csv)).await;
            }
            while lake.worker.step().await.unwrap() {}
            assert_eq!(lake.delivered().len(), begun, "{steps} {again}");
        }
    }
}

#[tokio::test]
async fn one_that_is_stuck_holds_up_no_other() {
    let lake = Lake::new().await;
    lake.put("a").await;
    for id in ["one", "two"] {
        lake.want(InventoryConfiguration { id: id.to_owned(), ..wanted(InventoryFormat::Csv) }).await;
    }
    lake.pass_days(1);
    // The first cannot be written; the second is made meanwhile.
    *lake.blobs.faults.lock() = 1;
    assert!(matches!(lake.worker.step().await, Err(ObjectsError::Blob(_))));
    while lake.worker.step().await.unwrap() {}
    let manifests = || {
        let delivered = lake.delivered();
        delivered.into_iter().filter(|key| key.ends_with("manifest.json")).collect::<Vec<_>>()
    };
    assert_eq!(manifests().len(), 1);
    assert!(manifests()[0].starts_with("lake-raw/two/"), "{:?}", manifests());
    // It is gone on with after a while.
    let options = InventoryOptions { aside: Duration::from_millis(1), ..InventoryOptions::default() };
    let (identity, door) = (lake.identity.clone(), lake.door.clone());
    let worker = InventoryWorker::new(lake.objects.clone(), identity, door, lake.runtime.clone(), options);
    *lake.blobs.faults.lock() = 1;
    assert!(matches!(worker.step().await, Err(ObjectsError::Blob(_))));
    while manifests().len() < 2 {
        tarn_runtime::Worker::wait(&worker).await;
        while worker.step().await.unwrap() {}
    }
}
