//! Containers on a simulated disk: damage everywhere, repairs, restarts, sweeps, room.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use bytes::Bytes;
use tarn_disk::{Disk, OpenMode};
use tarn_runtime::Runtime;
use tarn_testkit::{DiskFault, SimulatedDisk};

use super::*;
use crate::contract::{get, pattern};
use crate::{BlobError, BlobForm, BlobOwner, BlobPlace, BlobRef, BlobStore, LocalBlobs, LocalOptions, SweepReport};

const OWNER: BlobOwner = BlobOwner { version: [7; 16], part: 3 };

fn open(disk: &SimulatedDisk) -> LocalBlobs {
    let options = LocalOptions { reserve_bytes: 0, ..LocalOptions::default() };
    LocalBlobs::open(Arc::new(disk.clone()), options, Runtime::system()).unwrap()
}

async fn put(store: &LocalBlobs, bytes: &Bytes) -> BlobRef {
    let mut writer = store.create_as(OWNER, None, BlobForm::Archive).await.unwrap();
    let mut rest = bytes.clone();
    while !rest.is_empty() {
        writer.write(rest.split_to(rest.len().min(70_001))).await.unwrap();
    }
    writer.finish().await.unwrap()
}

fn path_of(blob: &BlobRef) -> String {
    let BlobPlace::Archive { id } = blob.place else { panic!("{blob:?} is no container") };
    container_path(&id)
}

fn overwrite(disk: &SimulatedDisk, path: &str, offset: usize, bytes: &[u8]) {
    let file = disk.open(path, OpenMode::ReadWrite).unwrap();
    file.write_all_at(bytes, offset as u64).unwrap();
}

/// Destroys `len` bytes at `offset`, as far as the file goes.
fn damage(disk: &SimulatedDisk, path: &str, offset: usize, len: usize) {
    let whole = disk.contents(path).unwrap();
    let end = whole.len().min(offset + len);
    let destroyed: Vec<u8> = whole[offset..end].iter().map(|byte| !byte).collect();
    overwrite(disk, path, offset, &destroyed);
}

#[tokio::test]
async fn what_is_written_is_read_in_any_range() {
    let store = open(&SimulatedDisk::new(1));
    let group = layout::GROUP_PAYLOAD_BYTES;
    for (seed, len) in
        [0, 1, 4095, 4096, 4097, 100_000, group - 1, group, group + 1, 3 * group + 12_345].into_iter().enumerate()
    {
        let bytes = pattern(seed as u64, len);
        let blob = put(&store, &bytes).await;
        assert_eq!((blob.len, blob.owner), (len as u64, OWNER));
        let mut ranges =
            vec![(0, len), (0, len.min(1)), (len / 2, len / 2), (len / 3, len), (len.saturating_sub(1), len)];
        ranges.extend([4095, 65_536, group - 5, 2 * group].iter().map(|at| (*at.min(&len), len.min(at + 70_000))));
        for (start, end) in ranges {
            let found = get(&store, &blob, start as u64, end as u64).await.unwrap();
            assert_eq!(found, bytes[start..end], "{start}..{end} of {len}");
        }
        assert!(matches!(get(&store, &blob, 0, len as u64 + 1).await, Err(BlobError::Range { .. })));
    }
    assert_eq!(store.archive_counts(), ArchiveCounts::default());
}

#[tokio::test]
async fn damage_of_4_kib_anywhere_is_repaired_by_a_read_or_a_scrub() {
    for len in [300, 9_000, 70_000, layout::GROUP_PAYLOAD_BYTES + 50_000] {
        let disk = SimulatedDisk::new(1);
        let bytes = pattern(1, len);
        let blob = put(&open(&disk), &bytes).await;
        let path = path_of(&blob);
        let whole = disk.contents(&path).unwrap();
        // Every place in a small container; in larger ones around every border of frames, and in steps that meet all blocks.
        let step = (whole.len() / 600).max(17);
        for (turn, offset) in (0..whole.len()).step_by(step).enumerate() {
            damage(&disk, &path, offset, 4096);
            assert_ne!(disk.contents(&path).unwrap(), whole);
            let store = open(&disk);
            if turn % 2 == 0 {
                assert_eq!(get(&store, &blob, 0, blob.len).await.unwrap(), bytes, "{len}: damage at {offset}");
            }
            let report = store.scrub(None).await.unwrap();
            assert_eq!((report.containers, report.lost, report.unreadable), (1, 0, 0), "{len}: damage at {offset}");
            assert_eq!(disk.contents(&path).unwrap(), whole, "{len}: damage at {offset} was not repaired on the disk");
            assert!(store.archive_counts().repaired_blocks > 0);
            if turn % 2 == 1 {
                assert!(report.repaired_blocks > 0, "{len}: damage at {offset}");
                assert_eq!(get(&store, &blob, 0, blob.len).await.unwrap(), bytes);
            }
        }
    }
}

