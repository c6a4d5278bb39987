//! Power cuts between and within the steps of changes, deliveries and digests, over the real store and the real blobs on a simulated disk:
//! no acknowledged change is without its record, and after recovery each record is in one file, and each file in one digest.

use tarn_audit::EVENTS;
use tarn_blobs::{LocalBlobs, LocalOptions};
use tarn_disk::Disk;
use tarn_metadata::{EmbeddedOptions, EmbeddedStore};
use tarn_runtime::SeededEntropy;
use tarn_testkit::SimulatedDisk;

use super::*;

/// Crash points of a run that does not say. `TARN_CRASH_POINTS` counts those of one store or engine; here each opens a whole lake,
/// so that one in a hundred is tried.
const CRASH_POINTS: u64 = 60;
const STEPS: usize = 24;

fn on(disk: &SimulatedDisk, keys: &Arc<Keys>, runtime: &Runtime, clock: &Arc<FixedClock>) -> Lake {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let store = Arc::new(EmbeddedStore::open(disk.clone(), EmbeddedOptions::default(), runtime).unwrap());
    let options = LocalOptions { reserve_bytes: 0, ..LocalOptions::default() };
    let blobs = Arc::new(LocalBlobs::open(disk, options, runtime.clone()).unwrap());
    Lake::over(store, blobs, keys.clone(), runtime.clone(), clock.clone())
}

/// Changes, a delivery after every fourth and a digest after every eighth; how many were acknowledged by which operation of the disk.
async fn workload(lake: &Lake, disk: &SimulatedDisk) -> Vec<u64> {
    lake.create_bucket().await;
    lake.create("main", true).await.unwrap();
    lake.start("main").await;
    let mut acknowledged = Vec::new();
    for step in 0..STEPS {
        lake.done(&format!("Step{step:02}")).await;
        acknowledged.push(disk.operations());
        match step % 8 {
            3 => lake.after(60).await,
            7 => lake.after(3_600).await,
            _ => {}
        }
    }
    acknowledged
}

/// The changes on record.
fn recorded(lake: &Lake) -> Vec<String> {
    let events = lake.store.read().unwrap();
    let mut names: Vec<_> = events.prefix(EVENTS, &Key::new()).map(|event| event.unwrap().1.event_name).collect();
    names.retain(|name| name.starts_with("Step"));
    names.sort();
    names
}

async fn check(lake: &Lake, acknowledged: usize, place: &str) {
    let names = recorded(lake);
    assert!(names.len() >= acknowledged, "{place}: {acknowledged} changes were acknowledged, on record are {names:?}");
    if names.is_empty() {
        return;
    }
    lake.after(60).await;
    lake.after(2 * 3_600).await;
    lake.after(3_600).await;
    let mut delivered = lake.delivered().await;
    delivered.retain(|name| name.starts_with("Step"));
    assert_eq!(delivered, names, "{place}: each record once");
    let (mut signed, mut before) = (Vec::new(), Json::Null);
    for key in lake.keys("CloudTrail-Digest") {
        let (digest, ..) = lake.read(&key).await;
        assert_eq!(digest["previousDigestS3Object"], before, "{place}: one chain");
        before = Json::from(key);
        let files = digest["logFiles"].as_array().unwrap();
        signed.extend(files.iter().map(|file| file["s3Object"].as_str().unwrap().to_owned()));
    }
    signed.sort();
    assert_eq!(signed, lake.keys("CloudTrail"), "{place}: each file once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_power_cut_loses_or_repeats_a_record() {
    let seed = std::env::var("TARN_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(11);
    let points = std::env::var("TARN_CRASH_POINTS").ok().and_then(|text| text.parse::<u64>().ok());
    let points = points.map_or(CRASH_POINTS, |points| (points / 100).max(1));
    let (runtime, clock) = Runtime::fixed("2026-11-26T10:00:00Z".parse::<Timestamp>().unwrap(), seed);
    let keys = Arc::new(Keys::ephemeral(&runtime).unwrap());
    let disk = SimulatedDisk::new(seed);
    disk.keep_history();
    let lake = on(&disk, &keys, &runtime, &clock);
    let acknowledged = workload(&lake, &disk).await;
    let operations = disk.operations();
    let random = SeededEntropy::new(seed);
    for _ in 0..points {
        let (operation, choice) = (random.u64() % operations, random.u64());
        let survivor = disk.survivor_at(operation, choice);
        let recovered = on(&survivor, &keys, &runtime, &clock);
        let count = acknowledged.iter().filter(|at| **at <= operation).count();
        check(&recovered, count, &format!("seed {seed}, operation {operation}, choice {choice}")).await;
    }
    check(&lake, STEPS, "without a crash").await;
}
