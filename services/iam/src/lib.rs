//! IAM: users, access keys and policies over `tarn-identity`. Knows the wire's shapes and IAM's errors; keeps nothing itself.
//!
//! One file for each resource; `resources` says what each operation's callers must be allowed.

mod access_keys;
mod convert;
mod errors;
mod policies;
mod resources;
mod user_policies;
mod users;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tarn_aws_model::iam::{SERVICE, operations as op};
use tarn_identity::Identity;
use tarn_operation::{Access, Table};

/// IAM over `identity`.
pub fn service(identity: Arc<Identity>) -> Table<Identity> {
    Table::new(&SERVICE, identity)
        .with::<op::CreateUser, _, _>(Access::write("iam:CreateUser"), resources::create_user, users::create)
        .with::<op::GetUser, _, _>(Access::read("iam:GetUser"), resources::get_user, users::get)
        .with::<op::ListUsers, _, _>(Access::read("iam:ListUsers"), resources::list_users, users::list)
        .with::<op::UpdateUser, _, _>(Access::write("iam:UpdateUser"), resources::update_user, users::update)
        .with::<op::DeleteUser, _, _>(Access::write("iam:DeleteUser"), resources::delete_user, users::delete)
        .with::<op::CreateAccessKey, _, _>(
            Access::write("iam:CreateAccessKey"),
            resources::create_access_key,
            access_keys::create,
        )
        .with::<op::ListAccessKeys, _, _>(
            Access::read("iam:ListAccessKeys"),
            resources::list_access_keys,
            access_keys::list,
        )
        .with::<op::UpdateAccessKey, _, _>(
            Access::write("iam:UpdateAccessKey"),
            resources::update_access_key,
            access_keys::update,
        )
        .with::<op::DeleteAccessKey, _, _>(
            Access::write("iam:DeleteAccessKey"),
            resources::delete_access_key,
            access_keys::delete,
        )
        .with::<op::GetAccessKeyLastUsed, _, _>(
            Access::read("iam:GetAccessKeyLastUsed"),
            resources::get_access_key_last_used,
            access_keys::get_last_used,
        )
        .with::<op::PutUserPolicy, _, _>(
            Access::write("iam:PutUserPolicy"),
            resources::put_user_policy,
            user_policies::put,
        )
        .with::<op::GetUserPolicy, _, _>(
            Access::read("iam:GetUserPolicy"),
            resources::get_user_policy,
            user_policies::get,
        )
        .with::<op::ListUserPolicies, _, _>(
            Access::read("iam:ListUserPolicies"),
            resources::list_user_policies,
            user_policies::list,
        )
        .with::<op::DeleteUserPolicy, _, _>(
            Access::write("iam:DeleteUserPolicy"),
            resources::delete_user_policy,
            user_policies::delete,
        )
        .with::<op::AttachUserPolicy, _, _>(
            Access::write("iam:AttachUserPolicy"),
            resources::attach_user_policy,
            user_policies::attach,
        )
        .with::<op::DetachUserPolicy, _, _>(
            Access::write("iam:DetachUserPolicy"),
            resources::detach_user_policy,
            user_policies::detach,
        )
        .with::<op::ListAttachedUserPolicies, _, _>(
            Access::read("iam:ListAttachedUserPolicies"),
            resources::list_attached_user_policies,
            user_policies::list_attached,
        )
        .with::<op::CreatePolicy, _, _>(Access::write("iam:CreatePolicy"), resources::create_policy, policies::create)
        .with::<op::GetPolicy, _, _>(Access::read("iam:GetPolicy"), resources::get_policy, policies::get)
        .with::<op::GetPolicyVersion, _, _>(
            Access::read("iam:GetPolicyVersion"),
            resources::get_policy_version,
            policies::get_version,
        )
        .with::<op::ListPolicyVersions, _, _>(
            Access::read("iam:ListPolicyVersions"),
            resources::list_policy_versions,
            policies::list_versions,
        )
        .with::<op::ListPolicies, _, _>(Access::read("iam:ListPolicies"), resources::list_policies, policies::list)
        .with::<op::ListEntitiesForPolicy, _, _>(
            Access::read("iam:ListEntitiesForPolicy"),
            resources::list_entities_for_policy,
            policies::list_entities,
        )
        .with::<op::DeletePolicy, _, _>(Access::write("iam:DeletePolicy"), resources::delete_policy, policies::delete)
}
