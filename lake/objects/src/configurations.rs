//! What a bucket is told once and asked seldom: each kind of configuration lies in a keyspace of its own, by the bucket's name and,
//! where a bucket can have several of a kind, by their id. Knows no kind.

use tarn_audit::Caller;
use tarn_metadata::{Keyspace, Read, Record, Tx};

use crate::errors::ObjectsError;
use crate::keyspaces::{LIFECYCLE_SCANS, LIFECYCLES};
use crate::names::BucketName;
use crate::objects::{Objects, require_bucket};
use crate::records::bucket_key;

impl Objects {
    /// The bucket's only configuration of a kind, if it has one.
    pub(crate) fn configuration<R: Record>(
        &self,
        keyspace: Keyspace<R>,
        bucket: &BucketName,
    ) -> Result<Option<R>, ObjectsError> {
        let snapshot = self.snapshot()?;
        require_bucket(&snapshot, bucket)?;
        Ok(snapshot.get(keyspace, &bucket_key(bucket))?)
    }

    #[allow(dead_code)] // Until the first kind of configuration that is only kept lands.
    /// Sets the bucket's only configuration of a kind, or removes it.
    pub(crate) async fn set_configuration<R: Record>(
        &self,
        caller: &Caller,
        keyspace: Keyspace<R>,
        bucket: &BucketName,
        configuration: Option<R>,
    ) -> Result<(), ObjectsError> {
        let bucket = bucket.clone();
        caller
            .commit(&*self.store, move |tx| {
                require_bucket(tx, &bucket)?;
                match &configuration {
                    Some(configuration) => tx.put(keyspace, &bucket_key(&bucket), configuration)?,
                    None => tx.delete(keyspace, &bucket_key(&bucket))?,
                }
                Ok(())
            })
            .await
            .map_err(ObjectsError::from)
    }
}

/// Removes all of a bucket's configurations, with the bucket. Every keyspace of configurations is named here.
pub(crate) fn forget(tx: &mut Tx<'_>, bucket: &BucketName) -> Result<(), ObjectsError> {
    forget_kind(tx, LIFECYCLES, bucket)?;
    forget_kind(tx, LIFECYCLE_SCANS, bucket)
}

/// Removes a bucket's configurations of one kind.
fn forget_kind<R: Record>(tx: &mut Tx<'_>, keyspace: Keyspace<R>, bucket: &BucketName) -> Result<(), ObjectsError> {
    let found: Result<Vec<_>, _> =
        tx.prefix(keyspace, &bucket_key(bucket)).map(|pair| pair.map(|(key, _)| key)).collect();
    for key in found? {
        tx.delete(keyspace, &key)?;
    }
    Ok(())
}
