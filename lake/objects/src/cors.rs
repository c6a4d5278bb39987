//! Cross-origin rules of buckets: which pages of other origins a browser lets read answers. The rules, how a request finds its own,
//! and the calls that keep them. Knows no HTTP: the headers of an answer are the service's.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html>

use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_metadata::{Read, Record};
use tarn_policy::Authorized;

use crate::errors::{ConfigurationKind, ObjectsError};
use crate::keyspaces::CORS;
use crate::names::BucketName;
use crate::objects::Objects;
use crate::records::bucket_key;

/// The most rules of a bucket.
pub const CORS_RULES_COUNT_MAX: usize = 100;
/// The longest name of a rule, characters.
const RULE_ID_CHARS_MAX: usize = 255;
/// What a rule can allow.
const METHODS: [&str; 5] = ["GET", "PUT", "HEAD", "POST", "DELETE"];

/// One rule: a request that fits it may be made, and its answer read, by pages of these origins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorsRule {
    /// The user's name for it.
    pub id: Option<String>,
    /// Origins, each with at most one `*`.
    pub allowed_origins: Vec<String>,
    /// HTTP methods.
    pub allowed_methods: Vec<String>,
    /// Headers that a request may carry, each with at most one `*`.
    pub allowed_headers: Vec<String>,
    /// Headers of the answer that the page may read.
    pub exposed_headers: Vec<String>,
    /// For how long a browser may remember the answer.
    pub max_age_seconds: Option<i32>,
}

/// A bucket's rules; the first that fits a request decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorsConfiguration {
    rules: Vec<CorsRule>,
}

impl Record for CorsConfiguration {
    const VERSION: u16 = 1;
}

/// What a browser asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CorsRequest<'r> {
    /// The page's origin.
    pub origin: &'r str,
    /// The method, made or announced.
    pub method: &'r str,
    /// The headers that a preflight announces.
    pub headers: &'r [String],
}

/// The rule that lets a request through, and the origin to answer with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CorsMatch<'c> {
    /// The first that fits.
    pub rule: &'c CorsRule,
    /// Whether it lets in every origin, so that the answer names none.
    pub any_origin: bool,
}

/// Whether `text` is `pattern`, where one `*` stands for anything.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((front, end)) => text.len() >= front.len() + end.len() && text.starts_with(front) && text.ends_with(end),
    }
}

fn check_wildcards(element: &'static str, values: &[String]) -> Result<(), ObjectsError> {
    match values.iter().find(|value| value.matches('*').count() > 1) {
        Some(value) => Err(ObjectsError::InvalidRequest {
            reason: format!("{element} \"{value}\" can not have more than one wildcard."),
        }),
        None => Ok(()),
    }
}

impl CorsRule {
    fn check(&self) -> Result<(), ObjectsError> {
        let malformed = |reason: &str| Err(ObjectsError::MalformedConfiguration { reason: reason.to_owned() });
        if self.allowed_origins.is_empty() || self.allowed_methods.is_empty() {
            return malformed("each CORSRule has at least one AllowedOrigin and one AllowedMethod");
        }
        if self.max_age_seconds.is_some_and(|seconds| seconds < 0) {
            return malformed("MaxAgeSeconds is not negative");
        }
        if self.id.as_ref().is_some_and(|id| id.chars().count() > RULE_ID_CHARS_MAX) {
            return malformed("the ID of a CORSRule has at most 255 characters");
        }
        if let Some(method) = self.allowed_methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
            return Err(ObjectsError::InvalidRequest {
                reason: format!("Found unsupported HTTP method in CORS config. Unsupported method is {method}"),
            });
        }
        check_wildcards("AllowedOrigin", &self.allowed_origins)?;
        check_wildcards("AllowedHeader", &self.allowed_headers)?;
        if let Some(header) = self.exposed_headers.iter().find(|header| header.contains('*')) {
            return Err(ObjectsError::InvalidRequest {
                reason: format!(
                    "ExposeHeader \"{header}\" contains wildcard. We currently do not support wildcard for ExposeHeader."
                ),
            });
        }
        Ok(())
    }

    fn allows_header(&self, header: &str) -> bool {
        self.allowed_headers.iter().any(|pattern| fits(&pattern.to_ascii_lowercase(), &header.to_ascii_lowercase()))
    }
}

impl CorsConfiguration {
    /// Checks the rules as they are put.
    pub fn new(rules: Vec<CorsRule>) -> Result<Self, ObjectsError> {
        if rules.is_empty() {
            return Err(ObjectsError::MalformedConfiguration {
                reason: "a CORSConfiguration has at least one CORSRule".to_owned(),
            });
        }
        if rules.len() > CORS_RULES_COUNT_MAX {
            return Err(ObjectsError::InvalidRequest {
                reason: format!(
                    "The number of CORS rules should not exceed allowed limit of {CORS_RULES_COUNT_MAX} rules."
                ),
            });
        }
        rules.iter().try_for_each(CorsRule::check)?;
        Ok(Self { rules })
    }

    /// The rules in the order they were put.
    pub fn rules(&self) -> &[CorsRule] {
        &self.rules
    }

