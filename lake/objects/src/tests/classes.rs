//! Storage classes through the calls: what is put in each is read as it was, in any range, unless it must be restored first.

use tarn_metadata::{Read, Tx};

use super::*;
use crate::keyspaces::VERSIONS;
use crate::records::version_key;

/// Lines that compress.
pub(super) fn lines(len: usize) -> Bytes {
    b"2026-11-26T12:00:00Z GET /lake/raw/events.json 200\n".iter().copied().cycle().take(len).collect()
}

pub(super) async fn put_in(
    lake: &Lake,
    name: &BucketName,
    at: &str,
    class: StorageClass,
    bytes: Bytes,
) -> ObjectVersion {
    let put = PutObject { class, ..PutObject::new(name.clone(), key(at)) };
    lake.objects.put_object(&lake.caller(), put, body_of(bytes)).await.unwrap()
}

#[tokio::test]
async fn every_class_gives_back_its_bytes_or_asks_for_a_restore() {
    let lake = Lake::new();
    let name = lake.bucket("lake-raw").await;
    for class in StorageClass::ALL {
        for len in [0, 1, 5_000, (2 << 20) + 17] {
            let bytes = lines(len);
            let put = put_in(&lake, &name, "a", class, bytes.clone()).await;
            assert_eq!(put.class(), class);
            let version = lake.objects.head_object(&proof(), &name, &key("a")).unwrap();
            assert_eq!((version.class(), version.size_bytes(), version.etag()), (class, len as u64, put.etag()));
            let stored: u64 = version.parts().iter().map(|part| part.blob.len).sum();
            match class {
                StorageClass::Standard | StorageClass::ReducedRedundancy | StorageClass::IntelligentTiering => {
                    assert_eq!(stored, tarn_keys::sealed_len(len as u64))
                }
                _ => assert!(stored <= tarn_keys::sealed_len((len as u64).min(5_000) + 4), "{class:?} {len}: {stored}"),
            }
            if class.needs_restore(version.tier()) {
                let read = lake.get(&name, "a").await;
                assert!(
                    matches!(read, Err(ObjectsError::InvalidObjectState { class: of, .. }) if of == class),
                    "{class:?}: {read:?}"
                );
                let copy = CopyObject {
                    source_bucket: name.clone(),
                    source_key: key("a"),
                    source_version: None,
                    source_conditions: ReadConditions::default(),
                    bucket: name.clone(),
                    key: key("b"),
                    metadata: None,
                    tags: None,
                    class: None,
                    checksum: None,
                    conditions: WriteConditions::default(),
                    encryption: EncryptionRequest::default(),
                    source_customer_key: None,
                    website_redirect: None,
                    lock: VersionLock::default(),
                    acl: AclRequest::default(),
                };
                let copied = lake.objects.copy_object(&lake.caller(), copy).await;
                assert!(matches!(copied, Err(ObjectsError::InvalidObjectState { .. })), "{copied:?}");
                continue;
            }
            assert_eq!(lake.get(&name, "a").await.unwrap(), bytes);
            let len = len as u64;
            for (start, end) in [(0, len.min(3)), (len / 2, len), (len.saturating_sub(9), len)] {
                let mut found = Vec::new();
                let mut stream = lake.objects.read(&proof(), &version, start..end);
                while let Some(bytes) = futures::StreamExt::next(&mut stream).await {
                    found.extend_from_slice(&bytes.unwrap());
                }
                assert_eq!(found, bytes[start as usize..end as usize], "{class:?} {start}..{end}");
            }
        }
    }
}

#[tokio::test]
async fn parts_are_packed_by_the_uploads_class() {
    let lake = Lake::with(ObjectsOptions { part_size_bytes_min: 1, ..ObjectsOptions::default() });
    let name = lake.bucket("lake-raw").await;
    let request = CreateMultipartUpload {
        bucket: name.clone(),
        key: key("a"),
        metadata: ObjectMetadata::default(),
        tags: Tags::default(),
        class: StorageClass::StandardIa,
        checksum: None,
        encryption: EncryptionRequest::default(),
        lock: VersionLock::default(),
        acl: AclRequest::default(),
    };
    let upload = lake.objects.create_multipart_upload(&lake.caller(), request).await.unwrap();
    let upload = UploadName { bucket: name.clone(), key: key("a"), upload_id: upload.upload_id() };
    let mut parts = Vec::new();
    for (number, len) in [(1, 1_200_000), (2, 70_000)] {
        let part = UploadPart {
            upload: upload.clone(),
            number,
            content_length: None,
            expected: ExpectedDigests::default(),
            customer_key: None,
        };
        let part = lake.objects.upload_part(&lake.caller(), part, body_of(lines(len))).await.unwrap();
        parts.push(CompletedPart { number, etag: Etag::Md5(part.md5).to_string(), checksums: Vec::new() });
    }
    let complete = CompleteMultipartUpload {
        upload,
        parts,
        checksums: Vec::new(),
        kind: None,
        size_bytes: None,
        conditions: WriteConditions::default(),
        customer_key: None,
    };
    let version = lake.objects.complete_multipart_upload(&lake.caller(), complete).await.unwrap();
    assert_eq!((version.class(), version.size_bytes()), (StorageClass::StandardIa, 1_270_000));
    assert!(version.parts().iter().all(|part| part.packing == Packing::Frames));
    assert!(version.parts().iter().map(|part| part.blob.len).sum::<u64>() < 20_000);
    let whole = [lines(1_200_000), lines(70_000)].concat();
    assert_eq!(lake.get(&name, "a").await.unwrap(), whole);
    let mut found = Vec::new();
    let mut stream = lake.objects.read(&proof(), &version, 1_199_999..1_200_003);
    while let Some(bytes) = futures::StreamExt::next(&mut stream).await {
        found.extend_from_slice(&bytes.unwrap());
    }
    assert_eq!(found, whole[1_199_999..1_200_003]);
}

#[tokio::test]
async fn a_record_that_names_another_packing_is_not_read() {
    let lake = Lake::new();
    let name = lake.bucket("lake-raw").await;
    let version = put_in(&lake, &name, "a", StorageClass::StandardIa, lines(100)).await;
    let mut record = lake.store.read().unwrap().get(VERSIONS, &version_key(&version.id())).unwrap().unwrap();
    record.parts[0].packing = Packing::Raw;
    lake.store
        .write(move |tx: &mut Tx<'_>| Ok::<_, ObjectsError>(tx.put(VERSIONS, &version_key(&record.id), &record)?))
        .await
        .unwrap();
    assert!(matches!(lake.get(&name, "a").await, Err(ObjectsError::Keys(_))));
}
