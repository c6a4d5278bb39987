//! Reads every container now and then, at a bounded rate, and repairs what has rotted before more rots than parity can repair.

use std::collections::VecDeque;
use std::ops::AddAssign;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tarn_disk::{DiskFile, OpenMode};
use tarn_runtime::{Worker, WorkerOutcome};

use crate::archive::container_path;
use crate::archive::descriptor::{Copy, Descriptor};
use crate::archive::layout::{DESCRIPTOR_BYTES, container_bytes, group, group_count};
use crate::archive::read::Container;
use crate::handles::{blocking, io_error};
use crate::shared::Shared;
use crate::{BlobError, LocalBlobs};

const SCRUBBED_PATH: &str = "arc/scrubbed";
/// How often it is looked whether a scrub is due.
const LOOK_EVERY: Duration = Duration::from_secs(3600);

/// What a scrub found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScrubReport {
    /// Containers read.
    pub containers: u64,
    /// Their bytes on disk.
    pub read_bytes: u64,
    /// Blocks and descriptors that were damaged and are repaired.
    pub repaired_blocks: u64,
    /// Containers with a group that has more damage than its parity repairs.
    pub lost: u64,
    /// Files that cannot be told to be a container: both descriptors are damaged.
    pub unreadable: u64,
}

impl AddAssign for ScrubReport {
    fn add_assign(&mut self, other: Self) {
        let Self { containers, read_bytes, repaired_blocks, lost, unreadable } = other;
        self.containers += containers;
        self.read_bytes += read_bytes;
        self.repaired_blocks += repaired_blocks;
        self.lost += lost;
        self.unreadable += unreadable;
    }
}

/// What a file says it is; a damaged descriptor is none.
struct Descriptors {
    file: std::sync::Arc<dyn DiskFile>,
    found: [Option<Descriptor>; 2],
}

fn descriptors(shared: &Shared, id: &[u8; 16]) -> Result<Descriptors, BlobError> {
    let path = container_path(id);
    let file = shared.handles.get(&path)?;
    let len = file.len().map_err(|error| io_error("measuring", &path, &error))?;
    let read = |copy: Copy, offset: u64| {
        let mut bytes = vec![0; DESCRIPTOR_BYTES];
        file.read_exact_at(&mut bytes, offset).ok()?;
        Descriptor::parse(&bytes, shared.store, *id, copy).ok()
    };
    let first = read(Copy::First, 0);
    // A file that has grown or shrunk has its end where the first says.
    let ends =
        first.map_or_else(|| len.saturating_sub(DESCRIPTOR_BYTES as u64), |first| Copy::Second.offset(first.len));
    let found = [first, read(Copy::Second, ends)];
    Ok(Descriptors { file, found })
}

/// Whose container the file `id` is, how long, and how many bytes it has on disk; `None` if it does not say.
pub(crate) fn look(shared: &Shared, id: &[u8; 16]) -> Result<Option<(Descriptor, u64)>, BlobError> {
    let found = descriptors(shared, id)?.found;
    Ok(found.into_iter().flatten().next().map(|found| (found, container_bytes(found.len))))
}

/// A pass over all containers: which are still to be read.
#[derive(Default)]
struct Pass {
    dirs: VecDeque<String>,
    ids: VecDeque<[u8; 16]>,
    reading: Option<(Container, u64, bool)>,
    report: ScrubReport,
}

impl Pass {
    fn begin(shared: &Shared) -> Result<Self, BlobError> {
        let dirs = shared.disk.list("arc").map_err(|error| io_error("listing", "arc", &error))?;
        let dirs = dirs.into_iter().filter(|dir| u8::from_str_radix(dir, 16).is_ok()).collect();
        Ok(Self { dirs, ..Self::default() })
    }

