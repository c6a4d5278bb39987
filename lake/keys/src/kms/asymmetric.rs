//! Key pairs: what is encrypted for their holder, their public halves, secrets agreed on, and pairs made as data keys.
//! Signatures are in `signing.rs`.

use aws_lc_rs::agreement::{self, ECDH_P256, ECDH_P384, ECDH_P521, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    PrivateDecryptingKey,
};
use tarn_policy::Authorized;
use tarn_types::Scope;
use zeroize::Zeroizing;

use super::kinds::{EncryptionAlgorithm, KeySpec, KeyUsage};
use super::material::{Material, Pair};
use super::resolve::{find_in, require_proven};
use super::{Cipher, EncryptionContext, GeneratedKey, Kms, KmsError, KmsKey};
use crate::{KeysError, Secret};

/// The public half of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// Of which key.
    pub key: KmsKey,
    /// A DER SubjectPublicKeyInfo.
    pub der: Vec<u8>,
}

/// A key pair as a data key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataKeyPair {
    /// Its private half, PKCS #8: in the clear and encrypted.
    pub private: GeneratedKey,
    /// Its public half, a DER SubjectPublicKeyInfo.
    pub public: Vec<u8>,
}

/// What two holders of key pairs share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedSecret {
    /// Whose half was used.
    pub key: KmsKey,
    /// The raw secret: the x coordinate.
    pub secret: Secret,
}

fn failed<E>(_: E) -> KeysError {
    KeysError::Library { doing: "encrypting for a key pair" }
}

/// Of the two that these keys take; `cipher.rs` has looked.
pub(crate) fn oaep(algorithm: EncryptionAlgorithm) -> &'static OaepAlgorithm {
    match algorithm {
        EncryptionAlgorithm::RsaesOaepSha1 => &OAEP_SHA1_MGF1SHA1,
        EncryptionAlgorithm::RsaesOaepSha256 | EncryptionAlgorithm::SymmetricDefault => &OAEP_SHA256_MGF1SHA256,
    }
}

/// What an RSA key opens; `None` if it was not encrypted for it.
pub(crate) fn oaep_open(pkcs8: &[u8], algorithm: &'static OaepAlgorithm, bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let key = OaepPrivateDecryptingKey::new(PrivateDecryptingKey::from_pkcs8(pkcs8).ok()?).ok()?;
    let mut out = Zeroizing::new(vec![0; key.min_output_size()]);
    let len = key.decrypt(algorithm, bytes, &mut out, None).ok()?.len();
    out.truncate(len);
    Some(out)
}

pub(crate) fn encrypt(
    material: &Material,
    algorithm: EncryptionAlgorithm,
    plaintext: &[u8],
) -> Result<Vec<u8>, KmsError> {
    let private = PrivateDecryptingKey::from_pkcs8(material.bytes()).map_err(failed)?;
    let key = OaepPublicEncryptingKey::new(private.public_key()).map_err(failed)?;
    let size_bytes_max = key.max_plaintext_size(oaep(algorithm));
    if plaintext.len() > size_bytes_max {
        let reason = format!("{} with this key takes at most {size_bytes_max} bytes.", algorithm.name());
        return Err(KmsError::Validation { reason });
    }
    let mut out = vec![0; key.ciphertext_size()];
    let len = key.encrypt(oaep(algorithm), plaintext, &mut out, None).map_err(failed)?.len();
    out.truncate(len);
    Ok(out)
}

pub(crate) fn decrypt(material: &Material, algorithm: EncryptionAlgorithm, bytes: &[u8]) -> Result<Secret, KmsError> {
    let plain = oaep_open(material.bytes(), oaep(algorithm), bytes).ok_or(KmsError::InvalidCiphertext)?;
    Ok(Secret::new(plain.as_slice()))
}

fn ecdh(spec: KeySpec) -> Option<&'static agreement::Algorithm> {
    match spec {
        KeySpec::EccNistP256 => Some(&ECDH_P256),
        KeySpec::EccNistP384 => Some(&ECDH_P384),
        KeySpec::EccNistP521 => Some(&ECDH_P521),
        _ => None,
    }
}

impl Kms {
    /// The public half of a key.
    pub fn public_key(&self, proof: &Authorized, scope: &Scope, name: &str) -> Result<PublicKey, KmsError> {
        let snapshot = self.snapshot()?;
        let key = find_in(&snapshot, &scope.account, &scope.region, name)?;
        require_proven(proof, &key, name)?;
        if !key.spec.is_pair() {
            let (arn, reason) = (key.arn().to_string(), "is not an asymmetric key: it has no public half.");
            return Err(KmsError::UnsupportedForKey { arn, reason });
        }
        key.require_usable()?;
        Ok(PublicKey { der: self.pair(&snapshot, &key)?.public.clone(), key })
    }

    /// A fresh key pair, its private half in the clear and encrypted under a symmetric key.
    pub async fn generate_data_key_pair(
        &self,
        proof: &Authorized,
        scope: &Scope,
        name: &str,
        spec: KeySpec,
        context: &EncryptionContext,
    ) -> Result<DataKeyPair, KmsError> {
        // Refused before the work, not after it.
        let key = self.key(proof, scope, name)?;
        Cipher::symmetric(context).require(&key, "GenerateDataKeyPair")?;
        if !spec.is_pair() {
            return Err(KmsError::Validation { reason: format!("{} is not a kind of key pair.", spec.name()) });
        }
        let pkcs8 = self.fresh_material(spec).await?;
        let public = Pair::open(spec, &pkcs8).ok_or_else(|| failed(()))?.public_key()?;
        let sealed = self.encrypt(proof, scope, name, &pkcs8, Cipher::symmetric(context))?;
        let plaintext = Secret::new(pkcs8.as_slice());
        let private = GeneratedKey { key: sealed.key, plaintext, blob: sealed.blob, material: sealed.material };
        Ok(DataKeyPair { private, public })
    }

    /// What the holder of the other half of `public` shares with a key.
    pub fn derive_shared_secret(
        &self,
        proof: &Authorized,
        scope: &Scope,
        name: &str,
        public: &[u8],
    ) -> Result<SharedSecret, KmsError> {
        let snapshot = self.snapshot()?;
        let key = find_in(&snapshot, &scope.account, &scope.region, name)?;
        require_proven(proof, &key, name)?;
        key.require_use(KeyUsage::KeyAgreement, "DeriveSharedSecret")?;
        let algorithm = ecdh(key.spec).ok_or_else(|| key.incompatible("ECDH"))?;
        let material = self.material(&snapshot, &key, key.version)?;
        let private = PrivateKey::from_private_key_der(algorithm, material.bytes()).map_err(failed)?;
        let refused = || KmsError::Validation {
            reason: "PublicKey must be a DER SubjectPublicKeyInfo on the same curve as the key.".to_owned(),
        };
        let secret = agreement::agree(&private, UnparsedPublicKey::new(algorithm, public), refused(), |secret| {
            Ok(Secret::new(secret))
        })?;
        Ok(SharedSecret { secret, key })
    }
}
