//! Which key a request names: by id, ARN, alias or the ARN of an alias; and that a proof speaks of that very key.

use tarn_metadata::Read;
use tarn_policy::{Authorized, PrincipalKind, Requirement};
use tarn_types::{AccountId, Arn, Region, Scope};

use super::keyspaces::{KMS_ALIASES, KMS_KEYS};
use super::kinds::KeyUsage;
use super::records::{KeyState, KmsAlias, KmsKey, account_key, alias_key, kms_key};
use super::{KeyManager, Kms, KmsError};

/// A text that names a key, taken apart.
enum KeyName {
    Id { account: AccountId, id: String },
    Alias { account: AccountId, name: String },
}

impl KeyName {
    /// `account` is that of names which say none.
    fn parse(text: &str, account: &AccountId) -> Result<Self, KmsError> {
        let (account, resource) = match Arn::parse(text) {
            Ok(arn) if arn.service == "kms" => {
                let account = AccountId::new(arn.account).map_err(|_| KmsError::InvalidArn { arn: text.to_owned() })?;
                (account, arn.resource)
            }
            Ok(_) => return Err(KmsError::InvalidArn { arn: text.to_owned() }),
            Err(_) if text.starts_with("arn:") => return Err(KmsError::InvalidArn { arn: text.to_owned() }),
            Err(_) if text.starts_with("alias/") => (account.clone(), text.to_owned()),
            Err(_) => (account.clone(), format!("key/{text}")),
        };
        match resource.strip_prefix("key/") {
            Some(id) => Ok(Self::Id { account, id: id.to_owned() }),
            None if resource.starts_with("alias/") => Ok(Self::Alias { account, name: resource }),
            None => Err(KmsError::InvalidArn { arn: text.to_owned() }),
        }
    }
}

pub(crate) fn alias_in(read: &impl Read, account: &AccountId, name: &str) -> Result<Option<KmsAlias>, KmsError> {
    Ok(read.get(KMS_ALIASES, &alias_key(account, name))?)
}

pub(crate) fn key_in(read: &impl Read, account: &AccountId, region: &Region, id: &str) -> Result<KmsKey, KmsError> {
    read.get(KMS_KEYS, &kms_key(account, id))?.ok_or_else(|| KmsError::NoSuchKey {
        arn: Arn::regional("kms", region, account, format!("key/{id}")).to_string(),
    })
}

/// The key that `text` names to a caller of `account`.
pub(crate) fn find_in(read: &impl Read, account: &AccountId, region: &Region, text: &str) -> Result<KmsKey, KmsError> {
    // An ARN of another region names nothing here.
    if let Ok(arn) = Arn::parse(text)
        && arn.service == "kms"
        && arn.region != region.as_str()
    {
        return Err(KmsError::InvalidArn { arn: text.to_owned() });
    }
    match KeyName::parse(text, account)? {
        KeyName::Id { account, id } => key_in(read, &account, region, &id),
        KeyName::Alias { account, name } => match alias_in(read, &account, &name)? {
            Some(alias) => key_in(read, &account, region, &alias.key_id),
            None => Err(KmsError::NoSuchAlias { arn: Arn::regional("kms", region, &account, name).to_string() }),
        },
    }
}

impl KmsKey {
    /// Refuses a key that cannot encrypt or decrypt now.
    pub(crate) fn require_usable(&self) -> Result<(), KmsError> {
        match self.state {
            KeyState::Enabled => Ok(()),
            KeyState::Disabled => Err(KmsError::Disabled { arn: self.arn().to_string() }),
            KeyState::PendingDeletion { .. } => Err(KmsError::PendingDeletion { arn: self.arn().to_string() }),
            KeyState::PendingImport => Err(KmsError::PendingImport { arn: self.arn().to_string() }),
        }
    }

    /// Refuses a key whose owner has not brought its material.
    pub(crate) fn require_material(&self) -> Result<(), KmsError> {
        match self.state {
            KeyState::PendingImport => Err(KmsError::PendingImport { arn: self.arn().to_string() }),
            KeyState::Enabled | KeyState::Disabled | KeyState::PendingDeletion { .. } => Ok(()),
        }
    }

