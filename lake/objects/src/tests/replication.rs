//! Replication: a model of random changes in two buckets that copy to each other, with copies made at any time and lanes that forget.

use std::collections::BTreeMap;

use futures::FutureExt;
use futures::future::BoxFuture;
use proptest::prelude::*;
use tarn_metadata::decode_record;
use tarn_policy::{PoliciesUnreadable, PrincipalKind, RoleSessions};
use tarn_types::Arn;

use super::*;

use crate::keyspaces::{REPLICATION_QUEUES, REPLICATION_TASKS};
use crate::replication::state::{CopyThere, ReplicationState};

/// No bucket is elsewhere.
struct Nowhere;

impl RemoteBuckets for Nowhere {
    fn has(&self, _: &AccountId, _: &str) -> bool {
        false
    }

    fn put<'a>(&'a self, _: &'a str, _: RemoteCopy) -> BoxFuture<'a, Result<Option<String>, RemoteError>> {
        async { Err(RemoteError::Refused("nothing is elsewhere".to_owned())) }.boxed()
    }

    fn change<'a>(
        &'a self,
        _: &'a str,
        _: &'a ObjectKey,
        _: &'a str,
        _: RemoteChange,
    ) -> BoxFuture<'a, Result<(), RemoteError>> {
        async { Err(RemoteError::Gone) }.boxed()
    }

    fn delete<'a>(&'a self, _: &'a str, _: &'a ObjectKey) -> BoxFuture<'a, Result<(), RemoteError>> {
        async { Err(RemoteError::Refused("nothing is elsewhere".to_owned())) }.boxed()
    }
}

/// Every role there could be.
pub(super) struct Roles;

impl RoleSessions for Roles {
    fn role_session(&self, role: &Arn, session_name: &str) -> Result<Option<Principal>, PoliciesUnreadable> {
        let role = role.resource.trim_start_matches("role/").to_owned();
        let kind = PrincipalKind::AssumedRole { role, session: session_name.to_owned() };
        Ok(Some(Principal::new(kind, AccountId::first(), "AROAEXAMPLE")))
    }
}

pub(super) fn rule(target: &BucketName) -> ReplicationRule {
    ReplicationRule {
        id: "all".to_owned(),
        priority: Some(1),
        is_enabled: true,
        filter: ReplicationFilter::default(),
        delete_markers: Some(true),
        kms_objects: None,
        replica_changes: Some(true),
        says_existing: false,
        destination: ReplicationDestination {
            bucket: target.arn().to_string(),
            account: None,
            is_given_over: false,
            class: None,
            kms_key: None,
            time_control: Some(true),
            metrics: Some(true),
            has_threshold: false,
        },
    }
}

pub(super) struct Pair {
    pub(super) lake: Lake,
    pub(super) buckets: [BucketName; 2],
    lane: Replicator,
}

impl Pair {
    pub(super) async fn new() -> Self {
        let lake = Lake::new();
        let buckets = [lake.bucket("lake-one").await, lake.bucket("lake-two").await];
        for bucket in &buckets {
            lake.objects.put_bucket_versioning(&lake.caller(), bucket, true).await.unwrap();
        }
        for (source, target) in [(0, 1), (1, 0)] {
            let role = "arn:aws:iam::000000000000:role/r".to_owned();
            let configuration = ReplicationConfiguration::new(role, vec![rule(&buckets[target])]);
            let caller = lake.caller();
            lake.objects.put_bucket_replication(&caller, &buckets[source], configuration, |_, _| false).await.unwrap();
        }
        let lane = lake.objects.replicators(Arc::new(Everyone), Arc::new(Roles), Arc::new(Nowhere)).remove(0);
        Self { lake, buckets, lane }
    }

    pub(super) async fn drain(&self) {
        while self.lane.replicate_next().await.unwrap() {}
        let snapshot = self.lake.store.read().unwrap();
        assert!(snapshot.prefix(REPLICATION_QUEUES, &Key::new()).next().is_none());
        assert!(snapshot.prefix(REPLICATION_TASKS, &Key::new()).next().is_none());
    }

    /// Versions of a bucket, each key's newest first: id, bytes and tag of an object, nothing of a marker, and whether it is the latest.
    async fn versions(&self, at: usize) -> Vec<(String, VersionId, Option<(Bytes, String)>, bool)> {
        let bucket = &self.buckets[at];
        let request = ListVersions {
            bucket: bucket.clone(),
            prefix: String::new(),
            delimiter: None,
            key_marker: None,
            version_marker: None,
            max_keys: 1000,
        };
        let mut found = Vec::new();
        for listed in self.lake.objects.list_object_versions(&proof(), &request).unwrap().versions {
            let id = listed.entry.version_id();
            let object = match listed.entry {
                VersionEntry::DeleteMarker(_) => None,
                VersionEntry::Object(_) => {
                    let version =
                        self.lake.objects.head_version(&proof(), bucket, &key(&listed.key), Some(&id)).unwrap();
                    let tag = version.tags().iter().map(|(_, value)| value.to_owned()).collect();
                    Some((self.lake.objects.read_whole(&proof(), &version, 1 << 20).await.unwrap(), tag))
                }
            };
            found.push((listed.key, id, object, listed.is_latest));
        }
        found
    }
}

