//! A file for the index in which every block carries a checksum and its own number, so that rot and misplaced writes are found
//! on read: redb itself verifies its pages only when it repairs. Knows nothing of what the blocks hold.
//!
//! Form: two slots for block 0, then block 1, 2, ... each of `BLOCK_BYTES` and a CRC-64/NVME over its number and bytes. Block 0 is
//! redb's header, the only block that is overwritten while it is in use: a write goes to the slot that does not hold the last
//! synced header, so that a torn write leaves the old one. A block of zeros with a checksum of zero was never written.

use std::io;
use std::sync::Arc;

use crc_fast::{CrcAlgorithm, Digest};
use parking_lot::Mutex;
use redb::StorageBackend;
use tarn_disk::{Disk, DiskFile, OpenMode};

const BLOCK_BYTES: usize = 4096;
const CHECKSUM_BYTES: usize = 8;
const STRIDE_BYTES: u64 = (BLOCK_BYTES + CHECKSUM_BYTES) as u64;
/// Magic, generation, block, checksum.
const SLOT_MAGIC: u64 = u64::from_be_bytes(*b"TARNIDX1");
const SLOT_BYTES: usize = 8 + 8 + BLOCK_BYTES + 8;
const SLOT_STRIDE_BYTES: u64 = 8192;
const BLOCKS_START_BYTES: u64 = 2 * SLOT_STRIDE_BYTES;

#[derive(Debug, Default)]
struct Header {
    block: Option<Box<[u8; BLOCK_BYTES]>>,
    generation: u64,
    /// The slot that holds the last synced header.
    durable_slot: u64,
    unsynced: bool,
}

/// See the module's description.
#[derive(Debug)]
pub(crate) struct BlockFile {
    file: Arc<dyn DiskFile>,
    path: String,
    header: Mutex<Header>,
    damage: Arc<Mutex<Option<String>>>,
}

fn checksum(number: u64, bytes: &[u8]) -> u64 {
    let mut digest = Digest::new(CrcAlgorithm::Crc64Nvme);
    digest.update(&number.to_le_bytes());
    digest.update(bytes);
    // A checksum of zero is what a hole has.
    digest.finalize().max(1)
}

fn eight(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}

impl BlockFile {
    /// Opens or makes the file. The first damage that is read is kept in `damage`.
    pub(crate) fn open(
        disk: &dyn Disk,
        path: &str,
        mode: OpenMode,
        damage: Arc<Mutex<Option<String>>>,
    ) -> io::Result<Self> {
        let file = disk.open(path, mode)?;
        if !file.is_empty()? && mode != OpenMode::Read {
            // After a killed process the newest header may be in the page cache only.
            file.sync_data()?;
        }
        let mut header = Header::default();
        let mut slots_written = false;
        for slot in 0..2 {
            let mut bytes = vec![0; SLOT_BYTES];
            if file.len()? < slot * SLOT_STRIDE_BYTES + SLOT_BYTES as u64 {
                continue;
            }
            file.read_exact_at(&mut bytes, slot * SLOT_STRIDE_BYTES)?;
            slots_written |= bytes.iter().any(|byte| *byte != 0);
            let (generation, block) = (eight(&bytes, 8), &bytes[16..16 + BLOCK_BYTES]);
            let sound =
                eight(&bytes, 0) == SLOT_MAGIC && eight(&bytes, 16 + BLOCK_BYTES) == checksum(generation, block);
            if sound && generation > header.generation {
                let mut kept = Box::new([0; BLOCK_BYTES]);
                kept.copy_from_slice(block);
                header = Header { block: Some(kept), generation, durable_slot: slot, unsynced: false };
            }
        }
        if header.block.is_none() && slots_written {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{path}: neither copy of the header is sound"),
            ));
        }
        Ok(Self { file, path: path.to_owned(), header: Mutex::new(header), damage })
    }

    fn damaged(&self, number: u64) -> io::Error {
        let reason = format!("{}: block {number} is not what was written", self.path);
        self.damage.lock().get_or_insert(reason.clone());
        io::Error::new(io::ErrorKind::InvalidData, reason)
    }

    /// Reads whole blocks, from 1 up, into `into`.
    fn read_blocks(&self, first: u64, into: &mut [u8]) -> io::Result<()> {
        let count = into.len() / BLOCK_BYTES;
        let mut physical = vec![0; count * STRIDE_BYTES as usize];
        self.file.read_exact_at(&mut physical, BLOCKS_START_BYTES + (first - 1) * STRIDE_BYTES)?;
        for (index, (block, stored)) in
            into.chunks_mut(BLOCK_BYTES).zip(physical.chunks(STRIDE_BYTES as usize)).enumerate()
        {
            let number = first + index as u64;
            let (bytes, found) = (&stored[..BLOCK_BYTES], eight(stored, BLOCK_BYTES));
            let hole = found == 0 && bytes.iter().all(|byte| *byte == 0);
            if !hole && found != checksum(number, bytes) {
                return Err(self.damaged(number));
            }
            block.copy_from_slice(bytes);
        }
        Ok(())
    }

    fn write_blocks(&self, first: u64, bytes: &[u8]) -> io::Result<()> {
        let mut physical = Vec::with_capacity(bytes.len() / BLOCK_BYTES * STRIDE_BYTES as usize);
        for (index, block) in bytes.chunks(BLOCK_BYTES).enumerate() {
            physical.extend_from_slice(block);
            physical.extend_from_slice(&checksum(first + index as u64, block).to_le_bytes());
        }
        self.file.write_all_at(&physical, BLOCKS_START_BYTES + (first - 1) * STRIDE_BYTES)
    }

    fn write_header(&self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let mut header = self.header.lock();
        let mut block = header.block.take().unwrap_or_else(|| Box::new([0; BLOCK_BYTES]));
        block[offset..offset + bytes.len()].copy_from_slice(bytes);
        let generation = header.generation + 1;
        let slot = if header.generation == 0 { 0 } else { 1 - header.durable_slot };
        let mut stored = Vec::with_capacity(SLOT_BYTES);
        stored.extend_from_slice(&SLOT_MAGIC.to_le_bytes());
        stored.extend_from_slice(&generation.to_le_bytes());
        stored.extend_from_slice(&*block);
        stored.extend_from_slice(&checksum(generation, &*block).to_le_bytes());
        header.block = Some(block);
        header.generation = generation;
        header.unsynced = true;
        self.file.write_all_at(&stored, slot * SLOT_STRIDE_BYTES)
    }

    /// Splits a byte range at the end of block 0 and gives what lies after it as blocks around it.
    fn blocks_around(offset: u64, len: usize) -> (u64, usize, usize) {
        let first = offset / BLOCK_BYTES as u64;
        let within = (offset % BLOCK_BYTES as u64) as usize;
        (first, within, (within + len).div_ceil(BLOCK_BYTES))
    }
}

