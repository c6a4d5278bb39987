//! The alias of an account: a name for people, unique in the lake, in place of twelve digits.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/console_account-alias.html>

use tarn_audit::Caller;
use tarn_metadata::{Key, Read, StoreExt};

use crate::records::{ACCOUNT_ALIASES, ALIAS_OWNERS, AccountAliasRecord, AliasOwnerRecord, account_key};
use crate::{Identity, IdentityError};

fn check_alias(alias: &str) -> Result<(), IdentityError> {
    let legal = (3..=63).contains(&alias.len())
        && alias.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !alias.starts_with('-')
        && !alias.ends_with('-')
        && !alias.contains("--");
    if legal {
        return Ok(());
    }
    Err(IdentityError::InvalidInput {
        reason: "The account alias must have 3 to 63 lower-case letters, digits and single dashes between them."
            .to_owned(),
    })
}

impl Identity {
    /// Gives the account an alias, in place of the one it has.
    pub async fn create_account_alias(&self, caller: &Caller, alias: &str) -> Result<(), IdentityError> {
        check_alias(alias)?;
        let (account, alias) = (caller.scope().account.clone(), alias.to_owned());
        self.commit(caller, move |tx| {
            let (of_account, of_alias) = (account_key(&account), Key::new().text(&alias));
            if let Some(AliasOwnerRecord { account: owner }) = tx.get(ALIAS_OWNERS, &of_alias)?
                && owner != account
            {
                return Err(IdentityError::AliasExists { alias });
            }
            if let Some(AccountAliasRecord { alias: old }) = tx.get(ACCOUNT_ALIASES, &of_account)? {
                tx.delete(ALIAS_OWNERS, &Key::new().text(&old))?;
            }
            tx.put(ALIAS_OWNERS, &of_alias, &AliasOwnerRecord { account })?;
            Ok(tx.put(ACCOUNT_ALIASES, &of_account, &AccountAliasRecord { alias })?)
        })
        .await
    }

    /// The account's alias, if it has one.
    pub fn account_alias(&self, caller: &Caller) -> Result<Option<String>, IdentityError> {
        let found = self.store.read()?.get(ACCOUNT_ALIASES, &account_key(&caller.scope().account))?;
        Ok(found.map(|AccountAliasRecord { alias }| alias))
    }

    /// Takes the account's alias away.
    pub async fn delete_account_alias(&self, caller: &Caller, alias: &str) -> Result<(), IdentityError> {
        let (account, alias) = (caller.scope().account.clone(), alias.to_owned());
        self.commit(caller, move |tx| {
            let of_account = account_key(&account);
            let found = tx.get(ACCOUNT_ALIASES, &of_account)?;
            if found.is_none_or(|AccountAliasRecord { alias: own }| own != alias) {
                return Err(IdentityError::NoSuchAlias { alias });
            }
            tx.delete(ALIAS_OWNERS, &Key::new().text(&alias))?;
            Ok(tx.delete(ACCOUNT_ALIASES, &of_account)?)
        })
        .await
    }
}
