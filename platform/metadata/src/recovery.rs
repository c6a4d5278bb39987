//! From files to a state: where the log ends, what of it the index lacks, and the index made anew. Knows no threads.

use std::io;
use std::sync::Arc;

use tarn_disk::{Disk, DiskFile, OpenMode};
use tarn_runtime::{EntropyExt, Runtime};

use crate::index::{INDEX_PATH, Index, disk_error};
use crate::log::{
    Found, LOG_DIR, LogWriter, Position, SegmentMeta, SegmentReader, StoreId, Transaction, segment_number,
    segment_path, snapshot_sequence,
};
use crate::memtable::Memtable;
use crate::snapshot_file::SnapshotReader;
use crate::store::StoreError;

const REBUILD: &str = "stop the server and run `tarn doctor rebuild-index`";
/// Where a rebuilt index grows before it takes its place.
const REBUILD_PATH: &str = "index.rebuild";
/// How much of the log goes into one transaction of the rebuilt index, bytes of keys and values.
const REBUILD_TRANSACTION_BYTES_MAX: usize = 16 << 20;

/// The log's files.
pub(crate) struct LogFiles {
    pub(crate) segments: Vec<SegmentMeta>,
    /// The sequence numbers of the snapshots, ascending.
    pub(crate) snapshots: Vec<u64>,
    store: Option<StoreId>,
}

/// What opening found.
pub(crate) struct Recovered {
    pub(crate) store: StoreId,
    pub(crate) index: Index,
    pub(crate) log: LogWriter,
    /// What the index lacks.
    pub(crate) tail: Memtable,
    pub(crate) snapshots: Vec<u64>,
}

fn corrupt(place: impl Into<String>, reason: impl Into<String>) -> StoreError {
    StoreError::Corrupt { place: place.into(), reason: reason.into() }
}

fn listing(error: &io::Error) -> StoreError {
    disk_error("listing the log", error)
}

/// Lists the log, checks that its segments follow each other, and removes a last segment that was never finished.
pub(crate) fn log_files(disk: &dyn Disk) -> Result<LogFiles, StoreError> {
    let names = match disk.list(LOG_DIR) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(listing(&error)),
    };
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| segment_number(name)).collect();
    let mut snapshots: Vec<u64> = names.iter().filter_map(|name| snapshot_sequence(name)).collect();
    numbers.sort_unstable();
    snapshots.sort_unstable();
    let mut files = LogFiles { segments: Vec::new(), snapshots, store: None };
    for (index, number) in numbers.iter().enumerate() {
        let last = index + 1 == numbers.len();
        let Some(reader) = SegmentReader::open(disk, *number)? else {
            if !last {
                return Err(corrupt(segment_path(*number), "the segment has no header"));
            }
            // Its header is made durable before anything is written to it or to its name.
            disk.remove(&segment_path(*number))
                .map_err(|error| disk_error("removing an unfinished log segment", &error))?;
            disk.sync_dir(LOG_DIR).map_err(|error| disk_error("removing an unfinished log segment", &error))?;
            break;
        };
        let header = reader.header();
        if *files.store.get_or_insert(header.store) != header.store {
            return Err(corrupt(segment_path(*number), "the segment is of another store"));
        }
        if let Some(before) = files.segments.last()
            && (header.meta.number != before.number + 1 || header.meta.first_sequence < before.first_sequence)
        {
            return Err(corrupt(segment_path(before.number + 1), "the segment is missing"));
        }
        files.segments.push(header.meta);
    }
    Ok(files)
}

/// Reads the log from `from` to its end, and gives each transaction after it to `each`.
/// Returns the end, the offset at which the last batch begins, and whether a torn batch follows.
pub(crate) fn replay(
    disk: &dyn Disk,
    segments: &[SegmentMeta],
    from: Position,
    mut each: impl FnMut(Vec<Transaction>) -> Result<(), StoreError>,
    mut each_checkpoint: impl FnMut(u64) -> Result<(), StoreError>,
) -> Result<Replayed, StoreError> {
    let first = segments.iter().position(|meta| meta.number == from.segment);
    let Some(first) = first else {
        return Err(corrupt(segment_path(from.segment), format!("the segment is missing; {REBUILD}")));
    };
    let mut at = from;
    let mut replayed = Replayed { end: from, last_batch: None, torn: false };
    for (index, meta) in segments.iter().enumerate().skip(first) {
        let Some(mut reader) = SegmentReader::open(disk, meta.number)? else {
            return Err(corrupt(segment_path(meta.number), "the segment has no header"));
        };
        if index > first {
            let start = reader.start();
            if (start.ordinal, start.sequence) != (at.ordinal, at.sequence) {
                return Err(corrupt(
                    format!("{} at {}", segment_path(at.segment), at.offset),
                    format!("transactions {} to {} are missing", at.sequence + 1, start.sequence),
                ));
            }
            at = start;
        }
        let last = index + 1 == segments.len();
        loop {
            match reader.read(at)? {
                Found::Transactions(transactions, next) => {
                    replayed.last_batch = Some(at);
                    at = next;
                    each(transactions)?;
                }
                Found::Checkpoint { sequence, next } => {
                    replayed.last_batch = Some(at);
                    at = next;
                    each_checkpoint(sequence)?;
                }
                Found::End => break,
                Found::Torn if last => {
                    replayed.torn = true;
                    break;
                }
                Found::Torn => {
                    return Err(corrupt(
                        format!("{} at {}", segment_path(at.segment), at.offset),
                        "the batch is incomplete, yet a later segment follows",
                    ));
                }
            }
        }
    }
    replayed.end = at;
    Ok(replayed)
}

