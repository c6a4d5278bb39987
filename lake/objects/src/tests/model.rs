//! A random history against lists of versions: what they say, the lake says, and nothing is left over.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tarn_metadata::{Keyspace, Record};

use super::*;
use crate::keyspaces::{CURRENT, HISTORY, NULL_VERSIONS, PART_OWNERS, VERSIONS};

#[derive(Debug, Clone)]
enum Step {
    Versioning { enabled: bool },
    Put { key: usize, bytes: Vec<u8>, only_new: bool },
    Delete { key: usize },
    DeleteVersion { key: usize, nth: usize, bypass: bool },
    LockBucket { default: Option<(RetentionMode, u32)> },
    Retain { key: usize, nth: Option<usize>, retention: Option<(RetentionMode, i64)>, bypass: bool },
    Hold { key: usize, nth: Option<usize>, on: bool },
    Wait { hours: u64 },
    DeleteMany { which: Vec<(usize, Option<usize>)> },
    Copy { from: usize, nth: Option<usize>, to: usize },
    Tag { key: usize, nth: Option<usize>, tag: String },
    Multipart { key: usize, parts: Vec<(u32, Vec<u8>)>, complete: bool },
    List { prefix: usize, delimiter: bool, after: Option<usize>, max_keys: usize },
    ListVersions { prefix: usize, delimiter: bool, max_keys: usize, disturb: bool },
    Collect,
    Sweep,
}

const KEYS: [&str; 8] = ["a", "a/b", "a/c", "a/c/d", "b", "b/\u{0}", "é/x", "é/y"];
const PREFIXES: [&str; 5] = ["", "a", "a/", "é/", "zz"];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = 0..KEYS.len();
    // Few keys, so that their versions are many.
    let few = prop_oneof![3 => 0..3_usize, 1 => 0..KEYS.len()];
    let bytes = proptest::collection::vec(any::<u8>(), 0..40);
    let parts = proptest::collection::vec((1..5_u32, bytes.clone()), 1..4);
    let nth = 0..5_usize;
    let one = (few.clone(), proptest::option::of(nth));
    let mode = prop_oneof![Just(RetentionMode::Governance), Just(RetentionMode::Compliance)];
    let locks = prop_oneof![
        1 => proptest::option::of((mode.clone(), 1..3_u32)).prop_map(|default| Step::LockBucket { default }),
        2 => (one.clone(), proptest::option::weighted(0.8, (mode, 1..60_i64)), any::<bool>())
            .prop_map(|((key, nth), retention, bypass)| Step::Retain { key, nth, retention, bypass }),
        1 => (one.clone(), any::<bool>()).prop_map(|((key, nth), on)| Step::Hold { key, nth, on }),
        1 => (1..30_u64).prop_map(|hours| Step::Wait { hours }),
    ];
    let step = prop_oneof![
        2 => prop_oneof![2 => Just(true), 1 => Just(false)].prop_map(|enabled| Step::Versioning { enabled }),
        6 => (few.clone(), bytes, proptest::bool::weighted(0.2)).prop_map(|(key, bytes, only_new)| Step::Put { key, bytes, only_new }),
        3 => few.clone().prop_map(|key| Step::Delete { key }),
        3 => (one.clone(), any::<bool>())
            .prop_map(|((key, nth), bypass)| Step::DeleteVersion { key, nth: nth.unwrap_or(0), bypass }),
        3 => locks,
        1 => proptest::collection::vec(one.clone(), 1..6).prop_map(|which| Step::DeleteMany { which }),
        1 => (one.clone(), key.clone()).prop_map(|((from, nth), to)| Step::Copy { from, nth, to }),
        1 => (one, "[a-z]{0,3}").prop_map(|((key, nth), tag)| Step::Tag { key, nth, tag }),
        2 => (few, parts, any::<bool>()).prop_map(|(key, parts, complete)| Step::Multipart { key, parts, complete }),
        2 => (0..PREFIXES.len(), any::<bool>(), proptest::option::of(key), 1..4_usize)
            .prop_map(|(prefix, delimiter, after, max_keys)| Step::List { prefix, delimiter, after, max_keys }),
        2 => (0..PREFIXES.len(), any::<bool>(), 1..6_usize, any::<bool>())
            .prop_map(|(prefix, delimiter, max_keys, disturb)| Step::ListVersions { prefix, delimiter, max_keys, disturb }),
        1 => Just(Step::Collect),
        1 => Just(Step::Sweep),
    ];
    proptest::collection::vec(step, 1..50)
}

