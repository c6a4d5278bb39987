//! Workloads whose every state is known, run on a disk that keeps its history, and what must hold after a crash at any point of it.

use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tarn_metadata::{
    EmbeddedOptions, EmbeddedStore, Job, JobOutcome, Key, Keyspace, Read, Record, Sequence, Store, StoreError, StoreExt,
};
use tarn_runtime::{Entropy, EntropyExt, Runtime, SeededEntropy, Timestamp};
use tarn_testkit::SimulatedDisk;

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Text(pub String);

impl Record for Text {
    const VERSION: u16 = 1;
}

pub const TEXTS: Keyspace<Text> = Keyspace::new(0xffe0, "tests.texts");

pub fn runtime() -> Runtime {
    Runtime::fixed(Timestamp::UNIX_EPOCH, 7).0
}

/// Checkpoints only when asked, small segments.
pub fn options() -> EmbeddedOptions {
    EmbeddedOptions {
        segment_bytes_max: 4096,
        checkpoint_interval: Duration::from_secs(3600),
        retained_bytes_max: 1 << 20,
        reserve_bytes: 0,
        cache_bytes: 1 << 20,
        ..EmbeddedOptions::default()
    }
}

/// Changes of one transaction.
pub type Changes = Vec<(u32, Option<String>)>;
pub type State = BTreeMap<u32, String>;

#[derive(Debug, Clone)]
pub enum Step {
    /// Transactions that become durable together.
    Group(Vec<Changes>),
    Checkpoint,
    Snapshot,
    /// Close, open.
    Restart,
    /// Close, remove the index, make it anew, open.
    Rebuild,
}

pub struct Run {
    pub disk: SimulatedDisk,
    /// By sequence number.
    pub states: Vec<State>,
    /// For each acknowledged transaction: the operations that had been done, and its number.
    pub acknowledged: Vec<(u64, u64)>,
    /// Operations within which the index is away on purpose: a start refuses until it is made anew.
    pub rebuilding: Vec<(u64, u64)>,
}

pub fn state(store: &EmbeddedStore) -> Result<(u64, State), StoreError> {
    let snapshot = store.read()?;
    let state = snapshot
        .prefix(TEXTS, &Key::new())
        .map(|pair| pair.map(|(key, text)| (Key::reader(key.as_bytes()).u32().unwrap(), text.0)))
        .collect::<Result<State, StoreError>>()?;
    Ok((snapshot.sequence().0, state))
}

/// A job that puts `changes`; its fate and the operations at that time go to `fates`. The first of a group waits for `go`.
fn job(
    changes: Changes,
    disk: SimulatedDisk,
    fates: mpsc::Sender<(u64, Result<Sequence, StoreError>)>,
    go: Option<mpsc::Receiver<()>>,
) -> Job {
    Job {
        run: Box::new(move |tx| {
            if let Some(go) = go {
                let _ = go.recv();
            }
            for (key, text) in changes {
                let key = Key::new().u32(key);
                let done = match text {
                    Some(text) => tx.put(TEXTS, &key, &Text(text)),
                    None => tx.delete(TEXTS, &key),
                };
                if done.is_err() {
                    return JobOutcome::Abort;
                }
            }
            JobOutcome::Commit
        }),
        done: Box::new(move |fate| {
            let _ = fates.send((disk.operations(), fate));
        }),
    }
}

/// Submits a group, so that it is one group indeed, and returns each transaction's fate.
pub fn commit(
    store: &EmbeddedStore,
    disk: &SimulatedDisk,
    group: &[Changes],
) -> Vec<(u64, Result<Sequence, StoreError>)> {
    let (fates, fated) = mpsc::channel();
    let (go, gone) = mpsc::channel();
    let mut gone = Some(gone);
    for changes in group {
        futures::executor::block_on(store.submit(job(changes.clone(), disk.clone(), fates.clone(), gone.take())))
            .unwrap();
    }
    let _ = go.send(());
    drop(fates);
    fated.iter().collect()
}

pub fn apply(state: &mut State, changes: &Changes) {
    for (key, text) in changes {
        match text {
            Some(text) => state.insert(*key, text.clone()),
            None => state.remove(key),
        };
    }
}

