//! Writes a container group by group, with a bounded buffer. Its name appears when it is whole and durable, as that of other files.

use std::sync::Arc;

use bytes::Bytes;
use tarn_disk::{DiskFile, OpenMode};
use tokio::task::JoinHandle;

use crate::archive::code::Code;
use crate::archive::descriptor::{Copy, Descriptor};
use crate::archive::layout::{GROUP_PAYLOAD_BYTES, Group, container_bytes, group, group_count};
use crate::archive::{container_dir, container_path, unfinished_container_path};
use crate::frame::{FramePlace, HEADER_BYTES, Header};
use crate::handles::{blocking, io_error, joined};
use crate::shared::Shared;
use crate::{BlobError, BlobOwner, BlobPlace, BlobRef};

/// Every so many groups (64 MiB of payload) a sync begins beside the writes.
const SYNC_GROUPS: u64 = 51;
// One group is being filled; one is being encoded and written, beside its parity.
const _: () = assert!(4 * GROUP_PAYLOAD_BYTES <= 2 * crate::STREAM_BUFFER_BYTES_MAX);

/// One container being written.
pub(crate) struct ArchiveWriter {
    shared: Arc<Shared>,
    id: [u8; 16],
    owner: BlobOwner,
    file: Arc<dyn DiskFile>,
    /// Payload of the group that comes next.
    filling: Vec<u8>,
    next_group: u64,
    writing: Option<JoinHandle<Result<Vec<u8>, BlobError>>>,
    syncing: Option<JoinHandle<Result<(), BlobError>>>,
    len: u64,
    finished: bool,
}

/// The bytes of block `index` of `group`.
pub(crate) fn frame(
    store: [u8; 16],
    owner: BlobOwner,
    id: [u8; 16],
    group: &Group,
    index: usize,
    block: &[u8],
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + block.len());
    bytes.extend_from_slice(&header(store, owner, id, group, index).encode(block));
    bytes.extend_from_slice(block);
    bytes
}

/// The header that block `index` of `group` must have.
pub(crate) fn header(store: [u8; 16], owner: BlobOwner, id: [u8; 16], group: &Group, index: usize) -> Header {
    let at = FramePlace::Archive { id, block: group.first_block + index as u64 };
    Header { store, owner, at, len: group.block_bytes as u32 }
}

impl ArchiveWriter {
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
            job.check_room(len_hint.map_or(0, container_bytes), false)?;
            job.make_dir("arc", &container_dir(&id))?;
            let path = unfinished_container_path(&id);
            job.disk.open(&path, OpenMode::CreateNew).map_err(|error| io_error("making", &path, &error))
        });
        match opened.await {
            Ok(file) => Ok(Self {
                shared: shared.clone(),
                id,
                owner,
                file,
                filling: Vec::new(),
                next_group: 0,
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
            let taken = bytes.split_to(bytes.len().min(GROUP_PAYLOAD_BYTES - self.filling.len()));
            self.filling.extend_from_slice(&taken);
            self.len += taken.len() as u64;
            if self.filling.len() == GROUP_PAYLOAD_BYTES {
                self.flush().await?;
            }
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
        let spare = self.written().await?.unwrap_or_default();
        let payload = std::mem::replace(&mut self.filling, spare);
        let number = self.next_group;
        self.next_group += 1;
        if number > 0 && number.is_multiple_of(SYNC_GROUPS) {
            self.synced().await?;
            let (file, id) = (self.file.clone(), self.id);
            self.syncing = Some(tokio::task::spawn_blocking(move || sync(&*file, &id)));
        }
        let group = group(self.len, number);
        let (shared, file, owner, id) = (self.shared.clone(), self.file.clone(), self.owner, self.id);
        self.writing = Some(tokio::task::spawn_blocking(move || {
            shared.check_room(group.bytes() as u64, false)?;
            write_group(&shared, &*file, owner, id, &group, payload)
        }));
        Ok(())
    }

    /// Makes all of it durable.
    pub(crate) async fn finish(mut self) -> Result<BlobRef, BlobError> {
        if !self.filling.is_empty() {
            self.flush().await?;
        }
        self.written().await?;
        self.synced().await?;
        debug_assert_eq!(self.next_group, group_count(self.len));
        let (shared, file, owner, id, len) = (self.shared.clone(), self.file.clone(), self.owner, self.id, self.len);
        blocking(move || {
            let (unfinished, path) = (unfinished_container_path(&id), container_path(&id));
            for copy in Copy::ALL {
                file.write_all_at(&Descriptor { owner, len }.encode(shared.store, id, copy), copy.offset(len))
                    .map_err(|error| io_error("writing", &unfinished, &error))?;
            }
            sync(&*file, &id)?;
            shared.disk.rename(&unfinished, &path).map_err(|error| io_error("renaming", &unfinished, &error))?;
            shared.sync_dir(&container_dir(&id))?;
            // Another sync of a directory may have failed meanwhile; then this one's success says nothing.
            shared.check_accepting()
        })
        .await?;
        self.finished = true;
        let mut files = self.shared.files.lock();
        files.archives += 1;
        files.payload_bytes += len;
        files.stored_bytes += container_bytes(len);
        drop(files);
        Ok(BlobRef { owner: self.owner, len, place: BlobPlace::Archive { id: self.id } })
    }
}

impl Drop for ArchiveWriter {
    fn drop(&mut self) {
        if self.finished {
            self.shared.files.lock().writing.remove(&self.id);
            return;
        }
        let paths = [unfinished_container_path(&self.id), container_path(&self.id)];
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
    file.sync_data().map_err(|error| io_error("syncing", &unfinished_container_path(id), &error))
}

/// Writes a group with its parity; gives the buffer back, empty.
fn write_group(
    shared: &Shared,
    file: &dyn DiskFile,
    owner: BlobOwner,
    id: [u8; 16],
    group: &Group,
    mut payload: Vec<u8>,
) -> Result<Vec<u8>, BlobError> {
    payload.resize(group.data * group.block_bytes, 0);
    let mut parity = vec![0; group.parity * group.block_bytes];
    let blocks: Vec<&[u8]> = payload.chunks(group.block_bytes).collect();
    let mut into: Vec<&mut [u8]> = parity.chunks_mut(group.block_bytes).collect();
    Code::new(group.data, group.parity)?.encode(&blocks, &mut into)?;
    let path = unfinished_container_path(&id);
    for (index, block) in blocks.into_iter().chain(parity.chunks(group.block_bytes)).enumerate() {
        file.write_all_at(&frame(shared.store, owner, id, group, index, block), group.frame_offset(index))
            .map_err(|error| io_error("writing", &path, &error))?;
    }
    payload.clear();
    Ok(payload)
}
