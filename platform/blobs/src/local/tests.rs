//! The local engine on a real directory and on a simulated disk: the contract, restarts, damage, room, memory.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use futures::TryStreamExt;
use tarn_disk::{DiskFile, LocalDisk, OpenMode};
use tarn_runtime::{Runtime, SeededEntropy, SystemClock};
use tarn_testkit::{DiskFault, SimulatedDisk};

use super::*;
use crate::STREAM_BUFFER_BYTES_MAX;
use crate::contract::{self, get, pattern, put};
use crate::frame::{BLOCK_FRAME_BYTES, HEADER_BYTES, file_path};

fn open_with(disk: Arc<dyn Disk>, options: LocalOptions) -> Result<LocalBlobs, BlobError> {
    LocalBlobs::open(disk, options, Runtime::system())
}

fn open(disk: &(impl Disk + Clone + 'static)) -> LocalBlobs {
    open_with(Arc::new(disk.clone()), LocalOptions { reserve_bytes: 0, ..LocalOptions::default() }).unwrap()
}

fn owner(n: u8) -> BlobOwner {
    BlobOwner { version: [n; 16], part: 0 }
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract_on_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    contract::all(&open(&LocalDisk::new(dir.path()).unwrap())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract_on_a_simulated_disk() {
    let options =
        LocalOptions { pack_size_bytes_max: 200_000, lanes: 3, open_files_max: 1, moves_at_once: 1, reserve_bytes: 0 };
    contract::all(&open_with(Arc::new(SimulatedDisk::new(1)), options).unwrap()).await;
}

#[tokio::test]
async fn a_restart_changes_nothing() {
    let disk = SimulatedDisk::new(1);
    let store = open(&disk);
    let mut kept = Vec::new();
    for (n, len) in [1, 1000, 128 << 10, 300_000].into_iter().enumerate() {
        let bytes = pattern(n as u64, len);
        kept.push((put(&store, owner(n as u8), &bytes, 5000, true).await, bytes));
    }
    let gone = kept.remove(1).0;
    store.delete(&gone).await.unwrap();
    drop(store);
    let store = open(&disk);
    for (blob, bytes) in &kept {
        assert_eq!(get(&store, blob, 0, blob.len).await.unwrap(), bytes);
    }
    // The removal was remembered: the sweep finds nothing more.
    let report = store.sweep(&|blob| kept.iter().any(|(kept, _)| kept == blob)).await.unwrap();
    assert_eq!(report, SweepReport::default());
    assert_eq!(store.usage().live_bytes, kept.iter().map(|(blob, _)| blob.len).sum::<u64>());
}

#[tokio::test]
async fn every_flipped_bit_of_small_blobs_is_an_error_or_harmless() {
    let disk = SimulatedDisk::new(1);
    let store = open(&disk);
    let mut kept = Vec::new();
    for (n, len) in [1, 77, 300].into_iter().enumerate() {
        let bytes = pattern(n as u64, len);
        kept.push((put(&store, owner(n as u8), &bytes, 5000, true).await, bytes));
    }
    let BlobPlace::Pack { pack, .. } = kept[0].0.place else { panic!("not packed") };
    let path = pack_path(pack);
    for bit in 0..disk.contents(&path).unwrap().len() as u64 * 8 {
        disk.flip_bit(&path, bit);
        for (blob, bytes) in &kept {
            let BlobPlace::Pack { offset, .. } = blob.place else { panic!("not packed") };
            let within = (offset..offset + HEADER_BYTES as u64 + blob.len).contains(&(bit / 8));
            match get(&store, blob, 0, blob.len).await {
                Ok(found) => assert!(!within && found == bytes, "bit {bit} of {blob:?}"),
                Err(error) => {
                    assert!(within && matches!(error, BlobError::Corrupt { .. }), "bit {bit} of {blob:?}: {error}")
                }
            }
        }
        disk.flip_bit(&path, bit);
    }
    // One copy of the id is enough; with both damaged the store says so.
    disk.flip_bit("blobs.id", 100);
    assert_eq!(get(&open(&disk), &kept[0].0, 0, 1).await.unwrap(), kept[0].1);
    disk.flip_bit("blobs.id", 4096 * 8 + 100);
    let refused = open_with(Arc::new(disk.clone()), LocalOptions::default()).err();
    assert!(matches!(refused, Some(BlobError::Corrupt { .. })), "{refused:?}");
    disk.remove("blobs.id").unwrap();
    let refused = open_with(Arc::new(disk.clone()), LocalOptions::default()).err();
    assert!(matches!(refused, Some(BlobError::Corrupt { .. })), "{refused:?}");
}

#[tokio::test]
async fn flipped_bits_of_large_blobs_are_errors() {
    let disk = SimulatedDisk::new(1);
    let store = open(&disk);
    let bytes = pattern(5, 200_000);
    let blob = put(&store, owner(5), &bytes, 5000, true).await;
    let BlobPlace::File { id } = blob.place else { panic!("not a file") };
    let path = file_path(&id);
    let bits = disk.contents(&path).unwrap().len() as u64 * 8;
    let headers = (0..4)
        .flat_map(|block| (0..HEADER_BYTES as u64 * 8).map(move |bit| block * BLOCK_FRAME_BYTES as u64 * 8 + bit));
    let scattered = (0..1000).map(|n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % bits);
    for bit in headers.chain(scattered) {
        disk.flip_bit(&path, bit);
        let found = get(&store, &blob, 0, blob.len).await;
        assert!(matches!(found, Err(BlobError::Corrupt { .. })), "bit {bit}: {found:?}");
        // Without a look at payloads, what is given of them has the damage, and nothing else has.
        let unchecked = store.read_unchecked(&blob, 0..blob.len).try_collect::<Vec<Bytes>>().await;
        if bit / 8 % (BLOCK_FRAME_BYTES as u64) < HEADER_BYTES as u64 {
            assert!(matches!(unchecked, Err(BlobError::Corrupt { .. })), "bit {bit}: {unchecked:?}");
        } else {
            let found = unchecked.unwrap().concat();
            let differs: u32 = found.iter().zip(&bytes).map(|(found, written)| (found ^ written).count_ones()).sum();
            assert_eq!((found.len(), differs), (bytes.len(), 1), "bit {bit}");
        }
        disk.flip_bit(&path, bit);
    }
    // A range that does not touch the damage is served.
    disk.flip_bit(&path, 0);
    assert_eq!(get(&store, &blob, 70_000, 200_000).await.unwrap(), bytes.slice(70_000..));
}

fn overwrite(disk: &SimulatedDisk, path: &str, offset: usize, bytes: &[u8]) {
    disk.open(path, OpenMode::ReadWrite).unwrap().write_all_at(bytes, offset as u64).unwrap();
}

#[tokio::test]
async fn sound_blocks_in_wrong_places_are_errors() {
    let disk = SimulatedDisk::new(1);
    let store = open(&disk);
    let (mut blobs, mut paths) = (Vec::new(), Vec::new());
    // The same owner twice, as when a part is uploaded again: only the place tells them apart.
    for seed in [1, 2] {
        let blob = put(&store, owner(1), &pattern(seed, 200_000), 5000, true).await;
        let BlobPlace::File { id } = blob.place else { panic!("not a file") };
        blobs.push(blob);
        paths.push(file_path(&id));
    }
    let contents: Vec<Vec<u8>> = paths.iter().map(|path| disk.contents(path).unwrap()).collect();
    let block =
        |file: usize, number: usize| &contents[file][number * BLOCK_FRAME_BYTES..(number + 1) * BLOCK_FRAME_BYTES];
    for (what, at, bytes) in [
        ("another block of the file", 0, block(0, 1)),
        ("the same block of another file", BLOCK_FRAME_BYTES, block(1, 1)),
        ("the whole of another file", 0, &contents[1][..]),
        ("zeros", BLOCK_FRAME_BYTES, &[0; 4096][..]),
    ] {
        overwrite(&disk, &paths[0], at, bytes);
        let found = get(&store, &blobs[0], 0, blobs[0].len).await;
        assert!(matches!(found, Err(BlobError::Corrupt { .. })), "{what}: {found:?}");
        overwrite(&disk, &paths[0], 0, &contents[0]);
        assert!(get(&store, &blobs[0], 0, blobs[0].len).await.is_ok(), "{what} is not undone");
    }
    for (what, len) in [("a block", 3 * BLOCK_FRAME_BYTES), ("a byte", contents[0].len() - 1)] {
        disk.open(&paths[0], OpenMode::ReadWrite).unwrap().set_len(len as u64).unwrap();
        let found = get(&store, &blobs[0], 0, blobs[0].len).await;
        assert!(matches!(found, Err(BlobError::Corrupt { .. })), "cut by {what}: {found:?}");
        overwrite(&disk, &paths[0], 0, &contents[0]);
    }
    // In packs: the frame of another blob, and a reference that lies.
    let small = [
        put(&store, owner(3), &pattern(3, 100), 100, true).await,
        put(&store, owner(3), &pattern(4, 100), 100, true).await,
    ];
    let BlobPlace::Pack { pack, offset } = small[1].place else { panic!("not packed") };
    let frame = disk.contents(&pack_path(pack)).unwrap()[offset as usize..].to_vec();
    overwrite(&disk, &pack_path(pack), 0, &frame);
    for (what, lying) in [
        ("overwritten", small[0].clone()),
        ("other owner", BlobRef { owner: owner(4), ..small[1].clone() }),
        ("other length", BlobRef { len: 99, ..small[1].clone() }),
        ("absurd length", BlobRef { len: u64::MAX, ..small[1].clone() }),
        ("other offset", BlobRef { place: BlobPlace::Pack { pack, offset: offset + 1 }, ..small[1].clone() }),
        ("beyond the end", BlobRef { place: BlobPlace::Pack { pack, offset: u64::MAX - 8 }, ..small[1].clone() }),
    ] {
        let found = get(&store, &lying, 0, 1).await;
        assert!(matches!(found, Err(BlobError::Corrupt { .. } | BlobError::Io { .. })), "{what}: {found:?}");
    }
}

#[tokio::test]
async fn a_failed_sync_of_a_pack_abandons_it() {
    let disk = SimulatedDisk::new(1);
    let store = open(&disk);
    let bytes = pattern(1, 500);
    let first = put(&store, owner(1), &bytes, 500, true).await;
    // The next append is a write and a sync.
    disk.fail_at(disk.operations() + 1, DiskFault::Io);
    let mut writer = store.create(owner(2), None).await.unwrap();
    writer.write(bytes.clone()).await.unwrap();
    assert!(matches!(writer.finish().await, Err(BlobError::Io { .. })));
    let third = put(&store, owner(3), &bytes, 500, true).await;
    let pack = |blob: &BlobRef| if let BlobPlace::Pack { pack, .. } = blob.place { pack } else { 0 };
    assert_ne!(pack(&first), pack(&third));
    for seed in 0..50 {
        let store = open(&disk.reopen(seed));
        for blob in [&first, &third] {
            assert_eq!(get(&store, blob, 0, 500).await.unwrap(), bytes);
        }
    }
}

#[tokio::test]
async fn a_failed_sync_of_a_directory_stops_writes_but_not_reads() {
    let disk = SimulatedDisk::new(1);
    let store = open(&disk);
    let bytes = pattern(1, 500);
    let first = put(&store, owner(1), &bytes, 500, true).await;
    let operations = disk.operations();
    let trial = put(&store, owner(2), &pattern(2, 140_000), 5000, true).await;
    let directory_sync = disk.operations() - operations;
    store.delete(&trial).await.unwrap();
    // The directory of the next file may be new, so try until the failing operation is its last.
    let mut failed = false;
    for n in 3..200 {
        disk.heal();
        disk.fail_at(disk.operations() + directory_sync - 1, DiskFault::Io);
        let mut writer = store.create(owner(n), None).await.unwrap();
        writer.write(pattern(2, 140_000)).await.unwrap();
        let result = writer.finish().await;
        disk.heal();
        if result.is_err() && disk.trace().iter().rev().take(3).any(|done| done.kind == "sync_dir") {
            failed = true;
            break;
        }
    }
    assert!(failed);
    let mut writer = store.create(owner(250), None).await.unwrap();
    writer.write(bytes.clone()).await.unwrap();
    let refused = writer.finish().await;
    assert!(matches!(refused, Err(BlobError::Io { .. })), "{refused:?}");
    assert_eq!(get(&store, &first, 0, 500).await.unwrap(), bytes);
    store.delete(&first).await.unwrap();
    put(&open(&disk.reopen(1)), owner(251), &bytes, 500, true).await;
}

#[tokio::test]
async fn a_full_disk_refuses_blobs_and_takes_them_again_after_deletes() {
    let disk = SimulatedDisk::new(1);
    disk.set_capacity(Some(1 << 20));
    let store = open_with(
        Arc::new(disk.clone()),
        LocalOptions {
            pack_size_bytes_max: 64 << 10,
            lanes: 1,
            open_files_max: 8,
            moves_at_once: 1,
            reserve_bytes: 200_000,
        },
    )
    .unwrap();
    for len in [20_000, 150_000] {
        let bytes = pattern(1, len);
        let mut kept = Vec::new();
        let refused = loop {
            let mut writer = store.create(owner(kept.len() as u8), Some(len as u64)).await.unwrap();
            let result = async {
                writer.write(bytes.clone()).await?;
                writer.finish().await
            };
            match result.await {
                Ok(blob) => kept.push(blob),
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, BlobError::NoSpace), "{refused}");
        assert!(kept.len() > 3 && disk.free_bytes().unwrap() > 0);
        for blob in &kept {
            assert_eq!(get(&store, blob, 0, blob.len).await.unwrap(), bytes);
        }
        // Two of three go; the rest is moved into the reserve where it must be.
        let (gone, stay): (Vec<_>, Vec<_>) = kept.into_iter().enumerate().partition(|(n, _)| n % 3 != 0);
        for (_, blob) in &gone {
            store.delete(blob).await.unwrap();
        }
        let owner_of_refs = Refs::new(stay.into_iter().map(|(_, blob)| (blob, bytes.clone())));
        while store.compact(&owner_of_refs).await.unwrap() != CompactReport::default() {}
        owner_of_refs.check(&store).await;
        put(&store, owner(200), &bytes, 5000, true).await;
        let all: Vec<(BlobRef, Bytes)> = owner_of_refs.0.lock().drain().collect();
        for (blob, _) in all {
            store.delete(&blob).await.unwrap();
        }
        store.sweep(&|_| false).await.unwrap();
        while store.compact(&owner_of_refs).await.unwrap() != CompactReport::default() {}
        assert_eq!(store.usage(), BlobUsage::default());
    }
}

/// An owner of references in memory.
pub(super) struct Refs(Mutex<HashMap<BlobRef, Bytes>>);

impl Refs {
    pub(super) fn new(refs: impl IntoIterator<Item = (BlobRef, Bytes)>) -> Self {
        Self(Mutex::new(refs.into_iter().collect()))
    }

    pub(super) fn refs(&self) -> Vec<BlobRef> {
        self.0.lock().keys().cloned().collect()
    }

    pub(super) async fn check(&self, store: &LocalBlobs) {
        for blob in self.refs() {
            let bytes = self.0.lock()[&blob].clone();
            assert_eq!(get(store, &blob, 0, blob.len).await.unwrap(), bytes);
        }
    }
}

impl Relocate for Refs {
    fn is_live(&self, blob: &BlobRef) -> bool {
        self.0.lock().contains_key(blob)
    }

    fn relocate<'a>(&'a self, old: &'a BlobRef, new: BlobRef) -> BoxFuture<'a, Result<bool, BlobError>> {
        let mut refs = self.0.lock();
        let moved = refs.remove(old).map(|bytes| refs.insert(new, bytes)).is_some();
        futures::future::ready(Ok(moved)).boxed()
    }
}

#[tokio::test]
async fn a_mostly_dead_pack_is_moved_and_a_damaged_one_stays() {
    let disk = SimulatedDisk::new(1);
    let store = open(&disk);
    let mut kept = Vec::new();
    for n in 0..10 {
        let bytes = pattern(n, 1000);
        kept.push((put(&store, owner(n as u8), &bytes, 1000, true).await, bytes));
    }
    let (gone, stay) = kept.split_at(7);
    for (blob, _) in gone {
        store.delete(blob).await.unwrap();
    }
    let before = store.usage();
    let refs = Refs::new(stay.iter().cloned());
    let report = store.compact(&refs).await.unwrap();
    assert_eq!((report.moved, report.moved_bytes, report.packs_removed), (3, 3000, 0));
    // Whoever looked up an old reference before it was replaced still reads it.
    assert_eq!(get(&store, &stay[0].0, 0, 1000).await.unwrap(), stay[0].1);
    refs.check(&store).await;
    let report = store.compact(&refs).await.unwrap();
    assert_eq!((report.moved, report.packs_removed, report.reclaimed_bytes), (0, 1, before.stored_bytes));
    assert!(matches!(get(&store, &stay[0].0, 0, 1000).await, Err(BlobError::Missing { .. })));
    refs.check(&store).await;
    assert_eq!((store.usage().live_bytes, store.usage().packs), (3000, 1));

    // Two of three go, and the third is damaged: it is not moved, not lost, and not tried again.
    let refs_left = refs.refs();
    for blob in &refs_left[..2] {
        refs.0.lock().remove(blob);
        store.delete(blob).await.unwrap();
    }
    let BlobPlace::Pack { pack, offset } = refs_left[2].place else { panic!("not packed") };
    disk.flip_bit(&pack_path(pack), (offset + HEADER_BYTES as u64 + 5) * 8);
    assert_eq!(store.compact(&refs).await.unwrap(), CompactReport { packs_damaged: 1, ..CompactReport::default() });
    assert_eq!(store.compact(&refs).await.unwrap(), CompactReport::default());
    disk.flip_bit(&pack_path(pack), (offset + HEADER_BYTES as u64 + 5) * 8);
    refs.check(&store).await;
}

#[tokio::test]
async fn damage_is_told_from_a_write_that_did_not_end() {
    // Which frame of six is overwritten, and whether the pack must stay.
    for (damaged, stays) in [(0, true), (4, true), (5, false)] {
        let disk = SimulatedDisk::new(1);
        let store = open(&disk);
        let mut kept = Vec::new();
        for n in 0..6 {
            kept.push(put(&store, owner(n), &pattern(u64::from(n), 600), 600, true).await);
        }
        drop(store);
        let BlobPlace::Pack { pack, offset } = kept[damaged].place else { panic!("not packed") };
        overwrite(&disk, &pack_path(pack), offset as usize, &[0; 300]);
        let store = open(&disk);
        let refs = Refs::new([]);
        store.sweep(&|blob| refs.is_live(blob)).await.unwrap();
        while store.compact(&refs).await.unwrap() != CompactReport::default() {}
        assert_eq!(disk.exists(&pack_path(pack)).unwrap(), stays, "frame {damaged}");
    }
}

/// Says that everything lives and lets nothing be moved.
struct Changed;

impl Relocate for Changed {
    fn is_live(&self, _: &BlobRef) -> bool {
        true
    }

    fn relocate<'a>(&'a self, _: &'a BlobRef, _: BlobRef) -> BoxFuture<'a, Result<bool, BlobError>> {
        futures::future::ready(Ok(false)).boxed()
    }
}

#[tokio::test]
async fn what_its_owner_replaced_meanwhile_is_not_kept_twice() {
    let disk = SimulatedDisk::new(1);
    let store = open(&disk);
    for n in 0..3 {
        let blob = put(&store, owner(n), &pattern(1, 700), 700, true).await;
        if n > 0 {
            store.delete(&blob).await.unwrap();
        }
    }
    store.compact(&Changed).await.unwrap();
    assert_eq!(store.usage().live_bytes, 0);
}

#[tokio::test]
async fn a_damaged_record_of_removals_is_not_believed() {
    let disk = SimulatedDisk::new(1);
    let store = open(&disk);
    let blobs = [
        put(&store, owner(1), &pattern(1, 700), 700, true).await,
        put(&store, owner(2), &pattern(2, 700), 700, true).await,
    ];
    store.delete(&blobs[1]).await.unwrap();
    drop(store);
    let BlobPlace::Pack { pack, .. } = blobs[0].place else { panic!("not packed") };
    let path = crate::frame::dead_path(pack);
    for bit in 0..disk.contents(&path).unwrap().len() as u64 * 8 {
        let disk = disk.fork(1);
        disk.flip_bit(&path, bit);
        let store = open(&disk);
        let report = store.sweep(&|blob| *blob == blobs[0]).await.unwrap();
        assert_eq!((report.removed, report.removed_bytes), (1, 700), "bit {bit}");
        assert_eq!(store.usage().live_bytes, 700, "bit {bit}");
    }
}

#[tokio::test]
async fn a_sweep_removes_files_whose_writing_was_cut_off() {
    let disk = SimulatedDisk::new(1);
    let store = open(&disk);
    let mut writer = store.create(owner(1), None).await.unwrap();
    writer.write(pattern(2, 300_000)).await.unwrap();
    let disk = disk.fork(1);
    let store = open(&disk);
    assert!(disk.paths().iter().any(|path| path.ends_with(".new")));
    assert_eq!(store.sweep(&|_| true).await.unwrap(), SweepReport::default());
    assert!(!disk.paths().iter().any(|path| path.starts_with("obj/")), "{:?}", disk.paths());
}

#[tokio::test]
async fn a_sweep_keeps_what_it_cannot_read_and_what_is_being_written() {
    let disk = SimulatedDisk::new(1);
    let store = open(&disk);
    let blob = put(&store, owner(1), &pattern(1, 200_000), 5000, true).await;
    let BlobPlace::File { id } = blob.place else { panic!("not a file") };
    overwrite(&disk, &file_path(&id), 0, &vec![0; 4 * BLOCK_FRAME_BYTES]);
    let mut writer = store.create(owner(2), None).await.unwrap();
    writer.write(pattern(2, 300_000)).await.unwrap();
    assert_eq!(store.sweep(&|_| false).await.unwrap(), SweepReport { unreadable: 1, ..SweepReport::default() });
    let blob = writer.finish().await.unwrap();
    assert_eq!(get(&store, &blob, 0, blob.len).await.unwrap(), pattern(2, 300_000));
    assert!(disk.exists(&file_path(&id)).unwrap());
    // The first header is enough to know whose it is, and so is a later one.
    let BlobPlace::File { id } = blob.place else { panic!("not a file") };
    overwrite(&disk, &file_path(&id), 0, &[0; 100]);
    assert_eq!(store.sweep(&|live| *live == blob).await.unwrap().removed, 0);
    assert_eq!(
        store.sweep(&|_| false).await.unwrap(),
        SweepReport { removed: 1, removed_bytes: 300_000, unreadable: 1 }
    );
}

/// Counts what passes; contents of large files are thrown away if so told.
#[derive(Debug, Clone)]
struct Counting {
    inner: LocalDisk,
    discards: bool,
    passed: Arc<AtomicU64>,
}

#[derive(Debug)]
struct CountingFile {
    inner: Arc<dyn DiskFile>,
    disk: Counting,
}

impl Disk for Counting {
    fn open(&self, path: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(CountingFile { inner: self.inner.open(path, mode)?, disk: self.clone() }))
    }
    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.inner.list(dir)
    }
    fn create_dir_all(&self, dir: &str) -> io::Result<()> {
        self.inner.create_dir_all(dir)
    }
    fn remove(&self, path: &str) -> io::Result<()> {
        self.inner.remove(path)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }
    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.inner.sync_dir(dir)
    }
    fn exists(&self, path: &str) -> io::Result<bool> {
        self.inner.exists(path)
    }
    fn free_bytes(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }
}

