//! Block Public Access: four switches of a bucket and of an account; the stricter of both counts.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html>

use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_metadata::{Key, Read, Record};
use tarn_policy::Authorized;
use tarn_types::AccountId;

use crate::errors::ObjectsError;
use crate::keyspaces::ACCOUNT_PUBLIC_ACCESS_BLOCKS;
use crate::names::BucketName;
use crate::objects::Objects;
use crate::records::Bucket;

/// The switches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PublicAccessBlock {
    /// Public lists are refused.
    pub block_public_acls: bool,
    /// Public grants of lists have no effect.
    pub ignore_public_acls: bool,
    /// Public policies are refused.
    pub block_public_policy: bool,
    /// A public policy lets in nobody but the owner's identities and services.
    pub restrict_public_buckets: bool,
}

impl Record for PublicAccessBlock {
    const VERSION: u16 = 1;
}

impl PublicAccessBlock {
    /// All four on: what new buckets have.
    pub const ALL: Self = Self {
        block_public_acls: true,
        ignore_public_acls: true,
        block_public_policy: true,
        restrict_public_buckets: true,
    };

    fn or(self, other: Self) -> Self {
        Self {
            block_public_acls: self.block_public_acls || other.block_public_acls,
            ignore_public_acls: self.ignore_public_acls || other.ignore_public_acls,
            block_public_policy: self.block_public_policy || other.block_public_policy,
            restrict_public_buckets: self.restrict_public_buckets || other.restrict_public_buckets,
        }
    }
}

fn account_key(account: &AccountId) -> Key {
    Key::new().text(account.as_str())
}

fn account_block(read: &impl Read, account: &AccountId) -> Result<Option<PublicAccessBlock>, ObjectsError> {
    Ok(read.get(ACCOUNT_PUBLIC_ACCESS_BLOCKS, &account_key(account))?)
}

/// What counts for a bucket: its own switches and its owner's.
pub(crate) fn effective_block(read: &impl Read, bucket: &Bucket) -> Result<PublicAccessBlock, ObjectsError> {
    let own = bucket.public_access_block.unwrap_or_default();
    if own == PublicAccessBlock::ALL {
        return Ok(own);
    }
    Ok(own.or(account_block(read, &bucket.owner)?.unwrap_or_default()))
}

impl Objects {
    /// The bucket's switches.
    pub fn public_access_block(
        &self,
        proof: &Authorized,
        name: &BucketName,
    ) -> Result<PublicAccessBlock, ObjectsError> {
        self.bucket(proof, name)?
            .public_access_block
            .ok_or_else(|| ObjectsError::NoSuchPublicAccessBlock { bucket: name.to_string() })
    }

    /// Sets the bucket's switches; `None` removes them. What is public already stays, and is ignored or restricted as they say.
    pub async fn set_public_access_block(
        &self,
        caller: &Caller,
        name: &BucketName,
        block: Option<PublicAccessBlock>,
    ) -> Result<(), ObjectsError> {
        self.change_bucket(caller, name, move |bucket| bucket.public_access_block = block).await
    }

    /// An account's switches, if it has set any.
    pub fn account_public_access_block(
        &self,
        _proof: &Authorized,
        account: &AccountId,
    ) -> Result<Option<PublicAccessBlock>, ObjectsError> {
        account_block(&self.snapshot()?, account)
    }

    /// Sets the switches of the caller's account; `None` removes them.
    pub async fn set_account_public_access_block(
        &self,
        caller: &Caller,
        block: Option<PublicAccessBlock>,
    ) -> Result<(), ObjectsError> {
        let at = account_key(&caller.scope().account);
        caller
            .commit(&*self.store, move |tx| {
                match &block {
                    Some(block) => tx.put(ACCOUNT_PUBLIC_ACCESS_BLOCKS, &at, block)?,
                    None => tx.delete(ACCOUNT_PUBLIC_ACCESS_BLOCKS, &at)?,
                }
                Ok::<_, ObjectsError>(())
            })
            .await
            .map_err(ObjectsError::from)
    }
}
