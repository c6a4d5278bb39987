//! Lifecycle rules over a clock that is moved: cases of what AWS documents, and random histories against a naive evaluator.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::keyspaces::{LIFECYCLE_DUE, LIFECYCLE_FOLLOWED, LIFECYCLE_SCANS};

const HOUR_MS: i64 = 60 * 60 * 1000;
/// 2023-11-14, 22:13:20 UTC: where the test lake's clock begins.
const BEGIN_MS: i64 = 1_700_000_000_000;

struct Ruled {
    lake: Lake,
    bucket: BucketName,
    worker: LifecycleWorker,
}

impl Ruled {
    async fn new(versioning: Option<bool>) -> Self {
        let lake = Lake::with(ObjectsOptions { part_size_bytes_min: 0, ..ObjectsOptions::default() });
        let bucket = lake.bucket("lake-raw").await;
        if let Some(enabled) = versioning {
            lake.objects.put_bucket_versioning(&lake.caller(), &bucket, enabled).await.unwrap();
        }
        let worker = lake.objects.lifecycle_worker();
        Self { lake, bucket, worker }
    }

    async fn rules(&self, rules: Vec<LifecycleRule>) -> Result<(), ObjectsError> {
        let configuration = LifecycleConfiguration { rules, ..LifecycleConfiguration::default() };
        self.lake.objects.put_bucket_lifecycle(&self.lake.caller(), &self.bucket, configuration).await
    }

    fn hours(&self, hours: u64) {
        self.lake.clock.advance(Duration::from_secs(hours * 3600));
    }

    /// Works until there is nothing to do; gives what was done.
    async fn work(&self) -> LifecycleRound {
        let mut all = LifecycleRound::default();
        loop {
            let LifecycleRound { is_busy, removed, aborted, moved } = self.worker.round().await.unwrap();
            all.removed += removed;
            all.aborted += aborted;
            all.moved += moved;
            if !is_busy {
                return all;
            }
        }
    }

    fn keys(&self) -> Vec<String> {
        self.lake.list(&self.bucket, "", None).0
    }

    /// Key, size (nothing: a delete marker) and whether it is the latest, of all versions in their order.
    fn versions(&self) -> Vec<(String, Option<u64>, bool)> {
        let request = all_versions(&self.bucket);
        let listing = self.lake.objects.list_object_versions(&proof(), &request).unwrap();
        assert!(listing.next.is_none());
        let seen = listing.versions.into_iter();
        seen.map(|listed| {
            let size = match &listed.entry {
                VersionEntry::Object(version) => Some(version.size_bytes),
                VersionEntry::DeleteMarker(_) => None,
            };
            (listed.key, size, listed.is_latest)
        })
        .collect()
    }

    fn uploads(&self) -> usize {
        self.lake.store.read().unwrap().prefix(crate::keyspaces::UPLOADS, &Key::new()).count()
    }

    fn rows(&self) -> usize {
        self.lake.store.read().unwrap().prefix(LIFECYCLE_DUE, &Key::new()).count()
    }
}

fn all_versions(bucket: &BucketName) -> ListVersions {
    ListVersions {
        bucket: bucket.clone(),
        prefix: String::new(),
        delimiter: None,
        key_marker: None,
        version_marker: None,
        max_keys: 1000,
    }
}

fn rule(filter: LifecycleFilter) -> LifecycleRule {
    LifecycleRule {
        id: String::new(),
        is_enabled: true,
        filter,
        expiration: None,
        noncurrent_expiration: None,
        transitions: Vec::new(),
        noncurrent_transitions: Vec::new(),
        abort_uploads_days: None,
    }
}

fn ends_after(days: u32) -> Option<LifecycleExpiration> {
    Some(LifecycleExpiration::At(LifecycleTime::Days(days)))
}

fn all() -> LifecycleFilter {
    LifecycleFilter::of_prefix("")
}

