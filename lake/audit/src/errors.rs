//! What can go wrong with audit events that are not part of a change.

use tarn_metadata::{StoreError, WriteError};

/// Why events cannot be written or read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuditError {
    /// A marker that no search gave.
    #[error("the marker `{marker}` was not given by a search: begin without one")]
    Marker {
        /// As given.
        marker: String,
    },
    /// Settings that cannot be kept.
    #[error("{reason}")]
    Settings {
        /// What to do about it.
        reason: &'static str,
    },
    /// The store could not.
    #[error("{source}")]
    Store {
        /// Why.
        source: StoreError,
    },
}

impl From<StoreError> for AuditError {
    fn from(source: StoreError) -> Self {
        Self::Store { source }
    }
}

/// The refusal of a change is one of its own errors.
pub(crate) fn of_write(error: WriteError<AuditError>) -> AuditError {
    match error {
        WriteError::Refused(error) => error,
        WriteError::Store(source) => AuditError::Store { source },
    }
}
