//! Why a signature is not accepted. Knows no protocol's spelling of it: the gateway turns each into the service's own error.

use jiff::Timestamp;

/// Why a request is not taken as signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// What the request presents cannot be read.
    #[error("{reason}")]
    Malformed {
        /// What is wrong, and how it should be.
        reason: String,
    },
    /// It is signed twice, in its header and in its query.
    #[error(
        "Only one authentication mechanism is allowed: the Authorization header or the X-Amz-Signature query parameter."
    )]
    SignedTwice,
    /// It is signed in another way than this server checks.
    #[error("The signing algorithm `{algorithm}` is not supported; use AWS4-HMAC-SHA256.")]
    Algorithm {
        /// What was named.
        algorithm: String,
    },
    /// The credential is for another region, service or day.
    #[error("Credential should be scoped to a valid {part}: expecting `{expected}`, got `{found}`.")]
    Scope {
        /// `region`, `service`, `date`, `terminator`.
        part: &'static str,
        /// What would be right.
        expected: String,
        /// What was named.
        found: String,
    },
    /// The request's time is too far from the server's.
    #[error(
        "The difference between the request time ({request}) and the current time ({server}) is too large; set the client's clock."
    )]
    Skewed {
        /// The request's time.
        request: Timestamp,
        /// The server's time.
        server: Timestamp,
    },
    /// The presigned URL's time is over.
    #[error("Request has expired at {at}; the current time is {server}.")]
    Expired {
        /// When.
        at: Timestamp,
        /// The server's time.
        server: Timestamp,
    },
    /// A header that steers the request is not covered by the signature.
    #[error("There were headers present in the request which were not signed: {name}")]
    UnsignedHeader {
        /// Which.
        name: String,
    },
    /// A header that is said to be signed is not there.
    #[error("The signed header `{name}` is missing from the request.")]
    MissingHeader {
        /// Which.
        name: String,
    },
    /// The body is not the one that was signed.
    #[error("The provided 'x-amz-content-sha256' header does not match what was computed.")]
    BodyDiffers,
    /// The signature is of another request, or made with another secret.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your key and signing method."
    )]
    Mismatch {
        /// What the signature should be over; helps to find the difference, holds no secret.
        canonical_request: String,
        /// What the key should have been applied to.
        string_to_sign: String,
    },
}

impl SignatureError {
    pub(crate) fn malformed(reason: impl Into<String>) -> Self {
        Self::Malformed { reason: reason.into() }
    }
}
