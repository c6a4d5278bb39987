//! Material that a key's owner brings: wrapped for a fresh key pair of ours, checked, kept as other material is, and thrown away when its
//! owner says or its time is over.
//!
//! The private half of the pair is in the import token, sealed for the one key: nothing is kept until material comes.
//! <https://docs.aws.amazon.com/kms/latest/developerguide/importing-keys.html>

use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded};
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256};
use serde::{Deserialize, Serialize};
use tarn_audit::{Caller, Outcome};
use tarn_metadata::{Key, Read, Record, StoreExt, Tx, decode_record, encode_record};
use tarn_policy::Authorized;
use tarn_types::{AccountId, Arn, Scope};
use zeroize::Zeroizing;

use super::asymmetric::oaep_open;
use super::keys::{put_key, put_material};
use super::keyspaces::{KMS_KEYS, KMS_MATERIAL};
use super::kinds::{KeyOrigin, KeySpec, named};
use super::material::{Material, MaterialId, Pair, fits};
use super::records::{ImportedMaterial, KeyState, KmsKey, kms_key, material_key};
use super::resolve::{find_in, require_proven};
use super::{DAY_MS, Kms, KmsError};
use crate::{KeyContext, KeysError, SealedSecret};

/// How long parameters for import can be used: <https://docs.aws.amazon.com/kms/latest/APIReference/API_GetParametersForImport.html>
const PARAMETERS_VALID_MS: i64 = DAY_MS;
/// How long material that expires can be kept: <https://docs.aws.amazon.com/kms/latest/APIReference/API_ImportKeyMaterial.html>
const MATERIAL_VALID_DAYS_MAX: i64 = 365;
/// How many keys' material expires in one pass.
const STEP_KEYS_MAX: usize = 100;
/// The wrapped AES key and the wrapped material at most: more is not what this server takes.
const WRAPPED_SIZE_BYTES_MAX: usize = 6_144;

/// How material is wrapped for the way here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WrappingAlgorithm {
    /// By RSA OAEP with SHA-1.
    RsaesOaepSha1,
    /// By RSA OAEP with SHA-256.
    RsaesOaepSha256,
    /// By an AES key, which is wrapped by RSA OAEP with SHA-1.
    RsaAesKeyWrapSha1,
    /// By an AES key, which is wrapped by RSA OAEP with SHA-256.
    RsaAesKeyWrapSha256,
}

named!(WrappingAlgorithm {
    RsaesOaepSha1 = "RSAES_OAEP_SHA_1",
    RsaesOaepSha256 = "RSAES_OAEP_SHA_256",
    RsaAesKeyWrapSha1 = "RSA_AES_KEY_WRAP_SHA_1",
    RsaAesKeyWrapSha256 = "RSA_AES_KEY_WRAP_SHA_256",
});

impl WrappingAlgorithm {
    /// What was wrapped; `None` if it was not wrapped for this pair by this algorithm.
    fn unwrap(self, pkcs8: &[u8], wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let oaep = match self {
            Self::RsaesOaepSha1 | Self::RsaAesKeyWrapSha1 => &OAEP_SHA1_MGF1SHA1,
            Self::RsaesOaepSha256 | Self::RsaAesKeyWrapSha256 => &OAEP_SHA256_MGF1SHA256,
        };
        match self {
            Self::RsaesOaepSha1 | Self::RsaesOaepSha256 => oaep_open(pkcs8, oaep, wrapped),
            Self::RsaAesKeyWrapSha1 | Self::RsaAesKeyWrapSha256 => {
                let modulus_bytes =
                    WRAPPING_SPECS.into_iter().find_map(|(spec, bytes)| Pair::open(spec, pkcs8).map(|_| bytes))?;
                let (key, rest) = wrapped.split_at_checked(modulus_bytes)?;
                let key = oaep_open(pkcs8, oaep, key)?;
                let kek = AesKek::new(&AES_256, &key).ok()?;
                let mut out = Zeroizing::new(vec![0; rest.len()]);
                let len = kek.unwrap_with_padding(rest, &mut out).ok()?.len();
                out.truncate(len);
                Some(out)
            }
        }
    }
}

/// The kinds of pair that material is wrapped for, and the bytes of their modulus.
const WRAPPING_SPECS: [(KeySpec, usize); 3] =
    [(KeySpec::Rsa2048, 256), (KeySpec::Rsa3072, 384), (KeySpec::Rsa4096, 512)];

/// What is needed to bring material.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportParameters {
    /// For which key.
    pub key: Arn,
    /// To be given back with the material.
    pub token: Vec<u8>,
    /// What to wrap it for: a DER SubjectPublicKeyInfo.
    pub public_key: Vec<u8>,
    /// Until when, milliseconds since 1970.
    pub valid_to_ms: i64,
}

