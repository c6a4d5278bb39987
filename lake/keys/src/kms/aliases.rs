//! Aliases: names of keys that can be made to name others.
//! <https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html>

use tarn_audit::Caller;
use tarn_metadata::{Key, Read, Tx};
use tarn_policy::{Authorized, Requirement};
use tarn_types::{Arn, Scope};

use super::keyspaces::KMS_ALIASES;
use super::records::{KmsAlias, KmsKey, account_key, alias_key};
use super::resolve::{alias_in, find_in, key_in, names_of, require_proven};
use super::{KeyState, Kms, KmsError, KmsPage, KmsPageRequest};

/// The most aliases of a key.
const ALIASES_PER_KEY_MAX: usize = 50;

/// Checks the name of an alias that an account makes.
fn check_name(name: &str) -> Result<(), KmsError> {
    let refused = |reason| Err(KmsError::InvalidAliasName { reason });
    let Some(rest) = name.strip_prefix("alias/") else {
        return refused(
            "Alias must start with the prefix \"alias/\". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html",
        );
    };
    if rest.starts_with("aws/") {
        return refused("Alias names that begin with alias/aws/ are reserved for services");
    }
    if rest.is_empty() || !rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_-".contains(&byte)) {
        return refused("Alias must have a name of letters, digits, slashes, underscores and dashes");
    }
    Ok(())
}

/// The ARN of an alias, whether or not it is there: for requirements.
pub(crate) fn alias_arn(scope: &Scope, name: &str) -> Arn {
    Arn::regional("kms", &scope.region, &scope.account, name)
}

fn no_such_alias(scope: &Scope, name: &str) -> KmsError {
    KmsError::NoSuchAlias { arn: alias_arn(scope, name).to_string() }
}

/// The key that an alias is to name: of the caller's account, and not named by its alias.
fn target_in(tx: &Tx<'_>, scope: &Scope, target: &str) -> Result<KmsKey, KmsError> {
    if target.contains("alias/") {
        return Err(KmsError::Validation { reason: "Aliases must refer to keys. Not aliases".to_owned() });
    }
    let key = find_in(tx, &scope.account, &scope.region, target)?;
    if key.account != scope.account {
        return Err(KmsError::NoSuchKey { arn: key.arn().to_string() });
    }
    if let KeyState::PendingDeletion { .. } = key.state {
        return Err(KmsError::PendingDeletion { arn: key.arn().to_string() });
    }
    Ok(key)
}

impl Kms {
    /// What a caller must be allowed to do `action` on an alias, besides what it must be on its key.
    pub fn alias_requirement(&self, action: &'static str, scope: &Scope, name: &str) -> Requirement {
        Requirement::new(action, alias_arn(scope, name)).with("kms:CallerAccount", scope.account.as_str())
    }

    /// The name or id of the key that an alias of the account names now; `None` if there is no such alias.
    pub fn alias_target(&self, scope: &Scope, name: &str) -> Result<Option<String>, KmsError> {
        Ok(alias_in(&self.snapshot()?, &scope.account, name)?.map(|alias| alias.key_id))
    }

    /// Gives a key a name.
    pub async fn create_alias(&self, caller: &Caller, name: &str, target: &str) -> Result<(), KmsError> {
        check_name(name)?;
        let (proof, scope) = (caller.authorized().clone(), caller.scope().clone());
        let (name, target, now_ms) = (name.to_owned(), target.to_owned(), self.now_ms());
        self.commit(caller, move |tx| {
            let key = target_in(tx, &scope, &target)?;
            require_proven(&proof, &key, &target)?;
            if alias_in(tx, &scope.account, &name)?.is_some() {
                return Err(KmsError::AliasExists { arn: alias_arn(&scope, &name).to_string() });
            }
            require_room(tx, &key)?;
            let alias = KmsAlias {
                account: scope.account.clone(),
                region: scope.region.clone(),
                key_id: key.id,
                created_ms: now_ms,
                updated_ms: now_ms,
                name,
            };
            Ok(tx.put(KMS_ALIASES, &alias_key(&alias.account, &alias.name), &alias)?)
        })
        .await
    }

    /// Makes an alias name another key. The proof must cover both keys.
    pub async fn update_alias(&self, caller: &Caller, name: &str, target: &str) -> Result<(), KmsError> {
        check_name(name)?;
        let (proof, scope) = (caller.authorized().clone(), caller.scope().clone());
        let (name, target, now_ms) = (name.to_owned(), target.to_owned(), self.now_ms());
        self.commit(caller, move |tx| {
            let mut alias = alias_in(tx, &scope.account, &name)?.ok_or_else(|| no_such_alias(&scope, &name))?;
            let before = key_in(tx, &scope.account, &scope.region, &alias.key_id)?;
            let key = target_in(tx, &scope, &target)?;
            require_proven(&proof, &before, &name)?;
            require_proven(&proof, &key, &target)?;
            if before.id != key.id {
                require_room(tx, &key)?;
            }
            (alias.key_id, alias.updated_ms) = (key.id, now_ms);
            Ok(tx.put(KMS_ALIASES, &alias_key(&alias.account, &alias.name), &alias)?)
        })
        .await
    }

    /// Removes a name; the key stays.
    pub async fn delete_alias(&self, caller: &Caller, name: &str) -> Result<(), KmsError> {
        check_name(name)?;
        let (proof, scope, name) = (caller.authorized().clone(), caller.scope().clone(), name.to_owned());
        self.commit(caller, move |tx| {
            let alias = alias_in(tx, &scope.account, &name)?.ok_or_else(|| no_such_alias(&scope, &name))?;
            let key = key_in(tx, &scope.account, &scope.region, &alias.key_id)?;
            require_proven(&proof, &key, &name)?;
            Ok(tx.delete(KMS_ALIASES, &alias_key(&alias.account, &alias.name))?)
        })
        .await
    }

    /// The account's aliases in the order of their names; with `key`, only those of that key.
    pub fn list_aliases(
        &self,
        _proof: &Authorized,
        scope: &Scope,
        key: Option<&str>,
        page: &KmsPageRequest,
    ) -> Result<KmsPage<KmsAlias>, KmsError> {
        let snapshot = self.snapshot()?;
        let key = match key {
            Some(text) => Some(find_in(&snapshot, &scope.account, &scope.region, text)?.id),
            None => None,
        };
        let of_key = |_: &Key, alias: KmsAlias| key.as_ref().is_none_or(|key| *key == alias.key_id).then_some(alias);
        page.of(snapshot.prefix(KMS_ALIASES, &account_key(&scope.account)), of_key)
    }
}

fn require_room(tx: &Tx<'_>, key: &KmsKey) -> Result<(), KmsError> {
    if names_of(tx, key)?.len() >= ALIASES_PER_KEY_MAX {
        return Err(KmsError::LimitExceeded { quota: "aliases of a key", count_max: ALIASES_PER_KEY_MAX });
    }
    Ok(())
}
