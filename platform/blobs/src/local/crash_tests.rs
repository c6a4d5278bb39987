//! The local engine on a disk that crashes within each of its operations: what was acknowledged is there and byte-equal, what was not is
//! whole or absent. The number of crash points is `TARN_CRASH_POINTS`; seeds are printed.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use parking_lot::Mutex;
use tarn_runtime::{Runtime, SeededEntropy, SystemClock};
use tarn_testkit::{DiskFault, SimulatedDisk};

use super::tests::Refs;
use super::*;
use crate::contract::{get, pattern};
use crate::read::read_packed;

/// Crash points of one run of all tests here, unless the environment says another number.
const CRASH_POINTS: u64 = 48_000;

fn crash_points() -> u64 {
    std::env::var("TARN_CRASH_POINTS").ok().and_then(|text| text.parse().ok()).unwrap_or(CRASH_POINTS)
}

fn options() -> LocalOptions {
    LocalOptions { pack_size_bytes_max: 6_000, lanes: 1, open_files_max: 4, moves_at_once: 1, reserve_bytes: 0 }
}

fn open(disk: &SimulatedDisk, seed: u64) -> Result<LocalBlobs, BlobError> {
    let runtime = Runtime { clock: Arc::new(SystemClock), entropy: Arc::new(SeededEntropy::new(seed)) };
    LocalBlobs::open(Arc::new(disk.clone()), options(), runtime)
}

fn on_one_thread<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// One blob's record, as the metadata store would have it, with the operation counts between which each of its states held.
struct Kept {
    bytes: Bytes,
    /// References, each with the number of operations when it was acknowledged.
    refs: Vec<(u64, BlobRef)>,
    /// Operations when its delete began.
    deleted: Option<u64>,
}

impl Kept {
    /// The reference the record holds after a crash in operation `at`; none if it was not acknowledged or may be deleted.
    fn named_at(&self, at: u64) -> Option<&BlobRef> {
        let (_, blob) = self.refs.iter().rev().find(|(since, _)| *since <= at)?;
        self.deleted.is_none_or(|deleted| at < deleted).then_some(blob)
    }
}

/// The owner of references, whose own store never crashes.
struct Records {
    disk: SimulatedDisk,
    kept: Mutex<Vec<Kept>>,
}

impl Records {
    fn names(&self, blob: &BlobRef) -> bool {
        self.kept.lock().iter().any(|kept| kept.named_at(u64::MAX) == Some(blob))
    }
}

impl Relocate for Records {
    fn is_live(&self, blob: &BlobRef) -> bool {
        self.names(blob)
    }

    fn relocate<'a>(&'a self, old: &'a BlobRef, new: BlobRef) -> BoxFuture<'a, Result<bool, BlobError>> {
        let mut kept = self.kept.lock();
        let found = kept.iter_mut().find(|kept| kept.named_at(u64::MAX) == Some(old));
        let found = found.map(|kept| kept.refs.push((self.disk.operations(), new))).is_some();
        futures::future::ready(Ok(found)).boxed()
    }
}

/// How a workload is made.
struct Shape {
    steps: u64,
    /// One blob in so many is large.
    large_one_in: u64,
    /// One blob in so many is an archive container.
    archive_one_in: u64,
}

fn payload(random: &mut Random, shape: &Shape, seed: u64) -> Bytes {
    let len = match random.below(shape.large_one_in) {
        0 => PACKED_SIZE_BYTES_MAX + 1 + random.below(70_000),
        _ => [1, 40, 511, 700, 1500, 3000][random.below(6) as usize] + random.below(9),
    };
    pattern(seed, len as usize)
}

async fn put(store: &LocalBlobs, version: u64, bytes: &Bytes, form: BlobForm) -> Result<BlobRef, BlobError> {
    let mut owner = BlobOwner { version: [0; 16], part: 1 };
    owner.version[..8].copy_from_slice(&version.to_le_bytes());
    let mut writer = store.create_as(owner, None, form).await?;
    writer.write(bytes.clone()).await?;
    writer.finish().await
}

/// Runs a workload from `seed`; an error ends a step but not the workload.
async fn run(records: &Records, shape: &Shape, seed: u64) {
    let mut random = Random(seed);
    let mut opened = seed;
    let Ok(mut store) = open(&records.disk, opened) else { return };
    for step in 0..shape.steps {
        match random.below(20) {
            0..=11 => {
                let bytes = payload(&mut random, shape, seed ^ step << 32);
                let form = match random.below(shape.archive_one_in) {
                    0 => BlobForm::Archive,
                    _ => BlobForm::Hot,
                };
                if let Ok(blob) = put(&store, step, &bytes, form).await {
                    let refs = vec![(records.disk.operations(), blob)];
                    records.kept.lock().push(Kept { bytes, refs, deleted: None });
                }
            }
            12..=15 => {
                let blob = {
                    let mut kept = records.kept.lock();
                    let count = kept.len() as u64;
                    let Some(kept) = (count > 0).then(|| &mut kept[random.below(count) as usize]) else { continue };
                    kept.deleted.get_or_insert(records.disk.operations());
                    kept.refs.last().unwrap().1.clone()
                };
                let _ = store.delete(&blob).await;
            }
            16 => {
                let _ = store.sweep(&|blob| records.names(blob)).await;
            }
            17 | 18 => {
                let _ = store.compact(records).await;
                let _ = store.compact(records).await;
            }
            _ => {
                opened += 1;
                match open(&records.disk, opened) {
                    Ok(again) => store = again,
                    Err(_) => return,
                }
            }
        }
    }
}

