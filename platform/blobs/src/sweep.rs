//! Removes blobs that no committed record names, and counts what is there. Knows nothing of why they were left.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::archive::{self, container_path};
use crate::frame::{BLOCK_FRAME_BYTES, FramePlace, HEADER_BYTES, Header, UNFINISHED, file_path, file_payload_bytes};
use crate::handles::{blocking, io_error};
use crate::scan::PackScan;
use crate::shared::{Files, Pack, Shared};
use crate::{BlobError, BlobPlace, BlobRef, SweepReport};

/// Files looked at in one job.
const FILES_BATCH: usize = 256;
/// Blocks tried for a header that tells whose a file is.
const HEADER_TRIES: u64 = 8;

type IsLive<'a> = &'a (dyn Fn(&BlobRef) -> bool + Send + Sync);

/// Ends the protection of new files, also when the sweep is dropped.
struct Protection(Arc<Shared>);

impl Drop for Protection {
    fn drop(&mut self) {
        self.0.files.lock().since_sweep = None;
    }
}

/// Sweeps packs, then files. One at a time.
pub(crate) async fn sweep(shared: &Arc<Shared>, is_live: IsLive<'_>) -> Result<SweepReport, BlobError> {
    let protection = Protection(shared.clone());
    {
        let mut files = shared.files.lock();
        files.since_sweep = Some(files.writing.clone());
        (files.count, files.archives, files.payload_bytes, files.stored_bytes) = (0, 0, 0, 0);
    }
    let packs: Vec<(Arc<Pack>, u64)> =
        shared.packs.lock().values().map(|pack| (pack.clone(), pack.len.load(Ordering::Acquire))).collect();
    let mut report = SweepReport::default();
    for (pack, len) in packs {
        let id = pack.id;
        if let Err(error) = sweep_pack(shared, pack, len, is_live, &mut report).await {
            // One bad sector must not keep all other room from being given back.
            tracing::error!(pack = id, %error, "a pack was not swept");
            report.unreadable += 1;
        }
    }
    for kind in [Kind::File, Kind::Archive] {
        let (job, above) = (shared.clone(), kind.dir());
        let dirs = blocking(move || job.disk.list(above).map_err(|error| io_error("listing", above, &error))).await?;
        for first in dirs.iter().filter_map(|dir| u8::from_str_radix(dir, 16).ok()) {
            sweep_dir(shared, kind, first, is_live, &mut report).await?;
        }
    }
    drop(protection);
    Ok(report)
}

