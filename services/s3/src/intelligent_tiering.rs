//! Archive configurations of INTELLIGENT_TIERING on the wire.

use s3s::dto::*;
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result};
use tarn_objects::{AccessTier, Tiering, TieringConfiguration};

use crate::convert::bucket_name;
use crate::errors::objects_error;
use crate::metrics::{after, filter, next, one_tag, other_id, tags_of};
use crate::operations::Call;

fn malformed() -> S3Error {
    S3Error::new(S3ErrorCode::MalformedXML)
}

fn of_wire(wire: IntelligentTieringConfiguration) -> S3Result<TieringConfiguration> {
    let filter = match wire.filter {
        None => None,
        Some(IntelligentTieringFilter { and: Some(and), prefix: None, tag: None }) => {
            Some(filter(and.prefix, None, None, Some(and.tags.unwrap_or_default()))?)
        }
        Some(IntelligentTieringFilter { and: None, prefix, tag }) if prefix.is_none() || tag.is_none() => {
            Some(filter(prefix, tag, None, None)?)
        }
        Some(_) => return Err(malformed()),
    };
    let is_enabled = match wire.status.as_str() {
        IntelligentTieringStatus::ENABLED => true,
        IntelligentTieringStatus::DISABLED => false,
        _ => return Err(malformed()),
    };
    let tiering = |wire: s3s::dto::Tiering| {
        let tier = AccessTier::parse_archive(wire.access_tier.as_str()).ok_or_else(malformed)?;
        Ok(Tiering { tier, days: u32::try_from(wire.days).unwrap_or(0) })
    };
    let tierings = wire.tierings.into_iter().map(tiering).collect::<S3Result<_>>()?;
    Ok(TieringConfiguration { id: wire.id, filter, is_enabled, tierings })
}

fn to_wire(configuration: TieringConfiguration) -> IntelligentTieringConfiguration {
    let filter = configuration.filter.map(|filter| match filter.is_conjunction {
        true => IntelligentTieringFilter {
            and: Some(IntelligentTieringAndOperator { tags: tags_of(&filter), prefix: filter.prefix }),
            prefix: None,
            tag: None,
        },
        false => IntelligentTieringFilter { and: None, tag: one_tag(&filter), prefix: filter.prefix },
    });
    let status = match configuration.is_enabled {
        true => IntelligentTieringStatus::ENABLED,
        false => IntelligentTieringStatus::DISABLED,
    };
    let tiering = |Tiering { tier, days }| {
        let access_tier = IntelligentTieringAccessTier::from_static(tier.archive_name()?);
        Some(s3s::dto::Tiering { access_tier, days: i32::try_from(days).unwrap_or(i32::MAX) })
    };
    IntelligentTieringConfiguration {
        filter,
        id: configuration.id,
        status: IntelligentTieringStatus::from_static(status),
        tierings: configuration.tierings.into_iter().filter_map(tiering).collect(),
    }
}

pub(crate) async fn get_bucket_intelligent_tiering_configuration(
    call: &Call,
    request: S3Request<GetBucketIntelligentTieringConfigurationInput>,
) -> S3Result<S3Response<GetBucketIntelligentTieringConfigurationOutput>> {
    let input = request.input;
    let found = call.objects().bucket_tiering(call.proof(), &bucket_name(&input.bucket)?, &input.id);
    let intelligent_tiering_configuration = Some(to_wire(found.map_err(objects_error)?));
    Ok(S3Response::new(GetBucketIntelligentTieringConfigurationOutput { intelligent_tiering_configuration }))
}

pub(crate) async fn put_bucket_intelligent_tiering_configuration(
    call: &Call,
    request: S3Request<PutBucketIntelligentTieringConfigurationInput>,
) -> S3Result<S3Response<PutBucketIntelligentTieringConfigurationOutput>> {
    let input = request.input;
    let configuration = of_wire(input.intelligent_tiering_configuration)?;
    if configuration.id != input.id {
        return Err(other_id());
    }
    let bucket = bucket_name(&input.bucket)?;
    call.objects().put_bucket_tiering(&call.caller, &bucket, configuration).await.map_err(objects_error)?;
    Ok(S3Response::new(PutBucketIntelligentTieringConfigurationOutput {}))
}

pub(crate) async fn delete_bucket_intelligent_tiering_configuration(
    call: &Call,
    request: S3Request<DeleteBucketIntelligentTieringConfigurationInput>,
) -> S3Result<S3Response<DeleteBucketIntelligentTieringConfigurationOutput>> {
    let bucket = bucket_name(&request.input.bucket)?;
    let id = &request.input.id;
    call.objects().delete_bucket_tiering(&call.caller, &bucket, id).await.map_err(objects_error)?;
    let output = DeleteBucketIntelligentTieringConfigurationOutput {};
    Ok(S3Response::with_status(output, http::StatusCode::NO_CONTENT))
}

pub(crate) async fn list_bucket_intelligent_tiering_configurations(
    call: &Call,
    request: S3Request<ListBucketIntelligentTieringConfigurationsInput>,
) -> S3Result<S3Response<ListBucketIntelligentTieringConfigurationsOutput>> {
    let ListBucketIntelligentTieringConfigurationsInput { bucket, continuation_token, .. } = request.input;
    let after = after(continuation_token.as_deref())?;
    let page = call.objects().list_bucket_tiering(call.proof(), &bucket_name(&bucket)?, after.as_deref());
    let page = page.map_err(objects_error)?;
    Ok(S3Response::new(ListBucketIntelligentTieringConfigurationsOutput {
        continuation_token,
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: next(&page),
        intelligent_tiering_configuration_list: Some(page.configurations.into_iter().map(to_wire).collect()),
    }))
}
