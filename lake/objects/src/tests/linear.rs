//! Concurrent calls on one key have one order that explains all their answers, conditions included: the histories of random tasks
//! are put to a checker after Wing and Gong ("Testing and verifying concurrent objects", 1993).

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};

use tarn_runtime::{Entropy, SeededEntropy};
use tarn_testkit::SimulatedDisk;

use super::*;

/// What is at the key: a number, or nothing.
type State = Option<u8>;

#[derive(Debug, Clone, Copy, PartialEq)]
enum If {
    Always,
    Absent,
    Is(u8),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Call {
    Put(u8, If),
    Complete(u8, If),
    Delete(If),
    Get,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Answer {
    Done,
    Failed,
    Missing,
    Found(State),
}

/// One call with when it began and ended, by a clock that all tasks share.
#[derive(Debug, Clone, Copy)]
struct Event {
    call: Call,
    answer: Answer,
    began: u64,
    ended: u64,
}

/// What a call answers and leaves behind, one at a time.
fn apply(state: State, call: Call) -> (Answer, State) {
    let holds = |condition: If| match (condition, state) {
        (If::Always, _) | (If::Absent, None) => Answer::Done,
        (If::Absent, Some(_)) => Answer::Failed,
        (If::Is(_), None) => Answer::Missing,
        (If::Is(wanted), Some(found)) if wanted == found => Answer::Done,
        (If::Is(_), Some(_)) => Answer::Failed,
    };
    match call {
        Call::Get => (Answer::Found(state), state),
        Call::Put(value, condition) | Call::Complete(value, condition) => match holds(condition) {
            Answer::Done => (Answer::Done, Some(value)),
            refused => (refused, state),
        },
        Call::Delete(condition) => match holds(condition) {
            Answer::Done => (Answer::Done, None),
            refused => (refused, state),
        },
    }
}

/// Whether the events have an order that keeps to their times and explains their answers.
fn is_linearizable(events: &[Event]) -> bool {
    assert!(events.len() <= 64);
    let all = if events.len() == 64 { u64::MAX } else { (1 << events.len()) - 1 };
    let mut seen = HashSet::new();
    let mut open = vec![(0_u64, None)];
    while let Some((done, state)) = open.pop() {
        if done == all {
            return true;
        }
        if !seen.insert((done, state)) {
            continue;
        }
        let left = || events.iter().enumerate().filter(|(nth, _)| done & (1 << nth) == 0);
        // Next can only be what began before the first of the others ended.
        let first_end = left().map(|(_, event)| event.ended).min().unwrap_or(u64::MAX);
        for (nth, event) in left().filter(|(_, event)| event.began <= first_end) {
            let (answer, after) = apply(state, event.call);
            if answer == event.answer {
                open.push((done | 1 << nth, after));
            }
        }
    }
    false
}

fn conditions(condition: If) -> WriteConditions {
    match condition {
        If::Always => WriteConditions::default(),
        If::Absent => WriteConditions { if_none_match: Some(EtagCondition::Any), if_match: None },
        If::Is(value) => WriteConditions { if_none_match: None, if_match: Some(etag_of(value)) },
    }
}

fn etag_of(value: u8) -> EtagCondition {
    // The entity tag of one byte; a part's for an upload's whole is another, so that uploads are put whole below.
    EtagCondition::OneOf([single_etag(value), multipart_etag(value)].to_vec())
}

fn md5(value: u8) -> [u8; 16] {
    use md5::Digest as _;
    md5::Md5::digest([value]).into()
}

fn single_etag(value: u8) -> String {
    Etag::Md5(md5(value)).to_string()
}

fn multipart_etag(value: u8) -> String {
    Etag::of_parts(&[md5(value)]).to_string()
}

fn answer<T>(outcome: Result<T, ObjectsError>) -> Answer {
    match outcome {
        Ok(_) => Answer::Done,
        Err(ObjectsError::PreconditionFailed { .. }) => Answer::Failed,
        Err(ObjectsError::NoSuchKey { .. }) => Answer::Missing,
        Err(error) => panic!("{error}"),
    }
}

async fn perform(objects: &Objects, helper: &Lake, name: &BucketName, call: Call) -> Answer {
    let (caller, at) = (helper.caller(), key("k"));
    match call {
        Call::Put(value, condition) => {
            let put = PutObject { conditions: conditions(condition), ..PutObject::new(name.clone(), at) };
            answer(objects.put_object(&caller, put, body_of(vec![value])).await)
        }
        Call::Complete(value, condition) => {
            let upload = CreateMultipartUpload {
                bucket: name.clone(),
                key: at.clone(),
                metadata: ObjectMetadata::default(),
                tags: Tags::default(),
                class: StorageClass::Standard,
                checksum: None,
                encryption: EncryptionRequest::default(),
                lock: VersionLock::default(),
                acl: AclRequest::default(),
            };
            let upload = objects.create_multipart_upload(&caller, upload).await.unwrap();
            let upload = UploadName { bucket: name.clone(), key: at, upload_id: upload.upload_id() };
            let expected = ExpectedDigests::default();
            let part =
                UploadPart { upload: upload.clone(), number: 1, content_length: None, expected, customer_key: None };
            objects.upload_part(&caller, part, body_of(vec![value])).await.unwrap();
            let part = CompletedPart { number: 1, etag: single_etag(value), checksums: Vec::new() };
            let complete = CompleteMultipartUpload {
                upload,
                parts: vec![part],
                checksums: Vec::new(),
                kind: None,
                size_bytes: None,
                conditions: conditions(condition),
                customer_key: None,
            };
            answer(objects.complete_multipart_upload(&caller, complete).await)
        }
        Call::Delete(condition) => {
            let if_match = conditions(condition).if_match;
            answer(objects.delete_object(&caller, name, DeleteObject { if_match, ..DeleteObject::new(at) }).await)
        }
        Call::Get => match objects.head_object(&proof(), name, &at) {
            Ok(version) => {
                let bytes = objects.read_whole(&proof(), &version, 1).await.unwrap();
                Answer::Found(bytes.first().copied())
            }
            Err(ObjectsError::NoSuchKey { .. }) => Answer::Found(None),
            Err(error) => panic!("{error}"),
        },
    }
}

fn calls(seed: u64, count: usize) -> Vec<Call> {
    let mut random = vec![0; count * 3];
    SeededEntropy::new(seed).fill(&mut random);
    let condition = |byte: u8| match byte % 4 {
        0 => If::Always,
        1 => If::Absent,
        // Few values, so that conditions often hold.
        _ => If::Is(byte / 4 % 3),
    };
    random
        .chunks_exact(3)
        .map(|bytes| match bytes[0] % 8 {
            0..3 => Call::Put(bytes[1] % 3, condition(bytes[2])),
            3 => Call::Complete(bytes[1] % 3, condition(bytes[2])),
            4 => Call::Delete(if bytes[2].is_multiple_of(2) { If::Always } else { If::Is(bytes[1] % 3) }),
            _ => Call::Get,
        })
        .collect()
}

/// Runs random tasks against one key of a new bucket.
async fn history(objects: &Objects, helper: &Arc<Lake>, seed: u64, versioned: bool) -> Vec<Event> {
    let name = bucket(&format!("lake-{seed}-{versioned}"));
    let create = CreateBucket::new(name.clone(), Region::us_east_1());
    objects.create_bucket(&helper.caller(), create).await.unwrap();
    if versioned {
        objects.put_bucket_versioning(&helper.caller(), &name, true).await.unwrap();
    }
    let clock = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..5)
        .map(|task| {
            let (objects, helper, name, clock) = (objects.clone(), helper.clone(), name.clone(), clock.clone());
            tokio::spawn(async move {
                let mut events = Vec::new();
                for call in calls(seed * 10 + task, 8) {
                    let began = clock.fetch_add(1, Ordering::SeqCst);
                    let answer = perform(&objects, &helper, &name, call).await;
                    let ended = clock.fetch_add(1, Ordering::SeqCst);
                    events.push(Event { call, answer, began, ended });
                }
                events
            })
        })
        .collect();
    let mut events = Vec::new();
    for task in tasks {
        events.extend(task.await.unwrap());
    }
    events
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_calls_on_a_key_have_an_order() {
    let helper = Arc::new(Lake::new());
    let keys = Arc::new(Keys::ephemeral(&helper.runtime).unwrap());
    let disk = SimulatedDisk::new(5);
    let lake = crashes::open(&disk, &keys, &helper.runtime);
    let mut overlaps = 0;
    for seed in 1..=25 {
        for versioned in [false, true] {
            let events = history(&lake.objects, &helper, seed, versioned).await;
            overlaps += events
                .iter()
                .filter(|event| events.iter().any(|other| other.began < event.began && event.began < other.ended))
                .count();
            assert!(is_linearizable(&events), "seed {seed}, versioned: {versioned}: {events:#?}");
        }
    }
    // Calls that come one after another would show nothing.
    assert!(overlaps > 100, "only {overlaps} calls began while another one ran");
    lake.store.close().unwrap();
}

#[test]
fn the_checker_finds_what_has_no_order() {
    let event = |call, answer, began, ended| Event { call, answer, began, ended };
    let check = |events: &[Event], good: bool| assert_eq!(is_linearizable(events), good, "{events:?}");
    let put = |value| Call::Put(value, If::Always);
    let found = |value| Answer::Found(value);
    check(&[], true);
    check(&[event(put(1), Answer::Done, 0, 1), event(Call::Get, found(Some(1)), 2, 3)], true);
    // A read that came after a write must see it; one that overlaps may.
    check(&[event(put(1), Answer::Done, 0, 1), event(Call::Get, found(None), 2, 3)], false);
    check(&[event(put(1), Answer::Done, 0, 3), event(Call::Get, found(None), 1, 2)], true);
    // Two cannot both have been the first.
    let first = |value| Call::Put(value, If::Absent);
    check(&[event(first(1), Answer::Done, 0, 3), event(first(2), Answer::Failed, 1, 2)], true);
    check(&[event(first(1), Answer::Done, 0, 3), event(first(2), Answer::Done, 1, 2)], false);
    // What was seen is not unseen.
    let reads = [
        event(put(1), Answer::Done, 0, 9),
        event(Call::Get, found(Some(1)), 1, 2),
        event(Call::Get, found(None), 3, 4),
    ];
    check(&reads, false);
    check(&reads[..2], true);
    // Of two exchanges of one value only one can have found it.
    let exchange = |value| Call::Put(value, If::Is(0));
    let both = |answer| {
        [event(put(0), Answer::Done, 0, 1), event(exchange(1), Answer::Done, 2, 5), event(exchange(2), answer, 3, 4)]
    };
    check(&both(Answer::Failed), true);
    check(&both(Answer::Done), false);
}
