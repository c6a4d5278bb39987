//! Server access logging: where the requests of a bucket are written down, the lines that wait for it, and their delivery as objects.
//! Knows no form of a line. Lines are queued without waiting, made durable by the next round of the worker or a graceful stop, and
//! delivered after an interval; as on AWS, a crash can lose the last of them.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerLogs.html>

use std::collections::VecDeque;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_metadata::{Key, Read, Record, StoreExt};
use tarn_policy::{Authorized, Authorizer};
use tarn_runtime::{EntropyExt, Timestamp, Worker, WorkerOutcome};
use tarn_types::{AccountId, Region};

use crate::deliveries::{DeliveringService, Delivery};
use crate::errors::ObjectsError;
use crate::keyspaces::{ACCESS_LINES, BUCKETS, LOGGING};
use crate::names::{BucketName, ObjectKey};
use crate::objects::{Objects, bucket_in};
use crate::put::{PutObject, body_of};
use crate::records::bucket_key;
use crate::tagging::ObjectMetadata;

/// Who delivers logs.
pub const LOG_DELIVERY_SERVICE: &str = "logging.s3.amazonaws.com";
/// Lines that wait to be made durable; more are lost.
const QUEUE_LINES_MAX: usize = 65_536;
/// Lines of one transaction.
const BATCH_LINES_MAX: usize = 1_024;
/// Lines of one delivered object.
const OBJECT_LINES_MAX: usize = 20_000;
/// Bytes of lines of one delivered object, about.
const OBJECT_SIZE_BYTES_MAX: usize = 8 << 20;
/// The longest line, bytes.
const LINE_SIZE_BYTES_MAX: usize = 8 << 10;
/// How long lines are only in memory.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

/// How the keys of log objects are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum LogKeyFormat {
    /// `PREFIX2026-11-26-12-00-00-UNIQUE`.
    #[default]
    Simple,
    /// In folders by account, region, bucket and the day of the requests.
    PartitionedByEventTime,
    /// In folders by account, region, bucket and the day of the delivery.
    PartitionedByDeliveryTime,
}

/// Where the requests of a bucket are written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggingConfiguration {
    /// In this bucket, of the same account.
    pub target_bucket: BucketName,
    /// Before every key.
    pub target_prefix: String,
    /// How keys are made; simply, if nothing was said.
    pub key_format: Option<LogKeyFormat>,
}

impl Record for LoggingConfiguration {
    const VERSION: u16 = 1;
}

/// A line that waits to be delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessLine {
    /// Whose request it tells of.
    pub bucket: BucketName,
    /// When that came in, milliseconds since 1970.
    pub time_ms: i64,
    /// Without the line's end.
    pub text: String,
}

impl Record for AccessLine {
    const VERSION: u16 = 1;
}

/// Lines that are not durable yet.
#[derive(Default)]
pub(crate) struct AccessLines(Mutex<VecDeque<AccessLine>>);

fn refused(reason: &str) -> ObjectsError {
    ObjectsError::InvalidTargetBucketForLogging { reason: reason.to_owned() }
}

impl Objects {
    /// Where the bucket's requests are written down, if anywhere.
    pub fn bucket_logging(
        &self,
        _proof: &Authorized,
        bucket: &BucketName,
    ) -> Result<Option<LoggingConfiguration>, ObjectsError> {
        self.configuration(LOGGING, bucket)
    }

    /// Sets where the bucket's requests are written down, or ends it. The target must let the delivery in.
    pub async fn put_bucket_logging(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        logging: Option<LoggingConfiguration>,
    ) -> Result<(), ObjectsError> {
        if let Some(logging) = &logging {
            let snapshot = self.snapshot()?;
            let source = bucket_in(&snapshot, bucket)?;
            let Some(target) = snapshot.get(BUCKETS, &bucket_key(&logging.target_bucket))? else {
                return Err(refused("The target bucket for logging does not exist"));
            };
            if target.owner != source.owner {
                return Err(refused("The owner for the bucket to be logged and the target bucket must be the same."));
            }
            let by = DeliveringService::of_bucket(LOG_DELIVERY_SERVICE, bucket, &source.owner, &source.region);
            let delivery = Delivery {
                by,
                target: &logging.target_bucket,
                key: &format!("{}delivery-check", logging.target_prefix),
            };
            let asking =
                caller.authorizer().of_service(delivery.by.principal(), delivery.by.context(self.runtime.now()));
            if asking.authorize(vec![delivery.requirement()]).is_err() {
                return Err(refused(
                    "The target bucket's policy must allow logging.s3.amazonaws.com to put objects under the target prefix.",
                ));
            }
        }
        self.set_configuration(caller, LOGGING, bucket, logging).await
    }