/// A line of a listing: a key with its version, whether it is the latest, and whether it is a delete marker; or a common prefix.
type Row = (String, Option<(VersionId, bool, bool)>);

#[derive(Debug, Clone, PartialEq)]
struct Kept {
    id: VersionId,
    /// None: a delete marker.
    bytes: Option<Vec<u8>>,
    parts: usize,
    tag: String,
    held: bool,
    retained: Option<(RetentionMode, i64)>,
}

impl Kept {
    fn new(id: VersionId, bytes: Option<Vec<u8>>, parts: usize, tag: String) -> Self {
        Self { id, bytes, parts, tag, held: false, retained: None }
    }

    /// The retention that holds now.
    fn retention(&self, now_ms: i64) -> Option<(RetentionMode, i64)> {
        self.retained.filter(|(_, until_ms)| *until_ms > now_ms)
    }

    fn is_locked(&self, now_ms: i64, bypass: bool) -> bool {
        let retained = match self.retention(now_ms) {
            None => false,
            Some((RetentionMode::Governance, _)) => !bypass,
            Some((RetentionMode::Compliance, _)) => true,
        };
        self.held || retained
    }
}

/// The versions of each key, the newest first.
#[derive(Debug, Default)]
struct Model {
    versioning: Versioning,
    keys: BTreeMap<String, Vec<Kept>>,
    /// Whether the bucket locks, and by what default.
    lock: Option<Option<(RetentionMode, u32)>>,
    now_ms: i64,
}

const HOUR_MS: i64 = 60 * 60 * 1000;

impl Model {
    fn add(&mut self, key: &str, kept: Kept) {
        let versions = self.keys.entry(key.to_owned()).or_default();
        match self.versioning {
            Versioning::Unversioned => versions.clear(),
            Versioning::Suspended => versions.retain(|version| version.id != VersionId::Null),
            Versioning::Enabled => assert_ne!(kept.id, VersionId::Null),
        }
        assert!(versions.iter().all(|version| version.id != kept.id));
        versions.insert(0, kept);
    }

    fn put(&mut self, key: &str, id: Option<VersionId>, bytes: Vec<u8>, parts: usize, tag: String) {
        assert_eq!(id.is_some(), self.versioning == Versioning::Enabled);
        let mut kept = Kept::new(id.unwrap_or(VersionId::Null), Some(bytes), parts, tag);
        let default = self.lock.flatten();
        kept.retained = default.map(|(mode, days)| (mode, self.now_ms + i64::from(days) * 24 * HOUR_MS));
        self.add(key, kept);
    }

    fn deleted(&mut self, key: &str, deleted: Deleted) {
        match deleted {
            Deleted::Object => {
                assert_eq!(self.versioning, Versioning::Unversioned);
                self.keys.remove(key);
            }
            Deleted::Marked { marker } => {
                assert_eq!(marker == VersionId::Null, self.versioning == Versioning::Suspended);
                self.add(key, Kept::new(marker, None, 0, String::new()));
            }
            Deleted::Version { version, was_delete_marker } => {
                let removed = self.find(key, &version).cloned();
                assert_eq!(was_delete_marker, removed.is_some_and(|kept| kept.bytes.is_none()));
                self.keys.entry(key.to_owned()).or_default().retain(|kept| kept.id != version);
            }
        }
    }

