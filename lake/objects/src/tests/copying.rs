//! Copies of objects and of ranges into uploads.

use super::*;

fn copy(bucket: &BucketName, from: &str, to: &str) -> CopyObject {
    CopyObject {
        source_bucket: bucket.clone(),
        source_key: key(from),
        source_version: None,
        source_conditions: ReadConditions::default(),
        bucket: bucket.clone(),
        key: key(to),
        metadata: None,
        website_redirect: None,
        tags: None,
        class: None,
        checksum: None,
        conditions: WriteConditions::default(),
        encryption: EncryptionRequest::default(),
        source_customer_key: None,
        lock: VersionLock::default(),
        acl: AclRequest::default(),
    }
}

#[tokio::test]
async fn copies_keep_or_replace_headers_and_tags() {
    let lake = Lake::new();
    let name = lake.bucket("lake-raw").await;
    let mut request = PutObject::new(name.clone(), key("a"));
    request.metadata.content_type = Some("text/csv".to_owned());
    request.tags = Tags::of_object([("k".to_owned(), "v".to_owned())]).unwrap();
    request.expected.algorithm = Some(ChecksumAlgorithm::Sha256);
    let source = lake.objects.put_object(&lake.caller(), request, body_of("bytes")).await.unwrap();
    let kept = lake.objects.copy_object(&lake.caller(), copy(&name, "a", "b")).await.unwrap().version;
    assert_eq!((kept.metadata(), kept.tags(), kept.checksum()), (source.metadata(), source.tags(), source.checksum()));
    assert_ne!(kept.id(), source.id());
    let replaced =
        CopyObject { metadata: Some(ObjectMetadata::default()), tags: Some(Tags::default()), ..copy(&name, "a", "c") };
    let replaced = lake.objects.copy_object(&lake.caller(), replaced).await.unwrap().version;
    assert_eq!((replaced.metadata(), replaced.tags()), (&ObjectMetadata::default(), &Tags::default()));
    assert_eq!(lake.get(&name, "c").await.unwrap(), "bytes");

    let to_itself = lake.objects.copy_object(&lake.caller(), copy(&name, "a", "a")).await;
    assert!(matches!(to_itself, Err(ObjectsError::InvalidRequest { .. })));
    let renewed = CopyObject { metadata: Some(ObjectMetadata::of_type("text/plain")), ..copy(&name, "a", "a") };
    lake.objects.copy_object(&lake.caller(), renewed).await.unwrap();
    assert_eq!(lake.get(&name, "a").await.unwrap(), "bytes");

    let unmatched = ReadConditions { if_match: Some(EtagCondition::parse("\"x\"")), ..ReadConditions::default() };
    let refused = lake
        .objects
        .copy_object(&lake.caller(), CopyObject { source_conditions: unmatched, ..copy(&name, "a", "d") })
        .await;
    assert!(matches!(refused, Err(ObjectsError::PreconditionFailed { .. })));
    let gone = lake.objects.copy_object(&lake.caller(), copy(&name, "gone", "d")).await;
    assert!(matches!(gone, Err(ObjectsError::NoSuchKey { .. })));
}

#[tokio::test]
async fn ranges_are_copied_into_parts() {
    let lake = Lake::new();
    let name = lake.bucket("lake-raw").await;
    lake.put(&name, "a", "0123456789").await;
    let request = CreateMultipartUpload {
        bucket: name.clone(),
        key: key("b"),
        metadata: ObjectMetadata::default(),
        tags: Tags::default(),
        class: StorageClass::Standard,
        checksum: None,
        encryption: EncryptionRequest::default(),
        lock: VersionLock::default(),
        acl: AclRequest::default(),
    };
    let upload = lake.objects.create_multipart_upload(&lake.caller(), request).await.unwrap();
    let upload = UploadName { bucket: name.clone(), key: key("b"), upload_id: upload.upload_id() };
    let part_of = |range: ByteRange| UploadPartCopy {
        source_bucket: name.clone(),
        source_key: key("a"),
        source_version: None,
        source_conditions: ReadConditions::default(),
        source_range: Some(range),
        upload: upload.clone(),
        number: 1,
        customer_key: None,
        source_customer_key: None,
    };
    let beyond = lake.objects.upload_part_copy(&lake.caller(), part_of(ByteRange::FromTo { first: 5, last: 10 })).await;
    assert!(matches!(beyond, Err(ObjectsError::InvalidRange { .. })));
    let part =
        lake.objects.upload_part_copy(&lake.caller(), part_of(ByteRange::FromTo { first: 5, last: 9 })).await.unwrap();
    let parts = vec![CompletedPart { number: 1, etag: Etag::Md5(part.part.md5).to_string(), checksums: Vec::new() }];
    let conditions = WriteConditions { if_none_match: Some(EtagCondition::Any), if_match: None };
    let complete = CompleteMultipartUpload {
        upload,
        parts,
        checksums: Vec::new(),
        kind: None,
        size_bytes: Some(5),
        conditions,
        customer_key: None,
    };
    lake.objects.complete_multipart_upload(&lake.caller(), complete).await.unwrap();
    assert_eq!(lake.get(&name, "b").await.unwrap(), "56789");
}
