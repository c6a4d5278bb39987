//! Wrapping of data keys and small secrets by the root key. Knows no file and no chunk.
//!
//! Each call derives its own wrapping key from the root key and 128 random bits, so that the number of calls under one root key has no
//! practical limit (random nonces under one AES-GCM key end at 2^32). A commitment derived beside it makes a sealed key open under one
//! root key only: <https://eprint.iacr.org/2020/1456>.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};
use tarn_runtime::{Entropy, EntropyExt};
use zeroize::Zeroizing;

use crate::derive::derive;
use crate::{KeysError, PartKey};

/// Names a root key without telling it: derived from it.
pub type RootKeyId = [u8; 8];

/// The form that this server writes.
const FORMAT: u8 = 1;

/// What a sealed thing belongs to: it opens only for the same context. Order and boundaries of the parts count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyContext(Vec<u8>);

impl KeyContext {
    /// A context of one purpose, such as `objects.version`.
    pub fn new(purpose: &str) -> Self {
        Self(Vec::new()).part(purpose.as_bytes())
    }

    /// Adds a part, such as the bytes of a version's id.
    #[must_use]
    pub fn part(mut self, part: &[u8]) -> Self {
        self.0.extend_from_slice(&(part.len() as u64).to_be_bytes());
        self.0.extend_from_slice(part);
        self
    }

    fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Secret text or bytes: cleared when dropped, and not printable.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes secret bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The bytes, for signing and for showing once.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text; `None` if they are not UTF-8.
    pub fn expose_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What was sealed under a root key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Sealed {
    format: u8,
    root_key_id: RootKeyId,
    salt: [u8; 16],
    commitment: [u8; 32],
    ciphertext: Vec<u8>,
}

/// A data key as it is kept in the store.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedDataKey(Sealed);

/// A small secret as it is kept in the store.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedSecret(Sealed);

impl fmt::Debug for SealedDataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedDataKey(root {})", hex::encode(self.0.root_key_id))
    }
}

impl fmt::Debug for SealedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedSecret(root {})", hex::encode(self.0.root_key_id))
    }
}

impl SealedDataKey {
    /// The root key that sealed it.
    pub fn root_key_id(&self) -> RootKeyId {
        self.0.root_key_id
    }
}

/// Told apart in the derivation, so that one kind never opens as the other.
#[derive(Clone, Copy)]
enum Kind {
    DataKey,
    Secret,
}

impl Kind {
    fn label(self) -> &'static [u8] {
        match self {
            Self::DataKey => b"tarn/keys/1/data-key",
            Self::Secret => b"tarn/keys/1/secret",
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::DataKey => "a data key",
            Self::Secret => "a sealed secret",
        }
    }
}

/// The root key in memory.
pub(crate) struct RootKey {
    key: Zeroizing<[u8; 32]>,
    id: RootKeyId,
}

impl RootKey {
    pub(crate) fn new(key: Zeroizing<[u8; 32]>) -> Result<Self, KeysError> {
        let id = *derive::<8>(&key, b"", &[b"tarn/keys/1/root-key-id"])?;
        Ok(Self { key, id })
    }

    pub(crate) fn id(&self) -> RootKeyId {
        self.id
    }

    /// The key itself, to be sealed by another.
    pub(crate) fn expose(&self) -> Secret {
        Secret::new(self.key.to_vec())
    }

    /// Tells this root key from every other, and tells nothing of it.
    pub(crate) fn check_value(&self) -> Result<[u8; 32], KeysError> {
        Ok(*derive::<32>(&self.key, b"", &[b"tarn/keys/1/check-value"])?)
    }

    /// A secret that follows from `context`.
    pub(crate) fn derived_secret<const N: usize>(&self, context: &KeyContext) -> Result<Secret, KeysError> {
        let derived = derive::<N>(&self.key, b"", &[b"tarn/keys/1/derived-secret", context.as_bytes()])?;
        Ok(Secret::new(derived.to_vec()))
    }

    /// The key and the commitment of one sealing.
    fn wrapping_key(&self, kind: Kind, salt: &[u8; 16]) -> Result<(LessSafeKey, [u8; 32]), KeysError> {
        let derived = derive::<64>(&self.key, salt, &[kind.label()])?;
        let (key, commitment) = derived.split_at(32);
        let key =
            UnboundKey::new(&AES_256_GCM, key).map_err(|_| KeysError::Library { doing: "making a wrapping key" })?;
        let commitment = commitment.try_into().map_err(|_| KeysError::Library { doing: "making a commitment" })?;
        Ok((LessSafeKey::new(key), commitment))
    }

    fn seal(&self, entropy: &dyn Entropy, kind: Kind, plain: &[u8], context: &KeyContext) -> Result<Sealed, KeysError> {
        let salt = entropy.bytes::<16>();
        let (key, commitment) = self.wrapping_key(kind, &salt)?;
        let mut ciphertext = plain.to_vec();
        key.seal_in_place_append_tag(zero_nonce(), Aad::from(context.as_bytes()), &mut ciphertext)
            .map_err(|_| KeysError::Library { doing: "sealing a key" })?;
        Ok(Sealed { format: FORMAT, root_key_id: self.id, salt, commitment, ciphertext })
    }

