//! What each operation's callers must be allowed.
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecuritytokenservice.html>

use tarn_aws_model::sts as wire;
use tarn_aws_protocol::AwsError;
use tarn_identity::{Identity, Taggable};
use tarn_policy::Requirement;
use tarn_types::{AccountId, Arn, Scope};

use crate::convert::required;

type Requirements = Result<Vec<Requirement>, AwsError>;

pub(crate) fn nothing<I>(_: &Identity, _: &I, _: &Scope) -> Requirements {
    Ok(Vec::new())
}

pub(crate) fn get_access_key_info(_: &Identity, _: &wire::GetAccessKeyInfoRequest, _: &Scope) -> Requirements {
    Ok(vec![Requirement::any("sts:GetAccessKeyInfo")])
}

pub(crate) fn decode_authorization_message(
    _: &Identity,
    _: &wire::DecodeAuthorizationMessageRequest,
    _: &Scope,
) -> Requirements {
    Ok(vec![Requirement::any("sts:DecodeAuthorizationMessage")])
}

fn with_tags(mut requirement: Requirement, tags: &Option<Vec<wire::Tag>>, transitive: &[String]) -> Requirement {
    let tags = tags.iter().flatten().filter_map(|tag| Some((tag.key.as_ref()?, tag.value.as_ref()?)));
    let mut keys = Vec::new();
    for (key, value) in tags {
        requirement.context.set(&format!("aws:RequestTag/{key}"), value.clone());
        keys.push(key.clone());
    }
    if !keys.is_empty() {
        requirement.context.set_all("aws:TagKeys", keys);
    }
    if !transitive.is_empty() {
        requirement.context.set_all("sts:TransitiveTagKeys", transitive.iter().cloned());
    }
    requirement
}

/// The role, by its own policy and the caller's; its tags, and what the caller says of the session, are condition keys. Tags and a source
/// identity need to be allowed besides.
pub(crate) fn assume_role(identity: &Identity, input: &wire::AssumeRoleRequest, _: &Scope) -> Requirements {
    let text = required(input.role_arn.as_deref(), "RoleArn")?;
    let name = required(input.role_session_name.as_deref(), "RoleSessionName")?;
    let invalid = || AwsError::validation(&wire::SERVICE, format!("{text} is invalid"));
    let arn = Arn::parse(text).map_err(|_| invalid())?;
    let role = arn.resource.strip_prefix("role/").filter(|role| arn.service == "iam" && !role.is_empty());
    let role = role.ok_or_else(invalid)?.rsplit('/').next().unwrap_or_default().to_owned();
    let account = AccountId::new(arn.account.clone()).map_err(|_| invalid())?;

    let mut needs = Requirement::new("sts:AssumeRole", arn.clone()).with("sts:RoleSessionName", name);
    if let Some(external_id) = &input.external_id {
        needs.context.set("sts:ExternalId", external_id.clone());
    }
    if let Some(source) = &input.source_identity {
        needs.context.set("sts:SourceIdentity", source.clone());
    }
    let tags = identity.resource_tags(&account, &Taggable::Role(role)).map_err(crate::errors::to_aws)?;
    for tag in tags {
        for vendor in ["aws", "iam"] {
            needs.context.set(&format!("{vendor}:ResourceTag/{}", tag.key), tag.value.clone());
        }
    }
    needs = with_tags(needs, &input.tags, input.transitive_tag_keys.as_deref().unwrap_or_default());
    let beside = |action| Requirement { action, ..needs.clone() };
    let mut all = vec![needs.clone()];
    if input.tags.as_ref().is_some_and(|tags| !tags.is_empty()) {
        all.push(beside("sts:TagSession"));
    }
    if input.source_identity.is_some() {
        all.push(beside("sts:SetSourceIdentity"));
    }
    Ok(all)
}

/// Nobody asks, for credentials that will be its own: the role is asked by the handler, once it is known for whom.
pub(crate) fn assume_role_with_web_identity(
    _: &Identity,
    _: &wire::AssumeRoleWithWebIdentityRequest,
    _: &Scope,
) -> Requirements {
    Ok(vec![Requirement::any("sts:AssumeRoleWithWebIdentity").of_callers_own()])
}

pub(crate) fn get_federation_token(
    _: &Identity,
    input: &wire::GetFederationTokenRequest,
    scope: &Scope,
) -> Requirements {
    let name = required(input.name.as_deref(), "Name")?;
    let arn = Arn::new("sts", "", scope.account.as_str(), format!("federated-user/{name}"));
    let needs = with_tags(Requirement::new("sts:GetFederationToken", arn), &input.tags, &[]);
    let mut all = vec![needs.clone()];
    if input.tags.as_ref().is_some_and(|tags| !tags.is_empty()) {
        all.push(Requirement { action: "sts:TagSession", ..needs });
    }
    Ok(all)
}
