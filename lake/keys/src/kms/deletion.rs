//! The end of a key: scheduled, called off, and carried out when its time has come. What was encrypted under it is then lost for ever.
//! <https://docs.aws.amazon.com/kms/latest/developerguide/deleting-keys.html>

use tarn_audit::{Caller, Outcome};
use tarn_metadata::{Key, Read, StoreExt, Tx};
use tarn_types::Scope;

use super::grants::delete_some_grants;
use super::keys::put_key;
use super::keyspaces::{KMS_ALIASES, KMS_KEYS, KMS_MATERIAL, KMS_POLICY_PRINCIPALS};
use super::kinds::KeyOrigin;
use super::records::{KeyState, KmsKey, alias_key, kms_key, material_key};
use super::resolve::{find_in, names_of, require_proven};
use super::{Kms, KmsError};

/// Days until a key is deleted, if its owner does not say.
pub const PENDING_DAYS_DEFAULT: u32 = 30;
/// The fewest days.
pub const PENDING_DAYS_MIN: u32 = 7;
/// The most days.
pub const PENDING_DAYS_MAX: u32 = 30;

/// How many keys are deleted in one transaction.
const STEP_KEYS_MAX: usize = 100;

fn has_material(tx: &Tx<'_>, key: &KmsKey) -> Result<bool, KmsError> {
    Ok(tx.get(KMS_MATERIAL, &material_key(&key.account, &key.id, key.version))?.is_some())
}

impl Kms {
    /// Schedules a key's deletion; until then it cannot be used. Says when, milliseconds since 1970.
    pub async fn schedule_key_deletion(
        &self,
        caller: &Caller,
        name: &str,
        days: Option<u32>,
    ) -> Result<(KmsKey, i64), KmsError> {
        let days = days.unwrap_or(PENDING_DAYS_DEFAULT);
        if !(PENDING_DAYS_MIN..=PENDING_DAYS_MAX).contains(&days) {
            let reason =
                format!("PendingWindowInDays must be from {PENDING_DAYS_MIN} to {PENDING_DAYS_MAX}, not {days}.");
            return Err(KmsError::Validation { reason });
        }
        let deletion_ms = self.days_from_now(days);
        let (proof, scope, name) = (caller.authorized().clone(), caller.scope().clone(), name.to_owned());
        self.commit(caller, move |tx| {
            let mut key = find_in(tx, &scope.account, &scope.region, &name)?;
            require_proven(&proof, &key, &name)?;
            key.require_changeable()?;
            key.state = KeyState::PendingDeletion { deletion_ms };
            put_key(tx, &key)?;
            Ok((key, deletion_ms))
        })
        .await
    }

    /// Calls a key's deletion off, unless its time has come: what is deleted with it may be gone already. It is disabled then.
    pub async fn cancel_key_deletion(&self, caller: &Caller, name: &str) -> Result<KmsKey, KmsError> {
        let (proof, scope, name) = (caller.authorized().clone(), caller.scope().clone(), name.to_owned());
        let now_ms = self.now_ms();
        self.commit(caller, move |tx| {
            let mut key = find_in(tx, &scope.account, &scope.region, &name)?;
            require_proven(&proof, &key, &name)?;
            let KeyState::PendingDeletion { deletion_ms } = key.state else {
                return Err(KmsError::NotPendingDeletion { arn: key.arn().to_string() });
            };
            if deletion_ms <= now_ms {
                return Err(KmsError::PendingDeletion { arn: key.arn().to_string() });
            }
            key.state = match key.origin {
                KeyOrigin::External if !has_material(tx, &key)? => KeyState::PendingImport,
                KeyOrigin::External | KeyOrigin::AwsKms => KeyState::Disabled,
            };
            put_key(tx, &key)?;
            Ok(key)
        })
        .await
    }

    /// Deletes keys whose time has come; says how many.
    pub async fn delete_due_keys(&self) -> Result<usize, KmsError> {
        let now_ms = self.now_ms();
        let is_due =
            |key: &KmsKey| matches!(key.state, KeyState::PendingDeletion { deletion_ms } if deletion_ms <= now_ms);
        let mut due = Vec::new();
        for item in self.snapshot()?.prefix(KMS_KEYS, &Key::new()) {
            let (_, key) = item?;
            if is_due(&key) {
                due.push(key);
            }
            if due.len() == STEP_KEYS_MAX {
                break;
            }
        }
        if due.is_empty() {
            return Ok(0);
        }
        let events: Vec<_> = due
            .iter()
            .map(|key| {
                let scope = Scope { account: key.account.clone(), region: key.region.clone() };
                self.service_event(&scope, "kms", "DeleteKey", key)
            })
            .collect();
        let mut deleted = 0;
        // One transaction each, after those of its grants.
        for (key, event) in due.into_iter().zip(events) {
            let gone = key.clone();
            if !self.delete_grants_of(&key).await? {
                continue;
            }
            let is_deleted = self.0.store.write(move |tx: &mut Tx<'_>| {
                // Its deletion may have been called off meanwhile.
                let at = kms_key(&key.account, &key.id);
                if tx.get(KMS_KEYS, &at)?.as_ref() != Some(&key) {
                    return Ok(false);
                }
                for alias in names_of(tx, &key)? {
                    tx.delete(KMS_ALIASES, &alias_key(&alias.account, &alias.name))?;
                }
                let versions: Result<Vec<Key>, _> =
                    tx.prefix(KMS_MATERIAL, &at).map(|item| Ok::<_, KmsError>(item?.0)).collect();
                for version in versions? {
                    tx.delete(KMS_MATERIAL, &version)?;
                }
                tx.delete(KMS_POLICY_PRINCIPALS, &at)?;
                tx.delete(KMS_KEYS, &at)?;
                let event = event.into_event(Outcome::Success);
                event.record(tx)?;
                Ok::<_, KmsError>(true)
            });
            deleted += usize::from(is_deleted.await?);
            // Nothing finds it any more; its bytes need not stay in memory either.
            self.forget(&gone);
        }
        Ok(deleted)
    }
    /// Removes the grants of a key that is due, in steps; says whether the key still is.
    async fn delete_grants_of(&self, key: &KmsKey) -> Result<bool, KmsError> {
        loop {
            let key = key.clone();
            let step = self.0.store.write(move |tx: &mut Tx<'_>| {
                if tx.get(KMS_KEYS, &kms_key(&key.account, &key.id))?.as_ref() != Some(&key) {
                    return Ok(None);
                }
                delete_some_grants(tx, &key).map(Some)
            });
            match step.await? {
                None => return Ok(false),
                Some(true) => return Ok(true),
                Some(false) => {}
            }
        }
    }
}
