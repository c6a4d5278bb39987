//! The calls together, over a store and blobs in memory.
#![allow(clippy::unwrap_used)]

mod access;
mod classes;
mod copying;
mod crashes;
mod encryption;
mod events;
mod lifecycle;
mod linear;
mod logging;
mod model;
mod multipart;
mod reading;
mod replicas;
mod replication;
mod restoring;
mod tiering;
mod volumes;

use std::sync::Arc;

use bytes::Bytes;
use tarn_audit::{Caller, EVENTS, EventDraft};
use tarn_blobs::MemoryBlobs;
use tarn_keys::Keys;
use tarn_metadata::{Key, MemoryStore, Read, Store, StoreExt};
use tarn_policy::{Authorized, Authorizer, BoundAuthorizer, Context, Denied, Principal, Requirement};
use tarn_runtime::{EntropyExt, FixedClock, Runtime, Timestamp};
use tarn_types::{AccountId, Region, Scope};

use crate::*;

struct Everyone;

impl Authorizer for Everyone {
    fn authorize(&self, _: &Principal, _: Vec<Requirement>, _: &Context) -> Result<Authorized, Denied> {
        Ok(proof())
    }
}

pub(crate) fn proof() -> Authorized {
    Authorized::internal("test.amazonaws.com", AccountId::first())
}

pub(crate) struct Lake {
    pub objects: Objects,
    pub store: Arc<MemoryStore>,
    pub blobs: MemoryBlobs,
    pub runtime: Runtime,
    pub clock: Arc<FixedClock>,
}

impl Lake {
    pub fn new() -> Self {
        Self::with(ObjectsOptions::default())
    }

    pub fn with(options: ObjectsOptions) -> Self {
        let (runtime, clock) = Runtime::fixed(Timestamp::from_millisecond(1_700_000_000_000).unwrap(), 7);
        let (store, blobs) = (Arc::new(MemoryStore::new()), MemoryBlobs::new());
        let keys = Arc::new(Keys::ephemeral(&runtime).unwrap());
        let shared: Arc<dyn Store> = store.clone();
        let objects = Objects::new(shared, Arc::new(blobs.clone()), keys, runtime.clone(), options);
        Self { objects, store, blobs, runtime, clock }
    }

    pub fn caller(&self) -> Caller {
        self.caller_of(AccountId::first())
    }

    pub fn caller_of(&self, account: AccountId) -> Caller {
        let principal = Principal::root(account.clone());
        let event = EventDraft {
            id: self.runtime.entropy.bytes(),
            request_id: "request".to_owned(),
            time_ms: self.runtime.now().as_millisecond(),
            event_source: "s3.amazonaws.com".to_owned(),
            event_name: "Test".to_owned(),
            read_only: false,
            management: false,
            scope: Scope { account, region: Region::us_east_1() },
            principal: principal.clone(),
            source_ip: "127.0.0.1".to_owned(),
            user_agent: String::new(),
            request_parameters: "null".to_owned(),
            resources: Vec::new(),
        };
        Caller::new(proof(), BoundAuthorizer::new(Arc::new(Everyone), principal, Context::new()), event)
    }

    pub async fn bucket(&self, name: &str) -> BucketName {
        let name = bucket(name);
        let request = CreateBucket::new(name.clone(), Region::us_east_1());
        self.objects.create_bucket(&self.caller(), request).await.unwrap();
        name
    }

    pub async fn put(&self, bucket: &BucketName, at: &str, bytes: impl Into<Bytes>) -> ObjectVersion {
        self.objects.put_object(&self.caller(), PutObject::new(bucket.clone(), key(at)), body_of(bytes)).await.unwrap()
    }

    pub async fn get(&self, bucket: &BucketName, at: &str) -> Result<Bytes, ObjectsError> {
        let version = self.objects.head_object(&proof(), bucket, &key(at))?;
        self.objects.read_whole(&proof(), &version, 1 << 30).await
    }

    pub async fn delete(&self, bucket: &BucketName, at: &str) {
        self.objects.delete_object(&self.caller(), bucket, DeleteObject::new(key(at))).await.unwrap();
    }

    pub async fn begin_upload(&self, bucket: &BucketName, at: &str) -> UploadRecord {
        let request = CreateMultipartUpload {
            bucket: bucket.clone(),
            key: key(at),
            metadata: ObjectMetadata::default(),
            tags: Tags::default(),
            class: StorageClass::Standard,
            checksum: None,
            encryption: EncryptionRequest::default(),
            lock: VersionLock::default(),
            acl: AclRequest::default(),
        };
        self.objects.create_multipart_upload(&self.caller(), request).await.unwrap()
    }