    /// Whether the bucket's requests are written down, and whose it is. Not for answers to callers.
    pub fn logged_bucket(&self, bucket: &BucketName) -> Result<Option<AccountId>, ObjectsError> {
        let (snapshot, at) = (self.snapshot()?, bucket_key(bucket));
        if !snapshot.contains(LOGGING, &at)? {
            return Ok(None);
        }
        Ok(snapshot.get(BUCKETS, &at)?.map(|bucket| bucket.owner))
    }

    /// Queues a line. Never waits.
    pub fn record_access(&self, line: AccessLine) {
        let mut queue = self.access_lines.0.lock();
        if line.text.len() > LINE_SIZE_BYTES_MAX || queue.len() >= QUEUE_LINES_MAX {
            drop(queue);
            tracing::info!(bucket = %line.bucket, "an access log line was dropped: too long, or too many wait");
            return;
        }
        queue.push_back(line);
    }

    /// Makes all queued lines durable.
    pub async fn flush_access_lines(&self) -> Result<(), ObjectsError> {
        loop {
            let batch: Vec<AccessLine> = {
                let mut queue = self.access_lines.0.lock();
                let count = queue.len().min(BATCH_LINES_MAX);
                queue.drain(..count).collect()
            };
            if batch.is_empty() {
                return Ok(());
            }
            let lines: Vec<(Key, AccessLine)> = batch
                .iter()
                .map(|line| {
                    let id: [u8; 16] = self.runtime.entropy.bytes();
                    let time = u64::try_from(line.time_ms).unwrap_or(0);
                    (bucket_key(&line.bucket).u64(time).raw(&id), line.clone())
                })
                .collect();
            let written = self.store.write(move |tx| {
                for (key, line) in &lines {
                    tx.put(ACCESS_LINES, key, line)?;
                }
                Ok::<_, ObjectsError>(())
            });
            if let Err(error) = written.await {
                let mut queue = self.access_lines.0.lock();
                batch.into_iter().rev().for_each(|line| queue.push_front(line));
                return Err(error.into());
            }
        }
    }

    /// The worker that delivers lines every `interval`, asking `authorizer` for each bucket.
    pub fn log_delivery(&self, authorizer: Arc<dyn Authorizer>, region: Region, interval: Duration) -> LogDelivery {
        let due_ms = Mutex::new(self.now_ms().saturating_add(millis(interval)));
        LogDelivery { objects: self.clone(), authorizer, region, interval, due_ms }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Delivers lines.
pub struct LogDelivery {
    objects: Objects,
    authorizer: Arc<dyn Authorizer>,
    region: Region,
    interval: Duration,
    due_ms: Mutex<i64>,
}

impl fmt::Debug for LogDelivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogDelivery(every {:?})", self.interval)
    }
}

/// Lines of one bucket that go into one object.
struct Batch {
    bucket: BucketName,
    keys: Vec<Key>,
    first_ms: i64,
    /// Since when the bucket of that name is there, if there is one.
    created_ms: Option<i64>,
    text: String,
}

impl Batch {
    /// Whether a line of that moment is of another bucket that had the name, and may have been another account's.
    fn is_stale(&self, time_ms: i64) -> bool {
        self.created_ms.is_none_or(|created_ms| time_ms < created_ms)
    }
}

fn day(ms: i64) -> i64 {
    ms.div_euclid(24 * 60 * 60 * 1000)
}

/// The key of a delivered object. `unique` tells objects of one second apart.
fn key_of(
    logging: &LoggingConfiguration,
    source: (&BucketName, &AccountId, &Region),
    event_ms: i64,
    now_ms: i64,
    unique: &str,
) -> String {
    let at = |ms: i64, form: &str| {
        Timestamp::from_millisecond(ms).map(|time| time.strftime(form).to_string()).unwrap_or_default()
    };
    let prefix = &logging.target_prefix;
    let (bucket, account, region) = source;
    let folders = |ms: i64| format!("{prefix}{account}/{region}/{bucket}/{}/", at(ms, "%Y/%m/%d"));
    match logging.key_format.unwrap_or_default() {
        LogKeyFormat::Simple => format!("{prefix}{}-{unique}", at(now_ms, "%Y-%m-%d-%H-%M-%S")),
        LogKeyFormat::PartitionedByDeliveryTime => {
            format!("{}{}-{unique}", folders(now_ms), at(now_ms, "%Y-%m-%d-%H-%M-%S"))
        }
        // A file holds a day's requests, and is named after the day.
        LogKeyFormat::PartitionedByEventTime => {
            format!("{}{}-{unique}", folders(event_ms), at(event_ms, "%Y-%m-%d-00-00-00"))
        }
    }
}

