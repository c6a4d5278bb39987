//! All records at one transaction, in a file beside the log: what lets old segments go and the index be made anew.
//! Knows nothing of when snapshots are due.
//!
//! Form: {magic, format version, store id, position, checksum}, then blocks of {body's length, pairs, checksum, body}; the last
//! block has no pairs and says how many there were in all. A file without it has another name and is removed at the next start.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Buf, Bytes};
use tarn_disk::{Disk, DiskFile, OpenMode};

use crate::index::{IndexSnapshot, disk_error};
use crate::log::{LOG_DIR, Position, StoreId, snapshot_path};
use crate::store::StoreError;

const MAGIC: [u8; 8] = *b"TARNSNP\n";
const FORMAT_VERSION: u16 = 1;
const POSITION_BYTES: usize = 16 + 4 * 8;
const HEADER_BYTES: usize = 8 + 2 + POSITION_BYTES + 8;
const BLOCK_HEADER_BYTES: usize = 4 + 4 + 8;
/// A block is written once it has this many bytes.
const BLOCK_BYTES: usize = 256 << 10;
/// A block has at most one pair more than that; the largest record and key fit.
const BLOCK_BYTES_MAX: usize = BLOCK_BYTES + (32 << 20);
const WRITING: &str = "writing a snapshot of the index";

/// Appends blocks to the file.
struct BlockWriter {
    file: Arc<dyn DiskFile>,
    store: StoreId,
    offset: u64,
}

impl BlockWriter {
    fn block(&mut self, pairs: u32, body: &[u8]) -> io::Result<()> {
        let mut block = Vec::with_capacity(BLOCK_HEADER_BYTES + body.len());
        block.extend_from_slice(&(body.len() as u32).to_le_bytes());
        block.extend_from_slice(&pairs.to_le_bytes());
        let checksum = self.store.checksum(&[&self.offset.to_le_bytes(), &block, body]);
        block.extend_from_slice(&checksum.to_le_bytes());
        block.extend_from_slice(body);
        self.file.write_all_at(&block, self.offset)?;
        self.offset += block.len() as u64;
        Ok(())
    }
}

/// Writes the snapshot of the index at `position`; it has its name only when all of it is durable. Gives up once `stopping` is set.
pub(crate) fn write_snapshot(
    disk: &dyn Disk,
    store: StoreId,
    position: Position,
    index: &IndexSnapshot,
    stopping: &AtomicBool,
) -> Result<(), StoreError> {
    let path = snapshot_path(position.sequence);
    let unfinished = format!("{path}.unfinished");
    let failed = |error: io::Error| disk_error(WRITING, &error);
    let file = disk.open(&unfinished, OpenMode::CreateOrOpen).map_err(failed)?;
    file.set_len(0).map_err(failed)?;
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.extend_from_slice(&MAGIC);
    header.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    header.extend_from_slice(&position.encode(store));
    header.extend_from_slice(&store.checksum(&[&header]).to_le_bytes());
    file.write_all_at(&header, 0).map_err(failed)?;
    let mut writer = BlockWriter { file: file.clone(), store, offset: HEADER_BYTES as u64 };
    let (mut body, mut pairs, mut total) = (Vec::new(), 0, 0u64);
    for pair in index.all()? {
        let (key, value) = pair?;
        let value = value.unwrap_or_default();
        body.extend_from_slice(&(key.len() as u32).to_le_bytes());
        body.extend_from_slice(&(value.len() as u32).to_le_bytes());
        body.extend_from_slice(&key);
        body.extend_from_slice(&value);
        pairs += 1;
        total += 1;
        if body.len() >= BLOCK_BYTES {
            if stopping.load(Ordering::Acquire) {
                return Err(StoreError::Closed);
            }
            writer.block(pairs, &body).map_err(failed)?;
            body.clear();
            pairs = 0;
        }
    }
    if pairs > 0 {
        writer.block(pairs, &body).map_err(failed)?;
    }
    writer.block(0, &total.to_le_bytes()).map_err(failed)?;
    file.sync_data().map_err(failed)?;
    disk.rename(&unfinished, &path).map_err(failed)?;
    disk.sync_dir(LOG_DIR).map_err(failed)
}

