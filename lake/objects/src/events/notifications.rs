//! Which events of a bucket go where: its notification configuration, checked as S3 checks it. Knows no wire form.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html>

use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_metadata::{Read, Record};
use tarn_policy::Authorized;
use tarn_runtime::EntropyExt;
use tarn_types::Arn;

use crate::errors::ObjectsError;
use crate::events::delivery::{EventSink, TestEvent};
use crate::events::{EventKind, Eventful};
use crate::keyspaces::{EVENTFUL, NOTIFICATIONS};
use crate::names::BucketName;
use crate::objects::{Objects, bucket_in};
use crate::records::bucket_key;

/// The most configurations of a bucket.
pub const NOTIFICATION_RULES_COUNT_MAX: usize = 100;
/// The longest id of one, characters.
const ID_CHARS_MAX: usize = 255;
/// The longest prefix or suffix, bytes.
const FILTER_SIZE_BYTES_MAX: usize = 1024;

/// What kind of destination a configuration names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DestinationKind {
    /// `QueueConfiguration`.
    Queue,
    /// `TopicConfiguration`.
    Topic,
    /// `LambdaFunctionConfiguration`, `CloudFunctionConfiguration`.
    Function,
}

/// What of an event's name a configuration wants: `s3:ObjectCreated:Put`, `s3:ObjectCreated:*`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventPattern(String);

impl EventPattern {
    /// Checks the name.
    pub fn parse(text: &str) -> Result<Self, ObjectsError> {
        let pattern = Self(text.to_owned());
        let is_whole = |kind: &EventKind| text.strip_prefix("s3:") == Some(kind.name());
        let is_group = text.strip_suffix('*').is_some_and(|group| {
            group.ends_with(':')
                && group.len() > "s3:".len()
                && EventKind::ALL.iter().any(|kind| pattern.matches(*kind))
        });
        if is_group || EventKind::ALL.iter().any(is_whole) {
            return Ok(pattern);
        }
        Err(ObjectsError::InvalidArgument {
            name: "Event",
            value: text.to_owned(),
            reason: "The event is not supported for notifications",
        })
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn matches(&self, kind: EventKind) -> bool {
        match (self.0.strip_prefix("s3:"), kind.name()) {
            (Some(pattern), name) => match pattern.strip_suffix('*') {
                Some(group) => name.starts_with(group),
                None => pattern == name,
            },
            (None, _) => false,
        }
    }
}

/// Which events go to one destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationRule {
    /// Empty: one is made.
    pub id: String,
    /// What kind of destination.
    pub kind: DestinationKind,
    /// Its ARN.
    pub destination: String,
    /// Which events.
    pub events: Vec<EventPattern>,
    /// Only of keys that begin so.
    pub prefix: Option<String>,
    /// Only of keys that end so.
    pub suffix: Option<String>,
}

impl NotificationRule {
    fn wants(&self, kind: EventKind, key: &str) -> bool {
        self.prefix.as_ref().is_none_or(|prefix| key.starts_with(prefix.as_str()))
            && self.suffix.as_ref().is_none_or(|suffix| key.ends_with(suffix.as_str()))
            && self.events.iter().any(|pattern| pattern.matches(kind))
    }

    /// The first pair of patterns that some event matches both of.
    fn common_event<'a>(&'a self, other: &'a Self) -> Option<(&'a str, &'a str)> {
        let pairs = self.events.iter().flat_map(|one| other.events.iter().map(move |two| (one, two)));
        let mut common =
            pairs.filter(|(one, two)| EventKind::ALL.iter().any(|kind| one.matches(*kind) && two.matches(*kind)));
        common.next().map(|(one, two)| (one.as_str(), two.as_str()))
    }

    /// Whether S3 takes some key for one of both.
    fn overlaps(&self, other: &Self) -> bool {
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        let (prefix, other_prefix) = (text(&self.prefix), text(&other.prefix));
        let (suffix, other_suffix) = (text(&self.suffix), text(&other.suffix));
        (prefix.starts_with(&other_prefix) || other_prefix.starts_with(&prefix))
            && (suffix.ends_with(&other_suffix) || other_suffix.ends_with(&suffix))
    }
}

/// A bucket's notifications.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationConfiguration {
    /// In the order they were given.
    pub rules: Vec<NotificationRule>,
    /// Whether all events go to the bus.
    pub event_bridge: bool,
}

impl Record for NotificationConfiguration {
    const VERSION: u16 = 1;
}

fn invalid(name: &'static str, value: impl Into<String>, reason: &'static str) -> ObjectsError {
    ObjectsError::InvalidArgument { name, value: value.into(), reason }
}

