//! What every `Store` must do, as functions that each implementation's tests call on an empty store. Panics where a store does not.
#![allow(clippy::unwrap_used)]

use crate::keyspace::{Key, Keyspace, Record};
use crate::outbox::Outbox;
use crate::store::{Read, Sequence, Store, StoreExt, WriteError};

/// A record for the suite's keyspaces.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Note {
    /// Anything.
    pub text: String,
}

impl Record for Note {
    const VERSION: u16 = 1;
}

/// Keyspaces next to each other, to see that ranges stay within theirs.
pub const NOTES: Keyspace<Note> = Keyspace::new(0xfff0, "contract.notes");
/// The neighbour.
pub const OTHERS: Keyspace<Note> = Keyspace::new(0xfff1, "contract.others");
/// An outbox.
pub const EFFECTS: Outbox<Note> = Outbox::new(Keyspace::new(0xfff2, "contract.effects"));

fn note(text: &str) -> Note {
    Note { text: text.to_owned() }
}

/// Runs all of it on an empty store.
pub async fn all(store: &dyn Store) {
    a_write_is_seen_and_a_refused_one_is_not(store).await;
    a_transaction_sees_its_own_writes_in_order(store).await;
    a_snapshot_does_not_change(store).await;
    the_feed_has_every_change_in_order(store).await;
    effects_are_drained_in_order(store).await;
    counters_do_not_lose_increments(store).await;
}

async fn a_write_is_seen_and_a_refused_one_is_not(store: &dyn Store) {
    let key = Key::new().text("a");
    let at = key.clone();
    store.write(move |tx| tx.put(NOTES, &at, &note("1"))).await.unwrap();
    let at = key.clone();
    let refused = store
        .write(move |tx| {
            tx.put(NOTES, &at, &note("2")).unwrap();
            Err::<(), _>("no")
        })
        .await;
    assert!(matches!(refused, Err(WriteError::Refused("no"))));
    assert_eq!(store.read().unwrap().get(NOTES, &key).unwrap(), Some(note("1")));
    assert_eq!(store.read().unwrap().get(OTHERS, &key).unwrap(), None);
}

async fn a_transaction_sees_its_own_writes_in_order(store: &dyn Store) {
    store
        .write(|tx| {
            for i in 0..600 {
                tx.put(OTHERS, &Key::new().u64(i), &note(&i.to_string()))?;
            }
            Ok::<_, crate::StoreError>(())
        })
        .await
        .unwrap();
    let seen: Vec<String> = store
        .write(|tx| {
            for i in (0..600).step_by(2) {
                tx.delete(OTHERS, &Key::new().u64(i))?;
            }
            tx.put(OTHERS, &Key::new().u64(600), &note("600"))?;
            tx.prefix(OTHERS, &Key::new()).map(|pair| pair.map(|(_, note)| note.text)).collect()
        })
        .await
        .unwrap();
    let expected: Vec<String> = (1..600).step_by(2).chain([600]).map(|i| i.to_string()).collect();
    assert_eq!(seen, expected);
    let snapshot = store.read().unwrap();
    let reversed: Vec<String> = snapshot.prefix_reverse(OTHERS, &Key::new()).map(|pair| pair.unwrap().1.text).collect();
    assert_eq!(reversed, expected.into_iter().rev().collect::<Vec<_>>());
}

async fn a_snapshot_does_not_change(store: &dyn Store) {
    let before = store.read().unwrap();
    let key = Key::new().text("later");
    let at = key.clone();
    store.write(move |tx| tx.put(NOTES, &at, &note("x"))).await.unwrap();
    assert_eq!(before.get(NOTES, &key).unwrap(), None);
    assert!(store.read().unwrap().sequence() > before.sequence());
}

async fn the_feed_has_every_change_in_order(store: &dyn Store) {
    let start = store.read().unwrap().sequence();
    for i in 0..5u64 {
        store.write(move |tx| tx.put(NOTES, &Key::new().text("feed").u64(i), &note("f"))).await.unwrap();
    }
    store.write(|_| Ok::<_, crate::StoreError>(())).await.unwrap();
    store.wait_for_change(start).await;
    let changed = store.changes_since(start, 100).await.unwrap();
    let sequences: Vec<Sequence> = changed.iter().map(|changed| changed.sequence).collect();
    assert_eq!(
        sequences,
        (1..=5).map(|i| Sequence(start.0 + i)).collect::<Vec<_>>(),
        "a transaction without a change has no number"
    );
    let (key, record) = changed[4].changes[0].of(NOTES).unwrap().unwrap();
    assert_eq!((key, record), (Key::new().text("feed").u64(4), Some(note("f"))));
    assert!(changed[4].changes[0].of(OTHERS).is_none());
    assert_eq!(store.changes_since(start, 2).await.unwrap().len(), 2);
}

async fn effects_are_drained_in_order(store: &dyn Store) {
    store
        .write(|tx| {
            EFFECTS.push(tx, &note("first"))?;
            EFFECTS.push(tx, &note("second"))
        })
        .await
        .unwrap();
    store.write(|tx| EFFECTS.push(tx, &note("third"))).await.unwrap();
    let pending = EFFECTS.pending(&store.read().unwrap(), 10).unwrap();
    let texts: Vec<&str> = pending.iter().map(|entry| entry.effect.text.as_str()).collect();
    assert_eq!(texts, ["first", "second", "third"]);
    let id = pending[0].id;
    store.write(move |tx| EFFECTS.done(tx, id)).await.unwrap();
    assert_eq!(EFFECTS.pending(&store.read().unwrap(), 1).unwrap()[0].effect, note("second"));
    // Of one transaction as many as it can hold, each with a place of its own, beside those of another outbox.
    let many = store
        .write(|tx| {
            (0..5_000).map(|number| EFFECTS.push(tx, &note(&number.to_string()))).collect::<Result<Vec<_>, _>>()
        })
        .await
        .unwrap();
    assert!(many.iter().enumerate().all(|(at, id)| (id.sequence, id.position as usize) == (many[0].sequence, at)));
    let texts: Vec<String> =
        EFFECTS.pending(&store.read().unwrap(), 10_000).unwrap().into_iter().map(|entry| entry.effect.text).collect();
    let numbers: Vec<String> = (0..5_000).map(|number| number.to_string()).collect();
    assert_eq!(texts[2..], numbers);
}

async fn counters_do_not_lose_increments(store: &dyn Store) {
    let key = Key::new().text("counter");
    let increments = (0..50).map(|_| {
        let key = key.clone();
        store.write(move |tx| {
            let count: u64 = tx.get(NOTES, &key)?.map_or(0, |note| note.text.parse().unwrap());
            tx.put(NOTES, &key, &note(&(count + 1).to_string()))
        })
    });
    for result in futures::future::join_all(increments).await {
        result.unwrap();
    }
    assert_eq!(store.read().unwrap().get(NOTES, &key).unwrap(), Some(note("50")));
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn the_memory_store_keeps_the_contract() {
        super::all(&crate::MemoryStore::new()).await;
    }
}
