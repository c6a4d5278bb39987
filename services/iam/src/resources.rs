//! What each operation's callers must be allowed.
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html>
//!
//! Operations that speak of the caller's own user when they name none have no requirement then: who calls is not known here, so that
//! their handlers ask through `own_user` or `own_keys`, from which alone they get whose it is.

use tarn_audit::Caller;
use tarn_aws_model::iam as wire;
use tarn_aws_protocol::{AwsError, Unit};
use tarn_identity::{AccessKeyUse, EntityKind, Identity, IdentityError, KeyHolder, Taggable};
use tarn_policy::{DeniedBecause, PrincipalKind, Requirement};
use tarn_types::{Arn, Scope};

use crate::convert::required;
use crate::errors::{denied, to_aws};

type Requirements = Result<Vec<Requirement>, AwsError>;

/// `requirement` with the condition keys of the tags that `thing` has.
fn with_resource_tags(
    identity: &Identity,
    scope: &Scope,
    mut requirement: Requirement,
    thing: &Taggable,
) -> Result<Requirement, AwsError> {
    for tag in identity.resource_tags(&scope.account, thing).map_err(to_aws)? {
        for vendor in ["aws", "iam"] {
            requirement.context.set(&format!("{vendor}:ResourceTag/{}", tag.key), tag.value.clone());
        }
    }
    Ok(requirement)
}

/// `requirement` with the condition keys of the tags that a request gives.
fn with_request_tags(mut requirement: Requirement, tags: &Option<Vec<wire::Tag>>) -> Requirement {
    let tags = tags.iter().flatten().filter_map(|tag| Some((tag.key.as_ref()?, tag.value.as_ref()?)));
    let mut keys = Vec::new();
    for (key, value) in tags {
        requirement.context.set(&format!("aws:RequestTag/{key}"), value.clone());
        keys.push(key.clone());
    }
    if !keys.is_empty() {
        requirement.context.set_all("aws:TagKeys", keys);
    }
    requirement
}

/// `action` on the user, group or role called `name`, at its path and in its own spelling.
fn on(identity: &Identity, scope: &Scope, action: &'static str, kind: EntityKind, name: &str) -> Requirements {
    let arn = identity.entity_arn(&scope.account, kind, name).map_err(to_aws)?;
    let mut requirement = Requirement::new(action, arn);
    let thing = match kind {
        EntityKind::User => Taggable::User(name.to_owned()),
        EntityKind::Role => Taggable::Role(name.to_owned()),
        EntityKind::Group => return Ok(vec![requirement]),
    };
    if let Some(boundary) = identity.boundary(&scope.account, kind, name).map_err(to_aws)? {
        requirement.context.set("iam:PermissionsBoundary", boundary);
    }
    Ok(vec![with_resource_tags(identity, scope, requirement, &thing)?])
}

/// Operations on the user, group or role that their input names.
macro_rules! on_entity {
    ($kind:ident, $member:ident: $($name:ident($input:ident) $action:literal;)*) => {$(
        pub(crate) fn $name(identity: &Identity, input: &wire::$input, scope: &Scope) -> Requirements {
            let name = required(input.$member.as_deref(), concat!(stringify!($kind), "Name"))?;
            on(identity, scope, $action, EntityKind::$kind, name)
        }
    )*};
}

on_entity!(User, user_name:
    delete_user(DeleteUserRequest) "iam:DeleteUser";
    delete_user_boundary(DeleteUserPermissionsBoundaryRequest) "iam:DeleteUserPermissionsBoundary";
    untag_user(UntagUserRequest) "iam:UntagUser";
    list_user_tags(ListUserTagsRequest) "iam:ListUserTags";
    put_user_policy(PutUserPolicyRequest) "iam:PutUserPolicy";
    get_user_policy(GetUserPolicyRequest) "iam:GetUserPolicy";
    list_user_policies(ListUserPoliciesRequest) "iam:ListUserPolicies";
    delete_user_policy(DeleteUserPolicyRequest) "iam:DeleteUserPolicy";
    list_attached_user_policies(ListAttachedUserPoliciesRequest) "iam:ListAttachedUserPolicies";
    list_groups_for_user(ListGroupsForUserRequest) "iam:ListGroupsForUser";
    update_login_profile(UpdateLoginProfileRequest) "iam:UpdateLoginProfile";
);