impl LogDelivery {
    /// The next lines that go into one object.
    fn next_batch(&self) -> Result<Option<Batch>, ObjectsError> {
        let snapshot = self.objects.snapshot()?;
        let mut batch: Option<Batch> = None;
        for pair in snapshot.prefix(ACCESS_LINES, &Key::new()) {
            let (key, line) = pair?;
            let begun = match batch.take() {
                Some(begun) => begun,
                None => {
                    let source = snapshot.get(BUCKETS, &bucket_key(&line.bucket))?;
                    Batch {
                        bucket: line.bucket.clone(),
                        keys: Vec::new(),
                        first_ms: line.time_ms,
                        created_ms: source.map(|source| source.created_ms),
                        text: String::new(),
                    }
                }
            };
            let is_full = begun.keys.len() >= OBJECT_LINES_MAX || begun.text.len() >= OBJECT_SIZE_BYTES_MAX;
            let is_others =
                begun.bucket != line.bucket || begun.is_stale(line.time_ms) != begun.is_stale(begun.first_ms);
            let is_over = is_full || is_others || day(begun.first_ms) != day(line.time_ms);
            let batch = batch.insert(begun);
            if is_over {
                break;
            }
            batch.keys.push(key);
            batch.text.push_str(&line.text);
            batch.text.push('\n');
        }
        Ok(batch)
    }

    /// Delivers all that waits.
    pub async fn deliver(&self) -> Result<(), ObjectsError> {
        while let Some(batch) = self.next_batch()? {
            let is_stale = batch.is_stale(batch.first_ms);
            let Batch { bucket, keys, first_ms, text, .. } = batch;
            let delivered = match is_stale {
                true => Ok(()),
                false => self.deliver_one(&bucket, keys.first(), first_ms, text).await,
            };
            match delivered {
                Ok(()) => {}
                // What nobody takes is not kept: delivery is best effort, and lines must not pile up.
                Err(error @ (ObjectsError::Store(_) | ObjectsError::Blob(_) | ObjectsError::Stopping)) => {
                    return Err(error);
                }
                Err(error) => {
                    let lines = keys.len();
                    tracing::info!(%error, %bucket, lines, "access log lines were dropped: their target does not take them");
                }
            }
            let removed = self.objects.store.write(move |tx| {
                for key in &keys {
                    tx.delete(ACCESS_LINES, key)?;
                }
                Ok::<_, ObjectsError>(())
            });
            removed.await?;
        }
        Ok(())
    }

    async fn deliver_one(
        &self,
        bucket: &BucketName,
        first: Option<&Key>,
        first_ms: i64,
        text: String,
    ) -> Result<(), ObjectsError> {
        let snapshot = self.objects.snapshot()?;
        let source = bucket_in(&snapshot, bucket)?;
        let Some(logging) = snapshot.get(LOGGING, &bucket_key(bucket))? else { return Ok(()) };
        // Named after its first line: a delivery that is repeated after a crash replaces itself.
        let unique: String = first.map(|key| hex::encode_upper(key.as_bytes())).unwrap_or_default();
        let unique = unique.get(unique.len().saturating_sub(16)..).unwrap_or_default();
        let key = key_of(&logging, (bucket, &source.owner, &self.region), first_ms, self.objects.now_ms(), unique);
        let by = DeliveringService::of_bucket(LOG_DELIVERY_SERVICE, bucket, &source.owner, &self.region);
        let delivery = Delivery { by, target: &logging.target_bucket, key: &key };
        let caller = self.objects.delivery_caller(&self.authorizer, &delivery, delivery.requirement())?;
        let put = PutObject {
            metadata: ObjectMetadata::of_type("text/plain"),
            ..PutObject::new(logging.target_bucket.clone(), ObjectKey::new(&key)?)
        };
        self.objects.put_object(&caller, put, body_of(text)).await?;
        Ok(())
    }

    async fn round(&self) -> Result<(), ObjectsError> {
        self.objects.flush_access_lines().await?;
        let now_ms = self.objects.now_ms();
        if now_ms < *self.due_ms.lock() {
            return Ok(());
        }
        self.deliver().await?;
        *self.due_ms.lock() = now_ms.saturating_add(millis(self.interval));
        Ok(())
    }
}

impl Worker for LogDelivery {
    fn name(&self) -> String {
        "access-logs".to_owned()
    }

