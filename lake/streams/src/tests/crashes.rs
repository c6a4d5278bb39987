//! Crashes between and within the steps of puts and deliveries, over the real store and the real blobs on a simulated disk: what was
//! acknowledged is delivered after recovery, once; nothing else is; nothing of it stays behind.

use std::io;

use tarn_blobs::{LocalBlobs, LocalOptions};
use tarn_disk::{Disk, DiskFile, OpenMode};
use tarn_metadata::{EmbeddedOptions, EmbeddedStore};
use tarn_testkit::SimulatedDisk;

use super::*;

/// Crash points of a run that does not say. `TARN_CRASH_POINTS` counts those of one store or engine; here each opens a whole lake,
/// so that one in a hundred is tried.
const CRASH_POINTS: u64 = 300;

/// A folder of a disk, as a disk: blobs of objects and of streams lie apart.
#[derive(Debug)]
struct Folder {
    disk: SimulatedDisk,
    name: &'static str,
}

impl Folder {
    fn at(&self, path: &str) -> String {
        if path.is_empty() { self.name.to_owned() } else { format!("{}/{path}", self.name) }
    }
}

impl Disk for Folder {
    fn open(&self, path: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(&self.at(path), mode)
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.disk.list(&self.at(dir))
    }

    fn create_dir_all(&self, dir: &str) -> io::Result<()> {
        self.disk.create_dir_all(&self.at(dir))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.disk.remove(&self.at(path))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(&self.at(from), &self.at(to))
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.disk.sync_dir(&self.at(dir))
    }

    fn exists(&self, path: &str) -> io::Result<bool> {
        self.disk.exists(&self.at(path))
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.disk.free_bytes()
    }
}

struct OpenLake {
    streams: Arc<Streams>,
    objects: Arc<Objects>,
    store: Arc<EmbeddedStore>,
}

async fn open(disk: &SimulatedDisk, helper: &Lake) -> OpenLake {
    let (runtime, keys) = (helper.runtime.clone(), helper.keys.clone());
    let folder = |name: &'static str| -> Arc<dyn Disk> {
        let folder = Folder { disk: disk.clone(), name };
        folder.create_dir_all("").unwrap();
        Arc::new(folder)
    };
    let store = Arc::new(EmbeddedStore::open(folder("metadata"), EmbeddedOptions::default(), &runtime).unwrap());
    let blobs = |name| {
        let options = LocalOptions { reserve_bytes: 0, ..LocalOptions::default() };
        Arc::new(LocalBlobs::open(folder(name), options, runtime.clone()).unwrap())
    };
    let shared: Arc<dyn Store> = store.clone();
    let options = ObjectsOptions::default();
    let objects = Arc::new(Objects::new(shared.clone(), blobs("blobs"), keys.clone(), runtime.clone(), options));
    let catalog = Arc::new(Catalog::new(shared.clone(), runtime.clone()));
    let options = StreamsOptions::default();
    let streams = Streams::open(
        shared,
        blobs("streams"),
        keys,
        objects.clone(),
        catalog,
        Arc::new(Everyone),
        runtime.clone(),
        options,
    )
    .await;
    OpenLake { streams: Arc::new(streams.unwrap()), objects, store }
}

async fn deliver(lake: &OpenLake, helper: &Lake) {
    helper.clock.advance(Duration::from_secs(60));
    while lake.streams.deliver_due().await > 0 {}
    while lake.streams.collect_garbage().await.unwrap() {}
}

/// Runs the workload; the records taken so far after each put, with the number of disk operations at its acknowledgement.
async fn workload(lake: &OpenLake, helper: &Lake, disk: &SimulatedDisk) -> Vec<(u64, Vec<String>)> {
    let mut states = vec![(disk.operations(), Vec::new())];
    let mut taken = Vec::new();
    for step in 0..12 {
        // Small ones are kept in their row, large ones in a blob.
        let padding = if step % 3 == 1 { 20_000 } else { 10 };
        let texts: Vec<String> = (0..=step % 2).map(|at| format!("{step}-{at}-{}", "x".repeat(padding))).collect();
        let records = texts.iter().map(|text| Bytes::copy_from_slice(text.as_bytes())).collect();
        lake.streams.put_records(&helper.caller(), "weather", records).await.unwrap();
        taken.extend(texts);
        states.push((disk.operations(), taken.clone()));
        if step % 4 == 3 {
            deliver(lake, helper).await;
        }
    }
    states
}

async fn delivered_lines(lake: &OpenLake) -> Vec<String> {
    let bucket = BucketName::new("lake-raw").unwrap();
    let listing = lake.objects.list_objects(&proof(), &ListObjects::new(bucket.clone(), "")).unwrap();
    let mut lines = Vec::new();
    for listed in listing.objects {
        let key = ObjectKey::new(&listed.key).unwrap();
        let version = lake.objects.head_object(&proof(), &bucket, &key).unwrap();
        let body = lake.objects.read_whole(&proof(), &version, 1 << 30).await.unwrap();
        lines.extend(String::from_utf8(body.to_vec()).unwrap().lines().map(str::to_owned));
    }
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_records_are_delivered_once_after_every_crash() {
    let seed = 23;
    let helper = Lake::new().await;
    let disk = SimulatedDisk::new(seed);
    disk.keep_history();
    let lake = open(&disk, &helper).await;
    let name = BucketName::new("lake-raw").unwrap();
    let bucket = CreateBucket::new(name, Region::us_east_1());
    lake.objects.create_bucket(&helper.caller(), bucket).await.unwrap();
    let request = CreateDeliveryStream { name: "weather".to_owned(), destination: destination(), tags: Vec::new() };
    lake.streams.create_delivery_stream(&helper.caller(), request).await.unwrap();
    let began = disk.operations();
    let states = workload(&lake, &helper, &disk).await;
    let operations = disk.operations();
    lake.store.close().unwrap();
    drop(lake);

    let points = std::env::var("TARN_CRASH_POINTS").ok().and_then(|text| text.parse::<u64>().ok());
    let points = points.map_or(CRASH_POINTS, |points| (points / 100).max(1));
    for point in 0..points {
        let (k, seed) = (began + point * (operations - began) / points, seed + point);
        let at = format!("crash within operation {k} of {operations}, seed {seed}");
        let lake = open(&disk.survivor_at(k, seed), &helper).await;
        deliver(&lake, &helper).await;
        let mut found = delivered_lines(&lake).await;
        found.sort();
        let acknowledged = states.iter().take_while(|(operations, _)| *operations <= k).count();
        let expected = |(_, records): &(u64, Vec<String>)| {
            let mut records = records.clone();
            records.sort();
            records == found
        };
        // All that was acknowledged and perhaps the batch that was being taken, whole.
        let last = acknowledged.saturating_sub(1);
        assert!(states[last..(last + 2).min(states.len())].iter().any(expected), "{at}: {} records", found.len());
        assert_eq!(lake.store.read().unwrap().prefix(CHUNKS, &Key::new()).count(), 0, "{at}");
        assert_eq!(lake.store.read().unwrap().prefix(PLANS, &Key::new()).count(), 0, "{at}");
        lake.store.close().unwrap();
    }
    println!("{points} crash points of {} disk operations, seeds from {seed}", operations - began);
}
