//! Trails: an account's events delivered as files into a bucket, and a chain of signed digests by which anybody can tell that no file was
//! changed or removed since. Owns the form of a record and of both kinds of file; knows no wire.
//!
//! * A trail that logs is a follower of `tarn_audit`: what it asks for is queued for it in the transaction that records the event.
//! * A file is put, its events leave the queue and its hash joins what the next digest will sign, all in one transaction: a crash
//!   neither loses nor repeats an event.
//! * CloudTrail is a stranger to every bucket and key: their policies must let it in, when a trail is made and at every delivery.
//!
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-digest-file-structure.html>

mod admission;
mod bundle;
mod digests;
mod errors;
mod log_files;
mod logging;
mod names;
pub mod record;
mod records;
mod selectors;
mod signing;
mod tags;
mod trails;
mod worker;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tarn_audit::AuditLog;
use tarn_keys::Keys;
use tarn_metadata::{Snapshot, Store, StoreExt};
use tarn_objects::Objects;
use tarn_policy::Authorizer;
use tarn_runtime::Runtime;
use tarn_types::Region;

pub use errors::TrailsError;
pub use logging::TrailStatus;
pub use names::trail_arn;
pub use records::{CHAINS, DeliveryRecord, LEAVING, LOG_FILES, SIGNING_KEYS, STATUSES, TRAILS, Trail};
pub use selectors::{AdvancedSelector, DataResource, EventSelector, EventSelectors, ReadWriteType};
pub use signing::{PUBLIC_KEYS_PAGE_COUNT_MAX, PublicKey};
pub use trails::{CreateTrail, UpdateTrail};
pub use worker::TrailWorker;

/// What of trails may be set differently.
#[derive(Debug, Clone, Copy)]
pub struct TrailsOptions {
    /// From one delivery of log files to the next. AWS: about five minutes.
    pub delivery_interval: Duration,
    /// What a digest covers. AWS: an hour.
    pub digest_period: Duration,
}

impl Default for TrailsOptions {
    fn default() -> Self {
        Self { delivery_interval: Duration::from_secs(60), digest_period: Duration::from_secs(3_600) }
    }
}

/// What trails are made of.
pub struct TrailsParts {
    /// Records.
    pub store: Arc<dyn Store>,
    /// Events.
    pub audit: Arc<AuditLog>,
    /// Seals the keys that digests are signed with.
    pub keys: Arc<Keys>,
    /// Where files are put.
    pub objects: Objects,
    /// Decides whether they may be.
    pub authorizer: Arc<dyn Authorizer>,
    /// Time and randomness.
    pub runtime: Runtime,
    /// The region served.
    pub region: Region,
    /// Settings.
    pub options: TrailsOptions,
}

/// The lake's trails. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Trails(Arc<Inner>);

struct Inner {
    parts: TrailsParts,
    /// The key that digests are signed with now, opened.
    signer: Mutex<Option<Arc<signing::Signer>>>,
}

impl fmt::Debug for Trails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trails")
    }
}

impl Trails {
    /// From their parts.
    pub fn new(parts: TrailsParts) -> Self {
        Self(Arc::new(Inner { parts, signer: Mutex::default() }))
    }

    fn parts(&self) -> &TrailsParts {
        &self.0.parts
    }

    fn snapshot(&self) -> Result<Snapshot, TrailsError> {
        Ok(self.parts().store.read()?)
    }

    fn now_ms(&self) -> i64 {
        self.parts().runtime.now().as_millisecond()
    }
}
