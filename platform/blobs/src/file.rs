//! Writes a large blob to a file of its own, in framed blocks, with a bounded buffer. Knows nothing of packs.
//!
//! The file is made under another name, synced, and only then gets its own: what has that name was whole once, so damage in it is damage
//! and never a write that did not end.

use std::sync::Arc;

use bytes::Bytes;
use tarn_disk::{DiskFile, OpenMode};
use tokio::task::JoinHandle;

use crate::frame::{
    BLOCK_BYTES, BLOCK_FRAME_BYTES, FramePlace, HEADER_BYTES, Header, file_bytes, file_dir, file_path, unfinished_path,
};
use crate::handles::{blocking, io_error, joined};
use crate::shared::Shared;
use crate::{BlobError, BlobOwner, BlobPlace, BlobRef};

/// Blocks written at once. Two such buffers exist per stream: one being filled, one being checksummed and written.
const CHUNK_BLOCKS: usize = 16;
const CHUNK_BYTES: usize = CHUNK_BLOCKS * BLOCK_FRAME_BYTES;
const _: () = assert!(2 * CHUNK_BYTES + crate::PACKED_SIZE_BYTES_MAX as usize <= crate::STREAM_BUFFER_BYTES_MAX);
/// Every so many blocks (64 MiB) a growing file is checked against the free space, and a sync begins beside the writes: the drive is
/// kept busy, and what waits in the page cache stays below twice this.
const SYNC_BLOCKS: u64 = 1024;
const _: () = assert!(SYNC_BLOCKS.is_multiple_of(CHUNK_BLOCKS as u64));

/// One file being written.
pub(crate) struct FileWriter {
    shared: Arc<Shared>,
    id: [u8; 16],
    owner: BlobOwner,
    file: Arc<dyn DiskFile>,
    /// Frames: room for each header, then its payload.
    filling: Vec<u8>,
    /// Payload bytes that still fit in the block being filled.
    block_room: usize,
    first_block: u64,
    writing: Option<JoinHandle<Result<Vec<u8>, BlobError>>>,
    syncing: Option<JoinHandle<Result<(), BlobError>>>,
    len: u64,
    finished: bool,
}

impl FileWriter {
    /// Makes the file.
    pub(crate) async fn begin(
        shared: &Arc<Shared>,
        owner: BlobOwner,
        len_hint: Option<u64>,
    ) -> Result<Self, BlobError> {
        let id: [u8; 16] = shared.new_id();
        shared.files.lock().begin(id);
        let job = shared.clone();
        let opened = blocking(move || {
            job.check_room(len_hint.map_or(0, file_bytes), false)?;
            job.make_dir("obj", &file_dir(&id))?;
            let path = unfinished_path(&id);
            job.disk.open(&path, OpenMode::CreateNew).map_err(|error| io_error("making", &path, &error))
        });
        match opened.await {
            Ok(file) => Ok(Self {
                shared: shared.clone(),
                id,
                owner,
                file,
                filling: Vec::with_capacity(CHUNK_BYTES),
                block_room: 0,
                first_block: 0,
                writing: None,
                syncing: None,
                len: 0,
                finished: false,
            }),
            Err(error) => {
                shared.files.lock().writing.remove(&id);
                Err(error)
            }
        }
    }

    /// Takes the next bytes.
    pub(crate) async fn write(&mut self, mut bytes: Bytes) -> Result<(), BlobError> {
        while !bytes.is_empty() {
            if self.block_room == 0 {
                // A full chunk is written only when more follows, because the last block is marked as such.
                if self.filling.len() == CHUNK_BYTES {
                    self.flush().await?;
                }
                self.filling.resize(self.filling.len() + HEADER_BYTES, 0);
                self.block_room = BLOCK_BYTES;
            }
            let taken = bytes.split_to(bytes.len().min(self.block_room));
            self.filling.extend_from_slice(&taken);
            self.block_room -= taken.len();
            self.len += taken.len() as u64;
        }
        Ok(())
    }

    async fn written(&mut self) -> Result<Option<Vec<u8>>, BlobError> {
        match self.writing.take() {
            Some(job) => joined(job.await).map(Some),
            None => Ok(None),
        }
    }

