//! Websites of buckets: which document a path means, and where it leads instead. The configuration, its rules, and the calls that keep
//! it. Knows no HTTP beyond status codes, and no host names but those that users write into their rules.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/WebsiteHosting.html>

use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_metadata::{Read, Record};
use tarn_policy::Authorized;

use crate::errors::{ConfigurationKind, ObjectsError};
use crate::keyspaces::WEBSITES;
use crate::names::BucketName;
use crate::objects::{Objects, require_bucket};
use crate::records::bucket_key;

/// The most routing rules of a website.
pub const ROUTING_RULES_COUNT_MAX: usize = 50;
/// The status of a redirect that names none.
const REDIRECT_STATUS: u16 = 301;

/// `http` or `https`; where none is named, that of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WebsiteProtocol {
    /// `http`.
    Http,
    /// `https`.
    Https,
}

impl WebsiteProtocol {
    /// As URLs spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// Reads it.
    pub fn parse(text: &str) -> Result<Self, ObjectsError> {
        match text {
            "http" => Ok(Self::Http),
            "https" => Ok(Self::Https),
            _ => Err(invalid(
                "Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically.",
            )),
        }
    }
}

/// When a rule applies; to every request, where it says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutingCondition {
    /// To keys that begin so.
    pub key_prefix: Option<String>,
    /// To requests that would be answered by this error.
    pub error_status: Option<u16>,
}

/// Where a rule leads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutingRedirect {
    /// To another host.
    pub host_name: Option<String>,
    /// By another protocol.
    pub protocol: Option<WebsiteProtocol>,
    /// With this status.
    pub status: Option<u16>,
    /// The condition's prefix becomes this.
    pub replace_key_prefix_with: Option<String>,
    /// The whole key becomes this.
    pub replace_key_with: Option<String>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutingRule {
    /// When.
    pub condition: Option<RoutingCondition>,
    /// Where to.
    pub redirect: RoutingRedirect,
}

/// A website that has documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebsiteDocuments {
    /// What is appended to folders: `index.html`.
    pub index_suffix: String,
    /// The key of what is shown for errors.
    pub error_key: Option<String>,
    /// The first that applies leads away.
    pub rules: Vec<RoutingRule>,
}

/// What a bucket's website does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum WebsiteConfiguration {
    /// It leads elsewhere, whatever is asked for.
    RedirectAll {
        /// To this host.
        host_name: String,
        /// By this protocol.
        protocol: Option<WebsiteProtocol>,
    },
    /// It shows documents.
    Documents(WebsiteDocuments),
}

impl Record for WebsiteConfiguration {
    const VERSION: u16 = 1;
}

/// Where a request is led.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebsiteRedirect {
    /// With this status.
    pub status: u16,
    /// By this protocol; that of the request, if none.
    pub protocol: Option<WebsiteProtocol>,
    /// To this host; that of the request, if none.
    pub host_name: Option<String>,
    /// To this key.
    pub key: String,
}

fn invalid(reason: &str) -> ObjectsError {
    ObjectsError::InvalidRequest { reason: reason.to_owned() }
}

impl RoutingRule {
    fn check(&self) -> Result<(), ObjectsError> {
        let RoutingRedirect { host_name, protocol, status, replace_key_prefix_with, replace_key_with } = &self.redirect;
        if replace_key_prefix_with.is_some() && replace_key_with.is_some() {
            return Err(invalid("You can only define ReplaceKeyPrefix or ReplaceKey but not both."));
        }
        let says_nothing = host_name.is_none()
            && protocol.is_none()
            && status.is_none()
            && replace_key_prefix_with.is_none()
            && replace_key_with.is_none();
        if says_nothing {
            return Err(ObjectsError::MalformedConfiguration { reason: "a Redirect is not empty".to_owned() });
        }
        if let Some(status) = status.filter(|status| !(301..400).contains(status)) {
            return Err(invalid(&format!(
                "The provided HTTP redirect code ({status}) is not valid. Valid codes are 3XX except 300."
            )));
        }
        if host_name.as_ref().is_some_and(|name| !is_host_name(name)) {
            return Err(invalid("The HostName of a Redirect must be a host name."));
        }
        let Some(condition) = &self.condition else { return Ok(()) };
        if *condition == RoutingCondition::default() {
            return Err(invalid(
                "Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't be present.",
            ));
        }
        match condition.error_status.filter(|status| !(400..600).contains(status)) {
            Some(status) => Err(invalid(&format!(
                "The provided HTTP error code ({status}) is not valid. Valid codes are 4XX or 5XX."
            ))),
            None => Ok(()),
        }
    }