    pub fn list(&self, bucket: &BucketName, prefix: &str, delimiter: Option<&str>) -> (Vec<String>, Vec<String>) {
        let request =
            ListObjects { delimiter: delimiter.map(str::to_owned), ..ListObjects::new(bucket.clone(), prefix) };
        let listing = self.objects.list_objects(&proof(), &request).unwrap();
        (listing.objects.into_iter().map(|object| object.key).collect(), listing.common_prefixes)
    }

    pub fn events(&self) -> usize {
        self.store.read().unwrap().prefix(EVENTS, &Key::new()).count()
    }

    pub async fn collect(&self) {
        while self.objects.collect_dead_blobs().await.unwrap() > 0 {}
    }
}

pub(crate) fn bucket(name: &str) -> BucketName {
    BucketName::new(name).unwrap()
}

pub(crate) fn key(text: &str) -> ObjectKey {
    ObjectKey::new(text).unwrap()
}

#[tokio::test]
async fn buckets_are_made_listed_and_removed() {
    let lake = Lake::new();
    let name = lake.bucket("lake-raw").await;
    lake.bucket("lake-ml").await;
    let again = CreateBucket::new(name.clone(), Region::us_east_1());
    let refused = lake.objects.create_bucket(&lake.caller(), again.clone()).await;
    assert!(matches!(refused, Err(ObjectsError::BucketAlreadyOwnedByYou { .. })), "{refused:?}");
    let other = AccountId::new("111111111111").unwrap();
    let again = CreateBucket { or_own: true, ..again };
    let refused = lake.objects.create_bucket(&lake.caller_of(other.clone()), again.clone()).await;
    assert!(matches!(refused, Err(ObjectsError::BucketAlreadyExists { .. })), "{refused:?}");
    let made = lake.objects.bucket(&proof(), &name).unwrap();
    assert_eq!(lake.objects.create_bucket(&lake.caller(), again).await.unwrap(), made);
    let request =
        ListBuckets { owner: AccountId::first(), prefix: String::new(), region: None, after: None, count_max: 1 };
    let page = lake.objects.list_buckets(&proof(), &request).unwrap();
    assert_eq!((page.buckets[0].name.as_str(), page.next.as_deref()), ("lake-ml", Some("lake-ml")));
    let page = lake.objects.list_buckets(&proof(), &ListBuckets { after: page.next, ..request.clone() }).unwrap();
    assert_eq!((page.buckets[0].name.as_str(), page.next), ("lake-raw", None));
    let request = ListBuckets { owner: other, ..request };
    assert!(lake.objects.list_buckets(&proof(), &request).unwrap().buckets.is_empty());

    lake.put(&name, "a", "x").await;
    let refused = lake.objects.delete_bucket(&lake.caller(), &name).await;
    assert!(matches!(refused, Err(ObjectsError::BucketNotEmpty { .. })), "{refused:?}");
    lake.delete(&name, "a").await;
    lake.objects.delete_bucket(&lake.caller(), &name).await.unwrap();
    assert!(matches!(lake.objects.bucket(&proof(), &name), Err(ObjectsError::NoSuchBucket { .. })));
}

#[tokio::test]
async fn what_was_put_is_read_and_is_ciphertext_at_rest() {
    let lake = Lake::new();
    let name = lake.bucket("lake-raw").await;
    let plain: Bytes = b"plaintext in the lake ".repeat(20_000).into();
    for size in [0, 1, 22, 65_535, 65_536, 65_537, 200_000, plain.len()] {
        let version = lake.put(&name, "a/../b//c", plain.slice(..size)).await;
        assert_eq!(version.size_bytes(), size as u64);
        assert_eq!(lake.get(&name, "a/../b//c").await.unwrap(), plain.slice(..size), "{size}");
    }
    for stored in lake.blobs.stored() {
        assert!(!stored.windows(9).any(|window| window == b"plaintext"));
    }
    assert_eq!(lake.events(), 9);
    lake.collect().await;
    assert_eq!(lake.blobs.count(), 1);
}