/// Material that is brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportKeyMaterial {
    /// What its parameters came with.
    pub token: Vec<u8>,
    /// It, wrapped.
    pub wrapped: Vec<u8>,
    /// When it is to be thrown away, milliseconds since 1970.
    pub valid_to_ms: Option<i64>,
}

/// What an import token holds.
#[derive(Serialize, Deserialize)]
struct Token {
    account: AccountId,
    id: String,
    algorithm: WrappingAlgorithm,
    valid_to_ms: i64,
    sealed: SealedSecret,
}

impl Record for Token {
    const VERSION: u16 = 1;
}

/// What the pair's private half is sealed for: all that the token says.
fn token_context(account: &AccountId, id: &str, algorithm: WrappingAlgorithm, valid_to_ms: i64) -> KeyContext {
    KeyContext::new("kms.import")
        .part(account.as_str().as_bytes())
        .part(id.as_bytes())
        .part(algorithm.name().as_bytes())
        .part(&valid_to_ms.to_be_bytes())
}

impl KmsKey {
    fn require_external(&self) -> Result<(), KmsError> {
        match self.origin {
            KeyOrigin::External => Ok(()),
            KeyOrigin::AwsKms => {
                let reason = "origin is AWS_KMS which is not valid for this operation.";
                Err(KmsError::UnsupportedForKey { arn: self.arn().to_string(), reason })
            }
        }
    }
}

impl Kms {
    /// What is needed to bring material for a key that was made to have its owner's.
    pub async fn parameters_for_import(
        &self,
        proof: &Authorized,
        scope: &Scope,
        name: &str,
        algorithm: WrappingAlgorithm,
        spec: KeySpec,
    ) -> Result<ImportParameters, KmsError> {
        let key = self.key(proof, scope, name)?;
        key.require_external()?;
        if let KeyState::PendingDeletion { .. } = key.state {
            return Err(KmsError::PendingDeletion { arn: key.arn().to_string() });
        }
        if !WRAPPING_SPECS.iter().any(|(known, _)| *known == spec) {
            let reason = format!("WrappingKeySpec {} is not an RSA key.", spec.name());
            return Err(KmsError::Validation { reason });
        }
        let pkcs8 = self.fresh_material(spec).await?;
        let pair = Pair::open(spec, &pkcs8).ok_or(KmsError::InvalidImportToken)?;
        let valid_to_ms = self.now_ms() + PARAMETERS_VALID_MS;
        let sealed = self.0.keys.seal_secret(&pkcs8, &token_context(&key.account, &key.id, algorithm, valid_to_ms))?;
        let token = Token { account: key.account.clone(), id: key.id.clone(), algorithm, valid_to_ms, sealed };
        let token = encode_record(&token).map_err(|_| KmsError::InvalidImportToken)?;
        Ok(ImportParameters { key: key.arn(), token, public_key: pair.public_key()?, valid_to_ms })
    }

