//! RestoreObject, and where restores stand in listings.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreObject.html>

use http::{HeaderMap, HeaderValue};
use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};
use tarn_objects::{CurrentVersion, RestoreObject, RestoreOutcome, RestoreTier};

use crate::answer::ACCEPTED;
use crate::convert::{bucket_name, not_implemented, object_key, timestamp, version_id as parse_version};
use crate::errors::objects_error;
use crate::operations::Call;

fn restore_tier(tier: &str) -> S3Result<RestoreTier> {
    match tier {
        Tier::EXPEDITED => Ok(RestoreTier::Expedited),
        Tier::STANDARD => Ok(RestoreTier::Standard),
        Tier::BULK => Ok(RestoreTier::Bulk),
        _ => Err(s3_error!(MalformedXML)),
    }
}

pub(crate) async fn restore_object(
    call: &Call,
    request: S3Request<RestoreObjectInput>,
) -> S3Result<S3Response<RestoreObjectOutput>> {
    let RestoreObjectInput { bucket, key, restore_request, version_id, .. } = request.input;
    let version = parse_version(version_id.as_deref())?;
    let Some(asked) = restore_request else { return Err(s3_error!(MalformedXML)) };
    if asked.type_.is_some() || asked.select_parameters.is_some() || asked.output_location.is_some() {
        return Err(not_implemented("restores that select"));
    }
    let tier = asked.glacier_job_parameters.map(|parameters| parameters.tier).or(asked.tier);
    let tier = tier.map_or(Ok(RestoreTier::default()), |tier| restore_tier(tier.as_str()))?;
    let days = match asked.days {
        None => None,
        Some(days) => Some(u32::try_from(days).map_err(|_| s3_error!(MalformedXML))?),
    };
    let bucket = bucket_name(&bucket)?;
    let restore = RestoreObject { bucket: bucket.clone(), key: object_key(&key)?, version, days, tier };
    let outcome = call.objects().restore_object(&call.caller, restore).await;
    let mut headers = HeaderMap::new();
    match outcome.map_err(|error| call.hide_missing(&bucket, error))? {
        RestoreOutcome::Accepted => drop(headers.insert(ACCEPTED, HeaderValue::from_static("true"))),
        RestoreOutcome::Prolonged => {}
    }
    Ok(S3Response::with_headers(RestoreObjectOutput::default(), headers))
}

/// Whether a listing asks for it.
pub(crate) fn is_asked(attributes: Option<&OptionalObjectAttributesList>) -> S3Result<bool> {
    let mut asked = false;
    for attribute in attributes.into_iter().flatten().flat_map(|attribute| attribute.as_str().split(',')) {
        match attribute.trim() {
            OptionalObjectAttributes::RESTORE_STATUS => asked = true,
            _ => return Err(s3_error!(InvalidArgument, "Invalid attribute name specified")),
        }
    }
    Ok(asked)
}

/// Where the restore of a listed version stands; nothing where the listing does not ask, or where none is needed.
pub(crate) fn listed(call: &Call, is_asked: bool, version: &CurrentVersion) -> S3Result<Option<RestoreStatus>> {
    use tarn_objects::RestoreStatus as Status;
    if !is_asked || !version.class.may_need_restore() {
        return Ok(None);
    }
    let status = call.objects().listed_restore_status(&version.id).map_err(objects_error)?;
    Ok(status.map(|status| match status {
        Status::Ongoing => RestoreStatus { is_restore_in_progress: Some(true), restore_expiry_date: None },
        Status::Done { expires_ms } => {
            RestoreStatus { is_restore_in_progress: Some(false), restore_expiry_date: Some(timestamp(expires_ms)) }
        }
    }))
}
