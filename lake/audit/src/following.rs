//! Who is to get events as they come: active trails, what each asks for, and the queue of what it has not taken yet. Knows nothing of
//! trails but their wishes.
//!
//! An event is queued in the transaction that records it. So a trail misses nothing that is done after it was told to log, gets nothing
//! twice (who takes removes in the transaction that delivers), and the order of the queue is that of the commits, not of clocks.

use std::ops::Bound;

use serde::{Deserialize, Serialize};
use tarn_metadata::{Key, Keyspace, Read, Record, Sequence, StoreError, StoreExt, Tx};
use tarn_policy::{Principal, PrincipalKind};
use tarn_types::AccountId;

use crate::event::event_key;
use crate::{AuditError, AuditLog, EVENTS, Event, EventDraft, EventId, resource_type};

/// Who follows, by account.
pub const FOLLOWERS: Keyspace<Followers> = Keyspace::new(0x0302, "audit.followers");
/// What waits for a follower: by follower, transaction and event.
pub const QUEUE: Keyspace<Queued> = Keyspace::new(0x0303, "audit.queue");

/// Who delivers trails, in policies and records.
pub const TRAIL_SERVICE: &str = "cloudtrail.amazonaws.com";

/// Names a follower: a trail's own id, which is not used again.
pub type FollowerId = [u8; 16];

/// What an event is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EventField {
    /// `Management` or `Data`.
    Category,
    /// `PutObject`.
    Name,
    /// `s3.amazonaws.com`.
    Source,
    /// `AwsApiCall`.
    Type,
    /// `true` or `false`.
    ReadOnly,
    /// `AWS::S3::Object`.
    ResourceType,
    /// The ARN of the same resource.
    ResourceArn,
    /// Who asked.
    UserArn,
    /// Whether a console's session asked: `true` or `false`.
    ConsoleSession,
}

/// What one field must be. Of the words that let in, one suffices; each of those that keep out does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldCondition {
    /// Of which field.
    pub field: EventField,
    /// Is one of these.
    pub equals: Vec<String>,
    /// Begins with one of these.
    pub starts_with: Vec<String>,
    /// Ends with one of these.
    pub ends_with: Vec<String>,
    /// Is none of these.
    pub not_equals: Vec<String>,
    /// Begins with none of these.
    pub not_starts_with: Vec<String>,
    /// Ends with none of these.
    pub not_ends_with: Vec<String>,
}

impl FieldCondition {
    /// Nothing asked of `field` yet.
    pub fn of(field: EventField) -> Self {
        Self {
            field,
            equals: Vec::new(),
            starts_with: Vec::new(),
            ends_with: Vec::new(),
            not_equals: Vec::new(),
            not_starts_with: Vec::new(),
            not_ends_with: Vec::new(),
        }
    }

    /// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/filtering-data-events.html>
    fn holds(&self, value: Option<&str>) -> bool {
        let asks = !(self.equals.is_empty() && self.starts_with.is_empty() && self.ends_with.is_empty());
        let Some(value) = value else { return !asks };
        let lets_in = self.equals.iter().any(|word| value == word)
            || self.starts_with.iter().any(|word| value.starts_with(word.as_str()))
            || self.ends_with.iter().any(|word| value.ends_with(word.as_str()));
        let keeps_out = self.not_equals.iter().any(|word| value == word)
            || self.not_starts_with.iter().any(|word| value.starts_with(word.as_str()))
            || self.not_ends_with.iter().any(|word| value.ends_with(word.as_str()));
        (lets_in || !asks) && !keeps_out
    }
}

/// One kind of wished events: all conditions must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventWish(pub Vec<FieldCondition>);

/// An active trail: it gets what one of its wishes takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follower {
    /// Whose queue it is.
    pub id: FollowerId,
    /// What it asks for.
    pub wishes: Vec<EventWish>,
    /// Whether not the puts by which trails are delivered, though it asks for puts.
    pub skips_deliveries: bool,
}

/// The followers of an account's events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Followers(pub Vec<Follower>);

impl Record for Followers {
    const VERSION: u16 = 1;
}

/// An event that waits for a follower: where in its account it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    /// The event's time.
    pub time_ms: i64,
    /// The event's name.
    pub id: EventId,
}

