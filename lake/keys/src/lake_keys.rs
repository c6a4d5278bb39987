//! The lake's keys in memory: opened at the start by whoever keeps the root key, checked against the store, and kept until the end.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use serde::{Deserialize, Serialize};
use tarn_metadata::{Key, Keyspace, Read, Record, RecordError, Store, StoreError, StoreExt, WriteError, decode_form};
use tarn_runtime::{Entropy, EntropyExt, Runtime};
use zeroize::Zeroizing;

use crate::custody::Custody;
use crate::root_file::{Kept, Place, RootKeyFiles};
use crate::seal::RootKey;
use crate::{DataKey, KeyContext, KeysError, RootKeyId, SealedDataKey, SealedSecret, Secret};

/// What the store knows of the root key that seals it: enough to tell a wrong one, and the lake's key, which it opens.
pub const ROOT_KEYS: Keyspace<RootKeyRecord> = Keyspace::new(0x0200, "keys.root");

/// A root key's id and check value, and what it seals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootKeyRecord {
    /// Names it.
    pub id: RootKeyId,
    /// Derived from it.
    pub check_value: [u8; 32],
    /// The key that seals everything else, sealed by it. In lakes that were made before there was one, and whose root key was never
    /// rotated, the root key is that key.
    pub lake_key: Option<SealedSecret>,
}

impl Record for RootKeyRecord {
    const VERSION: u16 = 2;

    fn migrate(version: u16, bytes: &[u8]) -> Result<Self, RecordError> {
        if version != 1 {
            return Err(RecordError::Version { found: version, known: Self::VERSION });
        }
        decode_form::<RootKeyRecordV1>(bytes).map(|old| Self {
            id: old.id,
            check_value: old.check_value,
            lake_key: None,
        })
    }
}

/// As it was when the root key sealed everything itself.
#[derive(Deserialize)]
struct RootKeyRecordV1 {
    id: RootKeyId,
    check_value: [u8; 32],
}

fn lake_key_context() -> KeyContext {
    KeyContext::new("lake-key")
}

impl RootKeyRecord {
    fn new(root: &RootKey, lake_key: &Secret, entropy: &dyn Entropy) -> Result<Self, KeysError> {
        let lake_key = root.seal_secret(entropy, lake_key.expose(), &lake_key_context())?;
        Ok(Self { id: root.id(), check_value: root.check_value()?, lake_key: Some(lake_key) })
    }

    fn is_of(&self, root: &RootKey) -> Result<bool, KeysError> {
        Ok(verify_slices_are_equal(&root.check_value()?, &self.check_value).is_ok() && root.id() == self.id)
    }

    /// The lake's key, which `root` opens.
    fn open(&self, root: &RootKey) -> Result<Secret, KeysError> {
        match &self.lake_key {
            Some(sealed) => root.open_secret(sealed, &lake_key_context()),
            None => Ok(root.expose()),
        }
    }
}

/// The lake's keys. Cheap to clone.
#[derive(Clone)]
pub struct Keys {
    root_id: RootKeyId,
    lake: Arc<RootKey>,
    entropy: Arc<dyn Entropy>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys(root {})", hex::encode(self.root_id))
    }
}

/// One root key that took another's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootKeyRotated {
    /// The one that is of no use any more.
    pub before: RootKeyId,
    /// The one in use.
    pub after: RootKeyId,
}

/// The one root key in use.
fn current() -> Key {
    Key::new().text("current")
}

fn known(store: &dyn Store) -> Result<Option<RootKeyRecord>, KeysError> {
    let snapshot = store.read().map_err(|source| KeysError::Store { source })?;
    snapshot.get(ROOT_KEYS, &current()).map_err(|source| KeysError::Store { source })
}

async fn put(store: &dyn Store, record: RootKeyRecord) -> Result<(), KeysError> {
    let put = store.write(move |tx| tx.put(ROOT_KEYS, &current(), &record));
    put.await.map_err(|error: WriteError<StoreError>| match error {
        WriteError::Refused(source) | WriteError::Store(source) => KeysError::Store { source },
    })
}

fn lake_key_of(secret: &Secret) -> Result<RootKey, KeysError> {
    let bytes = secret.expose().try_into().map_err(|_| KeysError::NotAuthentic { what: "the lake's key" })?;
    RootKey::new(Zeroizing::new(bytes))
}

/// The root key of a lake that has one. A rotation that was cut short is ended: it was done if the store knows its key, and not if not.
async fn open_root(files: &RootKeyFiles, custody: &Custody, known: &RootKeyRecord) -> Result<RootKey, KeysError> {
    let (current, next) = (files.read(Place::Current)?, files.read(Place::Next)?);
    let path = files.shown(Place::Current);
    let found = match &current {
        None => Err(KeysError::RootKeyMissing { path: path.clone() }),
        Some(kept) => match custody.open(kept, &path).await {
            Ok(root) if known.is_of(&root)? => Ok(root),
            Ok(_) => Err(KeysError::RootKeyWrong { path }),
            Err(error) => Err(error),
        },
    };
    match (found, next) {
        (Ok(root), None) => Ok(root),
        (Ok(root), Some(_)) => {
            files.discard_next()?;
            Ok(root)
        }
        (Err(error), None) => Err(error),
        (Err(error), Some(kept)) => match custody.open(&kept, &files.shown(Place::Next)).await {
            Ok(root) if known.is_of(&root)? => {
                files.promote()?;
                Ok(root)
            }
            _ => Err(match (error, kept) {
                (KeysError::RootKeyWrong { .. }, Kept::Wrapped { by, .. }) => {
                    KeysError::RotationUnfinished { path: files.shown(Place::Next), by }
                }
                (error, _) => error,
            }),
        },
    }
}

