//! Keys of the lake: the sealed root key, data keys wrapped by it or by others, the cipher that stored bytes are written in, and KMS.
//! Knows nothing of objects, buckets or HTTP.
//!
//! * `Custody` says who keeps the root key: a file beside the data (0600), a passphrase, somebody outside. It seals the lake's key, which
//!   seals everything else; the store has a check value of it, and `Keys` refuses to open with another.
//! * `Keys::data_key` makes a fresh data key and its sealed form; `DataKey::part` derives a key for each part of an object's version.
//! * `PartKey` seals chunks of 64 KiB, each bound to its place and to being the last, so that chunks cannot be swapped, cut or added.
//! * `kms` has the keys of accounts: made, named, restricted by policies, and used without ever being shown.
//!
//! **Invariant:** no key and no secret is ever in the store, a log or a `Debug` output in the clear.

mod chunks;
mod custody;
mod derive;
mod errors;
pub mod kms;
mod lake_keys;
#[cfg(any(test, feature = "fuzz"))]
pub mod probes;
mod root_file;
mod seal;

#[cfg(test)]
mod tests;

pub use chunks::{
    CHUNK_BYTES, PartKey, RangeOpener, SEALED_CHUNK_BYTES, SealWriter, TAG_BYTES, open_range, open_stream, plain_len,
    seal_stream, sealed_len,
};
pub use custody::{Custody, PASSPHRASE_CHARS_MIN, RootKeyKeeper};
pub use errors::KeysError;
pub use lake_keys::{Keys, ROOT_KEYS, RootKeyRecord, RootKeyRotated};
pub use seal::{DataKey, KeyContext, RootKeyId, SealedDataKey, SealedSecret, Secret, WrappingKey};
