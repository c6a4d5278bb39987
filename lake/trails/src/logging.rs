//! Whether a trail logs, what it logs, and how that goes.

use tarn_audit::Caller;
use tarn_metadata::Read;
use tarn_policy::Authorized;
use tarn_types::Scope;

use crate::records::{DeliveryRecord, STATUSES, Trail, of_trail};
use crate::selectors::EventSelectors;
use crate::{Trails, TrailsError};

/// A trail and how its delivery goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailStatus {
    /// The trail.
    pub trail: Trail,
    /// Its delivery.
    pub delivery: DeliveryRecord,
}

impl Trails {
    /// From here on the trail gets its events. One that logs already goes on.
    pub async fn start_logging(&self, caller: &Caller, name: &str) -> Result<(), TrailsError> {
        let change = self.change(caller, name, |trail, now_ms| {
            if !trail.is_logging {
                trail.is_logging = true;
                trail.started_ms = Some(now_ms);
            }
            Ok(())
        });
        change.await.map(drop)
    }

    /// From here on the trail gets no events. What it asked for before is delivered.
    pub async fn stop_logging(&self, caller: &Caller, name: &str) -> Result<(), TrailsError> {
        let change = self.change(caller, name, |trail, now_ms| {
            if trail.is_logging {
                trail.is_logging = false;
                trail.stopped_ms = Some(now_ms);
            }
            Ok(())
        });
        change.await.map(drop)
    }

    /// Sets which events the trail asks for.
    pub async fn put_event_selectors(
        &self,
        caller: &Caller,
        name: &str,
        selectors: EventSelectors,
    ) -> Result<Trail, TrailsError> {
        selectors.check()?;
        self.change(caller, name, move |trail, _| {
            trail.selectors = selectors;
            Ok(())
        })
        .await
    }

    /// The trail, and how its delivery goes.
    pub fn status(&self, proof: &Authorized, scope: &Scope, name: &str) -> Result<TrailStatus, TrailsError> {
        let trail = self.trail(proof, scope, name)?;
        let delivery = self.snapshot()?.get(STATUSES, &of_trail(&trail.id))?.unwrap_or_default();
        Ok(TrailStatus { trail, delivery })
    }
}
