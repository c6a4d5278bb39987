//! What a bucket is told once and asked seldom: each kind of configuration lies in a keyspace of its own, by the bucket's name and,
//! where a bucket can have several of a kind, by their id. Knows no kind.

use std::ops::Bound;

use tarn_audit::Caller;
use tarn_metadata::{Key, Keyspace, Read, Record, Tx};

use crate::errors::{ConfigurationKind, ObjectsError};
use crate::keyspaces::{
    ABAC, ACCELERATE, ANALYTICS, CORS, EVENTFUL, INVENTORIES, INVENTORY_RUNS, LIFECYCLE_SCANS, LIFECYCLES, LOGGING,
    METRICS, NOTIFICATIONS, POLICY_PRINCIPALS, REPLICATIONS, REQUEST_PAYMENT, TIERING, TIERING_SCANS, WEBSITES,
};
use crate::metrics::CONFIGURATIONS_COUNT_MAX;
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

/// A page of configurations.
#[derive(Debug, Clone)]
pub struct ConfigurationPage<R> {
    /// By id.
    pub configurations: Vec<R>,
    /// The last id of a page that is not the last.
    pub next: Option<String>,
}

/// The most configurations one page of a listing has.
const PAGE_COUNT_MAX: usize = 100;

pub(crate) fn id_key(bucket: &BucketName, id: &str) -> Key {
    bucket_key(bucket).text(id)
}

impl Objects {
    /// One of the bucket's configurations of a kind.
    pub(crate) fn configuration_by_id<R: Record>(
        &self,
        keyspace: Keyspace<R>,
        bucket: &BucketName,
        id: &str,
    ) -> Result<Option<R>, ObjectsError> {
        let snapshot = self.snapshot()?;
        require_bucket(&snapshot, bucket)?;
        Ok(snapshot.get(keyspace, &id_key(bucket, id))?)
    }

    /// The bucket's configurations of a kind, by id, from the one after `after`.
    pub(crate) fn list_configurations<R: Record>(
        &self,
        keyspace: Keyspace<R>,
        bucket: &BucketName,
        after: Option<&str>,
    ) -> Result<ConfigurationPage<R>, ObjectsError> {
        let snapshot = self.snapshot()?;
        require_bucket(&snapshot, bucket)?;
        let prefix = bucket_key(bucket);
        let (after, end) = (after.map(|id| id_key(bucket, id)), prefix.after_prefix());
        let from = after.as_ref().map_or(Bound::Included(&prefix), Bound::Excluded);
        let to = end.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut page = ConfigurationPage { configurations: Vec::new(), next: None };
        let mut last = None;
        for pair in snapshot.range(keyspace, from, to) {
            let (key, configuration) = pair?;
            if page.configurations.len() == PAGE_COUNT_MAX {
                page.next = last;
                break;
            }
            let mut reader = Key::reader(key.as_bytes());
            reader.text();
            last = reader.text();
            page.configurations.push(configuration);
        }
        Ok(page)
    }

    /// Adds or replaces one of the bucket's configurations of a kind; `then` is what follows from it.
    pub(crate) async fn put_configuration_by_id<R: Record>(
        &self,
        caller: &Caller,
        keyspace: Keyspace<R>,
        bucket: &BucketName,
        id: &str,
        configuration: R,
        then: impl FnOnce(&mut Tx<'_>, &BucketName) -> Result<(), ObjectsError> + Send + 'static,
    ) -> Result<(), ObjectsError> {
        let (bucket, at) = (bucket.clone(), id_key(bucket, id));
        caller
            .commit(&*self.store, move |tx| {
                require_bucket(tx, &bucket)?;
                if !tx.contains(keyspace, &at)? {
                    let mut count = 0;
                    for pair in tx.prefix(keyspace, &bucket_key(&bucket)) {
                        pair?;
                        count += 1;
                    }
                    if count >= CONFIGURATIONS_COUNT_MAX {
                        return Err(ObjectsError::TooManyConfigurations { count_max: CONFIGURATIONS_COUNT_MAX });
                    }
                }
                tx.put(keyspace, &at, &configuration)?;
                then(tx, &bucket)
            })
            .await
            .map_err(ObjectsError::from)
    }

    /// Removes one of the bucket's configurations of a kind.
    pub(crate) async fn delete_configuration_by_id<R: Record>(
        &self,
        caller: &Caller,
        keyspace: Keyspace<R>,
        bucket: &BucketName,
        id: &str,
        kind: ConfigurationKind,
    ) -> Result<(), ObjectsError> {
        let (bucket, at) = (bucket.clone(), id_key(bucket, id));
        caller
            .commit(&*self.store, move |tx| {
                require_bucket(tx, &bucket)?;
                if !tx.contains(keyspace, &at)? {
                    return Err(kind.missing(&bucket));
                }
                Ok(tx.delete(keyspace, &at)?)
            })
            .await
            .map_err(ObjectsError::from)
    }
}

/// Removes all of a bucket's configurations, with the bucket. Every keyspace of configurations is named here.
pub(crate) fn forget(tx: &mut Tx<'_>, bucket: &BucketName) -> Result<(), ObjectsError> {
    forget_kind(tx, LIFECYCLES, bucket)?;
    forget_kind(tx, LIFECYCLE_SCANS, bucket)?;
    forget_kind(tx, CORS, bucket)?;
    forget_kind(tx, WEBSITES, bucket)?;
    forget_kind(tx, METRICS, bucket)?;
    forget_kind(tx, TIERING, bucket)?;
    forget_kind(tx, TIERING_SCANS, bucket)?;
    forget_kind(tx, ANALYTICS, bucket)?;
    forget_kind(tx, INVENTORIES, bucket)?;
    forget_kind(tx, INVENTORY_RUNS, bucket)?;
    forget_kind(tx, REQUEST_PAYMENT, bucket)?;
    forget_kind(tx, ACCELERATE, bucket)?;
    forget_kind(tx, ABAC, bucket)?;
    forget_kind(tx, POLICY_PRINCIPALS, bucket)?;
    forget_kind(tx, LOGGING, bucket)?;
    forget_kind(tx, NOTIFICATIONS, bucket)?;
    forget_kind(tx, REPLICATIONS, bucket)?;
    forget_kind(tx, EVENTFUL, bucket)?;
    Ok(())
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