    fn find(&self, key: &str, id: &VersionId) -> Option<&Kept> {
        self.keys.get(key)?.iter().find(|kept| kept.id == *id)
    }

    /// What a read without a version finds.
    fn latest(&self, key: &str) -> Option<&Kept> {
        self.keys.get(key)?.first().filter(|kept| kept.bytes.is_some())
    }

    fn is_locked(&self, key: &str, id: &VersionId, bypass: bool) -> bool {
        self.find(key, id).is_some_and(|kept| kept.is_locked(self.now_ms, bypass))
    }

    /// The object that a key and perhaps a version name.
    fn object(&mut self, key: &str, id: Option<VersionId>) -> Option<&mut Kept> {
        let versions = self.keys.get_mut(key)?;
        let named = match id {
            None => versions.first_mut(),
            Some(id) => versions.iter_mut().find(|kept| kept.id == id),
        };
        named.filter(|kept| kept.bytes.is_some())
    }

    fn nth(&self, key: &str, nth: usize) -> Option<&Kept> {
        self.keys.get(key)?.get(nth)
    }

    /// The id of a key's version, or one that never was.
    fn id(&self, key: &str, nth: usize) -> VersionId {
        self.nth(key, nth).map_or(VersionId::Id { order: 3, uuid: [7; 16] }, |kept| kept.id)
    }

    /// All versions under a prefix in the order of listings, those that roll up as their prefix.
    fn listed(&self, prefix: &str, delimiter: Option<&str>) -> Vec<Row> {
        let mut listed: Vec<Row> = Vec::new();
        for (key, versions) in self.keys.iter().filter(|(key, _)| key.starts_with(prefix)) {
            for (nth, kept) in versions.iter().enumerate() {
                match rolled(key, prefix, delimiter) {
                    Some(common) if listed.last().is_some_and(|(last, _)| *last == common) => {}
                    Some(common) => listed.push((common, None)),
                    None => listed.push((key.clone(), Some((kept.id, nth == 0, kept.bytes.is_none())))),
                }
            }
        }
        listed
    }
}

fn rolled(key: &str, prefix: &str, delimiter: Option<&str>) -> Option<String> {
    let delimiter = delimiter?;
    let at = key[prefix.len()..].find(delimiter)?;
    Some(key[..prefix.len() + at + delimiter.len()].to_owned())
}

/// What a page of keys must hold, said without seeking.
fn expected_page(model: &Model, prefix: &str, delimiter: Option<&str>, after: Option<&str>, max: usize) -> Vec<String> {
    let mut page: Vec<String> = Vec::new();
    let keys = model.keys.keys().filter(|key| model.latest(key).is_some());
    for key in keys.filter(|key| key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after)) {
        let entry = rolled(key, prefix, delimiter).unwrap_or_else(|| key.clone());
        if page.last() != Some(&entry) {
            page.push(entry);
        }
    }
    page.truncate(max);
    page
}

/// Lists page by page; with `disturb`, the last version of each page is removed before the next one is asked for.
async fn list_versions(lake: &Lake, model: &mut Model, mut request: ListVersions, disturb: bool) -> Vec<Row> {
    let mut found = Vec::new();
    loop {
        let page = lake.objects.list_object_versions(&proof(), &request).unwrap();
        assert!(page.versions.len() + page.common_prefixes.len() <= request.max_keys);
        let mut entries: Vec<Row> = page
            .versions
            .into_iter()
            .map(|version| {
                assert_eq!(version.is_latest, version.noncurrent_since_ms.is_none());
                let entry = &version.entry;
                (version.key, Some((entry.version_id(), version.is_latest, entry.is_delete_marker())))
            })
            .collect();
        entries.extend(page.common_prefixes.into_iter().map(|common| (common, None)));
        // Versions of one key are in order; keys and prefixes come apart.
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        found.extend(entries);
        let Some((key_marker, version_marker)) = page.next else { return found };
        if disturb && let Some(version @ VersionId::Id { .. }) = version_marker {
            let delete = DeleteObject { version: Some(version), ..DeleteObject::new(key(&key_marker)) };
            match lake.objects.delete_object(&lake.caller(), &request.bucket, delete).await {
                Ok(deleted) => model.deleted(&key_marker, deleted),
                Err(_) => assert!(model.is_locked(&key_marker, &version, false)),
            }
        }
        (request.key_marker, request.version_marker) = (Some(key_marker), version_marker);
    }
}

