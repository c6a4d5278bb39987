//! Buckets: made, found, listed, tagged and removed.

use std::ops::Bound;

use tarn_audit::Caller;
use tarn_metadata::{Key, Read};
use tarn_policy::Authorized;
use tarn_types::{AccountId, Region};

use crate::acl::{Acl, AclRequest};
use crate::errors::ObjectsError;
use crate::keyspaces::{BUCKETS, CURRENT, HISTORY, UPLOADS};
use crate::lock::BucketLock;
use crate::names::BucketName;
use crate::objects::{Objects, bucket_in};
use crate::ownership_controls::ObjectOwnership;
use crate::public_access_block::{PublicAccessBlock, effective_block};
use crate::records::{Bucket, Versioning, bucket_key};
use crate::request_payment::policies_may_speak_of_tags;
use crate::tagging::Tags;

/// The most buckets one page of a listing has.
pub const LIST_BUCKETS_COUNT_MAX: usize = 10_000;

/// A bucket to be made.
#[derive(Debug, Clone)]
pub struct CreateBucket {
    /// Its name.
    pub name: BucketName,
    /// Where; the request's own region unless a constraint says otherwise.
    pub region: Region,
    /// Its tags.
    pub tags: Tags,
    /// Whether its versions can be locked; then it keeps versions from the beginning.
    pub lock: bool,
    /// Whose objects in it are; by default as the options say.
    pub ownership: Option<ObjectOwnership>,
    /// Who may do what with it.
    pub acl: AclRequest,
    /// Whether a bucket of this name that the caller's account has is taken for the new one: it then has this list, and nothing else
    /// of it changes.
    pub or_own: bool,
}

impl CreateBucket {
    /// With nothing but a name and a place.
    pub fn new(name: BucketName, region: Region) -> Self {
        Self {
            name,
            region,
            tags: Tags::default(),
            lock: false,
            ownership: None,
            acl: AclRequest::default(),
            or_own: false,
        }
    }
}

/// Which buckets to list.
#[derive(Debug, Clone)]
pub struct ListBuckets {
    /// Whose.
    pub owner: AccountId,
    /// Only names that begin so; empty for all.
    pub prefix: String,
    /// Only in this region.
    pub region: Option<Region>,
    /// Only names after this one: the continuation.
    pub after: Option<String>,
    /// The most to list.
    pub count_max: usize,
}

/// A page of buckets.
#[derive(Debug, Clone)]
pub struct BucketPage {
    /// By name.
    pub buckets: Vec<Bucket>,
    /// The last name of a page that is not the last.
    pub next: Option<String>,
}

impl Objects {
    /// Makes a bucket that belongs to the caller's account.
    pub async fn create_bucket(&self, caller: &Caller, request: CreateBucket) -> Result<Bucket, ObjectsError> {
        let owner = caller.scope().account.clone();
        let bucket = Bucket {
            name: request.name,
            acl: request.acl.acl(&owner, &owner),
            owner,
            region: request.region,
            created_ms: self.now_ms(),
            policy: None,
            tags: request.tags,
            versioning: if request.lock { Versioning::Enabled } else { Versioning::default() },
            encryption: None,
            lock: request.lock.then(BucketLock::default),
            ownership: Some(request.ownership.unwrap_or(self.options.object_ownership)),
            public_access_block: self.options.block_public_access.then_some(PublicAccessBlock::ALL),
            policy_binds_root: false,
        };
        let (count_max, or_own) = (self.options.buckets_count_max, request.or_own);
        caller
            .commit(&*self.store, move |tx| {
                let at = bucket_key(&bucket.name);
                let bucket = match tx.get(BUCKETS, &at)? {
                    Some(own) if own.owner == bucket.owner && or_own => Bucket { acl: bucket.acl, ..own },
                    Some(other) => {
                        let name = bucket.name.to_string();
                        return Err(if other.owner == bucket.owner {
                            ObjectsError::BucketAlreadyOwnedByYou { bucket: name }
                        } else {
                            ObjectsError::BucketAlreadyExists { bucket: name }
                        });
                    }
                    None => {
                        let mut count = 0;
                        for other in tx.prefix(BUCKETS, &Key::new()) {
                            count += usize::from(other?.1.owner == bucket.owner);
                        }
                        if count >= count_max {
                            return Err(ObjectsError::TooManyBuckets { count_max });
                        }
                        bucket
                    }
                };
                if bucket.acl.is_some() && !bucket.has_acls() {
                    return Err(ObjectsError::AclWithOwnershipEnforced { bucket: bucket.name.to_string() });
                }
                if bucket.acl.as_ref().is_some_and(Acl::is_public) && effective_block(tx, &bucket)?.block_public_acls {
                    return Err(ObjectsError::PublicAclOfNewBucket { bucket: bucket.name.to_string() });
                }
                tx.put(BUCKETS, &at, &bucket)?;
                Ok(bucket)
            })
            .await
            .map_err(ObjectsError::from)
    }

    /// One bucket.
    pub fn bucket(&self, _proof: &Authorized, name: &BucketName) -> Result<Bucket, ObjectsError> {
        bucket_in(&self.snapshot()?, name)
    }

    /// Whose a bucket is, for the gateway's condition keys and for `x-amz-expected-bucket-owner`: not a fact that needs a permission.
    pub fn bucket_owner(&self, name: &BucketName) -> Result<Option<AccountId>, ObjectsError> {
        Ok(self.snapshot()?.get(BUCKETS, &bucket_key(name))?.map(|bucket| bucket.owner))
    }

