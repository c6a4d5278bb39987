//! Multipart uploads.

use super::*;

fn small_parts() -> Lake {
    Lake::with(ObjectsOptions { part_size_bytes_min: 5, ..ObjectsOptions::default() })
}

async fn begin(
    lake: &Lake,
    bucket: &BucketName,
    at: &str,
    checksum: Option<(ChecksumAlgorithm, Option<ChecksumKind>)>,
) -> UploadName {
    let request = CreateMultipartUpload {
        bucket: bucket.clone(),
        key: key(at),
        metadata: ObjectMetadata::of_type("text/plain"),
        tags: Tags::default(),
        class: StorageClass::Standard,
        checksum,
        encryption: EncryptionRequest::default(),
        lock: VersionLock::default(),
        acl: AclRequest::default(),
    };
    let upload = lake.objects.create_multipart_upload(&lake.caller(), request).await.unwrap();
    UploadName { bucket: bucket.clone(), key: key(at), upload_id: upload.upload_id() }
}

async fn part(lake: &Lake, upload: &UploadName, number: u32, bytes: &str) -> CompletedPart {
    let request = UploadPart {
        upload: upload.clone(),
        number,
        content_length: None,
        expected: ExpectedDigests::default(),
        customer_key: None,
    };
    let part = lake.objects.upload_part(&lake.caller(), request, body_of(bytes.to_owned())).await.unwrap();
    CompletedPart { number, etag: Etag::Md5(part.md5).quoted(), checksums: Vec::new() }
}

fn completion(upload: &UploadName, parts: Vec<CompletedPart>) -> CompleteMultipartUpload {
    let conditions = WriteConditions::default();
    CompleteMultipartUpload {
        upload: upload.clone(),
        parts,
        checksums: Vec::new(),
        kind: None,
        size_bytes: None,
        conditions,
        customer_key: None,
    }
}

#[tokio::test]
async fn parts_become_an_object() {
    let lake = small_parts();
    let name = lake.bucket("lake-raw").await;
    lake.put(&name, "k", "before").await;
    let upload = begin(&lake, &name, "k", None).await;
    let first = part(&lake, &upload, 2, "replaced").await;
    let second = part(&lake, &upload, 7, "world").await;
    let first_again = part(&lake, &upload, 2, "hello").await;
    part(&lake, &upload, 9, "unused").await;
    assert_eq!(lake.get(&name, "k").await.unwrap(), "before");

    let complete = |parts: Vec<CompletedPart>| {
        let (objects, caller, request) = (lake.objects.clone(), lake.caller(), completion(&upload, parts));
        async move { objects.complete_multipart_upload(&caller, request).await }
    };
    let stale = complete(vec![first, second.clone()]).await;
    assert!(matches!(stale, Err(ObjectsError::InvalidPart { number: 2 })), "{stale:?}");
    let order = complete(vec![second.clone(), first_again.clone()]).await;
    assert!(matches!(order, Err(ObjectsError::InvalidPartOrder { number: 2 })), "{order:?}");
    let missing = complete(vec![CompletedPart { number: 3, ..second.clone() }]).await;
    assert!(matches!(missing, Err(ObjectsError::InvalidPart { number: 3 })), "{missing:?}");
    assert!(matches!(complete(Vec::new()).await, Err(ObjectsError::InvalidRequest { .. })));

    let version = complete(vec![first_again.clone(), second.clone()]).await.unwrap();
    assert!(version.etag().to_string().ends_with("-2"));
    assert_eq!(lake.get(&name, "k").await.unwrap(), "helloworld");
    assert_eq!(
        (version.part_range(2).unwrap(), version.metadata().content_type.as_deref()),
        (5..10, Some("text/plain"))
    );
    assert!(matches!(version.part_range(3), Err(ObjectsError::InvalidPartNumber { .. })));
    let whole = Lake::new();
    let other = whole.bucket("lake-raw").await;
    assert_eq!(version.checksum(), whole.put(&other, "k", "helloworld").await.checksum());

    // Repeated, it succeeds again; with other parts it does not.
    assert_eq!(complete(vec![first_again.clone(), second]).await.unwrap().id(), version.id());
    assert!(matches!(complete(vec![first_again]).await, Err(ObjectsError::NoSuchUpload { .. })));
    drop(version);
    lake.collect().await;
    assert_eq!(lake.blobs.count(), 2);
    lake.objects.sweep().await.unwrap();
    assert_eq!(lake.get(&name, "k").await.unwrap(), "helloworld");
    lake.delete(&name, "k").await;
    lake.collect().await;
    assert_eq!(lake.blobs.count(), 0);
    assert_eq!(lake.store.read().unwrap().prefix(crate::keyspaces::PART_OWNERS, &Key::new()).count(), 0);
}

