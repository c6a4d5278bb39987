//! Listings and ranges.

use super::*;

#[tokio::test]
async fn listings_roll_up_and_go_on() {
    let lake = Lake::new();
    let name = lake.bucket("lake-raw").await;
    lake.bucket("lake-raw2").await;
    for at in ["a", "a/1", "a/2", "a/b/1", "b", "b/", "c/1", "ä/1", "z\0z"] {
        lake.put(&name, at, "x").await;
    }
    lake.put(&bucket("lake-raw2"), "other", "x").await;
    let check = |prefix: &str, delimiter: Option<&str>, keys: &[&str], prefixes: &[&str]| {
        let (found_keys, found_prefixes) = lake.list(&name, prefix, delimiter);
        assert_eq!(
            (found_keys, found_prefixes),
            (keys.iter().map(ToString::to_string).collect(), prefixes.iter().map(ToString::to_string).collect())
        );
        // Page by page it is the same.
        let mut request = ListObjects {
            delimiter: delimiter.map(str::to_owned),
            max_keys: 1,
            ..ListObjects::new(name.clone(), prefix)
        };
        let (mut paged_keys, mut paged_prefixes) = (Vec::new(), Vec::new());
        loop {
            let page = lake.objects.list_objects(&proof(), &request).unwrap();
            assert!(page.objects.len() + page.common_prefixes.len() <= 1);
            paged_keys.extend(page.objects.into_iter().map(|object| object.key));
            paged_prefixes.extend(page.common_prefixes);
            request.start_after = page.next;
            if request.start_after.is_none() {
                break;
            }
        }
        assert_eq!((paged_keys, paged_prefixes), lake.list(&name, prefix, delimiter));
    };
    check("", None, &["a", "a/1", "a/2", "a/b/1", "b", "b/", "c/1", "z\0z", "ä/1"], &[]);
    check("", Some("/"), &["a", "b", "z\0z"], &["a/", "b/", "c/", "ä/"]);
    check("a/", Some("/"), &["a/1", "a/2"], &["a/b/"]);
    check("a", Some("/"), &["a"], &["a/"]);
    check("b/", Some("/"), &["b/"], &[]);
    check("nothing", None, &[], &[]);
    check("", Some("/1"), &["a", "a/2", "b", "b/", "z\0z"], &["a/1", "a/b/1", "c/1", "ä/1"]);
    check("", Some("é"), &["a", "a/1", "a/2", "a/b/1", "b", "b/", "c/1", "z\0z", "ä/1"], &[]);
    let none = ListObjects { max_keys: 0, ..ListObjects::new(name.clone(), "") };
    assert_eq!(lake.objects.list_objects(&proof(), &none).unwrap(), Listing::default());
    let gone = lake.objects.list_objects(&proof(), &ListObjects::new(bucket("nowhere"), ""));
    assert!(matches!(gone, Err(ObjectsError::NoSuchBucket { .. })));
    assert!(
        lake.objects.has_prefix(&proof(), &name, "c/").unwrap()
            && !lake.objects.has_prefix(&proof(), &name, "d").unwrap()
    );
}

#[tokio::test]
async fn a_long_listing_is_complete() {
    let lake = Lake::new();
    let name = lake.bucket("lake-raw").await;
    let mut keys: Vec<String> = (0..2500).map(|n| format!("p{}/k{n:05}", n % 7)).collect();
    for at in &keys {
        lake.put(&name, at, "").await;
    }
    keys.sort();
    let mut request = ListObjects::new(name.clone(), "");
    let mut found = Vec::new();
    loop {
        let page = lake.objects.list_objects(&proof(), &request).unwrap();
        found.extend(page.objects.into_iter().map(|object| object.key));
        let Some(next) = page.next else { break };
        request.start_after = Some(next);
    }
    assert_eq!(found, keys);
    assert_eq!(lake.list(&name, "", Some("/")).1, ["p0/", "p1/", "p2/", "p3/", "p4/", "p5/", "p6/"]);
}

#[tokio::test]
async fn ranges_give_exactly_their_bytes() {
    let lake = Lake::new();
    let name = lake.bucket("lake-raw").await;
    let bytes: Bytes = (0..300_000_u32).flat_map(u32::to_be_bytes).collect();
    let version = lake.put(&name, "a", bytes.clone()).await;
    for (start, end) in
        [(0, 0), (0, 1), (65_535, 65_537), (65_536, 131_072), (100, 1_000_000), (1_199_999, 1_200_000), (0, 1_200_000)]
    {
        let chunks: Vec<Bytes> =
            futures::TryStreamExt::try_collect(lake.objects.read(&proof(), &version, start..end)).await.unwrap();
        assert_eq!(Bytes::from(chunks.concat()), bytes.slice(start as usize..end as usize), "{start}..{end}");
    }
    let beyond: Result<Vec<Bytes>, _> =
        futures::TryStreamExt::try_collect(lake.objects.read(&proof(), &version, 0..1_200_001)).await;
    assert!(matches!(beyond, Err(ObjectsError::InvalidRange { .. })));
}

