//! Trails on the wire.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::cloudtrail::{self as wire, errors as of_cloudtrail};
use tarn_aws_protocol::AwsError;
use tarn_trails::{CreateTrail, TrailStatus, UpdateTrail};

use crate::CloudTrail;
use crate::convert::{self, text, timestamp};
use crate::errors::trails_to_aws;

/// What other services would have to be there for.
struct Elsewhere<'r> {
    sns_topic: &'r Option<String>,
    log_group: &'r Option<String>,
    log_role: &'r Option<String>,
    organization: Option<bool>,
}

/// Refuses what would be taken and not done.
fn check(asked: &Elsewhere<'_>) -> Result<(), AwsError> {
    let is_given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    if is_given(asked.sns_topic) {
        let message = "This server has no SNS; leave SnsTopicName out, and let the bucket notify of new objects.";
        return Err(AwsError::modelled(&of_cloudtrail::UNSUPPORTED_OPERATION_EXCEPTION, message));
    }
    if is_given(asked.log_group) || is_given(asked.log_role) {
        let message = "This server has no CloudWatch Logs to deliver to; leave CloudWatchLogs... out.";
        return Err(AwsError::modelled(&of_cloudtrail::CLOUD_WATCH_LOGS_DELIVERY_UNAVAILABLE_EXCEPTION, message));
    }
    if asked.organization == Some(true) {
        let message =
            "This server has no organizations; leave IsOrganizationTrail out, and make a trail in each account.";
        return Err(AwsError::modelled(&of_cloudtrail::ORGANIZATIONS_NOT_IN_USE_EXCEPTION, message));
    }
    Ok(())
}

pub(crate) async fn create(
    state: Arc<CloudTrail>,
    caller: Caller,
    input: wire::CreateTrailRequest,
) -> Result<wire::CreateTrailResponse, AwsError> {
    check(&Elsewhere {
        sns_topic: &input.sns_topic_name,
        log_group: &input.cloud_watch_logs_log_group_arn,
        log_role: &input.cloud_watch_logs_role_arn,
        organization: input.is_organization_trail,
    })?;
    let request = CreateTrail {
        name: input.name.unwrap_or_default(),
        bucket: input.s3_bucket_name.unwrap_or_default(),
        key_prefix: input.s3_key_prefix,
        is_multi_region: input.is_multi_region_trail.unwrap_or(false),
        includes_global_services: input.include_global_service_events.unwrap_or(true),
        validates: input.enable_log_file_validation.unwrap_or(false),
        is_recursive: input.recursive_logging.unwrap_or(true),
        kms_key: input.kms_key_id,
        tags: convert::tags(input.tags_list)?,
    };
    let made = convert::trail(state.trails.create_trail(&caller, request).await.map_err(trails_to_aws)?);
    Ok(wire::CreateTrailResponse {
        name: made.name,
        s3_bucket_name: made.s3_bucket_name,
        s3_key_prefix: made.s3_key_prefix,
        include_global_service_events: made.include_global_service_events,
        is_multi_region_trail: made.is_multi_region_trail,
        trail_arn: made.trail_arn,
        log_file_validation_enabled: made.log_file_validation_enabled,
        kms_key_id: made.kms_key_id,
        is_organization_trail: made.is_organization_trail,
        recursive_logging: made.recursive_logging,
        ..wire::CreateTrailResponse::default()
    })
}

pub(crate) async fn update(
    state: Arc<CloudTrail>,
    caller: Caller,
    input: wire::UpdateTrailRequest,
) -> Result<wire::UpdateTrailResponse, AwsError> {
    check(&Elsewhere {
        sns_topic: &input.sns_topic_name,
        log_group: &input.cloud_watch_logs_log_group_arn,
        log_role: &input.cloud_watch_logs_role_arn,
        organization: input.is_organization_trail,
    })?;
    let update = UpdateTrail {
        bucket: input.s3_bucket_name,
        key_prefix: input.s3_key_prefix,
        is_multi_region: input.is_multi_region_trail,
        includes_global_services: input.include_global_service_events,
        validates: input.enable_log_file_validation,
        is_recursive: input.recursive_logging,
        kms_key: input.kms_key_id,
    };
    let name = input.name.unwrap_or_default();
    let now = convert::trail(state.trails.update_trail(&caller, &name, update).await.map_err(trails_to_aws)?);
    Ok(wire::UpdateTrailResponse {
        name: now.name,
        s3_bucket_name: now.s3_bucket_name,
        s3_key_prefix: now.s3_key_prefix,
        include_global_service_events: now.include_global_service_events,
        is_multi_region_trail: now.is_multi_region_trail,
        trail_arn: now.trail_arn,
        log_file_validation_enabled: now.log_file_validation_enabled,
        kms_key_id: now.kms_key_id,
        is_organization_trail: now.is_organization_trail,
        recursive_logging: now.recursive_logging,
        ..wire::UpdateTrailResponse::default()
    })
}

