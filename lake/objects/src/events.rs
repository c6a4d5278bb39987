//! What happens to objects, told to whoever asked for it. Every change of an object calls `announce` in its own transaction: where a
//! bucket is watched by nobody that is one look-up, otherwise what is to be told becomes rows in the same transaction. Knows no wire form
//! of an event and nobody who takes one.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html>
//!
//! **Invariant:** a change that was acknowledged is in a queue of each destination that its bucket's configuration had named by then, in
//! the order of the log, or was delivered, or the queue was full and counts it as dropped.

pub(crate) mod delivery;
pub(crate) mod notifications;
pub(crate) mod queue;

use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_metadata::{Read, Record, Tx};
use tarn_policy::PrincipalKind;
use tarn_types::{AccountId, Region};

use crate::classes::{AccessTier, StorageClass};
use crate::errors::ObjectsError;
use crate::keyspaces::{EVENTFUL, NOTIFICATIONS, REPLICATIONS};
use crate::names::{BucketName, ObjectKey};
use crate::objects::{Objects, bucket_in};
use crate::records::{VersionRecord, Versioning, bucket_key};
use crate::replication;
use crate::versions::VersionId;

/// Who did what nobody asked for.
const SERVICE: &str = "s3.amazonaws.com";
/// The entity tag of nothing, which AWS tells of deletions that named no version.
const ETAG_OF_NOTHING: &str = "d41d8cd98f00b204e9800998ecf8427e";

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal;)*) => {
        /// What happened to an object.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum EventKind { $($(#[$doc])* $kind,)* }

        impl EventKind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// S3's name without `s3:`, such as `ObjectCreated:Put`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }
        }
    };
}

kinds! {
    /// It was put at once.
    CreatedPut = "ObjectCreated:Put";
    /// A browser's form put it.
    CreatedPost = "ObjectCreated:Post";
    /// It was copied.
    CreatedCopy = "ObjectCreated:Copy";
    /// It was put in parts.
    CreatedInParts = "ObjectCreated:CompleteMultipartUpload";
    /// It, or a version of it, was removed.
    Removed = "ObjectRemoved:Delete";
    /// A delete marker was put on it.
    Marked = "ObjectRemoved:DeleteMarkerCreated";
    /// It was given tags.
    TagsPut = "ObjectTagging:Put";
    /// Its tags were removed.
    TagsRemoved = "ObjectTagging:Delete";
    /// It was given a list.
    AclPut = "ObjectAcl:Put";
    /// A readable copy of it was asked for.
    RestoreAsked = "ObjectRestore:Post";
    /// There is one.
    Restored = "ObjectRestore:Completed";
    /// There is none any more.
    RestoreExpired = "ObjectRestore:Delete";
    /// A lifecycle rule removed it, or a version of it.
    Expired = "LifecycleExpiration:Delete";
    /// A lifecycle rule put a delete marker on it.
    ExpiredMarked = "LifecycleExpiration:DeleteMarkerCreated";
    /// A lifecycle rule moved it to another class.
    Moved = "LifecycleTransition";
    /// It moved to an archive tier of INTELLIGENT_TIERING.
    Tiered = "IntelligentTiering";
    /// It could not be replicated.
    ReplicationFailed = "Replication:OperationFailedReplication";
    /// It is not replicated yet, fifteen minutes after.
    ReplicationLate = "Replication:OperationMissedThreshold";
    /// It was replicated after more than fifteen minutes.
    ReplicatedLate = "Replication:OperationReplicatedAfterThreshold";
    /// Its replication is not measured any more.
    ReplicationUntracked = "Replication:OperationNotTracked";
    /// Never happens here: nothing is kept with reduced redundancy. AWS has it, so that configurations may name it.
    Lost = "ReducedRedundancyLostObject";
}