on_entity!(Group, group_name:
    get_group(GetGroupRequest) "iam:GetGroup";
    delete_group(DeleteGroupRequest) "iam:DeleteGroup";
    add_user_to_group(AddUserToGroupRequest) "iam:AddUserToGroup";
    remove_user_from_group(RemoveUserFromGroupRequest) "iam:RemoveUserFromGroup";
    put_group_policy(PutGroupPolicyRequest) "iam:PutGroupPolicy";
    get_group_policy(GetGroupPolicyRequest) "iam:GetGroupPolicy";
    list_group_policies(ListGroupPoliciesRequest) "iam:ListGroupPolicies";
    delete_group_policy(DeleteGroupPolicyRequest) "iam:DeleteGroupPolicy";
    list_attached_group_policies(ListAttachedGroupPoliciesRequest) "iam:ListAttachedGroupPolicies";
);

on_entity!(Role, role_name:
    get_role(GetRoleRequest) "iam:GetRole";
    update_role(UpdateRoleRequest) "iam:UpdateRole";
    update_role_description(UpdateRoleDescriptionRequest) "iam:UpdateRoleDescription";
    update_assume_role_policy(UpdateAssumeRolePolicyRequest) "iam:UpdateAssumeRolePolicy";
    delete_role(DeleteRoleRequest) "iam:DeleteRole";
    delete_role_boundary(DeleteRolePermissionsBoundaryRequest) "iam:DeleteRolePermissionsBoundary";
    untag_role(UntagRoleRequest) "iam:UntagRole";
    list_role_tags(ListRoleTagsRequest) "iam:ListRoleTags";
    put_role_policy(PutRolePolicyRequest) "iam:PutRolePolicy";
    get_role_policy(GetRolePolicyRequest) "iam:GetRolePolicy";
    list_role_policies(ListRolePoliciesRequest) "iam:ListRolePolicies";
    delete_role_policy(DeleteRolePolicyRequest) "iam:DeleteRolePolicy";
    list_attached_role_policies(ListAttachedRolePoliciesRequest) "iam:ListAttachedRolePolicies";
    list_instance_profiles_for_role(ListInstanceProfilesForRoleRequest) "iam:ListInstanceProfilesForRole";
    delete_service_linked_role(DeleteServiceLinkedRoleRequest) "iam:DeleteServiceLinkedRole";
);

/// Operations that attach a managed policy or take it away: which one is a condition key.
macro_rules! with_policy {
    ($kind:ident, $member:ident: $($name:ident($input:ident) $action:literal;)*) => {$(
        pub(crate) fn $name(identity: &Identity, input: &wire::$input, scope: &Scope) -> Requirements {
            let name = required(input.$member.as_deref(), concat!(stringify!($kind), "Name"))?;
            let arn = required(input.policy_arn.as_deref(), "PolicyArn")?;
            let requirements = on(identity, scope, $action, EntityKind::$kind, name)?;
            Ok(requirements.into_iter().map(|requirement| requirement.with("iam:PolicyARN", arn)).collect())
        }
    )*};
}

with_policy!(User, user_name:
    attach_user_policy(AttachUserPolicyRequest) "iam:AttachUserPolicy";
    detach_user_policy(DetachUserPolicyRequest) "iam:DetachUserPolicy";
);
with_policy!(Group, group_name:
    attach_group_policy(AttachGroupPolicyRequest) "iam:AttachGroupPolicy";
    detach_group_policy(DetachGroupPolicyRequest) "iam:DetachGroupPolicy";
);
with_policy!(Role, role_name:
    attach_role_policy(AttachRolePolicyRequest) "iam:AttachRolePolicy";
    detach_role_policy(DetachRolePolicyRequest) "iam:DetachRolePolicy";
);

