//! What each operation's callers must be allowed.
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html>
//!
//! Operations that speak of the caller's own user when they name none have no requirement then: who calls is not known here, so that
//! their handlers ask through `own_user`, from which alone they get the name.

use tarn_audit::Caller;
use tarn_aws_model::iam as wire;
use tarn_aws_protocol::AwsError;
use tarn_identity::{AccessKeyUse, Identity, IdentityError};
use tarn_policy::{PrincipalKind, Requirement};
use tarn_types::{Arn, Scope};

use crate::convert::required;
use crate::errors::{denied, to_aws};

type Requirements = Result<Vec<Requirement>, AwsError>;

/// The user called `name`, at its path.
fn user(identity: &Identity, scope: &Scope, name: &str) -> Result<Arn, AwsError> {
    let path = identity.user_path(&scope.account, name).map_err(to_aws)?;
    Ok(Arn::iam(&scope.account, format!("user{path}{name}")))
}

fn on_user(identity: &Identity, scope: &Scope, action: &'static str, name: &Option<String>) -> Requirements {
    let name = required(name.as_deref(), "UserName")?;
    Ok(vec![Requirement::new(action, user(identity, scope, name)?)])
}

fn on_user_or_caller(identity: &Identity, scope: &Scope, action: &'static str, name: &Option<String>) -> Requirements {
    match name {
        Some(_) => on_user(identity, scope, action, name),
        None => Ok(Vec::new()),
    }
}

/// The user that a call speaks of: the one it names, which the gateway has authorized, or the caller's own, which is authorized here.
pub(crate) fn own_user(
    identity: &Identity,
    caller: &Caller,
    action: &'static str,
    named: Option<String>,
) -> Result<String, AwsError> {
    if let Some(name) = named {
        return Ok(name);
    }
    let PrincipalKind::User { name, .. } = &caller.principal().kind else {
        return Err(to_aws(IdentityError::NotAUser));
    };
    let own = user(identity, caller.scope(), name)?;
    caller.authorizer().authorize(vec![Requirement::new(action, own)]).map_err(denied)?;
    Ok(name.clone())
}

fn on_policy(action: &'static str, arn: &Option<String>) -> Requirements {
    let text = required(arn.as_deref(), "PolicyArn")?;
    let arn = Arn::parse(text)
        .map_err(|error| AwsError::validation(&wire::SERVICE, format!("ARN {text} is not valid: {error}")))?;
    Ok(vec![Requirement::new(action, arn)])
}

pub(crate) fn create_user(_: &Identity, input: &wire::CreateUserRequest, scope: &Scope) -> Requirements {
    let name = required(input.user_name.as_deref(), "UserName")?;
    let path = input.path.as_deref().unwrap_or("/");
    Ok(vec![Requirement::new("iam:CreateUser", Arn::iam(&scope.account, format!("user{path}{name}")))])
}

pub(crate) fn get_user(identity: &Identity, input: &wire::GetUserRequest, scope: &Scope) -> Requirements {
    on_user_or_caller(identity, scope, "iam:GetUser", &input.user_name)
}

pub(crate) fn list_users(_: &Identity, _: &wire::ListUsersRequest, _: &Scope) -> Requirements {
    Ok(vec![Requirement::any("iam:ListUsers")])
}

/// Both names: whoever may rename one user must not thereby take another's place in policies.
pub(crate) fn update_user(identity: &Identity, input: &wire::UpdateUserRequest, scope: &Scope) -> Requirements {
    let name = required(input.user_name.as_deref(), "UserName")?;
    let path = identity.user_path(&scope.account, name).map_err(to_aws)?;
    let new_path = input.new_path.as_deref().unwrap_or(&path);
    let new_name = input.new_user_name.as_deref().unwrap_or(name);
    let mut arns = vec![Arn::iam(&scope.account, format!("user{path}{name}"))];
    let renamed = Arn::iam(&scope.account, format!("user{new_path}{new_name}"));
    if !arns.contains(&renamed) {
        arns.push(renamed);
    }
    Ok(arns.into_iter().map(|arn| Requirement::new("iam:UpdateUser", arn)).collect())
}

pub(crate) fn delete_user(identity: &Identity, input: &wire::DeleteUserRequest, scope: &Scope) -> Requirements {
    on_user(identity, scope, "iam:DeleteUser", &input.user_name)
}

pub(crate) fn create_access_key(
    identity: &Identity,
    input: &wire::CreateAccessKeyRequest,
    scope: &Scope,
) -> Requirements {
    on_user_or_caller(identity, scope, "iam:CreateAccessKey", &input.user_name)
}

pub(crate) fn list_access_keys(
    identity: &Identity,
    input: &wire::ListAccessKeysRequest,
    scope: &Scope,
) -> Requirements {
    on_user_or_caller(identity, scope, "iam:ListAccessKeys", &input.user_name)
}

pub(crate) fn update_access_key(
    identity: &Identity,
    input: &wire::UpdateAccessKeyRequest,
    scope: &Scope,
) -> Requirements {
    on_user_or_caller(identity, scope, "iam:UpdateAccessKey", &input.user_name)
}

