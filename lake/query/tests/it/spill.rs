//! Queries that do not fit in memory: the same answers, nothing on disk in the clear, and an end where the quota ends.

use std::sync::atomic::{AtomicBool, Ordering};

use tarn_query::ErrorName;

use crate::lake::Lake;

/// Rows that are larger than the engine's memory, each with a text that a search of the disk would find.
const ROWS: &str =
    "(SELECT a * 700 + b AS k, 'planted-plaintext-' || to_hex(sha256(to_utf8(CAST(a * 700 + b AS varchar)))) AS t
    FROM UNNEST(sequence(1, 700)) AS x(a) CROSS JOIN UNNEST(sequence(1, 700)) AS y(b))";

const MEMORY_SIZE_BYTES: usize = 40 << 20;

fn sorted() -> String {
    format!(
        "SELECT sum(n * k), min(t), max(t), count(*) FROM (SELECT k, t, row_number() OVER (ORDER BY t, k) AS n FROM {ROWS})"
    )
}

fn grouped() -> String {
    format!(
        "SELECT sum(c), sum(k), min(t), max(t), count(*) FROM (SELECT t, count(*) AS c, max(k) AS k FROM {ROWS} GROUP BY t)"
    )
}

/// Reads all files that were opened in `directory` and have no name, until told to stop: how many bytes, and whether in the clear.
fn watch(directory: &std::path::Path, stop: &AtomicBool) -> (u64, bool) {
    let (mut most, mut clear) = (0, false);
    while !stop.load(Ordering::Relaxed) {
        let mut size = 0;
        for entry in std::fs::read_dir("/proc/self/fd").unwrap().flatten() {
            let opened = std::fs::read_link(entry.path()).unwrap_or_default();
            if opened.starts_with(directory) {
                let bytes = std::fs::read(entry.path()).unwrap_or_default();
                size += bytes.len() as u64;
                clear |= bytes.windows(17).any(|window| window == b"planted-plaintext");
            }
        }
        most = most.max(size);
        std::thread::yield_now();
    }
    (most, clear)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_larger_than_memory_are_answered_from_sealed_files() {
    let plenty = Lake::with(|options| options.memory_size_bytes = 4 << 30).await;
    for query in [sorted(), grouped()] {
        let lake = Lake::with(|options| options.memory_size_bytes = MEMORY_SIZE_BYTES).await;
        let stop = AtomicBool::new(false);
        let (found, (seen_bytes, clear)) = std::thread::scope(|scope| {
            let watching = scope.spawn(|| watch(lake.spill.path(), &stop));
            let found = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(lake.answer(&query)));
            stop.store(true, Ordering::Relaxed);
            (found, watching.join().unwrap())
        });
        assert_eq!(found, plenty.answer(&query).await);
        let usage = lake.engine.spill_usage();
        assert!(usage.written_bytes > 10 << 20 && seen_bytes > 1 << 20, "{query}: {usage:?} {seen_bytes}");
        assert!(!clear, "{query}: plaintext is on disk");
        assert_eq!(usage.size_bytes, 0, "{query}");
        assert_eq!(std::fs::read_dir(lake.spill.path()).unwrap().count(), 0);
    }
    assert_eq!(plenty.engine.spill_usage().written_bytes, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_ends_where_the_quota_ends() {
    let lake = Lake::with(|options| {
        options.memory_size_bytes = MEMORY_SIZE_BYTES;
        options.spill_size_bytes_max = 4 << 20;
    })
    .await;
    for query in [sorted(), grouped()] {
        let failed = lake.run(&query).await.unwrap_err();
        assert_eq!(failed.name(), Some(ErrorName::ExhaustedResources), "{failed}");
        assert!(failed.to_string().contains("may spill 4194304 bytes"), "{failed}");
        assert_eq!(lake.engine.spill_usage().size_bytes, 0);
    }
}