/// What is told only of some kinds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventDetails {
    /// Nothing more.
    None,
    /// Of a restore.
    Restore {
        /// The class it was restored from.
        class: StorageClass,
        /// Until when there is a copy, milliseconds since 1970.
        expires_ms: Option<i64>,
    },
    /// Of a move.
    Class {
        /// To which class.
        class: StorageClass,
    },
    /// Of a move within INTELLIGENT_TIERING.
    Tier {
        /// To which tier.
        tier: AccessTier,
    },
    /// Of a replication.
    Replication {
        /// By which rule.
        rule: String,
        /// The ARN of the bucket it was to go to.
        destination: String,
        /// When it was asked for, milliseconds since 1970.
        requested_ms: i64,
        /// Why it failed, if it did.
        failure: Option<String>,
    },
}

/// One thing that happened, as it is queued and delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// In which bucket.
    pub bucket: BucketName,
    /// Whose that is.
    pub owner: AccountId,
    /// Where that is.
    pub region: Region,
    /// To which object.
    pub key: ObjectKey,
    /// The number of the transaction.
    pub sequence: u64,
    /// The how-manieth of the bucket in it.
    pub position: u32,
    /// Milliseconds since 1970.
    pub time_ms: i64,
    /// Who did it: an id as `aws:userid` has it, or a service.
    pub principal: String,
    /// The account of whom did it; none for a service.
    pub requester: Option<AccountId>,
    /// From where.
    pub source_ip: String,
    /// By which request.
    pub request_id: String,
    /// Which version, in a versioned bucket.
    pub version: Option<String>,
    /// Its bytes.
    pub size_bytes: Option<u64>,
    /// Its entity tag.
    pub etag: Option<String>,
    /// Which configuration wants it told; empty for the bus.
    pub configuration_id: String,
    /// More.
    pub details: EventDetails,
}

impl Record for Event {
    const VERSION: u16 = 1;
}

impl Event {
    /// Grows with each event of a key: 16 digits of the log's number, 4 of the place in it.
    pub fn sequencer(&self) -> String {
        format!("{:016X}{:04X}", self.sequence, self.position)
    }
}

/// That a bucket is watched, and what its last event was: one small record, so that `announce` is one look-up where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Eventful {
    /// Whether it has notifications.
    pub(crate) notifications: bool,
    /// Whether it has replication rules.
    pub(crate) replication: bool,
    /// The transaction of the last event.
    pub(crate) sequence: u64,
    /// Its place in it.
    pub(crate) position: u32,
}

impl Record for Eventful {
    const VERSION: u16 = 1;
}

/// Who made a change, and when.
#[derive(Debug, Clone)]
pub(crate) struct ChangedBy {
    caller: Option<Caller>,
    now_ms: i64,
}

impl Objects {
    /// For the event of a change that `caller` makes.
    pub(crate) fn changed_by(&self, caller: &Caller) -> ChangedBy {
        ChangedBy { caller: Some(caller.clone()), now_ms: self.now_ms() }
    }

    /// For the event of a change that the lake makes by itself.
    pub(crate) fn changed_by_itself(&self) -> ChangedBy {
        ChangedBy { caller: None, now_ms: self.now_ms() }
    }
}

/// What of the object a change tells.
#[derive(Debug, Clone)]
pub(crate) enum Subject<'a> {
    /// A version that is there.
    Version(&'a VersionRecord),
    /// What was removed: this version, or without one all there was.
    Removed(Option<VersionId>),
    /// A delete marker.
    Marker(VersionId),
}

/// A change of an object, as `announce` takes it.
pub(crate) struct Change<'a> {
    pub(crate) kind: EventKind,
    pub(crate) bucket: &'a BucketName,
    pub(crate) key: &'a ObjectKey,
    pub(crate) subject: Subject<'a>,
    pub(crate) details: EventDetails,
    pub(crate) by: &'a ChangedBy,
}

impl<'a> Change<'a> {
    /// Of a version that is there, with nothing more to tell.
    pub(crate) fn of(kind: EventKind, record: &'a VersionRecord, by: &'a ChangedBy) -> Self {
        let (bucket, key) = (&record.bucket, &record.key);
        Self { kind, bucket, key, subject: Subject::Version(record), details: EventDetails::None, by }
    }

    pub(crate) fn with(self, details: EventDetails) -> Self {
        Self { details, ..self }
    }
}

