//! A random history against a map: what the map says, the lake says, and nothing is left over.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Put { key: usize, bytes: Vec<u8>, only_new: bool },
    Delete { key: usize },
    Copy { from: usize, to: usize },
    Multipart { key: usize, parts: Vec<(u32, Vec<u8>)>, complete: bool },
    List { prefix: usize, delimiter: bool, after: Option<usize>, max_keys: usize },
    Collect,
    Sweep,
}

const KEYS: [&str; 8] = ["a", "a/b", "a/c", "a/c/d", "b", "b/\u{0}", "é/x", "é/y"];
const PREFIXES: [&str; 5] = ["", "a", "a/", "é/", "zz"];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = 0..KEYS.len();
    let bytes = proptest::collection::vec(any::<u8>(), 0..40);
    let parts = proptest::collection::vec((1..5_u32, bytes.clone()), 1..4);
    let step = prop_oneof![
        4 => (key.clone(), bytes, any::<bool>()).prop_map(|(key, bytes, only_new)| Step::Put { key, bytes, only_new }),
        2 => key.clone().prop_map(|key| Step::Delete { key }),
        1 => (key.clone(), key.clone()).prop_map(|(from, to)| Step::Copy { from, to }),
        2 => (key.clone(), parts, any::<bool>()).prop_map(|(key, parts, complete)| Step::Multipart { key, parts, complete }),
        2 => (0..PREFIXES.len(), any::<bool>(), proptest::option::of(key), 1..4_usize)
            .prop_map(|(prefix, delimiter, after, max_keys)| Step::List { prefix, delimiter, after, max_keys }),
        1 => Just(Step::Collect),
        1 => Just(Step::Sweep),
    ];
    proptest::collection::vec(step, 1..40)
}

/// What a page must hold, said without seeking.
fn expected_page(
    model: &BTreeMap<String, Vec<u8>>,
    prefix: &str,
    delimiter: Option<&str>,
    after: Option<&str>,
    max: usize,
) -> Vec<String> {
    let mut page: Vec<String> = Vec::new();
    for key in model.keys().filter(|key| key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after)) {
        let rolled = delimiter.and_then(|delimiter| {
            let at = key[prefix.len()..].find(delimiter)?;
            Some(key[..prefix.len() + at + delimiter.len()].to_owned())
        });
        let entry = rolled.unwrap_or_else(|| key.clone());
        if page.last() != Some(&entry) {
            page.push(entry);
        }
    }
    page.truncate(max);
    page
}

async fn run(steps: Vec<Step>) {
    let lake = Lake::with(ObjectsOptions { part_size_bytes_min: 0, ..ObjectsOptions::default() });
    let name = lake.bucket("lake-raw").await;
    let mut model: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut parts_of: BTreeMap<String, usize> = BTreeMap::new();
    let mut pending_parts = 0;
    for step in steps {
        match step {
            Step::Put { key: at, bytes, only_new } => {
                let mut request = PutObject::new(name.clone(), key(KEYS[at]));
                request.conditions.if_none_match = only_new.then_some(EtagCondition::Any);
                let outcome = lake.objects.put_object(&lake.caller(), request, body_of(bytes.clone())).await;
                let taken = only_new && model.contains_key(KEYS[at]);
                assert_eq!(outcome.is_err(), taken);
                if !taken {
                    model.insert(KEYS[at].to_owned(), bytes);
                    parts_of.insert(KEYS[at].to_owned(), 1);
                }
            }
            Step::Delete { key: at } => {
                lake.delete(&name, KEYS[at]).await;
                model.remove(KEYS[at]);
                parts_of.remove(KEYS[at]);
            }
            Step::Copy { from, to } => {
                let request = CopyObject {
                    source_bucket: name.clone(),
                    source_key: key(KEYS[from]),
                    source_conditions: ReadConditions::default(),
                    bucket: name.clone(),
                    key: key(KEYS[to]),
                    metadata: Some(ObjectMetadata::default()),
                    tags: None,
                    class: None,
                    checksum: None,
                    conditions: WriteConditions::default(),
                    encryption: EncryptionRequest::default(),
                    source_customer_key: None,
                };
                let outcome = lake.objects.copy_object(&lake.caller(), request).await;
                assert_eq!(outcome.is_ok(), model.contains_key(KEYS[from]));
                if let Some(bytes) = model.get(KEYS[from]).cloned() {
                    model.insert(KEYS[to].to_owned(), bytes);
                    parts_of.insert(KEYS[to].to_owned(), 1);
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
                    lake.objects.complete_multipart_upload(&lake.caller(), request).await.unwrap();
                    parts_of.insert(KEYS[at].to_owned(), last.len());
                    model.insert(KEYS[at].to_owned(), last.into_values().flat_map(|(bytes, _)| bytes).collect());
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
            Step::Collect => lake.collect().await,
            Step::Sweep => {
                lake.objects.sweep().await.unwrap();
            }
        }
    }
    for at in KEYS {
        let found = lake.get(&name, at).await.ok();
        assert_eq!(found.as_deref(), model.get(at).map(Vec::as_slice), "{at:?}");
    }
    lake.collect().await;
    assert_eq!(lake.blobs.count(), parts_of.values().sum::<usize>() + pending_parts);
    assert_eq!(lake.objects.sweep().await.unwrap().removed, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn a_random_history_is_as_the_map_says(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(steps));
    }
}
