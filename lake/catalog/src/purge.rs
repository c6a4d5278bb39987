//! Removes in the background, page by page, the rows of deleted databases and tables. Knows ids, and no names.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tarn_metadata::{OutboxId, Read, Record, Store, StoreError, StoreExt, WriteError};
use tarn_runtime::{Worker, WorkerOutcome};
use tokio::sync::Notify;

use crate::EntityId;
use crate::keyspaces::{PARTITIONS, PURGES, TABLE_VERSIONS, TABLES, entity_key};

/// The most rows that one transaction removes.
const ROWS_MAX: usize = 1_000;

/// What is to be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Purge {
    /// All tables of a database.
    Database { id: EntityId },
    /// All partitions and versions of a table.
    Table { id: EntityId },
}

impl Record for Purge {
    const VERSION: u16 = 1;
}

/// Drains the catalog's outbox.
pub struct PurgeWorker {
    store: Arc<dyn Store>,
    wake: Arc<Notify>,
}

impl PurgeWorker {
    pub(crate) fn new(store: Arc<dyn Store>, wake: Arc<Notify>) -> Self {
        Self { store, wake }
    }

    /// Removes one page of what the oldest entry asks for. `false`: there is nothing to do.
    async fn purge_page(&self) -> Result<bool, StoreError> {
        let entry = PURGES.pending(&self.store.read()?, 1)?.into_iter().next();
        let Some(entry) = entry else {
            return Ok(false);
        };
        let outcome = self
            .store
            .write(move |tx| match &entry.effect {
                Purge::Database { id } => {
                    let tables = tx.prefix(TABLES, &entity_key(id)).take(ROWS_MAX).collect::<Result<Vec<_>, _>>()?;
                    for (key, table) in &tables {
                        tx.delete(TABLES, key)?;
                        PURGES.push(tx, &Purge::Table { id: table.id })?;
                    }
                    finish(tx, entry.id, tables.len())
                }
                Purge::Table { id } => {
                    let prefix = entity_key(id);
                    let versions = tx.prefix(TABLE_VERSIONS, &prefix).take(ROWS_MAX).collect::<Result<Vec<_>, _>>()?;
                    for (key, _) in &versions {
                        tx.delete(TABLE_VERSIONS, key)?;
                    }
                    let left = ROWS_MAX - versions.len();
                    let partitions = tx.prefix(PARTITIONS, &prefix).take(left).collect::<Result<Vec<_>, _>>()?;
                    for (key, _) in &partitions {
                        tx.delete(PARTITIONS, key)?;
                    }
                    finish(tx, entry.id, versions.len() + partitions.len())
                }
            })
            .await;
        match outcome {
            Ok(()) => Ok(true),
            Err(WriteError::Refused(error) | WriteError::Store(error)) => Err(error),
        }
    }
}

/// The entry is done once a page was not full.
fn finish(tx: &mut tarn_metadata::Tx<'_>, id: OutboxId, rows: usize) -> Result<(), StoreError> {
    if rows < ROWS_MAX { PURGES.done(tx, id) } else { Ok(()) }
}

impl Worker for PurgeWorker {
    fn name(&self) -> String {
        "catalog-purge".to_owned()
    }

    fn work(&self) -> BoxFuture<'_, WorkerOutcome> {
        async move {
            match self.purge_page().await {
                Ok(true) => WorkerOutcome::Busy,
                Ok(false) => WorkerOutcome::Idle,
                Err(error) => WorkerOutcome::Failed { reason: error.to_string() },
            }
        }
        .boxed()
    }

    fn wait(&self) -> BoxFuture<'_, ()> {
        self.wake.notified().boxed()
    }
}
