//! The encryption context: pairs of text that are authenticated with what is encrypted, and must be given again to decrypt it.
//! <https://docs.aws.amazon.com/kms/latest/developerguide/encrypt_context.html>

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tarn_policy::Requirement;

use super::KmsError;

/// The most bytes of a context's keys and values together.
const CONTEXT_SIZE_BYTES_MAX: usize = 8_192;

/// An encryption context. The order in which its pairs were given does not count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncryptionContext(BTreeMap<String, String>);

impl EncryptionContext {
    /// Of these pairs; refuses more than 8,192 bytes.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, KmsError> {
        let pairs: BTreeMap<String, String> = pairs.into_iter().collect();
        let size_bytes: usize = pairs.iter().map(|(key, value)| key.len() + value.len()).sum();
        if size_bytes > CONTEXT_SIZE_BYTES_MAX {
            let reason = format!("The encryption context has {size_bytes} bytes, more than {CONTEXT_SIZE_BYTES_MAX}.");
            return Err(KmsError::Validation { reason });
        }
        Ok(Self(pairs))
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every pair of `other` is one of these.
    pub(crate) fn contains(&self, other: &Self) -> bool {
        other.0.iter().all(|(key, value)| self.0.get(key) == Some(value))
    }

    /// With one more pair.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.insert(key.into(), value.into());
        self
    }

    /// Its pairs, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Sets the condition keys by which policies speak of it: `kms:EncryptionContext:KEY` and `kms:EncryptionContextKeys`.
    pub fn describe(&self, requirement: &mut Requirement) {
        for (key, value) in self.iter() {
            requirement.context.set(&format!("kms:EncryptionContext:{key}"), value);
        }
        if !self.0.is_empty() {
            requirement.context.set_all("kms:EncryptionContextKeys", self.0.keys().cloned());
        }
    }

    /// What a requirement says of a context: the reverse of `describe`. `None` where it cannot be told, since keys of conditions do not tell
    /// upper from lower case and those of contexts do.
    pub(crate) fn described(requirement: &Requirement) -> Option<Self> {
        let Some(keys) = requirement.context.get("kms:EncryptionContextKeys") else { return Some(Self::default()) };
        let mut lower: Vec<String> = keys.iter().map(|key| key.to_ascii_lowercase()).collect();
        lower.sort_unstable();
        if lower.windows(2).any(|pair| pair.first() == pair.last()) {
            return None;
        }
        let value = |key: &String| match requirement.context.get(&format!("kms:EncryptionContext:{key}")) {
            Some([value]) => Some((key.clone(), value.clone())),
            _ => None,
        };
        Some(Self(keys.iter().map(value).collect::<Option<_>>()?))
    }

    /// One form for each set of pairs.
    pub(crate) fn write_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.0.len() as u64).to_be_bytes());
        for text in self.0.iter().flat_map(|(key, value)| [key, value]) {
            out.extend_from_slice(&(text.len() as u64).to_be_bytes());
            out.extend_from_slice(text.as_bytes());
        }
    }
}