#[tokio::test]
async fn repairs_are_durable() {
    let disk = SimulatedDisk::new(1);
    let bytes = pattern(1, 200_000);
    let store = open(&disk);
    let blob = put(&store, &bytes).await;
    let path = path_of(&blob);
    let whole = disk.contents(&path).unwrap();
    let (from, to) = (8_000, 20_000);
    let file = disk.open(&path, OpenMode::ReadWrite).unwrap();
    file.write_all_at(&vec![0; to - from], from as u64).unwrap();
    file.sync_data().unwrap();
    assert_eq!(get(&store, &blob, 0, blob.len).await.unwrap(), bytes);
    disk.crash();
    for seed in 0..4 {
        assert_eq!(disk.reopen(seed).contents(&path).unwrap(), whole, "survivor {seed}");
    }
}

#[tokio::test]
async fn a_crash_in_the_midst_of_a_repair_costs_nothing() {
    let disk = SimulatedDisk::new(1);
    let bytes = pattern(1, 60_000);
    let blob = put(&open(&disk), &bytes).await;
    let path = path_of(&blob);
    for offset in [0, 4_000, 30_000, disk.contents(&path).unwrap().len() - 4096] {
        let disk = disk.fork(1);
        damage(&disk, &path, offset, 4096);
        disk.open(&path, OpenMode::ReadWrite).unwrap().sync_data().unwrap();
        disk.keep_history();
        let begun = disk.operations();
        open(&disk).scrub(None).await.unwrap();
        assert!(disk.operations() > begun);
        for at in begun..=disk.operations() {
            for seed in 0..8 {
                let store = open(&disk.survivor_at(at, seed));
                let found = get(&store, &blob, 0, blob.len).await.unwrap();
                assert_eq!(found, bytes, "damage at {offset}, crash in operation {at}, survivor {seed}");
                assert_eq!(store.scrub(None).await.unwrap().lost, 0);
            }
        }
    }
}

#[tokio::test]
async fn more_damage_than_parity_is_an_error_that_names_the_place_and_no_other_bytes() {
    let disk = SimulatedDisk::new(1);
    let bytes = pattern(1, 2 * layout::GROUP_PAYLOAD_BYTES);
    let store = open(&disk);
    let blob = put(&store, &bytes).await;
    let path = path_of(&blob);
    let group = layout::group(blob.len, 0);
    damage(&disk, &path, group.offset as usize, 4 * group.frame_bytes() + 1);
    let lost = get(&store, &blob, 0, 10).await;
    assert!(matches!(&lost, Err(BlobError::Corrupt { place, .. }) if place.starts_with(&path)), "{lost:?}");
    // What is not damaged is read: in this group's other blocks, and in the other group.
    let start = 5 * group.block_bytes;
    assert_eq!(get(&store, &blob, start as u64, start as u64 + 9).await.unwrap(), bytes[start..start + 9]);
    let second = layout::GROUP_PAYLOAD_BYTES;
    assert_eq!(get(&store, &blob, second as u64, blob.len).await.unwrap(), bytes[second..]);
    let report = store.scrub(None).await.unwrap();
    assert_eq!((report.containers, report.lost), (1, 1));
    assert!(store.archive_counts().lost_groups >= 2);
}

#[tokio::test]
async fn a_shortened_container_is_made_whole() {
    let disk = SimulatedDisk::new(1);
    let bytes = pattern(1, 150_000);
    let store = open(&disk);
    let blob = put(&store, &bytes).await;
    let path = path_of(&blob);
    let whole = disk.contents(&path).unwrap();
    disk.open(&path, OpenMode::ReadWrite).unwrap().set_len(whole.len() as u64 - 5_000).unwrap();
    let report = store.scrub(None).await.unwrap();
    assert_eq!((report.containers, report.lost, report.unreadable), (1, 0, 0));
    assert_eq!(disk.contents(&path).unwrap(), whole);
}

