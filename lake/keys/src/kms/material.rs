//! Material of keys: made, opened, and told apart without being shown. Of pairs the private half is kept, as PKCS #8.

use std::fmt;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256K1_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING,
    ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _,
};
use tarn_metadata::Read;
use tarn_runtime::Entropy;
use tarn_types::AccountId;
use zeroize::Zeroizing;

use super::keyspaces::KMS_MATERIAL;
use super::kinds::{Family, KeySpec};
use super::records::{KmsKey, material_key};
use super::{Kms, KmsError};
use crate::derive::derive_from;
use crate::{KeyContext, KeysError};

/// Tells material from other material, and tells nothing of it.
pub type MaterialId = [u8; 32];

/// What a key's material is sealed for.
pub(crate) fn material_context(account: &AccountId, id: &str, version: u32) -> KeyContext {
    KeyContext::new("kms.material").part(account.as_str().as_bytes()).part(id.as_bytes()).part(&version.to_be_bytes())
}

/// The bytes of one version of a key, in memory. Cheap to clone; cleared when the last is dropped.
#[derive(Clone)]
pub(crate) struct Material {
    open: Arc<Open>,
    id: MaterialId,
}

struct Open {
    bytes: Zeroizing<Vec<u8>>,
    /// Of a pair, once it was asked for: it is read once, and goes when the bytes go. The library clears what it holds.
    pair: OnceLock<Option<Arc<OpenPair>>>,
}

/// A key pair, read.
pub(crate) struct OpenPair {
    pub(crate) pair: Pair,
    /// Its public half as a DER SubjectPublicKeyInfo.
    pub(crate) public: Vec<u8>,
}

impl OpenPair {
    fn read(spec: KeySpec, pkcs8: &[u8]) -> Option<Arc<Self>> {
        let pair = Pair::open(spec, pkcs8)?;
        let public = pair.public_key().ok()?;
        Some(Arc::new(Self { pair, public }))
    }
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Material(..)")
    }
}

impl Material {
    pub(crate) fn new(bytes: Zeroizing<Vec<u8>>) -> Result<Self, KeysError> {
        let id = *derive_from::<32>(&bytes, b"", &[b"tarn/keys/1/kms-material-id"])?;
        Ok(Self { open: Arc::new(Open { bytes, pair: OnceLock::new() }), id })
    }

    pub(crate) fn id(&self) -> MaterialId {
        self.id
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.open.bytes
    }

    /// As a key pair of a kind; a material is of one kind only.
    pub(crate) fn pair(&self, spec: KeySpec) -> Option<Arc<OpenPair>> {
        self.open.pair.get_or_init(|| OpenPair::read(spec, self.bytes())).clone()
    }

    /// As the key of a symmetric cipher.
    pub(crate) fn symmetric(&self) -> Result<&[u8; 32], KeysError> {
        self.bytes().try_into().map_err(|_| damaged())
    }
}

/// It was checked before it was sealed.
fn damaged() -> KeysError {
    KeysError::NotAuthentic { what: "a key's material" }
}

fn failed<E>(_: E) -> KeysError {
    KeysError::Library { doing: "making a key pair" }
}

/// A key pair, ready to work.
pub(crate) enum Pair {
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

fn ecdsa(spec: KeySpec) -> Option<&'static EcdsaSigningAlgorithm> {
    match spec {
        KeySpec::EccNistP256 => Some(&ECDSA_P256_SHA256_ASN1_SIGNING),
        KeySpec::EccNistP384 => Some(&ECDSA_P384_SHA384_ASN1_SIGNING),
        KeySpec::EccNistP521 => Some(&ECDSA_P521_SHA512_ASN1_SIGNING),
        KeySpec::EccSecgP256K1 => Some(&ECDSA_P256K1_SHA256_ASN1_SIGNING),
        KeySpec::SymmetricDefault
        | KeySpec::Hmac224
        | KeySpec::Hmac256
        | KeySpec::Hmac384
        | KeySpec::Hmac512
        | KeySpec::Rsa2048
        | KeySpec::Rsa3072
        | KeySpec::Rsa4096
        | KeySpec::EccNistEdwards25519 => None,
    }
}

fn rsa_size(size_bits: usize) -> KeySize {
    match size_bits {
        3_072 => KeySize::Rsa3072,
        4_096 => KeySize::Rsa4096,
        _ => KeySize::Rsa2048,
    }
}

impl Pair {
    /// The pair whose private half is `pkcs8`; `None` if it is no pair of this kind.
    pub(crate) fn open(spec: KeySpec, pkcs8: &[u8]) -> Option<Self> {
        match (spec.family(), ecdsa(spec)) {
            (Family::Rsa { size_bits }, _) => {
                let pair = RsaKeyPair::from_pkcs8(pkcs8).ok()?;
                (pair.public_modulus_len() * 8 == size_bits).then_some(Self::Rsa(pair))
            }
            (Family::Ecc, Some(algorithm)) => EcdsaKeyPair::from_pkcs8(algorithm, pkcs8).ok().map(Self::Ecdsa),
            (Family::Edwards, _) => Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).ok().map(Self::Ed25519),
            (Family::Symmetric | Family::Hmac { .. } | Family::Ecc, _) => None,
        }
    }

    /// The public half as a DER SubjectPublicKeyInfo.
    pub(crate) fn public_key(&self) -> Result<Vec<u8>, KeysError> {
        let der: Result<PublicKeyX509Der<'_>, _> = match self {
            Self::Rsa(pair) => pair.public_key().as_der(),
            Self::Ecdsa(pair) => pair.public_key().as_der(),
            Self::Ed25519(pair) => pair.public_key().as_der(),
        };
        Ok(der.map_err(|_| KeysError::Library { doing: "encoding a public key" })?.as_ref().to_vec())
    }
}

