//! Event selectors on the wire. There are no insights here: asking for their selectors is answered, as on AWS, that there are none.

use std::sync::Arc;

use tarn_audit::{Caller, EventField, FieldCondition};
use tarn_aws_model::cloudtrail::{self as wire, errors as of_cloudtrail};
use tarn_aws_protocol::AwsError;
use tarn_trails::{AdvancedSelector, DataResource, EventSelector, EventSelectors, ReadWriteType, TrailsError};

use crate::CloudTrail;
use crate::errors::trails_to_aws;

const FIELDS: [(&str, EventField); 9] = [
    ("eventCategory", EventField::Category),
    ("eventName", EventField::Name),
    ("eventSource", EventField::Source),
    ("eventType", EventField::Type),
    ("readOnly", EventField::ReadOnly),
    ("resources.type", EventField::ResourceType),
    ("resources.ARN", EventField::ResourceArn),
    ("userIdentity.arn", EventField::UserArn),
    ("sessionCredentialFromConsole", EventField::ConsoleSession),
];

fn refused(reason: impl Into<String>) -> AwsError {
    trails_to_aws(TrailsError::InvalidSelectors { reason: reason.into() })
}

fn basic(selector: wire::EventSelector) -> Result<EventSelector, AwsError> {
    let read_write = match selector.read_write_type.as_deref() {
        None | Some("All") => ReadWriteType::All,
        Some("ReadOnly") => ReadWriteType::ReadOnly,
        Some("WriteOnly") => ReadWriteType::WriteOnly,
        Some(_) => return Err(refused("ReadWriteType is ReadOnly, WriteOnly or All.")),
    };
    let resource = |resource: wire::DataResource| DataResource {
        kind: resource.r#type.unwrap_or_default(),
        values: resource.values.unwrap_or_default(),
    };
    Ok(EventSelector {
        read_write,
        management: selector.include_management_events.unwrap_or(true),
        data_resources: selector.data_resources.unwrap_or_default().into_iter().map(resource).collect(),
        excluded_sources: selector.exclude_management_event_sources.unwrap_or_default(),
    })
}

fn condition(selector: wire::AdvancedFieldSelector) -> Result<FieldCondition, AwsError> {
    let name = selector.field.unwrap_or_default();
    let Some((_, field)) = FIELDS.iter().find(|(known, _)| *known == name) else {
        let known = FIELDS.map(|(name, _)| name).join(", ");
        return Err(refused(format!("There is no field {name} to select by; there are {known}.")));
    };
    Ok(FieldCondition {
        field: *field,
        equals: selector.equals.unwrap_or_default(),
        starts_with: selector.starts_with.unwrap_or_default(),
        ends_with: selector.ends_with.unwrap_or_default(),
        not_equals: selector.not_equals.unwrap_or_default(),
        not_starts_with: selector.not_starts_with.unwrap_or_default(),
        not_ends_with: selector.not_ends_with.unwrap_or_default(),
    })
}

fn advanced(selector: wire::AdvancedEventSelector) -> Result<AdvancedSelector, AwsError> {
    let conditions = selector.field_selectors.unwrap_or_default().into_iter().map(condition);
    Ok(AdvancedSelector { name: selector.name, conditions: conditions.collect::<Result<_, _>>()? })
}