/// Operations that set a boundary: which one is a condition key, in place of the one that is there.
macro_rules! with_boundary {
    ($kind:ident, $member:ident: $name:ident($input:ident) $action:literal) => {
        pub(crate) fn $name(identity: &Identity, input: &wire::$input, scope: &Scope) -> Requirements {
            let name = required(input.$member.as_deref(), concat!(stringify!($kind), "Name"))?;
            let arn = required(input.permissions_boundary.as_deref(), "PermissionsBoundary")?;
            let requirements = on(identity, scope, $action, EntityKind::$kind, name)?;
            Ok(requirements.into_iter().map(|requirement| requirement.with("iam:PermissionsBoundary", arn)).collect())
        }
    };
}

with_boundary!(User, user_name: put_user_boundary(PutUserPermissionsBoundaryRequest) "iam:PutUserPermissionsBoundary");
with_boundary!(Role, role_name: put_role_boundary(PutRolePermissionsBoundaryRequest) "iam:PutRolePermissionsBoundary");

/// Operations that no resource can be named for.
macro_rules! on_nothing {
    ($($name:ident($input:ident) $action:literal;)*) => {$(
        pub(crate) fn $name(_: &Identity, _: &wire::$input, _: &Scope) -> Requirements {
            Ok(vec![Requirement::any($action)])
        }
    )*};
}

on_nothing!(
    list_users(ListUsersRequest) "iam:ListUsers";
    list_groups(ListGroupsRequest) "iam:ListGroups";
    list_roles(ListRolesRequest) "iam:ListRoles";
    list_policies(ListPoliciesRequest) "iam:ListPolicies";
    list_instance_profiles(ListInstanceProfilesRequest) "iam:ListInstanceProfiles";
    list_oidc_providers(ListOpenIDConnectProvidersRequest) "iam:ListOpenIDConnectProviders";
    get_account_authorization_details(GetAccountAuthorizationDetailsRequest) "iam:GetAccountAuthorizationDetails";
    create_account_alias(CreateAccountAliasRequest) "iam:CreateAccountAlias";
    list_account_aliases(ListAccountAliasesRequest) "iam:ListAccountAliases";
    delete_account_alias(DeleteAccountAliasRequest) "iam:DeleteAccountAlias";
    update_password_policy(UpdateAccountPasswordPolicyRequest) "iam:UpdateAccountPasswordPolicy";
    get_service_linked_role_deletion(GetServiceLinkedRoleDeletionStatusRequest) "iam:GetServiceLinkedRoleDeletionStatus";
    simulate_custom_policy(SimulateCustomPolicyRequest) "iam:SimulateCustomPolicy";
    context_keys_of_custom_policy(GetContextKeysForCustomPolicyRequest) "iam:GetContextKeysForCustomPolicy";
    list_virtual_mfa_devices(ListVirtualMFADevicesRequest) "iam:ListVirtualMFADevices";
    list_server_certificates(ListServerCertificatesRequest) "iam:ListServerCertificates";
);

/// Operations without input that no resource can be named for.
macro_rules! without_input {
    ($($name:ident $action:literal;)*) => {$(
        pub(crate) fn $name(_: &Identity, _: &Unit, _: &Scope) -> Requirements {
            Ok(vec![Requirement::any($action)])
        }
    )*};
}

without_input!(
    get_password_policy "iam:GetAccountPasswordPolicy";
    delete_password_policy "iam:DeleteAccountPasswordPolicy";
    generate_credential_report "iam:GenerateCredentialReport";
    get_credential_report "iam:GetCredentialReport";
);

pub(crate) fn list_saml_providers(_: &Identity, _: &wire::ListSAMLProvidersRequest, _: &Scope) -> Requirements {
    Ok(vec![Requirement::any("iam:ListSAMLProviders")])
}

pub(crate) fn list_policies_granting_service_access(
    _: &Identity,
    input: &wire::ListPoliciesGrantingServiceAccessRequest,
    _: &Scope,
) -> Requirements {
    let arn = parsed(required(input.arn.as_deref(), "Arn")?)?;
    Ok(vec![Requirement::new("iam:ListPoliciesGrantingServiceAccess", arn)])
}

