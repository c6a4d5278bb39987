//! Buckets and objects: put, read, listed, copied, uploaded in parts, deleted. Knows policies' proofs, keys, blobs and records;
//! knows no HTTP, no XML and no AWS wire shapes.
//!
//! * Reads take an `Authorized`, changes a `Caller`: a forgotten check does not compile.
//! * Bytes are hashed, sealed under a key of their own and made durable before the record that names them commits.
//! * A version found by `head_object` stays readable while it is held, whatever happens to its key.
//!
//! **Invariant:** what `put_object` acknowledged is what `read` gives, byte for byte, or an error; never other bytes.

mod acl;
mod buckets;
mod checksums;
mod classes;
mod conditions;
mod configurations;
mod copy;
mod cors;
mod delete;
mod deliveries;
mod encryption;
mod errors;
mod events;
mod gc;
mod get;
mod intelligent_tiering;
mod inventory;
pub mod keyspaces;
mod lifecycle;
mod listing;
mod listing_versions;
mod lock;
mod logging;
mod metrics;
mod multipart;
mod names;
mod objects;
mod opening;
mod ownership_controls;
mod packing;
mod pins;
mod policy;
mod public_access_block;
mod put;
mod records;
mod records_v1;
mod records_v2;
mod replication;
mod report;
mod request_payment;
mod restore;
pub mod select;
mod tagging;
mod transition;
mod verify;
mod versions;
mod volumes;
mod website;

#[cfg(test)]
mod tests;

pub use acl::{ACL_GRANTS_COUNT_MAX, Acl, AclGrant, AclPermission, AclRequest, CannedAcl, Grantee, OwnedAcl};
pub use buckets::{BucketPage, CreateBucket, LIST_BUCKETS_COUNT_MAX, ListBuckets};
pub use checksums::{Checksum, ChecksumAlgorithm, ChecksumKind, Etag, ExpectedDigests, ReadTrailer, RunningDigests};
pub use classes::{AccessTier, StorageClass};
pub use conditions::{EtagCondition, ReadConditions, WriteConditions};
pub use configurations::ConfigurationPage;
pub use copy::{CopiedObject, CopiedPart, CopyObject, UploadPartCopy};
pub use cors::{CORS_RULES_COUNT_MAX, CorsConfiguration, CorsMatch, CorsRequest, CorsRule};
pub use delete::{DELETE_OBJECTS_COUNT_MAX, DeleteObject, Deleted};
pub use deliveries::{DeliveringService, Delivery};
pub use encryption::{
    BucketEncryption, CustomerEncryption, CustomerKey, DefaultEncryption, Encryption, EncryptionRequest, KmsEncryption,
};
pub use errors::{BodyError, BodyErrorKind, Condition, ConfigurationKind, ObjectsError};
pub use events::delivery::{EventDelivery, EventSink, TestEvent};
pub use events::notifications::{DestinationKind, EventPattern, NotificationConfiguration, NotificationRule};
pub use events::queue::EVENTS_WAITING_COUNT_MAX;
pub use events::{Event, EventDetails, EventKind};
pub use gc::{Collector, Compactor};
pub use get::{ByteRange, ObjectVersion};
pub use intelligent_tiering::{Tiering, TieringConfiguration, TieringRound, TieringWorker};
pub use inventory::{
    INVENTORY_SERVICE, InventoryConfiguration, InventoryDestination, InventoryEncryption, InventoryField,
    InventoryFile, InventoryFormat, InventoryFrequency, InventoryPlace, InventoryRun, InventoryVersions,
};
pub use lifecycle::{
    FilterForm, LifecycleConfiguration, LifecycleEnd, LifecycleExpiration, LifecycleFilter, LifecycleRound,
    LifecycleRule, LifecycleTime, LifecycleTransition, LifecycleWorker, NoncurrentExpiration, NoncurrentTransition,
    TransitionMinimum,
};
pub use listing::{LIST_COUNT_MAX, ListObjects, ListUploads, ListedObject, Listing, UploadListing};
pub use listing_versions::{ListVersions, ListedVersion, VersionListing};
pub use lock::{
    BucketLock, Bypass, DefaultRetention, LockReason, Retention, RetentionMode, RetentionPeriod, VersionLock,
};
pub use logging::{
    AccessLine, LOG_DELIVERY_SERVICE, LogDelivery, LogKeyFormat, LogPlace, LoggedBucket, LoggingConfiguration,
    WaitingLines, is_log_object,
};
pub use metrics::{AnalyticsConfiguration, AnalyticsExport, ConfigurationFilter, MetricsConfiguration};
pub use multipart::{
    CompleteMultipartUpload, CompletedPart, CreateMultipartUpload, PARTS_COUNT_MAX, PartPage, UploadName, UploadPart,
    parse_upload_id,
};
pub use names::{BucketName, KEY_SIZE_BYTES_MAX, ObjectKey};
pub use objects::{DAY_MS, Objects, ObjectsOptions};
pub use opening::OpenedSample;
pub use ownership_controls::ObjectOwnership;
pub use packing::Packing;
pub use public_access_block::PublicAccessBlock;
pub use put::{Body, PutObject, body_of};
pub use records::{
    Bucket, CurrentVersion, DeleteMarker, PartRecord, UploadRecord, UploadedPart, VersionEntry, VersionName,
    VersionUuid, Versioning,
};
pub use replication::remote::{RemoteAcl, RemoteBuckets, RemoteChange, RemoteCopy, RemoteError};
pub use replication::rules::{ReplicationConfiguration, ReplicationDestination, ReplicationFilter, ReplicationRule};
pub use replication::state::ReplicationStatus;
pub use replication::worker::Replicator;
pub use replication::{NotReplicated, ReplicationOutcome};
pub use report::{STORAGE_REPORT_LINES_COUNT_MAX, StoragePlace, StorageUsage};
pub use request_payment::{Abac, Acceleration, Payer};
pub use restore::{Restore, RestoreObject, RestoreOutcome, RestoreStatus, RestoreTier};
pub use tagging::{ObjectMetadata, Tags};
pub use verify::{Damage, Verified, verify_blobs};
pub use versions::VersionId;
pub use volumes::{Volume, keep_volume, volumes_used};
pub use website::{
    RoutingCondition, RoutingRedirect, RoutingRule, WebsiteConfiguration, WebsiteDocuments, WebsiteProtocol,
    WebsiteRedirect,
};
