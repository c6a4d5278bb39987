//! Locations of data, as URIs of S3. Knows no object.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A bucket and the beginning of keys in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct S3Location {
    /// The bucket.
    pub bucket: String,
    /// The beginning of keys, without a leading slash; empty for the whole bucket.
    pub prefix: String,
}

/// Why a text is no location.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a location reads s3://bucket/prefix/, got `{text}`")]
pub struct LocationError {
    /// What was given.
    pub text: String,
}

impl S3Location {
    /// Reads `s3://`, `s3a://` or `s3n://` and what follows.
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        let refused = || LocationError { text: text.to_owned() };
        let rest =
            ["s3://", "s3a://", "s3n://"].iter().find_map(|scheme| text.strip_prefix(scheme)).ok_or_else(refused)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(refused());
        }
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }

    /// With the prefix ending in a slash (unless it is empty), so that `a/b` does not match `a/bc`.
    #[must_use]
    pub fn folder(&self) -> Self {
        let mut folder = self.clone();
        if !folder.prefix.is_empty() && !folder.prefix.ends_with('/') {
            folder.prefix.push('/');
        }
        folder
    }
}

impl fmt::Display for S3Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}
