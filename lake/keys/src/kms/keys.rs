//! Keys: made, listed, enabled and disabled. Their deletion is in `deletion.rs`.

use std::collections::BTreeMap;

use tarn_audit::Caller;
use tarn_metadata::{Read, Tx};
use tarn_policy::Authorized;
use tarn_runtime::EntropyExt as _;
use tarn_types::Scope;

use super::keyspaces::{KMS_KEYS, KMS_MATERIAL, KMS_POLICY_PRINCIPALS};
use super::kinds::{KeyOrigin, KeySpec, KeyUsage};
use super::material::material_context;
use super::policy::{check_lockout, default_policy, parse};
use super::records::{
    KeyManager, KeyMaterial, KeyState, KmsKey, PolicyPrincipals, RotationKind, account_key, kms_key, material_key,
};
use super::resolve::{find_in, require_proven};
use super::tags::check_tags;
use super::{Kms, KmsError, KmsPage, KmsPageRequest};

/// The most keys of an account: <https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html>
pub(crate) const KEYS_PER_ACCOUNT_MAX: usize = 100_000;
/// The version of every new key's material.
const FIRST_VERSION: u32 = 1;

/// A key to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateKey {
    /// What material it gets.
    pub spec: KeySpec,
    /// What it is for; may be left out where material of its kind is for one thing only and not a pair.
    pub usage: Option<KeyUsage>,
    /// Where its material comes from.
    pub origin: KeyOrigin,
    /// For people.
    pub description: String,
    /// Its policy; without one, the key's account passes its use on by identity policies.
    pub policy: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Takes a policy by which the caller could never change it again.
    pub bypass_lockout_check: bool,
}

impl Default for CreateKey {
    fn default() -> Self {
        Self {
            spec: KeySpec::SymmetricDefault,
            usage: None,
            origin: KeyOrigin::AwsKms,
            description: String::new(),
            policy: None,
            tags: BTreeMap::new(),
            bypass_lockout_check: false,
        }
    }
}

/// What a key of `spec` is for, where its maker says `usage`.
fn usage_of(spec: KeySpec, usage: Option<KeyUsage>) -> Result<KeyUsage, KmsError> {
    let refused = |reason: String| Err(KmsError::Validation { reason });
    match usage {
        Some(usage) if spec.usages().contains(&usage) => Ok(usage),
        Some(usage) => refused(format!("KeyUsage {} is not compatible with KeySpec {}", usage.name(), spec.name())),
        // As on AWS, encryption is what is meant.
        None if spec == KeySpec::SymmetricDefault => Ok(KeyUsage::EncryptDecrypt),
        None => refused(format!("You must specify a KeyUsage value for a key of KeySpec {}", spec.name())),
    }
}

pub(crate) fn put_key(tx: &mut Tx<'_>, key: &KmsKey) -> Result<(), KmsError> {
    Ok(tx.put(KMS_KEYS, &kms_key(&key.account, &key.id), key)?)
}

impl Kms {
    /// A key without material, not stored yet.
    pub(crate) fn new_key(&self, scope: &Scope, manager: KeyManager) -> KmsKey {
        KmsKey {
            id: self.0.runtime.entropy.uuid().to_string(),
            account: scope.account.clone(),
            region: scope.region.clone(),
            state: KeyState::PendingImport,
            manager,
            description: String::new(),
            policy: default_policy(&scope.account),
            created_ms: self.now_ms(),
            tags: BTreeMap::new(),
            version: FIRST_VERSION,
            spec: KeySpec::SymmetricDefault,
            usage: KeyUsage::EncryptDecrypt,
            origin: KeyOrigin::AwsKms,
            rotation: None,
            imported: None,
        }
    }

    /// Material sealed as that version of a key.
    pub(crate) fn sealed_material(
        &self,
        key: &KmsKey,
        version: u32,
        bytes: &[u8],
        rotation: Option<RotationKind>,
    ) -> Result<KeyMaterial, KmsError> {
        let sealed = self.0.keys.seal_secret(bytes, &material_context(&key.account, &key.id, version))?;
        Ok(KeyMaterial { created_ms: self.now_ms(), sealed, rotation })
    }

    /// Gives a new key its first material.
    pub(crate) async fn with_material(&self, mut key: KmsKey) -> Result<(KmsKey, KeyMaterial), KmsError> {
        let bytes = self.fresh_material(key.spec).await?;
        let material = self.sealed_material(&key, key.version, &bytes, None)?;
        key.state = KeyState::Enabled;
        Ok((key, material))
    }

