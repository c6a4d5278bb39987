//! Disks that rot: one flipped bit anywhere is an error or has no effect, never wrong data.

use std::sync::Arc;

use tarn_disk::Disk;
use tarn_metadata::{EmbeddedOptions, EmbeddedStore, StoreError};
use tarn_runtime::{EntropyExt, SeededEntropy};
use tarn_testkit::SimulatedDisk;

use crate::workload::{Changes, State, commit, options, runtime, state};

fn small() -> EmbeddedOptions {
    EmbeddedOptions { segment_bytes_max: 2048, ..options() }
}

/// A store with several segments, a checkpoint, a snapshot and a tail; closed, or left as a crash leaves it.
fn prepared(closed: bool) -> (SimulatedDisk, (u64, State)) {
    let disk = SimulatedDisk::new(1);
    let store = EmbeddedStore::open(Arc::new(disk.clone()), small(), &runtime()).unwrap();
    for i in 0..12u32 {
        let changes: Changes =
            vec![(i % 5, Some(format!("{i}").repeat(100))), (100 + i, (i % 3 > 0).then(|| "x".to_owned()))];
        assert!(commit(&store, &disk, &[changes.clone(), changes])[0].1.is_ok());
        match i {
            5 => store.checkpoint().unwrap(),
            7 => store.write_snapshot().unwrap(),
            _ => {}
        }
    }
    let expected = state(&store).unwrap();
    if closed {
        store.close().unwrap();
        return (disk.fork(0), expected);
    }
    let left = disk.fork(0);
    disk.crash();
    (left, expected)
}

/// `Ok` if the damage was found, `Err` if it had no effect. Panics on wrong data.
fn found(disk: &SimulatedDisk, expected: &(u64, State), at: &str) -> Result<(), ()> {
    let corrupt = |error: StoreError| match error {
        StoreError::Corrupt { .. } => Ok(()),
        other => panic!("{other}: {at}"),
    };
    let store = match EmbeddedStore::open(Arc::new(disk.clone()), small(), &runtime()) {
        Ok(store) => store,
        Err(error) => return corrupt(error),
    };
    let result = match state(&store) {
        Err(error) => corrupt(error),
        Ok(seen) => {
            assert_eq!(&seen, expected, "{at}");
            match store.verify() {
                Err(error) => corrupt(error),
                Ok(_) => Err(()),
            }
        }
    };
    disk.crash();
    result
}

/// Flips one bit of every `every`th byte of each file that `of` names.
fn flip(
    closed: bool,
    of: impl Fn(&str) -> bool,
    every: u64,
    mut each: impl FnMut(&SimulatedDisk, &(u64, State), &str),
) {
    let (disk, expected) = prepared(closed);
    let random = SeededEntropy::new(11);
    let mut flips = 0;
    for path in disk.paths().into_iter().filter(|path| of(path)) {
        let bytes = disk.contents(&path).unwrap().len() as u64;
        for byte in (0..bytes).step_by(every as usize) {
            let bit = byte * 8 + random.u64() % (8 * every.min(bytes - byte));
            let flipped = disk.fork(0);
            flipped.flip_bit(&path, bit);
            each(&flipped, &expected, &format!("bit {bit} of {path}, closed: {closed}"));
            flips += 1;
        }
    }
    assert!(flips > 0);
    println!("{flips} flips, closed: {closed}");
}

fn is_log(path: &str) -> bool {
    path.ends_with(".log")
}

#[test]
fn a_flipped_bit_of_the_log_is_found() {
    flip(true, is_log, 5, |disk, expected, at| assert_eq!(found(disk, expected, at), Ok(()), "{at}"));
}

#[test]
fn a_flipped_bit_of_a_crashed_log_is_found_and_not_taken_for_a_torn_write() {
    flip(false, is_log, 5, |disk, expected, at| assert_eq!(found(disk, expected, at), Ok(()), "{at}"));
}

#[test]
fn a_flipped_bit_of_the_index_is_found_or_has_no_effect() {
    let (mut seen, mut unseen) = (0, 0);
    flip(
        true,
        |path| path == "index.redb",
        997,
        |disk, expected, at| match found(disk, expected, at) {
            Ok(()) => seen += 1,
            Err(()) => unseen += 1,
        },
    );
    // Block 0 in two slots, then the blocks that were written.
    flip(
        false,
        |path| path == "index.redb",
        1499,
        |disk, expected, at| match found(disk, expected, at) {
            Ok(()) => seen += 1,
            Err(()) => unseen += 1,
        },
    );
    println!("{seen} found, {unseen} without effect");
    assert!(seen > 10);
}

#[test]
fn a_flipped_bit_of_a_snapshot_is_found_when_the_index_is_made_anew() {
    flip(
        true,
        |path| path.ends_with(".snapshot"),
        1,
        |disk, expected, at| {
            disk.remove("index.redb").unwrap();
            match EmbeddedStore::rebuild_index(disk, &small()) {
                Err(StoreError::Corrupt { .. }) => {}
                other => panic!("{other:?}: {at}"),
            }
            let _ = expected;
        },
    );
    // Unharmed, it gives the whole state.
    let (disk, expected) = prepared(true);
    disk.remove("index.redb").unwrap();
    EmbeddedStore::rebuild_index(&disk, &small()).unwrap();
    assert_eq!(found(&disk, &expected, "a rebuilt index"), Err(()));
}

#[test]
fn an_index_older_than_the_log_remembers_is_refused() {
    let disk = SimulatedDisk::new(1);
    let store = EmbeddedStore::open(Arc::new(disk.clone()), small(), &runtime()).unwrap();
    let old = disk.contents("index.redb").unwrap();
    assert!(commit(&store, &disk, &[vec![(1, Some("a".to_owned()))]])[0].1.is_ok());
    store.close().unwrap();
    let file = disk.open("index.redb", tarn_disk::OpenMode::ReadWrite).unwrap();
    file.set_len(0).unwrap();
    file.write_all_at(&old, 0).unwrap();
    file.sync_data().unwrap();
    assert!(matches!(EmbeddedStore::open(Arc::new(disk), small(), &runtime()), Err(StoreError::Corrupt { .. })));
}

#[test]
fn a_missing_segment_is_found() {
    let (disk, expected) = prepared(false);
    let mut segments: Vec<String> = disk.paths().into_iter().filter(|path| is_log(path)).collect();
    // Without its newest segment a log is a log of the time before it: nothing on the disk tells.
    segments.pop();
    assert!(segments.len() > 2);
    for path in segments {
        let without = disk.fork(0);
        without.remove(&path).unwrap();
        // The oldest may be gone for good reasons; its transactions are in the index.
        let oldest = path.ends_with("0000000001.log");
        assert_eq!(found(&without, &expected, &path).is_ok(), !oldest, "{path}");
    }
}