pub(crate) async fn delete(
    state: Arc<CloudTrail>,
    caller: Caller,
    input: wire::DeleteTrailRequest,
) -> Result<wire::DeleteTrailResponse, AwsError> {
    state.trails.delete_trail(&caller, &input.name.unwrap_or_default()).await.map_err(trails_to_aws)?;
    Ok(wire::DeleteTrailResponse::default())
}

pub(crate) async fn get(
    state: Arc<CloudTrail>,
    caller: Caller,
    input: wire::GetTrailRequest,
) -> Result<wire::GetTrailResponse, AwsError> {
    let name = input.name.unwrap_or_default();
    let found = state.trails.trail(caller.authorized(), caller.scope(), &name).map_err(trails_to_aws)?;
    Ok(wire::GetTrailResponse { trail: Some(convert::trail(found)) })
}

/// Trails that are not there are left out, as on AWS. There is one region, and so no shadow of a trail in another.
pub(crate) async fn describe(
    state: Arc<CloudTrail>,
    caller: Caller,
    input: wire::DescribeTrailsRequest,
) -> Result<wire::DescribeTrailsResponse, AwsError> {
    let mut found = state.trails.trails(caller.authorized(), caller.scope()).map_err(trails_to_aws)?;
    if let Some(names) = input.trail_name_list.filter(|names| !names.is_empty()) {
        found.retain(|trail| names.iter().any(|name| *name == trail.name || *name == trail.arn().to_string()));
    }
    Ok(wire::DescribeTrailsResponse { trail_list: Some(found.into_iter().map(convert::trail).collect()) })
}

pub(crate) async fn list(
    state: Arc<CloudTrail>,
    caller: Caller,
    input: wire::ListTrailsRequest,
) -> Result<wire::ListTrailsResponse, AwsError> {
    // An account's trails are one page: no token was ever given.
    if input.next_token.is_some() {
        return Err(trails_to_aws(tarn_trails::TrailsError::InvalidToken));
    }
    let found = state.trails.trails(caller.authorized(), caller.scope()).map_err(trails_to_aws)?;
    let trails = found.into_iter().map(|trail| wire::TrailInfo {
        trail_arn: Some(trail.arn().to_string()),
        home_region: Some(trail.region.to_string()),
        name: Some(trail.name),
    });
    Ok(wire::ListTrailsResponse { trails: Some(trails.collect()), next_token: None })
}

pub(crate) async fn start(
    state: Arc<CloudTrail>,
    caller: Caller,
    input: wire::StartLoggingRequest,
) -> Result<wire::StartLoggingResponse, AwsError> {
    state.trails.start_logging(&caller, &input.name.unwrap_or_default()).await.map_err(trails_to_aws)?;
    Ok(wire::StartLoggingResponse::default())
}

pub(crate) async fn stop(
    state: Arc<CloudTrail>,
    caller: Caller,
    input: wire::StopLoggingRequest,
) -> Result<wire::StopLoggingResponse, AwsError> {
    state.trails.stop_logging(&caller, &input.name.unwrap_or_default()).await.map_err(trails_to_aws)?;
    Ok(wire::StopLoggingResponse::default())
}

pub(crate) async fn status(
    state: Arc<CloudTrail>,
    caller: Caller,
    input: wire::GetTrailStatusRequest,
) -> Result<wire::GetTrailStatusResponse, AwsError> {
    let name = input.name.unwrap_or_default();
    let found = state.trails.status(caller.authorized(), caller.scope(), &name).map_err(trails_to_aws)?;
    let TrailStatus { trail, delivery } = found;
    // AWS says of the last try only when it was if it went well.
    let succeeded_ms = delivery.attempted_ms.filter(|_| delivery.error.is_none());
    Ok(wire::GetTrailStatusResponse {
        is_logging: Some(trail.is_logging),
        latest_delivery_error: delivery.error,
        latest_delivery_time: timestamp(delivery.delivered_ms),
        start_logging_time: timestamp(trail.started_ms),
        stop_logging_time: timestamp(trail.stopped_ms),
        latest_digest_delivery_time: timestamp(delivery.digested_ms),
        latest_digest_delivery_error: delivery.digest_error,
        latest_delivery_attempt_time: Some(text(delivery.attempted_ms)),
        latest_notification_attempt_time: Some(String::new()),
        latest_notification_attempt_succeeded: Some(String::new()),
        latest_delivery_attempt_succeeded: Some(text(succeeded_ms)),
        time_logging_started: Some(text(trail.started_ms)),
        time_logging_stopped: Some(text(trail.stopped_ms)),
        ..wire::GetTrailStatusResponse::default()
    })
}