    fn work(&self) -> BoxFuture<'_, WorkerOutcome> {
        async move {
            match self.round().await {
                Ok(()) => WorkerOutcome::Idle,
                Err(error) => WorkerOutcome::Failed { reason: error.to_string() },
            }
        }
        .boxed()
    }

    fn wait(&self) -> BoxFuture<'_, ()> {
        tokio::time::sleep(FLUSH_INTERVAL.min(self.interval)).boxed()
    }
}

/// A bucket whose requests are written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedBucket {
    /// Its name.
    pub bucket: BucketName,
    /// Whose it is.
    pub owner: AccountId,
    /// Where it is.
    pub region: Region,
    /// Where they are written down.
    pub logging: LoggingConfiguration,
    /// Since when it is there, ms. Lines before are of another bucket that had its name.
    pub created_ms: i64,
}

/// Where delivered objects lie whose lines may be of a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPlace {
    /// All their keys begin so; `is_log_object` tells what else does.
    pub prefix: String,
    /// They are behind this key.
    pub after: Option<String>,
    /// They are before this key.
    pub before: Option<String>,
}

/// Lines that wait, a page of them.
#[derive(Debug, Clone, Default)]
pub struct WaitingLines {
    /// By time.
    pub lines: Vec<AccessLine>,
    /// Where there are more.
    pub next: Option<Key>,
}

/// Whether the last part of a key is that of a delivered object: when, and what tells it from others of that second.
pub fn is_log_object(key: &str) -> bool {
    const FORM: &[u8] = b"0000-00-00-00-00-00-XXXXXXXXXXXXXXXX";
    let Some(name) = key.len().checked_sub(FORM.len()).and_then(|at| key.as_bytes().get(at..)) else { return false };
    name.iter().zip(FORM).all(|(byte, form)| match form {
        b'0' => byte.is_ascii_digit(),
        b'X' => byte.is_ascii_digit() || (b'A'..=b'F').contains(byte),
        form => byte == form,
    })
}

impl LoggedBucket {
    /// Where its delivered lines lie that tell of requests from a moment on, and of none behind another.
    pub fn place(&self, from_ms: Option<i64>, to_ms: Option<i64>) -> LogPlace {
        let Self { bucket, owner, region, logging, .. } = self;
        let source = (bucket, owner, region);
        // Keys of the beginning and the end of a time, without what tells them from others of their second.
        let key = |ms: Option<i64>| {
            // A moment that no calendar writes bounds nothing.
            let ms = ms.filter(|ms| Timestamp::from_millisecond(*ms).is_ok())?;
            let key = key_of(logging, source, ms, ms, "");
            Some(key.trim_end_matches('-').to_owned())
        };
        match logging.key_format.unwrap_or_default() {
            // Keys of this millennium: whatever else begins with the user's prefix is not listed.
            LogKeyFormat::Simple => {
                LogPlace { prefix: format!("{}2", logging.target_prefix), after: key(from_ms), before: None }
            }
            // A file is delivered after its requests, it is not known how long.
            format => {
                let prefix = format!("{}{owner}/{region}/{bucket}/", logging.target_prefix);
                let by_event = format == LogKeyFormat::PartitionedByEventTime;
                let next_day = to_ms.filter(|_| by_event).map(|ms| ms.saturating_add(24 * 60 * 60 * 1000));
                // Where the day decides, the key is the day's.
                LogPlace { prefix, after: key(from_ms), before: key(next_day) }
            }
        }
    }
}

impl Objects {
    /// The buckets of an account whose requests are written down.
    pub fn logged_buckets(&self, _proof: &Authorized, owner: &AccountId) -> Result<Vec<LoggedBucket>, ObjectsError> {
        let snapshot = self.snapshot()?;
        let mut found = Vec::new();
        for pair in snapshot.prefix(LOGGING, &Key::new()) {
            let (at, logging) = pair?;
            if let Some(bucket) = snapshot.get(BUCKETS, &at)?.filter(|bucket| bucket.owner == *owner) {
                found.push(LoggedBucket {
                    bucket: bucket.name,
                    owner: bucket.owner,
                    region: bucket.region,
                    logging,
                    created_ms: bucket.created_ms,
                });
            }
        }
        Ok(found)
    }