    /// Refuses a key that cannot be used now, or that is not for `usage`.
    pub(crate) fn require_use(&self, usage: KeyUsage, operation: &'static str) -> Result<(), KmsError> {
        if self.usage != usage {
            let (arn, usage) = (self.arn().to_string(), self.usage.name());
            return Err(KmsError::InvalidKeyUsage { arn, usage, operation });
        }
        self.require_usable()
    }

    /// Refuses a key that is about to be deleted, or that a service manages.
    pub(crate) fn require_changeable(&self) -> Result<(), KmsError> {
        match (self.state, self.manager) {
            (KeyState::PendingDeletion { .. }, _) => Err(KmsError::PendingDeletion { arn: self.arn().to_string() }),
            (_, KeyManager::Aws) => Err(KmsError::ManagedByAws { arn: self.arn().to_string() }),
            _ => Ok(()),
        }
    }
}

impl KmsKey {
    /// What to say of an algorithm that it does not take.
    pub(crate) fn incompatible(&self, algorithm: &'static str) -> KmsError {
        KmsError::InvalidAlgorithm { algorithm, spec: self.spec.name() }
    }
}

/// Refuses a proof that is not of a decision on this key: what a request calls the key may have become another since it was decided upon.
pub(crate) fn require_proven(proof: &Authorized, key: &KmsKey, name: &str) -> Result<(), KmsError> {
    let arn = key.arn();
    let internal = matches!(proof.principal().kind, PrincipalKind::Service { .. }) && proof.requirements().is_empty();
    if internal || proof.requirements().iter().any(|requirement| requirement.resource.as_ref() == Some(&arn)) {
        Ok(())
    } else {
        Err(KmsError::Moved { name: name.to_owned() })
    }
}

impl Kms {
    /// What a caller of `scope.account` must be allowed to do `action` on the key that `text` names: the key's ARN with the condition keys
    /// that speak of it. Where there is no such key, the ARN says what was asked for. Tells nothing of whether it exists.
    /// <https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html>
    pub fn requirement(&self, action: &'static str, scope: &Scope, text: &str) -> Result<Requirement, KmsError> {
        let snapshot = self.snapshot()?;
        let found = match find_in(&snapshot, &scope.account, &scope.region, text) {
            Ok(key) => Ok(key),
            Err(KmsError::NoSuchKey { arn } | KmsError::NoSuchAlias { arn }) => Err(arn),
            Err(error) => return Err(error),
        };
        let mut requirement = match &found {
            Ok(key) => Requirement::new(action, key.arn()),
            Err(arn) => {
                Requirement::new(action, Arn::parse(arn).map_err(|_| KmsError::InvalidArn { arn: text.to_owned() })?)
            }
        };
        let context = &mut requirement.context;
        context.set("kms:CallerAccount", scope.account.as_str());
        if let Some(at) = text.find("alias/") {
            context.set("kms:RequestAlias", text.get(at..).unwrap_or_default());
        }
        if let Ok(key) = &found {
            context.set("kms:KeySpec", key.spec.name());
            context.set("kms:KeyUsage", key.usage.name());
            context.set("kms:KeyOrigin", key.origin.name());
            context.set("kms:MultiRegion", "false");
            context.set_all("kms:ResourceAliases", names_of(&snapshot, key)?.into_iter().map(|alias| alias.name));
            for (tag, value) in &key.tags {
                context.set(&format!("aws:ResourceTag/{tag}"), value.clone());
            }
        }
        Ok(requirement)
    }

    /// The key that `text` names. The proof must be of a decision on it.
    pub fn key(&self, proof: &Authorized, scope: &Scope, text: &str) -> Result<KmsKey, KmsError> {
        let key = find_in(&self.snapshot()?, &scope.account, &scope.region, text)?;
        require_proven(proof, &key, text)?;
        Ok(key)
    }
}

/// The aliases of a key.
pub(crate) fn names_of(read: &impl Read, key: &KmsKey) -> Result<Vec<KmsAlias>, KmsError> {
    let mut names = Vec::new();
    for item in read.prefix(KMS_ALIASES, &account_key(&key.account)) {
        let (_, alias) = item?;
        if alias.key_id == key.id {
            names.push(alias);
        }
    }
    Ok(names)
}
