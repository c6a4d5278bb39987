//! Amazon Resource Names: six colon-separated parts, of which the last may hold colons itself.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{AccountId, PARTITION, Region};

/// A resource name in its six parts. Empty parts are legal: an S3 ARN has neither region nor account.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Arn {
    /// `aws`, `aws-cn`, ...
    pub partition: String,
    /// `s3`, `iam`, ...
    pub service: String,
    /// May be empty.
    pub region: String,
    /// May be empty.
    pub account: String,
    /// The rest, slashes and colons included.
    pub resource: String,
}

/// Why a text is not an ARN.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an ARN reads arn:partition:service:region:account:resource, got `{text}`")]
pub struct ArnError {
    /// What was given.
    pub text: String,
}

impl Arn {
    /// An ARN of this lake.
    pub fn new(service: &str, region: &str, account: &str, resource: impl Into<String>) -> Self {
        Self {
            partition: PARTITION.to_owned(),
            service: service.to_owned(),
            region: region.to_owned(),
            account: account.to_owned(),
            resource: resource.into(),
        }
    }

    /// `arn:aws:SERVICE:REGION:ACCOUNT:resource`.
    pub fn regional(service: &str, region: &Region, account: &AccountId, resource: impl Into<String>) -> Self {
        Self::new(service, region.as_str(), account.as_str(), resource)
    }

    /// `arn:aws:iam::ACCOUNT:resource`.
    pub fn iam(account: &AccountId, resource: impl Into<String>) -> Self {
        Self::new("iam", "", account.as_str(), resource)
    }

    /// `arn:aws:s3:::BUCKET`.
    pub fn s3_bucket(bucket: &str) -> Self {
        Self::new("s3", "", "", bucket)
    }

    /// `arn:aws:s3:::BUCKET/KEY`.
    pub fn s3_object(bucket: &str, key: &str) -> Self {
        Self::new("s3", "", "", format!("{bucket}/{key}"))
    }

    /// Splits `text` into its parts.
    pub fn parse(text: &str) -> Result<Self, ArnError> {
        let refused = || ArnError { text: text.to_owned() };
        let mut parts = text.splitn(6, ':');
        let mut next = || parts.next().ok_or_else(refused);
        if next()? != "arn" {
            return Err(refused());
        }
        let arn = Self {
            partition: next()?.to_owned(),
            service: next()?.to_owned(),
            region: next()?.to_owned(),
            account: next()?.to_owned(),
            resource: next()?.to_owned(),
        };
        if arn.partition.is_empty() || arn.service.is_empty() || arn.resource.is_empty() {
            return Err(refused());
        }
        Ok(arn)
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, service, region, account, resource } = self;
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

impl fmt::Debug for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Arn {
    type Error = ArnError;
    fn try_from(text: String) -> Result<Self, ArnError> {
        Self::parse(&text)
    }
}

impl From<Arn> for String {
    fn from(arn: Arn) -> String {
        arn.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let resource = Arn::parse(text).ok().map(|arn| {
            assert_eq!(arn.to_string(), text);
            arn.resource
        });
        assert_eq!(resource.as_deref(), expected, "{text}");
    }

    #[test]
    fn arns_split_into_six() {
        check("arn:aws:s3:::lake-raw/a:b/c", Some("lake-raw/a:b/c"));
        check("arn:aws:iam::000000000000:user/ada", Some("user/ada"));
        check("arn:aws:iam::000000000000", None);
        check("arn:aws:s3:::", None);
        check("urn:aws:s3:::b", None);
        check("", None);
    }
}