    /// Up to `limit` lines of a bucket that are not delivered, of requests from one moment to before another; those behind `after`.
    pub fn waiting_lines(
        &self,
        _proof: &Authorized,
        bucket: &BucketName,
        (from_ms, to_ms): (Option<i64>, Option<i64>),
        after: Option<&Key>,
        limit: usize,
    ) -> Result<WaitingLines, ObjectsError> {
        let snapshot = self.snapshot()?;
        let moment = |ms: i64| bucket_key(bucket).u64(u64::try_from(ms).unwrap_or(0));
        let from = from_ms.map_or_else(|| bucket_key(bucket), moment);
        let end = to_ms.map(moment).or_else(|| bucket_key(bucket).after_prefix());
        let from = after.map_or(Bound::Included(&from), Bound::Excluded);
        let mut page = WaitingLines::default();
        for pair in snapshot.range(ACCESS_LINES, from, end.as_ref().map_or(Bound::Unbounded, Bound::Excluded)) {
            let (at, line) = pair?;
            page.lines.push(line);
            if page.lines.len() >= limit {
                page.next = Some(at);
                break;
            }
        }
        Ok(page)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn keys_say_when() {
        let (bucket, account, region) =
            (BucketName::new("lake-raw").unwrap(), AccountId::new("111111111111").unwrap(), Region::us_east_1());
        let ms = |text: &str| text.parse::<Timestamp>().unwrap().as_millisecond();
        let (event_ms, now_ms) = (ms("2026-11-25T23:59:58Z"), ms("2026-11-26T00:05:07Z"));
        let check = |key_format: Option<LogKeyFormat>, expected: &str| {
            let target_bucket = BucketName::new("logs").unwrap();
            let logging = LoggingConfiguration { target_bucket, target_prefix: "a/".to_owned(), key_format };
            assert_eq!(key_of(&logging, (&bucket, &account, &region), event_ms, now_ms, "F00D"), expected);
        };
        check(None, "a/2026-11-26-00-05-07-F00D");
        check(Some(LogKeyFormat::Simple), "a/2026-11-26-00-05-07-F00D");
        check(
            Some(LogKeyFormat::PartitionedByDeliveryTime),
            "a/111111111111/us-east-1/lake-raw/2026/11/26/2026-11-26-00-05-07-F00D",
        );
        check(
            Some(LogKeyFormat::PartitionedByEventTime),
            "a/111111111111/us-east-1/lake-raw/2026/11/25/2026-11-25-00-00-00-F00D",
        );
    }

    #[test]
    fn places_are_where_keys_of_the_time_are() {
        let ms = |text: &str| Some(text.parse::<Timestamp>().unwrap().as_millisecond());
        let (from_ms, to_ms) = (ms("2026-11-25T23:59:58Z"), ms("2026-11-26T00:05:07Z"));
        let check = |key_format: LogKeyFormat, prefix: &str, after: &str, before: Option<&str>| {
            let logging = LoggingConfiguration {
                target_bucket: BucketName::new("logs").unwrap(),
                target_prefix: "a/".to_owned(),
                key_format: Some(key_format),
            };
            let source = LoggedBucket {
                bucket: BucketName::new("raw").unwrap(),
                owner: AccountId::new("111111111111").unwrap(),
                region: Region::us_east_1(),
                logging: logging.clone(),
                created_ms: 0,
            };
            let LogPlace { prefix: found, after: behind, before: until } = source.place(from_ms, to_ms);
            assert_eq!((found.as_str(), behind.as_deref(), until.as_deref()), (prefix, Some(after), before));
            // What is delivered of that time is there.
            for event_ms in [from_ms.unwrap(), to_ms.unwrap()] {
                let of = (&source.bucket, &source.owner, &source.region);
                let key = key_of(&logging, of, event_ms, to_ms.unwrap() + 5000, "0123456789ABCDEF");
                assert!(is_log_object(&key), "{key}");
                assert!(key.starts_with(prefix) && key.as_str() > after, "{key}");
                assert!(before.is_none_or(|before| key.as_str() < before), "{key}");
            }
            // A far end of a time, as those say who mean none, bounds nothing.
            assert_eq!(source.place(None, Some(i64::MAX)).before, None);
            assert_eq!(source.place(None, None), LogPlace { prefix: prefix.to_owned(), after: None, before: None });
        };
        check(LogKeyFormat::Simple, "a/2", "a/2026-11-25-23-59-58", None);
        let folder = "a/111111111111/us-east-1/raw/";
        let delivered = format!("{folder}2026/11/25/2026-11-25-23-59-58");
        check(LogKeyFormat::PartitionedByDeliveryTime, folder, &delivered, None);
        let (day, next) =
            (format!("{folder}2026/11/25/2026-11-25-00-00-00"), format!("{folder}2026/11/27/2026-11-27-00-00-00"));
        check(LogKeyFormat::PartitionedByEventTime, folder, &day, Some(&next));
        for other in ["", "2026", "a/2026-11-26-00-05-07-F00D", "a/2026-11-26-00-05-07-0123456789abcdef"] {
            assert!(!is_log_object(other), "{other}");
        }
    }
}
