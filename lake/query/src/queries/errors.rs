//! Why a record could not be made, found or changed. Knows no wire error code.

use tarn_metadata::{StoreError, WriteError};
use tarn_objects::ObjectsError;
use tarn_policy::Denied;

use super::records::ExecutionState;
use crate::errors::SyntaxError;

/// As AWS says it: clients know by these words that a thing is gone.
fn not_found(what: &str, name: &str) -> String {
    match what {
        "WorkGroup" => format!("WorkGroup is not found: {name}"),
        "NamedQuery" => format!("NamedQuery {name} does not exist"),
        _ => format!("{what} {name} was not found"),
    }
}

/// Why not. The message is for the caller.
#[derive(Debug, thiserror::Error)]
pub enum QueriesError {
    /// The text is no statement.
    #[error("{source}")]
    Syntax {
        /// Where it fails.
        source: SyntaxError,
    },
    /// There is no such thing.
    #[error("{}", not_found(what, name))]
    NotFound {
        /// `QueryExecution`.
        what: &'static str,
        /// Its name or id.
        name: String,
    },
    /// The name is taken.
    #[error("{what} {name} is already created")]
    Exists {
        /// `WorkGroup`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// What is said cannot be kept as it is.
    #[error("{reason}")]
    Invalid {
        /// What is wrong, and what to do.
        reason: String,
    },
    /// Right on AWS, and not built into this server.
    #[error("{what} is not built into this server; leave it out")]
    NotBuilt {
        /// What.
        what: &'static str,
    },
    /// The token was used for another call.
    #[error("Idempotent parameters do not match: the ClientRequestToken was used for another query; use a new token")]
    IdempotentParameterMismatch,
    /// Too many executions wait.
    #[error(
        "You have exceeded the limit for the number of queries you can run concurrently: {queued_max} wait already. Try again later"
    )]
    TooManyQueries {
        /// The limit.
        queued_max: usize,
    },
    /// There is too much of something.
    #[error("{what}: at most {limit}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The most there may be.
        limit: usize,
    },
    /// The workgroup takes no queries.
    #[error("WorkGroup {name} is disabled; enable it, or use another")]
    WorkGroupDisabled {
        /// Its name.
        name: String,
    },
    /// The workgroup has saved statements or executions.
    #[error("WorkGroup {name} is not empty; delete what is in it, or set RecursiveDeleteOption")]
    WorkGroupNotEmpty {
        /// Its name.
        name: String,
    },
    /// The result's bucket cannot be written to.
    #[error("Unable to verify/create output bucket {bucket}: {reason}")]
    OutputBucket {
        /// The bucket.
        bucket: String,
        /// Why.
        reason: String,
    },
    /// There is no result yet.
    #[error("Query has not yet finished. Current state: {}", state.as_str())]
    NotFinished {
        /// The state.
        state: ExecutionState,
    },
    /// There is no result.
    #[error("Query did not finish successfully. Final query state: {}", state.as_str())]
    NotSucceeded {
        /// The state.
        state: ExecutionState,
    },
    /// The token is none of ours.
    #[error("Invalid NextToken: {token}")]
    Token {
        /// What was given.
        token: String,
    },
    /// The caller may not.
    #[error("{source}")]
    Denied {
        /// What.
        source: Denied,
    },
    /// The result cannot be read.
    #[error("Could not read the query's result: {reason}")]
    Unreadable {
        /// Why.
        reason: String,
    },
    /// The objects could not.
    #[error("{source}")]
    Objects {
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
impl From<StoreError> for QueriesError {
    fn from(source: StoreError) -> Self {
        Self::Store { source }
    }
}

impl QueriesError {
    pub(super) fn of_write(error: WriteError<Self>) -> Self {
        match error {
            WriteError::Refused(refusal) => refusal,
            WriteError::Store(source) => Self::Store { source },
        }
    }

    pub(super) fn invalid(reason: impl Into<String>) -> Self {
        Self::Invalid { reason: reason.into() }
    }

    pub(super) fn execution(id: &str) -> Self {
        Self::NotFound { what: "QueryExecution", name: id.to_owned() }
    }
}
