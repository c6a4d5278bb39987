//! Disks that refuse: EIO and ENOSPC at every operation, a sync that fails once, a crash under a running store, a full disk.

use std::sync::Arc;

use tarn_metadata::{EmbeddedOptions, EmbeddedStore, StoreError};
use tarn_testkit::{DiskFault, SimulatedDisk};

use crate::workload::{Changes, State, Step, apply, commit, options, runtime, state};

fn put(key: u32, text: &str) -> (u32, Option<String>) {
    (key, Some(text.to_owned()))
}

fn workload() -> Vec<Step> {
    let pair = |text: &str| -> Changes { vec![put(1, text), put(2, text)] };
    vec![
        Step::Group(vec![pair("a"), vec![put(3, "b")]]),
        Step::Group(vec![pair(&"c".repeat(900))]),
        Step::Checkpoint,
        Step::Group(vec![vec![(1, None)], pair("d")]),
        Step::Group(vec![pair(&"e".repeat(900))]),
        Step::Snapshot,
        Step::Group(vec![pair("f")]),
        Step::Restart,
        Step::Group(vec![pair("g")]),
    ]
}

fn small() -> EmbeddedOptions {
    EmbeddedOptions { segment_bytes_max: 2048, retained_bytes_max: 2048, ..options() }
}

/// What is known of a store whose disk has failed.
struct Known {
    /// By sequence number; the last ones may not have been committed.
    states: Vec<State>,
    acknowledged: u64,
}

/// Runs what can be run of `steps`: goes on after every error.
fn run(disk: &SimulatedDisk, steps: &[Step]) -> Known {
    let mut known = Known { states: vec![State::new()], acknowledged: 0 };
    let open = || EmbeddedStore::open(Arc::new(disk.clone()), small(), &runtime());
    let mut store = open().ok();
    for step in steps {
        let Some(opened) = &store else {
            store = open().ok();
            continue;
        };
        match step {
            Step::Group(group) => {
                let fates = commit(opened, disk, group);
                for (changes, (_, fate)) in group.iter().zip(fates) {
                    // As long as none is in doubt, the next transaction's number is known.
                    let mut state = known.states.last().unwrap().clone();
                    match fate {
                        Ok(sequence) => {
                            apply(&mut state, changes);
                            known.states.push(state);
                            assert_eq!(sequence.0, known.states.len() as u64 - 1);
                            known.acknowledged = sequence.0;
                        }
                        Err(StoreError::NoSpace) => {}
                        Err(StoreError::Failed { .. }) => {
                            apply(&mut state, changes);
                            known.states.push(state);
                        }
                        Err(other) => panic!("{other}"),
                    }
                }
                if known.acknowledged < known.states.len() as u64 - 1 {
                    // In doubt: the store must refuse from now on, and show nothing of it.
                    let refused = commit(opened, disk, &[vec![put(9, "refused")]]);
                    assert!(matches!(refused[0].1, Err(StoreError::Failed { .. })), "{refused:?}");
                    if let Ok((sequence, seen)) = state(opened) {
                        assert_eq!(
                            (sequence, Some(&seen)),
                            (known.acknowledged, known.states.get(known.acknowledged as usize))
                        );
                    }
                    return known;
                }
            }
            Step::Checkpoint => drop(opened.checkpoint()),
            Step::Snapshot => drop(opened.write_snapshot()),
            Step::Restart => {
                drop(store.take());
                store = open().ok();
            }
            Step::Rebuild => {}
        }
    }
    known
}

fn check_after(disk: &SimulatedDisk, known: &Known, seed: u64, at: &str) {
    // The process starts again while the machine stays up: what readers then see must survive a later crash.
    let (seen, disk) = if seed.is_multiple_of(2) && !disk.has_crashed() {
        disk.heal();
        let store = EmbeddedStore::open(Arc::new(disk.clone()), small(), &runtime())
            .unwrap_or_else(|error| panic!("{error}: {at}"));
        let seen = state(&store).unwrap_or_else(|error| panic!("{error}: {at}"));
        let survivor = disk.reopen(seed);
        drop(store);
        (Some(seen), survivor)
    } else {
        (None, disk.reopen(seed))
    };
    let store = EmbeddedStore::open(Arc::new(disk.clone()), small(), &runtime())
        .unwrap_or_else(|error| panic!("{error}: {at}"));
    let (sequence, found) = state(&store).unwrap_or_else(|error| panic!("{error}: {at}"));
    assert!(
        sequence >= known.acknowledged,
        "transaction {} was acknowledged, the store is at {sequence}: {at}",
        known.acknowledged
    );
    assert_eq!(Some(&found), known.states.get(sequence as usize), "{at}");
    if let Some(seen) = seen {
        assert_eq!(seen, (sequence, found), "readers saw it before the crash: {at}");
    }
    let fates = commit(&store, &disk, &[vec![put(8, "after")]]);
    assert!(fates[0].1.is_ok(), "{at}");
}

