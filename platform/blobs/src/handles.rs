//! A bounded cache of open files and the translation of I/O errors. Knows no format.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;
use tarn_disk::{Disk, DiskFile, OpenMode};

use crate::BlobError;

/// Open files by path, the least recently used closed first. A file in use stays open for its users.
pub(crate) struct Handles {
    disk: Arc<dyn Disk>,
    open: Mutex<LruCache<String, Arc<dyn DiskFile>>>,
}

impl Handles {
    pub(crate) fn new(disk: Arc<dyn Disk>, open_files_max: usize) -> Self {
        let max = NonZeroUsize::new(open_files_max).unwrap_or(NonZeroUsize::MIN);
        Self { disk, open: Mutex::new(LruCache::new(max)) }
    }

    /// Opens `path` for reading, or gives the open file.
    pub(crate) fn get(&self, path: &str) -> Result<Arc<dyn DiskFile>, BlobError> {
        if let Some(file) = self.open_already(path) {
            return Ok(file);
        }
        let file = self.disk.open(path, OpenMode::Read).map_err(|error| io_error("opening", path, &error))?;
        self.open.lock().put(path.to_owned(), file.clone());
        Ok(file)
    }

    /// The open file, if it is open.
    pub(crate) fn open_already(&self, path: &str) -> Option<Arc<dyn DiskFile>> {
        self.open.lock().get(path).cloned()
    }

    /// Lets go of `path`, which is about to be removed.
    pub(crate) fn forget(&self, path: &str) {
        self.open.lock().pop(path);
    }
}

/// What the system said, as a blob error.
pub(crate) fn io_error(doing: &str, path: &str, error: &io::Error) -> BlobError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => BlobError::NoSpace,
        io::ErrorKind::NotFound => BlobError::Missing { place: path.to_owned() },
        io::ErrorKind::UnexpectedEof => {
            BlobError::Corrupt { place: path.to_owned(), reason: "the file ends early".to_owned() }
        }
        _ => BlobError::Io { doing: format!("{doing} {path}"), reason: error.to_string() },
    }
}

/// Runs `job`, which blocks, off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    joined(tokio::task::spawn_blocking(job).await)
}

/// The result of a job that ran off the async threads.
pub(crate) fn joined<T>(result: Result<Result<T, BlobError>, tokio::task::JoinError>) -> Result<T, BlobError> {
    result.unwrap_or_else(|error| {
        Err(BlobError::Io { doing: "working on the disk".to_owned(), reason: error.to_string() })
    })
}
