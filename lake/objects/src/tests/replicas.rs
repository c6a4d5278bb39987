//! What replicas are: of what a customer's key seals; and what they follow once they are there.

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;

use super::encryption::customer;
use super::replication::{Pair, Roles, rule};
use super::*;
use crate::keyspaces::REPLICATION_TASKS;

fn status(pair: &Pair, at: usize, name: &str) -> Option<ReplicationStatus> {
    let version = pair.lake.objects.head_object(&proof(), &pair.buckets[at], &key(name)).unwrap();
    pair.lake.objects.replication_status(&version).unwrap()
}

async fn read(pair: &Pair, version: &ObjectVersion, by: Option<&CustomerKey>) -> Result<Bytes, ObjectsError> {
    let version = pair.lake.objects.unlock(pair.lake.caller().authorizer(), version, by)?;
    pair.lake.objects.read_whole(&proof(), &version, 1 << 30).await
}

/// Puts `a` at once and `b` as an upload of one part.
async fn put_sealed(pair: &Pair, by: &CustomerKey, bytes: &Bytes) {
    let (objects, one) = (&pair.lake.objects, &pair.buckets[0]);
    let encryption = EncryptionRequest::Customer(by.clone());
    let request = PutObject { encryption: encryption.clone(), ..PutObject::new(one.clone(), key("a")) };
    objects.put_object(&pair.lake.caller(), request, body_of(bytes.clone())).await.unwrap();
    let create = CreateMultipartUpload {
        bucket: one.clone(),
        key: key("b"),
        metadata: ObjectMetadata::default(),
        tags: Tags::default(),
        class: StorageClass::Standard,
        checksum: None,
        encryption,
        lock: VersionLock::default(),
        acl: AclRequest::default(),
    };
    let upload = objects.create_multipart_upload(&pair.lake.caller(), create).await.unwrap();
    let upload = UploadName { bucket: one.clone(), key: key("b"), upload_id: hex::encode(upload.id) };
    let part = UploadPart {
        upload: upload.clone(),
        number: 7,
        content_length: None,
        expected: ExpectedDigests::default(),
        customer_key: Some(by.clone()),
    };
    let part = objects.upload_part(&pair.lake.caller(), part, body_of(bytes.clone())).await.unwrap();
    let complete = CompleteMultipartUpload {
        upload,
        parts: vec![CompletedPart { number: 7, etag: Etag::Md5(part.md5).to_string(), checksums: Vec::new() }],
        checksums: Vec::new(),
        kind: None,
        size_bytes: None,
        conditions: WriteConditions::default(),
        customer_key: None,
    };
    objects.complete_multipart_upload(&pair.lake.caller(), complete).await.unwrap();
}

#[tokio::test]
async fn what_a_customers_key_seals_is_copied_as_it_is_sealed() {
    let pair = Pair::new().await;
    let (objects, [one, two]) = (&pair.lake.objects, &pair.buckets);
    let (by, bytes) = (customer(1), Bytes::from(vec![7; 200_000]));
    put_sealed(&pair, &by, &bytes).await;
    pair.drain().await;
    for at in ["a", "b"] {
        assert_eq!(
            (status(&pair, 0, at), status(&pair, 1, at)),
            (Some(ReplicationStatus::Completed), Some(ReplicationStatus::Replica))
        );
        let source = objects.head_object(&proof(), one, &key(at)).unwrap();
        let copy = objects.head_object(&proof(), two, &key(at)).unwrap();
        assert_eq!((copy.etag(), copy.own_version_id()), (source.etag(), source.own_version_id()));
        assert!(matches!(read(&pair, &copy, None).await, Err(ObjectsError::CustomerKeyRequired)));
        assert!(matches!(read(&pair, &copy, Some(&customer(2))).await, Err(ObjectsError::CustomerKeyWrong)));
        assert_eq!(read(&pair, &copy, Some(&by)).await.unwrap(), bytes);
        // A copy moves to another class as its source would, and has bytes of its own.
        drop(copy);
        let copy = objects.head_object(&proof(), two, &key(at)).unwrap();
        assert!(objects.transition(&copy.id(), StorageClass::StandardIa).await.unwrap());
        let delete = DeleteObject { version: source.version_id(), ..DeleteObject::new(key(at)) };
        drop((source, copy));
        objects.delete_object(&pair.lake.caller(), one, delete).await.unwrap();
        pair.lake.collect().await;
        assert_eq!(objects.sweep().await.unwrap().removed, 0);
        let copy = objects.head_object(&proof(), two, &key(at)).unwrap();
        assert_eq!(read(&pair, &copy, Some(&by)).await.unwrap(), bytes);
    }
}

