//! What is done with keys when its time has come: deletion, new material, and the end of material that was brought for a while.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tarn_runtime::{Worker, WorkerOutcome};

use super::{Kms, KmsError};

/// How often it is looked whether something's time has come, where a day is a day.
const PASS_PERIOD_MAX: Duration = Duration::from_secs(60);
/// How often at most.
const PASS_PERIOD_MIN: Duration = Duration::from_millis(500);

impl Kms {
    /// Does with keys what is due; says for how many.
    pub async fn do_due(&self) -> Result<usize, KmsError> {
        // What one of them cannot do keeps the others from nothing.
        let done = [self.delete_due_keys().await, self.rotate_due_keys().await, self.expire_due_material().await];
        done.into_iter().sum()
    }

    /// Does with keys what is due, when it is.
    pub fn upkeep(&self) -> KeyUpkeep {
        KeyUpkeep(self.clone())
    }
}

/// Does with keys what is due, when it is.
#[derive(Debug, Clone)]
pub struct KeyUpkeep(Kms);

impl Worker for KeyUpkeep {
    fn name(&self) -> String {
        "kms-upkeep".to_owned()
    }

    fn work(&self) -> BoxFuture<'_, WorkerOutcome> {
        async move {
            match self.0.do_due().await {
                Ok(0) => WorkerOutcome::Idle,
                Ok(_) => WorkerOutcome::Busy,
                Err(error) => WorkerOutcome::Failed { reason: error.to_string() },
            }
        }
        .boxed()
    }

    fn wait(&self) -> BoxFuture<'_, ()> {
        let day = Duration::from_millis(u64::try_from(self.0.0.day_ms).unwrap_or(0));
        tokio::time::sleep(day.clamp(PASS_PERIOD_MIN, PASS_PERIOD_MAX)).boxed()
    }
}
