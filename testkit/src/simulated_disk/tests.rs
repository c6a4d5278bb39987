//! That the simulated disk loses what it may lose, and nothing else.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use tarn_disk::{Disk, OpenMode};

use super::{DiskFault, SimulatedDisk};

const SEEDS: u64 = 400;

fn survivors(prepare: impl Fn(&SimulatedDisk)) -> BTreeSet<Option<Vec<u8>>> {
    (0..SEEDS)
        .map(|seed| {
            let disk = SimulatedDisk::new(seed);
            prepare(&disk);
            disk.reopen(seed).contents("a")
        })
        .collect()
}

fn create(disk: &SimulatedDisk) -> std::sync::Arc<dyn tarn_disk::DiskFile> {
    let file = disk.open("a", OpenMode::CreateNew).unwrap();
    disk.sync_dir("").unwrap();
    file
}

#[test]
fn what_is_synced_survives() {
    let seen = survivors(|disk| {
        let file = create(disk);
        file.write_all_at(b"synced", 0).unwrap();
        file.sync_data().unwrap();
    });
    assert_eq!(seen, BTreeSet::from([Some(b"synced".to_vec())]));
}

#[test]
fn an_unsynced_name_may_vanish() {
    let seen = survivors(|disk| {
        let file = disk.open("a", OpenMode::CreateNew).unwrap();
        file.write_all_at(b"x", 0).unwrap();
        file.sync_data().unwrap();
    });
    assert_eq!(seen, BTreeSet::from([None, Some(b"x".to_vec())]));
}

#[test]
fn unsynced_writes_survive_vanish_or_tear_in_any_order() {
    let seen = survivors(|disk| {
        let file = create(disk);
        file.write_all_at(&[1; 512], 0).unwrap();
        file.write_all_at(&[2; 512], 512).unwrap();
    });
    let has = |first: u8, second: u8| seen.contains(&Some([[first; 512], [second; 512]].concat()));
    assert!(has(1, 2) && has(0, 2) && has(1, 0) && seen.contains(&Some(Vec::new())), "{}", seen.len());
    let torn = survivors(|disk| create(disk).write_all_at(&[7; 1024], 0).unwrap());
    assert!(torn.contains(&Some([[0; 512], [7; 512]].concat())), "the second half without the first");
}

#[test]
fn a_failed_sync_loses_data_that_a_later_sync_does_not_bring_back() {
    let seen = survivors(|disk| {
        let file = create(disk);
        file.write_all_at(b"x", 0).unwrap();
        disk.fail_next(DiskFault::Io);
        assert!(file.sync_data().is_err());
        file.sync_data().unwrap();
        assert_eq!(disk.contents("a").unwrap(), b"x", "the page cache still shows it");
    });
    assert!(seen.contains(&Some(Vec::new())));
}

#[test]
fn a_rename_is_atomic() {
    let seen = survivors(|disk| {
        let file = create(disk);
        file.write_all_at(b"old", 0).unwrap();
        file.sync_data().unwrap();
        let file = disk.open("b", OpenMode::CreateNew).unwrap();
        file.write_all_at(b"new", 0).unwrap();
        file.sync_data().unwrap();
        disk.rename("b", "a").unwrap();
    });
    assert_eq!(seen, BTreeSet::from([Some(b"old".to_vec()), Some(b"new".to_vec())]));
}

#[test]
fn a_crash_point_fails_all_calls_after_it_and_history_shows_the_same_states() {
    let workload = |disk: &SimulatedDisk| -> std::io::Result<()> {
        let file = disk.open("a", OpenMode::CreateNew)?;
        disk.sync_dir("")?;
        file.write_all_at(b"one", 0)?;
        file.sync_data()?;
        file.write_all_at(b"two", 0)?;
        file.sync_data()
    };
    let recorded = SimulatedDisk::new(0);
    recorded.keep_history();
    workload(&recorded).unwrap();
    assert_eq!(recorded.operations(), 6);
    for k in 0..6 {
        for seed in 0..50 {
            let live = SimulatedDisk::new(0);
            live.crash_at(k);
            assert!(workload(&live).is_err());
            assert!(live.exists("a").is_err());
            assert_eq!(
                live.reopen(seed).contents("a"),
                recorded.survivor_at(k, seed).contents("a"),
                "operation {k}, seed {seed}"
            );
        }
    }
    assert_eq!(recorded.survivor_at(6, 0).contents("a").unwrap(), b"two");
}

#[test]
fn a_full_disk_refuses_and_a_flipped_bit_shows() {
    let disk = SimulatedDisk::new(0);
    let file = create(&disk);
    disk.set_capacity(Some(8192));
    file.write_all_at(&[1; 8192], 0).unwrap();
    assert_eq!(file.write_all_at(&[1], 8192).unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(disk.free_bytes().unwrap(), 0);
    disk.flip_bit("a", 9);
    assert_eq!(disk.contents("a").unwrap()[..3], [1, 3, 1]);
}
