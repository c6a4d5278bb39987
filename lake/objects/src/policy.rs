//! Bucket policies: kept as text with the bucket, compiled once, and answered to the authorizer.

/// Compiled policies by their text.
#[derive(Default)]
pub(crate) struct PolicyCache {}
