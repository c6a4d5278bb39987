//! Effects outside the store, as rows that commit with the change that asked for them and are drained by workers.
//! Each effect is safe to repeat: a crash between doing it and removing its row does it twice.

use std::marker::PhantomData;

use crate::keyspace::{Key, Keyspace, Record};
use crate::store::{Read, Sequence, StoreError, Tx};

/// Orders the entries of an outbox: transaction first, then position within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutboxId {
    /// The transaction that asked for it.
    pub sequence: Sequence,
    /// The how-manieth of that transaction.
    pub position: u32,
}

/// One effect to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEntry<R> {
    /// Names it for `Outbox::done`.
    pub id: OutboxId,
    /// What to do.
    pub effect: R,
}

/// A queue of effects in a keyspace of its own.
#[derive(Debug)]
pub struct Outbox<R> {
    keyspace: Keyspace<R>,
    effect: PhantomData<R>,
}

impl<R> Clone for Outbox<R> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<R> Copy for Outbox<R> {}

impl<R: Record> Outbox<R> {
    /// Uses `keyspace`, which must hold nothing else.
    pub const fn new(keyspace: Keyspace<R>) -> Self {
        Self { keyspace, effect: PhantomData }
    }

    /// Asks for `effect` once this transaction commits.
    pub fn push(&self, tx: &mut Tx<'_>, effect: &R) -> Result<OutboxId, StoreError> {
        let id = OutboxId { sequence: tx.sequence(), position: tx.next_position(self.keyspace.id) };
        tx.put(self.keyspace, &Self::key(id), effect)?;
        Ok(id)
    }

    /// Up to `limit` effects, oldest first.
    pub fn pending(&self, read: &impl Read, limit: usize) -> Result<Vec<OutboxEntry<R>>, StoreError> {
        read.prefix(self.keyspace, &Key::new())
            .take(limit)
            .map(|pair| {
                let (key, effect) = pair?;
                let mut reader = Key::reader(key.as_bytes());
                match (reader.u64(), reader.u32()) {
                    (Some(sequence), Some(position)) => {
                        Ok(OutboxEntry { id: OutboxId { sequence: Sequence(sequence), position }, effect })
                    }
                    _ => Err(StoreError::Corrupt {
                        place: self.keyspace.name.to_owned(),
                        reason: "an outbox key is not two numbers".to_owned(),
                    }),
                }
            })
            .collect()
    }

    /// Forgets a done effect.
    pub fn done(&self, tx: &mut Tx<'_>, id: OutboxId) -> Result<(), StoreError> {
        tx.delete(self.keyspace, &Self::key(id))
    }

    fn key(id: OutboxId) -> Key {
        Key::new().u64(id.sequence.0).u32(id.position)
    }
}
