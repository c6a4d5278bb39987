//! Custody of the root key: a file beside the data, made at first start, checked against the store at every start.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use serde::{Deserialize, Serialize};
use tarn_metadata::{Key, Keyspace, Read, Record, Store, StoreError, StoreExt, WriteError};
use tarn_runtime::{Entropy, EntropyExt, Runtime};
use zeroize::Zeroizing;

use crate::seal::RootKey;
use crate::{DataKey, KeyContext, KeysError, RootKeyId, SealedDataKey, SealedSecret, Secret};

/// What the store knows of the root keys that seal it: enough to tell a wrong file, nothing to open anything.
pub const ROOT_KEYS: Keyspace<RootKeyRecord> = Keyspace::new(0x0200, "keys.root");

/// A root key's id and check value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootKeyRecord {
    /// Names it.
    pub id: RootKeyId,
    /// Derived from it.
    pub check_value: [u8; 32],
}

impl Record for RootKeyRecord {
    const VERSION: u16 = 1;
}

const FILE_NAME: &str = "root.key";
const FILE_HEADER: &str = "tarn-root-key-1";
/// A header, a space, 64 hexadecimal digits and a line's end; more is not a root key.
const FILE_SIZE_BYTES_MAX: u64 = 256;

/// The lake's keys. Cheap to clone.
#[derive(Clone)]
pub struct Keys {
    root: Arc<RootKey>,
    entropy: Arc<dyn Entropy>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys(root {})", hex::encode(self.root.id()))
    }
}

impl Keys {
    /// Opens the root key in `directory`, or makes it if neither file nor store knows one.
    /// Blocks on the file system: for the start of the server.
    pub async fn open_or_create(directory: &Path, store: &dyn Store, runtime: &Runtime) -> Result<Self, KeysError> {
        let file = RootKeyFile { directory: directory.to_owned(), path: directory.join(FILE_NAME) };
        let snapshot = store.read().map_err(|source| KeysError::Store { source })?;
        let known = snapshot.get(ROOT_KEYS, &current()).map_err(|source| KeysError::Store { source })?;
        let root = match (file.read()?, known) {
            (Some(key), Some(known)) => {
                let root = RootKey::new(key)?;
                let same =
                    verify_slices_are_equal(&root.check_value()?, &known.check_value).is_ok() && root.id() == known.id;
                if !same {
                    return Err(KeysError::RootKeyWrong { path: file.shown() });
                }
                root
            }
            (None, Some(_)) => return Err(KeysError::RootKeyMissing { path: file.shown() }),
            // The first start, or one that was cut short after the file was made.
            (found, None) => {
                let key = match found {
                    Some(key) => key,
                    None => {
                        let key = Zeroizing::new(runtime.entropy.bytes::<32>());
                        file.write(&key)?;
                        key
                    }
                };
                let root = RootKey::new(key)?;
                let record = RootKeyRecord { id: root.id(), check_value: root.check_value()? };
                store.write(move |tx| tx.put(ROOT_KEYS, &current(), &record)).await.map_err(
                    |error: WriteError<StoreError>| match error {
                        WriteError::Refused(source) | WriteError::Store(source) => KeysError::Store { source },
                    },
                )?;
                root
            }
        };
        Ok(Self { root: Arc::new(root), entropy: runtime.entropy.clone() })
    }

    /// Keys that are gone with the process: for lakes in memory and for tests.
    pub fn ephemeral(runtime: &Runtime) -> Result<Self, KeysError> {
        let root = RootKey::new(Zeroizing::new(runtime.entropy.bytes::<32>()))?;
        Ok(Self { root: Arc::new(root), entropy: runtime.entropy.clone() })
    }

    /// The root key in use.
    pub fn root_key_id(&self) -> RootKeyId {
        self.root.id()
    }

    /// A fresh data key, and its form for the store, which opens only for `context`.
    pub fn data_key(&self, context: &KeyContext) -> Result<(DataKey, SealedDataKey), KeysError> {
        self.root.data_key(&*self.entropy, context)
    }

    /// Opens a data key that was made for `context`.
    pub fn open_data_key(&self, sealed: &SealedDataKey, context: &KeyContext) -> Result<DataKey, KeysError> {
        self.root.open_data_key(sealed, context)
    }

    /// Seals a small secret, such as a secret access key, for `context`.
    pub fn seal_secret(&self, secret: &[u8], context: &KeyContext) -> Result<SealedSecret, KeysError> {
        self.root.seal_secret(&*self.entropy, secret, context)
    }

    /// A secret of `N` bytes that follows from the root key and `context`, for what is not kept anywhere.
    pub fn derived_secret<const N: usize>(&self, context: &KeyContext) -> Result<Secret, KeysError> {
        self.root.derived_secret::<N>(context)
    }

    /// Opens a secret that was sealed for `context`.
    pub fn open_secret(&self, sealed: &SealedSecret, context: &KeyContext) -> Result<Secret, KeysError> {
        self.root.open_secret(sealed, context)
    }
}

/// The one root key in use; a rotation would add others beside it.
fn current() -> Key {
    Key::new().text("current")
}

struct RootKeyFile {
    directory: PathBuf,
    path: PathBuf,
}

impl RootKeyFile {
    fn shown(&self) -> String {
        self.path.display().to_string()
    }

    fn failed(&self, doing: &'static str) -> impl Fn(io::Error) -> KeysError + '_ {
        move |error| KeysError::RootKeyFile { doing, path: self.shown(), reason: error.to_string() }
    }

    fn read(&self) -> Result<Option<Zeroizing<[u8; 32]>>, KeysError> {
        let malformed = |reason| KeysError::RootKeyMalformed { path: self.shown(), reason };
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed("opening")(error)),
        };
        let metadata = file.metadata().map_err(self.failed("inspecting"))?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeysError::RootKeyExposed { path: self.shown(), mode });
        }
        let mut text = Zeroizing::new(String::new());
        file.take(FILE_SIZE_BYTES_MAX).read_to_string(&mut text).map_err(self.failed("reading"))?;
        let digits = text
            .strip_prefix(FILE_HEADER)
            .and_then(|rest| rest.strip_prefix(' '))
            .ok_or_else(|| malformed("its first word is not tarn-root-key-1"))?;
        let mut key = Zeroizing::new([0; 32]);
        hex::decode_to_slice(digits.trim_end(), key.as_mut_slice())
            .map_err(|_| malformed("it is not 64 hexadecimal digits"))?;
        Ok(Some(key))
    }

    /// Writes the file so that it is there whole or not at all, and durably, before anything is sealed by it.
    fn write(&self, key: &[u8; 32]) -> Result<(), KeysError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory)
            .map_err(self.failed("making the directory of"))?;
        let draft = self.directory.join("root.key.new");
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(self.failed("replacing the draft of")(error));
            }
            _ => {}
        }
        let text = Zeroizing::new(format!("{FILE_HEADER} {}\n", Zeroizing::new(hex::encode(key)).as_str()));
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).map_err(self.failed("making"))?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(self.failed("writing"))?;
        fs::rename(&draft, &self.path).map_err(self.failed("naming"))?;
        let parents = [Some(self.directory.as_path()), self.directory.parent()];
        for directory in parents.into_iter().flatten().filter(|directory| !directory.as_os_str().is_empty()) {
            File::open(directory).and_then(|directory| directory.sync_all()).map_err(self.failed("making durable"))?;
        }
        Ok(())
    }
}
