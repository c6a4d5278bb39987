//! Bucket names and object keys, checked once. Knows nothing of where they are stored; neither is ever a path.

use std::fmt;

use serde::{Deserialize, Serialize};
use tarn_types::Arn;

use crate::errors::ObjectsError;

/// The longest object key, bytes of UTF-8.
pub const KEY_SIZE_BYTES_MAX: usize = 1024;
/// The shortest bucket name, bytes.
pub const BUCKET_NAME_SIZE_BYTES_MIN: usize = 3;
/// The longest bucket name, bytes.
pub const BUCKET_NAME_SIZE_BYTES_MAX: usize = 63;

/// A general purpose bucket's name: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BucketName(String);

/// An object's key: 1 to 1,024 bytes of UTF-8, otherwise free. `..`, `//` and NUL mean nothing in it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectKey(String);

const REFUSED_PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
const REFUSED_SUFFIXES: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

impl BucketName {
    /// Checks and wraps `name`.
    pub fn new(name: impl Into<String>) -> Result<Self, ObjectsError> {
        let name = name.into();
        match Self::refusal(&name) {
            None => Ok(Self(name)),
            Some(reason) => Err(ObjectsError::InvalidBucketName { name, reason }),
        }
    }

    fn refusal(name: &str) -> Option<&'static str> {
        let edge = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let bytes = name.as_bytes();
        if !(BUCKET_NAME_SIZE_BYTES_MIN..=BUCKET_NAME_SIZE_BYTES_MAX).contains(&bytes.len()) {
            return Some("a bucket name has 3 to 63 characters");
        }
        if !bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.')) {
            return Some("a bucket name is made of a-z, 0-9, `.` and `-`");
        }
        if !edge(bytes.first()) || !edge(bytes.last()) {
            return Some("a bucket name begins and ends with a letter or a digit");
        }
        if name.contains("..") {
            return Some("a bucket name has no two periods in a row");
        }
        if name.parse::<std::net::Ipv4Addr>().is_ok() {
            return Some("a bucket name is not an IP address");
        }
        if REFUSED_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
            return Some("a bucket name does not begin with xn--, sthree- or amzn-s3-demo-");
        }
        if REFUSED_SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
            return Some("a bucket name does not end with -s3alias, --ol-s3, .mrap, --x-s3 or --table-s3");
        }
        None
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `arn:aws:s3:::NAME`.
    pub fn arn(&self) -> Arn {
        Arn::s3_bucket(&self.0)
    }
}

impl ObjectKey {
    /// Checks and wraps `key`.
    pub fn new(key: impl Into<String>) -> Result<Self, ObjectsError> {
        let key = key.into();
        if key.is_empty() {
            return Err(ObjectsError::InvalidArgument {
                name: "Key",
                value: key,
                reason: "an object key has at least one byte",
            });
        }
        if key.len() > KEY_SIZE_BYTES_MAX {
            return Err(ObjectsError::KeyTooLong { size_bytes: key.len(), size_bytes_max: KEY_SIZE_BYTES_MAX });
        }
        Ok(Self(key))
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `arn:aws:s3:::BUCKET/KEY`.
    pub fn arn(&self, bucket: &BucketName) -> Arn {
        Arn::s3_object(bucket.as_str(), &self.0)
    }
}

macro_rules! text_name {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
        impl TryFrom<String> for $name {
            type Error = ObjectsError;
            fn try_from(text: String) -> Result<Self, ObjectsError> {
                Self::new(text)
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    };
}
text_name!(BucketName);
text_name!(ObjectKey);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_are_s3s() {
        let check = |name: &str, good: bool| assert_eq!(BucketName::new(name).is_ok(), good, "{name:?}");
        check("lake-raw", true);
        check("a.b.c", true);
        check("abc", true);
        check(&"a".repeat(63), true);
        check(&"a".repeat(64), false);
        check("ab", false);
        check("", false);
        check("-abc", false);
        check("abc-", false);
        check(".abc", false);
        check("a..b", false);
        check("192.168.0.1", false);
        check("192.168.0.1a", true);
        check("Abc", false);
        check("a_b", false);
        check("../x", false);
        check("xn--a", false);
        check("a--ol-s3", false);
        check("äbc", false);
    }

    #[test]
    fn keys_are_free_within_their_length() {
        let check = |key: &str, good: bool| assert_eq!(ObjectKey::new(key).is_ok(), good, "{key:?}");
        check("a", true);
        check("../../etc/passwd", true);
        check("//", true);
        check("\0", true);
        check("ключ", true);
        check("", false);
        check(&"k".repeat(1024), true);
        check(&"k".repeat(1025), false);
        check(&"é".repeat(512), true);
        check(&"é".repeat(513), false);
    }
}
