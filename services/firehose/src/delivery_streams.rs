//! Delivery streams on the wire: made, described, listed, changed, deleted.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::firehose as wire;
use tarn_aws_model::firehose::values::delivery_stream_type;
use tarn_aws_protocol::AwsError;
use tarn_streams::{CreateDeliveryStream, S3Destination, Streams, StreamsError, UpdateDestination};

use crate::convert::{self, required};
use crate::description::{DESTINATION_ID, describe_stream};
use crate::destination::Given;
use crate::errors::{denied, invalid, refuse_unbuilt, to_aws};
use crate::resources;

/// Names in one answer, if the caller does not say, as AWS has it.
const STREAMS_PAGE_DEFAULT: usize = 10;
const ONE_DESTINATION: &str = "Exactly one destination configuration is supported for a Firehose: ExtendedS3DestinationConfiguration or S3DestinationConfiguration.";

pub(crate) async fn create(
    streams: Arc<Streams>,
    caller: Caller,
    input: wire::CreateDeliveryStreamInput,
) -> Result<wire::CreateDeliveryStreamOutput, AwsError> {
    let wire::CreateDeliveryStreamInput {
        delivery_stream_name,
        delivery_stream_type,
        direct_put_source_configuration,
        kinesis_stream_source_configuration,
        delivery_stream_encryption_configuration_input,
        s3_destination_configuration,
        extended_s3_destination_configuration,
        redshift_destination_configuration,
        elasticsearch_destination_configuration,
        amazonopensearchservice_destination_configuration,
        splunk_destination_configuration,
        http_endpoint_destination_configuration,
        tags,
        amazon_open_search_serverless_destination_configuration,
        msk_source_configuration,
        snowflake_destination_configuration,
        iceberg_destination_configuration,
        database_source_configuration,
    } = input;
    if let Some(kind) = delivery_stream_type.filter(|kind| kind != delivery_stream_type::DIRECT_PUT) {
        return Err(invalid(format!("DeliveryStreamType {kind} is not built into this server; use DirectPut.")));
    }
    refuse_unbuilt("DirectPutSourceConfiguration", direct_put_source_configuration.as_ref())?;
    refuse_unbuilt("KinesisStreamSourceConfiguration", kinesis_stream_source_configuration.as_ref())?;
    refuse_unbuilt("MSKSourceConfiguration", msk_source_configuration.as_ref())?;
    refuse_unbuilt("DatabaseSourceConfiguration", database_source_configuration.as_ref())?;
    // Records are sealed with the lake's key whatever is asked; keys of the caller's choice are not built.
    let encryption = delivery_stream_encryption_configuration_input.as_ref();
    refuse_unbuilt("DeliveryStreamEncryptionConfigurationInput", encryption)?;
    refuse_unbuilt("RedshiftDestinationConfiguration", redshift_destination_configuration.as_ref())?;
    refuse_unbuilt("ElasticsearchDestinationConfiguration", elasticsearch_destination_configuration.as_ref())?;
    let open_search = amazonopensearchservice_destination_configuration.as_ref();
    refuse_unbuilt("AmazonopensearchserviceDestinationConfiguration", open_search)?;
    refuse_unbuilt("SplunkDestinationConfiguration", splunk_destination_configuration.as_ref())?;
    refuse_unbuilt("HttpEndpointDestinationConfiguration", http_endpoint_destination_configuration.as_ref())?;
    let serverless = amazon_open_search_serverless_destination_configuration.as_ref();
    refuse_unbuilt("AmazonOpenSearchServerlessDestinationConfiguration", serverless)?;
    refuse_unbuilt("SnowflakeDestinationConfiguration", snowflake_destination_configuration.as_ref())?;
    refuse_unbuilt("IcebergDestinationConfiguration", iceberg_destination_configuration.as_ref())?;
    let given = match (extended_s3_destination_configuration, s3_destination_configuration) {
        (Some(extended), None) => Given::from(extended),
        (None, Some(plain)) => Given::from(plain),
        (None, None) | (Some(_), Some(_)) => return Err(invalid(ONE_DESTINATION)),
    };
    let name = required(delivery_stream_name, "DeliveryStreamName")?;
    let destination = given.make(caller.scope())?;
    let tags = convert::tags(tags.unwrap_or_default())?;
    let request = CreateDeliveryStream { name, destination, tags };
    let stream = streams.create_delivery_stream(&caller, request).await.map_err(to_aws)?;
    Ok(wire::CreateDeliveryStreamOutput { delivery_stream_arn: Some(stream.arn().to_string()) })
}

pub(crate) async fn describe(
    streams: Arc<Streams>,
    caller: Caller,
    input: wire::DescribeDeliveryStreamInput,
) -> Result<wire::DescribeDeliveryStreamOutput, AwsError> {
    let name = required(input.delivery_stream_name, "DeliveryStreamName")?;
    let stream = streams.delivery_stream(caller.authorized(), caller.scope(), &name).map_err(to_aws)?;
    let mut description = describe_stream(stream);
    // A stream has one destination; whoever starts behind it sees none.
    if input.exclusive_start_destination_id.is_some_and(|after| after.as_str() >= DESTINATION_ID) {
        description.destinations = Some(Vec::new());
    }
    Ok(wire::DescribeDeliveryStreamOutput { delivery_stream_description: Some(description) })
}