/// Runs `steps` to their end on a disk without faults.
pub fn run(steps: &[Step], options: EmbeddedOptions) -> Run {
    let disk = SimulatedDisk::new(1);
    disk.keep_history();
    let mut run =
        Run { disk: disk.clone(), states: vec![State::new()], acknowledged: Vec::new(), rebuilding: Vec::new() };
    let open = || EmbeddedStore::open(Arc::new(disk.clone()), options, &runtime()).unwrap();
    let mut store = open();
    for step in steps {
        match step {
            Step::Group(group) => {
                for changes in group {
                    let mut state = run.states.last().unwrap().clone();
                    apply(&mut state, changes);
                    run.states.push(state);
                }
                for (operations, fate) in commit(&store, &disk, group) {
                    run.acknowledged.push((operations, fate.unwrap().0));
                }
            }
            Step::Checkpoint => store.checkpoint().unwrap(),
            Step::Snapshot => store.write_snapshot().unwrap(),
            Step::Restart => {
                store.close().unwrap();
                store = open();
            }
            Step::Rebuild => {
                store.close().unwrap();
                let from = disk.operations();
                tarn_disk::Disk::remove(&disk, "index.redb").unwrap();
                EmbeddedStore::rebuild_index(&disk, &options).unwrap();
                run.rebuilding.push((from, disk.operations()));
                store = open();
            }
        }
        assert_eq!(
            state(&store).unwrap(),
            (run.states.len() as u64 - 1, run.states.last().unwrap().clone()),
            "after {step:?}"
        );
    }
    store.close().unwrap();
    run
}

/// What must hold after a crash within operation `operation`.
pub fn check_survivor(run: &Run, options: EmbeddedOptions, operation: u64, seed: u64) {
    let disk = run.disk.survivor_at(operation, seed);
    let at =
        || format!("crash within operation {operation} ({:?}), seed {seed}", run.disk.trace().get(operation as usize));
    // Some crash again while they recover.
    let disk = if seed % 16 == 8 {
        disk.crash_at(seed / 16 % 12);
        drop(EmbeddedStore::open(Arc::new(disk.clone()), options, &runtime()));
        disk.reopen(seed)
    } else {
        disk
    };
    let open = || EmbeddedStore::open(Arc::new(disk.clone()), options, &runtime());
    let rebuilding = run.rebuilding.iter().any(|(from, to)| (*from..*to).contains(&operation));
    let opened = match open() {
        Err(StoreError::Corrupt { .. }) if rebuilding => {
            EmbeddedStore::rebuild_index(&disk, &options).unwrap_or_else(|error| panic!("{error}: {}", at()));
            open()
        }
        opened => opened,
    };
    let store = opened.unwrap_or_else(|error| panic!("{error}: {}", at()));
    let (sequence, seen) = state(&store).unwrap_or_else(|error| panic!("{error}: {}", at()));
    let acknowledged =
        run.acknowledged.iter().filter(|(operations, _)| *operations <= operation).map(|(_, sequence)| *sequence).max();
    assert!(
        sequence >= acknowledged.unwrap_or(0),
        "transaction {acknowledged:?} was acknowledged, the store is at {sequence}: {}",
        at()
    );
    assert_eq!(Some(&seen), run.states.get(sequence as usize), "the state of transaction {sequence}: {}", at());
    // The log that is kept must be whole.
    if seed % 8 == 4 {
        store.verify().unwrap_or_else(|error| panic!("{error}: {}", at()));
    }
    // Some go on: what is written after a recovery must survive the next.
    if seed.is_multiple_of(16) {
        let fates = commit(&store, &disk, &[vec![(1000, Some("after".to_owned()))]]);
        assert_eq!(fates[0].1.as_ref().map(|sequence| sequence.0).ok(), Some(sequence + 1), "{}", at());
        if seed.is_multiple_of(32) {
            store.checkpoint().unwrap_or_else(|error| panic!("{error}: {}", at()));
        }
        let again = disk.reopen(seed);
        drop(store);
        let store = EmbeddedStore::open(Arc::new(again), options, &runtime())
            .unwrap_or_else(|error| panic!("{error}: the second time, {}", at()));
        let mut expected = seen;
        expected.insert(1000, "after".to_owned());
        assert_eq!(state(&store).unwrap(), (sequence + 1, expected), "the second time, {}", at());
    } else {
        // Closing would write another checkpoint.
        disk.crash();
    }
}

/// A random workload.
pub fn random_steps(seed: u64, steps: usize) -> Vec<Step> {
    let random = SeededEntropy::new(seed);
    let pick = |n: u64| (&random as &dyn Entropy).u64() % n;
    (0..steps)
        .map(|_| match pick(20) {
            0 | 1 => Step::Checkpoint,
            2 => Step::Snapshot,
            3 => Step::Restart,
            4 => Step::Rebuild,
            _ => Step::Group(
                (0..1 + pick(4))
                    .map(|_| {
                        (0..1 + pick(4))
                            .map(|_| {
                                let key = pick(12) as u32;
                                let text = (pick(4) > 0)
                                    .then(|| format!("{:x}", pick(u64::MAX)).repeat(1 + pick(60) as usize));
                                (key, text)
                            })
                            .collect()
                    })
                    .collect(),
            ),
        })
        .collect()
}
