//! The suite that every store passes, over a real directory and a simulated disk, and what only the embedded one promises.

use std::sync::Arc;
use std::time::Duration;

use tarn_disk::{Disk, LocalDisk};
use tarn_metadata::{
    EmbeddedOptions, EmbeddedStore, Key, Read, Sequence, Store, StoreError, StoreExt, WriteError, contract,
};
use tarn_testkit::SimulatedDisk;

use crate::workload::{TEXTS, Text, options, runtime};

async fn check(disk: Arc<dyn Disk>, options: EmbeddedOptions) {
    let store = EmbeddedStore::open(disk.clone(), options, &runtime()).unwrap();
    contract::all(&store).await;
    let sequence = store.read().unwrap().sequence();
    let feed = store.changes_since(Sequence(0), usize::MAX).await.unwrap();
    store.close().unwrap();
    assert!(matches!(store.read(), Err(StoreError::Closed)));
    let store = EmbeddedStore::open(disk, options, &runtime()).unwrap();
    assert_eq!(store.read().unwrap().sequence(), sequence);
    assert_eq!(store.changes_since(Sequence(0), usize::MAX).await.unwrap(), feed);
    assert_eq!(store.verify().unwrap(), sequence.0);
    assert_eq!(store.read().unwrap().get(contract::NOTES, &Key::new().text("a")).unwrap().unwrap().text, "1");
}

#[tokio::test]
async fn the_embedded_store_keeps_the_contract_on_a_real_directory() {
    let directory = tempfile::tempdir().unwrap();
    check(Arc::new(LocalDisk::new(directory.path()).unwrap()), EmbeddedOptions::default()).await;
}

#[tokio::test]
async fn the_embedded_store_keeps_the_contract_on_a_simulated_disk_with_small_segments() {
    check(Arc::new(SimulatedDisk::new(1)), options()).await;
    check(
        Arc::new(SimulatedDisk::new(1)),
        EmbeddedOptions { checkpoint_interval: Duration::ZERO, checkpoint_bytes_max: 1, ..options() },
    )
    .await;
}