pub(crate) async fn list(
    streams: Arc<Streams>,
    caller: Caller,
    input: wire::ListDeliveryStreamsInput,
) -> Result<wire::ListDeliveryStreamsOutput, AwsError> {
    let limit = input.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(STREAMS_PAGE_DEFAULT);
    let after = input.exclusive_start_delivery_stream_name.as_deref();
    let (names, more) = match input.delivery_stream_type.as_deref() {
        None | Some(delivery_stream_type::DIRECT_PUT) => {
            streams.delivery_streams(caller.authorized(), caller.scope(), after, limit).map_err(to_aws)?
        }
        Some(_) => (Vec::new(), false),
    };
    Ok(wire::ListDeliveryStreamsOutput { delivery_stream_names: Some(names), has_more_delivery_streams: Some(more) })
}

pub(crate) async fn update_destination(
    streams: Arc<Streams>,
    caller: Caller,
    input: wire::UpdateDestinationInput,
) -> Result<wire::UpdateDestinationOutput, AwsError> {
    let wire::UpdateDestinationInput {
        delivery_stream_name,
        current_delivery_stream_version_id,
        destination_id,
        s3_destination_update,
        extended_s3_destination_update,
        redshift_destination_update,
        elasticsearch_destination_update,
        amazonopensearchservice_destination_update,
        splunk_destination_update,
        http_endpoint_destination_update,
        amazon_open_search_serverless_destination_update,
        snowflake_destination_update,
        iceberg_destination_update,
    } = input;
    refuse_unbuilt("RedshiftDestinationUpdate", redshift_destination_update.as_ref())?;
    refuse_unbuilt("ElasticsearchDestinationUpdate", elasticsearch_destination_update.as_ref())?;
    refuse_unbuilt("AmazonopensearchserviceDestinationUpdate", amazonopensearchservice_destination_update.as_ref())?;
    refuse_unbuilt("SplunkDestinationUpdate", splunk_destination_update.as_ref())?;
    refuse_unbuilt("HttpEndpointDestinationUpdate", http_endpoint_destination_update.as_ref())?;
    let serverless = amazon_open_search_serverless_destination_update.as_ref();
    refuse_unbuilt("AmazonOpenSearchServerlessDestinationUpdate", serverless)?;
    refuse_unbuilt("SnowflakeDestinationUpdate", snowflake_destination_update.as_ref())?;
    refuse_unbuilt("IcebergDestinationUpdate", iceberg_destination_update.as_ref())?;
    let given = match (extended_s3_destination_update, s3_destination_update) {
        (Some(extended), None) => Given::from(extended),
        (None, Some(plain)) => Given::from(plain),
        (None, None) | (Some(_), Some(_)) => {
            let message = "Exactly one of ExtendedS3DestinationUpdate and S3DestinationUpdate is needed.";
            return Err(invalid(message));
        }
    };
    let destination_id = required(destination_id, "DestinationId")?;
    if destination_id != DESTINATION_ID {
        return Err(invalid(format!("Destination Id {destination_id} not found; describe the stream for its id.")));
    }
    let name = required(delivery_stream_name, "DeliveryStreamName")?;
    let version = required(current_delivery_stream_version_id, "CurrentDeliveryStreamVersionId")?;
    let stream = streams.delivery_stream(caller.authorized(), caller.scope(), &name).map_err(to_aws)?;
    // The change is laid over what the caller has seen; that it is still so is checked again when it commits.
    if stream.version.to_string() != version {
        return Err(to_aws(StreamsError::VersionMismatch { given: version, current: stream.version }));
    }
    let destination = given.change(stream.destination, caller.scope())?;
    authorize_destination(&caller, &destination)?;
    streams.update_destination(&caller, UpdateDestination { name, version, destination }).await.map_err(to_aws)?;
    Ok(wire::UpdateDestinationOutput::default())
}

/// What a change leaves as it was counts too: whoever changes where a stream delivers must be allowed all of where it will. Only the
/// stream knows that, so that the gateway cannot ask.
fn authorize_destination(caller: &Caller, destination: &S3Destination) -> Result<(), AwsError> {
    let requirements = resources::of_destination(destination, caller.scope());
    caller.authorizer().authorize(requirements).map_err(denied)?;
    Ok(())
}

pub(crate) async fn delete(
    streams: Arc<Streams>,
    caller: Caller,
    input: wire::DeleteDeliveryStreamInput,
) -> Result<wire::DeleteDeliveryStreamOutput, AwsError> {
    let name = required(input.delivery_stream_name, "DeliveryStreamName")?;
    // Without force, what the stream holds is delivered first; that may be never, if its bucket is gone.
    let force = input.allow_force_delete.unwrap_or(false);
    streams.delete_delivery_stream(&caller, &name, force).await.map_err(to_aws)?;
    Ok(wire::DeleteDeliveryStreamOutput::default())
}