#[tokio::test]
async fn a_bucket_that_takes_no_customers_keys_takes_no_copies_under_them() {
    let pair = Pair::new().await;
    let blocked = BucketEncryption { customer_keys_blocked: Some(true), ..BucketEncryption::default() };
    pair.lake.objects.set_bucket_encryption(&pair.lake.caller(), &pair.buckets[1], Some(blocked)).await.unwrap();
    put_sealed(&pair, &customer(1), &Bytes::from_static(b"x")).await;
    pair.drain().await;
    assert_eq!(status(&pair, 0, "a"), Some(ReplicationStatus::Failed));
    assert!(pair.lake.objects.head_object(&proof(), &pair.buckets[1], &key("a")).is_err());
}

/// A bucket elsewhere that keeps versions: what it was told, in order.
#[derive(Default)]
struct Elsewhere {
    told: Mutex<Vec<String>>,
    /// How many calls from now on it cannot be reached for.
    unreachable: Mutex<usize>,
}

impl Elsewhere {
    fn tell(&self, what: String) -> Result<(), RemoteError> {
        let mut left = self.unreachable.lock();
        if *left > 0 {
            *left -= 1;
            return Err(RemoteError::Unreachable("it is away".to_owned()));
        }
        self.told.lock().push(what);
        Ok(())
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut *self.told.lock())
    }
}

const ELSEWHERE: &str = "arn:aws:s3:::elsewhere";

impl RemoteBuckets for Elsewhere {
    fn has(&self, _: &AccountId, bucket_arn: &str) -> bool {
        bucket_arn == ELSEWHERE
    }

    fn put<'a>(&'a self, _: &'a str, copy: RemoteCopy) -> BoxFuture<'a, Result<Option<String>, RemoteError>> {
        let told = self.tell(format!("put {} {} tags", copy.key, copy.tags.len()));
        async move { told.map(|()| Some("v1".to_owned())) }.boxed()
    }

    fn change<'a>(
        &'a self,
        _: &'a str,
        key: &'a ObjectKey,
        version: &'a str,
        change: RemoteChange,
    ) -> BoxFuture<'a, Result<(), RemoteError>> {
        let what = match change {
            RemoteChange::Tags(tags) => format!("{} tags", tags.len()),
            RemoteChange::Acl(list) => format!("{} grants", list.acl.grants().len()),
            RemoteChange::Retention(retention) => format!("until {}", retention.until_ms),
            RemoteChange::LegalHold(on) => format!("hold {on}"),
        };
        let told = self.tell(format!("{key} {version} {what}"));
        async move { told }.boxed()
    }

    fn delete<'a>(&'a self, _: &'a str, _: &'a ObjectKey) -> BoxFuture<'a, Result<(), RemoteError>> {
        async { Ok(()) }.boxed()
    }
}

#[tokio::test]
async fn copies_elsewhere_follow_by_the_version_that_they_are() {
    let replication_pause = std::time::Duration::from_millis(1);
    let lake = Lake::with(ObjectsOptions { replication_pause, ..ObjectsOptions::default() });
    let (objects, source) = (&lake.objects, lake.bucket("lake-one").await);
    objects.put_bucket_versioning(&lake.caller(), &source, true).await.unwrap();
    objects.put_object_lock_configuration(&lake.caller(), &source, BucketLock::default()).await.unwrap();
    objects.put_ownership_controls(&lake.caller(), &source, ObjectOwnership::ObjectWriter).await.unwrap();
    let elsewhere = Arc::new(Elsewhere::default());
    let lane = objects.replicators(Arc::new(Everyone), Arc::new(Roles), elsewhere.clone()).remove(0);
    let role = "arn:aws:iam::000000000000:role/r".to_owned();
    let mut rule = rule(&source);
    rule.destination.bucket = ELSEWHERE.to_owned();
    let configuration = ReplicationConfiguration::new(role.clone(), vec![rule.clone()]);
    objects.put_bucket_replication(&lake.caller(), &source, configuration, |_, _| true).await.unwrap();
    // A task that was put off waits for its destination's pause to end.
    let drain = async || {
        let waits = |lake: &Lake| lake.store.read().unwrap().prefix(REPLICATION_TASKS, &Key::new()).next().is_some();
        while waits(&lake) {
            if !lane.replicate_next().await.unwrap() {
                tarn_runtime::Worker::wait(&lane).await;
            }
        }
        elsewhere.told()
    };
    let at = key("a");
    let status = || {
        let version = objects.head_object(&proof(), &source, &at).unwrap();
        objects.replication_status(&version).unwrap()
    };
    lake.put(&source, "a", "x").await;
    assert_eq!(drain().await, ["put a 0 tags"]);

    let tags = Tags::of_object([("k".to_owned(), "v".to_owned())]).unwrap();
    objects.put_object_tags(&lake.caller(), &source, &at, None, tags.clone()).await.unwrap();
    assert_eq!(status(), Some(ReplicationStatus::Pending));
    *elsewhere.unreachable.lock() = 1;
    assert_eq!(drain().await, ["a v1 1 grants", "a v1 1 tags"]);
    assert_eq!(status(), Some(ReplicationStatus::Completed));

    let read = AclRequest::Canned(CannedAcl::PublicRead);
    objects.set_public_access_block(&lake.caller(), &source, None).await.unwrap();
    objects.put_object_acl(&lake.caller(), &source, &at, None, read).await.unwrap();
    let until_ms = lake.runtime.now().as_millisecond() + 60_000;
    let retention = Some(Retention { mode: RetentionMode::Governance, until_ms });
    objects.put_object_retention(&lake.caller(), &source, &at, None, retention, Bypass::No).await.unwrap();
    objects.put_object_legal_hold(&lake.caller(), &source, &at, None, true).await.unwrap();
    // Three changes that were not brought there yet are one task: as the version is by then.
    let until = format!("a v1 until {until_ms}");
    assert_eq!(drain().await, [until.as_str(), "a v1 hold true", "a v1 2 grants", "a v1 1 tags"]);

    // A new copy is told what it has, once.
    let lock = VersionLock { retention, legal_hold: None };
    let put = PutObject { tags, lock, ..PutObject::new(source.clone(), key("b")) };
    objects.put_object(&lake.caller(), put, body_of("y")).await.unwrap();
    assert!(lane.replicate_next().await.unwrap());
    assert_eq!(elsewhere.told(), ["put b 1 tags", &format!("b v1 until {until_ms}")]);

    // The owner there keeps its own list.
    rule.destination.is_given_over = true;
    rule.destination.account = Some(AccountId::first());
    let configuration = ReplicationConfiguration::new(role, vec![rule]);
    objects.put_bucket_replication(&lake.caller(), &source, configuration, |_, _| true).await.unwrap();
    objects.put_object_acl(&lake.caller(), &source, &at, None, AclRequest::Canned(CannedAcl::Private)).await.unwrap();
    assert_eq!(drain().await, [until.as_str(), "a v1 hold true", "a v1 1 tags"]);
}