    async fn synced(&mut self) -> Result<(), BlobError> {
        match self.syncing.take() {
            Some(job) => joined(job.await),
            None => Ok(()),
        }
    }

    async fn flush(&mut self) -> Result<(), BlobError> {
        let spare = self.written().await?;
        let full = std::mem::replace(&mut self.filling, spare.unwrap_or_else(|| Vec::with_capacity(CHUNK_BYTES)));
        let first = self.first_block;
        self.first_block += CHUNK_BLOCKS as u64;
        if first > 0 && first.is_multiple_of(SYNC_BLOCKS) {
            self.synced().await?;
            let (file, id) = (self.file.clone(), self.id);
            self.syncing = Some(tokio::task::spawn_blocking(move || sync(&*file, &id)));
        }
        let (shared, file, owner, id) = (self.shared.clone(), self.file.clone(), self.owner, self.id);
        self.writing = Some(tokio::task::spawn_blocking(move || {
            if first.is_multiple_of(SYNC_BLOCKS) {
                shared.check_room(SYNC_BLOCKS * BLOCK_FRAME_BYTES as u64, false)?;
            }
            write_chunk(&shared, &*file, owner, id, first, full, false)
        }));
        Ok(())
    }

    /// Makes all of it durable.
    pub(crate) async fn finish(mut self) -> Result<BlobRef, BlobError> {
        self.written().await?;
        self.synced().await?;
        let last = std::mem::take(&mut self.filling);
        let (shared, file, owner, id, first, len) =
            (self.shared.clone(), self.file.clone(), self.owner, self.id, self.first_block, self.len);
        blocking(move || {
            write_chunk(&shared, &*file, owner, id, first, last, true)?;
            let (unfinished, path) = (unfinished_path(&id), file_path(&id));
            sync(&*file, &id)?;
            shared.disk.rename(&unfinished, &path).map_err(|error| io_error("renaming", &unfinished, &error))?;
            shared.sync_dir(&file_dir(&id))?;
            // Another sync of a directory may have failed meanwhile; then this one's success says nothing.
            shared.check_accepting()
        })
        .await?;
        self.finished = true;
        let mut files = self.shared.files.lock();
        files.count += 1;
        files.payload_bytes += len;
        files.stored_bytes += file_bytes(len);
        drop(files);
        Ok(BlobRef { owner: self.owner, len, place: BlobPlace::File { id: self.id } })
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        if self.finished {
            self.shared.files.lock().writing.remove(&self.id);
            return;
        }
        let paths = [unfinished_path(&self.id), file_path(&self.id)];
        let writing = self.writing.take();
        self.shared.abandon(self.id, paths, async move {
            if let Some(writing) = writing {
                // Its result no longer matters.
                let _ = writing.await;
            }
        });
    }
}

fn sync(file: &dyn DiskFile, id: &[u8; 16]) -> Result<(), BlobError> {
    file.sync_data().map_err(|error| io_error("syncing", &unfinished_path(id), &error))
}

/// Fills in the headers of the frames in `chunk` and writes it; gives the buffer back, empty.
fn write_chunk(
    shared: &Shared,
    file: &dyn DiskFile,
    owner: BlobOwner,
    id: [u8; 16],
    first_block: u64,
    mut chunk: Vec<u8>,
    is_last: bool,
) -> Result<Vec<u8>, BlobError> {
    let blocks = chunk.len().div_ceil(BLOCK_FRAME_BYTES);
    for (n, frame) in chunk.chunks_mut(BLOCK_FRAME_BYTES).enumerate() {
        let Some((header, payload)) = frame.split_at_mut_checked(HEADER_BYTES) else { continue };
        let at = FramePlace::File { id, block: first_block + n as u64, last: is_last && n + 1 == blocks };
        header.copy_from_slice(&Header { store: shared.store, owner, at, len: payload.len() as u32 }.encode(payload));
    }
    let path = unfinished_path(&id);
    file.write_all_at(&chunk, first_block * BLOCK_FRAME_BYTES as u64)
        .map_err(|error| io_error("writing", &path, &error))?;
    chunk.clear();
    Ok(chunk)
}
