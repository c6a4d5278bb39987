//! Events: what each change tells, to whom, and a model of random changes, rules and deliveries that fail.

use std::collections::BTreeMap;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use proptest::prelude::*;

use super::*;

const QUEUES: [&str; 2] = ["arn:aws:sqs:us-east-1:000000000000:a", "arn:aws:sqs:us-east-1:000000000000:b"];

/// Takes events, or fails as often as it is told to.
#[derive(Default)]
struct Sink {
    taken: Mutex<BTreeMap<String, Vec<Event>>>,
    tests: Mutex<Vec<String>>,
    failures: Mutex<u32>,
}

impl EventSink for Sink {
    fn check(&self, _: &AccountId, destination: &str) -> Result<(), String> {
        if QUEUES.contains(&destination) { Ok(()) } else { Err("no such queue".to_owned()) }
    }

    fn test<'a>(&'a self, destination: &'a str, _: &'a TestEvent) -> BoxFuture<'a, Result<(), String>> {
        self.tests.lock().push(destination.to_owned());
        async { Ok(()) }.boxed()
    }

    fn routes(&self, event: &Event) -> Vec<String> {
        match event.key.as_str().starts_with('a') {
            true => vec!["rule:one".to_owned(), "rule:two".to_owned()],
            false => Vec::new(),
        }
    }

    fn deliver<'a>(&'a self, queue: &'a str, events: &'a [Event]) -> BoxFuture<'a, Result<(), String>> {
        async move {
            let mut failures = self.failures.lock();
            if *failures > 0 {
                *failures -= 1;
                return Err("not now".to_owned());
            }
            self.taken.lock().entry(queue.to_owned()).or_default().extend_from_slice(events);
            Ok(())
        }
        .boxed()
    }
}

impl Sink {
    /// Kinds and keys that a queue took, since this was asked last.
    fn taken(&self, queue: &str) -> Vec<(&'static str, String)> {
        let events = self.taken.lock().remove(queue).unwrap_or_default();
        events.into_iter().map(|event| (event.kind.name(), event.key.to_string())).collect()
    }
}

fn rule(queue: usize, events: &[&str], prefix: Option<&str>, suffix: Option<&str>) -> NotificationRule {
    NotificationRule {
        id: format!("{queue}-{events:?}-{prefix:?}-{suffix:?}"),
        kind: DestinationKind::Queue,
        destination: QUEUES[queue].to_owned(),
        events: events.iter().map(|event| EventPattern::parse(event).unwrap()).collect(),
        prefix: prefix.map(str::to_owned),
        suffix: suffix.map(str::to_owned),
    }
}

struct Told {
    lake: Lake,
    bucket: BucketName,
    sink: Arc<Sink>,
    lane: EventDelivery,
}

impl Told {
    async fn new() -> Self {
        let lake = Lake::new();
        let bucket = lake.bucket("lake-raw").await;
        let sink = Arc::new(Sink::default());
        let lane = lake.objects.event_delivery(sink.clone()).remove(0);
        Self { lake, bucket, sink, lane }
    }

    async fn rules(&self, rules: Vec<NotificationRule>, event_bridge: bool) -> Result<(), ObjectsError> {
        let configuration = NotificationConfiguration { rules, event_bridge };
        let caller = self.lake.caller();
        self.lake.objects.put_bucket_notifications(&caller, &self.bucket, configuration, Some(&*self.sink), false).await
    }

    async fn deliver(&self) {
        while self.lane.deliver_next().await.unwrap() {}
    }
}

