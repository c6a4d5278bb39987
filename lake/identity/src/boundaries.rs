//! Permissions boundaries of users and roles: the most that their policies can allow.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html>

use tarn_audit::Caller;
use tarn_metadata::{Read, StoreExt, Tx};
use tarn_types::{AccountId, Arn};

use crate::entities::{find_changeable, find_entity};
use crate::managed_policies::find_policy;
use crate::paging::count;
use crate::records::{BOUNDARIES, BOUNDARY_OF, BoundaryRecord, Link, in_account};
use crate::{ATTACHED_TO_MAX, EntityKind, Identity, IdentityError};

/// The ARN of the boundary of the user or role that `id` names.
pub(crate) fn boundary_of(read: &impl Read, account: &AccountId, id: &str) -> Result<Option<String>, IdentityError> {
    Ok(read.get(BOUNDARIES, &in_account(account, id))?.map(|record| record.arn))
}

/// How many users and roles a policy is the boundary of.
pub(crate) fn boundary_count(read: &impl Read, account: &AccountId, arn: &Arn) -> Result<usize, IdentityError> {
    Ok(count(read, BOUNDARY_OF, &in_account(account, &arn.to_string()), ATTACHED_TO_MAX)?)
}

/// Sets the boundary of what `id` names, in place of the one it has; `None` takes it away.
pub(crate) fn put_boundary(
    tx: &mut Tx<'_>,
    account: &AccountId,
    id: &str,
    arn: Option<&str>,
    since_ms: i64,
) -> Result<(), IdentityError> {
    let at = in_account(account, id);
    if let Some(BoundaryRecord { arn: old }) = tx.get(BOUNDARIES, &at)? {
        tx.delete(BOUNDARY_OF, &in_account(account, &old).text(id))?;
        tx.delete(BOUNDARIES, &at)?;
    }
    if let Some(arn) = arn {
        find_policy(tx, account, arn)?;
        tx.put(BOUNDARY_OF, &in_account(account, arn).text(id), &Link { since_ms })?;
        tx.put(BOUNDARIES, &at, &BoundaryRecord { arn: arn.to_owned() })?;
    }
    Ok(())
}

impl Identity {
    /// Sets the boundary of a user or role.
    pub async fn put_boundary(
        &self,
        caller: &Caller,
        kind: EntityKind,
        name: &str,
        arn: &str,
    ) -> Result<(), IdentityError> {
        let account = caller.scope().account.clone();
        let (name, arn, now_ms) = (name.to_owned(), arn.to_owned(), caller.time_ms());
        self.commit(caller, move |tx| {
            let entity = find_changeable(tx, &account, kind, &name)?;
            put_boundary(tx, &account, &entity.id, Some(&arn), now_ms)
        })
        .await
    }

    /// Takes the boundary of a user or role away.
    pub async fn delete_boundary(&self, caller: &Caller, kind: EntityKind, name: &str) -> Result<(), IdentityError> {
        let account = caller.scope().account.clone();
        let (name, now_ms) = (name.to_owned(), caller.time_ms());
        self.commit(caller, move |tx| {
            let entity = find_changeable(tx, &account, kind, &name)?;
            if boundary_of(tx, &account, &entity.id)?.is_none() {
                return Err(IdentityError::NoBoundary { kind, name: entity.name });
            }
            put_boundary(tx, &account, &entity.id, None, now_ms)
        })
        .await
    }

    /// The boundary of a user or role before anything is authorized; `None` if there is none, or no such user or role.
    pub fn boundary(&self, account: &AccountId, kind: EntityKind, name: &str) -> Result<Option<String>, IdentityError> {
        let snapshot = self.store.read()?;
        match find_entity(&snapshot, account, kind, name) {
            Ok(entity) => boundary_of(&snapshot, account, &entity.id),
            Err(IdentityError::NoSuchEntity { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
