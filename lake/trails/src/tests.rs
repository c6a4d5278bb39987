//! Trails from the outside: what is delivered, what digests say, what is refused; over a store and objects in memory, with a clock that
//! stands still until moved.
#![allow(clippy::unwrap_used)]

mod answers;
mod crashes;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value as Json;
use tarn_audit::{AuditLog, Caller, EventDraft, EventField, FieldCondition, QUEUE};
use tarn_blobs::{BlobStore, MemoryBlobs};
use tarn_keys::Keys;
use tarn_metadata::{Key, MemoryStore, Read as _, Store, StoreExt};
use tarn_objects::{BucketName, CreateBucket, ListObjects, ObjectKey, Objects, ObjectsOptions};
use tarn_policy::{
    Authorized, Authorizer, BoundAuthorizer, Context, Denied, DeniedBecause, Principal, PrincipalKind, Requirement,
};
use tarn_runtime::{EntropyExt, FixedClock, Runtime, Timestamp, Worker, WorkerOutcome};
use tarn_types::{AccountId, Region, Scope};

use crate::*;

/// Lets everybody do everything, but CloudTrail only while it is open; keeps what CloudTrail asked for, and for which trail.
#[derive(Default)]
struct Door {
    is_closed: Mutex<bool>,
    asked: Mutex<BTreeSet<(String, String)>>,
}

impl Authorizer for Door {
    fn authorize(&self, who: &Principal, needs: Vec<Requirement>, context: &Context) -> Result<Authorized, Denied> {
        if let (PrincipalKind::Service { .. }, Some(need)) = (&who.kind, needs.last()) {
            assert_ne!(who.account, AccountId::first(), "a stranger to every bucket");
            let source = context.get("aws:SourceArn").unwrap()[0].clone();
            self.asked.lock().extend(needs.iter().map(|need| (need.action.to_owned(), source.clone())));
            if *self.is_closed.lock() {
                let (action, resource) = (need.action, need.resource.clone());
                return Err(Denied { principal: who.clone(), action, resource, because: DeniedBecause::NothingAllows });
            }
        }
        Ok(proof())
    }
}

fn proof() -> Authorized {
    Authorized::internal("test.amazonaws.com", AccountId::first())
}

fn scope() -> Scope {
    Scope { account: AccountId::first(), region: Region::us_east_1() }
}

struct Lake {
    trails: Trails,
    worker: TrailWorker,
    audit: Arc<AuditLog>,
    objects: Objects,
    store: Arc<dyn Store>,
    door: Arc<Door>,
    keys: Arc<Keys>,
    runtime: Runtime,
    clock: Arc<FixedClock>,
}

const BUCKET: &str = "lake-trail";

impl Lake {
    async fn new() -> Self {
        let (runtime, clock) = Runtime::fixed("2026-11-26T10:00:00Z".parse::<Timestamp>().unwrap(), 7);
        let keys = Arc::new(Keys::ephemeral(&runtime).unwrap());
        let lake = Self::over(Arc::new(MemoryStore::new()), Arc::new(MemoryBlobs::new()), keys, runtime, clock);
        lake.create_bucket().await;
        lake
    }

    fn over(
        store: Arc<dyn Store>,
        blobs: Arc<dyn BlobStore>,
        keys: Arc<Keys>,
        runtime: Runtime,
        clock: Arc<FixedClock>,
    ) -> Self {
        let objects = Objects::new(store.clone(), blobs, keys.clone(), runtime.clone(), ObjectsOptions::default());
        let door = Arc::new(Door::default());
        let (trails, audit) = open(&store, &keys, &objects, &door, &runtime);
        let worker = trails.worker();
        Self { trails, worker, audit, objects, store, door, keys, runtime, clock }
    }

    async fn create_bucket(&self) {
        let bucket = CreateBucket::new(BucketName::new(BUCKET).unwrap(), Region::us_east_1());
        self.objects.create_bucket(&self.caller("CreateBucket"), bucket).await.unwrap();
    }

    /// As after a crash: only what is in the store and the blobs is known.
    fn restart(&mut self) {
        (self.trails, self.audit) = open(&self.store, &self.keys, &self.objects, &self.door, &self.runtime);
        self.worker = self.trails.worker();
    }