fn to_wire(selectors: EventSelectors) -> (Option<Vec<wire::EventSelector>>, Option<Vec<wire::AdvancedEventSelector>>) {
    let some = |words: Vec<String>| Some(words).filter(|words| !words.is_empty());
    match selectors {
        EventSelectors::Basic(selectors) => {
            let basic = |selector: EventSelector| wire::EventSelector {
                read_write_type: Some(
                    match selector.read_write {
                        ReadWriteType::ReadOnly => "ReadOnly",
                        ReadWriteType::WriteOnly => "WriteOnly",
                        ReadWriteType::All => "All",
                    }
                    .to_owned(),
                ),
                include_management_events: Some(selector.management),
                data_resources: Some(
                    selector
                        .data_resources
                        .into_iter()
                        .map(|DataResource { kind, values }| wire::DataResource {
                            r#type: Some(kind),
                            values: Some(values),
                        })
                        .collect(),
                ),
                exclude_management_event_sources: Some(selector.excluded_sources),
            };
            (Some(selectors.into_iter().map(basic).collect()), None)
        }
        EventSelectors::Advanced(selectors) => {
            let field = |condition: FieldCondition| wire::AdvancedFieldSelector {
                field: FIELDS.iter().find(|(_, field)| *field == condition.field).map(|(name, _)| (*name).to_owned()),
                equals: some(condition.equals),
                starts_with: some(condition.starts_with),
                ends_with: some(condition.ends_with),
                not_equals: some(condition.not_equals),
                not_starts_with: some(condition.not_starts_with),
                not_ends_with: some(condition.not_ends_with),
            };
            let advanced = |selector: AdvancedSelector| wire::AdvancedEventSelector {
                name: selector.name,
                field_selectors: Some(selector.conditions.into_iter().map(field).collect()),
            };
            (None, Some(selectors.into_iter().map(advanced).collect()))
        }
    }
}

pub(crate) async fn put(
    state: Arc<CloudTrail>,
    caller: Caller,
    input: wire::PutEventSelectorsRequest,
) -> Result<wire::PutEventSelectorsResponse, AwsError> {
    let selectors = match (input.event_selectors, input.advanced_event_selectors) {
        (Some(given), None) => EventSelectors::Basic(given.into_iter().map(basic).collect::<Result<_, _>>()?),
        (None, Some(given)) => EventSelectors::Advanced(given.into_iter().map(advanced).collect::<Result<_, _>>()?),
        (Some(_), Some(_)) | (None, None) => {
            return Err(refused("Give either EventSelectors or AdvancedEventSelectors."));
        }
    };
    let name = input.trail_name.unwrap_or_default();
    let trail = state.trails.put_event_selectors(&caller, &name, selectors).await.map_err(trails_to_aws)?;
    let trail_arn = Some(trail.arn().to_string());
    let (event_selectors, advanced_event_selectors) = to_wire(trail.selectors);
    Ok(wire::PutEventSelectorsResponse { trail_arn, event_selectors, advanced_event_selectors })
}

pub(crate) async fn get(
    state: Arc<CloudTrail>,
    caller: Caller,
    input: wire::GetEventSelectorsRequest,
) -> Result<wire::GetEventSelectorsResponse, AwsError> {
    let name = input.trail_name.unwrap_or_default();
    let trail = state.trails.trail(caller.authorized(), caller.scope(), &name).map_err(trails_to_aws)?;
    let trail_arn = Some(trail.arn().to_string());
    let (event_selectors, advanced_event_selectors) = to_wire(trail.selectors);
    Ok(wire::GetEventSelectorsResponse { trail_arn, event_selectors, advanced_event_selectors })
}

pub(crate) async fn get_insight(
    state: Arc<CloudTrail>,
    caller: Caller,
    input: wire::GetInsightSelectorsRequest,
) -> Result<wire::GetInsightSelectorsResponse, AwsError> {
    if input.event_data_store.is_some() {
        let message = "This server has no event data stores; give TrailName.";
        return Err(AwsError::modelled(&of_cloudtrail::UNSUPPORTED_OPERATION_EXCEPTION, message));
    }
    let name = input.trail_name.unwrap_or_default();
    let trail = state.trails.trail(caller.authorized(), caller.scope(), &name).map_err(trails_to_aws)?;
    let message = format!("Trail {} does not have Insights enabled.", trail.name);
    Err(AwsError::modelled(&of_cloudtrail::INSIGHT_NOT_ENABLED_EXCEPTION, message))
}
