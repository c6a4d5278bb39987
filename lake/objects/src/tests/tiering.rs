//! INTELLIGENT_TIERING over a clock that is moved: cases of what AWS documents, and random histories against looking at everything.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use tarn_metadata::Read;

use super::classes::{lines, put_in};
use super::*;
use crate::keyspaces::{TIERING_DUE, TIERING_SCANS, WATCHED};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const LARGE: usize = 200_000;

struct Tiered {
    lake: Lake,
    bucket: BucketName,
    worker: TieringWorker,
}

impl Tiered {
    async fn new() -> Self {
        let lake = Lake::new();
        let bucket = lake.bucket("lake-raw").await;
        let worker = lake.objects.tiering_worker();
        Self { lake, bucket, worker }
    }

    async fn put(&self, at: &str, len: usize) {
        put_in(&self.lake, &self.bucket, at, StorageClass::IntelligentTiering, lines(len)).await;
    }

    fn days(&self, days: u32) {
        self.lake.clock.advance(DAY * days);
    }

    async fn work(&self) -> usize {
        let mut moved = 0;
        loop {
            let round = self.worker.round().await.unwrap();
            moved += round.moved;
            if !round.is_busy {
                return moved;
            }
        }
    }

    fn tier(&self, at: &str) -> AccessTier {
        self.lake.objects.head_object(&proof(), &self.bucket, &key(at)).unwrap().tier()
    }

    async fn read(&self, at: &str) -> Result<Bytes, ObjectsError> {
        self.lake.get(&self.bucket, at).await
    }

    async fn archive(&self, id: &str, prefix: &str, tierings: &[(AccessTier, u32)]) -> Result<(), ObjectsError> {
        let configuration = TieringConfiguration {
            id: id.to_owned(),
            filter: Some(ConfigurationFilter { prefix: Some(prefix.to_owned()), ..ConfigurationFilter::default() }),
            is_enabled: true,
            tierings: tierings.iter().map(|(tier, days)| Tiering { tier: *tier, days: *days }).collect(),
        };
        self.lake.objects.put_bucket_tiering(&self.lake.caller(), &self.bucket, configuration).await
    }

    /// Rows of objects that are watched, of the queue, and of scans.
    fn rows(&self) -> (usize, usize, usize) {
        let snapshot = self.lake.store.read().unwrap();
        let all = Key::new();
        let watched = snapshot.prefix(WATCHED, &all).count();
        (watched, snapshot.prefix(TIERING_DUE, &all).count(), snapshot.prefix(TIERING_SCANS, &all).count())
    }
}

#[tokio::test]
async fn what_is_not_read_moves_and_comes_back_when_it_is() {
    let tiered = Tiered::new().await;
    tiered.put("a", LARGE).await;
    tiered.put("small", 1000).await;
    let stored = || tiered.lake.blobs.stored().iter().map(Bytes::len).sum::<usize>();
    let raw = stored();
    let check = async |days: u32, moved: usize, tier: AccessTier| {
        tiered.days(days);
        assert_eq!((tiered.work().await, tiered.tier("a")), (moved, tier), "{days} days later");
        tiered.lake.collect().await;
        assert_eq!(tiered.work().await, 0, "what is done is done");
    };
    check(0, 0, AccessTier::Frequent).await;
    check(30, 0, AccessTier::Frequent).await;
    check(1, 1, AccessTier::Infrequent).await;
    assert!(stored() < raw / 2, "{} of {raw}", stored());
    // Looking at it is not reading it.
    check(59, 0, AccessTier::Infrequent).await;
    check(1, 1, AccessTier::ArchiveInstant).await;
    assert_eq!(tiered.read("a").await.unwrap(), lines(LARGE));
    check(0, 1, AccessTier::Frequent).await;
    // From then on its days count anew, and each read sets them back.
    check(29, 0, AccessTier::Frequent).await;
    assert_eq!(tiered.read("a").await.unwrap(), lines(LARGE));
    check(29, 0, AccessTier::Frequent).await;
    check(2, 1, AccessTier::Infrequent).await;
    // They count from the read, however late it is found.
    assert_eq!(tiered.read("a").await.unwrap(), lines(LARGE));
    check(16, 1, AccessTier::Frequent).await;
    check(15, 1, AccessTier::Infrequent).await;
    assert_eq!((tiered.tier("small"), tiered.rows()), (AccessTier::Frequent, (1, 1, 0)));
    tiered.lake.delete(&tiered.bucket, "a").await;
    check_gone(&tiered).await;
}