#[tokio::test]
async fn objects_end_at_the_midnight_after_their_days() {
    let ruled = Ruled::new(None).await;
    ruled
        .rules(vec![LifecycleRule { expiration: ends_after(1), ..rule(LifecycleFilter::of_prefix("tmp/")) }])
        .await
        .unwrap();
    ruled.lake.put(&ruled.bucket, "tmp/a", "x").await;
    ruled.lake.put(&ruled.bucket, "kept", "x").await;
    // 22:13 and a day is 22:13 of the next day; it ends at the midnight after that.
    ruled.hours(25);
    assert_eq!(ruled.work().await, LifecycleRound::default());
    assert_eq!(ruled.rows(), 1, "only what will end waits");
    ruled.hours(1);
    assert_eq!(ruled.work().await.removed, 1);
    assert_eq!((ruled.keys(), ruled.rows()), (vec!["kept".to_owned()], 0));
    ruled.lake.collect().await;
    assert_eq!(ruled.lake.blobs.count(), 1);
}

#[tokio::test]
async fn rules_are_for_what_was_there_before_them_and_end_with_them() {
    let ruled = Ruled::new(None).await;
    for at in 0..1203 {
        ruled.lake.put(&ruled.bucket, &format!("k{at:04}"), "x").await;
    }
    ruled.hours(72);
    ruled
        .rules(vec![LifecycleRule { expiration: ends_after(1), ..rule(LifecycleFilter::of_prefix("k0")) }])
        .await
        .unwrap();
    assert_eq!(ruled.work().await.removed, 1000);
    assert_eq!(ruled.keys().len(), 203);
    // What is put while a rule holds, and is not yet due when it goes, stays.
    ruled.lake.put(&ruled.bucket, "k0", "x").await;
    ruled.work().await;
    assert_eq!(ruled.rows(), 1);
    ruled.lake.objects.delete_bucket_lifecycle(&ruled.lake.caller(), &ruled.bucket).await.unwrap();
    ruled.hours(72);
    assert_eq!(ruled.work().await, LifecycleRound::default());
    assert_eq!((ruled.keys().len(), ruled.rows()), (204, 0));
    let snapshot = ruled.lake.store.read().unwrap();
    assert!(snapshot.prefix(LIFECYCLE_FOLLOWED, &Key::new()).next().is_none(), "nobody's log is followed");
    assert!(snapshot.prefix(LIFECYCLE_SCANS, &Key::new()).next().is_none());
}

#[tokio::test]
async fn a_current_version_and_a_noncurrent_null_one_go_in_one_round() {
    let ruled = Ruled::new(None).await;
    let Ruled { lake, bucket, .. } = &ruled;
    lake.put(bucket, "a", &b"null"[..]).await;
    lake.objects.put_bucket_versioning(&lake.caller(), bucket, true).await.unwrap();
    lake.put(bucket, "a", &b"versioned"[..]).await;
    lake.objects.put_bucket_versioning(&lake.caller(), bucket, false).await.unwrap();
    let noncurrent_expiration = Some(NoncurrentExpiration { days: 1, newer_versions: None });
    ruled.rules(vec![LifecycleRule { expiration: ends_after(1), noncurrent_expiration, ..rule(all()) }]).await.unwrap();
    ruled.hours(48);
    // The null version is removed, and the other ends under a delete marker that is the null version now.
    assert_eq!(ruled.work().await.removed, 2);
    assert_eq!(ruled.versions(), [("a".to_owned(), None, true), ("a".to_owned(), Some(9), false)]);
}