/// Operations on the user, group or role whose policies are asked.
macro_rules! on_source {
    ($($name:ident($input:ident) $action:literal;)*) => {$(
        pub(crate) fn $name(_: &Identity, input: &wire::$input, _: &Scope) -> Requirements {
            let text = required(input.policy_source_arn.as_deref(), "PolicySourceArn")?;
            Ok(vec![Requirement::new($action, parsed(text)?)])
        }
    )*};
}

on_source!(
    simulate_principal_policy(SimulatePrincipalPolicyRequest) "iam:SimulatePrincipalPolicy";
    context_keys_of_principal_policy(GetContextKeysForPrincipalPolicyRequest) "iam:GetContextKeysForPrincipalPolicy";
);

pub(crate) fn create_service_linked_role(
    _: &Identity,
    input: &wire::CreateServiceLinkedRoleRequest,
    scope: &Scope,
) -> Requirements {
    let service = required(input.aws_service_name.as_deref(), "AWSServiceName")?;
    let arn = Arn::iam(&scope.account, format!("role/aws-service-role/{service}/AWSServiceRoleFor*"));
    Ok(vec![Requirement::new("iam:CreateServiceLinkedRole", arn).with("iam:AWSServiceName", service)])
}

/// Who may change its own password is for the handler to find out: whose it is is not known here.
pub(crate) fn change_password(_: &Identity, _: &wire::ChangePasswordRequest, _: &Scope) -> Requirements {
    Ok(Vec::new())
}

/// Users may where the account's policy says so, or their own policies do.
pub(crate) fn may_change_password(identity: &Identity, caller: &Caller) -> Result<(), AwsError> {
    let PrincipalKind::User { name, .. } = &caller.principal().kind else {
        return Err(to_aws(IdentityError::NotAUser));
    };
    let own = on(identity, caller.scope(), "iam:ChangePassword", EntityKind::User, name)?;
    let policy = identity.password_policy(&caller.scope().account).map_err(to_aws)?;
    match caller.authorizer().authorize(own) {
        Ok(_) => Ok(()),
        // It stands for a policy that allows, and lifts nothing else.
        Err(refused)
            if refused.because == DeniedBecause::NothingAllows
                && policy.is_some_and(|policy| policy.users_may_change) =>
        {
            Ok(())
        }
        Err(refused) => Err(denied(refused)),
    }
}

pub(crate) fn get_account_summary(_: &Identity, _: &Unit, _: &Scope) -> Requirements {
    Ok(vec![Requirement::any("iam:GetAccountSummary")])
}

/// What is to be made of `kind` at `path`, and tagged, if tags are given.
fn to_make(
    scope: &Scope,
    (action, tag_action): (&'static str, &'static str),
    kind: &str,
    path: &Option<String>,
    name: &str,
    tags: &Option<Vec<wire::Tag>>,
) -> Vec<Requirement> {
    let arn = Arn::iam(&scope.account, format!("{kind}{}{name}", path.as_deref().unwrap_or("/")));
    let mut requirements = vec![with_request_tags(Requirement::new(action, arn.clone()), tags)];
    if tags.as_ref().is_some_and(|tags| !tags.is_empty()) {
        requirements.push(with_request_tags(Requirement::new(tag_action, arn), tags));
    }
    requirements
}

fn with_boundary(requirements: Vec<Requirement>, boundary: &Option<String>) -> Vec<Requirement> {
    match boundary {
        Some(arn) => requirements.into_iter().map(|need| need.with("iam:PermissionsBoundary", arn)).collect(),
        None => requirements,
    }
}

pub(crate) fn create_user(_: &Identity, input: &wire::CreateUserRequest, scope: &Scope) -> Requirements {
    let name = required(input.user_name.as_deref(), "UserName")?;
    let made = to_make(scope, ("iam:CreateUser", "iam:TagUser"), "user", &input.path, name, &input.tags);
    Ok(with_boundary(made, &input.permissions_boundary))
}