impl NotificationConfiguration {
    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && !self.event_bridge
    }

    /// The destinations that want an event, each with the id of its configuration.
    pub(crate) fn wants(&self, kind: EventKind, key: &str) -> Vec<(&str, &str)> {
        let wants = self.rules.iter().filter(|rule| rule.wants(kind, key));
        wants.map(|rule| (rule.destination.as_str(), rule.id.as_str())).collect()
    }

    /// Refuses what S3 refuses whoever the destinations are.
    fn check(&self) -> Result<(), ObjectsError> {
        if self.rules.len() > NOTIFICATION_RULES_COUNT_MAX {
            return Err(invalid(
                "NotificationConfiguration",
                self.rules.len().to_string(),
                "a bucket has at most 100 notification configurations",
            ));
        }
        for (at, rule) in self.rules.iter().enumerate() {
            if rule.id.chars().count() > ID_CHARS_MAX {
                return Err(invalid("Id", rule.id.clone(), "ID length should not exceed allowed limit of 255"));
            }
            if rule.events.is_empty() {
                return Err(ObjectsError::MalformedConfiguration {
                    reason: "a notification configuration names at least one event".to_owned(),
                });
            }
            for filter in [&rule.prefix, &rule.suffix].into_iter().flatten() {
                if filter.len() > FILTER_SIZE_BYTES_MAX {
                    return Err(invalid("FilterRule", filter.clone(), "filter value cannot exceed 1024 bytes"));
                }
            }
            for other in self.rules.iter().take(at) {
                if rule.id == other.id {
                    return Err(invalid(
                        "Id",
                        rule.id.clone(),
                        "Same ID used for multiple configurations. IDs must be unique",
                    ));
                }
                let Some((one, two)) = other.common_event(rule).filter(|_| rule.overlaps(other)) else { continue };
                let filters = [&rule.prefix, &rule.suffix, &other.prefix, &other.suffix];
                // The sentences are AWS's: clients look for them.
                let reason = if filters.into_iter().all(Option::is_none) {
                    "Configurations overlap. Configurations on the same bucket cannot share a common event type."
                } else {
                    "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type."
                };
                return Err(invalid("Event", format!("{one}, {two}"), reason));
            }
        }
        Ok(())
    }
}

/// The sentence is AWS's.
const UNREACHABLE: &str = "Unable to validate the following destination configurations";

impl Objects {
    /// The bucket's notifications; empty if it has none.
    pub fn bucket_notifications(
        &self,
        _proof: &Authorized,
        bucket: &BucketName,
    ) -> Result<NotificationConfiguration, ObjectsError> {
        Ok(self.configuration(NOTIFICATIONS, bucket)?.unwrap_or_default())
    }

    /// Replaces the bucket's notifications; empty ends them. Unless told not to, each destination is sent a test event and must take it.
    pub async fn put_bucket_notifications(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        mut configuration: NotificationConfiguration,
        sink: Option<&dyn EventSink>,
        skips_test: bool,
    ) -> Result<(), ObjectsError> {
        for rule in &mut configuration.rules {
            if rule.id.is_empty() {
                rule.id = self.runtime.entropy.uuid().to_string();
            }
        }
        configuration.check()?;
        let owner = bucket_in(&self.snapshot()?, bucket)?.owner;
        for rule in &configuration.rules {
            let refused = |_| invalid("destination", rule.destination.clone(), UNREACHABLE);
            let sink = sink.ok_or("nobody takes events".to_owned()).map_err(refused)?;
            Arn::parse(&rule.destination)
                .map_err(|_| invalid("destination", rule.destination.clone(), "The ARN is not well formed"))?;
            sink.check(&owner, &rule.destination).map_err(refused)?;
            if !skips_test && rule.kind != DestinationKind::Function {
                let test = TestEvent {
                    bucket: bucket.clone(),
                    owner: owner.clone(),
                    time_ms: self.now_ms(),
                    request_id: caller.event().request_id.clone(),
                };
                sink.test(&rule.destination, &test).await.map_err(refused)?;
            }
        }
        let bucket = bucket.clone();
        caller
            .commit(&*self.store, move |tx| {
                bucket_in(tx, &bucket)?;
                let at = bucket_key(&bucket);
                let eventful = tx.get(EVENTFUL, &at)?.unwrap_or_default();
                let eventful = Eventful { notifications: !configuration.is_empty(), ..eventful };
                match eventful.notifications {
                    true => tx.put(NOTIFICATIONS, &at, &configuration)?,
                    false => tx.delete(NOTIFICATIONS, &at)?,
                }
                match eventful.notifications || eventful.replication {
                    true => tx.put(EVENTFUL, &at, &eventful)?,
                    false => tx.delete(EVENTFUL, &at)?,
                }
                Ok::<_, ObjectsError>(())
            })
            .await?;
        self.events.rules_changed();
        Ok(())
    }
}
