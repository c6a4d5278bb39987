//! A directory of the machine's own file system as a `Disk`. Knows no file format.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::{Disk, DiskFile, OpenMode};

/// The lock file's name in the root.
const LOCK_NAME: &str = "lock";

/// That this process alone uses a disk; the system gives it up with the process.
#[derive(Debug)]
pub struct DiskLock {
    _file: File,
}

/// Files below one root; made 0600, directories 0700.
#[derive(Debug, Clone)]
pub struct LocalDisk {
    root: PathBuf,
}

impl LocalDisk {
    /// Uses `root`, which is made if it does not exist.
    pub fn new(root: impl Into<PathBuf>) -> io::Result<Self> {
        let disk = Self { root: root.into() };
        disk.create_dir_all("")?;
        Ok(disk)
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Keeps every other process from this disk until what is returned is dropped, or this process ends, however it does.
    /// `ErrorKind::ResourceBusy` if another has it. Whoever opens a store on this disk holds it.
    pub fn lock(&self) -> io::Result<DiskLock> {
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(self.root.join(LOCK_NAME))?;
        match file.try_lock() {
            Ok(()) => Ok(DiskLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                format!("another process uses {}: stop it, or choose another data directory", self.root.display()),
            )),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn path(&self, path: &str) -> io::Result<PathBuf> {
        let plain = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
        if plain {
            Ok(self.root.join(path))
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{path}` leaves the disk's root")))
        }
    }
}

impl Disk for LocalDisk {
    fn open(&self, path: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).mode(0o600);
        match mode {
            OpenMode::Read => {}
            OpenMode::ReadWrite => {
                options.write(true);
            }
            OpenMode::CreateNew => {
                options.write(true).create_new(true);
            }
            OpenMode::CreateOrOpen => {
                options.write(true).create(true).truncate(false);
            }
        }
        Ok(Arc::new(LocalFile(options.open(self.path(path)?)?)))
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.path(dir)?)? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn create_dir_all(&self, dir: &str) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        let path = self.path(dir)?;
        if path.is_dir() {
            return Ok(());
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        // Each new name is an entry of the directory above it.
        let mut above = path.parent();
        while let Some(parent) = above {
            if parent.as_os_str().is_empty() {
                break;
            }
            File::open(parent)?.sync_all()?;
            if parent == self.root || !parent.starts_with(&self.root) {
                break;
            }
            above = parent.parent();
        }
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.path(path)?)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from)?, self.path(to)?)
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        File::open(self.path(dir)?)?.sync_all()
    }

    fn exists(&self, path: &str) -> io::Result<bool> {
        fs::exists(self.path(path)?)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.root)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

#[derive(Debug)]
struct LocalFile(File);

impl DiskFile for LocalFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(into, offset)
    }

    fn read_vec_at(&self, len: usize, offset: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            let at = offset + bytes.len() as u64;
            match rustix::io::pread(&self.0, rustix::buffer::spare_capacity(&mut bytes), at) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        bytes.truncate(len);
        Ok(bytes)
    }

    /// By `RWF_NOWAIT`: <https://man7.org/linux/man-pages/man2/preadv2.2.html>
    #[cfg(target_os = "linux")]
    fn read_at_cached(&self, into: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        use rustix::io::{Errno, ReadWriteFlags, preadv2};
        match preadv2(&self.0, &mut [io::IoSliceMut::new(into)], offset, ReadWriteFlags::NOWAIT) {
            Ok(count) => Ok(Some(count)),
            // Not in memory; or a file system or kernel that cannot tell.
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::LocalDisk;
    use crate::{Disk, OpenMode};

    #[test]
    fn as_many_bytes_are_read_as_are_asked_for() {
        let directory = tempfile::tempdir().expect("a directory");
        let disk = LocalDisk::new(directory.path()).expect("a disk");
        let file = disk.open("a", OpenMode::CreateNew).expect("a file");
        file.write_all_at(b"0123456789", 0).expect("a write");
        let check = |len: usize, offset: u64, expected: Result<&[u8], io::ErrorKind>| {
            let found = file.read_vec_at(len, offset).map_err(|error| error.kind());
            assert_eq!(found.as_deref(), expected.as_ref().copied(), "{len} at {offset}");
        };
        check(0, 3, Ok(b""));
        check(4, 3, Ok(b"3456"));
        check(10, 0, Ok(b"0123456789"));
        check(4, 8, Err(io::ErrorKind::UnexpectedEof));
        check(1, 11, Err(io::ErrorKind::UnexpectedEof));
    }

    #[test]
    fn what_was_just_written_is_read_without_a_drive_or_not_at_all() {
        let directory = tempfile::tempdir().expect("a directory");
        let disk = LocalDisk::new(directory.path()).expect("a disk");
        let file = disk.open("a", OpenMode::CreateNew).expect("a file");
        file.write_all_at(b"0123456789", 0).expect("a write");
        let mut into = [0; 4];
        let check = |found: Option<usize>, into: &[u8; 4], expected: &[u8]| {
            assert!(
                found.is_none() || (found == Some(expected.len()) && into.starts_with(expected)),
                "{found:?} {into:?}"
            );
        };
        check(file.read_at_cached(&mut into, 3).expect("a read"), &into, b"3456");
        check(file.read_at_cached(&mut into, 8).expect("a read"), &into, b"89");
        check(file.read_at_cached(&mut into, 10).expect("a read"), &into, b"");
    }

    #[test]
    fn a_locked_disk_is_refused_until_the_lock_is_dropped() {
        let directory = tempfile::tempdir().expect("a directory");
        let disk = LocalDisk::new(directory.path()).expect("a disk");
        let held = disk.lock().expect("the first lock");
        assert_eq!(disk.lock().expect_err("held").kind(), io::ErrorKind::ResourceBusy);
        drop(held);
        assert!(disk.lock().is_ok());
    }
}