impl StorageBackend for BlockFile {
    fn len(&self) -> io::Result<u64> {
        let physical = self.file.len()?;
        if self.header.lock().block.is_none() && physical == 0 {
            return Ok(0);
        }
        Ok(physical.saturating_sub(BLOCKS_START_BYTES) / STRIDE_BYTES * BLOCK_BYTES as u64 + BLOCK_BYTES as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let in_header = ((BLOCK_BYTES as u64).saturating_sub(offset)).min(out.len() as u64) as usize;
        let (head, rest) = out.split_at_mut(in_header);
        if !head.is_empty() {
            match &self.header.lock().block {
                Some(block) => head.copy_from_slice(&block[offset as usize..offset as usize + in_header]),
                None => head.fill(0),
            }
        }
        if rest.is_empty() {
            return Ok(());
        }
        let (first, within, count) = Self::blocks_around(offset + in_header as u64, rest.len());
        if within == 0 && rest.len().is_multiple_of(BLOCK_BYTES) {
            return self.read_blocks(first, rest);
        }
        let mut blocks = vec![0; count * BLOCK_BYTES];
        self.read_blocks(first, &mut blocks)?;
        rest.copy_from_slice(&blocks[within..within + rest.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let blocks = len.div_ceil(BLOCK_BYTES as u64).saturating_sub(1);
        self.file.set_len(BLOCKS_START_BYTES + blocks * STRIDE_BYTES)
    }

    fn sync_data(&self) -> io::Result<()> {
        // Held throughout: a header written meanwhile would not be covered.
        let mut header = self.header.lock();
        // A sync that failed for want of room lost data as any other failed sync does: it must not pass for a refused write.
        self.file.sync_data().map_err(|error| io::Error::other(format!("a sync failed: {error}")))?;
        if header.unsynced {
            header.durable_slot = if header.generation == 1 { 0 } else { 1 - header.durable_slot };
            header.unsynced = false;
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let in_header = ((BLOCK_BYTES as u64).saturating_sub(offset)).min(data.len() as u64) as usize;
        let (head, rest) = data.split_at(in_header);
        if !head.is_empty() {
            self.write_header(offset as usize, head)?;
        }
        if rest.is_empty() {
            return Ok(());
        }
        let (first, within, count) = Self::blocks_around(offset + in_header as u64, rest.len());
        if within == 0 && rest.len().is_multiple_of(BLOCK_BYTES) {
            return self.write_blocks(first, rest);
        }
        let mut blocks = vec![0; count * BLOCK_BYTES];
        self.read_blocks(first, &mut blocks)?;
        blocks[within..within + rest.len()].copy_from_slice(rest);
        self.write_blocks(first, &blocks)
    }
}