#[tokio::test]
async fn a_container_in_anothers_place_is_not_read() {
    let disk = SimulatedDisk::new(1);
    let store = open(&disk);
    let (one, other) = (put(&store, &pattern(1, 9_000)).await, put(&store, &pattern(2, 9_000)).await);
    let moved = disk.contents(&path_of(&one)).unwrap();
    overwrite(&disk, &path_of(&other), 0, &moved);
    assert!(matches!(get(&store, &other, 0, other.len).await, Err(BlobError::Corrupt { .. })));
}

#[tokio::test]
async fn a_repair_that_cannot_be_written_is_still_read() {
    let disk = SimulatedDisk::new(1);
    let store = open(&disk);
    let bytes = pattern(1, 9_000);
    let blob = put(&store, &bytes).await;
    damage(&disk, &path_of(&blob), 9_000, 4096);
    disk.fail_next(DiskFault::Io);
    for _ in 0..3 {
        assert_eq!(get(&store, &blob, 0, blob.len).await.unwrap(), bytes);
    }
    assert_eq!(store.archive_counts().repaired_blocks, 0);
}

#[tokio::test]
async fn deletes_and_sweeps_remove_containers() {
    let disk = SimulatedDisk::new(1);
    let store = open(&disk);
    let mut kept = Vec::new();
    for n in 0..4 {
        kept.push(put(&store, &pattern(n, 10_000)).await);
    }
    let usage = store.usage();
    assert_eq!((usage.archives, usage.files, usage.live_bytes), (4, 0, 40_000));
    assert_eq!(usage.stored_bytes, 4 * container_bytes(10_000));
    let gone = kept.remove(0);
    store.delete(&gone).await.unwrap();
    store.delete(&gone).await.unwrap();
    assert!(matches!(get(&store, &gone, 0, 5).await, Err(BlobError::Missing { .. })));
    let orphan = kept.remove(0);
    let unfinished = store.create_as(OWNER, None, BlobForm::Archive).await.unwrap();
    let live = |blob: &BlobRef| kept.contains(blob);
    let report = store.sweep(&live).await.unwrap();
    assert_eq!(report, SweepReport { removed: 1, removed_bytes: 10_000, unreadable: 0 });
    assert!(matches!(get(&store, &orphan, 0, 5).await, Err(BlobError::Missing { .. })));
    drop(unfinished);
    // A damaged descriptor does not make an orphan; two make a file that is kept for salvage.
    let path = path_of(&kept[0]);
    damage(&disk, &path, 0, 4096);
    assert_eq!(store.sweep(&live).await.unwrap(), SweepReport::default());
    let end = disk.contents(&path).unwrap().len();
    damage(&disk, &path, end - 4096, 4096);
    assert_eq!(store.sweep(&live).await.unwrap(), SweepReport { unreadable: 1, ..SweepReport::default() });
    assert_eq!(get(&store, &kept[0], 0, 10_000).await.unwrap(), pattern(2, 10_000));
    assert_eq!(store.scrub(None).await.unwrap().unreadable, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_is_dropped_leaves_nothing() {
    let disk = SimulatedDisk::new(1);
    let store = open(&disk);
    let mut writer = store.create_as(OWNER, None, BlobForm::Archive).await.unwrap();
    writer.write(pattern(1, 3 << 20)).await.unwrap();
    drop(writer);
    for _ in 0..1000 {
        if !disk.paths().iter().any(|path| path.starts_with("arc/") && path.ends_with(UNFINISHED)) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    panic!("{:?}", disk.paths());
}

#[tokio::test]
async fn a_full_disk_refuses_a_container_and_takes_another_after_a_delete() {
    let disk = SimulatedDisk::new(1);
    let store = open(&disk);
    let first = put(&store, &pattern(1, 100_000)).await;
    disk.set_capacity(Some(disk.allocated_bytes() + 50_000));
    let mut writer = store.create_as(OWNER, Some(100_000), BlobForm::Archive).await.unwrap();
    let refused = match writer.write(pattern(2, 100_000)).await {
        Ok(()) => writer.finish().await.map(drop),
        Err(error) => Err(error),
    };
    assert!(matches!(refused, Err(BlobError::NoSpace)), "{refused:?}");
    store.delete(&first).await.unwrap();
    put(&store, &pattern(2, 100_000)).await;
}
