//! A crash at every disk operation of small workloads, and of random longer ones. `TARN_CRASH_POINTS` sets how many points there are.

use tarn_metadata::EmbeddedOptions;

use crate::workload::{Changes, Step, check_survivor, options, random_steps, run};

/// Points that the default run of each of the tests has to make.
const CRASH_POINTS: u64 = 16_000;

fn crash_points() -> u64 {
    std::env::var("TARN_CRASH_POINTS").ok().and_then(|points| points.parse().ok()).unwrap_or(CRASH_POINTS)
}

fn put(key: u32, text: &str) -> (u32, Option<String>) {
    (key, Some(text.to_owned()))
}

/// Crashes within each operation of `steps`, with as many seeds as make `points`.
fn check(name: &str, steps: &[Step], options: EmbeddedOptions, points: u64) -> u64 {
    let run = run(steps, options);
    let operations = run.disk.operations() + 1;
    let seeds = points.div_ceil(operations).max(1);
    for operation in 0..operations {
        for seed in 0..seeds {
            check_survivor(&run, options, operation, operation * 1_000_003 + seed);
        }
    }
    println!("{name}: {operations} operations, {seeds} seeds each, {} crash points", operations * seeds);
    operations * seeds
}

fn small(points: u64, workloads: &[(&str, Vec<Step>)]) {
    let made: u64 = workloads
        .iter()
        .map(|(name, steps)| check(name, steps, options(), points.div_ceil(workloads.len() as u64)))
        .sum();
    println!("{made} crash points");
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_mixed_in_the_log() {
    let pair = |text: &str| -> Changes { vec![put(1, text), put(2, text)] };
    small(
        crash_points(),
        &[
            ("one put", vec![Step::Group(vec![vec![put(1, "a")]])]),
            (
                "puts and deletes",
                vec![
                    Step::Group(vec![pair("a")]),
                    Step::Group(vec![vec![(1, None)]]),
                    Step::Group(vec![vec![(2, None), put(1, "b")]]),
                ],
            ),
            (
                "groups",
                vec![Step::Group(vec![pair("a"), pair("b"), pair("c")]), Step::Group(vec![pair("d"), pair("e")])],
            ),
            (
                "many sectors",
                vec![Step::Group(vec![pair(&"x".repeat(3000)), pair(&"y".repeat(900))]), Step::Group(vec![pair("z")])],
            ),
            ("rotation", (0..5).map(|i| Step::Group(vec![pair(&i.to_string().repeat(700))])).collect()),
        ],
    );
}

#[test]
fn nothing_acknowledged_is_lost_around_checkpoints() {
    let pair = |text: &str| -> Changes { vec![put(1, text), put(2, text)] };
    small(
        crash_points(),
        &[
            ("checkpoint", vec![Step::Group(vec![pair("a")]), Step::Checkpoint, Step::Group(vec![pair("b")])]),
            (
                "two checkpoints",
                vec![
                    Step::Group(vec![pair("a")]),
                    Step::Checkpoint,
                    Step::Group(vec![pair("b"), vec![(1, None)]]),
                    Step::Checkpoint,
                ],
            ),
            ("restart", vec![Step::Group(vec![pair("a")]), Step::Restart, Step::Group(vec![pair("b")]), Step::Restart]),
        ],
    );
}

#[test]
fn nothing_acknowledged_is_lost_around_snapshots_and_rebuilt_indexes() {
    let pair = |text: &str| -> Changes { vec![put(1, text), put(2, text)] };
    let mut long: Vec<Step> = (0..4).map(|i| Step::Group(vec![pair(&i.to_string().repeat(700))])).collect();
    long.extend([Step::Snapshot, Step::Group(vec![pair("a")]), Step::Rebuild, Step::Group(vec![pair("b")])]);
    let options = EmbeddedOptions { segment_bytes_max: 1024, retained_bytes_max: 2048, ..options() };
    let points = crash_points() / 2;
    let mut made = check("snapshot, fewer segments, rebuild", &long, options, points);
    made += check(
        "rebuild from the log alone",
        &[Step::Group(vec![pair("a")]), Step::Rebuild, Step::Group(vec![pair("b")])],
        options,
        points,
    );
    println!("{made} crash points");
}

#[test]
fn nothing_acknowledged_is_lost_in_random_workloads() {
    let (mut made, mut seed) = (0, 0);
    while made < crash_points() {
        let steps = random_steps(seed, 12);
        println!("seed {seed}");
        made += check(
            "random",
            &steps,
            EmbeddedOptions { segment_bytes_max: 2048, retained_bytes_max: 4096, ..options() },
            1,
        );
        seed += 1;
    }
    println!("{made} crash points");
}