    /// Makes a key of the caller's account.
    pub async fn create_key(&self, caller: &Caller, request: CreateKey) -> Result<KmsKey, KmsError> {
        let CreateKey { spec, usage, origin, description, policy, tags, bypass_lockout_check } = request;
        check_tags(&tags)?;
        let mut key = self.new_key(caller.scope(), KeyManager::Customer);
        (key.spec, key.usage, key.origin) = (spec, usage_of(spec, usage)?, origin);
        let mut principals = PolicyPrincipals::default();
        if let Some(text) = policy {
            let policy = parse(&text)?;
            if !bypass_lockout_check {
                check_lockout(caller.principal(), &key, &policy, self.0.organization.as_deref())?;
            }
            principals = self.named_in(&policy, caller)?;
            key.policy = text;
        }
        (key.description, key.tags) = (description, tags);
        let (key, material) = match origin {
            KeyOrigin::AwsKms => self.with_material(key).await.map(|(key, material)| (key, Some(material)))?,
            KeyOrigin::External => (key, None),
        };
        self.commit(caller, move |tx| {
            let keys = tx.prefix(KMS_KEYS, &account_key(&key.account)).take(KEYS_PER_ACCOUNT_MAX).count();
            if keys >= KEYS_PER_ACCOUNT_MAX {
                return Err(KmsError::LimitExceeded { quota: "keys of an account", count_max: KEYS_PER_ACCOUNT_MAX });
            }
            put_key(tx, &key)?;
            tx.put(KMS_POLICY_PRINCIPALS, &kms_key(&key.account, &key.id), &principals)?;
            if let Some(material) = material {
                put_material(tx, &key, key.version, &material)?;
            }
            Ok(key)
        })
        .await
    }

    /// The account's keys, in the order of their ids.
    pub fn list_keys(
        &self,
        _proof: &Authorized,
        scope: &Scope,
        page: &KmsPageRequest,
    ) -> Result<KmsPage<KmsKey>, KmsError> {
        page.of(self.snapshot()?.prefix(KMS_KEYS, &account_key(&scope.account)), |_, key| Some(key))
    }

    /// Lets a key be used again.
    pub async fn enable_key(&self, caller: &Caller, name: &str) -> Result<(), KmsError> {
        self.change_key(caller, name, |key| {
            key.require_material()?;
            key.state = KeyState::Enabled;
            Ok(())
        })
        .await
    }

    /// Keeps a key from being used, at once and everywhere.
    pub async fn disable_key(&self, caller: &Caller, name: &str) -> Result<(), KmsError> {
        self.change_key(caller, name, |key| {
            key.require_material()?;
            key.state = KeyState::Disabled;
            Ok(())
        })
        .await
    }

    /// Says something else of a key.
    pub async fn update_key_description(&self, caller: &Caller, name: &str, text: String) -> Result<(), KmsError> {
        self.change_key(caller, name, |key| {
            key.description = text;
            Ok(())
        })
        .await
    }

    /// Changes a key that is not about to be deleted and that no service manages.
    pub(crate) async fn change_key<F>(&self, caller: &Caller, name: &str, change: F) -> Result<(), KmsError>
    where
        F: FnOnce(&mut KmsKey) -> Result<(), KmsError> + Send + 'static,
    {
        self.change_key_and(caller, name, |_, key| change(key)).await
    }

    /// As `change_key`, with what is kept beside the key.
    pub(crate) async fn change_key_and<F>(&self, caller: &Caller, name: &str, change: F) -> Result<(), KmsError>
    where
        F: FnOnce(&mut Tx<'_>, &mut KmsKey) -> Result<(), KmsError> + Send + 'static,
    {
        let (proof, scope, name) = (caller.authorized().clone(), caller.scope().clone(), name.to_owned());
        self.commit(caller, move |tx| {
            let mut key = find_in(tx, &scope.account, &scope.region, &name)?;
            require_proven(&proof, &key, &name)?;
            key.require_changeable()?;
            change(tx, &mut key)?;
            put_key(tx, &key)
        })
        .await
    }
}

pub(crate) fn put_material(
    tx: &mut Tx<'_>,
    key: &KmsKey,
    version: u32,
    material: &KeyMaterial,
) -> Result<(), KmsError> {
    Ok(tx.put(KMS_MATERIAL, &material_key(&key.account, &key.id, version), material)?)
}
