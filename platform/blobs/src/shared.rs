//! What all parts of the local engine hold together: the disk, the packs' accounts, the files being written. Knows no format.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use tarn_disk::{Disk, OpenMode};
use tarn_runtime::{EntropyExt, Runtime};

use crate::archive::Archives;
use crate::frame::{PACK_ALIGN_BYTES, crc64, dead_path, packed_frame_bytes};
use crate::handles::{Handles, io_error};
use crate::{BlobError, LocalOptions};

/// Bytes of one entry in a pack's record of removed blobs: offset, payload length, checksum.
const DEAD_ENTRY_BYTES: usize = 24;

/// The engine's common state.
pub(crate) struct Shared {
    pub disk: Arc<dyn Disk>,
    pub runtime: Runtime,
    pub options: LocalOptions,
    pub store: [u8; 16],
    pub handles: Handles,
    pub packs: Mutex<HashMap<u64, Arc<Pack>>>,
    pub files: Mutex<Files>,
    pub archives: Archives,
    /// A directory could not be synced: which names are durable is unknown, so nothing more is acknowledged until the next start.
    pub quarantined: AtomicBool,
}

/// Accounts of the blobs in files of their own, archive containers included.
#[derive(Default)]
pub(crate) struct Files {
    /// Being written now.
    pub writing: HashSet<[u8; 16]>,
    /// While a sweep runs: all that were being written when it began or were begun since. The sweep leaves them alone.
    pub since_sweep: Option<HashSet<[u8; 16]>>,
    /// Directories made by this process.
    pub dirs: HashSet<String>,
    pub count: u64,
    pub archives: u64,
    pub payload_bytes: u64,
    pub stored_bytes: u64,
}

impl Files {
    /// Notes that file `id` is being written.
    pub(crate) fn begin(&mut self, id: [u8; 16]) {
        self.writing.insert(id);
        if let Some(since) = &mut self.since_sweep {
            since.insert(id);
        }
    }
}

/// One pack's account. The pack itself is only ever appended to, and only by the process that made it.
pub(crate) struct Pack {
    pub id: u64,
    /// Bytes up to which frames are durable; for packs of earlier processes, the file's length.
    pub len: AtomicU64,
    /// Payload bytes of its frames; estimated by the file's length until a sweep has counted.
    pub payload_bytes: AtomicU64,
    /// Whether this process still appends to it.
    pub open: AtomicBool,
    /// Whether something in it cannot be moved, so that it must stay.
    pub damaged: AtomicBool,
    /// Whether all that lived in it was moved by the compaction before this one.
    pub condemned: AtomicBool,
    pub dead: Mutex<Dead>,
}

/// Which of a pack's blobs were removed. At most one entry per frame of a pack that is less than half dead.
#[derive(Default)]
pub(crate) struct Dead {
    slots: HashSet<u32>,
    pub frame_bytes: u64,
    pub payload_bytes: u64,
    log_bytes: u64,
}

fn slot(offset: u64) -> Option<u32> {
    u32::try_from(offset / PACK_ALIGN_BYTES).ok()
}

impl Dead {
    fn add(&mut self, offset: u64, len: u64) -> bool {
        let new = slot(offset).is_some_and(|slot| self.slots.insert(slot));
        if new {
            self.frame_bytes += packed_frame_bytes(len);
            self.payload_bytes += len;
        }
        new
    }

    /// Whether the blob at `offset` was removed.
    pub(crate) fn contains(&self, offset: u64) -> bool {
        slot(offset).is_some_and(|slot| self.slots.contains(&slot))
    }
}

impl Pack {
    pub(crate) fn new(id: u64, len: u64, open: bool) -> Self {
        Self {
            id,
            len: AtomicU64::new(len),
            payload_bytes: AtomicU64::new(len),
            open: AtomicBool::new(open),
            damaged: AtomicBool::new(false),
            condemned: AtomicBool::new(false),
            dead: Mutex::default(),
        }
    }

    /// Marks blobs (offset, payload length) as removed; says which were not yet. The record on disk is a hint that saves work after a
    /// restart: it is not synced, and losing it is no loss, because a sweep asks the owner again.
    pub(crate) fn mark_dead(&self, shared: &Shared, blobs: impl IntoIterator<Item = (u64, u64)>) -> Vec<(u64, u64)> {
        let len = self.len.load(Ordering::Acquire);
        let mut dead = self.dead.lock();
        let mut new = Vec::new();
        let mut log = Vec::new();
        for (offset, payload_len) in blobs {
            let ends = offset.saturating_add(packed_frame_bytes(payload_len));
            if offset % PACK_ALIGN_BYTES == 0 && ends <= len && dead.add(offset, payload_len) {
                log.extend_from_slice(&dead_entry(&shared.store, self.id, offset, payload_len));
                new.push((offset, payload_len));
            }
        }
        if !log.is_empty() {
            let path = dead_path(self.id);
            let written = shared
                .disk
                .open(&path, OpenMode::CreateOrOpen)
                .and_then(|file| file.write_all_at(&log, dead.log_bytes));
            match written {
                Ok(()) => dead.log_bytes += log.len() as u64,
                Err(error) => tracing::debug!(%path, %error, "a removal was not recorded; the next sweep finds it"),
            }
        }
        new
    }

