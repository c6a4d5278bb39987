//! What IAM alone decides about: all, unless it was said of a thing or of those made since then.

use serde::{Deserialize, Serialize};
use tarn_catalog::{Database, Table};
use tarn_metadata::{Read, Record};
use tarn_types::AccountId;

use crate::FormationError;
use crate::keyspaces::{SHARED, shared_key};
use crate::settings::Settings;

/// What was said of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shared {
    /// Whether `IAM_ALLOWED_PRINCIPALS` has its grant.
    pub(crate) shared: bool,
}

impl Record for Shared {
    const VERSION: u16 = 1;
}

pub(crate) fn is_table_shared(
    read: &impl Read,
    account: &AccountId,
    settings: &Settings,
    table: &Table,
) -> Result<bool, FormationError> {
    let said = read.get(SHARED, &shared_key(account, &table.id()))?;
    Ok(match said {
        Some(said) => said.shared,
        None => settings.shares_table_of(table.create_time_ms),
    })
}

pub(crate) fn is_database_shared(
    read: &impl Read,
    account: &AccountId,
    settings: &Settings,
    database: &Database,
) -> Result<bool, FormationError> {
    let said = read.get(SHARED, &shared_key(account, &database.id()))?;
    Ok(match said {
        Some(said) => said.shared,
        None => settings.shares_database_of(database.create_time_ms),
    })
}
