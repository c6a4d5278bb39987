//! Crashes between and within the steps of puts, deletes and uploads, over the real store and the real blobs on a simulated disk:
//! what was acknowledged is there, byte for byte; what was not is old or new; a sweep leaves nothing behind and takes nothing away.

use std::collections::BTreeMap;

use tarn_blobs::{LocalBlobs, LocalOptions};
use tarn_disk::Disk;
use tarn_metadata::{EmbeddedOptions, EmbeddedStore};
use tarn_testkit::SimulatedDisk;

use super::*;

/// Crash points of a run that does not say. `TARN_CRASH_POINTS` counts those of one store or engine; here each opens a whole lake,
/// so that one in a hundred is tried.
const CRASH_POINTS: u64 = 400;

type Contents = BTreeMap<String, Bytes>;

fn crash_points() -> u64 {
    let points = std::env::var("TARN_CRASH_POINTS").ok().and_then(|text| text.parse::<u64>().ok());
    points.map_or(CRASH_POINTS, |points| (points / 100).max(1))
}

struct OpenLake {
    objects: Objects,
    store: Arc<EmbeddedStore>,
}

fn open(disk: &SimulatedDisk, keys: &Arc<Keys>, runtime: &Runtime) -> OpenLake {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let store = Arc::new(EmbeddedStore::open(disk.clone(), EmbeddedOptions::default(), runtime).unwrap());
    let options = LocalOptions { reserve_bytes: 0, ..LocalOptions::default() };
    let blobs = Arc::new(LocalBlobs::open(disk, options, runtime.clone()).unwrap());
    let options = ObjectsOptions { part_size_bytes_min: 0, ..ObjectsOptions::default() };
    let objects = Objects::new(store.clone(), blobs, keys.clone(), runtime.clone(), options);
    OpenLake { objects, store }
}

/// Bytes that say whose they are.
fn bytes_of(step: u64, size: usize) -> Bytes {
    let mut bytes = vec![0; size];
    tarn_runtime::Entropy::fill(&tarn_runtime::SeededEntropy::new(step), &mut bytes);
    bytes.into()
}

/// Runs the workload; the contents after each step, with the number of disk operations at its acknowledgement.
async fn workload(lake: &OpenLake, helper: &Lake, disk: &SimulatedDisk, name: &BucketName) -> Vec<(u64, Contents)> {
    let mut states = Vec::new();
    let mut now = Contents::new();
    let create = CreateBucket { name: name.clone(), region: Region::us_east_1(), tags: Tags::default() };
    lake.objects.create_bucket(&helper.caller(), create).await.unwrap();
    states.push((disk.operations(), now.clone()));
    for step in 0..14_u64 {
        let at = format!("k{}", step % 4);
        match step % 5 {
            3 => {
                let delete = DeleteObject { key: key(&at), if_match: None };
                lake.objects.delete_object(&helper.caller(), name, delete).await.unwrap();
                now.remove(&at);
            }
            4 => {
                let create = CreateMultipartUpload {
                    bucket: name.clone(),
                    key: key(&at),
                    metadata: ObjectMetadata::default(),
                    tags: Tags::default(),
                    class: StorageClass::Standard,
                    checksum: None,
                    encryption: EncryptionRequest::default(),
                };
                let upload = lake.objects.create_multipart_upload(&helper.caller(), create).await.unwrap();
                let upload = UploadName { bucket: name.clone(), key: key(&at), upload_id: upload.upload_id() };
                let (mut whole, mut parts) = (Vec::new(), Vec::new());
                for (number, size) in [(1, 3_000), (2, 150_000)] {
                    let bytes = bytes_of(step * 10 + u64::from(number), size);
                    whole.extend_from_slice(&bytes);
                    let expected = ExpectedDigests::default();
                    let part = UploadPart {
                        upload: upload.clone(),
                        number,
                        content_length: Some(size as u64),
                        expected,
                        customer_key: None,
                    };
                    let part = lake.objects.upload_part(&helper.caller(), part, body_of(bytes)).await.unwrap();
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
                lake.objects.complete_multipart_upload(&helper.caller(), complete).await.unwrap();
                now.insert(at, whole.into());
            }
            kind => {
                let size = [700, 140_000, 0][kind as usize];
                let bytes = bytes_of(step, size);
                let put = PutObject::new(name.clone(), key(&at));
                lake.objects.put_object(&helper.caller(), put, body_of(bytes.clone())).await.unwrap();
                now.insert(at, bytes);
            }
        }
        states.push((disk.operations(), now.clone()));
        if step % 4 == 3 {
            lake.objects.collect_dead_blobs().await.unwrap();
        }
    }
    states
}

async fn contents(lake: &OpenLake, name: &BucketName) -> Option<Contents> {
    let listing = match lake.objects.list_objects(&proof(), &ListObjects::new(name.clone(), "")) {
        Ok(listing) => listing,
        Err(ObjectsError::NoSuchBucket { .. }) => return None,
        Err(error) => panic!("{error}"),
    };
    let mut contents = Contents::new();
    for object in listing.objects {
        let version = lake.objects.head_object(&proof(), name, &object.object_key().unwrap()).unwrap();
        let bytes = lake.objects.read_whole(&proof(), &version, 1 << 30).await.unwrap();
        contents.insert(object.key, bytes);
    }
    Some(contents)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_objects_survive_every_crash() {
    let seed = 11;
    let helper = Lake::new();
    let runtime = helper.runtime.clone();
    let keys = Arc::new(Keys::ephemeral(&runtime).unwrap());
    let name = bucket("lake-raw");
    let disk = SimulatedDisk::new(seed);
    disk.keep_history();
    let lake = open(&disk, &keys, &runtime);
    let states = workload(&lake, &helper, &disk, &name).await;
    let operations = disk.operations();
    lake.store.close().unwrap();
    drop(lake);

    let points = crash_points();
    let mut tried = 0;
    for point in 0..points {
        let (k, seed) = (point * operations / points, seed + point);
        let acknowledged = states.iter().take_while(|(at, _)| *at <= k).count();
        let lake = open(&disk.survivor_at(k, seed), &keys, &runtime);
        let found = contents(&lake, &name).await;
        let may_be: Vec<Option<&Contents>> = match acknowledged {
            0 => vec![None, states.first().map(|(_, contents)| contents)],
            n => states[n - 1..(n + 1).min(states.len())].iter().map(|(_, contents)| Some(contents)).collect(),
        };
        assert!(
            may_be.contains(&found.as_ref()),
            "crash within operation {k} of {operations}, seed {seed}, after {acknowledged} steps"
        );
        // What the crash left over goes, and nothing else.
        while lake.objects.collect_dead_blobs().await.unwrap() > 0 {}
        lake.objects.sweep().await.unwrap();
        assert_eq!(lake.objects.sweep().await.unwrap().removed, 0, "operation {k}, seed {seed}");
        assert_eq!(contents(&lake, &name).await, found, "after the sweep: operation {k}, seed {seed}");
        lake.store.close().unwrap();
        tried += 1;
    }
    println!("{tried} crash points of {operations} disk operations, seeds from {seed}");
}