impl Record for Queued {
    const VERSION: u16 = 1;
}

/// What wishes see of an event.
struct Seen<'e> {
    read_only: bool,
    management: bool,
    name: &'e str,
    source: &'e str,
    principal: &'e Principal,
    resources: &'e [String],
}

impl<'e> From<&'e Event> for Seen<'e> {
    fn from(event: &'e Event) -> Self {
        Self {
            read_only: event.read_only,
            management: event.management,
            name: &event.event_name,
            source: &event.event_source,
            principal: &event.principal,
            resources: &event.resources,
        }
    }
}

impl<'e> From<&'e EventDraft> for Seen<'e> {
    fn from(draft: &'e EventDraft) -> Self {
        Self {
            read_only: draft.read_only,
            management: draft.management,
            name: &draft.event_name,
            source: &draft.event_source,
            principal: &draft.principal,
            resources: &draft.resources,
        }
    }
}

/// The resources that wishes speak of. Beside an object its bucket is none; alone, as when it is listed, it stands for the objects in it.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-s3-info.html>
fn wished(resources: &[String]) -> Vec<(Option<&'static str>, String)> {
    let kinds: Vec<_> = resources.iter().map(|arn| (resource_type(arn), arn)).collect();
    let has_objects = kinds.iter().any(|(kind, _)| *kind == Some("AWS::S3::Object"));
    let wished = kinds.into_iter().filter_map(|(kind, arn)| match kind {
        Some("AWS::S3::Bucket") if has_objects => None,
        Some("AWS::S3::Bucket") => Some((Some("AWS::S3::Object"), format!("{arn}/"))),
        kind => Some((kind, arn.clone())),
    });
    wished.collect()
}

impl EventWish {
    fn takes(&self, seen: &Seen<'_>) -> bool {
        let is_of_resource =
            |condition: &&FieldCondition| matches!(condition.field, EventField::ResourceType | EventField::ResourceArn);
        let flag = |value: bool| if value { "true" } else { "false" };
        let of_event = |condition: &FieldCondition| match condition.field {
            EventField::Category => condition.holds(Some(if seen.management { "Management" } else { "Data" })),
            EventField::Name => condition.holds(Some(seen.name)),
            EventField::Source => condition.holds(Some(seen.source)),
            EventField::Type => condition.holds(Some("AwsApiCall")),
            EventField::ReadOnly => condition.holds(Some(flag(seen.read_only))),
            EventField::UserArn => condition.holds(seen.principal.arn().map(|arn| arn.to_string()).as_deref()),
            EventField::ConsoleSession => condition.holds(Some(flag(false))),
            EventField::ResourceType | EventField::ResourceArn => true,
        };
        if !self.0.iter().all(of_event) {
            return false;
        }
        // The type and the ARN asked for must be those of one resource.
        let holds_for = |kind: Option<&str>, arn: Option<&str>| {
            self.0.iter().filter(is_of_resource).all(|condition| match condition.field {
                EventField::ResourceType => condition.holds(kind),
                _ => condition.holds(arn),
            })
        };
        if !self.0.iter().any(|condition| is_of_resource(&condition)) {
            return true;
        }
        if seen.resources.is_empty() {
            return holds_for(None, None);
        }
        wished(seen.resources).iter().any(|(kind, arn)| holds_for(*kind, Some(arn)))
    }
}

impl Follower {
    fn takes(&self, seen: &Seen<'_>) -> bool {
        // <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-trail-recursive-logging.html>
        let is_delivery = seen.name == "PutObject"
            && seen.source == "s3.amazonaws.com"
            && matches!(&seen.principal.kind, PrincipalKind::Service { name } if name == TRAIL_SERVICE);
        if is_delivery && self.skips_deliveries {
            return false;
        }
        self.wishes.iter().any(|wish| wish.takes(seen))
    }
}

fn of_account(account: &AccountId) -> Key {
    Key::new().text(account.as_str())
}

impl Event {
    /// Keeps the event in `tx`, and queues it for whoever follows such.
    pub fn record(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        tx.put(EVENTS, &self.key(), self)?;
        let Some(Followers(followers)) = tx.get(FOLLOWERS, &of_account(&self.scope.account))? else { return Ok(()) };
        let (seen, sequence) = (Seen::from(self), tx.sequence().0);
        for follower in followers.iter().filter(|follower| follower.takes(&seen)) {
            let key = Key::new().raw(&follower.id).u64(sequence).raw(&self.id);
            tx.put(QUEUE, &key, &Queued { time_ms: self.time_ms, id: self.id })?;
        }
        Ok(())
    }
}