/// Whether anybody is to be told of changes in the bucket. For changes that must look at more before they can be announced.
pub(crate) fn is_eventful(read: &impl Read, bucket: &BucketName) -> Result<bool, ObjectsError> {
    Ok(read.contains(EVENTFUL, &bucket_key(bucket))?)
}

/// Tells of a change: call it in the transaction of the change, after it.
pub(crate) fn announce(tx: &mut Tx<'_>, change: &Change<'_>) -> Result<(), ObjectsError> {
    let at = bucket_key(change.bucket);
    let Some(mut eventful) = tx.get(EVENTFUL, &at)? else { return Ok(()) };
    let sequence = tx.sequence().0;
    eventful.position = if eventful.sequence == sequence { eventful.position.saturating_add(1) } else { 0 };
    eventful.sequence = sequence;
    tx.put(EVENTFUL, &at, &eventful)?;
    if eventful.notifications
        && let Some(configuration) = tx.get(NOTIFICATIONS, &at)?
    {
        let ids = configuration.wants(change.kind, change.key.as_str());
        if configuration.event_bridge || !ids.is_empty() {
            let event = event_of(tx, change, &eventful)?;
            for (destination, configuration_id) in ids {
                queue::push(
                    tx,
                    destination,
                    &Event { configuration_id: configuration_id.to_owned(), ..event.clone() },
                )?;
            }
            if configuration.event_bridge && on_the_bus(change.kind) {
                queue::push(tx, queue::BUS, &event)?;
            }
        }
    }
    if eventful.replication {
        replication::follow(tx, change, change.by.now_ms)?;
    }
    Ok(())
}

/// Tells of a change that has no event and that copies follow: a lock's.
pub(crate) fn announce_lock(tx: &mut Tx<'_>, record: &VersionRecord, by: &ChangedBy) -> Result<(), ObjectsError> {
    let Some(configuration) = tx.get(REPLICATIONS, &bucket_key(&record.bucket))? else { return Ok(()) };
    let change = Change::of(EventKind::AclPut, record, by);
    replication::again(tx, &change, &configuration, record.order, record.id, by.now_ms)
}

/// Whether EventBridge is told of it: of replications it is not.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventBridge.html>
fn on_the_bus(kind: EventKind) -> bool {
    !kind.name().starts_with("Replication:")
}

fn event_of(tx: &Tx<'_>, change: &Change<'_>, eventful: &Eventful) -> Result<Event, ObjectsError> {
    let bucket = bucket_in(tx, change.bucket)?;
    let is_versioned = bucket.versioning != Versioning::Unversioned;
    let (version, size_bytes, etag) = match &change.subject {
        Subject::Version(record) => (Some(record.version_id()), Some(record.size_bytes), Some(record.etag.to_string())),
        Subject::Removed(version) => (*version, None, None),
        Subject::Marker(version) => (Some(*version), None, Some(ETAG_OF_NOTHING.to_owned())),
    };
    let ChangedBy { caller, now_ms } = change.by;
    let service = || SERVICE.to_owned();
    let (principal, requester, source_ip, request_id) = match caller {
        None => (service(), None, service(), String::new()),
        Some(caller) => {
            let (event, who) = (caller.event(), caller.principal());
            let is_service = matches!(who.kind, PrincipalKind::Service { .. });
            let principal = if is_service { who.id.clone() } else { format!("AWS:{}", who.id) };
            let requester = (!is_service).then(|| who.account.clone());
            (principal, requester, event.source_ip.clone(), event.request_id.clone())
        }
    };
    Ok(Event {
        kind: change.kind,
        bucket: change.bucket.clone(),
        owner: bucket.owner,
        region: bucket.region,
        key: change.key.clone(),
        sequence: eventful.sequence,
        position: eventful.position,
        time_ms: *now_ms,
        principal,
        requester,
        source_ip,
        request_id,
        version: version.filter(|_| is_versioned).map(|version| version.to_string()),
        size_bytes,
        etag,
        configuration_id: String::new(),
        details: change.details.clone(),
    })
}
