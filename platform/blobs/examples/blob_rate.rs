//! Measures the local blob engine on a real directory: durable small puts and gets, large streams. Knows no wire protocol.
//!
//!     cargo run --release -p tarn-blobs --example blob_rate [DIR] [LANES]
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::TryStreamExt;
use tarn_blobs::contract::pattern;
use tarn_blobs::{BlobOwner, BlobRef, BlobStore, LocalBlobs, LocalOptions};
use tarn_disk::LocalDisk;
use tarn_runtime::Runtime;

const WRITERS: u64 = 32;
const SMALL_BLOBS_EACH: u64 = 3_000;
const LARGE_BYTES: u64 = 4 << 30;
const MEDIUM_BLOBS_EACH: u64 = 50;

fn owner(n: u64) -> BlobOwner {
    let mut version = [0; 16];
    version[..8].copy_from_slice(&n.to_le_bytes());
    BlobOwner { version, part: 0 }
}

async fn put(store: &LocalBlobs, n: u64, chunk: &Bytes, times: u64) -> BlobRef {
    let mut writer = store.create(owner(n), Some(chunk.len() as u64 * times)).await.unwrap();
    for _ in 0..times {
        writer.write(chunk.clone()).await.unwrap();
    }
    writer.finish().await.unwrap()
}

async fn get(store: &LocalBlobs, blob: &BlobRef) -> u64 {
    store.read(blob, 0..blob.len).try_fold(0, |sum, bytes| async move { Ok(sum + bytes.len() as u64) }).await.unwrap()
}

/// Runs `each` on many tasks; returns the blobs and the time of each.
async fn many(store: &LocalBlobs, chunk: Bytes, each: u64, times: u64) -> (Vec<BlobRef>, Vec<Duration>, Duration) {
    let began = Instant::now();
    let tasks: Vec<_> = (0..WRITERS)
        .map(|task| {
            let (store, chunk) = (store.clone(), chunk.clone());
            tokio::spawn(async move {
                let mut done = Vec::new();
                for n in 0..each {
                    let began = Instant::now();
                    let blob = put(&store, task * each + n, &chunk, times).await;
                    done.push((blob, began.elapsed()));
                }
                done
            })
        })
        .collect();
    let (mut blobs, mut waits) = (Vec::new(), Vec::new());
    for task in tasks {
        for (blob, wait) in task.await.unwrap() {
            blobs.push(blob);
            waits.push(wait);
        }
    }
    waits.sort();
    (blobs, waits, began.elapsed())
}

async fn get_all(store: &LocalBlobs, blobs: &[BlobRef]) -> Duration {
    let began = Instant::now();
    let each = blobs.len().div_ceil(WRITERS as usize);
    let tasks: Vec<_> = blobs
        .chunks(each)
        .map(|blobs| {
            let (store, blobs) = (store.clone(), blobs.to_vec());
            tokio::spawn(async move {
                for blob in &blobs {
                    assert_eq!(get(&store, blob).await, blob.len);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    began.elapsed()
}

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let dir = args.next().unwrap_or_else(|| "blob_rate.data".to_owned());
    let lanes = args.next().and_then(|text| text.parse().ok()).unwrap_or(LocalOptions::default().lanes);
    let store = LocalBlobs::open(
        Arc::new(LocalDisk::new(&dir).unwrap()),
        LocalOptions { lanes, ..LocalOptions::default() },
        Runtime::system(),
    )
    .unwrap();
    println!("{dir}, {lanes} lane(s)");

    let (blobs, waits, took) = many(&store, pattern(1, 1024), SMALL_BLOBS_EACH, 1).await;
    println!(
        "put 1 KiB, {WRITERS} writers: {:.0}/s, median {:?}, 99th percentile {:?}",
        blobs.len() as f64 / took.as_secs_f64(),
        waits[waits.len() / 2],
        waits[waits.len() * 99 / 100],
    );
    let took = get_all(&store, &blobs).await;
    println!("get 1 KiB, {WRITERS} readers: {:.0}/s", blobs.len() as f64 / took.as_secs_f64());

    let (blobs, _, took) = many(&store, pattern(2, 1 << 20), MEDIUM_BLOBS_EACH, 1).await;
    println!("put 1 MiB, {WRITERS} writers: {:.0}/s", blobs.len() as f64 / took.as_secs_f64());
    let took = get_all(&store, &blobs).await;
    println!("get 1 MiB, {WRITERS} readers: {:.0}/s", blobs.len() as f64 / took.as_secs_f64());

    let chunk = pattern(3, 1 << 20);
    let began = Instant::now();
    let large = put(&store, u64::MAX, &chunk, LARGE_BYTES >> 20).await;
    println!(
        "put {} GiB, one stream: {:.0} MB/s",
        LARGE_BYTES >> 30,
        LARGE_BYTES as f64 / 1e6 / began.elapsed().as_secs_f64()
    );
    let began = Instant::now();
    assert_eq!(get(&store, &large).await, LARGE_BYTES);
    println!(
        "get {} GiB, one stream: {:.0} MB/s",
        LARGE_BYTES >> 30,
        LARGE_BYTES as f64 / 1e6 / began.elapsed().as_secs_f64()
    );
    std::fs::remove_dir_all(&dir).unwrap();
}