pub(crate) fn create_group(_: &Identity, input: &wire::CreateGroupRequest, scope: &Scope) -> Requirements {
    let name = required(input.group_name.as_deref(), "GroupName")?;
    Ok(to_make(scope, ("iam:CreateGroup", ""), "group", &input.path, name, &None))
}

pub(crate) fn create_role(_: &Identity, input: &wire::CreateRoleRequest, scope: &Scope) -> Requirements {
    let name = required(input.role_name.as_deref(), "RoleName")?;
    let made = to_make(scope, ("iam:CreateRole", "iam:TagRole"), "role", &input.path, name, &input.tags);
    Ok(with_boundary(made, &input.permissions_boundary))
}

pub(crate) fn create_policy(_: &Identity, input: &wire::CreatePolicyRequest, scope: &Scope) -> Requirements {
    let name = required(input.policy_name.as_deref(), "PolicyName")?;
    Ok(to_make(scope, ("iam:CreatePolicy", "iam:TagPolicy"), "policy", &input.path, name, &input.tags))
}

pub(crate) fn create_instance_profile(
    _: &Identity,
    input: &wire::CreateInstanceProfileRequest,
    scope: &Scope,
) -> Requirements {
    let name = required(input.instance_profile_name.as_deref(), "InstanceProfileName")?;
    let actions = ("iam:CreateInstanceProfile", "iam:TagInstanceProfile");
    Ok(to_make(scope, actions, "instance-profile", &input.path, name, &input.tags))
}

pub(crate) fn create_oidc_provider(
    _: &Identity,
    input: &wire::CreateOpenIDConnectProviderRequest,
    scope: &Scope,
) -> Requirements {
    let url = required(input.url.as_deref(), "Url")?;
    let name = url.split_once("://").map_or(url, |(_, name)| name).trim_end_matches('/');
    let actions = ("iam:CreateOpenIDConnectProvider", "iam:TagOpenIDConnectProvider");
    Ok(to_make(scope, actions, "oidc-provider", &None, name, &input.tags))
}

pub(crate) fn tag_user(identity: &Identity, input: &wire::TagUserRequest, scope: &Scope) -> Requirements {
    let name = required(input.user_name.as_deref(), "UserName")?;
    let needs = on(identity, scope, "iam:TagUser", EntityKind::User, name)?;
    Ok(needs.into_iter().map(|need| with_request_tags(need, &input.tags)).collect())
}

pub(crate) fn tag_role(identity: &Identity, input: &wire::TagRoleRequest, scope: &Scope) -> Requirements {
    let name = required(input.role_name.as_deref(), "RoleName")?;
    let needs = on(identity, scope, "iam:TagRole", EntityKind::Role, name)?;
    Ok(needs.into_iter().map(|need| with_request_tags(need, &input.tags)).collect())
}

fn on_user_or_caller(identity: &Identity, scope: &Scope, action: &'static str, name: &Option<String>) -> Requirements {
    match name {
        Some(name) => on(identity, scope, action, EntityKind::User, name),
        None => Ok(Vec::new()),
    }
}

/// Operations on the user that their input names, or the caller.
macro_rules! on_user_or_caller {
    ($($name:ident($input:ident) $action:literal;)*) => {$(
        pub(crate) fn $name(identity: &Identity, input: &wire::$input, scope: &Scope) -> Requirements {
            on_user_or_caller(identity, scope, $action, &input.user_name)
        }
    )*};
}