impl Keys {
    /// Opens the root key that a file in `directory` keeps in the clear, or makes it if neither file nor store knows one.
    pub async fn open_or_create(directory: &Path, store: &dyn Store, runtime: &Runtime) -> Result<Self, KeysError> {
        Self::open_or_create_by(&Custody::File, directory, store, runtime).await
    }

    /// Opens the root key that `custody` keeps, its file in `directory`, or makes it if neither file nor store knows one.
    /// Blocks on the file system, and on a passphrase for as long as it takes: for the start of the server.
    pub async fn open_or_create_by(
        custody: &Custody,
        directory: &Path,
        store: &dyn Store,
        runtime: &Runtime,
    ) -> Result<Self, KeysError> {
        if known(store)?.is_some() {
            return Self::open(custody, directory, store, runtime).await;
        }
        // The first start, or one that was cut short after the file was made.
        let (files, entropy) = (RootKeyFiles::new(directory), &*runtime.entropy);
        let root = match files.read(Place::Current)? {
            Some(kept) => custody.open(&kept, &files.shown(Place::Current)).await?,
            None => {
                let key = Zeroizing::new(entropy.bytes::<32>());
                files.write(Place::Current, &custody.keep(&key, entropy).await?)?;
                RootKey::new(key)?
            }
        };
        let lake_key = Secret::new(entropy.bytes::<32>());
        put(store, RootKeyRecord::new(&root, &lake_key, entropy)?).await?;
        Ok(Self { root_id: root.id(), lake: Arc::new(lake_key_of(&lake_key)?), entropy: runtime.entropy.clone() })
    }

    /// Opens the root key of a lake that has one.
    pub async fn open(
        custody: &Custody,
        directory: &Path,
        store: &dyn Store,
        runtime: &Runtime,
    ) -> Result<Self, KeysError> {
        let files = RootKeyFiles::new(directory);
        let known = known(store)?.ok_or_else(|| KeysError::NoRootKey { path: files.shown(Place::Current) })?;
        let root = open_root(&files, custody, &known).await?;
        let lake = lake_key_of(&known.open(&root)?)?;
        Ok(Self { root_id: root.id(), lake: Arc::new(lake), entropy: runtime.entropy.clone() })
    }

    /// Puts a fresh root key, kept by `to`, in the place of the one that `from` keeps, and seals by it what that one sealed. Until the
    /// store has that, the old one is in use; whatever the moment at which it is cut short, exactly one of the two is.
    pub async fn rotate_root(
        from: &Custody,
        to: &Custody,
        directory: &Path,
        store: &dyn Store,
        runtime: &Runtime,
    ) -> Result<RootKeyRotated, KeysError> {
        let files = RootKeyFiles::new(directory);
        let known = known(store)?.ok_or_else(|| KeysError::NoRootKey { path: files.shown(Place::Current) })?;
        let old = open_root(&files, from, &known).await?;
        let lake_key = known.open(&old)?;
        let entropy = &*runtime.entropy;
        let key = Zeroizing::new(entropy.bytes::<32>());
        let kept = to.keep(&key, entropy).await?;
        files.write(Place::Next, &kept)?;
        // What cannot be opened again must not become the only key.
        let new = to.open(&kept, &files.shown(Place::Next)).await?;
        put(store, RootKeyRecord::new(&new, &lake_key, entropy)?).await?;
        files.promote()?;
        Ok(RootKeyRotated { before: old.id(), after: new.id() })
    }

    /// Keys that are gone with the process: for lakes in memory and for tests.
    pub fn ephemeral(runtime: &Runtime) -> Result<Self, KeysError> {
        let root = RootKey::new(Zeroizing::new(runtime.entropy.bytes::<32>()))?;
        Ok(Self { root_id: root.id(), lake: Arc::new(root), entropy: runtime.entropy.clone() })
    }

    /// The root key in use.
    pub fn root_key_id(&self) -> RootKeyId {
        self.root_id
    }

    /// A fresh data key, and its form for the store, which opens only for `context`.
    pub fn data_key(&self, context: &KeyContext) -> Result<(DataKey, SealedDataKey), KeysError> {
        self.lake.data_key(&*self.entropy, context)
    }

    /// Opens a data key that was made for `context`.
    pub fn open_data_key(&self, sealed: &SealedDataKey, context: &KeyContext) -> Result<DataKey, KeysError> {
        self.lake.open_data_key(sealed, context)
    }

    /// Seals a small secret, such as a secret access key, for `context`.
    pub fn seal_secret(&self, secret: &[u8], context: &KeyContext) -> Result<SealedSecret, KeysError> {
        self.lake.seal_secret(&*self.entropy, secret, context)
    }

    /// A secret of `N` bytes that follows from the lake's key and `context`, for what is not kept anywhere.
    pub fn derived_secret<const N: usize>(&self, context: &KeyContext) -> Result<Secret, KeysError> {
        self.lake.derived_secret::<N>(context)
    }

    /// Opens a secret that was sealed for `context`.
    pub fn open_secret(&self, sealed: &SealedSecret, context: &KeyContext) -> Result<Secret, KeysError> {
        self.lake.open_secret(sealed, context)
    }
}