async fn check_gone(tiered: &Tiered) {
    tiered.days(400);
    assert_eq!(tiered.work().await, 0);
    assert_eq!(tiered.rows(), (0, 0, 0));
}

#[tokio::test]
async fn archive_tiers_are_asked_for_and_left_by_a_restore() {
    let tiered = Tiered::new().await;
    tiered.put("logs/a", LARGE).await;
    tiered.put("b", LARGE).await;
    tiered.days(100);
    assert_eq!(tiered.work().await, 2);
    assert_eq!(tiered.tier("logs/a"), AccessTier::ArchiveInstant);
    // What a configuration says holds for what lies there already.
    let both = [(AccessTier::Archive, 95), (AccessTier::DeepArchive, 180)];
    tiered.archive("cold", "logs/", &both).await.unwrap();
    assert_eq!(tiered.work().await, 1);
    assert_eq!((tiered.tier("logs/a"), tiered.tier("b")), (AccessTier::Archive, AccessTier::ArchiveInstant));
    let refused = tiered.read("logs/a").await;
    assert!(matches!(refused, Err(ObjectsError::InvalidObjectState { tier: AccessTier::Archive, .. })), "{refused:?}");
    tiered.days(81);
    assert_eq!((tiered.work().await, tiered.tier("logs/a")), (1, AccessTier::DeepArchive));
    let request = RestoreObject {
        bucket: tiered.bucket.clone(),
        key: key("logs/a"),
        version: None,
        days: None,
        tier: RestoreTier::Bulk,
    };
    tiered.lake.objects.restore_object(&tiered.lake.caller(), request).await.unwrap();
    assert_eq!(tiered.work().await, 0);
    while tiered.lake.objects.restore_waiting().await.unwrap().0 > 0 {}
    assert_eq!((tiered.work().await, tiered.tier("logs/a")), (0, AccessTier::Frequent));
    assert_eq!(tiered.read("logs/a").await.unwrap(), lines(LARGE));
    // Without the configuration it goes no further than others do.
    tiered.lake.objects.delete_bucket_tiering(&tiered.lake.caller(), &tiered.bucket, "cold").await.unwrap();
    tiered.days(400);
    assert_eq!((tiered.work().await, tiered.tier("logs/a")), (1, AccessTier::ArchiveInstant));
}

#[tokio::test]
async fn objects_come_into_the_class_and_leave_it() {
    let tiered = Tiered::new().await;
    let version = put_in(&tiered.lake, &tiered.bucket, "a", StorageClass::Standard, lines(LARGE)).await;
    tiered.days(50);
    tiered.lake.objects.transition(&version.id(), StorageClass::IntelligentTiering).await.unwrap();
    assert_eq!((tiered.work().await, tiered.tier("a")), (0, AccessTier::Frequent));
    tiered.days(31);
    assert_eq!((tiered.work().await, tiered.tier("a")), (1, AccessTier::Infrequent));
    tiered.lake.objects.transition(&version.id(), StorageClass::Glacier).await.unwrap();
    assert_eq!(tiered.rows(), (0, 0, 0));
}

#[tokio::test]
async fn configurations_are_checked_as_aws_checks_them() {
    let tiered = Tiered::new().await;
    let check = async |tierings: &[(AccessTier, u32)], good: bool| {
        assert_eq!(tiered.archive("t", "", tierings).await.is_ok(), good, "{tierings:?}");
    };
    check(&[(AccessTier::Archive, 90)], true).await;
    check(&[(AccessTier::Archive, 730), (AccessTier::DeepArchive, 730)], true).await;
    check(&[(AccessTier::Archive, 89)], false).await;
    check(&[(AccessTier::Archive, 731)], false).await;
    check(&[(AccessTier::DeepArchive, 179)], false).await;
    check(&[(AccessTier::DeepArchive, 180)], true).await;
    check(&[(AccessTier::Archive, 90), (AccessTier::Archive, 100)], false).await;
    check(&[(AccessTier::Infrequent, 90)], false).await;
    check(&[], false).await;
}

const KEYS: [&str; 3] = ["a", "logs/a", "logs/b"];

