//! Typed keyspaces: how keys are ordered and how records carry their version. Knows nothing of transactions.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Tells keyspaces apart in keys on disk. Each domain owns a range of 256: see `Keyspace::new`.
pub type KeyspaceId = u16;

/// A named, typed part of the store. Declared as `const`s in one `keyspaces.rs` per domain.
#[derive(Debug)]
pub struct Keyspace<R> {
    /// Written before every key; never reused.
    pub id: KeyspaceId,
    /// For people: `objects.versions`.
    pub name: &'static str,
    record: PhantomData<fn() -> R>,
}

impl<R> Clone for Keyspace<R> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<R> Copy for Keyspace<R> {}

impl<R: Record> Keyspace<R> {
    /// Ids: 0x00xx metadata itself, 0x01xx identity, 0x02xx keys, 0x03xx audit, 0x04xx objects, 0x05xx catalog,
    /// 0x06xx crawlers, 0x07xx query, 0x08xx streams, 0x09xx jobs, 0x0Axx ml, 0x0Bxx server.
    pub const fn new(id: KeyspaceId, name: &'static str) -> Self {
        Self { id, name, record: PhantomData }
    }
}

/// A stored value. It is written as `VERSION` (u16, big endian) followed by its postcard form, and migrates when it is read.
///
/// postcard is not self-describing: no `serde(skip_serializing_if)`, `flatten`, `untagged`, nor `serde_json::Value` inside (keep JSON as text).
pub trait Record: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Grows by one whenever the stored form changes.
    const VERSION: u16;

    /// Reads an older form; called with every version below `VERSION`.
    fn migrate(version: u16, bytes: &[u8]) -> Result<Self, RecordError> {
        let _ = bytes;
        Err(RecordError::Version { found: version, known: Self::VERSION })
    }
}

/// Why a stored value is not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Written by a newer server, or by one so old that its form was dropped.
    #[error(
        "record version {found} is not known; this server knows up to {known}: start it with the server version that wrote it"
    )]
    Version {
        /// On disk.
        found: u16,
        /// Of this server.
        known: u16,
    },
    /// The bytes do not decode.
    #[error("the record does not decode: {reason}")]
    Malformed {
        /// What the decoder said.
        reason: String,
    },
    /// Larger than `RECORD_SIZE_BYTES_MAX`.
    #[error("the record has {size_bytes} bytes, more than {size_bytes_max}")]
    TooLarge {
        /// Its size.
        size_bytes: usize,
        /// The limit.
        size_bytes_max: usize,
    },
}

/// The stored form of `record`.
pub fn encode_record<R: Record>(record: &R) -> Result<Vec<u8>, RecordError> {
    let bytes = postcard::to_extend(record, R::VERSION.to_be_bytes().to_vec())
        .map_err(|error| RecordError::Malformed { reason: error.to_string() })?;
    if bytes.len() > crate::RECORD_SIZE_BYTES_MAX {
        return Err(RecordError::TooLarge { size_bytes: bytes.len(), size_bytes_max: crate::RECORD_SIZE_BYTES_MAX });
    }
    Ok(bytes)
}

/// Reads a stored form, of this version or an older one.
pub fn decode_record<R: Record>(bytes: &[u8]) -> Result<R, RecordError> {
    let Some((version, body)) = bytes.split_first_chunk::<2>() else {
        return Err(RecordError::Malformed { reason: "shorter than its version".to_owned() });
    };
    match u16::from_be_bytes(*version) {
        version if version == R::VERSION => decode_form(body),
        version if version < R::VERSION => R::migrate(version, body),
        version => Err(RecordError::Version { found: version, known: R::VERSION }),
    }
}

/// Reads the body of a stored form, without its version: for migrations.
pub fn decode_form<T: DeserializeOwned>(body: &[u8]) -> Result<T, RecordError> {
    postcard::from_bytes(body).map_err(|error| RecordError::Malformed { reason: error.to_string() })
}

/// An ordered key built of parts. Text parts sort by their bytes and end in a terminator that sorts below every byte,
/// so that no key is a prefix of another by accident and `prefix` ranges are exact.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Key(Vec<u8>);

impl Key {
    /// No parts: before everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds text: 0x00 becomes 0x00 0xFF, and 0x00 0x00 ends it.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        self.push_escaped(text.as_bytes());
        self.0.extend_from_slice(&[0, 0]);
        self
    }

    /// Adds the beginning of a text part, without its end: for prefix ranges.
    #[must_use]
    pub fn text_prefix(mut self, prefix: &str) -> Self {
        self.push_escaped(prefix.as_bytes());
        self
    }

    fn push_escaped(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0.push(*byte);
            if *byte == 0 {
                self.0.push(0xff);
            }
        }
    }

    /// Adds a number that sorts ascending.
    #[must_use]
    pub fn u64(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// Adds a number that sorts descending: newest first.
    #[must_use]
    pub fn u64_descending(self, number: u64) -> Self {
        self.u64(!number)
    }

    /// Adds a small number that sorts ascending.
    #[must_use]
    pub fn u32(mut self, number: u32) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// Adds bytes as they are; only as the last part, or where all have one length.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The first key after all that begin with this one; `None` if there is none.
    pub fn after_prefix(&self) -> Option<Key> {
        let mut bytes = self.0.clone();
        while let Some(last) = bytes.pop() {
            if last < 0xff {
                bytes.push(last + 1);
                return Some(Key(bytes));
            }
        }
        None
    }

    /// Reads a key's parts back in order.
    pub fn reader(bytes: &[u8]) -> KeyReader<'_> {
        KeyReader(bytes)
    }
}

impl From<Vec<u8>> for Key {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

/// Reads the parts of a key; `None` where the bytes do not fit.
#[derive(Debug)]
pub struct KeyReader<'a>(&'a [u8]);

impl KeyReader<'_> {
    /// The next text part.
    pub fn text(&mut self) -> Option<String> {
        let mut out = Vec::new();
        let mut at = 0;
        loop {
            match (self.0.get(at)?, self.0.get(at + 1)) {
                (0, Some(0)) => {
                    self.0 = self.0.get(at + 2..)?;
                    return String::from_utf8(out).ok();
                }
                (0, Some(0xff)) => {
                    out.push(0);
                    at += 2;
                }
                (0, _) => return None,
                (byte, _) => {
                    out.push(*byte);
                    at += 1;
                }
            }
        }
    }

    /// The next ascending number.
    pub fn u64(&mut self) -> Option<u64> {
        let (bytes, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*bytes))
    }

    /// The next descending number.
    pub fn u64_descending(&mut self) -> Option<u64> {
        self.u64().map(|number| !number)
    }

    /// The next small number.
    pub fn u32(&mut self) -> Option<u32> {
        let (bytes, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*bytes))
    }

    /// What is left.
    pub fn rest(&self) -> &[u8] {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_keys_sort_as_their_text_and_read_back(a in "\\PC*|[\0a]*", b in "\\PC*|[\0a]*", n: u64) {
            let (ka, kb) = (Key::new().text(&a).u64(n), Key::new().text(&b).u64(n));
            prop_assert_eq!(a.as_bytes().cmp(b.as_bytes()), ka.cmp(&kb));
            let mut reader = Key::reader(ka.as_bytes());
            prop_assert_eq!(reader.text(), Some(a.clone()));
            prop_assert_eq!(reader.u64(), Some(n));
            let prefix = Key::new().text_prefix(&a);
            prop_assert_eq!(b.starts_with(&a), kb >= prefix && prefix.after_prefix().is_none_or(|end| kb < end));
        }
    }
}