on_user_or_caller!(
    get_user(GetUserRequest) "iam:GetUser";
    create_access_key(CreateAccessKeyRequest) "iam:CreateAccessKey";
    list_access_keys(ListAccessKeysRequest) "iam:ListAccessKeys";
    update_access_key(UpdateAccessKeyRequest) "iam:UpdateAccessKey";
    delete_access_key(DeleteAccessKeyRequest) "iam:DeleteAccessKey";
    create_login_profile(CreateLoginProfileRequest) "iam:CreateLoginProfile";
    get_login_profile(GetLoginProfileRequest) "iam:GetLoginProfile";
    delete_login_profile(DeleteLoginProfileRequest) "iam:DeleteLoginProfile";
    list_mfa_devices(ListMFADevicesRequest) "iam:ListMFADevices";
    list_ssh_public_keys(ListSSHPublicKeysRequest) "iam:ListSSHPublicKeys";
    list_signing_certificates(ListSigningCertificatesRequest) "iam:ListSigningCertificates";
    list_service_specific_credentials(ListServiceSpecificCredentialsRequest) "iam:ListServiceSpecificCredentials";
);

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
    let own = on(identity, caller.scope(), action, EntityKind::User, name)?;
    caller.authorizer().authorize(own).map_err(denied)?;
    Ok(name.clone())
}

/// As `own_user`, for access keys, which root has too.
pub(crate) fn own_keys(
    identity: &Identity,
    caller: &Caller,
    action: &'static str,
    named: Option<String>,
) -> Result<KeyHolder, AwsError> {
    if named.is_none() && caller.principal().kind == PrincipalKind::Root {
        let root = Requirement::new(action, Arn::iam(&caller.scope().account, "root"));
        caller.authorizer().authorize(vec![root]).map_err(denied)?;
        return Ok(KeyHolder::Root);
    }
    own_user(identity, caller, action, named).map(KeyHolder::User)
}

/// Both names: whoever may rename one user must not thereby take another's place in policies.
pub(crate) fn update_user(identity: &Identity, input: &wire::UpdateUserRequest, scope: &Scope) -> Requirements {
    let name = required(input.user_name.as_deref(), "UserName")?;
    renamed(identity, scope, "iam:UpdateUser", EntityKind::User, name, &input.new_user_name, &input.new_path)
}

pub(crate) fn update_group(identity: &Identity, input: &wire::UpdateGroupRequest, scope: &Scope) -> Requirements {
    let name = required(input.group_name.as_deref(), "GroupName")?;
    renamed(identity, scope, "iam:UpdateGroup", EntityKind::Group, name, &input.new_group_name, &input.new_path)
}

