//! What keys are for: small secrets encrypted, decrypted and moved between keys; data keys made.
//!
//! Each call derives its own wrapping key from the key's material and 128 random bits, so that the number of calls under one key has no
//! practical limit, and a commitment beside it, so that a ciphertext opens under one key only: as in `seal.rs`. Key, version and
//! encryption context are authenticated.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use tarn_metadata::Read;
use tarn_policy::{Authorized, Requirement};
use tarn_runtime::EntropyExt;
use tarn_types::{AccountId, Arn, Scope};
use zeroize::Zeroizing;

use super::kinds::{EncryptionAlgorithm, KeyUsage};
use super::material::MaterialId;
use super::records::KmsKey;
use super::resolve::{find_in, require_proven};
use super::{EncryptionContext, Kms, KmsError, asymmetric};
use crate::derive::derive;
use crate::{KeysError, Secret};

/// The most bytes that a call encrypts: <https://docs.aws.amazon.com/kms/latest/APIReference/API_Encrypt.html>
pub const PLAINTEXT_SIZE_BYTES_MAX: usize = 4_096;
/// The form that this server writes.
const FORMAT: u8 = 1;
const ACCOUNT_BYTES: usize = 12;
const ID_BYTES: usize = 36;
const SALT_BYTES: usize = 16;
const COMMITMENT_BYTES: usize = 32;
/// Format, account, key id and version: what is authenticated with the context.
const HEADER_BYTES: usize = 1 + ACCOUNT_BYTES + ID_BYTES + 4;
const LABEL: &[u8] = b"tarn/keys/1/kms";

/// What was encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encrypted {
    /// Under which key.
    pub key: Arn,
    /// The bytes; those under a symmetric key name it.
    pub blob: Vec<u8>,
    /// Which material did it, of a symmetric key.
    pub material: Option<MaterialId>,
}

/// What was decrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decrypted {
    /// Under which key it was.
    pub key: Arn,
    /// The secret.
    pub plaintext: Secret,
    /// Which material did it, of a symmetric key.
    pub material: Option<MaterialId>,
}

/// A data key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedKey {
    /// Under which key it is encrypted.
    pub key: Arn,
    /// In the clear.
    pub plaintext: Secret,
    /// Encrypted.
    pub blob: Vec<u8>,
    /// By which material.
    pub material: Option<MaterialId>,
}

/// What is to be encrypted or decrypted, and how.
#[derive(Debug, Clone, Copy)]
pub struct Cipher<'a> {
    /// How.
    pub algorithm: EncryptionAlgorithm,
    /// What is authenticated with it; only symmetric keys take any.
    pub context: &'a EncryptionContext,
}

impl<'a> Cipher<'a> {
    /// Under a symmetric key.
    pub fn symmetric(context: &'a EncryptionContext) -> Self {
        Self { algorithm: EncryptionAlgorithm::SymmetricDefault, context }
    }

    /// Refuses a key that cannot do this now.
    pub(crate) fn require(&self, key: &KmsKey, operation: &'static str) -> Result<(), KmsError> {
        key.require_use(KeyUsage::EncryptDecrypt, operation)?;
        if !key.spec.encryption_algorithms(key.usage).contains(&self.algorithm) {
            return Err(key.incompatible(self.algorithm.name()));
        }
        if self.algorithm != EncryptionAlgorithm::SymmetricDefault && !self.context.is_empty() {
            let reason = "An encryption context is for symmetric keys only: leave it out.".to_owned();
            return Err(KmsError::Validation { reason });
        }
        Ok(())
    }
}

/// A ciphertext taken apart.
struct Blob<'a> {
    header: &'a [u8],
    account: AccountId,
    id: &'a str,
    version: u32,
    salt: [u8; SALT_BYTES],
    commitment: [u8; COMMITMENT_BYTES],
    sealed: &'a [u8],
}

impl<'a> Blob<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_at_checked(HEADER_BYTES)?;
        let (format, named) = header.split_first()?;
        let (account, named) = named.split_at_checked(ACCOUNT_BYTES)?;
        let (id, version) = named.split_at_checked(ID_BYTES)?;
        let (salt, rest) = rest.split_first_chunk::<SALT_BYTES>()?;
        let (commitment, sealed) = rest.split_first_chunk::<COMMITMENT_BYTES>()?;
        if *format != FORMAT {
            return None;
        }
        Some(Self {
            header,
            account: AccountId::new(std::str::from_utf8(account).ok()?).ok()?,
            id: std::str::from_utf8(id).ok()?,
            version: u32::from_be_bytes(version.try_into().ok()?),
            salt: *salt,
            commitment: *commitment,
            sealed,
        })
    }
}