    fn prefix(&self) -> &str {
        self.condition.as_ref().and_then(|condition| condition.key_prefix.as_deref()).unwrap_or_default()
    }

    fn applies(&self, key: &str, error_status: Option<u16>) -> bool {
        let needed = self.condition.as_ref().and_then(|condition| condition.error_status);
        needed == error_status && key.starts_with(self.prefix())
    }

    fn lead(&self, key: &str) -> WebsiteRedirect {
        let redirect = &self.redirect;
        let key = match (&redirect.replace_key_with, &redirect.replace_key_prefix_with) {
            (Some(whole), _) => whole.clone(),
            (None, Some(prefix)) => format!("{prefix}{}", key.strip_prefix(self.prefix()).unwrap_or(key)),
            (None, None) => key.to_owned(),
        };
        WebsiteRedirect {
            status: redirect.status.unwrap_or(REDIRECT_STATUS),
            protocol: redirect.protocol,
            host_name: redirect.host_name.clone(),
            key,
        }
    }
}

fn is_host_name(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'_');
    (1..=255).contains(&name.len()) && name.bytes().all(legal)
}

impl WebsiteDocuments {
    /// The key of the document that a path means.
    pub fn document(&self, key: &str) -> String {
        if key.is_empty() || key.ends_with('/') { format!("{key}{}", self.index_suffix) } else { key.to_owned() }
    }

    /// Where a request is led before anything is looked up.
    pub fn redirect(&self, key: &str) -> Option<WebsiteRedirect> {
        self.rules.iter().find(|rule| rule.applies(key, None)).map(|rule| rule.lead(key))
    }

    /// Where a request is led that would be answered by an error.
    pub fn redirect_of_error(&self, key: &str, status: u16) -> Option<WebsiteRedirect> {
        self.rules.iter().find(|rule| rule.applies(key, Some(status))).map(|rule| rule.lead(key))
    }
}

impl WebsiteConfiguration {
    /// Refuses what cannot be a website.
    pub fn check(&self) -> Result<(), ObjectsError> {
        let argument =
            |name, value: &str, reason| ObjectsError::InvalidArgument { name, value: value.to_owned(), reason };
        match self {
            Self::RedirectAll { host_name, .. } if !is_host_name(host_name) => {
                Err(argument("HostName", host_name, "the HostName of RedirectAllRequestsTo must be a host name"))
            }
            Self::RedirectAll { .. } => Ok(()),
            Self::Documents(WebsiteDocuments { index_suffix, error_key, rules }) => {
                if index_suffix.is_empty() || index_suffix.contains('/') {
                    return Err(argument("Suffix", index_suffix, "The IndexDocument Suffix is not well formed"));
                }
                if error_key.as_ref().is_some_and(String::is_empty) {
                    return Err(argument("Key", "", "The ErrorDocument Key is not well formed"));
                }
                if rules.len() > ROUTING_RULES_COUNT_MAX {
                    return Err(invalid(&format!(
                        "{} routing rules provided, the number of routing rules in a website configuration is limited to {ROUTING_RULES_COUNT_MAX}.",
                        rules.len()
                    )));
                }
                rules.iter().try_for_each(RoutingRule::check)
            }
        }
    }
}

impl Objects {
    /// The bucket's website.
    pub fn bucket_website(
        &self,
        _proof: &Authorized,
        bucket: &BucketName,
    ) -> Result<WebsiteConfiguration, ObjectsError> {
        self.website(bucket)
    }

    /// The bucket's website, for who visits it: not a fact that needs a permission, since the website itself tells it.
    pub fn website(&self, bucket: &BucketName) -> Result<WebsiteConfiguration, ObjectsError> {
        let snapshot = self.snapshot()?;
        require_bucket(&snapshot, bucket)?;
        snapshot.get(WEBSITES, &bucket_key(bucket))?.ok_or_else(|| ConfigurationKind::Website.missing(bucket))
    }

    /// Replaces the bucket's website.
    pub async fn put_bucket_website(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        website: WebsiteConfiguration,
    ) -> Result<(), ObjectsError> {
        website.check()?;
        self.set_configuration(caller, WEBSITES, bucket, Some(website)).await
    }

