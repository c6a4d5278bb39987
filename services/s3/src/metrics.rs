//! Request metrics and storage class analyses on the wire.

use s3s::dto::*;
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};
use tarn_objects::{AnalyticsExport, ConfigurationFilter, ConfigurationPage, Tags};

use crate::convert::{bucket_name, tag_pairs, tag_set};
use crate::errors::objects_error;
use crate::operations::Call;

fn tags(tags: Vec<Tag>) -> S3Result<Tags> {
    Tags::of_object(tag_pairs(tags)).map_err(objects_error)
}

/// A filter has one part, or several in a conjunction.
pub(crate) fn filter(
    prefix: Option<String>,
    tag: Option<Tag>,
    access_point_arn: Option<String>,
    conjunction: Option<Vec<Tag>>,
) -> S3Result<ConfigurationFilter> {
    let is_conjunction = conjunction.is_some();
    let tags = tags(tag.into_iter().chain(conjunction.unwrap_or_default()).collect())?;
    Ok(ConfigurationFilter { prefix, tags, access_point_arn, is_conjunction })
}

pub(crate) fn one_tag(filter: &ConfigurationFilter) -> Option<Tag> {
    tag_set(&filter.tags).into_iter().next()
}

pub(crate) fn tags_of(filter: &ConfigurationFilter) -> Option<Vec<Tag>> {
    (!filter.tags.is_empty()).then(|| tag_set(&filter.tags))
}

pub(crate) fn other_id() -> S3Error {
    s3_error!(InvalidArgument, "The id of the request and that of the configuration are not the same")
}

/// Tokens are opaque to callers.
pub(crate) fn after(token: Option<&str>) -> S3Result<Option<String>> {
    use base64::Engine as _;
    let wrong = || s3_error!(InvalidArgument, "The continuation token provided is incorrect");
    token
        .map(|token| {
            let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token).map_err(|_| wrong())?;
            String::from_utf8(bytes).map_err(|_| wrong())
        })
        .transpose()
}

pub(crate) fn next<R>(page: &ConfigurationPage<R>) -> Option<String> {
    use base64::Engine as _;
    page.next.as_ref().map(|next| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(next))
}

fn metrics_of_wire(wire: MetricsConfiguration) -> S3Result<tarn_objects::MetricsConfiguration> {
    let found = match wire.filter {
        None => None,
        Some(MetricsFilter::Prefix(prefix)) => Some(filter(Some(prefix), None, None, None)?),
        Some(MetricsFilter::Tag(tag)) => Some(filter(None, Some(tag), None, None)?),
        Some(MetricsFilter::AccessPointArn(arn)) => Some(filter(None, None, Some(arn), None)?),
        Some(MetricsFilter::And(and)) => {
            Some(filter(and.prefix, None, and.access_point_arn, Some(and.tags.unwrap_or_default()))?)
        }
        Some(_) => return Err(S3Error::new(S3ErrorCode::MalformedXML)),
    };
    Ok(tarn_objects::MetricsConfiguration { id: wire.id, filter: found })
}

fn metrics_to_wire(metrics: tarn_objects::MetricsConfiguration) -> MetricsConfiguration {
    let filter = metrics.filter.and_then(|filter| {
        if filter.is_conjunction {
            return Some(MetricsFilter::And(MetricsAndOperator {
                tags: tags_of(&filter),
                access_point_arn: filter.access_point_arn,
                prefix: filter.prefix,
            }));
        }
        let tag = one_tag(&filter).map(MetricsFilter::Tag);
        tag.or(filter.prefix.map(MetricsFilter::Prefix)).or(filter.access_point_arn.map(MetricsFilter::AccessPointArn))
    });
    MetricsConfiguration { filter, id: metrics.id }
}

pub(crate) async fn get_bucket_metrics_configuration(
    call: &Call,
    request: S3Request<GetBucketMetricsConfigurationInput>,
) -> S3Result<S3Response<GetBucketMetricsConfigurationOutput>> {
    let input = request.input;
    let found = call.objects().bucket_metrics(call.proof(), &bucket_name(&input.bucket)?, &input.id);
    let metrics_configuration = Some(metrics_to_wire(found.map_err(objects_error)?));
    Ok(S3Response::new(GetBucketMetricsConfigurationOutput { metrics_configuration }))
}

pub(crate) async fn put_bucket_metrics_configuration(
    call: &Call,
    request: S3Request<PutBucketMetricsConfigurationInput>,
) -> S3Result<S3Response<PutBucketMetricsConfigurationOutput>> {
    let input = request.input;
    let metrics = metrics_of_wire(input.metrics_configuration)?;
    if metrics.id != input.id {
        return Err(other_id());
    }
    let bucket = bucket_name(&input.bucket)?;
    call.objects().put_bucket_metrics(&call.caller, &bucket, metrics).await.map_err(objects_error)?;
    Ok(S3Response::new(PutBucketMetricsConfigurationOutput {}))
}

pub(crate) async fn delete_bucket_metrics_configuration(
    call: &Call,
    request: S3Request<DeleteBucketMetricsConfigurationInput>,
) -> S3Result<S3Response<DeleteBucketMetricsConfigurationOutput>> {
    let bucket = bucket_name(&request.input.bucket)?;
    let id = &request.input.id;
    call.objects().delete_bucket_metrics(&call.caller, &bucket, id).await.map_err(objects_error)?;
    Ok(S3Response::with_status(DeleteBucketMetricsConfigurationOutput {}, http::StatusCode::NO_CONTENT))
}