#[tokio::test]
async fn a_refused_put_leaves_nothing() {
    let lake = Lake::new();
    let name = lake.bucket("lake-raw").await;
    let put = |change: fn(&mut PutObject)| {
        let mut request = PutObject::new(name.clone(), key("k"));
        change(&mut request);
        let (objects, caller) = (lake.objects.clone(), lake.caller());
        async move { objects.put_object(&caller, request, body_of("bytes")).await.map(|_| ()) }
    };
    let events = lake.events();
    let md5 = put(|request| request.expected.md5 = Some([0; 16])).await;
    assert!(matches!(md5, Err(ObjectsError::BadDigest { algorithm: "Content-MD5", .. })), "{md5:?}");
    let crc =
        put(|request| request.expected.checksums.push(Checksum::full(ChecksumAlgorithm::Crc32, vec![0; 4]))).await;
    assert!(matches!(crc, Err(ObjectsError::BadDigest { algorithm: "CRC32", .. })), "{crc:?}");
    let trailer =
        put(|request| request.expected.trailer = Some((ChecksumAlgorithm::Sha1, Box::new(|| Some("AAAA".to_owned())))))
            .await;
    assert!(matches!(trailer, Err(ObjectsError::InvalidRequest { .. })), "{trailer:?}");
    let missing = put(|request| request.expected.trailer = Some((ChecksumAlgorithm::Sha1, Box::new(|| None)))).await;
    assert!(matches!(missing, Err(ObjectsError::InvalidRequest { .. })), "{missing:?}");
    let short = put(|request| request.content_length = Some(6)).await;
    assert!(matches!(short, Err(ObjectsError::IncompleteBody { .. })), "{short:?}");
    let long = put(|request| request.content_length = Some(4)).await;
    assert!(matches!(long, Err(ObjectsError::IncompleteBody { .. })), "{long:?}");
    let matched = put(|request| request.conditions.if_match = Some(EtagCondition::parse("\"x\""))).await;
    assert!(matches!(matched, Err(ObjectsError::NoSuchKey { .. })), "{matched:?}");
    assert_eq!((lake.blobs.count(), lake.events()), (0, events));
    assert!(matches!(lake.get(&name, "k").await, Err(ObjectsError::NoSuchKey { .. })));

    put(|request| request.conditions.if_none_match = Some(EtagCondition::Any)).await.unwrap();
    let taken = put(|request| request.conditions.if_none_match = Some(EtagCondition::Any)).await;
    assert!(matches!(taken, Err(ObjectsError::PreconditionFailed { condition: Condition::IfNoneMatch })), "{taken:?}");
    assert_eq!(lake.blobs.count(), 1);
    let trailer = put(|request| {
        request.expected.trailer = Some((ChecksumAlgorithm::Crc64Nvme, Box::new(|| Some("uAvt3ADLI+I=".to_owned()))));
    });
    assert!(matches!(trailer.await, Err(ObjectsError::BadDigest { .. }) | Ok(())));
    let gone = lake.objects.put_object(&lake.caller(), PutObject::new(bucket("nowhere"), key("k")), body_of("x")).await;
    assert!(matches!(gone, Err(ObjectsError::NoSuchBucket { .. })));
}

#[tokio::test]
async fn a_version_that_is_held_outlives_its_deletion() {
    let lake = Lake::new();
    let name = lake.bucket("lake-raw").await;
    let version = lake.put(&name, "a", "first").await;
    lake.put(&name, "a", "second").await;
    lake.delete(&name, "a").await;
    lake.collect().await;
    assert_eq!(lake.blobs.count(), 1);
    assert_eq!(lake.objects.read_whole(&proof(), &version, 100).await.unwrap(), "first");
    let stream = lake.objects.read(&proof(), &version, 0..5);
    drop(version);
    lake.collect().await;
    assert_eq!(lake.blobs.count(), 1);
    drop(stream);
    lake.collect().await;
    assert_eq!(lake.blobs.count(), 0);
}

#[tokio::test]
async fn a_sweep_removes_orphans_only_and_blobs_can_be_moved() {
    use tarn_blobs::{BlobOwner, BlobStore};
    let lake = Lake::new();
    let name = lake.bucket("lake-raw").await;
    lake.put(&name, "a", "kept").await;
    let orphan = lake.blobs.create(BlobOwner { version: [9; 16], part: 3 }, None).await;
    let mut orphan = orphan.unwrap();
    orphan.write("orphan".into()).await.unwrap();
    orphan.finish().await.unwrap();
    assert_eq!(lake.objects.sweep().await.unwrap().removed, 1);
    assert_eq!(lake.get(&name, "a").await.unwrap(), "kept");

    let version = lake.objects.head_object(&proof(), &name, &key("a")).unwrap();
    let old = version.parts()[0].blob.clone();
    let sealed: Vec<Bytes> = futures::TryStreamExt::try_collect(lake.blobs.read(&old, 0..old.len)).await.unwrap();
    let mut moved = lake.blobs.create(old.owner, None).await.unwrap();
    moved.write(sealed.concat().into()).await.unwrap();
    let new = moved.finish().await.unwrap();
    assert!(lake.objects.relocate_blob(&old, new.clone()).await.unwrap());
    let again = lake.objects.relocate_blob(&old, new).await;
    assert!(again.is_err(), "a held version's old place is left alone: {again:?}");
    lake.blobs.delete(&old).await.unwrap();
    assert_eq!(lake.get(&name, "a").await.unwrap(), "kept");
    // Who found the version before it was moved still reads it.
    assert_eq!(lake.objects.read_whole(&proof(), &version, 100).await.unwrap(), "kept");
    drop(version);
    // What is only held, and named no more, is not moved away from under its readers.
    let version = lake.objects.head_object(&proof(), &name, &key("a")).unwrap();
    let held = version.parts()[0].blob.clone();
    lake.delete(&name, "a").await;
    assert!(lake.objects.relocate_blob(&held, held.clone()).await.is_err());
    drop(version);
    assert!(!lake.objects.relocate_blob(&held, held.clone()).await.unwrap());
    lake.objects.compact().await.unwrap();
}

