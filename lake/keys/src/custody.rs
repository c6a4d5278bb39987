//! Custody of the root key: who keeps it from whoever can read the data directory. In the clear in a file of its own, wrapped by a
//! passphrase, or wrapped by somebody outside, such as another KMS.
//!
//! The root key seals one thing, the lake's key, which seals everything else: so another root key is put in its place in one commit.

use std::fmt;
use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, Version};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tarn_metadata::{Record, decode_record, encode_record};
use tarn_runtime::{Entropy, EntropyExt};
use zeroize::Zeroizing;

use crate::root_file::Kept;
use crate::seal::RootKey;
use crate::{KeyContext, KeysError, SealedSecret, Secret};

/// Memory that a passphrase is stretched in, KiB: what a guess costs whoever has the file.
/// <https://www.rfc-editor.org/rfc/rfc9106#section-4>
const MEMORY_KIB: u32 = 64 << 10;
/// The most that a file can make a start use.
const MEMORY_KIB_MAX: u32 = 1 << 20;
/// How often that memory is gone through.
const PASSES: u32 = 3;
/// The most that a file can ask for.
const PASSES_MAX: u32 = 64;
/// The shortest passphrase that is taken.
pub const PASSPHRASE_CHARS_MIN: usize = 12;
/// The name of custody by a passphrase in the file.
const PASSPHRASE: &str = "passphrase";

/// Who keeps the root key.
#[derive(Clone)]
pub enum Custody {
    /// A file beside the data that only its owner can read.
    File,
    /// Who knows a passphrase; the file is of no use without it.
    Passphrase(Secret),
    /// Somebody outside, who is asked at every start.
    Keeper(Arc<dyn RootKeyKeeper>),
}

impl fmt::Debug for Custody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Somebody outside who wraps the root key and opens it again.
pub trait RootKeyKeeper: Send + Sync {
    /// As the configuration calls it: `aws-kms`, `vault-transit`.
    fn name(&self) -> &'static str;
    /// Wraps a root key.
    fn wrap<'a>(&'a self, key: &'a Secret) -> BoxFuture<'a, Result<Vec<u8>, String>>;
    /// Opens what it wrapped; says why not.
    fn unwrap<'a>(&'a self, wrapped: &'a [u8]) -> BoxFuture<'a, Result<Secret, String>>;
}

/// A root key under a passphrase.
#[derive(Serialize, Deserialize)]
struct UnderPassphrase {
    memory_kib: u32,
    passes: u32,
    salt: [u8; 16],
    sealed: SealedSecret,
}

impl Record for UnderPassphrase {
    const VERSION: u16 = 1;
}

fn context() -> KeyContext {
    KeyContext::new("root-key")
}

/// The key that a passphrase stands for. Takes the memory and the time that it says.
fn stretch(passphrase: &Secret, salt: &[u8; 16], memory_kib: u32, passes: u32) -> Result<RootKey, KeysError> {
    let failed = |_| KeysError::Library { doing: "stretching a passphrase" };
    let params = Params::new(memory_kib, passes, 1, Some(32)).map_err(failed)?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.expose(), salt, key.as_mut_slice())
        .map_err(failed)?;
    RootKey::new(key)
}

fn key_of(secret: &Secret) -> Option<Zeroizing<[u8; 32]>> {
    Some(Zeroizing::new(secret.expose().try_into().ok()?))
}

impl Custody {
    /// As the configuration calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Passphrase(_) => PASSPHRASE,
            Self::Keeper(keeper) => keeper.name(),
        }
    }

    /// What to write of a root key.
    pub(crate) async fn keep(&self, key: &Zeroizing<[u8; 32]>, entropy: &dyn Entropy) -> Result<Kept, KeysError> {
        let wrapped = |bytes| Kept::Wrapped { by: self.name().to_owned(), bytes };
        match self {
            Self::File => Ok(Kept::Plain(key.clone())),
            Self::Passphrase(passphrase) => {
                let chars = passphrase.expose_text().map_or(0, |text| text.chars().count());
                if chars < PASSPHRASE_CHARS_MIN {
                    return Err(KeysError::PassphraseShort { chars, chars_min: PASSPHRASE_CHARS_MIN });
                }
                let salt = entropy.bytes::<16>();
                let wrapping = stretch(passphrase, &salt, MEMORY_KIB, PASSES)?;
                let sealed = wrapping.seal_secret(entropy, key.as_slice(), &context())?;
                let record = UnderPassphrase { memory_kib: MEMORY_KIB, passes: PASSES, salt, sealed };
                let bytes = encode_record(&record).map_err(|_| KeysError::Library { doing: "writing a root key" })?;
                Ok(wrapped(bytes))
            }
            Self::Keeper(keeper) => {
                let bytes = keeper.wrap(&Secret::new(key.to_vec())).await;
                Ok(wrapped(bytes.map_err(|reason| KeysError::Keeper { name: keeper.name(), reason })?))
            }
        }
    }

    /// The root key that `kept` says, which stands in the file `path`.
    pub(crate) async fn open(&self, kept: &Kept, path: &str) -> Result<RootKey, KeysError> {
        let other = |found: &str| KeysError::CustodyOther {
            path: path.to_owned(),
            found: found.to_owned(),
            configured: self.name(),
        };
        let malformed = |reason| KeysError::RootKeyMalformed { path: path.to_owned(), reason };
        let key = match (self, kept) {
            (Self::File, Kept::Plain(key)) => key.clone(),
            (Self::Passphrase(_) | Self::Keeper(_), Kept::Plain(_)) => return Err(other("file")),
            (_, Kept::Wrapped { by, .. }) if by != self.name() => return Err(other(by)),
            (Self::File, Kept::Wrapped { by, .. }) => return Err(other(by)),
            (Self::Passphrase(passphrase), Kept::Wrapped { bytes, .. }) => {
                let UnderPassphrase { memory_kib, passes, salt, sealed } =
                    decode_record(bytes).map_err(|_| malformed("what is wrapped by the passphrase is damaged"))?;
                if memory_kib > MEMORY_KIB_MAX || passes > PASSES_MAX {
                    return Err(malformed("it asks for more memory or time than any root key needs"));
                }
                let wrapping = stretch(passphrase, &salt, memory_kib, passes)?;
                let secret = wrapping.open_secret(&sealed, &context());
                let secret = secret.map_err(|_| KeysError::PassphraseWrong { path: path.to_owned() })?;
                key_of(&secret).ok_or_else(|| malformed("it is not 32 bytes"))?
            }
            (Self::Keeper(keeper), Kept::Wrapped { bytes, .. }) => {
                let secret = keeper.unwrap(bytes).await;
                let secret = secret.map_err(|reason| KeysError::Keeper { name: keeper.name(), reason })?;
                key_of(&secret).ok_or_else(|| malformed("what its keeper opened is not 32 bytes"))?
            }
        };
        RootKey::new(key)
    }
}
