//! The ordered index: one redb table of keys to values, and the position in the log up to which it holds everything.
//! It is written by checkpoints only; each is one durable redb transaction. Knows nothing of the log's form.

use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use redb::{Database, Durability, ReadOnlyTable, ReadableDatabase, StorageError, TableDefinition};
use tarn_disk::{Disk, OpenMode};

use crate::block_file::BlockFile;
use crate::log::{Position, StoreId};
use crate::memtable::{Source, bounds};
use crate::store::{RawRange, StoreError};

/// Where the index is, from the disk's root.
pub(crate) const INDEX_PATH: &str = "index.redb";
const REBUILD: &str = "stop the server and run `tarn doctor rebuild-index`";

const RECORDS: TableDefinition<'static, &'static [u8], &'static [u8]> = TableDefinition::new("records");
const ABOUT: TableDefinition<'static, &'static str, &'static [u8]> = TableDefinition::new("about");
const POSITION: &str = "position";

/// The first damage that was read, kept because redb answers only "previous error" from then on.
type Damage = Arc<Mutex<Option<String>>>;

/// The index, for the one that writes it.
pub(crate) struct Index {
    database: Database,
    damage: Damage,
}

/// The index as of one checkpoint.
pub(crate) struct IndexSnapshot {
    table: ReadOnlyTable<&'static [u8], &'static [u8]>,
    damage: Damage,
}

fn failure(error: redb::Error, damage: &Damage, doing: &'static str) -> StoreError {
    let damaged = damage.lock().clone();
    match (error, damaged) {
        (_, Some(reason)) => {
            StoreError::Corrupt { place: INDEX_PATH.to_owned(), reason: format!("{reason}; {REBUILD}") }
        }
        (redb::Error::Io(error), None) => disk_error(doing, &error),
        (redb::Error::Corrupted(reason), None) => {
            StoreError::Corrupt { place: INDEX_PATH.to_owned(), reason: format!("{reason}; {REBUILD}") }
        }
        (error, None) => StoreError::Failed { doing, reason: error.to_string() },
    }
}

/// What a disk's error means for the store.
pub(crate) fn disk_error(doing: &'static str, error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::NoSpace,
        io::ErrorKind::InvalidData => {
            StoreError::Corrupt { place: INDEX_PATH.to_owned(), reason: format!("{error}; {REBUILD}") }
        }
        _ => StoreError::Failed { doing, reason: error.to_string() },
    }
}

/// redb panics on some damaged files; a damaged index must be an error.
fn caught<T>(doing: &'static str, run: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        Err(StoreError::Corrupt {
            place: INDEX_PATH.to_owned(),
            reason: format!("the index does not hold together ({doing}); {REBUILD}"),
        })
    })
}

impl Index {
    /// Opens the index at `path`, or makes an empty one; `cache_bytes` bounds what redb keeps in memory.
    pub(crate) fn open(disk: &dyn Disk, path: &str, mode: OpenMode, cache_bytes: usize) -> Result<Self, StoreError> {
        caught("opening", || {
            let damage = Damage::default();
            let file = BlockFile::open(disk, path, mode, damage.clone())
                .map_err(|error| disk_error("opening the index", &error))?;
            let database = redb::Builder::new()
                .set_cache_size(cache_bytes)
                .create_with_backend(file)
                .map_err(|error| failure(error.into(), &damage, "opening the index"))?;
            Ok(Self { database, damage })
        })
    }

    /// Up to where the log is in it, and whose it is; `None` in a new one.
    pub(crate) fn position(&self) -> Result<Option<(StoreId, Position)>, StoreError> {
        caught("reading its position", || {
            let doing = "reading the index";
            let read = self.database.begin_read().map_err(|error| failure(error.into(), &self.damage, doing))?;
            let table = match read.open_table(ABOUT) {
                Ok(table) => table,
                Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
                Err(error) => return Err(failure(error.into(), &self.damage, doing)),
            };
            match table.get(POSITION).map_err(|error| failure(error.into(), &self.damage, doing))? {
                None => Ok(None),
                Some(bytes) => match Position::decode(bytes.value()) {
                    Some(decoded) => Ok(Some(decoded)),
                    None => Err(StoreError::Corrupt {
                        place: INDEX_PATH.to_owned(),
                        reason: format!("its position does not decode; {REBUILD}"),
                    }),
                },
            }
        })
    }

    /// Writes changes and the position they lead to, durably, as one; `each_change` calls what it is given for every change, in key order.
    pub(crate) fn checkpoint(
        &self,
        store: StoreId,
        position: Position,
        each_change: impl FnOnce(&mut dyn FnMut(&[u8], Option<&Bytes>) -> Result<(), StoreError>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        caught("writing a checkpoint", || {
            let doing = "writing a checkpoint of the index";
            let fail = |error: redb::Error| failure(error, &self.damage, doing);
            let mut write = self.database.begin_write().map_err(|error| fail(error.into()))?;
            write.set_durability(Durability::Immediate).map_err(|error| fail(error.into()))?;
            // After a crash redb then opens at once instead of reading the whole file (redb#1055).
            write.set_quick_repair(true);
            {
                let mut table = write.open_table(RECORDS).map_err(|error| fail(error.into()))?;
                each_change(&mut |key, value| {
                    let done = match value {
                        Some(value) => table.insert(key, &**value).map(drop),
                        None => table.remove(key).map(drop),
                    };
                    done.map_err(|error: StorageError| fail(error.into()))
                })?;
                let mut about = write.open_table(ABOUT).map_err(|error| fail(error.into()))?;
                about.insert(POSITION, position.encode(store).as_slice()).map_err(|error| fail(error.into()))?;
            }
            write.commit().map_err(|error| fail(error.into()))
        })
    }

    /// The state of the last checkpoint.
    pub(crate) fn snapshot(&self) -> Result<IndexSnapshot, StoreError> {
        caught("reading", || {
            let doing = "reading the index";
            let read = self.database.begin_read().map_err(|error| failure(error.into(), &self.damage, doing))?;
            let table = read.open_table(RECORDS).map_err(|error| failure(error.into(), &self.damage, doing))?;
            Ok(IndexSnapshot { table, damage: self.damage.clone() })
        })
    }
}

impl IndexSnapshot {
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        caught("reading", || {
            let value =
                self.table.get(key).map_err(|error| failure(error.into(), &self.damage, "reading the index"))?;
            Ok(value.map(|value| Bytes::copy_from_slice(value.value())))
        })
    }

    /// The pairs of `range`, which must not be empty, read as they are asked for.
    pub(crate) fn range(&self, range: &RawRange, reverse: bool) -> Result<Source<'_>, StoreError> {
        let mut pairs = caught("reading", || {
            self.table
                .range::<&[u8]>(bounds(range))
                .map_err(|error| failure(error.into(), &self.damage, "reading the index"))
        })?;
        Ok(Box::new(std::iter::from_fn(move || {
            let pair = caught("reading", || {
                let pair = if reverse { pairs.next_back() } else { pairs.next() };
                pair.transpose()
                    .map(|pair| {
                        pair.map(|(key, value)| {
                            (Bytes::copy_from_slice(key.value()), Some(Bytes::copy_from_slice(value.value())))
                        })
                    })
                    .map_err(|error| failure(error.into(), &self.damage, "reading the index"))
            });
            pair.transpose()
        })))
    }

    /// All pairs, in order.
    pub(crate) fn all(&self) -> Result<Source<'_>, StoreError> {
        self.range(&(Bound::Unbounded, Bound::Unbounded), false)
    }
}