    fn draft(&self, name: &str) -> EventDraft {
        EventDraft {
            id: self.runtime.entropy.bytes(),
            request_id: "r".to_owned(),
            time_ms: self.runtime.now().as_millisecond(),
            event_source: "s3.amazonaws.com".to_owned(),
            event_name: name.to_owned(),
            read_only: name.starts_with("Get") || name.starts_with("List"),
            management: !name.ends_with("Object"),
            scope: scope(),
            principal: Principal::root(AccountId::first()),
            source_ip: "127.0.0.1".to_owned(),
            user_agent: "test".to_owned(),
            request_parameters: "null".to_owned(),
            resources: vec!["arn:aws:s3:::data/a/b".to_owned(), "arn:aws:s3:::data".to_owned()],
        }
    }

    fn caller(&self, name: &str) -> Caller {
        let bound = BoundAuthorizer::new(self.door.clone(), Principal::root(AccountId::first()), Context::new());
        Caller::new(proof(), bound, self.draft(name))
    }

    /// A change somewhere in the lake.
    async fn done(&self, name: &str) {
        self.caller(name).commit(&*self.store, |_| Ok::<_, tarn_metadata::StoreError>(())).await.unwrap();
    }

    async fn create(&self, name: &str, validates: bool) -> Result<Trail, TrailsError> {
        let request = CreateTrail { validates, ..request(name) };
        self.trails.create_trail(&self.caller("CreateTrail"), request).await
    }

    async fn start(&self, name: &str) {
        self.trails.start_logging(&self.caller("StartLogging"), name).await.unwrap();
    }

    async fn stop(&self, name: &str) {
        self.trails.stop_logging(&self.caller("StopLogging"), name).await.unwrap();
    }

    async fn select(&self, selectors: EventSelectors) {
        self.trails.put_event_selectors(&self.caller("PutEventSelectors"), "main", selectors).await.unwrap();
    }

    /// Moves the clock and lets the worker do what is then due.
    async fn after(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        loop {
            match self.worker.work().await {
                WorkerOutcome::Busy => {}
                WorkerOutcome::Idle => return,
                WorkerOutcome::Failed { reason } => panic!("{reason}"),
            }
        }
    }

    fn keys(&self, folder: &str) -> Vec<String> {
        let prefix = format!("AWSLogs/000000000000/{folder}/");
        let request = ListObjects::new(BucketName::new(BUCKET).unwrap(), &prefix);
        self.objects.list_objects(&proof(), &request).unwrap().objects.into_iter().map(|found| found.key).collect()
    }

    async fn read(&self, key: &str) -> (Json, String, BTreeMap<String, String>) {
        let (bucket, key) = (BucketName::new(BUCKET).unwrap(), ObjectKey::new(key).unwrap());
        let version = self.objects.head_object(&proof(), &bucket, &key).unwrap();
        let bytes = self.objects.read_whole(&proof(), &version, 1 << 30).await.unwrap();
        let mut text = String::new();
        flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        (serde_json::from_str(&text).unwrap(), text, version.metadata().user.clone())
    }

    /// The names of all events that were delivered.
    async fn delivered(&self) -> Vec<String> {
        let mut names = Vec::new();
        for key in self.keys("CloudTrail") {
            let (file, ..) = self.read(&key).await;
            let records = file["Records"].as_array().unwrap();
            names.extend(records.iter().map(|record| record["eventName"].as_str().unwrap().to_owned()));
        }
        names.sort();
        names
    }

    fn waiting(&self) -> usize {
        self.store.read().unwrap().prefix(QUEUE, &Key::new()).count()
    }
}

fn open(
    store: &Arc<dyn Store>,
    keys: &Arc<Keys>,
    objects: &Objects,
    door: &Arc<Door>,
    runtime: &Runtime,
) -> (Trails, Arc<AuditLog>) {
    let audit = Arc::new(AuditLog::open(store.clone(), runtime.clone(), scope()).unwrap());
    let trails = Trails::new(TrailsParts {
        store: store.clone(),
        audit: audit.clone(),
        keys: keys.clone(),
        objects: objects.clone(),
        authorizer: door.clone(),
        runtime: runtime.clone(),
        region: Region::us_east_1(),
        options: TrailsOptions::default(),
    });
    (trails, audit)
}

fn request(name: &str) -> CreateTrail {
    CreateTrail {
        name: name.to_owned(),
        bucket: BUCKET.to_owned(),
        key_prefix: None,
        is_multi_region: false,
        includes_global_services: true,
        validates: false,
        is_recursive: false,
        kms_key: None,
        tags: BTreeMap::new(),
    }
}