    fn open(&self, kind: Kind, sealed: &Sealed, context: &KeyContext) -> Result<Zeroizing<Vec<u8>>, KeysError> {
        let refused = |_| KeysError::NotAuthentic { what: kind.what() };
        if sealed.format != FORMAT {
            return Err(KeysError::FormatUnknown { found: sealed.format });
        }
        if sealed.root_key_id != self.id {
            return Err(KeysError::RootKeyUnknown { id: hex::encode(sealed.root_key_id) });
        }
        let (key, commitment) = self.wrapping_key(kind, &sealed.salt)?;
        verify_slices_are_equal(&commitment, &sealed.commitment).map_err(refused)?;
        let mut bytes = Zeroizing::new(sealed.ciphertext.clone());
        let plain_len =
            key.open_in_place(zero_nonce(), Aad::from(context.as_bytes()), &mut bytes).map_err(refused)?.len();
        bytes.truncate(plain_len);
        Ok(bytes)
    }

    pub(crate) fn data_key(
        &self,
        entropy: &dyn Entropy,
        context: &KeyContext,
    ) -> Result<(DataKey, SealedDataKey), KeysError> {
        let key = Zeroizing::new(entropy.bytes::<32>());
        let sealed = self.seal(entropy, Kind::DataKey, key.as_slice(), context)?;
        Ok((DataKey(Arc::new(key)), SealedDataKey(sealed)))
    }

    pub(crate) fn open_data_key(&self, sealed: &SealedDataKey, context: &KeyContext) -> Result<DataKey, KeysError> {
        let bytes = self.open(Kind::DataKey, &sealed.0, context)?;
        let mut key = Zeroizing::new([0; 32]);
        if bytes.len() != key.len() {
            return Err(KeysError::NotAuthentic { what: Kind::DataKey.what() });
        }
        key.copy_from_slice(&bytes);
        Ok(DataKey(Arc::new(key)))
    }

    pub(crate) fn seal_secret(
        &self,
        entropy: &dyn Entropy,
        secret: &[u8],
        context: &KeyContext,
    ) -> Result<SealedSecret, KeysError> {
        self.seal(entropy, Kind::Secret, secret, context).map(SealedSecret)
    }

    pub(crate) fn open_secret(&self, sealed: &SealedSecret, context: &KeyContext) -> Result<Secret, KeysError> {
        self.open(Kind::Secret, &sealed.0, context).map(Secret)
    }
}

/// The id that stands where no root key sealed.
const NO_ROOT_KEY: RootKeyId = [0; 8];

/// A key from outside of the lake's own custody that seals a data key in the root key's place: a data key of KMS, or one that a customer
/// keeps. Cheap to clone.
#[derive(Clone)]
pub struct WrappingKey(Arc<RootKey>);

impl fmt::Debug for WrappingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WrappingKey(..)")
    }
}

impl WrappingKey {
    /// Of these bytes.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(Arc::new(RootKey { key: Zeroizing::new(*key), id: NO_ROOT_KEY }))
    }

    /// A fresh data key, and its form for the store, which opens only under this key and for `context`. Nothing in that form tells
    /// whether two were sealed by one key.
    pub fn data_key(&self, entropy: &dyn Entropy, context: &KeyContext) -> Result<(DataKey, SealedDataKey), KeysError> {
        self.0.data_key(entropy, context)
    }

    /// Opens a data key that was made for `context`; `NotAuthentic` under another key.
    pub fn open_data_key(&self, sealed: &SealedDataKey, context: &KeyContext) -> Result<DataKey, KeysError> {
        self.0.open_data_key(sealed, context)
    }
}

/// Every wrapping key seals once, so that the nonce need not differ.
fn zero_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

/// The key of one object version's bytes. Cheap to clone; cleared when the last is dropped.
#[derive(Clone)]
pub struct DataKey(Arc<Zeroizing<[u8; 32]>>);

impl DataKey {
    /// The key of part `part` (0 for an object put in one piece) of the version `version`.
    pub fn part(&self, part: u32, version: [u8; 16]) -> Result<PartKey, KeysError> {
        let key = derive::<32>(&self.0, b"", &[b"tarn/keys/1/part", &part.to_be_bytes(), &version])?;
        PartKey::new(&key, part, version)
    }

    /// A tag over metadata that must not be changed without the key, such as a version's length and part table.
    pub fn authenticate(&self, label: &str, bytes: &[u8]) -> Result<[u8; 32], KeysError> {
        let key = derive::<32>(&self.0, b"", &[b"tarn/keys/1/authenticate", label.as_bytes()])?;
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_slice()), bytes);
        tag.as_ref().try_into().map_err(|_| KeysError::Library { doing: "authenticating metadata" })
    }

    /// Whether `tag` is the tag of `bytes`, in constant time.
    pub fn verify(&self, label: &str, bytes: &[u8], tag: &[u8; 32]) -> Result<(), KeysError> {
        let expected = self.authenticate(label, bytes)?;
        verify_slices_are_equal(&expected, tag).map_err(|_| KeysError::NotAuthentic { what: "an object's metadata" })
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(..)")
    }
}
