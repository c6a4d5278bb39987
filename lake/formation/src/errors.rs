//! Why a question about permissions has no answer. Knows no wire error code.

use tarn_catalog::CatalogError;
use tarn_metadata::{StoreError, WriteError};

/// Why not. The message is for the caller.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FormationError {
    /// The thing is not there.
    #[error("{what} not found.")]
    NotFound {
        /// What.
        what: String,
    },
    /// It is there already.
    #[error("{what} already exists.")]
    AlreadyExists {
        /// What.
        what: String,
    },
    /// Something in the request cannot be.
    #[error("{reason}")]
    Invalid {
        /// What and why.
        reason: String,
    },
    /// Nobody that grants can be made to.
    #[error(
        "Invalid principal {principal:?}: use the ARN of a user or role of this account, its id, or IAM_ALLOWED_PRINCIPALS."
    )]
    InvalidPrincipal {
        /// As written.
        principal: String,
    },
    /// The caller has not what it wants to do or to give.
    #[error("Insufficient Lake Formation permission(s): Required {required} on {on}")]
    Insufficient {
        /// Which permission.
        required: String,
        /// On what.
        on: String,
    },
    /// The caller may read parts of a table, and what it asks for cannot be told apart by them.
    #[error("Access to {table} is limited to some of its columns or rows, which credentials cannot be limited to.")]
    PartialAccess {
        /// The table.
        table: String,
    },
    /// There are too many.
    #[error("{what}: at most {limit}.")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How many.
        limit: usize,
    },
    /// Somebody else changed it meanwhile.
    #[error("{what} was changed meanwhile; read it again.")]
    Concurrent {
        /// What.
        what: String,
    },
    /// The catalog said no.
    #[error("{source}")]
    Catalog {
        /// Why.
        source: CatalogError,
    },
    /// The store failed.
    #[error("{source}")]
    Store {
        /// Why.
        source: StoreError,
    },
}

impl From<StoreError> for FormationError {
    fn from(source: StoreError) -> Self {
        Self::Store { source }
    }
}

impl From<CatalogError> for FormationError {
    fn from(source: CatalogError) -> Self {
        match source {
            CatalogError::DatabaseNotFound { .. } | CatalogError::TableNotFound { .. } => {
                Self::NotFound { what: source.to_string().trim_end_matches(" not found.").to_owned() }
            }
            CatalogError::Store { source } => Self::Store { source },
            other => Self::Catalog { source: other },
        }
    }
}

impl FormationError {
    pub(crate) fn of_write(error: WriteError<Self>) -> Self {
        match error {
            WriteError::Refused(error) => error,
            WriteError::Store(source) => Self::Store { source },
        }
    }

    pub(crate) fn invalid(reason: impl Into<String>) -> Self {
        Self::Invalid { reason: reason.into() }
    }

    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Self::NotFound { what: what.into() }
    }
}
