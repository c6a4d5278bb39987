//! The engine on a local disk: opens it, and hands each call to packs or files. Knows no remote stores and no erasure coding.
//!
//!     blobs.id              the engine's id, in every frame
//!     pack/<id>.pack        small blobs, one frame each; appended to by one process only, never changed
//!     pack/<id>.dead        which of them were removed: a hint, so that a restart knows what is worth compacting
//!     obj/<xx>/<id>         large blobs, 64 KiB frames
//!     obj/<xx>/<id>.new     large blobs being written
//!     arc/                  archive containers, see `archive.rs`

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use parking_lot::Mutex;
use tarn_disk::Disk;
use tarn_runtime::Runtime;

use crate::archive::{ArchiveWriter, Archives, container_bytes, container_path};
use crate::compact::compact;
use crate::file::FileWriter;
use crate::frame::{file_bytes, file_path, pack_path};
use crate::handles::{Handles, blocking, io_error};
use crate::lane::Lane;
use crate::read::{Payloads, read};
use crate::shared::{Files, Pack, Shared};
use crate::sweep::{remove_file, sweep};
use crate::{
    ArchiveCounts, BlobError, BlobForm, BlobOwner, BlobPlace, BlobRef, BlobStore, BlobUsage, BlobWriter, CompactReport,
    PACKED_SIZE_BYTES_MAX, Relocate, SweepReport, VolumeId, identity,
};

/// How the local engine works.
#[derive(Debug, Clone)]
pub struct LocalOptions {
    /// A pack that has reached this size is closed and another begun.
    pub pack_size_bytes_max: u64,
    /// Packs written at the same time, each by a thread of its own.
    pub lanes: usize,
    /// Files kept open for readers.
    pub open_files_max: usize,
    /// Blobs of a mostly dead pack that are moved at the same time, so that they share syncs.
    pub moves_at_once: usize,
    /// Free space below which new blobs are refused, so that deletes and the metadata log find room.
    pub reserve_bytes: u64,
}

impl Default for LocalOptions {
    fn default() -> Self {
        Self {
            pack_size_bytes_max: 256 << 20,
            lanes: 1,
            open_files_max: 256,
            moves_at_once: 64,
            reserve_bytes: 64 << 20,
        }
    }
}

/// Keeps blobs on one local disk. Cheap to clone.
#[derive(Clone)]
pub struct LocalBlobs(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    lanes: Vec<Lane>,
    next_lane: AtomicUsize,
    /// One sweep or compaction at a time.
    maintenance: tokio::sync::Mutex<()>,
}

impl LocalBlobs {
    /// Opens the engine at the root of `disk`, or makes it if nothing is there. Blocks; reads no blob. What a crash cut off is
    /// dropped by the next `sweep`; counts of `usage` are exact after a `sweep`.
    pub fn open(disk: Arc<dyn Disk>, options: LocalOptions, runtime: Runtime) -> Result<Self, BlobError> {
        for dir in ["pack", "obj", "arc"] {
            disk.create_dir_all(dir).map_err(|error| io_error("making", dir, &error))?;
        }
        let list = |dir: &str| disk.list(dir).map_err(|error| io_error("listing", dir, &error));
        let names = list("pack")?;
        let is_new = names.is_empty() && list("obj")?.is_empty() && list("arc")?.is_empty();
        let store = identity::open_or_create(&*disk, &runtime, is_new)?;
        for dir in ["", "pack", "obj", "arc"] {
            disk.sync_dir(dir).map_err(|error| io_error("syncing", dir, &error))?;
        }
        let lanes = options.lanes.max(1);
        let shared = Arc::new(Shared {
            handles: Handles::new(disk.clone(), options.open_files_max),
            disk,
            runtime,
            options,
            store,
            packs: Mutex::default(),
            files: Mutex::new(Files::default()),
            archives: Archives::default(),
            quarantined: AtomicBool::new(false),
        });
        for name in &names {
            open_pack(&shared, name, &names)?;
        }
        Ok(Self(Arc::new(Inner {
            shared,
            lanes: (0..lanes).map(|_| Lane::default()).collect(),
            next_lane: AtomicUsize::new(0),
            maintenance: tokio::sync::Mutex::new(()),
        })))
    }
}