/// Runs the workload once for each of its operations, with `spoil` applied to it.
fn at_every_operation(name: &str, seeds: u64, spoil: impl Fn(&SimulatedDisk, u64)) {
    let sound = SimulatedDisk::new(0);
    let known = run(&sound, &workload());
    assert_eq!(known.acknowledged, 8);
    let operations = sound.operations();
    for operation in 0..operations {
        for seed in 0..seeds {
            let disk = SimulatedDisk::new(seed);
            spoil(&disk, operation);
            let known = run(&disk, &workload());
            let at =
                format!("{name} at operation {operation} ({:?}), seed {seed}", sound.trace().get(operation as usize));
            check_after(&disk, &known, operation * 2 + seed, &at);
        }
    }
    println!("{name}: {operations} operations, {seeds} seeds each");
}

#[test]
fn a_crash_under_a_running_store_loses_nothing_acknowledged() {
    at_every_operation("crash", 4, |disk, operation| disk.crash_at(operation));
}

#[test]
fn an_error_at_any_operation_loses_nothing_acknowledged() {
    at_every_operation("EIO once", 4, |disk, operation| disk.fail_at(operation, DiskFault::Io));
    at_every_operation("EIO from then on", 4, |disk, operation| disk.fail_from(operation, DiskFault::Io));
}

#[test]
fn no_space_at_any_operation_loses_nothing_acknowledged() {
    at_every_operation("ENOSPC once", 4, |disk, operation| disk.fail_at(operation, DiskFault::NoSpace));
    at_every_operation("ENOSPC from then on", 4, |disk, operation| disk.fail_from(operation, DiskFault::NoSpace));
}

#[test]
fn a_sync_that_fails_once_stops_writes_and_not_reads() {
    let disk = SimulatedDisk::new(3);
    let store = EmbeddedStore::open(Arc::new(disk.clone()), options(), &runtime()).unwrap();
    assert!(commit(&store, &disk, &[vec![put(1, "a")]])[0].1.is_ok());
    // Operations of an append: write, sync.
    disk.fail_at(disk.operations() + 1, DiskFault::Io);
    for text in ["b", "c"] {
        assert!(matches!(commit(&store, &disk, &[vec![put(1, text)]])[0].1, Err(StoreError::Failed { .. })));
    }
    let before = (1, State::from([(1, "a".to_owned())]));
    assert_eq!(state(&store).unwrap(), before);
    store.checkpoint().unwrap();
    assert_eq!(state(&store).unwrap(), before);
}

#[test]
fn a_full_disk_takes_removals_and_goes_on_when_there_is_room() {
    let disk = SimulatedDisk::new(3);
    let options = EmbeddedOptions { reserve_bytes: 256 << 10, ..options() };
    let store = EmbeddedStore::open(Arc::new(disk.clone()), options, &runtime()).unwrap();
    disk.set_capacity(Some(disk.allocated_bytes() + (512 << 10)));
    let mut expected = State::new();
    let mut refused = false;
    for key in 0..200 {
        let changes = vec![put(key, &"x".repeat(4000))];
        match &commit(&store, &disk, std::slice::from_ref(&changes))[0].1 {
            Ok(_) => apply(&mut expected, &changes),
            Err(StoreError::NoSpace) => {
                refused = true;
                break;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(refused && expected.len() > 20, "{}", expected.len());
    for key in 0..10 {
        let changes = vec![(key, None), put(1000 + key, "the record of the removal")];
        assert!(commit(&store, &disk, std::slice::from_ref(&changes))[0].1.is_ok(), "removal {key}");
        apply(&mut expected, &changes);
    }
    assert!(matches!(commit(&store, &disk, &[vec![put(1, "x")]])[0].1, Err(StoreError::NoSpace)));
    disk.set_capacity(None);
    assert!(commit(&store, &disk, &[vec![put(1, "x")]])[0].1.is_ok());
    expected.insert(1, "x".to_owned());
    assert_eq!(state(&store).unwrap().1, expected);
    let survivor = disk.reopen(1);
    drop(store);
    let store = EmbeddedStore::open(Arc::new(survivor), options, &runtime()).unwrap();
    assert_eq!(state(&store).unwrap().1, expected);
}