#[tokio::test]
async fn a_trail_gets_what_is_done_while_it_logs() {
    let lake = Lake::new().await;
    lake.create("main", false).await.unwrap();
    lake.done("Before").await;
    lake.start("main").await;
    lake.done("During").await;
    lake.done("PutObject").await;
    lake.stop("main").await;
    lake.done("After").await;
    lake.after(59).await;
    assert_eq!(lake.keys("CloudTrail"), Vec::<String>::new(), "not due");
    lake.after(1).await;
    // The record of the stop is the trail's last: whoever stops it is on it.
    assert_eq!(lake.delivered().await, ["During", "StopLogging"]);
    assert_eq!(lake.waiting(), 0);
    let key = &lake.keys("CloudTrail")[0];
    let start =
        "AWSLogs/000000000000/CloudTrail/us-east-1/2026/11/26/000000000000_CloudTrail_us-east-1_20261126T1001Z_";
    assert!(key.starts_with(start) && key.ends_with(".json.gz") && key.len() == start.len() + 16 + 8, "{key}");
    let status = lake.trails.status(&proof(), &scope(), "main").unwrap();
    assert_eq!((status.delivery.delivered_ms, status.delivery.error), (Some(1_795_687_260_000), None));
    let arn = "arn:aws:cloudtrail:us-east-1:000000000000:trail/main".to_owned();
    let asked = ["s3:GetBucketAcl", "s3:PutObject"].map(|action| (action.to_owned(), arn.clone()));
    assert_eq!(*lake.door.asked.lock(), BTreeSet::from(asked));
}

#[tokio::test]
async fn selectors_choose_reads_and_data() {
    let lake = Lake::new().await;
    lake.create("main", false).await.unwrap();
    lake.start("main").await;
    let read = |name: &str| lake.audit.record_read(lake.draft(name));
    let all = ["PutTable", "PutObject"];
    let check = async |selectors: EventSelectors, expected: &[&str]| {
        lake.select(selectors.clone()).await;
        lake.after(60).await;
        let before = lake.delivered().await.len();
        for name in all {
            lake.done(name).await;
        }
        ["GetTable", "GetObject"].into_iter().for_each(read);
        lake.after(60).await;
        let keys = lake.keys("CloudTrail");
        let mut found = Vec::new();
        for key in &keys {
            let (file, ..) = lake.read(key).await;
            for record in file["Records"].as_array().unwrap() {
                found.push(record["eventName"].as_str().unwrap().to_owned());
            }
        }
        let mut new = lake.delivered().await;
        assert_eq!(new.len() - before, expected.len(), "{selectors:?}: {found:?}");
        new.retain(|name| expected.contains(&name.as_str()));
        assert!(expected.iter().all(|name| new.iter().any(|found| found == name)), "{selectors:?}: {found:?}");
    };
    let basic = |read_write, management, values: &[&str]| {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        let data_resources = match values.is_empty() {
            true => Vec::new(),
            false => vec![DataResource { kind: "AWS::S3::Object".to_owned(), values }],
        };
        EventSelectors::Basic(vec![EventSelector { read_write, management, data_resources, excluded_sources: vec![] }])
    };
    check(basic(ReadWriteType::All, true, &[]), &["PutTable", "GetTable"]).await;
    check(basic(ReadWriteType::WriteOnly, true, &["arn:aws:s3"]), &["PutTable", "PutObject"]).await;
    check(basic(ReadWriteType::ReadOnly, true, &["arn:aws:s3:::data/"]), &["GetTable", "GetObject"]).await;
    check(basic(ReadWriteType::All, false, &["arn:aws:s3:::data/a/"]), &["PutObject", "GetObject"]).await;
    check(basic(ReadWriteType::All, false, &["arn:aws:s3:::other/"]), &[]).await;
    let equals = |field, word: &str| FieldCondition { equals: vec![word.to_owned()], ..FieldCondition::of(field) };
    let data = [equals(EventField::Category, "Data"), equals(EventField::ResourceType, "AWS::S3::Object")];
    let advanced = |condition: FieldCondition| {
        let conditions = data.iter().cloned().chain([condition]).collect();
        EventSelectors::Advanced(vec![AdvancedSelector { name: None, conditions }])
    };
    check(advanced(equals(EventField::Name, "GetObject")), &["GetObject"]).await;
    let not = vec!["arn:aws:s3:::data/a/".to_owned()];
    let elsewhere = FieldCondition { not_starts_with: not.clone(), ..FieldCondition::of(EventField::ResourceArn) };
    check(advanced(elsewhere), &[]).await;
    let here = FieldCondition { starts_with: not, ..FieldCondition::of(EventField::ResourceArn) };
    check(advanced(here), &["PutObject", "GetObject"]).await;
}

