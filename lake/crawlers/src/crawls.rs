//! What crawls there were, and what came of them.

use std::ops::Bound;

use serde::{Deserialize, Serialize};
use tarn_metadata::{Key, Read, Record, Tx};
use tarn_policy::Authorized;

use crate::crawlers::{put, require};
use crate::{CRAWLS, CRAWLS_KEPT_MAX, CrawlerId, CrawlerState, Crawlers, CrawlersError};

/// How many of a crawler's crawls its metrics are made of.
const METRICS_CRAWLS_MAX: usize = 100;

/// What a crawl came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CrawlState {
    /// It runs, or waits for its turn.
    Running,
    /// It is done; messages name what could not be read.
    Completed,
    /// It could not be done.
    Failed,
    /// It was told to stop.
    Stopped,
}

/// What a crawl has changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CrawlSummary {
    /// Names.
    pub tables_created: Vec<String>,
    /// Names; the schema or the format changed.
    pub tables_updated: Vec<String>,
    /// Names; deleted, or marked as deprecated.
    pub tables_deleted: Vec<String>,
    /// How many.
    pub partitions_created: u64,
    /// How many.
    pub partitions_updated: u64,
    /// How many.
    pub partitions_deleted: u64,
    /// Objects listed.
    pub objects: u64,
    /// Their bytes.
    pub size_bytes: u64,
}

/// One crawl.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crawl {
    pub(crate) id: CrawlerId,
    /// What it came to.
    pub state: CrawlState,
    /// Milliseconds since 1970.
    pub start_time_ms: i64,
    /// Milliseconds since 1970.
    pub end_time_ms: Option<i64>,
    /// What it could not do, each with the place: the first is the most important.
    pub messages: Vec<String>,
    /// What it did.
    pub summary: CrawlSummary,
}

impl Record for Crawl {
    const VERSION: u16 = 1;
}

/// Crawls, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrawlPage {
    /// What was found.
    pub crawls: Vec<Crawl>,
    /// Pass it as `after`, if there are more.
    pub next: Option<Vec<u8>>,
}

/// Figures over a crawler's last crawls.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CrawlMetrics {
    /// Of the last.
    pub last_runtime_seconds: f64,
    /// Of those that ended.
    pub median_runtime_seconds: f64,
    /// By the last.
    pub tables_created: usize,
    /// By the last.
    pub tables_updated: usize,
    /// By the last.
    pub tables_deleted: usize,
    /// Whether one runs now.
    pub running: bool,
}

impl Crawl {
    pub(crate) fn key(crawler: &CrawlerId, start_time_ms: i64, id: &CrawlerId) -> Key {
        Key::new().raw(crawler).u64_descending(u64::try_from(start_time_ms).unwrap_or(0)).raw(id)
    }

    /// Its id as text: a UUID.
    pub fn crawl_id(&self) -> String {
        let hex: String = self.id.iter().map(|byte| format!("{byte:02x}")).collect();
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
        [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
    }

    /// Its messages as one text; `None` if all went well.
    pub fn error_message(&self) -> Option<String> {
        if self.messages.is_empty() { None } else { Some(self.messages.join("; ")) }
    }

    /// How long it took.
    pub fn runtime_seconds(&self) -> Option<f64> {
        self.end_time_ms.map(|end| (end - self.start_time_ms) as f64 / 1000.0)
    }
}

/// Ends the current crawl of a crawler with what is known of it.
pub(crate) fn end_in(
    tx: &mut Tx<'_>,
    crawler_id: CrawlerId,
    name: &str,
    account: &tarn_types::AccountId,
    crawl: Crawl,
) -> Result<(), CrawlersError> {
    let mut crawler = require(tx, account, name)?;
    if crawler.id != crawler_id {
        return Ok(());
    }
    tx.put(CRAWLS, &Crawl::key(&crawler.id, crawl.start_time_ms, &crawl.id), &crawl)?;
    let old = tx.prefix(CRAWLS, &Key::new().raw(&crawler.id)).skip(CRAWLS_KEPT_MAX).collect::<Result<Vec<_>, _>>()?;
    for (key, _) in old {
        tx.delete(CRAWLS, &key)?;
    }
    crawler.state = CrawlerState::Ready;
    crawler.current_crawl = None;
    crawler.last_crawl = Some(crawl);
    put(tx, &crawler)
}

impl Crawlers {
    /// Up to `limit` crawls of a crawler that `wanted` says yes to, newest first, those behind `after`.
    pub fn crawls(
        &self,
        proof: &Authorized,
        crawler: &str,
        after: Option<Vec<u8>>,
        limit: usize,
        wanted: impl Fn(&Crawl) -> bool,
    ) -> Result<CrawlPage, CrawlersError> {
        let snapshot = self.snapshot()?;
        let crawler = require(&snapshot, &proof.principal().account, crawler)?;
        let prefix = Key::new().raw(&crawler.id);
        let end = prefix.after_prefix();
        let start = after.map(|after| prefix.clone().raw(&after));
        let from = start.as_ref().map_or(Bound::Included(&prefix), Bound::Excluded);
        let mut crawls: Vec<Crawl> = Vec::new();
        let mut next = None;
        for pair in snapshot.range(CRAWLS, from, end.as_ref().map_or(Bound::Unbounded, Bound::Excluded)) {
            let (key, crawl) = pair?;
            if !wanted(&crawl) {
                continue;
            }
            if crawls.len() == limit {
                return Ok(CrawlPage { crawls, next });
            }
            next = key.as_bytes().get(prefix.as_bytes().len()..).map(<[u8]>::to_vec);
            crawls.push(crawl);
        }
        Ok(CrawlPage { crawls, next: None })
    }

    /// Figures over a crawler's last crawls.
    pub fn crawl_metrics(&self, proof: &Authorized, crawler: &str) -> Result<CrawlMetrics, CrawlersError> {
        let running = self.crawler(proof, crawler)?.state != CrawlerState::Ready;
        let ended = self.crawls(proof, crawler, None, METRICS_CRAWLS_MAX, |crawl| crawl.end_time_ms.is_some())?.crawls;
        let mut runtimes: Vec<f64> = ended.iter().filter_map(Crawl::runtime_seconds).collect();
        runtimes.sort_by(f64::total_cmp);
        let Some(last) = ended.first() else {
            return Ok(CrawlMetrics { running, ..CrawlMetrics::default() });
        };
        Ok(CrawlMetrics {
            last_runtime_seconds: last.runtime_seconds().unwrap_or_default(),
            median_runtime_seconds: runtimes.get(runtimes.len() / 2).copied().unwrap_or_default(),
            tables_created: last.summary.tables_created.len(),
            tables_updated: last.summary.tables_updated.len(),
            tables_deleted: last.summary.tables_deleted.len(),
            running,
        })
    }
}