/// Fresh material of a kind. An RSA pair takes a while.
pub(crate) fn generate(spec: KeySpec, entropy: &dyn Entropy) -> Result<Zeroizing<Vec<u8>>, KeysError> {
    let random = |size_bytes| {
        let mut bytes = Zeroizing::new(vec![0; size_bytes]);
        entropy.fill(&mut bytes);
        bytes
    };
    match (spec.family(), ecdsa(spec)) {
        (Family::Symmetric, _) => Ok(random(32)),
        (Family::Hmac { size_bytes }, _) => Ok(random(size_bytes)),
        (Family::Rsa { size_bits }, _) => {
            let pair = RsaKeyPair::generate(rsa_size(size_bits)).map_err(failed)?;
            let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
            Ok(Zeroizing::new(der.as_ref().to_vec()))
        }
        (Family::Ecc, algorithm) => {
            let pair = EcdsaKeyPair::generate(algorithm.ok_or_else(|| failed(()))?).map_err(failed)?;
            Ok(Zeroizing::new(pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec()))
        }
        (Family::Edwards, _) => {
            let pair = Ed25519KeyPair::generate().map_err(failed)?;
            Ok(Zeroizing::new(pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec()))
        }
    }
}

/// Whether bytes from elsewhere are material of this kind.
pub(crate) fn fits(spec: KeySpec, bytes: &[u8]) -> bool {
    match spec.family() {
        Family::Symmetric => bytes.len() == 32,
        Family::Hmac { size_bytes } => bytes.len() == size_bytes,
        Family::Rsa { .. } | Family::Ecc | Family::Edwards => Pair::open(spec, bytes).is_some(),
    }
}

impl Kms {
    /// Fresh material, made where it does not hold up others.
    pub(crate) async fn fresh_material(&self, spec: KeySpec) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        let entropy = self.0.runtime.entropy.clone();
        match spec.family() {
            Family::Rsa { .. } => {
                let made = tokio::task::spawn_blocking(move || generate(spec, &*entropy)).await;
                Ok(made.map_err(failed)??)
            }
            Family::Symmetric | Family::Hmac { .. } | Family::Ecc | Family::Edwards => Ok(generate(spec, &*entropy)?),
        }
    }

    /// A version of a key's material. Whether the key may be used is for the caller to see to.
    pub(crate) fn material(&self, read: &impl Read, key: &KmsKey, version: u32) -> Result<Material, KmsError> {
        let valid_to_ms = key.imported.and_then(|imported| imported.valid_to_ms);
        if valid_to_ms.is_some_and(|valid_to_ms| valid_to_ms <= self.now_ms()) {
            return Err(KmsError::PendingImport { arn: key.arn().to_string() });
        }
        let at = (key.arn().to_string(), version);
        if let Some(material) = self.0.open.lock().get(&at) {
            return Ok(material.clone());
        }
        let record = read
            .get(KMS_MATERIAL, &material_key(&key.account, &key.id, version))?
            .ok_or(KmsError::InvalidCiphertext)?;
        let secret = self.0.keys.open_secret(&record.sealed, &material_context(&key.account, &key.id, version))?;
        let material = Material::new(Zeroizing::new(secret.expose().to_vec()))?;
        self.0.open.lock().put(at, material.clone());
        Ok(material)
    }

    /// Drops what is open of a key; its records are gone or others by now.
    pub(crate) fn forget(&self, key: &KmsKey) {
        let mut open = self.0.open.lock();
        for version in 1..=key.version {
            open.pop(&(key.arn().to_string(), version));
        }
    }

    /// The key pair of a key that was found usable.
    pub(crate) fn pair(&self, read: &impl Read, key: &KmsKey) -> Result<Arc<OpenPair>, KmsError> {
        Ok(self.material(read, key, key.version)?.pair(key.spec).ok_or_else(damaged)?)
    }

    /// Which material of a symmetric key encrypts now, as answers show it; `None` of others, and while there is none.
    pub fn current_material_id(&self, key: &KmsKey) -> Result<Option<MaterialId>, KmsError> {
        if key.spec != KeySpec::SymmetricDefault {
            return Ok(None);
        }
        match key.imported {
            Some(imported) => Ok(Some(imported.id)),
            None if key.state == super::KeyState::PendingImport => Ok(None),
            None => match self.material(&self.snapshot()?, key, key.version) {
                Ok(material) => Ok(Some(material.id())),
                // Brought material that never came.
                Err(KmsError::InvalidCiphertext) => Ok(None),
                Err(error) => Err(error),
            },
        }
    }
}