    /// The first rule that fits.
    pub fn find(&self, request: &CorsRequest<'_>) -> Option<CorsMatch<'_>> {
        self.rules.iter().find_map(|rule| {
            let origin = rule.allowed_origins.iter().find(|pattern| fits(pattern, request.origin))?;
            let method = rule.allowed_methods.iter().any(|method| method == request.method);
            let headers = request.headers.iter().all(|header| rule.allows_header(header));
            (method && headers).then_some(CorsMatch { rule, any_origin: origin == "*" })
        })
    }
}

impl Objects {
    /// The bucket's cross-origin rules.
    pub fn bucket_cors(&self, _proof: &Authorized, bucket: &BucketName) -> Result<CorsConfiguration, ObjectsError> {
        self.configuration(CORS, bucket)?.ok_or_else(|| ConfigurationKind::Cors.missing(bucket))
    }

    /// The rules that answers to browsers go by: no fact that needs a permission, since every answer tells it.
    pub fn cors_rules(&self, bucket: &BucketName) -> Result<Option<CorsConfiguration>, ObjectsError> {
        Ok(self.snapshot()?.get(CORS, &bucket_key(bucket))?)
    }

    /// Replaces the bucket's cross-origin rules.
    pub async fn put_bucket_cors(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        configuration: CorsConfiguration,
    ) -> Result<(), ObjectsError> {
        self.set_configuration(caller, CORS, bucket, Some(configuration)).await
    }

    /// Removes them.
    pub async fn delete_bucket_cors(&self, caller: &Caller, bucket: &BucketName) -> Result<(), ObjectsError> {
        self.set_configuration(caller, CORS, bucket, None).await
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn rule(origins: &[&str], methods: &[&str], headers: &[&str]) -> CorsRule {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        CorsRule {
            id: None,
            allowed_origins: owned(origins),
            allowed_methods: owned(methods),
            allowed_headers: owned(headers),
            exposed_headers: Vec::new(),
            max_age_seconds: None,
        }
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let rules = vec![
            rule(&["https://*.example.com"], &["PUT"], &["x-amz-*", "Content-Type"]),
            rule(&["start*end", "http://plain"], &["GET"], &[]),
            rule(&["*"], &["DELETE"], &["*"]),
        ];
        let configuration = CorsConfiguration::new(rules).unwrap();
        let check = |origin: &str, method: &str, headers: &[&str], expected: Option<usize>| {
            let headers: Vec<String> = headers.iter().map(|header| (*header).to_owned()).collect();
            let found = configuration.find(&CorsRequest { origin, method, headers: &headers });
            let at = found.and_then(|found| configuration.rules.iter().position(|rule| rule == found.rule));
            assert_eq!(at, expected, "{origin} {method} {headers:?}");
            assert_eq!(found.is_some_and(|found| found.any_origin), expected == Some(2));
        };
        check("https://a.example.com", "PUT", &["X-Amz-Date", "content-type"], Some(0));
        check("https://a.example.com", "PUT", &["authorization"], None);
        check("https://a.example.com", "GET", &[], None);
        check("https://a.example.com.evil", "PUT", &[], None);
        check("https://.example.com", "PUT", &[], Some(0));
        check("startend", "GET", &[], Some(1));
        check("start-x-end", "GET", &[], Some(1));
        // What the wildcard stands for must not overlap its ends.
        check("starend", "GET", &[], None);
        check("http://plain", "GET", &[], Some(1));
        check("HTTP://PLAIN", "GET", &[], None);
        check("null", "DELETE", &["anything"], Some(2));
    }

    #[test]
    fn rules_have_limits() {
        let check = |rules: Vec<CorsRule>, expected: &str| {
            let found = match CorsConfiguration::new(rules.clone()) {
                Ok(_) => "ok",
                Err(ObjectsError::InvalidRequest { .. }) => "invalid",
                Err(ObjectsError::MalformedConfiguration { .. }) => "malformed",
                Err(other) => panic!("{other}"),
            };
            assert_eq!(found, expected, "{rules:?}");
        };
        let good = rule(&["*"], &["GET"], &[]);
        check(vec![], "malformed");
        check(vec![good.clone(); 100], "ok");
        check(vec![good.clone(); 101], "invalid");
        check(vec![rule(&[], &["GET"], &[])], "malformed");
        check(vec![rule(&["*"], &[], &[])], "malformed");
        check(vec![rule(&["*"], &["PATCH"], &[])], "invalid");
        check(vec![rule(&["*"], &["get"], &[])], "invalid");
        check(vec![rule(&["http://*.*"], &["GET"], &[])], "invalid");
        check(vec![rule(&["*"], &["GET"], &["x-*-*"])], "invalid");
        check(vec![CorsRule { exposed_headers: vec!["x-*".to_owned()], ..good.clone() }], "invalid");
        check(vec![CorsRule { max_age_seconds: Some(-1), ..good.clone() }], "malformed");
        check(vec![CorsRule { id: Some("i".repeat(256)), ..good }], "malformed");
    }
}