#[tokio::test]
async fn checksums_of_parts_are_kept_and_compared() {
    let lake = small_parts();
    let name = lake.bucket("lake-raw").await;
    for (algorithm, kind) in [
        (ChecksumAlgorithm::Crc32, ChecksumKind::Composite),
        (ChecksumAlgorithm::Crc32c, ChecksumKind::FullObject),
        (ChecksumAlgorithm::Crc64Nvme, ChecksumKind::FullObject),
        (ChecksumAlgorithm::Sha256, ChecksumKind::Composite),
    ] {
        let upload = begin(&lake, &name, "k", Some((algorithm, Some(kind)))).await;
        let parts = vec![part(&lake, &upload, 1, "hello").await, part(&lake, &upload, 2, "world").await];
        let page = lake.objects.list_parts(&proof(), &upload, 0, 1).unwrap();
        assert_eq!((page.parts.len(), page.next), (1, Some(1)));
        assert_eq!(page.parts[0].checksums[0].algorithm, algorithm);
        let mut wrong = completion(&upload, parts.clone());
        wrong.checksums = vec![Checksum { algorithm, kind, value: vec![0; algorithm.size_bytes()], parts: None }];
        let refused = lake.objects.complete_multipart_upload(&lake.caller(), wrong).await;
        assert!(matches!(refused, Err(ObjectsError::BadDigest { .. })), "{refused:?}");
        let mut small = completion(&upload, parts.clone());
        small.size_bytes = Some(11);
        assert!(lake.objects.complete_multipart_upload(&lake.caller(), small).await.is_err());
        let version = lake.objects.complete_multipart_upload(&lake.caller(), completion(&upload, parts)).await.unwrap();
        let checksum = version.checksum().unwrap();
        assert_eq!(
            (checksum.algorithm, checksum.kind, checksum.parts.is_some()),
            (algorithm, kind, kind == ChecksumKind::Composite)
        );
    }
    let caller = lake.caller();
    let refused = lake.objects.create_multipart_upload(
        &caller,
        CreateMultipartUpload {
            bucket: name,
            key: key("k"),
            metadata: ObjectMetadata::default(),
            tags: Tags::default(),
            class: StorageClass::Standard,
            checksum: Some((ChecksumAlgorithm::Sha1, Some(ChecksumKind::FullObject))),
            encryption: EncryptionRequest::default(),
            lock: VersionLock::default(),
            acl: AclRequest::default(),
        },
    );
    assert!(matches!(refused.await, Err(ObjectsError::InvalidRequest { .. })));
}

#[tokio::test]
async fn uploads_are_listed_and_aborted() {
    let lake = small_parts();
    let name = lake.bucket("lake-raw").await;
    let first = begin(&lake, &name, "a/1", None).await;
    let second = begin(&lake, &name, "a/1", None).await;
    begin(&lake, &name, "b", None).await;
    part(&lake, &first, 1, "bytes").await;
    let request = ListUploads {
        bucket: name.clone(),
        prefix: String::new(),
        delimiter: None,
        key_marker: None,
        upload_id_marker: None,
        max_uploads: 1,
    };
    let mut found = Vec::new();
    let mut page = lake.objects.list_multipart_uploads(&proof(), &request).unwrap();
    loop {
        found.extend(page.uploads.iter().map(|upload| upload.key.to_string()));
        let Some((key_marker, upload_id_marker)) = page.next else { break };
        let request = ListUploads { key_marker: Some(key_marker), upload_id_marker, ..request.clone() };
        page = lake.objects.list_multipart_uploads(&proof(), &request).unwrap();
    }
    assert_eq!(found, ["a/1", "a/1", "b"]);
    let rolled = ListUploads { delimiter: Some("/".to_owned()), max_uploads: 10, ..request };
    let page = lake.objects.list_multipart_uploads(&proof(), &rolled).unwrap();
    assert_eq!((page.uploads.len(), page.common_prefixes), (1, vec!["a/".to_owned()]));

    lake.objects.abort_multipart_upload(&lake.caller(), &name, &key("a/1"), &first.upload_id).await.unwrap();
    let again = lake.objects.abort_multipart_upload(&lake.caller(), &name, &key("a/1"), &first.upload_id).await;
    assert!(matches!(again, Err(ObjectsError::NoSuchUpload { .. })));
    let late = UploadPart {
        upload: first,
        number: 1,
        content_length: None,
        expected: ExpectedDigests::default(),
        customer_key: None,
    };
    assert!(matches!(
        lake.objects.upload_part(&lake.caller(), late, body_of("x")).await,
        Err(ObjectsError::NoSuchUpload { .. })
    ));
    lake.collect().await;
    assert_eq!(lake.blobs.count(), 0);
    part(&lake, &second, 1, "bytes").await;
    lake.objects.delete_bucket(&lake.caller(), &name).await.unwrap();
    lake.collect().await;
    assert_eq!(lake.blobs.count(), 0);
}

#[tokio::test]
async fn small_parts_are_refused_but_the_last() {
    let lake = Lake::new();
    let name = lake.bucket("lake-raw").await;
    let upload = begin(&lake, &name, "k", None).await;
    let parts = vec![part(&lake, &upload, 1, "small").await, part(&lake, &upload, 2, "last").await];
    let refused = lake.objects.complete_multipart_upload(&lake.caller(), completion(&upload, parts.clone())).await;
    assert!(matches!(refused, Err(ObjectsError::EntityTooSmall { number: 1, .. })), "{refused:?}");
    lake.objects.complete_multipart_upload(&lake.caller(), completion(&upload, vec![parts[1].clone()])).await.unwrap();
    assert_eq!(lake.get(&name, "k").await.unwrap(), "last");
}
