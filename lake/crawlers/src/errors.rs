//! Why a crawler could not be kept or started. Knows no wire error code.

use tarn_catalog::CatalogError;
use tarn_metadata::{StoreError, WriteError};
use tarn_objects::ObjectsError;

/// Why not. The message is for the caller.
#[derive(Debug, thiserror::Error)]
pub enum CrawlersError {
    /// There is no such crawler.
    #[error("Crawler {name} not found.")]
    NotFound {
        /// Its name.
        name: String,
    },
    /// The name is taken.
    #[error("Crawler {name} already exists.")]
    Exists {
        /// Its name.
        name: String,
    },
    /// It runs.
    #[error("Crawler {name} has already started.")]
    Running {
        /// Its name.
        name: String,
    },
    /// It does not run.
    #[error("Crawler {name} is not running.")]
    NotRunning {
        /// Its name.
        name: String,
    },
    /// It is being stopped.
    #[error("Crawler {name} is stopping.")]
    Stopping {
        /// Its name.
        name: String,
    },
    /// The definition cannot be kept as it is.
    #[error("{reason}")]
    Invalid {
        /// What is wrong, and what to do.
        reason: String,
    },
    /// There is too much of something.
    #[error("{what}: at most {limit}.")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The most there may be.
        limit: u64,
    },
    /// The catalog could not.
    #[error("{source}")]
    Catalog {
        /// Why.
        source: CatalogError,
    },
    /// The objects could not.
    #[error("{place}: {source}")]
    Objects {
        /// Bucket or object.
        place: String,
        /// Why.
        source: ObjectsError,
    },
    /// The store could not.
    #[error("{source}")]
    Store {
        /// Why.
        source: StoreError,
    },
}

/// The store's own failures pass through a transaction unchanged.
impl From<StoreError> for CrawlersError {
    fn from(source: StoreError) -> Self {
        Self::Store { source }
    }
}

impl CrawlersError {
    pub(crate) fn of_write(error: WriteError<Self>) -> Self {
        match error {
            WriteError::Refused(refusal) => refusal,
            WriteError::Store(source) => Self::Store { source },
        }
    }

    pub(crate) fn invalid(reason: impl Into<String>) -> Self {
        Self::Invalid { reason: reason.into() }
    }
}