#[tokio::test]
async fn every_change_is_told() {
    let told = Told::new().await;
    let (lake, bucket) = (&told.lake, &told.bucket);
    lake.put(bucket, "before", "x").await;
    told.rules(
        vec![rule(
            0,
            &["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*", "s3:ObjectRestore:*"],
            None,
            None,
        )],
        false,
    )
    .await
    .unwrap();
    assert_eq!(*told.sink.tests.lock(), [QUEUES[0]]);
    let expect = async |expected: &[&str]| {
        told.deliver().await;
        let kinds: Vec<_> = told.sink.taken(QUEUES[0]).into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, expected);
    };
    expect(&[]).await;
    lake.put(bucket, "a", "x").await;
    lake.delete(bucket, "gone").await;
    lake.delete(bucket, "before").await;
    expect(&["ObjectCreated:Put", "ObjectRemoved:Delete"]).await;
    let tags = Tags::of_object([("k".to_owned(), "v".to_owned())]).unwrap();
    lake.objects.put_object_tags(&lake.caller(), bucket, &key("a"), None, tags).await.unwrap();
    lake.objects.put_object_tags(&lake.caller(), bucket, &key("a"), None, Tags::default()).await.unwrap();
    expect(&["ObjectTagging:Put", "ObjectTagging:Delete"]).await;
    lake.objects.put_bucket_versioning(&lake.caller(), bucket, true).await.unwrap();
    lake.delete(bucket, "a").await;
    let version = lake.put(bucket, "a", "y").await.own_version_id();
    let delete = DeleteObject { version, ..DeleteObject::new(key("a")) };
    lake.objects.delete_object(&lake.caller(), bucket, delete).await.unwrap();
    expect(&["ObjectRemoved:DeleteMarkerCreated", "ObjectCreated:Put", "ObjectRemoved:Delete"]).await;
    let put = PutObject { class: StorageClass::Glacier, ..PutObject::new(bucket.clone(), key("cold")) };
    lake.objects.put_object(&lake.caller(), put, body_of("cold")).await.unwrap();
    let ask = RestoreObject {
        bucket: bucket.clone(),
        key: key("cold"),
        version: None,
        days: Some(1),
        tier: RestoreTier::Standard,
    };
    lake.objects.restore_object(&lake.caller(), ask).await.unwrap();
    lake.objects.restore_waiting().await.unwrap();
    lake.clock.advance(std::time::Duration::from_secs(3 * 86_400));
    lake.objects.drop_expired_copies().await.unwrap();
    expect(&["ObjectCreated:Put", "ObjectRestore:Post", "ObjectRestore:Completed", "ObjectRestore:Delete"]).await;
    told.rules(Vec::new(), false).await.unwrap();
    lake.put(bucket, "a", "z").await;
    expect(&[]).await;
    assert!(lake.store.read().unwrap().prefix(crate::keyspaces::EVENT_QUEUES, &Key::new()).next().is_none());
}

#[tokio::test]
async fn an_event_says_who_and_what() {
    let told = Told::new().await;
    told.lake.objects.put_bucket_versioning(&told.lake.caller(), &told.bucket, true).await.unwrap();
    told.rules(vec![rule(1, &["s3:ObjectCreated:Put"], Some("in/"), Some(".csv"))], true).await.unwrap();
    let version = told.lake.put(&told.bucket, "in/a.csv", "abc").await;
    told.lake.put(&told.bucket, "in/a.json", "abc").await;
    told.deliver().await;
    let events = told.sink.taken.lock().remove(QUEUES[1]).unwrap();
    let [event] = &events[..] else { panic!("{events:?}") };
    assert_eq!(event.version, version.own_version_id().map(|id| id.to_string()));
    assert_eq!((event.size_bytes, event.etag.clone()), (Some(3), Some(version.etag().to_string())));
    assert_eq!((event.source_ip.as_str(), event.request_id.as_str()), ("127.0.0.1", "request"));
    assert!(event.configuration_id.starts_with("1-"));
    assert_eq!(event.sequencer().len(), 20);
    assert!(told.sink.taken("rule:one").is_empty());
}

