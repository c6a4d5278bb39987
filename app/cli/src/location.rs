//! What a command works on: `s3://bucket/key`, a path of this machine, or `-`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A place that can be copied from or to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    /// `-`.
    Standard,
    /// A path of this machine.
    Local(PathBuf),
    /// In the store.
    S3(S3Location),
}

/// A bucket, and a key or the beginning of some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct S3Location {
    /// The bucket.
    pub(crate) bucket: String,
    /// The key; empty for the bucket itself.
    pub(crate) key: String,
}

impl FromStr for S3Location {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix("s3://") else {
            return Err(format!("{text:?} is not like s3://bucket/key"));
        };
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':');
        if bucket.is_empty() || !bucket.bytes().all(legal) {
            return Err(format!("{text:?} does not name a bucket; it is like s3://bucket/key"));
        }
        Ok(Self { bucket: bucket.to_owned(), key: key.to_owned() })
    }
}

impl FromStr for Location {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("an empty path names nothing".to_owned()),
            "-" => Ok(Self::Standard),
            text if text.starts_with("s3://") => text.parse().map(Self::S3),
            text => Ok(Self::Local(PathBuf::from(text))),
        }
    }
}

impl fmt::Display for S3Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard => f.write_str("-"),
            Self::Local(path) => path.display().fmt(f),
            Self::S3(place) => place.fmt(f),
        }
    }
}

impl S3Location {
    /// With another key in the same bucket.
    pub(crate) fn at(&self, key: impl Into<String>) -> Self {
        Self { bucket: self.bucket.clone(), key: key.into() }
    }

    /// As the folder that a recursive command works in: with a slash at its end, unless it is the whole bucket.
    pub(crate) fn as_folder(&self) -> Self {
        if self.key.is_empty() || self.key.ends_with('/') { self.clone() } else { self.at(format!("{}/", self.key)) }
    }
}

/// The path under `folder` for the key `relative`: only names, so that no key leads out of the folder.
pub(crate) fn path_within(folder: &std::path::Path, relative: &str) -> Result<PathBuf, String> {
    let mut path = folder.to_owned();
    for name in relative.split('/') {
        if matches!(name, "" | "." | "..") || name.contains('\0') {
            return Err(format!("the key {relative:?} cannot be a path below {}", folder.display()));
        }
        path.push(name);
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn places_are_told_apart() {
        let check =
            |text: &str, expected: Option<Location>| assert_eq!(text.parse::<Location>().ok(), expected, "{text}");
        let s3 = |bucket: &str, key: &str| Some(Location::S3(S3Location { bucket: bucket.into(), key: key.into() }));
        check("-", Some(Location::Standard));
        check("a/b", Some(Location::Local("a/b".into())));
        check("s3://b", s3("b", ""));
        check("s3://b/", s3("b", ""));
        check("s3://b/a//c d/", s3("b", "a//c d/"));
        check("s3://", None);
        check("s3:///k", None);
        check("s3://b?x/k", None);
        check("", None);
    }

    #[test]
    fn no_key_leads_out_of_a_folder() {
        let check = |key: &str, expected: Option<&str>| {
            assert_eq!(path_within(Path::new("/d"), key).ok().as_deref(), expected.map(Path::new), "{key}");
        };
        check("a/b", Some("/d/a/b"));
        check("..a", Some("/d/..a"));
        for key in ["../a", "a/../../b", "/etc/passwd", "a//b", "a/", "a/./b", "a\0b", ".."] {
            check(key, None);
        }
    }
}