    /// One group, or one look for the next container; the bytes that were read, or `None` at the end. Blocks.
    fn step(&mut self, shared: &std::sync::Arc<Shared>) -> Result<Option<u64>, BlobError> {
        if let Some((container, number, lost)) = self.reading.take() {
            return Ok(Some(self.group(container, number, lost)));
        }
        if let Some(id) = self.ids.pop_front() {
            return Ok(Some(self.container(shared, id)));
        }
        let Some(dir) = self.dirs.pop_front() else { return Ok(None) };
        let path = format!("arc/{dir}");
        let names = shared.disk.list(&path).map_err(|error| io_error("listing", &path, &error))?;
        self.ids = names.iter().filter_map(|name| u128::from_str_radix(name, 16).ok().map(u128::to_be_bytes)).collect();
        Ok(Some(0))
    }

    fn container(&mut self, shared: &std::sync::Arc<Shared>, id: [u8; 16]) -> u64 {
        let found = match descriptors(shared, &id) {
            Ok(found) => found,
            // Deleted meanwhile.
            Err(BlobError::Missing { .. }) => return 0,
            Err(error) => {
                tracing::error!(%error, "a container could not be looked at");
                self.report.unreadable += 1;
                return 0;
            }
        };
        let Some(known) = found.found.into_iter().flatten().next() else {
            tracing::error!(path = %container_path(&id), "both descriptors of this container are damaged");
            self.report.unreadable += 1;
            return 0;
        };
        let container = Container { shared: shared.clone(), owner: known.owner, id, len: known.len };
        let damaged = Copy::ALL.into_iter().zip(found.found).filter(|(_, found)| *found != Some(known));
        let pieces: Vec<(u64, Vec<u8>)> =
            damaged.map(|(copy, _)| (copy.offset(known.len), known.encode(shared.store, id, copy))).collect();
        if !pieces.is_empty() {
            tracing::warn!(path = %container.path(), "a descriptor of an archive container is repaired from the other");
            self.report.repaired_blocks += pieces.len() as u64;
            container.rewrite(&pieces);
        }
        drop(found.file);
        self.report.containers += 1;
        self.reading = Some((container, 0, false));
        self.read(shared, 2 * DESCRIPTOR_BYTES as u64)
    }

    fn read(&mut self, shared: &Shared, bytes: u64) -> u64 {
        self.report.read_bytes += bytes;
        shared.archives.scrubbed(bytes);
        bytes
    }

    fn group(&mut self, container: Container, number: u64, lost: bool) -> u64 {
        if number >= group_count(container.len) {
            self.report.lost += u64::from(lost);
            return 0;
        }
        let group = group(container.len, number);
        let mended = container.open().and_then(|file| container.mend(&*file, &group));
        let lost = match mended {
            Ok(mended) => {
                self.report.repaired_blocks += mended.damaged as u64;
                lost
            }
            Err(BlobError::Missing { .. }) => return 0,
            Err(error) => {
                tracing::error!(%error, "a container has more damage than parity repairs; restore it from a backup");
                true
            }
        };
        let bytes = self.read(&container.shared, group.bytes() as u64);
        self.reading = Some((container, number + 1, lost));
        bytes
    }
}

impl LocalBlobs {
    /// Reads all containers and repairs them. Reads at most `bytes_per_second_max`, if that is given.
    pub async fn scrub(&self, bytes_per_second_max: Option<u64>) -> Result<ScrubReport, BlobError> {
        let shared = self.shared().clone();
        let job = shared.clone();
        let mut pass = blocking(move || Pass::begin(&job)).await?;
        loop {
            let job = shared.clone();
            let (read, moved) = blocking(move || {
                let read = pass.step(&job)?;
                Ok((read, pass))
            })
            .await?;
            pass = moved;
            let Some(bytes) = read else { break };
            if let Some(pause) = pause(bytes, bytes_per_second_max) {
                tokio::time::sleep(pause).await;
            }
        }
        shared.archives.pass_ended();
        Ok(pass.report)
    }

