//! Keys: made, listed, enabled and disabled. Their deletion is in `deletion.rs`.

use std::collections::BTreeMap;

use tarn_audit::Caller;
use tarn_metadata::{Read, Tx};
use tarn_policy::Authorized;
use tarn_runtime::EntropyExt;
use tarn_types::{AccountId, Scope};
use zeroize::Zeroizing;

use super::keyspaces::{KMS_KEYS, KMS_MATERIAL};
use super::policy::{check_lockout, default_policy, parse};
use super::records::{KeyManager, KeyMaterial, KeyState, KmsKey, account_key, kms_key, material_key};
use super::resolve::{find_in, require_proven};
use super::tags::check_tags;
use super::{Kms, KmsError, KmsPage, KmsPageRequest};
use crate::KeyContext;

/// The most keys of an account: <https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html>
pub(crate) const KEYS_PER_ACCOUNT_MAX: usize = 100_000;
/// The version of every new key's material.
const FIRST_VERSION: u32 = 1;

/// A key to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateKey {
    /// For people.
    pub description: String,
    /// Its policy; without one, the key's account passes its use on by identity policies.
    pub policy: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Takes a policy by which the caller could never change it again.
    pub bypass_lockout_check: bool,
}

/// What a key's material is sealed for.
pub(crate) fn material_context(account: &AccountId, id: &str, version: u32) -> KeyContext {
    KeyContext::new("kms.material").part(account.as_str().as_bytes()).part(id.as_bytes()).part(&version.to_be_bytes())
}

pub(crate) fn put_key(tx: &mut Tx<'_>, key: &KmsKey) -> Result<(), KmsError> {
    Ok(tx.put(KMS_KEYS, &kms_key(&key.account, &key.id), key)?)
}

impl Kms {
    /// A key and its sealed material, not stored yet.
    pub(crate) fn new_key(&self, scope: &Scope, manager: KeyManager) -> Result<(KmsKey, KeyMaterial), KmsError> {
        let id = self.0.runtime.entropy.uuid().to_string();
        let bytes = Zeroizing::new(self.0.runtime.entropy.bytes::<32>());
        let context = material_context(&scope.account, &id, FIRST_VERSION);
        let sealed = self.0.keys.seal_secret(bytes.as_slice(), &context)?;
        let created_ms = self.now_ms();
        let key = KmsKey {
            id,
            account: scope.account.clone(),
            region: scope.region.clone(),
            state: KeyState::Enabled,
            manager,
            description: String::new(),
            policy: default_policy(&scope.account),
            created_ms,
            tags: BTreeMap::new(),
            version: FIRST_VERSION,
        };
        Ok((key, KeyMaterial { created_ms, sealed }))
    }

    /// Makes a key of the caller's account.
    pub async fn create_key(&self, caller: &Caller, request: CreateKey) -> Result<KmsKey, KmsError> {
        let CreateKey { description, policy, tags, bypass_lockout_check } = request;
        check_tags(&tags)?;
        let (mut key, material) = self.new_key(caller.scope(), KeyManager::Customer)?;
        if let Some(text) = policy {
            let policy = parse(&text)?;
            if !bypass_lockout_check {
                check_lockout(caller.principal(), &key, &policy)?;
            }
            key.policy = text;
        }
        (key.description, key.tags) = (description, tags);
        self.commit(caller, move |tx| {
            let keys = tx.prefix(KMS_KEYS, &account_key(&key.account)).take(KEYS_PER_ACCOUNT_MAX).count();
            if keys >= KEYS_PER_ACCOUNT_MAX {
                return Err(KmsError::LimitExceeded { quota: "keys of an account", count_max: KEYS_PER_ACCOUNT_MAX });
            }
            put_new(tx, &key, &material)?;
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
        page.of(self.snapshot()?.prefix(KMS_KEYS, &account_key(&scope.account)), Some)
    }

    /// Lets a key be used again.
    pub async fn enable_key(&self, caller: &Caller, name: &str) -> Result<(), KmsError> {
        self.change_key(caller, name, |key| {
            key.state = KeyState::Enabled;
            Ok(())
        })
        .await
    }

    /// Keeps a key from being used, at once and everywhere.
    pub async fn disable_key(&self, caller: &Caller, name: &str) -> Result<(), KmsError> {
        self.change_key(caller, name, |key| {
            key.state = KeyState::Disabled;
            Ok(())
        })
        .await
    }

    /// Changes a key that is not about to be deleted and that no service manages.
    pub(crate) async fn change_key<F>(&self, caller: &Caller, name: &str, change: F) -> Result<(), KmsError>
    where
        F: FnOnce(&mut KmsKey) -> Result<(), KmsError> + Send + 'static,
    {
        let (proof, scope, name) = (caller.authorized().clone(), caller.scope().clone(), name.to_owned());
        self.commit(caller, move |tx| {
            let mut key = find_in(tx, &scope.account, &scope.region, &name)?;
            require_proven(&proof, &key, &name)?;
            key.require_changeable()?;
            change(&mut key)?;
            put_key(tx, &key)
        })
        .await
    }
}

pub(crate) fn put_new(tx: &mut Tx<'_>, key: &KmsKey, material: &KeyMaterial) -> Result<(), KmsError> {
    put_key(tx, key)?;
    Ok(tx.put(KMS_MATERIAL, &material_key(&key.account, &key.id, key.version), material)?)
}