pub(crate) fn delete_access_key(
    identity: &Identity,
    input: &wire::DeleteAccessKeyRequest,
    scope: &Scope,
) -> Requirements {
    on_user_or_caller(identity, scope, "iam:DeleteAccessKey", &input.user_name)
}

/// The user whose key it is. Of a key that the account does not have no more is told than that the caller may not: see the handler.
pub(crate) fn get_access_key_last_used(
    identity: &Identity,
    input: &wire::GetAccessKeyLastUsedRequest,
    scope: &Scope,
) -> Requirements {
    let id = required(input.access_key_id.as_deref(), "AccessKeyId")?;
    let owner = match identity.access_key_use(&scope.account, id).map_err(to_aws)? {
        Some(AccessKeyUse { user: Some((name, path)), .. }) => Arn::iam(&scope.account, format!("user{path}{name}")),
        Some(AccessKeyUse { user: None, .. }) => Arn::iam(&scope.account, "root"),
        None => Arn::iam(&scope.account, "user/*"),
    };
    Ok(vec![Requirement::new("iam:GetAccessKeyLastUsed", owner)])
}

pub(crate) fn put_user_policy(identity: &Identity, input: &wire::PutUserPolicyRequest, scope: &Scope) -> Requirements {
    on_user(identity, scope, "iam:PutUserPolicy", &input.user_name)
}

pub(crate) fn get_user_policy(identity: &Identity, input: &wire::GetUserPolicyRequest, scope: &Scope) -> Requirements {
    on_user(identity, scope, "iam:GetUserPolicy", &input.user_name)
}

pub(crate) fn list_user_policies(
    identity: &Identity,
    input: &wire::ListUserPoliciesRequest,
    scope: &Scope,
) -> Requirements {
    on_user(identity, scope, "iam:ListUserPolicies", &input.user_name)
}

pub(crate) fn delete_user_policy(
    identity: &Identity,
    input: &wire::DeleteUserPolicyRequest,
    scope: &Scope,
) -> Requirements {
    on_user(identity, scope, "iam:DeleteUserPolicy", &input.user_name)
}

fn with_policy_arn(requirements: Requirements, arn: &Option<String>) -> Requirements {
    let arn = required(arn.as_deref(), "PolicyArn")?;
    Ok(requirements?.into_iter().map(|requirement| requirement.with("iam:PolicyARN", arn)).collect())
}

pub(crate) fn attach_user_policy(
    identity: &Identity,
    input: &wire::AttachUserPolicyRequest,
    scope: &Scope,
) -> Requirements {
    with_policy_arn(on_user(identity, scope, "iam:AttachUserPolicy", &input.user_name), &input.policy_arn)
}

pub(crate) fn detach_user_policy(
    identity: &Identity,
    input: &wire::DetachUserPolicyRequest,
    scope: &Scope,
) -> Requirements {
    with_policy_arn(on_user(identity, scope, "iam:DetachUserPolicy", &input.user_name), &input.policy_arn)
}

pub(crate) fn list_attached_user_policies(
    identity: &Identity,
    input: &wire::ListAttachedUserPoliciesRequest,
    scope: &Scope,
) -> Requirements {
    on_user(identity, scope, "iam:ListAttachedUserPolicies", &input.user_name)
}

pub(crate) fn create_policy(_: &Identity, input: &wire::CreatePolicyRequest, scope: &Scope) -> Requirements {
    let name = required(input.policy_name.as_deref(), "PolicyName")?;
    let path = input.path.as_deref().unwrap_or("/");
    Ok(vec![Requirement::new("iam:CreatePolicy", Arn::iam(&scope.account, format!("policy{path}{name}")))])
}

pub(crate) fn get_policy(_: &Identity, input: &wire::GetPolicyRequest, _: &Scope) -> Requirements {
    on_policy("iam:GetPolicy", &input.policy_arn)
}

pub(crate) fn get_policy_version(_: &Identity, input: &wire::GetPolicyVersionRequest, _: &Scope) -> Requirements {
    on_policy("iam:GetPolicyVersion", &input.policy_arn)
}

pub(crate) fn list_policy_versions(_: &Identity, input: &wire::ListPolicyVersionsRequest, _: &Scope) -> Requirements {
    on_policy("iam:ListPolicyVersions", &input.policy_arn)
}

pub(crate) fn list_policies(_: &Identity, _: &wire::ListPoliciesRequest, _: &Scope) -> Requirements {
    Ok(vec![Requirement::any("iam:ListPolicies")])
}

pub(crate) fn list_entities_for_policy(
    _: &Identity,
    input: &wire::ListEntitiesForPolicyRequest,
    _: &Scope,
) -> Requirements {
    on_policy("iam:ListEntitiesForPolicy", &input.policy_arn)
}

pub(crate) fn delete_policy(_: &Identity, input: &wire::DeletePolicyRequest, _: &Scope) -> Requirements {
    on_policy("iam:DeletePolicy", &input.policy_arn)
}