    /// The worker that scrubs, every `every`, reading at most `bytes_per_second_max`.
    pub fn archive_scrubber(&self, every: Duration, bytes_per_second_max: u64) -> ArchiveScrubber {
        ArchiveScrubber { blobs: self.clone(), every, bytes_per_second_max, pass: Mutex::default() }
    }
}

fn pause(bytes: u64, bytes_per_second_max: Option<u64>) -> Option<Duration> {
    let rate = bytes_per_second_max.filter(|rate| *rate > 0 && bytes > 0)?;
    Some(Duration::from_millis(bytes.saturating_mul(1000) / rate))
}

/// Scrubs archive containers in the background.
pub struct ArchiveScrubber {
    blobs: LocalBlobs,
    every: Duration,
    bytes_per_second_max: u64,
    pass: Mutex<Option<Pass>>,
}

impl ArchiveScrubber {
    fn now_ms(&self) -> i64 {
        self.blobs.shared().runtime.now().as_millisecond()
    }

    /// Whether the last pass is long enough ago, as far as is known.
    fn is_due(shared: &Shared, now_ms: i64, every: Duration) -> bool {
        let read = || {
            let file = shared.disk.open(SCRUBBED_PATH, OpenMode::Read).ok()?;
            let mut text = [0; 20];
            let len = file.read_at(&mut text, 0).ok()?;
            std::str::from_utf8(text.get(..len)?).ok()?.trim().parse::<i64>().ok()
        };
        let every_ms = i64::try_from(every.as_millis()).unwrap_or(i64::MAX);
        read().is_none_or(|last_ms| now_ms < last_ms || now_ms.saturating_sub(last_ms) >= every_ms)
    }

    /// Remembers when a pass ended. Not synced: losing it costs one pass more.
    fn remember(shared: &Shared, now_ms: i64) {
        let text = format!("{now_ms:020}");
        let written = shared
            .disk
            .open(SCRUBBED_PATH, OpenMode::CreateOrOpen)
            .and_then(|file| file.write_all_at(text.as_bytes(), 0));
        if let Err(error) = written {
            tracing::debug!(%error, "the end of a scrub was not remembered");
        }
    }

    async fn step(&self) -> Result<WorkerOutcome, BlobError> {
        let shared = self.blobs.shared().clone();
        let (now_ms, every) = (self.now_ms(), self.every);
        let under_way = self.pass.lock().take();
        let job = shared.clone();
        let stepped = blocking(move || {
            let mut pass = match under_way {
                Some(pass) => pass,
                None if Self::is_due(&job, now_ms, every) => Pass::begin(&job)?,
                None => return Ok(None),
            };
            let read = pass.step(&job)?;
            Ok(Some((read, pass)))
        })
        .await?;
        let Some((read, pass)) = stepped else { return Ok(WorkerOutcome::Idle) };
        let Some(bytes) = read else {
            let ScrubReport { containers, read_bytes, repaired_blocks, lost, unreadable } = pass.report;
            if containers > 0 {
                tracing::info!(
                    containers,
                    read_bytes,
                    repaired_blocks,
                    lost,
                    unreadable,
                    "scrubbed the archive containers"
                );
            }
            shared.archives.pass_ended();
            blocking(move || {
                Self::remember(&shared, now_ms);
                Ok(())
            })
            .await?;
            return Ok(WorkerOutcome::Idle);
        };
        *self.pass.lock() = Some(pass);
        if let Some(pause) = pause(bytes, Some(self.bytes_per_second_max)) {
            tokio::time::sleep(pause).await;
        }
        Ok(WorkerOutcome::Busy)
    }
}

impl Worker for ArchiveScrubber {
    fn name(&self) -> String {
        "archive-scrubber".to_owned()
    }

    fn work(&self) -> BoxFuture<'_, WorkerOutcome> {
        async move { self.step().await.unwrap_or_else(|error| WorkerOutcome::Failed { reason: error.to_string() }) }
            .boxed()
    }

    fn wait(&self) -> BoxFuture<'_, ()> {
        tokio::time::sleep(LOOK_EVERY).boxed()
    }
}
