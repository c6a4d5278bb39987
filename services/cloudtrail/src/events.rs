//! LookupEvents: the event history, newest first.
//! <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html>

use std::sync::Arc;

use tarn_audit::{Caller, Event, EventFilter, resource_type, user_name};
use tarn_aws_model::cloudtrail::{self as wire, errors as of_cloudtrail};
use tarn_aws_protocol::{AwsError, Timestamp};
use tarn_trails::record;

use crate::CloudTrail;
use crate::errors::to_aws;

/// Events of a page if none are asked for, and the most.
const EVENTS_MAX: usize = 50;

fn refused(message: &str) -> AwsError {
    AwsError::modelled(&of_cloudtrail::INVALID_LOOKUP_ATTRIBUTES_EXCEPTION, message)
}

fn attribute(filter: &mut EventFilter, attribute: wire::LookupAttribute) -> Result<(), AwsError> {
    let wire::LookupAttribute { attribute_key: Some(key), attribute_value: Some(value) } = attribute else {
        return Err(refused("Each lookup attribute needs AttributeKey and AttributeValue."));
    };
    match key.as_str() {
        "EventId" => filter.id = Some(record::parse_event_id(&value).ok_or_else(|| refused("EventId is a UUID."))?),
        "EventName" => filter.event_name = Some(value),
        "EventSource" => filter.event_source = Some(value),
        "Username" | "AccessKeyId" => filter.user = Some(value),
        "ResourceName" => filter.resource = Some(value),
        "ReadOnly" => match value.as_str() {
            "true" => filter.read_only = Some(true),
            "false" => filter.read_only = Some(false),
            _ => return Err(refused("ReadOnly is true or false.")),
        },
        "ResourceType" => filter.resource_type = Some(value),
        _ => return Err(refused("AttributeKey is one of those that the documentation of LookupEvents lists.")),
    }
    Ok(())
}

fn filter(input: &mut wire::LookupEventsRequest) -> Result<EventFilter, AwsError> {
    let ms = |time: Timestamp| time.as_millisecond();
    // The history holds whole seconds, and both ends belong to it.
    let mut filter = EventFilter {
        from_ms: input.start_time.map(ms),
        to_ms: input.end_time.map(|time| ms(time).saturating_add(1_000)),
        management: Some(true),
        ..EventFilter::default()
    };
    if let (Some(start), Some(end)) = (input.start_time, input.end_time)
        && start > end
    {
        return Err(AwsError::modelled(
            &of_cloudtrail::INVALID_TIME_RANGE_EXCEPTION,
            "StartTime is after EndTime: give a time range that is not empty.",
        ));
    }
    if input.event_category.is_some() {
        return Err(AwsError::modelled(
            &of_cloudtrail::INVALID_EVENT_CATEGORY_EXCEPTION,
            "This server has no insight events; leave EventCategory out.",
        ));
    }
    let attributes = input.lookup_attributes.take().unwrap_or_default();
    if attributes.len() > 1 {
        return Err(refused("You can specify at most one lookup attribute."));
    }
    for given in attributes {
        attribute(&mut filter, given)?;
    }
    Ok(filter)
}

fn event(event: Event) -> wire::Event {
    let resource = |arn: &String| wire::Resource {
        resource_type: resource_type(arn).map(str::to_owned),
        resource_name: Some(arn.clone()),
    };
    wire::Event {
        event_id: Some(event.id_text()),
        event_name: Some(event.event_name.clone()),
        read_only: Some(event.read_only.to_string()),
        access_key_id: event.principal.access_key_id.clone(),
        event_time: record::event_time(&event),
        event_source: Some(event.event_source.clone()),
        username: user_name(&event.principal).map(str::to_owned),
        resources: Some(event.resources.iter().map(resource).collect()),
        cloud_trail_event: Some(record::of(&event).to_string()),
    }
}

pub(crate) async fn lookup(
    state: Arc<CloudTrail>,
    caller: Caller,
    mut input: wire::LookupEventsRequest,
) -> Result<wire::LookupEventsResponse, AwsError> {
    let filter = filter(&mut input)?;
    let limit = input.max_results.and_then(|events| usize::try_from(events).ok()).unwrap_or(EVENTS_MAX).min(EVENTS_MAX);
    let page =
        state.log.search(caller.authorized(), &filter, input.next_token.as_deref(), limit).await.map_err(to_aws)?;
    Ok(wire::LookupEventsResponse {
        events: Some(page.events.into_iter().map(event).collect()),
        next_token: page.marker,
    })
}
