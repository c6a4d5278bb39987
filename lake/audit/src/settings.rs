//! What the audit keeps, and for how long: one record, for the whole lake.

use serde::{Deserialize, Serialize};
use tarn_metadata::{Key, Keyspace, Read, Record, Store, StoreExt};

use crate::errors::of_write;
use crate::{AuditError, AuditLog, Caller};

/// The settings; one record.
pub const SETTINGS: Keyspace<AuditSettings> = Keyspace::new(0x0301, "audit.settings");

/// What is kept besides changes and refusals, which always are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditSettings {
    /// Keep reads of the control plane, such as GetTable.
    pub management_reads: bool,
    /// Keep reads of the data plane, such as GetObject: as many records as requests.
    pub data_reads: bool,
    /// Events older than so many days are removed.
    pub retention_days: u32,
    /// Of an account's events at most so many are kept, the newest.
    pub events_per_account_max: u64,
}

impl Record for AuditSettings {
    const VERSION: u16 = 1;
}

impl Default for AuditSettings {
    /// As CloudTrail's event history: 90 days. Reads only when asked for.
    fn default() -> Self {
        Self { management_reads: false, data_reads: false, retention_days: 90, events_per_account_max: 10_000_000 }
    }
}

pub(crate) fn at() -> Key {
    Key::new().text("current")
}

/// The settings as they are kept.
pub(crate) fn read(store: &dyn Store) -> Result<AuditSettings, AuditError> {
    Ok(store.read()?.get(SETTINGS, &at())?.unwrap_or_default())
}

impl AuditLog {
    /// The settings in force.
    pub fn settings(&self) -> AuditSettings {
        *self.settings.read()
    }

    /// Changes the settings, from the next call on.
    pub async fn change_settings(&self, caller: &Caller, settings: AuditSettings) -> Result<(), AuditError> {
        if settings.retention_days == 0 || settings.events_per_account_max == 0 {
            return Err(AuditError::Settings { reason: "Keep events for at least one day, and at least one event." });
        }
        let put = caller.commit(&*self.store, move |tx| Ok::<_, AuditError>(tx.put(SETTINGS, &at(), &settings)?)).await;
        put.map_err(of_write)?;
        *self.settings.write() = settings;
        Ok(())
    }
}
