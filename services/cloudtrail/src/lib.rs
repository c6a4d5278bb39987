//! CloudTrail: the event history of an account over `tarn-audit`, and its trails over `tarn-trails`. Knows the wire's shapes and
//! CloudTrail's errors; keeps nothing itself.
//!
//! The history holds what the audit holds: changes, refusals, and reads if the audit's settings or a trail ask for them. As on AWS it
//! tells of the control plane; calls of the data plane are for trails.

mod convert;
mod errors;
mod event_selectors;
mod events;
mod public_keys;
mod resources;
mod tags;
mod trails;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tarn_audit::AuditLog;
use tarn_aws_model::cloudtrail::{SERVICE, operations as op};
use tarn_operation::{Access, Table};
use tarn_trails::Trails;

/// What CloudTrail answers from.
pub struct CloudTrail {
    log: Arc<AuditLog>,
    trails: Trails,
}

/// CloudTrail over `log` and `trails`.
pub fn service(log: Arc<AuditLog>, trails: Trails) -> Table<CloudTrail> {
    let (read, write) = (Access::read, Access::write);
    Table::new(&SERVICE, Arc::new(CloudTrail { log, trails }))
        .with::<op::LookupEvents, _, _>(read("cloudtrail:LookupEvents"), resources::lookup_events, events::lookup)
        .with::<op::CreateTrail, _, _>(write("cloudtrail:CreateTrail"), resources::create_trail, trails::create)
        .with::<op::UpdateTrail, _, _>(write("cloudtrail:UpdateTrail"), resources::update_trail, trails::update)
        .with::<op::DeleteTrail, _, _>(write("cloudtrail:DeleteTrail"), resources::delete_trail, trails::delete)
        .with::<op::GetTrail, _, _>(read("cloudtrail:GetTrail"), resources::get_trail, trails::get)
        .with::<op::DescribeTrails, _, _>(
            read("cloudtrail:DescribeTrails"),
            resources::describe_trails,
            trails::describe,
        )
        .with::<op::ListTrails, _, _>(read("cloudtrail:ListTrails"), resources::list_trails, trails::list)
        .with::<op::StartLogging, _, _>(write("cloudtrail:StartLogging"), resources::start_logging, trails::start)
        .with::<op::StopLogging, _, _>(write("cloudtrail:StopLogging"), resources::stop_logging, trails::stop)
        .with::<op::GetTrailStatus, _, _>(
            read("cloudtrail:GetTrailStatus"),
            resources::get_trail_status,
            trails::status,
        )
        .with::<op::PutEventSelectors, _, _>(
            write("cloudtrail:PutEventSelectors"),
            resources::put_event_selectors,
            event_selectors::put,
        )
        .with::<op::GetEventSelectors, _, _>(
            read("cloudtrail:GetEventSelectors"),
            resources::get_event_selectors,
            event_selectors::get,
        )
        .with::<op::GetInsightSelectors, _, _>(
            read("cloudtrail:GetInsightSelectors"),
            resources::get_insight_selectors,
            event_selectors::get_insight,
        )
        .with::<op::AddTags, _, _>(write("cloudtrail:AddTags"), resources::add_tags, tags::add)
        .with::<op::RemoveTags, _, _>(write("cloudtrail:RemoveTags"), resources::remove_tags, tags::remove)
        .with::<op::ListTags, _, _>(read("cloudtrail:ListTags"), resources::list_tags, tags::list)
        .with::<op::ListPublicKeys, _, _>(
            read("cloudtrail:ListPublicKeys"),
            resources::list_public_keys,
            public_keys::list,
        )
}
