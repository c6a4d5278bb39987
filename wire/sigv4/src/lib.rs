//! AWS Signature Version 4, both halves: what a request presents, whether it is genuine, and how a client signs one.
//! Pure: the time, the secret and the body's digest are arguments. Knows no service, no account and no socket.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>
//!
//! **Invariant:** a `Seed` exists only for a request whose signature was checked or made here.

mod canonical;
mod chunk;
mod error;
mod form;
mod key;
mod present;
#[cfg(any(test, feature = "fuzz"))]
pub mod probes;
mod sign;
#[cfg(test)]
mod tests;
mod time;
mod verify;

pub use canonical::PathEncoding;
pub use chunk::{ChunkSignatures, Seed};
pub use error::SignatureError;
pub use form::{is_form_signature, is_form_signature_v2};
pub use key::{SigningKey, SigningKeys};
pub use present::{CredentialScope, Form, Payload, Presented};
pub use sign::{SignError, Signer};
pub use time::{format_amz_date, parse_amz_date};
pub use verify::Rules;

/// How far a request's time may be from the server's, seconds.
pub const CLOCK_SKEW_SECONDS_MAX: i64 = 15 * 60;

/// How long a presigned URL may be valid, seconds: seven days.
pub const PRESIGNED_SECONDS_MAX: u32 = 7 * 24 * 60 * 60;

/// Most headers that a request may name as signed.
pub const SIGNED_HEADERS_COUNT_MAX: usize = 200;

pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref());
    digest
}