#[tokio::test]
async fn a_delivery_is_an_event_only_for_a_trail_that_says_so() {
    let lake = Lake::new().await;
    lake.create("main", false).await.unwrap();
    let data_resources =
        vec![DataResource { kind: "AWS::S3::Object".to_owned(), values: vec!["arn:aws:s3".to_owned()] }];
    let selector = EventSelector { management: false, data_resources, ..EventSelector::default() };
    lake.select(EventSelectors::Basic(vec![selector])).await;
    lake.start("main").await;
    lake.done("PutObject").await;
    lake.after(60).await;
    lake.after(60).await;
    assert_eq!(lake.keys("CloudTrail").len(), 1);
    let update = UpdateTrail { is_recursive: Some(true), ..UpdateTrail::default() };
    lake.trails.update_trail(&lake.caller("UpdateTrail"), "main", update).await.unwrap();
    lake.done("PutObject").await;
    for _ in 0..3 {
        lake.after(60).await;
    }
    assert_eq!(lake.keys("CloudTrail").len(), 4, "each file is an event for the next, and for none of its own round");
}

#[tokio::test]
async fn what_a_bucket_does_not_take_waits() {
    let mut lake = Lake::new().await;
    lake.create("main", true).await.unwrap();
    lake.start("main").await;
    lake.done("First").await;
    *lake.door.is_closed.lock() = true;
    lake.after(60).await;
    let status = lake.trails.status(&proof(), &scope(), "main").unwrap().delivery;
    assert_eq!((status.error.as_deref(), status.delivered_ms), (Some("AccessDenied"), None));
    lake.after(3_600).await;
    let status = lake.trails.status(&proof(), &scope(), "main").unwrap().delivery;
    assert_eq!(status.digest_error.as_deref(), Some("AccessDenied"));
    lake.restart();
    *lake.door.is_closed.lock() = false;
    lake.done("Second").await;
    lake.after(60).await;
    assert_eq!(lake.delivered().await, ["CreateDigestKey", "First", "Second"]);
    let status = lake.trails.status(&proof(), &scope(), "main").unwrap().delivery;
    assert_eq!((status.error, status.digest_error), (None, None));
    assert_eq!(lake.keys("CloudTrail-Digest").len(), 1);
}

#[tokio::test]
async fn a_deleted_trail_delivers_what_it_has_and_leaves_nothing() {
    let lake = Lake::new().await;
    for name in ["main", "other"] {
        lake.create(name, true).await.unwrap();
        lake.start(name).await;
    }
    let gone = async |name: &str| lake.trails.delete_trail(&lake.caller("DeleteTrail"), name).await;
    gone("main").await.unwrap();
    lake.after(1).await;
    // `other` has not delivered yet.
    assert_eq!(lake.delivered().await, ["CreateTrail", "DeleteTrail", "StartLogging"]);
    assert_eq!(lake.keys("CloudTrail-Digest").len(), 1, "the last of its chain");
    assert!(matches!(gone("main").await, Err(TrailsError::NoSuchTrail { .. })));
    *lake.door.is_closed.lock() = true;
    gone("other").await.unwrap();
    lake.after(1).await;
    let snapshot = lake.store.read().unwrap();
    assert_eq!(lake.waiting(), 0);
    assert_eq!(snapshot.prefix(TRAILS, &Key::new()).count() + snapshot.prefix(LEAVING, &Key::new()).count(), 0);
    assert_eq!(snapshot.prefix(CHAINS, &Key::new()).count() + snapshot.prefix(LOG_FILES, &Key::new()).count(), 0);
    assert_eq!(snapshot.prefix(STATUSES, &Key::new()).count(), 0);
}