#[tokio::test]
async fn rules_that_s3_refuses_are_refused() {
    let told = Told::new().await;
    let check = async |rules: Vec<NotificationRule>, good: bool| {
        let shown = format!("{rules:?}");
        let outcome = told.rules(rules, false).await;
        assert_eq!(outcome.is_ok(), good, "{shown}: {outcome:?}");
    };
    let created = ["s3:ObjectCreated:*"];
    check(vec![rule(0, &created, None, None), rule(1, &["s3:ObjectCreated:Put"], None, None)], false).await;
    check(vec![rule(0, &created, None, None), rule(1, &["s3:ObjectRemoved:*"], None, None)], true).await;
    check(vec![rule(0, &created, Some("a/"), None), rule(1, &created, Some("b/"), None)], true).await;
    check(vec![rule(0, &created, Some("a"), None), rule(1, &created, Some("ab"), None)], false).await;
    check(vec![rule(0, &created, None, Some(".jpg")), rule(1, &created, None, Some(".png"))], true).await;
    check(vec![rule(0, &created, Some("a"), Some(".jpg")), rule(1, &created, None, Some(".png"))], true).await;
    check(vec![rule(0, &created, Some("a"), Some("jpg")), rule(1, &created, Some("ab"), Some(".jpg"))], false).await;
    let mut unknown = rule(0, &created, None, None);
    unknown.destination = "arn:aws:sqs:us-east-1:000000000000:c".to_owned();
    check(vec![unknown.clone()], false).await;
    unknown.destination = "queue".to_owned();
    check(vec![unknown], false).await;
    for bad in ["", "s3:", "s3:*", "*", "ObjectCreated:Put", "s3:ObjectCreated", "s3:ObjectCreated:P*", "s3:Nothing:*"]
    {
        assert!(EventPattern::parse(bad).is_err(), "{bad}");
    }
    for good in ["s3:ObjectCreated:*", "s3:LifecycleTransition", "s3:Replication:*", "s3:ReducedRedundancyLostObject"] {
        assert!(EventPattern::parse(good).is_ok(), "{good}");
    }
}

#[tokio::test]
async fn a_queue_is_bounded() {
    use crate::keyspaces::EVENT_QUEUES;
    let told = Told::new().await;
    told.rules(vec![rule(0, &["s3:ObjectCreated:*"], None, None)], false).await.unwrap();
    told.lake.put(&told.bucket, "a", "x").await;
    let at = Key::new().text(QUEUES[0]);
    let mut state = told.lake.store.read().unwrap().get(EVENT_QUEUES, &at).unwrap().unwrap();
    state.waiting = EVENTS_WAITING_COUNT_MAX;
    let (full, place) = (state.clone(), at.clone());
    told.lake.store.write(move |tx| tx.put(EVENT_QUEUES, &place, &full)).await.unwrap();
    told.lake.put(&told.bucket, "b", "x").await;
    let found = told.lake.store.read().unwrap().get(EVENT_QUEUES, &at).unwrap().unwrap();
    assert_eq!((found.waiting, found.dropped, found.last), (EVENTS_WAITING_COUNT_MAX, 1, 1));
    told.deliver().await;
    assert_eq!(told.sink.taken(QUEUES[0]), [("ObjectCreated:Put", "a".to_owned())]);
}

#[derive(Debug, Clone)]
enum Step {
    Put { key: usize },
    Delete { keys: Vec<usize> },
    Versioning { enabled: bool },
    Rules { prefixes: [Option<usize>; 2], removals: bool, event_bridge: bool },
    Deliver { rounds: usize },
    Fail { times: u32 },
    Restart,
}

const KEYS: [&str; 4] = ["a/1", "a/2", "b/1", "c"];
const PREFIXES: [&str; 3] = ["a", "b", "c"];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = 0..KEYS.len();
    let prefix = proptest::option::weighted(0.8, 0..PREFIXES.len());
    let step = prop_oneof![
        6 => key.clone().prop_map(|key| Step::Put { key }),
        3 => proptest::collection::vec(key, 1..4).prop_map(|keys| Step::Delete { keys }),
        1 => any::<bool>().prop_map(|enabled| Step::Versioning { enabled }),
        2 => ((prefix.clone(), prefix), any::<bool>(), any::<bool>()).prop_map(|((one, two), removals, event_bridge)| {
            Step::Rules { prefixes: [one, two], removals, event_bridge }
        }),
        3 => (0..6_usize).prop_map(|rounds| Step::Deliver { rounds }),
        1 => (1..3_u32).prop_map(|times| Step::Fail { times }),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..40)
}