fn open_pack(shared: &Shared, name: &str, names: &[String]) -> Result<(), BlobError> {
    let path = format!("pack/{name}");
    let (number, kind) = name.split_once('.').unwrap_or((name, ""));
    let Ok(id) = u64::from_str_radix(number, 16) else { return Ok(()) };
    if kind == "dead" && names.binary_search(&format!("{number}.pack")).is_err() {
        return shared.disk.remove(&path).map_err(|error| io_error("removing", &path, &error));
    }
    if kind != "pack" || pack_path(id) != path {
        return Ok(());
    }
    let len = shared
        .disk
        .open(&path, tarn_disk::OpenMode::Read)
        .and_then(|file| file.len())
        .map_err(|error| io_error("opening", &path, &error))?;
    if len == 0 {
        return shared.remove_pack(id);
    }
    let pack = Pack::new(id, len, false);
    pack.load_dead(shared);
    shared.packs.lock().insert(id, Arc::new(pack));
    Ok(())
}

impl LocalBlobs {
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }

    /// The engine's id, by which it is found as a volume.
    pub fn id(&self) -> VolumeId {
        VolumeId(self.0.shared.store)
    }

    /// What reads and scrubs found in archive containers since the start.
    pub fn archive_counts(&self) -> ArchiveCounts {
        self.0.shared.archives.counts()
    }
}

impl BlobStore for LocalBlobs {
    fn create_as(
        &self,
        owner: BlobOwner,
        len_hint: Option<u64>,
        form: BlobForm,
    ) -> BoxFuture<'_, Result<Box<dyn BlobWriter>, BlobError>> {
        let state = match form {
            BlobForm::Hot => State::Small(BytesMut::new()),
            BlobForm::Archive => State::ArchiveToBe,
        };
        let writer: Box<dyn BlobWriter> = Box::new(LocalWriter { inner: self.0.clone(), owner, len_hint, state });
        futures::future::ready(Ok(writer)).boxed()
    }

    fn read(&self, blob: &BlobRef, range: Range<u64>) -> BoxStream<'static, Result<Bytes, BlobError>> {
        read(&self.0.shared, blob, range, Payloads::Checked)
    }

    fn read_unchecked(&self, blob: &BlobRef, range: Range<u64>) -> BoxStream<'static, Result<Bytes, BlobError>> {
        read(&self.0.shared, blob, range, Payloads::Unchecked)
    }

    fn delete(&self, blob: &BlobRef) -> BoxFuture<'_, Result<(), BlobError>> {
        let (shared, blob) = (self.0.shared.clone(), blob.clone());
        blocking(move || {
            match blob.place {
                BlobPlace::Empty => {}
                BlobPlace::Volume { volume, .. } => return Err(BlobError::NoVolume { volume }),
                BlobPlace::Pack { pack, offset } => {
                    if let Some(pack) = shared.pack(pack) {
                        pack.mark_dead(&shared, [(offset, blob.len)]);
                    }
                }
                BlobPlace::File { id } => {
                    if remove_file(&shared, &file_path(&id))? {
                        let mut files = shared.files.lock();
                        files.count = files.count.saturating_sub(1);
                        files.payload_bytes = files.payload_bytes.saturating_sub(blob.len);
                        files.stored_bytes = files.stored_bytes.saturating_sub(file_bytes(blob.len));
                    }
                }
                BlobPlace::Archive { id } => {
                    if remove_file(&shared, &container_path(&id))? {
                        let mut files = shared.files.lock();
                        files.archives = files.archives.saturating_sub(1);
                        files.payload_bytes = files.payload_bytes.saturating_sub(blob.len);
                        files.stored_bytes = files.stored_bytes.saturating_sub(container_bytes(blob.len));
                    }
                }
            }
            Ok(())
        })
        .boxed()
    }

    fn sweep<'a>(
        &'a self,
        is_live: &'a (dyn Fn(&BlobRef) -> bool + Send + Sync),
    ) -> BoxFuture<'a, Result<SweepReport, BlobError>> {
        async move {
            let _alone = self.0.maintenance.lock().await;
            sweep(&self.0.shared, is_live).await
        }
        .boxed()
    }

    fn compact<'a>(&'a self, relocate: &'a dyn Relocate) -> BoxFuture<'a, Result<CompactReport, BlobError>> {
        async move {
            let _alone = self.0.maintenance.lock().await;
            compact(&self.0.shared, &self.0.lanes, relocate).await
        }
        .boxed()
    }

    fn usage(&self) -> BlobUsage {
        let mut usage = BlobUsage::default();
        for pack in self.0.shared.packs.lock().values() {
            let stored = pack.len.load(Ordering::Acquire);
            if stored > 0 {
                usage.packs += 1;
                usage.stored_bytes += stored;
                usage.live_bytes +=
                    pack.payload_bytes.load(Ordering::Acquire).saturating_sub(pack.dead.lock().payload_bytes);
            }
        }
        let files = self.0.shared.files.lock();
        usage.files = files.count;
        usage.archives = files.archives;
        usage.stored_bytes += files.stored_bytes;
        usage.live_bytes += files.payload_bytes;
        usage
    }
}

