//! Signing keys: derived from a secret for one day, region and service, and kept for the next request.

use std::fmt;
use std::num::NonZeroUsize;

use aws_lc_rs::hmac;
use lru::LruCache;
use parking_lot::Mutex;

use crate::sha256;

/// Most derived keys that are kept.
const SIGNING_KEYS_COUNT_MAX: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();

/// A key that signs for one day, region and service.
#[derive(Clone)]
pub struct SigningKey(hmac::Key);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(***)")
    }
}

impl SigningKey {
    /// Derives the key of `secret` for `date` (`20260102`), `region` and `service`.
    pub fn derive(secret: &str, date: &str, region: &str, service: &str) -> Self {
        let mut key = hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{secret}").as_bytes());
        for part in [date, region, service, "aws4_request"] {
            key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref());
        }
        Self(key)
    }

    pub(crate) fn sign(&self, text: &[u8]) -> [u8; 32] {
        let mut signature = [0; 32];
        signature.copy_from_slice(hmac::sign(&self.0, text).as_ref());
        signature
    }

    /// In constant time.
    pub(crate) fn is_signature(&self, text: &[u8], signature: &[u8; 32]) -> bool {
        hmac::verify(&self.0, text, signature).is_ok()
    }
}

/// Derived keys that were used lately. Found by a digest of all they derive from, so that a new secret under an old id finds no old key.
pub struct SigningKeys(Mutex<LruCache<[u8; 32], SigningKey>>);

impl Default for SigningKeys {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(SIGNING_KEYS_COUNT_MAX)))
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKeys(***)")
    }
}

impl SigningKeys {
    /// The derived key, from the last use or anew.
    pub fn key(&self, secret: &str, date: &str, region: &str, service: &str) -> SigningKey {
        let name = sha256(format!("{secret}\0{date}\0{region}\0{service}").as_bytes());
        if let Some(key) = self.0.lock().get(&name) {
            return key.clone();
        }
        let key = SigningKey::derive(secret, date, region, service);
        self.0.lock().put(name, key.clone());
        key
    }
}
