//! Rates of the object store on this machine's disk: durable puts and gets of 1 KiB, large streams, listing. Prints; asserts nothing.
//! `object_rate DIRECTORY [SECONDS]`
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use tarn_audit::{Caller, EventDraft};
use tarn_blobs::{LocalBlobs, LocalOptions};
use tarn_disk::LocalDisk;
use tarn_keys::Keys;
use tarn_metadata::{EmbeddedOptions, EmbeddedStore, Store};
use tarn_objects::{
    BodyError, BucketName, CreateBucket, ListObjects, ObjectKey, Objects, ObjectsOptions, PutObject, body_of,
};
use tarn_policy::{Authorized, Authorizer, BoundAuthorizer, Context, Denied, Principal, Requirement};
use tarn_runtime::{EntropyExt, Runtime};
use tarn_types::{AccountId, Region, Scope};

const WRITERS: u64 = 32;
const PUT_ROUNDS: u32 = 4;
const LARGE_BYTES: u64 = 1 << 30;

struct Everyone;

impl Authorizer for Everyone {
    fn authorize(&self, _: &Principal, _: Vec<Requirement>, _: &Context) -> Result<Authorized, Denied> {
        Ok(proof())
    }
}

fn proof() -> Authorized {
    Authorized::internal("rate.example", AccountId::first())
}

fn caller(runtime: &Runtime) -> Caller {
    let principal = Principal::root(AccountId::first());
    let event = EventDraft {
        id: runtime.entropy.bytes(),
        request_id: "0b7a9a26-0000-4000-8000-000000000000".to_owned(),
        time_ms: runtime.now().as_millisecond(),
        event_source: "s3.amazonaws.com".to_owned(),
        event_name: "PutObject".to_owned(),
        read_only: false,
        management: false,
        scope: Scope { account: AccountId::first(), region: Region::us_east_1() },
        principal: principal.clone(),
        source_ip: "127.0.0.1".to_owned(),
        user_agent: "object_rate".to_owned(),
        request_parameters: "{}".to_owned(),
        resources: Vec::new(),
    };
    Caller::new(proof(), BoundAuthorizer::new(Arc::new(Everyone), principal, Context::new()), event)
}

/// Runs `work` on `WRITERS` tasks for a while; times per second.
async fn rate<F, W>(seconds: u64, work: W) -> f64
where
    W: Fn(u64) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send,
{
    let (work, count) = (Arc::new(work), Arc::new(AtomicU64::new(0)));
    let (begun, until) = (Instant::now(), Instant::now() + Duration::from_secs(seconds));
    let tasks: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (work, count) = (work.clone(), count.clone());
            tokio::spawn(async move {
                while Instant::now() < until {
                    work(count.fetch_add(1, Ordering::Relaxed)).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    count.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64()
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().unwrap_or_else(|| "object-rate".to_owned());
    let seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(5);
    let runtime = Runtime::system();
    let disk = |name: &str| Arc::new(LocalDisk::new(std::path::Path::new(&directory).join(name)).unwrap());
    let store: Arc<dyn Store> =
        Arc::new(EmbeddedStore::open(disk("metadata"), EmbeddedOptions::default(), &runtime).unwrap());
    let blobs = Arc::new(LocalBlobs::open(disk("blobs"), LocalOptions::default(), runtime.clone()).unwrap());
    let keys = Arc::new(Keys::ephemeral(&runtime).unwrap());
    let objects = Objects::new(store, blobs, keys, runtime.clone(), ObjectsOptions::default());
    let [bucket, other] =
        ["rate", "other"].map(|name| BucketName::new(format!("{name}-{}", runtime.entropy.u64())).unwrap());
    let create = CreateBucket::new(bucket.clone(), Region::us_east_1());
    objects.create_bucket(&caller(&runtime), create).await.unwrap();
    let at = |n: u64| ObjectKey::new(format!("prefix/{:02}/object-{n:08}", n % 16)).unwrap();

    let payload = Bytes::from(runtime.entropy.bytes::<1024>().to_vec());
    // A call whose record is written once writes none again: the same puts without their audit. In turns, for the disk has its moods.
    let recorded = caller(&runtime);
    objects.create_bucket(&recorded, CreateBucket::new(other, Region::us_east_1())).await.unwrap();
    let mut put_rates = [0.0; 2];
    for round in 0..2 * PUT_ROUNDS {
        let is_audited = round % 2 == 0;
        let (lake, name, payload) = (objects.clone(), bucket.clone(), payload.clone());
        let (time, recorded) = (runtime.clone(), recorded.clone());
        let put_rate = rate(seconds, move |n| {
            let caller = if is_audited { caller(&time) } else { recorded.clone() };
            let put = PutObject::new(name.clone(), at(n));
            let (lake, payload) = (lake.clone(), payload.clone());
            async move {
                let put = PutObject { content_length: Some(payload.len() as u64), ..put };
                lake.put_object(&caller, put, body_of(payload)).await.unwrap();
            }
        })
        .await;
        put_rates[usize::from(!is_audited)] += put_rate / f64::from(PUT_ROUNDS);
    }
    let [audited, bare] = put_rates;
    println!(
        "put 1 KiB, durable, {WRITERS} writers: {audited:.0}/s, without its audit record {bare:.0}/s: {:.1} %",
        (bare / audited - 1.0) * 100.0
    );

    let (lake, name) = (objects.clone(), bucket.clone());
    let get_rate = rate(seconds, move |n| {
        let (lake, name, key) = (lake.clone(), name.clone(), at(n % 10_000));
        async move {
            if let Ok(version) = lake.head_object(&proof(), &name, &key) {
                lake.read_whole(&proof(), &version, 1 << 20).await.unwrap();
            }
        }
    })
    .await;
    println!("get 1 KiB, {WRITERS} readers: {get_rate:.0}/s");

    let (begun, mut keys) = (Instant::now(), 0);
    while begun.elapsed() < Duration::from_secs(seconds) {
        let mut request = ListObjects::new(bucket.clone(), "");
        loop {
            let page = objects.list_objects(&proof(), &request).unwrap();
            keys += page.objects.len();
            request.start_after = page.next;
            if request.start_after.is_none() {
                break;
            }
        }
    }
    println!("list, one caller: {:.0} keys/s", keys as f64 / begun.elapsed().as_secs_f64());

    let chunk = Bytes::from(vec![7_u8; 64 << 10]);
    let chunks = (0..LARGE_BYTES / chunk.len() as u64).map(move |_| Ok::<_, BodyError>(chunk.clone()));
    let large = ObjectKey::new("large").unwrap();
    let put = PutObject { content_length: Some(LARGE_BYTES), ..PutObject::new(bucket.clone(), large.clone()) };
    let begun = Instant::now();
    objects.put_object(&caller(&runtime), put, futures::stream::iter(chunks).boxed()).await.unwrap();
    println!("put 1 GiB, one stream: {:.0} MB/s", LARGE_BYTES as f64 / 1e6 / begun.elapsed().as_secs_f64());
    let version = objects.head_object(&proof(), &bucket, &large).unwrap();
    let begun = Instant::now();
    let mut stream = objects.read(&proof(), &version, 0..LARGE_BYTES);
    while let Some(bytes) = stream.next().await {
        bytes.unwrap();
    }
    println!("get 1 GiB, one stream: {:.0} MB/s", LARGE_BYTES as f64 / 1e6 / begun.elapsed().as_secs_f64());
}