#[tokio::test]
async fn copies_here_follow_while_both_are_there() {
    let pair = Pair::new().await;
    let (objects, [one, two], at) = (&pair.lake.objects, &pair.buckets, key("a"));
    for bucket in [one, two] {
        objects.put_ownership_controls(&pair.lake.caller(), bucket, ObjectOwnership::ObjectWriter).await.unwrap();
        objects.put_object_lock_configuration(&pair.lake.caller(), bucket, BucketLock::default()).await.unwrap();
        objects.set_public_access_block(&pair.lake.caller(), bucket, None).await.unwrap();
    }
    pair.lake.put(one, "a", "x").await;
    pair.drain().await;
    // The same account owns both: its lists follow all the same.
    let read = AclRequest::Canned(CannedAcl::PublicRead);
    objects.put_object_acl(&pair.lake.caller(), one, &at, None, read).await.unwrap();
    let tags = Tags::of_object([("k".to_owned(), "v".to_owned())]).unwrap();
    objects.put_object_tags(&pair.lake.caller(), one, &at, None, tags.clone()).await.unwrap();
    let until_ms = pair.lake.runtime.now().as_millisecond() + 60_000;
    let retention = Some(Retention { mode: RetentionMode::Governance, until_ms });
    objects.put_object_retention(&pair.lake.caller(), one, &at, None, retention, Bypass::No).await.unwrap();
    pair.drain().await;
    let copy = objects.head_object(&proof(), two, &at).unwrap();
    assert_eq!((copy.tags(), copy.lock().retention), (&tags, retention));
    assert!(objects.object_acl(&proof(), two, &at, None).unwrap().acl.is_public());
    objects.put_object_acl(&pair.lake.caller(), one, &at, None, AclRequest::Canned(CannedAcl::Private)).await.unwrap();
    pair.drain().await;
    assert!(!objects.object_acl(&proof(), two, &at, None).unwrap().acl.is_public());

    // A copy that was removed for good is not made again by a change of its version.
    let delete = DeleteObject { version: copy.version_id(), bypass: Bypass::Governance, ..DeleteObject::new(key("a")) };
    objects.delete_object(&pair.lake.caller(), two, delete).await.unwrap();
    objects.put_object_tags(&pair.lake.caller(), one, &at, None, Tags::default()).await.unwrap();
    pair.drain().await;
    assert!(matches!(objects.head_object(&proof(), two, &at), Err(ObjectsError::NoSuchKey { .. })));
    assert_eq!(status(&pair, 0, "a"), Some(ReplicationStatus::Completed));
    // Nor is a version that was removed made again by a change of its copy.
    pair.lake.put(one, "b", "y").await;
    pair.drain().await;
    let version = objects.head_object(&proof(), one, &key("b")).unwrap().version_id();
    objects
        .delete_object(&pair.lake.caller(), one, DeleteObject { version, ..DeleteObject::new(key("b")) })
        .await
        .unwrap();
    objects.put_object_tags(&pair.lake.caller(), two, &key("b"), None, tags).await.unwrap();
    pair.drain().await;
    assert!(matches!(objects.head_object(&proof(), one, &key("b")), Err(ObjectsError::NoSuchKey { .. })));
}