fn rows<R: Record>(lake: &Lake, keyspace: Keyspace<R>) -> usize {
    lake.store.read().unwrap().prefix(keyspace, &Key::new()).count()
}

async fn run(steps: Vec<Step>) {
    let lake = Lake::with(ObjectsOptions { part_size_bytes_min: 0, ..ObjectsOptions::default() });
    let name = lake.bucket("lake-raw").await;
    let mut model = Model { now_ms: lake.runtime.now().as_millisecond(), ..Model::default() };
    let mut pending_parts = 0;
    for step in steps {
        match step {
            Step::Versioning { enabled } => {
                let put = lake.objects.put_bucket_versioning(&lake.caller(), &name, enabled).await;
                assert_eq!(put.is_err(), model.lock.is_some() && !enabled);
                if put.is_ok() {
                    model.versioning = if enabled { Versioning::Enabled } else { Versioning::Suspended };
                }
            }
            Step::Put { key: at, bytes, only_new } => {
                let mut request = PutObject::new(name.clone(), key(KEYS[at]));
                request.conditions.if_none_match = only_new.then_some(EtagCondition::Any);
                let outcome = lake.objects.put_object(&lake.caller(), request, body_of(bytes.clone())).await;
                let taken = only_new && model.latest(KEYS[at]).is_some();
                assert_eq!(outcome.is_err(), taken);
                if let Ok(version) = outcome {
                    model.put(KEYS[at], version.own_version_id(), bytes, 1, String::new());
                }
            }
            Step::Delete { key: at } => {
                let delete = DeleteObject::new(key(KEYS[at]));
                let deleted = lake.objects.delete_object(&lake.caller(), &name, delete).await.unwrap();
                model.deleted(KEYS[at], deleted);
            }
            Step::DeleteVersion { key: at, nth, bypass } => {
                let id = model.id(KEYS[at], nth);
                let given = if bypass { Bypass::Governance } else { Bypass::No };
                let delete = DeleteObject { version: Some(id), bypass: given, ..DeleteObject::new(key(KEYS[at])) };
                let outcome = lake.objects.delete_object(&lake.caller(), &name, delete).await;
                assert_eq!(outcome.is_err(), model.is_locked(KEYS[at], &id, bypass));
                if let Ok(deleted) = outcome {
                    model.deleted(KEYS[at], deleted);
                }
            }
            Step::LockBucket { default } => {
                let default_retention =
                    default.map(|(mode, days)| DefaultRetention { mode, period: RetentionPeriod::Days(days) });
                let lock = BucketLock { default_retention };
                let put = lake.objects.put_object_lock_configuration(&lake.caller(), &name, lock).await;
                assert_eq!(put.is_ok(), model.versioning == Versioning::Enabled);
                if put.is_ok() {
                    model.lock = Some(default);
                }
            }
            Step::Retain { key: at, nth, retention, bypass } => {
                let id = nth.map(|nth| model.id(KEYS[at], nth));
                let new = retention.map(|(mode, hours)| (mode, model.now_ms + hours * HOUR_MS));
                let (locks, now_ms) = (model.lock.is_some(), model.now_ms);
                let kept = model.object(KEYS[at], id).filter(|_| locks);
                let may = kept.as_ref().is_some_and(|kept| match (kept.retention(now_ms), new) {
                    (None, _) => true,
                    (Some((mode, until_ms)), Some(new)) if new.0 == mode && new.1 >= until_ms => true,
                    (Some((mode, _)), _) => mode == RetentionMode::Governance && bypass,
                });
                let given = if bypass { Bypass::Governance } else { Bypass::No };
                let new = new.map(|(mode, until_ms)| Retention { mode, until_ms });
                let put = lake
                    .objects
                    .put_object_retention(&lake.caller(), &name, &key(KEYS[at]), id.as_ref(), new, given)
                    .await;
                assert_eq!(put.is_ok(), may);
                if let Some(kept) = kept.filter(|_| may) {
                    kept.retained = new.map(|new| (new.mode, new.until_ms));
                }
            }
            Step::Hold { key: at, nth, on } => {
                let id = nth.map(|nth| model.id(KEYS[at], nth));
                let locks = model.lock.is_some();
                let kept = model.object(KEYS[at], id).filter(|_| locks);
                let put =
                    lake.objects.put_object_legal_hold(&lake.caller(), &name, &key(KEYS[at]), id.as_ref(), on).await;
                assert_eq!(put.is_ok(), kept.is_some());
                if let Some(kept) = kept {
                    kept.held = on;
                }
            }
            Step::Wait { hours } => {
                lake.clock.advance(std::time::Duration::from_secs(hours * 60 * 60));
                model.now_ms = lake.runtime.now().as_millisecond();
            }
            Step::DeleteMany { which } => {
                let deletes = which.into_iter().map(|(at, nth)| DeleteObject {
                    version: nth.map(|nth| model.id(KEYS[at], nth)),
                    ..DeleteObject::new(key(KEYS[at]))
                });
                let deletes: Vec<DeleteObject> = deletes.collect();
                let outcomes = match lake.objects.delete_objects(&lake.caller(), &name, deletes.clone()).await {
                    Ok(outcomes) => outcomes,
                    // A single one is refused as a whole.
                    Err(error) => deletes.into_iter().map(|delete| (delete, Err(error.clone()))).collect(),
                };
                let mut seen = Vec::new();
                for (delete, outcome) in outcomes {
                    let named = (delete.key.clone(), delete.version);
                    if seen.contains(&named) {
                        continue;
                    }
                    match outcome {
                        Ok(deleted) => {
                            model.deleted(delete.key.as_str(), deleted);
                            seen.push(named);
                        }
                        Err(ObjectsError::Locked { .. }) => {
                            assert!(model.is_locked(delete.key.as_str(), &delete.version.unwrap(), false));
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            Step::Copy { from, nth, to } => {
                let source = match nth {
                    None => model.latest(KEYS[from]),
                    Some(nth) => model.nth(KEYS[from], nth).filter(|kept| kept.bytes.is_some()),
                };
                let source = source.cloned();
                let request = CopyObject {
                    source_bucket: name.clone(),
                    source_key: key(KEYS[from]),
                    source_version: nth.map(|nth| model.id(KEYS[from], nth)),
                    source_conditions: ReadConditions::default(),
                    bucket: name.clone(),
                    key: key(KEYS[to]),
                    metadata: Some(ObjectMetadata::default()),
                    website_redirect: None,
                    tags: None,
                    class: None,
                    checksum: None,
                    conditions: WriteConditions::default(),
                    encryption: EncryptionRequest::default(),
                    source_customer_key: None,
                    lock: VersionLock::default(),
                    acl: AclRequest::default(),
                };
                let outcome = lake.objects.copy_object(&lake.caller(), request).await;
                assert_eq!(outcome.is_ok(), source.is_some());
                if let (Ok(copied), Some(source)) = (outcome, source) {
                    let versioned = model.versioning != Versioning::Unversioned;
                    assert_eq!(copied.source_version, versioned.then_some(source.id));
                    let bytes = source.bytes.unwrap_or_default();
                    model.put(KEYS[to], copied.version.own_version_id(), bytes, 1, source.tag);
                }
            }
            Step::Tag { key: at, nth, tag } => {
                let id = nth.map(|nth| model.id(KEYS[at], nth));
                let kept = match id {
                    None => model.latest(KEYS[at]),
                    Some(id) => model.find(KEYS[at], &id).filter(|kept| kept.bytes.is_some()),
                };
                let kept = kept.map(|kept| kept.id);
                let tags = Tags::of_object((!tag.is_empty()).then(|| ("k".to_owned(), tag.clone()))).unwrap();
                let put = lake.objects.put_object_tags(&lake.caller(), &name, &key(KEYS[at]), id.as_ref(), tags).await;
                assert_eq!(put.is_ok(), kept.is_some());
                let versions = model.keys.entry(KEYS[at].to_owned()).or_default();
                if let Some(tagged) = versions.iter_mut().find(|version| Some(version.id) == kept) {
                    tagged.tag = tag;
                }
            }
            Step::Multipart { key: at, parts, complete } => {
                let request = CreateMultipartUpload {
                    bucket: name.clone(),
                    key: key(KEYS[at]),
                    metadata: ObjectMetadata::default(),
                    tags: Tags::default(),
                    class: StorageClass::Standard,
                    checksum: None,
                    encryption: EncryptionRequest::default(),
                    lock: VersionLock::default(),
                    acl: AclRequest::default(),
                };
                let upload = lake.objects.create_multipart_upload(&lake.caller(), request).await.unwrap();
                let upload = UploadName { bucket: name.clone(), key: key(KEYS[at]), upload_id: upload.upload_id() };
                let mut last: BTreeMap<u32, (Vec<u8>, [u8; 16])> = BTreeMap::new();
                for (number, bytes) in parts {
                    let expected = ExpectedDigests::default();
                    let request = UploadPart {
                        upload: upload.clone(),
                        number,
                        content_length: Some(bytes.len() as u64),
                        expected,
                        customer_key: None,
                    };
                    let part = lake.objects.upload_part(&lake.caller(), request, body_of(bytes.clone())).await.unwrap();
                    last.insert(number, (bytes, part.md5));
                }
                if complete {
                    let listed = last.iter().map(|(number, (_, md5))| CompletedPart {
                        number: *number,
                        etag: Etag::Md5(*md5).to_string(),
                        checksums: Vec::new(),
                    });
                    let conditions = WriteConditions::default();
                    let parts = listed.collect();
                    let request = CompleteMultipartUpload {
                        upload,
                        parts,
                        checksums: Vec::new(),
                        kind: None,
                        size_bytes: None,
                        conditions,
                        customer_key: None,
                    };
                    let version = lake.objects.complete_multipart_upload(&lake.caller(), request).await.unwrap();
                    let count = last.len();
                    let bytes = last.into_values().flat_map(|(bytes, _)| bytes).collect();
                    model.put(KEYS[at], version.own_version_id(), bytes, count, String::new());
                } else {
                    pending_parts += last.len();
                }
            }
            Step::List { prefix, delimiter, after, max_keys } => {
                let delimiter = delimiter.then_some("/");
                let after = after.map(|after| KEYS[after]);
                let request = ListObjects {
                    delimiter: delimiter.map(str::to_owned),
                    start_after: after.map(str::to_owned),
                    max_keys,
                    ..ListObjects::new(name.clone(), PREFIXES[prefix])
                };
                let page = lake.objects.list_objects(&proof(), &request).unwrap();
                let mut found: Vec<String> =
                    page.objects.into_iter().map(|object| object.key).chain(page.common_prefixes).collect();
                found.sort();
                assert_eq!(found, expected_page(&model, PREFIXES[prefix], delimiter, after, max_keys));
            }
            Step::ListVersions { prefix, delimiter, max_keys, disturb } => {
                let delimiter = delimiter.then_some("/");
                let request = ListVersions {
                    bucket: name.clone(),
                    prefix: PREFIXES[prefix].to_owned(),
                    delimiter: delimiter.map(str::to_owned),
                    key_marker: None,
                    version_marker: None,
                    max_keys,
                };
                let expected = model.listed(PREFIXES[prefix], delimiter);
                let found = list_versions(&lake, &mut model, request, disturb).await;
                if disturb {
                    // Which one is the latest changes under way; which ones there are does not.
                    let bare = |listed: Vec<Row>| -> Vec<_> {
                        listed.into_iter().map(|(key, version)| (key, version.map(|(id, _, _)| id))).collect()
                    };
                    assert_eq!(bare(found), bare(expected));
                } else {
                    assert_eq!(found, expected);
                }
            }
            Step::Collect => lake.collect().await,
            Step::Sweep => {
                lake.objects.sweep().await.unwrap();
            }
        }
    }
    check_all(&lake, &name, &model).await;
    lake.collect().await;
    let kept = model.keys.values().flatten();
    assert_eq!(lake.blobs.count(), kept.map(|kept| kept.parts).sum::<usize>() + pending_parts);
    assert_eq!(lake.objects.sweep().await.unwrap().removed, 0);
    empty(&lake, &name, &model).await;
}

async fn check_all(lake: &Lake, name: &BucketName, model: &Model) {
    for at in KEYS {
        let found = lake.get(name, at).await.ok();
        assert_eq!(found.as_deref(), model.latest(at).and_then(|kept| kept.bytes.as_deref()), "{at:?}");
        for kept in model.keys.get(at).into_iter().flatten() {
            let found = lake.objects.head_version(&proof(), name, &key(at), Some(&kept.id));
            match (&kept.bytes, found) {
                (Some(bytes), Ok(version)) => {
                    assert_eq!(*bytes, lake.objects.read_whole(&proof(), &version, 1 << 30).await.unwrap());
                    let tags: Vec<&str> = version.tags().iter().map(|(_, value)| value).collect();
                    assert_eq!(tags.concat(), kept.tag);
                    let seen = lake.objects.condition_tags(name, &key(at), Some(&kept.id)).unwrap();
                    assert_eq!(seen, *version.tags());
                }
                (None, Err(ObjectsError::IsDeleteMarker { .. })) => {}
                (_, other) => panic!("{at:?} {kept:?}: {other:?}"),
            }
        }
    }
}

/// Removes every version there is: then nothing at all is left, and not before the bucket can go.
async fn empty(lake: &Lake, name: &BucketName, model: &Model) {
    lake.clock.advance(std::time::Duration::from_secs(1000 * 60 * 60));
    for (at, kept) in model.keys.iter().flat_map(|(at, versions)| versions.iter().map(move |kept| (at, kept))) {
        let refused = lake.objects.delete_bucket(&lake.caller(), name).await;
        assert!(matches!(refused, Err(ObjectsError::BucketNotEmpty { .. })), "{refused:?}");
        if kept.held {
            let (caller, at) = (lake.caller(), key(at));
            lake.objects.put_object_legal_hold(&caller, name, &at, Some(&kept.id), false).await.unwrap();
        }
        let delete = DeleteObject { version: Some(kept.id), ..DeleteObject::new(key(at)) };
        lake.objects.delete_object(&lake.caller(), name, delete).await.unwrap();
    }
    lake.objects.delete_bucket(&lake.caller(), name).await.unwrap();
    lake.collect().await;
    assert_eq!(lake.blobs.count(), 0);
    let rows = [rows(lake, CURRENT), rows(lake, VERSIONS), rows(lake, HISTORY), rows(lake, NULL_VERSIONS)];
    assert_eq!((rows, self::rows(lake, PART_OWNERS)), ([0; 4], 0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn a_random_history_is_as_the_lists_say(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(steps));
    }
}