#[tokio::test]
async fn tags_and_metadata_stay_with_the_object() {
    let lake = Lake::new();
    let name = lake.bucket("lake-raw").await;
    let mut request = PutObject::new(name.clone(), key("a"));
    request.metadata.content_type = Some("text/csv".to_owned());
    request.metadata.user.insert("origin".to_owned(), "EWR".to_owned());
    request.tags = Tags::of_object([("zone".to_owned(), "raw".to_owned())]).unwrap();
    lake.objects.put_object(&lake.caller(), request, body_of("a,b")).await.unwrap();
    let tags = Tags::of_object([("zone".to_owned(), "gold".to_owned())]).unwrap();
    lake.objects.put_object_tags(&lake.caller(), &name, &key("a"), None, tags.clone()).await.unwrap();
    let version = lake.objects.head_object(&proof(), &name, &key("a")).unwrap();
    assert_eq!((version.tags(), version.metadata().content_type.as_deref()), (&tags, Some("text/csv")));
    assert_eq!(lake.get(&name, "a").await.unwrap(), "a,b");
    let mut request = PutObject::new(name.clone(), key("b"));
    request.metadata.user.insert("k".to_owned(), "v".repeat(2048));
    let refused = lake.objects.put_object(&lake.caller(), request, body_of("")).await;
    assert!(matches!(refused, Err(ObjectsError::MetadataTooLarge { .. })));
}

#[tokio::test]
async fn many_are_deleted_at_once() {
    let lake = Lake::new();
    let name = lake.bucket("lake-raw").await;
    let version = lake.put(&name, "a", "x").await;
    lake.put(&name, "b", "y").await;
    let delete = |at: &str, etag: Option<&str>| DeleteObject {
        if_match: etag.map(EtagCondition::parse),
        ..DeleteObject::new(key(at))
    };
    let etag = version.etag().quoted();
    let deletes = vec![delete("a", Some(&etag)), delete("b", Some("\"no\"")), delete("a", None), delete("gone", None)];
    let outcomes = lake.objects.delete_objects(&lake.caller(), &name, deletes).await.unwrap();
    let good: Vec<bool> = outcomes.iter().map(|(_, outcome)| outcome.is_ok()).collect();
    assert_eq!(good, [true, false, true, true]);
    assert_eq!(lake.list(&name, "", None).0, ["b"]);
}

#[tokio::test]
async fn policies_are_checked_when_put_and_answered_compiled() {
    use tarn_policy::ResourcePolicies;
    let lake = Lake::new();
    let name = lake.bucket("lake-raw").await;
    let policy = |resource: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"{resource}"}}]}}"#
        )
    };
    assert!(matches!(lake.objects.bucket_policy(&proof(), &name), Err(ObjectsError::NoSuchBucketPolicy { .. })));
    for bad in ["", "{}", "[]", &policy("arn:aws:s3:::other/*")] {
        let refused = lake.objects.put_bucket_policy(&lake.caller(), &name, bad.to_owned(), false).await;
        assert!(matches!(refused, Err(ObjectsError::MalformedPolicy { .. })), "{bad}: {refused:?}");
    }
    let text = policy("arn:aws:s3:::lake-raw/*");
    lake.objects.set_public_access_block(&lake.caller(), &name, None).await.unwrap();
    lake.objects.put_bucket_policy(&lake.caller(), &name, text.clone(), false).await.unwrap();
    assert_eq!(lake.objects.bucket_policy(&proof(), &name).unwrap(), text);
    let known = |bucket: &str| {
        let at = tarn_types::Arn::s3_object(bucket, "a/b");
        lake.objects.resource_policy(&at, &Requirement::new("s3:GetObject", at.clone())).ok().flatten()
    };
    let found = known("lake-raw").unwrap();
    assert_eq!((found.owner, found.policy.is_some()), (Some(AccountId::first()), true));
    assert!(known("lake-gone").is_some_and(|found| found.owner.is_none() && found.policy.is_none()));
    lake.objects.delete_bucket_policy(&lake.caller(), &name).await.unwrap();
    assert!(known("lake-raw").is_some_and(|found| found.policy.is_none()));
}