#[derive(Debug, Clone)]
enum Step {
    Put { bucket: usize, key: usize, bytes: Vec<u8> },
    Upload { bucket: usize, key: usize, parts: Vec<Vec<u8>> },
    Delete { bucket: usize, key: usize },
    Tag { bucket: usize, nth: usize, tag: String },
    Work { rounds: usize },
    Restart,
}

const KEYS: [&str; 3] = ["a", "b/c", "d"];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let place = (0..2_usize, 0..KEYS.len());
    let bytes = proptest::collection::vec(any::<u8>(), 0..30);
    let step = prop_oneof![
        6 => (place.clone(), bytes.clone()).prop_map(|((bucket, key), bytes)| Step::Put { bucket, key, bytes }),
        1 => (place.clone(), proptest::collection::vec(bytes, 1..4))
            .prop_map(|((bucket, key), parts)| Step::Upload { bucket, key, parts }),
        3 => place.prop_map(|(bucket, key)| Step::Delete { bucket, key }),
        3 => (0..2_usize, 0..8_usize, "[a-z]{1,3}").prop_map(|(bucket, nth, tag)| Step::Tag { bucket, nth, tag }),
        4 => (0..5_usize).prop_map(|rounds| Step::Work { rounds }),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn two_buckets_become_alike_whenever_copies_are_made(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut pair = Pair::new().await;
            // What the two must hold in the end: by key, in the order of the log.
            let mut naive: BTreeMap<&str, Vec<(VersionId, Option<(Bytes, String)>)>> = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Put { bucket, key: at, bytes } => {
                        let version = pair.lake.put(&pair.buckets[bucket], KEYS[at], bytes.clone()).await;
                        let id = version.own_version_id().unwrap();
                        naive.entry(KEYS[at]).or_default().insert(0, (id, Some((bytes.into(), String::new()))));
                    }
                    Step::Upload { bucket, key: at, parts } => {
                        let objects = &pair.lake.objects;
                        let upload = pair.lake.begin_upload(&pair.buckets[bucket], KEYS[at]).await;
                        let name = UploadName {
                            bucket: pair.buckets[bucket].clone(),
                            key: key(KEYS[at]),
                            upload_id: hex::encode(upload.id),
                        };
                        // Only the last may be small.
                        let part = UploadPart {
                            upload: name.clone(),
                            number: 7,
                            content_length: None,
                            expected: ExpectedDigests::default(),
                            customer_key: None,
                        };
                        let whole = parts.concat();
                        let part = objects.upload_part(&pair.lake.caller(), part, body_of(whole.clone())).await.unwrap();
                        let part = CompletedPart { number: 7, etag: Etag::Md5(part.md5).to_string(), checksums: Vec::new() };
                        let complete = CompleteMultipartUpload {
                            upload: name,
                            parts: vec![part],
                            checksums: Vec::new(),
                            kind: None,
                            size_bytes: None,
                            conditions: WriteConditions::default(),
                            customer_key: None,
                        };
                        let version = objects.complete_multipart_upload(&pair.lake.caller(), complete).await.unwrap();
                        let id = version.own_version_id().unwrap();
                        naive.entry(KEYS[at]).or_default().insert(0, (id, Some((whole.into(), String::new()))));
                    }
                    Step::Delete { bucket, key: at } => {
                        let delete = DeleteObject::new(key(KEYS[at]));
                        let caller = pair.lake.caller();
                        let deleted = pair.lake.objects.delete_object(&caller, &pair.buckets[bucket], delete);
                        let Deleted::Marked { marker } = deleted.await.unwrap() else { panic!("not marked") };
                        naive.entry(KEYS[at]).or_default().insert(0, (marker, None));
                    }
                    Step::Tag { bucket, nth, tag } => {
                        // Of two changes of one version in both buckets the later one to arrive would win: wait, as a user would.
                        pair.drain().await;
                        let there = pair.versions(bucket).await;
                        let Some((name, id, Some(_), _)) = there.get(nth) else { continue };
                        let tags = Tags::of_object([("t".to_owned(), tag.clone())]).unwrap();
                        let (caller, at) = (pair.lake.caller(), &pair.buckets[bucket]);
                        pair.lake.objects.put_object_tags(&caller, at, &key(name), Some(id), tags).await.unwrap();
                        let kept = naive.get_mut(name.as_str()).unwrap();
                        let (_, object) = kept.iter_mut().find(|(other, _)| other == id).unwrap();
                        object.as_mut().unwrap().1 = tag;
                    }
                    Step::Work { rounds } => {
                        for _ in 0..rounds {
                            pair.lane.replicate_next().await.unwrap();
                        }
                    }
                    // What a lane remembers is gone; what waits is in the store.
                    Step::Restart => {
                        pair.lane = pair.lake.objects.replicators(Arc::new(Everyone), Arc::new(Roles), Arc::new(Nowhere)).remove(0);
                    }
                }
            }
            pair.drain().await;
            let expected: Vec<_> = naive
                .into_iter()
                .flat_map(|(key, kept)| {
                    kept.into_iter().enumerate().map(move |(at, (id, object))| (key.to_owned(), id, object, at == 0))
                })
                .collect();
            for at in 0..2 {
                assert_eq!(pair.versions(at).await, expected, "bucket {at}");
            }
            // A copy has bytes of its own, which go with it and with nothing else.
            pair.lake.collect().await;
            let objects = expected.iter().filter(|(_, _, object, _)| object.is_some()).count();
            assert_eq!(pair.lake.blobs.count(), 2 * objects);
            assert_eq!(pair.lake.objects.sweep().await.unwrap().removed, 0);
        });
    }
}