#[derive(Default)]
struct Naive {
    /// Whether each key has an object.
    has: [bool; 4],
    is_versioned: bool,
    prefixes: [Option<usize>; 2],
    removals: bool,
    event_bridge: bool,
    expected: BTreeMap<String, Vec<(&'static str, String)>>,
}

impl Naive {
    fn tell(&mut self, at: usize, kind: &'static str) {
        let name = KEYS[at];
        let is_wanted = kind == "ObjectCreated:Put" || self.removals;
        let mut queues: Vec<String> = Vec::new();
        for (queue, prefix) in self.prefixes.iter().enumerate() {
            if is_wanted && prefix.is_some_and(|prefix| name.starts_with(PREFIXES[prefix])) {
                queues.push(QUEUES[queue].to_owned());
            }
        }
        if self.event_bridge && name.starts_with('a') {
            queues.extend(["rule:one".to_owned(), "rule:two".to_owned()]);
        }
        for queue in queues {
            self.expected.entry(queue).or_default().push((kind, name.to_owned()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn no_event_is_lost_or_doubled_and_all_come_in_order(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut told = Told::new().await;
            let mut naive = Naive::default();
            for step in steps {
                match step {
                    Step::Put { key: at } => {
                        told.lake.put(&told.bucket, KEYS[at], "x").await;
                        naive.has[at] = true;
                        naive.tell(at, "ObjectCreated:Put");
                    }
                    Step::Delete { keys } => {
                        let deletes = keys.iter().map(|at| DeleteObject::new(key(KEYS[*at]))).collect();
                        told.lake.objects.delete_objects(&told.lake.caller(), &told.bucket, deletes).await.unwrap();
                        let mut done = Vec::new();
                        for at in keys {
                            if done.contains(&at) {
                                continue;
                            }
                            done.push(at);
                            if naive.is_versioned {
                                naive.tell(at, "ObjectRemoved:DeleteMarkerCreated");
                            } else if naive.has[at] {
                                naive.tell(at, "ObjectRemoved:Delete");
                            }
                            naive.has[at] = false;
                        }
                    }
                    Step::Versioning { enabled } => {
                        told.lake.objects.put_bucket_versioning(&told.lake.caller(), &told.bucket, enabled).await.unwrap();
                        naive.is_versioned = true;
                    }
                    Step::Rules { prefixes, removals, event_bridge } => {
                        let events: &[&str] = if removals { &["s3:ObjectCreated:*", "s3:ObjectRemoved:*"] } else { &["s3:ObjectCreated:Put"] };
                        let rules = prefixes.iter().enumerate();
                        let rules = rules.filter_map(|(queue, prefix)| Some(rule(queue, events, Some(PREFIXES[(*prefix)?]), None)));
                        if told.rules(rules.collect(), event_bridge).await.is_ok() {
                            (naive.prefixes, naive.removals, naive.event_bridge) = (prefixes, removals, event_bridge);
                        }
                    }
                    Step::Deliver { rounds } => {
                        for _ in 0..rounds {
                            told.lane.deliver_next().await.unwrap();
                        }
                    }
                    Step::Fail { times } => *told.sink.failures.lock() = times,
                    // What a lane remembers is gone; what waits is in the store.
                    Step::Restart => told.lane = told.lake.objects.event_delivery(told.sink.clone()).remove(0),
                }
            }
            *told.sink.failures.lock() = 0;
            told.lane = told.lake.objects.event_delivery(told.sink.clone()).remove(0);
            told.deliver().await;
            let taken = told.sink.taken.lock().clone();
            let taken: BTreeMap<String, Vec<_>> = taken
                .into_iter()
                .map(|(queue, events)| {
                    let sequencers: Vec<String> = events.iter().map(Event::sequencer).collect();
                    assert!(sequencers.is_sorted_by(|a, b| a < b), "{queue}: {sequencers:?}");
                    (queue, events.into_iter().map(|event| (event.kind.name(), event.key.to_string())).collect())
                })
                .collect();
            assert_eq!(taken, naive.expected);
        });
    }
}