/// Reads a snapshot block by block.
pub(crate) struct SnapshotReader {
    file: Arc<dyn DiskFile>,
    path: String,
    store: StoreId,
    position: Position,
    offset: u64,
    pairs: u64,
    done: bool,
}

impl SnapshotReader {
    pub(crate) fn open(disk: &dyn Disk, sequence: u64, store: StoreId) -> Result<Self, StoreError> {
        let path = snapshot_path(sequence);
        let file = disk.open(&path, OpenMode::Read).map_err(|error| disk_error("reading a snapshot", &error))?;
        let mut reader = Self {
            file,
            path,
            store,
            position: Position { segment: 0, offset: 0, ordinal: 0, sequence },
            offset: 0,
            pairs: 0,
            done: false,
        };
        let header = reader.take(HEADER_BYTES)?;
        let (covered, checksum) = header.split_at(HEADER_BYTES - 8);
        if checksum != store.checksum(&[covered]).to_le_bytes() {
            return Err(reader.corrupt("its header has a wrong checksum, or it is of another store"));
        }
        if covered[..8] != MAGIC || covered[8..10] != FORMAT_VERSION.to_le_bytes() {
            return Err(reader.corrupt("its format is not known: start the server version that wrote it"));
        }
        match Position::decode(&covered[10..]) {
            Some((_, position)) if position.sequence == sequence => reader.position = position,
            _ => return Err(reader.corrupt("it is of another transaction than its name says")),
        }
        Ok(reader)
    }

    /// Where the log goes on after it.
    pub(crate) fn position(&self) -> Position {
        self.position
    }

    fn corrupt(&self, reason: &str) -> StoreError {
        StoreError::Corrupt { place: format!("{} at {}", self.path, self.offset), reason: reason.to_owned() }
    }

    fn take(&mut self, len: usize) -> Result<Bytes, StoreError> {
        let mut bytes = vec![0; len];
        match self.file.read_exact_at(&mut bytes, self.offset) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(self.corrupt("the snapshot ends too early"));
            }
            Err(error) => return Err(disk_error("reading a snapshot", &error)),
        }
        self.offset += len as u64;
        Ok(bytes.into())
    }

    /// The next pairs; `None` after the last, when their number was right.
    pub(crate) fn next_block(&mut self) -> Result<Option<Vec<(Bytes, Bytes)>>, StoreError> {
        if self.done {
            return Ok(None);
        }
        let offset = self.offset;
        let mut header = self.take(BLOCK_HEADER_BYTES)?;
        let covered = header.slice(..8);
        let (len, pairs, checksum) = (header.get_u32_le() as usize, header.get_u32_le(), header.get_u64_le());
        if len > BLOCK_BYTES_MAX {
            return Err(self.corrupt("a block is too long"));
        }
        let mut body = self.take(len)?;
        if checksum != self.store.checksum(&[&offset.to_le_bytes(), &covered, &body]) {
            return Err(self.corrupt("a block has a wrong checksum"));
        }
        if pairs == 0 {
            self.done = true;
            let total = (body.len() == 8).then(|| body.get_u64_le());
            return if total == Some(self.pairs) { Ok(None) } else { Err(self.corrupt("blocks are missing")) };
        }
        self.pairs += u64::from(pairs);
        let mut read = Vec::new();
        for _ in 0..pairs {
            if body.len() < 8 {
                return Err(self.corrupt("a block does not hold the pairs it should"));
            }
            let (key, value) = (body.get_u32_le() as usize, body.get_u32_le() as usize);
            if body.len() < key + value {
                return Err(self.corrupt("a block does not hold the pairs it should"));
            }
            read.push((body.split_to(key), body.split_to(value)));
        }
        Ok(Some(read))
    }
}
