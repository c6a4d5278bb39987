//! S3 on the wire: the s3s crate's types, routing, XML and signatures over `tarn-objects`. Knows no policies and no keys of its own:
//! every operation, anonymous ones too, is put to an `S3Gate` before its handler can run.
//!
//! * `resources.rs`: one row per operation: what its callers must be allowed. Without a row, 501.
//! * `operations.rs`: the s3s trait, one line per operation, each to a function in the file of its resource.
//! * `errors.rs`: domain errors to S3's codes, exhaustively. `convert.rs`: wire to domain and back.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/Welcome.html>

mod access;
mod acl;
mod answer;
mod api;
mod bucket_encryption;
mod buckets;
mod convert;
mod copy;
mod cors;
mod delete;
mod documents;
mod encryption;
mod errors;
mod event_records;
mod gate;
mod get;
mod host;
mod intelligent_tiering;
mod inventory;
mod lifecycle;
mod listing;
mod lock;
mod logging;
mod metrics;
mod multipart;
mod notification;
mod operations;
mod ownership_controls;
mod parameters;
mod policy;
mod post;
mod post_policy;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod probes;
mod public_access_block;
mod put;
mod refusals;
mod remote_copies;
mod replication;
mod request_payment;
mod resources;
mod restore;
mod select;
mod signature_v2;
mod signing;
mod tagging;
mod target;
#[cfg(test)]
mod tests;
mod unread;
mod versioning;
mod website;

pub use answer::host_id;
pub use api::{S3Api, S3Options};
pub use event_records::{event_bridge_record, event_record, test_event_record};
pub use gate::{Absence, Absent, Asked, CallMeta, CanonicalUser, FormCredentials, GateRefusal, Refused, S3Gate};
pub use remote_copies::{
    acl_document, error_in, legal_hold_document, owner_in_acl, retention_document, tagging_document,
};
pub use resources::{Operation, operations};
pub use s3s::Body as S3Body;