#[tokio::test]
async fn removals_are_on_record_as_the_service() {
    let ruled = Ruled::new(None).await;
    ruled.rules(vec![LifecycleRule { id: "old".to_owned(), expiration: ends_after(1), ..rule(all()) }]).await.unwrap();
    ruled.lake.put(&ruled.bucket, "a", "x").await;
    ruled.lake.put(&ruled.bucket, "b", "x").await;
    ruled.hours(48);
    let before = ruled.lake.events();
    ruled.work().await;
    let events: Vec<_> =
        ruled.lake.store.read().unwrap().prefix(EVENTS, &Key::new()).map(|event| event.unwrap().1).collect();
    assert_eq!(events.len(), before + 1, "one for the batch");
    let event = events.into_iter().find(|event| event.event_name == "DeleteObjects").unwrap();
    assert_eq!(event.principal.id, "lifecycle.s3.amazonaws.com");
    assert_eq!(
        event.request_parameters,
        r#"{"bucketName":"lake-raw","removed":[{"key":"a","rule":"old"},{"key":"b","rule":"old"}]}"#
    );
}

#[tokio::test]
async fn a_killed_worker_loses_nothing_and_a_cut_log_is_made_up_for() {
    let ruled = Ruled::new(None).await;
    ruled.rules(vec![LifecycleRule { expiration: ends_after(1), ..rule(all()) }]).await.unwrap();
    ruled.lake.put(&ruled.bucket, "a", "x").await;
    ruled.work().await;
    ruled.lake.put(&ruled.bucket, "b", "x").await;
    ruled.hours(48);
    // Another worker knows only what is in the store.
    let other = ruled.lake.objects.lifecycle_worker();
    while other.round().await.unwrap().is_busy {}
    assert!(ruled.keys().is_empty());
    // The first one goes on from where it was, and finds nothing.
    assert_eq!(ruled.work().await, LifecycleRound::default());
}

#[tokio::test]
async fn buckets_take_turns() {
    let ruled = Ruled::new(None).await;
    let small = ruled.lake.bucket("lake-small").await;
    let configuration = LifecycleConfiguration {
        rules: vec![LifecycleRule { expiration: ends_after(1), ..rule(all()) }],
        ..LifecycleConfiguration::default()
    };
    for bucket in [&ruled.bucket, &small] {
        let caller = ruled.lake.caller();
        ruled.lake.objects.put_bucket_lifecycle(&caller, bucket, configuration.clone()).await.unwrap();
    }
    for at in 0..350 {
        ruled.lake.put(&ruled.bucket, &format!("k{at}"), "x").await;
    }
    ruled.lake.put(&small, "a", "x").await;
    ruled.work().await;
    ruled.hours(48);
    let mut rounds = 0;
    while !ruled.lake.list(&small, "", None).0.is_empty() {
        ruled.worker.round().await.unwrap();
        rounds += 1;
    }
    assert_eq!(rounds, 2);
    assert!(!ruled.keys().is_empty());
    ruled.work().await;
    assert!(ruled.keys().is_empty());
}

#[tokio::test]
async fn locked_versions_stay_until_they_are_not() {
    let ruled = Ruled::new(Some(true)).await;
    let lock = BucketLock {
        default_retention: Some(DefaultRetention { mode: RetentionMode::Compliance, period: RetentionPeriod::Days(5) }),
    };
    ruled.lake.objects.put_object_lock_configuration(&ruled.lake.caller(), &ruled.bucket, lock).await.unwrap();
    let noncurrent_expiration = Some(NoncurrentExpiration { days: 1, newer_versions: None });
    ruled.rules(vec![LifecycleRule { noncurrent_expiration, expiration: ends_after(1), ..rule(all()) }]).await.unwrap();
    ruled.lake.put(&ruled.bucket, "a", "x").await;
    ruled.hours(26);
    // A delete marker harms nothing.
    ruled.work().await;
    assert_eq!(ruled.versions(), [("a".to_owned(), None, true), ("a".to_owned(), Some(1), false)]);
    ruled.hours(48);
    assert_eq!(ruled.work().await.removed, 0);
    ruled.hours(72);
    assert_eq!(ruled.work().await.removed, 2, "the version, and the marker that nothing is under");
    assert!(ruled.versions().is_empty());
}

