//! Firehose: delivery streams over `tarn-streams`. Knows the wire's shapes and Firehose's errors; keeps nothing itself.
//!
//! One file for each resource; `resources` says what each operation's callers must be allowed. What the streams do not do (other
//! destinations and sources, transformation, dynamic partitioning, backups, logging) is refused and never dropped.

mod convert;
mod delivery_streams;
mod description;
mod destination;
mod errors;
mod records;
mod resources;
mod tags;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tarn_aws_model::firehose::{SERVICE, operations as op};
use tarn_operation::{Access, Table};
use tarn_streams::Streams;

/// Firehose over `streams`.
pub fn service(streams: Arc<Streams>) -> Table<Streams> {
    Table::new(&SERVICE, streams)
        .with::<op::CreateDeliveryStream, _, _>(
            Access::write("firehose:CreateDeliveryStream"),
            resources::create_delivery_stream,
            delivery_streams::create,
        )
        .with::<op::DescribeDeliveryStream, _, _>(
            Access::read("firehose:DescribeDeliveryStream"),
            resources::describe_delivery_stream,
            delivery_streams::describe,
        )
        .with::<op::ListDeliveryStreams, _, _>(
            Access::read("firehose:ListDeliveryStreams"),
            resources::list_delivery_streams,
            delivery_streams::list,
        )
        .with::<op::UpdateDestination, _, _>(
            Access::write("firehose:UpdateDestination"),
            resources::update_destination,
            delivery_streams::update_destination,
        )
        .with::<op::DeleteDeliveryStream, _, _>(
            Access::write("firehose:DeleteDeliveryStream"),
            resources::delete_delivery_stream,
            delivery_streams::delete,
        )
        .with::<op::PutRecord, _, _>(Access::data_write("firehose:PutRecord"), resources::put_record, records::put)
        .with::<op::PutRecordBatch, _, _>(
            Access::data_write("firehose:PutRecordBatch"),
            resources::put_record_batch,
            records::put_batch,
        )
        .with::<op::TagDeliveryStream, _, _>(
            Access::write("firehose:TagDeliveryStream"),
            resources::tag_delivery_stream,
            tags::tag,
        )
        .with::<op::UntagDeliveryStream, _, _>(
            Access::write("firehose:UntagDeliveryStream"),
            resources::untag_delivery_stream,
            tags::untag,
        )
        .with::<op::ListTagsForDeliveryStream, _, _>(
            Access::read("firehose:ListTagsForDeliveryStream"),
            resources::list_tags_for_delivery_stream,
            tags::list,
        )
}