/// How far `replay` came.
pub(crate) struct Replayed {
    pub(crate) end: Position,
    /// Where the last batch begins, if there was one.
    last_batch: Option<Position>,
    pub(crate) torn: bool,
}

/// Opens a store's files, or makes them.
pub(crate) fn recover(
    disk: &Arc<dyn Disk>,
    runtime: &Runtime,
    segment_bytes_max: u64,
    cache_bytes: usize,
) -> Result<Recovered, StoreError> {
    disk.create_dir_all(LOG_DIR).map_err(|error| disk_error("making the log's directory", &error))?;
    for name in disk.list(LOG_DIR).map_err(|error| listing(&error))?.iter().filter(|name| name.ends_with(".unfinished"))
    {
        disk.remove(&format!("{LOG_DIR}/{name}"))
            .map_err(|error| disk_error("removing an unfinished snapshot", &error))?;
    }
    let files = log_files(&**disk)?;
    let has_index = disk.exists(INDEX_PATH).map_err(|error| disk_error("opening the index", &error))?;
    let (Some(store), Some(last)) = (files.store, files.segments.last().copied()) else {
        return create(disk, runtime, &files, has_index, segment_bytes_max, cache_bytes);
    };
    if !has_index {
        return Err(corrupt(INDEX_PATH, format!("the index is missing; {REBUILD}")));
    }
    let index = Index::open(&**disk, INDEX_PATH, OpenMode::ReadWrite, cache_bytes)?;
    let Some((index_store, checkpoint)) = index.position()? else {
        return Err(corrupt(INDEX_PATH, format!("the index has no position; {REBUILD}")));
    };
    if index_store != store {
        return Err(corrupt(INDEX_PATH, "the index is of another store than the log: restore both from one backup"));
    }
    let tail = Memtable::default();
    let replayed = replay(
        &**disk,
        &files.segments,
        checkpoint,
        |transactions| {
            tail.apply(transactions.into_iter().map(|transaction| (transaction.sequence, transaction.changes)));
            Ok(())
        },
        |sequence| {
            if sequence > checkpoint.sequence {
                return Err(corrupt(
                    INDEX_PATH,
                    format!(
                        "the index is at transaction {}, but was at {sequence} before; {REBUILD}",
                        checkpoint.sequence
                    ),
                ));
            }
            Ok(())
        },
    )?;
    let file = disk
        .open(&segment_path(last.number), OpenMode::ReadWrite)
        .map_err(|error| disk_error("opening the log", &error))?;
    settle(&**disk, &*file, &replayed).map_err(|error| disk_error("settling the log's end", &error))?;
    let log = LogWriter::resume(disk.clone(), store, file, replayed.end, segment_bytes_max, files.segments);
    Ok(Recovered { store, index, log, tail, snapshots: files.snapshots })
}

/// Makes durable what was read, and removes what was torn.
///
/// After a killed process the last batch may be in the page cache only, and after a failed sync the kernel takes it for written:
/// it is written again, because readers are about to see it.
fn settle(disk: &dyn Disk, file: &dyn DiskFile, replayed: &Replayed) -> io::Result<()> {
    if let Some(from) = replayed.last_batch.filter(|batch| batch.segment == replayed.end.segment) {
        let mut bytes = vec![0; (replayed.end.offset - from.offset) as usize];
        file.read_exact_at(&mut bytes, from.offset)?;
        file.write_all_at(&bytes, from.offset)?;
    }
    if file.len()? > replayed.end.offset {
        file.set_len(replayed.end.offset)?;
    }
    file.sync_data()?;
    disk.sync_dir(LOG_DIR)
}