#[tokio::test]
async fn a_panic_in_a_transaction_changes_nothing_and_the_store_goes_on() {
    let store = EmbeddedStore::open(Arc::new(SimulatedDisk::new(1)), options(), &runtime()).unwrap();
    let panicked = store
        .write(|tx| {
            tx.put(TEXTS, &Key::new().text("a"), &Text("1".to_owned()))?;
            if tx.contains(TEXTS, &Key::new().text("a"))? {
                panic!("on purpose");
            }
            Ok::<_, StoreError>(())
        })
        .await;
    assert!(matches!(panicked, Err(WriteError::Store(StoreError::Panicked { reason })) if reason == "on purpose"));
    store.write(|tx| tx.put(TEXTS, &Key::new().text("b"), &Text("2".to_owned()))).await.unwrap();
    let seen: Vec<_> = store.read().unwrap().prefix(TEXTS, &Key::new()).map(|pair| pair.unwrap().1.0).collect();
    assert_eq!(seen, ["2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_and_readers_at_once_see_whole_transactions_while_the_index_is_written() {
    let disk = Arc::new(SimulatedDisk::new(1));
    let options =
        EmbeddedOptions { checkpoint_interval: Duration::from_millis(1), segment_bytes_max: 16 << 10, ..options() };
    let store = Arc::new(EmbeddedStore::open(disk.clone(), options, &runtime()).unwrap());
    let writers = (0..4u32).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move {
            for round in 0..200u32 {
                // Both halves of a pair always have the same text.
                store
                    .write(move |tx| {
                        let text = Text(format!("{writer}-{round}"));
                        tx.put(TEXTS, &Key::new().u32(writer).u32(0), &text)?;
                        tx.put(TEXTS, &Key::new().u32(writer).u32(1), &text)
                    })
                    .await
                    .unwrap();
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    while writers.iter().any(|writer| !writer.is_finished()) {
        let snapshot = store.read().unwrap();
        let texts: Vec<String> = snapshot.prefix(TEXTS, &Key::new()).map(|pair| pair.unwrap().1.0).collect();
        assert!(texts.chunks(2).all(|pair| pair.len() == 2 && pair[0] == pair[1]), "{texts:?}");
        tokio::task::yield_now().await;
    }
    store.close().unwrap();
    let store = EmbeddedStore::open(disk, options, &runtime()).unwrap();
    assert_eq!(store.read().unwrap().sequence(), Sequence(800));
}

#[tokio::test]
async fn old_segments_go_when_a_snapshot_holds_them_and_the_index_can_still_be_made_anew() {
    let disk = Arc::new(SimulatedDisk::new(1));
    let options = EmbeddedOptions { segment_bytes_max: 2048, retained_bytes_max: 4096, ..options() };
    let store = EmbeddedStore::open(disk.clone(), options, &runtime()).unwrap();
    for i in 0..40u32 {
        store.write(move |tx| tx.put(TEXTS, &Key::new().u32(i % 7), &Text(i.to_string()))).await.unwrap();
    }
    let before = store.inspect().unwrap();
    store.write_snapshot().unwrap();
    let after = store.inspect().unwrap();
    assert!(after.segments.len() < before.segments.len() && after.segments.len() >= 2, "{after:?}");
    assert_eq!(
        (after.snapshots.clone(), after.checkpoint, after.keyspaces[&TEXTS.id].records),
        (vec![Sequence(40)], Sequence(40), 7)
    );
    assert!(
        matches!(store.changes_since(Sequence(0), 1).await, Err(StoreError::Corrupt { .. })),
        "they are gone, and it says so"
    );
    let oldest = after.segments[0].first_sequence;
    let kept = store.changes_since(Sequence(oldest.0 - 1), usize::MAX).await.unwrap();
    assert_eq!((kept[0].sequence, kept.len() as u64), (oldest, 41 - oldest.0));
    store.write(|tx| tx.put(TEXTS, &Key::new().u32(0), &Text("last".to_owned()))).await.unwrap();
    store.close().unwrap();
    disk.remove("index.redb").unwrap();
    assert!(matches!(EmbeddedStore::open(disk.clone(), options, &runtime()), Err(StoreError::Corrupt { .. })));
    assert_eq!(EmbeddedStore::rebuild_index(&*disk, &options).unwrap(), Sequence(41));
    let store = EmbeddedStore::open(disk, options, &runtime()).unwrap();
    let texts: Vec<String> = store.read().unwrap().prefix(TEXTS, &Key::new()).map(|pair| pair.unwrap().1.0).collect();
    assert_eq!(texts, ["last", "36", "37", "38", "39", "33", "34"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_are_written_and_segments_removed_while_the_store_runs() {
    let disk = Arc::new(SimulatedDisk::new(1));
    let options = EmbeddedOptions {
        checkpoint_interval: Duration::from_millis(1),
        segment_bytes_max: 2048,
        retained_bytes_max: 8192,
        snapshot_bytes: 8192,
        ..options()
    };
    let store = EmbeddedStore::open(disk.clone(), options, &runtime()).unwrap();
    let mut written = 0;
    // Ends when the background has done its work; the test runner bounds it.
    while store.inspect().unwrap().segments[0].number < 10 {
        store.write(move |tx| tx.put(TEXTS, &Key::new().u32(written % 7), &Text(written.to_string()))).await.unwrap();
        written += 1;
    }
    store.close().unwrap();
    disk.remove("index.redb").unwrap();
    assert_eq!(EmbeddedStore::rebuild_index(&*disk, &options).unwrap(), Sequence(u64::from(written)));
    let store = EmbeddedStore::open(disk, options, &runtime()).unwrap();
    assert_eq!(store.read().unwrap().prefix(TEXTS, &Key::new()).count(), 7);
}
