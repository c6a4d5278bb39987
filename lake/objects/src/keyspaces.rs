//! Where buckets and objects lie in the metadata store: keyspaces 0x04xx. Ids are never reused.

use tarn_metadata::{Keyspace, Outbox};

use crate::cors::CorsConfiguration;
use crate::events::notifications::NotificationConfiguration;
use crate::events::queue::EventQueue;
use crate::events::{Event, Eventful};
use crate::intelligent_tiering::{TieringConfiguration, TieringDue, TieringScan, Watched};
use crate::inventory::{InventoryConfiguration, InventoryDue, InventoryRun};
use crate::lifecycle::LifecycleConfiguration;
use crate::lifecycle::queue::{LifecycleDue, LifecycleFollowed, LifecycleScan};
use crate::logging::{AccessLine, LoggingConfiguration};
use crate::metrics::{AnalyticsConfiguration, MetricsConfiguration};
use crate::multipart::UploadKeys;
use crate::policy::PolicyPrincipals;
use crate::public_access_block::PublicAccessBlock;
use crate::records::{
    Bucket, CurrentVersion, DeadBlobs, HistoryRecord, NullVersion, PartOwner, UploadRecord, UploadedPart, VersionRecord,
};
use crate::replication::rules::ReplicationConfiguration;
use crate::replication::state::{ReplicationQueue, ReplicationState, ReplicationTask};
use crate::request_payment::{Abac, Acceleration, Payer};
use crate::restore::Waiting;
use crate::volumes::Volume;
use crate::website::WebsiteConfiguration;

/// Buckets by name.
pub const BUCKETS: Keyspace<Bucket> = Keyspace::new(0x0400, "objects.buckets");
/// What is at each key now: by bucket and key. Listings read only this.
pub const CURRENT: Keyspace<CurrentVersion> = Keyspace::new(0x0401, "objects.current");
/// Objects' versions by their id, the latest ones and the others.
pub const VERSIONS: Keyspace<VersionRecord> = Keyspace::new(0x0402, "objects.versions");
/// Uploads under way: by bucket, key and id.
pub const UPLOADS: Keyspace<UploadRecord> = Keyspace::new(0x0403, "objects.uploads");
/// What was said of their objects when they began: by bucket, key and id. Uploads from before this was kept have none.
pub const UPLOAD_KEYS: Keyspace<UploadKeys> = Keyspace::new(0x0432, "objects.upload-keys");
/// Parts of uploads under way: by upload and number.
pub const PARTS: Keyspace<UploadedPart> = Keyspace::new(0x0404, "objects.parts");
/// Whose part a blob is: by the blob's owner.
pub const PART_OWNERS: Keyspace<PartOwner> = Keyspace::new(0x0405, "objects.part-owners");
/// Blobs to be deleted.
pub const DEAD_BLOBS: Outbox<DeadBlobs> = Outbox::new(Keyspace::new(0x0406, "objects.dead-blobs"));
/// Versions that are not the latest, and all delete markers: by bucket, key and order, the newest first. Where a key has a row here
/// and none in `CURRENT`, the first one is a delete marker.
pub const HISTORY: Keyspace<HistoryRecord> = Keyspace::new(0x0410, "objects.history");
/// Null versions that lie in the history: by bucket and key.
pub const NULL_VERSIONS: Keyspace<NullVersion> = Keyspace::new(0x0411, "objects.null-versions");
/// Block Public Access of accounts: by account.
pub const ACCOUNT_PUBLIC_ACCESS_BLOCKS: Keyspace<PublicAccessBlock> =
    Keyspace::new(0x0418, "objects.account-public-access-blocks");
