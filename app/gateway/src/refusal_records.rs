//! How many refusals of those who proved nobody are put on record for one source, and how many were left out: a bucket of tokens for each,
//! and a count, which is put on record in their place. Every refusal is answered all the same.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::HeaderMap;
use lru::LruCache;
use parking_lot::Mutex;
use tarn_audit::EventDraft;
use tarn_policy::Principal;
use tarn_runtime::{Timestamp, Worker, WorkerOutcome};

use crate::gate::{Gate, RequestMeta};
use crate::signature_failures::{Bucket, SOURCES_COUNT_MAX, source_of};

/// How often what was left out is put on record.
const SUMMARY_PERIOD: Duration = Duration::from_secs(60);
const EVENT_SOURCE: &str = "cloudtrail.amazonaws.com";
const EVENT_NAME: &str = "RefusalsLeftOut";

/// Refusals of one source that are not on record one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LeftOut {
    source: IpAddr,
    count: u64,
    since: Timestamp,
    until: Timestamp,
}

struct Source {
    bucket: Bucket,
    left_out: Option<LeftOut>,
}

/// The refusals of all sources.
pub(crate) struct RefusalRecords {
    count_max: u32,
    sources: Mutex<LruCache<IpAddr, Source>>,
}

impl RefusalRecords {
    /// At most `count_max` of one source at once, and one more each second.
    pub(crate) fn new(count_max: u32) -> Self {
        Self { count_max, sources: Mutex::new(LruCache::new(SOURCES_COUNT_MAX)) }
    }

    /// Counts a refusal. Whether it is for the record, and what was left out of a source that had to be forgotten for this one.
    pub(crate) fn count(&self, address: IpAddr, now: Timestamp) -> (bool, Option<LeftOut>) {
        self.seen(address, now, |bucket| bucket.take(self.count_max, now))
    }

    /// Counts a refusal that is not for the record by another limit.
    pub(crate) fn leave_out(&self, address: IpAddr, now: Timestamp) -> Option<LeftOut> {
        self.seen(address, now, |_| false).1
    }

    fn seen(
        &self,
        address: IpAddr,
        now: Timestamp,
        is_for_record: impl FnOnce(&mut Bucket) -> bool,
    ) -> (bool, Option<LeftOut>) {
        let address = source_of(address);
        let mut sources = self.sources.lock();
        let forgotten = if sources.contains(&address) {
            None
        } else {
            sources.push(address, Source { bucket: Bucket::new(self.count_max, now), left_out: None })
        };
        let forgotten = forgotten.and_then(|(_, source)| source.left_out);
        let Some(source) = sources.get_mut(&address) else { return (true, forgotten) };
        if is_for_record(&mut source.bucket) {
            return (true, forgotten);
        }
        let left_out = source.left_out.get_or_insert(LeftOut { source: address, count: 0, since: now, until: now });
        left_out.count += 1;
        left_out.until = now;
        (false, forgotten)
    }

    /// What was left out since this was last asked.
    fn take(&self) -> Vec<LeftOut> {
        self.sources.lock().iter_mut().filter_map(|(_, source)| source.left_out.take()).collect()
    }
}

impl Gate {
    /// Puts on record how many refusals were left out.
    pub fn summarize_refusals(&self) {
        for left_out in self.refusal_records().take() {
            self.record_left_out(&left_out);
        }
    }

    pub(crate) fn record_left_out(&self, left_out: &LeftOut) {
        let LeftOut { source, count, since, until } = *left_out;
        let meta = RequestMeta { time: until, ..self.meta(SocketAddr::new(source, 0).into()) };
        let (nobody, none) = (Principal::anonymous(), HeaderMap::new());
        let draft = EventDraft {
            event_name: EVENT_NAME.to_owned(),
            request_parameters: serde_json::json!({
                "leftOut": count,
                "since": since.to_string(),
                "until": until.to_string(),
            })
            .to_string(),
            ..self.draft(&meta, &none, &nobody, EVENT_SOURCE.to_owned())
        };
        let message = format!(
            "{count} more requests of this source that proved nobody were refused from {since} to {until}; they are not on record one by one."
        );
        self.record_failure(&draft, &self.details(&meta, &none), EVENT_NAME, &message);
    }
}

/// Puts on record how many refusals were left out, from time to time.
pub struct RefusalSummaries(pub Arc<Gate>);

impl Worker for RefusalSummaries {
    fn name(&self) -> String {
        "refusal-summaries".to_owned()
    }

    fn work(&self) -> BoxFuture<'_, WorkerOutcome> {
        async move {
            self.0.summarize_refusals();
            WorkerOutcome::Idle
        }
        .boxed()
    }

    fn wait(&self) -> BoxFuture<'_, ()> {
        tokio::time::sleep(SUMMARY_PERIOD).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let records = RefusalRecords::new(2);
        let check = |address: &str, second: u64, expected: bool| {
            let found = records.count(address.parse().expect("an address"), at(second));
            assert_eq!(found, (expected, None), "{address} at {second}");
        };
        check("192.0.2.1", 0, true);
        check("192.0.2.1", 0, true);
        check("192.0.2.1", 0, false);
        check("192.0.2.2", 0, true);
        check("192.0.2.1", 1, true);
        check("192.0.2.1", 1, false);
        assert_eq!(records.leave_out("192.0.2.9".parse().expect("an address"), at(2)), None);
        let mut taken = records.take();
        taken.sort_by_key(|left_out| left_out.source);
        let left_out = |source: &str, count, since, until| LeftOut {
            source: source.parse().expect("an address"),
            count,
            since: at(since),
            until: at(until),
        };
        assert_eq!(taken, [left_out("192.0.2.1", 2, 0, 1), left_out("192.0.2.9", 1, 2, 2)]);
        assert_eq!(records.take(), []);
        check("192.0.2.1", 1, false);
        // A source that is forgotten for another leaves its count behind.
        let forgotten: Vec<_> = (0..SOURCES_COUNT_MAX.get())
            .filter_map(|n| records.count(IpAddr::V4(u32::try_from(n + (1 << 24)).expect("few").into()), at(3)).1)
            .collect();
        assert_eq!(forgotten, [left_out("192.0.2.1", 1, 1, 1)]);
    }
}