async fn sweep_pack(
    shared: &Arc<Shared>,
    pack: Arc<Pack>,
    len: u64,
    is_live: IsLive<'_>,
    report: &mut SweepReport,
) -> Result<(), BlobError> {
    let (job, id) = (shared.clone(), pack.id);
    let mut scan = match blocking(move || PackScan::begin(&job, id, len)).await {
        Ok(scan) => scan,
        // Removed meanwhile.
        Err(BlobError::Missing { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut payload_bytes = 0;
    loop {
        let job = shared.clone();
        let (blobs, moved) = blocking(move || Ok((scan.batch(&job)?, scan))).await?;
        scan = moved;
        if blobs.is_empty() {
            break;
        }
        let mut orphans = Vec::new();
        for blob in &blobs {
            payload_bytes += blob.len;
            let BlobPlace::Pack { offset, .. } = blob.place else { continue };
            if !pack.dead.lock().contains(offset) && !is_live(blob) {
                orphans.push((offset, blob.len));
            }
        }
        if !orphans.is_empty() {
            let (job, marked) = (shared.clone(), pack.clone());
            for (_, len) in blocking(move || Ok(marked.mark_dead(&job, orphans))).await? {
                report.removed += 1;
                report.removed_bytes += len;
            }
        }
    }
    if !pack.open.load(Ordering::Acquire) {
        pack.payload_bytes.store(payload_bytes, Ordering::Release);
    }
    Ok(())
}

/// What has a file to itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Archive,
}

impl Kind {
    fn dir(self) -> &'static str {
        match self {
            Self::File => "obj",
            Self::Archive => "arc",
        }
    }

    fn path(self, id: &[u8; 16]) -> String {
        match self {
            Self::File => file_path(id),
            Self::Archive => container_path(id),
        }
    }

    fn look(self, shared: &Shared, id: [u8; 16]) -> Found {
        if is_protected(&shared.files.lock(), &id) {
            return Found::Other;
        }
        match self {
            Self::File => look(shared, id),
            Self::Archive => match archive::look(shared, &id) {
                Ok(Some((found, bytes))) => {
                    Found::Blob(BlobRef { owner: found.owner, len: found.len, place: BlobPlace::Archive { id } }, bytes)
                }
                Err(BlobError::Missing { .. }) => Found::Other,
                Ok(None) | Err(_) => Found::Unreadable,
            },
        }
    }
}

enum Found {
    /// A finished blob, and the file's bytes.
    Blob(BlobRef, u64),
    /// No header in it can be read: it stays, because what is damaged may be needed.
    Unreadable,
    /// Not to be touched.
    Other,
}

async fn sweep_dir(
    shared: &Arc<Shared>,
    kind: Kind,
    first: u8,
    is_live: IsLive<'_>,
    report: &mut SweepReport,
) -> Result<(), BlobError> {
    let job = shared.clone();
    let names = blocking(move || {
        let dir = format!("{}/{first:02x}", kind.dir());
        match job.disk.list(&dir) {
            Ok(names) => Ok(names),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(io_error("listing", &dir, &error)),
        }
    })
    .await?;
    let id_of = |name: &str| u128::from_str_radix(name, 16).ok().map(u128::to_be_bytes).filter(|id| id[0] == first);
    let unfinished: Vec<[u8; 16]> = names.iter().filter_map(|name| id_of(name.strip_suffix(UNFINISHED)?)).collect();
    let ids: Vec<[u8; 16]> = names.iter().filter_map(|name| id_of(name)).collect();
    let job = shared.clone();
    blocking(move || unfinished.iter().try_for_each(|id| remove_unfinished(&job, kind, id))).await?;
    for batch in ids.chunks(FILES_BATCH) {
        let (job, batch) = (shared.clone(), batch.to_vec());
        let found =
            blocking(move || Ok(batch.into_iter().map(|id| (id, kind.look(&job, id))).collect::<Vec<_>>())).await?;
        let mut orphans = Vec::new();
        for (id, found) in found {
            match found {
                Found::Other => {}
                Found::Unreadable => {
                    report.unreadable += 1;
                    tracing::error!(path = %kind.path(&id), "no header of this file can be read; it is kept for salvage")
                }
                Found::Blob(blob, bytes) => {
                    if is_live(&blob) {
                        let mut files = shared.files.lock();
                        match kind {
                            Kind::File => files.count += 1,
                            Kind::Archive => files.archives += 1,
                        }
                        files.payload_bytes += blob.len;
                        files.stored_bytes += bytes;
                    } else {
                        report.removed += 1;
                        report.removed_bytes += blob.len;
                        orphans.push(id);
                    }
                }
            }
        }
        if !orphans.is_empty() {
            let job = shared.clone();
            blocking(move || orphans.into_iter().try_for_each(|id| remove_file(&job, &kind.path(&id)).map(drop)))
                .await?;
        }
    }
    Ok(())
}

fn is_protected(files: &Files, id: &[u8; 16]) -> bool {
    files.since_sweep.as_ref().is_some_and(|since| since.contains(id))
}

/// Reads whose a file is from the first of its headers that is whole.
fn look(shared: &Shared, id: [u8; 16]) -> Found {
    let path = file_path(&id);
    let opened = shared.disk.open(&path, tarn_disk::OpenMode::Read).and_then(|file| Ok((file.len()?, file)));
    let (bytes, file) = match opened {
        Ok(opened) => opened,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Found::Other,
        Err(_) => return Found::Unreadable,
    };
    let Some(len) = file_payload_bytes(bytes) else { return Found::Unreadable };
    for block in 0..bytes.div_ceil(BLOCK_FRAME_BYTES as u64).min(HEADER_TRIES) {
        let mut header = [0; HEADER_BYTES];
        if file.read_exact_at(&mut header, block * BLOCK_FRAME_BYTES as u64).is_err() {
            continue;
        }
        if let Ok(header) = Header::parse(&header)
            && header.store == shared.store
            && matches!(header.at, FramePlace::File { id: of, block: number, .. } if of == id && number == block)
        {
            return Found::Blob(BlobRef { owner: header.owner, len, place: BlobPlace::File { id } }, bytes);
        }
    }
    Found::Unreadable
}

/// Removes what a crash left of a file that was being written.
fn remove_unfinished(shared: &Shared, kind: Kind, id: &[u8; 16]) -> Result<(), BlobError> {
    if is_protected(&shared.files.lock(), id) {
        return Ok(());
    }
    let path = format!("{}{UNFINISHED}", kind.path(id));
    match shared.disk.remove(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io_error("removing", &path, &error)),
        _ => Ok(()),
    }
}

/// Removes a finished file; says whether it was there.
pub(crate) fn remove_file(shared: &Shared, path: &str) -> Result<bool, BlobError> {
    let removed = shared.disk.remove(path);
    // Afterwards, so that no reader that comes meanwhile leaves it open: an open file keeps its room.
    shared.handles.forget(path);
    match removed {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(io_error("removing", path, &error)),
    }
}
