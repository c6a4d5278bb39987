//! CloudTrail: the event history of an account over `tarn-audit`. Knows the form of CloudTrail's records; keeps nothing itself.
//!
//! The history holds what the audit holds: changes, refusals, and reads if the audit's settings ask for them. As on AWS it
//! tells of the control plane; calls of the data plane are for trails.

mod errors;
mod events;
mod record;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tarn_audit::AuditLog;
use tarn_aws_model::cloudtrail::{LookupEventsRequest, SERVICE, operations as op};
use tarn_aws_protocol::AwsError;
use tarn_operation::{Access, Table};
use tarn_policy::Requirement;
use tarn_types::Scope;

pub use record::of as record;

/// CloudTrail over `log`.
pub fn service(log: Arc<AuditLog>) -> Table<AuditLog> {
    Table::new(&SERVICE, log).with::<op::LookupEvents, _, _>(
        Access::read("cloudtrail:LookupEvents"),
        lookup_events,
        events::lookup,
    )
}

/// The history has no resource to name.
fn lookup_events(_: &AuditLog, _: &LookupEventsRequest, _: &Scope) -> Result<Vec<Requirement>, AwsError> {
    Ok(vec![Requirement::any("cloudtrail:LookupEvents")])
}