#[tokio::test]
async fn ends_are_told_in_whole_days() {
    let day_ms = 2000;
    let lake = Lake::with(ObjectsOptions { day_ms, ..ObjectsOptions::default() });
    let name = lake.bucket("lake-raw").await;
    let version = lake.put(&name, "tmp/a", "x").await;
    assert_eq!(lake.objects.lifecycle_end(&proof(), &version).unwrap(), None);
    let rules = vec![
        LifecycleRule { id: "slow".to_owned(), expiration: ends_after(30), ..rule(all()) },
        LifecycleRule { id: "off".to_owned(), is_enabled: false, expiration: ends_after(1), ..rule(all()) },
        LifecycleRule {
            id: "quick".to_owned(),
            expiration: ends_after(3),
            abort_uploads_days: Some(2),
            ..rule(LifecycleFilter::of_prefix("tmp/"))
        },
    ];
    let configuration = LifecycleConfiguration { rules, ..LifecycleConfiguration::default() };
    lake.objects.put_bucket_lifecycle(&lake.caller(), &name, configuration).await.unwrap();
    let midnight = BEGIN_MS - BEGIN_MS.rem_euclid(DAY_MS);
    let end = lake.objects.lifecycle_end(&proof(), &version).unwrap().unwrap();
    assert_eq!((end.at_ms, end.rule.as_str()), (midnight + 4 * DAY_MS, "quick"));
    let upload = lake.begin_upload(&name, "tmp/b").await;
    let end = lake.objects.lifecycle_end_of_upload(&proof(), &upload).unwrap().unwrap();
    assert_eq!((end.at_ms, end.rule.as_str()), (midnight + 3 * DAY_MS, "quick"));
    let upload = lake.begin_upload(&name, "b").await;
    assert_eq!(lake.objects.lifecycle_end_of_upload(&proof(), &upload).unwrap(), None);
}

