//! What replicas are: of what a customer's key seals; and what they follow once they are there.

use super::encryption::customer;
use super::replication::Pair;
use super::*;

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
        assert_eq!((status(&pair, 0, at), status(&pair, 1, at)), (
            Some(ReplicationStatus::Completed),
            Some(ReplicationStatus::Replica)
        ));
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