#[tokio::test]
async fn digests_are_a_chain_that_is_signed() {
    use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use sha2::{Digest, Sha256};

    let mut lake = Lake::new().await;
    lake.create("main", true).await.unwrap();
    lake.start("main").await;
    lake.done("First").await;
    for _ in 0..3 {
        lake.after(3_600).await;
    }
    lake.restart();
    // The server was down for hours: one digest tells of them.
    lake.clock.advance(Duration::from_secs(5 * 3_600 + 7));
    lake.done("Second").await;
    lake.after(60).await;
    lake.stop("main").await;
    lake.after(1).await;
    let keys = lake.keys("CloudTrail-Digest");
    let from = Some(lake.runtime.now().as_millisecond() - 24 * 3_600_000);
    let (public, is_all) = lake.trails.public_keys(&proof(), from, None, None).unwrap();
    assert!(is_all && public.len() == 1);
    let (mut before, mut spans) = (None, Vec::new());
    for key in &keys {
        let (digest, text, metadata) = lake.read(key).await;
        let end = digest["digestEndTime"].as_str().unwrap().to_owned();
        assert_eq!(digest["digestS3Object"], **key);
        assert!(key.ends_with(&format!(
            "000000000000_CloudTrail-Digest_us-east-1_main_us-east-1_{}.json.gz",
            end.replace(['-', ':'], "")
        )));
        assert_eq!(digest["digestPublicKeyFingerprint"], *public[0].fingerprint);
        let (signature, previous) = match &before {
            None => (Json::Null, Json::Null),
            Some((signature, key)) => (Json::from(String::clone(signature)), Json::from(String::clone(key))),
        };
        assert_eq!((&digest["previousDigestSignature"], &digest["previousDigestS3Object"]), (&signature, &previous));
        let hash = hex::encode(Sha256::digest(text.as_bytes()));
        let said = format!("{end}\n{BUCKET}/{key}\n{hash}\n{}", signature.as_str().unwrap_or("null"));
        let signature = metadata["signature"].clone();
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &public[0].value)
            .verify(said.as_bytes(), &hex::decode(&signature).unwrap())
            .unwrap();
        assert_eq!(metadata["signature-algorithm"], "SHA256withRSA");
        before = Some((signature, key.clone()));
        for file in digest["logFiles"].as_array().unwrap() {
            let (_, text, _) = lake.read(file["s3Object"].as_str().unwrap()).await;
            assert_eq!(file["hashValue"], hex::encode(Sha256::digest(text.as_bytes())));
        }
        let start = digest["digestStartTime"].as_str().unwrap().to_owned();
        spans.push(format!("{} {} {}", &start[11..19], &end[11..19], digest["logFiles"].as_array().unwrap().len()));
    }
    assert_eq!(
        spans,
        [
            "10:00:00 11:00:00 1",
            // That a key was made for the first digest is an event too.
            "11:00:00 12:00:00 1",
            "12:00:00 13:00:00 0",
            "13:00:00 18:00:00 1",
            "18:00:00 18:01:08 1"
        ],
        "each follows the one before, and the last ends with the logging"
    );
    // A month later another key signs; the old one is still told.
    lake.clock.advance(Duration::from_secs(31 * 86_400));
    lake.start("main").await;
    lake.after(3_600).await;
    let now = lake.runtime.now().as_millisecond();
    assert_eq!(lake.trails.public_keys(&proof(), from, Some(now), None).unwrap().0.len(), 2);
    let (current, _) = lake.trails.public_keys(&proof(), None, None, None).unwrap();
    assert!(current.len() == 1 && current[0].fingerprint != public[0].fingerprint);
    let after = Some(public[0].fingerprint.as_str());
    assert_eq!(lake.trails.public_keys(&proof(), from, Some(now), after).unwrap().0, current);
    assert!(matches!(lake.trails.public_keys(&proof(), Some(now), from, None), Err(TrailsError::InvalidTimeRange)));
    assert!(matches!(lake.trails.public_keys(&proof(), from, None, Some("x")), Err(TrailsError::InvalidToken)));
}

#[tokio::test]
async fn trails_are_refused_for_a_reason() {
    let lake = Lake::new().await;
    let check = async |request: CreateTrail, expected: &str| {
        let refused = lake.trails.create_trail(&lake.caller("CreateTrail"), request).await.unwrap_err();
        assert!(format!("{refused:?}").starts_with(expected), "{refused:?}");
    };
    check(CreateTrail { bucket: "missing-bucket".to_owned(), ..request("main") }, "NoSuchBucket").await;
    check(CreateTrail { bucket: "B".to_owned(), ..request("main") }, "InvalidBucketName").await;
    check(CreateTrail { key_prefix: Some("x".repeat(201)), ..request("main") }, "InvalidPrefix").await;
    check(CreateTrail { kms_key: Some("1234".to_owned()), ..request("main") }, "NoSuchKey").await;
    check(CreateTrail { is_multi_region: true, includes_global_services: false, ..request("main") }, "Combination")
        .await;
    check(CreateTrail { tags: BTreeMap::from([("aws:x".to_owned(), String::new())]), ..request("main") }, "InvalidTag")
        .await;
    *lake.door.is_closed.lock() = true;
    check(request("main"), "BucketRefuses").await;
    *lake.door.is_closed.lock() = false;
    for name in ["one", "two", "three", "four", "five"] {
        lake.create(name, false).await.unwrap();
    }
    check(request("one"), "TrailExists").await;
    check(request("six"), "TooManyTrails").await;
}