#[tokio::test]
async fn rules_are_checked_as_aws_checks_them() {
    let ruled = Ruled::new(None).await;
    let found = ruled.lake.objects.bucket_lifecycle(&proof(), &ruled.bucket);
    assert!(matches!(found, Err(ObjectsError::NoSuchLifecycleConfiguration { .. })), "{found:?}");
    let tagged = || LifecycleFilter { tags: vec![("a".to_owned(), "b".to_owned())], ..LifecycleFilter::default() };
    let sized = || LifecycleFilter { size_bytes_above: Some(1), ..LifecycleFilter::default() };
    let date = |date_ms| Some(LifecycleExpiration::At(LifecycleTime::DateMs(date_ms)));
    let newer = |days, newer_versions| Some(NoncurrentExpiration { days, newer_versions });
    let named = |id: &str| LifecycleRule { id: id.to_owned(), expiration: ends_after(1), ..rule(all()) };
    let markers = Some(LifecycleExpiration::DeleteMarkers);
    let cases: Vec<(Vec<LifecycleRule>, &str)> = vec![
        (vec![], "malformed"),
        (vec![rule(all())], "request"),
        (vec![named("a"), named("a")], "argument ID"),
        (vec![named("a"), named("")], "good"),
        (vec![named(&"é".repeat(255))], "good"),
        (vec![named(&"a".repeat(256))], "argument ID"),
        ((0..1000).map(|at| named(&at.to_string())).collect(), "good"),
        ((0..1001).map(|at| named(&at.to_string())).collect(), "malformed"),
        (vec![LifecycleRule { expiration: ends_after(0), ..rule(all()) }], "argument Days"),
        (vec![LifecycleRule { expiration: date(DAY_MS * 20_000), ..rule(all()) }], "good"),
        (vec![LifecycleRule { expiration: date(DAY_MS * 20_000 + 1), ..rule(all()) }], "argument Date"),
        (vec![LifecycleRule { expiration: markers, ..rule(all()) }], "good"),
        (vec![LifecycleRule { expiration: markers, ..rule(tagged()) }], "request"),
        (vec![LifecycleRule { expiration: markers, ..rule(sized()) }], "request"),
        (vec![LifecycleRule { noncurrent_expiration: newer(0, None), ..rule(all()) }], "argument NoncurrentDays"),
        (vec![LifecycleRule { noncurrent_expiration: newer(1, Some(100)), ..rule(all()) }], "good"),
        (
            vec![LifecycleRule { noncurrent_expiration: newer(1, Some(101)), ..rule(all()) }],
            "argument NewerNoncurrentVersions",
        ),
        (vec![LifecycleRule { abort_uploads_days: Some(1), ..rule(all()) }], "good"),
        (vec![LifecycleRule { abort_uploads_days: Some(0), ..rule(all()) }], "argument DaysAfterInitiation"),
        (vec![LifecycleRule { abort_uploads_days: Some(1), ..rule(tagged()) }], "request"),
        (vec![LifecycleRule { abort_uploads_days: Some(1), ..rule(sized()) }], "request"),
        (
            vec![LifecycleRule {
                expiration: ends_after(1),
                ..rule(LifecycleFilter { prefix: Some("a".to_owned()), ..tagged() })
            }],
            "malformed",
        ),
        (
            vec![LifecycleRule {
                expiration: ends_after(1),
                ..rule(LifecycleFilter { form: FilterForm::And, prefix: Some("a".to_owned()), ..tagged() })
            }],
            "good",
        ),
        (
            vec![LifecycleRule {
                expiration: ends_after(1),
                ..rule(LifecycleFilter { form: FilterForm::And, size_bytes_below: Some(1), ..sized() })
            }],
            "request",
        ),
    ];
    for (rules, expected) in cases {
        let shown = format!("{rules:.300?}");
        let outcome = match ruled.rules(rules).await {
            Ok(()) => "good".to_owned(),
            Err(ObjectsError::MalformedConfiguration { .. }) => "malformed".to_owned(),
            Err(ObjectsError::InvalidRequest { .. }) => "request".to_owned(),
            Err(ObjectsError::InvalidArgument { name, .. }) => format!("argument {name}"),
            Err(other) => other.to_string(),
        };
        assert_eq!(outcome, expected, "{shown}");
    }
    let kept = ruled.lake.objects.bucket_lifecycle(&proof(), &ruled.bucket).unwrap();
    assert!(!kept.rules[0].id.is_empty(), "a rule without an id gets one");
}

#[derive(Debug, Clone)]
enum Step {
    Put { key: usize, size: usize, tagged: bool },
    Delete { key: usize },
    DeleteVersion { key: usize, nth: usize },
    Tag { key: usize, tagged: bool },
    Upload { key: usize },
    Versioning { enabled: bool },
    Rules { rules: Vec<LifecycleRule> },
    NoRules,
    Hours { hours: u64 },
    Work,
}

const KEYS: [&str; 4] = ["a", "a/b", "b", "c"];

fn filters() -> impl Strategy<Value = LifecycleFilter> {
    let tag = || vec![("t".to_owned(), "1".to_owned())];
    prop_oneof![
        3 => prop_oneof![Just(""), Just("a"), Just("b")].prop_map(LifecycleFilter::of_prefix),
        1 => Just(LifecycleFilter { tags: tag(), ..LifecycleFilter::default() }),
        1 => (0..6_u64).prop_map(|above| LifecycleFilter { size_bytes_above: Some(above), ..LifecycleFilter::default() }),
        1 => (1..6_u64).prop_map(|below| LifecycleFilter { size_bytes_below: Some(below), ..LifecycleFilter::default() }),
        1 => (1..6_u64).prop_map(move |below| LifecycleFilter {
            form: FilterForm::And,
            prefix: Some("a".to_owned()),
            tags: tag(),
            size_bytes_below: Some(below),
            ..LifecycleFilter::default()
        }),
    ]
}