    /// Buckets of an account, by name.
    pub fn list_buckets(&self, _proof: &Authorized, request: &ListBuckets) -> Result<BucketPage, ObjectsError> {
        let snapshot = self.snapshot()?;
        let prefix = Key::new().text_prefix(&request.prefix);
        let end = prefix.after_prefix();
        let after = request.after.as_ref().map(|after| Key::new().text(after)).filter(|after| *after >= prefix);
        let from = after.as_ref().map_or(Bound::Included(&prefix), Bound::Excluded);
        let mut page = BucketPage { buckets: Vec::new(), next: None };
        for pair in snapshot.range(BUCKETS, from, end.as_ref().map_or(Bound::Unbounded, Bound::Excluded)) {
            let (_, bucket) = pair?;
            if bucket.owner != request.owner || request.region.as_ref().is_some_and(|region| *region != bucket.region) {
                continue;
            }
            if page.buckets.len() >= request.count_max.min(LIST_BUCKETS_COUNT_MAX) {
                page.next = page.buckets.last().map(|last| last.name.to_string());
                break;
            }
            page.buckets.push(bucket);
        }
        Ok(page)
    }

    /// Removes a bucket without objects, versions and delete markers. Uploads under way in it are aborted.
    pub async fn delete_bucket(&self, caller: &Caller, name: &BucketName) -> Result<(), ObjectsError> {
        let snapshot = self.snapshot()?;
        bucket_in(&snapshot, name)?;
        let empty = |read: &dyn Fn() -> Result<bool, ObjectsError>| match read() {
            Ok(true) => Ok(()),
            Ok(false) => Err(ObjectsError::BucketNotEmpty { bucket: name.to_string() }),
            Err(error) => Err(error),
        };
        empty(&|| Ok(snapshot.prefix(CURRENT, &bucket_key(name)).next().transpose()?.is_none()))?;
        empty(&|| Ok(snapshot.prefix(HISTORY, &bucket_key(name)).next().transpose()?.is_none()))?;
        for upload in snapshot.prefix(UPLOADS, &bucket_key(name)) {
            let (_, upload) = upload?;
            match self.abort_multipart_upload(caller, name, &upload.key, &hex::encode(upload.id)).await {
                Ok(()) | Err(ObjectsError::NoSuchUpload { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let name = name.clone();
        caller
            .commit(&*self.store, move |tx| {
                bucket_in(tx, &name)?;
                let at = bucket_key(&name);
                let object = tx.prefix(CURRENT, &at).next().transpose()?.is_some()
                    || tx.prefix(HISTORY, &at).next().transpose()?.is_some();
                let upload = tx.prefix(UPLOADS, &at).next().transpose()?.is_some();
                if object || upload {
                    return Err(ObjectsError::BucketNotEmpty { bucket: name.to_string() });
                }
                crate::configurations::forget(tx, &name)?;
                Ok(tx.delete(BUCKETS, &at)?)
            })
            .await
            .map_err(ObjectsError::from)
    }

    /// Replaces the bucket's tags; empty removes them. `InvalidRequest` where policies may speak of them: then they are changed one by one.
    pub async fn put_bucket_tags(&self, caller: &Caller, name: &BucketName, tags: Tags) -> Result<(), ObjectsError> {
        let name = name.clone();
        caller
            .commit(&*self.store, move |tx| {
                let mut bucket = bucket_in(tx, &name)?;
                if policies_may_speak_of_tags(tx, &name)? {
                    return Err(ObjectsError::InvalidRequest {
                        reason: "Attribute-based access control is enabled for the bucket: use TagResource and UntagResource"
                            .to_owned(),
                    });
                }
                bucket.tags = tags;
                Ok(tx.put(BUCKETS, &bucket_key(&name), &bucket)?)
            })
            .await
            .map_err(ObjectsError::from)
    }

    /// Adds to the bucket's tags, over those of the same keys.
    pub async fn tag_bucket(
        &self,
        caller: &Caller,
        name: &BucketName,
        pairs: Vec<(String, String)>,
    ) -> Result<(), ObjectsError> {
        let added = Tags::of_bucket(pairs)?;
        let change = move |bucket: &mut Bucket| {
            bucket.tags = std::mem::take(&mut bucket.tags).overlaid(added)?;
            Ok(())
        };
        self.try_change_bucket(caller, name, change).await
    }

    /// Takes the tags of these keys from the bucket.
    pub async fn untag_bucket(
        &self,
        caller: &Caller,
        name: &BucketName,
        keys: Vec<String>,
    ) -> Result<(), ObjectsError> {
        self.change_bucket(caller, name, move |bucket| bucket.tags.remove(&keys)).await
    }

    pub(crate) async fn change_bucket(
        &self,
        caller: &Caller,
        name: &BucketName,
        change: impl FnOnce(&mut Bucket) + Send + 'static,
    ) -> Result<(), ObjectsError> {
        let change = |bucket: &mut Bucket| {
            change(bucket);
            Ok(())
        };
        self.try_change_bucket(caller, name, change).await
    }

    async fn try_change_bucket(
        &self,
        caller: &Caller,
        name: &BucketName,
        change: impl FnOnce(&mut Bucket) -> Result<(), ObjectsError> + Send + 'static,
    ) -> Result<(), ObjectsError> {
        let name = name.clone();
        caller
            .commit(&*self.store, move |tx| {
                let mut bucket = bucket_in(tx, &name)?;
                change(&mut bucket)?;
                Ok(tx.put(BUCKETS, &bucket_key(&name), &bucket)?)
            })
            .await
            .map_err(ObjectsError::from)
    }
}
