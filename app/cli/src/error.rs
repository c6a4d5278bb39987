//! What a command ends with when it does not succeed: what failed, why, what to do, and the request's id.

use std::io;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// It was called in a wrong way.
    #[error("{message}")]
    Usage {
        /// What is wrong, and what is right.
        message: String,
    },
    /// A file of this machine could not be used.
    #[error("{doing} {path}: {source}")]
    Local {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// Standard output takes nothing any more.
    #[error("standard output: {source}")]
    Output {
        /// Why not.
        source: io::Error,
    },
    /// The server does not answer.
    #[error(
        "{doing}: {endpoint} does not answer: {reason}; is the server running, and is --endpoint-url or AWS_ENDPOINT_URL right?"
    )]
    Unreachable {
        /// What was tried.
        doing: String,
        /// Where.
        endpoint: String,
        /// What the system said.
        reason: String,
    },
    /// The server refused, or failed.
    #[error("{doing}: {code}: {}{} (status {status}, request {request_id})", message.trim_end_matches('.'), hint(code))]
    Service {
        /// What was tried.
        doing: String,
        /// The error's code.
        code: String,
        /// What the server says.
        message: String,
        /// The HTTP status.
        status: u16,
        /// For the server's log and audit records.
        request_id: String,
    },
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// Something else; the text says what, and what to do.
    #[error("{message}")]
    Failed {
        /// What and why.
        message: String,
    },
    /// Some of many things failed, and each was told of.
    #[error("{failed} of {all} failed; run it again for those")]
    Partly {
        /// How many failed.
        failed: u64,
        /// How many were tried.
        all: u64,
    },
}

/// What to do about an error of the server's.
fn hint(code: &str) -> &'static str {
    match code {
        "InvalidAccessKeyId" | "InvalidClientTokenId" | "UnrecognizedClientException" => {
            "; check AWS_ACCESS_KEY_ID or the profile"
        }
        "SignatureDoesNotMatch" | "InvalidSignatureException" => {
            "; check AWS_SECRET_ACCESS_KEY, and this machine's clock"
        }
        "RequestTimeTooSkewed" => "; set this machine's clock",
        "AccessDenied" | "AccessDeniedException" => {
            "; `tarn audit search --outcome failure` as an administrator shows the record of it"
        }
        "NoSuchBucket" => "; `tarn ls` lists the buckets",
        _ => "",
    }
}

impl CliError {
    /// Called in a wrong way.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage { message: message.into() }
    }

    /// Failed for a reason that the text tells.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::Failed { message: message.into() }
    }

    /// A file of this machine's.
    pub(crate) fn local(doing: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::Local { doing, path, source }
    }

    /// Whether the command was called in a wrong way: the program's exit code is then 2.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Usage { .. })
    }
}