    /// What was wrapped for `key` by a token's parameters.
    fn unwrap_material(&self, key: &KmsKey, import: &ImportKeyMaterial) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        let token: Token = decode_record(&import.token).map_err(|_| KmsError::InvalidImportToken)?;
        if (&token.account, &token.id) != (&key.account, &key.id) {
            return Err(KmsError::InvalidImportToken);
        }
        let context = token_context(&token.account, &token.id, token.algorithm, token.valid_to_ms);
        let pkcs8 = self.0.keys.open_secret(&token.sealed, &context).map_err(|_| KmsError::InvalidImportToken)?;
        if token.valid_to_ms <= self.now_ms() {
            return Err(KmsError::ExpiredImportToken);
        }
        if import.wrapped.len() > WRAPPED_SIZE_BYTES_MAX {
            return Err(KmsError::InvalidCiphertext);
        }
        let bytes = token.algorithm.unwrap(pkcs8.expose(), &import.wrapped).ok_or(KmsError::InvalidCiphertext)?;
        if !fits(key.spec, &bytes) {
            let reason = "The key material is not of the kind that the key has.";
            return Err(KmsError::IncorrectKeyMaterial { reason });
        }
        Ok(bytes)
    }

    /// Gives a key the material that its owner brings. It takes only what it had before, if it had any.
    pub async fn import_key_material(
        &self,
        caller: &Caller,
        name: &str,
        import: ImportKeyMaterial,
    ) -> Result<(KmsKey, MaterialId), KmsError> {
        let now_ms = self.now_ms();
        if let Some(valid_to_ms) = import.valid_to_ms
            && !(now_ms..=now_ms + MATERIAL_VALID_DAYS_MAX * DAY_MS).contains(&valid_to_ms)
        {
            let reason = "ValidTo must be in the future, and at most 365 days from now.".to_owned();
            return Err(KmsError::Validation { reason });
        }
        let (proof, scope, name) = (caller.authorized().clone(), caller.scope().clone(), name.to_owned());
        let found = self.key(&proof, &scope, &name)?;
        found.require_changeable()?;
        found.require_external()?;
        // An RSA key's work: not for the thread that all commits wait for.
        let (kms, of_key, valid_to_ms) = (self.clone(), found.clone(), import.valid_to_ms);
        let unwrapped = tokio::task::spawn_blocking(move || {
            let bytes = kms.unwrap_material(&of_key, &import)?;
            let id = Material::new(bytes.clone())?.id();
            Ok::<_, KmsError>((kms.sealed_material(&of_key, of_key.version, &bytes, None)?, id))
        });
        let unwrapped =
            unwrapped.await.map_err(|_| KmsError::Keys(KeysError::Library { doing: "unwrapping material" }));
        let (material, id) = unwrapped??;
        self.commit(caller, move |tx| {
            let mut key = find_in(tx, &scope.account, &scope.region, &name)?;
            require_proven(&proof, &key, &name)?;
            key.require_changeable()?;
            key.require_external()?;
            // What the name meant a moment ago is what the material was unwrapped for.
            if (&key.account, &key.id, key.version) != (&found.account, &found.id, found.version) {
                return Err(KmsError::Moved { name });
            }
            if key.imported.is_some_and(|imported| imported.id != id) {
                let reason = "The key material is not the same as was imported before, and a key takes no other.";
                return Err(KmsError::IncorrectKeyMaterial { reason });
            }
            put_material(tx, &key, key.version, &material)?;
            key.imported = Some(ImportedMaterial { id, valid_to_ms });
            if key.state == KeyState::PendingImport {
                key.state = KeyState::Enabled;
            }
            put_key(tx, &key)?;
            Ok((key, id))
        })
        .await
    }

    /// Throws away the material that a key's owner brought; the key waits for it to be brought again.
    pub async fn delete_imported_key_material(&self, caller: &Caller, name: &str) -> Result<KmsKey, KmsError> {
        let (proof, scope, name) = (caller.authorized().clone(), caller.scope().clone(), name.to_owned());
        let key = self
            .commit(caller, move |tx| {
                let mut key = find_in(tx, &scope.account, &scope.region, &name)?;
                require_proven(&proof, &key, &name)?;
                key.require_changeable()?;
                key.require_external()?;
                drop_material(tx, &mut key)?;
                Ok(key)
            })
            .await?;
        self.forget(&key);
        Ok(key)
    }

    /// Throws away material that was brought for a while, when that is over; says of how many keys.
    pub(crate) async fn expire_due_material(&self) -> Result<usize, KmsError> {
        let now_ms = self.now_ms();
        let is_over =
            |key: &KmsKey| key.imported.and_then(|imported| imported.valid_to_ms).is_some_and(|at| at <= now_ms);
        let mut due = Vec::new();
        for item in self.snapshot()?.prefix(KMS_KEYS, &Key::new()) {
            let (_, key) = item?;
            if is_over(&key) && matches!(key.state, KeyState::Enabled | KeyState::Disabled) {
                due.push(key);
            }
            if due.len() == STEP_KEYS_MAX {
                break;
            }
        }
        let count = due.len();
        for found in due {
            let scope = Scope { account: found.account.clone(), region: found.region.clone() };
            let event = self.service_event(&scope, "kms", "DeleteExpiredKeyMaterial", &found);
            let gone = found.clone();
            let expired = self.0.store.write(move |tx: &mut Tx<'_>| {
                let mut key = found.clone();
                // New material may have come meanwhile.
                if tx.get(KMS_KEYS, &kms_key(&key.account, &key.id))?.as_ref() != Some(&found) {
                    return Ok(());
                }
                drop_material(tx, &mut key)?;
                let event = event.into_event(Outcome::Success);
                event.record(tx)?;
                Ok::<_, KmsError>(())
            });
            expired.await?;
            self.forget(&gone);
        }
        Ok(count)
    }
}

fn drop_material(tx: &mut Tx<'_>, key: &mut KmsKey) -> Result<(), KmsError> {
    tx.delete(KMS_MATERIAL, &material_key(&key.account, &key.id, key.version))?;
    if let Some(imported) = &mut key.imported {
        imported.valid_to_ms = None;
    }
    key.state = KeyState::PendingImport;
    put_key(tx, key)
}