/// Sets who follows the events of `account`, from this transaction on. Tell `AuditLog::followers_changed` when it has committed.
pub fn set_followers(tx: &mut Tx<'_>, account: &AccountId, followers: Vec<Follower>) -> Result<(), StoreError> {
    match followers.is_empty() {
        true => tx.delete(FOLLOWERS, &of_account(account)),
        false => tx.put(FOLLOWERS, &of_account(account), &Followers(followers)),
    }
}

/// An event that waits for a follower, and its place in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// To be removed with `take`.
    pub place: Key,
    /// The event; `None` where retention has removed it.
    pub event: Option<Event>,
}

/// The first `limit` events of `account` that were queued for a follower by the transaction `until`, oldest first.
pub fn waiting(
    read: &impl Read,
    account: &AccountId,
    follower: &FollowerId,
    until: Sequence,
    limit: usize,
) -> Result<Vec<Waiting>, StoreError> {
    let queue = Key::new().raw(follower);
    let end = queue.clone().u64(until.0.saturating_add(1));
    let found = read.range(QUEUE, Bound::Included(&queue), Bound::Excluded(&end)).take(limit);
    found
        .map(|item| {
            let (place, Queued { time_ms, id }) = item?;
            let event = read.get(EVENTS, &event_key(account, time_ms, &id))?;
            Ok(Waiting { place, event: event.map(|event| event.with_answer(read)).transpose()? })
        })
        .collect()
}

/// Removes places from the queue, in the transaction that delivers what was there.
pub fn take<'p>(tx: &mut Tx<'_>, places: impl IntoIterator<Item = &'p Key>) -> Result<(), StoreError> {
    places.into_iter().try_for_each(|place| tx.delete(QUEUE, place))
}

impl AuditLog {
    /// As `waiting`, up to the first event whose call goes on and may be answered yet.
    pub async fn answered(
        &self,
        account: &AccountId,
        follower: &FollowerId,
        until: Sequence,
        limit: usize,
    ) -> Result<Vec<Waiting>, AuditError> {
        // In this order: of what was queued until then, a call that is not among these has ended, and the flush has written its answer.
        let unanswered = self.unanswered();
        self.flush().await?;
        let mut found = waiting(&self.store.read()?, account, follower, until, limit)?;
        let goes_on = |waiting: &Waiting| waiting.event.as_ref().is_some_and(|event| unanswered.contains(&event.id));
        found.truncate(found.iter().position(goes_on).unwrap_or(found.len()));
        Ok(found)
    }

    /// Who follows `account` is another: call when a transaction with `set_followers` has committed, so that reads are kept as asked.
    pub fn followers_changed(&self, account: &AccountId) -> Result<(), AuditError> {
        // Read under the lock: of two changes the later one's state stays.
        let mut following = self.following.write();
        match self.store.read()?.get(FOLLOWERS, &of_account(account))? {
            Some(Followers(followers)) => following.insert(account.clone(), followers),
            None => following.remove(account),
        };
        Ok(())
    }

    /// Whether somebody asks for such an event. A look, where nobody follows anything.
    pub(crate) fn is_followed(&self, draft: &EventDraft) -> bool {
        let following = self.following.read();
        if following.is_empty() {
            return false;
        }
        let Some(followers) = following.get(&draft.scope.account) else { return false };
        let seen = Seen::from(draft);
        followers.iter().any(|follower| follower.takes(&seen))
    }
}

pub(crate) type Following = std::collections::HashMap<AccountId, Vec<Follower>>;

/// All followers as they are kept.
pub(crate) fn read_following(read: &impl Read) -> Result<Following, StoreError> {
    let mut following = Following::new();
    for item in read.prefix(FOLLOWERS, &Key::new()) {
        let (key, Followers(followers)) = item?;
        let account = Key::reader(key.as_bytes()).text().and_then(|account| AccountId::new(account).ok());
        following.extend(account.map(|account| (account, followers)));
    }
    Ok(following)
}