/// Lifecycle rules, by bucket.
pub const LIFECYCLES: Keyspace<LifecycleConfiguration> = Keyspace::new(0x0440, "objects.lifecycles");
/// Keys that rules want to look at: by time (milliseconds since 1970), bucket and key.
pub const LIFECYCLE_DUE: Keyspace<LifecycleDue> = Keyspace::new(0x0441, "objects.lifecycle-due");
/// Buckets whose rules changed and whose objects are being looked at for it, by bucket.
pub const LIFECYCLE_SCANS: Keyspace<LifecycleScan> = Keyspace::new(0x0442, "objects.lifecycle-scans");
/// Up to where the log has been followed for rules: one record, while any bucket has rules.
pub const LIFECYCLE_FOLLOWED: Keyspace<LifecycleFollowed> = Keyspace::new(0x0443, "objects.lifecycle-followed");
/// Cross-origin rules: by bucket.
pub const CORS: Keyspace<CorsConfiguration> = Keyspace::new(0x0428, "objects.cors");
/// Websites: by bucket.
pub const WEBSITES: Keyspace<WebsiteConfiguration> = Keyspace::new(0x0429, "objects.websites");
/// Who pays: by bucket.
pub const REQUEST_PAYMENT: Keyspace<Payer> = Keyspace::new(0x042a, "objects.request-payment");
/// Acceleration: by bucket.
pub const ACCELERATE: Keyspace<Acceleration> = Keyspace::new(0x042b, "objects.accelerate");
/// Whether policies may speak of a bucket's tags: by bucket.
pub const ABAC: Keyspace<Abac> = Keyspace::new(0x042c, "objects.abac");
/// Whom a bucket's policy names, by their unique ids: by bucket.
pub const POLICY_PRINCIPALS: Keyspace<PolicyPrincipals> = Keyspace::new(0x0431, "objects.policy-principals");
/// Request metrics: by bucket and id.
pub const METRICS: Keyspace<MetricsConfiguration> = Keyspace::new(0x042d, "objects.metrics");
/// Storage class analyses: by bucket and id.
pub const ANALYTICS: Keyspace<AnalyticsConfiguration> = Keyspace::new(0x042e, "objects.analytics");
/// Where requests are written down: by bucket.
pub const LOGGING: Keyspace<LoggingConfiguration> = Keyspace::new(0x042f, "objects.logging");
/// Lines of access logs that wait to be delivered: by bucket, time and a random id.
pub const ACCESS_LINES: Keyspace<AccessLine> = Keyspace::new(0x0430, "objects.access-lines");
/// Restores that wait: by urgency, time and version.
pub const RESTORE_QUEUE: Keyspace<Waiting> = Keyspace::new(0x0420, "objects.restore-queue");
/// When restored copies go: by time and version.
pub const RESTORE_EXPIRIES: Keyspace<Waiting> = Keyspace::new(0x0421, "objects.restore-expiries");
/// Inventories: by bucket and id.
pub const INVENTORIES: Keyspace<InventoryConfiguration> = Keyspace::new(0x0460, "objects.inventories");
/// When inventories are made next: by time (milliseconds since 1970), bucket and id.
pub const INVENTORY_DUE: Keyspace<InventoryDue> = Keyspace::new(0x0461, "objects.inventory-due");
/// Inventories that are being made: by bucket and id.
pub const INVENTORY_RUNS: Keyspace<InventoryRun> = Keyspace::new(0x0462, "objects.inventory-runs");
/// Archive configurations of INTELLIGENT_TIERING: by bucket and id.
pub const TIERING: Keyspace<TieringConfiguration> = Keyspace::new(0x0468, "objects.tiering");
/// Objects of INTELLIGENT_TIERING that are watched: by bucket and version.
pub const WATCHED: Keyspace<Watched> = Keyspace::new(0x0469, "objects.watched");
/// When those are looked at next: by time (milliseconds since 1970), bucket and version.
pub const TIERING_DUE: Keyspace<TieringDue> = Keyspace::new(0x046a, "objects.tiering-due");
/// Buckets whose archive configurations changed, by bucket.
pub const TIERING_SCANS: Keyspace<TieringScan> = Keyspace::new(0x046b, "objects.tiering-scans");
/// Buckets whose changes somebody is told of, by bucket: the one look-up of those whose changes nobody is.
pub const EVENTFUL: Keyspace<Eventful> = Keyspace::new(0x0450, "objects.eventful");
/// Notifications: by bucket.
pub const NOTIFICATIONS: Keyspace<NotificationConfiguration> = Keyspace::new(0x0451, "objects.notifications");
/// Queues in which events wait, by their names.
pub const EVENT_QUEUES: Keyspace<EventQueue> = Keyspace::new(0x0452, "objects.event-queues");
/// Events that wait: by queue and number.
pub const EVENTS: Keyspace<Event> = Keyspace::new(0x0453, "objects.events");
/// Replication rules: by bucket.
pub const REPLICATIONS: Keyspace<ReplicationConfiguration> = Keyspace::new(0x0454, "objects.replications");
/// How versions and delete markers stand with replication: by bucket, key and order.
pub const REPLICATION_STATES: Keyspace<ReplicationState> = Keyspace::new(0x0455, "objects.replication-states");
/// Destinations to which something is to be copied, by their ARNs.
pub const REPLICATION_QUEUES: Keyspace<ReplicationQueue> = Keyspace::new(0x0456, "objects.replication-queues");
/// What is to be copied: by destination and number.
pub const REPLICATION_TASKS: Keyspace<ReplicationTask> = Keyspace::new(0x0457, "objects.replication-tasks");
/// Other drives and remote buckets that hold objects: by name.
pub const VOLUMES: Keyspace<Volume> = Keyspace::new(0x0470, "objects.volumes");