/// The key and the commitment of one call.
fn wrapping_key(
    material: &[u8; 32],
    salt: &[u8; SALT_BYTES],
) -> Result<(LessSafeKey, [u8; COMMITMENT_BYTES]), KeysError> {
    let derived = derive::<64>(material, salt, &[LABEL])?;
    let (key, commitment) = derived.split_at(32);
    let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| KeysError::Library { doing: "making a wrapping key" })?;
    let commitment = commitment.try_into().map_err(|_| KeysError::Library { doing: "making a commitment" })?;
    Ok((LessSafeKey::new(key), commitment))
}

/// Every wrapping key seals once, so that the nonce need not differ.
fn zero_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

fn aad(header: &[u8], context: &EncryptionContext) -> Vec<u8> {
    let mut aad = header.to_vec();
    context.write_to(&mut aad);
    aad
}

impl Kms {
    /// Which key a ciphertext says it is encrypted under, for requirements; `None` if it is not a ciphertext of this lake.
    pub fn key_of(&self, scope: &Scope, blob: &[u8]) -> Option<String> {
        let blob = Blob::parse(blob)?;
        Some(Arn::regional("kms", &scope.region, &blob.account, format!("key/{}", blob.id)).to_string())
    }

    fn seal(
        &self,
        read: &impl Read,
        key: &KmsKey,
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<(Vec<u8>, MaterialId), KmsError> {
        let material = self.material(read, key, key.version)?;
        let salt = self.0.runtime.entropy.bytes::<SALT_BYTES>();
        let (wrapping, commitment) = wrapping_key(material.symmetric()?, &salt)?;
        let mut blob = Vec::with_capacity(HEADER_BYTES + SALT_BYTES + COMMITMENT_BYTES + plaintext.len() + 16);
        blob.push(FORMAT);
        blob.extend_from_slice(key.account.as_str().as_bytes());
        blob.extend_from_slice(key.id.as_bytes());
        blob.extend_from_slice(&key.version.to_be_bytes());
        let aad = aad(&blob, context);
        blob.extend_from_slice(&salt);
        blob.extend_from_slice(&commitment);
        let mut sealed = plaintext.to_vec();
        wrapping
            .seal_in_place_append_tag(zero_nonce(), Aad::from(aad), &mut sealed)
            .map_err(|_| KeysError::Library { doing: "encrypting under a KMS key" })?;
        blob.extend_from_slice(&sealed);
        Ok((blob, material.id()))
    }

    fn open(
        &self,
        read: &impl Read,
        key: &KmsKey,
        blob: &Blob<'_>,
        context: &EncryptionContext,
    ) -> Result<(Secret, MaterialId), KmsError> {
        let material = self.material(read, key, blob.version)?;
        let (wrapping, commitment) = wrapping_key(material.symmetric()?, &blob.salt)?;
        verify_slices_are_equal(&commitment, &blob.commitment).map_err(|_| KmsError::InvalidCiphertext)?;
        let mut bytes = Zeroizing::new(blob.sealed.to_vec());
        let plain_len = wrapping
            .open_in_place(zero_nonce(), Aad::from(aad(blob.header, context)), &mut bytes)
            .map_err(|_| KmsError::InvalidCiphertext)?
            .len();
        Ok((Secret::new(bytes.get(..plain_len).unwrap_or_default()), material.id()))
    }

    /// Encrypts at most 4,096 bytes under a key. The proof must be of a decision on it.
    pub fn encrypt(
        &self,
        proof: &Authorized,
        scope: &Scope,
        name: &str,
        plaintext: &[u8],
        cipher: Cipher<'_>,
    ) -> Result<Encrypted, KmsError> {
        self.encrypt_for("Encrypt", proof, scope, name, plaintext, cipher)
    }

    fn encrypt_for(
        &self,
        operation: &'static str,
        proof: &Authorized,
        scope: &Scope,
        name: &str,
        plaintext: &[u8],
        cipher: Cipher<'_>,
    ) -> Result<Encrypted, KmsError> {
        let snapshot = self.snapshot()?;
        let key = find_in(&snapshot, &scope.account, &scope.region, name)?;
        require_proven(proof, &key, name)?;
        cipher.require(&key, operation)?;
        if plaintext.is_empty() || plaintext.len() > PLAINTEXT_SIZE_BYTES_MAX {
            let reason = format!("The plaintext must have 1 to {PLAINTEXT_SIZE_BYTES_MAX} bytes.");
            return Err(KmsError::Validation { reason });
        }
        let (blob, material) = match cipher.algorithm {
            EncryptionAlgorithm::SymmetricDefault => {
                let (blob, material) = self.seal(&snapshot, &key, plaintext, cipher.context)?;
                (blob, Some(material))
            }
            EncryptionAlgorithm::RsaesOaepSha1 | EncryptionAlgorithm::RsaesOaepSha256 => {
                let material = self.material(&snapshot, &key, key.version)?;
                (asymmetric::encrypt(&material, cipher.algorithm, plaintext)?, None)
            }
        };
        Ok(Encrypted { key: key.arn(), blob, material })
    }

    /// Decrypts what was encrypted under a key, for the same context. `name` says which key it must be; it may be left out where the bytes
    /// name the key themselves.
    pub fn decrypt(
        &self,
        proof: &Authorized,
        scope: &Scope,
        name: Option<&str>,
        blob: &[u8],
        cipher: Cipher<'_>,
    ) -> Result<Decrypted, KmsError> {
        self.decrypt_for("Decrypt", proof, scope, name, blob, cipher)
    }

    fn decrypt_for(
        &self,
        operation: &'static str,
        proof: &Authorized,
        scope: &Scope,
        name: Option<&str>,
        blob: &[u8],
        cipher: Cipher<'_>,
    ) -> Result<Decrypted, KmsError> {
        let snapshot = self.snapshot()?;
        let named = name.map(|name| find_in(&snapshot, &scope.account, &scope.region, name)).transpose()?;
        if let Some(key) = &named {
            require_proven(proof, key, name.unwrap_or_default())?;
            cipher.require(key, operation)?;
        }
        if cipher.algorithm != EncryptionAlgorithm::SymmetricDefault {
            // Such bytes do not name their key.
            let Some(key) = named else {
                let reason = "KeyId is required to decrypt what an asymmetric key encrypted.".to_owned();
                return Err(KmsError::Validation { reason });
            };
            let material = self.material(&snapshot, &key, key.version)?;
            let plaintext = asymmetric::decrypt(&material, cipher.algorithm, blob)?;
            return Ok(Decrypted { key: key.arn(), plaintext, material: None });
        }
        let parsed = Blob::parse(blob).ok_or(KmsError::InvalidCiphertext)?;
        if named.as_ref().is_some_and(|key| key.id != parsed.id || key.account != parsed.account) {
            return Err(KmsError::IncorrectKey);
        }
        let own = self.key_of(scope, blob).ok_or(KmsError::InvalidCiphertext)?;
        let key = match named {
            Some(key) => key,
            None => {
                let key = find_in(&snapshot, &scope.account, &scope.region, &own)?;
                require_proven(proof, &key, &own)?;
                cipher.require(&key, operation)?;
                key
            }
        };
        let (plaintext, material) = self.open(&snapshot, &key, &parsed, cipher.context)?;
        Ok(Decrypted { plaintext, key: key.arn(), material: Some(material) })
    }

    /// Moves a ciphertext to another key or context. The proof must cover both keys; the plaintext is given to nobody.
    pub fn re_encrypt(
        &self,
        proof: &Authorized,
        scope: &Scope,
        from: (Option<&str>, &[u8], Cipher<'_>),
        to: (&str, Cipher<'_>),
    ) -> Result<(Decrypted, Encrypted), KmsError> {
        let (source_name, blob, source_cipher) = from;
        let (name, cipher) = to;
        let decrypted = self.decrypt_for("ReEncryptFrom", proof, scope, source_name, blob, source_cipher)?;
        let encrypted = self.encrypt_for("ReEncryptTo", proof, scope, name, decrypted.plaintext.expose(), cipher)?;
        Ok((decrypted, encrypted))
    }

    /// A fresh data key of `size_bytes`, in the clear and encrypted under a symmetric key. The proof must be of a decision on it.
    pub fn generate_data_key(
        &self,
        proof: &Authorized,
        scope: &Scope,
        name: &str,
        size_bytes: usize,
        context: &EncryptionContext,
    ) -> Result<GeneratedKey, KmsError> {
        let plaintext = self.random(size_bytes)?;
        let cipher = Cipher::symmetric(context);
        let made = self.encrypt_for("GenerateDataKey", proof, scope, name, plaintext.expose(), cipher)?;
        Ok(GeneratedKey { key: made.key, plaintext, blob: made.blob, material: made.material })
    }

    /// 1 to 1,024 random bytes.
    pub fn random(&self, size_bytes: usize) -> Result<Secret, KmsError> {
        if !(1..=1_024).contains(&size_bytes) {
            return Err(KmsError::Validation { reason: "Between 1 and 1024 bytes can be made.".to_owned() });
        }
        let mut bytes = Zeroizing::new(vec![0; size_bytes]);
        self.0.runtime.entropy.fill(&mut bytes);
        Ok(Secret::new(bytes.as_slice()))
    }

    /// What a caller must be allowed to decrypt a ciphertext: on the key that it names, or on none that can be named.
    pub fn decrypt_requirement(
        &self,
        action: &'static str,
        scope: &Scope,
        name: Option<&str>,
        blob: &[u8],
        context: &EncryptionContext,
    ) -> Result<Requirement, KmsError> {
        let own = self.key_of(scope, blob);
        let mut requirement = match name.or(own.as_deref()) {
            Some(name) => self.requirement(action, scope, name)?,
            None => Requirement::any(action),
        };
        context.describe(&mut requirement);
        Ok(requirement)
    }
}