enum State {
    /// Still small enough for a pack.
    Small(BytesMut),
    Large(Box<FileWriter>),
    /// An archive container of which nothing has come yet.
    ArchiveToBe,
    Archive(Box<ArchiveWriter>),
    /// A write failed; nothing can be finished.
    Failed(BlobError),
}

struct LocalWriter {
    inner: Arc<Inner>,
    owner: BlobOwner,
    len_hint: Option<u64>,
    state: State,
}

impl LocalWriter {
    async fn take(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        if let State::Small(kept) = &mut self.state {
            let len = kept.len() as u64 + bytes.len() as u64;
            if len <= PACKED_SIZE_BYTES_MAX {
                if kept.is_empty()
                    && let Some(hint) = self.len_hint
                {
                    kept.reserve(hint.min(PACKED_SIZE_BYTES_MAX) as usize);
                }
                kept.extend_from_slice(&bytes);
                return Ok(());
            }
            let kept = std::mem::take(kept).freeze();
            let mut file = Box::new(FileWriter::begin(&self.inner.shared, self.owner, self.len_hint).await?);
            file.write(kept).await?;
            self.state = State::Large(file);
        }
        if matches!(self.state, State::ArchiveToBe) && !bytes.is_empty() {
            let container = ArchiveWriter::begin(&self.inner.shared, self.owner, self.len_hint).await?;
            self.state = State::Archive(Box::new(container));
        }
        match &mut self.state {
            State::Large(file) => file.write(bytes).await,
            State::Archive(container) => container.write(bytes).await,
            State::Failed(error) => Err(error.clone()),
            State::Small(_) | State::ArchiveToBe => Ok(()),
        }
    }
}

impl BlobWriter for LocalWriter {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<(), BlobError>> {
        async move {
            let result = self.take(bytes).await;
            if let Err(error) = &result {
                self.state = State::Failed(error.clone());
            }
            result
        }
        .boxed()
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<BlobRef, BlobError>> {
        async move {
            match self.state {
                State::Failed(error) => Err(error),
                State::Large(file) => file.finish().await,
                State::Archive(container) => container.finish().await,
                State::ArchiveToBe => Ok(BlobRef { owner: self.owner, len: 0, place: BlobPlace::Empty }),
                State::Small(bytes) if bytes.is_empty() => {
                    Ok(BlobRef { owner: self.owner, len: 0, place: BlobPlace::Empty })
                }
                State::Small(bytes) => {
                    let turn = self.inner.next_lane.fetch_add(1, Ordering::Relaxed) % self.inner.lanes.len().max(1);
                    match self.inner.lanes.get(turn) {
                        Some(lane) => lane.append(&self.inner.shared, self.owner, bytes.freeze(), false).await,
                        None => Err(BlobError::Io {
                            doing: "appending to a pack".to_owned(),
                            reason: "the engine has no pack writer".to_owned(),
                        }),
                    }
                }
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod tests;
