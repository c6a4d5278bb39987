//! The root key's file: its text, and that it is there whole or not at all. Knows not how the key is kept from who reads the file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::KeysError;

const FILE_NAME: &str = "root.key";
/// The key that a rotation is about to put in place.
const NEXT_NAME: &str = "root.key.next";
const DRAFT_NAME: &str = "root.key.new";
/// Before a key in the clear.
const PLAIN_HEADER: &str = "tarn-root-key-1";
/// Before a key that somebody or something else must open: then who, then the wrapped key.
const WRAPPED_HEADER: &str = "tarn-wrapped-root-key-1";
/// More is not a root key, however it is wrapped.
const FILE_SIZE_BYTES_MAX: u64 = 32 << 10;

/// What stands in the file.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Kept {
    /// The key itself.
    Plain(Zeroizing<[u8; 32]>),
    /// The key, wrapped.
    Wrapped {
        /// By what: the name of a custody.
        by: String,
        /// The key, for who can unwrap it.
        bytes: Vec<u8>,
    },
}

/// Which of the two files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The key in use.
    Current,
    /// The key that a rotation is about to put in place.
    Next,
}

/// The directory of the root key's files.
pub(crate) struct RootKeyFiles(PathBuf);

impl RootKeyFiles {
    pub(crate) fn new(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    fn path(&self, place: Place) -> PathBuf {
        self.0.join(match place {
            Place::Current => FILE_NAME,
            Place::Next => NEXT_NAME,
        })
    }

    pub(crate) fn shown(&self, place: Place) -> String {
        self.path(place).display().to_string()
    }

    fn failed(&self, place: Place, doing: &'static str) -> impl Fn(io::Error) -> KeysError + '_ {
        move |error| KeysError::RootKeyFile { doing, path: self.shown(place), reason: error.to_string() }
    }

    pub(crate) fn read(&self, place: Place) -> Result<Option<Kept>, KeysError> {
        let malformed = |reason| KeysError::RootKeyMalformed { path: self.shown(place), reason };
        let file = match File::open(self.path(place)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed(place, "opening")(error)),
        };
        let metadata = file.metadata().map_err(self.failed(place, "inspecting"))?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeysError::RootKeyExposed { path: self.shown(place), mode });
        }
        let mut text = Zeroizing::new(String::new());
        file.take(FILE_SIZE_BYTES_MAX).read_to_string(&mut text).map_err(self.failed(place, "reading"))?;
        let mut words = text.split_ascii_whitespace();
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some(PLAIN_HEADER), Some(digits), None, None) => {
                let mut key = Zeroizing::new([0; 32]);
                hex::decode_to_slice(digits, key.as_mut_slice())
                    .map_err(|_| malformed("it is not 64 hexadecimal digits"))?;
                Ok(Some(Kept::Plain(key)))
            }
            (Some(WRAPPED_HEADER), Some(by), Some(digits), None) => {
                let bytes = hex::decode(digits).map_err(|_| malformed("the wrapped key is not hexadecimal"))?;
                Ok(Some(Kept::Wrapped { by: by.to_owned(), bytes }))
            }
            (Some(PLAIN_HEADER | WRAPPED_HEADER), ..) => Err(malformed("it has too few words, or too many")),
            _ => Err(malformed("its first word is not tarn-root-key-1 or tarn-wrapped-root-key-1")),
        }
    }

    /// Writes the file so that it is there whole or not at all, and durably, before anything is sealed by its key.
    pub(crate) fn write(&self, place: Place, kept: &Kept) -> Result<(), KeysError> {
        let failed = |doing| self.failed(place, doing);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0).map_err(failed("making the directory of"))?;
        let draft = self.0.join(DRAFT_NAME);
        self.remove_path(&draft, place)?;
        let text = Zeroizing::new(match kept {
            Kept::Plain(key) => format!("{PLAIN_HEADER} {}\n", Zeroizing::new(hex::encode(key.as_slice())).as_str()),
            Kept::Wrapped { by, bytes } => format!("{WRAPPED_HEADER} {by} {}\n", hex::encode(bytes)),
        });
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).map_err(failed("making"))?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed("writing"))?;
        fs::rename(&draft, self.path(place)).map_err(failed("naming"))?;
        self.make_durable(place)
    }

    /// Puts the next key in the current one's place.
    pub(crate) fn promote(&self) -> Result<(), KeysError> {
        fs::rename(self.path(Place::Next), self.path(Place::Current))
            .map_err(self.failed(Place::Next, "putting in place"))?;
        self.make_durable(Place::Current)
    }

    /// Removes what a rotation that came to nothing left behind.
    pub(crate) fn discard_next(&self) -> Result<(), KeysError> {
        self.remove_path(&self.path(Place::Next), Place::Next)
    }

    fn remove_path(&self, path: &Path, place: Place) -> Result<(), KeysError> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.failed(place, "replacing the draft of")(error))
            }
            _ => Ok(()),
        }
    }

    fn make_durable(&self, place: Place) -> Result<(), KeysError> {
        let parents = [Some(self.0.as_path()), self.0.parent()];
        for directory in parents.into_iter().flatten().filter(|directory| !directory.as_os_str().is_empty()) {
            File::open(directory)
                .and_then(|directory| directory.sync_all())
                .map_err(self.failed(place, "making durable"))?;
        }
        Ok(())
    }
}
