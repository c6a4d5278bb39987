//! A data directory that no server uses, opened by commands that look into it or change its keys; and the threads that commands work on.

use std::path::Path;
use std::sync::Arc;

use tarn_blobs::{LocalBlobs, LocalOptions};
use tarn_disk::{DiskLock, LocalDisk};
use tarn_metadata::{EmbeddedOptions, EmbeddedStore};
use tarn_runtime::Runtime;

/// The threads of a command.
pub(crate) fn threads() -> Result<tokio::runtime::Runtime, String> {
    let threads = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("tarn").build();
    threads.map_err(|error| format!("the threads cannot be started: {error}"))
}

/// A data directory, held for this process alone until it is dropped.
pub(crate) struct AtRest<'d> {
    data_dir: &'d Path,
    _lock: DiskLock,
}

impl<'d> AtRest<'d> {
    /// The lake in `data_dir`, which must be there.
    pub(crate) fn lock(data_dir: &'d Path) -> Result<Self, String> {
        if !data_dir.join("metadata").is_dir() {
            return Err(format!("there is no lake in {}", data_dir.display()));
        }
        let lock = LocalDisk::new(data_dir).and_then(|disk| disk.lock());
        let lock = lock.map_err(|error| unusable(data_dir, &error))?;
        Ok(Self { data_dir, _lock: lock })
    }

    /// One of its folders.
    pub(crate) fn folder(&self, name: &str) -> Result<Arc<LocalDisk>, String> {
        let disk = LocalDisk::new(self.data_dir.join(name));
        Ok(Arc::new(disk.map_err(|error| unusable(self.data_dir, &error))?))
    }

    /// Its records.
    pub(crate) fn store(&self, runtime: &Runtime) -> Result<EmbeddedStore, String> {
        let disk = self.folder("metadata")?;
        EmbeddedStore::open(disk, EmbeddedOptions::default(), runtime).map_err(|error| error.to_string())
    }

    /// The bytes in one of its folders.
    pub(crate) fn blobs(&self, folder: &str, runtime: &Runtime) -> Result<LocalBlobs, String> {
        let disk = self.folder(folder)?;
        LocalBlobs::open(disk, LocalOptions::default(), runtime.clone()).map_err(|error| error.to_string())
    }
}

fn unusable(data_dir: &Path, error: &std::io::Error) -> String {
    format!("the data directory {} cannot be used: {error}", data_dir.display())
}