fn rules() -> impl Strategy<Value = Vec<LifecycleRule>> {
    let expiration = prop_oneof![
        (1..4_u32).prop_map(|days| LifecycleExpiration::At(LifecycleTime::Days(days))),
        (0..8_i64).prop_map(|day| {
            LifecycleExpiration::At(LifecycleTime::DateMs(BEGIN_MS - BEGIN_MS.rem_euclid(DAY_MS) + day * DAY_MS))
        }),
        Just(LifecycleExpiration::DeleteMarkers),
    ];
    let noncurrent = (1..4_u32, proptest::option::of(1..3_u32))
        .prop_map(|(days, newer_versions)| NoncurrentExpiration { days, newer_versions });
    let one = (
        filters(),
        proptest::option::of(expiration),
        proptest::option::of(noncurrent),
        proptest::option::of(1..4_u32),
        proptest::bool::weighted(0.9),
    );
    let one = one.prop_map(|(filter, expiration, noncurrent_expiration, abort_uploads_days, is_enabled)| {
        LifecycleRule { expiration, noncurrent_expiration, abort_uploads_days, is_enabled, ..rule(filter) }
    });
    proptest::collection::vec(one, 1..4)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = || 0..KEYS.len();
    let step = prop_oneof![
        8 => (key(), 0..8_usize, any::<bool>()).prop_map(|(key, size, tagged)| Step::Put { key, size, tagged }),
        3 => key().prop_map(|key| Step::Delete { key }),
        2 => (key(), 0..4_usize).prop_map(|(key, nth)| Step::DeleteVersion { key, nth }),
        2 => (key(), any::<bool>()).prop_map(|(key, tagged)| Step::Tag { key, tagged }),
        2 => key().prop_map(|key| Step::Upload { key }),
        1 => any::<bool>().prop_map(|enabled| Step::Versioning { enabled }),
        3 => rules().prop_map(|rules| Step::Rules { rules }),
        1 => Just(Step::NoRules),
        6 => (1..60_u64).prop_map(|hours| Step::Hours { hours }),
        4 => Just(Step::Work),
    ];
    proptest::collection::vec(step, 1..60)
}

#[derive(Debug, Clone)]
struct Kept {
    is_null: bool,
    /// None: a delete marker.
    size: Option<u64>,
    tagged: bool,
    made: i64,
    noncurrent: Option<i64>,
}

/// What a bucket holds, the newest first, and what its rules do to it, done by reading everything again and again.
#[derive(Debug, Default)]
struct Naive {
    versioning: Versioning,
    keys: BTreeMap<&'static str, Vec<Kept>>,
    uploads: Vec<(&'static str, i64)>,
    rules: Vec<LifecycleRule>,
}

impl Naive {
    fn add(&mut self, key: &'static str, size: Option<u64>, tagged: bool, now: i64) {
        let kept = self.keys.entry(key).or_default();
        match self.versioning {
            Versioning::Unversioned => kept.clear(),
            Versioning::Suspended => kept.retain(|version| !version.is_null),
            Versioning::Enabled => {}
        }
        if let Some(latest) = kept.first_mut() {
            latest.noncurrent.get_or_insert(now);
        }
        let is_null = self.versioning != Versioning::Enabled;
        kept.insert(0, Kept { is_null, size, tagged, made: now, noncurrent: None });
    }

    fn delete(&mut self, key: &'static str, now: i64) {
        match self.versioning {
            Versioning::Unversioned => drop(self.keys.remove(key)),
            Versioning::Enabled | Versioning::Suspended => self.add(key, None, false, now),
        }
    }

    fn delete_nth(&mut self, key: &str, nth: usize) {
        let Some(kept) = self.keys.get_mut(key) else { return };
        if nth < kept.len() {
            kept.remove(nth);
        }
        if let Some(latest) = kept.first_mut() {
            latest.noncurrent = None;
        }
    }