#[derive(Debug, Clone)]
enum Step {
    Put { key: usize },
    Delete { key: usize },
    Read { key: usize },
    Restore { key: usize },
    Archive { days: u32 },
    NoArchive,
    Days { days: u32 },
    Work,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = || 0..KEYS.len();
    let step = prop_oneof![
        4 => key().prop_map(|key| Step::Put { key }),
        1 => key().prop_map(|key| Step::Delete { key }),
        4 => key().prop_map(|key| Step::Read { key }),
        2 => key().prop_map(|key| Step::Restore { key }),
        1 => (90..200_u32).prop_map(|days| Step::Archive { days }),
        1 => Just(Step::NoArchive),
        6 => (1..70_u32).prop_map(|days| Step::Days { days }),
        5 => Just(Step::Work),
    ];
    proptest::collection::vec(step, 1..40)
}

/// When an object was last read, and where it lies.
#[derive(Debug, Clone, Copy)]
struct Seen {
    read_ms: i64,
    tier: AccessTier,
}

/// Looks at every object each time.
#[derive(Default)]
struct Naive {
    objects: BTreeMap<&'static str, Seen>,
    archive_days: Option<u32>,
}

impl Naive {
    fn work(&mut self, now_ms: i64) {
        const DAY_MS: i64 = 86_400_000;
        for (key, seen) in &mut self.objects {
            let archive_days = self.archive_days.filter(|_| key.starts_with("logs/"));
            let is_over = |days: u32| {
                let end_ms = seen.read_ms + i64::from(days) * DAY_MS;
                // A day ends at midnight.
                (end_ms + DAY_MS - 1) / DAY_MS * DAY_MS <= now_ms
            };
            let wanted = match archive_days {
                Some(days) if is_over(days) => AccessTier::Archive,
                _ if is_over(90) => AccessTier::ArchiveInstant,
                _ if is_over(30) => AccessTier::Infrequent,
                _ => AccessTier::Frequent,
            };
            if seen.tier != AccessTier::Archive {
                seen.tier = wanted;
            }
        }
    }
}

async fn take(tiered: &Tiered, naive: &mut Naive, step: Step) {
    let now_ms = tiered.lake.runtime.now().as_millisecond();
    match step {
        Step::Put { key: at } => {
            tiered.put(KEYS[at], LARGE).await;
            naive.objects.insert(KEYS[at], Seen { read_ms: now_ms, tier: AccessTier::Frequent });
        }
        Step::Delete { key: at } => {
            tiered.lake.delete(&tiered.bucket, KEYS[at]).await;
            naive.objects.remove(KEYS[at]);
        }
        Step::Read { key: at } => {
            let read = tiered.read(KEYS[at]).await;
            match naive.objects.get_mut(KEYS[at]) {
                None => assert!(matches!(read, Err(ObjectsError::NoSuchKey { .. }))),
                Some(seen) if seen.tier == AccessTier::Archive => {
                    assert!(matches!(read, Err(ObjectsError::InvalidObjectState { .. })));
                }
                Some(seen) => {
                    assert_eq!(read.unwrap(), lines(LARGE));
                    seen.read_ms = now_ms;
                }
            }
        }
        Step::Restore { key: at } => {
            let (bucket, key) = (tiered.bucket.clone(), key(KEYS[at]));
            let request = RestoreObject { bucket, key, version: None, days: None, tier: RestoreTier::Standard };
            let outcome = tiered.lake.objects.restore_object(&tiered.lake.caller(), request).await;
            while tiered.lake.objects.restore_waiting().await.unwrap().0 > 0 {}
            let archived = naive.objects.get_mut(KEYS[at]).filter(|seen| seen.tier == AccessTier::Archive);
            assert_eq!(outcome.is_ok(), archived.is_some());
            if let Some(seen) = archived {
                *seen = Seen { read_ms: now_ms, tier: AccessTier::Frequent };
            }
        }
        Step::Archive { days } => {
            tiered.archive("t", "logs/", &[(AccessTier::Archive, days)]).await.unwrap();
            naive.archive_days = Some(days);
        }
        Step::NoArchive => {
            if naive.archive_days.take().is_some() {
                tiered.lake.objects.delete_bucket_tiering(&tiered.lake.caller(), &tiered.bucket, "t").await.unwrap();
            }
        }
        Step::Days { days } => tiered.days(days),
        Step::Work => {
            tiered.work().await;
            naive.work(now_ms);
            for (key, seen) in &naive.objects {
                assert_eq!(tiered.tier(key), seen.tier, "{key}");
            }
            assert_eq!(tiered.work().await, 0, "what is done is done");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn tiers_are_as_looking_at_everything_has_them(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let tiered = Tiered::new().await;
            let mut naive = Naive::default();
            for step in steps.into_iter().chain([Step::Days { days: 40 }, Step::Work]) {
                take(&tiered, &mut naive, step).await;
            }
        });
    }
}
