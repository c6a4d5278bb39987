//! Deleting objects, one or up to a thousand at once.

use std::collections::HashSet;

use tarn_audit::Caller;
use tarn_metadata::Read;

use crate::conditions::{EtagCondition, WriteConditions};
use crate::errors::ObjectsError;
use crate::keyspaces::CURRENT;
use crate::names::{BucketName, ObjectKey};
use crate::objects::{Objects, no_such_key, remove_current, require_bucket};
use crate::records::current_key;

/// The most objects one call deletes.
pub const DELETE_OBJECTS_COUNT_MAX: usize = 1000;

/// One object to be deleted.
#[derive(Debug, Clone)]
pub struct DeleteObject {
    /// Which.
    pub key: ObjectKey,
    /// Only if this is its entity tag.
    pub if_match: Option<EtagCondition>,
}

impl Objects {
    /// Deletes the current object at a key. That there is none is no error.
    pub async fn delete_object(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        delete: DeleteObject,
    ) -> Result<(), ObjectsError> {
        match self.delete_objects(caller, bucket, vec![delete]).await?.pop() {
            Some((_, outcome)) => outcome,
            None => Ok(()),
        }
    }

    /// Deletes several in one transaction; each has its own outcome. The same key named twice is deleted once.
    pub async fn delete_objects(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        deletes: Vec<DeleteObject>,
    ) -> Result<Vec<(ObjectKey, Result<(), ObjectsError>)>, ObjectsError> {
        let bucket = bucket.clone();
        let outcomes = caller
            .commit(&*self.store, move |tx| {
                require_bucket(tx, &bucket)?;
                let mut outcomes = Vec::with_capacity(deletes.len());
                let mut seen = HashSet::new();
                for DeleteObject { key, if_match } in deletes {
                    let conditions = WriteConditions { if_none_match: None, if_match };
                    let refused = match &conditions.if_match {
                        Some(_) if !seen.contains(&key) => {
                            let current = tx.get(CURRENT, &current_key(&bucket, &key))?;
                            conditions
                                .check(current.as_ref().map(|current| &current.etag), || no_such_key(&bucket, &key))
                                .err()
                        }
                        _ => None,
                    };
                    let outcome = match refused {
                        Some(error) => Err(error),
                        None => {
                            remove_current(tx, &bucket, &key)?;
                            seen.insert(key.clone());
                            Ok(())
                        }
                    };
                    outcomes.push((key, outcome));
                }
                // A call that deleted nothing because its condition failed is no change: its record is a refusal's.
                match outcomes.first() {
                    Some((_, Err(error))) if outcomes.len() == 1 => Err(error.clone()),
                    _ => Ok(outcomes),
                }
            })
            .await
            .map_err(ObjectsError::from)?;
        self.dead.notify_one();
        Ok(outcomes)
    }
}