#[tokio::test]
async fn a_status_says_how_a_version_stands() {
    let pair = Pair::new().await;
    let (objects, [one, two]) = (&pair.lake.objects, &pair.buckets);
    let status = |bucket: &BucketName| {
        let version = objects.head_object(&proof(), bucket, &key("a")).unwrap();
        objects.replication_status(&version).unwrap()
    };
    pair.lake.put(one, "a", "x").await;
    assert_eq!(status(one), Some(ReplicationStatus::Pending));
    pair.drain().await;
    assert_eq!((status(one), status(two)), (Some(ReplicationStatus::Completed), Some(ReplicationStatus::Replica)));
    // The source's version goes for good, and the copy stays.
    let version = objects.head_object(&proof(), one, &key("a")).unwrap().version_id();
    let delete = DeleteObject { version, ..DeleteObject::new(key("a")) };
    objects.delete_object(&pair.lake.caller(), one, delete).await.unwrap();
    pair.drain().await;
    assert_eq!(pair.lake.get(two, "a").await.unwrap(), "x");
    // A bucket that keeps no versions takes no copies.
    objects.delete_bucket_replication(&pair.lake.caller(), two).await.unwrap();
    objects.put_bucket_versioning(&pair.lake.caller(), two, false).await.unwrap();
    pair.lake.put(one, "a", "y").await;
    pair.drain().await;
    assert_eq!(status(one), Some(ReplicationStatus::Failed));
    let refused = objects.put_bucket_versioning(&pair.lake.caller(), one, false).await;
    assert!(matches!(refused, Err(ObjectsError::InvalidBucketState { .. })), "{refused:?}");
}

/// As the first release with replication wrote them: it acted for the bucket's owner, and did not keep why it failed.
const CONFIGURATION_V1: &str = "00012061726e3a6177733a69616d3a3a3030303030303030303030303a726f6c652f720103616c6c010201000102612f0001010000001361726e3a6177733a73333a3a3a636f7069657300000000000000";
/// As the release wrote it that kept why a copy failed.
const STATE_V2: &str = "000200011361726e3a6177733a73333a3a3a636f7069657303616c6c0180a0abfef9620100";
const STATE_V1: &str = "000100011361726e3a6177733a73333a3a3a636f7069657303616c6c0180a0abfef96201";

#[test]
fn first_configurations_go_on_for_the_owner_and_first_states_have_no_reason() {
    let bytes = |text| hex::decode(text).unwrap();
    let configuration: ReplicationConfiguration = decode_record(&bytes(CONFIGURATION_V1)).unwrap();
    assert!(configuration.acts_for_owner && configuration.acts_as().is_none());
    assert_eq!(configuration.role, "arn:aws:iam::000000000000:role/r");
    assert_eq!(configuration.rules[0].destination.bucket, "arn:aws:s3:::copies");
    let state: ReplicationState = decode_record(&bytes(STATE_V1)).unwrap();
    let [target] = state.targets.as_slice() else { panic!("{state:?}") };
    assert_eq!((target.status, target.requested_ms), (ReplicationStatus::Completed, 1_700_000_000_000));
    assert!(target.is_late && target.failure.is_none());
    // What was copied then is there, by a name that was not kept.
    assert_eq!((&target.copy, target.number), (&CopyThere::Unnamed, 0));
    assert_eq!(decode_record::<ReplicationState>(&bytes(STATE_V2)).unwrap(), state);
}