pub(crate) async fn list_bucket_metrics_configurations(
    call: &Call,
    request: S3Request<ListBucketMetricsConfigurationsInput>,
) -> S3Result<S3Response<ListBucketMetricsConfigurationsOutput>> {
    let ListBucketMetricsConfigurationsInput { bucket, continuation_token, .. } = request.input;
    let after = after(continuation_token.as_deref())?;
    let page = call.objects().list_bucket_metrics(call.proof(), &bucket_name(&bucket)?, after.as_deref());
    let page = page.map_err(objects_error)?;
    Ok(S3Response::new(ListBucketMetricsConfigurationsOutput {
        continuation_token,
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: next(&page),
        metrics_configuration_list: Some(page.configurations.into_iter().map(metrics_to_wire).collect()),
    }))
}

pub(crate) fn analytics_of_wire(wire: AnalyticsConfiguration) -> S3Result<tarn_objects::AnalyticsConfiguration> {
    let found = match wire.filter {
        None => None,
        Some(AnalyticsFilter::Prefix(prefix)) => Some(filter(Some(prefix), None, None, None)?),
        Some(AnalyticsFilter::Tag(tag)) => Some(filter(None, Some(tag), None, None)?),
        Some(AnalyticsFilter::And(and)) => Some(filter(and.prefix, None, None, Some(and.tags.unwrap_or_default()))?),
        Some(_) => return Err(S3Error::new(S3ErrorCode::MalformedXML)),
    };
    let export = match wire.storage_class_analysis.data_export {
        None => None,
        Some(export) => {
            let to = export.destination.s3_bucket_destination;
            if export.output_schema_version.as_str() != "V_1" || to.format.as_str() != "CSV" {
                return Err(S3Error::new(S3ErrorCode::MalformedXML));
            }
            Some(AnalyticsExport { bucket_arn: to.bucket, bucket_account_id: to.bucket_account_id, prefix: to.prefix })
        }
    };
    Ok(tarn_objects::AnalyticsConfiguration { id: wire.id, filter: found, export })
}

fn analytics_to_wire(analytics: tarn_objects::AnalyticsConfiguration) -> AnalyticsConfiguration {
    let filter = analytics.filter.and_then(|filter| {
        if filter.is_conjunction {
            return Some(AnalyticsFilter::And(AnalyticsAndOperator { tags: tags_of(&filter), prefix: filter.prefix }));
        }
        one_tag(&filter).map(AnalyticsFilter::Tag).or(filter.prefix.map(AnalyticsFilter::Prefix))
    });
    let data_export = analytics.export.map(|export| StorageClassAnalysisDataExport {
        destination: AnalyticsExportDestination {
            s3_bucket_destination: AnalyticsS3BucketDestination {
                bucket: export.bucket_arn,
                bucket_account_id: export.bucket_account_id,
                format: AnalyticsS3ExportFileFormat::from_static("CSV"),
                prefix: export.prefix,
            },
        },
        output_schema_version: StorageClassAnalysisSchemaVersion::from_static("V_1"),
    });
    AnalyticsConfiguration { filter, id: analytics.id, storage_class_analysis: StorageClassAnalysis { data_export } }
}

pub(crate) async fn get_bucket_analytics_configuration(
    call: &Call,
    request: S3Request<GetBucketAnalyticsConfigurationInput>,
) -> S3Result<S3Response<GetBucketAnalyticsConfigurationOutput>> {
    let input = request.input;
    let found = call.objects().bucket_analytics(call.proof(), &bucket_name(&input.bucket)?, &input.id);
    let analytics_configuration = Some(analytics_to_wire(found.map_err(objects_error)?));
    Ok(S3Response::new(GetBucketAnalyticsConfigurationOutput { analytics_configuration }))
}

pub(crate) async fn put_bucket_analytics_configuration(
    call: &Call,
    request: S3Request<PutBucketAnalyticsConfigurationInput>,
) -> S3Result<S3Response<PutBucketAnalyticsConfigurationOutput>> {
    let input = request.input;
    let analytics = analytics_of_wire(input.analytics_configuration)?;
    if analytics.id != input.id {
        return Err(other_id());
    }
    let bucket = bucket_name(&input.bucket)?;
    call.objects().put_bucket_analytics(&call.caller, &bucket, analytics).await.map_err(objects_error)?;
    Ok(S3Response::new(PutBucketAnalyticsConfigurationOutput {}))
}

pub(crate) async fn delete_bucket_analytics_configuration(
    call: &Call,
    request: S3Request<DeleteBucketAnalyticsConfigurationInput>,
) -> S3Result<S3Response<DeleteBucketAnalyticsConfigurationOutput>> {
    let bucket = bucket_name(&request.input.bucket)?;
    let id = &request.input.id;
    call.objects().delete_bucket_analytics(&call.caller, &bucket, id).await.map_err(objects_error)?;
    Ok(S3Response::with_status(DeleteBucketAnalyticsConfigurationOutput {}, http::StatusCode::NO_CONTENT))
}

pub(crate) async fn list_bucket_analytics_configurations(
    call: &Call,
    request: S3Request<ListBucketAnalyticsConfigurationsInput>,
) -> S3Result<S3Response<ListBucketAnalyticsConfigurationsOutput>> {
    let ListBucketAnalyticsConfigurationsInput { bucket, continuation_token, .. } = request.input;
    let after = after(continuation_token.as_deref())?;
    let page = call.objects().list_bucket_analytics(call.proof(), &bucket_name(&bucket)?, after.as_deref());
    let page = page.map_err(objects_error)?;
    Ok(S3Response::new(ListBucketAnalyticsConfigurationsOutput {
        continuation_token,
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: next(&page),
        analytics_configuration_list: Some(page.configurations.into_iter().map(analytics_to_wire).collect()),
    }))
}