/// Makes the files of a new store: first the index, then the log, so that a log without an index is always damage.
fn create(
    disk: &Arc<dyn Disk>,
    runtime: &Runtime,
    files: &LogFiles,
    has_index: bool,
    segment_bytes_max: u64,
    cache_bytes: usize,
) -> Result<Recovered, StoreError> {
    if let Some(snapshot) = files.snapshots.last() {
        return Err(corrupt(
            LOG_DIR,
            format!(
                "the log's segments are missing, but there is a snapshot of transaction {snapshot}: restore the directory from a backup"
            ),
        ));
    }
    let making = "making the index";
    if has_index {
        // Left by a creation that a crash ended; one that was ever used has a log.
        let used = match Index::open(&**disk, INDEX_PATH, OpenMode::ReadWrite, cache_bytes)
            .and_then(|index| index.position())
        {
            Ok(position) => position.is_some_and(|(_, position)| position.sequence > 0),
            Err(StoreError::Corrupt { .. }) => false,
            Err(error) => return Err(error),
        };
        if used {
            return Err(corrupt(
                LOG_DIR,
                "the log's segments are missing, but the index holds transactions: restore the directory from a backup",
            ));
        }
        disk.remove(INDEX_PATH).map_err(|error| disk_error(making, &error))?;
        disk.sync_dir("").map_err(|error| disk_error(making, &error))?;
    }
    let store = StoreId(runtime.entropy.bytes());
    let index = Index::open(&**disk, INDEX_PATH, OpenMode::CreateNew, cache_bytes)?;
    let start = Position { segment: 1, offset: crate::log::SECTOR_BYTES as u64, ordinal: 1, sequence: 0 };
    index.checkpoint(store, start, |_| Ok(()))?;
    disk.sync_dir("").map_err(|error| disk_error(making, &error))?;
    let log = LogWriter::create(disk.clone(), store, segment_bytes_max)?;
    Ok(Recovered { store, index, log, tail: Memtable::default(), snapshots: Vec::new() })
}

/// Makes the index anew from the newest snapshot and the log after it. The store must be closed. Returns the last transaction in it.
pub(crate) fn rebuild_index(disk: &dyn Disk, cache_bytes: usize) -> Result<u64, StoreError> {
    let rebuilding = "rebuilding the index";
    let files = log_files(disk)?;
    let (Some(store), Some(first)) = (files.store, files.segments.first().copied()) else {
        return Err(corrupt(LOG_DIR, "there is no log to rebuild the index from: restore the directory from a backup"));
    };
    if disk.exists(REBUILD_PATH).map_err(|error| disk_error(rebuilding, &error))? {
        disk.remove(REBUILD_PATH).map_err(|error| disk_error(rebuilding, &error))?;
    }
    let index = Index::open(disk, REBUILD_PATH, OpenMode::CreateNew, cache_bytes)?;
    let mut from = match files.snapshots.last() {
        Some(sequence) => {
            let mut reader = SnapshotReader::open(disk, *sequence, store)?;
            while let Some(pairs) = reader.next_block()? {
                index.checkpoint(store, reader.position(), |put| {
                    pairs.iter().try_for_each(|(key, value)| put(key, Some(value)))
                })?;
            }
            index.checkpoint(store, reader.position(), |_| Ok(()))?;
            reader.position()
        }
        None if first.first_sequence == 1 => {
            Position { segment: first.number, offset: crate::log::SECTOR_BYTES as u64, ordinal: 1, sequence: 0 }
        }
        None => {
            let reason = format!(
                "transactions 1 to {} are in no segment and no snapshot: restore the directory from a backup",
                first.first_sequence - 1
            );
            return Err(corrupt(LOG_DIR, reason));
        }
    };
    let start = from;
    let (mut batch, mut batch_bytes) = (Vec::new(), 0);
    let write = |batch: &mut Vec<Transaction>, from: &mut Position| {
        if let Some(last) = batch.last() {
            // Only the last call's position is true; until then the index is not in its place.
            from.sequence = last.sequence;
        }
        let taken = std::mem::take(batch);
        index.checkpoint(store, *from, |put| {
            taken
                .iter()
                .flat_map(|transaction| &transaction.changes)
                .try_for_each(|change| put(&change.key, change.value.as_ref()))
        })
    };
    let replayed = replay(
        disk,
        &files.segments,
        start,
        |transactions| {
            batch_bytes += transactions
                .iter()
                .flat_map(|transaction| &transaction.changes)
                .map(|change| change.key.len() + change.value.as_ref().map_or(0, |value| value.len()))
                .sum::<usize>();
            batch.extend(transactions);
            if batch_bytes >= REBUILD_TRANSACTION_BYTES_MAX {
                write(&mut batch, &mut from)?;
                batch_bytes = 0;
            }
            Ok(())
        },
        |_| Ok(()),
    )?;
    from = replayed.end;
    write(&mut batch, &mut from)?;
    drop(index);
    disk.rename(REBUILD_PATH, INDEX_PATH).map_err(|error| disk_error(rebuilding, &error))?;
    disk.sync_dir("").map_err(|error| disk_error(rebuilding, &error))?;
    Ok(replayed.end.sequence)
}
