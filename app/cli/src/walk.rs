//! What is below a folder of this machine or of the store, in the order of the keys' bytes, so that two sides can be merged
//! without holding either. Knows nothing of what is done with it.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use tarn_runtime::Timestamp;

use crate::CliError;
use crate::client::Client;
use crate::location::S3Location;

/// Most entries of one folder, and most folders above each other.
const FOLDER_ENTRIES_COUNT_MAX: usize = 10_000_000;
const DEPTH_COUNT_MAX: usize = 256;

/// A file or an object below the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its name from the folder on, with slashes.
    pub(crate) relative: String,
    /// Bytes.
    pub(crate) size: u64,
    /// When it was last written.
    pub(crate) modified: Timestamp,
    /// Of an object.
    pub(crate) etag: Option<String>,
}

/// When a file was last written.
pub(crate) fn modified_of(metadata: &fs::Metadata) -> Timestamp {
    let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| Timestamp::new(since.as_secs() as i64, since.subsec_nanos() as i32).ok()).unwrap_or_default()
}

struct Found {
    /// With a slash at the end if it is a folder: that is where its content stands among keys.
    name: String,
    metadata: fs::Metadata,
}

/// Walks a folder of this machine. Files that symbolic links point to are files; folders that they point to are passed over.
pub(crate) struct LocalWalk {
    root: PathBuf,
    open: Vec<(String, VecDeque<Found>)>,
}

impl LocalWalk {
    pub(crate) fn new(root: &Path) -> Result<Self, CliError> {
        let mut walk = Self { root: root.to_owned(), open: Vec::new() };
        walk.enter(String::new())?;
        Ok(walk)
    }

    fn enter(&mut self, relative: String) -> Result<(), CliError> {
        let folder = self.root.join(&relative);
        if self.open.len() >= DEPTH_COUNT_MAX {
            return Err(CliError::failed(format!("{}: more than {DEPTH_COUNT_MAX} folders deep", folder.display())));
        }
        let mut found = Vec::new();
        for entry in fs::read_dir(&folder).map_err(CliError::local("reading the folder", &folder))? {
            let entry = entry.map_err(CliError::local("reading the folder", &folder))?;
            let path = entry.path();
            let Ok(mut name) = entry.file_name().into_string() else {
                return Err(CliError::failed(format!("{}: the name is not UTF-8, as a key must be", path.display())));
            };
            let kind = entry.file_type().map_err(CliError::local("looking at", &path))?;
            let metadata = match fs::metadata(&path) {
                Ok(metadata) => metadata,
                Err(_) if kind.is_symlink() => {
                    eprintln!("tarn: passed over {}: a link to nothing", path.display());
                    continue;
                }
                Err(source) => return Err(CliError::local("looking at", &path)(source)),
            };
            if metadata.is_dir() && kind.is_symlink() {
                eprintln!("tarn: passed over {}: a link to a folder", path.display());
                continue;
            }
            if metadata.is_dir() {
                name.push('/');
            } else if !metadata.is_file() {
                eprintln!("tarn: passed over {}: not a file", path.display());
                continue;
            }
            if found.len() >= FOLDER_ENTRIES_COUNT_MAX {
                return Err(CliError::failed(format!("{}: too many entries", folder.display())));
            }
            found.push(Found { name, metadata });
        }
        found.sort_unstable_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
        self.open.push((relative, found.into()));
        Ok(())
    }

    /// The next file.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, CliError> {
        loop {
            let Some((folder, left)) = self.open.last_mut() else { return Ok(None) };
            let Some(found) = left.pop_front() else {
                self.open.pop();
                continue;
            };
            let relative = format!("{folder}{}", found.name);
            if found.metadata.is_dir() {
                self.enter(relative)?;
                continue;
            }
            return Ok(Some(Entry {
                relative,
                size: found.metadata.len(),
                modified: modified_of(&found.metadata),
                etag: None,
            }));
        }
    }
}

/// Walks the objects below a folder of the store.
pub(crate) struct S3Walk {
    client: Client,
    folder: S3Location,
    page: VecDeque<Entry>,
    token: Option<String>,
    is_done: bool,
}

impl S3Walk {
    /// `folder` as `S3Location::as_folder` makes it; or any beginning of keys.
    pub(crate) fn new(client: Client, folder: S3Location) -> Self {
        Self { client, folder, page: VecDeque::new(), token: None, is_done: false }
    }

    /// The next object. Keys that end with a slash are markers of folders, and passed over.
    pub(crate) async fn next(&mut self) -> Result<Option<Entry>, CliError> {
        loop {
            if let Some(entry) = self.page.pop_front() {
                return Ok(Some(entry));
            }
            if self.is_done {
                return Ok(None);
            }
            let page = self.client.list(&self.folder, false, self.token.as_deref()).await?;
            self.is_done = page.token.is_none();
            self.token = page.token;
            let skipped = self.folder.key.len();
            self.page = page
                .objects
                .into_iter()
                .filter(|object| !object.key.ends_with('/'))
                .filter_map(|object| {
                    let relative = object.key.get(skipped..)?.to_owned();
                    Some(Entry { relative, size: object.size, modified: object.modified, etag: Some(object.etag) })
                })
                .collect();
        }
    }
}

/// Either walk.
pub(crate) enum Walk {
    /// On this machine.
    Local(LocalWalk),
    /// In the store.
    S3(S3Walk),
    /// Nothing is there yet.
    Nothing,
}

impl Walk {
    /// The next entry, in the order of their names' bytes.
    pub(crate) async fn next(&mut self) -> Result<Option<Entry>, CliError> {
        match self {
            Self::Local(walk) => walk.next(),
            Self::S3(walk) => walk.next().await,
            Self::Nothing => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_walked_in_the_order_of_keys() {
        let folder = tempfile::tempdir().expect("a folder");
        let names = ["a/z", "a.txt", "a-b/c", "b", "a/b/c", "é"];
        for name in names {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, name).expect("written");
        }
        std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).expect("linked");
        std::os::unix::fs::symlink(folder.path().join("b"), folder.path().join("c")).expect("linked");
        let mut walk = LocalWalk::new(folder.path()).expect("walks");
        let mut found = Vec::new();
        while let Some(entry) = walk.next().expect("walks") {
            found.push(entry.relative);
        }
        let mut expected: Vec<String> = names.iter().chain(&["c"]).map(|name| (*name).to_owned()).collect();
        expected.sort_unstable_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
        assert_eq!(found, expected);
    }
}
