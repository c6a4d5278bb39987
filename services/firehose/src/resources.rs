//! What each operation's callers must be allowed.
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonkinesisfirehose.html>
//!
//! A stream puts objects and reads a table on behalf of whoever configured it, so that they must be allowed that too. Members that are
//! not as they should be ask nothing here: their handlers refuse them before anything is done.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tarn_aws_model::firehose as wire;
use tarn_aws_protocol::AwsError;
use tarn_policy::Requirement;
use tarn_streams::{Conversion, DeliveryStream, Prefix, PrefixKind, S3Destination, Streams};
use tarn_types::{Arn, Scope};

use crate::convert::{bucket, required};

type Requirements = Result<Vec<Requirement>, AwsError>;

fn on_stream(action: &'static str, name: &Option<String>, scope: &Scope) -> Result<Requirement, AwsError> {
    let name = required(name.as_deref(), "DeliveryStreamName")?;
    Ok(Requirement::new(action, DeliveryStream::arn_of(scope, name)))
}

fn with_tags(requirement: Requirement, tags: Option<&[wire::Tag]>) -> Requirement {
    let tags = tags.unwrap_or_default().iter();
    let pair = |tag: &wire::Tag| Some((tag.key.clone()?, tag.value.clone().unwrap_or_default()));
    requirement.with_request_tags(tags.filter_map(pair))
}

/// A stream acts with a role: who names it must be allowed to pass it on.
fn pass_role(role: Option<&String>) -> Option<Requirement> {
    let role = Arn::parse(role?).ok()?;
    Some(Requirement::new("iam:PassRole", role).with("iam:PassedToService", "firehose.amazonaws.com"))
}

/// Putting anywhere in the bucket, and, for denials of some folders, below each of the two prefixes.
fn putting(bucket: &str, prefix: &str, error_output_prefix: &str) -> Vec<Requirement> {
    let mut requirements = vec![Requirement::new("s3:PutObject", Arn::s3_object(bucket, "*"))];
    for (text, kind) in [(prefix, PrefixKind::Data), (error_output_prefix, PrefixKind::Error)] {
        let Ok(prefix) = Prefix::parse(text, kind) else { continue };
        // Any instant does: policies are about the words around it.
        let folder = prefix.expand(Timestamp::UNIX_EPOCH, &TimeZone::UTC, "*", "*");
        requirements.push(Requirement::new("s3:PutObject", Arn::s3_object(bucket, &format!("{folder}*"))));
    }
    requirements
}

/// Reading the table's columns: on the catalog, the database and the table, as Glue asks. The catalog's names are lower-case.
fn reading(database: &str, table: &str, scope: &Scope) -> Vec<Requirement> {
    let (database, table) = (database.to_lowercase(), table.to_lowercase());
    let resources = ["catalog".to_owned(), format!("database/{database}"), format!("table/{database}/{table}")];
    let arn = |resource| Arn::regional("glue", &scope.region, &scope.account, resource);
    resources.into_iter().map(|resource| Requirement::new("glue:GetTable", arn(resource))).collect()
}

/// What a stream will do for whoever configured it so.
pub(crate) fn of_destination(destination: &S3Destination, scope: &Scope) -> Vec<Requirement> {
    let S3Destination { bucket, prefix, error_output_prefix, conversion, .. } = destination;
    let mut requirements = putting(bucket, prefix, error_output_prefix);
    if let Some(Conversion { database, table, .. }) = conversion {
        requirements.extend(reading(database, table, scope));
    }
    requirements
}

fn of_given(
    bucket_arn: Option<&String>,
    prefix: Option<&String>,
    error_output_prefix: Option<&String>,
    conversion: Option<&wire::DataFormatConversionConfiguration>,
    scope: &Scope,
) -> Vec<Requirement> {
    let text = |member: Option<&String>| member.cloned().unwrap_or_default();
    let mut requirements = match bucket_arn.map(|arn| bucket(arn)) {
        Some(Ok(bucket)) => putting(bucket, &text(prefix), &text(error_output_prefix)),
        Some(Err(_)) | None => Vec::new(),
    };
    let schema = conversion.filter(|conversion| conversion.enabled != Some(false));
    if let Some(schema) = schema.and_then(|conversion| conversion.schema_configuration.as_ref())
        && let (Some(database), Some(table)) = (&schema.database_name, &schema.table_name)
    {
        requirements.extend(reading(database, table, scope));
    }
    requirements
}

