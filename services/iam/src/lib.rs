//! IAM: users, groups, roles, access keys, policies and identity providers over `tarn-identity`. Knows the wire's shapes and IAM's errors;
//! keeps nothing itself.
//!
//! One file for each resource; `resources` says what each operation's callers must be allowed.

mod access_keys;
mod account;
mod account_details;
mod convert;
mod credential_report;
mod entity_policies;
mod errors;
mod groups;
mod instance_profiles;
mod login_profiles;
mod not_kept;
mod oidc_providers;
mod policies;
mod resources;
mod roles;
mod service_linked_roles;
mod simulation;
mod tags;
mod users;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tarn_aws_model::iam::{SERVICE, operations as op};
use tarn_identity::Identity;
use tarn_operation::{Access, Table};

/// A row for each operation: whether it reads or writes, its name (which is its action's too), what it requires, and its handler.
macro_rules! rows {
    ($table:expr; $($kind:ident $op:ident: $requires:path, $handler:path;)*) => {
        $table$(.with::<op::$op, _, _>(Access::$kind(concat!("iam:", stringify!($op))), $requires, $handler))*
    };
}

/// IAM over `identity`.
pub fn service(identity: Arc<Identity>) -> Table<Identity> {
    let table = Table::new(&SERVICE, identity);
    let table = rows!(table;
        write CreateUser: resources::create_user, users::create;
        read GetUser: resources::get_user, users::get;
        read ListUsers: resources::list_users, users::list;
        write UpdateUser: resources::update_user, users::update;
        write DeleteUser: resources::delete_user, users::delete;
        write PutUserPermissionsBoundary: resources::put_user_boundary, users::put_boundary;
        write DeleteUserPermissionsBoundary: resources::delete_user_boundary, users::delete_boundary;
        write TagUser: resources::tag_user, tags::tag_user;
        write UntagUser: resources::untag_user, tags::untag_user;
        read ListUserTags: resources::list_user_tags, tags::list_user;
        write CreateAccessKey: resources::create_access_key, access_keys::create;
        read ListAccessKeys: resources::list_access_keys, access_keys::list;
        write UpdateAccessKey: resources::update_access_key, access_keys::update;
        write DeleteAccessKey: resources::delete_access_key, access_keys::delete;
        read GetAccessKeyLastUsed: resources::get_access_key_last_used, access_keys::get_last_used;
        write PutUserPolicy: resources::put_user_policy, entity_policies::user::put;
        read GetUserPolicy: resources::get_user_policy, entity_policies::user::get;
        read ListUserPolicies: resources::list_user_policies, entity_policies::user::list;
        write DeleteUserPolicy: resources::delete_user_policy, entity_policies::user::delete;
        write AttachUserPolicy: resources::attach_user_policy, entity_policies::user::attach;
        write DetachUserPolicy: resources::detach_user_policy, entity_policies::user::detach;
        read ListAttachedUserPolicies: resources::list_attached_user_policies, entity_policies::user::list_attached;
    );
    let table = rows!(table;
        write CreateGroup: resources::create_group, groups::create;
        read GetGroup: resources::get_group, groups::get;
        read ListGroups: resources::list_groups, groups::list;
        write UpdateGroup: resources::update_group, groups::update;
        write DeleteGroup: resources::delete_group, groups::delete;
        write AddUserToGroup: resources::add_user_to_group, groups::add_user;
        write RemoveUserFromGroup: resources::remove_user_from_group, groups::remove_user;
        read ListGroupsForUser: resources::list_groups_for_user, groups::list_for_user;
        write PutGroupPolicy: resources::put_group_policy, entity_policies::group::put;
        read GetGroupPolicy: resources::get_group_policy, entity_policies::group::get;
        read ListGroupPolicies: resources::list_group_policies, entity_policies::group::list;
        write DeleteGroupPolicy: resources::delete_group_policy, entity_policies::group::delete;
        write AttachGroupPolicy: resources::attach_group_policy, entity_policies::group::attach;
        write DetachGroupPolicy: resources::detach_group_policy, entity_policies::group::detach;
        read ListAttachedGroupPolicies: resources::list_attached_group_policies, entity_policies::group::list_attached;
    );
    let table = rows!(table;
        write CreateRole: resources::create_role, roles::create;
        read GetRole: resources::get_role, roles::get;
        read ListRoles: resources::list_roles, roles::list;
        write UpdateRole: resources::update_role, roles::update;
        write UpdateRoleDescription: resources::update_role_description, roles::update_description;
        write UpdateAssumeRolePolicy: resources::update_assume_role_policy, roles::update_trust_policy;
        write DeleteRole: resources::delete_role, roles::delete;
        write PutRolePermissionsBoundary: resources::put_role_boundary, roles::put_boundary;
        write DeleteRolePermissionsBoundary: resources::delete_role_boundary, roles::delete_boundary;
        write TagRole: resources::tag_role, tags::tag_role;
        write UntagRole: resources::untag_role, tags::untag_role;
        read ListRoleTags: resources::list_role_tags, tags::list_role;
        write PutRolePolicy: resources::put_role_policy, entity_policies::role::put;
        read GetRolePolicy: resources::get_role_policy, entity_policies::role::get;
        read ListRolePolicies: resources::list_role_policies, entity_policies::role::list;
        write DeleteRolePolicy: resources::delete_role_policy, entity_policies::role::delete;
        write AttachRolePolicy: resources::attach_role_policy, entity_policies::role::attach;
        write DetachRolePolicy: resources::detach_role_policy, entity_policies::role::detach;
        read ListAttachedRolePolicies: resources::list_attached_role_policies, entity_policies::role::list_attached;
    );
    let table = rows!(table;
        write CreateInstanceProfile: resources::create_instance_profile, instance_profiles::create;
        read GetInstanceProfile: resources::get_instance_profile, instance_profiles::get;
        read ListInstanceProfiles: resources::list_instance_profiles, instance_profiles::list;
        read ListInstanceProfilesForRole: resources::list_instance_profiles_for_role, instance_profiles::list_for_role;
        write DeleteInstanceProfile: resources::delete_instance_profile, instance_profiles::delete;
        write AddRoleToInstanceProfile: resources::add_role_to_instance_profile, instance_profiles::add_role;
        write RemoveRoleFromInstanceProfile: resources::remove_role_from_instance_profile, instance_profiles::remove_role;
        write TagInstanceProfile: resources::tag_instance_profile, tags::tag_instance_profile;
        write UntagInstanceProfile: resources::untag_instance_profile, tags::untag_instance_profile;
        read ListInstanceProfileTags: resources::list_instance_profile_tags, tags::list_instance_profile;
    );
    let table = rows!(table;
        write CreatePolicy: resources::create_policy, policies::create;
        read GetPolicy: resources::get_policy, policies::get;
        read ListPolicies: resources::list_policies, policies::list;
        read ListEntitiesForPolicy: resources::list_entities_for_policy, policies::list_entities;
        write DeletePolicy: resources::delete_policy, policies::delete;
        write CreatePolicyVersion: resources::create_policy_version, policies::create_version;
        read GetPolicyVersion: resources::get_policy_version, policies::get_version;
        read ListPolicyVersions: resources::list_policy_versions, policies::list_versions;
        write SetDefaultPolicyVersion: resources::set_default_policy_version, policies::set_default_version;
        write DeletePolicyVersion: resources::delete_policy_version, policies::delete_version;
        write TagPolicy: resources::tag_policy, tags::tag_policy;
        write UntagPolicy: resources::untag_policy, tags::untag_policy;
        read ListPolicyTags: resources::list_policy_tags, tags::list_policy;
    );
    let table = rows!(table;
        write CreateOpenIDConnectProvider: resources::create_oidc_provider, oidc_providers::create;
        read GetOpenIDConnectProvider: resources::get_oidc_provider, oidc_providers::get;
        read ListOpenIDConnectProviders: resources::list_oidc_providers, oidc_providers::list;
        write DeleteOpenIDConnectProvider: resources::delete_oidc_provider, oidc_providers::delete;
        write AddClientIDToOpenIDConnectProvider: resources::add_oidc_client_id, oidc_providers::add_client_id;
        write RemoveClientIDFromOpenIDConnectProvider: resources::remove_oidc_client_id, oidc_providers::remove_client_id;
        write UpdateOpenIDConnectProviderThumbprint: resources::update_oidc_thumbprints, oidc_providers::update_thumbprints;
        write TagOpenIDConnectProvider: resources::tag_oidc_provider, tags::tag_oidc_provider;
        write UntagOpenIDConnectProvider: resources::untag_oidc_provider, tags::untag_oidc_provider;
        read ListOpenIDConnectProviderTags: resources::list_oidc_provider_tags, tags::list_oidc_provider;
        read GetAccountSummary: resources::get_account_summary, account::summary;
    );
    let table = rows!(table;
        write CreateAccountAlias: resources::create_account_alias, account::create_alias;
        read ListAccountAliases: resources::list_account_aliases, account::list_aliases;
        write DeleteAccountAlias: resources::delete_account_alias, account::delete_alias;
        read GetAccountPasswordPolicy: resources::get_password_policy, account::get_password_policy;
        write UpdateAccountPasswordPolicy: resources::update_password_policy, account::update_password_policy;
        write DeleteAccountPasswordPolicy: resources::delete_password_policy, account::delete_password_policy;
        write CreateLoginProfile: resources::create_login_profile, login_profiles::create;
        read GetLoginProfile: resources::get_login_profile, login_profiles::get;
        write UpdateLoginProfile: resources::update_login_profile, login_profiles::update;
        write DeleteLoginProfile: resources::delete_login_profile, login_profiles::delete;
        write ChangePassword: resources::change_password, login_profiles::change_password;
        write GenerateCredentialReport: resources::generate_credential_report, credential_report::generate;
        read GetCredentialReport: resources::get_credential_report, credential_report::get;
        write CreateServiceLinkedRole: resources::create_service_linked_role, service_linked_roles::create;
        write DeleteServiceLinkedRole: resources::delete_service_linked_role, service_linked_roles::delete;
        read GetServiceLinkedRoleDeletionStatus: resources::get_service_linked_role_deletion, service_linked_roles::deletion_status;
    );
    rows!(table;
        read SimulateCustomPolicy: resources::simulate_custom_policy, simulation::custom;
        read SimulatePrincipalPolicy: resources::simulate_principal_policy, simulation::principal;
        read GetContextKeysForCustomPolicy: resources::context_keys_of_custom_policy, simulation::keys_of_custom;
        read GetContextKeysForPrincipalPolicy: resources::context_keys_of_principal_policy, simulation::keys_of_principal;
        read GetAccountAuthorizationDetails: resources::get_account_authorization_details, account_details::get;
        read ListPoliciesGrantingServiceAccess: resources::list_policies_granting_service_access, account_details::list_granting;
        read ListMFADevices: resources::list_mfa_devices, not_kept::mfa_devices;
        read ListSSHPublicKeys: resources::list_ssh_public_keys, not_kept::ssh_public_keys;
        read ListSigningCertificates: resources::list_signing_certificates, not_kept::signing_certificates;
        read ListServiceSpecificCredentials: resources::list_service_specific_credentials, not_kept::service_specific_credentials;
        read ListVirtualMFADevices: resources::list_virtual_mfa_devices, not_kept::virtual_mfa_devices;
        read ListServerCertificates: resources::list_server_certificates, not_kept::server_certificates;
        read ListSAMLProviders: resources::list_saml_providers, not_kept::saml_providers;
    )
}