    /// So many days after `from`, and then midnight.
    fn midnight(from: i64, days: u32) -> i64 {
        let mut hour = from + i64::from(days) * 24 * HOUR_MS;
        while hour % (24 * HOUR_MS) != 0 {
            hour += HOUR_MS - hour % HOUR_MS;
        }
        hour
    }

    fn is_for(rule: &LifecycleRule, key: &str, kept: &Kept) -> bool {
        let LifecycleFilter { prefix, tags, size_bytes_above, size_bytes_below, .. } = &rule.filter;
        let by_size = match kept.size {
            None => size_bytes_above.is_none() && size_bytes_below.is_none(),
            Some(size) => size_bytes_above.is_none_or(|a| size > a) && size_bytes_below.is_none_or(|b| size < b),
        };
        let by_tag = tags.is_empty() || kept.tagged;
        rule.is_enabled && by_size && by_tag && key.starts_with(prefix.as_deref().unwrap_or_default())
    }

    /// The first thing that is due at a key, done.
    fn one(&mut self, key: &'static str, now: i64) -> bool {
        let kept = self.keys.get(key).cloned().unwrap_or_default();
        let rules = self.rules.clone();
        for (at, version) in kept.iter().enumerate() {
            let newer = kept[..at].iter().filter(|version| version.noncurrent.is_some()).count();
            for rule in rules.iter().filter(|rule| Self::is_for(rule, key, version)) {
                let is_over = |time| match time {
                    LifecycleTime::Days(days) => Self::midnight(version.made, days) <= now,
                    LifecycleTime::DateMs(date) => date <= now,
                };
                match (version.noncurrent, version.size, rule.expiration, rule.noncurrent_expiration) {
                    (None, Some(_), Some(LifecycleExpiration::At(time)), _) if is_over(time) => {
                        self.delete(key, now);
                        return true;
                    }
                    (None, None, Some(LifecycleExpiration::At(time)), _) if kept.len() == 1 && is_over(time) => {
                        self.delete_nth(key, at);
                        return true;
                    }
                    (None, None, Some(LifecycleExpiration::DeleteMarkers), _) if kept.len() == 1 => {
                        self.delete_nth(key, at);
                        return true;
                    }
                    (Some(since), _, _, Some(NoncurrentExpiration { days, newer_versions }))
                        if Self::midnight(since, days) <= now && newer as u32 >= newer_versions.unwrap_or(0) =>
                    {
                        self.delete_nth(key, at);
                        return true;
                    }
                    _ => {}
                }
            }
        }
        false
    }

    fn work(&mut self, now: i64) {
        for key in KEYS {
            // Of several noncurrent versions the oldest goes first: one that goes must not make an older one stay.
            while self.oldest_noncurrent(key, now) || self.one(key, now) {}
        }
        let rules = self.rules.clone();
        self.uploads.retain(|(key, begun)| {
            !rules.iter().any(|rule| {
                let is_for = rule.is_enabled && key.starts_with(rule.filter.prefix.as_deref().unwrap_or_default());
                is_for && rule.abort_uploads_days.is_some_and(|days| Self::midnight(*begun, days) <= now)
            })
        });
    }

    fn oldest_noncurrent(&mut self, key: &'static str, now: i64) -> bool {
        let kept = self.keys.get(key).cloned().unwrap_or_default();
        for (at, version) in kept.iter().enumerate().rev() {
            let Some(since) = version.noncurrent else { continue };
            let newer = kept[..at].iter().filter(|version| version.noncurrent.is_some()).count() as u32;
            let goes = self.rules.iter().filter(|rule| Self::is_for(rule, key, version)).any(|rule| {
                rule.noncurrent_expiration.is_some_and(|expiration| {
                    Self::midnight(since, expiration.days) <= now && newer >= expiration.newer_versions.unwrap_or(0)
                })
            });
            if goes {
                self.delete_nth(key, at);
                return true;
            }
        }
        false
    }