/// Reads a blob; packed ones on this thread, because there are very many.
async fn whole(store: &LocalBlobs, blob: &BlobRef) -> Result<Bytes, BlobError> {
    match blob.place {
        BlobPlace::Pack { pack, offset } => read_packed(&store.0.shared, blob, pack, offset),
        BlobPlace::Empty | BlobPlace::File { .. } | BlobPlace::Archive { .. } | BlobPlace::Volume { .. } => {
            get(store, blob, 0, blob.len).await
        }
    }
}

/// Checks one survivor. `thorough` also sweeps it, writes to it, compacts it, and opens it again.
async fn check(records: &Records, survivor: &SimulatedDisk, at: u64, thorough: bool, context: &str) {
    let mut store = open(survivor, 77).unwrap_or_else(|error| panic!("{context}: does not open: {error}"));
    let kept: Vec<(Bytes, Vec<BlobRef>, Option<BlobRef>)> = {
        let kept = records.kept.lock();
        let refs = |kept: &Kept| kept.refs.iter().map(|(_, blob)| blob.clone()).collect();
        kept.iter().map(|kept| (kept.bytes.clone(), refs(kept), kept.named_at(at).cloned())).collect()
    };
    for (bytes, refs, named) in &kept {
        for blob in refs {
            match whole(&store, blob).await {
                Ok(found) => assert_eq!(found, bytes, "{context}: {blob:?} has other bytes"),
                Err(error) => {
                    assert_ne!(named.as_ref(), Some(blob), "{context}: an acknowledged blob is lost: {error}")
                }
            }
        }
    }
    if !thorough {
        return;
    }
    let refs = Refs::new(kept.into_iter().filter_map(|(bytes, _, named)| Some((named?, bytes))));
    for round in 0..2 {
        let live = |blob: &BlobRef| refs.is_live(blob);
        store.sweep(&live).await.unwrap_or_else(|error| panic!("{context}: does not sweep: {error}"));
        assert_eq!(store.sweep(&live).await.unwrap().removed, 0, "{context}: a second sweep finds more");
        let named: u64 = refs.refs().iter().map(|blob| blob.len).sum();
        assert_eq!(store.usage().live_bytes, named, "{context}: the account is wrong");
        let fresh = pattern(99, 900);
        let blob = put(&store, u64::MAX - round, &fresh, BlobForm::Hot).await;
        let blob = blob.unwrap_or_else(|error| panic!("{context}: takes no blobs: {error}"));
        assert_eq!(get(&store, &blob, 0, blob.len).await.unwrap(), fresh);
        store.delete(&blob).await.unwrap();
        let mut calls = 0;
        while store.compact(&refs).await.unwrap() != CompactReport::default() {
            calls += 1;
            assert!(calls < 100, "{context}: compaction does not end");
        }
        refs.check(&store).await;
        store = open(survivor, 78 + round).unwrap_or_else(|error| panic!("{context}: does not open again: {error}"));
        refs.check(&store).await;
    }
}

/// Crashes in every operation of workloads until `points` are done.
fn crash_everywhere(name: &str, shape: &Shape, survivors: u64, points: u64) {
    on_one_thread(async {
        let (mut done, mut seed) = (0, 0);
        while done < points {
            seed += 1;
            let disk = SimulatedDisk::new(seed);
            disk.keep_history();
            let records = Records { disk: disk.clone(), kept: Mutex::default() };
            run(&records, shape, seed).await;
            for at in 0..=disk.operations() {
                for survivor in 0..survivors {
                    let context = format!(
                        "{name}: seed {seed}, crash in operation {at} ({:?}), survivor {survivor}",
                        disk.trace().get(at as usize)
                    );
                    check(&records, &disk.survivor_at(at, survivor), at, done % 32 == 0, &context).await;
                    done += 1;
                }
            }
        }
        println!("{name}: {done} crash points, seeds 1 to {seed}");
    });
}

#[test]
fn crashes_in_small_workloads() {
    crash_everywhere("small workloads", &Shape { steps: 8, large_one_in: 9, archive_one_in: 5 }, 8, crash_points() / 2);
}

#[test]
fn crashes_in_longer_workloads() {
    crash_everywhere(
        "longer workloads",
        &Shape { steps: 60, large_one_in: 40, archive_one_in: 9 },
        2,
        crash_points() / 4,
    );
}

/// Every operation of every workload fails once, or for good; then the machine crashes.
#[test]
fn failing_operations_lose_nothing_acknowledged() {
    on_one_thread(async {
        let shape = Shape { steps: 14, large_one_in: 12, archive_one_in: 4 };
        let (mut done, mut seed, points) = (0, 0, crash_points() / 4);
        'seeds: loop {
            seed += 1;
            let dry = Records { disk: SimulatedDisk::new(seed), kept: Mutex::default() };
            run(&dry, &shape, seed).await;
            for at in 0..dry.disk.operations() {
                for (fault, for_good) in [
                    (DiskFault::Io, false),
                    (DiskFault::NoSpace, false),
                    (DiskFault::Io, true),
                    (DiskFault::NoSpace, true),
                ] {
                    let disk = SimulatedDisk::new(seed);
                    if for_good {
                        disk.fail_from(at, fault)
                    } else {
                        disk.fail_at(at, fault)
                    }
                    let records = Records { disk: disk.clone(), kept: Mutex::default() };
                    run(&records, &shape, seed).await;
                    let context = format!(
                        "seed {seed}, {fault:?} in operation {at} ({:?}), for good: {for_good}",
                        dry.disk.trace().get(at as usize)
                    );
                    disk.heal();
                    for survivor in 0..4 {
                        check(&records, &disk.reopen(survivor), u64::MAX, done % 32 == 0, &context).await;
                        done += 1;
                    }
                }
                if done >= points {
                    break 'seeds;
                }
            }
        }
        println!("failing operations: {done} crash points, seeds 1 to {seed}");
    });
}
