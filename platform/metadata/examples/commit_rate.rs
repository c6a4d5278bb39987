//! Prints how many small durable transactions a second the embedded store makes with N writers: `commit_rate [WRITERS] [SECONDS] [DIRECTORY]`.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tarn_disk::LocalDisk;
use tarn_metadata::{EmbeddedOptions, EmbeddedStore, Key, Keyspace, Read, Record, StoreExt};
use tarn_runtime::Runtime;

#[derive(serde::Serialize, serde::Deserialize)]
struct Row {
    bytes: Vec<u8>,
}

impl Record for Row {
    const VERSION: u16 = 1;
}

const ROWS: Keyspace<Row> = Keyspace::new(0xff00, "example.rows");
const ROW_BYTES: usize = 200;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let writers: u64 = arguments.next().map_or(Ok(64), |writers| writers.parse())?;
    let seconds: u64 = arguments.next().map_or(Ok(5), |seconds| seconds.parse())?;
    let directory = match arguments.next() {
        Some(directory) => std::path::PathBuf::from(directory),
        None => std::env::temp_dir().join(format!("tarn-commit-rate-{}", std::process::id())),
    };
    let disk = LocalDisk::new(&directory)?;
    let _lock = disk.lock()?;
    let store = Arc::new(EmbeddedStore::open(Arc::new(disk), EmbeddedOptions::default(), &Runtime::system())?);
    let committed = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let until = started + Duration::from_secs(seconds);
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let (store, committed) = (store.clone(), committed.clone());
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                let mut round = 0u64;
                while Instant::now() < until {
                    let begun = Instant::now();
                    // Scattered over the key space, as object keys are.
                    let key = Key::new().u64((writer << 40 | round).wrapping_mul(0x9e37_79b9_7f4a_7c15));
                    store.write(move |tx| tx.put(ROWS, &key, &Row { bytes: vec![7; ROW_BYTES] })).await.unwrap();
                    latencies.push(begun.elapsed());
                    committed.fetch_add(1, Ordering::Relaxed);
                    round += 1;
                }
                latencies
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await?);
    }
    let took = started.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at = |share: f64| latencies.get((latencies.len() as f64 * share) as usize).copied().unwrap_or_default();
    let count = committed.load(Ordering::Relaxed);
    println!(
        "{writers} writers, {ROW_BYTES} byte records: {count} durable transactions in {took:.1} s = {:.0}/s; latency p50 {:?}, p99 {:?}, max {:?}",
        count as f64 / took,
        at(0.5),
        at(0.99),
        at(1.0 - f64::EPSILON),
    );
    let begun = Instant::now();
    store.close()?;
    println!("closed in {:?}", begun.elapsed());
    let begun = Instant::now();
    let store =
        EmbeddedStore::open(Arc::new(LocalDisk::new(&directory)?), EmbeddedOptions::default(), &Runtime::system())?;
    println!("opened in {:?}", begun.elapsed());
    let begun = Instant::now();
    let read = store.read()?.prefix(ROWS, &Key::new()).count();
    println!("read {read} records in {:?}", begun.elapsed());
    drop(store);
    std::fs::remove_dir_all(directory)?;
    Ok(())
}
