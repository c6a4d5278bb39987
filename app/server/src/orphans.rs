//! Once in each run: removes bytes that no record names, which a crash has left behind. Beside the requests, not before them.

use std::sync::atomic::{AtomicBool, Ordering};

use futures::FutureExt;
use futures::future::{BoxFuture, pending};
use tarn_objects::Objects;
use tarn_runtime::{Worker, WorkerOutcome};

/// The work of one sweep.
pub(crate) struct OrphanSweep {
    objects: Objects,
    is_done: AtomicBool,
}

impl OrphanSweep {
    /// Over the bytes of `objects`.
    pub(crate) fn new(objects: Objects) -> Self {
        Self { objects, is_done: AtomicBool::new(false) }
    }
}

impl Worker for OrphanSweep {
    fn name(&self) -> String {
        "orphan-sweep".to_owned()
    }

    fn work(&self) -> BoxFuture<'_, WorkerOutcome> {
        async move {
            if self.is_done.load(Ordering::Acquire) {
                return WorkerOutcome::Idle;
            }
            match self.objects.sweep().await {
                Ok(report) => {
                    if report.removed > 0 {
                        tracing::info!(
                            blobs = report.removed,
                            bytes = report.removed_bytes,
                            "removed what a crash left behind"
                        );
                    }
                    self.is_done.store(true, Ordering::Release);
                    WorkerOutcome::Idle
                }
                Err(error) => WorkerOutcome::Failed { reason: error.to_string() },
            }
        }
        .boxed()
    }

    fn wait(&self) -> BoxFuture<'_, ()> {
        pending().boxed()
    }
}
