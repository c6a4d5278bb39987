//! The background work: runs started crawls, starts crawls by schedule, and ends those that an earlier process has left.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tarn_metadata::{Key, Read, StoreExt, WriteError};
use tarn_runtime::{Shutdown, Worker, WorkerOutcome};

use crate::crawls::end_in;
use crate::run::{Ended, Running, caller};
use crate::{
    CRAWLERS, CRAWLS_AT_A_TIME, Crawl, CrawlState, CrawlSummary, Crawler, CrawlerState, Crawlers, CrawlersError,
};

/// How long the scheduler sleeps at most: the clock may be set.
const SCHEDULER_SLEEP_MAX: Duration = Duration::from_secs(30);

/// A started crawl.
pub(crate) struct Queued {
    pub(crate) crawler: Crawler,
    pub(crate) stop: Arc<AtomicBool>,
}

impl Crawlers {
    /// What has to be spawned once for crawlers to run.
    pub fn workers(&self, shutdown: &Shutdown) -> Vec<Arc<dyn Worker>> {
        let mut workers: Vec<Arc<dyn Worker>> =
            vec![Arc::new(Scheduler { crawlers: self.clone(), recovered: AtomicBool::new(false) })];
        for number in 0..CRAWLS_AT_A_TIME {
            workers.push(Arc::new(Runner { crawlers: self.clone(), number, shutdown: shutdown.clone() }));
        }
        workers
    }

    async fn end(&self, crawler: &Crawler, ended: Ended) -> Result<(), CrawlersError> {
        let Some((start_time_ms, id)) = crawler.current_crawl else {
            return Ok(());
        };
        let Ended { state, messages, summary } = ended;
        tracing::info!(
            crawler = %crawler.definition.name,
            account = %crawler.scope.account,
            ?state,
            objects = summary.objects,
            tables_created = summary.tables_created.len(),
            tables_updated = summary.tables_updated.len(),
            partitions_created = summary.partitions_created,
            messages = messages.len(),
            "a crawl ended"
        );
        let crawl = Crawl { id, state, start_time_ms, end_time_ms: Some(self.now_ms()), messages, summary };
        let (crawler_id, name, account) = (crawler.id, crawler.definition.name.clone(), crawler.scope.account.clone());
        let outcome = self.store.write(move |tx| end_in(tx, crawler_id, &name, &account, crawl)).await;
        match outcome {
            Ok(()) => Ok(()),
            Err(WriteError::Refused(error)) => Err(error),
            Err(WriteError::Store(source)) => Err(CrawlersError::Store { source }),
        }
    }

    /// Ends crawls that say they run although no worker of this process has them: their process has ended.
    async fn recover(&self) -> Result<(), CrawlersError> {
        let crawlers = self.snapshot()?.prefix(CRAWLERS, &Key::new()).collect::<Result<Vec<_>, _>>()?;
        for (_, crawler) in crawlers {
            if crawler.state == CrawlerState::Ready || self.shared.live.lock().contains_key(&crawler.id) {
                continue;
            }
            let state = if crawler.state == CrawlerState::Stopping { CrawlState::Stopped } else { CrawlState::Failed };
            let messages = vec!["The server ended during the crawl; start the crawler again.".to_owned()];
            self.end(&crawler, Ended { state, messages, summary: CrawlSummary::default() }).await?;
        }
        Ok(())
    }

    /// Starts what is due.
    async fn start_due(&self) -> Result<(), CrawlersError> {
        let now_ms = self.now_ms();
        let crawlers = self.snapshot()?.prefix(CRAWLERS, &Key::new()).collect::<Result<Vec<_>, _>>()?;
        for (_, crawler) in crawlers {
            let due = crawler.next_run_ms.is_some_and(|due_ms| due_ms <= now_ms);
            if !due || crawler.state != CrawlerState::Ready {
                continue;
            }
            let caller = caller(self, &crawler, "StartCrawler");
            match self.start(&caller, crawler).await {
                // Somebody else was faster.
                Ok(())
                | Err(
                    CrawlersError::Running { .. } | CrawlersError::Stopping { .. } | CrawlersError::NotFound { .. },
                ) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Runs started crawls, one at a time.
struct Runner {
    crawlers: Crawlers,
    number: usize,
    shutdown: Shutdown,
}

impl Worker for Runner {
    fn name(&self) -> String {
        format!("crawler-{}", self.number)
    }

    fn work(&self) -> BoxFuture<'_, WorkerOutcome> {
        async move {
            let Some(Queued { crawler, stop }) = self.crawlers.shared.queue.lock().pop_front() else {
                return WorkerOutcome::Idle;
            };
            let ended = match Running::new(&self.crawlers, &crawler, stop, &self.shutdown) {
                Ok(running) => running.run().await,
                Err(error) => Ended {
                    state: CrawlState::Failed,
                    messages: vec![error.to_string()],
                    summary: CrawlSummary::default(),
                },
            };
            let outcome = self.crawlers.end(&crawler, ended).await;
            self.crawlers.shared.live.lock().remove(&crawler.id);
            match outcome {
                Ok(()) | Err(CrawlersError::NotFound { .. }) => WorkerOutcome::Busy,
                Err(error) => WorkerOutcome::Failed { reason: error.to_string() },
            }
        }
        .boxed()
    }

    fn wait(&self) -> BoxFuture<'_, ()> {
        self.crawlers.shared.queued.notified().boxed()
    }
}

/// Starts crawls by schedule, after it has ended those that were left.
struct Scheduler {
    crawlers: Crawlers,
    recovered: AtomicBool,
}

impl Worker for Scheduler {
    fn name(&self) -> String {
        "crawler-schedules".to_owned()
    }

    fn work(&self) -> BoxFuture<'_, WorkerOutcome> {
        async move {
            if !self.recovered.load(Ordering::Acquire) {
                if let Err(error) = self.crawlers.recover().await {
                    return WorkerOutcome::Failed { reason: error.to_string() };
                }
                self.recovered.store(true, Ordering::Release);
            }
            match self.crawlers.start_due().await {
                Ok(()) => WorkerOutcome::Idle,
                Err(error) => WorkerOutcome::Failed { reason: error.to_string() },
            }
        }
        .boxed()
    }

    fn wait(&self) -> BoxFuture<'_, ()> {
        async move {
            tokio::select! {
                () = self.crawlers.shared.scheduled.notified() => {}
                () = tokio::time::sleep(SCHEDULER_SLEEP_MAX) => {}
            }
        }
        .boxed()
    }
}
