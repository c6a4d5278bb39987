//! The file system as an argument, so that tests can put a failing one under everything durable. Knows no file format.
//!
//! Paths are relative to the disk's root, `/`-separated, without `.` or `..`; they are made of the store's own ids, never of what a user named.
//! Nothing is durable before `DiskFile::sync_data` (contents) and `Disk::sync_dir` (a created, renamed or removed name) have returned `Ok`.
//! A failed sync leaves unknown what is durable: its file must not be written again (<https://lwn.net/Articles/752063/>).

mod local;

use std::io;
use std::sync::Arc;

pub use local::{DiskLock, LocalDisk};

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// Must exist; writes are refused.
    Read,
    /// Must exist.
    ReadWrite,
    /// Must not exist; is made empty.
    CreateNew,
    /// Is made empty if it does not exist.
    CreateOrOpen,
}

/// A directory tree. All calls block; run them off the async threads.
pub trait Disk: Send + Sync + std::fmt::Debug {
    /// Opens `path`; its directory must exist.
    fn open(&self, path: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;
    /// The names (not paths) in `dir`, sorted. A missing directory is `NotFound`.
    fn list(&self, dir: &str) -> io::Result<Vec<String>>;
    /// Makes `dir` and those above it, durably.
    fn create_dir_all(&self, dir: &str) -> io::Result<()>;
    /// Removes a file's name; durable after `sync_dir` of its directory.
    fn remove(&self, path: &str) -> io::Result<()>;
    /// Renames a file over any other, atomically; durable after `sync_dir` of the directories.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Makes the names in `dir` durable. The root is `""`.
    fn sync_dir(&self, dir: &str) -> io::Result<()>;
    /// Whether `path` names a file.
    fn exists(&self, path: &str) -> io::Result<bool>;
    /// Bytes that can still be written; `u64::MAX` if unknown.
    fn free_bytes(&self) -> io::Result<u64>;
}

/// An open file; may be read and written from several threads at once at different offsets.
pub trait DiskFile: Send + Sync + std::fmt::Debug {
    /// Reads up to `into.len()` bytes at `offset`; 0 at the end.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Exactly `len` bytes at `offset`, or `UnexpectedEof`; into memory that need not be cleared first.
    fn read_vec_at(&self, len: usize, offset: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }
    /// As `read_at`, but only what the system holds in memory: never waits for a drive, so that it may be called on an async thread.
    /// `None` where that cannot be had or cannot be told.
    fn read_at_cached(&self, into: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        let _ = (into, offset);
        Ok(None)
    }
    /// Writes all of `bytes` at `offset`; the file grows as needed. After an error any part may have been written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes contents and length durable.
    fn sync_data(&self) -> io::Result<()>;
    /// Cuts or extends (with zeros) to `len` bytes.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Bytes in the file.
    fn len(&self) -> io::Result<u64>;
    /// Whether the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Reads exactly `into.len()` bytes or fails with `UnexpectedEof`.
    fn read_exact_at(&self, mut into: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !into.is_empty() {
            match self.read_at(into, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    into = into.get_mut(n..).unwrap_or_default();
                    offset += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
