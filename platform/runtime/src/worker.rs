//! Background work in one shape: a named loop that works, waits and stops. Knows nothing of what the work is.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Tells everything to stop, once.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// Not asked for yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everything to stop.
    pub fn begin(&self) {
        self.0.cancel();
    }

    /// Whether the stop was asked for.
    pub fn has_begun(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Ends when the stop is asked for.
    pub async fn begun(&self) {
        self.0.cancelled().await;
    }
}

/// What one round of a worker's loop came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkerOutcome {
    /// There was work, and there may be more.
    Busy,
    /// Nothing to do until `Worker::wait` ends.
    Idle,
    /// It failed; it is tried again after a pause that doubles up to a minute.
    Failed {
        /// For the log and the status page.
        reason: String,
    },
}

/// One kind of background work.
pub trait Worker: Send + Sync + 'static {
    /// A short name for logs and status: `outbox`, `firehose-flush`.
    fn name(&self) -> String;
    /// Does one bounded piece of work. Must be safe to repeat after a crash.
    fn work(&self) -> BoxFuture<'_, WorkerOutcome>;
    /// Ends when there may be work again.
    fn wait(&self) -> BoxFuture<'_, ()>;
}

/// How a worker is doing.
#[derive(Debug, Clone)]
pub struct WorkerStatus {
    /// Its name.
    pub name: String,
    /// Rounds that did something.
    pub rounds: u64,
    /// The last failure, if the last round failed.
    pub failure: Option<String>,
}

/// Runs workers until shutdown.
#[derive(Clone)]
pub struct Workers {
    shutdown: Shutdown,
    tasks: TaskTracker,
    statuses: Arc<Mutex<Vec<Arc<Mutex<WorkerStatus>>>>>,
}

const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);
const PAUSE_AFTER_FAILURE_MAX: Duration = Duration::from_secs(60);

impl Workers {
    /// Runs nothing yet.
    pub fn new(shutdown: Shutdown) -> Self {
        Self { shutdown, tasks: TaskTracker::new(), statuses: Arc::default() }
    }

    /// Starts `worker`'s loop on the current runtime.
    pub fn spawn(&self, worker: Arc<dyn Worker>) {
        let status = Arc::new(Mutex::new(WorkerStatus { name: worker.name(), rounds: 0, failure: None }));
        self.statuses.lock().push(status.clone());
        let shutdown = self.shutdown.clone();
        self.tasks.spawn(async move {
            let mut pause = PAUSE_AFTER_FAILURE;
            while !shutdown.has_begun() {
                match worker.work().await {
                    WorkerOutcome::Busy => {
                        let mut status = status.lock();
                        status.rounds += 1;
                        status.failure = None;
                        pause = PAUSE_AFTER_FAILURE;
                    }
                    WorkerOutcome::Idle => {
                        status.lock().failure = None;
                        pause = PAUSE_AFTER_FAILURE;
                        tokio::select! { () = worker.wait() => {}, () = shutdown.begun() => {} }
                    }
                    WorkerOutcome::Failed { reason } => {
                        tracing::warn!(worker = %worker.name(), %reason, "a background worker failed and will try again");
                        status.lock().failure = Some(reason);
                        tokio::select! { () = tokio::time::sleep(pause) => {}, () = shutdown.begun() => {} }
                        pause = (pause * 2).min(PAUSE_AFTER_FAILURE_MAX);
                    }
                }
            }
        });
    }

    /// How each worker is doing.
    pub fn statuses(&self) -> Vec<WorkerStatus> {
        self.statuses.lock().iter().map(|status| status.lock().clone()).collect()
    }

    /// Ends when all loops have ended; call after `Shutdown::begin`.
    pub async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}