impl DiskFile for CountingFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = self.inner.read_at(into, offset)?;
        self.disk.passed.fetch_add(read as u64, Ordering::SeqCst);
        Ok(read)
    }
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.passed.fetch_add(bytes.len() as u64, Ordering::SeqCst);
        if self.disk.discards && offset > 0 { Ok(()) } else { self.inner.write_all_at(bytes, offset) }
    }
    fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }
}

/// What was accepted and has not reached the disk, and what was read and not given out, is all that is held.
#[tokio::test(flavor = "multi_thread")]
async fn memory_is_bounded_whatever_the_length() {
    let dir = tempfile::tempdir().unwrap();
    for (discards, megabytes) in [(true, 1024), (false, 64)] {
        let disk = Counting {
            inner: LocalDisk::new(dir.path().join(megabytes.to_string())).unwrap(),
            discards,
            passed: Arc::default(),
        };
        let store = open(&disk);
        let held_max = |accepted: u64, what: &str| {
            let passed = disk.passed.load(Ordering::SeqCst);
            assert!(
                accepted.abs_diff(passed) <= STREAM_BUFFER_BYTES_MAX as u64 + accepted / 500,
                "{what}: {accepted} of {passed}"
            );
        };
        let chunk = pattern(1, 1 << 20);
        let mut writer = store.create(owner(1), None).await.unwrap();
        disk.passed.store(0, Ordering::SeqCst);
        for n in 1..=megabytes {
            writer.write(chunk.clone()).await.unwrap();
            held_max(n << 20, "written");
        }
        let blob = writer.finish().await.unwrap();
        assert_eq!(blob.len, megabytes << 20);
        if !discards {
            disk.passed.store(0, Ordering::SeqCst);
            let mut given = 0;
            let mut chunks = store.read(&blob, 0..blob.len);
            while let Some(bytes) = chunks.try_next().await.unwrap() {
                assert!(bytes.len() <= 1 << 20);
                given += bytes.len() as u64;
                held_max(given, "read");
            }
            assert_eq!(given, blob.len);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_finishes_share_syncs() {
    let disk = SimulatedDisk::new(1);
    let runtime = Runtime { clock: Arc::new(SystemClock), entropy: Arc::new(SeededEntropy::new(1)) };
    let store =
        LocalBlobs::open(Arc::new(disk.clone()), LocalOptions { reserve_bytes: 0, ..LocalOptions::default() }, runtime)
            .unwrap();
    let before = disk.operations();
    let puts = (0..200).map(|n| {
        let store = store.clone();
        async move {
            let bytes = pattern(n, 300);
            (put(&store, owner(n as u8), &bytes, 300, true).await, bytes)
        }
    });
    let kept = futures::future::join_all(puts).await;
    for (blob, bytes) in &kept {
        assert_eq!(get(&store, blob, 0, 300).await.unwrap(), bytes);
    }
    // Each group is a write and a sync.
    let groups = (disk.operations() - before) / 2;
    assert!(groups <= 100, "{groups} groups for {} blobs", kept.len());
}
