//! Clock, randomness, ids, worker loop and shutdown: the only users of the system's time and entropy. Knows no storage.

mod clock;
mod entropy;
mod worker;

pub use clock::{Clock, FixedClock, SystemClock, Timestamp};
pub use entropy::{Entropy, EntropyExt, SeededEntropy, SystemEntropy};
pub use worker::{Shutdown, Worker, WorkerOutcome, WorkerStatus, Workers};

use std::sync::Arc;

/// What code needs from outside to be deterministic: time and randomness.
#[derive(Clone)]
pub struct Runtime {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives random bytes and ids.
    pub entropy: Arc<dyn Entropy>,
}

impl Runtime {
    /// The machine's own clock and entropy.
    pub fn system() -> Self {
        Self { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy) }
    }

    /// A clock that stands still until moved, and random bytes that follow from `seed`.
    pub fn fixed(at: Timestamp, seed: u64) -> (Self, Arc<FixedClock>) {
        let clock = Arc::new(FixedClock::new(at));
        (Self { clock: clock.clone(), entropy: Arc::new(SeededEntropy::new(seed)) }, clock)
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