    /// Removes it.
    pub async fn delete_bucket_website(&self, caller: &Caller, bucket: &BucketName) -> Result<(), ObjectsError> {
        self.set_configuration(caller, WEBSITES, bucket, None).await
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn rule(prefix: Option<&str>, error_status: Option<u16>, redirect: RoutingRedirect) -> RoutingRule {
        let condition = RoutingCondition { key_prefix: prefix.map(str::to_owned), error_status };
        let condition = (condition != RoutingCondition::default()).then_some(condition);
        RoutingRule { condition, redirect }
    }

    fn site(rules: Vec<RoutingRule>) -> WebsiteDocuments {
        WebsiteDocuments { index_suffix: "index.html".to_owned(), error_key: None, rules }
    }

    fn to_prefix(prefix: &str) -> RoutingRedirect {
        RoutingRedirect { replace_key_prefix_with: Some(prefix.to_owned()), ..RoutingRedirect::default() }
    }

    fn to_key(key: &str) -> RoutingRedirect {
        RoutingRedirect { replace_key_with: Some(key.to_owned()), ..RoutingRedirect::default() }
    }

    #[test]
    fn folders_have_an_index() {
        let check = |key: &str, expected: &str| assert_eq!(site(vec![]).document(key), expected);
        check("", "index.html");
        check("a/", "a/index.html");
        check("a", "a");
        check("a/b.html", "a/b.html");
    }

    #[test]
    fn the_first_rule_that_applies_leads_away() {
        let site = site(vec![
            rule(Some("docs/"), None, to_prefix("documents/")),
            rule(Some("img/"), Some(404), to_key("missing.png")),
            rule(None, Some(403), RoutingRedirect { status: Some(307), ..to_key("login.html") }),
            rule(
                Some("img/"),
                None,
                RoutingRedirect { host_name: Some("cdn.example.com".to_owned()), ..RoutingRedirect::default() },
            ),
        ]);
        let check = |key: &str, status: Option<u16>, expected: Option<(u16, Option<&str>, &str)>| {
            let found = match status {
                None => site.redirect(key),
                Some(status) => site.redirect_of_error(key, status),
            };
            let found = found.as_ref().map(|to| (to.status, to.host_name.as_deref(), to.key.as_str()));
            assert_eq!(found, expected, "{key} {status:?}");
        };
        check("docs/a.html", None, Some((301, None, "documents/a.html")));
        check("doc/a.html", None, None);
        check("img/a.png", Some(404), Some((301, None, "missing.png")));
        check("a.png", Some(404), None);
        check("a.png", Some(403), Some((307, None, "login.html")));
        check("img/a.png", None, Some((301, Some("cdn.example.com"), "img/a.png")));
    }

    #[test]
    fn websites_are_checked() {
        let check = |website: WebsiteConfiguration, expected: &str| {
            let found = match website.check() {
                Ok(()) => "ok",
                Err(ObjectsError::InvalidRequest { .. }) => "request",
                Err(ObjectsError::InvalidArgument { .. }) => "argument",
                Err(ObjectsError::MalformedConfiguration { .. }) => "malformed",
                Err(other) => panic!("{other}"),
            };
            assert_eq!(found, expected, "{website:?}");
        };
        let documents = |rule| WebsiteConfiguration::Documents(site(vec![rule]));
        let suffix = |suffix: &str| {
            WebsiteConfiguration::Documents(WebsiteDocuments { index_suffix: suffix.to_owned(), ..site(vec![]) })
        };
        let all = |host: &str| WebsiteConfiguration::RedirectAll { host_name: host.to_owned(), protocol: None };
        check(suffix("index.html"), "ok");
        check(suffix(""), "argument");
        check(suffix("a/index.html"), "argument");
        check(all("example.com:8080"), "ok");
        check(all("exa mple"), "argument");
        check(all("example.com/\r\nset-cookie: x"), "argument");
        check(documents(rule(None, None, to_key("a"))), "ok");
        check(documents(rule(None, None, RoutingRedirect::default())), "malformed");
        check(documents(rule(None, Some(200), to_key("a"))), "request");
        check(documents(rule(None, None, RoutingRedirect { status: Some(300), ..to_key("a") })), "request");
        check(documents(rule(None, None, RoutingRedirect { status: Some(404), ..to_key("a") })), "request");
        let both = RoutingRedirect { replace_key_prefix_with: Some("b".to_owned()), ..to_key("a") };
        check(documents(rule(None, None, both)), "request");
        let empty = RoutingRule { condition: Some(RoutingCondition::default()), redirect: to_key("a") };
        check(documents(empty), "request");
        check(WebsiteConfiguration::Documents(site(vec![rule(None, None, to_key("a")); 51])), "request");
    }
}