fn renamed(
    identity: &Identity,
    scope: &Scope,
    action: &'static str,
    kind: EntityKind,
    name: &str,
    new_name: &Option<String>,
    new_path: &Option<String>,
) -> Requirements {
    let mut requirements = on(identity, scope, action, kind, name)?;
    let old = identity.entity_arn(&scope.account, kind, name).map_err(to_aws)?;
    let (old_path, old_name) = old.resource.rsplit_once('/').unwrap_or_default();
    let path = new_path.clone().unwrap_or_else(|| format!("{}/", old_path.trim_start_matches(&kind.to_string())));
    let renamed = Arn::iam(&scope.account, format!("{kind}{path}{}", new_name.as_deref().unwrap_or(old_name)));
    if renamed != old {
        requirements.push(Requirement::new(action, renamed));
    }
    Ok(requirements)
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

fn parsed(text: &str) -> Result<Arn, AwsError> {
    Arn::parse(text).map_err(|error| AwsError::validation(&wire::SERVICE, format!("ARN {text} is not valid: {error}")))
}

/// Operations on the thing whose ARN their input gives.
macro_rules! on_arn {
    ($thing:ident, $member:ident, $label:literal: $($name:ident($input:ident) $action:literal $(, $tags:ident)?;)*) => {$(
        pub(crate) fn $name(identity: &Identity, input: &wire::$input, scope: &Scope) -> Requirements {
            let text = required(input.$member.as_deref(), $label)?;
            let requirement = Requirement::new($action, parsed(text)?);
            $(let requirement = with_request_tags(requirement, &input.$tags);)?
            Ok(vec![with_resource_tags(identity, scope, requirement, &Taggable::$thing(text.to_owned()))?])
        }
    )*};
}

on_arn!(Policy, policy_arn, "PolicyArn":
    get_policy(GetPolicyRequest) "iam:GetPolicy";
    delete_policy(DeletePolicyRequest) "iam:DeletePolicy";
    list_entities_for_policy(ListEntitiesForPolicyRequest) "iam:ListEntitiesForPolicy";
    create_policy_version(CreatePolicyVersionRequest) "iam:CreatePolicyVersion";
    get_policy_version(GetPolicyVersionRequest) "iam:GetPolicyVersion";
    list_policy_versions(ListPolicyVersionsRequest) "iam:ListPolicyVersions";
    set_default_policy_version(SetDefaultPolicyVersionRequest) "iam:SetDefaultPolicyVersion";
    delete_policy_version(DeletePolicyVersionRequest) "iam:DeletePolicyVersion";
    tag_policy(TagPolicyRequest) "iam:TagPolicy", tags;
    untag_policy(UntagPolicyRequest) "iam:UntagPolicy";
    list_policy_tags(ListPolicyTagsRequest) "iam:ListPolicyTags";
);

on_arn!(OidcProvider, open_id_connect_provider_arn, "OpenIDConnectProviderArn":
    get_oidc_provider(GetOpenIDConnectProviderRequest) "iam:GetOpenIDConnectProvider";
    delete_oidc_provider(DeleteOpenIDConnectProviderRequest) "iam:DeleteOpenIDConnectProvider";
    add_oidc_client_id(AddClientIDToOpenIDConnectProviderRequest) "iam:AddClientIDToOpenIDConnectProvider";
    remove_oidc_client_id(RemoveClientIDFromOpenIDConnectProviderRequest) "iam:RemoveClientIDFromOpenIDConnectProvider";
    update_oidc_thumbprints(UpdateOpenIDConnectProviderThumbprintRequest) "iam:UpdateOpenIDConnectProviderThumbprint";
    tag_oidc_provider(TagOpenIDConnectProviderRequest) "iam:TagOpenIDConnectProvider", tags;
    untag_oidc_provider(UntagOpenIDConnectProviderRequest) "iam:UntagOpenIDConnectProvider";
    list_oidc_provider_tags(ListOpenIDConnectProviderTagsRequest) "iam:ListOpenIDConnectProviderTags";
);

/// Operations on the instance profile that their input names.
macro_rules! on_instance_profile {
    ($($name:ident($input:ident) $action:literal $(, $tags:ident)?;)*) => {$(
        pub(crate) fn $name(identity: &Identity, input: &wire::$input, scope: &Scope) -> Requirements {
            let name = required(input.instance_profile_name.as_deref(), "InstanceProfileName")?;
            let arn = identity.instance_profile_arn(&scope.account, name).map_err(to_aws)?;
            let requirement = Requirement::new($action, arn);
            $(let requirement = with_request_tags(requirement, &input.$tags);)?
            Ok(vec![with_resource_tags(identity, scope, requirement, &Taggable::InstanceProfile(name.to_owned()))?])
        }
    )*};
}

on_instance_profile!(
    get_instance_profile(GetInstanceProfileRequest) "iam:GetInstanceProfile";
    delete_instance_profile(DeleteInstanceProfileRequest) "iam:DeleteInstanceProfile";
    remove_role_from_instance_profile(RemoveRoleFromInstanceProfileRequest) "iam:RemoveRoleFromInstanceProfile";
    profile_of_new_role(AddRoleToInstanceProfileRequest) "iam:AddRoleToInstanceProfile";
    tag_instance_profile(TagInstanceProfileRequest) "iam:TagInstanceProfile", tags;
    untag_instance_profile(UntagInstanceProfileRequest) "iam:UntagInstanceProfile";
    list_instance_profile_tags(ListInstanceProfileTagsRequest) "iam:ListInstanceProfileTags";
);

/// Whoever gives a role to a machine must be allowed to pass it on.
pub(crate) fn add_role_to_instance_profile(
    identity: &Identity,
    input: &wire::AddRoleToInstanceProfileRequest,
    scope: &Scope,
) -> Requirements {
    let mut requirements = profile_of_new_role(identity, input, scope)?;
    let role = required(input.role_name.as_deref(), "RoleName")?;
    requirements.extend(on(identity, scope, "iam:PassRole", EntityKind::Role, role)?);
    Ok(requirements)
}