pub(crate) fn create_delivery_stream(
    _: &Streams,
    input: &wire::CreateDeliveryStreamInput,
    scope: &Scope,
) -> Requirements {
    let create = on_stream("firehose:CreateDeliveryStream", &input.delivery_stream_name, scope)?;
    let mut requirements = vec![with_tags(create, input.tags.as_deref())];
    if let Some(given) = &input.extended_s3_destination_configuration {
        requirements.extend(pass_role(given.role_arn.as_ref()));
        requirements.extend(of_given(
            given.bucket_arn.as_ref(),
            given.prefix.as_ref(),
            given.error_output_prefix.as_ref(),
            given.data_format_conversion_configuration.as_ref(),
            scope,
        ));
    }
    if let Some(given) = &input.s3_destination_configuration {
        requirements.extend(pass_role(given.role_arn.as_ref()));
        let (prefix, error_prefix) = (given.prefix.as_ref(), given.error_output_prefix.as_ref());
        requirements.extend(of_given(given.bucket_arn.as_ref(), prefix, error_prefix, None, scope));
    }
    Ok(requirements)
}

/// The handler asks again for the whole of what the stream will do, most of which only the stream knows.
pub(crate) fn update_destination(_: &Streams, input: &wire::UpdateDestinationInput, scope: &Scope) -> Requirements {
    let mut requirements = vec![on_stream("firehose:UpdateDestination", &input.delivery_stream_name, scope)?];
    if let Some(given) = &input.extended_s3_destination_update {
        requirements.extend(pass_role(given.role_arn.as_ref()));
        requirements.extend(of_given(
            given.bucket_arn.as_ref(),
            given.prefix.as_ref(),
            given.error_output_prefix.as_ref(),
            given.data_format_conversion_configuration.as_ref(),
            scope,
        ));
    }
    if let Some(given) = &input.s3_destination_update {
        requirements.extend(pass_role(given.role_arn.as_ref()));
        let (prefix, error_prefix) = (given.prefix.as_ref(), given.error_output_prefix.as_ref());
        requirements.extend(of_given(given.bucket_arn.as_ref(), prefix, error_prefix, None, scope));
    }
    Ok(requirements)
}

pub(crate) fn describe_delivery_stream(
    _: &Streams,
    input: &wire::DescribeDeliveryStreamInput,
    scope: &Scope,
) -> Requirements {
    Ok(vec![on_stream("firehose:DescribeDeliveryStream", &input.delivery_stream_name, scope)?])
}

pub(crate) fn list_delivery_streams(_: &Streams, _: &wire::ListDeliveryStreamsInput, _: &Scope) -> Requirements {
    Ok(vec![Requirement::any("firehose:ListDeliveryStreams")])
}

pub(crate) fn delete_delivery_stream(
    _: &Streams,
    input: &wire::DeleteDeliveryStreamInput,
    scope: &Scope,
) -> Requirements {
    Ok(vec![on_stream("firehose:DeleteDeliveryStream", &input.delivery_stream_name, scope)?])
}

pub(crate) fn put_record(_: &Streams, input: &wire::PutRecordInput, scope: &Scope) -> Requirements {
    Ok(vec![on_stream("firehose:PutRecord", &input.delivery_stream_name, scope)?])
}

pub(crate) fn put_record_batch(_: &Streams, input: &wire::PutRecordBatchInput, scope: &Scope) -> Requirements {
    Ok(vec![on_stream("firehose:PutRecordBatch", &input.delivery_stream_name, scope)?])
}

pub(crate) fn tag_delivery_stream(_: &Streams, input: &wire::TagDeliveryStreamInput, scope: &Scope) -> Requirements {
    let tag = on_stream("firehose:TagDeliveryStream", &input.delivery_stream_name, scope)?;
    Ok(vec![with_tags(tag, input.tags.as_deref())])
}

pub(crate) fn untag_delivery_stream(
    _: &Streams,
    input: &wire::UntagDeliveryStreamInput,
    scope: &Scope,
) -> Requirements {
    let mut untag = on_stream("firehose:UntagDeliveryStream", &input.delivery_stream_name, scope)?;
    if let Some(keys) = &input.tag_keys {
        untag.context.set_all("aws:TagKeys", keys.iter().cloned());
    }
    Ok(vec![untag])
}

pub(crate) fn list_tags_for_delivery_stream(
    _: &Streams,
    input: &wire::ListTagsForDeliveryStreamInput,
    scope: &Scope,
) -> Requirements {
    Ok(vec![on_stream("firehose:ListTagsForDeliveryStream", &input.delivery_stream_name, scope)?])
}