    fn versions(&self) -> Vec<(String, Option<u64>, bool)> {
        let of_key = |(key, kept): (&&'static str, &Vec<Kept>)| {
            let key = (*key).to_owned();
            kept.iter()
                .map(move |version| (key.clone(), version.size, version.noncurrent.is_none()))
                .collect::<Vec<_>>()
        };
        self.keys.iter().flat_map(of_key).collect()
    }
}

async fn take(ruled: &Ruled, naive: &mut Naive, step: Step) {
    let Ruled { lake, bucket, .. } = ruled;
    let now = lake.runtime.now().as_millisecond();
    let tags = |tagged: bool| match tagged {
        true => Tags::of_object([("t".to_owned(), "1".to_owned())]).unwrap(),
        false => Tags::default(),
    };
    match step {
        Step::Put { key: at, size, tagged } => {
            let put = PutObject { tags: tags(tagged), ..PutObject::new(bucket.clone(), key(KEYS[at])) };
            lake.objects.put_object(&lake.caller(), put, body_of(vec![b'x'; size])).await.unwrap();
            naive.add(KEYS[at], Some(size as u64), tagged, now);
        }
        Step::Delete { key: at } => {
            lake.delete(bucket, KEYS[at]).await;
            naive.delete(KEYS[at], now);
        }
        Step::DeleteVersion { key: at, nth } => {
            let request = all_versions(bucket);
            let listing = lake.objects.list_object_versions(&proof(), &request).unwrap();
            let of_key: Vec<_> = listing.versions.iter().filter(|listed| listed.key == KEYS[at]).collect();
            if let Some(listed) = of_key.get(nth) {
                let version = Some(listed.entry.version_id());
                let delete = DeleteObject { version, ..DeleteObject::new(key(KEYS[at])) };
                lake.objects.delete_object(&lake.caller(), bucket, delete).await.unwrap();
                naive.delete_nth(KEYS[at], nth);
            }
        }
        Step::Tag { key: at, tagged } => {
            let latest = naive.keys.get_mut(KEYS[at]).and_then(|kept| kept.first_mut());
            if let Some(latest) = latest.filter(|latest| latest.size.is_some()) {
                latest.tagged = tagged;
                let (caller, tags) = (lake.caller(), tags(tagged));
                lake.objects.put_object_tags(&caller, bucket, &key(KEYS[at]), None, tags).await.unwrap();
            }
        }
        Step::Upload { key: at } => {
            lake.begin_upload(bucket, KEYS[at]).await;
            naive.uploads.push((KEYS[at], now));
        }
        Step::Versioning { enabled } => {
            lake.objects.put_bucket_versioning(&lake.caller(), bucket, enabled).await.unwrap();
            naive.versioning = if enabled { Versioning::Enabled } else { Versioning::Suspended };
        }
        Step::Rules { rules } => {
            if ruled.rules(rules.clone()).await.is_ok() {
                naive.rules = rules;
            }
        }
        Step::NoRules => {
            lake.objects.delete_bucket_lifecycle(&lake.caller(), bucket).await.unwrap();
            naive.rules.clear();
        }
        Step::Hours { hours } => ruled.hours(hours),
        Step::Work => {
            let done = ruled.work().await;
            let (before, uploads) = (naive.versions(), naive.uploads.len());
            naive.work(now);
            assert_eq!(ruled.versions(), naive.versions(), "{done:?}, before {before:?}");
            assert_eq!((ruled.uploads(), done.aborted), (naive.uploads.len(), uploads - naive.uploads.len()));
            assert_eq!(ruled.work().await, LifecycleRound::default(), "what is done is done");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn rules_do_what_reading_everything_would_do(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let ruled = Ruled::new(None).await;
            let mut naive = Naive::default();
            for step in steps.into_iter().chain([Step::Hours { hours: 24 * 9 }, Step::Work]) {
                take(&ruled, &mut naive, step).await;
            }
        });
    }
}