    /// Reads back the record of removed blobs.
    pub(crate) fn load_dead(&self, shared: &Shared) {
        let path = dead_path(self.id);
        let read = || {
            let file = shared.disk.open(&path, OpenMode::Read)?;
            let mut bytes = vec![0; usize::try_from(file.len()?).unwrap_or(usize::MAX)];
            file.read_exact_at(&mut bytes, 0)?;
            Ok::<_, std::io::Error>(bytes)
        };
        let bytes = match read() {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(error) => {
                tracing::warn!(%path, %error, "the record of removed blobs is unreadable; the next sweep counts anew");
                Vec::new()
            }
        };
        let len = self.len.load(Ordering::Acquire);
        let mut dead = self.dead.lock();
        let (entries, rest) = bytes.as_chunks::<DEAD_ENTRY_BYTES>();
        for entry in entries {
            let number = |at: usize| {
                entry.get(at..).and_then(|rest| rest.first_chunk::<8>()).map_or(0, |bytes| u64::from_le_bytes(*bytes))
            };
            let (offset, payload_len) = (number(0), number(8));
            let ends = offset.saturating_add(packed_frame_bytes(payload_len));
            if *entry == dead_entry(&shared.store, self.id, offset, payload_len) && ends <= len {
                dead.add(offset, payload_len);
            }
        }
        dead.log_bytes = ((entries.len() + usize::from(!rest.is_empty())) * DEAD_ENTRY_BYTES) as u64;
    }

    /// Bytes that are not known to be removed.
    pub(crate) fn live_frame_bytes(&self) -> u64 {
        self.len.load(Ordering::Acquire).saturating_sub(self.dead.lock().frame_bytes)
    }
}

fn dead_entry(store: &[u8; 16], pack: u64, offset: u64, len: u64) -> [u8; DEAD_ENTRY_BYTES] {
    let mut entry = [0; DEAD_ENTRY_BYTES];
    entry[..8].copy_from_slice(&offset.to_le_bytes());
    entry[8..16].copy_from_slice(&len.to_le_bytes());
    let mut checked = [0; 40];
    checked[..16].copy_from_slice(store);
    checked[16..24].copy_from_slice(&pack.to_le_bytes());
    checked[24..].copy_from_slice(&entry[..16]);
    entry[16..].copy_from_slice(&crc64(&checked).to_le_bytes());
    entry
}

impl Shared {
    /// A new random id. Ids are never used twice, so that a removal that is repeated late cannot hit another blob.
    pub(crate) fn new_id<const N: usize>(&self) -> [u8; N] {
        self.runtime.entropy.bytes()
    }

    /// Refuses new bytes after a directory could not be synced.
    pub(crate) fn check_accepting(&self) -> Result<(), BlobError> {
        if !self.quarantined.load(Ordering::Acquire) {
            return Ok(());
        }
        Err(BlobError::Io {
            doing: "accepting new blobs".to_owned(),
            reason:
                "an earlier sync of a directory failed, so what is durable is unknown; check the drive and start again"
                    .to_owned(),
        })
    }

    /// Refuses new bytes when less than the reserve would be left, so that deletes and the metadata log find room.
    pub(crate) fn check_room(&self, bytes: u64, from_reserve: bool) -> Result<(), BlobError> {
        self.check_accepting()?;
        let free = self
            .disk
            .free_bytes()
            .map_err(|error| io_error("asking for free space of", "the data directory", &error))?;
        let reserve = if from_reserve { 0 } else { self.options.reserve_bytes };
        if free < bytes.saturating_add(reserve) { Err(BlobError::NoSpace) } else { Ok(()) }
    }

    /// Makes the names in `dir` durable; if that fails, nothing more is accepted.
    pub(crate) fn sync_dir(&self, dir: &str) -> Result<(), BlobError> {
        self.disk.sync_dir(dir).map_err(|error| {
            self.quarantined.store(true, Ordering::Release);
            tracing::error!(%dir, %error, "a directory could not be synced; no new blobs are accepted until the next start");
            io_error("syncing", dir, &error)
        })
    }

    /// Makes `dir` in `above` durable, once per process: one that is there may have been made by a process that died before its sync.
    pub(crate) fn make_dir(&self, above: &str, dir: &str) -> Result<(), BlobError> {
        if self.files.lock().dirs.contains(dir) {
            return Ok(());
        }
        self.disk.create_dir_all(dir).map_err(|error| {
            self.quarantined.store(true, Ordering::Release);
            io_error("making", dir, &error)
        })?;
        self.sync_dir(above)?;
        self.files.lock().dirs.insert(dir.to_owned());
        Ok(())
    }

    /// Removes what was written of file `id`, under whichever name, after `settled`. Not acknowledged, so either name may be there; what
    /// is left behind is removed at the next start or by a sweep.
    pub(crate) fn abandon(
        self: &Arc<Self>,
        id: [u8; 16],
        paths: [String; 2],
        settled: impl Future<Output = ()> + Send + 'static,
    ) {
        let shared = self.clone();
        let remove = move || {
            for path in paths {
                if let Err(error) = shared.disk.remove(&path)
                    && error.kind() != std::io::ErrorKind::NotFound
                {
                    tracing::debug!(%path, %error, "an unfinished file was left behind");
                }
            }
            shared.files.lock().writing.remove(&id);
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn(async move {
                    settled.await;
                    // What it comes to no longer matters.
                    let _ = tokio::task::spawn_blocking(remove).await;
                });
            }
            Err(_) => remove(),
        }
    }

    /// The account of a pack.
    pub(crate) fn pack(&self, id: u64) -> Option<Arc<Pack>> {
        self.packs.lock().get(&id).cloned()
    }

    /// Removes a pack's files. A pack that comes back after a crash is full of blobs nobody names, and is removed again.
    pub(crate) fn remove_pack(&self, id: u64) -> Result<(), BlobError> {
        let (path, dead) = (crate::frame::pack_path(id), dead_path(id));
        self.packs.lock().remove(&id);
        let removed = [self.disk.remove(&path), self.disk.remove(&dead)];
        self.handles.forget(&path);
        for (path, removed) in [path, dead].iter().zip(removed) {
            match removed {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(io_error("removing", path, &error)),
            }
        }
        Ok(())
    }
}
