//! Crawlers: they read samples of what lies in S3, tell what it is, and write tables and partitions into the catalog. Knows
//! objects and the catalog; knows no wire shape.
//!
//! * A started crawler is a row; workers of this process run it. If the process ends, the next one ends the crawl as failed.
//! * A file that cannot be read is named in the crawl's record, and the crawl goes on with the others.
//! * A crawler acts as `glue.amazonaws.com` for its own account, and reads only buckets of that account.

mod apply;
mod configuration;
mod crawlers;
mod crawls;
mod errors;
mod folders;
mod formats;
mod run;
mod schedule;
mod tables;
mod tags;
mod worker;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;
use tarn_catalog::Catalog;
use tarn_metadata::{Keyspace, Snapshot, Store, StoreExt};
use tarn_objects::Objects;
use tarn_runtime::Runtime;
use tokio::sync::Notify;

pub use configuration::Configuration;
pub use crawlers::{
    Crawler, CrawlerInput, CrawlerPage, CrawlerState, CrawlerUpdate, DeleteBehavior, S3Target, UpdateBehavior,
};
pub use crawls::{Crawl, CrawlMetrics, CrawlPage, CrawlState, CrawlSummary};
pub use errors::CrawlersError;
pub use schedule::Schedule;

/// The most crawlers of an account.
pub const CRAWLERS_MAX: usize = 1_000;
/// The most targets of a crawler.
pub const TARGETS_MAX: usize = 100;
/// The most exclusions of a target.
pub const EXCLUSIONS_MAX: usize = 100;
/// The most files of a leaf folder that a target may ask to look at.
pub const SAMPLE_FILES_MAX: u32 = 249;
/// The most files of a folder that are looked at where the target does not say.
pub const FOLDER_FILES_MAX: usize = 1_000;
/// The most files that one crawl looks at.
pub const CRAWL_FILES_MAX: usize = 100_000;
/// The most folders that one crawl takes in.
pub const CRAWL_FOLDERS_MAX: usize = 100_000;
/// How much of a file is looked at.
pub const SAMPLE_SIZE_BYTES_MAX: usize = 1 << 20;
/// How much of a file is looked at whose first record is longer than that.
pub const RECORD_SIZE_BYTES_MAX: usize = 10 << 20;
/// How many files of a crawl are looked at at a time.
pub const FILES_AT_A_TIME: usize = 4;
/// How many crawls run at a time.
pub const CRAWLS_AT_A_TIME: usize = 2;
/// The most messages that a crawl's record keeps.
pub const MESSAGES_MAX: usize = 100;
/// The most crawls that a crawler remembers.
pub const CRAWLS_KEPT_MAX: usize = 1_000;

/// Names a crawler for as long as it exists.
pub(crate) type CrawlerId = [u8; 16];

/// By account and name.
pub(crate) const CRAWLERS: Keyspace<Crawler> = Keyspace::new(0x0600, "crawlers.crawlers");
/// By the crawler's id and start, newest first.
pub(crate) const CRAWLS: Keyspace<Crawl> = Keyspace::new(0x0601, "crawlers.crawls");

/// All crawlers. Cheap to clone.
#[derive(Clone)]
pub struct Crawlers {
    store: Arc<dyn Store>,
    catalog: Catalog,
    objects: Objects,
    runtime: Runtime,
    shared: Arc<Shared>,
}

/// What the requests of this process share with its workers.
#[derive(Default)]
pub(crate) struct Shared {
    /// Crawls of this process, each with its flag to stop.
    live: Mutex<HashMap<CrawlerId, Arc<AtomicBool>>>,
    /// Started, and not yet run.
    queue: Mutex<VecDeque<worker::Queued>>,
    queued: Notify,
    scheduled: Notify,
}

impl Crawlers {
    /// Keeps its state in `store`.
    pub fn new(store: Arc<dyn Store>, catalog: Catalog, objects: Objects, runtime: Runtime) -> Self {
        Self { store, catalog, objects, runtime, shared: Arc::default() }
    }

    fn snapshot(&self) -> Result<Snapshot, CrawlersError> {
        self.store.read().map_err(|source| CrawlersError::Store { source })
    }

    fn now_ms(&self) -> i64 {
        self.runtime.now().as_millisecond()
    }
}