/// A record that this server cannot read.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Unreadable {}

impl tarn_metadata::Record for Unreadable {
    const VERSION: u16 = 999;
}

const DAMAGED_VERSIONS: tarn_metadata::Keyspace<Unreadable> =
    tarn_metadata::Keyspace::new(crate::keyspaces::VERSIONS.id, "objects.versions");

/// RustFS took a lock that it could not read for no lock.
#[tokio::test]
async fn ghsa_j548_a_lock_that_cannot_be_read_holds() {
    let lake = Lake::new();
    let request = CreateBucket { lock: true, ..CreateBucket::new(bucket("locked"), Region::us_east_1()) };
    let name = lake.objects.create_bucket(&lake.caller(), request).await.unwrap().name;
    let version = lake.put(&name, "k", "bytes").await;
    let at = crate::records::version_key(&version.id());
    lake.store.write(move |tx| tx.put(DAMAGED_VERSIONS, &at, &Unreadable {})).await.unwrap();
    for bypass in [false, true] {
        let delete = DeleteObject {
            version: version.version_id(),
            bypass: if bypass { Bypass::Governance } else { Bypass::default() },
            ..DeleteObject::new(key("k"))
        };
        let refused = lake.objects.delete_object(&lake.caller(), &name, delete).await;
        assert!(matches!(refused, Err(ObjectsError::Store(_))), "{refused:?}");
    }
    assert_eq!(lake.list(&name, "", None).0, ["k"]);
}

#[tokio::test]
async fn damage_is_told_from_bytes_of_another_key() {
    use crc_fast::{CrcAlgorithm, checksum};
    use tarn_disk::{Disk, OpenMode};

    let (helper, disk) = (Lake::new(), tarn_testkit::SimulatedDisk::new(1));
    let keys = Arc::new(Keys::ephemeral(&helper.runtime).unwrap());
    let lake = super::crashes::open(&disk, &keys, &helper.runtime);
    let name = bucket("lake-raw");
    let create = CreateBucket::new(name.clone(), Region::us_east_1());
    lake.objects.create_bucket(&helper.caller(), create).await.unwrap();
    let put = PutObject::new(name.clone(), key("large"));
    lake.objects.put_object(&helper.caller(), put, body_of(vec![7; 300_000])).await.unwrap();
    let version = lake.objects.head_object(&proof(), &name, &key("large")).unwrap();
    let dirs = disk.list("obj").unwrap().into_iter().map(|dir| format!("obj/{dir}"));
    let paths = dirs.flat_map(|dir| disk.list(&dir).unwrap().into_iter().map(move |file| format!("{dir}/{file}")));
    let path = paths.collect::<Vec<_>>().pop().unwrap();
    let sound = disk.contents(&path).unwrap();
    // The first block: a header of 88 bytes that ends with the checksums of the payload and of itself, and 64 KiB.
    let mut damaged = sound.clone();
    damaged[88 + 5000] ^= 1;
    let mut forged = damaged.clone();
    let of_payload = checksum(CrcAlgorithm::Crc64Nvme, &forged[88..88 + (64 << 10)]);
    forged[72..80].copy_from_slice(&of_payload.to_le_bytes());
    let of_header = checksum(CrcAlgorithm::Crc64Nvme, &forged[..80]);
    forged[80..88].copy_from_slice(&of_header.to_le_bytes());
    let read = async |bytes: &[u8]| {
        disk.open(&path, OpenMode::ReadWrite).unwrap().write_all_at(bytes, 0).unwrap();
        lake.objects.read_whole(&proof(), &version, 1 << 20).await
    };
    assert_eq!(read(&sound).await.unwrap(), vec![7; 300_000]);
    let error = read(&damaged).await.unwrap_err();
    assert!(matches!(error, ObjectsError::Blob(tarn_blobs::BlobError::Corrupt { .. })), "{error}");
    let error = read(&forged).await.unwrap_err();
    assert!(matches!(error, ObjectsError::Keys(tarn_keys::KeysError::NotAuthentic { .. })), "{error}");
}
