//! The local engine on a real directory: the contract, restarts, damage, room.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use tarn_disk::LocalDisk;
use tarn_runtime::Runtime;

use super::*;
use crate::contract;

fn open(dir: &tempfile::TempDir) -> LocalBlobs {
    let disk = Arc::new(LocalDisk::new(dir.path()).unwrap());
    LocalBlobs::open(disk, LocalOptions { reserve_bytes: 0, ..LocalOptions::default() }, Runtime::system()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    contract::all(&open(&dir)).await;
}
