//! Derivation of keys from keys: HKDF-SHA256 with a label for each purpose, so that no two purposes share a key.

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use zeroize::Zeroizing;

use crate::KeysError;

struct Len(usize);

impl KeyType for Len {
    fn len(&self) -> usize {
        self.0
    }
}

/// `N` bytes for the purpose that `info` names, out of `key`.
pub(crate) fn derive<const N: usize>(
    key: &[u8; 32],
    salt: &[u8],
    info: &[&[u8]],
) -> Result<Zeroizing<[u8; N]>, KeysError> {
    derive_from(key, salt, info)
}

/// As `derive`, out of secret bytes of any length.
pub(crate) fn derive_from<const N: usize>(
    secret: &[u8],
    salt: &[u8],
    info: &[&[u8]],
) -> Result<Zeroizing<[u8; N]>, KeysError> {
    let mut out = Zeroizing::new([0; N]);
    Salt::new(HKDF_SHA256, salt)
        .extract(secret)
        .expand(info, Len(N))
        .and_then(|okm| okm.fill(out.as_mut_slice()))
        .map_err(|_| KeysError::Library { doing: "deriving a key" })?;
    Ok(out)
}
