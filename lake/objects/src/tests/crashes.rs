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

/// The versions of each key, the latest first: id and bytes. A delete marker has no bytes.
type Contents = BTreeMap<String, Vec<(VersionId, Option<Bytes>)>>;

/// Steps of the workload: unversioned, then versioned, then suspended.
const STEPS: u64 = 26;
const ENABLED_FROM: u64 = 7;
const SUSPENDED_FROM: u64 = 18;

fn add(now: &mut Contents, at: &str, id: Option<VersionId>, bytes: Option<Bytes>) {
    let versions = now.entry(at.to_owned()).or_default();
    let id = id.unwrap_or(VersionId::Null);
    versions.retain(|(other, _)| *other != id);
    versions.insert(0, (id, bytes));
}

fn crash_points() -> u64 {
    let points = std::env::var("TARN_CRASH_POINTS").ok().and_then(|text| text.parse::<u64>().ok());
    points.map_or(CRASH_POINTS, |points| (points / 100).max(1))
}

pub(super) struct OpenLake {
    pub(super) objects: Objects,
    pub(super) store: Arc<EmbeddedStore>,
}

pub(super) fn open(disk: &SimulatedDisk, keys: &Arc<Keys>, runtime: &Runtime) -> OpenLake {
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
    let create = CreateBucket::new(name.clone(), Region::us_east_1());
    lake.objects.create_bucket(&helper.caller(), create).await.unwrap();
    states.push((disk.operations(), now.clone()));
    for step in 0..STEPS {
        let at = format!("k{}", step % 3);
        if let Some(enabled) = [(ENABLED_FROM, true), (SUSPENDED_FROM, false)]
            .iter()
            .find_map(|(from, enabled)| (step == *from).then_some(*enabled))
        {
            lake.objects.put_bucket_versioning(&helper.caller(), name, enabled).await.unwrap();
            states.push((disk.operations(), now.clone()));
        }
        match step % 7 {
            kind @ (3 | 5 | 6) => {
                let of_key = now.get(&at).cloned().unwrap_or_default();
                // The latest, or the one behind it.
                let version = (kind != 3).then(|| of_key.get(kind as usize - 5).map(|(id, _)| *id)).flatten();
                let delete = DeleteObject { version, ..DeleteObject::new(key(&at)) };
                match lake.objects.delete_object(&helper.caller(), name, delete).await.unwrap() {
                    Deleted::Object => drop(now.remove(&at)),
                    Deleted::Marked { marker } => add(&mut now, &at, Some(marker), None),
                    Deleted::Version { version, .. } => {
                        now.entry(at).or_default().retain(|(id, _)| *id != version);
                    }
                }
                now.retain(|_, versions| !versions.is_empty());
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
                    lock: VersionLock::default(),
                    acl: AclRequest::default(),
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
                let version = lake.objects.complete_multipart_upload(&helper.caller(), complete).await.unwrap();
                add(&mut now, &at, version.version_id(), Some(whole.into()));
            }
            kind => {
                let size = [700, 140_000, 0][kind as usize];
                let bytes = bytes_of(step, size);
                let put = PutObject::new(name.clone(), key(&at));
                let version = lake.objects.put_object(&helper.caller(), put, body_of(bytes.clone())).await.unwrap();
                add(&mut now, &at, version.version_id(), Some(bytes));
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
    let request = ListVersions {
        bucket: name.clone(),
        prefix: String::new(),
        delimiter: None,
        key_marker: None,
        version_marker: None,
        max_keys: 1000,
    };
    let listing = match lake.objects.list_object_versions(&proof(), &request) {
        Ok(listing) => listing,
        Err(ObjectsError::NoSuchBucket { .. }) => return None,
        Err(error) => panic!("{error}"),
    };
    let mut contents = Contents::new();
    for listed in listing.versions {
        let (at, id) = (key(&listed.key), listed.entry.version_id());
        let bytes = match lake.objects.head_version(&proof(), name, &at, Some(&id)) {
            Ok(version) => Some(lake.objects.read_whole(&proof(), &version, 1 << 30).await.unwrap()),
            Err(ObjectsError::IsDeleteMarker { .. }) => None,
            Err(error) => panic!("{error}"),
        };
        let latest = lake.objects.head_object(&proof(), name, &at);
        let is_latest = latest.is_ok_and(|latest| latest.version_id().unwrap_or(VersionId::Null) == id);
        assert_eq!(listed.is_latest && bytes.is_some(), is_latest);
        let versions = contents.entry(listed.key).or_default();
        assert_eq!(listed.is_latest, versions.is_empty());
        versions.push((id, bytes));
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
