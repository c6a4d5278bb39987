//! What the configuration file says of events: `[[queues]]` and `[[event_rules]]`.

use serde::Deserialize;
use tarn_types::{AccountId, Arn};

use super::pattern::Pattern;

/// The names in `[[queues]]`.
pub const QUEUE_KEYS: [&str; 3] = ["arn", "url", "accounts"];
/// The names in `[[event_rules]]`.
pub const EVENT_RULE_KEYS: [&str; 3] = ["name", "pattern", "target"];

/// A queue, topic or function that is a webhook.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "QueueText")]
pub struct QueueSetting {
    /// What configurations of buckets name it by.
    pub arn: String,
    /// Where its messages are posted to.
    pub url: http::Uri,
    /// Whose buckets may send to it besides those of the account in the ARN.
    pub accounts: Vec<AccountId>,
}

#[derive(Deserialize)]
struct QueueText {
    arn: String,
    url: String,
    #[serde(default)]
    accounts: Vec<AccountId>,
}

impl TryFrom<QueueText> for QueueSetting {
    type Error = String;

    fn try_from(text: QueueText) -> Result<Self, String> {
        let arn = Arn::parse(&text.arn).map_err(|error| error.to_string())?;
        if !["sqs", "sns", "lambda"].contains(&arn.service.as_str()) {
            return Err(format!("`{}`: the ARN of a queue is one of sqs, sns or lambda", text.arn));
        }
        Ok(Self { url: url_of(&text.url)?, arn: text.arn, accounts: text.accounts })
    }
}

/// A URL that the server may be told to talk to: the operator wrote it, so that its address may be any.
pub(crate) fn url_of(text: &str) -> Result<http::Uri, String> {
    let wrong = || format!("`{text}` must be a URL such as https://example.org/path, without a user");
    let url: http::Uri = text.parse().map_err(|_| wrong())?;
    let is_web = matches!(url.scheme_str(), Some("http" | "https"));
    let names_host = url.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    if is_web && names_host { Ok(url) } else { Err(wrong()) }
}

impl QueueSetting {
    /// Whether events of `owner`'s buckets may go there.
    pub(crate) fn takes_from(&self, owner: &AccountId) -> bool {
        let of_arn = Arn::parse(&self.arn).is_ok_and(|arn| arn.account == owner.as_str());
        of_arn || self.accounts.contains(owner)
    }
}

/// A rule of the bus.
#[derive(Debug, Clone, Deserialize)]
pub struct EventRuleSetting {
    /// Names it, for its queue.
    pub name: String,
    /// Which events.
    pub pattern: Pattern,
    /// The ARN of a delivery stream or of one of `[[queues]]`.
    pub target: String,
}
