//! Why a delivery stream could not do what was asked. Knows no wire error code.

use tarn_blobs::BlobError;
use tarn_catalog::CatalogError;
use tarn_keys::KeysError;
use tarn_metadata::{StoreError, WriteError};
use tarn_policy::Denied;

use crate::prefix::PrefixError;

/// Why not. The message is for the caller, but for `Internal`.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StreamsError {
    /// There is no such stream.
    #[error("Firehose {name} under account {account} not found.")]
    StreamNotFound {
        /// Its name.
        name: String,
        /// The account asked for.
        account: String,
    },
    /// The name is taken.
    #[error("Firehose {name} under accountId {account} already exists")]
    StreamExists {
        /// Its name.
        name: String,
        /// The account.
        account: String,
    },
    /// The stream is being deleted.
    #[error("Firehose {name} is being deleted.")]
    StreamDeleting {
        /// Its name.
        name: String,
    },
    /// Too many streams.
    #[error("An account has at most {streams_max} Firehose streams; delete some.")]
    TooManyStreams {
        /// The limit.
        streams_max: usize,
    },
    /// Somebody else has changed the destination.
    #[error(
        "The version {given} is not the stream's version {current}: describe the stream again and repeat the change."
    )]
    VersionMismatch {
        /// What was given.
        given: String,
        /// What it is.
        current: u64,
    },
    /// Something about the request or configuration is wrong.
    #[error("{reason}")]
    Invalid {
        /// What, and what to do.
        reason: String,
    },
    /// The prefix is wrong.
    #[error("{which}: {source}")]
    Prefix {
        /// Prefix or ErrorOutputPrefix.
        which: &'static str,
        /// Why.
        source: PrefixError,
    },
    /// More is coming in than can be delivered.
    #[error("Firehose {name} has {backlog_bytes} undelivered bytes, its limit: slow down and try again.")]
    Backlog {
        /// Its name.
        name: String,
        /// How many.
        backlog_bytes: u64,
    },
    /// Who the stream delivers as may not put its objects.
    #[error("{0}")]
    Denied(Denied),
    /// The table that says what Parquet is made of cannot be used.
    #[error("{reason}")]
    NoTable {
        /// As Firehose's error documents say it: `DataFormatConversion.EntityNotFound`.
        code: &'static str,
        /// Why.
        reason: String,
    },
    /// Something below failed.
    #[error("{doing}: {reason}")]
    Internal {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        reason: String,
    },
}

impl From<StoreError> for StreamsError {
    fn from(error: StoreError) -> Self {
        Self::Internal { doing: "keeping the stream's state", reason: error.to_string() }
    }
}

impl From<BlobError> for StreamsError {
    fn from(error: BlobError) -> Self {
        Self::Internal { doing: "keeping the stream's records", reason: error.to_string() }
    }
}

impl From<KeysError> for StreamsError {
    fn from(error: KeysError) -> Self {
        Self::Internal { doing: "sealing the stream's records", reason: error.to_string() }
    }
}

impl From<WriteError<StreamsError>> for StreamsError {
    fn from(error: WriteError<StreamsError>) -> Self {
        match error {
            WriteError::Refused(error) => error,
            WriteError::Store(error) => error.into(),
        }
    }
}

impl From<CatalogError> for StreamsError {
    fn from(error: CatalogError) -> Self {
        Self::Invalid { reason: error.to_string() }
    }
}
