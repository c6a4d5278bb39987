//! What each operation's callers must be allowed.
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscloudtrail.html>

use tarn_aws_model::cloudtrail as wire;
use tarn_aws_protocol::AwsError;
use tarn_policy::Requirement;
use tarn_trails::trail_arn;
use tarn_types::Scope;

use crate::CloudTrail;
use crate::errors::trails_to_aws;

type Requirements = Result<Vec<Requirement>, AwsError>;

fn on_trail(
    state: &CloudTrail,
    scope: &Scope,
    action: &'static str,
    name: Option<&String>,
) -> Result<Requirement, AwsError> {
    let arn = trail_arn(scope, name.map_or("", String::as_str));
    let tags = state.trails.condition_tags(&arn).map_err(trails_to_aws)?;
    let mut requirement = Requirement::new(action, arn);
    for (tag, value) in tags {
        requirement.context.set(&format!("aws:ResourceTag/{tag}"), value);
    }
    Ok(requirement)
}

fn set_request_tags(requirement: &mut Requirement, tags: Option<&Vec<wire::Tag>>) {
    let Some(tags) = tags else { return };
    for tag in tags {
        let (key, value) = (tag.key.as_deref().unwrap_or_default(), tag.value.clone().unwrap_or_default());
        requirement.context.set(&format!("aws:RequestTag/{key}"), value);
    }
    requirement.context.set_all("aws:TagKeys", tags.iter().filter_map(|tag| tag.key.clone()));
}

/// The history has no resource to name.
pub(crate) fn lookup_events(_: &CloudTrail, _: &wire::LookupEventsRequest, _: &Scope) -> Requirements {
    Ok(vec![Requirement::any("cloudtrail:LookupEvents")])
}

pub(crate) fn create_trail(state: &CloudTrail, input: &wire::CreateTrailRequest, scope: &Scope) -> Requirements {
    let mut requirement = on_trail(state, scope, "cloudtrail:CreateTrail", input.name.as_ref())?;
    set_request_tags(&mut requirement, input.tags_list.as_ref());
    Ok(vec![requirement])
}

pub(crate) fn update_trail(state: &CloudTrail, input: &wire::UpdateTrailRequest, scope: &Scope) -> Requirements {
    Ok(vec![on_trail(state, scope, "cloudtrail:UpdateTrail", input.name.as_ref())?])
}

pub(crate) fn delete_trail(state: &CloudTrail, input: &wire::DeleteTrailRequest, scope: &Scope) -> Requirements {
    Ok(vec![on_trail(state, scope, "cloudtrail:DeleteTrail", input.name.as_ref())?])
}

pub(crate) fn get_trail(state: &CloudTrail, input: &wire::GetTrailRequest, scope: &Scope) -> Requirements {
    Ok(vec![on_trail(state, scope, "cloudtrail:GetTrail", input.name.as_ref())?])
}

pub(crate) fn describe_trails(_: &CloudTrail, _: &wire::DescribeTrailsRequest, _: &Scope) -> Requirements {
    Ok(vec![Requirement::any("cloudtrail:DescribeTrails")])
}

pub(crate) fn list_trails(_: &CloudTrail, _: &wire::ListTrailsRequest, _: &Scope) -> Requirements {
    Ok(vec![Requirement::any("cloudtrail:ListTrails")])
}

pub(crate) fn start_logging(state: &CloudTrail, input: &wire::StartLoggingRequest, scope: &Scope) -> Requirements {
    Ok(vec![on_trail(state, scope, "cloudtrail:StartLogging", input.name.as_ref())?])
}

pub(crate) fn stop_logging(state: &CloudTrail, input: &wire::StopLoggingRequest, scope: &Scope) -> Requirements {
    Ok(vec![on_trail(state, scope, "cloudtrail:StopLogging", input.name.as_ref())?])
}

pub(crate) fn get_trail_status(state: &CloudTrail, input: &wire::GetTrailStatusRequest, scope: &Scope) -> Requirements {
    Ok(vec![on_trail(state, scope, "cloudtrail:GetTrailStatus", input.name.as_ref())?])
}

pub(crate) fn put_event_selectors(
    state: &CloudTrail,
    input: &wire::PutEventSelectorsRequest,
    scope: &Scope,
) -> Requirements {
    Ok(vec![on_trail(state, scope, "cloudtrail:PutEventSelectors", input.trail_name.as_ref())?])
}

pub(crate) fn get_event_selectors(
    state: &CloudTrail,
    input: &wire::GetEventSelectorsRequest,
    scope: &Scope,
) -> Requirements {
    Ok(vec![on_trail(state, scope, "cloudtrail:GetEventSelectors", input.trail_name.as_ref())?])
}

pub(crate) fn get_insight_selectors(
    state: &CloudTrail,
    input: &wire::GetInsightSelectorsRequest,
    scope: &Scope,
) -> Requirements {
    Ok(vec![on_trail(state, scope, "cloudtrail:GetInsightSelectors", input.trail_name.as_ref())?])
}

pub(crate) fn add_tags(state: &CloudTrail, input: &wire::AddTagsRequest, scope: &Scope) -> Requirements {
    let mut requirement = on_trail(state, scope, "cloudtrail:AddTags", input.resource_id.as_ref())?;
    set_request_tags(&mut requirement, input.tags_list.as_ref());
    Ok(vec![requirement])
}

pub(crate) fn remove_tags(state: &CloudTrail, input: &wire::RemoveTagsRequest, scope: &Scope) -> Requirements {
    let mut requirement = on_trail(state, scope, "cloudtrail:RemoveTags", input.resource_id.as_ref())?;
    set_request_tags(&mut requirement, input.tags_list.as_ref());
    Ok(vec![requirement])
}

pub(crate) fn list_tags(state: &CloudTrail, input: &wire::ListTagsRequest, scope: &Scope) -> Requirements {
    let named = input.resource_id_list.iter().flatten();
    let mut requirements: Vec<_> =
        named.map(|name| on_trail(state, scope, "cloudtrail:ListTags", Some(name))).collect::<Result<_, _>>()?;
    // An empty list asks for nothing, and must still be allowed.
    if requirements.is_empty() {
        requirements.push(Requirement::any("cloudtrail:ListTags"));
    }
    Ok(requirements)
}

pub(crate) fn list_public_keys(_: &CloudTrail, _: &wire::ListPublicKeysRequest, _: &Scope) -> Requirements {
    Ok(vec![Requirement::any("cloudtrail:ListPublicKeys")])
}
